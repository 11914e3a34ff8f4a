//! [`ServiceJudge`]: one deployment of a service, and everything that judges it.

use serde::{Deserialize, Serialize};

use super::MigrationSpec;
use crate::{
    aws::{
        Aws,
        alb::{RuleArn, TargetGroupArn},
        cloudwatch::{AlbMetrics, CloudWatchGate},
        ecs::EcsNativeDeployment,
    },
    engine::Record,
    error::{Error, ErrorKind, Result},
    native::{NativeJudge, NativeSurvey, PausedDeployment as _, RevisionGroup, origin_of},
    preflight::Finding,
    spec::{FilePath, Service, ServiceDeployment, StartError, target::invalid},
    store::Lease,
};

/// One deployment that ECS moves itself, and everything that judges it. A plain value: a run keeps it in its
/// journal, so that a resume needs no file.
///
/// # Examples
///
/// On the simulated AWS; a run of the command does the same, with the journal's lease.
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{aws::sim::NativeScenario, spec::ServiceJudge};
///
/// let simulation = NativeScenario::HealthyCanary.simulation(7);
/// simulation.start_paused();
/// let (aws, spec) = (simulation.aws(), simulation.native_spec());
/// let (arn, _) = simulation.service_deployments().remove(0);
///
/// let judge = ServiceJudge::of(&spec, &aws, &arn).await?;
/// let outcome = judge.judge(&aws, None)?.run().await?;
/// assert_eq!(outcome.exit_code(), 0, "{outcome}");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceJudge {
    /// The ARN of the deployment.
    pub deployment: String,
    /// The gates, the times, the hooks and the checks.
    pub spec: MigrationSpec,
    /// The folder at which relative paths of the checks start. Default: the folder of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FilePath>,
    /// The group of the revision that is replaced.
    blue: TargetGroupArn,
    /// The group of the revision that is deployed.
    green: TargetGroupArn,
    /// The rule that sends production traffic to the groups.
    rule: RuleArn,
}

impl ServiceJudge {
    /// Surveys a deployment, and returns what judges it by `spec`. The service is that of the deployment.
    ///
    /// # Errors
    ///
    /// [`StartError::Spec`] if the specification is not valid, or is of another service. [`StartError::Refused`] if the requests of
    /// the two revisions cannot be told apart, or the deployment is of another kind.
    /// [`StartError::Failed`] if `arn` is none, or AWS could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn of(
        spec: &MigrationSpec,
        aws: &Aws,
        arn: &str,
    ) -> std::result::Result<Self, StartError> {
        let deployment = deployment(aws, arn)?;
        let service = Service::new(deployment.cluster(), deployment.service());
        let spec = spec.for_service(&service);
        let plan = spec.native_plan()?;
        spec.refuse_other(aws)?;
        let survey = deployment.preflight().await?;
        let Some((blue, green, rule)) = groups(&survey) else {
            let unfit = survey.unfit();
            let mut found = survey.findings.into_iter().chain(unfit);
            let refusal = found.find(|one| one.stops(plan.accepted()));
            return Err(StartError::Refused(refusal.unwrap_or_else(|| {
                let message =
                    format!("the load balancer's rule of service {service} cannot be read");
                Finding::refusal(message).with_hint(
                    "the judge needs an Application Load Balancer: `productionListenerRule` must be the \
                     ARN of a rule",
                )
            })));
        };
        Ok(Self {
            deployment: arn.to_owned(),
            spec,
            folder: None,
            blue,
            green,
            rule,
        })
    }

    /// Reads what judged the run whose journal begins with these records.
    ///
    /// # Errors
    ///
    /// `Invalid` if `records` are no journal of a judge, or the run was not started from a specification.
    pub fn of_records(records: &[Record]) -> Result<Self> {
        serde_json::from_value(origin_of(records)).map_err(|error| {
            let message = "read how the judge was started: it was not started from a specification";
            let hint = "resume the run with the program that started it, or begin a new run for the same \
                deployment";
            Error::new(ErrorKind::Invalid, message)
                .with_source(error)
                .with_hint(hint)
        })
    }

    /// Sets the folder at which relative paths of the checks start: the folder of the file.
    #[must_use]
    pub fn within(mut self, folder: FilePath) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Returns the service of the deployment.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification names none.
    pub fn service(&self) -> Result<&Service> {
        let native = self.spec.native.as_ref();
        let missing = || Error::new(ErrorKind::Invalid, "the specification names no service");
        Ok(&native.ok_or_else(missing)?.service)
    }

    /// Returns the judge with every role of this specification: gates, checks, hooks, and with a lease the
    /// journal and the fence.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification or a file of its checks is not valid.
    pub fn judge(&self, aws: &Aws, lease: Option<&Lease>) -> Result<NativeJudge> {
        let aws = match lease {
            Some(lease) => aws.fenced(lease.clone()),
            None => aws.clone(),
        };
        self.spec.refuse_other(&aws)?;
        let plan = self.spec.native_plan().map_err(invalid)?;
        let origin = serde_json::to_value(self).unwrap_or_default();
        let mut judge = NativeJudge::new(plan, deployment(&aws, &self.deployment)?)
            .clock(aws.clock())
            .origin(origin);
        if let Some(lease) = lease {
            judge = judge.journal(lease.clone());
        }
        let (hooks, unmade) = self.spec.hooks.all(&aws);
        for hook in hooks {
            judge = judge.hook(hook);
        }
        if let Some(finding) = unmade {
            judge = judge.finds(finding);
        }
        let (blue, green) = (self.blue.clone(), self.green.clone());
        let balancer = self.rule.listener().load_balancer();
        let metrics = AlbMetrics::new(&aws, balancer, blue, green);
        let metrics = metrics.with_period(self.spec.judge.period.0)?;
        let metrics = CloudWatchGate::alb(metrics, self.spec.limits());
        for (name, gate) in self.spec.gates_over(&aws, metrics)? {
            judge = judge.gate(name, gate);
        }
        for check in self.checks(&aws)? {
            judge = judge.check(check);
        }
        Ok(judge)
    }

    /// The checks of the specification's deployment.
    fn checks(&self, aws: &Aws) -> Result<Vec<Box<dyn crate::check::ServiceCheck>>> {
        let native = self.spec.native.as_ref();
        let Some(mut spec) = native.and_then(|native| native.deployment.clone()) else {
            return Ok(Vec::new());
        };
        // Only the checks count here: other files may be gone by the time of a resume.
        (spec.task_definition, spec.service_definition) = (None, None);
        let mut deployment = ServiceDeployment::new(self.service()?.clone(), spec);
        deployment.folder.clone_from(&self.folder);
        let parts = deployment.load().map_err(invalid)?;
        parts.all_checks(aws)
    }
}

fn deployment(aws: &Aws, arn: &str) -> Result<EcsNativeDeployment> {
    EcsNativeDeployment::new(aws, arn).map_err(|error| {
        let hint = error.hint().to_owned();
        Error::new(ErrorKind::Invalid, error.to_string()).with_hint(hint)
    })
}

/// The groups of both revisions and their rule, as far as the metrics need them.
fn groups(survey: &NativeSurvey) -> Option<(TargetGroupArn, TargetGroupArn, RuleArn)> {
    let (blue, green) = (survey.blue.as_ref()?, survey.green.as_ref()?);
    let rule = |group: &RevisionGroup| group.rule.as_ref()?.parse().ok();
    let rule = rule(green).or_else(|| rule(blue))?;
    let group = |group: &RevisionGroup| group.target_group.parse().ok();
    Some((group(blue)?, group(green)?, rule))
}
