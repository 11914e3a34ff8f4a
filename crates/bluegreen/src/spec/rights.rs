//! The rights that each use of a specification needs: one table.

use super::{DeploymentSpec, JournalPlace, MigrationSpec, Service, ServiceDeployment, SpecError};
use crate::aws::{
    alb::AlbRule,
    iam::{Area, IamPolicy},
};

/// A use of AWS, for [`MigrationSpec::iam_policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Use {
    /// To show what a migration would do. Reads only.
    Plan,
    /// To compare the file with the newest run. Reads only.
    Diff,
    /// To show where traffic is. Reads only.
    Status,
    /// To wait for the end of a run. Reads only.
    Wait,
    /// To watch a migration. Reads only.
    Monitor,
    /// To move traffic to green, and to resume a run.
    Migrate,
    /// To put everything back, and to scale a retired side up first.
    RollBack,
    /// To make green's place, and to remove it.
    Prepare,
    /// To deploy the service of each side that says how.
    Deploy,
    /// To test green, and to keep the result.
    Test,
    /// To scale blue to zero after a migration.
    ScaleToZero,
    /// The same, and to delete blue.
    Delete,
}

impl Use {
    /// Every use.
    pub const ALL: [Self; 12] = [
        Self::Plan,
        Self::Diff,
        Self::Status,
        Self::Wait,
        Self::Monitor,
        Self::Migrate,
        Self::RollBack,
        Self::Prepare,
        Self::Deploy,
        Self::Test,
        Self::ScaleToZero,
        Self::Delete,
    ];
}

const READ_RULES: &str = "elasticloadbalancing:DescribeRules";
const READ_TARGETS: &str = "elasticloadbalancing:DescribeTargetHealth";

impl MigrationSpec {
    /// Returns the least rights that a use of this specification needs, for either side that may serve. Calls
    /// nothing.
    ///
    /// Rights that only matter if something is wrong are in it too, such as those to put blue's capacity back.
    /// The calls of each use, made on the simulated AWS, are compared with this policy in tests.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the specification is not valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{aws::sim::Simulation, spec::Use};
    ///
    /// let spec = Simulation::builder().build().spec();
    /// let write = "elasticloadbalancing:ModifyRule";
    /// assert!(spec.iam_policy(Use::Migrate)?.actions().contains(write));
    /// assert!(!spec.iam_policy(Use::Status)?.actions().contains(write));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sim"))]
    /// # fn main() {}
    /// ```
    pub fn iam_policy(&self, of: Use) -> Result<IamPolicy, SpecError> {
        if let Some(policy) = self.native_policy(of) {
            self.check()?;
            return Ok(policy);
        }
        let rule = self.rule()?;
        let none = || IamPolicy::none(&Area::of(rule));
        let policy = match of {
            Use::Plan => {
                let policy = none().reads_balancer(&[READ_RULES, READ_TARGETS]).metrics();
                let policy = self.reads_services(rule, policy).reads_scaling();
                match &self.safety.dead_man {
                    Some(switch) => policy.checks_role(&switch.role),
                    None => policy,
                }
            }
            Use::Diff => none().reads_balancer(&[READ_RULES, READ_TARGETS]),
            Use::Wait => none().reads_balancer(&[READ_RULES]),
            Use::Status => {
                let policy = none().reads_balancer(&[READ_RULES, READ_TARGETS]);
                policy.reads_switch(rule)
            }
            Use::Monitor => {
                let policy = none().reads_balancer(&[READ_RULES, READ_TARGETS]);
                self.judges(policy)
            }
            Use::Migrate => self.tells(self.moves(rule)),
            Use::RollBack => {
                let policy = none().writes(rule);
                let policy = policy.reads_balancer(&[READ_RULES, READ_TARGETS]).metrics();
                let policy = match &self.safety.dead_man {
                    Some(_) => policy.disarms(rule),
                    None => policy,
                };
                let policy = self.each_service(policy, |policy, service| {
                    policy.scale_to_zero(rule, &service.cluster, &service.name)
                });
                self.tells(policy)
            }
            Use::Prepare => {
                let policy = self.sides.values().fold(none(), |policy, side| {
                    policy.place(rule, side.target_group.name())
                });
                self.reads_services(rule, policy.writes(rule))
                    .reads_scaling()
            }
            Use::Deploy => {
                let sides = self.sides.values();
                let deployed = sides
                    .filter_map(|side| Some((side.service.as_ref()?, side.deployment.as_ref()?)));
                deployed.fold(none(), |policy, (service, spec)| {
                    deploys(policy, &Area::of(rule), service, spec)
                })
            }
            Use::Test => {
                let policy = none().reads_of_place().metrics();
                self.reads_services(rule, policy)
            }
            Use::ScaleToZero => self.retires(rule),
            Use::Delete => {
                let policy = self.each_service(self.retires(rule), |policy, service| {
                    policy.delete_service(rule, &service.cluster, &service.name)
                });
                self.sides.values().fold(policy, |policy, side| {
                    policy.delete_group(rule, side.target_group.name())
                })
            }
        };
        Ok(self.with_journal(of, policy))
    }

    /// The rights of a migration.
    fn moves(&self, rule: &AlbRule) -> IamPolicy {
        let mut policy = self.judges(IamPolicy::migration(rule));
        if let Some(switch) = &self.safety.dead_man {
            policy = policy.dead_man(rule, &switch.role);
        }
        self.each_service(policy, |policy, service| {
            policy.capacity(rule, &service.cluster, &service.name)
        })
    }

    /// Adds the right of the hooks.
    fn tells(&self, policy: IamPolicy) -> IamPolicy {
        match &self.hooks.topic {
            Some(topic) => policy.notice(topic),
            None => policy,
        }
    }

    fn judges(&self, policy: IamPolicy) -> IamPolicy {
        match self.judge.alarms.is_empty() {
            true => policy.metrics(),
            false => policy.metrics().alarms(),
        }
    }

    fn retires(&self, rule: &AlbRule) -> IamPolicy {
        self.each_service(IamPolicy::retirement(rule), |policy, service| {
            policy.scale_to_zero(rule, &service.cluster, &service.name)
        })
    }

    fn each_service(
        &self,
        policy: IamPolicy,
        add: impl FnMut(IamPolicy, &Service) -> IamPolicy,
    ) -> IamPolicy {
        let services = self.sides.values().filter_map(|side| side.service.as_ref());
        services.fold(policy, add)
    }

    fn reads_services(&self, rule: &AlbRule, policy: IamPolicy) -> IamPolicy {
        let area = Area::of(rule);
        self.each_service(policy, |policy, service| {
            policy.reads_service(&area, &service.cluster, &service.name)
        })
    }

    fn with_journal(&self, of: Use, policy: IamPolicy) -> IamPolicy {
        let Some(JournalPlace::S3 { bucket, prefix }) = &self.journal else {
            return policy;
        };
        match of {
            Use::Plan | Use::Diff | Use::Status | Use::Wait | Use::Monitor => {
                policy.reads_journal(bucket, prefix)
            }
            Use::Test => policy.keeps_test(bucket, prefix),
            _ => policy.journal(bucket, prefix),
        }
    }
}

impl ServiceDeployment {
    /// Returns the least rights that this deployment needs, with a journal at that place. Calls nothing. An
    /// account or a region that is not named is `*`.
    ///
    /// The roles of the tasks stand in the task definition: bind `iam:PassRole` to these roles.
    #[must_use]
    pub fn iam_policy(&self, journal: Option<&JournalPlace>) -> IamPolicy {
        let region = self.region.as_ref().map(super::Name::as_str);
        let account = self.account.as_ref().map(super::Account::as_str);
        let area = Area::named(region, account);
        let policy = deploys(IamPolicy::none(&area), &area, &self.service, &self.spec);
        match journal {
            Some(JournalPlace::S3 { bucket, prefix }) => policy.journal(bucket, prefix),
            _ => policy,
        }
    }
}

pub(super) fn deploys(
    policy: IamPolicy,
    area: &Area,
    service: &Service,
    spec: &DeploymentSpec,
) -> IamPolicy {
    let policy = policy.deployment(area, &service.cluster, &service.name);
    match &spec.repository {
        Some(repository) => policy.images(area, repository.as_str(), spec.create_repository),
        None => policy,
    }
}
