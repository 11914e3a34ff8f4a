//! Checks that the role of a dead-man switch may do what its schedules do.

use std::time::Duration;

use aws_sdk_iam::{
    operation::{get_role::GetRoleInput, simulate_principal_policy::SimulatePrincipalPolicyInput},
    types::{EvaluationResult, PolicyEvaluationDecisionType},
};
use serde_json::Value;

use super::{RoleArn, TopicArn};
use crate::{
    aws::api::{ApiError, IamApi},
    error::ErrorKind,
    preflight::Finding,
};

/// The limit for all calls to IAM together. IAM has one host for a whole partition, which a network
/// without internet access may not reach: the run then begins without an answer.
const LIMIT: Duration = Duration::from_secs(20);
const SCHEDULER: &str = "scheduler.amazonaws.com";
const HINT: &str = "`--print-dead-man-role` prints the policies that the role needs";

/// One action of the schedules, and its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) action: &'static str,
    pub(super) resource: String,
}

/// Returns the problems of the role, and the checks that could not be made.
pub(super) async fn check(
    iam: &dyn IamApi,
    role: &RoleArn,
    write: Needed,
    topic: Option<&TopicArn>,
) -> Vec<Finding> {
    let publish = async {
        let needed = Needed {
            action: "sns:Publish",
            resource: topic?.as_str().to_owned(),
        };
        may(iam, role, needed).await
    };
    let all = async { tokio::join!(trust(iam, role), may(iam, role, write), publish) };
    let Ok((trust, write, publish)) = tokio::time::timeout(LIMIT, all).await else {
        return vec![unchecked(role, "IAM did not answer in 20 s")];
    };
    let mut found: Vec<Finding> = [trust, write, publish].into_iter().flatten().collect();
    // If the role does not exist, each of the calls says so.
    found.dedup_by(|one, before| one.message == before.message);
    found
}

fn unchecked(role: &RoleArn, why: &str) -> Finding {
    Finding::note(format!(
        "the permissions of the dead-man switch's role {role} could not be checked: {why}"
    ))
}

/// Turns an error of IAM into a finding on the role.
fn failed(role: &RoleArn, error: &ApiError) -> Finding {
    if error.kind == ErrorKind::NotFound {
        let message = format!("the role {role} of the dead-man switch does not exist");
        return Finding::refusal(message).with_hint(HINT);
    }
    let finding = unchecked(role, &format!("{}: {}", error.operation, error.message));
    match error.kind {
        ErrorKind::Denied => finding.with_hint(format!(
            "`iam:{}` on the role allows the check",
            error.operation
        )),
        _ => finding,
    }
}

/// Whether Scheduler may assume the role.
async fn trust(iam: &dyn IamApi, role: &RoleArn) -> Option<Finding> {
    let name = role.as_str().rsplit('/').next().unwrap_or_default();
    let read = GetRoleInput::builder().role_name(name);
    let found = match iam.get_role(read).await {
        Ok(found) => found.role,
        Err(error) => return Some(failed(role, &error)),
    };
    if let Some(other) = found.as_ref().filter(|found| found.arn != role.as_str()) {
        let message = format!(
            "the role {role} of the dead-man switch does not exist; the role of that name is {}",
            other.arn
        );
        return Some(Finding::refusal(message).with_hint(HINT));
    }
    let document = found.and_then(|role| role.assume_role_policy_document);
    let Some(policy) = document.as_deref().and_then(policy_of) else {
        return Some(unchecked(role, "its trust policy is not JSON"));
    };
    let account = role.as_str().split(':').nth(4).unwrap_or_default();
    if trusts(&policy, account) {
        return None;
    }
    let message = format!(
        "the role {role} of the dead-man switch does not trust {SCHEDULER}, so the switch could not fire"
    );
    Some(Finding::refusal(message).with_hint(HINT))
}

/// A policy as IAM gives it: JSON in percent encoding.
fn policy_of(document: &str) -> Option<Value> {
    let plain = serde_json::from_str(document).ok();
    plain.or_else(|| serde_json::from_str(&decoded(document)?).ok())
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Whether a trust policy lets Scheduler assume its role for schedules of this account. An unknown
/// condition counts as met.
fn trusts(policy: &Value, account: &str) -> bool {
    let is_scheduler = |text: &str| matches!(text, "*" | SCHEDULER | "scheduler.amazonaws.com.cn");
    let names = |one: &Value| {
        let principal = &one["Principal"];
        principal == "*" || texts(&principal["Service"]).any(is_scheduler)
    };
    let assumes = |one: &Value| {
        texts(&one["Action"]).any(|action| {
            let action = action.to_ascii_lowercase();
            matches!(action.as_str(), "*" | "sts:*" | "sts:assumerole")
        })
    };
    let is_of_account = |one: &Value| {
        let keys = one["Condition"]["StringEquals"].as_object();
        let wanted = keys
            .into_iter()
            .flatten()
            .find(|(key, _)| key.eq_ignore_ascii_case("aws:SourceAccount"));
        wanted.is_none_or(|(_, values)| texts(values).any(|value| value == account))
    };
    let statements: Vec<&Value> = match &policy["Statement"] {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let about = |effect: &str| -> Vec<&Value> {
        let found = statements.iter().copied();
        found
            .filter(|one| one["Effect"] == effect && names(one) && assumes(one))
            .collect()
    };
    let is_denied = about("Deny")
        .iter()
        .any(|one| one.get("Condition").is_none());
    !is_denied && about("Allow").into_iter().any(is_of_account)
}

/// The texts of a value that is a text or a list of texts.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().chain(Some(value));
    list.filter_map(Value::as_str)
}

/// Returns a finding if the role's own policies do not allow `needed`.
async fn may(iam: &dyn IamApi, role: &RoleArn, needed: Needed) -> Option<Finding> {
    let simulate = SimulatePrincipalPolicyInput::builder()
        .policy_source_arn(role.as_str())
        .action_names(needed.action)
        .resource_arns(&needed.resource);
    let answer = match iam.simulate_principal_policy(simulate).await {
        Ok(answer) => answer,
        Err(error) => return Some(failed(role, &error)),
    };
    let results = answer.evaluation_results.unwrap_or_default();
    let is_it = |one: &&EvaluationResult| one.eval_action_name.eq_ignore_ascii_case(needed.action);
    match results.iter().find(is_it) {
        Some(result) => judged(role, &needed, result),
        None => Some(unchecked(role, "IAM's answer has no result")),
    }
}

fn judged(role: &RoleArn, needed: &Needed, result: &EvaluationResult) -> Option<Finding> {
    if result.eval_decision == PolicyEvaluationDecisionType::Allowed {
        return None;
    }
    let Needed { action, resource } = needed;
    let of_resources = result.resource_specific_results().iter();
    let mut missing: Vec<&str> = of_resources
        .flat_map(|one| one.missing_context_values())
        .chain(result.missing_context_values())
        .map(String::as_str)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        let why = format!(
            "{action} on {resource} depends on {}, which is not known before the switch fires",
            missing.join(", ")
        );
        return Some(unchecked(role, &why));
    }
    let is_explicit = result.eval_decision == PolicyEvaluationDecisionType::ExplicitDeny;
    let what = format!(
        "the role {role} of the dead-man switch may not do {action} on {resource}: {}",
        why_not(result)
    );
    let statement = serde_json::json!({
        "Effect": "Allow", "Action": action, "Resource": resource,
    });
    // A topic has a policy of its own, which may allow what the role's do not.
    if action.starts_with("sns:") && !is_explicit {
        let message = format!("{what}; no notice is sent unless the topic's own policy allows it");
        return Some(Finding::note(message).with_hint(format!("to be sure, add {statement}")));
    }
    let hint = format!("add the missing statement: {statement}");
    Some(Finding::refusal(what).with_hint(hint))
}

/// The policy that does not allow the action.
fn why_not(result: &EvaluationResult) -> String {
    let organization = result.organizations_decision_detail.as_ref();
    if organization.is_some_and(|detail| !detail.allowed_by_organizations) {
        return "a service control policy does not allow it".to_owned();
    }
    let boundary = result.permissions_boundary_decision_detail.as_ref();
    if boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary) {
        return "its permissions boundary does not allow it".to_owned();
    }
    if result.eval_decision != PolicyEvaluationDecisionType::ExplicitDeny {
        return "no statement of its policies allows it".to_owned();
    }
    let statements = result.matched_statements().iter();
    let policies: Vec<&str> = statements
        .filter_map(|one| one.source_policy_id())
        .collect();
    match policies[..] {
        [] => "a statement denies it".to_owned(),
        _ => format!("a statement of {} denies it", policies.join(", ")),
    }
}

#[cfg(test)]
mod tests;
