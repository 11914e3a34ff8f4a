//! The answer that a check wants.

use std::{
    cmp::Ordering, collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr, time::Duration,
};

use serde_json::Value;

use super::{
    CheckFailure, HttpResponse, JsonPath, body, http::shown_url, number, path::ParseExpectError,
};

/// The answer that a check wants. The default wants status 200 and nothing else.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub(crate) struct Expect {
    status: StatusSet,
    headers: BTreeMap<String, Option<String>>,
    json: Vec<ExpectJson>,
    contains: Vec<String>,
    max_latency: Option<Duration>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            status: StatusSet(vec![200..=200]),
            headers: BTreeMap::new(),
            json: Vec::new(),
            contains: Vec::new(),
            max_latency: None,
        }
    }
}

impl Expect {
    /// Wants one of these statuses instead of 200.
    pub(crate) fn with_status(mut self, status: StatusSet) -> Self {
        self.status = status;
        self
    }

    /// Wants a header with any value.
    pub(crate) fn with_header(mut self, name: impl Into<String>) -> Self {
        self.headers.insert(name.into(), None);
        self
    }

    /// Wants a header with exactly this value.
    pub(crate) fn with_header_value(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.headers.insert(name.into(), Some(value.into()));
        self
    }

    /// Wants a value in the answer's JSON.
    pub(crate) fn with_json(mut self, json: ExpectJson) -> Self {
        self.json.push(json);
        self
    }

    /// Wants this text somewhere in the body.
    pub(crate) fn with_body_containing(mut self, text: impl Into<String>) -> Self {
        self.contains.push(text.into());
        self
    }

    /// Wants the whole answer within this time.
    pub(crate) fn with_max_latency(mut self, latency: Duration) -> Self {
        self.max_latency = Some(latency);
        self
    }

    /// Everything about the answer that is not as it should be. The value that was received is
    /// shortened to 200 characters.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn failures(&self, answer: &HttpResponse) -> Vec<CheckFailure> {
        let mut failures = self.judge(answer);
        for failure in &mut failures {
            failure.got = shortened(&failure.got);
        }
        failures
    }

    /// [`failures`](Self::failures) at full length: secrets must be taken out before the text is
    /// shortened, since a cut through a secret would leave a part of it.
    pub(super) fn judge(&self, answer: &HttpResponse) -> Vec<CheckFailure> {
        let mut failures = Failures::default();
        if !self.status.contains(answer.status) {
            let mut got = answer.status.to_string();
            if let Some(place) = answer.header("location").next() {
                got = format!("{got} to {}", shown_url(place));
            }
            failures.add("status", &self.status, got);
        }
        for (name, wanted) in &self.headers {
            let got: Vec<&str> = answer.header(name).collect();
            match wanted {
                _ if got.is_empty() => failures.add(format!("header {name}"), "any value", "none"),
                Some(wanted) if !got.contains(&wanted.as_str()) => {
                    failures.add(format!("header {name}"), wanted, got.join(", "));
                }
                _ => {}
            }
        }
        if !self.json.is_empty() || !self.contains.is_empty() {
            match body::text_of(answer) {
                Ok(text) => self.judge_body(&text, &mut failures),
                Err(why) => failures.add("body", "a readable body", why),
            }
        }
        if let Some(most) = self.max_latency
            && answer.took > most
        {
            let ms = |span: Duration| format!("{} ms", span.as_millis());
            failures.add("latency", format!("at most {}", ms(most)), ms(answer.took));
        }
        failures.0
    }

    fn judge_body(&self, text: &str, failures: &mut Failures) {
        match serde_json::from_str::<Value>(text) {
            _ if self.json.is_empty() => {}
            Ok(document) => {
                for expected in &self.json {
                    expected.judge(&document, failures);
                }
            }
            Err(_) => failures.add("body", "JSON", shown_body(text)),
        }
        for wanted in &self.contains {
            if !text.contains(wanted.as_str()) {
                failures.add("body", format!("`{wanted}` in it"), shown_body(text));
            }
        }
    }
}

/// The value that a check wants at one place of a JSON answer.
///
/// A path may find several values; then each must be as wanted. A path that finds none fails every
/// want.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub(crate) struct ExpectJson {
    path: JsonPath,
    equals: Option<Value>,
    at_least: Option<Value>,
    at_most: Option<Value>,
}

impl ExpectJson {
    /// Wants a value that is neither `null` nor `false`, as `jq -e` judges it. Empty text and 0 are
    /// values. A want of another method replaces this want.
    pub(crate) fn present(path: JsonPath) -> Self {
        Self {
            path,
            equals: None,
            at_least: None,
            at_most: None,
        }
    }

    /// Wants this value. Numbers are equal if their values are: 1 equals 1.0. Whole numbers are
    /// compared as such, above 2^53 too.
    pub(crate) fn equals(mut self, value: impl Into<Value>) -> Self {
        self.equals = Some(value.into());
        self
    }

    /// Wants a number that is not below `least`.
    pub(crate) fn at_least(mut self, least: impl Into<Value>) -> Self {
        self.at_least = Some(least.into());
        self
    }

    /// Wants a number that is not above `most`.
    pub(crate) fn at_most(mut self, most: impl Into<Value>) -> Self {
        self.at_most = Some(most.into());
        self
    }

    fn judge(&self, document: &Value, failures: &mut Failures) {
        let wanted = self.wanted();
        let found = match self.path.find(document) {
            Ok(found) => found,
            Err(why) => return failures.add(&self.path, &wanted, why),
        };
        if found.is_empty() {
            failures.add(&self.path, &wanted, "nothing");
        }
        for value in found {
            if !self.is_met_by(value) {
                failures.add(&self.path, &wanted, value);
            }
        }
    }

    fn is_met_by(&self, value: &Value) -> bool {
        let is_bounded = |bound: &Option<Value>, is_within: fn(Ordering) -> bool| {
            let Some(bound) = bound else { return true };
            number::compare(value, bound).is_some_and(is_within)
        };
        let is_only_present =
            self.equals.is_none() && self.at_least.is_none() && self.at_most.is_none();
        if is_only_present && matches!(value, Value::Null | Value::Bool(false)) {
            return false;
        }
        self.equals.as_ref().is_none_or(|it| is_equal(it, value))
            && is_bounded(&self.at_least, Ordering::is_ge)
            && is_bounded(&self.at_most, Ordering::is_le)
    }

    fn wanted(&self) -> String {
        let parts = [
            self.equals.as_ref().map(Value::to_string),
            self.at_least
                .as_ref()
                .map(|least| format!("at least {}", number::shown(least))),
            self.at_most
                .as_ref()
                .map(|most| format!("at most {}", number::shown(most))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            "a value other than null and false".to_owned()
        } else {
            parts.join(" and ")
        }
    }
}

/// Statuses, written `200`, `2xx` or several of them with commas: `200,404,5xx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether the status is one of them.
    #[must_use]
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl FromStr for StatusSet {
    type Err = ParseExpectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = |part: &str| {
            let part = part.trim();
            let class = part
                .strip_suffix("xx")
                .filter(|digit| matches!(*digit, "1" | "2" | "3" | "4" | "5"));
            if let Some(class) = class.and_then(|digit| digit.parse::<u16>().ok()) {
                return Ok(class * 100..=class * 100 + 99);
            }
            match part.parse::<u16>() {
                Ok(status @ 100..=599) if part.len() == 3 => Ok(status..=status),
                _ => Err(ParseExpectError(format!("`{part}` is not a status"))),
            }
        };
        text.split(',')
            .map(range)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" or ")?;
            }
            if range.start() == range.end() {
                write!(f, "{}", range.start())?;
            } else {
                write!(f, "{}xx", range.start() / 100)?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Failures(Vec<CheckFailure>);

impl Failures {
    fn add(&mut self, what: impl ToString, wanted: impl ToString, got: impl ToString) {
        self.0.push(CheckFailure {
            what: what.to_string(),
            wanted: wanted.to_string(),
            got: got.to_string(),
        });
    }
}

fn is_equal(wanted: &Value, got: &Value) -> bool {
    match (wanted, got) {
        (Value::Number(_), Value::Number(_)) => {
            number::compare(wanted, got).is_some_and(Ordering::is_eq)
        }
        (Value::Array(wanted), Value::Array(items)) => {
            wanted.len() == items.len() && wanted.iter().zip(items).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            wanted.len() == fields.len()
                && wanted
                    .iter()
                    .all(|(key, a)| fields.get(key).is_some_and(|b| is_equal(a, b)))
        }
        _ => wanted == got,
    }
}

fn shown_body(text: &str) -> String {
    if text.is_empty() {
        "an empty body".to_owned()
    } else {
        text.to_owned()
    }
}

/// The most characters of a received value that are shown.
const SHOWN: usize = 200;

/// The beginning of a text, on one line and without characters that control a terminal.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
