//! `bluegreen completions`.

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::common::{errors::UNCHANGED, say::say_line};

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

const AFTER: &str = "\
Examples:
  bluegreen completions bash > ~/.local/share/bash-completion/completions/bluegreen
  bluegreen completions zsh > ~/.zfunc/_bluegreen
  bluegreen completions fish > ~/.config/fish/completions/bluegreen.fish";

pub(crate) fn main(cli: &Completions, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(cli.shell, &mut command, "bluegreen", &mut script);
    let mut out = std::io::stdout().lock();
    match out.write_all(&script).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that closes the pipe early is not a failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say_line!("error: the completions could not be written: {error}");
            ExitCode::from(UNCHANGED)
        }
    }
}
