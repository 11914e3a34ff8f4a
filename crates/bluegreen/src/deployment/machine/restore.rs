//! Taking the service back: read, change, read again, until it runs what it ran before.

use jiff::Timestamp;

use super::{
    Action, Cause, DeploymentEvent, DeploymentId, DeploymentMachine, DeploymentOutcome, Failure,
    HoldReason, Intent, Next, RestoreStage, RevisionId, RollbackPoint, State, Target, Unchanged,
    before::back_off,
    state::{Restore, Retry},
    write::LOOKS,
};
use crate::{
    clock::later,
    service::{Rollout, ServiceObservation, Update},
};

impl DeploymentMachine {
    /// A rollback was asked for: where does it go?
    pub(super) fn on_rollback_surveyed(
        &mut self,
        at: Timestamp,
        retry: Retry,
        observed: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        let service = match observed {
            Ok(service) => service,
            Err(failure) => {
                let retry_at = self.read_failed(at, retry.attempt, &failure);
                let Some(until) = retry_at else {
                    return self.unchanged(at, Unchanged::ReadFailed { failure });
                };
                self.state = State::Preflight(Retry {
                    attempt: retry.attempt + 1,
                });
                return Next::Do(Action::Wait { until });
            }
        };
        self.remember(at, service);
        match &self.intent {
            Intent::RollBack {
                to: Some(revision), ..
            } => {
                let revision = revision.clone();
                self.state = State::Preflight(retry);
                Next::Do(Action::Resolve { revision })
            }
            _ => self.roll_back_to(at, None),
        }
    }

    /// The revision that was asked for, as the service spells it.
    pub(super) fn on_resolved(
        &mut self,
        at: Timestamp,
        retry: Retry,
        resolved: Result<RevisionId, Failure>,
    ) -> Next<Action> {
        match resolved {
            Ok(revision) => self.roll_back_to(at, Some(revision)),
            Err(failure) => match self.read_failed(at, retry.attempt, &failure) {
                Some(until) => {
                    let attempt = retry.attempt + 1;
                    self.state = State::Preflight(Retry { attempt });
                    Next::Do(Action::Wait { until })
                }
                None => self.unchanged(at, Unchanged::ReadFailed { failure }),
            },
        }
    }

    fn roll_back_to(&mut self, at: Timestamp, to: Option<RevisionId>) -> Next<Action> {
        let nothing = |why: String| Unchanged::NothingToRollBack { why };
        let Intent::RollBack { by, .. } = self.intent.clone() else {
            return self.unchanged(at, nothing("nothing was asked for".to_owned()));
        };
        let Some(service) = self.service().cloned() else {
            return self.unchanged(at, nothing("there is no such service".to_owned()));
        };
        let previous = match (to, &service.rollback_point) {
            (Some(to), _) => Target::Revision(to),
            (None, Some(point)) if point.deployed == service.revision => point.previous.clone(),
            // It is there, or on its way there: an earlier rollback was cut off.
            (None, Some(point)) if service.heads_for(&point.previous) => point.previous.clone(),
            (None, Some(point)) => {
                let (runs, deployed) = (&service.revision, &point.deployed);
                let why = format!(
                    "it runs {runs}, which is neither {deployed}, the last deployment that was \
                     recorded, nor what ran before it; say which revision it is to go back to"
                );
                return self.unchanged(at, nothing(why));
            }
            (None, None) => {
                let why = "no deployment was recorded with the service; say which revision it is \
                           to go back to"
                    .to_owned();
                return self.unchanged(at, nothing(why));
            }
        };
        self.deployed = Some(service.revision.clone());
        self.point = Some(RollbackPoint {
            deployed: service.revision.clone(),
            previous: previous.clone(),
        });
        let unfinished = self.unfinished.restoring.clone();
        self.cause = Some(unfinished.unwrap_or(Cause::Asked { by }));
        let restore = self.restore(at, previous);
        self.on_restore_seen(at, restore, Ok(Some(service)))
    }

    /// Begins to take the service back.
    pub(super) fn take_back(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        self.cause = Some(cause.clone());
        let to = self.point.as_ref().map(|point| point.previous.clone());
        self.tell(DeploymentEvent::RollingBack {
            cause,
            to: to.clone(),
        });
        let Some(to) = to else {
            let summary = "it is to be taken back, but what ran before was not recorded";
            return self.unresolved(at, summary, None);
        };
        let restore = self.restore(at, to);
        self.restore_read(restore)
    }

    /// The service went back by itself: only what it runs now is to be read.
    pub(super) fn went_back(&mut self, at: Timestamp, cause: Cause, to: Target) -> Next<Action> {
        self.cause = Some(cause.clone());
        self.tell(DeploymentEvent::RollingBack {
            cause,
            to: Some(to.clone()),
        });
        let restore = self.restore(at, to);
        self.restore_read(restore)
    }

    fn restore(&self, at: Timestamp, to: Target) -> Restore {
        Restore {
            to,
            stage: RestoreStage::Reading,
            attempt: 0,
            write_until: later(at, self.plan.write_within()),
            deadline: later(at, self.plan.rollback_deadline()),
            failure: None,
            absent: 0,
            told: None,
        }
    }

    pub(super) fn restore_read(&mut self, mut restore: Restore) -> Next<Action> {
        restore.stage = RestoreStage::Reading;
        self.state = State::Restoring(restore);
        Next::Do(Action::Observe)
    }

    fn restore_wait(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        until: Timestamp,
    ) -> Next<Action> {
        if at >= restore.deadline {
            let summary = "the service did not come back in time";
            return self.unresolved(at, summary, restore.failure);
        }
        restore.stage = RestoreStage::Waiting;
        self.state = State::Restoring(restore);
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_restore_seen(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        observed: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        let service = match observed {
            Ok(Some(service)) => service,
            Ok(None) => {
                self.remember(at, None);
                restore.absent += 1;
                if self.moved && restore.absent < LOOKS {
                    // What was created a moment ago may not be shown yet.
                    let until = later(at, back_off(restore.absent));
                    return self.restore_wait(at, restore, until);
                }
                return match restore.to {
                    Target::Nothing => self.restored(at, restore.to),
                    Target::Revision(_) => self.hold(at, HoldReason::Gone),
                };
            }
            Err(failure) => {
                restore.attempt += 1;
                let retry_at = later(at, back_off(restore.attempt));
                self.tell(DeploymentEvent::ReadFailed {
                    failure: failure.clone(),
                    retry_at,
                });
                restore.failure = Some(failure);
                return self.restore_wait(at, restore, retry_at);
            }
        };
        restore.absent = 0;
        self.remember(at, Some(service.clone()));
        if service.runs(&restore.to) {
            return self.restored(at, restore.to);
        }
        if service.heads_for(&restore.to) {
            let shown = service.to_string();
            if restore.told.as_ref() != Some(&shown) {
                restore.told = Some(shown);
                self.tell(DeploymentEvent::RollbackSeen {
                    service: service.clone(),
                });
            }
            // Fewer copies are no rollout: what failed before stays so.
            if service.rollout == Rollout::Failed && restore.to != Target::Nothing {
                let summary = "the rollout back has failed as well";
                return self.unresolved(at, summary, restore.failure);
            }
            let until = later(at, self.plan.poll_every());
            return self.restore_wait(at, restore, until);
        }
        if Some(&service.revision) != self.deployed.as_ref() {
            let (by, revision) = (service.deployment, service.revision);
            return self.hold(at, HoldReason::Superseded { by, revision });
        }
        if at >= restore.write_until {
            let summary = "the service could not be taken back";
            return self.unresolved(at, summary, restore.failure);
        }
        restore.stage = RestoreStage::Writing;
        restore.attempt += 1;
        self.tell(DeploymentEvent::Updating {
            to: restore.to.clone(),
            from: Some(service.revision.clone()),
            attempt: restore.attempt,
        });
        let update = Update {
            from: Some(service),
            to: restore.to.clone(),
            rollback_point: None,
        };
        self.moved = true;
        self.unseen = true;
        self.state = State::Restoring(restore);
        Next::Do(Action::Update {
            update,
            restores: true,
        })
    }

    pub(super) fn on_restore_sent(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        updated: Result<DeploymentId, Failure>,
    ) -> Next<Action> {
        match updated {
            Ok(deployment) => {
                self.tell(DeploymentEvent::Updated { deployment });
                self.restore_read(restore)
            }
            Err(failure) => {
                // Whatever it was, a denial included, it may be mended while there is time.
                let retry_at = later(at, back_off(restore.attempt));
                self.tell(DeploymentEvent::UpdateFailed {
                    failure: failure.clone(),
                    retry_at,
                });
                restore.failure = Some(failure);
                self.restore_wait(at, restore, retry_at)
            }
        }
    }

    fn restored(&mut self, at: Timestamp, to: Target) -> Next<Action> {
        let service = self.service().cloned();
        self.tell(DeploymentEvent::Restored {
            service: service.clone(),
        });
        if let (Target::Nothing, Some(service)) = (&to, &service) {
            let name = &service.service;
            self.left_behind = vec![format!("the service {name}, which runs nothing")];
        }
        let cause = self.cause.clone().unwrap_or(Cause::ClockFault);
        let report = self.report(at);
        self.end_known(DeploymentOutcome::RolledBack { cause, to, report })
    }
}
