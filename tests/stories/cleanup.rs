//! The side that served before is retired after a migration: what its journal must say, and what rights it
//! takes.

use std::{collections::BTreeSet, time::Duration};

use bluegreen::{
    Aws, Error, ErrorKind, MigrationOutcome,
    aws::{
        retire::Retirement,
        sim::{Behaviour, Scaling, Service, Simulation, SimulationBuilder, When},
    },
    spec::{MigrationSpec, Service as NamedService, Use},
    store::JournalStore,
};

const DAY: Duration = MigrationSpec::KEEP;

/// A world with a specification that names both services, and a journal in memory.
struct Story {
    simulation: Simulation,
    spec: MigrationSpec,
    store: JournalStore,
}

impl Story {
    fn new(builder: SimulationBuilder) -> Self {
        let simulation = builder.history(Duration::from_secs(7200)).build();
        let mut spec = simulation.spec();
        let (cluster, blue) = simulation.blue_service();
        for (side, service) in [("flask", blue), ("fastapi", simulation.service())] {
            let side = spec.sides.get_mut(&side.parse().expect("a name"));
            side.expect("a side").service = Some(NamedService::new(cluster, service));
        }
        let store = JournalStore::memory();
        Self {
            simulation,
            spec,
            store,
        }
    }

    async fn migrated(&self) -> MigrationOutcome {
        let aws = self.simulation.aws();
        let run = self.spec.start(&aws, &self.store, "ann").await;
        run.expect("it may begin").run().await.expect("a known end")
    }

    async fn retirement(&self, aws: &Aws, keep: Duration) -> Result<Retirement, Error> {
        let rule = self.spec.locate_after(aws).await?;
        let log = self.store.log(rule.as_str());
        let (side, retirement) = self.spec.retirement(aws, &log, rule, keep).await?;
        assert_eq!(side.as_str(), "flask", "the side that served before");
        Ok(retirement)
    }
}

#[tokio::test(start_paused = true)]
async fn blue_is_kept_for_its_time_and_retired_then() {
    let story = Story::new(Simulation::builder());
    let aws = story.simulation.aws();
    let error = story.retirement(&aws, DAY).await.expect_err("no run yet");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    let outcome = story.migrated().await;
    assert_eq!(outcome.exit_code(), 0);
    let until = outcome.report().blue_kept_until.expect("promoted");
    assert!(
        outcome
            .to_string()
            .contains(&format!("blue may be retired from {until:.0}")),
        "{outcome}"
    );
    let error = story.retirement(&aws, DAY).await.expect_err("too early");
    assert_eq!(error.kind(), ErrorKind::Refused);
    // The same moment, from the same source.
    assert!(
        error.message().contains(&format!("until {until:.0}")),
        "{error}"
    );
    assert!(error.message().contains("blue is kept for 24h"), "{error}");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("--keep")),
        "{error}"
    );

    tokio::time::sleep(DAY).await;
    let retirement = story.retirement(&aws, DAY).await.expect("a day has passed");
    // The minutes of the past are settled already.
    let began = story.simulation.elapsed();
    retirement.run().await.expect("retired");
    assert!(story.simulation.elapsed() - began < Duration::from_secs(60));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(story.simulation.targets().blue.registered(), 0);
}

/// The way back is refused: no test of blue has passed. That run changed nothing.
#[tokio::test(start_paused = true)]
async fn a_later_run_that_changed_nothing_hides_no_promotion() {
    let mut story = Story::new(Simulation::builder());
    assert_eq!(story.migrated().await.exit_code(), 0);
    story.spec.test.require = Some("24h".parse().expect("a time"));
    for _ in 0..2 {
        assert_eq!(story.migrated().await.exit_code(), 3, "untested");
    }
    let aws = story.simulation.aws();
    let retirement = story.retirement(&aws, Duration::ZERO).await;
    let done = retirement.expect("promoted").run().await.expect("retired");
    assert_eq!(done.done.len(), 2, "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_did_not_end_on_green_retires_nothing() {
    let errors = Service::new(4).with(When::Always, Behaviour::Errors(0.2));
    let story = Story::new(Simulation::builder().green(errors));
    assert_eq!(story.migrated().await.exit_code(), 10);
    let aws = story.simulation.aws();
    let error = story.retirement(&aws, Duration::ZERO).await;
    let error = error.expect_err("rolled back");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("was rolled back"), "{error}");

    // A run whose controller died.
    let story = Story::new(Simulation::builder());
    let aws = story.simulation.aws();
    let died = tokio::time::timeout(Duration::from_secs(600), story.migrated()).await;
    assert!(died.is_err(), "it takes longer");
    let error = story.retirement(&aws, Duration::ZERO).await;
    let error = error.expect_err("not ended");
    assert!(error.message().contains("has not ended"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_side_without_a_service_is_refused_with_the_line_to_add() {
    let mut story = Story::new(Simulation::builder());
    story
        .spec
        .sides
        .values_mut()
        .for_each(|side| side.service = None);
    assert_eq!(story.migrated().await.exit_code(), 0);
    let aws = story.simulation.aws();
    let error = story.retirement(&aws, Duration::ZERO).await;
    let error = error.expect_err("no service");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("`service`")),
        "{error}"
    );
}

fn last_words(actions: &BTreeSet<&str>) -> BTreeSet<String> {
    let short = |action: &&str| action.rsplit(':').next().unwrap_or_default().to_owned();
    actions.iter().map(short).collect()
}

/// The policy is held against the calls, in both forms; with the minimum that the migration has raised.
#[tokio::test(start_paused = true)]
async fn the_policy_of_a_cleanup_allows_each_call_that_it_makes_and_no_other() {
    for deletes in [false, true] {
        let world = Simulation::builder().blue_scales(Scaling::between(1, 8));
        let story = Story::new(world.test_route());
        assert_eq!(story.migrated().await.exit_code(), 0);
        let before = story.simulation.blue_minimum();
        assert_eq!(before, Some(4), "raised by the migration");
        // A handle of its own counts its own calls.
        let aws = story.simulation.aws();
        let retirement = story
            .retirement(&aws, Duration::ZERO)
            .await
            .expect("promoted");
        let retirement = match deletes {
            true => retirement.deleting(),
            false => retirement,
        };
        let report = retirement.run().await.expect("retired");
        assert_eq!(story.simulation.blue_minimum(), Some(1), "put back");
        assert_eq!(report.done.len(), if deletes { 7 } else { 3 }, "{report:?}");
        let of = match deletes {
            true => Use::Delete,
            false => Use::ScaleToZero,
        };
        let policy = story.spec.iam_policy(of).expect("valid");
        let made: BTreeSet<String> = aws.calls().operations().map(str::to_owned).collect();
        assert_eq!(made, last_words(&policy.actions()));
    }
}

/// Each file has names instead of ARNs, and the rule is the listener's only one: killed after blue's group has
/// left the rule, and after the group is gone, it still finds its journal.
#[tokio::test(start_paused = true)]
async fn a_file_with_names_is_enough_after_blue_has_left_the_rule() {
    let mut story = Story::new(Simulation::builder().test_route());
    story.spec.traffic.rules = vec![bluegreen::aws::alb::AlbRule::Only(
        story.simulation.listener(),
    )];
    for (side, group) in [
        ("flask", story.simulation.blue()),
        ("fastapi", story.simulation.green()),
    ] {
        let side = story.spec.sides.get_mut(&side.parse().expect("a name"));
        side.expect("a side").target_group = group.name().parse().expect("a name");
    }
    assert_eq!(story.migrated().await.exit_code(), 0);
    let aws = story.simulation.aws();
    for steps in [4, 2, 0] {
        let retirement = story.retirement(&aws, Duration::ZERO).await.expect("found");
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let retirement = retirement.deleting().on_step(move |step| {
            let _ = told.send(step.clone());
        });
        let killed = async {
            // The first steps are announced and taken; the next one is announced only.
            for _ in 0..=steps {
                heard.recv().await;
            }
        };
        match steps {
            0 => assert!(retirement.run().await.is_ok()),
            _ => {
                tokio::select! {
                    ended = retirement.run() => assert!(ended.is_ok()),
                    () = killed => {}
                }
            }
        }
    }
    assert_eq!(story.simulation.target_groups(), ["chatbot-fastapi-tg"]);
    let retirement = story.retirement(&aws, Duration::ZERO).await.expect("found");
    let again = retirement.deleting().run().await.expect("nothing to do");
    assert!(again.done.is_empty(), "{again:?}");
}
