//! When a bucket is complete.
//!
//! Metrics come late and in parts: the newest minute is nearly always partial, and a minute may
//! be stated again. A bucket is settled when two reads at least [`APART`] apart, the first of
//! them at least [`AGE`] after its end, show the same. Each is released once, in order.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::Bucket;
use crate::clock::{between, later};

/// A bucket is first read this long after its end.
pub(super) const AGE: Duration = Duration::from_secs(60);
/// Two reads that agree are at least this far apart.
pub(super) const APART: Duration = Duration::from_secs(30);

/// The reads of buckets that have not settled yet.
#[derive(Debug, Clone)]
pub(super) struct Settler {
    period: Duration,
    /// The start of the next bucket to release.
    next: Timestamp,
    /// What each later bucket read as, and since when.
    read: BTreeMap<Timestamp, (Bucket, Timestamp)>,
}

impl Settler {
    /// Releases buckets from the one on that `from` lies in.
    pub(super) fn new(period: Duration, from: Timestamp) -> Self {
        Self {
            period,
            next: aligned(from, period),
            read: BTreeMap::new(),
        }
    }

    /// The span to read now, if reading can bring anything new.
    pub(super) fn due(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let old_enough = now.checked_sub(AGE).ok()?;
        let to = aligned(old_enough, self.period);
        if to <= self.next {
            return None;
        }
        let mut start = self.next;
        let mut is_due = false;
        while start < to {
            is_due |= match self.read.get(&start) {
                None => true,
                Some((_, since)) => between(*since, now) >= APART,
            };
            start = later(start, self.period);
        }
        is_due.then_some((self.next, to))
    }

    /// Takes what was read at `now` of the span `from..to`, and releases what has settled.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        (from, to): (Timestamp, Timestamp),
        buckets: &[Bucket],
    ) -> Vec<Bucket> {
        let mut start = from.max(self.next);
        let mut released = Vec::new();
        while start < to {
            // A bucket without data reads as one of which nothing is known.
            let found = buckets.iter().find(|bucket| bucket.start == start);
            let found = found
                .copied()
                .unwrap_or_else(|| Bucket::unknown(start, self.period));
            let settled = match self.read.get(&start) {
                Some((before, since)) if *before == found => between(*since, now) >= APART,
                _ => {
                    self.read.insert(start, (found, now));
                    false
                }
            };
            if settled && start == self.next {
                self.read.remove(&start);
                self.next = later(start, self.period);
                released.push(found);
            }
            start = later(start, self.period);
        }
        released
    }
}

/// The start of the bucket that `at` lies in.
pub(super) fn aligned(at: Timestamp, period: Duration) -> Timestamp {
    let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(period)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::Counts;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        let start: Timestamp = "2026-01-05T09:00:00Z".parse().expect("a timestamp");
        later(start, Duration::from_secs(seconds))
    }

    fn bucket(minute: u64, requests: u64) -> Bucket {
        let mut bucket = Bucket::unknown(at(minute * 60), MINUTE);
        bucket.sides.green = Counts::of_requests(requests);
        bucket
    }

    #[test]
    fn a_bucket_settles_when_two_reads_agree() {
        let mut settler = Settler::new(MINUTE, at(5));
        assert_eq!(settler.due(at(119)), None, "not old enough");
        let span = settler.due(at(120)).expect("due");
        assert_eq!(span, (at(0), at(60)));
        assert!(settler.take(at(120), span, &[bucket(0, 7)]).is_empty());
        assert_eq!(settler.due(at(149)), None, "too soon to tell more");
        let span = settler.due(at(150)).expect("due");
        // Stated again with more: the reads start over.
        assert!(settler.take(at(150), span, &[bucket(0, 9)]).is_empty());
        let span = settler.due(at(180)).expect("due");
        let released = settler.take(at(180), span, &[bucket(0, 9), bucket(1, 5)]);
        assert_eq!(released, [bucket(0, 9)]);
        // Once released, a late restatement changes nothing.
        let span = settler.due(at(210)).expect("due");
        assert_eq!(span.0, at(60));
        assert_eq!(
            settler.take(at(210), span, &[bucket(0, 99), bucket(1, 5)]),
            [bucket(1, 5)]
        );
    }

    #[test]
    fn a_hole_is_released_as_unknown() {
        let mut settler = Settler::new(MINUTE, at(0));
        let span = settler.due(at(180)).expect("due");
        settler.take(at(180), span, &[bucket(1, 3)]);
        let span = settler.due(at(210)).expect("due");
        let released = settler.take(at(210), span, &[bucket(1, 3)]);
        assert_eq!(released, [Bucket::unknown(at(0), MINUTE), bucket(1, 3)]);
    }

    proptest! {
        /// Whoever asks every few seconds sees what one sees who asks every minute, each once.
        #[test]
        fn p08_polling_often_releases_the_same(every in 5_u64..60, counts in prop::collection::vec(0_u64..50, 20)) {
            let run = |every: u64| {
                let mut settler = Settler::new(MINUTE, at(0));
                let mut all = Vec::new();
                let mut reads = 0;
                for now in (0..30 * 60).step_by(usize::try_from(every).expect("small")) {
                    let Some(span) = settler.due(at(now)) else { continue };
                    reads += 1;
                    let known: Vec<Bucket> = counts.iter().enumerate()
                        .map(|(minute, count)| bucket(minute as u64, *count))
                        .filter(|bucket| bucket.start >= span.0 && bucket.start < span.1)
                        .collect();
                    all.extend(settler.take(at(now), span, &known));
                }
                (all, reads)
            };
            let (often, reads) = run(every);
            let (seldom, _) = run(60);
            let common = often.len().min(seldom.len());
            prop_assert!(common >= 26);
            prop_assert_eq!(&often[..common], &seldom[..common]);
            // Gentle to AWS: twice a minute at most.
            prop_assert!(reads <= 60);
        }
    }
}
