//! Breaking the judge of a deployment that ECS moves itself: at each of its calls, at each of its records, and at
//! each of its events.

use std::{pin::pin, sync::Arc, time::Duration};

use bluegreen::{
    Aws, Result,
    aws::sim::{Behaviour, Call, Fault, Lag, Moment, Service, Simulation, When},
    native::{HoldReason, NativeError, NativeOutcome, NativePlan, NativePlanBuilder, ReplayError},
    store::{Holder, Lease, Take},
};
use serde_json::json;

use crate::{
    common::{
        cases::each,
        durable::{TestStorage, killed},
        gates,
        limit::within,
        moments::Moments,
        native::{Ended, Story},
    },
    everything,
};

const FAULTS: [Fault; 7] = [
    Fault::Throttle,
    Fault::Denied,
    Fault::Unavailable,
    Fault::TimeoutBeforeEffect,
    Fault::TimeoutAfterEffect,
    Fault::HangBeforeEffect,
    Fault::HangAfterEffect,
];

const MOMENTS: [Moment; 2] = [Moment::BeforeEffect, Moment::AfterEffect];

/// The calls that read a deployment.
const READS: [Call; 4] = [
    Call::DescribeServiceDeployments,
    Call::ListServiceDeployments,
    Call::DescribeServices,
    Call::DescribeTargetHealth,
];

#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    simulation: fn() -> Simulation,
    /// How a run without a fault ends.
    end: u8,
}

/// A canary of a quarter, that pauses before each of its two shifts.
fn canary(green: Service, rolls_back: bool) -> Simulation {
    let pause = json!({
        "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"}
    });
    let world = Simulation::builder().green(green).native(json!({
        "strategy": "CANARY", "bakeTimeInMinutes": 2, "lifecycleHooks": [pause],
        "canaryConfiguration": {"canaryPercent": 25.0, "canaryBakeTimeInMinutes": 1}
    }));
    let world = match rolls_back {
        true => world,
        false => world.native_rollback_fails(),
    };
    world.third_party_deploy_at(Duration::ZERO).build()
}

/// Fails three requests of ten as soon as it gets any.
fn failing() -> Service {
    Service::new(4).with(When::Always, Behaviour::Errors(0.3))
}

/// A world that is promoted, two that are rolled back, and one in which ECS cannot roll back.
const WORLDS: [World; 4] = [
    World {
        name: "healthy",
        simulation: || canary(Service::new(4), true),
        end: 0,
    },
    World {
        name: "failing",
        simulation: || canary(failing(), true),
        end: 10,
    },
    World {
        name: "dead",
        simulation: || {
            let rises = When::AfterNthRise(1, Duration::ZERO, Duration::MAX);
            canary(Service::new(4).with(rises, Behaviour::Dead), true)
        },
        end: 10,
    },
    World {
        name: "stuck",
        simulation: || canary(failing(), false),
        end: 20,
    },
];

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Looks once a minute, so that a run makes few calls.
fn short() -> NativePlanBuilder {
    NativePlan::builder()
        .look_interval(minutes(1))
        .bake(minutes(4))
        .answer_within(minutes(15))
        .deadline(minutes(90))
        .rollback_within(minutes(10))
}

fn story(world: World) -> Story {
    Story::new((world.simulation)(), short().build().expect("valid"), gates)
}

/// Runs a world without a fault, and returns how many calls its run makes.
async fn whole(world: World) -> u64 {
    let story = story(world);
    let ended = story.run().await;
    assert_eq!(
        story.check(&ended),
        world.end,
        "{}: {}",
        world.name,
        story.last_words()
    );
    story.simulation.calls_in_all()
}

/// One fault changes no end, unless it hits the survey: then nothing is answered.
#[test]
fn p01_p04_p05_p10_a_fault_at_any_call_changes_no_end() {
    let runs = each(WORLDS, async |world| {
        let mut runs = 0;
        for n in 1..=whole(world).await {
            for fault in FAULTS {
                let story = story(world);
                story.simulation.fail(Call::any().nth(n), fault);
                let ended = story.run().await;
                let code = story.check(&ended);
                assert!(
                    code == world.end || code == 3,
                    "{}, {fault:?} at call {n}: {code}, {}",
                    world.name,
                    story.last_words()
                );
                runs += 1;
            }
        }
        runs
    });
    let runs: u32 = runs.into_iter().sum();
    println!("{runs} judged deployments with a fault");
    assert!(runs > 1_000, "{runs}");
}

/// Only the orders fail; reads work.
#[test]
fn p04_orders_that_stay_blocked_are_reported_with_the_command() {
    each(WORLDS, async |world| {
        for fault in [Fault::Throttle, Fault::Denied, Fault::TimeoutBeforeEffect] {
            let story = story(world);
            let orders = [Call::ContinueServiceDeployment, Call::StopServiceDeployment];
            for order in orders {
                story.simulation.fail(order.from_nth(2), fault);
            }
            story
                .simulation
                .fail(Call::StopServiceDeployment.nth(1), fault);
            let ended = story.run().await;
            let words = story.last_words();
            // The time-out of the pause is ECS's own dead-man switch: what no order reaches goes back.
            let code = story.check(&ended);
            let place = format!("{}, {fault:?}: {words}", world.name);
            assert!([10, 20].contains(&code), "{place}");
            if let Err(NativeError::Unresolved(unresolved)) = &ended {
                let command = unresolved.report.restore_command.as_deref();
                let command = command.expect("P4: the command by hand");
                assert!(command.contains("stop-service-deployment"), "{command}");
            }
        }
    });
}

#[test]
fn p05_p09_killed_at_every_call_and_resumed_a_run_ends_where_it_should() {
    let points = each(WORLDS, async |world| {
        let mut points = 0;
        let mut moments = Moments::default();
        for n in 1..=whole(world).await {
            for moment in MOMENTS {
                if !moments.differs(moment) {
                    continue;
                }
                let story = story(world);
                let mut stop = story.simulation.stop_at(Call::any().nth(n), moment);
                let died = killed(story.run(), stop.reached()).await.is_none();
                assert!(died, "{}: no call {n}", world.name);
                moments.killed(&story.simulation, moment);
                let ended = story.resume().await;
                let code = story.check(&ended);
                let place = format!("{}, killed at call {n}, {moment:?}", world.name);
                assert_eq!(code, world.end, "{place}: {}", story.last_words());
                points += 1;
            }
        }
        points
    });
    let points: u32 = points.into_iter().sum();
    println!("{points} crash points of judges at calls to AWS");
    assert!(points > 150, "{points}");
}

/// The ways in which a read may be old.
fn lags() -> Vec<(&'static str, Lag)> {
    let millis = Duration::from_millis;
    vec![
        ("0.3 s late", Lag::for_time(millis(300))),
        ("5 s late", Lag::for_time(millis(5_000))),
        ("20 s late", Lag::for_time(millis(20_000))),
        ("one read late", Lag::reads(1)),
        ("back once", Lag::back_once()),
        ("back once after 3 s", Lag::back_once_after(millis(3_000))),
    ]
}

/// Reads that lag behind ECS's own changes and behind each order change no end, alone and with a fault at
/// another call.
#[test]
fn p04_p05_p10_a_lag_changes_no_end_alone_and_with_a_fault_at_each_call() {
    let cases = WORLDS.into_iter().flat_map(|world| {
        let cases = lags().into_iter().map(move |lag| (world, lag));
        cases.collect::<Vec<_>>()
    });
    let cases: Vec<_> = cases.collect();
    let runs = each(cases, async |(world, (how, lag))| {
        let calls = whole(world).await;
        let step = if everything() { 1 } else { 13 };
        let faults = (1..=calls).flat_map(|n| FAULTS.map(|fault| Some((n, fault))));
        let mut runs = 0;
        for fault in std::iter::once(None).chain(faults.step_by(step)) {
            let story = story(world);
            for read in READS {
                story.simulation.lag(read, lag);
            }
            if let Some((n, fault)) = fault {
                story.simulation.fail(Call::any().nth(n), fault);
            }
            let ended = story.run().await;
            let code = story.check(&ended);
            let place = format!("{}, {how}, {fault:?}", world.name);
            let is_refused = fault.is_some() && code == 3;
            assert!(
                code == world.end || is_refused,
                "{place}: {code}, {}",
                story.last_words()
            );
            runs += 1;
        }
        runs
    });
    let runs: u32 = runs.into_iter().sum();
    println!("{runs} judged deployments with reads that lag");
    assert!(runs > 500, "{runs}");
}

/// Cancelled at each event: everything is put back, unless ECS has ended before.
#[test]
fn p11_cancelled_at_every_event_a_run_ends_in_a_state_that_is_stated() {
    let cancels = each(WORLDS, async |world| {
        let undisturbed = story(world);
        let ended = undisturbed.run().await;
        assert_eq!(undisturbed.check(&ended), world.end);
        let events = undisturbed.events.lock().expect("no panic").len();
        let mut cancelled = 0;
        for nth in 0..events {
            let story = story(world);
            let mut seen = 0;
            let hand = move |_: &_, handle: &bluegreen::engine::ControlHandle| {
                if seen == nth {
                    handle.cancel("SIGTERM");
                }
                seen += 1;
            };
            let ended = story.run_with(Box::new(hand)).await;
            let code = story.check(&ended);
            let place = format!(
                "{}, at event {nth}: {code}, {}",
                world.name,
                story.last_words()
            );
            match code {
                11 => cancelled += 1,
                // Before the first look nothing was sent; at the end nothing is left to cancel.
                3 => assert!(nth <= 1, "{place}"),
                code => assert!(code == world.end || code == 20, "{place}"),
            }
        }
        cancelled
    });
    let cancels: u32 = cancels.into_iter().sum();
    assert!(cancels > 10, "{cancels}");
}

/// A run whose journal outlives its process.
struct Held {
    story: Story,
    storage: Arc<TestStorage>,
}

impl Held {
    fn new(world: World) -> Self {
        Self {
            story: story(world),
            storage: Arc::default(),
        }
    }

    async fn take(&self, name: &str, how: Take) -> Result<Lease> {
        let log = self.storage.log();
        let taken = log.take(Holder::this_process(name), self.story.aws.clock(), how);
        within("the taking of a journal", taken).await
    }

    async fn judge(&self, lease: &Lease) -> Ended {
        let judge = self.story.judge_with(&self.fenced(lease), lease.clone());
        within("the judge", judge.run()).await
    }

    /// An AWS of its own, with counts of its own, for the holder of a lease.
    fn fenced(&self, lease: &Lease) -> Aws {
        self.story.simulation.aws().fenced(lease.clone())
    }

    async fn run(&self, name: &str) -> Ended {
        let lease = self.take(name, Take::IfFree).await.expect("free");
        self.judge(&lease).await
    }

    /// Continues what the journal holds; a journal without a run begins one.
    async fn resume_with(&self, lease: &Lease, name: &str) -> Ended {
        let records = lease.newest_run_to_resume().await.expect("readable");
        if records.is_empty() {
            return self.judge(lease).await;
        }
        let judge = self.story.judge_with(&self.fenced(lease), lease.clone());
        within("the resumed judge", judge.resume(&records, name)).await
    }

    async fn resume(&self, name: &str) -> Ended {
        let lease = self.take(name, Take::IfExpired).await.expect("silent");
        let ended = self.resume_with(&lease, name).await;
        lease.release().await.expect("kept");
        ended
    }

    /// Holds all processes of the run against the promises.
    async fn check(&self, ended: Ended) -> u8 {
        let lease = self.take("checker", Take::IfExpired).await.expect("silent");
        let records = lease.newest_run().await.expect("readable");
        lease.release().await.expect("kept");
        let is_unbegun = matches!(
            ended,
            Err(NativeError::Resume(ReplayError::Unreadable { .. }))
        );
        if is_unbegun {
            // Killed right after the first record: there is nothing to continue.
            let orders = [Call::ContinueServiceDeployment, Call::StopServiceDeployment];
            let sent = orders.map(|call| self.story.simulation.calls(call));
            assert_eq!(sent, [0, 0], "P5: an order without a record");
            return 3;
        }
        let ended = self.story.ended(ended, &records);
        self.story.check_records(&ended, &records)
    }
}

/// Killed again and again, at each next order.
#[test]
fn p05_a_run_that_is_killed_at_every_one_of_its_orders_still_ends() {
    let cases = WORLDS
        .into_iter()
        .flat_map(|world| MOMENTS.map(|moment| (world, moment)));
    each(cases.collect::<Vec<_>>(), async |(world, moment)| {
        let held = Held::new(world);
        let orders = [Call::ContinueServiceDeployment, Call::StopServiceDeployment];
        let mut ended = None;
        let mut kills = 0;
        while ended.is_none() {
            let mut stops = orders.map(|call| {
                let next = held.story.simulation.calls(call) + 1;
                held.story.simulation.stop_at(call.nth(next), moment)
            });
            let [first, second] = &mut stops;
            // At last an order goes through.
            let kill = async {
                if kills >= 6 {
                    first.go_on();
                    second.go_on();
                    std::future::pending().await
                } else {
                    tokio::select! {
                        () = first.reached() => {}
                        () = second.reached() => {}
                    }
                }
            };
            ended = match kills {
                0 => killed(held.run("ann"), kill).await,
                _ => killed(held.resume("bob"), kill).await,
            };
            kills += u32::from(ended.is_none());
            assert!(kills < 20);
        }
        let code = held.check(ended.expect("ended")).await;
        // Orders that never arrive leave the decision to ECS, whose pause rolls back in time.
        let is_known = code == world.end || (code == 10 && moment == Moment::BeforeEffect);
        assert!(
            is_known,
            "{}, {moment:?}: {code}, {}",
            world.name,
            held.story.last_words()
        );
    });
}

/// The store goes away at any record and stays away, or comes back: harm is put back all the same.
#[test]
fn p06_a_failing_journal_never_blocks_a_rollback() {
    each(WORLDS, async |world| {
        let held = Held::new(world);
        let _ = held.run("ann").await;
        for n in 2..=held.storage.created() {
            for count in [1, 3, u64::MAX / 2] {
                let held = Held::new(world);
                held.storage.fail(n, count);
                let ended = held.run("ann").await;
                let code = match &ended {
                    Ok(outcome) => outcome.exit_code(),
                    Err(error) => error.exit_code(),
                };
                let place = format!("{}, store down from {n}, {count} times", world.name);
                let words = held.story.last_words();
                let green = held.story.simulation.weights().green;
                match (world.name, code) {
                    ("stuck", 20) => {}
                    (_, 0) => assert_eq!(held.story.status(), "SUCCESSFUL", "{place}: {words}"),
                    (_, 3) => assert_eq!(green, 0, "{place}: {words}"),
                    (_, 10) => {
                        assert_eq!(
                            held.story.status(),
                            "ROLLBACK_SUCCESSFUL",
                            "{place}: {words}"
                        );
                        assert_eq!(green, 0, "{place}: {words}");
                    }
                    (_, code) => panic!("{place}: {code}, {words}"),
                }
                let is_harmless = world.name == "healthy";
                assert!(is_harmless || code != 0, "{place}: {words}");
            }
        }
    });
}

/// A holder sleeps at a call for longer than its lease. Another controller takes over meanwhile. When the holder
/// wakes, it sends no order any more.
#[test]
fn p06_a_holder_that_slept_through_its_lease_sends_no_order() {
    let (healthy, step) = (WORLDS[0], if everything() { 1 } else { 2 });
    let naps = each([0_u64, 300], async |nap| {
        let mut naps = 0;
        for n in (2..=whole(healthy).await).step_by(step) {
            let held = Held::new(healthy);
            let lease = held.take("ann", Take::IfFree).await.expect("free");
            let of_ann = held.fenced(&lease);
            let mut ann = pin!(held.story.judge_with(&of_ann, lease.clone()).run());
            let mut stop = held
                .story
                .simulation
                .stop_at(Call::any().nth(n), Moment::BeforeEffect);
            if killed(&mut ann, stop.reached()).await.is_some() {
                continue;
            }
            let orders = || {
                let calls = of_ann.calls();
                calls.of("ContinueServiceDeployment") + calls.of("StopServiceDeployment")
            };
            // From here on ann is not polled, like a process that is stopped.
            let taken = held.take("bob", Take::IfExpired).await.expect("silent");
            let before = orders();
            let mut bob = pin!(held.resume_with(&taken, "bob"));
            let early = killed(&mut bob, tokio::time::sleep(Duration::from_secs(nap))).await;
            stop.go_on();
            let (ended, of_bob) = match early {
                Some(of_bob) => (ann.await, of_bob),
                None => tokio::join!(ann, bob),
            };
            let place = format!("asleep at call {n} for {nap} s");
            assert_eq!(
                orders(),
                before,
                "P6: {place}: a stale holder sent an order"
            );
            match &ended {
                Ok(NativeOutcome::Held { reason, .. }) => {
                    assert!(
                        matches!(reason, HoldReason::TakenOver { .. }),
                        "{place}: {reason}"
                    );
                }
                Ok(NativeOutcome::Unchanged { .. } | NativeOutcome::Promoted { .. }) => {}
                other => panic!("{place}: {other:?}"),
            }
            taken.release().await.expect("kept");
            assert_eq!(held.check(of_bob).await, 0, "{place}");
            naps += 1;
        }
        naps
    });
    let naps: u32 = naps.into_iter().sum();
    println!("{naps} naps of a judge");
    assert!(naps > 30, "{naps}");
}

/// Of two judges that share a journal one gets the deployment.
#[tokio::test(start_paused = true)]
async fn p06_of_two_judges_one_is_refused() {
    let held = Held::new(WORLDS[0]);
    let lease = held.take("ann", Take::IfFree).await.expect("free");
    let refused = held.take("bob", Take::IfFree).await.expect_err("held");
    assert_eq!(refused.kind(), bluegreen::ErrorKind::Held);
    let ended = held.judge(&lease).await;
    lease.release().await.expect("kept");
    assert_eq!(held.check(ended).await, 0);
    assert_eq!(
        held.story.simulation.calls(Call::ContinueServiceDeployment),
        2
    );
}
