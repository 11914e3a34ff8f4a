//! The ends of a deployment.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    check::CheckReport,
    clock::{CLOCK_FAULT, between, span},
    engine::{Control, Operator},
    error::{Failure, write_failure},
    image::ImageRef,
    preflight::{Acceptance, Finding, write_accepted, write_refusals},
    problem::PlanError,
    service::{DeploymentId, RevisionId, ServiceObservation, StoppedTask, Target},
};

/// A deployment that ended in a state that is known and was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[must_use]
pub enum DeploymentOutcome {
    /// The service runs the revision in full, and every check passed.
    Deployed {
        /// The revision.
        revision: RevisionId,
        /// The facts of every end.
        report: Report,
    },
    /// The platform has accepted the deployment, and moves its traffic: a judge decides from here. Only of
    /// [`Intent::Begin`](super::Intent::Begin).
    Begun {
        /// The deployment.
        deployment: DeploymentId,
        /// The revision.
        revision: RevisionId,
        /// The control that came meanwhile, for the judge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<Control>,
        /// The facts of every end.
        report: Report,
    },
    /// The service is in its former state again, in full.
    RolledBack {
        /// Why.
        cause: Cause,
        /// The former state.
        to: Target,
        /// The facts of every end.
        report: Report,
    },
    /// The service stays as the report says; a person continues.
    Held {
        /// Why.
        reason: HoldReason,
        /// The facts of every end.
        report: Report,
    },
    /// The run ended before the service was changed.
    Unchanged {
        /// Why.
        reason: Unchanged,
        /// The facts of every end.
        report: Report,
    },
    /// A run of checks only: they have passed.
    ChecksPassed {
        /// The facts of every end.
        report: Report,
    },
    /// A run of checks only: at least one has failed.
    CheckFailed {
        /// The last bad answer of each check that failed; at least one.
        failed: Vec<CheckReport>,
        /// The facts of every end.
        report: Report,
    },
}

impl DeploymentOutcome {
    /// The exit code for scripts; a contract:
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | deployed; begun, for a judge; checks passed; rolled back on request |
    /// | 1 | a check failed in a run of checks only |
    /// | 3 | stopped before the service was changed |
    /// | 10 | rolled back because a rollout or a check failed; read back |
    /// | 11 | cancelled; rolled back and read back |
    /// | 12 | held: on request, or superseded by a third party's deployment |
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Deployed { .. } | Self::Begun { .. } | Self::ChecksPassed { .. } => 0,
            Self::CheckFailed { .. } => 1,
            Self::Unchanged { .. } => 3,
            Self::RolledBack { cause, .. } => match cause {
                Cause::Cancelled { .. } => 11,
                Cause::Asked { .. } => 0,
                _ => 10,
            },
            Self::Held { .. } => 12,
        }
    }

    /// The facts of every end.
    #[must_use]
    pub fn report(&self) -> &Report {
        match self {
            Self::Deployed { report, .. }
            | Self::Begun { report, .. }
            | Self::RolledBack { report, .. }
            | Self::Held { report, .. }
            | Self::Unchanged { report, .. }
            | Self::ChecksPassed { report }
            | Self::CheckFailed { report, .. } => report,
        }
    }
}

impl fmt::Display for DeploymentOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        match self {
            Self::Deployed { revision, .. } => {
                write!(
                    f,
                    "deployed: {revision} runs in full and every check passed"
                )?;
            }
            Self::Begun {
                deployment,
                revision,
                ..
            } => write!(
                f,
                "begun: deployment {deployment} of {revision}; its platform moves the traffic"
            )?,
            Self::RolledBack { cause, to, .. } => {
                write!(
                    f,
                    "rolled back: the service runs {to}, read back\n  why: {cause}"
                )?;
            }
            Self::Held { reason, .. } => {
                match reason {
                    // What runs is the other controller's decision by now.
                    HoldReason::TakenOver { failure } => write!(
                        f,
                        "held: another controller continues ({failure})\n  last read here: {}{}",
                        report.what_runs(),
                        report.how_old()
                    )?,
                    _ => write!(f, "held: {}\n  why: {reason}", report.what_runs())?,
                }
                // A third party's deployment is not ours to roll back, so it gets no command.
                if matches!(reason, HoldReason::Asked { .. }) {
                    report.write_command(f)?;
                }
            }
            Self::Unchanged { reason, .. } => {
                write!(f, "the service was not changed: {reason}")?;
            }
            Self::ChecksPassed { .. } => f.write_str("passed")?,
            Self::CheckFailed { failed, .. } => {
                let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
                write!(f, "failed: {}", failed.join("\n  and: "))?;
            }
        }
        write_accepted(f, &report.accepted)?;
        for left in &report.left_behind {
            write!(f, "\n  left behind: {left}")?;
        }
        Ok(())
    }
}

/// The facts of every end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When the run began.
    pub started: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
    /// The service as it was last read; `None` if it was never read, or does not exist.
    pub service: Option<ServiceObservation>,
    /// When the service was last read.
    pub service_read_at: Option<Timestamp>,
    /// The image, by digest.
    pub image: Option<ImageRef>,
    /// The command by which a person rolls the service back to its former state; `None` if that
    /// state is not known.
    pub restore_command: Option<String>,
    /// The risks that the plan takes on by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<Acceptance>,
    /// Things that this run made and that are not used: an image, a revision, an emptied service.
    pub left_behind: Vec<String>,
}

impl Report {
    fn what_runs(&self) -> String {
        match (&self.service, self.service_read_at) {
            (Some(service), _) => service.to_string(),
            (None, Some(_)) => "there is no such service".to_owned(),
            (None, None) => "the service was never read".to_owned(),
        }
    }

    fn write_command(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.restore_command {
            Some(command) => write!(f, "\n  to roll the service back by hand:\n    {command}"),
            None => Ok(()),
        }
    }

    /// How long before the end the service was read: `, 12s before the end`.
    fn how_old(&self) -> String {
        let age = |at| format!(", {} before the end", span(between(at, self.ended)));
        self.service_read_at.map(age).unwrap_or_default()
    }

    /// How long the run took.
    #[must_use]
    pub fn took(&self) -> std::time::Duration {
        between(self.started, self.ended)
    }
}

/// Why a service is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The rollout failed.
    RolloutFailed {
        /// Why, in the service's words.
        reason: String,
        /// Copies that stopped.
        stopped: Vec<StoppedTask>,
    },
    /// The rollout did not end in time.
    Stalled {
        /// How far the rollout came.
        summary: String,
        /// Copies that stopped.
        stopped: Vec<StoppedTask>,
    },
    /// The service did not become healthy in time.
    NeverHealthy {
        /// The last bad answer.
        failed: CheckReport,
    },
    /// Smoke tests failed.
    SmokeFailed {
        /// The tests that failed.
        failed: Vec<CheckReport>,
    },
    /// After the checks the service did not run in full.
    NotSteady {
        /// The service as read then.
        summary: String,
    },
    /// The update could not be written in time, or its outcome stayed unknown.
    UpdateFailed {
        /// The last failure.
        failure: Failure,
    },
    /// The update was accepted, and no read has shown it in the propagation time.
    NeverVisible {
        /// The deployment that was accepted.
        deployment: DeploymentId,
    },
    /// The journal does not keep its records.
    JournalFailed {
        /// The failure.
        failure: Failure,
    },
    /// Real time did not pass with the run's clock: tokio's clock is paused and the AWS is real.
    ClockFault,
    /// The run was cancelled.
    Cancelled {
        /// The control that cancelled it.
        control: Control,
    },
    /// The rollback was the purpose of the run.
    Asked {
        /// Who asked.
        by: Operator,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolloutFailed { reason, stopped } => {
                write!(f, "the rollout failed: {reason}")?;
                write_stopped(f, stopped)
            }
            Self::Stalled { summary, stopped } => {
                write!(f, "the rollout stalled: {summary}")?;
                write_stopped(f, stopped)
            }
            Self::NeverHealthy { failed } => {
                write!(f, "the service never became healthy: {failed}")
            }
            Self::SmokeFailed { failed } => {
                f.write_str("smoke tests failed:")?;
                for report in failed {
                    write!(f, "\n    {report}")?;
                }
                Ok(())
            }
            Self::NotSteady { summary } => f.write_str(summary),
            Self::UpdateFailed { failure } => write!(f, "the update failed: {failure}"),
            Self::NeverVisible { deployment } => write!(
                f,
                "the update was accepted as {deployment} and never became visible"
            ),
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
            Self::Asked { by } => write!(f, "as {by} asked"),
        }
    }
}

fn write_stopped(f: &mut fmt::Formatter<'_>, stopped: &[StoppedTask]) -> fmt::Result {
    for task in stopped {
        write!(f, "\n    {task}")?;
    }
    Ok(())
}

/// Why a deployment is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldReason {
    /// An operator asked for it, or the plan holds on cancellation.
    Asked {
        /// The control.
        control: Control,
    },
    /// A third party's deployment took the place of this run's. This run does not fight it.
    Superseded {
        /// The third party's deployment.
        by: DeploymentId,
        /// Its revision.
        revision: RevisionId,
    },
    /// The service is gone.
    Gone,
    /// Another controller has taken over the journal and continues; this process changes nothing more.
    TakenOver {
        /// The failure that names the new holder.
        failure: Failure,
    },
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { control } => write!(f, "{control}"),
            Self::Superseded { by, revision } => {
                write!(f, "a third party deployed {revision} ({by}) meanwhile")
            }
            Self::Gone => f.write_str("a third party deleted the service"),
            Self::TakenOver { failure } => write!(f, "{failure}"),
        }
    }
}

/// Why a deployment ended before the service was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unchanged {
    /// The preflight refused.
    Refused {
        /// All its findings, notes included.
        findings: Vec<Finding>,
    },
    /// A read before the change failed.
    ReadFailed {
        /// The last failure.
        failure: Failure,
    },
    /// The image could not be built or pushed.
    BuildFailed {
        /// Why, with the last output of the builder.
        failure: Failure,
    },
    /// The revision could not be registered.
    RegisterFailed {
        /// Why.
        failure: Failure,
    },
    /// The update was refused, and a read showed that nothing changed.
    UpdateFailed {
        /// Why.
        failure: Failure,
    },
    /// A third party deployed before this run did.
    Superseded {
        /// The revision that the service runs now.
        revision: RevisionId,
    },
    /// A check failed, and this run had changed nothing: the service already ran the revision.
    CheckFailed {
        /// The checks that failed.
        failed: Vec<CheckReport>,
    },
    /// A failed rollout stands, and there is no other revision than this one to go back to.
    NoWayBack {
        /// The revision.
        revision: RevisionId,
    },
    /// There is no deployment to roll back.
    NothingToRollBack {
        /// Why not.
        why: String,
    },
    /// The journal does not keep its records.
    JournalFailed {
        /// The failure.
        failure: Failure,
    },
    /// Real time did not pass with the run's clock.
    ClockFault,
    /// The run was cancelled.
    Cancelled {
        /// The control that cancelled it.
        control: Control,
    },
}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { findings } => {
                f.write_str("the preflight refuses")?;
                write_refusals(f, findings)
            }
            Self::ReadFailed { failure } => write_failure(f, "a read failed", failure),
            Self::BuildFailed { failure } => {
                write_failure(f, "the image could not be made", failure)
            }
            Self::RegisterFailed { failure } => {
                write_failure(f, "the revision could not be registered", failure)
            }
            Self::UpdateFailed { failure } => write_failure(f, "the update failed", failure),
            Self::Superseded { revision } => {
                write!(f, "a third party deployed {revision} meanwhile")
            }
            Self::CheckFailed { failed } => {
                f.write_str("it ran this revision already, and a check failed")?;
                for report in failed {
                    write!(f, "\n    {report}")?;
                }
                f.write_str("\n  hint: `rollback` goes back to the revision before this one")
            }
            Self::NoWayBack { revision } => write!(
                f,
                "the last rollout failed, and a new rollout of {revision} would have no other \
                 revision to go back to\n  hint: use `rollback`, or deploy another revision"
            ),
            Self::NothingToRollBack { why } => f.write_str(why),
            Self::JournalFailed { failure } => write_failure(f, "the journal failed", failure),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
        }
    }
}

/// A deployment that could not run, or whose service is neither as wanted nor rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The settings do not fit together. Nothing was called.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The service could not be rolled back, or its state is not known. A person must look
    /// now.
    #[error("{0}")]
    Unresolved(Box<Unresolved>),
}

impl DeploymentError {
    /// The exit code for scripts: 2 if the settings do not fit together, 20 if a person must
    /// look now.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) => 2,
            Self::Unresolved(_) => 20,
        }
    }
}

/// A service in a wrong or unknown state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unresolved {
    /// What happened.
    pub summary: String,
    /// Why the service was to be rolled back, if it was.
    pub cause: Option<Cause>,
    /// The target of the rollback.
    pub wanted: Option<Target>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Whether a change was sent and its effect was not read since.
    pub change_unseen: bool,
    /// The service as it was last read, and the other facts of every end.
    pub report: Report,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        if let (Some(cause), Some(wanted)) = (&self.cause, &self.wanted) {
            write!(f, "\n  to be rolled back to {wanted}, because: {cause}")?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "\n  last failure: {failure}")?;
        }
        let (service, age) = (self.report.what_runs(), self.report.how_old());
        write!(f, "\n  last read: {service}{age}")?;
        if self.change_unseen {
            f.write_str("; a change was sent after that and may have happened")?;
        }
        self.report.write_command(f)?;
        write_accepted(f, &self.report.accepted)
    }
}
