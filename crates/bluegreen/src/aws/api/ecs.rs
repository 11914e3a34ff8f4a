//! Elastic Container Service, as JSON.
//!
//! A task definition has some sixty structures that grow with AWS, and a copy must lose nothing
//! that a register accepts. So this seam speaks ECS's own protocol, which is JSON spelt as the AWS
//! CLI prints it: the SDK finds credentials and endpoint, signs, retries and sorts errors, and
//! bodies pass through unchanged, even fields that the SDK does not know.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_ecs::Client;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
            },
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use serde_json::Value;

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::{aws::endpoints::Endpoint, error::ErrorKind};

/// An operation of ECS that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EcsCall {
    ContinueServiceDeployment,
    CreateService,
    DeleteService,
    DescribeServiceDeployments,
    DescribeServiceRevisions,
    DescribeServices,
    DescribeTaskDefinition,
    DescribeTasks,
    ListServiceDeployments,
    ListServices,
    ListTaskDefinitions,
    ListTasks,
    RegisterTaskDefinition,
    StopServiceDeployment,
    TagResource,
    UpdateService,
}

impl EcsCall {
    /// The operation as AWS spells it.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::ContinueServiceDeployment => "ContinueServiceDeployment",
            Self::CreateService => "CreateService",
            Self::DeleteService => "DeleteService",
            Self::DescribeServiceDeployments => "DescribeServiceDeployments",
            Self::DescribeServiceRevisions => "DescribeServiceRevisions",
            Self::DescribeServices => "DescribeServices",
            Self::DescribeTaskDefinition => "DescribeTaskDefinition",
            Self::DescribeTasks => "DescribeTasks",
            Self::ListServiceDeployments => "ListServiceDeployments",
            Self::ListServices => "ListServices",
            Self::ListTaskDefinitions => "ListTaskDefinitions",
            Self::ListTasks => "ListTasks",
            Self::RegisterTaskDefinition => "RegisterTaskDefinition",
            Self::StopServiceDeployment => "StopServiceDeployment",
            Self::TagResource => "TagResource",
            Self::UpdateService => "UpdateService",
        }
    }

    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::ContinueServiceDeployment
            | Self::CreateService
            | Self::DeleteService
            | Self::RegisterTaskDefinition
            | Self::StopServiceDeployment
            | Self::TagResource
            | Self::UpdateService => Effect::Mutation,
            _ => Effect::Read,
        }
    }
}

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait EcsApi: fmt::Debug + Send + Sync {
    /// Sends `input` and returns the answer, both as ECS spells them.
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealEcs {
    reads: Client,
    mutations: Client,
}

impl RealEcs {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_ecs, to, to.reads, endpoint),
            mutations: client!(aws_sdk_ecs, to, to.mutations, endpoint),
        }
    }
}

#[async_trait]
impl EcsApi for RealEcs {
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError> {
        let (operation, effect) = (call.operation(), call.effect());
        let client = match effect {
            Effect::Read => &self.reads,
            Effect::Mutation => &self.mutations,
        };
        let raw = RawJson::new(&input);
        macro_rules! send {
            ($operation:ident) => {{
                let request = client.$operation().customize().interceptor(raw.clone());
                let sent = request.send().await;
                sent.map(drop)
                    .map_err(|error| ApiError::from_sdk(operation, effect, error))?
            }};
        }
        match call {
            EcsCall::ContinueServiceDeployment => send!(continue_service_deployment),
            EcsCall::CreateService => send!(create_service),
            EcsCall::DeleteService => send!(delete_service),
            EcsCall::DescribeServiceDeployments => send!(describe_service_deployments),
            EcsCall::DescribeServiceRevisions => send!(describe_service_revisions),
            EcsCall::DescribeServices => send!(describe_services),
            EcsCall::DescribeTaskDefinition => send!(describe_task_definition),
            EcsCall::DescribeTasks => send!(describe_tasks),
            EcsCall::ListServiceDeployments => send!(list_service_deployments),
            EcsCall::ListServices => send!(list_services),
            EcsCall::ListTaskDefinitions => send!(list_task_definitions),
            EcsCall::ListTasks => send!(list_tasks),
            EcsCall::RegisterTaskDefinition => send!(register_task_definition),
            EcsCall::StopServiceDeployment => send!(stop_service_deployment),
            EcsCall::TagResource => send!(tag_resource),
            EcsCall::UpdateService => send!(update_service),
        }
        raw.answer().ok_or_else(|| ApiError {
            kind: match effect {
                Effect::Read => ErrorKind::Unavailable,
                Effect::Mutation => ErrorKind::OutcomeUnknown,
            },
            service: None,
            operation,
            code: None,
            message: "the answer is not JSON".to_owned(),
            request_id: None,
            advice: None,
        })
    }
}

/// Replaces the body that the SDK made, and keeps the body of the answer.
#[derive(Clone)]
struct RawJson {
    body: Arc<[u8]>,
    answer: Arc<Mutex<Option<Value>>>,
}

impl RawJson {
    fn new(input: &Value) -> Self {
        Self {
            body: input.to_string().into_bytes().into(),
            answer: Arc::default(),
        }
    }

    fn answer(&self) -> Option<Value> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A body may hold environment variables, which may hold anything.
        f.debug_struct("RawJson").finish_non_exhaustive()
    }
}

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

impl Intercept for RawJson {
    fn name(&self) -> &'static str {
        "RawJson"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let headers = request.headers_mut();
        // If a later SDK speaks another protocol with ECS, nothing is sent at all.
        if headers.get("content-type") != Some(CONTENT_TYPE) {
            return Err(format!("the SDK does not send {CONTENT_TYPE} any more").into());
        }
        headers.insert("content-length", self.body.len().to_string());
        *request.body_mut() = SdkBody::from(self.body.to_vec());
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes();
        let answer = body.and_then(|bytes| serde_json::from_slice(bytes).ok());
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        Ok(())
    }
}
