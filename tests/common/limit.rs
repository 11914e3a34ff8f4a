//! Limits that name the future that did not end, so that no test hangs without a name.

use std::{
    collections::BTreeMap,
    future::Future,
    process,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Virtual time within which every run of these tests ends: the longest ones take hours.
const VIRTUAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Real time after which a run is stuck at one moment of virtual time. A run takes less than a
/// second of CPU, so the busiest machine stays far below.
const REAL: Duration = Duration::from_secs(30 * 60);

/// Waits for `what`, on a paused clock.
///
/// # Panics
///
/// Once virtual time is over, which comes at once if all of `future` waits for ever. A future that
/// never lets virtual time pass ends the test's process after half an hour of real time. Both name
/// the test and `what`.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let _watched = Watched::new(what);
    let ended = tokio::time::timeout(VIRTUAL, future).await;
    ended.unwrap_or_else(|_| panic!("{what} has not ended after {VIRTUAL:?} of virtual time"))
}

/// Registers a future with the watchdog, until this is dropped.
struct Watched(u64);

#[derive(Default)]
struct All {
    next: u64,
    running: BTreeMap<u64, (String, Instant)>,
}

static ALL: Mutex<Option<All>> = Mutex::new(None);

fn all() -> MutexGuard<'static, Option<All>> {
    // A test's panic leaves nothing half done here.
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    fn new(what: &str) -> Self {
        static WATCHDOG: Once = Once::new();
        WATCHDOG.call_once(|| drop(thread::spawn(watch)));
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let mut all = all();
        let all = all.get_or_insert_default();
        all.next += 1;
        all.running
            .insert(all.next, (format!("{test}: {what}"), real_now()));
        Self(all.next)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(all) = all().as_mut() {
            all.running.remove(&self.0);
        }
    }
}

fn watch() {
    loop {
        real_sleep(Duration::from_secs(5));
        let all = all();
        let mut running = all.iter().flat_map(|all| all.running.values());
        if let Some((what, _)) = running.find(|(_, since)| since.elapsed() > REAL) {
            // To standard error itself: the output of a test is only shown once the test has ended.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{what} has not ended after {REAL:?}");
            process::abort();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a limit of real time")]
fn real_now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a limit of real time")]
fn real_sleep(time: Duration) {
    thread::sleep(time);
}
