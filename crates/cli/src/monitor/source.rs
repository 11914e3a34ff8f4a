//! The sources of a view: a simulation, a past run, or AWS.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bluegreen::{
    Aws, HealthGate, Migration, MigrationPlan, Percent,
    aws::{
        alb::AlbTrafficSplitter,
        cloudwatch::{AlarmGate, AlbMetrics, CloudWatchGate},
        ecs::EcsCapacityKeeper,
        sim::{Scenario, Simulation},
    },
    engine::{Event, Record},
    health::{Limits, TargetHealthGate, sequential::Sequential},
    migration::{GateId, MigrationEvent, Retelling, rejudge},
    problem::Problem,
    spec::Use,
    store::JournalLog,
};
use bluegreen_monitor::{
    Shared, clock,
    source::{self, Reading, SourceError},
    watch::Watcher,
};

use super::{UNCHANGED, args::Cli, lines::Lines, pause, screen};
use crate::{
    common::{journal, say::say_line, signals},
    migration::{
        blue::Of,
        open::{Given, open},
        rights,
        world::Speed,
    },
};
use futures_util::StreamExt as _;

/// Shows the migration that the command line names to its end, and returns the exit code.
pub(crate) fn show(cli: &Cli, shared: &Shared) -> Result<u8, Vec<Problem>> {
    let one = |problem| vec![problem];
    if cli.policy.print_iam_policy {
        return watched(cli, shared, Duration::ZERO, None).map_err(one);
    }
    match (&cli.replay, &cli.sim) {
        (Some(place), _) => replayed(cli, shared, place).map_err(one),
        (None, Some(scenario)) => simulated(cli, shared, scenario).map_err(one),
        (None, None) => {
            let (every, until) = times(cli)?;
            watched(cli, shared, every, until).map_err(one)
        }
    }
}

/// Reads a span of time such as `10m`.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok()
}

fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let hint = "check whether this machine has free threads and file handles";
    runtime.map_err(|error| Problem::new("start", error.to_string(), hint))
}

/// Returns the gates of `bluegreen migrate`.
fn gates(
    aws: &Aws,
    splitter: &AlbTrafficSplitter,
    alarms: &[String],
) -> bluegreen::Result<Vec<(GateId, Arc<dyn HealthGate>)>> {
    let groups = splitter.target_groups();
    let balancer = splitter.rule().listener().load_balancer();
    let metrics = AlbMetrics::new(aws, balancer, groups.blue.clone(), groups.green.clone());
    let metrics = metrics.with_percentiles();
    let metrics = CloudWatchGate::alb(metrics, Limits::default())
        .with_judge("sequential", Sequential::default());
    let mut gates: Vec<(GateId, Arc<dyn HealthGate>)> = vec![
        ("targets".into(), Arc::new(TargetHealthGate::new())),
        ("metrics".into(), Arc::new(metrics)),
    ];
    if !alarms.is_empty() {
        gates.push((
            "alarms".into(),
            Arc::new(AlarmGate::new(aws, alarms.iter().cloned())?),
        ));
    }
    Ok(gates)
}

/// Runs a migration on a simulated AWS, and shows it.
fn simulated(cli: &Cli, shared: &Shared, scenario: &str) -> Result<u8, Problem> {
    let scenario: Scenario = scenario.parse().map_err(|error| {
        let hint = "`bluegreen migrate --sim list` explains all of them";
        Problem::new("--sim", format!("{error}"), hint)
    })?;
    let speed = Speed::of(&cli.speed)?.times();
    runtime()?.block_on(async {
        let simulation = scenario.simulation(cli.seed);
        if simulation.is_native() {
            let message = "is a world in which ECS moves the traffic: there is no migration";
            let hint = "`bluegreen judge --sim` judges a deployment in such a world";
            return Err(Problem::new("--sim", message, hint));
        }
        simulation.start_paused();
        let pacer = speed.map(|speed| simulation.pace(speed));
        let code = migrate(cli, shared, &simulation).await;
        drop(pacer);
        code
    })
}

async fn migrate(cli: &Cli, shared: &Shared, simulation: &Simulation) -> Result<u8, Problem> {
    let wrong = |error: bluegreen::Error| {
        Problem::new("simulation", error.to_string(), "try another --sim")
    };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let plan = MigrationPlan::builder()
        .hold_back(Percent::TEN)
        .bake(minutes(3))
        .step_deadline(minutes(65))
        .build()
        .map_err(|error| {
            Problem::new("plan", error.to_string(), "this is a bug: please report it")
        })?;
    let aws = simulation.aws();
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).map_err(wrong)?;
    let splitter = Arc::new(splitter);
    let gates = gates(&aws, &splitter, &simulation.alarms()).map_err(wrong)?;
    let mut migration = Migration::new(plan, splitter).clock(aws.clock());
    if simulation.blue_minimum().is_some() {
        let (cluster, service) = simulation.blue_service();
        let keeper = EcsCapacityKeeper::new(&aws, cluster, service);
        migration = migration.capacity_keeper(keeper);
    }
    for (id, gate) in gates {
        migration = migration.gate(id, gate);
    }
    let handle = migration.handle();
    let screen = screen(cli, shared, Some(handle.clone()));
    if screen.is_none()
        && let Err(error) = signals::control(handle, None)
    {
        say_line!("warning: signals cannot be handled: {error}");
    }
    let (sink, counts) = (shared.clone(), aws.clone());
    let mut lines = screen.is_none().then(Lines::default);
    migration = migration.on_event(move |event| {
        sink.update(|view| {
            view.take(event);
            view.api_calls = Some(counts.calls().to_string());
        });
        if let Some(lines) = &mut lines {
            sink.with(|view| lines.show(event, view));
        }
    });
    let ended = migration.run().await;
    if let Some(screen) = screen
        && let Err(error) = screen.wait()
    {
        say_line!("warning: the screen ended: {error}");
    }
    Ok(match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    })
}

/// The trace of a past run.
enum Left {
    Log(JournalLog),
    File(File),
}

/// Why a past run is not shown to its end.
#[derive(Debug, thiserror::Error)]
enum LeftError {
    #[error("{0}")]
    Content(#[from] SourceError),
    #[error("{0}")]
    Store(String),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("the journal holds no run")]
    NoRun,
}

impl LeftError {
    fn of_store(error: bluegreen::Error) -> Self {
        Self::Store(bluegreen::Failure::from(error).to_string())
    }
}

impl Left {
    /// Shows each event as it is read, so that a run of any length fits into the memory.
    fn events(self, show: impl FnMut(Event<MigrationEvent>)) -> Result<(), LeftError> {
        match self {
            Self::Log(log) => Self::events_of_log(&log, show),
            Self::File(file) => Self::events_of_file(file, show),
        }
    }

    fn events_of_log(
        log: &JournalLog,
        mut show: impl FnMut(Event<MigrationEvent>),
    ) -> Result<(), LeftError> {
        // Events are shown outside of the runtime, since showing may block.
        let runtime = runtime().map_err(|problem| std::io::Error::other(problem.message))?;
        let records = runtime.block_on(log.newest_run_stream());
        let records = records.map_err(LeftError::of_store)?;
        let mut retelling = Retelling::new();
        let mut events = std::pin::pin!(retelling.retell(records));
        let mut has_begun = false;
        while let Some(event) = runtime.block_on(events.next()) {
            show(event.map_err(LeftError::of_store)?);
            has_begun = true;
        }
        match has_begun {
            true => Ok(()),
            false => Err(LeftError::NoRun),
        }
    }

    fn events_of_file(
        file: File,
        mut show: impl FnMut(Event<MigrationEvent>),
    ) -> Result<(), LeftError> {
        let mut reading = Reading::default();
        for line in BufReader::new(file).lines() {
            reading.take(&line?)?.into_iter().for_each(&mut show);
        }
        Ok(reading.end()?)
    }

    fn records(self) -> Result<Vec<Record>, LeftError> {
        match self {
            Self::Log(log) => {
                let runtime =
                    runtime().map_err(|problem| std::io::Error::other(problem.message))?;
                let records = runtime.block_on(log.newest_run());
                records.map_err(LeftError::of_store)
            }
            Self::File(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(source::records(&text)?)
            }
        }
    }
}

/// Opens the past run that `--replay` names.
fn left(cli: &Cli, place: &str) -> Result<Left, Problem> {
    let hint =
        "give a place as for --journal, or a file of records or events, one line of JSON each";
    let wrong = |why: String| Problem::new("--replay", format!("{place}: {why}"), hint);
    let bucket = journal::bucket(place);
    if bucket.is_none() && !Path::new(place).is_dir() {
        let file = File::open(place).map_err(|error| wrong(error.to_string()))?;
        return Ok(Left::File(file));
    }
    runtime()?.block_on(async {
        let told = |error: bluegreen::Error| wrong(bluegreen::Failure::from(&error).to_string());
        let store = journal::open(place).await.map_err(told)?;
        let rule = cli.named.which.rule.rule_arn.as_deref();
        journal::log_of(&store, cli.log.as_deref(), rule)
            .await
            .map(Left::Log)
    })
}

fn replayed(cli: &Cli, shared: &Shared, place: &str) -> Result<u8, Problem> {
    let speed = Speed::of(&cli.speed)?.times();
    let left = left(cli, place)?;
    let hint = "check that it is the journal of a migration, and of this program's version";
    let wrong = |error: LeftError| Problem::new("--replay", format!("{place}: {error}"), hint);
    if let Some(other) = &cli.judge_with {
        return judged(&left.records().map_err(wrong)?, other);
    }
    let screen = screen(cli, shared, None);
    let mut lines = screen.is_none().then(Lines::default);
    let mut before = None;
    let shown = left.events(|event| {
        let is_watched = screen.as_ref().is_none_or(|screen| screen.is_open());
        if let (Some(speed), Some(before), true) = (speed, before, is_watched) {
            let passed = event.at.duration_since(before).as_secs_f64();
            pause(Duration::from_secs_f64((passed / speed).max(0.0)));
        }
        before = Some(event.at);
        shared.take(&event);
        if let Some(lines) = &mut lines {
            shared.with(|view| lines.show(&event, view));
        }
    });
    let Err(error) = shown else {
        return Ok(shown_to_its_end(screen, shared, place));
    };
    // The drop restores the terminal before the error is printed.
    drop(screen);
    Err(wrong(error))
}

fn shown_to_its_end(screen: Option<super::screen::Screen>, shared: &Shared, place: &str) -> u8 {
    if let Some(screen) = screen
        && let Err(error) = screen.wait()
    {
        say_line!("warning: the screen ended: {error}");
    }
    if !shared.with(|view| view.is_over()) {
        say_line!("warning: {place} does not hold the end of the run");
    }
    0
}

/// Judges the journal of a run with other settings, and prints the result.
fn judged(records: &[Record], other: &Path) -> Result<u8, Problem> {
    let hint = "give tables `plan` and `gates.NAME.JUDGE`, with the settings to change";
    let bad =
        |why: String| Problem::new("--judge-with", format!("{}: {why}", other.display()), hint);
    let settings = fs::read_to_string(other).map_err(|error| bad(error.to_string()))?;
    let settings = toml::from_str(&settings).map_err(|error| bad(error.to_string()))?;
    let judged = rejudge(records, &settings).map_err(|error| bad(error.to_string()))?;
    say_line!(
        "{} verdicts were judged again, {} of them with another status",
        judged.verdicts,
        judged.different
    );
    let Some(parting) = judged.parting else {
        say_line!("the run would have taken the same course");
        return Ok(0);
    };
    let at = clock(parting.elapsed.as_secs_f64());
    say_line!("the run would have taken another course at {at}");
    say_line!("  it did: {}", parting.did);
    say_line!("  it would have: {}", parting.would);
    say_line!("later records of the journal say nothing about these settings");
    Ok(10)
}

/// Returns the interval of looks and the time to watch, or every problem.
fn times(cli: &Cli) -> Result<(Duration, Option<Duration>), Vec<Problem>> {
    let mut problems = Vec::new();
    let every = span(&cli.look_interval).filter(|every| *every >= Duration::from_secs(1));
    if every.is_none() {
        let message = format!(
            "`{}` is not a span of time of one second or more",
            cli.look_interval
        );
        let hint = "write it like `15s` or `1m`";
        problems.push(Problem::new("--look-interval", message, hint));
    }
    let until = cli.watch_for.as_deref().map(span);
    if until == Some(None) {
        let text = cli.watch_for.as_deref().unwrap_or_default();
        let message = format!("`{text}` is not a span of time");
        let hint = "write it like `10m` or `1h 30m`";
        problems.push(Problem::new("--watch-for", message, hint));
    }
    match every {
        Some(every) if problems.is_empty() => Ok((every, until.flatten())),
        _ => Err(problems),
    }
}

/// Watches a migration that another process runs, by reads from AWS.
fn watched(
    cli: &Cli,
    shared: &Shared,
    every: Duration,
    until: Option<Duration>,
) -> Result<u8, Problem> {
    runtime()?.block_on(async {
        let given = Given {
            is_asked: cli.policy.print_iam_policy,
            ..cli.named.given()
        };
        // The problems are printed already.
        let opened = match open(&given).await {
            Ok(opened) => opened,
            Err(code) => return Ok(code),
        };
        if given.is_asked {
            let (Ok(code) | Err(code)) = rights::print(&opened, Use::Monitor);
            return Ok(code);
        }
        let target = match opened.sides(Of::Newest).await {
            Ok(known) => known.target,
            Err(code) => return Ok(code),
        };
        let bad = |error: bluegreen::Error| {
            let failure = bluegreen::Failure::from(&error);
            Problem::new(
                "watch",
                failure.to_string(),
                "see `bluegreen monitor --help`",
            )
        };
        let aws = opened.aws().clone();
        let splitter = opened.spec.splitter(&aws, &target).map_err(bad)?;
        let alarms = opened.spec.judge.alarms.iter();
        let alarms: Vec<String> = alarms.map(ToString::to_string).collect();
        let gates = gates(&aws, &splitter, &alarms).map_err(bad)?;
        let mut watcher = Watcher::new(splitter, aws.clock());
        for (id, gate) in gates {
            watcher = watcher.gate(id, gate);
        }
        let screen = screen(cli, shared, None);
        let watching = watch(shared, &aws, watcher, every, screen.is_none());
        let is_left = async {
            match &screen {
                Some(screen) => {
                    while screen.is_open() {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
                None => {
                    let _ = tokio::signal::ctrl_c().await;
                }
            }
        };
        let is_over = async {
            match until {
                Some(until) => tokio::time::sleep(until).await,
                None => std::future::pending().await,
            }
        };
        Ok(tokio::select! {
            code = watching => code,
            () = is_left => 0,
            () = is_over => 0,
        })
    })
}

/// Looks until it is dropped. Ends only if the first look cannot be read.
async fn watch(
    shared: &Shared,
    aws: &Aws,
    mut watcher: Watcher,
    every: Duration,
    is_plain: bool,
) -> u8 {
    let mut lines = Lines::default();
    let mut has_read = false;
    loop {
        let looked = watcher.look(shared).await;
        if let Err(error) = &looked {
            let failure = bluegreen::Failure::from(error);
            say_line!("warning: could not read: {failure}");
            if let Some(hint) = &failure.hint {
                say_line!("  hint: {hint}");
            }
            if !has_read {
                return UNCHANGED;
            }
        }
        has_read = true;
        shared.update(|view| view.api_calls = Some(aws.calls().to_string()));
        if is_plain {
            shared.with(|view| lines.look(view));
        }
        tokio::time::sleep(every).await;
    }
}
