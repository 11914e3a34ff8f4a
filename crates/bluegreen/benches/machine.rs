//! The speed of the pure machine with the inputs of a healthy migration, and of a whole
//! simulated migration, side by side.
//!
//! ```text
//! cargo bench -p bluegreen --features sim
//! ```

#![allow(missing_docs, reason = "criterion's macros document nothing")]

use bluegreen::{
    Migration, MigrationPlan,
    aws::{
        alb::AlbTrafficSplitter,
        cloudwatch::{AlbMetrics, CloudWatchGate},
        sim::Scenario,
    },
    engine::{MemoryJournal, Record},
    health::{Limits, TargetHealthGate},
    migration::{GateId, GatePolicy, Input, MigrationMachine},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;

/// What this benchmark reads of a journal's entries.
#[derive(Deserialize)]
struct Entry {
    plan: Option<MigrationPlan>,
    gates: Option<Vec<Gate>>,
    input: Option<Input>,
}

#[derive(Deserialize)]
struct Gate {
    gate: GateId,
    policy: GatePolicy,
}

/// A whole healthy migration on the simulated AWS, and its journal.
fn migrate() -> Vec<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let simulation = Scenario::Healthy.simulation(1);
        simulation.start_paused();
        let aws = simulation.aws();
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let balancer = rule.listener().load_balancer();
        let metrics = AlbMetrics::new(&aws, balancer, blue.clone(), green.clone());
        let plan = MigrationPlan::builder().build().expect("valid");
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        let journal = MemoryJournal::new();
        let outcome = Migration::new(plan, splitter)
            .clock(aws.clock())
            .journal(journal.clone())
            .gate("targets", TargetHealthGate::new())
            .gate("metrics", CloudWatchGate::alb(metrics, Limits::default()))
            .run()
            .await
            .expect("known");
        assert_eq!(outcome.exit_code(), 0);
        journal.records()
    })
}

fn machine(c: &mut Criterion) {
    let records = migrate();
    let mut inputs = Vec::new();
    let mut new = None;
    for record in &records {
        let entry: Entry = record.entry.read().expect("an entry");
        if let (Some(plan), Some(gates)) = (entry.plan, entry.gates) {
            let gates: Vec<_> = gates.into_iter().map(|g| (g.gate, g.policy)).collect();
            new = Some(MigrationMachine::new(plan, gates));
        }
        inputs.extend(entry.input.map(|input| (record.at, input)));
    }
    let new = new.expect("opened");
    let mut group = c.benchmark_group("healthy migration");
    group.throughput(Throughput::Elements(inputs.len() as u64));
    group.bench_function("pure machine", |b| {
        b.iter(|| {
            let mut machine = new.clone();
            for (at, input) in &inputs {
                std::hint::black_box(machine.on(*at, input.clone()));
            }
            assert!(machine.end().is_some());
        });
    });
    group.sample_size(10);
    group.bench_function("on the simulated AWS", |b| b.iter(migrate));
    group.finish();
}

criterion_group!(benches, machine);
criterion_main!(benches);
