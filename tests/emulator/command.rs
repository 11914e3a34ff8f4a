//! The command, as a program that the tests beside it start.

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_cli::run(std::env::args_os())
}
