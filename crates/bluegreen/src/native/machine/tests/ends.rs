//! What the ends state: nothing as known that was not read after the newest change.

use super::*;

fn gone() -> Failure {
    failure(ErrorKind::NotFound)
}

fn not_looked(failure: Failure) -> Input {
    Input::Looked(LookReport {
        observed: Err(failure),
        gates: Vec::new(),
    })
}

fn harm(seen: NativeObservation) -> Input {
    look(seen, Verdict::unhealthy("9% errors"))
}

fn taken_over() -> Input {
    Input::JournalFailed(failure(ErrorKind::TakenOver))
}

impl Rig {
    /// Fails each read that comes, until something else than a read or a wait is outstanding.
    fn reads_nothing(&mut self, why: &Failure) -> &mut Self {
        loop {
            match self.action_or_none() {
                Some(Action::Observe) => self.tell(Input::Observed(Err(why.clone()))),
                Some(Action::Wait { .. }) => self.pass(),
                _ => return self,
            };
        }
    }
}

#[test]
fn p10_a_stop_after_an_answer_without_an_outcome_does_not_say_that_nothing_was_answered() {
    let stop = || {
        Input::Control(Control::Stop {
            reason: "SIGTERM twice".to_owned(),
        })
    };
    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::OutcomeUnknown))));
    rig.tell(stop());
    assert!(rig.unresolved().change_unseen);
    assert!(rig.unresolved().to_string().contains("may have happened"));

    // A call that AWS refused has changed nothing.
    let mut rig = Rig::watching();
    rig.sees(waits(at_pause(0, pause_of("hook-1"))));
    rig.tell(Input::Proceeded(Err(failure(ErrorKind::Throttled))));
    rig.tell(stop());
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn p04_a_deployment_that_is_gone_after_an_unseen_answer_is_not_stated_as_it_was_before() {
    let answered = || {
        let mut rig = Rig::watching();
        rig.sees(waits(at_pause(0, pause_of("hook-1"))));
        rig.tell(Input::Proceeded(Ok(())));
        rig.sees(not_looked(gone())).sees(not_looked(gone()));
        assert_eq!(*rig.action(), Action::Observe);
        rig
    };
    let mut rig = answered();
    rig.reads_nothing(&gone());
    assert!(rig.unresolved().change_unseen);
    let text = rig.unresolved().to_string();
    assert!(text.contains("does not know the deployment"), "{text}");

    // A read that shows the answer makes the state known.
    let mut rig = answered();
    rig.tell(Input::Observed(Ok(at_share(10))));
    assert_eq!(rig.outcome().report().deployment, Some(at_share(10)));
}

#[test]
fn p04_a_hold_tells_the_age_of_a_read_that_is_older_than_the_end() {
    let leave = || Input::Control(Control::Leave { by: ann() });
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10))).pass();
    rig.tell(leave());
    rig.reads_nothing(&failure(ErrorKind::Throttled));
    assert_eq!(rig.outcome().exit_code(), 12);
    let text = rig.outcome().to_string();
    assert!(text.contains("last read: in progress"), "{text}");
    assert!(text.contains("before the end"), "{text}");

    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10))).pass();
    rig.tell(leave());
    rig.tell(Input::Observed(Ok(at_share(10))));
    let text = rig.outcome().to_string();
    assert!(text.contains("left as it is: in progress"), "{text}");
    assert!(!text.contains("before the end"), "{text}");
}

#[test]
fn an_order_that_was_not_accepted_is_sent_again_while_reads_fail() {
    let unread = failure(ErrorKind::Unavailable);
    let ordered = || {
        let mut rig = Rig::watching();
        rig.sees(waits(at_share(10))).sees(harm(at_share(10)));
        assert!(rig.rolls_back());
        rig
    };
    for kind in [ErrorKind::Throttled, ErrorKind::OutcomeUnknown] {
        let mut rig = ordered();
        let sent = rig.now;
        rig.tell(Input::RollBackSent(Err(failure(kind))));
        rig.reads_nothing(&unread);
        assert!(rig.rolls_back(), "{:?}", rig.next);
        let waited = rig.now.duration_since(sent).as_secs();
        assert!((20..=60).contains(&waited), "{waited} s");
        // An accepted order is not sent again without a read.
        rig.tell(Input::RollBackSent(Ok(())));
        rig.reads_nothing(&unread);
        assert!(rig.unresolved().summary.contains("did not finish in time"));
    }
    // The process ended during the order: a read comes first, and need not work.
    let mut rig = ordered();
    rig.tell(Input::Resumed { by: ann() });
    rig.tell(Input::Observed(Err(unread.clone())));
    assert!(rig.rolls_back());
    // The platform's own rollback needs no order.
    let mut rig = Rig::watching();
    rig.sees(waits(at_share(10)));
    rig.sees(waits(with_status(NativeStatus::RollbackRequested)));
    rig.reads_nothing(&unread);
    assert!(rig.unresolved().summary.contains("did not finish in time"));
}

#[test]
fn p04_a_run_that_gives_way_after_its_order_reads_before_it_ends() {
    let aborted = || {
        let mut rig = Rig::watching();
        rig.tell(Input::Control(Control::Abort { by: ann() }));
        rig.tell(taken_over());
        assert!(rig.rolls_back(), "a change that is under way finishes");
        rig
    };
    for sent in [Ok(()), Err(failure(ErrorKind::OutcomeUnknown))] {
        let mut rig = aborted();
        rig.tell(Input::RollBackSent(sent));
        assert_eq!(*rig.action(), Action::Observe);
        let going = with_status(NativeStatus::RollbackInProgress);
        rig.tell(Input::Observed(Ok(going.clone())));
        assert_eq!(rig.outcome().exit_code(), 12);
        assert_eq!(rig.outcome().report().deployment, Some(going));
    }
    // A refused order has stopped nothing.
    let mut rig = aborted();
    rig.tell(Input::RollBackSent(Err(failure(ErrorKind::Denied))));
    assert_eq!(rig.outcome().exit_code(), 3);
}

#[test]
fn p01_a_deployment_that_is_complete_and_does_harm_is_no_success() {
    for before in [10, 100] {
        let mut over = at_share(100);
        over.status = NativeStatus::Successful;
        let mut rig = Rig::watching();
        rig.sees(waits(at_share(before)));
        rig.sees(harm(over));
        let text = rig.unresolved().to_string();
        assert!(text.contains("complete when the harm was seen"), "{text}");
        assert!(text.contains("`errors` is unhealthy: 9% errors"), "{text}");
    }
}
