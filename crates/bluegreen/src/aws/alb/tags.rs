//! Tags of rules and target groups: the rule to which they belong.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::{operation::describe_tags::DescribeTagsInput, types::Tag};

use crate::{aws::api::ElbApi, error::Result};

/// A rule or group that was made for a rule carries the rule's ARN under this key.
pub(super) const MADE_FOR: &str = "bluegreen:made-for";
/// A group that was attached to a rule, and an older rule that was adopted as its test route, carry
/// the rule's ARN under this key.
pub(super) const ATTACHED_TO: &str = "bluegreen:attached-to";

/// The most resources in one call
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html)).
const TAGGED_AT_ONCE: usize = 20;

pub(super) type Tags = BTreeMap<String, String>;

pub(super) fn tag(key: &str, value: &str) -> Tag {
    // Infallible: the key is there.
    Tag::builder().key(key).value(value).build()
}

/// Reads the tags of each resource.
pub(super) async fn tags_of(elb: &dyn ElbApi, arns: &[&str]) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for some in arns.chunks(TAGGED_AT_ONCE) {
        let some: Vec<String> = some.iter().map(|&arn| arn.to_owned()).collect();
        let attempted = format!("read the tags of {}", some.join(", "));
        let input = DescribeTagsInput::builder().set_resource_arns(Some(some));
        let output = elb
            .describe_tags(input)
            .await
            .map_err(|error| error.into_error(attempted))?;
        for described in output.tag_descriptions.unwrap_or_default() {
            let tags = described
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            all.insert(described.resource_arn.unwrap_or_default(), tags.collect());
        }
    }
    Ok(all)
}
