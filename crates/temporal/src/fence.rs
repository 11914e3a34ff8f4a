//! [`Timely`]: a change begins soon after it was given, under a lease, or it restores.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    Error, ErrorKind, Result,
    clock::Clock,
    engine::{Fence, is_restoring},
    store::Lease,
};

/// Lets a change begin until a moment on the boot-time clock, and while the lease holds.
#[derive(Debug)]
pub(crate) struct Timely {
    pub(crate) clock: Arc<dyn Clock>,
    /// The last moment at which a change may begin.
    pub(crate) until: Duration,
    /// The lease of the rule; a restore needs none.
    pub(crate) lease: Option<Lease>,
}

impl Fence for Timely {
    fn check(&self) -> Result<()> {
        let refused = |kind, why: &str| Err(Error::new(kind, format!("nothing was sent: {why}")));
        match &self.lease {
            Some(lease) => lease.check()?,
            None if is_restoring() => {}
            None => {
                return refused(
                    ErrorKind::Unavailable,
                    "this worker does not hold the lease of the rule",
                );
            }
        }
        if is_restoring() || self.clock.uptime() <= self.until {
            return Ok(());
        }
        let why =
            "the change was given to this worker too long ago, and may be another worker's now";
        refused(ErrorKind::Unavailable, why)
    }
}

#[cfg(test)]
mod tests {
    use bluegreen::{
        clock::SystemClock,
        store::{Holder, JournalStore, Take},
    };

    use super::*;

    async fn lease() -> Lease {
        let log = JournalStore::memory().log("rule");
        let holder = Holder::workflow("ann", "Temporal", "bluegreen-temporal status");
        log.take(holder, SystemClock, Take::IfFree)
            .await
            .expect("free")
    }

    fn timely(lease: Option<Lease>, until: Duration) -> Timely {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Timely {
            until: clock.uptime().saturating_sub(Duration::from_secs(1)) + until,
            clock,
            lease,
        }
    }

    #[tokio::test]
    async fn p06_a_change_begins_in_time_and_under_a_lease_only() {
        let in_time = timely(Some(lease().await), Duration::from_secs(60));
        in_time.check().expect("in time, with a lease");
        let late = timely(Some(lease().await), Duration::ZERO);
        let error = late.check().expect_err("late");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let bare = timely(None, Duration::from_secs(60));
        assert_eq!(
            bare.check().expect_err("no lease").kind(),
            ErrorKind::Unavailable
        );
    }

    #[tokio::test]
    async fn p06_no_change_begins_under_a_lease_that_was_given_up() {
        let lease = lease().await;
        let fence = timely(Some(lease.clone()), Duration::from_secs(60));
        drop(lease.carry().await);
        fence.check().expect_err("given up");
    }
}
