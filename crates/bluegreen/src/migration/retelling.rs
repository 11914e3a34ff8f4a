//! Retelling a run: the events that it told, from its journal. Nothing is judged again.

#[cfg(feature = "store")]
use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;

use super::{
    MigrationEvent, ReplayError,
    replay::{Opened, Read, Reader, first_of, opened, snapshot},
    snapshot::Snapshot,
};
use crate::{
    clock::between,
    engine::{Event, Operator, Record, RunId},
};

/// Returns the events of a journal, each with its time, as the run told them. Nothing is judged again, so
/// no gate is needed. For a large journal use [`Retelling`], which takes one record at a time.
///
/// # Errors
///
/// [`ReplayError`] if a record does not belong to a migration's journal.
pub fn events_of(records: &[Record]) -> Result<Vec<Event<MigrationEvent>>, ReplayError> {
    first_of(records)?;
    let mut retelling = Retelling::new();
    let mut events = Vec::new();
    for record in records {
        events.extend(retelling.take(record)?);
    }
    Ok(events)
}

/// Retells the events of a run, record by record: [`events_of`] for a journal that is read as a stream, or
/// as it grows.
///
/// The first record of a run comes first; the record behind it may be any snapshot of the run, and then what
/// happened since is retold. With the first record of another run, that run is retold from then on.
///
/// # Examples
///
/// Shows what another process does, from the journal that both reach:
///
/// ```no_run
/// # #[cfg(feature = "store")]
/// # async fn shown(log: bluegreen::store::JournalLog) -> bluegreen::Result<()> {
/// use std::{pin::pin, time::Duration};
///
/// use bluegreen::migration::{MigrationEvent, Retelling};
/// use futures_util::{StreamExt as _, stream};
///
/// let mut follower = log.follow();
/// let mut retelling = Retelling::new();
/// loop {
///     let records = stream::iter(follower.more().await?.records);
///     let mut events = pin!(retelling.retell(records.map(Ok)));
///     while let Some(event) = events.next().await {
///         let event = event?;
///         println!("{event}");
///         if matches!(event.kind, MigrationEvent::Ended { .. }) {
///             return Ok(());
///         }
///     }
///     tokio::time::sleep(Duration::from_secs(2)).await;
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Retelling {
    run: Option<Told>,
}

/// The run that is retold.
#[derive(Debug)]
struct Told {
    run: RunId,
    reader: Reader,
    started: Option<Timestamp>,
    events: u64,
}

impl Retelling {
    /// A retelling that waits for the first record of a run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next record and returns the events that the run told at it.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the record does not belong to a migration's journal, or if records before it are
    /// missing.
    pub fn take(&mut self, record: &Record) -> Result<Vec<Event<MigrationEvent>>, ReplayError> {
        match &mut self.run {
            Some(told) if record.seq > 0 => told.take(record),
            _ => {
                self.run = Some(Told::of(opened(record)?));
                Ok(Vec::new())
            }
        }
    }

    /// Retells records that are read as a stream, such as
    /// [`newest_run_stream`](crate::store::JournalLog::newest_run_stream) or the records of a
    /// [`Follower`](crate::store::Follower). Later records may be retold by another call.
    ///
    /// # Errors
    ///
    /// An item is the error of the stream, or `Invalid` as for [`take`](Self::take). Nothing useful comes
    /// after it.
    #[cfg(feature = "store")]
    pub fn retell(
        &mut self,
        records: impl Stream<Item = crate::Result<Record>>,
    ) -> impl Stream<Item = crate::Result<Event<MigrationEvent>>> {
        let told = records.map(|record| Ok(self.take(&record?)?));
        told.flat_map(|told: crate::Result<Vec<_>>| {
            let events = match told {
                Ok(events) => events.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(events)
        })
    }

    /// Returns who has paused the run and when the pause ends at the latest, as of the newest record;
    /// `None` if the run is not paused, or is driven by an older version, whose journal does not say.
    #[must_use]
    pub fn paused(&self) -> Option<(&Operator, Timestamp)> {
        let pause = self.run.as_ref()?.reader.now()?.paused()?;
        Some((&pause.by, pause.until))
    }
}

impl Told {
    fn of(opened: Opened) -> Self {
        Self {
            reader: Reader::new(&opened),
            run: opened.run,
            started: None,
            events: 0,
        }
    }

    fn take(&mut self, record: &Record) -> Result<Vec<Event<MigrationEvent>>, ReplayError> {
        if self.started.is_none() && record.is_snapshot {
            let Snapshot {
                machine, events, ..
            } = snapshot(record)?;
            (self.started, self.events) = (machine.started(), events);
            self.reader.stand_at(machine);
            return Ok(Vec::new());
        }
        let told = match self.reader.read(record)? {
            Read::Old(taken) => taken.events,
            Read::Input(machine, input) => machine.on(record.at, input).events,
            Read::Reopened(_) | Read::Change(_) | Read::Snapshot(..) => Vec::new(),
        };
        let event = |kind| {
            let started = *self.started.get_or_insert(record.at);
            let seq = self.events;
            self.events += 1;
            Event {
                run: self.run.clone(),
                seq,
                at: record.at,
                elapsed: between(started, record.at),
                kind,
            }
        };
        Ok(told.into_iter().map(event).collect())
    }
}
