//! [`Settler`]: when a bucket is settled.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::span;
use crate::{
    clock::{later, sooner},
    error::{Error, ErrorKind, Result},
    health::{Bucket, Counts},
    traffic::Sides,
};

/// Decides which buckets have settled and hands each of them out once.
///
/// Metrics arrive late and are stated again: requests may appear minutes before the errors among them. So
/// a bucket is *settled* when two reads at least [`APART`](Self::APART) (30 s) apart, the first of them
/// at least [`DELAY`](Self::DELAY) (one minute) after the bucket's end, give the same counts, and no read
/// in between gives others. A read with other counts starts the wait again. A bucket that ended [20
/// minutes](Self::OLD) ago or more is settled by one read. So a bucket settles at the earliest 90 s after
/// its end; with looks every 15 s mostly within two minutes, with looks every 60 s within three.
///
/// Settled buckets are handed out in order, each exactly once; later statements of the source about them
/// are ignored. A bucket that is in no read settles too, as an unknown bucket, so that time does not
/// stop. A bucket that changes at every read delays the buckets after it, because a judge must see them
/// in order.
///
/// Pure: the caller gives the time of each read.
#[derive(Debug, Clone)]
pub(crate) struct Settler {
    period: Duration,
    /// The start of the next bucket to hand out.
    next: Timestamp,
    last_read: Option<Timestamp>,
    /// The newest counts of each bucket from `next` on, and since when they stand.
    pending: BTreeMap<Timestamp, Pending>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    sides: Sides<Counts>,
    since: Timestamp,
    is_confirmed: bool,
}

/// The buckets to ask a source for: `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The start of the first bucket.
    pub from: Timestamp,
    /// The end of the last bucket.
    pub to: Timestamp,
    /// Requests that took longer than this are counted as slow, if the source can tell.
    pub slow_above: Option<Duration>,
}

impl Window {
    /// Creates a window of the buckets that begin in `from..to`.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            slow_above: None,
        }
    }

    /// Counts requests that took longer than `above` as slow.
    #[must_use]
    pub(crate) fn counting_slow(mut self, above: Option<Duration>) -> Self {
        self.slow_above = above;
        self
    }
}

impl Settler {
    /// How long after a bucket's end a read of it begins to count.
    pub(crate) const DELAY: Duration = Duration::from_secs(60);
    /// How far apart two reads with the same counts must be.
    pub(crate) const APART: Duration = Duration::from_secs(30);
    /// How long after a bucket's end no source states it again: one read of the bucket is enough.
    pub(crate) const OLD: Duration = Duration::from_secs(20 * 60);
    /// The most buckets in one window: a day of minutes. Further buckets follow in later windows.
    pub(crate) const MOST: u32 = 1_440;

    /// Starts with the bucket that holds `start`. `period` is in whole seconds, at least one.
    #[must_use]
    pub(crate) fn new(start: Timestamp, period: Duration) -> Self {
        let period = Duration::from_secs(period.as_secs().max(1));
        Self {
            period,
            next: span::floor(start, period),
            last_read: None,
            pending: BTreeMap::new(),
        }
    }

    /// Returns the start of the next bucket to hand out, which is the end of the newest one handed out.
    #[must_use]
    pub(crate) fn next(&self) -> Timestamp {
        self.next
    }

    /// Returns the window to read now; `None` if a read can bring no news. A read can bring news if a
    /// bucket is due that no read has counted for yet, or if a bucket that was read 30 s ago or more
    /// waits to be confirmed, and if the last read is at least 30 s ago. So a source with buckets of a
    /// minute is asked at most twice a minute, however often the gate looks, and once a look if the gate
    /// looks once a minute.
    #[must_use]
    pub(crate) fn window(&self, now: Timestamp) -> Option<Window> {
        if self.last_read.is_some_and(|last| !is_apart(last, now)) {
            return None;
        }
        let due = span::floor(sooner(now, Self::DELAY), self.period);
        let most = later(self.next, self.period.saturating_mul(Self::MOST));
        let window = Window::new(self.next, due.min(most));
        let mut starts = self.starts(window);
        let is_useful = starts.any(|start| match self.pending.get(&start) {
            None => true,
            Some(pending) => !pending.is_confirmed && is_apart(pending.since, now),
        });
        is_useful.then_some(window)
    }

    /// Takes the buckets of a read of `window` at `now`, and returns the buckets that this read settles.
    ///
    /// # Errors
    ///
    /// `Invalid` if a bucket is of another period, off the grid, outside the window or there twice. Then
    /// no bucket is taken.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        window: &Window,
        buckets: Vec<Bucket>,
    ) -> Result<Vec<Bucket>> {
        let mut read = BTreeMap::new();
        for bucket in buckets {
            let is_on_grid = span::floor(bucket.start, self.period) == bucket.start;
            let is_inside = (window.from..window.to).contains(&bucket.start);
            let is_first = read.insert(bucket.start, bucket.sides).is_none();
            if bucket.period != self.period || !is_on_grid || !is_inside || !is_first {
                let (start, period) = (bucket.start, bucket.period.as_secs());
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "settle the bucket of {period} s at {start} from a read of {}..{} in buckets of {} s",
                        window.from,
                        window.to,
                        self.period.as_secs()
                    ),
                ));
            }
        }
        self.last_read = Some(now);
        let starts: Vec<Timestamp> = self
            .starts(*window)
            .filter(|start| self.is_due(*start, now))
            .collect();
        for start in starts {
            let sides = read.get(&start).copied().unwrap_or_default();
            let fresh = Pending {
                sides,
                since: now,
                is_confirmed: false,
            };
            let pending = self.pending.entry(start).or_insert(fresh);
            if pending.sides != sides {
                *pending = fresh;
            }
            let is_old = later(later(start, self.period), Self::OLD) <= now;
            pending.is_confirmed = is_old || is_apart(pending.since, now);
        }
        Ok(self.release())
    }

    fn release(&mut self) -> Vec<Bucket> {
        let mut released = Vec::new();
        while let Some(pending) = self.pending.get(&self.next)
            && pending.is_confirmed
        {
            released.push(Bucket::new(self.next, self.period, pending.sides));
            self.pending.remove(&self.next);
            self.next = later(self.next, self.period);
        }
        released
    }

    /// Returns the starts of the buckets of `window` that are not handed out yet.
    fn starts(&self, window: Window) -> impl Iterator<Item = Timestamp> + use<> {
        let period = self.period;
        let first = span::floor(window.from, period).max(self.next);
        std::iter::successors(Some(first), move |start| {
            Some(later(*start, period)).filter(|next| next > start)
        })
        .take_while(move |start| *start < window.to)
    }

    fn is_due(&self, start: Timestamp, now: Timestamp) -> bool {
        later(later(start, self.period), Self::DELAY) <= now
    }
}

fn is_apart(first: Timestamp, second: Timestamp) -> bool {
    later(first, Settler::APART) <= second
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn minute(index: i64, requests: u64) -> Bucket {
        let sides = Sides {
            blue: Counts::of(requests, 0),
            green: Counts::of(requests, 1),
        };
        Bucket::new(at(index * 60), MINUTE, sides)
    }

    /// Looks at the given seconds; `says` returns the source's answer for a minute at that time.
    fn run(
        looks: impl IntoIterator<Item = i64>,
        mut says: impl FnMut(i64, i64) -> Option<Bucket>,
    ) -> (Vec<i64>, Vec<(i64, Bucket)>) {
        let mut settler = Settler::new(at(0), MINUTE);
        let (mut reads, mut released) = (Vec::new(), Vec::new());
        for second in looks {
            let Some(window) = settler.window(at(second)) else {
                continue;
            };
            reads.push(second);
            let from = (window.from.as_second() - at(0).as_second()) / 60;
            let to = (window.to.as_second() - at(0).as_second()) / 60;
            let buckets = (from..to).rev().filter_map(|i| says(second, i)).collect();
            let new = settler.take(at(second), &window, buckets).expect("valid");
            released.extend(new.into_iter().map(|bucket| (second, bucket)));
        }
        (reads, released)
    }

    #[test]
    fn looks_every_15_s_ask_twice_a_minute_and_settle_90_s_after_the_end() {
        let (reads, released) = run((0..=300).step_by(15), |_, i| Some(minute(i, 9)));
        assert_eq!(reads, [120, 150, 180, 210, 240, 270, 300]);
        let settled: Vec<_> = released.iter().map(|(s, b)| (*s, b.start)).collect();
        assert_eq!(settled, [(150, at(0)), (210, at(60)), (270, at(120))]);
    }

    #[test]
    fn looks_every_60_s_ask_once_a_look() {
        let (reads, released) = run((7..=430).step_by(60), |_, i| Some(minute(i, 9)));
        assert_eq!(reads, [127, 187, 247, 307, 367, 427]);
        assert_eq!(released.len(), 5);
        assert_eq!(released[0].0, 187);
    }

    #[test]
    fn a_restatement_before_settling_starts_the_count_again_and_one_after_it_is_not_heard() {
        let (_, released) = run((0..=600).step_by(30), |second, i| {
            Some(minute(i, if second < 150 { 5 } else { 9 }))
        });
        assert_eq!(released[0], (180, minute(0, 9)));

        let (_, released) = run((0..=600).step_by(30), |second, i| {
            Some(minute(i, if second < 200 { 5 } else { 9 }))
        });
        assert_eq!(released[0], (150, minute(0, 5)));
        assert_eq!(released.iter().filter(|(_, b)| b.start == at(0)).count(), 1);
    }

    #[test]
    fn a_hole_is_released_as_unknown_and_time_goes_on() {
        let (_, released) = run((0..=300).step_by(15), |_, i| (i != 1).then(|| minute(i, 9)));
        assert_eq!(released.len(), 3);
        assert!(released[1].1.sides.blue.is_unknown());
        assert!(!released[2].1.sides.blue.is_unknown());
    }

    #[test]
    fn a_bucket_that_comes_late_replaces_the_hole() {
        let (_, released) = run((0..=300).step_by(30), |second, i| {
            (second >= 150).then(|| minute(i, 9))
        });
        assert_eq!(released[0], (180, minute(0, 9)));
    }

    #[test]
    fn an_unsettled_bucket_holds_up_those_behind_it() {
        let (_, released) = run((0..=400).step_by(30), |second, i| {
            let restless = if i == 0 && second < 300 { second } else { 9 };
            Some(minute(i, restless.unsigned_abs()))
        });
        assert_eq!(released[0].0, 330);
        let order: Vec<_> = released.iter().map(|(_, b)| b.start).collect();
        assert!(order.is_sorted());
        assert!(released.iter().filter(|(s, _)| *s == 330).count() >= 3);
    }

    #[test]
    fn refuses_what_is_not_of_the_window() {
        let mut settler = Settler::new(at(0), MINUTE);
        let window = settler.window(at(120)).expect("due");
        let half = Bucket::new(at(0), MINUTE / 2, Sides::default());
        let off = Bucket::new(at(30), MINUTE, Sides::default());
        for wrong in [
            vec![half],
            vec![off],
            vec![minute(1, 1)],
            vec![minute(0, 1), minute(0, 1)],
        ] {
            let refused = settler.take(at(120), &window, wrong).expect_err("wrong");
            assert_eq!(refused.kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_long_gap_is_caught_up_in_windows_of_bounded_size() {
        let settler = Settler::new(at(0), MINUTE);
        let window = settler.window(at(60 * 100_000)).expect("due");
        assert_eq!(window.to, at(60 * 1_440));
    }

    proptest! {
        /// A source that restates each minute for a while: looks every 5 s and looks
        /// every 60 s give the same buckets in the end, each once and in order.
        #[test]
        fn the_rhythm_of_looks_changes_only_the_delay(
            publish in proptest::collection::vec((0_i64..50, 0_u64..4), 1..8),
            offset in 0_i64..60,
        ) {
            let says = |second: i64, i: i64| {
                let (lag, requests) = *publish.get(usize::try_from(i).ok()?)?;
                // Partial at first, final `lag` seconds after the end.
                let partial = second < (i + 1) * 60 + lag;
                Some(minute(i, if partial { requests / 2 } else { requests }))
            };
            let fast = run((offset..1_200).step_by(5), says);
            let slow = run((offset..1_200).step_by(60), says);
            let count = slow.1.len().min(fast.1.len());
            prop_assert!(count >= publish.len());
            let buckets = |run: &(Vec<i64>, Vec<(i64, Bucket)>)| {
                run.1.iter().take(count).map(|(_, b)| *b).collect::<Vec<_>>()
            };
            prop_assert_eq!(buckets(&fast), buckets(&slow));
            for (index, bucket) in buckets(&fast).iter().enumerate() {
                prop_assert_eq!(bucket.start, at(i64::try_from(index).expect("small") * 60));
            }
            for pair in fast.0.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 30);
            }
        }
    }
}
