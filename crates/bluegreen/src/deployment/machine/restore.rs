//! Rolling the service back: read, change, read again, until it is in its former state.

use jiff::Timestamp;

use super::{
    Action, Cause, DeploymentEvent, DeploymentId, DeploymentMachine, DeploymentOutcome, Failure,
    HoldReason, Intent, Next, RestoreStage, RevisionId, RollbackPoint, State, Target, Unchanged,
    state::{Restore, Retry},
};
use crate::{
    clock::later,
    engine::retry::{APART, back_off},
    error::ErrorKind,
    service::{Rollout, ServiceObservation, Update},
};

/// How often a rollback reads its target again if its change is refused, because the service is no longer as
/// it was read.
const SURVEYS: u32 = 5;

impl DeploymentMachine {
    /// Finds the target of a rollback that was asked for.
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
                    return self.unread(at, failure);
                };
                self.state = State::Preflight(Retry {
                    attempt: retry.attempt + 1,
                });
                return Next::Do(Action::Wait { until });
            }
        };
        if service.is_none() && self.is_older(at, None) && self.may_be_old(at) {
            return self.survey_later(at, retry);
        }
        self.remember(at, service);
        match &self.intent {
            Intent::RollBack {
                to: Some(revision), ..
            } => {
                let revision = revision.clone();
                self.state = State::Preflight(retry);
                Next::Do(Action::Resolve { revision })
            }
            _ => self.roll_back_to(at, retry.attempt, None),
        }
    }

    /// Takes the full name of the revision that was asked for.
    pub(super) fn on_resolved(
        &mut self,
        at: Timestamp,
        retry: Retry,
        resolved: Result<RevisionId, Failure>,
    ) -> Next<Action> {
        match resolved {
            Ok(revision) => self.roll_back_to(at, retry.attempt, Some(revision)),
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

    fn roll_back_to(
        &mut self,
        at: Timestamp,
        attempt: u32,
        to: Option<RevisionId>,
    ) -> Next<Action> {
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
            // The service is at the target or heads for it: an earlier rollback was cut off.
            (None, Some(point)) if service.heads_for(&point.previous) => point.previous.clone(),
            (None, Some(point)) => {
                let (runs, deployed) = (&service.revision, &point.deployed);
                let why = format!(
                    "the service runs {runs}, which is neither {deployed}, the last deployment that \
                     was recorded, nor the revision before that; name the revision to go back to"
                );
                return self.unchanged(at, nothing(why));
            }
            (None, None) => {
                let why = "no deployment was recorded with the service; name the revision to go \
                           back to"
                    .to_owned();
                return self.unchanged(at, nothing(why));
            }
        };
        let unfinished = self.unfinished.clone();
        // The revision of this read may be older than the revision that an earlier process brought.
        let brought = unfinished
            .unproven
            .filter(|_| unfinished.restoring.is_some());
        let deployed = brought.unwrap_or_else(|| service.revision.clone());
        self.deployed = Some(deployed.clone());
        self.point = Some(RollbackPoint {
            deployed,
            previous: previous.clone(),
        });
        self.cause = Some(unfinished.restoring.unwrap_or(Cause::Asked { by }));
        let mut restore = self.restore(at, previous);
        restore.attempt = attempt.saturating_sub(1);
        self.on_restore_seen(at, restore, Ok(Some(service)))
    }

    /// Begins to roll the service back.
    pub(super) fn take_back(&mut self, at: Timestamp, cause: Cause) -> Next<Action> {
        if self.only_begins() {
            // An update to the former revision would be one more deployment that pauses.
            let summary = "it is not known whether the deployment has begun; without an answer its pause \
                           times out";
            self.cause = Some(cause);
            return self.unresolved(at, summary, None);
        }
        self.cause = Some(cause.clone());
        let to = self.point.as_ref().map(|point| point.previous.clone());
        self.tell(DeploymentEvent::RollingBack {
            cause,
            to: to.clone(),
        });
        let Some(to) = to else {
            let summary = "the service is to be rolled back, but the state before was not recorded";
            return self.unresolved(at, summary, None);
        };
        let restore = self.restore(at, to);
        self.restore_read(restore)
    }

    /// Reads the service, which went back by itself, until the rollback is seen; nothing is written.
    pub(super) fn went_back(&mut self, at: Timestamp, cause: Cause, to: Target) -> Next<Action> {
        self.cause = Some(cause.clone());
        self.tell(DeploymentEvent::RollingBack {
            cause,
            to: Some(to.clone()),
        });
        let mut restore = self.restore(at, to);
        restore.under_way = true;
        self.expect_the_way_back(at);
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
            update: None,
            under_way: false,
            polls: 0,
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
            return self.not_restored(at, restore, "the rollback did not finish in time");
        }
        restore.polls += 1;
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
        let found = match observed {
            Ok(found) => found,
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
        let is_older = self.is_older(at, found.as_ref());
        let Some(service) = found else {
            return self.on_restore_absent(at, restore, is_older);
        };
        if !is_older && service.heads_for(&restore.to) {
            return self.on_way_back(at, restore, service);
        }
        if !is_older && Some(&service.revision) != self.deployed.as_ref() {
            if self.is_first_sign(at) {
                return self.restore_wait(at, restore, later(at, APART));
            }
            self.remember(at, Some(service.clone()));
            let (by, revision) = (service.deployment, service.revision);
            self.expect(at, &by);
            return self.hold(at, HoldReason::Superseded { by, revision });
        }
        // The service is not back yet, or this read does not show it yet.
        self.explained();
        if restore.under_way {
            if self.may_be_old(at) {
                let until = self.read_again(at, self.plan.poll_every());
                return self.restore_wait(at, restore, until);
            }
            if restore.update.is_some() {
                self.tell(DeploymentEvent::NeverVisible {
                    to: restore.to.clone(),
                });
            }
            restore.under_way = false;
        }
        let is_own = self.is_accepted(&service.deployment);
        if !is_older && (is_own || !self.unseen || !self.may_be_old(at)) {
            self.remember(at, Some(service.clone()));
        }
        // If the read is old, the rollback is written over the state that was accepted last.
        let accepted = self.as_accepted().filter(|_| is_older);
        self.send_back(at, restore, accepted.unwrap_or(service))
    }

    /// Takes a read that shows no service.
    fn on_restore_absent(
        &mut self,
        at: Timestamp,
        restore: Restore,
        is_older: bool,
    ) -> Next<Action> {
        if is_older && self.may_be_old(at) {
            self.explained();
            let until = self.read_again(at, back_off(restore.polls + 1));
            return self.restore_wait(at, restore, until);
        }
        if is_older && self.is_unseen() {
            let summary = "the service was created, and no read shows it";
            return self.unresolved(at, summary, restore.failure);
        }
        if self.is_first_sign(at) {
            return self.restore_wait(at, restore, later(at, APART));
        }
        self.remember(at, None);
        match restore.to {
            Target::Nothing => self.restored(at, restore.to),
            Target::Revision(_) => self.hold(at, HoldReason::Gone),
        }
    }

    /// Takes a read that shows the target of the rollback, or a rollout to it.
    fn on_way_back(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        service: ServiceObservation,
    ) -> Next<Action> {
        self.shown();
        let until = later(at, self.plan.poll_every());
        // A process that has changed nothing itself cannot tell an old read from a new read.
        let is_asked = matches!(self.intent, Intent::RollBack { .. });
        if is_asked && !restore.under_way && self.may_be_old(at) {
            return match at >= restore.write_until {
                true => self.restore_wait(at, restore, until),
                false => self.send_back(at, restore, service),
            };
        }
        self.remember(at, Some(service.clone()));
        if service.runs(&restore.to) {
            return self.restored(at, restore.to);
        }
        let shown = service.to_string();
        if restore.told.as_ref() != Some(&shown) {
            restore.told = Some(shown);
            self.tell(DeploymentEvent::RollbackSeen {
                service: service.clone(),
            });
        }
        // To scale in is no rollout: a rollout that failed before still shows as failed.
        if service.rollout == Rollout::Failed && restore.to != Target::Nothing {
            let summary = "the rollout of the rollback has failed as well";
            return self.unresolved(at, summary, restore.failure);
        }
        self.restore_wait(at, restore, until)
    }

    fn send_back(
        &mut self,
        at: Timestamp,
        mut restore: Restore,
        from: ServiceObservation,
    ) -> Next<Action> {
        if at >= restore.write_until {
            return self.not_restored(at, restore, "the service could not be rolled back");
        }
        restore.stage = RestoreStage::Writing;
        restore.attempt += 1;
        self.tell(DeploymentEvent::Updating {
            to: restore.to.clone(),
            from: Some(from.revision.clone()),
            attempt: restore.attempt,
        });
        let update = Update {
            from: Some(from),
            to: restore.to.clone(),
            rollback_point: None,
            older: self.known(),
        };
        self.sends(at, &update);
        restore.update = Some(update.clone());
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
                self.moved = true;
                if let Some(update) = &restore.update {
                    self.accepted(at, update, &deployment);
                }
                restore.under_way = true;
                restore.failure = None;
                self.tell(DeploymentEvent::Updated { deployment });
                self.restore_read(restore)
            }
            Err(failure) => {
                if failure.kind == ErrorKind::OutcomeUnknown {
                    self.moved = true;
                    self.unanswered(at);
                } else {
                    self.not_sent();
                }
                // Any failure, even a denial, may be mended before the deadline.
                let retry_at = later(at, back_off(restore.attempt));
                self.tell(DeploymentEvent::UpdateFailed {
                    failure: failure.clone(),
                    retry_at,
                });
                let is_asked = matches!(self.intent, Intent::RollBack { .. });
                let is_old = failure.kind == ErrorKind::Conflict && restore.attempt < SURVEYS;
                if is_asked && is_old {
                    // The first read of the rollback may have been old: its target is read again.
                    if !self.moved {
                        self.cause = None;
                        self.point = None;
                        self.deployed = None;
                    }
                    self.state = State::Preflight(Retry {
                        attempt: restore.attempt + 1,
                    });
                    return Next::Do(Action::Wait { until: retry_at });
                }
                restore.failure = Some(failure);
                self.restore_wait(at, restore, retry_at)
            }
        }
    }

    /// Ends with a service that is not rolled back, or not seen to be.
    fn not_restored(&mut self, at: Timestamp, restore: Restore, summary: &str) -> Next<Action> {
        let is_unseen = restore.update.is_some() && self.is_unseen();
        let unseen = "a change that rolls the service back was accepted, and no read shows it";
        self.unresolved(
            at,
            if is_unseen { unseen } else { summary },
            restore.failure,
        )
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
