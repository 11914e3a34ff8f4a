//! [`MetricsGate`]: one source of counts, one read a look, several judges.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    AllOf, Bucket, HealthGate, Judge, JudgeFactory, Look, MetricSource, Observation, Progress,
    SettledBuckets, Settler, Verdict, Window,
    backoff::Backoff,
    metrics::{span, timeline::Timeline},
};
use crate::{clock::sooner, error::Result};

/// A gate over a [`MetricSource`]: reads what is due, hands settled buckets to its judges, and
/// is healthy only if all of them are.
///
/// Its observation is the buckets that settled since the last one
/// ([`SettledBuckets`]); a look at which nothing settled gives `None`. Most looks do not even ask
/// the source: a [`Settler`] says when asking can bring anything new, at most every 30 s.
///
/// The first look begins [15 minutes](Self::HISTORY) back, or as much further as a judge needs, so
/// that before the first shift blue's own rates are known. It asks the source at once, and therefore finds out early what the
/// source refuses. After that the gate goes on where its last observation ended; what it knows
/// beyond that is a cache, and a restart costs no more than a minute's delay.
///
/// A healthy verdict expires two periods and three minutes after the end of the newest bucket
/// that it rests on: the longest that a bucket takes to settle, and one bucket more.
///
/// Without a judge it is inconclusive for ever. In preflight and while a rollback is confirmed
/// its judges are inconclusive by design: there is no traffic to judge, and what reached each
/// side is in the evidence.
///
/// # Errors
///
/// Those of the source. After a failed read it asks nothing for 15 s, then 30 s, 60 s and 120 s,
/// until a read works; a look in that time fails with the last failure's kind and says until
/// when it backs off. Nothing is lost by it: the next read asks from where the last one ended.
///
/// # Cancel safety
///
/// A look that is dropped has read and changed nothing; the next one reads again. An observation
/// that never reaches the journal is made again too.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{Limits, MetricSource, MetricsGate, Shortfall};
///
/// fn watch(source: impl MetricSource) -> MetricsGate<impl MetricSource> {
///     MetricsGate::new(source)
///         .with_judge("limits", Limits::default())
///         .with_judge("shortfall", Shortfall::default())
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct MetricsGate<S> {
    source: S,
    judges: Vec<(String, Box<dyn JudgeFactory>)>,
    cache: Mutex<Cache>,
}

/// What a restart may lose.
#[derive(Debug, Default)]
struct Cache {
    settler: Option<Settled>,
    backoff: Backoff,
    /// What counts as slow, once it was asked for.
    slow_above: Option<Option<Duration>>,
}

#[derive(Debug)]
struct Settled {
    /// Where this settler began, for a gate that has not observed anything yet.
    start: Timestamp,
    settler: Settler,
}

impl<S: MetricSource> MetricsGate<S> {
    /// How far back the first look begins at least.
    pub const HISTORY: Duration = Duration::from_secs(15 * 60);

    /// A gate over `source` without judges.
    pub fn new(source: S) -> Self {
        Self {
            source,
            judges: Vec::new(),
            cache: Mutex::default(),
        }
    }

    /// Adds a judge under a name: [`Limits`](crate::health::Limits), a tripwire, or one of your own
    /// ([`judge_fn`](crate::health::judge_fn)).
    pub fn with_judge(
        mut self,
        name: impl Into<String>,
        judge: impl JudgeFactory + 'static,
    ) -> Self {
        self.judges.push((name.into(), Box::new(judge)));
        self
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What to read at this look, if reading can bring anything new.
    fn window(&self, look: &Look) -> Result<Option<Window>> {
        let now = look.progress.at;
        let last = look.last.as_ref().map(SettledBuckets::read).transpose()?;
        let resume = last.and_then(|last| last.end());
        let mut cache = self.cache();
        cache.backoff.check(now, "read metrics")?;
        let is_current = cache.settler.as_ref().is_some_and(|cached| {
            cached.settler.next() == resume.unwrap_or(cached.start) && cached.start <= now
        });
        if !is_current {
            let period = self.source.period();
            let history = sooner(now.min(look.progress.since), self.history());
            let start = resume.unwrap_or_else(|| span::floor(history, period));
            let settler = Settler::new(start, period);
            let start = settler.next();
            cache.settler = Some(Settled { start, settler });
        }
        let settler = cache.settler.as_ref();
        Ok(settler.and_then(|cached| cached.settler.window(now)))
    }

    /// How far back the first look begins.
    fn history(&self) -> Duration {
        let judges = self.judges.iter();
        let needed = judges.map(|(_, factory)| factory.needs().history).max();
        needed.unwrap_or_default().max(Self::HISTORY)
    }

    /// What counts as slow: as it was in the last observation, or else asked for now, once.
    async fn slow_above(&self, look: &Look) -> Result<Option<Duration>> {
        if !self.judges.iter().any(|(_, factory)| factory.needs().slow) {
            return Ok(None);
        }
        if let Some(last) = &look.last {
            return Ok(SettledBuckets::read(last)?.slow_above);
        }
        if let Some(known) = self.cache().slow_above {
            return Ok(known);
        }
        let asked = self.source.slow_above(look.progress.at).await?;
        self.cache().slow_above = Some(asked);
        Ok(asked)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<S: MetricSource> HealthGate for MetricsGate<S> {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let now = look.progress.at;
        let Some(window) = self.window(look)? else {
            return Ok(None);
        };
        let read = async {
            let slow_above = self.slow_above(look).await?;
            let window = window.counting_slow(slow_above);
            Ok((slow_above, self.source.read(&window).await?))
        };
        let read: Result<(Option<Duration>, Vec<Bucket>)> = read.await;
        let mut slow_above = None;
        let read = read.map(|(above, buckets)| {
            slow_above = above;
            buckets
        });
        let mut cache = self.cache();
        let settled = read.and_then(|buckets| match &mut cache.settler {
            Some(cached) => cached.settler.take(now, &window, buckets),
            None => Ok(Vec::new()),
        });
        match settled {
            Ok(buckets) => {
                cache.backoff.succeeded();
                if buckets.is_empty() {
                    return Ok(None);
                }
                let stickiness = look.traffic.as_ref().and_then(|traffic| traffic.stickiness);
                let settled = SettledBuckets::new(buckets)
                    .with_slow_above(slow_above)
                    .with_stickiness(stickiness.is_some());
                settled.observe().map(Some)
            }
            Err(error) => {
                cache.backoff.failed(now, &error);
                Err(error)
            }
        }
    }

    fn judge(&self) -> Box<dyn Judge> {
        let judges = self.judges.iter();
        let all = judges.fold(AllOf::new(), |all, (name, factory)| {
            all.with(name.clone(), factory.judge())
        });
        Box::new(MetricsJudge {
            all,
            timeline: Timeline::new(Duration::ZERO),
        })
    }

    fn settings(&self) -> Value {
        let judges = self.judges.iter();
        let judges: Map<String, Value> = judges
            .map(|(name, factory)| (name.clone(), factory.settings()))
            .collect();
        json!({ "source": self.source.settings(), "judges": judges })
    }
}

/// All judges of a gate. Sees to it that a verdict tells the traffic and expires, whatever the
/// judges themselves say.
#[derive(Debug)]
struct MetricsJudge {
    all: AllOf,
    timeline: Timeline,
}

impl Judge for MetricsJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let verdict = self.all.take(observation, progress);
        match self.timeline.take(observation, progress) {
            Ok(_) => self.timeline.dress(verdict, progress),
            Err(error) => Verdict::inconclusive(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        error::{Error, ErrorKind},
        health::{Counts, Limits, Phase, judge_fn, testing::MINUTE},
        traffic::{Percent, Sides},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn look(second: i64, last: Option<&Observation>) -> Look {
        let ten = Percent::from_whole(10).expect("a percent");
        let mut look = Look::new(Progress::new(at(second), Phase::Step(0), ten, at(0)));
        look.last = last.cloned();
        look
    }

    /// Says the same of every minute, unless told to fail.
    #[derive(Debug, Default)]
    struct Fake {
        reads: Mutex<Vec<(Timestamp, Timestamp)>>,
        fails: Mutex<Option<ErrorKind>>,
    }

    #[async_trait]
    impl MetricSource for Fake {
        fn period(&self) -> Duration {
            MINUTE
        }

        async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
            let Window { from, to, .. } = *window;
            self.reads.lock().unwrap().push((from, to));
            if let Some(kind) = *self.fails.lock().unwrap() {
                return Err(Error::new(kind, "read fake metrics").with_source("slow down"));
            }
            let starts = std::iter::successors(Some(from), |start| Some(*start + MINUTE));
            let sides = Sides {
                blue: Counts::of(900, 9),
                green: Counts::of(100, 0),
            };
            let buckets = starts
                .take_while(|start| *start < to)
                .map(|start| Bucket::new(start, MINUTE, sides));
            Ok(buckets.collect())
        }

        fn settings(&self) -> Value {
            json!("fake")
        }
    }

    fn gate() -> (Arc<Fake>, MetricsGate<Arc<Fake>>) {
        let fake = Arc::new(Fake::default());
        let limits = Limits::default().without_latency();
        let gate = MetricsGate::new(Arc::clone(&fake)).with_judge("limits", limits);
        (fake, gate)
    }

    fn ends(observation: &Observation) -> (i64, i64) {
        let seen = SettledBuckets::read(observation).expect("reads");
        let second = |at: Timestamp| at.as_second() - 1_800_000_000;
        let first = seen.buckets.first().expect("one").start;
        (second(first), second(seen.end().expect("one")))
    }

    #[tokio::test]
    async fn begins_15_minutes_back_and_goes_on_where_it_ended() {
        let (fake, gate) = gate();
        assert_eq!(gate.observe(&look(5, None)).await.expect("reads"), None);
        assert_eq!(gate.observe(&look(20, None)).await.expect("waits"), None);
        let seen = gate.observe(&look(35, None)).await.expect("reads");
        let seen = seen.expect("settled");
        assert_eq!(ends(&seen), (-900, -60));
        assert_eq!(fake.reads.lock().unwrap().len(), 2);

        let next = gate.observe(&look(65, Some(&seen))).await.expect("reads");
        assert_eq!(next, None);
        let next = gate.observe(&look(95, Some(&seen))).await.expect("reads");
        assert_eq!(ends(&next.expect("settled")), (-60, 0));
    }

    #[tokio::test]
    async fn a_restart_goes_on_after_the_last_observation() {
        let (_, first) = gate();
        first.observe(&look(0, None)).await.expect("reads");
        let seen = first.observe(&look(30, None)).await.expect("reads");
        let seen = seen.expect("settled");

        let (fake, second) = gate();
        for second_of in [180, 210] {
            let look = look(second_of, Some(&seen));
            if let Some(next) = second.observe(&look).await.expect("reads") {
                assert_eq!((second_of, ends(&next)), (210, (ends(&seen).1, 120)));
            }
        }
        assert_eq!(fake.reads.lock().unwrap()[0].0, at(ends(&seen).1));
    }

    #[tokio::test]
    async fn an_observation_that_got_lost_is_made_again() {
        let (_, gate) = gate();
        gate.observe(&look(0, None)).await.expect("reads");
        let lost = gate.observe(&look(30, None)).await.expect("reads");
        assert!(lost.is_some());
        // The journal does not know it, so it starts again; nothing is skipped.
        gate.observe(&look(60, None)).await.expect("reads");
        let again = gate.observe(&look(90, None)).await.expect("reads");
        assert_eq!(ends(&again.expect("settled")).0, -900);
    }

    #[tokio::test]
    async fn backs_off_after_failures_and_says_so() {
        let (fake, gate) = gate();
        *fake.fails.lock().unwrap() = Some(ErrorKind::Throttled);
        let mut asked = Vec::new();
        for second in (0..600).step_by(5) {
            let before = fake.reads.lock().unwrap().len();
            let error = gate.observe(&look(second, None)).await.expect_err("fails");
            assert_eq!(error.kind(), ErrorKind::Throttled);
            if fake.reads.lock().unwrap().len() > before {
                asked.push(second);
            } else {
                assert!(error.message().contains("backing off until"), "{error}");
            }
        }
        assert_eq!(asked, [0, 15, 45, 105, 225, 345, 465, 585]);

        *fake.fails.lock().unwrap() = None;
        // What is old by now settles at once; nothing is lost.
        let seen = gate.observe(&look(705, None)).await.expect("works");
        let seen = seen.expect("settled");
        assert_eq!(ends(&seen), (-900, -540));
        let next = gate.observe(&look(735, Some(&seen))).await.expect("works");
        assert_eq!(ends(&next.expect("settled")).0, -540);
    }

    #[tokio::test]
    async fn what_the_source_refuses_is_found_at_the_first_look() {
        let (fake, gate) = gate();
        *fake.fails.lock().unwrap() = Some(ErrorKind::Denied);
        let mut look = look(0, None);
        look.progress.phase = Phase::Preflight;
        let error = gate.observe(&look).await.expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied);
    }

    #[tokio::test]
    async fn every_judge_has_a_part_and_every_verdict_expires() {
        #[derive(Debug)]
        struct Fine;
        impl Judge for Fine {
            fn take(&mut self, _: &Observation, _: &Progress) -> Verdict {
                Verdict::healthy("fine for ever")
            }
        }
        let (_, gate) = gate();
        let fine = judge_fn(json!("fine"), || Box::new(Fine) as Box<dyn Judge>);
        let gate = gate.with_judge("fine", fine);
        gate.observe(&look(240, None)).await.expect("reads");
        let look = look(270, None);
        let seen = gate.observe(&look).await.expect("reads").expect("settled");
        let verdict = gate.judge().take(&seen, &look.progress);
        assert!(verdict.is_healthy(), "{verdict}");
        assert_eq!(verdict.evidence().expires, Some(at(180 + 120 + 180)));
        let traffic = verdict.evidence().traffic.expect("known");
        assert_eq!(traffic.from, at(120));
        assert_eq!(traffic.sides.blue.error_rate, Some(0.01));
        let names: Vec<_> = verdict.evidence().parts.iter().map(|p| &p.judge).collect();
        assert_eq!(names, ["limits", "fine"]);
        assert_eq!(gate.settings()["judges"]["fine"], "fine");
        assert_eq!(gate.settings()["source"], "fake");
    }

    #[tokio::test]
    async fn without_judges_it_is_inconclusive() {
        let gate = MetricsGate::new(Fake::default());
        gate.observe(&look(240, None)).await.expect("reads");
        let look = look(270, None);
        let seen = gate.observe(&look).await.expect("reads").expect("settled");
        assert!(gate.judge().take(&seen, &look.progress).is_inconclusive());
    }
}
