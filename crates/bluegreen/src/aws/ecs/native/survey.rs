//! How ECS was told to move a deployment's traffic, and what speaks against a judge.

use std::time::Duration;

use serde_json::json;

use super::{EcsNativeDeployment, read, wire::Deployment};
use crate::{
    aws::{
        api::EcsCall,
        ecs::wire::{self, Balanced, Service, Services},
    },
    clock::span,
    error::{Error, ErrorKind, Result},
    native::{NativeObservation, NativeStatus, NativeStrategy, NativeSurvey, RevisionGroup},
    preflight::Finding,
    traffic::Percent,
};

pub(super) async fn survey(one: &EcsNativeDeployment) -> Result<NativeSurvey> {
    let deployment = read::described(one).await?;
    let service = service(one).await?;
    let successor = read::successor(one, &deployment).await?;
    let configuration = deployment.deployment_configuration.clone();
    let configuration = configuration.unwrap_or_default();
    let known = configuration.strategy();
    let strategy = *known.as_ref().unwrap_or(&NativeStrategy::Rolling);
    let mut survey = configuration.survey(&one.service, strategy);
    let groups = read::read_groups(one, &deployment).await?;
    (survey.blue, survey.green) = sides(&deployment, &service.load_balancers, &groups);
    let mut seen = match read::observed(one, &deployment) {
        Ok(seen) => seen,
        // A deployment without weights is refused below for its strategy.
        Err(_) if strategy == NativeStrategy::Rolling => {
            NativeObservation::new(deployment.status())
        }
        Err(error) => return Err(error),
    };
    seen.successor = successor;
    let mut findings = one.aws.endpoint_notes();
    findings.extend(not_ours(one, &service, &seen));
    match known {
        Err(unknown) => {
            let message = format!(
                "service {} deploys by `{unknown}`, which this version does not know",
                one.service
            );
            findings.push(Finding::refusal(message).with_hint("use a newer version"));
        }
        Ok(NativeStrategy::Rolling) => findings.push(rolling(one)),
        Ok(_) => {
            findings.extend(alarms(&survey));
            findings.extend(control(&survey));
            findings.extend(metrics(one, &survey));
        }
    }
    survey.observation = Some(seen);
    survey.findings = findings;
    // After the reads, since their answers tell the time.
    survey.findings.extend(one.aws.clock_note());
    Ok(survey)
}

/// The service of the deployment.
async fn service(one: &EcsNativeDeployment) -> Result<Service> {
    let attempted = format!("describe service {} in {}", one.service, one.cluster);
    let input = json!({"cluster": one.cluster, "services": [one.service]});
    let call = EcsCall::DescribeServices;
    let answer = one.call(call, input, &attempted).await?;
    let mut answer: Services = wire::read(answer, &attempted)?;
    if let Some(raw) = answer.services.pop() {
        return wire::read(raw, &attempted);
    }
    let (kind, reason) = match answer.failures.first() {
        Some(failure) if failure.reason == "MISSING" => (ErrorKind::NotFound, "MISSING"),
        Some(failure) => (ErrorKind::Unavailable, failure.reason.as_str()),
        None => (
            ErrorKind::Unavailable,
            "the answer does not mention the service",
        ),
    };
    Err(Error::new(kind, format!("{attempted}: {reason}")))
}

/// The groups of blue and green. ECS chooses green's group when the deployment starts; before that it is the
/// one of the service's two groups that blue is not in.
fn sides(
    deployment: &Deployment,
    balanced: &[Balanced],
    groups: &[RevisionGroup],
) -> (Option<RevisionGroup>, Option<RevisionGroup>) {
    let of = |arn: &str| groups.iter().find(|one| one.revision == arn).cloned();
    let sources = deployment.source_service_revisions.iter();
    let blue = sources.filter_map(|one| of(&one.arn)).next();
    let target = deployment.target_service_revision.as_ref();
    let green = target.and_then(|target| {
        of(&target.arn).or_else(|| {
            let known = &blue.as_ref()?.target_group;
            let pair = balanced.iter().find_map(|one| {
                let advanced = one.advanced_configuration.as_ref()?;
                let alternate = advanced.alternate_target_group_arn.as_ref()?;
                Some((
                    one.target_group_arn.as_ref()?,
                    alternate,
                    &advanced.production_listener_rule,
                ))
            });
            let (first, second, rule) = pair?;
            let other = match (first == known, second == known) {
                (true, false) => second,
                (false, true) => first,
                _ => return None,
            };
            let mut group = RevisionGroup::new(&target.arn, other);
            group.rule.clone_from(rule);
            Some(group)
        })
    });
    (blue, green)
}

/// Deployments that this judge must leave alone.
fn not_ours(
    one: &EcsNativeDeployment,
    service: &Service,
    seen: &NativeObservation,
) -> Vec<Finding> {
    let name = &one.service;
    let mut findings = Vec::new();
    let controller = service.deployment_controller.as_ref();
    let kind = controller.map_or("", |one| one.r#type.as_str());
    if !kind.is_empty() && kind != "ECS" {
        let message = format!("service {name} is deployed by {kind}: ECS moves no traffic");
        findings.push(Finding::refusal(message).with_hint("answer the pauses of that controller"));
    }
    if service.status == "DRAINING" || service.status == "INACTIVE" {
        let message = format!("service {name} is being deleted");
        findings
            .push(Finding::refusal(message).with_hint("name a deployment of a service that runs"));
    }
    if let Some(newer) = &seen.successor {
        let message = format!("deployment {} was replaced by a newer one", one.id());
        findings.push(Finding::refusal(message).with_hint(format!("judge that: {newer}")));
    }
    if seen.status.is_over() || seen.status.is_going_back() {
        let message = format!("deployment {} is {}", one.id(), seen.status);
        findings.push(
            Finding::refusal(message)
                .with_hint("there is nothing to answer; name a deployment that is under way"),
        );
    }
    if let NativeStatus::Unknown(status) = &seen.status {
        let message = format!(
            "deployment {} is `{status}`, a state that this version does not know",
            one.id()
        );
        findings.push(Finding::refusal(message).with_hint("use a newer version"));
    }
    if seen.sources.len() > 1 {
        findings.push(Finding::note(format!(
            "the deployment replaces {} revisions: ECS puts everything on the one that was deployed last \
             before it begins",
            seen.sources.len()
        )));
    }
    findings
}

fn rolling(one: &EcsNativeDeployment) -> Finding {
    let message = format!(
        "service {} deploys by ROLLING: ECS replaces copies and divides no traffic by weights",
        one.service
    );
    Finding::refusal(message).with_hint(
        "deploy the service with `bluegreen deploy`, or set its strategy to BLUE_GREEN, LINEAR or CANARY",
    )
}

/// Alarms that act beside the judge.
fn alarms(survey: &NativeSurvey) -> Option<Finding> {
    if survey.alarms.is_empty() {
        return None;
    }
    let names = survey.alarms.join(", ");
    Some(if survey.alarms_roll_back {
        Finding::note(format!(
            "ECS itself rolls back if an alarm goes off ({names}): the first to find harm acts, the judge or \
             the alarm"
        ))
    } else {
        Finding::note(format!(
            "ECS ends the deployment without a rollback if an alarm goes off ({names}): the traffic then \
             stays as it is"
        ))
        .with_hint("set `rollback` of the service's alarms, or take the alarms out")
    })
}

/// Which time has no live control.
fn control(survey: &NativeSurvey) -> Option<Finding> {
    let all_at_once = match survey.strategy {
        NativeStrategy::BlueGreen => true,
        NativeStrategy::Linear { step, .. } => step == Percent::HUNDRED,
        NativeStrategy::Canary { share, .. } => share == Percent::HUNDRED,
        _ => false,
    };
    let bake = span(survey.bake);
    if all_at_once {
        return Some(Finding::note(format!(
            "ECS moves everything at once: no share of the traffic stays on blue, so green is compared \
             with blue's past, for the {bake} of the bake"
        )));
    }
    (survey.bake > Duration::ZERO).then(|| {
        Finding::note(format!(
            "the last step leaves blue no share: in the {bake} of the bake green is compared with blue's past"
        ))
    })
}

/// Whether the requests of green and blue can be counted apart.
fn metrics(one: &EcsNativeDeployment, survey: &NativeSurvey) -> Option<Finding> {
    let hint = "the judge needs an Application Load Balancer with a target group and an alternate target \
                group in the service's loadBalancers";
    let why = match (&survey.blue, &survey.green) {
        (Some(blue), Some(green)) if blue.target_group != green.target_group => return None,
        (Some(_), Some(_)) => "blue and green are in the same target group",
        (None, _) => "the target group of the revision that runs is not known",
        (_, None) => "the target group of the new revision is not known",
    };
    let message = format!(
        "the requests of service {} cannot be told apart: {why}",
        one.service
    );
    Some(Finding::refusal(message).with_hint(hint))
}
