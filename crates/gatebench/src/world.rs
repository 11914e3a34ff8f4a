//! One simulated migration: what happens in each minute, from a seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Binomial, Distribution, Gamma, Normal, Poisson};
use statrs::distribution::{ContinuousCDF, Normal as NormalCurve};

use crate::scenario::Scenario;

/// Blue's latency: lognormal with a median of 120 ms and a sigma of 0.5, so a mean of 136 ms, a
/// 90th percentile of 228 ms and a 99th of 384 ms.
const MEDIAN_MS: f64 = 120.0;
const SIGMA: f64 = 0.5;
/// The fraction of blue's requests that are slow: a request is slow above blue's 90th percentile.
const SLOW: f64 = 0.10;
/// Failed requests are counted for this many minutes: a promoted bad release costs more with each minute.
pub(crate) const HORIZON: usize = 60;
/// How many minutes of blue are known from before the migration.
const PAST: usize = 240;

/// The requests of one side in a minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Side {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) slow: u64,
}

/// The published metrics of a minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Minute {
    pub(crate) share: f64,
    pub(crate) green: Side,
    pub(crate) blue: Side,
    /// Mean latencies in milliseconds, and green's 99th percentile; NaN without requests.
    pub(crate) green_mean: f64,
    pub(crate) blue_mean: f64,
    pub(crate) green_p99: f64,
}

/// The parts of a world that a rule needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    pub(crate) latency: bool,
    pub(crate) past: bool,
}

#[derive(Debug)]
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    random: ChaCha8Rng,
    needs: Needs,
    ln_shock: f64,
    slow_green: f64,
    pub(crate) minutes: Vec<Minute>,
    /// Blue's minutes before the migration, newest first.
    pub(crate) past: Vec<Side>,
    /// Failed requests on green beyond blue's error rate, in the first hour.
    pub(crate) harmed: f64,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, seed: u64, needs: Needs) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let past = if needs.past { PAST } else { 0 };
        let past = (0..past).map(|_| {
            let requests = poisson(&mut random, scenario.rate);
            Side {
                requests,
                errors: binomial(&mut random, requests, scenario.base),
                slow: binomial(&mut random, requests, SLOW),
            }
        });
        let past = past.collect();
        let curve = NormalCurve::standard();
        let slower = curve.inverse_cdf(1.0 - SLOW) - scenario.latency.ln() / SIGMA;
        Self {
            scenario,
            past,
            needs,
            ln_shock: 0.0,
            slow_green: 1.0 - curve.cdf(slower),
            minutes: Vec::with_capacity(128),
            harmed: 0.0,
            random,
        }
    }

    /// Simulates the next minute, with this share on green.
    pub(crate) fn happen(&mut self, share: f64) {
        let minute = self.minutes.len();
        let (scenario, needs) = (self.scenario, self.needs);
        let shock = self.shock();
        let random = &mut self.random;
        let blue_rate = scenario.blue_rate(minute, shock);
        let green_rate = scenario.green_rate(minute, share, blue_rate);
        let mut own = |rate: f64| {
            let noise = noise(random, scenario.own_cv);
            (rate * noise).min(1.0)
        };
        let (blue_now, green_now) = (own(blue_rate), own(green_rate));
        let all = poisson(random, scenario.rate);
        let on_green = binomial(random, all, share);
        let mut side = |requests: u64, rate: f64, slow: f64| Side {
            requests,
            errors: binomial(random, requests, rate),
            slow: binomial(random, requests, slow),
        };
        let mut green = side(on_green, green_now, self.slow_green);
        let blue = side(all - on_green, blue_now, SLOW);
        if minute < HORIZON {
            self.harmed += real(green.errors) - real(green.requests) * blue_rate;
        }
        if scenario.is_silent {
            green = Side::default();
        }
        let mut happened = Minute {
            share,
            green,
            blue,
            green_mean: f64::NAN,
            blue_mean: f64::NAN,
            green_p99: f64::NAN,
        };
        if needs.latency {
            happened.green_mean = mean(random, green.requests, scenario.latency);
            happened.blue_mean = mean(random, blue.requests, 1.0);
            happened.green_p99 = p99(random, green.requests, scenario.latency);
        }
        self.minutes.push(happened);
    }

    /// Draws the noise that both sides share.
    fn shock(&mut self) -> f64 {
        let cv = self.scenario.common_cv;
        if cv <= 0.0 {
            return 1.0;
        }
        let sd = (cv * cv).ln_1p().sqrt();
        let rho = self.scenario.common_rho;
        let step = Normal::new(0.0, sd).map_or(0.0, |normal| normal.sample(&mut self.random));
        self.ln_shock = rho * self.ln_shock + (1.0 - rho * rho).sqrt() * step;
        (self.ln_shock - sd * sd / 2.0).exp()
    }
}

fn noise(random: &mut ChaCha8Rng, cv: f64) -> f64 {
    if cv <= 0.0 {
        return 1.0;
    }
    let shape = 1.0 / (cv * cv);
    Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(random))
}

fn poisson(random: &mut ChaCha8Rng, mean: f64) -> u64 {
    Poisson::new(mean.max(1e-9)).map_or(0, |poisson| whole(poisson.sample(random)))
}

fn binomial(random: &mut ChaCha8Rng, of: u64, rate: f64) -> u64 {
    Binomial::new(of, rate.clamp(0.0, 1.0)).map_or(0, |binomial| binomial.sample(random))
}

/// Draws the mean of `requests` lognormal latencies, by a lognormal of the same first two moments.
fn mean(random: &mut ChaCha8Rng, requests: u64, factor: f64) -> f64 {
    if requests == 0 {
        return f64::NAN;
    }
    let mean = MEDIAN_MS * factor * (SIGMA * SIGMA / 2.0).exp();
    let spread = ((SIGMA * SIGMA).exp_m1() / real(requests)).ln_1p();
    let normal = Normal::new(0.0, 1.0).map_or(0.0, |normal| normal.sample(random));
    (mean.ln() - spread / 2.0 + spread.sqrt() * normal).exp()
}

/// Draws the 99th percentile of `requests` latencies, by the order statistic.
fn p99(random: &mut ChaCha8Rng, requests: u64, factor: f64) -> f64 {
    if requests == 0 {
        return f64::NAN;
    }
    let n = real(requests);
    let k = (0.99 * n).ceil();
    let at = Beta::new(k, n - k + 1.0).map_or(0.99, |beta| beta.sample(random));
    let z = NormalCurve::standard().inverse_cdf(at.clamp(1e-12, 1.0 - 1e-12));
    (MEDIAN_MS * factor).ln().mul_add(1.0, SIGMA * z).exp()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a Poisson sample is a whole number that is not negative"
)]
fn whole(sample: f64) -> u64 {
    sample as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_the_same_for_the_same_seed_and_has_the_rates_of_its_scenario() {
        let scenario = Scenario::public("lat100", 6000.0, 0.01);
        let needs = Needs {
            latency: true,
            past: true,
        };
        let run = |seed| {
            let mut world = World::new(&scenario, seed, needs);
            (0..200).for_each(|_| world.happen(0.5));
            world
        };
        let (world, again) = (run(1), run(1));
        assert_eq!(
            format!("{:?}", world.minutes),
            format!("{:?}", again.minutes)
        );
        let sum = |of: fn(&Minute) -> u64| world.minutes.iter().map(of).sum::<u64>();
        let requests = real(sum(|minute| minute.green.requests));
        assert!((requests / 600_000.0 - 1.0).abs() < 0.01);
        let slow = real(sum(|minute| minute.green.slow)) / requests;
        assert!((slow - 0.54).abs() < 0.01, "{slow}");
        let slow = real(sum(|minute| minute.blue.slow)) / requests;
        assert!((slow - 0.10).abs() < 0.005, "{slow}");
        let errors = real(sum(|minute| minute.green.errors)) / requests;
        assert!((errors - 0.01).abs() < 0.001, "{errors}");
        let p99 = world
            .minutes
            .iter()
            .map(|minute| minute.green_p99)
            .sum::<f64>()
            / 200.0;
        assert!((p99 / 768.0 - 1.0).abs() < 0.03, "{p99}");
        assert_eq!(world.past.len(), 240);
    }
}
