//! The successor of the guide's `deploy/traffic_router.py`: moves live traffic from blue to green.

mod args;
mod capacity;
mod controller;
mod outlook;
mod render;
mod rollback;
mod setup;
mod switch;

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    Aws, ErrorKind, MigrationError, MigrationOutcome, TrafficSplitter,
    aws::{
        alb::{AlbDeadManSwitch, AlbTrafficSplitter},
        sim::{Scenario, Simulation},
    },
    engine::Request,
    problem::Problem,
    spec::Target,
    store::Take,
};

pub(crate) use self::args::Cli;
use self::{
    args::Command,
    controller::Controller,
    setup::{Setup, Speed},
};
use crate::{
    ask,
    common::{
        aws, credentials,
        say::{answer, say_line},
    },
};

/// Bad arguments or plan; nothing was called.
const BAD_ARGUMENTS: u8 = 2;
/// Stopped before anything changed.
const UNCHANGED: u8 = 3;
/// How long `status` waits for the journal.
const JOURNAL_WAITS: Duration = Duration::from_secs(2);

pub(crate) fn main(cli: Cli) -> ExitCode {
    let cli = match cli.place.file.as_deref().map(setup::file) {
        None => cli,
        Some(Ok(spec)) => setup::with_file(cli, spec),
        Some(Err(message)) => {
            say_line!("error: {message}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    let cli = &cli;
    if cli.place.scenario.as_deref() == Some("list") {
        list_scenarios();
        return ExitCode::SUCCESS;
    }
    // A plain current-thread runtime: only the simulation pauses its clock.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say_line!("error: cannot start: {error}");
            return ExitCode::from(UNCHANGED);
        }
    };
    ExitCode::from(runtime.block_on(run(cli)))
}

fn list_scenarios() {
    let title = "The simulated worlds of --scenario NAME, and the exit code of each:\n";
    let mut lines = vec![title.to_owned()];
    for scenario in Scenario::ALL {
        let (name, exit) = (scenario.name(), scenario.expected_exit());
        let explanation = scenario.explanation();
        lines.push(format!("  {name:<18} {exit:>2}  {explanation}"));
    }
    let _ = answer(&lines.join("\n"));
}

/// What asks another process for something. It runs nothing itself, so it has no simulated world.
async fn asked(cli: &Cli) -> Option<u8> {
    let (verb, asking) = match cli.command.as_ref()? {
        Command::Pause(pause) => (pause.verb(), &pause.asking),
        Command::Continue(run) => (run.verb(), &run.asking),
        Command::Promote(promote) => (promote.verb(), &promote.asking),
        Command::Abort(abort) => (abort.verb(), &abort.asking),
        Command::Leave(leave) => (leave.verb(), &leave.asking),
        _ => return None,
    };
    let place = ask::Where {
        journal: &cli.journal,
        rule: &cli.rule.named,
        is_real: cli.place.aws,
        operator: &cli.place.operator,
        json: cli.json,
        prints_policy: cli.place.print_iam_policy,
    };
    Some(ask::run(verb, asking, place).await)
}

async fn run(cli: &Cli) -> u8 {
    if let Some(code) = asked(cli).await {
        return code;
    }
    if cli.command == Some(Command::Resume) && !cli.place.aws {
        let message = "the simulated world ended with its process";
        let hint = "`--kill-at 12m` kills a controller and resumes it; --aws is the real one";
        return bad_arguments(&[Problem::new("resume", message, hint)]);
    }
    if cli.place.aws {
        if cli.place.print_iam_policy || cli.place.print_dead_man_role {
            return match Setup::new(cli, None) {
                Ok(setup) => {
                    go(
                        cli,
                        &setup,
                        &aws::from_env_for(cli.spec.as_ref()).await,
                        None,
                    )
                    .await
                }
                Err(problems) => bad_arguments(&problems),
            };
        }
        let aws = aws::from_env_for(cli.spec.as_ref()).await;
        let cli = match rollback::with_sides(cli, &aws).await {
            Ok(cli) => cli,
            Err(code) => return code,
        };
        return match Setup::new(&cli, None) {
            Ok(setup) => go(&cli, &setup, &aws, None).await,
            Err(problems) => bad_arguments(&problems),
        };
    }
    let scenario = setup::scenario(cli);
    // Whatever the world, the rest of the command line can be checked.
    let simulation = scenario.as_ref().map_or(Scenario::Healthy, |s| *s);
    let simulation = simulation.simulation(cli.place.seed);
    let speed = setup::speed(cli);
    let (scenario, speed, setup) = match (scenario, speed, Setup::new(cli, Some(&simulation))) {
        (Ok(scenario), Ok(speed), Ok(setup)) => (scenario, speed, setup),
        (scenario, speed, setup) => {
            let mut problems: Vec<_> = scenario.err().into_iter().chain(speed.err()).collect();
            problems.extend(setup.err().into_iter().flatten());
            return bad_arguments(&problems);
        }
    };
    simulation.start_paused();
    let pacer = match speed {
        Speed::Times(speed) => Some(simulation.pace(speed)),
        Speed::Max => None,
    };
    say_line!(
        "simulated AWS, scenario {}: {}",
        scenario.name(),
        scenario.explanation()
    );
    let code = go(cli, &setup, &simulation.aws(), Some(&simulation)).await;
    drop(pacer);
    code
}

/// Carries the command out and gives its exit code.
async fn go(cli: &Cli, setup: &Setup, aws: &Aws, simulation: Option<&Simulation>) -> u8 {
    if cli.place.print_iam_policy || cli.place.print_dead_man_role {
        return printed(cli, setup);
    }
    let command = cli.command.clone().unwrap_or(Command::Migrate);
    let target = match target(cli, setup, aws, &command).await {
        Ok(target) => target,
        Err(code) => return code,
    };
    let splitter = match setup.spec.splitter(aws, &target) {
        Ok(splitter) => splitter,
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    if command == Command::Status {
        return match splitter.observe().await {
            Ok(traffic) => {
                let switch = match splitter.locate().await {
                    Ok(rule) => AlbDeadManSwitch::fires(aws, &rule).await,
                    Err(error) => Err(error),
                };
                let requests = open_requests(cli, aws, &splitter).await;
                match render::status(&traffic, &switch, &requests, cli.json) {
                    Ok(()) => 0,
                    Err(error) => {
                        say_line!("error: the answer could not be written: {error}");
                        UNCHANGED
                    }
                }
            }
            Err(error) => failed(&error, UNCHANGED),
        };
    }
    if let Some(code) = looked_ahead(cli, setup, aws, &target, &command).await {
        return code;
    }
    let controller = match Controller::new(cli, setup, &target, aws, &splitter).await {
        Ok(controller) => controller,
        Err(code) => return code,
    };
    let ended = match (&command, setup.kill_at) {
        (Command::Resume, _) => controller.resume(Take::IfExpired).await,
        (_, None) => controller.start(&command).await,
        (_, Some(after)) => {
            let killed = tokio::time::timeout(after, controller.start(&command)).await;
            match killed {
                Ok(ended) => ended,
                Err(_) => {
                    let until = match setup.plan.dead_man() {
                        Some(_) => "until the dead-man switch fires",
                        None => "as it is",
                    };
                    say_line!("killed: nobody watches any more, and the split stays {until}");
                    tokio::time::sleep(setup.resume_after).await;
                    if let (Some(simulation), false) = (simulation, setup.resume_after.is_zero()) {
                        let weights = simulation.weights();
                        say_line!(
                            "{} later the rule says {}:{}",
                            cli.place.resume_after.as_deref().unwrap_or_default(),
                            weights.blue,
                            weights.green
                        );
                    }
                    controller.resume(Take::IfExpired).await
                }
            }
        }
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(code) => return code,
    };
    if !cli.json {
        say_line!("API calls: {}", aws.calls());
        if let Some(simulation) = simulation {
            let weights = simulation.weights();
            say_line!("the simulated rule: {}:{}", weights.blue, weights.green);
        }
    }
    // What ends before it begins has no event to say so.
    let is_told = cli.json && !matches!(&ended, Err(MigrationError::Resume(_)));
    if !is_told {
        render::ending(&ended);
    }
    exit_code(ended)
}

/// What is asked of the run and not answered, if the journal is named and says so in time.
async fn open_requests(cli: &Cli, aws: &Aws, splitter: &AlbTrafficSplitter) -> Vec<Request> {
    if cli.journal.journal.is_none() {
        return Vec::new();
    }
    let asked = async {
        let rule = splitter.locate().await.ok()?;
        let store = cli.journal.store(aws, !cli.place.aws).ok()?;
        store.log(rule.as_str()).open_requests().await.ok()
    };
    let asked = tokio::time::timeout(JOURNAL_WAITS, asked).await;
    asked.ok().flatten().unwrap_or_default()
}

/// What blue's past says: all that was asked for, or what must be known before a migration. Gives
/// an exit code where it ends with that.
async fn looked_ahead(
    cli: &Cli,
    setup: &Setup,
    aws: &Aws,
    target: &Target,
    command: &Command,
) -> Option<u8> {
    if !matches!(
        command,
        Command::Migrate | Command::Plan | Command::Calibrate { .. }
    ) {
        return None;
    }
    let is_quiet = cli.json && *command == Command::Migrate;
    if !is_quiet && !matches!(command, Command::Calibrate { .. }) {
        say_line!("{}\n", setup.plan.preview());
    }
    if *command == Command::Plan {
        say_line!("{INFRASTRUCTURE_CODE}\n");
        if let Some(code) = refused_by_credentials(setup, aws).await {
            return Some(code);
        }
    }
    let is_kept = match command {
        Command::Plan => {
            let is_kept = capacity::foresee(setup, aws, target).await;
            switch::foresee(setup, aws, target).await && is_kept
        }
        _ => true,
    };
    let Some(settings) = setup.spec.comparison() else {
        return match command {
            Command::Migrate => None,
            Command::Plan => Some(if is_kept { 0 } else { UNCHANGED }),
            _ => Some(bad_arguments(&[Problem::new(
                "--judge limits",
                "the limits need no past",
                "leave it out",
            )])),
        };
    };
    let ended = match command {
        Command::Calibrate { days } => {
            outlook::past(&setup.spec, aws, target, &settings, *days).await
        }
        _ => outlook::plan(&setup.spec, aws, target).await,
    };
    match (ended, command) {
        (Ok(true), Command::Migrate) => None,
        (Ok(true), _) if is_kept => Some(0),
        (Ok(true), _) => Some(UNCHANGED),
        (Ok(false), _) => Some(UNCHANGED),
        (Err(error), _) => Some(failed(&error, UNCHANGED)),
    }
}

/// The rights, or the role, that this takes.
fn printed(cli: &Cli, setup: &Setup) -> u8 {
    let mut spec = setup.spec.clone();
    let place = cli.journal.journal.as_deref();
    spec.journal = place.and_then(|place| place.parse().ok());
    let printed = match cli.place.print_iam_policy {
        true => spec.iam_policy().map(|policy| policy.to_string()),
        false => spec
            .dead_man_role()
            .map(|role| serde_json::to_string_pretty(&role).unwrap_or_default()),
    };
    match printed.map(|printed| answer(&printed)) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            say_line!("error: the policy could not be written: {error}");
            UNCHANGED
        }
        Err(error) => {
            say_line!("error: {error}");
            BAD_ARGUMENTS
        }
    }
}

/// What it is about. If both sides get traffic, the journal tells which one served before.
async fn target(
    cli: &Cli,
    setup: &Setup,
    aws: &Aws,
    command: &Command,
) -> std::result::Result<Target, u8> {
    let spec = &setup.spec;
    let error = match spec.target(aws, setup.from.as_ref()).await {
        Ok(target) => return Ok(target),
        Err(error) => error,
    };
    let code = match error.kind() {
        ErrorKind::Invalid => BAD_ARGUMENTS,
        _ => UNCHANGED,
    };
    let begins = matches!(
        command,
        Command::Migrate | Command::Plan | Command::Calibrate { .. }
    );
    if setup.from.is_some() || begins || error.kind() != ErrorKind::Refused {
        return Err(failed(&error, code));
    }
    let served = match spec.locate(aws).await {
        Ok(rule) => rollback::side_that_served(cli, aws, rule.as_str()).await,
        Err(error) => return Err(failed(&error, code)),
    };
    let from = match (served, spec.sides.keys().next()) {
        (Some(served), _) => served,
        // It only shows what is there, or reads the side from the journal.
        (None, Some(first)) if matches!(command, Command::Status | Command::Resume) => {
            first.clone()
        }
        _ => return Err(failed(&error, code)),
    };
    let target = spec.target(aws, Some(&from)).await;
    target.map_err(|error| failed(&error, code))
}

/// What writes the rule too, and must not.
const INFRASTRUCTURE_CODE: &str = "infrastructure code: until the run is over, no apply and no stack \
    update may write the rule's action and weights, the services' desired counts and revisions, or the \
    least capacity of blue's scaling; docs/infrastructure.md says what Terraform ignores, and what to do \
    with CDK and CloudFormation";

/// The code of a plan that its credentials do not outlast, and says so.
async fn refused_by_credentials(setup: &Setup, aws: &Aws) -> Option<u8> {
    let end = credentials::end(aws).await?;
    let finding = setup.plan.outlives_credentials(aws.clock().now(), end)?;
    say_line!("error: {finding}");
    if let Some(hint) = &finding.hint {
        say_line!("  hint: {hint}");
    }
    Some(UNCHANGED)
}

/// The outcome's code; its words were the last event.
fn exit_code(ended: Result<MigrationOutcome, MigrationError>) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(MigrationError::Plan(error)) => bad_arguments(error.problems()),
        Err(error) => error.exit_code(),
    }
}

fn bad_arguments(problems: &[Problem]) -> u8 {
    let problem_s = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    say_line!("error: {} {problem_s}, nothing was called", problems.len());
    for problem in problems {
        say_line!("  {}: {}", problem.field, problem.message);
        say_line!("    hint: {}", problem.hint);
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
