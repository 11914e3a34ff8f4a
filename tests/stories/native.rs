//! Deployments that ECS moves itself, and that wait for the gates at each pause.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bluegreen::{
    aws::{
        ecs::EcsNativeDeployment,
        sim::{Call, Fault, Lag, Moment, NativeScenario, Simulation},
    },
    engine::{Event, MemoryJournal},
    native::{Cause, NativeError, NativeEvent, NativeJudge, NativeOutcome, NativePlan, replay},
    preflight::Acceptance,
};

use crate::common::{Gates, cases::each, comparing, limit::within};

type Ended = Result<NativeOutcome, NativeError>;

/// A world, the journal of its run, and what was told.
struct Story {
    simulation: Simulation,
    journal: MemoryJournal,
    events: Arc<Mutex<Vec<Event<NativeEvent>>>>,
    plan: NativePlan,
    gates: Gates,
    arn: String,
}

impl Story {
    fn new(simulation: Simulation, plan: NativePlan) -> Self {
        let aws = simulation.aws();
        let gates = comparing(&aws, &simulation);
        let (arn, _) = simulation.service_deployments().remove(0);
        Self {
            simulation,
            journal: MemoryJournal::new(),
            events: Arc::default(),
            plan,
            gates,
            arn,
        }
    }

    /// The judge as a fresh process makes it.
    fn judge(&self) -> NativeJudge {
        let aws = self.simulation.aws();
        let deployment = EcsNativeDeployment::new(&aws, &self.arn).expect("an ARN");
        let events = Arc::clone(&self.events);
        let judge = NativeJudge::new(self.plan.clone(), deployment)
            .clock(aws.clock())
            .journal(self.journal.clone())
            .on_event(move |event| events.lock().expect("no panic").push(event.clone()));
        let gates = self.gates.iter();
        gates.fold(judge, |judge, (id, gate)| {
            judge.gate(id.as_str(), Arc::clone(gate))
        })
    }

    async fn run(&self) -> Ended {
        within("the judge", self.judge().run()).await
    }

    async fn resume(&self) -> Ended {
        let records = self.journal.records();
        within("the resumed judge", self.judge().resume(&records, "bob")).await
    }

    /// Holds the run against the promises, and returns its exit code.
    fn check(&self, ended: &Ended) -> u8 {
        let status = self.simulation.service_deployments().remove(0).1;
        let code = match ended {
            Ok(outcome) => outcome.exit_code(),
            Err(error) => error.exit_code(),
        };
        let told = match ended {
            Ok(outcome) => outcome.to_string(),
            Err(error) => error.to_string(),
        };
        match code {
            0 => assert_eq!(status, "SUCCESSFUL", "{told}"),
            10 | 11 => assert_eq!(status, "ROLLBACK_SUCCESSFUL", "{told}"),
            _ => {}
        }
        // P1: above zero each answer follows a look at which all required gates were healthy.
        let events = self.events.lock().expect("no panic");
        let mut healthy = false;
        for event in &*events {
            match &event.kind {
                NativeEvent::Looked { gates, is_old, .. } => {
                    let mut required = gates.iter().filter(|gate| gate.policy != ADVISORY);
                    healthy = !is_old && required.all(|gate| gate.verdict.is_healthy());
                }
                NativeEvent::Answering { green, .. } => {
                    assert!(healthy || green.as_tenths() == 0, "{told}");
                }
                _ => {}
            }
        }
        // P9: the journal gives the same verdicts, changes and events again.
        let gates = self.gates.iter();
        let gates: Vec<_> = gates.map(|(id, gate)| (id.clone(), &**gate)).collect();
        let replayed = replay(&self.journal.records(), &gates).unwrap_or_else(|error| {
            panic!("{error}: {told}");
        });
        let kinds: Vec<&NativeEvent> = events.iter().map(|event| &event.kind).collect();
        let replayed: Vec<&NativeEvent> = replayed.events.iter().collect();
        assert_eq!(replayed, kinds, "{told}");
        code
    }

    fn last_words(&self) -> String {
        let events = self.events.lock().expect("no panic");
        let lines = events.iter().rev().take(12).map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    }
}

const ADVISORY: bluegreen::migration::GatePolicy = bluegreen::migration::GatePolicy::Advisory;

fn plan() -> NativePlan {
    NativePlan::builder().build().expect("valid")
}

#[test]
fn every_native_scenario_ends_as_promised_and_keeps_the_promises() {
    each(NativeScenario::ALL, async |scenario| {
        for seed in [1, 2] {
            let story = Story::new(scenario.simulation(seed), plan());
            let ended = story.run().await;
            let code = story.check(&ended);
            let words = story.last_words();
            assert_eq!(
                code,
                scenario.expected_exit(),
                "{scenario}, {seed}: {words}"
            );
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_time_out_that_continues_is_judged_in_time_if_it_is_accepted() {
    let plan = NativePlan::builder().accept(Acceptance::PauseContinues);
    let world = NativeScenario::TimeoutContinues.simulation(1);
    let story = Story::new(world, plan.build().expect("valid"));
    let ended = story.run().await;
    assert_eq!(story.check(&ended), 0, "{}", story.last_words());
    let Ok(outcome) = ended else { panic!() };
    assert_eq!(outcome.report().answers, 4, "no pause has timed out");
}

#[tokio::test(start_paused = true)]
async fn harm_is_answered_by_a_stop_between_two_pauses() {
    let story = Story::new(NativeScenario::ErrorsAtStep.simulation(3), plan());
    let ended = story.run().await;
    assert_eq!(story.check(&ended), 10);
    let Ok(NativeOutcome::RolledBack { cause, .. }) = &ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(cause, Cause::Gate { .. }), "{cause}");
    assert_eq!(story.simulation.calls(Call::StopServiceDeployment), 1);
    assert_eq!(story.simulation.weights().green, 0);
}

/// Each fault at the first answer and at the last one: the deployment is promoted all the same, or ends in a state that is known.
#[test]
fn p10_whatever_becomes_of_an_answer_no_pause_is_answered_twice() {
    let faults = [
        Fault::Throttle,
        Fault::Denied,
        Fault::Unavailable,
        Fault::TimeoutBeforeEffect,
        Fault::TimeoutAfterEffect,
        Fault::HangBeforeEffect,
        Fault::HangAfterEffect,
    ];
    let cases = [1, 4].into_iter();
    let cases = cases.flat_map(|nth| faults.map(|fault| (nth, fault)));
    each(cases.collect::<Vec<_>>(), async |(nth, fault)| {
        let world = NativeScenario::HealthyLinear.simulation(1);
        world.fail(Call::ContinueServiceDeployment.nth(nth), fault);
        let story = Story::new(world, plan());
        let ended = story.run().await;
        let code = story.check(&ended);
        assert_eq!(code, 0, "{nth} {fault:?}: {}", story.last_words());
        // The adapter may repeat a throttled call by itself.
        let happened = matches!(fault, Fault::TimeoutAfterEffect | Fault::HangAfterEffect);
        if happened {
            let calls = story.simulation.calls(Call::ContinueServiceDeployment);
            assert_eq!(calls, 4, "{nth} {fault:?}: {}", story.last_words());
        }
    });
}

/// Reads lag behind each write, for as long as the adapter says that they may.
#[test]
fn p04_a_stale_read_at_each_look_decides_nothing() {
    let seconds = [5, 15, 25];
    let worlds = [
        NativeScenario::HealthyLinear,
        NativeScenario::ErrorsAtStep,
        NativeScenario::DeadGreen,
    ];
    let cases = seconds.into_iter();
    let cases = cases.flat_map(|lag| worlds.map(|world| (lag, world)));
    each(cases.collect::<Vec<_>>(), async |(seconds, scenario)| {
        let world = scenario.simulation(1);
        let lag = Lag::for_time(Duration::from_secs(seconds));
        world.lag(Call::DescribeServiceDeployments, lag);
        let story = Story::new(world, plan());
        let ended = story.run().await;
        let code = story.check(&ended);
        let words = story.last_words();
        assert_eq!(
            code,
            scenario.expected_exit(),
            "{seconds} s, {scenario}: {words}"
        );
        if code == 0 {
            let calls = story.simulation.calls(Call::ContinueServiceDeployment);
            assert_eq!(calls, 4, "an accepted answer is never sent twice: {words}");
        }
    });
}

/// Killed before and after each change, and at every 83rd call, and resumed by another process.
#[test]
fn p05_killed_at_a_call_and_resumed_the_run_ends_as_it_would_have() {
    let (healthy, harmful) = (NativeScenario::HealthyLinear, NativeScenario::ErrorsAtStep);
    let mut cases = Vec::new();
    for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
        for nth in 1..=4 {
            cases.push((healthy, Call::ContinueServiceDeployment.nth(nth), moment));
        }
        cases.push((harmful, Call::StopServiceDeployment.nth(1), moment));
        for nth in (1..400).step_by(83) {
            cases.push((healthy, Call::any().nth(nth), moment));
            cases.push((harmful, Call::any().nth(nth), moment));
        }
    }
    let killed = each(cases, async |(scenario, call, moment)| {
        let story = Story::new(scenario.simulation(1), plan());
        let mut stop = story.simulation.stop_at(call, moment);
        let is_killed = tokio::select! {
            biased;
            () = stop.reached() => true,
            _ = story.run() => false,
        };
        if !is_killed {
            return 0_usize;
        }
        let ended = story.resume().await;
        let code = match &ended {
            // Killed before the first record: nothing to continue.
            Err(NativeError::Resume(_)) => return 1,
            ended => story.check(ended),
        };
        let words = story.last_words();
        assert_eq!(
            code,
            scenario.expected_exit(),
            "{call:?} {moment:?}: {words}"
        );
        1
    });
    assert!(killed.iter().sum::<usize>() >= 16, "{killed:?}");
}
