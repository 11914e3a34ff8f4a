//! What goes between client, workflow and workers: plain data.

use std::time::Duration;

use bluegreen::{
    Error, ErrorKind, Failure,
    aws::alb::{AlbRule, RuleArn},
    engine::{Control, Operator},
    host::MigrationAnswer,
    migration::{Action, MigrationMachine},
    spec::{Group, MigrationSpec, Name, Target},
    store::CarriedLease,
};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a workflow is started with. In JSON it is an object with `spec`, the fields of a migration's file, and
/// `by`, the person or job that is responsible.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Order {
    /// The migration.
    pub spec: MigrationSpec,
    /// The person or job that is responsible.
    pub by: String,
    /// Where an earlier run of the workflow ended. Leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carried: Option<Box<Carried>>,
}

impl Order {
    /// Creates an order.
    pub fn new(spec: MigrationSpec, by: impl Into<String>) -> Self {
        Self {
            spec,
            by: by.into(),
            carried: None,
        }
    }

    /// The id of the workflow: `bluegreen:` and the rule's ARN, or the rule as the specification names it. So Temporal keeps a
    /// second migration of the rule out while one runs; the lease does that for other names of the same rule.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification names no rule.
    pub fn workflow_id(&self) -> bluegreen::Result<String> {
        let rule = self.spec.traffic.rules.first().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "name the workflow: there is no rule")
                .with_hint("give `traffic.rules` the ARN of the rule")
        })?;
        Ok(match rule {
            AlbRule::Arn(arn) => format!("bluegreen:{arn}"),
            other => format!("bluegreen:{other}"),
        })
    }
}

/// A specification in which rule and target groups are ARNs, so that its target is found without a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    pub(crate) spec: MigrationSpec,
    /// The side that served before the run.
    pub(crate) from: Name,
    pub(crate) rule: RuleArn,
}

impl Pinned {
    /// Writes the target into the specification.
    pub(crate) fn new(mut spec: MigrationSpec, target: &Target, rule: RuleArn) -> Self {
        spec.traffic.rules = vec![AlbRule::Arn(rule.clone())];
        for side in [&target.sides.blue, &target.sides.green] {
            if let Some(own) = spec.sides.get_mut(&side.name) {
                own.target_group = Group::Arn(side.group.clone());
            }
        }
        let from = target.sides.blue.name.clone();
        Self { spec, from, rule }
    }

    /// The target. Calls nothing: rule and groups are ARNs.
    pub(crate) fn target(&self, aws: &bluegreen::Aws) -> bluegreen::Result<Target> {
        let found = self.spec.target(aws, Some(&self.from)).now_or_never();
        found.unwrap_or_else(|| {
            let message = "find the sides of a pinned specification: a group is no ARN";
            Err(Error::new(ErrorKind::Invalid, message))
        })
    }
}

/// The state of a migration between two runs of its workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub(crate) pinned: Pinned,
    pub(crate) machine: MigrationMachine,
    pub(crate) judges: Value,
    pub(crate) lease: Option<CarriedLease>,
    /// The outstanding action.
    pub(crate) action: Action,
    /// The newest events, as people read them.
    pub(crate) told: Vec<String>,
    /// Controls that came and are not given yet.
    pub(crate) controls: Vec<Control>,
}

/// The work of a read or a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) pinned: Pinned,
    pub(crate) action: Action,
    /// What the judges have learnt; nothing for a change, which asks no gate.
    #[serde(default)]
    pub(crate) judges: Option<Value>,
    pub(crate) lease: Option<CarriedLease>,
}

/// Asks for the lease of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) pinned: Pinned,
    pub(crate) by: String,
    /// Whether the run is about to begin: then a controller that holds the rule is not waited for.
    pub(crate) begins: bool,
}

/// What a read brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Looked {
    pub(crate) answer: Result<MigrationAnswer, Failure>,
    /// The renewed lease, if there was one.
    pub(crate) lease: Option<Result<CarriedLease, Failure>>,
}

/// What a change brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Changed {
    /// The change was begun, with this answer.
    Answered {
        answer: Box<MigrationAnswer>,
        lease: Option<CarriedLease>,
    },
    /// Nothing was sent.
    NotBegun { failure: Failure },
}

/// How a migration ended, as the result of its workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// The exit code that the command would have: 0, 10, 11 or 12; 2 or 3 if nothing was changed.
    pub exit_code: u8,
    /// The outcome for people.
    pub told: String,
    /// The outcome; nothing if the run was not started.
    pub outcome: Value,
}

impl Ended {
    /// The end of a run that was not started.
    pub(crate) fn not_started(failure: &Failure) -> Self {
        let hint = failure.hint.as_ref();
        let hint = hint.map(|hint| format!("\n  hint: {hint}"));
        Self {
            exit_code: match failure.kind {
                ErrorKind::Invalid => 2,
                _ => 3,
            },
            told: format!("not started: {failure}{}", hint.unwrap_or_default()),
            outcome: Value::Null,
        }
    }
}

/// The answer to the query `status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The side that serves, and the side that is to take over, once they are known.
    pub from: Option<String>,
    /// What the workflow does now.
    pub doing: String,
    /// Whether the run holds the lease of its rule.
    pub holds_lease: bool,
    /// The newest events, oldest first.
    pub events: Vec<String>,
}

/// A control as a signal. In JSON an object with `by`, a person or job, and for `leave` a reason; for `pause` also
/// `length`, such as `10m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Told {
    /// Who gives the control, and why.
    pub by: Operator,
    /// For `pause`: for how long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub length: Option<Duration>,
}

impl Told {
    /// A control that is given by a person or a job.
    pub fn by(by: impl Into<Operator>) -> Self {
        Self {
            by: by.into(),
            length: None,
        }
    }

    /// Sets for how long a pause lasts at most. Default: as [`Control::Pause`] says.
    #[must_use]
    pub fn for_at_most(self, length: Duration) -> Self {
        Self {
            length: Some(length),
            ..self
        }
    }
}

/// The failure of an action, as a value for the machine.
pub(crate) fn failure(kind: ErrorKind, message: impl Into<String>) -> Failure {
    Failure::from(Error::new(kind, message))
}

#[cfg(test)]
mod tests {
    use bluegreen::aws::sim::Scenario;

    use super::*;

    #[tokio::test]
    async fn a_pinned_specification_finds_its_target_without_a_call_and_names_the_workflow() {
        let simulation = Scenario::Healthy.simulation(7);
        simulation.start_paused();
        let (aws, spec) = (simulation.aws(), simulation.spec());
        let target = spec.target(&aws, None).await.expect("one side serves");
        let rule = spec.locate(&aws).await.expect("the rule");
        let pinned = Pinned::new(spec, &target, rule);
        let text = serde_json::to_string(&pinned).expect("plain data");
        let read: Pinned = serde_json::from_str(&text).expect("the same");
        assert_eq!(read, pinned);
        assert_eq!(read.target(&aws).expect("it is pinned"), target);
        let id = Order::new(read.spec, "ann").workflow_id();
        assert_eq!(id.expect("a rule"), format!("bluegreen:{}", read.rule));
    }
}
