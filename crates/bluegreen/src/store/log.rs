//! [`JournalStore`] and [`JournalLog`]: the place of all logs, and one log.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{Stream, TryStreamExt as _};
use jiff::Timestamp;
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

use super::{
    Holder,
    envelope::{Envelope, Sum, Unreadable, What},
    requests::{REQUESTS, RequestObjects, TESTS},
    storage::{Objects, RecordStorage, create_private},
};
use crate::{
    engine::{Record, RequestStorage},
    error::{Error, ErrorKind, Result},
    text::file_name_of,
};

/// The place of all journals: a folder, a bucket or memory.
///
/// Cheap to clone. Two stores of the same place hold the same logs.
#[derive(Debug, Clone)]
pub struct JournalStore {
    objects: Arc<dyn ObjectStore>,
    prefix: object_store::path::Path,
    place: String,
    is_shared: bool,
    is_sorted: bool,
    /// The folder, if the store is a folder.
    folder: Option<PathBuf>,
}

impl JournalStore {
    /// A store in memory: for tests. It ends with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::of_objects(Arc::new(InMemory::new()), "", "memory".to_owned(), false)
    }

    /// A store in a folder. A missing folder is created, readable for its owner only. Each
    /// record is on the disk (`fsync`) before an append returns.
    ///
    /// The store is no lock between machines, unless the machines share the file system of the folder and it
    /// has hard links; a network file system must make hard links atomically.
    ///
    /// # Errors
    ///
    /// `Invalid` if `folder` is no folder, or cannot be created or opened.
    pub fn local(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let failed = |what: &str, error: std::io::Error| {
            let message = format!("{what} journal folder `{}`", folder.display());
            Error::new(ErrorKind::Invalid, message).with_source(error)
        };
        create_private(folder).map_err(|error| failed("create", error))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed("open", error.into()))?
            .with_fsync(true);
        let place = folder.display().to_string();
        Ok(Self {
            folder: Some(folder.to_owned()),
            ..Self::of_objects(Arc::new(store), "", place, false)
        })
    }

    /// A store below `prefix` in any object store. `place` is its name for people.
    pub(crate) fn of_objects(
        objects: Arc<dyn ObjectStore>,
        prefix: &str,
        place: String,
        is_shared: bool,
    ) -> Self {
        Self {
            objects,
            prefix: prefix.into(),
            place,
            is_shared,
            is_sorted: true,
            folder: None,
        }
    }

    /// Says that the store lists in no order: an S3 directory bucket.
    pub(crate) fn unsorted(self) -> Self {
        Self {
            is_sorted: false,
            ..self
        }
    }

    /// Whether controllers on other machines see the same logs. Only then the lock holds
    /// between machines.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The log of one rule or service; `subject` is its name, such as a rule's ARN.
    #[must_use]
    pub fn log(&self, subject: &str) -> JournalLog {
        self.at(&file_name_of(subject), subject)
    }

    /// Returns the names of all logs, as [`named`](Self::named) takes them: for a caller that wants to read
    /// a log and does not know its subject.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> bluegreen::Result<()> {
    /// use bluegreen::{clock::SystemClock, store::{Holder, JournalStore, Take}};
    ///
    /// let store = JournalStore::memory();
    /// let lease = store.log("the rule").take(Holder::this_process("ann"), SystemClock, Take::IfFree).await?;
    /// lease.release().await?;
    /// let names = store.logs().await?;
    /// assert_eq!(names.len(), 1);
    /// assert!(store.named(&names[0]).newest_run().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn logs(&self) -> Result<Vec<String>> {
        let mut names = Objects::new(Arc::clone(&self.objects), self.prefix.clone())
            .below()
            .await?;
        names.retain(|name| name != REQUESTS && name != TESTS);
        Ok(names)
    }

    /// A log by its name among [`logs`](Self::logs).
    #[must_use]
    pub fn named(&self, name: &str) -> JournalLog {
        self.at(name, name)
    }

    #[cfg(feature = "spec")]
    pub(super) fn objects(&self) -> &dyn ObjectStore {
        &*self.objects
    }

    /// The place of what stands below this name beside the logs: its prefix, and its folder if it has one.
    #[cfg(feature = "spec")]
    pub(super) fn place_of(&self, name: &str) -> (object_store::path::Path, Option<PathBuf>) {
        let folder = self.folder.as_ref().map(|folder| folder.join(name));
        (self.prefix.clone().join(name), folder)
    }

    fn at(&self, name: &str, subject: &str) -> JournalLog {
        let prefix = self.prefix.clone().join(name);
        let mut storage = Objects::new(Arc::clone(&self.objects), prefix);
        if let Some(folder) = &self.folder {
            storage = storage.in_folder(folder.join(name));
        }
        if !self.is_sorted {
            storage = storage.unsorted();
        }
        let requests = RequestObjects {
            store: Arc::clone(&self.objects),
            prefix: self.prefix.clone().join(REQUESTS).join(name),
            folder: self
                .folder
                .as_ref()
                .map(|folder| folder.join(REQUESTS).join(name)),
            is_sorted: self.is_sorted && self.folder.is_none(),
        };
        JournalLog::new(Arc::new(storage), subject).with_requests(Arc::new(requests))
    }
}

impl fmt::Display for JournalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// The holder of a log, and the time of the newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseState {
    /// The holder; `None` if the log is free.
    pub holder: Option<Holder>,
    /// When the newest lease was taken.
    pub since: Timestamp,
    /// When the newest record was written, by its writer's clock.
    pub last: Timestamp,
}

impl LeaseState {
    /// Whether the holder is known to have ended: its process ran on this machine, and is not there any more.
    /// `false` if that cannot be known.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.holder.as_ref().is_some_and(Holder::has_ended)
    }
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(holder) => write!(
                f,
                "held by {holder} since {:.0}, newest record at {:.0}",
                self.since, self.last
            ),
            None => write!(f, "free since {:.0}", self.last),
        }
    }
}

/// The journal of one rule or service: numbered records of all runs and holders.
#[derive(Debug, Clone)]
pub struct JournalLog {
    storage: Arc<dyn RecordStorage>,
    requests: Option<Arc<dyn RequestStorage>>,
    subject: String,
}

/// The end of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// The number after the newest record, whole or not.
    pub(super) next: u64,
    /// The newest whole record.
    pub(super) newest: Option<(Envelope, Sum)>,
    /// The number that the storage remembers, to find the end from there.
    pub(super) remembered: u64,
}

impl Tail {
    fn is_held(&self) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|(envelope, _)| envelope.what != What::Released)
    }
}

impl JournalLog {
    /// A log on your own storage, which must hold the records of this log alone. Its runs hear no
    /// [requests](Self::with_requests).
    #[must_use]
    pub fn new(storage: Arc<dyn RecordStorage>, subject: &str) -> Self {
        Self {
            storage,
            requests: None,
            subject: subject.to_owned(),
        }
    }

    /// Lets the runs of this log hear requests: everyone who may write into `storage` may control the runs. A
    /// log of a [`JournalStore`] has its requests below `requests/` beside the logs.
    #[must_use]
    pub fn with_requests(self, storage: Arc<dyn RequestStorage>) -> Self {
        Self {
            requests: Some(storage),
            ..self
        }
    }

    /// Lets the runs of this log hear no requests of other processes.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn without_requests(self) -> Self {
        Self {
            requests: None,
            ..self
        }
    }

    pub(super) fn requests(&self) -> Option<&Arc<dyn RequestStorage>> {
        self.requests.as_ref()
    }

    /// The name of the rule or service of this log.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn storage(&self) -> &dyn RecordStorage {
        &*self.storage
    }

    /// Returns the holder and the time of the newest record; `None` for a log without any record.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or holds records that this program did not write.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn lease_state(&self) -> Result<Option<LeaseState>> {
        let tail = self.tail().await?;
        self.lease_state_of(&tail).await
    }

    pub(super) async fn lease_state_of(&self, tail: &Tail) -> Result<Option<LeaseState>> {
        let Some((newest, _)) = &tail.newest else {
            return Ok(None);
        };
        let claim = match newest.claim == newest.seq {
            true => newest.clone(),
            false => self.read_whole(newest.claim).await?.0,
        };
        let What::Taken { holder, .. } = claim.what else {
            let why = format!("record {} should take the lease and does not", newest.claim);
            return Err(self.damaged(&why));
        };
        Ok(Some(LeaseState {
            holder: tail.is_held().then_some(holder),
            since: claim.at,
            last: newest.at,
        }))
    }

    /// Returns the records of the newest run, whether it has ended or not; empty if there was no run.
    ///
    /// A torn record is left out: the call that it would have announced was never made.
    ///
    /// # Errors
    ///
    /// As [`lease_state`](Self::lease_state), and if records are missing or do not follow each other.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_run(&self) -> Result<Vec<Record>> {
        let tail = self.tail().await?;
        self.run_of(&tail).await
    }

    /// Returns [`newest_run`](Self::newest_run) as a stream, for a large run.
    ///
    /// # Errors
    ///
    /// As [`newest_run`](Self::newest_run), at the record that is wrong.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_run_stream(&self) -> Result<impl Stream<Item = Result<Record>>> {
        let tail = self.tail().await?;
        let first = tail.newest.and_then(|(newest, _)| newest.run);
        // Without a run there is nothing to read.
        Ok(self.entries(first.unwrap_or(tail.next), tail.next))
    }

    /// Returns the first record of the newest run; `None` if there was no run.
    ///
    /// # Errors
    ///
    /// As [`newest_run`](Self::newest_run).
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_opening(&self) -> Result<Option<Record>> {
        let tail = self.tail().await?;
        self.opening_of(&tail).await
    }

    pub(super) async fn opening_of(&self, tail: &Tail) -> Result<Option<Record>> {
        let Some(first) = tail.newest.as_ref().and_then(|(newest, _)| newest.run) else {
            return Ok(None);
        };
        let opening: Vec<Record> = self.entries(first, first + 1).try_collect().await?;
        Ok(opening.into_iter().next())
    }

    async fn run_of(&self, tail: &Tail) -> Result<Vec<Record>> {
        let Some(first) = tail.newest.as_ref().and_then(|(newest, _)| newest.run) else {
            return Ok(Vec::new());
        };
        self.entries(first, tail.next).try_collect().await
    }

    /// Returns the records that a resume of the newest run needs: the first record, and the records from the
    /// newest [snapshot](Record::is_snapshot) on. All records if the run has no snapshot; empty if there was
    /// no run.
    ///
    /// # Errors
    ///
    /// As [`newest_run`](Self::newest_run).
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn newest_run_to_resume(&self) -> Result<Vec<Record>> {
        let tail = self.tail().await?;
        let newest = tail.newest.as_ref().map(|(newest, _)| newest);
        match newest.and_then(|newest| newest.run) {
            Some(run) => {
                let snapshot = newest.and_then(|newest| newest.snapshot);
                self.to_resume(run, snapshot, tail.next).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns the records that a resume needs of the run that begins with record `run`, up to `end`.
    pub(super) async fn to_resume(
        &self,
        run: u64,
        snapshot: Option<u64>,
        end: u64,
    ) -> Result<Vec<Record>> {
        let Some(snapshot) = snapshot else {
            return self.entries(run, end).try_collect().await;
        };
        let (first, rest) = futures_util::try_join!(
            self.entries(run, run + 1).try_collect::<Vec<_>>(),
            self.entries(snapshot, end).try_collect::<Vec<_>>(),
        )?;
        Ok([first, rest].concat())
    }

    /// Reads a record that must be whole.
    pub(super) async fn read_whole(&self, seq: u64) -> Result<(Envelope, Sum)> {
        let bytes = self.storage.read(seq).await?;
        let whole = self.decode(seq, &bytes)?;
        whole.ok_or_else(|| self.damaged(&format!("record {seq} is not whole")))
    }

    /// Decodes a record; `None` if it is torn.
    pub(super) fn decode(&self, seq: u64, bytes: &[u8]) -> Result<Option<(Envelope, Sum)>> {
        match Envelope::decode(bytes) {
            Ok((envelope, sum)) if envelope.seq == seq => Ok(Some((envelope, sum))),
            Ok((envelope, _)) => {
                let why = format!(
                    "record {} stands in the place of record {seq}",
                    envelope.seq
                );
                Err(self.damaged(&why))
            }
            Err(Unreadable::Torn) => Ok(None),
            Err(Unreadable::Newer { format }) => {
                let message = format!(
                    "read the journal of `{}`: record {seq} is of version {format}, and this \
                     program reads versions up to {}",
                    self.subject,
                    super::envelope::FORMAT
                );
                let hint = "use the program that wrote it, or a newer one; `rollback` needs no \
                            journal and works in any case";
                Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
            }
            Err(Unreadable::Foreign { why }) => {
                Err(self.damaged(&format!("record {seq} is no record of a journal: {why}")))
            }
        }
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        let message = format!("read the journal of `{}`: {why}", self.subject);
        Error::new(ErrorKind::Refused, message).with_hint(
            "the records were changed by hand; look at the live split and use `rollback`",
        )
    }
}
