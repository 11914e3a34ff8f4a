//! A behaviour suite for a [`TrafficSplitter`] of your own.
//!
//! A migration relies on more than the signatures of the trait say: that reads are true,
//! that a write from a stale observation does nothing, that the fingerprint shows every change of
//! a third party. [`check`] tries all of it on routing that you lay out with a [`Fixture`], and
//! reports all [`Behaviour`]s that fail together.
//!
//! Run the suite from a test, on routing that serves no users: it shifts traffic. The splitters of this
//! crate pass it.
//!
//! # Examples
//!
//! A splitter for a router that is a value in memory:
//!
//! ```
//! use std::{sync::{Arc, Mutex}, time::Duration};
//!
//! use async_trait::async_trait;
//! use bluegreen::{
//!     Result, TrafficSplitter,
//!     traffic::{
//!         Shift, Shifted, Sides, TargetCounts, TrafficObservation,
//!         conformance::{self, Fixture, Truth},
//!     },
//! };
//!
//! /// What the router holds: the weights of blue and green, and its port.
//! type Router = Arc<Mutex<(Sides<u32>, u16)>>;
//!
//! #[derive(Debug)]
//! struct Splitter(Router);
//!
//! #[async_trait]
//! impl TrafficSplitter for Splitter {
//!     async fn observe(&self) -> Result<TrafficObservation> {
//!         let (weights, port) = *self.0.lock().unwrap();
//!         let targets = Sides::both(TargetCounts::all_healthy(2));
//!         Ok(TrafficObservation::new(weights, targets, format!("v1:port {port}")))
//!     }
//!
//!     async fn shift(&self, shift: &Shift) -> Result<Shifted> {
//!         if shift.is_to_write(&self.observe().await?)? {
//!             self.0.lock().unwrap().0 = shift.to.weights();
//!         }
//!         Ok(Shifted::Seen(self.observe().await?))
//!     }
//!
//!     /// A value in memory is read as it was written.
//!     fn propagation(&self) -> Duration {
//!         Duration::ZERO
//!     }
//! }
//!
//! #[derive(Debug, Default)]
//! struct InMemory(Router);
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     async fn reset(&self) -> Result<()> {
//!         *self.0.lock().unwrap() = (Sides { blue: 1, green: 0 }, 80);
//!         Ok(())
//!     }
//!
//!     async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
//!         Ok(Box::new(Splitter(Arc::clone(&self.0))))
//!     }
//!
//!     async fn truth(&self) -> Result<Truth> {
//!         let (weights, port) = *self.0.lock().unwrap();
//!         Ok(Truth::new(weights, port.to_string()))
//!     }
//!
//!     async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
//!         self.0.lock().unwrap().0 = weights;
//!         Ok(())
//!     }
//!
//!     async fn change_rest(&self) -> Result<()> {
//!         self.0.lock().unwrap().1 += 1;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conformance::ConformanceFailure> {
//! conformance::check(&InMemory::default()).await
//! # }
//! ```
//!
//! If the splitter wrote without a check of `from`, the suite would say so:
//!
//! ```
//! # use std::{sync::{Arc, Mutex}, time::Duration};
//! # use async_trait::async_trait;
//! # use bluegreen::{
//! #     Result, TrafficSplitter,
//! #     preflight::Finding,
//! #     traffic::{
//! #         Shift, Shifted, Sides, TargetCounts, TrafficObservation,
//! #         conformance::{self, Behaviour, Fixture, Truth},
//! #     },
//! # };
//! # type Router = Arc<Mutex<(Sides<u32>, u16)>>;
//! # #[derive(Debug)]
//! # struct Splitter(Router);
//! # #[async_trait]
//! # impl TrafficSplitter for Splitter {
//! #     async fn preflight(&self) -> Result<Vec<Finding>> {
//! #         Ok(Vec::new())
//! #     }
//! #     async fn observe(&self) -> Result<TrafficObservation> {
//! #         let (weights, port) = *self.0.lock().unwrap();
//! #         let targets = Sides { blue: TargetCounts::all_healthy(2), green: TargetCounts::all_healthy(2) };
//! #         Ok(TrafficObservation::new(weights, targets, format!("v1:port {port}")))
//! #     }
//! async fn shift(&self, shift: &Shift) -> Result<Shifted> {
//!     self.0.lock().unwrap().0 = Sides {
//!         blue: shift.to.blue().as_tenths().into(),
//!         green: shift.to.green().as_tenths().into(),
//!     };
//!     Ok(Shifted::Seen(self.observe().await?))
//! }
//! #     fn propagation(&self) -> Duration { Duration::ZERO }
//! # }
//! # #[derive(Debug, Default)]
//! # struct Careless(Router);
//! # #[async_trait]
//! # impl Fixture for Careless {
//! #     async fn reset(&self) -> Result<()> {
//! #         *self.0.lock().unwrap() = (Sides { blue: 1, green: 0 }, 80);
//! #         Ok(())
//! #     }
//! #     async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
//! #         Ok(Box::new(Splitter(Arc::clone(&self.0))))
//! #     }
//! #     async fn truth(&self) -> Result<Truth> {
//! #         let (weights, port) = *self.0.lock().unwrap();
//! #         Ok(Truth::new(weights, port.to_string()))
//! #     }
//! #     async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
//! #         self.0.lock().unwrap().0 = weights;
//! #         Ok(())
//! #     }
//! #     async fn change_rest(&self) -> Result<()> {
//! #         self.0.lock().unwrap().1 += 1;
//! #         Ok(())
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//!
//! let failure = conformance::check(&Careless::default()).await.unwrap_err();
//! let failed: Vec<Behaviour> = failure.failed().map(|(behaviour, _)| behaviour).collect();
//! assert_eq!(
//!     failed,
//!     [
//!         Behaviour::LeavesWhatIsThere,
//!         Behaviour::RefusesStaleWeights,
//!         Behaviour::RefusesStaleRest,
//!         Behaviour::RestoresOverItsOwn,
//!     ]
//! );
//! # }
//! ```

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{
    Over, Percent, Shift, Shifted, Sides, TrafficObservation, TrafficSplit, TrafficSplitter,
};
use crate::error::{ErrorKind, Result};

/// Routing that the suite may change freely, and the splitters on it.
///
/// A fixture reads and writes the routing without the splitter, as the console or a third party
/// would.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait Fixture: fmt::Debug + Send + Sync {
    /// Puts everything on blue and undoes all other changes. Called before each behaviour,
    /// the first included.
    ///
    /// # Errors
    ///
    /// If that failed: then the behaviour that needed the call counts as failed. The same holds for all
    /// methods.
    async fn reset(&self) -> Result<()>;

    /// Returns a new splitter on the routing as it stands. The suite makes several and keeps them side by
    /// side, like controllers that follow each other.
    ///
    /// # Errors
    ///
    /// See [`reset`](Self::reset).
    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>>;

    /// Reads the routing as it is now.
    ///
    /// # Errors
    ///
    /// See [`reset`](Self::reset).
    async fn truth(&self) -> Result<Truth>;

    /// Sets both weights, without any splitter. Each weight is 0 to 100, relative, and at
    /// least one is not 0.
    ///
    /// # Errors
    ///
    /// See [`reset`](Self::reset).
    async fn write_weights(&self, weights: Sides<u32>) -> Result<()>;

    /// Changes something that decides on the traffic of each side, but not the two weights, without any
    /// splitter: a condition, for example, or the stickiness.
    ///
    /// # Errors
    ///
    /// See [`reset`](Self::reset).
    async fn change_rest(&self) -> Result<()>;
}

/// Routing as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truth {
    /// The relative weights.
    pub weights: Sides<u32>,
    /// Everything else, as any text that is equal if everything else is equal.
    pub rest: String,
}

impl Truth {
    /// Routing with these weights; `rest` is any text that is equal if everything else is equal.
    pub fn new(weights: Sides<u32>, rest: impl Into<String>) -> Self {
        Self {
            weights,
            rest: rest.into(),
        }
    }

    fn is_at(&self, split: TrafficSplit) -> bool {
        TrafficObservation::new(self.weights, Sides::default(), "").is_at(split)
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sides { blue, green } = self.weights;
        write!(f, "weights {blue}:{green} and {}", self.rest)
    }
}

/// What the suite expects of a splitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Behaviour {
    /// Sees all traffic on blue if blue has it all.
    StartsAllBlue,
    /// Reads the weights each time, and so sees what a third party wrote.
    ReadsWeights,
    /// Only reads in `preflight` and `observe`.
    OnlyReads,
    /// Shifts exactly to any split, a tenth of a percent included, and back; and returns the routing
    /// after the shift.
    ShiftsExactly,
    /// Changes two weights and nothing else.
    KeepsTheRest,
    /// Writes nothing if the wanted split is already there, in any scale of its
    /// weights.
    LeavesWhatIsThere,
    /// Answers `Conflict` and writes nothing if the weights are not the observed weights, even if they
    /// are the wanted weights.
    RefusesStaleWeights,
    /// Answers `Conflict` and writes nothing if anything else is not as observed.
    RefusesStaleRest,
    /// Restores blue over the observed weights, over the weights of its own writes and over all blue,
    /// and over no others; over any weights if asked to.
    RestoresOverItsOwn,
    /// Gives the same fingerprint for all weights.
    FingerprintIgnoresWeights,
    /// Gives another fingerprint if anything else changed.
    FingerprintSeesTheRest,
    /// Makes observations that survive JSON, so that another splitter can continue from a journal.
    SurvivesJournal,
}

impl Behaviour {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 12] = [
        Self::StartsAllBlue,
        Self::ReadsWeights,
        Self::OnlyReads,
        Self::ShiftsExactly,
        Self::KeepsTheRest,
        Self::LeavesWhatIsThere,
        Self::RefusesStaleWeights,
        Self::RefusesStaleRest,
        Self::RestoresOverItsOwn,
        Self::FingerprintIgnoresWeights,
        Self::FingerprintSeesTheRest,
        Self::SurvivesJournal,
    ];

    /// The expected behaviour, as the end of a sentence: "a splitter …".
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::StartsAllBlue => "sees all traffic on blue if blue has it all",
            Self::ReadsWeights => "reads the weights each time",
            Self::OnlyReads => "only reads in preflight and observe",
            Self::ShiftsExactly => "shifts to any split and back, exactly",
            Self::KeepsTheRest => "changes two weights and nothing else",
            Self::LeavesWhatIsThere => "writes nothing if the wanted split is there",
            Self::RefusesStaleWeights => "refuses to write over weights that it did not observe",
            Self::RefusesStaleRest => "refuses to write if anything else changed",
            Self::RestoresOverItsOwn => "restores blue over its own writes and over no others",
            Self::FingerprintIgnoresWeights => "fingerprints regardless of weights",
            Self::FingerprintSeesTheRest => "fingerprints everything else",
            Self::SurvivesJournal => "continues from an observation of a journal",
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All behaviours in which a splitter failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConformanceFailure {
    failed: Vec<(Behaviour, String)>,
}

impl ConformanceFailure {
    /// Returns each behaviour that failed, and what happened instead.
    pub fn failed(&self) -> impl Iterator<Item = (Behaviour, &str)> {
        self.failed.iter().map(|(one, what)| (*one, what.as_str()))
    }
}

impl fmt::Display for ConformanceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, all) = (self.failed.len(), Behaviour::ALL.len());
        write!(f, "the splitter fails {failed} of {all} behaviours:")?;
        for (behaviour, what) in &self.failed {
            write!(f, "\n- {behaviour}: {what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConformanceFailure {}

/// Tries every [`Behaviour`] on splitters of `fixture`, each on routing that was reset.
///
/// Sets no time limit: a splitter that does not answer keeps the check waiting.
///
/// # Errors
///
/// [`ConformanceFailure`] with every behaviour that failed. An unexpected error of the splitter or of the
/// fixture is such a failure.
///
/// # Cancel safety
///
/// Dropping the check leaves the routing as the splitter under test leaves it when a call is dropped.
pub async fn check(fixture: &dyn Fixture) -> Result<(), ConformanceFailure> {
    let mut failed = Vec::new();
    for behaviour in Behaviour::ALL {
        let bench = Bench { fixture };
        if let Err(Broken(what)) = bench.check(behaviour).await {
            failed.push((behaviour, what));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(ConformanceFailure { failed })
    }
}

/// What happened instead of the behaviour.
#[derive(Debug)]
struct Broken(String);

type Checked<T = ()> = Result<T, Broken>;

fn expect(is_so: bool, else_what: impl FnOnce() -> String) -> Checked {
    if is_so {
        Ok(())
    } else {
        Err(Broken(else_what()))
    }
}

/// Says which call failed, with the causes.
trait Failing<T> {
    fn failing(self, what: &str) -> Checked<T>;
}

impl<T> Failing<T> for Result<T> {
    fn failing(self, what: &str) -> Checked<T> {
        self.map_err(|error| Broken(format!("{what} failed: {}", crate::Failure::from(error))))
    }
}

/// Calls of the fixture and of its splitters.
struct Bench<'a> {
    fixture: &'a dyn Fixture,
}

impl Bench<'_> {
    async fn check(&self, behaviour: Behaviour) -> Checked {
        self.fixture.reset().await.failing("the fixture's reset")?;
        match behaviour {
            Behaviour::StartsAllBlue => self.starts_all_blue().await,
            Behaviour::ReadsWeights => self.reads_weights().await,
            Behaviour::OnlyReads => self.only_reads().await,
            Behaviour::ShiftsExactly => self.shifts_exactly().await,
            Behaviour::KeepsTheRest => self.keeps_the_rest().await,
            Behaviour::LeavesWhatIsThere => self.leaves_what_is_there().await,
            Behaviour::RefusesStaleWeights => self.refuses_stale_weights().await,
            Behaviour::RefusesStaleRest => self.refuses_stale_rest().await,
            Behaviour::RestoresOverItsOwn => self.restores_over_its_own().await,
            Behaviour::FingerprintIgnoresWeights => self.fingerprint_ignores_weights().await,
            Behaviour::FingerprintSeesTheRest => self.fingerprint_sees_the_rest().await,
            Behaviour::SurvivesJournal => self.survives_journal().await,
        }
    }

    async fn starts_all_blue(&self) -> Checked {
        let truth = self.truth().await?;
        expect(truth.is_at(TrafficSplit::ALL_BLUE), || {
            format!("the fixture itself starts at {truth}")
        })?;
        let seen = observe(&*self.splitter().await?).await?;
        expect(seen.is_all_blue(), || format!("observed {seen}"))
    }

    async fn reads_weights(&self) -> Checked {
        let splitter = self.splitter().await?;
        observe(&*splitter).await?;
        for (blue, green) in [(70, 30), (3, 1), (0, 1), (1, 0)] {
            let written = Sides { blue, green };
            self.write_weights(written).await?;
            let truth = self.truth().await?;
            let seen = observe(&*splitter).await?;
            let is_seen = seen.weights == truth.weights;
            expect(is_seen, || {
                format!("observed {seen}, but the routing is {truth}")
            })?;
        }
        Ok(())
    }

    async fn only_reads(&self) -> Checked {
        self.write_weights(Sides { blue: 3, green: 1 }).await?;
        let before = self.truth().await?;
        let splitter = self.splitter().await?;
        splitter.preflight().await.failing("preflight")?;
        observe(&*splitter).await?;
        self.unchanged_since(&before).await
    }

    async fn shifts_exactly(&self) -> Checked {
        let splitter = self.splitter().await?;
        let mut from = observe(&*splitter).await?;
        for to in splits().chain([TrafficSplit::ALL_BLUE]) {
            let returned = shift(&*splitter, &from, to).await?;
            let truth = self.truth().await?;
            let seen = observe(&*splitter).await?;
            expect(truth.is_at(to), || {
                format!("after a shift to {to} the routing is {truth}")
            })?;
            let is_seen = [&returned, &seen]
                .iter()
                .all(|one| one.weights == truth.weights);
            expect(is_seen && returned.is_same_routing(&seen), || {
                format!("a shift to {to} returned {returned}, then {seen} was observed")
            })?;
            from = returned;
        }
        Ok(())
    }

    async fn keeps_the_rest(&self) -> Checked {
        let before = self.truth().await?;
        let splitter = self.splitter().await?;
        let mut from = observe(&*splitter).await?;
        for to in splits().chain([TrafficSplit::ALL_BLUE]) {
            from = shift(&*splitter, &from, to).await?;
            let after = self.truth().await?;
            expect(after.rest == before.rest, || {
                format!(
                    "after a shift to {to}, {} became {}",
                    before.rest, after.rest
                )
            })?;
        }
        Ok(())
    }

    /// Tries weights in a scale that no splitter would write by itself, so that a rewrite shows.
    async fn leaves_what_is_there(&self) -> Checked {
        let splitter = self.splitter().await?;
        for (weights, tenths) in [((7, 0), 0), ((3, 1), 250), ((0, 7), 1000)] {
            let (blue, green) = weights;
            self.write_weights(Sides { blue, green }).await?;
            let before = self.truth().await?;
            let from = observe(&*splitter).await?;
            let to = split(tenths);
            let returned = shift(&*splitter, &from, to).await?;
            self.unchanged_since(&before).await?;
            expect(returned.weights == before.weights, || {
                format!("a shift to {to} over {before} returned {returned}")
            })?;
        }
        Ok(())
    }

    async fn refuses_stale_weights(&self) -> Checked {
        let splitter = self.splitter().await?;
        let stale = observe(&*splitter).await?;
        self.write_weights(Sides { blue: 1, green: 1 }).await?;
        for to in [
            split(100),
            TrafficSplit::to_green(Percent::FIFTY),
            TrafficSplit::ALL_BLUE,
        ] {
            self.refuses(&*splitter, &stale, to).await?;
        }
        Ok(())
    }

    async fn refuses_stale_rest(&self) -> Checked {
        let splitter = self.splitter().await?;
        let stale = observe(&*splitter).await?;
        self.change_rest().await?;
        self.refuses(&*splitter, &stale, split(100)).await
    }

    async fn restores_over_its_own(&self) -> Checked {
        let splitter = self.splitter().await?;
        let from = observe(&*splitter).await?;
        let own = Over::Own(vec![split(100)]);
        for (blue, green, over, is_written) in [
            (1, 0, own.clone(), true),
            (9, 1, own.clone(), true),
            (1, 1, own, false),
            (1, 1, Over::Anything, true),
        ] {
            self.write_weights(Sides { blue, green }).await?;
            let before = self.truth().await?;
            let restore = Shift::new(from.clone(), TrafficSplit::ALL_BLUE, over);
            let answer = splitter.shift(&restore).await;
            let truth = self.truth().await?;
            match answer {
                Ok(_) if is_written => expect(truth.is_at(TrafficSplit::ALL_BLUE), || {
                    format!("a restore over {before} left {truth}")
                })?,
                Err(error) if !is_written && error.kind() == ErrorKind::Conflict => {
                    expect(truth == before, || format!("{before} became {truth}"))?;
                }
                Ok(_) => {
                    return Err(Broken(format!("a restore was written over {before}")));
                }
                Err(error) => {
                    let failure = crate::Failure::from(error);
                    return Err(Broken(format!("a restore over {before} failed: {failure}")));
                }
            }
        }
        Ok(())
    }

    async fn fingerprint_ignores_weights(&self) -> Checked {
        let splitter = self.splitter().await?;
        let first = observe(&*splitter).await?;
        let mut seen = vec![shift(&*splitter, &first, split(1)).await?];
        seen.push(shift(&*splitter, &seen[0], TrafficSplit::ALL_GREEN).await?);
        self.write_weights(Sides { blue: 3, green: 1 }).await?;
        seen.push(observe(&*splitter).await?);
        self.fixture.reset().await.failing("the fixture's reset")?;
        seen.push(observe(&*self.splitter().await?).await?);
        for later in seen {
            expect(later.fingerprint == first.fingerprint, || {
                format!(
                    "{} at {first} became {} at {later}",
                    first.fingerprint, later.fingerprint
                )
            })?;
        }
        Ok(())
    }

    async fn fingerprint_sees_the_rest(&self) -> Checked {
        let splitter = self.splitter().await?;
        let before = (self.truth().await?, observe(&*splitter).await?);
        self.change_rest().await?;
        let after = (self.truth().await?, observe(&*splitter).await?);
        expect(before.0.rest != after.0.rest, || {
            format!("the fixture itself changed nothing: {}", after.0)
        })?;
        expect(before.1.fingerprint != after.1.fingerprint, || {
            format!(
                "{} stayed while {} became {}",
                after.1.fingerprint, before.0.rest, after.0.rest
            )
        })
    }

    async fn survives_journal(&self) -> Checked {
        let first = self.splitter().await?;
        let from = observe(&*first).await?;
        let journalled = through_json(&from)?;
        expect(journalled == from, || {
            format!("{from:?} became {journalled:?}")
        })?;
        let moved = shift(&*first, &journalled, split(100)).await?;
        let successor = self.splitter().await?;
        shift(&*successor, &through_json(&moved)?, split(500)).await?;
        let truth = self.truth().await?;
        expect(truth.is_at(split(500)), || {
            format!("a successor's shift to {} left {truth}", split(500))
        })
    }

    async fn refuses(
        &self,
        splitter: &dyn TrafficSplitter,
        stale: &TrafficObservation,
        to: TrafficSplit,
    ) -> Checked {
        let before = self.truth().await?;
        let shift = Shift::new(stale.clone(), to, Over::Observed);
        let answer = splitter.shift(&shift).await;
        self.unchanged_since(&before).await?;
        match answer {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(Broken(format!(
                "a shift to {to} from a stale observation failed, but not as a conflict: {}",
                crate::Failure::from(error)
            ))),
            Ok(seen) => Err(Broken(format!(
                "a shift to {to} from a stale observation returned {}",
                seen.traffic()
            ))),
        }
    }

    async fn unchanged_since(&self, before: &Truth) -> Checked {
        let after = self.truth().await?;
        expect(after == *before, || format!("{before} became {after}"))
    }

    async fn splitter(&self) -> Checked<Box<dyn TrafficSplitter>> {
        self.fixture
            .splitter()
            .await
            .failing("the fixture's splitter")
    }

    async fn truth(&self) -> Checked<Truth> {
        self.fixture.truth().await.failing("the fixture's truth")
    }

    async fn write_weights(&self, weights: Sides<u32>) -> Checked {
        let written = self.fixture.write_weights(weights).await;
        written.failing("the fixture's write_weights")
    }

    async fn change_rest(&self) -> Checked {
        let changed = self.fixture.change_rest().await;
        changed.failing("the fixture's change_rest")
    }
}

async fn observe(splitter: &dyn TrafficSplitter) -> Checked<TrafficObservation> {
    splitter.observe().await.failing("observe")
}

async fn shift(
    splitter: &dyn TrafficSplitter,
    from: &TrafficObservation,
    to: TrafficSplit,
) -> Checked<TrafficObservation> {
    let shift = Shift::new(from.clone(), to, Over::Observed);
    let shifted = splitter.shift(&shift).await;
    match shifted.failing(&format!("a shift from {from} to {to}"))? {
        Shifted::Seen(traffic) => Ok(traffic),
        // The reads of the suite's routing are consistent, or the fixture waits until they are.
        Shifted::Accepted(_) => observe(splitter).await,
    }
}

fn through_json(seen: &TrafficObservation) -> Checked<TrafficObservation> {
    let broken = |error: serde_json::Error| Broken(format!("{seen:?} as JSON: {error}"));
    let json = serde_json::to_string(seen).map_err(broken)?;
    serde_json::from_str(&json).map_err(broken)
}

/// Whole percents and tenths, up and down, and both ends.
fn splits() -> impl Iterator<Item = TrafficSplit> {
    [1, 100, 125, 500, 999, 1000, 333, 1].into_iter().map(split)
}

/// Gives green `tenths` tenths of a percent, at most a thousand.
fn split(tenths: u16) -> TrafficSplit {
    TrafficSplit::to_green(Percent::from_tenths(tenths).unwrap_or(Percent::HUNDRED))
}

#[cfg(test)]
mod tests;
