//! Reading a deployment, its revisions, and whether a newer one takes its place.

use serde_json::json;

use super::{
    EcsNativeDeployment,
    wire::{Deployment, Deployments, Revision, Revisions, seconds, share, stage_of_pause},
};
use crate::{
    aws::{alb::targets::targets_of, api::EcsCall, ecs::wire},
    error::{Error, ErrorKind, Result},
    native::{NativeObservation, NativeStatus, Pause, PauseStatus, RevisionGroup, RevisionShare},
    traffic::TargetCounts,
};

/// The most revisions that one call describes.
const REVISIONS: usize = 20;
/// The most pages of newer deployments that are read: each has up to 100.
const PAGES: usize = 20;

pub(super) async fn observation(one: &EcsNativeDeployment) -> Result<NativeObservation> {
    let deployment = described(one).await?;
    let successor = successor(one, &deployment).await?;
    let groups = groups(one, &deployment).await;
    let mut seen = observed(one, &deployment)?;
    seen.successor = successor;
    for share in seen.sources.iter_mut().chain(seen.target.as_mut()) {
        let group = groups.iter().find(|group| group.revision == share.revision);
        if let Some(group) = group {
            share.targets = targets(one, group).await;
        }
    }
    Ok(seen)
}

/// The deployment as ECS describes it.
pub(super) async fn described(one: &EcsNativeDeployment) -> Result<Deployment> {
    let attempted = format!(
        "describe deployment {} of service {} in {}",
        one.id(),
        one.service,
        one.cluster
    );
    let input = json!({"serviceDeploymentArns": [one.arn]});
    let call = EcsCall::DescribeServiceDeployments;
    let answer = one.call(call, input, &attempted).await?;
    let mut answer: Deployments = wire::read(answer, &attempted)?;
    let ours = |deployment: &Deployment| deployment.service_deployment_arn == one.arn;
    if let Some(place) = answer.service_deployments.iter().position(ours) {
        return Ok(answer.service_deployments.swap_remove(place));
    }
    // Only ECS's own `MISSING` says that there is none; an empty answer says nothing.
    let (kind, reason) = match answer.failures.first() {
        Some(failure) if failure.reason == "MISSING" => {
            (ErrorKind::NotFound, failure.reason.as_str())
        }
        Some(failure) => (ErrorKind::Unavailable, failure.reason.as_str()),
        None => (ErrorKind::Unavailable, "the answer does not mention it"),
    };
    let error = Error::new(kind, format!("{attempted}: {reason}"));
    Err(match kind {
        ErrorKind::NotFound => {
            error.with_hint("check the ARN and its region; ECS keeps deployments for 90 days")
        }
        _ => error,
    })
}

/// The observation of a deployment, without its targets.
pub(super) fn observed(
    one: &EcsNativeDeployment,
    deployment: &Deployment,
) -> Result<NativeObservation> {
    let mut seen = NativeObservation::new(deployment.status());
    seen.reason.clone_from(&deployment.status_reason);
    seen.stage.clone_from(&deployment.lifecycle_stage);
    seen.updated = deployment.updated_at;
    let target = deployment.target_service_revision.as_ref();
    seen.target = target.and_then(revision);
    seen.sources = deployment
        .source_service_revisions
        .iter()
        .filter_map(revision)
        .collect();
    // A pause must not be answered for a weight that is not known.
    if seen.status == NativeStatus::InProgress && seen.target.is_none() {
        let message = format!(
            "read deployment {}: ECS does not tell the weight of its new revision",
            one.id()
        );
        let error = Error::new(ErrorKind::Unavailable, message);
        return Err(error.with_hint("ECS tells weights only if it moves the traffic itself"));
    }
    seen.pauses = pauses(one, deployment);
    Ok(seen)
}

/// A revision whose weight is known.
fn revision(revision: &Revision) -> Option<RevisionShare> {
    let production = share(revision.requested_production_traffic_weight?)?;
    let test = revision.requested_test_traffic_weight.and_then(share);
    Some(
        RevisionShare::new(&revision.arn, production)
            .with_test(test.unwrap_or_default())
            .with_copies(revision.running_task_count, revision.requested_task_count),
    )
}

fn pauses(one: &EcsNativeDeployment, deployment: &Deployment) -> Vec<Pause> {
    let configuration = deployment.deployment_configuration.as_ref();
    let hooks = configuration.map(|one| one.hooks()).unwrap_or_default();
    let shown = deployment.lifecycle_stage.as_deref().unwrap_or_default();
    let mut seen = one.seen();
    let details = deployment.lifecycle_hook_details.iter();
    let pauses = details.filter(|hook| hook.is_pause()).map(|hook| {
        let status = hook.status();
        let key = (hook.hook_id.clone(), hook.expires_at);
        let known = seen.stages.get(&key).cloned();
        let stage = known.unwrap_or_else(|| {
            let stage = stage_of_pause(shown, &hooks);
            if status == PauseStatus::Awaiting {
                // Later reads show the stage that the deployment came to after the answer.
                seen.stages.insert(key, stage.clone());
            }
            stage
        });
        let mut pause = Pause::awaiting(hook.hook_id.as_str(), stage).with_status(status);
        pause.expires = hook.expires_at;
        pause.on_timeout = hook.on_timeout();
        pause
    });
    pauses.collect()
}

/// The newest deployment of the service, if it is newer than this one.
pub(super) async fn successor(
    one: &EcsNativeDeployment,
    deployment: &Deployment,
) -> Result<Option<String>> {
    let attempted = format!("list the deployments of service {}", one.service);
    let mut input = json!({"cluster": one.cluster, "service": one.service, "maxResults": 100});
    if let Some(created) = deployment.created_at {
        input["createdAt"] = json!({"after": seconds(created)});
    }
    let mut newest: Option<Deployment> = None;
    for _ in 0..PAGES {
        let call = EcsCall::ListServiceDeployments;
        let answer = one.call(call, input.clone(), &attempted).await?;
        let page: Deployments = wire::read(answer, &attempted)?;
        let newer = page.service_deployments.into_iter().filter(|other| {
            let times = other.created_at.zip(deployment.created_at);
            let is_newer = times.is_some_and(|(theirs, ours)| theirs > ours);
            is_newer && other.service_deployment_arn != one.arn
        });
        newest = newest
            .into_iter()
            .chain(newer)
            .max_by_key(|one| one.created_at);
        let next = page.next_token.filter(|next| input["nextToken"] != **next);
        let Some(next) = next else {
            return Ok(newest.map(|one| one.service_deployment_arn));
        };
        input["nextToken"] = json!(next);
    }
    let message = format!("{attempted}: more than {PAGES} pages");
    Err(Error::new(ErrorKind::Unavailable, message))
}

/// The groups of the deployment's revisions, as far as they can be read: a group that ECS has not chosen
/// yet is missing.
async fn groups(one: &EcsNativeDeployment, deployment: &Deployment) -> Vec<RevisionGroup> {
    match read_groups(one, deployment).await {
        Ok(groups) => groups,
        // Targets are useful, but a deployment is followed without them too.
        Err(error) => {
            tracing::warn!(%error, "the groups of the revisions cannot be read");
            Vec::new()
        }
    }
}

/// The groups of the deployment's revisions. The group of a revision never changes, so it is read once.
pub(super) async fn read_groups(
    one: &EcsNativeDeployment,
    deployment: &Deployment,
) -> Result<Vec<RevisionGroup>> {
    let sources = deployment.source_service_revisions.iter();
    let all = sources.chain(&deployment.target_service_revision);
    let all: Vec<&str> = all.map(|one| one.arn.as_str()).collect();
    let unknown: Vec<&str> = {
        let seen = one.seen();
        let unknown = all.iter().filter(|arn| !seen.groups.contains_key(**arn));
        unknown.copied().collect()
    };
    let attempted = format!("describe the revisions of service {}", one.service);
    for page in unknown.chunks(REVISIONS) {
        let input = json!({"serviceRevisionArns": page});
        let call = EcsCall::DescribeServiceRevisions;
        let answer = one.call(call, input, &attempted).await?;
        let answer: Revisions = wire::read(answer, &attempted)?;
        if answer.service_revisions.is_empty()
            && let Some(failure) = answer.failures.first()
        {
            let message = format!("{attempted}: {}", failure.reason);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        let mut seen = one.seen();
        for revision in answer.service_revisions {
            let resolved = revision.resolved_configuration.unwrap_or_default();
            let mut balanced = resolved.load_balancers.into_iter();
            let Some((group, rule)) = balanced
                .find_map(|one| Some((one.target_group_arn?, one.production_listener_rule)))
            else {
                continue;
            };
            let arn = revision.service_revision_arn;
            let mut found = RevisionGroup::new(&arn, group);
            found.rule = rule;
            seen.groups.insert(arn, found);
        }
    }
    let seen = one.seen();
    let found = all.iter().filter_map(|arn| seen.groups.get(*arn).cloned());
    Ok(found.collect())
}

/// The targets of a group; `None` if they cannot be read now.
async fn targets(one: &EcsNativeDeployment, group: &RevisionGroup) -> Option<TargetCounts> {
    let arn = group.target_group.parse().ok()?;
    match targets_of(&*one.aws.elb, &arn).await {
        Ok(targets) => Some(targets),
        Err(error) => {
            tracing::warn!(%error, "the targets cannot be read");
            None
        }
    }
}
