//! Specifications as JSON documents: reading them, and saying all that is wrong with them.

use serde_json::{Map, Value};

use crate::{
    error::{Error, ErrorKind, Result},
    preflight::Finding,
};

/// Reads a file that holds one JSON object.
pub(super) fn read(what: &str, text: &str) -> Result<Map<String, Value>> {
    let invalid =
        |message: &str| Error::new(ErrorKind::Invalid, format!("read a {what}: {message}"));
    if text.contains("kind: ConfigMap") {
        return Err(
            invalid("this is a Kubernetes ConfigMap, which AWS does not read")
                .with_hint("put the JSON inside of it into a file of its own"),
        );
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| invalid("no JSON").with_source(error))?;
    match value {
        Value::Object(document) => Ok(document),
        _ => Err(invalid("no JSON object")),
    }
}

/// What AWS would refuse, or do otherwise than was meant.
pub(super) fn wrong(field: &str, message: impl AsRef<str>, hint: &str) -> Finding {
    Finding::refusal(format!("{field}: {}", message.as_ref())).with_hint(hint)
}

/// What is merely unwise.
pub(super) fn unwise(field: &str, message: impl AsRef<str>) -> Finding {
    Finding::note(format!("{field}: {}", message.as_ref()))
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (usize, &'a Value)> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.into_iter().flatten().enumerate()
}

/// Whether this is an id such as `sg-0123456789abcdef0`: lower-case hexadecimal behind its prefix.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (8..=17).contains(&rest.len()) && rest.bytes().all(is_hex)
    })
}

/// Fields that AWS does not know here. What stands elsewhere by the same name is told apart.
pub(super) fn unknown(
    path: &str,
    value: &Value,
    known: &[&str],
    elsewhere: &[(&str, &str)],
    findings: &mut Vec<Finding>,
) {
    let dot = if path.is_empty() { "" } else { "." };
    for field in value.as_object().into_iter().flat_map(Map::keys) {
        if known.contains(&field.as_str()) {
            continue;
        }
        let at = format!("{path}{dot}{field}");
        let place = elsewhere.iter().find(|(name, _)| name == field);
        let spelt = known.iter().find(|one| one.eq_ignore_ascii_case(field));
        let hint = match (place, spelt) {
            (Some((_, place)), _) => (*place).to_owned(),
            (None, Some(spelt)) => format!("it is spelt {spelt}"),
            (None, None) => format!("one of {}", known.join(", ")),
        };
        findings.push(wrong(&at, "there is no such field here", &hint));
    }
}

/// Texts that stand where a value of one's own belongs, wherever they are.
pub(super) fn placeholders(path: &str, value: &Value, findings: &mut Vec<Finding>) {
    match value {
        Value::String(found) if found.contains("ACCOUNT") || found.contains("YOUR_") => {
            // Elsewhere it may be meant: a command may well say so.
            if found.starts_with("arn:") || found.contains(".dkr.ecr.") {
                let message = "a placeholder stands there, not a value";
                findings.push(wrong(
                    path,
                    message,
                    "put your own account, id or name there",
                ));
            } else if found.starts_with("YOUR_") {
                findings.push(unwise(path, "it looks like a placeholder"));
            }
        }
        Value::Array(values) => {
            for (place, inner) in values.iter().enumerate() {
                placeholders(&format!("{path}[{place}]"), inner, findings);
            }
        }
        Value::Object(object) => {
            for (field, inner) in object {
                let dot = if path.is_empty() { "" } else { "." };
                placeholders(&format!("{path}{dot}{field}"), inner, findings);
            }
        }
        _ => {}
    }
}
