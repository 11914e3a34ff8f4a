//! What a deployment tells while it goes on.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, CheckKind, DeploymentOutcome, DeploymentPlan, Intent, Unresolved};
use crate::{
    check::CheckReport,
    engine::{Control, ControlEffect},
    error::Failure,
    image::{BuildRequest, ImageRef, ImageTag, Tagging},
    preflight::{Finding, Severity},
    service::{
        DeploymentId, Registration, RevisionId, ServiceEvent, ServiceObservation, StoppedTask,
        Target,
    },
};

/// One fact of a deployment, with the values behind it. Its `Display` is one line for people;
/// its JSON, one flat object named by `event`, is a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentEvent {
    /// It begins. Nothing was called yet.
    Started {
        /// What it is for.
        intent: Intent,
        /// The plan.
        plan: DeploymentPlan,
    },
    /// A run of an earlier version continues under the rules of this one. Since version 4.
    Reopened {
        /// The version of the journal.
        found: u32,
        /// The version whose rules hold from here on.
        version: u32,
    },
    /// The preflight is over and stops nothing.
    PreflightPassed {
        /// What it found; only notes and accepted risks.
        findings: Vec<Finding>,
        /// The service; `None` where there is none yet.
        service: Option<ServiceObservation>,
    },
    /// Something could not be read; it is tried again.
    ReadFailed {
        /// Why.
        failure: Failure,
        /// When it is tried again.
        retry_at: Timestamp,
    },
    /// The registry holds the image already; nothing is built.
    ImageReused {
        /// The image.
        image: ImageRef,
    },
    /// The image is being built and pushed.
    Building {
        /// What.
        request: BuildRequest,
    },
    /// The image is in the registry, by a digest that the registry confirms.
    Built {
        /// The image.
        image: ImageRef,
    },
    /// A revision runs the image.
    Registered {
        /// The revision, and what it changes.
        registration: Registration,
    },
    /// The service runs this revision in full already; it is only checked.
    AlreadyRuns {
        /// The service.
        service: ServiceObservation,
    },
    /// A rollout of this revision is under way, begun by a run before this one; it is followed.
    Adopted {
        /// The service.
        service: ServiceObservation,
        /// Where a rollback goes.
        previous: Option<Target>,
    },
    /// The service is about to be changed.
    Updating {
        /// To what.
        to: Target,
        /// What it runs before; `None` where it does not exist.
        from: Option<RevisionId>,
        /// Which try this is, counted from 1.
        attempt: u32,
    },
    /// The change was taken on; its rollout is followed.
    Updated {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A change was accepted, and no read has shown it in the propagation time. It is sent again.
    NeverVisible {
        /// What the service was to run.
        to: Target,
    },
    /// A change failed, or nobody knows whether it happened. It is observed before anything
    /// else.
    UpdateFailed {
        /// Why.
        failure: Failure,
        /// When it is observed.
        retry_at: Timestamp,
    },
    /// How far the rollout is.
    Rollout {
        /// The deployment.
        deployment: DeploymentId,
        /// How many copies are to run.
        desired: u32,
        /// How many run.
        running: u32,
        /// How many are on their way.
        pending: u32,
        /// How many have failed to start.
        failed: u32,
    },
    /// The service itself says something.
    ServiceSaid {
        /// What.
        said: ServiceEvent,
    },
    /// A copy stopped.
    TaskStopped {
        /// Which, and why.
        task: StoppedTask,
    },
    /// The service goes back by itself.
    ServiceRollsBack {
        /// To what.
        to: RevisionId,
    },
    /// The rollout is complete.
    RolledOut {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A check was asked.
    Checked {
        /// What it is for.
        kind: CheckKind,
        /// What came of it.
        report: CheckReport,
        /// How many good answers in a row there were.
        in_a_row: u32,
        /// How many are wanted.
        wanted: u32,
    },
    /// The service is taken back.
    RollingBack {
        /// Why.
        cause: Cause,
        /// To what; `None` where nobody knows what ran before.
        to: Option<Target>,
    },
    /// What the service looks like on its way back.
    RollbackSeen {
        /// The service.
        service: ServiceObservation,
    },
    /// The service runs again what it ran before, read back.
    Restored {
        /// The service; `None` where it never existed.
        service: Option<ServiceObservation>,
    },
    /// The image got its further tag, or not.
    Tagged {
        /// The tag.
        tag: ImageTag,
        /// What came of it.
        result: Result<Tagging, Failure>,
    },
    /// Somebody took control.
    Controlled {
        /// What was asked.
        control: Control,
        /// What it does.
        effect: ControlEffect,
    },
    /// The journal does not keep its records any more.
    JournalFailed {
        /// Why.
        failure: Failure,
    },
    /// It ended in a state that is known.
    Ended {
        /// How.
        outcome: DeploymentOutcome,
        /// The exit code that says so.
        exit_code: u8,
    },
    /// It ended, and somebody must look now.
    Unresolved {
        /// What is known.
        unresolved: Unresolved,
        /// The exit code that says so.
        exit_code: u8,
    },
}

impl fmt::Display for DeploymentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { intent, .. } => write!(f, "{intent}"),
            Self::Reopened { found, version } => write!(
                f,
                "the run was begun by version {found}; it continues under the rules of version \
                 {version}: the service is read first, and what was not proved is checked again"
            ),
            Self::PreflightPassed { findings, service } => {
                match service {
                    Some(service) => write!(f, "preflight passed: {service}")?,
                    None => f.write_str("preflight passed: the service does not exist yet")?,
                }
                for finding in findings {
                    let kind = match finding.severity {
                        Severity::Note => "note",
                        _ => "accepted",
                    };
                    write!(f, "\n      {kind}: {finding}")?;
                }
                Ok(())
            }
            Self::ReadFailed { failure, .. } => write!(f, "could not read: {failure}"),
            Self::ImageReused { image } => write!(f, "the registry has it already: {image}"),
            Self::Building { request } => {
                write!(
                    f,
                    "building {} as {}",
                    request.context.display(),
                    request.tag
                )
            }
            Self::Built { image } => write!(f, "built and pushed: {image}"),
            Self::Registered { registration } => {
                let how = if registration.is_new {
                    "registered"
                } else {
                    "registered before"
                };
                write!(f, "{how}: {}", registration.revision)?;
                let mut notes = registration.notes.iter();
                notes.try_for_each(|note| write!(f, "\n      note: {note}"))
            }
            Self::AlreadyRuns { service } => write!(f, "nothing to update: {service}"),
            Self::Adopted { service, .. } => {
                write!(f, "a rollout of this revision is under way: {service}")
            }
            Self::Updating { to, from, attempt } => {
                match from {
                    Some(from) => write!(f, "updating from {from} to {to}")?,
                    None => write!(f, "creating the service with {to}")?,
                }
                if *attempt > 1 {
                    write!(f, ", try {attempt}")?;
                }
                Ok(())
            }
            Self::Updated { deployment } => write!(f, "following {deployment}"),
            Self::NeverVisible { to } => {
                write!(
                    f,
                    "the change to {to} was accepted and never became visible"
                )
            }
            Self::UpdateFailed { failure, .. } => write!(f, "the update failed: {failure}"),
            Self::Rollout {
                desired,
                running,
                pending,
                failed,
                ..
            } => {
                write!(f, "{running} of {desired} run, {pending} on their way")?;
                if *failed > 0 {
                    write!(f, ", {failed} failed")?;
                }
                Ok(())
            }
            Self::ServiceSaid { said } => write!(f, "service: {}", said.message),
            Self::TaskStopped { task } => write!(f, "{task}"),
            Self::ServiceRollsBack { to } => write!(f, "the service goes back to {to} by itself"),
            Self::RolledOut { deployment } => write!(f, "rolled out: {deployment} is complete"),
            Self::Checked {
                report,
                in_a_row,
                wanted,
                ..
            } => {
                write!(f, "{} {report}", if report.is_passed() { "✓" } else { "✗" })?;
                if *wanted > 1 {
                    write!(f, " ({in_a_row} of {wanted} in a row)")?;
                }
                Ok(())
            }
            Self::RollingBack { cause, to } => match to {
                Some(to) => write!(f, "rolling back to {to}: {cause}"),
                None => write!(f, "to be rolled back, to nobody knows what: {cause}"),
            },
            Self::RollbackSeen { service } => write!(f, "on its way back: {service}"),
            Self::Restored { service } => match service {
                Some(service) => write!(f, "restored, read back: {service}"),
                None => f.write_str("restored: there is no such service"),
            },
            Self::Tagged { tag, result } => match result {
                Ok(Tagging::Moved) => write!(f, "`{tag}` names it now"),
                Ok(Tagging::AlreadyThere) => write!(f, "`{tag}` named it before"),
                Ok(Tagging::Refused { reason }) => write!(f, "`{tag}` skipped: {reason}"),
                Err(failure) => write!(f, "`{tag}` skipped: {failure}"),
            },
            Self::Controlled { control, effect } => match effect {
                ControlEffect::Applied => write!(f, "{control}"),
                ControlEffect::AfterChange => {
                    write!(f, "{control}: once the change under way has finished")
                }
                ControlEffect::Ignored(why) => write!(f, "{control}: ignored, {why}"),
            },
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::Ended { outcome, .. } => write!(f, "{outcome}"),
            Self::Unresolved { unresolved, .. } => write!(f, "{unresolved}"),
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy { image } => match image {
                super::ImageSource::Build { request, .. } => {
                    write!(
                        f,
                        "deploying {} of {}",
                        request.tag,
                        request.context.display()
                    )
                }
                super::ImageSource::Given { image } => write!(f, "deploying {image}"),
            },
            Self::RollBack { by, to } => match to {
                Some(to) => write!(f, "rolling back to {to}, by {by}"),
                None => write!(f, "rolling back to what ran before, by {by}"),
            },
            Self::CheckHealth => f.write_str("asking the health checks"),
            Self::Smoke => f.write_str("asking the smoke tests"),
        }
    }
}
