//! The one asynchronous loop.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    ControlHandle, Event, Journal, RunId,
    appender::Appender,
    control::{Control, ControlEffect},
    fence::restoring,
    handle::Controls,
    host::{BoxFuture, Host},
    listener::{Listener, Pace, recent},
    machine::{Machine, Next, Work},
};
use crate::{
    clock::{Clock, RunClock, between},
    json::JsonText,
};

/// A receiver of events.
pub(crate) type Sink<E> = Box<dyn FnMut(&Event<E>) + Send>;
/// A future that cancels a run when it is ready.
pub(crate) type CancelFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything around a machine and its host.
pub(crate) struct Runner<E> {
    pub(crate) run: RunId,
    pub(crate) clock: RunClock,
    appender: Appender,
    pub(crate) sinks: Vec<Sink<E>>,
    pub(crate) controls: Controls,
    pub(crate) cancel: Option<CancelFuture>,
    started: Option<Timestamp>,
    next_event: u64,
    /// A snapshot is written after this number of records.
    pub(crate) snapshot_records: u64,
    /// The place of the newest record that a resume can begin with, and its time.
    resumable: Option<(u64, Timestamp)>,
    /// Controls whose effect is not known yet, in order.
    unanswered: Vec<(Control, oneshot::Sender<ControlEffect>)>,
    /// The requests of other processes that this run has taken recently, by time and nonce.
    pub(crate) requests: Vec<(Timestamp, String)>,
}

/// The place from which a resumed run continues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resumption {
    /// When the run first began.
    pub(crate) started: Timestamp,
    /// How many events it has told.
    pub(crate) events: u64,
    /// How many records its journal holds.
    pub(crate) records: u64,
    /// When the newest record was written: the time of the run never goes back behind it.
    pub(crate) newest: Timestamp,
}

impl<E> fmt::Debug for Runner<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// The result of the outstanding work.
enum Done<R> {
    Host(R),
    Waited { fault: bool },
}

/// How the journal begins: with a new run, or with the records of an earlier process.
#[derive(Debug)]
pub(crate) enum Opening {
    /// A new run, with its first entry.
    New(JsonText),
    /// A run that continues.
    Resumed(Resumption),
    /// A run of an earlier version that continues, with the entry that says how far it has come.
    Reopened(Resumption, JsonText),
}

impl<E: Clone + fmt::Debug> Runner<E> {
    /// Starts the time of the run at the wall clock's.
    pub(crate) fn new(
        run: RunId,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
        controls: Controls,
    ) -> Self {
        Self {
            appender: Appender::new(run.clone(), journal),
            run,
            clock: RunClock::start(clock),
            sinks: Vec::new(),
            controls,
            cancel: None,
            started: None,
            next_event: 0,
            snapshot_records: SNAPSHOT_RECORDS,
            resumable: None,
            unanswered: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// The listener for requests of other processes, if the journal has a place for them. `clock` dates the
    /// records.
    pub(crate) fn listener(
        &self,
        handle: &ControlHandle,
        clock: &Arc<dyn Clock>,
        pace: &Pace,
    ) -> Option<Listener> {
        let storage = self.appender.journal().requests()?;
        let taken = self.requests.iter().map(|(_, nonce)| nonce.clone());
        Some(Listener {
            storage,
            run: self.run.clone(),
            clock: Arc::clone(clock),
            handle: handle.clone(),
            pace: pace.clone(),
            kept: self.appender.kept(),
            taken_before: taken.collect(),
            seen: Default::default(),
            given: Default::default(),
            is_flooded: false,
        })
    }

    /// Starts the time of the run at `at` at the earliest: see [`RunClock::not_before`].
    pub(crate) fn not_before(&mut self, at: Timestamp) {
        self.clock = self.clock.clone().not_before(at);
    }

    /// Drives `machine` from `first` to its end.
    pub(crate) async fn drive<M, H>(
        mut self,
        mut machine: M,
        mut host: H,
        opening: Opening,
        first: M::Input,
    ) -> M::End
    where
        M: Machine<Event = E>,
        H: Host<Machine = M>,
    {
        let mut outstanding: Option<BoxFuture<Done<H::Raw>>> = None;
        let mut queue = VecDeque::from([first]);
        let entry = match opening {
            Opening::New(entry) => Some(entry),
            Opening::Resumed(from) => {
                self.go_on_from(from);
                None
            }
            Opening::Reopened(from, entry) => {
                self.go_on_from(from);
                Some(entry)
            }
        };
        if let Some(entry) = entry {
            let news = self.appender.push(self.clock.now(), entry);
            queue.extend(news.map(M::journal_failed));
        }
        loop {
            let input = match queue.pop_front() {
                Some(input) => input,
                None => self.next_input::<M, H>(&mut outstanding, &mut host).await,
            };
            let at = self.clock.now();
            let news = self.appender.push(at, M::input_entry(&input));
            queue.extend(news.map(M::journal_failed));
            let transition = machine.on(at, input);
            for event in transition.events {
                self.answer::<M>(&event);
                self.emit(at, event);
            }
            match transition.next {
                Next::Keep => {}
                Next::End => outstanding = None,
                Next::Do(action) => {
                    // The outstanding work is dropped before anything else happens.
                    drop(outstanding.take());
                    let work = M::work(&action);
                    if matches!(work, Work::Wait(_)) && self.snapshot_is_due(at) {
                        self.requests = recent(&self.requests, at);
                        let events = self.next_event;
                        let entry = host.snapshot(&machine, &action, events, &self.requests);
                        let news = entry.and_then(|entry| self.appender.push_snapshot(at, entry));
                        queue.extend(news.map(M::journal_failed));
                    }
                    outstanding = match work {
                        Work::Wait(until) => Some(Box::pin(wait::<H::Raw>(
                            self.clock.clone(),
                            between(at, until),
                            until,
                        ))),
                        Work::Read => Some(self.begin(&host, &action)),
                        Work::Change { restores } => {
                            let news = self.appender.push(at, M::change_entry(&action));
                            queue.extend(news.map(M::journal_failed));
                            let (news, may) = self
                                .appender
                                .before_change(restores, M::RECORDED_WITHIN)
                                .await;
                            queue.extend(news.map(M::journal_failed));
                            match may {
                                Ok(()) if restores => {
                                    let work = self.begin(&host, &action);
                                    Some(Box::pin(restoring(work)))
                                }
                                Ok(()) => Some(self.begin(&host, &action)),
                                Err(failure) => {
                                    queue.push_back(M::not_begun(&action, failure));
                                    None
                                }
                            }
                        }
                    };
                }
            }
            if let Some(end) = machine.end() {
                self.appender.finish().await;
                return end;
            }
        }
    }

    /// Whether a resume would have to read too many records by now. If so, counting starts anew.
    fn snapshot_is_due(&mut self, at: Timestamp) -> bool {
        let next = self.appender.next();
        let (place, since) = *self.resumable.get_or_insert((next, at));
        let is_due = next - place >= self.snapshot_records || between(since, at) >= SNAPSHOT_TIME;
        if is_due {
            self.resumable = Some((next, at));
        }
        is_due
    }

    fn begin<H: Host>(
        &self,
        host: &H,
        action: &<H::Machine as Machine>::Action,
    ) -> BoxFuture<Done<H::Raw>> {
        let work = self.clock.clone().during(host.begin(action));
        Box::pin(async move { Done::Host(work.await) })
    }

    fn go_on_from(&mut self, from: Resumption) {
        self.not_before(from.newest);
        self.started = Some(from.started);
        self.next_event = from.events;
        self.appender.skip_to(from.records);
    }

    /// Waits for the next input. Controls come first, so that a stream of quick
    /// results cannot starve them.
    async fn next_input<M, H>(
        &mut self,
        outstanding: &mut Option<BoxFuture<Done<H::Raw>>>,
        host: &mut H,
    ) -> M::Input
    where
        M: Machine<Event = E>,
        H: Host<Machine = M>,
    {
        let work = async {
            match outstanding.as_mut() {
                Some(work) => work.await,
                None => pending().await,
            }
        };
        let keep = self.appender.keep();
        let cancel = async {
            match self.cancel.as_mut() {
                Some(cancel) => cancel.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(given) = self.controls.recv() => {
                if let Some(nonce) = given.control.by().and_then(|by| by.request()) {
                    self.requests.push((self.clock.now(), nonce.to_owned()));
                }
                self.unanswered.push((given.control.clone(), given.answer));
                M::control(given.control)
            }
            () = cancel => {
                self.cancel = None;
                M::control(Control::Cancel { reason: "cancelled by its caller".to_owned() })
            }
            news = keep => M::journal_failed(news),
            done = work => {
                *outstanding = None;
                match done {
                    Done::Host(raw) => host.complete(raw),
                    Done::Waited { fault } => M::waited(fault),
                }
            }
        }
    }

    /// Tells the effect of a control to its giver.
    fn answer<M: Machine<Event = E>>(&mut self, event: &E) {
        let Some((control, effect)) = M::answered(event) else {
            return;
        };
        let place = self
            .unanswered
            .iter()
            .position(|(given, _)| given == control);
        if let Some(place) = place {
            let (_, answer) = self.unanswered.remove(place);
            // The giver may have dropped its answer.
            let _ = answer.send(effect.clone());
        }
    }

    fn emit(&mut self, at: Timestamp, kind: E) {
        let started = *self.started.get_or_insert(at);
        let event = Event {
            run: self.run.clone(),
            seq: self.next_event,
            at,
            elapsed: between(started, at),
            kind,
        };
        self.next_event += 1;
        tracing::debug!(run = %self.run, seq = event.seq, event = ?event.kind);
        for sink in &mut self.sinks {
            sink(&event);
        }
    }
}

/// A snapshot is written after this number of records. One call of a store reads 16 records, so a resume
/// takes less than 40 calls, however long the run was.
pub(crate) const SNAPSHOT_RECORDS: u64 = 160;
/// A snapshot is also written after this time: if looks are rare, most records of a store are heartbeats.
const SNAPSHOT_TIME: Duration = Duration::from_secs(30 * 60);

/// A wait is cut into parts of this length. While the computer is suspended, Tokio's timers stand still and
/// the time of the run does not. So after a suspension the run is late by one part at most, however long
/// the wait.
const PART: Duration = Duration::from_secs(5);

/// Waits on tokio's clock until the clock of the run shows `until`, and never longer than `asked`. On a real
/// clock the wait must have taken real time: a paused tokio clock would shift production traffic
/// in seconds.
async fn wait<R>(clock: RunClock, asked: Duration, until: Timestamp) -> Done<R> {
    /// Timers are coarse, so only a wait that clearly did not happen is a fault: a wait that is too short by
    /// this time, or by half of its own length.
    const SLACK: Duration = Duration::from_secs(1);
    let begun = real_now();
    let mut waited = Duration::ZERO;
    loop {
        let left = between(clock.now(), until).min(asked.saturating_sub(waited));
        if left.is_zero() {
            return Done::Waited { fault: false };
        }
        let part = left.min(PART);
        tokio::time::sleep(part).await;
        waited += part;
        if !clock.is_virtual() && begun.elapsed() + SLACK.min(waited / 2) < waited {
            return Done::Waited { fault: true };
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "checks tokio's clock against the real one"
)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::SignedDuration;
    use tokio::time::Instant;

    use super::*;
    use crate::clock::{SystemClock, later};

    /// A computer that follows tokio's clock, except for what tokio does not notice: jumps and suspensions.
    #[derive(Debug)]
    struct Machine {
        began: Instant,
        wall: Mutex<SignedDuration>,
        suspended: Mutex<Duration>,
        stands_still: bool,
    }

    impl Machine {
        fn new(stands_still: bool) -> Arc<Self> {
            Arc::new(Self {
                began: Instant::now(),
                wall: Mutex::default(),
                suspended: Mutex::default(),
                stands_still,
            })
        }
    }

    impl Clock for Machine {
        fn now(&self) -> Timestamp {
            let set = *self.wall.lock().unwrap();
            later(Timestamp::UNIX_EPOCH, self.uptime()) + set
        }

        fn uptime(&self) -> Duration {
            if self.stands_still {
                return Duration::ZERO;
            }
            self.began.elapsed() + *self.suspended.lock().unwrap()
        }

        fn is_virtual(&self) -> bool {
            true
        }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    /// How long a wait of an hour takes if `what` happens after ten seconds.
    async fn waits(machine: &Arc<Machine>, what: impl Fn(&Machine)) -> Duration {
        let clock = RunClock::start(Arc::clone(machine));
        let until = later(clock.now(), HOUR);
        let begun = Instant::now();
        let happens = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            what(machine);
            pending::<()>().await;
        };
        tokio::select! {
            () = happens => unreachable!("it never ends"),
            Done::Waited { fault } = wait::<()>(clock, HOUR, until) => assert!(!fault),
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn p11_a_wait_takes_what_was_asked_however_the_wall_clock_is_set() {
        for hours in [-1, 1, 0, 1_000, -1_000] {
            let machine = Machine::new(false);
            let set = SignedDuration::from_hours(hours);
            let taken = waits(&machine, |machine| *machine.wall.lock().unwrap() = set).await;
            assert_eq!(taken, HOUR, "{hours} h");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p11_a_wait_counts_the_time_in_which_the_machine_was_suspended() {
        let machine = Machine::new(false);
        let half = waits(&machine, |machine| {
            *machine.suspended.lock().unwrap() = HOUR / 2
        });
        assert_eq!(half.await, HOUR / 2);
        let machine = Machine::new(false);
        let whole = waits(&machine, |machine| {
            *machine.suspended.lock().unwrap() = HOUR * 2
        });
        let whole = whole.await;
        assert!(whole <= Duration::from_secs(10) + PART, "{whole:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn p11_a_wait_is_never_longer_than_asked_even_if_time_stands_still() {
        let machine = Machine::new(true);
        assert_eq!(waits(&machine, |_| ()).await, HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_on_a_paused_clock_that_claims_to_be_real_is_a_fault() {
        // A second is the shortest interval of looks.
        for asked in [HOUR, Duration::from_secs(1)] {
            let clock = RunClock::start(SystemClock);
            let until = later(clock.now(), asked);
            let Done::Waited { fault } = wait::<()>(clock, asked, until).await else {
                unreachable!("it waits");
            };
            assert!(fault, "{asked:?}");
        }
    }
}
