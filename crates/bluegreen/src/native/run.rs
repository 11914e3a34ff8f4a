//! [`NativeJudge`]: a plan, a deployment and gates, run to the end.

use std::{collections::BTreeSet, fmt, future::Future, sync::Arc};

use jiff::Timestamp;

use super::{
    Input, NativeError, NativeEvent, NativeMachine, NativeOutcome, NativePlan, PausedDeployment,
    ReplayError,
    entry::{Entry, text},
    host::NativeHost,
    outcome::End,
    replay::{continued, opened},
    snapshot::Snapshot,
};
use crate::{
    check::ServiceCheck,
    clock::{Clock, SystemClock},
    engine::{
        ControlHandle, Event, JOURNAL_VERSION, Journal, MemoryJournal, Opening, Operator, Pace,
        Record, Resumption, RunId, Runner, Sink,
    },
    health::{HealthGate, session::GateId},
    migration::{Caller, GatePolicy, Hook, Hooks, OpenedGate},
    preflight::Finding,
    problem::{PlanError, Problem},
};

/// Judges a deployment that its platform moves: answers each pause from gates, and has the platform put
/// everything back if green does harm.
///
/// # Examples
///
/// ```no_run
/// # async fn judge(deployment: impl bluegreen::native::PausedDeployment + 'static, metrics: impl bluegreen::HealthGate + 'static) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::native::{NativeJudge, NativePlan};
///
/// let outcome = NativeJudge::new(NativePlan::builder().build()?, deployment)
///     .gate("metrics", metrics)
///     .on_event(|event| eprintln!("{event}"))
///     .run()
///     .await?;
/// std::process::exit(outcome.exit_code().into());
/// # }
/// ```
#[must_use = "a judge does nothing until it is run"]
pub struct NativeJudge {
    plan: NativePlan,
    deployment: Arc<dyn PausedDeployment>,
    gates: Vec<(GateId, Arc<dyn HealthGate>)>,
    checks: Vec<Arc<dyn ServiceCheck>>,
    findings: Vec<Finding>,
    run: Option<RunId>,
    origin: serde_json::Value,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    sinks: Vec<Sink<NativeEvent>>,
    hooks: Hooks,
    cancel: Option<crate::engine::CancelFuture>,
    handle: ControlHandle,
    controls: crate::engine::Controls,
}

impl NativeJudge {
    /// Creates a judge of `deployment` by `plan`, with a [journal in memory](MemoryJournal::for_resume) and
    /// the system's clock.
    pub fn new(plan: NativePlan, deployment: impl PausedDeployment + 'static) -> Self {
        let (handle, controls) = ControlHandle::new();
        Self {
            plan,
            deployment: Arc::new(deployment),
            gates: Vec::new(),
            checks: Vec::new(),
            findings: Vec::new(),
            run: None,
            origin: serde_json::Value::Null,
            clock: Arc::new(SystemClock),
            journal: Arc::new(MemoryJournal::for_resume()),
            sinks: Vec::new(),
            hooks: Hooks::default(),
            cancel: None,
            handle,
            controls,
        }
    }

    /// Adds a gate. The gate is required, unless the plan names it advisory.
    pub fn gate(mut self, id: impl Into<GateId>, gate: impl HealthGate + 'static) -> Self {
        self.gates.push((id.into(), Arc::new(gate)));
        self
    }

    /// Adds a check, which is asked before green gets its first traffic: it should ask through the test
    /// listener. A check that fails is asked up to three times.
    pub fn check(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Adds a finding to those of the preflight: a refusal stops the run before it changes anything, unless
    /// the plan accepts the risk.
    pub fn finds(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Calls `sink` with every event, in order. A slow sink delays the judge.
    pub fn on_event(mut self, sink: impl FnMut(&Event<NativeEvent>) + Send + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Calls `hook` around the run: see [`Hook`]. The moment `before-step` comes before each answer that
    /// continues a pause, and has no `to`: the platform knows how much it moves. `rollback` comes at the end,
    /// when the platform has put everything back. A hook is told and never asked here: whether a pause is
    /// answered is the gates' decision.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn told(judge: bluegreen::native::NativeJudge) -> bluegreen::native::NativeJudge {
    /// use bluegreen::migration::Hook;
    ///
    /// judge
    ///     .hook(Hook::command(["./tell-on-call"]))
    ///     .on_hook_failure(|failure| eprintln!("warning: {failure}"))
    /// # }
    /// ```
    pub fn hook(mut self, hook: Hook) -> Self {
        let caller = Arc::new(Caller::new(hook));
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

    /// Cancels the run when `future` is ready. The plan says what a cancellation does; by default everything
    /// is put back.
    pub fn cancel_on(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancel = Some(Box::pin(future));
        self
    }

    /// Uses another clock, such as a simulation's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Keeps the journal in `journal`. Default: in memory.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Names the run. Default: the time at which it starts.
    pub fn run_id(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// Keeps a value of yours with the run, for a resume: [`origin_of`](super::origin_of) returns the value.
    /// Put no secrets in: the journal keeps the value as it is.
    pub fn origin(mut self, origin: serde_json::Value) -> Self {
        self.origin = origin;
        self
    }

    /// Returns a handle that can pause, promote or abort the run, and more, from anywhere and at any moment.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        self.handle.clone()
    }

    /// Judges the deployment to its end.
    ///
    /// # Errors
    ///
    /// [`NativeError::Plan`] if plan and gates do not fit together; no call was made.
    /// [`NativeError::Unresolved`] if everything was to be put back and was not, or if the deployment's state
    /// is not known. A rollback that worked is a [`NativeOutcome`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future leaves the deployment as it is. At a pause the platform waits and
    /// does what the pause's time-out says. End a run with [`cancel_on`](Self::cancel_on) or the
    /// [`handle`](Self::handle).
    #[tracing::instrument(name = "native", skip_all)]
    pub async fn run(self) -> Result<NativeOutcome, NativeError> {
        self.check_gates()?;
        let run = self.run.clone();
        let run = run.unwrap_or_else(|| RunId::from_start(self.clock.now()));
        let gates: Vec<OpenedGate> = self.opened_gates();
        let (name, propagation) = (self.deployment.name(), self.deployment.propagation());
        let policies = gates.iter().map(|gate| (gate.gate.clone(), gate.policy));
        let machine = NativeMachine::new(self.plan.clone(), name.clone(), policies)
            .with_checks(self.checks.len())
            .with_propagation(propagation)
            .with_by_hand(self.deployment.by_hand());
        let opening = text(&Entry::Opened {
            version: JOURNAL_VERSION,
            run: run.clone(),
            judged: name,
            plan: Box::new(self.plan.clone()),
            gates,
            checks: self.check_names(),
            propagation,
            by_hand: self.deployment.by_hand(),
            origin: self.origin.clone(),
        });
        self.drive(
            run,
            machine,
            Vec::new(),
            Opening::New(opening),
            Input::Start,
            &[],
        )
        .await
    }

    /// Continues a run whose process ended, from its journal's records: replays them, reads the deployment,
    /// and continues from there. The deployment, the plan, the gates with their settings, and the checks must
    /// be those of the run. Of the records only the first one and those from the newest snapshot on are
    /// needed.
    ///
    /// # Errors
    ///
    /// [`NativeError::Resume`] if the run cannot continue, with the reason. Else as [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run); the run can be resumed again.
    #[tracing::instrument(name = "native", skip_all)]
    pub async fn resume(
        self,
        records: &[Record],
        by: impl Into<Operator>,
    ) -> Result<NativeOutcome, NativeError> {
        let Some(first) = records.first() else {
            let why = "the journal is empty".to_owned();
            return Err(ReplayError::Unreadable { seq: 0, why }.into());
        };
        let opened = opened(first)?;
        let is_other = [
            ("the plan", opened.plan != self.plan),
            ("the deployment", opened.judged != self.deployment.name()),
            ("the list of checks", opened.checks != self.check_names()),
            ("the list of gates", opened.gates.len() != self.gates.len()),
        ];
        if let Some((what, _)) = is_other.into_iter().find(|(_, is_other)| *is_other) {
            return Err(ReplayError::Changed { what }.into());
        }
        let gates: Vec<_> = self
            .gates
            .iter()
            .map(|(id, gate)| (id.clone(), &**gate))
            .collect();
        let continued = continued(records, &gates)?;
        if continued.machine.end().is_some() {
            return Err(ReplayError::Ended.into());
        }
        let Some(started) = continued.machine.started() else {
            let why = "the run had not begun".to_owned();
            return Err(ReplayError::Unreadable {
                seq: first.seq,
                why,
            }
            .into());
        };
        let newest = records.iter().map(|record| record.at).max();
        let opening = Opening::Resumed(Resumption {
            started,
            events: continued.events,
            records: records.last().map_or(0, |last| last.seq + 1),
            newest: newest.unwrap_or(Timestamp::MIN),
        });
        let first = Input::Resumed { by: by.into() };
        let (machine, sessions) = (continued.machine, continued.sessions);
        self.drive(opened.run, machine, sessions, opening, first, records)
            .await
    }

    async fn drive(
        self,
        run: RunId,
        machine: NativeMachine,
        sessions: Vec<crate::health::session::GateSession>,
        opening: Opening,
        first: Input,
        records: &[Record],
    ) -> Result<NativeOutcome, NativeError> {
        let mut host = NativeHost::new(self.deployment, self.checks, self.gates, self.findings);
        host.resume(sessions);
        let clock = Arc::clone(&self.clock);
        let hooks = self.hooks.on(&*clock);
        let mut runner = Runner::new(run, self.clock, self.journal, self.controls);
        runner.sinks = self.sinks;
        runner.cancel = self.cancel;
        runner.requests = requests_taken(records);
        // Always the quick pace: green may get traffic at any moment.
        let listener = runner.listener(&self.handle, &clock, &Pace::default());
        let run = runner.drive(machine, host, opening, first);
        let end = match listener {
            // Boxed, since the future is large and its caller may have a small stack.
            Some(listener) => Box::pin(listener.during(run)).await,
            None => Box::pin(run).await,
        };
        hooks.finish().await;
        match end {
            End::Known(outcome) => Ok(outcome),
            End::Unresolved(unresolved) => Err(NativeError::Unresolved(Box::new(unresolved))),
        }
    }

    fn check_names(&self) -> Vec<String> {
        let checks = self.checks.iter();
        checks.map(|check| check.name().to_owned()).collect()
    }

    fn opened_gates(&self) -> Vec<OpenedGate> {
        let gates = self.gates.iter();
        let opened = gates.map(|(id, gate)| OpenedGate {
            gate: id.clone(),
            policy: self.plan.policy(id),
            settings: gate.settings(),
        });
        opened.collect()
    }

    /// Returns every conflict of plan and gates at once.
    fn check_gates(&self) -> Result<(), PlanError> {
        let mut problems = Vec::new();
        let mut supplied = BTreeSet::new();
        for (id, _) in &self.gates {
            if !supplied.insert(id) {
                let message = format!("`{id}` was supplied more than once");
                let hint = "give each gate its own name";
                problems.push(Problem::new("gates", message, hint));
            }
        }
        for id in self.plan.gates().keys() {
            if !supplied.contains(id) {
                let message = format!("the plan names `{id}`, but that gate was not supplied");
                let hint = "supply the gate, or take it out of the plan";
                problems.push(Problem::new("gates", message, hint));
            }
        }
        // Leave to rise says nothing about green's health.
        let decides = |id: &&GateId| self.plan.policy(id) == GatePolicy::Required;
        if !supplied.iter().any(decides) {
            problems.push(Problem::new(
                "gates",
                "no gate is required, so nothing could decide that a pause may be continued",
                "supply at least one gate that is not advisory",
            ));
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(PlanError::new(problems)),
        }
    }
}

/// Returns the nonces of the requests from outside that a run has taken, and when.
fn requests_taken(records: &[Record]) -> Vec<(Timestamp, String)> {
    let mut taken = Vec::new();
    for record in records {
        match record.entry.read::<Entry>() {
            Ok(Entry::Input { input }) => {
                if let Input::Control(control) = &*input {
                    let nonce = control.by().and_then(|by| by.request());
                    taken.extend(nonce.map(|nonce| (record.at, nonce.to_owned())));
                }
            }
            Ok(Entry::Snapshot { snapshot }) => {
                let snapshot = snapshot.read::<Snapshot>();
                taken.extend(snapshot.map_or(Vec::new(), |snapshot| snapshot.requests));
            }
            _ => {}
        }
    }
    taken
}

impl fmt::Debug for NativeJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeJudge")
            .field("plan", &self.plan)
            .field("deployment", &self.deployment)
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "mock"))]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::{
        health::{Verdict, gate_fn},
        mock::{MockPausedDeployment, TestClock},
        native::{
            NativeObservation, NativeStatus, NativeStrategy, NativeSurvey, Pause, RevisionShare,
            RollBackBy,
        },
        traffic::Percent,
    };

    /// A deployment that reads as `before`, and as `after` once it was answered or stopped.
    fn mock(
        before: NativeObservation,
        after: NativeObservation,
    ) -> (MockPausedDeployment, Arc<AtomicBool>) {
        let done = Arc::new(AtomicBool::new(false));
        let mut mock = MockPausedDeployment::new();
        mock.expect_name().returning(|| "deployment/1".to_owned());
        mock.expect_propagation().returning(|| Duration::ZERO);
        mock.expect_by_hand().returning(|| None);
        let strategy = NativeStrategy::BlueGreen;
        mock.expect_preflight().times(1).returning(move || {
            let mut survey = NativeSurvey::new("chat", strategy);
            survey.hooks.push(crate::native::ConfiguredHook::new(
                crate::native::HookTarget::Pause,
                ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            ));
            Ok(survey)
        });
        let seen = Arc::clone(&done);
        mock.expect_observe().returning(move || {
            let is_done = seen.load(Ordering::SeqCst);
            Ok(if is_done {
                after.clone()
            } else {
                before.clone()
            })
        });
        (mock, done)
    }

    fn at_share(green: Percent, status: NativeStatus) -> NativeObservation {
        let mut seen = NativeObservation::new(status);
        seen.target = Some(RevisionShare::new("revision/2", green).with_copies(4, 4));
        seen
    }

    fn judge(mock: MockPausedDeployment, verdict: Verdict) -> NativeJudge {
        let plan = NativePlan::builder().build().expect("valid");
        let gate = gate_fn("queue", move |_look| {
            let verdict = verdict.clone();
            async move { Ok(verdict) }
        });
        NativeJudge::new(plan, mock)
            .clock(TestClock::default())
            .gate("queue", gate)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_answered_once_and_by_its_name() {
        let mut before = at_share(Percent::ZERO, NativeStatus::InProgress);
        before.pauses = vec![Pause::awaiting("hook-1", "PRE_PRODUCTION_TRAFFIC_SHIFT")];
        let after = at_share(Percent::HUNDRED, NativeStatus::Successful);
        let (mut mock, done) = mock(before, after);
        mock.expect_proceed()
            .withf(|pause| pause.as_str() == "hook-1")
            .times(1)
            .returning(move |_| {
                done.store(true, Ordering::SeqCst);
                Ok(())
            });
        let outcome = judge(mock, Verdict::healthy("no message waits"))
            .run()
            .await;
        let outcome = outcome.expect("promoted");
        assert_eq!(outcome.exit_code(), 0, "{outcome}");
        assert_eq!(outcome.report().answers, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn harm_between_pauses_stops_the_deployment_once() {
        let before = at_share(Percent::TEN, NativeStatus::InProgress);
        let after = at_share(Percent::ZERO, NativeStatus::RolledBack);
        let (mut mock, done) = mock(before, after);
        mock.expect_roll_back()
            .withf(|how| *how == RollBackBy::Stop)
            .times(1)
            .returning(move |_| {
                done.store(true, Ordering::SeqCst);
                Ok(())
            });
        let outcome = judge(mock, Verdict::unhealthy("900 wait")).run().await;
        let outcome = outcome.expect("rolled back");
        assert_eq!(outcome.exit_code(), 10, "{outcome}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_a_required_gate_calls_nothing() {
        let plan = NativePlan::builder()
            .gate("queue", GatePolicy::Advisory)
            .gate("latency", GatePolicy::Required);
        let mut judge = judge(MockPausedDeployment::new(), Verdict::healthy("fine"));
        judge.plan = plan.build().expect("valid");
        let error = judge.run().await.expect_err("no gate decides");
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("latency") && text.contains("no gate is required"),
            "{text}"
        );
    }
}
