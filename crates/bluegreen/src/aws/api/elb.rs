//! Elastic Load Balancing v2.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::{
    Client,
    operation::{
        add_tags::{AddTagsOutput, builders::AddTagsInputBuilder},
        create_rule::{CreateRuleOutput, builders::CreateRuleInputBuilder},
        create_target_group::{CreateTargetGroupOutput, builders::CreateTargetGroupInputBuilder},
        delete_rule::{DeleteRuleOutput, builders::DeleteRuleInputBuilder},
        delete_target_group::{DeleteTargetGroupOutput, builders::DeleteTargetGroupInputBuilder},
        describe_listeners::{DescribeListenersOutput, builders::DescribeListenersInputBuilder},
        describe_rules::{DescribeRulesOutput, builders::DescribeRulesInputBuilder},
        describe_tags::{DescribeTagsOutput, builders::DescribeTagsInputBuilder},
        describe_target_group_attributes::{
            DescribeTargetGroupAttributesOutput,
            builders::DescribeTargetGroupAttributesInputBuilder,
        },
        describe_target_groups::{
            DescribeTargetGroupsOutput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::{
            DescribeTargetHealthOutput, builders::DescribeTargetHealthInputBuilder,
        },
        modify_listener::{ModifyListenerOutput, builders::ModifyListenerInputBuilder},
        modify_rule::{ModifyRuleOutput, builders::ModifyRuleInputBuilder},
        modify_target_group_attributes::{
            ModifyTargetGroupAttributesOutput, builders::ModifyTargetGroupAttributesInputBuilder,
        },
        remove_tags::{RemoveTagsOutput, builders::RemoveTagsInputBuilder},
    },
};

use super::{
    Clients,
    error::{ApiError, Effect},
    whole::WholeXml,
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait ElbApi: fmt::Debug + Send + Sync {
    async fn describe_rules(
        &self,
        input: DescribeRulesInputBuilder,
    ) -> Result<DescribeRulesOutput, ApiError>;

    async fn describe_listeners(
        &self,
        input: DescribeListenersInputBuilder,
    ) -> Result<DescribeListenersOutput, ApiError>;

    async fn describe_target_groups(
        &self,
        input: DescribeTargetGroupsInputBuilder,
    ) -> Result<DescribeTargetGroupsOutput, ApiError>;

    async fn describe_target_group_attributes(
        &self,
        input: DescribeTargetGroupAttributesInputBuilder,
    ) -> Result<DescribeTargetGroupAttributesOutput, ApiError>;

    async fn describe_target_health(
        &self,
        input: DescribeTargetHealthInputBuilder,
    ) -> Result<DescribeTargetHealthOutput, ApiError>;

    async fn modify_rule(
        &self,
        input: ModifyRuleInputBuilder,
    ) -> Result<ModifyRuleOutput, ApiError>;

    async fn modify_listener(
        &self,
        input: ModifyListenerInputBuilder,
    ) -> Result<ModifyListenerOutput, ApiError>;

    async fn modify_target_group_attributes(
        &self,
        input: ModifyTargetGroupAttributesInputBuilder,
    ) -> Result<ModifyTargetGroupAttributesOutput, ApiError>;

    async fn create_target_group(
        &self,
        input: CreateTargetGroupInputBuilder,
    ) -> Result<CreateTargetGroupOutput, ApiError>;

    async fn delete_target_group(
        &self,
        input: DeleteTargetGroupInputBuilder,
    ) -> Result<DeleteTargetGroupOutput, ApiError>;

    async fn create_rule(
        &self,
        input: CreateRuleInputBuilder,
    ) -> Result<CreateRuleOutput, ApiError>;

    async fn delete_rule(
        &self,
        input: DeleteRuleInputBuilder,
    ) -> Result<DeleteRuleOutput, ApiError>;

    async fn describe_tags(
        &self,
        input: DescribeTagsInputBuilder,
    ) -> Result<DescribeTagsOutput, ApiError>;

    async fn add_tags(&self, input: AddTagsInputBuilder) -> Result<AddTagsOutput, ApiError>;

    async fn remove_tags(
        &self,
        input: RemoveTagsInputBuilder,
    ) -> Result<RemoveTagsOutput, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealElb {
    reads: Client,
    mutations: Client,
}

impl RealElb {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(
                aws_sdk_elasticloadbalancingv2,
                to,
                to.reads,
                endpoint,
                WholeXml
            ),
            mutations: client!(
                aws_sdk_elasticloadbalancingv2,
                to,
                to.mutations,
                endpoint,
                WholeXml
            ),
        }
    }
}

#[async_trait]
impl ElbApi for RealElb {
    async fn describe_rules(
        &self,
        input: DescribeRulesInputBuilder,
    ) -> Result<DescribeRulesOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeRules", Effect::Read, error))
    }

    async fn describe_listeners(
        &self,
        input: DescribeListenersInputBuilder,
    ) -> Result<DescribeListenersOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeListeners", Effect::Read, error))
    }

    async fn describe_target_groups(
        &self,
        input: DescribeTargetGroupsInputBuilder,
    ) -> Result<DescribeTargetGroupsOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeTargetGroups", Effect::Read, error))
    }

    async fn describe_target_health(
        &self,
        input: DescribeTargetHealthInputBuilder,
    ) -> Result<DescribeTargetHealthOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeTargetHealth", Effect::Read, error))
    }

    async fn describe_target_group_attributes(
        &self,
        input: DescribeTargetGroupAttributesInputBuilder,
    ) -> Result<DescribeTargetGroupAttributesOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        let operation = "DescribeTargetGroupAttributes";
        sent.map_err(|error| ApiError::from_sdk(operation, Effect::Read, error))
    }

    async fn modify_target_group_attributes(
        &self,
        input: ModifyTargetGroupAttributesInputBuilder,
    ) -> Result<ModifyTargetGroupAttributesOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        let operation = "ModifyTargetGroupAttributes";
        sent.map_err(|error| ApiError::from_sdk(operation, Effect::Mutation, error))
    }

    async fn modify_rule(
        &self,
        input: ModifyRuleInputBuilder,
    ) -> Result<ModifyRuleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("ModifyRule", Effect::Mutation, error))
    }

    async fn modify_listener(
        &self,
        input: ModifyListenerInputBuilder,
    ) -> Result<ModifyListenerOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("ModifyListener", Effect::Mutation, error))
    }

    async fn create_target_group(
        &self,
        input: CreateTargetGroupInputBuilder,
    ) -> Result<CreateTargetGroupOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("CreateTargetGroup", Effect::Mutation, error))
    }

    async fn delete_target_group(
        &self,
        input: DeleteTargetGroupInputBuilder,
    ) -> Result<DeleteTargetGroupOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("DeleteTargetGroup", Effect::Mutation, error))
    }

    async fn create_rule(
        &self,
        input: CreateRuleInputBuilder,
    ) -> Result<CreateRuleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("CreateRule", Effect::Mutation, error))
    }

    async fn delete_rule(
        &self,
        input: DeleteRuleInputBuilder,
    ) -> Result<DeleteRuleOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("DeleteRule", Effect::Mutation, error))
    }

    async fn describe_tags(
        &self,
        input: DescribeTagsInputBuilder,
    ) -> Result<DescribeTagsOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeTags", Effect::Read, error))
    }

    async fn add_tags(&self, input: AddTagsInputBuilder) -> Result<AddTagsOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("AddTags", Effect::Mutation, error))
    }

    async fn remove_tags(
        &self,
        input: RemoveTagsInputBuilder,
    ) -> Result<RemoveTagsOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("RemoveTags", Effect::Mutation, error))
    }
}
