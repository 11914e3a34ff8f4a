//! The rules and listeners that send requests to a target group.

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_target_groups::DescribeTargetGroupsInput,
        describe_target_health::DescribeTargetHealthInput,
    },
    types::{Action, Listener, Rule, TargetHealthStateEnum},
};

use super::{conditions::has_header_condition, forward, locate, test_route::is_test_route};
use crate::{
    aws::{
        alb::{ListenerArn, RuleArn, TargetGroupArn, tags::tags_of},
        api::ElbApi,
    },
    error::{Error, ErrorKind, Failure, Result},
};

/// How one rule, or one listener that has no rules, forwards to a group.
#[derive(Debug)]
pub(crate) struct Route {
    /// The rule, as messages name it.
    pub(crate) rule: String,
    pub(crate) arn: Option<RuleArn>,
    /// The group's weight in the rule, and the sum of all weights.
    pub(crate) weight: i32,
    pub(crate) sum: i32,
    pub(crate) whose: Whose,
    /// The other groups of the rule that have weight.
    pub(crate) others: Vec<String>,
}

/// The origin of a route's requests.
#[derive(Debug)]
pub(crate) enum Whose {
    /// Users, under any conditions: only a tag of ours makes a rule a test route.
    Users,
    /// Users, by a balancer of this kind, which has no rules and so no test routes.
    UsersWithoutRules(&'static str),
    /// Tests, by a route that was made for them.
    Tests,
    /// The rule asks for a header, and the tags that tell its purpose cannot be read.
    Unknown(Failure),
}

/// The routes to a group, and the reads that were denied.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    pub(crate) routes: Vec<Route>,
    /// Reads that were denied. Any other failure is an error.
    pub(crate) unseen: Vec<Error>,
}

impl Ways {
    /// Returns the routes, or the error of a denied read.
    pub(crate) fn whole(mut self) -> Result<Vec<Route>> {
        match self.unseen.pop() {
            Some(error) => Err(error),
            None => Ok(self.routes),
        }
    }

    /// Returns the result of a read. A denied read is kept and gives `None`.
    fn seen<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == ErrorKind::Denied => {
                self.unseen.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns every route of every load balancer to the group: rules of application load balancers,
/// default rules included, and listeners of network and gateway load balancers.
pub(crate) async fn ways_to(elb: &dyn ElbApi, group: &TargetGroupArn) -> Result<Ways> {
    let mut ways = Ways::default();
    let attempted = format!("describe target group {group}");
    let input = DescribeTargetGroupsInput::builder().target_group_arns(group.as_str());
    let output = elb
        .describe_target_groups(input)
        .await
        .map_err(|error| error.into_error(attempted.as_str()));
    let Some(output) = ways.seen(output)? else {
        return Ok(ways);
    };
    for described in output.target_groups() {
        for balancer in described.load_balancer_arns() {
            let listeners = locate::listeners_at(elb, balancer).await;
            for listener in ways.seen(listeners)?.unwrap_or_default() {
                let arn = listener.listener_arn.as_deref().unwrap_or_default();
                let Ok(arn) = arn.parse::<ListenerArn>() else {
                    ways.routes.extend(of_listener(&listener, balancer, group));
                    continue;
                };
                let rules = locate::rules_of(elb, &arn).await;
                if let Some(rules) = ways.seen(rules)? {
                    ways.routes.extend(of_rules(elb, &rules, group).await?);
                }
            }
        }
    }
    Ok(ways)
}

/// The routes to the group by the rules of one listener.
async fn of_rules(elb: &dyn ElbApi, rules: &[Rule], group: &TargetGroupArn) -> Result<Vec<Route>> {
    let found = rules.iter().filter_map(|rule| {
        let route = route(rule.actions(), group, forward::describe(rule))?;
        Some((rule, route))
    });
    let mut found = Vec::from_iter(found);
    let is_candidate = |rule: &Rule, route: &Route| route.weight > 0 && has_header_condition(rule);
    let asked: Vec<&str> = found
        .iter()
        .filter(|(rule, route)| is_candidate(rule, route))
        .filter_map(|(rule, _)| rule.rule_arn.as_deref())
        .collect();
    let tags = match tags_of(elb, &asked).await {
        Ok(tags) => Ok(tags),
        Err(error) if error.kind() == ErrorKind::Denied => Err(error),
        Err(error) => return Err(error),
    };
    for (rule, route) in &mut found {
        let arn = rule.rule_arn.as_deref().unwrap_or_default();
        route.arn = arn.parse().ok();
        if !is_candidate(rule, route) {
            continue;
        }
        route.whose = match &tags {
            Ok(tags)
                if tags
                    .get(arn)
                    .is_some_and(|own| is_test_route(rule, own, rules)) =>
            {
                Whose::Tests
            }
            Ok(_) => Whose::Users,
            Err(error) => Whose::Unknown(Failure::from(error)),
        };
    }
    Ok(found.into_iter().map(|(_, route)| route).collect())
}

/// The route to the group by a listener without rules, if there is one.
fn of_listener(listener: &Listener, balancer: &str, group: &TargetGroupArn) -> Option<Route> {
    let (kind, name) = kind_of(balancer);
    let port = listener
        .port
        .map_or_else(String::new, |port| format!(" on port {port}"));
    let described = format!("the listener{port} of {kind} {name}");
    let mut route = route(listener.default_actions(), group, described)?;
    route.whose = Whose::UsersWithoutRules(kind);
    Some(route)
}

/// The kind of a load balancer, and its name.
fn kind_of(balancer: &str) -> (&'static str, &str) {
    let mut parts = balancer
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .split('/')
        .skip(1);
    let kind = match parts.next() {
        Some("net") => "network load balancer",
        Some("gwy") => "gateway load balancer",
        Some("app") => "application load balancer",
        _ => "load balancer",
    };
    (kind, parts.next().unwrap_or(balancer))
}

fn route(actions: &[Action], group: &TargetGroupArn, rule: String) -> Option<Route> {
    let forwards = actions.iter().filter(|action| forward::is_forward(action));
    let groups: Vec<forward::Group<'_>> = forwards.flat_map(forward::groups).collect();
    let own = groups.iter().find(|one| one.arn == group.as_str())?;
    let others = groups
        .iter()
        .filter(|one| one.arn != group.as_str() && one.weight > 0);
    Some(Route {
        rule,
        arn: None,
        weight: own.weight,
        sum: groups.iter().map(|one| one.weight).sum(),
        whose: Whose::Users,
        others: others.map(|one| one.arn.to_owned()).collect(),
    })
}

/// How many targets of a group are healthy.
pub(crate) async fn healthy_targets(elb: &dyn ElbApi, group: &str) -> Result<u32> {
    let input = DescribeTargetHealthInput::builder().target_group_arn(group);
    let output = elb
        .describe_target_health(input)
        .await
        .map_err(|error| error.into_error(format!("describe the targets of {group}")))?;
    let healthy = output.target_health_descriptions().iter().filter(|target| {
        let health = target.target_health.as_ref();
        health.and_then(|health| health.state.as_ref()) == Some(&TargetHealthStateEnum::Healthy)
    });
    Ok(u32::try_from(healthy.count()).unwrap_or(u32::MAX))
}
