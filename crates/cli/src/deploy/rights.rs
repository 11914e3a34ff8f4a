//! `deploy --print-iam-policy`: the rights of a deployment. Calls nothing.

use bluegreen::{
    Aws,
    aws::{iam::IamPolicy, sim::ReleaseScenario},
    problem::Problem,
    spec::{JournalPlace, Use},
};

use super::{
    args::Cli,
    by_options,
    setup::{Refused, Setup},
    world,
};
use crate::{
    common::errors::{UNCHANGED, bad_arguments, failed},
    migration::{
        file::{File, told},
        rights::printed,
    },
};

/// Prints the least policy for the service that is named, or else for each service that the file deploys: which
/// side is idle is not known without a call.
pub(super) async fn print(cli: &Cli) -> u8 {
    match policy(cli).await {
        Ok(policy) => printed(&policy),
        Err(code) => code,
    }
}

async fn policy(cli: &Cli) -> Result<IamPolicy, u8> {
    let bad = |problems: Vec<Problem>| bad_arguments(&problems);
    if let Some(name) = &cli.sim {
        let simulation = world(name).map_err(|problem| bad(vec![problem]))?;
        let simulation = simulation.simulation(1);
        let setup = Setup::simulated(cli, None, &simulation).map_err(bad)?;
        return Ok(setup.deployment.iam_policy(place(cli, None).as_ref()));
    }
    let is_named = cli.service.cluster.is_some() && cli.service.service.is_some();
    let file = match cli.file.is_none() && is_named {
        true => None,
        false => File::usual(cli.file.as_deref())?,
    };
    let Some(mut file) = file else {
        let setup = by_options(cli, is_named).map_err(bad)?;
        return Ok(setup.deployment.iam_policy(place(cli, None).as_ref()));
    };
    let place = place(cli, Some(&file));
    let has_own = file
        .spec
        .sides
        .values()
        .any(|side| side.deployment.is_some());
    if !has_own && file.spec.simulation.is_some() {
        // The services of a simulated world are deployed as the world says.
        let simulation = ReleaseScenario::Healthy.simulation(1);
        let setup = Setup::simulated(cli, None, &simulation).map_err(bad)?;
        return Ok(setup.deployment.iam_policy(place.as_ref()));
    }
    if cli.side.is_none() && !has_own {
        let hint = "say how: [side.NAME.deployment], such as `bluegreen init` writes; or name the service: \
            --cluster C --service S";
        let message = "no side of the file says how it is deployed, so there is nothing to allow";
        return Err(bad(vec![Problem::new("side", message, hint)]));
    }
    if cli.side.is_none() {
        file.spec.journal = place;
        let policy = file.spec.iam_policy(Use::Deploy);
        return policy.map_err(|error| told(&file.path, &error));
    }
    let aws = Aws::from_env_in(file.spec.region_of_all().unwrap_or_default()).await;
    match Setup::of_file(cli, &file, &aws).await {
        Ok(setup) => Ok(setup.deployment.iam_policy(place.as_ref())),
        Err(Refused::Bad(problems)) => Err(bad(problems)),
        Err(Refused::Failed(error)) => Err(failed(&error, UNCHANGED)),
    }
}

/// The place of the journal that an option or the file names.
fn place(cli: &Cli, file: Option<&File>) -> Option<JournalPlace> {
    let place = match file {
        Some(file) => file.journal(&cli.journal),
        None => cli.journal.clone(),
    };
    place.journal.as_deref()?.parse().ok()
}
