//! The command `bluegreen`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_cli::run(std::env::args_os())
}
