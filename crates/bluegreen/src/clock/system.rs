//! [`SystemClock`].

use std::time::Duration;

use jiff::Timestamp;

use super::Clock;

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
