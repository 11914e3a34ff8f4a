//! Helpers of this module's tests: exact enumeration, and numbers from a seed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::reject::Sample;

pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(super) fn whole(&mut self, from: u32, to: u32) -> u32 {
        self.0.random_range(from..=to)
    }
}

/// Returns the probability of each number of bad requests among `n`.
pub(super) fn binomial(n: u32, p: f64) -> Vec<f64> {
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

/// Returns the expectation of each bet, over all outcomes of a minute.
pub(super) fn expectation<const N: usize>(
    n_g: u32,
    p_g: f64,
    n_b: u32,
    p_b: f64,
    ln_bets: impl Fn(Sample, Sample) -> [f64; N],
) -> [f64; N] {
    let mut expected = [0.0; N];
    for (k_g, mass_g) in (0_u32..).zip(binomial(n_g, p_g)) {
        for (k_b, mass_b) in (0_u32..).zip(binomial(n_b, p_b)) {
            let sample = |requests: u32, bad: u32| Sample {
                requests: requests.into(),
                bad: bad.into(),
            };
            let bets = ln_bets(sample(n_g, k_g), sample(n_b, k_b));
            for (sum, bet) in expected.iter_mut().zip(bets) {
                *sum += mass_g * mass_b * bet.exp();
            }
        }
    }
    expected
}
