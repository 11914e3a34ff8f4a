//! Before the first shift: the reasons for which a migration ends before it has changed anything.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Action, Cause, Control, Failure, Intent, MigrationEvent, MigrationMachine, Next, Stage, State,
    TrafficObservation, TrafficSplit, Unchanged,
    state::{Preflight, Restore},
};
use crate::{
    clock::{later, span},
    engine::retry::{ATTEMPTS, back_off},
    health::{Phase, Progress},
    migration::LookReport,
    preflight::{Acceptance, Finding, Severity},
    traffic::{Capacity, Percent},
};

impl MigrationMachine {
    pub(super) fn on_start(&mut self, at: Timestamp, intent: Intent) -> Next<Action> {
        self.started = at;
        self.deadline = later(at, self.plan.deadline());
        self.tell(MigrationEvent::Started {
            intent: intent.clone(),
            plan: self.plan.clone(),
            gates: self.standings.names(),
        });
        self.intent = intent.clone();
        match intent {
            Intent::Migrate | Intent::Complete { .. } => self.preflight(at, 1),
            Intent::Restore(order) => {
                self.suspect_switch(at);
                let cause = Cause::Asked { by: order.by };
                self.read_restore_now(Restore::new(at, cause))
            }
        }
    }

    pub(super) fn preflight(&mut self, at: Timestamp, attempt: u32) -> Next<Action> {
        self.state = State::Preflight(Preflight {
            attempt,
            waiting: false,
        });
        let progress = Progress::new(at, Phase::Preflight, Percent::ZERO, self.started)
            .with_warm_up(self.plan.warm_up());
        Next::Do(Action::Preflight { progress })
    }

    pub(super) fn on_preflight_waited(
        &mut self,
        at: Timestamp,
        preflight: Preflight,
        clock_fault: bool,
    ) -> Next<Action> {
        if !preflight.waiting {
            self.state = State::Preflight(preflight);
            return Next::Keep;
        }
        if clock_fault {
            return self.unchanged(at, Unchanged::ClockFault);
        }
        self.preflight(at, preflight.attempt + 1)
    }

    pub(super) fn on_preflighted(
        &mut self,
        at: Timestamp,
        preflight: Preflight,
        findings: Result<Vec<Finding>, Failure>,
        look: LookReport,
        capacity: Option<Result<Capacity, Failure>>,
    ) -> Next<Action> {
        if preflight.waiting {
            self.state = State::Preflight(preflight);
            return Next::Keep;
        }
        let transient = [
            findings.as_ref().err(),
            look.traffic.as_ref().err(),
            capacity.as_ref().and_then(|read| read.as_ref().err()),
        ];
        let transient = transient
            .into_iter()
            .flatten()
            .find(|f| f.kind.is_transient());
        if let (Some(failure), true) = (transient, preflight.attempt < ATTEMPTS) {
            let retry_at = later(at, back_off(preflight.attempt));
            self.tell(MigrationEvent::ReadFailed {
                failure: failure.clone(),
                retry_at,
            });
            self.state = State::Preflight(Preflight {
                waiting: true,
                ..preflight
            });
            return Next::Do(Action::Wait { until: retry_at });
        }

        let mut all = Vec::new();
        match findings {
            Ok(findings) => all.extend(findings),
            Err(failure) => all.push(refusal_of(&failure)),
        }
        all.extend(capacity.as_ref().map(Self::finding_of_capacity));
        self.standings.take(at, look.gates, self.standing_time());
        all.extend(self.refusals_of_gates(at));
        let traffic = match look.traffic {
            Ok(traffic) => {
                self.expected = None;
                self.read(at, &traffic);
                all.extend(self.refusals_of_traffic(&traffic));
                Some(traffic)
            }
            Err(failure) => {
                // Most refusals of the survey explain this failure too.
                let is_known = all.iter().any(|f| f.severity == Severity::Refuse);
                if failure.kind.is_transient() || !is_known {
                    all.push(refusal_of(&failure));
                }
                None
            }
        };
        let stops = |finding: &Finding| match finding.severity {
            Severity::Note => false,
            Severity::Refuse => true,
            Severity::RefuseUnless(acceptance) => !self.plan.accepts(acceptance),
        };
        let Some(traffic) = traffic.filter(|_| !all.iter().any(stops)) else {
            let marked = |one: Finding| one.marked(|risk| self.plan.accepts(risk));
            let findings = all.into_iter().map(marked).collect();
            return self.unchanged(at, Unchanged::Refused { findings });
        };
        self.weights_at_start = Some(traffic.weights);
        self.blue_at_start = Some(traffic.targets.blue.healthy);
        self.tell(MigrationEvent::PreflightPassed {
            findings: all,
            traffic,
        });
        let deadline = self.plan.deadline_of(&self.plan.steps()[0]);
        let mut watch = self.watch(at, Stage::Arming, Duration::ZERO, deadline);
        if let Intent::Complete { by } = &self.intent {
            watch.promote = Some(Control::PromoteFully { by: by.clone() });
        }
        if let Some(kept) = capacity.and_then(|read| read.ok()?.to_keep()) {
            return self.keep_capacity(watch, kept);
        }
        self.note_ready(at, &mut watch);
        let early = std::mem::take(&mut self.early);
        let next = match self.is_switch_due(at) {
            // The look that follows decides.
            true => self.look(at, watch),
            false => self.decide(at, watch, true),
        };
        self.take_controls(at, early, next)
    }

    fn refusals_of_gates(&self, at: Timestamp) -> Vec<Finding> {
        let mut refusals = Vec::new();
        if let Some((gate, verdict)) = self.standings.unhealthy(at) {
            let message = format!("gate `{gate}` is {verdict} before anything has moved");
            let hint = match gate.is_of_hook() {
                true => {
                    "the hook's program decides by its exit code; correct that first, or let it only be told"
                }
                false => "correct that first, or make the gate advisory",
            };
            refusals.push(Finding::refusal(message).with_hint(hint));
        }
        for (gate, failure) in self.standings.lasting_failures() {
            let finding = Finding::refusal(format!("gate `{gate}` cannot look: {failure}"));
            refusals.push(match &failure.hint {
                Some(hint) => finding.with_hint(hint),
                None => finding,
            });
        }
        refusals
    }

    fn refusals_of_traffic(&self, traffic: &TrafficObservation) -> Vec<Finding> {
        let mut refusals = Vec::new();
        if traffic.weights.blue == 0 && traffic.weights.green == 0 {
            refusals.push(
                Finding::refusal("neither side has any weight")
                    .with_hint("give blue all the weight first"),
            );
        } else if traffic.is_at(TrafficSplit::ALL_GREEN) {
            refusals.push(
                Finding::refusal(format!("green serves everything already: {traffic}"))
                    .with_hint("there is nothing to migrate; were blue and green mixed up?"),
            );
        } else if !traffic.is_all_blue() && self.intent == Intent::Migrate {
            refusals.push(
                Finding::refusal(format!("traffic is divided already: {traffic}")).with_hint(
                    "another migration may be running; if not, put everything on blue first, with a rollback",
                ),
            );
        }
        if traffic.targets.blue.healthy == 0 {
            refusals.push(
                Finding::refusal(format!(
                    "blue has no healthy target: {}",
                    traffic.targets.blue
                ))
                .with_hint("blue must serve at the start, since a rollback puts everything there"),
            );
        }
        let shortest = self.plan.steps().iter().map(|s| self.plan.bake_of(s)).min();
        if let (Some(stickiness), Some(shortest)) = (traffic.stickiness, shortest)
            && stickiness > shortest
        {
            refusals.push(
                Finding::refusal_unless(
                    Acceptance::LongStickiness,
                    format!(
                        "clients stay on a side for {}, longer than a step of {}",
                        span(stickiness),
                        span(shortest)
                    ),
                )
                .with_hint(
                    "shorten the rule's stickiness, give a longer bake, or accept `long-stickiness`",
                ),
            );
        }
        refusals
    }
}

pub(super) fn refusal_of(failure: &Failure) -> Finding {
    let finding = Finding::refusal(failure.to_string());
    match &failure.hint {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}
