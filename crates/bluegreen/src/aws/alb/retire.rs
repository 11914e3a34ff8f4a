//! Blue's place at the balancer at the end of its life: what names its group, and how the group leaves.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        delete_rule::DeleteRuleInput, delete_target_group::DeleteTargetGroupInput,
        describe_target_groups::DescribeTargetGroupsInput,
        describe_target_health::DescribeTargetHealthInput,
    },
    types::{Rule, TargetHealthStateEnum},
};

use super::{
    RuleArn, TargetGroupArn,
    rule::{
        conditions::has_header_condition,
        edit, forward,
        live::{self, healthy_targets},
        locate, routing,
        test_route::is_test_route,
        write,
    },
    tags::{MADE_FOR, Tags, tags_of},
};
use crate::{
    aws::{Aws, api::ElbApi},
    error::{ErrorKind, Result},
    preflight::Finding,
    traffic::Sides,
};

/// The balancer as one look shows it.
#[derive(Debug, Clone)]
pub(in crate::aws) struct Place {
    /// The rule that divides the traffic, without secrets.
    pub(in crate::aws) arn: RuleArn,
    rule: Rule,
    /// The weights of both groups in it; `None` if a group is not in it.
    pub(in crate::aws) weights: Sides<Option<i32>>,
    /// How many of green's targets are healthy.
    pub(in crate::aws) green_healthy: u32,
    /// Blue's group, if it exists.
    pub(in crate::aws) group: Option<Group>,
    /// The test routes that were made for the rule.
    pub(in crate::aws) test_routes: Vec<RuleArn>,
    /// Tags of the resources that may be deleted, by ARN.
    pub(in crate::aws) tags: BTreeMap<String, Tags>,
    /// Why the rule cannot be edited without loss.
    pub(in crate::aws) unwritable: Vec<Finding>,
}

/// Blue's target group.
#[derive(Debug, Clone, Default)]
pub(in crate::aws) struct Group {
    /// What else names it: a description of the rule or listener, and the weight there.
    pub(in crate::aws) named_by: Vec<(String, i32)>,
    /// Its targets that finish their requests, and all others.
    pub(in crate::aws) draining: usize,
    pub(in crate::aws) serving: usize,
}

impl Place {
    /// Looks at the balancer.
    pub(in crate::aws) async fn look(
        aws: &Aws,
        rule: &RuleArn,
        sides: &Sides<TargetGroupArn>,
    ) -> Result<Self> {
        let elb = &*aws.elb;
        let (blue, green) = (&sides.blue, &sides.green);
        let arn = rule.clone();
        let rules = locate::rules_of(elb, &arn.listener()).await?;
        let mut rule = match rules.iter().find(|one| is_it(one, &arn)) {
            Some(found) => found.clone(),
            None => locate::rule_of(elb, &arn).await?,
        };
        edit::without_secrets(rule.actions.get_or_insert_default());
        let is_there = exists(elb, blue).await?;
        let (test_routes, tags) = routes_and_tags(elb, &arn, &rules, sides, is_there).await?;
        let group = match is_there {
            true => Some(group(elb, blue, &arn, &test_routes).await?),
            false => None,
        };
        let weight = |group: &TargetGroupArn| {
            let groups = forward::groups_of_rule(&rule);
            let found = groups.iter().find(|one| one.arn == group.as_str());
            found.map(|one| one.weight)
        };
        let weights = Sides {
            blue: weight(blue),
            green: weight(green),
        };
        Ok(Self {
            unwritable: routing::unwritable(&arn, &rule, &[blue, green]),
            green_healthy: healthy_targets(elb, green.as_str()).await?,
            arn,
            rule,
            weights,
            group,
            test_routes,
            tags,
        })
    }

    /// Takes the group out of the rule, if the rule is still as it was seen.
    pub(in crate::aws) async fn detach(
        &self,
        aws: &Aws,
        what: &str,
        group: &TargetGroupArn,
    ) -> Result<()> {
        let actions = edit::without_group(self.rule.actions(), group);
        write::actions(&*aws.elb, what, &self.arn, &self.rule, actions).await
    }
}

/// Deletes a rule; a rule that is gone already is as good.
pub(in crate::aws) async fn delete_rule(aws: &Aws, what: &str, rule: &RuleArn) -> Result<()> {
    let input = DeleteRuleInput::builder().rule_arn(rule.as_str());
    match aws.elb.delete_rule(input).await {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error.into_error(what)),
        _ => Ok(()),
    }
}

/// Deletes a target group. AWS refuses while a rule or a listener names it.
pub(in crate::aws) async fn delete_group(
    aws: &Aws,
    what: &str,
    group: &TargetGroupArn,
) -> Result<()> {
    let input = DeleteTargetGroupInput::builder().target_group_arn(group.as_str());
    let deleted = aws.elb.delete_target_group(input).await;
    deleted.map(drop).map_err(|error| error.into_error(what))
}

/// Returns the ARN of the target group of this name, if there is one.
pub(crate) async fn group_of_name(aws: &Aws, name: &str) -> Result<Option<TargetGroupArn>> {
    let input = DescribeTargetGroupsInput::builder().names(name);
    let found = match aws.elb.describe_target_groups(input).await {
        Ok(found) => found.target_groups.unwrap_or_default(),
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into_error(format!("describe target group {name}"))),
    };
    let arn = found.into_iter().find_map(|one| one.target_group_arn);
    Ok(arn.and_then(|arn| arn.parse().ok()))
}

fn is_it(rule: &Rule, arn: &RuleArn) -> bool {
    rule.rule_arn.as_deref() == Some(arn.as_str())
}

async fn exists(elb: &dyn ElbApi, group: &TargetGroupArn) -> Result<bool> {
    let input = DescribeTargetGroupsInput::builder().target_group_arns(group.as_str());
    match elb.describe_target_groups(input).await {
        Ok(found) => Ok(!found.target_groups().is_empty()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into_error(format!("describe target group {group}"))),
    }
}

/// The test routes to either side that were made for the rule, and the tags of all that may be deleted.
async fn routes_and_tags(
    elb: &dyn ElbApi,
    arn: &RuleArn,
    rules: &[Rule],
    sides: &Sides<TargetGroupArn>,
    has_group: bool,
) -> Result<(Vec<RuleArn>, BTreeMap<String, Tags>)> {
    let leads_to_a_side = |rule: &Rule| {
        let groups = forward::groups_of_rule(rule);
        let is_side = |arn: &str| arn == sides.blue.as_str() || arn == sides.green.as_str();
        groups.len() == 1 && groups.iter().all(|one| is_side(one.arn))
    };
    let candidates = rules
        .iter()
        .filter(|rule| !is_it(rule, arn) && has_header_condition(rule) && leads_to_a_side(rule));
    let candidates: Vec<&Rule> = candidates.collect();
    let mut asked: Vec<&str> = candidates
        .iter()
        .filter_map(|rule| rule.rule_arn.as_deref())
        .collect();
    if has_group {
        asked.push(sides.blue.as_str());
    }
    let mut tags = tags_of(elb, &asked).await?;
    let is_ours = |rule: &&&Rule| {
        let own = tags.get(rule.rule_arn.as_deref().unwrap_or_default());
        own.is_some_and(|own| {
            own.get(MADE_FOR).map(String::as_str) == Some(arn.as_str())
                && is_test_route(rule, own, rules)
        })
    };
    let ours = candidates.iter().filter(is_ours);
    let ours = ours.filter_map(|rule| rule.rule_arn.as_deref()?.parse().ok());
    let ours: Vec<RuleArn> = ours.collect();
    let is_kept = |of: &str| of == sides.blue.as_str() || ours.iter().any(|one| one.as_str() == of);
    tags.retain(|of, _| is_kept(of));
    Ok((ours, tags))
}

async fn group(
    elb: &dyn ElbApi,
    blue: &TargetGroupArn,
    main: &RuleArn,
    test_routes: &[RuleArn],
) -> Result<Group> {
    let ways = live::ways_to(elb, blue).await?.whole()?;
    let is_known = |rule: &Option<RuleArn>| {
        rule.as_ref()
            .is_some_and(|rule| rule == main || test_routes.contains(rule))
    };
    let others = ways.into_iter().filter(|way| !is_known(&way.arn));
    let input = DescribeTargetHealthInput::builder().target_group_arn(blue.as_str());
    let health = elb.describe_target_health(input).await;
    let health =
        health.map_err(|error| error.into_error(format!("describe the targets of {blue}")))?;
    let all = health.target_health_descriptions();
    let is_draining =
        |state: Option<&TargetHealthStateEnum>| state == Some(&TargetHealthStateEnum::Draining);
    let draining = all.iter().filter(|one| {
        let health = one.target_health.as_ref();
        is_draining(health.and_then(|health| health.state.as_ref()))
    });
    let draining = draining.count();
    Ok(Group {
        named_by: others.map(|way| (way.rule, way.weight)).collect(),
        draining,
        serving: all.len() - draining,
    })
}
