//! `--print-iam-policy` of each verb: the policy allows each call that the verb makes, and no other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen::{
    Aws, Percent, TrafficSplitter as _,
    aws::{
        alb::{AlbDeadManSwitch, GreenGroup, GreenPlace},
        retire::Retired,
        sim::{Call, ReleaseScenario, Simulation, SimulationBuilder},
    },
    check::{
        HttpClient, HttpFailure, HttpRequest, HttpResponse,
        load::{TestSettings, TestSuite},
    },
    health::{Look, Phase, Progress},
    migration::RestoreOrder,
    spec::{MigrationSpec, Name, Service, Target, Use},
    store::{Holder, JournalStore, Take},
    traffic::{CapacityKeeper as _, DeadManSwitch as _, Sides},
};

use crate::common::release;

/// A world whose specification names both services.
fn world(builder: SimulationBuilder) -> (Simulation, MigrationSpec) {
    let simulation = builder.history(Duration::from_secs(7200)).build();
    let mut spec = simulation.spec();
    let (cluster, blue) = simulation.blue_service();
    for (side, service) in [("flask", blue), ("fastapi", simulation.service())] {
        let side = spec.sides.get_mut(&side.parse::<Name>().expect("a name"));
        side.expect("a side").service = Some(Service::new(cluster, service));
    }
    (simulation, spec)
}

fn last_words(action: &str) -> String {
    action.rsplit(':').next().unwrap_or(action).to_owned()
}

/// Asserts that `made` are the calls of a policy's use, and that the rights without a call are these.
fn held(spec: &MigrationSpec, of: Use, made: &BTreeSet<String>, without_call: &[&str]) {
    let policy = spec.iam_policy(of).expect("valid");
    let allowed: BTreeSet<String> = policy.actions().into_iter().map(last_words).collect();
    let missing: Vec<_> = made.difference(&allowed).collect();
    assert!(missing.is_empty(), "{of:?} lacks {missing:?}");
    let more: Vec<_> = allowed.difference(made).map(String::as_str).collect();
    assert_eq!(more, without_call, "{of:?}");
}

fn calls(aws: &Aws) -> BTreeSet<String> {
    aws.calls().operations().map(str::to_owned).collect()
}

fn place(aws: &Aws, simulation: &Simulation) -> GreenPlace {
    let group = GreenGroup::named(simulation.green().name());
    GreenPlace::new(aws, simulation.rule(), simulation.blue(), group).expect("two groups")
}

/// What `plan`, `status`, `diff` and `monitor` read.
#[tokio::test(start_paused = true)]
async fn the_verbs_that_only_read_need_no_right_to_change() {
    let (simulation, mut spec) = world(Simulation::builder());
    spec.safety.dead_man = simulation_switch();
    let look = async |aws: &Aws| -> Target {
        let target = spec.target(aws, None).await.expect("one side serves");
        let splitter = spec.splitter(aws, &target).expect("two groups");
        splitter.observe().await.expect("read");
        target
    };

    let aws = simulation.aws();
    let target = look(&aws).await;
    spec.forecast(&aws, &target).await.expect("a forecast");
    let keeper = spec.capacity_keeper(&aws, &target).expect("a service");
    keeper.observe().await.expect("read");
    let splitter = Arc::new(spec.splitter(&aws, &target).expect("two groups"));
    let switch = spec.dead_man_switch(&aws, &splitter).expect("a switch");
    switch.preflight().await.expect("read");
    held(&spec, Use::Plan, &calls(&aws), &[]);

    let aws = simulation.aws();
    spec.locate(&aws).await.expect("found");
    held(&spec, Use::Wait, &calls(&aws), &[]);
    look(&aws).await;
    held(&spec, Use::Diff, &calls(&aws), &[]);
    let switch = AlbDeadManSwitch::fires(&aws, &simulation.rule_arn()).await;
    switch.expect("read");
    held(&spec, Use::Status, &calls(&aws), &[]);

    let aws = simulation.aws();
    let target = look(&aws).await;
    for (_, gate) in spec.gates(&aws, &target).expect("gates") {
        let (now, half) = (aws.clock().now(), Percent::FIFTY);
        let look = Look::new(Progress::new(now, Phase::Step(0), half, now));
        gate.observe(&look).await.expect("read");
    }
    held(&spec, Use::Monitor, &calls(&aws), &[]);
}

fn simulation_switch() -> Option<bluegreen::spec::DeadManSpec> {
    serde_json::from_value(serde_json::json!({
        "after": "10m", "role": "arn:aws:iam::123456789012:role/blue-again"
    }))
    .expect("a switch")
}

/// The place is made and removed: for a copy of blue's group, and for a group and a route that were there.
#[tokio::test(start_paused = true)]
async fn a_place_needs_the_rights_to_make_it_and_to_remove_it() {
    let mut made = BTreeSet::new();
    for builder in [
        Simulation::builder().no_green_group(),
        Simulation::builder().unmarked_test_route(),
    ] {
        let (simulation, spec) = world(builder);
        let aws = simulation.aws();
        let place = match simulation.target_groups().len() {
            1 => place(&aws, &simulation),
            _ => {
                let group = GreenGroup::existing(simulation.green());
                let (rule, blue) = (simulation.rule(), simulation.blue());
                GreenPlace::new(&aws, rule, blue, group).expect("two groups")
            }
        };
        place.prepare().await.expect("made");
        place.undo().await.expect("removed");
        // Then the command says how many tasks each side runs.
        let target = spec.target(&aws, None).await;
        if let Ok(target) = target {
            let keeper = spec.capacity_keeper(&aws, &target).expect("a service");
            keeper.observe().await.expect("read");
        }
        made.extend(calls(&aws));
        if simulation.target_groups().len() > 1 {
            // Blue's group has no setting here that a copy of it would need.
            held(&spec, Use::Prepare, &made, &["ModifyTargetGroupAttributes"]);
        }
    }
}

/// A migration behind a test route reads the tags of that route, or it would take it for a users' rule.
#[tokio::test(start_paused = true)]
async fn a_migration_after_prepare_needs_to_read_tags() {
    let (simulation, spec) = world(Simulation::builder().test_route());
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let run = spec.start(&aws, &store, "ann").await.expect("may begin");
    assert_eq!(run.run().await.expect("an end").exit_code(), 0);
    assert!(calls(&aws).contains("DescribeTags"));
    // Nothing scales blue, so nothing is kept and put back.
    let without = ["RegisterScalableTarget", "UpdateService"];
    held(&spec, Use::Migrate, &calls(&aws), &without);
}

/// Blue was scaled to zero, and a rollback scales it up first.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_retired_side_may_scale_it_up() {
    let (simulation, spec) = world(Simulation::builder());
    let (store, first) = (JournalStore::memory(), simulation.aws());
    let run = spec.start(&first, &store, "ann").await.expect("may begin");
    assert_eq!(run.run().await.expect("an end").exit_code(), 0);
    let rule = spec.locate_after(&first).await.expect("found");
    let log = store.log(rule.as_str());
    let retirement = spec.retirement(&first, &log, rule, Duration::ZERO).await;
    let (_, retirement) = retirement.expect("promoted");
    retirement.run().await.expect("retired");

    let aws = simulation.aws();
    let (cluster, service) = simulation.blue_service();
    let retired = Retired::of(&aws, cluster, service).await.expect("read");
    let retired = retired.expect("it was retired");
    retired.wake().await.expect("scaled up");
    tokio::time::sleep(Duration::from_secs(300)).await;
    retired.is_back().await.expect("recorded");
    let from: Name = "flask".parse().expect("a name");
    let target = spec.target(&aws, Some(&from)).await.expect("two sides");
    let holder = Holder::this_process("ann");
    let lease = log.take(holder, aws.clock(), Take::ToRestore).await;
    let lease = lease.expect("free");
    let restore = spec.migration(&aws, &target, Some(&lease)).expect("wired");
    let ended = restore.restore(RestoreOrder::by("ann")).await;
    assert_eq!(ended.expect("an end").exit_code(), 0);
    assert_eq!(
        simulation.weights(),
        Sides {
            blue: 100,
            green: 0
        }
    );
    // Metrics are for `--confirm`; a run whose controller died may have raised the minimum of blue's scaling.
    let without = [
        "DescribeScalableTargets",
        "GetMetricData",
        "RegisterScalableTarget",
    ];
    held(&spec, Use::RollBack, &calls(&aws), &without);
}

/// A first release, a later one, and one whose tasks do not start.
#[tokio::test(start_paused = true)]
async fn a_deployment_needs_the_rights_of_its_calls() {
    let mut made = BTreeSet::new();
    for scenario in ReleaseScenario::ALL {
        let simulation = scenario.simulation(1);
        release::deploy(&simulation).await;
        made.extend(
            CALLS_OF_DEPLOY
                .into_iter()
                .filter(|call| simulation.calls(*call) > 0)
                .map(|call| call.operation().to_owned()),
        );
        let others = simulation.calls_in_all()
            - CALLS_OF_DEPLOY
                .iter()
                .map(|call| simulation.calls(*call))
                .sum::<u64>();
        assert_eq!(others, 0, "{}", scenario.name());
    }
    let policy = ReleaseScenario::Healthy.simulation(1).deployment();
    let policy = policy.iam_policy(None);
    let allowed: BTreeSet<String> = policy.actions().into_iter().map(last_words).collect();
    let missing: Vec<_> = made.difference(&allowed).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let more: Vec<_> = allowed.difference(&made).map(String::as_str).collect();
    // Docker pushes layers, and to pass a role is a right without a call.
    let without = [
        "BatchCheckLayerAvailability",
        "CompleteLayerUpload",
        "InitiateLayerUpload",
        "PassRole",
        "UploadLayerPart",
    ];
    assert_eq!(more, without);
}

const CALLS_OF_DEPLOY: [Call; 21] = [
    Call::BatchGetImage,
    Call::CreateService,
    Call::DescribeImages,
    Call::DescribeListeners,
    Call::DescribeRepositories,
    Call::DescribeRules,
    Call::DescribeServiceRevisions,
    Call::DescribeServices,
    Call::DescribeTags,
    Call::DescribeTargetGroups,
    Call::DescribeTargetHealth,
    Call::DescribeTaskDefinition,
    Call::DescribeTasks,
    Call::GetAuthorizationToken,
    Call::GetDownloadUrlForLayer,
    Call::ListTaskDefinitions,
    Call::ListTasks,
    Call::PutImage,
    Call::RegisterTaskDefinition,
    Call::TagResource,
    Call::UpdateService,
];

/// Answers every request in 20 ms.
#[derive(Debug)]
struct Good;

#[async_trait]
impl HttpClient for Good {
    async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let took = Duration::from_millis(20);
        tokio::time::sleep(took).await;
        Ok(HttpResponse::new(200, "{}").with_took(took))
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_needs_no_right_to_change_but_to_keep_its_result() {
    let (simulation, mut spec) = world(Simulation::builder().test_route());
    let (aws, store) = (simulation.aws(), JournalStore::memory());
    let requests = "base_url = 'https://api.chatbot.company.com'\n\
                    request = [{ name = 'health', path = '/health' }]\n";
    let suite = TestSuite::from_toml(requests).expect("valid");
    let target = spec.target(&aws, None).await.expect("one side serves");
    let settings = TestSettings::default();
    let ready = spec.green_test(&aws, &target, suite, settings, Arc::new(Good));
    let ready = ready.await.expect("may begin");
    let (report, kept) = ready.run(&target, Some(&store), "ann").await;
    assert!(report.is_passed(), "{report}");
    kept.expect("kept");
    held(&spec, Use::Test, &calls(&aws), &[]);

    // Its result is kept below `tests/`, and nothing else of the journal may be written.
    spec.journal = Some("s3://moves/production".parse().expect("a place"));
    let policy = spec.iam_policy(Use::Test).expect("valid").to_string();
    let policy: serde_json::Value = serde_json::from_str(&policy).expect("JSON");
    let statements = policy["Statement"].as_array().expect("a list");
    let writes = statements
        .iter()
        .filter(|one| one["Action"] == serde_json::json!(["s3:PutObject"]));
    let places: Vec<_> = writes.map(|one| one["Resource"].clone()).collect();
    let place = serde_json::json!(["arn:aws:s3:::moves/production/tests/*"]);
    assert_eq!(places, [place]);
}
