//! [`SystemCommands`]: the programs of this machine, for real.

use std::{collections::VecDeque, process::Stdio};

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};

use super::{Command, CommandRunner, Finished, LineSink, Stream};
use crate::error::{Error, ErrorKind, Result};

/// Runs programs as child processes.
///
/// A child gets a process group of its own, so that Ctrl-C reaches this program alone, which then
/// decides. Dropping a run kills the child; what a child has started by itself ends with it only
/// if it watches its parent, as `docker` and its plugins do.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCommands;

/// So many lines of standard output are kept, and of standard error.
const OUT: usize = 10_000;
const ERR: usize = 200;

#[async_trait]
impl CommandRunner for SystemCommands {
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished> {
        let attempted = format!("run `{}`", command.program.to_string_lossy());
        let failed =
            |kind, error: std::io::Error| Error::new(kind, attempted.clone()).with_source(error);
        let mut process = tokio::process::Command::new(&command.program);
        process
            .args(&command.arguments)
            .envs(
                command
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(match command.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        process.process_group(0);
        if let Some(folder) = &command.folder {
            process.current_dir(folder);
        }
        let mut child = process.spawn().map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                let program = command.program.to_string_lossy();
                failed(ErrorKind::NotFound, error)
                    .with_hint(format!("install `{program}`, or put it on the PATH"))
            } else {
                failed(ErrorKind::Unavailable, error)
            }
        })?;
        let input = child.stdin.take().zip(command.input);
        let feed = async move {
            if let Some((mut pipe, input)) = input {
                // A program that does not read to the end says why by its exit code.
                let _ = pipe.write_all(&input).await;
            }
        };
        let out = keep(child.stdout.take(), Stream::Out, OUT, &lines);
        let err = keep(child.stderr.take(), Stream::Err, ERR, &lines);
        let ((), out, err, status) = tokio::join!(feed, out, err, child.wait());
        let status = status.map_err(|error| failed(ErrorKind::Unavailable, error))?;
        Ok(Finished {
            code: status.code(),
            out,
            err,
        })
    }
}

/// Hands every line on and keeps the last `limit`.
async fn keep(
    pipe: Option<impl AsyncRead + Unpin>,
    stream: Stream,
    limit: usize,
    lines: &LineSink,
) -> Vec<String> {
    let mut kept = VecDeque::new();
    let Some(pipe) = pipe else {
        return Vec::new();
    };
    let mut reader = BufReader::new(pipe);
    let mut raw = Vec::new();
    loop {
        raw.clear();
        match reader.read_until(b'\n', &mut raw).await {
            Ok(0) | Err(_) => return kept.into(),
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&raw);
        // A progress bar overwrites its line; the last state is the line.
        let line = text.trim_end().rsplit('\r').next().unwrap_or_default();
        lines(stream, line);
        if kept.len() == limit {
            kept.pop_front();
        }
        kept.push_back(line.to_owned());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("sh").arg("-c").arg(script)
    }

    fn silent() -> LineSink {
        Arc::new(|_, _| {})
    }

    #[tokio::test]
    async fn keeps_both_streams_apart_and_streams_them() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink: LineSink = {
            let seen = Arc::clone(&seen);
            Arc::new(move |stream, line: &str| {
                seen.lock()
                    .expect("no panic")
                    .push((stream, line.to_owned()));
            })
        };
        let script = "echo one; echo two >&2; printf '10%%\\r100%%\\n'; exit 3";
        let done = SystemCommands
            .run(shell(script), sink)
            .await
            .expect("it runs");
        assert_eq!(done.code, Some(3));
        assert_eq!(done.out, ["one", "100%"]);
        assert_eq!(done.err, ["two"]);
        assert_eq!(seen.lock().expect("no panic").len(), 3);
    }

    #[tokio::test]
    async fn gives_input_environment_and_folder() {
        let command = shell("cat; echo $COLOUR; pwd")
            .with_input("typed\n")
            .env("COLOUR", "green")
            .in_folder("/");
        let done = SystemCommands
            .run(command, silent())
            .await
            .expect("it runs");
        assert_eq!(done.out, ["typed", "green", "/"]);
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_a_hint() {
        let command = Command::new("no-such-program-anywhere");
        let error = SystemCommands
            .run(command, silent())
            .await
            .expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("no-such-program-anywhere"))
        );
    }

    #[tokio::test]
    async fn p11_dropping_it_ends_the_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", mark.display());
        let mut run = Box::pin(SystemCommands.run(shell(&script), silent()));
        let pid = loop {
            tokio::select! {
                _ = &mut run => panic!("it sleeps"),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            if let Ok(pid) = std::fs::read_to_string(&mark)
                && !pid.trim().is_empty()
            {
                break pid.trim().to_owned();
            }
        };
        drop(run);
        // The kernel needs a moment; only that it ends is asserted.
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
        }
    }
}
