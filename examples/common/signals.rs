//! Signals, on a thread and a runtime of their own: the simulation pauses its runtime's clock,
//! and a runtime that waits for a signal must not.

use std::thread;

use bluegreen::engine::ControlHandle;

use super::say::say_line;

/// The first SIGINT, SIGTERM or SIGHUP cancels the run, a second one stops it at once.
pub(crate) fn control(handle: ControlHandle) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let body = move || {
        let listened = runtime.block_on(async {
            let mut signals = Signals::new()?;
            let first = signals.next().await;
            handle.cancel(first);
            let second = signals.next().await;
            handle.stop(format!("a second signal, {second}"));
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
