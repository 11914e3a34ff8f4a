//! The test route of the release before, which leads to the side that serves now.

use super::*;

/// A world in which everything moved to the side whose place was prepared.
async fn promoted(builder: SimulationBuilder) -> Simulation {
    let simulation = builder.build();
    place_in(&simulation).prepare().await.unwrap();
    simulation.third_party_write(Sides::new(0, 100));
    simulation
}

/// The place of the side that served first.
fn place_back(simulation: &Simulation) -> GreenPlace {
    let group = GreenGroup::existing(simulation.blue());
    let (rule, blue) = (simulation.rule(), simulation.green());
    GreenPlace::new(&simulation.aws(), rule, blue, group).unwrap()
}

fn leads_to(simulation: &Simulation, group: &str) -> bool {
    let rules = simulation.rules();
    let mut shown = rules.iter().map(|rule| format!("{rule:?}"));
    shown.any(|rule| rule.contains("X-Bluegreen-Test") && rule.contains(group))
}

#[tokio::test(start_paused = true)]
async fn p10_it_is_turned_once_however_old_reads_are_and_an_undo_deletes_it() {
    for builder in [
        Simulation::builder(),
        Simulation::builder().default_rule(),
        Simulation::builder().rules_before(23),
    ] {
        for lag in lags() {
            let simulation = promoted(builder.clone()).await;
            let rules = simulation.rules().len();
            let writes = simulation.calls(Call::ModifyRule);
            for read in LAGGING {
                simulation.lag(read, lag);
            }
            let made = place_back(&simulation).prepare().await.unwrap();
            assert_eq!(kinds(&made.done), ["turn_route"], "{lag:?}");
            let again = place_back(&simulation).prepare().await.unwrap();
            assert_eq!(kinds(&again.done), [""; 0], "{lag:?}");
            assert_eq!(again.route, made.route);
            assert_eq!(simulation.calls(Call::ModifyRule), writes + 1, "{lag:?}");
            assert_eq!(simulation.calls(Call::CreateRule), 1, "{lag:?}");
            assert_eq!(simulation.rules().len(), rules, "{lag:?}");
            assert_eq!(simulation.weights(), Sides::new(0, 100), "no traffic moves");
            assert!(leads_to(&simulation, simulation.blue().name()));
            let undone = place_back(&simulation).undo().await.unwrap();
            assert_eq!(kinds(&undone.done), ["delete_route"], "{lag:?}");
            assert_eq!(simulation.rules().len(), rules - 1, "{lag:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p05_p10_it_is_turned_by_the_next_run_if_the_first_is_killed_or_hears_nothing() {
    for fault in [
        Fault::HangAfterEffect,
        Fault::TimeoutAfterEffect,
        Fault::TimeoutBeforeEffect,
        Fault::Throttle,
    ] {
        for lag in lags() {
            let simulation = promoted(Simulation::builder()).await;
            let rules = simulation.rules().len();
            for read in LAGGING {
                simulation.lag(read, lag);
            }
            let next = simulation.calls(Call::ModifyRule) + 1;
            simulation.fail(Call::ModifyRule.nth(next), fault);
            let limit = std::time::Duration::from_secs(200);
            let place = place_back(&simulation);
            let _ = tokio::time::timeout(limit, place.prepare()).await;
            place_back(&simulation).prepare().await.unwrap();
            let again = place_back(&simulation).prepare().await.unwrap();
            assert_eq!(kinds(&again.done), [""; 0], "{fault:?}, {lag:?}");
            assert_eq!(simulation.rules().len(), rules, "{fault:?}, {lag:?}");
            assert_eq!(simulation.calls(Call::CreateRule), 1);
        }
    }
}

/// A rule of others with the header is before it, or the route itself is of others.
#[tokio::test(start_paused = true)]
async fn what_others_made_is_not_turned() {
    let builder = Simulation::builder().unmarked_test_route();
    let simulation = builder.weights(Sides::new(0, 100)).build();
    let before = simulation.rules();
    let error = place_back(&simulation).prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("leads elsewhere"), "{error}");
    assert!(error.hint().unwrap().contains("--test-header"), "{error}");
    assert_eq!(simulation.rules(), before);
}
