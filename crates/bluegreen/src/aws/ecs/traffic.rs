//! Whether a service gets live traffic, and whether checks reach it.

use super::{EcsServiceDeployer, wire::Balanced};
use crate::{
    aws::alb::{
        TargetGroupArn,
        rule::live::{self, Route},
    },
    error::{ErrorKind, Result},
    preflight::{Acceptance, Finding},
};

/// The target groups of a service.
pub(super) fn groups(balanced: &[Balanced]) -> Vec<TargetGroupArn> {
    let listed = balanced.iter();
    listed
        .filter_map(|one| one.target_group_arn.as_deref()?.parse().ok())
        .collect()
}

/// The findings of a service that is yet to be created. ECS wants its group behind a balancer.
pub(super) async fn of_new(
    deployer: &EcsServiceDeployer,
    copies: u32,
    group: &TargetGroupArn,
) -> Result<Vec<Finding>> {
    let why = match live::routes_to(&*deployer.aws.elb, group).await {
        Ok(routes) if routes.is_empty() => format!(
            "no rule names {}, so ECS creates no service for it",
            group.name()
        ),
        Ok(routes) => return judge(deployer, &deployer.service, copies, group, &routes).await,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("there is no target group {group}")
        }
        Err(error) => return Err(error),
    };
    let hint = "prepare its place first: target group, listener rule, test route";
    Ok(vec![Finding::refusal(why).with_hint(hint)])
}

/// Who gets traffic from where, and who is asked by checks.
pub(super) async fn findings(
    deployer: &EcsServiceDeployer,
    name: &str,
    copies: u32,
    group: &TargetGroupArn,
) -> Result<Vec<Finding>> {
    let routes = live::routes_to(&*deployer.aws.elb, group).await?;
    judge(deployer, name, copies, group, &routes).await
}

async fn judge(
    deployer: &EcsServiceDeployer,
    name: &str,
    copies: u32,
    group: &TargetGroupArn,
    routes: &[Route],
) -> Result<Vec<Finding>> {
    let elb = &*deployer.aws.elb;
    let mut findings = Vec::new();
    if routes.is_empty() {
        let message = format!(
            "no rule names {}, so its targets are not health-checked",
            group.name()
        );
        findings.push(Finding::note(message));
    }
    if routes.iter().all(|route| route.weight == 0) {
        let message = format!(
            "no request reaches {}: checks through the balancer ask whoever gets the traffic",
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
        if route.is_for_tests {
            // Who sends that header is not known here.
            if route.weight > 0 {
                findings.push(Finding::note(format!(
                    "service {name} gets requests with a certain header, taken for tests, by {}",
                    route.rule
                )));
            }
            continue;
        }
        if route.weight > 0 {
            let share = match 100 * route.weight / route.sum.max(1) {
                0 => "less than 1".to_owned(),
                share => share.to_string(),
            };
            let message = format!(
                "service {name} gets live traffic already: {share} % of {}",
                route.rule
            );
            findings.push(
                Finding::refusal_unless(Acceptance::InPlace, message).with_hint(format!(
                    "deploy beside what serves, into a group at weight 0, and shift traffic then; \
                     or accept `{}`",
                    Acceptance::InPlace
                )),
            );
            continue;
        }
        for other in &route.others {
            let serving = live::healthy_targets(elb, other).await?;
            if let Some(covered) = (100 * copies).checked_div(serving) {
                let covered = covered.min(100);
                findings.push(Finding::note(format!(
                    "{name} runs {copies} where {serving} serve: enough for {covered} % of the \
                     traffic; 50 % needs {}, 100 % needs {serving}",
                    serving.div_ceil(2)
                )));
            }
        }
    }
    Ok(findings)
}
