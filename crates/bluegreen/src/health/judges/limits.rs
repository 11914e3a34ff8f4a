//! [`Limits`]: hard limits on green's error rate and mean latency.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{combine::all_of, rate::RateTest};
use crate::{
    error::Result,
    health::{
        Bucket, Counts, Figure, Judge, JudgeFactory, LatencySum, Observation, Part, Progress,
        SettledBuckets, Unit, Verdict,
        metrics::timeline::{Timeline, not_judged},
        snapshot::{restored, saved},
    },
    json::JsonText,
    traffic::{Percent, Side},
};

/// Hard limits on green, judged by evidence.
///
/// # Errors of the service
///
/// *Unhealthy* if the evidence that green's error rate is above the limit reaches
/// 1/[alpha](Self::alpha). The evidence is an e-process over all settled minutes since the first
/// shift, so the probability that a green within the limit is ever called unhealthy is at most alpha,
/// over all looks and steps, as long as requests fail independently of each other within a minute. One
/// error of six requests is no verdict; a total outage is one within the first minute that has a few
/// requests. In a warm-up the limit is 25 %, or the limit itself if that is higher. A minute in which
/// blue's own error rate is above half the limit can only speak for green: a fault that hurts both is not
/// green's. Only errors that are certain count.
///
/// *Healthy* if the minutes of this step after its warm-up, at most the last [window](Self::window)
/// of them, have [enough](Self::min_requests) requests on green, no more of these can have failed
/// than the limit allows, and green had traffic in the newest minute. Minutes of which nothing is known
/// do not count.
///
/// *Inconclusive* otherwise, with the reason.
///
/// # Latency
///
/// *Unhealthy* if green's mean is above the limit in each of the last two settled buckets of this step,
/// with enough requests in both together, and blue's is not above it in either. *Healthy* if the mean
/// over the window and the mean of the newest bucket with traffic are within the limit. *Inconclusive*
/// otherwise, and if latency is unknown. A mean has no usable error probability; this half is a floor,
/// and alpha does not cover it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::health::Limits;
///
/// let limits = Limits::default()
///     .with_max_error_rate("2%".parse()?)
///     .with_max_mean_latency(Duration::from_millis(800));
/// # let _ = limits;
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
#[non_exhaustive]
pub struct Limits {
    /// The most of green's requests that may fail. Default: 5 %. 0 % counts as 0.01 %, since against zero a
    /// single failure would be proof; 100 % never gives unhealthy.
    pub max_error_rate: Percent,
    /// The highest probability at which a green within the error limit may be called unhealthy, over a whole
    /// migration. Default: 1 %.
    pub alpha: Percent,
    /// How long green's requests may take on average; `None` leaves latency out, for sources that do not
    /// report it. Default: 3 s.
    pub max_mean_latency: Option<Duration>,
    /// How many requests green needs in the window to be called healthy. Default: 20; with fewer, a rate of
    /// 5 % is less than one error.
    pub min_requests: u64,
    /// How many of the newest minutes of a step a healthy rate covers. Default: 5 minutes, at least one.
    pub window: Duration,
    /// Whether blue excuses green for longer: for two minutes after a minute in which blue fails, since a fault
    /// of both may reach green later; and in a minute at 100 % in which blue has no requests, up to blue's worst
    /// minute before the migration. Below 100 % a blue without requests, or with an unknown number of requests,
    /// excuses nothing. Default: no, blue excuses green in the same minute only. A journal without the field
    /// was judged without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excuses_lag: bool,
}

impl Default for Limits {
    /// 5 % errors, 3 s mean latency, alpha 1 %, 20 requests, 5 minutes: teams that judge by thresholds
    /// mostly begin with the first two.
    fn default() -> Self {
        Self {
            max_error_rate: tenths(50),
            alpha: tenths(10),
            max_mean_latency: Some(Duration::from_secs(3)),
            min_requests: 20,
            window: Duration::from_secs(300),
            excuses_lag: false,
        }
    }
}

impl Limits {
    /// Sets [`max_error_rate`](Self::max_error_rate).
    pub fn with_max_error_rate(mut self, limit: Percent) -> Self {
        self.max_error_rate = limit;
        self
    }

    /// Sets [`max_mean_latency`](Self::max_mean_latency).
    pub fn with_max_mean_latency(mut self, limit: Duration) -> Self {
        self.max_mean_latency = Some(limit);
        self
    }

    /// Leaves latency out, for sources that do not report it.
    pub fn without_latency(mut self) -> Self {
        self.max_mean_latency = None;
        self
    }

    /// Starts a fresh judge with these limits.
    pub(crate) fn start(&self) -> LimitsJudge {
        LimitsJudge {
            timeline: Timeline::new(self.window),
            errors: RateTest::new(
                "error rate",
                self.max_error_rate,
                self.alpha,
                self.min_requests,
                |counts: &Counts| counts.errors,
            )
            .excusing_lag(self.excuses_lag),
            max_latency_ms: self.max_mean_latency.map(|max| max.as_secs_f64() * 1e3),
            min_requests: self.min_requests.max(1),
        }
    }
}

impl JudgeFactory for Limits {
    fn judge(&self) -> Box<dyn Judge> {
        Box::new(self.start())
    }

    fn settings(&self) -> serde_json::Value {
        settings_of(self)
    }
}

/// The judge of [`Limits`].
#[derive(Debug)]
pub(crate) struct LimitsJudge {
    timeline: Timeline,
    errors: RateTest,
    max_latency_ms: Option<f64>,
    min_requests: u64,
}

impl Judge for LimitsJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen = match SettledBuckets::shared(observation) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let fresh = self.timeline.take(&seen, progress);
        self.errors.take(&fresh, progress);
        let verdict = match not_judged(progress) {
            Some(verdict) => match self.errors.blue_rate(&self.timeline) {
                Some(blue) => verdict.map_evidence(|evidence| evidence.with_figure(blue)),
                None => verdict,
            },
            None => self.judge(progress),
        };
        self.timeline.dress(verdict, progress)
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(&(&self.timeline, self.errors.fold()))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let (timeline, fold) = restored(snapshot)?;
        self.timeline = timeline;
        self.errors.go_on(fold);
        Ok(())
    }
}

impl LimitsJudge {
    fn judge(&self, progress: &Progress) -> Verdict {
        let errors = self.errors.verdict(&self.timeline, progress);
        let Some(limit) = self.max_latency_ms else {
            return errors;
        };
        let part = |judge: &str, verdict| Part {
            judge: judge.into(),
            verdict,
        };
        all_of(vec![
            part("errors", errors),
            part("latency", self.judge_latency(limit, progress)),
        ])
    }

    fn judge_latency(&self, limit: f64, progress: &Progress) -> Verdict {
        let figure = |side: Side, mean: f64| {
            Figure::new("mean latency", mean, Unit::Milliseconds)
                .of(side)
                .with_limit(limit)
        };
        let shown = Unit::Milliseconds.show(limit);
        let mut newest = self.timeline.step(progress);
        if let (Some(last), Some(previous)) = (newest.next(), newest.next()) {
            let pair = [last, previous];
            let sum = pair.iter().filter_map(|b| b.sides.green.latency);
            let sum = sum.fold(LatencySum::default(), std::ops::Add::add);
            let are_slow = pair.iter().all(|b| mean(&b.sides.green) > Some(limit));
            if are_slow && sum.samples >= self.min_requests {
                let both = sum.mean_ms().unwrap_or(f64::MAX);
                if let Some(blue) = pair.iter().find_map(|b| slow_mean(&b.sides.blue, limit)) {
                    let verdict = Verdict::inconclusive(format!(
                        "blue's mean latency is above {shown} like green's"
                    ));
                    return verdict.map_evidence(|evidence| {
                        let evidence = evidence.with_figure(figure(Side::Green, both));
                        evidence.with_figure(figure(Side::Blue, blue))
                    });
                }
                let verdict = Verdict::unhealthy(format!(
                    "green's mean latency is above {shown} in two minutes in a row"
                ));
                return verdict
                    .map_evidence(|evidence| evidence.with_figure(figure(Side::Green, both)));
            }
        }
        if let Some(reason) = self.timeline.reason_to_wait(progress) {
            return Verdict::inconclusive(reason);
        }
        let step = self.timeline.step(progress);
        let busy: Vec<&Bucket> = step.filter(|b| b.sides.green.has_traffic()).collect();
        let sums: Option<Vec<LatencySum>> = busy
            .iter()
            .map(|b| b.sides.green.latency.filter(|sum| sum.mean_ms().is_some()))
            .collect();
        let Some(sums) = sums else {
            return Verdict::inconclusive("green's latency is unknown");
        };
        let sum = sums.iter().copied().reduce(std::ops::Add::add);
        let sum = sum.unwrap_or_default();
        let (Some(all), Some(last)) = (
            sum.mean_ms().filter(|_| sum.samples >= self.min_requests),
            sums.first().and_then(|sum| sum.mean_ms()),
        ) else {
            return Verdict::inconclusive(format!(
                "{} of the {} latencies of green that are needed",
                sum.samples, self.min_requests
            ));
        };
        let verdict = if all > limit || last > limit {
            Verdict::inconclusive(format!(
                "green's mean latency is over {shown}, but not in two minutes in a row"
            ))
        } else {
            Verdict::healthy(format!("green's mean latency is within {shown}"))
        };
        verdict.map_evidence(|evidence| evidence.with_figure(figure(Side::Green, all)))
    }
}

fn mean(counts: &Counts) -> Option<f64> {
    counts.latency.and_then(LatencySum::mean_ms)
}

fn slow_mean(counts: &Counts, limit: f64) -> Option<f64> {
    mean(counts).filter(|mean| *mean > limit)
}

/// Returns a constant share.
pub(in crate::health) fn tenths(tenths: u16) -> Percent {
    Percent::from_tenths(tenths).unwrap_or(Percent::HUNDRED)
}

/// Returns plain settings as JSON.
pub(in crate::health) fn settings_of<T: Serialize>(settings: &T) -> serde_json::Value {
    serde_json::to_value(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::{
        Phase, Tally,
        testing::{any_counts, at, bucket, play, progress, step, take},
    };

    fn good(requests: u64) -> Counts {
        Counts::of(requests, 0).with_latency(LatencySum::new(100.0 * 80.0, 100))
    }

    fn slow(requests: u64) -> Counts {
        Counts::of(requests, 0).with_latency(LatencySum::new(100.0 * 5_000.0, 100))
    }

    fn judge() -> LimitsJudge {
        Limits::default().start()
    }

    fn part<'a>(verdict: &'a Verdict, name: &str) -> &'a Verdict {
        let parts = &verdict.evidence().parts;
        let part = parts.iter().find(|part| part.judge == name);
        &part.expect("a part").verdict
    }

    #[test]
    fn a_good_minute_with_enough_requests_is_healthy_and_expires() {
        let verdict = play(&mut judge(), &[(good(900), good(100))]);
        assert!(verdict.is_healthy(), "{verdict}");
        assert_eq!(verdict.evidence().expires, Some(at(1 + 2 + 3)));
        let traffic = verdict.evidence().traffic.expect("known");
        assert_eq!(traffic.green_share(), Some(0.1));
        assert_eq!(traffic.sides.green.mean_latency_ms, Some(80.0));
    }

    #[test]
    fn p01_few_requests_are_inconclusive() {
        let verdict = play(&mut judge(), &[(good(90), good(10))]);
        assert!(verdict.is_inconclusive());
        assert!(
            verdict.evidence().summary.contains("10 of the 20 requests"),
            "{verdict}"
        );
    }

    #[test]
    fn p08_one_error_of_six_is_no_verdict() {
        let verdict = play(&mut judge(), &[(good(54), Counts::of(6, 1))]);
        assert!(verdict.is_inconclusive(), "{verdict}");
        // Nor are two of thirty, although that is above 5 %.
        let verdict = play(&mut judge(), &[(good(270), Counts::of(30, 2))]);
        let errors = part(&verdict, "errors");
        assert!(errors.is_inconclusive());
        assert!(
            errors.evidence().summary.contains("does not suffice"),
            "{errors}"
        );
    }

    #[test]
    fn a_total_outage_is_unhealthy_in_its_first_minute_even_in_a_warm_up() {
        let dead = bucket(0, good(54), Counts::of(6, 6));
        let verdict = take(&mut judge(), &[dead], &step(3));
        assert!(verdict.is_unhealthy(), "{verdict}");
        let dead = bucket(0, good(90), Counts::of(10, 10));
        let warming = step(3).with_warm_up(crate::health::testing::MINUTE);
        assert!(take(&mut judge(), &[dead], &warming).is_unhealthy());
        let cold = bucket(0, good(180), Counts::of(20, 4));
        let verdict = take(&mut judge(), &[cold], &warming);
        assert!(
            verdict.is_inconclusive(),
            "20 % is forgiven in a warm-up: {verdict}"
        );
    }

    #[test]
    fn an_error_rate_over_the_limit_is_found_and_stays_found_in_one_batch() {
        let minutes = [(good(900), Counts::of(100, 20)); 3];
        assert!(play(&mut judge(), &minutes).is_unhealthy());
        // The same minutes and good ones after them in one observation.
        let mut batch: Vec<_> = (0..3)
            .map(|minute| bucket(minute, good(900), Counts::of(100, 20)))
            .collect();
        batch.extend((3..60).map(|minute| bucket(minute, good(900), good(100))));
        assert!(take(&mut judge(), &batch, &step(63)).is_unhealthy());
    }

    #[test]
    fn blue_failing_as_well_excuses_green() {
        let bad = Counts::of(900, 300);
        let verdict = play(&mut judge(), &[(bad, Counts::of(100, 40)); 5]);
        assert!(verdict.is_inconclusive(), "{verdict}");
    }

    /// Blue failed 20 % in a minute before the migration, and green fails 15 % in the first minute.
    #[test]
    fn blues_past_excuses_green_only_at_100_percent_without_requests_on_blue() {
        let (unknown, none) = (Counts::default(), Counts::of(0, 0));
        let status = |excuses_lag: bool, share: Percent, since: i64, blue: Counts| {
            let limits = Limits {
                excuses_lag,
                ..Limits::default().without_latency()
            };
            let mut judge = limits.start();
            let past = bucket(-1, Counts::of(1_000, 200), Counts::default());
            let preflight = Progress::new(at(2), Phase::Preflight, Percent::ZERO, at(0));
            take(&mut judge, &[past], &preflight);
            let first = Progress::new(at(1), Phase::Step(0), share, at(0));
            take(&mut judge, &[], &first);
            let minute = bucket(0, blue, Counts::of(1_000, 150));
            let step = Progress::new(at(3), Phase::Step(1), Percent::HUNDRED, at(since));
            let look = if since > 0 { step } else { first };
            take(&mut judge, &[minute], &look).status()
        };
        for blue in [unknown, none] {
            assert_eq!(status(true, Percent::HUNDRED, 0, blue), "inconclusive");
            assert_eq!(status(false, Percent::HUNDRED, 0, blue), "unhealthy");
            assert_eq!(status(true, tenths(900), 0, blue), "unhealthy");
            assert_eq!(status(true, tenths(999), 0, blue), "unhealthy");
            // The minute lies before the shift to 100 % and becomes known after it.
            assert_eq!(status(true, tenths(900), 1, blue), "unhealthy");
        }
        // Blue still has requests, and none of them fails.
        let some = Counts::of(500, 0);
        assert_eq!(status(true, Percent::HUNDRED, 0, some), "unhealthy");
    }

    #[test]
    fn uncertain_errors_do_not_blame_and_do_not_pass() {
        let uncertain = good(100).with_errors(Tally::between(0, 60));
        let verdict = play(&mut judge(), &[(good(900), uncertain); 5]);
        let errors = part(&verdict, "errors");
        assert!(errors.is_inconclusive());
        assert!(
            errors.evidence().summary.contains("unaccounted"),
            "{errors}"
        );
    }

    #[test]
    fn p01_a_green_that_goes_silent_is_no_longer_healthy() {
        for silent in [Counts::default(), Counts::of(0, 0)] {
            let verdict = play(&mut judge(), &[(good(900), good(100)), (good(900), silent)]);
            assert!(verdict.is_inconclusive(), "{verdict}");
        }
    }

    #[test]
    fn minutes_of_an_earlier_step_do_not_pass_this_one() {
        let mut judge = judge();
        let minute = |minute| bucket(minute, good(900), good(100));
        assert!(take(&mut judge, &[minute(0)], &step(3)).is_healthy());
        let mut next = progress(Phase::Step(1), 4);
        next.since = at(2);
        assert!(take(&mut judge, &[minute(1)], &next).is_inconclusive());
        assert!(take(&mut judge, &[minute(2)], &next).is_healthy());
    }

    #[test]
    fn latency_needs_two_slow_minutes_in_a_row_and_a_fast_blue() {
        let once = play(
            &mut judge(),
            &[(good(900), good(100)), (good(900), slow(100))],
        );
        assert!(once.is_inconclusive(), "{once}");
        let twice = play(&mut judge(), &[(good(900), slow(100)); 2]);
        assert!(twice.is_unhealthy(), "{twice}");
        let both = play(&mut judge(), &[(slow(900), slow(100)); 2]);
        assert!(both.is_inconclusive(), "{both}");
        let few = slow(100).with_latency(LatencySum::new(9e4, 9));
        let few = play(&mut judge(), &[(good(900), few); 2]);
        assert!(few.is_inconclusive(), "{few}");
    }

    #[test]
    fn without_latency_only_errors_count() {
        let unknown = Counts::of(100, 0);
        let minutes = [(good(900), unknown)];
        assert!(play(&mut judge(), &minutes).is_inconclusive());
        let mut judge = Limits::default().without_latency().start();
        assert!(play(&mut judge, &minutes).is_healthy());
    }

    #[test]
    fn preflight_and_confirm_never_judge_green() {
        for phase in [Phase::Preflight, Phase::Confirm] {
            for green in [Counts::default(), Counts::of(100, 100), good(100)] {
                let seen = [bucket(0, Counts::of(900, 9), green)];
                let verdict = take(&mut judge(), &seen, &progress(phase, 3));
                assert!(verdict.is_inconclusive());
                assert_eq!(verdict.evidence().figures[0].value, 0.01, "blue's own rate");
            }
        }
    }

    #[test]
    fn another_schema_is_inconclusive() {
        let other = Observation::new("acme.queue/1", &7).expect("encodes");
        assert!(judge().take(&other, &step(3)).is_inconclusive());
    }

    #[test]
    fn settings_round_trip() {
        let limits = Limits {
            min_requests: 7,
            ..Limits::default().without_latency()
        };
        let back: Limits = serde_json::from_value(limits.settings()).expect("decodes");
        assert_eq!(back, limits);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A green is called healthy only if its requests, errors and latency are known in the newest
        /// minute.
        #[test]
        fn p01_no_path_from_missing_metrics_to_healthy(
            minutes in proptest::collection::vec((any_counts(), any_counts()), 1..8),
        ) {
            let verdict = play(&mut judge(), &minutes);
            let (_, green) = minutes[minutes.len() - 1];
            if verdict.is_healthy() {
                prop_assert!(green.has_traffic());
                prop_assert!(green.errors.is_some() && green.latency.is_some());
            }
        }
    }
}
