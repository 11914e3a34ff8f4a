//! What is kept beside the logs of a [`JournalStore`](super::JournalStore): the newest test of a rule, and its
//! newest cleanup.

use std::path::PathBuf;

use object_store::{GetOptions, PutMode, PutOptions, PutPayload, path::Path};

use super::{
    JournalStore,
    requests::TESTS,
    storage::{create_private, within},
};
use crate::{
    error::{Error, ErrorKind, Result},
    text::file_name_of,
};

/// The most bytes of what is kept: its lists are short.
const LARGEST: u64 = 1 << 20;

/// What is kept of a rule, the newest in place of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The result of a test.
    Test,
    /// How far a cleanup came.
    Cleanup,
}

impl Kept {
    /// The name of the file of a rule. Both kinds share a folder: an older version takes each other folder
    /// for a log.
    fn file(self, subject: &str) -> String {
        let name = match self {
            Self::Test => file_name_of(subject),
            Self::Cleanup => file_name_of(&format!("cleanup {subject}")),
        };
        format!("{name}.json")
    }

    fn words(self) -> &'static str {
        match self {
            Self::Test => "the result of the test",
            Self::Cleanup => "the state of the cleanup",
        }
    }
}

impl JournalStore {
    /// Keeps this of a rule, instead of the one before.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have kept it.
    pub(crate) async fn keep(&self, what: Kept, subject: &str, bytes: Vec<u8>) -> Result<()> {
        let (path, folder) = self.kept_at(what, subject);
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            // The store would make the folder readable for everyone. If it cannot be made, the put fails.
            let _ = create_private(&folder);
        }
        let options = PutOptions::from(PutMode::Overwrite);
        let objects = self.objects();
        let put = objects.put_opts(&path, PutPayload::from(bytes), options);
        within(&format!("keep {} in `{path}`", what.words()), put)
            .await
            .map(drop)
    }

    /// Returns what is kept of a rule; `None` if there is nothing.
    pub(crate) async fn kept(&self, what: Kept, subject: &str) -> Result<Option<Vec<u8>>> {
        let (path, _) = self.kept_at(what, subject);
        let objects = self.objects();
        let read = async {
            let found = match objects.get_opts(&path, GetOptions::default()).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                found => found?,
            };
            match found.meta.size {
                size if size > LARGEST => Ok(Some(Err(size))),
                _ => found.bytes().await.map(|bytes| Some(Ok(bytes))),
            }
        };
        let words = what.words();
        match within(&format!("read {words} in `{path}`"), read).await? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes.to_vec())),
            Some(Err(size)) => {
                let message = format!("{words} has {size} bytes; at most {LARGEST} are read");
                Err(Error::new(ErrorKind::Refused, message))
            }
        }
    }

    fn kept_at(&self, what: Kept, subject: &str) -> (Path, Option<PathBuf>) {
        let (prefix, folder) = self.place_of(TESTS);
        (prefix.join(what.file(subject)), folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_result_of_each_rule_is_kept_and_is_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for store in [JournalStore::memory(), JournalStore::local(&path).unwrap()] {
            assert_eq!(store.kept(Kept::Test, "rule 1").await.unwrap(), None);
            store
                .keep(Kept::Test, "rule 1", b"old".to_vec())
                .await
                .unwrap();
            store
                .keep(Kept::Test, "rule 1", b"new".to_vec())
                .await
                .unwrap();
            store
                .keep(Kept::Test, "rule 2", b"other".to_vec())
                .await
                .unwrap();
            store
                .keep(Kept::Cleanup, "rule 1", b"half".to_vec())
                .await
                .unwrap();
            let kept = store.kept(Kept::Test, "rule 1").await.unwrap();
            assert_eq!(kept.as_deref(), Some(&b"new"[..]));
            assert_eq!(store.logs().await.unwrap(), [""; 0]);
        }
        let large = vec![b' '; 1 + usize::try_from(LARGEST).unwrap()];
        let store = JournalStore::local(&path).unwrap();
        store.keep(Kept::Test, "rule 1", large).await.unwrap();
        let error = store.kept(Kept::Test, "rule 1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}
