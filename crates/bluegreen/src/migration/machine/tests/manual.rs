//! A manual step: only an operator ends it, and green is judged meanwhile.

use super::*;

fn at_manual_ten() -> Rig {
    let ten = Step::to(Percent::TEN).until_promoted();
    let plan = MigrationPlan::builder().step(ten);
    Rig::at_ten_by(
        plan.step(Step::to(Percent::HUNDRED))
            .build()
            .expect("valid"),
    )
}

/// Looks at a healthy green for longer than the bake.
fn waiting() -> Rig {
    let mut rig = at_manual_ten();
    for _ in 0..60 {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(90, 10), healthy())));
    }
    rig
}

fn awaited(rig: &Rig) -> usize {
    let is_awaiting = |event: &&MigrationEvent| matches!(event, MigrationEvent::Awaiting { .. });
    rig.events.iter().filter(is_awaiting).count()
}

#[test]
fn a_manual_step_stays_until_an_operator_promotes_it() {
    let mut rig = waiting();
    assert_eq!(awaited(&rig), 1, "told once");
    assert!(matches!(rig.next, Next::Do(Action::Wait { .. })));
    rig.tell(Input::Control(Control::Promote { by: "ann".into() }));
    rig.look_twice(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_GREEN, false));
}

#[test]
fn nothing_is_awaited_before_the_gates_are_healthy_and_the_bake_is_over() {
    let mut rig = at_manual_ten();
    for verdict in [healthy(), Verdict::inconclusive("no data")] {
        rig.wait();
        rig.tell(Input::Looked(look(traffic(90, 10), verdict)));
    }
    assert_eq!(awaited(&rig), 0);
}

#[test]
fn p11_the_time_out_of_a_manual_step_rolls_back() {
    let mut rig = waiting();
    rig.look_until_other(|| look(traffic(90, 10), healthy()));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
    let is_said = |event: &MigrationEvent| event.to_string().contains("no operator had promoted");
    assert!(rig.told(is_said), "{:?}", rig.events.last());
}

#[test]
fn a_green_that_does_harm_while_an_operator_is_awaited_is_rolled_back() {
    let mut rig = waiting();
    rig.look_until_other(|| look(traffic(90, 10), Verdict::unhealthy("errors")));
    assert_eq!(rig.wanted_shift(), (TrafficSplit::ALL_BLUE, true));
}
