//! `bluegreen judge`: answers the pauses of a deployment that ECS moves itself.

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    aws::sim::{NativeScenario, Scenario},
    preflight::Acceptance,
    problem::Problem,
    spec::{MigrationSpec, Span, Use},
};
use clap::Args;

use crate::{
    common::{
        accept::accepted,
        aws,
        errors::{bad_arguments, invalid},
        journal::JournalPlace,
        runtime::block_on,
        say::answer,
    },
    migration::{
        args::{OPTIONS, Told},
        file::{File, journal_of, usual_path},
        rights::{PrintPolicy, printed},
        world::{Speed, World},
    },
    native::{self, Death, Judged},
};

/// Judge a deployment whose traffic ECS moves: answer its pauses.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Judge {
    /// The deployment [default: the newest of the file's service].
    #[arg(long, value_name = "ARN", help_heading = WHICH)]
    deployment: Option<String>,
    /// The file with the gates [default: ./bluegreen.toml].
    #[arg(short, long, value_name = "FILE", help_heading = WHICH)]
    file: Option<std::path::PathBuf>,
    #[command(flatten, next_help_heading = WHICH)]
    journal: JournalPlace,
    /// A new simulated AWS: `--sim list` shows the scenarios.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "healthy-canary",
          conflicts_with_all = ["deployment", "resume"], help_heading = SIMULATED)]
    sim: Option<String>,
    /// The seed of its randomness [default: 1].
    #[arg(long, value_name = "N", requires = "sim", help_heading = SIMULATED)]
    seed: Option<u64>,
    /// Simulated seconds a second, or `max` [default: 120].
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = SIMULATED)]
    speed: Option<String>,
    #[command(flatten, next_help_heading = OPTIONS)]
    told: Told,
    /// Show what the judge would find, and answer nothing.
    #[arg(long, conflicts_with = "resume", help_heading = OPTIONS)]
    dry_run: bool,
    /// Continue the newest judge of the journal.
    #[arg(long, help_heading = OPTIONS)]
    resume: bool,
    /// Accept a risk, such as pause-continues.
    #[arg(long, value_name = "RISK", help_heading = OPTIONS)]
    accept: Vec<String>,
    /// Time from SIGTERM to SIGKILL here, such as 30s.
    #[arg(long, value_name = "TIME", help_heading = OPTIONS)]
    grace: Option<String>,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
    /// On a simulated AWS: kill the judge after this time; a second judge resumes.
    #[arg(long, value_name = "TIME", hide = true, requires = "sim")]
    kill_at: Option<String>,
    /// The time from --kill-at to the start of the second judge.
    #[arg(long, value_name = "TIME", requires = "kill_at", hide = true)]
    resume_after: Option<String>,
}

/// The heading of the options that name a deployment.
const WHICH: &str = "Which deployment";
const SIMULATED: &str = "Simulated AWS";

const AFTER: &str = "\
ECS moves the traffic of a service with the strategy BLUE_GREEN, LINEAR or
CANARY, and waits at each PAUSE hook. The judge continues if the gates of
[judge] are healthy, and rolls back if one finds harm. `pause`, `promote`,
`abort` and `leave` control it; `bluegreen deploy` begins and judges in one.

Exit: 0 promoted; 2 bad arguments; 3 refused, nothing answered; 10 rolled back;
11 cancelled, rolled back; 12 held; 20 not put back, or not known: look now.";

pub(crate) fn main(cli: &Judge) -> ExitCode {
    if cli.sim.as_deref() == Some("list") {
        list();
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

fn list() {
    let title = "The scenarios for --sim NAME, each with its exit code:\n";
    let mut lines = vec![title.to_owned()];
    for scenario in NativeScenario::ALL {
        let (name, exit) = (scenario.name(), scenario.expected_exit());
        let explanation = scenario.explanation();
        lines.push(format!("  {name:<18} {exit:>2}  {explanation}"));
    }
    let _ = answer(&lines.join("\n"));
}

/// What the options say, besides the deployment.
struct Given {
    death: Option<Death>,
    speed: Option<Speed>,
    grace: Option<Duration>,
    accepted: Vec<Acceptance>,
    scenario: Option<NativeScenario>,
}

async fn run(cli: &Judge) -> Result<u8, u8> {
    let given = given(cli)?;
    if let Some(scenario) = given.scenario {
        return simulated(cli, &given, scenario).await;
    }
    let file = file(cli)?;
    let spec = file.as_ref().map(|file| &file.spec);
    if cli.policy.print_iam_policy {
        return policy(cli, spec);
    }
    let world = match spec.filter(|spec| spec.simulation.is_some()) {
        Some(spec) => World::of(spec, false, given.speed).await?,
        None => {
            let of_arn = cli
                .deployment
                .as_deref()
                .and_then(|arn| arn.split(':').nth(3));
            let of_file = || spec.and_then(MigrationSpec::region_of_all);
            let region = of_arn.map(str::to_owned).or_else(of_file);
            World::Real(aws::from_env_in(region).await)
        }
    };
    let place = match spec {
        Some(spec) => journal_of(spec, &cli.journal),
        None => cli.journal.clone(),
    };
    let named = native::named(cli.deployment.as_deref(), spec, world.aws()).await?;
    let judging = judging(spec, &named.service, &given.accepted);
    let judged = Judged {
        spec: &judging,
        aws: world.aws(),
        simulation: world.simulation(),
        journal: &place,
        told: &cli.told,
        folder: file.as_ref().and_then(|file| native::folder_of(&file.path)),
        grace: given.grace.or(judging.plan.grace.map(|span| span.0)),
    };
    if cli.dry_run {
        return native::preview(&judged, &named.arn).await;
    }
    Ok(match cli.resume {
        true => native::resume(&judged).await,
        false => native::start(&judged, &named.arn, None, None).await,
    })
}

/// Judges a deployment in a new simulated world.
async fn simulated(cli: &Judge, given: &Given, scenario: NativeScenario) -> Result<u8, u8> {
    let file = cli.file.as_deref().map(File::read).transpose()?;
    let simulation = scenario.simulation(cli.seed.unwrap_or(1));
    let own = simulation.native_spec();
    let base = file.map_or_else(|| own.clone(), |file| file.spec);
    let Some(service) = own.native.as_ref().map(|native| native.service.clone()) else {
        return Err(bad_arguments(&[]));
    };
    let mut judging = judging(Some(&base), &service, &given.accepted);
    judging.simulation = None;
    if cli.policy.print_iam_policy {
        return policy(cli, Some(&judging));
    }
    let found = simulation.service_deployments();
    let world = World::fresh(simulation, Scenario::Native(scenario), given.speed);
    let judged = Judged {
        spec: &judging,
        aws: world.aws(),
        simulation: world.simulation(),
        journal: &cli.journal,
        told: &cli.told,
        folder: None,
        grace: given.grace,
    };
    let Some((arn, _)) = found.first() else {
        return Err(bad_arguments(&[]));
    };
    if cli.dry_run {
        return native::preview(&judged, arn).await;
    }
    Ok(native::start(&judged, arn, None, given.death).await)
}

/// The file that is named; or the usual file, if it is about the deployment's service.
fn file(cli: &Judge) -> Result<Option<File>, u8> {
    if let Some(path) = &cli.file {
        return File::read(path).map(Some);
    }
    let Some(path) = usual_path(None) else {
        return Ok(None);
    };
    let file = File::read(&path)?;
    let Some(arn) = &cli.deployment else {
        return Ok(Some(file));
    };
    let service = native::of_arn(arn)?.service;
    let of_native = file.spec.native.iter().map(|native| &native.service);
    let of_sides = file
        .spec
        .sides
        .values()
        .filter_map(|side| side.service.as_ref());
    let is_about_it = of_native.chain(of_sides).any(|one| *one == service);
    Ok(is_about_it.then_some(file))
}

/// The specification that judges a service.
fn judging(
    base: Option<&MigrationSpec>,
    service: &bluegreen::spec::Service,
    accepted: &[Acceptance],
) -> MigrationSpec {
    let mut spec = match base {
        Some(base) => base.for_service(service),
        None => native::usual(service),
    };
    spec.safety.accept.extend(accepted.iter().copied());
    spec
}

/// Prints the least policy. Calls nothing.
fn policy(cli: &Judge, spec: Option<&MigrationSpec>) -> Result<u8, u8> {
    let named = cli.deployment.as_deref().map(native::of_arn).transpose()?;
    let service = match (&named, spec.and_then(|spec| spec.native.as_ref())) {
        (Some(named), _) => named.service.clone(),
        (None, Some(native)) => native.service.clone(),
        (None, None) => {
            let message = "is needed: no file names a service whose traffic ECS moves";
            let hint = "name a deployment, or a file with a table [native]";
            return Err(bad_arguments(&[Problem::new(
                "--deployment",
                message,
                hint,
            )]));
        }
    };
    let mut spec = judging(spec, &service, &[]);
    if let Some(arn) = &cli.deployment {
        let part = |at: usize| arn.split(':').nth(at);
        spec.region = part(3).and_then(|region| region.parse().ok());
        spec.account = part(4).and_then(|account| account.parse().ok());
    }
    let place = journal_of(&spec, &cli.journal);
    spec.journal = place
        .journal
        .as_deref()
        .and_then(|place| place.parse().ok());
    let policy = spec
        .iam_policy(Use::Migrate)
        .map_err(|error| invalid(&error))?;
    Ok(printed(&policy))
}

/// Reads the options, and tells every problem with them.
fn given(cli: &Judge) -> Result<Given, u8> {
    let mut problems = Vec::new();
    let mut span = |field: &str, text: &Option<String>| {
        let span = text.as_deref()?.parse::<Span>();
        let span = span
            .map_err(|error| problems.push(Problem::new(field, error.to_string(), error.hint())));
        span.ok().map(|span| span.0)
    };
    let at = span("--kill-at", &cli.kill_at);
    let resume_after = span("--resume-after", &cli.resume_after).unwrap_or_default();
    let grace = span("--grace", &cli.grace);
    let accepted = accepted(&cli.accept, &mut problems);
    let speed = cli.speed.as_deref().map(Speed::of).transpose();
    let speed = speed.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let scenario = cli.sim.as_deref().map(|name| {
        let name = name.strip_prefix("native-").unwrap_or(name);
        name.parse::<NativeScenario>()
    });
    let scenario = scenario.transpose().unwrap_or_else(|error| {
        let hint = "`--sim list` explains all of them";
        problems.push(Problem::new("--sim", error.to_string(), hint));
        None
    });
    match problems.is_empty() {
        true => Ok(Given {
            death: at.map(|at| Death { at, resume_after }),
            speed,
            grace,
            accepted,
            scenario,
        }),
        false => Err(bad_arguments(&problems)),
    }
}
