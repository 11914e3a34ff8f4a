//! Blue's minimum: raised before anything moves, put back once blue serves everything again.

use super::*;
use crate::preflight::Acceptance;

fn scaled(minimum: u32) -> Capacity {
    let range = ScalingRange {
        minimum,
        maximum: 8,
    };
    Capacity::new("service/shop/web", 4)
        .with_range(range)
        .with_command("set --min")
}

fn kept() -> Kept {
    scaled(1).to_keep().expect("it may shrink")
}

impl Rig {
    /// Blue runs 4 and may be scaled in to 1.
    fn preflighted(plan: MigrationPlan) -> Self {
        let mut rig = Self::new(plan);
        rig.tell(Input::Preflighted {
            findings: Ok(Vec::new()),
            look: look(traffic(100, 0), Verdict::inconclusive("no traffic yet")),
            capacity: Some(Ok(scaled(1))),
        });
        rig.expect_keep();
        rig
    }

    /// The minimum is raised, and green is at 10 %.
    fn kept_at_ten() -> Self {
        let mut rig = Self::preflighted(plan());
        rig.tell(Input::CapacityKept(Ok(())));
        rig.rise_to_ten();
        rig
    }

    fn rise_to_ten(&mut self) -> &mut Self {
        self.look_until_other(|| look(traffic(100, 0), Verdict::inconclusive("no traffic yet")));
        assert_eq!(self.wanted_shift(), (split(10), false));
        self.tell(Input::Shifted(Ok(Shifted::Seen(traffic(90, 10)))))
    }

    fn expect_keep(&self) {
        assert_eq!(self.next, Next::Do(Action::KeepCapacity { kept: kept() }));
    }

    fn expect_release(&self) {
        let release = Action::ReleaseCapacity { kept: kept() };
        assert_eq!(self.next, Next::Do(release));
    }

    /// Lets waits end and answers reads with `traffic` until the machine wants another action. Returns
    /// how many
    /// reads there were.
    fn read_until_other(&mut self, traffic: &TrafficObservation) -> usize {
        let mut reads = 0;
        loop {
            match &self.next {
                Next::Do(Action::Wait { .. }) => self.wait(),
                Next::Do(Action::Observe) => {
                    reads += 1;
                    self.tell(Input::Observed(Ok(traffic.clone())))
                }
                _ => return reads,
            };
        }
    }

    /// The raised minimum that the outcome names.
    fn standing(&self) -> Option<(Option<&str>, Option<String>)> {
        let capacity = self.outcome().report().capacity.as_ref()?;
        Some((capacity.why.as_deref(), capacity.kept.release_command()))
    }
}

fn plan() -> MigrationPlan {
    MigrationPlan::builder().build().expect("valid")
}

fn accepting() -> MigrationPlan {
    let plan = MigrationPlan::builder().accept(Acceptance::BlueMayShrink);
    plan.build().expect("valid")
}

/// Rolled back from 10 % by its gate, restored and read back.
fn rolled_back() -> Rig {
    let mut rig = Rig::kept_at_ten();
    rig.wait();
    rig.tell(Input::Looked(look(
        traffic(90, 10),
        Verdict::unhealthy("20% errors"),
    )));
    rig.restore();
    rig
}

#[test]
fn p02_blue_keeps_what_runs_before_anything_moves() {
    let mut rig = Rig::preflighted(plan());
    rig.tell(Input::CapacityKept(Ok(())));
    assert!(rig.told(|event| matches!(event, MigrationEvent::CapacityKept { .. })));
    rig.rise_to_ten();
    rig.rise_to_fifty();
    assert!(!rig.told(|event| matches!(event, MigrationEvent::CapacityFailed { .. })));
}

#[test]
fn p02_what_cannot_shrink_is_left_alone() {
    for capacity in [Capacity::new("service/shop/web", 4), scaled(4), scaled(6)] {
        let mut rig = Rig::default();
        rig.tell(Input::Preflighted {
            findings: Ok(Vec::new()),
            look: look(traffic(100, 0), Verdict::inconclusive("no traffic yet")),
            capacity: Some(Ok(capacity)),
        });
        rig.rise_to_ten();
    }
}

#[test]
fn p02_a_blue_that_cannot_be_kept_is_refused_by_name() {
    let mut rig = Rig::preflighted(plan());
    rig.tell(Input::CapacityKept(Err(failure(ErrorKind::Denied))));
    assert_eq!(rig.outcome().exit_code(), 3);
    let words = rig.outcome().to_string();
    for said in [
        "blue's minimum cannot be raised",
        "set --min 4",
        "blue-may-shrink",
    ] {
        assert!(words.contains(said), "`{said}` in: {words}");
    }
    assert_eq!(rig.standing(), None, "nothing was raised");

    let mut rig = Rig::preflighted(accepting());
    rig.tell(Input::CapacityKept(Err(failure(ErrorKind::Denied))));
    rig.rise_to_ten();
}

#[test]
fn p02_a_scaling_that_cannot_be_read_is_refused_by_name() {
    for (plan, goes_on) in [(plan(), false), (accepting(), true)] {
        let mut rig = Rig::new(plan);
        rig.tell(Input::Preflighted {
            findings: Ok(Vec::new()),
            look: look(traffic(100, 0), Verdict::inconclusive("no traffic yet")),
            capacity: Some(Err(failure(ErrorKind::Denied))),
        });
        if goes_on {
            rig.rise_to_ten();
            continue;
        }
        let words = rig.outcome().to_string();
        assert!(words.contains("blue-may-shrink"), "{words}");
    }
}

#[test]
fn p10_a_minimum_whose_raising_is_not_known_is_read_before_anything_else() {
    for (stands, is_called_again) in [(4, false), (1, true)] {
        let mut rig = Rig::preflighted(plan());
        rig.tell(Input::CapacityKept(Err(failure(ErrorKind::OutcomeUnknown))));
        rig.wait();
        assert_eq!(rig.next, Next::Do(Action::ObserveCapacity));
        rig.tell(Input::CapacityObserved(Ok(scaled(stands))));
        if is_called_again {
            rig.expect_keep();
            rig.tell(Input::CapacityKept(Ok(())));
        }
        rig.rise_to_ten();
    }
}

#[test]
fn what_a_third_party_has_set_is_what_is_put_back() {
    let mut rig = Rig::preflighted(plan());
    rig.tell(Input::CapacityKept(Err(failure(ErrorKind::Conflict))));
    rig.wait();
    rig.tell(Input::CapacityObserved(Ok(scaled(2))));
    let found = scaled(2).to_keep().expect("it may shrink");
    assert_eq!(found.before, 2);
    assert_eq!(rig.next, Next::Do(Action::KeepCapacity { kept: found }));
}

#[test]
fn what_passes_is_tried_again_and_not_for_ever() {
    let mut rig = Rig::preflighted(plan());
    let mut calls = 1;
    loop {
        match &rig.next {
            Next::Do(Action::KeepCapacity { .. }) => {
                rig.tell(Input::CapacityKept(Err(failure(ErrorKind::Throttled))))
            }
            Next::Do(Action::Wait { .. }) => rig.wait(),
            Next::Do(Action::ObserveCapacity) => {
                calls += 1;
                rig.tell(Input::CapacityObserved(Ok(scaled(1))))
            }
            _ => break,
        };
    }
    assert_eq!(calls, 5);
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn p05_a_run_that_is_resumed_knows_from_its_journal_what_was_kept() {
    // The process ended while the call was under way.
    for (stands, is_called_again) in [(4, false), (1, true)] {
        let mut rig = Rig::preflighted(plan());
        rig.tell(Input::Resumed { by: "bob".into() });
        rig.expect_observe();
        rig.tell(Input::Observed(Ok(traffic(100, 0))));
        assert_eq!(rig.next, Next::Do(Action::ObserveCapacity));
        rig.tell(Input::CapacityObserved(Ok(scaled(stands))));
        if is_called_again {
            rig.expect_keep();
            rig.tell(Input::CapacityKept(Ok(())));
        }
        rig.rise_to_ten();
    }
    // Or long after it: it is not raised twice, and is put back.
    let mut rig = Rig::kept_at_ten();
    rig.tell(Input::Resumed { by: "bob".into() });
    rig.expect_observe();
    rig.tell(Input::Observed(Ok(traffic(90, 10))));
    rig.look_until_other(|| look(traffic(90, 10), Verdict::unhealthy("20% errors")));
    rig.restore();
    rig.read_until_other(&traffic(100, 0));
    rig.expect_release();
}

#[test]
fn once_blue_has_served_everything_for_a_while_the_old_minimum_is_put_back() {
    let mut rig = rolled_back();
    let restored = rig.now;
    rig.read_until_other(&traffic(100, 0));
    rig.expect_release();
    let waited = crate::clock::between(restored, rig.now);
    assert!(waited >= Duration::from_secs(170), "{waited:?}");
    rig.tell(Input::CapacityReleased(Ok(Released::PutBack)));
    assert_eq!(rig.outcome().exit_code(), 10);
    assert_eq!(rig.standing(), None);
    let put_back = |event: &MigrationEvent| {
        matches!(
            event,
            MigrationEvent::CapacityReleased {
                released: Released::PutBack,
                ..
            }
        )
    };
    assert!(rig.told(put_back));
}

#[test]
fn p02_a_blue_that_is_not_whole_keeps_its_minimum_and_the_outcome_names_the_command() {
    let mut rig = rolled_back();
    let began = rig.now;
    let mut short = traffic(100, 0);
    short.targets.blue = TargetCounts::all_healthy(3);
    rig.read_until_other(&short);
    assert_eq!(rig.outcome().exit_code(), 10);
    let waited = crate::clock::between(began, rig.now);
    assert!(waited <= Duration::from_secs(320), "{waited:?}");
    let (why, command) = rig.standing().expect("named");
    assert_eq!(why, Some("blue has 3 healthy targets, 4 at the start"));
    assert_eq!(command.as_deref(), Some("set --min 1"));
}

#[test]
fn a_minimum_that_cannot_be_put_back_changes_no_outcome_and_is_named() {
    for kind in [ErrorKind::Denied, ErrorKind::OutcomeUnknown] {
        let mut rig = rolled_back();
        let mut tries = 0;
        loop {
            rig.read_until_other(&traffic(100, 0));
            if !matches!(rig.next, Next::Do(Action::ReleaseCapacity { .. })) {
                break;
            }
            tries += 1;
            rig.tell(Input::CapacityReleased(Err(failure(kind))));
        }
        assert_eq!(tries, if kind == ErrorKind::Denied { 1 } else { 3 });
        assert_eq!(rig.outcome().exit_code(), 10);
        let (why, command) = rig.standing().expect("named");
        assert!(why.expect("a reason").contains("a call"), "{why:?}");
        assert_eq!(command.as_deref(), Some("set --min 1"));
        let words = rig.outcome().to_string();
        assert!(words.contains("\n    set --min 1"), "{words}");
    }
}

#[test]
fn a_minimum_of_a_third_party_is_told_and_left() {
    let mut rig = rolled_back();
    rig.read_until_other(&traffic(100, 0));
    rig.tell(Input::CapacityReleased(Ok(Released::Changed {
        minimum: Some(7),
    })));
    assert_eq!(rig.outcome().exit_code(), 10);
    assert_eq!(rig.standing(), None);
    assert!(rig.told(|event| event.to_string().contains("set blue's minimum to 7")));
}

#[test]
fn a_signal_waits_for_no_minimum() {
    let mut rig = Rig::kept_at_ten();
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }));
    rig.restore();
    assert_eq!(rig.outcome().exit_code(), 11);
    let (why, command) = rig.standing().expect("named");
    assert!(
        why.expect("a reason").contains("do not show yet"),
        "{why:?}"
    );
    assert_eq!(command.as_deref(), Some("set --min 1"));
}

#[test]
fn a_control_ends_the_wait_for_blue() {
    let mut rig = rolled_back();
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }));
    assert_eq!(rig.outcome().exit_code(), 10);
    let (why, _) = rig.standing().expect("named");
    assert!(why.expect("a reason").contains("SIGTERM"), "{why:?}");
}

/// Its gate counts requests, so the restore is confirmed first.
#[test]
fn a_signal_that_ends_the_confirmation_waits_for_no_minimum_either() {
    let mut rig = Rig::kept_at_ten();
    rig.wait();
    let harm = counted(Verdict::unhealthy("20% errors"));
    rig.tell(Input::Looked(look(traffic(90, 10), harm)));
    rig.restore();
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    assert!(rig.machine.end().is_none(), "it waits for the confirmation");
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }));
    assert_eq!(rig.outcome().exit_code(), 10);
    let (why, _) = rig.standing().expect("named");
    assert!(why.expect("a reason").contains("SIGTERM"), "{why:?}");
}

#[test]
fn a_run_that_moves_nothing_puts_the_minimum_back_at_once() {
    let mut rig = Rig::preflighted(plan());
    rig.tell(Input::CapacityKept(Ok(())));
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }));
    rig.expect_release();
    rig.tell(Input::CapacityReleased(Ok(Released::PutBack)));
    assert_eq!(rig.outcome().exit_code(), 3);
    assert_eq!(rig.standing(), None);
}

#[test]
fn a_control_waits_for_the_call_that_raises_the_minimum() {
    let mut rig = Rig::preflighted(plan());
    rig.tell(Input::Control(Control::Cancel {
        reason: "SIGTERM".to_owned(),
    }));
    rig.expect_keep();
    rig.tell(Input::CapacityKept(Ok(())));
    rig.expect_release();
}

#[test]
fn a_stop_leaves_the_minimum_and_names_it() {
    let stop = || {
        Input::Control(Control::Stop {
            reason: "SIGINT".to_owned(),
        })
    };
    let mut rig = Rig::preflighted(plan());
    rig.tell(stop());
    assert_eq!(rig.outcome().exit_code(), 3);
    assert!(rig.standing().is_some(), "the call may have happened");

    let mut rig = rolled_back();
    rig.tell(stop());
    assert_eq!(rig.outcome().exit_code(), 10);
    assert!(rig.standing().is_some());

    let mut rig = Rig::kept_at_ten();
    rig.tell(stop());
    assert!(rig.unresolved().report.capacity.is_some());
    let words = rig.unresolved().to_string();
    assert!(words.contains("set --min 1"), "{words}");
}

#[test]
fn after_a_promotion_and_a_hold_the_outcome_names_the_command() {
    let mut rig = Rig::kept_at_ten();
    rig.rise_to_fifty();
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(50, 50)))));
    rig.look_until_other(|| look(traffic(50, 50), healthy()));
    rig.tell(Input::Shifted(Ok(Shifted::Seen(traffic(0, 100)))));
    rig.look_until_other(|| look(traffic(0, 100), healthy()));
    assert!(matches!(rig.outcome(), MigrationOutcome::Promoted { .. }));
    let command = "set --min 1".to_owned();
    assert_eq!(rig.standing(), Some((None, Some(command.clone()))));

    let mut rig = Rig::kept_at_ten();
    rig.tell(Input::Control(Control::Leave { by: "ann".into() }));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert_eq!(rig.standing(), Some((None, Some(command))));
}

#[test]
fn p06_one_who_was_taken_over_leaves_the_minimum_to_its_successor() {
    let mut rig = Rig::kept_at_ten();
    rig.tell(Input::JournalFailed(failure(ErrorKind::TakenOver)));
    assert_eq!(rig.outcome().exit_code(), 12);
    assert_eq!(rig.standing(), None);
}

#[test]
fn p07_a_third_party_that_moves_traffic_ends_the_wait_for_blue() {
    let mut rig = rolled_back();
    rig.read_until_other(&traffic(70, 30));
    assert!(matches!(rig.outcome(), MigrationOutcome::Held { .. }));
    assert!(rig.standing().is_some());
}
