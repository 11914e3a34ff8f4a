//! The service of a file that is deployed, and the place of a new side.

use serde::{Deserialize, Serialize};

use super::{DeploymentSpec, check::below};
use crate::{
    aws::{
        Aws,
        alb::{AlbRule, TargetGroupArn},
    },
    error::{Error, ErrorKind, Result},
    problem::Problem,
    spec::{Account, FilePath, Group, MigrationSpec, Name, Service, SpecError, StartError, target},
};

/// The deployment of one service, from a file or from a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceDeployment {
    /// The service.
    pub service: Service,
    /// The side of the service, if it comes from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Name>,
    /// The account of the service. With credentials of another account, a run is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The region of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// The folder at which relative paths of `spec` start. Default: the folder of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FilePath>,
    /// How the service is deployed.
    pub spec: DeploymentSpec,
}

impl ServiceDeployment {
    /// The deployment of a service that is in no file.
    #[must_use]
    pub fn new(service: Service, spec: DeploymentSpec) -> Self {
        Self {
            service,
            side: None,
            account: None,
            region: None,
            folder: None,
            spec,
        }
    }

    /// Sets the folder at which relative paths start: the folder of the file.
    #[must_use]
    pub fn within(mut self, folder: FilePath) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Returns the name of a field of `spec` in the file, such as `side.fastapi.deployment.checks`.
    #[must_use]
    pub fn field(&self, field: &str) -> String {
        match &self.side {
            Some(side) => format!("side.{side}.deployment.{field}"),
            None => field.to_owned(),
        }
    }

    pub(super) fn told(&self, problems: Vec<Problem>) -> SpecError {
        SpecError::new(match &self.side {
            Some(side) => below(&format!("side.{side}.deployment"), problems),
            None => problems,
        })
    }

    /// Returns the name of the service's journal in a store.
    #[must_use]
    pub fn log_name(&self, aws: &Aws) -> String {
        let region = aws.region().unwrap_or_default();
        let Service { cluster, name } = &self.service;
        format!("ecs {region} {cluster}/{name}")
    }

    /// Checks that `aws` is in the account and the region that the file names. A simulation always passes.
    ///
    /// # Errors
    ///
    /// [`StartError::Spec`] if account or region differ. [`StartError::Failed`] if an account is named, and
    /// STS does not say whose credentials these are.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn held(&self, aws: &Aws) -> std::result::Result<(), StartError> {
        if aws.is_simulated() {
            return Ok(());
        }
        let mut found = target::in_region(self.region.as_ref().map(Name::as_str), aws);
        if found.is_empty() {
            found.extend(target::of_another_account(self.account.as_ref(), aws).await?);
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(SpecError::new(found).into()),
        }
    }
}

/// The place to make for a new side: the input of [`GreenPlace`](crate::aws::alb::GreenPlace).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceToMake {
    /// The rule.
    pub rule: AlbRule,
    /// The side that serves, by its target group.
    pub blue: TargetGroupArn,
    /// The name of the new side.
    pub side: Name,
    /// The new side's target group, which may not exist yet.
    pub green: Group,
}

/// A side with its target group in the rule and that group's weight, if the rule forwards to it.
type Standing<'s> = (&'s Name, Option<(TargetGroupArn, u32)>);

impl MigrationSpec {
    /// Returns the deployment of a side's service, in the account and the region of the file, or of its rule.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the file is not valid, has no such side, or has no deployment for the side.
    pub fn deployment(&self, side: &Name) -> std::result::Result<ServiceDeployment, SpecError> {
        self.check()?;
        let names: Vec<&str> = self.sides.keys().map(Name::as_str).collect();
        let one = |problem| SpecError::new(vec![problem]);
        let found = self.sides.get(side).ok_or_else(|| {
            let hint = format!("the sides are {}", names.join(" and "));
            one(Problem::new(
                "side",
                format!("there is no side `{side}`"),
                hint,
            ))
        })?;
        let (Some(spec), Some(service)) = (&found.deployment, &found.service) else {
            let field = format!("side.{side}.deployment");
            let service = match &found.service {
                Some(_) => String::new(),
                None => format!("give [side.{side}] its `service = \"CLUSTER/SERVICE\"`, and "),
            };
            let hint = format!(
                "{service}add the table [{field}] with `repository = \"NAME\"` of its images in ECR, or with \
                 `image`; `checks = \"checks.toml\"` lets it be checked"
            );
            let message = "is missing: the file does not say how that side is deployed";
            return Err(one(Problem::new(field, message, hint)));
        };
        let arn = self.traffic.rules.first().map(|rule| rule.listener());
        let part = |at| {
            let arn = arn.as_ref()?;
            arn.as_str().split(':').nth(at).map(str::to_owned)
        };
        let account = || part(4)?.parse().ok();
        Ok(ServiceDeployment {
            service: service.clone(),
            side: Some(side.clone()),
            account: self.account.clone().or_else(account),
            region: self.region_of_all().and_then(|region| region.parse().ok()),
            folder: None,
            spec: spec.clone(),
        })
    }

    /// Returns the side without traffic, which a deployment is for if no side is named. One read of the load
    /// balancer.
    ///
    /// # Errors
    ///
    /// `Invalid` if the file is not valid. `Refused` if both sides get traffic, or no side does. Other kinds
    /// if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn idle_side(&self, aws: &Aws) -> Result<Name> {
        let (_, standing) = self.standing(aws).await?;
        let has_traffic =
            |side: &&Standing<'_>| side.1.as_ref().is_some_and(|(_, weight)| *weight > 0);
        let serving = standing.iter().filter(has_traffic).count();
        let idle = standing.iter().find(|side| !has_traffic(side));
        match (serving, idle) {
            (1, Some((name, _))) => Ok((*name).clone()),
            _ => {
                let names: Vec<&str> = self.sides.keys().map(Name::as_str).collect();
                let message = match serving {
                    0 => "no side gets traffic, so the rule does not say which side to deploy",
                    _ => "both sides get traffic, so no side is free to be deployed",
                };
                let hint = match serving {
                    0 => format!("name the side: {}", names.join(" or ")),
                    _ => "let the migration end, or put it back with `rollback`".to_owned(),
                };
                Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
            }
        }
    }

    /// Returns the place to make for a new side: `side`, or else the side without traffic. One read of the
    /// load balancer.
    ///
    /// # Errors
    ///
    /// As [`idle_side`](Self::idle_side). `Refused` if the other side is not in the rule.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn place_to_make(&self, aws: &Aws, side: Option<&Name>) -> Result<PlaceToMake> {
        let side = match side {
            Some(side) => side.clone(),
            None => self.idle_side(aws).await?,
        };
        let missing = || {
            let names: Vec<&str> = self.sides.keys().map(Name::as_str).collect();
            let message = format!("there is no side `{side}`");
            let hint = format!("the sides are {}", names.join(" and "));
            Error::new(ErrorKind::Invalid, message).with_hint(hint)
        };
        let green = self.sides.get(&side).ok_or_else(missing)?;
        let (rule, standing) = self.standing(aws).await?;
        let blue = standing.into_iter().find(|(name, _)| **name != side);
        let blue = blue.and_then(|(name, group)| Some((name, group?.0)));
        let (_, blue) = blue.ok_or_else(|| {
            let message = format!("the rule does not forward to the other side of `{side}`");
            let hint = "a new side is placed beside a side that serves: name the rule of that side";
            Error::new(ErrorKind::Refused, message).with_hint(hint)
        })?;
        Ok(PlaceToMake {
            rule,
            blue,
            side,
            green: green.target_group.clone(),
        })
    }

    async fn standing(&self, aws: &Aws) -> Result<(AlbRule, Vec<Standing<'_>>)> {
        let weights = self
            .weights(self.rule().map_err(target::invalid)?, aws)
            .await?;
        let group = |side: &crate::spec::SideSpec| {
            let mut groups = weights.groups.iter();
            groups.find(|(arn, _)| side.target_group.is(arn)).cloned()
        };
        let standing = self.sides.iter().map(|(name, side)| (name, group(side)));
        let standing = standing.collect();
        Ok((AlbRule::Arn(weights.rule.clone()), standing))
    }
}
