//! Checking the service: health, smoke tests, a last look, and the image's further tag.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, DeploymentEvent, DeploymentMachine, DeploymentOutcome, Failure, HoldReason,
    Intent, Next, State, Unchanged,
    reads::Read,
    state::{Probe, Smoke},
};
use crate::{
    check::CheckReport,
    clock::later,
    deployment::{CheckId, CheckKind},
    engine::retry::APART,
    image::Tagging,
    service::ServiceObservation,
};

/// How long a service that passed its checks may take until a read shows it in full.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

impl DeploymentMachine {
    pub(super) fn start_probing(&mut self, at: Timestamp) -> Next<Action> {
        if self.health_checks == 0 {
            return self.start_smoking(at);
        }
        let deadline = later(at, self.plan.health().deadline);
        self.probe(at, Probe::new(deadline))
    }

    pub(super) fn probe(&mut self, at: Timestamp, mut probe: Probe) -> Next<Action> {
        if probe.index == 0 {
            probe.asked_at = at;
        }
        let check = CheckId {
            kind: CheckKind::Health,
            index: probe.index,
        };
        self.state = State::Probing(probe);
        Next::Do(Action::Check { check })
    }

    pub(super) fn on_probed(
        &mut self,
        at: Timestamp,
        mut probe: Probe,
        report: CheckReport,
    ) -> Next<Action> {
        let policy = self.plan.health();
        let is_last = probe.index + 1 == self.health_checks;
        let passed = report.is_passed();
        if !passed {
            probe.in_a_row = 0;
        } else if is_last {
            probe.in_a_row += 1;
        }
        self.tell(DeploymentEvent::Checked {
            kind: CheckKind::Health,
            report: report.clone(),
            in_a_row: probe.in_a_row,
            wanted: policy.successes,
        });
        if passed && !is_last {
            probe.index += 1;
            return self.probe(at, probe);
        }
        if passed && probe.in_a_row >= policy.successes {
            return match self.intent {
                Intent::CheckHealth => self.checks_passed(at),
                _ => self.start_smoking(at),
            };
        }
        probe.index = 0;
        if !passed {
            probe.failed = Some(report);
        }
        let until = later(probe.asked_at, policy.every).max(at);
        if until > probe.deadline {
            let failed = probe.failed.take().unwrap_or_else(|| {
                let wanted = format!("{} good answers in a row", policy.successes);
                CheckReport::new("health", "the health checks", None).failing(
                    "answers",
                    wanted,
                    format!("{} before the deadline", probe.in_a_row),
                )
            });
            return self.never_healthy(at, failed);
        }
        self.state = State::Probing(probe);
        Next::Do(Action::Wait { until })
    }

    fn never_healthy(&mut self, at: Timestamp, failed: CheckReport) -> Next<Action> {
        match self.intent {
            Intent::CheckHealth => self.check_failed(at, vec![failed]),
            _ if self.moved => self.take_back(at, Cause::NeverHealthy { failed }),
            _ => {
                let failed = vec![failed];
                self.unchanged(at, Unchanged::CheckFailed { failed })
            }
        }
    }

    pub(super) fn start_smoking(&mut self, at: Timestamp) -> Next<Action> {
        if self.smoke_tests == 0 {
            return self.after_smoking(at);
        }
        self.smoke(Smoke::new())
    }

    fn smoke(&mut self, smoke: Smoke) -> Next<Action> {
        let check = CheckId {
            kind: CheckKind::Smoke,
            index: smoke.index,
        };
        self.state = State::Smoking(smoke);
        Next::Do(Action::Check { check })
    }

    pub(super) fn on_smoked(
        &mut self,
        at: Timestamp,
        mut smoke: Smoke,
        report: CheckReport,
    ) -> Next<Action> {
        self.tell(DeploymentEvent::Checked {
            kind: CheckKind::Smoke,
            report: report.clone(),
            in_a_row: u32::from(report.is_passed()),
            wanted: 1,
        });
        if !report.is_passed() {
            smoke.failed.push(report);
        }
        smoke.index += 1;
        // All tests are asked, so that the cause names every test that fails.
        if smoke.index < self.smoke_tests {
            return self.smoke(smoke);
        }
        let failed = smoke.failed;
        if failed.is_empty() {
            return self.after_smoking(at);
        }
        match self.intent {
            Intent::Smoke => self.check_failed(at, failed),
            _ if self.moved => self.take_back(at, Cause::SmokeFailed { failed }),
            _ => self.unchanged(at, Unchanged::CheckFailed { failed }),
        }
    }

    fn after_smoking(&mut self, at: Timestamp) -> Next<Action> {
        if self.intent == Intent::Smoke || self.intent == Intent::CheckHealth {
            return self.checks_passed(at);
        }
        self.state = State::Confirming {
            until: later(at, SETTLES_WITHIN),
        };
        Next::Do(Action::Observe)
    }

    fn checks_passed(&mut self, at: Timestamp) -> Next<Action> {
        let report = self.report(at);
        self.end_known(DeploymentOutcome::ChecksPassed { report })
    }

    fn check_failed(&mut self, at: Timestamp, failed: Vec<CheckReport>) -> Next<Action> {
        let report = self.report(at);
        self.end_known(DeploymentOutcome::CheckFailed { failed, report })
    }

    /// Takes the last read: the checks may have reached another revision, so the read decides the outcome.
    pub(super) fn on_confirmed(
        &mut self,
        at: Timestamp,
        until: Timestamp,
        observed: Result<Option<ServiceObservation>, Failure>,
    ) -> Next<Action> {
        let retry_at = later(at, self.plan.poll_every());
        let found = match observed {
            Ok(found) => found,
            Err(failure) if at >= until => {
                return self.unresolved(
                    at,
                    "the service cannot be read after the checks",
                    Some(failure),
                );
            }
            Err(failure) => {
                self.tell(DeploymentEvent::ReadFailed { failure, retry_at });
                self.state = State::Confirming { until };
                return Next::Do(Action::Wait { until: retry_at });
            }
        };
        let wait = match self.read_service(at, found.as_ref()) {
            Read::Current | Read::ThirdParty => None,
            Read::NotSeenYet => Some(self.plan.poll_every()),
            Read::NeverSeen | Read::Suspect => Some(APART),
        };
        if let Some(wait) = wait {
            self.state = State::Confirming { until };
            return Next::Do(Action::Wait {
                until: self.read_again(at, wait),
            });
        }
        self.remember(at, found.clone());
        let Some(service) = found else {
            return self.hold(at, HoldReason::Gone);
        };
        if Some(&service.revision) != self.deployed.as_ref()
            || self.is_older_deployment(&service.deployment)
        {
            return self.superseded(at, service.deployment, service.revision);
        }
        if self.wanted().is_some_and(|wanted| service.runs(&wanted)) {
            return self.start_tagging(at);
        }
        if at < until {
            self.state = State::Confirming { until };
            return Next::Do(Action::Wait { until: retry_at });
        }
        let summary = format!("after the checks the service does not run in full: {service}");
        if self.moved {
            self.take_back(at, Cause::NotSteady { summary })
        } else {
            let failed = CheckReport::new("service", "what runs", None).failing(
                "copies",
                service.desired.to_string(),
                summary,
            );
            self.unchanged(
                at,
                Unchanged::CheckFailed {
                    failed: vec![failed],
                },
            )
        }
    }

    fn start_tagging(&mut self, at: Timestamp) -> Next<Action> {
        match (self.plan.also_tag().cloned(), self.image.clone()) {
            (Some(tag), Some(image)) => {
                self.state = State::Tagging;
                Next::Do(Action::Tag { image, tag })
            }
            _ => self.deployed(at),
        }
    }

    pub(super) fn on_tagged(
        &mut self,
        at: Timestamp,
        result: Result<Tagging, Failure>,
    ) -> Next<Action> {
        if let Some(tag) = self.plan.also_tag().cloned() {
            self.tell(DeploymentEvent::Tagged { tag, result });
        }
        self.deployed(at)
    }

    pub(super) fn deployed(&mut self, at: Timestamp) -> Next<Action> {
        self.left_behind.clear();
        let report = self.report(at);
        match self.deployed.clone() {
            Some(revision) => self.end_known(DeploymentOutcome::Deployed { revision, report }),
            None => self.unresolved(at, "nothing was deployed", None),
        }
    }
}
