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
    /// The surveys are under way, or wait to be tried again. Left to `Finding`, `Registering`, or `Restoring`.
    Preflight(Retry),
    /// The registry is asked for the tag, or will be asked again. Left to `Building` or `Registering`.
    Finding(Retry, BuildRequest),
    /// The image is being built and pushed. Left to `Registering`.
    Building,
    /// A revision is being registered. Left to `Updating`, `Following`, or `Probing`.
    Registering(Registering),
    /// A change of the service is under way. Left to `Following` or `Verifying`.
    Updating(Write),
    /// A change failed, or its outcome is unknown: the service is being read, or will be. Left to
    /// `Following`, to `Updating` for another try, to `Holding`, or to `Ended`.
    Verifying(Write, Failure),
    /// A rollout is followed. Left to `Probing` or `Restoring`.
    Following(Follow),
    /// Health checks are asked. Left to `Smoking` or `Restoring`.
    Probing(Probe),
    /// Smoke tests are asked. Left to `Confirming` or `Restoring`.
    Smoking(Smoke),
    /// The service is read once more, after its checks. Left to `Tagging`.
    Confirming { until: Timestamp },
    /// The image gets its further tag. Left to `Ended`, even if that fails.
    Tagging,
    /// The service is rolled back: read, changed, read again, until it is in its former state.
    Restoring(Restore),
    /// The service is left as it is: it is read once more, so that the outcome can state it.
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
    /// Whether it failed, and waits to be tried again.
    pub(super) waits: bool,
    /// The control that ends the run once the register call has finished.
    pub(super) then: Option<Control>,
}

/// A change to the new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Write {
    pub(super) update: Update,
    pub(super) attempt: u32,
    pub(super) give_up: Timestamp,
    /// How often in a row a read showed the state before the change.
    pub(super) unmoved: u32,
    /// The control that ends the run once the change has finished.
    pub(super) then: Option<Control>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Follow {
    pub(super) deployment: DeploymentId,
    pub(super) deadline: Timestamp,
    /// The counts that were told last.
    pub(super) told: Option<[u32; 4]>,
    /// Whether the service goes back by itself, and an event has told so.
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
    /// When the run gives up, and a person must look.
    pub(super) deadline: Timestamp,
    pub(super) failure: Option<Failure>,
    /// The update that was sent last.
    pub(super) update: Option<Update>,
    /// Whether the rollback is under way: its change was accepted, or the service acts by itself.
    pub(super) under_way: bool,
    /// How often the rollback has waited.
    pub(super) polls: u32,
    /// The service as the last event showed it.
    pub(super) told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RestoreStage {
    Reading,
    Writing,
    Waiting,
}

/// The events and stopped tasks that the service has reported already, so that none is told twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    events: Vec<String>,
    tasks: Vec<String>,
}

/// A service repeats its reports; this many are remembered.
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

/// The knowledge by which a read is judged old, current, or a third party's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reads {
    /// When the call of the newest change ended. In a process that resumes a run, when the process began:
    /// the clock of another process proves nothing.
    pub(super) ended: Timestamp,
    /// Deployments that the newest change or an earlier change of this run has replaced.
    pub(super) older: Vec<DeploymentId>,
    /// Whether there was no service before the newest change.
    pub(super) was_absent: bool,
    /// The same knowledge before the change that is under way, in case that change is refused.
    pub(super) before: Option<Box<Reads>>,
    /// The deployment of the newest change, if its answer named one.
    pub(super) accepted: Option<DeploymentId>,
    /// The service according to that answer.
    pub(super) answer: Option<ServiceObservation>,
    /// Whether a read has shown the newest change.
    pub(super) seen: bool,
    /// The time of the first read of an unbroken row that nothing explains.
    pub(super) foreign: Option<Timestamp>,
}
