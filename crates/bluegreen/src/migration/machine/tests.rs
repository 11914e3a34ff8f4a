//! Tables for what each state does, and a property test that plays the world.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    engine::{ControlEffect, OnCancel},
    error::ErrorKind,
    health::{Evidence, Observation, SeenSide, SeenTraffic, Verdict},
    migration::{GateReport, LookReport, OnInconclusive, RestoreOrder, Step},
    preflight::Finding,
    traffic::{
        Armed, Capacity, Kept, Percent, Released, ScalingRange, Shifted, Sides, TargetCounts,
    },
};

mod capacity;
mod gradual;
mod manual;

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().expect("a timestamp")
}

const PROPAGATION: Duration = Duration::from_secs(30);

fn traffic(blue: u32, green: u32) -> TrafficObservation {
    let four = TargetCounts::all_healthy(4);
    let targets = Sides {
        blue: four,
        green: four,
    };
    TrafficObservation::new(Sides { blue, green }, targets, "v1:rule")
        .with_restore_command("aws elbv2 modify-rule")
}

fn failure(kind: ErrorKind) -> Failure {
    Failure::new(kind, "a call")
}

fn seen_by(verdict: Verdict) -> GateReport {
    GateReport {
        gate: "errors".into(),
        seen: Ok(Some(Observation::new("test/1", &0).expect("a number"))),
        verdict: Some(verdict),
    }
}

fn look(traffic: TrafficObservation, verdict: Verdict) -> LookReport {
    LookReport {
        traffic: Ok(traffic),
        gates: vec![seen_by(verdict)],
    }
}

/// A machine with a clock that jumps to the end of each wait.
struct Rig {
    machine: MigrationMachine,
    now: Timestamp,
    next: Next<Action>,
    events: Vec<MigrationEvent>,
}

impl Rig {
    fn new(plan: MigrationPlan) -> Self {
        Self::start(plan, Intent::Migrate)
    }

    fn with_intent(intent: Intent) -> Self {
        Self::start(MigrationPlan::builder().build().expect("valid"), intent)
    }

    fn start(plan: MigrationPlan, intent: Intent) -> Self {
        let mut machine = MigrationMachine::new(plan, [("errors".into(), GatePolicy::Required)])
            .with_propagation(PROPAGATION);
        let Transition { events, next } = machine.on(start(), Input::Start(intent));
        Self {
            machine,
            now: start(),
            next,
            events,
        }
    }

    fn default() -> Self {
        Self::new(MigrationPlan::builder().build().expect("valid"))
    }

    /// In the first step, watching, with green at 10 %.
    fn at_ten() -> Self {
        Self::at_ten_by(MigrationPlan::builder().build().expect("valid"))
    }

    fn at_ten_by(plan: MigrationPlan) -> Self {
        let mut rig = Self::new(plan);
        rig.pass_preflight();
        rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
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

    /// The first rise is outstanding: the preflight and a look after it have shown that green can
    /// carry it.
    fn pass_preflight(&mut self) -> &mut Self {
        let unjudged = || look(traffic(100, 0), Verdict::inconclusive("no traffic yet"));
        self.tell(Input::Preflighted {
            findings: Ok(Vec::new()),
            look: unjudged(),
            capacity: None,
        });
        self.wait();
        self.tell(Input::Looked(unjudged()))
    }

    /// Answers the outstanding look, and one more if a rise needs it.
    fn look_twice(&mut self, report: impl Fn() -> LookReport) -> &mut Self {
        self.tell(Input::Looked(report()));
        if let Next::Do(Action::Wait { .. }) = self.next {
            self.wait();
            self.tell(Input::Looked(report()));
        }
        self
    }

    /// The restore is accepted and read twice.
    fn restore(&mut self) -> &mut Self {
        assert_eq!(self.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
        self.tell(Input::Shifted(Ok(Shifted::Seen(traffic(100, 0)))));
        self.wait();
        self.tell(Input::Observed(Ok(traffic(100, 0))))
    }

    /// Lets the outstanding wait end.
    fn wait(&mut self) -> &mut Self {
        let Next::Do(Action::Wait { until }) = self.next else {
            panic!("no wait is outstanding but {:?}", self.next);
        };
        self.now = until;
        self.tell(Input::Waited { clock_fault: false })
    }

    /// Waits for looks and answers each with `report` until the machine wants another action.
    fn look_until_other(&mut self, report: impl Fn() -> LookReport) -> &mut Self {
        loop {
            match &self.next {
                Next::Do(Action::Wait { .. }) => self.wait(),
                Next::Do(Action::Look { .. }) => self.tell(Input::Looked(report())),
                _ => return self,
            };
        }
    }

    /// The rise to the second step is outstanding.
    fn rise_to_fifty(&mut self) -> &mut Self {
        self.look_until_other(|| look(traffic(90, 10), healthy()));
        assert_eq!(self.wanted_shift(), (split(50), false));
        self
    }

    fn expect_observe(&self) {
        assert_eq!(self.next, Next::Do(Action::Observe));
    }

    fn wanted_shift(&self) -> (TrafficSplit, bool) {
        match &self.next {
            Next::Do(Action::Shift(shift)) => (shift.to, shift.restores()),
            other => panic!("no shift is wanted but {other:?}"),
        }
    }

    fn told(&self, what: impl Fn(&MigrationEvent) -> bool) -> bool {
        self.events.iter().any(what)
    }

    fn outcome(&self) -> &MigrationOutcome {
        match self.machine.end() {
            Some(Ok(outcome)) => outcome,
            other => panic!("no known end but {other:?}"),
        }
    }

    fn unresolved(&self) -> &Unresolved {
        match self.machine.end() {
            Some(Err(unresolved)) => unresolved,
            other => panic!("not unresolved but {other:?}"),
        }
    }
}

fn healthy() -> Verdict {
    Verdict::healthy("fine")
}

/// A verdict of a gate that counts the requests of each side.
fn counted(verdict: Verdict) -> Verdict {
    let sides = Sides {
        blue: SeenSide::of_requests(540),
        green: SeenSide::of_requests(60),
    };
    let seen = SeenTraffic::new(start(), later_by(start(), 60), sides);
    match verdict {
        Verdict::Healthy(evidence) => Verdict::Healthy(evidence.with_traffic(seen)),
        Verdict::Unhealthy(evidence) => Verdict::Unhealthy(evidence.with_traffic(seen)),
        Verdict::Inconclusive(evidence) => Verdict::Inconclusive(evidence.with_traffic(seen)),
    }
}

fn split(whole: u8) -> TrafficSplit {
    TrafficSplit::to_green(Percent::from_whole(whole).expect("in range"))
}

#[test]
fn p01_goes_through_the_steps_only_on_healthy_verdicts() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    assert_eq!(rig.wanted_shift(), (split(10), false));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (split(50), false));
    assert_eq!(between(rig.now), Duration::from_secs(600));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(50, 50)))));
    rig.look_until_other(|| look(traffic(50, 50), healthy()));
    assert_eq!(rig.wanted_shift(), (split(100), false));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(0, 100)))));
    rig.look_until_other(|| look(traffic(0, 100), healthy()));
    assert!(matches!(rig.outcome(), MigrationOutcome::Promoted { .. }));
    assert_eq!(between(rig.now), Duration::from_secs(1800));
}

/// Since the first rise, which comes 3 seconds after the start.
fn between(now: Timestamp) -> Duration {
    crate::clock::between(later_by(start(), 3), now)
}

#[test]
fn p01_inconclusive_waits_for_the_deadline_and_rolls_back() {
    let mut rig = Rig::at_ten();
    rig.look_until_other(|| look(traffic(90, 10), Verdict::inconclusive("no data")));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    assert_eq!(between(rig.now), Duration::from_secs(30 * 60));
}

#[test]
fn p01_inconclusive_at_the_deadline_is_held_where_the_plan_says_so() {
    let plan = MigrationPlan::builder().on_inconclusive(OnInconclusive::Hold);
    let mut rig = Rig::new(plan.build().expect("valid"));
    rig.pass_preflight();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
    rig.look_until_other(|| look(traffic(90, 10), Verdict::inconclusive("no data")));
    assert_eq!(rig.outcome().exit_code(), 12);
}

#[test]
fn p01_a_failed_look_and_an_expired_pass_are_inconclusive() {
    let mut rig = Rig::at_ten();
    let expires = later_by(start(), 120);
    // Healthy once, then nothing new: the pass expires before the bake is over.
    rig.wait();
    let pass = Verdict::Healthy(Evidence::new("fine").with_expiry(expires));
    rig.tell(Input::Looked(look(traffic(90, 10), pass)));
    rig.look_until_other(|| LookReport {
        traffic: Ok(traffic(90, 10)),
        gates: vec![GateReport {
            gate: "errors".into(),
            seen: Ok(None),
            verdict: None,
        }],
    });
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    assert_eq!(between(rig.now), Duration::from_secs(30 * 60));

    let mut rig = Rig::at_ten();
    rig.look_until_other(|| LookReport {
        traffic: Ok(traffic(90, 10)),
        gates: vec![GateReport {
            gate: "errors".into(),
            seen: Err(failure(ErrorKind::Denied)),
            verdict: None,
        }],
    });
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

fn later_by(at: Timestamp, seconds: u64) -> Timestamp {
    crate::clock::later(at, Duration::from_secs(seconds))
}

#[test]
fn rolls_back_at_the_first_unhealthy_look() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        counted(Verdict::unhealthy("20% errors")),
    )));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    assert_eq!(between(rig.now), Duration::from_secs(15));
    let restored_at = rig.now;
    rig.restore();
    // A settled minute that began before the restore confirms nothing.
    let minute = |from: Timestamp, green: u64| {
        let sides = Sides {
            blue: SeenSide::of_requests(600),
            green: SeenSide::of_requests(green),
        };
        SeenTraffic::new(from, later_by(from, 60), sides)
    };
    let reports = [
        minute(start(), 0),
        minute(later_by(restored_at, 45), 3),
        minute(later_by(restored_at, 105), 0),
    ];
    for seen in reports {
        rig.wait();
        let verdict = Verdict::Inconclusive(Evidence::new("confirming").with_traffic(seen));
        rig.tell(Input::Looked(look(traffic(100, 0), verdict)));
    }
    let MigrationOutcome::RolledBack {
        cause, restored, ..
    } = rig.outcome()
    else {
        panic!("not rolled back");
    };
    assert!(matches!(cause, Cause::Gate { .. }));
    assert_eq!(restored.confirmed, Some(later_by(restored_at, 165)));
    assert_eq!(rig.outcome().exit_code(), 10);
}

#[test]
fn p04_an_unconfirmed_restore_says_so() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    let sticky = traffic(100, 0).with_stickiness(Duration::from_secs(3600));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(sticky.clone()))));
    rig.wait();
    rig.tell(Input::Observed(Ok(sticky)));
    rig.look_until_other(|| look(traffic(100, 0), Verdict::inconclusive("nothing")));
    let MigrationOutcome::RolledBack { restored, .. } = rig.outcome() else {
        panic!("not rolled back");
    };
    assert_eq!(restored.confirmed, None);
    assert_eq!(restored.pinned_until, Some(later_by(start(), 3603)));
    assert_eq!(rig.outcome().exit_code(), 11);
}

#[test]
fn p02_waits_for_capacity_and_gives_up_before_the_first_step() {
    let mut rig = Rig::default();
    let mut few = traffic(100, 0);
    few.targets.green = TargetCounts::default();
    rig.tell(Input::Preflighted {
        findings: Ok(Vec::new()),
        look: look(few.clone(), Verdict::inconclusive("no traffic yet")),
        capacity: None,
    });
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.look_until_other(|| look(few.clone(), Verdict::inconclusive("no traffic yet")));
    assert_eq!(rig.outcome().exit_code(), 3);

    let mut rig = Rig::at_ten();
    let mut one = traffic(90, 10);
    one.targets.green = TargetCounts::all_healthy(1);
    rig.look_until_other(|| look(one.clone(), healthy()));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    let short =
        |event: &MigrationEvent| matches!(event, MigrationEvent::CapacityShort { needed: 2, .. });
    assert!(rig.events.iter().any(short));
}

#[test]
fn p02_an_override_does_not_waive_capacity() {
    let mut rig = Rig::at_ten();
    let mut one = traffic(90, 10);
    one.targets.green = TargetCounts::all_healthy(1);
    rig.tell(Input::Control(Control::PromoteFully { by: "ann".into() }));
    rig.tell(Input::Looked(look(one, Verdict::inconclusive("no data"))));
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.wait();
    rig.look_twice(|| look(traffic(90, 10), Verdict::inconclusive("no data")));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_GREEN, false));
}

#[test]
fn p01_an_override_is_named_in_the_outcome() {
    let mut rig = Rig::at_ten();
    for (share, weights) in [(50, (50, 50)), (100, (0, 100))] {
        rig.tell(Input::Control(Control::Promote { by: "ann".into() }));
        let before = rig.machine.traffic().cloned().expect("read");
        rig.look_twice(|| look(before.clone(), Verdict::inconclusive("no data")));
        assert_eq!(rig.wanted_shift(), (split(share), false));
        rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(
            weights.0, weights.1,
        )))));
    }
    rig.tell(Input::Control(Control::Promote { by: "ann".into() }));
    rig.tell(Input::Looked(look(
        traffic(0, 100),
        Verdict::inconclusive("no data"),
    )));
    let overrides = &rig.outcome().report().overrides;
    assert_eq!(overrides.len(), 3);
    assert!(
        overrides[0]
            .what
            .contains("gate `errors` is inconclusive: no data")
    );
}

#[test]
fn p10_a_rise_without_an_answer_is_read_before_anything_else() {
    let unanswered = || {
        let mut rig = Rig::default();
        rig.pass_preflight();
        rig.tell(Input::Shifted(Err(failure(ErrorKind::OutcomeUnknown))));
        rig.wait();
        rig
    };
    // It had happened: its step begins when it is seen.
    let mut rig = unanswered();
    rig.tell(Input::Looked(look(traffic(90, 10), unseen())));
    assert!(rig.told(|event| matches!(event, MigrationEvent::Shifted { .. })));
    // It is not seen yet: nothing is written again for the propagation time. Then it did not
    // happen, and may be tried again.
    let mut rig = unanswered();
    rig.look_until_other(|| look(traffic(100, 0), unseen()));
    assert_eq!(rig.wanted_shift(), (split(10), false));
    assert!(between(rig.now) >= PROPAGATION);
    assert!(rig.told(|event| matches!(
        event,
        MigrationEvent::WriteObserved {
            happened: false,
            ..
        }
    )));
    // A split of a third party, in two reads: the live split is stated.
    let mut rig = unanswered();
    rig.tell(Input::Looked(look(traffic(70, 30), unseen())));
    assert_eq!(rig.machine.end(), None);
    rig.look_until_other(|| look(traffic(70, 30), unseen()));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert_eq!(rig.outcome().report().traffic, Some(traffic(70, 30)));
}

#[test]
fn a_first_rise_that_is_refused_changes_nothing() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    for _ in 0..3 {
        assert_eq!(rig.wanted_shift(), (split(10), false));
        rig.tell(Input::Shifted(Err(failure(ErrorKind::Throttled))));
        rig.look_until_other(|| look(traffic(100, 0), unseen()));
    }
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn a_later_rise_that_fails_rolls_back() {
    let mut rig = Rig::at_ten();
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    rig.tell(Input::Shifted(Err(failure(ErrorKind::Denied))));
    rig.restore();
    rig.look_until_other(|| look(traffic(100, 0), Verdict::inconclusive("nothing")));
    assert_eq!(rig.outcome().exit_code(), 10);
}

fn unseen() -> Verdict {
    Verdict::inconclusive("no traffic yet")
}

/// The rise is accepted, and the read after it shows the state before it.
fn accepted(blue: u32, green: u32) -> Input {
    Input::Shifted(Ok(Shifted::Accepted(traffic(blue, green))))
}

#[test]
fn p04_an_accepted_rise_is_never_written_twice_and_its_bake_begins_when_it_is_seen() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(accepted(90, 10));
    for _ in 0..3 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(100, 0), unseen())));
    }
    rig.wait();
    let seen_at = rig.now;
    rig.tell(Input::Looked(look(traffic(90, 10), unseen())));
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (split(50), false));
    assert_eq!(
        crate::clock::between(seen_at, rig.now),
        Duration::from_secs(600)
    );
    let rises = rig.events.iter();
    let rises =
        rises.filter(|e| matches!(e, MigrationEvent::Shifting { to, .. } if *to == split(10)));
    assert_eq!(rises.count(), 1);
}

#[test]
fn p04_an_accepted_rise_that_never_becomes_visible_is_restored_and_said() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(accepted(90, 10));
    rig.look_until_other(|| look(traffic(100, 0), unseen()));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    assert!(between(rig.now) >= PROPAGATION);
    rig.restore();
    rig.look_until_other(|| look(traffic(100, 0), unseen()));
    let MigrationOutcome::RolledBack { cause, .. } = rig.outcome() else {
        panic!("{:?}", rig.outcome());
    };
    assert_eq!(*cause, Cause::NeverVisible { to: split(10) });
}

#[test]
fn p04_p07_one_old_read_after_a_rise_was_seen_is_no_drift() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(traffic(100, 0), healthy())));
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (split(50), false));
}

#[test]
fn p07_blue_restored_by_a_third_party_after_the_propagation_time_is_drift() {
    let mut rig = Rig::at_ten();
    for _ in 0..3 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(90, 10), healthy())));
    }
    rig.look_until_other(|| look(traffic(100, 0), healthy()));
    assert_eq!(rig.outcome().exit_code(), 12, "{:?}", rig.next);
    assert!(!rig.told(|event| matches!(event, MigrationEvent::RollingBack { .. })));
}

#[test]
fn p04_p07_nothing_is_promoted_on_a_read_that_nothing_explains() {
    let plan = MigrationPlan::builder().step(Step::to(Percent::HUNDRED));
    let mut rig = Rig::new(plan.build().expect("valid"));
    rig.pass_preflight();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(0, 100)))));
    while between(rig.now) < Duration::from_secs(585) {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(0, 100), healthy())));
    }
    rig.wait();
    rig.tell(Input::Looked(look(traffic(37, 63), healthy())));
    assert_eq!(rig.machine.end(), None);
    rig.look_until_other(|| look(traffic(37, 63), healthy()));
    assert_eq!(rig.outcome().exit_code(), 12);
}

#[test]
fn p07_reads_that_flap_for_a_minute_are_drift() {
    let mut rig = Rig::at_ten();
    for _ in 0..3 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(90, 10), healthy())));
    }
    let begun = rig.now;
    let mut is_odd = false;
    while !rig.told(|event| matches!(event, MigrationEvent::Drifted { .. })) {
        let found = if is_odd {
            traffic(60, 40)
        } else {
            traffic(90, 10)
        };
        match &rig.next {
            Next::Do(Action::Wait { .. }) => rig.wait(),
            _ => {
                is_odd = !is_odd;
                rig.tell(Input::Looked(look(found, healthy())))
            }
        };
        assert!(crate::clock::between(begun, rig.now) < Duration::from_secs(200));
    }
    assert!(crate::clock::between(begun, rig.now) >= Duration::from_secs(60));
}

#[test]
fn p04_a_restore_is_written_although_reads_show_blue_already() {
    // The rise was not answered, and reads show the state before it.
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(Input::Shifted(Err(failure(ErrorKind::OutcomeUnknown))));
    rig.wait();
    rig.tell(Input::Looked(look(traffic(100, 0), unseen())));
    rig.tell(Input::Control(cancel()));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(100, 0)))));
    // The rise may still land, so blue is read until it cannot any more.
    let mut reads = 0;
    while rig.machine.end().is_none() {
        rig.wait();
        rig.tell(Input::Observed(Ok(traffic(100, 0))));
        reads += 1;
    }
    assert!(reads >= 8, "{reads}");
    assert_eq!(rig.outcome().exit_code(), 11);
}

#[test]
fn p04_a_rise_that_lands_after_the_restore_is_written_over() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(Input::Shifted(Err(failure(ErrorKind::OutcomeUnknown))));
    rig.tell(Input::Control(cancel()));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(100, 0)))));
    for _ in 0..2 {
        rig.wait();
        rig.tell(Input::Observed(Ok(traffic(90, 10))));
    }
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn p04_a_restore_that_is_accepted_and_cannot_be_read_says_both() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    rig.tell(accepted(100, 0));
    while rig.machine.end().is_none() {
        rig.wait();
        if rig.next == Next::Do(Action::Observe) {
            rig.tell(Input::Observed(Err(failure(ErrorKind::Unavailable))));
        }
    }
    let text = rig.unresolved().to_string();
    assert!(
        text.contains("accepted") && text.contains("last read"),
        "{text}"
    );
}

#[test]
fn p07_a_restore_is_not_written_over_a_third_partys_split() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(traffic(70, 30), healthy())));
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    while rig.machine.end().is_none() {
        match &rig.next {
            Next::Do(Action::Observe) => rig.tell(Input::Observed(Ok(traffic(70, 30)))),
            _ => rig.wait(),
        };
    }
    let text = rig.unresolved().to_string();
    assert!(
        text.contains("third party") && text.contains("aws elbv2"),
        "{text}"
    );
}

/// The guide's rollback is hit by one throttle, ignores it and says that blue serves everything.
#[test]
fn p04_a_throttled_rollback_is_tried_again_until_it_is_read_back() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::unhealthy("20% errors"),
    )));
    for _ in 0..5 {
        assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
        rig.tell(Input::Shifted(Err(failure(ErrorKind::Throttled))));
        rig.tell(Input::Observed(Ok(traffic(90, 10))));
        rig.wait();
    }
    rig.restore();
    let restored = |event: &MigrationEvent| matches!(event, MigrationEvent::Restored { .. });
    assert!(rig.events.iter().any(restored));
}

#[test]
fn p04_a_rollback_that_cannot_be_read_back_is_reported_as_failed() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::unhealthy("20% errors"),
    )));
    while rig.machine.end().is_none() {
        match &rig.next {
            Next::Do(Action::Shift { .. }) => {
                rig.tell(Input::Shifted(Err(failure(ErrorKind::OutcomeUnknown))))
            }
            Next::Do(Action::Observe) => {
                rig.tell(Input::Observed(Err(failure(ErrorKind::Unavailable))))
            }
            _ => rig.wait(),
        };
    }
    let unresolved = rig.unresolved();
    assert!(unresolved.change_unseen);
    assert_eq!(unresolved.report.traffic, Some(traffic(90, 10)));
    assert_eq!(unresolved.restore_command(), Some("aws elbv2 modify-rule"));
    let text = unresolved.to_string();
    assert!(text.contains("aws elbv2 modify-rule"), "{text}");
}

#[test]
fn p07_drift_stops_the_writing_and_warns_until_the_deadline() {
    let mut rig = Rig::at_ten();
    let harmful = || look(traffic(70, 30), Verdict::unhealthy("20% errors"));
    rig.wait();
    rig.tell(Input::Looked(look(traffic(70, 30), healthy())));
    rig.wait();
    rig.tell(Input::Looked(harmful()));
    assert!(
        rig.told(|event| matches!(event, MigrationEvent::Drifted { diff, .. } if diff.len() == 2))
    );
    rig.look_until_other(harmful);
    let blocked = rig.events.iter();
    let blocked = blocked.filter(|e| {
        matches!(
            e,
            MigrationEvent::RestoreBlocked {
                command: Some(_),
                ..
            }
        )
    });
    assert!(blocked.count() > 10, "it says so again");
    assert_eq!(between(rig.now), Duration::from_secs(30 * 60));
    let unresolved = rig.unresolved();
    assert!(unresolved.summary.contains("20% errors"), "{unresolved}");
    assert_eq!(unresolved.report.traffic, Some(traffic(70, 30)));

    // A cancelled run reports where traffic was last read, and how to put it back.
    let mut rig = Rig::at_ten();
    for _ in 0..2 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(70, 30), healthy())));
    }
    rig.tell(Input::Control(cancel()));
    let text = rig.outcome().to_string();
    assert_eq!(rig.outcome().exit_code(), 12);
    assert!(text.contains("aws elbv2 modify-rule"), "{text}");
}

fn cancel() -> Control {
    Control::Cancel {
        reason: "SIGINT".into(),
    }
}

#[test]
fn p11_a_cancel_during_a_change_waits_for_it_and_rolls_back() {
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(Input::Control(cancel()));
    assert_eq!(
        rig.wanted_shift(),
        (split(10), false),
        "the change is let to finish"
    );
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
    rig.restore();
    // A cancelled run does not wait for the metrics.
    assert_eq!(rig.outcome().exit_code(), 11);
}

#[test]
fn p11_a_cancel_ends_the_wait_for_a_confirmation() {
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(traffic(90, 10), counted(healthy()))));
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    rig.restore();
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.tell(Input::Control(cancel()));
    assert_eq!(rig.outcome().exit_code(), 11);
}

#[test]
fn p11_cancel_holds_where_the_plan_says_so() {
    let plan = MigrationPlan::builder().on_cancel(OnCancel::Hold);
    let mut rig = Rig::new(plan.build().expect("valid"));
    rig.pass_preflight();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".into(),
    }));
    assert_eq!(rig.outcome().exit_code(), 12);
}

#[test]
fn p11_stop_ends_at_once_and_says_what_is_not_known() {
    let stop = || {
        Input::Control(Control::Stop {
            reason: "second SIGINT".into(),
        })
    };
    let mut rig = Rig::at_ten();
    rig.tell(stop());
    assert!(!rig.unresolved().change_unseen);
    let mut rig = Rig::default();
    rig.pass_preflight();
    rig.tell(stop());
    assert!(rig.unresolved().change_unseen);
    let mut rig = Rig::default();
    rig.tell(stop());
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn a_pause_keeps_green_where_it_is_and_still_rolls_back() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Pause {
        by: "ann".into(),
        length: None,
    }));
    for _ in 0..100 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(90, 10), healthy())));
    }
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.tell(Input::Control(Control::Continue { by: "ann".into() }));
    rig.wait();
    rig.look_twice(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (split(50), false));

    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Pause {
        by: "ann".into(),
        length: None,
    }));
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::unhealthy("20% errors"),
    )));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn skipping_the_wait_still_needs_a_healthy_verdict() {
    let skip = || Input::Control(Control::SkipWait { by: "ann".into() });
    let mut rig = Rig::at_ten();
    rig.tell(skip());
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::inconclusive("no data"),
    )));
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.wait();
    rig.tell(Input::Looked(look(traffic(90, 10), healthy())));
    assert_eq!(rig.wanted_shift(), (split(50), false));
    assert_eq!(between(rig.now), Duration::from_secs(15));
    rig.tell(skip());
    let waits = rig.told(|event| {
        matches!(
            event,
            MigrationEvent::Controlled {
                effect: ControlEffect::AfterChange,
                ..
            }
        )
    });
    assert!(waits, "it holds once the change has finished");
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(50, 50)))));
    rig.look_twice(|| look(traffic(50, 50), healthy()));
    assert_eq!(rig.wanted_shift(), (split(100), false));
}

#[test]
fn a_preflight_refuses_with_everything_that_it_found() {
    let mut divided = traffic(50, 50).with_stickiness(Duration::from_secs(86_400));
    divided.targets.blue = TargetCounts::default();
    let mut rig = Rig::default();
    rig.tell(Input::Preflighted {
        findings: Ok(vec![
            Finding::note("the balancer takes 90s"),
            Finding::refusal_unless(
                crate::preflight::Acceptance::SharedTargets,
                "green is in rule 7 too",
            ),
        ]),
        look: look(divided, Verdict::unhealthy("alarm `api-5xx` fires")),
        capacity: None,
    });
    let MigrationOutcome::Unchanged {
        reason: Unchanged::Refused { findings },
        ..
    } = rig.outcome()
    else {
        panic!("not refused");
    };
    assert_eq!(findings.len(), 6, "{findings:#?}");
}

#[test]
fn a_preflight_that_cannot_read_is_tried_again() {
    let mut rig = Rig::default();
    for attempt in 1..=5 {
        assert!(
            matches!(rig.next, Next::Do(Action::Preflight { .. })),
            "try {attempt}"
        );
        rig.tell(Input::Preflighted {
            findings: Err(failure(ErrorKind::Throttled)),
            look: look(traffic(100, 0), Verdict::inconclusive("no traffic yet")),
            capacity: None,
        });
        if attempt < 5 {
            rig.wait();
        }
    }
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn a_failing_journal_rolls_back_and_never_blocks_it() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::JournalFailed(failure(ErrorKind::Unavailable)));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    // The journal fails at the very record that announces a rise.
    let mut rig = Rig::at_ten();
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    rig.tell(Input::JournalFailed(failure(ErrorKind::Unavailable)));
    rig.tell(Input::Shifted(Err(failure(ErrorKind::Unavailable))));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn a_clock_that_cannot_be_trusted_rolls_back() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Waited { clock_fault: true });
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn the_final_bake_keeps_watching() {
    let plan = MigrationPlan::builder()
        .step(Step::to(Percent::HUNDRED))
        .final_bake(Duration::from_secs(3600));
    let mut rig = Rig::new(plan.build().expect("valid"));
    rig.pass_preflight();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(0, 100)))));
    for _ in 0..100 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(0, 100), healthy())));
    }
    assert!(
        rig.events
            .iter()
            .any(|e| matches!(e, MigrationEvent::Baking { .. }))
    );
    assert!(rig.machine.end().is_none());
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(0, 100),
        Verdict::unhealthy("20% errors"),
    )));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn a_pause_takes_back_an_override_that_still_waits() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Promote { by: "ann".into() }));
    rig.tell(Input::Control(Control::Pause {
        by: "ann".into(),
        length: None,
    }));
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::inconclusive("no data"),
    )));
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
}

#[test]
fn completing_never_goes_to_a_step_on_the_way() {
    let mut rig = Rig::with_intent(Intent::Complete { by: "ann".into() });
    let mut few = traffic(50, 50);
    few.targets.green = TargetCounts::all_healthy(2);
    rig.tell(Input::Preflighted {
        findings: Ok(Vec::new()),
        look: look(few, Verdict::inconclusive("no data")),
        capacity: None,
    });
    // A pause revokes the override; the rest is still not a step to 10 %.
    rig.tell(Input::Control(Control::Pause {
        by: "ann".into(),
        length: None,
    }));
    rig.tell(Input::Control(Control::Continue { by: "ann".into() }));
    rig.look_until_other(|| look(traffic(50, 50), Verdict::inconclusive("no data")));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_GREEN, false));
}

#[test]
fn a_restore_begins_with_an_observation_and_tells_what_it_cannot() {
    let restore = || Rig::with_intent(Intent::Restore(RestoreOrder::by("ann")));
    let mut rig = restore();
    assert_eq!(rig.next, Next::Do(Action::Observe));
    rig.tell(Input::Observed(Ok(traffic(30, 70))));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    // The rule is not there: nothing to restore, nothing changed.
    let mut rig = restore();
    rig.tell(Input::Observed(Err(failure(ErrorKind::NotFound))));
    assert_eq!(rig.outcome().exit_code(), 3);
    // A run that is cancelled before anything was read has changed nothing.
    let mut rig = restore();
    rig.tell(Input::Observed(Err(failure(ErrorKind::Throttled))));
    rig.tell(Input::Control(cancel()));
    assert_eq!(rig.outcome().exit_code(), 3);
    // The rule cannot be read at all: a person must look, soon.
    let mut rig = restore();
    while rig.machine.end().is_none() {
        match &rig.next {
            Next::Do(Action::Observe) => {
                rig.tell(Input::Observed(Err(failure(ErrorKind::Throttled))))
            }
            _ => rig.wait(),
        };
    }
    assert!(!rig.unresolved().change_unseen);
    assert!(between(rig.now) <= Duration::from_secs(60));
}

/// Metrics that cannot show that green got no request: nothing is waited for, and the outcome says why.
#[cfg(feature = "spec")]
#[test]
fn a_restore_that_no_metric_can_confirm_ends_at_once_and_says_why() {
    let why = "silence is not counted";
    let plan = MigrationPlan::builder()
        .unconfirmable(why)
        .build()
        .expect("valid");
    let order = RestoreOrder::by("ann").with_confirmation();
    for intent in [Intent::Restore(order), Intent::Migrate] {
        let mut rig = Rig::start(plan.clone(), intent.clone());
        if intent == Intent::Migrate {
            rig.pass_preflight();
            rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))));
            rig.look_until_other(|| look(traffic(90, 10), Verdict::unhealthy("errors")));
        } else {
            rig.tell(Input::Observed(Ok(traffic(30, 70))));
        }
        rig.restore();
        let MigrationOutcome::RolledBack { restored, .. } = rig.outcome() else {
            panic!("{:?}", rig.outcome());
        };
        assert_eq!(restored.unconfirmable.as_deref(), Some(why));
        let said = restored.to_string();
        assert!(
            said.ends_with("; metrics cannot confirm it: silence is not counted"),
            "{said}"
        );
    }
}

#[test]
fn a_clock_that_does_not_wait_cannot_make_it_hammer() {
    let fault = || Input::Waited { clock_fault: true };
    let mut rig = Rig::at_ten();
    rig.tell(fault());
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(100, 0)))));
    let mut reads = 0;
    while rig.machine.end().is_none() {
        rig.tell(fault());
        if rig.next == Next::Do(Action::Observe) {
            reads += 1;
            rig.tell(Input::Observed(Ok(traffic(100, 0))));
        }
    }
    assert!(reads <= 10, "{reads}");
    assert_eq!(rig.outcome().exit_code(), 10);

    let mut rig = Rig::at_ten();
    rig.tell(fault());
    let mut tries = 0;
    while rig.machine.end().is_none() {
        tries += 1;
        rig.tell(Input::Shifted(Err(failure(ErrorKind::Throttled))));
        rig.tell(Input::Observed(Ok(traffic(90, 10))));
        rig.tell(fault());
    }
    assert!(tries <= 11, "{tries}");
}

fn resumed() -> Input {
    Input::Resumed { by: "bob".into() }
}

#[test]
fn p05_a_resumed_run_reads_before_anything_else_and_goes_on() {
    let mut rig = Rig::at_ten();
    rig.tell(resumed());
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(traffic(90, 10))));
    assert!(matches!(rig.next, Next::Do(Action::Look { .. })));
}

#[test]
fn p05_a_change_under_way_is_found_or_not_found() {
    let mut rig = Rig::at_ten();
    rig.rise_to_fifty();
    rig.tell(resumed());
    rig.tell(Input::Looked(look(traffic(50, 50), unseen())));
    assert!(
        rig.told(|e| matches!(e, MigrationEvent::Shifted { traffic: t } if t.is_at(split(50))))
    );

    // Another host's clock proves nothing: the propagation time begins anew.
    let mut rig = Rig::at_ten();
    rig.rise_to_fifty();
    rig.now = later_by(rig.now, 60);
    let resumed_at = rig.now;
    rig.tell(resumed());
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert!(rig.told(|e| matches!(
        e,
        MigrationEvent::WriteObserved {
            happened: false,
            ..
        }
    )));
    assert_eq!(rig.wanted_shift(), (split(50), false));
    assert!(crate::clock::between(resumed_at, rig.now) >= PROPAGATION);
}

#[test]
fn p05_p07_a_split_that_is_nobodys_is_held_with_the_difference() {
    let mut rig = Rig::at_ten();
    rig.rise_to_fifty();
    rig.tell(resumed());
    rig.look_until_other(|| look(traffic(30, 70), unseen()));
    let MigrationOutcome::Held { reason, .. } = rig.outcome() else {
        panic!("{:?}", rig.outcome());
    };
    assert!(matches!(reason, HoldReason::Drift { diff, .. } if diff.len() == 2));
}

#[test]
fn p05_a_resumed_restore_is_written_again() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    rig.tell(resumed());
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(traffic(100, 0))));
    rig.wait();
    rig.restore();
}

#[test]
fn p05_one_old_read_after_a_resume_is_no_drift() {
    let mut rig = Rig::at_ten();
    rig.now = later_by(rig.now, 600);
    rig.tell(resumed());
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(traffic(100, 0))));
    rig.wait();
    rig.tell(Input::Observed(Ok(traffic(90, 10))));
    assert!(matches!(rig.next, Next::Do(Action::Look { .. })));
}

#[test]
fn p11_a_pause_that_is_given_before_the_first_rise_holds() {
    let mut rig = Rig::default();
    rig.tell(Input::Control(Control::Pause {
        by: "ann".into(),
        length: None,
    }));
    rig.tell(Input::Preflighted {
        findings: Ok(Vec::new()),
        look: look(traffic(100, 0), unseen()),
        capacity: None,
    });
    for _ in 0..20 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(100, 0), unseen())));
    }
    rig.tell(Input::Control(Control::Continue { by: "ann".into() }));
    rig.look_until_other(|| look(traffic(100, 0), unseen()));
    assert_eq!(rig.wanted_shift(), (split(10), false));
}

#[test]
fn p05_a_plan_may_roll_back_what_is_resumed() {
    let plan = MigrationPlan::builder().on_resume(crate::migration::OnResume::RollBack);
    let mut rig = Rig::at_ten_by(plan.build().expect("valid"));
    rig.tell(resumed());
    rig.tell(Input::Observed(Ok(traffic(90, 10))));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}

#[test]
fn p05_a_resumed_run_that_cannot_read_tries_again_and_says_what_is_not_known() {
    let mut rig = Rig::at_ten();
    rig.tell(resumed());
    let mut tries = 0;
    while rig.machine.end().is_none() {
        rig.tell(Input::Observed(Err(failure(ErrorKind::Unavailable))));
        if let Next::Do(Action::Wait { .. }) = rig.next {
            rig.wait();
        }
        tries += 1;
    }
    assert!(tries > 10, "{tries}");
    assert!(rig.unresolved().restore_command().is_some());
}

#[test]
fn p06_who_was_taken_over_changes_nothing_more() {
    let taken_over = || Input::JournalFailed(failure(ErrorKind::TakenOver));
    // While watching.
    let mut rig = Rig::at_ten();
    rig.tell(taken_over());
    assert!(matches!(
        rig.outcome(),
        MigrationOutcome::Held {
            reason: HoldReason::TakenOver { .. },
            ..
        }
    ));
    // While a rise is written: its outcome is read, and left there.
    for answer in [
        Ok(Shifted::Seen(traffic(50, 50))),
        Ok(Shifted::Accepted(traffic(50, 50))),
        Err(failure(ErrorKind::TakenOver)),
    ] {
        let mut rig = Rig::at_ten();
        rig.rise_to_fifty();
        rig.tell(taken_over());
        rig.tell(Input::Shifted(answer));
        assert_eq!(rig.outcome().exit_code(), 12);
    }
}

fn pause(length: Option<u64>) -> Input {
    Input::Control(Control::Pause {
        by: "ann".into(),
        length: length.map(Duration::from_secs),
    })
}

#[test]
fn p11_a_pause_that_is_not_ended_warns_and_is_a_cancellation() {
    // The length that was asked for: 30 minutes if none was, at most 2 hours and at most the time until
    // the deadline of the run.
    for (asked, seconds) in [(None, 1800), (Some(120), 120), (Some(36_000), 7_200)] {
        let mut rig = Rig::at_ten();
        let given = rig.now;
        rig.tell(pause(asked));
        rig.look_until_other(|| look(traffic(90, 10), healthy()));
        assert_eq!(
            rig.wanted_shift(),
            (TrafficSplit::ALL_BLUE, true),
            "{asked:?}"
        );
        let lasted = crate::clock::between(given, rig.now);
        let left = crate::clock::between(given, later_by(start(), 120 * 60));
        assert_eq!(lasted, Duration::from_secs(seconds).min(left), "{asked:?}");
        let warned = |event: &MigrationEvent| matches!(event, MigrationEvent::PauseEnds { .. });
        assert!(rig.told(warned), "{asked:?}");
        rig.restore();
        assert_eq!(rig.outcome().exit_code(), 11);
    }

    let plan = MigrationPlan::builder().on_cancel(OnCancel::Hold);
    let mut rig = Rig::at_ten_by(plan.build().expect("valid"));
    rig.tell(pause(None));
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert!(rig.outcome().to_string().contains("the pause of ann"));
}

/// At 10 %, green unhealthy, and from the first look on nothing of the rule can be read.
fn unreadable(plan: MigrationPlan, kind: ErrorKind) -> Rig {
    let mut rig = Rig::at_ten_by(plan);
    rig.wait();
    rig.tell(Input::Looked(LookReport {
        traffic: Err(failure(kind)),
        gates: vec![seen_by(Verdict::unhealthy("20% errors"))],
    }));
    rig
}

/// Answers every read and every write that reads first with `kind`, until a restore needs no read.
fn until_unread(rig: &mut Rig, kind: ErrorKind) {
    while rig.machine.end().is_none() {
        match &rig.next {
            Next::Do(Action::Shift(shift)) if shift.over == crate::traffic::Over::Held => return,
            Next::Do(Action::Shift(_)) => rig.tell(Input::Shifted(Err(failure(kind)))),
            Next::Do(Action::Observe) => rig.tell(Input::Observed(Err(failure(kind)))),
            _ => rig.wait(),
        };
    }
}

#[test]
fn p03_a_restore_is_written_without_a_read_once_reads_have_failed_for_twenty_seconds() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled] {
        let mut rig = unreadable(MigrationPlan::builder().build().expect("valid"), kind);
        let failing = rig.now;
        until_unread(&mut rig, kind);
        let after = crate::clock::between(failing, rig.now).as_secs();
        assert!((20..60).contains(&after), "{after} s");
        let said = |event: &MigrationEvent| matches!(event, MigrationEvent::WritingUnread { .. });
        assert!(rig.told(said));
        rig.tell(Input::Shifted(Ok(Shifted::Accepted(traffic(100, 0)))));
        until_unread(&mut rig, kind);
        let words = rig.unresolved().to_string();
        assert!(words.contains("accepted"), "{words}");
    }
}

#[test]
fn p03_a_restore_without_a_read_needs_a_plan_and_something_fresh() {
    let kind = ErrorKind::Unavailable;
    let forbids = MigrationPlan::builder().blind_restore(false).build();
    let mut rig = unreadable(forbids.expect("valid"), kind);
    until_unread(&mut rig, kind);
    assert!(rig.unresolved().restore_command().is_some());

    // Another process has no knowledge of the rule.
    let mut rig = unreadable(MigrationPlan::builder().build().expect("valid"), kind);
    rig.tell(resumed());
    until_unread(&mut rig, kind);
    assert!(!rig.unresolved().summary.is_empty());
}

#[test]
fn p07_a_rule_that_was_deleted_is_an_end_of_its_own() {
    let gone = |verdict| {
        Input::Looked(LookReport {
            traffic: Err(failure(ErrorKind::NotFound)),
            gates: vec![seen_by(verdict)],
        })
    };
    // One such answer is not enough.
    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(gone(healthy()));
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (split(50), false));

    let mut rig = Rig::at_ten();
    rig.wait();
    rig.tell(gone(healthy()));
    rig.wait();
    rig.tell(gone(healthy()));
    assert_eq!(rig.outcome().exit_code(), 12);
    let words = rig.outcome().to_string();
    assert!(words.contains("was deleted during the run"), "{words}");

    // A signal ends the run in the same way, and a gate that wants blue calls for a person.
    for (input, code) in [
        (
            Input::Control(Control::Cancel {
                reason: "SIGTERM".into(),
            }),
            12,
        ),
        (gone(Verdict::unhealthy("20% errors")), 20),
    ] {
        let mut rig = Rig::at_ten();
        rig.wait();
        rig.tell(gone(healthy()));
        if code == 20 {
            rig.wait();
        }
        rig.tell(input);
        while rig.machine.end().is_none() {
            match &rig.next {
                Next::Do(Action::Shift(_)) => {
                    rig.tell(Input::Shifted(Err(failure(ErrorKind::NotFound))))
                }
                Next::Do(Action::Observe) => {
                    rig.tell(Input::Observed(Err(failure(ErrorKind::NotFound))))
                }
                _ => rig.wait(),
            };
        }
        let ended = rig
            .machine
            .end()
            .expect("ended")
            .map_or(20, MigrationOutcome::exit_code);
        assert_eq!(ended, code);
        assert!(crate::clock::between(start(), rig.now) < Duration::from_secs(60));
    }
}

#[test]
fn p07_weights_from_before_the_run_name_infrastructure_code() {
    let mut rig = Rig::at_ten();
    rig.rise_to_fifty();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(50, 50)))));
    rig.look_until_other(|| look(traffic(100, 0), healthy()));
    let words = rig.outcome().to_string();
    assert!(words.contains("infrastructure code"), "{words}");

    let mut rig = Rig::at_ten();
    rig.rise_to_fifty();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(50, 50)))));
    rig.look_until_other(|| look(traffic(200, 0), healthy()));
    let words = rig.outcome().to_string();
    assert!(!words.contains("infrastructure code"), "{words}");
}

#[test]
fn p04_only_a_gate_that_counts_requests_is_waited_for() {
    let mut rig = Rig::at_ten();
    rig.tell(Input::Control(Control::Abort { by: "ann".into() }));
    rig.restore();
    assert_eq!(rig.outcome().exit_code(), 11);
}

/// What the property test lets happen next.
#[derive(Debug, Clone)]
enum Chance {
    /// The outstanding action works; a gate that looks says this.
    Works(Mood),
    /// The outstanding action fails, for a shift before or after its effect.
    Fails(ErrorKind, bool),
    /// A third party writes the weights.
    ThirdParty(u32, u32),
    /// From now on reads are this many seconds old.
    Lag(u64),
    /// Green's healthy targets change.
    Targets(u32),
    /// Blue's healthy targets change.
    BlueTargets(u32),
    Control(Control),
    /// An answer to another action than the outstanding one.
    Stale(Box<Input>),
    JournalFails,
    /// Another controller takes over the journal.
    TakenOver,
    /// The process ends, a change that is under way before or after its effect, and the run is
    /// resumed.
    Crash(bool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Healthy,
    Unhealthy,
    Inconclusive,
    Silent,
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        20 => Just(Mood::Healthy),
        1 => Just(Mood::Unhealthy),
        4 => Just(Mood::Inconclusive),
        4 => Just(Mood::Silent),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    let by = || crate::engine::Operator::new("ann");
    let reason = || "SIGINT".to_owned();
    prop_oneof![
        3 => Just(Control::Pause { by: by(), length: None }),
        4 => Just(Control::Continue { by: by() }),
        6 => Just(Control::SkipWait { by: by() }),
        4 => Just(Control::Promote { by: by() }),
        1 => Just(Control::PromoteFully { by: by() }),
        1 => Just(Control::Leave { by: by() }),
        1 => Just(Control::Abort { by: by() }),
        2 => Just(Control::Cancel { reason: reason() }),
        1 => Just(Control::Stop { reason: reason() }),
    ]
}

fn restore_order((force, stays, confirm): (bool, bool, bool)) -> Intent {
    let order = RestoreOrder::by("ann");
    let order = RestoreOrder {
        force,
        confirm,
        ..order
    };
    Intent::Restore(match stays {
        true => order.with_stay(RestoreOrder::LATE_CALL),
        false => order,
    })
}

fn intent() -> impl Strategy<Value = Intent> {
    let by = || crate::engine::Operator::new("ann");
    prop_oneof![
        6 => Just(Intent::Migrate),
        1 => Just(Intent::Complete { by: by() }),
        1 => any::<(bool, bool, bool)>().prop_map(restore_order),
    ]
}

fn kind() -> impl Strategy<Value = ErrorKind> {
    prop_oneof![
        Just(ErrorKind::Throttled),
        Just(ErrorKind::OutcomeUnknown),
        Just(ErrorKind::Denied),
        Just(ErrorKind::Conflict),
        Just(ErrorKind::Unavailable),
        Just(ErrorKind::NotFound),
    ]
}

fn stale() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Start(Intent::Migrate)),
        Just(Input::Shifted(Ok(Shifted::Seen(traffic(0, 100))))),
        Just(Input::Observed(Ok(traffic(0, 100)))),
        Just(Input::Looked(look(traffic(0, 100), healthy()))),
        Just(Input::Waited { clock_fault: false }),
        Just(Input::SwitchArmed(Ok(Armed::new("it")))),
        Just(Input::SwitchDisarmed(Ok(()))),
        Just(Input::CapacityKept(Ok(()))),
        Just(Input::CapacityReleased(Ok(Released::PutBack))),
        Just(Input::CapacityObserved(Ok(Capacity::new("blue", 4)))),
    ]
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        60 => mood().prop_map(Chance::Works),
        8 => (kind(), any::<bool>()).prop_map(|(kind, after)| Chance::Fails(kind, after)),
        1 => (0_u32..100, 0_u32..100).prop_map(|(blue, green)| Chance::ThirdParty(blue, green)),
        3 => (0_u64..25).prop_map(Chance::Lag),
        2 => (0_u32..6).prop_map(Chance::Targets),
        4 => (0_u32..5).prop_map(Chance::BlueTargets),
        3 => control().prop_map(Chance::Control),
        2 => stale().prop_map(|input| Chance::Stale(Box::new(input))),
        1 => Just(Chance::JournalFails),
        1 => Just(Chance::TakenOver),
        3 => any::<bool>().prop_map(Chance::Crash),
    ]
}

/// The truth behind the machine: the rule, and what the promises need to be checked against.
struct World {
    blue: u32,
    green: u32,
    now: Timestamp,
    /// How old reads are, and the weights that stood at which times.
    lag: Duration,
    history: Vec<(Timestamp, u32, u32)>,
    /// Whether a third party has written.
    has_third_party: bool,
    targets: u32,
    blue_targets: u32,
    /// Blue's healthy targets at the newest survey.
    blue_at_start: u32,
    /// Whether everything goes back to blue.
    goes_back: bool,
    /// The newest verdict since the last change, and when it was reached.
    newest: Option<(Mood, Timestamp)>,
    /// The targets seen at the newest look; `None` if it failed.
    seen_targets: Option<u32>,
    overridden: bool,
    /// An override for all steps that are left.
    completes: bool,
    last_read: Option<TrafficObservation>,
    /// The weights of every read.
    reads: Vec<Sides<u32>>,
    /// A shift has failed and nothing was observed since.
    must_observe: bool,
    /// When the dead-man switch fires, if it is armed.
    fires: Option<Timestamp>,
    has_fired: bool,
    /// The fewest of its four targets that blue may be scaled in to, if it is to be kept.
    minimum: Option<u32>,
}

impl World {
    fn capacity(&self) -> Option<Capacity> {
        let minimum = self.minimum?;
        let range = ScalingRange {
            minimum,
            maximum: 8,
        };
        Some(Capacity::new("blue", 4).with_range(range))
    }

    /// Raises the minimum, if it is what was seen.
    fn keep(&mut self, kept: &Kept) -> Result<(), Failure> {
        if self.minimum != Some(kept.before) && self.minimum != Some(kept.minimum) {
            return Err(failure(ErrorKind::Conflict));
        }
        self.minimum = Some(kept.minimum);
        Ok(())
    }

    fn release(&mut self, kept: &Kept) -> Released {
        if self.minimum != Some(kept.before) && self.minimum != Some(kept.minimum) {
            return Released::Changed {
                minimum: self.minimum,
            };
        }
        self.minimum = Some(kept.before);
        Released::PutBack
    }

    /// The rule as a read shows it: as it was `lag` ago.
    fn shown(&self) -> TrafficObservation {
        let before = crate::clock::sooner(self.now, self.lag);
        let shown = self.history.iter().rev().find(|(at, ..)| *at <= before);
        let (_, blue, green) = shown.or(self.history.first()).expect("a first state");
        traffic(*blue, *green)
    }

    fn set(&mut self, blue: u32, green: u32) {
        (self.blue, self.green) = (blue, green);
        self.history.push((self.now, blue, green));
    }

    fn read(&mut self) -> TrafficObservation {
        let mut seen = self.shown();
        seen.targets.green = TargetCounts::all_healthy(self.targets);
        seen.targets.blue = TargetCounts::all_healthy(self.blue_targets);
        self.last_read = Some(seen.clone());
        self.reads.push(seen.weights);
        self.must_observe = false;
        seen
    }

    fn report(&mut self, at: Timestamp, mood: Mood) -> LookReport {
        let traffic = self.read();
        self.seen_targets = Some(self.targets);
        if mood != Mood::Silent {
            self.newest = Some((mood, at));
        }
        let verdict = match mood {
            Mood::Healthy => healthy(),
            Mood::Unhealthy => Verdict::unhealthy("20% errors"),
            Mood::Inconclusive => Verdict::inconclusive("no data"),
            Mood::Silent => {
                return LookReport {
                    traffic: Ok(traffic),
                    gates: vec![GateReport {
                        gate: "errors".into(),
                        seen: Ok(None),
                        verdict: None,
                    }],
                };
            }
        };
        look(traffic, verdict)
    }

    /// The dead-man switch fires if it is due.
    fn pass(&mut self, now: Timestamp) {
        self.now = now;
        if self.fires.is_some_and(|fires| now >= fires) {
            self.set(1000, 0);
            self.fires = None;
            self.has_fired = true;
        }
    }

    fn write(&mut self, to: TrafficSplit) {
        // A verdict about the split before says nothing of this one, unless green gets less now.
        let green = u32::from(to.green().as_tenths());
        if green == 0 || green * (self.blue + self.green) >= self.green * 1000 {
            self.newest = None;
        }
        self.overridden = false;
        self.set(1000 - green, green);
    }
}

/// The answer to `action`, when it works.
fn answer(world: &mut World, at: Timestamp, action: &Action, mood: Mood) -> Input {
    match action {
        Action::Preflight { .. } => {
            world.blue_at_start = world.blue_targets;
            Input::Preflighted {
                findings: Ok(Vec::new()),
                look: world.report(at, mood),
                capacity: world.capacity().map(Ok),
            }
        }
        Action::Look { .. } => Input::Looked(world.report(at, mood)),
        Action::Observe => Input::Observed(Ok(world.read())),
        Action::Shift(shift) => {
            if !shift.may_replace(&world.shown()) {
                return Input::Shifted(Err(failure(ErrorKind::Conflict)));
            }
            world.write(shift.to);
            let accepted = traffic(world.blue, world.green);
            let read = world.read();
            Input::Shifted(Ok(match read.weights == accepted.weights {
                true => Shifted::Seen(read),
                false => Shifted::Accepted(accepted),
            }))
        }
        Action::ArmSwitch { fires, .. } => {
            world.fires = Some(*fires);
            Input::SwitchArmed(Ok(Armed::new("it")))
        }
        Action::DisarmSwitch => {
            world.fires = None;
            Input::SwitchDisarmed(Ok(()))
        }
        Action::ObserveCapacity => {
            Input::CapacityObserved(world.capacity().ok_or(failure(ErrorKind::NotFound)))
        }
        Action::KeepCapacity { kept } => Input::CapacityKept(world.keep(kept)),
        Action::ReleaseCapacity { kept } => Input::CapacityReleased(Ok(world.release(kept))),
        Action::Wait { .. } => Input::Waited { clock_fault: false },
    }
}

fn check_shift(
    world: &World,
    at: Timestamp,
    from: &TrafficObservation,
    to: TrafficSplit,
    plan: &MigrationPlan,
) -> Result<(), TestCaseError> {
    if to == TrafficSplit::ALL_BLUE {
        return Ok(());
    }
    prop_assert!(!world.must_observe, "P10: a rise before an observation");
    let (mood, reached) = world.newest.unwrap_or((Mood::Silent, at));
    // Without an expiry of its own a verdict stands for two looks.
    let stands = crate::clock::between(reached, at) <= plan.look_interval() * 2;
    if to.green().as_fraction() <= from.green_share() {
        prop_assert!(
            world.goes_back && mood == Mood::Healthy && stands,
            "a part on {:?}",
            mood
        );
        let blue = f64::from(from.targets.blue.healthy) / f64::from(world.blue_at_start);
        let most = (1.5 * blue).min(1.0);
        prop_assert!(
            1.0 - to.green().as_fraction() <= most,
            "P2: {} on {}",
            to,
            blue
        );
        return Ok(());
    }
    prop_assert!(!world.goes_back, "a rise of a run that goes back");
    let first = from.is_all_blue();
    prop_assert!(
        (mood == Mood::Healthy && stands)
            || world.overridden
            || world.completes
            || (first && mood != Mood::Unhealthy),
        "P1: a rise on {:?}",
        mood
    );
    let is_guarded = world.fires.is_some() || world.has_fired;
    prop_assert!(
        plan.dead_man().is_none() || is_guarded,
        "a rise without its switch"
    );
    // A run that finds traffic divided has no blue to keep; a third party may lower it.
    prop_assert!(
        world.minimum.is_none_or(|minimum| minimum >= 4),
        "P2: a rise, and blue may shrink"
    );
    let needed = plan.green_targets_for(to.green(), world.blue_at_start);
    let enough = world.seen_targets.is_some_and(|targets| targets >= needed);
    prop_assert!(enough, "P2: too few targets, or none seen");
    Ok(())
}

proptest! {
    /// Any order of results, failures, controls, third parties' writes and stale answers keeps the
    /// promises, and the run comes to an end.
    #[test]
    fn keeps_its_promises_in_any_order(
        intent in intent(),
        split in 0_u32..=100,
        (dead_man, grace) in any::<(bool, bool)>(),
        minimum in prop::option::of(1_u32..6),
        chances in prop::collection::vec(chance(), 0..400),
    ) {
        let mut plan = MigrationPlan::builder().look_interval(Duration::from_secs(60));
        if dead_man {
            plan = plan.dead_man(Duration::from_secs(300));
        }
        if grace {
            plan = plan.grace(Duration::from_secs(900));
        }
        let plan = plan.build().expect("valid");
        let mut world = World {
            now: start(), lag: Duration::ZERO, history: Vec::new(), has_third_party: false,
            blue: if intent == Intent::Migrate { 100 } else { 100 - split }, green: if intent == Intent::Migrate { 0 } else { split }, targets: 4, blue_targets: 4, blue_at_start: 4, goes_back: false, newest: None, seen_targets: None, overridden: false, completes: matches!(intent, Intent::Complete { .. }), last_read: None, reads: Vec::new(), must_observe: false, fires: None, has_fired: false, minimum,
        };
        world.set(world.blue, world.green);
        let mut machine = MigrationMachine::new(plan.clone(), [("errors".into(), GatePolicy::Required)])
            .with_propagation(PROPAGATION);
        let mut now = start();
        let first = machine.on(now, Input::Start(intent));
        let Next::Do(mut outstanding) = first.next else { panic!("nothing to do") };
        // After the chances the pause ends, everything works and no gate ever decides: the deadlines must
        // end the run. An operator who ends a pause while a change is under way is told so, and asks
        // again.
        let resume = || Chance::Control(Control::Continue { by: "ann".into() });
        let asks = (0..5).flat_map(|_| [Chance::Works(Mood::Inconclusive), resume()]);
        let mut chances = chances.into_iter().chain(asks);
        let mut left = 3000;
        let mut taken_over = false;
        loop {
            left -= 1;
            prop_assert!(left > 0, "it does not end");
            let mut stops = false;
            let mut crashed = false;
            world.pass(now);
            let input = match chances.next().unwrap_or(Chance::Works(Mood::Inconclusive)) {
                Chance::Works(mood) => {
                    if let Action::Wait { until } = outstanding {
                        now = until.max(now);
                        world.pass(now);
                    }
                    answer(&mut world, now, &outstanding, mood)
                }
                Chance::Fails(kind, after) => match &outstanding {
                    Action::Preflight { .. } | Action::Look { .. } => {
                        let failed = |kind| GateReport {
                            gate: "errors".into(),
                            seen: Err(failure(kind)),
                            verdict: None,
                        };
                        let report = LookReport {
                            traffic: Err(failure(kind)),
                            gates: vec![failed(kind)],
                        };
                        world.seen_targets = None;
                        match &outstanding {
                            Action::Look { .. } => Input::Looked(report),
                            _ => Input::Preflighted { findings: Err(failure(kind)), look: report, capacity: None },
                        }
                    }
                    Action::Observe => Input::Observed(Err(failure(kind))),
                    Action::Shift(shift) => {
                        let mine = shift.may_replace(&world.shown());
                        if after && mine && kind == ErrorKind::OutcomeUnknown {
                            world.write(shift.to);
                        }
                        world.must_observe = true;
                        Input::Shifted(Err(failure(kind)))
                    }
                    Action::ArmSwitch { fires, .. } => {
                        if after && kind == ErrorKind::OutcomeUnknown {
                            world.fires = Some(*fires);
                        }
                        Input::SwitchArmed(Err(failure(kind)))
                    }
                    Action::DisarmSwitch => {
                        if after && kind == ErrorKind::OutcomeUnknown {
                            world.fires = None;
                        }
                        Input::SwitchDisarmed(Err(failure(kind)))
                    }
                    Action::ObserveCapacity => Input::CapacityObserved(Err(failure(kind))),
                    Action::KeepCapacity { kept } => {
                        if after && kind == ErrorKind::OutcomeUnknown {
                            let _ = world.keep(kept);
                        }
                        Input::CapacityKept(Err(failure(kind)))
                    }
                    Action::ReleaseCapacity { kept } => {
                        if after && kind == ErrorKind::OutcomeUnknown {
                            world.release(kept);
                        }
                        Input::CapacityReleased(Err(failure(kind)))
                    }
                    Action::Wait { .. } => continue,
                },
                Chance::ThirdParty(blue, green) => {
                    world.has_third_party = true;
                    world.set(blue, green);
                    continue;
                }
                Chance::Lag(seconds) => {
                    world.lag = Duration::from_secs(seconds);
                    continue;
                }
                Chance::Targets(targets) => {
                    world.targets = targets;
                    continue;
                }
                Chance::BlueTargets(targets) => {
                    world.blue_targets = targets;
                    continue;
                }
                Chance::Control(control) => {
                    world.overridden |= matches!(control, Control::Promote { .. });
                    world.completes |= matches!(control, Control::PromoteFully { .. });
                    stops = matches!(control, Control::Stop { .. });
                    Input::Control(control)
                }
                Chance::Stale(input) => {
                    // Only answers to other actions are stale.
                    let fits = matches!(
                        (&*input, &outstanding),
                        (Input::Shifted(_), Action::Shift { .. })
                            | (Input::Observed(_), Action::Observe)
                            | (Input::Looked(_), Action::Look { .. })
                            | (Input::Waited { .. }, Action::Wait { .. })
                            | (Input::SwitchArmed(_), Action::ArmSwitch { .. })
                            | (Input::SwitchDisarmed(_), Action::DisarmSwitch)
                            | (Input::CapacityObserved(_), Action::ObserveCapacity)
                            | (Input::CapacityKept(_), Action::KeepCapacity { .. })
                            | (Input::CapacityReleased(_), Action::ReleaseCapacity { .. })
                    );
                    if fits {
                        continue;
                    }
                    let before = machine.clone();
                    let transition = machine.on(now, *input);
                    prop_assert_eq!(transition.next, Next::Keep);
                    prop_assert_eq!(&machine, &before, "a stale answer changes nothing");
                    continue;
                }
                Chance::JournalFails => Input::JournalFailed(failure(ErrorKind::Unavailable)),
                Chance::TakenOver => {
                    taken_over = true;
                    Input::JournalFailed(failure(ErrorKind::TakenOver))
                }
                Chance::Crash(after) => {
                    if let Action::Shift(shift) = &outstanding {
                        let mine = shift.may_replace(&world.shown());
                        if after && mine && !taken_over {
                            world.write(shift.to);
                        }
                    }
                    match &outstanding {
                        Action::ArmSwitch { fires, .. } if after && !taken_over => world.fires = Some(*fires),
                        Action::DisarmSwitch if after && !taken_over => world.fires = None,
                        Action::KeepCapacity { kept } if after && !taken_over => {
                            let _ = world.keep(kept);
                        }
                        Action::ReleaseCapacity { kept } if after && !taken_over => {
                            world.release(kept);
                        }
                        _ => {}
                    }
                    // A controller may be dead for a long time.
                    now = crate::clock::later(now, Duration::from_secs(if after { 0 } else { 240 }));
                    world.pass(now);
                    // A resumed run knows nothing before it has read.
                    world.must_observe = true;
                    taken_over = false;
                    crashed = true;
                    Input::Resumed { by: "bob".into() }
                }
            };
            // A machine that a journal would restore is the same.
            let json = serde_json::to_string(&machine).expect("plain data");
            machine = serde_json::from_str(&json).expect("the same");
            let is_change = |action: &Action| {
                matches!(
                    action,
                    Action::Shift { .. }
                        | Action::ArmSwitch { .. }
                        | Action::DisarmSwitch
                        | Action::KeepCapacity { .. }
                        | Action::ReleaseCapacity { .. }
                )
            };
            let changing = is_change(&outstanding);
            let answers = matches!(
                input,
                Input::Shifted(_)
                    | Input::SwitchArmed(_)
                    | Input::SwitchDisarmed(_)
                    | Input::CapacityKept(_)
                    | Input::CapacityReleased(_)
            );
            let transition = machine.on(now, input);
            let mut told = transition.events.iter();
            world.goes_back |= told.any(|event| matches!(event, MigrationEvent::RollingBack { .. }));
            match transition.next {
                Next::Keep => {}
                Next::End => break,
                Next::Do(action) => {
                    prop_assert!(!changing || answers || stops || crashed, "a change is let to finish");
                    let is_read = matches!(action, Action::Observe | Action::Look { .. });
                    let restores = matches!(&action, Action::Shift(shift) if shift.restores());
                    prop_assert!(!crashed || is_read || restores, "P5: it begins with a read");
                    prop_assert!(!(taken_over && is_change(&action)), "P6: a change of one who was taken over");
                    if let Action::Shift(shift) = &action {
                        check_shift(&world, now, &shift.from, shift.to, &plan)?;
                    }
                    outstanding = action;
                }
            }
        }
        let after = machine.on(now, Input::Waited { clock_fault: false });
        prop_assert_eq!(after.next, Next::End);
        prop_assert!(after.events.is_empty());
        let is_raised = world.minimum != minimum;
        match machine.end().expect("ended") {
            Ok(outcome) => {
                let is_named = outcome.report().capacity.is_some();
                prop_assert!(!is_raised || is_named || taken_over, "blue's minimum is left without a word");
                let read = outcome.report().traffic.clone();
                let is_told = outcome.report().switch.is_some();
                prop_assert!(world.fires.is_none() || is_told, "a switch is left behind without a word");
                let leaves_green = matches!(outcome, MigrationOutcome::Promoted { .. } | MigrationOutcome::Held { .. });
                prop_assert!(!leaves_green || taken_over || world.fires.is_none(), "it would undo this end");
                if let (Some(read), Some(last)) = (&read, &world.last_read) {
                    let was_read = world.reads.contains(&read.weights);
                    prop_assert!(was_read && world.reads.contains(&last.weights), "P4: reports what was read");
                }
                // No end states a split as live that a write of this run may have changed.
                if let (Some(read), None, false, false) =
                    (&read, outcome.report().unseen, world.has_third_party, world.has_fired)
                {
                    let live = traffic(world.blue, world.green);
                    let is_live = (live.green_share() - read.green_share()).abs() < 1e-9;
                    prop_assert!(is_live, "{} is live, and the end says {}", live, outcome);
                }
                match outcome {
                    MigrationOutcome::Promoted { .. } => prop_assert!(read.expect("read").is_at(TrafficSplit::ALL_GREEN)),
                    MigrationOutcome::RolledBack { .. } => prop_assert!(read.expect("read").is_all_blue()),
                    MigrationOutcome::Held { .. } => prop_assert!(read.is_some()),
                    MigrationOutcome::Unchanged { .. } => {}
                }
            }
            Err(unresolved) => {
                prop_assert!(!is_raised || unresolved.report.capacity.is_some() || taken_over);
                prop_assert!(world.fires.is_none() || unresolved.report.switch.is_some());
                prop_assert!(unresolved.restore_command().is_some() || world.last_read.is_none());
            }
        }
    }
}
