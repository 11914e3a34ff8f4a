//! `bluegreen status --all`: every rule of the journal that needs attention.

use std::{path::Path, time::Duration};

use bluegreen::{
    Failure,
    aws::alb::GreenPlace,
    engine::Record,
    native::is_of_judge,
    spec::{DeploymentOrigin, Origin},
};
use serde_json::json;

use crate::{
    common::{
        aws,
        data::try_json_line,
        errors::{UNCHANGED, bad_arguments, failed},
        journal::{self, JournalPlace},
        say::{answer, say_line},
    },
    migration::{file::File, world::World},
};

/// The longest wait for a rule.
const RULE_WAITS: Duration = Duration::from_secs(10);

/// Lists the rules whose traffic is divided, or that a controller holds.
pub(super) async fn run(
    file: Option<&Path>,
    mut place: JournalPlace,
    json: bool,
) -> Result<u8, u8> {
    if place.journal.is_none()
        && let Some(file) = File::usual(file)?
    {
        place = file.journal(&place);
    }
    let Some(at) = place.journal.as_deref() else {
        let hint = "give s3://BUCKET/PREFIX or a folder, or a file that names the journal";
        let problem = bluegreen::problem::Problem::new("--journal", "is needed", hint);
        return Err(bad_arguments(&[problem]));
    };
    let store = journal::open_named(at).await;
    let store = store.map_err(|problem| bad_arguments(&[problem]))?;
    let logs = store.logs().await;
    let logs = logs.map_err(|error| failed(&error, UNCHANGED))?;
    let (mut rules, mut seen, mut is_known, mut world) = (0, 0, true, None);
    for name in &logs {
        let log = store.named(name);
        let standing = log.lease_state().await;
        let standing = standing.map_err(|error| failed(&error, UNCHANGED))?;
        let opening = log.newest_opening().await;
        let opening = opening.map_err(|error| failed(&error, UNCHANGED))?;
        let opening = opening.map(|opening| [opening]);
        let moves_nothing = |opening: &[Record; 1]| {
            DeploymentOrigin::of(opening).is_ok()
                || GreenPlace::began(&opening[0])
                || is_of_judge(opening)
        };
        if opening.as_ref().is_some_and(moves_nothing) {
            continue;
        }
        rules += 1;
        let origin = opening.and_then(|opening| Origin::of(&opening).ok());
        // A folder of a simulated world holds the journals of that world alone.
        let simulated = origin
            .as_ref()
            .filter(|origin| origin.spec.simulation.is_some());
        if let (None, Some(origin)) = (&world, simulated) {
            world = Some(World::of(&origin.spec, false, None).await?);
        }
        let holder = standing
            .as_ref()
            .filter(|standing| standing.holder.is_some());
        let split = match &origin {
            None => {
                Err("the run was begun by an older version, so its rule is not known".to_owned())
            }
            Some(origin) => {
                let aws = match &world {
                    Some(world) => world.aws().clone(),
                    None => aws::from_env_in(origin.spec.region_of_all()).await,
                };
                let weights = tokio::time::timeout(RULE_WAITS, async {
                    let rule = origin.spec.locate(&aws).await?;
                    bluegreen::aws::alb::AlbRule::Arn(rule).weights(&aws).await
                });
                match weights.await {
                    Ok(Ok(weights)) => Ok(weights),
                    Ok(Err(error)) => Err(Failure::from(error).to_string()),
                    Err(_) => Err(format!("no answer within {} s", RULE_WAITS.as_secs())),
                }
            }
        };
        let serving = |weights: &bluegreen::aws::alb::RuleWeights| {
            weights
                .groups
                .iter()
                .filter(|(_, weight)| *weight > 0)
                .count()
        };
        let is_divided = split.as_ref().map_or(true, |weights| serving(weights) > 1);
        is_known &= split.is_ok();
        if !is_divided && holder.is_none() {
            continue;
        }
        seen += 1;
        let own = origin
            .as_ref()
            .map_or(name.as_str(), |origin| origin.spec.name.as_str());
        let standing = standing
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let split = split.map(|weights| (weights.rule.to_string(), weights.to_string()));
        let written = match json {
            true => try_json_line(&json!({
                "name": own,
                "log": name,
                "rule": split.as_ref().ok().map(|(rule, _)| rule),
                "split": split.as_ref().ok().map(|(_, split)| split),
                "why": split.as_ref().err(),
                "journal": standing,
            })),
            false => answer(&match &split {
                Ok((rule, split)) => format!("{own}  {split}\n  {standing}\n  {rule}"),
                Err(why) => format!("{own}  split not known: {why}\n  {standing}"),
            }),
        };
        if let Err(error) = written {
            say_line!("error: the answer could not be written: {error}");
            return Err(UNCHANGED);
        }
    }
    if !json {
        say_line!(
            "{seen} of {rules} rules with a journal in {store} are divided or held by a controller"
        );
    }
    Ok(if is_known { 0 } else { UNCHANGED })
}
