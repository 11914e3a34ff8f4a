//! Evidence that stays valid at every look: an e-process for a rate above a limit.
//!
//! All values are natural logarithms. A *bet* of likelihood ratio at most 1 in expectation under the null
//! is multiplied up minute by minute; a convex mixture over bets and over the minute at which betting
//! starts is a nonnegative supermartingale `M` with `M_0 = 1`, so by Ville's inequality
//! `P(M ever reaches 1/alpha) <= alpha`, however often and whenever one looks.

use serde::{Deserialize, Serialize};

use crate::health::snapshot::logarithms;

/// A mixture of `N` bets over their start times, so that evidence of a late fault is not drowned
/// by the good minutes before it.
///
/// Half of the prior bets from the first minute on; each later minute starts with a share of 1/40 of the
/// rest: `pi_1 = 1/2`, `pi_t = 1/2 h (1-h)^(t-2)`, with `1/2 (1-h)^(t-1)` in reserve after `t` minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StartTimeMixture<const N: usize> {
    /// The logarithm of the worth of each bet.
    #[serde(with = "logarithms")]
    worth: [f64; N],
    /// The logarithm of each bet's share of the prior.
    #[serde(with = "logarithms")]
    weight: [f64; N],
    /// Minutes taken. An `f64`, because it is only a factor.
    minutes: f64,
}

/// The hazard of a new start, 1/40.
const HAZARD: f64 = 1.0 / 40.0;

impl<const N: usize> StartTimeMixture<N> {
    /// Creates a mixture with equal weights for all bets.
    pub(super) fn uniform() -> Self {
        Self::weighted([1.0; N])
    }

    /// Creates a mixture with weights of these proportions.
    pub(super) fn weighted(proportions: [f64; N]) -> Self {
        let sum: f64 = proportions.iter().sum();
        Self {
            worth: [f64::NEG_INFINITY; N],
            weight: proportions.map(|one| (one / sum).ln()),
            minutes: 0.0,
        }
    }

    /// Takes one informative minute: the gain of each bet in it, as a logarithm.
    pub(super) fn push(&mut self, wins: [f64; N]) {
        self.minutes += 1.0;
        let starts = if self.minutes < 1.5 {
            0.5_f64.ln()
        } else {
            0.5_f64.ln() + HAZARD.ln() + (self.minutes - 2.0) * (-HAZARD).ln_1p()
        };
        for ((worth, weight), win) in self.worth.iter_mut().zip(self.weight).zip(wins) {
            *worth = ln_add_exp(*worth, starts + weight) + win;
        }
    }

    /// Returns `ln M`: 0 before the first minute.
    pub(super) fn ln_value(&self) -> f64 {
        if self.minutes < 0.5 {
            return 0.0;
        }
        let reserve = 0.5_f64.ln() + (self.minutes - 1.0) * (-HAZARD).ln_1p();
        ln_add_exp(ln_sum_exp(&self.worth), reserve)
    }
}

/// Bets against "at most a fraction `p0` of the requests fails", for alternatives
/// `q = p0 + (1 - p0) f` from a little above the limit to a total outage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RateAbove {
    mixture: StartTimeMixture<7>,
    /// For how many minutes more the control's failure excuses.
    #[serde(default, skip_serializing_if = "is_zero")]
    excused: usize,
    /// The highest rate of a minute of the control's past.
    #[serde(default, skip_serializing_if = "is_nothing")]
    worst: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_nothing(rate: &f64) -> bool {
    *rate == 0.0
}

/// How far above the limit each bet's alternative lies, as a fraction of the distance to 1.
const ABOVE: [f64; 7] = [0.03, 0.07, 0.15, 0.30, 0.55, 0.90, 0.999];

/// The least limit; a lower limit counts as this one: with a limit of 0 a single failure would be proof.
const LEAST_LIMIT: f64 = 1e-4;

impl RateAbove {
    pub(crate) fn new() -> Self {
        Self {
            mixture: StartTimeMixture::uniform(),
            excused: 0,
            worst: 0.0,
        }
    }

    /// Takes a minute of the control's past. Fewer than ten failures say nothing.
    pub(crate) fn note(&mut self, requests: u64, failed: u64) {
        if failed >= 10 && requests > 0 {
            let counts = crate::health::metrics::counts::as_f64;
            self.worst = self
                .worst
                .max(counts(failed.min(requests)) / counts(requests));
        }
    }

    /// Returns the highest rate of a minute of the control's past; 0 if there was none.
    pub(crate) fn worst(&self) -> f64 {
        self.worst
    }

    /// Takes a minute as [`push`](Self::push) does. If the control fails, the minute and the next `lag`
    /// minutes are excused: a fault that both sides share may reach one of them later.
    pub(crate) fn push_near(
        &mut self,
        requests: u64,
        failed: u64,
        p0: f64,
        control_fails: bool,
        lag: usize,
    ) {
        let is_excused = control_fails || self.excused > 0;
        self.excused = match control_fails {
            true => lag.max(self.excused.saturating_sub(1)),
            false => self.excused.saturating_sub(1),
        };
        self.push(requests, failed, p0, is_excused);
    }

    /// Takes a minute with `failed` of `requests` under the limit `p0`, which may differ from minute to
    /// minute. `is_excused` says that the control fails as well: then the minute can only speak for
    /// green. The bound still holds, since that lowers every bet.
    pub(crate) fn push(&mut self, requests: u64, failed: u64, p0: f64, is_excused: bool) {
        if requests == 0 {
            return;
        }
        let n = crate::health::metrics::counts::as_f64(requests);
        let k = crate::health::metrics::counts::as_f64(failed.min(requests));
        let wins = ABOVE.map(|above| {
            let win = ln_likelihood_ratio(n, k, p0, above);
            if is_excused { win.min(0.0) } else { win }
        });
        self.mixture.push(wins);
    }

    /// Returns the logarithm of the evidence that the rate is above the limit.
    pub(crate) fn ln_value(&self) -> f64 {
        self.mixture.ln_value()
    }
}

/// `k ln(q/p0) + (n-k) ln((1-q)/(1-p0))`, where `(1-q)/(1-p0)` is `1 - above`.
fn ln_likelihood_ratio(n: f64, k: f64, p0: f64, above: f64) -> f64 {
    if p0.is_nan() || p0 >= 1.0 {
        return 0.0;
    }
    let p0 = p0.max(LEAST_LIMIT);
    let q = p0 + (1.0 - p0) * above;
    k * (q / p0).ln() + (n - k) * (-above).ln_1p()
}

/// Returns `ln(e^a + e^b)` without overflow.
pub(super) fn ln_add_exp(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

/// Returns `ln(sum of e^x)` without overflow.
fn ln_sum_exp(values: &[f64]) -> f64 {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high == f64::NEG_INFINITY {
        return high;
    }
    high + values.iter().map(|x| (x - high).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p08_reproduces_the_reference_values() {
        let mut evidence = RateAbove::new();
        assert_eq!(evidence.ln_value(), 0.0);
        let reference = [
            (60, 1, -0.652_178_269_256_208_6),
            (60, 12, 2.574_822_672_977_407),
            (6, 6, 12.431_848_251_549_958),
        ];
        for (requests, failed, expected) in reference {
            evidence.push(requests, failed, 0.05, false);
            let got = evidence.ln_value();
            assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
        }
    }

    #[test]
    fn p08_one_error_of_six_is_no_verdict() {
        let mut evidence = RateAbove::new();
        evidence.push(6, 1, 0.05, false);
        assert!(evidence.ln_value() < 100_f64.ln());
        let mut evidence = RateAbove::new();
        evidence.push(30, 2, 0.05, false);
        assert!(evidence.ln_value() < 100_f64.ln());
    }

    #[test]
    fn a_late_outage_is_seen_after_hours_of_good_minutes() {
        let mut evidence = RateAbove::new();
        for _ in 0..600 {
            evidence.push(1_000, 2, 0.05, false);
        }
        evidence.push(1_000, 900, 0.05, false);
        assert!(evidence.ln_value() > 100_f64.ln());
    }

    #[test]
    fn a_minute_without_requests_says_nothing_and_an_excused_one_nothing_bad() {
        let mut evidence = RateAbove::new();
        evidence.push(0, 0, 0.05, false);
        assert_eq!(evidence.ln_value(), 0.0);
        evidence.push(100, 100, 0.05, true);
        assert!(evidence.ln_value() <= 1e-12);
    }

    #[test]
    fn a_control_that_fails_excuses_the_next_minutes_too() {
        let mut evidence = RateAbove::new();
        evidence.push_near(100, 0, 0.05, true, 2);
        let excused = evidence.ln_value();
        for _ in 0..2 {
            evidence.push_near(100, 100, 0.05, false, 2);
            assert!(evidence.ln_value() <= excused + 1e-12);
        }
        evidence.push_near(100, 100, 0.05, false, 2);
        assert!(
            evidence.ln_value() > 100_f64.ln(),
            "the third minute counts"
        );
    }

    fn binomial(n: u64, p: f64) -> Vec<f64> {
        let mut density = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; density.len() + 1];
            for (k, mass) in density.iter().enumerate() {
                next[k] += mass * (1.0 - p);
                next[k + 1] += mass * p;
            }
            density = next;
        }
        density
    }

    /// Returns the expectation of `M` over all outcomes of the minutes.
    fn expectation(evidence: &RateAbove, minutes: &[(u64, f64)], p0: f64) -> f64 {
        let Some(((requests, p), rest)) = minutes.split_first() else {
            return evidence.ln_value().exp();
        };
        let density = binomial(*requests, *p);
        let outcomes = density.iter().zip(0_u64..).map(|(mass, failed)| {
            let mut evidence = evidence.clone();
            evidence.push(*requests, failed, p0, false);
            mass * expectation(&evidence, rest, p0)
        });
        outcomes.sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// By exact enumeration: under the null no sequence of up to three minutes has an
        /// expectation above 1.
        #[test]
        fn p08_expectation_is_at_most_one_under_the_null(
            p0 in 0.001_f64..0.6,
            minutes in proptest::collection::vec((0_u64..9, 0.0_f64..=1.0), 1..4),
        ) {
            let below: Vec<_> = minutes.iter().map(|(n, share)| (*n, share * p0)).collect();
            let expected = expectation(&RateAbove::new(), &below, p0);
            prop_assert!(expected <= 1.0 + 1e-12, "{expected}");
        }

        #[test]
        fn no_counts_and_no_limit_break_the_arithmetic(
            minutes in proptest::collection::vec((0_u64..10_000_000, 0_u64..10_000_000, any::<bool>()), 1..40),
            p0 in prop_oneof![Just(0.0), Just(1.0), Just(f64::NAN), 0.0_f64..=1.0],
        ) {
            let mut evidence = RateAbove::new();
            for (requests, failed, is_excused) in minutes {
                evidence.push(requests, failed, p0, is_excused);
                prop_assert!(evidence.ln_value().is_finite());
            }
        }
    }
}
