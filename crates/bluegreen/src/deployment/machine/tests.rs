use proptest::prelude::*;

use super::*;
use crate::{
    check::CheckReport,
    clock::{between, later, sooner},
    deployment::{CheckKind, ImageSource},
    error::ErrorKind,
    image::{BuildRequest, Tagging},
    service::{DeploymentEnd, DeploymentProgress, Registration, RollbackOwner, Rollout},
};

mod begin;
mod late;

const PROPAGATION: Duration = Duration::from_secs(30);

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().expect("a timestamp")
}

fn revision(n: u8) -> RevisionId {
    RevisionId::new(format!("chatbot:{n}"))
}

fn service(revision_of: u8, rollout: Rollout, running: u32) -> ServiceObservation {
    let deployment = DeploymentId::new(format!("ecs-svc/{revision_of}"));
    let mut service = ServiceObservation::steady("chatbot", revision(revision_of), deployment, 4);
    service.rollout = rollout;
    service.running = running;
    service
}

fn image() -> ImageRef {
    let digest = "a".repeat(64);
    format!("registry/chatbot@sha256:{digest}")
        .parse()
        .expect("an image")
}

fn request() -> BuildRequest {
    BuildRequest::new(".", "0123456789ab".parse().expect("a tag"))
}

fn report(passes: bool) -> CheckReport {
    let report = CheckReport::new("chat", "GET /", None);
    if passes {
        report
    } else {
        report.failing("status", "200", "500")
    }
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(ErrorKind::Throttled),
        Just(ErrorKind::Denied),
        Just(ErrorKind::OutcomeUnknown),
        Just(ErrorKind::Conflict),
        Just(ErrorKind::Unavailable),
        Just(ErrorKind::Invalid),
    ]
    .prop_map(|kind| Failure::new(kind, "it failed"))
}

/// What may be read of the service: none, revision 1 to 3, in any state.
fn observed() -> impl Strategy<Value = Option<ServiceObservation>> {
    let rollout = prop_oneof![
        Just(Rollout::Completed),
        Just(Rollout::InProgress),
        Just(Rollout::Failed)
    ];
    let point = prop::option::of((1..=3_u8, prop::option::of(1..=3_u8)));
    let some = (1..=3_u8, rollout, 0..=4_u32, any::<bool>(), point);
    prop::option::weighted(0.9, some).prop_map(|found| {
        found.map(|(of, rollout, running, owned, point)| {
            let mut service = service(of, rollout, running);
            if owned {
                service.rollback_owner = RollbackOwner::Service;
            }
            service.rollback_point = point.map(|(deployed, previous)| RollbackPoint {
                deployed: revision(deployed),
                previous: previous.map_or(Target::Nothing, |n| Target::Revision(revision(n))),
            });
            service
        })
    })
}

fn end() -> impl Strategy<Value = Option<DeploymentEnd>> {
    prop_oneof![
        Just(None),
        Just(Some(DeploymentEnd::Completed)),
        Just(Some(DeploymentEnd::Failed {
            reason: "tasks died".to_owned()
        })),
        (1..=3_u8).prop_map(|n| Some(DeploymentEnd::RolledBack {
            to: revision(n),
            reason: "breaker".to_owned()
        })),
        (1..=3_u8).prop_map(|n| Some(DeploymentEnd::Superseded {
            by: DeploymentId::new("x"),
            revision: revision(n)
        })),
    ]
}

/// An answer for each kind of action, and something that comes from outside.
#[derive(Debug, Clone)]
struct Turn {
    service: Result<Option<ServiceObservation>, Failure>,
    found: Result<Option<ImageRef>, Failure>,
    built: Result<ImageRef, Failure>,
    registered: Result<Registration, Failure>,
    updated: Result<DeploymentId, Failure>,
    end: Result<Option<DeploymentEnd>, Failure>,
    passes: bool,
    tagged: Result<Tagging, Failure>,
    outside: Option<Input>,
}

fn or_failure<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Result<T, Failure>> {
    prop_oneof![6 => value.prop_map(Ok), 1 => failure().prop_map(Err)]
}

fn outside() -> impl Strategy<Value = Option<Input>> {
    let control = prop_oneof![
        Just(Control::Cancel {
            reason: "SIGTERM".to_owned()
        }),
        Just(Control::Abort { by: "ann".into() }),
        Just(Control::Leave { by: "ann".into() }),
        Just(Control::Pause {
            by: "ann".into(),
            length: None
        }),
        Just(Control::Stop {
            reason: "again".to_owned()
        }),
    ];
    let input = prop_oneof![
        8 => control.prop_map(Input::Control),
        1 => failure().prop_map(Input::JournalFailed),
        1 => Just(Input::Waited { clock_fault: true }),
        1 => Just(Input::Updated(Ok(DeploymentId::new("stale")))),
        1 => Just(Input::Checked(report(true))),
    ];
    prop::option::weighted(0.04, input)
}

fn turn() -> impl Strategy<Value = Turn> {
    let registration = (2..=3_u8, any::<bool>()).prop_map(|(n, is_new)| Registration {
        revision: revision(n),
        is_new,
        diff: Vec::new(),
        notes: Vec::new(),
    });
    let deployment = (1..=3_u8).prop_map(|n| DeploymentId::new(format!("ecs-svc/{n}")));
    (
        or_failure(observed()),
        or_failure(prop::option::of(Just(image()))),
        or_failure(Just(image())),
        or_failure(registration),
        or_failure(deployment),
        or_failure(end()),
        prop::bool::weighted(0.8),
        or_failure(Just(Tagging::Moved)),
        outside(),
    )
        .prop_map(
            |(service, found, built, registered, updated, end, passes, tagged, outside)| Turn {
                service,
                found,
                built,
                registered,
                updated,
                end,
                passes,
                tagged,
                outside,
            },
        )
}

impl Turn {
    fn answer(&self, action: &Action) -> Input {
        match action {
            Action::Preflight { .. } => Input::Preflighted {
                findings: Ok(Vec::new()),
                service: self.service.clone(),
            },
            Action::Resolve { revision } => Input::Resolved(Ok(revision.clone())),
            Action::FindImage { .. } => Input::ImageFound(self.found.clone()),
            Action::Build { .. } => Input::Built(self.built.clone()),
            Action::Register { .. } => Input::Registered(self.registered.clone()),
            Action::Update { .. } => Input::Updated(self.updated.clone()),
            Action::Observe => Input::Observed(self.service.clone()),
            Action::Follow { .. } => Input::Followed(self.end.clone().map(|end| {
                let progress = DeploymentProgress::under_way(4).with_running(2);
                match end {
                    Some(end) => progress.ended(end),
                    None => progress,
                }
            })),
            Action::Check { .. } => Input::Checked(report(self.passes)),
            Action::Tag { .. } => Input::Tagged(self.tagged.clone()),
            Action::Wait { .. } => Input::Waited { clock_fault: false },
        }
    }
}

fn intent() -> impl Strategy<Value = Intent> {
    prop_oneof![
        6 => any::<bool>().prop_map(|reuse| Intent::Deploy {
            image: ImageSource::Build { request: request(), reuse },
        }),
        2 => Just(Intent::Deploy { image: ImageSource::Given { image: image() } }),
        2 => prop::option::of(1..=3_u8).prop_map(|to| Intent::RollBack {
            by: "ann".into(),
            to: to.map(revision),
        }),
        1 => Just(Intent::CheckHealth),
        1 => Just(Intent::Smoke),
    ]
}

/// The knowledge about a run, by which each action is judged.
#[derive(Debug, Default)]
struct Known {
    registered: Option<RevisionId>,
    rolled_out: bool,
    smoke_passed: usize,
    unread: bool,
    last: Option<Option<ServiceObservation>>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn p04_p10_any_order_of_answers_keeps_every_promise(
        intent in intent(),
        lags in any::<bool>(),
        turns in prop::collection::vec(turn(), 1..120),
    ) {
        let propagation = if lags { PROPAGATION } else { Duration::ZERO };
        let mut machine = DeploymentMachine::new(DeploymentPlan::builder().build().expect("valid"), 1, 2)
            .with_propagation(propagation);
        let (mut at, mut known) = (start(), Known::default());
        let mut transition = machine.on(at, Input::Start(intent.clone()));
        let mut outstanding: Option<Action> = None;
        for turn in &turns {
            if let Next::Do(action) = &transition.next {
                if let Action::Update { update, restores } = action {
                    prop_assert!(!known.unread, "P10: nothing is written before what was written is read");
                    if !restores {
                        let deployed = known.registered.clone().map(Target::Revision);
                        prop_assert_eq!(Some(&update.to), deployed.as_ref());
                        let point = update.rollback_point.as_ref();
                        prop_assert!(point.is_some(), "where a rollback goes is kept first");
                        let previous = point.map(|point| &point.previous);
                        prop_assert_ne!(previous, Some(&update.to), "nothing is its own way back");
                    }
                    known.unread = true;
                }
                if matches!(action, Action::Tag { .. }) {
                    prop_assert!(known.rolled_out && known.smoke_passed >= 2, "it has proved itself");
                }
                outstanding = Some(action.clone());
            }
            if machine.end().is_some() {
                break;
            }
            let input = match (&turn.outside, &outstanding) {
                (Some(outside), _) => outside.clone(),
                (None, Some(action)) => turn.answer(action),
                (None, None) => break,
            };
            let waits = matches!(outstanding, Some(Action::Wait { .. }));
            at = match &outstanding {
                Some(Action::Wait { until }) if turn.outside.is_none() => *until,
                _ => at,
            };
            match &input {
                Input::Registered(Ok(registration)) => {
                    known.registered = Some(registration.revision.clone());
                }
                Input::Observed(Ok(found)) | Input::Preflighted { service: Ok(found), .. } if !waits => {
                    known.unread = false;
                    known.last = Some(found.clone());
                }
                // An answer to an update says that it was taken on.
                Input::Updated(Ok(_)) => known.unread = false,
                _ => {}
            }
            let json = serde_json::to_string(&machine).expect("plain data");
            let again: DeploymentMachine = serde_json::from_str(&json).expect("the same");
            prop_assert_eq!(&again, &machine, "a machine survives its journal");
            transition = machine.on(at, input);
            for event in &transition.events {
                match event {
                    DeploymentEvent::RolledOut { .. } | DeploymentEvent::AlreadyRuns { .. } => known.rolled_out = true,
                    DeploymentEvent::Checked { kind: CheckKind::Smoke, report, .. } if report.is_passed() => known.smoke_passed += 1,
                    _ => {}
                }
            }
            if !matches!(transition.next, Next::Keep) {
                outstanding = None;
            }
        }
        match machine.end() {
            Some(Ok(DeploymentOutcome::Deployed { revision, .. })) => {
                prop_assert!(known.rolled_out);
                let last = known.last.flatten().expect("it was read");
                prop_assert!(last.runs(&Target::Revision(revision.clone())), "P4: what is deployed was read");
            }
            Some(Ok(DeploymentOutcome::RolledBack { to, .. })) => {
                let last = known.last.expect("it was read");
                let runs = last.is_none_or(|last| last.runs(to));
                prop_assert!(runs, "P4: what was restored was read");
            }
            Some(Ok(DeploymentOutcome::Held { report, .. })) => {
                prop_assert_eq!(report.service.clone(), known.last.expect("it was read"));
            }
            _ => {}
        }
        let ended = machine.end().map(|end| format!("{end:?}"));
        if ended.is_some() {
            let after = machine.on(at, Input::Control(Control::Abort { by: "ann".into() }));
            prop_assert!(after.events.is_empty() && after.next == Next::End, "an end is an end");
        }
    }
}

/// A machine in the middle of a deployment of revision 2, where `before` was found.
struct Play {
    machine: DeploymentMachine,
    at: Timestamp,
    events: Vec<DeploymentEvent>,
}

impl Play {
    fn of(intent: Intent) -> (Self, Next<Action>) {
        let plan = DeploymentPlan::builder().build().expect("valid");
        let by_hand = ByHand {
            run: "run".to_owned(),
            run_nothing: "run nothing".to_owned(),
        };
        let machine = DeploymentMachine::new(plan, 1, 0)
            .with_by_hand(Some(by_hand))
            .with_propagation(PROPAGATION);
        Self::start(machine, intent)
    }

    fn start(machine: DeploymentMachine, intent: Intent) -> (Self, Next<Action>) {
        let mut play = Self {
            machine,
            at: start(),
            events: Vec::new(),
        };
        let next = play.on(Input::Start(intent));
        (play, next)
    }

    /// The next process of this run, in place of this one.
    fn resumed(self, intent: Intent) -> (Self, Next<Action>) {
        let plan = self.machine.plan().clone();
        let machine = DeploymentMachine::new(plan, 1, 0)
            .with_propagation(PROPAGATION)
            .with_unfinished(self.machine.unfinished());
        let at = later(self.at, Duration::from_secs(5));
        let mut play = Self {
            machine,
            at,
            events: Vec::new(),
        };
        let next = play.on(Input::Start(intent));
        (play, next)
    }

    fn surveyed(&mut self, service: Option<ServiceObservation>) -> Next<Action> {
        self.on(Input::Preflighted {
            findings: Ok(Vec::new()),
            service: Ok(service),
        })
    }

    fn accepts(&mut self, id: &str) -> Next<Action> {
        self.on(Input::Updated(Ok(DeploymentId::new(id))))
    }

    /// Up to the answer to the registration.
    fn registered(before: Option<ServiceObservation>) -> (Self, Next<Action>) {
        let image = ImageSource::Given { image: image() };
        let (mut play, _) = Self::of(Intent::Deploy { image });
        play.on(Input::Preflighted {
            findings: Ok(Vec::new()),
            service: Ok(before),
        });
        let next = play.on(Input::Registered(Ok(Registration {
            revision: revision(2),
            is_new: true,
            diff: Vec::new(),
            notes: Vec::new(),
        })));
        (play, next)
    }

    fn on(&mut self, input: Input) -> Next<Action> {
        let transition = self.machine.on(self.at, input);
        self.events.extend(transition.events);
        transition.next
    }

    /// Waits to the end of the wait, if it is one, and says what comes after.
    fn wait(&mut self, next: Next<Action>) -> Next<Action> {
        let Next::Do(Action::Wait { until }) = next else {
            panic!("{next:?} is no wait");
        };
        self.at = until;
        self.on(Input::Waited { clock_fault: false })
    }

    fn seen(&mut self, service: Option<ServiceObservation>) -> Next<Action> {
        self.on(Input::Observed(Ok(service)))
    }

    fn exit_code(&self) -> Option<u8> {
        Some(match self.machine.end()? {
            Ok(outcome) => outcome.exit_code(),
            Err(_) => 20,
        })
    }
}

fn recorded(mut service: ServiceObservation, deployed: u8, previous: u8) -> ServiceObservation {
    service.rollback_point = Some(RollbackPoint {
        deployed: revision(deployed),
        previous: Target::Revision(revision(previous)),
    });
    service
}

fn is_restore(next: &Next<Action>) -> bool {
    matches!(next, Next::Do(Action::Update { restores: true, .. }))
}

fn lost() -> Failure {
    Failure::new(ErrorKind::OutcomeUnknown, "no answer")
}

fn cancel() -> Input {
    Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    })
}

/// With revision 1 running, deployed over revision 3, last words name 1, not 3.
#[test]
fn p04_the_command_by_hand_goes_back_to_what_ran_before_this_run() {
    let before = recorded(service(1, Rollout::Completed, 4), 1, 3);
    let (mut play, _) = Play::registered(Some(before));
    play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    play.on(Input::Control(Control::Stop {
        reason: "twice".to_owned(),
    }));
    let Some(Err(unresolved)) = play.machine.end() else {
        panic!("{:?}", play.machine.end());
    };
    assert_eq!(
        unresolved.report.restore_command.as_deref(),
        Some("run chatbot:1")
    );
}

/// A revision that is complete but scaling out at the moment is not deployed over itself.
#[test]
fn p05_a_revision_is_never_its_own_way_back() {
    let before = recorded(service(2, Rollout::Completed, 3), 2, 1);
    let (play, next) = Play::registered(Some(before));
    assert!(matches!(next, Next::Do(Action::Check { .. })), "{next:?}");
    let point = play.machine.point.clone().expect("it is known");
    assert_eq!(point.previous, Target::Revision(revision(1)));

    let (_, next) = Play::registered(Some(recorded(service(2, Rollout::Failed, 0), 2, 1)));
    let Next::Do(Action::Update { update, .. }) = next else {
        panic!("{next:?}");
    };
    let point = update.rollback_point.expect("kept");
    assert_eq!(point.previous, Target::Revision(revision(1)));

    let (play, _) = Play::registered(Some(service(2, Rollout::Failed, 0)));
    assert_eq!(play.exit_code(), Some(3), "{:?}", play.machine.end());
}

/// The answer to the create is lost, and ECS shows the service late.
#[test]
fn p10_a_service_that_is_not_shown_yet_is_looked_for_again() {
    let (mut play, _) = Play::registered(None);
    let wait = play.on(Input::Updated(Err(lost())));
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    let wait = play.seen(None);
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    let next = play.seen(Some(service(2, Rollout::InProgress, 0)));
    assert!(matches!(next, Next::Do(Action::Follow { .. })), "{next:?}");

    // Cancelled while the create was under way: a service that reads do not show yet must still be emptied.
    let (mut play, _) = Play::registered(None);
    assert_eq!(play.on(cancel()), Next::Keep);
    let next = play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    assert_eq!(next, Next::Do(Action::Observe));
    let wait = play.seen(None);
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    let next = play.seen(Some(service(2, Rollout::InProgress, 0)));
    let Next::Do(Action::Update { update, .. }) = next else {
        panic!("{next:?}");
    };
    assert_eq!(update.to, Target::Nothing);
}

/// A cancel does not cut the wait short after which a lost update can be seen.
#[test]
fn p10_p11_a_cancel_waits_until_a_lost_update_can_be_seen() {
    let before = service(1, Rollout::Completed, 4);
    let (mut play, _) = Play::registered(Some(before.clone()));
    let wait = play.on(Input::Updated(Err(lost())));
    assert_eq!(play.on(cancel()), Next::Keep);
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    // A look that is late, and one that is not.
    let wait = play.seen(Some(before.clone()));
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    let next = play.seen(Some(service(2, Rollout::InProgress, 1)));
    assert_eq!(next, Next::Do(Action::Observe), "it is taken back");

    // If it never shows, it did not happen.
    let (mut play, _) = Play::registered(Some(before.clone()));
    let sent = play.at;
    let mut wait = play.on(Input::Updated(Err(lost())));
    play.on(cancel());
    while play.exit_code().is_none() {
        assert_eq!(play.wait(wait), Next::Do(Action::Observe));
        wait = play.seen(Some(before.clone()));
    }
    assert_eq!(play.at, later(sent, PROPAGATION));
    assert_eq!(play.exit_code(), Some(3));
}

/// Right after an update ECS may still show the deployment that it replaces.
#[test]
fn p07_the_deployment_that_was_replaced_supersedes_nothing() {
    let (mut play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
    play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    let late = |by: &str| {
        let progress = DeploymentProgress::under_way(4);
        Input::Followed(Ok(progress.ended(DeploymentEnd::Superseded {
            by: DeploymentId::new(by),
            revision: revision(1),
        })))
    };
    let next = play.on(late("ecs-svc/1"));
    assert!(matches!(next, Next::Do(Action::Wait { .. })), "{next:?}");
    play.wait(next);
    let next = play.on(late("ecs-svc/3"));
    assert!(matches!(next, Next::Do(Action::Wait { .. })), "one look");
    play.wait(next);
    play.on(late("ecs-svc/3"));
    // The look that is to state it is old.
    let next = play.seen(Some(service(2, Rollout::InProgress, 2)));
    play.wait(next);
    play.seen(Some(service(3, Rollout::InProgress, 0)));
    assert_eq!(play.exit_code(), Some(12));
}

/// A failed rollout stays failed while its copies drain; that is no failed rollback.
#[test]
fn a_first_release_that_failed_is_emptied_while_its_copies_drain() {
    let (mut play, _) = Play::registered(None);
    play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    let failed = DeploymentEnd::Failed {
        reason: "tasks failed".to_owned(),
    };
    let progress = DeploymentProgress::under_way(4)
        .with_running(2)
        .with_failed(4)
        .ended(failed);
    play.on(Input::Followed(Ok(progress)));
    play.seen(Some(service(2, Rollout::Failed, 2)));
    play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    let mut draining = service(2, Rollout::Failed, 2);
    draining.desired = 0;
    let wait = play.seen(Some(draining.clone()));
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    draining.running = 0;
    play.seen(Some(draining));
    assert_eq!(play.exit_code(), Some(10));
}

/// A rollback that was killed is finished by the next one.
#[test]
fn p05_a_rollback_that_was_cut_off_goes_on() {
    let ask = |to| Intent::RollBack {
        by: "ann".into(),
        to,
    };
    let (mut play, _) = Play::of(ask(None));
    // What is read may be older than the run, so it is written all the same.
    let next = play.seen(Some(recorded(service(1, Rollout::InProgress, 2), 2, 1)));
    assert!(is_restore(&next), "{next:?}");
    assert_eq!(play.accepts("ecs-svc/1"), Next::Do(Action::Observe));
    let wait = play.seen(Some(recorded(service(1, Rollout::InProgress, 2), 2, 1)));
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    play.seen(Some(recorded(service(1, Rollout::Completed, 4), 2, 1)));
    assert_eq!(play.exit_code(), Some(0));

    // A revision by its short name is first asked for as the service spells it.
    let (mut play, _) = Play::of(ask(Some(RevisionId::new("one"))));
    let next = play.seen(Some(service(2, Rollout::Completed, 4)));
    let named = RevisionId::new("one");
    assert_eq!(next, Next::Do(Action::Resolve { revision: named }));
    let next = play.on(Input::Resolved(Ok(revision(1))));
    let Next::Do(Action::Update { update, .. }) = next else {
        panic!("{next:?}");
    };
    assert_eq!(update.to, Target::Revision(revision(1)));
}

/// A journal that fails while a change is under way is not forgotten once it has ended.
#[test]
fn p06_a_journal_that_fails_during_a_change_still_counts() {
    let failed = || Input::JournalFailed(Failure::new(ErrorKind::Unavailable, "disk full"));
    let (mut play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
    assert_eq!(play.on(failed()), Next::Keep);
    play.on(Input::Updated(Ok(DeploymentId::new("ecs-svc/2"))));
    let next = play.seen(Some(service(2, Rollout::InProgress, 0)));
    assert!(
        matches!(next, Next::Do(Action::Update { restores: true, .. })),
        "{next:?}"
    );
}

/// Nothing is under way while a failed registration waits to be tried again.
#[test]
fn p11_a_cancel_ends_the_wait_for_another_registration() {
    let image = ImageSource::Given { image: image() };
    let (mut play, _) = Play::of(Intent::Deploy { image });
    play.on(Input::Preflighted {
        findings: Ok(Vec::new()),
        service: Ok(None),
    });
    play.on(Input::Registered(Err(Failure::new(
        ErrorKind::Throttled,
        "slow",
    ))));
    play.on(cancel());
    assert_eq!(play.exit_code(), Some(3));
}

#[test]
fn a_rollout_of_ours_that_never_succeeded_is_not_what_a_rollback_goes_to() {
    let mut machine =
        DeploymentMachine::new(DeploymentPlan::builder().build().expect("valid"), 0, 0);
    let _ = machine.on(
        start(),
        Input::Start(Intent::Deploy {
            image: ImageSource::Given { image: image() },
        }),
    );
    let mut failed = service(2, Rollout::Failed, 0);
    failed.rollback_point = Some(RollbackPoint {
        deployed: revision(2),
        previous: Target::Revision(revision(1)),
    });
    let _ = machine.on(
        start(),
        Input::Preflighted {
            findings: Ok(Vec::new()),
            service: Ok(Some(failed)),
        },
    );
    let registration = Registration {
        revision: revision(3),
        is_new: true,
        diff: Vec::new(),
        notes: Vec::new(),
    };
    let transition = machine.on(start(), Input::Registered(Ok(registration)));
    let Next::Do(Action::Update { update, .. }) = transition.next else {
        panic!("{transition:?}");
    };
    let point = update.rollback_point.expect("kept");
    assert_eq!(point.previous, Target::Revision(revision(1)));
}

/// Old reads show the revision before as if the rollback were over.
#[test]
fn p04_an_old_read_ends_no_way_back() {
    let before = service(1, Rollout::Completed, 4);
    let (mut play, _) = Play::registered(Some(before.clone()));
    play.accepts("ecs-svc/2");
    assert_eq!(play.on(cancel()), Next::Do(Action::Observe));
    let next = play.seen(Some(before.clone()));
    let Next::Do(Action::Update { update, .. }) = next else {
        panic!("{next:?}");
    };
    let from = update.from.expect("it exists");
    assert_eq!(from.deployment, DeploymentId::new("ecs-svc/2"), "accepted");
    assert!(update.older.contains(&before.deployment));
    play.accepts("ecs-svc/8");
    // Reads of the old and of the rolled back revision are expected now, and nothing is sent again.
    for old in [before, service(2, Rollout::InProgress, 1)] {
        let wait = play.seen(Some(old));
        assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    }
    let mut back = service(1, Rollout::Completed, 4);
    back.deployment = DeploymentId::new("ecs-svc/8");
    play.seen(Some(back));
    assert_eq!(play.exit_code(), Some(11));
}

#[test]
fn p04_what_was_accepted_and_never_shows_is_taken_back_and_said() {
    let before = service(1, Rollout::Completed, 4);
    let (mut play, _) = Play::registered(Some(before.clone()));
    let sent = play.at;
    let mut next = play.accepts("ecs-svc/2");
    while let Next::Do(Action::Follow { .. }) = next {
        let end = DeploymentEnd::Superseded {
            by: before.deployment.clone(),
            revision: revision(1),
        };
        let progress = DeploymentProgress::under_way(4).ended(end);
        next = play.on(Input::Followed(Ok(progress)));
        if let Next::Do(Action::Wait { .. }) = next {
            next = play.wait(next);
        }
    }
    assert_eq!(play.at, later(sent, PROPAGATION));
    assert!(matches!(
        play.machine.cause,
        Some(Cause::NeverVisible { .. })
    ));
    // The rollback never shows either: it is sent again, once in a propagation time.
    let mut sent = Vec::new();
    next = play.seen(Some(before.clone()));
    while play.exit_code().is_none() {
        if is_restore(&next) {
            sent.push(play.at);
            play.accepts("ecs-svc/8");
        } else {
            play.wait(next);
        }
        next = play.seen(Some(before.clone()));
    }
    let apart = sent
        .windows(2)
        .all(|two| between(two[0], two[1]) >= PROPAGATION);
    assert!(sent.len() > 3 && apart, "{sent:?}");
    let Some(Err(unresolved)) = play.machine.end() else {
        panic!("{:?}", play.machine.end());
    };
    assert!(unresolved.change_unseen && unresolved.summary.contains("no read shows it"));
}

#[test]
fn p07_a_third_party_takes_two_looks_at_the_way_back_too() {
    let (mut play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
    play.accepts("ecs-svc/2");
    play.on(cancel());
    let wait = play.seen(Some(service(3, Rollout::InProgress, 0)));
    let until = play.at;
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    assert_eq!(play.at, later(until, Duration::from_secs(3)));
    // It was one odd answer.
    let next = play.seen(Some(service(2, Rollout::InProgress, 0)));
    assert!(is_restore(&next), "{next:?}");
    play.accepts("ecs-svc/8");
    let wait = play.seen(Some(service(3, Rollout::InProgress, 0)));
    play.wait(wait);
    play.seen(Some(service(3, Rollout::InProgress, 1)));
    assert_eq!(play.exit_code(), Some(12));
}

/// A change that is under way when another controller takes over may have happened.
#[test]
fn p06_who_was_taken_over_during_the_update_does_not_say_that_nothing_changed() {
    let taken = || Input::JournalFailed(Failure::new(ErrorKind::TakenOver, "bob has it"));
    for answer in [Ok(DeploymentId::new("ecs-svc/2")), Err(lost())] {
        let (mut play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
        assert_eq!(play.on(taken()), Next::Keep);
        assert_eq!(play.on(Input::Updated(answer)), Next::Do(Action::Observe));
        let wait = play.seen(Some(service(1, Rollout::Completed, 4)));
        assert_eq!(play.wait(wait), Next::Do(Action::Observe));
        play.seen(Some(service(2, Rollout::InProgress, 1)));
        assert_eq!(play.exit_code(), Some(12));
    }
    let (mut play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
    play.on(taken());
    let refused = Failure::new(ErrorKind::Denied, "no");
    play.on(Input::Updated(Err(refused)));
    assert_eq!(play.exit_code(), Some(3));
}

fn deploys() -> Intent {
    Intent::Deploy {
        image: ImageSource::Given { image: image() },
    }
}

#[test]
fn p05_a_resumed_run_waits_for_what_may_not_be_shown_yet() {
    let before = service(1, Rollout::Completed, 4);
    let (play, _) = Play::registered(Some(before.clone()));
    let (mut play, _) = play.resumed(deploys());
    let wait = play.surveyed(Some(before.clone()));
    let next = play.wait(wait);
    assert!(
        matches!(next, Next::Do(Action::Preflight { .. })),
        "{next:?}"
    );
    let next = play.surveyed(Some(service(2, Rollout::InProgress, 1)));
    assert!(
        matches!(next, Next::Do(Action::Register { .. })),
        "{next:?}"
    );

    // If it never shows, it did not happen.
    let (play, _) = Play::registered(Some(before.clone()));
    let (mut play, _) = play.resumed(deploys());
    let began = play.at;
    let mut next = play.surveyed(Some(before.clone()));
    while let Next::Do(Action::Wait { .. }) = next {
        play.wait(next);
        next = play.surveyed(Some(before.clone()));
    }
    assert!(
        matches!(next, Next::Do(Action::Register { .. })),
        "{next:?}"
    );
    assert_eq!(play.at, later(began, PROPAGATION));
}

#[test]
fn p11_a_resumed_run_that_is_cancelled_takes_back_what_it_brought() {
    let before = service(1, Rollout::Completed, 4);
    let (play, _) = Play::registered(Some(before.clone()));
    let (mut play, _) = play.resumed(deploys());
    assert_eq!(play.on(cancel()), Next::Keep, "it reads first");
    let wait = play.surveyed(Some(before));
    play.wait(wait);
    let shown = recorded(service(2, Rollout::InProgress, 1), 2, 1);
    let next = play.surveyed(Some(shown.clone()));
    assert_eq!(next, Next::Do(Action::Observe));
    let next = play.seen(Some(shown));
    assert!(is_restore(&next), "{next:?}");
}

/// The first read of a rollback was old: nothing was changed, and the target is read again.
#[test]
fn p07_a_rollback_that_began_with_an_old_read_asks_again() {
    let ask = Intent::RollBack {
        by: "ann".into(),
        to: None,
    };
    let (mut play, _) = Play::of(ask);
    let next = play.seen(Some(recorded(service(1, Rollout::Completed, 4), 1, 3)));
    assert!(is_restore(&next), "{next:?}");
    let conflict = Failure::new(ErrorKind::Conflict, "another one has begun");
    let wait = play.on(Input::Updated(Err(conflict)));
    assert_eq!(play.wait(wait), Next::Do(Action::Observe));
    let next = play.seen(Some(recorded(service(2, Rollout::Completed, 4), 2, 1)));
    let Next::Do(Action::Update { update, .. }) = next else {
        panic!("{next:?}");
    };
    assert_eq!(update.to, Target::Revision(revision(1)));
}

#[test]
fn p05_a_resumed_run_that_cannot_read_does_not_say_that_nothing_changed() {
    let (play, _) = Play::registered(Some(service(1, Rollout::Completed, 4)));
    let (mut play, _) = play.resumed(deploys());
    let denied = || Failure::new(ErrorKind::Denied, "no");
    play.on(Input::Preflighted {
        findings: Err(denied()),
        service: Err(denied()),
    });
    assert_eq!(play.exit_code(), Some(20));
}

/// A run that was cancelled and killed: the next process reads the revision before, which may be old.
fn taken_back_over_an_old_read() -> (Play, Next<Action>) {
    let before = service(1, Rollout::Completed, 4);
    let (mut play, _) = Play::registered(Some(before.clone()));
    play.accepts("ecs-svc/2");
    play.on(cancel());
    let (mut play, next) = play.resumed(Intent::RollBack {
        by: "an earlier process".into(),
        to: Some(revision(1)),
    });
    assert_eq!(next, Next::Do(Action::Observe));
    let next = play.seen(Some(before));
    (play, next)
}

#[test]
fn p04_an_old_read_does_not_say_that_nothing_changed() {
    let (mut play, next) = taken_back_over_an_old_read();
    assert!(matches!(next, Next::Do(Action::Resolve { .. })), "{next:?}");
    let denied = Failure::new(ErrorKind::Denied, "no");
    play.on(Input::Resolved(Err(denied)));
    let Some(Err(unresolved)) = play.machine.end() else {
        panic!("{:?}", play.machine.end());
    };
    assert!(unresolved.change_unseen, "{unresolved:?}");
    let wanted = Target::Revision(revision(1));
    assert_eq!(unresolved.wanted.as_ref(), Some(&wanted));
}

#[test]
fn p06_a_journal_that_fails_does_not_stop_a_way_back_that_is_looked_up() {
    let failed = || Input::JournalFailed(Failure::new(ErrorKind::Unavailable, "disk full"));
    let (mut play, _) = taken_back_over_an_old_read();
    assert_eq!(play.on(failed()), Next::Keep);
    let next = play.on(Input::Resolved(Ok(revision(1))));
    assert!(is_restore(&next), "{next:?}");

    let (mut play, _) = Play::of(Intent::RollBack {
        by: "ann".into(),
        to: None,
    });
    assert_eq!(play.on(failed()), Next::Keep);
    let next = play.seen(Some(recorded(service(2, Rollout::Completed, 4), 2, 1)));
    assert!(is_restore(&next), "{next:?}");
}

/// A rollback that is refused and then finds nothing to do says whether it may have changed the
/// service.
#[test]
fn p04_a_rollback_that_asks_again_remembers_what_it_sent() {
    let conflict = || Input::Updated(Err(Failure::new(ErrorKind::Conflict, "another one")));
    let denied = || Input::Resolved(Err(Failure::new(ErrorKind::Denied, "no")));
    for (is_lost, code) in [(true, 20), (false, 3)] {
        let runs = service(2, Rollout::Completed, 4);
        let (mut play, _) = Play::of(Intent::RollBack {
            by: "ann".into(),
            to: Some(revision(1)),
        });
        play.seen(Some(runs.clone()));
        let next = play.on(Input::Resolved(Ok(revision(1))));
        assert!(is_restore(&next), "{next:?}");
        if is_lost {
            let wait = play.on(Input::Updated(Err(lost())));
            play.wait(wait);
            let next = play.seen(Some(runs.clone()));
            assert!(is_restore(&next), "{next:?}");
        }
        let wait = play.on(conflict());
        assert_eq!(play.machine.unfinished().restoring.is_some(), is_lost);
        play.wait(wait);
        play.seen(Some(runs));
        play.on(denied());
        assert_eq!(play.exit_code(), Some(code), "{:?}", play.machine.end());
    }
}

/// A read may be older than all earlier reads of this run.
#[test]
fn p05_a_resumed_run_does_not_take_a_deployment_that_it_does_not_know_for_news() {
    let (mut play, _) = Play::registered(Some(service(3, Rollout::Completed, 4)));
    play.accepts("ecs-svc/2");
    let (mut play, _) = play.resumed(deploys());
    play.on(cancel());
    let wait = play.surveyed(Some(service(1, Rollout::Completed, 4)));
    play.wait(wait);
    let next = play.surveyed(Some(recorded(service(2, Rollout::InProgress, 1), 2, 3)));
    assert_eq!(next, Next::Do(Action::Observe), "it is taken back");
}
