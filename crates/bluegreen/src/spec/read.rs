//! Reading a [`MigrationSpec`] from text, and writing it.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Value, json};

use super::{MigrationSpec, values};
use crate::{
    document::{self, Broken, Node, schema::problems},
    problem::{Place, Problem, SpecError},
};

const WHOLE: &str = "the specification is not valid";

impl SpecError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self::of(WHOLE, problems.into_iter().map(|problem| (None, problem)))
    }

    /// `found` has its places; the place of each of `more` is that of its field.
    fn in_file(root: &Node, mut found: Vec<(Place, Problem)>, more: Vec<Problem>) -> Self {
        let more = more.into_iter();
        found.extend(more.map(|problem| (root.place_of(&problem.field), problem)));
        found.sort_by_key(|(at, _)| *at);
        let found = found.into_iter();
        Self::of(WHOLE, found.map(|(at, problem)| (Some(at), problem)))
    }

    fn syntax(mistakes: Vec<Broken>) -> Self {
        let mistakes = mistakes.into_iter();
        let problem = |broken: Broken| (Some(broken.at), Problem::new("", broken.message, ""));
        Self::of(WHOLE, mistakes.map(problem))
    }
}

impl MigrationSpec {
    /// Reads a file in TOML.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem, or with every mistake of syntax if there is one.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let root = document::toml::parse(text).map_err(SpecError::syntax)?;
        Self::of(&root)
    }

    /// Reads a file in JSON, with the same fields as in TOML.
    ///
    /// # Errors
    ///
    /// As [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let root = document::parse(text).map_err(|broken| SpecError::syntax(vec![broken]))?;
        Self::of(&root)
    }

    fn of(root: &Node) -> Result<Self, SpecError> {
        let found = problems(&SCHEMA, root, values::check);
        match serde_json::from_value::<Self>(root.to_value()) {
            Ok(spec) => {
                let more = spec.problems();
                match found.is_empty() && more.is_empty() {
                    true => Ok(spec),
                    false => Err(SpecError::in_file(root, found, more)),
                }
            }
            // The schema has reported the mistake already, so serde's words for it are left out.
            Err(_) if !found.is_empty() => {
                let more = as_far_as_read(root, &found);
                Err(SpecError::in_file(root, found, more))
            }
            Err(error) => {
                let more = vec![Problem::new("", error.to_string(), "")];
                Err(SpecError::in_file(root, found, more))
            }
        }
    }

    /// Returns the specification as a file in TOML, without optional fields that have their default.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Returns the specification as a JSON value, as journals keep it.
    #[cfg(test)]
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Returns the problems between fields in a file of which some fields could not be read. The parts with such
/// fields are left out, and with them the problems that concern these parts.
fn as_far_as_read(root: &Node, found: &[(Place, Problem)]) -> Vec<Problem> {
    let mut file = root.to_value();
    let Some(parts) = file.as_object_mut() else {
        return Vec::new();
    };
    let mut unread = BTreeSet::new();
    for (_, problem) in found {
        let names: Vec<&str> = problem.field.split(['.', '[']).collect();
        match names[..] {
            // How a side is deployed concerns no other part.
            ["side", side, "deployment", ..] => {
                let side = parts.get_mut("side").and_then(|sides| sides.get_mut(side));
                if let Some(side) = side.and_then(Value::as_object_mut) {
                    side.remove("deployment");
                }
            }
            [part, ..] => {
                unread.insert(part);
            }
            [] => {}
        }
    }
    parts.retain(|part, _| !unread.contains(part.as_str()));
    for (part, empty) in [
        ("name", json!("unread")),
        ("traffic", json!({ "rules": [] })),
        ("side", json!({})),
    ] {
        parts.entry(part).or_insert(empty);
    }
    match serde_json::from_value::<MigrationSpec>(file) {
        Ok(spec) => {
            // Without its table, a file of a service looks like one that lacks a rule and sides.
            let is_of_service = unread.contains("native");
            let is_excused = |part: &str| is_of_service && matches!(part, "traffic" | "side");
            spec.problems_among(|part| !unread.contains(part) && !is_excused(part))
        }
        Err(_) => Vec::new(),
    }
}

/// Returns the JSON Schema of a specification's file, for editors and other programs.
#[must_use]
pub fn schema() -> Value {
    SCHEMA.clone()
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(MigrationSpec).to_value());
