//! What differs between what a journal holds and what there is now.

use std::collections::BTreeSet;

/// What differs between two objects, a line for each of their fields.
pub(super) fn differences(journal: &serde_json::Value, now: &serde_json::Value) -> Vec<String> {
    if journal == now {
        return Vec::new();
    }
    let (Some(was), Some(is)) = (journal.as_object(), now.as_object()) else {
        return vec![format!("the journal has {journal}, now it is {now}")];
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
            format!("{field}: the journal has {was}, now it is {is}")
        })
        .collect()
}
