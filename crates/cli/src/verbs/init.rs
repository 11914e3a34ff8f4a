//! `bluegreen init`.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bluegreen::{
    aws::sim::Scenario,
    problem::Problem,
    spec::{MigrationSpec, Name, Service, SimulationSpec},
};
use clap::Args;

use crate::{
    common::{
        aws,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
        rule::NamedRule,
        runtime::block_on,
        say::say_line,
    },
    migration::{file::USUAL_FILE, sides},
};

/// Write ./bluegreen.toml from an existing rule.
///
/// Exit codes: 0, written; 2, bad arguments; 3, the rule could not be read or does not have two target
/// groups, or the file exists already.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    rule: NamedRule,
    /// From a simulated AWS, to try a migration; its world is kept in ./.bluegreen.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "healthy",
          conflicts_with_all = ["rule_arn", "listener_arn", "priority", "journal"])]
    sim: Option<String>,
    /// The name of the migration [default: the load balancer's name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The place of its journal: s3://BUCKET/PREFIX, or a folder.
    #[arg(long, env = "BLUEGREEN_JOURNAL", value_name = "PLACE")]
    journal: Option<String>,
    /// The IAM role of the dead-man switch.
    #[arg(long, value_name = "ARN")]
    dead_man_role: Option<String>,
    /// The ECS service of a side, whose capacity is kept: TARGET_GROUP=CLUSTER/SERVICE. Once for each side.
    #[arg(long, value_name = "GROUP=SERVICE")]
    service: Vec<String>,
    /// The file to write, which must not exist.
    #[arg(short, long, value_name = "FILE", default_value = USUAL_FILE)]
    output: PathBuf,
}

pub(crate) fn main(cli: &Init) -> ExitCode {
    block_on(async { run(cli).await.map_or_else(|code| code, |()| 0) })
}

async fn run(cli: &Init) -> Result<(), u8> {
    let spec = match &cli.sim {
        Some(scenario) => simulated(cli, scenario)?,
        None => live(cli).await?,
    };
    let mut text = spec.to_toml();
    if spec.safety.dead_man.is_none() && spec.simulation.is_none() {
        text.push_str(NO_SWITCH);
    }
    written(cli, &text).map_err(|error| {
        say_line!("error: {}: {error}", cli.output.display());
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            say_line!("  hint: move it away, or name another file: --output FILE");
        }
        UNCHANGED
    })?;
    if let Some(native) = &spec.native {
        say_line!(
            "{}: written for service {}, whose traffic ECS moves",
            cli.output.display(),
            native.service
        );
        say_line!(
            "next: `bluegreen plan -f {0}`, then `bluegreen {1} -f {0}`",
            cli.output.display(),
            match spec
                .simulation
                .as_ref()
                .is_some_and(|world| world.scenario.as_str() != "native")
            {
                // A third party has begun a deployment.
                true => "judge",
                false => "deploy",
            }
        );
        return Ok(());
    }
    let names: Vec<&str> = spec.sides.keys().map(Name::as_str).collect();
    say_line!(
        "{}: written with the sides {}, from {}",
        cli.output.display(),
        names.join(" and "),
        spec.traffic
            .rules
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    );
    say_line!(
        "other fields have their defaults, which `bluegreen schema` explains; next: `bluegreen plan \
         -f {}`",
        cli.output.display()
    );
    Ok(())
}

/// Ends a file without a dead-man switch, and shows how to add a switch.
const NO_SWITCH: &str = r#"
# With this, a schedule puts everything back on blue if the controller dies and its run is not resumed.
# `bluegreen plan --print-dead-man-role` prints the policies that the role needs.
# [safety]
# dead_man = { after = "10m", role = "arn:aws:iam::ACCOUNT:role/NAME" }
"#;

fn written(cli: &Init, text: &str) -> std::io::Result<()> {
    let mut file = File::create_new(&cli.output)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns the specification of a simulated world, which begins with the first verb that needs it.
fn simulated(cli: &Init, scenario: &str) -> Result<MigrationSpec, u8> {
    let scenario = scenario.parse::<Scenario>().map_err(|error| {
        let hint = "`bluegreen migrate --sim list` explains all of them";
        bad_arguments(&[Problem::new("--sim", error.to_string(), hint)])
    })?;
    let simulation = scenario.simulation(1);
    let mut spec = simulation.spec();
    let (cluster, blue) = simulation.blue_service();
    for (side, service) in [("flask", blue), ("fastapi", simulation.service())] {
        let side = side.parse::<Name>().ok();
        if let Some(side) = side.and_then(|side| spec.sides.get_mut(&side)) {
            side.service = Some(Service::new(cluster, service));
        }
    }
    let mut world = SimulationSpec::default();
    world.scenario = scenario.name().parse().map_err(|_| UNCHANGED)?;
    // Each file has a world of its own, so another file name gets another folder.
    if cli.output != Path::new(USUAL_FILE)
        && let Some(stem) = cli.output.file_stem()
    {
        world.folder = format!(".{}", stem.to_string_lossy()).into();
    }
    spec.simulation = Some(world);
    let mut problems = Vec::new();
    let spec = filled(cli, spec, &mut problems);
    told(problems).map(|()| spec)
}

/// Returns the specification of the rule that is named.
async fn live(cli: &Init) -> Result<MigrationSpec, u8> {
    let mut problems = Vec::new();
    let rule = cli.rule.rule(&mut problems);
    told(problems)?;
    let Some(rule) = rule else {
        return Err(BAD_ARGUMENTS);
    };
    let aws = aws::from_env_in(Some(rule.listener().region().to_owned())).await;
    let weights = rule.weights(&aws).await;
    let weights = weights.map_err(|error| failed(&error, UNCHANGED))?;
    let mut spec = sides::of_weights(&weights)?;
    let part = |at: usize| weights.rule.as_str().split(':').nth(at);
    spec.account = part(4).and_then(|account| account.parse().ok());
    spec.region = part(3).and_then(|region| region.parse().ok());
    let mut problems = Vec::new();
    let spec = filled(cli, spec, &mut problems);
    told(problems).map(|()| spec)
}

/// Returns the specification, filled with the values of the options.
fn filled(cli: &Init, mut spec: MigrationSpec, problems: &mut Vec<Problem>) -> MigrationSpec {
    let mut say = |field: &str, message: String, hint: &str| {
        problems.push(Problem::new(field, message, hint));
    };
    if let Some(text) = &cli.name {
        match text.parse() {
            Ok(name) => spec.name = name,
            Err(error) => say(
                "--name",
                format!("{error}"),
                "give a name such as `chatbot`",
            ),
        }
    }
    match cli.journal.as_deref().map(str::parse) {
        Some(Ok(place)) => spec.journal = Some(place),
        Some(Err(error)) => {
            let error: bluegreen::error::ParseError = error;
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
                let message = format!("`{group}` is not a target group of the rule");
                say(
                    "--service",
                    message,
                    "write it like `chatbot-flask-tg=shop/flask`",
                );
            }
            (_, Err(error)) => say("--service", error.to_string(), error.hint()),
        }
    }
    spec
}

fn told(problems: Vec<Problem>) -> Result<(), u8> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(bad_arguments(&problems)),
    }
}
