//! Reading what stands.

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_target_groups::{
            DescribeTargetGroupsInput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::DescribeTargetHealthInput,
    },
    types::TargetGroup,
};

use super::{
    GreenPlace, Wanted, route,
    standing::{Choice, Group, Route, Standing},
};
use crate::{
    aws::{
        alb::{
            ListenerArn, RuleArn, TargetGroupArn,
            rule::{edit, live, locate},
            tags::{MADE_FOR, tags_of},
        },
        api::ElbApi,
    },
    error::{Error, ErrorKind, Result},
};

impl GreenPlace {
    /// Reads what stands.
    pub(super) async fn look(&self, wanted: Wanted) -> Result<Standing> {
        let elb = &*self.aws.elb;
        let arn = locate::with_blue(elb, &self.rule, &self.blue).await?;
        let listener = arn.listener();
        let rules = locate::rules_of(elb, &listener).await?;
        let mut rule = rules
            .iter()
            .find(|rule| rule.rule_arn.as_deref() == Some(arn.as_str()))
            .cloned()
            .ok_or_else(|| not_listed(&arn, &listener))?;
        edit::without_secrets(rule.actions.get_or_insert_default());
        let by_arn = |arn: &TargetGroupArn| {
            DescribeTargetGroupsInput::builder().target_group_arns(arn.as_str())
        };
        let blue = described(elb, by_arn(&self.blue), &self.blue.to_string()).await?;
        let blue = blue.ok_or_else(|| no_group(&self.blue))?;
        let name = self.group.name().to_owned();
        let found = match &self.group.choice {
            Choice::Existing(arn) => {
                let found = described(elb, by_arn(arn), &arn.to_string()).await?;
                if found.is_none() && wanted == Wanted::Prepared {
                    return Err(no_group(arn));
                }
                found
            }
            Choice::Named(_) | Choice::Specified(_) => {
                let by_name = DescribeTargetGroupsInput::builder().names(&name);
                described(elb, by_name, &name).await?
            }
        };
        let mut standing = Standing {
            arn,
            rule,
            rules,
            blue_arn: self.blue.clone(),
            blue,
            name,
            group: None,
            wanted: self.group.clone(),
            header: self.header.clone(),
            routes: Vec::new(),
            elsewhere: Vec::new(),
            targets: 0,
        };
        if let Some(found) = found {
            self.look_at_group(&mut standing, found, wanted).await?;
        }
        Ok(standing)
    }

    /// Reads whose the group is, and by which routes tests reach it.
    async fn look_at_group(
        &self,
        standing: &mut Standing,
        found: TargetGroup,
        wanted: Wanted,
    ) -> Result<()> {
        let elb = &*self.aws.elb;
        let text = found.target_group_arn.clone().unwrap_or_default();
        let arn: TargetGroupArn = text.parse().map_err(|error| {
            let attempted = format!("read the ARN of target group {}", standing.name);
            Error::new(ErrorKind::Refused, attempted).with_source(error)
        })?;
        let candidates = route::candidates(&standing.rules, &standing.rule, &arn);
        let mut named: Vec<&str> = vec![arn.as_str()];
        named.extend(candidates.iter().map(|(rule, _)| rule.as_str()));
        let mut tags = tags_of(elb, &named).await?;
        for (rule, described) in &candidates {
            let own = tags.get(rule.as_str());
            let made_for = own.and_then(|own| own.get(MADE_FOR));
            standing.routes.push(Route {
                arn: rule.clone(),
                is_wanted: standing
                    .header
                    .as_ref()
                    .is_some_and(|header| route::is_it(described, header, &standing.rule)),
                is_made: made_for.map(String::as_str) == Some(standing.arn.as_str()),
            });
        }
        if wanted == Wanted::Undone {
            standing.elsewhere = live::ways_to(elb, &arn).await?.whole()?;
            let input = DescribeTargetHealthInput::builder().target_group_arn(arn.as_str());
            let health = elb.describe_target_health(input).await;
            let health = health
                .map_err(|error| error.into_error(format!("describe the targets of {arn}")))?;
            standing.targets = health.target_health_descriptions().len();
        }
        let tags = tags.remove(arn.as_str()).unwrap_or_default();
        standing.group = Some(Group {
            arn,
            described: found,
            tags,
        });
        Ok(())
    }
}

fn no_group(arn: &TargetGroupArn) -> Error {
    Error::new(ErrorKind::NotFound, format!("describe target group {arn}"))
        .with_hint("check the ARN, its region and its account; a group by its name is made")
}

fn not_listed(rule: &RuleArn, listener: &ListenerArn) -> Error {
    let message = format!("find rule {rule} among those of listener {listener}");
    Error::new(ErrorKind::NotFound, message)
        .with_hint("the rule may have been deleted: look at its listener")
}

/// A target group, if it is there.
async fn described(
    elb: &dyn ElbApi,
    input: DescribeTargetGroupsInputBuilder,
    name: &str,
) -> Result<Option<TargetGroup>> {
    match elb.describe_target_groups(input).await {
        Ok(output) => Ok(output.target_groups.unwrap_or_default().into_iter().next()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into_error(format!("describe target group {name}"))),
    }
}
