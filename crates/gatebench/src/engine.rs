//! One migration through the engine itself: the real gate, settler, judges and machine, in virtual time,
//! over a splitter and metrics in memory.
//!
//! What is not the real one: AWS. A minute of metrics shows in part 15 s after its end, and whole 30 s
//! after its end in half of the runs and 90 s in the other half; runs begin anywhere in a minute.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::{
    Migration, MigrationOutcome, MigrationPlan, Percent, Result, TrafficSplitter,
    clock::Clock,
    engine::{Journal, Record},
    health::{
        Bucket, Counts, Limits, MetricSource, MetricsGate, Tally, Window,
        sequential::{Sequential, Settings},
    },
    migration::{Cause, Step},
    preflight::Finding,
    traffic::{Shift, Shifted, Sides, TargetCounts, TrafficObservation},
};
use jiff::Timestamp;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{
    rules::{End, Steps},
    scenario::Scenario,
    study::Run,
    world::{HORIZON, Needs, Side, World, real_of},
};

/// The start of the first minute of every run, a whole minute.
const EPOCH: i64 = 1_800_000_000;
/// Where a minute is cut: 70 % of it shows first, as the simulated AWS of the library does.
const CUTS: [i64; 4] = [14, 28, 42, 60];
const PART_UNTIL: i64 = 42;
const PART_AFTER: i64 = 15;

/// The settings of the engine's runs.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) steps: Steps,
    pub(crate) settings: Settings,
    /// Whether the gate excuses and warms as the second rule has it.
    pub(crate) is_second_rule: bool,
    /// How long green is judged at 100 % after its last step.
    pub(crate) final_bake: Duration,
}

impl Setup {
    /// Returns the engine as a file without `judge.rule` sets it up.
    pub(crate) fn first(steps: Steps) -> Self {
        Self {
            steps,
            settings: Settings::default(),
            is_second_rule: false,
            final_bake: Duration::ZERO,
        }
    }

    /// Returns the engine as `judge.rule = 2` sets it up.
    pub(crate) fn second(steps: Steps) -> Self {
        Self {
            steps,
            settings: Settings::default().by_second_rule(),
            is_second_rule: true,
            final_bake: FINAL_BAKE,
        }
    }
}

/// The final bake of the second rule.
const FINAL_BAKE: Duration = Duration::from_secs(10 * 60);

/// Runs one migration. `number` decides how late its metrics are.
pub(crate) fn migrate(scenario: &Scenario, setup: &Setup, seed: u64, number: usize) -> Run {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    // Without its own threads and without I/O there is nothing to fail.
    let Ok(runtime) = runtime else {
        return Run::default();
    };
    runtime.block_on(play(scenario, setup, seed, number))
}

async fn play(scenario: &Scenario, setup: &Setup, seed: u64, number: usize) -> Run {
    let needs = Needs {
        latency: false,
        past: true,
    };
    let start = i64::try_from(seed % 60).unwrap_or(0);
    let road = Road(Arc::new(Mutex::new(Course {
        world: World::new(scenario, seed, needs),
        is_silent: scenario.is_silent,
        begun: Instant::now(),
        start,
        at: start,
        share: Percent::ZERO,
        shifts: Vec::new(),
        minutes: BTreeMap::new(),
        complete_after: if number.is_multiple_of(2) { 30 } else { 90 },
    })));
    let warm_up = Duration::from_secs_f64(60.0 * scenario.declared_warm_up);
    let mut plan = MigrationPlan::builder()
        .bake(Duration::from_secs(180).max(warm_up + Duration::from_secs(60)))
        .step_deadline(Duration::from_secs(65 * 60))
        .deadline(Duration::from_secs(6 * 3_600))
        .confirm_within(Duration::ZERO)
        .final_bake(setup.final_bake)
        .warm_up(warm_up);
    for share in setup.steps.engine() {
        let share = Percent::from_whole(*share).unwrap_or(Percent::HUNDRED);
        plan = plan.step(Step::to(share));
    }
    let mut limits = Limits::default().without_latency();
    let mut gate = MetricsGate::new(road.clone());
    if setup.is_second_rule {
        limits.excuses_lag = true;
        gate = gate.warming_once();
    }
    let gate = gate
        .with_judge("limits", limits)
        .with_judge("sequential", Sequential::new(setup.settings.clone()));
    let Ok(plan) = plan.build() else {
        return Run::default();
    };
    let outcome = Migration::new(plan, road.clone())
        .clock(Paused(Instant::now(), start))
        .journal(Nowhere)
        .gate("metrics", gate)
        .run()
        .await;
    let end = match &outcome {
        Ok(MigrationOutcome::Promoted { .. }) => End::Promoted,
        Ok(MigrationOutcome::RolledBack {
            cause: Cause::Gate { .. },
            ..
        }) => End::Stopped,
        _ => End::Inconclusive,
    };
    let mut course = road.course();
    course.happen();
    let minute = |second: i64| seconds(second - start) / 60.0;
    let ended = course.at;
    let stopped = course
        .shifts
        .iter()
        .find(|(_, share)| *share == Percent::ZERO);
    let minutes = match (end, stopped) {
        (End::Promoted, _) | (_, None) => minute(ended),
        (_, Some((second, _))) => minute(*second),
    };
    let last = course
        .shifts
        .iter()
        .find(|(_, share)| *share == Percent::HUNDRED);
    let last_shift = last.map(|(second, _)| minute(*second));
    // What was promoted serves on.
    let over = start + 60 * i64::try_from(HORIZON).unwrap_or(60);
    course.until(over);
    Run {
        end,
        minutes,
        last_shift: last_shift.filter(|_| end == End::Promoted),
        harm: course
            .world
            .harmed_since
            .map(|since| (minutes - since).max(0.0)),
        harmed: course.world.harmed,
    }
}

fn seconds(seconds: i64) -> f64 {
    real_of(usize::try_from(seconds).unwrap_or(0))
}

/// Tokio's paused clock.
#[derive(Debug, Clone, Copy)]
struct Paused(Instant, i64);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(EPOCH + self.1).unwrap_or(Timestamp::UNIX_EPOCH);
        start + self.0.elapsed()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// A journal that keeps nothing: these runs are never resumed.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Journal for Nowhere {
    async fn append(&self, _: Record) -> Result<()> {
        Ok(())
    }
}

/// A rule in memory, the world behind it, and the metrics of that world.
#[derive(Debug, Clone)]
struct Road(Arc<Mutex<Course>>);

#[derive(Debug)]
struct Course {
    world: World,
    is_silent: bool,
    begun: Instant,
    /// Seconds after `EPOCH` at which the run begins, and up to which the world has happened.
    start: i64,
    at: i64,
    share: Percent,
    /// Green's share from each second on.
    shifts: Vec<(i64, Percent)>,
    /// Green and blue in each minute after `EPOCH`: its first part, and all of it.
    minutes: BTreeMap<i64, [Sides<Side>; 2]>,
    /// Seconds after its end at which a minute is complete.
    complete_after: i64,
}

impl Road {
    fn course(&self) -> MutexGuard<'_, Course> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Course {
    /// Returns the seconds after `EPOCH` now.
    fn now(&self) -> i64 {
        let passed = self.begun.elapsed().as_secs();
        self.start + i64::try_from(passed).unwrap_or(i64::MAX / 2)
    }

    /// Lets the world happen up to now.
    fn happen(&mut self) {
        self.until(self.now());
    }

    fn until(&mut self, end: i64) {
        while self.at < end {
            let (minute, second) = (self.at.div_euclid(60), self.at.rem_euclid(60));
            let cut = CUTS.into_iter().find(|cut| *cut > second).unwrap_or(60);
            let to = (60 * minute + cut).min(end);
            let (green, blue) = self
                .world
                .pass(self.share.as_fraction(), seconds(to - self.at));
            let [part, all] = self.minutes.entry(minute).or_default();
            let sums = [Some(all), Some(part).filter(|_| second < PART_UNTIL)];
            for sum in sums.into_iter().flatten() {
                sum.green += green;
                sum.blue += blue;
            }
            self.at = to;
        }
    }

    fn bucket(&self, minute: i64) -> Option<Sides<Counts>> {
        let counts =
            |side: Side| Counts::of(side.requests, side.errors).with_slow(Tally::exact(side.slow));
        let sides = |minute: &Sides<Side>| Sides {
            blue: counts(minute.blue),
            green: counts(if self.is_silent {
                Side::default()
            } else {
                minute.green
            }),
        };
        if minute < 0 {
            let place = usize::try_from(-minute - 1).ok()?;
            return self.world.past.get(place).map(|blue| Sides {
                blue: counts(*blue),
                green: counts(Side::default()),
            });
        }
        let age = self.now() - 60 * (minute + 1);
        let [part, all] = self.minutes.get(&minute)?;
        if age >= self.complete_after {
            return Some(sides(all));
        }
        (age >= PART_AFTER).then(|| sides(part))
    }
}

#[async_trait]
impl TrafficSplitter for Road {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        Ok(observed(self.course().share))
    }

    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        // The time that a call takes.
        sleep(Duration::from_millis(200)).await;
        let mut course = self.course();
        course.happen();
        course.share = shift.to.green();
        let now = (course.at, course.share);
        course.shifts.push(now);
        Ok(Shifted::Seen(observed(course.share)))
    }

    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

fn observed(share: Percent) -> TrafficObservation {
    let green = u32::from(share.as_tenths());
    let weights = Sides {
        blue: 1_000 - green,
        green,
    };
    let targets = Sides::both(TargetCounts::all_healthy(4));
    TrafficObservation::new(weights, targets, "v1:gatebench")
}

#[async_trait]
impl MetricSource for Road {
    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn read(&self, window: &Window) -> Result<Vec<Bucket>> {
        let mut course = self.course();
        course.happen();
        let first = (window.from.as_second() - EPOCH).div_euclid(60);
        let last = (window.to.as_second() - EPOCH).div_euclid(60);
        let buckets = (first..last).filter_map(|minute| {
            let sides = course.bucket(minute)?;
            let start = Timestamp::from_second(EPOCH + 60 * minute).ok()?;
            Some(Bucket::new(start, Duration::from_secs(60), sides))
        });
        Ok(buckets.collect())
    }

    async fn slow_above(&self, _: Timestamp) -> Result<Option<Duration>> {
        Ok(Some(Duration::from_millis(228)))
    }

    fn settings(&self) -> serde_json::Value {
        "gatebench".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, rate: f64, base: f64, seed: u64) -> Run {
        let setup = Setup::second(Steps::HoldBack);
        let scenario = Scenario::public(name, rate, base);
        migrate(&scenario, &setup, seed, 0)
    }

    #[test]
    fn a_good_green_is_promoted_and_an_outage_is_stopped_within_four_minutes() {
        let good = run("healthy", 6_000.0, 0.01, 1);
        assert_eq!(good.end, End::Promoted);
        assert!(
            good.last_shift.is_some_and(|at| at < good.minutes),
            "{good:?}"
        );
        let bad = run("outage", 6_000.0, 0.01, 1);
        assert_eq!(bad.end, End::Stopped);
        assert!(bad.minutes < 4.0 && bad.harmed > 600.0, "{bad:?}");
    }

    #[test]
    fn nothing_is_promoted_without_metrics() {
        assert_ne!(run("blackout_outage", 600.0, 0.01, 3).end, End::Promoted);
    }
}
