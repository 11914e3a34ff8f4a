//! Compares a document with AWS's model, and reports every difference at once.

use std::collections::BTreeMap;

use super::{
    spelling::{belongs, form_of_whole, meant},
    table::{Bounds, Input, Model, Shape, TABLE, fields_of_output},
};
use crate::document::{Holds, Member, Node, Place};

/// Something in a file that AWS's model does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::aws) struct Problem {
    pub(in crate::aws) path: String,
    pub(in crate::aws) at: Place,
    pub(in crate::aws) kind: Kind,
    pub(in crate::aws) message: String,
    pub(in crate::aws) hint: String,
}

/// How it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::aws) enum Kind {
    /// The document is not such a request at all.
    Form,
    /// The model has no such field.
    Unknown,
    /// A name stands twice.
    Twice,
    /// A value of another type.
    Type,
    /// A value that the model does not list.
    Choice,
    /// A required field is missing.
    Missing,
    /// Too few or too many entries, or a value that is too small or too large.
    Range,
    /// The model has it, but the SDK in use cannot send it.
    Unsent,
    /// It is sent, but AWS is about to drop it.
    Deprecated,
}

/// Compares a document with a request. `ignored` are fields at its top that are not sent.
pub(in crate::aws) fn problems(input: Input, root: &Node, ignored: &[String]) -> Vec<Problem> {
    let mut walk = Walk {
        input,
        model: input.model(),
        problems: Vec::new(),
    };
    let names: Vec<&str> = root.members().iter().map(|one| one.name.as_str()).collect();
    match form_of_whole(&names) {
        Some((message, hint)) => walk.tell("", root.at, Kind::Form, message, hint),
        None => walk.structure("", root, input.shape(), ignored),
    }
    walk.problems
}

struct Walk {
    input: Input,
    model: &'static Model,
    problems: Vec<Problem>,
}

impl Walk {
    fn tell(
        &mut self,
        path: &str,
        at: Place,
        kind: Kind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem {
            path: path.to_owned(),
            at,
            kind,
            message: message.into(),
            hint: hint.into(),
        });
    }

    fn value(&mut self, path: &str, node: &Node, name: &str) {
        match self.model.shape(name) {
            Shape::Structure { .. } => self.structure(path, node, name, &[]),
            Shape::List { of, bounds } => {
                let Holds::List(list) = &node.holds else {
                    return self.mistyped(path, node, name);
                };
                self.size(path, node.at, list.len(), "entries", bounds);
                for (place, one) in list.iter().enumerate() {
                    let path = format!("{path}[{place}]");
                    if one.holds == Holds::Null {
                        self.mistyped(&path, one, &of);
                    } else {
                        self.value(&path, one, &of);
                    }
                }
            }
            Shape::Map { of } => {
                let Holds::Object(members) = &node.holds else {
                    return self.mistyped(path, node, name);
                };
                self.twice(path, members);
                for member in members {
                    self.value(&format!("{path}.{}", member.name), &member.value, &of);
                }
            }
            Shape::Choice { values } => match &node.holds {
                Holds::Text(text) if values.contains(text) => {}
                Holds::Text(text) => self.no_choice(path, node.at, text, &values),
                _ => self.mistyped(path, node, name),
            },
            Shape::Text(bounds) => match &node.holds {
                Holds::Text(text) => {
                    self.size(path, node.at, text.chars().count(), "characters", bounds);
                }
                _ => self.mistyped(path, node, name),
            },
            Shape::Whole(bounds) => match &node.holds {
                Holds::Number(number) if number.is_i64() || number.is_u64() => {
                    let value = number.as_i64().unwrap_or(i64::MAX);
                    self.range(path, node.at, value, bounds);
                }
                _ => self.mistyped(path, node, name),
            },
            Shape::Number(bounds) => match &node.holds {
                Holds::Number(number) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "saturates, and bounds are small"
                    )]
                    let value = number.as_f64().unwrap_or_default() as i64;
                    self.range(path, node.at, value, bounds);
                }
                _ => self.mistyped(path, node, name),
            },
            Shape::Bool {} => {
                if !matches!(node.holds, Holds::Bool(_)) {
                    self.mistyped(path, node, name);
                }
            }
            Shape::Any {} => {}
        }
    }

    fn structure(&mut self, path: &str, node: &Node, name: &str, ignored: &[String]) {
        let Shape::Structure {
            fields,
            required,
            union,
            deprecated,
        } = self.model.shape(name)
        else {
            return;
        };
        let Holds::Object(members) = &node.holds else {
            return self.mistyped(path, node, name);
        };
        self.twice(path, members);
        let dot = if path.is_empty() { "" } else { "." };
        let mut present: Vec<&str> = Vec::new();
        for member in members {
            let here = format!("{path}{dot}{}", member.name);
            let is_null = member.value.holds == Holds::Null;
            match fields.get_key_value(&member.name) {
                Some((field, shape)) => {
                    // Null says nothing: AWS's own answers have null for what is not set.
                    if is_null {
                        continue;
                    }
                    present.push(field);
                    if self
                        .input
                        .model()
                        .unsent
                        .contains(&format!("{name}.{field}"))
                        && !self.input.is_sent_as_it_is()
                    {
                        let message = "this program's SDK cannot send it";
                        self.tell(&here, member.at, Kind::Unsent, message, "leave it out");
                    }
                    if deprecated.contains(field) && !is_empty(&member.value) {
                        let message = "AWS has deprecated it";
                        self.tell(&here, member.at, Kind::Deprecated, message, "leave it out");
                    }
                    self.value(&here, &member.value, shape);
                }
                None if ignored.contains(&member.name) => {}
                None => {
                    if let Some(meant) = self.unknown(&here, member, &fields) {
                        present.push(meant);
                    }
                }
            }
        }
        if union && present.len() != 1 {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let message = format!("{} of its fields, and AWS takes one", present.len());
            let hint = format!("one of {}", names.join(", "));
            self.tell(path, node.at, Kind::Missing, message, hint);
        }
        for field in required {
            let is_given = path.is_empty() && self.input.is_given(&field);
            if !present.contains(&field.as_str()) && !is_given {
                let here = format!("{path}{dot}{field}");
                let hint = format!(
                    "AWS requires it: {}",
                    described(&self.shape_of(&fields, &field))
                );
                self.tell(&here, node.at, Kind::Missing, "it is missing", hint);
            }
        }
    }

    fn shape_of(&self, fields: &BTreeMap<String, String>, field: &str) -> Shape {
        let name = fields.get(field).map_or("any", String::as_str);
        self.model.shape(name)
    }

    /// Reports a field that the model does not have; returns the field that was meant.
    fn unknown<'a>(
        &mut self,
        here: &str,
        member: &Member,
        fields: &'a BTreeMap<String, String>,
    ) -> Option<&'a str> {
        let message = "there is no such field here";
        let meant = meant(&member.name, fields.keys().map(String::as_str));
        if let Some(meant) = &meant
            && meant.is_same_word
        {
            let form = meant.form.map(|form| format!("; {form}"));
            let hint = format!("it is spelt {}{}", meant.name, form.unwrap_or_default());
            self.tell(here, member.at, Kind::Unknown, message, hint);
            // The fields inside are reported as well: such a file has another form throughout.
            if let Some(shape) = fields.get(meant.name)
                && member.value.holds != Holds::Null
            {
                self.value(here, &member.value, shape);
            }
            return Some(meant.name);
        }
        let is_annotation = member.name.contains(".kubernetes.io/");
        let is_answer = self.input == Input::Service
            && !here.contains(['.', '['])
            && fields_of_output("Service").contains(&member.name);
        if is_answer {
            let hint = "AWS sets it, and a describe prints it: leave it out";
            self.tell(here, member.at, Kind::Unknown, message, hint);
            return None;
        }
        let hint = if let Some(meant) = &meant {
            format!("did you mean {}?", meant.name)
        } else if is_annotation {
            "that is an annotation of Kubernetes: write the field of the AWS CLI".to_owned()
        } else if let Some(place) = belongs(self.input, &member.name) {
            place
        } else {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("one of {}", names.join(", "))
        };
        let hint = format!("{hint} {}", or_newer());
        self.tell(here, member.at, Kind::Unknown, message, hint);
        meant.map(|meant| meant.name)
    }

    fn twice(&mut self, path: &str, members: &[Member]) {
        let dot = if path.is_empty() { "" } else { "." };
        let mut seen = BTreeMap::new();
        for member in members {
            if let Some(first) = seen.insert(member.name.as_str(), member.at) {
                let message = format!("it stands on line {} too, and AWS takes one", first.line);
                let here = format!("{path}{dot}{}", member.name);
                self.tell(
                    &here,
                    member.at,
                    Kind::Twice,
                    message,
                    "leave one of them out",
                );
            }
        }
    }

    fn mistyped(&mut self, path: &str, node: &Node, name: &str) {
        let wanted = self.model.shape(name);
        let found = match &node.holds {
            Holds::Null => "nothing",
            Holds::Bool(_) => "true or false",
            Holds::Number(number) if number.is_f64() => "a number with a fraction",
            Holds::Number(_) => "a number",
            Holds::Text(_) => "a text",
            Holds::List(_) => "a list",
            Holds::Object(_) => "an object",
        };
        let message = format!("{found} stands there, not {}", described(&wanted));
        let hint = match (&wanted, &node.holds) {
            (Shape::Text(_) | Shape::Choice { .. }, Holds::Number(number)) => {
                format!("write \"{number}\"")
            }
            (Shape::Whole(_) | Shape::Number(_), Holds::Text(text))
                if text.parse::<f64>().is_ok_and(f64::is_finite) =>
            {
                format!("write {text}, without the quotes")
            }
            (Shape::Bool {}, Holds::Text(text)) if ["true", "false"].contains(&text.as_str()) => {
                format!("write {text}, without the quotes")
            }
            (Shape::List { of, .. }, _)
                if path.is_empty() || matches!(node.holds, Holds::Object(_)) =>
            {
                let fields: Vec<&str> = self
                    .model
                    .fields(of)
                    .map(|(name, _)| name)
                    .take(3)
                    .collect();
                match fields.as_slice() {
                    [] => format!(
                        "write a list of entries, each {}",
                        described(&self.model.shape(of))
                    ),
                    fields => format!("write [{{\"{}\": …}}]", fields.join("\": …, \"")),
                }
            }
            (Shape::List { .. }, _) => "put it into [ ]".to_owned(),
            (Shape::Structure { .. }, Holds::List(_)) if path.is_empty() => {
                let list = self
                    .model
                    .fields(self.input.shape())
                    .find(|(name, _)| ["containerDefinitions", "Actions"].contains(name));
                match list {
                    Some((name, _)) => {
                        format!("a list alone is not enough: {{\"{name}\": [ … ], …}}")
                    }
                    None => "write one object".to_owned(),
                }
            }
            _ => format!("write {}", described(&wanted)),
        };
        self.tell(path, node.at, Kind::Type, message, hint);
    }

    fn no_choice(&mut self, path: &str, at: Place, text: &str, values: &[String]) {
        let message = format!("there is no `{text}` here");
        let near = meant(text, values.iter().map(String::as_str))
            .map(|near| format!("did you mean {}? ", near.name));
        let hint = format!(
            "{}one of {} {}",
            near.unwrap_or_default(),
            values.join(", "),
            or_newer()
        );
        self.tell(path, at, Kind::Choice, message, hint);
    }

    fn size(&mut self, path: &str, at: Place, size: usize, what: &str, bounds: Bounds) {
        let value = i64::try_from(size).unwrap_or(i64::MAX);
        if is_outside(value, bounds) {
            let message = format!("{size} {what}, not {}", told(bounds));
            let hint = "write that many";
            self.tell(path, at, Kind::Range, message, hint);
        }
    }

    fn range(&mut self, path: &str, at: Place, value: i64, bounds: Bounds) {
        if is_outside(value, bounds) {
            let message = format!("{value} is not {}", told(bounds));
            let hint = "write a number in that range";
            self.tell(path, at, Kind::Range, message, hint);
        }
    }
}

/// The hint that a name may be newer than the model.
fn or_newer() -> String {
    let date = &TABLE.date;
    format!("(newer than the model of {date}? accept it by this path)")
}

fn is_outside(value: i64, bounds: Bounds) -> bool {
    bounds.min.is_some_and(|min| value < min) || bounds.max.is_some_and(|max| value > max)
}

fn told(bounds: Bounds) -> String {
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any".to_owned(),
    }
}

fn described(shape: &Shape) -> &'static str {
    match shape {
        Shape::Structure { .. } | Shape::Map { .. } => "an object",
        Shape::List { .. } => "a list",
        Shape::Choice { .. } | Shape::Text(_) => "a text",
        Shape::Whole(_) => "a whole number",
        Shape::Number(_) => "a number",
        Shape::Bool {} => "true or false",
        Shape::Any {} => "a value",
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.holds {
        Holds::Null => true,
        Holds::List(list) => list.is_empty(),
        Holds::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
