//! Requests as objects, beside the logs of a [`JournalStore`](super::JournalStore).

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions, PutPayload, path::Path};

use super::storage::{create_private, within};
use crate::{
    engine::{LARGEST_REQUEST, RequestStorage},
    error::{Error, ErrorKind, Result},
};

/// The folder beside the logs that holds the requests. No log has such a name.
pub(super) const REQUESTS: &str = "requests";

/// A store that lists in no order is asked for this many times the names that are wanted.
const UNSORTED: usize = 10;

/// Objects below a prefix.
#[derive(Debug)]
pub(super) struct RequestObjects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// The folder of the objects, if they are files.
    pub(super) folder: Option<PathBuf>,
    /// Whether the store lists by name.
    pub(super) is_sorted: bool,
}

impl RequestObjects {
    fn path(&self, name: &str) -> Path {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn attempted(&self, what: &str) -> String {
        format!("{what} in `{}`", self.prefix)
    }
}

#[async_trait]
impl RequestStorage for RequestObjects {
    async fn names(&self, folder: &str, most: usize) -> Result<Vec<String>> {
        let below = self.path(folder);
        let asked = match self.is_sorted {
            true => most,
            false => most.saturating_mul(UNSORTED),
        };
        let listed = self.store.list(Some(&below)).take(asked);
        let listed = listed.try_collect::<Vec<_>>();
        let listed = within(&self.attempted("list the requests"), listed).await?;
        let relative = |path: &Path| -> Option<String> {
            let parts = path.prefix_match(&self.prefix)?;
            let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let names = listed.iter().filter_map(|meta| relative(&meta.location));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names.truncate(most);
        Ok(names)
    }

    async fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        let read = async {
            let found = self.store.get_opts(&path, GetOptions::default()).await?;
            match found.meta.size {
                size if size > LARGEST_REQUEST => Ok(Err(size)),
                _ => found.bytes().await.map(Ok),
            }
        };
        match within(&self.attempted("read a request"), read).await? {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(size) => {
                let message =
                    format!("the request has {size} bytes; at most {LARGEST_REQUEST} are allowed");
                Err(Error::new(ErrorKind::Refused, message))
            }
        }
    }

    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(name);
        if let Some(folder) = &self.folder {
            let file = name
                .split('/')
                .fold(folder.clone(), |path, part| path.join(part));
            if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
                // The store would make the folder readable for everyone. If it cannot be made, the put fails.
                let _ = create_private(folder);
            }
        }
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&path, PutPayload::from(bytes), options);
        within(&self.attempted(&format!("create `{name}`")), put)
            .await
            .map(drop)
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let is_gone = |deleted: &object_store::Result<Path>| {
            std::future::ready(!matches!(
                deleted,
                Err(object_store::Error::NotFound { .. })
            ))
        };
        let deleted = self.store.delete_stream(stream::iter(paths).boxed());
        let deleted = deleted.filter(is_gone).try_for_each(|_| async { Ok(()) });
        within(&self.attempted("delete requests"), deleted).await
    }
}
