//! Two controllers on one rule: in every order of their calls, only one writes.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bluegreen::{
    Error, ErrorKind, MigrationOutcome, MigrationPlan,
    aws::sim::{Call, Moment, Simulation},
    migration::HoldReason,
    store::Take,
};

use crate::{
    common::{
        cases::each,
        durable::{Durable, killed},
        short_plan,
    },
    everything,
};

fn plan() -> MigrationPlan {
    short_plan().build().expect("valid")
}

fn durable() -> Durable {
    Durable::new(Simulation::builder().build(), plan())
}

/// Takes the journal's lease and runs, or is refused.
async fn try_to_run(durable: &Durable, name: &str) -> Result<MigrationOutcome, Error> {
    let lease = durable.take(name, Take::IfFree).await?;
    let (migration, _, _) = durable.controller(&lease, None);
    Ok(migration.run().await.expect("a known end"))
}

/// Orders of the first turns of two controllers that start at once: long enough that the later one is
/// refused in all of them. Each third order; all of them with `BLUEGREEN_FAULTS=all`.
#[test]
fn p06_in_every_order_of_their_calls_one_of_two_gets_the_rule() {
    /// To take the lease, each of the two needs four operations at most.
    const TURNS: u32 = 10;
    let step = if everything() { 1 } else { 3 };
    let ends = each((0..1_u32 << TURNS).step_by(step), async |order| {
        let durable = durable();
        durable.storage.give_way();
        let mut ann = pin!(try_to_run(&durable, "ann"));
        let mut bob = pin!(try_to_run(&durable, "bob"));
        let (mut of_ann, mut of_bob) = (None, None);
        let mut context = Context::from_waker(Waker::noop());
        for turn in 0..TURNS {
            if order >> turn & 1 == 0 {
                if of_ann.is_none()
                    && let Poll::Ready(ended) = ann.as_mut().poll(&mut context)
                {
                    of_ann = Some(ended);
                }
            } else if of_bob.is_none()
                && let Poll::Ready(ended) = bob.as_mut().poll(&mut context)
            {
                of_bob = Some(ended);
            }
        }
        let ann = async {
            match of_ann {
                Some(ended) => ended,
                None => ann.await,
            }
        };
        let bob = async {
            match of_bob {
                Some(ended) => ended,
                None => bob.await,
            }
        };
        let ended = tokio::join!(ann, bob);
        let is_first = ended.0.is_ok();
        let (promoted, refused) = match ended {
            (Ok(promoted), Err(refused)) | (Err(refused), Ok(promoted)) => (promoted, refused),
            both => panic!("P6: {both:?}"),
        };
        assert_eq!(promoted.exit_code(), 0, "order {order:b}");
        assert_eq!(refused.kind(), ErrorKind::Held, "order {order:b}");
        // The start and three steps, each written once.
        assert_eq!(durable.simulation.changes().len(), 4, "order {order:b}");
        is_first
    });
    let (orders, first) = (ends.len(), ends.into_iter().filter(|first| *first).count());
    println!("{orders} orders of two controllers' first calls");
    assert!(first > 0 && first < orders, "{first}");
}

/// One holder sleeps at a call, longer than its lease. Meanwhile another controller takes over and
/// continues the run, and is at some point of it when the sleeper wakes.
async fn sleeper(at: Sleep, moment: Moment, turns: u32) -> Option<()> {
    let durable = durable();
    let lease = durable.take("ann", Take::IfFree).await.expect("free");
    let (migration, _, of_ann) = durable.controller(&lease, None);
    let mut ann = pin!(migration.run());
    let mut stop = None;
    let falls_asleep = async {
        match at {
            Sleep::Call(n) => {
                let point = durable.simulation.stop_at(Call::any().nth(n), moment);
                stop.insert(point).reached().await;
            }
            Sleep::Record(n) => {
                durable.storage.stop_at(n, moment);
                durable.storage.reached().await;
            }
        }
    };
    if killed(&mut ann, falls_asleep).await.is_some() {
        return None;
    }
    let wake = || match &stop {
        Some(stop) => stop.go_on(),
        None => durable.storage.go_on(),
    };
    let written = || of_ann.calls().of("ModifyRule");
    // The sleeper's request was on the way when it fell asleep, and arrives half a lease too late, which
    // no fence before the call can prevent. The other controller sees it as a third party's write.
    let arrives_late =
        durable.simulation.calls(Call::ModifyRule) >= durable.simulation.changes().len() as u64;
    // From here on ann is not polled, like a process that is stopped.
    let taken = durable.take("bob", Take::IfExpired).await.expect("silent");
    let records = taken.newest_run().await.expect("readable");
    let before = written();
    let (migration, _, of_bob) = durable.controller(&taken, None);
    let mut bob = pin!(async {
        if records.is_empty() {
            migration.run().await
        } else {
            migration.resume(&records, "bob").await
        }
    });
    let nap = Duration::from_secs(u64::from(turns) * 45);
    let mut of_bobs = killed(&mut bob, tokio::time::sleep(nap)).await;
    wake();
    let ended = if of_bobs.is_none() {
        let (ann, bob) = tokio::join!(ann, bob);
        of_bobs = Some(bob);
        ann
    } else {
        ann.await
    };
    assert_eq!(
        written(),
        before,
        "P6: a stale holder began a write at {at:?}, {moment:?}"
    );
    let bob = of_bobs.expect("ended");
    taken.release().await.expect("kept");
    match &ended {
        Ok(MigrationOutcome::Held { reason, .. }) => {
            assert!(matches!(reason, HoldReason::TakenOver { .. }), "{reason}");
        }
        Ok(MigrationOutcome::Unchanged { .. }) => {}
        // The sleeper had written everything before it fell asleep.
        Ok(MigrationOutcome::Promoted { .. } | MigrationOutcome::RolledBack { .. }) => {
            assert_eq!(of_bob.calls().of("ModifyRule"), 0);
        }
        Err(error) => panic!("{error}"),
    }
    if arrives_late {
        let code = bob.expect("a known end").exit_code();
        assert!(
            code == 0 || code == 12,
            "asleep at {at:?}, {moment:?}: {code}"
        );
        return Some(());
    }
    let code = durable.check(bob, false).await;
    // A run that had not begun leaves nothing to continue.
    let had_begun = durable.simulation.changes().len() > 1;
    assert_eq!(
        code,
        if had_begun { 0 } else { 3 },
        "asleep at {at:?}, {moment:?}"
    );
    Some(())
}

#[derive(Debug, Clone, Copy)]
enum Sleep {
    Call(u64),
    Record(u64),
}

/// The holder sleeps at each call and each record. When it wakes, the other controller has just taken
/// over, is in the middle of its work, or has ended: one of these for each call, or all of them with
/// `BLUEGREEN_FAULTS=all`.
#[tokio::test(start_paused = true)]
async fn p06_a_holder_that_slept_through_its_lease_starts_no_write() {
    const WAKING: [u32; 4] = [0, 1, 7, 200];
    let mut naps = 0;
    let mut place = 0;
    for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
        for sleep in [Sleep::Call as fn(u64) -> Sleep, Sleep::Record] {
            'calls: for n in 2.. {
                place += 1;
                let waking = if everything() {
                    &WAKING[..]
                } else {
                    &WAKING[place % 4..=place % 4]
                };
                for turns in waking {
                    if sleeper(sleep(n), moment, *turns).await.is_none() {
                        break 'calls;
                    }
                    naps += 1;
                }
            }
        }
    }
    println!("{naps} naps of a holder");
    assert!(naps > 200, "{naps}");
}

/// A lease taken by force at any time: the holder stops, and the new holder continues.
#[tokio::test(start_paused = true)]
async fn p06_who_is_thrown_out_stops_and_the_thief_goes_on() {
    let mut thefts = 0;
    for second in (0..1200).step_by(13) {
        let durable = durable();
        let ann = async { durable.migrate("ann", None).await.expect("a known end") };
        let bob = async {
            tokio::time::sleep(Duration::from_secs(second)).await;
            let lease = durable.take("bob", Take::Force).await.expect("by force");
            let written = durable.simulation.calls(Call::ModifyRule);
            let ended = durable.resume_with(&lease, "bob").await;
            lease.release().await.expect("kept");
            (ended, written)
        };
        let (ann, (bob, _)) = tokio::join!(ann, bob);
        let is_over = matches!(bob, Err(bluegreen::MigrationError::Resume(_)));
        match ann.exit_code() {
            0 => assert!(is_over, "{second}: {bob:?}"),
            3 | 12 => thefts += 1,
            code => panic!("{second}: {code}"),
        }
        let code = durable.check(bob, false).await;
        assert!(
            code == 0 || (code == 3 && ann.exit_code() == 3),
            "{second}: {code}"
        );
    }
    println!("{thefts} thefts of a lock");
    assert!(thefts > 30, "{thefts}");
}
