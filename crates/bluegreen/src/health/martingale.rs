//! Evidence that may be looked at at any time.
//!
//! A test martingale starts at 1 and, as long as its null hypothesis is true, is expected never to
//! grow. So the probability that it ever reaches `1/alpha`, over all looks together, is at most
//! `alpha` (Ville's inequality). Here the null is "the risk of failing is at most `p0`", tried
//! against several worse risks at once, from any start on, so that a green that turns bad late is
//! found too.
//!
//! For `k` failures in `n` trials a bet on risk `q` multiplies the evidence by
//! `(q/p0)^k ((1-q)/(1-p0))^(n-k)`, whose expectation under any risk `p <= p0` is at most 1.
//! Start times have the prior 1/2 for the first minute and then 1/2 · h(1-h)^(t-2) with h = 1/40.
//! Averages over bets and start times keep the expectation.

/// The bets: fractions of the way from `p0` to certain failure.
const BETS: [f64; 7] = [0.03, 0.07, 0.15, 0.30, 0.55, 0.90, 0.999];
/// How readily a later start is believed.
const HAZARD: f64 = 1.0 / 40.0;

/// The running evidence that a risk is above a limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RiskEvidence {
    /// Logarithm of the evidence of each bet, over all starts so far.
    bets: [f64; BETS.len()],
    /// How many minutes were taken.
    minutes: u32,
}

impl Default for RiskEvidence {
    fn default() -> Self {
        Self {
            bets: [f64::NEG_INFINITY; BETS.len()],
            minutes: 0,
        }
    }
}

impl RiskEvidence {
    /// Takes a minute of `failures` in `trials` against the null "the risk is at most `p0`",
    /// 0 < p0 < 1. With `only_against` the minute may only lower the evidence: it is not green's
    /// fault.
    pub(crate) fn take(&mut self, failures: u64, trials: u64, p0: f64, only_against: bool) {
        if trials == 0 {
            return;
        }
        self.minutes = self.minutes.saturating_add(1);
        let prior = prior(self.minutes) - (BETS.len() as f64).ln();
        for (evidence, fraction) in self.bets.iter_mut().zip(BETS) {
            let mut bet = bet(failures.min(trials), trials, p0, fraction);
            if only_against {
                bet = bet.min(0.0);
            }
            *evidence = ln_add(*evidence, prior) + bet;
        }
    }

    /// The natural logarithm of the evidence. 0 is none; `ln(1/alpha)` is enough.
    pub(crate) fn ln(&self) -> f64 {
        self.bets
            .iter()
            .copied()
            .fold(reserve(self.minutes), ln_add)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn bet(failures: u64, trials: u64, p0: f64, fraction: f64) -> f64 {
    let q = p0 + (1.0 - p0) * fraction;
    let (k, rest) = (failures as f64, (trials - failures) as f64);
    k * (q / p0).ln() + rest * (-(q - p0) / (1.0 - p0)).ln_1p()
}

/// The logarithm of the prior of a start at the `t`th minute, counted from 1.
fn prior(t: u32) -> f64 {
    let half = 0.5_f64.ln();
    match t {
        1 => half,
        _ => half + HAZARD.ln() + f64::from(t - 2) * (-HAZARD).ln_1p(),
    }
}

/// The logarithm of the prior of all starts after the `t`th minute.
fn reserve(t: u32) -> f64 {
    match t {
        0 => 0.0,
        _ => 0.5_f64.ln() + f64::from(t - 1) * (-HAZARD).ln_1p(),
    }
}

/// `ln(exp(a) + exp(b))` without overflow.
fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `ln(n choose k)`.
    fn ln_choose(n: u64, k: u64) -> f64 {
        (1..=k)
            .map(|i| (((n - k + i) as f64) / i as f64).ln())
            .sum()
    }

    fn ln_probability(n: u64, k: u64, p: f64) -> f64 {
        ln_choose(n, k) + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        /// By exact enumeration of two minutes: whatever the true risk below the limit, the
        /// evidence is expected to be at most 1.
        #[test]
        fn p08_evidence_is_expected_not_to_grow(n in 1_u64..25, m in 1_u64..25, p0 in 0.01_f64..0.6, below in 0.0_f64..=1.0) {
            let p = (p0 * below).max(1e-9);
            let mut expected = 0.0;
            for k in 0..=n {
                for l in 0..=m {
                    let mut evidence = RiskEvidence::default();
                    evidence.take(k, n, p0, false);
                    evidence.take(l, m, p0, false);
                    expected += (ln_probability(n, k, p) + ln_probability(m, l, p) + evidence.ln()).exp();
                }
            }
            prop_assert!(expected <= 1.0 + 1e-12, "{}", expected);
        }

        #[test]
        fn any_counts_give_a_number(minutes in prop::collection::vec((0_u64..=10_000_000, 0_u64..=10_000_000), 1..200), p0 in 0.0001_f64..0.9999) {
            let mut evidence = RiskEvidence::default();
            for (k, n) in minutes {
                evidence.take(k, n, p0, k % 3 == 0);
                prop_assert!(!evidence.ln().is_nan());
            }
        }
    }

    #[test]
    fn one_error_of_six_proves_nothing_and_an_outage_does_at_once() {
        let enough = 100_f64.ln();
        let mut evidence = RiskEvidence::default();
        evidence.take(1, 6, 0.05, false);
        assert!(evidence.ln() < 1.0);
        let mut evidence = RiskEvidence::default();
        evidence.take(2, 30, 0.05, false);
        assert!(evidence.ln() < enough);
        let mut evidence = RiskEvidence::default();
        evidence.take(30, 30, 0.05, false);
        assert!(evidence.ln() > enough);
    }

    #[test]
    fn a_late_turn_is_found_after_good_hours() {
        let mut evidence = RiskEvidence::default();
        for _ in 0..240 {
            evidence.take(6, 600, 0.05, false);
        }
        assert!(evidence.ln() < 0.0);
        evidence.take(120, 600, 0.05, false);
        assert!(evidence.ln() > 100_f64.ln());
    }
}
