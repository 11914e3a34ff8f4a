//! The migration as a pure state machine, run by a host of your own: no tokio, no clock, no async.
//!
//! ```text
//! cargo run --example machine_in_your_host
//! ```
//!
//! A workflow engine or a chain of functions does it so: it keeps the machine as JSON between two steps,
//! carries out what the machine asks for, and tells it what came of that, with the time. Traffic is two
//! numbers here and time is a variable. Prints what the machine asks for, and at the end where traffic is.
//! Ends with 0 if green is promoted.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode};

use bluegreen::{
    MigrationPlan, Verdict,
    health::Observation,
    host::Next,
    migration::{Action, GatePolicy, GateReport, Input, Intent, LookReport, MigrationMachine},
    traffic::{Shifted, Sides, TargetCounts, TrafficObservation},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut world = World {
        weights: Sides {
            blue: 1000,
            green: 0,
        },
    };
    let mut now: jiff::Timestamp = "2026-01-05T09:00:00Z".parse()?;
    let plan = MigrationPlan::builder().build()?;
    let machine = MigrationMachine::new(plan, [("queue".into(), GatePolicy::Required)]);

    let mut kept = serde_json::to_string(&machine)?;
    let mut input = Input::Start(Intent::Migrate);
    loop {
        // A host that sleeps for ten minutes is another process afterwards.
        let mut machine: MigrationMachine = serde_json::from_str(&kept)?;
        let transition = machine.on(now, input);
        kept = serde_json::to_string(&machine)?;

        input = match transition.next {
            Next::Do(Action::Wait { until }) => {
                now = until;
                Input::Waited { clock_fault: false }
            }
            Next::Do(Action::Preflight { .. }) => {
                println!("{now}  survey, and look once");
                Input::Preflighted {
                    findings: Ok(Vec::new()),
                    look: world.look()?,
                    capacity: None,
                }
            }
            Next::Do(Action::Look { .. }) => Input::Looked(world.look()?),
            Next::Do(Action::Observe) => Input::Observed(Ok(world.read())),
            Next::Do(Action::Shift(shift)) => {
                println!("{now}  shift to {}", shift.to);
                let blue = shift.to.blue().as_tenths().into();
                world.weights = Sides {
                    blue,
                    green: shift.to.green().as_tenths().into(),
                };
                Input::Shifted(Ok(Shifted::Seen(world.read())))
            }
            // What is asked for only with a dead-man switch or a capacity keeper.
            Next::Do(other) => return Err(format!("not asked for by this plan: {other:?}").into()),
            Next::Keep => return Err("nothing is outstanding".into()),
            Next::End => {
                let outcome = match machine.end() {
                    Some(Ok(outcome)) => outcome,
                    other => return Err(format!("{other:?}").into()),
                };
                println!("{now}  {outcome}");
                return Ok(outcome.exit_code().into());
            }
        };
    }
}

/// What the host reads and writes.
struct World {
    weights: Sides<u32>,
}

impl World {
    fn read(&self) -> TrafficObservation {
        let targets = TargetCounts::all_healthy(4);
        TrafficObservation::new(
            self.weights,
            Sides {
                blue: targets,
                green: targets,
            },
            "v1:rule",
        )
    }

    /// The split and what each gate saw. A gate's judge is a fold, so a host keeps it or feeds it again.
    fn look(&self) -> Result<LookReport, Box<dyn Error>> {
        let queue = GateReport {
            gate: "queue".into(),
            seen: Ok(Some(Observation::new("acme.queue/1", &0)?)),
            verdict: Some(Verdict::healthy("no message waits")),
        };
        Ok(LookReport {
            traffic: Ok(self.read()),
            gates: vec![queue],
        })
    }
}
