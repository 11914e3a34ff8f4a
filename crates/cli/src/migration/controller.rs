//! The controller of a rule: takes the lease of the rule's journal, and begins or continues a run.

use std::time::Duration;

use bluegreen::{
    Error, ErrorKind, Migration, MigrationError, MigrationOutcome, MigrationPlan,
    engine::Record,
    migration::{RestoreOrder, ResumeError, StandingCapacity, capacity_left},
    spec::{MigrationSpec, Name, Origin, Target},
    store::{JournalLog, Lease, Take},
};
use futures_util::future::join;
use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    args::Told,
    before::Before,
    changes::changed,
    open::Opened,
    render::{self, Progress},
    sides,
};
use crate::common::{
    self,
    errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed, invalid},
    say::say_line,
};

/// How a run ended, or the exit code of an error that is printed already.
pub(crate) type Ended = Result<Result<MigrationOutcome, MigrationError>, u8>;

/// The order for a new run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Step by step.
    Migrate,
    /// To 100 % at once.
    Full,
    /// Put everything back.
    RollBack { force: bool, confirm: bool },
}

pub(crate) struct Controller<'a> {
    opened: &'a Opened,
    target: &'a Target,
    told: &'a Told,
    /// The rule's journal. A rollback may have none.
    log: Option<JournalLog>,
    credentials_end: Option<Timestamp>,
}

impl<'a> Controller<'a> {
    /// Finds the rule and its journal.
    pub(crate) async fn new(
        opened: &'a Opened,
        target: &'a Target,
        told: &'a Told,
        is_rollback: bool,
    ) -> Result<Self, u8> {
        let aws = opened.aws();
        let store = match opened.store() {
            Ok(store) => Some(store),
            // A restore must not need a journal.
            Err(_) if is_rollback && opened.journal.journal.is_none() => None,
            Err(problem) if is_rollback => {
                say_line!(
                    "warning: restoring without the journal: {}",
                    problem.message
                );
                None
            }
            Err(problem) => return Err(bad_arguments(&[problem])),
        };
        let splitter = opened.spec.splitter(aws, target);
        let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
        let rule = splitter.locate().await;
        let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
        if let (Some(store), false, false) = (&store, opened.world.is_simulated(), told.json) {
            say_line!("journal: {store}");
        }
        // A rollback must not wait for the credentials' source.
        let credentials_end = match is_rollback {
            true => None,
            false => common::credentials::end(aws).await,
        };
        Ok(Self {
            opened,
            target,
            told,
            log: store.map(|store| store.log(rule.as_str())),
            credentials_end,
        })
    }

    /// Returns the log, which only a rollback may do without.
    fn log(&self) -> Result<&JournalLog, Error> {
        let missing = || Error::new(ErrorKind::Invalid, "there is no journal");
        self.log.as_ref().ok_or_else(missing)
    }

    async fn take(&self, usual: Take) -> Result<Lease, Error> {
        let how = if self.opened.journal.steal {
            Take::Force
        } else {
            usual
        };
        let (operator, clock) = (&self.told.operator, self.opened.aws().clock());
        common::journal::take(self.log()?, operator, clock, how).await
    }

    /// Returns the run's migration. Every call that changes something asks the lease first.
    fn migration(
        &self,
        spec: &MigrationSpec,
        plan: &MigrationPlan,
        target: &Target,
        lease: Option<&Lease>,
    ) -> Result<Migration, u8> {
        let migration = spec.migration(self.opened.aws(), target, lease);
        let mut migration = migration.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
        if let Some(end) = self.credentials_end {
            migration = migration.credentials_end(end);
        }
        migration = migration.on_hook_failure(|failure| say_line!("warning: {failure}"));
        migration = if self.told.json {
            migration.on_event(render::json)
        } else {
            let mut progress = Progress::of(plan);
            migration.on_event(move |event| progress.show(event))
        };
        match common::signals::control(migration.handle(), plan.grace()) {
            Ok(()) => Ok(migration),
            Err(error) => {
                say_line!("error: signals cannot be handled, so nothing was started: {error}");
                Err(UNCHANGED)
            }
        }
    }

    /// Takes the journal's lease and begins a run.
    pub(crate) async fn start(&self, order: Order) -> Ended {
        let lease = match (order, &self.log) {
            (Order::RollBack { .. }, None) => None,
            (Order::RollBack { .. }, Some(log)) => {
                let (operator, clock) = (&self.told.operator, self.opened.aws().clock());
                match common::journal::restores_by_itself(log, operator).await {
                    // The holder keeps its lease, and records the end of its run.
                    true => None,
                    false => common::journal::take_to_restore(log, operator, clock).await,
                }
            }
            _ => {
                let taken = self.take(Take::IfFree).await;
                Some(taken.map_err(|error| failed(&error, UNCHANGED))?)
            }
        };
        let ended = match (order, &lease) {
            (Order::RollBack { .. }, Some(lease)) => {
                // The rollback's own run is the newest once it begins, so the records are asked for first.
                let (left, ended) = join(left_by(lease), self.begin(order, Some(lease))).await;
                if let Some(left) = left {
                    say_line!("left by the previous run:{left}");
                }
                ended
            }
            _ => self.begin(order, lease.as_ref()).await,
        };
        if let Some(lease) = lease {
            self.let_go(&lease).await;
        }
        ended
    }

    async fn begin(&self, order: Order, lease: Option<&Lease>) -> Ended {
        let Opened { spec, plan, .. } = self.opened;
        let migration = self.migration(spec, plan, self.target, lease)?;
        let operator = self.told.operator.as_str();
        Ok(match order {
            Order::Full => migration.complete(operator).await,
            Order::RollBack { force, confirm } => {
                let mut order = RestoreOrder::by(operator);
                // A change may still be under way: of a controller that lost its lease, that was asked to
                // restore, or that is not known without a journal.
                if lease.is_none_or(|lease| lease.taken_from().is_some()) {
                    order = order.with_stay(RestoreOrder::LATE_CALL);
                }
                if force {
                    order = order.with_force();
                }
                if confirm {
                    order = order.with_confirmation();
                }
                let migration = match self.told.json {
                    true => migration,
                    false => migration.on_event(render::by_hand()),
                };
                migration.restore(order).await
            }
            Order::Migrate => {
                let untested = match self.opened.store() {
                    Ok(store) => spec.untested(self.opened.aws(), &store, self.target).await,
                    Err(_) => None,
                };
                let migration = match untested {
                    Some(finding) => migration.finds(finding),
                    None => migration,
                };
                migration.run().await
            }
        })
    }

    /// Takes the journal's lease over and continues its newest run.
    pub(crate) async fn resume(&self, how: Take) -> Ended {
        let lease = self.take(how).await;
        let lease = lease.map_err(|error| failed(&error, UNCHANGED))?;
        let ended = self.go_on(&lease).await;
        self.let_go(&lease).await;
        ended
    }

    async fn go_on(&self, lease: &Lease) -> Ended {
        let records = lease.newest_run_to_resume().await;
        let records = records.map_err(|error| failed(&error, UNCHANGED))?;
        if records.is_empty() {
            return Ok(Err(ResumeError::Nothing.into()));
        }
        let (spec, from) = self.started_with(&records)?;
        let plan = spec.plan();
        let plan = plan.map_err(|error| invalid(&error))?;
        let target = spec.target(self.opened.aws(), Some(&from)).await;
        let target = target.map_err(|error| failed(&error, UNCHANGED))?;
        let migration = self.migration(&spec, &plan, &target, Some(lease))?;
        let kept = migration.kept_from(&records);
        if !kept.is_empty() {
            say_line!(
                "as the run began, since the file does not say otherwise: {}",
                kept.join("; ")
            );
        }
        let operator = self.told.operator.as_str();
        Ok(migration.resume(&records, operator).await)
    }

    /// Returns the specification of the run of these records, and the side that served before that run.
    fn started_with(&self, records: &[Record]) -> Result<(MigrationSpec, Name), u8> {
        if let Ok(origin) = Origin::of(records) {
            return Ok((origin.spec, origin.from));
        }
        let here = self.target;
        let Some(before) = Before::of(records) else {
            return Ok((self.opened.spec.clone(), here.sides.blue.name.clone()));
        };
        // Its fields name the sides blue and green, as in every specification without a file.
        let blue = before.blue_target_group.as_deref();
        let is_green = blue == Some(here.sides.green.group.as_str());
        let (blue, green) = match is_green {
            true => (&here.sides.green.group, &here.sides.blue.group),
            false => (&here.sides.blue.group, &here.sides.green.group),
        };
        let (spec, from) = sides::of_groups(here.rule.clone(), blue.clone(), green.clone());
        let mut problems = Vec::new();
        let spec = changed(&spec, &before.changes, None, &mut problems);
        match (spec, from) {
            (Some(spec), Some(from)) => Ok((spec, from)),
            _ => Err(bad_arguments(&problems)),
        }
    }

    /// Releases the lease, if the run did not release it at its end.
    async fn let_go(&self, lease: &Lease) {
        if let Err(error) = lease.release().await {
            say_line!("warning: the journal's lease was not released: {error}");
        }
    }
}

/// Returns the capacity that the previous run raised and did not put back, if its journal is read in time.
async fn left_by(lease: &Lease) -> Option<StandingCapacity> {
    let records = timeout(LEFT_WAITS, lease.newest_run_to_resume()).await;
    capacity_left(&records.ok()?.ok()?)
}

/// How long a rollback waits for the records of the previous run: mostly less than the restore takes.
const LEFT_WAITS: Duration = Duration::from_secs(5);
