//! Waiting for real processes: as long as a busy machine needs, and never without a name.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything is waited for. It says only that something hangs, so it is generous: what
/// takes seconds on an idle machine may take minutes on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// How often is asked.
const BETWEEN_ASKS: Duration = Duration::from_millis(50);

/// Asks until there is an answer.
///
/// # Panics
///
/// After [`PATIENCE`], with what was waited for, as it stands then.
pub(crate) fn wait_for<T>(what: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        let waits = begun.elapsed();
        assert!(waits < PATIENCE, "after {waits:?} still no {}", what());
        sleep(BETWEEN_ASKS);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real process runs in real time"
)]
pub(crate) fn sleep(time: Duration) {
    thread::sleep(time);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real process runs in real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
