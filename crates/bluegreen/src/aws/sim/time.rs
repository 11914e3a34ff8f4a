//! Virtual time: tokio's clock, dated from a fixed epoch.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{task::JoinHandle, time::Instant};

use crate::clock::{Clock, later, real_work_is_under_way};

/// 2026-01-05T09:00:00Z, a Monday morning.
const EPOCH_SECONDS: i64 = 1_767_603_600;

/// The clock of the simulated machine: the epoch, plus what tokio's clock has passed since its
/// first use, plus by how much it was set since. AWS's own time is without the last.
#[derive(Debug, Default)]
pub(super) struct SimClock {
    origin: OnceLock<Instant>,
    /// When it is set, and by how much.
    set: Mutex<Vec<(Duration, SignedDuration)>>,
}

impl SimClock {
    pub(super) fn epoch() -> Timestamp {
        Timestamp::from_second(EPOCH_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn elapsed(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(*self.origin.get_or_init(|| now))
    }

    /// Sets wall time by so much, this long after the start.
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

/// Keeps virtual time at a pace for people while it lives.
#[derive(Debug)]
#[must_use = "time is paced while the pacer lives"]
pub struct Pacer {
    task: JoinHandle<()>,
}

/// The real time between two strokes of a [`Pacer`].
const STROKE: Duration = Duration::from_millis(20);

impl Pacer {
    pub(super) fn new(speed: f64) -> Self {
        let step = STROKE.mul_f64(speed.clamp(0.01, 1e6));
        let task = tokio::spawn(async move {
            loop {
                // Blocks the runtime's only thread on purpose: were it idle, its paused clock
                // would jump to the next timer at once.
                sleep_for_real(STROKE);
                if real_work_is_under_way() {
                    // A disk takes real time: its limits would come too early.
                    tokio::task::yield_now().await;
                    continue;
                }
                tokio::time::advance(step).await;
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

#[expect(
    clippy::disallowed_methods,
    reason = "paces virtual time by real time, for people"
)]
fn sleep_for_real(duration: Duration) {
    std::thread::sleep(duration);
}
