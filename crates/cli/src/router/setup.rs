//! From the command line to a plan, a splitter and gates; every problem at once.

use std::{str::FromStr, sync::Arc, time::Duration};

use bluegreen::{
    Aws, Error, MigrationPlan, Percent,
    aws::{
        alb::{AlbDeadManSwitch, AlbRule, AlbTrafficSplitter, RoleArn, TargetGroupArn, TopicArn},
        cloudwatch::{AlarmGate, AlbMetrics, AppMetrics, AppNamespace, CloudWatchGate},
        ecs::EcsCapacityKeeper,
        iam::IamPolicy,
        sim::{Scenario, Simulation},
    },
    engine::OnCancel,
    health::{
        HealthGate, Limits, MetricSource, TargetHealthGate,
        sequential::{Sequential, Settings},
    },
    migration::{GateId, OnInconclusive, OnResume},
    problem::Problem,
};

use super::args::{Cli, Command, JudgedBy, Metrics, Policy, ResumePolicy};
use crate::common::{accept::accepted, rule::arn};

/// Everything that the command line says, checked.
pub(crate) struct Setup {
    pub(crate) plan: MigrationPlan,
    pub(crate) target: Target,
    /// When the controller of a simulation is killed.
    pub(crate) kill_at: Option<Duration>,
    /// How long after that another one comes.
    pub(crate) resume_after: Duration,
    /// How long after SIGTERM it is killed.
    pub(crate) grace: Option<Duration>,
    /// Whom the dead-man switch writes as, where the plan keeps one.
    role: Option<RoleArn>,
    /// Whom it tells when it fires.
    topic: Option<TopicArn>,
    limits: Limits,
    sequential: Option<Sequential>,
}

/// Which traffic it is about.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) rule: AlbRule,
    pub(crate) blue: TargetGroupArn,
    pub(crate) green: TargetGroupArn,
    pub(crate) alarms: Vec<String>,
    /// Cluster and name of the service behind blue, if it is known.
    pub(crate) blue_service: Option<(String, String)>,
}

/// How fast a simulation runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

impl Setup {
    /// Checks the whole command line. `simulation` is the world, unless it is about real AWS.
    pub(crate) fn new(cli: &Cli, simulation: Option<&Simulation>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        misplaced(cli, simulation.is_some(), &mut problems);
        let target = match simulation {
            Some(simulation) => Some(Target {
                rule: simulation.rule(),
                blue: simulation.blue(),
                green: simulation.green(),
                alarms: [simulation.alarms(), cli.gates.alarm.clone()].concat(),
                blue_service: simulation.blue_minimum().map(|_| {
                    let (cluster, service) = simulation.blue_service();
                    (cluster.to_owned(), service.to_owned())
                }),
            }),
            None => target(cli, &mut problems),
        };
        let kill_at = cli.place.kill_at.as_deref();
        let kill_at = kill_at.and_then(|text| problems.span("--kill-at", text));
        let resume_after = cli.place.resume_after.as_deref();
        let resume_after = resume_after.and_then(|text| problems.span("--resume-after", text));
        let grace = cli.place.grace.as_deref();
        let grace = grace.and_then(|text| problems.span("--grace", text));
        let plan = plan(cli, &mut problems);
        let limits = limits(cli, &mut problems);
        let sequential = sequential(cli, limits.as_ref(), &mut problems);
        let role = dead_man_role(cli, &mut problems);
        let topic = dead_man_topic(cli, &mut problems);
        match (plan, target, limits) {
            (Some(plan), Some(target), Some(limits)) if problems.0.is_empty() => Ok(Self {
                plan,
                target,
                kill_at,
                resume_after: resume_after.unwrap_or_default(),
                grace,
                role,
                topic,
                limits,
                sequential,
            }),
            _ => Err(problems.0),
        }
    }

    /// The same target under the plan and the gates of another command line.
    pub(crate) fn again(&self, cli: &Cli) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let plan = plan(cli, &mut problems);
        let limits = limits(cli, &mut problems);
        let sequential = sequential(cli, limits.as_ref(), &mut problems);
        let role = dead_man_role(cli, &mut problems);
        let topic = dead_man_topic(cli, &mut problems);
        match (plan, limits) {
            (Some(plan), Some(limits)) if problems.0.is_empty() => Ok(Self {
                plan,
                target: self.target.clone(),
                role,
                topic,
                limits,
                sequential,
                ..*self
            }),
            _ => Err(problems.0),
        }
    }

    pub(crate) fn splitter(&self, aws: &Aws) -> Result<AlbTrafficSplitter, Error> {
        let Target {
            rule, blue, green, ..
        } = &self.target;
        AlbTrafficSplitter::new(aws, rule.clone(), blue.clone(), green.clone())
    }

    /// What puts everything back where nobody is left to do it.
    pub(crate) fn dead_man_switch(
        &self,
        aws: &Aws,
        splitter: &Arc<AlbTrafficSplitter>,
    ) -> Option<AlbDeadManSwitch> {
        let role = self.role.clone()?;
        let switch = AlbDeadManSwitch::new(aws, Arc::clone(splitter), role);
        Some(match &self.topic {
            Some(topic) => switch.with_notice(topic.clone()),
            None => switch,
        })
    }

    /// What keeps blue's capacity, if its service is known.
    pub(crate) fn capacity_keeper(&self, aws: &Aws) -> Option<EcsCapacityKeeper> {
        let (cluster, service) = self.target.blue_service.as_ref()?;
        Some(EcsCapacityKeeper::new(aws, cluster, service))
    }

    /// The role of the dead-man switch.
    pub(crate) fn dead_man_role(&self) -> serde_json::Value {
        let policy = IamPolicy::dead_man_role(&self.target.rule);
        let policy = match &self.topic {
            Some(topic) => policy.notice(topic),
            None => policy,
        };
        serde_json::json!({
            "TrustPolicy": IamPolicy::dead_man_trust(&self.target.rule),
            "Policy": policy,
        })
    }

    /// The rights that this takes.
    pub(crate) fn iam_policy(&self, cli: &Cli) -> IamPolicy {
        let mut policy = IamPolicy::migration(&self.target.rule).metrics();
        if !self.target.alarms.is_empty() {
            policy = policy.alarms();
        }
        if let Some(role) = &self.role {
            policy = policy.dead_man(&self.target.rule, role);
        }
        if let Some((cluster, service)) = &self.target.blue_service {
            policy = policy.capacity(&self.target.rule, cluster, service);
        }
        match cli.journal.bucket() {
            Some((bucket, prefix)) => policy.journal(bucket, prefix),
            None => policy,
        }
    }

    /// The gates of a migration, with their names.
    pub(crate) fn gates(&self, aws: &Aws, cli: &Cli) -> Result<Vec<NamedGate>, Error> {
        let mut gates: Vec<NamedGate> = vec![("targets".into(), Box::new(TargetHealthGate::new()))];
        let limits = self.limits.clone();
        let mut metrics = match self.source(aws, cli)? {
            Source::Alb(source) => CloudWatchGate::alb(source, limits),
            Source::App(source) => CloudWatchGate::app(source, limits),
        };
        if let Some(sequential) = &self.sequential {
            metrics = metrics.with_judge("sequential", sequential.clone());
        }
        gates.push(("metrics".into(), Box::new(metrics)));
        if !self.target.alarms.is_empty() {
            let mut alarms = AlarmGate::new(aws, self.target.alarms.iter().cloned())?;
            for ignored in &cli.gates.ignore_alarm {
                alarms = alarms.ignoring(ignored);
            }
            gates.push(("alarms".into(), Box::new(alarms)));
        }
        Ok(gates)
    }

    /// The settings of the comparison, where there is one.
    pub(crate) fn sequential(&self) -> Option<&Settings> {
        self.sequential.as_ref().map(Sequential::settings)
    }

    /// Where the counts come from.
    pub(crate) fn source(&self, aws: &Aws, cli: &Cli) -> Result<Source, Error> {
        let period = Duration::from_secs(u64::from(cli.gates.period));
        Ok(match cli.gates.metrics {
            Metrics::Alb => {
                let balancer = self.target.rule.listener().load_balancer();
                let Target { blue, green, .. } = &self.target;
                let source = AlbMetrics::new(aws, balancer, blue.clone(), green.clone())
                    .with_period(period)?;
                Source::Alb(source)
            }
            Metrics::App => {
                let endpoint = &cli.gates.endpoint;
                let place = |namespace: &str, endpoint: &str| {
                    AppNamespace::new(namespace).with_endpoint(endpoint)
                };
                let green = place(&cli.gates.namespace, endpoint);
                let mut source = AppMetrics::new(aws, green).with_period(period)?;
                if !cli.gates.blue_namespace.is_empty() {
                    let of_blue = cli.gates.blue_endpoint.as_ref().unwrap_or(endpoint);
                    source = source.with_blue(place(&cli.gates.blue_namespace, of_blue));
                }
                Source::App(source)
            }
        })
    }
}

/// Where the counts come from.
pub(crate) enum Source {
    Alb(AlbMetrics),
    App(AppMetrics),
}

impl Source {
    pub(crate) fn as_dyn(&self) -> &dyn MetricSource {
        match self {
            Self::Alb(source) => source,
            Self::App(source) => source,
        }
    }
}

/// How long after its end a data point has settled at the latest.
const SETTLING: Duration = Duration::from_secs(150);

pub(crate) type NamedGate = (GateId, Box<dyn HealthGate>);

/// The world that the scenario names, with its explanation.
pub(crate) fn scenario(cli: &Cli) -> Result<Scenario, Problem> {
    let name = cli.place.scenario.as_deref().unwrap_or("healthy");
    name.parse().map_err(|error| {
        let hint = "`--scenario list` explains all of them";
        Problem::new("--scenario", format!("{error}"), hint)
    })
}

pub(crate) fn speed(cli: &Cli) -> Result<Speed, Problem> {
    let text = cli.place.speed.as_deref().unwrap_or("120");
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.1..=100_000.0).contains(&speed) => {
            Ok(Speed::Times(speed))
        }
        _ => Err(Problem::new(
            "--speed",
            format!("`{text}` is not a number from 0.1 to 100000"),
            "120 shows two virtual minutes a second; `max` does not wait at all",
        )),
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem::new(field, message, hint));
    }

    fn span(&mut self, field: &str, text: &str) -> Option<Duration> {
        let parsed = parsed_span(text);
        if parsed.is_none() {
            let message = format!("`{text}` is not a span of time");
            self.add(field, message, "write it like `10m`, `90s` or `1h 30m`");
        }
        parsed
    }
}

fn parsed_span(text: &str) -> Option<Duration> {
    let span = jiff::SignedDuration::from_str(text).ok()?;
    Duration::try_from(span).ok()
}

/// Options that say nothing where they stand, so that the command was meant otherwise.
fn misplaced(cli: &Cli, is_simulated: bool, problems: &mut Problems) {
    let rule = &cli.rule;
    let of_aws = [
        ("--blue-target-group", &rule.blue_target_group),
        ("--green-target-group", &rule.green_target_group),
        ("--blue-service", &rule.blue_service),
    ];
    let of_simulation = [
        ("--scenario", &cli.place.scenario),
        ("--speed", &cli.place.speed),
        ("--kill-at", &cli.place.kill_at),
        ("--resume-after", &cli.place.resume_after),
    ];
    if is_simulated {
        let groups = of_aws.into_iter().filter(|(_, given)| given.is_some());
        let named = rule.named.given().into_iter();
        let named = named.chain(match &cli.command {
            Some(Command::Rollback { to: Some(_), .. }) => Some("--to"),
            _ => None,
        });
        for field in groups.map(|(field, _)| field).chain(named) {
            let hint = "add --aws for the real one, or leave it out";
            problems.add(field, "names a real rule, but this is the simulation", hint);
        }
    } else {
        for (field, given) in of_simulation {
            if given.is_some() {
                problems.add(
                    field,
                    "is for the simulation, not for --aws",
                    "leave it out",
                );
            }
        }
    }
    let mut empty = |field: &str, text: &str| {
        if text.trim().is_empty() || text.contains(char::is_control) {
            problems.add(field, "is not a name", "give a line of text");
        }
    };
    empty("--operator", &cli.place.operator);
    empty("--namespace", &cli.gates.namespace);
    empty("--endpoint", &cli.gates.endpoint);
    for alarm in cli.gates.alarm.iter().chain(&cli.gates.ignore_alarm) {
        empty("--alarm", alarm);
    }
}

fn target(cli: &Cli, problems: &mut Problems) -> Option<Target> {
    let given = &cli.rule;
    let hint = "`aws elbv2 describe-target-groups` lists the target groups";
    let mut group = |field: &str, text: Option<&String>| {
        if text.is_none() {
            problems.add(field, "is needed with --aws", hint);
        }
        arn::<TargetGroupArn>(field, text.map(String::as_str), &mut problems.0)
    };
    let blue = group("--blue-target-group", given.blue_target_group.as_ref());
    let green = group("--green-target-group", given.green_target_group.as_ref());
    let blue_service = given.blue_service.as_deref();
    let blue_service = blue_service.map(|text| service(text, problems));
    let rule = given.named.rule(&mut problems.0)?;
    Some(Target {
        rule,
        blue: blue?,
        green: green?,
        alarms: cli.gates.alarm.clone(),
        blue_service: blue_service.flatten(),
    })
}

/// Cluster and name of a service, given as `CLUSTER/SERVICE` or as its ARN.
fn service(text: &str, problems: &mut Problems) -> Option<(String, String)> {
    let names = match text.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":service/").map_or("", |(_, names)| names),
        None => text,
    };
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !name.is_empty() && name.chars().all(is_part)
    };
    match names.split_once('/') {
        Some((cluster, service)) if is_name(cluster) && is_name(service) => {
            Some((cluster.to_owned(), service.to_owned()))
        }
        _ => {
            let message = format!("`{text}` is not a service of ECS");
            problems.add(
                "--blue-service",
                message,
                "such as `shop/web`: cluster, service",
            );
            None
        }
    }
}

fn plan(cli: &Cli, problems: &mut Problems) -> Option<MigrationPlan> {
    let given = &cli.plan;
    let mut steps = Vec::new();
    for text in given.steps.split(',') {
        match text.parse::<Percent>() {
            Ok(step) => steps.push(step),
            Err(error) => problems.add("--steps", error.to_string(), "such as `10,50,100`"),
        }
    }
    let accepted = accepted(&given.accept, &mut problems.0);
    let compares = cli.gates.judge == JudgedBy::Sequential;
    let usual = if compares { "3m" } else { "10m" };
    let bake = problems.span("--bake", given.bake.as_deref().unwrap_or(usual));
    let usual = if compares { "10" } else { "0" };
    let hold_back = given
        .hold_back
        .as_deref()
        .unwrap_or(usual)
        .parse::<Percent>();
    let hold_back = hold_back.map_err(|error| {
        problems.add(
            "--hold-back",
            error.to_string(),
            "such as 10, or 0 for none",
        );
    });
    let look_interval = problems.span("--look-interval", &given.look_interval);
    let warm_up = problems.span("--warm-up", &given.warm_up);
    let final_bake = problems.span("--final-bake", &given.final_bake);
    let mut optional = |field: &str, text: Option<&String>| match text {
        Some(text) => problems.span(field, text).map(Some),
        None => Some(None),
    };
    let step_deadline = optional("--step-deadline", given.step_deadline.as_ref());
    let deadline = optional("--deadline", given.deadline.as_ref());
    let gradual = optional("--gradual-restore", given.gradual_restore.as_ref());
    let usual = given.dead_man_role.as_ref().map(|_| DEAD_MAN.to_owned());
    let dead_man = given.dead_man.as_ref().or(usual.as_ref());
    let dead_man = optional("--dead-man", dead_man);
    let only_steps = MigrationPlan::builder().steps(steps.clone()).build();
    if let (Err(error), true) = (&only_steps, bake.is_none() || look_interval.is_none()) {
        // The rest of the plan cannot be checked, the steps can.
        for problem in error.problems() {
            problems.add("--steps", problem.message.clone(), problem.hint.clone());
        }
    }
    let bake = bake?;
    let period = Duration::from_secs(u64::from(cli.gates.period));
    let usual = if compares {
        Duration::from_secs(65 * 60).max(bake.saturating_mul(2))
    } else {
        bake.saturating_mul(3)
    };
    let deadline_of_step = step_deadline.flatten().unwrap_or(usual);
    let settled = warm_up.unwrap_or_default() + period * 2 + SETTLING;
    if deadline_of_step <= settled {
        let message = format!(
            "{} s are over before a point of {} s after the warm-up has settled, at {} s",
            deadline_of_step.as_secs(),
            period.as_secs(),
            settled.as_secs()
        );
        let hint = "bake longer, or give a longer --step-deadline or a shorter --period";
        problems.add("--step-deadline", message, hint);
    }
    let mut builder = MigrationPlan::builder()
        .bake(bake)
        .step_deadline(deadline_of_step)
        .look_interval(look_interval?)
        .warm_up(warm_up?)
        .final_bake(final_bake?)
        .capacity_ratio(given.capacity_ratio)
        .on_inconclusive(match given.on_inconclusive {
            Policy::RollBack => OnInconclusive::RollBack,
            Policy::Hold => OnInconclusive::Hold,
        })
        .on_cancel(match given.on_cancel {
            Policy::RollBack => OnCancel::RollBack,
            Policy::Hold => OnCancel::Hold,
        })
        .on_resume(match given.on_resume {
            ResumePolicy::GoOn => OnResume::GoOn,
            ResumePolicy::RollBack => OnResume::RollBack,
        })
        .steps(steps)
        .hold_back(hold_back.ok()?);
    if let Some(deadline) = deadline? {
        builder = builder.deadline(deadline);
    }
    if let Some(within) = gradual? {
        builder = builder.gradual_restore(within);
    }
    if let Some(grace) = cli.place.grace.as_deref().and_then(parsed_span) {
        builder = builder.grace(grace);
    }
    if let Some(after) = dead_man? {
        builder = builder.dead_man(after);
    }
    for acceptance in accepted {
        builder = builder.accept(acceptance);
    }
    match builder.build() {
        Ok(plan) => Some(plan),
        Err(error) => {
            for problem in error.problems() {
                let field = format!("--{}", problem.field.replace('_', "-"));
                problems.add(&field, problem.message.clone(), problem.hint.clone());
            }
            None
        }
    }
}

/// When the dead-man switch fires if only its role is given.
const DEAD_MAN: &str = "10m";

/// Whom the dead-man switch writes as; the simulation takes any role.
fn dead_man_role(cli: &Cli, problems: &mut Problems) -> Option<RoleArn> {
    let given = &cli.plan;
    match (&given.dead_man, &given.dead_man_role) {
        (_, Some(text)) => text
            .parse()
            .map_err(|error: Error| {
                let hint = error.hint().unwrap_or_default().to_owned();
                problems.add("--dead-man-role", error.message(), hint);
            })
            .ok(),
        (Some(_), _) if cli.place.aws => {
            let hint = "`--print-dead-man-role` says what the role must be";
            problems.add("--dead-man-role", "is needed with --dead-man", hint);
            None
        }
        (Some(_), _) => "arn:aws:iam::123456789012:role/blue-again".parse().ok(),
        (None, None) => None,
    }
}

/// Whom the dead-man switch tells when it fires.
fn dead_man_topic(cli: &Cli, problems: &mut Problems) -> Option<TopicArn> {
    let given = &cli.plan;
    let text = given.dead_man_topic.as_ref()?;
    let has_switch = given.dead_man.is_some() || given.dead_man_role.is_some();
    if !has_switch && !cli.place.print_dead_man_role {
        let hint = "give --dead-man-role, too";
        problems.add(
            "--dead-man-topic",
            "there is no dead-man switch to tell of",
            hint,
        );
    }
    let parsed = text.parse().map_err(|error: Error| {
        let hint = error.hint().unwrap_or_default().to_owned();
        problems.add("--dead-man-topic", error.message(), hint);
    });
    parsed.ok()
}

/// The comparison with blue, unless the limits alone judge.
fn sequential(cli: &Cli, limits: Option<&Limits>, problems: &mut Problems) -> Option<Sequential> {
    let given = &cli.gates;
    if given.judge == JudgedBy::Limits {
        return None;
    }
    if given.metrics == Metrics::App && given.blue_namespace.is_empty() {
        let message = "compares green with blue, which has no metrics here";
        let hint = "give --blue-namespace, or --judge limits";
        problems.add("--judge sequential", message, hint);
    }
    let mut settings = Settings::default();
    if let Some(limits) = limits {
        settings = settings.with_limit(limits.max_error_rate().as_fraction());
    }
    match given.history_ratio {
        Some(ratio) if (1.0..=100.0).contains(&ratio) => {
            settings = settings.with_history_ratio(ratio);
        }
        Some(ratio) => {
            let message = format!("`{ratio}` is not from 1 to 100");
            problems.add(
                "--history-ratio",
                message,
                "`calibrate` finds one that fits",
            );
        }
        None => {}
    }
    Some(Sequential::new(settings))
}

fn limits(cli: &Cli, problems: &mut Problems) -> Option<Limits> {
    let given = &cli.gates;
    let rate = match given.max_error_rate.parse::<Percent>() {
        Ok(rate) if rate > Percent::ZERO && rate < Percent::HUNDRED => Some(rate),
        Ok(rate) => {
            let message = format!("{rate} limits nothing, or everything");
            let hint = "give more than 0 and less than 100; 5 means five of a hundred requests";
            problems.add("--max-error-rate", message, hint);
            None
        }
        Err(error) => {
            let hint = "5 means five of a hundred requests; tenths are possible";
            problems.add("--max-error-rate", error.to_string(), hint);
            None
        }
    };
    let is_period = matches!(given.period, 1 | 5 | 10 | 30)
        || (given.period > 0 && given.period.is_multiple_of(60));
    if !is_period || (given.period < 60 && given.metrics == Metrics::Alb) {
        let message = format!("CloudWatch keeps no such points of {} s", given.period);
        let hint = "a multiple of 60; with --metrics app also 1, 5, 10 or 30";
        problems.add("--period", message, hint);
    }
    let latency = problems.span("--max-latency", &given.max_latency)?;
    if latency.is_zero() {
        problems.add(
            "--max-latency",
            "no answer takes 0s",
            "such as `3s` or `800ms`",
        );
    }
    Some(
        Limits::default()
            .with_max_error_rate(rate?)
            .with_max_mean_latency(latency),
    )
}
