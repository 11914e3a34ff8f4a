//! From the command line to a specification; every problem at once.

use std::{path::Path, str::FromStr, time::Duration};

use bluegreen::{
    MigrationPlan, Percent,
    aws::{
        alb::{AlbRule, TargetGroupArn},
        sim::{Scenario, Simulation},
    },
    engine::OnCancel,
    migration::{OnInconclusive, OnResume},
    problem::Problem,
    spec::{
        DeadManSpec, JudgedBy, MetricsFrom, MigrationSpec, Name, Share, SideSpec, Span, StepSpec,
        ValueError,
    },
};

use super::args::{self, Cli, Command, Metrics, Policy, ResumePolicy};
use crate::common::{accept::accepted, rule::arn};

/// Everything that the command line says, checked.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) spec: MigrationSpec,
    pub(crate) plan: MigrationPlan,
    /// The side that serves, if that need not be read.
    pub(crate) from: Option<Name>,
    /// When the controller of a simulation is killed.
    pub(crate) kill_at: Option<Duration>,
    /// How long after that another one comes.
    pub(crate) resume_after: Duration,
    /// How long after SIGTERM it is killed.
    pub(crate) grace: Option<Duration>,
}

/// How fast a simulation runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

/// The side that serves now, if the command line names the groups of both.
pub(super) const BLUE: &str = "blue";
/// The other one.
pub(super) const GREEN: &str = "green";
/// The side that serves in the simulated worlds.
const SIMULATED_BLUE: &str = "flask";

impl Setup {
    /// Checks the whole command line. `simulation` is the world, unless it is about real AWS.
    pub(crate) fn new(cli: &Cli, simulation: Option<&Simulation>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        misplaced(cli, simulation.is_some(), &mut problems);
        let base = match (simulation, &cli.spec) {
            (Some(simulation), file) => {
                let mut spec = simulation.spec();
                if let Some(file) = file {
                    let alarms = std::mem::take(&mut spec.judge.alarms);
                    spec.plan = file.plan.clone();
                    spec.judge = file.judge.clone();
                    (spec.judge.alarms, spec.judge.ignore_alarms) = (alarms, Vec::new());
                    spec.safety = file.safety.clone();
                }
                Some((spec, problems.value("", SIMULATED_BLUE)))
            }
            (None, Some(file)) => {
                let from = cli.place.from.as_deref();
                Some((
                    file.clone(),
                    from.and_then(|side| problems.value("--from", side)),
                ))
            }
            (None, None) => named(cli, &mut problems),
        };
        let kill_at = problems.optional("--kill-at", cli.place.kill_at.as_deref());
        let resume_after = problems.optional("--resume-after", cli.place.resume_after.as_deref());
        let length = |span: Option<Span>| span.map(|span| span.0);
        // Without a rule the rest of the command line can be checked all the same.
        let (spec, from) = match base {
            Some(base) => base,
            None => {
                let simulation = Scenario::Healthy.simulation(1);
                let _ = specified(cli, simulation.spec(), &mut problems);
                return Err(problems.0);
            }
        };
        let (spec, plan) = specified(cli, spec, &mut problems).ok_or(problems.0)?;
        Ok(Self {
            grace: plan.grace(),
            spec,
            plan,
            from,
            kill_at: length(kill_at),
            resume_after: length(resume_after).unwrap_or_default(),
        })
    }

    /// What a run was started with by the version before, whose journals keep the command line: its options
    /// over these sides.
    pub(crate) fn as_before(&self, cli: &Cli) -> Result<MigrationSpec, Vec<Problem>> {
        let mut spec = self.spec.clone();
        (spec.plan, spec.judge, spec.safety) = Default::default();
        let mut problems = Problems::default();
        let specified = specified(cli, spec, &mut problems);
        specified.map(|(spec, _)| spec).ok_or(problems.0)
    }

    /// The same for another specification, over which the options of this command line go.
    pub(crate) fn again(
        &self,
        cli: &Cli,
        spec: MigrationSpec,
        from: Name,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let (spec, plan) = specified(cli, spec, &mut problems).ok_or(problems.0)?;
        Ok(Self {
            spec,
            plan,
            from: Some(from),
            ..*self
        })
    }
}

/// The file of `-f`.
pub(crate) fn file(path: &Path) -> Result<MigrationSpec, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let read = crate::spec::lint::read(path, &text);
    read.map_err(|error| format!("{}: {error}", path.display()))
}

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

    /// A value of the specification.
    fn value<T: FromStr<Err = ValueError>>(&mut self, field: &str, text: &str) -> Option<T> {
        let read = text.parse::<T>();
        let read = read.map_err(|error| self.add(field, error.to_string(), error.hint()));
        read.ok()
    }

    fn optional<T: FromStr<Err = ValueError>>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<T> {
        self.value(field, text?)
    }

    fn share(&mut self, field: &str, text: &str, hint: &str) -> Option<Share> {
        let read = text.parse::<Percent>();
        let read = read.map_err(|error| self.add(field, error.to_string(), hint));
        read.ok().map(Share)
    }
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
    let groups = of_aws.into_iter().filter(|(_, given)| given.is_some());
    if is_simulated {
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
        if cli.spec.is_some() {
            let gates = &cli.gates;
            let metrics = [
                ("--namespace", &gates.namespace),
                ("--blue-namespace", &gates.blue_namespace),
                ("--endpoint", &gates.endpoint),
                ("--blue-endpoint", &gates.blue_endpoint),
            ];
            let metrics = metrics.into_iter().filter(|(_, given)| given.is_some());
            for (field, _) in groups.chain(metrics) {
                let hint = "leave it out, or change the file";
                problems.add(field, "is what the file says of its sides", hint);
            }
        }
    }
    let operator = &cli.place.operator;
    if operator.trim().is_empty() || operator.contains(char::is_control) {
        problems.add("--operator", "is not a name", "give a line of text");
    }
}

/// What the options name: the rule, and both target groups.
fn named(cli: &Cli, problems: &mut Problems) -> Option<(MigrationSpec, Option<Name>)> {
    let given = &cli.rule;
    let hint = "`aws elbv2 describe-target-groups` lists the target groups";
    let mut group = |field: &str, text: Option<&String>| {
        if text.is_none() {
            problems.add(field, "is needed with --aws", hint);
        }
        let arn = arn::<TargetGroupArn>(field, text.map(String::as_str), &mut problems.0);
        arn.map(SideSpec::new)
    };
    let blue = group("--blue-target-group", given.blue_target_group.as_ref());
    let green = group("--green-target-group", given.green_target_group.as_ref());
    let service = problems.optional("--blue-service", given.blue_service.as_deref());
    let rule = given.named.rule(&mut problems.0);
    let mut name = |text| problems.value::<Name>("", text);
    let names = (name("migration")?, name(BLUE)?, name(GREEN)?);
    let (mut blue, green, rule) = (blue?, green?, rule?);
    blue.service = service;
    let sides = [(names.1.clone(), blue), (names.2, green)];
    Some((MigrationSpec::new(names.0, rule, sides), Some(names.1)))
}

/// The specification with the options over it, and its plan.
fn specified(
    cli: &Cli,
    mut spec: MigrationSpec,
    problems: &mut Problems,
) -> Option<(MigrationSpec, MigrationPlan)> {
    of_plan(cli, &mut spec, problems);
    of_judge(cli, &mut spec, problems);
    of_metrics(cli, &mut spec, problems);
    of_switch(cli, &mut spec, problems);
    let risks = accepted(&cli.plan.accept, &mut problems.0);
    spec.safety.accept.extend(risks);
    match spec.plan() {
        Ok(plan) if problems.0.is_empty() => return Some((spec, plan)),
        Ok(_) => {}
        Err(error) => {
            for one in error.problems() {
                let problem = &one.problem;
                let field = match cli.spec {
                    Some(_) => problem.field.clone(),
                    None => option(&problem.field),
                };
                // What could not be read has its default here, which is not what was meant.
                if !problems.0.iter().any(|told| told.field == field) {
                    problems.add(&field, problem.message.clone(), problem.hint.clone());
                }
            }
        }
    }
    None
}

/// The option that a field of a specification is given by.
fn option(field: &str) -> String {
    let name = match field {
        "safety.dead_man.after" => "dead-man",
        "judge.by" => "judge",
        field if field.starts_with("side.green") => "green-target-group",
        field if field.starts_with("side") => "blue-target-group",
        field if field.starts_with("traffic.rules") => "rule-arn",
        field => field.rsplit('.').next().unwrap_or(field),
    };
    format!("--{}", name.replace('_', "-"))
}

fn of_plan(cli: &Cli, spec: &mut MigrationSpec, problems: &mut Problems) {
    let (given, plan) = (&cli.plan, &mut spec.plan);
    if let Some(steps) = &given.steps {
        let steps = steps.split(',');
        let hint = "such as `10,50,100`";
        let shares = steps.filter_map(|text| problems.share("--steps", text, hint));
        plan.steps = shares.map(StepSpec::To).collect();
    }
    if let Some(text) = &given.hold_back {
        let hint = "such as 10, or 0 for none";
        plan.hold_back = problems.share("--hold-back", text, hint);
    }
    let spans = [
        ("--bake", &given.bake, &mut plan.bake),
        (
            "--step-deadline",
            &given.step_deadline,
            &mut plan.step_deadline,
        ),
        (
            "--gradual-restore",
            &given.gradual_restore,
            &mut plan.gradual_restore,
        ),
        ("--grace", &cli.place.grace, &mut plan.grace),
    ];
    for (field, text, span) in spans {
        if let Some(given) = problems.optional(field, text.as_deref()) {
            *span = Some(given);
        }
    }
    let spans = [
        ("--deadline", &given.deadline, &mut plan.deadline),
        (
            "--look-interval",
            &given.look_interval,
            &mut plan.look_interval,
        ),
        ("--warm-up", &given.warm_up, &mut plan.warm_up),
        ("--final-bake", &given.final_bake, &mut plan.final_bake),
    ];
    for (field, text, span) in spans {
        if let Some(given) = problems.optional(field, text.as_deref()) {
            *span = given;
        }
    }
    if let Some(ratio) = given.capacity_ratio {
        plan.capacity_ratio = ratio;
    }
    if let Some(policy) = given.on_inconclusive {
        plan.on_inconclusive = match policy {
            Policy::RollBack => OnInconclusive::RollBack,
            Policy::Hold => OnInconclusive::Hold,
        };
    }
    if let Some(policy) = given.on_cancel {
        plan.on_cancel = match policy {
            Policy::RollBack => OnCancel::RollBack,
            Policy::Hold => OnCancel::Hold,
        };
    }
    if let Some(policy) = given.on_resume {
        plan.on_resume = match policy {
            ResumePolicy::GoOn => OnResume::GoOn,
            ResumePolicy::RollBack => OnResume::RollBack,
        };
    }
}

fn of_judge(cli: &Cli, spec: &mut MigrationSpec, problems: &mut Problems) {
    let (given, judge) = (&cli.gates, &mut spec.judge);
    if let Some(by) = given.judge {
        judge.by = match by {
            args::JudgedBy::Sequential => JudgedBy::Sequential,
            args::JudgedBy::Limits => JudgedBy::Limits,
        };
    }
    if let Some(metrics) = given.metrics {
        judge.metrics = match metrics {
            Metrics::Alb => MetricsFrom::Alb,
            Metrics::App => MetricsFrom::App,
        };
    }
    if let Some(text) = &given.max_error_rate {
        let hint = "5 means five of a hundred requests; tenths are possible";
        if let Some(share) = problems.share("--max-error-rate", text, hint) {
            judge.max_error_rate = share;
        }
    }
    if let Some(span) = problems.optional("--max-latency", given.max_latency.as_deref()) {
        judge.max_latency = span;
    }
    if let Some(seconds) = given.period {
        judge.period = Duration::from_secs(u64::from(seconds)).into();
    }
    if given.history_ratio.is_some() {
        judge.history_ratio = given.history_ratio;
    }
    let mut names = |field: &str, given: &[String]| -> Vec<Name> {
        let names = given.iter();
        names
            .filter_map(|text| problems.value(field, text))
            .collect()
    };
    let ignored = names("--ignore-alarm", &given.ignore_alarm);
    for (alarms, more) in [
        (&mut judge.alarms, names("--alarm", &given.alarm)),
        (&mut judge.ignore_alarms, ignored),
    ] {
        for alarm in more {
            if !alarms.contains(&alarm) {
                alarms.push(alarm);
            }
        }
    }
}

/// Where the application's own metrics are: as in the guide, unless said otherwise.
fn of_metrics(cli: &Cli, spec: &mut MigrationSpec, problems: &mut Problems) {
    if spec.judge.metrics != MetricsFrom::App {
        return;
    }
    let given = &cli.gates;
    // The simulated worlds have the guide's names too.
    let is_own = cli.spec.is_none() || !cli.place.aws;
    let endpoint = given
        .endpoint
        .as_deref()
        .or(is_own.then_some("/api/v1/chat"));
    let of_blue = given.blue_endpoint.as_deref().or(endpoint);
    let (namespace, blue_namespace) = match is_own {
        true => (
            Some(given.namespace.as_deref().unwrap_or("ChatBot/FastAPI")),
            Some(given.blue_namespace.as_deref().unwrap_or("ChatBot/Flask")),
        ),
        false => (given.namespace.as_deref(), given.blue_namespace.as_deref()),
    };
    for (name, side) in &mut spec.sides {
        let is_blue = matches!(name.as_str(), BLUE | SIMULATED_BLUE);
        let (field, namespace, endpoint) = match is_blue {
            true => ("--blue-namespace", blue_namespace, of_blue),
            false => ("--namespace", namespace, endpoint),
        };
        // An empty one of blue says that it has none.
        if is_blue && namespace == Some("") {
            (side.namespace, side.endpoint) = (None, None);
            continue;
        }
        if let Some(namespace) = problems.optional(field, namespace) {
            side.namespace = Some(namespace);
        }
        if let Some(endpoint) = problems.optional("--endpoint", endpoint) {
            side.endpoint = Some(endpoint);
        }
    }
}

/// The role that the simulation is given; it takes any.
const SIMULATED_ROLE: &str = "arn:aws:iam::123456789012:role/blue-again";

fn of_switch(cli: &Cli, spec: &mut MigrationSpec, problems: &mut Problems) {
    let given = &cli.plan;
    let switch = &mut spec.safety.dead_man;
    let hint_of = |error: &bluegreen::Error| error.hint().unwrap_or_default().to_owned();
    let role = match (&given.dead_man_role, &given.dead_man, &switch) {
        (Some(role), ..) => Some(role.as_str()),
        (None, Some(_), None) if cli.place.aws => {
            let hint = "`--print-dead-man-role` says what the role must be";
            problems.add("--dead-man-role", "is needed with --dead-man", hint);
            None
        }
        (None, Some(_), None) => Some(SIMULATED_ROLE),
        _ => None,
    };
    match role.map(str::parse) {
        Some(Ok(role)) => match switch {
            Some(switch) => switch.role = role,
            None => *switch = Some(DeadManSpec::new(role)),
        },
        Some(Err(error)) => problems.add("--dead-man-role", error.message(), hint_of(&error)),
        None => {}
    }
    let after = problems.optional("--dead-man", given.dead_man.as_deref());
    if let (Some(switch), Some(after)) = (&mut *switch, after) {
        switch.after = after;
    }
    let Some(topic) = &given.dead_man_topic else {
        return;
    };
    match (topic.parse(), switch) {
        (Ok(topic), Some(switch)) => switch.topic = Some(topic),
        // What the role needs is asked before there is one.
        (Ok(topic), switch) if cli.place.print_dead_man_role => {
            *switch = SIMULATED_ROLE.parse().ok().map(DeadManSpec::new);
            if let Some(switch) = switch {
                switch.topic = Some(topic);
            }
        }
        (Ok(_), None) if given.dead_man.is_none() => {
            problems.add(
                "--dead-man-topic",
                "there is no dead-man switch to tell of",
                "give --dead-man-role, too",
            );
        }
        (Ok(_), None) => {}
        (Err(error), _) => problems.add("--dead-man-topic", error.message(), hint_of(&error)),
    }
}

/// The rule and the journal of the file stand for the options that are not given.
pub(crate) fn with_file(mut cli: Cli, spec: MigrationSpec) -> Cli {
    if cli.place.scenario.is_none() {
        cli.place.aws = true;
        if cli.rule.named.given().is_empty()
            && let Some(rule) = spec.traffic.rules.first()
        {
            let named = &mut cli.rule.named;
            match rule.as_alb() {
                AlbRule::Arn(rule) => named.rule_arn = Some(rule.to_string()),
                AlbRule::Priority { listener, priority } => {
                    named.listener_arn = Some(listener.to_string());
                    named.priority = Some(priority.to_string());
                }
                AlbRule::Default(listener) => {
                    named.listener_arn = Some(listener.to_string());
                    named.priority = Some("default".to_owned());
                }
                rule => named.listener_arn = Some(rule.listener().to_string()),
            }
        }
        if let (None, Some(place)) = (&cli.journal.journal, &spec.journal) {
            cli.journal.journal = Some(place.to_string());
        }
    }
    cli.spec = Some(spec);
    cli
}
