//! The state of the workflow: machine, judges, lease, and what is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::OnceLock,
};

use aws_config::{BehaviorVersion, SdkConfig};
use bluegreen::{
    Aws, ErrorKind,
    engine::Control,
    host::{MigrationWorker, Next, Work},
    migration::{Action, Input, MigrationEvent, MigrationMachine},
    store::CarriedLease,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use temporalio_sdk::WorkflowResult;

use super::run::{Answer, Leased, cannot};
use crate::data::{Carried, Changed, Ended, Looked, Pinned, Status, failure};

/// How many events the query shows.
const SHOWN: usize = 30;

/// Everything that signals and queries reach.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) running: Option<Running>,
    /// Controls that the machine was not told yet.
    pub(super) controls: VecDeque<Control>,
    /// Signals that are no control, by their names.
    refused: BTreeMap<String, String>,
}

/// A migration that has begun.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pinned: Pinned,
    machine: MigrationMachine,
    /// Folds what gates saw. Its roles are never called.
    worker: MigrationWorker,
    pub(super) lease: Option<CarriedLease>,
    /// Whether another controller holds the rule now, so that the lease is not asked for again.
    is_taken_over: bool,
    /// The outstanding action.
    pub(super) action: Option<Action>,
    told: VecDeque<String>,
    /// Whether a step has begun in this run of the workflow.
    pub(super) is_step_over: bool,
}

impl State {
    /// Takes a signal. A signal that is no control is told, and does nothing: it must not stop the workflow.
    pub(super) fn tell(&mut self, name: &str, told: Value) {
        let mut control = match told {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        control.insert("control".to_owned(), name.into());
        // To restore, no name is needed.
        if name == "abort" {
            let by = control.entry("by".to_owned());
            by.or_insert_with(|| "a signal without a name".into());
        }
        match serde_json::from_value(Value::Object(control)) {
            Ok(control) => self.controls.push_back(control),
            Err(error) => {
                self.refused.insert(name.to_owned(), error.to_string());
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        let running = self.running.as_ref();
        let doing = match running.map(|running| running.action.as_ref()) {
            None => "begins".to_owned(),
            Some(None) => "has ended".to_owned(),
            Some(Some(action)) => doing(action),
        };
        let told = running.map(|running| running.told.iter().cloned().collect());
        let mut status = Status {
            from: running.map(|running| running.pinned.from.to_string()),
            doing,
            holds_lease: running.is_some_and(|running| running.lease.is_some()),
            events: told.unwrap_or_default(),
        };
        let refused = self.refused.iter();
        let refused = refused.map(|(name, why)| format!("the signal `{name}` does nothing: {why}"));
        status.events.extend(refused);
        status
    }

    /// The state for the next run of the workflow.
    pub(super) fn carry(&self) -> WorkflowResult<Carried> {
        let running = self
            .running
            .as_ref()
            .ok_or_else(|| cannot("the run has not begun"))?;
        let judges = running.worker.judges();
        let action = running.action.clone();
        Ok(Carried {
            pinned: running.pinned.clone(),
            machine: running.machine.clone(),
            judges: judges.ok_or_else(|| cannot("a judge makes no snapshot"))?,
            lease: running.lease.clone(),
            action: action.ok_or_else(|| cannot("nothing is outstanding"))?,
            told: running.told.iter().cloned().collect(),
            controls: self.controls.iter().cloned().collect(),
        })
    }

    /// The end as the workflow's result.
    pub(super) fn ended(&self) -> WorkflowResult<Ended> {
        let end = self
            .running
            .as_ref()
            .and_then(|running| running.machine.end());
        match end {
            None => Err(cannot("the machine has not ended")),
            Some(Ok(outcome)) => Ok(Ended {
                exit_code: outcome.exit_code(),
                told: outcome.to_string(),
                outcome: serde_json::to_value(outcome).unwrap_or_default(),
            }),
            Some(Err(unresolved)) => {
                Err(cannot(format!("not restored, or not known: {unresolved}")))
            }
        }
    }
}

impl Running {
    pub(super) fn new(pinned: Pinned, lease: CarriedLease) -> WorkflowResult<Self> {
        let worker = folding(&pinned)?;
        let plan = pinned
            .spec
            .plan()
            .map_err(|error| cannot(error.to_string()))?;
        Ok(Self {
            machine: worker.machine(plan),
            worker,
            pinned,
            lease: Some(lease),
            is_taken_over: false,
            action: None,
            told: VecDeque::new(),
            is_step_over: false,
        })
    }

    pub(super) fn carried(carried: Carried) -> WorkflowResult<Self> {
        let worker = folding(&carried.pinned)?;
        let worker = worker.with_judges(&carried.judges);
        Ok(Self {
            machine: carried.machine,
            worker: worker.map_err(|error| cannot(error.to_string()))?,
            pinned: carried.pinned,
            lease: carried.lease,
            is_taken_over: false,
            action: Some(carried.action),
            told: carried.told.into(),
            is_step_over: false,
        })
    }

    pub(super) fn judges(&self) -> Option<Value> {
        self.worker.judges()
    }

    pub(super) fn wants_lease(&self) -> bool {
        self.lease.is_none() && !self.is_taken_over
    }

    /// Tells the machine what happened.
    pub(super) fn on(&mut self, at: Timestamp, input: Input) -> Next<Action> {
        let transition = self.machine.on(at, input);
        for event in &transition.events {
            self.is_step_over |= matches!(event, MigrationEvent::Shifted { .. });
            self.told.push_back(format!("{at:.0}  {event}"));
        }
        while self.told.len() > SHOWN {
            self.told.pop_front();
        }
        if transition.next == Next::End {
            self.action = None;
        }
        transition.next
    }

    /// Tells the machine the answer to its action.
    pub(super) fn answered(&mut self, at: Timestamp, answer: Answer) -> Next<Action> {
        let Some(action) = self.action.clone() else {
            return Next::Keep;
        };
        let input = match answer {
            Answer::Waited(lease) => {
                if let Next::Do(next) = self.renewed(at, lease) {
                    return Next::Do(next);
                }
                Input::Waited { clock_fault: false }
            }
            Answer::Read(read) => {
                let Looked { answer, lease } = *read;
                if let Some(lease) = lease {
                    match self.renewed(at, Some(lease)) {
                        Next::Keep => {}
                        other => return other,
                    }
                }
                match answer {
                    Ok(answer) => self.worker.fold(answer),
                    Err(failure) => action.failed(failure),
                }
            }
            Answer::Changed(Changed::Answered { answer, lease }) => {
                self.lease = lease;
                self.worker.fold(*answer)
            }
            Answer::Changed(Changed::NotBegun { failure }) | Answer::NotBegun(failure) => {
                if failure.kind == ErrorKind::TakenOver {
                    match self.lost(at, failure.clone()) {
                        Next::Keep => {}
                        other => return other,
                    }
                }
                action.not_begun(failure)
            }
            Answer::Failed(failure) => {
                if matches!(action.work(), Work::Change { .. }) {
                    // The worker may only have been stopped, with the lease in its hand.
                    self.lease = None;
                }
                action.failed(failure)
            }
        };
        self.on(at, input)
    }

    /// Keeps the lease that a worker renewed. A store that does not answer changes nothing: the lease may be carried
    /// on later.
    fn renewed(
        &mut self,
        at: Timestamp,
        lease: Option<Result<CarriedLease, bluegreen::Failure>>,
    ) -> Next<Action> {
        match lease {
            Some(Ok(lease)) => self.lease = Some(lease),
            Some(Err(failure)) if failure.kind == ErrorKind::TakenOver => {
                return self.lost(at, failure);
            }
            Some(Err(_)) | None => {}
        }
        Next::Keep
    }

    /// Another controller holds the rule.
    fn lost(&mut self, at: Timestamp, failure: bluegreen::Failure) -> Next<Action> {
        self.lease = None;
        self.is_taken_over = true;
        self.on(at, Input::JournalFailed(failure))
    }

    /// Takes what asking for the lease brought.
    pub(super) fn leased(&mut self, at: Timestamp, leased: Leased) -> Next<Action> {
        match leased {
            Ok(lease) => {
                self.lease = Some(lease);
                Next::Keep
            }
            // A controller that lives.
            Err(other) if matches!(other.kind, ErrorKind::Held | ErrorKind::TakenOver) => {
                self.lost(at, failure(ErrorKind::TakenOver, other.message))
            }
            // Asked for again.
            Err(_) => Next::Keep,
        }
    }
}

/// A worker that only folds: no role of it is called, so it needs no AWS, and does no I/O.
fn folding(pinned: &Pinned) -> WorkflowResult<MigrationWorker> {
    static OFFLINE: OnceLock<Aws> = OnceLock::new();
    let aws = OFFLINE.get_or_init(|| {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        Aws::from_config(&config.build())
    });
    let folding = pinned
        .target(aws)
        .and_then(|target| pinned.spec.worker(aws, &target));
    folding.map_err(|error| cannot(error.to_string()))
}

fn doing(action: &Action) -> String {
    match action {
        Action::Wait { until } => format!("waits until {until:.0}"),
        Action::Shift(shift) => format!("shifts traffic to {}", shift.to),
        Action::Preflight { .. } => "surveys before the start".to_owned(),
        Action::Look { .. } => "looks".to_owned(),
        _ => match action.work() {
            Work::Change { .. } => "makes a change beside the rule".to_owned(),
            _ => "reads".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bluegreen::engine::Operator;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signal_is_a_control() {
        let mut state = State::default();
        state.tell("abort", Value::Null);
        state.tell("pause", json!({ "by": "ann", "length": "10m" }));
        state.tell("continue", json!({ "by": "ann" }));
        let by = || Operator::new("ann");
        let length = Some(Duration::from_secs(600));
        let expected = [
            Control::Abort {
                by: Operator::new("a signal without a name"),
            },
            Control::Pause { by: by(), length },
            Control::Continue { by: by() },
        ];
        assert_eq!(Vec::from(state.controls), expected);
    }

    #[test]
    fn p01_an_override_without_a_name_does_nothing_and_is_told() {
        let mut state = State::default();
        state.tell("promote", Value::Null);
        state.tell("leave", json!("now"));
        assert!(state.controls.is_empty());
        let told = state.status().events;
        assert!(
            told[0].starts_with("the signal `leave` does nothing: "),
            "{told:?}"
        );
        assert!(told[1].contains("`by`"), "{told:?}");
    }
}
