//! `bluegreen migrate --advise`: judges the split as it is by the gates of the file, and writes nothing.

use std::time::Duration;

use bluegreen::{
    Failure, MigrationPlan,
    migration::{OnInconclusive, Step},
};
use bluegreen_monitor::{Shared, watch::Watcher};
use serde::Serialize;

use crate::{
    common::{
        data::json_line,
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        say::{BAD, GOOD, UNSURE, say_line},
    },
    migration::{args::Told, blue::Of, open::Opened},
};

/// The exit code for the advice to put everything back.
const ROLL_BACK: u8 = 10;

/// The gates' advice on the split as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Advice {
    /// Every gate is healthy, and the bake of the step is over.
    Rise,
    RollBack,
    /// The deadline of the step is over.
    Hold,
    Wait,
}

/// Advice for programs.
#[derive(Serialize)]
struct Advised<'a> {
    advice: Advice,
    seconds: u64,
    gates: Vec<(&'a str, &'a str, &'a str)>,
}

/// Looks until the advice is clear, or the deadline of the step is over.
pub(super) async fn run(opened: &Opened, told: &Told) -> Result<u8, u8> {
    let aws = opened.aws();
    let target = opened.sides(Of::Next).await?.target;
    let spec = &opened.spec;
    let splitter = spec.splitter(aws, &target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let gates = spec.gates(aws, &target);
    let gates = gates.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let mut watcher = Watcher::new(splitter, aws.clock());
    for (name, gate) in gates {
        watcher = watcher.gate(name, gate);
    }
    let (shared, clock) = (Shared::default(), aws.clock());
    let begun = clock.uptime();
    loop {
        let looked = watcher.look(&shared).await;
        if let Err(error) = &looked {
            say_line!("warning: could not read: {}", Failure::from(error));
            if shared.view().looks == 0 {
                return Err(UNCHANGED);
            }
        }
        let watched = clock.uptime().saturating_sub(begun);
        let advice = advice(opened, &shared, watched);
        tell(&shared, advice, watched, told.json);
        match advice {
            Advice::Rise => return Ok(0),
            Advice::RollBack => return Ok(ROLL_BACK),
            Advice::Hold => return Ok(UNCHANGED),
            Advice::Wait => tokio::time::sleep(opened.plan.look_interval()).await,
        }
    }
}

fn advice(opened: &Opened, shared: &Shared, watched: Duration) -> Advice {
    let plan = &opened.plan;
    shared.with(|view| {
        let (bake, deadline) =
            match step_of(plan, view.series.newest().and_then(|point| point.asked)) {
                Some(step) => (plan.bake_of(step), plan.deadline_of(step)),
                None => (plan.look_interval(), plan.deadline()),
            };
        let mut statuses = view.gates.iter().map(|gate| gate.status);
        if statuses.clone().any(|status| status == "unhealthy") {
            Advice::RollBack
        } else if statuses.all(|status| status == "healthy") && watched >= bake {
            Advice::Rise
        } else if watched < deadline {
            Advice::Wait
        } else {
            match opened.plan.on_inconclusive() {
                OnInconclusive::Hold => Advice::Hold,
                _ => Advice::RollBack,
            }
        }
    })
}

/// Returns the last step whose share, in percent, green has reached.
fn step_of(plan: &MigrationPlan, share: Option<f64>) -> Option<&Step> {
    let passed = |step: &&Step| step.green.as_fraction() * 100.0 <= share.unwrap_or_default() + 0.5;
    let steps = plan.steps();
    steps.iter().rfind(passed).or(steps.first())
}

fn tell(shared: &Shared, advice: Advice, watched: Duration, json: bool) {
    let view = shared.view();
    let gates = view.gates.iter();
    if json {
        json_line(&Advised {
            advice,
            seconds: watched.as_secs(),
            gates: gates
                .map(|gate| (gate.name.as_str(), gate.status, gate.summary.as_str()))
                .collect(),
        });
        return;
    }
    if advice == Advice::Wait && view.looks > 1 {
        return;
    }
    for gate in gates {
        say_line!("  {}: {}: {}", gate.name, gate.status, gate.summary);
    }
    match advice {
        Advice::Rise => say_line!("{GOOD}advice: rise{GOOD:#}; nothing was written"),
        Advice::RollBack => {
            say_line!("{BAD}advice: put everything back{BAD:#}; nothing was written")
        }
        Advice::Hold => say_line!("{UNSURE}advice: hold{UNSURE:#}; nothing was written"),
        Advice::Wait => say_line!("judging the split as it is, until the gates agree …"),
    }
}
