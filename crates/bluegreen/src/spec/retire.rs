//! The retirement of the side that served before the newest run.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Group, MigrationSpec, Name, Origin,
    newest::{end_of, that_moved},
    target,
};
use crate::{
    aws::{
        Aws,
        alb::{RuleArn, TargetGroupArn, retire::group_of_name},
        retire::Retirement,
    },
    clock::{between, span},
    engine::Record,
    error::{Error, ErrorKind, Result},
    migration::{KEEP, MigrationOutcome, capacity_left, free_from},
    store::JournalLog,
    traffic::Sides,
};

/// The end of a run that moved everything to green.
struct Promoted {
    at: Timestamp,
    /// The side that served before.
    from: Name,
    /// The service that the run knew for that side.
    origin: MigrationSpec,
}

impl MigrationSpec {
    /// How long blue is kept after a migration: a day, since most harm that a release does shows within one
    /// cycle of a day's traffic.
    pub const KEEP: Duration = KEEP;

    /// Finds the rule for a [retirement](Self::retirement), even if blue has left the rule already. One or two
    /// reads of the load balancer.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid, or is of a simulated world and `aws` is the real AWS.
    /// Other kinds if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn locate_after(&self, aws: &Aws) -> Result<RuleArn> {
        self.refuse_other(aws)?;
        let rule = self.rule().map_err(target::invalid)?;
        let is_side = |arn: &str| {
            let arn = arn.parse::<TargetGroupArn>();
            arn.is_ok_and(|arn| self.sides.values().any(|side| side.target_group.is(&arn)))
        };
        rule.locate_among(aws, is_side).await
    }

    /// Returns the retirement of the side that served before the newest run of `rule`, as its journal `log`
    /// tells: the run must have ended with everything on the other side, `keep` or longer ago. A run that ended
    /// without a change counts as if it had not begun. The side's
    /// service is that of this specification, or else that of the run's own.
    ///
    /// # Errors
    ///
    /// `Refused` if that run is under way, ended otherwise, or ended too recently, or if no service is
    /// named; `NotFound` if there is no run. Other kinds if the journal or a target
    /// group could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn retirement(
        &self,
        aws: &Aws,
        log: &JournalLog,
        rule: RuleArn,
        keep: Duration,
    ) -> Result<(Name, Retirement)> {
        self.refuse_other(aws)?;
        let records = that_moved(log).await?;
        let promoted = promoted(&records)?;
        let free = free_from(promoted.at, keep);
        let now = aws.clock().now();
        if now < free {
            let message = format!(
                "retire blue: the migration ended at {:.0}, and blue is kept for {} until {free:.0}",
                promoted.at,
                span(keep)
            );
            let hint = format!(
                "try again in {}, or give a shorter --keep",
                span(between(now, free))
            );
            return Err(Error::new(ErrorKind::Refused, message).with_hint(hint));
        }
        let (blue, green) = self.sides_of(&promoted)?;
        let service = self.sides.get(&blue).and_then(|side| side.service.as_ref());
        let of_run = promoted.origin.sides.get(&promoted.from);
        let service = service.or_else(|| of_run?.service.as_ref());
        let Some(service) = service else {
            let message =
                format!("retire blue: side {blue} names no service, so nothing can be scaled");
            let hint = format!("give side {blue} its `service` in the file: CLUSTER/SERVICE");
            return Err(Error::new(ErrorKind::Refused, message).with_hint(hint));
        };
        let sides = Sides {
            blue: self.group(aws, &rule, &blue).await?,
            green: self.group(aws, &rule, &green).await?,
        };
        let kept = capacity_left(&records).map(|standing| standing.kept);
        let (cluster, name) = (&service.cluster, &service.name);
        let retirement = Retirement::new(aws, rule, sides, cluster, name, promoted.at);
        Ok((blue, retirement.with_kept(kept)))
    }

    /// The names of the side that served before the run and of the other side, in this specification.
    fn sides_of(&self, promoted: &Promoted) -> Result<(Name, Name)> {
        let group = promoted.origin.sides.get(&promoted.from);
        let group = group.map(|side| side.target_group.name());
        let is_it = |name: &Name| {
            let own = self.sides.get(name).map(|side| side.target_group.name());
            *name == promoted.from || (own.is_some() && own == group)
        };
        let blue = self.sides.keys().find(|name| is_it(name));
        let green = self.sides.keys().find(|name| !is_it(name));
        match (blue, green) {
            (Some(blue), Some(green)) => Ok((blue.clone(), green.clone())),
            _ => {
                let from = &promoted.from;
                let message =
                    format!("retire blue: the newest run moved from {from}, which is no side here");
                let hint = "use the file that the run was started with";
                Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
            }
        }
    }

    async fn group(&self, aws: &Aws, rule: &RuleArn, side: &Name) -> Result<TargetGroupArn> {
        let group = self.sides.get(side).map(|side| &side.target_group);
        match group {
            Some(Group::Arn(arn)) => Ok(arn.clone()),
            Some(Group::Name(name)) => match group_of_name(aws, name).await? {
                Some(arn) => Ok(arn),
                None => gone(rule, name),
            },
            None => Err(Error::new(
                ErrorKind::Invalid,
                format!("there is no side `{side}`"),
            )),
        }
    }
}

/// Returns an ARN that no target group has, for a group that was deleted already: a name stands once in an
/// account and region, so no look finds a group by this ARN.
fn gone(rule: &RuleArn, name: &str) -> Result<TargetGroupArn> {
    let place = rule
        .as_str()
        .split(":listener-rule/")
        .next()
        .unwrap_or_default();
    let arn = format!("{place}:targetgroup/{name}/0000000000000000");
    arn.parse().map_err(|error| {
        let message = format!("retire blue: there is no target group {name}");
        Error::new(ErrorKind::NotFound, message).with_source(error)
    })
}

/// Reads the end of a run that moved everything to green, or returns why it is no such run.
fn promoted(records: &[Record]) -> Result<Promoted> {
    let hint =
        "blue is retired after a migration that ended with everything on green: `bluegreen status`";
    let refused = |why: String| {
        let message = format!("retire blue: {why}");
        Error::new(ErrorKind::Refused, message).with_hint(hint)
    };
    let Some(first) = records.first() else {
        let message = "retire blue: the journal holds no run of this rule";
        return Err(Error::new(ErrorKind::NotFound, message).with_hint(hint));
    };
    let Origin { spec, from } = Origin::of(std::slice::from_ref(first))?;
    let end = end_of(records).map_err(|error| refused(error.to_string()))?;
    match end {
        Some((_, Some(MigrationOutcome::Promoted { report }), _)) => Ok(Promoted {
            at: report.ended,
            from,
            origin: spec,
        }),
        Some((at, Some(outcome), _)) => Err(refused(format!(
            "the newest run did not move everything to green. At {at:.0} it {}",
            match outcome {
                MigrationOutcome::RolledBack { .. } => "was rolled back",
                MigrationOutcome::Held { .. } => "was held",
                _ => "ended without a change",
            }
        ))),
        Some((at, None, summary)) => Err(refused(format!(
            "the newest run ended at {at:.0}: {summary}"
        ))),
        None => Err(refused("the newest run has not ended".to_owned())),
    }
}
