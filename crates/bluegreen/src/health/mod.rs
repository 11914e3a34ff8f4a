//! Health: the gates that look at green, their observations, and the verdicts.
//!
//! A [`HealthGate`] looks and its [`Judge`] decides. Gates that ship: [`MetricsGate`] over any
//! [`MetricSource`] with the judges [`Sequential`](sequential::Sequential), [`Limits`], [`ConnectionErrors`], [`UnhealthyRouting`] and
//! [`Shortfall`]; [`TargetHealthGate`]; and [`gate_fn`] for a closure of yours. [`JudgeExt`] and
//! [`GateExt`] combine them.

mod adapt;
mod backoff;
#[cfg(feature = "run")]
pub(crate) mod calls;
mod gate;
mod judges;
mod metrics;
mod metrics_gate;
mod observation;
mod percentiles;
pub(crate) mod registry;
pub(crate) mod session;
mod snapshot;
mod targets;
#[cfg(test)]
mod testing;
pub(crate) mod verdict;

#[cfg(feature = "aws")]
pub(crate) use self::backoff::Backoff;
#[cfg(feature = "check")]
pub(crate) use self::judges::RateAbove;
#[cfg(feature = "check")]
pub(crate) use self::metrics::as_f64;
pub use self::{
    adapt::{GateExt, gate_fn},
    gate::{HealthGate, Judge, Look, Phase, Progress},
    judges::{
        ConnectionErrors, JudgeExt, JudgeFactory, Limits, Needs, Shortfall, UnhealthyRouting,
        judge_fn, sequential,
    },
    metrics::{Bucket, Counts, LatencySum, MetricSource, SettledBuckets, Tally, Window},
    metrics_gate::MetricsGate,
    observation::Observation,
    percentiles::Percentiles,
    registry::judge_of,
    targets::TargetHealthGate,
    verdict::{Evidence, Figure, Part, SeenSide, SeenTraffic, Unit, Verdict},
};
pub(crate) use self::{judges::AllOf, metrics::Settler};
