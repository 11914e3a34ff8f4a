//! [`NativePlan`]: everything that is decided before a judge starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    clock::span,
    engine::OnCancel,
    health::session::GateId,
    migration::{GatePolicy, OnInconclusive},
    preflight::Acceptance,
    problem::{PlanError, Problem},
};

/// When a judge answers a pause, how long it waits, and what it does then. A plain value: it goes into the
/// journal, so that the machine can replay every decision.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::native::NativePlan;
///
/// let plan = NativePlan::builder().bake(Duration::from_secs(600)).build()?;
/// assert_eq!(plan.bake(), Duration::from_secs(600));
///
/// let error = NativePlan::builder().look_interval(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.problems()[0].field, "look_interval");
/// # Ok::<(), bluegreen::problem::PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NativePlanBuilder", into = "NativePlanBuilder")]
#[must_use]
pub struct NativePlan {
    fields: NativePlanBuilder,
}

/// Builds a [`NativePlan`]; see its methods for each setting and its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct NativePlanBuilder {
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    look_interval: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    bake: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    warm_up: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    answer_within: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    margin: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    deadline: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    rollback_within: Duration,
    on_inconclusive: OnInconclusive,
    on_cancel: OnCancel,
    accept: BTreeSet<Acceptance>,
    gates: BTreeMap<GateId, GatePolicy>,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Default for NativePlanBuilder {
    fn default() -> Self {
        Self {
            look_interval: Duration::from_secs(15),
            bake: minutes(3),
            warm_up: minutes(1),
            answer_within: minutes(65),
            margin: minutes(5),
            deadline: minutes(24 * 60),
            rollback_within: minutes(30),
            on_inconclusive: OnInconclusive::default(),
            on_cancel: OnCancel::default(),
            accept: BTreeSet::new(),
            gates: BTreeMap::new(),
        }
    }
}

impl NativePlan {
    /// Returns a builder with the default of every setting.
    pub fn builder() -> NativePlanBuilder {
        NativePlanBuilder::default()
    }

    /// Returns the time from one look to the next.
    #[must_use]
    pub fn look_interval(&self) -> Duration {
        self.fields.look_interval
    }

    /// Returns the least time for which a share is watched before a pause is answered.
    #[must_use]
    pub fn bake(&self) -> Duration {
        self.fields.bake
    }

    /// Returns the time after a rise that does not count.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        self.fields.warm_up
    }

    /// Returns how long a pause waits for a healthy verdict at most.
    #[must_use]
    pub fn answer_within(&self) -> Duration {
        self.fields.answer_within
    }

    /// Returns how long before the platform's own time-out the judge decides.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.fields.margin
    }

    /// Returns how long the whole run may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.fields.deadline
    }

    /// Returns how long a rollback may take.
    #[must_use]
    pub fn rollback_within(&self) -> Duration {
        self.fields.rollback_within
    }

    /// Returns what happens if a pause cannot be judged in time.
    #[must_use]
    pub fn on_inconclusive(&self) -> OnInconclusive {
        self.fields.on_inconclusive
    }

    /// Returns what happens on cancellation.
    #[must_use]
    pub fn on_cancel(&self) -> OnCancel {
        self.fields.on_cancel
    }

    /// Returns the risks that the plan accepts.
    #[must_use]
    pub fn accepted(&self) -> &BTreeSet<Acceptance> {
        &self.fields.accept
    }

    /// Returns what a gate's verdict does.
    #[must_use]
    pub fn policy(&self, gate: &GateId) -> GatePolicy {
        self.fields.gates.get(gate).copied().unwrap_or_default()
    }

    /// Returns how long one look may take: the interval, and not less than 10 seconds.
    #[must_use]
    pub(crate) fn look_limit(&self) -> Duration {
        self.fields.look_interval.max(Duration::from_secs(10))
    }

    /// Returns the gates that the plan names.
    pub(crate) fn gates(&self) -> &BTreeMap<GateId, GatePolicy> {
        &self.fields.gates
    }
}

impl NativePlanBuilder {
    /// Sets the time from one look to the next, 1 second to 10 minutes. Default: 15 seconds, as in a
    /// migration.
    pub fn look_interval(mut self, interval: Duration) -> Self {
        self.look_interval = interval;
        self
    }

    /// Sets the least time for which a share is watched before a pause is answered, at most a day. Default:
    /// 3 minutes. The platform's own bake runs at the same time: the longer one counts.
    pub fn bake(mut self, bake: Duration) -> Self {
        self.bake = bake;
        self
    }

    /// Sets how long after a rise green's figures do not count, since caches and connections are cold.
    /// At most the bake. Default: 1 minute.
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Sets how long a pause waits for a healthy verdict at most, 1 minute to 14 days. Then
    /// [`on_inconclusive`](Self::on_inconclusive) decides. Default: 65 minutes, as a step of a migration.
    pub fn answer_within(mut self, limit: Duration) -> Self {
        self.answer_within = limit;
        self
    }

    /// Sets how long before the platform's own time-out of a pause [`on_inconclusive`](Self::on_inconclusive)
    /// decides, 30 seconds to 1 hour. Default: 5 minutes, so that a call that fails can be repeated. If the
    /// time-out is near, a quarter of the time that is left.
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Sets how long the whole run may take, 1 minute to 30 days. Then
    /// [`on_inconclusive`](Self::on_inconclusive) decides. Default: 24 hours, the platform's own default for
    /// one pause on ECS.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long the platform may take to put everything back, 1 minute to a day, before a person must
    /// look. Default: 30 minutes.
    pub fn rollback_within(mut self, limit: Duration) -> Self {
        self.rollback_within = limit;
        self
    }

    /// Sets what happens if a pause cannot be judged in time. Default: roll back.
    pub fn on_inconclusive(mut self, policy: OnInconclusive) -> Self {
        self.on_inconclusive = policy;
        self
    }

    /// Sets what happens on cancellation. Default: roll back, since green is not watched after that.
    pub fn on_cancel(mut self, policy: OnCancel) -> Self {
        self.on_cancel = policy;
        self
    }

    /// Accepts a risk that the preflight would refuse.
    pub fn accept(mut self, risk: Acceptance) -> Self {
        self.accept.insert(risk);
        self
    }

    /// Sets what a gate's verdict does. Default: required.
    pub fn gate(mut self, gate: impl Into<GateId>, policy: GatePolicy) -> Self {
        self.gates.insert(gate.into(), policy);
        self
    }

    /// Checks everything and returns the plan.
    ///
    /// # Errors
    ///
    /// [`PlanError`] with every problem at once.
    pub fn build(self) -> Result<NativePlan, PlanError> {
        let mut problems = Vec::new();
        let second = Duration::from_secs(1);
        let mut between = |field: &str, value: Duration, from: Duration, to: Duration| {
            if value < from || value > to {
                let (from, to) = (span(from), span(to));
                problems.push(Problem::new(
                    field,
                    format!("{} is not between {from} and {to}", span(value)),
                    format!("choose {from} to {to}"),
                ));
            }
        };
        let day = minutes(24 * 60);
        between("look_interval", self.look_interval, second, minutes(10));
        between("bake", self.bake, Duration::ZERO, day);
        between("warm_up", self.warm_up, Duration::ZERO, day);
        between("answer_within", self.answer_within, minutes(1), day * 14);
        between("margin", self.margin, second * 30, minutes(60));
        between("deadline", self.deadline, minutes(1), day * 30);
        between("rollback_within", self.rollback_within, minutes(1), day);
        if self.warm_up > self.bake {
            problems.push(Problem::new(
                "warm_up",
                "the warm-up is longer than the bake, so a share could pass without a figure that counts",
                "make the bake longer, or the warm-up shorter",
            ));
        }
        if self.bake >= self.answer_within {
            problems.push(Problem::new(
                "answer_within",
                "the bake takes as long as a pause may wait",
                "make `answer_within` longer, or the bake shorter",
            ));
        }
        if problems.is_empty() {
            Ok(NativePlan { fields: self })
        } else {
            Err(PlanError::new(problems))
        }
    }
}

impl TryFrom<NativePlanBuilder> for NativePlan {
    type Error = PlanError;

    fn try_from(builder: NativePlanBuilder) -> Result<Self, Self::Error> {
        builder.build()
    }
}

impl From<NativePlan> for NativePlanBuilder {
    fn from(plan: NativePlan) -> Self {
        plan.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_every_problem_at_once() {
        let error = NativePlan::builder()
            .look_interval(Duration::ZERO)
            .bake(minutes(1))
            .warm_up(minutes(2))
            .answer_within(Duration::ZERO)
            .margin(Duration::ZERO)
            .deadline(Duration::ZERO)
            .rollback_within(Duration::ZERO)
            .build()
            .expect_err("nothing in it is right");
        let fields: Vec<&str> = error.problems().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "look_interval",
                "answer_within",
                "margin",
                "deadline",
                "rollback_within",
                "warm_up",
                "answer_within"
            ]
        );
    }

    #[test]
    fn survives_json_and_is_checked_on_the_way_in() {
        let plan = NativePlan::builder()
            .on_inconclusive(OnInconclusive::Hold)
            .gate("latency", GatePolicy::Advisory)
            .build()
            .expect("valid");
        let json = serde_json::to_string(&plan).expect("plain data");
        let read: NativePlan = serde_json::from_str(&json).expect("the same");
        assert_eq!(read, plan);
        assert!(serde_json::from_str::<NativePlan>(r#"{"margin": "0s"}"#).is_err());
        assert!(serde_json::from_str::<NativePlan>(r#"{"margins": "5m"}"#).is_err());
    }
}
