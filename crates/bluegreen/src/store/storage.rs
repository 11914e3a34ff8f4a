//! Storages of records: create, read, list and delete, and two methods that save work.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;
use futures_util::{StreamExt as _, TryStreamExt, stream};
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path,
};

use crate::{
    clock,
    error::{Error, ErrorKind, Result},
};

/// The result of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Created {
    /// The record was created and is durable.
    New,
    /// The number is taken; nothing was changed.
    Exists,
}

/// Some of the numbers of a log's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The numbers, ascending.
    pub numbers: Vec<u64>,
    /// Whether there are no higher numbers.
    pub is_last: bool,
}

impl Numbers {
    /// The numbers of `all`, which may be in any order, from `from` on: for a storage that always knows all
    /// its numbers.
    pub fn all(all: impl IntoIterator<Item = u64>, from: u64) -> Self {
        let mut numbers: Vec<u64> = all.into_iter().filter(|seq| *seq >= from).collect();
        numbers.sort_unstable();
        Self {
            numbers,
            is_last: true,
        }
    }
}

/// Stores the numbered records of one [`JournalLog`](super::JournalLog), each created once and never
/// changed. [`JournalStore`](super::JournalStore) has implementations for folders, S3 and memory. Any
/// storage can be another, if its create fails when the name is taken.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait RecordStorage: fmt::Debug + Send + Sync {
    /// Creates record `seq`, unless it exists. Of several writers at once exactly one creates
    /// the record. The record is durable when this returns.
    ///
    /// # Errors
    ///
    /// If the record is not known to be there. It may be there all the same, whole or torn.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created the record.
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created>;

    /// Reads record `seq`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such record.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn read(&self, seq: u64) -> Result<Vec<u8>>;

    /// Returns the lowest numbers from `from` on, as many as one call brings. No record whose create has
    /// returned is left out. Empty only if there are no such numbers.
    ///
    /// # Errors
    ///
    /// If the numbers cannot be listed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn numbers(&self, from: u64) -> Result<Numbers>;

    /// Remembers that the log reaches at least to `seq`, so that its end is found from there. The number may
    /// be forgotten; the log is read without it. Default: forgets it.
    ///
    /// # Errors
    ///
    /// If the number could not be written. Nothing depends on it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn remember(&self, seq: u64) -> Result<()> {
        let _ = seq;
        Ok(())
    }

    /// Returns the number that was remembered last, or 0. Default: 0.
    ///
    /// # Errors
    ///
    /// If the number cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn remembered(&self) -> Result<u64> {
        Ok(0)
    }

    /// Deletes records. A record that is gone already is no error. Default: refuses.
    ///
    /// # Errors
    ///
    /// If some records may still be there.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have deleted some records.
    async fn delete(&self, numbers: &[u64]) -> Result<()> {
        let message = format!("delete {} records: this storage keeps all", numbers.len());
        Err(Error::new(ErrorKind::Refused, message))
    }
}

/// The limit of one call to the store: well under a permit.
const LIMIT: Duration = Duration::from_secs(8);
/// The most bytes of a record: one look of a dozen gates takes about ten kilobytes.
const LARGEST: u64 = 8 << 20;
/// The digits of a record's name. A thousand records a second use the numbers up in thirty years.
const DIGITS: usize = 12;
/// The highest number that these digits can write.
const HIGHEST: u64 = 999_999_999_999;
/// The most numbers that one call brings: the size of S3's pages.
const PAGE: usize = 1_000;
/// The object that says how far the log reaches. No record has such a name.
const REMEMBERED: &str = "newest";

/// The wait before a create that another create prevented is sent again.
const AGAIN: Duration = Duration::from_millis(100);

fn large(size: u64) -> String {
    format!("the record has {size} bytes; at most {LARGEST} are allowed")
}

/// Records as objects below a prefix.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The folder of the objects, if they are files.
    folder: Option<PathBuf>,
    /// Whether the store lists by name, from any name on.
    is_sorted: bool,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self {
            store,
            prefix,
            folder: None,
            is_sorted: true,
        }
    }

    /// Says that the store lists in no order: an S3 directory bucket.
    pub(super) fn unsorted(self) -> Self {
        Self {
            is_sorted: false,
            ..self
        }
    }

    /// Says that the objects are files of this folder, which only its owner may read.
    pub(super) fn in_folder(self, folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..self
        }
    }

    /// Returns the names of the folders right below the prefix, in ascending order.
    pub(crate) async fn below(&self) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix));
        let listed = self.within("list the logs", listed).await?;
        let names = listed.common_prefixes.iter();
        let mut names: Vec<String> = names
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn path(&self, seq: u64) -> Path {
        self.prefix.clone().join(format!("{seq:0DIGITS$}.json"))
    }

    async fn within<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T> {
        within(&format!("{what} in journal `{}`", self.prefix), work).await
    }
}

/// Carries out a call to the store, within its limit.
pub(super) async fn within<T>(
    attempted: &str,
    work: impl Future<Output = Result<T, object_store::Error>>,
) -> Result<T> {
    let _stands = clock::RealWork::begin();
    match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(told(attempted, &error)),
        Err(_) => {
            let message = format!("{attempted}: no answer within {} s", LIMIT.as_secs());
            Err(Error::new(ErrorKind::OutcomeUnknown, message))
        }
    }
}

/// Creates a folder that only its owner may read, and the folders above it.
pub(super) fn create_private(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Makes the first line of the last cause.
fn innermost(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let text = innermost.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The store's error an error of this crate. The store's text already names its causes, so no source
/// is attached. S3's answer is reduced to its code and message.
fn told(attempted: &str, error: &object_store::Error) -> Error {
    let text = error.to_string();
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0)
    };
    let code = within("Code");
    let kind = match (error, code) {
        (object_store::Error::NotFound { .. }, _) | (_, Some("NoSuchBucket")) => {
            ErrorKind::NotFound
        }
        (
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. },
            _,
        )
        | (
            _,
            Some("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken"),
        ) => ErrorKind::Denied,
        (
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
            _,
        ) => ErrorKind::Conflict,
        _ => ErrorKind::Unavailable,
    };
    let is_of_s3 = matches!(error, object_store::Error::Generic { store: "S3", .. });
    let answer = match (code, within("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        // The rest is how often and how long it was tried, at which URL.
        _ if is_of_s3 => format!("no answer of S3: {}", innermost(error)),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    };
    let error = Error::new(kind, format!("{attempted}: {answer}"));
    match (kind, code) {
        (ErrorKind::NotFound, Some("NoSuchBucket")) => {
            error.with_hint("create the bucket in the region of this run, or name another bucket")
        }
        (ErrorKind::Denied, _) => error.with_hint(
            "the journal needs s3:GetObject and s3:PutObject below its prefix, and s3:ListBucket; \
             pruning needs s3:DeleteObject, too",
        ),
        (_, Some("PermanentRedirect" | "IllegalLocationConstraintException")) => error
            .with_hint("the bucket is in another region: use its region, or name another bucket"),
        (ErrorKind::Unavailable, None) if is_of_s3 => error.with_hint(
            "the store gave no answer: check the credentials, the network and the store's endpoint \
             (AWS_ENDPOINT_URL_S3)",
        ),
        _ => error,
    }
}

#[async_trait]
impl RecordStorage for Objects {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        let (path, size) = (self.path(seq), bytes.len() as u64);
        if size > LARGEST {
            let message = format!(
                "append a record in journal `{}`: {}",
                self.prefix,
                large(size)
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if let Some(folder) = self.folder.as_ref().filter(|folder| !folder.exists()) {
            // The store would make the folder readable for everyone. If it cannot be made, the put fails.
            let _ = create_private(folder);
        }
        let bytes = PutPayload::from(bytes);
        let put = async {
            loop {
                let options = PutOptions::from(PutMode::Create);
                match self.store.put_opts(&path, bytes.clone(), options).await {
                    Ok(_) => return Ok(Created::New),
                    Err(object_store::Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(error),
                }
                // S3 gives the same answer if another request on this key was under way (409). Then the
                // key may be free, and the same request is to be sent again:
                // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
                match self.store.head(&path).await {
                    Ok(_) => return Ok(Created::Exists),
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        self.within("append a record", put).await
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        let path = self.path(seq);
        let read = async {
            let found = self.store.get_opts(&path, GetOptions::default()).await?;
            match found.meta.size {
                size if size > LARGEST => Ok(Err(size)),
                _ => found.bytes().await.map(Ok),
            }
        };
        match self.within("read a record", read).await? {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(size) => {
                let message = format!(
                    "read record {seq} in journal `{}`: {}",
                    self.prefix,
                    large(size)
                );
                let hint = "no version of this program writes such a record; `rollback` needs no \
                            journal";
                Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
            }
        }
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        if let Some(folder) = self.folder.clone() {
            return numbers_in(folder, from).await;
        }
        if from > HIGHEST {
            return Ok(Numbers::all([], from));
        }
        let listed = match (self.is_sorted, from.checked_sub(1)) {
            (true, Some(before)) => {
                let before = self.path(before);
                self.store.list_with_offset(Some(&self.prefix), &before)
            }
            _ => self.store.list(Some(&self.prefix)),
        };
        let most = if self.is_sorted { PAGE } else { usize::MAX };
        let listed = listed.take(most).try_collect::<Vec<_>>();
        let listed = self.within("list the records", listed).await?;
        let names = listed.iter().filter_map(|meta| meta.location.filename());
        Ok(Numbers {
            is_last: listed.len() < most,
            ..Numbers::all(names.filter_map(number_of), from)
        })
    }

    async fn remember(&self, seq: u64) -> Result<()> {
        if self.folder.is_some() {
            // All files of a folder are listed with one call.
            return Ok(());
        }
        let path = self.prefix.clone().join(REMEMBERED);
        let put = self.store.put(&path, PutPayload::from(seq.to_string()));
        self.within("remember the newest record", put)
            .await
            .map(drop)
    }

    async fn remembered(&self) -> Result<u64> {
        if self.folder.is_some() {
            return Ok(0);
        }
        let path = self.prefix.clone().join(REMEMBERED);
        let read = async {
            match self.store.get_opts(&path, GetOptions::default()).await {
                Ok(found) if found.meta.size <= DIGITS as u64 => found.bytes().await.map(Some),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let read = self.within("read which record is the newest", read).await?;
        let text = read.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    async fn delete(&self, numbers: &[u64]) -> Result<()> {
        let paths: Vec<Path> = numbers.iter().map(|seq| self.path(*seq)).collect();
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let is_gone = |deleted: &object_store::Result<Path>| {
            std::future::ready(!matches!(
                deleted,
                Err(object_store::Error::NotFound { .. })
            ))
        };
        let deleted = self.store.delete_stream(paths).filter(is_gone);
        let deleted = deleted.try_for_each(|_| async { Ok(()) });
        self.within("delete records", deleted).await
    }
}

/// Reads the number from a record's name.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    digits.parse().ok().filter(|_| digits.len() == DIGITS)
}

/// Lists the numbers of a folder's records by the names alone, without a look at each file.
async fn numbers_in(folder: PathBuf, from: u64) -> Result<Numbers> {
    let failed = |error: std::io::Error, folder: &PathBuf| {
        let message = format!("list the records in journal folder `{}`", folder.display());
        Error::new(ErrorKind::Unavailable, message).with_source(error)
    };
    let _stands = clock::RealWork::begin();
    let listing = tokio::task::spawn_blocking(move || {
        let names = match std::fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Numbers::all([], from));
            }
            Err(error) => return Err(failed(error, &folder)),
        };
        let mut numbers = Vec::new();
        for name in names {
            let name = name.map_err(|error| failed(error, &folder))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        Ok(Numbers::all(numbers, from))
    });
    match tokio::time::timeout(LIMIT, listing).await {
        Ok(Ok(listed)) => listed,
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "list the records in a journal folder: no answer within {} s",
                LIMIT.as_secs()
            ),
        )),
    }
}
