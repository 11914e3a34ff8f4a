//! What stands: the rule, the groups, the routes, and whose they are.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::{
    operation::{
        create_target_group::{CreateTargetGroupInput, builders::CreateTargetGroupInputBuilder},
        describe_tags::DescribeTagsInput,
        describe_target_groups::{
            DescribeTargetGroupsInput, builders::DescribeTargetGroupsInputBuilder,
        },
        describe_target_health::DescribeTargetHealthInput,
    },
    types::{Rule, Tag, TargetGroup},
};

use super::{ATTACHED_TO, GreenPlace, MADE_FOR, PlaceReport, PlaceStep, TestHeader, Wanted, route};
use crate::{
    aws::{
        alb::{
            ListenerArn, RuleArn, TargetGroupArn, TargetGroupSpec,
            rule::{edit, forward, live, locate, routing},
            spec::target_group_spec::is_name,
        },
        api::ElbApi,
    },
    error::{Error, ErrorKind, Result},
    preflight::{Finding, Severity},
};

/// A forward takes up to five groups
/// ([quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)).
const MOST_GROUPS: usize = 5;
/// So many resources a call
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html)).
const TAGGED_AT_ONCE: usize = 20;

/// Green's target group: one that exists, or one by its name, made where it does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct GreenGroup {
    choice: Choice,
    port: Option<u16>,
    health_path: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Choice {
    Existing(TargetGroupArn),
    Named(String),
    Specified(TargetGroupSpec),
}

impl GreenGroup {
    /// A group that exists.
    #[must_use]
    pub fn existing(arn: TargetGroupArn) -> Self {
        Self::new(Choice::Existing(arn))
    }

    /// A group by its name: up to 32 letters, digits and hyphens. Where there is none, it is made
    /// with the settings of blue's: protocol, port, network, health check, success codes, target
    /// type. Its attributes (deregistration delay, slow start, stickiness) are AWS's defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Choice::Named(name.into()))
    }

    /// A group by the name in its file; where there is none, it is made as the file says.
    #[must_use]
    pub fn specified(spec: TargetGroupSpec) -> Self {
        Self::new(Choice::Specified(spec))
    }

    fn new(choice: Choice) -> Self {
        Self {
            choice,
            port: None,
            health_path: None,
        }
    }

    /// Its port instead of blue's. A group that exists must have it.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Its health check's path instead of blue's. A group that exists must have it.
    #[must_use]
    pub fn with_health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = Some(path.into());
        self
    }

    pub(super) fn name(&self) -> &str {
        match &self.choice {
            Choice::Existing(arn) => arn.name(),
            Choice::Named(name) => name,
            Choice::Specified(spec) => spec.name().unwrap_or_default(),
        }
    }

    pub(super) fn check(&self, blue: &TargetGroupArn) -> Result<()> {
        let name = self.name();
        let invalid = |message: String, hint: &str| {
            Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
        };
        if name == blue.name() {
            let message = format!("prepare a place for green: {name} is blue's own target group");
            return invalid(message, "give green a target group of its own");
        }
        if !is_name(name) {
            let message = format!("prepare a place for green: `{name}` is no target group's name");
            return invalid(
                message,
                "up to 32 letters, digits and hyphens, no hyphen at either end",
            );
        }
        if let Choice::Specified(spec) = &self.choice {
            let findings = spec.findings();
            let stops = findings.iter().filter(|one| one.severity != Severity::Note);
            let reasons: Vec<&str> = stops.map(|one| one.message.as_str()).collect();
            if !reasons.is_empty() {
                let message = format!("prepare a place for green: {}", reasons.join("; "));
                return invalid(message, "mend the target group's file");
            }
        }
        match &self.health_path {
            Some(path) if !path.starts_with('/') => invalid(
                format!("prepare a place for green: `{path}` is no path"),
                "a health check's path begins with `/`",
            ),
            _ => Ok(()),
        }
    }
}

/// The request that makes green's group as blue's is, but for what was asked for.
pub(super) fn create_input(
    wanted: &GreenGroup,
    blue: &TargetGroup,
    rule: &str,
) -> CreateTargetGroupInputBuilder {
    let path = wanted.health_path.clone();
    let tags = [tag(MADE_FOR, rule), tag(ATTACHED_TO, rule)];
    if let Choice::Specified(spec) = &wanted.choice {
        let mut input = spec.create_input(tags.into());
        if let Some(port) = wanted.port {
            input = input.port(port.into());
        }
        return match path {
            Some(path) => input.health_check_path(path),
            None => input,
        };
    }
    CreateTargetGroupInput::builder()
        .name(wanted.name())
        .set_protocol(blue.protocol.clone())
        .set_protocol_version(blue.protocol_version.clone())
        .set_port(wanted.port.map(i32::from).or(blue.port))
        .set_vpc_id(blue.vpc_id.clone())
        .set_health_check_protocol(blue.health_check_protocol.clone())
        .set_health_check_port(blue.health_check_port.clone())
        .set_health_check_enabled(blue.health_check_enabled)
        .set_health_check_path(path.or_else(|| blue.health_check_path.clone()))
        .set_health_check_interval_seconds(blue.health_check_interval_seconds)
        .set_health_check_timeout_seconds(blue.health_check_timeout_seconds)
        .set_healthy_threshold_count(blue.healthy_threshold_count)
        .set_unhealthy_threshold_count(blue.unhealthy_threshold_count)
        .set_matcher(blue.matcher.clone())
        .set_target_type(blue.target_type.clone())
        .set_ip_address_type(blue.ip_address_type.clone())
        .set_tags(Some(tags.into()))
}

pub(in crate::aws::alb) fn tag(key: &str, value: &str) -> Tag {
    // Infallible: the key is there.
    Tag::builder().key(key).value(value).build()
}

/// Everything that a step is decided by.
#[derive(Debug)]
pub(super) struct Standing {
    /// The rule that divides the traffic, without secrets.
    pub(super) arn: RuleArn,
    pub(super) rule: Rule,
    /// All rules of its listener.
    pub(super) rules: Vec<Rule>,
    pub(super) blue_arn: TargetGroupArn,
    pub(super) blue: TargetGroup,
    /// What green's group is called, there or not.
    pub(super) name: String,
    pub(super) group: Option<Group>,
    pub(super) wanted: GreenGroup,
    pub(super) header: Option<TestHeader>,
    pub(super) routes: Vec<Route>,
    /// Read only to undo.
    pub(super) elsewhere: Vec<live::Route>,
    pub(super) targets: usize,
}

/// Green's group as it is.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) arn: TargetGroupArn,
    pub(super) described: TargetGroup,
    tags: Tags,
}

/// A rule by which requests with a certain header reach green alone.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) arn: RuleArn,
    /// It is the test route that is wanted: that header, and asked before the main rule.
    pub(super) is_wanted: bool,
    pub(super) is_made: bool,
}

type Tags = BTreeMap<String, String>;

impl Group {
    pub(super) fn is_made_for(&self, rule: &RuleArn) -> bool {
        self.tags.get(MADE_FOR).map(String::as_str) == Some(rule.as_str())
    }

    pub(super) fn is_attached_by(&self, rule: &RuleArn) -> bool {
        self.tags.get(ATTACHED_TO).map(String::as_str) == Some(rule.as_str())
    }
}

impl Standing {
    /// Green's weight in the rule, if it is attached.
    pub(super) fn weight(&self) -> Option<i32> {
        let group = self.group.as_ref()?;
        let groups = forward::groups_of_rule(&self.rule);
        let found = groups.iter().find(|one| one.arn == group.arn.as_str());
        found.map(|one| one.weight)
    }

    /// Whether the test route is there.
    pub(super) fn has_route(&self) -> bool {
        self.routes.iter().any(|route| route.is_wanted)
    }

    /// Why the rule or the group does not do.
    pub(super) fn unfit(&self) -> Vec<Finding> {
        let green = self.group.as_ref().map(|group| &group.arn);
        let known: Vec<&TargetGroupArn> = [Some(&self.blue_arn), green]
            .into_iter()
            .flatten()
            .collect();
        let mut reasons = routing::unwritable(&self.arn, &self.rule, &known);
        let groups = forward::groups_of_rule(&self.rule);
        if !groups.iter().any(|one| one.arn == self.blue_arn.as_str()) {
            reasons.push(
                Finding::refusal(format!(
                    "rule {} does not forward to blue's target group {}",
                    self.arn, self.blue_arn
                ))
                .with_hint("name the rule that sends traffic to blue"),
            );
        }
        if self.weight().is_none() && groups.len() >= MOST_GROUPS {
            reasons.push(
                Finding::refusal(format!(
                    "rule {} has {MOST_GROUPS} target groups already",
                    self.arn
                ))
                .with_hint("take out a group that gets no traffic"),
            );
        }
        if let Some(group) = &self.group {
            reasons.extend(self.misfits(group));
        }
        reasons
    }

    /// In what a group that exists is not what was asked for.
    fn misfits(&self, group: &Group) -> Vec<Finding> {
        let (green, blue) = (&group.described, &self.blue);
        let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let mut wrong = Vec::new();
        let mut compare = |what: &str, found: Option<String>, wanted: Option<String>| {
            if found != wanted {
                let (found, wanted) = (shown(found), shown(wanted));
                wrong.push(format!("its {what} is {found}, not {wanted}"));
            }
        };
        compare("network", green.vpc_id.clone(), blue.vpc_id.clone());
        let kind = |group: &TargetGroup| {
            let kind = group.target_type.as_ref();
            kind.map(|kind| kind.as_str().to_owned())
        };
        compare("target type", kind(green), kind(blue));
        if let Some(port) = self.wanted.port {
            let found = green.port.map(|port| port.to_string());
            compare("port", found, Some(port.to_string()));
        }
        if let Some(path) = &self.wanted.health_path {
            compare(
                "health check's path",
                green.health_check_path.clone(),
                Some(path.clone()),
            );
        }
        let own = self.arn.listener().load_balancer();
        let foreign: Vec<&str> = green
            .load_balancer_arns()
            .iter()
            .map(String::as_str)
            .filter(|balancer| *balancer != own.as_str())
            .collect();
        if !foreign.is_empty() {
            wrong.push(format!("it serves {}", foreign.join(", ")));
        }
        let name = &self.name;
        wrong
            .into_iter()
            .map(|what| {
                Finding::refusal(format!("target group {name} is there, but {what}"))
                    .with_hint("change that group, or give green another name")
            })
            .collect()
    }

    /// Why green's place cannot be taken back now.
    pub(super) fn in_use(&self, is_made: bool) -> Vec<Finding> {
        let mut reasons = Vec::new();
        let name = &self.name;
        if let Some(weight) = self.weight().filter(|weight| *weight > 0) {
            reasons.push(
                Finding::refusal(format!(
                    "target group {name} has weight {weight} in rule {}",
                    self.arn
                ))
                .with_hint("put all traffic back on blue first"),
            );
        }
        if !is_made {
            return reasons;
        }
        let ours = |rule: &Option<RuleArn>| {
            let made = self.routes.iter().filter(|route| route.is_made);
            let mut own = made.map(|route| &route.arn).chain([&self.arn]);
            rule.as_ref().is_some_and(|rule| own.any(|one| one == rule))
        };
        for route in self.elsewhere.iter().filter(|route| !ours(&route.arn)) {
            reasons.push(
                Finding::refusal(format!("target group {name} is named by {}", route.rule))
                    .with_hint("take it out of that rule first"),
            );
        }
        if self.targets > 0 {
            reasons.push(
                Finding::refusal(format!(
                    "target group {name} has {} registered targets",
                    self.targets
                ))
                .with_hint("stop or delete the service that registers them first"),
            );
        }
        reasons
    }

    pub(super) fn into_report(self, done: Vec<PlaceStep>) -> PlaceReport {
        let mut notes = Vec::new();
        let made = |step: &PlaceStep| matches!(step, PlaceStep::CreateGroup { .. });
        if done.iter().any(made) {
            notes.push(Finding::note(format!(
                "target group {} has AWS's default attributes: deregistration delay, slow start, \
                 stickiness and algorithm are not copied from blue",
                self.name
            )));
        }
        let route = self.routes.into_iter().find(|route| route.is_wanted);
        PlaceReport {
            rule: self.arn,
            group: self.group.map(|group| group.arn),
            route: route.map(|route| route.arn),
            done,
            notes,
        }
    }
}

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
            standing.elsewhere = live::routes_to(elb, &arn).await?;
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

/// The tags of each of these.
pub(in crate::aws::alb) async fn tags_of(
    elb: &dyn ElbApi,
    arns: &[&str],
) -> Result<BTreeMap<String, Tags>> {
    let mut all = BTreeMap::new();
    for some in arns.chunks(TAGGED_AT_ONCE) {
        let some: Vec<String> = some.iter().map(|&arn| arn.to_owned()).collect();
        let attempted = format!("read the tags of {}", some.join(", "));
        let input = DescribeTagsInput::builder().set_resource_arns(Some(some));
        let output = elb
            .describe_tags(input)
            .await
            .map_err(|error| error.into_error(attempted))?;
        for described in output.tag_descriptions.unwrap_or_default() {
            let tags = described.tags.unwrap_or_default().into_iter();
            let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            all.insert(described.resource_arn.unwrap_or_default(), tags.collect());
        }
    }
    Ok(all)
}
