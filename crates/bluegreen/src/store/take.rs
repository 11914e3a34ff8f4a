//! Taking a log.

use std::sync::Arc;

use super::{CarriedLease, Holder, Lease, LeaseState, log::JournalLog};
use crate::{
    clock::{Clock, span},
    error::{Error, ErrorKind, Result},
};

/// How a log is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Take {
    /// Only if the log is free: the default.
    #[default]
    IfFree,
    /// Also from a holder whose lease expires: waits until the holder was silent for
    /// [`EXPIRY`](super::EXPIRY). A holder that appends meanwhile lives, and keeps the log.
    IfExpired,
    /// From any holder. The old holder learns it at its next record, before its next
    /// change. Waits [`FORCE_WAIT`](super::FORCE_WAIT), until no change of the old holder can land.
    Force,
    /// From any holder, without a wait. Only for a [restore](crate::Migration::restore): the restore
    /// continues until no change of the old holder can land, and writes over such a change.
    ToRestore,
}

impl JournalLog {
    /// Takes the log: from then on only the holder of the returned lease appends.
    ///
    /// # Errors
    ///
    /// `Held` if a controller that lives holds the log; names the controller, and since when.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call may leave the log taken without a holder that lives; the lease expires after
    /// [`EXPIRY`](super::EXPIRY).
    pub async fn take(
        &self,
        holder: Holder,
        clock: impl Clock + 'static,
        how: Take,
    ) -> Result<Lease> {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        // The end of the log when the holder last appended, and the time on this clock.
        let mut heard = None;
        loop {
            // How long a change of the old holder may still be under way.
            let mut wait = std::time::Duration::ZERO;
            let tail = self.tail().await?;
            let from = match self.lease_state_of(&tail).await? {
                Some(standing) if standing.holder.is_some() => {
                    if how == Take::IfFree {
                        return Err(self.held(&standing));
                    }
                    if how == Take::IfExpired {
                        let now = clock.uptime();
                        let (newest, since) = *heard.get_or_insert((tail.next, now));
                        if newest != tail.next {
                            return Err(self.held(&standing));
                        }
                        let silent = now.saturating_sub(since);
                        let has_ended = standing.holder.as_ref().is_some_and(Holder::has_ended);
                        if has_ended {
                            wait = super::LAST_CALL;
                        } else if silent < super::EXPIRY {
                            let rest = super::EXPIRY - silent;
                            tokio::time::sleep(rest.min(super::EXPIRY / 12)).await;
                            continue;
                        }
                    }
                    standing.holder
                }
                _ => None,
            };
            if how == Take::Force && from.is_some() {
                wait = super::FORCE_WAIT;
            }
            let lease = Lease::take(self, &tail, holder.clone(), from, &clock).await?;
            if let Some(lease) = lease {
                lease.keep_for(wait).await?;
                return Ok(lease);
            }
            // Another controller appended in between.
        }
    }

    /// Continues a lease that another process gave up with [`Lease::carry`]. A record is appended, which shows
    /// that no other controller has taken the log.
    ///
    /// # Errors
    ///
    /// `TakenOver` if another controller has taken the log. Other kinds if the store did not take the record;
    /// the lease may be tried again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have appended a record of this lease. The same data can be carried on again.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{clock::SystemClock, store::{CarriedLease, Holder, JournalStore, Take}};
    ///
    /// let log = JournalStore::memory().log("rule 7");
    /// let holder = Holder::workflow("ann", "temporal", "bluegreen-temporal status");
    /// let lease = log.take(holder, SystemClock, Take::IfFree).await?;
    /// let text = serde_json::to_string(&lease.carry().await)?;
    ///
    /// // In another process:
    /// let carried: CarriedLease = serde_json::from_str(&text)?;
    /// let lease = log.carry_on(&carried, SystemClock).await?;
    /// lease.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn carry_on(
        &self,
        carried: &CarriedLease,
        clock: impl Clock + 'static,
    ) -> Result<Lease> {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Lease::carried(self, carried, &clock).await
    }

    fn held(&self, standing: &LeaseState) -> Error {
        let hint = standing.holder.as_ref().and_then(Holder::hint);
        let hint = hint.unwrap_or_else(|| {
            format!(
                "wait until that run has ended; if its holder is silent for {}, `resume` takes the run over; \
                 `--steal` takes the journal by force",
                span(super::EXPIRY)
            )
        });
        let message = format!("take the journal of `{}`: it is {standing}", self.subject());
        Error::new(ErrorKind::Held, message).with_hint(hint)
    }
}
