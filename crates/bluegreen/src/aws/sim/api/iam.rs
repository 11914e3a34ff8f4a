//! IAM as the simulation answers it, for the one role that schedules use.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::{
    operation::{
        get_role::{GetRoleOutput, builders::GetRoleInputBuilder},
        simulate_principal_policy::{
            SimulatePrincipalPolicyOutput, builders::SimulatePrincipalPolicyInputBuilder,
        },
    },
    primitives::DateTime,
    types::{EvaluationResult, PolicyEvaluationDecisionType, Role},
};

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, IamApi},
        sim::fault::{Call, answer},
    },
    error::ErrorKind,
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimIam(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl IamApi for SimIam {
    async fn get_role(&self, input: GetRoleInputBuilder) -> Result<GetRoleOutput, ApiError> {
        let call = Call::GetRole;
        self.0
            .serve(call, move |world, _now| {
                let name = input.get_role_name().clone().unwrap_or_default();
                if !world.schedule_role.is_there() {
                    return Err(not_there(call, &name));
                }
                let service = match world.schedule_role.trusts_scheduler() {
                    true => "scheduler.amazonaws.com",
                    false => "ecs-tasks.amazonaws.com",
                };
                // In percent encoding, as IAM gives it.
                let trust = format!(
                    "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22\
                     Service%22%3A%22{service}%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"
                );
                let role = Role::builder()
                    .path("/")
                    .arn(format!("arn:aws:iam::123456789012:role/{name}"))
                    .role_name(name)
                    .role_id("AROAEXAMPLE")
                    .create_date(DateTime::from_secs(0))
                    .assume_role_policy_document(trust)
                    .build()
                    .map_err(|error| invalid(call, &error.to_string()))?;
                Ok(GetRoleOutput::builder().role(role).build())
            })
            .await
    }

    async fn simulate_principal_policy(
        &self,
        input: SimulatePrincipalPolicyInputBuilder,
    ) -> Result<SimulatePrincipalPolicyOutput, ApiError> {
        let call = Call::SimulatePrincipalPolicy;
        self.0
            .serve(call, move |world, _now| {
                let role = input.get_policy_source_arn().clone().unwrap_or_default();
                if !world.schedule_role.is_there() {
                    return Err(not_there(call, role.rsplit('/').next().unwrap_or_default()));
                }
                let actions = input.get_action_names().clone().unwrap_or_default();
                let results = actions.into_iter().map(|action| {
                    let decision = match world.schedule_role.may(&action) {
                        true => PolicyEvaluationDecisionType::Allowed,
                        false => PolicyEvaluationDecisionType::ImplicitDeny,
                    };
                    let result = EvaluationResult::builder()
                        .eval_action_name(action)
                        .eval_decision(decision)
                        .build();
                    result.map_err(|error| invalid(call, &error.to_string()))
                });
                let results = results.collect::<Result<_, _>>()?;
                Ok(SimulatePrincipalPolicyOutput::builder()
                    .set_evaluation_results(Some(results))
                    .build())
            })
            .await
    }
}

fn not_there(call: Call, name: &str) -> ApiError {
    let message = format!("The role with name {name} cannot be found.");
    answer(call, ErrorKind::NotFound, "NoSuchEntity", &message)
}

fn invalid(call: Call, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, "InvalidInput", message)
}
