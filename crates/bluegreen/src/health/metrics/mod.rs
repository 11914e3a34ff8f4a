//! Metrics: the source, its counts, and when they are settled.

pub(super) mod counts;
mod settle;
mod source;
pub(super) mod span;
pub(super) mod timeline;

#[cfg(feature = "check")]
pub(crate) use self::counts::as_f64;
pub(crate) use self::settle::Settler;
pub use self::{
    counts::{Bucket, Counts, LatencySum, SettledBuckets, Tally},
    settle::Window,
    source::MetricSource,
};
