//! The rights to retire blue.

use super::{Area, IamPolicy, service_of};
use crate::aws::alb::AlbRule;

impl IamPolicy {
    /// The rights by which a [retirement](crate::aws::retire::Retirement) looks at the rule, at its metrics and at its
    /// dead-man switch. They change nothing.
    #[must_use]
    pub fn retirement(rule: &AlbRule) -> Self {
        Self::none(&Area::of(rule))
            .reads_switch(rule)
            .reads_balancer(&[
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTags",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ])
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
        let area = Area::of(rule);
        let deleted = service_of(rule, cluster, service);
        self = self.allow("DeleteService", &["ecs:DeleteService"], vec![deleted]);
        self = self.allow(
            "ReadServices",
            &["ecs:DescribeServices"],
            vec![area.service(cluster, "*")],
        );
        self.lists("ListServices", "ecs:ListServices", area.cluster(cluster))
    }

    /// Adds the right to a listing of a cluster of ECS, which can only be bound by a condition.
    pub(super) fn lists(mut self, sid: &'static str, call: &'static str, cluster: String) -> Self {
        self = self.allow(sid, &[call], vec!["*".to_owned()]);
        if let Some(list) = self.statement.last_mut() {
            // Both sides may be of different clusters.
            let mut clusters =
                list.condition.take().unwrap_or_default()["ArnEquals"]["ecs:cluster"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
            let cluster = serde_json::json!(cluster);
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
        let rules = rule
            .listener()
            .as_str()
            .replacen(":listener/", ":listener-rule/", 1);
        let groups = Area::of(rule).arn("elasticloadbalancing", &format!("targetgroup/{group}/*"));
        self.writes(rule)
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
}
