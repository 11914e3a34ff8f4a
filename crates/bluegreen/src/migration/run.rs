//! [`Migration`]: a plan, a splitter and gates, run to the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Entry, GateId, GatePolicy, Input, Intent, MigrationError, MigrationEvent, MigrationMachine,
    MigrationOutcome, MigrationPlan, MigrationState, RestoreOrder, ResumeError,
    action::OpenedGate,
    asked::requests_taken,
    credentials::cancelled_before,
    hook::{Caller, Hook, HookGate, Hooks},
    host::{MigrationHost, Roles},
    outcome::End,
    replay::{Opened, continued, opened, seated},
};
use crate::{
    clock::{Clock, SystemClock},
    engine::{
        ControlHandle, Event, JOURNAL_VERSION, Journal, Listener, MemoryJournal, Opening, Operator,
        Pace, Record, Resumption, RunId, Runner, SNAPSHOT_RECORDS, Sink,
    },
    health::HealthGate,
    preflight::Finding,
    problem::{PlanError, Problem},
    traffic::{CapacityKeeper, DeadManSwitch, TrafficSplitter},
};

/// Moves live traffic from blue to green as a plan says, under gates.
///
/// # Examples
///
/// On the simulated AWS; on the real one only the first line differs, `Aws::from_env()`.
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{Migration, MigrationPlan, gate_fn, MigrationOutcome, Verdict};
/// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::Scenario};
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
///
/// let splitter = AlbTrafficSplitter::new(&aws, simulation.rule(), simulation.blue(), simulation.green())?;
/// let outcome = Migration::new(MigrationPlan::builder().build()?, splitter)
///     .clock(aws.clock())
///     .gate("queue", gate_fn("queue", |_look| async { Ok(Verdict::healthy("no message waits")) }))
///     .run()
///     .await?;
/// assert!(matches!(outcome, MigrationOutcome::Promoted { .. }));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[must_use = "a migration does nothing until it is run"]
pub struct Migration {
    plan: MigrationPlan,
    splitter: Arc<dyn TrafficSplitter>,
    switch: Option<Arc<dyn DeadManSwitch>>,
    keeper: Option<Arc<dyn CapacityKeeper>>,
    gates: Vec<(GateId, Arc<dyn HealthGate>)>,
    origin: serde_json::Value,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    sinks: Vec<Sink<MigrationEvent>>,
    hooks: Hooks,
    cancel: Option<crate::engine::CancelFuture>,
    credentials_end: Option<Timestamp>,
    findings: Vec<Finding>,
    left_out: BTreeSet<&'static str>,
    snapshot_records: u64,
    handle: ControlHandle,
    controls: crate::engine::Controls,
}

impl Migration {
    /// Creates a migration by `plan` through `splitter`, with a
    /// [journal in memory](MemoryJournal::for_resume) and the system's clock.
    pub fn new(plan: MigrationPlan, splitter: impl TrafficSplitter + 'static) -> Self {
        let (handle, controls) = ControlHandle::new();
        Self {
            plan,
            splitter: Arc::new(splitter),
            switch: None,
            keeper: None,
            gates: Vec::new(),
            origin: serde_json::Value::Null,
            clock: Arc::new(SystemClock),
            journal: Arc::new(MemoryJournal::for_resume()),
            sinks: Vec::new(),
            hooks: Hooks::default(),
            cancel: None,
            credentials_end: None,
            findings: Vec::new(),
            left_out: BTreeSet::new(),
            snapshot_records: SNAPSHOT_RECORDS,
            handle,
            controls,
        }
    }

    /// A migration for a unit test: by the [plan for tests](MigrationPlan::for_tests), on a
    /// [`TestClock`](crate::mock::TestClock). With tokio's clock paused it takes no time.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::{Migration, Verdict, gate_fn, mock::MemorySplitter};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), bluegreen::MigrationError> {
    /// let router = MemorySplitter::new();
    /// let empty = gate_fn("queue", |_look| async { Ok(Verdict::healthy("no message waits")) });
    /// let outcome = Migration::for_tests(router.clone()).gate("queue", empty).run().await?;
    /// assert_eq!(outcome.exit_code(), 0);
    /// assert_eq!(router.weights().blue, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "mock")]
    pub fn for_tests(splitter: impl TrafficSplitter + 'static) -> Self {
        Self::new(MigrationPlan::quick(), splitter).clock(crate::mock::TestClock::default())
    }

    /// Adds a gate. The gate is required, unless the plan names it advisory.
    pub fn gate(mut self, id: impl Into<GateId>, gate: impl HealthGate + 'static) -> Self {
        self.gates.push((id.into(), Arc::new(gate)));
        self
    }

    /// Supplies the dead-man switch, for a plan that [keeps one](super::MigrationPlanBuilder::dead_man).
    pub fn dead_man_switch(mut self, switch: impl DeadManSwitch + 'static) -> Self {
        self.switch = Some(Arc::new(switch));
        self
    }

    /// Supplies the keeper of blue's capacity. Before the first rise it raises blue's minimum to the
    /// number of tasks that run now, and after a rollback it puts the old minimum back; see
    /// [`CapacityKeeper`]. If the minimum cannot be raised, nothing is shifted, unless the plan accepts
    /// [`BlueMayShrink`](crate::preflight::Acceptance::BlueMayShrink). Default: none, and blue is scaled
    /// as its own rules say.
    pub fn capacity_keeper(mut self, keeper: impl CapacityKeeper + 'static) -> Self {
        self.keeper = Some(Arc::new(keeper));
        self
    }

    /// Calls `sink` with every event, in order. A slow sink delays the migration.
    pub fn on_event(mut self, sink: impl FnMut(&Event<MigrationEvent>) + Send + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Calls `hook` around the run: see [`Hook`]. A hook that is asked before steps is a gate, with the name
    /// `hook`; a second such hook is `hook-2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::{Migration, Verdict, gate_fn, migration::Hook, mock::MemorySplitter};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), bluegreen::MigrationError> {
    /// let router = MemorySplitter::new();
    /// let good = gate_fn("errors", |_look| async { Ok(Verdict::healthy("no error")) });
    /// let refuses = Hook::command(["sh", "-c", "echo not on a Friday; exit 10"]);
    /// let outcome = Migration::for_tests(router.clone())
    ///     .gate("errors", good)
    ///     .hook(refuses.asked_before_steps())
    ///     .run()
    ///     .await?;
    /// assert_eq!(outcome.exit_code(), 3, "not begun: {outcome}");
    /// assert!(outcome.to_string().contains("not on a Friday"));
    /// assert_eq!(router.weights().green, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hook(mut self, hook: Hook) -> Self {
        let caller = Arc::new(Caller::new(hook));
        if caller.asks {
            let id = GateId::from(match self.hooks.asked() {
                0 => GateId::HOOK.to_owned(),
                before => format!("{}-{}", GateId::HOOK, before + 1),
            });
            let gate = HookGate::new(Arc::clone(&caller), &self.plan);
            self.plan = self.plan.with_gate(id.clone(), GatePolicy::BeforeEachStep);
            self.gates.push((id, Arc::new(gate)));
        }
        let told = Arc::clone(&caller);
        self.sinks.push(Box::new(move |event| told.tell(event)));
        self.hooks.callers.push(caller);
        self
    }

    /// Calls `told` at the end of the run for each call of a [hook](Self::hook) that failed, with a sentence
    /// for people. A failure of a hook changes nothing else. Default: a warning through `tracing` alone.
    pub fn on_hook_failure(mut self, told: impl FnMut(&str) + Send + 'static) -> Self {
        self.hooks.told = Some(Box::new(told));
        self
    }

    /// Cancels the migration when `future` is ready. The plan says what a cancellation does; by default
    /// everything goes back to blue.
    pub fn cancel_on(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancel = Some(Box::pin(future));
        self
    }

    /// Tells the run that its credentials end at `end` and that nothing renews them:
    /// [`Aws::credential_life`](crate::Aws::credential_life) says whether they do. A run whose deadline
    /// is later is refused by its preflight. Three minutes before the end the run is cancelled, as by a
    /// signal: the plan says what that does, by default a rollback. A run that is resumed is not refused,
    /// since traffic may be divided; it is only cancelled in time. A [`restore`](Self::restore) is
    /// neither refused nor cancelled.
    pub fn credentials_end(mut self, end: Timestamp) -> Self {
        self.credentials_end = Some(end);
        self
    }

    /// Adds a finding to those of the preflight: a refusal stops the run before it changes anything,
    /// unless the plan accepts the risk. A refusal stops neither a resume nor a restore.
    pub fn finds(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Names the fields of the plan that nothing states, so that this program has derived their values. A
    /// resumed run keeps the values of its journal in them.
    #[cfg(feature = "spec")]
    pub(crate) fn left_out(mut self, fields: BTreeSet<&'static str>) -> Self {
        self.left_out = fields;
        self
    }

    /// Returns the settings in which a resume follows the journal of the run although this program would choose
    /// another value today, a line each. Nothing states these settings: a plan that states another value than
    /// the journal is refused by [`resume`](Self::resume).
    #[must_use]
    pub fn kept_from(&self, records: &[Record]) -> Vec<String> {
        let opened = records.first().and_then(|first| opened(first).ok());
        let compared = opened.map(|opened| self.compared(&opened));
        compared.map(|(_, kept)| kept).unwrap_or_default()
    }

    /// Returns the differences of today's plan from the plan of a run: those that are stated, and those that are
    /// not. The same origin states the same, so each difference then comes from this program.
    fn compared(&self, opened: &Opened) -> (Vec<String>, Vec<String>) {
        if !self.origin.is_null() && self.origin == opened.origin {
            return (Vec::new(), opened.plan.differences(&self.plan));
        }
        opened.plan.compared(&self.plan, &self.left_out)
    }

    #[cfg(all(test, feature = "spec"))]
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Uses another clock, such as [`Aws::clock`](crate::Aws::clock) of a simulation. Its wall time is
    /// read once, at the start; from then on the run uses the clock's uptime
    /// ([`RunClock`](crate::clock::RunClock)).
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Keeps the journal in `journal`. Default: in memory.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Writes a snapshot into the journal after this number of records, at least one, and after half an
    /// hour in any case. A [resume](Self::resume) begins with the newest snapshot. Default: 160, so that
    /// a resume takes less than 40 calls of a store; a snapshot has about ten kilobytes, as much as a few
    /// looks together.
    pub fn snapshot_after(mut self, records: u64) -> Self {
        self.snapshot_records = records.max(1);
        self
    }

    /// Keeps a value of yours with the run, such as the options that it was started with, for a resume:
    /// [`origin_of`](super::origin_of) returns the value. Put no secrets in: the journal keeps the value
    /// as it is.
    pub fn origin(mut self, origin: serde_json::Value) -> Self {
        self.origin = origin;
        self
    }

    /// Returns a handle that can pause, promote or abort the run, and more, from anywhere and at any
    /// moment.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        self.handle.clone()
    }

    /// Returns the state of the run now, and its end: a receiver that always holds the newest
    /// [`MigrationState`]. Each clone of the receiver follows the run by itself; a slow reader delays
    /// nothing.
    #[must_use]
    pub fn watch(&mut self) -> watch::Receiver<MigrationState> {
        let (sender, receiver) = watch::channel(MigrationState::default());
        self.sinks.push(Box::new(move |event| {
            sender.send_modify(|state| state.take(event));
        }));
        receiver
    }

    /// Runs the migration to its end.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Plan`] if plan and gates do not fit together; no call was made.
    /// [`MigrationError::Unresolved`] if blue was to be restored and could not be, or if the split is not
    /// known. A rollback that worked is an [`MigrationOutcome`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future leaves traffic where it is, at worst in the middle of a
    /// change. End a run with [`cancel_on`](Self::cancel_on) or the [`handle`](Self::handle).
    pub async fn run(self) -> Result<MigrationOutcome, MigrationError> {
        self.check()?;
        self.drive(Intent::Migrate).await
    }

    /// Moves green to the plan's last step at once, from any split: an operator's
    /// override. Capacity is still needed; the last step bakes under the gates, and an unhealthy
    /// verdict rolls back.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn complete(
        self,
        by: impl Into<Operator>,
    ) -> Result<MigrationOutcome, MigrationError> {
        self.check()?;
        self.drive(Intent::Complete { by: by.into() }).await
    }

    /// Puts everything back on blue, from any split, as persistently as a rollback does. A
    /// restore needs no gate; gates that were supplied confirm that no request reaches green, if the
    /// order asks for that. It needs no journal either: restoring is open to every operator. Another
    /// controller that works on the same rule sees that a third party has restored blue, and raises green
    /// no more.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn restore(self, order: RestoreOrder) -> Result<MigrationOutcome, MigrationError> {
        if let Some(problem) = self.switch_problem() {
            return Err(PlanError::new(vec![problem]).into());
        }
        self.drive(Intent::Restore(order)).await
    }

    /// Continues a run whose process ended, from its journal's records: replays the records, reads the
    /// split, and continues from there, or rolls back if the plan says so. The plan, the gates and their
    /// settings must be those of the run. This works on another machine too: the records are all that is
    /// needed, and of them only the first one and those from the newest snapshot on
    /// ([`newest_run_to_resume`](crate::store::Lease::newest_run_to_resume)).
    ///
    /// A run that an earlier version began is not replayed: it continues from a fresh observation under
    /// today's rules, and an event says so; see [`store`](crate::store#versions).
    ///
    /// The run's clock never shows a time before that of the newest record, even if this machine's clock
    /// does. If the clock here is ahead of the other machine's clock, the difference counts as a
    /// longer pause, and the deadline of the current stage may have passed.
    ///
    /// If the split is neither the split before the change under way nor the split after it, a third
    /// party has changed it: the run is held, and says what differs.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Resume`] if the run cannot continue, with the reason. Else as
    /// [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run); the run can be resumed again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn resume(plan: bluegreen::MigrationPlan, splitter: bluegreen::aws::alb::AlbTrafficSplitter) -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{Migration, clock::SystemClock, health::TargetHealthGate};
    /// use bluegreen::store::{Holder, JournalStore, Take};
    ///
    /// let log = JournalStore::local("journals")?.log("arn:aws:…:listener-rule/app/chat/1/2/3");
    /// let lease = log.take(Holder::this_process("ann"), SystemClock, Take::IfExpired).await?;
    /// let records = lease.newest_run_to_resume().await?;
    /// let outcome = Migration::new(plan, splitter)
    ///     .gate("targets", TargetHealthGate::new())
    ///     .journal(lease)
    ///     .resume(&records, "ann")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[tracing::instrument(name = "migration", skip_all)]
    pub async fn resume(
        self,
        records: &[Record],
        by: impl Into<Operator>,
    ) -> Result<MigrationOutcome, MigrationError> {
        let Some(first) = records.first() else {
            return Err(ResumeError::Nothing.into());
        };
        let (run, look_limit) = {
            let opened = opened(first).map_err(ResumeError::from)?;
            let (diff, _) = self.compared(&opened);
            if !diff.is_empty() {
                return Err(ResumeError::PlanChanged { diff }.into());
            }
            (opened.run, opened.plan.look_limit())
        };
        let gates: Vec<_> = self
            .gates
            .iter()
            .map(|(id, gate)| (id.clone(), &**gate))
            .collect();
        if let Some(problem) = self.switch_problem() {
            return Err(PlanError::new(vec![problem]).into());
        }
        let newest = records.iter().map(|record| record.at).max();
        let newest = newest.unwrap_or(Timestamp::MIN);
        let at = self.clock.now().max(newest);
        let continued = continued(records, &gates, at).map_err(ResumeError::from)?;
        let Some(continued) = continued else {
            return Err(ResumeError::Nothing.into());
        };
        if let Some(end) = continued.machine.end() {
            let end = end.cloned().map_err(Clone::clone);
            return Err(ResumeError::Ended(Box::new(end)).into());
        }
        let Some(started) = continued.machine.started() else {
            return Err(ResumeError::Nothing.into());
        };
        let resumption = Resumption {
            started,
            events: continued.events,
            records: records.last().map_or(0, |last| last.seq + 1),
            newest,
        };
        let opening = match continued.reopened {
            None => Opening::Resumed(resumption),
            Some(reopened) => {
                let entry = Entry::Reopened {
                    version: JOURNAL_VERSION,
                    reopened: Box::new(reopened),
                };
                Opening::Reopened(resumption, entry.text())
            }
        };
        let roles = Roles {
            splitter: self.splitter,
            switch: self.switch,
            keeper: self.keeper,
        };
        let mut host = MigrationHost::new(roles, self.gates, look_limit);
        host.resume(continued.sessions);
        let (clock, handle) = (Arc::clone(&self.clock), self.handle);
        let mut runner = Runner::new(run, self.clock, self.journal, self.controls);
        runner.sinks = self.sinks;
        runner.snapshot_records = self.snapshot_records;
        runner.cancel = self.cancel;
        runner.requests = requests_taken(records);
        let hooks = self.hooks.on(&*clock);
        let by = by.into();
        let (pace, first) = (paced(&mut runner), Input::Resumed { by });
        let listener = runner.listener(&handle, &clock, &pace);
        let run = runner.drive(continued.machine, host, opening, first);
        let run = heard(listener, run);
        let end = cancelled_before(self.credentials_end, clock, handle, run).await;
        hooks.finish().await;
        ended(end)
    }

    #[tracing::instrument(name = "migration", skip_all)]
    async fn drive(self, intent: Intent) -> Result<MigrationOutcome, MigrationError> {
        let run = RunId::from_start(self.clock.now());
        // A restore is right whatever the gates say, and even if the credentials end soon.
        let is_restore = matches!(intent, Intent::Restore { .. });
        let opened = |(id, gate): &(GateId, Arc<dyn HealthGate>)| OpenedGate {
            gate: id.clone(),
            policy: match is_restore {
                true => GatePolicy::Advisory,
                false => self.plan.policy(id),
            },
            settings: gate.settings(),
        };
        let gates: Vec<OpenedGate> = self.gates.iter().map(opened).collect();
        let propagation = self.splitter.propagation();
        let machine =
            MigrationMachine::new(self.plan.clone(), seated(&gates)).with_propagation(propagation);
        let credentials_end = self.credentials_end.filter(|_| !is_restore);
        let too_long =
            credentials_end.and_then(|end| self.plan.outlives_credentials(self.clock.now(), end));
        let look_limit = self.plan.look_limit();
        // Text, since the run keeps it to its end.
        let opening = Entry::Opened {
            version: JOURNAL_VERSION,
            run: run.clone(),
            plan: self.plan,
            gates,
            propagation,
            origin: self.origin,
        }
        .text();
        let roles = Roles {
            splitter: self.splitter,
            switch: self.switch,
            keeper: self.keeper,
        };
        let mut host = MigrationHost::new(roles, self.gates, look_limit);
        let findings = self.findings.into_iter().filter(|_| !is_restore);
        host.finds(findings.chain(too_long));
        let (clock, handle) = (Arc::clone(&self.clock), self.handle);
        let mut runner = Runner::new(run, self.clock, self.journal, self.controls);
        runner.sinks = self.sinks;
        runner.snapshot_records = self.snapshot_records;
        runner.cancel = self.cancel;
        let opening = Opening::New(opening);
        let (pace, first) = (paced(&mut runner), Input::Start(intent));
        let listener = runner.listener(&handle, &clock, &pace);
        let hooks = self.hooks.on(&*clock);
        let run = heard(listener, runner.drive(machine, host, opening, first));
        let end = cancelled_before(credentials_end, clock, handle, run).await;
        hooks.finish().await;
        ended(end)
    }

    /// Returns the conflict of plan and switch: a plan that keeps a switch needs one, and a plan without one
    /// would never use it.
    fn switch_problem(&self) -> Option<Problem> {
        match (self.plan.dead_man(), &self.switch) {
            (Some(_), None) => Some(Problem::new(
                "dead_man",
                "the plan keeps a dead-man switch, but none was supplied",
                "supply one, or take the switch out of the plan",
            )),
            (None, Some(_)) => Some(Problem::new(
                "dead_man",
                "a dead-man switch was supplied, but the plan keeps none",
                "say in the plan after what time the switch fires, such as `10m`",
            )),
            _ => None,
        }
    }

    /// Returns every conflict of plan and gates at once.
    fn check(&self) -> Result<(), PlanError> {
        let mut problems = Vec::new();
        let mut supplied: BTreeMap<&GateId, usize> = BTreeMap::new();
        for (id, _) in &self.gates {
            *supplied.entry(id).or_default() += 1;
        }
        for (id, count) in &supplied {
            if *count > 1 {
                let message = format!("`{id}` was supplied {count} times");
                problems.push(Problem::new(
                    "gates",
                    message,
                    "give each gate its own name",
                ));
            }
        }
        for id in self.plan.gates().keys() {
            if !supplied.contains_key(id) {
                let message = format!("the plan names `{id}`, but that gate was not supplied");
                problems.push(Problem::new(
                    "gates",
                    message,
                    "supply the gate, or take it out of the plan",
                ));
            }
        }
        // Leave to rise says nothing about green's health.
        if !supplied
            .keys()
            .any(|id| self.plan.policy(id) == GatePolicy::Required)
        {
            problems.push(Problem::new(
                "gates",
                "no gate is required, so nothing could decide that green's share may rise",
                "supply at least one gate that is not advisory",
            ));
        }
        problems.extend(self.switch_problem());
        match problems.is_empty() {
            true => Ok(()),
            false => Err(PlanError::new(problems)),
        }
    }
}

/// Returns how often requests are listed: frequently while green may get requests.
fn paced(runner: &mut Runner<MigrationEvent>) -> Pace {
    let pace = Pace::default();
    let sets = pace.clone();
    runner.sinks.push(Box::new(move |event| {
        match (&event.kind, event.kind.traffic()) {
            (MigrationEvent::Shifting { .. }, _) => sets.set(true),
            (_, Some(traffic)) => sets.set(traffic.green_share() > 0.0),
            _ => {}
        }
    }));
    pace
}

/// Runs a migration, and beside it a listener for requests, if the journal has a place for them. Boxed,
/// since the future is large and the caller may have a small stack.
fn heard<'a>(
    listener: Option<Listener>,
    run: impl Future<Output = End> + Send + 'a,
) -> Pin<Box<dyn Future<Output = End> + Send + 'a>> {
    match listener {
        Some(listener) => Box::pin(listener.during(run)),
        None => Box::pin(run),
    }
}

fn ended(end: End) -> Result<MigrationOutcome, MigrationError> {
    match end {
        End::Known(outcome) => Ok(outcome),
        End::Unresolved(unresolved) => Err(MigrationError::Unresolved(Box::new(unresolved))),
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration")
            .field("plan", &self.plan)
            .field("splitter", &self.splitter)
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}
