//! Health: the gates that look at green, their observations, and the verdicts.
//!
//! A [`HealthGate`] looks and its [`Judge`] decides. Gates that ship: [`MetricsGate`] over any
//! [`MetricSource`] with the judges [`Sequential`](sequential::Sequential), [`Limits`], [`ConnectionErrors`], [`UnhealthyRouting`] and
//! [`Shortfall`]; [`TargetHealthGate`]; and [`gate_fn`] for a closure of yours. [`JudgeExt`] and
//! [`GateExt`] combine them.

mod adapt;
mod backoff;
mod gate;
mod judges;
mod metrics;
mod metrics_gate;
mod observation;
mod percentiles;
mod snapshot;
mod targets;
#[cfg(test)]
mod testing;
mod verdict;

pub use self::{
    adapt::{GateExt, GateFn, JudgedBy, MapJudge, gate_fn},
    backoff::Backoff,
    gate::{HealthGate, Judge, Look, Phase, Progress},
    judges::{
        AllOf, AnyOf, ConnectionErrors, JudgeExt, JudgeFactory, JudgeFn, Limits, LimitsJudge,
        Needs, RateJudge, Shortfall, ShortfallJudge, Sustained, UnhealthyRouting, judge_fn,
        sequential,
    },
    metrics::{Bucket, Counts, LatencySum, MetricSource, SettledBuckets, Settler, Tally, Window},
    metrics_gate::MetricsGate,
    observation::Observation,
    percentiles::Percentiles,
    targets::TargetHealthGate,
    verdict::{Evidence, Figure, Part, SeenSide, SeenTraffic, Unit, Verdict},
};
