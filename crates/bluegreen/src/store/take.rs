//! Taking a log.

use std::sync::Arc;

use super::{Holder, Lease, LeaseState, log::JournalLog};
use crate::{
    clock::{Clock, span},
    error::{Error, ErrorKind, Result},
};

/// How a log is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Take {
    /// Only where nobody holds it: the default.
    #[default]
    IfFree,
    /// Also from a holder that is silent for [`EXPIRY`](super::EXPIRY), which is waited for; one
    /// that is heard of meanwhile lives, and keeps it.
    IfExpired,
    /// From any holder. The one who is thrown out learns it at the next record, before the next
    /// change. Waits [`FORCE_WAIT`](super::FORCE_WAIT), until no change of theirs can land.
    Force,
    /// From any holder, without a wait. Only for a [restore](crate::Migration::restore): it stays as
    /// long as a change of theirs may land, and writes over that.
    ToRestore,
}

impl JournalLog {
    /// Takes the log: from then on the lease's holder is the only one who appends.
    ///
    /// # Errors
    ///
    /// `Held` if a controller that lives holds it, naming which and since when.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave the log taken by nobody that lives; it is free again after
    /// [`EXPIRY`](super::EXPIRY).
    pub async fn take(
        &self,
        holder: Holder,
        clock: impl Clock + 'static,
        how: Take,
    ) -> Result<Lease> {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        // What was heard of the holder last, and when that was on this clock.
        let mut heard = None;
        loop {
            // How long a change of the one before may still be under way.
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
            // Somebody else appended in between.
        }
    }

    fn held(&self, standing: &LeaseState) -> Error {
        let hint = format!(
            "wait for its end; once a holder is silent for {} it is dead, and a resume takes over \
             from it; taking it by force (--steal) throws it out",
            span(super::EXPIRY)
        );
        let message = format!("take the journal of `{}`: it is {standing}", self.subject());
        Error::new(ErrorKind::Held, message).with_hint(hint)
    }
}
