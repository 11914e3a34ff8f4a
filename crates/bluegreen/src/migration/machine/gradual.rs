//! Going back to a blue that has shrunk, while green is healthy: a part at a time, as blue's targets come.
//!
//! Each part is written as a rise is: over the routing that was just read and nothing else, and only by
//! the holder of the journal. So a late write cannot give green back the share that a restore took,
//! unless a read shows that share. At the first sign that green is not healthy, or if that cannot be
//! known, everything goes at once.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, MigrationEvent, MigrationMachine, Next, State, TrafficSplit,
    reads::Read,
    restore::unchanged_by,
    state::{Restore, ReturnStep, Returning, Watch},
    switch::MARGIN,
};
use crate::{
    clock::{between, later, sooner, span},
    engine::{ControlEffect, OnCancel, retry::next_beat},
    error::ErrorKind,
    migration::{LookReport, ShortBlue},
    traffic::{Over, Percent, Shift, Shifted},
};

impl MigrationMachine {
    /// Returns how many targets blue lacks to serve everything, if it lacks any.
    pub(super) fn short_blue(&self) -> Option<ShortBlue> {
        let (_, last) = self.last.as_ref()?;
        let healthy = last.targets.blue.healthy;
        let at_start = self.blue_at_start?;
        (most_on_blue(healthy, at_start) < Percent::HUNDRED).then_some(ShortBlue {
            healthy,
            at_start,
            stages: 0,
            at_once: None,
        })
    }

    /// Puts everything back on blue from a stage that is watched: a part at a time if blue has shrunk,
    /// green is healthy, and there is time for that. `within` is the time there is, if that is less than
    /// the plan allows.
    pub(super) fn go_back(
        &mut self,
        at: Timestamp,
        watch: &Watch,
        cause: Cause,
        within: Result<Duration, &'static str>,
    ) -> Next<Action> {
        if !self.moved {
            return self.unchanged(at, unchanged_by(cause));
        }
        let Some(short) = self.short_blue() else {
            return self.undo(at, cause);
        };
        self.tell_rolling_back(&cause);
        let (since, phase) = (watch.since, watch.stage.phase());
        let returning = Returning {
            cause,
            short,
            since: at,
            until: at,
            watched_since: since,
            phase,
            sent: None,
            looks: 0,
            hurried: None,
            outstanding: ReturnStep::Look,
        };
        match self.may_return_until(at, within) {
            Ok(until) => {
                self.tell(MigrationEvent::Returning {
                    healthy: returning.short.healthy,
                    at_start: returning.short.at_start,
                    until,
                });
                self.return_more(at, Returning { until, ..returning })
            }
            Err(why) => self.return_all(at, returning, why),
        }
    }

    /// Returns the end of the time for a gradual restore, or why everything must go at once.
    fn may_return_until(
        &self,
        at: Timestamp,
        within: Result<Duration, &'static str>,
    ) -> Result<Timestamp, String> {
        if let Some(failure) = self.taken_over.as_ref().or(self.journal_failure.as_ref()) {
            return Err(format!("the journal failed: {failure}"));
        }
        if self.plan.gradual_restore().is_zero() {
            return Err("the plan says so".to_owned());
        }
        if let Some(why) = self.green_in_doubt(at) {
            return Err(why);
        }
        let interval = self.plan.look_interval();
        let is_fresh = self
            .last
            .as_ref()
            .is_some_and(|(read, _)| between(*read, at) <= interval * 2);
        let is_read = self.contact.failing.is_none() && self.steady_since().is_some();
        if !is_fresh || !is_read || self.unseen().is_some() {
            return Err("the split is not certain".to_owned());
        }
        let mut until = later(at, within?.min(self.plan.gradual_restore()));
        if let Some(fires) = self.switch.may_fire {
            until = until.min(sooner(fires, MARGIN));
        }
        if later(at, interval * 2) > until {
            return Err("there is too little time to wait for blue's targets".to_owned());
        }
        Ok(until)
    }

    /// Returns why green may not keep its share, if it may not.
    fn green_in_doubt(&self, at: Timestamp) -> Option<String> {
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            return Some(format!("gate `{gate}` is {verdict}"));
        }
        let missing = self.standings.missing(at);
        match missing.as_str() {
            "" if self.standings.are_healthy(at) => None,
            "" => Some("no gate says that green is healthy".to_owned()),
            _ => Some(missing),
        }
    }

    /// Gives blue as large a share as its targets in the newest read can serve.
    fn return_more(&mut self, at: Timestamp, mut returning: Returning) -> Next<Action> {
        let Some((_, from)) = self.last.clone() else {
            return self.return_all(at, returning, "the split is not known".to_owned());
        };
        let most = most_on_blue(from.targets.blue.healthy, returning.short.at_start);
        if most == Percent::HUNDRED {
            return self.return_rest(at, returning);
        }
        let to = TrafficSplit::to_green(most.complement());
        if to.green().as_fraction() + 1e-9 >= from.green_share() {
            return self.wait_returning(at, returning);
        }
        self.tell(MigrationEvent::Shifting {
            from: from.clone(),
            to,
            attempt: 1,
        });
        returning.sent = Some(to);
        returning.looks = 0;
        returning.outstanding = ReturnStep::Call;
        self.state = State::Returning(returning);
        Next::Do(Action::Shift(Shift::new(from, to, Over::Observed)))
    }

    /// Gives blue all that is left, since blue can serve it.
    fn return_rest(&mut self, at: Timestamp, returning: Returning) -> Next<Action> {
        let restore = self.restore_after(at, returning);
        if self.taken_over.is_some() {
            // Another controller writes now; the split is read once more for the report.
            return self.read_restore_now(restore);
        }
        self.send_restore(at, restore)
    }

    /// Gives blue all that is left, although blue is short.
    pub(super) fn return_all(
        &mut self,
        at: Timestamp,
        mut returning: Returning,
        why: String,
    ) -> Next<Action> {
        self.tell(MigrationEvent::AllAtOnce {
            blue: self.last.as_ref().map(|(_, seen)| seen.targets.blue),
            why: why.clone(),
        });
        returning.short.at_once = Some(why);
        self.return_rest(at, returning)
    }

    fn restore_after(&self, at: Timestamp, returning: Returning) -> Restore {
        Restore {
            lands_until: self.lands_until(),
            short_blue: Some(returning.short),
            ..Restore::new(at, returning.cause)
        }
    }

    pub(super) fn on_return_answered(
        &mut self,
        at: Timestamp,
        mut returning: Returning,
        answer: Result<Shifted, Failure>,
    ) -> Next<Action> {
        let (ReturnStep::Call, Some(to)) = (returning.outstanding, returning.sent) else {
            self.state = State::Returning(returning);
            return Next::Keep;
        };
        let failure = match answer {
            Ok(shifted) => {
                self.sent(at, to, Some(shifted.traffic().weights));
                returning.short.stages += 1;
                match shifted {
                    Shifted::Seen(traffic) => {
                        self.read(at, &traffic);
                        self.tell(MigrationEvent::Shifted { traffic });
                    }
                    Shifted::Accepted(_) => self.tell(MigrationEvent::Accepted {
                        to,
                        visible_by: later(at, self.propagation),
                    }),
                }
                None
            }
            Err(failure) => {
                self.tell(MigrationEvent::WriteFailed {
                    to,
                    attempt: 1,
                    failure: failure.clone(),
                });
                if failure.kind == ErrorKind::OutcomeUnknown {
                    self.sent(at, to, None);
                }
                Some(failure)
            }
        };
        if let Some(failure) = failure {
            let why = format!("a part could not be written: {failure}");
            returning.short.at_once = Some(why.clone());
            let blue = self.last.as_ref().map(|(_, seen)| seen.targets.blue);
            self.tell(MigrationEvent::AllAtOnce { blue, why });
            // Whatever failed, a read shows the present state before anything is written.
            let restore = self.restore_after(at, returning);
            return self.read_restore_now(restore);
        }
        if let Some(control) = returning.hurried.take() {
            return self.return_all(at, returning, format!("{control}"));
        }
        self.wait_returning(at, returning)
    }

    /// Waits for the next look, which comes sooner while no read has shown the newest part.
    fn wait_returning(&mut self, at: Timestamp, returning: Returning) -> Next<Action> {
        if self.taken_over.is_some() {
            return self.return_rest(at, returning);
        }
        if let Some(failure) = self.journal_failure.clone() {
            return self.return_all(at, returning, format!("the journal failed: {failure}"));
        }
        let mut until = next_beat(returning.since, self.plan.look_interval(), at);
        if self.unseen().is_some() {
            // 1, 2, 4, 8 seconds, then the interval.
            until = until.min(later(at, Duration::from_secs(1 << returning.looks.min(3))));
        }
        if at < returning.until {
            until = until.min(returning.until);
        }
        self.state = State::Returning(Returning {
            outstanding: ReturnStep::Wait,
            ..returning
        });
        Next::Do(Action::Wait { until })
    }

    pub(super) fn on_return_waited(
        &mut self,
        at: Timestamp,
        returning: Returning,
        clock_fault: bool,
    ) -> Next<Action> {
        if returning.outstanding != ReturnStep::Wait {
            self.state = State::Returning(returning);
            return Next::Keep;
        }
        if clock_fault {
            let why = "waits take no time on this clock".to_owned();
            return self.return_all(at, returning, why);
        }
        if at >= returning.until {
            return self.return_late(at, returning);
        }
        self.look_at_return(at, returning)
    }

    fn return_late(&mut self, at: Timestamp, returning: Returning) -> Next<Action> {
        let taken = span(between(returning.since, at));
        let why = format!("blue's targets have not come back in {taken}");
        self.return_all(at, returning, why)
    }

    /// Looks at blue's targets, and at green. After a crash too: the look shows the outcome of the
    /// outstanding action.
    pub(super) fn look_at_return(&mut self, at: Timestamp, returning: Returning) -> Next<Action> {
        let progress = self.progress(at, returning.phase, returning.watched_since);
        let until = returning.until;
        self.state = State::Returning(Returning {
            looks: returning.looks.saturating_add(1),
            outstanding: ReturnStep::Look,
            ..returning
        });
        self.look_until(at, progress, until)
    }

    pub(super) fn on_return_looked(
        &mut self,
        at: Timestamp,
        returning: Returning,
        look: LookReport,
    ) -> Next<Action> {
        if returning.outstanding != ReturnStep::Look {
            self.state = State::Returning(returning);
            return Next::Keep;
        }
        self.standings.take(at, look.gates, self.standing_time());
        self.tell(MigrationEvent::Looked {
            phase: returning.phase,
            traffic: look.traffic.clone(),
            gates: self.standings.at(at),
            paused: false,
            bake_until: returning.since,
            deadline: returning.until,
            next_look: next_beat(returning.since, self.plan.look_interval(), at)
                .min(returning.until),
        });
        let read = self.take_read(at, &look.traffic);
        if let (Read::Gone, Err(failure)) = (read, look.traffic) {
            let restore = self.restore_after(at, returning);
            return self.restore_gone(at, restore, failure);
        }
        if let Some(why) = self.green_in_doubt(at) {
            return self.return_all(at, returning, why);
        }
        match read {
            // Before it writes, a restore reads again, since a third party's change would stand against it.
            Read::Drift | Read::Suspect => {
                let why = "a third party may have changed the rule".to_owned();
                self.return_all(at, returning, why)
            }
            Read::NeverSeen => {
                let why = "a part that was written never became visible".to_owned();
                self.return_all(at, returning, why)
            }
            Read::Failed | Read::Gone => {
                self.return_all(at, returning, "the split could not be read".to_owned())
            }
            _ if at >= returning.until => self.return_late(at, returning),
            Read::NotSeenYet => self.wait_returning(at, returning),
            // A write without an answer may still land.
            Read::Current if self.unseen().is_some() => self.wait_returning(at, returning),
            Read::Current => self.return_more(at, returning),
        }
    }

    pub(super) fn control_returning(
        &mut self,
        at: Timestamp,
        mut returning: Returning,
        control: Control,
    ) -> Next<Action> {
        let hurries = matches!(
            control,
            Control::Cancel { .. } | Control::Abort { .. } | Control::SkipWait { .. }
        );
        if !hurries {
            self.ignored(control, "blue is being restored");
            self.state = State::Returning(returning);
            return Next::Keep;
        }
        if returning.outstanding == ReturnStep::Call {
            self.effect(control.clone(), ControlEffect::AfterChange);
            returning.hurried = Some(control);
            self.state = State::Returning(returning);
            return Next::Keep;
        }
        self.effect(control.clone(), ControlEffect::Applied);
        self.return_all(at, returning, format!("{control}"))
    }

    /// Returns the time for a cancellation that may be a signal: half of the grace, so that the other
    /// half is left for the write and the reads after it.
    pub(super) fn time_of_cancel(&self) -> Result<Duration, &'static str> {
        let grace = self.plan.grace();
        grace
            .map(|grace| grace / 2)
            .ok_or("the grace of the cancelled process is not known")
    }

    /// Does what the plan says for a cancellation.
    pub(super) fn cancel(
        &mut self,
        at: Timestamp,
        watch: &Watch,
        control: Control,
        within: Result<Duration, &'static str>,
    ) -> Next<Action> {
        match self.plan.on_cancel() {
            OnCancel::RollBack => self.go_back(at, watch, Cause::Cancelled { control }, within),
            OnCancel::Hold => self.hold_as_asked(at, control),
        }
    }
}

/// Returns the largest share of blue with this number of healthy targets, given how many served
/// everything at the start: each target may get half more than it had then. A service that is spread over
/// three zones bears that, if one of them fails; and with no more than at the start per target, the
/// scaling would see no reason to add another.
fn most_on_blue(healthy: u32, at_start: u32) -> Percent {
    let tenths = u64::from(healthy) * 1500 / u64::from(at_start.max(1));
    let tenths = u16::try_from(tenths.min(1000)).unwrap_or(1000);
    Percent::from_tenths(tenths).unwrap_or(Percent::HUNDRED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_blue_gets_half_more_than_at_the_start_and_no_more() {
        for (healthy, at_start, tenths) in [
            (0, 4, 0),
            (1, 4, 375),
            (2, 4, 750),
            (3, 4, 1000),
            (1, 1, 1000),
            (2, 3, 1000),
            (1, 3, 500),
            (5, 4, 1000),
            (u32::MAX, 1, 1000),
        ] {
            let most = most_on_blue(healthy, at_start);
            assert_eq!(most.as_tenths(), tenths, "{healthy} of {at_start}");
        }
    }
}
