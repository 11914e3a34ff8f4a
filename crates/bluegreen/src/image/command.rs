//! The seam to the programs of the machine: takes one command, returns its result.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::error::Result;

/// Runs the programs of the machine (`docker`, `git`).
///
/// The seam has this one method, so that a simulation or a test can replace all programs, and no
/// child process is ever awaited under a paused clock.
#[async_trait]
pub(crate) trait CommandRunner: fmt::Debug + Send + Sync {
    /// Runs a command to its end, and passes each line of its output to `lines` at once.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such program, `Unavailable` if it could not be started. A program
    /// that ran and failed is not an error: [`Finished::code`] says so.
    ///
    /// # Cancel safety
    ///
    /// Dropping it kills the program and its children. The end of this process, in any way, should
    /// do the same.
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished>;
}

/// The receiver of lines of output.
pub(crate) type LineSink = Arc<dyn Fn(Stream, &str) + Send + Sync>;

/// Which stream a line came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A program with its arguments.
///
/// `Debug` and `Display` show program and arguments, never standard input or the values of
/// environment variables: secrets go there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The program.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Variables set beside those of this process.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The program's standard input; `None` for no input.
    pub(crate) input: Option<Vec<u8>>,
    /// A folder that only this program needs. The folder's owner removes it; if the owner is killed
    /// first, the folder is removed when the program is killed.
    pub(crate) scratch: Option<PathBuf>,
    /// The folder in which it runs; that of this process if `None`.
    pub(crate) folder: Option<PathBuf>,
}

impl Command {
    /// A program without arguments.
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            input: None,
            scratch: None,
            folder: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the program's standard input.
    #[must_use]
    pub(crate) fn with_input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Names a folder that is removed with the program, if this process is killed.
    #[must_use]
    pub(crate) fn with_scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Runs it in a folder.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program.to_string_lossy())?;
        for argument in &self.arguments {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("command", &self.to_string())
            .field("environment", &names)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A program that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output, a line each.
    pub(crate) out: Vec<String>,
    /// The end of its standard error, at most 200 lines.
    pub(crate) err: Vec<String>,
}

impl Finished {
    /// Whether it ended with code 0.
    #[must_use]
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}
