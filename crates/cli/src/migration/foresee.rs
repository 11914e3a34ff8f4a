//! The facts about a migration before it begins: how long each step takes, and what would stop it.

use std::{collections::BTreeSet, sync::Arc};

use bluegreen::{
    Failure,
    preflight::{Acceptance, Finding},
    spec::{MigrationForecast, Target},
    traffic::{CapacityKeeper as _, DeadManSwitch as _, TrafficObservation},
};

use super::{holding::Holding, open::Opened};
use crate::common::{
    credentials,
    errors::{UNCHANGED, failed},
    say::say_line,
};

/// The forecast and the findings.
#[derive(Debug, Default)]
pub(crate) struct Foreseen {
    pub(crate) forecast: Option<MigrationForecast>,
    pub(crate) findings: Vec<Finding>,
    accepted: BTreeSet<Acceptance>,
}

impl Foreseen {
    /// Returns whether no finding would stop the migration.
    pub(crate) fn is_fit(&self) -> bool {
        !self.findings.iter().any(|finding| self.stops(finding))
    }

    pub(crate) fn stops(&self, finding: &Finding) -> bool {
        finding.stops(&self.accepted)
    }

    /// Returns the findings, a line each, with their hints.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in &self.findings {
            let kind = match self.stops(finding) {
                true => "error",
                false => "note",
            };
            lines.push(format!("{kind}: {finding}"));
            lines.extend(finding.hint.iter().map(|hint| format!("  hint: {hint}")));
        }
        lines
    }
}

/// Returns only the forecast, which a migration needs before it begins. An error is printed already.
pub(crate) async fn forecast(opened: &Opened, target: &Target) -> Result<Foreseen, u8> {
    let accepts = |one: &Acceptance| opened.plan.accepts(*one);
    let forecast = opened.spec.forecast(opened.aws(), target).await;
    let forecast = forecast.map_err(|error| failed(&error, UNCHANGED))?;
    let finding = forecast.as_ref().and_then(MigrationForecast::finding);
    Ok(Foreseen {
        forecast,
        findings: finding.into_iter().collect(),
        accepted: Acceptance::ALL.into_iter().filter(accepts).collect(),
    })
}

/// Refuses a plan that its credentials do not outlast: prints why, and returns the exit code. Calls nothing.
pub(crate) async fn outlived(opened: &Opened) -> Result<(), u8> {
    let aws = opened.aws();
    let end = credentials::end(aws).await;
    let now = aws.clock().now();
    match end.and_then(|end| opened.plan.outlives_credentials(now, end)) {
        None => Ok(()),
        Some(finding) => {
            say_line!("error: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("  hint: {hint}");
            }
            Err(UNCHANGED)
        }
    }
}

/// Returns everything that can be known. Reads only.
pub(crate) async fn all(
    opened: &Opened,
    target: &Target,
    traffic: &TrafficObservation,
    holding: Option<&Holding>,
) -> Result<Foreseen, u8> {
    let mut foreseen = forecast(opened, target).await?;
    foreseen.findings.extend(holding.map(of_holder));
    foreseen.findings.extend(of_green(target, traffic));
    if let Ok(store) = opened.store() {
        let untested = opened.spec.untested(opened.aws(), &store, target).await;
        foreseen.findings.extend(untested);
    }
    foreseen.findings.extend(of_capacity(opened, target).await);
    foreseen.findings.extend(of_switch(opened, target).await);
    Ok(foreseen)
}

/// The finding on a verb that holds the journal: a migration takes no lease from it.
fn of_holder(holding: &Holding) -> Finding {
    let error = holding.error();
    let finding = Finding::refusal(error.message());
    match error.hint() {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

/// The finding on a green that has no target, or none that is healthy: a migration waits for targets, up to its
/// deadline.
fn of_green(target: &Target, traffic: &TrafficObservation) -> Option<Finding> {
    let (green, counts) = (&target.sides.green.name, &traffic.targets.green);
    match (counts.registered() - counts.draining, counts.healthy) {
        (0, _) => {
            let message = format!(
                "green, {green}, runs nothing: a migration would wait for targets, in vain"
            );
            let hint = format!("start its service first: `bluegreen deploy {green}`");
            Some(Finding::refusal(message).with_hint(hint))
        }
        (_, 0) => Some(Finding::note(format!(
            "green, {green}, has no healthy target yet: a migration waits for it"
        ))),
        _ => None,
    }
}

/// Returns the finding on blue's capacity.
async fn of_capacity(opened: &Opened, target: &Target) -> Option<Finding> {
    let aws = opened.aws();
    let Some(keeper) = opened.spec.capacity_keeper(aws, target) else {
        let message = "blue's capacity is not kept: the service of its targets is not named, so blue may be \
                       scaled in while green has the requests; set the side's `service`";
        return (!aws.is_simulated()).then(|| Finding::note(message));
    };
    Some(match keeper.observe().await {
        Ok(capacity) => Finding::note(capacity.finding().to_string()),
        Err(error) => {
            let failure = Failure::from(&error);
            let message = format!("it is not known how far blue may be scaled in: {failure}");
            let finding = Finding::refusal_unless(Acceptance::BlueMayShrink, message);
            match failure.hint {
                Some(hint) => finding.with_hint(hint),
                None => finding,
            }
        }
    })
}

/// Returns the findings on the dead-man switch.
async fn of_switch(opened: &Opened, target: &Target) -> Vec<Finding> {
    let aws = opened.aws();
    let Ok(splitter) = opened.spec.splitter(aws, target) else {
        return Vec::new();
    };
    let Some(switch) = opened.spec.dead_man_switch(aws, &Arc::new(splitter)) else {
        return Vec::new();
    };
    match switch.preflight().await {
        Ok(findings) if findings.is_empty() => {
            vec![Finding::note(
                "the role of the dead-man switch has the rights that it needs",
            )]
        }
        Ok(findings) => findings,
        Err(error) => vec![Finding::note(format!(
            "the dead-man switch: {}",
            Failure::from(&error)
        ))],
    }
}
