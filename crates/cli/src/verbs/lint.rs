//! `bluegreen lint`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use bluegreen::spec::{MigrationSpec, Name, SpecError, SpecProblem};
use clap::Args;
use serde::Serialize;

use crate::{
    common::{
        data::json_line,
        errors::{BAD_ARGUMENTS, bad_arguments},
        say::say_line,
    },
    deploy::definitions,
    migration::{
        file::{self, USUAL_FILE},
        hooks, preview,
    },
};

/// List every mistake in files, each with its place.
///
/// Exit codes: 0, all files are valid; 2, a file is not.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The files [default: ./bluegreen.toml, if no definition is named].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print problems as JSON lines on stdout, instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    definitions: definitions::Definitions,
}

pub(crate) fn main(cli: &Lint) -> ExitCode {
    let usual = [PathBuf::from(USUAL_FILE)];
    let files = match cli.files.is_empty() && !cli.definitions.any() {
        true => &usual[..],
        false => &cli.files[..],
    };
    let valid = files.iter().map(|path| is_valid(path, cli.json));
    // Every file is checked, even if a file before it is not valid.
    let mut valid: Vec<bool> = valid.collect();
    match definitions::lint(&cli.definitions, cli.json) {
        Ok(is_sound) => valid.push(is_sound),
        Err(problems) => {
            let _code = bad_arguments(&problems);
            valid.push(false);
        }
    }
    match valid.iter().all(|valid| *valid) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(BAD_ARGUMENTS),
    }
}

/// One problem for programs.
#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    line: Option<usize>,
    column: Option<usize>,
    field: &'a str,
    message: &'a str,
    hint: &'a str,
}

fn is_valid(path: &Path, json: bool) -> bool {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if json => {
            json_line(&Told {
                file: path,
                line: None,
                column: None,
                field: "",
                message: &error.to_string(),
                hint: "",
            });
            return false;
        }
        Err(error) => {
            say_line!("{shown}: {error}");
            return false;
        }
    };
    let spec = match file::parsed(path, &text) {
        Ok(spec) => spec,
        Err(error) if json => {
            told_json(path, &error);
            return false;
        }
        Err(error) => {
            let _code = file::told(path, &error);
            return false;
        }
    };
    if !json {
        let sides: Vec<&str> = spec.sides.keys().map(Name::as_str).collect();
        let about = match &spec.native {
            Some(native) => format!("service {}, whose traffic ECS moves", native.service),
            None => sides.join(" and "),
        };
        say_line!("{shown}: valid: {}, {about}", spec.name);
        if let Ok(plan) = spec.plan() {
            say_line!("{}", preview(&spec, &plan));
        }
    }
    are_definitions_valid(path, &spec, json)
}

/// Returns whether the files that the deployments of the sides name are valid.
fn are_definitions_valid(path: &Path, spec: &MigrationSpec, json: bool) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    let problems = spec.sides.iter().flat_map(|(name, side)| {
        let deployment = side.deployment.as_ref();
        let problems = deployment.map(|deployment| {
            definitions::of_side(name, side.service.as_ref(), deployment, folder)
        });
        problems.unwrap_or_default()
    });
    let of_native = spec.native_deployment();
    let of_native = of_native.map(|deployment| definitions::of_native(deployment, folder));
    let mut is_valid = true;
    let problems = problems.chain(of_native.unwrap_or_default());
    for problem in problems.chain(hooks::problem(spec)) {
        is_valid = false;
        let (field, message, hint) = (&problem.field, &problem.message, &problem.hint);
        if json {
            json_line(&Told {
                file: path,
                line: None,
                column: None,
                field,
                message,
                hint,
            });
            continue;
        }
        say_line!("error: {}: {field}: {message}", path.display());
        if !hint.is_empty() {
            say_line!("  hint: {hint}");
        }
    }
    is_valid
}

/// Prints every problem of a file as lines of JSON.
fn told_json(path: &Path, error: &SpecError) {
    for SpecProblem { at, problem, .. } in error.problems() {
        json_line(&Told {
            file: path,
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            field: &problem.field,
            message: &problem.message,
            hint: &problem.hint,
        });
    }
}
