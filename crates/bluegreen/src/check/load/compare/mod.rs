//! Comparing green's answers with blue's: which kinds of differences there are, and where.
//!
//! No value of an answer is kept: a difference is a kind, a place, and the types on both sides.

mod answers;
mod date;
mod json;
mod kind;
mod reply;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(crate) use self::kind::Kind;
use self::{answers::Answers, kind::Found};
pub(crate) use self::{
    reply::{Replies, Reply},
    rules::{Rules, Tolerance},
};

/// One kind of difference between the answers of blue and green.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub(crate) struct Difference {
    /// The kind.
    pub kind: Kind,
    /// What blue answers: a status, a type, the form of a date. Never a value of a body.
    pub blue: String,
    /// What green answers.
    pub green: String,
    /// How many differences of this kind were found.
    pub count: u64,
    /// The places: `$.items[*].id`, `header cache-control`, `status`. At most ten.
    pub places: Vec<String>,
    /// The number of places.
    pub all_places: usize,
    /// The names of the requests.
    pub requests: Vec<String>,
    /// Whether the settings accept this kind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_accepted: bool,
}

/// The most places that a difference names.
const MOST_PLACES: usize = 10;

/// All differences so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    answers: Answers,
    accepted: BTreeSet<Kind>,
    found: BTreeMap<(String, Found), u64>,
    /// Where blue differs from itself: these places say nothing about green.
    varying: BTreeSet<(String, Kind, String)>,
    pub(crate) compared: u64,
}

impl Comparison {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            answers: Answers::new(rules),
            accepted: rules.accept.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Takes the answers to the request of this name and path.
    pub(crate) fn push(&mut self, request: &str, path: &str, replies: &Replies) {
        self.compared += 1;
        let [blue, again] = &replies.blue;
        for found in self.answers.differences(path, blue, again) {
            let place = (request.to_owned(), found.kind, found.place);
            self.varying.insert(place);
        }
        for found in self.answers.differences(path, blue, &replies.green) {
            *self.found.entry((request.to_owned(), found)).or_default() += 1;
        }
    }

    /// The places at which blue differs from itself. Differences of green there do not count.
    pub(crate) fn varying(&self) -> usize {
        self.varying.len()
    }

    /// Returns the differences, one for each kind and pair of types, the most frequent first.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let mut kinds = BTreeMap::<(Kind, &str, &str), Vec<_>>::new();
        for ((request, found), count) in &self.found {
            let place = (request.clone(), found.kind, found.place.clone());
            if !self.varying.contains(&place) {
                let kind = (found.kind, found.blue.as_str(), found.green.as_str());
                let entry = (request.as_str(), found.place.as_str(), *count);
                kinds.entry(kind).or_default().push(entry);
            }
        }
        let difference = |((kind, blue, green), found): ((Kind, &str, &str), Vec<_>)| {
            let places: BTreeSet<&str> = found.iter().map(|(_, place, _)| *place).collect();
            let requests: BTreeSet<&str> = found.iter().map(|(request, _, _)| *request).collect();
            let named = places.iter().take(MOST_PLACES);
            Difference {
                kind,
                blue: blue.to_owned(),
                green: green.to_owned(),
                count: found.iter().map(|(_, _, count)| *count).sum(),
                places: named.map(|place| (*place).to_owned()).collect(),
                all_places: places.len(),
                requests: requests.into_iter().map(str::to_owned).collect(),
                is_accepted: self.accepted.contains(&kind),
            }
        };
        let mut differences: Vec<Difference> = kinds.into_iter().map(difference).collect();
        differences.sort_by_key(|one| std::cmp::Reverse(one.count));
        differences
    }
}

#[cfg(test)]
mod tests;
