//! The side that passes: evidence that green is not worse than a margin.

use serde::{Deserialize, Serialize};

use super::reject::Sample;

/// How much each bet stakes on a good green.
const STAKES: [f64; 6] = [0.15, 0.30, 0.50, 0.70, 0.85, 0.97];
/// The logarithm of the number of stakes: all have the same weight.
const LN_STAKES: f64 = 1.791_759_469_228_055;

/// An e-process against "green's rate is at least `ratio` times the control's and `margin` more", for
/// every margin at once. It begins anew at each step, and only that step's minutes count.
///
/// Since the process holds for all margins and at all looks, the margin may relax as time passes, and at
/// any moment the least margin that it proves is a certificate.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct NoWorse {
    sums: [f64; 6],
    requests: f64,
}

impl NoWorse {
    /// Takes a minute; a minute without requests on both sides says nothing.
    pub(super) fn push(&mut self, green: Sample, control: Sample, ratio: f64) {
        if green.requests <= 0.0 || control.requests <= 0.0 {
            return;
        }
        let share = ratio * green.requests / control.requests;
        for (sum, stake) in self.sums.iter_mut().zip(STAKES) {
            *sum += green.bad * (-stake).ln_1p() + control.bad * (stake * share).ln_1p();
        }
        self.requests += green.requests;
    }

    /// Returns the logarithm of the evidence against a margin.
    pub(super) fn ln_value(&self, margin: f64) -> f64 {
        let mut high = f64::NEG_INFINITY;
        let mut terms = [0.0; 6];
        for ((term, sum), stake) in terms.iter_mut().zip(self.sums).zip(STAKES) {
            *term = sum + stake * margin * self.requests;
            high = high.max(*term);
        }
        high + terms
            .iter()
            .map(|term| (term - high).exp())
            .sum::<f64>()
            .ln()
            - LN_STAKES
    }

    /// Returns the least margin that is proved at `ln_needed`; `None` if none below 1 is.
    pub(super) fn certificate(&self, ln_needed: f64) -> Option<f64> {
        if self.requests <= 0.0 || self.ln_value(1.0) < ln_needed {
            return None;
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if self.ln_value(middle) >= ln_needed {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p08_expectation_is_at_most_one_for_every_bet_by_exact_enumeration() {
        let mut random = super::super::testing::Random::new(2);
        let mut worst: f64 = 0.0;
        for _ in 0..1_500 {
            let (n_g, n_b) = (random.whole(1, 24), random.whole(1, 24));
            let (ratio, margin) = (1.0 + 2.0 * random.unit(), 0.2 * random.unit());
            let p_b = random.unit().powi(3);
            let edge = ratio * p_b + margin;
            if edge >= 1.0 {
                continue;
            }
            let above = if random.unit() < 0.5 {
                0.0
            } else {
                random.unit()
            };
            let p_g = edge + above * (1.0 - edge);
            let expected = super::super::testing::expectation(n_g, p_g, n_b, p_b, |green, blue| {
                let mut evidence = NoWorse::default();
                evidence.push(green, blue, ratio);
                let mut bets = evidence.sums;
                for (bet, stake) in bets.iter_mut().zip(STAKES) {
                    *bet += stake * margin * evidence.requests;
                }
                bets
            });
            worst = expected.into_iter().fold(worst, f64::max);
        }
        assert!(worst <= 1.0 + 1e-12, "{worst}");
        assert!(worst > 0.99, "the bound is tight somewhere: {worst}");
    }

    #[test]
    fn a_certificate_is_the_least_margin_that_is_proved() {
        let mut evidence = NoWorse::default();
        assert_eq!(evidence.certificate(20_f64.ln()), None);
        let sample = |requests, bad| Sample { requests, bad };
        evidence.push(sample(4_000.0, 4.0), sample(4_000.0, 4.0), 1.3);
        let margin = evidence.certificate(20_f64.ln()).unwrap();
        assert!(margin > 0.0 && margin < 0.005, "{margin}");
        assert!(evidence.ln_value(margin) >= 20_f64.ln());
        assert!(evidence.ln_value(margin * 0.999) < 20_f64.ln());
    }
}
