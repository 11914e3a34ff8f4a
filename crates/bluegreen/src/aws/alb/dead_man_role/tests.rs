use aws_sdk_iam::{
    operation::{
        get_role::GetRoleOutput, simulate_principal_policy::SimulatePrincipalPolicyOutput,
    },
    primitives::DateTime,
    types::{
        OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail, ResourceSpecificResult,
        Role, Statement,
    },
};
use serde_json::json;

use super::*;
use crate::{aws::api::MockIamApi, error::Error, preflight::Severity};

use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};

const ROLE: &str = "arn:aws:iam::123456789012:role/of/blue-again";
const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/a/1/2/3";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:on-call";

fn write() -> Needed {
    Needed {
        action: "elasticloadbalancing:ModifyRule",
        resource: RULE.to_owned(),
    }
}

fn trust_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": SCHEDULER },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:SourceAccount": "123456789012" } },
        }],
    })
}

fn found(arn: &str, trust: &str) -> GetRoleOutput {
    let role = Role::builder()
        .path("/of/")
        .role_name("blue-again")
        .role_id("AROA")
        .arn(arn)
        .create_date(DateTime::from_secs(0))
        .assume_role_policy_document(trust);
    GetRoleOutput::builder()
        .role(role.build().expect("whole"))
        .build()
}

fn trusting(mut iam: MockIamApi) -> MockIamApi {
    iam.expect_get_role().returning(|input| {
        assert_eq!(input.get_role_name().as_deref(), Some("blue-again"));
        let trust = trust_policy().to_string();
        let trust = trust.replace('{', "%7B").replace('"', "%22");
        Ok(found(ROLE, &trust))
    });
    iam
}

fn result(action: &str, decision: PolicyEvaluationDecisionType) -> EvaluationResult {
    EvaluationResult::builder()
        .eval_action_name(action)
        .eval_decision(decision)
        .build()
        .expect("whole")
}

fn answering(answer: impl Fn(&str) -> EvaluationResult + Send + Sync + 'static) -> MockIamApi {
    let mut iam = MockIamApi::new();
    let mocked = iam.expect_simulate_principal_policy();
    mocked.returning(move |input| {
        assert_eq!(input.get_policy_source_arn().as_deref(), Some(ROLE));
        let actions = input.get_action_names().clone().unwrap_or_default();
        let resources = input.get_resource_arns().clone().unwrap_or_default();
        let is_of_rule = actions == ["elasticloadbalancing:ModifyRule"];
        assert!(is_of_rule || actions == ["sns:Publish"], "{actions:?}");
        assert_eq!(resources, [if is_of_rule { RULE } else { TOPIC }]);
        Ok(SimulatePrincipalPolicyOutput::builder()
            .evaluation_results(answer(&actions[0]))
            .build())
    });
    iam
}

async fn checked(iam: MockIamApi) -> Vec<Finding> {
    let topic = TOPIC.parse().expect("a topic");
    let role = ROLE.parse().expect("a role");
    check(&iam, &role, write(), Some(&topic)).await
}

#[tokio::test]
async fn a_role_that_may_do_all_is_no_finding() {
    let iam = answering(|action| result(action, Allowed));
    assert_eq!(checked(trusting(iam)).await, []);
}

#[tokio::test]
async fn a_role_that_cannot_write_is_refused_with_the_statement_that_is_missing() {
    let iam = answering(|action| result(action, ImplicitDeny));
    let found = checked(trusting(iam)).await;
    let severities: Vec<_> = found.iter().map(|one| one.severity).collect();
    // The topic's own policy may allow what the role's do not.
    assert_eq!(severities, [Severity::Refuse, Severity::Note]);
    let expected = format!(
        "the role {ROLE} of the dead-man switch may not do elasticloadbalancing:ModifyRule on {RULE}: no \
         statement of its policies allows it"
    );
    assert_eq!(found[0].message, expected);
    let statement = json!({
        "Effect": "Allow", "Action": "elasticloadbalancing:ModifyRule", "Resource": RULE,
    });
    let hint = found[0].hint.as_deref().expect("a hint");
    assert_eq!(hint, format!("add the missing statement: {statement}"));
    assert!(
        found[1].message.contains("no notice is sent"),
        "{}",
        found[1]
    );
}

#[tokio::test]
async fn what_denies_is_named() {
    let denied = |action: &str| result(action, ExplicitDeny);
    let by_statement = move |action: &str| {
        let statement = Statement::builder().source_policy_id("freeze").build();
        let mut result = denied(action);
        result.matched_statements = Some(vec![statement]);
        result
    };
    let by_boundary = move |action: &str| {
        let mut result = denied(action);
        let detail = PermissionsBoundaryDecisionDetail::builder();
        result.permissions_boundary_decision_detail = Some(detail.build());
        result
    };
    let by_organization = move |action: &str| {
        let mut result = denied(action);
        let detail = OrganizationsDecisionDetail::builder().build();
        result.organizations_decision_detail = Some(detail);
        result
    };
    let cases = [
        (answering(denied), "a statement denies it"),
        (answering(by_statement), "a statement of freeze denies it"),
        (answering(by_boundary), "its permissions boundary does not"),
        (
            answering(by_organization),
            "a service control policy does not",
        ),
    ];
    for (iam, why) in cases {
        let found = checked(trusting(iam)).await;
        assert_eq!(found.len(), 2);
        for finding in &found {
            assert_eq!(finding.severity, Severity::Refuse);
            assert!(finding.message.contains(why), "{finding}");
        }
    }
}

#[tokio::test]
async fn what_depends_on_the_moment_is_a_note() {
    let iam = answering(|action| {
        let of_resource = ResourceSpecificResult::builder()
            .eval_resource_name(RULE)
            .eval_resource_decision(ImplicitDeny)
            .missing_context_values("aws:CurrentTime");
        let mut result = result(action, ImplicitDeny);
        result.resource_specific_results = Some(vec![of_resource.build().expect("whole")]);
        result
    });
    let found = checked(trusting(iam)).await;
    assert_eq!(found.len(), 2);
    for finding in found {
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.message.contains("aws:CurrentTime"), "{finding}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_there_is_refused_and_what_may_not_be_read_is_said() {
    let error = |kind, operation| ApiError::not_sent(operation, &Error::new(kind, "no"));
    for (kind, severity, count, said) in [
        (ErrorKind::NotFound, Severity::Refuse, 1, "does not exist"),
        (
            ErrorKind::Denied,
            Severity::Note,
            2,
            "could not be checked: ",
        ),
        (
            ErrorKind::Unavailable,
            Severity::Note,
            2,
            "could not be checked: ",
        ),
    ] {
        let mut iam = MockIamApi::new();
        iam.expect_get_role()
            .returning(move |_| Err(error(kind, "GetRole")));
        iam.expect_simulate_principal_policy()
            .returning(move |_| Err(error(kind, "SimulatePrincipalPolicy")));
        let found = checked(iam).await;
        assert_eq!(found.len(), count, "{found:?}");
        for finding in found {
            assert_eq!(finding.severity, severity);
            assert!(finding.message.contains(said), "{finding}");
            let hint = finding.hint.unwrap_or_default();
            assert_eq!(kind == ErrorKind::Denied, hint.contains("`iam:"), "{hint}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_iam_that_does_not_answer_is_waited_for_no_longer_than_that() {
    #[derive(Debug)]
    struct Silent;

    #[async_trait::async_trait]
    impl IamApi for Silent {
        async fn get_role(
            &self,
            _: aws_sdk_iam::operation::get_role::builders::GetRoleInputBuilder,
        ) -> Result<GetRoleOutput, ApiError> {
            std::future::pending().await
        }

        async fn simulate_principal_policy(
            &self,
            _: aws_sdk_iam::operation::simulate_principal_policy::builders::SimulatePrincipalPolicyInputBuilder,
        ) -> Result<SimulatePrincipalPolicyOutput, ApiError> {
            std::future::pending().await
        }
    }

    let found = check(&Silent, &ROLE.parse().expect("a role"), write(), None).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Note);
    assert!(found[0].message.ends_with("IAM did not answer in 20 s"));
}

#[tokio::test]
async fn a_role_of_another_path_is_another_role() {
    let mut iam = answering(|action| result(action, Allowed));
    let other = "arn:aws:iam::123456789012:role/blue-again";
    iam.expect_get_role()
        .returning(move |_| Ok(found(other, &trust_policy().to_string())));
    let found = checked(iam).await;
    assert!(found[0].message.ends_with(other), "{}", found[0]);
    assert_eq!(found[0].severity, Severity::Refuse);
}

#[test]
fn who_may_take_on_a_role_is_read_from_its_trust_policy() {
    let with = |key: &str, value: Value| {
        let mut policy = trust_policy();
        policy["Statement"][0][key] = value;
        trusts(&policy, "123456789012")
    };
    let of_account = |account: &str| json!({ "StringEquals": { "AWS:sourceAccount": account } });
    for (key, value) in [
        ("Sid", json!("as it is")),
        (
            "Principal",
            json!({ "Service": ["ecs.amazonaws.com", SCHEDULER] }),
        ),
        ("Principal", json!("*")),
        ("Action", json!(["sts:TagSession", "STS:AssumeRole"])),
        ("Condition", of_account("123456789012")),
        (
            "Condition",
            json!({ "ArnLike": { "aws:SourceArn": "any" } }),
        ),
    ] {
        assert!(with(key, value.clone()), "{key} {value}");
    }
    for (key, value) in [
        ("Principal", json!({ "Service": "ecs-tasks.amazonaws.com" })),
        (
            "Principal",
            json!({ "AWS": "arn:aws:iam::123456789012:root" }),
        ),
        ("Action", json!("sts:TagSession")),
        ("Effect", json!("Deny")),
        ("Condition", of_account("210987654321")),
    ] {
        assert!(!with(key, value.clone()), "{key} {value}");
    }
    // A single statement need not be in a list, and a plain denial wins.
    let allow = trust_policy()["Statement"][0].clone();
    assert!(trusts(&json!({ "Statement": allow }), "123456789012"));
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "*" });
    let both = json!({ "Statement": [allow, deny] });
    assert!(!trusts(&both, "123456789012"));
    assert!(!trusts(&json!({}), "123456789012"));
}
