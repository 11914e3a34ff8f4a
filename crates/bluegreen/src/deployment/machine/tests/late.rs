//! The machine against a service whose reads lag, whose answers get lost, and that a third party
//! changes: in any order.

use proptest::prelude::*;

use super::*;
use crate::{preflight::Finding, service::Update};

/// What may happen next.
#[derive(Debug, Clone)]
enum Chance {
    /// The outstanding action works; a check says this.
    Works(bool),
    /// The outstanding action fails. A change without an answer happens now, this many seconds
    /// later, or never.
    Fails(ErrorKind, Option<u64>),
    /// A third party deploys.
    ThirdParty,
    /// Reads are this many seconds old from now on.
    Lag(u64),
    /// The next read is this many seconds old, once.
    Once(u64),
    Control(Control),
    /// A survey refuses.
    Refuses,
    JournalFails,
    TakenOver,
    /// The process ends, a change that is under way before or after its effect, and another process
    /// continues.
    Crash(bool),
}

fn kind() -> impl Strategy<Value = ErrorKind> {
    prop_oneof![
        1 => Just(ErrorKind::Throttled),
        1 => Just(ErrorKind::Denied),
        3 => Just(ErrorKind::OutcomeUnknown),
        1 => Just(ErrorKind::Conflict),
        1 => Just(ErrorKind::Unavailable),
    ]
}

fn chance() -> impl Strategy<Value = Chance> {
    let control = prop_oneof![
        2 => Just(Control::Cancel { reason: "SIGTERM".to_owned() }),
        1 => Just(Control::Abort { by: "ann".into() }),
        1 => Just(Control::Leave { by: "ann".into() }),
        1 => Just(Control::Stop { reason: "again".to_owned() }),
    ];
    prop_oneof![
        60 => prop::bool::weighted(0.95).prop_map(Chance::Works),
        // What lands late and the oldest read are together within the propagation time.
        8 => (kind(), prop::option::of(0_u64..12)).prop_map(|(kind, late)| Chance::Fails(kind, late)),
        1 => Just(Chance::ThirdParty),
        3 => (0_u64..25).prop_map(Chance::Lag),
        3 => (1_u64..28).prop_map(Chance::Once),
        2 => control.prop_map(Chance::Control),
        2 => Just(Chance::Refuses),
        1 => Just(Chance::JournalFails),
        1 => Just(Chance::TakenOver),
        2 => any::<bool>().prop_map(Chance::Crash),
    ]
}

/// The service as it is.
#[derive(Debug, Clone, PartialEq)]
struct Live {
    deployment: u32,
    revision: u8,
    begun: Timestamp,
    desired: u32,
    point: Option<RollbackPoint>,
}

impl Live {
    fn id(&self) -> DeploymentId {
        DeploymentId::new(format!("ecs-svc/{}", self.deployment))
    }

    /// As it looks at `at`.
    fn shown(&self, at: Timestamp) -> ServiceObservation {
        let is_complete = between(self.begun, at) >= Duration::from_secs(60);
        let mut shown =
            ServiceObservation::steady("chatbot", revision(self.revision), self.id(), self.desired);
        if !is_complete {
            shown.rollout = Rollout::InProgress;
            shown.running = 0;
        }
        shown.rollback_point.clone_from(&self.point);
        shown
    }
}

/// The truth behind the machine.
#[derive(Debug)]
struct World {
    now: Timestamp,
    history: Vec<(Timestamp, Option<Live>)>,
    lag: Duration,
    once: Option<Duration>,
    /// A change without an answer that lands later.
    pending: Option<(Timestamp, Update)>,
    begun: u32,
    has_third_party: bool,
    /// Changes that were answered: forwards, and back.
    accepted: [u32; 2],
    /// Whether a change had an effect.
    has_changed: bool,
}

impl World {
    fn new(exists: bool) -> Self {
        let before = Live {
            deployment: 1,
            revision: 1,
            begun: sooner(start(), Duration::from_secs(3600)),
            desired: 4,
            point: Some(RollbackPoint {
                deployed: revision(1),
                previous: Target::Revision(revision(9)),
            }),
        };
        Self {
            now: start(),
            history: vec![(before.begun, exists.then_some(before))],
            lag: Duration::ZERO,
            once: None,
            pending: None,
            begun: 1,
            has_third_party: false,
            accepted: [0, 0],
            has_changed: false,
        }
    }

    fn live(&self) -> Option<Live> {
        self.history.last().and_then(|(_, live)| live.clone())
    }

    fn read(&mut self) -> Option<ServiceObservation> {
        let at = sooner(self.now, self.once.take().unwrap_or(self.lag));
        let stood = self.history.iter().rev().find(|(since, _)| *since <= at);
        let (_, live) = stood.or(self.history.first()).expect("a first state");
        live.as_ref().map(|live| live.shown(at))
    }

    /// Moves on, and lets land what was on its way.
    fn pass(&mut self, now: Timestamp) {
        self.now = now;
        if let Some((lands, update)) = self.pending.clone()
            && now >= lands
        {
            self.pending = None;
            self.now = lands;
            self.apply(&update);
            self.now = now;
        }
    }

    fn begin(&mut self, of: u8, desired: u32, point: Option<RollbackPoint>) {
        self.begun += 1;
        let live = Live {
            deployment: self.begun,
            revision: of,
            begun: self.now,
            desired,
            point,
        };
        self.history.push((self.now, Some(live)));
    }

    fn number(target: &RevisionId) -> u8 {
        let (_, number) = target.as_str().rsplit_once(':').expect("a number");
        number.parse().expect("a number")
    }

    /// The effect of a change, as ECS has it: nothing if there is nothing to do.
    fn apply(&mut self, update: &Update) {
        let live = self.live();
        let before = self.history.len();
        match (live, &update.to) {
            (None, Target::Revision(to)) if update.from.is_none() => {
                self.begin(Self::number(to), 4, update.rollback_point.clone());
            }
            (Some(live), Target::Revision(to)) if update.from.is_some() => {
                let point = update.rollback_point.clone().or(live.point.clone());
                if live.revision == Self::number(to) {
                    self.history.push((self.now, Some(Live { point, ..live })));
                } else {
                    self.begin(Self::number(to), live.desired, point);
                }
            }
            (Some(live), Target::Nothing) if live.desired > 0 => {
                let emptied = Live { desired: 0, ..live };
                self.history.push((self.now, Some(emptied)));
            }
            _ => {}
        }
        self.has_changed |= self.history.len() > before;
    }

    /// Whether a change is let through: as the adapter reads the service right before.
    fn lets(&mut self, update: &Update) -> bool {
        let found = self.read().map(|found| found.deployment);
        match (&update.from, found) {
            (None, None) => self.live().is_none(),
            (Some(from), Some(found)) => from.deployment == found || update.older.contains(&found),
            _ => false,
        }
    }

    fn update(&mut self, update: &Update, restores: bool) -> Input {
        if !self.lets(update) {
            return Input::Updated(Err(Failure::new(ErrorKind::Conflict, "another one")));
        }
        self.apply(update);
        self.accepted[usize::from(restores)] += 1;
        Input::Updated(Ok(self.live().expect("it exists").id()))
    }

    fn answer(&mut self, action: &Action, passes: bool) -> Input {
        match action {
            Action::Preflight { .. } => Input::Preflighted {
                findings: Ok(Vec::new()),
                service: Ok(self.read()),
            },
            Action::Resolve { revision } => Input::Resolved(Ok(revision.clone())),
            Action::FindImage { .. } => Input::ImageFound(Ok(Some(image()))),
            Action::Build { .. } => Input::Built(Ok(image())),
            Action::Register { .. } => Input::Registered(Ok(Registration {
                revision: revision(2),
                is_new: false,
                diff: Vec::new(),
                notes: Vec::new(),
            })),
            Action::Update { update, restores } => self.update(update, *restores),
            Action::Observe => Input::Observed(Ok(self.read())),
            Action::Follow { deployment } => Input::Followed(Ok(self.follow(deployment))),
            Action::Check { .. } => Input::Checked(report(passes)),
            Action::Tag { .. } => Input::Tagged(Ok(Tagging::Moved)),
            Action::Wait { .. } => Input::Waited { clock_fault: false },
        }
    }

    fn follow(&mut self, deployment: &DeploymentId) -> DeploymentProgress {
        let Some(found) = self.read() else {
            return DeploymentProgress::under_way(0).ended(DeploymentEnd::Gone);
        };
        let mut progress = DeploymentProgress::under_way(found.desired).with_running(found.running);
        progress.current = Some(found.deployment.clone());
        if found.deployment != *deployment {
            return progress.ended(DeploymentEnd::Superseded {
                by: found.deployment,
                revision: found.revision,
            });
        }
        match found.rollout {
            Rollout::Completed => progress.ended(DeploymentEnd::Completed),
            _ => progress,
        }
    }

    fn fail(&mut self, action: &Action, kind: ErrorKind, late: Option<u64>) -> Option<Input> {
        let failure = Failure::new(kind, "it failed");
        Some(match action {
            Action::Preflight { .. } => Input::Preflighted {
                findings: Err(failure.clone()),
                service: Err(failure),
            },
            Action::Resolve { .. } => Input::Resolved(Err(failure)),
            Action::Observe => Input::Observed(Err(failure)),
            Action::Follow { .. } => Input::Followed(Err(failure)),
            Action::Update { update, .. } => {
                let is_open = kind == ErrorKind::OutcomeUnknown && self.pending.is_none();
                if let (true, Some(late)) = (is_open && self.lets(update), late) {
                    self.pending =
                        Some((later(self.now, Duration::from_secs(late)), update.clone()));
                    self.pass(self.now);
                }
                Input::Updated(Err(failure))
            }
            _ => return None,
        })
    }
}

fn intent() -> impl Strategy<Value = (Intent, bool)> {
    let by_ann = |to| Intent::RollBack {
        by: "ann".into(),
        to,
    };
    prop_oneof![
        5 => Just((deploys(), true)),
        2 => Just((deploys(), false)),
        1 => Just((by_ann(None), true)),
        1 => Just((by_ann(Some(revision(1))), true)),
    ]
}

fn machine_of(unfinished: Unfinished) -> DeploymentMachine {
    let plan = DeploymentPlan::builder().build().expect("valid");
    DeploymentMachine::new(plan, 1, 1)
        .with_propagation(PROPAGATION)
        .with_unfinished(unfinished)
}

fn check_end(world: &World, machine: &DeploymentMachine) -> Result<(), TestCaseError> {
    let live = world.live();
    let runs = live.as_ref().map(|live| revision(live.revision));
    let end = machine.end().expect("ended");
    let is_superseded = matches!(
        end,
        Ok(DeploymentOutcome::Held {
            reason: HoldReason::Superseded { .. },
            ..
        } | DeploymentOutcome::Unchanged {
            reason: Unchanged::Superseded { .. },
            ..
        })
    );
    prop_assert!(
        !is_superseded || world.has_third_party,
        "P7: there is no third party: {:?}",
        end
    );
    if world.has_third_party {
        return Ok(());
    }
    match end {
        Ok(DeploymentOutcome::Deployed { revision, .. }) => {
            prop_assert_eq!(runs.as_ref(), Some(revision), "P4");
        }
        Ok(DeploymentOutcome::RolledBack { to, .. }) => match (to, &live) {
            (Target::Revision(to), _) => prop_assert_eq!(runs.as_ref(), Some(to), "P4"),
            (Target::Nothing, live) => {
                prop_assert!(live.as_ref().is_none_or(|live| live.desired == 0), "P4");
            }
        },
        Ok(DeploymentOutcome::Held { report, .. }) => {
            let read = report
                .service
                .as_ref()
                .map(|service| service.revision.clone());
            prop_assert_eq!(read, runs, "P4");
        }
        Err(unresolved) => {
            let read = unresolved.report.service.as_ref();
            let read = read.map(|service| service.revision.clone());
            prop_assert!(
                read == runs || unresolved.change_unseen,
                "P4: {:?}",
                unresolved
            );
        }
        Ok(_) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn keeps_its_promises_while_reads_lag(
        (intent, exists) in intent(),
        chances in prop::collection::vec(chance(), 0..200),
    ) {
        let mut world = World::new(exists);
        let mut machine = machine_of(Unfinished::default());
        let mut now = start();
        let Next::Do(mut outstanding) = machine.on(now, Input::Start(intent.clone())).next else {
            panic!("nothing to do");
        };
        let mut chances = chances.into_iter();
        let mut left = 3000;
        // Since the newest start of a process or a third party's deployment.
        let mut ours = [0, 0];
        let mut is_first = true;
        while machine.end().is_none() {
            left -= 1;
            prop_assert!(left > 0, "it does not end");
            world.pass(now);
            let before = world.accepted;
            let input = match chances.next().unwrap_or(Chance::Works(true)) {
                Chance::Works(passes) => {
                    if let Action::Wait { until } = outstanding {
                        now = until.max(now);
                        world.pass(now);
                    }
                    world.answer(&outstanding, passes)
                }
                Chance::Fails(kind, late) => match world.fail(&outstanding, kind, late) {
                    Some(input) => {
                        // An answer that does not come is waited for.
                        now = later(now, Duration::from_secs(10));
                        input
                    }
                    None => continue,
                },
                Chance::ThirdParty => {
                    if let Some(live) = world.live() {
                        world.has_third_party = true;
                        ours = world.accepted;
                        world.begin(7, live.desired.max(1), live.point);
                    }
                    continue;
                }
                Chance::Lag(seconds) => {
                    world.lag = Duration::from_secs(seconds);
                    continue;
                }
                Chance::Once(seconds) => {
                    world.once = Some(Duration::from_secs(seconds));
                    continue;
                }
                Chance::Control(control) => Input::Control(control),
                Chance::Refuses => match outstanding {
                    Action::Preflight { .. } => Input::Preflighted {
                        findings: Ok(vec![Finding::refusal("no test route")]),
                        service: Ok(world.read()),
                    },
                    _ => continue,
                },
                Chance::JournalFails => {
                    Input::JournalFailed(Failure::new(ErrorKind::Unavailable, "disk full"))
                }
                Chance::TakenOver => {
                    Input::JournalFailed(Failure::new(ErrorKind::TakenOver, "bob has it"))
                }
                Chance::Crash(happens) => {
                    if let (true, Action::Update { update, .. }) = (happens, &outstanding)
                        && world.lets(update)
                    {
                        world.apply(update);
                    }
                    let unfinished = machine.unfinished();
                    let again = match &unfinished.restoring {
                        Some(_) => Intent::RollBack {
                            by: "an earlier process".into(),
                            to: unfinished.restoring_to.clone(),
                        },
                        None => intent.clone(),
                    };
                    machine = machine_of(unfinished);
                    ours = world.accepted;
                    is_first = false;
                    let Next::Do(action) = machine.on(now, Input::Start(again)).next else {
                        panic!("nothing to do");
                    };
                    outstanding = action;
                    continue;
                }
            };
            let accepted = [0, 1].map(|way| world.accepted[way] - ours[way]);
            prop_assert!(
                accepted.iter().all(|count| *count <= 1) || world.accepted == before,
                "P10: what was accepted is not sent again: {:?}", outstanding
            );
            let transition = machine.on(now, input);
            match transition.next {
                Next::Do(action) => {
                    if let Action::Update { restores: true, .. } = action
                        && world.has_third_party
                    {
                        // One look may be older than their deployment.
                        ours = world.accepted;
                    }
                    outstanding = action;
                }
                Next::Keep | Next::End => {}
            }
        }
        // What is on its way lands.
        world.pass(later(now, Duration::from_secs(30)));
        check_end(&world, &machine)?;
        let is_unchanged = matches!(machine.end(), Some(Ok(DeploymentOutcome::Unchanged { .. })));
        prop_assert!(
            !is_unchanged || !world.has_changed || !is_first || world.has_third_party,
            "P4: it was changed: {:?}", machine.end()
        );
        let is_ours_live = world.live().is_some_and(|live| live.revision == 2);
        prop_assert!(
            !is_unchanged || !is_ours_live,
            "P4: an earlier process of the run changed it: {:?}", machine.end()
        );
        let runs = world.live().map(|live| live.revision);
        prop_assert!(
            !is_unchanged || runs == exists.then_some(1) || world.has_third_party,
            "P4: it runs another one: {:?}", machine.end()
        );
    }
}
