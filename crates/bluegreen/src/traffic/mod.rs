//! Traffic: how much each side gets, and the role that changes it.

pub mod conformance;
mod observation;
mod percent;
mod splitter;

pub use self::{
    observation::{Side, Sides, TargetCounts, TrafficObservation},
    percent::{Percent, PercentError, TrafficSplit},
    splitter::TrafficSplitter,
};
