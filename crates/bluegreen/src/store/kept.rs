//! Results of tests, beside the logs of a [`JournalStore`](super::JournalStore).

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

/// The most bytes of a result: its lists are short.
const LARGEST: u64 = 1 << 20;

impl JournalStore {
    /// Keeps the result of the newest test of a rule, instead of the one before.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have kept the result.
    pub(crate) async fn keep_test(&self, subject: &str, result: Vec<u8>) -> Result<()> {
        let (path, folder) = self.test_of(subject);
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            // The store would make the folder readable for everyone. If it cannot be made, the put fails.
            let _ = create_private(&folder);
        }
        let options = PutOptions::from(PutMode::Overwrite);
        let objects = self.objects();
        let put = objects.put_opts(&path, PutPayload::from(result), options);
        within(&format!("keep the result of the test in `{path}`"), put)
            .await
            .map(drop)
    }

    /// Returns the result of the newest test of a rule; `None` if there is none.
    pub(crate) async fn kept_test(&self, subject: &str) -> Result<Option<Vec<u8>>> {
        let (path, _) = self.test_of(subject);
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
        match within(&format!("read the result of the test in `{path}`"), read).await? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes.to_vec())),
            Some(Err(size)) => {
                let message =
                    format!("the result of the test has {size} bytes; at most {LARGEST} are read");
                Err(Error::new(ErrorKind::Refused, message))
            }
        }
    }

    fn test_of(&self, subject: &str) -> (Path, Option<PathBuf>) {
        let (prefix, folder) = self.place_of(TESTS);
        (
            prefix.join(format!("{}.json", file_name_of(subject))),
            folder,
        )
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
            assert_eq!(store.kept_test("rule 1").await.unwrap(), None);
            store.keep_test("rule 1", b"old".to_vec()).await.unwrap();
            store.keep_test("rule 1", b"new".to_vec()).await.unwrap();
            store.keep_test("rule 2", b"other".to_vec()).await.unwrap();
            let kept = store.kept_test("rule 1").await.unwrap();
            assert_eq!(kept.as_deref(), Some(&b"new"[..]));
            assert_eq!(store.logs().await.unwrap(), [""; 0]);
        }
        let large = vec![b' '; 1 + usize::try_from(LARGEST).unwrap()];
        let store = JournalStore::local(&path).unwrap();
        store.keep_test("rule 1", large).await.unwrap();
        let error = store.kept_test("rule 1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}
