//! Reading a part of a log, with few calls: each 16th record carries copies of the 15 before it.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future::ready, stream};

use super::{
    envelope::{Envelope, Sum, What, lines},
    log::JournalLog,
};
use crate::{
    engine::Record,
    error::{ErrorKind, Result},
};

/// A record whose number is a multiple of this carries copies of the records since the last such record.
pub(super) const STRIDE: u64 = 16;
/// The most reads at once.
const AT_ONCE: usize = 16;

type Whole = (Envelope, Sum);

impl JournalLog {
    /// The entries that the records `from..to` hold, in order. They must be of one run, without gaps.
    ///
    /// A torn record is left out: the call that it would have announced was never made.
    pub(super) fn entries(&self, from: u64, to: u64) -> impl Stream<Item = Result<Record>> {
        self.entries_after(None, from, to)
    }

    /// [`entries`](Self::entries) behind this one of the same run, which may itself be in `from..to`.
    pub(super) fn entries_after(
        &self,
        mut newest: Option<Record>,
        from: u64,
        to: u64,
    ) -> impl Stream<Item = Result<Record>> {
        self.records(from, to).try_filter_map(move |(envelope, _)| {
            let What::Entry { record } = envelope.what else {
                return ready(Ok(None));
            };
            if newest.as_ref() == Some(&record) {
                // Versions up to 3 wrote a record again if its answer was lost and a heartbeat came between.
                return ready(Ok(None));
            }
            let due = match &newest {
                Some(newest) => newest.seq + 1,
                None if record.is_snapshot => record.seq,
                None => 0,
            };
            if record.seq != due {
                let why = format!(
                    "record {} holds entry {} of the run, and entry {due} is due",
                    envelope.seq, record.seq
                );
                return ready(Err(self.damaged(&why)));
            }
            newest = Some(record.clone());
            ready(Ok(Some(record)))
        })
    }

    /// The records `from..to`, in order, without torn records.
    fn records(&self, from: u64, to: u64) -> impl Stream<Item = Result<Whole>> {
        let mut before: Option<Sum> = None;
        let strides = strides(from, to).map(|(from, to)| self.stride(from, to));
        stream::iter(strides)
            .buffered(AT_ONCE)
            .map_ok(|stride| stream::iter(stride).map(Ok))
            .try_flatten()
            .and_then(move |(envelope, sum)| {
                let is_next = before.is_none() || envelope.prev == before;
                before = Some(sum.clone());
                ready(if is_next {
                    Ok((envelope, sum))
                } else {
                    let why = format!(
                        "record {} does not follow the record before it",
                        envelope.seq
                    );
                    Err(self.damaged(&why))
                })
            })
    }

    /// The records `from..to`, no more than a stride: from the copies in the last record, if it has them.
    async fn stride(&self, from: u64, to: u64) -> Result<Vec<Whole>> {
        let last = to - 1;
        let mut found: BTreeMap<u64, Whole> = BTreeMap::new();
        let mut is_read = false;
        if last.is_multiple_of(STRIDE) && from < last {
            let bytes = self.read(last).await?;
            is_read = true;
            if let Some(whole) = self.decode(last, &bytes)? {
                // A copy that is not whole is read as a record instead, like a missing copy.
                let copies = lines(&bytes)
                    .skip(1)
                    .filter_map(|line| Envelope::decode(line).ok());
                found.extend(copies.map(|(envelope, sum)| (envelope.seq, (envelope, sum))));
                found.insert(last, whole);
            }
        }
        let missing =
            (from..to).filter(|seq| !(found.contains_key(seq) || is_read && *seq == last));
        let read: Vec<Option<Whole>> = stream::iter(missing)
            .map(|seq| async move { self.decode(seq, &self.read(seq).await?) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        found.extend(read.into_iter().flatten().map(|whole| (whole.0.seq, whole)));
        Ok(found
            .range(from..to)
            .map(|(_, whole)| whole.clone())
            .collect())
    }

    /// Reads a record that must be there, since the log reaches beyond it.
    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        let read = self.storage().read(seq).await;
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.damaged(&format!("record {seq} is missing")),
            _ => error,
        })
    }
}

/// Cuts `from..to` into parts, each of which ends behind a record that carries copies.
fn strides(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut next = from;
    std::iter::from_fn(move || {
        let begin = next;
        next = to.min(begin.next_multiple_of(STRIDE) + 1);
        (begin < to).then_some((begin, next))
    })
}
