//! `bluegreen init`.

use std::{fs::File, io::Write as _, path::PathBuf, process::ExitCode};

use bluegreen::{
    Failure,
    aws::{alb::RuleWeights, sim::Scenario},
    problem::Problem,
    spec::{MigrationSpec, Name, Service, SideSpec},
};
use clap::Args;

use super::{BAD, FAILED, USUAL};
use crate::common::{aws, rule::NamedRule, say::say_line};

/// Write the file of a migration from a rule that stands: its two target groups are the sides. Reads the
/// rule only.
///
/// Exit codes: 0, written; 2, bad arguments; 3, the rule could not be read, has not two target groups, or
/// the file is there already.
#[derive(Debug, Args)]
pub(crate) struct Cli {
    #[command(flatten)]
    rule: NamedRule,
    /// From the simulated world, to see what a file looks like.
    #[arg(long, conflicts_with_all = ["rule_arn", "listener_arn", "priority"])]
    sim: bool,
    /// What people call the migration [default: the load balancer's name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where its journal is kept: s3://BUCKET/PREFIX, or a folder.
    #[arg(long, env = "BLUEGREEN_JOURNAL", value_name = "PLACE")]
    journal: Option<String>,
    /// The role of the dead-man switch.
    #[arg(long, value_name = "ARN")]
    dead_man_role: Option<String>,
    /// The ECS service of a side, as TARGET_GROUP=CLUSTER/SERVICE, whose capacity is kept. May be given twice.
    #[arg(long, value_name = "GROUP=SERVICE")]
    service: Vec<String>,
    /// The file. It must not be there.
    #[arg(short, long, value_name = "FILE", default_value = USUAL)]
    output: PathBuf,
}

pub(crate) fn main(cli: &Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)).err().unwrap_or_default(),
        Err(error) => {
            say_line!("error: cannot start: {error}");
            FAILED
        }
    };
    ExitCode::from(code)
}

async fn run(cli: &Cli) -> Result<(), u8> {
    let spec = match cli.sim {
        true => {
            let simulation = Scenario::Healthy.simulation(1);
            simulation.start_paused();
            let mut problems = Vec::new();
            let spec = filled(cli, simulation.spec(), &mut problems);
            told(problems).map(|()| spec)?
        }
        false => live(cli).await?,
    };
    let mut text = spec.to_toml();
    if spec.safety.dead_man.is_none() {
        text.push_str(NO_SWITCH);
    }
    written(cli, &text).map_err(|error| {
        say_line!("error: {}: {error}", cli.output.display());
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            say_line!("  hint: move it away, or name another file: --output FILE");
        }
        FAILED
    })?;
    let names: Vec<&str> = spec.sides.keys().map(Name::as_str).collect();
    say_line!(
        "{}: {}, from {}",
        cli.output.display(),
        names.join(" and "),
        spec.traffic
            .rules
            .first()
            .map(|rule| rule.as_alb().to_string())
            .unwrap_or_default()
    );
    say_line!(
        "what it leaves out has its default, which `bluegreen schema` explains; next: `bluegreen router \
         plan --file {}`",
        cli.output.display()
    );
    Ok(())
}

/// What a file without a dead-man switch should be told.
const NO_SWITCH: &str = r#"
# If the controller dies and nobody resumes its run, a schedule puts everything back.
# `bluegreen router --print-dead-man-role --file FILE` prints what its role must be.
# [safety]
# dead_man = { after = "10m", role = "arn:aws:iam::ACCOUNT:role/NAME" }
"#;

fn written(cli: &Cli, text: &str) -> std::io::Result<()> {
    let mut file = File::create_new(&cli.output)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// From the rule that is named.
async fn live(cli: &Cli) -> Result<MigrationSpec, u8> {
    let mut problems = Vec::new();
    let rule = cli.rule.rule(&mut problems);
    told(problems)?;
    let Some(rule) = rule else {
        return Err(BAD);
    };
    let aws = aws::from_env().await;
    let weights = rule.weights(&aws).await;
    let weights = weights.map_err(|error| failed(&error))?;
    let mut problems = Vec::new();
    let spec = of(cli, &weights, &mut problems);
    told(problems)?;
    spec.ok_or(FAILED)
}

/// A file of the rule's two groups.
fn of(cli: &Cli, weights: &RuleWeights, problems: &mut Vec<Problem>) -> Option<MigrationSpec> {
    let [one, other] = &weights.groups[..] else {
        say_line!(
            "error: rule {} forwards to {} target groups, and a migration is between two: {weights}",
            weights.rule,
            weights.groups.len()
        );
        say_line!("  hint: `bluegreen prepare` puts green's group there, at weight 0");
        return None;
    };
    let name = |text: &str| text.parse::<Name>().ok();
    let side = |group: &(bluegreen::aws::alb::TargetGroupArn, u32)| {
        let mut named = SideSpec::new(group.0.clone());
        named.target_group = group.0.name().parse().ok()?;
        Some((name(group.0.name())?, named))
    };
    let balancer = weights.rule.listener().load_balancer();
    let balancer = balancer.dimension().split('/').nth(1).map(str::to_owned);
    let own = name(&balancer.unwrap_or_else(|| "migration".to_owned()))?;
    let rule = bluegreen::aws::alb::AlbRule::Arn(weights.rule.clone());
    let mut spec = MigrationSpec::new(own, rule, [side(one)?, side(other)?]);
    let part = |at: usize| weights.rule.as_str().split(':').nth(at);
    spec.account = part(4).and_then(|account| account.parse().ok());
    spec.region = part(3).and_then(|region| region.parse().ok());
    Some(filled(cli, spec, problems))
}

/// With what the options say.
fn filled(cli: &Cli, mut spec: MigrationSpec, problems: &mut Vec<Problem>) -> MigrationSpec {
    let mut say = |field: &str, message: String, hint: &str| {
        problems.push(Problem::new(field, message, hint));
    };
    if let Some(text) = &cli.name {
        match text.parse() {
            Ok(name) => spec.name = name,
            Err(error) => say("--name", format!("{error}"), "such as `chatbot`"),
        }
    }
    match cli.journal.as_deref().map(str::parse) {
        Some(Ok(place)) => spec.journal = Some(place),
        Some(Err(error)) => {
            let error: bluegreen::spec::ValueError = error;
            say("--journal", error.to_string(), error.hint());
        }
        None => {}
    }
    match cli.dead_man_role.as_deref().map(str::parse) {
        Some(Ok(role)) => {
            spec.safety.dead_man = Some(bluegreen::spec::DeadManSpec::new(role));
        }
        Some(Err(error)) => {
            let error: bluegreen::Error = error;
            say(
                "--dead-man-role",
                error.message().to_owned(),
                error.hint().unwrap_or_default(),
            );
        }
        None => {}
    }
    for text in &cli.service {
        let (group, service) = text.split_once('=').unwrap_or((text, ""));
        let side = spec
            .sides
            .values_mut()
            .find(|side| side.target_group.name() == group);
        match (side, service.parse::<Service>()) {
            (Some(side), Ok(service)) => side.service = Some(service),
            (None, _) => {
                let message = format!("`{group}` is no target group of the rule");
                say("--service", message, "such as chatbot-flask-tg=shop/flask");
            }
            (_, Err(error)) => say("--service", error.to_string(), error.hint()),
        }
    }
    spec
}

fn told(problems: Vec<Problem>) -> Result<(), u8> {
    for problem in &problems {
        say_line!("error: {}: {}", problem.field, problem.message);
        say_line!("  hint: {}", problem.hint);
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(BAD),
    }
}

fn failed(error: &bluegreen::Error) -> u8 {
    let failure = Failure::from(error);
    say_line!("error: {failure}");
    if let Some(hint) = &failure.hint {
        say_line!("  hint: {hint}");
    }
    FAILED
}
