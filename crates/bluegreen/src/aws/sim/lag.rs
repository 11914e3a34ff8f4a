//! Reads that lag behind writes.

use std::time::Duration;

use super::fault::Selector;

/// How a read lags behind the writes of its service.
///
/// Set by [`Simulation::lag`](super::Simulation::lag). A read that lags gives the answer of the
/// moment right before the write: the whole state of that moment. The answer is never a mixture, and
/// never shows a newer write without the older ones. Everything but the answer is live: the traffic,
/// the metrics, and the state that a write changes.
///
/// Writes of third parties and of schedules count like those of the caller; refused writes do not
/// count. Writes that were made before the lag was set show at once.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use bluegreen::{TrafficSplit, TrafficSplitter};
/// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Call, Lag, Simulation}};
///
/// let simulation = Simulation::builder().build();
/// simulation.start_paused();
/// simulation.lag(Call::DescribeRules, Lag::for_time(Duration::from_millis(300)));
///
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
/// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
/// simulation.third_party_write(bluegreen::traffic::Sides { blue: 90, green: 10 });
/// assert!(splitter.observe().await?.is_at(TrafficSplit::ALL_BLUE), "what stood before");
///
/// tokio::time::sleep(Duration::from_millis(300)).await;
/// assert!(!splitter.observe().await?.is_at(TrafficSplit::ALL_BLUE));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it does nothing until `Simulation::lag` sets it"]
pub struct Lag {
    shape: Shape,
    behind: Option<Selector>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Time(Duration),
    Reads(u64),
    BackOnce(Duration),
}

impl Lag {
    fn of(shape: Shape) -> Self {
        Self {
            shape,
            behind: None,
        }
    }

    /// For this long after a write, reads show the state before it.
    pub fn for_time(time: Duration) -> Self {
        Self::of(Shape::Time(time))
    }

    /// The first `count` reads after a write show the state before it. Each call counts, and so each
    /// page.
    pub fn reads(count: u64) -> Self {
        Self::of(Shape::Reads(count))
    }

    /// The first read after a write shows the new state, the second one the state before it, and
    /// all later ones the new state.
    pub fn back_once() -> Self {
        Self::back_once_after(Duration::ZERO)
    }

    /// Once a read has shown the new state, the first read at least this long after the write
    /// shows the state before it, and all later ones the new state.
    pub fn back_once_after(time: Duration) -> Self {
        Self::of(Shape::BackOnce(time))
    }

    /// Lags behind the writes of these calls, and no others: `Call::ModifyRule.nth(2)` is the second
    /// call, whether or not the first was accepted. Default: behind every write, third parties'
    /// included.
    pub fn behind(mut self, writes: Selector) -> Self {
        self.behind = Some(writes);
        self
    }

    /// The calls that the lag is behind; `None` for every write.
    pub(super) fn writes(&self) -> Option<&Selector> {
        self.behind.as_ref()
    }

    /// Whether a read at `now` must not show a write of `written` yet. Counts the read.
    pub(super) fn hides(&self, seen: &mut Seen, written: Duration, now: Duration) -> bool {
        match self.shape {
            Shape::Time(time) => now < written.saturating_add(time),
            Shape::Reads(count) => {
                seen.reads += 1;
                seen.reads <= count
            }
            Shape::BackOnce(_) => false,
        }
    }

    /// Whether a read at `now`, which may show a write of `written`, goes back before it. Counts
    /// the read.
    pub(super) fn goes_back(&self, seen: &mut Seen, written: Duration, now: Duration) -> bool {
        let Shape::BackOnce(after) = self.shape else {
            return false;
        };
        let back = seen.is_shown && !seen.is_back && now >= written.saturating_add(after);
        seen.is_shown = true;
        seen.is_back |= back;
        back
    }
}

/// How the reads of one call have shown one write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    reads: u64,
    is_shown: bool,
    is_back: bool,
}
