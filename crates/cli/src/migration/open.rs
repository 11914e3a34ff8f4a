//! Opens the migration that the command line names: its specification, its world, its journal.

use bluegreen::{
    Aws, MigrationPlan,
    aws::{
        alb::{AlbRule, TargetGroupArn},
        sim::{Scenario, Simulation},
    },
    problem::Problem,
    spec::{MigrationSpec, Name},
    store::JournalStore,
};

use clap::Args;

use super::{
    args::{Groups, Named, Sim, Which},
    changes::{Changes, changed},
    file::{File, USUAL_FILE, journal_of, usual_path},
    hooks, sides,
    world::{World, speed},
};
use crate::common::{
    aws,
    errors::{UNCHANGED, bad_arguments, failed, invalid},
    journal::JournalPlace,
    rule::arn,
    say::say_line,
};

/// The side that serves in a fresh simulated world.
const SIMULATED_BLUE: &str = "flask";
/// A placeholder role for a dead-man switch, for a simulation or for output that only shows the switch.
const ANY_ROLE: &str = "arn:aws:iam::123456789012:role/blue-again";

/// The options that a verb was given.
#[derive(Debug, Clone)]
pub(crate) struct Given<'a> {
    pub(crate) which: &'a Which,
    pub(crate) sim: Option<&'a Sim>,
    pub(crate) groups: &'a Groups,
    pub(crate) changes: Option<&'a Changes>,
    pub(crate) journal: JournalPlace,
    pub(crate) way: Way<'a>,
    /// Whether the verb only prints something, and calls nothing.
    pub(crate) is_asked: bool,
}

impl<J: Args + Clone + Into<JournalPlace>> Named<J> {
    /// The migration that is named, without further options.
    pub(crate) fn given(&self) -> Given<'_> {
        Given::of(&self.which, &self.groups, self.place())
    }
}

impl<'a> Given<'a> {
    /// A migration and its journal, without further options.
    pub(crate) fn of(which: &'a Which, groups: &'a Groups, journal: JournalPlace) -> Self {
        Self {
            which,
            sim: None,
            groups,
            changes: None,
            journal,
            way: Way::Unsaid,
            is_asked: false,
        }
    }

    /// Whether it is about a run that is to begin: only such a plan can be changed.
    fn is_of_new_run(&self) -> bool {
        self.changes.is_some()
    }
}

/// The side that is to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// The side that does not serve now.
    Unsaid,
    /// A migration moves to this side.
    To(&'a str),
    /// A rollback puts everything back on this side, or else on the side that served before the last run.
    Back(Option<&'a str>),
}

impl<'a> Way<'a> {
    /// To this side, if it is named.
    pub(crate) fn to(side: Option<&'a str>) -> Self {
        side.map_or(Self::Unsaid, Self::To)
    }
}

/// A migration, ready for a verb.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) spec: MigrationSpec,
    pub(crate) plan: MigrationPlan,
    /// The side that serves, or served before, if the options or the journal name it.
    pub(crate) from: Option<Name>,
    pub(crate) world: World,
    pub(crate) journal: JournalPlace,
}

/// The source of the specification.
enum Source {
    /// A file, or a run in the journal.
    Spec(MigrationSpec),
    Rule(AlbRule),
    Simulation(Scenario, Option<MigrationSpec>),
}

/// Finds the migration. All problems of the command line are printed together, before anything is called;
/// the error is their exit code.
pub(crate) async fn open(given: &Given<'_>) -> Result<Opened, u8> {
    let mut problems = Vec::new();
    let changes = given.changes.map(|changes| changes.all(&mut problems));
    let changes = changes.unwrap_or_default();
    let speed = speed(given.sim, &mut problems);
    let source = source(given, &mut problems).await;
    let source = match source {
        Ok(Some(source)) => source,
        // The rest of the command line is checked on a simulated specification.
        Ok(None) => {
            let spec = Scenario::Healthy.simulation(1).spec();
            let _ = changed(&spec, &changes, Some(ANY_ROLE), &mut problems);
            return Err(bad_arguments(&problems));
        }
        Err(code) => return Err(code),
    };
    let mut journal = given.journal.clone();
    let (spec, world, from) = match source {
        Source::Simulation(scenario, file) => {
            let seed = given.sim.and_then(|sim| sim.seed).unwrap_or(1);
            let simulation = scenario.simulation(seed);
            let spec = of_simulation(&simulation, file);
            let world = World::fresh(simulation, scenario, speed);
            (spec, world, SIMULATED_BLUE.parse().ok())
        }
        Source::Spec(spec) => {
            journal = journal_of(&spec, &journal);
            let world = World::of(&spec, given.is_asked, speed).await?;
            (spec, world, None)
        }
        Source::Rule(rule) => {
            // The options are checked before the rule is read.
            let spec = Scenario::Healthy.simulation(1).spec();
            let role = given.is_asked.then_some(ANY_ROLE);
            if changed(&spec, &changes, role, &mut problems).is_none() {
                return Err(bad_arguments(&problems));
            }
            let region = rule.listener().region().to_owned();
            let aws = match given.is_asked {
                true => Aws::from_env_in(region).await,
                false => aws::from_env_in(Some(region)).await,
            };
            let (spec, from) = of_rule(given, rule, &aws, &journal).await?;
            (spec, World::Real(aws), from)
        }
    };
    let role = (given.is_asked || world.is_simulated()).then_some(ANY_ROLE);
    let spec = changed(&spec, &changes, role, &mut problems);
    let spec = spec.ok_or_else(|| bad_arguments(&problems))?;
    let plan = spec.plan();
    let plan = plan.map_err(|error| invalid(&error))?;
    // Only a new run asks its hooks before each step.
    if given.is_of_new_run()
        && !given.is_asked
        && let Some(problem) = hooks::problem(&spec)
    {
        return Err(bad_arguments(&[problem]));
    }
    // A rollback must not be stopped by this check.
    if !given.is_asked && !matches!(given.way, Way::Back(_)) {
        match spec.of_another_account(world.aws()).await {
            Ok(None) => {}
            Ok(Some(problem)) => return Err(bad_arguments(&[problem])),
            Err(error) if given.is_of_new_run() => {
                let hint = error.hint().unwrap_or_default();
                return Err(bad_arguments(&[Problem::new(
                    "account",
                    error.message(),
                    hint,
                )]));
            }
            // A run that is under way can be seen and resumed all the same.
            Err(error) => say_line!("warning: {}", error.message()),
        }
    }
    let from = match given.way {
        Way::Unsaid | Way::Back(None) => from,
        Way::Back(Some(side)) => Some(sides::named(&spec, side)?),
        Way::To(side) => {
            let to = sides::named(&spec, side)?;
            spec.sides.keys().find(|name| **name != to).cloned()
        }
    };
    Ok(Opened {
        spec,
        plan,
        from,
        world,
        journal,
    })
}

/// Returns the source that the command line names. `None` if it names no source, or has a problem.
async fn source(given: &Given<'_>, problems: &mut Vec<Problem>) -> Result<Option<Source>, u8> {
    let which = given.which;
    given.groups.pair.must_be_whole(problems);
    let of_rule = which.rule.given();
    let of_groups = given.groups.given();
    let named: Vec<&str> = of_groups
        .into_iter()
        .chain(of_rule.iter().copied())
        .collect();
    if let Some(scenario) = given.sim.and_then(|sim| sim.sim.as_deref()) {
        for field in named {
            let message = "names a real rule, and --sim a simulated rule";
            problems.push(Problem::new(field, message, "leave one of them out"));
        }
        let scenario = scenario.parse::<Scenario>();
        let scenario = scenario.map_err(|error| {
            let hint = "`--sim list` explains all of them";
            problems.push(Problem::new("--sim", error.to_string(), hint));
        });
        let file = which.file.as_deref().map(File::read).transpose()?;
        let file = file.map(|file| file.spec);
        return Ok(scenario
            .ok()
            .map(|scenario| Source::Simulation(scenario, file)));
    }
    if given.sim.is_some_and(|sim| sim.seed.is_some()) {
        problems.push(Problem::new("--seed", "is only for --sim", "leave it out"));
    }
    if let Some(name) = &which.name {
        for field in named {
            let message = "cannot be used with a NAME, whose run has its own";
            problems.push(Problem::new(field, message, "leave one of them out"));
        }
        let run = sides::run(name, &given.journal).await?;
        return Ok(Some(Source::Spec(run.spec)));
    }
    let is_by_rule = which.file.is_none() && !of_rule.is_empty();
    if let (Some(path), false) = (usual_path(which.file.as_deref()), is_by_rule) {
        for field in named {
            let message = format!("cannot be used with {}, which has its own", path.display());
            let hint = "leave it out, or change the file";
            problems.push(Problem::new(field, message, hint));
        }
        return Ok(Some(Source::Spec(File::read(&path)?.spec)));
    }
    if of_rule.is_empty() {
        let message = format!("there is no {USUAL_FILE} here, and no other migration is named");
        let hint = "`bluegreen init --rule-arn ARN` writes this file from an existing rule, `bluegreen init \
                    --sim` from a simulated AWS; or give --file, --rule-arn, --sim, or NAME and --journal";
        problems.push(Problem::new("", message, hint));
        return Ok(None);
    }
    Ok(which.rule.rule(problems).map(Source::Rule))
}

/// Returns the specification of a new simulated world, with plan and gates of the file, if there is one.
fn of_simulation(simulation: &Simulation, file: Option<MigrationSpec>) -> MigrationSpec {
    let mut spec = simulation.spec();
    if let Some(file) = file {
        let alarms = std::mem::take(&mut spec.judge.alarms);
        (spec.plan, spec.judge, spec.safety) = (file.plan, file.judge, file.safety);
        (spec.judge.alarms, spec.judge.ignore_alarms) = (alarms, Vec::new());
    }
    spec
}

/// Returns the specification of a rule that options name, and the serving side if it need not be read.
async fn of_rule(
    given: &Given<'_>,
    rule: AlbRule,
    aws: &Aws,
    journal: &JournalPlace,
) -> Result<(MigrationSpec, Option<Name>), u8> {
    let mut problems = Vec::new();
    let groups = given.groups;
    let mut group = |field, text: &Option<String>| -> Option<TargetGroupArn> {
        arn(field, text.as_deref(), &mut problems)
    };
    let blue = group("--blue-target-group", &groups.pair.blue_target_group);
    let green = group("--green-target-group", &groups.pair.green_target_group);
    let service = groups.blue_service.as_deref().map(str::parse);
    let service = match service.transpose() {
        Ok(service) => service,
        Err(error) => {
            let error: bluegreen::error::ParseError = error;
            problems.push(Problem::new(
                "--blue-service",
                error.to_string(),
                error.hint(),
            ));
            None
        }
    };
    if given.is_asked && groups.pair.blue_target_group.is_none() {
        let hint = "`aws elbv2 describe-target-groups` lists target groups; or name a file";
        let message = "is needed, with --green-target-group, since nothing is called";
        problems.push(Problem::new("--blue-target-group", message, hint));
    }
    if !problems.is_empty() {
        return Err(bad_arguments(&problems));
    }
    let (mut spec, before) = match (blue, green) {
        (Some(blue), Some(green)) => sides::of_groups(rule, blue, green),
        _ => {
            let weights = rule.weights(aws).await;
            let weights = weights.map_err(|error| failed(&error, UNCHANGED))?;
            let served = match given.way {
                Way::Back(Some(to)) => Some(to.to_owned()),
                // Sides that are named after an earlier run's colours would have other colours in the next.
                _ if given.is_of_new_run() => None,
                _ => {
                    let store = journal.store(aws, false).ok();
                    sides::served(store, weights.rule.as_str()).await
                }
            };
            match (served, given.way) {
                (Some(served), _) => sides::of_rollback(&weights, Some(&served))?,
                (None, Way::Back(_)) => sides::of_rollback(&weights, None)?,
                (None, _) => (sides::of_weights(&weights)?, None),
            }
        }
    };
    if let (Some(service), Some(before)) = (service, &before)
        && let Some(side) = spec.sides.get_mut(before)
    {
        side.service = Some(service);
    }
    // Given groups name the serving side; otherwise only a rollback may trust the journal for it.
    let is_said = groups.pair.blue_target_group.is_some() || matches!(given.way, Way::Back(_));
    Ok((spec, before.filter(|_| is_said)))
}

impl Opened {
    pub(crate) fn aws(&self) -> &Aws {
        self.world.aws()
    }

    /// Opens the journals at the place that was named.
    pub(crate) fn store(&self) -> Result<JournalStore, Problem> {
        self.world.store(&self.journal)
    }
}
