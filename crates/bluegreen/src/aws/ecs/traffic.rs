//! Whether a service gets live traffic, and whether checks reach it.

use super::{EcsServiceDeployer, reach::unseen, wire::Balanced};
use crate::{
    aws::alb::{
        TargetGroupArn,
        rule::live::{self, Route, Ways, Whose},
    },
    error::{ErrorKind, Failure, Result},
    preflight::{Acceptance, Finding},
};

const ALLOW: &str = "allow `elasticloadbalancing:Describe*`";

/// The target groups of a service.
pub(super) fn groups(balanced: &[Balanced]) -> Vec<TargetGroupArn> {
    let named = balanced.iter().flat_map(|one| {
        let advanced = one.advanced_configuration.as_ref();
        let alternate = advanced.and_then(|one| one.alternate_target_group_arn.as_deref());
        [one.target_group_arn.as_deref(), alternate]
    });
    named.flatten().filter_map(|arn| arn.parse().ok()).collect()
}

/// The findings of a service that is yet to be created. ECS wants its group behind a balancer.
pub(super) async fn of_new(
    deployer: &EcsServiceDeployer,
    copies: u32,
    group: &TargetGroupArn,
) -> Result<Vec<Finding>> {
    let why = match live::ways_to(&*deployer.aws.elb, group).await {
        Ok(ways) if ways.routes.is_empty() && ways.unseen.is_empty() => format!(
            "no rule names {}, so ECS creates no service for it",
            group.name()
        ),
        Ok(ways) => return judge(deployer, &deployer.service, copies, group, &ways).await,
        Err(error) if error.kind() == ErrorKind::NotFound => no_group(group),
        Err(error) => return Err(error),
    };
    let hint = "prepare its place first: target group, listener rule, test route";
    Ok(vec![Finding::refusal(why).with_hint(hint)])
}

/// Returns how the service gets its traffic, and whether checks reach it. `account` is the account of the
/// service.
pub(super) async fn findings(
    deployer: &EcsServiceDeployer,
    name: &str,
    account: &str,
    copies: u32,
    group: &TargetGroupArn,
) -> Result<Vec<Finding>> {
    let ways = match live::ways_to(&*deployer.aws.elb, group).await {
        Ok(ways) => ways,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let owner = group.as_str().split(':').nth(4).unwrap_or_default();
            if owner != account && !account.is_empty() {
                let message = format!(
                    "the traffic by target group {group} of service {name} cannot be seen: \
                     the group is of account {owner}"
                );
                return Ok(vec![unseen(
                    message,
                    "look at the group's rules with that account",
                )]);
            }
            let hint = "the service registers its tasks with this group: repair the service first";
            return Ok(vec![Finding::refusal(no_group(group)).with_hint(hint)]);
        }
        Err(error) => return Err(error),
    };
    judge(deployer, name, copies, group, &ways).await
}

fn no_group(group: &TargetGroupArn) -> String {
    format!("there is no target group {group}")
}

async fn judge(
    deployer: &EcsServiceDeployer,
    name: &str,
    copies: u32,
    group: &TargetGroupArn,
    ways: &Ways,
) -> Result<Vec<Finding>> {
    let elb = &*deployer.aws.elb;
    let routes = &ways.routes;
    let mut findings = Vec::new();
    for error in &ways.unseen {
        let message = format!(
            "which requests reach {} cannot be seen: {error}",
            group.name()
        );
        findings.push(unseen(message, error.hint().unwrap_or(ALLOW)));
    }
    if routes.is_empty() && ways.unseen.is_empty() {
        let message = format!(
            "no rule names {}, so its targets are not health-checked",
            group.name()
        );
        findings.push(Finding::note(message));
    }
    if routes.iter().all(|route| route.weight == 0) && ways.unseen.is_empty() {
        let message = format!(
            "no request reaches {}: checks through the balancer ask the service that gets the traffic",
            group.name()
        );
        findings.push(
            Finding::refusal_unless(Acceptance::NoTestRoute, message).with_hint(format!(
                "prepare a test route; or accept `{}`, if the checks reach the service itself",
                Acceptance::NoTestRoute
            )),
        );
    }
    for route in routes {
        if route.weight > 0 {
            findings.push(of_weight(name, route));
            continue;
        }
        for other in &route.others {
            let serving = live::healthy_targets(elb, other).await?;
            if let Some(covered) = (100 * copies).checked_div(serving) {
                let covered = covered.min(100);
                findings.push(Finding::note(format!(
                    "{name} runs {copies} copies, and {serving} targets serve now: enough for \
                     {covered} % of the traffic; 50 % needs {}, 100 % needs {serving}",
                    serving.div_ceil(2)
                )));
            }
        }
    }
    Ok(findings)
}

/// The finding about a route that sends requests to the service.
fn of_weight(name: &str, route: &Route) -> Finding {
    let live = |also: &str| {
        let share = match 100 * route.weight / route.sum.max(1) {
            0 => "less than 1".to_owned(),
            share => share.to_string(),
        };
        let rule = &route.rule;
        let message =
            format!("service {name} gets live traffic already: {share} % of {rule}{also}");
        Finding::refusal_unless(Acceptance::InPlace, message)
    };
    let accepted = Acceptance::InPlace;
    match &route.whose {
        Whose::Tests => Finding::note(format!(
            "service {name} gets requests with a certain header, for tests, by {}",
            route.rule
        )),
        Whose::Users => live("").with_hint(format!(
            "deploy beside what serves, into a group at weight 0, and shift traffic then; \
             or accept `{accepted}`"
        )),
        Whose::UsersWithoutRules(kind) => live(&format!(
            "; not supported: {kind}s, which have neither rules for test routes nor weights that \
             are shifted here"
        ))
        .with_hint(format!(
            "put an application load balancer before it; or accept `{accepted}`: the deployment \
             then replaces what serves users"
        )),
        Whose::Unknown(failure) => unknown(name, route, failure),
    }
}

fn unknown(name: &str, route: &Route, failure: &Failure) -> Finding {
    let message = format!(
        "service {name} gets requests with a certain header by {}, and whether they are of tests \
         cannot be seen: {failure}",
        route.rule
    );
    unseen(message, failure.hint.as_deref().unwrap_or(ALLOW))
}
