//! How often something is tried, and how long to wait between two tries.

use std::time::Duration;

/// How often something that cannot be read at the start is tried.
pub(super) const ATTEMPTS: u32 = 5;

/// The wait after a failed try: 2 s, 4 s and so on, at most half a minute.
pub(super) fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.clamp(1, 5)).min(Duration::from_secs(30))
}
