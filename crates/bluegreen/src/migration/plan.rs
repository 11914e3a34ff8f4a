//! [`MigrationPlan`]: everything that is decided before a migration starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::difference::differences;
use crate::{
    clock::span,
    engine::OnCancel,
    health::session::GateId,
    preflight::Acceptance,
    problem::{PlanError, Problem},
    traffic::Percent,
};

/// What a gate's verdict does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatePolicy {
    /// Green's share rises only while the gate is healthy, and an unhealthy verdict rolls back.
    #[default]
    Required,
    /// As [`Required`](Self::Required), and the first step waits for the gate, too: for a gate that gives
    /// leave to each step, such as a [hook](super::Hook).
    BeforeEachStep,
    /// The gate's verdicts are shown and kept in the journal, and decide nothing: for trying a gate out.
    Advisory,
}

impl GatePolicy {
    /// Returns whether the gate's verdicts decide.
    pub(crate) fn is_required(self) -> bool {
        self != Self::Advisory
    }
}

/// What happens when a deadline comes and the gates are not healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "spec", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnInconclusive {
    /// Put everything back on blue: the default, since a green that cannot be judged should not serve.
    #[default]
    RollBack,
    /// Leave the split as it is and end, so that a person decides.
    Hold,
}

/// What happens when a run with divided traffic continues after its process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "spec", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnResume {
    /// Continue from the point that the run had reached: the default, since the journal holds all
    /// evidence, and the time without a controller is judged from the metrics.
    #[default]
    GoOn,
    /// Put everything back on blue, for operators who do not want a migration to continue after a time
    /// without a controller.
    RollBack,
}

/// One step of a migration: a share for green and how long it is watched at that share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// Green's share.
    pub green: Percent,
    /// How long green is watched at this share at least, warm-up included; `None` means the plan's bake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub bake: Option<Duration>,
    /// How long after the shift the gates must be healthy at the latest; `None` means the plan's step
    /// deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub deadline: Option<Duration>,
    /// Whether the run stays at this share until an operator promotes it. Green is judged meanwhile, and the
    /// step's deadline is the time-out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
}

impl Step {
    /// Creates a step to `green` with the plan's bake and deadline.
    #[must_use]
    pub const fn to(green: Percent) -> Self {
        Self {
            green,
            bake: None,
            deadline: None,
            manual: false,
        }
    }

    /// Gives this step a bake of its own.
    #[must_use]
    pub fn with_bake(mut self, bake: Duration) -> Self {
        self.bake = Some(bake);
        self
    }

    /// Stays at this share until an operator promotes the run.
    #[must_use]
    pub fn until_promoted(mut self) -> Self {
        self.manual = true;
        self
    }

    /// Gives this step a deadline of its own.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// Everything that is decided before a migration starts. A value for files and journals.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::{MigrationPlan, Percent, migration::Step};
///
/// let plan = MigrationPlan::builder()
///     .step(Step::to("0.5".parse()?).with_bake(Duration::from_secs(300)))
///     .step(Step::to("10".parse()?))
///     .step(Step::to(Percent::HUNDRED))
///     .capacity_ratio(4.0)
///     .build()?;
/// println!("{}", plan.preview());
///
/// // Every problem is reported at once.
/// let error = MigrationPlan::builder()
///     .steps(["50".parse()?, "10".parse()?])
///     .look_interval(Duration::ZERO)
///     .build()
///     .unwrap_err();
/// assert_eq!(error.problems().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MigrationPlanBuilder", into = "MigrationPlanBuilder")]
#[must_use]
pub struct MigrationPlan {
    fields: MigrationPlanBuilder,
}

/// Collects a [`MigrationPlan`]; see its methods for each setting and its default.
///
/// This is also the plan's form in files: every field may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
#[must_use]
pub struct MigrationPlanBuilder {
    steps: Vec<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_back: Option<Percent>,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    bake: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    step_deadline: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[serde(alias = "look_every")]
    look_interval: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    warm_up: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    final_bake: Duration,
    /// `null` in a journal of an earlier version, which had no default deadline: the deadline is then the
    /// sum of the steps' deadlines and the final bake.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    deadline: Option<Duration>,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    restore_within: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    gradual_restore: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    grace: Option<Duration>,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    confirm_within: Duration,
    /// Why no metric of this run can confirm a restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    look_limit: Option<Duration>,
    blind_restore: bool,
    write_attempts: u32,
    on_inconclusive: OnInconclusive,
    on_cancel: OnCancel,
    on_resume: OnResume,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    dead_man: Option<Duration>,
    #[serde(alias = "green_target_worth")]
    capacity_ratio: f64,
    accept: BTreeSet<Acceptance>,
    gates: BTreeMap<GateId, GatePolicy>,
}

impl Default for MigrationPlanBuilder {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            hold_back: None,
            bake: Duration::from_secs(10 * 60),
            step_deadline: Duration::from_secs(30 * 60),
            look_interval: Duration::from_secs(15),
            warm_up: Duration::from_secs(60),
            final_bake: Duration::ZERO,
            deadline: Some(USUAL_DEADLINE),
            restore_within: Duration::from_secs(10 * 60),
            gradual_restore: None,
            grace: None,
            confirm_within: Duration::from_secs(5 * 60),
            unconfirmable: None,
            look_limit: None,
            blind_restore: true,
            write_attempts: 3,
            on_inconclusive: OnInconclusive::default(),
            on_cancel: OnCancel::default(),
            on_resume: OnResume::default(),
            dead_man: None,
            capacity_ratio: 1.0,
            accept: BTreeSet::new(),
            gates: BTreeMap::new(),
        }
    }
}

impl MigrationPlanBuilder {
    /// Sets the shares of green, ascending, the last at 100 %. Default: 10, 50, 100.
    pub fn steps(mut self, shares: impl IntoIterator<Item = Percent>) -> Self {
        self.steps = shares.into_iter().map(Step::to).collect();
        self
    }

    /// Adds one step. Once a step is added, the default steps are not used.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Keeps this share on blue for one step more before the last, as a live control: 10, 50, 100 with a
    /// tenth held back is 10, 50, 90, 100. For gates that compare green with blue in the same minutes;
    /// nothing is added if a step keeps this share already. Default: none.
    pub fn hold_back(mut self, share: Percent) -> Self {
        self.hold_back = Some(share);
        self
    }

    /// Sets the minimum bake of a step that has none of its own, warm-up included. Default: 10 minutes,
    /// so that a gate whose metrics come by the minute sees six settled minutes or more after the
    /// warm-up.
    pub fn bake(mut self, bake: Duration) -> Self {
        self.bake = bake;
        self
    }

    /// Sets the deadline of a step that has none of its own. Default: 30 minutes, three times the bake.
    pub fn step_deadline(mut self, deadline: Duration) -> Self {
        self.step_deadline = deadline;
        self
    }

    /// Sets the interval between two looks at everything, at least a second. Default: 15 seconds, so that
    /// a dead target is seen at the first look after the balancer marks it.
    pub fn look_interval(mut self, every: Duration) -> Self {
        self.look_interval = every;
        self
    }

    /// Sets how long one look may take: then the look ends with the gates that have answered, and a late
    /// answer counts at the next look. The same limit holds for a read of the split. Between 100
    /// milliseconds and the look interval. Default: 10 seconds, one try of a call to AWS, or two thirds
    /// of a shorter look interval.
    pub fn look_limit(mut self, limit: Duration) -> Self {
        self.look_limit = Some(limit);
        self
    }

    /// Sets how long after each shift green's figures do not count for its health, since its caches and
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Sets how long blue is kept warm, and green watched, after the last step has passed. Default: none,
    /// since the last step bakes at 100 % itself.
    pub fn final_bake(mut self, bake: Duration) -> Self {
        self.final_bake = bake;
        self
    }

    /// Sets the deadline of the whole migration, pauses included: a migration that has not passed then
    /// ends as [`on_inconclusive`](Self::on_inconclusive) says, even if a step's own deadline is later.
    /// All bakes must fit in. Default: 2 hours, since the things that a migration needs end by
    /// themselves: the temporary credentials of a job (one hour to twelve), the job, and the attention of
    /// a person. The sum of the steps' deadlines may be longer; with the usual deadlines of the
    /// sequential test it is over 4 hours. A longer deadline must be set on purpose: [the
    /// credentials](crate::migration::Migration::credentials_end) must last as long.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how long the run tries to restore blue before it calls for a person. Default: 10 minutes.
    pub fn restore_within(mut self, within: Duration) -> Self {
        self.restore_within = within;
        self
    }

    /// Sets how long going back to blue may take if blue has shrunk and green is healthy. Default: 15
    /// minutes, in which the scaling of a service adds targets twice. Zero: everything goes at once,
    /// always.
    ///
    /// Blue has shrunk if each of its healthy targets would get more than one and a half times the share
    /// that it had at the start. Then an abort, a deadline and the end of a pause move traffic a part at
    /// a time, each part as large as blue's targets can serve within that limit; a cancellation does so
    /// if the [grace](Self::grace) is known. The rest goes at once as soon as a gate is not healthy any
    /// more, the split cannot be read, or the journal fails; when the operator asks again; and two
    /// minutes before a dead-man switch fires. A verdict that green is unhealthy, and an operator's
    /// rollback, never wait for blue.
    pub fn gradual_restore(mut self, within: Duration) -> Self {
        self.gradual_restore = Some(within);
        self
    }

    /// Says how long after a cancellation the process is killed, if the time is known: a container has
    /// the stop timeout of its task. Half of it may go into a [gradual restore](Self::gradual_restore).
    /// Default: unknown, so that a cancellation puts everything back at once. The grace holds for the
    /// process that began the run; a resumed run need not have the same.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Sets how long after a restore to wait for a settled minute without a request on green. Default: 5
    /// minutes, since a minute's figures settle two to three minutes after its end. With zero the run
    /// does not wait, and the outcome says that nothing was confirmed. A cancelled run does not wait
    /// either, since the grace of a signal is shorter, nor does a run without a gate that counts the
    /// requests of each side, since nothing could confirm the restore.
    pub fn confirm_within(mut self, within: Duration) -> Self {
        self.confirm_within = within;
        self
    }

    /// Says why no metric of this run can confirm a restore: then none is waited for, and the outcome says why.
    #[cfg(feature = "spec")]
    pub(crate) fn unconfirmable(mut self, why: impl Into<String>) -> Self {
        self.unconfirmable = Some(why.into());
        self
    }

    /// Sets whether blue is restored without a read after reads of the rule have failed for 20 seconds:
    /// the write uses the routing that this process last read or wrote, if that was at most two looks old
    /// when reads began to fail. Changes that a third party made since then are lost. Default: yes, since
    /// an unhealthy green must not stay because the rule cannot be read. If not allowed, the run ends
    /// with code 20 and the command.
    pub fn blind_restore(mut self, allowed: bool) -> Self {
        self.blind_restore = allowed;
        self
    }

    /// Sets the most times that one rise is written before the migration rolls back. Default: 3.
    pub fn write_attempts(mut self, attempts: u32) -> Self {
        self.write_attempts = attempts;
        self
    }

    /// Sets what happens at a deadline without healthy gates. Default: roll back.
    pub fn on_inconclusive(mut self, policy: OnInconclusive) -> Self {
        self.on_inconclusive = policy;
        self
    }

    /// Sets what happens when the run is cancelled. Default: roll back.
    pub fn on_cancel(mut self, policy: OnCancel) -> Self {
        self.on_cancel = policy;
        self
    }

    /// Sets what happens when the run is resumed while traffic is divided. Default: continue.
    pub fn on_resume(mut self, policy: OnResume) -> Self {
        self.on_resume = policy;
        self
    }

    /// Keeps a [dead-man switch](crate::traffic::DeadManSwitch) while traffic is divided. It puts
    /// everything back on blue when this time has passed since its last renewal. It is renewed at the
    /// looks, so the death of a controller has an effect after this time at the latest. At least 5
    /// minutes, since a controller that only stutters must not be taken for dead, and at least three
    /// looks. Default: none; the docs of the switch say what it does not guarantee.
    pub fn dead_man(mut self, after: Duration) -> Self {
        self.dead_man = Some(after);
        self
    }

    /// Sets how many of blue's targets one green target can replace. Default: 1. With 4, one green target
    /// may take the traffic of four blue targets.
    pub fn capacity_ratio(mut self, worth: f64) -> Self {
        self.capacity_ratio = worth;
        self
    }

    /// Accepts a risk that the preflight would refuse.
    pub fn accept(mut self, acceptance: Acceptance) -> Self {
        self.accept.insert(acceptance);
        self
    }

    /// Names a gate that must be supplied to the run, and sets its policy. A gate that is supplied and
    /// not named here is required.
    pub fn gate(mut self, gate: impl Into<GateId>, policy: GatePolicy) -> Self {
        self.gates.insert(gate.into(), policy);
        self
    }

    /// Checks everything and returns the plan.
    ///
    /// # Errors
    ///
    /// [`PlanError`] with every problem at once.
    pub fn build(mut self) -> Result<MigrationPlan, PlanError> {
        if self.steps.is_empty() {
            self.steps = GUIDE.to_vec();
        }
        self.insert_held_back();
        let problems = self.problems();
        if problems.is_empty() {
            Ok(MigrationPlan { fields: self })
        } else {
            Err(PlanError::new(problems))
        }
    }

    /// Adds the step that keeps a share on blue, unless a step does so already.
    fn insert_held_back(&mut self) {
        let Some(share) = self.hold_back.filter(|share| *share > Percent::ZERO) else {
            return;
        };
        let green = share.complement();
        if let Some((last, before)) = self.steps.split_last()
            && last.green == Percent::HUNDRED
            && green > Percent::ZERO
            && before.last().is_none_or(|step| step.green < green)
        {
            let held = Step {
                green,
                manual: false,
                ..*last
            };
            self.steps.insert(self.steps.len() - 1, held);
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut found = |field: &str, message: String, hint: &str| {
            problems.push(Problem::new(field, message, hint));
        };
        for pair in self.steps.windows(2) {
            if pair[0].green >= pair[1].green {
                found(
                    "steps",
                    format!("{} is followed by {}", pair[0].green, pair[1].green),
                    "give ascending shares such as `10,50,100`",
                );
            }
        }
        if let Some(step) = self.steps.first()
            && step.green == Percent::ZERO
        {
            found("steps", "the first share is 0%".into(), "start above 0%");
        }
        if let Some(step) = self.steps.last()
            && step.green != Percent::HUNDRED
        {
            found(
                "steps",
                format!("the last share is {}, not 100%", step.green),
                "end with `100`; to stop on the way, hold the run there",
            );
        }
        for (index, step) in self.steps.iter().enumerate() {
            let name = format!("steps[{index}]");
            let bake = step.bake.unwrap_or(self.bake);
            let deadline = step.deadline.unwrap_or(self.step_deadline);
            if bake < self.warm_up || bake < self.look_interval {
                found(
                    &name,
                    format!(
                        "its bake of {} is shorter than the warm-up of {} or the look interval of {}",
                        span(bake),
                        span(self.warm_up),
                        span(self.look_interval)
                    ),
                    "give a longer bake, so that green is judged warm",
                );
            }
            if deadline <= bake {
                found(
                    &name,
                    format!(
                        "its deadline of {} does not come after its bake of {}",
                        span(deadline),
                        span(bake)
                    ),
                    "leave the gates time after the bake, at least as long as metrics take to settle",
                );
            }
            if deadline > LONGEST {
                found(
                    &name,
                    format!("its deadline of {} is too long", span(deadline)),
                    "at most 30 days",
                );
            }
        }
        if self.look_interval < SHORTEST_LOOK || self.look_interval > LONGEST_LOOK {
            found(
                "look_interval",
                format!("{} is not between 1s and 10m", span(self.look_interval)),
                "15s shows a dead target soon and makes few calls to AWS",
            );
        }
        let bakes = self.steps.iter().map(|step| step.bake.unwrap_or(self.bake));
        let least = bakes.fold(self.final_bake, Duration::saturating_add);
        if let Some(deadline) = self.deadline
            && deadline <= least
        {
            found(
                "deadline",
                format!(
                    "{} is not longer than all bakes together, which take {}",
                    span(deadline),
                    span(least)
                ),
                "give a longer deadline; the credentials must last as long",
            );
        }
        for (name, value) in [
            ("deadline", self.deadline.unwrap_or_default()),
            ("final_bake", self.final_bake),
            ("restore_within", self.restore_within),
            ("confirm_within", self.confirm_within),
            ("gradual_restore", self.gradual_restore.unwrap_or_default()),
            ("grace", self.grace.unwrap_or_default()),
        ] {
            if value > LONGEST {
                found(
                    name,
                    format!("{} is too long", span(value)),
                    "at most 30 days",
                );
            }
        }
        if self.restore_within < Duration::from_secs(60) {
            found(
                "restore_within",
                format!("{} is shorter than a minute", span(self.restore_within)),
                "a throttled load balancer API may need minutes",
            );
        }
        if let Some(after) = self.dead_man {
            let least = SHORTEST_DEAD_MAN.max(self.look_interval.saturating_mul(3));
            if after < least || after > LONGEST_DEAD_MAN {
                found(
                    "dead_man",
                    format!("{} is not between {} and 1h", span(after), span(least)),
                    "10m survives a slow controller, and still ends a long outage",
                );
            }
        }
        if let Some(limit) = self.look_limit
            && (limit < Duration::from_millis(100) || limit > self.look_interval)
        {
            found(
                "look_limit",
                format!("{} is not between 100ms and the look interval", span(limit)),
                "leave `look_limit` out: it then follows the look interval",
            );
        }
        if self.write_attempts == 0 {
            found(
                "write_attempts",
                "with 0 attempts nothing is ever written".into(),
                "give at least 1",
            );
        }
        if !(self.capacity_ratio.is_finite() && self.capacity_ratio > 0.0) {
            found(
                "capacity_ratio",
                format!("{} is not a positive number", self.capacity_ratio),
                "1 means that a green target serves as much as a blue target",
            );
        }
        for gate in self.gates.keys() {
            if gate.as_str().trim().is_empty() {
                found(
                    "gates",
                    "a gate has no name".into(),
                    "name it, such as `errors`",
                );
            }
        }
        problems
    }
}

/// The guide's steps.
const GUIDE: [Step; 3] = [
    Step::to(Percent::TEN),
    Step::to(Percent::FIFTY),
    Step::to(Percent::HUNDRED),
];
/// See [`MigrationPlanBuilder::gradual_restore`].
const USUAL_GRADUAL: Duration = Duration::from_secs(15 * 60);
const USUAL_DEADLINE: Duration = Duration::from_secs(2 * 3600);
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
/// A controller that is silent for a shorter time may still be alive.
const SHORTEST_DEAD_MAN: Duration = Duration::from_secs(5 * 60);
const LONGEST_DEAD_MAN: Duration = Duration::from_secs(3600);
const LONGEST_LOOK: Duration = Duration::from_secs(600);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl MigrationPlan {
    /// Returns a builder with the defaults, which are the guide's: 10, 50, 100 percent, ten minutes each.
    pub fn builder() -> MigrationPlanBuilder {
        MigrationPlanBuilder::default()
    }

    /// Returns a builder for unit tests: the guide's steps, a look each second, a bake of one second, a
    /// deadline of 10 seconds for a step, no warm-up, and no wait after a restore. A step takes 4 seconds
    /// then, since a rise needs two reads that are 3 seconds apart. So a mock sees few calls, and always
    /// the same; with a [`TestClock`](crate::mock::TestClock) it takes no time at all. The plan is
    /// checked as every other plan is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::MigrationPlan;
    ///
    /// let plan = MigrationPlan::for_tests().build()?;
    /// assert_eq!(plan.steps().len(), 3);
    /// assert!(plan.warm_up().is_zero());
    /// # Ok::<(), bluegreen::problem::PlanError>(())
    /// ```
    pub fn for_tests() -> MigrationPlanBuilder {
        Self::builder()
            .bake(SHORTEST_LOOK)
            .step_deadline(SHORTEST_LOOK * 10)
            .look_interval(SHORTEST_LOOK)
            .warm_up(Duration::ZERO)
            .confirm_within(Duration::ZERO)
    }

    /// [`for_tests`](Self::for_tests), built: it has no problem.
    #[cfg(feature = "mock")]
    pub(crate) fn quick() -> Self {
        let mut fields = Self::for_tests();
        fields.steps = GUIDE.to_vec();
        Self { fields }
    }

    /// Returns a builder with the settings of this plan.
    pub fn to_builder(&self) -> MigrationPlanBuilder {
        self.fields.clone()
    }

    /// Returns the steps, ascending, the last at 100 %.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.fields.steps
    }

    /// Returns the minimum bake of a step.
    #[must_use]
    pub fn bake_of(&self, step: &Step) -> Duration {
        step.bake.unwrap_or(self.fields.bake)
    }

    /// Returns the deadline of a step, from its shift on.
    #[must_use]
    pub fn deadline_of(&self, step: &Step) -> Duration {
        step.deadline.unwrap_or(self.fields.step_deadline)
    }

    /// Returns the interval between two looks.
    #[must_use]
    pub fn look_interval(&self) -> Duration {
        self.fields.look_interval
    }

    /// Returns how long after each shift green's figures do not count.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        self.fields.warm_up
    }

    /// Returns how long blue is kept warm after the last step has passed.
    #[must_use]
    pub(crate) fn final_bake(&self) -> Duration {
        self.fields.final_bake
    }

    /// Returns the deadline of the whole migration, pauses included.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.fields.deadline.unwrap_or_else(|| {
            let steps: Duration = self.steps().iter().map(|step| self.deadline_of(step)).sum();
            steps + self.fields.final_bake
        })
    }

    /// Returns how long the run tries to restore blue.
    #[must_use]
    pub(crate) fn restore_within(&self) -> Duration {
        self.fields.restore_within
    }

    /// Returns how long going back to a blue that has shrunk may take.
    #[must_use]
    pub(crate) fn gradual_restore(&self) -> Duration {
        self.fields.gradual_restore.unwrap_or(USUAL_GRADUAL)
    }

    /// Returns how long after a cancellation the process is killed, if that time is known.
    #[must_use]
    pub fn grace(&self) -> Option<Duration> {
        self.fields.grace
    }

    /// Forgets the grace, which was that of another process.
    pub(crate) fn forget_grace(&mut self) {
        self.fields.grace = None;
    }

    /// Returns how long to wait for the confirmation of a restore.
    #[must_use]
    pub(crate) fn confirm_within(&self) -> Duration {
        self.fields.confirm_within
    }

    /// Returns why no metric of this run can confirm a restore, if none can.
    #[must_use]
    pub(crate) fn unconfirmable(&self) -> Option<&str> {
        self.fields.unconfirmable.as_deref()
    }

    /// Returns how long one look may take.
    #[must_use]
    pub(crate) fn look_limit(&self) -> Duration {
        let usual = Duration::from_secs(10).min(self.look_interval() * 2 / 3);
        self.fields.look_limit.unwrap_or(usual)
    }

    /// Returns whether blue may be restored without a read.
    #[must_use]
    pub(crate) fn blind_restore(&self) -> bool {
        self.fields.blind_restore
    }

    /// Returns the most times that one rise is written.
    #[must_use]
    pub(crate) fn write_attempts(&self) -> u32 {
        self.fields.write_attempts
    }

    /// Returns what happens at a deadline without healthy gates.
    #[must_use]
    pub fn on_inconclusive(&self) -> OnInconclusive {
        self.fields.on_inconclusive
    }

    /// Returns what happens when the run is cancelled.
    #[must_use]
    pub(crate) fn on_cancel(&self) -> OnCancel {
        self.fields.on_cancel
    }

    /// Returns the differences from another plan, a line for each field. A run that began before plans
    /// had a default deadline has none in its journal; the default does not count as a difference then.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let mut now = now.clone();
        if self.fields.deadline.is_none() && now.fields.deadline == Some(USUAL_DEADLINE) {
            now.fields.deadline = None;
        }
        now.fields.grace = self.fields.grace;
        let json = |plan: &Self| serde_json::to_value(plan).unwrap_or_default();
        differences(&json(self), &json(&now))
    }

    /// Returns the differences from another plan in two parts: those that were stated, and those in fields of
    /// `left_out`, whose values a program derives.
    #[cfg(feature = "run")]
    pub(crate) fn compared(
        &self,
        now: &Self,
        left_out: &BTreeSet<&'static str>,
    ) -> (Vec<String>, Vec<String>) {
        let is_stated = |line: &String| {
            let field = line.split(':').next().unwrap_or_default();
            !left_out.contains(field)
        };
        self.differences(now).into_iter().partition(is_stated)
    }

    /// Returns what happens when the run is resumed while traffic is divided.
    #[must_use]
    pub(crate) fn on_resume(&self) -> OnResume {
        self.fields.on_resume
    }

    /// Returns how long after its last renewal the dead-man switch fires; `None` if there is no switch.
    #[must_use]
    pub fn dead_man(&self) -> Option<Duration> {
        self.fields.dead_man
    }

    /// Returns how many of blue's targets one green target can replace.
    #[must_use]
    pub(crate) fn capacity_ratio(&self) -> f64 {
        self.fields.capacity_ratio
    }

    /// Returns the risks that the plan accepts.
    #[must_use]
    pub fn accepted(&self) -> &BTreeSet<Acceptance> {
        &self.fields.accept
    }

    /// Returns whether the plan accepts this risk.
    #[must_use]
    pub fn accepts(&self, acceptance: Acceptance) -> bool {
        self.fields.accept.contains(&acceptance)
    }

    /// Returns the gates that must be supplied, with their policies.
    #[must_use]
    pub(crate) fn gates(&self) -> &BTreeMap<GateId, GatePolicy> {
        &self.fields.gates
    }

    /// Returns what a gate's verdict does.
    pub(crate) fn policy(&self, gate: &GateId) -> GatePolicy {
        self.fields.gates.get(gate).copied().unwrap_or_default()
    }

    /// Sets the policy of a gate.
    #[cfg(feature = "run")]
    pub(crate) fn with_gate(mut self, gate: GateId, policy: GatePolicy) -> Self {
        self.fields.gates.insert(gate, policy);
        self
    }

    /// Returns how many healthy targets green needs for `share`, if `blue` targets served everything at
    /// the start: the targets of blue that the share needs, divided by the capacity ratio; at least one.
    #[must_use]
    pub fn green_targets_for(&self, share: Percent, blue: u32) -> u32 {
        let needed = f64::from(blue) * share.as_fraction() / self.capacity_ratio();
        // A hair below a whole number is that number: 0.1 has no exact fraction.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a target count times a fraction fits, and saturates where it does not"
        )]
        let whole = (needed - 1e-9).ceil().max(1.0) as u32;
        whole
    }
}

impl TryFrom<MigrationPlanBuilder> for MigrationPlan {
    type Error = PlanError;

    fn try_from(builder: MigrationPlanBuilder) -> Result<Self, Self::Error> {
        builder.build()
    }
}

impl From<MigrationPlan> for MigrationPlanBuilder {
    fn from(plan: MigrationPlan) -> Self {
        plan.fields
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percent(text: &str) -> Percent {
        text.parse().expect("a percent")
    }

    #[test]
    fn the_default_plan_is_the_guides() {
        let plan = MigrationPlan::builder().build().expect("valid");
        let shares: Vec<String> = plan.steps().iter().map(|s| s.green.to_string()).collect();
        assert_eq!(shares, ["10%", "50%", "100%"]);
        assert_eq!(plan.deadline(), Duration::from_secs(2 * 3600));
        assert_eq!(plan.gradual_restore(), Duration::from_secs(15 * 60));
    }

    /// Journals from before there was a default hold `null`, and are judged as they were.
    #[test]
    fn a_deadline_that_is_null_is_the_sum_of_the_steps() {
        let plan = MigrationPlan::builder().build().expect("valid");
        let mut json = serde_json::to_value(&plan).expect("JSON");
        assert_eq!(json["deadline"], "2h");
        json["deadline"] = serde_json::Value::Null;
        let old: MigrationPlan = serde_json::from_value(json.clone()).expect("a plan");
        assert_eq!(old.deadline(), Duration::from_secs(90 * 60));
        assert_eq!(serde_json::to_value(&old).expect("JSON"), json);
        let usual = MigrationPlan::builder().build().expect("valid");
        assert_eq!(old.differences(&usual), Vec::<String>::new());
        let hours = Duration::from_secs(3 * 3600);
        let other = MigrationPlan::builder().deadline(hours).build();
        assert_eq!(old.differences(&other.expect("valid")).len(), 1);
    }

    #[test]
    fn longer_bakes_than_the_usual_deadline_must_be_meant() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let builder = || {
            let builder = MigrationPlan::builder().bake(hours(1));
            builder.step_deadline(hours(2))
        };
        let error = builder().build().expect_err("3 hours do not fit in");
        assert_eq!(error.problems()[0].field, "deadline");
        assert!(builder().deadline(hours(4)).build().is_ok());
    }

    #[test]
    fn reports_every_problem_at_once() {
        let error = MigrationPlan::builder()
            .steps([Percent::ZERO, percent("50"), percent("50")])
            .bake(Duration::from_secs(5))
            .step_deadline(Duration::from_secs(5))
            .look_interval(Duration::ZERO)
            .restore_within(Duration::ZERO)
            .write_attempts(0)
            .capacity_ratio(f64::NAN)
            .deadline(Duration::from_secs(1))
            .gate(" ", GatePolicy::Required)
            .build()
            .expect_err("nothing in it is right");
        let fields: BTreeSet<&str> = error.problems().iter().map(|p| p.field.as_str()).collect();
        let expected = [
            "deadline",
            "gates",
            "capacity_ratio",
            "look_interval",
            "restore_within",
            "steps",
            "steps[0]",
            "steps[1]",
            "steps[2]",
            "write_attempts",
        ];
        assert_eq!(fields, BTreeSet::from(expected));
        assert!(error.problems().iter().all(|p| !p.hint.is_empty()));
    }

    #[test]
    fn a_share_is_held_back_once() {
        let shares = |steps: &[&str], hold: &str| -> Vec<String> {
            let steps = steps.iter().map(|step| percent(step));
            let builder = MigrationPlan::builder()
                .steps(steps)
                .hold_back(percent(hold));
            let plan = builder.build().expect("valid");
            let again = plan.to_builder().build().expect("valid");
            assert_eq!(again, plan, "not twice");
            plan.steps()
                .iter()
                .map(|step| step.green.to_string())
                .collect()
        };
        assert_eq!(
            shares(&["10", "50", "100"], "10"),
            ["10%", "50%", "90%", "100%"]
        );
        assert_eq!(shares(&["10", "95", "100"], "10"), ["10%", "95%", "100%"]);
        assert_eq!(shares(&["10", "90", "100"], "10"), ["10%", "90%", "100%"]);
        assert_eq!(shares(&["100"], "10"), ["90%", "100%"]);
        assert_eq!(shares(&["10", "100"], "0"), ["10%", "100%"]);
    }

    #[test]
    fn survives_json_and_is_checked_on_the_way_in() {
        let plan = MigrationPlan::builder()
            .steps([percent("0.1"), Percent::HUNDRED])
            .gate("errors", GatePolicy::Advisory)
            .accept(Acceptance::SharedTargets)
            .build()
            .expect("valid");
        let json = serde_json::to_string(&plan).expect("plain data");
        assert_eq!(
            serde_json::from_str::<MigrationPlan>(&json).expect("the same"),
            plan
        );
        let error = serde_json::from_str::<MigrationPlan>(r#"{"write_attempts": 0}"#);
        assert!(
            error
                .expect_err("invalid")
                .to_string()
                .contains("write_attempts")
        );
        assert!(serde_json::from_str::<MigrationPlan>(r#"{"setps": []}"#).is_err());
    }

    #[test]
    fn p02_one_task_cannot_take_what_four_served() {
        let plan = MigrationPlan::builder().build().expect("valid");
        assert_eq!(plan.green_targets_for(percent("10"), 4), 1);
        assert_eq!(plan.green_targets_for(percent("50"), 4), 2);
        assert_eq!(plan.green_targets_for(Percent::HUNDRED, 4), 4);
        let plan = MigrationPlan::builder()
            .capacity_ratio(4.0)
            .build()
            .expect("valid");
        assert_eq!(plan.green_targets_for(Percent::HUNDRED, 4), 1);
    }

    proptest! {
        #[test]
        fn p02_green_targets_cover_the_share(tenths in 1_u16..=1000, blue in 1_u32..500, worth in 0.1_f64..8.0) {
            let plan = MigrationPlan::builder().capacity_ratio(worth).build().expect("valid");
            let share = Percent::from_tenths(tenths).expect("in range");
            let needed = plan.green_targets_for(share, blue);
            let load = f64::from(blue) * share.as_fraction();
            prop_assert!(f64::from(needed) * worth >= load - 1e-6);
            prop_assert!(needed == 1 || f64::from(needed - 1) * worth < load + 1e-6);
        }
    }
}
