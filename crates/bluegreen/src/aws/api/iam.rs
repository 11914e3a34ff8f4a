//! IAM: questions about the role of a dead-man switch. Reads only.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_iam::{
    Client,
    operation::{
        get_role::{GetRoleOutput, builders::GetRoleInputBuilder},
        simulate_principal_policy::{
            SimulatePrincipalPolicyOutput, builders::SimulatePrincipalPolicyInputBuilder,
        },
    },
};

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait IamApi: fmt::Debug + Send + Sync {
    async fn get_role(&self, input: GetRoleInputBuilder) -> Result<GetRoleOutput, ApiError>;

    async fn simulate_principal_policy(
        &self,
        input: SimulatePrincipalPolicyInputBuilder,
    ) -> Result<SimulatePrincipalPolicyOutput, ApiError>;
}

/// The real service. It has one host for a whole partition, which the SDK finds by the region.
#[derive(Debug)]
pub(crate) struct RealIam {
    reads: Client,
}

impl RealIam {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_iam, to, to.reads, endpoint),
        }
    }
}

#[async_trait]
impl IamApi for RealIam {
    async fn get_role(&self, input: GetRoleInputBuilder) -> Result<GetRoleOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("GetRole", Effect::Read, error))
    }

    async fn simulate_principal_policy(
        &self,
        input: SimulatePrincipalPolicyInputBuilder,
    ) -> Result<SimulatePrincipalPolicyOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("SimulatePrincipalPolicy", Effect::Read, error))
    }
}
