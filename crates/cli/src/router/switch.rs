//! What `plan` says of the role of the dead-man switch.

use std::{collections::BTreeSet, sync::Arc};

use bluegreen::{Aws, Failure, spec::Target, traffic::DeadManSwitch as _};

use super::setup::Setup;
use crate::common::say::say_line;

/// Says what is known of the role. False if a migration would be refused for it.
pub(crate) async fn foresee(setup: &Setup, aws: &Aws, target: &Target) -> bool {
    let Ok(splitter) = setup.spec.splitter(aws, target) else {
        return true;
    };
    let Some(switch) = setup.spec.dead_man_switch(aws, &Arc::new(splitter)) else {
        return true;
    };
    let findings = match switch.preflight().await {
        Ok(findings) => findings,
        Err(error) => {
            say_line!("the dead-man switch: {}\n", Failure::from(&error));
            return true;
        }
    };
    if findings.is_empty() {
        say_line!("the dead-man switch: its role may do what it needs\n");
        return true;
    }
    let mut is_fit = true;
    for finding in &findings {
        let stops = finding.stops(&BTreeSet::new());
        is_fit &= !stops;
        let kind = if stops { "error" } else { "note" };
        say_line!("{kind}: {finding}");
        if let Some(hint) = &finding.hint {
            say_line!("  hint: {hint}");
        }
    }
    say_line!("");
    is_fit
}
