//! Metrics: the source, its counts, and when they are settled.

pub(super) mod counts;
mod settle;
mod source;
pub(super) mod span;
pub(super) mod timeline;

pub use self::{
    counts::{Bucket, Counts, LatencySum, SettledBuckets, Tally},
    settle::{Settler, Window},
    source::MetricSource,
};
