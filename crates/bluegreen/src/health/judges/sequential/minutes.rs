//! [`MinuteSide`]: the counts of one side in one minute; [`Minutes`]: hours of such minutes, packed.

use serde::{Deserialize, Serialize};

use crate::health::{Counts, Tally};

/// The counts of one side in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MinuteSide {
    /// Requests that reached the side.
    pub requests: u64,
    /// The requests that failed by the side's own fault.
    pub errors: Tally,
    /// The requests that were slow; `None` if that is not known.
    pub slow: Option<Tally>,
}

impl MinuteSide {
    /// Creates a minute of this many requests, of which these failed and these were slow.
    #[must_use]
    pub fn new(requests: u64, errors: Tally, slow: Option<Tally>) -> Self {
        Self {
            requests,
            errors,
            slow,
        }
    }

    /// Returns the counts of a source, as far as they are known; `None` if the number of requests is
    /// not known.
    #[must_use]
    pub fn of(counts: &Counts) -> Option<Self> {
        let requests = counts.requests?;
        // Unknown errors get bounds so wide that they neither blame a side nor let it pass.
        let errors = counts.errors.unwrap_or(Tally::between(0, requests));
        let slow = if requests == 0 {
            Some(Tally::exact(0))
        } else {
            counts.slow
        };
        Some(Self::new(requests, errors, slow))
    }
}

/// Minutes of one side. Each migration keeps hours of minutes, so they are packed to less than half their
/// size: a count above four billion in a minute is kept as four billion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Minutes(Vec<Packed>);

/// Requests, the two bounds of the errors, and the two bounds of the slow requests: [`UNKNOWN`] twice if
/// these are not known. A snapshot holds minutes in the same form.
type Packed = [u32; 5];

const UNKNOWN: u32 = u32::MAX;

impl Minutes {
    pub(super) fn push(&mut self, side: &MinuteSide) {
        self.0.push(packed(side));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = MinuteSide> {
        self.0.iter().map(unpacked)
    }

    /// Returns the minutes in reverse order.
    pub(super) fn reversed(&self) -> Self {
        Self(self.0.iter().rev().copied().collect())
    }

    /// Returns `count` minutes from `from` on; `None` if there are fewer.
    pub(super) fn part(
        &self,
        from: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = MinuteSide>> {
        let part = self.0.get(from..from.checked_add(count)?)?;
        Some(part.iter().map(unpacked))
    }
}

fn packed(side: &MinuteSide) -> Packed {
    let small = |count: u64| u32::try_from(count).unwrap_or(UNKNOWN).min(UNKNOWN - 1);
    let slow = side
        .slow
        .map(|slow| [small(slow.low()), small(slow.high())]);
    let [slow_low, slow_high] = slow.unwrap_or([UNKNOWN; 2]);
    let (low, high) = (small(side.errors.low()), small(side.errors.high()));
    [small(side.requests), low, high, slow_low, slow_high]
}

fn unpacked(packed: &Packed) -> MinuteSide {
    let [requests, low, high, slow_low, slow_high] = *packed;
    let tally = |low: u32, high: u32| Tally::between(low.into(), high.into());
    let slow = (slow_low != UNKNOWN).then(|| tally(slow_low, slow_high));
    MinuteSide::new(requests.into(), tally(low, high), slow)
}

impl FromIterator<MinuteSide> for Minutes {
    fn from_iter<I: IntoIterator<Item = MinuteSide>>(sides: I) -> Self {
        Self(sides.into_iter().map(|side| packed(&side)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_comes_back_as_it_was_also_from_json() {
        let sides = [
            MinuteSide::new(0, Tally::exact(0), None),
            MinuteSide::new(700, Tally::between(3, 9), Some(Tally::exact(50))),
            MinuteSide::new(4_000_000_000, Tally::exact(1), Some(Tally::between(0, 7))),
        ];
        let minutes: Minutes = sides.into_iter().collect();
        assert!(minutes.iter().eq(sides));
        assert!(minutes.reversed().iter().rev().eq(sides));
        let json = serde_json::to_string(&minutes).expect("plain data");
        assert!(json.contains("[700,3,9,50,50]"), "{json}");
        let read: Minutes = serde_json::from_str(&json).expect("as it was written");
        assert_eq!(read, minutes);
        assert!(
            minutes
                .part(1, 2)
                .expect("two")
                .eq(sides[1..].iter().copied())
        );
        assert!(minutes.part(2, 2).is_none());
    }

    #[test]
    fn what_is_too_large_is_the_largest_and_never_unknown() {
        let side = MinuteSide::new(
            u64::MAX,
            Tally::exact(1 << 32),
            Some(Tally::exact(u64::MAX)),
        );
        let minutes: Minutes = [side].into_iter().collect();
        let most = u64::from(UNKNOWN - 1);
        let capped = MinuteSide::new(most, Tally::exact(most), Some(Tally::exact(most)));
        assert!(minutes.iter().eq([capped]));
    }
}
