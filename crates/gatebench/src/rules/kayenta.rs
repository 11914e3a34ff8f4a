//! Kayenta's judge.

use super::{End, Rule, Seen, error_rate};
use crate::world::Minute;

/// Points of each step. Kayenta's documents want 50 or more, which would take an hour a step.
const POINTS: usize = 10;
/// Two-sided 98 %.
const Z: f64 = 2.326_347_874_040_840_8;
/// A shift counts above this fraction of itself.
const TOLERANCE: f64 = 0.25;

/// NetflixACAJudge: one look at the end of each of two steps. A metric is high if the lower bound of
/// the Mann-Whitney interval of the shift is above a quarter of the shift's estimate. If one of two
/// metrics is high, or there is no data, the score fails.
#[derive(Debug)]
pub(super) struct Kayenta {
    share: f64,
    step: usize,
    began: usize,
}

impl Kayenta {
    pub(super) fn new() -> Self {
        Self {
            share: 0.1,
            step: 0,
            began: 0,
        }
    }
}

impl Rule for Kayenta {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        let points = seen.from(self.began);
        if points.len() < POINTS {
            return None;
        }
        let points = &points[..POINTS];
        if points.iter().all(|minute| minute.green.requests == 0) {
            return Some(End::Stopped);
        }
        let known: Vec<f64> = points.iter().map(|one| one.blue_mean).collect();
        #[expect(clippy::cast_precision_loss, reason = "ten points")]
        let usual = known.iter().filter(|mean| !mean.is_nan()).sum::<f64>() / POINTS as f64;
        let or_usual = |mean: f64| if mean.is_nan() { usual } else { mean };
        let of =
            |value: &dyn Fn(&Minute) -> f64| -> Vec<f64> { points.iter().map(value).collect() };
        let errors = is_high(
            &of(&|minute| error_rate(&minute.green)),
            &of(&|minute| error_rate(&minute.blue)),
        );
        let latency = is_high(
            &of(&|minute| or_usual(minute.green_mean)),
            &of(&|minute| or_usual(minute.blue_mean)),
        );
        if errors || latency {
            return Some(End::Stopped);
        }
        if self.step == 1 {
            return Some(End::Promoted);
        }
        self.step = 1;
        self.share = 0.5;
        self.began = seen.now;
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}

fn is_high(canary: &[f64], baseline: &[f64]) -> bool {
    let mut shifts: Vec<f64> = canary
        .iter()
        .flat_map(|one| baseline.iter().map(move |other| one - other))
        .collect();
    shifts.sort_by(f64::total_cmp);
    let count = shifts.len();
    let estimate = f64::midpoint(shifts[(count - 1) / 2], shifts[count / 2]);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a hundred shifts"
    )]
    let rank = {
        let (m, n) = (canary.len() as f64, baseline.len() as f64);
        let spread = (m * n * (m + n + 1.0) / 12.0).sqrt();
        (m * n / 2.0 - Z * spread).floor().max(1.0) as usize
    };
    shifts[rank - 1] > TOLERANCE * estimate.abs()
}
