//! The differences of two answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    json::{self, Places},
    kind::{Found, Kind},
    reply::Reply,
    rules::Rules,
};
use crate::check::{HttpResponse, body};

/// Headers that differ between any two servers, or any two answers.
const IGNORED: [&str; 16] = [
    "age",
    "alt-svc",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "location",
    "server",
    "transfer-encoding",
    "via",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-powered-by",
    "x-request-id",
];
/// Headers whose values belong to one answer: only their presence is compared.
const PRESENCE: [&str; 4] = ["etag", "expires", "last-modified", "set-cookie"];

/// What is compared.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    ignored: BTreeSet<String>,
    places: Places,
}

impl Answers {
    pub(super) fn new(rules: &Rules) -> Self {
        let named = rules.ignore_headers.iter();
        let usual = IGNORED.into_iter().map(str::to_owned);
        Self {
            ignored: named
                .map(|name| name.to_ascii_lowercase())
                .chain(usual)
                .collect(),
            places: Places {
                ignore: rules.ignore.clone(),
                tolerances: rules.tolerances.clone(),
            },
        }
    }

    /// Returns the differences of two answers to a request with this path.
    pub(super) fn differences(&self, path: &str, blue: &Reply, green: &Reply) -> Vec<Found> {
        let (blue, green) = match (blue, green) {
            (Ok(blue), Ok(green)) => (blue, green),
            (Err(_), Err(_)) => return Vec::new(),
            (Ok(_), Err(_)) => return vec![none("an answer", "no answer")],
            (Err(_), Ok(_)) => return vec![none("no answer", "an answer")],
        };
        let mut found = Vec::new();
        of_status(path, blue, green, &mut found);
        let (one, other) = (blue.status / 100, green.status / 100);
        let are_errors = one >= 4 && other >= 4;
        // The bodies of a good answer and of an error, or of a redirect, have nothing in common.
        if one == other || are_errors {
            self.of_headers(blue, green, &mut found);
            self.of_bodies(blue, green, are_errors, &mut found);
        }
        found
    }

    fn of_headers(&self, blue: &HttpResponse, green: &HttpResponse, found: &mut Vec<Found>) {
        let (one, other) = (media_type(blue), media_type(green));
        if one != other {
            found.push(Found::new(
                Kind::ContentType,
                "header content-type",
                one,
                other,
            ));
        }
        let names = |answer: &HttpResponse| -> BTreeSet<String> {
            let names = answer
                .headers
                .iter()
                .map(|(name, _)| name.to_ascii_lowercase());
            names.filter(|name| !self.ignored.contains(name)).collect()
        };
        let (one, other) = (names(blue), names(green));
        for name in one.union(&other) {
            let place = format!("header {}", json::shown(name));
            let mut add = |blue: &str, green: &str| {
                found.push(Found::new(Kind::Header, place.as_str(), blue, green));
            };
            match (one.contains(name), other.contains(name)) {
                (true, false) => add("present", "absent"),
                (false, true) => add("absent", "present"),
                _ if PRESENCE.contains(&name.as_str()) => {}
                _ if blue.header(name).ne(green.header(name)) => add("a value", "another value"),
                _ => {}
            }
        }
    }

    fn of_bodies(
        &self,
        blue: &HttpResponse,
        green: &HttpResponse,
        are_errors: bool,
        found: &mut Vec<Found>,
    ) {
        let (Ok(one), Ok(other)) = (body::text_of(blue), body::text_of(green)) else {
            if blue.body != green.body {
                found.push(Found::new(Kind::Body, "body", "bytes", "other bytes"));
            }
            return;
        };
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        let (blue, green) = (read(&one), read(&other));
        if are_errors {
            let (one, other) = (shape(&one, blue.as_ref()), shape(&other, green.as_ref()));
            if one != other {
                found.push(Found::new(Kind::ErrorBody, "body", one, other));
            }
            return;
        }
        match (blue, green) {
            (Some(blue), Some(green)) => {
                found.extend(json::differences(&self.places, &blue, &green));
            }
            (Some(_), None) => found.push(Found::new(Kind::Body, "body", "JSON", "no JSON")),
            (None, Some(_)) => found.push(Found::new(Kind::Body, "body", "no JSON", "JSON")),
            (None, None) if one != other => {
                found.push(Found::new(Kind::Body, "body", "text", "another text"));
            }
            (None, None) => {}
        }
    }
}

fn none(blue: &str, green: &str) -> Found {
    Found::new(Kind::NoAnswer, "answer", blue, green)
}

fn of_status(path: &str, blue: &HttpResponse, green: &HttpResponse, found: &mut Vec<Found>) {
    let shown = |answer: &HttpResponse| answer.status.to_string();
    let (kind, one, other) = match (redirect(blue), redirect(green)) {
        (None, None) if blue.status == green.status => return,
        (None, None) => {
            let kind = match (blue.status, green.status) {
                (400, 422) | (422, 400) => Kind::ValidationStatus,
                _ => Kind::Status,
            };
            (kind, shown(blue), shown(green))
        }
        (Some(one), Some(other)) if path_of(one) == path_of(other) => {
            if blue.status == green.status {
                return;
            }
            (Kind::Redirect, shown(blue), shown(green))
        }
        (one, other) => {
            let only = one.xor(other);
            let is_slash = only.is_some_and(|place| is_slash_apart(path, place));
            let kind = match is_slash {
                true => Kind::TrailingSlash,
                false => Kind::Redirect,
            };
            let told = |answer: &HttpResponse, place: Option<&str>| match place {
                Some(_) if is_slash => format!("{} to the path with another end", answer.status),
                Some(_) => format!("{} to a place", answer.status),
                None => answer.status.to_string(),
            };
            let (one, mut other) = (told(blue, one), told(green, other));
            if only.is_none() {
                other = format!("{} to another place", green.status);
            }
            (kind, one, other)
        }
    };
    found.push(Found::new(kind, "status", one, other));
}

/// The place to which an answer redirects.
fn redirect(answer: &HttpResponse) -> Option<&str> {
    let place = answer.header("location").next();
    place.filter(|_| (300..400).contains(&answer.status))
}

/// The path of a `Location`, without scheme, host and query.
fn path_of(location: &str) -> &str {
    let rest = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => location,
    };
    rest.split(['?', '#']).next().unwrap_or_default()
}

/// Whether the place is the path with a slash more or less at its end.
fn is_slash_apart(path: &str, location: &str) -> bool {
    let (asked, led) = (path_of(path), path_of(location));
    asked != led && asked.trim_end_matches('/') == led.trim_end_matches('/')
}

fn media_type(answer: &HttpResponse) -> String {
    let value = answer.header("content-type").next().unwrap_or("none");
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.to_ascii_lowercase()
}

/// The shape of an error's body: the names and types of its fields.
fn shape(text: &str, document: Option<&Value>) -> String {
    match document {
        Some(Value::Object(fields)) => {
            let fields = fields.iter();
            let fields = fields
                .map(|(key, value)| format!("{}: {}", json::shown(key), json::type_of(value)));
            let fields: BTreeSet<String> = fields.collect();
            format!("{{{}}}", Vec::from_iter(fields).join(", "))
        }
        Some(other) => json::type_of(other).to_owned(),
        None if text.is_empty() => "no body".to_owned(),
        None if text.trim_start().starts_with('<') => "a page".to_owned(),
        None => "text".to_owned(),
    }
}
