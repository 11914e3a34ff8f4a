//! [`calibrate`]: how far a service's own past can be trusted as a control.

use super::{Minute, MinuteSide, Reason, Ruling, SequentialTest, Settings};
use crate::health::Tally;

/// The ratios that are tried, the tightest first.
const RATIOS: [f64; 5] = [1.3, 1.5, 2.0, 3.0, 5.0];
/// Minutes of the last step that is tried repeatedly.
const STEP: usize = 30;
/// Minutes of the past before a step, four for each of its minutes.
const PAST: usize = 4 * STEP;

/// The result of a backtest on a service's own past.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Calibration {
    /// The number of windows that were tried.
    pub windows: usize,
    /// Each ratio, and in how many windows it would have raised a false alarm.
    pub alarms: Vec<(f64, usize)>,
    /// The least ratio without a false alarm; `None` if each had one, or if there were [too few
    /// windows](Self::ENOUGH) to tell.
    pub ratio: Option<f64>,
}

impl Calibration {
    /// With this many windows and no alarm the rate of false alarms is at most 1 % with a confidence of
    /// 95 % (rule of three).
    pub const ENOUGH: usize = 300;
}

/// Runs the test of the last step on past windows of blue, each compared with the minutes before it, as
/// if blue had been released repeatedly, and finds the least [history
/// ratio](Settings::with_history_ratio) that never raised an alarm.
///
/// `minutes` is blue minute by minute, oldest first, without the unknown minutes. A week has 330 windows.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{Tally, sequential::{MinuteSide, Settings, calibrate}};
///
/// let steady = MinuteSide::new(600, Tally::exact(6), None);
/// let found = calibrate(&vec![steady; 7 * 1_440], &Settings::default());
/// assert_eq!(found.ratio, Some(1.3));
/// ```
#[must_use]
pub fn calibrate(minutes: &[MinuteSide], settings: &Settings) -> Calibration {
    let starts = (PAST..minutes.len().saturating_sub(STEP - 1)).step_by(STEP);
    let windows: Vec<usize> = starts.collect();
    let alarms = RATIOS.map(|ratio| {
        let settings = settings.clone().with_history_ratio(ratio).without_latency();
        let alarms = windows.iter().filter(|start| {
            let past = minutes[**start - PAST..**start].iter().rev().copied();
            alarms(&settings, past.collect(), &minutes[**start..**start + STEP])
        });
        (ratio, alarms.count())
    });
    let quiet = alarms.iter().find(|(_, alarms)| *alarms == 0);
    Calibration {
        windows: windows.len(),
        ratio: quiet
            .map(|(ratio, _)| *ratio)
            .filter(|_| windows.len() >= Calibration::ENOUGH),
        alarms: alarms.into(),
    }
}

/// Returns whether blue, taken for a green at 100 %, would have been stopped because of its past.
fn alarms(settings: &Settings, past: Vec<MinuteSide>, step: &[MinuteSide]) -> bool {
    let mut test = SequentialTest::new(settings.clone(), past);
    test.begin(1.0);
    let none = MinuteSide::new(0, Tally::exact(0), None);
    step.iter().any(|side| {
        let minute = Minute::new(*side, none, 1.0);
        matches!(test.take(&minute), Ruling::Stop(reason) if reason != Reason::Limit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(errors: impl Fn(usize) -> u64) -> Vec<MinuteSide> {
        (0..7 * 1_440)
            .map(|minute| MinuteSide::new(6_000, Tally::exact(errors(minute)), None))
            .collect()
    }

    #[test]
    fn a_steady_service_may_use_its_past_and_a_swinging_one_less() {
        let steady = calibrate(&week(|_| 12), &Settings::default());
        assert_eq!((steady.windows, steady.ratio), (332, Some(1.3)));
        // Twice the errors for an hour each noon.
        let noon = calibrate(
            &week(|minute| if minute % 1_440 / 60 == 12 { 24 } else { 12 }),
            &Settings::default(),
        );
        assert!(noon.ratio > Some(1.3), "{noon:?}");
        assert!(noon.alarms[0].1 > 0);
        let wild = calibrate(
            &week(|minute| if minute % 300 < 150 { 6 } else { 240 }),
            &Settings::default(),
        );
        assert_eq!(wild.ratio, None, "{wild:?}");
    }

    #[test]
    fn too_short_a_past_says_nothing() {
        let short = calibrate(&week(|_| 12)[..2_000], &Settings::default());
        assert_eq!(short.ratio, None);
        assert!(short.windows > 50);
        assert_eq!(calibrate(&[], &Settings::default()).windows, 0);
    }
}
