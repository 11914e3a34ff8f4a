//! Counts calls to the real or a simulated AWS, and asks the fence before each change.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::operation::{
    describe_scalable_targets::{
        DescribeScalableTargetsOutput, builders::DescribeScalableTargetsInputBuilder,
    },
    register_scalable_target::{
        RegisterScalableTargetOutput, builders::RegisterScalableTargetInputBuilder,
    },
};
use aws_sdk_cloudwatch::operation::{
    describe_alarms::{DescribeAlarmsOutput, builders::DescribeAlarmsInputBuilder},
    get_metric_data::{GetMetricDataOutput, builders::GetMetricDataInputBuilder},
};
use aws_sdk_ecr::operation::{
    batch_get_image::{BatchGetImageOutput, builders::BatchGetImageInputBuilder},
    create_repository::{CreateRepositoryOutput, builders::CreateRepositoryInputBuilder},
    describe_images::{DescribeImagesOutput, builders::DescribeImagesInputBuilder},
    describe_repositories::{
        DescribeRepositoriesOutput, builders::DescribeRepositoriesInputBuilder,
    },
    get_authorization_token::{
        GetAuthorizationTokenOutput, builders::GetAuthorizationTokenInputBuilder,
    },
    get_download_url_for_layer::{
        GetDownloadUrlForLayerOutput, builders::GetDownloadUrlForLayerInputBuilder,
    },
    put_image::{PutImageOutput, builders::PutImageInputBuilder},
};
use aws_sdk_elasticloadbalancingv2::operation::{
    add_tags::{AddTagsOutput, builders::AddTagsInputBuilder},
    create_rule::{CreateRuleOutput, builders::CreateRuleInputBuilder},
    create_target_group::{CreateTargetGroupOutput, builders::CreateTargetGroupInputBuilder},
    delete_rule::{DeleteRuleOutput, builders::DeleteRuleInputBuilder},
    delete_target_group::{DeleteTargetGroupOutput, builders::DeleteTargetGroupInputBuilder},
    describe_listeners::{DescribeListenersOutput, builders::DescribeListenersInputBuilder},
    describe_rules::{DescribeRulesOutput, builders::DescribeRulesInputBuilder},
    describe_tags::{DescribeTagsOutput, builders::DescribeTagsInputBuilder},
    describe_target_group_attributes::{
        DescribeTargetGroupAttributesOutput, builders::DescribeTargetGroupAttributesInputBuilder,
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
};
use serde_json::Value;

use super::{
    ApiError, CloudWatchApi, EcrApi, EcsApi, EcsCall, ElbApi, IamApi, ScalingApi, SchedulerApi,
    error::Effect, last_check::Guard,
};
use aws_sdk_iam::operation::{
    get_role::{GetRoleOutput, builders::GetRoleInputBuilder},
    simulate_principal_policy::{
        SimulatePrincipalPolicyOutput, builders::SimulatePrincipalPolicyInputBuilder,
    },
};
use aws_sdk_scheduler::operation::{
    create_schedule::{CreateScheduleOutput, builders::CreateScheduleInputBuilder},
    delete_schedule::{DeleteScheduleOutput, builders::DeleteScheduleInputBuilder},
    get_schedule::{GetScheduleOutput, builders::GetScheduleInputBuilder},
    update_schedule::{UpdateScheduleOutput, builders::UpdateScheduleInputBuilder},
};

/// The number of calls, by operation. A call that the SDK repeats by itself counts once.
///
/// Shown as one line: `DescribeRules 41, GetMetricData 31, …`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCounts(BTreeMap<&'static str, u64>);

impl CallCounts {
    /// The calls of one operation, such as `ModifyRule`.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.0.get(operation).copied().unwrap_or_default()
    }

    /// The operations that were called, by name.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().copied()
    }

    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for CallCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in all", self.total())?;
        for (operation, count) in &self.0 {
            write!(f, ", {operation} {count}")?;
        }
        Ok(())
    }
}

/// A counter that several layers share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<CallCounts>>);

impl Counter {
    fn count(&self, operation: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.0.entry(operation).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> CallCounts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Counts each call and passes it on; a change only if the fence lets it.
#[derive(Debug)]
pub(crate) struct Counting<A: ?Sized> {
    counter: Counter,
    guard: Option<Guard>,
    inner: Arc<A>,
}

impl<A: ?Sized> Counting<A> {
    pub(crate) fn new(counter: Counter, guard: Option<Guard>, inner: Arc<A>) -> Self {
        Self {
            counter,
            guard,
            inner,
        }
    }

    /// Makes a change if the fence lets it: nothing is awaited between the fence's answer and the
    /// call.
    async fn change<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let Some(guard) = &self.guard else {
            self.counter.count(operation);
            return call.await;
        };
        let counted = async {
            self.counter.count(operation);
            call.await
        };
        let sent = guard.send(counted).await;
        sent.map_err(|error| ApiError::not_sent(operation, &error))?
    }
}

#[async_trait]
impl ElbApi for Counting<dyn ElbApi> {
    async fn describe_rules(
        &self,
        input: DescribeRulesInputBuilder,
    ) -> Result<DescribeRulesOutput, ApiError> {
        self.counter.count("DescribeRules");
        self.inner.describe_rules(input).await
    }

    async fn describe_listeners(
        &self,
        input: DescribeListenersInputBuilder,
    ) -> Result<DescribeListenersOutput, ApiError> {
        self.counter.count("DescribeListeners");
        self.inner.describe_listeners(input).await
    }

    async fn describe_target_groups(
        &self,
        input: DescribeTargetGroupsInputBuilder,
    ) -> Result<DescribeTargetGroupsOutput, ApiError> {
        self.counter.count("DescribeTargetGroups");
        self.inner.describe_target_groups(input).await
    }

    async fn describe_target_health(
        &self,
        input: DescribeTargetHealthInputBuilder,
    ) -> Result<DescribeTargetHealthOutput, ApiError> {
        self.counter.count("DescribeTargetHealth");
        self.inner.describe_target_health(input).await
    }

    async fn describe_target_group_attributes(
        &self,
        input: DescribeTargetGroupAttributesInputBuilder,
    ) -> Result<DescribeTargetGroupAttributesOutput, ApiError> {
        self.counter.count("DescribeTargetGroupAttributes");
        self.inner.describe_target_group_attributes(input).await
    }

    async fn modify_target_group_attributes(
        &self,
        input: ModifyTargetGroupAttributesInputBuilder,
    ) -> Result<ModifyTargetGroupAttributesOutput, ApiError> {
        let sent = self.inner.modify_target_group_attributes(input);
        self.change("ModifyTargetGroupAttributes", sent).await
    }

    async fn modify_rule(
        &self,
        input: ModifyRuleInputBuilder,
    ) -> Result<ModifyRuleOutput, ApiError> {
        self.change("ModifyRule", self.inner.modify_rule(input))
            .await
    }

    async fn modify_listener(
        &self,
        input: ModifyListenerInputBuilder,
    ) -> Result<ModifyListenerOutput, ApiError> {
        self.change("ModifyListener", self.inner.modify_listener(input))
            .await
    }

    async fn create_target_group(
        &self,
        input: CreateTargetGroupInputBuilder,
    ) -> Result<CreateTargetGroupOutput, ApiError> {
        self.change("CreateTargetGroup", self.inner.create_target_group(input))
            .await
    }

    async fn delete_target_group(
        &self,
        input: DeleteTargetGroupInputBuilder,
    ) -> Result<DeleteTargetGroupOutput, ApiError> {
        self.change("DeleteTargetGroup", self.inner.delete_target_group(input))
            .await
    }

    async fn create_rule(
        &self,
        input: CreateRuleInputBuilder,
    ) -> Result<CreateRuleOutput, ApiError> {
        self.change("CreateRule", self.inner.create_rule(input))
            .await
    }

    async fn delete_rule(
        &self,
        input: DeleteRuleInputBuilder,
    ) -> Result<DeleteRuleOutput, ApiError> {
        self.change("DeleteRule", self.inner.delete_rule(input))
            .await
    }

    async fn describe_tags(
        &self,
        input: DescribeTagsInputBuilder,
    ) -> Result<DescribeTagsOutput, ApiError> {
        self.counter.count("DescribeTags");
        self.inner.describe_tags(input).await
    }

    async fn add_tags(&self, input: AddTagsInputBuilder) -> Result<AddTagsOutput, ApiError> {
        self.change("AddTags", self.inner.add_tags(input)).await
    }

    async fn remove_tags(
        &self,
        input: RemoveTagsInputBuilder,
    ) -> Result<RemoveTagsOutput, ApiError> {
        self.change("RemoveTags", self.inner.remove_tags(input))
            .await
    }
}

#[async_trait]
impl CloudWatchApi for Counting<dyn CloudWatchApi> {
    async fn get_metric_data(
        &self,
        input: GetMetricDataInputBuilder,
    ) -> Result<GetMetricDataOutput, ApiError> {
        self.counter.count("GetMetricData");
        self.inner.get_metric_data(input).await
    }

    async fn describe_alarms(
        &self,
        input: DescribeAlarmsInputBuilder,
    ) -> Result<DescribeAlarmsOutput, ApiError> {
        self.counter.count("DescribeAlarms");
        self.inner.describe_alarms(input).await
    }
}

#[async_trait]
impl EcsApi for Counting<dyn EcsApi> {
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError> {
        let sent = self.inner.call(call, input);
        match call.effect() {
            Effect::Read => {
                self.counter.count(call.operation());
                sent.await
            }
            Effect::Mutation => self.change(call.operation(), sent).await,
        }
    }
}

#[async_trait]
impl EcrApi for Counting<dyn EcrApi> {
    async fn get_authorization_token(
        &self,
        input: GetAuthorizationTokenInputBuilder,
    ) -> Result<GetAuthorizationTokenOutput, ApiError> {
        self.counter.count("GetAuthorizationToken");
        self.inner.get_authorization_token(input).await
    }

    async fn describe_repositories(
        &self,
        input: DescribeRepositoriesInputBuilder,
    ) -> Result<DescribeRepositoriesOutput, ApiError> {
        self.counter.count("DescribeRepositories");
        self.inner.describe_repositories(input).await
    }

    async fn create_repository(
        &self,
        input: CreateRepositoryInputBuilder,
    ) -> Result<CreateRepositoryOutput, ApiError> {
        self.change("CreateRepository", self.inner.create_repository(input))
            .await
    }

    async fn describe_images(
        &self,
        input: DescribeImagesInputBuilder,
    ) -> Result<DescribeImagesOutput, ApiError> {
        self.counter.count("DescribeImages");
        self.inner.describe_images(input).await
    }

    async fn batch_get_image(
        &self,
        input: BatchGetImageInputBuilder,
    ) -> Result<BatchGetImageOutput, ApiError> {
        self.counter.count("BatchGetImage");
        self.inner.batch_get_image(input).await
    }

    async fn get_download_url_for_layer(
        &self,
        input: GetDownloadUrlForLayerInputBuilder,
    ) -> Result<GetDownloadUrlForLayerOutput, ApiError> {
        self.counter.count("GetDownloadUrlForLayer");
        self.inner.get_download_url_for_layer(input).await
    }

    async fn put_image(&self, input: PutImageInputBuilder) -> Result<PutImageOutput, ApiError> {
        self.change("PutImage", self.inner.put_image(input)).await
    }
}

#[async_trait]
impl SchedulerApi for Counting<dyn SchedulerApi> {
    async fn create_schedule(
        &self,
        input: CreateScheduleInputBuilder,
    ) -> Result<CreateScheduleOutput, ApiError> {
        self.change("CreateSchedule", self.inner.create_schedule(input))
            .await
    }

    async fn update_schedule(
        &self,
        input: UpdateScheduleInputBuilder,
    ) -> Result<UpdateScheduleOutput, ApiError> {
        self.change("UpdateSchedule", self.inner.update_schedule(input))
            .await
    }

    async fn get_schedule(
        &self,
        input: GetScheduleInputBuilder,
    ) -> Result<GetScheduleOutput, ApiError> {
        self.counter.count("GetSchedule");
        self.inner.get_schedule(input).await
    }

    async fn delete_schedule(
        &self,
        input: DeleteScheduleInputBuilder,
    ) -> Result<DeleteScheduleOutput, ApiError> {
        self.change("DeleteSchedule", self.inner.delete_schedule(input))
            .await
    }
}

#[async_trait]
impl IamApi for Counting<dyn IamApi> {
    async fn get_role(&self, input: GetRoleInputBuilder) -> Result<GetRoleOutput, ApiError> {
        self.counter.count("GetRole");
        self.inner.get_role(input).await
    }

    async fn simulate_principal_policy(
        &self,
        input: SimulatePrincipalPolicyInputBuilder,
    ) -> Result<SimulatePrincipalPolicyOutput, ApiError> {
        self.counter.count("SimulatePrincipalPolicy");
        self.inner.simulate_principal_policy(input).await
    }
}

#[async_trait]
impl ScalingApi for Counting<dyn ScalingApi> {
    async fn describe_scalable_targets(
        &self,
        input: DescribeScalableTargetsInputBuilder,
    ) -> Result<DescribeScalableTargetsOutput, ApiError> {
        self.counter.count("DescribeScalableTargets");
        self.inner.describe_scalable_targets(input).await
    }

    async fn register_scalable_target(
        &self,
        input: RegisterScalableTargetInputBuilder,
    ) -> Result<RegisterScalableTargetOutput, ApiError> {
        self.change(
            "RegisterScalableTarget",
            self.inner.register_scalable_target(input),
        )
        .await
    }
}
