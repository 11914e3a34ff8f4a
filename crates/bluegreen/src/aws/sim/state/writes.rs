//! Writes to the rules, by callers and by schedules, and AWS's refusals.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::Action;

use super::{
    change::Writer,
    groups::no_group,
    rules,
    schedules::{Request, request},
    world::World,
};
use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Area, Call, answer},
            time::SimClock,
        },
    },
    clock::{between, later},
    error::ErrorKind,
};

/// How long after its time a schedule fires: AWS only keeps the minute.
const LATE: Duration = Duration::from_secs(30);

/// The place of a rule that `ModifyRule` may change.
pub(in crate::aws::sim) fn modifiable(world: &World, arn: &str) -> Result<usize, ApiError> {
    let call = Call::ModifyRule;
    let index = world.rules.find(arn).ok_or_else(|| no_rule(call))?;
    if index == world.rules.default_rule() {
        let message = "The default rule cannot be modified by this operation";
        return Err(invalid(call, "OperationNotPermitted", message));
    }
    Ok(index)
}

/// Replaces the actions of a rule.
pub(in crate::aws::sim) fn write_rule(
    world: &mut World,
    arn: &str,
    actions: Vec<Action>,
) -> Result<(), ApiError> {
    let index = modifiable(world, arn)?;
    check(Call::ModifyRule, &actions)?;
    check_groups(Call::ModifyRule, world, Some(&actions))?;
    world.rules.all[index].actions = Some(actions);
    Ok(())
}

/// Replaces the actions of the default rule.
pub(in crate::aws::sim) fn write_default(
    world: &mut World,
    actions: Vec<Action>,
) -> Result<(), ApiError> {
    check(Call::ModifyListener, &actions)?;
    check_groups(Call::ModifyListener, world, Some(&actions))?;
    let index = world.rules.default_rule();
    world.rules.all[index].actions = Some(actions);
    Ok(())
}

/// Refuses the actions that AWS refuses.
pub(in crate::aws::sim) fn check(call: Call, actions: &[Action]) -> Result<(), ApiError> {
    if actions.is_empty() {
        return Err(invalid(
            call,
            "ValidationError",
            "Actions must not be empty",
        ));
    }
    for action in actions {
        if let Some(login) = &action.authenticate_oidc_config {
            let existing = login.use_existing_client_secret == Some(true);
            if existing == login.client_secret.is_some() {
                let message = "Give either a client secret or UseExistingClientSecret";
                return Err(invalid(call, "InvalidLoadBalancerAction", message));
            }
        }
        let Some(config) = &action.forward_config else {
            continue;
        };
        let groups = config.target_groups();
        if groups.len() > 5 {
            let message = "A forward takes up to five target groups";
            return Err(invalid(call, "TooManyTargetGroups", message));
        }
        if groups.len() > 1 && action.target_group_arn.is_some() {
            let message = "TargetGroupArn goes with a single target group only";
            return Err(invalid(call, "ValidationError", message));
        }
        for group in groups {
            let weight = group.weight.unwrap_or(1);
            if !(0..=999).contains(&weight) {
                let message = format!("Weight {weight} is not between 0 and 999");
                return Err(invalid(call, "ValidationError", &message));
            }
        }
    }
    Ok(())
}

/// A forward names groups that exist; the third one belongs to no service and always exists.
pub(in crate::aws::sim) fn check_groups(
    call: Call,
    world: &World,
    actions: Option<&[Action]>,
) -> Result<(), ApiError> {
    let known = |arn: &String| world.groups.exists(arn) || arn == rules::THIRD;
    let forwards = actions.into_iter().flatten();
    let all_known = rules::groups_of(forwards).iter().all(|(arn, _)| known(arn));
    all_known.then_some(()).ok_or_else(|| no_group(call))
}

impl World {
    /// When the next schedule fires, if there is one.
    pub(super) fn next_fires(&self) -> Option<Duration> {
        let times = self.schedules.values().map(|schedule| schedule.at);
        let fires = |at| between(SimClock::epoch(), later(at, LATE));
        times.min().map(fires)
    }

    /// Lets every schedule that is due by `now` write its rule, and deletes it.
    pub(in crate::aws::sim) fn fire_schedules(&mut self, now: Duration) {
        loop {
            let date = self.date(now);
            let due = self
                .schedules
                .iter()
                .filter(|(_, schedule)| later(schedule.at, LATE) <= date)
                .min_by_key(|(_, schedule)| schedule.at);
            let Some((name, schedule)) = due.map(|(name, one)| (name.clone(), one.clone())) else {
                return;
            };
            self.schedules.remove(&name);
            let request = request(&schedule.target);
            let needed = match &request {
                Ok(Request::Notice(_)) => "sns:Publish",
                Ok(Request::Rule(..)) => "elasticloadbalancing:ModifyRule",
                Ok(Request::Default(..)) => "elasticloadbalancing:ModifyListener",
                Err(_) => "",
            };
            let role = &self.schedule_role;
            if !role.trusts_scheduler() || !role.may(needed) {
                continue;
            }
            if let Ok(Request::Notice(message)) = request {
                self.notices.push(message);
                continue;
            }
            let then = between(SimClock::epoch(), later(schedule.at, LATE));
            self.keep(Area::Balancer, then, None);
            let written = match request {
                Ok(Request::Rule(arn, actions)) => write_rule(self, &arn, actions).is_ok(),
                Ok(Request::Default(arn, actions)) => {
                    arn == rules::listener().as_str() && write_default(self, actions).is_ok()
                }
                Ok(Request::Notice(_)) | Err(_) => false,
            };
            // A write that the API refuses is tried again for a minute, and then forgotten.
            if written {
                self.changed(then, Writer::Schedule);
            } else {
                self.forget();
            }
        }
    }
}

pub(in crate::aws::sim) fn invalid(call: Call, code: &str, message: &str) -> ApiError {
    answer(call, ErrorKind::Invalid, code, message)
}

pub(in crate::aws::sim) fn no_rule(call: Call) -> ApiError {
    let message = "One or more rules not found";
    answer(call, ErrorKind::NotFound, "RuleNotFound", message)
}
