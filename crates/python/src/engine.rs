//! A thread with a runtime of its own: the simulation needs a paused clock, and runs do not share a thread.

use std::{future::Future, io, sync::Mutex, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinHandle,
};

/// Ends with the last owner of it. Work that is under way then is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    handle: Handle,
    /// Ends the thread when dropped.
    _stop: Mutex<oneshot::Sender<()>>,
    pid: u32,
}

impl Engine {
    /// Starts the thread; `first` runs in its runtime before anything else.
    pub(crate) fn start(first: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let body = move || {
            runtime.block_on(async {
                first();
                let _ = ready.send(());
                let _ = stopped.await;
            });
            // A role of Python that never returns must not keep this thread.
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name("bluegreen".into())
            .spawn(body)?;
        is_ready.recv().map_err(io::Error::other)?;
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
