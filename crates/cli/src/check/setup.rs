//! Makes checks of the command line, and reports every problem at once.

use std::fs;

use bluegreen::check::CheckSuite;

use super::{args::Cli, service::add};

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
    let suite = read.or_else(|| CheckSuite::from_toml(BUILT_IN).ok());
    let suite = suite.map(|suite| cli.service.applied(simulated, suite, &mut problems));
    if is_read && suite.as_ref().is_some_and(|it| it.base_url().is_none()) {
        problems.push("--url: is needed: the file has no `base_url`".to_owned());
    }
    match suite {
        Some(suite) if problems.is_empty() => Ok(suite),
        _ => Err(problems),
    }
}
