//! How threads of runs enter the interpreter, so that its end can wait for them.
//!
//! A thread that is inside while the interpreter goes away takes the process down. So each entry is counted, and
//! at the end the door is closed first.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use pyo3::prelude::*;

static INSIDE: AtomicUsize = AtomicUsize::new(0);
static IS_CLOSED: AtomicBool = AtomicBool::new(false);
/// The process whose threads are counted.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// How long the end of the interpreter waits for threads that are inside, such as in a gate that sleeps.
const PATIENCE: Duration = Duration::from_secs(5);
const STROKE: Duration = Duration::from_millis(5);

struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// Does `work` with the interpreter. `None` once the interpreter ends.
pub(crate) fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    INSIDE.fetch_add(1, SeqCst);
    let _inside = Inside;
    match IS_CLOSED.load(SeqCst) {
        true => None,
        false => Python::try_attach(work),
    }
}

/// Whether this process is a new one, such as after a fork: threads of the parent do not count here.
pub(crate) fn is_new_process() -> bool {
    let here = std::process::id();
    let is_new = PROCESS.swap(here, SeqCst) != here;
    if is_new {
        INSIDE.store(0, SeqCst);
    }
    is_new
}

/// Lets no thread in any more, and waits without the interpreter until those inside have left.
pub(crate) fn close(py: Python<'_>) {
    IS_CLOSED.store(true, SeqCst);
    py.detach(|| {
        let mut left = PATIENCE;
        while INSIDE.load(SeqCst) > 0 && !left.is_zero() {
            pause();
            left = left.saturating_sub(STROKE);
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "the end of a process waits by real time"
)]
fn pause() {
    thread::sleep(STROKE);
}
