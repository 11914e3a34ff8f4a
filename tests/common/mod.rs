//! Code that the tiers on the simulated AWS share: it runs a migration, and checks every run against
//! the promises.

#![allow(dead_code, reason = "each tier uses its own part")]

pub(crate) mod cases;
pub(crate) mod durable;
pub(crate) mod lag;
pub(crate) mod limit;
pub(crate) mod moments;
pub(crate) mod native;
pub(crate) mod release;
pub(crate) mod requests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    Aws, ErrorKind, HealthGate, Migration, MigrationError, MigrationOutcome, MigrationPlan,
    Percent, TrafficSplit,
    aws::{
        alb::AlbTrafficSplitter,
        cloudwatch::{AlarmGate, AlbMetrics, CloudWatchGate},
        ecs::EcsCapacityKeeper,
        sim::{Simulation, Writer},
    },
    engine::{ControlHandle, Event, MemoryJournal},
    health::{Limits, TargetHealthGate, sequential::Sequential},
    migration::{GateId, Intent, MigrationEvent, replay},
};

use self::limit::within;

/// A migration that has ended, with everything that a test may check.
pub(crate) struct Run {
    pub(crate) ended: Result<MigrationOutcome, MigrationError>,
    pub(crate) events: Vec<Event<MigrationEvent>>,
    pub(crate) simulation: Simulation,
    pub(crate) aws: Aws,
    pub(crate) plan: MigrationPlan,
    pub(crate) journal: MemoryJournal,
    pub(crate) gates: Vec<(GateId, Arc<dyn HealthGate>)>,
    rule_before: String,
}

/// A test's reaction to an event: it controls the run, or breaks the world.
pub(crate) type Hand = Box<dyn FnMut(&Event<MigrationEvent>, &ControlHandle, &Simulation) + Send>;

pub(crate) type Gates = Vec<(GateId, Arc<dyn HealthGate>)>;

/// The gates of `traffic_router --judge limits`.
pub(crate) fn gates(aws: &Aws, simulation: &Simulation) -> Gates {
    around(aws, simulation, |metrics| metrics)
}

/// The gates of `traffic_router`.
pub(crate) fn comparing(aws: &Aws, simulation: &Simulation) -> Gates {
    around(aws, simulation, |metrics| {
        metrics.with_judge("sequential", Sequential::default())
    })
}

/// The plan of `traffic_router`.
pub(crate) fn comparing_plan() -> MigrationPlan {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    MigrationPlan::builder()
        .hold_back(Percent::from_whole(10).expect("a percent"))
        .bake(minutes(3))
        .step_deadline(minutes(65))
        .build()
        .expect("valid")
}

/// The keeper of blue's capacity, if blue is scaled: as in `traffic_router`.
pub(crate) fn keeper(aws: &Aws, simulation: &Simulation) -> Option<EcsCapacityKeeper> {
    let (cluster, service) = simulation.blue_service();
    let is_scaled = simulation.blue_minimum().is_some();
    is_scaled.then(|| EcsCapacityKeeper::new(aws, cluster, service))
}

fn around(
    aws: &Aws,
    simulation: &Simulation,
    with: impl FnOnce(CloudWatchGate) -> CloudWatchGate,
) -> Gates {
    let metrics = AlbMetrics::new(
        aws,
        simulation.listener().load_balancer(),
        simulation.blue(),
        simulation.green(),
    );
    let metrics = with(CloudWatchGate::alb(metrics, Limits::default()));
    let mut gates: Gates = vec![
        ("targets".into(), Arc::new(TargetHealthGate::new())),
        ("metrics".into(), Arc::new(metrics)),
    ];
    if !simulation.alarms().is_empty() {
        let alarms = AlarmGate::new(aws, simulation.alarms()).expect("named");
        gates.push(("alarms".into(), Arc::new(alarms)));
    }
    gates
}

/// Runs a migration by `plan` to its end.
pub(crate) async fn migrate(simulation: &Simulation, plan: MigrationPlan) -> Run {
    run(simulation, plan, Intent::Migrate, None).await
}

/// Runs the migration of `traffic_router` to its end.
pub(crate) async fn compare(simulation: &Simulation) -> Run {
    let (plan, intent) = (comparing_plan(), Intent::Migrate);
    run_under(simulation, plan, intent, None, comparing).await
}

/// Runs a migration by `plan` to its end, with a hand in it.
pub(crate) async fn run(
    simulation: &Simulation,
    plan: MigrationPlan,
    intent: Intent,
    hand: Option<Hand>,
) -> Run {
    run_under(simulation, plan, intent, hand, gates).await
}

/// As [`run`], under other gates.
pub(crate) async fn run_under(
    simulation: &Simulation,
    plan: MigrationPlan,
    intent: Intent,
    hand: Option<Hand>,
    gates: impl FnOnce(&Aws, &Simulation) -> Gates,
) -> Run {
    let aws = simulation.aws();
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
    let gates = gates(&aws, simulation);
    let journal = MemoryJournal::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let rule_before = simulation.rule_without_weights();
    let mut migration = Migration::new(plan.clone(), splitter)
        .clock(aws.clock())
        .journal(journal.clone());
    if let Some(keeper) = keeper(&aws, simulation) {
        migration = migration.capacity_keeper(keeper);
    }
    for (id, gate) in &gates {
        migration = migration.gate(id.clone(), Arc::clone(gate));
    }
    let seen = Arc::clone(&events);
    migration = migration.on_event(move |event| {
        seen.lock()
            .expect("no test panics in it")
            .push(event.clone());
    });
    if let Some(mut hand) = hand {
        let (handle, world) = (migration.handle(), simulation.clone());
        migration = migration.on_event(move |event| hand(event, &handle, &world));
    }
    let ended = within("a migration", async {
        match intent {
            Intent::Complete { by } => migration.complete(by).await,
            Intent::Restore(order) => migration.restore(order).await,
            _ => migration.run().await,
        }
    })
    .await;
    let events = events.lock().expect("no test panics in it").clone();
    Run {
        ended,
        events,
        simulation: simulation.clone(),
        aws,
        plan,
        journal,
        gates,
        rule_before,
    }
}

impl Run {
    pub(crate) fn exit_code(&self) -> u8 {
        match &self.ended {
            Ok(outcome) => outcome.exit_code(),
            Err(error) => error.exit_code(),
        }
    }

    /// The last words, for messages of failed tests.
    pub(crate) fn last_words(&self) -> String {
        self.events
            .last()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Green's highest share that this run wrote, in percent.
    pub(crate) fn highest_share(&self) -> f64 {
        let written = self.simulation.changes();
        let written = written.iter().filter(|change| change.by == Writer::Caller);
        let shares = written.map(|change| {
            let sum = change.weights.blue + change.weights.green;
            f64::from(change.weights.green) * 100.0 / f64::from(sum)
        });
        shares.fold(0.0, f64::max)
    }

    /// Checks the run against every promise that can be seen from outside. `raced` says that a third
    /// party's write came between a re-read and its write, which nothing can prevent.
    pub(crate) fn check_promises(&self, raced: bool) {
        self.check_order();
        self.check_rises();
        self.check_observes_after_failures();
        self.check_last_split();
        self.check_strangers(raced);
        self.check_replay();
        self.check_accepted();
        assert_eq!(
            self.rule_before,
            self.simulation.rule_without_weights(),
            "P3: more than two weights changed"
        );
    }

    /// Every end, a bad one too, tells the risks that the plan takes on.
    fn check_accepted(&self) {
        let report = match &self.ended {
            Ok(outcome) => outcome.report(),
            Err(MigrationError::Unresolved(unresolved)) => &unresolved.report,
            Err(_) => return,
        };
        assert_eq!(report.accepted, *self.plan.accepted());
        for risk in &report.accepted {
            assert!(self.last_words().contains(risk.as_str()), "{risk:?}");
        }
    }

    /// Events are in total order without gaps, and time never goes back.
    fn check_order(&self) {
        for (index, event) in self.events.iter().enumerate() {
            assert_eq!(event.seq, index as u64);
        }
        assert!(self.events.is_sorted_by_key(|event| event.at));
    }

    /// P1 and P2, from the events and from the changes in the simulated world.
    fn check_rises(&self) {
        let mut healthy = false;
        let mut overridden = false;
        for event in &self.events {
            match &event.kind {
                MigrationEvent::Looked { gates, traffic, .. } => {
                    healthy = traffic.is_ok() && gates.iter().all(|g| g.verdict.is_healthy());
                }
                MigrationEvent::StepPassed { overridden: by, .. } => overridden = by.is_some(),
                MigrationEvent::Shifting { from, to, .. } => {
                    let rises = to.green().as_fraction() > from.green_share();
                    let first = from.is_all_blue();
                    assert!(!rises || first || healthy || overridden, "P1: {event}");
                    healthy = false;
                }
                _ => {}
            }
        }
        let changes = self.simulation.changes();
        let blue_at_start = changes[0].targets.blue.healthy;
        for pair in changes.windows(2) {
            let (before, change) = (&pair[0].weights, &pair[1]);
            let share = |w: &bluegreen::traffic::Sides<u32>| {
                f64::from(w.green) / f64::from((w.blue + w.green).max(1))
            };
            if change.by != Writer::Caller || share(&change.weights) <= share(before) {
                continue;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 1000"
            )]
            let tenths = (share(&change.weights) * 1000.0).round() as u16;
            let share = bluegreen::Percent::from_tenths(tenths).expect("a share");
            let needed = self.plan.green_targets_for(share, blue_at_start);
            let there = change.targets.green.healthy;
            assert!(there >= needed, "P2: {there} targets for {share}");
        }
    }

    /// P10: after a write without an answer, nothing rises before an observation. P4: no accepted rise
    /// is written twice.
    fn check_observes_after_failures(&self) {
        let mut blind = false;
        let mut accepted = None;
        for event in &self.events {
            match &event.kind {
                MigrationEvent::WriteFailed { failure, .. } => {
                    blind = failure.kind == ErrorKind::OutcomeUnknown;
                }
                MigrationEvent::WriteObserved { .. }
                | MigrationEvent::Drifted { .. }
                | MigrationEvent::Shifted { .. }
                | MigrationEvent::Looked { traffic: Ok(_), .. } => blind = false,
                MigrationEvent::Accepted { to, .. } => accepted = Some(*to),
                MigrationEvent::Shifting { to, .. } if *to != TrafficSplit::ALL_BLUE => {
                    assert!(!blind, "P10: {event}");
                    assert_ne!(accepted, Some(*to), "P4: {event}");
                }
                _ => {}
            }
        }
    }

    /// P4 and P5: the reported split is the live rule, or the report says that it may not be.
    fn check_last_split(&self) {
        let live = self.simulation.weights();
        let changes = self.simulation.changes();
        let last = &self.events.last().expect("at least one event").kind;
        match &self.ended {
            Ok(outcome) => {
                let report = outcome.report();
                // No run can report a third party's write after its last read.
                let newest = changes.last().expect("the start at least");
                let unread =
                    newest.by == Writer::Stranger && Some(newest.at) >= report.traffic_read_at;
                if let (Some(traffic), false, None) = (&report.traffic, unread, report.unseen) {
                    assert_eq!(traffic.weights, live, "P4: {}", self.last_words());
                }
                match outcome {
                    MigrationOutcome::Promoted { .. } if !unread => assert_eq!(live.blue, 0),
                    MigrationOutcome::RolledBack { .. } if !unread => assert_eq!(live.green, 0),
                    _ => {}
                }
                assert!(
                    matches!(last, MigrationEvent::Ended { exit_code, .. } if *exit_code == outcome.exit_code())
                );
            }
            Err(MigrationError::Unresolved(unresolved)) => {
                let read = unresolved
                    .report
                    .traffic
                    .as_ref()
                    .expect("it was read once");
                assert!(read.weights == live || unresolved.change_unseen, "P4");
                assert!(unresolved.restore_command().is_some());
                assert!(matches!(
                    last,
                    MigrationEvent::Unresolved { exit_code: 20, .. }
                ));
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// P7: after a third party's write this run writes no more.
    fn check_strangers(&self, raced: bool) {
        let changes = self.simulation.changes();
        let stranger = changes
            .iter()
            .position(|change| change.by == Writer::Stranger);
        if let (Some(stranger), false) = (stranger, raced) {
            let after = &changes[stranger + 1..];
            assert!(
                after.iter().all(|change| change.by != Writer::Caller),
                "P7: {changes:#?}"
            );
        }
    }

    /// P9: the journal gives the same verdicts, changes and events again.
    fn check_replay(&self) {
        let gates: Vec<_> = self
            .gates
            .iter()
            .map(|(id, gate)| (id.clone(), &**gate as &dyn HealthGate))
            .collect();
        let replayed = replay(&self.journal.records(), &gates).expect("P9: the same again");
        let kinds: Vec<_> = self.events.iter().map(|event| event.kind.clone()).collect();
        assert_eq!(replayed.events, kinds, "P9");
    }
}

/// A plan that takes a few minutes and looks once a minute.
pub(crate) fn short_plan() -> bluegreen::migration::MigrationPlanBuilder {
    let minutes = |n: u64| std::time::Duration::from_secs(n * 60);
    MigrationPlan::builder()
        .bake(minutes(6))
        .step_deadline(minutes(15))
        .look_interval(minutes(1))
}
