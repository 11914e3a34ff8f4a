//! What `plan` says of blue's capacity.

use bluegreen::{Aws, Failure, preflight::Acceptance, spec::Target, traffic::CapacityKeeper as _};

use super::setup::Setup;
use crate::common::say::say_line;

/// Says whether blue keeps its capacity. False if that would be refused.
pub(crate) async fn foresee(setup: &Setup, aws: &Aws, target: &Target) -> bool {
    let Some(keeper) = setup.spec.capacity_keeper(aws, target) else {
        if !aws.is_simulated() {
            say_line!(
                "blue's capacity is not kept: it is not said which service runs its targets \
                 (--blue-service CLUSTER/SERVICE)"
            );
            if setup.plan.dead_man().is_some() {
                say_line!(
                    "  if blue is scaled in, the dead-man switch sends everything to the rest"
                );
            }
            say_line!("");
        }
        return true;
    };
    match keeper.observe().await {
        Ok(capacity) => {
            say_line!("{}\n", capacity.finding());
            true
        }
        Err(error) => {
            let is_accepted = setup.plan.accepts(Acceptance::BlueMayShrink);
            let failure = Failure::from(&error);
            say_line!("it is not known how far blue may be scaled in: {failure}");
            if let Some(hint) = &failure.hint {
                say_line!("  hint: {hint}");
            }
            if !is_accepted {
                let risk = Acceptance::BlueMayShrink;
                say_line!("  a migration refuses that, unless it accepts `{risk}`");
            }
            say_line!("");
            is_accepted
        }
    }
}
