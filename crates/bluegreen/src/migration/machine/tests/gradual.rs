//! Going back to a blue that has shrunk.

use super::*;
use crate::migration::{MigrationPlanBuilder, ShortBlue};

/// A split with this many healthy targets of blue's four.
fn shrunk(blue: u32, green: u32, targets: u32) -> TrafficObservation {
    let mut seen = traffic(blue, green);
    seen.targets.blue = TargetCounts::all_healthy(targets);
    seen
}

fn abort() -> Control {
    Control::Abort { by: "ann".into() }
}

fn cancel() -> Control {
    Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }
}

impl Rig {
    /// Half is on green, which is healthy, and blue has one target of four.
    fn at_fifty(plan: MigrationPlanBuilder) -> Self {
        let mut rig = Self::at_ten_by(plan.build().expect("valid"));
        rig.rise_to_fifty();
        rig.see(traffic(50, 50)).wait();
        rig.tell(Input::Looked(look(shrunk(50, 50, 1), healthy())));
        rig
    }

    /// The same with nine tenths on green, and the first part outstanding.
    fn first_part(plan: MigrationPlanBuilder) -> Self {
        let steps = [10, 90, 100].map(|whole| Percent::from_whole(whole).expect("a percent"));
        let plan = plan.steps(steps).build().expect("valid");
        let mut rig = Self::at_ten_by(plan);
        rig.look_until_other(|| look(traffic(90, 10), healthy()));
        rig.see(traffic(10, 90)).wait();
        rig.tell(Input::Looked(look(shrunk(10, 90, 1), healthy())));
        rig.tell(Input::Control(abort()));
        let part = TrafficSplit::to_green(Percent::from_tenths(625).expect("in range"));
        assert_eq!(rig.wanted_shift(), (part, false));
        rig
    }

    fn see(&mut self, traffic: TrafficObservation) -> &mut Self {
        self.tell(Input::Shifted(Ok(Shifted::Seen(traffic))))
    }

    fn look_at(&mut self, traffic: TrafficObservation, verdict: Verdict) -> &mut Self {
        self.wait();
        self.tell(Input::Looked(look(traffic, verdict)))
    }

    fn expect_all_at_once(&self, why: &str) {
        assert_eq!(self.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
        self.expect_told_at_once(why);
    }

    fn expect_told_at_once(&self, expected: &str) {
        let told = |event: &MigrationEvent| match event {
            MigrationEvent::AllAtOnce { why, .. } => why.contains(expected),
            _ => false,
        };
        assert!(self.told(told), "`{expected}` in {:?}", self.events.last());
    }

    fn short_blue(&self) -> &ShortBlue {
        let MigrationOutcome::RolledBack { restored, .. } = self.outcome() else {
            panic!("not rolled back: {}", self.outcome());
        };
        restored.short_blue.as_ref().expect("blue was short")
    }
}

fn plan() -> MigrationPlanBuilder {
    MigrationPlan::builder()
}

#[test]
fn p02_traffic_goes_back_as_blues_targets_come() {
    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1));
    rig.look_at(shrunk(375, 625, 1), healthy());
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.look_at(shrunk(375, 625, 2), healthy());
    assert_eq!(rig.wanted_shift(), (split(25), false));
    rig.see(shrunk(750, 250, 2));
    rig.look_at(shrunk(750, 250, 3), healthy());
    // Three of four can serve everything.
    rig.restore();
    assert_eq!(rig.outcome().exit_code(), 11);
    let expected = ShortBlue {
        healthy: 1,
        at_start: 4,
        stages: 2,
        at_once: None,
    };
    assert_eq!(rig.short_blue(), &expected);
    let words = rig.outcome().to_string();
    let said = "blue had 1 healthy targets and 4 at the start; 2 parts went back as blue's targets came, \
                then the rest";
    assert!(words.contains(said), "{words}");
}

#[test]
fn p11_a_green_that_fails_meanwhile_ends_the_wait_at_that_look() {
    for (verdict, why) in [
        (
            Verdict::unhealthy("20% errors"),
            "gate `errors` is unhealthy",
        ),
        (
            Verdict::inconclusive("no data"),
            "gate `errors` is inconclusive",
        ),
    ] {
        let mut rig = Rig::first_part(plan());
        rig.see(shrunk(375, 625, 1));
        rig.look_at(shrunk(375, 625, 1), verdict);
        rig.expect_all_at_once(why);
        rig.restore();
        assert_eq!(rig.short_blue().stages, 1);
        assert_eq!(rig.outcome().exit_code(), 11);
        assert!(rig.outcome().to_string().contains("the rest at once"));
    }
}

#[test]
fn what_is_not_known_ends_the_wait_too() {
    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1)).wait();
    rig.tell(Input::Looked(LookReport {
        traffic: Err(failure(ErrorKind::Throttled)),
        gates: vec![seen_by(healthy())],
    }));
    rig.expect_all_at_once("could not be read");

    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1));
    rig.tell(Input::JournalFailed(failure(ErrorKind::Unavailable)));
    rig.expect_all_at_once("the journal failed");

    let mut rig = Rig::first_part(plan());
    rig.tell(Input::JournalFailed(failure(ErrorKind::Unavailable)));
    rig.see(shrunk(375, 625, 1));
    rig.expect_all_at_once("the journal failed");

    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1));
    rig.tell(Input::Waited { clock_fault: true });
    rig.expect_all_at_once("waits take no time");
}

#[test]
fn p11_it_ends_when_its_time_is_up_whatever_blue_has() {
    let mut rig = Rig::first_part(plan().gradual_restore(Duration::from_secs(300)));
    let began = rig.now;
    rig.see(shrunk(375, 625, 1));
    rig.look_until_other(|| look(shrunk(375, 625, 1), healthy()));
    rig.expect_all_at_once("have not come back in 5m");
    assert_eq!(
        crate::clock::between(began, rig.now),
        Duration::from_secs(300)
    );
}

#[test]
fn a_dead_man_switch_does_not_fire_into_it() {
    let mut rig = Rig::new(
        plan()
            .dead_man(Duration::from_secs(600))
            .build()
            .expect("valid"),
    );
    let told = |rig: &mut Rig, report: LookReport| {
        loop {
            match &rig.next {
                Next::Do(Action::Wait { .. }) => rig.wait(),
                Next::Do(Action::Look { .. }) => rig.tell(Input::Looked(report.clone())),
                Next::Do(Action::ArmSwitch { .. }) => {
                    rig.tell(Input::SwitchArmed(Ok(Armed::new("it"))))
                }
                _ => return,
            };
        }
    };
    let unjudged = || look(traffic(100, 0), Verdict::inconclusive("no traffic yet"));
    rig.tell(Input::Preflighted {
        findings: Ok(Vec::new()),
        look: unjudged(),
        capacity: None,
    });
    told(&mut rig, unjudged());
    rig.see(traffic(90, 10));
    told(&mut rig, look(traffic(90, 10), healthy()));
    rig.see(traffic(50, 50));
    told_once(&mut rig, look(shrunk(50, 50, 1), healthy()));
    rig.tell(Input::Control(abort()));
    rig.look_until_other(|| look(shrunk(50, 50, 1), healthy()));
    rig.expect_all_at_once("have not come back");
    let fires = rig.machine.switch.fires.expect("armed");
    assert_eq!(
        crate::clock::between(rig.now, fires),
        Duration::from_secs(120)
    );
}

/// Continues until one look was answered with `report`.
fn told_once(rig: &mut Rig, report: LookReport) {
    loop {
        match &rig.next {
            Next::Do(Action::Wait { .. }) => rig.wait(),
            Next::Do(Action::ArmSwitch { .. }) => {
                rig.tell(Input::SwitchArmed(Ok(Armed::new("it"))))
            }
            Next::Do(Action::Look { .. }) => {
                rig.tell(Input::Looked(report));
                return;
            }
            other => panic!("no look but {other:?}"),
        };
    }
}

#[test]
fn p11_a_signal_goes_back_gradually_only_within_half_of_a_known_grace() {
    let mut rig = Rig::at_fifty(plan());
    rig.tell(Input::Control(cancel()));
    rig.expect_all_at_once("the grace of the cancelled process is not known");

    let mut rig = Rig::at_fifty(plan().grace(Duration::from_secs(30)));
    rig.tell(Input::Control(cancel()));
    rig.expect_all_at_once("too little time");

    let mut rig = Rig::at_fifty(plan().grace(Duration::from_secs(240)));
    let began = rig.now;
    rig.tell(Input::Control(cancel()));
    rig.look_until_other(|| look(shrunk(50, 50, 1), healthy()));
    rig.expect_all_at_once("have not come back in 2m");
    assert_eq!(
        crate::clock::between(began, rig.now),
        Duration::from_secs(120)
    );
}

#[test]
fn p11_who_asks_again_waits_no_more() {
    for control in [cancel(), abort(), Control::SkipWait { by: "ann".into() }] {
        let mut rig = Rig::at_fifty(plan());
        rig.tell(Input::Control(abort()));
        rig.tell(Input::Control(Control::Pause {
            by: "ann".into(),
            length: None,
        }));
        assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
        rig.tell(Input::Control(control.clone()));
        rig.expect_all_at_once(&control.to_string());

        // A call that is under way must finish.
        let mut rig = Rig::first_part(plan());
        rig.tell(Input::Control(control.clone()));
        assert!(!rig.wanted_shift().1);
        rig.see(shrunk(375, 625, 1));
        rig.expect_all_at_once(&control.to_string());
    }
    let mut rig = Rig::first_part(plan());
    rig.tell(Input::Control(Control::Stop {
        reason: "a second Ctrl-C".to_owned(),
    }));
    assert!(rig.unresolved().change_unseen);
    assert!(rig.unresolved().restore_command().is_some());
}

#[test]
fn a_gates_verdict_never_waits_for_blue() {
    let mut rig = Rig::at_fifty(plan());
    rig.look_at(shrunk(50, 50, 1), Verdict::unhealthy("20% errors"));
    rig.expect_all_at_once("green is failing");
    assert!(!rig.told(|event| matches!(event, MigrationEvent::Returning { .. })));

    let mut rig = Rig::at_fifty(plan().gradual_restore(Duration::ZERO));
    rig.tell(Input::Control(abort()));
    rig.expect_all_at_once("the plan says so");
}

#[test]
fn p10_a_part_without_an_answer_is_read_and_what_lands_late_is_written_over() {
    let mut rig = Rig::first_part(plan());
    rig.tell(Input::Shifted(Err(failure(ErrorKind::OutcomeUnknown))));
    rig.expect_told_at_once("a part could not be written");
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(shrunk(10, 90, 1))));
    rig.wait();
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    rig.see(traffic(100, 0)).wait();
    // The part lands after the restore.
    rig.tell(Input::Observed(Ok(shrunk(375, 625, 1)))).wait();
    rig.tell(Input::Observed(Ok(shrunk(375, 625, 1))));
    rig.restore();
    while matches!(rig.next, Next::Do(_)) {
        match &rig.next {
            Next::Do(Action::Observe) => rig.tell(Input::Observed(Ok(traffic(100, 0)))),
            _ => rig.wait(),
        };
    }
    assert_eq!(rig.outcome().exit_code(), 11);
}

#[test]
fn p05_a_resumed_run_looks_and_goes_on_where_it_was() {
    for lands in [false, true] {
        let mut rig = Rig::first_part(plan());
        rig.tell(Input::Resumed { by: "bob".into() });
        assert!(matches!(rig.next, Next::Do(Action::Look { .. })));
        let found = || match lands {
            true => shrunk(375, 625, 2),
            false => shrunk(10, 90, 2),
        };
        rig.look_until_other(|| look(found(), healthy()));
        match lands {
            true => assert_eq!(rig.wanted_shift(), (split(25), false)),
            false => rig.expect_all_at_once("never became visible"),
        }
    }
    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1));
    rig.tell(Input::Resumed { by: "bob".into() });
    rig.tell(Input::Looked(look(
        shrunk(375, 625, 1),
        Verdict::unhealthy("dead"),
    )));
    rig.expect_all_at_once("unhealthy");
}

#[test]
fn p06_one_who_was_taken_over_writes_no_part_and_no_rest() {
    let mut rig = Rig::first_part(plan());
    rig.tell(Input::JournalFailed(failure(ErrorKind::TakenOver)));
    rig.see(shrunk(375, 625, 1));
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(shrunk(375, 625, 1))));
    assert_eq!(rig.outcome().exit_code(), 12);
}

#[test]
fn p07_a_third_party_stands_against_the_rest() {
    let mut rig = Rig::first_part(plan());
    rig.see(shrunk(375, 625, 1));
    rig.look_at(shrunk(30, 70, 1), healthy());
    rig.expect_told_at_once("a third party");
    rig.wait();
    rig.tell(Input::Observed(Ok(shrunk(30, 70, 1))));
    assert!(rig.unresolved().summary.contains("ROLLBACK BLOCKED"));
}
