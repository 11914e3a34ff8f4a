//! What the machine asks for, and what it is told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, DeploymentPlan};
use crate::{
    check::CheckReport,
    engine::{Control, Operator, RunId},
    error::Failure,
    image::{BuildRequest, ImageRef, ImageTag, Tagging},
    json::JsonText,
    preflight::Finding,
    service::{
        ByHand, DeploymentId, DeploymentProgress, Registration, RevisionId, ServiceObservation,
        Update,
    },
};

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intent {
    /// Run an image as the service: build it where it is not in the registry yet, register,
    /// update, follow, check; take it back if anything fails after the update.
    Deploy {
        /// Where the image comes from.
        image: ImageSource,
    },
    /// Take the service back to what ran before the last deployment.
    RollBack {
        /// Who asks.
        by: Operator,
        /// To this revision instead of the recorded one.
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
    /// It is built, unless the registry has its tag already.
    Build {
        /// What is built.
        request: BuildRequest,
        /// Whether an image that the registry already holds under the tag is taken as it is.
        reuse: bool,
    },
    /// It is there.
    Given {
        /// The image.
        image: ImageRef,
    },
}

/// What the machine wants done next.
///
/// # Stability
///
/// A value for journals: [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Survey what could keep the deployment from working, and read the service. A read.
    Preflight {
        /// Whether an image will be built.
        builds: bool,
    },
    /// Ask how the service spells a revision that a person named. A read.
    Resolve {
        /// The revision, as it was named.
        revision: RevisionId,
    },
    /// Ask the registry for a tag. A read.
    FindImage {
        /// The tag.
        tag: ImageTag,
    },
    /// Build and push. A change, of the registry only; may be dropped, which ends the build.
    Build {
        /// What.
        request: BuildRequest,
    },
    /// Register a revision that runs the image. A change that nothing runs.
    Register {
        /// The image.
        image: ImageRef,
    },
    /// Change what the service runs. A change; drop it only to stop.
    Update {
        /// To what.
        update: Update,
        /// Whether it takes the service back, which goes ahead even without a journal.
        restores: bool,
    },
    /// Read the service. A read.
    Observe,
    /// Read how far a deployment is. A read.
    Follow {
        /// Which.
        deployment: DeploymentId,
    },
    /// Ask one check once. A read, as far as this crate knows.
    Check {
        /// Which.
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
        /// Until then.
        until: Timestamp,
    },
}

/// One of the checks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckId {
    /// Of which kind.
    pub kind: CheckKind,
    /// Its place among those of its kind.
    pub index: usize,
}

/// What a check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Asked again and again, until it is good so many times in a row.
    Health,
    /// Asked once.
    Smoke,
}

/// What happened, told to the machine with its time.
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
    /// What [`Action::Preflight`] brought.
    Preflighted {
        /// What the surveys found.
        findings: Result<Vec<Finding>, Failure>,
        /// The service; `None` where there is none.
        service: Result<Option<ServiceObservation>, Failure>,
    },
    /// What [`Action::Resolve`] brought.
    Resolved(Result<RevisionId, Failure>),
    /// What [`Action::FindImage`] brought.
    ImageFound(Result<Option<ImageRef>, Failure>),
    /// What [`Action::Build`] brought.
    Built(Result<ImageRef, Failure>),
    /// What [`Action::Register`] brought.
    Registered(Result<Registration, Failure>),
    /// What [`Action::Update`] brought.
    Updated(Result<DeploymentId, Failure>),
    /// What [`Action::Observe`] brought.
    Observed(Result<Option<ServiceObservation>, Failure>),
    /// What [`Action::Follow`] brought.
    Followed(Result<DeploymentProgress, Failure>),
    /// What [`Action::Check`] brought.
    Checked(CheckReport),
    /// What [`Action::Tag`] brought.
    Tagged(Result<Tagging, Failure>),
    /// [`Action::Wait`] is over.
    Waited {
        /// Real time did not pass with it: the run is on a clock that cannot be trusted.
        clock_fault: bool,
    },
    /// A change that was to be journalled first was not begun.
    NotBegun(Failure),
    /// Somebody takes control.
    Control(Control),
    /// The journal does not keep its records.
    JournalFailed(Failure),
}

/// What a process left undone when it ended before its run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Unfinished {
    /// The revision that it brought, whose checks nobody saw to their end: what fails for it is
    /// taken back, as that process would have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<RevisionId>,
    /// Why it was taking the service back: the next process does nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restoring: Option<Cause>,
    /// Where to, where that is a revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restoring_to: Option<RevisionId>,
    /// Deployments that it replaced: a read that shows one of them may be old. Since version 4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<DeploymentId>,
    /// Whether there was no service before it. Since version 4.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_absent: bool,
    /// The version of that process's journal, if that is an earlier one. Since version 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
}

/// An entry of a deployment's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first: what was decided before the start.
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
        /// How long after a change a read may show an older state, as the deployer says. Since
        /// version 4.
        #[serde(default)]
        propagation: Duration,
        /// What an earlier process of this run left undone.
        #[serde(default)]
        unfinished: Unfinished,
        /// What the embedder wants to find again.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        origin: serde_json::Value,
    },
    /// What the machine was told.
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
    /// As a record's entry.
    pub(crate) fn text(&self) -> JsonText {
        text(self)
    }
}

/// What a run writes at each step, as [`Entry`] holds it.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Input { input: &'a Input },
    Change { action: &'a Action },
}

impl Written<'_> {
    /// As a record's entry.
    pub(super) fn text(&self) -> JsonText {
        text(self)
    }
}

fn text(entry: &impl Serialize) -> JsonText {
    // Only maps with keys that are no text cannot be JSON, and there are none.
    JsonText::of(entry).unwrap_or_else(|_| serde_json::Value::Null.into())
}
