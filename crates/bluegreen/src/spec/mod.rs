//! A migration as one file: the traffic, the sides, the plan, the judge and the journal.
//!
//! A [`MigrationSpec`] is a plain value. A program makes it, or reads it from TOML or JSON, with every
//! problem reported at once with its place. [`start`](MigrationSpec::start) wires all of it: splitter, gates,
//! lease, fence, dead-man switch. A field that is left out has the recommended default, which its docs name
//! with the reason. Library, command and monitor have the same defaults.
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
//! A service whose traffic ECS moves itself has a file with a table `[native]` instead of `[traffic]` and the
//! sides; see [`NativeSpec`].
//!
//! The table `[side.NAME.deployment]` says how a side's service is deployed; see [`DeploymentSpec`].
//!
//! The two sides have names. A run reads from the rule which side serves, so the file need not change
//! after a release. [`schema`] returns the JSON Schema of the file, for editors.
//!
//! A file with a table `[simulation]` is of a simulated world, for trials, and never of the real AWS.

mod check;
mod cleanup;
mod deployment;
mod forecast;
mod gates;
mod hooks;
mod native;
mod newest;
mod plan;
mod read;
mod retire;
mod rights;
#[cfg(feature = "sim")]
mod simulated;
mod start;
mod steps;
mod target;
mod test;
#[cfg(test)]
mod tests;
mod values;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    cleanup::Cleanup,
    deployment::{
        DeploymentAct, DeploymentOrigin, DeploymentParts, DeploymentRun, DeploymentSpec,
        PlaceToMake, ServiceDeployment,
    },
    forecast::MigrationForecast,
    hooks::HooksSpec,
    native::{NativeSpec, ServiceJudge},
    read::schema,
    rights::Use,
    start::{Origin, Run, StartError},
    target::{NamedSide, Target},
    test::{GreenTest, TestSpec},
    values::{
        Account, AlsoTag, BuildArg, FilePath, Group, Name, Place as JournalPlace, Service, Span,
    },
};
use self::{
    steps::StepSpec,
    values::{Rule, Share},
    written::As,
};
pub use crate::problem::{SpecError, SpecProblem};
use crate::{
    aws::alb::{AlbRule, RoleArn, TopicArn},
    engine::OnCancel,
    migration::{OnInconclusive, OnResume, Step},
    preflight::Acceptance,
    traffic::Percent,
};

/// A migration: the traffic, the sides, the plan, the judge and the journal.
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
/// // Every problem is reported at once, each with its place.
/// let error = MigrationSpec::from_toml(&text.replace("steps", "stpes").replace("rules", "ruls"));
/// let error = error.unwrap_err();
/// assert_eq!(error.problems().len(), 3);
/// assert_eq!(
///     error.problems()[1].to_string(),
///     "line 4, column 5: traffic.ruls: is not known (did you mean `rules`?)"
/// );
/// # Ok::<(), bluegreen::spec::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A migration of bluegreen")]
#[non_exhaustive]
pub struct MigrationSpec {
    /// The name of the migration for people, such as `chatbot`.
    pub name: Name,
    /// The account of everything in this file. With credentials of another account, a run is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The region of everything in this file. Default: the region of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// The place of the journal: `s3://BUCKET/PREFIX`, or a folder. Every decision is written there before it
    /// is carried out, and the journal keeps a second controller out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalPlace>,
    /// The rule that divides the traffic. Needed, unless the file has a table `[native]`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub traffic: TrafficSpec,
    /// The two sides, by their names. A run reads from the rule which side serves. Needed, unless the file has
    /// a table `[native]`.
    #[serde(rename = "side", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sides: BTreeMap<Name, SideSpec>,
    /// A service whose traffic ECS moves itself, instead of a rule and sides. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeSpec>,
    /// The steps, their times, and what to do at deadlines.
    #[serde(default, skip_serializing_if = "is_default")]
    pub plan: PlanSpec,
    /// The health that the new side must show.
    #[serde(default, skip_serializing_if = "is_default")]
    pub judge: JudgeSpec,
    /// Protection if the controller dies, and accepted risks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub safety: SafetySpec,
    /// What is called around a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hooks: HooksSpec,
    /// The test of the new side before it gets traffic.
    #[serde(default, skip_serializing_if = "is_default")]
    pub test: TestSpec,
    /// The simulated world of this file. With it, the real AWS is never called. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationSpec>,
}

/// The rule that divides the traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrafficSpec {
    /// The listener rules that divide the traffic: one rule, until several can be moved as one. The ARN of
    /// the rule; or the ARN of its listener, if only one of its rules forwards to both sides; or a table
    /// of `listener` and `priority`.
    #[serde(with = "As::<Vec<Rule>>")]
    #[schemars(with = "Vec<Rule>")]
    pub rules: Vec<AlbRule>,
}

/// One of the two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SideSpec {
    /// The side's target group: its name or its ARN.
    pub target_group: Group,
    /// The ECS service that runs the side's targets. If the service scales, and serves when a run begins, it
    /// keeps the tasks that run then: its minimum is raised before the first rise, and put back after a
    /// rollback. Default: none, so the service may be scaled in while the other side gets its requests.
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

/// The steps, their times, and what to do at deadlines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PlanSpec {
    /// The shares of the new side, ascending, the last 100 %: `"10%"`, `10`, or a table of `green`, `bake`,
    /// `deadline` and `manual`. Default: 10, 50, 100, the steps of the guide.
    #[serde(with = "As::<Vec<StepSpec>>")]
    #[schemars(with = "Vec<StepSpec>")]
    pub steps: Vec<Step>,
    /// The share that stays on the old side as a live control, in one more step before the last; `"0%"` for
    /// no such step. Default: 10 % with `judge.by = "sequential"`, which compares the sides in the same
    /// minutes, else 0 %.
    #[serde(with = "As::<Option<Share>>", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Share>")]
    pub hold_back: Option<Percent>,
    /// How long the new side is watched at each step at least. Default: 3 minutes with
    /// `judge.by = "sequential"`, which waits until it has proof, else 10 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,
    /// How long after a shift the gates must be healthy at the latest. Default: 65 minutes, or two bakes if
    /// that is longer, with `judge.by = "sequential"`, else three bakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_deadline: Option<Span>,
    /// When the whole migration must be over, pauses included. Default: 2 hours, since credentials, the CI
    /// job and the attention of a person end, too.
    pub deadline: Span,
    /// The interval of looks. Default: 15 seconds, so that a dead target is seen at the first look
    /// after the balancer marks it.
    pub look_interval: Span,
    /// How long after each shift the new side's figures do not count, since caches and connections are cold;
    /// with `judge.rule = 2` after the first shift alone, since later ones send more to warm targets.
    /// Default: 1 minute, the finest grain of the load balancer's metrics.
    pub warm_up: Span,
    /// How long the new side is judged at 100 % after the last step, with the old side kept warm. Default:
    /// 10 minutes with `judge.rule = 2`, else none. With less, a fault that shows only at 100 %, or that
    /// begins late, is more often found by users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_bake: Option<Span>,
    /// How long a restore may take, if the old side has fewer targets than it needs and the new side is
    /// healthy: traffic goes back in parts, as targets come. `"0s"`: everything goes back at once. Default:
    /// 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradual_restore: Option<Span>,
    /// How long the CI system or the host waits after SIGTERM before it kills the process. Half of this time
    /// may go into a gradual restore. Default: not known, so a cancelled run restores at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// How many targets of the old side one target of the new side replaces. Default: 1.
    pub capacity_ratio: f64,
    /// What to do at a deadline without healthy gates. Default: roll back.
    pub on_inconclusive: OnInconclusive,
    /// What to do on Ctrl-C, SIGTERM or an `abort`. Default: roll back.
    pub on_cancel: OnCancel,
    /// What to do if a run is resumed while traffic is divided. Default: continue.
    pub on_resume: OnResume,
}

impl Default for PlanSpec {
    fn default() -> Self {
        Self {
            steps: [Percent::TEN, Percent::FIFTY, Percent::HUNDRED]
                .map(Step::to)
                .to_vec(),
            hold_back: None,
            bake: None,
            step_deadline: None,
            deadline: Span::minutes(120),
            look_interval: Span::from(std::time::Duration::from_secs(15)),
            warm_up: Span::minutes(1),
            final_bake: None,
            gradual_restore: None,
            grace: None,
            capacity_ratio: 1.0,
            on_inconclusive: OnInconclusive::default(),
            on_cancel: OnCancel::default(),
            on_resume: OnResume::default(),
        }
    }
}

/// The health that the new side must show. Its targets must be healthy in any case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JudgeSpec {
    /// The judge of the metrics, in addition to the limits, which always hold. Default: the comparison with
    /// the old side.
    pub by: JudgedBy,
    /// The highest error rate that the new side may have. Default: 5 %, as in the guide.
    #[serde(with = "As::<Share>")]
    #[schemars(with = "Share")]
    pub max_error_rate: Percent,
    /// The highest mean latency that the new side may have. Default: 3 seconds, as in the guide.
    pub max_latency: Span,
    /// The source of requests, errors and latencies. Default: the load balancer.
    pub metrics: MetricsFrom,
    /// The time that one data point covers: whole minutes, or with `metrics = "app"` also 1, 5, 10 or 30
    /// seconds. Default: 1 minute.
    pub period: Span,
    /// By which factor the old side's error rate may have risen since before the migration, if its past
    /// is a control: `calibrate` finds the factor. Default: 3 beside a live old side, 1.5 without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_ratio: Option<f64>,
    /// The version of the rule of comparison, 1 or 2. The second also judges the new side for 10 minutes at
    /// 100 %, takes its brakes and margins from the old side's past, and counts the warm-up after the first
    /// shift alone; `docs/gate.md` has the figures of both. Default: 1.
    #[serde(skip_serializing_if = "is_first_rule")]
    pub rule: u32,
    /// CloudWatch alarms that must not fire. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Name>,
    /// Alarms of this list that may fire already at the start. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_alarms: Vec<Name>,
}

impl Default for JudgeSpec {
    fn default() -> Self {
        Self {
            by: JudgedBy::default(),
            max_error_rate: Percent::from_tenths(50).unwrap_or(Percent::TEN),
            max_latency: Span::from(std::time::Duration::from_secs(3)),
            metrics: MetricsFrom::default(),
            period: Span::minutes(1),
            history_ratio: None,
            rule: 1,
            alarms: Vec::new(),
            ignore_alarms: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first_rule(rule: &u32) -> bool {
    *rule == 1
}

/// The judge of the metrics, in addition to the limits, which always hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JudgedBy {
    /// The new side is compared with the live old side, by evidence that stays valid at every look.
    #[default]
    Sequential,
    /// The limits alone.
    Limits,
}

/// The source of requests, errors and latencies.
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

/// Protection if the controller dies, and accepted risks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SafetySpec {
    /// A schedule outside of the process that puts everything back if the process dies and no other
    /// process resumes the run. Without the schedule, a run needs the acceptance `no-dead-man`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<DeadManSpec>,
    /// Accepted risks, by the names that refusals give them. Default: none.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept: BTreeSet<Acceptance>,
}

/// A dead-man switch: a one-time schedule of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeadManSpec {
    /// How long after its last renewal the switch fires; a run renews it each minute. 5 minutes to 1 hour.
    /// Default: 10 minutes, which tolerates short gaps of a controller and still ends a long outage.
    #[serde(default = "ten_minutes")]
    pub after: Span,
    /// The role with which the schedule writes the rule.
    pub role: RoleArn,
    /// A topic of SNS that gets a message when the switch fires. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicArn>,
}

fn ten_minutes() -> Span {
    Span::minutes(10)
}

/// A simulated world that is kept in a folder, so that one command after the other sees the same world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimulationSpec {
    /// The scenario of the world, by its name. Default: `healthy`, which ends well.
    pub scenario: Name,
    /// The seed of its randomness. Default: 1.
    pub seed: u64,
    /// How many times as fast as real time its time passes, 0.01 to 1,000,000. Default: 120: half an hour
    /// passes in a quarter of a minute, and a person can still follow.
    pub speed: f64,
    /// The folder that keeps the world. Default: `.bluegreen`.
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
    /// A migration with all defaults, of a rule that divides the traffic between two sides.
    pub fn new(
        name: Name,
        rule: AlbRule,
        sides: impl IntoIterator<Item = (Name, SideSpec)>,
    ) -> Self {
        Self {
            name,
            account: None,
            region: None,
            journal: None,
            traffic: TrafficSpec { rules: vec![rule] },
            sides: sides.into_iter().collect(),
            native: None,
            plan: PlanSpec::default(),
            judge: JudgeSpec::default(),
            safety: SafetySpec::default(),
            hooks: Default::default(),
            test: Default::default(),
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
