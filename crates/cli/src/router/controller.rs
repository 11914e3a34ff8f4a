//! The controller of a rule: takes the rule's journal, and runs or goes on with what stands in it.

use std::time::Duration;

use bluegreen::{
    Aws, Error, ErrorKind, Migration, MigrationError, MigrationOutcome,
    aws::alb::AlbTrafficSplitter,
    engine::Record,
    migration::{RestoreOrder, ResumeError, StandingCapacity, capacity_left, origin_of},
    spec::{MigrationSpec, Name, Origin, Target},
    store::{JournalLog, Lease, Take},
};
use clap::Parser;
use futures_util::future::join;
use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    BAD_ARGUMENTS, UNCHANGED,
    args::{Cli, Command},
    bad_arguments, failed,
    render::{self, Progress},
    setup::Setup,
};
use crate::common::{self, say::say_line};

/// How it ended, or the exit code of what was said already.
pub(crate) type Ended = Result<Result<MigrationOutcome, MigrationError>, u8>;

pub(crate) struct Controller<'a> {
    cli: &'a Cli,
    setup: &'a Setup,
    target: &'a Target,
    aws: &'a Aws,
    /// The rule's journal; a rollback may do without.
    log: Option<JournalLog>,
    credentials_end: Option<Timestamp>,
}

impl<'a> Controller<'a> {
    /// Finds the rule, and with it the journal that is its own.
    pub(crate) async fn new(
        cli: &'a Cli,
        setup: &'a Setup,
        target: &'a Target,
        aws: &'a Aws,
        splitter: &AlbTrafficSplitter,
    ) -> Result<Self, u8> {
        let store = cli.journal.store(aws, !cli.place.aws);
        let is_rollback = matches!(cli.command, Some(Command::Rollback { .. }));
        let store = match store {
            Ok(store) => Some(store),
            // Restoring is open to all.
            Err(_) if is_rollback && cli.journal.journal.is_none() => None,
            Err(problem) if is_rollback => {
                say_line!(
                    "warning: restoring without the journal: {}",
                    problem.message
                );
                None
            }
            Err(problem) => return Err(bad_arguments(&[problem])),
        };
        let rule = splitter.locate().await;
        let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
        if let (Some(store), true, false) = (&store, cli.place.aws, cli.json) {
            say_line!("journal: {store}");
        }
        // Nothing stands in the way of a rollback.
        let credentials_end = match cli.command {
            Some(Command::Rollback { .. }) => None,
            _ => common::credentials::end(aws).await,
        };
        Ok(Self {
            cli,
            setup,
            target,
            aws,
            log: store.map(|store| store.log(rule.as_str())),
            credentials_end,
        })
    }

    /// The log, which every command but a rollback has.
    fn log(&self) -> Result<&JournalLog, Error> {
        let missing = || Error::new(ErrorKind::Invalid, "there is no journal");
        self.log.as_ref().ok_or_else(missing)
    }

    async fn take(&self, usual: Take) -> Result<Lease, Error> {
        let how = if self.cli.journal.steal {
            Take::Force
        } else {
            usual
        };
        let (operator, clock) = (&self.cli.place.operator, self.aws.clock());
        common::journal::take(self.log()?, operator, clock, how).await
    }

    /// Everything of a run: whatever changes something asks the lease first.
    fn migration(
        &self,
        setup: &Setup,
        target: &Target,
        lease: Option<&Lease>,
    ) -> Result<Migration, u8> {
        let migration = setup.spec.migration(self.aws, target, lease);
        let mut migration = migration.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
        if let Some(end) = self.credentials_end {
            migration = migration.credentials_end(end);
        }
        migration = if self.cli.json {
            migration.on_event(render::json)
        } else {
            let mut progress = Progress::of(&setup.plan);
            migration.on_event(move |event| progress.show(event))
        };
        match common::signals::control(migration.handle(), self.setup.grace) {
            Ok(()) => Ok(migration),
            Err(error) => {
                say_line!("error: cannot listen to signals, so nothing was started: {error}");
                Err(UNCHANGED)
            }
        }
    }

    /// Takes the journal and begins.
    pub(crate) async fn start(&self, command: &Command) -> Ended {
        let lease = match (command, &self.log) {
            (Command::Rollback { .. }, None) => None,
            (Command::Rollback { .. }, Some(log)) => {
                let (operator, clock) = (&self.cli.place.operator, self.aws.clock());
                match common::journal::restores_by_itself(log, operator).await {
                    // It keeps its journal, and writes down the end of its run there.
                    true => None,
                    false => common::journal::take_to_restore(log, operator, clock).await,
                }
            }
            _ => {
                let taken = self.take(Take::IfFree).await;
                Some(taken.map_err(|error| failed(&error, UNCHANGED))?)
            }
        };
        let ended = match (command, &lease) {
            (Command::Rollback { .. }, Some(lease)) => {
                // Asked for before the rollback's own run begins, and read beside it.
                let (left, ended) = join(left_by(lease), self.begin(command, Some(lease))).await;
                if let Some(left) = left {
                    say_line!("left by the run before:{left}");
                }
                ended
            }
            _ => self.begin(command, lease.as_ref()).await,
        };
        if let Some(lease) = lease {
            self.let_go(&lease).await;
        }
        ended
    }

    async fn begin(&self, command: &Command, lease: Option<&Lease>) -> Ended {
        let migration = self.migration(self.setup, self.target, lease)?;
        let operator = self.cli.place.operator.as_str();
        Ok(match command {
            Command::Complete => migration.complete(operator).await,
            Command::Rollback { force, confirm, .. } => {
                let mut order = RestoreOrder::by(operator);
                // A controller that was thrown out, or was asked, or that nobody knows of, may have sent a
                // change.
                if lease.is_none_or(|lease| lease.taken_from().is_some()) {
                    order = order.with_stay(RestoreOrder::LATE_CALL);
                }
                if *force {
                    order = order.with_force();
                }
                if *confirm {
                    order = order.with_confirmation();
                }
                let migration = match self.cli.json {
                    true => migration,
                    false => migration.on_event(render::by_hand()),
                };
                migration.restore(order).await
            }
            _ => migration.run().await,
        })
    }

    /// Takes the journal over and goes on with what stands in it.
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
        // The options of this command line go over it: what differs is refused.
        let setup = self.setup.again(self.cli, spec, from);
        let setup = setup.map_err(|problems| bad_arguments(&problems))?;
        let target = setup.spec.target(self.aws, setup.from.as_ref()).await;
        let target = target.map_err(|error| failed(&error, UNCHANGED))?;
        let migration = self.migration(&setup, &target, Some(lease))?;
        let operator = self.cli.place.operator.as_str();
        Ok(migration.resume(&records, operator).await)
    }

    /// The specification of the run that the records are of, and the side that served before it.
    fn started_with(&self, records: &[Record]) -> Result<(MigrationSpec, Name), u8> {
        let here = || match (&self.setup.from, self.target) {
            (Some(from), _) => from.clone(),
            (None, target) => target.sides.blue.name.clone(),
        };
        if let Ok(origin) = Origin::of(records) {
            return Ok((origin.spec, origin.from));
        }
        match options_of(records) {
            Some(options) => {
                let spec = self.setup.as_before(&options);
                let spec = spec.map_err(|problems| bad_arguments(&problems))?;
                Ok((spec, here()))
            }
            None => Ok((self.setup.spec.clone(), here())),
        }
    }

    /// Frees the journal, where the run has not done so at its end.
    async fn let_go(&self, lease: &Lease) {
        if let Err(error) = lease.release().await {
            say_line!("warning: the journal was not let go: {error}");
        }
    }
}

/// What the run before has raised and not put back, if its journal is read in time.
async fn left_by(lease: &Lease) -> Option<StandingCapacity> {
    let records = timeout(LEFT_WAITS, lease.newest_run_to_resume()).await;
    capacity_left(&records.ok()?.ok()?)
}

/// How long a rollback waits for what the run before has left: less than it takes anyway, mostly.
const LEFT_WAITS: Duration = Duration::from_secs(5);

/// The command line of the run that the records are of, as the version before kept it.
pub(super) fn options_of(records: &[Record]) -> Option<Cli> {
    let origin = origin_of(records).ok()?;
    let arguments: Vec<String> = serde_json::from_value(origin).ok()?;
    let program = std::iter::once("bluegreen router".to_owned());
    Cli::try_parse_from(program.chain(arguments)).ok()
}
