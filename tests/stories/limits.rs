//! Gates, reads and writes that never answer, or answer late. Each run ends in time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen::{
    Aws, HealthGate, MigrationOutcome, Verdict,
    aws::sim::{Behaviour, Call, Fault, Service, Simulation, When},
    engine::Control,
    gate_fn,
    health::{Judge, Look, Observation},
    migration::{Intent, MigrationEvent},
};

use crate::common::{Gates, Hand, Run, gates, run, run_under, short_plan};

/// A gate that answers after `delay`, or never if `delay` is `None`.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn HealthGate>,
    delay: Option<Duration>,
}

#[async_trait]
impl HealthGate for Slow {
    async fn observe(&self, look: &Look) -> bluegreen::Result<Option<Observation>> {
        match self.delay {
            Some(delay) => tokio::time::sleep(delay).await,
            None => std::future::pending().await,
        }
        self.inner.observe(look).await
    }

    fn judge(&self) -> Box<dyn Judge> {
        self.inner.judge()
    }

    fn settings(&self) -> serde_json::Value {
        self.inner.settings()
    }
}

/// The usual gates, and a gate that is healthy after `delay`.
fn with_slow(aws: &Aws, simulation: &Simulation, delay: Option<Duration>) -> Gates {
    let healthy = gate_fn("slow", |_look| async { Ok(Verdict::healthy("fine")) });
    let slow = Slow {
        inner: Arc::new(healthy),
        delay,
    };
    let mut all = gates(aws, simulation);
    all.push(("slow".into(), Arc::new(slow)));
    all
}

async fn under_slow(simulation: &Simulation, delay: Option<Duration>) -> Run {
    let plan = short_plan().build().expect("valid");
    let gates = |aws: &Aws, simulation: &Simulation| with_slow(aws, simulation, delay);
    run_under(simulation, plan, Intent::Migrate, None, gates).await
}

fn failing() -> Simulation {
    let failing = Service::new(4).with(When::Always, Behaviour::Errors(0.3));
    Simulation::builder().green(failing).build()
}

/// How long after the first rise blue was restored.
fn restored_after(run: &Run) -> Duration {
    let at = |wanted: fn(&MigrationEvent) -> bool| {
        let mut events = run.events.iter();
        events
            .find(|event| wanted(&event.kind))
            .expect("told")
            .elapsed
    };
    let risen = at(|event| matches!(event, MigrationEvent::Shifted { .. }));
    at(|event| matches!(event, MigrationEvent::Restored { .. })) - risen
}

#[tokio::test(start_paused = true)]
async fn p11_a_gate_that_never_answers_ends_at_the_deadline() {
    let simulation = Simulation::builder().build();
    let run = under_slow(&simulation, None).await;
    assert_eq!(run.exit_code(), 10, "{}", run.last_words());
    assert_eq!(simulation.weights().green, 0);
    let Ok(MigrationOutcome::RolledBack { cause, .. }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    let cause = cause.to_string();
    assert!(
        cause.contains("slow") && cause.contains("did not answer"),
        "{cause}"
    );
    run.check_promises(false);
    assert!(acted_late(&run) <= LEAST_LOOK, "{:?}", acted_late(&run));
}

/// The least time that a look gets at the deadline.
const LEAST_LOOK: Duration = Duration::from_secs(2);

/// How long after the deadline a run began to roll back; the last look before tells the deadline.
fn acted_late(run: &Run) -> Duration {
    let mut late = None;
    let mut told = None;
    for event in &run.events {
        match &event.kind {
            MigrationEvent::Looked { deadline, .. } => told = Some(*deadline),
            MigrationEvent::RollingBack { .. } => {
                late = told.map(|told| event.at.duration_since(told))
            }
            _ => {}
        }
    }
    let late = late.expect("it rolled back after a look");
    Duration::try_from(late).unwrap_or_default()
}

/// A deadline does not wait for a look that is under way, at any point of that look.
#[tokio::test(start_paused = true)]
async fn p11_a_deadline_cuts_a_look_that_is_under_way() {
    for after in [1, 3, 7, 9, 12] {
        let deadline = Duration::from_secs(6 * 60 + after);
        let plan = short_plan().step_deadline(deadline).build().expect("valid");
        let simulation = Simulation::builder().build();
        let gates = |aws: &Aws, simulation: &Simulation| with_slow(aws, simulation, None);
        let run = run_under(&simulation, plan, Intent::Migrate, None, gates).await;
        assert_eq!(run.exit_code(), 10, "{after}: {}", run.last_words());
        assert!(
            acted_late(&run) <= LEAST_LOOK,
            "{after}: {:?}",
            acted_late(&run)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p01_a_gate_that_never_answers_keeps_no_other_from_restoring_blue() {
    let alone = {
        let simulation = failing();
        let plan = short_plan().build().expect("valid");
        run(&simulation, plan, Intent::Migrate, None).await
    };
    let beside = under_slow(&failing(), None).await;
    assert_eq!((alone.exit_code(), beside.exit_code()), (10, 10));
    let later = restored_after(&beside).saturating_sub(restored_after(&alone));
    assert!(
        later <= Duration::from_secs(25),
        "{later:?} later, two looks at most"
    );
}

#[tokio::test(start_paused = true)]
async fn p01_an_answer_that_is_late_counts_at_the_next_look() {
    for delay in [1, 9, 12, 20] {
        let simulation = Simulation::builder().build();
        let run = under_slow(&simulation, Some(Duration::from_secs(delay))).await;
        assert_eq!(run.exit_code(), 0, "{delay} s: {}", run.last_words());
        run.check_promises(false);
    }
}

/// The client does not end a call that hangs for good: the promises must hold without a time-out.
#[tokio::test(start_paused = true)]
async fn p11_a_call_that_never_answers_at_any_place_ends_in_a_known_place() {
    let whole = {
        let simulation = Simulation::builder().build();
        let plan = short_plan().build().expect("valid");
        run(&simulation, plan, Intent::Migrate, None).await;
        simulation.calls_in_all()
    };
    for fault in [Fault::HangBeforeEffect, Fault::HangAfterEffect] {
        for n in (1..=whole).step_by(3) {
            let simulation = Simulation::builder().build();
            simulation.fail(Call::any().nth(n), fault);
            let plan = short_plan().build().expect("valid");
            let run = run(&simulation, plan, Intent::Migrate, None).await;
            let code = run.exit_code();
            assert!(
                [0, 3, 10].contains(&code),
                "{fault:?} at {n}: {}",
                run.last_words()
            );
            run.check_promises(false);
        }
    }
}

/// Reads of the rule hang from some moment on, and green does harm.
#[tokio::test(start_paused = true)]
async fn p03_blue_is_restored_though_the_rule_cannot_be_read() {
    for fault in [Fault::HangBeforeEffect, Fault::Unavailable, Fault::Throttle] {
        let simulation = failing();
        simulation.fail(
            Call::DescribeRules.between(Duration::from_secs(60), Duration::from_secs(86_400)),
            fault,
        );
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, None).await;
        assert_eq!(
            simulation.weights().green,
            0,
            "{fault:?}: {}",
            run.last_words()
        );
        assert_eq!(run.exit_code(), 20, "{fault:?}: nothing could confirm it");
        let words = run.last_words();
        assert!(words.contains("accepted"), "{fault:?}: {words}");
        run.check_promises(false);
    }
    let simulation = failing();
    let gone = Call::DescribeRules.between(Duration::from_secs(60), Duration::from_secs(86_400));
    simulation.fail(gone, Fault::Unavailable);
    let plan = short_plan().blind_restore(false).build().expect("valid");
    let run = run(&simulation, plan, Intent::Migrate, None).await;
    assert_eq!(run.exit_code(), 20);
    assert!(simulation.weights().green > 0, "the plan forbids it");
    assert!(
        run.last_words().contains("aws elbv2"),
        "{}",
        run.last_words()
    );
}

#[tokio::test(start_paused = true)]
async fn p07_a_rule_that_is_deleted_ends_the_run_within_two_looks() {
    let simulation = Simulation::builder().build();
    let gone = Call::DescribeRules.between(Duration::from_secs(100), Duration::from_secs(86_400));
    simulation.fail(gone, Fault::Missing);
    let plan = short_plan().build().expect("valid");
    let run = run(&simulation, plan, Intent::Migrate, None).await;
    assert_eq!(run.exit_code(), 12, "{}", run.last_words());
    let end = run.events.last().expect("an end").elapsed;
    let looks = run.plan.look_interval() * 2;
    assert!(end <= Duration::from_secs(105) + looks, "{end:?}");
    assert!(run.last_words().contains("deleted"), "{}", run.last_words());
}

/// A control takes effect at the moment when it is given, and its answer says so.
#[tokio::test(start_paused = true)]
async fn p11_a_pause_that_is_given_early_holds() {
    for event in 0..4 {
        let simulation = Simulation::builder().build();
        let mut given = false;
        let hand: Hand = Box::new(move |seen, handle, _world| {
            if seen.seq == event && !given {
                given = true;
                let _answer = handle.send(Control::Pause {
                    by: "ann".into(),
                    length: None,
                });
            }
        });
        let plan = short_plan().build().expect("valid");
        let run = run(&simulation, plan, Intent::Migrate, Some(hand)).await;
        let code = run.exit_code();
        assert!(
            [3, 11].contains(&code),
            "event {event}: {}",
            run.last_words()
        );
        assert!(
            run.highest_share() <= 10.0,
            "event {event}: it rose in a pause"
        );
    }
}
