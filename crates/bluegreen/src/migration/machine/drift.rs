//! A third party changed the rule: this run writes nothing more, and continues to read and to warn.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, HoldReason, MigrationEvent, MigrationMachine, Next, State,
    TrafficObservation, Unchanged,
    preflight::refusal_of,
    reads::Read,
    state::{DriftStep, Drifted},
};
use crate::{clock::later, health::Phase, migration::LookReport};

/// The likely cause if reads show the weights from before the run again.
const PUT_BACK: &str = "these are the weights from before this run, so infrastructure code \
    (Terraform, CloudFormation, a controller) has likely put its own state back: let it ignore the \
    weights while traffic is moved";
/// How often the warning of an unhealthy green is repeated.
const TELL_AGAIN: Duration = Duration::from_secs(60);

impl MigrationMachine {
    /// Tells the differences, and returns them.
    pub(super) fn tell_drift(&mut self, at: Timestamp, found: TrafficObservation) -> Vec<String> {
        let mut diff = Vec::new();
        if let Some(expected) = &self.expected {
            diff = found.drift_from(expected);
            if self.moved
                && found.is_same_rest(expected)
                && self.weights_at_start == Some(found.weights)
            {
                diff.push(PUT_BACK.to_owned());
            }
        }
        self.remember(at, &found);
        self.tell(MigrationEvent::Drifted {
            diff: diff.clone(),
            traffic: found,
        });
        diff
    }

    /// Watches until `until`, since a third party changed the rule, unless it was the dead-man switch.
    pub(super) fn drifted(
        &mut self,
        at: Timestamp,
        found: TrafficObservation,
        until: Timestamp,
    ) -> Next<Action> {
        if self.has_fired(at, &found) {
            return self.on_fired(at, found);
        }
        let is_all_blue = found.is_all_blue();
        let diff = self.tell_drift(at, found);
        if !self.moved {
            return self.unchanged(at, Unchanged::Drift { diff });
        }
        let drifted = Drifted {
            diff,
            since: at,
            until: until.min(self.deadline),
            unhealthy: None,
            told: None,
            outstanding: DriftStep::Wait,
        };
        if is_all_blue || at >= drifted.until {
            // Blue serves everything: no warning is needed any more.
            return self.end_drifted(at, drifted);
        }
        if self.may_fire() {
            // The switch would write over the third party's change.
            self.state = State::Drifted(Drifted {
                outstanding: DriftStep::Disarm,
                ..drifted
            });
            return Next::Do(Action::DisarmSwitch);
        }
        self.wait_drifted(at, drifted)
    }

    /// Ends, since the rule or a target group was deleted: nothing is left that this run could write.
    pub(super) fn gone(&mut self, at: Timestamp, failure: Failure) -> Next<Action> {
        if !self.moved {
            let findings = vec![refusal_of(&failure)];
            return self.unchanged(at, Unchanged::Refused { findings });
        }
        let unhealthy = self.standings.unhealthy(at);
        if let Some((gate, verdict)) = unhealthy {
            let summary = format!(
                "ROLLBACK BLOCKED: green is unhealthy ({gate}: {}), and the rule or a target group is \
                 gone",
                verdict.evidence().summary
            );
            let mut unresolved = self.unresolved(at, summary);
            unresolved.failure = Some(failure);
            return self.end_unresolved(unresolved);
        }
        self.hold(at, HoldReason::Gone { failure })
    }

    fn wait_drifted(&mut self, at: Timestamp, drifted: Drifted) -> Next<Action> {
        let until = later(at, self.plan.look_interval()).min(drifted.until);
        self.state = State::Drifted(Drifted {
            outstanding: DriftStep::Wait,
            ..drifted
        });
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_drift_disarmed(
        &mut self,
        at: Timestamp,
        drifted: Drifted,
        disarmed: Result<(), Failure>,
    ) -> Next<Action> {
        if drifted.outstanding != DriftStep::Disarm {
            self.state = State::Drifted(drifted);
            return Next::Keep;
        }
        self.take_disarmed(disarmed);
        if let Some(end) = self.give_way(at) {
            return end;
        }
        if at >= drifted.until {
            return self.end_drifted(at, drifted);
        }
        self.wait_drifted(at, drifted)
    }

    pub(super) fn on_drift_waited(
        &mut self,
        at: Timestamp,
        drifted: Drifted,
        clock_fault: bool,
    ) -> Next<Action> {
        if drifted.outstanding != DriftStep::Wait {
            self.state = State::Drifted(drifted);
            return Next::Keep;
        }
        if clock_fault || at >= drifted.until {
            return self.end_drifted(at, drifted);
        }
        self.look_drifted(at, drifted)
    }

    pub(super) fn look_drifted(&mut self, at: Timestamp, drifted: Drifted) -> Next<Action> {
        let progress = self.progress(at, Phase::Bake, drifted.since);
        let until = drifted.until;
        self.state = State::Drifted(Drifted {
            outstanding: DriftStep::Look,
            ..drifted
        });
        self.look_until(at, progress, until)
    }

    pub(super) fn on_drift_looked(
        &mut self,
        at: Timestamp,
        mut drifted: Drifted,
        look: LookReport,
    ) -> Next<Action> {
        if drifted.outstanding != DriftStep::Look {
            self.state = State::Drifted(drifted);
            return Next::Keep;
        }
        self.standings.take(at, look.gates, self.standing_time());
        self.tell(MigrationEvent::Looked {
            phase: Phase::Bake,
            traffic: look.traffic.clone(),
            gates: self.standings.at(at),
            paused: false,
            bake_until: drifted.until,
            deadline: drifted.until,
            next_look: later(at, self.plan.look_interval()).min(drifted.until),
        });
        match &look.traffic {
            Ok(traffic) => {
                self.remember(at, traffic);
                if traffic.is_all_blue() {
                    return self.end_drifted(at, drifted);
                }
            }
            Err(failure) if self.take_read(at, &look.traffic) == Read::Gone => {
                return self.gone(at, failure.clone());
            }
            Err(_) => {}
        }
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            let summary = verdict.evidence().summary.clone();
            drifted.unhealthy = Some(format!("{gate}: {summary}"));
            if drifted
                .told
                .is_none_or(|told| at >= later(told, TELL_AGAIN))
            {
                drifted.told = Some(at);
                let command = self.last.as_ref();
                self.tell(MigrationEvent::RestoreBlocked {
                    cause: Cause::Gate { gate, summary },
                    command: command.and_then(|(_, traffic)| traffic.restore_command.clone()),
                });
            }
        }
        self.wait_drifted(at, drifted)
    }

    pub(super) fn control_drifted(
        &mut self,
        at: Timestamp,
        mut drifted: Drifted,
        control: Control,
    ) -> Next<Action> {
        if control.is_ending() {
            if drifted.outstanding == DriftStep::Disarm {
                self.effect(control, crate::engine::ControlEffect::AfterChange);
                drifted.until = at;
                self.state = State::Drifted(drifted);
                return Next::Keep;
            }
            self.effect(control, crate::engine::ControlEffect::Applied);
            return self.end_drifted(at, drifted);
        }
        self.ignored(
            control,
            "a third party changed the rule, and this run writes nothing more",
        );
        self.state = State::Drifted(drifted);
        Next::Keep
    }

    /// Ends held; a person is needed if blue was to be restored and the third party's change prevented that.
    pub(super) fn end_drifted(&mut self, at: Timestamp, drifted: Drifted) -> Next<Action> {
        let is_all_blue = self.traffic().is_some_and(TrafficObservation::is_all_blue);
        if let (Some(unhealthy), false) = (&drifted.unhealthy, is_all_blue) {
            let summary = format!(
                "ROLLBACK BLOCKED: green is unhealthy ({unhealthy}), and a third party changed the \
                 rule ({}), so this run did not write",
                drifted.diff.join("; ")
            );
            let unresolved = self.unresolved(at, summary);
            return self.end_unresolved(unresolved);
        }
        let Drifted {
            diff, unhealthy, ..
        } = drifted;
        self.hold(at, HoldReason::Drift { diff, unhealthy })
    }
}
