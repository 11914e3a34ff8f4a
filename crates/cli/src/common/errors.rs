//! How verbs report errors: one form for all of them.

use bluegreen::{Error, Failure, problem::Problem, spec::SpecError};

use super::say::say_line;

/// Bad arguments, file or plan; nothing was called.
pub(crate) const BAD_ARGUMENTS: u8 = 2;
/// Stopped before anything changed, or not done.
pub(crate) const UNCHANGED: u8 = 3;

/// Prints every problem, and returns the exit code.
pub(crate) fn bad_arguments(problems: &[Problem]) -> u8 {
    for problem in problems {
        match problem.field.as_str() {
            "" => say_line!("error: {}", problem.message),
            field => say_line!("error: {field}: {}", problem.message),
        }
        if !problem.hint.is_empty() {
            say_line!("  hint: {}", problem.hint);
        }
    }
    let s = if problems.len() == 1 { "" } else { "s" };
    say_line!("{} problem{s}, nothing was called", problems.len());
    BAD_ARGUMENTS
}

/// Prints an error, and returns `code`.
pub(crate) fn failed(error: &Error, code: u8) -> u8 {
    said(&Failure::from(error));
    code
}

/// Prints a failure, with its hint.
pub(crate) fn said(failure: &Failure) {
    say_line!("error: {failure}");
    if let Some(hint) = &failure.hint {
        say_line!("  hint: {hint}");
    }
}

/// Prints the problems of a specification that is in no file, and returns the exit code.
pub(crate) fn invalid(error: &SpecError) -> u8 {
    let problems = error.problems().iter();
    let problems: Vec<Problem> = problems.map(|told| told.problem.clone()).collect();
    bad_arguments(&problems)
}
