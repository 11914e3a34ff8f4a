//! Parts of requests as JSON, spelt as AWS spells them.

use aws_sdk_elasticloadbalancingv2::types::{RuleCondition, Tag};
use serde_json::{Value, json};

use crate::aws::document::strings;

/// A list, if there is one.
pub(super) fn list<T>(items: Option<&Vec<T>>, write: impl Fn(&T) -> Value) -> Value {
    json!(items.map(|items| items.iter().map(write).collect::<Vec<_>>()))
}

/// Reads such a list.
pub(super) fn read_list<T>(
    json: &Value,
    field: &str,
    read: impl Fn(&Value) -> T,
) -> Option<Vec<T>> {
    let items = json.get(field)?.as_array()?;
    Some(items.iter().map(read).collect())
}

/// A list of texts, if there is one.
pub(super) fn read_texts(json: &Value, field: &str) -> Option<Vec<String>> {
    json.get(field)?.as_array()?;
    Some(strings(json, field))
}

pub(super) fn tag(tag: &Tag) -> Value {
    json!({ "Key": tag.key, "Value": tag.value })
}

/// A condition of a rule, of the kinds that a kept world's listener can hold.
pub(super) fn condition(condition: &RuleCondition) -> Value {
    let mut json = json!({ "Field": condition.field });
    let mut put = |field: &str, value: Value| json[field] = value;
    if let Some(values) = &condition.values {
        put("Values", json!(values));
    }
    if let Some(config) = &condition.host_header_config {
        put("HostHeaderConfig", said([("Values", &config.values)]));
    }
    if let Some(config) = &condition.path_pattern_config {
        put("PathPatternConfig", said([("Values", &config.values)]));
    }
    if let Some(config) = &condition.http_header_config {
        let mut header = said([("Values", &config.values)]);
        header["HttpHeaderName"] = json!(config.http_header_name);
        put("HttpHeaderConfig", header);
    }
    if let Some(config) = &condition.http_request_method_config {
        put(
            "HttpRequestMethodConfig",
            said([("Values", &config.values)]),
        );
    }
    json
}

/// The lists that have a value.
fn said<const N: usize>(lists: [(&str, &Option<Vec<String>>); N]) -> Value {
    let said = lists.into_iter().filter(|(_, list)| list.is_some());
    said.map(|(name, list)| (name.to_owned(), json!(list)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
