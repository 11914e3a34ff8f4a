//! [`Lease`]: the right to append, and with it the right to change.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    EXPIRY, HEARTBEAT, Holder, JournalLog, PERMIT,
    envelope::{Envelope, FORMAT, Sum, What, lines},
    log::Tail,
    read::STRIDE,
    storage::Created,
};
use crate::{
    clock::{Clock, span},
    engine::{Fence, Journal, Record, RequestStorage, is_restoring},
    error::{Error, ErrorKind, Result},
};

/// A log that was taken: the journal of a run, and the fence before its changes.
///
/// A cheap handle: clones are the same lease. The engine keeps the lease alive during a run and
/// releases it at the run's end; without a run, call [`release`](Self::release).
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
    /// Locked during an append, so that appends come one after the other.
    place: tokio::sync::Mutex<Place>,
    health: Mutex<Health>,
}

/// What shows that the lease still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A record of this lease with the same content, which may be an append whose answer was lost.
    OwnRecord,
    /// Only a record that is created now. A record of this lease that stands already may be of another
    /// process, and of any age.
    NewRecord,
}

/// A lease on its way to another process, as plain data: see [`JournalLog::carry_on`].
///
/// For a host that has no process of its own between two steps, such as a workflow engine. As long as the
/// host appends at least each [`EXPIRY`](super::EXPIRY), other controllers are kept out.
///
/// At most one process may change anything under a carried lease at a time. If a process was given the lease
/// for a change and has not answered, drop the lease and [take](JournalLog::take) the log anew with
/// [`Take::IfExpired`](super::Take::IfExpired): the wait makes sure that no change of that process can still
/// begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedLease {
    holder: Holder,
    token: String,
    claim: u64,
    next: u64,
    prev: Option<Sum>,
    run: Option<u64>,
    snapshot: Option<u64>,
}

/// Where the next record goes.
#[derive(Debug)]
struct Place {
    next: u64,
    prev: Option<Sum>,
    run: Option<u64>,
    snapshot: Option<u64>,
    /// The newest records of this lease as stored, for the next record that carries copies.
    lines: VecDeque<Vec<u8>>,
    /// The newest entry of this lease, and its number.
    entry: Option<(u64, What)>,
}

#[derive(Debug)]
struct Health {
    /// When the newest append that was kept began, on the boot-time clock.
    kept: Duration,
    /// The number of that record.
    newest: u64,
    /// The number that the storage remembers.
    remembered: u64,
    /// The controller that has taken over, once that is known.
    taken_over: Option<String>,
    is_released: bool,
}

/// The storage is told after each 256 records how far the log reaches: less than the numbers of one list.
const REMEMBER: u64 = 256;
/// The most bytes of the copies that a record carries.
const MOST_COPIES: usize = 512 << 10;

impl Lease {
    /// Appends the record that takes the log; `None` if another controller was quicker.
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
                    snapshot: newest.and_then(|(envelope, _)| envelope.snapshot),
                    lines: VecDeque::new(),
                    entry: None,
                }),
                health: Mutex::new(Health {
                    kept: clock.uptime(),
                    newest: tail.next,
                    remembered: tail.remembered,
                    taken_over: None,
                    is_released: false,
                }),
            }),
        };
        let from = from.map(Box::new);
        match lease.put(What::Taken { holder, from }).await {
            Ok(seq) if seq == tail.next => Ok(Some(lease)),
            // The record was put behind a torn record: the claim would point at the torn record.
            Ok(_) => {
                lease.release().await?;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::TakenOver => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The holder of this lease.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.inner.holder
    }

    /// The holder that the log was taken from, if another controller held it.
    #[must_use]
    pub fn taken_from(&self) -> Option<&Holder> {
        self.inner.from.as_ref()
    }

    /// Returns the records of the newest run in the log, whether it has ended or not.
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

    /// Returns the records that a resume of the newest run needs: see
    /// [`JournalLog::newest_run_to_resume`]. Saves the search for the end of the log.
    ///
    /// # Errors
    ///
    /// As [`JournalLog::newest_run`].
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_run_to_resume(&self) -> Result<Vec<Record>> {
        let span = {
            let place = self.inner.place.lock().await;
            place.run.map(|run| (run, place.snapshot, place.next))
        };
        match span {
            Some((run, snapshot, end)) => self.inner.log.to_resume(run, snapshot, end).await,
            None => Ok(Vec::new()),
        }
    }

    /// Releases the lease. Later appends are refused. A second call does nothing.
    ///
    /// # Errors
    ///
    /// If the store did not take the record. The lease expires after
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
            // Another controller has the log already, so it need not be freed.
            Err(error) if error.kind() != ErrorKind::TakenOver => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for `wait`, and stays the holder meanwhile.
    pub(super) async fn keep_for(&self, wait: Duration) -> Result<()> {
        tokio::select! {
            lost = self.heartbeat() => Err(lost),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Gives the lease up here without a record, for a process that [carries it
    /// on](JournalLog::carry_on). No clone of this handle appends or changes anything after that.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has given nothing up, or everything: the lease expires after [`EXPIRY`](super::EXPIRY).
    pub async fn carry(self) -> CarriedLease {
        let place = self.inner.place.lock().await;
        self.health().is_released = true;
        CarriedLease {
            holder: self.inner.holder.clone(),
            token: self.inner.token.clone(),
            claim: self.inner.claim,
            next: place.next,
            prev: place.prev.clone(),
            run: place.run,
            snapshot: place.snapshot,
        }
    }

    /// Continues a lease of another process; a record of its own shows that it still holds.
    pub(super) async fn carried(
        log: &JournalLog,
        carried: &CarriedLease,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let lease = Self {
            inner: Arc::new(Inner {
                log: log.clone(),
                clock: Arc::clone(clock),
                holder: carried.holder.clone(),
                from: None,
                token: carried.token.clone(),
                claim: carried.claim,
                place: tokio::sync::Mutex::new(Place {
                    next: carried.next,
                    prev: carried.prev.clone(),
                    run: carried.run,
                    snapshot: carried.snapshot,
                    lines: VecDeque::new(),
                    entry: None,
                }),
                health: Mutex::new(Health {
                    kept: Duration::ZERO,
                    newest: carried.next,
                    remembered: carried.next.saturating_sub(REMEMBER),
                    taken_over: None,
                    is_released: false,
                }),
            }),
        };
        lease.put_as(What::Kept, Proof::NewRecord).await?;
        Ok(lease)
    }

    /// Appends a record, and returns its number.
    async fn put(&self, what: What) -> Result<u64> {
        self.put_as(what, Proof::OwnRecord).await
    }

    async fn put_as(&self, what: What, proof: Proof) -> Result<u64> {
        let inner = &*self.inner;
        let mut place = inner.place.lock().await;
        self.may_append()?;
        if let Some((seq, newest)) = &place.entry
            && *newest == what
        {
            // The answer to this append was lost, and a heartbeat has found the record since.
            return Ok(*seq);
        }
        let at = inner.clock.now();
        loop {
            let seq = place.next;
            let (run, snapshot) = match &what {
                What::Entry { record } if record.seq == 0 => (Some(seq), None),
                What::Entry { record } if record.is_snapshot => (place.run, Some(seq)),
                _ => (place.run, place.snapshot),
            };
            let envelope = Envelope {
                format: FORMAT,
                seq,
                prev: place.prev.clone(),
                at,
                by: inner.token.clone(),
                claim: inner.claim,
                run,
                snapshot,
                what: what.clone(),
            };
            let (line, sum) = envelope.encode().map_err(|error| {
                Error::new(ErrorKind::Invalid, "write a record as JSON").with_source(error)
            })?;
            let bytes = place.with_copies(seq, &line);
            let begun = inner.clock.uptime();
            let created = inner.log.storage().create(seq, bytes).await;
            match created {
                Ok(Created::New) => {
                    self.still_last(seq, begun, proof).await?;
                    place.follow(&envelope, sum, line);
                    self.kept(begun, seq);
                    return Ok(seq);
                }
                Ok(Created::Exists) => {
                    let bytes = inner.log.storage().read(seq).await?;
                    match inner.log.decode(seq, &bytes)? {
                        // Our own append, whose answer never came or was not waited for.
                        Some((found, sum)) if found.by == inner.token => {
                            if proof == Proof::OwnRecord {
                                self.still_last(seq, begun, proof).await?;
                            }
                            let line = lines(&bytes).next().unwrap_or_default();
                            place.follow(&found, sum, line.to_vec());
                            if found.what == what && proof == Proof::OwnRecord {
                                self.kept(begun, seq);
                                return Ok(seq);
                            }
                        }
                        Some((found, _)) => return Err(self.taken_over(&found)),
                        // A torn record: its writer died while it wrote.
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
                format!("{message}: the lease was released"),
            ));
        }
        Ok(())
    }

    fn kept(&self, begun: Duration, seq: u64) {
        let mut health = self.health();
        health.kept = begun;
        health.newest = seq;
    }

    /// Checks that no record stands behind record `seq`. A holder that was silent for [`EXPIRY`] may have
    /// been taken over, and the records since may be pruned: then its number is free again, and its create
    /// proves nothing.
    async fn still_last(&self, seq: u64, begun: Duration, proof: Proof) -> Result<()> {
        let is_fresh = begun.saturating_sub(self.health().kept) < EXPIRY;
        if is_fresh && proof == Proof::OwnRecord {
            return Ok(());
        }
        let behind = self.inner.log.storage().numbers(seq + 1).await?;
        if behind.numbers.is_empty() {
            return Ok(());
        }
        let by = "another controller";
        self.health().taken_over = Some(by.to_owned());
        Err(self.lost(by))
    }

    /// Tells the storage now and then how far the log reaches.
    async fn remember(&self) {
        let newest = {
            let health = self.health();
            let is_due = !health.is_released && health.newest >= health.remembered + REMEMBER;
            is_due.then_some(health.newest)
        };
        let Some(newest) = newest else { return };
        // The number only saves calls, so a failure does no harm; the next attempt is as far away.
        self.health().remembered = newest;
        if let Err(error) = self.inner.log.storage().remember(newest).await {
            tracing::debug!(%error, "the storage does not remember the end of the log");
        }
    }

    fn taken_over(&self, found: &Envelope) -> Error {
        let by = match &found.what {
            What::Taken { holder, .. } => holder.to_string(),
            _ => "another controller".to_owned(),
        };
        let error = self.lost(&by);
        self.health().taken_over = Some(by);
        error
    }

    fn lost(&self, by: &str) -> Error {
        let subject = self.inner.log.subject();
        let message = format!("the journal of `{subject}` is held by {by} now");
        Error::new(ErrorKind::TakenOver, message)
            .with_hint("the controller that took over continues the run; this process cannot")
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.inner
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns record `seq` as stored; if it carries copies, with the records since the last that did.
    fn with_copies(&self, seq: u64, line: &[u8]) -> Vec<u8> {
        let mut bytes = line.to_vec();
        let size: usize = self.lines.iter().map(Vec::len).sum();
        if seq.is_multiple_of(STRIDE) && size <= MOST_COPIES {
            bytes.extend(self.lines.iter().flatten());
        }
        bytes
    }

    /// Continues behind a record.
    fn follow(&mut self, envelope: &Envelope, sum: Sum, line: Vec<u8>) {
        self.lines.push_back(line);
        if envelope.seq.is_multiple_of(STRIDE) {
            self.lines.clear();
        }
        self.next = envelope.seq + 1;
        self.prev = Some(sum);
        self.run = envelope.run;
        self.snapshot = envelope.snapshot;
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
            self.remember().await;
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
                // The next record tells the run; until then the heartbeat is tried again.
                Err(_) => tokio::time::sleep(HEARTBEAT / 4).await,
            }
        }
    }

    fn requests(&self) -> Option<Arc<dyn RequestStorage>> {
        self.inner.log.requests().cloned()
    }

    async fn close(&self) -> Result<()> {
        self.release().await
    }
}

/// A change may begin within [`PERMIT`] after an append that was kept; a change that restores blue may begin
/// at any moment, until it is known that another controller has taken over.
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
                 may begin only within {} after that",
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
