//! Virtual time: tokio's clock, dated from a fixed epoch.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{task::JoinHandle, time::Instant};

use crate::clock::{Clock, later, real_work_is_under_way};

/// 2026-01-05T09:00:00Z, a Monday morning.
const EPOCH_SECONDS: i64 = 1_767_603_600;

/// The clock of the simulated machine: the epoch, plus the time of tokio's clock since its first use,
/// plus the lead of other processes, plus all changes by which the clock was set. AWS's own time is
/// without the last.
#[derive(Debug, Default)]
pub(super) struct SimClock {
    origin: OnceLock<Instant>,
    /// By how much the world is ahead of tokio's clock, in nanoseconds.
    ahead: AtomicU64,
    /// The time that was last shown, in nanoseconds since the start: time never goes back.
    shown: AtomicU64,
    /// When the clock is set, and by how much.
    set: Mutex<Vec<(Duration, SignedDuration)>>,
}

impl SimClock {
    pub(super) fn epoch() -> Timestamp {
        Timestamp::from_second(EPOCH_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn elapsed(&self) -> Duration {
        let own = self.own() + self.ahead.load(Ordering::SeqCst);
        let shown = self.shown.fetch_max(own, Ordering::SeqCst);
        Duration::from_nanos(own.max(shown))
    }

    /// Whether there was a first look, from which on time passes.
    pub(super) fn has_begun(&self) -> bool {
        self.origin.get().is_some()
    }

    /// The time that has passed on tokio's clock, in nanoseconds.
    fn own(&self) -> u64 {
        let now = Instant::now();
        let passed = now.duration_since(*self.origin.get_or_init(|| now));
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX / 2)
    }

    /// Makes the world at least this old: another process has seen it so. For this process that is
    /// like a suspension: its clock jumps, and its timers run on from where they are.
    pub(super) fn not_before(&self, at: Duration) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX / 2);
        let behind = at.saturating_sub(self.own());
        self.ahead.fetch_max(behind, Ordering::SeqCst);
    }

    /// Returns the lead that the world had over tokio's clock, which must advance by it at once: the
    /// lead is gone.
    pub(super) fn catch_up(&self) -> Duration {
        Duration::from_nanos(self.ahead.swap(0, Ordering::SeqCst))
    }

    /// Changes wall time by this much, this long after the start.
    pub(super) fn set_at(&self, after: Duration, by: SignedDuration) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.push((after, by));
    }

    /// By how much wall time is off at `elapsed`.
    fn off_by(&self, elapsed: Duration) -> SignedDuration {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let done = set.iter().filter(|(at, _)| *at <= elapsed);
        done.fold(SignedDuration::ZERO, |sum, (_, by)| sum.saturating_add(*by))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.elapsed();
        let off_by = self.off_by(elapsed);
        let ends = if off_by.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let now = later(Self::epoch(), elapsed).checked_add(off_by);
        now.unwrap_or(ends)
    }

    fn uptime(&self) -> Duration {
        self.elapsed()
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// Ties virtual time to real time while it lives, so that an operator can watch.
#[derive(Debug)]
#[must_use = "time is paced while the pacer lives"]
pub struct Pacer {
    task: JoinHandle<()>,
}

/// The real time between two strokes of a [`Pacer`].
const STROKE: Duration = Duration::from_millis(20);

/// The real time after which a [`Pacer`] tells other processes the time.
const SILENT: Duration = Duration::from_millis(250);

impl Pacer {
    /// `stroke` gets the time after which to break the silence, and returns the lead that the world
    /// has over tokio's clock.
    pub(super) fn new(speed: f64, stroke: impl Fn(Duration) -> Duration + Send + 'static) -> Self {
        let speed = speed.clamp(0.01, 1e6);
        let (step, silent) = (STROKE.mul_f64(speed), SILENT.mul_f64(speed));
        let task = tokio::spawn(async move {
            loop {
                // Blocks the runtime's only thread on purpose: were it idle, its paused clock
                // would jump to the next timer at once.
                sleep_for_real(STROKE);
                if real_work_is_under_way() {
                    // Disk work takes real time: its limits would come too early.
                    tokio::task::yield_now().await;
                    continue;
                }
                let lead = stroke(silent);
                tokio::time::advance(lead).await;
                // If the steps of all processes were added, time would pass faster with each process.
                // The paused clock goes from timer to timer, as it does without a pace. If it jumped by a
                // whole step, every wait would end late, and the run would take another course.
                tokio::time::sleep(step.saturating_sub(lead)).await;
            }
        });
        Self { task }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "paces virtual time by real time")]
fn sleep_for_real(duration: Duration) {
    std::thread::sleep(duration);
}
