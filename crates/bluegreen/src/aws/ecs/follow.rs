//! Following one deployment to its end.

use serde_json::json;

use super::{
    EcsServiceDeployer,
    update::{DEPLOYED_TAG, NOTHING, PREVIOUS_TAG},
    wire::{self, Container, Deployment, Service, Task, TaskList, Tasks},
};
use crate::{
    aws::api::EcsCall,
    error::Result,
    service::{
        DeploymentEnd, DeploymentId, DeploymentProgress, Rollout, ServiceEvent, StoppedTask,
    },
};

/// The most events of the service that are shown, and the most stopped copies.
const EVENTS: usize = 50;
const STOPPED: usize = 5;

pub(super) async fn progress(
    deployer: &EcsServiceDeployer,
    id: &DeploymentId,
) -> Result<DeploymentProgress> {
    let Some((_, service)) = deployer.describe().await? else {
        return Ok(DeploymentProgress::under_way(0).ended(DeploymentEnd::Gone));
    };
    let ours = service.deployments.iter().find(|one| one.id == id.as_str());
    let mut progress = match ours {
        Some(ours) => {
            let (desired, running) = (ours.desired_count, ours.running_count);
            let mut progress = DeploymentProgress::under_way(desired)
                .with_running(running)
                .with_failed(ours.failed_tasks);
            progress.pending = ours.pending_count;
            progress
        }
        None => DeploymentProgress::under_way(0),
    };
    progress.current = service.primary().map(Deployment::id);
    judge(&service, ours, id, &mut progress);
    progress.events = said(&service, ours);
    let failed = matches!(
        progress.end,
        Some(DeploymentEnd::Failed { .. } | DeploymentEnd::RolledBack { .. })
    );
    if progress.failed > 0 || failed || progress.rolling_back_to.is_some() {
        let revision = ours.map(|ours| ours.task_definition.clone());
        progress.stopped = match stopped(deployer, id, revision).await {
            Ok(stopped) => stopped,
            // The reasons why copies stopped are useful, but decide nothing.
            Err(error) => {
                tracing::warn!(%error, "stopped tasks cannot be read");
                Vec::new()
            }
        };
    }
    Ok(progress)
}

/// The service's events since our deployment began, oldest first.
fn said(service: &Service, ours: Option<&Deployment>) -> Vec<ServiceEvent> {
    let since = ours.and_then(|ours| ours.created_at);
    let events = service.events.iter().filter_map(|event| {
        let at = event.created_at?;
        since.is_none_or(|since| at >= since).then(|| ServiceEvent {
            id: event.id.clone(),
            at,
            message: event.message.clone(),
        })
    });
    // ECS gives the newest first. Reversing first keeps the order of events of one instant, too.
    let mut events: Vec<ServiceEvent> = events.collect();
    events.reverse();
    events.sort_by_key(|event| event.at);
    events.split_off(events.len().saturating_sub(EVENTS))
}

/// Judges what became of our deployment.
fn judge(
    service: &Service,
    ours: Option<&Deployment>,
    id: &DeploymentId,
    progress: &mut DeploymentProgress,
) {
    let failed = |reason: String| Some(DeploymentEnd::Failed { reason });
    if service.status == "DRAINING" {
        progress.end = failed("the service is being deleted".to_owned());
        return;
    }
    let Some(primary) = service.primary() else {
        return;
    };
    if primary.id == id.as_str() {
        match primary.rollout() {
            Rollout::Completed if service.is_up(primary) => {
                progress.end = Some(DeploymentEnd::Completed)
            }
            Rollout::Failed if !service.takes_back() || is_first(service, primary) => {
                progress.end = failed(reason_of(service, Some(primary), id));
            }
            // The service is about to roll it back; the deployment of that rollback will be
            // primary.
            _ => {}
        }
    } else if is_way_back(service, ours, primary, id) {
        let reason = reason_of(service, ours, id);
        match primary.rollout() {
            Rollout::Completed => {
                let to = primary.revision();
                progress.end = Some(DeploymentEnd::RolledBack { to, reason });
            }
            Rollout::Failed => {
                let back = &primary.task_definition;
                progress.end = failed(format!(
                    "{reason}; the service's own rollback to {back} failed too"
                ));
            }
            Rollout::InProgress => progress.rolling_back_to = Some(primary.revision()),
        }
    } else {
        progress.end = Some(DeploymentEnd::Superseded {
            by: primary.id(),
            revision: primary.revision(),
        });
    }
}

/// Whether nothing ran before this deployment, so that the service has nothing to go back to. ECS
/// then leaves it failed
/// ([circuit breaker](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html)).
fn is_first(service: &Service, deployment: &Deployment) -> bool {
    service.deployments.len() == 1 && previous_of(service, Some(deployment)) == Some(NOTHING)
}

/// Returns the tag that names what ran before this deployment; `None` if the service's tags are missing or
/// of another deployment.
fn previous_of<'a>(service: &'a Service, deployment: Option<&Deployment>) -> Option<&'a str> {
    let deployed = service.tag(DEPLOYED_TAG)?;
    let is_of_it = deployment.is_none_or(|one| one.task_definition == deployed);
    is_of_it.then(|| service.tag(PREVIOUS_TAG)).flatten()
}

/// Whether the deployment that took our place is the service's own rollback. While that is under
/// way, its reason and the service's events say so. Once it is complete, it has another reason, and
/// the events age out; then our deployment must have failed, and what ran before it must be back.
/// Anything else is a third party's deployment.
fn is_way_back(
    service: &Service,
    ours: Option<&Deployment>,
    primary: &Deployment,
    id: &DeploymentId,
) -> bool {
    let reason = primary.rollout_state_reason.as_deref().unwrap_or_default();
    let goes_back = |text: &str| text.to_lowercase().contains("rolling back");
    let mut events = service.events.iter().map(|event| event.message.as_str());
    if goes_back(reason) || events.any(|said| goes_back(said) && names(said, &primary.id)) {
        return true;
    }
    let has_failed = ours.is_some_and(|ours| ours.rollout() == Rollout::Failed)
        || failure_event(service, id).is_some();
    let previous = previous_of(service, ours);
    service.takes_back()
        && has_failed
        && previous.is_none_or(|previous| previous == primary.task_definition)
}

/// Why a deployment failed: it says so itself, or, once it is gone, the service's events do.
fn reason_of(service: &Service, deployment: Option<&Deployment>, id: &DeploymentId) -> String {
    let failed = deployment.filter(|one| one.rollout() == Rollout::Failed);
    let own = failed.and_then(|one| one.rollout_state_reason.clone());
    own.or_else(|| failure_event(service, id).map(str::to_owned))
        .unwrap_or_else(|| "the service does not say why".to_owned())
}

/// The event in which the service reports a deployment's failure.
fn failure_event<'a>(service: &'a Service, id: &DeploymentId) -> Option<&'a str> {
    let mut messages = service.events.iter().map(|event| event.message.as_str());
    messages.find(|said| said.contains("failed") && names(said, id.as_str()))
}

/// Whether a text names a deployment, and not another whose id only begins with this id.
fn names(text: &str, id: &str) -> bool {
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    text.split(|c| !is_of_id(c)).any(|word| word == id)
}

/// The newest copies of this deployment that stopped.
async fn stopped(
    deployer: &EcsServiceDeployer,
    id: &DeploymentId,
    revision: Option<String>,
) -> Result<Vec<StoppedTask>> {
    let attempted = format!("list the stopped tasks of {}", deployer.service);
    let mut arns = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut input = json!({
            "cluster": deployer.cluster, "serviceName": deployer.service, "desiredStatus": "STOPPED"
        });
        if let Some(token) = &token {
            input["nextToken"] = json!(token);
        }
        let answer = deployer.call(EcsCall::ListTasks, input, &attempted).await?;
        let page: TaskList = wire::read(answer, &attempted)?;
        arns.extend(page.task_arns);
        let next = page.next_token.filter(|next| Some(next) != token.as_ref());
        if next.is_none() {
            break;
        }
        token = next;
    }
    let mut tasks: Vec<Task> = Vec::new();
    for page in arns.chunks(100) {
        let input = json!({"cluster": deployer.cluster, "tasks": page});
        let answer = deployer
            .call(EcsCall::DescribeTasks, input, &attempted)
            .await?;
        let page: Tasks = wire::read(answer, &attempted)?;
        tasks.extend(
            page.tasks
                .into_iter()
                .filter(|task| task.started_by == id.as_str()),
        );
    }
    tasks.sort_by_key(|task| task.stopped_at);
    let newest = tasks.split_off(tasks.len().saturating_sub(STOPPED));
    let definition = match &revision {
        Some(revision) if !newest.is_empty() => deployer.definition_of(revision).await.ok(),
        _ => None,
    };
    let shown = newest.into_iter().map(|task| {
        let name = task.task_arn.rsplit('/').next().unwrap_or(&task.task_arn);
        let logs = to_blame(&task).and_then(|container| {
            let definition = definition.as_ref()?;
            definition.log_place(&container.name, name)
        });
        StoppedTask {
            task: name.to_owned(),
            reason: reason_of_task(&task),
            logs,
        }
    });
    Ok(shown.collect())
}

/// The container whose logs tell most: one that exited with an error, else one that never ran.
fn to_blame(task: &Task) -> Option<&Container> {
    let containers = || task.containers.iter();
    let crashed = containers().find(|one| one.exit_code.is_some_and(|code| code != 0));
    crashed.or_else(|| containers().find(|one| one.exit_code.is_none()))
}

fn reason_of_task(task: &Task) -> String {
    let mut parts = Vec::new();
    parts.extend(
        task.stopped_reason
            .clone()
            .or_else(|| task.stop_code.clone()),
    );
    for container in &task.containers {
        match (container.exit_code, &container.reason) {
            (Some(code), Some(reason)) => {
                parts.push(format!("{} exited with {code}: {reason}", container.name));
            }
            (Some(code), None) if code != 0 => {
                parts.push(format!("{} exited with {code}", container.name));
            }
            (None, Some(reason)) => parts.push(format!("{}: {reason}", container.name)),
            _ => {}
        }
    }
    if parts.is_empty() {
        return "no reason was given".to_owned();
    }
    parts.join("; ")
}
