//! Pruning: deletes the records of old runs, and the requests to them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    envelope::{Envelope, What},
    log::JournalLog,
};
use crate::{
    engine::RequestName,
    error::{ErrorKind, Result},
};

/// The runs that a pruning keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    runs: usize,
    since: Timestamp,
}

impl Keep {
    /// The newest `runs` runs, at least one, and every run that began at `since` or later.
    #[must_use]
    pub fn new(runs: usize, since: Timestamp) -> Self {
        Self {
            runs: runs.max(1),
            since,
        }
    }
}

/// The figures of a pruning, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The number of runs that stay.
    pub runs_kept: usize,
    /// When the oldest of them began; `None` if no run stays.
    pub oldest_kept: Option<Timestamp>,
    /// The number of records to delete.
    pub records: usize,
    /// The number of records that are deleted by now.
    pub deleted: usize,
    /// The number of requests to delete, answers included: those to runs that do not stay.
    pub requests: usize,
}

/// The number of records that are deleted with one call.
const AT_ONCE: usize = 1_000;
/// The most requests that one pruning looks through; the next pruning looks at the rest.
const MOST_REQUESTS: usize = 100_000;

impl JournalLog {
    /// Deletes the records of runs that are not to be kept, after all objects below `requests/` for these
    /// runs. The oldest record that stays carries the checksum of the newest deleted record, so the log
    /// proves where it was cut.
    ///
    /// The newest run always stays, and only older records are deleted: no lock is needed, and a controller
    /// may work meanwhile. `progress` is called at the start and after each thousand records; with
    /// `is_dry` nothing is deleted. Needs the right to delete (S3: `s3:DeleteObject`).
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or does not delete. Records that were deleted by then stay deleted; the
    /// next pruning deletes the rest.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the oldest records go first, so the log has no gaps from its first record on.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> bluegreen::Result<()> {
    /// use bluegreen::store::{JournalStore, Keep};
    ///
    /// let log = JournalStore::memory().log("rule 7");
    /// let keep = Keep::new(20, "2026-01-05T09:00:00Z".parse().expect("a time"));
    /// let pruned = log.prune(&keep, false, |_| {}).await?;
    /// assert_eq!(pruned.deleted, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn prune(
        &self,
        keep: &Keep,
        is_dry: bool,
        mut progress: impl FnMut(&Pruned),
    ) -> Result<Pruned> {
        // Requests are listed before the runs are read. A request is made only after its run began, so each
        // listed request is to a run that is found then.
        let asked = match self.requests() {
            Some(requests) => requests.names("", MOST_REQUESTS).await?,
            None => Vec::new(),
        };
        let (mut pruned, cut, runs) = self.cut(keep).await?;
        let is_kept = |name: &String| runs.contains(name.split('/').next().unwrap_or_default());
        let (_, asked): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_kept);
        pruned.requests = asked.len();
        let numbers = self.numbers_below(cut).await?;
        pruned.records = numbers.len();
        progress(&pruned);
        if is_dry {
            return Ok(pruned);
        }
        if let Some(requests) = self.requests() {
            for some in asked.chunks(AT_ONCE) {
                requests.delete(some).await?;
            }
        }
        for some in numbers.chunks(AT_ONCE) {
            self.storage().delete(some).await?;
            pruned.deleted += some.len();
            progress(&pruned);
        }
        Ok(pruned)
    }

    /// Returns the figures, the number of the oldest record that stays, and the request folders of the runs
    /// that stay. The oldest record that stays is the take of the lease under which the oldest run that stays
    /// began. Goes back from run to run, two reads each.
    async fn cut(&self, keep: &Keep) -> Result<(Pruned, u64, BTreeSet<String>)> {
        let mut runs = BTreeSet::new();
        let mut pruned = Pruned::default();
        let mut cut = 0;
        let newest = self.tail().await?.newest;
        let mut run = newest.and_then(|(newest, _)| newest.run);
        while let Some(seq) = run {
            // A pruning that was interrupted has deleted the opening.
            let Some(opening) = self.newest_whole(seq, seq).await? else {
                break;
            };
            if pruned.runs_kept >= keep.runs && opening.at < keep.since {
                break;
            }
            cut = opening.claim;
            if let What::Entry { record } = &opening.what {
                runs.extend(record.run().map(|run| RequestName::folder_of(&run)));
            }
            pruned.runs_kept += 1;
            pruned.oldest_kept = Some(opening.at);
            let Some(before) = cut.checked_sub(1) else {
                break;
            };
            run = self
                .newest_whole(0, before)
                .await?
                .and_then(|before| before.run);
        }
        Ok((pruned, cut, runs))
    }

    /// Returns the newest whole record of `from..=to`; goes back until a record is missing.
    pub(super) async fn newest_whole(&self, from: u64, to: u64) -> Result<Option<Envelope>> {
        for seq in (from..=to).rev() {
            let bytes = match self.storage().read(seq).await {
                Ok(bytes) => bytes,
                // S3 answers 403 for an object that is not there, if the right to list is bound to a prefix.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => {
                    break;
                }
                Err(error) => return Err(error),
            };
            if let Some((envelope, _)) = self.decode(seq, &bytes)? {
                return Ok(Some(envelope));
            }
        }
        Ok(None)
    }

    async fn numbers_below(&self, cut: u64) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = Vec::new();
        loop {
            let from = numbers.last().map_or(0, |last| last + 1);
            let page = self.storage().numbers(from).await?;
            let is_over = page.is_last || page.numbers.last().is_none_or(|last| *last >= cut);
            numbers.extend(page.numbers.into_iter().filter(|seq| *seq < cut));
            if is_over {
                return Ok(numbers);
            }
        }
    }
}
