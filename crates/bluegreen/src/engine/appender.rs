//! [`Appender`]: writes records into the journal, in order, while the run continues.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{Journal, Record, RunId, host::BoxFuture};
use crate::{
    error::{Error, ErrorKind, Failure},
    json::JsonText,
};

/// How long a record is offered to the journal before the run is told that the journal fails. A holder
/// that was silent for 20 s before the first attempt is silent for 50 s then: less than the 60 s after
/// which another controller may take over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a restore waits for one attempt to keep its record. The restore is begun all the same.
const RESTORE_WAITS: Duration = Duration::from_secs(2);
/// How long an end waits for its last records.
const END_WAITS: Duration = Duration::from_secs(10);

/// Appends the records that are pushed, one after the other; a record that was not kept is offered again.
pub(super) struct Appender {
    run: RunId,
    journal: Arc<dyn Journal>,
    next: u64,
    /// Records that the journal has not kept yet, in order.
    waiting: VecDeque<Record>,
    /// The append of the first waiting record, while it is under way.
    attempt: Option<BoxFuture<Result<(), Error>>>,
    /// Since when the first waiting record is offered.
    offered: Option<Instant>,
    /// Failed attempts in a row.
    failed: u32,
    /// No record is offered again before this moment.
    again: Option<Instant>,
    /// The failure of the newest failed attempt.
    failure: Option<Failure>,
    /// What the run was told.
    told: Told,
    /// How many records are kept, for tasks that wait for a record.
    kept: watch::Sender<Kept>,
}

/// How many records of a run there are, and how many are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The number of records.
    pub(super) pushed: u64,
    /// The number of records that the journal has kept.
    pub(super) kept: u64,
    /// Whether the run was told that its journal fails.
    pub(super) is_over: bool,
}

/// A run is told once of a failing journal, and then raises green's share no more. A take-over by another
/// controller is told in any case, and then nothing is appended any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Failing,
    TakenOver,
}

impl Appender {
    pub(super) fn new(run: RunId, journal: Arc<dyn Journal>) -> Self {
        Self {
            run,
            journal,
            next: 0,
            waiting: VecDeque::new(),
            attempt: None,
            offered: None,
            failed: 0,
            again: None,
            failure: None,
            told: Told::Nothing,
            kept: watch::Sender::new(Kept::default()),
        }
    }

    /// Continues behind the first `next` records, which the journal holds already.
    pub(super) fn skip_to(&mut self, next: u64) {
        self.next = next;
        self.show();
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// How many records are kept; always the newest figures.
    pub(super) fn kept(&self) -> watch::Receiver<Kept> {
        self.kept.subscribe()
    }

    fn show(&self) {
        self.kept.send_replace(Kept {
            pushed: self.next,
            kept: self.next - self.waiting.len() as u64,
            is_over: self.told != Told::Nothing,
        });
    }

    fn is_taken_over(&self) -> bool {
        self.told == Told::TakenOver
    }

    /// Stops appending, since another controller holds the journal now.
    fn taken_over(&mut self) {
        self.told = Told::TakenOver;
        self.waiting.clear();
        self.attempt = None;
        self.show();
    }

    /// The place of the next record.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Adds a record. If the journal takes the record at once, it is kept when this returns.
    #[must_use]
    pub(super) fn push(&mut self, at: Timestamp, entry: JsonText) -> Option<Failure> {
        self.add(Record::new(self.next, at, entry))
    }

    /// Adds a record that is a snapshot.
    #[must_use]
    pub(super) fn push_snapshot(&mut self, at: Timestamp, entry: JsonText) -> Option<Failure> {
        self.add(Record::new(self.next, at, entry).into_snapshot())
    }

    fn add(&mut self, record: Record) -> Option<Failure> {
        self.next += 1;
        if self.is_taken_over() {
            return None;
        }
        self.waiting.push_back(record);
        self.show();
        self.offered.get_or_insert_with(Instant::now);
        let mut news = None;
        while let Poll::Ready(answer) = polled_once(self.attempt()) {
            news = news.or(self.weigh(answer));
            if self.waiting.is_empty() {
                break;
            }
        }
        news
    }

    /// Appends in the background and keeps the run's claim alive. Returns only with a failure that the run
    /// must be told.
    ///
    /// Cancel safe: the next call continues an append that is under way.
    pub(super) async fn keep(&mut self) -> Failure {
        if self.is_taken_over() {
            return pending().await;
        }
        let journal = Arc::clone(&self.journal);
        let lost = tokio::select! {
            biased;
            lost = journal.heartbeat() => lost,
            news = self.append() => return news,
        };
        let lost = Failure::from(lost);
        self.failure = Some(lost.clone());
        self.taken_over();
        lost
    }

    async fn append(&mut self) -> Failure {
        loop {
            let end = match (self.told, self.offered) {
                (Told::Nothing, Some(offered)) => offered + PATIENCE,
                _ => Instant::now() + PATIENCE,
            };
            let answer = timeout_at(end, self.attempt()).await;
            let news = match answer {
                Ok(answer) => self.weigh(answer),
                Err(_) => self.give_up(),
            };
            if let Some(news) = news {
                return news;
            }
        }
    }

    /// Waits until all records are kept, so that a change may begin, for `limit` at most. A restore waits
    /// less, and begins even if they are not kept. Returns a failure that the run must be told, and why the
    /// change may not begin.
    pub(super) async fn before_change(
        &mut self,
        restores: bool,
        limit: Duration,
    ) -> (Option<Failure>, Result<(), Failure>) {
        let mut news = None;
        let offered = self.offered.unwrap_or_else(Instant::now);
        let end = match restores {
            // From the first offer on, so that a restore does not wait for a store that hangs already.
            true => offered + RESTORE_WAITS,
            false => Instant::now() + limit,
        };
        while !self.waiting.is_empty() {
            let Ok(answer) = timeout_at(end, self.attempt()).await else {
                break;
            };
            let is_failed = answer.is_err();
            news = news.or(self.weigh(answer));
            if self.is_taken_over() || (is_failed && restores) {
                break;
            }
        }
        if !self.is_taken_over() && (restores || self.waiting.is_empty()) {
            return (news, Ok(()));
        }
        let failure = match &self.failure {
            Some(failure) if self.is_taken_over() => failure.clone(),
            // The record may be kept or not; the change itself was not sent.
            Some(failure) if self.failed > 0 => Failure {
                kind: ErrorKind::Unavailable,
                ..failure.clone()
            },
            _ => Failure {
                kind: ErrorKind::Unavailable,
                ..unanswered(limit)
            },
        };
        (news, Err(failure))
    }

    /// Waits a while for the last records, and closes the journal.
    pub(super) async fn finish(mut self) {
        let waits = match self.told {
            Told::Nothing => END_WAITS,
            _ => RESTORE_WAITS,
        };
        let end = Instant::now() + waits;
        while !self.waiting.is_empty() {
            match timeout_at(end, self.attempt()).await {
                Ok(answer) => drop(self.weigh(answer)),
                Err(_) => break,
            }
        }
        let (run, lost) = (&self.run, self.waiting.len());
        if lost > 0 {
            tracing::error!(%run, lost, "the journal has not kept the last records of the run");
        }
        let closed = timeout_at(
            end.max(Instant::now() + RESTORE_WAITS),
            self.journal.close(),
        );
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%run, %error, "the journal was not closed: the lease, if there is one, was not released, and expires by itself")
            }
            Err(_) => {
                tracing::warn!(%run, "the journal did not answer: the lease, if there is one, was not released, and expires by itself")
            }
        }
    }

    /// The answer to the next attempt. Never answers if nothing is to be appended.
    ///
    /// Cancel safe: the next call continues an attempt that is under way.
    async fn attempt(&mut self) -> Result<(), Error> {
        let Some(first) = self.waiting.front() else {
            return pending().await;
        };
        if self.attempt.is_none() {
            if let Some(again) = self.again {
                sleep_until(again).await;
                self.again = None;
            }
            let (journal, record) = (Arc::clone(&self.journal), first.clone());
            self.attempt = Some(Box::pin(async move { journal.append(record).await }));
        }
        let answer = match &mut self.attempt {
            Some(attempt) => attempt.await,
            None => return pending().await,
        };
        self.attempt = None;
        answer
    }

    /// Takes the answer to an attempt, and returns a failure that the run must be told.
    fn weigh(&mut self, answer: Result<(), Error>) -> Option<Failure> {
        let Err(error) = answer else {
            self.waiting.pop_front();
            self.show();
            self.offered = (!self.waiting.is_empty()).then(Instant::now);
            self.failed = 0;
            return None;
        };
        let run = &self.run;
        tracing::warn!(%run, %error, "the journal has not kept a record; it is offered again");
        self.failed += 1;
        self.again = Some(Instant::now() + back_off(self.failed));
        let failure = Failure::from(error);
        self.failure = Some(failure.clone());
        if failure.kind == ErrorKind::TakenOver {
            let is_new = self.told < Told::TakenOver;
            self.taken_over();
            return is_new.then_some(failure);
        }
        // A failure that does not pass by itself is told at once.
        let is_over = matches!(failure.kind, ErrorKind::Refused | ErrorKind::Invalid)
            || self
                .offered
                .is_some_and(|since| since.elapsed() >= PATIENCE);
        match is_over {
            true => self.give_up(),
            false => None,
        }
    }

    /// Tells the run that its journal fails. Records are still offered, for later readers of the journal.
    fn give_up(&mut self) -> Option<Failure> {
        if self.told != Told::Nothing || self.waiting.is_empty() {
            return None;
        }
        self.told = Told::Failing;
        self.show();
        let failure = match &self.failure {
            Some(failure) if self.failed > 0 => failure.clone(),
            _ => unanswered(PATIENCE),
        };
        let run = &self.run;
        tracing::error!(%run, %failure, "the journal does not keep its records");
        Some(failure)
    }
}

fn polled_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// 0.5, 1, 2, then 4 seconds: a burst of 503 and an expired token pass within that.
fn back_off(failed: u32) -> Duration {
    Duration::from_millis(500 << failed.saturating_sub(1).min(3))
}

fn unanswered(limit: Duration) -> Failure {
    let message = format!(
        "the journal has not kept a record within {} s",
        limit.as_secs()
    );
    Failure::new(ErrorKind::OutcomeUnknown, message)
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender")
            .field("journal", &self.journal)
            .field("waiting", &self.waiting.len())
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;

    /// A journal with a fate for each of the next attempts; the last fate holds for all that follow.
    #[derive(Debug)]
    struct Store {
        fates: Mutex<VecDeque<Fate>>,
        kept: Mutex<Vec<u64>>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Kept,
        Fails(ErrorKind),
        Hangs,
    }

    #[async_trait]
    impl Journal for Store {
        async fn append(&self, record: Record) -> Result<(), Error> {
            let fate = {
                let mut fates = self.fates.lock().unwrap();
                match fates.len() {
                    1 => fates[0],
                    _ => fates.pop_front().unwrap(),
                }
            };
            match fate {
                Fate::Kept => {
                    self.kept.lock().unwrap().push(record.seq);
                    Ok(())
                }
                Fate::Fails(kind) => Err(Error::new(kind, "not now")),
                Fate::Hangs => pending().await,
            }
        }
    }

    fn appender(fates: &[Fate]) -> (Appender, Arc<Store>) {
        let store = Arc::new(Store {
            fates: Mutex::new(fates.iter().copied().collect()),
            kept: Mutex::default(),
        });
        let journal: Arc<dyn Journal> = Arc::clone(&store) as _;
        (Appender::new(RunId::new("test"), journal), store)
    }

    fn push(appender: &mut Appender) -> Option<Failure> {
        appender.push(Timestamp::UNIX_EPOCH, serde_json::json!({}).into())
    }

    fn busy() -> Fate {
        Fate::Fails(ErrorKind::Unavailable)
    }

    /// Lets `time` pass while records are appended; returns a failure that the run must be told.
    async fn passes(appender: &mut Appender, time: Duration) -> Option<Failure> {
        tokio::time::timeout(time, appender.keep()).await.ok()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn p06_a_burst_of_failures_is_not_told_and_nothing_is_lost() {
        let fates = [busy(), Fate::Fails(ErrorKind::Denied), busy(), Fate::Kept];
        let (mut appender, store) = appender(&fates);
        for _ in 0..5 {
            assert_eq!(push(&mut appender), None);
        }
        assert_eq!(passes(&mut appender, SECOND * 60).await, None);
        assert_eq!(*store.kept.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn p06_a_store_that_keeps_nothing_is_told_once_before_the_lease_expires() {
        for fate in [busy(), Fate::Hangs] {
            let (mut appender, store) = appender(&[Fate::Kept, fate]);
            assert_eq!(push(&mut appender), None);
            assert_eq!(push(&mut appender), None);
            let begun = Instant::now();
            let told = appender.keep().await;
            assert!(told.kind.is_transient(), "{told}");
            assert!(begun.elapsed() <= PATIENCE + SECOND * 4, "{fate:?}");
            assert_eq!(passes(&mut appender, SECOND * 300).await, None, "{fate:?}");
            assert_eq!(*store.kept.lock().unwrap(), [0], "{fate:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_by_itself_is_told_at_once() {
        for kind in [ErrorKind::Refused, ErrorKind::Invalid, ErrorKind::TakenOver] {
            let (mut appender, _) = appender(&[Fate::Fails(kind)]);
            assert_eq!(push(&mut appender).map(|told| told.kind), Some(kind));
            assert_eq!(push(&mut appender), None, "{kind:?}");
            let (news, may) = appender.before_change(true, SECOND * 5).await;
            assert_eq!(news, None);
            assert_eq!(may.is_err(), kind == ErrorKind::TakenOver, "{kind:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p06_a_rise_begins_once_all_is_kept_and_a_restore_waits_two_seconds() {
        for (fates, restores, waits, may) in [
            (&[Fate::Kept][..], false, 0.0, true),
            (&[busy(), Fate::Kept], false, 0.5, true),
            (&[Fate::Hangs], false, 5.0, false),
            (&[busy()], false, 5.0, false),
            (&[Fate::Kept], true, 0.0, true),
            (&[busy()], true, 0.5, true),
            (&[Fate::Hangs], true, 2.0, true),
        ] {
            let (mut appender, _) = appender(fates);
            let begun = Instant::now();
            assert_eq!(push(&mut appender), None);
            let (news, begins) = appender.before_change(restores, SECOND * 5).await;
            assert_eq!(news, None);
            assert_eq!(begins.is_ok(), may, "{fates:?} {restores}");
            let waited = begun.elapsed().as_secs_f64();
            assert!(waited <= waits + 0.01, "{fates:?} {restores}: {waited}");
            // A change that was not begun has no outcome that could be unknown.
            let kind = begins.err().map(|failure| failure.kind);
            assert!(kind.is_none_or(|kind| kind == ErrorKind::Unavailable));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p06_a_restore_does_not_wait_for_a_store_that_hangs_already() {
        let (mut appender, _) = appender(&[Fate::Hangs]);
        assert_eq!(push(&mut appender), None);
        assert_eq!(passes(&mut appender, SECOND * 3).await, None);
        let begun = Instant::now();
        assert_eq!(push(&mut appender), None);
        let (_, may) = appender.before_change(true, SECOND * 5).await;
        assert_eq!((may, begun.elapsed()), (Ok(()), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_waits_for_its_last_records_and_not_for_ever() {
        let (mut whole, store) = appender(&[busy(), busy(), Fate::Kept]);
        assert_eq!(push(&mut whole), None);
        whole.finish().await;
        assert_eq!(*store.kept.lock().unwrap(), [0]);
        let (mut hanging, _) = appender(&[Fate::Hangs]);
        assert_eq!(push(&mut hanging), None);
        let begun = Instant::now();
        hanging.finish().await;
        assert!(begun.elapsed() <= END_WAITS);
    }
}
