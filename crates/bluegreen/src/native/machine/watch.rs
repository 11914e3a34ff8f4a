//! Watches the deployment: looks, and decides after each look.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Action, Cause, HoldReason, NativeEvent, NativeMachine, NativeOutcome, Next, State, Unchanged,
    Watch,
    reads::Read,
    rules,
    state::{Fate, Waiting},
};
use crate::{
    clock::{between, later, sooner},
    engine::{
        Control, OnCancel,
        retry::{APART, back_off, next_beat},
    },
    health::{Progress, Verdict, session::GateId},
    migration::OnInconclusive,
    native::{LookReport, NativeStatus, OnTimeout, Pause},
    traffic::Percent,
};

/// A required gate that is unhealthy, and its verdict.
type Harm = (GateId, Arc<Verdict>);

impl NativeMachine {
    /// Looks now.
    pub(super) fn look(&mut self, at: Timestamp, mut watch: Watch) -> Next<Action> {
        watch.looking = true;
        let progress = Progress::new(at, watch.phase(), watch.green, watch.since)
            .with_warm_up(self.plan.warm_up());
        self.state = State::Watching(watch);
        Next::Do(Action::Look {
            progress,
            within: self.plan.look_limit(),
        })
    }

    /// Waits for the next look, which comes on a steady beat, or for a deadline if that comes first.
    pub(super) fn wait(&mut self, at: Timestamp, mut watch: Watch) -> Next<Action> {
        watch.looking = false;
        let until = self.next_look(at, &watch);
        self.state = State::Watching(watch);
        Next::Do(Action::Wait { until })
    }

    fn next_look(&self, at: Timestamp, watch: &Watch) -> Timestamp {
        let beat = next_beat(watch.since, self.plan.look_interval(), at);
        let sooner = [
            watch.pause.as_ref().map(|waiting| waiting.due),
            watch.paused.as_ref().map(|paused| paused.until),
            Some(self.deadline),
            // After a failed answer, and after the first sign of a third party.
            (watch.failed > 0).then(|| later(at, back_off(watch.failed))),
            self.successor
                .as_ref()
                .map(|(_, first)| later(*first, APART)),
            self.absent.map(|first| later(first, APART)),
            // After the first read that denies an answer.
            self.sent
                .as_ref()
                .and_then(|sent| Some(later(sent.denied?, APART))),
        ];
        let sooner = sooner.into_iter().flatten().filter(|one| *one > at);
        sooner.min().map_or(beat, |one| one.min(beat))
    }

    /// Returns how long a verdict without an expiry of its own stands.
    fn standing_time(&self) -> Duration {
        (self.plan.look_interval() * 2).max(Duration::from_secs(60))
    }

    pub(super) fn on_looked(
        &mut self,
        at: Timestamp,
        mut watch: Watch,
        look: LookReport,
    ) -> Next<Action> {
        watch.looking = false;
        self.standings.take(at, look.gates, self.standing_time());
        let is_first = self.last.is_none();
        let phase = watch.phase();
        let place = self.events.len();
        let was_unknown = self.has_sent(Fate::Unknown);
        let read = self.read(at, &look.observed);
        if was_unknown && self.has_sent(Fate::Arrived) {
            watch.on_answered();
        }
        let before = watch.green;
        // Asked before a new share makes the verdicts about the old share void: if the platform has ended, no
        // look comes after this one.
        let harm = self.standings.unhealthy(at);
        let gates = self.standings.at(at);
        if read == Read::Current {
            self.follow(at, &mut watch);
        }
        let looked = NativeEvent::Looked {
            phase,
            observed: look.observed,
            is_old: read == Read::Old,
            gates,
            paused: watch.paused.is_some(),
            next_look: self.next_look(at, &watch),
        };
        // The look comes before what was found in it.
        self.events.insert(place, looked);
        match read {
            Read::Superseded(by) => return self.hold(at, HoldReason::Superseded { by }),
            Read::Gone => return self.hold(at, HoldReason::Gone),
            Read::NeverVisible(pause) => return self.take_back(at, Cause::NeverVisible { pause }),
            _ => {}
        }
        if is_first
            && let Some(seen) = self.seen()
            && seen.status.is_over()
        {
            let summary = seen.to_string();
            return self.unchanged(at, Unchanged::Over { summary });
        }
        // The verdicts of this look are about the share before.
        let is_judged = read == Read::Current && before == watch.green;
        if read == Read::Current
            && let Some(end) = self.on_status(at, harm)
        {
            return end;
        }
        self.decide(at, watch, is_judged)
    }

    fn has_sent(&self, fate: Fate) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.fate == fate)
    }

    /// Follows green's share and the pauses, as the newest read shows them.
    fn follow(&mut self, at: Timestamp, watch: &mut Watch) {
        let Some(seen) = self.seen().cloned() else {
            return;
        };
        let green = seen.green();
        if green != watch.green {
            watch.step = match watch.has_traffic() {
                true => watch.step + 1,
                false => watch.step,
            };
            watch.green = green;
            watch.since = at;
            watch.skips_bake = false;
            watch.promote = watch
                .promote
                .take()
                .filter(|control| matches!(control, Control::PromoteFully { .. }));
            // A verdict is about the share under which it was reached.
            self.standings.clear();
            self.tell(NativeEvent::ShareSeen { green });
        }
        let known = watch.pause.take();
        let answered = |pause: &Pause| {
            let sent = self.sent.as_ref();
            sent.is_some_and(|sent| sent.green == green && sent.pause.is_same(pause))
        };
        let Some(pause) = seen.awaiting().find(|pause| !answered(pause)) else {
            watch.forget_tries();
            return;
        };
        if let Some(known) = known.filter(|known| known.pause.is_same(pause)) {
            watch.pause = Some(known);
            return;
        }
        watch.forget_tries();
        let due = self.due(at, pause);
        self.tell(NativeEvent::PauseSeen {
            pause: pause.clone(),
            decided_by: due,
        });
        watch.pause = Some(Waiting {
            pause: pause.clone(),
            due,
        });
    }

    /// Returns when the plan's policy decides about a pause that was first seen at `at`.
    fn due(&self, at: Timestamp, pause: &Pause) -> Timestamp {
        let own = later(at, self.plan.answer_within()).min(self.deadline);
        let last = pause.expires.map(|expires| self.last_moment(at, expires));
        last.map_or(own, |last| last.min(own))
    }

    /// Returns the last moment to decide before the platform's own time-out, as seen at `at`.
    pub(super) fn last_moment(&self, at: Timestamp, expires: Timestamp) -> Timestamp {
        sooner(expires, self.plan.margin().min(between(at, expires) / 4))
    }

    /// Ends the run, or begins to follow the way back, if the newest read says so.
    fn on_status(&mut self, at: Timestamp, harm: Option<Harm>) -> Option<Next<Action>> {
        let seen = self.seen()?.clone();
        let reason = || seen.reason.clone().unwrap_or("no reason given".to_owned());
        Some(match &seen.status {
            NativeStatus::Successful => match harm {
                Some((gate, verdict)) => {
                    let summary = verdict.evidence().summary.clone();
                    let said = "NOT PUT BACK: the deployment was complete when the harm was seen";
                    self.unresolved(at, said, Some(Cause::Gate { gate, summary }), None)
                }
                None => {
                    let report = self.report(at);
                    self.end_known(NativeOutcome::Promoted { report })
                }
            },
            NativeStatus::RolledBack
            | NativeStatus::RollbackRequested
            | NativeStatus::RollbackInProgress
            | NativeStatus::RollbackFailed => {
                let reason = reason();
                self.went_back(at, Cause::Platform { reason })
            }
            NativeStatus::Stopped => {
                let reason = match &seen.successor {
                    Some(by) => HoldReason::Superseded { by: by.clone() },
                    None => HoldReason::Stopped { words: reason() },
                };
                self.hold(at, reason)
            }
            NativeStatus::Pending
            | NativeStatus::InProgress
            | NativeStatus::StopRequested
            | NativeStatus::Unknown(_) => return None,
        })
    }

    /// Decides at a look. `is_judged` says whether this very look has read the deployment, and the gates were
    /// asked about the share that stands: without that nothing is answered.
    pub(super) fn decide(
        &mut self,
        at: Timestamp,
        mut watch: Watch,
        is_judged: bool,
    ) -> Next<Action> {
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            let summary = verdict.evidence().summary.clone();
            return self.take_back(at, Cause::Gate { gate, summary });
        }
        if let Some(end) = self.on_paused(at, &mut watch) {
            return end;
        }
        let missing = self.missing(at, &watch);
        if let Some(waiting) = &watch.pause
            && is_judged
            && watch.paused.is_none()
            && self.may_answer()
        {
            match &missing {
                None if self.needs_checks(&waiting.pause, &watch) => {
                    return self.begin_checks(watch);
                }
                None => return self.answer(at, watch),
                Some(why) if watch.told.as_ref() != Some(why) => {
                    watch.told = Some(why.clone());
                    self.tell(NativeEvent::NotReady { why: why.clone() });
                }
                Some(_) => {}
            }
        }
        if watch.paused.is_none() {
            if let Some(waiting) = &watch.pause
                && at >= waiting.due
            {
                let whose = waiting.pause.to_string();
                return self.undecided(at, &watch, &whose, missing);
            }
            if at >= self.deadline {
                return self.undecided(at, &watch, "the run", missing);
            }
            if watch.pause.is_some()
                && watch.promote.is_none()
                && let Some(summary) = self.standings.given_up(at)
            {
                return self.undecided(at, &watch, "the gates", Some(summary));
            }
        }
        self.wait(at, watch)
    }

    /// Returns whether nothing speaks against an answer at all: the deployment is under way, and no answer of
    /// this run is on its way.
    fn may_answer(&self) -> bool {
        let is_under_way = self
            .seen()
            .is_some_and(|seen| seen.status == NativeStatus::InProgress);
        let is_free = self
            .sent
            .as_ref()
            .is_none_or(|sent| sent.fate == Fate::Arrived);
        is_under_way && is_free && self.successor.is_none() && self.absent.is_none()
    }

    /// Returns what is missing for an answer, beside the checks.
    fn missing(&self, at: Timestamp, watch: &Watch) -> Option<String> {
        if !watch.has_traffic() {
            return self.missing_before_traffic(at, watch);
        }
        if watch.promote.is_some() {
            return None;
        }
        let bakes_until = watch.bakes_until(self.plan.bake());
        if at < bakes_until {
            return Some(format!("{} bakes until {bakes_until:.0}", watch.green));
        }
        match self.standings.are_healthy(at) {
            true => None,
            false => Some(self.standings.missing(at)),
        }
    }

    /// Before green has traffic no metric can speak for it: its copies, its targets and the checks must.
    fn missing_before_traffic(&self, at: Timestamp, watch: &Watch) -> Option<String> {
        if let Some(why) = self.standings.without_leave(at) {
            return Some(why);
        }
        let waiting = watch.pause.as_ref()?;
        if !rules::is_before_traffic(&waiting.pause.stage) {
            return None;
        }
        let Some(green) = self.seen().and_then(|seen| seen.target.as_ref()) else {
            return Some("the revision that is deployed was not read".to_owned());
        };
        if green.running == 0 || green.running < green.requested {
            let (running, requested) = (green.running, green.requested);
            return Some(format!("green runs {running} of {requested} copies"));
        }
        match green.targets {
            Some(targets) if targets.healthy == 0 => {
                Some(format!("no target of green is healthy: {targets}"))
            }
            _ => None,
        }
    }

    fn needs_checks(&self, pause: &Pause, watch: &Watch) -> bool {
        let has_test_traffic = self
            .seen()
            .and_then(|seen| seen.target.as_ref())
            .is_some_and(|green| green.test > Percent::ZERO);
        self.checks > 0
            && !self.checked
            && !watch.has_traffic()
            && (has_test_traffic || rules::is_before_traffic(&pause.stage))
    }

    /// Does what the plan says for a pause that could not be judged in time.
    fn undecided(
        &mut self,
        at: Timestamp,
        watch: &Watch,
        whose: &str,
        missing: Option<String>,
    ) -> Next<Action> {
        if let Some(failure) = watch.failure.clone()
            && missing.is_none()
        {
            return match self.plan.on_inconclusive() {
                OnInconclusive::RollBack => self.take_back(at, Cause::AnswerFailed { failure }),
                OnInconclusive::Hold => {
                    let summary = format!("a pause could not be answered: {failure}");
                    self.hold(at, HoldReason::Deadline { summary })
                }
            };
        }
        let missing = missing.filter(|why| !why.is_empty());
        let why = missing.unwrap_or("no look had read the deployment as it is".to_owned());
        let summary = format!("the time for {whose} was over while {why}");
        match self.plan.on_inconclusive() {
            OnInconclusive::RollBack => self.take_back(at, Cause::Deadline { summary }),
            OnInconclusive::Hold => {
                let next = watch.pause.as_ref().map(|waiting| {
                    let when = match waiting.pause.expires {
                        Some(expires) => format!("at {expires:.0} it"),
                        None => "at its time-out it".to_owned(),
                    };
                    let act = match waiting.pause.on_timeout {
                        OnTimeout::RollBack => "rolls back",
                        OnTimeout::Continue => "continues",
                    };
                    format!("; the platform waits for an answer, and {when} {act} by itself")
                });
                let summary = format!("{summary}{}", next.unwrap_or_default());
                self.hold(at, HoldReason::Deadline { summary })
            }
        }
    }

    /// Does what the plan says for a cancellation.
    pub(super) fn cancel(&mut self, at: Timestamp, control: Control) -> Next<Action> {
        match self.plan.on_cancel() {
            OnCancel::RollBack => self.take_back(at, Cause::Cancelled { control }),
            OnCancel::Hold => self.hold(at, HoldReason::Asked { control }),
        }
    }
}
