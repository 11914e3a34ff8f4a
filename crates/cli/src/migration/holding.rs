//! The verb that holds the journal of a rule, and what `cleanup` has left of a side.

use std::time::Duration;

use bluegreen::{
    Error, ErrorKind,
    aws::alb::RuleArn,
    spec::Cleanup,
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

/// Whether a cleanup is what holds a lease.
pub(crate) fn is_its_holder(cleanup: &Cleanup, standing: &LeaseState) -> bool {
    standing.holder.is_some() && cleanup.ended.is_none() && cleanup.began >= standing.since
}

/// Returns the command that finishes a cleanup.
pub(crate) fn command(cleanup: &Cleanup) -> String {
    match cleanup.deletes {
        true => format!("bluegreen cleanup --delete {}", cleanup.side),
        false => "bluegreen cleanup".to_owned(),
    }
}

impl Opened {
    /// Returns what holds the rule's journal, if something does and the journal answers in time.
    pub(crate) async fn holding(&self) -> Option<Holding> {
        let asked = async {
            let rule = self.spec.locate_after(self.aws()).await.ok()?;
            let store = self.store().ok()?;
            let standing = store.log(rule.as_str()).lease_state().await.ok()??;
            standing.holder.as_ref()?;
            let cleanup = Cleanup::newest(&store, &rule).await.ok().flatten();
            Some(Holding {
                is_alive: is_alive(&standing, self.aws().clock().now()),
                cleanup: cleanup.filter(|one| is_its_holder(one, &standing)),
                rule,
                standing,
            })
        };
        tokio::time::timeout(JOURNAL_WAITS, asked).await.ok()?
    }

    /// Returns the side that `cleanup` has deleted, if the file has it still.
    pub(crate) async fn deleted(&self) -> Option<Deleted> {
        let asked = async {
            let rule = self.spec.locate_after(self.aws()).await.ok()?;
            let store = self.store().ok()?;
            let cleanup = Cleanup::newest(&store, &rule).await.ok()??;
            let side = self.spec.sides.get(&cleanup.side)?;
            let weights = bluegreen::aws::alb::AlbRule::Arn(rule);
            let weights = weights.weights(self.aws()).await.ok()?;
            let mut groups = weights.groups.iter();
            let is_there = groups.any(|(group, _)| group.name() == side.target_group.name());
            (cleanup.has_deleted() && !is_there).then(|| Deleted {
                group: side.target_group.name().to_owned(),
                cleanup,
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
            (None, false) => "its holder is silent: `resume` takes the run over, `rollback` puts everything back"
                .to_owned(),
        };
        Error::new(ErrorKind::Held, message).with_hint(hint)
    }
}

/// A side that `cleanup` has deleted.
#[derive(Debug)]
pub(crate) struct Deleted {
    pub(crate) cleanup: Cleanup,
    group: String,
}

impl Deleted {
    /// Returns the next thing to do.
    pub(crate) fn next(&self) -> String {
        let Self { cleanup, group } = self;
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
        let message = format!("side {side} is deleted: `cleanup` by {by} removed it{at}");
        Error::new(ErrorKind::Refused, message).with_hint(self.next())
    }
}
