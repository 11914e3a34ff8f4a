//! Hostile input: with any bytes in journals, configuration and AWS's answers, nothing panics, no record
//! is read that was not written, and memory stays bounded.
//!
//! `cargo test --test fuzz` makes a few thousand mutations of valid documents. With
//! `cargo bolero test --test fuzz TARGET` a coverage-guided engine makes as many as you have time
//! for; its findings stay in `tests/fuzz/__fuzz__`, and each later `cargo test` tries them.

mod answers;
#[path = "../common/fleet.rs"]
mod fleet;
mod mutation;
#[path = "../common/operations.rs"]
mod operations;
#[path = "../common/over.rs"]
mod over;
mod verbs;

use std::{
    collections::BTreeMap,
    fs,
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock, Mutex},
};

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, HealthGate, MigrationPlan, Percent, Result, ServiceDeployer as _,
    TrafficSplitter as _,
    aws::{
        alb::{AlbRule, AlbTrafficSplitter, ListenerArn, ListenerRuleSpec, TargetGroupSpec},
        cloudwatch::{AlbMetrics, CloudWatchGate},
        ecs::{EcsNativeDeployment, EcsServiceDeployer, ServiceSpec, TaskDefinition},
        sim::Scenario,
    },
    check::CheckSuite,
    deployment::{self, DeploymentPlan},
    engine::{Journal as _, Record},
    health::{Limits, Look, Phase, Progress, TargetHealthGate},
    migration::{self, GateId},
    native::PausedDeployment as _,
    store::{Created, Holder, JournalLog, Numbers, RecordStorage, Take},
};
use peak_alloc::PeakAlloc;

use crate::{
    answers::{Answers, BLUE, Bodies, DEPLOYMENT, GREEN, LISTENER, MINUTE, RULE},
    mutation::Mutation,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory for a document, in megabytes; no document here is longer than one megabyte.
const MOST_MEGABYTES: f32 = 512.0;

/// How many mutations a plain `cargo test` makes; `BOLERO_RANDOM_ITERATIONS` says otherwise.
const ITERATIONS: usize = 1_500;

fn check_memory() {
    let peak = MEMORY.peak_usage_as_mb();
    assert!(peak < MOST_MEGABYTES, "{peak} MB");
}

fn kept(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// A store whose bytes may be anything.
#[derive(Debug, Default)]
struct Bytes(Mutex<AtRest>);

type AtRest = BTreeMap<u64, Vec<u8>>;

#[async_trait]
impl RecordStorage for Bytes {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        let mut records = self.0.lock().expect("no panic");
        if records.contains_key(&seq) {
            return Ok(Created::Exists);
        }
        records.insert(seq, bytes);
        Ok(Created::New)
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        let found = self.0.lock().expect("no panic").get(&seq).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a record"))
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        let records = self.0.lock().expect("no panic");
        Ok(Numbers::all(records.keys().copied(), from))
    }
}

/// The records of a run that is over, and their bytes in the store.
static LOG: LazyLock<(Vec<Record>, AtRest)> = LazyLock::new(|| {
    let records = records("migration-v3");
    let storage = Arc::new(Bytes::default());
    runtime().block_on(async {
        let log = JournalLog::new(Arc::clone(&storage) as Arc<dyn RecordStorage>, "the rule");
        let holder = Holder::this_process("ann");
        let clock = Scenario::Healthy.simulation(1).aws().clock();
        let lease = log.take(holder, clock, Take::IfFree).await.expect("free");
        for record in &records {
            lease.append(record.clone()).await.expect("memory");
        }
        lease.release().await.expect("memory");
    });
    let bytes = storage.0.lock().expect("no panic").clone();
    (records, bytes)
});

fn records(name: &str) -> Vec<Record> {
    let text = kept(&format!("tests/stories/journals/{name}.jsonl"));
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("records")
}

/// Bytes of a journal: only records that were written are read.
#[test]
fn journal_bytes() {
    let (written, bytes) = &*LOG;
    let runtime = runtime();
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<(u16, Mutation)>()
        .for_each(|(place, mutation)| {
            let mut bytes = bytes.clone();
            let number = u64::from(*place) % bytes.len() as u64;
            let record = bytes.get_mut(&number).expect("numbered from 0");
            *record = mutation.of(record);
            let storage = Arc::new(Bytes(Mutex::new(bytes)));
            let log = JournalLog::new(storage, "the rule");
            let read = runtime.block_on(async {
                let standing = log.lease_state().await;
                assert!(standing.is_ok() || standing.is_err());
                log.newest_run().await
            });
            if let Ok(read) = read {
                assert!(
                    written.starts_with(&read),
                    "a record that was never written"
                );
            }
        });
    check_memory();
}

/// Entries of a journal with valid checksums: entries that do not replay are refused.
#[test]
fn journal_entries() {
    let simulation = Scenario::GreenErrors.simulation(1);
    let aws = simulation.aws();
    let metrics = AlbMetrics::new(
        &aws,
        simulation.listener().load_balancer(),
        simulation.blue(),
        simulation.green(),
    );
    let targets = TargetHealthGate::new();
    let metrics = CloudWatchGate::alb(metrics, Limits::default());
    let gates: [(GateId, &dyn HealthGate); 2] =
        [("targets".into(), &targets), ("metrics".into(), &metrics)];
    let migration = records("migration-v3");
    let release = records("deployment-v4");
    migration::replay(&migration, &gates).expect("as it was kept");
    let gates = AssertUnwindSafe(gates);
    deployment::replay(&release).expect("as it was kept");
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<(bool, Mutation)>()
        .for_each(|(of_release, mutation)| {
            let mut records = if *of_release {
                release.clone()
            } else {
                migration.clone()
            };
            let place = mutation.pick(records.len());
            let entry = records[place].entry.to_string();
            let Ok(entry) = serde_json::from_slice(&mutation.of(entry.as_bytes())) else {
                return;
            };
            records[place].entry = entry;
            if *of_release {
                let _ = deployment::replay(&records);
            } else {
                let _ = migration::replay(&records, &*gates);
            }
        });
    check_memory();
}

/// Plans: an accepted plan keeps its own rules, and can be shown and written again.
#[test]
fn plans() {
    let plan = MigrationPlan::builder()
        .hold_back(Percent::TEN)
        .dead_man(std::time::Duration::from_secs(600))
        .build()
        .expect("valid");
    let migration = serde_json::to_string(&plan).expect("JSON");
    let opened = &records("deployment-v4")[0].entry;
    let release = opened["plan"].to_string();
    let read: DeploymentPlan = serde_json::from_str(&release).expect("as it was kept");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), opened["plan"]);
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<Mutation>()
        .for_each(|mutation| {
            if let Ok(plan) = serde_json::from_str::<MigrationPlan>(&mutation.of_text(&migration)) {
                let last = plan.steps().last().expect("a step").green;
                assert_eq!(last, Percent::HUNDRED);
                let _ = plan.preview().to_string();
                let again = serde_json::to_string(&plan).expect("JSON");
                let again: MigrationPlan = serde_json::from_str(&again).expect("its own words");
                assert_eq!(again, plan);
            }
            if let Ok(plan) = serde_json::from_str::<DeploymentPlan>(&mutation.of_text(&release)) {
                let again = serde_json::to_string(&plan).expect("JSON");
                let again: DeploymentPlan = serde_json::from_str(&again).expect("its own words");
                assert_eq!(again, plan);
            }
        });
    check_memory();
}

/// Files of checks.
#[test]
fn checks() {
    let files = [
        kept("examples/deploy/checks.toml"),
        kept("examples/integration_tests/checks.toml"),
    ];
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<Mutation>()
        .for_each(|mutation| {
            let file = &files[mutation.pick(files.len())];
            if let Err(error) = CheckSuite::from_toml(&mutation.of_text(file)) {
                assert!(!error.to_string().is_empty());
            }
        });
    check_memory();
}

/// Definition files: an accepted file is sent as it was read.
#[test]
fn definitions() {
    let files = [
        "task-definition",
        "service",
        "target-group",
        "listener-rule",
    ];
    let files = files.map(|name| kept(&format!("examples/deploy/{name}.json")));
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<Mutation>()
        .for_each(|mutation| {
            let which = mutation.pick(files.len());
            let text = mutation.of_text(&files[which]);
            let findings = match which {
                0 => TaskDefinition::from_json(&text).map(|one| one.findings()),
                1 => ServiceSpec::from_json(&text).map(|one| one.findings()),
                2 => TargetGroupSpec::from_json(&text).map(|one| one.findings()),
                _ => ListenerRuleSpec::from_json(&text).map(|one| one.findings(None)),
            };
            match findings {
                Ok(findings) => {
                    assert!(findings.iter().all(|one| one.message.contains("(line ")));
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        });
    check_memory();
}

/// AWS's answers through the SDK: XML, CBOR and JSON. An answer that was cut off
/// counts as no answer.
#[test]
fn answers_of_aws() {
    let runtime = runtime();
    let answers = Answers::new();
    let aws = answers.aws();
    let (blue, green) = (
        BLUE.parse().expect("an ARN"),
        GREEN.parse().expect("an ARN"),
    );
    let listener: ListenerArn = LISTENER.parse().expect("an ARN");
    let rule = AlbRule::Arn(RULE.parse().expect("an ARN"));
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
    let groups = splitter.target_groups().clone();
    let metrics = AlbMetrics::new(&aws, listener.load_balancer(), groups.blue, groups.green);
    let gate = CloudWatchGate::alb(metrics, Limits::default());
    let deployer = EcsServiceDeployer::new(&aws, "c", "chatbot");
    let at = second(MINUTE + 25 * 60);
    let since = second(MINUTE + 14 * 60);
    let look = Look::new(Progress::new(at, Phase::Step(0), Percent::TEN, since));

    // The valid answers must be understood, or the mutations below test nothing.
    runtime.block_on(async {
        let seen = splitter.observe().await.expect("valid");
        assert_eq!((seen.weights.blue, seen.weights.green), (90, 10));
        let observation = gate.observe(&look).await.expect("valid").expect("new");
        assert!(
            observation.body().to_string().contains("600"),
            "{observation:?}"
        );
        deployer.observe().await.expect("valid").expect("there");
    });

    let world = AssertUnwindSafe((runtime, answers, splitter, gate, deployer, look));
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<(Mutation, Option<u16>)>()
        .for_each(|(mutation, cut)| {
            let (runtime, answers, splitter, gate, deployer, look) = &*world;
            let mut bodies = Bodies::valid();
            let which = mutation.pick(5);
            let body = match which {
                0 => &mut bodies.rules,
                1 => &mut bodies.health,
                2 => &mut bodies.metrics,
                3 => &mut bodies.services,
                _ => &mut bodies.definition,
            };
            match cut {
                Some(at) => body.truncate(usize::from(*at) % body.len()),
                None => *body = mutation.of(body),
            }
            answers.set(bodies);
            let is_cut = cut.is_some();
            runtime.block_on(async {
                match which {
                    0 | 1 => {
                        let seen = splitter.observe().await;
                        assert!(!(is_cut && seen.is_ok()), "half an answer: {seen:?}");
                    }
                    2 => {
                        let seen = gate.observe(look).await;
                        assert!(!(is_cut && seen.is_ok()), "half an answer: {seen:?}");
                        if let Ok(Some(observation)) = seen {
                            let _ = gate.judge().take(&observation, &look.progress);
                        }
                    }
                    _ => {
                        let seen = deployer.observe().await;
                        let is_read = which == 3;
                        assert!(
                            !(is_cut && is_read && seen.is_ok()),
                            "half an answer: {seen:?}"
                        );
                        let _ = deployer.preflight().await;
                    }
                }
            });
        });
    check_memory();
}

/// ECS's answers about a deployment whose traffic ECS moves: an answer that was cut off counts as no answer.
#[test]
fn answers_about_deployments() {
    let runtime = runtime();
    let answers = Answers::new();
    let judged = || EcsNativeDeployment::new(&answers.aws(), DEPLOYMENT).expect("an ARN");
    runtime.block_on(async {
        let seen = judged().observe().await.expect("valid");
        assert_eq!(seen.green(), Percent::TEN);
        assert_eq!(seen.awaiting().count(), 1);
        assert_eq!(seen.successor.as_deref(), Some("arn:newer"));
        assert!(seen.target.expect("known").targets.is_some());
        let survey = judged().preflight().await.expect("valid");
        assert_eq!(survey.green.expect("known").target_group, GREEN);
    });
    let world = AssertUnwindSafe((runtime, answers.clone(), judged));
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<(Mutation, Option<u16>)>()
        .for_each(|(mutation, cut)| {
            let (runtime, answers, judged) = &*world;
            let mut bodies = Bodies::valid();
            let which = mutation.pick(3);
            let body = match which {
                0 => &mut bodies.deployment,
                1 => &mut bodies.deployments,
                _ => &mut bodies.revisions,
            };
            match cut {
                Some(at) => body.truncate(usize::from(*at) % body.len()),
                None => *body = mutation.of(body),
            }
            answers.set(bodies);
            runtime.block_on(async {
                let seen = judged().observe().await;
                let is_read = which < 2;
                assert!(
                    !(cut.is_some() && is_read && seen.is_ok()),
                    "half an answer: {seen:?}"
                );
                if let Ok(seen) = seen {
                    assert!(!seen.to_string().is_empty());
                }
                let _ = judged().preflight().await;
            });
        });
    check_memory();
}

fn second(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time")
}
