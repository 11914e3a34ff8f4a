//! [`DeploymentPlan`]: everything that is decided before a deployment starts.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::span,
    engine::OnCancel,
    image::ImageTag,
    preflight::Acceptance,
    problem::{PlanError, Problem},
};

/// Intervals, deadlines, and what to do if they pass. A plain value: it goes
/// into the journal, so that the machine can replay every decision.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::DeploymentPlan;
///
/// let plan = DeploymentPlan::builder().rollout_deadline(Duration::from_secs(1800)).build()?;
/// assert_eq!(plan.health().successes, 3);
///
/// let error = DeploymentPlan::builder().poll_every(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.problems()[0].field, "poll_every");
/// # Ok::<(), bluegreen::problem::PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DeploymentPlanBuilder", into = "DeploymentPlanBuilder")]
#[must_use]
pub struct DeploymentPlan {
    fields: DeploymentPlanBuilder,
}

/// Builds a [`DeploymentPlan`]; see its methods for each setting and its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct DeploymentPlanBuilder {
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    poll_every: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    rollout_deadline: Duration,
    health: HealthPolicy,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    write_within: Duration,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    rollback_deadline: Duration,
    also_tag: Option<ImageTag>,
    on_cancel: OnCancel,
    accept: BTreeSet<Acceptance>,
}

/// When a service counts as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HealthPolicy {
    /// The number of good answers in a row, of every health check. Default: 3; a single good answer may
    /// come from the only task that works.
    pub successes: u32,
    /// The interval of the checks. Default: 10 seconds.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub every: Duration,
    /// How long the service may take to become healthy. Default: 5 minutes.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub deadline: Duration,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            successes: 3,
            every: Duration::from_secs(10),
            deadline: minutes(5),
        }
    }
}

impl HealthPolicy {
    /// Wants `successes` good answers in a row, asks at the interval `every`, and gives up after `deadline`.
    #[must_use]
    pub fn new(successes: u32, every: Duration, deadline: Duration) -> Self {
        Self {
            successes,
            every,
            deadline,
        }
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Default for DeploymentPlanBuilder {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(10),
            rollout_deadline: minutes(20),
            health: HealthPolicy::default(),
            write_within: minutes(10),
            rollback_deadline: minutes(30),
            also_tag: "latest".parse().ok(),
            on_cancel: OnCancel::default(),
            accept: BTreeSet::new(),
        }
    }
}

impl DeploymentPlan {
    /// A builder with the default of every setting.
    pub fn builder() -> DeploymentPlanBuilder {
        DeploymentPlanBuilder::default()
    }

    /// A builder with settings for unit tests: a look each second, one good answer is healthy, deadlines of
    /// a minute, changes that fail are tried for 3 seconds, and no further tag. So a mock sees few calls,
    /// and always the same; with a [`TestClock`](crate::mock::TestClock) a deployment takes no time at
    /// all. The plan is checked like every other plan.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::DeploymentPlan;
    ///
    /// let plan = DeploymentPlan::for_tests().build()?;
    /// assert_eq!(plan.health().successes, 1);
    /// # Ok::<(), bluegreen::problem::PlanError>(())
    /// ```
    pub fn for_tests() -> DeploymentPlanBuilder {
        let second = Duration::from_secs(1);
        Self::builder()
            .poll_every(second)
            .rollout_deadline(minutes(1))
            .health(HealthPolicy::new(1, second, minutes(1)))
            .write_within(second * 3)
            .rollback_deadline(minutes(1))
            .also_tag(None)
    }

    /// [`for_tests`](Self::for_tests), built: it has no problem.
    #[cfg(feature = "mock")]
    pub(crate) fn quick() -> Self {
        Self {
            fields: Self::for_tests(),
        }
    }

    /// How often a rollout is looked at.
    #[must_use]
    pub(crate) fn poll_every(&self) -> Duration {
        self.fields.poll_every
    }

    /// How long a rollout may take.
    #[must_use]
    pub(crate) fn rollout_deadline(&self) -> Duration {
        self.fields.rollout_deadline
    }

    /// When the service counts as healthy.
    #[must_use]
    pub fn health(&self) -> HealthPolicy {
        self.fields.health
    }

    /// How long a change is tried again.
    #[must_use]
    pub(crate) fn write_within(&self) -> Duration {
        self.fields.write_within
    }

    /// How long a rollback may take.
    #[must_use]
    pub(crate) fn rollback_deadline(&self) -> Duration {
        self.fields.rollback_deadline
    }

    /// The further tag that the image gets once it has proved itself.
    #[must_use]
    pub(crate) fn also_tag(&self) -> Option<&ImageTag> {
        self.fields.also_tag.as_ref()
    }

    /// What to do on cancellation.
    #[must_use]
    pub(crate) fn on_cancel(&self) -> OnCancel {
        self.fields.on_cancel
    }

    /// The risks that the plan accepts.
    #[must_use]
    pub fn accepted(&self) -> &BTreeSet<Acceptance> {
        &self.fields.accept
    }
}

impl DeploymentPlanBuilder {
    /// How often a rollout is looked at. Default: 10 seconds; the AWS CLI's waiter takes 15.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval;
        self
    }

    /// How long a rollout may take before it counts as stalled and is rolled back. Default: 20
    /// minutes: the AWS CLI's waiter gives up after 10, which large images and slow health
    /// checks outlast.
    pub fn rollout_deadline(mut self, deadline: Duration) -> Self {
        self.rollout_deadline = deadline;
        self
    }

    /// When the service counts as healthy. Default: [`HealthPolicy::default`].
    pub fn health(mut self, policy: HealthPolicy) -> Self {
        self.health = policy;
        self
    }

    /// How long a change is tried again if it fails or its outcome is unknown, each attempt after
    /// an observation. Default: 10 minutes.
    pub fn write_within(mut self, limit: Duration) -> Self {
        self.write_within = limit;
        self
    }

    /// How long a rollback may take in all before a person must look. Default: 30 minutes.
    pub fn rollback_deadline(mut self, deadline: Duration) -> Self {
        self.rollback_deadline = deadline;
        self
    }

    /// The further tag that the image gets at the very end, best effort; `None` for no further tag.
    /// Default: `latest`.
    pub fn also_tag(mut self, tag: Option<ImageTag>) -> Self {
        self.also_tag = tag;
        self
    }

    /// What to do on cancellation after the service was changed. Default: roll back.
    pub fn on_cancel(mut self, policy: OnCancel) -> Self {
        self.on_cancel = policy;
        self
    }

    /// Accepts a risk that the preflight would refuse.
    pub fn accept(mut self, risk: Acceptance) -> Self {
        self.accept.insert(risk);
        self
    }

    /// Returns the plan.
    ///
    /// # Errors
    ///
    /// [`PlanError`] with every problem at once.
    pub fn build(self) -> Result<DeploymentPlan, PlanError> {
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
        between("poll_every", self.poll_every, second, minutes(10));
        between("rollout_deadline", self.rollout_deadline, minutes(1), day);
        between("write_within", self.write_within, second, day);
        between("rollback_deadline", self.rollback_deadline, minutes(1), day);
        between("health.every", self.health.every, second, minutes(10));
        between("health.deadline", self.health.deadline, second, day);
        let health = self.health;
        if health.successes == 0 {
            problems.push(Problem::new(
                "health.successes",
                "a service without any good answer would count as healthy",
                "choose 1 or more",
            ));
        }
        let least = health
            .every
            .saturating_mul(health.successes.saturating_sub(1));
        // `>=`: the answers themselves take time, too.
        if health.successes > 1 && least >= health.deadline {
            let (least, deadline) = (span(least), span(health.deadline));
            problems.push(Problem::new(
                "health.deadline",
                format!(
                    "{} answers in a row take {least}, the deadline is {deadline}",
                    health.successes
                ),
                "make the deadline longer, or ask more often",
            ));
        }
        if problems.is_empty() {
            Ok(DeploymentPlan { fields: self })
        } else {
            Err(PlanError::new(problems))
        }
    }
}

impl TryFrom<DeploymentPlanBuilder> for DeploymentPlan {
    type Error = PlanError;

    fn try_from(builder: DeploymentPlanBuilder) -> Result<Self, Self::Error> {
        builder.build()
    }
}

impl From<DeploymentPlan> for DeploymentPlanBuilder {
    fn from(plan: DeploymentPlan) -> Self {
        plan.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_every_problem_at_once() {
        let error = DeploymentPlan::builder()
            .poll_every(Duration::ZERO)
            .rollout_deadline(Duration::ZERO)
            .write_within(Duration::ZERO)
            .rollback_deadline(Duration::ZERO)
            .health(HealthPolicy::new(0, Duration::ZERO, Duration::ZERO))
            .build()
            .expect_err("nothing in it is right");
        let fields: Vec<&str> = error.problems().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "poll_every",
                "rollout_deadline",
                "write_within",
                "rollback_deadline",
                "health.every",
                "health.deadline",
                "health.successes"
            ]
        );
    }

    #[test]
    fn health_that_cannot_come_in_time_is_a_problem() {
        let policy = HealthPolicy::new(10, minutes(1), minutes(5));
        let error = DeploymentPlan::builder().health(policy).build();
        let error = error.expect_err("nine minutes do not fit into five");
        assert_eq!(error.problems().len(), 1);
        assert!(error.to_string().contains("9m"), "{error}");
    }

    #[test]
    fn survives_json_and_is_checked_on_the_way_in() {
        let plan = DeploymentPlan::builder()
            .accept(Acceptance::InPlace)
            .also_tag(None)
            .build()
            .expect("valid");
        let json = serde_json::to_string(&plan).expect("plain data");
        assert_eq!(
            serde_json::from_str::<DeploymentPlan>(&json).expect("the same"),
            plan
        );
        assert!(serde_json::from_str::<DeploymentPlan>(r#"{"poll_every": "0s"}"#).is_err());
        assert!(serde_json::from_str::<DeploymentPlan>(r#"{"pole_every": "1s"}"#).is_err());
    }
}
