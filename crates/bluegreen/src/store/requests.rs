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
/// The folder beside the logs that holds the results of tests. No log has such a name.
pub(super) const TESTS: &str = "tests";

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

#[cfg(all(test, feature = "aws"))]
mod tests {
    use std::{
        fmt::Write as _,
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        sync::Mutex,
        thread,
    };

    use object_store::aws::AmazonS3Builder;

    use super::*;

    /// The number of names in the folder, and the number on a page.
    const THERE: usize = 7;
    const PAGE: usize = 3;

    /// A page of `ListObjectsV2`, from this name on.
    fn page(from: usize) -> String {
        let to = (from + PAGE).min(THERE);
        let mut xml = format!(
            "<ListBucketResult><Name>b</Name><IsTruncated>{}</IsTruncated>",
            to < THERE
        );
        if to < THERE {
            let _ = write!(xml, "<NextContinuationToken>{to}</NextContinuationToken>");
        }
        for n in from..to {
            let _ = write!(
                xml,
                "<Contents><Key>requests/log/run/pause/{n}.json</Key><ETag>\"{n}\"</ETag><Size>2</Size>\
                 <LastModified>2026-01-05T09:00:00.000Z</LastModified></Contents>"
            );
        }
        xml + "</ListBucketResult>"
    }

    /// Answers each list with a page, and keeps how many were asked for. Ends with the process.
    fn serve() -> (String, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(0));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let lines = BufReader::new(&connection).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let from = head.first().and_then(|line| {
                    let (_, rest) = line.split_once("continuation-token=")?;
                    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                    digits.parse().ok()
                });
                *kept.lock().expect("no panic") += 1;
                let body = page(from.unwrap_or_default());
                let _ = write!(
                    connection,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        (url, asked)
    }

    /// S3 may cut a list into pages of any length: they are read until there are enough names, and no further.
    #[tokio::test]
    async fn a_list_that_is_cut_in_pages_is_read_as_far_as_it_is_wanted() {
        for (most, names, pages) in [(1_000, THERE, 3), (5, 5, 2), (PAGE, PAGE, 1)] {
            let (url, asked) = serve();
            let store = AmazonS3Builder::new()
                .with_bucket_name("b")
                .with_region("us-east-1")
                .with_access_key_id("testing")
                .with_secret_access_key("testing")
                .with_endpoint(url)
                .with_allow_http(true)
                .build();
            let requests = RequestObjects {
                store: Arc::new(store.expect("complete")),
                prefix: Path::from("requests/log"),
                folder: None,
                is_sorted: true,
            };
            let found = requests.names("run", most).await.expect("listed");
            let wanted: Vec<String> = (0..names).map(|n| format!("run/pause/{n}.json")).collect();
            assert_eq!(found, wanted);
            assert_eq!(*asked.lock().expect("no panic"), pages, "for {most}");
        }
    }
}
