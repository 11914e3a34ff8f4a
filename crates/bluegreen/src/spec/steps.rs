//! A step as the file has it: a share, or a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    values::{Share, Span},
    written::Written,
};
use crate::migration::Step;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum StepSpec {
    /// A share.
    To(Share),
    /// A share with times of its own.
    Timed(TimedStep),
}

/// A step with times of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimedStep {
    /// The new side's share.
    green: Share,
    /// How long the new side is watched at this share at least. Default: the plan's `bake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bake: Option<Span>,
    /// How long after the shift the gates must be healthy at the latest. Default: the plan's
    /// `step_deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Span>,
    /// The run stays at this share until an operator promotes it; `deadline` is the time-out, at which
    /// `on_inconclusive` says what happens. Default: no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    manual: bool,
}

impl Written for StepSpec {
    type Plain = Step;

    fn of(step: &Step) -> Self {
        let green = Share(step.green);
        match step {
            Step {
                bake: None,
                deadline: None,
                manual: false,
                ..
            } => Self::To(green),
            step => Self::Timed(TimedStep {
                green,
                bake: step.bake.map(Span),
                deadline: step.deadline.map(Span),
                manual: step.manual,
            }),
        }
    }

    fn plain(self) -> Step {
        match self {
            Self::To(share) => Step::to(share.0),
            Self::Timed(timed) => Step {
                bake: timed.bake.map(|span| span.0),
                deadline: timed.deadline.map(|span| span.0),
                manual: timed.manual,
                ..Step::to(timed.green.0)
            },
        }
    }
}
