//! Turns series of datapoints into buckets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::query::Series;
use crate::{
    health::{Bucket, Counts},
    traffic::Sides,
};

/// A bucket for every start at which any series has a datapoint.
pub(super) fn of(
    series: &BTreeMap<String, Series>,
    period: Duration,
    sides: impl Fn(Timestamp) -> Sides<Counts>,
) -> Vec<Bucket> {
    let starts: BTreeSet<Timestamp> = series.values().flat_map(BTreeMap::keys).copied().collect();
    let buckets = starts
        .into_iter()
        .map(|start| Bucket::new(start, period, sides(start)));
    buckets.collect()
}

/// A sum of counts as a whole number. Values are finite and not negative here.
pub(super) fn count(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a cast saturates"
    )]
    let count = value.round() as u64;
    count
}
