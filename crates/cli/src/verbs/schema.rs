//! `bluegreen schema`.

use std::process::ExitCode;

use clap::Args;

use crate::common::{
    errors::UNCHANGED,
    say::{answer, say_line},
};

/// Print the JSON Schema of bluegreen.toml, for editors.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

pub(crate) fn main(_: &Schema) -> ExitCode {
    match answer(&format!("{:#}", bluegreen::spec::schema())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_line!("error: the schema could not be written: {error}");
            ExitCode::from(UNCHANGED)
        }
    }
}
