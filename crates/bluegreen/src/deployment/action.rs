//! Actions, which the machine asks for, and inputs, which it is told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, DeploymentPlan};
use crate::{
    check::CheckReport,
    engine::{Control, Operator, RunId, Work},
    error::Failure,
    image::{BuildRequest, ImageRef, ImageTag, Tagging},
    json::JsonText,
    preflight::Finding,
    service::{
        ByHand, DeploymentId, DeploymentProgress, Registration, RevisionId, ServiceObservation,
        Update,
    },
};

/// The purpose of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intent {
    /// Run an image as the service: build it if it is not in the registry yet, register,
    /// update, follow, check; roll back if anything fails after the update.
    Deploy {
        /// Where the image comes from.
        image: ImageSource,
    },
    /// The same up to the accepted update, and no further: for a service whose traffic its platform moves. A
    /// [judge](crate::native) follows the deployment then, and only the platform puts the service back.
    Begin {
        /// Where the image comes from.
        image: ImageSource,
    },
    /// Roll the service back to the revision that ran before the last deployment.
    RollBack {
        /// The operator who asks.
        by: Operator,
        /// The revision to go back to, instead of the recorded revision.
        to: Option<RevisionId>,
    },
    /// Ask the health checks, and change nothing.
    CheckHealth,
    /// Ask the smoke tests, and change nothing.
    Smoke,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum ImageSource {
    /// The image is built, unless the registry has its tag already.
    Build {
        /// The build.
        request: BuildRequest,
        /// Whether an image that the registry already holds under the tag is used as it is.
        reuse: bool,
    },
    /// The image exists.
    Given {
        /// The image.
        image: ImageRef,
    },
}

/// The next step that the machine asks its host for.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Survey everything that could keep the deployment from working, and read the service. A read.
    Preflight {
        /// Whether an image will be built.
        builds: bool,
    },
    /// Ask for the full name of a revision that a person named. A read.
    Resolve {
        /// The revision, as the person named it.
        revision: RevisionId,
    },
    /// Ask the registry for a tag. A read.
    FindImage {
        /// The tag.
        tag: ImageTag,
    },
    /// Build and push. A change, of the registry only; may be dropped, which ends the build.
    Build {
        /// The build.
        request: BuildRequest,
    },
    /// Register a revision that runs the image. A change, but no copy runs the revision yet.
    Register {
        /// The image.
        image: ImageRef,
    },
    /// Let the service run another revision. A change; drop it only to stop.
    Update {
        /// The update.
        update: Update,
        /// Whether it rolls the service back. A rollback goes ahead even without a journal.
        restores: bool,
    },
    /// Read the service. A read.
    Observe,
    /// Read how far a deployment is. A read.
    Follow {
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Ask one check once. A read, as far as this crate knows.
    Check {
        /// The check.
        check: CheckId,
    },
    /// Give the image a further tag. A change, of the registry only.
    Tag {
        /// The image.
        image: ImageRef,
        /// The tag.
        tag: ImageTag,
    },
    /// Wait.
    Wait {
        /// The end of the wait.
        until: Timestamp,
    },
}

impl Action {
    /// Returns the kind of work, and for a wait its end.
    #[must_use]
    pub fn work(&self) -> Work {
        match self {
            Self::Wait { until } => Work::Wait(*until),
            Self::Update { restores, .. } => Work::Change {
                restores: *restores,
            },
            Self::Build { .. } | Self::Register { .. } | Self::Tag { .. } => {
                Work::Change { restores: false }
            }
            Self::Preflight { .. }
            | Self::FindImage { .. }
            | Self::Resolve { .. }
            | Self::Observe
            | Self::Follow { .. }
            | Self::Check { .. } => Work::Read,
        }
    }

    /// Returns the machine's input if this action failed. If a change may have happened nevertheless, the
    /// failure must be of the kind [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    #[must_use]
    pub fn failed(&self, failure: Failure) -> Input {
        match self {
            Self::Preflight { .. } => Input::Preflighted {
                findings: Err(failure.clone()),
                service: Err(failure),
            },
            Self::Resolve { .. } => Input::Resolved(Err(failure)),
            Self::FindImage { .. } => Input::ImageFound(Err(failure)),
            Self::Build { .. } => Input::Built(Err(failure)),
            Self::Register { .. } => Input::Registered(Err(failure)),
            Self::Update { .. } => Input::Updated(Err(failure)),
            Self::Observe => Input::Observed(Err(failure)),
            Self::Follow { .. } => Input::Followed(Err(failure)),
            Self::Check { .. } => {
                let report = CheckReport::new("check", "a check that could not be asked", None);
                Input::Checked(report.failing("answer", "one", failure.message))
            }
            Self::Tag { .. } => Input::Tagged(Err(failure)),
            // Too short a wait: the machine looks again.
            Self::Wait { .. } => Input::Waited { clock_fault: false },
        }
    }

    /// Returns the machine's input if this action was not begun, since its record could not be written first.
    /// The failure is never of the kind [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    #[must_use]
    pub fn not_begun(&self, failure: Failure) -> Input {
        match self.work() {
            Work::Change { .. } => Input::NotBegun(failure),
            Work::Read | Work::Wait(_) => self.failed(failure),
        }
    }
}

/// One of the checks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckId {
    /// Its kind.
    pub kind: CheckKind,
    /// Its place among the checks of its kind.
    pub index: usize,
}

/// The kind of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Asked again and again, until it has passed as many times in a row as the plan wants.
    Health,
    /// Asked once.
    Smoke,
}

/// A fact that the machine is told, with its time.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", content = "with", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// The run begins.
    Start(Intent),
    /// The result of [`Action::Preflight`].
    Preflighted {
        /// The findings of the surveys.
        findings: Result<Vec<Finding>, Failure>,
        /// The service; `None` if there is no such service.
        service: Result<Option<ServiceObservation>, Failure>,
    },
    /// The result of [`Action::Resolve`].
    Resolved(Result<RevisionId, Failure>),
    /// The result of [`Action::FindImage`].
    ImageFound(Result<Option<ImageRef>, Failure>),
    /// The result of [`Action::Build`].
    Built(Result<ImageRef, Failure>),
    /// The result of [`Action::Register`].
    Registered(Result<Registration, Failure>),
    /// The result of [`Action::Update`].
    Updated(Result<DeploymentId, Failure>),
    /// The result of [`Action::Observe`].
    Observed(Result<Option<ServiceObservation>, Failure>),
    /// The result of [`Action::Follow`].
    Followed(Result<DeploymentProgress, Failure>),
    /// The result of [`Action::Check`].
    Checked(CheckReport),
    /// The result of [`Action::Tag`].
    Tagged(Result<Tagging, Failure>),
    /// [`Action::Wait`] is over.
    Waited {
        /// Whether no real time passed during the wait: then the run's clock cannot be trusted.
        clock_fault: bool,
    },
    /// A change was not begun, since the journal did not keep its record.
    NotBegun(Failure),
    /// An operator, a signal or a deadline gives a control.
    Control(Control),
    /// Records can no longer be written to the journal.
    JournalFailed(Failure),
}

/// The work that a process left undone when it ended before its run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub(crate) struct Unfinished {
    /// The revision that the process deployed, and whose checks it did not finish. If a check fails, the
    /// next process rolls this revision back, as the first process would have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<RevisionId>,
    /// Why the process was rolling the service back: the next process only finishes the rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restoring: Option<Cause>,
    /// The target of that rollback; `None` if there was no service before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restoring_to: Option<RevisionId>,
    /// Deployments that the process replaced: a read that shows one of them may be old. Since version 4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<DeploymentId>,
    /// Whether there was no service before the process. Since version 4.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_absent: bool,
    /// The version of that process's journal, if it is an earlier version. Since version 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
}

/// An entry of a deployment's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first entry: everything that was decided before the start.
    Opened {
        /// [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) of the program that wrote it.
        version: u32,
        /// The run.
        run: RunId,
        /// The plan.
        plan: Box<DeploymentPlan>,
        /// The names of the health checks.
        health: Vec<String>,
        /// The names of the smoke tests.
        smoke: Vec<String>,
        /// The commands by which a person changes the service.
        by_hand: Option<ByHand>,
        /// The deployer's propagation time: how long after a change a read may show an older state. Since
        /// version 4.
        #[serde(default)]
        propagation: Duration,
        /// The work that an earlier process of this run left undone.
        #[serde(default)]
        unfinished: Unfinished,
        /// A value of the embedder, to be read when the run is resumed.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        origin: serde_json::Value,
    },
    /// An input of the machine.
    Input {
        /// The input.
        input: Input,
    },
    /// A change that is about to be made.
    Change {
        /// The action.
        action: Action,
    },
}

impl Entry {
    /// Returns the content of a record.
    pub(crate) fn text(&self) -> JsonText {
        text(self)
    }
}

/// The entry that a run writes at each step: as [`Entry`], with borrowed content.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Input { input: &'a Input },
    Change { action: &'a Action },
}

impl Written<'_> {
    /// Returns the content of a record.
    pub(super) fn text(&self) -> JsonText {
        text(self)
    }
}

fn text(entry: &impl Serialize) -> JsonText {
    // Fails only for a map whose keys are not text, and no entry holds such a map.
    JsonText::of(entry).unwrap_or_else(|_| serde_json::Value::Null.into())
}
