//! Traffic: how much each side gets, and the role that changes it.

pub mod conformance;
mod dead_man;
mod observation;
mod percent;
mod shift;
mod splitter;

pub use self::{
    dead_man::{Armed, DeadManSwitch},
    observation::{Side, Sides, TargetCounts, TrafficObservation},
    percent::{Percent, PercentError, TrafficSplit},
    shift::{Over, Shift, Shifted},
    splitter::TrafficSplitter,
};
