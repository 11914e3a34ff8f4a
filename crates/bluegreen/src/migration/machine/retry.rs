//! How often something is tried, and how long to wait between two tries.

use std::time::Duration;

/// How often a run that cannot read at its start tries to.
pub(super) const ATTEMPTS: u32 = 5;

/// How often the dead-man switch is disarmed where it could do no harm any more, or where it does not look as if
/// trying helps.
pub(super) const FEW_ATTEMPTS: u32 = 3;

/// How often restoring is tried where waits take no time: without pauses between them, more tries
/// would only hammer a service that asks for fewer.
pub(super) const MOST_TRIES_WITHOUT_TIME: u32 = 10;

/// How long to wait after the `attempt`th failure in a row: 2, 4, 8, 16 and then 30 seconds.
pub(super) fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(attempt.clamp(1, 5)).min(30))
}
