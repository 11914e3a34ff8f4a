//! Tables for what each state does, and a property test that plays the platform.

use proptest::prelude::*;

use super::*;
use crate::{
    check::CheckReport,
    engine::OnCancel,
    error::ErrorKind,
    health::{Observation, Verdict},
    migration::{GateReport, OnInconclusive},
    native::{
        LookReport, NativeStatus, NativeStrategy, OnTimeout, PauseStatus, RevisionShare, RollBackBy,
    },
    preflight::Finding,
    traffic::{Percent, TargetCounts},
};

mod controls;
mod ends;
mod played;

const BEFORE_RISE: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";
const PROPAGATION: Duration = Duration::from_secs(30);

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().expect("a timestamp")
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn failure(kind: ErrorKind) -> Failure {
    Failure::new(kind, "a call")
}

fn percent(whole: u8) -> Percent {
    Percent::from_whole(whole).expect("at most 100")
}

fn ann() -> crate::engine::Operator {
    "ann".into()
}

/// The deployment under way, with this share of green and four copies.
fn at_share(green: u8) -> NativeObservation {
    let four = TargetCounts::all_healthy(4);
    let share = |name: &str, share: u8| {
        RevisionShare::new(name, percent(share))
            .with_copies(4, 4)
            .with_targets(four)
    };
    let mut seen = NativeObservation::new(NativeStatus::InProgress);
    seen.sources = vec![share("revision/1", 100 - green)];
    seen.target = Some(share("revision/2", green).with_test(percent(100)));
    seen
}

fn pause_of(name: &str) -> Pause {
    Pause::awaiting(name, BEFORE_RISE)
}

/// The deployment at a pause.
fn at_pause(green: u8, pause: Pause) -> NativeObservation {
    let mut seen = at_share(green);
    seen.pauses = vec![pause];
    seen
}

fn with_status(status: NativeStatus) -> NativeObservation {
    let mut seen = at_share(10);
    seen.status = status;
    seen.reason = Some("the alarm chat-5xx went off".to_owned());
    seen
}

fn look(observed: NativeObservation, verdict: Verdict) -> Input {
    Input::Looked(LookReport {
        observed: Ok(observed),
        gates: vec![GateReport {
            gate: "errors".into(),
            seen: Ok(Some(Observation::new("test/1", &0).expect("a number"))),
            verdict: Some(verdict),
        }],
    })
}

fn healthy(observed: NativeObservation) -> Input {
    look(observed, Verdict::healthy("fine"))
}

fn waits(observed: NativeObservation) -> Input {
    look(observed, Verdict::inconclusive("too few requests"))
}

fn survey() -> Box<NativeSurvey> {
    let mut survey = NativeSurvey::new(
        "chat",
        NativeStrategy::Canary {
            share: Percent::TEN,
            bake: minutes(10),
        },
    );
    survey.hooks.push(crate::native::ConfiguredHook::new(
        crate::native::HookTarget::Pause,
        ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
    ));
    Box::new(survey)
}

/// A machine with a clock that jumps to the end of each wait.
struct Rig {
    machine: NativeMachine,
    now: Timestamp,
    next: Next<Action>,
    events: Vec<NativeEvent>,
}

impl Rig {
    fn of(machine: NativeMachine) -> Self {
        let mut rig = Self {
            machine: machine.with_propagation(PROPAGATION),
            now: start(),
            next: Next::Keep,
            events: Vec::new(),
        };
        rig.tell(Input::Start);
        rig
    }

    fn new(plan: NativePlan) -> Self {
        let gates = [("errors".into(), GatePolicy::Required)];
        Self::of(NativeMachine::new(plan, "deployment/1", gates).with_by_hand(Some("stop".into())))
    }

    /// A run that looks for the first time.
    fn watching() -> Self {
        Self::watching_by(NativePlan::builder().build().expect("valid"))
    }

    fn watching_by(plan: NativePlan) -> Self {
        let mut rig = Self::new(plan);
        rig.tell(Input::Preflighted(Ok(survey())));
        rig
    }

    fn tell(&mut self, input: Input) -> &mut Self {
        let transition = self.machine.on(self.now, input);
        self.events.extend(transition.events);
        if transition.next != Next::Keep {
            self.next = transition.next;
        }
        self
    }

    /// Ends the wait that is outstanding.
    fn pass(&mut self) -> &mut Self {
        let Next::Do(Action::Wait { until }) = self.next else {
            panic!("no wait is outstanding, but {:?}", self.next);
        };
        self.now = self.now.max(until);
        self.tell(Input::Waited { clock_fault: false })
    }

    /// Looks again and again, and waits between looks, for at least this time or until something else is to
    /// be done.
    fn looks(&mut self, input: &Input, time: Duration) -> &mut Self {
        let end = later(self.now, time);
        while self.now < end && self.is_watching() {
            if matches!(self.next, Next::Do(Action::Look { .. })) {
                self.tell(input.clone());
            } else {
                self.pass();
            }
        }
        self
    }

    fn is_watching(&self) -> bool {
        matches!(
            self.next,
            Next::Do(Action::Look { .. } | Action::Wait { .. })
        )
    }

    /// A look now.
    fn sees(&mut self, input: Input) -> &mut Self {
        if matches!(self.next, Next::Do(Action::Wait { .. })) {
            self.pass();
        }
        assert!(
            matches!(self.next, Next::Do(Action::Look { .. })),
            "{:?}",
            self.next
        );
        self.tell(input)
    }

    fn action(&self) -> &Action {
        match &self.next {
            Next::Do(action) => action,
            next => panic!("{next:?} {:?}", self.machine.end()),
        }
    }

    fn proceeds(&self) -> bool {
        matches!(self.next, Next::Do(Action::Proceed { .. }))
    }

    fn rolls_back(&self) -> bool {
        matches!(self.next, Next::Do(Action::RollBack { .. }))
    }

    fn outcome(&self) -> &NativeOutcome {
        match self.machine.end() {
            Some(Ok(outcome)) => outcome,
            other => panic!("{other:?}, next {:?}", self.next),
        }
    }

    fn unresolved(&self) -> &Unresolved {
        match self.machine.end() {
            Some(Err(unresolved)) => unresolved,
            other => panic!("{other:?}, next {:?}", self.next),
        }
    }
}

#[test]
fn p01_continues_the_first_pause_once_green_runs_and_later_pauses_on_a_healthy_verdict() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    assert!(rig.proceeds(), "before traffic there is nothing to count");
    rig.tell(Input::Proceeded(Ok(())));
    rig.sees(healthy(at_share(10)));
    assert!(!rig.proceeds(), "no pause");
    let second = at_pause(10, pause_of("hook-1"));
    let since = rig.now;
    rig.looks(&healthy(second), minutes(60));
    assert!(rig.proceeds(), "one name for both pauses");
    assert!(rig.now >= later(since, minutes(3)), "the bake is over");
    rig.tell(Input::Proceeded(Ok(())));
    rig.sees(healthy(at_share(100)));
    let mut over = at_share(100);
    over.status = NativeStatus::Successful;
    rig.sees(healthy(over));
    assert_eq!(rig.outcome().exit_code(), 0);
    assert_eq!(rig.outcome().report().answers, 2);
}

#[test]
fn p01_an_inconclusive_or_missing_verdict_never_continues() {
    let silent = Input::Looked(LookReport {
        observed: Ok(at_pause(10, pause_of("hook-1"))),
        gates: Vec::new(),
    });
    for input in [waits(at_pause(10, pause_of("hook-1"))), silent] {
        let mut rig = Rig::watching();
        rig.sees(waits(at_share(10)));
        rig.looks(&input, minutes(120));
        assert!(rig.rolls_back(), "{:?}", rig.next);
        let waited = rig.now.duration_since(start());
        assert!(waited.as_secs() >= 65 * 60, "after the time for an answer");
    }
}

#[test]
fn p01_a_verdict_about_an_earlier_share_continues_nothing() {
    let plan = NativePlan::builder()
        .bake(Duration::ZERO)
        .warm_up(Duration::ZERO);
    let mut rig = Rig::watching_by(plan.build().expect("valid"));
    rig.sees(healthy(at_share(10)));
    rig.sees(healthy(at_share(10)));
    // This look's verdict was asked for at 10%, and the read shows 20%.
    rig.sees(healthy(at_pause(20, pause_of("hook-1"))));
    assert!(!rig.proceeds());
    rig.sees(waits(at_pause(20, pause_of("hook-1"))));
    assert!(!rig.proceeds());
    rig.sees(healthy(at_pause(20, pause_of("hook-1"))));
    assert!(rig.proceeds());
}

#[test]
fn an_unhealthy_verdict_at_any_look_rolls_back() {
    let harm = |seen| look(seen, Verdict::unhealthy("9% errors"));
    for (seen, how) in [
        (
            at_pause(0, pause_of("hook-1")),
            RollBackBy::Answer("hook-1".into()),
        ),
        (at_share(10), RollBackBy::Stop),
        (
            at_pause(10, pause_of("hook-2")),
            RollBackBy::Answer("hook-2".into()),
        ),
        (at_share(100), RollBackBy::Stop),
    ] {
        let mut rig = Rig::watching();
        if seen.green() > Percent::ZERO {
            rig.sees(waits(at_share(10)));
        }
        rig.sees(harm(seen.clone()));
        if !rig.rolls_back() {
            // The first look at a share forgets the verdicts about the share before.
            rig.sees(harm(seen));
        }
        assert_eq!(*rig.action(), Action::RollBack { how });
    }
}

#[test]
fn p04_is_rolled_back_only_once_the_platform_says_so() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(look(at_share(10), Verdict::unhealthy("9% errors")));
    rig.tell(Input::RollBackSent(Ok(()))).pass();
    // An old read: not seen yet, and nothing is sent again.
    rig.tell(Input::Observed(Ok(at_share(10)))).pass();
    let going = with_status(NativeStatus::RollbackInProgress);
    rig.tell(Input::Observed(Ok(going))).pass();
    // Older than the read before.
    rig.tell(Input::Observed(Ok(at_share(10)))).pass();
    assert_eq!(*rig.action(), Action::Observe);
    rig.tell(Input::Observed(Ok(with_status(NativeStatus::RolledBack))));
    assert_eq!(rig.outcome().exit_code(), 10);
    assert!(rig.outcome().to_string().contains("9% errors"));
    let orders = rig.events.iter();
    let orders = orders.filter(|event| matches!(event, NativeEvent::RollBackTaken { .. }));
    assert_eq!(orders.count(), 1);
}

#[test]
fn an_order_that_was_accepted_and_never_became_visible_is_given_again() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(look(at_share(10), Verdict::unhealthy("9% errors")));
    rig.tell(Input::RollBackSent(Ok(())));
    let sent = rig.now;
    while !rig.rolls_back() {
        rig.pass();
        rig.tell(Input::Observed(Ok(at_share(10))));
    }
    assert!(rig.now >= later(sent, PROPAGATION));
}

#[test]
fn a_refused_answer_is_followed_by_a_stop() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    let pause = at_pause(10, pause_of("hook-1"));
    rig.sees(waits(pause.clone()));
    rig.sees(look(pause.clone(), Verdict::unhealthy("9% errors")));
    let answer = RollBackBy::Answer("hook-1".into());
    assert_eq!(*rig.action(), Action::RollBack { how: answer });
    rig.tell(Input::RollBackSent(Err(failure(ErrorKind::Invalid))));
    rig.pass().tell(Input::Observed(Ok(pause)));
    let how = RollBackBy::Stop;
    assert_eq!(*rig.action(), Action::RollBack { how });
}

#[test]
fn what_is_not_put_back_ends_with_20_and_what_helps() {
    for (status, words) in [
        (NativeStatus::RollbackFailed, "rollback failed"),
        (NativeStatus::Successful, "complete before the order"),
        (NativeStatus::Stopped, "without a rollback"),
    ] {
        let mut rig = Rig::watching();
        rig.sees(waits(at_share(10)));
        rig.sees(look(at_share(10), Verdict::unhealthy("9% errors")));
        rig.tell(Input::RollBackSent(Ok(()))).pass();
        rig.tell(Input::Observed(Ok(with_status(status))));
        let text = rig.unresolved().to_string();
        assert!(text.contains(words), "{text}");
        // What is over takes no order any more.
        assert!(text.contains("cannot be stopped: deploy"), "{text}");
        assert!(!text.contains("by hand"), "{text}");
    }
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(look(at_share(10), Verdict::unhealthy("9% errors")));
    // The rights are missing all the while.
    while rig.machine.end().is_none() {
        match rig.action() {
            Action::RollBack { .. } => {
                rig.tell(Input::RollBackSent(Err(failure(ErrorKind::Denied))));
            }
            Action::Observe => {
                rig.tell(Input::Observed(Ok(at_share(10))));
            }
            _ => {
                rig.pass();
            }
        }
    }
    assert!(
        rig.unresolved()
            .to_string()
            .contains("did not finish in time")
    );
    assert_eq!(rig.unresolved().failure, Some(failure(ErrorKind::Denied)));
}

#[test]
fn a_rollback_of_the_platform_is_followed_to_its_end() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(waits(with_status(NativeStatus::RollbackRequested)));
    rig.pass();
    rig.tell(Input::Observed(Ok(with_status(NativeStatus::RolledBack))));
    assert_eq!(rig.outcome().exit_code(), 10);
    let text = rig.outcome().to_string();
    assert!(text.contains("chat-5xx"), "{text}");

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(waits(with_status(NativeStatus::RollbackFailed)));
    assert!(rig.unresolved().summary.contains("rollback failed"));
}

#[test]
fn p10_an_answer_without_an_outcome_is_observed_before_any_decision() {
    let before = at_pause(10, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(before.clone()), minutes(60));
    assert!(rig.proceeds());
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::OutcomeUnknown))));
    assert!(matches!(rig.action(), Action::Look { .. }), "at once");
    let sent = rig.now;
    // As long as the call may take effect, the pause that still waits says nothing.
    rig.looks(&healthy(before.clone()), PROPAGATION);
    assert!(rig.now >= later(sent, PROPAGATION));
    rig.sees(healthy(before.clone()));
    assert!(!rig.proceeds(), "one read denies nothing");
    // With back-off after the failure: until two reads are 3 s apart.
    rig.looks(&healthy(before.clone()), minutes(1));
    assert!(rig.proceeds(), "it had not arrived: {:?}", rig.next);
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::OutcomeUnknown))));
    rig.sees(healthy(at_share(100)));
    let arrived = rig.events.iter().filter_map(|event| match event {
        NativeEvent::AnswerObserved { arrived, .. } => Some(*arrived),
        _ => None,
    });
    assert_eq!(arrived.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn p04_a_read_older_than_an_accepted_answer_is_not_seen_yet() {
    let before = at_pause(10, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(before.clone()), minutes(60));
    rig.tell(Input::Proceeded(Ok(())));
    rig.sees(healthy(before.clone()));
    assert!(!rig.proceeds(), "an accepted answer is never sent twice");
    // The next step, and then a read that flaps back.
    rig.sees(healthy(at_share(50)));
    rig.sees(healthy(before.clone()));
    assert!(!rig.proceeds());
    let old = rig.events.iter();
    let old = old.filter(|event| matches!(event, NativeEvent::Looked { is_old: true, .. }));
    assert_eq!(old.count(), 2);

    // A platform that says when it changed the deployment: an older read never counts.
    let mut rig = Rig::watching();
    let mut new = at_share(10);
    new.updated = Some(later(start(), minutes(1)));
    let mut old = at_pause(0, pause_of("hook-1"));
    old.updated = Some(start());
    rig.sees(healthy(new));
    rig.looks(&healthy(old), minutes(10));
    assert!(!rig.proceeds(), "{:?}", rig.next);
}

#[test]
fn an_accepted_answer_that_never_became_visible_is_rolled_back() {
    let before = at_pause(10, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(before.clone()), minutes(60));
    rig.tell(Input::Proceeded(Ok(())));
    rig.looks(&healthy(before), minutes(5));
    assert!(rig.rolls_back());
    let told = rig.events.last();
    let is_cause = |event: &NativeEvent| {
        matches!(
            event,
            NativeEvent::RollingBack {
                cause: Cause::NeverVisible { .. },
                ..
            }
        )
    };
    assert!(told.is_some_and(is_cause), "{told:?}");
}

/// With looks that are rarer than the propagation time, the first read after it may be the only old one.
#[test]
fn p04_one_read_alone_does_not_deny_an_answer() {
    for answer in [Ok(()), Err(failure(ErrorKind::OutcomeUnknown))] {
        let plan = NativePlan::builder().look_interval(minutes(1));
        let before = at_pause(10, pause_of("hook-1"));
        let mut rig = Rig::watching_by(plan.build().expect("valid"));
        rig.sees(waits(at_share(10)));
        rig.looks(&healthy(before.clone()), minutes(60));
        let visible_by = later(rig.now, PROPAGATION);
        rig.tell(Input::Proceeded(answer));
        let is_due = |rig: &Rig| {
            let looks = matches!(rig.next, Next::Do(Action::Look { .. }));
            looks && rig.now >= visible_by
        };
        while !is_due(&rig) {
            match rig.next {
                Next::Do(Action::Look { .. }) => rig.tell(healthy(before.clone())),
                _ => rig.pass(),
            };
        }
        let first = rig.now;
        rig.tell(healthy(before.clone())).pass();
        let apart = rig.now.duration_since(first).as_secs();
        assert!((1..=5).contains(&apart), "the next read is soon: {apart} s");
        rig.sees(healthy(at_share(50)));
        let told = rig.events.iter();
        let arrived =
            told.filter(|event| matches!(event, NativeEvent::AnswerObserved { arrived: true, .. }));
        assert_eq!(arrived.count(), 1, "{:?}", rig.next);
        assert!(rig.is_watching());
    }
}

#[test]
fn the_policy_decides_before_the_platform_does() {
    let hour = minutes(60);
    let expires = later(start(), hour);
    for (policy, on_timeout, code) in [
        (OnInconclusive::RollBack, OnTimeout::RollBack, None),
        (
            OnInconclusive::Hold,
            OnTimeout::RollBack,
            Some("rolls back"),
        ),
        (OnInconclusive::Hold, OnTimeout::Continue, Some("continues")),
    ] {
        let plan = NativePlan::builder().on_inconclusive(policy);
        let mut rig = Rig::watching_by(plan.build().expect("valid"));
        rig.sees(waits(at_share(10)));
        let pause = pause_of("hook-1").with_timeout(expires, on_timeout);
        rig.looks(&waits(at_pause(10, pause)), minutes(120));
        let before = expires.duration_since(rig.now).as_secs();
        assert!(
            (200..=300).contains(&before),
            "{before} s before the time-out"
        );
        match code {
            None => assert!(rig.rolls_back()),
            Some(words) => {
                assert_eq!(rig.outcome().exit_code(), 12);
                assert!(rig.outcome().to_string().contains(words));
            }
        }
    }
    // A time-out that is near leaves a quarter of its time.
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    let expires = later(rig.now, minutes(2));
    let pause = pause_of("hook-1").with_timeout(expires, OnTimeout::RollBack);
    rig.looks(&waits(at_pause(10, pause)), minutes(10));
    assert!(rig.rolls_back() && rig.now < expires);
}

#[test]
fn checks_come_before_the_first_traffic_and_a_failing_check_rolls_back() {
    let plan = NativePlan::builder().build().expect("valid");
    let gates = [("errors".into(), GatePolicy::Required)];
    let machine = NativeMachine::new(plan, "deployment/1", gates).with_checks(2);
    let passes = |name: &str| Input::Checked(CheckReport::new(name, "GET /", None));
    let fails =
        || Input::Checked(CheckReport::new("b", "GET /", None).failing("status", "200", "500"));
    let pause = || waits(at_pause(0, pause_of("hook-1")));
    let mut survey = survey();
    survey.hooks = vec![crate::native::ConfiguredHook::new(
        crate::native::HookTarget::Pause,
        [BEFORE_RISE],
    )];

    let mut rig = Rig::of(machine.clone());
    rig.tell(Input::Preflighted(Ok(survey.clone())));
    let mut starting = at_pause(0, pause_of("hook-1"));
    starting.target = starting.target.map(|green| green.with_copies(3, 4));
    rig.sees(waits(starting));
    assert!(rig.is_watching(), "green runs 3 of 4 copies");
    rig.sees(pause());
    assert_eq!(*rig.action(), Action::Check { index: 0 });
    rig.tell(passes("a"));
    assert_eq!(*rig.action(), Action::Check { index: 1 });
    rig.tell(fails()).pass();
    assert_eq!(
        *rig.action(),
        Action::Check { index: 0 },
        "all are asked again"
    );
    rig.tell(passes("a")).tell(passes("b"));
    assert!(
        matches!(rig.action(), Action::Look { .. }),
        "checks take a while"
    );
    rig.tell(pause());
    assert!(rig.proceeds());

    let mut rig = Rig::of(machine.clone());
    rig.tell(Input::Preflighted(Ok(survey)));
    rig.sees(pause());
    for _ in 0..3 {
        rig.tell(passes("a")).tell(fails());
        if !rig.rolls_back() {
            rig.pass();
        }
    }
    assert!(rig.rolls_back());

    // Without a pause that could wait for them, checks would never be asked.
    let mut rig = Rig::of(machine);
    let mut bare = self::survey();
    bare.hooks.clear();
    rig.tell(Input::Preflighted(Ok(bare)));
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn a_newer_deployment_is_believed_at_the_second_read_and_nothing_is_answered_before() {
    let mut newer = at_pause(10, pause_of("hook-1"));
    newer.successor = Some("deployment/2".to_owned());
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(at_share(10)), minutes(5));
    rig.sees(healthy(newer.clone()));
    assert!(rig.is_watching());
    rig.sees(healthy(at_share(10)));
    rig.sees(healthy(newer.clone()));
    assert!(rig.is_watching(), "one read in a row");
    rig.sees(healthy(newer));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert!(rig.outcome().to_string().contains("deployment/2"));
    assert!(!rig.outcome().to_string().contains("by hand"));
}

#[test]
fn a_deployment_that_is_gone_or_stopped_is_held_and_one_that_is_over_is_left_alone() {
    let gone = Input::Looked(LookReport {
        observed: Err(failure(ErrorKind::NotFound)),
        gates: Vec::new(),
    });
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10))).sees(gone.clone()).sees(gone);
    assert_eq!(rig.outcome().exit_code(), 12);

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(waits(with_status(NativeStatus::Stopped)));
    assert_eq!(rig.outcome().exit_code(), 12);

    for status in [NativeStatus::Successful, NativeStatus::RolledBack] {
        let mut rig = Rig::watching();
        rig.sees(waits(with_status(status)));
        assert_eq!(rig.outcome().exit_code(), 3);
    }
}

#[test]
fn the_preflight_refuses_and_retries() {
    let plan = || NativePlan::builder().build().expect("valid");
    let mut refused = survey();
    refused.findings = vec![Finding::refusal("no pause")];
    let mut rig = Rig::new(plan());
    rig.tell(Input::Preflighted(Ok(refused)));
    assert_eq!(rig.outcome().exit_code(), 3);

    let mut rig = Rig::new(plan());
    rig.tell(Input::Preflighted(Err(failure(ErrorKind::Denied))));
    assert_eq!(rig.outcome().exit_code(), 3, "no retry mends that");

    for kind in [ErrorKind::Throttled, ErrorKind::NotFound] {
        let mut rig = Rig::new(plan());
        let begin = rig.now;
        for _ in 0..4 {
            rig.tell(Input::Preflighted(Err(failure(kind))));
            rig.pass();
        }
        assert_eq!(rig.now, later(begin, Duration::from_secs(30)));
        rig.tell(Input::Preflighted(Err(failure(kind))));
        assert_eq!(rig.outcome().exit_code(), 3);
    }

    // A deployment that was just begun is seen a little later.
    let mut rig = Rig::new(plan());
    rig.tell(Input::Preflighted(Err(failure(ErrorKind::NotFound))));
    rig.pass();
    rig.tell(Input::Preflighted(Ok(survey())));
    assert!(rig.is_watching());
}

#[test]
fn p11_controls_do_what_they_say_in_a_watch() {
    let by = ann;
    let cancel = || Control::Cancel {
        reason: "SIGINT".to_owned(),
    };
    // Abort and cancel roll back, leave holds.
    for (control, code) in [
        (Control::Abort { by: by() }, 11),
        (cancel(), 11),
        (Control::Leave { by: by() }, 12),
    ] {
        let mut rig = Rig::watching();
        rig.sees(waits(at_share(10)));
        rig.tell(Input::Control(control));
        if rig.rolls_back() {
            rig.tell(Input::RollBackSent(Ok(()))).pass();
            rig.tell(Input::Observed(Ok(with_status(NativeStatus::RolledBack))));
        } else if matches!(rig.action_or_none(), Some(Action::Observe)) {
            rig.tell(Input::Observed(Ok(at_share(10))));
        }
        assert_eq!(rig.outcome().exit_code(), code);
    }
    // The plan may hold on cancellation.
    let plan = NativePlan::builder().on_cancel(OnCancel::Hold);
    let mut rig = Rig::watching_by(plan.build().expect("valid"));
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(cancel()));
    assert_eq!(rig.outcome().exit_code(), 12);
    // Stop ends at once.
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(Control::Stop {
        reason: "SIGTERM twice".to_owned(),
    }));
    assert!(rig.unresolved().summary.contains("STOPPED AT ONCE"));
}

#[test]
fn p11_a_pause_answers_nothing_and_harm_still_rolls_back() {
    let pause = at_pause(10, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(Control::Pause {
        by: ann(),
        length: None,
    }));
    rig.looks(&healthy(pause.clone()), minutes(20));
    assert!(rig.is_watching(), "{:?}", rig.next);
    rig.tell(Input::Control(Control::Continue { by: ann() }));
    rig.sees(healthy(pause.clone()));
    assert!(rig.proceeds());

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(Control::Pause {
        by: ann(),
        length: None,
    }));
    rig.looks(&healthy(pause.clone()), minutes(120));
    assert!(rig.rolls_back(), "no operator came back");
    assert_eq!(rig.now.duration_since(start()).as_secs() / 60, 30);

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(Control::Pause {
        by: ann(),
        length: None,
    }));
    rig.sees(waits(pause.clone()));
    rig.sees(look(pause, Verdict::unhealthy("9% errors")));
    assert!(rig.rolls_back());
}

#[test]
fn p01_an_operator_overrides_a_verdict_by_name_but_not_the_first_answer() {
    let pause = |green| at_pause(green, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.tell(Input::Control(Control::Promote { by: ann() }));
    let ignored = rig.events.last().map(ToString::to_string);
    assert!(ignored.is_some_and(|text| text.contains("does nothing")));
    rig.sees(waits(at_share(10)));
    rig.sees(waits(pause(10)));
    rig.tell(Input::Control(Control::Promote { by: ann() }));
    rig.tell(waits(pause(10)));
    assert!(rig.proceeds(), "{:?}", rig.next);
    rig.tell(Input::Proceeded(Ok(())));
    rig.sees(waits(at_share(50)));
    rig.sees(waits(pause(50)));
    assert!(!rig.proceeds(), "one override, one answer");
    rig.tell(Input::Control(Control::PromoteFully { by: ann() }));
    rig.tell(waits(pause(50)));
    assert!(rig.proceeds());
    rig.tell(Input::Proceeded(Ok(())));
    rig.sees(waits(at_share(75)));
    rig.sees(waits(pause(75)));
    assert!(rig.proceeds(), "for all further pauses");
    rig.tell(Input::Proceeded(Ok(())));
    let mut over = at_share(100);
    over.status = NativeStatus::Successful;
    rig.sees(waits(over));
    let text = rig.outcome().to_string();
    assert!(text.contains("override: continued at 10%"), "{text}");
    assert!(text.contains("too few requests"), "{text}");
}

#[test]
fn a_control_during_an_answer_waits_for_it() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    assert!(rig.proceeds());
    rig.tell(Input::Control(Control::Abort { by: ann() }));
    assert!(rig.proceeds(), "a change finishes");
    rig.tell(Input::Proceeded(Ok(())));
    let how = RollBackBy::Stop;
    assert_eq!(
        *rig.action(),
        Action::RollBack { how },
        "the pause is answered"
    );
}

#[test]
fn p06_a_journal_that_fails_blocks_every_answer_but_no_rollback() {
    let lost = || Input::JournalFailed(failure(ErrorKind::Unavailable));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(lost());
    assert!(rig.rolls_back());

    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    rig.tell(Input::NotBegun(failure(ErrorKind::Unavailable)));
    assert!(rig.rolls_back());

    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    rig.tell(lost());
    rig.tell(Input::Proceeded(Ok(())));
    assert!(rig.rolls_back());
}

#[test]
fn p06_another_controller_is_given_way_to_and_nothing_is_changed_any_more() {
    let taken = || Input::JournalFailed(failure(ErrorKind::TakenOver));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(taken());
    assert_eq!(rig.outcome().exit_code(), 12);

    // A change that is under way finishes, and what became of it is read.
    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    rig.tell(taken());
    assert!(rig.proceeds());
    rig.tell(Input::Proceeded(Ok(())));
    assert_eq!(*rig.action(), Action::Observe);
    rig.tell(Input::Observed(Ok(at_share(10))));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert_eq!(rig.outcome().report().deployment, Some(at_share(10)));
}

#[test]
fn a_clock_without_time_rolls_back_and_does_not_look_without_end() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Waited { clock_fault: true });
    assert!(rig.rolls_back());
    rig.tell(Input::RollBackSent(Ok(())));
    let mut turns = 0;
    while rig.machine.end().is_none() {
        turns += 1;
        assert!(turns < 1_000);
        match rig.action() {
            Action::Observe => rig.tell(Input::Observed(Ok(at_share(10)))),
            Action::RollBack { .. } => rig.tell(Input::RollBackSent(Ok(()))),
            _ => rig.tell(Input::Waited { clock_fault: true }),
        };
    }
    assert!(rig.unresolved().summary.contains("waits take no time"));
}

#[test]
fn p05_a_resumed_run_reads_before_it_decides() {
    let before = at_pause(10, pause_of("hook-1"));
    let resumed = || Input::Resumed { by: ann() };
    // During a look, during an answer, during an order.
    let mut rig = Rig::watching();
    rig.tell(resumed());
    assert!(matches!(rig.action(), Action::Look { .. }));

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(before.clone()), minutes(60));
    assert!(rig.proceeds());
    rig.tell(resumed());
    rig.tell(healthy(before.clone()));
    assert!(!rig.proceeds(), "the answer may have been sent");
    rig.looks(&healthy(before), minutes(2));
    assert!(rig.proceeds(), "it was not");

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.tell(Input::Control(Control::Abort { by: ann() }));
    assert!(rig.rolls_back());
    rig.tell(resumed());
    assert_eq!(*rig.action(), Action::Observe);
    rig.tell(Input::Observed(Ok(at_share(10))));
    assert!(rig.rolls_back(), "the order is given again");
}

impl Rig {
    fn action_or_none(&self) -> Option<&Action> {
        match &self.next {
            Next::Do(action) => Some(action),
            _ => None,
        }
    }
}

#[test]
fn a_machine_is_plain_data_in_every_state() {
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.looks(&healthy(at_pause(10, pause_of("hook-1"))), minutes(60));
    let text = serde_json::to_string(&rig.machine).expect("plain data");
    let read: NativeMachine = serde_json::from_str(&text).expect("the same");
    assert_eq!(read, rig.machine);
    let pause = pause_of("hook-1").with_status(PauseStatus::Unknown("NEW".to_owned()));
    let text = serde_json::to_string(&pause).expect("plain data");
    assert_eq!(
        serde_json::from_str::<Pause>(&text).expect("the same"),
        pause
    );
}
