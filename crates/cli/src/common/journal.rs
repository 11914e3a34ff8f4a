//! Where the journal of a run is kept, and taking it.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    Aws, Error,
    clock::Clock,
    engine::{Operator, Reply},
    problem::Problem,
    store::{EXPIRY, FORCE_WAIT, Holder, JournalLog, JournalStore, Lease, Take},
};
use clap::Args;

use super::{aws, say::say_line};

/// Where the journal of a run is kept. The simulation keeps it in memory.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which migration")]
pub(crate) struct JournalPlace {
    /// Its journal: s3://BUCKET/PREFIX, or a folder.
    #[arg(
        long,
        global = true,
        env = "BLUEGREEN_JOURNAL",
        hide_env = true,
        value_name = "PLACE"
    )]
    pub(crate) journal: Option<String>,
    /// A folder will do: no other machine is there.
    #[arg(long, global = true)]
    pub(crate) single_host: bool,
    /// Throw out a holder that lives.
    #[arg(long, global = true)]
    pub(crate) steal: bool,
}

/// The journal of a verb that takes none.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which migration")]
pub(crate) struct ReadJournal {
    /// Its journal: s3://BUCKET/PREFIX, or a folder.
    #[arg(long, env = "BLUEGREEN_JOURNAL", hide_env = true, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// A folder will do: no other machine is there.
    #[arg(long)]
    pub(crate) single_host: bool,
}

impl ReadJournal {
    /// The same, as a verb that takes one has it.
    pub(crate) fn place(&self) -> JournalPlace {
        JournalPlace {
            journal: self.journal.clone(),
            single_host: self.single_host,
            steal: false,
        }
    }
}

impl JournalPlace {
    /// The bucket and the prefix in it, where it is S3.
    pub(crate) fn bucket(&self) -> Option<(&str, &str)> {
        bucket(self.journal.as_deref()?)
    }

    /// The store, or what is wrong.
    pub(crate) fn store(&self, aws: &Aws, is_simulated: bool) -> Result<JournalStore, Problem> {
        let problem = |message: String, hint: &str| Problem::new("--journal", message, hint);
        let opened = |store: Result<JournalStore, Error>| {
            store.map_err(|error| {
                let failure = bluegreen::Failure::from(&error);
                problem(failure.to_string(), "s3://BUCKET/PREFIX, or a folder")
            })
        };
        if let Some((bucket, prefix)) = self.bucket() {
            return opened(aws.journals(bucket, prefix));
        }
        match self.journal.as_deref() {
            Some("") => Err(problem(
                "is empty".to_owned(),
                "s3://BUCKET/PREFIX, or a folder",
            )),
            Some(folder) if is_simulated || self.single_host => opened(JournalStore::local(folder)),
            Some(folder) => Err(problem(
                format!("`{folder}` is a folder, which keeps nobody on another machine out"),
                "give s3://BUCKET/PREFIX, or add --single-host",
            )),
            None if is_simulated => Ok(JournalStore::memory()),
            None if self.single_host => {
                let folder = state_folder().ok_or_else(|| {
                    problem("there is no home folder".to_owned(), "name a folder")
                })?;
                opened(JournalStore::local(folder))
            }
            None => Err(problem(
                "is needed with --aws: a run that dies is resumed from it, and it keeps a second \
                 controller out"
                    .to_owned(),
                "give s3://BUCKET/PREFIX, or --single-host where nobody else works on this rule",
            )),
        }
    }
}

/// The store at a place that was named to be read: a bucket, or a folder.
pub(crate) async fn open(place: &str) -> Result<JournalStore, Error> {
    match bucket(place) {
        Some((bucket, prefix)) => aws::from_env().await.journals(bucket, prefix),
        None => JournalStore::local(place),
    }
}

/// The store at the place that was named, if one was and can be opened.
pub(crate) async fn open_at(place: &JournalPlace) -> Option<JournalStore> {
    open_named(place.journal.as_deref()?).await.ok()
}

/// The same; a folder must be there.
pub(crate) async fn open_named(place: &str) -> Result<JournalStore, Problem> {
    if bucket(place).is_none() && !std::path::Path::new(place).is_dir() {
        let message = format!("there is no folder `{place}`");
        let hint = "s3://BUCKET/PREFIX, or the folder that a run was given";
        return Err(Problem::new("--journal", message, hint));
    }
    let told = |error: Error| {
        let failure = bluegreen::Failure::from(error);
        Problem::new(
            "--journal",
            failure.to_string(),
            failure.hint.unwrap_or_default(),
        )
    };
    open(place).await.map_err(told)
}

/// A log by its name, or its rule, or else the only one.
pub(crate) async fn log_of(
    store: &JournalStore,
    name: Option<&str>,
    rule: Option<&str>,
) -> Result<JournalLog, Problem> {
    let hint = "`bluegreen journal list` says which there are";
    let problem = |message: String| Problem::new("--log", message, hint);
    match (name, rule) {
        (Some(name), _) => return Ok(store.named(name)),
        (None, Some(rule)) => return Ok(store.log(rule)),
        (None, None) => {}
    }
    let names = store.logs().await;
    let names = names.map_err(|error| problem(bluegreen::Failure::from(error).to_string()))?;
    match &names[..] {
        [] => Err(problem(format!("there is no journal in {store}"))),
        [only] => Ok(store.named(only)),
        several => Err(problem(format!(
            "is needed: there are {}",
            several.join(", ")
        ))),
    }
}

/// The bucket and the prefix of a place in S3.
pub(crate) fn bucket(place: &str) -> Option<(&str, &str)> {
    let place = place.strip_prefix("s3://")?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    Some((bucket, prefix.trim_matches('/')))
}

/// Where programs keep their state:
/// <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn state_folder() -> Option<std::path::PathBuf> {
    let given = std::env::var_os("XDG_STATE_HOME").filter(|text| !text.is_empty());
    let state = match given {
        Some(state) => state.into(),
        None => std::env::home_dir()?.join(".local/state"),
    };
    Some(state.join("bluegreen/journal"))
}

/// Takes a log, and says what is waited for.
pub(crate) async fn take(
    log: &JournalLog,
    operator: &str,
    clock: Arc<dyn Clock>,
    how: Take,
) -> Result<Lease, Error> {
    let standing = log.lease_state().await?;
    if let Some(standing) = standing.filter(|standing| standing.holder.is_some()) {
        let seconds = |time: std::time::Duration| time.as_secs();
        match how {
            Take::IfExpired => say_line!(
                "the journal is {standing}; taking over once it is known to have ended, or silent for {} s",
                seconds(EXPIRY)
            ),
            Take::Force => say_line!(
                "the journal is {standing}: throwing it out, and waiting {} s until no change of \
                 it can be under way",
                seconds(FORCE_WAIT)
            ),
            _ => {}
        }
    }
    log.take(Holder::this_process(operator), clock, how).await
}

/// What a rollback gives a holder that lives, to restore by itself: it knows what else it has raised and
/// armed. With what follows, blue is written well within 5 s.
const HOLDER_RESTORES: Duration = Duration::from_millis(1_500);

/// Asks the holder of a log to restore. Whether it says that it does; if it is dead, deaf or slow, or there is
/// none, it is thrown out by the one who asks.
pub(crate) async fn restores_by_itself(log: &JournalLog, operator: &str) -> bool {
    let by = Operator::new(operator).with_reason("rollback");
    let asked = log.ask_to_abort(by, HOLDER_RESTORES).await;
    let restores = matches!(asked, Ok(Some(Reply::Applied | Reply::AfterChange)));
    if restores {
        say_line!("the run that holds the journal was asked, and restores; this does so beside it");
    }
    restores
}

/// What a rollback waits for a journal. Then it goes ahead without.
const RESTORE_WAITS: Duration = Duration::from_secs(2);

/// Takes a log for a restore from whoever holds it. A restore needs no journal: `None` if it cannot be
/// had within two seconds, which is said.
pub(crate) async fn take_to_restore(
    log: &JournalLog,
    operator: &str,
    clock: Arc<dyn Clock>,
) -> Option<Lease> {
    let holder = Holder::this_process(operator);
    let taking = log.take(holder, clock, Take::ToRestore);
    let taken = tokio::time::timeout(RESTORE_WAITS, taking).await;
    let why = match taken {
        Ok(Ok(lease)) => {
            if let Some(from) = lease.taken_from() {
                say_line!("the journal was held by {from}, which is thrown out");
            }
            return Some(lease);
        }
        Ok(Err(error)) => bluegreen::Failure::from(&error).to_string(),
        Err(_) => format!("no answer within {} s", RESTORE_WAITS.as_secs()),
    };
    say_line!(
        "warning: restoring without the journal, so a controller that runs is not thrown out; it \
         sees the restore and raises no more: {why}"
    );
    None
}
