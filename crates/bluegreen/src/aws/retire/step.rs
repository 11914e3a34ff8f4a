//! The steps by which blue is retired. Pure: a standing in, steps out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::standing::Standing;
use crate::aws::alb::{RuleArn, TargetGroupArn};

/// One change at the end of blue's life. No step moves traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetireStep {
    /// Keep in a tag of the service how many tasks it runs, so that a rollback can start as many.
    Record {
        /// The service.
        service: String,
        /// Its tasks.
        tasks: u32,
    },
    /// Put back the minimum of the service's scaling that a migration has raised.
    ReleaseMinimum {
        /// The service, as Application Auto Scaling names it.
        resource: String,
        /// The minimum before the migration.
        to: u32,
    },
    /// Scale the service to zero.
    ScaleToZero {
        /// The service.
        service: String,
    },
    /// Delete the rule of a test route.
    DeleteRoute {
        /// The rule.
        rule: RuleArn,
    },
    /// Take the target group out of the rule that divides the traffic.
    Detach {
        /// The target group.
        group: TargetGroupArn,
        /// The rule.
        rule: RuleArn,
    },
    /// Delete the service.
    DeleteService {
        /// The service.
        service: String,
    },
    /// Delete the target group.
    DeleteGroup {
        /// The target group.
        group: TargetGroupArn,
    },
}

impl fmt::Display for RetireStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { service, tasks } => {
                write!(
                    f,
                    "record in a tag that service {service} ran {tasks} tasks"
                )
            }
            Self::ReleaseMinimum { resource, to } => {
                write!(f, "put the minimum of {resource} back to {to}")
            }
            Self::ScaleToZero { service } => write!(f, "scale service {service} to zero"),
            Self::DeleteRoute { rule } => write!(f, "delete the test route {rule}"),
            Self::Detach { group, rule } => {
                write!(f, "take target group {} out of rule {rule}", group.name())
            }
            Self::DeleteService { service } => write!(f, "delete service {service}"),
            Self::DeleteGroup { group } => write!(f, "delete target group {}", group.name()),
        }
    }
}

impl RetireStep {
    /// Whether the step cannot be undone by a rollback.
    #[must_use]
    pub(crate) fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Record { .. } | Self::ReleaseMinimum { .. } | Self::ScaleToZero { .. }
        )
    }

    /// Whether both are the same step: scaling may change the count meanwhile.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record { service, .. }, Self::Record { service: other, .. }) => service == other,
            _ => self == other,
        }
    }
}

/// The steps that are missing. The caller has judged the standing before.
pub(super) fn steps(standing: &Standing) -> Vec<RetireStep> {
    let mut steps = Vec::new();
    let (group, rule) = (&standing.blue, &standing.rule);
    let name = || standing.service_name.clone();
    if let Some(service) = &standing.service {
        let desired = service.desired;
        if desired > 0 && service.retired().is_none_or(|before| before < desired) {
            let service = name();
            steps.push(RetireStep::Record {
                service,
                tasks: desired,
            });
        }
        if let Some(kept) = &standing.kept
            && standing.minimum == Some(kept.minimum)
        {
            steps.push(RetireStep::ReleaseMinimum {
                resource: kept.resource.clone(),
                to: kept.before,
            });
        }
        if desired > 0 {
            steps.push(RetireStep::ScaleToZero { service: name() });
        }
    }
    if !standing.deletes {
        return steps;
    }
    let routes = standing.test_routes.iter().cloned();
    steps.extend(routes.map(|rule| RetireStep::DeleteRoute { rule }));
    if standing.weights.blue.is_some() {
        let (group, rule) = (group.clone(), rule.clone());
        steps.push(RetireStep::Detach { group, rule });
    }
    if standing.service.is_some() {
        steps.push(RetireStep::DeleteService { service: name() });
    }
    if standing.group.is_some() {
        let group = group.clone();
        steps.push(RetireStep::DeleteGroup { group });
    }
    steps
}

/// Returns what a step must wait for, if it must: nothing is deleted while tasks finish their requests.
pub(super) fn waits_for(standing: &Standing, step: &RetireStep) -> Option<String> {
    if !step.is_final() {
        return None;
    }
    let tasks = standing.service.as_ref().map_or(0, |service| service.tasks);
    if tasks > 0 {
        let service = &standing.service_name;
        return Some(format!(
            "{tasks} tasks of service {service} finish their requests"
        ));
    }
    let draining = standing.group.as_ref().map_or(0, |group| group.draining);
    (draining > 0).then(|| {
        let group = standing.blue.name();
        format!("{draining} targets of {group} finish their requests")
    })
}
