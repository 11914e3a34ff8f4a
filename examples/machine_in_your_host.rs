//! The migration as a pure state machine, run by a host of your own, without the loop of the library.
//!
//! ```text
//! cargo run --example machine_in_your_host
//! ```
//!
//! A workflow engine or a chain of functions works like this: between two steps it keeps the machine and the
//! state of its judges as JSON; a worker carries out the machine's action; the host tells the machine the
//! answer and the time. Prints each event of a simulated run. The exit code is 0 if green is promoted.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode};

use bluegreen::{
    MigrationPlan,
    aws::{
        alb::AlbTrafficSplitter,
        sim::{Scenario, Simulation},
    },
    clock::Clock as _,
    health::TargetHealthGate,
    host::{MigrationAnswer, MigrationWorker, Next, Work},
    migration::{Action, Input, Intent, MigrationMachine},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let simulation = Scenario::Healthy.simulation(7);
    simulation.start_paused();
    let clock = simulation.aws().clock();
    let plan = MigrationPlan::builder().build()?;

    let begin = worker(&simulation, &plan)?;
    let mut kept = serde_json::to_string(&(begin.machine(plan.clone()), begin.judges()))?;
    let mut input = Input::Start(Intent::Migrate);
    loop {
        // After a wait of ten minutes the host may be another process, so nothing stays in memory.
        let (mut machine, judges): (MigrationMachine, _) = serde_json::from_str(&kept)?;
        let mut worker = worker(&simulation, &plan)?.with_judges(&judges)?;

        let now = clock.now();
        let transition = machine.on(now, input);
        for event in &transition.events {
            println!("{now:.0}  {event}");
        }
        input = match transition.next {
            Next::Do(action) => match action.work() {
                Work::Wait(until) => {
                    tokio::time::sleep(until.duration_since(now).try_into()?).await;
                    Input::Waited { clock_fault: false }
                }
                Work::Read | Work::Change { .. } => {
                    let answer = activity(&worker, &action).await?;
                    worker.fold(serde_json::from_str(&answer)?)
                }
            },
            Next::Keep => return Err("nothing is outstanding".into()),
            Next::End => {
                let outcome = match machine.end() {
                    Some(Ok(outcome)) => outcome,
                    other => return Err(format!("{other:?}").into()),
                };
                return Ok(outcome.exit_code().into());
            }
        };
        kept = serde_json::to_string(&(machine, worker.judges()))?;
    }
}

/// Carries out an action. The worker may be in another process, since its answer is JSON.
async fn activity(worker: &MigrationWorker, action: &Action) -> Result<String, Box<dyn Error>> {
    let answer: MigrationAnswer = worker.carry_out(action).await;
    Ok(serde_json::to_string(&answer)?)
}

fn worker(simulation: &Simulation, plan: &MigrationPlan) -> bluegreen::Result<MigrationWorker> {
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
    Ok(MigrationWorker::new(plan, splitter).gate("targets", TargetHealthGate::new()))
}
