//! The differences of two JSON documents.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    date,
    kind::{Found, Kind},
    rules::Tolerance,
};
use crate::check::{JsonPath, number};

/// The places that are not compared, and how far numbers may differ.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) ignore: Vec<JsonPath>,
    pub(super) tolerances: Vec<Tolerance>,
}

/// The longest key that is shown. A longer key, or one with other characters than a name has, may be data.
const LONGEST_KEY: usize = 40;

/// Returns the differences of two documents.
pub(super) fn differences(places: &Places, blue: &Value, green: &Value) -> Vec<Found> {
    let mut walk = Walk {
        blue: Marked::of(places, blue),
        green: Marked::of(places, green),
        found: Vec::new(),
    };
    walk.compare("$", blue, green);
    walk.found
}

/// Values of a document by their address, which is the same while the document is borrowed.
struct Marked {
    ignored: Vec<*const Value>,
    tolerance: BTreeMap<*const Value, f64>,
}

impl Marked {
    fn of(places: &Places, document: &Value) -> Self {
        let at = |path: &JsonPath| -> Vec<*const Value> {
            let found = path.find(document).unwrap_or_default();
            found.into_iter().map(std::ptr::from_ref).collect()
        };
        let tolerances = places.tolerances.iter();
        Self {
            ignored: places.ignore.iter().flat_map(at).collect(),
            tolerance: tolerances
                .flat_map(|one| at(&one.path).into_iter().map(|value| (value, one.within)))
                .collect(),
        }
    }

    fn ignores(&self, value: &Value) -> bool {
        self.ignored.contains(&std::ptr::from_ref(value))
    }

    fn tolerance(&self, value: &Value) -> f64 {
        let found = self.tolerance.get(&std::ptr::from_ref(value));
        found.copied().unwrap_or_default()
    }
}

struct Walk {
    blue: Marked,
    green: Marked,
    found: Vec<Found>,
}

impl Walk {
    fn add(&mut self, kind: Kind, place: &str, blue: &str, green: &str) {
        self.found.push(Found::new(kind, place, blue, green));
    }

    fn compare(&mut self, place: &str, blue: &Value, green: &Value) {
        if self.blue.ignores(blue) || self.green.ignores(green) {
            return;
        }
        match (blue, green) {
            (Value::Object(one), Value::Object(other)) => self.fields(place, one, other),
            (Value::Array(one), Value::Array(other)) => self.elements(place, one, other),
            (Value::String(one), Value::String(other)) if one != other => {
                match (date::form(one), date::form(other)) {
                    (Some(one), Some(other)) if one != other => {
                        self.add(Kind::DateFormat, place, &one, &other);
                    }
                    _ => self.add(Kind::Value, place, "string", "another string"),
                }
            }
            (Value::Number(_), Value::Number(_)) if self.is_near(blue, green) => {}
            (Value::Number(_), Value::Number(_)) => {
                self.add(Kind::Value, place, "number", "another number");
            }
            (Value::Number(_), Value::String(text)) => {
                let (kind, one, other) = number_and_text(blue, text);
                self.add(kind, place, &one, &other);
            }
            (Value::String(text), Value::Number(_)) => {
                let (kind, other, one) = number_and_text(green, text);
                self.add(kind, place, &one, &other);
            }
            (Value::Bool(one), Value::Bool(other)) if one != other => {
                self.add(Kind::Value, place, "boolean", "the other boolean");
            }
            _ if type_of(blue) != type_of(green) => {
                self.add(Kind::Type, place, type_of(blue), type_of(green));
            }
            _ => {}
        }
    }

    fn is_near(&self, blue: &Value, green: &Value) -> bool {
        let within = self.blue.tolerance(blue).max(self.green.tolerance(green));
        let apart = match (blue.as_f64(), green.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs(),
            _ => f64::INFINITY,
        };
        number::compare(blue, green).is_some_and(std::cmp::Ordering::is_eq)
            || (within > 0.0 && apart <= within)
    }

    fn fields(&mut self, place: &str, blue: &Map<String, Value>, green: &Map<String, Value>) {
        for (key, one) in blue {
            let below = below(place, key);
            match green.get(key) {
                Some(other) => self.compare(&below, one, other),
                None if self.blue.ignores(one) => {}
                None => self.add(absence(one), &below, type_of(one), "absent"),
            }
        }
        for (key, other) in green {
            if !blue.contains_key(key) && !self.green.ignores(other) {
                self.add(absence(other), &below(place, key), "absent", type_of(other));
            }
        }
    }

    fn elements(&mut self, place: &str, blue: &[Value], green: &[Value]) {
        let below = format!("{place}[*]");
        if blue.len() != green.len() {
            self.add(Kind::ArrayLength, place, "array", "array of another length");
        } else if blue != green && is_same_in_another_order(blue, green) {
            return self.add(
                Kind::ArrayOrder,
                place,
                "array",
                "the same in another order",
            );
        }
        for (one, other) in blue.iter().zip(green) {
            self.compare(&below, one, other);
        }
    }
}

fn is_same_in_another_order(blue: &[Value], green: &[Value]) -> bool {
    let sorted = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts
    };
    sorted(blue) == sorted(green)
}

/// A field that only one side has.
fn absence(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::NullAbsent,
        _ => Kind::Absent,
    }
}

/// The kind of difference of a number and a string, and the types of the number and of the string.
fn number_and_text(number: &Value, text: &str) -> (Kind, String, String) {
    if let (Some(one), Some(other)) = (date::form_of_number(number), date::form(text)) {
        return (Kind::DateFormat, one.to_owned(), other);
    }
    let kind = match text.parse::<f64>().is_ok_and(f64::is_finite) {
        true => Kind::NumberString,
        false => Kind::Type,
    };
    (kind, "number".to_owned(), "string".to_owned())
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The place of a field. A key that is no name may be data, such as an address, and is not shown.
fn below(place: &str, key: &str) -> String {
    format!("{place}.{}", shown(key))
}

pub(super) fn shown(key: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_shown = key.len() <= LONGEST_KEY
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(is_name);
    if is_shown { key } else { "*" }
}
