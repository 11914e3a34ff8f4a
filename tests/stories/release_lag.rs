//! Deployments whose list of deployments lags behind writes, as a real service's does.

use std::time::Duration;

use bluegreen::{
    aws::sim::{
        Call, Fate, Fault, Lag, Moment, ReleaseScenario, Simulation, SimulationBuilder, Writer,
    },
    deployment::{DeploymentEvent, DeploymentOutcome, HoldReason, Intent},
    engine::{Answer, ControlHandle, MemoryJournal},
};

use crate::common::{
    durable::killed,
    lag::lagging,
    release::{Hand, Release, deploy, deploy_again, deployment, plan, release, source},
};

const SECOND: Duration = Duration::from_secs(1);

type Shape = (&'static str, Lag);

/// The ways in which a list of deployments may be old.
fn shapes() -> Vec<Shape> {
    vec![
        ("0.3 s late", Lag::for_time(SECOND * 3 / 10)),
        ("1 s late", Lag::for_time(SECOND)),
        ("5 s late", Lag::for_time(SECOND * 5)),
        ("20 s late", Lag::for_time(SECOND * 20)),
        ("one read late", Lag::reads(1)),
        ("back once", Lag::back_once()),
        ("back once after 10 s", Lag::back_once_after(SECOND * 10)),
        ("back once after 40 s", Lag::back_once_after(SECOND * 40)),
    ]
}

fn healthy() -> SimulationBuilder {
    Simulation::builder().test_route()
}

fn broken() -> SimulationBuilder {
    healthy().next_revision(Fate::Broken)
}

fn own(simulation: &Simulation) -> usize {
    let all = simulation.deployments();
    all.iter().filter(|(_, by)| *by == Writer::Caller).count()
}

/// Whether the service runs the revision of this number.
fn runs(simulation: &Simulation, number: &str) -> bool {
    let live = simulation.runs();
    live.is_some_and(|(revision, running)| revision.ends_with(number) && running > 0)
}

fn roll_back() -> Intent {
    Intent::RollBack {
        by: "ann".into(),
        to: None,
    }
}

#[tokio::test(start_paused = true)]
async fn p04_p07_an_old_list_of_deployments_is_no_other_deployment() {
    for (name, lag) in shapes() {
        for world in [healthy, || healthy().no_service()] {
            let simulation = world().build();
            lagging(&simulation, &[Call::DescribeServices], lag);
            let run = deploy(&simulation).await;
            run.check_promises();
            assert_eq!(run.exit_code(), 0, "{name}: {}", run.last_words());
            let sent =
                simulation.calls(Call::UpdateService) + simulation.calls(Call::CreateService);
            assert_eq!(sent, 1, "{name}: what was accepted is not sent again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p05_a_rollback_is_not_believed_before_it_is_newer_than_the_rollout() {
    for (name, lag) in shapes() {
        let simulation = broken().build();
        lagging(&simulation, &[Call::DescribeServices], lag);
        let run = deploy(&simulation).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 10, "{name}: {}", run.last_words());
        assert!(runs(&simulation, ":1"), "{name}");
        assert_eq!(own(&simulation), 2, "{name}: one way there, one way back");
    }
}

/// Deploys, and controls the run as soon as the update was accepted.
async fn once_updated(simulation: &Simulation, act: fn(&ControlHandle) -> Answer) -> Release {
    let hand: Hand = Box::new(move |event, handle, _| {
        if matches!(event.kind, DeploymentEvent::Updated { .. }) {
            let _answer = act(handle);
        }
    });
    let intent = Intent::Deploy { image: source() };
    release(simulation, plan(), intent, Some(hand)).await
}

/// Old reads show the revision that ran before, as if the rollback were over.
#[tokio::test(start_paused = true)]
async fn p11_a_cancel_right_after_the_update_takes_it_back_though_old_reads_show_what_ran_before() {
    for (name, lag) in shapes() {
        let simulation = healthy().build();
        lagging(&simulation, &[Call::DescribeServices], lag);
        let run = once_updated(&simulation, |handle| handle.cancel("SIGTERM")).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 11, "{name}: {}", run.last_words());
        assert!(runs(&simulation, ":1"), "{name}");
        assert_eq!(own(&simulation), 2, "{name}: it was taken back");
    }
}

#[tokio::test(start_paused = true)]
async fn p04_a_hold_right_after_the_update_states_what_the_update_brought() {
    for (name, lag) in shapes() {
        let simulation = healthy().build();
        lagging(&simulation, &[Call::DescribeServices], lag);
        let run = once_updated(&simulation, |handle| {
            handle.leave("ann", "we look at it tomorrow")
        })
        .await;
        run.check_promises();
        assert_eq!(run.exit_code(), 12, "{name}: {}", run.last_words());
    }
}

#[tokio::test(start_paused = true)]
async fn p04_an_asked_for_rollback_survives_old_reads() {
    for (name, lag) in shapes() {
        let simulation = healthy().build();
        assert_eq!(deploy(&simulation).await.exit_code(), 0);
        lagging(&simulation, &[Call::DescribeServices], lag);
        for _ in 0..2 {
            let run = release(&simulation, plan(), roll_back(), None).await;
            run.check_promises();
            assert_eq!(run.exit_code(), 0, "{name}: {}", run.last_words());
            assert!(runs(&simulation, ":1"), "{name}");
            assert_eq!(own(&simulation), 2, "{name}: twice is once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p04_the_services_own_way_back_is_not_raced_on_an_old_read() {
    for (name, lag) in shapes() {
        let simulation = ReleaseScenario::BreakerTrips.simulation(1);
        lagging(&simulation, &[Call::DescribeServices], lag);
        let run = deploy(&simulation).await;
        run.check_promises();
        assert_eq!(run.exit_code(), 10, "{name}: {}", run.last_words());
        assert_eq!(own(&simulation), 1, "{name}: one owner of the rollback");
        assert!(runs(&simulation, ":1"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn p10_an_update_without_an_answer_is_waited_for_and_not_sent_twice() {
    for (name, lag) in shapes() {
        for fault in [Fault::TimeoutAfterEffect, Fault::HangAfterEffect] {
            let simulation = healthy().build();
            lagging(&simulation, &[Call::DescribeServices], lag);
            simulation.fail(Call::UpdateService.nth(1), fault);
            let run = deploy(&simulation).await;
            run.check_promises();
            assert_eq!(run.exit_code(), 0, "{name}: {}", run.last_words());
            assert_eq!(simulation.calls(Call::UpdateService), 1, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p04_an_accepted_update_that_never_shows_is_taken_back_and_said() {
    let simulation = healthy().build();
    let lag = Lag::for_time(SECOND * 86_400);
    let lag = lag.behind(Call::UpdateService.nth(1));
    lagging(&simulation, &[Call::DescribeServices], lag);
    let run = deploy(&simulation).await;
    let said = run.events.iter().any(|event| {
        matches!(&event.kind, DeploymentEvent::RollingBack { .. })
            && event.to_string().contains("never became visible")
    });
    assert!(said, "{}", run.last_words());
    // The rollback never becomes visible either.
    assert_eq!(run.exit_code(), 20, "{}", run.last_words());
    assert!(
        run.last_words().contains("no read shows it"),
        "{}",
        run.last_words()
    );
    assert!(runs(&simulation, ":1"));
}

/// The first process is killed right after its update; the next process reads the state before that.
#[tokio::test(start_paused = true)]
async fn p05_a_resumed_run_waits_for_what_the_process_before_it_sent() {
    for (name, lag) in shapes() {
        for (world, exit, number, deployments) in [
            (healthy as fn() -> SimulationBuilder, 0, ":2", 1),
            (broken, 10, ":1", 2),
        ] {
            let simulation = world().build();
            lagging(&simulation, &[Call::DescribeServices], lag);
            let mut stop = simulation.stop_at(Call::UpdateService.nth(1), Moment::AfterEffect);
            let journal = MemoryJournal::new();
            let first = deployment(&simulation, plan()).journal(journal.clone());
            let ended = killed(first.run_image(source()), stop.reached()).await;
            assert!(ended.is_none(), "{name}");
            let run = deploy_again(&simulation, &journal.records()).await;
            run.check_promises();
            assert_eq!(run.exit_code(), exit, "{name}: {}", run.last_words());
            assert!(runs(&simulation, number), "{name}");
            assert_eq!(own(&simulation), deployments, "{name}");
            if exit == 0 {
                let sent = simulation.calls(Call::UpdateService);
                assert_eq!(sent, 1, "{name}: what may have landed is not sent again");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p05_a_resumed_rollback_is_not_over_because_an_old_read_says_so() {
    for (name, lag) in shapes() {
        for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
            let simulation = broken().build();
            lagging(&simulation, &[Call::DescribeServices], lag);
            let mut stop = simulation.stop_at(Call::UpdateService.nth(2), moment);
            let journal = MemoryJournal::new();
            let first = deployment(&simulation, plan()).journal(journal.clone());
            let ended = killed(first.run_image(source()), stop.reached()).await;
            assert!(ended.is_none(), "{name}");
            let run = deploy_again(&simulation, &journal.records()).await;
            run.check_promises();
            let words = run.last_words();
            assert!([0, 10].contains(&run.exit_code()), "{name}: {words}");
            assert!(runs(&simulation, ":1"), "{name}, {moment:?}: {words}");
            assert_eq!(own(&simulation), 2, "{name}, {moment:?}");
        }
    }
}

/// A run that is cancelled before it has seen the previous process's update rolls that update back, too.
#[tokio::test(start_paused = true)]
async fn p11_a_cancel_of_a_resumed_run_is_no_unchanged_service() {
    for (name, lag) in shapes() {
        let simulation = healthy().build();
        lagging(&simulation, &[Call::DescribeServices], lag);
        let mut stop = simulation.stop_at(Call::UpdateService.nth(1), Moment::AfterEffect);
        let journal = MemoryJournal::new();
        let first = deployment(&simulation, plan()).journal(journal.clone());
        let ended = killed(first.run_image(source()), stop.reached()).await;
        assert!(ended.is_none(), "{name}");
        let again = deployment(&simulation, plan())
            .goes_on_from(&journal.records())
            .expect("it replays");
        let handle = again.handle();
        handle.cancel("SIGTERM");
        let ended = again.run_image(source()).await.expect("a known end");
        assert_eq!(ended.exit_code(), 11, "{name}: {ended}");
        assert!(runs(&simulation, ":1"), "{name}");
    }
}

fn superseded(run: &Release) -> bool {
    let reason = match &run.ended {
        Ok(DeploymentOutcome::Held { reason, .. }) => reason,
        _ => return false,
    };
    matches!(reason, HoldReason::Superseded { .. })
}

#[tokio::test(start_paused = true)]
async fn p07_a_third_partys_deployment_is_found_while_reads_lag() {
    let mut shapes = shapes();
    shapes.push(("not late", Lag::for_time(Duration::ZERO)));
    for (name, lag) in shapes {
        for second in [60, 75, 90, 110, 130] {
            let simulation = healthy().third_party_deploy_at(SECOND * second).build();
            lagging(&simulation, &[Call::DescribeServices], lag);
            let run = deploy(&simulation).await;
            let words = run.last_words();
            let theirs = simulation.deployments();
            let is_theirs = theirs.last().map(|(_, by)| *by) == Some(Writer::Stranger);
            assert!(is_theirs, "{name}, {second} s: {words}");
            if name == "not late" {
                run.check_promises();
            }
            // This run cannot know an update that landed after its last read.
            let ended = run.events.last().expect("an end").at;
            let begun = run.events.first().expect("a start").at;
            let passed = Duration::try_from(ended.duration_since(begun)).expect("forwards");
            let is_shown = passed > SECOND * (second + 25);
            assert!(
                superseded(&run) || !is_shown || run.exit_code() == 3,
                "{name}, {second} s, ended after {passed:?}: {words}"
            );
        }
    }
}
