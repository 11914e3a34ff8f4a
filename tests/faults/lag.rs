//! Reads that lag behind a write: alone at every write, and together with a fault at another call.

use bluegreen::aws::sim::{Call, Fault};

use crate::{
    FAULTS,
    common::{cases::each, lag::lags, migrate},
    everything, plan, worlds,
};

/// A lag that ends within its limit changes no end: no run ends with 12 or 20 because of it.
#[test]
fn p04_p05_p07_a_lag_behind_any_write_changes_no_end() {
    each(worlds(), async |(name, world)| {
        let undisturbed = migrate(&world(), plan()).await.exit_code();
        for lagging in lags() {
            for write in 1..=4 {
                let simulation = world();
                let lag = lagging.lag.behind(Call::ModifyRule.nth(write));
                for read in lagging.reads {
                    simulation.lag(*read, lag);
                }
                let run = migrate(&simulation, plan()).await;
                let place = format!("{name}: {} behind write {write}", lagging.name);
                assert_eq!(
                    run.exit_code(),
                    undisturbed,
                    "{place}: {}",
                    run.last_words()
                );
                run.check_promises(false);
            }
        }
    });
}

/// Every `SAMPLE`th pair of a lag and a fault; all of them with `BLUEGREEN_FAULTS=all`.
const SAMPLE: usize = 61;

#[test]
fn p04_p05_p07_hold_for_a_lag_and_a_fault_at_each_call() {
    each(worlds(), async |(name, world)| {
        let whole = world();
        let _ = migrate(&whole, plan()).await;
        let calls = whole.calls_in_all();
        let faults = FAULTS
            .into_iter()
            .filter(|fault| !matches!(fault, Fault::ThirdPartyWrite { .. }));
        let faults: Vec<Fault> = faults.collect();
        let pairs = lags().into_iter().flat_map(|lagging| {
            let faults = faults.clone();
            faults
                .into_iter()
                .flat_map(move |fault| (1..=calls).map(move |call| (lagging, fault, call)))
        });
        let step = if everything() { 1 } else { SAMPLE };
        for (lagging, fault, call) in pairs.step_by(step) {
            let simulation = world();
            lagging.set(&simulation);
            simulation.fail(Call::any().nth(call), fault);
            let run = migrate(&simulation, plan()).await;
            let code = run.exit_code();
            println!(
                "{name}: {} and {fault:?} at call {call}: {code}",
                lagging.name
            );
            run.check_promises(false);
        }
    });
}
