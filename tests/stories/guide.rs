//! Each mistake of the guide's `traffic_router.py`, with a run in which this program is right.

use std::time::Duration;

use bluegreen::{
    MigrationError, MigrationOutcome, MigrationPlan,
    aws::sim::{Behaviour, Call, Fault, Service, Simulation, When},
    migration::{Cause, MigrationEvent},
    traffic::Sides,
};

use crate::common::{migrate, short_plan};

fn plan() -> MigrationPlan {
    short_plan().build().expect("valid")
}

fn failing_green() -> Service {
    Service::new(4).with(When::Always, Behaviour::Errors(0.3))
}

/// `if total_requests > 0:` takes a green that emits nothing to 100 %.
#[tokio::test(start_paused = true)]
async fn p01_no_data_is_never_a_pass() {
    let silent = Service::new(4).with(When::Always, Behaviour::Silent);
    let simulation = Simulation::builder().green(silent).build();
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 10);
    assert!(run.highest_share() <= 10.0);
    run.check_promises(false);
}

/// One look at the end, over the last five minutes only.
#[tokio::test(start_paused = true)]
async fn errors_in_the_first_minutes_of_a_step_are_seen_while_it_waits() {
    let burst = When::AfterNthRise(2, Duration::ZERO, Duration::from_secs(5 * 60));
    let green = Service::new(4).with(burst, Behaviour::Errors(1.0));
    let simulation = Simulation::builder().green(green).build();
    let run = migrate(
        &simulation,
        MigrationPlan::builder().build().expect("valid"),
    )
    .await;
    assert_eq!(run.exit_code(), 10);
    // Restored during the burst, long before the ten minutes of the wait are over.
    let changes = simulation.changes();
    let (second, back) = (&changes[2], &changes[3]);
    assert_eq!(back.weights.green, 0);
    let took = back.at.duration_since(second.at).as_secs();
    assert!(took <= 5 * 60, "{took} s");
    run.check_promises(false);
}

/// The rollback's result is ignored, and the split stays 90/10 on a failing green.
#[tokio::test(start_paused = true)]
async fn p04_a_rollback_hit_by_a_throttle_still_restores() {
    let simulation = Simulation::builder().green(failing_green()).build();
    simulation.fail(Call::ModifyRule.nth(2), Fault::Throttle);
    let run = migrate(&simulation, plan()).await;
    let Ok(MigrationOutcome::RolledBack { restored, .. }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    assert!(
        restored.confirmed.is_some(),
        "confirmed by a minute without requests"
    );
    assert_eq!(simulation.calls(Call::ModifyRule), 3);
    run.check_promises(false);
}

/// A failure at a later step returns without a rollback, and says that blue serves everything.
#[tokio::test(start_paused = true)]
async fn a_later_step_that_cannot_be_written_rolls_back() {
    let simulation = Simulation::builder().build();
    simulation.fail(Call::ModifyRule.nth(2), Fault::Denied);
    let run = migrate(&simulation, plan()).await;
    let Ok(MigrationOutcome::RolledBack { cause, .. }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    assert!(matches!(cause, Cause::WriteFailed { .. }));
    run.check_promises(false);
}

/// `describe_rules` is not paged, and a rule that is not found reads as 100/0.
#[tokio::test(start_paused = true)]
async fn a_rule_on_page_two_is_found() {
    let simulation = Simulation::builder().rules_before(25).build();
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert!(simulation.calls(Call::DescribeRules) > 3);
    run.check_promises(false);
}

/// Relative weights are printed as percent: a rule of weight 1 reads as 1 % and gets everything.
#[tokio::test(start_paused = true)]
async fn p04_weights_of_one_and_zero_are_all_and_nothing() {
    let weights = Sides { blue: 1, green: 0 };
    let simulation = Simulation::builder().weights(weights).build();
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    run.check_promises(false);

    let weights = Sides { blue: 0, green: 1 };
    let simulation = Simulation::builder().weights(weights).build();
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 3);
    assert!(run.last_words().contains("green serves everything already"));
}

/// The log-in action, the stickiness and the third group are erased from the rule.
#[tokio::test(start_paused = true)]
async fn p03_login_stickiness_and_third_group_stay() {
    for builder in [Simulation::builder(), Simulation::builder().default_rule()] {
        let simulation = builder
            .login()
            .sticky(Duration::from_secs(60))
            .third_group(0)
            .build();
        let before = simulation.rule_without_weights();
        let run = migrate(&simulation, plan()).await;
        assert_eq!(run.exit_code(), 0, "{}", run.last_words());
        assert_eq!(before, simulation.rule_without_weights());
        assert!(before.contains("chatbot-legacy-tg") && before.contains("openid"));
        run.check_promises(false);
    }
}

#[tokio::test(start_paused = true)]
async fn p03_what_cannot_be_kept_is_refused() {
    for builder in [
        Simulation::builder().third_group(5),
        Simulation::builder().unknown_action(),
    ] {
        let simulation = builder.build();
        let run = migrate(&simulation, plan()).await;
        assert_eq!(run.exit_code(), 3, "{}", run.last_words());
        assert_eq!(simulation.calls(Call::ModifyRule), 0);
    }
}

/// One throttle of CloudWatch kills the migration.
#[tokio::test(start_paused = true)]
async fn one_throttled_read_of_metrics_changes_nothing() {
    let simulation = Simulation::builder().build();
    simulation.fail(Call::GetMetricData.nth(4), Fault::Throttle);
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    run.check_promises(false);
}

/// A third party's write is not noticed; the script continues from its own idea of the split.
#[tokio::test(start_paused = true)]
async fn p07_a_third_party_is_noticed_and_not_fought() {
    let simulation = Simulation::builder().green(failing_green()).build();
    let weights = Sides {
        blue: 20,
        green: 80,
    };
    simulation.third_party_write_at(Duration::from_secs(100), weights);
    let run = migrate(&simulation, plan()).await;
    // Green is unhealthy, and blue is not written over the third party's split: a person is needed.
    let Err(MigrationError::Unresolved(unresolved)) = &run.ended else {
        panic!("{}", run.last_words());
    };
    assert!(
        unresolved
            .summary
            .contains("green weight: expected 10, found 80"),
        "{unresolved}"
    );
    let traffic = unresolved.report.traffic.as_ref().expect("read");
    assert_eq!(traffic.weights, weights);
    assert!(unresolved.restore_command().is_some());
    let warned = run.events.iter();
    let warned = warned.filter(|e| matches!(e.kind, MigrationEvent::RestoreBlocked { .. }));
    assert!(warned.count() > 1, "it says so again");
    assert_eq!(simulation.weights(), weights);
    run.check_promises(false);
}

/// A failed write whose effect is not known is taken as a failure.
#[tokio::test(start_paused = true)]
async fn p10_a_lost_answer_is_observed_and_not_sent_again() {
    let simulation = Simulation::builder().build();
    simulation.fail(Call::ModifyRule.nth(2), Fault::TimeoutAfterEffect);
    let run = migrate(&simulation, plan()).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    assert_eq!(simulation.calls(Call::ModifyRule), 3);
    run.check_promises(false);
}

/// A dead green emits no metrics: its targets tell.
#[tokio::test(start_paused = true)]
async fn a_dead_green_is_noticed_without_metrics() {
    let dead = When::Between(Duration::from_secs(200), Duration::MAX);
    let green = Service::new(4).with(dead, Behaviour::Dead);
    let simulation = Simulation::builder().green(green).build();
    let run = migrate(
        &simulation,
        MigrationPlan::builder().build().expect("valid"),
    )
    .await;
    assert_eq!(run.exit_code(), 10);
    let Ok(MigrationOutcome::RolledBack { cause, .. }) = &run.ended else {
        panic!("{}", run.last_words());
    };
    assert!(matches!(cause, Cause::Gate { gate, .. } if gate.as_str() == "targets"));
    // The balancer takes 90 s to notice, and the next look comes within 15.
    let back = simulation.changes()[2]
        .at
        .duration_since(simulation.changes()[0].at);
    assert!(back.as_secs() <= 200 + 90 + 15, "{back:?}");
    run.check_promises(false);
}
