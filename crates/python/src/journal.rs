//! Journals: their places, their records, and a run told again.

use std::{fmt, path::PathBuf, sync::Arc};

use bluegreen::{
    Aws as LibraryAws, Error, ErrorKind, Result,
    clock::{Clock, SystemClock},
    engine::Record,
    migration::events_of,
    spec::{JournalPlace, MigrationSpec},
    store::{Holder, JournalLog, JournalStore, Lease, Take},
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    errors,
    values::{Event, Outcome},
    world::World,
};

/// Where a run keeps its journal: history, lock and fence in one.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug, Clone)]
pub(crate) struct Journal(Place);

#[derive(Debug, Clone)]
enum Place {
    Memory(JournalStore),
    Elsewhere(JournalPlace),
}

impl Journal {
    pub(crate) fn of_place(place: JournalPlace) -> Self {
        Self(Place::Elsewhere(place))
    }

    fn in_memory() -> Self {
        Self(Place::Memory(JournalStore::memory()))
    }

    /// The journal of a run: as given, else as the file says, else in memory.
    pub(crate) fn of_run(given: Option<&Self>, spec: &MigrationSpec) -> Self {
        let of_spec = || spec.journal.clone().map(Self::of_place);
        given
            .cloned()
            .or_else(of_spec)
            .unwrap_or_else(Self::in_memory)
    }

    /// Takes the lease of the log `name`, for a run that may have no AWS.
    pub(crate) async fn take(
        &self,
        aws: Option<&LibraryAws>,
        name: &str,
        by: &str,
        how: Take,
    ) -> Result<Lease> {
        let log = self.open_near(aws)?.log(name);
        log.take(Holder::this_process(by), clock_of(aws), how).await
    }

    pub(crate) fn open(&self, aws: &LibraryAws) -> Result<JournalStore> {
        match &self.0 {
            Place::Memory(store) => Ok(store.clone()),
            Place::Elsewhere(place) => place.open(aws),
        }
    }

    /// Opens the journal for a run that may have no AWS.
    fn open_near(&self, aws: Option<&LibraryAws>) -> Result<JournalStore> {
        match (&self.0, aws) {
            (Place::Memory(store), _) => Ok(store.clone()),
            (Place::Elsewhere(place), Some(aws)) => place.open(aws),
            (Place::Elsewhere(JournalPlace::Folder(folder)), None) => JournalStore::local(folder),
            (Place::Elsewhere(place), None) => Err(Error::new(
                ErrorKind::Invalid,
                format!("open the journal in {place} without AWS"),
            )),
        }
    }

    /// Opens the journal for a reader; only one that is far needs AWS.
    fn store(&self, py: Python<'_>, aws: Option<&Bound<'_, PyAny>>) -> PyResult<JournalStore> {
        let journal = self.clone();
        let store = match self.is_far() {
            true => World::of(aws)?.ask(py, move |aws| async move { journal.open(&aws) })?,
            false => journal.open_near(None),
        };
        store.map_err(|error| errors::of_call(py, &error))
    }

    /// Whether AWS is needed to reach it.
    pub(crate) fn is_far(&self) -> bool {
        matches!(self.0, Place::Elsewhere(JournalPlace::S3 { .. }))
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Memory(_) => f.write_str("in memory"),
            Place::Elsewhere(place) => write!(f, "{place}"),
        }
    }
}

#[pymethods]
impl Journal {
    /// In this process: all runs that are given the same object share it.
    #[staticmethod]
    fn memory() -> Self {
        Self::in_memory()
    }

    /// Keeps other controllers of this machine out, not those of other machines.
    #[staticmethod]
    fn folder(path: PathBuf) -> Self {
        Self::of_place(JournalPlace::Folder(path))
    }

    /// Shared by all machines. `aws` of the run reaches the bucket.
    #[staticmethod]
    #[pyo3(signature = (bucket, prefix=""))]
    fn s3(bucket: &str, prefix: &str) -> PyResult<Self> {
        Self::parse(&format!("s3://{bucket}/{prefix}"))
    }

    /// `s3://BUCKET/PREFIX`, or a folder.
    #[staticmethod]
    fn parse(place: &str) -> PyResult<Self> {
        let place = place.parse::<JournalPlace>();
        place
            .map(Self::of_place)
            .map_err(|error| PyValueError::new_err(format!("{error} (hint: {})", error.hint())))
    }

    /// The names of the logs in it, one a rule or service. Blocks.
    #[pyo3(signature = (aws=None))]
    fn logs(&self, py: Python<'_>, aws: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
        let store = self.store(py, aws)?;
        let names = World::of(aws)?.wait(py, async move { store.logs().await })?;
        names.map_err(|error| errors::of_call(py, &error))
    }

    /// The records of the newest run, each as JSON; of the only log if none is named. Blocks.
    #[pyo3(signature = (log=None, aws=None))]
    fn records(
        &self,
        py: Python<'_>,
        log: Option<String>,
        aws: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<String>> {
        let store = self.store(py, aws)?;
        let records =
            World::of(aws)?.wait(
                py,
                async move { only(&store, log).await?.newest_run().await },
            )?;
        let records = records.map_err(|error| errors::of_call(py, &error))?;
        let written = records.iter().map(serde_json::to_string);
        written
            .collect::<serde_json::Result<_>>()
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn __str__(&self) -> String {
        self.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Journal {self}>")
    }
}

/// The clock of a run that may have no AWS.
pub(crate) fn clock_of(aws: Option<&LibraryAws>) -> Arc<dyn Clock> {
    aws.map_or_else(|| Arc::new(SystemClock) as _, LibraryAws::clock)
}

/// The log of this name, or the only one.
async fn only(store: &JournalStore, name: Option<String>) -> Result<JournalLog> {
    if let Some(name) = name {
        return Ok(store.named(&name));
    }
    let names = store.logs().await?;
    match &names[..] {
        [name] => Ok(store.named(name)),
        [] => Err(Error::new(
            ErrorKind::NotFound,
            "read the journal: there is none yet",
        )),
        _ => {
            let error = Error::new(
                ErrorKind::Invalid,
                format!("read one of {} journals", names.len()),
            );
            Err(error.with_hint(format!("name one: {}", names.join(", "))))
        }
    }
}

/// A journal told again. Nothing is called.
#[pyclass(module = "bluegreen", frozen)]
pub(crate) struct Replay {
    events: Vec<Py<Event>>,
    outcome: Option<Py<Outcome>>,
}

#[pymethods]
impl Replay {
    #[getter]
    fn events(&self, py: Python<'_>) -> Vec<Py<Event>> {
        self.events
            .iter()
            .map(|event| event.clone_ref(py))
            .collect()
    }

    /// How the run ended, if the journal has its end.
    #[getter]
    fn outcome(&self, py: Python<'_>) -> Option<Py<Outcome>> {
        self.outcome.as_ref().map(|outcome| outcome.clone_ref(py))
    }
}

/// Tells a journal of a migration again, from `Journal.records`. `ReplayError` if it is none.
#[pyfunction]
pub(crate) fn replay(py: Python<'_>, records: Vec<String>) -> PyResult<Replay> {
    let read = records
        .iter()
        .map(|record| serde_json::from_str::<Record>(record));
    let read = read.collect::<serde_json::Result<Vec<_>>>();
    let read =
        read.map_err(|error| errors::of_records(py, &format!("no record of a journal: {error}")))?;
    let events = events_of(&read).map_err(|error| errors::of_replay(py, &error))?;
    let outcome = events.iter().rev().find_map(|event| match &event.kind {
        bluegreen::migration::MigrationEvent::Ended { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    let events = events
        .into_iter()
        .map(|event| Py::new(py, Event::of(event)));
    Ok(Replay {
        events: events.collect::<PyResult<_>>()?,
        outcome: outcome
            .map(|outcome| Py::new(py, Outcome::of(outcome)))
            .transpose()?,
    })
}
