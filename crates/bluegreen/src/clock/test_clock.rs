//! [`TestClock`]: time for tests.

use std::{sync::OnceLock, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::{Clock, later};

/// 2026-01-05T09:00:00Z, a Monday morning.
const EPOCH_SECONDS: i64 = 1_767_603_600;

/// A clock that follows tokio's clock, from 2026-01-05T09:00:00Z on. If tokio's clock is paused, the waits of
/// a run take no real time.
///
/// For tests only: a run on the system's clock refuses to move traffic while tokio's clock is paused;
/// a run on this clock does not.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::{clock::Clock, mock::TestClock};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = TestClock::default();
/// let before = clock.now();
/// tokio::time::sleep(Duration::from_secs(3600)).await;
/// assert_eq!(clock.now().duration_since(before).as_secs(), 3600);
/// # }
/// ```
#[derive(Debug, Default)]
pub struct TestClock {
    origin: OnceLock<Instant>,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let epoch = Timestamp::from_second(EPOCH_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH);
        later(epoch, self.uptime())
    }

    fn uptime(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(*self.origin.get_or_init(|| now))
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
