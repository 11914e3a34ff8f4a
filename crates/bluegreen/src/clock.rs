//! Where time comes from: the wall clock, and the clock of a run.

#[cfg(feature = "run")]
mod run;
#[cfg(feature = "run")]
mod system;
#[cfg(all(feature = "mock", feature = "run"))]
pub(crate) mod test_clock;

#[cfg(any(feature = "store", feature = "sim"))]
use std::sync::atomic;
use std::{fmt, time::Duration};

use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};

#[cfg(feature = "run")]
pub use self::{run::RunClock, system::SystemClock};

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

/// The words for a wait that took no real time.
pub(crate) const CLOCK_FAULT: &str =
    "waits took no real time, so tokio's clock is paused while the AWS is real";

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

/// Returns the moment at which a call begins, by tokio's clock, which a simulation may pause.
#[cfg(feature = "run")]
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Returns the moment at which a call begins. Without the loop of this crate there is no clock but the
/// system's.
#[cfg(not(feature = "run"))]
#[expect(
    clippy::disallowed_methods,
    reason = "times one call, and nothing pauses this clock"
)]
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
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
