//! Makes checks of the command line, and reports every problem at once.

use std::fs;

use bluegreen::check::{CheckSuite, SpecError};

use super::args::Cli;

const BUILT_IN: &str = include_str!("../../data/integration_tests/checks.toml");

/// Returns the checks that the command line names. `simulated` is the URL of the simulated chatbot.
pub(crate) fn suite(cli: &Cli, simulated: Option<&str>) -> Result<CheckSuite, Vec<String>> {
    let mut problems = Vec::new();
    let read = match &cli.checks {
        None => Some((BUILT_IN.to_owned(), "the built-in checks".to_owned())),
        Some(path) => match fs::read_to_string(path) {
            Ok(text) => Some((text, path.display().to_string())),
            Err(error) => {
                problems.push(format!("--checks {}: {error}", path.display()));
                None
            }
        },
    };
    let read = read.and_then(|(text, name)| {
        CheckSuite::from_toml(&text)
            .map_err(|error| add(&mut problems, &name, &error))
            .ok()
    });
    // If the file is not valid, the built-in checks stand in, so that the options are still checked.
    let is_read = read.is_some();
    let mut suite = read.or_else(|| CheckSuite::from_toml(BUILT_IN).ok());
    let mut apply = |option: &str, change: &dyn Fn(CheckSuite) -> Result<CheckSuite, SpecError>| {
        if let Some(before) = suite.take() {
            suite = match change(before.clone()) {
                Ok(changed) => Some(changed),
                Err(error) => {
                    add(&mut problems, option, &error);
                    Some(before)
                }
            };
        }
    };
    if let Some(url) = cli.url.as_deref().or(simulated) {
        apply("--url", &|suite| suite.with_base_url(url));
    }
    if let Some(host) = &cli.host {
        apply("--host", &|suite| suite.with_host(host));
    }
    if let Some(to) = &cli.connect_to {
        apply("--connect-to", &|suite| {
            Ok(suite.with_connect_to(to.clone()))
        });
    }
    let mut malformed = Vec::new();
    for header in &cli.header {
        match header.split_once(':') {
            Some((name, value)) => apply("--header", &|suite| {
                suite.with_header(name.trim(), value.trim())
            }),
            None => malformed.push("--header: write it like `X-Bluegreen-Test: green`".to_owned()),
        }
    }
    for header in &cli.header_env {
        let Some((name, variable)) = header.split_once('=') else {
            malformed.push("--header-env: write it like `Authorization=CHAT_TOKEN`".to_owned());
            continue;
        };
        match std::env::var(variable) {
            Ok(value) if !value.is_empty() => apply("--header-env", &|suite| {
                suite.with_secret_header(name, &value)
            }),
            _ => malformed.push(format!(
                "--header-env: the variable `{variable}` is not set"
            )),
        }
    }
    problems.extend(malformed);
    if is_read && suite.as_ref().is_some_and(|it| it.base_url().is_none()) {
        problems.push("--url: is needed: the file has no `base_url`".to_owned());
    }
    match suite {
        Some(suite) if problems.is_empty() => Ok(suite),
        _ => Err(problems),
    }
}

fn add(problems: &mut Vec<String>, place: &str, error: &SpecError) {
    let shown = error.problems().iter();
    problems.extend(shown.map(|problem| format!("{place}: {problem}")));
}
