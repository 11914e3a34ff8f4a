//! [`MigrationWorker`]: carries out what a machine asks for, for a host of your own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Action, GateId, Input, MigrationPlan,
    fold::FoldSnapshot,
    host::{MigrationHost, Raw, Roles},
};
use crate::{
    engine::Host as _,
    error::{Error, ErrorKind, Result},
    health::HealthGate,
    traffic::{CapacityKeeper, DeadManSwitch, TrafficSplitter},
};

/// Carries out the actions of a [`MigrationMachine`](super::MigrationMachine) through the roles, for a host
/// of your own such as a workflow engine.
///
/// Two halves, so that they may run in two places: [`carry_out`](Self::carry_out) does the I/O and returns
/// plain data; [`fold`](Self::fold) lets the judges take what was seen, does no I/O, and returns the
/// machine's next input. Between two steps a host keeps the machine and [`judges`](Self::judges).
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{MigrationPlan, health::TargetHealthGate, host::{MigrationWorker, Next}};
/// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::Scenario};
/// use bluegreen::migration::{Input, Intent, MigrationMachine};
///
/// let simulation = Scenario::Healthy.simulation(7);
/// simulation.start_paused();
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
/// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
///
/// let plan = MigrationPlan::builder().build()?;
/// let mut worker = MigrationWorker::new(&plan, splitter).gate("targets", TargetHealthGate::new());
/// let mut machine = MigrationMachine::new(plan, [("targets".into(), Default::default())]);
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

/// What an action brought, before the judges have seen it: plain data, for [`MigrationWorker::fold`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MigrationAnswer(Raw);

impl MigrationWorker {
    /// A worker that divides traffic through `splitter`, without a gate.
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

    /// Adds a gate. The machine is made with the same names, in the same order.
    pub fn gate(mut self, id: impl Into<GateId>, gate: impl HealthGate + 'static) -> Self {
        self.host.seat(id.into(), Arc::new(gate));
        self
    }

    /// The dead-man switch, if the plan keeps one.
    pub fn dead_man_switch(mut self, switch: impl DeadManSwitch + 'static) -> Self {
        self.host.set_switch(Arc::new(switch));
        self
    }

    /// What keeps blue's capacity. Default: nothing does.
    pub fn capacity_keeper(mut self, keeper: impl CapacityKeeper + 'static) -> Self {
        self.host.set_keeper(Arc::new(keeper));
        self
    }

    /// Carries an action out, within the limits that the engine here has too. A wait is the host's own and
    /// is not carried out: see [`Action::work`].
    ///
    /// # Cancel safety
    ///
    /// A read may be dropped. A change that is dropped may have happened: tell the machine
    /// [`Action::failed`] with [`ErrorKind::OutcomeUnknown`].
    pub async fn carry_out(&self, action: &Action) -> MigrationAnswer {
        MigrationAnswer(self.host.begin(action).await)
    }

    /// Lets the judges take what was seen, and returns what to tell the machine. Each answer is folded once.
    #[must_use]
    pub fn fold(&mut self, answer: MigrationAnswer) -> Input {
        self.host.complete(answer.0)
    }

    /// What the judges have learnt, for a worker in another process; `None` if a judge of yours makes no
    /// [snapshots](crate::health::Judge::snapshot) and has seen too much.
    #[must_use]
    pub fn judges(&self) -> Option<Value> {
        serde_json::to_value(self.host.folds()?).ok()
    }

    /// Continues with what the judges of another worker had learnt.
    ///
    /// # Errors
    ///
    /// `Refused` if it is none of these gates' judges under these settings.
    pub fn with_judges(mut self, judges: &Value) -> Result<Self> {
        let attempted = "continue with what judges had learnt";
        let refused = || Error::new(ErrorKind::Refused, attempted);
        let saved: Vec<FoldSnapshot> = serde_json::from_value(judges.clone())
            .map_err(|error| refused().with_source(error.to_string()))?;
        match self.host.restore(&saved)? {
            true => Ok(self),
            false => Err(refused()
                .with_hint("give the same gates, in the same order, with the same settings")),
        }
    }
}
