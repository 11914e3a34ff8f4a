//! Changes of the tags of rules and target groups.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::operation::{
    add_tags::{AddTagsInput, AddTagsOutput, builders::AddTagsInputBuilder},
    remove_tags::{RemoveTagsInput, RemoveTagsOutput, builders::RemoveTagsInputBuilder},
};
use serde_json::{Value, json};

use super::{Mutation, wire};
use crate::aws::{
    alb::spec::request::tag,
    api::ApiError,
    sim::{
        fault::Call,
        state::{groups::no_group, world::World, writes::no_rule},
    },
};

impl Mutation for AddTagsInputBuilder {
    type Output = AddTagsOutput;

    fn call(&self) -> Call {
        Call::AddTags
    }

    fn to_json(&self) -> Value {
        json!({
            "ResourceArns": self.get_resource_arns(),
            "Tags": wire::list(self.get_tags().as_ref(), wire::tag),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        AddTagsInput::builder()
            .set_resource_arns(wire::read_texts(json, "ResourceArns"))
            .set_tags(wire::read_list(json, "Tags", tag))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let arns = self.get_resource_arns().iter().flatten();
        check_tagged(Call::AddTags, world, arns.clone())?;
        let tags = self.get_tags().as_deref().unwrap_or_default();
        arns.for_each(|arn| world.groups.tag(arn, tags));
        Ok(AddTagsOutput::builder().build())
    }
}

impl Mutation for RemoveTagsInputBuilder {
    type Output = RemoveTagsOutput;

    fn call(&self) -> Call {
        Call::RemoveTags
    }

    fn to_json(&self) -> Value {
        json!({ "ResourceArns": self.get_resource_arns(), "TagKeys": self.get_tag_keys() })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        RemoveTagsInput::builder()
            .set_resource_arns(wire::read_texts(json, "ResourceArns"))
            .set_tag_keys(wire::read_texts(json, "TagKeys"))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let arns = self.get_resource_arns().iter().flatten();
        check_tagged(Call::RemoveTags, world, arns.clone())?;
        let keys = self.get_tag_keys().as_deref().unwrap_or_default();
        arns.for_each(|arn| world.groups.untag(arn, keys));
        Ok(RemoveTagsOutput::builder().build())
    }
}

/// Only groups and rules that exist can be tagged.
pub(in crate::aws::sim) fn check_tagged<'a>(
    call: Call,
    world: &World,
    mut arns: impl Iterator<Item = &'a String>,
) -> Result<(), ApiError> {
    match arns.find(|arn| !world.groups.exists(arn) && world.rules.find(arn).is_none()) {
        Some(arn) if arn.contains(":listener-rule/") => Err(no_rule(call)),
        Some(_) => Err(no_group(call)),
        None => Ok(()),
    }
}
