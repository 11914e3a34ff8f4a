//! How every test starts the command: without the environment and the home of who runs the tests, so without
//! any AWS.

#![allow(dead_code, reason = "each test uses its own part")]

use std::process::{Command, Stdio};

/// Every verb, in the order of the help.
pub(crate) const VERBS: [&str; 23] = [
    "init",
    "lint",
    "plan",
    "diff",
    "prepare",
    "deploy",
    "judge",
    "test",
    "migrate",
    "status",
    "pause",
    "continue",
    "promote",
    "abort",
    "leave",
    "rollback",
    "resume",
    "cleanup",
    "check",
    "monitor",
    "journal",
    "schema",
    "completions",
];

/// The command with these words.
pub(crate) fn bluegreen(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
    command.args(words).stdin(Stdio::null());
    command.env_clear().envs([
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", env!("CARGO_TARGET_TMPDIR")),
        ("NO_COLOR", "1"),
        ("USER", "ann"),
    ]);
    command
}

/// What a command left: its exit code and its output.
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Everything that was printed.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs a command to its end.
pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
