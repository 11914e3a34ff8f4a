//! The roles of a specification on AWS.

use std::sync::Arc;

use serde_json::json;

use super::{JudgedBy, MetricsFrom, MigrationSpec, Name, NamedSide, SpecError, Target};
use crate::{
    aws::{
        Aws,
        alb::{AlbDeadManSwitch, AlbTrafficSplitter},
        cloudwatch::{AlarmGate, AlbMetrics, AppMetrics, AppNamespace, CloudWatchGate},
        ecs::EcsCapacityKeeper,
        iam::IamPolicy,
    },
    error::{Error, ErrorKind, Result},
    health::{
        HealthGate, Limits, MetricSource, TargetHealthGate,
        sequential::{Sequential, Settings},
    },
    migration::GateId,
};

/// The source of the counts of both sides.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum MetricsSource {
    /// The load balancer.
    Alb(AlbMetrics),
    /// The application.
    App(AppMetrics),
}

impl MetricsSource {
    /// The source as a trait object.
    #[must_use]
    pub(crate) fn as_dyn(&self) -> &dyn MetricSource {
        match self {
            Self::Alb(source) => source,
            Self::App(source) => source,
        }
    }
}

impl MigrationSpec {
    /// Returns the gates by their names: `targets`, `metrics`, and `alarms` if there are any.
    ///
    /// # Errors
    ///
    /// `Invalid` if CloudWatch cannot have such metrics or alarms, or if the specification is of a
    /// simulated world and `aws` is the real AWS.
    pub fn gates(&self, aws: &Aws, target: &Target) -> Result<Vec<(GateId, Box<dyn HealthGate>)>> {
        self.refuse_other(aws)?;
        let limits = self.limits();
        let metrics = match self.source(aws, target)? {
            MetricsSource::Alb(source) => CloudWatchGate::alb(source, limits),
            MetricsSource::App(source) => CloudWatchGate::app(source, limits),
        };
        self.gates_over(aws, metrics)
    }

    /// Returns the gates by their names, with these metrics.
    pub(super) fn gates_over(
        &self,
        aws: &Aws,
        mut metrics: CloudWatchGate,
    ) -> Result<Vec<(GateId, Box<dyn HealthGate>)>> {
        let mut gates: Vec<(GateId, Box<dyn HealthGate>)> =
            vec![("targets".into(), Box::new(TargetHealthGate::new()))];
        if let Some(settings) = self.comparison() {
            metrics = metrics.with_judge("sequential", Sequential::new(settings));
            if self.judge.rule >= 2 {
                metrics = metrics.warming_once();
            }
        }
        gates.push(("metrics".into(), Box::new(metrics)));
        if !self.judge.alarms.is_empty() {
            let names = self.judge.alarms.iter().map(Name::as_str);
            let mut alarms = AlarmGate::new(aws, names)?;
            for ignored in &self.judge.ignore_alarms {
                alarms = alarms.ignoring(ignored.as_str());
            }
            gates.push(("alarms".into(), Box::new(alarms)));
        }
        Ok(gates)
    }

    /// Returns the limits of the new side.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            excuses_lag: self.judge.rule > 1,
            ..Limits::default()
        }
        .with_max_error_rate(self.judge.max_error_rate)
        .with_max_mean_latency(self.judge.max_latency.0)
    }

    /// Returns the settings of the comparison with the old side; `None` if the limits alone judge.
    #[must_use]
    pub fn comparison(&self) -> Option<Settings> {
        if self.judge.by != JudgedBy::Sequential {
            return None;
        }
        let limit = self.judge.max_error_rate.as_fraction();
        let settings = match self.judge.rule {
            1 => Settings::default(),
            _ => Settings::default().by_second_rule(),
        };
        let settings = settings.with_limit(limit);
        Some(match self.judge.history_ratio {
            Some(ratio) => settings.with_history_ratio(ratio),
            None => settings,
        })
    }

    /// Returns the source of the counts.
    ///
    /// # Errors
    ///
    /// `Invalid` if CloudWatch keeps no points of such a period, the new side has no metrics of its own, or
    /// the specification is of a simulated world and `aws` is the real AWS.
    pub(crate) fn source(&self, aws: &Aws, target: &Target) -> Result<MetricsSource> {
        self.refuse_other(aws)?;
        let period = self.judge.period.0;
        let Target { rule, sides } = target;
        Ok(match self.judge.metrics {
            MetricsFrom::Alb => {
                let balancer = rule.listener().load_balancer();
                let (blue, green) = (sides.blue.group.clone(), sides.green.group.clone());
                let source = AlbMetrics::new(aws, balancer, blue, green);
                MetricsSource::Alb(source.with_period(period)?)
            }
            MetricsFrom::App => {
                let green = sides.green.metrics().ok_or_else(|| {
                    let name = &sides.green.name;
                    let message = format!("side {name} has no metrics of its own");
                    let hint = format!("give side.{name}.namespace, or judge.metrics = \"alb\"");
                    Error::new(ErrorKind::Invalid, message).with_hint(hint)
                })?;
                let source = AppMetrics::new(aws, green).with_period(period)?;
                MetricsSource::App(match sides.blue.metrics() {
                    Some(blue) => source.with_blue(blue),
                    None => source,
                })
            }
        })
    }

    /// Returns the splitter, which reads and writes the rule.
    ///
    /// # Errors
    ///
    /// `Invalid` if both sides have the same target group, or the specification is of a simulated world and
    /// `aws` is the real AWS.
    pub fn splitter(&self, aws: &Aws, target: &Target) -> Result<AlbTrafficSplitter> {
        self.refuse_other(aws)?;
        let Target { rule, sides } = target;
        let (blue, green) = (sides.blue.group.clone(), sides.green.group.clone());
        AlbTrafficSplitter::new(aws, rule.clone(), blue, green)
    }

    /// Returns the dead-man switch, if the specification has one; `None` on the real AWS for a simulated
    /// world.
    #[must_use]
    pub fn dead_man_switch(
        &self,
        aws: &Aws,
        splitter: &Arc<AlbTrafficSplitter>,
    ) -> Option<AlbDeadManSwitch> {
        let given = self.safety.dead_man.as_ref().filter(|_| self.is_of(aws))?;
        let switch = AlbDeadManSwitch::new(aws, Arc::clone(splitter), given.role.clone());
        Some(match &given.topic {
            Some(topic) => switch.with_notice(topic.clone()),
            None => switch,
        })
    }

    /// Returns the keeper of the capacity of the side that serves, if its service is known; `None` on the
    /// real AWS for a simulated world.
    #[must_use]
    pub fn capacity_keeper(&self, aws: &Aws, target: &Target) -> Option<EcsCapacityKeeper> {
        let service = target.sides.blue.service.as_ref();
        let service = service.filter(|_| self.is_of(aws))?;
        Some(EcsCapacityKeeper::new(aws, &service.cluster, &service.name))
    }

    /// Returns the policies of the dead-man switch's role: who may assume it (`TrustPolicy`), and its rights
    /// (`Policy`). Calls nothing.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the specification is not valid.
    pub fn dead_man_role(&self) -> Result<serde_json::Value, SpecError> {
        let rule = self.rule()?;
        let switch = self.safety.dead_man.as_ref();
        let policy = IamPolicy::dead_man_role(rule);
        let policy = match switch.and_then(|switch| switch.topic.as_ref()) {
            Some(topic) => policy.notice(topic),
            None => policy,
        };
        Ok(json!({ "TrustPolicy": IamPolicy::dead_man_trust(rule), "Policy": policy }))
    }
}

impl NamedSide {
    fn metrics(&self) -> Option<AppNamespace> {
        let namespace = AppNamespace::new(self.namespace.as_ref()?.as_str());
        Some(match &self.endpoint {
            Some(endpoint) => namespace.with_endpoint(endpoint.as_str()),
            None => namespace,
        })
    }
}
