//! Reads a [`CheckSuite`] from TOML; reports every problem at once, with its place.

use std::{collections::BTreeSet, ops::Range, str::FromStr, time::Duration};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{CheckSuite, Header, HealthSpec, RequestSpec, SmokeSpec, WHOLE, base_url, check_host};
use crate::{
    check::{ConnectTo, Expect, ExpectJson, JsonPath, StatusSet},
    problem::{Place, Problem, SpecError},
};

pub(in crate::check) type Node<'t> = Spanned<DeValue<'t>>;

impl CheckSuite {
    /// Reads a file's text; `{ env = … }` takes variables of this process.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem; with every mistake of syntax alone, if there is one.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        Self::from_toml_with_env(text, |name| std::env::var(name).ok())
    }

    /// Reads a file's text; `{ env = … }` asks `variable`, which returns `None` for a variable that
    /// is not set.
    ///
    /// # Errors
    ///
    /// As for [`from_toml`](Self::from_toml).
    pub(crate) fn from_toml_with_env(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SpecError> {
        Reader::new(text, &variable).suite()
    }
}

/// Reads a text and collects its problems.
pub(in crate::check) struct Reader<'t> {
    text: &'t str,
    /// Where lines end.
    ends: Vec<usize>,
    variable: &'t dyn Fn(&str) -> Option<String>,
    problems: Vec<(Option<Place>, Problem)>,
}

/// A table whose keys are taken out as they are read, so that the keys left in the end are unknown.
pub(in crate::check) struct Section<'t> {
    at: String,
    pub(in crate::check) span: Range<usize>,
    table: DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(in crate::check) fn new(
        text: &'t str,
        variable: &'t dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            text,
            ends: text.match_indices('\n').map(|(at, _)| at).collect(),
            variable,
            problems: Vec::new(),
        }
    }

    /// Returns the top of the file. `None` if its syntax is broken, which is a problem then.
    pub(in crate::check) fn top(&mut self) -> Option<Section<'t>> {
        let (root, mistakes) = DeTable::parse_recoverable(self.text);
        for mistake in mistakes {
            // The parts that the parser could save of a broken text would only raise false alarms.
            let span = mistake.span().unwrap_or_default();
            self.found("", &span, mistake.message(), "");
        }
        let top = Section::new(String::new(), 0..0, root.into_inner());
        self.problems.is_empty().then_some(top)
    }

    /// Reads the keys about the service that is asked: a suite without tests.
    pub(in crate::check) fn service(&mut self, top: &mut Section<'t>) -> CheckSuite {
        let base_url = self.text_at(top, "base_url").and_then(|(text, span)| {
            let hint = "such as `https://chatbot.company.com`";
            self.keep("base_url", &span, base_url(&text), hint)
        });
        let host = self.text_at(top, "host").and_then(|(text, span)| {
            let hint = "HOST, or HOST:PORT if the port is not that of the scheme";
            self.keep("host", &span, check_host(&text).map(|()| text), hint)
        });
        let connect_to = self.text_at(top, "connect_to").and_then(|(text, span)| {
            let hint = "HOST, or HOST:PORT if the port is not that of the URL";
            self.keep("connect_to", &span, text.parse::<ConnectTo>(), hint)
        });
        CheckSuite {
            base_url,
            host,
            connect_to,
            headers: self.headers(top),
            health: None,
            smoke: Vec::new(),
        }
    }

    /// Refuses tests of the same name.
    pub(in crate::check) fn refuse_twins(&mut self, field: &str, what: &str, tests: &[SmokeSpec]) {
        let mut names = BTreeSet::new();
        for test in tests {
            if !names.insert(test.name.as_str()) {
                let message = format!("two {what} are called `{}`", test.name);
                let problem = Problem::new(field, message, "reports tell them apart by name");
                self.problems.push((None, problem));
            }
        }
    }

    fn suite(mut self) -> Result<CheckSuite, SpecError> {
        let Some(mut top) = self.top() else {
            return Err(self.into_error(WHOLE));
        };
        let service = self.service(&mut top);
        let health = top.take("health").and_then(|node| {
            let section = self.section("health".into(), node)?;
            self.health(section)
        });
        let mut smoke = Vec::new();
        for (at, node) in self.list(&mut top, "smoke") {
            if let Some(section) = self.section(at, node) {
                smoke.extend(self.smoke(section));
            }
        }
        self.refuse_twins("smoke", "smoke tests", &smoke);
        if health.is_none() && smoke.is_empty() && self.problems.is_empty() {
            let hint = "write a `[health]` or a `[[smoke]]`";
            self.found("", &(0..0), "there is no check", hint);
        }
        self.finish(top);
        if self.problems.is_empty() {
            Ok(CheckSuite {
                health,
                smoke,
                ..service
            })
        } else {
            Err(self.into_error(WHOLE))
        }
    }

    fn health(&mut self, mut section: Section<'t>) -> Option<HealthSpec> {
        let successes = section.take("successes").and_then(|node| {
            let at = section.name("successes");
            let read = match integer(node.get_ref()) {
                Some(number @ 1..=1000) => Ok(number as u32),
                _ => Err("is not a number from 1 to 1000".to_owned()),
            };
            self.keep(
                &at,
                &node.span(),
                read,
                "3 good answers in a row are a start",
            )
        });
        let mut span = |section: &mut Section<'t>, key, default| {
            self.duration(section, key)
                .unwrap_or(Duration::from_secs(default))
        };
        let every = span(&mut section, "every", 10);
        let deadline = span(&mut section, "deadline", 5 * 60);
        let request = self.request(&mut section, Duration::from_secs(5));
        let successes = successes.unwrap_or(3);
        if deadline <= every.saturating_mul(successes - 1) {
            let message = format!("ends before {successes} tries are made");
            let hint = "a longer deadline, a shorter `every` or fewer `successes`";
            self.found(
                &section.name("deadline"),
                &section.span.clone(),
                message,
                hint,
            );
        }
        self.finish(section);
        Some(HealthSpec {
            request: request?,
            successes,
            every,
            deadline,
        })
    }

    pub(in crate::check) fn smoke(&mut self, mut section: Section<'t>) -> Option<SmokeSpec> {
        let name = self
            .needed(&mut section, "name", "the test's name for people")
            .and_then(|(name, span)| {
                let is_name = !name.trim().is_empty() && !name.contains(char::is_control);
                let read = if is_name {
                    Ok(name)
                } else {
                    Err("is empty, or more than a line")
                };
                self.keep(&section.name("name"), &span, read, "such as `chat`")
            });
        let request = self.request(&mut section, Duration::from_secs(10));
        self.finish(section);
        Some(SmokeSpec {
            name: name?,
            request: request?,
        })
    }

    fn request(&mut self, section: &mut Section<'t>, timeout: Duration) -> Option<RequestSpec> {
        let path = self
            .needed(section, "path", "such as `/health`")
            .and_then(|(path, span)| {
                let read = check_path(&path).map(|()| path);
                self.keep(&section.name("path"), &span, read, "such as `/health`")
            });
        let method = self.text_at(section, "method").and_then(|(method, span)| {
            let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
            let read = if is_method {
                Ok(method)
            } else {
                Err("is not a method")
            };
            self.keep(&section.name("method"), &span, read, "such as `POST`")
        });
        let headers = self.headers(section);
        let body = self.text_at(section, "body");
        if let (Some((_, span)), None) = (&body, &method) {
            let hint = "add `method = \"POST\"`";
            self.found(&section.name("body"), span, "does not go with GET", hint);
        }
        let timeout = self.duration(section, "timeout").unwrap_or(timeout);
        let expect = self.expect(section, timeout);
        Some(RequestSpec {
            path: path?,
            method: method.unwrap_or_else(|| "GET".into()),
            headers,
            body: body.map(|(body, _)| body).unwrap_or_default(),
            expect,
            timeout,
        })
    }

    fn expect(&mut self, section: &mut Section<'t>, timeout: Duration) -> Expect {
        let mut expect = Expect::default();
        if let Some(node) = section.take("status") {
            let read = status(node.get_ref());
            let hint = "200, \"2xx\" or a list such as [200, \"4xx\"]";
            if let Some(status) = self.keep(&section.name("status"), &node.span(), read, hint) {
                expect = expect.with_status(status);
            }
        }
        for (at, name, node) in self.entries(section, "answer_headers") {
            expect = match node.get_ref() {
                DeValue::Boolean(true) => expect.with_header(name),
                DeValue::String(value) => expect.with_header_value(name, value.as_ref()),
                _ => {
                    let hint = "its value as text, or `true` for any";
                    self.found(&at, &node.span(), "is not a wanted value", hint);
                    expect
                }
            };
        }
        for (at, node) in self.list(section, "json") {
            if let Some(json) = self.section(at, node).and_then(|it| self.json(it)) {
                expect = expect.with_json(json);
            }
        }
        for (at, node) in self.list(section, "body_contains") {
            match node.get_ref().as_str() {
                Some(text) => expect = expect.with_body_containing(text),
                None => self.found(&at, &node.span(), "is not text", "quote it"),
            }
        }
        let latency_span = section.span_of("max_latency");
        if let Some(latency) = self.duration(section, "max_latency") {
            if latency > timeout {
                let message = "is longer than the time-out, so it is never checked";
                let hint = "a shorter one, or a longer `timeout`";
                self.found(&section.name("max_latency"), &latency_span, message, hint);
            }
            expect = expect.with_max_latency(latency);
        }
        expect
    }

    fn json(&mut self, mut section: Section<'t>) -> Option<ExpectJson> {
        let path = self
            .needed(&mut section, "path", "such as `$.response`")
            .and_then(|(path, span)| {
                let hint = "RFC 9535, such as `$.response` or `$.items[*].id`";
                self.keep(
                    &section.name("path"),
                    &span,
                    JsonPath::from_str(&path),
                    hint,
                )
            });
        let equals = section.take("equals").and_then(|node| {
            let hint = "JSON has text, numbers, truth values, lists and tables";
            let read = json(node.get_ref()).ok_or("is not a JSON value");
            self.keep(&section.name("equals"), &node.span(), read, hint)
        });
        let mut bound = |section: &mut Section<'t>, key| {
            let node = section.take(key)?;
            let read = json(node.get_ref())
                .filter(Value::is_number)
                .ok_or("is not a number");
            self.keep(&section.name(key), &node.span(), read, "such as 1 or 0.5")
        };
        let at_least = bound(&mut section, "at_least");
        let at_most = bound(&mut section, "at_most");
        self.finish(section);
        let mut wanted = ExpectJson::present(path?);
        if let Some(value) = equals {
            wanted = wanted.equals(value);
        }
        if let Some(least) = at_least {
            wanted = wanted.at_least(least);
        }
        if let Some(most) = at_most {
            wanted = wanted.at_most(most);
        }
        Some(wanted)
    }

    fn headers(&mut self, section: &mut Section<'t>) -> Vec<Header> {
        let mut headers = Vec::new();
        for (at, name, node) in self.entries(section, "headers") {
            let span = node.span();
            let value = match node.get_ref() {
                DeValue::String(value) => Some((value.to_string(), false)),
                DeValue::Table(_) => self.environment_value(&at, node).map(|it| (it, true)),
                _ => {
                    let hint = "text, or `{ env = \"NAME\" }` for a secret";
                    self.found(&at, &span, "is not a header's value", hint);
                    None
                }
            };
            if let Some((value, is_secret)) = value {
                let header = Header::new(&name, value, is_secret);
                headers.extend(self.keep(&at, &span, header, ""));
            }
        }
        headers
    }

    fn environment_value(&mut self, at: &str, node: Node<'t>) -> Option<String> {
        let mut section = self.section(at.to_owned(), node)?;
        let name = self.needed(&mut section, "env", "the name of a variable");
        let value = name.and_then(|(name, span)| {
            let value = (self.variable)(&name).filter(|value| !value.is_empty());
            let read = value.ok_or_else(|| format!("the variable `{name}` is not set"));
            let hint = "set it where the checks run";
            self.keep(&section.name("env"), &span, read, hint)
        });
        self.finish(section);
        value
    }

    pub(in crate::check) fn section(&mut self, at: String, node: Node<'t>) -> Option<Section<'t>> {
        let span = node.span();
        match node.into_inner() {
            DeValue::Table(table) => Some(Section::new(at, span, table)),
            _ => {
                self.found(&at, &span, "is not a table", "");
                None
            }
        }
    }

    /// The entries of a table of names: the path, name and value of each.
    pub(in crate::check) fn entries(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Vec<(String, String, Node<'t>)> {
        let at = section.name(key);
        let table = section.take(key).and_then(|node| self.section(at, node));
        let Some(Section { at, table, .. }) = table else {
            return Vec::new();
        };
        let entry = |(name, node): (Spanned<_>, _)| {
            let name: std::borrow::Cow<'_, str> = name.into_inner();
            (format!("{at}.{name}"), name.into_owned(), node)
        };
        table.into_iter().map(entry).collect()
    }

    /// The items of a list, or a single item that stands alone: the path and value of each.
    pub(in crate::check) fn list(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Vec<(String, Node<'t>)> {
        let at = section.name(key);
        let Some(node) = section.take(key) else {
            return Vec::new();
        };
        let span = node.span();
        match node.into_inner() {
            DeValue::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| (format!("{at}[{index}]"), item))
                .collect(),
            alone => vec![(at, Spanned::new(span, alone))],
        }
    }

    pub(in crate::check) fn duration(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Option<Duration> {
        let node = section.take(key)?;
        self.time(&section.name(key), node)
    }

    /// Reads a span of time.
    pub(in crate::check) fn time(&mut self, at: &str, node: Node<'t>) -> Option<Duration> {
        let (text, span) = self.text_of(at, node)?;
        let duration = jiff::SignedDuration::from_str(&text)
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
            .filter(|span| !span.is_zero() && *span <= LONGEST);
        let read = duration.ok_or_else(|| format!("`{text}` is not a span of time up to a day"));
        let hint = "write it like `5s`, `500ms` or `1m 30s`";
        self.keep(at, &span, read, hint)
    }

    pub(in crate::check) fn needed(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
        hint: &str,
    ) -> Option<(String, Range<usize>)> {
        if !section.table.contains_key(key) {
            self.found(
                &section.name(key),
                &section.span.clone(),
                "is missing",
                hint,
            );
        }
        self.text_at(section, key)
    }

    pub(in crate::check) fn text_at(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Option<(String, Range<usize>)> {
        let node = section.take(key)?;
        self.text_of(&section.name(key), node)
    }

    fn text_of(&mut self, at: &str, node: Node<'t>) -> Option<(String, Range<usize>)> {
        let span = node.span();
        let read = match node.into_inner() {
            DeValue::String(text) => Ok((text.into_owned(), span.clone())),
            _ => Err("is not text"),
        };
        self.keep(at, &span, read, "quote it")
    }

    pub(in crate::check) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Refuses the keys that were not read.
    pub(in crate::check) fn finish(&mut self, section: Section<'t>) {
        let known = section.asked.join(", ");
        for key in section.table.keys() {
            let at = section.name(key.get_ref());
            let hint = format!("known here: {known}");
            self.found(&at, &key.span(), "is not known", hint);
        }
    }

    pub(in crate::check) fn keep<T, E: ToString>(
        &mut self,
        at: &str,
        span: &Range<usize>,
        read: Result<T, E>,
        hint: &str,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.found(at, span, error.to_string(), hint);
                None
            }
        }
    }

    pub(in crate::check) fn found(
        &mut self,
        at: &str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::new(at, message, hint);
        self.problems.push((Some(self.place(span.start)), problem));
    }

    /// Returns the place of a byte of the text.
    fn place(&self, byte: usize) -> Place {
        let before = self.ends.partition_point(|end| *end < byte);
        let begin = before.checked_sub(1).map_or(0, |last| self.ends[last] + 1);
        let left = self.text.get(begin..byte).unwrap_or_default();
        Place {
            line: before + 1,
            column: left.chars().count() + 1,
        }
    }

    /// Returns the error that has every problem of `whole`: `the checks are not valid`.
    pub(in crate::check) fn into_error(mut self, whole: &'static str) -> SpecError {
        self.problems.sort_by_key(|(at, _)| *at);
        SpecError::of(whole, self.problems)
    }
}

impl<'t> Section<'t> {
    fn new(at: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        Self {
            at,
            span,
            table,
            asked: Vec::new(),
        }
    }

    pub(in crate::check) fn take(&mut self, key: &'static str) -> Option<Node<'t>> {
        self.asked.push(key);
        self.table.remove(key)
    }

    pub(in crate::check) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(in crate::check) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map(Node::span).unwrap_or_default()
    }

    pub(in crate::check) fn name(&self, key: &str) -> String {
        if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.at)
        }
    }
}

/// A day: longer than any service takes to become healthy.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("does not begin with `/`");
    }
    if path.contains('#') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("has a fragment, a space or a control character");
    }
    match reqwest::Url::parse(&format!("http://host{path}")) {
        Ok(_) => Ok(()),
        Err(_) => Err("is not the path of a URL"),
    }
}

fn status(value: &DeValue<'_>) -> Result<StatusSet, String> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) => integer(value).map(|number| number.to_string()),
        _ => None,
    };
    let parts = match value {
        DeValue::Array(items) => items.iter().map(|item| one(item.get_ref())).collect(),
        alone => one(alone).map(|it| vec![it]),
    };
    let parts: Vec<String> = parts.ok_or("is not a status")?;
    StatusSet::from_str(&parts.join(",")).map_err(|error| error.to_string())
}

pub(in crate::check) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(in crate::check) fn number(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Float(float) => float.as_str().parse().ok()?,
        other => integer(other)? as f64,
    };
    number.is_finite().then_some(number)
}

/// The JSON value; `None` if there is none, as for dates and infinity.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(_) => Value::from(integer(value)?),
        DeValue::Float(_) => Value::from(number(value)?),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            Value::Array(items.collect::<Option<_>>()?)
        }
        DeValue::Table(fields) => {
            let field = |(key, value): (&Spanned<_>, &Node<'_>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.to_string(), json(value.get_ref())?))
            };
            Value::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}
