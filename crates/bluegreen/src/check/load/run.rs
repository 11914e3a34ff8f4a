//! [`LoadTest`]: sends the requests of a plan at their times.

use std::{collections::BTreeSet, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    TestPlan, TestReport,
    blue::{BlueLook, BlueWatch},
    compare::{Comparison, Replies, Reply},
    report::{self, Counted, End},
    schedule::Choice,
    tally::{Sample, Tally},
};
use crate::{
    check::{Expect, HttpClient},
    clock::Clock,
    health::RateAbove,
};

/// How often progress is told, and blue is looked at.
const TELL: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(15);
/// How long after its last time-out a request may still end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// A test that is ready to run.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use async_trait::async_trait;
/// use bluegreen::check::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
/// use bluegreen::check::load::{LoadTest, TestSuite};
/// use bluegreen::clock::SystemClock;
///
/// #[derive(Debug)]
/// struct Service;
///
/// #[async_trait]
/// impl HttpClient for Service {
///     async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
///         let took = Duration::from_millis(12);
///         tokio::time::sleep(took).await;
///         Ok(HttpResponse::new(200, r#"{"status": "healthy"}"#).with_took(took))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::time::pause();
/// let suite = TestSuite::from_toml(r#"
///     base_url = "https://chatbot.company.com"
///     request = [{ name = "health", path = "/health" }]
/// "#)?;
/// let plan = suite.plan().map_err(|problems| problems[0].to_string())?;
/// let report = LoadTest::new(plan, Arc::new(Service), SystemClock).run().await;
/// assert!(report.is_passed(), "{report}");
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until `run` is called"]
pub struct LoadTest {
    plan: TestPlan,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    cancel: Pin<Box<dyn Future<Output = ()> + Send>>,
    on_progress: Box<dyn FnMut(&TestProgress) + Send>,
    watch: Option<Arc<dyn BlueWatch>>,
}

/// How far a test has come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TestProgress {
    /// The time since the first request.
    pub elapsed: Duration,
    /// The requests that were sent to green, of all that are planned.
    pub sent: u64,
    /// All that are planned.
    pub planned: u64,
    /// The requests that have ended.
    pub ended: u64,
    /// The requests of these that failed.
    pub failed: u64,
    /// The requests that waited, since too many were in flight.
    pub late: u64,
    /// The latency of 99 of a hundred requests.
    pub p99: Duration,
}

impl LoadTest {
    /// A test of this plan. `client` sends the requests; `clock` dates the report.
    pub fn new(plan: TestPlan, client: Arc<dyn HttpClient>, clock: impl Clock + 'static) -> Self {
        Self {
            plan,
            client,
            clock: Arc::new(clock),
            cancel: Box::pin(std::future::pending()),
            on_progress: Box::new(|_| {}),
            watch: None,
        }
    }

    /// Stops the test when this future ends. Requests in flight are dropped.
    pub fn cancel_on(mut self, cancel: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancel = Box::pin(cancel);
        self
    }

    /// Calls `told` every ten seconds.
    pub fn on_progress(mut self, told: impl FnMut(&TestProgress) + Send + 'static) -> Self {
        self.on_progress = Box::new(told);
        self
    }

    /// Looks at blue every 15 seconds, and stops if blue gets worse.
    #[cfg(feature = "spec")]
    pub(crate) fn watching(mut self, watch: Arc<dyn BlueWatch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Runs the test to its end, at most as long as the plan and the last time-out.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the requests in flight; their effects on the service stay.
    pub async fn run(mut self) -> TestReport {
        let began = self.clock.now();
        let mut run = Run::new(&self.plan, Arc::clone(&self.client), self.watch.take());
        let end = loop {
            run.send_due();
            if let Some(end) = run.end() {
                break end;
            }
            let wake = run.next();
            tokio::select! {
                biased;
                () = &mut self.cancel => break End::Cancelled,
                Some(done) = run.tasks.join_next() => {
                    // A task that panicked or was dropped ends as a request without an answer would.
                    if let Ok(done) = done {
                        run.take(done);
                    }
                }
                () = sleep_until(wake) => {}
            }
            if run.tells() {
                (self.on_progress)(&run.progress());
            }
        };
        let elapsed = run.start.elapsed();
        run.tasks.abort_all();
        let counted = Counted {
            began,
            elapsed,
            sent: run.next,
            late: run.late,
            unsent: run.unsent,
            sending: run.sending,
            behind: run.behind,
            tally: run.tally,
            comparison: run.comparison,
            blue: run.seen,
        };
        report::judged(&self.plan, counted, end)
    }
}

impl fmt::Debug for LoadTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadTest")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// What a task brings back.
enum Done {
    Load {
        number: u64,
        due: Duration,
        kind: usize,
        /// The time from when the request was due until it was sent.
        waited: Duration,
        took: Duration,
        reply: Reply,
    },
    Pair {
        kind: usize,
        replies: Replies,
    },
    Blue(BlueLook),
}

/// A test that runs.
struct Run<'p> {
    plan: &'p TestPlan,
    client: Arc<dyn HttpClient>,
    watch: Option<Arc<dyn BlueWatch>>,
    start: Instant,
    tasks: JoinSet<Done>,
    choice: Choice,
    tally: Tally,
    comparison: Comparison,
    /// The number of the next request, which is how many were sent.
    next: u64,
    /// The numbers of the requests in flight.
    in_flight: BTreeSet<u64>,
    is_full: bool,
    late: u64,
    unsent: u64,
    behind: Duration,
    /// The time of the last request.
    sending: Duration,
    /// The kinds that are compared, and how many pairs were asked.
    compared: Vec<usize>,
    pairs: u32,
    /// Whether blue's first answer to a kind was good: only then can blue get worse.
    blue_was_good: Vec<Option<bool>>,
    blue_fails: RateAbove,
    is_looking: bool,
    next_look: Duration,
    next_told: Duration,
    seen: Option<BlueLook>,
}

impl<'p> Run<'p> {
    fn new(
        plan: &'p TestPlan,
        client: Arc<dyn HttpClient>,
        watch: Option<Arc<dyn BlueWatch>>,
    ) -> Self {
        Self {
            plan,
            client,
            watch,
            start: Instant::now(),
            tasks: JoinSet::new(),
            choice: Choice::new(plan.weights.iter().copied()),
            tally: Tally::new(plan.limits(), plan.schedule),
            comparison: Comparison::new(&plan.settings.rules),
            next: 0,
            in_flight: BTreeSet::new(),
            is_full: false,
            late: 0,
            unsent: 0,
            behind: Duration::ZERO,
            sending: Duration::ZERO,
            compared: plan.compared(),
            pairs: 0,
            blue_was_good: vec![None; plan.kinds.len()],
            blue_fails: RateAbove::new(),
            is_looking: false,
            next_look: Duration::ZERO,
            next_told: TELL,
            seen: None,
        }
    }

    /// Sends everything that is due.
    fn send_due(&mut self) {
        let now = self.start.elapsed();
        while self.next < self.plan.schedule.len() {
            let due = self.plan.schedule.due(self.next);
            if due > now {
                self.is_full = false;
                break;
            }
            if self.in_flight.len() >= self.plan.settings.max_in_flight() {
                self.is_full = true;
                break;
            }
            match self.is_full {
                true => self.late += 1,
                false => self.behind = self.behind.max(now - due),
            }
            self.send(due);
            self.sending = now;
            self.next += 1;
        }
        if self.next_pair().is_some_and(|due| due <= now) {
            self.compare();
        }
        if let Some(watch) = &self.watch
            && !self.is_looking
            && self.next_look <= now
        {
            let watch = Arc::clone(watch);
            self.is_looking = true;
            self.next_look = now + LOOK;
            self.tasks
                .spawn(async move { Done::Blue(watch.look().await) });
        }
    }

    fn send(&mut self, due: Duration) {
        let kind = self.choice.next();
        let request = self.plan.kinds[kind].green.request.clone();
        let (client, start) = (Arc::clone(&self.client), self.start);
        let number = self.next;
        self.in_flight.insert(number);
        self.tasks.spawn(async move {
            let sent = Instant::now();
            let reply = client.send(&request).await;
            let took = match &reply {
                Ok(answer) => answer.took,
                Err(_) => sent.elapsed(),
            };
            let waited = (sent - start).saturating_sub(due);
            Done::Load {
                number,
                due,
                kind,
                waited,
                took,
                reply,
            }
        });
    }

    /// Asks blue, green, and blue again.
    fn compare(&mut self) {
        let place = usize::try_from(self.pairs).unwrap_or_default() % self.compared.len();
        self.pairs += 1;
        let kind = self.compared[place];
        let asked = &self.plan.kinds[kind];
        let Some(blue) = asked.blue.as_ref().map(|blue| blue.request.clone()) else {
            return;
        };
        let (green, client) = (asked.green.request.clone(), Arc::clone(&self.client));
        self.tasks.spawn(async move {
            let first = client.send(&blue).await;
            let green = client.send(&green).await;
            let replies = Replies {
                blue: [first, client.send(&blue).await],
                green,
            };
            Done::Pair { kind, replies }
        });
    }

    /// When the next pair is due: pairs are spread over the whole test, so that blue is seen under load.
    fn next_pair(&self) -> Option<Duration> {
        let kinds = u32::try_from(self.compared.len()).unwrap_or(u32::MAX);
        let all = self.plan.rounds.saturating_mul(kinds);
        let duration = self.plan.settings.duration();
        (self.pairs < all).then(|| duration.mul_f64(f64::from(self.pairs) / f64::from(all)))
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Load {
                number,
                due,
                kind,
                waited,
                took,
                reply,
            } => {
                self.in_flight.remove(&number);
                let asked = &self.plan.kinds[kind].green;
                let (failure, took) = match reply {
                    Ok(answer) => (failure(&asked.name, &asked.expect, &answer), took),
                    // No answer is slower than every answer.
                    Err(error) => {
                        let failure = format!("{}: {error}", asked.name);
                        (Some(failure), took.max(asked.request.timeout))
                    }
                };
                let latency = waited + took;
                self.tally.push(Sample {
                    due,
                    latency,
                    failure,
                });
            }
            Done::Pair { kind, replies } => {
                let asked = &self.plan.kinds[kind].green;
                self.comparison.push(&asked.name, &asked.path, &replies);
                let fails = |reply: &Reply| !reply.as_ref().is_ok_and(|one| one.status < 500);
                let was_good = *self.blue_was_good[kind].get_or_insert(!fails(&replies.blue[0]));
                if was_good {
                    let failed = replies.blue.iter().filter(|reply| fails(reply)).count();
                    let (all, failed) = (replies.blue.len() as u64, failed as u64);
                    let limit = self.tally.limits().max_error_rate;
                    self.blue_fails.push(all, failed, limit, false);
                }
            }
            Done::Blue(look) => {
                self.is_looking = false;
                self.seen = Some(look);
            }
        }
    }

    /// Whether the test is over, and why.
    fn end(&mut self) -> Option<End> {
        let needed = -(1.0 - self.tally.limits().confidence).ln();
        if self.blue_fails.ln_value() >= needed {
            let why = "the requests of the comparison fail on blue now, and were answered at first";
            return Some(End::BlueWorse(why.to_owned()));
        }
        if let Some(BlueLook::Worse(why)) = &self.seen {
            return Some(End::BlueWorse(why.clone()));
        }
        if let Some(excess) = self.tally.excess() {
            return Some(End::Exceeded(excess));
        }
        let is_sent = self.next == self.plan.schedule.len() && self.next_pair().is_none();
        let is_waiting = match self.is_looking {
            true => self.tasks.len() > 1,
            false => !self.tasks.is_empty(),
        };
        if is_sent && !is_waiting {
            return Some(End::Completed);
        }
        let now = self.start.elapsed();
        if now < self.last() {
            return None;
        }
        self.give_up(now);
        let exceeded = self.tally.excess().map(End::Exceeded);
        Some(exceeded.unwrap_or(End::Completed))
    }

    /// When the test is over, whatever is in flight.
    fn last(&self) -> Duration {
        let timeouts = self.plan.kinds.iter();
        let timeout = timeouts.map(|kind| kind.green.request.timeout).max();
        // A pair takes three requests.
        self.plan.settings.duration() + 3 * timeout.unwrap_or_default() + GRACE
    }

    /// Counts the requests that could not be sent: a user who waited for them would have had no answer.
    fn give_up(&mut self, now: Duration) {
        let most = self.plan.settings.max_in_flight();
        let failure = format!("not sent: {most} requests waited for their answers all the time");
        for number in std::mem::take(&mut self.in_flight) {
            let due = self.plan.schedule.due(number);
            self.tally.push(Sample {
                due,
                latency: now - due,
                failure: Some("no whole answer until the end of the test".to_owned()),
            });
        }
        for number in self.next..self.plan.schedule.len() {
            let due = self.plan.schedule.due(number);
            let (latency, failure) = (now - due, Some(failure.clone()));
            self.tally.push(Sample {
                due,
                latency,
                failure,
            });
            self.unsent += 1;
        }
    }

    /// The next time at which something is to be done, unless a request ends before.
    fn next(&self) -> Instant {
        let mut next = self.next_told.min(self.last());
        if self.next < self.plan.schedule.len() && !self.is_full {
            next = next.min(self.plan.schedule.due(self.next));
        }
        if let Some(pair) = self.next_pair() {
            next = next.min(pair);
        }
        if self.watch.is_some() && !self.is_looking {
            next = next.min(self.next_look);
        }
        self.start + next
    }

    fn tells(&mut self) -> bool {
        let now = self.start.elapsed();
        let tells = now >= self.next_told;
        if tells {
            self.next_told = now + TELL;
        }
        tells
    }

    fn progress(&self) -> TestProgress {
        TestProgress {
            elapsed: self.start.elapsed(),
            sent: self.next,
            planned: self.plan.schedule.len(),
            ended: self.tally.ended,
            failed: self.tally.failed,
            late: self.late,
            p99: self.tally.latencies.at(0.99),
        }
    }
}

/// Why an answer is not as it should be, without values of the answer but its status.
fn failure(name: &str, expect: &Expect, answer: &crate::check::HttpResponse) -> Option<String> {
    let failures = expect.judge(answer);
    let first = failures.first()?;
    Some(match first.what.as_str() {
        "status" => format!("{name}: status {}, wanted {}", answer.status, first.wanted),
        what => format!("{name}: {what}, wanted {}", first.wanted),
    })
}
