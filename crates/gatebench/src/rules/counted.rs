//! Rules that count failed measurements.

use super::{End, Rule, Seen, error_rate};

/// Flagger: one measurement each minute, which fails without data. Five failed measurements in all roll back.
#[derive(Debug)]
pub(super) struct Flagger {
    least_success: f64,
    share: f64,
    failed: u32,
}

impl Flagger {
    pub(super) fn new(least_success: f64) -> Self {
        Self {
            least_success,
            share: 0.1,
            failed: 0,
        }
    }
}

impl Rule for Flagger {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        let minute = seen.newest()?;
        let is_good = minute.green.requests > 0
            && 1.0 - error_rate(&minute.green) >= self.least_success
            && minute.green_p99 <= 500.0;
        if !is_good {
            self.failed += 1;
            return (self.failed >= 5).then_some(End::Stopped);
        }
        if self.share >= 0.499 {
            return Some(End::Promoted);
        }
        self.share += 0.1;
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}

/// Argo Rollouts: five measurements a step, at 10 and 50 %. More failed measurements than the limit
/// abort, and so do five measurements without data in a row.
#[derive(Debug)]
pub(super) struct Argo {
    least_success: f64,
    limit: u32,
    p99: Option<f64>,
    measures_at_100: bool,
    share: f64,
    since: usize,
    measured: u32,
    failed: u32,
    errors: u32,
}

impl Argo {
    pub(super) fn new(
        least_success: f64,
        limit: u32,
        p99: Option<f64>,
        measures_at_100: bool,
    ) -> Self {
        Self {
            least_success,
            limit,
            p99,
            measures_at_100,
            share: 0.1,
            since: 0,
            measured: 0,
            failed: 0,
            errors: 0,
        }
    }
}

impl Rule for Argo {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        let minute = seen.newest()?;
        if seen.newest < Some(self.since) {
            return None;
        }
        if minute.green.requests == 0 {
            self.errors += 1;
            return (self.errors > 4).then_some(End::Stopped);
        }
        self.errors = 0;
        self.measured += 1;
        let is_bad = 1.0 - error_rate(&minute.green) < self.least_success
            || self.p99.is_some_and(|most| minute.green_p99 > most);
        self.failed += u32::from(is_bad);
        if self.failed > self.limit {
            return Some(End::Stopped);
        }
        if self.measured < 5 {
            return None;
        }
        let last = if self.measures_at_100 { 1.0 } else { 0.5 };
        if self.share >= last - 1e-9 {
            return Some(End::Promoted);
        }
        self.share = if self.share < 0.3 { 0.5 } else { 1.0 };
        (self.measured, self.failed, self.errors) = (0, 0, 0);
        self.since = seen.now;
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}
