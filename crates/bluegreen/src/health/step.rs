//! What the judges of counts have in common: which bucket belongs where, and until when a
//! verdict on it stands.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use super::{Bucket, COUNTS_SCHEMA, CountsSeen, Observation, Phase, Progress};
use crate::{clock::later, error::Result};

/// How long metrics take from the end of a bucket until it has settled, at worst: a minute until
/// it is read first, half a minute until it is read again, and a look's interval for each.
const LAG: Duration = Duration::from_secs(150);

/// Where a bucket belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first shift: nothing about green.
    Before,
    /// In the time after a shift that does not count for health.
    WarmUp,
    /// Counts, but was under an earlier split than the one that is judged now.
    Earlier,
    /// Counts for the split that is judged now.
    Now,
}

/// Sorts buckets into the phases of a migration, and keeps those that count now.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// The start and the end of warm-up of each split so far.
    shifts: Vec<(Timestamp, Timestamp)>,
    /// The newest buckets of the split that is judged now, oldest first.
    recent: VecDeque<Bucket>,
}

impl Steps {
    /// Reads an observation's buckets and sorts them. Keeps the `keep` newest that count now.
    pub(super) fn take(
        &mut self,
        observation: &Observation,
        progress: &Progress,
        keep: usize,
    ) -> Result<Vec<(Place, Bucket)>> {
        let seen: CountsSeen = observation.read(COUNTS_SCHEMA)?;
        if progress.phase != Phase::Preflight
            && self
                .shifts
                .last()
                .is_none_or(|(since, _)| *since != progress.since)
        {
            // The first bucket that begins after the shift is the first that is all under it.
            self.shifts.push((progress.since, progress.warm_since()));
            self.recent.clear();
        }
        let placed: Vec<_> = seen
            .buckets
            .into_iter()
            .map(|bucket| (self.place(&bucket), bucket))
            .collect();
        for (place, bucket) in &placed {
            if *place == Place::Now {
                self.recent.push_back(*bucket);
                if self.recent.len() > keep {
                    self.recent.pop_front();
                }
            }
        }
        Ok(placed)
    }

    fn place(&self, bucket: &Bucket) -> Place {
        let under = self
            .shifts
            .iter()
            .rposition(|(since, _)| *since < bucket.end());
        match under {
            None => Place::Before,
            Some(index) if begins(bucket) < self.shifts[index].1 => Place::WarmUp,
            Some(index) if index + 1 < self.shifts.len() => Place::Earlier,
            Some(_) => Place::Now,
        }
    }

    /// The newest buckets of the split that is judged now, oldest first.
    pub(super) fn recent(&self) -> &VecDeque<Bucket> {
        &self.recent
    }
}

/// Where a bucket begins, give or take: a tenth of it may lie in the warm-up, since a shift at a
/// whole minute is read back a moment after it.
fn begins(bucket: &Bucket) -> Timestamp {
    later(bucket.start, bucket.period / 10)
}

/// What judges say before the first bucket that counts.
pub(super) const NOTHING_YET: &str = "no minute since the warm-up has settled yet";

/// Until when a verdict stands whose newest bucket is this one: until the next one should have
/// settled, and one more may be missed.
pub(super) fn stands_until(bucket: &Bucket) -> Timestamp {
    later(bucket.end(), bucket.period * 2 + LAG)
}
