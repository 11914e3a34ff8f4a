//! The number of tries, and the wait between two tries.

use std::time::Duration;

/// How often a run tries to read at its start.
pub(super) const ATTEMPTS: u32 = 5;

/// How often the run tries to disarm the dead-man switch, if the switch can do no harm any more, or if
/// further tries are unlikely to help.
pub(super) const FEW_ATTEMPTS: u32 = 3;

/// How often the run tries to restore blue if waits take no time: without pauses between them, more tries
/// would only hammer a service that asks for fewer.
pub(super) const MOST_TRIES_WITHOUT_TIME: u32 = 10;

/// Returns how long to wait after the `attempt`th failure in a row: 2, 4, 8, 16 and then 30 seconds.
pub(super) fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(attempt.clamp(1, 5)).min(30))
}
