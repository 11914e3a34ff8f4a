//! The number of attempts, and the wait between two attempts.

use std::time::Duration;

/// How often a read is attempted at the start.
pub(super) const ATTEMPTS: u32 = 5;

/// The wait after a failed attempt: 2 s, 4 s and so on, at most half a minute.
pub(super) fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.clamp(1, 5)).min(Duration::from_secs(30))
}
