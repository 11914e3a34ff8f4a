//! The deployment as a pure state machine.
//!
//! ```text
//!  Preflight ▶ Finding ▶ Building ▶ Registering ▶ Updating ▶ Following ▶ Probing ▶ Smoking ▶ Confirming ▶ Tagging
//!      │           │         │           │          ▲  │         │          │         │           │          │
//!      ▼           ▼         ▼           ▼          │  ▼         ▼          ▼         ▼           ▼          ▼
//!    Unchanged: the service was not touched      Verifying     Restoring: read, change, read again      Deployed
//!                                                                 │
//!                                                                 ▼
//!                                                    RolledBack, Held, or a person must look
//! ```

mod before;
mod check;
mod control;
mod follow;
mod hold;
mod reads;
mod restore;
mod state;
mod write;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::before::has_way_back;
pub(crate) use self::state::End;
use self::state::{Reads, RestoreStage, Said, State};
use super::{
    Action, Cause, DeploymentEvent, DeploymentOutcome, DeploymentPlan, HoldReason, Input, Intent,
    Report, Unchanged, Unfinished, Unresolved, action::Written,
};
use crate::{
    engine::{Control, ControlEffect, Machine, Next, Transition, Work},
    error::{ErrorKind, Failure},
    image::ImageRef,
    json::JsonText,
    service::{ByHand, DeploymentId, RevisionId, RollbackPoint, ServiceObservation, Target},
};

/// The oldest version whose journals this machine decides as that version did. Journals of older versions
/// do not replay.
pub(super) const RULES_SINCE: u32 = 4;

/// The deployment as a pure state machine: it takes inputs, each with its time, and says what to do
/// next. It has no clock, does no I/O, and is plain data.
///
/// [`Deployment`](super::Deployment) runs the machine. Another host can run it without that loop:
/// start it with [`Input::Start`], carry out each action, and give it the result. [`Next::Do`]
/// replaces the outstanding action; only an [`Action::Update`] must be allowed to finish, and the
/// machine never replaces an update except to stop.
///
/// # Examples
///
/// ```
/// use bluegreen::{DeploymentPlan, host::Next};
/// use bluegreen::deployment::{Action, DeploymentMachine, Input, Intent};
///
/// let mut machine = DeploymentMachine::new(DeploymentPlan::builder().build()?, 1, 0);
/// let transition = machine.on("2026-01-05T09:00:00Z".parse()?, Input::Start(Intent::CheckHealth));
/// assert!(matches!(transition.next, Next::Do(Action::Check { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct DeploymentMachine {
    plan: DeploymentPlan,
    health_checks: usize,
    smoke_tests: usize,
    by_hand: Option<ByHand>,
    /// How long reads may be old, as the deployer says.
    #[serde(default)]
    propagation: Duration,
    state: State,
    intent: Intent,
    started: Timestamp,
    image: Option<ImageRef>,
    /// The revision that is deployed; in a rollback that was asked for, the revision that is rolled back.
    deployed: Option<RevisionId>,
    /// The target of a rollback.
    point: Option<RollbackPoint>,
    /// The service as it was last read, with this run's deployment or another, and when.
    last: Option<(Timestamp, Option<ServiceObservation>)>,
    /// Whether this run changed the service or may have, or took over a change that is under way.
    moved: bool,
    /// Whether a change was sent since the service was last read.
    unseen: bool,
    /// The knowledge by which reads of the service are judged.
    #[serde(default)]
    reads: Reads,
    /// The control that ends the run once the service is read: an earlier process of the run may have
    /// changed the service.
    #[serde(default)]
    awaits: Option<Control>,
    /// The journal has failed while a change was under way.
    journal_failure: Option<Failure>,
    /// The work that an earlier process of this run left undone.
    #[serde(default)]
    unfinished: Unfinished,
    /// Another controller has taken over: nothing is changed any more.
    #[serde(default)]
    taken_over: Option<Failure>,
    cause: Option<Cause>,
    said: Said,
    left_behind: Vec<String>,
    events: Vec<DeploymentEvent>,
}

impl DeploymentMachine {
    /// A machine that waits for [`Input::Start`], for a run with this number of health checks and of smoke
    /// tests.
    pub fn new(plan: DeploymentPlan, health_checks: usize, smoke_tests: usize) -> Self {
        Self {
            plan,
            health_checks,
            smoke_tests,
            by_hand: None,
            propagation: Duration::ZERO,
            state: State::New,
            intent: Intent::CheckHealth,
            started: Timestamp::UNIX_EPOCH,
            image: None,
            deployed: None,
            point: None,
            last: None,
            moved: false,
            unseen: false,
            reads: Reads::default(),
            awaits: None,
            journal_failure: None,
            unfinished: Unfinished::default(),
            taken_over: None,
            cause: None,
            said: Said::default(),
            left_behind: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds the commands by which a person changes the service, for the report of the end.
    pub fn with_by_hand(mut self, by_hand: Option<ByHand>) -> Self {
        self.by_hand = by_hand;
        self
    }

    /// Sets the propagation time, as
    /// [`ServiceDeployer::propagation`](crate::ServiceDeployer::propagation) says. Default: reads are
    /// consistent.
    pub fn with_propagation(mut self, propagation: Duration) -> Self {
        self.propagation = propagation;
        self
    }

    /// Adds the work that an earlier process of this run left undone.
    pub(crate) fn with_unfinished(mut self, unfinished: Unfinished) -> Self {
        self.unfinished = unfinished;
        self
    }

    /// Returns the work that is left undone if the process ends now.
    pub(super) fn unfinished(&self) -> Unfinished {
        match self.state {
            State::Ended(_) => return Unfinished::default(),
            State::New => return self.unfinished.clone(),
            _ => {}
        }
        let before = &self.unfinished;
        let point = self.point.as_ref();
        let brought = point.filter(|_| self.moved || self.unseen);
        let brought = brought.map(|point| point.deployed.clone());
        let to = match point.filter(|_| self.cause.is_some()) {
            Some(point) => match &point.previous {
                Target::Revision(revision) => Some(revision.clone()),
                Target::Nothing => None,
            },
            None => before.restoring_to.clone(),
        };
        let unproven = brought.or_else(|| before.unproven.clone());
        let restoring = self.cause.clone().or_else(|| before.restoring.clone());
        let (older, was_absent) = match unproven.is_some() || restoring.is_some() {
            true => self.outdated(),
            false => (Vec::new(), false),
        };
        Unfinished {
            unproven,
            restoring,
            restoring_to: to,
            older,
            was_absent,
            found: None,
        }
    }

    /// Takes the input that came at `at`, and says what to do next.
    ///
    /// The result of an action that is not outstanding changes nothing. After the end no input
    /// changes anything.
    #[must_use]
    pub fn on(&mut self, at: Timestamp, input: Input) -> Transition<DeploymentEvent, Action> {
        let is_answer = !matches!(input, Input::Control(_) | Input::JournalFailed(_));
        let is_over = matches!(
            self.state,
            State::New | State::Holding(..) | State::Ended(_)
        );
        if let (Some(failure), true, false) = (self.taken_over.clone(), is_answer, is_over) {
            self.answered(at, &input);
            let next = self.end_taken_over(at, failure);
            return self.transition(next);
        }
        let state = std::mem::replace(&mut self.state, State::New);
        let next = match (state, input) {
            (State::Ended(end), _) => {
                self.state = State::Ended(end);
                Next::End
            }
            (state, Input::Control(control)) => self.on_control(at, state, control),
            (state, Input::JournalFailed(failure)) => self.on_journal_failed(at, state, failure),
            (state, Input::Waited { clock_fault: true }) => self.on_clock_fault(at, state),
            (state, Input::NotBegun(failure)) => self.on_not_begun(at, state, failure),
            (State::New, Input::Start(intent)) => self.on_start(at, intent),
            (State::Preflight(retry), Input::Preflighted { findings, service }) => {
                self.on_preflighted(at, retry, findings, service)
            }
            (State::Preflight(retry), Input::Observed(observed)) => {
                self.on_rollback_surveyed(at, retry, observed)
            }
            (State::Preflight(retry), Input::Resolved(resolved)) => {
                self.on_resolved(at, retry, resolved)
            }
            (State::Preflight(retry), Input::Waited { .. }) => self.survey(retry),
            (State::Finding(retry, request), Input::ImageFound(found)) => {
                self.on_image_found(at, retry, request, found)
            }
            (State::Finding(retry, request), Input::Waited { .. }) => self.find(retry, request),
            (State::Building, Input::Built(built)) => self.on_built(at, built),
            (State::Registering(registering), Input::Registered(registered)) => {
                self.on_registered(at, registering, registered)
            }
            (State::Registering(registering), Input::Waited { .. }) if registering.waits => {
                self.register_again(registering)
            }
            (State::Updating(write), Input::Updated(updated)) => {
                self.on_updated(at, write, updated)
            }
            (State::Verifying(write, failure), Input::Waited { .. }) => {
                self.state = State::Verifying(write, failure);
                Next::Do(Action::Observe)
            }
            (State::Verifying(write, failure), Input::Observed(observed)) => {
                self.on_verified(at, write, failure, observed)
            }
            (State::Following(follow), Input::Followed(followed)) => {
                self.on_followed(at, follow, followed)
            }
            (State::Following(follow), Input::Waited { .. }) => self.follow(follow),
            (State::Probing(probe), Input::Checked(report)) => self.on_probed(at, probe, report),
            (State::Probing(probe), Input::Waited { .. }) => self.probe(at, probe),
            (State::Smoking(smoke), Input::Checked(report)) => self.on_smoked(at, smoke, report),
            (State::Confirming { until }, Input::Observed(observed)) => {
                self.on_confirmed(at, until, observed)
            }
            (State::Confirming { until }, Input::Waited { .. }) => {
                self.state = State::Confirming { until };
                Next::Do(Action::Observe)
            }
            (State::Holding(reason, retry), Input::Observed(observed)) => {
                self.on_hold_seen(at, reason, retry, observed)
            }
            (State::Holding(reason, retry), Input::Waited { .. }) => {
                self.state = State::Holding(reason, retry);
                Next::Do(Action::Observe)
            }
            (State::Tagging, Input::Tagged(result)) => self.on_tagged(at, result),
            (State::Restoring(restore), Input::Observed(observed))
                if restore.stage == RestoreStage::Reading =>
            {
                self.on_restore_seen(at, restore, observed)
            }
            (State::Restoring(restore), Input::Updated(updated))
                if restore.stage == RestoreStage::Writing =>
            {
                self.on_restore_sent(at, restore, updated)
            }
            (State::Restoring(restore), Input::Waited { .. })
                if restore.stage == RestoreStage::Waiting =>
            {
                self.restore_read(restore)
            }
            (state, _stale) => {
                self.state = state;
                Next::Keep
            }
        };
        self.transition(next)
    }

    fn transition(&mut self, next: Next<Action>) -> Transition<DeploymentEvent, Action> {
        Transition {
            events: std::mem::take(&mut self.events),
            next,
        }
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn end(&self) -> Option<Result<&DeploymentOutcome, &Unresolved>> {
        let State::Ended(end) = &self.state else {
            return None;
        };
        Some(match &**end {
            End::Known(outcome) => Ok(outcome),
            End::Unresolved(unresolved) => Err(unresolved),
        })
    }

    /// The service as it was last read.
    #[must_use]
    pub(crate) fn service(&self) -> Option<&ServiceObservation> {
        self.last.as_ref()?.1.as_ref()
    }

    /// The plan that it follows.
    #[cfg(test)]
    pub(crate) fn plan(&self) -> &DeploymentPlan {
        &self.plan
    }

    fn tell(&mut self, event: DeploymentEvent) {
        self.events.push(event);
    }

    fn remember(&mut self, at: Timestamp, service: Option<ServiceObservation>) {
        self.unseen = false;
        self.last = Some((at, service));
    }

    fn report(&self, at: Timestamp) -> Report {
        Report {
            started: self.started,
            ended: at,
            service: self.service().cloned(),
            service_read_at: self.last.as_ref().map(|(read_at, _)| *read_at),
            image: self.image.clone(),
            accepted: self.plan.accepted().clone(),
            restore_command: self.restore_command(),
            left_behind: self.left_behind.clone(),
        }
    }

    /// The command by which a person rolls the service back to the state before this run.
    fn restore_command(&self) -> Option<String> {
        let previous = &self.point.as_ref()?.previous;
        Some(self.by_hand.as_ref()?.command(previous))
    }

    fn end_known(&mut self, outcome: DeploymentOutcome) -> Next<Action> {
        self.tell(DeploymentEvent::Ended {
            exit_code: outcome.exit_code(),
            outcome: outcome.clone(),
        });
        self.state = State::Ended(Box::new(End::Known(outcome)));
        Next::End
    }

    /// Ends the run in a process that changed nothing. If an earlier process of the run left its revision
    /// live and unproved, or a rollback unfinished, the end is unresolved: a person must look.
    fn unchanged(&mut self, at: Timestamp, reason: Unchanged) -> Next<Action> {
        if self.moved {
            let summary = format!("it is not known whether the service was changed: {reason}");
            return self.unresolved(at, summary, None);
        }
        let Some(unproven) = self.unfinished.unproven.clone() else {
            return self.end_unchanged(at, reason);
        };
        // The read may be older than the last change of that process.
        let last = self.last.as_ref();
        let is_old = last.is_none_or(|(read, service)| self.may_precede(*read, service.as_ref()));
        let restoring = self.unfinished.restoring.clone();
        let is_left = self
            .service()
            .is_some_and(|service| restoring.is_some() || service.revision == unproven);
        if !is_old && !is_left {
            return self.end_unchanged(at, reason);
        }
        self.unseen = is_old || self.may_be_old(at);
        let Some(cause) = restoring else {
            let live = if self.unseen { "may be" } else { "is" };
            let summary = format!(
                "an earlier process of this run brought {unproven}, which {live} live and was not \
                 proved; this process did not continue: {reason}"
            );
            return self.unresolved(at, summary, None);
        };
        let summary = format!(
            "an earlier process of this run began to roll the service back from {unproven}; this \
             process did not finish the rollback: {reason}"
        );
        // So that the report names the target of that rollback.
        let to = self.unfinished.restoring_to.clone();
        self.cause = Some(cause);
        self.point = Some(RollbackPoint {
            deployed: unproven,
            previous: to.map_or(Target::Nothing, Target::Revision),
        });
        self.unresolved(at, summary, None)
    }

    fn end_unchanged(&mut self, at: Timestamp, reason: Unchanged) -> Next<Action> {
        let report = self.report(at);
        self.end_known(DeploymentOutcome::Unchanged { reason, report })
    }

    /// Notes the answer to a change whose run is about to end.
    fn answered(&mut self, at: Timestamp, input: &Input) {
        let update = match &self.state {
            State::Updating(write) => write.update.clone(),
            State::Restoring(restore) => match &restore.update {
                Some(update) => update.clone(),
                None => return,
            },
            _ => return,
        };
        match input {
            Input::Updated(Ok(deployment)) => {
                self.moved = true;
                self.accepted(at, &update, deployment);
            }
            Input::Updated(Err(failure)) if failure.kind == ErrorKind::OutcomeUnknown => {
                self.moved = true;
                self.unanswered(at);
            }
            Input::Updated(Err(_)) | Input::NotBegun(_) => self.not_sent(),
            _ => {}
        }
    }

    /// Ends the run, since a third party deployed, as two reads show.
    fn superseded(
        &mut self,
        at: Timestamp,
        by: DeploymentId,
        revision: RevisionId,
    ) -> Next<Action> {
        self.expect(at, &by);
        if self.moved {
            self.hold(at, HoldReason::Superseded { by, revision })
        } else {
            self.unchanged(at, Unchanged::Superseded { revision })
        }
    }

    fn unresolved(
        &mut self,
        at: Timestamp,
        summary: impl Into<String>,
        failure: Option<Failure>,
    ) -> Next<Action> {
        let unresolved = Unresolved {
            summary: summary.into(),
            cause: self.cause.clone(),
            wanted: self.point.as_ref().map(|point| point.previous.clone()),
            failure,
            change_unseen: self.unseen,
            report: self.report(at),
        };
        self.tell(DeploymentEvent::Unresolved {
            exit_code: 20,
            unresolved: unresolved.clone(),
        });
        self.state = State::Ended(Box::new(End::Unresolved(unresolved)));
        Next::End
    }

    /// The state that the service should have at the end.
    fn wanted(&self) -> Option<Target> {
        self.deployed.clone().map(Target::Revision)
    }
}

impl Machine for DeploymentMachine {
    type Input = Input;
    type Action = Action;
    type Event = DeploymentEvent;
    type End = End;

    /// Longer than a migration's: no traffic is split meanwhile that would have to be watched.
    const RECORDED_WITHIN: Duration = Duration::from_secs(30);

    fn on(&mut self, at: Timestamp, input: Input) -> Transition<DeploymentEvent, Action> {
        Self::on(self, at, input)
    }

    fn work(action: &Action) -> Work {
        action.work()
    }

    fn end(&self) -> Option<End> {
        match &self.state {
            State::Ended(end) => Some((**end).clone()),
            _ => None,
        }
    }

    fn answered(event: &DeploymentEvent) -> Option<(&Control, &ControlEffect)> {
        match event {
            DeploymentEvent::Controlled { control, effect } => Some((control, effect)),
            _ => None,
        }
    }

    fn control(control: Control) -> Input {
        Input::Control(control)
    }

    fn waited(clock_fault: bool) -> Input {
        Input::Waited { clock_fault }
    }

    fn journal_failed(failure: Failure) -> Input {
        Input::JournalFailed(failure)
    }

    fn not_begun(action: &Action, failure: Failure) -> Input {
        action.not_begun(failure)
    }

    fn input_entry(input: &Input) -> JsonText {
        Written::Input { input }.text()
    }

    fn change_entry(action: &Action) -> JsonText {
        Written::Change { action }.text()
    }
}

#[cfg(test)]
mod tests;
