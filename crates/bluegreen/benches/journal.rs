//! The cost of keeping a journal: appends the records of a migration of 60 looks, one by one, to a
//! log in memory and to a log in a folder, which syncs each record to the disk (`fsync`). Prints the
//! size of the records.
//!
//! ```text
//! cargo bench -p bluegreen --features sim --bench journal
//! ```

#![allow(missing_docs, reason = "criterion's macros document nothing")]
#![expect(
    clippy::print_stdout,
    reason = "the size is a figure of this benchmark"
)]

use std::{fs, path::Path, time::Duration};

use bluegreen::{
    Migration, MigrationPlan,
    aws::{
        alb::AlbTrafficSplitter,
        cloudwatch::{AlbMetrics, CloudWatchGate},
        sim::Scenario,
    },
    clock::SystemClock,
    engine::{Journal as _, MemoryJournal, Record},
    health::{Limits, TargetHealthGate, sequential::Sequential},
    store::{Holder, JournalStore, Take},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

/// The records of a healthy migration under the comparison, up to its 60th look.
fn sixty_looks() -> Vec<Record> {
    let records = runtime().block_on(async {
        let simulation = Scenario::Healthy.simulation(1);
        simulation.start_paused();
        let aws = simulation.aws();
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let balancer = rule.listener().load_balancer();
        let metrics = AlbMetrics::new(&aws, balancer, blue.clone(), green.clone());
        let metrics = CloudWatchGate::alb(metrics, Limits::default())
            .with_judge("sequential", Sequential::default());
        let plan = MigrationPlan::builder()
            .hold_back("10".parse().expect("a percent"))
            .bake(Duration::from_secs(180))
            .step_deadline(Duration::from_secs(65 * 60))
            .build()
            .expect("valid");
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        let journal = MemoryJournal::new();
        let outcome = Migration::new(plan, splitter)
            .clock(aws.clock())
            .journal(journal.clone())
            .gate("targets", TargetHealthGate::new())
            .gate("metrics", metrics)
            .run()
            .await
            .expect("known");
        assert_eq!(outcome.exit_code(), 0);
        journal.records()
    });
    let is_look = |record: &Record| record.entry["input"]["input"] == "looked";
    let mut looks = 0;
    let sixty = records.into_iter().take_while(|record| {
        looks += u32::from(is_look(record));
        looks <= 60
    });
    let sixty: Vec<Record> = sixty.collect();
    assert_eq!(looks.min(60), 60, "the run is too short");
    sixty
}

async fn append(store: &JournalStore, records: &[Record]) {
    // Each iteration of the benchmark gets a log of its own.
    let subject = uuid::Uuid::new_v4().to_string();
    let log = store.log(&subject);
    let holder = Holder::this_process("bench");
    let lease = log.take(holder, SystemClock, Take::IfFree).await;
    let lease = lease.expect("it is free");
    for record in records {
        lease.append(record.clone()).await.expect("it is kept");
    }
    lease.release().await.expect("it is let go");
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("readable");
        let meta = entry.metadata().expect("readable");
        if meta.is_dir() {
            size(&entry.path())
        } else {
            meta.len()
        }
    });
    sizes.sum()
}

fn journal(c: &mut Criterion) {
    let records = sixty_looks();
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let local = JournalStore::local(folder.path()).expect("a folder");
    runtime.block_on(append(&local, &records));
    println!(
        "60 looks: {} records, {} bytes in the log",
        records.len(),
        size(folder.path())
    );
    let mut group = c.benchmark_group("append 60 looks");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.sample_size(10);
    for (name, store) in [("memory", &JournalStore::memory()), ("folder", &local)] {
        group.bench_function(name, |b| {
            b.iter(|| runtime.block_on(append(store, &records)));
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
