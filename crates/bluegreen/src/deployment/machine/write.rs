//! The change of the service: written, and observed wherever its outcome is not known.

use jiff::Timestamp;

use super::{
    Action, Cause, Control, DeploymentEvent, DeploymentId, DeploymentMachine, Failure, HoldReason,
    Next, RollbackPoint, State, Target, Unchanged,
    before::back_off,
    state::{Follow, Write},
};
use crate::{
    clock::later,
    engine::OnCancel,
    error::ErrorKind,
    service::{ServiceObservation, Update},
};

/// So often in a row a service must be read as if nothing had happened, before a change whose
/// answer was lost counts as one that did not happen: the service shows changes a moment late.
pub(super) const LOOKS: u32 = 3;

impl DeploymentMachine {
    pub(super) fn update(
        &mut self,
        at: Timestamp,
        from: Option<ServiceObservation>,
        point: RollbackPoint,
    ) -> Next<Action> {
        let update = Update {
            from,
            to: Target::Revision(point.deployed.clone()),
            rollback_point: Some(point.clone()),
        };
        self.point = Some(point);
        self.write(Write {
            update,
            attempt: 1,
            give_up: later(at, self.plan.write_within()),
            unmoved: 0,
            then: None,
        })
    }

    fn write(&mut self, write: Write) -> Next<Action> {
        let update = write.update.clone();
        self.tell(DeploymentEvent::Updating {
            to: update.to.clone(),
            from: update.from.as_ref().map(|from| from.revision.clone()),
            attempt: write.attempt,
        });
        self.state = State::Updating(write);
        self.unseen = true;
        Next::Do(Action::Update {
            update,
            restores: false,
        })
    }

    pub(super) fn on_updated(
        &mut self,
        at: Timestamp,
        write: Write,
        updated: Result<DeploymentId, Failure>,
    ) -> Next<Action> {
        match updated {
            Ok(deployment) => self.taken_on(at, &write, deployment),
            Err(failure) => {
                let retry_at = later(at, back_off(write.attempt));
                self.tell(DeploymentEvent::UpdateFailed {
                    failure: failure.clone(),
                    retry_at,
                });
                self.state = State::Verifying(write, failure);
                Next::Do(Action::Wait { until: retry_at })
            }
        }
    }

    /// The change is there; goes on, or does what was asked for meanwhile.
    fn taken_on(&mut self, at: Timestamp, write: &Write, deployment: DeploymentId) -> Next<Action> {
        self.moved = true;
        self.left_behind.clear();
        self.tell(DeploymentEvent::Updated {
            deployment: deployment.clone(),
        });
        if let Some(control) = write.then.clone() {
            return self.end_by(at, control);
        }
        if let Some(failure) = self.journal_failed.take() {
            return self.take_back(at, Cause::JournalFailed { failure });
        }
        let replaced = write.update.from.as_ref();
        let replaced = replaced.map(|from| from.deployment.clone());
        self.start_following(at, deployment, replaced)
    }

    /// What a control that ends a changed run means.
    pub(super) fn end_by(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        let holds = match &control {
            Control::Hold { .. } => true,
            Control::Cancel { .. } => self.plan.on_cancel() == OnCancel::Hold,
            _ => false,
        };
        if holds {
            self.hold(at, HoldReason::Asked { control })
        } else {
            self.take_back(at, Cause::Cancelled { control })
        }
    }

    pub(super) fn start_following(
        &mut self,
        at: Timestamp,
        deployment: DeploymentId,
        replaced: Option<DeploymentId>,
    ) -> Next<Action> {
        let deadline = later(at, self.plan.rollout_deadline());
        self.follow(Follow {
            deployment,
            replaced,
            deadline,
            told: None,
            goes_back: false,
            stopped: Vec::new(),
        })
    }

    pub(super) fn on_verified(
        &mut self,
        at: Timestamp,
        mut write: Write,
        failure: Failure,
        observed: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        let found = match observed {
            Ok(found) => found,
            Err(unread) if at >= write.give_up => {
                return self.unresolved(
                    at,
                    "nobody can tell whether the update happened",
                    Some(unread),
                );
            }
            Err(unread) => {
                write.attempt += 1;
                let retry_at = later(at, back_off(write.attempt));
                self.tell(DeploymentEvent::ReadFailed {
                    failure: unread,
                    retry_at,
                });
                self.state = State::Verifying(write, failure);
                return Next::Do(Action::Wait { until: retry_at });
            }
        };
        self.remember(at, found.clone());
        let before = write.update.from.as_ref();
        let is_same = match (&found, before) {
            (Some(found), Some(before)) => found.deployment == before.deployment,
            (None, None) => true,
            _ => false,
        };
        match found {
            // It happened, whatever the answer was.
            Some(found)
                if !is_same && write.update.to == Target::Revision(found.revision.clone()) =>
            {
                self.taken_on(at, &write, found.deployment)
            }
            Some(found) if !is_same => self.superseded(at, found.deployment, found.revision),
            None if !is_same => self.hold(at, HoldReason::Gone),
            found => {
                write.unmoved += 1;
                if failure.kind == ErrorKind::OutcomeUnknown && write.unmoved < LOOKS {
                    // What happened a moment ago may not be shown yet.
                    let until = later(at, back_off(write.unmoved + 1));
                    self.state = State::Verifying(write, failure);
                    return Next::Do(Action::Wait { until });
                }
                if let Some(failure) = self.journal_failed.take() {
                    return self.unchanged(at, Unchanged::JournalFailed { failure });
                }
                if let Some(control) = write.then {
                    return self.unchanged(at, Unchanged::Cancelled { control });
                }
                let hopeless = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
                if hopeless || at >= write.give_up {
                    return self.unchanged(at, Unchanged::UpdateFailed { failure });
                }
                write.update.from = found;
                write.unmoved = 0;
                write.attempt += 1;
                self.write(write)
            }
        }
    }
}
