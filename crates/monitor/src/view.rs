//! The view of a run, folded from its events.

use std::{collections::VecDeque, time::Duration};

use bluegreen::{
    engine::Event,
    health::{Evidence, Figure, Phase, SeenTraffic, Unit, Verdict},
    migration::{
        GatePolicy, GateStanding, Intent, MigrationEvent, MigrationOutcome, MigrationPlan,
    },
    text::visible,
    traffic::TrafficObservation,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::series::{Point, Series, SidePoint};

/// Everything that is shown of a migration. Plain data: the page and the report take it as JSON. Its
/// size is bounded for a run of any length.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct View {
    /// The run's name.
    pub run: Option<String>,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// When the newest event happened.
    pub now: Option<Timestamp>,
    /// Seconds since the run began.
    pub elapsed: f64,
    /// The stage of the run.
    pub stage: Stage,
    /// The present activity of the run, in words.
    pub doing: String,
    /// Whether the run is paused.
    pub paused: bool,
    /// The deadline of the current phase.
    pub deadline: Option<Timestamp>,
    /// The end of the bake: from then on the step may pass.
    pub bake_until: Option<Timestamp>,
    /// When the next look comes.
    pub next_look: Option<Timestamp>,
    /// The steps.
    pub steps: Vec<StepView>,
    /// The gates with their present verdicts.
    pub gates: Vec<GateView>,
    /// The gates at the decision to roll back.
    pub against: Vec<GateView>,
    /// The cause of the rollback.
    pub cause: Option<String>,
    /// The figures over time.
    pub series: Series,
    /// The newest events, without looks.
    pub log: VecDeque<LogLine>,
    /// How many older events are not kept.
    pub log_dropped: u64,
    /// When the dead-man switch fires, if it is armed.
    pub switch_fires: Option<Timestamp>,
    /// Requests that reached green, in minutes that have settled.
    pub green_requests: u64,
    /// Requests on green that failed, in minutes that have settled.
    pub green_failed: u64,
    /// Seconds from the last shift to the decision to roll back, if there was one.
    pub to_detect: Option<f64>,
    /// Seconds from the decision to roll back until blue was read back.
    pub to_restore: Option<f64>,
    /// The number of looks.
    pub looks: u64,
    /// How the run ended and where traffic is, in words.
    pub outcome: Option<String>,
    /// The exit code of the run, once it has ended.
    pub exit_code: Option<u8>,
    /// The command that puts everything back on blue by hand, if green has traffic.
    pub restore_command: Option<String>,
    /// The API calls of the run, if the owner of the view sets them.
    pub api_calls: Option<String>,
    /// The plan of the run, as JSON for people.
    pub configuration: Option<String>,
    #[serde(skip)]
    memory: Memory,
}

/// The memory of the fold, which is not shown.
#[derive(Debug, Clone, Default, PartialEq)]
struct Memory {
    counted_until: Option<Timestamp>,
    shifted_at: Option<Timestamp>,
    rolling_back_at: Option<Timestamp>,
    /// The trend of each gate.
    trend: Vec<(String, Trend)>,
}

/// A gate's evidence over time: seconds, against green, for green; newest last.
type Trend = VecDeque<(f64, f64, f64)>;

/// The stage of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No event has come yet.
    #[default]
    Waiting,
    /// The run looks before it changes anything.
    Preflight,
    /// The run raises green, or watches.
    Migrating,
    /// The run puts everything back on blue.
    RollingBack,
    /// Green serves everything.
    Promoted,
    /// Blue serves everything again.
    RolledBack,
    /// The run ended and left the split as it was.
    Held,
    /// Nothing was changed.
    Unchanged,
    /// The split is not restored or not known: a person must look now.
    Unresolved,
}

impl Stage {
    /// Returns the stage in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preflight => "preflight",
            Self::Migrating => "migrating",
            Self::RollingBack => "rolling back",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Held => "held",
            Self::Unchanged => "nothing changed",
            Self::Unresolved => "A PERSON MUST LOOK NOW",
        }
    }

    /// Returns how good or bad the stage is.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::Promoted => Level::Good,
            Self::RollingBack | Self::RolledBack | Self::Unresolved => Level::Bad,
            Self::Held | Self::Unchanged => Level::Unsure,
            Self::Waiting | Self::Preflight | Self::Migrating => Level::Plain,
        }
    }
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepView {
    /// Green's share in percent.
    pub green: f64,
    /// The state of the step.
    pub state: StepState,
    /// Seconds from the start until its split was read back.
    pub began: Option<f64>,
    /// Seconds from the start until the step passed.
    pub passed: Option<f64>,
    /// Seconds from the start until the rollback ended the step.
    pub left: Option<f64>,
    /// The gates' words when the step passed.
    pub because: Vec<String>,
}

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// The step has not begun.
    Ahead,
    /// The step is under way.
    Current,
    /// The step is over.
    Passed,
}

/// A gate with its present verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateView {
    /// The gate's name.
    pub name: String,
    /// Whether the gate is only advisory.
    pub advisory: bool,
    /// `healthy`, `unhealthy` or `inconclusive`.
    pub status: &'static str,
    /// The verdict in words.
    pub summary: String,
    /// The figures behind the verdict, each as text.
    pub figures: Vec<String>,
    /// The evidence against green, and its border for a rollback.
    pub harm: Option<Border>,
    /// The evidence for green, and its border to pass the step.
    pub proof: Option<Border>,
}

/// Evidence, and the border at which it decides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Border {
    /// The present evidence, as a logarithm of the odds.
    pub value: f64,
    /// The border, in the same unit.
    pub limit: f64,
    /// Seconds until the border is reached, at the rate of the last looks.
    pub expected_in: Option<f64>,
}

impl Border {
    /// Returns the evidence in percent of the border.
    #[must_use]
    pub fn percent(&self) -> f64 {
        (100.0 * self.value / self.limit).clamp(0.0, 100.0)
    }
}

/// How good or bad something is, as its colour shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Neither good nor bad.
    Plain,
    /// Good.
    Good,
    /// Not decided, or to be read with care.
    Unsure,
    /// Bad.
    Bad,
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogLine {
    /// Seconds since the run began.
    pub elapsed: f64,
    /// When the event happened.
    pub at: Timestamp,
    /// How good or bad the event is.
    pub level: Level,
    /// The event in words.
    pub text: String,
}

/// The most events that are kept.
const LOG: usize = 400;
/// The longest time that is foreseen, in seconds: six hours.
const FORESEEN: f64 = 6.0 * 3600.0;
/// The number of looks in a trend of the evidence.
const TREND: usize = 12;

impl View {
    /// Adds an event of the run. Events must come in order.
    pub fn take(&mut self, event: &Event<MigrationEvent>) {
        self.run.get_or_insert_with(|| harmless(event.run.as_str()));
        self.started.get_or_insert(event.at);
        self.now = Some(event.at);
        self.elapsed = event.elapsed.as_secs_f64();
        self.log(event);
        match &event.kind {
            MigrationEvent::Started { intent, plan, .. } => self.start(intent, plan),
            MigrationEvent::Resumed { .. } | MigrationEvent::Reopened { .. } => {
                "resumed".clone_into(&mut self.doing);
            }
            MigrationEvent::PreflightPassed { traffic, .. } => {
                self.stage = Stage::Migrating;
                "waiting for green's capacity".clone_into(&mut self.doing);
                self.seen(Some(traffic), None);
            }
            MigrationEvent::Looked {
                phase,
                traffic,
                gates,
                paused,
                bake_until,
                deadline,
                next_look,
            } => {
                self.looks += 1;
                self.paused = *paused;
                self.bake_until = Some(*bake_until);
                self.deadline = Some(*deadline);
                self.next_look = Some(*next_look);
                self.doing = doing(*phase, *paused);
                self.take_gates(gates);
                let seen = gates.iter().find_map(|g| g.verdict.evidence().traffic);
                self.seen(traffic.as_ref().ok(), seen);
            }
            MigrationEvent::StepPassed { step, overridden } => {
                self.pass(*step, overridden.as_ref().map(ToString::to_string));
            }
            MigrationEvent::Shifting { to, .. } => self.doing = format!("shifting to {to}"),
            MigrationEvent::Shifted { traffic } => {
                self.memory.shifted_at = Some(event.at);
                self.arrive(traffic);
                self.seen(Some(traffic), None);
            }
            MigrationEvent::WriteObserved { traffic, happened } => {
                if *happened {
                    self.memory.shifted_at = Some(event.at);
                    self.arrive(traffic);
                }
                self.seen(Some(traffic), None);
            }
            MigrationEvent::Baking { .. } => "blue is kept warm".clone_into(&mut self.doing),
            MigrationEvent::RollingBack { cause, .. } => {
                self.stage = Stage::RollingBack;
                self.doing = harmless(&cause.to_string());
                self.cause = Some(harmless(&cause.to_string()));
                self.against.clone_from(&self.gates);
                let elapsed = self.elapsed;
                for step in &mut self.steps {
                    if step.state == StepState::Current {
                        step.left = Some(elapsed);
                    }
                }
                self.memory.rolling_back_at = Some(event.at);
                let shifted = self.memory.shifted_at;
                self.to_detect = shifted.map(|shifted| seconds(shifted, event.at));
            }
            MigrationEvent::Restored { traffic } => {
                let decided = self.memory.rolling_back_at;
                self.to_restore = decided.map(|decided| seconds(decided, event.at));
                self.seen(Some(traffic), None);
            }
            MigrationEvent::SwitchArmed { fires, .. } => self.switch_fires = Some(*fires),
            MigrationEvent::SwitchDisarmed => self.switch_fires = None,
            MigrationEvent::SwitchFired { traffic } => {
                self.stage = Stage::RollingBack;
                self.seen(Some(traffic), None);
            }
            MigrationEvent::Drifted { traffic, .. } => self.seen(Some(traffic), None),
            MigrationEvent::Ended { outcome, exit_code } => self.end(outcome, *exit_code),
            MigrationEvent::Unresolved {
                unresolved,
                exit_code,
            } => {
                self.stage = Stage::Unresolved;
                self.outcome = Some(harmless(&unresolved.to_string()));
                self.exit_code = Some(*exit_code);
            }
            _ => {}
        }
    }

    /// Adds a look at a migration that another process runs: there are no events, only the present state.
    pub fn look(
        &mut self,
        at: Timestamp,
        traffic: Option<&TrafficObservation>,
        gates: &[GateStanding],
    ) {
        let started = *self.started.get_or_insert(at);
        self.now = Some(at);
        self.elapsed = seconds(started, at);
        self.looks += 1;
        self.stage = Stage::Migrating;
        "watching a run of another process".clone_into(&mut self.doing);
        self.take_gates(gates);
        let seen = gates.iter().find_map(|g| g.verdict.evidence().traffic);
        self.seen(traffic, seen);
    }

    /// Returns whether the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.exit_code.is_some()
    }

    fn start(&mut self, intent: &Intent, plan: &MigrationPlan) {
        self.stage = match intent {
            Intent::Restore(_) => Stage::RollingBack,
            _ => Stage::Preflight,
        };
        "looking before anything changes".clone_into(&mut self.doing);
        let step = |green: f64| StepView {
            green,
            state: StepState::Ahead,
            began: None,
            passed: None,
            left: None,
            because: Vec::new(),
        };
        let shares = plan.steps().iter();
        self.steps = shares
            .map(|s| step(s.green.as_fraction() * 100.0))
            .collect();
        self.configuration = serde_json::to_string_pretty(plan).ok();
    }

    fn log(&mut self, event: &Event<MigrationEvent>) {
        let level = match &event.kind {
            MigrationEvent::Looked { .. } => return,
            MigrationEvent::SwitchArmed { .. } if self.switch_fires.is_some() => return,
            MigrationEvent::StepPassed { .. }
            | MigrationEvent::Restored { .. }
            | MigrationEvent::Confirmed { .. } => Level::Good,
            MigrationEvent::RollingBack { .. }
            | MigrationEvent::Drifted { .. }
            | MigrationEvent::WritingUnread { .. }
            | MigrationEvent::AllAtOnce { .. }
            | MigrationEvent::SwitchFired { .. }
            | MigrationEvent::Unresolved { .. }
            | MigrationEvent::JournalFailed { .. } => Level::Bad,
            MigrationEvent::Reopened { .. }
            | MigrationEvent::ReadFailed { .. }
            | MigrationEvent::WriteFailed { .. }
            | MigrationEvent::SwitchFailed { .. }
            | MigrationEvent::Awaiting { .. }
            | MigrationEvent::CapacityShort { .. }
            | MigrationEvent::CapacityFailed { .. }
            | MigrationEvent::Returning { .. }
            | MigrationEvent::PauseEnds { .. }
            | MigrationEvent::Controlled { .. } => Level::Unsure,
            MigrationEvent::Ended { exit_code: 0, .. } => Level::Good,
            MigrationEvent::Ended { .. } => Level::Bad,
            _ => Level::Plain,
        };
        if self.log.len() >= LOG {
            self.log.pop_front();
            self.log_dropped += 1;
        }
        self.log.push_back(LogLine {
            elapsed: self.elapsed,
            at: event.at,
            level,
            text: harmless(&event.kind.to_string()),
        });
    }

    fn take_gates(&mut self, gates: &[GateStanding]) {
        let elapsed = self.elapsed;
        self.gates = gates
            .iter()
            .map(|standing| {
                let name = harmless(standing.gate.as_str());
                let evidence = standing.verdict.evidence();
                let figures = figures(evidence);
                let mut harm = border(&figures, |name| name == "harm");
                let mut proof = border(&figures, |name| name.starts_with("proof on "));
                if standing.is_new
                    && let (Some(harm), Some(proof)) = (harm, proof)
                {
                    self.memory
                        .follow(&name, (elapsed, harm.value, proof.value));
                }
                let trend = self.memory.of(&name);
                for (border, of) in [(&mut harm, 0), (&mut proof, 1)] {
                    if let Some(border) = border {
                        border.expected_in = expected(trend, of, border);
                    }
                }
                GateView {
                    name,
                    advisory: standing.policy == GatePolicy::Advisory,
                    status: standing.verdict.status(),
                    summary: words(&standing.verdict),
                    figures: figures
                        .iter()
                        .map(|one| harmless(&one.to_string()))
                        .collect(),
                    harm,
                    proof,
                }
            })
            .collect();
    }

    fn pass(&mut self, step: usize, overridden: Option<String>) {
        let because = match overridden {
            Some(control) => vec![harmless(&format!("overridden: {control}"))],
            None => self
                .gates
                .iter()
                .map(|gate| format!("{}: {}", gate.name, gate.summary))
                .collect(),
        };
        let elapsed = self.elapsed;
        if let Some(step) = self.steps.get_mut(step) {
            step.state = StepState::Passed;
            step.passed = Some(elapsed);
            step.because = because;
        }
    }

    /// Begins the step whose split was read back.
    fn arrive(&mut self, traffic: &TrafficObservation) {
        self.memory.trend.clear();
        if self.stage == Stage::RollingBack {
            // A part of a gradual rollback begins no step.
            return;
        }
        let green = traffic.green_share() * 100.0;
        let elapsed = self.elapsed;
        let reached = self.steps.iter_mut().find(|step| {
            step.state != StepState::Passed && (step.green - green).abs() < 0.05 && green > 0.0
        });
        if let Some(step) = reached {
            step.state = StepState::Current;
            step.left = None;
            step.began = Some(elapsed);
        }
    }

    fn seen(&mut self, traffic: Option<&TrafficObservation>, minute: Option<SeenTraffic>) {
        let before = self.series.newest().copied().unwrap_or_default();
        let mut point = Point {
            at: self.elapsed,
            ..before
        };
        if let Some(traffic) = traffic {
            point.asked = Some(traffic.green_share() * 100.0);
            for (side, targets) in [
                (&mut point.blue, traffic.targets.blue),
                (&mut point.green, traffic.targets.green),
            ] {
                side.healthy = Some(targets.healthy);
                side.registered = Some(targets.registered());
            }
            let is_divided = !traffic.is_all_blue();
            let command = traffic.restore_command.as_deref().filter(|_| is_divided);
            self.restore_command = command.map(harmless);
        }
        if let Some(minute) = minute {
            self.count(&minute);
            let span = seconds(minute.from, minute.to).max(1.0);
            point.seen = minute.green_share().map(|share| share * 100.0);
            for (side, seen) in [
                (&mut point.blue, minute.sides.blue),
                (&mut point.green, minute.sides.green),
            ] {
                *side = SidePoint {
                    rate: Some(count(seen.requests) * 60.0 / span),
                    errors: seen.error_rate.map(|rate| rate * 100.0),
                    latency: seen.mean_latency_ms,
                    p50: seen.percentiles.map(|spread| spread.p50_ms),
                    p90: seen.percentiles.map(|spread| spread.p90_ms),
                    p99: seen.percentiles.map(|spread| spread.p99_ms),
                    ..*side
                };
            }
        }
        let most = |border: fn(&GateView) -> Option<Border>| {
            let borders = self.gates.iter().filter_map(border);
            borders.map(|border| border.percent()).reduce(f64::max)
        };
        point.harm = most(|gate| gate.harm);
        point.proof = most(|gate| gate.proof);
        self.series.push(point);
    }

    /// Counts the requests of a settled minute, each minute once.
    fn count(&mut self, minute: &SeenTraffic) {
        if self
            .memory
            .counted_until
            .is_some_and(|until| minute.from < until)
        {
            return;
        }
        self.memory.counted_until = Some(minute.to);
        let green = minute.sides.green;
        self.green_requests += green.requests;
        self.green_failed += rounded(count(green.requests) * green.error_rate.unwrap_or_default());
    }

    fn end(&mut self, outcome: &MigrationOutcome, exit_code: u8) {
        self.stage = match outcome {
            MigrationOutcome::Promoted { .. } => Stage::Promoted,
            MigrationOutcome::RolledBack { .. } => Stage::RolledBack,
            MigrationOutcome::Held { .. } => Stage::Held,
            MigrationOutcome::Unchanged { .. } => Stage::Unchanged,
        };
        self.outcome = Some(harmless(&outcome.to_string()));
        self.exit_code = Some(exit_code);
        self.next_look = None;
        "over".clone_into(&mut self.doing);
    }
}

impl Memory {
    fn follow(&mut self, gate: &str, point: (f64, f64, f64)) {
        if !self.trend.iter().any(|(name, _)| name == gate) {
            self.trend.push((gate.to_owned(), VecDeque::new()));
        }
        if let Some((_, trend)) = self.trend.iter_mut().find(|(name, _)| name == gate) {
            if trend.len() >= TREND {
                trend.pop_front();
            }
            trend.push_back(point);
        }
    }

    fn of(&self, gate: &str) -> Option<&Trend> {
        let found = self.trend.iter().find(|(name, _)| name == gate);
        found.map(|(_, trend)| trend)
    }
}

/// Returns the seconds until the border is reached, at the rate of the last looks.
fn expected(trend: Option<&Trend>, of: usize, border: &Border) -> Option<f64> {
    let trend = trend?;
    let value = |point: &(f64, f64, f64)| if of == 0 { point.1 } else { point.2 };
    let (first, last) = (trend.front()?, trend.back()?);
    let time = last.0 - first.0;
    let slope = (value(last) - value(first)) / time;
    let left = border.limit - border.value;
    let expected = (time > 0.0 && slope > 0.0 && left > 0.0).then(|| left / slope);
    expected.filter(|seconds| *seconds < FORESEEN)
}

/// Returns all figures of a verdict and of its parts.
fn figures(evidence: &Evidence) -> Vec<Figure> {
    let mut all = evidence.figures.clone();
    for part in &evidence.parts {
        all.extend(figures(part.verdict.evidence()));
    }
    all
}

/// Returns the border of this name that is farthest away.
fn border(figures: &[Figure], is_it: impl Fn(&str) -> bool) -> Option<Border> {
    let of_it = figures
        .iter()
        .filter(|figure| figure.unit == Unit::LogEvidence && is_it(&figure.name));
    let borders = of_it.filter_map(|figure| {
        Some(Border {
            value: figure.value,
            limit: figure.limit?,
            expected_in: None,
        })
    });
    borders.min_by(|a, b| a.percent().total_cmp(&b.percent()))
}

fn words(verdict: &Verdict) -> String {
    harmless(&verdict.evidence().summary)
}

/// Returns the text with every character visible that a terminal would act on.
fn harmless(text: &str) -> String {
    visible(text).into_owned()
}

fn doing(phase: Phase, paused: bool) -> String {
    let what = match phase {
        Phase::Confirm => "waiting for a settled minute without requests on green".to_owned(),
        Phase::Preflight => "waiting for green's capacity".to_owned(),
        phase => format!("watching {phase}"),
    };
    if paused {
        return format!("{what}, paused");
    }
    what
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    let span = Duration::try_from(to.duration_since(from)).unwrap_or_default();
    span.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests, for charts")]
fn count(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is not negative"
)]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// Returns a time or a span of time: `12m05s`, or `1h02m05s`.
#[must_use]
pub fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that is not negative"
    )]
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}h{minutes:02}m{seconds:02}s")
    } else {
        format!("{minutes}m{seconds:02}s")
    }
}
