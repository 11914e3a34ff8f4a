//! The journal of a run: its inputs, and each change before its call.

use std::{
    fmt,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RequestStorage, RunId};
use crate::{
    error::{Error, Result},
    json::JsonText,
};

/// The version of everything that a journal holds, of a migration or a deployment: its layout, the
/// machines' inputs and actions, and the rules by which they decide. One number for all of it, raised by
/// one with each change.
///
/// A journal of an older version is read and shown, and its run is resumed from a fresh observation
/// under today's rules; see [`store`](crate::store#versions). A journal of a newer version is refused.
pub const JOURNAL_VERSION: u32 = 4;

/// One record of a journal: plain data with its place in the order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The place in the journal, from 0 without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The content: an object. Its field `entry` is `opened`, `reopened`, `input`, `change` or `snapshot`; the
    /// other fields depend on the machine.
    pub entry: JsonText,
    /// Whether it is a snapshot: the sum of all records between the first record and this record, so that
    /// a resume may begin here. Since version 4.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_snapshot: bool,
}

impl Record {
    /// Creates a record of `entry`.
    #[must_use]
    pub fn new(seq: u64, at: Timestamp, entry: impl Into<JsonText>) -> Self {
        Self {
            seq,
            at,
            entry: entry.into(),
            is_snapshot: false,
        }
    }

    /// Returns the run that this record opens, if it is the first record of a migration or a deployment.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        #[derive(Deserialize)]
        struct Opened {
            entry: String,
            run: String,
        }
        let opened: Opened = self.entry.read().ok()?;
        (opened.entry == "opened").then(|| RunId::new(opened.run))
    }

    /// Marks the record as a snapshot.
    #[must_use]
    pub(crate) fn into_snapshot(self) -> Self {
        Self {
            is_snapshot: true,
            ..self
        }
    }
}

/// An append-only log of everything that a machine was told, and of each change before its call.
///
/// A run can be replayed, compared and judged again from its journal.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Appends a record. When it returns, the record is as durable as this journal promises.
    ///
    /// # Errors
    ///
    /// If the record could not be kept. The engine offers the record again, with growing pauses, before
    /// any other, so a journal has no gaps. Meanwhile the run watches and decides. Only a change that
    /// raises green's share waits until every record before it is kept. If a record is not kept within
    /// 30 s, or is `Refused` or `Invalid`, traffic goes back to blue; a failing journal never prevents
    /// that. A restore waits at most 2 s for its record.
    ///
    /// [`ErrorKind::TakenOver`](crate::ErrorKind::TakenOver) if another controller has taken over
    /// the rule or service of this run: then the engine changes nothing more at all.
    ///
    /// # Cancel safety
    ///
    /// The engine never drops this call.
    async fn append(&self, record: Record) -> Result<()>;

    /// Keeps the claim alive that goes with this journal, such as a lease, while the run works. Returns only
    /// once the claim is lost, with the reason. The default has no claim and never returns.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the engine drops this call and makes it again all the time.
    async fn heartbeat(&self) -> Error {
        pending().await
    }

    /// Returns the storage for the requests of other processes to the run. Default: none.
    fn requests(&self) -> Option<Arc<dyn RequestStorage>> {
        None
    }

    /// Releases the claim that goes with this journal, since the run has ended.
    ///
    /// # Errors
    ///
    /// If the claim could not be released. The run has ended all the same.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// A journal in memory: the default. It ends with the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    records: Arc<Mutex<Vec<Record>>>,
    is_for_resume: bool,
}

impl MemoryJournal {
    /// Creates an empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty journal that keeps only what a resume needs: the first record, and the records from
    /// the newest snapshot on. So the journal does not grow with the time that a migration takes, and only a
    /// part of the run can be told again. The default of a [`Migration`](crate::Migration).
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::engine::{Journal as _, MemoryJournal, Record};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> bluegreen::Result<()> {
    /// let journal = MemoryJournal::for_resume();
    /// for seq in 0..400 {
    ///     let mut record = Record::new(seq, jiff::Timestamp::now(), json!({ "entry": "an example" }));
    ///     record.is_snapshot = seq > 0 && seq % 160 == 0;
    ///     journal.append(record).await?;
    /// }
    /// let kept: Vec<u64> = journal.records().iter().map(|record| record.seq).collect();
    /// assert_eq!((kept[0], kept[1], kept.len()), (0, 320, 81));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_resume() -> Self {
        Self {
            is_for_resume: true,
            ..Self::default()
        }
    }

    /// Returns the records that the journal keeps: all so far, unless it is [for a resume](Self::for_resume).
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.clone()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, record: Record) -> Result<()> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_for_resume && record.is_snapshot {
            records.retain(|record| record.seq == 0);
        }
        records.push(record);
        Ok(())
    }
}
