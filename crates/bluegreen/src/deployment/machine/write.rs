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
            Ok(deployment) => self.taken_on(at, write.then, deployment),
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
    fn taken_on(
        &mut self,
        at: Timestamp,
        then: Option<Control>,
        deployment: DeploymentId,
    ) -> Next<Action> {
        self.moved = true;
        self.left_behind.clear();
        self.tell(DeploymentEvent::Updated {
            deployment: deployment.clone(),
        });
        match then {
            None => self.start_following(at, deployment),
            Some(control) => self.end_by(at, control),
        }
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
    ) -> Next<Action> {
        let deadline = later(at, self.plan.rollout_deadline());
        self.follow(Follow {
            deployment,
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
                self.taken_on(at, write.then, found.deployment)
            }
            Some(found) if !is_same => self.superseded(at, found.deployment, found.revision),
            None if !is_same => self.hold(at, HoldReason::Gone),
            found => {
                if let Some(control) = write.then {
                    return self.unchanged(at, Unchanged::Cancelled { control });
                }
                let hopeless = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
                if hopeless || at >= write.give_up {
                    return self.unchanged(at, Unchanged::UpdateFailed { failure });
                }
                write.update.from = found;
                write.attempt += 1;
                self.write(write)
            }
        }
    }
}
