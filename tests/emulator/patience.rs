//! Waits for real processes: as long as a busy machine needs, and never without a name.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The longest wait. It only detects a hang, so it is generous: seconds on an idle machine may be
/// minutes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// The time between two asks.
const BETWEEN_ASKS: Duration = Duration::from_millis(50);

/// Asks until there is an answer, and returns it.
///
/// # Panics
///
/// After [`PATIENCE`], with the name and the present state of the awaited thing.
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
