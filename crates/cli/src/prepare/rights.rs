//! `prepare --print-iam-policy`: the rights to make green's place. Calls nothing.

use bluegreen::{
    aws::iam::IamPolicy,
    spec::{MigrationSpec, Name, SideSpec, Use},
};

use super::{Cli, by_options, group_of, misplaced};
use crate::{
    common::{
        errors::{bad_arguments, invalid},
        journal::JournalPlace,
    },
    deploy::world,
    migration::{
        file::{File, journal_of},
        rights::printed,
    },
};

/// Prints the least policy.
pub(super) fn print(cli: &Cli) -> u8 {
    match policy(cli) {
        Ok(policy) => printed(&policy),
        Err(code) => code,
    }
}

fn policy(cli: &Cli) -> Result<IamPolicy, u8> {
    let given = cli.rule.given();
    let spec = match (cli.sim.as_deref(), given.is_empty() || cli.file.is_some()) {
        (Some(name), _) => {
            let problems = misplaced(cli, &given);
            if !problems.is_empty() {
                return Err(bad_arguments(&problems));
            }
            let world = world(name).map_err(|problem| bad_arguments(&[problem]))?;
            world.simulation(1).spec()
        }
        (None, true) => match File::usual(cli.file.as_deref())? {
            Some(file) => file.spec,
            None => of_options(cli, &given)?,
        },
        (None, false) => of_options(cli, &given)?,
    };
    let mut spec = spec;
    let place = journal_of(&spec, &JournalPlace::from(cli.journal.clone()));
    spec.journal = place.journal.and_then(|place| place.parse().ok());
    spec.iam_policy(Use::Prepare)
        .map_err(|error| invalid(&error))
}

/// Returns a specification of the rule and the groups that the options name.
fn of_options(cli: &Cli, given: &[&'static str]) -> Result<MigrationSpec, u8> {
    let bad = |problems: Vec<_>| bad_arguments(&problems);
    let (rule, blue, green) = by_options(cli, given).map_err(bad)?;
    let (group, _) = group_of(cli, Some(green)).map_err(bad)?;
    let name = |text: &str| text.parse::<Name>().ok();
    let mut sides = vec![("blue", SideSpec::new(blue.clone()))];
    if let Some(green) = group.as_ref().and_then(|group| group.name().parse().ok()) {
        let mut side = SideSpec::new(blue);
        side.target_group = green;
        sides.push(("green", side));
    }
    let sides = sides.into_iter();
    let sides = sides.filter_map(|(side, spec)| Some((name(side)?, spec)));
    let own = name("place").unwrap_or_else(|| unreachable!("it is a name"));
    Ok(MigrationSpec::new(own, rule, sides))
}
