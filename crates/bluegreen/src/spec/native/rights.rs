//! The rights of each use of a file about a service whose traffic ECS moves.

use super::super::rights::deploys;
use crate::{
    aws::iam::{Area, IamPolicy},
    spec::{Account, JournalPlace, MigrationSpec, Name, Use},
};

impl MigrationSpec {
    /// The least rights of a use, if the file is about a service.
    pub(in crate::spec) fn native_policy(&self, of: Use) -> Option<IamPolicy> {
        let native = self.native.as_ref()?;
        let area = Area::named(
            self.region.as_ref().map(Name::as_str),
            self.account.as_ref().map(Account::as_str),
        );
        let service = &native.service;
        let arn = area.service(&service.cluster, &service.name);
        let policy = match of {
            Use::Plan | Use::Diff | Use::Wait => {
                IamPolicy::none(&area).reads_service(&area, &service.cluster, &service.name)
            }
            Use::Status | Use::Monitor => IamPolicy::reads_deployments(&arn),
            Use::Deploy => {
                let spec = native.deployment.clone().unwrap_or_default();
                deploys(self.judges_natively(&arn), &area, service, &spec)
            }
            _ => self.judges_natively(&arn),
        };
        Some(match &self.journal {
            Some(JournalPlace::S3 { bucket, prefix }) => match of {
                Use::Plan | Use::Diff => policy,
                Use::Status | Use::Wait | Use::Monitor => policy.reads_journal(bucket, prefix),
                _ => policy.journal(bucket, prefix),
            },
            _ => policy,
        })
    }

    /// The rights of a judge, of the service or the deployment with this ARN, without the journal's.
    fn judges_natively(&self, arn: &str) -> IamPolicy {
        let policy = IamPolicy::judge(arn).metrics();
        let policy = match self.judge.alarms.is_empty() {
            true => policy,
            false => policy.alarms(),
        };
        match &self.hooks.topic {
            Some(topic) => policy.notice(topic),
            None => policy,
        }
    }
}
