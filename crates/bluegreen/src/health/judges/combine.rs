//! Combinators: one verdict of several judges.

use std::{fmt, time::Duration};

use auto_impl::auto_impl;

use crate::{
    error::{Error, ErrorKind, Result},
    health::{
        Evidence, Judge, Observation, Part, Progress, Verdict,
        snapshot::{restored, saved},
    },
    json::JsonText,
};

/// Unhealthy if any of its judges says so, healthy if all do, else inconclusive. Without judges it is
/// inconclusive.
///
/// The combined evidence holds every judge's verdict as a [`Part`]; a healthy verdict expires when the
/// first of theirs does.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct AllOf {
    judges: Vec<(String, Box<dyn Judge>)>,
}

impl AllOf {
    /// Creates a combination without judges.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a judge under a name.
    pub(crate) fn with(mut self, name: impl Into<String>, judge: impl Judge + 'static) -> Self {
        self.judges.push((name.into(), Box::new(judge)));
        self
    }
}

impl Judge for AllOf {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        all_of(ask(&mut self.judges, observation, progress))
    }

    fn snapshot(&self) -> Option<JsonText> {
        snapshots(&self.judges)
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        restore(&mut self.judges, snapshot)
    }
}

/// Healthy if any of its judges says so, unhealthy if all do, else inconclusive. Without judges it is
/// inconclusive.
///
/// For sources that can replace each other. A healthy verdict expires when the last of the judges'
/// healthy verdicts does.
#[derive(Debug, Default)]
#[must_use]
struct AnyOf {
    judges: Vec<(String, Box<dyn Judge>)>,
}

impl AnyOf {
    /// Creates a combination without judges.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a judge under a name.
    pub(crate) fn with(mut self, name: impl Into<String>, judge: impl Judge + 'static) -> Self {
        self.judges.push((name.into(), Box::new(judge)));
        self
    }
}

impl Judge for AnyOf {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        any_of(ask(&mut self.judges, observation, progress))
    }

    fn snapshot(&self) -> Option<JsonText> {
        snapshots(&self.judges)
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        restore(&mut self.judges, snapshot)
    }
}

/// Is unhealthy only after a number of unhealthy verdicts in a row, and healthy only after a number of
/// healthy ones; before that it is inconclusive. A verdict of another kind ends a row, and so does a new
/// step for healthy verdicts: the verdicts of one step never pass the next.
#[derive(Debug)]
struct Sustained<J> {
    judge: J,
    needed: [u32; 2],
    unhealthy: u32,
    healthy: u32,
    since: Option<jiff::Timestamp>,
}

impl<J: Judge> Sustained<J> {
    /// Needs this many `unhealthy` and `healthy` verdicts in a row; 0 counts as 1.
    pub(crate) fn new(judge: J, unhealthy: u32, healthy: u32) -> Self {
        Self {
            judge,
            needed: [unhealthy.max(1), healthy.max(1)],
            unhealthy: 0,
            healthy: 0,
            since: None,
        }
    }
}

impl<J: Judge> Judge for Sustained<J> {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let verdict = self.judge.take(observation, progress);
        if self.since.replace(progress.since) != Some(progress.since) {
            self.healthy = 0;
        }
        let (row, needed) = match &verdict {
            Verdict::Unhealthy(_) => {
                self.healthy = 0;
                self.unhealthy = self.unhealthy.saturating_add(1);
                (self.unhealthy, self.needed[0])
            }
            Verdict::Healthy(_) => {
                self.unhealthy = 0;
                self.healthy = self.healthy.saturating_add(1);
                (self.healthy, self.needed[1])
            }
            Verdict::Inconclusive(_) => {
                (self.unhealthy, self.healthy) = (0, 0);
                return verdict;
            }
        };
        if row >= needed {
            return verdict;
        }
        let status = verdict.status();
        let (Verdict::Healthy(mut evidence)
        | Verdict::Unhealthy(mut evidence)
        | Verdict::Inconclusive(mut evidence)) = verdict;
        evidence.summary = format!("{status} {row} of {needed} times: {}", evidence.summary);
        Verdict::Inconclusive(evidence)
    }

    fn snapshot(&self) -> Option<JsonText> {
        let judge = self.judge.snapshot()?;
        saved(&(judge, self.unhealthy, self.healthy, self.since))
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        let judge: JsonText;
        (judge, self.unhealthy, self.healthy, self.since) = restored(snapshot)?;
        self.judge.restore(&judge)
    }
}

/// Combinators as methods of every [`Judge`].
///
/// # Examples
///
/// ```
/// use bluegreen::health::{Judge, JudgeExt, JudgeFactory, Limits, Shortfall};
///
/// let judge = Limits::default().judge().and(Shortfall::default().judge()).sustained(2, 1);
/// # let _: Box<dyn Judge> = Box::new(judge);
/// ```
pub trait JudgeExt: Judge + Sized + 'static {
    /// Unhealthy if one of the two says so, healthy if both do, else inconclusive. The evidence carries both
    /// verdicts, named `first` and `second`; a healthy one stands only until the first of theirs expires.
    fn and(self, other: impl Judge + 'static) -> impl Judge {
        AllOf::new().with("first", self).with("second", other)
    }

    /// Healthy if one of the two says so, unhealthy if both do, else inconclusive: for sources that stand in
    /// for each other. A healthy verdict stands as long as the last of theirs.
    fn or(self, other: impl Judge + 'static) -> impl Judge {
        AnyOf::new().with("first", self).with("second", other)
    }

    /// Unhealthy only after this many unhealthy verdicts in a row, and healthy only after this many healthy
    /// ones; inconclusive before that. A verdict of another kind ends a row, and so does a new step for
    /// healthy ones: a step never passes by the verdicts of the step before.
    fn sustained(self, unhealthy: u32, healthy: u32) -> impl Judge {
        Sustained::new(self, unhealthy, healthy)
    }
}

impl<J: Judge + 'static> JudgeExt for J {}

/// Starts judges of one kind with the same settings. A gate holds a factory, since each run and each
/// replay starts a fresh judge.
#[auto_impl(Arc, Box)]
pub trait JudgeFactory: fmt::Debug + Send + Sync {
    /// Starts a fresh fold.
    fn judge(&self) -> Box<dyn Judge>;

    /// Returns everything that changes the judge's verdicts, for the journal.
    fn settings(&self) -> serde_json::Value;

    /// Returns the data that the judge needs beside the counts of the migration itself. Default: nothing.
    fn needs(&self) -> Needs {
        Needs::default()
    }
}

/// The data that a judge needs beside the counts of the migration itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// How much of blue's past.
    pub history: Duration,
    /// Whether the number of slow requests is needed.
    pub slow: bool,
}

impl Needs {
    /// Needs this much of blue's past.
    #[must_use]
    pub(crate) fn history(history: Duration) -> Self {
        Self {
            history,
            slow: false,
        }
    }

    /// Needs the number of slow requests as well.
    #[must_use]
    pub(crate) fn and_slow(mut self) -> Self {
        self.slow = true;
        self
    }
}

/// Makes a [`JudgeFactory`] of a closure; `settings` must hold everything that changes the judge's verdicts.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{JudgeExt, JudgeFactory, Limits, judge_fn};
///
/// let factory = judge_fn(serde_json::json!({ "limits": Limits::default(), "sustained": [2, 1] }), || {
///     Box::new(Limits::default().judge().sustained(2, 1))
/// });
/// # let _ = factory.judge();
/// ```
pub fn judge_fn<F>(settings: serde_json::Value, start: F) -> impl JudgeFactory
where
    F: Fn() -> Box<dyn Judge> + Send + Sync,
{
    JudgeFn { settings, start }
}

/// The factory of [`judge_fn`].
#[derive(Clone)]
struct JudgeFn<F> {
    settings: serde_json::Value,
    start: F,
}

impl<F> fmt::Debug for JudgeFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgeFn")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<F: Fn() -> Box<dyn Judge> + Send + Sync> JudgeFactory for JudgeFn<F> {
    fn judge(&self) -> Box<dyn Judge> {
        (self.start)()
    }

    fn settings(&self) -> serde_json::Value {
        self.settings.clone()
    }
}

/// Returns the snapshots of all judges, in order; `None` if a judge makes none.
fn snapshots(judges: &[(String, Box<dyn Judge>)]) -> Option<JsonText> {
    let all: Option<Vec<JsonText>> = judges.iter().map(|(_, judge)| judge.snapshot()).collect();
    saved(&all?)
}

fn restore(judges: &mut [(String, Box<dyn Judge>)], snapshot: &JsonText) -> Result<()> {
    let parts: Vec<JsonText> = restored(snapshot)?;
    if parts.len() != judges.len() {
        let message = format!("restore {} judges from {}", judges.len(), parts.len());
        return Err(Error::new(ErrorKind::Refused, message));
    }
    let mut pairs = judges.iter_mut().zip(&parts);
    pairs.try_for_each(|((_, judge), part)| judge.restore(part))
}

fn ask(
    judges: &mut [(String, Box<dyn Judge>)],
    observation: &Observation,
    progress: &Progress,
) -> Vec<Part> {
    let parts = judges.iter_mut().map(|(name, judge)| Part {
        judge: name.clone(),
        verdict: judge.take(observation, progress),
    });
    parts.collect()
}

/// Combines parts as [`AllOf`] does.
pub(super) fn all_of(parts: Vec<Part>) -> Verdict {
    let expires = parts.iter().filter_map(|p| p.verdict.evidence().expires);
    let expires = expires.min();
    if let Some(worst) = find(&parts, Verdict::is_unhealthy) {
        return Verdict::Unhealthy(combined(worst, parts, None));
    }
    if let Some(unsure) = parts.iter().find(|part| part.verdict.has_given_up()) {
        let said = say(unsure);
        return Verdict::Inconclusive(combined(said, parts, None).giving_up());
    }
    if let Some(unsure) = find(&parts, Verdict::is_inconclusive) {
        return Verdict::Inconclusive(combined(unsure, parts, None));
    }
    if parts.is_empty() {
        return Verdict::inconclusive("nobody judged");
    }
    let summaries: Vec<String> = parts.iter().map(say).collect();
    Verdict::Healthy(combined(summaries.join("; "), parts, expires))
}

/// Combines parts as [`AnyOf`] does.
pub(super) fn any_of(parts: Vec<Part>) -> Verdict {
    if let Some(healthy) = find(&parts, Verdict::is_healthy) {
        let standing = parts.iter().filter(|part| part.verdict.is_healthy());
        let expires: Option<Vec<_>> = standing.map(|p| p.verdict.evidence().expires).collect();
        let last = expires.and_then(|all| all.into_iter().max());
        return Verdict::Healthy(combined(healthy, parts, last));
    }
    if let Some(unsure) = find(&parts, Verdict::is_inconclusive) {
        let waits = |part: &Part| part.verdict.is_inconclusive() && !part.verdict.has_given_up();
        let waits = parts.iter().any(waits);
        let evidence = combined(unsure, parts, None);
        return Verdict::Inconclusive(if waits {
            evidence
        } else {
            evidence.giving_up()
        });
    }
    match parts.first().map(say) {
        Some(worst) => Verdict::Unhealthy(combined(worst, parts, None)),
        None => Verdict::inconclusive("nobody judged"),
    }
}

fn find(parts: &[Part], is: fn(&Verdict) -> bool) -> Option<String> {
    parts.iter().find(|part| is(&part.verdict)).map(say)
}

fn say(part: &Part) -> String {
    format!("{}: {}", part.judge, part.verdict.evidence().summary)
}

fn combined(summary: String, parts: Vec<Part>, expires: Option<jiff::Timestamp>) -> Evidence {
    let mut evidence = Evidence::new(summary);
    evidence.traffic = parts
        .iter()
        .find_map(|part| part.verdict.evidence().traffic);
    evidence.expires = expires;
    evidence.parts = parts;
    evidence
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{health::Phase, traffic::Percent};

    /// Gives the verdicts of its script, a letter each.
    #[derive(Debug)]
    struct Script(std::vec::IntoIter<char>);

    fn script(letters: &str) -> Script {
        Script(letters.chars().collect::<Vec<_>>().into_iter())
    }

    fn verdict(letter: char) -> Verdict {
        match letter {
            'H' => Verdict::healthy("fine"),
            'U' => Verdict::unhealthy("bad"),
            _ => Verdict::inconclusive("who knows"),
        }
    }

    fn letter(verdict: &Verdict) -> char {
        match verdict {
            Verdict::Healthy(_) => 'H',
            Verdict::Unhealthy(_) => 'U',
            Verdict::Inconclusive(_) => 'I',
        }
    }

    impl Judge for Script {
        fn take(&mut self, _: &Observation, _: &Progress) -> Verdict {
            verdict(self.0.next().unwrap_or('I'))
        }
    }

    fn play(mut judge: impl Judge, times: usize) -> String {
        let nothing = Observation::new("test.nothing/1", &()).expect("encodes");
        let epoch = Timestamp::UNIX_EPOCH;
        let progress = Progress::new(epoch, Phase::Step(0), Percent::HUNDRED, epoch);
        (0..times)
            .map(|_| letter(&judge.take(&nothing, &progress)))
            .collect()
    }

    #[test]
    fn truth_tables() {
        let (left, right) = ("HHHUUUIII", "HUIHUIHUI");
        assert_eq!(play(script(left).and(script(right)), 9), "HUIUUUIUI");
        assert_eq!(play(script(left).or(script(right)), 9), "HHHHUIHII");
        assert_eq!(play(AllOf::new(), 1), "I");
        assert_eq!(play(AnyOf::new(), 1), "I");
    }

    #[test]
    fn sustained_needs_rows() {
        assert_eq!(play(script("UUUIUHUU").sustained(2, 1), 8), "IUUIIHIU");
        assert_eq!(play(script("HHUHHH").sustained(1, 3), 6), "IIUIIH");
        assert_eq!(play(script("HU").sustained(0, 0), 2), "HU");
    }

    #[test]
    fn a_healthy_row_starts_again_with_a_step() {
        let mut judge = script("HHHH").sustained(1, 2);
        let nothing = Observation::new("test.nothing/1", &()).expect("encodes");
        let epoch = Timestamp::UNIX_EPOCH;
        let letters: String = [0_u64, 0, 60, 60]
            .map(|since| {
                let since = epoch + Duration::from_secs(since);
                let progress = Progress::new(since, Phase::Step(0), Percent::HUNDRED, since);
                letter(&judge.take(&nothing, &progress))
            })
            .iter()
            .collect();
        assert_eq!(letters, "IHIH");
    }

    #[test]
    fn expiry_is_the_first_of_all_and_the_last_of_any() {
        let part = |seconds: Option<i64>| Part {
            judge: "j".into(),
            verdict: verdict('H').map_evidence(|mut evidence| {
                evidence.expires = seconds.map(|s| Timestamp::from_second(s).expect("in range"));
                evidence
            }),
        };
        let second = |verdict: &Verdict| verdict.evidence().expires.map(Timestamp::as_second);
        let parts = || vec![part(Some(9)), part(Some(5))];
        assert_eq!(second(&all_of(parts())), Some(5));
        assert_eq!(second(&any_of(parts())), Some(9));
        assert_eq!(second(&all_of(vec![part(None), part(Some(5))])), Some(5));
        assert_eq!(second(&any_of(vec![part(None), part(Some(5))])), None);
    }
}
