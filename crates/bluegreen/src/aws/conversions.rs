//! What AWS does to a request: the values that it fills in or converts, and the lists that it
//! reorders.
//!
//! One table for both sides: a comparison undoes these conversions, and the simulation makes them.

use std::cmp::Reverse;

use serde_json::{Map, Value};

use super::document::{is_said, text};

/// The conversion of one place. A path names every entry of a list by `[]`.
#[derive(Debug)]
pub(in crate::aws) struct Conversion {
    pub(in crate::aws) path: &'static str,
    pub(in crate::aws) does: Does,
    /// Whether the conversion applies to this document.
    when: fn(&Value) -> bool,
    /// The page of the API, without its common beginning, and what confirms the row. "Dumps" are
    /// answers of describe calls that people published; a row that names only dumps stands on no
    /// page of AWS.
    #[cfg_attr(not(test), expect(dead_code, reason = "for a reader who doubts a row"))]
    pub(in crate::aws) source: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::aws) enum Does {
    /// If nothing is said, this is meant, and AWS answers with it.
    Fills(&'static str),
    /// If nothing is said, this is meant; AWS answers as it was asked.
    Means(&'static str),
    /// A number of a larger unit becomes a number of the smaller unit.
    Counts(&'static str),
    /// The port on the host: the container's port, or a port that is chosen at start.
    HostPort,
    /// The order has no meaning.
    Sorts,
}

pub(in crate::aws) const fn row(
    path: &'static str,
    does: Does,
    when: fn(&Value) -> bool,
    source: &'static str,
) -> Conversion {
    Conversion {
        path,
        does,
        when,
        source,
    }
}

impl Conversion {
    /// The value that is meant if nothing is said.
    pub(in crate::aws) fn default(&self) -> Value {
        match self.does {
            Does::Fills(default) | Does::Means(default) => read(default),
            _ => Value::Null,
        }
    }
}

/// A document without what AWS fills in, converts and reorders: equal for two that AWS takes for
/// the same.
pub(in crate::aws) fn canonical(
    document: &Map<String, Value>,
    table: &'static [Conversion],
) -> Value {
    let mut value = Value::Object(document.clone());
    without_empty(&mut value);
    let is_equal_port = has_equal_ports(&value);
    let all: Vec<&Conversion> = rows(table, &value).collect();
    for conversion in &all {
        visit(&mut value, conversion.path, &mut |object, field| {
            let Some(found) = object.get(field).cloned() else {
                return;
            };
            match conversion.does {
                Does::Fills(default) | Does::Means(default) => {
                    if found == read(default) {
                        object.remove(field);
                    }
                }
                Does::Counts(unit) => count(object, field, unit),
                Does::HostPort => {
                    let is_own = is_equal_port && Some(&found) == object.get("containerPort");
                    if found == 0 || is_own {
                        object.remove(field);
                    }
                }
                Does::Sorts => {}
            }
        });
    }
    without_empty(&mut value);
    // Entries are compared by all that they hold, so the innermost lists come first.
    let mut sorts = all;
    sorts.retain(|row| matches!(row.does, Does::Sorts));
    sorts.sort_by_key(|row| Reverse(row.path.matches('.').count()));
    for conversion in sorts {
        visit(&mut value, conversion.path, &mut sort);
    }
    value
}

/// A document as a describe answers it after the document was sent.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn answered(
    document: &Map<String, Value>,
    table: &'static [Conversion],
) -> Map<String, Value> {
    let mut value = Value::Object(document.clone());
    let is_equal_port = has_equal_ports(&value);
    without_null(&mut value);
    for conversion in rows(table, &value.clone()) {
        visit(&mut value, conversion.path, &mut |object, field| {
            match conversion.does {
                Does::Fills(default) => {
                    object.entry(field).or_insert_with(|| read(default));
                }
                Does::Counts(unit) => count(object, field, unit),
                Does::HostPort => {
                    let own = object.get("containerPort").cloned();
                    let asked = object.get(field).filter(|port| **port != 0);
                    let port = match (asked, own) {
                        (Some(_), _) | (_, None) => return,
                        (None, Some(own)) if is_equal_port => own,
                        (None, Some(_)) => Value::from(0),
                    };
                    object.insert(field.to_owned(), port);
                }
                // Callers name containers in messages, so these stay as they are.
                Does::Sorts if field != "containerDefinitions" => {
                    // A comparison that trusts the order of the file must fail on the simulation.
                    sort(object, field);
                    if let Some(Value::Array(list)) = object.get_mut(field) {
                        list.reverse();
                    }
                }
                Does::Sorts | Does::Means(_) => {}
            }
        });
    }
    match value {
        Value::Object(answered) => answered,
        _ => Map::new(),
    }
}

/// The rows that apply to a document.
pub(in crate::aws) fn rows<'a>(
    table: &'static [Conversion],
    document: &'a Value,
) -> impl Iterator<Item = &'static Conversion> + 'a {
    table.iter().filter(move |row| (row.when)(document))
}

/// In these modes a port on the host is the container's port.
fn has_equal_ports(document: &Value) -> bool {
    ["awsvpc", "host"].contains(&text(document, "networkMode"))
}

/// Every object that may have the field at the end of a path, and that field.
fn visit(value: &mut Value, path: &str, act: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    let Some((step, rest)) = path.split_once('.') else {
        if let Value::Object(object) = value {
            act(object, path);
        }
        return;
    };
    match step.strip_suffix("[]") {
        Some(name) => {
            let list = value.get_mut(name).and_then(Value::as_array_mut);
            for one in list.into_iter().flatten() {
                visit(one, rest, act);
            }
        }
        None => {
            if let Some(inner) = value.get_mut(step) {
                visit(inner, rest, act);
            }
        }
    }
}

fn count(object: &mut Map<String, Value>, field: &str, unit: &str) {
    let size = object.get(field).and_then(Value::as_str);
    if let Some(size) = size.and_then(|size| units(size, unit)) {
        object.insert(field.to_owned(), Value::String(size.to_string()));
    }
}

/// A size: a whole number, or a number of the larger unit, which is 1024 of the smaller.
pub(in crate::aws) fn units(size: &str, larger: &str) -> Option<u32> {
    let size = size.trim().to_lowercase();
    let Some(number) = size.strip_suffix(larger) else {
        return size.parse().ok();
    };
    let number: f64 = number.trim().parse().ok()?;
    // Sizes are multiples of an eighth, and at most 1024, of the larger unit.
    (1..=8192)
        .map(|n| n * 128)
        .find(|units| f64::from(*units) == number * 1024.0)
}

fn sort(object: &mut Map<String, Value>, field: &str) {
    if let Some(Value::Array(list)) = object.get_mut(field) {
        list.sort_by_cached_key(Value::to_string);
    }
}

/// A value of the table.
fn read(default: &str) -> Value {
    serde_json::from_str(default).unwrap_or_default()
}

/// An absent list, an empty one and null are the same to AWS.
fn without_empty(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(without_empty);
            object.retain(|_, inner| is_said(inner));
        }
        Value::Array(list) => list.iter_mut().for_each(without_empty),
        _ => {}
    }
}

#[cfg(any(test, feature = "sim"))]
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}
