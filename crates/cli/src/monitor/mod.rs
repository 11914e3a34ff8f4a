//! The successor of the guide's `deploy/migration_monitor.py`: shows a migration, live or afterwards.

mod args;
mod lines;
mod screen;
mod source;

use std::{
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    thread,
    time::Duration,
};

use bluegreen::problem::Problem;
use bluegreen_monitor::{Shared, page, report::Report};

pub(crate) use self::args::Cli;
use self::screen::Screen;
use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments},
        runtime::block_on,
        say::say_line,
    },
    native,
};

pub(crate) fn main(cli: &Cli) -> ExitCode {
    let is_live = cli.sim.is_none() && cli.replay.is_none();
    if let (true, Some(file)) = (is_live, native::file(&cli.named.which)) {
        let (place, prints) = (cli.named.place(), cli.policy.print_iam_policy);
        let followed = async {
            let code = native::follow(&file, &place, prints).await;
            code.unwrap_or_else(|code| code)
        };
        return block_on(followed);
    }
    let linger = cli.linger.as_deref().map(source::span);
    if linger == Some(None) {
        let (message, hint) = ("is not a span of time", "write it like `30s` or `10m`");
        return ExitCode::from(bad_arguments(&[Problem::new("--linger", message, hint)]));
    }
    let linger = linger.flatten();
    let shared = Shared::default();
    if let Some(address) = cli.serve
        && let Err(error) = serve(address, shared.clone())
    {
        say_line!("error: the page cannot be served: {error}");
        return ExitCode::from(BAD_ARGUMENTS);
    }
    let mut code = match source::show(cli, &shared) {
        Ok(code) => code,
        Err(problems) => return ExitCode::from(bad_arguments(&problems)),
    };
    if let Some(outcome) = shared.with(|view| view.outcome.clone()) {
        say_line!("{outcome}");
    }
    if let Some(path) = &cli.report {
        match Report::of(&shared.view()).write(path) {
            Ok(written) => say_line!("report: {}", written.join(", ")),
            Err(error) => {
                say_line!("error: {error}");
                code = UNCHANGED;
            }
        }
    }
    pause(linger.unwrap_or_default());
    let _ = std::io::stdout().flush();
    ExitCode::from(code)
}

/// Serves the page on a thread and a runtime of its own: the clock of a simulation's runtime is paused.
fn serve(address: SocketAddr, shared: Shared) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(page::listen(address))?;
    say_line!("page: http://{}/", listener.local_addr()?);
    let body = move || {
        if let Err(error) = runtime.block_on(page::serve(listener, shared)) {
            say_line!("warning: the page is not served any more: {error}");
        }
    };
    thread::Builder::new()
        .name("page".into())
        .spawn(body)
        .map(drop)
}

/// Takes the terminal, if there is one and `--plain` is not given.
fn screen(
    cli: &Cli,
    shared: &Shared,
    handle: Option<bluegreen::engine::ControlHandle>,
) -> Option<Screen> {
    let is_wanted = !cli.plain && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !is_wanted {
        return None;
    }
    match Screen::open(shared.clone(), handle, &cli.operator) {
        Ok(screen) => Some(screen),
        Err(error) => {
            say_line!("warning: the terminal cannot be used, so plain lines follow: {error}");
            None
        }
    }
}

/// Waits on the real clock.
#[expect(
    clippy::disallowed_methods,
    reason = "shows people what happened, at a pace; no runtime is about"
)]
fn pause(duration: Duration) {
    thread::sleep(duration);
}
