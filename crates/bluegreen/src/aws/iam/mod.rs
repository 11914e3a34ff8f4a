//! The rights that each use of AWS needs, and no others.

mod look;
mod release;
mod retire;

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use super::alb::{AlbRule, RoleArn, TopicArn};
use crate::engine::Verb;

/// An IAM policy with the least rights for a migration of one rule.
///
/// Each right is bound to a resource if AWS can do that: to the rule that is written, to the journal's
/// prefix.
/// The load balancer's `Describe` calls, `cloudwatch:GetMetricData` and, for composite alarms,
/// `cloudwatch:DescribeAlarms` can only be given for all resources
/// ([load balancing](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html),
/// [CloudWatch](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html)).
///
/// A rule that is found by priority or by its groups has no ARN yet: its policy names all rules of
/// the listener. The default rule is written through its listener; by its ARN it cannot be told
/// from other rules, so name it as [`AlbRule::Default`]. The policy does not have the rights for
/// user pools that AWS asks for if a rule authenticates through Cognito.
///
/// Shown as JSON.
///
/// # Examples
///
/// ```
/// use bluegreen::aws::{alb::AlbRule, iam::IamPolicy};
///
/// let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/\
///             50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
/// let policy = IamPolicy::migration(&AlbRule::Arn(rule.parse()?))
///     .metrics()
///     .journal("moves", "production");
/// assert!(policy.actions().contains("elasticloadbalancing:ModifyRule"));
/// println!("{policy}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IamPolicy {
    version: &'static str,
    statement: Vec<Statement>,
    /// Such as `aws` or `aws-cn`.
    #[serde(skip)]
    partition: String,
}

/// The part of AWS that holds all resources of a policy. A part that is not known is `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Area {
    partition: String,
    region: String,
    account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<serde_json::Value>,
}

impl IamPolicy {
    /// The rights by which a migration reads and writes this rule at the load balancer.
    #[must_use]
    pub fn migration(rule: &AlbRule) -> Self {
        let area = Area::of(rule);
        Self::none(&area).writes(rule).reads_balancer(&[
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ])
    }

    /// Adds the right to write this rule.
    pub(crate) fn writes(self, rule: &AlbRule) -> Self {
        let listener = rule.listener();
        let (write, resource) = match rule {
            AlbRule::Arn(rule) => ("elasticloadbalancing:ModifyRule", rule.to_string()),
            AlbRule::Default(listener) => {
                ("elasticloadbalancing:ModifyListener", listener.to_string())
            }
            AlbRule::Priority { .. } | AlbRule::Only(_) => {
                let rules = listener
                    .as_str()
                    .replacen(":listener/", ":listener-rule/", 1);
                ("elasticloadbalancing:ModifyRule", format!("{rules}/*"))
            }
        };
        self.allow("MoveTraffic", &[write], vec![resource])
    }

    /// No right at all.
    pub(crate) fn none(area: &Area) -> Self {
        Self {
            version: "2012-10-17",
            statement: Vec::new(),
            partition: area.partition.clone(),
        }
    }

    /// Adds the right that gates over metrics need.
    #[must_use]
    pub fn metrics(self) -> Self {
        let action = ["cloudwatch:GetMetricData"];
        self.allow("ReadMetrics", &action, vec!["*".to_owned()])
    }

    /// Adds the right that gates over alarms need.
    #[must_use]
    pub fn alarms(self) -> Self {
        let action = ["cloudwatch:DescribeAlarms"];
        self.allow("ReadAlarms", &action, vec!["*".to_owned()])
    }

    /// Adds the rights to arm and disarm a [dead-man switch](super::alb::AlbDeadManSwitch).
    /// Schedules are bound to the account and region of the rule, and to the names that the switch
    /// gives them. Two of the rights are for asking IAM whether the role can do its work; without
    /// them that is not checked
    /// ([Scheduler](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html)).
    #[must_use]
    pub fn dead_man(mut self, rule: &AlbRule, role: &RoleArn) -> Self {
        let schedules = Area::of(rule).arn("scheduler", "schedule/default/bluegreen-*");
        self = self.allow(
            "ArmDeadManSwitch",
            &[
                "scheduler:CreateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
            ],
            vec![schedules],
        );
        self = self.allow(
            "LendDeadManRole",
            &["iam:PassRole"],
            vec![role.as_str().to_owned()],
        );
        if let Some(pass) = self.statement.last_mut() {
            pass.condition = Some(serde_json::json!({
                "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" }
            }));
        }
        self.checks_role(role)
    }

    /// Adds the rights that a [keeper of blue's capacity](super::ecs::EcsCapacityKeeper) needs.
    /// Scalable targets are bound to account and region of the rule, and to desired counts of ECS
    /// services; the read can only be given for all
    /// ([Application Auto Scaling](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html)).
    /// The keeper does not update the service itself: Application Auto Scaling asks whether its
    /// caller may.
    #[must_use]
    pub fn capacity(mut self, rule: &AlbRule, cluster: &str, service: &str) -> Self {
        let targets = Area::of(rule).arn("application-autoscaling", "scalable-target/*");
        self = self.reads_scaling();
        self = self.allow(
            "KeepCapacity",
            &["application-autoscaling:RegisterScalableTarget"],
            vec![targets],
        );
        if let Some(keep) = self.statement.last_mut() {
            keep.condition = Some(serde_json::json!({
                "StringEquals": {
                    "application-autoscaling:service-namespace": "ecs",
                    "application-autoscaling:scalable-dimension": "ecs:service:DesiredCount"
                }
            }));
        }
        self.allow(
            "ScaleBlue",
            &["ecs:DescribeServices", "ecs:UpdateService"],
            vec![service_of(rule, cluster, service)],
        )
    }

    /// The rights to judge deployments of one ECS service whose traffic ECS moves itself: to read them, their
    /// revisions and the health of their targets, to answer their pauses, and to roll them back. `arn` is the
    /// ARN of the service, or of one of its deployments; an ARN without a cluster's name allows each cluster.
    /// A judge writes no rule of the load balancer: ECS does, as the role of the service. Metrics and alarms
    /// need [`metrics`](Self::metrics) and [`alarms`](Self::alarms) too
    /// ([ECS](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html)).
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::aws::iam::IamPolicy;
    ///
    /// let policy = IamPolicy::judge("arn:aws:ecs:us-east-1:123456789012:service/shop/web").metrics();
    /// let rights = policy.actions();
    /// assert!(rights.contains("ecs:ContinueServiceDeployment"));
    /// assert!(!rights.contains("elasticloadbalancing:ModifyRule"));
    /// ```
    #[must_use]
    pub fn judge(arn: &str) -> Self {
        let (place, cluster, service) = of_service(arn);
        let policy = Self::reads_deployments(arn);
        policy.allow(
            "AnswerDeployment",
            &["ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"],
            vec![format!("{place}:service-deployment/{cluster}/{service}/*")],
        )
    }

    /// The rights to see deployments of one ECS service whose traffic ECS moves itself; see
    /// [`judge`](Self::judge).
    pub(crate) fn reads_deployments(arn: &str) -> Self {
        let (place, cluster, service) = of_service(arn);
        let of = |kind: &str, rest: &str| vec![format!("{place}:{kind}/{cluster}/{service}{rest}")];
        Self {
            version: "2012-10-17",
            statement: Vec::new(),
            partition: place.split(':').nth(1).unwrap_or("aws").to_owned(),
        }
        .allow(
            "ReadDeployment",
            &["ecs:DescribeServiceDeployments"],
            of("service-deployment", "/*"),
        )
        .allow(
            "ReadRevisions",
            &["ecs:DescribeServiceRevisions"],
            of("service-revision", "/*"),
        )
        .allow(
            "ReadService",
            &["ecs:DescribeServices", "ecs:ListServiceDeployments"],
            of("service", ""),
        )
        .allow(
            "ReadTargets",
            &["elasticloadbalancing:DescribeTargetHealth"],
            vec!["*".to_owned()],
        )
    }

    /// The right of the role of a dead-man switch: to write this rule, and nothing else.
    #[must_use]
    pub fn dead_man_role(rule: &AlbRule) -> Self {
        Self::none(&Area::of(rule)).writes(rule)
    }

    /// Adds to [that policy](Self::dead_man_role) the right that the
    /// [notice](super::alb::AlbDeadManSwitch::with_notice) of the switch needs.
    #[must_use]
    pub(crate) fn notice(self, topic: &TopicArn) -> Self {
        self.allow(
            "TellPeople",
            &["sns:Publish"],
            vec![topic.as_str().to_owned()],
        )
    }

    /// Who may assume the role of a dead-man switch: EventBridge Scheduler, for schedules of this
    /// account
    /// ([confused deputy](https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html)).
    #[must_use]
    pub(crate) fn dead_man_trust(rule: &AlbRule) -> serde_json::Value {
        let account = Area::of(rule).account;
        serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "scheduler.amazonaws.com" },
                "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "aws:SourceAccount": account } }
            }]
        })
    }

    /// Adds the rights that a journal in S3 needs. A bucket that encrypts with a key of yours needs
    /// `kms:GenerateDataKey` and `kms:Decrypt` for that key too.
    #[must_use]
    pub fn journal(mut self, bucket: &str, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let below = if prefix.is_empty() {
            "*".to_owned()
        } else {
            format!("{prefix}/*")
        };
        let bucket = self.bucket(bucket);
        let objects = format!("{bucket}/{below}");
        let listed = serde_json::json!({ "StringLike": { "s3:prefix": below } });
        self = self.allow(
            "KeepJournal",
            &["s3:GetObject", "s3:PutObject"],
            vec![objects],
        );
        self = self.allow("FindJournal", &["s3:ListBucket"], vec![bucket]);
        if let Some(list) = self.statement.last_mut() {
            list.condition = Some(listed);
        }
        self
    }

    /// The rights to ask a run for controls of the [kinds](Verb::kind) of these verbs, through its
    /// journal in S3: to write requests of these kinds and no others, and to read the journal. A
    /// person with the right to `promote` may move traffic, and with `continue` may let a run rise
    /// again; `pause` and `abort` may be for all. No other right on AWS is needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::{aws::{alb::AlbRule, iam::IamPolicy}, engine::Verb};
    ///
    /// let rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/\
    ///             50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
    /// let rule = AlbRule::Arn(rule.parse()?);
    /// let verbs = [Verb::Pause { length: None }, Verb::Abort];
    /// let all = IamPolicy::asks(&rule, "moves", "production", &verbs);
    /// assert!(all.to_string().contains("moves/production/requests/*/pause/*"));
    /// assert!(!all.to_string().contains("promote"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn asks(rule: &AlbRule, bucket: &str, prefix: &str, verbs: &[Verb]) -> Self {
        Self::none(&Area::of(rule)).asking(bucket, prefix, verbs)
    }

    /// The same for the judge of a service in this region: only the journal is reached.
    #[must_use]
    pub fn asks_in(region: &str, bucket: &str, prefix: &str, verbs: &[Verb]) -> Self {
        Self::none(&Area::named(Some(region), None)).asking(bucket, prefix, verbs)
    }

    fn asking(self, bucket: &str, prefix: &str, verbs: &[Verb]) -> Self {
        let prefix = prefix.trim_matches('/');
        let below = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let bucket = self.bucket(bucket);
        let kinds: BTreeSet<_> = verbs.iter().map(Verb::kind).collect();
        let requests = kinds
            .iter()
            .map(|kind| format!("{bucket}/{below}requests/*/{kind}/*"));
        self.allow("Ask", &["s3:PutObject"], requests.collect())
            .reads_objects(&bucket, &below)
    }

    /// Every right in it, such as `elasticloadbalancing:ModifyRule`.
    #[must_use]
    pub fn actions(&self) -> BTreeSet<&str> {
        let actions = self.statement.iter().flat_map(|one| &one.action);
        actions.copied().collect()
    }

    /// The ARN of a bucket.
    fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{name}", self.partition)
    }

    /// Puts a condition on the statement that was added last.
    fn only_if(mut self, condition: serde_json::Value) -> Self {
        if let Some(last) = self.statement.last_mut() {
            last.condition = Some(condition);
        }
        self
    }

    /// Adds these resources to the statement of this name, if it is there already: each name stands
    /// once.
    fn allow(mut self, sid: &'static str, action: &[&'static str], resource: Vec<String>) -> Self {
        if let Some(at) = self.statement.iter().position(|one| one.sid == sid) {
            let mut standing = self.statement.remove(at);
            let more = resource.into_iter();
            let more: Vec<_> = more
                .filter(|one| !standing.resource.contains(one))
                .collect();
            standing.resource.extend(more);
            self.statement.push(standing);
            return self;
        }
        self.statement.push(Statement {
            sid,
            effect: "Allow",
            action: action.to_vec(),
            resource,
            condition: None,
        });
        self
    }
}

/// The ARN of a service in the account and region of a rule.
fn service_of(rule: &AlbRule, cluster: &str, service: &str) -> String {
    Area::of(rule).service(cluster, service)
}

impl Area {
    /// The area of a rule.
    pub(crate) fn of(rule: &AlbRule) -> Self {
        let listener = rule.listener();
        let fields: Vec<&str> = listener.as_str().split(':').collect();
        match fields[..] {
            [_, partition, _, region, account, ..] => Self::new(partition, region, account),
            _ => Self::new("aws", "*", "*"),
        }
    }

    /// The area of a region and an account, if they are known.
    pub(crate) fn named(region: Option<&str>, account: Option<&str>) -> Self {
        let region = region.unwrap_or("*");
        let partition = match region {
            china if china.starts_with("cn-") => "aws-cn",
            gov if gov.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self::new(partition, region, account.unwrap_or("*"))
    }

    fn new(partition: &str, region: &str, account: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        }
    }

    /// The ARN of a resource of `service`.
    fn arn(&self, service: &str, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// The ARN of an ECS service. Both may be named by their ARNs.
    pub(crate) fn service(&self, cluster: &str, service: &str) -> String {
        let service = format!("service/{}/{}", last(cluster), last(service));
        self.arn("ecs", &service)
    }

    /// The ARN of an ECS cluster.
    fn cluster(&self, cluster: &str) -> String {
        self.arn("ecs", &format!("cluster/{}", last(cluster)))
    }
}

/// The last part of a name or an ARN.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl fmt::Display for IamPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

/// The place, the cluster and the name in the ARN of a service or of one of its deployments.
fn of_service(arn: &str) -> (&str, &str, &str) {
    let (place, path) = arn.rsplit_once(':').unwrap_or(("arn:aws:ecs:*:*", arn));
    let mut names = path.split('/').skip(1);
    match (names.next(), names.next()) {
        (Some(cluster), Some(service)) => (place, cluster, service),
        // The old form of a service's ARN does not name the cluster.
        (Some(service), None) => (place, "*", service),
        (None, _) => (place, "*", "*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::alb::{ListenerArn, RuleArn};

    const RULE: &str = "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:\
                        listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

    fn resources(policy: &IamPolicy, sid: &str) -> Vec<String> {
        let found = policy.statement.iter().find(|one| one.sid == sid);
        found.map(|one| one.resource.clone()).unwrap_or_default()
    }

    #[test]
    fn only_what_is_written_may_be_written() {
        let rule: RuleArn = RULE.parse().expect("an ARN");
        let listener: ListenerArn = rule.listener();
        let of = |rule: &AlbRule| resources(&IamPolicy::migration(rule), "MoveTraffic");
        assert_eq!(of(&AlbRule::Arn(rule)), [RULE]);
        assert_eq!(of(&AlbRule::Default(listener.clone())), [listener.as_str()]);
        let all = "arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:\
                   listener-rule/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2/*";
        assert_eq!(of(&AlbRule::Only(listener.clone())), [all]);
        let priority = 7;
        assert_eq!(of(&AlbRule::Priority { listener, priority }), [all]);
    }

    #[test]
    fn blue_alone_may_be_scaled() {
        let rule = AlbRule::Arn(RULE.parse().expect("an ARN"));
        let policy = IamPolicy::migration(&rule).capacity(&rule, "shop", "web");
        let service = "arn:aws-cn:ecs:cn-north-1:123456789012:service/shop/web";
        assert_eq!(resources(&policy, "ScaleBlue"), [service]);
        let targets =
            "arn:aws-cn:application-autoscaling:cn-north-1:123456789012:scalable-target/*";
        assert_eq!(resources(&policy, "KeepCapacity"), [targets]);
        let (cluster, arn) = (
            "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/shop",
            service,
        );
        let same = IamPolicy::migration(&rule).capacity(&rule, cluster, arn);
        assert_eq!(policy, same);
    }

    #[test]
    fn a_judge_is_bound_to_the_deployments_of_one_service() {
        let place = "arn:aws-cn:ecs:cn-north-1:123456789012";
        let policy = IamPolicy::judge(&format!("{place}:service-deployment/shop/web/Ab-1_z"));
        assert_eq!(
            policy,
            IamPolicy::judge(&format!("{place}:service/shop/web"))
        );
        let of = |sid: &str| resources(&policy, sid);
        let deployments = [format!("{place}:service-deployment/shop/web/*")];
        assert_eq!(of("AnswerDeployment"), deployments);
        assert_eq!(of("ReadDeployment"), deployments);
        assert_eq!(
            of("ReadRevisions"),
            [format!("{place}:service-revision/shop/web/*")]
        );
        assert_eq!(of("ReadService"), [format!("{place}:service/shop/web")]);
        let old = IamPolicy::judge(&format!("{place}:service/web"));
        assert_eq!(
            resources(&old, "AnswerDeployment"),
            [format!("{place}:service-deployment/*/web/*")]
        );
    }

    #[test]
    fn each_kind_of_request_can_be_given_to_others() {
        let rule = AlbRule::Arn(RULE.parse().expect("an ARN"));
        let verbs = [Verb::Pause { length: None }, Verb::Abort];
        let policy = IamPolicy::asks(&rule, "moves", "/a/b/", &verbs);
        assert_eq!(
            resources(&policy, "Ask"),
            [
                "arn:aws-cn:s3:::moves/a/b/requests/*/abort/*",
                "arn:aws-cn:s3:::moves/a/b/requests/*/pause/*"
            ]
        );
        assert_eq!(
            resources(&policy, "ReadJournal"),
            ["arn:aws-cn:s3:::moves/a/b/*"]
        );
        let whole = IamPolicy::asks(&rule, "moves", "", &[Verb::Promote, Verb::PromoteFully]);
        assert_eq!(
            resources(&whole, "Ask"),
            ["arn:aws-cn:s3:::moves/requests/*/promote/*"]
        );
        let written = ["s3:PutObject", "s3:GetObject", "s3:ListBucket"];
        assert_eq!(whole.actions(), written.into_iter().collect());
    }

    #[test]
    fn a_journal_is_bound_to_its_prefix_and_partition() {
        let rule = AlbRule::Arn(RULE.parse().expect("an ARN"));
        let policy = IamPolicy::migration(&rule).journal("moves", "/a/b/");
        assert_eq!(
            resources(&policy, "KeepJournal"),
            ["arn:aws-cn:s3:::moves/a/b/*"]
        );
        assert_eq!(resources(&policy, "FindJournal"), ["arn:aws-cn:s3:::moves"]);
        let whole = IamPolicy::migration(&rule).journal("moves", "");
        assert_eq!(
            resources(&whole, "KeepJournal"),
            ["arn:aws-cn:s3:::moves/*"]
        );
    }
}
