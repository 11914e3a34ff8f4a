//! The command, as a program that the tests in this folder start.

use std::process::ExitCode;

fn main() -> ExitCode {
    bluegreen_cli::run(std::env::args_os())
}
