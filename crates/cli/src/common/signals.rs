//! Signals, on a thread and a runtime of their own: the simulation pauses its runtime's clock,
//! and a runtime that waits for a signal must not.

use std::{thread, time::Duration};

use bluegreen::engine::ControlHandle;

use super::say::say_line;

/// So long before the end of the grace the last words are said.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The first SIGINT, SIGTERM or SIGHUP cancels the run, a second one stops it at once. Where the
/// surroundings kill `grace` after a SIGTERM, that stops it shortly before.
pub(crate) fn control(handle: ControlHandle, grace: Option<Duration>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let body = move || {
        let listened = runtime.block_on(async {
            let mut signals = Signals::new()?;
            let first = signals.next().await;
            handle.cancel(first);
            let grace_ends = async {
                match grace.filter(|_| first == "SIGTERM") {
                    Some(grace) => tokio::time::sleep(grace.saturating_sub(LAST_WORDS)).await,
                    None => std::future::pending().await,
                }
            };
            // What came of it stands among the events.
            let _answer = tokio::select! {
                second = signals.next() => handle.stop(format!("a second signal, {second}")),
                () = grace_ends => handle.stop("the grace after SIGTERM ends"),
            };
            std::io::Result::Ok(())
        });
        if let Err(error) = listened {
            say_line!("warning: signals cannot be heard, Ctrl-C ends at once: {error}");
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(body)
        .map(drop)
}

#[cfg(unix)]
struct Signals {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    hup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
            _ = self.hup.recv() => "SIGHUP",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}
