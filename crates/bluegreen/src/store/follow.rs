//! Follows a run that another process writes, and reads each record once.

use futures_util::TryStreamExt as _;

use super::log::{JournalLog, LeaseState};
use crate::{engine::Record, error::Result};

/// The most records that one call returns, so that a run of any length fits into the memory.
const AT_MOST: u64 = 1_600;

/// Reads the newest run of a log as it grows: [`JournalLog::follow`].
#[derive(Debug)]
pub struct Follower {
    log: JournalLog,
    /// The number of the first record of the followed run.
    run: Option<u64>,
    /// The number of the next record to read.
    next: u64,
    /// The run's newest entry.
    newest: Option<Record>,
}

/// The part of a log that is new since the last read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Followed {
    /// Whether `records` begin with the first record of a run.
    pub begins: bool,
    /// Records of one run, in order. Empty if there is none yet.
    pub records: Vec<Record>,
    /// The state of the log's lease; `None` for a log without any record.
    pub lease: Option<LeaseState>,
}

impl JournalLog {
    /// Reads the newest run as it grows, each record once: to wait for its end, or to show it.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower {
            log: self.clone(),
            run: None,
            next: 0,
            newest: None,
        }
    }
}

impl Follower {
    /// Returns the records since the last call, or since the begin of the newest run; at most 1,600 of them.
    /// After a call that returned records, more may be there already: ask again at once. Wait before the
    /// next call if there were none.
    ///
    /// If another run has begun since, this call returns the rest of the earlier run, and the next call
    /// begins the newest run.
    ///
    /// # Errors
    ///
    /// As [`JournalLog::newest_run`]. The next call tries again.
    ///
    /// # Cancel safety
    ///
    /// Only reads. After a dropped call the next call returns the same records.
    pub async fn more(&mut self) -> Result<Followed> {
        let tail = self.log.tail().await?;
        let lease = self.log.lease_state_of(&tail).await?;
        let newest_run = tail.newest.as_ref().and_then(|(newest, _)| newest.run);
        let Some(newest_run) = newest_run else {
            return Ok(Followed {
                begins: false,
                records: Vec::new(),
                lease,
            });
        };
        // The newest known record is read again, since the next record holds its checksum.
        let (begins, from, to) = match self.run {
            Some(run) if run == newest_run => (false, self.next - 1, tail.next),
            // The rest of the old run, up to the begin of the newest.
            Some(_) if self.next < newest_run => (false, self.next - 1, newest_run),
            _ => (true, newest_run, tail.next),
        };
        let to = to.min(from + AT_MOST);
        let known = self.newest.clone().filter(|_| !begins);
        let records = self.log.entries_after(known, from, to);
        let records: Vec<Record> = records.try_collect().await?;
        if let Some(newest) = records.last() {
            self.newest = Some(newest.clone());
            self.run = if begins { Some(newest_run) } else { self.run };
        }
        // Without a run no record is known, so the next call begins anew.
        self.next = if self.run.is_some() {
            to.max(self.next)
        } else {
            0
        };
        Ok(Followed {
            begins: begins && self.run.is_some(),
            records,
            lease,
        })
    }
}
