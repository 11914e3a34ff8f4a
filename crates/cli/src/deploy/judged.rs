//! A deployment whose traffic ECS moves: begun here, then judged.

use bluegreen::{
    Aws,
    aws::{ecs::NativeSetup, sim::Simulation},
    native::is_of_judge,
    spec::{DeploymentAct, DeploymentOrigin, DeploymentParts, MigrationSpec, ServiceDeployment},
    store::{Lease, Take},
};

use super::{
    args::{Cli, Verb},
    dry_run, ended, not_started,
    setup::Setup,
    shown,
};
use crate::{
    common::{
        self,
        errors::{UNCHANGED, bad_arguments, failed},
        journal::JournalPlace,
        say::say_line,
    },
    native::{self, Judged},
};

/// A deployment whose traffic ECS moves.
pub(super) struct OfEcs<'a> {
    pub(super) cli: &'a Cli,
    pub(super) setup: &'a Setup,
    pub(super) parts: &'a DeploymentParts,
    pub(super) aws: &'a Aws,
    pub(super) simulation: Option<&'a Simulation>,
    pub(super) place: &'a JournalPlace,
    pub(super) moved: &'a NativeSetup,
}

/// Begins a deployment whose traffic ECS moves, and judges it.
pub(super) async fn run(of: &OfEcs<'_>) -> u8 {
    let service = &of.setup.deployment.service;
    match of.cli.verb() {
        Verb::Undo { .. } => native::no_undo(service),
        Verb::DryRun => foreseen(of).await,
        verb => begun(of, verb == Verb::Resume)
            .await
            .unwrap_or_else(|code| code),
    }
}

/// What judges a deployment.
fn judging(of: &OfEcs<'_>, deployment: &ServiceDeployment) -> MigrationSpec {
    native::spec_of(of.setup.judged_by.as_ref(), deployment)
}

async fn foreseen(of: &OfEcs<'_>) -> u8 {
    let plan = judging(of, &of.setup.deployment).native_plan();
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return bad_arguments(&of.setup.told(&error)),
    };
    let is_refused = native::print_plan(of.moved, &plan);
    let parts = of.parts.clone().for_judge();
    match dry_run::run(&parts, of.aws).await {
        0 if is_refused => UNCHANGED,
        code => code,
    }
}

async fn begun(of: &OfEcs<'_>, is_resume: bool) -> Result<u8, u8> {
    let OfEcs {
        cli, setup, aws, ..
    } = of;
    let store = of.place.store(aws, of.simulation.is_some());
    let store = store.map_err(|problem| bad_arguments(&[problem]))?;
    let log = store.log(&setup.deployment.log_name(aws));
    let newest = log.newest_opening().await.ok().flatten();
    let is_judge = newest.is_some_and(|first| is_of_judge(&[first]));
    if is_resume && is_judge {
        let spec = judging(of, &setup.deployment);
        return Ok(native::resume(&judged(of, &spec, &setup.deployment)).await);
    }
    let how = match cli.journal.steal {
        true => Take::Force,
        false => Take::IfExpired,
    };
    let operator = &cli.told.operator;
    let lease = common::journal::take(&log, operator, aws.clock(), how).await;
    let lease = lease.map_err(|error| failed(&error, UNCHANGED))?;
    let parts = match is_resume {
        false => of.parts.clone(),
        true => match kept(of, &lease).await {
            Ok(parts) => parts,
            Err(code) => {
                if let Err(error) = lease.release().await {
                    say_line!("warning: the journal's lease was not released: {error}");
                }
                return Err(code);
            }
        },
    };
    let deployment = parts.of().clone();
    let spec = judging(of, &deployment);
    if let Err(error) = spec.native_plan() {
        return Err(bad_arguments(&setup.told(&error)));
    }
    let judged = judged(of, &spec, &deployment);
    let run = parts.for_judge();
    let run = run.ready(aws, lease, DeploymentAct::Deploy, operator).await;
    let run = run.map_err(|error| not_started(setup, &error))?;
    let run = run.with(|deployment| shown(cli, deployment));
    if let Err(error) = common::signals::control(run.handle(), judged.grace) {
        say_line!("error: signals cannot be handled, so nothing was started: {error}");
        return Err(UNCHANGED);
    }
    let begun = run.run().await;
    if let Ok(outcome) = &begun
        && let Some(code) = native::after_begin(&judged, &deployment, outcome).await
    {
        return Ok(code);
    }
    Ok(ended(cli, aws, begun))
}

/// The settings of the run that the lease's journal keeps.
async fn kept(of: &OfEcs<'_>, lease: &Lease) -> Result<DeploymentParts, u8> {
    let records = lease.newest_run().await;
    let kept = records.and_then(|records| DeploymentOrigin::of(&records));
    let kept = kept.map_err(|error| failed(&error, UNCHANGED))?;
    let deployment = match (&of.cli.file, &of.setup.deployment.folder) {
        (Some(_), Some(folder)) => kept.deployment.within(folder.clone()),
        _ => kept.deployment,
    };
    let parts = deployment.load();
    parts.map_err(|error| bad_arguments(&of.setup.told(&error)))
}

fn judged<'a>(
    of: &OfEcs<'a>,
    spec: &'a MigrationSpec,
    deployment: &ServiceDeployment,
) -> Judged<'a> {
    let grace = deployment.spec.grace.or(spec.plan.grace);
    Judged {
        spec,
        aws: of.aws,
        simulation: of.simulation,
        journal: of.place,
        told: &of.cli.told,
        folder: deployment.folder.clone(),
        grace: grace.map(|span| span.0),
    }
}
