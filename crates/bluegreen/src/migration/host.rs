//! Carries the machine's actions out through the roles.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::{Action, GateId, GateReport, Input, LookReport, MigrationMachine, replay::Seat};
use crate::{
    engine::{BoxFuture, Host},
    error::{ErrorKind, Failure},
    health::{HealthGate, Judge, Look, Observation, Progress},
    preflight::Finding,
    traffic::{Armed, DeadManSwitch, Shifted, TrafficObservation, TrafficSplitter},
};

/// The splitter, the gates, and the folds of their judges.
#[derive(Debug)]
pub(crate) struct MigrationHost {
    splitter: Arc<dyn TrafficSplitter>,
    switch: Option<Arc<dyn DeadManSwitch>>,
    gates: Vec<GateSeat>,
}

#[derive(Debug)]
struct GateSeat {
    id: GateId,
    gate: Arc<dyn HealthGate>,
    judge: Box<dyn Judge>,
    last: Option<Observation>,
}

/// What an action brought, before the judges have seen it.
#[derive(Debug)]
pub(crate) enum Raw {
    Preflight {
        findings: Result<Vec<Finding>, Failure>,
        looked: Looked,
    },
    Look(Looked),
    Observed(Result<TrafficObservation, Failure>),
    Shifted(Result<Shifted, Failure>),
    SwitchArmed(Result<Armed, Failure>),
    SwitchDisarmed(Result<(), Failure>),
}

#[derive(Debug)]
pub(crate) struct Looked {
    progress: Progress,
    traffic: Result<TrafficObservation, Failure>,
    /// In the order of the gates.
    seen: Vec<Result<Option<Observation>, Failure>>,
}

impl MigrationHost {
    pub(crate) fn new(
        splitter: Arc<dyn TrafficSplitter>,
        switch: Option<Arc<dyn DeadManSwitch>>,
        gates: impl IntoIterator<Item = (GateId, Arc<dyn HealthGate>)>,
    ) -> Self {
        let seat = |(id, gate): (GateId, Arc<dyn HealthGate>)| GateSeat {
            id,
            judge: gate.judge(),
            gate,
            last: None,
        };
        Self {
            splitter,
            switch,
            gates: gates.into_iter().map(seat).collect(),
        }
    }

    /// Goes on with the folds that a journal left.
    pub(crate) fn resume(&mut self, folds: impl IntoIterator<Item = Seat>) {
        for fold in folds {
            let Some(seat) = self.gates.iter_mut().find(|seat| seat.id == fold.gate) else {
                continue;
            };
            seat.judge = fold.judge;
            seat.last = fold.last;
        }
    }

    /// Reads the split first, since gates are told of it, then lets all gates look at once.
    fn look(&self, progress: Progress) -> BoxFuture<Looked> {
        let splitter = Arc::clone(&self.splitter);
        let gates: Vec<_> = self
            .gates
            .iter()
            .map(|seat| (Arc::clone(&seat.gate), seat.last.clone()))
            .collect();
        Box::pin(async move {
            let traffic = splitter.observe().await.map_err(Failure::from);
            let mut looks = JoinSet::new();
            let mut order = Vec::new();
            for (gate, last) in gates {
                let look = Look {
                    progress,
                    last,
                    traffic: traffic.as_ref().ok().cloned(),
                };
                // A task each: a gate of somebody else's that panics takes only its own look.
                let task = looks.spawn(async move { gate.observe(&look).await });
                order.push(task.id());
            }
            let mut seen: Vec<_> = order.iter().map(|_| Err(panicked())).collect();
            while let Some(joined) = looks.join_next_with_id().await {
                if let Ok((id, result)) = joined
                    && let Some(place) = order.iter().position(|task| *task == id)
                {
                    seen[place] = result.map_err(Failure::from);
                }
            }
            Looked {
                progress,
                traffic,
                seen,
            }
        })
    }

    /// Lets each judge take what its gate saw.
    fn judge(&mut self, looked: Looked) -> LookReport {
        let seats = self.gates.iter_mut().zip(looked.seen);
        let gates = seats.map(|(seat, seen)| {
            let verdict = match &seen {
                Ok(Some(observation)) => {
                    seat.last = Some(observation.clone());
                    Some(seat.judge.take(observation, &looked.progress))
                }
                _ => None,
            };
            GateReport {
                gate: seat.id.clone(),
                seen,
                verdict,
            }
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

    /// Each action is a span of its own below the run's, for whoever exports them.
    fn begin(&self, action: &Action) -> BoxFuture<Raw> {
        let splitter = Arc::clone(&self.splitter);
        let span = span_of(action);
        let begun: BoxFuture<Raw> = match action.clone() {
            Action::Preflight { progress } => {
                let look = self.look(progress);
                Box::pin(async move {
                    let findings = splitter.preflight().await.map_err(Failure::from);
                    Raw::Preflight {
                        findings,
                        looked: look.await,
                    }
                })
            }
            Action::Look { progress } => {
                let look = self.look(progress);
                Box::pin(async move { Raw::Look(look.await) })
            }
            Action::Shift(shift) => Box::pin(async move {
                let shifted = splitter.shift(&shift).await;
                Raw::Shifted(shifted.map_err(Failure::from))
            }),
            Action::ArmSwitch { traffic, fires } => {
                let switch = self.switch.clone();
                Box::pin(async move {
                    let armed = match switch {
                        Some(switch) => switch.arm(&traffic, fires).await.map_err(Failure::from),
                        None => Err(no_switch()),
                    };
                    Raw::SwitchArmed(armed)
                })
            }
            Action::DisarmSwitch => {
                let switch = self.switch.clone();
                Box::pin(async move {
                    let disarmed = match switch {
                        Some(switch) => switch.disarm().await.map_err(Failure::from),
                        None => Err(no_switch()),
                    };
                    Raw::SwitchDisarmed(disarmed)
                })
            }
            // Waits are the loop's own.
            Action::Observe | Action::Wait { .. } => Box::pin(async move {
                let observed = splitter.observe().await;
                Raw::Observed(observed.map_err(Failure::from))
            }),
        };
        Box::pin(begun.instrument(span))
    }

    fn complete(&mut self, raw: Raw) -> Input {
        match raw {
            Raw::Preflight { findings, looked } => Input::Preflighted {
                findings,
                look: self.judge(looked),
            },
            Raw::Look(looked) => Input::Looked(self.judge(looked)),
            Raw::Observed(observed) => Input::Observed(observed),
            Raw::Shifted(shifted) => Input::Shifted(shifted),
            Raw::SwitchArmed(armed) => Input::SwitchArmed(armed),
            Raw::SwitchDisarmed(disarmed) => Input::SwitchDisarmed(disarmed),
        }
    }
}

fn span_of(action: &Action) -> tracing::Span {
    match action {
        Action::Preflight { .. } => tracing::info_span!("preflight"),
        Action::Look { progress } => {
            let (phase, green) = (progress.phase, progress.green);
            tracing::info_span!("look", %phase, %green)
        }
        Action::Shift(shift) => {
            let (to, restores) = (shift.to, shift.restores());
            tracing::info_span!("shift", %to, restores)
        }
        Action::ArmSwitch { fires, .. } => tracing::info_span!("arm_switch", %fires),
        Action::DisarmSwitch => tracing::info_span!("disarm_switch"),
        Action::Observe | Action::Wait { .. } => tracing::info_span!("observe"),
    }
}

/// A plan with a switch does not run without one; a journal may be read with less.
fn no_switch() -> Failure {
    Failure::new(ErrorKind::Invalid, "no dead-man switch was supplied")
}

fn panicked() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the gate panicked while it looked")
}
