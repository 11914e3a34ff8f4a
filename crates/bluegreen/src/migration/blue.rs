//! How long blue stays after everything moved to green, and what must be seen before blue goes.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;

/// How long blue is kept after a migration: a day, since most harm that a release does shows within one
/// cycle of a day's traffic.
pub(crate) const KEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// How many settled minutes without a request on blue are enough. A quarter of an hour shows every client
/// that asks at least that often: health checks of others, reports of every five or ten minutes, connections
/// that are reused. A rarer client is not seen by any short wait; the keep time is for those.
pub(crate) const QUIET_MINUTES: usize = 15;

/// Returns from when blue may go, if the migration `ended` then and blue is kept for `keep`: the quiet minutes
/// are needed too.
pub(crate) fn free_from(ended: Timestamp, keep: Duration) -> Timestamp {
    later(ended, keep)
}
