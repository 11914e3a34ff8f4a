//! A thread with a runtime of its own: the simulation needs a paused clock, and runs do not share a thread.

use std::{future::Future, io, sync::Mutex, thread};

use pyo3::Python;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};

use crate::attach::{self, Turns};

/// Whose time passes in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Real,
    /// Virtual time, paused before anything else happens: time between the start and a pause would be real.
    Virtual,
}

/// Ends with the last owner of it. Work that is under way then is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    handle: Handle,
    /// Ends the thread when dropped.
    _stop: Mutex<oneshot::Sender<()>>,
    pid: u32,
}

impl Engine {
    /// Starts the thread.
    pub(crate) fn start(py: Python<'_>, time: Time) -> io::Result<Self> {
        let turns = Turns::of_process(py);
        let of_run = {
            let turns = turns.clone();
            move || attach::is_of_run(&turns)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(time == Time::Virtual)
            .on_thread_start(of_run)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let body = move || {
            attach::is_of_run(&turns);
            runtime.block_on(async {
                let _ = stopped.await;
            });
            // A role of Python that never returns must not keep this thread.
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name("bluegreen".into())
            .spawn(body)?;
        Ok(Self {
            handle,
            _stop: Mutex::new(stop),
            pid: std::process::id(),
        })
    }

    /// Whether this is the process that has the thread: a fork has no threads of its parent.
    pub(crate) fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    pub(crate) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(work)
    }

    /// The runtime, for work that is spawned from other threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Looks at something by this runtime's clock. Blocks nothing.
    pub(crate) fn within<T>(&self, look: impl FnOnce() -> T) -> T {
        let _entered = self.handle.enter();
        look()
    }
}
