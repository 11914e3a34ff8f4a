//! Traffic: the share of each side, and the role that changes it.

mod capacity;
pub mod conformance;
mod dead_man;
mod observation;
mod percent;
mod shift;
mod splitter;

pub use self::{
    capacity::{Capacity, CapacityKeeper, Kept, Released, ScalingRange},
    dead_man::{Armed, DeadManSwitch},
    observation::{Side, Sides, TargetCounts, TrafficObservation},
    percent::{Percent, TrafficSplit},
    shift::{Over, Shift, Shifted},
    splitter::TrafficSplitter,
};
