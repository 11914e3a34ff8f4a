//! Helpers of the tests of judges.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Bucket, Counts, Judge, LatencySum, Phase, Progress, SettledBuckets, Tally, Verdict};
use crate::traffic::{Percent, Sides};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Returns the beginning of a minute.
pub(super) fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).expect("in range")
}

pub(super) fn bucket(minute: i64, blue: Counts, green: Counts) -> Bucket {
    Bucket::new(at(minute), MINUTE, Sides { blue, green })
}

/// Returns a look in a step that began with minute 0, without a warm-up.
pub(super) fn step(minute: i64) -> Progress {
    progress(Phase::Step(0), minute)
}

pub(super) fn progress(phase: Phase, minute: i64) -> Progress {
    let ten = Percent::from_whole(10).expect("a percent");
    Progress::new(at(minute), phase, ten, at(0))
}

pub(super) fn take(judge: &mut dyn Judge, buckets: &[Bucket], progress: &Progress) -> Verdict {
    let observation = SettledBuckets::new(buckets.to_vec()).observe();
    judge.take(&observation.expect("encodes"), progress)
}

/// Plays the minutes from 0 on, one for each observation, and returns the last verdict.
pub(super) fn play(judge: &mut dyn Judge, minutes: &[(Counts, Counts)]) -> Verdict {
    let mut verdict = Verdict::inconclusive("nothing yet");
    for ((blue, green), minute) in minutes.iter().zip(0..) {
        verdict = take(judge, &[bucket(minute, *blue, *green)], &step(minute + 3));
    }
    verdict
}

prop_compose! {
    /// Any counts, with anything missing.
    pub(super) fn any_counts()(
        requests in proptest::option::weighted(0.75, prop_oneof![Just(0), 0_u64..500]),
        errors in proptest::option::weighted(0.75, (0_u64..20, 0_u64..5)),
        responses in proptest::option::weighted(0.75, 0_u64..500),
        connection_errors in proptest::option::weighted(0.75, 0_u64..3),
        unhealthy_routing in proptest::option::weighted(0.75, 0_u64..3),
        latency in proptest::option::weighted(0.75, (0.0_f64..1e6, 0_u64..500)),
        slow in proptest::option::weighted(0.75, (0_u64..20, 0_u64..5)),
    ) -> Counts {
        Counts {
            requests,
            errors: errors.map(|(low, more)| Tally::between(low, low + more)),
            responses,
            connection_errors,
            unhealthy_routing,
            latency: latency.map(|(sum, samples)| LatencySum::new(sum, samples)),
            slow: slow.map(|(low, more)| Tally::between(low, low + more)),
            percentiles: None,
        }
    }
}
