//! Where the requests of a test come from.

use std::path::{Path, PathBuf};

use bluegreen::{check::load::TestSuite, problem::Problem};

use super::answerer::Scenario;
use crate::{
    check::Service,
    common::errors::bad_arguments,
    migration::{
        file::{placed, usual_path},
        open::Opened,
    },
};

const BUILT_IN: &str = include_str!("../../../data/test/requests.toml");

/// The source of a test.
#[derive(Debug)]
pub(super) enum Source {
    /// Simulated chatbots.
    Simulated(TestSuite),
    /// A service by its URL.
    Url(TestSuite),
    /// A migration's file; the path of the requests, if an option names it.
    Migration(Option<PathBuf>),
}

impl Source {
    /// Returns the source that the command line names, or prints every problem.
    pub(super) fn of(
        file: Option<&Path>,
        requests: Option<&Path>,
        service: &Service,
        sim: Option<Scenario>,
    ) -> Result<Self, u8> {
        if sim.is_some() {
            let suite = match requests {
                Some(path) => read(path, service)?,
                None => parsed("the built-in requests", BUILT_IN, service)?,
            };
            return Ok(Self::Simulated(suite));
        }
        let is_alone = service.url.is_some() || usual_path(file).is_none();
        match requests {
            Some(path) if is_alone && file.is_none() => Ok(Self::Url(read(path, service)?)),
            None if is_alone => {
                let message = "no requests are named";
                let hint =
                    "give --requests FILE, or a migration's file with `test.file`; or try --sim";
                Err(bad_arguments(&[Problem::new("--requests", message, hint)]))
            }
            requests => Ok(Self::Migration(requests.map(Path::to_owned))),
        }
    }
}

/// Returns the requests of a migration: of the option, of the file's `test.file`, or in a simulated world the
/// built-in requests.
pub(super) fn suite_of(
    opened: &Opened,
    file: Option<&Path>,
    requests: Option<&Path>,
    service: &Service,
) -> Result<TestSuite, u8> {
    if let Some(path) = requests {
        return read(path, service);
    }
    match &opened.spec.test.file {
        Some(named) => {
            let folder = usual_path(file);
            let folder = folder
                .as_deref()
                .and_then(Path::parent)
                .unwrap_or(Path::new(""));
            read(&folder.join(named.to_string()), service)
        }
        None if opened.world.is_simulated() => parsed("the built-in requests", BUILT_IN, service),
        None => {
            let message = "is missing, so there are no requests to send";
            let hint = "name a file with requests there, or give --requests FILE";
            Err(bad_arguments(&[Problem::new("test.file", message, hint)]))
        }
    }
}

fn read(path: &Path, service: &Service) -> Result<TestSuite, u8> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = "`bluegreen::check::load::TestSuite` documents such a file";
        bad_arguments(&[Problem::new(name.as_str(), error.to_string(), hint)])
    })?;
    parsed(&name, &text, service)
}

/// Reads the requests, and applies the options about the service.
fn parsed(name: &str, text: &str, service: &Service) -> Result<TestSuite, u8> {
    let suite = TestSuite::from_toml(text)
        .map_err(|error| bad_arguments(&placed(Path::new(name), &error)))?;

    let mut wrong = Vec::new();
    let suite = suite.with_service(|checks| Ok(service.applied(None, checks, &mut wrong)));
    match suite {
        Ok(suite) if wrong.is_empty() => Ok(suite),
        _ => {
            let problem = |told: &String| Problem::new("", told.as_str(), "");
            Err(bad_arguments(
                &wrong.iter().map(problem).collect::<Vec<_>>(),
            ))
        }
    }
}
