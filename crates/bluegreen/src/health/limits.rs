//! Hard limits: green's error rate and mean latency.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Bucket, Evidence, Figure, Judge, LatencySum, Observation, Progress, Unit, Verdict,
    combine::unreadable,
    counts::fraction,
    martingale::RiskEvidence,
    step::{NOTHING_YET, Place, Steps, stands_until},
};
use crate::traffic::Side;

/// Limits that green must keep, whatever blue does.
///
/// # Error rate
///
/// Unhealthy when there is *evidence* that green's risk is above the limit: a test that stays
/// valid however often it is looked at, with a false-alarm probability of at most
/// [`alpha`](Self::with_alpha) over the whole migration where requests fail independently. One
/// error of six is no verdict; an outage is one within its first settled minute. In the warm-up
/// the limit is a quarter, or the limit where that is higher. A minute in which blue fails more
/// than half the limit is no evidence against green.
///
/// Healthy when the last settled buckets of the step, up to five, hold enough green requests, a
/// rate within the limit even if everything unexplained was an error, and traffic up to now.
///
/// # Latency
///
/// Unhealthy when green's mean was above the limit in two settled buckets in a row that hold
/// enough answers together, and blue's was not above it in either. A mean has no distribution to
/// test against, so this is a floor, not a proof.
///
/// Anything else is inconclusive, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct Limits {
    max_error_rate: f64,
    max_mean_latency_ms: f64,
    min_requests: u64,
    alpha: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_error_rate: 0.05,
            max_mean_latency_ms: 3000.0,
            min_requests: 20,
            alpha: 0.01,
        }
    }
}

impl Limits {
    /// The limit of the error rate, above 0 and below 1. Default: 0.05, the guide's.
    pub fn with_max_error_rate(mut self, rate: f64) -> Self {
        self.max_error_rate = rate.clamp(1e-6, 1.0 - 1e-6);
        self
    }

    /// The limit of the mean latency. Default: 3 seconds, the guide's.
    pub fn with_max_mean_latency(mut self, latency: Duration) -> Self {
        self.max_mean_latency_ms = latency.as_secs_f64() * 1000.0;
        self
    }

    /// How many requests a healthy verdict needs at least. Default: 20, the fewest in which one
    /// error keeps the default limit.
    pub fn with_min_requests(mut self, requests: u64) -> Self {
        self.min_requests = requests.max(1);
        self
    }

    /// The probability at most that a green within the limits is ever called unhealthy for its
    /// error rate. Default: 0.01.
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha.clamp(1e-9, 0.5);
        self
    }

    /// A judge by these limits.
    #[must_use]
    pub fn judge(&self) -> impl Judge + use<> {
        LimitsJudge {
            limits: self.clone(),
            steps: Steps::default(),
            evidence: RiskEvidence::default(),
            slow: [None, None],
            proved: None,
        }
    }
}

/// How many of the newest buckets a healthy verdict looks at.
const WINDOW: usize = 5;
/// The limit of the error rate during warm-up, at least.
const WARM_UP_RATE: f64 = 0.25;

#[derive(Debug)]
struct LimitsJudge {
    limits: Limits,
    steps: Steps,
    evidence: RiskEvidence,
    /// The two newest warm buckets with a latency of green above the limit, if they are.
    slow: [Option<LatencySum>; 2],
    /// What was proved against green, once it was: evidence that has reached its border is not
    /// taken back.
    proved: Option<String>,
}

impl Judge for LimitsJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let placed = match self.steps.take(observation, progress, WINDOW) {
            Ok(placed) => placed,
            Err(error) => return unreadable(&error),
        };
        for (place, bucket) in &placed {
            match place {
                Place::Before => {}
                Place::WarmUp => self.take_errors(bucket, true),
                Place::Earlier | Place::Now => {
                    self.take_errors(bucket, false);
                    self.take_latency(bucket);
                }
            }
            if self.proved.is_none() {
                self.proved = self.proof(bucket);
            }
        }
        let newest = placed.last().map(|(_, bucket)| bucket);
        let verdict = match &self.proved {
            Some(proved) => Verdict::unhealthy(proved),
            None => self.verdict(),
        };
        verdict.map_evidence(|evidence| self.with_numbers(evidence, newest))
    }
}

impl LimitsJudge {
    fn take_errors(&mut self, bucket: &Bucket, is_warm_up: bool) {
        let (green, blue) = (&bucket.sides.green, &bucket.sides.blue);
        let (Some(requests), Some(errors)) = (green.requests, green.errors) else {
            return;
        };
        let limit = if is_warm_up {
            self.limits.max_error_rate.max(WARM_UP_RATE)
        } else {
            self.limits.max_error_rate
        };
        let blue_fails = match (blue.requests, blue.errors) {
            (Some(requests), Some(errors)) => {
                fraction(errors.low, requests) > self.limits.max_error_rate / 2.0
            }
            _ => false,
        };
        self.evidence.take(errors.low, requests, limit, blue_fails);
    }

    fn take_latency(&mut self, bucket: &Bucket) {
        let is_slow = |latency: &Option<LatencySum>| {
            let mean = latency.and_then(|latency| latency.mean_ms());
            mean.is_some_and(|mean| mean > self.limits.max_mean_latency_ms)
        };
        let (green, blue) = (&bucket.sides.green.latency, &bucket.sides.blue.latency);
        let slow = (is_slow(green) && !is_slow(blue))
            .then_some(*green)
            .flatten();
        self.slow = [self.slow[1], slow];
    }

    /// What is proved against green with this bucket, if anything is.
    fn proof(&self, bucket: &Bucket) -> Option<String> {
        if self.evidence.ln() >= (1.0 / self.limits.alpha).ln() {
            let green = &bucket.sides.green;
            return Some(format!(
                "green's error rate is above {}: {} errors in {} requests from {:.0} to {:.0}",
                Unit::Fraction.show(self.limits.max_error_rate),
                green.errors.map_or(0, |errors| errors.low),
                green.requests.unwrap_or(0),
                bucket.start,
                bucket.end()
            ));
        }
        match self.slow {
            [Some(before), Some(now)]
                if before.samples + now.samples >= self.limits.min_requests =>
            {
                let mean = before.and(now).mean_ms().unwrap_or_default();
                Some(format!(
                    "green's mean latency of {} is above {}",
                    Unit::Milliseconds.show(mean),
                    Unit::Milliseconds.show(self.limits.max_mean_latency_ms)
                ))
            }
            _ => None,
        }
    }

    fn verdict(&self) -> Verdict {
        match self.missing() {
            Some(missing) => Verdict::inconclusive(missing),
            None => {
                let latency = self.latency().and_then(|l| l.mean_ms()).unwrap_or_default();
                Verdict::healthy(format!(
                    "green keeps its limits{}, {}",
                    self.rate_text(),
                    Unit::Milliseconds.show(latency)
                ))
            }
        }
    }

    fn rate_text(&self) -> String {
        match self.rate() {
            Some((errors, requests)) => format!(": {errors} errors in {requests} requests"),
            None => String::new(),
        }
    }

    /// Green's errors at most, and its requests, in the buckets that count now.
    fn rate(&self) -> Option<(u64, u64)> {
        let mut sum = (0, 0);
        for bucket in self.steps.recent() {
            let green = &bucket.sides.green;
            sum.0 += green.errors.map_or(0, |errors| errors.high);
            sum.1 += green.requests.unwrap_or(0);
        }
        (sum.1 > 0).then_some(sum)
    }

    fn latency(&self) -> Option<LatencySum> {
        let latencies = self
            .steps
            .recent()
            .iter()
            .filter_map(|b| b.sides.green.latency);
        latencies.reduce(LatencySum::and)
    }

    /// Why green is not healthy, if it is not.
    fn missing(&self) -> Option<String> {
        let Some(newest) = self.steps.recent().back() else {
            return Some(NOTHING_YET.to_owned());
        };
        match newest.sides.green.requests {
            None => return Some("no data of green in the newest settled minute".to_owned()),
            Some(0) => return Some("no request reached green in the newest minute".to_owned()),
            Some(_) => {}
        }
        let is_known = |bucket: &Bucket| {
            let green = &bucket.sides.green;
            green.requests.is_none_or(|requests| requests == 0) || green.errors.is_some()
        };
        if !self.steps.recent().iter().all(is_known) {
            return Some("green's errors are not known".to_owned());
        }
        let (errors, requests) = self.rate().unwrap_or_default();
        if requests < self.limits.min_requests {
            return Some(format!(
                "{requests} green requests are fewer than the {} that a verdict needs",
                self.limits.min_requests
            ));
        }
        if fraction(errors, requests) > self.limits.max_error_rate {
            return Some(format!(
                "up to {errors} errors in {requests} green requests are above {}, without proof yet",
                Unit::Fraction.show(self.limits.max_error_rate)
            ));
        }
        let Some(latency) = self.latency().and_then(|latency| latency.mean_ms()) else {
            return Some("green's latency is not known".to_owned());
        };
        if latency > self.limits.max_mean_latency_ms {
            return Some(format!(
                "green's mean latency of {} is above {}",
                Unit::Milliseconds.show(latency),
                Unit::Milliseconds.show(self.limits.max_mean_latency_ms)
            ));
        }
        None
    }

    fn with_numbers(&self, mut evidence: Evidence, newest: Option<&Bucket>) -> Evidence {
        if let Some((errors, requests)) = self.rate() {
            evidence = evidence.with_figure(
                Figure::new("error rate", fraction(errors, requests), Unit::Fraction)
                    .of(Side::Green)
                    .with_limit(self.limits.max_error_rate),
            );
        }
        if let Some(latency) = self.latency().and_then(|latency| latency.mean_ms()) {
            evidence = evidence.with_figure(
                Figure::new("mean latency", latency, Unit::Milliseconds)
                    .of(Side::Green)
                    .with_limit(self.limits.max_mean_latency_ms),
            );
        }
        evidence = evidence.with_figure(
            Figure::new("evidence of errors", self.evidence.ln(), Unit::LogEvidence)
                .with_limit((1.0 / self.limits.alpha).ln()),
        );
        if let Some(newest) = newest {
            evidence.traffic = newest.seen();
            evidence.expires = Some(stands_until(newest));
        }
        evidence
    }
}
