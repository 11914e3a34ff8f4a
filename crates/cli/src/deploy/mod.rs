//! The successor of the guide's `deploy/deploy.sh`: builds, pushes, registers, updates, follows,
//! checks, and takes it back.

mod args;
mod prepare;
mod render;
mod setup;
mod validate;

use std::process::ExitCode;

use bluegreen::{
    Aws, Deployment, DeploymentError, ErrorKind, ImageBuilder as _, ServiceDeployer as _,
    aws::sim::{ReleaseScenario, Simulation},
    deployment::{DeploymentOutcome, ImageSource, has_way_back, origin_of, replay},
    image::ImageRef,
    preflight::{Acceptance, Severity},
    problem::Problem,
    service::RevisionId,
    store::{JournalLog, Lease, Take},
};
use clap::Parser;

pub(crate) use self::args::Cli;
use self::{args::Command, setup::Setup};
use crate::common::{
    self,
    say::{answer, say_line},
};

/// Bad arguments or files; nothing was called.
const BAD_ARGUMENTS: u8 = 2;
/// Stopped before the service was changed.
const UNCHANGED: u8 = 3;

pub(crate) fn main(cli: &Cli) -> ExitCode {
    if cli.place.scenario.as_deref() == Some("list") {
        list_scenarios();
        return ExitCode::SUCCESS;
    }
    if let Some(Command::Validate(asked)) = &cli.command {
        return ExitCode::from(match validate::run(cli, asked) {
            Ok(true) => 0,
            Ok(false) => BAD_ARGUMENTS,
            Err(problems) => bad_arguments(&problems),
        });
    }
    // A plain current-thread runtime: only the simulation pauses its clock.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(run(cli))),
        Err(error) => {
            say_line!("error: cannot start: {error}");
            ExitCode::from(UNCHANGED)
        }
    }
}

fn list_scenarios() {
    let title = "The simulated worlds of --scenario NAME, and the exit code of each:\n";
    let mut lines = vec![title.to_owned()];
    for scenario in ReleaseScenario::ALL {
        let (name, exit) = (scenario.name(), scenario.expected_exit());
        let explanation = scenario.explanation();
        lines.push(format!("  {name:<20} {exit:>2}  {explanation}"));
    }
    let _ = answer(&lines.join("\n"));
}

async fn run(cli: &Cli) -> u8 {
    if cli.command == Some(Command::Resume) && !cli.place.aws {
        let message = "the simulated world ended with its process";
        let hint = "on real AWS: `resume --aws --cluster C --service S --journal PLACE`";
        return bad_arguments(&[Problem::new("resume", message, hint)]);
    }
    if cli.place.aws {
        if let Some(Command::Prepare(asked)) = &cli.command {
            return prepared(cli, asked, &common::aws::from_env().await, None).await;
        }
        return match Setup::new(cli, None) {
            Ok(setup) => go(cli, &setup, &common::aws::from_env().await, None).await,
            Err(problems) => bad_arguments(&problems),
        };
    }
    let usual = match &cli.command {
        Some(Command::Prepare(_)) => "unprepared",
        _ => "healthy",
    };
    let name = cli.place.scenario.as_deref().unwrap_or(usual);
    let scenario = match name.parse::<ReleaseScenario>() {
        Ok(scenario) => scenario,
        Err(error) => {
            let hint = "`--scenario list` explains all of them";
            return bad_arguments(&[Problem::new("--scenario", error.to_string(), hint)]);
        }
    };
    let speed = match cli.place.speed.as_deref().unwrap_or("60") {
        "max" => None,
        text => match text.parse::<f64>() {
            Ok(speed) if (0.1..=100_000.0).contains(&speed) => Some(speed),
            _ => {
                let message = format!("`{text}` is not a number from 0.1 to 100000");
                let hint = "60 shows a virtual minute a second; `max` does not wait at all";
                return bad_arguments(&[Problem::new("--speed", message, hint)]);
            }
        },
    };
    let simulation = scenario.simulation(1);
    simulation.start_paused();
    if let Some(Command::Prepare(asked)) = &cli.command {
        return prepared(cli, asked, &simulation.aws(), Some(&simulation)).await;
    }
    let setup = match Setup::new(cli, Some(&simulation)) {
        Ok(setup) => setup,
        Err(problems) => return bad_arguments(&problems),
    };
    let pacer = speed.map(|speed| simulation.pace(speed));
    say_line!(
        "simulated AWS, scenario {}: {}",
        scenario.name(),
        scenario.explanation()
    );
    let code = go(cli, &setup, &simulation.aws(), Some(&simulation)).await;
    drop(pacer);
    code
}

/// A place for green, and the exit code.
async fn prepared(
    cli: &Cli,
    asked: &args::Prepare,
    aws: &Aws,
    simulation: Option<&Simulation>,
) -> u8 {
    let place = match prepare::place(asked, &cli.service.accept_unknown, aws, simulation) {
        Ok(place) => place,
        Err(problems) => return bad_arguments(&problems),
    };
    let is_simulated = simulation.is_some();
    let ended = prepare::run(asked, place, is_simulated, cli.plan.dry_run, cli.json).await;
    if !cli.json {
        say_line!("API calls: {}", aws.calls());
    }
    match ended {
        Ok(()) => 0,
        Err(error) => failed(&error, UNCHANGED),
    }
}

/// Carries the command out under the service's journal, where it changes something.
async fn go(cli: &Cli, setup: &Setup, aws: &Aws, simulation: Option<&Simulation>) -> u8 {
    let changes = match cli.command.as_ref().unwrap_or(&Command::Deploy) {
        Command::Deploy => !cli.plan.dry_run,
        Command::Rollback { .. } | Command::Resume => true,
        _ => false,
    };
    let is_dry = matches!(cli.command, None | Some(Command::Deploy)) && cli.plan.dry_run;
    if !changes && !is_dry {
        return carry_out(cli, setup, aws, simulation, None).await;
    }
    let store = match cli.journal.store(aws, simulation.is_some()) {
        Ok(store) => store,
        Err(problem) => return bad_arguments(&[problem]),
    };
    // A cluster is named by its name or by its ARN; both are the same one.
    let cluster = setup.cluster.rsplit('/').next().unwrap_or_default();
    let region = aws.region().unwrap_or_default();
    let log = store.log(&format!("ecs {region} {cluster}/{}", setup.service));
    if is_dry {
        let is_refused = !foreseen(cli, &log).await;
        let code = carry_out(cli, setup, aws, simulation, None).await;
        return if code == 0 && is_refused {
            UNCHANGED
        } else {
            code
        };
    }
    let how = if cli.journal.steal {
        Take::Force
    } else {
        Take::IfExpired
    };
    let operator = &cli.place.operator;
    let lease = match common::journal::take(&log, operator, aws.clock(), how).await {
        Ok(lease) => lease,
        Err(error) => {
            let code = failed(&error, UNCHANGED);
            let is_rollback = matches!(cli.command, Some(Command::Rollback { .. }));
            // A journal that cannot be read or written does not stand in the way; a controller does.
            if is_rollback && error.kind() != ErrorKind::Held {
                say_line!("warning: rolling back without the journal");
                return carry_out(cli, setup, aws, simulation, None).await;
            }
            return code;
        }
    };
    let fenced = aws.fenced(lease.clone());
    let code = match &cli.command {
        Some(Command::Resume) => resume(cli, setup, &fenced, &lease).await,
        _ => {
            let options = cli.words.clone();
            carry_out(cli, setup, &fenced, simulation, Some((&lease, options))).await
        }
    };
    if let Err(error) = lease.release().await {
        say_line!("warning: the journal was not let go: {error}");
    }
    code
}

/// Says what the run would meet at its journal, and whether it could be taken.
async fn foreseen(cli: &Cli, log: &JournalLog) -> bool {
    match log.lease_state().await {
        Ok(Some(standing)) if standing.holder.is_some() && !cli.journal.steal => {
            say_line!("note: the journal is {standing}; while its holder lives, a run is refused");
            true
        }
        Ok(_) => true,
        Err(error) => {
            say_line!("refusal: {}", bluegreen::Failure::from(&error));
            if let Some(hint) = error.hint() {
                say_line!("  hint: {hint}");
            }
            false
        }
    }
}

/// Runs the newest deployment of the journal again, with its own options: what was done is found.
async fn resume(cli: &Cli, setup: &Setup, aws: &Aws, lease: &Lease) -> u8 {
    let records = match lease.newest_run().await {
        Ok(records) => records,
        Err(error) => return failed(&error, UNCHANGED),
    };
    let options: Vec<String> = serde_json::from_value(origin_of(&records)).unwrap_or_default();
    let words = std::iter::once("deploy").chain(options.iter().map(String::as_str));
    let again = Cli::try_parse_from(words).ok();
    let Some(again) = again.filter(|again| !options.is_empty() && again.place.aws) else {
        say_line!(
            "error: the journal holds no deployment of {}",
            setup.service
        );
        return UNCHANGED;
    };
    let again = Cli {
        json: cli.json,
        ..again
    };
    let setup = match Setup::new(&again, None) {
        Ok(setup) => setup,
        Err(problems) => return bad_arguments(&problems),
    };
    say_line!("going on with the deployment of {}", setup.service);
    carry_out(&again, &setup, aws, None, Some((lease, options))).await
}

/// Whatever an earlier process left unproved, this run proves or takes back. A rollback needs nothing
/// of that: where it goes is kept with the service.
async fn continued(
    deployment: Deployment,
    lease: &Lease,
    is_rollback: bool,
) -> Result<Deployment, u8> {
    let records = match lease.newest_run().await {
        Ok(records) => records,
        Err(error) => {
            let code = failed(&error, UNCHANGED);
            return if is_rollback {
                Ok(deployment)
            } else {
                Err(code)
            };
        }
    };
    if records.is_empty() {
        return Ok(deployment);
    }
    if let (true, Err(error)) = (is_rollback, replay(&records)) {
        say_line!("warning: rolling back without what the journal says: {error}");
        return Ok(deployment);
    }
    deployment.goes_on_from(&records).map_err(|error| {
        say_line!("error: the journal does not replay: {error}");
        UNCHANGED
    })
}

/// Carries the command out and gives its exit code.
async fn carry_out(
    cli: &Cli,
    setup: &Setup,
    aws: &Aws,
    simulation: Option<&Simulation>,
    held: Option<(&Lease, Vec<String>)>,
) -> u8 {
    let command = cli.command.clone().unwrap_or(Command::Deploy);
    let source = match command {
        Command::Deploy => match setup.source(cli, simulation).await {
            Ok(source) => Some(source),
            Err(error) => return failed(&error, UNCHANGED),
        },
        _ => None,
    };
    if let (true, Some(source)) = (cli.plan.dry_run, &source) {
        return dry_run(cli, setup, aws, simulation, source).await;
    }
    let mut deployment = Deployment::new(setup.plan.clone(), setup.deployer(aws, cli, simulation))
        .clock(aws.clock());
    if let Some(builder) = setup.builder(aws, cli, simulation) {
        deployment = deployment.builder(builder);
    }
    deployment = match setup.checked(deployment, simulation) {
        Ok(deployment) => deployment,
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    if source.is_some() && !setup.has_checks() {
        say_line!("warning: no --checks: a rollout that completes is all that is asked for");
    }
    deployment = deployment.on_event(if cli.json { render::json } else { render::show });
    if let Some((lease, options)) = held {
        deployment = deployment.journal(lease.clone()).origin(options.into());
        let is_rollback = matches!(command, Command::Rollback { .. });
        deployment = match continued(deployment, lease, is_rollback).await {
            Ok(deployment) => deployment,
            Err(code) => return code,
        };
    }
    if let Err(error) = common::signals::control(deployment.handle(), setup.grace) {
        say_line!("error: cannot listen to signals, so nothing was started: {error}");
        return UNCHANGED;
    }
    let ended = match (command, source) {
        (Command::Health, _) => deployment.check_health().await,
        (Command::Smoke, _) => deployment.smoke_test().await,
        (Command::Rollback { to }, _) => {
            let to = to.map(RevisionId::new);
            deployment.roll_back(cli.place.operator.as_str(), to).await
        }
        (Command::Deploy, Some(source)) => deployment.run_image(source).await,
        (_, _) => return UNCHANGED,
    };
    if !cli.json {
        say_line!("API calls: {}", aws.calls());
        render::ending(&ended);
    }
    exit_code(ended)
}

/// What a deployment would do, read and told, and nothing done.
async fn dry_run(
    cli: &Cli,
    setup: &Setup,
    aws: &Aws,
    simulation: Option<&Simulation>,
    source: &ImageSource,
) -> u8 {
    let deployer = setup.deployer(aws, cli, simulation);
    let builder = setup.builder(aws, cli, simulation);
    // What the checks need is refused as by the run itself.
    let checks = setup.checked(
        Deployment::new(setup.plan.clone(), setup.deployer(aws, cli, simulation)),
        simulation,
    );
    if let Err(error) = checks {
        return failed(&error, BAD_ARGUMENTS);
    }
    let read = async {
        let mut findings = deployer.preflight().await?;
        let mut image = None;
        match source {
            ImageSource::Given { image: given } => image = Some(given.clone()),
            ImageSource::Build { request, .. } => {
                if let Some(builder) = &builder {
                    findings.extend(builder.preflight().await?);
                    image = builder.find(&request.tag).await?;
                }
                if let Some(image) = &image {
                    findings.extend(deployer.image_findings(image).await?);
                }
                match &image {
                    Some(image) => say_line!("image: {image}, pushed before, is not built again"),
                    None => say_line!(
                        "image: {} is built as {}",
                        request.context.display(),
                        request.tag
                    ),
                }
            }
        }
        let service = deployer.observe().await?;
        match &service {
            Some(service) => say_line!("service: {service}"),
            None => say_line!("service: {} is created in {}", setup.service, setup.cluster),
        }
        // Until it is pushed, nobody knows its digest.
        let placeholder = || format!("to-be-built@sha256:{}", "0".repeat(64)).parse::<ImageRef>();
        let image = match image {
            Some(image) => Some(image),
            None => placeholder().ok(),
        };
        let mut accepted = setup.plan.accepted().clone();
        if !setup.has_checks() {
            accepted.insert(Acceptance::NoTestRoute);
        }
        for finding in &findings {
            let kind = match finding.severity {
                Severity::Note => "note",
                _ if finding.stops(&accepted) => "refusal",
                _ => "accepted",
            };
            say_line!("{kind}: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("  hint: {hint}");
            }
        }
        let mut refuses = findings.iter().any(|finding| finding.stops(&accepted));
        let previewed = match &image {
            Some(image) => deployer.preview(image).await.map(Some),
            None => Ok(None),
        };
        match previewed {
            Ok(None) => {}
            Ok(Some((existing, diff))) => {
                match &existing {
                    Some(revision) => say_line!("task definition: {revision} exists already"),
                    None => say_line!("task definition: a new revision is registered"),
                }
                render::diff(&diff);
                if let (Some(service), Some(revision)) = (&service, &existing)
                    && !has_way_back(service, revision)
                {
                    refuses = true;
                    say_line!(
                        "refusal: a failed rollout of {revision} stands, and there is no other \
                         revision to go back to"
                    );
                }
            }
            // It is refused already, mostly for the same reason.
            Err(error) if refuses => {
                say_line!("task definition: {}", bluegreen::Failure::from(error))
            }
            Err(error) => return Err(error),
        }
        bluegreen::Result::Ok(refuses)
    };
    match read.await {
        Ok(refuses) => {
            say_line!("dry run: nothing was changed");
            if refuses { UNCHANGED } else { 0 }
        }
        Err(error) => failed(&error, UNCHANGED),
    }
}

/// The outcome's code; its words were said.
fn exit_code(ended: Result<DeploymentOutcome, DeploymentError>) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    }
}

fn bad_arguments(problems: &[Problem]) -> u8 {
    for problem in problems {
        say_line!("error: {}: {}", problem.field, problem.message);
        say_line!("  hint: {}", problem.hint);
    }
    BAD_ARGUMENTS
}

fn failed(error: &bluegreen::Error, code: u8) -> u8 {
    let failure = bluegreen::Failure::from(error);
    say_line!("error: {failure}");
    if let Some(hint) = &failure.hint {
        say_line!("  hint: {hint}");
    }
    code
}
