//! Three tripwires for faults that errors do not show: a green that is dead emits none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    limits::{settings_of, tenths},
    rate::RateTest,
};
use crate::{
    error::Result,
    health::{
        Bucket, Counts, Figure, Judge, JudgeFactory, Observation, Progress, SettledBuckets, Tally,
        Unit, Verdict,
        metrics::{
            counts::as_f64,
            timeline::{Timeline, not_judged},
        },
        snapshot::{restored, saved},
    },
    json::JsonText,
    traffic::{Percent, Side},
};

macro_rules! rate_tripwire {
    ($(#[$doc:meta])* $name:ident, $what:literal, $field:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[must_use]
        #[non_exhaustive]
        pub struct $name {
            /// The most of green's requests that may have the fault. Default: 1 %.
            pub max_rate: Percent,
            /// The highest probability at which a green within the limit may be called unhealthy, over a
            /// whole migration. Default: 0.1 %.
            pub alpha: Percent,
            /// How many of the newest minutes of a step a healthy rate covers. Default: 5 minutes.
            pub window: Duration,
        }

        impl Default for $name {
            /// 1 % of the requests, alpha 0.1 %, 5 minutes. The small alpha leaves the budget of a
            /// migration to the comparison of errors, and costs little: the fault of a tripwire is rare,
            /// and then mostly hits every request.
            fn default() -> Self {
                Self {
                    max_rate: tenths(10),
                    alpha: tenths(1),
                    window: Duration::from_secs(300),
                }
            }
        }

        impl $name {
            /// Starts a fresh judge.
            pub(crate) fn start(&self) -> RateJudge {
                let pick = |counts: &Counts| {
                    let count = counts.$field?;
                    // A retried connection counts twice, a request fails once.
                    Some(Tally::exact(count.min(counts.requests.unwrap_or(count))))
                };
                RateJudge {
                    timeline: Timeline::new(self.window),
                    test: RateTest::new($what, self.max_rate, self.alpha, 1, pick).counting_alone(),
                }
            }
        }

        impl JudgeFactory for $name {
            fn judge(&self) -> Box<dyn Judge> {
                Box::new(self.start())
            }

            fn settings(&self) -> serde_json::Value {
                settings_of(self)
            }
        }
    };
}

rate_tripwire!(
    /// Connections from the balancer to green that fail: a green that refuses connections answers with no
    /// error of its own.
    ///
    /// Judged by the same evidence as the errors of [`Limits`](crate::health::Limits): *unhealthy* if the
    /// evidence that more than the limit of green's requests met a failed connection reaches 1/alpha; a
    /// minute in which blue is above half the limit can only speak for green. *Healthy* if requests came
    /// in the newest settled minute of the step and no more than the limit met a failed connection.
    /// *Inconclusive* without requests, or if the failed connections are unknown. A balancer may try more
    /// than once for a request; more failed connections than requests count as all requests.
    ConnectionErrors,
    "rate of failed connections",
    connection_errors
);

rate_tripwire!(
    /// Requests that the balancer sends to green although all of its targets fail their health checks,
    /// because no other target can take them.
    ///
    /// Judged like [`ConnectionErrors`].
    UnhealthyRouting,
    "rate of requests to unhealthy targets",
    unhealthy_routing
);

/// The judge of [`ConnectionErrors`] and [`UnhealthyRouting`].
#[derive(Debug)]
pub(crate) struct RateJudge {
    timeline: Timeline,
    test: RateTest,
}

impl Judge for RateJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen = match SettledBuckets::shared(observation) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let fresh = self.timeline.take(&seen, progress);
        self.test.take(&fresh, progress);
        let verdict =
            not_judged(progress).unwrap_or_else(|| self.test.verdict(&self.timeline, progress));
        self.timeline.dress(verdict, progress)
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(&(&self.timeline, self.test.fold()))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let (timeline, fold) = restored(snapshot)?;
        self.timeline = timeline;
        self.test.go_on(fold);
        Ok(())
    }
}

/// Requests that green does not answer itself, compared with blue's.
///
/// When a target dies or is too slow, the balancer answers in its place, and such answers are counted for
/// no group. The sign is that a group has more requests than responses. Web sockets, clients that go away
/// and requests in flight at the end of a minute are shortfall too, but for blue as well; so it is
/// green's *excess* over blue's that counts, and only over two settled buckets in a row.
///
/// *Unhealthy* if in each of the last two buckets of this step, after its warm-up, green's shortfall
/// (requests less responses, over requests) exceeds blue's by more than [the
/// limit](Self::max_excess), and green has [enough](Self::min_requests) requests in
/// both together. *Healthy* if it does not in the newest bucket, with as many requests in the window.
/// *Inconclusive* otherwise, and if requests or responses are unknown. If blue has no requests in a
/// bucket, its latest known shortfall counts instead; without one, green is not blamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
#[non_exhaustive]
pub struct Shortfall {
    /// By how many percentage points green's shortfall may exceed blue's. Default: 5.
    pub max_excess: Percent,
    /// How many requests on green a verdict needs. Default: 20; with fewer, one request in flight is more
    /// than the limit.
    pub min_requests: u64,
    /// In how many of the newest minutes of a step those requests are counted. Default: 5.
    pub window: Duration,
}

impl Default for Shortfall {
    /// 5 percentage points, 20 requests, 5 minutes.
    fn default() -> Self {
        Self {
            max_excess: tenths(50),
            min_requests: 20,
            window: Duration::from_secs(300),
        }
    }
}

impl Shortfall {
    /// Starts a fresh judge.
    pub(crate) fn start(&self) -> ShortfallJudge {
        ShortfallJudge {
            limit: self.max_excess.as_fraction(),
            min_requests: self.min_requests.max(1),
            timeline: Timeline::new(self.window),
            blue: None,
        }
    }
}

impl JudgeFactory for Shortfall {
    fn judge(&self) -> Box<dyn Judge> {
        Box::new(self.start())
    }

    fn settings(&self) -> serde_json::Value {
        settings_of(self)
    }
}

/// The judge of [`Shortfall`].
#[derive(Debug)]
pub(crate) struct ShortfallJudge {
    limit: f64,
    min_requests: u64,
    timeline: Timeline,
    /// Blue's latest known shortfall.
    blue: Option<f64>,
}

impl Judge for ShortfallJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen = match SettledBuckets::shared(observation) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let fresh = self.timeline.take(&seen, progress);
        let latest = fresh
            .iter()
            .rev()
            .find_map(|(b, _)| b.sides.blue.shortfall());
        self.blue = latest.or(self.blue);
        let verdict = not_judged(progress).unwrap_or_else(|| self.judge(progress));
        self.timeline.dress(verdict, progress)
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(&(&self.timeline, self.blue))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        (self.timeline, self.blue) = restored(snapshot)?;
        Ok(())
    }
}

impl ShortfallJudge {
    fn judge(&self, progress: &Progress) -> Verdict {
        let step = self.timeline.step(progress);
        let pair: Vec<&Bucket> = step.take(2).collect();
        let excesses: Option<Vec<f64>> = pair.iter().map(|bucket| self.excess(bucket)).collect();
        let requests = |buckets: &[&Bucket]| -> u64 {
            buckets.iter().filter_map(|b| b.sides.green.requests).sum()
        };
        if let Some([last, previous]) = excesses.as_deref()
            && last.min(*previous) > self.limit
            && requests(&pair) >= self.min_requests
        {
            let verdict = Verdict::unhealthy(
                "requests on green stay without a response of its own, in two minutes in a row",
            );
            return self.with_figures(verdict, pair.first().copied());
        }
        if let Some(reason) = self.timeline.reason_to_wait(progress) {
            return Verdict::inconclusive(reason);
        }
        let step: Vec<&Bucket> = self.timeline.step(progress).collect();
        let newest = step
            .iter()
            .copied()
            .find(|b| b.sides.green.requests != Some(0));
        let excess = newest.and_then(|bucket| self.excess(bucket));
        // Without blue the excess is not known, but it is no more than green's whole shortfall.
        let at_most = || newest.and_then(|bucket| bucket.sides.green.shortfall());
        let within = |shortfall: &f64| *shortfall <= self.limit;
        let Some(excess) = excess.or_else(|| at_most().filter(within)) else {
            return Verdict::inconclusive(
                "responses of green, or of blue to compare them with, are unknown",
            );
        };
        let seen = requests(&step);
        let verdict = if seen < self.min_requests {
            Verdict::inconclusive(format!(
                "{seen} of the {} requests on green that its shortfall needs",
                self.min_requests
            ))
        } else if excess > self.limit {
            Verdict::inconclusive(
                "requests on green stay without a response of its own, but not in two minutes in a row",
            )
        } else {
            Verdict::healthy("green answers its requests as blue does")
        };
        self.with_figures(verdict, newest)
    }

    /// Returns by how much green's shortfall exceeds blue's.
    fn excess(&self, bucket: &Bucket) -> Option<f64> {
        let blue = bucket.sides.blue.shortfall().or(self.blue)?;
        // Responses to an earlier minute's requests do not make up for a fault of green.
        Some(bucket.sides.green.shortfall()? - blue.max(0.0))
    }

    fn with_figures(&self, verdict: Verdict, bucket: Option<&Bucket>) -> Verdict {
        let Some(bucket) = bucket else {
            return verdict;
        };
        let mut figures = Vec::new();
        for side in [Side::Green, Side::Blue] {
            let counts = bucket.sides.get(side);
            if let (Some(shortfall), Some(requests)) = (counts.shortfall(), counts.requests) {
                figures.push(Figure::new("shortfall", shortfall, Unit::Fraction).of(side));
                figures.push(Figure::new("requests", as_f64(requests), Unit::Count).of(side));
            }
        }
        if let Some(excess) = self.excess(bucket) {
            let figure = Figure::new("excess shortfall", excess, Unit::Fraction);
            figures.push(figure.with_limit(self.limit));
        }
        verdict.map_evidence(|mut evidence| {
            evidence.figures.extend(figures);
            evidence
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::{
        Phase,
        testing::{any_counts, bucket, play, progress, take},
    };

    fn whole(requests: u64) -> Counts {
        Counts::of_requests(requests)
            .with_responses(requests)
            .with_connection_errors(0)
            .with_unhealthy_routing(0)
    }

    /// It is not known whether a balancer counts a request whose connection was refused.
    #[test]
    fn refused_connections_count_where_no_request_is_counted() {
        let mut judge = ConnectionErrors::default().start();
        let refused = Counts::default().with_connection_errors(30);
        let verdict = play(&mut judge, &[(whole(300), refused)]);
        assert!(verdict.is_unhealthy(), "{verdict}");
    }

    #[test]
    fn a_green_that_refuses_connections_is_unhealthy_in_a_minute() {
        let mut judge = ConnectionErrors::default().start();
        let refusing = whole(6).with_connection_errors(18);
        let verdict = play(&mut judge, &[(whole(54), refusing)]);
        assert!(verdict.is_unhealthy(), "{verdict}");
        let mut judge = UnhealthyRouting::default().start();
        let failing_open = whole(6).with_unhealthy_routing(6);
        assert!(play(&mut judge, &[(whole(54), failing_open)]).is_unhealthy());
    }

    #[test]
    fn a_failed_connection_now_and_then_is_healthy() {
        let mut judge = ConnectionErrors::default().start();
        let verdict = play(
            &mut judge,
            &[(whole(900), whole(300).with_connection_errors(1)); 3],
        );
        assert!(verdict.is_healthy(), "{verdict}");
    }

    #[test]
    fn failed_connections_on_both_sides_are_not_greens_fault() {
        let mut judge = ConnectionErrors::default().start();
        let blue = whole(900).with_connection_errors(90);
        let verdict = play(&mut judge, &[(blue, whole(100).with_connection_errors(10))]);
        assert!(verdict.is_inconclusive(), "{verdict}");
    }

    #[test]
    fn p01_quiet_connections_without_requests_are_inconclusive() {
        for green in [
            Counts::default().with_connection_errors(0),
            Counts::of_requests(0).with_connection_errors(0),
            Counts::of_requests(100),
        ] {
            let mut judge = ConnectionErrors::default().start();
            assert!(play(&mut judge, &[(whole(900), green)]).is_inconclusive());
        }
    }

    #[test]
    fn shortfall_counts_only_above_blues_and_twice_in_a_row() {
        let shortfall = || Shortfall::default().start();
        let gap = whole(100).with_responses(80);
        let once = [(whole(900), whole(100)), (whole(900), gap)];
        assert!(play(&mut shortfall(), &once).is_inconclusive());
        let twice = play(&mut shortfall(), &[(whole(900), gap); 2]);
        assert!(twice.is_unhealthy(), "{twice}");
        // Web sockets on both sides.
        let sockets = whole(900).with_responses(720);
        assert!(play(&mut shortfall(), &[(sockets, gap); 2]).is_healthy());
        assert!(play(&mut shortfall(), &[(whole(900), whole(100))]).is_healthy());
        let few = whole(9).with_responses(0);
        assert!(play(&mut shortfall(), &[(whole(900), few); 2]).is_inconclusive());
    }

    #[test]
    fn blues_latest_shortfall_stands_in_when_blue_has_no_traffic() {
        let gap = whole(100).with_responses(80);
        let silent = Counts::of_requests(0);
        let known = [(whole(900), whole(100)), (silent, gap), (silent, gap)];
        assert!(play(&mut Shortfall::default().start(), &known).is_unhealthy());
        let unknown = [(silent, gap), (silent, gap)];
        assert!(play(&mut Shortfall::default().start(), &unknown).is_inconclusive());
    }

    #[test]
    fn preflight_and_confirm_never_judge_green() {
        let factories: [&dyn JudgeFactory; 3] = [
            &ConnectionErrors::default(),
            &UnhealthyRouting::default(),
            &Shortfall::default(),
        ];
        for (factory, phase) in factories
            .into_iter()
            .flat_map(|f| [(f, Phase::Preflight), (f, Phase::Confirm)])
        {
            for green in [Counts::default(), whole(100), whole(100).with_responses(0)] {
                let seen = [bucket(0, whole(900), green), bucket(1, whole(900), green)];
                let verdict = take(&mut factory.judge(), &seen, &progress(phase, 4));
                assert!(verdict.is_inconclusive(), "{factory:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn p01_no_path_from_missing_metrics_to_healthy(
            minutes in proptest::collection::vec((any_counts(), any_counts()), 1..8),
        ) {
            let (_, green) = minutes[minutes.len() - 1];
            let seen = green.has_traffic();
            let connections = play(&mut ConnectionErrors::default().start(), &minutes);
            prop_assert!(!connections.is_healthy() || seen && green.connection_errors.is_some());
            let routing = play(&mut UnhealthyRouting::default().start(), &minutes);
            prop_assert!(!routing.is_healthy() || seen && green.unhealthy_routing.is_some());
            let shortfall = play(&mut Shortfall::default().start(), &minutes);
            prop_assert!(!shortfall.is_healthy() || seen && green.responses.is_some());
        }
    }
}
