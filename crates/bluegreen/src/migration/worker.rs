//! [`MigrationWorker`]: carries out the actions of a machine, for a host of your own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Action, GateId, Input, MigrationMachine, MigrationPlan,
    host::{MigrationHost, Raw, Roles},
};
use crate::{
    engine::{Host as _, Work, restoring},
    error::{Error, ErrorKind, Result},
    health::{HealthGate, session::SavedSession},
    preflight::Finding,
    traffic::{CapacityKeeper, DeadManSwitch, TrafficSplitter},
};

/// Carries out the actions of a [`MigrationMachine`](super::MigrationMachine) through the roles, for a host
/// of your own such as a workflow engine.
///
/// The work has two halves, which may run in two places: [`carry_out`](Self::carry_out) does the I/O and
/// returns plain data; [`fold`](Self::fold) gives the observations to the judges, does no I/O, and returns
/// the machine's next input. Between two steps the host keeps the machine and the [`judges`](Self::judges).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{MigrationPlan, health::TargetHealthGate, host::{MigrationWorker, Next}};
/// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::Scenario};
/// use bluegreen::migration::{Input, Intent};
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
/// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
///
/// let plan = MigrationPlan::builder().build()?;
/// let mut worker = MigrationWorker::new(&plan, splitter).gate("targets", TargetHealthGate::new());
/// let mut machine = worker.machine(plan);
///
/// let now = simulation.aws().clock().now();
/// let Next::Do(survey) = machine.on(now, Input::Start(Intent::Migrate)).next else {
///     panic!("it surveys first");
/// };
/// let answer = worker.carry_out(&survey).await;
/// let answer = serde_json::from_str(&serde_json::to_string(&answer)?)?;
/// let next = machine.on(now, worker.fold(answer)).next;
/// assert!(matches!(next, Next::Do(_)), "{next:?}");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use]
pub struct MigrationWorker {
    host: MigrationHost,
}

/// The answer to an action, before the judges have seen it: plain data for [`MigrationWorker::fold`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MigrationAnswer(Raw);

impl MigrationWorker {
    /// Creates a worker that divides traffic through `splitter`, without gates.
    pub fn new(plan: &MigrationPlan, splitter: impl TrafficSplitter + 'static) -> Self {
        let roles = Roles {
            splitter: Arc::new(splitter),
            switch: None,
            keeper: None,
        };
        Self {
            host: MigrationHost::new(roles, [], plan.look_limit()),
        }
    }

    /// Adds a gate. Add all gates before you call [`machine`](Self::machine).
    pub fn gate(mut self, id: impl Into<GateId>, gate: impl HealthGate + 'static) -> Self {
        self.host.seat(id.into(), Arc::new(gate));
        self
    }

    /// Sets the dead-man switch, for a plan that keeps a switch.
    pub fn dead_man_switch(mut self, switch: impl DeadManSwitch + 'static) -> Self {
        self.host.set_switch(Arc::new(switch));
        self
    }

    /// Sets the keeper of blue's capacity. Default: none.
    pub fn capacity_keeper(mut self, keeper: impl CapacityKeeper + 'static) -> Self {
        self.host.set_keeper(Arc::new(keeper));
        self
    }

    /// Adds what the caller found before the start, such as a forecast: it is part of the answer to
    /// [`Action::Preflight`], and a refusal stops the run there.
    pub fn finds(mut self, finding: Finding) -> Self {
        self.host.finds([finding]);
        self
    }

    /// Creates a machine with this plan for the gates. The plan says what each gate's verdict does.
    pub fn machine(&self, plan: MigrationPlan) -> MigrationMachine {
        self.host.machine(plan)
    }

    /// Carries out an action, within the same time limits as the engine of this crate. Waits are the host's
    /// work and are not carried out: see [`Action::work`]. To a [`Fence`](crate::engine::Fence) a change that
    /// restores is shown as such: it begins without a lease too. The future holds no part of the worker, so it may
    /// run on any thread.
    ///
    /// # Cancel safety
    ///
    /// A read may be dropped. A change that is dropped may have happened: tell the machine
    /// [`Action::failed`] with [`ErrorKind::OutcomeUnknown`].
    pub fn carry_out(
        &self,
        action: &Action,
    ) -> impl Future<Output = MigrationAnswer> + Send + use<> {
        let begun = self.host.begin(action);
        let restores = action.work() == Work::Change { restores: true };
        async move {
            MigrationAnswer(match restores {
                true => restoring(begun).await,
                false => begun.await,
            })
        }
    }

    /// Gives the observations to the judges, and returns the machine's next input. Fold each answer once.
    #[must_use]
    pub fn fold(&mut self, answer: MigrationAnswer) -> Input {
        self.host.complete(answer.0)
    }

    /// Returns what the judges have learnt, for a worker in another process; `None` if a judge of your own
    /// makes no [snapshots](crate::health::Judge::snapshot) and has taken more than 1,000 observations.
    #[must_use]
    pub fn judges(&self) -> Option<Value> {
        serde_json::to_value(self.host.judges()?).ok()
    }

    /// Continues with what the judges of another worker had learnt.
    ///
    /// # Errors
    ///
    /// `Refused` if `judges` does not come from the same gates, in the same order, with the same settings.
    pub fn with_judges(mut self, judges: &Value) -> Result<Self> {
        let attempted = "continue with what judges had learnt";
        let refused = || Error::new(ErrorKind::Refused, attempted);
        let saved: Vec<SavedSession> = serde_json::from_value(judges.clone())
            .map_err(|error| refused().with_source(error.to_string()))?;
        match self.host.restore(&saved)? {
            true => Ok(self),
            false => Err(refused()
                .with_hint("give the same gates, in the same order, with the same settings")),
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        aws::{
            alb::AlbTrafficSplitter,
            sim::{Scenario, Simulation},
        },
        clock::between,
        engine::{Fence, Next, is_restoring},
        error::Failure,
        health::TargetHealthGate,
        migration::{Intent, Migration, MigrationOutcome},
        traffic::{Over, Shift, TrafficSplit},
    };

    fn worker(simulation: &Simulation, plan: &MigrationPlan) -> MigrationWorker {
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green);
        MigrationWorker::new(plan, splitter.expect("two groups"))
            .gate("targets", TargetHealthGate::new())
    }

    fn through_json<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        serde_json::from_value(serde_json::to_value(value).expect("plain data")).expect("the same")
    }

    /// Runs a migration with a new worker and a new machine at each step, as a chain of functions does.
    async fn run(simulation: &Simulation, plan: MigrationPlan) -> MigrationOutcome {
        let clock = simulation.aws().clock();
        let first = worker(simulation, &plan);
        let mut kept = (first.machine(plan.clone()), first.judges());
        let mut input = Input::Start(Intent::Migrate);
        loop {
            let mut machine = through_json(&kept.0);
            let judges = kept.1.expect("few observations");
            let worker = worker(simulation, &plan).with_judges(&judges);
            let mut worker = worker.expect("the same gates");
            let next = machine.on(clock.now(), input).next;
            input = match next {
                Next::Keep => panic!("nothing is outstanding"),
                Next::End => {
                    let end = machine.end().expect("an end");
                    return end.expect("a known one").clone();
                }
                Next::Do(action) => match through_json(&action).work() {
                    Work::Wait(until) => {
                        tokio::time::sleep(between(clock.now(), until)).await;
                        Input::Waited { clock_fault: false }
                    }
                    Work::Read | Work::Change { .. } => {
                        let answer = worker.carry_out(&action).await;
                        worker.fold(through_json(&answer))
                    }
                },
            };
            kept = (machine, worker.judges());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_keeps_nothing_in_memory_ends_as_the_engine_does() {
        for scenario in [Scenario::Healthy, Scenario::GreenDead] {
            let plan = MigrationPlan::builder().build().expect("sound");
            let simulation = scenario.simulation(7);
            let hosted = run(&simulation, plan.clone()).await;

            let simulation = scenario.simulation(7);
            let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
            let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green);
            let own = Migration::new(plan, splitter.expect("two groups"))
                .clock(simulation.aws().clock())
                .gate("targets", TargetHealthGate::new())
                .run()
                .await
                .expect("a known end");
            assert_eq!(hosted.exit_code(), own.exit_code(), "{hosted} {own}");
            assert_eq!(hosted.to_string(), own.to_string());
        }
    }

    /// Lets nothing but a restore begin.
    #[derive(Debug)]
    struct Lost;

    impl Fence for Lost {
        fn check(&self) -> Result<()> {
            match is_restoring() {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::Unavailable, "the lease is lost")),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p06_a_worker_without_a_lease_restores_and_does_not_rise() {
        let simulation = Scenario::Healthy.simulation(7);
        let plan = MigrationPlan::builder().build().expect("sound");
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let fenced = simulation.aws().fenced(Lost);
        let splitter = AlbTrafficSplitter::new(&fenced, rule, blue, green).expect("two groups");
        let seen = splitter.observe().await.expect("readable");
        let worker = MigrationWorker::new(&plan, splitter);
        let rise = Shift::rise(&seen, TrafficSplit::ALL_GREEN);
        let restore = Shift::new(seen, TrafficSplit::ALL_BLUE, Over::Anything);
        for (shift, is_done) in [(rise, false), (restore, true)] {
            let answer = worker.carry_out(&Action::Shift(shift)).await;
            let MigrationAnswer(Raw::Shifted(shifted)) = answer else {
                panic!("a shift is answered: {answer:?}");
            };
            assert_eq!(shifted.is_ok(), is_done, "{shifted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn judges_of_other_gates_are_refused() {
        let simulation = Scenario::Healthy.simulation(7);
        let plan = MigrationPlan::builder().build().expect("sound");
        let learnt = worker(&simulation, &plan).judges().expect("nothing yet");
        let more = worker(&simulation, &plan).gate("more", TargetHealthGate::new());
        for (worker, judges) in [(more, learnt), (worker(&simulation, &plan), json!(7))] {
            let error = worker.with_judges(&judges).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
        }
    }

    #[test]
    fn p10_every_action_has_an_answer_for_a_failure_of_its_own() {
        let failure = || Failure::new(ErrorKind::OutcomeUnknown, "lost");
        for (action, answer) in [
            (Action::Observe, Input::Observed(Err(failure()))),
            (Action::DisarmSwitch, Input::SwitchDisarmed(Err(failure()))),
            (
                Action::ObserveCapacity,
                Input::CapacityObserved(Err(failure())),
            ),
        ] {
            assert_eq!(action.failed(failure()), answer);
        }
        let until = jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(9);
        assert_eq!(Action::Wait { until }.work(), Work::Wait(until));
    }
}
