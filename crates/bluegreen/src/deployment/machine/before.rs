//! Before the service is changed: preflight, image, revision.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, DeploymentEvent, DeploymentMachine, Failure, ImageRef, Intent, Next,
    RevisionId, RollbackPoint, State, Target, Unchanged,
    state::{Follow, Probe, Registering, Retry, Smoke},
};
use crate::{
    clock::later,
    deployment::ImageSource,
    engine::{
        JOURNAL_VERSION,
        retry::{ATTEMPTS, back_off},
    },
    image::BuildRequest,
    preflight::{Acceptance, Finding},
    service::{Registration, Rollout, ServiceObservation},
};

/// The wait between two surveys while reads may not show the changes of an earlier process yet.
const SURVEY_AGAIN: Duration = Duration::from_secs(4);

impl DeploymentMachine {
    pub(super) fn on_start(&mut self, at: Timestamp, intent: Intent) -> Next<Action> {
        self.started = at;
        self.intent = intent.clone();
        self.begin_reads(at);
        self.tell(DeploymentEvent::Started {
            intent: intent.clone(),
            plan: self.plan.clone(),
        });
        if let Some(found) = self.unfinished.found {
            self.tell(DeploymentEvent::Reopened {
                found,
                version: JOURNAL_VERSION,
            });
        }
        match intent {
            Intent::Deploy { .. } | Intent::Begin { .. } | Intent::RollBack { .. } => {
                self.survey(Retry { attempt: 1 })
            }
            Intent::CheckHealth => self.start_probing(at),
            Intent::Smoke => self.start_smoking(at),
        }
    }

    pub(super) fn survey(&mut self, retry: Retry) -> Next<Action> {
        self.state = State::Preflight(retry);
        // A rollback needs no survey: no finding would be a reason to leave the service as it is.
        match &self.intent {
            Intent::Deploy { image } | Intent::Begin { image } => Next::Do(Action::Preflight {
                builds: matches!(image, ImageSource::Build { .. }),
            }),
            _ => Next::Do(Action::Observe),
        }
    }

    pub(super) fn on_preflighted(
        &mut self,
        at: Timestamp,
        retry: Retry,
        findings: Result<Vec<Finding>, Failure>,
        service: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        let (findings, service) = match (findings, service) {
            (Ok(findings), Ok(service)) => (findings, service),
            (Err(failure), _) | (_, Err(failure)) => {
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
        if self.may_precede(at, service.as_ref()) {
            return self.survey_later(at, retry);
        }
        self.remember(at, service.clone());
        if let Some(control) = self.awaits.take() {
            return self.end_before_change(at, control);
        }
        if let Some(point) = self.goes_back_unseen(service.as_ref()) {
            let to = point.previous.clone();
            self.deployed = Some(point.deployed.clone());
            self.point = Some(point);
            let cause = Cause::RolloutFailed {
                reason: "the service goes back by itself".to_owned(),
                stopped: Vec::new(),
            };
            return self.went_back(at, cause, to);
        }
        let mut accepted = self.plan.accepted().clone();
        if self.health_checks + self.smoke_tests == 0 {
            // Without checks, no check can pass because it reached the wrong service.
            accepted.insert(Acceptance::NoTestRoute);
        }
        let is_refused = findings.iter().any(|one| one.stops(&accepted));
        if is_refused && self.is_resumed() && self.may_be_old(at) {
            // An earlier process may have made the missing thing a moment ago.
            return self.survey_later(at, retry);
        }
        if is_refused {
            let is_accepted = |risk: Acceptance| risk.is_accepted_by(&accepted);
            let findings = findings.into_iter().map(|one| one.marked(is_accepted));
            let findings = findings.collect();
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        self.tell(DeploymentEvent::PreflightPassed { findings, service });
        match self.intent.clone() {
            Intent::Deploy { image } | Intent::Begin { image } => match image {
                ImageSource::Given { image } => self.register(image),
                ImageSource::Build {
                    request,
                    reuse: true,
                } => self.find(Retry { attempt: 1 }, request),
                ImageSource::Build { request, .. } => self.build(request),
            },
            // Only a deployment is surveyed.
            _ => self.unchanged(
                at,
                Unchanged::NothingToRollBack {
                    why: "nothing was asked for".to_owned(),
                },
            ),
        }
    }

    /// Reads again later, since reads may not show the changes of an earlier process of this run yet.
    pub(super) fn survey_later(&mut self, at: Timestamp, retry: Retry) -> Next<Action> {
        self.state = State::Preflight(retry);
        Next::Do(Action::Wait {
            until: self.read_again(at, SURVEY_AGAIN),
        })
    }

    /// Ends the run, since a read failed. This process changed nothing, but an earlier process may have.
    pub(super) fn unread(&mut self, at: Timestamp, failure: Failure) -> Next<Action> {
        if !self.is_resumed() {
            return self.unchanged(at, Unchanged::ReadFailed { failure });
        }
        self.unseen = true;
        let summary = "the service cannot be read, and an earlier process of this run may have \
                       changed it";
        self.unresolved(at, summary, Some(failure))
    }

    /// Whether an earlier process of this run may have changed the service.
    pub(super) fn is_resumed(&self) -> bool {
        self.unfinished.unproven.is_some() || self.unfinished.restoring.is_some()
    }

    /// Ends the run by a control before this process has changed anything. A revision that an earlier
    /// process of the run brought belongs to the run, so it is held or rolled back.
    pub(super) fn end_before_change(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        let unproven = self.unfinished.unproven.clone();
        let service = self.service().cloned();
        match (service, unproven) {
            (Some(service), Some(unproven)) if service.revision == unproven => {
                self.moved = true;
                let is_its = |point: &RollbackPoint| point.deployed == unproven;
                self.point = service.rollback_point.filter(is_its);
                self.deployed = Some(unproven);
                self.expect(at, &service.deployment);
                self.end_by(at, control)
            }
            _ => self.unchanged(at, Unchanged::Cancelled { control }),
        }
    }

    /// Returns the rollback point if the service itself is rolling back the revision of an earlier process of
    /// this run. After that rollback the service would look as if it had never changed, and the revision
    /// would be deployed again.
    fn goes_back_unseen(&self, service: Option<&ServiceObservation>) -> Option<RollbackPoint> {
        let (unproven, service) = (self.unfinished.unproven.as_ref()?, service?);
        let point = service.rollback_point.clone()?;
        let goes_back = service.rollout == Rollout::InProgress
            && service.revision != *unproven
            && service.heads_for(&point.previous);
        (point.deployed == *unproven && goes_back).then_some(point)
    }

    /// Returns when a failed read is tried again; `None` if it is not.
    pub(super) fn read_failed(
        &mut self,
        at: Timestamp,
        attempt: u32,
        failure: &Failure,
    ) -> Option<Timestamp> {
        if attempt >= ATTEMPTS || !failure.kind.is_transient() {
            return None;
        }
        let retry_at = later(at, back_off(attempt));
        self.tell(DeploymentEvent::ReadFailed {
            failure: failure.clone(),
            retry_at,
        });
        Some(retry_at)
    }

    pub(super) fn find(&mut self, retry: Retry, request: BuildRequest) -> Next<Action> {
        let tag = request.tag.clone();
        self.state = State::Finding(retry, request);
        Next::Do(Action::FindImage { tag })
    }

    pub(super) fn on_image_found(
        &mut self,
        at: Timestamp,
        retry: Retry,
        request: BuildRequest,
        found: Result<Option<ImageRef>, Failure>,
    ) -> Next<Action> {
        match found {
            Ok(Some(image)) => {
                self.tell(DeploymentEvent::ImageReused {
                    image: image.clone(),
                });
                self.register(image)
            }
            Ok(None) => self.build(request),
            Err(failure) => match self.read_failed(at, retry.attempt, &failure) {
                Some(until) => {
                    let attempt = retry.attempt + 1;
                    self.state = State::Finding(Retry { attempt }, request);
                    Next::Do(Action::Wait { until })
                }
                None => self.unchanged(at, Unchanged::ReadFailed { failure }),
            },
        }
    }

    fn build(&mut self, request: BuildRequest) -> Next<Action> {
        self.tell(DeploymentEvent::Building {
            request: request.clone(),
        });
        self.state = State::Building;
        Next::Do(Action::Build { request })
    }

    pub(super) fn on_built(
        &mut self,
        at: Timestamp,
        built: Result<ImageRef, Failure>,
    ) -> Next<Action> {
        match built {
            Ok(image) => {
                self.tell(DeploymentEvent::Built {
                    image: image.clone(),
                });
                self.left_behind.push(format!("the image {image}"));
                self.register(image)
            }
            Err(failure) => self.unchanged(at, Unchanged::BuildFailed { failure }),
        }
    }

    fn register(&mut self, image: ImageRef) -> Next<Action> {
        self.image = Some(image.clone());
        self.state = State::Registering(Registering {
            image: image.clone(),
            attempt: 1,
            waits: false,
            then: None,
        });
        Next::Do(Action::Register { image })
    }

    pub(super) fn register_again(&mut self, mut registering: Registering) -> Next<Action> {
        registering.waits = false;
        let image = registering.image.clone();
        self.state = State::Registering(registering);
        Next::Do(Action::Register { image })
    }

    pub(super) fn on_registered(
        &mut self,
        at: Timestamp,
        mut registering: Registering,
        registered: Result<Registration, Failure>,
    ) -> Next<Action> {
        let registration = match (registered, registering.then.take()) {
            (Ok(registration), then) => {
                if registration.is_new {
                    let revision = &registration.revision;
                    self.left_behind.push(format!("the revision {revision}"));
                }
                self.tell(DeploymentEvent::Registered {
                    registration: registration.clone(),
                });
                if let Some(control) = then {
                    return self.unchanged(at, Unchanged::Cancelled { control });
                }
                registration
            }
            (Err(_), Some(control)) => return self.unchanged(at, Unchanged::Cancelled { control }),
            (Err(failure), None) => {
                return match self.read_failed(at, registering.attempt, &failure) {
                    Some(until) => {
                        registering.attempt += 1;
                        registering.waits = true;
                        self.state = State::Registering(registering);
                        Next::Do(Action::Wait { until })
                    }
                    None => self.unchanged(at, Unchanged::RegisterFailed { failure }),
                };
            }
        };
        if let Some(failure) = self.journal_failure.take() {
            return self.unchanged(at, Unchanged::JournalFailed { failure });
        }
        let revision = registration.revision;
        self.deployed = Some(revision.clone());
        let Some(service) = self.service().cloned() else {
            let previous = Target::Nothing;
            return self.update(
                at,
                None,
                RollbackPoint {
                    deployed: revision,
                    previous,
                },
            );
        };
        let itself = Target::Revision(revision.clone());
        let point = service.rollback_point.clone();
        let point = point.filter(|point| point.deployed == revision && point.previous != itself);
        if service.revision == revision && service.desired > 0 {
            match (service.rollout, point) {
                (Rollout::Completed, Some(point))
                    if self.unfinished.unproven.as_ref() == Some(&revision) =>
                {
                    return self.adopt(at, service, Some(point));
                }
                (Rollout::Completed, point) => {
                    self.point = point;
                    self.expect(at, &service.deployment);
                    self.tell(DeploymentEvent::AlreadyRuns { service });
                    return self.start_probing(at);
                }
                (Rollout::InProgress, point) => return self.adopt(at, service, point),
                (Rollout::Failed, _) => {}
            }
        }
        let previous = before(&service, &revision);
        if previous == itself {
            return self.unchanged(at, Unchanged::NoWayBack { revision });
        }
        self.update(
            at,
            Some(service),
            RollbackPoint {
                deployed: revision,
                previous,
            },
        )
    }

    /// Continues a rollout that an earlier run began.
    fn adopt(
        &mut self,
        at: Timestamp,
        service: ServiceObservation,
        point: Option<RollbackPoint>,
    ) -> Next<Action> {
        self.moved = true;
        self.left_behind.clear();
        self.tell(DeploymentEvent::Adopted {
            previous: point.as_ref().map(|point| point.previous.clone()),
            service: service.clone(),
        });
        self.point = point;
        self.expect(at, &service.deployment);
        self.start_following(at, service.deployment)
    }

    pub(super) fn follow(&mut self, follow: Follow) -> Next<Action> {
        let deployment = follow.deployment.clone();
        self.state = State::Following(follow);
        Next::Do(Action::Follow { deployment })
    }

    pub(super) fn on_not_begun(
        &mut self,
        at: Timestamp,
        state: State,
        failure: Failure,
    ) -> Next<Action> {
        // The journal did not keep the record of the change, so the change was not begun.
        if matches!(state, State::Updating(_) | State::Restoring(_)) {
            self.not_sent();
        }
        match state {
            State::Restoring(_) => self.take_back(at, Cause::JournalFailed { failure }),
            State::Updating(_) if self.moved => {
                self.take_back(at, Cause::JournalFailed { failure })
            }
            State::Tagging => self.on_tagged(at, Err(failure)),
            State::Building | State::Registering(_) | State::Updating(_) => {
                self.unchanged(at, Unchanged::JournalFailed { failure })
            }
            state => {
                self.state = state;
                Next::Keep
            }
        }
    }
}

/// Whether a deployment of `revision` could be rolled back, or has nothing to change. It could not be rolled
/// back if its own rollout failed, still stands, and no other revision is known to have run before.
#[must_use]
pub fn has_way_back(service: &ServiceObservation, revision: &RevisionId) -> bool {
    let stands =
        service.revision == *revision && service.desired > 0 && service.rollout != Rollout::Failed;
    stands || before(service, revision) != Target::Revision(revision.clone())
}

/// The target of a rollback of the next deployment: the revision that runs. If that revision's own rollout
/// never succeeded, the state before that rollout.
fn before(service: &ServiceObservation, next: &RevisionId) -> Target {
    let succeeded = service.rollout == Rollout::Completed && service.revision != *next;
    match &service.rollback_point {
        Some(point) if !succeeded && point.deployed == service.revision => point.previous.clone(),
        _ if service.desired == 0 => Target::Nothing,
        _ => Target::Revision(service.revision.clone()),
    }
}

impl Probe {
    pub(super) fn new(deadline: Timestamp) -> Self {
        Self {
            index: 0,
            in_a_row: 0,
            deadline,
            asked_at: Timestamp::UNIX_EPOCH,
            failed: None,
        }
    }
}

impl Smoke {
    pub(super) fn new() -> Self {
        Self {
            index: 0,
            failed: Vec::new(),
        }
    }
}
