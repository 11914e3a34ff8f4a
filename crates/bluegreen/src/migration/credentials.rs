//! Credentials that end before the run does.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{MigrationPlan, outcome::End};
use crate::{
    clock::{Clock, RunClock, between, later, span},
    engine::ControlHandle,
    preflight::Finding,
};

/// How long before the end of its credentials a run is cancelled: time for a restore with its retries,
/// and more than the clocks here and at AWS may differ by.
pub(super) const BEFORE_END: Duration = Duration::from_secs(3 * 60);
/// How long before the end of its credentials a rollback that waits for blue's targets is cancelled
/// again, and waits no more.
const LAST_CALL: Duration = Duration::from_secs(90);
/// How long one wait is at most, before the clock is read again: the runtime's waits leave out the time
/// for which the machine is suspended.
const AT_ONCE: Duration = Duration::from_secs(30);

impl MigrationPlan {
    /// Returns the finding that stops a run that would start at `start`, if its credentials end at `end`,
    /// nothing renews them, and its deadline is later. Without credentials nothing could put traffic
    /// back.
    #[must_use]
    pub fn outlives_credentials(&self, start: Timestamp, end: Timestamp) -> Option<Finding> {
        let deadline = later(start, self.deadline());
        if deadline <= end {
            return None;
        }
        let message = format!(
            "the credentials in use end at {end:.0} and cannot be renewed, and the run may last until \
             {deadline:.0}"
        );
        let hint = format!(
            "get credentials that last longer than {}, or give a deadline of at most {}",
            span(self.deadline()),
            span(between(start, end))
        );
        Some(Finding::refusal(message).with_hint(hint))
    }
}

/// Waits for the end of `run`, and cancels the run [`BEFORE_END`] of its credentials, as a signal would.
pub(super) async fn cancelled_before(
    end: Option<Timestamp>,
    clock: Arc<dyn Clock>,
    handle: ControlHandle,
    run: impl Future<Output = End>,
) -> End {
    let Some(end) = end else {
        return run.await;
    };
    let clock = RunClock::start(clock);
    let cancels = async {
        let mut left = between(clock.now(), end);
        while left > BEFORE_END {
            tokio::time::sleep((left - BEFORE_END).min(AT_ONCE)).await;
            left = between(clock.now(), end);
        }
        // The events tell the effect of the cancellation.
        let _answer = handle.cancel(format!("the credentials end at {end:.0}"));
        while between(clock.now(), end) > LAST_CALL {
            tokio::time::sleep(AT_ONCE).await;
        }
        let _answer = handle.cancel(format!("the credentials end at {end:.0}"));
        std::future::pending().await
    };
    tokio::select! {
        ended = run => ended,
        never = cancels => never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_outlives_its_credentials_is_refused_with_both_times() {
        let plan = MigrationPlan::builder().build().expect("valid");
        let start: Timestamp = "2026-01-05T09:00:00Z".parse().expect("a time");
        let at = |minutes: u64| later(start, Duration::from_secs(60 * minutes));
        assert_eq!(plan.outlives_credentials(start, at(120)), None);
        let finding = plan.outlives_credentials(start, at(60)).expect("refused");
        assert!(finding.stops(&std::collections::BTreeSet::new()));
        assert_eq!(
            finding.message,
            "the credentials in use end at 2026-01-05T10:00:00Z and cannot be renewed, and the run may \
             last until 2026-01-05T11:00:00Z"
        );
        assert_eq!(
            finding.hint.as_deref(),
            Some("get credentials that last longer than 2h, or give a deadline of at most 1h")
        );
    }
}
