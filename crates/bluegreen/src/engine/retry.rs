//! What both machines do alike: attempts, the waits between them, and when two reads count as two.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{between, later};

/// How often a run tries to read at its start.
pub(crate) const ATTEMPTS: u32 = 5;

/// How far apart two reads must be to count as two: two reads at the same moment may show one stale copy.
pub const APART: Duration = Duration::from_secs(3);

/// Returns how long to wait after the `attempt`th failure in a row: 2, 4, 8, 16 and then 30 seconds.
pub(crate) fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(attempt.clamp(1, 5)).min(30))
}

/// Returns the first beat after `at` of a rhythm that began at `since`.
pub(crate) fn next_beat(since: Timestamp, every: Duration, at: Timestamp) -> Timestamp {
    let beats = between(since, at).as_nanos() / every.as_nanos() + 1;
    let beats = u32::try_from(beats).unwrap_or(u32::MAX);
    later(since, every.saturating_mul(beats))
}
