//! [`Whole`]: the controls of a green that has everything.

use serde::{Deserialize, Serialize};

use super::{
    minutes::{MinuteSide, Minutes},
    reject::{Metrics, Worse},
};
use crate::health::{Tally, metrics::counts::as_f64};

/// How many minutes of blue's past stand beside one of green.
pub(super) const SLICE: usize = 4;
/// The newest minutes of the past, kept for 100 %: four for each minute of a bake of ten.
pub(super) const RESERVE: usize = 40;
/// The minutes at 100 % over which blue's live minutes are spread.
const PORTIONS: usize = 10;

/// At 100 % there is no live blue. Its two pictures are its past, and its own minutes in the steps before.
/// Each minute of either is used at most once. Green is blamed only for what both pictures, and the worst
/// minutes of a bursty past, do not explain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Whole {
    /// Blue in the steps before, and how many minutes green has been alone.
    live: Minutes,
    alone: usize,
    /// Minutes of the reserve that are used.
    used: usize,
    /// By which factor blue's newest live minutes failed more than all of them; known once green is alone.
    #[serde(default)]
    rise: Option<f64>,
    pub(super) worse: Option<Metrics<Worse>>,
}

impl Whole {
    /// Takes a minute of blue beside green.
    pub(super) fn beside(&mut self, blue: &MinuteSide) {
        if blue.requests > 0 {
            self.live.push(blue);
        }
    }

    /// Returns the next slice of the past, newest first: from the reserve, then what the last step has left.
    /// `rest` is how many minutes the last step has used.
    pub(super) fn slice(&mut self, history: &Minutes, rest: &mut usize) -> Option<MinuteSide> {
        let from = if self.used < RESERVE {
            &mut self.used
        } else {
            rest
        };
        let sum = sum(history.part(*from, SLICE)?);
        *from += SLICE;
        sum
    }

    /// Returns how much more green may fail than its controls because blue's rate was rising: the rate of
    /// the newest live minutes over that of all, 1 to 3.
    pub(super) fn rise(&mut self) -> f64 {
        *self.rise.get_or_insert_with(|| {
            let newest = sum(self.live.iter().rev().take(PORTIONS));
            match newest.zip(sum(self.live.iter())) {
                Some((newest, all)) => (rate(&newest) / rate(&all).max(1e-9)).clamp(1.0, 3.0),
                None => 1.0,
            }
        })
    }

    /// Returns [`rise`](Self::rise) if it is known yet, and 1 before.
    pub(super) fn risen(&self) -> f64 {
        self.rise.unwrap_or(1.0)
    }

    /// Returns a tenth of blue's live minutes, of each step alike; `None` after ten minutes.
    pub(super) fn lagged(&mut self) -> Option<MinuteSide> {
        let place = self.alone;
        self.alone += 1;
        let live = self.live.iter().enumerate();
        let tenth = live.filter(|(index, _)| place < PORTIONS && index % PORTIONS == place);
        sum(tenth.map(|(_, side)| side))
    }
}

/// Returns the worst slice of the past: the one with the highest error rate.
pub(super) fn worst_slice(history: &Minutes) -> Option<MinuteSide> {
    let starts = (0..history.len()).step_by(SLICE);
    let slices = starts.filter_map(|start| sum(history.part(start, SLICE)?));
    slices.reduce(|a, b| if rate(&b) > rate(&a) { b } else { a })
}

/// Returns the highest error rate of a minute of the past that had ten errors or more.
pub(super) fn highest_minute(history: &Minutes) -> f64 {
    let high = history.iter().filter(|side| side.errors.high() >= 10);
    high.map(|side| rate(&side)).fold(0.0, f64::max)
}

fn rate(side: &MinuteSide) -> f64 {
    as_f64(side.errors.high()) / as_f64(side.requests.max(1))
}

/// Adds minutes up; `None` without requests.
pub(super) fn sum(minutes: impl Iterator<Item = MinuteSide>) -> Option<MinuteSide> {
    let none = MinuteSide::new(0, Tally::exact(0), Some(Tally::exact(0)));
    let sum = minutes.fold(none, |sum, side| MinuteSide {
        requests: sum.requests + side.requests,
        errors: sum.errors + side.errors,
        slow: sum.slow.zip(side.slow).map(|(a, b)| a + b),
    });
    (sum.requests > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(requests: u64) -> MinuteSide {
        MinuteSide::new(requests, Tally::exact(0), None)
    }

    #[test]
    fn each_minute_of_the_past_is_used_once_the_reserve_first() {
        let history: Minutes = (0..60).map(|minute| side(1 << (minute % 30))).collect();
        let (mut whole, mut rest) = (Whole::default(), RESERVE);
        let mut slices = Vec::new();
        while let Some(slice) = whole.slice(&history, &mut rest) {
            slices.push(slice.requests);
        }
        assert_eq!(slices.len(), 15);
        let all: u64 = history.iter().map(|side| side.requests).sum();
        assert_eq!(slices.iter().sum::<u64>(), all);
    }

    #[test]
    fn live_minutes_are_spread_over_ten_minutes_and_used_once() {
        let mut whole = Whole::default();
        (0..25).for_each(|minute| whole.beside(&side(1 << minute)));
        whole.beside(&side(0));
        let portions: Vec<u64> = (0..12)
            .map(|_| whole.lagged().map_or(0, |side| side.requests))
            .collect();
        assert_eq!(portions.iter().sum::<u64>(), (1 << 25) - 1);
        assert_eq!(portions[0], 1 + (1 << 10) + (1 << 20), "of each step alike");
        assert_eq!(portions[10..], [0, 0]);
    }

    /// Twenty minutes at 1 %, then ten at 3 %: all of them fail 5 in 300, so the newest 1.8 times as much.
    #[test]
    fn a_rising_rate_widens_what_green_may_fail() {
        let mut whole = Whole::default();
        let minute = |errors| MinuteSide::new(100, Tally::exact(errors), None);
        (0..20).for_each(|_| whole.beside(&minute(1)));
        (0..10).for_each(|_| whole.beside(&minute(3)));
        assert!((whole.rise() - 1.8).abs() < 1e-9);
        assert_eq!(Whole::default().rise(), 1.0);
    }

    #[test]
    fn the_worst_of_the_past_is_known() {
        let bad = |errors| MinuteSide::new(100, Tally::exact(errors), None);
        let history: Minutes = [1, 1, 1, 1, 2, 30, 2, 2, 9, 0, 0, 0]
            .map(bad)
            .into_iter()
            .collect();
        assert_eq!(
            worst_slice(&history).map(|slice| slice.errors.high()),
            Some(36)
        );
        assert_eq!(highest_minute(&history), 0.3);
        assert_eq!(highest_minute(&Minutes::default()), 0.0);
    }
}
