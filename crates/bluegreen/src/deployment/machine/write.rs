//! The change of the service: written, and observed if its outcome is not known.

use jiff::Timestamp;

use super::{
    Action, Cause, Control, DeploymentEvent, DeploymentId, DeploymentMachine, DeploymentOutcome,
    Failure, HoldReason, Intent, Next, RollbackPoint, State, Target, Unchanged,
    state::{Follow, Write},
};
use crate::{
    clock::later,
    engine::{
        OnCancel,
        retry::{APART, back_off},
    },
    error::ErrorKind,
    service::{ServiceObservation, Update},
};

/// The most looks for the effect of a change whose answer was lost, in case waits take no time.
pub(super) const MOST_LOOKS: u32 = 20;

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
            older: Vec::new(),
        };
        self.point = Some(point);
        let give_up = later(at, self.plan.write_within());
        self.write(
            at,
            Write {
                update,
                attempt: 1,
                give_up,
                unmoved: 0,
                then: None,
            },
        )
    }

    fn write(&mut self, at: Timestamp, write: Write) -> Next<Action> {
        let update = write.update.clone();
        self.sends(at, &update);
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
            Ok(deployment) => {
                self.accepted(at, &write.update, &deployment);
                self.taken_on(at, &write, deployment)
            }
            Err(failure) => {
                if failure.kind == ErrorKind::OutcomeUnknown {
                    self.moved = true;
                    self.unanswered(at);
                }
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

    /// The change has happened: continues, or carries out the control that came meanwhile.
    fn taken_on(&mut self, at: Timestamp, write: &Write, deployment: DeploymentId) -> Next<Action> {
        self.moved = true;
        self.left_behind.clear();
        self.tell(DeploymentEvent::Updated {
            deployment: deployment.clone(),
        });
        if self.only_begins() {
            return self.begun(at, deployment, write.then.clone());
        }
        if let Some(control) = write.then.clone() {
            return self.end_by(at, control);
        }
        if let Some(failure) = self.journal_failure.take() {
            return self.take_back(at, Cause::JournalFailed { failure });
        }
        self.start_following(at, deployment)
    }

    /// Carries out a control that ends the run after the service was changed.
    pub(super) fn end_by(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        let begun = self.service().filter(|_| self.only_begins());
        if let Some(service) = begun {
            let deployment = service.deployment.clone();
            return self.begun(at, deployment, Some(control));
        }
        let holds = match &control {
            Control::Leave { .. } => true,
            Control::Cancel { .. } => self.plan.on_cancel() == OnCancel::Hold,
            _ => false,
        };
        if holds {
            self.hold(at, HoldReason::Asked { control })
        } else {
            self.take_back(at, Cause::Cancelled { control })
        }
    }

    /// Whether the run ends with the accepted update.
    pub(super) fn only_begins(&self) -> bool {
        matches!(self.intent, Intent::Begin { .. })
    }

    /// Ends the run with the accepted update; a judge carries out the control that came meanwhile.
    fn begun(
        &mut self,
        at: Timestamp,
        deployment: DeploymentId,
        then: Option<Control>,
    ) -> Next<Action> {
        let Some(revision) = self.deployed.clone() else {
            let summary = "a deployment has begun, and its revision is not known";
            return self.unresolved(at, summary, None);
        };
        let report = self.report(at);
        self.end_known(DeploymentOutcome::Begun {
            deployment,
            revision,
            then,
            report,
        })
    }

    pub(super) fn start_following(
        &mut self,
        at: Timestamp,
        deployment: DeploymentId,
    ) -> Next<Action> {
        if self.only_begins() {
            return self.begun(at, deployment, None);
        }
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
                    "it is not known whether the update happened",
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
        let is_target = |found: &ServiceObservation| {
            write.update.to == Target::Revision(found.revision.clone())
        };
        if !self.is_older(at, found.as_ref()) {
            return match found {
                // The update happened, although its answer was an error.
                Some(found) if is_target(&found) => {
                    let deployment = found.deployment.clone();
                    self.accepted(at, &write.update, &deployment);
                    self.shown();
                    self.remember(at, Some(found));
                    self.taken_on(at, &write, deployment)
                }
                _ if self.is_first_sign(at) => {
                    self.state = State::Verifying(write, failure);
                    Next::Do(Action::Wait {
                        until: later(at, APART),
                    })
                }
                Some(found) => {
                    let (by, revision) = (found.deployment.clone(), found.revision.clone());
                    self.remember(at, Some(found));
                    self.superseded(at, by, revision)
                }
                None => {
                    self.remember(at, None);
                    self.hold(at, HoldReason::Gone)
                }
            };
        }
        self.explained();
        if failure.kind == ErrorKind::OutcomeUnknown && self.may_be_old(at) {
            write.unmoved += 1;
            if write.unmoved > MOST_LOOKS {
                let summary =
                    "it is not known whether the update happened: waits take no time on this clock";
                return self.unresolved(at, summary, Some(failure));
            }
            // A read may not show yet what happened a moment ago.
            let until = self.read_again(at, back_off(write.unmoved + 1));
            self.state = State::Verifying(write, failure);
            return Next::Do(Action::Wait { until });
        }
        // The update did not happen.
        self.moved = false;
        self.not_sent();
        self.remember(at, found.clone());
        if let Some(failure) = self.journal_failure.take() {
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
        self.write(at, write)
    }
}
