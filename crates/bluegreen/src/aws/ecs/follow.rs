//! Following one deployment to its end.

use serde_json::json;

use super::{
    EcsServiceDeployer,
    wire::{self, Deployment, Service, Task, TaskList, Tasks},
};
use crate::{
    aws::api::EcsCall,
    error::Result,
    service::{
        DeploymentEnd, DeploymentId, DeploymentProgress, Rollout, ServiceEvent, StoppedTask,
    },
};

/// So many of the service's last words are shown, and so many stopped copies.
const EVENTS: usize = 50;
const STOPPED: usize = 5;

pub(super) async fn progress(
    deployer: &EcsServiceDeployer,
    id: &DeploymentId,
) -> Result<DeploymentProgress> {
    let Some((_, service)) = deployer.describe().await? else {
        let reason = "the service is gone".to_owned();
        return Ok(DeploymentProgress::going_on(0, 0, 0).ended(DeploymentEnd::Failed { reason }));
    };
    let ours = service.deployments.iter().find(|one| one.id == id.as_str());
    let mut progress = match ours {
        Some(ours) => {
            let (desired, running) = (ours.desired_count, ours.running_count);
            let mut progress = DeploymentProgress::going_on(desired, running, ours.failed_tasks);
            progress.pending = ours.pending_count;
            progress
        }
        None => DeploymentProgress::going_on(0, 0, 0),
    };
    judge(&service, ours, id, &mut progress);
    let since = ours.and_then(|ours| ours.created_at);
    let events = service.events.iter().take(EVENTS).rev();
    progress.events = events
        .filter_map(|event| {
            let at = event.created_at?;
            since.is_none_or(|since| at >= since).then(|| ServiceEvent {
                id: event.id.clone(),
                at,
                message: event.message.clone(),
            })
        })
        .collect();
    let failed = matches!(
        progress.end,
        Some(DeploymentEnd::Failed { .. } | DeploymentEnd::RolledBack { .. })
    );
    if progress.failed > 0 || failed || progress.rolling_back_to.is_some() {
        let revision = ours.map(|ours| ours.task_definition.clone());
        progress.stopped = match stopped(deployer, id, revision).await {
            Ok(stopped) => stopped,
            // Why copies stopped is worth a look, but decides nothing.
            Err(error) => {
                tracing::warn!(%error, "stopped tasks cannot be read");
                Vec::new()
            }
        };
    }
    Ok(progress)
}

/// What became of our deployment.
fn judge(
    service: &Service,
    ours: Option<&Deployment>,
    id: &DeploymentId,
    progress: &mut DeploymentProgress,
) {
    let Some(primary) = service.primary() else {
        return;
    };
    if primary.id == id.as_str() {
        match primary.rollout() {
            Rollout::Completed if primary.running_count == primary.desired_count => {
                progress.end = Some(DeploymentEnd::Won);
            }
            Rollout::Failed if !service.takes_back() => {
                let reason = reason_of(service, Some(primary), id);
                progress.end = Some(DeploymentEnd::Failed { reason });
            }
            // The service is about to take it back; its own deployment will be primary.
            _ => {}
        }
        return;
    }
    let has_failed = ours.is_some_and(|ours| ours.rollout() == Rollout::Failed);
    if service.takes_back() && (has_failed || says_so(service, primary)) {
        if primary.rollout() == Rollout::Completed {
            progress.end = Some(DeploymentEnd::RolledBack {
                to: primary.revision(),
                reason: reason_of(service, ours, id),
            });
        } else {
            progress.rolling_back_to = Some(primary.revision());
        }
        return;
    }
    progress.end = Some(DeploymentEnd::Superseded {
        by: primary.id(),
        revision: primary.revision(),
    });
}

/// Whether the deployment in our place is the service's own way back. Its reason says so, and so
/// do the service's events
/// ([circuit breaker](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html)).
fn says_so(service: &Service, primary: &Deployment) -> bool {
    let reason = primary.rollout_state_reason.as_deref().unwrap_or_default();
    let back = format!("rolling back to deployment {}", primary.id);
    reason.to_lowercase().contains("rolling back")
        || service
            .events
            .iter()
            .any(|event| event.message.contains(&back))
}

/// Why a deployment failed: it says so itself, or, once it is gone, the service's events do.
fn reason_of(service: &Service, deployment: Option<&Deployment>, id: &DeploymentId) -> String {
    let own = deployment.and_then(|one| one.rollout_state_reason.clone());
    let said = || {
        let events = service.events.iter();
        let about_it = |message: &&str| message.contains(id.as_str()) && message.contains("failed");
        let found = events.map(|event| event.message.as_str()).find(about_it);
        found.map(str::to_owned)
    };
    own.or_else(said)
        .unwrap_or_else(|| "the service does not say why".to_owned())
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
        let container = task.containers.iter().find(|one| one.exit_code != Some(0));
        let logs = container.and_then(|container| {
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
