//! The cost of a long journal: of a migration that bakes for a week, in a store whose calls take
//! 90 ms. Prints the calls, the (virtual) time that they take, and the memory, each beside the figure for
//! an empty journal or for reading the whole journal. Then the cost of the replay of a journal of 31 MB,
//! beside reading all of it at once; `-- small` runs only this replay.
//!
//! ```text
//! cargo bench -p bluegreen --features sim,store --bench long_journal
//! ```

#![expect(
    clippy::print_stdout,
    reason = "the figures are what this benchmark is for"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, Migration, MigrationPlan, Result,
    aws::{
        alb::AlbTrafficSplitter,
        cloudwatch::{AlbMetrics, CloudWatchGate},
        sim::{Scenario, Simulation},
    },
    engine::Record,
    health::{HealthGate, Limits, Shortfall, TargetHealthGate, sequential::Sequential},
    migration::{GateId, Replayer, replay},
    store::{Created, Holder, JournalLog, Lease, Numbers, RecordStorage, Take},
};
use futures_util::StreamExt as _;
use peak_alloc::PeakAlloc;
use tokio::{runtime::Builder, time::Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A store that counts its calls, takes its time, and lists as S3 does.
#[derive(Debug, Default)]
struct Store {
    records: Mutex<BTreeMap<u64, Vec<u8>>>,
    remembered: AtomicU64,
    calls: AtomicU64,
    millis: AtomicU64,
}

impl Store {
    async fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let millis = self.millis.load(Ordering::Relaxed);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    fn log(self: &Arc<Self>) -> JournalLog {
        JournalLog::new(Arc::clone(self) as Arc<dyn RecordStorage>, "the rule")
    }

    fn size(&self) -> (usize, usize) {
        let records = self.records.lock().expect("no panic");
        (records.len(), records.values().map(Vec::len).sum())
    }
}

#[async_trait]
impl RecordStorage for Store {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        self.call().await;
        let mut records = self.records.lock().expect("no panic");
        if records.contains_key(&seq) {
            return Ok(Created::Exists);
        }
        records.insert(seq, bytes);
        Ok(Created::New)
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        self.call().await;
        let records = self.records.lock().expect("no panic");
        let record = records.get(&seq).cloned();
        record.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a record"))
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        const PAGE: usize = 1_000;
        self.call().await;
        let records = self.records.lock().expect("no panic");
        let numbers: Vec<u64> = records.range(from..).take(PAGE).map(|(n, _)| *n).collect();
        Ok(Numbers {
            is_last: numbers.len() < PAGE,
            numbers,
        })
    }

    async fn remember(&self, seq: u64) -> Result<()> {
        self.call().await;
        self.remembered.store(seq, Ordering::Relaxed);
        Ok(())
    }

    async fn remembered(&self) -> Result<u64> {
        self.call().await;
        Ok(self.remembered.load(Ordering::Relaxed))
    }
}

type Gates = Vec<(GateId, Arc<dyn HealthGate>)>;

const DAY: Duration = Duration::from_secs(24 * 3_600);

struct World {
    simulation: Simulation,
    store: Arc<Store>,
    bake: Duration,
}

impl World {
    fn new(bake: Duration) -> Self {
        Self {
            simulation: Scenario::Healthy.simulation(1),
            store: Arc::default(),
            bake,
        }
    }

    /// Runs until shortly before the end, when its process dies.
    async fn run(&self, log: &JournalLog) {
        let lease = self.take(log, Take::IfFree).await;
        let run = Box::pin(self.migration(&lease).run());
        let ended = tokio::time::timeout(self.bake, run).await;
        assert!(ended.is_err(), "it bakes still");
    }

    fn gates(&self) -> Gates {
        let (simulation, aws) = (&self.simulation, self.simulation.aws());
        let (blue, green) = (simulation.blue(), simulation.green());
        let balancer = simulation.rule().listener().load_balancer();
        let metrics = AlbMetrics::new(&aws, balancer, blue, green);
        let metrics = CloudWatchGate::alb(metrics, Limits::default())
            .with_judge("shortfall", Shortfall::default())
            .with_judge("sequential", Sequential::default());
        vec![
            ("targets".into(), Arc::new(TargetHealthGate::new())),
            ("metrics".into(), Arc::new(metrics)),
        ]
    }

    fn migration(&self, lease: &Lease) -> Migration {
        let simulation = &self.simulation;
        let aws = simulation.aws().fenced(lease.clone());
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        let plan = MigrationPlan::builder()
            .look_interval(Duration::from_secs(15))
            .final_bake(self.bake)
            .deadline(9 * DAY)
            .build()
            .expect("valid");
        let mut migration = Migration::new(plan, splitter)
            .clock(aws.clock())
            .journal(lease.clone());
        for (id, gate) in self.gates() {
            migration = migration.gate(id, gate);
        }
        migration
    }

    async fn take(&self, log: &JournalLog, how: Take) -> Lease {
        let clock = self.simulation.aws().clock();
        let taken = log.take(Holder::this_process("bench"), clock, how).await;
        taken.expect("it is free")
    }
}

/// Returns the result of `work`; prints its calls, its time and its memory.
async fn told<T>(what: &str, store: &Store, work: impl Future<Output = T>) -> T {
    let (calls, begun) = (store.calls.load(Ordering::Relaxed), Instant::now());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let done = work.await;
    let calls = store.calls.load(Ordering::Relaxed) - calls;
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    let peak = MEMORY.peak_usage().saturating_sub(before) as f64 / 1e6;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what}: {calls} calls, {seconds:.1} s, {peak:.1} MB at most");
    done
}

async fn figures() {
    let world = World::new(7 * DAY);
    let (log, store) = (world.store.log(), &*world.store);
    told("a week's bake", store, world.run(&log)).await;
    let (records, bytes) = store.size();
    println!("its journal: {records} records, {bytes} bytes in the store");
    store.millis.store(90, Ordering::Relaxed);

    tokio::time::sleep(Duration::from_secs(300)).await;
    let lease = told("taking it from a holder that died", store, {
        world.take(&log, Take::Force)
    });
    let lease = lease.await;
    let read = told(
        "reading what a resume needs",
        store,
        lease.newest_run_to_resume(),
    );
    let read = read.await.expect("readable");
    told("resuming, up to its end by an operator", store, async {
        let migration = world.migration(&lease);
        let (handle, mut states) = (migration.handle(), 0);
        let resumed = migration
            .on_event(move |_| {
                states += 1;
                if states == 1 {
                    handle.abort("bench");
                }
            })
            .resume(&read, "bench");
        let ended = Box::pin(resumed).await.expect("known");
        assert_eq!(ended.exit_code(), 11);
    })
    .await;
    drop(lease);
    replays(&world, &log).await;

    let empty = Arc::new(Store::default());
    empty.millis.store(90, Ordering::Relaxed);
    for (what, store) in [("an empty journal", &empty), ("the week's", &world.store)] {
        let what = format!("taking {what} to restore");
        let taken = told(&what, store, async {
            world.take(&store.log(), Take::ToRestore).await
        });
        drop(taken.await);
    }
}

/// The cost of the replay of a journal, read record by record and all at once.
async fn replays(world: &World, log: &JournalLog) {
    let store = &*world.store;
    let gates = world.gates();
    let gates: Vec<_> = gates
        .iter()
        .map(|(id, gate)| (id.clone(), &**gate))
        .collect();
    let whole = told("replay, record by record", store, async {
        let records = log.newest_run_stream().await.expect("readable");
        let mut records = std::pin::pin!(records);
        let first = records.next().await.expect("one").expect("readable");
        let mut replayer = Replayer::open(&first, &gates).expect("of a migration");
        let mut count = 1;
        while let Some(record) = records.next().await {
            replayer
                .take(&record.expect("readable"))
                .expect("the same again");
            count += 1;
        }
        (count, replayer.verdicts())
    })
    .await;
    let all: Vec<Record> = told("reading all of it at once, and replay", store, async {
        let all = log.newest_run().await.expect("readable");
        let replayed = replay(&all, &gates).expect("the same again");
        assert_eq!((all.len(), replayed.verdicts), whole);
        all
    })
    .await;
    let bytes: usize = all
        .iter()
        .map(|record| serde_json::to_vec(record).map_or(0, |bytes| bytes.len()))
        .sum();
    println!("its records alone, without copies: {bytes} bytes");
}

/// A bake that leaves 31 MB of records, copies and snapshots beside them.
async fn small() {
    let world = World::new(Duration::from_secs(63 * 1_800));
    let log = world.store.log();
    told("a bake of 31.5 hours", &world.store, world.run(&log)).await;
    let (records, bytes) = world.store.size();
    println!("its journal: {records} records, {bytes} bytes in the store");
    replays(&world, &log).await;
}

fn main() {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let is_small = std::env::args().any(|word| word == "small");
    runtime.expect("a runtime").block_on(async {
        if !is_small {
            figures().await;
        }
        small().await;
    });
}
