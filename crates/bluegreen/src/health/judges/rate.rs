//! [`RateTest`]: whether a fraction of green's requests is above a limit, by evidence.

use std::time::Duration;

use super::martingale::RateAbove;
use crate::{
    health::{
        Bucket, Counts, Figure, Progress, Tally, Unit, Verdict,
        metrics::{
            counts::as_f64,
            timeline::{Standing, Timeline, begins},
        },
    },
    traffic::{Percent, Side, Sides},
};

/// Returns how many buckets of this length fill a time.
fn periods(time: Duration, period: Duration) -> usize {
    usize::try_from(time.as_secs().div_ceil(period.as_secs().max(1))).unwrap_or(0)
}

/// Returns whether green gets all requests in this bucket: by plan, and as far as blue's counts tell. A
/// balancer may report nothing for a side without requests.
fn has_everything(bucket: &Bucket, progress: &Progress) -> bool {
    let by_plan = progress.green == Percent::HUNDRED && begins(bucket) >= progress.since;
    by_plan && bucket.sides.blue.requests.unwrap_or(0) == 0
}

/// For how long a fault that hurts both sides may reach green later than blue.
const LAG: Duration = Duration::from_secs(120);
/// The failures of blue in a bucket from which on the next ones are excused: fewer may be chance.
const LEAST_LAGGED: u64 = 3;

/// The part that may fail in a warm-up: a cold cache is forgiven, a total outage is not.
const WARM_UP_LIMIT: f64 = 0.25;

/// A rate that is compared with a limit: of errors for [`Limits`](crate::health::Limits), and of failed
/// connections for the tripwires.
#[derive(Debug)]
pub(super) struct RateTest {
    pub(super) what: &'static str,
    pub(super) limit: f64,
    /// The logarithm of the evidence that is needed.
    pub(super) needed: f64,
    pub(super) min_requests: u64,
    pub(super) pick: fn(&Counts) -> Option<Tally>,
    pub(super) evidence: RateAbove,
    pub(super) peak: f64,
    /// Whether failures count if requests are not known.
    counts_alone: bool,
    /// Whether blue's neighbouring minutes and its past excuse green.
    excuses_lag: bool,
}

impl RateTest {
    pub(super) fn new(
        what: &'static str,
        limit: Percent,
        alpha: Percent,
        min_requests: u64,
        pick: fn(&Counts) -> Option<Tally>,
    ) -> Self {
        Self {
            what,
            limit: limit.as_fraction(),
            needed: -alpha.as_fraction().ln(),
            min_requests: min_requests.max(1),
            pick,
            evidence: RateAbove::new(),
            peak: 0.0,
            counts_alone: false,
            excuses_lag: false,
        }
    }

    /// Lets blue's neighbouring minutes excuse green: a fault that both share may reach green later. In a
    /// minute at 100 % in which blue has no requests, green may fail as much as blue's worst minute before.
    pub(super) fn excusing_lag(mut self, excuses: bool) -> Self {
        self.excuses_lag = excuses;
        self
    }

    /// Counts failures as failed requests if requests are not known: a connection that was refused may
    /// never have become a request.
    pub(super) fn counting_alone(mut self) -> Self {
        self.counts_alone = true;
        self
    }

    /// Returns the evidence so far.
    pub(super) fn fold(&self) -> (&RateAbove, f64) {
        (&self.evidence, self.peak)
    }

    /// Continues from the evidence of another test.
    pub(super) fn go_on(&mut self, (evidence, peak): (RateAbove, f64)) {
        (self.evidence, self.peak) = (evidence, peak);
    }

    /// Takes the buckets of one observation. If the evidence was sufficient after any of them, the
    /// verdict is unhealthy, so that the verdict does not depend on how buckets are batched.
    pub(super) fn take(&mut self, fresh: &[(&Bucket, Standing)], progress: &Progress) {
        let mut peak = f64::NEG_INFINITY;
        for (bucket, standing) in fresh {
            let Sides { blue, green } = &bucket.sides;
            let mut limit = match standing {
                Standing::Before => {
                    if self.excuses_lag {
                        self.note(blue);
                    }
                    continue;
                }
                Standing::WarmUp => self.limit.max(WARM_UP_LIMIT),
                Standing::Full => self.limit,
            };
            if self.excuses_lag && has_everything(bucket, progress) {
                limit = limit.max(self.evidence.worst());
            }
            if let (Some(requests), Some(failed)) = (self.requests(green), (self.pick)(green)) {
                let blue_failed = (self.pick)(blue).map_or(0, Tally::low);
                let lag = match self.excuses_lag && blue_failed >= LEAST_LAGGED {
                    true => periods(LAG, bucket.period),
                    false => 0,
                };
                let fails = self.fails(blue);
                self.evidence
                    .push_near(requests, failed.low(), limit, fails, lag);
            }
            peak = peak.max(self.evidence.ln_value());
        }
        self.peak = if peak.is_finite() {
            peak
        } else {
            self.evidence.ln_value()
        };
    }

    /// Notes the worst of blue's past.
    fn note(&mut self, blue: &Counts) {
        if let (Some(requests), Some(failed)) = (blue.requests, (self.pick)(blue)) {
            self.evidence.note(requests, failed.high());
        }
    }

    /// Returns green's requests, or its failures if those count alone.
    fn requests(&self, green: &Counts) -> Option<u64> {
        let alone = (self.pick)(green).filter(|_| self.counts_alone);
        green.requests.or(alone.map(Tally::low))
    }

    /// Returns whether blue itself is above half the limit: then green's failures may have a common cause.
    fn fails(&self, blue: &Counts) -> bool {
        match (blue.requests, (self.pick)(blue)) {
            (Some(requests), Some(failed)) if requests > 0 => {
                as_f64(failed.low()) > self.limit / 2.0 * as_f64(requests)
            }
            _ => false,
        }
    }

    /// Returns the verdict on all buckets together, in a phase in which green is judged.
    pub(super) fn verdict(&self, timeline: &Timeline, progress: &Progress) -> Verdict {
        let evidence = Figure::new("evidence", self.peak, Unit::LogEvidence)
            .of(Side::Green)
            .with_limit(self.needed.min(f64::MAX));
        if self.peak >= self.needed && self.peak > 0.0 {
            let seen = self.count(timeline.recent());
            let summary = format!(
                "green's {} is above {}: {} of the last {} requests",
                self.what,
                Unit::Fraction.show(self.limit),
                seen.failed.low(),
                seen.requests
            );
            let verdict = Verdict::unhealthy(summary);
            return verdict
                .map_evidence(|e| self.with_rates(e, seen, timeline).with_figure(evidence));
        }
        let seen = self.count(timeline.step(progress));
        let verdict = self.judge_step(seen, timeline, progress);
        verdict.map_evidence(|e| self.with_rates(e, seen, timeline).with_figure(evidence))
    }

    fn judge_step(&self, seen: Seen, timeline: &Timeline, progress: &Progress) -> Verdict {
        let what = self.what;
        if let Some(reason) = timeline.reason_to_wait(progress) {
            return Verdict::inconclusive(reason);
        }
        if seen.unknown > 0 {
            return Verdict::inconclusive(format!(
                "green's {what} is unknown for {} requests",
                seen.unknown
            ));
        }
        if seen.requests < self.min_requests {
            return Verdict::inconclusive(format!(
                "{} of the {} requests on green that its {what} needs",
                seen.requests, self.min_requests
            ));
        }
        let counted = format!(
            "{} of {} requests in {} settled buckets",
            seen.failed.low(),
            seen.requests,
            seen.buckets
        );
        let rate = |failed: u64| as_f64(failed) / as_f64(seen.requests);
        let limit = Unit::Fraction.show(self.limit);
        if rate(seen.failed.low()) > self.limit {
            return Verdict::inconclusive(format!(
                "green's {what} is over {limit}, but the evidence does not suffice: {counted}"
            ));
        }
        if rate(seen.failed.high()) > self.limit {
            return Verdict::inconclusive(format!(
                "green's {what} may be over {limit}: {counted}, and {} more unaccounted for",
                seen.failed.high() - seen.failed.low()
            ));
        }
        Verdict::healthy(format!("green's {what} is within {limit}: {counted}"))
    }

    fn count<'a>(&self, buckets: impl Iterator<Item = &'a Bucket>) -> Seen {
        let mut seen = Seen::default();
        for bucket in buckets {
            let green = &bucket.sides.green;
            let Some(requests) = self.requests(green).filter(|requests| *requests > 0) else {
                continue;
            };
            seen.buckets += 1;
            seen.requests = seen.requests.saturating_add(requests);
            match (self.pick)(green) {
                Some(failed) => seen.failed = seen.failed + failed,
                None => seen.unknown = seen.unknown.saturating_add(requests),
            }
        }
        seen
    }

    /// Adds green's rate if it is known, and blue's for comparison.
    fn with_rates(
        &self,
        mut evidence: crate::health::Evidence,
        seen: Seen,
        timeline: &Timeline,
    ) -> crate::health::Evidence {
        if seen.requests > seen.unknown {
            let rate = as_f64(seen.failed.low()) / as_f64(seen.requests - seen.unknown);
            let figure = Figure::new(self.what, rate, Unit::Fraction).of(Side::Green);
            evidence = evidence
                .with_figure(figure.with_limit(self.limit))
                .with_figure(
                    Figure::new("requests", as_f64(seen.requests), Unit::Count).of(Side::Green),
                );
        }
        match self.blue_rate(timeline) {
            Some(figure) => evidence.with_figure(figure),
            None => evidence,
        }
    }

    /// Returns blue's own rate in the buckets that are kept.
    pub(super) fn blue_rate(&self, timeline: &Timeline) -> Option<Figure> {
        let (mut requests, mut failed) = (0_u64, 0_u64);
        for blue in timeline.recent().map(|bucket| &bucket.sides.blue) {
            if let (Some(came), Some(bad)) = (blue.requests, (self.pick)(blue)) {
                requests = requests.saturating_add(came);
                failed = failed.saturating_add(bad.low());
            }
        }
        (requests > 0).then(|| {
            let rate = as_f64(failed) / as_f64(requests);
            Figure::new(self.what, rate, Unit::Fraction).of(Side::Blue)
        })
    }
}

/// The sums of the buckets of a span, for green.
#[derive(Debug, Clone, Copy)]
struct Seen {
    requests: u64,
    failed: Tally,
    /// Requests in buckets in which it is unknown how many failed.
    unknown: u64,
    buckets: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            requests: 0,
            failed: Tally::exact(0),
            unknown: 0,
            buckets: 0,
        }
    }
}
