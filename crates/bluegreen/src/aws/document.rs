//! Specifications as JSON documents: reading them, and reporting everything that is wrong with
//! them.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::{Map, Value};

use super::model::{self, Input, Kind, Problem};
use crate::{
    document::{Node, Place, parse},
    error::{Error, ErrorKind, Result},
    preflight::{Finding, Severity},
};

/// A file as it was read. Two files are equal if they say the same, even at other places.
#[derive(Clone, PartialEq)]
pub(super) struct File {
    root: Arc<Node>,
    /// The paths that are newer than the model and are sent all the same.
    accepted: BTreeSet<String>,
}

impl File {
    /// Reads a file that holds one JSON object. `wrapper` is the field that an answer of AWS puts
    /// around such an object.
    pub(super) fn read(
        what: &str,
        input: Input,
        text: &str,
        wrapper: Option<&str>,
    ) -> Result<(Self, Map<String, Value>)> {
        let invalid =
            |message: &str| Error::new(ErrorKind::Invalid, format!("read a {what}: {message}"));
        if text.contains("kind: ConfigMap") {
            return Err(
                invalid("this is a Kubernetes ConfigMap, which AWS does not read")
                    .with_hint("put the JSON inside it into a file of its own"),
            );
        }
        let root = parse(text).map_err(|broken| {
            let error = invalid(&format!("not JSON: {broken}"));
            if text
                .trim_start()
                .starts_with(|c: char| c.is_alphabetic() || c == '-')
            {
                return error
                    .with_hint("write it as JSON: YAML and Terraform's language are not read");
            }
            error
        })?;
        let document = root.to_value();
        let inner = wrapper.and_then(|wrapper| root.get(wrapper)).cloned();
        let root = inner.unwrap_or(root);
        let Value::Object(document) = document else {
            let problem = model::problems(input, &root, &[]).into_iter().next();
            let error = invalid(&format!("not a JSON object ({})", root.at));
            return Err(match problem {
                Some(problem) => error.with_hint(problem.hint),
                None => error,
            });
        };
        let root = Arc::new(root);
        let accepted = BTreeSet::new();
        Ok((Self { root, accepted }, document))
    }

    /// Accepts this path, though the model does not have it.
    pub(super) fn accept(&mut self, path: &str) {
        self.accepted.insert(path.to_owned());
    }

    /// The findings of the model, and those of these rules beyond the model.
    pub(super) fn findings(
        &self,
        input: Input,
        ignored: &[String],
        rules: Vec<Told>,
    ) -> Vec<Finding> {
        let problems = model::problems(input, &self.root, ignored);
        let rules = rules
            .into_iter()
            .filter(|told| !problems.iter().any(|problem| covers(problem, told)))
            .map(|told| {
                let at = self.root.place_of(&told.field);
                told.into_finding(Some(at))
            });
        let found = problems.iter().map(|problem| self.finding(input, problem));
        found.chain(rules).collect()
    }

    fn finding(&self, input: Input, problem: &Problem) -> Finding {
        let field = Some(problem.path.as_str()).filter(|path| !path.is_empty());
        let mut told = Told {
            field: field.unwrap_or(input.operation()).to_owned(),
            message: problem.message.clone(),
            hint: Some(problem.hint.clone()),
        };
        if self.accepted.contains(&problem.path) {
            match problem.kind {
                Kind::Unknown if !input.is_sent_as_it_is() => {
                    told.message = "this program's SDK cannot send it".to_owned();
                    told.hint = Some("leave it out".to_owned());
                }
                Kind::Unknown | Kind::Choice => {
                    told.message = "accepted, though the model does not have it".to_owned();
                    told.hint = None;
                }
                _ => {}
            }
        }
        if problem.kind == Kind::Deprecated {
            told.hint = None;
        }
        told.into_finding(Some(problem.at))
    }
}

/// Whether a rule's finding repeats a problem that the model has found, or follows from it.
fn covers(problem: &Problem, told: &Told) -> bool {
    let word = |path: &str| path.replace(['_', '-'], "").to_lowercase();
    let path = word(&problem.path);
    let is_under = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let misleads = matches!(problem.kind, Kind::Type | Kind::Choice);
    match problem.kind {
        Kind::Form => true,
        Kind::Deprecated => false,
        _ => told.field.split(", ").any(|field| {
            let field = word(field);
            is_under(&field, &path) || misleads && is_under(&path, &field)
        }),
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The document may hold secrets.
        f.debug_struct("File").finish_non_exhaustive()
    }
}

/// The finding of a rule about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) field: String,
    pub(super) message: String,
    /// The text to write instead; `None` for a value that is merely unwise.
    pub(super) hint: Option<String>,
}

/// The findings of rules, a line each; a finding on a merely unwise value is a note.
#[cfg(test)]
pub(super) fn told(told: &[Told]) -> Vec<String> {
    let tell = |one: &Told| match one.hint {
        None => format!("note {}: {}", one.field, one.message),
        Some(_) => format!("{}: {}", one.field, one.message),
    };
    told.iter().map(tell).collect()
}

impl Told {
    pub(super) fn into_finding(self, at: Option<Place>) -> Finding {
        let at = at.map(|at| format!(" ({at})")).unwrap_or_default();
        let message = format!("{}: {}{at}", self.field, self.message);
        match self.hint {
            Some(hint) => Finding::refusal(message).with_hint(hint),
            None => Finding::note(message),
        }
    }
}

/// A value that AWS would refuse, or understand otherwise than was meant.
pub(super) fn wrong(field: &str, message: impl Into<String>, hint: &str) -> Told {
    Told {
        field: field.to_owned(),
        message: message.into(),
        hint: Some(hint.to_owned()),
    }
}

/// A value that is merely unwise.
pub(super) fn unwise(field: &str, message: impl Into<String>) -> Told {
    Told {
        field: field.to_owned(),
        message: message.into(),
        hint: None,
    }
}

/// The refusals among findings, as one text.
pub(super) fn refusals(findings: &[Finding]) -> Option<String> {
    let stops = findings.iter().filter(|one| one.severity != Severity::Note);
    let reasons: Vec<&str> = stops.map(|one| one.message.as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
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

/// Every value at a path such as `containerDefinitions[].healthCheck.interval`, with its own path.
pub(super) fn each<'a>(document: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), document)];
    for step in path.split('.') {
        let (name, is_list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (step, false),
        };
        let mut next = Vec::new();
        for (path, value) in found {
            let Some(value) = value.get(name) else {
                continue;
            };
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{name}");
            if is_list {
                let entries = value.as_array().into_iter().flatten().enumerate();
                next.extend(entries.map(|(place, one)| (format!("{path}[{place}]"), one)));
            } else {
                next.push((path, value));
            }
        }
        found = next;
    }
    found
}

/// Numbers outside the ranges that AWS states in words.
pub(super) fn ranges(document: &Value, ranges: &[(&str, i64, i64)]) -> Vec<Told> {
    let mut told = Vec::new();
    for (path, from, to) in ranges {
        for (path, value) in each(document, path) {
            let number = value.as_i64();
            if number.is_some_and(|number| !(*from..=*to).contains(&number)) {
                let message = format!("{value} is not from {from} to {to}");
                told.push(wrong(&path, message, "write a number in that range"));
            }
        }
    }
    told
}

/// Keys of tags that AWS refuses
/// ([AWS](https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html)).
pub(super) fn tags(document: &Value, field: &str, key: &str) -> Vec<Told> {
    let mut told = Vec::new();
    let mut keys = BTreeSet::new();
    for (path, value) in each(document, &format!("{field}[].{key}")) {
        let name = value.as_str().unwrap_or_default();
        if !keys.insert(name) {
            told.push(wrong(
                &path,
                format!("`{name}` stands twice"),
                "name each once",
            ));
        } else if name.to_lowercase().starts_with("aws:") {
            let message = format!("`{name}` is AWS's own");
            told.push(wrong(&path, message, "begin with another word"));
        }
    }
    told
}

/// Whether this is an id such as `sg-0123456789abcdef0`: lower-case hexadecimal behind its prefix.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (8..=17).contains(&rest.len()) && rest.bytes().all(is_hex)
    })
}

/// Fields in which any text may be meant, even a text that looks like a placeholder.
const FREE: [&str; 12] = [
    "environment",
    "command",
    "entryPoint",
    "dockerLabels",
    "labels",
    "driverOpts",
    "options",
    "tags",
    "Tags",
    "MessageBody",
    "Conditions",
    "Transforms",
];

/// Placeholders that were left in the document, at any place.
pub(super) fn placeholders(path: &str, value: &Value, told: &mut Vec<Told>) {
    match value {
        Value::String(found) => {
            let is_free = path.split(['.', '[']).any(|step| FREE.contains(&step));
            if is_free && is_placeholder(found) {
                told.push(unwise(path, "it looks like a placeholder"));
            } else if !is_free && (is_placeholder(found) || has_hole(found)) {
                let message = "a placeholder stands there, not a value";
                let hint = "put your own account, id or name there";
                told.push(wrong(path, message, hint));
            }
        }
        Value::Array(values) => {
            for (place, inner) in values.iter().enumerate() {
                placeholders(&format!("{path}[{place}]"), inner, told);
            }
        }
        Value::Object(object) => {
            for (field, inner) in object {
                let dot = if path.is_empty() { "" } else { "." };
                placeholders(&format!("{path}{dot}{field}"), inner, told);
            }
        }
        _ => {}
    }
}

/// Whether a text has the form of a gap that a template leaves. A word alone is no sign: an account
/// may have such a name, or a key of a secret.
fn is_placeholder(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c))
    };
    let within = |open: &str, close: &str| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        Some(inner.trim()).filter(|inner| is_name(inner))
    };
    // The forms of an account in an ARN: twelve digits, nothing, AWS itself, or a pattern.
    let is_account = |account: &str| {
        account.is_empty()
            || account == "aws"
            || account.contains(['*', '?'])
            || account.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_region = |region: &str| {
        let mut chars = region.chars();
        chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*".contains(c))
    };
    if let Some(rest) = text.strip_prefix("arn:") {
        let mut parts = rest.split(':').skip(2);
        let (region, account) = (parts.next(), parts.next());
        return region.is_some_and(|region| !is_region(region))
            || account.is_some_and(|account| !is_account(account));
    }
    if let Some((account, _)) = text.split_once(".dkr.ecr.") {
        return !is_account(account) && !account.contains('/');
    }
    const OPEN: [(&str, &str); 7] = [
        ("<", ">"),
        ("{{", "}}"),
        ("${", "}"),
        ("$(", ")"),
        ("%", "%"),
        ("@", "@"),
        ("__", "__"),
    ];
    let mut forms = OPEN.iter();
    let is_open = forms.any(|(open, close)| within(open, close).is_some());
    let starts = ["YOUR_", "YOUR-", "REPLACE_", "CHANGE_ME", "CHANGEME"];
    is_open || starts.iter().any(|start| text.starts_with(start))
}

/// Whether a gap is left within a text. Names, ids and ARNs have no such characters.
fn has_hole(text: &str) -> bool {
    let angle = text
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) && !name.is_empty()
    };
    text.contains("${") || text.contains("{{") || angle.is_some_and(|(name, _)| is_name(name))
}

/// The values of a list of texts.
pub(super) fn strings(value: &Value, field: &str) -> Vec<String> {
    let listed = value.get(field).and_then(Value::as_array);
    let texts = listed.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Whether a value says something: null, an empty list and an empty object do not.
pub(super) fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_by_their_form() {
        for open in [
            "<EXECUTION_ROLE_ARN>",
            "{{ must_env `X` }}".replace('`', "").as_str(),
            "${IMAGE}",
            "YOUR_AGENT_ID",
            "arn:aws:iam::ACCOUNT:role/x",
            "arn:aws:iam::<account>:role/x",
            "arn:aws:iam::${ACCOUNT_ID}:role/x",
            "arn:aws:sns:<REGION>:123456789012:x",
            "arn:aws:sns:AWS_REGION:123456789012:x",
            "$(IMAGE)",
            "__IMAGE__",
            "YOUR_ACCOUNT.dkr.ecr.us-east-1.amazonaws.com/x:latest",
        ] {
            assert!(is_placeholder(open), "{open}");
        }
        for own in [
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-Ab12Cd:SMS_ACCOUNT_SID::",
            "arn:aws:ssm:us-east-1:123456789012:parameter/ACCOUNT",
            "arn:aws:s3:::bucket/ACCOUNT",
            "arn:aws:iam::aws:policy/X",
            "arn:aws:iam::*:role/x",
            "ACCOUNT",
            "MY_ACCOUNT_SERVICE",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/account:1",
            "a < b > c",
            "<html><body></body></html>",
            "",
        ] {
            assert!(!is_placeholder(own), "{own}");
            assert!(own.starts_with('<') || !has_hole(own), "{own}");
        }
        for open in ["${REGISTRY}/app:1", "app:{{ tag }}", "role/<name>-x"] {
            assert!(has_hole(open), "{open}");
        }
    }
}
