//! The verb that holds the journal of a rule, and what `cleanup` has left of a side.

use std::time::Duration;

use bluegreen::{
    Error, ErrorKind,
    aws::alb::RuleArn,
    spec::{Cleanup, Group, MigrationSpec},
    store::{EXPIRY, LeaseState},
};
use jiff::Timestamp;

use super::open::Opened;

/// The longest wait for the journal, to learn which controller works on the rule.
const JOURNAL_WAITS: Duration = Duration::from_secs(2);

/// The verb that holds the journal of a rule.
#[derive(Debug)]
pub(crate) struct Holding {
    rule: RuleArn,
    standing: LeaseState,
    pub(crate) is_alive: bool,
    /// What it does, if it is a `cleanup`.
    pub(crate) cleanup: Option<Cleanup>,
}

/// Whether the holder of a lease was heard lately.
pub(crate) fn is_alive(standing: &LeaseState, now: Timestamp) -> bool {
    let silent = Duration::try_from(now.duration_since(standing.last));
    standing.holder.is_some() && silent.map_or(true, |silent| silent < EXPIRY)
}

/// Whether the holder of a lease works still, as far as that can be known.
pub(crate) fn works(standing: &LeaseState, now: Timestamp) -> bool {
    is_alive(standing, now) && !standing.has_ended()
}

/// Whether a cleanup is what holds a lease.
pub(crate) fn is_its_holder(cleanup: &Cleanup, standing: &LeaseState) -> bool {
    standing.holder.is_some() && cleanup.ended.is_none() && cleanup.began >= standing.since
}

/// Returns the command that finishes a cleanup.
pub(crate) fn command(cleanup: &Cleanup) -> String {
    match cleanup.deletes {
        true => deletion(cleanup),
        false => format!("bluegreen cleanup{}", kept_for(cleanup)),
    }
}

/// Returns the command that deletes the side of a cleanup.
pub(crate) fn deletion(cleanup: &Cleanup) -> String {
    format!(
        "bluegreen cleanup{} --delete {}",
        kept_for(cleanup),
        cleanup.side
    )
}

/// The option for a side that was to be kept for less than the usual time.
fn kept_for(cleanup: &Cleanup) -> String {
    match cleanup.keep.0 < MigrationSpec::KEEP {
        true => format!(" --keep {}", cleanup.keep),
        false => String::new(),
    }
}

impl Opened {
    /// Returns what holds the rule's journal, if something does and the journal answers in time.
    pub(crate) async fn holding(&self) -> Option<Holding> {
        if self.world.is_fresh() {
            return None;
        }
        let asked = async {
            let rule = self.spec.locate_after(self.aws()).await.ok()?;
            let store = self.store().ok()?;
            let standing = store.log(rule.as_str()).lease_state().await.ok()??;
            standing.holder.as_ref()?;
            let cleanup = Cleanup::newest(&store, &rule).await.ok().flatten();
            Some(Holding {
                is_alive: works(&standing, self.aws().clock().now()),
                cleanup: cleanup.filter(|one| is_its_holder(one, &standing)),
                rule,
                standing,
            })
        };
        tokio::time::timeout(JOURNAL_WAITS, asked).await.ok()?
    }

    /// Returns the side that `cleanup` has deleted, in part or whole, if the file has it still.
    pub(crate) async fn deleted(&self) -> Option<Deleted> {
        let asked = async {
            let rule = self.spec.locate_after(self.aws()).await.ok()?;
            let store = self.store().ok()?;
            let cleanup = Cleanup::newest(&store, &rule).await.ok()??;
            let side = self.spec.sides.get(&cleanup.side)?;
            let weights = bluegreen::aws::alb::AlbRule::Arn(rule);
            let weights = weights.weights(self.aws()).await.ok()?;
            let standing = store.log(weights.rule.as_str()).lease_state().await.ok()?;
            let mut groups = weights.groups.iter();
            let is_there = groups.any(|(group, _)| group.name() == side.target_group.name());
            (cleanup.deletes && !is_there).then(|| Deleted {
                group: side.target_group.clone(),
                cleanup,
                standing,
            })
        };
        tokio::time::timeout(JOURNAL_WAITS, asked).await.ok()?
    }
}

impl Holding {
    /// The error of a verb that needs the journal.
    pub(crate) fn error(&self) -> Error {
        let message = format!(
            "take the journal of `{}`: it is {}",
            self.rule, self.standing
        );
        let hint = match (&self.cleanup, self.is_alive) {
            (Some(cleanup), true) => format!(
                "a `cleanup` retires side {}: wait until it has ended, as `bluegreen status` tells",
                cleanup.side
            ),
            (Some(cleanup), false) => format!(
                "a `cleanup` of side {} was cut off: `{}` finishes it",
                cleanup.side,
                command(cleanup)
            ),
            (None, true) => "use `status`, `pause`, `promote`, `abort` or `rollback` with that run; if its holder \
                             is silent for a minute, `resume` takes the run over"
                .to_owned(),
            (None, false) => "its holder has ended or is silent: `resume` takes the run over, `rollback` puts everything back"
                .to_owned(),
        };
        Error::new(ErrorKind::Held, message).with_hint(hint)
    }
}

/// A side that `cleanup` has deleted, or at least taken out of the rule.
#[derive(Debug)]
pub(crate) struct Deleted {
    pub(crate) cleanup: Cleanup,
    pub(crate) standing: Option<LeaseState>,
    group: Group,
}

impl Deleted {
    /// Returns the next thing to do.
    pub(crate) fn next(&self) -> String {
        let Self { cleanup, group, .. } = self;
        if !cleanup.has_deleted() {
            return format!("`{}` finishes it", command(cleanup));
        }
        if let Group::Name(name) = group {
            return format!(
                "for the next release `bluegreen prepare` makes its target group {name}"
            );
        }
        let group = group.name();
        format!(
            "for the next release, name its target group in the file ([side.{}] target_group = \"{group}\"), then \
             `bluegreen prepare` makes the group",
            cleanup.side
        )
    }

    /// The error of a verb that needs the side.
    pub(crate) fn error(&self) -> Error {
        let Cleanup {
            side, by, ended, ..
        } = &self.cleanup;
        let at = ended.map(|at| format!(" at {at:.0}")).unwrap_or_default();
        let message = match self.cleanup.has_deleted() {
            false => {
                format!("side {side} is deleted in part: `cleanup` by {by} took it out of the rule")
            }
            true => format!("side {side} is deleted: `cleanup` by {by} removed it{at}"),
        };
        Error::new(ErrorKind::Refused, message).with_hint(self.next())
    }
}
