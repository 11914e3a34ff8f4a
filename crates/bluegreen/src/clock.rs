//! Where wall-clock time comes from.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

/// The one source of wall-clock time.
///
/// The engine waits on tokio's clock and dates everything by this one. They must run together:
/// a simulation whose tokio clock is paused has a `Clock` of its own, which it hands out.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// How much time has passed since some moment in the past; never set back, and it goes on
    /// while the machine is suspended. What leases are timed by.
    fn uptime(&self) -> Duration;

    /// Whether time is simulated. On a real clock the engine checks after each wait that real
    /// time has passed, so that a paused tokio clock cannot collapse the waits of a migration
    /// of real traffic.
    fn is_virtual(&self) -> bool;
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn uptime(&self) -> Duration {
        (**self).uptime()
    }

    fn is_virtual(&self) -> bool {
        (**self).is_virtual()
    }
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

/// Linux's monotonic clock stands still in suspend, its boot-time clock does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
const GOES_ON_IN_SUSPEND: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// Apple's and BSD's monotonic clock goes on.
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
    reason = "times leases; on Windows it goes on in suspend"
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

/// From `earlier` to `at`; zero where `earlier` is later.
pub(crate) fn between(earlier: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(earlier)).unwrap_or_default()
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
