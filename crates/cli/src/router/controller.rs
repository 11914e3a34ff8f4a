//! The controller of a rule: takes the rule's journal, and runs or goes on with what stands in it.

use std::sync::Arc;

use bluegreen::{
    Aws, Error, Migration, MigrationError, MigrationOutcome,
    aws::alb::AlbTrafficSplitter,
    migration::{ResumeError, origin_of},
    store::{JournalLog, Lease, Take},
};
use clap::Parser;

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
    aws: &'a Aws,
    log: JournalLog,
}

impl<'a> Controller<'a> {
    /// Finds the rule, and with it the journal that is its own.
    pub(crate) async fn new(
        cli: &'a Cli,
        setup: &'a Setup,
        aws: &'a Aws,
        splitter: &AlbTrafficSplitter,
    ) -> Result<Self, u8> {
        let store = cli.journal.store(aws, !cli.place.aws);
        let store = store.map_err(|problem| bad_arguments(&[problem]))?;
        let rule = splitter.locate().await;
        let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
        if cli.place.aws && !cli.json {
            say_line!("journal: {store}");
        }
        Ok(Self {
            cli,
            setup,
            aws,
            log: store.log(rule.as_str()),
        })
    }

    async fn take(&self, usual: Take) -> Result<Lease, Error> {
        let how = if self.cli.journal.steal {
            Take::Force
        } else {
            usual
        };
        let (operator, clock) = (&self.cli.place.operator, self.aws.clock());
        common::journal::take(&self.log, operator, clock, how).await
    }

    /// A journal that cannot be had does not keep blue from being put back, unless somebody holds
    /// it.
    async fn take_to_restore(&self) -> Result<Option<Lease>, u8> {
        let error = match self.take(Take::IfExpired).await {
            Ok(lease) => return Ok(Some(lease)),
            Err(error) => error,
        };
        let code = failed(&error, UNCHANGED);
        if common::journal::goes_without(&self.log).await {
            return Ok(None);
        }
        Err(code)
    }

    /// Everything of a run: whatever changes something asks the lease first.
    fn migration(&self, setup: &Setup, cli: &Cli, lease: Option<&Lease>) -> Result<Migration, u8> {
        let aws = match lease {
            Some(lease) => self.aws.fenced(lease.clone()),
            None => self.aws.clone(),
        };
        let bad = |error| failed(&error, BAD_ARGUMENTS);
        let splitter = Arc::new(setup.splitter(&aws).map_err(bad)?);
        let mut migration = Migration::new(setup.plan.clone(), Arc::clone(&splitter))
            .clock(aws.clock())
            .origin(self.cli.words.clone().into());
        if let Some(switch) = setup.dead_man_switch(&aws, &splitter) {
            migration = migration.dead_man_switch(switch);
        }
        if let Some(keeper) = setup.capacity_keeper(&aws) {
            migration = migration.capacity_keeper(keeper);
        }
        if let Some(lease) = lease {
            migration = migration.journal(lease.clone());
        }
        for (name, gate) in setup.gates(&aws, cli).map_err(bad)? {
            migration = migration.gate(name, gate);
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
    pub(crate) async fn start(&self, command: Command) -> Ended {
        let lease = match command {
            // Whoever wants traffic back on blue takes over from who is dead.
            Command::Rollback { .. } => self.take_to_restore().await?,
            _ => {
                let taken = self.take(Take::IfFree).await;
                Some(taken.map_err(|error| failed(&error, UNCHANGED))?)
            }
        };
        let ended = self.begin(command, lease.as_ref()).await;
        if let Some(lease) = lease {
            self.let_go(&lease).await;
        }
        ended
    }

    async fn begin(&self, command: Command, lease: Option<&Lease>) -> Ended {
        let migration = self.migration(self.setup, self.cli, lease)?;
        let operator = self.cli.place.operator.as_str();
        Ok(match command {
            Command::Complete => migration.complete(operator).await,
            Command::Rollback { force } => migration.restore(operator, force).await,
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
        let records = lease.newest_run().await;
        let records = records.map_err(|error| failed(&error, UNCHANGED))?;
        if records.is_empty() {
            return Ok(Err(ResumeError::Nothing.into()));
        }
        // The options of the run, unless others are given: then what differs is refused.
        let usual = Cli::parse_from(["bluegreen router"]);
        let is_given = self.cli.plan != usual.plan || self.cli.gates != usual.gates;
        let cli = if is_given { None } else { options_of(&records) };
        let cli = cli.as_ref().unwrap_or(self.cli);
        let setup = self.setup.again(cli);
        let setup = setup.map_err(|problems| bad_arguments(&problems))?;
        let migration = self.migration(&setup, cli, Some(lease))?;
        let operator = self.cli.place.operator.as_str();
        Ok(migration.resume(&records, operator).await)
    }

    /// Frees the journal, where the run has not done so at its end.
    async fn let_go(&self, lease: &Lease) {
        if let Err(error) = lease.release().await {
            say_line!("warning: the journal was not let go: {error}");
        }
    }
}

/// The command line of the run that the records are of.
fn options_of(records: &[bluegreen::engine::Record]) -> Option<Cli> {
    let origin = origin_of(records).ok()?;
    let arguments: Vec<String> = serde_json::from_value(origin).ok()?;
    let program = std::iter::once("bluegreen router".to_owned());
    Cli::try_parse_from(program.chain(arguments)).ok()
}
