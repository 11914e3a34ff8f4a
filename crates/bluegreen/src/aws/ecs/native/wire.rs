//! The parts of ECS's answers about service deployments that are read: exactly the fields in use.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    aws::ecs::wire::{Balanced, Missing, time},
    native::{
        ConfiguredHook, HookTarget, NativeStatus, NativeStrategy, NativeSurvey, OnTimeout,
        PauseStatus,
    },
    traffic::Percent,
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Deployments {
    pub(super) service_deployments: Vec<Deployment>,
    pub(super) failures: Vec<Missing>,
    pub(super) next_token: Option<String>,
}

/// A deployment, whole or as a list has it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Deployment {
    pub(super) service_deployment_arn: String,
    pub(super) service_arn: String,
    pub(super) status: String,
    pub(super) status_reason: Option<String>,
    pub(super) lifecycle_stage: Option<String>,
    pub(super) lifecycle_hook_details: Vec<Hook>,
    pub(super) source_service_revisions: Vec<Revision>,
    pub(super) target_service_revision: Option<Revision>,
    pub(super) deployment_configuration: Option<Configuration>,
    #[serde(deserialize_with = "time")]
    pub(super) created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hook {
    pub(super) hook_id: String,
    pub(super) target_type: String,
    pub(super) status: String,
    #[serde(deserialize_with = "time")]
    pub(super) expires_at: Option<Timestamp>,
    pub(super) timeout_action: Option<String>,
}

/// A revision of the service in a deployment.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Revision {
    pub(super) arn: String,
    pub(super) requested_task_count: u32,
    pub(super) running_task_count: u32,
    pub(super) requested_test_traffic_weight: Option<f64>,
    pub(super) requested_production_traffic_weight: Option<f64>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Configuration {
    strategy: Option<String>,
    bake_time_in_minutes: u32,
    linear_configuration: Option<Linear>,
    canary_configuration: Option<Canary>,
    lifecycle_hooks: Vec<HookSetting>,
    pub(super) alarms: Option<Alarms>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Alarms {
    pub(super) alarm_names: Vec<String>,
    pub(super) enable: bool,
    pub(super) rollback: bool,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Linear {
    step_percent: Option<f64>,
    step_bake_time_in_minutes: Option<u32>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Canary {
    canary_percent: Option<f64>,
    canary_bake_time_in_minutes: Option<u32>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HookSetting {
    target_type: Option<String>,
    hook_target_arn: Option<String>,
    lifecycle_stages: Vec<String>,
    timeout_configuration: Option<Timeout>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Timeout {
    timeout_in_minutes: Option<u32>,
    action: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Revisions {
    pub(super) service_revisions: Vec<DescribedRevision>,
    pub(super) failures: Vec<Missing>,
}

/// A revision of the service by itself.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DescribedRevision {
    pub(super) service_revision_arn: String,
    pub(super) task_definition: String,
    pub(super) load_balancers: Vec<Balanced>,
    pub(super) resolved_configuration: Option<Resolved>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resolved {
    pub(super) load_balancers: Vec<ResolvedBalancer>,
}

/// The group that a revision's tasks are in.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ResolvedBalancer {
    pub(super) target_group_arn: Option<String>,
    pub(super) production_listener_rule: Option<String>,
}

/// ECS's defaults
/// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html)).
const STEP: f64 = 10.0;
const STEP_BAKE: u32 = 6;
const CANARY: f64 = 5.0;
const CANARY_BAKE: u32 = 10;
const HOOK_WAITS: u32 = 24 * 60;

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60) * minutes
}

impl Deployment {
    pub(super) fn status(&self) -> NativeStatus {
        match self.status.as_str() {
            "PENDING" => NativeStatus::Pending,
            "IN_PROGRESS" => NativeStatus::InProgress,
            "STOP_REQUESTED" => NativeStatus::StopRequested,
            "ROLLBACK_REQUESTED" => NativeStatus::RollbackRequested,
            "ROLLBACK_IN_PROGRESS" => NativeStatus::RollbackInProgress,
            "SUCCESSFUL" => NativeStatus::Successful,
            "STOPPED" => NativeStatus::Stopped,
            "ROLLBACK_SUCCESSFUL" => NativeStatus::RolledBack,
            "ROLLBACK_FAILED" => NativeStatus::RollbackFailed,
            other => NativeStatus::Unknown(other.to_owned()),
        }
    }
}

impl Hook {
    pub(super) fn is_pause(&self) -> bool {
        self.target_type == "PAUSE"
    }

    pub(super) fn status(&self) -> PauseStatus {
        match self.status.as_str() {
            "AWAITING_ACTION" => PauseStatus::Awaiting,
            "IN_PROGRESS" => PauseStatus::InProgress,
            "SUCCEEDED" => PauseStatus::Succeeded,
            "FAILED" => PauseStatus::Failed,
            "TIMED_OUT" => PauseStatus::TimedOut,
            other => PauseStatus::Unknown(other.to_owned()),
        }
    }

    pub(super) fn on_timeout(&self) -> OnTimeout {
        on_timeout(self.timeout_action.as_deref())
    }
}

/// An action that this version does not know may continue: that is the worse one.
fn on_timeout(action: Option<&str>) -> OnTimeout {
    match action {
        None | Some("ROLLBACK") => OnTimeout::RollBack,
        Some(_) => OnTimeout::Continue,
    }
}

/// A share in percent, to the nearest tenth; `None` if it is no share.
pub(super) fn share(percent: f64) -> Option<Percent> {
    Percent::try_from((percent * 10.0).round() / 10.0).ok()
}

impl Configuration {
    /// How ECS moves the traffic; an error names a strategy that this version does not know, or a share that
    /// is none.
    pub(super) fn strategy(&self) -> Result<NativeStrategy, String> {
        let share = |percent: f64| share(percent).ok_or_else(|| format!("{percent} percent"));
        match self.strategy.as_deref() {
            None | Some("" | "ROLLING") => Ok(NativeStrategy::Rolling),
            Some("BLUE_GREEN") => Ok(NativeStrategy::BlueGreen),
            Some("LINEAR") => {
                let linear = self.linear_configuration.clone().unwrap_or_default();
                Ok(NativeStrategy::Linear {
                    step: share(linear.step_percent.unwrap_or(STEP))?,
                    bake: minutes(linear.step_bake_time_in_minutes.unwrap_or(STEP_BAKE)),
                })
            }
            Some("CANARY") => {
                let canary = self.canary_configuration.clone().unwrap_or_default();
                Ok(NativeStrategy::Canary {
                    share: share(canary.canary_percent.unwrap_or(CANARY))?,
                    bake: minutes(canary.canary_bake_time_in_minutes.unwrap_or(CANARY_BAKE)),
                })
            }
            Some(other) => Err(other.to_owned()),
        }
    }

    /// What was configured, as a survey without a deployment.
    pub(super) fn survey(&self, service: &str, strategy: NativeStrategy) -> NativeSurvey {
        let mut survey = NativeSurvey::new(service, strategy);
        survey.bake = minutes(self.bake_time_in_minutes);
        survey.hooks = self.hooks();
        if let Some(alarms) = self.alarms.as_ref().filter(|one| one.enable) {
            survey.alarms.clone_from(&alarms.alarm_names);
            survey.alarms_roll_back = alarms.rollback;
        }
        survey
    }

    pub(super) fn hooks(&self) -> Vec<ConfiguredHook> {
        let hooks = self.lifecycle_hooks.iter().map(|hook| {
            let target = match hook.target_type.as_deref() {
                Some("PAUSE") => HookTarget::Pause,
                kind => {
                    let arn = hook.hook_target_arn.as_deref();
                    HookTarget::Function(arn.or(kind).unwrap_or("AWS_LAMBDA").to_owned())
                }
            };
            let timeout = hook.timeout_configuration.clone().unwrap_or_default();
            let waits = minutes(timeout.timeout_in_minutes.unwrap_or(HOOK_WAITS));
            let action = on_timeout(timeout.action.as_deref());
            ConfiguredHook::new(target, hook.lifecycle_stages.clone()).with_timeout(waits, action)
        });
        hooks.collect()
    }
}

/// The stage before a shift. A deployment has no name for it: only a hook's setting has.
pub(super) const BEFORE_SHIFT: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";
const SHIFT: &str = "PRODUCTION_TRAFFIC_SHIFT";

/// The stage of a pause, from the stage that the deployment shows and the stages that have pauses.
pub(super) fn stage_of_pause(shown: &str, hooks: &[ConfiguredHook]) -> String {
    let mut paused = hooks.iter().filter(|hook| hook.target == HookTarget::Pause);
    let has = |hook: &ConfiguredHook, wanted: &str| hook.stages.iter().any(|one| one == wanted);
    let is_named = paused.clone().any(|hook| has(hook, shown));
    if shown == SHIFT || (!is_named && paused.any(|hook| has(hook, BEFORE_SHIFT))) {
        return BEFORE_SHIFT.to_owned();
    }
    shown.to_owned()
}

/// The value of a time in a request: seconds since the epoch.
pub(super) fn seconds(at: Timestamp) -> Value {
    Value::from(at.as_duration().as_secs_f64())
}
