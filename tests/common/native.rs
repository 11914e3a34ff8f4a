//! Judges a deployment that ECS moves itself on the simulated AWS, and checks every run against the promises.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bluegreen::{
    Aws, ErrorKind,
    aws::{
        ecs::EcsNativeDeployment,
        iam::IamPolicy,
        sim::{Call, Simulation, Writer},
    },
    engine::{ControlHandle, Event, Journal, MemoryJournal, Record},
    migration::GatePolicy,
    native::{
        NativeError, NativeEvent, NativeJudge, NativeOutcome, NativePlan, NativeStatus, Pause,
        ReplayError, replay,
    },
};

use jiff::Timestamp;

use super::{Gates, limit::within};

pub(crate) type Ended = Result<NativeOutcome, NativeError>;

/// A test's reaction to an event.
pub(crate) type Hand = Box<dyn FnMut(&Event<NativeEvent>, &ControlHandle) + Send>;

/// A world, the journal of its run, and what was told.
pub(crate) struct Story {
    pub(crate) simulation: Simulation,
    pub(crate) aws: Aws,
    pub(crate) journal: MemoryJournal,
    pub(crate) events: Arc<Mutex<Vec<Event<NativeEvent>>>>,
    pub(crate) gates: Gates,
    pub(crate) arn: String,
    plan: NativePlan,
}

impl Story {
    /// A run with these gates over the oldest deployment of the world.
    pub(crate) fn new(
        simulation: Simulation,
        plan: NativePlan,
        gates: impl FnOnce(&Aws, &Simulation) -> Gates,
    ) -> Self {
        let aws = simulation.aws();
        let gates = gates(&aws, &simulation);
        let (arn, _) = simulation.service_deployments().remove(0);
        Self {
            simulation,
            aws,
            journal: MemoryJournal::new(),
            events: Arc::default(),
            plan,
            gates,
            arn,
        }
    }

    /// The judge as a fresh process makes it.
    pub(crate) fn judge(&self) -> NativeJudge {
        self.judge_with(&self.aws, self.journal.clone())
    }

    /// As [`Self::judge`], with another journal and an AWS that may be fenced.
    pub(crate) fn judge_with(&self, aws: &Aws, journal: impl Journal + 'static) -> NativeJudge {
        let deployment = EcsNativeDeployment::new(aws, &self.arn).expect("an ARN");
        let events = Arc::clone(&self.events);
        let judge = NativeJudge::new(self.plan.clone(), deployment)
            .clock(aws.clock())
            .journal(journal)
            .on_event(move |event| events.lock().expect("no panic").push(event.clone()));
        let gates = self.gates.iter();
        gates.fold(judge, |judge, (id, gate)| {
            judge.gate(id.as_str(), Arc::clone(gate))
        })
    }

    pub(crate) async fn run(&self) -> Ended {
        within("the judge", self.judge().run()).await
    }

    /// As [`Self::run`], with a hand in it.
    pub(crate) async fn run_with(&self, mut hand: Hand) -> Ended {
        let judge = self.judge();
        let handle = judge.handle();
        let judge = judge.on_event(move |event| hand(event, &handle));
        within("the judge", judge.run()).await
    }

    pub(crate) async fn resume(&self) -> Ended {
        let records = self.journal.records();
        within("the resumed judge", self.judge().resume(&records, "bob")).await
    }

    /// The end that a journal holds already, if a resume says so.
    pub(crate) fn ended(&self, ended: Ended, records: &[Record]) -> Ended {
        let Err(NativeError::Resume(ReplayError::Ended)) = ended else {
            return ended;
        };
        let machine = self.replayed(records).machine;
        match machine.end().expect("P5: the journal holds the end") {
            Ok(outcome) => Ok(outcome.clone()),
            Err(unresolved) => Err(NativeError::Unresolved(Box::new(unresolved.clone()))),
        }
    }

    /// Whether the oldest deployment has this status.
    pub(crate) fn status(&self) -> &'static str {
        self.simulation.service_deployments().remove(0).1
    }

    fn replayed(&self, records: &[Record]) -> bluegreen::native::Replay {
        let gates = self.gates.iter();
        let gates: Vec<_> = gates.map(|(id, gate)| (id.clone(), &**gate)).collect();
        replay(records, &gates).unwrap_or_else(|error| panic!("P9: {error}: {}", self.last_words()))
    }

    /// Holds the run against the promises, and returns its exit code.
    pub(crate) fn check(&self, ended: &Ended) -> u8 {
        let events = self.events.lock().expect("no panic");
        let told: Vec<NativeEvent> = events.iter().map(|event| event.kind.clone()).collect();
        assert!(events.is_sorted_by_key(|event| event.at), "in order");
        drop(events);
        // P9: the journal gives the same verdicts, changes and events again.
        let replayed = self.replayed(&self.journal.records()).events;
        assert_eq!(replayed, told, "P9: {}", self.last_words());
        self.check_events(ended, &told)
    }

    /// The same for a run whose process was killed: what the journal holds counts, not what was told.
    pub(crate) fn check_records(&self, ended: &Ended, records: &[Record]) -> u8 {
        let events = self.replayed(records).events;
        self.check_events(ended, &events)
    }

    fn check_events(&self, ended: &Ended, events: &[NativeEvent]) -> u8 {
        let (code, told) = match ended {
            Ok(outcome) => (outcome.exit_code(), outcome.to_string()),
            Err(error) => (error.exit_code(), error.to_string()),
        };
        self.check_status(ended, &told);
        self.check_answers(events, &told);
        self.check_rights();
        match events.last() {
            Some(
                NativeEvent::Ended { exit_code, .. } | NativeEvent::Unresolved { exit_code, .. },
            ) => {
                assert_eq!(*exit_code, code, "{told}");
            }
            other => panic!("the last event is {other:?}: {told}"),
        }
        code
    }

    /// P4 and P5: what is reported is what ECS shows, or the report says that a change may be under way.
    fn check_status(&self, ended: &Ended, told: &str) {
        let live = self.status();
        let said = |read: Option<&bluegreen::native::NativeObservation>| {
            let read = read.map(|read| &read.status);
            read.is_some_and(|status| as_ecs_spells(status) == live)
        };
        let orders = [Call::ContinueServiceDeployment, Call::StopServiceDeployment];
        match ended {
            Ok(NativeOutcome::Promoted { .. }) => assert_eq!(live, "SUCCESSFUL", "P4: {told}"),
            Ok(NativeOutcome::RolledBack { .. }) => {
                assert_eq!(live, "ROLLBACK_SUCCESSFUL", "P4: {told}");
                assert_eq!(self.simulation.weights().green, 0, "P4: {told}");
            }
            Ok(NativeOutcome::Unchanged { .. }) => {
                let sent = orders.map(|call| self.simulation.calls(call));
                assert_eq!(sent, [0, 0], "P4: {told}");
            }
            Ok(_) => {}
            Err(NativeError::Unresolved(unresolved)) => {
                let report = &unresolved.report;
                // ECS acts by itself after the last read: then the end says how old that read is.
                let old = |read_at: Timestamp| report.ended.duration_since(read_at).as_secs() > 60;
                let is_old = report.read_at.is_none_or(old);
                let is_true = said(report.deployment.as_ref());
                assert!(
                    is_true || unresolved.change_unseen || is_old,
                    "P4: {live}, {told}"
                );
                assert!(
                    !is_old || report.read_at.is_none() || told.contains("before the end"),
                    "{told}"
                );
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// P1: above zero each answer follows a look at which all required gates were healthy, or an override. P4:
    /// an accepted answer is never sent again. P10: an answer whose outcome is unknown is followed by a read.
    fn check_answers(&self, events: &[NativeEvent], told: &str) {
        let (mut healthy, mut blind, mut answers) = (false, false, 0);
        let mut accepted: Vec<&Pause> = Vec::new();
        for event in events {
            match event {
                NativeEvent::Looked {
                    gates,
                    is_old,
                    observed,
                    ..
                } => {
                    let mut required = gates
                        .iter()
                        .filter(|gate| gate.policy != GatePolicy::Advisory);
                    healthy = !is_old && required.all(|gate| gate.verdict.is_healthy());
                    blind &= observed.is_err();
                }
                NativeEvent::AnswerFailed { failure, .. } => {
                    blind = failure.kind == ErrorKind::OutcomeUnknown;
                }
                NativeEvent::Resumed { .. } => blind = true,
                NativeEvent::Answered { pause, .. } => accepted.push(pause),
                NativeEvent::Answering {
                    green,
                    pause,
                    overridden,
                    ..
                } => {
                    answers += 1;
                    let is_first = green.as_tenths() == 0;
                    assert!(healthy || is_first || overridden.is_some(), "P1: {told}");
                    assert!(!blind, "P10: {told}");
                    let mut same = accepted.iter();
                    let is_same =
                        |one: &&&Pause| one.id == pause.id && one.expires == pause.expires;
                    assert!(same.find(is_same).is_none(), "P4: {pause} twice: {told}");
                }
                _ => {}
            }
        }
        let changes = self.simulation.changes();
        let rises = changes.windows(2).filter(|pair| {
            pair[1].by == Writer::Service && pair[1].weights.green > pair[0].weights.green
        });
        let rises = rises.count();
        assert!(
            rises <= answers,
            "P1: {rises} rises after {answers} answers: {told}"
        );
    }

    /// The policy of the judge's role allows each call that was made.
    fn check_rights(&self) {
        let mut policy = IamPolicy::judge(&self.arn).metrics();
        if !self.simulation.alarms().is_empty() {
            policy = policy.alarms();
        }
        let allowed = names(&policy);
        let calls = self.aws.calls();
        let made: BTreeSet<&str> = calls.operations().collect();
        let more: Vec<_> = made
            .iter()
            .filter(|call| !allowed.contains(**call))
            .collect();
        assert!(more.is_empty(), "calls without a right: {more:?}");
    }

    pub(crate) fn last_words(&self) -> String {
        let events = self.events.lock().expect("no panic");
        let lines = events.iter().rev().take(12).map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The operations that a policy allows.
pub(crate) fn names(policy: &IamPolicy) -> BTreeSet<String> {
    let actions = policy.actions().into_iter();
    let name = |action: &str| action.rsplit(':').next().unwrap_or(action).to_owned();
    actions.map(name).collect()
}

/// A status as ECS spells it.
fn as_ecs_spells(status: &NativeStatus) -> &str {
    match status {
        NativeStatus::Pending => "PENDING",
        NativeStatus::InProgress => "IN_PROGRESS",
        NativeStatus::StopRequested => "STOP_REQUESTED",
        NativeStatus::RollbackRequested => "ROLLBACK_REQUESTED",
        NativeStatus::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
        NativeStatus::Successful => "SUCCESSFUL",
        NativeStatus::Stopped => "STOPPED",
        NativeStatus::RolledBack => "ROLLBACK_SUCCESSFUL",
        NativeStatus::RollbackFailed => "ROLLBACK_FAILED",
        NativeStatus::Unknown(status) => status,
        _ => "a status of a newer version",
    }
}
