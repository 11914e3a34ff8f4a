//! [`DeploymentEvent`]: the facts that a deployment tells.

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
    /// The run begins. Nothing was called yet.
    Started {
        /// The purpose of the run.
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
    /// The preflight is over and does not stop the run.
    PreflightPassed {
        /// Its findings; only notes and accepted risks.
        findings: Vec<Finding>,
        /// The service; `None` if it does not exist yet.
        service: Option<ServiceObservation>,
    },
    /// A read failed; it is tried again.
    ReadFailed {
        /// Why.
        failure: Failure,
        /// When the read is tried again.
        retry_at: Timestamp,
    },
    /// The registry holds the image already; nothing is built.
    ImageReused {
        /// The image.
        image: ImageRef,
    },
    /// The image is being built and pushed.
    Building {
        /// The build.
        request: BuildRequest,
    },
    /// The image is in the registry, by a digest that the registry confirms.
    Built {
        /// The image.
        image: ImageRef,
    },
    /// A revision with the image is registered.
    Registered {
        /// The revision, and its changes.
        registration: Registration,
    },
    /// The service runs this revision in full already; it is only checked.
    AlreadyRuns {
        /// The service.
        service: ServiceObservation,
    },
    /// A rollout of this revision is under way, which an earlier run began; it is followed.
    Adopted {
        /// The service.
        service: ServiceObservation,
        /// The target of a rollback.
        previous: Option<Target>,
    },
    /// The service is about to be changed.
    Updating {
        /// The new target.
        to: Target,
        /// The revision that it runs now; `None` if the service does not exist.
        from: Option<RevisionId>,
        /// The number of this attempt, counted from 1.
        attempt: u32,
    },
    /// The change was accepted; its rollout is followed.
    Updated {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A change was accepted, and no read has shown it in the propagation time. It is sent again.
    NeverVisible {
        /// The target of the change.
        to: Target,
    },
    /// A change failed, or its outcome is unknown. The service is observed before anything
    /// else.
    UpdateFailed {
        /// Why.
        failure: Failure,
        /// When the service is observed.
        retry_at: Timestamp,
    },
    /// The counts of the rollout have changed.
    Rollout {
        /// The deployment.
        deployment: DeploymentId,
        /// How many copies are to run.
        desired: u32,
        /// How many copies run.
        running: u32,
        /// How many copies are starting.
        pending: u32,
        /// How many copies have failed to start.
        failed: u32,
    },
    /// The service reported an event.
    ServiceSaid {
        /// The service's event.
        said: ServiceEvent,
    },
    /// A copy stopped.
    TaskStopped {
        /// The copy, and why it stopped.
        task: StoppedTask,
    },
    /// The service rolls back by itself.
    ServiceRollsBack {
        /// The revision that it goes back to.
        to: RevisionId,
    },
    /// The rollout is complete.
    RolledOut {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// A check was asked.
    Checked {
        /// The kind of the check.
        kind: CheckKind,
        /// Its answer.
        report: CheckReport,
        /// How many good answers in a row there were.
        in_a_row: u32,
        /// How many good answers in a row are wanted.
        wanted: u32,
    },
    /// The service is rolled back.
    RollingBack {
        /// Why.
        cause: Cause,
        /// The target; `None` if the state before is not known.
        to: Option<Target>,
    },
    /// A read during the rollback.
    RollbackSeen {
        /// The service.
        service: ServiceObservation,
    },
    /// The service is in its former state again, read back.
    Restored {
        /// The service; `None` if it never existed.
        service: Option<ServiceObservation>,
    },
    /// The image got its further tag, or not.
    Tagged {
        /// The tag.
        tag: ImageTag,
        /// The result.
        result: Result<Tagging, Failure>,
    },
    /// A control was given.
    Controlled {
        /// The control.
        control: Control,
        /// Its effect.
        effect: ControlEffect,
    },
    /// The journal does not keep its records any more.
    JournalFailed {
        /// Why.
        failure: Failure,
    },
    /// The run ended in a known state.
    Ended {
        /// The outcome.
        outcome: DeploymentOutcome,
        /// The exit code of this outcome.
        exit_code: u8,
    },
    /// The run ended, and a person must look at the service now.
    Unresolved {
        /// What is known.
        unresolved: Unresolved,
        /// The exit code of this end.
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
                 {version}: the service is read first, and an unproved revision is checked again"
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
                write!(f, "{running} of {desired} run, {pending} starting")?;
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
                None => write!(
                    f,
                    "to be rolled back, but the state before is not known: {cause}"
                ),
            },
            Self::RollbackSeen { service } => write!(f, "rollback under way: {service}"),
            Self::Restored { service } => match service {
                Some(service) => write!(f, "restored, read back: {service}"),
                None => f.write_str("restored: there is no such service"),
            },
            Self::Tagged { tag, result } => match result {
                Ok(Tagging::Moved) => write!(f, "`{tag}` names the image now"),
                Ok(Tagging::AlreadyThere) => write!(f, "`{tag}` named the image before"),
                Ok(Tagging::Refused { reason }) => write!(f, "`{tag}` skipped: {reason}"),
                Err(failure) => write!(f, "`{tag}` skipped: {failure}"),
            },
            Self::Controlled { control, effect } => effect.write(control, f),
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::Ended { outcome, .. } => write!(f, "{outcome}"),
            Self::Unresolved { unresolved, .. } => write!(f, "{unresolved}"),
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy { image } | Self::Begin { image } => match image {
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
                None => write!(f, "rolling back to the revision before, by {by}"),
            },
            Self::CheckHealth => f.write_str("asking the health checks"),
            Self::Smoke => f.write_str("asking the smoke tests"),
        }
    }
}
