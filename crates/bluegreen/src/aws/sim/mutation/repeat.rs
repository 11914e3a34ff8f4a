//! Repeats a change that another handle made.

use std::time::Duration;

use aws_sdk_applicationautoscaling::operation::register_scalable_target::builders::RegisterScalableTargetInputBuilder;
use aws_sdk_ecr::operation::{
    create_repository::builders::CreateRepositoryInputBuilder,
    put_image::builders::PutImageInputBuilder,
};
use aws_sdk_elasticloadbalancingv2::operation::{
    add_tags::builders::AddTagsInputBuilder, create_rule::builders::CreateRuleInputBuilder,
    create_target_group::builders::CreateTargetGroupInputBuilder,
    delete_rule::builders::DeleteRuleInputBuilder,
    delete_target_group::builders::DeleteTargetGroupInputBuilder,
    modify_listener::builders::ModifyListenerInputBuilder,
    modify_rule::builders::ModifyRuleInputBuilder,
    modify_target_group_attributes::builders::ModifyTargetGroupAttributesInputBuilder,
    remove_tags::builders::RemoveTagsInputBuilder,
};
use aws_sdk_scheduler::operation::{
    create_schedule::builders::CreateScheduleInputBuilder,
    delete_schedule::builders::DeleteScheduleInputBuilder,
    update_schedule::builders::UpdateScheduleInputBuilder,
};
use serde_json::Value;

use super::{Mutation, ecs::EcsMutation};
use crate::aws::sim::{fault::Call, state::world::World};

/// Repeats a change. Its answer is the other handle's; a refusal is the same as there.
pub(in crate::aws::sim) fn repeat(world: &mut World, now: Duration, call: Call, json: &Value) {
    let again = match call {
        Call::ModifyRule => again::<ModifyRuleInputBuilder>,
        Call::ModifyListener => again::<ModifyListenerInputBuilder>,
        Call::CreateRule => again::<CreateRuleInputBuilder>,
        Call::DeleteRule => again::<DeleteRuleInputBuilder>,
        Call::CreateTargetGroup => again::<CreateTargetGroupInputBuilder>,
        Call::DeleteTargetGroup => again::<DeleteTargetGroupInputBuilder>,
        Call::ModifyTargetGroupAttributes => again::<ModifyTargetGroupAttributesInputBuilder>,
        Call::AddTags => again::<AddTagsInputBuilder>,
        Call::RemoveTags => again::<RemoveTagsInputBuilder>,
        Call::CreateSchedule => again::<CreateScheduleInputBuilder>,
        Call::UpdateSchedule => again::<UpdateScheduleInputBuilder>,
        Call::DeleteSchedule => again::<DeleteScheduleInputBuilder>,
        Call::RegisterScalableTarget => again::<RegisterScalableTargetInputBuilder>,
        Call::CreateRepository => again::<CreateRepositoryInputBuilder>,
        Call::PutImage => again::<PutImageInputBuilder>,
        Call::ContinueServiceDeployment
        | Call::CreateService
        | Call::DeleteService
        | Call::RegisterTaskDefinition
        | Call::StopServiceDeployment
        | Call::TagResource
        | Call::UpdateService => again::<EcsMutation>,
        // Reads change nothing.
        _ => return,
    };
    again(world, now, call, json);
}

fn again<M: Mutation>(world: &mut World, now: Duration, call: Call, json: &Value) {
    world.keep(call.area(), now, None);
    if M::from_json(call, json).happen(world, now).is_err() {
        world.forget();
    }
}
