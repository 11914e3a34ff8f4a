//! Tests a service under load before it gets traffic, and compares its answers with those of the service
//! that it is to replace.
//!
//! [`TestSuite`] reads the requests from a file, [`TestPlan`] says what they can show, [`LoadTest`] sends
//! them, and [`TestReport`] judges with its evidence.
//!
//! # Load
//!
//! Requests are sent at the times of a schedule, at a constant rate or after a ramp, and never wait for
//! answers: a service that stalls gets as many requests as users would send. A latency counts from the time
//! at which its request was due. So a stall of a second is in the latencies of all requests of that second,
//! and not in one of them (*coordinated omission*). At the limit of requests in flight a request waits, and
//! is counted as late; its latency still counts from the time at which it was due.
//!
//! # Verdict
//!
//! A limit is shown if the bound of Clopper and Pearson is within it. The test passes if all limits are
//! shown and no difference is left. It stops early if an e-process says that a limit is exceeded: at a
//! confidence of 99 %, that is wrong in at most one of a hundred tests for each limit, however often one
//! looks. Both hold as long as requests fail independently of each other. A stall breaks that: then the test
//! knows less than it says.

mod blue;
mod bound;
mod compare;
mod latency;
mod percentile;
mod read;
mod report;
mod run;
mod schedule;
mod settings;
mod suite;
mod tally;
#[cfg(test)]
mod tests;

#[cfg(feature = "spec")]
pub(crate) use self::blue::{BlueLook, BlueWatch};
pub use self::{
    report::{ErrorFigure, LatencyFigure, TestReport},
    run::{LoadTest, TestProgress},
    settings::TestSettings,
    suite::{TestPlan, TestSuite},
};
