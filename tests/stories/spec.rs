//! Migrations that are started from a specification alone.

use bluegreen::{
    MigrationOutcome,
    aws::sim::{Scenario, Simulation},
    engine::Record,
    spec::{MigrationSpec, Name, Origin, StartError},
    store::{Holder, JournalStore, Lease, Take},
};

use crate::common::cases::each;

async fn exit_code(simulation: &Simulation, spec: &MigrationSpec, store: &JournalStore) -> u8 {
    match spec.start(&simulation.aws(), store, "ann").await {
        Ok(run) => match run.run().await {
            Ok(outcome) => outcome.exit_code(),
            Err(error) => error.exit_code(),
        },
        Err(error) => error.exit_code(),
    }
}

/// The library's defaults are those of the command: the same worlds end alike.
#[test]
fn every_scenario_ends_as_promised_by_the_defaults_alone() {
    each(Scenario::ALL, async |scenario| {
        let simulation = scenario.simulation(1);
        let code = exit_code(&simulation, &simulation.spec(), &JournalStore::memory()).await;
        let expected = match scenario {
            // Which side served before is not in the rule, and there is no journal to tell.
            Scenario::Divided => 3,
            _ => scenario.expected_exit(),
        };
        assert_eq!(code, expected, "{scenario}");
    });
}

async fn newest(simulation: &Simulation, store: &JournalStore) -> (Lease, Vec<Record>) {
    let log = store.log(simulation.rule_arn().as_str());
    let holder = Holder::this_process("bob");
    let lease = log.take(holder, simulation.aws().clock(), Take::IfExpired);
    let lease = lease.await.expect("free");
    let records = lease.newest_run_to_resume().await.expect("readable");
    (lease, records)
}

#[tokio::test(start_paused = true)]
async fn a_run_is_resumed_from_the_specification_in_its_journal() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let mut spec = simulation.spec();
    spec.plan.bake = Some("4m".parse().expect("a span"));
    let run = spec.start(&aws, &store, "ann").await.expect("started");
    let killed = tokio::time::timeout(std::time::Duration::from_secs(600), run.run()).await;
    assert!(killed.is_err(), "it runs for longer");

    let (lease, records) = newest(&simulation, &store).await;
    let origin = Origin::of(&records).expect("from a specification");
    assert_eq!(origin.spec, spec);
    assert_eq!(origin.from.as_str(), "flask");
    let target = origin
        .spec
        .target(&aws, Some(&origin.from))
        .await
        .expect("there");
    let migration = origin
        .spec
        .migration(&aws, &target, Some(&lease))
        .expect("valid");
    let outcome = migration.resume(&records, "bob").await.expect("known");
    assert!(
        matches!(outcome, MigrationOutcome::Promoted { .. }),
        "{outcome}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_release_the_same_file_moves_traffic_the_other_way() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, store, spec) = (simulation.aws(), JournalStore::memory(), simulation.spec());
    assert_eq!(exit_code(&simulation, &spec, &store).await, 0);
    let target = spec.target(&aws, None).await.expect("one side serves");
    assert_eq!(target.sides.blue.name.as_str(), "fastapi");
    assert_eq!(target.sides.green.name.as_str(), "flask");
}

#[tokio::test(start_paused = true)]
async fn a_divided_rule_needs_a_word_on_which_side_served() {
    let simulation = Scenario::Divided.simulation(3);
    let (aws, spec) = (simulation.aws(), simulation.spec());
    let error = spec.target(&aws, None).await.expect_err("both serve");
    let hint = error.hint().unwrap_or_default();
    assert!(
        hint.contains("`resume`") && hint.contains("fastapi or flask"),
        "{hint}"
    );
    let from: Name = "flask".parse().expect("a name");
    let target = spec.target(&aws, Some(&from)).await.expect("said");
    assert_eq!(target.sides.green.name.as_str(), "fastapi");
    let stranger: Name = "django".parse().expect("a name");
    assert!(spec.target(&aws, Some(&stranger)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn sides_are_found_by_name_and_a_side_that_is_not_there_is_told() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, mut spec) = (simulation.aws(), simulation.spec());
    for side in spec.sides.values_mut() {
        side.target_group = side.target_group.name().parse().expect("a name");
    }
    let target = spec.target(&aws, None).await.expect("found");
    assert_eq!(target.sides.blue.group, simulation.blue());
    let code = exit_code(&simulation, &spec, &JournalStore::memory()).await;
    assert_eq!(code, 0);

    let green = spec
        .sides
        .get_mut(&"fastapi".parse::<Name>().expect("a name"));
    green.expect("there").target_group = "chatbot-fastpi-tg".parse().expect("a name");
    let error = spec.target(&aws, None).await.expect_err("not there");
    assert!(
        error
            .message()
            .contains("does not forward to `chatbot-fastpi-tg`"),
        "{error}"
    );
    assert!(
        error.hint().is_some_and(|hint| hint.contains("`prepare`")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_starts_on_one_rule_one_holds_the_journal() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, store, spec) = (simulation.aws(), JournalStore::memory(), simulation.spec());
    let run = spec.start(&aws, &store, "ann").await.expect("free");
    let refused = spec.start(&aws, &store, "bob").await.expect_err("held");
    assert!(matches!(refused, StartError::Failed(_)), "{refused}");
    assert!(refused.to_string().contains("ann"), "{refused}");
    assert_eq!(run.run().await.expect("known").exit_code(), 0);
    let again = spec.start(&aws, &store, "bob").await;
    assert!(again.is_ok(), "let go at the end");
}

#[tokio::test(start_paused = true)]
async fn a_specification_that_is_not_valid_starts_nothing_and_calls_nothing() {
    let simulation = Scenario::Healthy.simulation(3);
    let mut spec = simulation.spec();
    spec.plan.steps.clear();
    spec.plan.deadline = "1m".parse().expect("a span");
    spec.region = Some("eu-west-1".parse().expect("a name"));
    let error = spec
        .start(&simulation.aws(), &JournalStore::memory(), "ann")
        .await;
    let error = error.expect_err("not valid");
    assert_eq!(error.exit_code(), 2, "{error}");
    assert_eq!(simulation.calls_in_all(), 0);
}

/// A run of this specification that is killed after ten minutes.
async fn killed(simulation: &Simulation, spec: &MigrationSpec, store: &JournalStore) {
    let aws = simulation.aws();
    let run = spec.start(&aws, store, "ann").await.expect("started");
    let killed = tokio::time::timeout(std::time::Duration::from_secs(600), run.run()).await;
    assert!(killed.is_err(), "it runs for longer");
}

/// The journal of a program whose default bake was four minutes: nothing states the bake.
#[tokio::test(start_paused = true)]
async fn a_default_that_has_changed_since_is_kept_as_the_run_began() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let mut spec = simulation.spec();
    spec.plan.bake = Some("4m".parse().expect("a span"));
    killed(&simulation, &spec, &store).await;
    let (lease, mut records) = newest(&simulation, &store).await;
    let mut opened: serde_json::Value =
        serde_json::from_str(&records[0].entry.to_string()).expect("JSON");
    assert_eq!(opened["plan"]["bake"], "4m");
    let stated = opened["origin"]["spec"]["plan"].as_object_mut();
    stated.expect("a plan").remove("bake").expect("stated");
    records[0].entry = serde_json::from_str(&opened.to_string()).expect("JSON");

    let origin = Origin::of(&records).expect("from a specification");
    let target = origin.spec.target(&aws, Some(&origin.from)).await;
    let target = target.expect("there");
    let migration = origin.spec.migration(&aws, &target, Some(&lease));
    let migration = migration.expect("valid");
    let kept = migration.kept_from(&records);
    assert_eq!(
        kept,
        ["bake: the journal has \"4m\", the program now has \"3m\""]
    );
    let outcome = migration.resume(&records, "bob").await.expect("known");
    assert_eq!(outcome.exit_code(), 0, "{outcome}");
}

/// A program that resumes with the file of today, not with that of the journal.
#[tokio::test(start_paused = true)]
async fn what_the_file_states_is_compared_and_what_it_leaves_out_is_kept() {
    let simulation = Scenario::Healthy.simulation(3);
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let mut spec = simulation.spec();
    spec.plan.bake = Some("4m".parse().expect("a span"));
    spec.plan.step_deadline = Some("65m".parse().expect("a span"));
    killed(&simulation, &spec, &store).await;
    let (lease, records) = newest(&simulation, &store).await;
    let from = "flask".parse().expect("a name");
    let target = spec.target(&aws, Some(&from)).await.expect("there");
    spec.plan.bake = Some("5m".parse().expect("a span"));
    let migration = spec.migration(&aws, &target, Some(&lease)).expect("valid");
    let refused = migration.resume(&records, "bob").await;
    let refused = refused.expect_err("stated otherwise").to_string();
    assert!(refused.contains("bake: the journal has"), "{refused}");

    spec.plan.bake = None;
    let migration = spec.migration(&aws, &target, Some(&lease)).expect("valid");
    assert_eq!(migration.kept_from(&records).len(), 1);
    let outcome = migration.resume(&records, "bob").await.expect("known");
    assert_eq!(outcome.exit_code(), 0, "{outcome}");
}
