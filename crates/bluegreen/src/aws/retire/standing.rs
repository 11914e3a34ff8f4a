//! What one look shows of blue, and what of it forbids a step. Pure.

use jiff::Timestamp;

use crate::{
    aws::{
        alb::{RuleArn, TargetGroupArn, retire::Group},
        ecs::retire::ServiceStanding,
    },
    preflight::{Acceptance, Finding},
    traffic::{Kept, Sides},
};

/// Everything that decides the next step.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) rule: RuleArn,
    pub(super) blue: TargetGroupArn,
    pub(super) service_name: String,
    /// Whether blue is to be deleted, and not only scaled to zero.
    pub(super) deletes: bool,
    /// The weights of both groups in the rule; `None` if a group is not in it.
    pub(super) weights: Sides<Option<i32>>,
    pub(super) green_healthy: u32,
    /// Blue's group, if it exists.
    pub(super) group: Option<Group>,
    /// The test routes that were made for the rule.
    pub(super) test_routes: Vec<RuleArn>,
    /// What infrastructure code owns, and what says so.
    pub(super) owned: Vec<(String, String)>,
    /// Why the rule cannot be edited without loss.
    pub(super) unwritable: Vec<Finding>,
    /// Blue's service, if it exists.
    pub(super) service: Option<ServiceStanding>,
    /// The minimum that a migration has raised, and the minimum as it is now.
    pub(super) kept: Option<Kept>,
    pub(super) minimum: Option<u32>,
    /// When the dead-man switch of the rule fires, if one is armed.
    pub(super) fires: Option<Timestamp>,
    /// Other services that register tasks with blue's group; read for a deletion alone.
    pub(super) others: Vec<String>,
}

/// What no call of AWS shows.
const UNSEEN: &str = "not seen, and so not counted as requests: web sockets that were opened before, workers that \
    read queues, clients that find tasks by Cloud Map or by address, and scheduled tasks that run the same \
    task definition. Look for them before blue is gone";

impl Standing {
    /// Returns everything that a person should know, and everything that stops a step.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.of_traffic();
        findings.extend(self.of_service());
        if self.deletes {
            findings.extend(self.of_deletion());
        } else {
            findings.extend(self.owned.iter().map(|(what, owner)| {
                let message =
                    format!("{what} belongs to {owner}: its next apply may scale it up again");
                Finding::note(message)
            }));
        }
        if self.service.is_some() || self.group.is_some() {
            findings.push(Finding::note(UNSEEN));
        }
        findings
    }

    fn of_traffic(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let (group, rule) = (self.blue.name(), &self.rule);
        if let Some(weight) = self.weights.blue.filter(|weight| *weight > 0) {
            let message = format!("target group {group} has weight {weight} in rule {rule}");
            let hint = "blue serves: end a migration with everything on green first";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        if self.weights.green.is_none_or(|weight| weight <= 0) {
            let message = format!("green has no weight in rule {rule}");
            let hint = "blue is retired only while green serves everything: see `bluegreen status`";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        if self.green_healthy == 0 {
            let message = "green has no healthy target";
            let hint = "blue is the way back: keep it until green is well";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        if let Some(at) = self.fires {
            let message = format!(
                "the dead-man switch of rule {rule} is armed, and puts everything back on blue at {at:.0}"
            );
            let hint = "`bluegreen status` shows it; a run that ends disarms its switch";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        let named = self.group.iter().flat_map(|group| &group.named_by);
        for (by, weight) in named.filter(|(_, weight)| *weight > 0 || self.deletes) {
            let message = format!("target group {group} is named by {by}, with weight {weight}");
            let hint = "take the group out of that rule or listener first";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        found
    }

    fn of_service(&self) -> Vec<Finding> {
        let name = &self.service_name;
        let Some(service) = &self.service else {
            let message = format!("there is no service {name}, or it is deleted already");
            return vec![Finding::note(message)];
        };
        let mut found = Vec::new();
        if !service.groups.contains(&self.blue) {
            let group = self.blue.name();
            let message = format!("service {name} does not register its tasks with {group}");
            let hint = "name the service that runs blue's targets";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        if service.is_daemon {
            let message = format!("service {name} is a daemon, whose count cannot be set");
            let hint = "retire it by hand";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        if service.is_deploying {
            let message = format!("a deployment of service {name} is under way");
            let hint = "wait until it ends, or find out who deploys what is to be retired";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        for other in service.groups.iter().filter(|group| **group != self.blue) {
            let accepted = Acceptance::SharedTargets;
            let message = format!(
                "service {name} registers its tasks with {} too, whose requests are not looked at",
                other.name()
            );
            let hint = format!("see what serves by that group; or accept `{accepted}`");
            found.push(Finding::refusal_unless(accepted, message).with_hint(hint));
        }
        for way in &service.ways {
            let accepted = Acceptance::UnseenTraffic;
            let message =
                format!("clients may reach service {name} by {way}, which is not counted");
            let hint = format!("see that none does; or accept `{accepted}`");
            found.push(Finding::refusal_unless(accepted, message).with_hint(hint));
        }
        if let Some(minimum) = self.minimum.filter(|minimum| *minimum > 0) {
            let kept = self.kept.as_ref().filter(|kept| kept.minimum == minimum);
            let minimum = kept.map_or(minimum, |kept| kept.before);
            found.push(Finding::note(format!(
                "the minimum of the scaling of service {name} is {minimum}, which a count of zero passes by: a \
                 scheduled action, or an alarm that scales out, may start tasks again"
            )));
        }
        found
    }

    fn of_deletion(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let group = self.blue.name();
        if self.weights.blue.is_some() {
            found.extend(self.unwritable.iter().cloned());
        }
        for (what, owner) in &self.owned {
            let accepted = Acceptance::InfrastructureCode;
            let message = format!("{what} belongs to {owner}");
            let hint =
                format!("delete it there, so that no apply makes it again; or accept `{accepted}`");
            found.push(Finding::refusal_unless(accepted, message).with_hint(hint));
        }
        for other in &self.others {
            let accepted = Acceptance::SharedTargets;
            let message = format!("service {other} registers its tasks with {group} too");
            let hint = format!("give that service another group first; or accept `{accepted}`");
            found.push(Finding::refusal_unless(accepted, message).with_hint(hint));
        }
        let is_stopped = self
            .service
            .as_ref()
            .is_none_or(|one| one.desired == 0 && one.tasks == 0);
        let serving = self.group.as_ref().map_or(0, |group| group.serving);
        if is_stopped && serving > 0 {
            let name = &self.service_name;
            let message = format!(
                "target group {group} has {serving} targets that are not of service {name}"
            );
            let hint = "find what registers them: it loses them with the group";
            found.push(Finding::refusal(message).with_hint(hint));
        }
        found
    }
}
