//! Runs the real programs of the machine.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind as IoErrorKind, Seek as _, Write as _},
    process::Stdio,
    sync::Arc,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Child,
};

use super::{Command, CommandRunner, Finished, LineSink, Stream};
use crate::error::{Error, ErrorKind, Result};

/// The most lines of standard output that are kept: the last ones.
const OUT_LINES: usize = 10_000;
/// The most lines of standard error that are kept: the last ones.
const ERR_LINES: usize = 200;
/// The length in bytes at which a line is cut, so that output without line ends does not fill
/// memory.
const LINE_BYTES: usize = 64 * 1024;

/// The programs of a machine (`docker`, `git`): of this machine by default, of a simulated machine with
/// `Simulation::commands`.
///
/// Programs of this machine run as child processes, each in a process group of its own on Unix, so that an
/// interrupt at the terminal reaches only this process, which then decides.
///
/// On Unix a program ends with this process, even if this process is killed: a shell beside the
/// program kills it. Without `/bin/sh`, and on other systems, the program ends only if the run is
/// dropped.
///
/// Standard input is a file without a name, in memory on Linux: nothing of it stays behind, and a
/// program that opens `/dev/stdin` there reads it from its beginning.
///
/// A carriage return ends a line too (progress bars), bytes that are no UTF-8 are replaced, and
/// the last 10,000 lines of standard output are kept.
#[derive(Debug, Clone)]
pub struct SystemCommands(Arc<dyn CommandRunner>);

impl SystemCommands {
    /// Other programs than those of this machine.
    #[cfg(any(feature = "sim", test))]
    pub(crate) fn of(runner: impl CommandRunner + 'static) -> Self {
        Self(Arc::new(runner))
    }

    pub(crate) fn runner(&self) -> &dyn CommandRunner {
        &*self.0
    }
}

impl Default for SystemCommands {
    fn default() -> Self {
        Self(Arc::new(Processes))
    }
}

/// Runs the programs of this machine.
#[derive(Debug)]
struct Processes;

#[async_trait]
impl CommandRunner for Processes {
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished> {
        let mut child = spawn(&command)?;
        let mut guard = Guard::of(&child, &command);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, err) = tokio::join!(
            read_lines(stdout, Stream::Out, OUT_LINES, &lines),
            read_lines(stderr, Stream::Err, ERR_LINES, &lines),
        );
        let failed = |source| {
            Error::new(ErrorKind::Unavailable, format!("run `{command}`")).with_source(source)
        };
        let (out, err) = (out.map_err(failed)?, err.map_err(failed)?);
        let status = child.wait().await.map_err(failed)?;
        guard.dismiss();
        Ok(Finished {
            code: status.code(),
            out,
            err,
        })
    }
}

fn spawn(command: &Command) -> Result<Child> {
    let input = match command.input.as_deref().map(unnamed).transpose() {
        Ok(input) => input.map_or_else(Stdio::null, Stdio::from),
        Err(source) => {
            let message = format!("give `{command}` its input");
            return Err(Error::new(ErrorKind::Unavailable, message).with_source(source));
        }
    };
    let mut process = tokio::process::Command::new(&command.program);
    process
        .args(&command.arguments)
        .envs(
            command
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(folder) = &command.folder {
        process.current_dir(folder);
    }
    #[cfg(unix)]
    process.process_group(0);
    process.spawn().map_err(|source| {
        let program = command.program.to_string_lossy();
        let error = match source.kind() {
            IoErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("start program `{program}`"))
                    .with_hint(format!("install `{program}`, or put its folder into PATH"))
            }
            _ => Error::new(ErrorKind::Unavailable, format!("start program `{program}`")),
        };
        error.with_source(source)
    })
}

/// A file with these bytes that has no name, and so ends with the last process that has it open.
/// Nothing waits for a program that does not read it.
fn unnamed(bytes: &[u8]) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    let mut file = {
        use rustix::fs::{MemfdFlags, memfd_create};
        File::from(memfd_create("input", MemfdFlags::CLOEXEC)?)
    };
    #[cfg(not(target_os = "linux"))]
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Kills a child's process group if the wait for it is dropped or this process ends:
/// `kill_on_drop` reaches the child alone, not the plug-ins that it started, and a process that is
/// killed drops nothing.
///
/// It is a shell that waits for the other end of a pipe. Only this process has that end, so the
/// pipe closes when this process ends, for any reason. The alternative, to ask the kernel for a
/// signal at the parent's end, takes unsafe code, and reaches the child alone. The shell starts after
/// the child, so a kill within the millisecond between the two is missed.
struct Guard(Option<std::process::Child>);

/// A line on the pipe says that the child was waited for; the pipe's end without a line, that
/// nothing waits any more.
#[cfg(unix)]
const GUARD: &str = r#"read -r ended || { kill -9 "-$1"; [ -z "$2" ] || rm -rf -- "$2"; }"#;

impl Guard {
    #[cfg(unix)]
    fn of(child: &Child, command: &Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let Some(group) = child.id() else {
            return Self(None);
        };
        let shell = std::process::Command::new("/bin/sh")
            .args(["-c", GUARD, "bluegreen-guard", &group.to_string()])
            .arg(command.scratch.as_deref().unwrap_or("".as_ref()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(shell.ok())
    }

    #[cfg(not(unix))]
    fn of(_child: &Child, _command: &Command) -> Self {
        Self(None)
    }

    /// The child was waited for: kill nothing, since its number may belong to another process by
    /// now.
    fn dismiss(&mut self) {
        let pipe = self.0.as_mut().and_then(|shell| shell.stdin.as_mut());
        if let Some(pipe) = pipe {
            // A shell that has ended needs no line.
            let _ = pipe.write_all(b"ended\n");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut shell) = self.0.take() {
            // `wait` closes the pipe first.
            let _ = shell.wait();
        }
    }
}

async fn read_lines(
    source: Option<impl AsyncRead + Unpin>,
    stream: Stream,
    keep: usize,
    lines: &LineSink,
) -> std::io::Result<Vec<String>> {
    let mut kept = VecDeque::new();
    let Some(mut source) = source else {
        return Ok(Vec::new());
    };
    let mut emit = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line).into_owned();
        line.clear();
        lines(stream, &text);
        if kept.len() == keep {
            kept.pop_front();
        }
        kept.push_back(text);
    };
    let mut chunk = [0; 8192];
    let (mut line, mut after_return) = (Vec::new(), false);
    loop {
        let count = source.read(&mut chunk).await?;
        if count == 0 {
            break;
        }
        for &byte in &chunk[..count] {
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => emit(&mut line),
                _ => {
                    line.push(byte);
                    if line.len() == LINE_BYTES {
                        emit(&mut line);
                    }
                }
            }
            after_return = byte == b'\r';
        }
    }
    if !line.is_empty() {
        emit(&mut line);
    }
    Ok(kept.into())
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script])
    }

    fn ignore() -> LineSink {
        Arc::new(|_, _| {})
    }

    #[tokio::test]
    async fn both_streams_come_line_by_line_with_the_exit_code() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let finished = Processes
            .run(
                shell(r"printf 'a\r\nb\rc\n\nd'; printf 'e\377\n' >&2; exit 3"),
                Arc::new(move |stream, line: &str| {
                    sink.lock().unwrap().push((stream, line.to_owned()));
                }),
            )
            .await
            .unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!(finished.out, ["a", "b", "c", "", "d"]);
        assert_eq!(finished.err, ["e\u{fffd}"]);
        assert_eq!(seen.lock().unwrap().len(), 6);
    }

    #[tokio::test]
    async fn input_reaches_the_program_and_is_closed() {
        let command = shell("cat; echo $NAME; pwd")
            .with_input("hello\n")
            .env("NAME", "value")
            .in_folder("/");
        let finished = Processes.run(command, ignore()).await.unwrap();
        assert_eq!(finished.out, ["hello", "value", "/"]);
        let huge = shell("exit 0").with_input(vec![b'x'; 1 << 20]);
        assert!(Processes.run(huge, ignore()).await.unwrap().is_success());
    }

    #[tokio::test]
    async fn a_missing_program_is_not_found_with_a_hint() {
        let error = Processes
            .run(Command::new("bluegreen-no-such-program"), ignore())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hint().unwrap().contains("PATH"));
    }

    #[tokio::test]
    async fn only_the_last_lines_are_kept() {
        let script = "i=0; while [ $i -lt 10100 ]; do echo $i; [ $i -lt 300 ] && echo $i >&2; i=$((i+1)); done; true";
        let finished = Processes.run(shell(script), ignore()).await.unwrap();
        assert_eq!(finished.out.len(), 10_000);
        assert_eq!(finished.out.last().unwrap(), "10099");
        assert_eq!((finished.err.len(), finished.err[0].as_str()), (200, "100"));
    }

    #[tokio::test]
    async fn dropping_the_run_kills_the_children_too() {
        let (started, begin) = tokio::sync::oneshot::channel();
        let started = Mutex::new(Some(started));
        let run = Processes.run(
            shell("sleep 600 & echo $!; wait"),
            Arc::new(move |_, line: &str| {
                if let Some(started) = started.lock().unwrap().take() {
                    let _ = started.send(line.to_owned());
                }
            }),
        );
        let child = tokio::select! {
            finished = run => panic!("ended early: {finished:?}"),
            child = begin => child.unwrap(),
        };
        // `wait` is over in the kernel when the signal is delivered; a zombie counts as dead.
        let gone = format!(
            "for i in 1 2 3 4 5 6 7 8 9 10; do \
             case $(ps -o stat= -p {child}) in ''|Z*) exit 0;; esac; sleep 0.1; done; exit 1"
        );
        assert!(
            Processes
                .run(shell(&gone), ignore())
                .await
                .unwrap()
                .is_success()
        );
    }
}
