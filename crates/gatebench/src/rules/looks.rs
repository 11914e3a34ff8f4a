//! Rules that look only once, or at every minute.

use super::{End, Rule, Seen};
use crate::world::real;

/// The guide's router: waits ten minutes at each step, then looks once at the last five.
#[derive(Debug)]
pub(super) struct Guide {
    share: f64,
}

impl Guide {
    pub(super) fn new() -> Self {
        Self { share: 0.1 }
    }
}

impl Rule for Guide {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        if seen.now == 0 || !seen.now.is_multiple_of(10) {
            return None;
        }
        let last = seen.from(seen.now - 5);
        let requests: u64 = last.iter().map(|minute| minute.green.requests).sum();
        let errors: u64 = last.iter().map(|minute| minute.green.errors).sum();
        let means: Vec<f64> = last.iter().map(|minute| minute.green_mean).collect();
        let known: Vec<f64> = means.into_iter().filter(|mean| !mean.is_nan()).collect();
        #[expect(clippy::cast_precision_loss, reason = "five minutes")]
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        // As in the guide: without data both figures are zero, and the step passes.
        if (requests > 0 && real(errors) / real(requests) > 0.05) || mean > 3_000.0 {
            return Some(End::Stopped);
        }
        match seen.now / 10 {
            1 => self.share = 0.5,
            2 => self.share = 1.0,
            _ => return Some(End::Promoted),
        }
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}

/// A z-test over everything so far, looked at every minute; ten minutes a step.
#[derive(Debug)]
pub(super) struct PeekingZ {
    share: f64,
    green: (f64, f64),
    blue: (f64, f64),
}

impl PeekingZ {
    pub(super) fn new() -> Self {
        Self {
            share: 0.1,
            green: (0.0, 0.0),
            blue: (0.0, 0.0),
        }
    }
}

/// One-sided at 1 %.
const Z: f64 = 2.326;

impl Rule for PeekingZ {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        if let Some(minute) = seen.newest() {
            for (sum, side) in [
                (&mut self.green, minute.green),
                (&mut self.blue, minute.blue),
            ] {
                sum.0 += real(side.requests);
                sum.1 += real(side.errors);
            }
            let ((n_g, k_g), (n_b, k_b)) = (self.green, self.blue);
            let (n_g1, n_b1) = (n_g.max(1.0), n_b.max(1.0));
            let pooled = (k_g + k_b) / (n_g + n_b).max(1.0);
            let variance = (pooled * (1.0 - pooled)).max(1e-12) * (1.0 / n_g1 + 1.0 / n_b1);
            let z = (k_g / n_g1 - k_b / n_b1) / variance.sqrt();
            if n_g > 0.0 && z > Z {
                return Some(End::Stopped);
            }
        }
        match seen.now {
            10 => self.share = 0.5,
            20 => self.share = 1.0,
            30 => return Some(End::Promoted),
            _ => {}
        }
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}
