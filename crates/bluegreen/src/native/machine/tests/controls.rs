//! What becomes of an override, and of a control that is given early.

use super::*;

fn promote() -> Input {
    Input::Control(Control::Promote { by: ann() })
}

/// A run whose gates are inconclusive at this pause, at 10 %.
fn at_first_pause() -> (Rig, NativeObservation) {
    let pause = at_pause(10, pause_of("hook-1"));
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10))).sees(waits(pause.clone()));
    (rig, pause)
}

fn ends_with_overrides(rig: &mut Rig) -> usize {
    rig.tell(Input::Proceeded(Ok(())));
    let mut over = at_share(100);
    over.status = NativeStatus::Successful;
    rig.sees(waits(over));
    let text = rig.outcome().to_string();
    assert!(text.contains("too few requests"), "{text}");
    rig.outcome().report().overrides.len()
}

#[test]
fn p01_an_override_after_a_failed_answer_is_in_the_outcome_once() {
    // The first try needed no override, the second did.
    let (mut rig, pause) = at_first_pause();
    rig.looks(&healthy(pause.clone()), minutes(60));
    assert!(rig.proceeds());
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::Throttled))));
    rig.tell(promote()).tell(waits(pause));
    assert!(rig.proceeds());
    assert_eq!(ends_with_overrides(&mut rig), 1);

    // One override, two tries.
    let (mut rig, pause) = at_first_pause();
    rig.tell(promote()).tell(waits(pause.clone()));
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::Throttled))));
    rig.sees(waits(pause));
    assert!(rig.proceeds());
    assert_eq!(ends_with_overrides(&mut rig), 1);
}

#[test]
fn p01_an_override_is_used_up_by_an_answer_that_was_lost_and_arrived() {
    let second = || {
        let answered = pause_of("hook-1").with_status(PauseStatus::Succeeded);
        let mut seen = at_pause(10, answered);
        seen.pauses.push(pause_of("hook-2"));
        seen
    };
    let by = ann();
    for (control, continues) in [
        (Control::Promote { by: by.clone() }, false),
        (Control::PromoteFully { by }, true),
    ] {
        let (mut rig, pause) = at_first_pause();
        rig.tell(Input::Control(control)).tell(waits(pause));
        assert!(rig.proceeds());
        rig.tell(Input::Proceeded(Err(failure(ErrorKind::OutcomeUnknown))));
        rig.sees(waits(second()));
        assert_eq!(rig.proceeds(), continues, "{:?}", rig.next);
    }
}

#[test]
fn p11_a_control_that_is_given_early_is_carried_out_or_ignored_with_a_reason() {
    let plan = || NativePlan::builder().build().expect("valid");
    for control in [
        Control::Promote { by: ann() },
        Control::PromoteFully { by: ann() },
        Control::SkipWait { by: ann() },
        Control::Continue { by: ann() },
    ] {
        let mut rig = Rig::new(plan());
        rig.tell(Input::Control(control.clone()));
        rig.tell(Input::Preflighted(Ok(survey())));
        assert!(matches!(rig.action(), Action::Look { .. }));
        let ignored = rig.events.iter().any(|event| match event {
            NativeEvent::Controlled {
                control: told,
                effect: ControlEffect::Ignored(why),
            } => *told == control && !why.is_empty(),
            _ => false,
        });
        assert!(ignored, "{control}: {:?}", rig.events);
    }
    let mut rig = Rig::new(plan());
    rig.tell(Input::Control(Control::Pause {
        by: ann(),
        length: None,
    }));
    rig.tell(Input::Preflighted(Ok(survey())));
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    assert!(!rig.proceeds(), "paused from the start");
    rig.tell(Input::Control(Control::Continue { by: ann() }));
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    assert!(rig.proceeds());
}
