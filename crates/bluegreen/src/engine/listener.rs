//! [`Listener`]: requests of other processes on their way to the run's [`ControlHandle`].

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    future::{Future, pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    Answer, ControlHandle, RunId,
    appender::Kept,
    host::BoxFuture,
    request::{REQUEST_VERSION, Reply, Request, RequestAnswer, RequestName, RequestStorage},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
};

/// The interval of lists while green may get traffic.
const QUICK: Duration = Duration::from_secs(1);
/// The interval of lists while green gets no traffic.
const SLOW: Duration = Duration::from_secs(5);
/// The interval of lists of the requests for other runs, which are refused.
const OTHERS: Duration = Duration::from_secs(10);
/// The longest interval of lists after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The limit of one call of the store: longer than the limits of this crate's own stores.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The most names in one list: a page of S3. Requests beyond that are not heard.
const MOST_NAMES: usize = 1_000;
/// The most requests that are read in one round.
const AT_ONCE: usize = 32;
/// The most requests that one process takes or refuses.
const MOST_REQUESTS: usize = 10_000;
/// How long an answer waits for the record of its control.
const RECORD_WAITS: Duration = Duration::from_secs(5);
/// How long the end of the run waits until the last answers are written.
const END_WAITS: Duration = Duration::from_secs(2);
/// The pauses between the attempts to write an answer.
const ATTEMPTS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// How often requests are listed, as the run says. All clones share one pace. The first pace is quick.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<AtomicBool>);

impl Pace {
    /// Sets the pace: quick if green may get traffic.
    pub(crate) fn set(&self, is_divided: bool) {
        self.0.store(!is_divided, Ordering::Relaxed);
    }

    /// The next wait, after `failed` failures in a row.
    fn wait(&self, failed: u32) -> Duration {
        let usual = match self.0.load(Ordering::Relaxed) {
            true => SLOW,
            false => QUICK,
        };
        (usual * 2_u32.pow(failed.min(4))).min(LONGEST_WAIT)
    }
}

/// Lists the requests to a run beside it, gives them to its handle, and writes the answers.
///
/// The listener is another future of the same task, and waits for nothing but the store: a list that fails
/// or never answers delays no look, no rise and no restore.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) storage: Arc<dyn RequestStorage>,
    pub(super) run: RunId,
    /// The clock that dates the journal's records, and so the requests.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handle: ControlHandle,
    pub(super) pace: Pace,
    pub(super) kept: watch::Receiver<Kept>,
    /// The nonces of requests that the journal of this run holds already.
    pub(super) taken_before: BTreeSet<String>,
    /// The names of requests that are dealt with.
    pub(super) seen: BTreeSet<RequestName>,
    /// The nonces of requests that the run was given.
    pub(super) given: BTreeSet<String>,
    /// Whether the warning of too many requests was given.
    pub(super) is_flooded: bool,
}

impl Listener {
    /// Listens until `run` has ended, and then writes the answers that are left.
    pub(crate) async fn during<T>(self, run: impl Future<Output = T>) -> T {
        let (jobs, incoming) = mpsc::unbounded_channel();
        let mut answers = Answers {
            incoming,
            jobs: VecDeque::new(),
        };
        let ended = tokio::select! {
            biased;
            ended = run => ended,
            never = self.rounds(jobs) => match never {},
            never = answers.for_ever() => match never {},
        };
        if timeout(END_WAITS, answers.written()).await.is_err() {
            tracing::warn!("the answers to some requests were not written");
        }
        ended
    }

    async fn rounds(mut self, jobs: mpsc::UnboundedSender<BoxFuture<()>>) -> Infallible {
        let mut failed = 0;
        let mut others: Option<Instant> = None;
        loop {
            let since = Instant::now();
            // In parts, since green may get traffic meanwhile and the pace become quick.
            while since.elapsed() < self.pace.wait(failed) {
                sleep(QUICK).await;
            }
            let with_others = others.is_none_or(|last| last.elapsed() >= OTHERS);
            match self.round(&jobs, with_others).await {
                Ok(()) => {
                    failed = 0;
                    if with_others {
                        others = Some(Instant::now());
                    }
                }
                Err(error) => {
                    if failed == 0 {
                        let run = &self.run;
                        tracing::warn!(%run, %error, "requests to the run cannot be listed or read");
                    }
                    failed += 1;
                }
            }
        }
    }

    /// Takes the requests that are there: this run's first.
    async fn round(
        &mut self,
        jobs: &mpsc::UnboundedSender<BoxFuture<()>>,
        with_others: bool,
    ) -> Result<()> {
        let mut waiting = self.waiting(&RequestName::folder_of(&self.run)).await?;
        if with_others && waiting.is_empty() {
            waiting = self.waiting("").await?;
        }
        for name in waiting.into_iter().take(AT_ONCE) {
            let text = name.to_string();
            let read = within("read a request", self.storage.read(&text)).await;
            let request = match read {
                Ok(bytes) => Request::from_json(&bytes),
                // Deleted since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.kind() == ErrorKind::Refused => Err(error),
                Err(error) => return Err(error),
            };
            let request = request.map_err(|error| error.message().to_owned());
            let given = self.take(&name, request);
            self.seen.insert(name.clone());
            let _ = jobs.send(self.answer(name, given));
        }
        Ok(())
    }

    /// The requests of a folder that are not dealt with.
    async fn waiting(&mut self, folder: &str) -> Result<Vec<RequestName>> {
        let names = self.storage.names(folder, MOST_NAMES);
        let names = within("list the requests", names).await?;
        let is_too_much = names.len() >= MOST_NAMES || self.seen.len() >= MOST_REQUESTS;
        if is_too_much && !self.is_flooded {
            self.is_flooded = true;
            let run = &self.run;
            tracing::warn!(%run, "there are too many requests, and some are not heard: `bluegreen journal prune` deletes the requests of old runs");
        }
        if self.seen.len() >= MOST_REQUESTS {
            return Ok(Vec::new());
        }
        let mut waiting = BTreeSet::new();
        let mut answered = BTreeSet::new();
        for name in &names {
            match RequestName::parsed(name) {
                Some((name, true)) => answered.insert(name),
                Some((name, false)) => waiting.insert(name),
                None => false,
            };
        }
        let is_open = |name: &RequestName| !answered.contains(name) && !self.seen.contains(name);
        Ok(waiting.into_iter().filter(is_open).collect())
    }

    /// Gives a request to the run, or answers it at once.
    fn take(&mut self, name: &RequestName, request: Result<Request, String>) -> Given {
        let now = self.clock.now();
        let control = request.and_then(|request| {
            let nonce = name.nonce();
            if self.taken_before.contains(nonce) && request.run == self.run {
                return Ok(None);
            }
            let control = request.judged(name, &self.run, now)?;
            match self.given.insert(nonce.to_owned()) {
                true => Ok(Some(control)),
                false => Err("another request has its nonce".to_owned()),
            }
        });
        match control {
            Ok(Some(control)) => Given::Sent(self.handle.send(control)),
            Ok(None) => Given::Told(Reply::TakenBefore),
            Err(why) => {
                let run = &self.run;
                tracing::warn!(%run, request = %name, why, "a request was refused");
                Given::Told(Reply::Refused { why })
            }
        }
    }

    /// Writes the answer to a request, once it is known and the record of its control is kept.
    fn answer(&self, name: RequestName, given: Given) -> BoxFuture<()> {
        let storage = Arc::clone(&self.storage);
        let (run, clock) = (self.run.clone(), Arc::clone(&self.clock));
        let mut kept = self.kept.clone();
        Box::pin(async move {
            let reply = match given {
                Given::Told(reply) => reply,
                Given::Sent(answer) => {
                    let effect = answer.await;
                    let pushed = kept.borrow().pushed;
                    let is_kept = |now: &Kept| now.is_over || now.kept >= pushed;
                    // If the record is not kept in time, the run itself deals with that.
                    let _ = timeout(RECORD_WAITS, kept.wait_for(is_kept)).await;
                    effect.into()
                }
            };
            let answer = RequestAnswer {
                version: REQUEST_VERSION,
                run,
                nonce: name.nonce().to_owned(),
                at: clock.now(),
                reply,
            };
            if let Ok(bytes) = serde_json::to_vec_pretty(&answer) {
                written(&*storage, &name, bytes).await;
            }
        })
    }
}

/// The state of a request that was taken.
enum Given {
    /// The run has the control and will answer.
    Sent(Answer),
    /// The request is answered without the run.
    Told(Reply),
}

async fn written(storage: &dyn RequestStorage, name: &RequestName, bytes: Vec<u8>) {
    let answer = name.answer();
    for wait in ATTEMPTS {
        sleep(wait).await;
        let put = storage.create(&answer, bytes.clone());
        match within("write an answer", put).await {
            Ok(()) => return,
            // An earlier attempt wrote it, and the store's answer was lost.
            Err(error) if error.kind() == ErrorKind::Conflict => return,
            Err(error) => tracing::debug!(request = %name, %error, "the answer was not written"),
        }
    }
    tracing::warn!(request = %name, "the answer to a request could not be written");
}

async fn within<T>(what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(CALL_LIMIT, call).await {
        Ok(done) => done,
        Err(_) => {
            let message = format!("{what}: no answer within {} s", CALL_LIMIT.as_secs());
            Err(Error::new(ErrorKind::OutcomeUnknown, message))
        }
    }
}

/// Answers that are being written, side by side.
struct Answers {
    incoming: mpsc::UnboundedReceiver<BoxFuture<()>>,
    jobs: VecDeque<BoxFuture<()>>,
}

impl Answers {
    /// Waits until all are written and no more come.
    ///
    /// Cancel safe: the next call continues the answers that are under way.
    async fn written(&mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// Writes all that come, until it is dropped.
    async fn for_ever(&mut self) -> Infallible {
        self.written().await;
        pending().await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let more = loop {
            match self.incoming.poll_recv(context) {
                Poll::Ready(Some(job)) => self.jobs.push_back(job),
                Poll::Ready(None) => break false,
                Poll::Pending => break true,
            }
        };
        self.jobs
            .retain_mut(|job| job.as_mut().poll(context).is_pending());
        match more || !self.jobs.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

/// The requests that a run has taken, by time and nonce, without those too old to be seen again.
pub(crate) fn recent(taken: &[(Timestamp, String)], now: Timestamp) -> Vec<(Timestamp, String)> {
    let is_recent = |at: Timestamp| now.duration_since(at) <= REMEMBERED;
    let recent = taken.iter().filter(|(at, _)| is_recent(*at));
    recent.cloned().collect()
}

/// Twice the life of a request, for clocks that differ.
const REMEMBERED: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
