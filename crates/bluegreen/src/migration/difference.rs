//! Differences between the objects of a journal and those of today.

use std::collections::BTreeSet;

/// Returns the differences between two objects, a line for each of their fields.
pub(super) fn differences(journal: &serde_json::Value, now: &serde_json::Value) -> Vec<String> {
    if journal == now {
        return Vec::new();
    }
    let (Some(was), Some(is)) = (journal.as_object(), now.as_object()) else {
        return vec![format!(
            "the journal has {journal}, the program now has {now}"
        )];
    };
    let fields: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differs = fields
        .into_iter()
        .filter(|field| was.get(*field) != is.get(*field));
    let word = |value: Option<&serde_json::Value>| match value {
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    differs
        .map(|field| {
            let (was, is) = (word(was.get(field)), word(is.get(field)));
            format!("{field}: the journal has {was}, the program now has {is}")
        })
        .collect()
}
