//! `bluegreen test`: synthetic traffic to green alone, before users' requests reach green.

mod answerer;
mod sources;

use std::{future::Future, path::PathBuf, process::ExitCode, sync::Arc};

use bluegreen::{
    check::{
        HttpClient, ReqwestClient,
        load::{LoadTest, TestProgress, TestReport, TestSettings, TestSuite},
    },
    clock::SystemClock,
    problem::Problem,
    spec::{Span, StartError, TestSpec, Use},
    store::JournalStore,
};
use clap::Args;

use self::{
    answerer::{Answerer, Scenario},
    sources::Source,
};
use crate::{
    check::Service,
    common::{
        data::try_json_line,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed, invalid, said},
        journal::ReadJournal,
        runtime::block_on,
        say::{answer, say_line},
        signals,
    },
    migration::{
        args::{Groups, OPTIONS, Sim, Which},
        open::{Given, Opened, open},
        rights::{self, PrintPolicy},
    },
};

/// Test green with requests of a file, before it gets traffic.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
#[command(mut_arg("url", |arg| arg.help("The service's URL, without a migration's file")))]
#[command(mut_arg("host", |arg| arg.help("The `Host` header")))]
#[command(mut_arg("connect_to", |arg| arg.value_name("HOST")
    .help("Send requests here instead of to the URL's host").long_help(None)))]
#[command(mut_arg("header", |arg| arg.value_name("HEADER").help("A header for every request")))]
#[command(mut_arg("header_env", |arg| arg.value_name("NAME=VAR")
    .help("A header, with its value from a variable")))]
pub(crate) struct Test {
    /// The migration's file [default: ./bluegreen.toml].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The requests, a TOML file [default: its `test.file`].
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    journal: ReadJournal,
    /// Two simulated chatbots, and no AWS.
    #[arg(long, value_enum, value_name = "NAME", num_args = 0..=1, hide_possible_values = true,
          default_missing_value = "healthy", conflicts_with_all = ["file", "url"],
          help_heading = OPTIONS)]
    sim: Option<Scenario>,
    /// Show the plan, and send nothing.
    #[arg(long, help_heading = OPTIONS)]
    dry_run: bool,
    /// Print the result as JSON on stdout.
    #[arg(long, help_heading = OPTIONS)]
    json: bool,
    /// Operator named in the result [default: $USER].
    #[arg(long, env = "USER", hide_env = true, value_name = "NAME", default_value = "operator",
          hide_default_value = true, help_heading = OPTIONS)]
    operator: String,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

/// The load, instead of the file's.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct Load {
    /// Requests a second [default: green's in the first step].
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// The rate rises from zero in this time.
    #[arg(long, value_name = "TIME")]
    ramp: Option<Span>,
    /// How long requests are sent.
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,
    /// The most requests that wait for answers at once.
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// How often each answer is compared with blue's.
    #[arg(long, value_name = "N")]
    compare: Option<u32>,
    /// The header of the test route.
    #[arg(long, value_name = "HEADER")]
    test_header: Option<String>,
}

const AFTER: &str = "\
--sim: healthy, erring, slow, stalling, differing, dead, blue-worse.
Exit codes: 0 passed; 1 failed, not shown, or blue got worse; 2 bad arguments
or files, nothing was sent; 3 not begun or not kept; 11 cancelled.

Examples:
  bluegreen test --sim differing         what a change of framework changes
  bluegreen test --requests load.toml    with the rule of ./bluegreen.toml
  bluegreen test --requests load.toml --url https://api.acme.com --rate 50";

pub(crate) fn main(cli: &Test) -> ExitCode {
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Test) -> Result<u8, u8> {
    if cli.policy.print_iam_policy {
        return policy(cli).await;
    }
    let more = cli.load.settings()?;
    let source = Source::of(
        cli.file.as_deref(),
        cli.requests.as_deref(),
        &cli.service,
        cli.sim,
    )?;
    match source {
        Source::Simulated(suite) => {
            tokio::time::pause();
            let suite = suite.with_settings(more);
            let client = |header: &str| -> Result<Arc<dyn HttpClient>, u8> {
                Ok(Answerer::new(cli.sim.unwrap_or(Scenario::Healthy), header))
            };
            say_line!("two simulated chatbots: no real service is asked");
            alone(cli, suite, client).await
        }
        Source::Url(suite) => {
            say_line!(
                "note: whether these requests reach green alone is not looked up without a migration's file"
            );
            alone(cli, suite.with_settings(more), |_| client()).await
        }
        Source::Migration(requests) => of_migration(cli, requests, more).await,
    }
}

/// Prints the least policy of a test of a migration's new side. A test without a migration calls no AWS.
async fn policy(cli: &Test) -> Result<u8, u8> {
    let which = Which {
        file: cli.file.clone(),
        ..Which::default()
    };
    let given = Given {
        is_asked: true,
        ..Given::of(&which, Groups::NONE, cli.journal.clone().into())
    };
    rights::print(&open(&given).await?, Use::Test)
}

fn client() -> Result<Arc<dyn HttpClient>, u8> {
    let client = ReqwestClient::new().map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    Ok(Arc::new(client))
}

/// Tests a service without a migration's file.
async fn alone(
    cli: &Test,
    suite: TestSuite,
    client: impl FnOnce(&str) -> Result<Arc<dyn HttpClient>, u8>,
) -> Result<u8, u8> {
    let plan = suite.plan().map_err(|problems| bad_arguments(&problems))?;
    say_line!("{plan}");
    if cli.dry_run {
        return Ok(nothing_sent());
    }
    let client = client(plan.header().unwrap_or_default())?;
    let test = LoadTest::new(plan, client, SystemClock);
    let report = watched(cli, test)?.run().await;
    Ok(told(cli, &report))
}

/// Tests the new side of a migration's file, and keeps the result.
async fn of_migration(cli: &Test, requests: Option<PathBuf>, more: TestSettings) -> Result<u8, u8> {
    let which = Which {
        file: cli.file.clone(),
        ..Which::default()
    };
    // A pacer would let simulated time pass in strokes that are longer than an answer.
    let sim = Sim {
        speed: Some("max".to_owned()),
        ..Sim::default()
    };
    let given = Given {
        sim: Some(&sim),
        ..Given::of(&which, Groups::NONE, cli.journal.clone().into())
    };
    let opened = open(&given).await?;
    let suite = sources::suite_of(
        &opened,
        cli.file.as_deref(),
        requests.as_deref(),
        &cli.service,
    )?;
    let target = opened.target().await?;
    let client: Arc<dyn HttpClient> = match &opened.spec.simulation {
        Some(world) => {
            let scenario = Scenario::of_world(world.scenario.as_str());
            let header = more_header(&cli.load, &opened.spec.test, &suite);
            Answerer::new(scenario, &header)
        }
        None => client()?,
    };
    let ready = opened
        .spec
        .green_test(opened.aws(), &target, suite, more, client);
    let ready = ready.await.map_err(|error| refused(&error))?;
    say_line!(
        "green is {}, blue is {}",
        target.sides.green.name,
        target.sides.blue.name
    );
    say_line!("{ready}");
    if cli.dry_run {
        return Ok(nothing_sent());
    }
    let store = store(&opened)?;
    let mut cancel = Some(cancelled()?);
    let ready = ready.with(|test| {
        let test = test.on_progress(progress);
        match cancel.take() {
            Some(cancel) => test.cancel_on(cancel),
            None => test,
        }
    });
    let (report, kept) = ready.run(&target, store.as_ref(), &cli.operator).await;
    let code = told(cli, &report);
    match kept {
        Ok(()) => Ok(code),
        Err(error) => {
            failed(&error, UNCHANGED);
            say_line!(
                "the result was not kept, so a migration that requires a test does not find it"
            );
            Ok(if code == 0 { UNCHANGED } else { code })
        }
    }
}

/// The header that leads to green, as the test will send it.
fn more_header(load: &Load, table: &TestSpec, suite: &TestSuite) -> String {
    let named = load
        .test_header
        .clone()
        .or_else(|| table.test_header.clone());
    named.unwrap_or_else(|| suite.settings().test_header().to_owned())
}

/// The journals, if the file or an option names their place.
fn store(opened: &Opened) -> Result<Option<JournalStore>, u8> {
    if opened.journal.journal.is_none() && !opened.journal.single_host {
        say_line!("note: no journal is named, so the result is not kept for `migrate`");
        return Ok(None);
    }
    let store = opened.store();
    store.map(Some).map_err(|problem| bad_arguments(&[problem]))
}

fn refused(error: &StartError) -> u8 {
    match error {
        StartError::Spec(error) => invalid(error),
        StartError::Failed(error) => failed(error, error_code(error)),
        other => {
            said(&bluegreen::Failure::from(&bluegreen::Error::new(
                bluegreen::ErrorKind::Refused,
                other.to_string(),
            )));
            UNCHANGED
        }
    }
}

fn error_code(error: &bluegreen::Error) -> u8 {
    match error.kind() {
        bluegreen::ErrorKind::Invalid => BAD_ARGUMENTS,
        _ => UNCHANGED,
    }
}

fn cancelled() -> Result<impl Future<Output = ()> + Send + 'static, u8> {
    signals::first().map_err(|error| {
        say_line!("error: signals cannot be handled: {error}");
        UNCHANGED
    })
}

fn watched(_: &Test, test: LoadTest) -> Result<LoadTest, u8> {
    Ok(test.on_progress(progress).cancel_on(cancelled()?))
}

fn progress(now: &TestProgress) {
    let late = match now.late {
        0 => String::new(),
        late => format!(", {late} late"),
    };
    say_line!(
        "{:>4} s  {} of {} sent, {} of {} failed, p99 {} ms{late}",
        now.elapsed.as_secs(),
        now.sent,
        now.planned,
        now.failed,
        now.ended,
        now.p99.as_millis()
    );
}

/// Prints the result, and returns its exit code.
fn told(cli: &Test, report: &TestReport) -> u8 {
    let written = match cli.json {
        true => try_json_line(report),
        false => answer(&report.to_string()),
    };
    match written {
        Ok(()) => report.exit_code(),
        Err(error) => {
            say_line!("error: the result could not be written: {error}");
            UNCHANGED
        }
    }
}

fn nothing_sent() -> u8 {
    say_line!("dry run: nothing was sent");
    0
}

impl Load {
    /// Returns the settings that the options give, or prints every problem.
    fn settings(&self) -> Result<TestSettings, u8> {
        let mut lines = Vec::new();
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let texts = [
            ("ramp", self.ramp.map(|span| span.to_string())),
            ("duration", self.duration.map(|span| span.to_string())),
            ("test_header", self.test_header.clone()),
        ];
        for (key, text) in texts {
            lines.extend(text.map(|text| format!("{key} = {}", quoted(&text))));
        }
        lines.extend(self.rate.map(|rate| format!("rate = {rate:?}")));
        let numbers = [
            ("max_in_flight", self.max_in_flight),
            ("compare", self.compare),
        ];
        for (key, number) in numbers {
            lines.extend(number.map(|number| format!("{key} = {number}")));
        }
        TestSettings::from_toml(&lines.join("\n")).map_err(|error| {
            let problems = error.problems().iter();
            let option = |field: &str| format!("--{}", field.replace('_', "-"));
            let problems = problems.map(|one| {
                let Problem {
                    field,
                    message,
                    hint,
                    ..
                } = &one.problem;
                Problem::new(option(field), message, hint)
            });
            bad_arguments(&Vec::from_iter(problems))
        })
    }
}
