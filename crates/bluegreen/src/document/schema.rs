//! Checks a document against a JSON Schema: every problem at once, each with its place.
//!
//! It knows the schemas that `schemars` makes of our own types, and no more: objects with known or
//! free names, lists, choices of words, alternatives that differ in their type, and texts with a
//! `format` of ours.

use serde_json::Value;

use super::{Holds, Node, Place, spelling};
use crate::problem::Problem;

/// Checks a text or number against a named `format`. The error says what is wrong, and what to
/// write.
pub(crate) type Formats = fn(format: &str, text: &str) -> Result<(), (String, String)>;

/// The problems of a document, in its order.
pub(crate) fn problems(schema: &Value, root: &Node, formats: Formats) -> Vec<(Place, Problem)> {
    let mut walk = Walk {
        schema,
        formats,
        found: Vec::new(),
    };
    walk.node(schema, root, "");
    walk.found
}

struct Walk<'s> {
    schema: &'s Value,
    formats: Formats,
    found: Vec<(Place, Problem)>,
}

impl<'s> Walk<'s> {
    fn node(&mut self, schema: &'s Value, node: &Node, path: &str) {
        let schema = self.resolved(schema);
        if let Some(words) = words(schema) {
            return self.word(&words, node, path);
        }
        if let Some(alternatives) = list(schema, "anyOf").or_else(|| list(schema, "oneOf")) {
            let alternatives: Vec<_> = alternatives.map(|one| self.resolved(one)).collect();
            let fits = alternatives.iter().find(|one| takes(one, node));
            return match fits {
                Some(fits) => self.node(fits, node, path),
                None => self.wrong_type(&alternatives, node, path),
            };
        }
        if !takes(schema, node) {
            return self.wrong_type(&[schema], node, path);
        }
        match &node.holds {
            Holds::Object(_) => self.object(schema, node, path),
            Holds::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(&schema["items"], item, &format!("{path}[{index}]"));
                }
            }
            Holds::Text(text) => self.format(schema, node, path, text),
            Holds::Number(number) => self.format(schema, node, path, &number.to_string()),
            Holds::Null | Holds::Bool(_) => {}
        }
    }

    fn object(&mut self, schema: &'s Value, node: &Node, path: &str) {
        let known = schema["properties"].as_object();
        let names = || known.into_iter().flatten().map(|(name, _)| name.as_str());
        let free = Some(&schema["additionalProperties"]).filter(|free| free.is_object());
        if known.is_none() && free.is_none() {
            // Any value of JSON.
            return;
        }
        let mut seen = Vec::new();
        for member in node.members() {
            let name = member.name.as_str();
            let path = joined(path, name);
            if seen.contains(&name) {
                self.say(member.at, &path, "appears twice", "leave one out");
            }
            seen.push(name);
            match (known.and_then(|known| known.get(name)), free) {
                (Some(schema), _) => self.node(schema, &member.value, &path),
                (None, Some(schema)) => {
                    if let Err((message, hint)) = (self.formats)("name", name) {
                        self.say(member.at, &path, message, hint);
                    }
                    self.node(schema, &member.value, &path);
                }
                (None, None) => {
                    let hint = match spelling::nearest(name, names()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
                    };
                    self.say(member.at, &path, "is not known", hint);
                }
            }
        }
        for needed in list(schema, "required").into_iter().flatten() {
            let name = needed.as_str().unwrap_or_default();
            if node.get(name).is_none() {
                let hint = self.described(&schema["properties"][name]);
                self.say(node.at, &joined(path, name), "is missing", hint);
            }
        }
    }

    fn word(&mut self, words: &[&str], node: &Node, path: &str) {
        let hint = || format!("one of {}", words.join(", "));
        match &node.holds {
            Holds::Text(text) if words.contains(&text.as_str()) => {}
            Holds::Text(text) => {
                let hint = match spelling::nearest(text, words.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`? It must be {}", hint()),
                    None => hint(),
                };
                self.say(node.at, path, format!("`{text}` is not known"), hint);
            }
            _ => {
                let message = format!("is {}, not a word", called(node));
                self.say(node.at, path, message, hint());
            }
        }
    }

    fn format(&mut self, schema: &Value, node: &Node, path: &str, text: &str) {
        let Some(format) = schema["format"].as_str() else {
            return;
        };
        if let Err((message, hint)) = (self.formats)(format, text) {
            self.say(node.at, path, message, hint);
        }
    }

    fn wrong_type(&mut self, alternatives: &[&Value], node: &Node, path: &str) {
        let types = alternatives.iter().flat_map(|one| types(one));
        let types: Vec<_> = types.filter(|one| *one != "null").map(article).collect();
        let message = format!("is {}, not {}", called(node), types.join(" or "));
        let example = alternatives.iter().find_map(|one| one["examples"].get(0));
        let hint = example.map_or(String::new(), |example| format!("such as {example}"));
        self.say(node.at, path, message, hint);
    }

    fn say(&mut self, at: Place, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push((at, Problem::new(path, message, hint)));
    }

    /// The schema that a reference leads to.
    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next());
        name.map_or(schema, |name| &self.schema["$defs"][name])
    }

    /// The first sentence of a field's description.
    fn described(&self, schema: &'s Value) -> String {
        let own = schema["description"].as_str();
        let text = own
            .or_else(|| self.resolved(schema)["description"].as_str())
            .unwrap_or_default();
        let end = text.find(". ").unwrap_or(text.len());
        text[..end].trim_end_matches('.').replace('\n', " ")
    }
}

/// The words that a schema allows, if it is a choice of words.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = list(schema, "enum") {
        return words.map(Value::as_str).collect();
    }
    let one_of = list(schema, "oneOf")?;
    one_of.map(|one| one["const"].as_str()).collect()
}

fn list<'s>(schema: &'s Value, name: &str) -> Option<std::slice::Iter<'s, Value>> {
    schema[name].as_array().map(|list| list.iter())
}

/// Whether a schema takes a value of this type.
fn takes(schema: &Value, node: &Node) -> bool {
    let own = match &node.holds {
        Holds::Null => "null",
        Holds::Bool(_) => "boolean",
        Holds::Number(number) if number.is_f64() => "number",
        Holds::Number(_) => "integer",
        Holds::Text(_) => "string",
        Holds::List(_) => "array",
        Holds::Object(_) => "object",
    };
    let mut types = types(schema).into_iter().peekable();
    types.peek().is_none() || types.any(|one| one == own || (one, own) == ("number", "integer"))
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        // A choice of words has no type of its own.
        _ if words(schema).is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

fn called(node: &Node) -> &'static str {
    match &node.holds {
        Holds::Null => "null",
        Holds::Bool(_) => "true or false",
        Holds::Number(_) => "a number",
        Holds::Text(_) => "a text",
        Holds::List(_) => "a list",
        Holds::Object(_) => "a table",
    }
}

fn article(name: &str) -> &'static str {
    match name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        _ => "a table",
    }
}

fn joined(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}
