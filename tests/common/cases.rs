//! Many cases of one test, on all cores.

use std::{
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// Runs every case on a paused clock of its own, on as many threads as there are cores, and returns
/// the results, in no order.
///
/// # Panics
///
/// If a case panics, after the others have ended.
pub(crate) fn each<C, T>(
    cases: impl IntoIterator<Item = C, IntoIter: Send>,
    run: impl AsyncFn(C) -> T + Sync,
) -> Vec<T>
where
    T: Send,
{
    let cases = Mutex::new(cases.into_iter());
    let work = || {
        let mut done = Vec::new();
        // The guard is dropped before the case runs.
        let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(case) = next() {
            done.push(paused(run(case)));
        }
        done
    };
    let test = thread::current().name().unwrap_or("a case").to_owned();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let named = || thread::Builder::new().name(test.clone());
        let workers: Vec<_> = (0..cores)
            .map(|_| named().spawn_scoped(scope, work).expect("a thread"))
            .collect();
        let done = workers.into_iter().map(|worker| worker.join());
        let done: Vec<_> = done.collect();
        done.into_iter()
            .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn paused<T>(case: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(case)
}
