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

    /// Whether time is simulated. On a real clock the engine checks after each wait that real
    /// time has passed, so that a paused tokio clock cannot collapse the waits of a migration
    /// of real traffic.
    fn is_virtual(&self) -> bool;
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
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

    fn is_virtual(&self) -> bool {
        false
    }
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
