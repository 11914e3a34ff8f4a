//! How threads of runs enter the interpreter, so that its end can wait for them, and a thousand runs get along.
//!
//! A thread that is inside while the interpreter goes away takes the process down. So each entry is counted, and
//! at the end the door is closed first.
//!
//! CPython wakes each thread that waits for the interpreter every 5 ms. A thousand of them take all cores for
//! nothing. So a few threads of runs wait for the interpreter, and the others sleep until one of those is through.

use std::{
    cell::RefCell,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
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

/// How many threads of runs wait for the interpreter at a time. Few, for the reason above; more than one, since a
/// busy loop lets go of the interpreter every 5 ms only, and all that wait then get through.
const TURNS: usize = 8;

struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// The turns to wait for the interpreter.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Mutex<usize>,
    ends: Condvar,
}

impl Turns {
    /// The turns of this process: a fork must not wait for threads of its parent. `_py`: without the interpreter
    /// another thread could fork while the lock is held.
    pub(crate) fn of_process(_py: Python<'_>) -> Arc<Self> {
        static KEPT: Mutex<Option<(u32, Arc<Turns>)>> = Mutex::new(None);
        let here = std::process::id();
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((process, turns)) if *process == here => Arc::clone(turns),
            _ => {
                let turns = Arc::<Self>::default();
                *kept = Some((here, Arc::clone(&turns)));
                turns
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: Arc<Self>) -> Turn {
        let taken = self.ends.wait_while(self.taken(), |taken| *taken >= TURNS);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Turn(self)
    }
}

struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken() -= 1;
        self.0.ends.notify_one();
    }
}

thread_local! {
    /// The turns of a thread of a run, while the thread is outside. A thread that Python made, or that is inside
    /// already, may hold what a turn waits for. So such a thread has none here, and never waits for one.
    static OUTSIDE: RefCell<Option<Arc<Turns>>> = const { RefCell::new(None) };
}

/// Says that this thread is one of a run: each entry waits for one of `turns` first.
pub(crate) fn is_of_run(turns: &Arc<Turns>) {
    OUTSIDE.set(Some(Arc::clone(turns)));
}

/// Makes this thread one of a run again, once it has left the interpreter.
struct Left(Arc<Turns>);

impl Drop for Left {
    fn drop(&mut self) {
        is_of_run(&self.0);
    }
}

/// Does `work` with the interpreter. `None` once the interpreter ends.
pub(crate) fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    INSIDE.fetch_add(1, SeqCst);
    let _inside = Inside;
    let outside = OUTSIDE.take();
    let _left = outside.clone().map(Left);
    let turn = outside.map(Turns::take);
    if IS_CLOSED.load(SeqCst) {
        return None;
    }
    Python::try_attach(|py| {
        drop(turn);
        work(py)
    })
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
