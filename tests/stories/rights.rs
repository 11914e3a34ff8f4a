//! The rights that are asked for are those of the calls that are made.

use std::collections::BTreeSet;

use bluegreen::aws::{
    iam::IamPolicy,
    sim::{Scenario, Simulation},
};

use crate::common::compare;

fn last_words(action: &str) -> &str {
    action.rsplit(':').next().unwrap_or(action)
}

/// The operations that whole migrations made, promoted and rolled back.
async fn made(simulations: &[Simulation]) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for simulation in simulations {
        let run = compare(simulation).await;
        let calls = run.aws.calls();
        made.extend(calls.operations().map(str::to_owned));
    }
    made
}

#[tokio::test(start_paused = true)]
async fn the_policy_of_a_migration_allows_each_call_that_it_makes_and_no_other() {
    let scenarios = [Scenario::Healthy, Scenario::GreenErrors];
    let simulations = scenarios.map(|scenario| scenario.simulation(1));
    let policy = IamPolicy::migration(&simulations[0].rule()).metrics();
    let allowed: BTreeSet<String> = policy
        .actions()
        .into_iter()
        .map(|action| last_words(action).to_owned())
        .collect();
    assert_eq!(made(&simulations).await, allowed);
}

#[tokio::test(start_paused = true)]
async fn a_gate_over_alarms_needs_one_right_more() {
    let simulation = Scenario::AlarmFiring.simulation(1);
    let policy = IamPolicy::migration(&simulation.rule()).metrics().alarms();
    let made = made(&[simulation]).await;
    assert!(made.contains("DescribeAlarms"), "{made:?}");
    let actions = policy.actions();
    let allowed: BTreeSet<&str> = actions.iter().map(|action| last_words(action)).collect();
    for call in &made {
        assert!(allowed.contains(call.as_str()), "{call}");
    }
}
