//! The place of a run's journal, and how a verb takes its lease.

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

/// The place of a run's journal. A simulation keeps its journal in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct JournalPlace {
    /// The journal: s3://BUCKET/PREFIX, or a folder.
    #[arg(
        long,
        global = true,
        env = "BLUEGREEN_JOURNAL",
        hide_env = true,
        value_name = "PLACE"
    )]
    pub(crate) journal: Option<String>,
    /// Only this machine works on it: allow a folder.
    #[arg(long, global = true)]
    pub(crate) single_host: bool,
    /// Take the lease from a controller that lives.
    #[arg(long, global = true)]
    pub(crate) steal: bool,
}

/// The place of the journal, for a verb that takes no lease.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReadJournal {
    /// The journal: s3://BUCKET/PREFIX, or a folder.
    #[arg(long, env = "BLUEGREEN_JOURNAL", hide_env = true, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// Only this machine works on it: allow a folder.
    #[arg(long)]
    pub(crate) single_host: bool,
}

/// The same place in the form of the verbs that take a lease.
impl From<ReadJournal> for JournalPlace {
    fn from(read: ReadJournal) -> Self {
        Self {
            journal: read.journal,
            single_host: read.single_host,
            steal: false,
        }
    }
}

impl JournalPlace {
    /// Returns the bucket and the prefix, if the place is in S3.
    pub(crate) fn bucket(&self) -> Option<(&str, &str)> {
        bucket(self.journal.as_deref()?)
    }

    /// Opens the store, or returns the problem.
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
                format!("`{folder}` is a folder, which does not keep out controllers on other machines"),
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
                "is needed: a run whose process dies is resumed from it, and it keeps out a second \
                 controller"
                    .to_owned(),
                "give s3://BUCKET/PREFIX, or --single-host if no other machine works on this rule or service",
            )),
        }
    }
}

/// Opens the store at a place that is only read: a bucket, or a folder.
pub(crate) async fn open(place: &str) -> Result<JournalStore, Error> {
    match bucket(place) {
        Some((bucket, prefix)) => aws::from_env().await.journals(bucket, prefix),
        None => JournalStore::local(place),
    }
}

/// Returns the store at the place that was named, if one was named and can be opened.
pub(crate) async fn open_at(place: &JournalPlace) -> Option<JournalStore> {
    open_named(place.journal.as_deref()?).await.ok()
}

/// As [`open`], but a folder must exist.
pub(crate) async fn open_named(place: &str) -> Result<JournalStore, Problem> {
    if bucket(place).is_none() && !std::path::Path::new(place).is_dir() {
        let message = format!("there is no folder `{place}`");
        let hint = "give s3://BUCKET/PREFIX, or the folder of an earlier run's --journal";
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

/// Returns a log by its name or its rule, or else the only log of the store.
pub(crate) async fn log_of(
    store: &JournalStore,
    name: Option<&str>,
    rule: Option<&str>,
) -> Result<JournalLog, Problem> {
    let hint = "`bluegreen journal list` lists the journals";
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

/// Returns the bucket and the prefix of a place in S3.
pub(crate) fn bucket(place: &str) -> Option<(&str, &str)> {
    let place = place.strip_prefix("s3://")?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    Some((bucket, prefix.trim_matches('/')))
}

/// Returns the folder for this program's state:
/// <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn state_folder() -> Option<std::path::PathBuf> {
    let given = std::env::var_os("XDG_STATE_HOME").filter(|text| !text.is_empty());
    let state = match given {
        Some(state) => state.into(),
        None => std::env::home_dir()?.join(".local/state"),
    };
    Some(state.join("bluegreen/journal"))
}

/// Takes a log's lease, and prints what the wait is for.
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
                "the journal is {standing}; taking over once that process is known to have ended, or was \
                 silent for {} s",
                seconds(EXPIRY)
            ),
            Take::Force => say_line!(
                "the journal is {standing}: taking its lease, and waiting {} s until none of its changes \
                 can be under way",
                seconds(FORCE_WAIT)
            ),
            _ => {}
        }
    }
    log.take(Holder::this_process(operator), clock, how).await
}

/// How long a rollback waits for a holder that lives to restore by itself: the holder knows which
/// capacity it raised and which switch it armed. Even with the steps that follow, blue is written well
/// within 5 s.
const HOLDER_RESTORES: Duration = Duration::from_millis(1_500);

/// Asks the holder of a log to restore, and returns whether it agrees. If it is dead or slow or does not
/// hear, or if there is no holder, the caller takes the lease.
pub(crate) async fn restores_by_itself(log: &JournalLog, operator: &str) -> bool {
    let by = Operator::new(operator).with_reason("rollback");
    let asked = log.ask_to_abort(by, HOLDER_RESTORES).await;
    let restores = matches!(asked, Ok(Some(Reply::Applied | Reply::AfterChange)));
    if restores {
        say_line!(
            "the run that holds the journal was asked, and restores; this command restores too"
        );
    }
    restores
}

/// How long a rollback waits for a journal, before it continues without.
const RESTORE_WAITS: Duration = Duration::from_secs(2);

/// Takes a log's lease for a restore from its holder. A restore needs no journal: prints a warning and
/// returns `None` if the lease cannot be taken within two seconds.
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
                say_line!("the lease was taken from {from}");
            }
            return Some(lease);
        }
        Ok(Err(error)) => bluegreen::Failure::from(&error).to_string(),
        Err(_) => format!("no answer within {} s", RESTORE_WAITS.as_secs()),
    };
    say_line!(
        "warning: restoring without the journal, so a running controller keeps its lease; it sees the \
         restore and does not raise green again: {why}"
    );
    None
}
