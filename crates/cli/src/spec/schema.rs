//! `bluegreen schema`.

use std::process::ExitCode;

use clap::Args;

use super::FAILED;
use crate::common::say::{answer, say_line};

/// Print the JSON Schema of a migration's file, for editors and other programs. Calls nothing.
#[derive(Debug, Args)]
pub(crate) struct Cli {}

pub(crate) fn main(_: &Cli) -> ExitCode {
    match answer(&format!("{:#}", bluegreen::spec::schema())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_line!("error: the schema could not be written: {error}");
            ExitCode::from(FAILED)
        }
    }
}
