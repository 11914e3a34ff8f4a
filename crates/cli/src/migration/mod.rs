//! Code that the verbs for migrations share: from the command line to a run and its output.

pub(crate) mod args;
mod before;
pub(crate) mod blue;
pub(crate) mod changes;
pub(crate) mod controller;
pub(crate) mod file;
pub(crate) mod foresee;
pub(crate) mod holding;
pub(crate) mod hooks;
pub(crate) mod open;
pub(crate) mod render;
pub(crate) mod retirement;
pub(crate) mod retold;
pub(crate) mod rights;
pub(crate) mod sides;
pub(crate) mod world;

use bluegreen::{
    MigrationError, MigrationOutcome, MigrationPlan,
    spec::{MigrationSpec, Use},
};
use clap::Args;

use self::{args::Told, controller::Ended, open::Opened, rights::PrintPolicy};
use crate::common::{
    errors::{UNCHANGED, bad_arguments, invalid},
    say::{answer, say_line},
};

/// The options that only print a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = args::OPTIONS)]
pub(crate) struct Print {
    #[command(flatten)]
    pub(crate) policy: PrintPolicy,
    /// Print the dead-man switch's role, and call nothing.
    #[arg(long, conflicts_with = "print_iam_policy")]
    pub(crate) print_dead_man_role: bool,
}

impl Print {
    pub(crate) fn is_asked(self) -> bool {
        self.policy.print_iam_policy || self.print_dead_man_role
    }

    /// Prints the policy of this use or of the role, and returns the exit code.
    pub(crate) fn answer(self, opened: &Opened, of: Use) -> Result<u8, u8> {
        if self.policy.print_iam_policy {
            return rights::print(opened, of);
        }
        let role = opened.spec.dead_man_role();
        let role = role.map_err(|error| invalid(&error))?;
        let role = serde_json::to_string_pretty(&role).unwrap_or_default();
        Ok(match answer(&role) {
            Ok(()) => 0,
            Err(error) => {
                say_line!("error: the answer could not be written: {error}");
                UNCHANGED
            }
        })
    }
}

/// Returns what the plan does and when, and what the second rule of comparison changes.
pub(crate) fn preview(spec: &MigrationSpec, plan: &MigrationPlan) -> String {
    let preview = plan.preview();
    match (spec.judge.rule >= 2, spec.comparison().is_some()) {
        (false, _) => preview.to_string(),
        (true, true) => format!(
            "{}\n  judge.rule = 2: margins come from the old side's past, and the limits stand beside\n  \
             the comparison; at 100% they excuse what the old side showed before",
            preview.warming_once()
        ),
        (true, false) => format!(
            "{preview}\n  judge.rule = 2 is of the comparison, and here the limits alone judge: of it stays\n  \
             that at 100% they excuse what the old side showed before"
        ),
    }
}

/// Prints how a run ended, and returns its exit code.
pub(crate) fn finished(opened: &Opened, told: &Told, ended: Ended) -> u8 {
    let ended = match ended {
        Ok(ended) => ended,
        Err(code) => return code,
    };
    if !told.json {
        say_line!("API calls: {}", opened.aws().calls());
        if let Some(simulation) = opened.world.simulation() {
            let weights = simulation.weights();
            say_line!("the simulated rule: {}:{}", weights.blue, weights.green);
        }
    }
    // A resume that fails before it begins has no event that reports the error.
    let is_told = told.json && !matches!(&ended, Err(MigrationError::Resume(_)));
    if !is_told {
        render::ending(&ended);
    }
    exit_code(ended)
}

/// Returns the risks that a specification accepts, if there is a risk.
pub(crate) fn accepted(spec: &MigrationSpec) -> Option<String> {
    let risks = spec.safety.accept.iter().map(|risk| risk.as_str());
    let risks: Vec<&str> = risks.collect();
    (!risks.is_empty()).then(|| format!("accepted: {}", risks.join(", ")))
}

/// Returns the outcome's exit code. The last event holds its text.
fn exit_code(ended: Result<MigrationOutcome, MigrationError>) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(MigrationError::Plan(error)) => bad_arguments(error.problems()),
        Err(error) => error.exit_code(),
    }
}
