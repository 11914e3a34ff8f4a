//! The cost of a migration for the process that runs it: CPU and memory of many migrations at once, of a
//! day's bake, of the default journal, and of telling a journal of 31 MB again and replaying it. Splitter and
//! metrics are stubs that answer at once, so every figure is the library's own. CPU is that of this thread.
//!
//! ```text
//! cargo bench -p bluegreen --bench scale              # all figures
//! cargo bench -p bluegreen --bench scale -- replay    # one of: many, day, memory, replay
//! ```

#![expect(
    clippy::print_stdout,
    reason = "the figures are what this benchmark is for"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^53"
)]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::{
    Migration, MigrationPlan, Result, TrafficSplitter,
    clock::Clock,
    engine::{Journal, Record},
    health::{
        Bucket, ConnectionErrors, Counts, HealthGate, LatencySum, Limits, MetricSource,
        MetricsGate, Percentiles, Shortfall, Tally, TargetHealthGate, UnhealthyRouting, Window,
        sequential::Sequential,
    },
    migration::{GateId, Replayer, Retelling},
    preflight::Finding,
    traffic::{Shift, Shifted, Sides, TargetCounts, TrafficObservation},
};
use jiff::Timestamp;
use peak_alloc::PeakAlloc;
use tokio::{runtime::Builder, task::JoinSet, time::Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Tokio's paused clock, from a fixed moment on.
#[derive(Debug, Clone, Copy)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("in range") + self.0.elapsed()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// A rule with two groups, and the behaviour of their services.
#[derive(Debug, Default)]
struct World {
    green: AtomicU32,
}

impl World {
    fn observed(&self) -> TrafficObservation {
        let green = self.green.load(Ordering::Relaxed);
        let weights = Sides {
            blue: 1_000 - green,
            green,
        };
        let targets = Sides {
            blue: TargetCounts::all_healthy(4),
            green: TargetCounts::all_healthy(4),
        };
        TrafficObservation::new(weights, targets, "v1:0f1e2d3c4b5a69788796a5b4c3d2e1f0")
            .with_restore_command("aws elbv2 modify-rule --rule-arn … --actions …")
    }

    /// 600 requests a minute, half a percent of which fail.
    fn counts(&self, minute: u64, side: u64) -> Counts {
        let green = u64::from(self.green.load(Ordering::Relaxed));
        let share = if side == 1 { green } else { 1_000 - green };
        let noise = (minute * 2 + side).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let requests = (600 + noise % 50) * share / 1_000;
        let errors = requests / 200 + u64::from(noise / 1_000 % 200 < requests % 200);
        let millis = 40.0 + (noise % 1_000) as f64 / 77.0;
        let counts = Counts::of(requests, errors)
            .with_slow(Tally::exact(requests / 12))
            .with_responses(requests)
            .with_connection_errors(0)
            .with_unhealthy_routing(0);
        if requests == 0 {
            return counts;
        }
        let mut counts = counts.with_latency(LatencySum::new(millis * requests as f64, requests));
        counts.percentiles = Some(Percentiles::new(millis, millis * 2.1, millis * 7.3));
        counts
    }
}

#[derive(Debug)]
struct Splitter(Arc<World>);

#[async_trait]
impl TrafficSplitter for Splitter {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        Ok(self.0.observed())
    }

    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        let green = u32::from(shift.to.green().as_tenths());
        self.0.green.store(green, Ordering::Relaxed);
        Ok(Shifted::Seen(self.0.observed()))
    }

    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug)]
struct Metrics(Arc<World>);

#[async_trait]
impl MetricSource for Metrics {
    fn period(&self) -> Duration {
        MINUTE
    }

    async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
        let first = window.from.as_second() / 60;
        let last = window.to.as_second() / 60;
        let buckets = (first..last).map(|minute| {
            let start = Timestamp::from_second(minute * 60).expect("in range");
            let minute = u64::try_from(minute).expect("after 1970");
            let sides = Sides {
                blue: self.0.counts(minute, 0),
                green: self.0.counts(minute, 1),
            };
            Bucket::new(start, MINUTE, sides)
        });
        Ok(buckets.collect())
    }

    async fn slow_above(&self, _: Timestamp) -> Result<Option<Duration>> {
        Ok(Some(Duration::from_millis(300)))
    }

    fn settings(&self) -> serde_json::Value {
        "a stub".into()
    }
}

/// The kind of journal that a run writes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// A stub for a journal on another machine: takes each record and drops it.
    Elsewhere,
    /// The library's default.
    ByDefault,
}

#[derive(Debug)]
struct Elsewhere;

#[async_trait]
impl Journal for Elsewhere {
    async fn append(&self, _: Record) -> Result<()> {
        Ok(())
    }
}

/// Lines in a file.
#[derive(Debug)]
struct Lines(Mutex<File>);

#[async_trait]
impl Journal for Lines {
    async fn append(&self, record: Record) -> Result<()> {
        let mut line = serde_json::to_vec(&record).expect("plain data");
        line.push(b'\n');
        let mut file = self.0.lock().expect("no panic");
        file.write_all(&line).expect("room on the disk");
        Ok(())
    }
}

fn gates(world: &Arc<World>) -> Vec<(GateId, Arc<dyn HealthGate>)> {
    let metrics = MetricsGate::new(Metrics(Arc::clone(world)))
        .with_judge("limits", Limits::default())
        .with_judge("connections", ConnectionErrors::default())
        .with_judge("routing", UnhealthyRouting::default())
        .with_judge("shortfall", Shortfall::default())
        .with_judge("sequential", Sequential::default());
    vec![
        ("targets".into(), Arc::new(TargetHealthGate::new())),
        ("metrics".into(), Arc::new(metrics)),
    ]
}

fn migration(bake: Duration) -> Migration {
    let world = Arc::new(World::default());
    let plan = MigrationPlan::builder()
        .final_bake(bake)
        .deadline(bake + 9 * HOUR)
        .build()
        .expect("valid");
    let splitter = Splitter(Arc::clone(&world));
    let mut migration = Migration::new(plan, splitter).clock(Paused(Instant::now()));
    for (id, gate) in gates(&world) {
        migration = migration.gate(id, gate);
    }
    migration
}

/// The cost of many migrations at once.
struct Cost {
    cpu: Duration,
    peak: usize,
    /// The memory in use at the given moments of the run.
    live: Vec<usize>,
}

/// Runs `count` migrations at once to their end, and measures the memory at the moments `at`.
fn cost(count: usize, bake: Duration, kept: Kept, at: Vec<Duration>) -> Cost {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async move {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let begun = cpu();
        let mut all = JoinSet::new();
        for _ in 0..count {
            let mut migration = migration(bake);
            if kept == Kept::Elsewhere {
                migration = migration.journal(Elsewhere);
            }
            all.spawn(async move {
                let outcome = migration.run().await.expect("known");
                assert_eq!(outcome.exit_code(), 0, "{outcome}");
            });
        }
        let live = tokio::spawn(async move {
            let (begun, mut live) = (Instant::now(), Vec::new());
            for moment in at {
                tokio::time::sleep_until(begun + moment).await;
                live.push(MEMORY.current_usage().saturating_sub(before) / count);
            }
            live
        });
        while let Some(ended) = all.join_next().await {
            ended.expect("no panic");
        }
        Cost {
            cpu: (cpu() - begun) / u32::try_from(count).expect("few"),
            peak: MEMORY.peak_usage().saturating_sub(before) / count,
            live: live.await.expect("no panic"),
        }
    })
}

/// Returns the CPU time of this thread if the system tells it, otherwise the elapsed time.
fn cpu() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(passed, Duration::from_nanos)
}

#[expect(clippy::disallowed_methods, reason = "the clock here is paused")]
fn passed() -> Duration {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1_024.0
}

fn many() {
    let cost = cost(100, Duration::ZERO, Kept::Elsewhere, vec![MINUTE * 20]);
    println!(
        "100 at once: {:.2} ms of CPU, {:.0} KiB at most, {:.0} KiB after 20 minutes, each",
        cost.cpu.as_secs_f64() * 1e3,
        kib(cost.peak),
        kib(cost.live[0]),
    );
}

fn day() {
    let few = cost(20, HOUR, Kept::Elsewhere, Vec::new());
    let day = cost(20, 25 * HOUR, Kept::Elsewhere, vec![HOUR * 24]);
    let looks = 24.0 * 240.0;
    println!(
        "a look in steady state: {:.1} µs of CPU; after a day {:.0} KiB each",
        (day.cpu.saturating_sub(few.cpu)).as_secs_f64() * 1e6 / looks,
        kib(day.live[0]),
    );
}

fn memory() {
    let kept = cost(20, 12 * HOUR, Kept::ByDefault, vec![HOUR * 2, HOUR * 10]);
    println!(
        "default journal: {:.1} KiB an hour, {:.0} KiB after ten hours, {:.0} KiB at most, each",
        kib(kept.live[1]) / 8.0 - kib(kept.live[0]) / 8.0,
        kib(kept.live[1]),
        kib(kept.peak),
    );
}

/// Runs `work`, and prints its CPU time and its peak memory.
fn told<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (before, begun) = (MEMORY.current_usage(), cpu());
    MEMORY.reset_peak_usage();
    let done = work();
    let peak = MEMORY.peak_usage().saturating_sub(before) as f64 / 1e6;
    println!(
        "{what}: {:.3} s of CPU, {peak:.1} MB at most",
        (cpu() - begun).as_secs_f64()
    );
    done
}

fn each_line(file: &File, mut take: impl FnMut(&str)) {
    let mut reader = BufReader::new(file.try_clone().expect("a handle"));
    std::io::Seek::rewind(&mut reader).expect("a file");
    let mut line = String::new();
    while reader.read_line(&mut line).expect("readable") > 0 {
        take(&line);
        line.clear();
    }
}

fn replay() {
    let file = tempfile::tempfile().expect("a file");
    let writer = Lines(Mutex::new(file.try_clone().expect("a handle")));
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async move {
        let run = migration(72 * HOUR).journal(writer).run();
        let hours = std::env::var("HOURS")
            .ok()
            .and_then(|hours| hours.parse().ok());
        let ended = tokio::time::timeout(HOUR * hours.unwrap_or(44), Box::pin(run)).await;
        assert!(ended.is_err(), "it bakes still");
    });
    let size = file.metadata().expect("a file").len();
    let mut count = 0;
    told("a pass that checks the lines", || {
        each_line(&file, |line| {
            serde_json::from_str::<serde::de::IgnoredAny>(line).expect("JSON");
            count += 1;
        });
    });
    println!("its journal: {count} records, {:.1} MB", size as f64 / 1e6);
    let record = |line: &str| -> Record { serde_json::from_str(line).expect("a record") };
    told("its events told again", || {
        let (mut retelling, mut events) = (Retelling::new(), 0);
        each_line(&file, |line| {
            events += retelling.take(&record(line)).expect("readable").len();
        });
        assert!(events > 0);
    });
    let world = Arc::default();
    let gates = gates(&world);
    let gates: Vec<_> = gates
        .iter()
        .map(|(id, gate)| (id.clone(), &**gate))
        .collect();
    told("replayed, each verdict judged again", || {
        let mut replayer: Option<Replayer<'_>> = None;
        each_line(&file, |line| match &mut replayer {
            None => replayer = Some(Replayer::open(&record(line), &gates).expect("opens")),
            Some(replayer) => drop(replayer.take(&record(line)).expect("the same again")),
        });
        assert!(replayer.expect("records").verdicts() > 0);
    });
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let all: [(&str, fn()); 4] = [
        ("many", many),
        ("day", day),
        ("memory", memory),
        ("replay", replay),
    ];
    let is_named = |name: &str| named.iter().any(|word| word == name);
    let is_any = all.iter().any(|(name, _)| is_named(name));
    for (name, figures) in all {
        if !is_any || is_named(name) {
            figures();
        }
    }
}
