//! The policies ask for exactly the rights of the calls that are made.

use std::{collections::BTreeSet, time::Duration};

use bluegreen::{
    MigrationOutcome,
    aws::{
        alb::RoleArn,
        iam::IamPolicy,
        sim::{Call, Fault, Scenario, ScheduleRole, Simulation},
    },
    migration::{MigrationEvent, Unchanged},
    preflight::Finding,
    store::Take,
};

use crate::common::{compare, durable::Durable, short_plan};

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
    let made = made(&simulations).await;
    assert!(made.is_subset(&allowed), "{made:?}");
    // Tags are read only if a rule with a header leads to green: see `uses`.
    let more: Vec<_> = allowed.difference(&made).collect();
    assert_eq!(more, ["DescribeTags"]);
}

/// A run whose switch is armed, renewed and disarmed.
#[tokio::test(start_paused = true)]
async fn a_dead_man_switch_needs_the_rights_to_its_schedule() {
    let simulation = Scenario::Healthy.simulation(1);
    let rule = simulation.rule();
    let role: RoleArn = "arn:aws:iam::123456789012:role/blue-again"
        .parse()
        .expect("a role");
    let plan = short_plan()
        .dead_man(Duration::from_secs(300))
        .build()
        .expect("valid");
    let durable = Durable::new(simulation, plan);
    let lease = durable.take("ann", Take::IfFree).await.expect("free");
    let (migration, _, aws) = durable.controller(&lease, None);
    let ended = migration.run().await.expect("a known end");
    assert_eq!(ended.exit_code(), 0);
    let calls = aws.calls();
    let made: BTreeSet<&str> = calls.operations().collect();
    assert_eq!(
        (calls.of("GetRole"), calls.of("SimulatePrincipalPolicy")),
        (1, 2)
    );
    let policy = IamPolicy::migration(&rule).metrics().dead_man(&rule, &role);
    let actions = policy.actions();
    let allowed: BTreeSet<&str> = actions.iter().map(|action| last_words(action)).collect();
    // To pass a role is a right without a call, and here is no test route whose tags are read.
    let passed: Vec<_> = allowed.difference(&made).collect();
    assert_eq!(passed, [&"DescribeTags", &"PassRole"]);
    assert!(made.is_subset(&allowed), "{made:?}");
    let role = IamPolicy::dead_man_role(&rule);
    assert_eq!(
        role.actions(),
        BTreeSet::from(["elasticloadbalancing:ModifyRule"])
    );
}

/// A run under a switch in a world with this role, and the findings of its preflight.
async fn under(
    role: ScheduleRole,
    faults: &[Call],
) -> (Simulation, MigrationOutcome, Vec<Finding>) {
    let simulation = Simulation::builder().schedule_role(role).build();
    for call in faults {
        simulation.fail(call.every(), Fault::Denied);
    }
    let plan = short_plan().dead_man(Duration::from_secs(300));
    let durable = Durable::new(simulation.clone(), plan.build().expect("valid"));
    let ended = durable.migrate("ann", None).await.expect("a known end");
    let events = durable.events.lock().expect("no panic").clone();
    let found = events.into_iter().find_map(|event| match event.kind {
        MigrationEvent::PreflightPassed { findings, .. } => Some(findings),
        _ => None,
    });
    let of_unchanged = match &ended {
        MigrationOutcome::Unchanged {
            reason: Unchanged::Refused { findings },
            ..
        } => findings.clone(),
        _ => Vec::new(),
    };
    let mut found = found.unwrap_or(of_unchanged);
    found.retain(|one| one.message.contains("role"));
    (simulation, ended, found)
}

#[tokio::test(start_paused = true)]
async fn a_role_that_could_not_put_traffic_back_is_refused_before_anything_moves() {
    let role = ScheduleRole::default;
    for (role, said) in [
        (
            role().without("elasticloadbalancing:ModifyRule"),
            "add the missing statement: {",
        ),
        (
            role().untrusting(),
            "does not trust scheduler.amazonaws.com",
        ),
        (role().missing(), "does not exist"),
    ] {
        let (simulation, ended, _) = under(role, &[]).await;
        assert_eq!(ended.exit_code(), 3, "{ended}");
        let words = ended.to_string();
        assert!(words.contains(said), "`{said}` in: {words}");
        assert_eq!(simulation.changes().len(), 1, "only the start");
        assert_eq!(simulation.calls(Call::CreateSchedule), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_checked_is_said_and_stops_nothing() {
    let (_, ended, found) = under(ScheduleRole::default(), &[]).await;
    assert_eq!((ended.exit_code(), found), (0, Vec::new()));

    let both = [Call::GetRole, Call::SimulatePrincipalPolicy];
    let (_, ended, found) = under(ScheduleRole::default(), &both).await;
    assert_eq!(ended.exit_code(), 0, "{ended}");
    // Two rights are missing: one to read the role, one to simulate the two actions.
    assert_eq!(found.len(), 2, "{found:?}");
    let said = found
        .iter()
        .all(|one| one.message.contains("could not be checked: "));
    assert!(said, "{found:?}");

    let lacks = ScheduleRole::default().without("sns:Publish");
    let (_, ended, found) = under(lacks, &[]).await;
    assert_eq!(ended.exit_code(), 0, "{ended}");
    assert!(found[0].message.contains("no notice is sent"), "{found:?}");
}

/// A run that raises blue's minimum and puts it back.
#[tokio::test(start_paused = true)]
async fn a_blue_that_scales_needs_the_rights_to_keep_it() {
    let simulation = Scenario::BlueScalesIn.simulation(1);
    let rule = simulation.rule();
    let (cluster, service) = simulation.blue_service();
    let policy = IamPolicy::migration(&rule).metrics();
    let policy = policy.capacity(&rule, cluster, service);
    let made = made(&[simulation]).await;
    let actions = policy.actions();
    let allowed: BTreeSet<&str> = actions.iter().map(|action| last_words(action)).collect();
    let made: BTreeSet<&str> = made.iter().map(String::as_str).collect();
    assert!(made.is_subset(&allowed), "{made:?}");
    // Application Auto Scaling asks whether its caller may, and here is no test route whose tags are read.
    let passed: Vec<_> = allowed.difference(&made).collect();
    assert_eq!(passed, [&"DescribeTags", &"UpdateService"]);
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
