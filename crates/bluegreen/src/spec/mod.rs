//! A migration as one file: what is moved, by which plan, judged by what, journalled where.
//!
//! A [`MigrationSpec`] is a plain value. It is read from TOML or JSON, where every problem is told at once
//! with its place, and made by programs. [`start`](MigrationSpec::start) wires all of it: splitter, gates,
//! lease, fence, dead-man switch. What is left out has the recommended default, which its field's docs name
//! with the reason; the same hold for the library, the command and the monitor.
//!
//! ```toml
//! name = "chatbot"
//! account = "123456789012"
//! region = "us-east-1"
//! journal = "s3://acme-bluegreen/prod"
//!
//! [traffic]
//! rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"]
//!
//! [side.flask]
//! target_group = "chatbot-flask-tg"
//! service = "chatbot-cluster/chatbot-flask"
//!
//! [side.fastapi]
//! target_group = "chatbot-fastapi-tg"
//! service = "chatbot-cluster/chatbot-fastapi"
//!
//! # All of this is the default.
//! [plan]
//! steps = ["10%", "50%", "100%"]
//! hold_back = "10%"
//! bake = "3m"
//! step_deadline = "65m"
//! deadline = "2h"
//!
//! [judge]
//! by = "sequential"
//! max_error_rate = "5%"
//! max_latency = "3s"
//!
//! [safety]
//! dead_man = { after = "10m", role = "arn:aws:iam::123456789012:role/blue-again" }
//! ```
//!
//! A side's service is deployed by what stands in `[side.NAME.deployment]`; see [`DeploymentSpec`].
//!
//! Two sides have names. Which of them serves is read from the rule when a run begins, so the file stays as
//! it is after a release. [`schema`] gives the JSON Schema of the file, for editors.
//!
//! A file with a table `[simulation]` is of a simulated world, for trying, and never of the real AWS.

mod check;
mod deployment;
mod forecast;
mod gates;
mod plan;
mod read;
#[cfg(feature = "sim")]
mod simulated;
mod start;
mod target;
#[cfg(test)]
mod tests;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    deployment::{
        DeploymentAct, DeploymentOrigin, DeploymentParts, DeploymentRun, DeploymentSpec,
        PlaceToMake, ServiceDeployment,
    },
    forecast::MigrationForecast,
    read::{SpecError, SpecProblem, schema},
    start::{Origin, Run, StartError},
    target::{NamedSide, Target},
    values::{
        Account, AlsoTag, BuildArg, FilePath, Group, Name, Place as JournalPlace, Rule, Service,
        Share, Span, ValueError,
    },
};
pub use crate::document::Place;
use crate::{
    aws::alb::{RoleArn, TopicArn},
    engine::OnCancel,
    migration::{OnInconclusive, OnResume},
    preflight::Acceptance,
    traffic::Percent,
};

/// A migration: what is moved, by which plan, judged by what, journalled where.
///
/// # Examples
///
/// ```
/// use bluegreen::spec::MigrationSpec;
///
/// let text = r#"
///     name = "chatbot"
///     [traffic]
///     rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
///     [side.flask]
///     target_group = "chatbot-flask-tg"
///     [side.fastapi]
///     target_group = "chatbot-fastapi-tg"
///     [plan]
///     steps = [5, "25%", "100%"]
/// "#;
/// let spec = MigrationSpec::from_toml(text)?;
/// println!("{}", spec.plan()?.preview());
///
/// // Every problem is told at once, each with its place.
/// let error = MigrationSpec::from_toml(&text.replace("steps", "stpes").replace("rules", "ruls"));
/// let error = error.unwrap_err();
/// assert_eq!(error.problems().len(), 3);
/// assert_eq!(
///     error.problems()[1].to_string(),
///     "line 4, column 5: traffic.ruls: is not known (`rules` is meant?)"
/// );
/// # Ok::<(), bluegreen::spec::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A migration of bluegreen")]
#[non_exhaustive]
pub struct MigrationSpec {
    /// What people call the migration, such as `chatbot`.
    pub name: Name,
    /// The account that all of this is in. With another one, nothing is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The region that all of this is in. Default: that of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// Where every decision is written down before it is carried out, and which keeps a second controller
    /// out: `s3://BUCKET/PREFIX`, or a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalPlace>,
    /// What divides the traffic.
    pub traffic: TrafficSpec,
    /// The two sides, by their names. Which of them serves is read from the rule.
    #[serde(rename = "side")]
    pub sides: BTreeMap<Name, SideSpec>,
    /// What happens when.
    #[serde(default, skip_serializing_if = "is_default")]
    pub plan: PlanSpec,
    /// What must be healthy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub judge: JudgeSpec,
    /// What holds if something dies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub safety: SafetySpec,
    /// The simulated world that all of this is in. With it, the real AWS is never called. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationSpec>,
}

/// What divides the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrafficSpec {
    /// The listener rules that divide the traffic: one, until several can be moved as one. The ARN of a
    /// rule, or that of a listener, of which it is the one rule that forwards to both sides, or a table of
    /// `listener` and `priority`.
    pub rules: Vec<Rule>,
}

/// One of the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SideSpec {
    /// The side's target group: its name or its ARN.
    pub target_group: Group,
    /// The ECS service that runs its targets. If it scales, and serves when a run begins, it keeps what runs
    /// then: its minimum is raised before the first rise, and put back after a rollback. Default: none, so it
    /// may be scaled in while the other side gets its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The CloudWatch namespace of the application's own metrics, for `judge.metrics = "app"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// The dimension `Endpoint` of those metrics. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// How the service is deployed, as `[side.NAME.deployment]`. Default: not by this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentSpec>,
}

/// What happens when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PlanSpec {
    /// The shares of the new side, ascending, the last 100 %: `"10%"`, `10`, or a table of `green`, `bake` and
    /// `deadline`. Default: 10, 50, 100, those of the guide.
    pub steps: Vec<StepSpec>,
    /// The share that stays on the old side for one step more before the last, as a live control; `"0%"` for
    /// none. Default: 10 % with `judge.by = "sequential"`, which compares the sides in the same minutes, else
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_back: Option<Share>,
    /// How long the new side is watched at each step at least. Default: 3 minutes with
    /// `judge.by = "sequential"`, which waits until it has proof, else 10 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,
    /// How long after a shift the gates must be healthy at the latest. Default: 65 minutes, or two bakes if
    /// that is longer, with `judge.by = "sequential"`, else three bakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_deadline: Option<Span>,
    /// When the whole migration must be over, pauses included. Default: 2 hours, since credentials, the job
    /// that runs it and the attention of a person end too.
    pub deadline: Span,
    /// How often everything is looked at. Default: 15 seconds, so that a dead target is seen at the first look
    /// after the balancer marks it.
    pub look_interval: Span,
    /// How long after each shift the new side's figures do not count, since caches and connections are cold.
    /// Default: 1 minute, the finest grain of the load balancer's metrics.
    pub warm_up: Span,
    /// How long the old side is kept warm after the last step. Default: none.
    pub final_bake: Span,
    /// How long going back may take, if the old side has fewer targets than it needs and the new one is
    /// healthy: a part goes as they come. `"0s"`: everything goes at once. Default: 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradual_restore: Option<Span>,
    /// How long the surroundings wait after SIGTERM before they kill. Half of it may go into a gradual way
    /// back. Default: not known, so a cancelled run goes back at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// How many targets of the old side one target of the new side can stand in for. Default: 1.
    pub capacity_ratio: f64,
    /// What happens at a deadline without healthy gates. Default: roll back.
    pub on_inconclusive: OnInconclusive,
    /// What happens on Ctrl-C, SIGTERM or an `abort`. Default: roll back.
    pub on_cancel: OnCancel,
    /// What happens when a run is resumed while traffic is divided. Default: go on.
    pub on_resume: OnResume,
}

impl Default for PlanSpec {
    fn default() -> Self {
        Self {
            steps: [Percent::TEN, Percent::FIFTY, Percent::HUNDRED]
                .map(|share| StepSpec::To(share.into()))
                .to_vec(),
            hold_back: None,
            bake: None,
            step_deadline: None,
            deadline: Span::minutes(120),
            look_interval: Span::from(std::time::Duration::from_secs(15)),
            warm_up: Span::minutes(1),
            final_bake: Span::minutes(0),
            gradual_restore: None,
            grace: None,
            capacity_ratio: 1.0,
            on_inconclusive: OnInconclusive::default(),
            on_cancel: OnCancel::default(),
            on_resume: OnResume::default(),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StepSpec {
    /// A share.
    To(Share),
    /// A share with times of its own.
    Timed(TimedStep),
}

/// A step with times of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedStep {
    /// The new side's share.
    pub green: Share,
    /// How long it is watched there at least. Default: the plan's `bake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,
    /// How long after the shift the gates must be healthy at the latest. Default: the plan's
    /// `step_deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
}

/// What must be healthy. The targets of the new side must be in any case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JudgeSpec {
    /// What judges the metrics beside the limits. Default: the comparison with the old side.
    pub by: JudgedBy,
    /// The new side's error rate must be at most this. Default: 5 %, the guide's.
    pub max_error_rate: Share,
    /// The new side's mean latency must be at most this. Default: 3 seconds, the guide's.
    pub max_latency: Span,
    /// Where requests, errors and latencies come from. Default: the load balancer.
    pub metrics: MetricsFrom,
    /// The time that one data point covers: whole minutes, or with `metrics = "app"` also 1, 5, 10 or 30
    /// seconds. Default: 1 minute.
    pub period: Span,
    /// How far the old side's error rate may have moved since before the migration, as a multiple, if its past
    /// is a control: `calibrate` finds it. Default: 3 beside a live old side, 1.5 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_ratio: Option<f64>,
    /// CloudWatch alarms that must not fire. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Name>,
    /// Those of the alarms that may be firing at the start. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_alarms: Vec<Name>,
}

impl Default for JudgeSpec {
    fn default() -> Self {
        Self {
            by: JudgedBy::default(),
            max_error_rate: Share(Percent::from_tenths(50).unwrap_or(Percent::TEN)),
            max_latency: Span::from(std::time::Duration::from_secs(3)),
            metrics: MetricsFrom::default(),
            period: Span::minutes(1),
            history_ratio: None,
            alarms: Vec::new(),
            ignore_alarms: Vec::new(),
        }
    }
}

/// What judges the metrics beside the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JudgedBy {
    /// The new side against the live old one, by evidence that stays valid at every look.
    #[default]
    Sequential,
    /// The limits alone.
    Limits,
}

/// Where requests, errors and latencies come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MetricsFrom {
    /// The load balancer's metrics of each target group.
    #[default]
    Alb,
    /// `ErrorCount`, `SuccessCount` and `RequestLatency` of the application, in each side's namespace.
    App,
}

/// What holds if something dies, and which risks are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SafetySpec {
    /// A schedule outside of the process that puts everything back if the process dies and no other one
    /// resumes the run. Without it a run needs the acceptance `no-dead-man`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<DeadManSpec>,
    /// Risks that are taken, by the names that refusals give them. Default: none.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept: BTreeSet<Acceptance>,
}

/// A dead-man switch: a one-time schedule of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeadManSpec {
    /// How long after it was last renewed it fires; it is renewed each minute. 5 minutes to 1 hour. Default:
    /// 10 minutes, which lets a controller stutter, and the old side is back before a long outage.
    #[serde(default = "ten_minutes")]
    pub after: Span,
    /// The role as which the schedule writes the rule.
    pub role: RoleArn,
    /// A topic of SNS that is told when it fires. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicArn>,
}

fn ten_minutes() -> Span {
    Span::minutes(10)
}

/// A simulated world that is kept in a folder, so that commands one after the other see the same one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimulationSpec {
    /// What happens in it, by the name of a scenario. Default: `healthy`, which ends well.
    pub scenario: Name,
    /// The seed of its randomness. Default: 1.
    pub seed: u64,
    /// How many times as fast as real time its time passes, 0.01 to 1,000,000. Default: 120, which takes a
    /// quarter of a minute for half an hour, and can still be followed.
    pub speed: f64,
    /// Where it is kept. Default: `.bluegreen`.
    pub folder: PathBuf,
}

impl Default for SimulationSpec {
    fn default() -> Self {
        Self {
            scenario: Name::known("healthy"),
            seed: 1,
            speed: 120.0,
            folder: ".bluegreen".into(),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl MigrationSpec {
    /// A migration of all defaults, of a rule that divides the traffic between two sides.
    pub fn new(
        name: Name,
        rule: impl Into<Rule>,
        sides: impl IntoIterator<Item = (Name, SideSpec)>,
    ) -> Self {
        Self {
            name,
            account: None,
            region: None,
            journal: None,
            traffic: TrafficSpec {
                rules: vec![rule.into()],
            },
            sides: sides.into_iter().collect(),
            plan: PlanSpec::default(),
            judge: JudgeSpec::default(),
            safety: SafetySpec::default(),
            simulation: None,
        }
    }
}

impl SideSpec {
    /// A side of which only the target group is known.
    pub fn new(target_group: impl Into<Group>) -> Self {
        Self {
            target_group: target_group.into(),
            service: None,
            namespace: None,
            endpoint: None,
            deployment: None,
        }
    }
}

impl DeadManSpec {
    /// A switch that fires ten minutes after its last renewal.
    #[must_use]
    pub fn new(role: RoleArn) -> Self {
        Self {
            after: ten_minutes(),
            role,
            topic: None,
        }
    }
}
