//! Signals, on a thread and a runtime of their own: the simulation pauses the clock of its runtime,
//! and the runtime that waits for a signal must not be paused.

use std::{future::Future, io::IsTerminal as _, thread, time::Duration};

use bluegreen::engine::ControlHandle;

use super::say::say_line;

/// The time before the end of the grace at which the run is stopped, to print its last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Cancels the run at SIGINT, SIGTERM or SIGHUP. Each further signal ends the run's current wait, but
/// never a restore. Only a second Ctrl-C on a terminal stops the run at once: a CI runner that cancels a
/// job sends SIGINT, then SIGTERM seconds later, and means one cancel. If SIGKILL follows SIGTERM after
/// `grace`, the run is stopped shortly before.
pub(crate) fn control(handle: ControlHandle, grace: Option<Duration>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let body = move || {
        if let Err(error) = runtime.block_on(listen(&handle, grace)) {
            say_line!(
                "warning: signals cannot be handled, so Ctrl-C ends the process at once: {error}"
            );
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(body)
        .map(drop)
}

/// Returns a future that ends at the first SIGINT, SIGTERM or SIGHUP. Later ones end the process.
pub(crate) fn first() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (told, heard) = tokio::sync::oneshot::channel();
    let body = move || {
        runtime.block_on(async {
            let Ok(mut signals) = Signals::new() else {
                say_line!("warning: signals cannot be handled, so Ctrl-C ends the process at once");
                return;
            };
            signals.next().await;
            let _ended = told.send(());
            signals.next().await;
            std::process::exit(i32::from(CANCELLED));
        });
    };
    thread::Builder::new().name("signals".into()).spawn(body)?;
    Ok(async move {
        // Without signals nothing is ever told.
        if heard.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// The exit code of a run that was cancelled.
const CANCELLED: u8 = 11;

/// Ignores the answers of the handle: the events tell what each control did.
async fn listen(handle: &ControlHandle, grace: Option<Duration>) -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    let is_at_terminal = std::io::stdin().is_terminal();
    let mut killed_at = None;
    let mut interrupts = 0;
    loop {
        let grace_ends = async {
            match killed_at {
                Some(at) => tokio::time::sleep_until(at - LAST_WORDS).await,
                None => std::future::pending().await,
            }
        };
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = grace_ends => {
                let _answer = handle.stop("the grace after SIGTERM ends");
                return Ok(());
            }
        };
        interrupts += u32::from(signal == INTERRUPT);
        if is_at_terminal && signal == INTERRUPT && interrupts > 1 {
            let _answer = handle.stop("a second Ctrl-C");
            continue;
        }
        if let (None, TERMINATE, Some(grace)) = (killed_at, signal, grace) {
            killed_at = Some(tokio::time::Instant::now() + grace.max(LAST_WORDS));
        }
        let _answer = handle.cancel(signal);
    }
}

const INTERRUPT: &str = "SIGINT";
const TERMINATE: &str = "SIGTERM";

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
            _ = self.int.recv() => INTERRUPT,
            _ = self.term.recv() => TERMINATE,
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
            Ok(()) => INTERRUPT,
            Err(_) => std::future::pending().await,
        }
    }
}
