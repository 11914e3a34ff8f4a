//! [`NativeSurvey`]: how a platform was told to move a deployment's traffic.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{NativeObservation, OnTimeout};
use crate::{clock::span, preflight::Finding, traffic::Percent};

/// How the platform was told to move a deployment's traffic, and what speaks against a judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NativeSurvey {
    /// The service, for people.
    pub service: String,
    /// How the platform moves the traffic.
    pub strategy: NativeStrategy,
    /// How long the platform keeps blue after green has everything.
    pub bake: Duration,
    /// The alarms that the platform watches during the deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// Whether the platform rolls back if one of the alarms goes off.
    #[serde(default)]
    pub alarms_roll_back: bool,
    /// The hooks of the deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<ConfiguredHook>,
    /// The targets of the revision that is replaced; `None` if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue: Option<RevisionGroup>,
    /// The targets of the revision that is deployed; `None` if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<RevisionGroup>,
    /// What was found: notes, refusals, and refusals that a plan may accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The deployment as it was read during the survey, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<NativeObservation>,
}

impl NativeSurvey {
    /// Creates a survey of a service with this strategy, without a bake, alarms, hooks and findings.
    #[must_use]
    pub fn new(service: impl Into<String>, strategy: NativeStrategy) -> Self {
        Self {
            service: service.into(),
            strategy,
            bake: Duration::ZERO,
            alarms: Vec::new(),
            alarms_roll_back: false,
            hooks: Vec::new(),
            blue: None,
            green: None,
            findings: Vec::new(),
            observation: None,
        }
    }

    /// Returns the hooks that pause.
    pub fn pauses(&self) -> impl Iterator<Item = &ConfiguredHook> {
        let hooks = self.hooks.iter();
        hooks.filter(|hook| hook.target == HookTarget::Pause)
    }
}

/// How a platform moves the traffic of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NativeStrategy {
    /// Replaces copies one by one: no traffic is divided by weights.
    Rolling,
    /// Moves everything at once.
    BlueGreen,
    /// Moves an equal share at each step.
    Linear {
        /// The share of each step.
        step: Percent,
        /// How long the platform waits after each step.
        bake: Duration,
    },
    /// Moves a small share first, then the rest.
    Canary {
        /// The small share.
        share: Percent,
        /// How long the platform waits after it.
        bake: Duration,
    },
}

impl fmt::Display for NativeStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling => f.write_str("rolling"),
            Self::BlueGreen => f.write_str("blue/green, everything at once"),
            Self::Linear { step, bake } => {
                write!(f, "linear, {step} at each step, then {}", span(*bake))
            }
            Self::Canary { share, bake } => {
                write!(f, "canary, {share} for {}, then the rest", span(*bake))
            }
        }
    }
}

/// A hook as the service has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfiguredHook {
    /// The stages at which it is asked, in the platform's words.
    pub stages: Vec<String>,
    /// What is asked.
    pub target: HookTarget,
    /// How long the platform waits for the answer; `None` if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What the platform does if no answer comes in time.
    pub on_timeout: OnTimeout,
}

impl ConfiguredHook {
    /// Creates a hook at these stages, whose time-out rolls back.
    #[must_use]
    pub fn new(target: HookTarget, stages: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            stages: stages.into_iter().map(Into::into).collect(),
            target,
            timeout: None,
            on_timeout: OnTimeout::RollBack,
        }
    }

    /// Sets how long the platform waits, and what it does then.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration, on_timeout: OnTimeout) -> Self {
        Self {
            timeout: Some(timeout),
            on_timeout,
            ..self
        }
    }
}

/// What a hook asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "target", content = "name", rename_all = "snake_case")]
pub enum HookTarget {
    /// The deployment pauses until it is answered.
    Pause,
    /// A function of the platform is asked.
    Function(String),
}

/// The targets of one revision, for its metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RevisionGroup {
    /// The revision.
    pub revision: String,
    /// Its target group; on AWS the ARN.
    pub target_group: String,
    /// The rule of the load balancer that sends production traffic to it, if it is known; on AWS the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl RevisionGroup {
    /// Creates the group of a revision, without a rule.
    #[must_use]
    pub fn new(revision: impl Into<String>, target_group: impl Into<String>) -> Self {
        Self {
            revision: revision.into(),
            target_group: target_group.into(),
            rule: None,
        }
    }

    /// Adds the rule that sends production traffic to the group.
    #[must_use]
    pub fn with_rule(self, rule: impl Into<String>) -> Self {
        Self {
            rule: Some(rule.into()),
            ..self
        }
    }
}
