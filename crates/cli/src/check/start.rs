//! How long a check waits for a service that starts.

use std::time::Duration;

use bluegreen::check::{CheckReport, ServiceCheck};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Progress;

/// How long the tests wait for a service without a health check: the time in which a balancer marks new
/// targets as healthy, with its defaults (five checks, 30 s apart, less the first).
pub(super) const USUAL_WAIT: Duration = Duration::from_secs(2 * 60);
/// The interval of tries without a health check.
pub(super) const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// Returns whether a report says that the service has not started: no answer came, or the balancer in front
/// of the service answered, which has no healthy target. Any other answer is the service's own.
pub(super) fn is_not_yet(report: &CheckReport) -> bool {
    let answer = report.answer.as_ref();
    !report.is_passed() && answer.is_none_or(|answer| matches!(answer.status, 502..=504))
}

/// The wait for a service that starts. It ends at the first answer of the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    every: Duration,
    deadline: Instant,
    has_ended: bool,
}

impl Start {
    pub(super) fn new(every: Duration, wait: Duration) -> Self {
        Self {
            every,
            deadline: Instant::now() + wait,
            has_ended: false,
        }
    }

    /// Ends the wait: the service has answered.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Tries the check, again and again while the service starts, and returns the report that counts.
    pub(super) async fn report(
        &mut self,
        check: &dyn ServiceCheck,
        progress: &mut Progress,
    ) -> CheckReport {
        loop {
            let next = Instant::now() + self.every;
            let report = check.check().await;
            if self.has_ended || !is_not_yet(&report) {
                self.end();
                return report;
            }
            if next >= self.deadline {
                self.end();
                progress.says(format_args!("the service has not started in time"));
                return report;
            }
            progress.not_yet(&report);
            sleep_until(next).await;
        }
    }

    /// Waits for this number of good answers in a row, and returns whether they came in time.
    pub(super) async fn become_healthy(
        &mut self,
        check: &dyn ServiceCheck,
        successes: u32,
        progress: &mut Progress,
    ) -> bool {
        let mut in_a_row = 0;
        loop {
            let began = Instant::now();
            let Ok(report) = timeout_at(self.deadline, check.check()).await else {
                return false;
            };
            in_a_row = if report.is_passed() { in_a_row + 1 } else { 0 };
            match !self.has_ended && is_not_yet(&report) {
                true => progress.not_yet(&report),
                false => {
                    self.end();
                    progress.shows(&report);
                }
            }
            if in_a_row >= successes {
                return true;
            }
            let next = began + self.every;
            if next >= self.deadline {
                return false;
            }
            sleep_until(next).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bluegreen::check::{Answer, check_fn};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A service that answers so, try by try: a status, or 0 for none; the last answer stays. A status other
    /// than 200 is a failure.
    fn service(answers: &'static [u16]) -> impl ServiceCheck {
        let tries = AtomicUsize::new(0);
        check_fn("chat", move || {
            let at = tries.fetch_add(1, Ordering::Relaxed);
            let status = answers[at.min(answers.len() - 1)];
            let took = Duration::ZERO;
            let answer = (status != 0).then_some(Answer { status, took });
            let report = CheckReport::new("chat", "GET http://h/", answer);
            let report = match status {
                200 => report,
                _ => report.failing("status", "200", status.to_string()),
            };
            async { report }
        })
    }

    async fn reported(answers: &'static [u16], wait: Duration) -> (Option<u16>, Duration) {
        let began = Instant::now();
        let mut start = Start::new(SECOND, wait);
        let (service, mut progress) = (service(answers), Progress::new(true));
        let report = start.report(&service, &mut progress).await;
        let status = report.answer.map(|answer| answer.status);
        (status, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_starts_is_waited_for_until_it_answers() {
        let long = 60 * SECOND;
        assert_eq!(reported(&[200], long).await, (Some(200), Duration::ZERO));
        let starts = &[0, 0, 503, 502, 504, 200];
        assert_eq!(reported(starts, long).await, (Some(200), 5 * SECOND));
        // A wrong answer is the service's own, and counts at once.
        for wrong in [&[0, 500][..], &[503, 404], &[0, 302]] {
            assert_eq!(reported(wrong, long).await, (Some(wrong[1]), SECOND));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_has_a_bound_and_can_be_left_out() {
        assert_eq!(reported(&[0], 10 * SECOND).await, (None, 9 * SECOND));
        assert_eq!(
            reported(&[503], Duration::ZERO).await,
            (Some(503), Duration::ZERO)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_answered_once_is_not_starting_any_more() {
        let service = service(&[0, 200, 503, 200]);
        let mut progress = Progress::new(true);
        let mut start = Start::new(SECOND, 60 * SECOND);
        let first = start.report(&service, &mut progress).await;
        assert!(first.is_passed());
        let second = start.report(&service, &mut progress).await;
        assert_eq!(second.answer.map(|answer| answer.status), Some(503));
    }

    #[tokio::test(start_paused = true)]
    async fn health_needs_its_answers_in_a_row_before_the_deadline() {
        for (answers, wait, wanted) in [
            (&[0, 200, 503, 200, 200][..], 60, true),
            (&[0, 200, 200], 2, false),
            (&[500], 10, false),
        ] {
            let mut start = Start::new(SECOND, wait * SECOND);
            let (service, mut progress) = (service(answers), Progress::new(true));
            let is_healthy = start.become_healthy(&service, 2, &mut progress).await;
            assert_eq!(is_healthy, wanted, "{answers:?}");
        }
    }
}
