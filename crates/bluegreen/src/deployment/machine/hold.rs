//! Leaving the service as it is: read once more, then the run ends.

use jiff::Timestamp;

use super::{
    Action, DeploymentMachine, DeploymentOutcome, Failure, HoldReason, Next, State, reads::Read,
    state::Retry,
};
use crate::{
    engine::retry::{APART, back_off},
    service::ServiceObservation,
};

impl DeploymentMachine {
    /// Leaves the service as it is, once it has been read.
    pub(super) fn hold(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let by = match &reason {
            HoldReason::Superseded { by, .. } => Some(by),
            _ => None,
        };
        let shows = |service: Option<&ServiceObservation>| {
            by.is_none_or(|by| service.is_some_and(|service| service.deployment == *by))
        };
        let last = self.last.as_ref();
        let is_fresh = last.is_some_and(|(read, service)| *read == at && shows(service.as_ref()));
        if is_fresh && !self.unseen {
            return self.held(at, reason);
        }
        self.state = State::Holding(reason, Retry { attempt: 1 });
        Next::Do(Action::Observe)
    }

    pub(super) fn on_hold_seen(
        &mut self,
        at: Timestamp,
        reason: HoldReason,
        retry: Retry,
        observed: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        match observed {
            Ok(service) => {
                let wait = match self.read_service(at, service.as_ref()) {
                    Read::NotSeenYet => back_off(retry.attempt),
                    Read::Suspect => APART,
                    Read::NeverSeen if self.is_unseen() => {
                        let summary = format!(
                            "{reason}; a change of the service was accepted, and no read shows it"
                        );
                        return self.unresolved(at, summary, None);
                    }
                    Read::NeverSeen | Read::Current | Read::ThirdParty => {
                        self.remember(at, service);
                        return self.held(at, reason);
                    }
                };
                let attempt = retry.attempt + 1;
                self.state = State::Holding(reason, Retry { attempt });
                Next::Do(Action::Wait {
                    until: self.read_again(at, wait),
                })
            }
            Err(failure) => match self.read_failed(at, retry.attempt, &failure) {
                Some(until) => {
                    let attempt = retry.attempt + 1;
                    self.state = State::Holding(reason, Retry { attempt });
                    Next::Do(Action::Wait { until })
                }
                None => {
                    let summary = format!("{reason}; the service cannot be read");
                    self.unresolved(at, summary, Some(failure))
                }
            },
        }
    }

    fn held(&mut self, at: Timestamp, reason: HoldReason) -> Next<Action> {
        let report = self.report(at);
        self.end_known(DeploymentOutcome::Held { reason, report })
    }
}
