//! The present state: the rule, the groups, the routes, and their owners.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::{
    operation::create_target_group::{
        CreateTargetGroupInput, builders::CreateTargetGroupInputBuilder,
    },
    types::{Rule, TargetGroup},
};

use super::TestHeader;
use crate::{
    aws::alb::{
        RuleArn, TargetGroupArn, TargetGroupSpec,
        rule::{forward, live, routing},
        spec::target_group_spec::is_name,
        tags::{ATTACHED_TO, MADE_FOR, Tags, tag},
    },
    error::{Error, ErrorKind, Result},
    preflight::{Finding, Severity},
};

/// A forward takes up to five groups
/// ([quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html)).
const MOST_GROUPS: usize = 5;
/// Green's target group: an existing one, or one by its name, which is made if it does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct GreenGroup {
    pub(super) choice: Choice,
    port: Option<u16>,
    health_path: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
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

    /// A group by its name: up to 32 letters, digits and hyphens. If it does not exist, it is made
    /// with the settings of blue's: protocol, port, network, health check, success codes, target
    /// type, address type, control port; and with its attributes, such as deregistration delay, slow
    /// start, stickiness and algorithm. Settings that could not be copied are reported.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Choice::Named(name.into()))
    }

    /// A group by the name in its file; if it does not exist, it is made as the file says.
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

    /// Sets the group's port instead of blue's. An existing group must have this port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the path of the group's health check instead of blue's. An existing group must have this
    /// path.
    #[must_use]
    pub fn with_health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = Some(path.into());
        self
    }

    /// Whether the group, if it is made, is a copy of blue's.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self.choice, Choice::Named(_))
    }

    /// The name of the group; empty if its definition has none.
    #[must_use]
    pub fn name(&self) -> &str {
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
            let message =
                format!("prepare a place for green: `{name}` is not a target group's name");
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
                return invalid(message, "correct the target group's file");
            }
        }
        match &self.health_path {
            Some(path) if !path.starts_with('/') => invalid(
                format!("prepare a place for green: `{path}` is not a path"),
                "a health check's path begins with `/`",
            ),
            _ => Ok(()),
        }
    }
}

/// The request that makes green's group, from its file or as a copy of blue's, with the wanted port
/// and path.
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
        .set_target_control_port(blue.target_control_port)
        .set_tags(Some(tags.into()))
}

/// Everything that decides the next step.
#[derive(Debug)]
pub(super) struct Standing {
    /// The rule that divides the traffic, without secrets.
    pub(super) arn: RuleArn,
    pub(super) rule: Rule,
    /// All rules of its listener.
    pub(super) rules: Vec<Rule>,
    pub(super) blue_arn: TargetGroupArn,
    pub(super) blue: TargetGroup,
    /// The name of green's group, which may not exist.
    pub(super) name: String,
    pub(super) group: Option<Group>,
    pub(super) wanted: GreenGroup,
    pub(super) header: Option<TestHeader>,
    pub(super) routes: Vec<Route>,
    /// Rules that also ask for the header, but take no requests from the test route.
    pub(super) harmless: BTreeSet<String>,
    /// The test route of an earlier release, which leads to blue now.
    pub(super) to_turn: Option<(RuleArn, Rule)>,
    /// Attributes of blue's group that green's does not have yet.
    pub(super) to_copy: BTreeMap<String, String>,
    /// Settings of blue's group that are not copied.
    pub(super) not_copied: BTreeSet<String>,
    /// Other routes to green's group; read for an undo alone.
    pub(super) elsewhere: Vec<live::Route>,
    pub(super) targets: usize,
}

/// Green's group as it was read.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) arn: TargetGroupArn,
    pub(super) described: TargetGroup,
    pub(super) tags: Tags,
}

/// A rule that forwards requests with a certain header to green alone.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) arn: RuleArn,
    /// Whether this is the wanted test route: it asks for the wanted header, before the main rule.
    pub(super) is_wanted: bool,
    /// Whether it was made for this rule.
    pub(super) is_made: bool,
    /// Whether it existed before, and is tagged as this rule's.
    pub(super) is_adopted: bool,
}

impl Route {
    pub(super) fn is_marked(&self) -> bool {
        self.is_made || self.is_adopted
    }
}

impl Group {
    pub(super) fn is_made_for(&self, rule: &RuleArn) -> bool {
        self.tags.get(MADE_FOR).map(String::as_str) == Some(rule.as_str())
    }

    pub(super) fn is_attached_by(&self, rule: &RuleArn) -> bool {
        self.marks_of(rule).next().is_some()
    }

    /// The keys of the tags that attach the group to `rule`.
    pub(super) fn marks_of(&self, rule: &RuleArn) -> impl Iterator<Item = &String> {
        let marks = self.tags.iter();
        marks
            .filter(|(key, value)| key.starts_with(ATTACHED_TO) && *value == rule.as_str())
            .map(|(key, _)| key)
    }

    /// The key for a new tag of `rule`, which overwrites no tag of another rule.
    pub(super) fn mark_for(&self, rule: &RuleArn) -> String {
        if self.tags.contains_key(ATTACHED_TO) {
            let id = rule.as_str().rsplit('/').next().unwrap_or_default();
            format!("{ATTACHED_TO}:{id}")
        } else {
            ATTACHED_TO.to_owned()
        }
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

    /// Returns why the rule or the group cannot be used.
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
                .with_hint(match idle(&groups, &self.blue_arn) {
                    Some(idle) => format!("take out {idle}, which gets no traffic by this rule"),
                    None => "all of them serve: name a rule that has fewer".to_owned(),
                }),
            );
        }
        if let Some(group) = &self.group {
            reasons.extend(self.misfits(group));
        }
        reasons
    }

    /// Returns the differences between an existing group and the wanted one.
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
        if let Choice::Specified(spec) = &self.wanted.choice {
            // Settings that were given beside the file were compared above.
            let beside = [
                ("Port", self.wanted.port.is_some()),
                ("HealthCheckPath", self.wanted.health_path.is_some()),
                ("VpcId", green.vpc_id != blue.vpc_id),
                ("TargetType", kind(green) != kind(blue)),
            ];
            let is_beside = |field: &str| beside.contains(&(field, true));
            // A field that the file leaves out may have been set by hand.
            let apart = spec
                .differences(green)
                .into_iter()
                .filter(|(field, _)| spec.says(field) && !is_beside(field));
            wrong.extend(apart.map(|(_, line)| line));
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
                Finding::refusal(format!("target group {name} exists, but {what}"))
                    .with_hint("change that group, or give green another name")
            })
            .collect()
    }

    /// Whether any rule, except our test routes, gives green's group weight.
    fn serves(&self) -> bool {
        let routes = self.elsewhere.iter();
        let mut foreign = routes.filter(|route| !self.is_made_route(route.arn.as_ref()));
        self.weight().is_some_and(|weight| weight > 0) || foreign.any(|route| route.weight > 0)
    }

    /// Whether a rule is a test route that was made for this place.
    fn is_made_route(&self, rule: Option<&RuleArn>) -> bool {
        let mut made = self.routes.iter().filter(|route| route.is_made);
        made.any(|route| Some(&route.arn) == rule)
    }

    /// Returns why green's place cannot be removed now.
    pub(super) fn in_use(&self, is_made: bool) -> Vec<Finding> {
        let mut reasons = Vec::new();
        let name = &self.name;
        if let Some(weight) = self.weight().filter(|weight| *weight > 0) {
            reasons.push(
                Finding::refusal(format!(
                    "target group {name} has weight {weight} in rule {}",
                    self.arn
                ))
                .with_hint(
                    "the group serves, so its place stays; it can be removed once the weight is 0",
                ),
            );
        }
        if !is_made {
            return reasons;
        }
        let ours = |rule: &Option<RuleArn>| {
            self.is_made_route(rule.as_ref()) || rule.as_ref() == Some(&self.arn)
        };
        for route in self.elsewhere.iter().filter(|route| !ours(&route.arn)) {
            reasons.push(
                Finding::refusal(format!("target group {name} is named by {}", route.rule))
                    .with_hint(if route.weight == 0 {
                        "take the group out of that rule first"
                    } else {
                        "the group serves by that rule, so its place stays"
                    }),
            );
        }
        if self.targets > 0 {
            reasons.push(
                Finding::refusal(format!(
                    "target group {name} has {} registered targets",
                    self.targets
                ))
                .with_hint(if self.serves() {
                    "the targets serve: leave the service that registers them as it is"
                } else {
                    "stop or delete the service that registers the targets first"
                }),
            );
        }
        reasons
    }
}

/// The groups, except blue's, that have no weight.
fn idle(groups: &[forward::Group<'_>], blue: &TargetGroupArn) -> Option<String> {
    let idle = groups
        .iter()
        .filter(|one| one.weight == 0 && one.arn != blue.as_str());
    let names: Vec<&str> = idle.map(|one| one.arn).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}
