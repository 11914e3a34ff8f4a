//! Rights to read, and few others.

use super::{Area, IamPolicy};
use crate::aws::alb::{AlbRule, RoleArn};

impl IamPolicy {
    /// Adds reads of the load balancer, which can only be given for all resources.
    pub(crate) fn reads_balancer(self, calls: &[&'static str]) -> Self {
        self.allow("ReadLoadBalancer", calls, vec!["*".to_owned()])
    }

    /// Adds the right to see whether a dead-man switch is armed.
    pub(crate) fn reads_switch(self, rule: &AlbRule) -> Self {
        let schedules = Area::of(rule).arn("scheduler", "schedule/default/bluegreen-*");
        self.allow(
            "ReadDeadManSwitch",
            &["scheduler:GetSchedule"],
            vec![schedules],
        )
    }

    /// Adds the rights to disarm a dead-man switch.
    pub(crate) fn disarms(self, rule: &AlbRule) -> Self {
        let schedules = Area::of(rule).arn("scheduler", "schedule/default/bluegreen-*");
        self.allow(
            "DisarmDeadManSwitch",
            &["scheduler:DeleteSchedule", "scheduler:GetSchedule"],
            vec![schedules],
        )
    }

    /// Adds the rights to ask IAM whether the role of a dead-man switch can do its work.
    pub(crate) fn checks_role(self, role: &RoleArn) -> Self {
        self.allow(
            "CheckDeadManRole",
            &["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            vec![role.as_str().to_owned()],
        )
    }

    /// Adds the right to see how far services may be scaled, which can only be given for all.
    pub(crate) fn reads_scaling(self) -> Self {
        self.allow(
            "ReadScaling",
            &["application-autoscaling:DescribeScalableTargets"],
            vec!["*".to_owned()],
        )
    }

    /// Adds the right to see a service.
    pub(crate) fn reads_service(self, area: &Area, cluster: &str, service: &str) -> Self {
        self.allow(
            "ReadServices",
            &["ecs:DescribeServices"],
            vec![area.service(cluster, service)],
        )
    }

    /// Adds the rights to read a journal in S3.
    pub(crate) fn reads_journal(self, bucket: &str, prefix: &str) -> Self {
        let bucket = self.bucket(bucket);
        self.reads_objects(&bucket, &below(prefix))
    }

    /// Adds the right to keep the result of a test beside a journal in S3, and to read that journal.
    pub(crate) fn keeps_test(self, bucket: &str, prefix: &str) -> Self {
        let arn = self.bucket(bucket);
        let results = format!("{arn}/{}tests/*", below(prefix));
        self.allow("KeepTest", &["s3:PutObject"], vec![results])
            .reads_objects(&arn, &below(prefix))
    }

    /// Adds the rights to read the objects of a bucket whose keys begin with `below`. Without the right to list,
    /// S3 says that an absent object is denied.
    pub(super) fn reads_objects(self, bucket: &str, below: &str) -> Self {
        let objects = vec![format!("{bucket}/{below}*")];
        self.allow("ReadJournal", &["s3:GetObject"], objects)
            .allow("FindJournal", &["s3:ListBucket"], vec![bucket.to_owned()])
            .only_if(serde_json::json!({ "StringLike": { "s3:prefix": format!("{below}*") } }))
    }
}

/// The prefix, ready for a name after it.
fn below(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}
