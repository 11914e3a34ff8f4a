//! The successor of the guide's `deploy/deploy.sh`: builds, pushes, registers, updates the service,
//! follows the rollout, checks it, and rolls it back if that fails.

mod args;
pub(crate) mod definitions;
mod dry_run;
mod judged;
mod misplaced;
mod render;
mod rights;
pub(crate) mod setup;

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    Aws, Deployment, DeploymentError, ErrorKind,
    aws::sim::{ReleaseScenario, Simulation},
    deployment::{DeploymentOutcome, origin_of},
    problem::Problem,
    service::RevisionId,
    spec::{
        DeploymentAct, DeploymentOrigin, DeploymentParts, DeploymentSpec, ServiceDeployment,
        StartError,
    },
    store::{JournalLog, Lease, Take},
};

pub(crate) use self::args::Cli;
use self::{
    args::{Only, Verb},
    setup::{Refused, Setup, no_side},
};
use crate::{
    common::{
        self,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
        journal::JournalPlace,
        runtime::block_on,
        say::{answer, say_line},
    },
    migration::{
        file::File,
        world::{Speed, World},
    },
    native,
};

pub(crate) fn main(cli: &Cli) -> ExitCode {
    if cli.sim.as_deref() == Some("list") {
        list_worlds();
        return ExitCode::SUCCESS;
    }
    block_on(run(cli))
}

/// Prints the simulated worlds.
pub(crate) fn list_worlds() {
    let title = "The simulated worlds for --sim WORLD, each with its exit code:\n";
    let mut lines = vec![title.to_owned()];
    for world in ReleaseScenario::ALL {
        let (name, exit, explanation) = (world.name(), world.expected_exit(), world.explanation());
        lines.push(format!("  {name:<20} {exit:>2}  {explanation}"));
    }
    let _ = answer(&lines.join("\n"));
}

/// Returns the simulated world of this name.
pub(crate) fn world(name: &str) -> Result<ReleaseScenario, Problem> {
    name.parse().map_err(|error| {
        let hint = "`bluegreen deploy --sim list` explains all of them; a side comes before the option: \
            `deploy SIDE --sim`";
        Problem::new("--sim", format!("{error}"), hint)
    })
}

async fn run(cli: &Cli) -> u8 {
    let problems = misplaced::problems(cli);
    if !problems.is_empty() {
        return bad_arguments(&problems);
    }
    if cli.policy.print_iam_policy {
        return rights::print(cli).await;
    }
    match &cli.sim {
        Some(name) => simulated(cli, name).await,
        None => real(cli).await,
    }
}

async fn simulated(cli: &Cli, name: &str) -> u8 {
    let world = match world(name) {
        Ok(world) => world,
        Err(problem) => return bad_arguments(&[problem]),
    };
    let speed = match Speed::of(cli.speed.as_deref().unwrap_or("60")) {
        Ok(speed) => speed.times(),
        Err(problem) => return bad_arguments(&[problem]),
    };
    // The usual file describes the real AWS, so a simulation reads a file only if it is named.
    let file = match cli.file.as_deref().map(File::read).transpose() {
        Ok(file) => file,
        Err(code) => return code,
    };
    let simulation = world.simulation(1);
    simulation.start_paused();
    let setup = match Setup::simulated(cli, file.as_ref(), &simulation) {
        Ok(setup) => setup,
        Err(problems) => return bad_arguments(&problems),
    };
    let pacer = speed.map(|speed| simulation.pace(speed));
    let (name, explanation) = (world.name(), world.explanation());
    say_line!("simulated AWS, {name}: {explanation}");
    let place = &cli.journal;
    let code = go(cli, &setup, &simulation.aws(), Some(&simulation), place).await;
    drop(pacer);
    code
}

async fn real(cli: &Cli) -> u8 {
    let is_named = cli.service.cluster.is_some() && cli.service.service.is_some();
    let file = match cli.file.is_none() && is_named {
        // A service named by options needs no file, and the usual file may describe another service.
        true => Ok(None),
        false => File::usual(cli.file.as_deref()),
    };
    let file = match file {
        Ok(file) => file,
        Err(code) => return code,
    };
    let Some(file) = file else {
        return match by_options(cli, is_named) {
            Ok(setup) => {
                let aws = common::aws::from_env().await;
                go(cli, &setup, &aws, None, &cli.journal).await
            }
            Err(problems) => bad_arguments(&problems),
        };
    };
    if file.spec.simulation.is_some() {
        return kept(cli, &file).await;
    }
    let aws = common::aws::from_env_in(file.spec.region_of_all()).await;
    let place = file.journal(&cli.journal);
    match Setup::of_file(cli, &file, &aws).await {
        Ok(setup) => go(cli, &setup, &aws, None, &place).await,
        Err(Refused::Bad(problems)) => bad_arguments(&problems),
        Err(Refused::Failed(error)) => failed(&error, UNCHANGED),
    }
}

/// Runs the command in the simulated world that the file keeps.
async fn kept(cli: &Cli, file: &File) -> u8 {
    let world = match World::of(&file.spec, false, None).await {
        Ok(world) => world,
        Err(code) => return code,
    };
    let Some(simulation) = world.simulation() else {
        return UNCHANGED;
    };
    let setup = match Setup::kept(cli, file, simulation).await {
        Ok(setup) => setup,
        Err(Refused::Bad(problems)) => return bad_arguments(&problems),
        Err(Refused::Failed(error)) => return failed(&error, UNCHANGED),
    };
    let place = file.journal(&cli.journal);
    go(cli, &setup, world.aws(), Some(simulation), &place).await
}

fn by_options(cli: &Cli, is_named: bool) -> Result<Setup, Vec<Problem>> {
    no_side(cli)?;
    let is_asked = cli.only.is_some() && cli.checks.checks.is_some();
    let names_any = cli.service.cluster.is_some() || cli.service.service.is_some();
    if !is_named && !is_asked && !names_any {
        let message = "there is no ./bluegreen.toml, and no service is named";
        let hint = "name a file (-f FILE), or a service (--cluster C --service S), or try it on a \
            simulated AWS (--sim)";
        return Err(vec![Problem::new("deploy", message, hint)]);
    }
    Setup::of_options(cli)
}

/// Keeps only what an undo needs, so that a bad definition or check cannot stop it.
fn bare(deployment: &ServiceDeployment) -> ServiceDeployment {
    let given = &deployment.spec;
    let mut bare = deployment.clone();
    bare.spec = DeploymentSpec::default();
    bare.spec.poll_every = given.poll_every;
    bare.spec.rollback_deadline = given.rollback_deadline;
    bare.spec.on_cancel = given.on_cancel;
    bare.spec.grace = given.grace;
    bare.spec.accept.clone_from(&given.accept);
    bare
}

/// Runs the command. If it changes something, it takes the lease of the service's journal first.
async fn go(
    cli: &Cli,
    setup: &Setup,
    aws: &Aws,
    simulation: Option<&Simulation>,
    place: &JournalPlace,
) -> u8 {
    let verb = cli.verb();
    let deployment = match &verb {
        Verb::Undo { .. } | Verb::Resume => bare(&setup.deployment),
        _ => setup.deployment.clone(),
    };
    let loaded = deployment.load().and_then(|parts| match &verb {
        Verb::Deploy | Verb::DryRun => parts.names_an_image().map(|()| parts),
        _ => Ok(parts),
    });
    let parts = match loaded {
        Ok(parts) => heard(cli, parts),
        Err(error) => return bad_arguments(&setup.told(&error)),
    };
    if let Verb::Only(only) = verb {
        return asked(cli, &parts, aws, only).await;
    }
    let store = place.store(aws, simulation.is_some());
    let is_undo = matches!(verb, Verb::Undo { .. });
    match deployment.held(aws).await {
        Ok(()) => {}
        // An undo does not need to know the account of the credentials.
        Err(StartError::Failed(error)) if is_undo => {
            say_line!("warning: {}", bluegreen::Failure::from(&error));
        }
        // Nothing was called but STS.
        Err(StartError::Failed(error)) => return failed(&error, BAD_ARGUMENTS),
        Err(error) => return not_started(setup, &error),
    }
    let store = match store {
        Ok(store) => store,
        Err(problem) => return bad_arguments(&[problem]),
    };
    // A failed read decides nothing: the preflight of the deployment reads the service, too, and refuses a
    // service whose traffic ECS moves.
    let moved = native::of_service(aws, &deployment.service).await;
    let moved = moved.ok().flatten();
    if let Some(moved) = &moved {
        return judged::run(&judged::OfEcs {
            cli,
            setup,
            parts: &parts,
            aws,
            simulation,
            place,
            moved,
        })
        .await;
    }
    let log = store.log(&deployment.log_name(aws));
    if verb == Verb::DryRun {
        let is_refused = !foreseen(cli, &log).await;
        let code = dry_run::run(&parts, aws).await;
        return if code == 0 && is_refused {
            UNCHANGED
        } else {
            code
        };
    }
    if verb == Verb::Deploy && !parts.has_checks() {
        say_line!("warning: no checks are given: a rollout that completes counts as success");
    }
    let how = if cli.journal.steal {
        Take::Force
    } else {
        Take::IfExpired
    };
    let operator = &cli.told.operator;
    let taken = common::journal::take(&log, operator, aws.clock(), how).await;
    match (taken, verb) {
        (Ok(lease), Verb::Resume) => resumed(cli, setup, aws, lease).await,
        (Ok(lease), Verb::Undo { to }) => {
            let to = to.map(RevisionId::new);
            started(cli, setup, &parts, aws, lease, DeploymentAct::Undo { to }).await
        }
        (Ok(lease), _) => started(cli, setup, &parts, aws, lease, DeploymentAct::Deploy).await,
        // An undo does without a journal that cannot be read or written, but not beside a live controller.
        (Err(error), Verb::Undo { to }) if error.kind() != ErrorKind::Held => {
            let _code = failed(&error, UNCHANGED);
            say_line!("warning: rolling back without the journal");
            without_journal(cli, &parts, aws, to).await
        }
        (Err(error), _) => failed(&error, UNCHANGED),
    }
}

/// Shows the output of a build, unless the output is for a program.
fn heard(cli: &Cli, parts: DeploymentParts) -> DeploymentParts {
    match cli.told.json {
        true => parts,
        false => parts.on_output(|line| say_line!("       │ {line}")),
    }
}

/// Runs the checks only.
async fn asked(cli: &Cli, parts: &DeploymentParts, aws: &Aws, only: Only) -> u8 {
    let deployment = match parts.deployment(aws) {
        Ok(deployment) => shown(cli, deployment),
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    if let Err(code) = listening(&deployment, None) {
        return code;
    }
    ended(
        cli,
        aws,
        match only {
            Only::Health => deployment.check_health().await,
            Only::Smoke => deployment.smoke_test().await,
        },
    )
}

/// Prepares a run, and runs it.
async fn started(
    cli: &Cli,
    setup: &Setup,
    parts: &DeploymentParts,
    aws: &Aws,
    lease: Lease,
    act: DeploymentAct,
) -> u8 {
    let run = match parts.ready(aws, lease, act, &cli.told.operator).await {
        Ok(run) => run.with(|deployment| shown(cli, deployment)),
        Err(error) => return not_started(setup, &error),
    };
    for note in run.notes() {
        say_line!("warning: {note}");
    }
    let grace = parts.of().spec.grace.map(|span| span.0);
    if let Err(error) = common::signals::control(run.handle(), grace) {
        say_line!("error: signals cannot be handled, so nothing was started: {error}");
        return UNCHANGED;
    }
    ended(cli, aws, run.run().await)
}

async fn without_journal(cli: &Cli, parts: &DeploymentParts, aws: &Aws, to: Option<String>) -> u8 {
    let deployment = match parts.deployment(aws) {
        Ok(deployment) => shown(cli, deployment),
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    let grace = parts.of().spec.grace.map(|span| span.0);
    if let Err(code) = listening(&deployment, grace) {
        return code;
    }
    let (by, to) = (cli.told.operator.as_str(), to.map(RevisionId::new));
    ended(cli, aws, deployment.roll_back(by, to).await)
}

/// Continues the newest run of the journal with the settings of its start. Steps already done are found.
async fn resumed(cli: &Cli, setup: &Setup, aws: &Aws, lease: Lease) -> u8 {
    let kept = match lease.newest_run().await {
        Ok(records) => DeploymentOrigin::of(&records)
            .map(|origin| (origin.deployment, origin.act))
            .or_else(|error| of_words(origin_of(&records)).ok_or(error)),
        Err(error) => Err(error),
    };
    let service = &setup.deployment.service;
    let kept = kept.map_err(|error| {
        say_line!("error: the journal holds no deployment of {service} to continue");
        failed(&error, UNCHANGED)
    });
    let loaded = kept.and_then(|(deployment, act)| {
        // A file named now replaces the folder that was recorded at the start.
        let deployment = match (&cli.file, &setup.deployment.folder) {
            (Some(_), Some(folder)) => deployment.within(folder.clone()),
            _ => deployment,
        };
        let parts = deployment.load();
        let parts = parts.map_err(|error| bad_arguments(&setup.told(&error)))?;
        Ok((heard(cli, parts), act))
    });
    match loaded {
        Ok((parts, act)) => {
            say_line!("continuing the deployment of {service}");
            started(cli, setup, &parts, aws, lease, act).await
        }
        Err(code) => {
            if let Err(error) = lease.release().await {
                say_line!("warning: the journal's lease was not released: {error}");
            }
            code
        }
    }
}

/// Returns the settings of a run that the previous version started: its journals keep the command line.
fn of_words(origin: serde_json::Value) -> Option<(ServiceDeployment, DeploymentAct)> {
    let words: Vec<String> = serde_json::from_value(origin).ok()?;
    let cli = Cli::of_before(&words)?;
    let setup = Setup::of_options(&cli).ok()?;
    Some(match cli.verb() {
        Verb::Undo { to } => {
            let to = to.map(RevisionId::new);
            (bare(&setup.deployment), DeploymentAct::Undo { to })
        }
        _ => (setup.deployment, DeploymentAct::Deploy),
    })
}

/// Prints the state of the run's journal, and returns whether its lease could be taken.
async fn foreseen(cli: &Cli, log: &JournalLog) -> bool {
    match log.lease_state().await {
        Ok(Some(standing)) if standing.holder.is_some() && !cli.journal.steal => {
            say_line!(
                "note: the journal is {standing}; as long as its holder lives, a run is refused"
            );
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

fn shown(cli: &Cli, deployment: Deployment) -> Deployment {
    deployment.on_event(if cli.told.json {
        render::json
    } else {
        render::show
    })
}

fn listening(deployment: &Deployment, grace: Option<Duration>) -> Result<(), u8> {
    common::signals::control(deployment.handle(), grace).map_err(|error| {
        say_line!("error: signals cannot be handled, so nothing was started: {error}");
        UNCHANGED
    })
}

/// Prints the last lines, and returns the exit code.
fn ended(cli: &Cli, aws: &Aws, ended: Result<DeploymentOutcome, DeploymentError>) -> u8 {
    if !cli.told.json {
        say_line!("API calls: {}", aws.calls());
        render::ending(&ended);
    } else if let Err(error @ DeploymentError::Plan(_)) = &ended {
        // The run did not start, so no event reports the error.
        say_line!("error: {error}");
    }
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    }
}

/// Prints why a run was not started, and returns the exit code.
fn not_started(setup: &Setup, error: &StartError) -> u8 {
    match error {
        StartError::Spec(problems) => bad_arguments(&setup.told(problems)),
        StartError::Refused(finding) => {
            say_line!("error: not started: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("  hint: {hint}");
            }
            error.exit_code()
        }
        StartError::Failed(source) => failed(source, error.exit_code()),
        _ => {
            say_line!("error: {error}");
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen::preflight::Acceptance;

    use super::*;

    /// Journals of the previous version keep the words of the command line, with the verb among them.
    #[test]
    fn a_run_that_the_version_before_began_is_read_from_its_words() {
        let words = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            of_words(serde_json::json!(words))
        };
        let place = "--aws --cluster arn:aws:ecs:us-east-1:123456789012:cluster/shop --service web";
        let (deployment, act) = words(&format!(
            "deploy {place} --repository r --in-place --poll-every 5s --journal s3://b/p --json"
        ))
        .unwrap();
        assert_eq!(act, DeploymentAct::Deploy);
        assert_eq!(deployment.service.to_string(), "shop/web");
        assert_eq!(
            deployment.account.unwrap().to_string(),
            "123456789012",
            "the cluster's ARN says it"
        );
        assert!(deployment.spec.accept.contains(&Acceptance::InPlace));
        let (_, act) = words(&format!("{place} --repository r")).unwrap();
        assert_eq!(act, DeploymentAct::Deploy);
        let (_, act) = words(&format!("--single-host {place} rollback --to web:3")).unwrap();
        let to = Some(RevisionId::new("web:3"));
        assert_eq!(act, DeploymentAct::Undo { to });
        assert_eq!(words("--repository r"), None, "that was a simulation");
        assert_eq!(words("health --aws --checks c"), None);
        assert_eq!(of_words(serde_json::json!({ "spec": 1 })), None);
    }
}
