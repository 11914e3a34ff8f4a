//! [`MetricsGate`]: one source of counts, one read at a look, several judges.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    AllOf, Bucket, HealthGate, Judge, JudgeFactory, Look, MetricSource, Observation, Progress,
    SettledBuckets, Settler, Verdict, Window,
    backoff::Backoff,
    metrics::{span, timeline::Timeline},
    snapshot::{restored, saved},
};
use crate::{
    clock::{LEAST_OFFSET, instant, later, moved, sooner},
    error::Result,
    json::JsonText,
};

/// A gate over a [`MetricSource`]: it reads the buckets that are due, hands settled buckets to its
/// judges, and is healthy only if all judges are.
///
/// Its observation is the buckets that settled since the last one ([`SettledBuckets`]); a look at which
/// nothing settled gives `None`. Most looks do not even ask the source: a settler says when a read
/// can bring news, at most every 30 s.
///
/// The first look begins [15 minutes](Self::HISTORY) back, or earlier if a judge needs more, so that
/// before the first shift blue's own rates are known. It asks the source at once, and so learns early
/// what the source refuses. After that the gate continues from the end of its last observation;
/// everything else that it knows is a cache, and a restart costs no more than a minute's delay.
///
/// A healthy verdict expires two periods and three minutes after the end of the newest bucket
/// that it rests on: the longest that a bucket takes to settle, and one bucket more.
///
/// # Time
///
/// A source keeps its own time, which may differ from that of the run ([`MetricSource::ahead`]). Buckets
/// stay in the source's time, in which they neither overlap nor leave a hole, even if the run is resumed
/// on a machine with another clock. Windows, settling and the judges' sentences use the source's time.
/// The times that a verdict gives to the run are in the run's time: when it expires, and the span of the
/// traffic that it saw. Each observation holds the difference, so that a journal gives the same verdicts
/// again.
///
/// Without a judge the gate is always inconclusive. In the preflight and while a rollback is confirmed
/// its judges are inconclusive by design: there is no traffic to judge, and the evidence holds the
/// requests of each side.
///
/// # Errors
///
/// The errors of the source. After a failed read the gate asks nothing for 15 s, then 30 s, 60 s and 120 s,
/// until a read works; a look in that time fails with the last failure's kind and says until when no read
/// is tried. No bucket is lost: the next read begins at the end of the last one.
///
/// # Cancel safety
///
/// A look that is dropped has read and changed nothing; the next one reads again. An observation that
/// never reaches the journal is made again, too.
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
    /// Whether a warm-up follows the first shift alone.
    warms_once: bool,
    cache: Mutex<Cache>,
}

/// The name and the value of the setting that says when green is warm.
const WARM_UP: (&str, &str) = ("warm_up", "first_shift");

/// Knowledge that a restart may lose.
#[derive(Debug, Default)]
struct Cache {
    settler: Option<Settled>,
    backoff: Backoff,
    /// How far the source's clock is ahead, as soon as the source has told it.
    ahead: Option<SignedDuration>,
    /// The latency above which a request is slow, as soon as it was asked for.
    slow_above: Option<Option<Duration>>,
    /// An observation, and what this gate needs of it.
    last: Option<(Observation, Last)>,
}

/// The state after the last observation, from which a gate continues.
#[derive(Debug, Clone, Copy)]
struct Last {
    end: Option<Timestamp>,
    ahead: SignedDuration,
    slow_above: Option<Duration>,
}

#[derive(Debug)]
struct Settled {
    /// The start of this settler, for a gate that has not observed anything yet.
    start: Timestamp,
    settler: Settler,
    /// The offset of the times that the settler was told.
    ahead: SignedDuration,
}

impl<S: MetricSource> MetricsGate<S> {
    /// How far back the first look begins at least.
    pub const HISTORY: Duration = Duration::from_secs(15 * 60);

    /// Creates a gate over `source` without judges.
    pub fn new(source: S) -> Self {
        Self {
            source,
            judges: Vec::new(),
            warms_once: false,
            cache: Mutex::default(),
        }
    }

    /// Takes over what the settings of a journal say of warm-ups.
    pub(super) fn recorded(mut self, settings: &Value) -> Self {
        self.warms_once = settings
            .get(WARM_UP.0)
            .is_some_and(|when| when == WARM_UP.1);
        self
    }

    /// Takes the plan's warm-up after the first shift alone. Default: after each shift.
    ///
    /// At the first shift each target of green begins to get requests. Later shifts send more to targets
    /// that are warm, so that their first whole minute can count. Keep the default if green gets new
    /// targets from step to step.
    pub fn warming_once(mut self) -> Self {
        self.warms_once = true;
        self
    }

    /// Adds a judge under a name: [`Limits`](crate::health::Limits), a tripwire, or a judge of your own
    /// ([`judge_fn`](crate::health::judge_fn)).
    pub fn with_judge(
        mut self,
        name: impl Into<String>,
        judge: impl JudgeFactory + 'static,
    ) -> Self {
        self.judges.push((name.into(), Box::new(judge)));
        self
    }

    /// Returns how far the source's clock was ahead of the run's, as far as that is known at the start of a
    /// look.
    fn held(&self, look: &Look) -> Result<Option<SignedDuration>> {
        let known = self.cache().ahead;
        match (known, &look.last) {
            (None, Some(last)) => Ok(Some(self.last(last)?.ahead)),
            (held, _) => Ok(held),
        }
    }

    /// Returns how far the source's clock is ahead of the run's `at` this time. Small changes of the value
    /// that is `held` are noise, and would only blur the times of the run.
    fn ahead(&self, held: Option<SignedDuration>, at: Timestamp) -> SignedDuration {
        let told = self.source.ahead(at);
        let is_noise = |told: &SignedDuration| {
            held.is_some_and(|held| told.saturating_sub(held).unsigned_abs() < LEAST_OFFSET)
        };
        let moved = told.filter(|told| !is_noise(told));
        let ahead = moved.or(held).unwrap_or_default();
        if told.is_some() {
            self.cache().ahead = Some(ahead);
        }
        ahead
    }

    /// Returns the window to read at this look, if a read can bring news.
    fn window(&self, look: &Look, ahead: SignedDuration) -> Result<Option<Window>> {
        let now = moved(look.progress.at, ahead);
        let since = moved(look.progress.since, ahead);
        let last = look.last.as_ref().map(|last| self.last(last)).transpose()?;
        let resume = last.and_then(|last| last.end);
        let mut cache = self.cache();
        cache.backoff.check(look.progress.at, "read metrics")?;
        let is_current = cache.settler.as_ref().is_some_and(|cached| {
            cached.ahead == ahead
                && cached.settler.next() == resume.unwrap_or(cached.start)
                && cached.start <= now
        });
        if !is_current {
            let period = self.source.period();
            let history = sooner(now.min(since), self.history());
            let start = resume.unwrap_or_else(|| span::floor(history, period));
            let settler = Settler::new(start, period);
            let start = settler.next();
            cache.settler = Some(Settled {
                start,
                settler,
                ahead,
            });
        }
        let settler = cache.settler.as_ref();
        Ok(settler.and_then(|cached| cached.settler.window(now)))
    }

    /// Returns how far back the first look begins.
    fn history(&self) -> Duration {
        let judges = self.judges.iter();
        let needed = judges.map(|(_, factory)| factory.needs().history).max();
        needed.unwrap_or_default().max(Self::HISTORY)
    }

    /// Returns the latency above which a request is slow: as in the last observation. If there is none, the
    /// source is asked, once.
    async fn slow_above(&self, look: &Look, now: Timestamp) -> Result<Option<Duration>> {
        if !self.judges.iter().any(|(_, factory)| factory.needs().slow) {
            return Ok(None);
        }
        if let Some(last) = &look.last {
            return Ok(self.last(last)?.slow_above);
        }
        if let Some(known) = self.cache().slow_above {
            return Ok(known);
        }
        let asked = self.source.slow_above(now).await?;
        self.cache().slow_above = Some(asked);
        Ok(asked)
    }

    /// Returns the state to continue from: decoded once, since one observation is the last for many looks.
    fn last(&self, seen: &Observation) -> Result<Last> {
        if let Some((known, last)) = &self.cache().last
            && known.is(seen)
        {
            return Ok(*last);
        }
        let settled = SettledBuckets::shared(seen)?;
        seen.forget_decoded();
        let last = Last::of(&settled);
        self.cache().last = Some((seen.clone(), last));
        Ok(last)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks once, with the source's clock `ahead` by this time.
    async fn look(&self, look: &Look, ahead: SignedDuration) -> Result<Option<Observation>> {
        let now = moved(look.progress.at, ahead);
        let Some(window) = self.window(look, ahead)? else {
            return Ok(None);
        };
        let read = async {
            let slow_above = self.slow_above(look, now).await?;
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
                    .with_ahead(ahead)
                    .with_slow_above(slow_above)
                    .with_stickiness(stickiness.is_some());
                let last = Last::of(&settled);
                let seen = settled.observed()?;
                cache.last = Some((seen.clone(), last));
                Ok(Some(seen))
            }
            Err(error) => {
                cache.backoff.failed(look.progress.at, &error);
                Err(error)
            }
        }
    }
}

impl Last {
    fn of(settled: &SettledBuckets) -> Self {
        Self {
            end: settled.end(),
            ahead: settled.ahead,
            slow_above: settled.slow_above,
        }
    }
}

#[async_trait]
impl<S: MetricSource> HealthGate for MetricsGate<S> {
    async fn observe(&self, look: &Look) -> Result<Option<Observation>> {
        let begun = instant();
        let held = self.held(look)?;
        let ahead = self.ahead(held, look.progress.at);
        let seen = self.look(look, ahead).await;
        // An answer may tell the source's time, and so show that another window was meant.
        let held = self.cache().ahead.or(held);
        match self.ahead(held, later(look.progress.at, begun.elapsed())) {
            told if told == ahead => seen,
            told => self.look(look, told).await,
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
            since: None,
            warms_once: self.warms_once,
        })
    }

    fn settings(&self) -> Value {
        let judges = self.judges.iter();
        let judges: Map<String, Value> = judges
            .map(|(name, factory)| (name.clone(), factory.settings()))
            .collect();
        let mut settings = json!({ "source": self.source.settings(), "judges": judges });
        if self.warms_once {
            settings[WARM_UP.0] = WARM_UP.1.into();
        }
        settings
    }
}

/// All judges of a gate. Makes sure that every verdict tells the traffic and expires, even if the judges
/// do not, and that the judges work in the source's time.
#[derive(Debug)]
struct MetricsJudge {
    all: AllOf,
    timeline: Timeline,
    /// When the split became as it is: in the run's time, and in the source's.
    since: Option<(Timestamp, Timestamp)>,
    warms_once: bool,
}

impl MetricsJudge {
    /// Returns `progress` in the source's time. The start of a step does not change if the
    /// difference of the clocks changes after it.
    fn there(&mut self, progress: &Progress, ahead: SignedDuration) -> Progress {
        let since = match self.since {
            Some((here, there)) if here == progress.since => there,
            _ => moved(progress.since, ahead),
        };
        self.since = Some((progress.since, since));
        // Targets that served in the step before are warm.
        let is_warm = self.timeline.began().is_some_and(|began| began < since);
        Progress {
            at: moved(progress.at, ahead),
            since,
            warm_up: match is_warm && self.warms_once {
                true => Duration::ZERO,
                false => progress.warm_up,
            },
            ..*progress
        }
    }
}

impl Judge for MetricsJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen = match SettledBuckets::shared(observation) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let ahead = seen.ahead;
        let there = self.there(progress, ahead);
        let verdict = self.all.take(observation, &there);
        self.timeline.take(&seen, &there);
        let verdict = self.timeline.dress(verdict, &there);
        verdict.moved(ahead.checked_neg().unwrap_or(SignedDuration::MAX))
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(&(self.all.snapshot()?, &self.timeline, self.since))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let all: JsonText;
        (all, self.timeline, self.since) = restored(snapshot)?;
        self.all.restore(&all)
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

    /// Counts the same in every minute, unless told to fail.
    #[derive(Debug, Default)]
    struct Fake {
        reads: Mutex<Vec<(Timestamp, Timestamp)>>,
        fails: Mutex<Option<ErrorKind>>,
        ahead: Mutex<Option<SignedDuration>>,
        /// What its first answer tells of its clock.
        tells: Mutex<Option<SignedDuration>>,
    }

    #[async_trait]
    impl MetricSource for Fake {
        fn period(&self) -> Duration {
            MINUTE
        }

        async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
            let Window { from, to, .. } = *window;
            self.reads.lock().unwrap().push((from, to));
            if let Some(ahead) = self.tells.lock().unwrap().take() {
                *self.ahead.lock().unwrap() = Some(ahead);
            }
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

        fn ahead(&self, _: Timestamp) -> Option<SignedDuration> {
            *self.ahead.lock().unwrap()
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
        // The journal does not hold that observation, so the gate starts again; nothing is skipped.
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
        // Buckets that are old by now settle at once; nothing is lost.
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

    fn hours(hours: i64) -> SignedDuration {
        SignedDuration::from_hours(hours)
    }

    #[tokio::test]
    async fn p11_a_source_is_asked_in_its_own_time_and_verdicts_are_in_the_runs() {
        let (fake, gate) = gate();
        *fake.ahead.lock().unwrap() = Some(hours(1));
        gate.observe(&look(240, None)).await.expect("reads");
        let looked = look(270, None);
        let seen = gate
            .observe(&looked)
            .await
            .expect("reads")
            .expect("settled");
        let (from, to) = fake.reads.lock().unwrap()[0];
        assert_eq!((from, to), (at(3_600 - 900), at(3_600 + 180)));
        assert_eq!(ends(&seen), (3_600 - 900, 3_600 + 180));
        assert_eq!(SettledBuckets::read(&seen).expect("reads").ahead, hours(1));

        // The same as with clocks that agree.
        let verdict = gate.judge().take(&seen, &looked.progress);
        assert!(verdict.is_healthy(), "{verdict}");
        assert_eq!(verdict.evidence().expires, Some(at(180 + 120 + 180)));
        let traffic = verdict.evidence().traffic.expect("known");
        assert_eq!((traffic.from, traffic.to), (at(120), at(180)));
        let part = verdict.evidence().parts[0].verdict.evidence();
        assert_eq!(part.expires, verdict.evidence().expires);
    }

    #[tokio::test]
    async fn p11_the_answer_that_tells_the_time_is_asked_for_again() {
        let (fake, gate) = gate();
        *fake.tells.lock().unwrap() = Some(hours(-1));
        // Without the source's time all these minutes would be old enough for one read.
        let mut looked = look(7_200, None);
        looked.progress.since = at(3_600);
        let seen = gate
            .observe(&looked)
            .await
            .expect("reads")
            .expect("settled");
        let reads = fake.reads.lock().unwrap().clone();
        assert_eq!(reads.len(), 2);
        assert_eq!(reads[1], (at(-900), at(3_600 - 60)));
        assert_eq!(ends(&seen), (-900, 3_600 - 1_200));
    }

    #[tokio::test]
    async fn p11_noise_moves_nothing_and_another_machine_neither_repeats_nor_skips_a_minute() {
        let (fake, first) = gate();
        *fake.ahead.lock().unwrap() = Some(hours(1));
        first.observe(&look(60, None)).await.expect("reads");
        *fake.ahead.lock().unwrap() = Some(hours(1) + SignedDuration::from_secs(4));
        let seen = first.observe(&look(90, None)).await.expect("reads");
        let seen = seen.expect("settled");
        assert_eq!(SettledBuckets::read(&seen).expect("reads").ahead, hours(1));
        let end = ends(&seen).1;

        // The run's time has jumped by 40 minutes, the source's has not.
        let (fake, second) = gate();
        let ahead = SignedDuration::from_mins(20);
        *fake.ahead.lock().unwrap() = Some(ahead);
        for seconds in [120, 150] {
            let look = look(2_400 + seconds, Some(&seen));
            if let Some(next) = second.observe(&look).await.expect("reads") {
                assert_eq!(ends(&next), (end, end + 60));
                assert_eq!(SettledBuckets::read(&next).expect("reads").ahead, ahead);
            }
        }
        assert_eq!(fake.reads.lock().unwrap()[0].0, at(end));
    }

    /// A journal that says nothing of warm-ups had one after each shift.
    #[test]
    fn p09_a_journal_says_whether_a_warm_up_follows_each_shift() {
        let minute = |start| {
            let sides = Sides::both(Counts::of(100, 0));
            let buckets = vec![Bucket::new(at(start), MINUTE, sides)];
            SettledBuckets::new(buckets).observe().expect("plain data")
        };
        let verdicts = |settings: Value| {
            let judge = crate::health::judge_of(&settings).expect("known judges");
            let mut judge = judge.expect("a judge");
            let mut see = |start, step, since| {
                let share = Percent::from_whole(10).expect("a percent");
                let progress = Progress::new(at(start + 150), Phase::Step(step), share, at(since));
                let verdict = judge.take(&minute(start), &progress.with_warm_up(MINUTE));
                verdict.is_healthy()
            };
            [see(0, 0, 0), see(60, 0, 0), see(180, 1, 180)]
        };
        let judges = json!({"limits": {"max_mean_latency": null}});
        let each = json!({"source": null, "judges": judges});
        assert_eq!(verdicts(each), [false, true, false]);
        let once = json!({"source": null, "judges": judges, "warm_up": "first_shift"});
        assert_eq!(verdicts(once), [false, true, true]);
        let settings = |gate: MetricsGate<Fake>| gate.settings()["warm_up"].clone();
        assert_eq!(settings(MetricsGate::new(Fake::default())), Value::Null);
        let once = MetricsGate::new(Fake::default()).warming_once();
        assert_eq!(settings(once), "first_shift");
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
