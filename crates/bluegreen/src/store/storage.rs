//! Where records are kept: three calls.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions, PutPayload, path::Path};

use crate::error::{Error, ErrorKind, Result};

/// What became of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Created {
    /// It is there now, durable, and was not before.
    New,
    /// Something is there already; nothing was changed.
    Exists,
}

/// Numbered records of one log, each created once and never changed: what a
/// [`JournalLog`](super::JournalLog) stands on. [`JournalStore`](super::JournalStore) has it for
/// folders, S3 and memory; anything with a create that fails where something is can be another.
#[async_trait]
pub trait RecordStorage: fmt::Debug + Send + Sync {
    /// Creates record `seq`, unless there is one. Of several writers at once exactly one creates
    /// it. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// Where it is not known to be there: it may be all the same, whole or torn.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created it.
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created>;

    /// Reads record `seq`.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn read(&self, seq: u64) -> Result<Vec<u8>>;

    /// The numbers of all records, ascending, those of creates that have returned included.
    ///
    /// # Errors
    ///
    /// Where they cannot be listed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    async fn numbers(&self) -> Result<Vec<u64>>;
}

/// A call to the store may take so long: well under a permit.
const LIMIT: Duration = Duration::from_secs(8);

/// Records as objects below a prefix.
#[derive(Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    /// What there is right below the prefix, by name.
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
        self.prefix.clone().join(format!("{seq:012}.json"))
    }

    async fn within<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T> {
        let message = || format!("{what} in journal `{}`", self.prefix);
        let begun = real_now();
        let mut work = std::pin::pin!(work);
        loop {
            // A disk takes real time: on a simulation's quick clock the limit comes too early, and
            // counts only once as much real time has passed.
            let left = LIMIT.saturating_sub(begun.elapsed());
            match tokio::time::timeout(left, &mut work).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => return Err(told(&message(), &error)),
                Err(_) if begun.elapsed() < LIMIT => {}
                Err(_) => {
                    let message = format!("{}: no answer within {} s", message(), LIMIT.as_secs());
                    return Err(Error::new(ErrorKind::OutcomeUnknown, message));
                }
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a limit on real input and output, whatever clock a simulation has"
)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The store's own text says its causes too, so they are not kept beside it. S3's answer is
/// reduced to its code and message.
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
    let answer = match (code, within("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    };
    let is_of_s3 = matches!(error, object_store::Error::Generic { store: "S3", .. });
    let error = Error::new(kind, format!("{attempted}: {answer}"));
    match (kind, code) {
        (ErrorKind::NotFound, Some("NoSuchBucket")) => {
            error.with_hint("create the bucket, in the region that is worked in, or name another")
        }
        (ErrorKind::Denied, _) => error.with_hint(
            "it needs s3:GetObject and s3:PutObject below the prefix, and s3:ListBucket",
        ),
        (_, Some("PermanentRedirect" | "IllegalLocationConstraintException")) => {
            error.with_hint("the bucket is in another region: work in its region, or name another")
        }
        (ErrorKind::Unavailable, None) if is_of_s3 => error.with_hint(
            "the store gave no answer: check the credentials, the network and its endpoint \
             (AWS_ENDPOINT_URL_S3)",
        ),
        _ => error,
    }
}

#[async_trait]
impl RecordStorage for Objects {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        let options = PutOptions::from(PutMode::Create);
        let path = self.path(seq);
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        match self.within("append a record", put).await {
            Ok(_) => Ok(Created::New),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Created::Exists),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        let path = self.path(seq);
        let read = async {
            let found = self.store.get_opts(&path, GetOptions::default()).await?;
            found.bytes().await
        };
        let bytes = self.within("read a record", read).await?;
        Ok(bytes.to_vec())
    }

    async fn numbers(&self) -> Result<Vec<u64>> {
        let listed = self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>();
        let listed = self.within("list the records", listed).await?;
        let number = |meta: &object_store::ObjectMeta| {
            let name = meta.location.filename()?;
            name.strip_suffix(".json")?.parse().ok()
        };
        let mut numbers: Vec<u64> = listed.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}
