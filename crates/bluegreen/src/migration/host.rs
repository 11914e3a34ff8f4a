//! Carries the machine's actions out through the roles.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    Action, Entry, GateId, GateReport, Input, LookReport, MigrationMachine, MigrationPlan,
    snapshot::Snapshot,
};
use crate::{
    engine::{BoxFuture, Host, JOURNAL_VERSION, limit},
    error::{ErrorKind, Failure, Result},
    health::{
        HealthGate, Progress,
        calls::{self, GateCalls, Gates},
        session::{GateSession, SavedSession, Seen},
    },
    json::JsonText,
    preflight::Finding,
    traffic::{
        Armed, Capacity, CapacityKeeper, DeadManSwitch, Released, Shifted, TrafficObservation,
        TrafficSplitter,
    },
};

/// How long the survey before the start may take: it reads every rule of the load balancer.
const SURVEY_LIMIT: Duration = Duration::from_secs(120);
/// How long a change may take. After that its outcome is unknown, and the split is read again. A change
/// at a load balancer takes three calls of at most 10 seconds each.
const CHANGE_LIMIT: Duration = Duration::from_secs(40);
/// How long the read of blue's scaling may take: two calls of at most 30 seconds each.
const CAPACITY_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no split.
const UNREAD: &str = "the read of the split was not answered in time";

/// The splitter, the gates, and their judges.
#[derive(Debug)]
pub(crate) struct MigrationHost {
    splitter: Arc<dyn TrafficSplitter>,
    switch: Option<Arc<dyn DeadManSwitch>>,
    keeper: Option<Arc<dyn CapacityKeeper>>,
    gates: Gates,
    look_limit: Duration,
    /// Findings of the caller, which are added to those of the survey.
    findings: Vec<Finding>,
}

/// Everything that a run acts through, except for the gates.
#[derive(Debug)]
pub(crate) struct Roles {
    pub(crate) splitter: Arc<dyn TrafficSplitter>,
    pub(crate) switch: Option<Arc<dyn DeadManSwitch>>,
    pub(crate) keeper: Option<Arc<dyn CapacityKeeper>>,
}

/// The result of an action, before the judges have seen it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "with", rename_all = "snake_case")]
pub(crate) enum Raw {
    Preflight {
        findings: Result<Vec<Finding>, Failure>,
        capacity: Option<Result<Capacity, Failure>>,
        looked: Looked,
    },
    Look(Looked),
    Observed(Result<TrafficObservation, Failure>),
    Shifted(Result<Shifted, Failure>),
    SwitchArmed(Result<Armed, Failure>),
    SwitchDisarmed(Result<(), Failure>),
    CapacityObserved(Result<Capacity, Failure>),
    CapacityKept(Result<(), Failure>),
    CapacityReleased(Result<Released, Failure>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Looked {
    progress: Progress,
    traffic: Result<TrafficObservation, Failure>,
    /// In the order of the gates.
    seen: Vec<Seen>,
}

impl MigrationHost {
    pub(crate) fn new(
        roles: Roles,
        gates: impl IntoIterator<Item = (GateId, Arc<dyn HealthGate>)>,
        look_limit: Duration,
    ) -> Self {
        let mut host = Self {
            splitter: roles.splitter,
            switch: roles.switch,
            keeper: roles.keeper,
            gates: Vec::new(),
            look_limit,
            findings: Vec::new(),
        };
        for (id, gate) in gates {
            host.seat(id, gate);
        }
        host
    }

    /// Adds to the findings of the survey before the start.
    pub(crate) fn finds(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// A machine under this plan, for the gates and the splitter here.
    pub(super) fn machine(&self, plan: MigrationPlan) -> MigrationMachine {
        let ids = self.gates.iter().map(|(session, _)| session.gate());
        let gates: Vec<_> = ids.map(|id| (id.clone(), plan.policy(id))).collect();
        MigrationMachine::new(plan, gates).with_propagation(self.splitter.propagation())
    }

    /// Adds a gate.
    pub(super) fn seat(&mut self, id: GateId, gate: Arc<dyn HealthGate>) {
        let session = GateSession::new(id, &*gate);
        self.gates.push((session, GateCalls::new(gate)));
    }

    pub(super) fn set_switch(&mut self, switch: Arc<dyn DeadManSwitch>) {
        self.switch = Some(switch);
    }

    pub(super) fn set_keeper(&mut self, keeper: Arc<dyn CapacityKeeper>) {
        self.keeper = Some(keeper);
    }

    /// Returns what the judges have learnt; `None` if a judge makes no snapshot and has taken too many
    /// observations.
    pub(super) fn judges(&self) -> Option<Vec<SavedSession>> {
        let sessions = self.gates.iter();
        sessions.map(|(session, _)| session.saved()).collect()
    }

    /// Makes fresh judges continue from saved ones; `false` if these are of other gates or settings.
    pub(super) fn restore(&mut self, saved: &[SavedSession]) -> Result<bool> {
        if saved.len() != self.gates.len() {
            return Ok(false);
        }
        for ((session, _), saved) in self.gates.iter_mut().zip(saved) {
            if !session.is_of(saved) {
                return Ok(false);
            }
            session.restore(saved)?;
        }
        Ok(true)
    }

    /// Continues with the sessions that a journal led to.
    pub(super) fn resume(&mut self, sessions: Vec<GateSession>) {
        calls::resume(&mut self.gates, sessions);
    }

    fn look(&self, progress: Progress, limit: Duration) -> BoxFuture<Looked> {
        let splitter = Arc::clone(&self.splitter);
        let gates = calls::callers(&self.gates);
        Box::pin(async move {
            let read = splitter.observe();
            let told = |traffic: &TrafficObservation| Some(traffic.clone());
            let (traffic, seen) = calls::look(gates, progress, limit, read, UNREAD, told).await;
            Looked {
                progress,
                traffic,
                seen,
            }
        })
    }

    /// Gives each judge what its gate saw.
    fn judge(&mut self, looked: Looked) -> LookReport {
        let gates = self.gates.iter_mut().zip(looked.seen);
        let gates = gates.map(|((session, _), seen)| GateReport {
            gate: session.gate().clone(),
            verdict: session.judge(&seen, &looked.progress),
            seen,
        });
        LookReport {
            gates: gates.collect(),
            traffic: looked.traffic,
        }
    }
}

impl Host for MigrationHost {
    type Machine = MigrationMachine;
    type Raw = Raw;

    /// Each action is a span of its own below the run's, for programs that export spans.
    fn begin(&self, action: &Action) -> BoxFuture<Raw> {
        let splitter = Arc::clone(&self.splitter);
        let span = span_of(action);
        let begun: BoxFuture<Raw> = match action.clone() {
            Action::Preflight { progress } => {
                let look = self.look(progress, self.look_limit);
                let known = self.findings.clone();
                let keeper = self.keeper.clone();
                let switch = self.switch.clone();
                Box::pin(async move {
                    let found = survey(&*splitter, switch.as_deref()).await;
                    let capacity = match keeper {
                        Some(keeper) => Some(observe_capacity(&*keeper).await),
                        None => None,
                    };
                    Raw::Preflight {
                        findings: found.map(|found| [known, found].concat()),
                        capacity,
                        looked: look.await,
                    }
                })
            }
            Action::Look { progress, within } => {
                let look = self.look(progress, within);
                Box::pin(async move { Raw::Look(look.await) })
            }
            Action::Shift(shift) => Box::pin(async move {
                Raw::Shifted(
                    limit::change(
                        "the change of the split",
                        CHANGE_LIMIT,
                        splitter.shift(&shift),
                    )
                    .await,
                )
            }),
            Action::ArmSwitch { traffic, fires } => {
                let switch = self.switch.clone();
                Box::pin(async move {
                    let armed = match switch {
                        Some(switch) => {
                            limit::change("arming", CHANGE_LIMIT, switch.arm(&traffic, fires)).await
                        }
                        None => Err(no_switch()),
                    };
                    Raw::SwitchArmed(armed)
                })
            }
            Action::DisarmSwitch => {
                let switch = self.switch.clone();
                Box::pin(async move {
                    let disarmed = match switch {
                        Some(switch) => {
                            limit::change("disarming", CHANGE_LIMIT, switch.disarm()).await
                        }
                        None => Err(no_switch()),
                    };
                    Raw::SwitchDisarmed(disarmed)
                })
            }
            Action::ObserveCapacity => {
                let keeper = self.keeper.clone();
                Box::pin(async move {
                    Raw::CapacityObserved(match keeper {
                        Some(keeper) => observe_capacity(&*keeper).await,
                        None => Err(no_keeper()),
                    })
                })
            }
            Action::KeepCapacity { kept } => {
                let keeper = self.keeper.clone();
                Box::pin(async move {
                    let what = "raising blue's minimum";
                    Raw::CapacityKept(match keeper {
                        Some(keeper) => limit::change(what, CHANGE_LIMIT, keeper.keep(&kept)).await,
                        None => Err(no_keeper()),
                    })
                })
            }
            Action::ReleaseCapacity { kept } => {
                let keeper = self.keeper.clone();
                Box::pin(async move {
                    let what = "putting blue's minimum back";
                    Raw::CapacityReleased(match keeper {
                        Some(keeper) => {
                            limit::change(what, CHANGE_LIMIT, keeper.release(&kept)).await
                        }
                        None => Err(no_keeper()),
                    })
                })
            }
            // Waits are the loop's own.
            Action::Observe | Action::Wait { .. } => {
                let end = Instant::now() + self.look_limit;
                Box::pin(async move {
                    Raw::Observed(calls::read_by(end, splitter.observe(), UNREAD).await)
                })
            }
        };
        Box::pin(begun.instrument(span))
    }

    fn complete(&mut self, raw: Raw) -> Input {
        match raw {
            Raw::Preflight {
                findings,
                capacity,
                looked,
            } => Input::Preflighted {
                findings,
                capacity,
                look: self.judge(looked),
            },
            Raw::Look(looked) => Input::Looked(self.judge(looked)),
            Raw::Observed(observed) => Input::Observed(observed),
            Raw::Shifted(shifted) => Input::Shifted(shifted),
            Raw::SwitchArmed(armed) => Input::SwitchArmed(armed),
            Raw::SwitchDisarmed(disarmed) => Input::SwitchDisarmed(disarmed),
            Raw::CapacityObserved(observed) => Input::CapacityObserved(observed),
            Raw::CapacityKept(kept) => Input::CapacityKept(kept),
            Raw::CapacityReleased(released) => Input::CapacityReleased(released),
        }
    }

    fn snapshot(
        &self,
        machine: &MigrationMachine,
        outstanding: &Action,
        events: u64,
        requests: &[(Timestamp, String)],
    ) -> Option<JsonText> {
        let snapshot = Snapshot {
            version: JOURNAL_VERSION,
            machine: machine.clone(),
            outstanding: outstanding.clone(),
            judges: self.judges()?,
            events,
            requests: requests.to_vec(),
        };
        let snapshot = JsonText::of(&snapshot).ok()?;
        Some(Entry::Snapshot { snapshot }.text())
    }
}

fn span_of(action: &Action) -> tracing::Span {
    match action {
        Action::Preflight { .. } => tracing::info_span!("preflight"),
        Action::Look { progress, .. } => {
            let (phase, green) = (progress.phase, progress.green);
            tracing::info_span!("look", %phase, %green)
        }
        Action::Shift(shift) => {
            let (to, restores) = (shift.to, shift.restores());
            tracing::info_span!("shift", %to, restores)
        }
        Action::ArmSwitch { fires, .. } => tracing::info_span!("arm_switch", %fires),
        Action::DisarmSwitch => tracing::info_span!("disarm_switch"),
        Action::ObserveCapacity => tracing::info_span!("observe_capacity"),
        Action::KeepCapacity { .. } => tracing::info_span!("keep_capacity"),
        Action::ReleaseCapacity { .. } => tracing::info_span!("release_capacity"),
        Action::Observe | Action::Wait { .. } => tracing::info_span!("observe"),
    }
}

/// Returns the answer if no switch was supplied: such a plan does not run, but its journal may be replayed.
fn no_switch() -> Failure {
    Failure::new(ErrorKind::Invalid, "no dead-man switch was supplied")
}

/// Only a run that has raised blue's minimum, and is resumed without its keeper, gets this answer.
fn no_keeper() -> Failure {
    Failure::new(ErrorKind::Invalid, "no capacity keeper was supplied")
}

async fn survey(
    splitter: &dyn TrafficSplitter,
    switch: Option<&dyn DeadManSwitch>,
) -> Result<Vec<Finding>, Failure> {
    let what = "the survey before the start";
    let of_rule = limit::read(what, SURVEY_LIMIT, splitter.preflight());
    let Some(switch) = switch else {
        return of_rule.await;
    };
    let what = "the survey of the dead-man switch";
    let of_switch = limit::read(what, SURVEY_LIMIT, switch.preflight());
    let (of_rule, of_switch) = tokio::join!(of_rule, of_switch);
    Ok([of_rule?, of_switch?].concat())
}

async fn observe_capacity(keeper: &dyn CapacityKeeper) -> Result<Capacity, Failure> {
    limit::read(
        "the read of blue's scaling",
        CAPACITY_LIMIT,
        keeper.observe(),
    )
    .await
}
