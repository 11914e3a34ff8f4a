//! One simulated migration: what happens from moment to moment, from a seed.

use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Binomial, Distribution, Exp, Gamma, Normal, Poisson};
use statrs::distribution::{ContinuousCDF, Normal as NormalCurve};

use crate::scenario::{Bursts, Scenario};

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
/// The last minute for which bursts are drawn.
const LAST_BURST: f64 = 500.0;

/// The requests of one side in a minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Side {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) slow: u64,
}

impl std::ops::AddAssign for Side {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.slow += other.slow;
    }
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
pub(crate) struct World {
    scenario: Scenario,
    random: ChaCha8Rng,
    needs: Needs,
    /// Minutes since the start of the run.
    now: f64,
    /// The noise of each minute of the run: shared, blue's own, green's own.
    noises: Vec<[f64; 3]>,
    ln_shock: f64,
    /// When bursts begin, in minutes of the run.
    bursts: Vec<f64>,
    /// Minutes after `onset_share` was reached at which harm begins.
    onset: f64,
    /// When green had its first request, and when it reached `onset_share`.
    first: Option<f64>,
    reached: Option<f64>,
    pub(crate) minutes: Vec<Minute>,
    /// Blue's minutes before the migration, newest first.
    pub(crate) past: Vec<Side>,
    /// Failed requests on green beyond blue's error rate, in the first hour.
    pub(crate) harmed: f64,
    /// The minute at which green first did harm.
    pub(crate) harmed_since: Option<f64>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64, needs: Needs) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let past = if needs.past { PAST } else { 0 };
        let bursts = match scenario.bursts {
            Some(bursts) => drawn(&mut random, bursts, -real_of(past)),
            None => Vec::new(),
        };
        let onset = match scenario.onset {
            Some([first, last]) => first + (last - first) * random.random::<f64>(),
            None => 0.0,
        };
        let mut world = Self {
            scenario: scenario.clone(),
            needs,
            now: 0.0,
            noises: Vec::new(),
            ln_shock: 0.0,
            bursts,
            onset,
            first: None,
            reached: None,
            minutes: Vec::with_capacity(128),
            past: Vec::with_capacity(past),
            harmed: 0.0,
            harmed_since: None,
            random,
        };
        // Oldest first, so that the shared noise continues into the run.
        for minute in (1..=past).rev() {
            let [shock, own, _] = match world.scenario.quiet_past {
                true => [1.0; 3],
                false => world.noise(),
            };
            let rate = world.blue_rate(-real_of(minute), shock);
            let requests = poisson(&mut world.random, world.scenario.rate);
            world.past.push(Side {
                requests,
                errors: binomial(&mut world.random, requests, rate * own),
                slow: binomial(&mut world.random, requests, SLOW),
            });
        }
        world.past.reverse();
        world
    }

    /// Simulates the next minute, with this share on green.
    pub(crate) fn happen(&mut self, share: f64) {
        let scenario_latency = self.scenario.latency;
        let (mut green, blue) = self.pass(share, 60.0);
        if self.scenario.is_silent {
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
        if self.needs.latency {
            let random = &mut self.random;
            happened.green_mean = mean(random, green.requests, scenario_latency);
            happened.blue_mean = mean(random, blue.requests, 1.0);
            happened.green_p99 = p99(random, green.requests, scenario_latency);
        }
        self.minutes.push(happened);
    }

    /// Simulates these seconds, which end in the minute of the run in which they begin, with this share on
    /// green. Returns both sides' requests: green's, blue's.
    pub(crate) fn pass(&mut self, share: f64, seconds: f64) -> (Side, Side) {
        let minute = self.now;
        self.now += seconds / 60.0;
        while real_of(self.noises.len()) <= minute {
            let noise = self.noise();
            self.noises.push(noise);
        }
        if share > 0.0 {
            self.first.get_or_insert(minute);
        }
        if share >= self.scenario.onset_share - 1e-9 {
            self.reached.get_or_insert(minute);
        }
        let began = self.reached.is_some_and(|at| minute >= at + self.onset);
        let [shock, blue_own, green_own] = self.noises[whole(minute.max(0.0))];
        let lagged = (minute - self.scenario.lag).max(0.0);
        let lagged_shock = self.noises[whole(lagged)][0];
        let blue_rate = self.blue_rate(minute, shock);
        let shared = self.blue_rate(minute - self.scenario.lag, lagged_shock);
        let (warm_errors, warm_latency) = self.warming(minute);
        let scenario = &self.scenario;
        let green_rate = scenario.green_rate(minute, share, shared, began) + warm_errors;
        let own_latency = if began { scenario.latency } else { 1.0 };
        let latency = own_latency * warm_latency;
        let slow = slow(latency);
        let mean = scenario.rate_at(minute) * seconds / 60.0;
        let is_harm = share > 0.0 && (green_rate > shared * 1.01 + 1e-9 || latency > 1.01);
        if is_harm && scenario.is_bad {
            self.harmed_since.get_or_insert(minute);
        }
        let random = &mut self.random;
        let all = poisson(random, mean);
        let on_green = binomial(random, all, share);
        let mut side = |requests: u64, rate: f64, slow: f64| Side {
            requests,
            errors: binomial(random, requests, rate),
            slow: binomial(random, requests, slow),
        };
        let green = side(on_green, green_rate * green_own, slow);
        let blue = side(all - on_green, blue_rate * blue_own, SLOW);
        if minute < real_of(HORIZON) {
            self.harmed += real(green.errors) - real(green.requests) * shared;
        }
        (green, blue)
    }

    fn blue_rate(&self, minute: f64, shock: f64) -> f64 {
        let burst = self.scenario.bursts.filter(|bursts| {
            let mut starts = self.bursts.iter();
            starts.any(|start| (*start..start + bursts.minutes).contains(&minute))
        });
        let rate = match burst {
            Some(burst) => burst.rate.max(self.scenario.base),
            None => self.scenario.shared_rate(minute),
        };
        (rate * shock).min(0.999)
    }

    /// Returns what green's warm-up adds at this minute: errors, and a factor of latency.
    fn warming(&self, minute: f64) -> (f64, f64) {
        let (Some(warm_up), Some(first)) = (self.scenario.warm_up, self.first) else {
            return (0.0, 1.0);
        };
        let left = (1.0 - (minute - first) / warm_up.minutes).max(0.0);
        (warm_up.errors * left, 1.0 + (warm_up.latency - 1.0) * left)
    }

    /// Draws the noise of the next minute: shared, blue's own, green's own.
    fn noise(&mut self) -> [f64; 3] {
        let (cv, rho) = (self.scenario.common_cv, self.scenario.common_rho);
        let mut shock = 1.0;
        if cv > 0.0 {
            let sd = (cv * cv).ln_1p().sqrt();
            let step = Normal::new(0.0, sd).map_or(0.0, |normal| normal.sample(&mut self.random));
            self.ln_shock = rho * self.ln_shock + (1.0 - rho * rho).sqrt() * step;
            shock = (self.ln_shock - sd * sd / 2.0).exp();
        }
        let own = self.scenario.own_cv;
        [
            shock,
            noise(&mut self.random, own),
            noise(&mut self.random, own),
        ]
    }
}

/// Draws the starts of the bursts from this minute on.
fn drawn(random: &mut ChaCha8Rng, bursts: Bursts, from: f64) -> Vec<f64> {
    let mut starts = Vec::new();
    let mut at = from;
    while at < LAST_BURST {
        let gap = Exp::new(1.0 / bursts.gap).map_or(bursts.gap, |gap| gap.sample(random));
        at += gap;
        starts.push(at);
        at += bursts.minutes;
    }
    starts
}

/// Returns the fraction of requests that are slow if latency is this multiple of blue's.
fn slow(latency: f64) -> f64 {
    if latency == 1.0 {
        return SLOW;
    }
    let curve = NormalCurve::standard();
    1.0 - curve.cdf(curve.inverse_cdf(1.0 - SLOW) - latency.ln() / SIGMA)
}

fn noise(random: &mut ChaCha8Rng, cv: f64) -> f64 {
    if cv <= 0.0 {
        return 1.0;
    }
    let shape = 1.0 / (cv * cv);
    Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(random))
}

fn poisson(random: &mut ChaCha8Rng, mean: f64) -> u64 {
    let drawn = Poisson::new(mean.max(1e-9)).map_or(0.0, |poisson| poisson.sample(random));
    u64::try_from(whole(drawn)).unwrap_or(u64::MAX)
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

#[expect(clippy::cast_precision_loss, reason = "a few hundred minutes")]
pub(crate) fn real_of(minutes: usize) -> f64 {
    minutes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes of a run, not negative"
)]
pub(crate) fn whole(minutes: f64) -> usize {
    minutes as usize
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
