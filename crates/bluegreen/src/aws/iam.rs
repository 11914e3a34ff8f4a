//! The rights that a migration needs, and no others.

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
        Self {
            version: "2012-10-17",
            statement: Vec::new(),
        }
        .allow("MoveTraffic", &[write], vec![resource])
        .allow(
            "ReadLoadBalancer",
            &[
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            vec!["*".to_owned()],
        )
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
        let (partition, region, account) = place_of(rule);
        let schedules =
            format!("arn:{partition}:scheduler:{region}:{account}:schedule/default/bluegreen-*");
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
        self.allow(
            "CheckDeadManRole",
            &["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            vec![role.as_str().to_owned()],
        )
    }

    /// Adds the rights that a [keeper of blue's capacity](super::ecs::EcsCapacityKeeper) needs.
    /// Scalable targets are bound to account and region of the rule, and to desired counts of ECS
    /// services; the read can only be given for all
    /// ([Application Auto Scaling](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html)).
    /// The keeper does not update the service itself: Application Auto Scaling asks whether its
    /// caller may.
    #[must_use]
    pub fn capacity(mut self, rule: &AlbRule, cluster: &str, service: &str) -> Self {
        let (partition, region, account) = place_of(rule);
        self = self.allow(
            "ReadScaling",
            &["application-autoscaling:DescribeScalableTargets"],
            vec!["*".to_owned()],
        );
        self = self.allow(
            "KeepCapacity",
            &["application-autoscaling:RegisterScalableTarget"],
            vec![format!(
                "arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*"
            )],
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
        let (place, path) = arn.rsplit_once(':').unwrap_or(("arn:aws:ecs:*:*", arn));
        let names: Vec<&str> = path.split('/').skip(1).collect();
        let (cluster, service) = match names[..] {
            [cluster, service, ..] => (cluster, service),
            // The old form of a service's ARN does not name the cluster.
            [service] => ("*", service),
            [] => ("*", "*"),
        };
        let of = |kind: &str, rest: &str| vec![format!("{place}:{kind}/{cluster}/{service}{rest}")];
        Self {
            version: "2012-10-17",
            statement: Vec::new(),
        }
        .allow(
            "AnswerDeployment",
            &["ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"],
            of("service-deployment", "/*"),
        )
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

    /// The rights by which a [retirement](super::retire::Retirement) looks at the rule, at its metrics and at its
    /// dead-man switch. They change nothing.
    #[must_use]
    pub fn retirement(rule: &AlbRule) -> Self {
        let (partition, region, account) = place_of(rule);
        let schedules =
            format!("arn:{partition}:scheduler:{region}:{account}:schedule/default/bluegreen-*");
        Self {
            version: "2012-10-17",
            statement: Vec::new(),
        }
        .allow(
            "ReadDeadManSwitch",
            &["scheduler:GetSchedule"],
            vec![schedules],
        )
        .allow(
            "ReadLoadBalancer",
            &[
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTags",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            vec!["*".to_owned()],
        )
        .metrics()
    }

    /// Adds the rights to scale a service to zero, to record that in a tag, and to put its minimum back.
    #[must_use]
    pub fn scale_to_zero(self, rule: &AlbRule, cluster: &str, service: &str) -> Self {
        let service_arn = service_of(rule, cluster, service);
        self.capacity(rule, cluster, service).allow(
            "RecordRetirement",
            &["ecs:TagResource"],
            vec![service_arn],
        )
    }

    /// Adds the rights to delete a service, and to look which other services of its cluster use the same
    /// target group.
    #[must_use]
    pub fn delete_service(mut self, rule: &AlbRule, cluster: &str, service: &str) -> Self {
        let (partition, region, account) = place_of(rule);
        let cluster_name = cluster.rsplit('/').next().unwrap_or(cluster);
        let arn = |kind: &str, rest: &str| {
            format!("arn:{partition}:ecs:{region}:{account}:{kind}/{cluster_name}{rest}")
        };
        let deleted = service_of(rule, cluster, service);
        self = self.allow("DeleteService", &["ecs:DeleteService"], vec![deleted]);
        self = self.allow(
            "ReadServices",
            &["ecs:DescribeServices"],
            vec![arn("service", "/*")],
        );
        self = self.allow("ListServices", &["ecs:ListServices"], vec!["*".to_owned()]);
        if let Some(list) = self.statement.last_mut() {
            // Both sides may be of different clusters.
            let mut clusters =
                list.condition.take().unwrap_or_default()["ArnEquals"]["ecs:cluster"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
            let cluster = serde_json::json!(arn("cluster", ""));
            if !clusters.contains(&cluster) {
                clusters.push(cluster);
            }
            list.condition = Some(serde_json::json!({ "ArnEquals": { "ecs:cluster": clusters } }));
        }
        self
    }

    /// Adds the rights to take a target group out of this rule, to delete test routes of its listener, and to
    /// delete the group.
    #[must_use]
    pub fn delete_group(self, rule: &AlbRule, group: &str) -> Self {
        let (partition, region, account) = place_of(rule);
        let rules = rule
            .listener()
            .as_str()
            .replacen(":listener/", ":listener-rule/", 1);
        let groups = format!(
            "arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/{group}/*"
        );
        let mut moves = Self::migration(rule);
        moves.statement.retain(|one| one.sid == "MoveTraffic");
        let writes = moves.statement.pop();
        let mut policy = self;
        if let Some(Statement {
            action, resource, ..
        }) = writes
        {
            policy = policy.allow("WriteRule", &action, resource);
        }
        policy
            .allow(
                "DeleteTestRoutes",
                &["elasticloadbalancing:DeleteRule"],
                vec![format!("{rules}/*")],
            )
            .allow(
                "DeleteTargetGroup",
                &["elasticloadbalancing:DeleteTargetGroup"],
                vec![groups],
            )
    }

    /// The right of the role of a dead-man switch: to write this rule, and nothing else.
    #[must_use]
    pub fn dead_man_role(rule: &AlbRule) -> Self {
        let mut policy = Self::migration(rule);
        policy.statement.retain(|one| one.sid == "MoveTraffic");
        policy
    }

    /// Adds to [that policy](Self::dead_man_role) the right that the
    /// [notice](super::alb::AlbDeadManSwitch::with_notice) of the switch needs.
    #[must_use]
    pub fn notice(self, topic: &TopicArn) -> Self {
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
    pub fn dead_man_trust(rule: &AlbRule) -> serde_json::Value {
        let listener = rule.listener();
        let account = listener.as_str().split(':').nth(4).unwrap_or_default();
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
        let partition = self.partition();
        let bucket = format!("arn:{partition}:s3:::{bucket}");
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
        let prefix = prefix.trim_matches('/');
        let below = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let (partition, ..) = place_of(rule);
        let bucket = format!("arn:{partition}:s3:::{bucket}");
        let kinds: BTreeSet<_> = verbs.iter().map(Verb::kind).collect();
        let requests = kinds
            .iter()
            .map(|kind| format!("{bucket}/{below}requests/*/{kind}/*"));
        let mut policy = Self {
            version: "2012-10-17",
            statement: Vec::new(),
        }
        .allow("Ask", &["s3:PutObject"], requests.collect())
        .allow(
            "ReadJournal",
            &["s3:GetObject"],
            vec![format!("{bucket}/{below}*")],
        )
        .allow("FindJournal", &["s3:ListBucket"], vec![bucket]);
        if let Some(list) = policy.statement.last_mut() {
            let listed = serde_json::json!({ "StringLike": { "s3:prefix": format!("{below}*") } });
            list.condition = Some(listed);
        }
        policy
    }

    /// Every right in it, such as `elasticloadbalancing:ModifyRule`.
    #[must_use]
    pub fn actions(&self) -> BTreeSet<&str> {
        let actions = self.statement.iter().flat_map(|one| &one.action);
        actions.copied().collect()
    }

    /// The partition of the resources that are written: `aws`, `aws-cn` and so on.
    fn partition(&self) -> &str {
        let written = self.statement.first().and_then(|one| one.resource.first());
        let partition = written.and_then(|arn| arn.split(':').nth(1));
        partition.unwrap_or("aws")
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
    let (partition, region, account) = place_of(rule);
    let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let (cluster, service) = (name(cluster), name(service));
    format!("arn:{partition}:ecs:{region}:{account}:service/{cluster}/{service}")
}

/// Partition, region and account of a rule.
fn place_of(rule: &AlbRule) -> (String, String, String) {
    let listener = rule.listener();
    let fields: Vec<&str> = listener.as_str().split(':').collect();
    let (partition, region, account) = match fields[..] {
        [_, partition, _, region, account, ..] => (partition, region, account),
        _ => ("aws", "*", "*"),
    };
    (partition.to_owned(), region.to_owned(), account.to_owned())
}

impl fmt::Display for IamPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
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
