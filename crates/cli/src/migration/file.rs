//! The specification's file: found, read, and its mistakes told, in one form for every verb.

use std::path::{Path, PathBuf};

use bluegreen::{
    preflight::Acceptance,
    problem::Problem,
    spec::{MigrationSpec, SpecError, SpecProblem},
};

use crate::common::{errors::bad_arguments, journal::JournalPlace, say::say_line};

/// The file that is read if no file is named.
pub(crate) const USUAL_FILE: &str = "bluegreen.toml";

/// A specification's file, with its path.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) spec: MigrationSpec,
}

impl File {
    /// Reads the file that is named, or else the usual file if it exists. If the file cannot be read, prints
    /// every problem; the error is the exit code.
    pub(crate) fn usual(named: Option<&Path>) -> Result<Option<Self>, u8> {
        usual_path(named).as_deref().map(Self::read).transpose()
    }

    /// Reads a file. If it cannot be read, prints every problem; the error is the exit code.
    pub(crate) fn read(path: &Path) -> Result<Self, u8> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let place = path.display().to_string();
            let hint = "`bluegreen init` writes this file";
            bad_arguments(&[Problem::new(place, error.to_string(), hint)])
        })?;
        let spec = parsed(path, &text).map_err(|error| told(path, &error))?;
        let path = path.to_owned();
        Ok(Self { path, spec })
    }

    /// Returns the file's folder as an absolute path.
    pub(crate) fn folder(&self) -> PathBuf {
        absolute(self.path.parent().unwrap_or(Path::new("")))
    }

    /// Returns the place that was given, or else the file's.
    pub(crate) fn journal(&self, given: &JournalPlace) -> JournalPlace {
        journal_of(&self.spec, given)
    }
}

/// Returns the file that is named, or else the usual file if it exists.
pub(crate) fn usual_path(named: Option<&Path>) -> Option<PathBuf> {
    let usual = Path::new(USUAL_FILE);
    let usual = usual.exists().then_some(usual);
    named.or(usual).map(Path::to_owned)
}

/// Returns an absolute path; an empty path is the folder of the process.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => std::env::current_dir().unwrap_or_default(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

/// Returns the place that was given, or else the specification's. A simulated world keeps its journal in its
/// own folder.
pub(crate) fn journal_of(spec: &MigrationSpec, given: &JournalPlace) -> JournalPlace {
    let named = spec.journal.as_ref().map(ToString::to_string);
    let own = || {
        let world = spec.simulation.as_ref()?;
        Some(world.journal().display().to_string())
    };
    JournalPlace {
        journal: given.journal.clone().or(named).or_else(own),
        single_host: given.single_host || spec.safety.accept.contains(&Acceptance::SingleHost),
        steal: given.steal,
    }
}

/// Reads a file by its ending: JSON, else TOML. The folder of its simulated world is relative to the file.
pub(crate) fn parsed(path: &Path, text: &str) -> Result<MigrationSpec, SpecError> {
    let mut spec = match path.extension().is_some_and(|ending| ending == "json") {
        true => MigrationSpec::from_json(text),
        false => MigrationSpec::from_toml(text),
    }?;
    if let (Some(world), Some(folder)) = (&mut spec.simulation, path.parent()) {
        world.folder = folder.join(&world.folder);
    }
    Ok(spec)
}

/// Prints every problem of a file, and returns the exit code.
pub(crate) fn told(path: &Path, error: &SpecError) -> u8 {
    let code = bad_arguments(&placed(path, error));
    say_line!("checks that need a field with a problem follow once the field is mended");
    code
}

/// Returns the problems of a file, each with its line and column.
pub(crate) fn placed(path: &Path, error: &SpecError) -> Vec<Problem> {
    let problem = |SpecProblem { at, problem, .. }: &SpecProblem| {
        let mut place = path.display().to_string();
        if let Some(at) = at {
            place = format!("{place}:{}:{}", at.line, at.column);
        }
        if !problem.field.is_empty() {
            place = format!("{place}: {}", problem.field);
        }
        Problem::new(place, problem.message.as_str(), problem.hint.as_str())
    };
    error.problems().iter().map(problem).collect()
}
