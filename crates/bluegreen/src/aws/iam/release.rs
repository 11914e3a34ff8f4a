//! The rights to make green's place, and to deploy a service into it.

use super::{Area, IamPolicy};
use crate::aws::alb::AlbRule;

/// The reads by which a place is found as it stands, and what else uses it.
const READS_OF_PLACE: [&str; 6] = [
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
];

impl IamPolicy {
    /// Adds the rights to make the [place](crate::aws::alb::GreenPlace) of this target group beside a rule, and to
    /// remove it. The load balancer asks for the right to tag when it creates something with tags
    /// ([load balancing](https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html)).
    pub(crate) fn place(self, rule: &AlbRule, group: &str) -> Self {
        let area = Area::of(rule);
        let listener = rule.listener();
        let rules = listener
            .as_str()
            .replacen(":listener/", ":listener-rule/", 1);
        let rules = format!("{rules}/*");
        // The tag of a route names the rule for which the route was made.
        let made_for = match rule {
            AlbRule::Arn(rule) => rule.to_string(),
            _ => rules.clone(),
        };
        let groups = area.arn("elasticloadbalancing", &format!("targetgroup/{group}/*"));
        self.allow(
            "MakeTestRoute",
            &["elasticloadbalancing:CreateRule"],
            vec![listener.to_string()],
        )
        .allow(
            "RemoveTestRoute",
            &["elasticloadbalancing:DeleteRule"],
            vec![rules.clone()],
        )
        .allow(
            "TurnTestRoute",
            &["elasticloadbalancing:ModifyRule"],
            vec![rules.clone()],
        )
        .only_if(serde_json::json!({
            "StringLike": { "aws:ResourceTag/bluegreen:made-for": made_for }
        }))
        .allow(
            "MakeTargetGroup",
            &[
                "elasticloadbalancing:CreateTargetGroup",
                "elasticloadbalancing:DeleteTargetGroup",
                "elasticloadbalancing:ModifyTargetGroupAttributes",
            ],
            vec![groups.clone()],
        )
        .allow(
            "TagPlace",
            &[
                "elasticloadbalancing:AddTags",
                "elasticloadbalancing:RemoveTags",
            ],
            vec![rules, groups],
        )
        .reads_balancer(&READS_OF_PLACE)
    }

    /// Adds the rights to see whether the place is there.
    pub(crate) fn reads_of_place(self) -> Self {
        self.reads_balancer(&[
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
        ])
    }

    /// Adds the rights to see what a deployment replaces, and whether users reach it.
    pub(crate) fn reads_of_deployment(self) -> Self {
        let all = || vec!["*".to_owned()];
        self.reads_balancer(&[
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ])
        .allow(
            "ReadRevisions",
            &["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"],
            all(),
        )
    }

    /// Adds the rights to deploy a service: to read it, its revisions and its tasks, to register a task
    /// definition, and to update the service or to create it.
    ///
    /// The roles of the tasks stand in the task definition: bind `iam:PassRole` to these roles.
    pub(crate) fn deployment(self, area: &Area, cluster: &str, service: &str) -> Self {
        let own = area.service(cluster, service);
        let last = |arn: &str| {
            arn.rsplit_once(":service/")
                .map(|(_, rest)| rest.to_owned())
        };
        let path = last(&own).unwrap_or_default();
        let cluster_name = path.split('/').next().unwrap_or_default().to_owned();
        let definitions = area.arn("ecs", "task-definition/*");
        let roles = format!("arn:{}:iam::{}:role/*", area.partition, area.account);
        self.reads_of_deployment()
            .allow(
                "UpdateService",
                &[
                    "ecs:CreateService",
                    "ecs:DescribeServices",
                    "ecs:UpdateService",
                ],
                vec![own.clone()],
            )
            .allow(
                "RegisterRevision",
                &["ecs:RegisterTaskDefinition"],
                vec![definitions.clone()],
            )
            .allow("TagRevision", &["ecs:TagResource"], vec![own, definitions])
            .allow(
                "ReadServiceRevisions",
                &["ecs:DescribeServiceRevisions"],
                vec![area.arn("ecs", &format!("service-revision/{path}/*"))],
            )
            .allow(
                "ReadTasks",
                &["ecs:DescribeTasks"],
                vec![area.arn("ecs", &format!("task/{cluster_name}/*"))],
            )
            .allow("LendTaskRoles", &["iam:PassRole"], vec![roles])
            .only_if(serde_json::json!({
                "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" }
            }))
            .lists("ListTasks", "ecs:ListTasks", area.cluster(cluster))
    }

    /// Adds the rights to find, to push and to tag images in a repository, which Docker needs in part.
    pub(crate) fn images(self, area: &Area, repository: &str, creates: bool) -> Self {
        let repository = vec![area.arn("ecr", &format!("repository/{repository}"))];
        let policy = self
            .allow(
                "LogInToRegistry",
                &["ecr:GetAuthorizationToken"],
                vec!["*".to_owned()],
            )
            .allow(
                "PushImage",
                &[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:DescribeImages",
                    "ecr:DescribeRepositories",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                repository.clone(),
            );
        match creates {
            true => policy.allow("MakeRepository", &["ecr:CreateRepository"], repository),
            false => policy,
        }
    }
}
