//! [`Backoff`]: leaves a source alone for a while after it failed.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    clock::later,
    error::{Error, Failure, Result},
};

/// Leaves a source alone for a while after it failed: 15 s, then 30 s, 60 s and 120 s at most,
/// until a read works.
///
/// For gates: looks come every few seconds and would make a throttled source worse. No delay is random,
/// because a run must be repeatable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Timestamp>,
    last: Option<Failure>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(15);
    const LONGEST: Duration = Duration::from_secs(120);

    /// Returns whether the source may be asked again; `attempted` is what would be attempted.
    ///
    /// # Errors
    ///
    /// Before that time: an error of the last failure's kind, with the time until which no read is tried.
    pub(crate) fn check(&self, now: Timestamp, attempted: &str) -> Result<()> {
        match (&self.last, self.until) {
            (Some(last), Some(until)) if now < until => {
                let message = format!(
                    "{attempted}: backing off until {until} after {} failed in a row",
                    self.failures
                );
                let error = Error::new(last.kind, message).with_source(last.message.clone());
                Err(match &last.hint {
                    Some(hint) => error.with_hint(hint.clone()),
                    None => error,
                })
            }
            _ => Ok(()),
        }
    }

    /// Forgets all failures.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure.
    pub(crate) fn failed(&mut self, now: Timestamp, error: &Error) {
        let doubled = Self::FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(later(now, doubled.min(Self::LONGEST)));
        self.last = Some(Failure::from(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::sooner;
    use crate::error::ErrorKind;

    #[test]
    fn waits_15_30_60_and_then_120_s_and_forgets_on_success() {
        let mut backoff = Backoff::default();
        let mut now = Timestamp::UNIX_EPOCH;
        for wait in [15, 30, 60, 120, 120] {
            let error = Error::new(ErrorKind::Throttled, "read metrics").with_hint("look less");
            backoff.failed(now, &error);
            let wait = Duration::from_secs(wait);
            let just_before = sooner(later(now, wait), Duration::from_secs(1));
            let refused = backoff.check(just_before, "read").expect_err("backs off");
            assert_eq!(refused.kind(), ErrorKind::Throttled);
            assert!(refused.message().contains("backing off until"), "{refused}");
            assert_eq!(refused.hint(), Some("look less"));
            now = later(now, wait);
            backoff.check(now, "read").expect("may ask again");
        }
        backoff.succeeded();
        backoff.failed(now, &Error::new(ErrorKind::Denied, "read metrics"));
        let after = later(now, Duration::from_secs(15));
        backoff.check(after, "read").expect("starts at 15 s again");
    }
}
