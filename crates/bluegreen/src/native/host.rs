//! Carries the machine's actions out through the roles.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    Action, Input, LookReport, NativeMachine, NativeObservation, PausedDeployment,
    entry::{Entry, text},
    snapshot::Snapshot,
};
use crate::{
    check::{CheckReport, ServiceCheck},
    engine::{BoxFuture, Host, JOURNAL_VERSION, limit},
    error::{Failure, Result},
    health::{
        HealthGate, Progress,
        calls::{self, GateCalls, Gates},
        session::{GateId, GateSession, Seen},
    },
    json::JsonText,
    migration::GateReport,
    preflight::Finding,
    traffic::{Percent, Sides, TrafficObservation, TrafficSplit},
};

/// How long the survey before the start may take: it reads the service, its revisions and its listener rules.
const SURVEY_LIMIT: Duration = Duration::from_secs(120);
/// How long a read may take: its calls, each with its retries.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// How long a change may take: one call. After that its outcome is unknown, and the deployment is observed.
const CHANGE_LIMIT: Duration = Duration::from_secs(40);
/// How long one check may take; the built-in checks have shorter limits of their own.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// The deployment, the checks, the gates, and their judges.
#[derive(Debug)]
pub(super) struct NativeHost {
    pub(super) deployment: Arc<dyn PausedDeployment>,
    pub(super) checks: Vec<Arc<dyn ServiceCheck>>,
    gates: Gates,
    /// Findings of the caller, which are added to those of the survey.
    findings: Vec<Finding>,
}

/// The result of an action, before the judges have seen it.
#[derive(Debug)]
pub(super) enum Raw {
    Input(Box<Input>),
    Looked(Box<Looked>),
}

#[derive(Debug)]
pub(super) struct Looked {
    progress: Progress,
    observed: Result<NativeObservation, Failure>,
    /// In the order of the gates.
    seen: Vec<Seen>,
}

impl NativeHost {
    pub(super) fn new(
        deployment: Arc<dyn PausedDeployment>,
        checks: Vec<Arc<dyn ServiceCheck>>,
        gates: impl IntoIterator<Item = (GateId, Arc<dyn HealthGate>)>,
        findings: Vec<Finding>,
    ) -> Self {
        let gates = gates.into_iter().map(|(id, gate)| {
            let session = GateSession::new(id, &*gate);
            (session, GateCalls::new(gate))
        });
        Self {
            deployment,
            checks,
            gates: gates.collect(),
            findings,
        }
    }

    /// Continues with the sessions that a journal led to.
    pub(super) fn resume(&mut self, sessions: Vec<GateSession>) {
        calls::resume(&mut self.gates, sessions);
    }

    fn look(&self, progress: Progress, limit: Duration) -> BoxFuture<Raw> {
        let deployment = Arc::clone(&self.deployment);
        let gates = calls::callers(&self.gates);
        Box::pin(async move {
            let read = deployment.observe();
            let unread = "the deployment was not read before the look ended";
            let (observed, seen) = calls::look(gates, progress, limit, read, unread, traffic).await;
            Raw::Looked(Box::new(Looked {
                progress,
                observed,
                seen,
            }))
        })
    }

    fn check(&self, index: usize) -> BoxFuture<Input> {
        let check = self.checks.get(index).cloned();
        Box::pin(async move {
            let failing = |what: &str, wanted: &str, got: &str| {
                CheckReport::new("check", what, None).failing("answer", wanted, got)
            };
            Input::Checked(match check {
                Some(check) => match timeout(CHECK_LIMIT, check.check()).await {
                    Ok(report) => report,
                    Err(_) => failing("a check that did not answer", "in time", "none"),
                },
                None => failing("a check that was not supplied", "one", "none"),
            })
        })
    }
}

/// Returns what gates are told of a deployment; `None` if its targets were not read.
fn traffic(observed: &NativeObservation) -> Option<TrafficObservation> {
    let green = observed.target.as_ref()?.targets?;
    let mut blue = crate::traffic::TargetCounts::default();
    for source in &observed.sources {
        let targets = source.targets?;
        blue.healthy += targets.healthy;
        blue.unhealthy += targets.unhealthy;
        blue.initial += targets.initial;
        blue.draining += targets.draining;
        blue.other += targets.other;
    }
    let split = TrafficSplit::to_green(observed.green());
    let weights = match observed.blue() {
        Percent::ZERO => Sides::new(0, split.weights().green),
        _ => split.weights(),
    };
    Some(TrafficObservation::new(
        weights,
        Sides::new(blue, green),
        "native",
    ))
}

impl Host for NativeHost {
    type Machine = NativeMachine;
    type Raw = Raw;

    fn begin(&self, action: &Action) -> BoxFuture<Raw> {
        let deployment = Arc::clone(&self.deployment);
        let begun: BoxFuture<Input> = match action.clone() {
            Action::Look { progress, within } => return self.look(progress, within),
            Action::Preflight => {
                let known = self.findings.clone();
                Box::pin(async move {
                    let what = "the survey before the start";
                    let found = limit::read(what, SURVEY_LIMIT, deployment.preflight()).await;
                    Input::Preflighted(found.map(|mut survey| {
                        survey.findings.extend(known);
                        Box::new(survey)
                    }))
                })
            }
            Action::Check { index } => self.check(index),
            Action::Proceed { pause, .. } => Box::pin(async move {
                let proceeded = deployment.proceed(&pause.id);
                Input::Proceeded(limit::change("the answer", CHANGE_LIMIT, proceeded).await)
            }),
            Action::RollBack { how } => Box::pin(async move {
                let sent = deployment.roll_back(&how);
                Input::RollBackSent(limit::change("the rollback", CHANGE_LIMIT, sent).await)
            }),
            // The loop itself carries out waits, so `Wait` never comes here.
            Action::Observe | Action::Wait { .. } => Box::pin(async move {
                let observed = deployment.observe();
                Input::Observed(limit::read("the deployment", READ_LIMIT, observed).await)
            }),
        };
        Box::pin(async move { Raw::Input(Box::new(begun.await)) })
    }

    fn complete(&mut self, raw: Raw) -> Input {
        let Looked {
            progress,
            observed,
            seen,
        } = match raw {
            Raw::Input(input) => return *input,
            Raw::Looked(looked) => *looked,
        };
        let gates = self.gates.iter_mut().zip(seen);
        let gates = gates.map(|((session, _), seen)| GateReport {
            gate: session.gate().clone(),
            verdict: session.judge(&seen, &progress),
            seen,
        });
        Input::Looked(LookReport {
            gates: gates.collect(),
            observed,
        })
    }

    fn snapshot(
        &self,
        machine: &NativeMachine,
        outstanding: &Action,
        events: u64,
        requests: &[(Timestamp, String)],
    ) -> Option<JsonText> {
        let judges = self.gates.iter();
        let judges: Option<Vec<_>> = judges.map(|(session, _)| session.saved()).collect();
        let snapshot = Snapshot {
            version: JOURNAL_VERSION,
            machine: machine.clone(),
            outstanding: outstanding.clone(),
            judges: judges?,
            events,
            requests: requests.to_vec(),
        };
        let snapshot = JsonText::of(&snapshot).ok()?;
        Some(text(&Entry::Snapshot { snapshot }))
    }
}
