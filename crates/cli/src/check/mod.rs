//! The successor of the guide's `tests/integration_tests.py`: tests a released service with requests
//! as its users send them, and fails the pipeline if an answer is wrong.

mod args;
mod chatbot;
mod service;
mod setup;
mod start;

use std::{process::ExitCode, sync::Arc};

use bluegreen::check::{CheckReport, CheckSuite, HttpClient, ReqwestClient};

use self::start::{Start, USUAL_INTERVAL, USUAL_WAIT};
pub(crate) use self::{args::Cli, service::Service};
use crate::common::{
    data::try_json_line,
    say::{answer, say_line},
};

/// A check failed.
const FAILED: u8 = 1;
/// Bad arguments or checks; nothing was sent.
const BAD_ARGUMENTS: u8 = 2;
/// How many times faster the wait for a simulated chatbot is than the wait for a real service.
const HASTE: u32 = 100;

pub(crate) fn main(cli: &Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(run(cli))),
        Err(error) => {
            say_line!("error: cannot start: {error}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

async fn run(cli: &Cli) -> u8 {
    let simulated = match cli.sim {
        None if cli.service.url.is_none() && cli.checks.is_none() && !cli.list => {
            let problem = "no service is named";
            return bad_arguments(&[format!("{problem}: give --url, --checks, or --sim")]);
        }
        None => None,
        Some(scenario) => match chatbot::serve(scenario).await {
            Ok(url) => Some(url),
            Err(error) => {
                say_line!("error: the simulated chatbot cannot be served: {error}");
                return BAD_ARGUMENTS;
            }
        },
    };
    let suite = match setup::suite(cli, simulated.as_deref()) {
        Ok(suite) => suite,
        Err(problems) => return bad_arguments(&problems),
    };
    if cli.list {
        return list(&suite);
    }
    let client: Arc<dyn HttpClient> = match ReqwestClient::new() {
        Ok(client) => Arc::new(client),
        Err(error) => {
            let failure = bluegreen::Failure::from(error);
            return bad_arguments(&[failure.to_string()]);
        }
    };
    let smoke = match suite.smoke_checks(client.clone()) {
        Ok(smoke) => smoke,
        Err(error) => return bad_arguments(&[error.to_string()]),
    };
    if let Some(url) = &simulated
        && !cli.json
    {
        say_line!("simulated chatbot at {url}");
    }
    let mut progress = Progress::new(cli.json);
    match become_healthy(&suite, client, cli, &mut progress).await {
        Ok(true) => {}
        Ok(false) => return FAILED,
        Err(error) => return bad_arguments(&[error.to_string()]),
    }
    let wait = cli.wait.map_or(USUAL_WAIT, |wait| wait.0);
    let mut start = Start::new(USUAL_INTERVAL / haste(cli), wait / haste(cli));
    if suite.health().is_some() {
        // The service has answered.
        start.end();
    }
    for _ in 0..cli.repeat {
        for check in &smoke {
            let report = start.report(check, &mut progress).await;
            progress.counts(&report);
        }
    }
    progress.end()
}

/// Waits for the file's number of good answers in a row. Returns `false` if they did not come in time.
async fn become_healthy(
    suite: &CheckSuite,
    client: Arc<dyn HttpClient>,
    cli: &Cli,
    progress: &mut Progress,
) -> bluegreen::Result<bool> {
    let (Some(wanted), Some(check)) = (suite.health(), suite.health_check(client)?) else {
        return Ok(true);
    };
    let wait = cli.wait.map_or(wanted.deadline(), |wait| wait.0);
    let haste = haste(cli);
    let mut start = Start::new(wanted.every() / haste, wait / haste);
    let is_healthy = start.become_healthy(&check, wanted.successes(), progress);
    let is_healthy = is_healthy.await;
    if !is_healthy {
        progress.says(format_args!(
            "FAIL not healthy in time: wanted {} good answers in a row; the tests were not run",
            wanted.successes()
        ));
    }
    Ok(is_healthy)
}

fn haste(cli: &Cli) -> u32 {
    if cli.sim.is_some() { HASTE } else { 1 }
}

fn list(suite: &CheckSuite) -> u8 {
    let base = suite.base_url().unwrap_or_default();
    let mut lines = vec![format!("service  {base}")];
    if let Some(health) = suite.health() {
        lines.push(format!("health   {} in a row", health.successes()));
    }
    for test in suite.smoke() {
        lines.push(format!(
            "test     {}: {} {}",
            test.name(),
            test.method(),
            test.path()
        ));
    }
    match answer(&lines.join("\n")) {
        Ok(()) => 0,
        Err(error) => {
            say_line!("error: the list could not be written: {error}");
            FAILED
        }
    }
}

fn bad_arguments(problems: &[String]) -> u8 {
    for problem in problems {
        say_line!("error: {problem}");
    }
    let s = if problems.len() == 1 { "" } else { "s" };
    say_line!("{} problem{s}, nothing was sent", problems.len());
    BAD_ARGUMENTS
}

/// Shows reports and counts them.
#[derive(Debug)]
struct Progress {
    is_json: bool,
    is_written: bool,
    passed: u32,
    failed: u32,
}

impl Progress {
    fn new(is_json: bool) -> Self {
        Self {
            is_json,
            is_written: true,
            passed: 0,
            failed: 0,
        }
    }

    fn counts(&mut self, report: &CheckReport) {
        match report.is_passed() {
            true => self.passed += 1,
            false => self.failed += 1,
        }
        self.shows(report);
    }

    fn shows(&mut self, report: &CheckReport) {
        let mark = if report.is_passed() { "ok  " } else { "FAIL" };
        self.shows_as(mark, report);
    }

    /// Shows a try of a service that has not started.
    fn not_yet(&mut self, report: &CheckReport) {
        self.shows_as("not yet:", report);
    }

    fn shows_as(&mut self, mark: &str, report: &CheckReport) {
        if self.is_json {
            self.is_written &= try_json_line(report).is_ok();
        } else {
            say_line!("{mark} {report}");
        }
    }

    fn says(&self, line: std::fmt::Arguments<'_>) {
        if !self.is_json {
            say_line!("{line}");
        }
    }

    fn end(&self) -> u8 {
        self.says(format_args!(
            "{} passed, {} failed",
            self.passed, self.failed
        ));
        if !self.is_written {
            say_line!("error: the reports could not be written");
        }
        if self.failed == 0 && self.is_written {
            0
        } else {
            FAILED
        }
    }
}
