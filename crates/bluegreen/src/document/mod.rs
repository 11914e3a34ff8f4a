//! Files as trees that know where everything stands in them.
//!
//! A value alone cannot say that a name stands twice, nor on which line a field is. So definition
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

/// A place in a file. Columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no document.
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

/// A value and where it begins. Two are equal if they hold the same, wherever it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) holds: Holds,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Holds {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a name may stand more than once.
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
    /// The value alone. Of a name that stands twice the last counts, as for AWS's clients.
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

    /// The members, if it is an object.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.holds {
            Holds::Object(members) => members,
            _ => &[],
        }
    }

    /// The value that counts of a name, if it is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let mut members = self.members().iter().rev();
        members
            .find(|one| one.name == name)
            .map(|member| &member.value)
    }

    /// Where a path such as `containers[0].image` stands, or else what comes nearest to it.
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
                    // A name may hold a dot: the longest that fits is meant.
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
