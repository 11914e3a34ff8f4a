//! The terminal, on a thread of its own: the clock of a simulation's runtime is paused.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use bluegreen::engine::{ControlHandle, Operator};
use bluegreen_monitor::{
    Shared, View,
    terminal::{Key, Theme, draw},
};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};

/// A screen that shows a view until the operator quits.
pub(crate) struct Screen {
    thread: JoinHandle<io::Result<()>>,
    is_open: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal. With a handle, keys control the run.
    pub(crate) fn open(
        shared: Shared,
        handle: Option<ControlHandle>,
        operator: &str,
    ) -> io::Result<Self> {
        let is_open = Arc::new(AtomicBool::new(true));
        let open = Arc::clone(&is_open);
        let operator = Operator::from(operator);
        let thread = thread::Builder::new()
            .name("screen".into())
            .spawn(move || {
                let mut terminal = ratatui::try_init()?;
                let shown = show(&mut terminal, &shared, handle.as_ref(), &operator);
                ratatui::restore();
                open.store(false, Ordering::Relaxed);
                shown
            })?;
        Ok(Self { thread, is_open })
    }

    /// Returns whether the screen is still open.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Waits until the operator quits.
    pub(crate) fn wait(self) -> io::Result<()> {
        self.thread.join().unwrap_or(Ok(()))
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    shared: &Shared,
    handle: Option<&ControlHandle>,
    operator: &Operator,
) -> io::Result<()> {
    let theme = Theme::from_env();
    let mut interrupts = 0;
    loop {
        let is_attached = handle.is_some();
        shared.with(|view| {
            let drawn = terminal.draw(|frame| draw(frame, view, theme, is_attached));
            drawn.map(drop)
        })?;
        if !event::poll(Duration::from_millis(100))? {
            continue;
        }
        let Event::Key(key) = event::read()? else {
            continue;
        };
        let is_over = || shared.with(View::is_over);
        let is_interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match (Key::of(key), handle) {
            _ if is_interrupt => {
                interrupts += 1;
                let _answer = match handle.filter(|_| !is_over()) {
                    // As in every verb: the first Ctrl-C cancels, the second stops at once.
                    Some(handle) if interrupts == 1 => handle.cancel("Ctrl-C"),
                    Some(handle) => handle.stop("a second Ctrl-C"),
                    None => return Ok(()),
                };
            }
            (Some(Key::Quit), _) => return Ok(()),
            (Some(key), Some(handle)) if !is_over() => {
                shared.with(|view| key.apply(view, handle, operator));
            }
            _ => {}
        }
    }
}
