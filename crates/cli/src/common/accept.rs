//! Risks that the operator accepts by name.

use bluegreen::{preflight::Acceptance, problem::Problem};

/// Returns the risks of these names. An unknown name is a problem of `--accept`.
pub(crate) fn accepted(names: &[String], problems: &mut Vec<Problem>) -> Vec<Acceptance> {
    let mut accepted = Vec::new();
    for name in names {
        match Acceptance::ALL.into_iter().find(|one| one.as_str() == name) {
            Some(acceptance) => accepted.push(acceptance),
            None => {
                let known = Acceptance::ALL.map(Acceptance::as_str).join(", ");
                let message = format!("`{name}` is not a risk that can be accepted");
                problems.push(Problem::new("--accept", message, format!("one of {known}")));
            }
        }
    }
    accepted
}
