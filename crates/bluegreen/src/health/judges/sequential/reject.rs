//! The side that stops: evidence that green is worse than its control allows.

use serde::{Deserialize, Serialize};

use crate::health::judges::martingale::StartTimeMixture;

/// How many times worse than the allowed ratio green is, as each bet assumes.
const TIMES: [f64; 9] = [1.25, 1.6, 2.2, 3.2, 5.0, 10.0, 25.0, 100.0, 1000.0];
/// Each bet's share of the prior, before it is scaled to a sum of 1.
const SHARES: [f64; 9] = [1.0, 1.5, 1.5, 1.5, 1.2, 1.0, 0.7, 0.5, 0.3];

/// How much worse than its control green may be: at most `ratio` times its rate and `excess` more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Allowance {
    pub(super) ratio: f64,
    pub(super) excess: f64,
}

/// Requests of one side, and how many of them were bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) requests: f64,
    pub(super) bad: f64,
}

/// A value for each metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Metrics<T> {
    pub(super) errors: T,
    pub(super) slow: T,
}

/// An e-process against "green's rate is within the allowance, whatever the control's rate is and
/// however it moves".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Worse {
    mixture: StartTimeMixture<9>,
}

impl Worse {
    pub(super) fn new() -> Self {
        Self {
            mixture: StartTimeMixture::weighted(SHARES),
        }
    }

    /// Takes a minute in which green and the first control had requests. `temper` is a power of 0 to 1,
    /// and `cap` the most that a bet may win; both are chosen before the minute.
    ///
    /// With more than one control each bet wins what it wins against the control that speaks best for
    /// green. That is at most what it wins against the first, so its expectation stays at most 1.
    pub(super) fn push(
        &mut self,
        green: Sample,
        controls: &[Sample],
        allowed: Allowance,
        (temper, cap): (f64, f64),
    ) {
        let mut known = controls.iter().filter(|control| control.requests > 0.0);
        let Some(first) = known.next().filter(|_| green.requests > 0.0) else {
            return;
        };
        let mut wins = ln_ratios(green, *first, allowed);
        for control in known {
            let others = ln_ratios(green, *control, allowed);
            for (win, other) in wins.iter_mut().zip(others) {
                *win = win.min(other);
            }
        }
        self.mixture.push(wins.map(|win| (temper * win).min(cap)));
    }

    pub(super) fn ln_value(&self) -> f64 {
        self.mixture.ln_value()
    }
}

/// `k_g ln(1 + l) + k_b ln(1 - l R n_g/n_b) - l e n_g` for each bet `l`. By `1 + x <= e^x` its
/// exponential has an expectation of at most `exp(l n_g (p_g - R p_b - e))`, so of at most 1
/// within the allowance.
pub(super) fn ln_ratios(green: Sample, control: Sample, allowed: Allowance) -> [f64; 9] {
    let Allowance { ratio, excess } = allowed;
    let scale = ratio * green.requests + control.requests;
    TIMES.map(|times| {
        let lose = -((times - 1.0) * ratio * green.requests / scale).ln_1p();
        let win = times.ln() + lose;
        green.bad * win + control.bad * lose - win.exp_m1() * excess * green.requests
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the other controls were, and however they were chosen before the minute.
    #[test]
    fn p08_more_controls_keep_the_expectation_at_most_one_by_exact_enumeration() {
        let mut random = super::super::testing::Random::new(3);
        for _ in 0..400 {
            let (n_g, n_b) = (random.whole(1, 16), random.whole(1, 16));
            let (ratio, p_b) = (1.0 + random.unit(), 0.4 * random.unit());
            let allowed = Allowance { ratio, excess: 0.0 };
            let other = Sample {
                requests: 20.0,
                bad: (20.0 * random.unit()).floor(),
            };
            let p_g = ratio * p_b;
            let expected = super::super::testing::expectation(n_g, p_g, n_b, p_b, |green, blue| {
                let both = [
                    ln_ratios(green, blue, allowed),
                    ln_ratios(green, other, allowed),
                ];
                std::array::from_fn::<f64, 9, _>(|bet| both[0][bet].min(both[1][bet]))
            });
            let worst = expected.into_iter().fold(0.0, f64::max);
            assert!(worst <= 1.0 + 1e-12, "{worst}");
        }
    }

    #[test]
    fn p08_expectation_is_at_most_one_for_every_bet_by_exact_enumeration() {
        let mut random = super::super::testing::Random::new(1);
        let mut worst: f64 = 0.0;
        for _ in 0..1_500 {
            let (n_g, n_b) = (random.whole(1, 24), random.whole(1, 24));
            let ratio = 1.0 + 2.0 * random.unit();
            let excess = if random.unit() < 0.5 {
                0.0
            } else {
                0.05 * random.unit()
            };
            let p_b = random.unit().powi(3);
            let edge = ratio * p_b + excess;
            let p_g = edge
                * if random.unit() < 0.5 {
                    1.0
                } else {
                    random.unit()
                };
            if edge >= 1.0 {
                continue;
            }
            let allowed = Allowance { ratio, excess };
            let expected = super::super::testing::expectation(n_g, p_g, n_b, p_b, |green, blue| {
                ln_ratios(green, blue, allowed)
            });
            worst = expected.into_iter().fold(worst, f64::max);
        }
        assert!(worst <= 1.0 + 1e-12, "{worst}");
        assert!(worst > 0.99, "the bound is tight somewhere: {worst}");
    }
}
