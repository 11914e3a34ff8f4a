//! Where time comes from: the wall clock, and the clock of a run.

#[cfg(any(feature = "store", feature = "sim"))]
use std::sync::atomic;
use std::{fmt, future::Future, sync::Arc, time::Duration};

use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};

/// The one source of wall-clock time.
///
/// The engine waits on tokio's clock, takes the time of its start from here, and measures from
/// there on by [`uptime`](Self::uptime): see [`RunClock`]. The clocks must run together: a
/// simulation whose tokio clock is paused has a `Clock` of its own, which it hands out.
#[auto_impl(Arc, Box)]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now by the machine's wall clock, which may be wrong, and may be set forward and
    /// back.
    fn now(&self) -> Timestamp;

    /// The time since some moment in the past. It is never set back, and runs on while the machine
    /// is suspended. Runs and leases are timed by it.
    fn uptime(&self) -> Duration;

    /// Whether time is simulated. On a real clock the engine checks after each wait that real
    /// time has passed, so that a paused tokio clock cannot collapse the waits of a migration
    /// of real traffic.
    fn is_virtual(&self) -> bool;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        since_boot()
    }

    fn is_virtual(&self) -> bool {
        false
    }
}

/// The clock of a run: wall time, taken once, plus the [`uptime`](Clock::uptime) since.
///
/// A run dates its events and its journal by this clock, and measures every wait and deadline by
/// it. So a wall clock that is set during the run changes nothing, and a wall clock that is off
/// shifts all times of the run by the same amount. The clock of a run never goes back, and time in
/// which the machine was suspended counts.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use bluegreen::{aws::sim::Simulation, clock::{Clock, RunClock}};
/// use jiff::SignedDuration;
///
/// let simulation = Simulation::builder().build();
/// simulation.start_paused();
/// let run = RunClock::start(simulation.aws().clock());
/// let start = run.now();
/// simulation.set_clock(SignedDuration::from_hours(-1));
/// tokio::time::sleep(std::time::Duration::from_secs(60)).await;
/// assert_eq!(run.now().duration_since(start).as_secs(), 60);
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct RunClock {
    clock: Arc<dyn Clock>,
    start: Timestamp,
    /// The uptime at `start`.
    uptime: Duration,
}

impl RunClock {
    /// Starts now, by the wall clock of `clock`.
    #[must_use]
    pub fn start(clock: impl Clock + 'static) -> Self {
        Self {
            start: clock.now(),
            uptime: clock.uptime(),
            clock: Arc::new(clock),
        }
    }

    /// Starts no earlier than `at`. For a run that is resumed: its records must not lie in its
    /// future, even if the clock of the machine before was ahead.
    #[must_use]
    pub(crate) fn not_before(self, at: Timestamp) -> Self {
        if self.now() >= at {
            return self;
        }
        Self {
            start: at,
            uptime: self.clock.uptime(),
            clock: self.clock,
        }
    }

    /// Runs `work` as work of this run: see [`of_this_task`](Self::of_this_task).
    pub(crate) fn during<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        OF_THIS_TASK.scope(self, work)
    }

    /// The clock of the run that this task works for. `None` outside of a run, and in a task that
    /// was spawned.
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(
            dead_code,
            reason = "adapters compare its times with those of a service"
        )
    )]
    pub(crate) fn of_this_task() -> Option<Self> {
        OF_THIS_TASK.try_with(Clone::clone).ok()
    }
}

tokio::task_local! {
    /// Roles are told times by the run's clock, and some must compare them with times by a
    /// service's clock.
    static OF_THIS_TASK: RunClock;
}

impl Clock for RunClock {
    fn now(&self) -> Timestamp {
        let passed = self.clock.uptime().saturating_sub(self.uptime);
        later(self.start, passed)
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn is_virtual(&self) -> bool {
        self.clock.is_virtual()
    }
}

/// Work that takes real time, such as a disk's. While it is under way, a simulation that keeps a
/// pace stands still: otherwise its quick clock would pass every limit first.
#[cfg(feature = "store")]
#[derive(Debug)]
pub(crate) struct RealWork(());

/// How many pieces of such work are under way.
#[cfg(any(feature = "store", feature = "sim"))]
static REAL_WORK: atomic::AtomicUsize = atomic::AtomicUsize::new(0);

#[cfg(feature = "store")]
impl RealWork {
    /// Begins work that is under way until the value is dropped.
    pub(crate) fn begin() -> Self {
        REAL_WORK.fetch_add(1, atomic::Ordering::SeqCst);
        Self(())
    }
}

#[cfg(feature = "sim")]
pub(crate) fn real_work_is_under_way() -> bool {
    REAL_WORK.load(atomic::Ordering::SeqCst) > 0
}

#[cfg(feature = "store")]
impl Drop for RealWork {
    fn drop(&mut self) {
        REAL_WORK.fetch_sub(1, atomic::Ordering::SeqCst);
    }
}

/// The least difference of two clocks that counts.
///
/// The `Date` of an answer is cut to whole seconds and has aged on its way, so a smaller difference
/// may be none at all; a machine whose clock is kept right is closer than this. And a smaller
/// difference does no harm: a minute of metrics is read a minute after its end, and a schedule
/// keeps its minute.
pub(crate) const LEAST_OFFSET: Duration = Duration::from_secs(5);

/// `at` moved forward by `by`, or back if `by` is negative; within the bounds of time.
pub(crate) fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    at.checked_add(by).unwrap_or(end)
}

/// Linux's monotonic clock stands still in suspend, its boot-time clock does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
const GOES_ON_IN_SUSPEND: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// Apple's and BSD's monotonic clock runs on in suspend.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const GOES_ON_IN_SUSPEND: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

#[cfg(unix)]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(GOES_ON_IN_SUSPEND);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

#[cfg(not(unix))]
#[expect(
    clippy::disallowed_methods,
    reason = "times leases; on Windows it runs on in suspend"
)]
fn since_boot() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}

/// `at` plus `by`, at most the end of time.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` less `by`, at least the beginning of time.
pub(crate) fn sooner(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// From `earlier` to `at`; zero if `earlier` is later.
pub(crate) fn between(earlier: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(earlier)).unwrap_or_default()
}

/// Returns a time since the start of a run, for people: `+9m03s`, or `+1h02m03s`.
pub(crate) fn elapsed(since_start: Duration) -> String {
    let seconds = since_start.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("+{minutes}m{seconds:02}s"),
        _ => format!("+{hours}h{minutes:02}m{seconds:02}s"),
    }
}

/// A span of time for people: `1m 30s`.
pub(crate) fn span(duration: Duration) -> String {
    let printer = jiff::fmt::friendly::SpanPrinter::new();
    let shown = match duration.as_secs() {
        0 => duration,
        seconds => Duration::from_secs(seconds),
    };
    printer.unsigned_duration_to_string(&shown)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// A machine whose wall clock and uptime are set by hand.
    #[derive(Debug)]
    struct ByHand(Mutex<(Timestamp, Duration)>);

    impl ByHand {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new((at(0), Duration::from_secs(77)))))
        }

        fn pass(&self, time: Duration) {
            let mut this = self.0.lock().unwrap();
            *this = (later(this.0, time), this.1 + time);
        }

        fn set(&self, by: SignedDuration) {
            let mut this = self.0.lock().unwrap();
            this.0 = moved(this.0, by);
        }
    }

    impl Clock for ByHand {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn uptime(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        fn is_virtual(&self) -> bool {
            true
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Passes(u64),
        IsSet(i64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let passes = (0..10_000_000_u64).prop_map(Event::Passes);
        let is_set = any::<i64>().prop_map(Event::IsSet);
        prop::collection::vec(prop_oneof![passes, is_set], 0..50)
    }

    proptest! {
        #[test]
        fn p11_whatever_sets_the_wall_clock_a_run_measures_uptime_and_never_goes_back(
            events in events(),
            newest in prop::option::of(-1_000_000..1_000_000_i64),
        ) {
            let machine = ByHand::new();
            let mut run = RunClock::start(Arc::clone(&machine));
            if let Some(newest) = newest {
                run = run.not_before(at(newest));
            }
            let start = run.now();
            prop_assert_eq!(start, at(newest.unwrap_or_default().max(0)));
            let (mut last, mut passed) = (start, Duration::ZERO);
            for event in events {
                match event {
                    Event::Passes(millis) => {
                        let time = Duration::from_millis(millis);
                        machine.pass(time);
                        passed += time;
                    }
                    Event::IsSet(seconds) => machine.set(SignedDuration::from_secs(seconds)),
                }
                let now = run.now();
                prop_assert!(now >= last);
                prop_assert_eq!(between(start, now), passed);
                last = now;
            }
        }
    }

    #[tokio::test]
    async fn an_action_knows_the_clock_of_its_run_and_nothing_else_does() {
        let run = RunClock::start(ByHand::new());
        let now = run.now();
        assert!(RunClock::of_this_task().is_none());
        let known = run.during(async { RunClock::of_this_task() }).await;
        assert_eq!(known.map(|run| run.now()), Some(now));
        assert!(RunClock::of_this_task().is_none());
    }
}
