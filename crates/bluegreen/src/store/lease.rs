//! [`Lease`]: the right to append, and with it the right to change.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    HEARTBEAT, Holder, JournalLog, PERMIT,
    envelope::{Envelope, FORMAT, Sum, What},
    log::Tail,
    storage::Created,
};
use crate::{
    clock::{Clock, span},
    engine::{Fence, Journal, Record, is_restoring},
    error::{Error, ErrorKind, Result},
};

/// A log that was taken: the journal of a run, and the fence before its changes.
///
/// A cheap handle: clones are the same lease. The engine keeps it alive while a run goes on and
/// lets go at the run's end; who needs it without a run calls [`release`](Self::release).
///
/// # Examples
///
/// See the [module](super).
#[derive(Clone)]
pub struct Lease {
    inner: Arc<Inner>,
}

struct Inner {
    log: JournalLog,
    clock: Arc<dyn Clock>,
    holder: Holder,
    from: Option<Holder>,
    token: String,
    claim: u64,
    /// Held through an append, so that appends come one after the other.
    place: tokio::sync::Mutex<Place>,
    health: Mutex<Health>,
}

/// Where the next record goes.
#[derive(Debug)]
struct Place {
    next: u64,
    prev: Option<Sum>,
    run: Option<u64>,
    /// The newest entry of this lease, and its number.
    entry: Option<(u64, What)>,
}

#[derive(Debug)]
struct Health {
    /// When the newest append that was kept began, on the boot-time clock.
    kept: Duration,
    /// Who has taken over, once that is known.
    taken_over: Option<String>,
    is_released: bool,
}

impl Lease {
    /// Appends the record that takes the log; `None` where somebody else was quicker.
    pub(super) async fn take(
        log: &JournalLog,
        tail: &Tail,
        holder: Holder,
        from: Option<Holder>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        let newest = tail.newest.as_ref();
        let lease = Self {
            inner: Arc::new(Inner {
                log: log.clone(),
                clock: Arc::clone(clock),
                holder: holder.clone(),
                from: from.clone(),
                token: uuid::Uuid::new_v4().to_string(),
                claim: tail.next,
                place: tokio::sync::Mutex::new(Place {
                    next: tail.next,
                    prev: newest.map(|(_, sum)| sum.clone()),
                    run: newest.and_then(|(envelope, _)| envelope.run),
                    entry: None,
                }),
                health: Mutex::new(Health {
                    kept: clock.uptime(),
                    taken_over: None,
                    is_released: false,
                }),
            }),
        };
        match lease.put(What::Taken { holder, from }).await {
            Ok(seq) if seq == tail.next => Ok(Some(lease)),
            // Behind a record that is torn: the claim would point at it.
            Ok(_) => {
                lease.release().await?;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::TakenOver => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who holds it.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.inner.holder
    }

    /// Whom it was taken from, if another controller held it.
    #[must_use]
    pub fn taken_from(&self) -> Option<&Holder> {
        self.inner.from.as_ref()
    }

    /// The records of the newest run in the log, whether it has ended or not.
    ///
    /// # Errors
    ///
    /// As [`JournalLog::newest_run`].
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_run(&self) -> Result<Vec<Record>> {
        self.inner.log.newest_run().await
    }

    /// Lets go. What comes after it is refused. Done twice it does nothing.
    ///
    /// # Errors
    ///
    /// Where the store did not take it. The log is free for others after
    /// [`EXPIRY`](super::EXPIRY) all the same.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn release(&self) -> Result<()> {
        if self.health().is_released {
            return Ok(());
        }
        let released = self.put(What::Released).await;
        self.health().is_released = true;
        match released {
            // Nobody waits for who was thrown out.
            Err(error) if error.kind() != ErrorKind::TakenOver => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for so long, and stays the holder meanwhile.
    pub(super) async fn keep_for(&self, wait: Duration) -> Result<()> {
        tokio::select! {
            lost = self.heartbeat() => Err(lost),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Appends a record, and says under which number.
    async fn put(&self, what: What) -> Result<u64> {
        let inner = &*self.inner;
        let mut place = inner.place.lock().await;
        self.may_append()?;
        if let Some((seq, newest)) = &place.entry
            && *newest == what
        {
            // The answer to it was lost, and a heartbeat has found it since.
            return Ok(*seq);
        }
        let at = inner.clock.now();
        loop {
            let opens = matches!(&what, What::Entry { record } if record.seq == 0);
            let run = if opens { Some(place.next) } else { place.run };
            let envelope = Envelope {
                format: FORMAT,
                seq: place.next,
                prev: place.prev.clone(),
                at,
                by: inner.token.clone(),
                claim: inner.claim,
                run,
                what: what.clone(),
            };
            let (bytes, sum) = envelope.encode().map_err(|error| {
                Error::new(ErrorKind::Invalid, "write a record as JSON").with_source(error)
            })?;
            let begun = inner.clock.uptime();
            let seq = place.next;
            let created = inner.log.storage().create(seq, bytes).await;
            match created {
                Ok(Created::New) => {
                    place.follow(&envelope, sum);
                    self.kept(begun);
                    return Ok(seq);
                }
                Ok(Created::Exists) => {
                    let bytes = inner.log.storage().read(seq).await;
                    let found = bytes.and_then(|bytes| inner.log.decode(seq, &bytes));
                    match found? {
                        // An append of ours whose answer never came, or was not waited for.
                        Some((found, sum)) if found.by == inner.token => {
                            place.follow(&found, sum);
                            if found.what == what {
                                self.kept(begun);
                                return Ok(seq);
                            }
                        }
                        Some((found, _)) => return Err(self.taken_over(&found)),
                        // Nobody's: whoever wrote it died over it.
                        None => place.next += 1,
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn may_append(&self) -> Result<()> {
        let health = self.health();
        if let Some(by) = &health.taken_over {
            return Err(self.lost(by));
        }
        if health.is_released {
            let message = format!("append to the journal of `{}`", self.inner.log.subject());
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{message}: it was let go"),
            ));
        }
        Ok(())
    }

    fn kept(&self, begun: Duration) {
        self.health().kept = begun;
    }

    fn taken_over(&self, found: &Envelope) -> Error {
        let by = match &found.what {
            What::Taken { holder, .. } => holder.to_string(),
            _ => "somebody else".to_owned(),
        };
        let error = self.lost(&by);
        self.health().taken_over = Some(by);
        error
    }

    fn lost(&self, by: &str) -> Error {
        let subject = self.inner.log.subject();
        let message = format!("the journal of `{subject}` is held by {by} now");
        Error::new(ErrorKind::TakenOver, message)
            .with_hint("this run has ended for good; the one who took over goes on with it")
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.inner
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Goes on behind a record.
    fn follow(&mut self, envelope: &Envelope, sum: Sum) {
        self.next = envelope.seq + 1;
        self.prev = Some(sum);
        self.run = envelope.run;
        if matches!(envelope.what, What::Entry { .. }) {
            self.entry = Some((envelope.seq, envelope.what.clone()));
        }
    }
}

#[async_trait]
impl Journal for Lease {
    async fn append(&self, record: Record) -> Result<()> {
        self.put(What::Entry { record }).await.map(drop)
    }

    async fn heartbeat(&self) -> Error {
        loop {
            let silent = {
                let health = self.health();
                let now = self.inner.clock.uptime();
                (!health.is_released).then(|| now.saturating_sub(health.kept))
            };
            let Some(silent) = silent else {
                return std::future::pending().await;
            };
            if let Some(rest) = HEARTBEAT.checked_sub(silent)
                && !rest.is_zero()
            {
                tokio::time::sleep(rest).await;
                continue;
            }
            match self.put(What::Kept).await {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TakenOver => return error,
                // The next record tells the run; until then this is tried again.
                Err(_) => tokio::time::sleep(HEARTBEAT / 4).await,
            }
        }
    }

    async fn close(&self) -> Result<()> {
        self.release().await
    }
}

/// A change may begin within [`PERMIT`] after an append that was kept; one that restores blue at any
/// moment until it is known that another controller has taken over.
impl Fence for Lease {
    fn check(&self) -> Result<()> {
        self.may_append()?;
        let health = self.health();
        let silent = self.inner.clock.uptime().saturating_sub(health.kept);
        if silent <= PERMIT || is_restoring() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "nothing was sent: this run last proved {} ago that it holds `{}`, and a change \
                 may begin within {}",
                span(silent),
                self.inner.log.subject(),
                span(PERMIT)
            ),
        ))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("subject", &self.inner.log.subject())
            .field("holder", &self.inner.holder)
            .finish_non_exhaustive()
    }
}
