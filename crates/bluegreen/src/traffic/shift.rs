//! [`Shift`]: a change that a splitter is asked for, and its answer.

use serde::{Deserialize, Serialize};

use super::{TrafficObservation, TrafficSplit};
use crate::error::{Error, ErrorKind, Result};

/// A change of the split.
///
/// # Examples
///
/// ```
/// use bluegreen::traffic::{Over, Percent, Shift, Sides, TrafficObservation, TrafficSplit};
///
/// let seen = TrafficObservation::new(Sides { blue: 90, green: 10 }, Sides::default(), "v1:rule");
/// let rise = Shift::rise(&seen, TrafficSplit::to_green(Percent::FIFTY));
/// assert!(!rise.restores());
///
/// // The rise was sent and never answered: a restore may find the old or the new split.
/// let own = Over::Own(vec![TrafficSplit::to_green(Percent::FIFTY)]);
/// assert!(Shift::new(seen, TrafficSplit::ALL_BLUE, own).restores());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Shift {
    /// The routing that is changed, as it was read. Everything but the weights stays.
    pub from: TrafficObservation,
    /// The split wanted.
    pub to: TrafficSplit,
    /// The routing that the change may be written over.
    pub over: Over,
}

impl Shift {
    /// A change from `from` to `to`.
    pub fn new(from: TrafficObservation, to: TrafficSplit, over: Over) -> Self {
        Self { from, to, over }
    }

    /// A change of the observed routing, over nothing else.
    pub fn rise(from: &TrafficObservation, to: TrafficSplit) -> Self {
        Self::new(from.clone(), to, Over::Observed)
    }

    /// Whether it is a restore. A restore is always written, even if a read shows `to` already: blue
    /// has everything both before the first rise and after the restore, so such a read may be older than
    /// a rise.
    #[must_use]
    pub fn restores(&self) -> bool {
        self.over != Over::Observed
    }

    /// Whether `found`, which was read right before the write, may be written over.
    #[must_use]
    pub(crate) fn may_replace(&self, found: &TrafficObservation) -> bool {
        let is_same_rest = found.is_same_rest(&self.from);
        match &self.over {
            Over::Observed => found.is_same_routing(&self.from),
            Over::Own(splits) => {
                is_same_rest
                    && (found.weights == self.from.weights
                        || found.is_at(self.to)
                        || splits.iter().any(|split| found.is_at(*split)))
            }
            Over::Anything | Over::Held => true,
        }
    }

    /// Whether the split must be written over `found`, which was read right before the write: `false` if a
    /// rise finds its split there already; a restore is always written. A splitter of your own decides
    /// nothing else.
    ///
    /// # Errors
    ///
    /// `Conflict`, with the differences, if `found` is not the routing that the shift was decided for: write nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::{ErrorKind, TrafficSplit, traffic::{Shift, Sides, TrafficObservation}};
    ///
    /// let read = |weights| TrafficObservation::new(weights, Sides::default(), "v1:rule");
    /// let rise = Shift::rise(&read(Sides::new(90, 10)), TrafficSplit::ALL_GREEN);
    /// assert!(rise.is_to_write(&read(Sides::new(90, 10)))?);
    /// // A third party changed the weights in between.
    /// let conflict = rise.is_to_write(&read(Sides::new(70, 30))).unwrap_err();
    /// assert_eq!(conflict.kind(), ErrorKind::Conflict);
    /// # Ok::<(), bluegreen::Error>(())
    /// ```
    pub fn is_to_write(&self, found: &TrafficObservation) -> Result<bool> {
        if !self.may_replace(found) {
            let why = found.drift_from(&self.from).join("; ");
            let message = format!("shift to {}: {why}", self.to);
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("look who else changes this routing before anything else"));
        }
        Ok(self.restores() || !found.is_at(self.to))
    }
}

/// The routing that a change may be written over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "over", content = "splits", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Over {
    /// Only the routing that was observed: a rise.
    Observed,
    /// Also any of these splits of the same rule, which the run's own writes may have left, and the
    /// wanted split: a restore.
    Own(Vec<TrafficSplit>),
    /// Any routing that is found: a restore that an operator asked for.
    Anything,
    /// The routing that the splitter itself last read or wrote, without a read: a restore while reads
    /// fail. A third party's change since then is lost.
    Held,
}

/// The answer to a [`Shift`]. A write without an answer is an error of the kind
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown); after every other error nothing was
/// written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shifted", content = "traffic", rename_all = "snake_case")]
pub enum Shifted {
    /// The write was accepted, and a read after the write showed this routing.
    Seen(TrafficObservation),
    /// The write of this routing was accepted; a read after the write failed, or showed an
    /// older state.
    Accepted(TrafficObservation),
}

impl Shifted {
    /// The routing that was accepted.
    pub fn traffic(&self) -> &TrafficObservation {
        match self {
            Self::Seen(traffic) | Self::Accepted(traffic) => traffic,
        }
    }

    /// The routing that was accepted.
    pub fn into_traffic(self) -> TrafficObservation {
        match self {
            Self::Seen(traffic) | Self::Accepted(traffic) => traffic,
        }
    }
}
