//! The dead-man switch: armed before the first rise, renewed at the looks, disarmed at the end.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, End, Failure, MigrationEvent, MigrationMachine, MigrationOutcome, Next, Stage,
    State, TrafficObservation, Unchanged, Watch,
    preflight::refusal_of,
    reads::Read,
    state::{ArmingSwitch, DisarmStep, DisarmingSwitch, Restore, Switch, ThenWatch},
};
use crate::{
    clock::{between, later, sooner},
    engine::{
        Control,
        retry::{APART, back_off},
    },
    error::ErrorKind,
    migration::StandingSwitch,
    traffic::Armed,
};

/// How old the newest arming may be at a look, before the switch is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(45);
/// How far the clock that fires the switch may be ahead of ours.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// How long after its time the switch may still fire: a scheduler keeps its minute, and retries for
/// another minute.
const LATE: Duration = Duration::from_secs(120);
/// How long before the switch fires everything must be on its way back to blue.
pub(super) const MARGIN: Duration = Duration::from_secs(120);
/// How often the run tries to disarm the dead-man switch, if the switch can do no harm any more, or if
/// further tries are unlikely to help.
pub(super) const FEW_ATTEMPTS: u32 = 3;

impl MigrationMachine {
    /// Returns whether the switch must be armed, or renewed, before anything else.
    pub(super) fn is_switch_due(&self, at: Timestamp) -> bool {
        let renewed = self.switch.renewed;
        let is_old = renewed.is_none_or(|renewed| at >= later(renewed, RENEW_AFTER));
        self.plan.dead_man().is_some()
            && (is_old || self.switch.is_stale)
            && self.taken_over.is_none()
            && self.last.is_some()
    }

    /// Returns whether nothing may rise, since the switch is not armed for the present routing.
    pub(super) fn is_switch_missing(&self) -> bool {
        let is_fresh = self.switch.renewed.is_some() && !self.switch.is_stale;
        self.plan.dead_man().is_some() && !is_fresh
    }

    /// Notes that the switch must be armed again, for the present routing.
    pub(super) fn outdate_switch(&mut self) {
        self.switch.is_stale = true;
    }

    /// Notes that an earlier run may have left a switch.
    pub(super) fn suspect_switch(&mut self, at: Timestamp) {
        if self.plan.dead_man().is_some() {
            self.switch.may_fire = Some(at);
        }
    }

    /// Arms the switch for the routing that was read last, and then continues to watch; at once if the
    /// plan keeps no switch.
    pub(super) fn arm_switch(
        &mut self,
        at: Timestamp,
        watch: Watch,
        then: ThenWatch,
    ) -> Next<Action> {
        let (Some(after), Some((_, traffic))) = (self.plan.dead_man(), self.last.clone()) else {
            return self.go_on_watching(at, watch, then);
        };
        let fires = whole_second(later(at, after));
        // From here on the switch may be armed, whatever the answer.
        self.switch.may_fire = Some(self.switch.may_fire.unwrap_or(fires));
        self.state = State::ArmingSwitch(ArmingSwitch {
            watch: Watch {
                looking: false,
                ..watch
            },
            then,
            since: at,
            fires,
            controls: Vec::new(),
        });
        Next::Do(Action::ArmSwitch { traffic, fires })
    }

    fn go_on_watching(&mut self, at: Timestamp, watch: Watch, then: ThenWatch) -> Next<Action> {
        match then {
            ThenWatch::Look => self.look_now(at, watch),
            ThenWatch::Wait => self.wait(at, watch),
        }
    }

    pub(super) fn on_switch_armed(
        &mut self,
        at: Timestamp,
        arming: ArmingSwitch,
        armed: Result<Armed, Failure>,
    ) -> Next<Action> {
        let ArmingSwitch {
            watch,
            then,
            since,
            fires,
            controls,
        } = arming;
        let failure = match armed {
            Ok(armed) => {
                let in_time = |old: Timestamp| later(at, CLOCK_SLACK) < old;
                if self.switch.may_fire.is_none_or(in_time) {
                    self.switch.may_fire = Some(fires);
                }
                self.switch.renewed = Some(since);
                self.switch.fires = Some(fires);
                self.switch.armed = Some(armed.clone());
                self.switch.is_stale = false;
                self.tell(MigrationEvent::SwitchArmed { armed, fires });
                None
            }
            Err(failure) => {
                self.tell(MigrationEvent::SwitchFailed {
                    failure: failure.clone(),
                    fires: self.switch.fires,
                });
                Some(failure)
            }
        };
        if let Some(end) = self.give_way(at) {
            return end;
        }
        if let Some(failure) = self.journal_failure.clone() {
            return self.undo(at, Cause::JournalFailed { failure });
        }
        let next = match failure {
            None => self.go_on_watching(at, watch, then),
            Some(failure) => self.on_not_armed(at, watch, failure),
        };
        self.take_controls(at, controls, next)
    }

    fn on_not_armed(&mut self, at: Timestamp, watch: Watch, failure: Failure) -> Next<Action> {
        // A third party may have changed the rule: a look shows that.
        let is_lasting = !failure.kind.is_transient() && failure.kind != ErrorKind::Conflict;
        if watch.stage == Stage::Arming {
            if is_lasting {
                let mut finding = refusal_of(&failure);
                finding.message = format!("the dead-man switch cannot be armed: {failure}");
                let findings = vec![finding];
                return self.unchanged(at, Unchanged::Refused { findings });
            }
            if at >= watch.deadline || at >= self.deadline {
                let short = format!("the dead-man switch was not armed: {failure}");
                return self.on_deadline(at, &watch, Some(short));
            }
            if failure.kind == ErrorKind::Conflict {
                return self.look_now(at, watch);
            }
            return self.wait(at, watch);
        }
        let next_try = later(self.next_look(at, &watch), MARGIN);
        if self.switch.may_fire.is_some_and(|fires| next_try >= fires) {
            return self.undo(at, Cause::SwitchFailed { failure });
        }
        self.look_now(at, watch)
    }

    /// Takes a split that was read while the switch may have fired. A split that is not all blue, read
    /// when the earlier arming can fire no more, shows that it did not fire.
    pub(super) fn clear_switch(&mut self, at: Timestamp, traffic: &TrafficObservation) {
        let Switch {
            renewed: Some(renewed),
            fires: Some(fires),
            ..
        } = self.switch
        else {
            return;
        };
        if !traffic.is_all_blue() && at >= later(renewed, LATE) {
            self.switch.may_fire = Some(fires);
        }
    }

    /// Returns whether the switch explains what was found, rather than a third party.
    pub(super) fn has_fired(&self, at: Timestamp, found: &TrafficObservation) -> bool {
        let is_time = |fires| later(at, CLOCK_SLACK) >= fires;
        let is_same_rule =
            |expected: &TrafficObservation| expected.is_same_rest(found) && !expected.is_all_blue();
        self.switch.may_fire.is_some_and(is_time)
            && found.is_all_blue()
            && self.expected.as_ref().is_some_and(is_same_rule)
    }

    /// The switch has written blue. Blue is written once more, since this run has no answer to the
    /// switch's write.
    pub(super) fn on_fired(&mut self, at: Timestamp, traffic: TrafficObservation) -> Next<Action> {
        self.tell(MigrationEvent::SwitchFired {
            traffic: traffic.clone(),
        });
        self.forget_sent();
        self.remember(at, &traffic);
        self.expected = Some(traffic);
        let cause = Cause::SwitchFired;
        self.send_restore(at, Restore::new(at, cause))
    }

    pub(super) fn may_fire(&self) -> bool {
        self.switch.may_fire.is_some()
    }

    /// Takes the answer to a disarming after which the run does not end.
    pub(super) fn take_disarmed(&mut self, disarmed: Result<(), Failure>) {
        match disarmed {
            Ok(()) => {
                self.switch = Switch::default();
                self.tell(MigrationEvent::SwitchDisarmed);
            }
            Err(failure) => {
                let fires = self.switch.fires;
                self.tell(MigrationEvent::SwitchFailed { failure, fires });
            }
        }
    }

    /// Returns the switch for the report, if there may be one.
    pub(super) fn standing_switch(&self) -> Option<StandingSwitch> {
        let armed = self.switch.armed.as_ref();
        Some(StandingSwitch {
            fires: self.switch.fires.or(self.switch.may_fire)?,
            disarm_command: armed.and_then(|armed| armed.disarm_command.clone()),
        })
        .filter(|_| self.switch.may_fire.is_some())
    }

    /// Ends, once the switch is disarmed if there may be one.
    pub(super) fn end_disarmed(
        &mut self,
        at: Timestamp,
        outcome: MigrationOutcome,
    ) -> Next<Action> {
        if self.switch.may_fire.is_none() {
            return self.ended(at, outcome);
        }
        let disarming = DisarmingSwitch {
            outcome,
            attempt: 1,
            step: DisarmStep::Call,
        };
        if self.taken_over.is_some() {
            // The successor renews or disarms the switch.
            return self.end_armed(at, disarming);
        }
        self.disarm_switch(disarming)
    }

    pub(super) fn disarm_switch(&mut self, disarming: DisarmingSwitch) -> Next<Action> {
        self.state = State::DisarmingSwitch(DisarmingSwitch {
            step: DisarmStep::Call,
            ..disarming
        });
        Next::Do(Action::DisarmSwitch)
    }

    pub(super) fn on_switch_disarmed(
        &mut self,
        at: Timestamp,
        disarming: DisarmingSwitch,
        disarmed: Result<(), Failure>,
    ) -> Next<Action> {
        if disarming.step != DisarmStep::Call {
            self.state = State::DisarmingSwitch(disarming);
            return Next::Keep;
        }
        let failure = match disarmed {
            Ok(()) => {
                let may_have = |fires| later(at, CLOCK_SLACK) >= fires;
                if disarming.leaves_green() && self.switch.may_fire.is_some_and(may_have) {
                    return self.look_before_end(disarming);
                }
                self.switch = Switch::default();
                self.tell(MigrationEvent::SwitchDisarmed);
                return self.ended(at, disarming.outcome);
            }
            Err(failure) => failure,
        };
        self.tell(MigrationEvent::SwitchFailed {
            failure: failure.clone(),
            fires: self.switch.fires,
        });
        let is_hurried = matches!(
            &disarming.outcome,
            MigrationOutcome::RolledBack {
                cause: Cause::Cancelled { .. },
                ..
            } | MigrationOutcome::Unchanged {
                reason: Unchanged::Cancelled { .. },
                ..
            }
        );
        let harmless = !disarming.leaves_green();
        // A failure that lasts is tried again all the same, but not for long.
        let is_last = disarming.attempt >= FEW_ATTEMPTS;
        let gives_up = if harmless || !failure.kind.is_transient() {
            is_last || (harmless && is_hurried)
        } else {
            self.is_too_late(at)
        };
        if gives_up || self.taken_over.is_some() {
            return self.end_armed(at, disarming);
        }
        self.wait_disarming(at, disarming, DisarmStep::Wait)
    }

    /// Returns whether the switch is about to fire, so that only a person can help.
    fn is_too_late(&self, at: Timestamp) -> bool {
        let fires = self.switch.may_fire;
        fires.is_some_and(|fires| at >= sooner(fires, CLOCK_SLACK))
    }

    fn wait_disarming(
        &mut self,
        at: Timestamp,
        disarming: DisarmingSwitch,
        step: DisarmStep,
    ) -> Next<Action> {
        let until = later(at, back_off(disarming.attempt));
        self.state = State::DisarmingSwitch(DisarmingSwitch {
            attempt: disarming.attempt + 1,
            step,
            ..disarming
        });
        Next::Do(Action::Wait { until })
    }

    /// The switch is gone, and may have fired before: the split shows that.
    fn look_before_end(&mut self, disarming: DisarmingSwitch) -> Next<Action> {
        self.state = State::DisarmingSwitch(DisarmingSwitch {
            step: DisarmStep::Observe,
            ..disarming
        });
        Next::Do(Action::Observe)
    }

    pub(super) fn on_disarm_observed(
        &mut self,
        at: Timestamp,
        disarming: DisarmingSwitch,
        observed: Result<TrafficObservation, Failure>,
    ) -> Next<Action> {
        if disarming.step != DisarmStep::Observe {
            self.state = State::DisarmingSwitch(disarming);
            return Next::Keep;
        }
        match observed {
            Ok(traffic) if self.taken_over.is_some() => {
                self.switch = Switch::default();
                self.tell(MigrationEvent::SwitchDisarmed);
                self.read(at, &traffic);
                self.give_way(at).unwrap_or(Next::Keep)
            }
            Ok(traffic) => {
                let has_fired = self.has_fired(at, &traffic);
                let is_held = matches!(disarming.outcome, MigrationOutcome::Held { .. });
                let read = match has_fired || is_held {
                    // A drift for which the run was held does not count again.
                    true => Read::Current,
                    false => self.read(at, &traffic),
                };
                let is_apart = |steady| between(steady, at) >= APART;
                let is_settled = has_fired || is_held || self.steady_since().is_some_and(is_apart);
                if read != Read::Drift && !is_settled {
                    return self.wait_disarming(at, disarming, DisarmStep::WaitToObserve);
                }
                self.switch = Switch::default();
                self.tell(MigrationEvent::SwitchDisarmed);
                if has_fired {
                    return self.on_fired(at, traffic);
                }
                if read == Read::Drift {
                    return self.drifted(at, traffic, at);
                }
                self.remember(at, &traffic);
                self.ended(at, disarming.outcome)
            }
            Err(_) if self.taken_over.is_some() || disarming.attempt >= FEW_ATTEMPTS * 2 => {
                self.end_armed(at, disarming)
            }
            Err(failure) => {
                self.tell(MigrationEvent::ReadFailed {
                    failure,
                    retry_at: later(at, back_off(disarming.attempt)),
                });
                self.wait_disarming(at, disarming, DisarmStep::WaitToObserve)
            }
        }
    }

    pub(super) fn on_disarm_waited(
        &mut self,
        at: Timestamp,
        disarming: DisarmingSwitch,
        clock_fault: bool,
    ) -> Next<Action> {
        match disarming.step {
            DisarmStep::Wait | DisarmStep::WaitToObserve if clock_fault => {
                self.end_armed(at, disarming)
            }
            DisarmStep::Wait => self.disarm_switch(disarming),
            DisarmStep::WaitToObserve => self.look_before_end(disarming),
            DisarmStep::Call | DisarmStep::Observe => {
                self.state = State::DisarmingSwitch(disarming);
                Next::Keep
            }
        }
    }

    /// After the process ended: whatever the outcome of the call was, it is made again.
    pub(super) fn resume_disarming(
        &mut self,
        at: Timestamp,
        disarming: DisarmingSwitch,
        traffic: TrafficObservation,
        controls: Vec<Control>,
    ) -> Next<Action> {
        for control in controls {
            self.ignored(
                control,
                "the run was ending already: only its last clean-up was left",
            );
        }
        if self.has_fired(at, &traffic) {
            return self.on_fired(at, traffic);
        }
        self.remember(at, &traffic);
        self.disarm_switch(disarming)
    }

    /// Ends while there may be a switch.
    pub(super) fn end_armed(&mut self, at: Timestamp, disarming: DisarmingSwitch) -> Next<Action> {
        let is_harmless = !disarming.leaves_green() || self.taken_over.is_some();
        if is_harmless {
            let mut outcome = disarming.outcome;
            outcome.report_mut().switch = self.standing_switch();
            return self.ended(at, outcome);
        }
        let summary = "NOT DISARMED: the dead-man switch may still put everything back on blue";
        let mut unresolved = self.unresolved(at, summary.to_owned());
        unresolved.change_unseen |= matches!(
            disarming.step,
            DisarmStep::Observe | DisarmStep::WaitToObserve
        );
        self.end_unresolved(unresolved)
    }

    fn ended(&mut self, at: Timestamp, mut outcome: MigrationOutcome) -> Next<Action> {
        let newest = self.report(at);
        let report = outcome.report_mut();
        report.ended = at;
        report.traffic = newest.traffic;
        report.traffic_read_at = newest.traffic_read_at;
        report.capacity = self.standing_capacity();
        self.tell(MigrationEvent::Ended {
            exit_code: outcome.exit_code(),
            outcome: outcome.clone(),
        });
        self.state = State::Ended(End::Known(outcome));
        Next::End
    }
}

impl DisarmingSwitch {
    /// Returns whether the switch would change the traffic that this outcome reports.
    fn leaves_green(&self) -> bool {
        matches!(
            self.outcome,
            MigrationOutcome::Promoted { .. } | MigrationOutcome::Held { .. }
        )
    }
}

/// Schedulers know no fractions of a second; the next whole second is not too early.
fn whole_second(at: Timestamp) -> Timestamp {
    let up = later(at, Duration::from_nanos(999_999_999));
    Timestamp::from_second(up.as_second()).unwrap_or(at)
}
