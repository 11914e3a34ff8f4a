//! Reads the present state.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_target_group_attributes::DescribeTargetGroupAttributesInput,
        describe_target_groups::{
            DescribeTargetGroupsInput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::DescribeTargetHealthInput,
    },
    types::{TargetGroup, TargetGroupAttribute},
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
            tags::{ATTACHED_TO, MADE_FOR, tags_of},
        },
        api::ElbApi,
    },
    error::{Error, ErrorKind, Failure, Result},
};

impl GreenPlace {
    /// Reads the present state.
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
        let blue = described(elb, by_arn(&self.blue), &self.blue.to_string())
            .await?
            .ok_or_else(|| no_group(&self.blue))?;
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
            harmless: BTreeSet::new(),
            to_turn: None,
            to_copy: BTreeMap::new(),
            not_copied: BTreeSet::new(),
            elsewhere: Vec::new(),
            targets: 0,
        };
        let found = match found {
            Some(found) => {
                let text = found.target_group_arn.clone().unwrap_or_default();
                let arn: TargetGroupArn = text.parse().map_err(|error| {
                    let attempted = format!("read the ARN of target group {}", standing.name);
                    Error::new(ErrorKind::Refused, attempted).with_source(error)
                })?;
                Some((arn, found))
            }
            None => None,
        };
        self.look_at_owners(&mut standing, found).await?;
        if let Some(group) = &standing.group {
            let arn = group.arn.clone();
            if wanted == Wanted::Undone {
                let ways = live::ways_to(elb, &arn).await.map_err(half_shown)?;
                standing.elsewhere = ways.whole()?;
                let input = DescribeTargetHealthInput::builder().target_group_arn(arn.as_str());
                let health = elb
                    .describe_target_health(input)
                    .await
                    .map_err(|error| error.into_error(format!("describe the targets of {arn}")))
                    .map_err(half_shown)?;
                standing.targets = health.target_health_descriptions().len();
            } else {
                self.look_at_attributes(&mut standing, &arn).await?;
            }
        }
        Ok(standing)
    }

    /// Reads the owner of the group, the routes by which tests reach it, and other rules with the
    /// header.
    async fn look_at_owners(
        &self,
        standing: &mut Standing,
        found: Option<(TargetGroupArn, TargetGroup)>,
    ) -> Result<()> {
        let (rules, main) = (&standing.rules, &standing.rule);
        let group = found.as_ref().map(|(arn, _)| arn);
        let candidates = match group {
            Some(group) => route::candidates(rules, main, group),
            None => Vec::new(),
        };
        let claims = match &self.header {
            Some(header) => route::claims(main, rules, header),
            None => Vec::new(),
        };
        let claims = claims.into_iter();
        let claims = claims.filter_map(|rule| Some((rule.rule_arn.as_deref()?, rule)));
        let claims = Vec::from_iter(claims);
        let named: BTreeSet<&str> = group
            .into_iter()
            .map(TargetGroupArn::as_str)
            .chain(candidates.iter().map(|(rule, _)| rule.as_str()))
            .chain(claims.iter().map(|(arn, _)| *arn))
            .collect();
        let mut tags = tags_of(&*self.aws.elb, &Vec::from_iter(named))
            .await
            .map_err(half_shown)?;
        let mut routes = Vec::new();
        for (rule, described) in &candidates {
            let marked = |key: &str| {
                let own = tags.get(rule.as_str());
                own.and_then(|own| own.get(key)).map(String::as_str) == Some(standing.arn.as_str())
            };
            let header = standing.header.as_ref();
            routes.push(Route {
                arn: rule.clone(),
                is_wanted: header.is_some_and(|header| route::is_it(described, header, main)),
                is_made: marked(MADE_FOR),
                is_adopted: marked(ATTACHED_TO),
            });
        }
        let to_turn = claims.iter().filter(|(arn, rule)| {
            let own = tags.get(*arn);
            own.is_some_and(|own| route::is_to_turn(rule, own, &standing.arn, &standing.blue_arn))
        });
        let to_turn: Vec<_> = to_turn.collect();
        let harmless = claims.iter().filter(|(arn, rule)| {
            let own = tags.get(*arn);
            own.is_some_and(|own| route::is_harmless(rule, own, main, rules, &standing.name))
        });
        let harmless = harmless.chain(to_turn.iter().copied());
        let harmless = harmless.map(|(arn, _)| (*arn).to_owned()).collect();
        let first = to_turn.first().map(|(arn, rule)| {
            let mut rule = (*rule).clone();
            edit::without_secrets(rule.actions.get_or_insert_default());
            (arn.parse().ok(), rule)
        });
        standing.to_turn = first.and_then(|(arn, rule)| Some((arn?, rule)));
        standing.routes = routes;
        standing.harmless = harmless;
        standing.group = found.map(|(arn, described)| {
            let tags = tags.remove(arn.as_str()).unwrap_or_default();
            Group {
                arn,
                described,
                tags,
            }
        });
        Ok(())
    }

    /// Reads the attributes in which a copy of blue's group differs from blue's, until the copy is
    /// attached. After that its attributes are its own.
    async fn look_at_attributes(
        &self,
        standing: &mut Standing,
        arn: &TargetGroupArn,
    ) -> Result<()> {
        let group = standing.group.as_ref();
        let is_made = group.is_some_and(|group| group.is_made_for(&standing.arn));
        if !is_made || !self.group.is_copy() || standing.weight().is_some() {
            return Ok(());
        }
        let elb = &*self.aws.elb;
        let read = async {
            let blue = attributes_of(elb, &self.blue).await?;
            Result::<_>::Ok((blue, attributes_of(elb, arn).await?))
        };
        let (blue, green) = match read.await {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Denied => {
                let failure = Failure::from(&error);
                standing
                    .not_copied
                    .insert(format!("its attributes: {failure}"));
                return Ok(());
            }
            Err(error) => return Err(half_shown(error)),
        };
        for (key, value) in blue {
            match green.get(&key) {
                Some(own) if *own == value => {}
                // AWS shows names whose value was never set, and accepts no empty value.
                Some(_) if !value.is_empty() => {
                    standing.to_copy.insert(key, value);
                }
                _ => {
                    standing.not_copied.insert(format!("{key} = {value}"));
                }
            }
        }
        Ok(())
    }
}

/// Handles a read that does not find what another read has just shown: AWS shows a change to some
/// reads a moment later.
fn half_shown(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let message = format!("{}, which another read has just shown", error.message());
    Error::new(ErrorKind::Conflict, message)
        .with_hint("try again in a minute")
        .with_source(error)
}

fn no_group(arn: &TargetGroupArn) -> Error {
    let hint = format!(
        "if the group is deleted, write a name in place of its ARN, such as `{}`: then the group is made. Else \
         check the ARN, its region and its account",
        arn.name()
    );
    Error::new(ErrorKind::NotFound, format!("describe target group {arn}")).with_hint(hint)
}

fn not_listed(rule: &RuleArn, listener: &ListenerArn) -> Error {
    let message = format!("find rule {rule} among those of listener {listener}");
    Error::new(ErrorKind::NotFound, message)
        .with_hint("the rule may have been deleted: look at its listener")
}

/// A target group, if it exists.
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

/// All attributes of a group.
async fn attributes_of(elb: &dyn ElbApi, arn: &TargetGroupArn) -> Result<BTreeMap<String, String>> {
    let input = DescribeTargetGroupAttributesInput::builder().target_group_arn(arn.as_str());
    let output = elb.describe_target_group_attributes(input).await;
    let attempted = || format!("read the attributes of target group {arn}");
    let output = output.map_err(|error| error.into_error(attempted()))?;
    let all = output.attributes.unwrap_or_default().into_iter();
    let pair = |one: TargetGroupAttribute| Some((one.key?, one.value.unwrap_or_default()));
    Ok(all.filter_map(pair).collect())
}
