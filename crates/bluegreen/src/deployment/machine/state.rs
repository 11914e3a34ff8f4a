//! The states of a deployment; each carries exactly what is valid in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    check::CheckReport,
    deployment::{DeploymentOutcome, HoldReason, Unresolved},
    engine::Control,
    error::Failure,
    image::{BuildRequest, ImageRef},
    service::{DeploymentId, ServiceEvent, ServiceObservation, StoppedTask, Target, Update},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Before [`Input::Start`](crate::deployment::Input::Start).
    New,
    /// The surveys are out, or are waited to be tried again. Left for the image, or a rollback.
    Preflight(Retry),
    /// The registry is asked for the tag, or is to be asked again. Left to build or register.
    Finding(Retry, BuildRequest),
    /// The image is being built and pushed. Left to register.
    Building,
    /// A revision is being registered. Left to update, to follow, or to check.
    Registering(Registering),
    /// A change of the service is under way. Left to follow it or to verify.
    Updating(Write),
    /// A change failed or is unknown: the service is being read, or will be. Left to follow, to
    /// try again, or to give up.
    Verifying(Write, Failure),
    /// A rollout is followed. Left to check, or to take it back.
    Following(Follow),
    /// Health checks are asked. Left to the smoke tests, or to take it back.
    Probing(Probe),
    /// Smoke tests are asked. Left to confirm, or to take it back.
    Smoking(Smoke),
    /// The service is read once more, after its checks. Left to the further tag.
    Confirming { until: Timestamp },
    /// The image gets its further tag. Left to the end, whatever comes of it.
    Tagging,
    /// The service is on its way back: read, changed, read again, until it runs what it ran.
    Restoring(Restore),
    /// The service is left as it is: it is read once more, so that the end can state it.
    Holding(HoldReason, Retry),
    /// Over.
    Ended(Box<End>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Known(DeploymentOutcome),
    Unresolved(Unresolved),
}

/// A read that is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retry {
    pub(super) attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registering {
    pub(super) image: ImageRef,
    pub(super) attempt: u32,
    /// It failed, and is waited to be tried again.
    pub(super) waits: bool,
    /// What ends the run once the register has finished.
    pub(super) then: Option<Control>,
}

/// A change forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Write {
    pub(super) update: Update,
    pub(super) attempt: u32,
    pub(super) give_up: Timestamp,
    /// How often in a row the service was read as if nothing had happened.
    pub(super) unmoved: u32,
    /// What takes it back once the change has finished.
    pub(super) then: Option<Control>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Follow {
    pub(super) deployment: DeploymentId,
    pub(super) deadline: Timestamp,
    /// The counts that were told last.
    pub(super) told: Option<[u32; 4]>,
    /// The service goes back by itself, and was told to.
    pub(super) goes_back: bool,
    pub(super) stopped: Vec<StoppedTask>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probe {
    pub(super) index: usize,
    pub(super) in_a_row: u32,
    pub(super) deadline: Timestamp,
    /// When this round of all checks began.
    pub(super) asked_at: Timestamp,
    pub(super) failed: Option<CheckReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Smoke {
    pub(super) index: usize,
    pub(super) failed: Vec<CheckReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restore {
    pub(super) to: Target,
    pub(super) stage: RestoreStage,
    pub(super) attempt: u32,
    /// When changes are no longer tried again.
    pub(super) write_until: Timestamp,
    /// When somebody must look.
    pub(super) deadline: Timestamp,
    pub(super) failure: Option<Failure>,
    /// What was sent last.
    pub(super) update: Option<Update>,
    /// What brings it back is under way: the change was accepted, or the service acts by itself.
    pub(super) under_way: bool,
    /// How often it waited.
    pub(super) polls: u32,
    /// What was told last of it.
    pub(super) told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RestoreStage {
    Reading,
    Writing,
    Waiting,
}

/// What the service said already, so that nothing is told twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    events: Vec<String>,
    tasks: Vec<String>,
}

/// A service repeats itself; this many of its words are remembered.
const REMEMBERED: usize = 200;

impl Said {
    pub(super) fn is_new_event(&mut self, event: &ServiceEvent) -> bool {
        is_new(&mut self.events, &event.id)
    }

    pub(super) fn is_new_task(&mut self, task: &StoppedTask) -> bool {
        is_new(&mut self.tasks, &task.task)
    }
}

fn is_new(known: &mut Vec<String>, id: &str) -> bool {
    if known.iter().any(|one| one == id) {
        return false;
    }
    if known.len() == REMEMBERED {
        known.remove(0);
    }
    known.push(id.to_owned());
    true
}

/// What reads are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reads {
    /// When the call of the newest change ended. For a run that continues another, when it began:
    /// the clock of another process proves nothing.
    pub(super) ended: Timestamp,
    /// Deployments that the newest change has replaced, or an earlier one of this run.
    pub(super) older: Vec<DeploymentId>,
    /// Whether there was no service before the newest change.
    pub(super) was_absent: bool,
    /// What to go back to if the change that is under way is refused.
    pub(super) before: Option<Box<Reads>>,
    /// The deployment of the newest change, if its answer says so.
    pub(super) accepted: Option<DeploymentId>,
    /// The service as that answer has it.
    pub(super) answer: Option<ServiceObservation>,
    /// Whether a read has shown it.
    pub(super) seen: bool,
    /// The first of an unbroken row of reads that nothing explains.
    pub(super) foreign: Option<Timestamp>,
}
