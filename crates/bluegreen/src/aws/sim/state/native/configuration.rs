//! How a service is deployed, read from its `deploymentConfiguration` as ECS would.

use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;

const MINUTE: Duration = Duration::from_secs(60);
/// A day: how long ECS waits for a hook, unless the hook says so.
const HOOK_WAITS: u64 = 24 * 60;

/// How a service is deployed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::aws::sim) struct Configuration {
    /// As it was written.
    pub(in crate::aws::sim) written: Value,
    pub(super) strategy: Strategy,
    /// How long both revisions run after all traffic has moved.
    pub(super) bake: Duration,
    pub(super) hooks: Vec<HookSetting>,
    /// The alarms that fail a deployment.
    pub(in crate::aws::sim) alarms: Vec<String>,
    pub(in crate::aws::sim) alarms_roll_back: bool,
}

/// How traffic moves to a new revision. Shares are in tenths of a percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Strategy {
    Rolling,
    BlueGreen,
    Linear { step: u16, bake: Duration },
    Canary { share: u16, bake: Duration },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct HookSetting {
    pub(super) stages: Vec<Stage>,
    /// The function that is asked; `None` for a pause.
    pub(super) function: Option<String>,
    pub(super) waits: Duration,
    pub(super) on_timeout: Action,
}

/// The answer to a hook, or what ECS does without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum Action {
    Continue,
    RollBack,
}

impl Action {
    pub(in crate::aws::sim) fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::RollBack => "ROLLBACK",
        }
    }

    /// Reads an action; `default` if there is none.
    pub(in crate::aws::sim) fn read(value: &Value, default: Self) -> Result<Self, String> {
        match value.as_str() {
            None => Ok(default),
            Some("CONTINUE") => Ok(Self::Continue),
            Some("ROLLBACK") => Ok(Self::RollBack),
            Some(other) => Err(format!("{other} is not a valid action")),
        }
    }
}

impl Configuration {
    /// Reads a `deploymentConfiguration`, with ECS's ranges and defaults
    /// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html)).
    pub(in crate::aws::sim) fn read(value: &Value) -> Result<Self, String> {
        let strategy = match value["strategy"].as_str() {
            None | Some("ROLLING") => Strategy::Rolling,
            Some("BLUE_GREEN") => Strategy::BlueGreen,
            Some("LINEAR") => {
                let linear = &value["linearConfiguration"];
                Strategy::Linear {
                    step: share(linear, "stepPercent", 100, 30)?,
                    bake: minutes(linear, "stepBakeTimeInMinutes", 6, 0, 1_440)?,
                }
            }
            Some("CANARY") => {
                let canary = &value["canaryConfiguration"];
                Strategy::Canary {
                    share: share(canary, "canaryPercent", 50, 1)?,
                    bake: minutes(canary, "canaryBakeTimeInMinutes", 10, 0, 1_440)?,
                }
            }
            Some(other) => return Err(format!("{other} is not a valid deployment strategy")),
        };
        let hooks = value["lifecycleHooks"].as_array();
        let hooks = hooks.into_iter().flatten().map(HookSetting::read);
        let alarms = &value["alarms"];
        let named = alarms["alarmNames"].as_array().into_iter().flatten();
        let named = named.filter_map(|name| Some(name.as_str()?.to_owned()));
        let is_on = alarms["enable"] == true;
        Ok(Self {
            written: value.clone(),
            strategy,
            bake: minutes(value, "bakeTimeInMinutes", 0, 0, 1_440)?,
            hooks: hooks.collect::<Result<_, _>>()?,
            alarms: named.filter(|_| is_on).collect(),
            alarms_roll_back: alarms["rollback"] == true,
        })
    }

    pub(in crate::aws::sim) fn is_rolling(&self) -> bool {
        self.strategy == Strategy::Rolling
    }

    /// The share of the new revision after each shift, in tenths of a percent; the last is all of it.
    pub(super) fn steps(&self) -> Vec<u16> {
        match self.strategy {
            Strategy::Rolling => Vec::new(),
            Strategy::BlueGreen => vec![1_000],
            Strategy::Linear { step, .. } => {
                let before_last = (1..).map(|nth: u16| nth * step);
                let mut steps: Vec<u16> = before_last.take_while(|share| *share < 1_000).collect();
                steps.push(1_000);
                steps
            }
            Strategy::Canary { share: 1_000, .. } => vec![1_000],
            Strategy::Canary { share, .. } => vec![share, 1_000],
        }
    }

    /// How long ECS waits after a shift that is not the last.
    pub(super) fn step_bake(&self) -> Duration {
        match self.strategy {
            Strategy::Rolling | Strategy::BlueGreen => Duration::ZERO,
            Strategy::Linear { bake, .. } | Strategy::Canary { bake, .. } => bake,
        }
    }
}

impl HookSetting {
    fn read(value: &Value) -> Result<Self, String> {
        let function = match value["targetType"].as_str() {
            Some("PAUSE") => None,
            None | Some("AWS_LAMBDA") => match value["hookTargetArn"].as_str() {
                Some(arn) => Some(arn.to_owned()),
                None => return Err("hookTargetArn is required for a function".to_owned()),
            },
            Some(other) => return Err(format!("{other} is not a valid hook target type")),
        };
        let stages = value["lifecycleStages"].as_array();
        let stages = stages.into_iter().flatten().map(|stage| {
            let name = stage.as_str().unwrap_or_default();
            let stage = Stage::of_hook(name)
                .ok_or_else(|| format!("{name} is not a lifecycle stage of a hook"))?;
            if function.is_none() && !stage.may_pause() {
                return Err(format!("a PAUSE hook cannot be configured at {name}"));
            }
            Ok(stage)
        });
        let stages: Vec<Stage> = stages.collect::<Result<_, _>>()?;
        if stages.is_empty() {
            return Err("lifecycleStages is required".to_owned());
        }
        let timeout = &value["timeoutConfiguration"];
        Ok(Self {
            stages,
            function,
            waits: minutes(timeout, "timeoutInMinutes", HOOK_WAITS, 1, 20_160)?,
            on_timeout: Action::read(&timeout["action"], Action::RollBack)?,
        })
    }
}

/// A whole number of minutes.
fn minutes(
    of: &Value,
    field: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<Duration, String> {
    let value = &of[field];
    let minutes = if value.is_null() {
        Some(default)
    } else {
        value.as_u64()
    };
    let minutes = minutes.filter(|minutes| (least..=most).contains(minutes));
    let minutes = minutes.and_then(|minutes| u32::try_from(minutes).ok());
    let minutes =
        minutes.ok_or_else(|| format!("{field} must be a whole number from {least} to {most}"))?;
    Ok(MINUTE * minutes)
}

/// A multiple of 0.1 up to 100, as tenths; `default` and `least` are tenths too.
fn share(of: &Value, field: &str, default: u16, least: u16) -> Result<u16, String> {
    let value = &of[field];
    let wrong = || format!("{field} must be a multiple of 0.1 within its range, up to 100");
    if value.is_null() {
        return Ok(default);
    }
    let tenths = value.as_f64().ok_or_else(wrong)? * 10.0;
    let found = (least..=1_000).find(|one| (f64::from(*one) - tenths).abs() < 1e-6);
    found.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(value: Value) -> Vec<u16> {
        Configuration::read(&value).expect("valid").steps()
    }

    #[test]
    fn each_strategy_has_its_steps_and_defaults() {
        assert_eq!(steps(json!({"strategy": "BLUE_GREEN"})), [1_000]);
        assert_eq!(steps(json!({"strategy": "LINEAR"})).len(), 10);
        let thirds = json!({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 33.3}});
        assert_eq!(steps(thirds), [333, 666, 999, 1_000]);
        assert_eq!(steps(json!({"strategy": "CANARY"})), [50, 1_000]);
        let tiny = json!({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.1}});
        assert_eq!(steps(tiny), [1, 1_000]);
        let linear = Configuration::read(&json!({"strategy": "LINEAR"})).expect("valid");
        assert_eq!(linear.step_bake(), MINUTE * 6);
        let canary = Configuration::read(&json!({"strategy": "CANARY"})).expect("valid");
        assert_eq!(canary.step_bake(), MINUTE * 10);
        let hook = json!({"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]});
        let paused = Configuration::read(&json!({"lifecycleHooks": [hook]})).expect("valid");
        assert_eq!(paused.hooks[0].waits, MINUTE * 1_440);
        assert_eq!(paused.hooks[0].on_timeout, Action::RollBack);
    }

    #[test]
    fn what_ecs_refuses_is_refused() {
        let pause = |stage: &str| json!({"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": [stage]}]});
        for refused in [
            json!({"strategy": "SUDDEN"}),
            json!({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}}),
            json!({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 10.05}}),
            json!({"strategy": "LINEAR", "linearConfiguration": {"stepBakeTimeInMinutes": 1441}}),
            json!({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0}}),
            json!({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 100.1}}),
            pause("PRODUCTION_TRAFFIC_SHIFT"),
            pause("TEST_TRAFFIC_SHIFT"),
            pause("BAKE_TIME"),
            json!({"lifecycleHooks": [{"targetType": "PAUSE"}]}),
            json!({"lifecycleHooks": [{"lifecycleStages": ["PRE_SCALE_UP"]}]}),
            json!({"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                "timeoutConfiguration": {"timeoutInMinutes": 20_161}}]}),
        ] {
            assert!(Configuration::read(&refused).is_err(), "{refused}");
        }
        for taken in [
            pause("RECONCILE_SERVICE"),
            pause("PRE_PRODUCTION_TRAFFIC_SHIFT"),
            pause("POST_PRODUCTION_TRAFFIC_SHIFT"),
        ] {
            assert!(Configuration::read(&taken).is_ok(), "{taken}");
        }
    }
}
