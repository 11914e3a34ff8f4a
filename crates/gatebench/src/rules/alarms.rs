//! A canary under an alarm.

use super::{End, Rule, Seen, error_rate};

/// CodeDeploy: 10 % for five minutes, then 100 %, five more minutes of bake; an alarm that fires
/// when two of three minutes are above a limit, and takes missing data as healthy.
#[derive(Debug)]
pub(super) struct CodeDeploy {
    most_errors: f64,
    share: f64,
}

impl CodeDeploy {
    pub(super) fn new(most_errors: f64) -> Self {
        Self {
            most_errors,
            share: 0.1,
        }
    }
}

impl Rule for CodeDeploy {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        if let Some(newest) = seen.newest {
            let last = seen.from(newest.saturating_sub(2));
            let busy = || last.iter().filter(|minute| minute.green.requests > 0);
            let failing = busy().filter(|minute| error_rate(&minute.green) > self.most_errors);
            let slow = busy().filter(|minute| minute.green_p99 > 500.0);
            if failing.count() >= 2 || slow.count() >= 2 {
                return Some(End::Stopped);
            }
        }
        match seen.now {
            5 => self.share = 1.0,
            10 => return Some(End::Promoted),
            _ => {}
        }
        None
    }

    fn share(&self) -> f64 {
        self.share
    }
}
