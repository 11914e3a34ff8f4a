//! Reads a [`TestSuite`] and its settings from TOML; reports every problem at once, with its line.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use toml::de::DeValue;

use super::{
    TestSuite,
    compare::{Kind, Rules, Tolerance},
    percentile::Percentile,
    settings::TestSettings,
};
use crate::{
    check::{
        JsonPath, SpecError,
        spec::read::{Node, Reader, Section, integer, number},
    },
    traffic::Percent,
};

/// What the error of a file of requests begins with.
const WHOLE: &str = "the test is not valid";
/// The most requests a second: what one process holds, with room.
const FASTEST: f64 = 10_000.0;
/// The longest a test may be.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

impl TestSuite {
    /// Reads a file's text; `{ env = … }` takes variables of this process.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem; with every mistake of syntax alone, if there is one.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        suite(text, &|name| std::env::var(name).ok())
    }
}

/// Reads a file of requests.
fn suite(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<TestSuite, SpecError> {
    let mut reader = Reader::new(text, variable);
    let Some(mut top) = reader.top() else {
        return Err(reader.into_error(WHOLE));
    };
    let checks = reader.service(&mut top);
    let writes = flag(&mut reader, &mut top, "writes");
    let writes_to_both = flag(&mut reader, &mut top, "writes_to_both");
    let test = top.take("test");
    let section = test.and_then(|node| reader.section("test".into(), node));
    let settings = section.map(|section| settings_of(&mut reader, section));
    let (mut requests, mut weights) = (Vec::new(), Vec::new());
    let listed = reader.list(&mut top, "request");
    let is_empty = listed.is_empty();
    for (at, node) in listed {
        let Some(mut section) = reader.section(at, node) else {
            continue;
        };
        let hint = "a weight of 3 sends three times as many as a weight of 1";
        let weight = whole(&mut reader, &mut section, "weight", 1..=1_000, hint);
        let (place, span) = (section.name("method"), section.span_of("method"));
        if let Some(request) = reader.smoke(section) {
            if !writes && !matches!(request.method(), "GET" | "HEAD") {
                let message = format!(
                    "`{}` may write, and green may share blue's database",
                    request.method()
                );
                let hint = "write `writes = true` above the first table, if that may happen";
                reader.found(&place, &span, message, hint);
            }
            requests.push(request);
            weights.push(weight.unwrap_or(1));
        }
    }
    if is_empty {
        reader.found(
            "request",
            &(0..0),
            "there is no request",
            "write a `[[request]]`",
        );
    }
    reader.refuse_twins("request", "requests", &requests);
    reader.finish(top);
    match reader.has_problems() {
        true => Err(reader.into_error(WHOLE)),
        false => Ok(TestSuite {
            checks: checks.with_smoke(requests),
            weights,
            writes_to_both,
            settings: settings.unwrap_or_default(),
        }),
    }
}

impl TestSettings {
    /// Reads settings that stand alone, with the keys of the table `[test]`.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let nothing = |_: &str| None;
        let mut reader = Reader::new(text, &nothing);
        let Some(top) = reader.top() else {
            return Err(reader.into_error(WHOLE));
        };
        let settings = settings_of(&mut reader, top);
        match reader.has_problems() {
            true => Err(reader.into_error(WHOLE)),
            false => Ok(settings),
        }
    }
}

fn settings_of<'t>(reader: &mut Reader<'t>, mut section: Section<'t>) -> TestSettings {
    let rate = section.take("rate").and_then(|node| {
        let read = number(node.get_ref()).filter(|rate| (0.01..=FASTEST).contains(rate));
        let read = read.ok_or("is not a number from 0.01 to 10,000");
        let hint = "requests a second, such as 20 or 0.5";
        reader.keep(&section.name("rate"), &node.span(), read, hint)
    });
    let ramp = span(reader, &mut section, "ramp", Duration::ZERO);
    let duration_span = section.span_of("duration");
    let duration = span(reader, &mut section, "duration", Duration::from_secs(1));
    if let (Some(ramp), Some(duration)) = (ramp, duration)
        && ramp > duration
    {
        let (message, hint) = ("is shorter than the ramp", "a shorter `ramp`");
        reader.found(&section.name("duration"), &duration_span, message, hint);
    }
    let hint = "256 requests wait for answers at once, if each takes a second at 256 a second";
    let max_in_flight = whole(reader, &mut section, "max_in_flight", 1..=20_000, hint);
    let mut share = |reader: &mut Reader<'t>, key, least: f64, most: f64, hint| {
        let (text, span) = reader.text_at(&mut section, key)?;
        let read = text.parse::<Percent>().ok();
        let read = read.filter(|share| (least..=most).contains(&share.as_fraction()));
        let read =
            read.ok_or_else(|| format!("`{text}` is not from {least} to {most} as a percentage"));
        reader.keep(&section.name(key), &span, read, hint)
    };
    let hint = "such as \"1%\", more than 0%";
    let max_error_rate = share(reader, "max_error_rate", 0.001, 0.999, hint);
    let confidence = share(reader, "confidence", 0.5, 0.999, "such as \"99%\"");
    let max_latency = latencies(reader, &mut section);
    let hint = "how often each request is compared; 0 compares nothing";
    let compare = whole(reader, &mut section, "compare", 0..=1_000, hint);
    let test_header = reader.text_at(&mut section, "test_header");
    let blue_url = reader.text_at(&mut section, "blue_url");
    let hint = "a JSON path such as `$.session_id`";
    let ignore = parsed(reader, &mut section, "ignore", hint, JsonPath::from_str);
    let hint = "the name of a header";
    let ignore_headers = parsed(reader, &mut section, "ignore_headers", hint, |text| {
        Ok::<_, String>(text.to_owned())
    });
    let known = Kind::ALL.map(Kind::as_str).join(", ");
    let hint = format!("one of {known}");
    let accept = parsed(reader, &mut section, "accept", &hint, Kind::from_str);
    let tolerances = tolerances(reader, &mut section);
    reader.finish(section);
    TestSettings {
        rate,
        ramp,
        duration,
        max_in_flight,
        max_error_rate,
        max_latency,
        confidence,
        compare,
        rules: Rules {
            ignore,
            ignore_headers,
            tolerances,
            accept,
        },
        test_header: test_header.map(|(text, _)| text),
        blue_url: blue_url.map(|(text, _)| text),
    }
}

fn latencies<'t>(
    reader: &mut Reader<'t>,
    section: &mut Section<'t>,
) -> Option<BTreeMap<Percentile, Duration>> {
    let is_there = section.has("max_latency");
    let mut limits = BTreeMap::new();
    for (at, name, node) in reader.entries(section, "max_latency") {
        let place = node.span();
        let hint = "such as `p50`, `p99` or `p99.9`";
        let percentile = reader.keep(&at, &place, Percentile::from_str(&name), hint);
        let limit = reader.time(&at, node);
        if let (Some(percentile), Some(limit)) = (percentile, limit) {
            limits.insert(percentile, limit);
        }
    }
    is_there.then_some(limits)
}

fn tolerances<'t>(reader: &mut Reader<'t>, section: &mut Section<'t>) -> Vec<Tolerance> {
    let mut tolerances = Vec::new();
    for (at, node) in reader.list(section, "tolerances") {
        let Some(mut one) = reader.section(at, node) else {
            continue;
        };
        let hint = "a JSON path such as `$.score`";
        let path = reader
            .needed(&mut one, "path", hint)
            .and_then(|(path, span)| {
                reader.keep(&one.name("path"), &span, JsonPath::from_str(&path), hint)
            });
        let (place, whole) = (one.name("within"), one.span.clone());
        let within = match one.take("within") {
            Some(node) => {
                let read = number(node.get_ref()).filter(|within| *within > 0.0);
                let read = read.ok_or("is not a number above 0");
                reader.keep(&place, &node.span(), read, "such as 0.01")
            }
            None => {
                reader.found(&place, &whole, "is missing", "such as 0.01");
                None
            }
        };
        reader.finish(one);
        if let (Some(path), Some(within)) = (path, within) {
            tolerances.push(Tolerance { path, within });
        }
    }
    tolerances
}

fn flag<'t>(reader: &mut Reader<'t>, section: &mut Section<'t>, key: &'static str) -> bool {
    let Some(node) = section.take(key) else {
        return false;
    };
    let read = match node.get_ref() {
        DeValue::Boolean(value) => Ok(*value),
        _ => Err("is neither true nor false"),
    };
    let read = reader.keep(&section.name(key), &node.span(), read, "without quotes");
    read.unwrap_or_default()
}

fn whole<'t>(
    reader: &mut Reader<'t>,
    section: &mut Section<'t>,
    key: &'static str,
    range: std::ops::RangeInclusive<u32>,
    hint: &str,
) -> Option<u32> {
    let node: Node<'t> = section.take(key)?;
    let read = integer(node.get_ref()).and_then(|number| u32::try_from(number).ok());
    let read = read.filter(|number| range.contains(number));
    let read = read.ok_or_else(|| {
        format!(
            "is not a whole number from {} to {}",
            range.start(),
            range.end()
        )
    });
    reader.keep(&section.name(key), &node.span(), read, hint)
}

fn span<'t>(
    reader: &mut Reader<'t>,
    section: &mut Section<'t>,
    key: &'static str,
    least: Duration,
) -> Option<Duration> {
    let place = section.span_of(key);
    let span = reader.duration(section, key)?;
    let read = match span >= least && span <= LONGEST {
        true => Ok(span),
        false => Err("is not from a second to a day"),
    };
    reader.keep(&section.name(key), &place, read, "such as `2m`")
}

/// The texts of a list, or a text that stands alone, each read.
fn parsed<'t, T, E: ToString>(
    reader: &mut Reader<'t>,
    section: &mut Section<'t>,
    key: &'static str,
    hint: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut all = Vec::new();
    for (at, node) in reader.list(section, key) {
        match node.get_ref().as_str() {
            Some(text) => all.extend(reader.keep(&at, &node.span(), read(text), hint)),
            None => reader.found(&at, &node.span(), "is not text", "quote it"),
        }
    }
    all
}
