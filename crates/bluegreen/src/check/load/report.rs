//! [`TestReport`]: the verdict of a test, with its evidence.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    TestPlan,
    blue::BlueLook,
    bound,
    compare::{Comparison, Difference},
    percentile::Percentile,
    tally::{Excess, Tally},
};

/// The result of a test, with its evidence. It holds no value of an answer. Its JSON has the verdict and
/// the differences too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TestReport {
    /// The verdict.
    pub(crate) verdict: TestVerdict,
    /// Why the verdict is not `passed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// When the test began.
    pub began: Timestamp,
    /// How long the test took, in seconds.
    pub seconds: f64,
    /// The requests that were planned for green, without those of the comparison.
    pub planned: u64,
    /// The requests that were sent.
    pub sent: u64,
    /// The requests that were sent late, since too many were in flight.
    pub late: u64,
    /// The requests that were never sent, for that reason. They count as failed.
    pub unsent: u64,
    /// The requests a second that were wanted.
    pub rate: f64,
    /// The requests a second that were sent.
    pub held: f64,
    /// The longest time by which the tester itself was late, in milliseconds. Latencies include that time.
    pub behind_ms: f64,
    /// The requests that failed.
    pub errors: ErrorFigure,
    /// Latencies, from the times at which requests were due.
    pub latency: Vec<LatencyFigure>,
    /// The kinds of failures, and how often each was seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// How many answers were compared.
    pub compared: u64,
    /// The places at which blue's answers differ from themselves. They were not compared.
    pub varying: usize,
    /// The differences between blue and green.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<Difference>,
    /// What was seen of blue's metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<String>,
}

/// The verdict of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub(crate) enum TestVerdict {
    /// Every limit is shown at the stated confidence, and no difference is left.
    Passed,
    /// A limit is exceeded, or green's answers differ from blue's.
    Failed,
    /// The requests show neither that every limit is kept nor that one is exceeded.
    Inconclusive,
    /// The test was stopped since blue got worse.
    BlueWorse,
    /// The test was stopped by a person or a program.
    Cancelled,
}

/// The failed requests of a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorFigure {
    /// The requests that failed.
    pub failed: u64,
    /// The requests that ended.
    pub of: u64,
    /// The highest rate that this leaves possible at the confidence, 0 to 1.
    pub at_most: f64,
    /// The limit of the rate, 0 to 1.
    pub limit: f64,
    /// The confidence, 0 to 1.
    pub confidence: f64,
}

/// One percentile of the latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LatencyFigure {
    /// The name, such as `p99`.
    pub percentile: String,
    /// The latency, in milliseconds.
    pub ms: f64,
    /// The highest latency that the requests leave possible at the confidence; `None` if they are too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_ms: Option<f64>,
    /// The limit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<f64>,
}

/// Why a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Exceeded(Excess),
    BlueWorse(String),
    Cancelled,
}

/// What a test counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) began: Timestamp,
    pub(super) elapsed: Duration,
    pub(super) sent: u64,
    pub(super) late: u64,
    pub(super) unsent: u64,
    pub(super) sending: Duration,
    pub(super) behind: Duration,
    pub(super) tally: Tally,
    pub(super) comparison: Comparison,
    pub(super) blue: Option<BlueLook>,
}

/// Judges a test that is over.
pub(super) fn judged(plan: &TestPlan, counted: Counted, end: End) -> TestReport {
    let Counted {
        tally, comparison, ..
    } = &counted;
    let limits = tally.limits();
    let confidence = limits.confidence;
    let errors = ErrorFigure {
        failed: tally.failed,
        of: tally.ended,
        at_most: bound::upper(tally.failed, tally.ended, confidence),
        limit: limits.max_error_rate,
        confidence,
    };
    let differences = comparison.differences();
    let (verdict, reasons) = verdict(tally, &errors, &differences, &end);
    let sending = counted.sending.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let held = match counted.sent {
        0 | 1 => 0.0,
        sent => (sent - 1) as f64 / sending.max(1e-9),
    };
    TestReport {
        verdict,
        reasons,
        began: counted.began,
        seconds: counted.elapsed.as_secs_f64(),
        planned: plan.requests(),
        sent: counted.sent,
        late: counted.late,
        unsent: counted.unsent,
        rate: plan.rate(),
        held,
        behind_ms: ms(counted.behind),
        errors,
        latency: latencies(tally),
        failures: tally.failures.clone(),
        compared: comparison.compared,
        varying: comparison.varying(),
        differences,
        blue: counted.blue.map(|look| match look {
            BlueLook::Well(seen) | BlueLook::Worse(seen) => seen,
        }),
    }
}

fn verdict(
    tally: &Tally,
    errors: &ErrorFigure,
    differences: &[Difference],
    end: &End,
) -> (TestVerdict, Vec<String>) {
    let limits = tally.limits();
    let mut failed = Vec::new();
    match end {
        End::BlueWorse(why) => {
            let why = format!("stopped, since blue got worse: {why}");
            return (TestVerdict::BlueWorse, vec![why]);
        }
        End::Cancelled => return (TestVerdict::Cancelled, vec!["cancelled".to_owned()]),
        End::Completed => {}
        End::Exceeded(Excess::Errors) => failed.push(format!(
            "stopped: green's error rate is above {}",
            percent(limits.max_error_rate)
        )),
        End::Exceeded(Excess::Slow(number)) => {
            if let Some((percentile, limit)) = limits.max_latency.iter().nth(*number) {
                let limit = ms(*limit);
                failed.push(format!(
                    "stopped: green's {percentile} is above {limit:.0} ms"
                ));
            }
        }
    }
    let left = differences.iter().filter(|one| !one.is_accepted).count();
    if left > 0 {
        let s = if left == 1 { "" } else { "s" };
        failed.push(format!(
            "green's answers differ from blue's in {left} kind{s}"
        ));
    }
    let mut open = Vec::new();
    if *end == End::Completed {
        let of_errors = errors_shown(errors, limits.confidence);
        for (standing, told) in of_errors.into_iter().chain(latencies_shown(tally)) {
            match standing {
                Standing::Above => failed.push(told),
                Standing::Open => open.push(told),
            }
        }
    }
    if !failed.is_empty() {
        return (TestVerdict::Failed, failed);
    }
    match open.is_empty() {
        true => (TestVerdict::Passed, open),
        false => (TestVerdict::Inconclusive, open),
    }
}

/// What the requests show about a limit that is not kept for sure.
enum Standing {
    /// Green is above it.
    Above,
    /// Green may be within it, and may be above it.
    Open,
}

/// Returns what `failed` of `all` show about a limit of their share; `None` if the limit is kept.
fn shown(failed: u64, all: u64, limit: f64, confidence: f64) -> Option<Standing> {
    let at_least = 1.0 - bound::upper(all.saturating_sub(failed), all, confidence);
    match bound::upper(failed, all, confidence) > limit {
        true if at_least > limit => Some(Standing::Above),
        true => Some(Standing::Open),
        false => None,
    }
}

fn errors_shown(errors: &ErrorFigure, confidence: f64) -> Option<(Standing, String)> {
    let standing = shown(errors.failed, errors.of, errors.limit, confidence)?;
    let (limit, failed, of) = (percent(errors.limit), errors.failed, errors.of);
    let told = match standing {
        Standing::Above => {
            format!("green's error rate is above {limit}: {failed} of {of} failed")
        }
        Standing::Open => format!(
            "errors within {limit} are not shown: {failed} of {of} failed, so the rate may be {}",
            percent(errors.at_most)
        ),
    };
    Some((standing, told))
}

fn latencies_shown(tally: &Tally) -> impl Iterator<Item = (Standing, String)> {
    let limits = tally.limits();
    let each = limits.max_latency.iter().zip(&tally.slow);
    each.filter_map(|((percentile, limit), slow)| {
        let share = 1.0 - percentile.share();
        let standing = shown(*slow, tally.ended, share, limits.confidence)?;
        let (limit, of) = (ms(*limit), tally.ended);
        let told = match standing {
            Standing::Above => {
                format!("green's {percentile} is above {limit:.0} ms: {slow} of {of} took longer")
            }
            Standing::Open => {
                format!(
                    "{percentile} within {limit:.0} ms is not shown: {slow} of {of} took longer"
                )
            }
        };
        Some((standing, told))
    })
}

fn latencies(tally: &Tally) -> Vec<LatencyFigure> {
    let limits = tally.limits();
    let usual = [Percentile::P50, Percentile::P90, Percentile::P99].map(|one| (one, None));
    let limited = limits
        .max_latency
        .iter()
        .map(|(one, limit)| (*one, Some(*limit)));
    let mut all: BTreeMap<Percentile, Option<Duration>> = usual.into();
    all.extend(limited);
    let figure = |(percentile, limit): (Percentile, Option<Duration>)| {
        let all = tally.latencies.len();
        let rank = bound::rank_above(percentile.share(), all, limits.confidence);
        LatencyFigure {
            percentile: percentile.to_string(),
            ms: ms(tally.latencies.at(percentile.share())),
            at_most_ms: rank.map(|rank| ms(tally.latencies.of_rank(rank))),
            limit_ms: limit.map(ms),
        }
    };
    let highest = LatencyFigure {
        percentile: "max".to_owned(),
        ms: ms(tally.latencies.highest()),
        at_most_ms: None,
        limit_ms: None,
    };
    all.into_iter().map(figure).chain([highest]).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = if percent < 10.0 { 2 } else { 1 };
    let text = format!("{percent:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

impl TestReport {
    /// Whether the test passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.verdict == TestVerdict::Passed
    }

    /// The exit code for scripts: 0 passed, 11 cancelled, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            TestVerdict::Passed => 0,
            TestVerdict::Cancelled => 11,
            _ => 1,
        }
    }
}

impl fmt::Display for TestVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "not shown",
            Self::BlueWorse => "stopped",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Several lines: the load, errors, latencies, differences, and the verdict with its reasons.
impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = &self.errors;
        write!(
            f,
            "load      {} of {} requests in {:.0} s, {:.1} a second",
            self.sent, self.planned, self.seconds, self.held
        )?;
        if self.late > 0 {
            write!(f, "; {} late: too many in flight", self.late)?;
        }
        if self.unsent > 0 {
            write!(f, "; {} never sent", self.unsent)?;
        }
        if self.behind_ms >= 10.0 {
            write!(
                f,
                "; the tester itself was up to {:.0} ms late",
                self.behind_ms
            )?;
        }
        write!(
            f,
            "\nerrors    {} of {}: at most {}, limit {}",
            errors.failed,
            errors.of,
            percent(errors.at_most),
            percent(errors.limit)
        )?;
        for (failure, count) in &self.failures {
            write!(f, "\n          {count} {}", crate::text::visible(failure))?;
        }
        for (number, figure) in self.latency.iter().enumerate() {
            let title = if number == 0 { "latency" } else { "" };
            write!(
                f,
                "\n{title:<10}{:<6} {:.0} ms",
                figure.percentile, figure.ms
            )?;
            match (figure.limit_ms, figure.at_most_ms) {
                (Some(limit), Some(most)) => {
                    write!(f, ": at most {most:.0} ms, limit {limit:.0} ms")?
                }
                (Some(limit), None) => {
                    write!(f, ": too few requests for a bound, limit {limit:.0} ms")?
                }
                _ => {}
            }
        }
        write!(f, "\ncompared  {} answers with blue's", self.compared)?;
        if self.varying > 0 {
            write!(
                f,
                "; {} places left out, where blue itself varies",
                self.varying
            )?;
        }
        for one in &self.differences {
            write!(f, "\n  {one}")?;
        }
        if let Some(blue) = &self.blue {
            write!(f, "\nblue      {}", crate::text::visible(blue))?;
        }
        write!(
            f,
            "\ntest {} ({} % confidence)",
            self.verdict,
            100.0 * errors.confidence
        )?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}

/// One line: how often, the kind, blue against green, and places.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let (blue, green) = (
            crate::text::visible(&self.blue),
            crate::text::visible(&self.green),
        );
        write!(f, "{:>5} {:<17} {blue} -> {green}", self.count, self.kind)?;
        let places: Vec<&str> = self.places.iter().take(SHOWN).map(String::as_str).collect();
        write!(f, " at {}", places.join(", "))?;
        if self.all_places > SHOWN {
            write!(f, " and {} more", self.all_places - SHOWN)?;
        }
        write!(f, " ({})", crate::text::visible(&self.requests.join(", ")))?;
        match self.is_accepted {
            true => f.write_str(", accepted"),
            false => Ok(()),
        }
    }
}
