//! A place for requests in memory that fails or hangs on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bluegreen::{
    Error, ErrorKind, Result,
    engine::{LARGEST_REQUEST, RequestAnswer, RequestStorage},
};

/// The behaviour of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Works,
    Fails,
    Hangs,
}

impl Mood {
    async fn call(self) -> Result<()> {
        match self {
            Self::Works => Ok(()),
            Self::Fails => Err(Error::new(ErrorKind::Unavailable, "the store is down")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct TestRequests {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    lists: Mutex<Mood>,
    answers: Mutex<Mood>,
    listed: AtomicU64,
}

impl TestRequests {
    /// Sets the behaviour of lists from now on.
    pub(crate) fn lists(&self, mood: Mood) {
        *self.lists.lock().expect("no panic") = mood;
    }

    /// Sets the behaviour of the holder's answers from now on.
    pub(crate) fn answers(&self, mood: Mood) {
        *self.answers.lock().expect("no panic") = mood;
    }

    /// Puts an object there, as any process with write access can.
    pub(crate) fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let mut objects = self.objects.lock().expect("no panic");
        objects.insert(name.to_owned(), bytes.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let objects = self.objects.lock().expect("no panic");
        objects.get(name).cloned()
    }

    /// How often requests were listed.
    pub(crate) fn listed(&self) -> u64 {
        self.listed.load(Ordering::SeqCst)
    }

    /// The answer under this name.
    pub(crate) fn answer(&self, name: &str) -> Option<RequestAnswer> {
        let bytes = self.get(name)?;
        Some(RequestAnswer::from_json(&bytes).expect("an answer"))
    }
}

#[async_trait]
impl RequestStorage for TestRequests {
    async fn names(&self, folder: &str, most: usize) -> Result<Vec<String>> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        let mood = *self.lists.lock().expect("no panic");
        mood.call().await?;
        let objects = self.objects.lock().expect("no panic");
        let is_below = |name: &&String| {
            let rest = name.strip_prefix(folder);
            folder.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
        };
        Ok(objects
            .keys()
            .filter(is_below)
            .take(most)
            .cloned()
            .collect())
    }

    async fn read(&self, name: &str) -> Result<Vec<u8>> {
        let bytes = self.get(name);
        let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a request"))?;
        if bytes.len() as u64 > LARGEST_REQUEST {
            return Err(Error::new(ErrorKind::Refused, "it is too large"));
        }
        Ok(bytes)
    }

    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        if name.ends_with(".answer.json") {
            let mood = *self.answers.lock().expect("no panic");
            mood.call().await?;
        }
        let mut objects = self.objects.lock().expect("no panic");
        if objects.contains_key(name) {
            return Err(Error::new(ErrorKind::Conflict, "create a request"));
        }
        objects.insert(name.to_owned(), bytes);
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        let mut objects = self.objects.lock().expect("no panic");
        objects.retain(|name, _| !names.contains(name));
        Ok(())
    }
}
