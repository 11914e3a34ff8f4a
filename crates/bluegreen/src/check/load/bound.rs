//! Exact bounds on a proportion and on a percentile, from independent samples.
//!
//! Both are Clopper and Pearson's (*Biometrika* 26, 1934): the bound of a percentile by order statistics is
//! the bound of the share of samples above a latency. One-sided: at a confidence of 99 %, a bound is too low
//! in at most one of a hundred tests.

use crate::health::as_f64;

/// Returns the highest share of failures that `failed` of `all` leave possible at this confidence, 0 to 1.
pub(crate) fn upper(failed: u64, all: u64, confidence: f64) -> f64 {
    if failed >= all {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    // The chance of so few failures falls as the share rises.
    for _ in 0..60 {
        let share = f64::midpoint(low, high);
        match at_most(failed, all, share) > 1.0 - confidence {
            true => low = share,
            false => high = share,
        }
    }
    high
}

/// Returns the number of requests of which none may fail to show a share of failures of at most `limit`.
pub(crate) fn needed(limit: f64, confidence: f64) -> u64 {
    if limit >= 1.0 {
        return 1;
    }
    // (1 - limit)^n = 1 - confidence.
    let needed = (1.0 - confidence).ln() / (-limit).ln_1p();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, which saturates"
    )]
    let needed = (needed - 1e-9).ceil() as u64;
    needed
}

/// Returns the rank, counted from 1, of the sample that is above the percentile `share` at this confidence;
/// `None` if there are too few samples for one.
pub(crate) fn rank_above(share: f64, all: u64, confidence: f64) -> Option<u64> {
    // A sample of rank r is above it if at most r - 1 samples are below it.
    if all == 0 || at_most(all - 1, all, share) < confidence {
        return None;
    }
    let (mut low, mut high) = (0, all);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match at_most(middle - 1, all, share) < confidence {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(high)
}

/// Returns the chance of at most `most` successes in `all` tries of this chance.
fn at_most(most: u64, all: u64, chance: f64) -> f64 {
    if most >= all || chance <= 0.0 {
        return 1.0;
    }
    if chance >= 1.0 {
        return 0.0;
    }
    let mean = as_f64(all) * chance;
    match as_f64(most) <= mean {
        true => tail(most, all, chance),
        // More than the mean: the other tail is the short one.
        false => 1.0 - tail(all - most - 1, all, 1.0 - chance),
    }
}

/// Returns the chance of at most `most` successes, if `most` is below the mean: the terms fall quickly.
fn tail(most: u64, all: u64, chance: f64) -> f64 {
    let (n, k) = (as_f64(all), as_f64(most));
    let choose = ln_factorial(all) - ln_factorial(most) - ln_factorial(all - most);
    let mut term = (choose + k * chance.ln() + (n - k) * (-chance).ln_1p()).exp();
    let mut sum = term;
    let mut at = most;
    while at > 0 && term > sum * 1e-17 {
        term *= as_f64(at) / as_f64(all - at + 1) * (1.0 - chance) / chance;
        sum += term;
        at -= 1;
    }
    sum.min(1.0)
}

/// Returns the logarithm of the factorial: a sum for small numbers, else
/// [Stirling's series](https://dlmf.nist.gov/5.11#E1).
fn ln_factorial(number: u64) -> f64 {
    if number < 32 {
        return (2..=number).map(|one| as_f64(one).ln()).sum();
    }
    let x = as_f64(number) + 1.0;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From exact rational arithmetic over the binomial distribution (Python's `fractions`).
    #[test]
    fn bounds_are_those_of_exact_arithmetic() {
        for (failed, all, confidence, wanted) in [
            (0, 300, 0.95, 0.009_936_082),
            (2, 20, 0.975, 0.316_982_714),
            (5, 600, 0.99, 0.021_700_230),
            (30, 100, 0.99, 0.418_093_962),
            (0, 90, 0.99, 0.049_881_493),
            (59, 60, 0.9, 0.998_245_532),
            (60, 60, 0.9, 1.0),
            (0, 0, 0.9, 1.0),
        ] {
            let got = upper(failed, all, confidence);
            assert!((got - wanted).abs() < 1e-8, "{failed} of {all}: {got}");
        }
        for (share, all, confidence, wanted) in [
            (0.5, 100, 0.95, Some(59)),
            (0.99, 459, 0.99, Some(459)),
            (0.99, 458, 0.99, None),
            (0.99, 1000, 0.99, Some(998)),
            (0.95, 200, 0.95, Some(196)),
            (0.5, 5, 0.95, Some(5)),
            (0.5, 0, 0.95, None),
        ] {
            assert_eq!(
                rank_above(share, all, confidence),
                wanted,
                "{share} of {all}"
            );
        }
    }

    #[test]
    fn the_number_that_is_needed_is_the_first_that_suffices() {
        for (limit, confidence) in [(0.01, 0.99), (0.05, 0.99), (0.001, 0.95), (0.5, 0.9)] {
            let needed = needed(limit, confidence);
            assert!(
                upper(0, needed, confidence) <= limit,
                "{needed} for {limit}"
            );
            assert!(
                upper(0, needed - 1, confidence) > limit,
                "{needed} for {limit}"
            );
        }
        assert_eq!(needed(0.01, 0.99), 459);
    }

    /// Both ways to say that a percentile is below a limit agree, for small and for large numbers.
    #[test]
    fn ranks_and_shares_say_the_same() {
        for (all, share) in [(500, 0.95), (20_000, 0.99), (1_000_000, 0.5)] {
            let rank = rank_above(share, all, 0.99).unwrap();
            let above = all - rank;
            assert!(upper(above, all, 0.99) <= 1.0 - share + 1e-9, "{all}");
            assert!(upper(above + 1, all, 0.99) > 1.0 - share, "{all}");
        }
    }
}
