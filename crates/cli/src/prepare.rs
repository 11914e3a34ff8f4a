//! `bluegreen prepare`: creates green's target group and test route, without traffic.

mod beside;
mod held;
mod rights;
mod tasks;

use std::{path::PathBuf, process::ExitCode};

use bluegreen::{
    Aws,
    aws::{
        alb::{
            AlbRule, GreenGroup, GreenPlace, PlaceReport, PlaceStep, TargetGroupArn,
            TargetGroupSpec, TestHeader,
        },
        sim::Simulation,
    },
    problem::Problem,
    spec::{Group, Name},
    store::JournalStore,
};
use clap::{ArgAction, Parser};

use self::beside::Beside;
use crate::{
    common::{
        self,
        data::json_line,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
        journal::{JournalPlace, ReadJournal},
        rule::{NamedRule, arn},
        runtime::block_on,
        say::say_line,
    },
    deploy::{
        definitions::{refused, text_of},
        list_worlds, world,
    },
    migration::{
        args::{GroupPair, Told},
        file::File,
        rights::PrintPolicy,
        world::World,
    },
};

/// Create green's target group and test route, without traffic.
#[derive(Debug, Parser)]
#[command(name = "bluegreen prepare", disable_help_flag = true, after_help = AFTER)]
pub(crate) struct Cli {
    /// The side of the file to prepare [default: the side without traffic]
    #[arg(value_name = "SIDE")]
    side: Option<String>,
    /// The file [default: ./bluegreen.toml]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A simulated AWS
    #[arg(long, value_name = "WORLD", num_args = 0..=1, default_missing_value = "unprepared")]
    sim: Option<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove what was created; green must have no traffic
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    journal: ReadJournal,
    #[command(flatten)]
    policy: PrintPolicy,
    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    green: Green,
    #[command(flatten)]
    rule: RuleOptions,
}

const AFTER: &str = "\
A second run is harmless: it finds what exists already, and by the journal what
a killed run may have made. A test route of the release before is turned round
to green. With --sim, --undo prepares the place first.
Exit codes: 0 done; 2 bad arguments or files, nothing was called; 3 not done.";

/// The options for green's target group and its test route.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Green")]
struct Green {
    /// Create its target group from this file [default: as blue's]
    #[arg(long, value_name = "FILE")]
    target_group_definition: Option<PathBuf>,
    /// Accept a part of that file that is newer than this program
    #[arg(long, value_name = "PATH")]
    accept_unknown: Vec<String>,
    /// The port of its target group [default: blue's]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The path of its health check [default: blue's]
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// The header of the test route; no secret [default: X-Bluegreen-Test: green]
    #[arg(long, value_name = "NAME: VALUE")]
    test_header: Option<String>,
    /// Create no test route
    #[arg(long)]
    no_test_route: bool,
}

/// The options for the values that a file holds otherwise.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Instead of a file")]
#[command(mut_arg("blue_target_group", |arg| arg.help("Blue's target group, which has the traffic now")))]
#[command(mut_arg("green_target_group", |arg| {
    arg.value_name("ARN|NAME").help("Green's, by ARN or name; if missing, created as blue's")
}))]
struct RuleOptions {
    #[command(flatten)]
    rule: NamedRule,
    #[command(flatten)]
    groups: GroupPair,
}

impl RuleOptions {
    /// Returns the names of the options that were given.
    fn given(&self) -> Vec<&'static str> {
        [self.rule.given(), self.groups.given()].concat()
    }
}

/// The header of the test route, unless `--test-header` names another header.
const HEADER: &str = "X-Bluegreen-Test: green";

pub(crate) fn main(cli: &Cli) -> ExitCode {
    block_on(run_all(cli))
}

/// The rule, blue's target group and green's, as a file, options or a simulated world name them.
type Named = (AlbRule, TargetGroupArn, Group);

async fn run_all(cli: &Cli) -> u8 {
    if cli.policy.print_iam_policy {
        return rights::print(cli);
    }
    let given = cli.rule.given();
    if cli.sim.as_deref() == Some("list") {
        list_worlds();
        return 0;
    }
    let simulated = match cli.sim.as_deref().map(world) {
        Some(Ok(world)) => {
            let simulation = world.simulation(1);
            simulation.start_paused();
            Some(simulation)
        }
        Some(Err(problem)) => return bad_arguments(&[problem]),
        None => None,
    };
    if let Some(simulation) = simulated {
        let problems = misplaced(cli, &given);
        if !problems.is_empty() {
            return bad_arguments(&problems);
        }
        let named = (simulation.rule(), simulation.blue(), own_group(&simulation));
        let store = JournalStore::memory();
        return carried_out(cli, &simulation.aws(), named, Some(store)).await;
    }
    let file = match given.is_empty() || cli.file.is_some() {
        true => File::usual(cli.file.as_deref()),
        false => Ok(None),
    };
    let file = match file {
        Ok(file) => file,
        Err(code) => return code,
    };
    let Some(file) = file else {
        return match by_options(cli, &given) {
            Ok(named) => {
                let aws = common::aws::from_env().await;
                let place = JournalPlace::from(cli.journal.clone());
                match store_at(&place, |place| place.store(&aws, false)) {
                    Ok(store) => carried_out(cli, &aws, named, store).await,
                    Err(code) => code,
                }
            }
            Err(problems) => bad_arguments(&problems),
        };
    };
    if !given.is_empty() {
        let stands = |field: &&str| {
            let hint = "leave it out, or change the file";
            Problem::new(
                *field,
                "cannot be used with a file, which names it already",
                hint,
            )
        };
        return bad_arguments(&given.iter().map(stands).collect::<Vec<_>>());
    }
    let side = match cli.side.as_deref().map(str::parse::<Name>).transpose() {
        Ok(side) => side,
        Err(error) => {
            return bad_arguments(&[Problem::new("SIDE", error.to_string(), error.hint())]);
        }
    };
    let world = match World::of(&file.spec, false, None).await {
        Ok(world) => world,
        Err(code) => return code,
    };
    let aws = world.aws();
    let place = file.journal(&JournalPlace::from(cli.journal.clone()));
    let store = match store_at(&place, |place| world.store(place)) {
        Ok(store) => store,
        Err(code) => return code,
    };
    // A run that is under way divides the traffic, so its holder is said before the sides are read.
    if let (Some(store), false) = (&store, cli.dry_run) {
        let free = match file.spec.locate_after(aws).await {
            Ok(rule) => Beside::of(store, &rule, aws).no_run().await,
            Err(error) => Err(error),
        };
        if let Err(error) = free {
            return failed(&error, UNCHANGED);
        }
    }
    match file.spec.place_to_make(aws, side.as_ref()).await {
        Ok(place) => {
            let blue = place.blue.clone();
            let named = (place.rule, place.blue, place.green);
            let code = carried_out(cli, aws, named, store).await;
            if code == 0 && !cli.undo && !cli.told.json {
                tasks::say(aws, &file.spec, &blue).await;
            }
            code
        }
        Err(error) => failed(
            &error,
            match error.kind() {
                bluegreen::ErrorKind::Invalid => BAD_ARGUMENTS,
                _ => UNCHANGED,
            },
        ),
    }
}

/// Returns the journals, if a place for them is named.
fn store_at(
    place: &JournalPlace,
    open: impl FnOnce(&JournalPlace) -> Result<JournalStore, Problem>,
) -> Result<Option<JournalStore>, u8> {
    if place.journal.is_none() && !place.single_host {
        return Ok(None);
    }
    open(place)
        .map(Some)
        .map_err(|problem| bad_arguments(&[problem]))
}

fn own_group(simulation: &Simulation) -> Group {
    Group::Name(simulation.green().name().to_owned())
}

fn misplaced(cli: &Cli, given: &[&'static str]) -> Vec<Problem> {
    let file = cli.file.as_ref().map(|_| "--file");
    let side = cli.side.as_ref().map(|_| "SIDE");
    let named = given.iter().copied().chain(file).chain(side);
    let problem = |field| {
        let hint = "leave this option out, or leave --sim out";
        Problem::new(
            field,
            "cannot be used with --sim: the simulated AWS has its own",
            hint,
        )
    };
    named.map(problem).collect()
}

/// Returns what the options name, or every problem at once.
fn by_options(cli: &Cli, given: &[&'static str]) -> Result<Named, Vec<Problem>> {
    if given.is_empty() {
        let message = "there is no ./bluegreen.toml, and no rule is named";
        let hint = "name a file (-f FILE), or rule and groups (--rule-arn, --blue-target-group, \
            --green-target-group), or try it on a simulated AWS (--sim)";
        return Err(vec![Problem::new("prepare", message, hint)]);
    }
    let mut problems = Vec::new();
    if cli.side.is_some() {
        let hint = "leave it out, or name a file: -f FILE";
        problems.push(Problem::new("SIDE", "cannot be used without a file", hint));
    }
    let field = "--blue-target-group";
    let text = cli.rule.groups.blue_target_group.as_deref();
    if text.is_none() {
        problems.push(needed(field));
    }
    let blue: Option<TargetGroupArn> = arn(field, text, &mut problems);
    let rule = cli.rule.rule.rule(&mut problems);
    let field = "--green-target-group";
    let file = &cli.green.target_group_definition;
    let green = match cli.rule.groups.green_target_group.as_deref() {
        Some(text) if file.is_some() => {
            let hint = "leave one of them out";
            let message = "cannot be used with --target-group-definition";
            problems.push(Problem::new(field, message, hint));
            Some(Group::Name(text.to_owned()))
        }
        Some(text) => {
            let group = text.parse::<Group>();
            let group = group.map_err(|error| {
                problems.push(Problem::new(field, error.to_string(), error.hint()));
            });
            group.ok()
        }
        // The definition file holds the name.
        None if file.is_some() => Some(Group::Name(String::new())),
        None => {
            problems.push(needed(field));
            None
        }
    };
    match (rule, blue, green) {
        (Some(rule), Some(blue), Some(green)) if problems.is_empty() => Ok((rule, blue, green)),
        _ => {
            // The rest of the command line is checked too, so that every problem is reported.
            problems.extend(group_of(cli, None).err().unwrap_or_default());
            Err(problems)
        }
    }
}

fn needed(field: &str) -> Problem {
    let hint = "`aws elbv2 describe-target-groups` lists the target groups";
    Problem::new(field, "is needed without a file", hint)
}

/// Returns green's target group by the options, or every problem at once.
fn group_of(
    cli: &Cli,
    named: Option<Group>,
) -> Result<(Option<GreenGroup>, TestHeader), Vec<Problem>> {
    let mut problems = Vec::new();
    let given = &cli.green;
    let field = "--target-group-definition";
    let specified = given.target_group_definition.as_deref().and_then(|path| {
        let spec = text_of(field, path).and_then(|text| {
            TargetGroupSpec::from_json(&text).map_err(|error| {
                let message = bluegreen::Failure::from(&error).message;
                Problem::new(
                    field,
                    message,
                    "`bluegreen lint` lists every mistake of the file",
                )
            })
        });
        let take = |read: TargetGroupSpec, path: &String| read.accept_unknown(path);
        let spec = spec.map(|read| given.accept_unknown.iter().fold(read, take));
        spec.map_err(|problem| problems.push(problem)).ok()
    });
    let findings = specified.as_ref().map(TargetGroupSpec::findings);
    problems.extend(refused(field, findings.unwrap_or_default()));
    let header = given
        .test_header
        .as_deref()
        .unwrap_or(HEADER)
        .parse::<TestHeader>();
    let header = header.map_err(|error| {
        let hint = "write it like `X-Bluegreen-Test: green`";
        problems.push(Problem::new("--test-header", error.to_string(), hint));
    });
    if given.no_test_route && given.test_header.is_some() {
        let hint = "leave one of them out";
        problems.push(Problem::new(
            "--test-header",
            "cannot be used with --no-test-route",
            hint,
        ));
    }
    let (Ok(header), true) = (header, problems.is_empty()) else {
        return Err(problems);
    };
    let group = match (specified, named) {
        (Some(specified), _) => Some(GreenGroup::specified(specified)),
        (None, Some(Group::Arn(arn))) => Some(GreenGroup::existing(arn)),
        (None, Some(group)) => Some(GreenGroup::named(group.name().to_owned())),
        (None, None) => None,
    };
    let group = group.map(|mut group| {
        if let Some(port) = given.port {
            group = group.with_port(port);
        }
        match &given.health_path {
            Some(path) => group.with_health_path(path),
            None => group,
        }
    });
    Ok((group, header))
}

async fn carried_out(cli: &Cli, aws: &Aws, named: Named, store: Option<JournalStore>) -> u8 {
    let (rule, blue, green) = named;
    let (group, header) = match group_of(cli, Some(green)) {
        Ok((Some(group), header)) => (group, header),
        Ok((None, _)) => return bad_arguments(&[needed("--green-target-group")]),
        Err(problems) => return bad_arguments(&problems),
    };
    let place = |aws: &Aws| {
        let place = GreenPlace::new(aws, rule.clone(), blue.clone(), group.clone())?;
        Ok(match cli.green.no_test_route {
            true => place.without_test_route(),
            false => place.with_test_header(header.clone()),
        })
    };
    let whole = match place(aws) {
        Ok(whole) => whole,
        Err(error) => return failed(&error, BAD_ARGUMENTS),
    };
    let ended = match store.filter(|_| !cli.dry_run) {
        Some(store) => held::run(cli, aws, &store, place).await,
        None => {
            if !cli.dry_run {
                say_line!(
                    "note: no journal is named, so the next run does not know what this one made, if it is killed"
                );
            }
            run(cli, whole).await
        }
    };
    if !cli.told.json {
        say_line!("API calls: {}", aws.calls());
    }
    match ended {
        Ok(()) => 0,
        Err(error) => failed(&error, UNCHANGED),
    }
}

/// Prepares the place, or removes it, and prints the result. A world that ends with this process has nothing to
/// remove yet.
async fn run(asked: &Cli, place: GreenPlace) -> bluegreen::Result<()> {
    let json = asked.told.json;
    if asked.undo && asked.sim.is_some() {
        place.prepare().await?;
        if !json {
            say_line!("simulated AWS: the place was prepared first, so that it can be removed");
        }
    }
    if asked.dry_run {
        let steps = if asked.undo {
            place.preview_undo().await?
        } else {
            place.preview().await?
        };
        shown(json, &steps);
        return Ok(());
    }
    let place = place.on_step(move |step: &PlaceStep| {
        if !json {
            say_line!("{step}");
        }
    });
    let report = if asked.undo {
        place.undo().await?
    } else {
        place.prepare().await?
    };
    if json {
        json_line(&report);
    } else {
        tell(asked, &report);
    }
    Ok(())
}

/// Prints what would be done.
fn shown(json: bool, steps: &[PlaceStep]) {
    if json {
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        json_line(&serde_json::json!({ "would": steps }));
        return;
    }
    for step in steps {
        say_line!("would {step}");
    }
    if steps.is_empty() {
        say_line!("there is nothing to do");
    }
    say_line!("dry run: nothing was changed");
}

fn tell(asked: &Cli, report: &PlaceReport) {
    for note in &report.notes {
        say_line!("note: {note}");
    }
    if asked.undo {
        match report.done.len() {
            0 => say_line!("nothing to remove: `bluegreen prepare` created nothing here"),
            _ => say_line!("removed, and read back"),
        }
        if let Some(group) = &report.group {
            say_line!("target group {group} existed before, and stays");
        }
        return;
    }
    if report.done.is_empty() {
        say_line!("nothing to do: everything exists already");
    }
    if let Some(group) = &report.group {
        say_line!(
            "prepared: target group {group} has weight 0 in rule {}",
            report.rule
        );
    }
    match &report.route {
        Some(route) => {
            let header = asked.green.test_header.as_deref().unwrap_or(HEADER);
            say_line!("tests reach green with `{header}`, by {route}");
        }
        None => say_line!("there is no test route: checks reach the side that has the traffic"),
    }
}
