//! The weight of each minute: less if green flickers more than chance allows.

use serde::{Deserialize, Serialize};

use super::reject::Sample;

/// Fewer bad requests in a minute than this are no sign of flicker.
const LEAST_BAD: f64 = 5.0;
/// The most that one step from minute to minute counts.
const MOST: f64 = 6.0;

/// Measures how far green's share of the bad requests jumps from minute to minute, compared with
/// independent requests. Differences of neighbours show flicker and do not show a steady shift, which is
/// a real regression.
///
/// The power of a minute rests on earlier minutes only, so every expectation stays at most 1 (Jensen).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Flicker {
    sum: f64,
    steps: f64,
    last: Option<f64>,
    green: Sample,
    blue: Sample,
}

impl Flicker {
    /// Returns the power for the next minute, in 0 to 1.
    ///
    /// `chance` is how many minutes of pure chance count as seen before the first.
    pub(super) fn temper(&self, chance: f64) -> f64 {
        1.0 / ((chance + self.sum) / (chance + self.steps)).max(1.0)
    }

    /// Takes a minute after it was judged.
    pub(super) fn push(&mut self, green: Sample, blue: Sample) {
        let bad = green.bad + blue.bad;
        if bad >= LEAST_BAD && self.green.bad + self.blue.bad > 0.0 {
            let rate = |side: Sample| (side.bad + 0.5) / (side.requests + 1.0);
            let ratio = rate(self.green) / rate(self.blue);
            let share = ratio * green.requests / (ratio * green.requests + blue.requests);
            let spread = (bad * share * (1.0 - share)).max(1e-9).sqrt();
            let z = (green.bad - share * bad) / spread;
            if let Some(last) = self.last {
                self.sum += ((z - last).powi(2) / 2.0).min(MOST);
                self.steps += 1.0;
            }
            self.last = Some(z);
        }
        for (sum, side) in [(&mut self.green, green), (&mut self.blue, blue)] {
            sum.requests += side.requests;
            sum.bad += side.bad;
        }
    }
}
