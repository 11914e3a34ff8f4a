//! [`Target`]: the sides of a specification as the rule has them now.

use super::{Account, Group, MigrationSpec, Name, Service, SideSpec, SpecError};
use crate::{
    aws::{
        Aws,
        alb::{AlbRule, RuleArn, RuleWeights, TargetGroupArn},
    },
    error::{Error, ErrorKind, Failure, Result},
    problem::Problem,
    store::JournalStore,
    traffic::Sides,
};

/// The rule of a run, the side that serves, and the side that is to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The rule.
    pub rule: AlbRule,
    /// Blue is the side that serves, or served before the run.
    pub sides: Sides<NamedSide>,
}

/// A side under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedSide {
    /// Its name in the specification.
    pub name: Name,
    /// Its target group.
    pub group: TargetGroupArn,
    /// The service that runs its targets, if it is known.
    pub service: Option<Service>,
    /// The namespace of the application's own metrics of this side.
    pub(super) namespace: Option<Name>,
    pub(super) endpoint: Option<Name>,
}

impl NamedSide {
    fn new(name: &Name, side: &SideSpec, group: TargetGroupArn) -> Self {
        Self {
            name: name.clone(),
            group,
            service: side.service.clone(),
            namespace: side.namespace.clone(),
            endpoint: side.endpoint.clone(),
        }
    }
}

type Pair<'a> = Sides<(&'a Name, &'a SideSpec)>;

impl MigrationSpec {
    /// Finds the side that serves, and the other side. The side that serves has all of the traffic in the
    /// rule; or it is `from`, a side's name from the run before or from a person, and then the weights do
    /// not count. One read of the load balancer; no read with `from`, if both groups are given as ARNs.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid, has no such side, or is of a simulated world and `aws`
    /// is the real AWS. `Refused` if the rule does not forward to a side; without `from` also if both sides
    /// get traffic, or no side does. Other kinds if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn target(&self, aws: &Aws, from: Option<&Name>) -> Result<Target> {
        self.refuse_other(aws)?;
        let rule = self.rule().map_err(invalid)?;
        if let Some(from) = from {
            let sides = self.sides_from(from)?;
            if let (Group::Arn(blue), Group::Arn(green)) =
                (&sides.blue.1.target_group, &sides.green.1.target_group)
            {
                return Ok(Target {
                    rule: rule.clone(),
                    sides: Sides {
                        blue: NamedSide::new(sides.blue.0, sides.blue.1, blue.clone()),
                        green: NamedSide::new(sides.green.0, sides.green.1, green.clone()),
                    },
                });
            }
        }
        let weights = self.weights(rule, aws).await?;
        let sides = match from {
            Some(from) => self.sides_from(from)?,
            None => self.sides_by(&weights)?,
        };
        let named = |(name, side): (&Name, &SideSpec)| {
            let found = found(&weights, name, side);
            found.map(|(group, _)| NamedSide::new(name, side, group.clone()))
        };
        Ok(Target {
            rule: AlbRule::Arn(weights.rule.clone()),
            sides: Sides {
                blue: named(sides.blue)?,
                green: named(sides.green)?,
            },
        })
    }

    /// Returns the region of everything in the specification: its own, or the region of the rule.
    #[must_use]
    pub fn region_of_all(&self) -> Option<String> {
        let rule = self.traffic.rules.first();
        let of_rule = || Some(rule?.listener().region().to_owned());
        self.region.as_ref().map(Name::to_string).or_else(of_rule)
    }

    /// Returns the AWS handle that the environment gives, in the [region of all](Self::region_of_all), and the journals
    /// at the place that the specification names: what [`start`](Self::start) takes.
    ///
    /// # Errors
    ///
    /// `Invalid` if it names no journal; else as [`Place::open`](super::JournalPlace::open).
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn migrate() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::spec::MigrationSpec;
    ///
    /// let spec = MigrationSpec::from_toml(&std::fs::read_to_string("bluegreen.toml")?)?;
    /// let (aws, store) = spec.open().await?;
    /// let outcome = spec.start(&aws, &store, "ann").await?.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(&self) -> Result<(Aws, JournalStore)> {
        let Some(place) = &self.journal else {
            let message = "open the journal: the specification names none";
            return Err(Error::new(ErrorKind::Invalid, message)
                .with_hint("give it `journal`, such as \"s3://BUCKET/PREFIX\""));
        };
        let aws = match self.region_of_all() {
            Some(region) => Aws::from_env_in(region).await,
            None => Aws::from_env().await,
        };
        let store = place.open(&aws)?;
        Ok((aws, store))
    }

    /// The rule's ARN, by which its journal is found. One read of the load balancer.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid, or is of a simulated world and `aws` is the real AWS.
    /// Other kinds if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn locate(&self, aws: &Aws) -> Result<RuleArn> {
        self.refuse_other(aws)?;
        let rule = self.rule().map_err(invalid)?;
        Ok(self.weights(rule, aws).await?.rule)
    }

    /// Returns a problem if the credentials are of another account than the specification's, as STS says.
    /// `None` if the accounts are the same, or if the specification names no account.
    ///
    /// # Errors
    ///
    /// If STS does not answer within 5 s: the account of the credentials is not known then.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn of_another_account(&self, aws: &Aws) -> Result<Option<Problem>> {
        of_another_account(self.account.as_ref(), aws).await
    }

    pub(super) async fn weights(&self, rule: &AlbRule, aws: &Aws) -> Result<RuleWeights> {
        let is_side = |arn: &str| {
            let arn = arn.parse::<TargetGroupArn>();
            arn.is_ok_and(|arn| self.sides.values().any(|side| side.target_group.is(&arn)))
        };
        rule.weights_among(aws, is_side).await
    }

    /// Returns the rule of the specification, if it is valid.
    pub(super) fn rule(&self) -> std::result::Result<&AlbRule, SpecError> {
        self.check()?;
        let rule = self.traffic.rules.first();
        // Only a file of a service is valid without a rule.
        rule.ok_or_else(|| SpecError::new(vec![Self::no_migration()]))
    }

    fn sides_from(&self, from: &Name) -> Result<Pair<'_>> {
        let blue = self.sides.get_key_value(from);
        let green = self.sides.iter().find(|(name, _)| *name != from);
        match (blue, green) {
            (Some(blue), Some(green)) => Ok(Sides { blue, green }),
            _ => {
                let names: Vec<&str> = self.sides.keys().map(Name::as_str).collect();
                let message = format!("there is no side `{from}`");
                let hint = format!("the sides are {}", names.join(" and "));
                Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
            }
        }
    }

    fn sides_by(&self, weights: &RuleWeights) -> Result<Pair<'_>> {
        let mut serving = Vec::new();
        for (name, side) in &self.sides {
            if found(weights, name, side)?.1 > 0 {
                serving.push(name);
            }
        }
        if let [only] = serving[..] {
            return self.sides_from(only);
        }
        let rule = &weights.rule;
        let names: Vec<&str> = self.sides.keys().map(Name::as_str).collect();
        let (message, hint) = match serving.is_empty() {
            true => (
                format!("no side of rule {rule} gets traffic: {weights}"),
                format!(
                    "a migration moves traffic from a side that serves; the sides are {}",
                    names.join(" and ")
                ),
            ),
            false => (
                format!("traffic is divided already: {weights}"),
                format!(
                    "continue a killed run with `resume`, or put it back with `rollback`; if there is \
                     no such run, name the side that served before: {}",
                    names.join(" or ")
                ),
            ),
        };
        Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
    }
}

/// Returns the side's group in the rule, with its weight.
fn found<'w>(
    weights: &'w RuleWeights,
    name: &Name,
    side: &SideSpec,
) -> Result<&'w (TargetGroupArn, u32)> {
    let group = &side.target_group;
    let found = weights.groups.iter().find(|(arn, _)| group.is(arn));
    found.ok_or_else(|| {
        let rule = &weights.rule;
        let message = format!("rule {rule} does not forward to `{group}`, the group of side {name}");
        let mut hint = format!(
            "the rule forwards to {weights}; a new side must be in the rule with weight 0, so that its \
             targets are checked: `prepare` adds it"
        );
        if let Group::Arn(_) = group {
            let name = group.name();
            hint.push_str(&format!(
                ". If that group is deleted, write a name in place of its ARN, such as `{name}`: `prepare` \
                 makes the group then"
            ));
        }
        Error::new(ErrorKind::Refused, message).with_hint(hint)
    })
}

pub(super) fn invalid(error: SpecError) -> Error {
    let first = error.problems().first();
    let hint = first.map(|first| first.problem.hint.clone());
    let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    let message = format!("the specification is not valid: {}", told.join("; "));
    Error::new(ErrorKind::Invalid, message).with_hint(hint.unwrap_or_default())
}

impl MigrationSpec {
    /// Whether this specification may call `aws`: a specification of a simulated world never calls the real
    /// AWS.
    pub(super) fn is_of(&self, aws: &Aws) -> bool {
        self.simulation.is_none() || aws.is_simulated()
    }

    /// Refuses an AWS that this specification may not call. Nothing was called.
    pub(super) fn refuse_other(&self, aws: &Aws) -> Result<()> {
        match self.is_of(aws) {
            true => Ok(()),
            false => Err(invalid(SpecError::new(vec![of_simulation()]))),
        }
    }
}

fn of_simulation() -> Problem {
    let message = "is a simulated world, and AWS is the real one";
    let hint = "remove the table to move traffic on the real AWS";
    Problem::new("simulation", message, hint)
}

/// Returns a problem if `aws` is in another region than the specification, or is the real AWS and the
/// specification is of a simulated world.
pub(super) fn elsewhere(spec: &MigrationSpec, aws: &Aws) -> Vec<Problem> {
    if !spec.is_of(aws) {
        return vec![of_simulation()];
    }
    in_region(spec.region_of_all().as_deref(), aws)
}

/// Returns a problem if `aws` is in another region than `wanted`.
pub(super) fn in_region(wanted: Option<&str>, aws: &Aws) -> Vec<Problem> {
    match (wanted, aws.region()) {
        (Some(wanted), Some(found)) if wanted != found => {
            let message = format!("is {wanted}, and AWS is asked in {found}");
            let hint = format!("set AWS_REGION={wanted}, or the profile's region");
            vec![Problem::new("region", message, hint)]
        }
        _ => Vec::new(),
    }
}

/// Returns a problem if the credentials are of another account than `wanted`; an error if STS does not say it.
pub(super) async fn of_another_account(
    wanted: Option<&Account>,
    aws: &Aws,
) -> Result<Option<Problem>> {
    let Some(wanted) = wanted.filter(|_| !aws.is_simulated()) else {
        return Ok(None);
    };
    let caller = aws.caller().await.map_err(|error| {
        let why = Failure::from(&error).message;
        let message = format!("check that this is account {wanted}: {why}");
        let hint = "make sure that STS can be reached, or leave `account` out of the file";
        Error::new(error.kind(), message).with_hint(hint)
    })?;
    let found = caller.split(':').nth(4).unwrap_or_default();
    if found == wanted.as_str() {
        return Ok(None);
    }
    let message = format!("is {wanted}, and the credentials are of account {found}: {caller}");
    let hint = "use credentials of that account: AWS_PROFILE, or a role in it";
    Ok(Some(Problem::new("account", message, hint)))
}
