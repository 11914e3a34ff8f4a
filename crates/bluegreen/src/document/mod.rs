//! Files as trees in which every value has its place.
//!
//! A plain value cannot say that a name appears twice, or on which line a field is. So definition
//! files are read into a [`Node`] first, from JSON or TOML.

mod json;
#[cfg(feature = "spec")]
pub(crate) mod schema;
pub(crate) mod spelling;
#[cfg(feature = "spec")]
pub(crate) mod toml;

use std::fmt;

use serde_json::{Map, Number, Value};

pub(crate) use self::json::parse;
pub(crate) use crate::problem::Place;

/// Why a text is not a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: Place,
    pub(crate) message: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.at)
    }
}

/// A value and the place at which it begins. Two nodes are equal if they hold the same, at any
/// place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) holds: Holds,
}

/// The value at a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Holds {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a name may appear more than once.
    Object(Vec<Member>),
}

/// A name in an object, with its value.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) at: Place,
    pub(crate) name: String,
    pub(crate) value: Node,
}

impl Node {
    /// The plain value. If a name appears twice the last value counts, as for AWS's clients.
    pub(crate) fn to_value(&self) -> Value {
        match &self.holds {
            Holds::Null => Value::Null,
            Holds::Bool(value) => Value::Bool(*value),
            Holds::Number(number) => Value::Number(number.clone()),
            Holds::Text(text) => Value::String(text.clone()),
            Holds::List(list) => list.iter().map(Self::to_value).collect(),
            Holds::Object(members) => {
                let pairs = members
                    .iter()
                    .map(|one| (one.name.clone(), one.value.to_value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The members of an object; empty for any other value.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.holds {
            Holds::Object(members) => members,
            _ => &[],
        }
    }

    /// The value that counts for a name, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let mut members = self.members().iter().rev();
        members
            .find(|one| one.name == name)
            .map(|member| &member.value)
    }

    /// The place of a path such as `containers[0].image`, or of the part of the path that exists.
    pub(crate) fn place_of(&self, path: &str) -> Place {
        let (mut node, mut rest) = (self, path);
        loop {
            let step = match &node.holds {
                Holds::List(list) => rest.strip_prefix('[').and_then(|rest| {
                    let (index, rest) = rest.split_once(']')?;
                    Some((list.get(index.parse::<usize>().ok()?)?, rest))
                }),
                Holds::Object(members) => {
                    let rest = rest.strip_prefix('.').unwrap_or(rest);
                    // A name may hold a dot: the longest name that fits is meant.
                    let fits = members.iter().rev().filter_map(|one| {
                        let behind = rest.strip_prefix(one.name.as_str())?;
                        let ends = behind.is_empty() || behind.starts_with(['.', '[', ',']);
                        ends.then_some((&one.value, behind))
                    });
                    fits.min_by_key(|(_, behind)| behind.len())
                }
                _ => None,
            };
            match step {
                Some((next, behind)) => (node, rest) = (next, behind),
                None => return node.at,
            }
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.holds == other.holds
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}
