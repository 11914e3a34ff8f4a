//! Health: who looks at green, what was seen, and what it means.
//!
//! A [`HealthGate`] looks and its [`Judge`] decides. Gates that ship: [`MetricsGate`] over any
//! [`MetricSource`] with the judges [`Sequential`](sequential::Sequential), [`Limits`], [`ConnectionErrors`], [`UnhealthyRouting`] and
//! [`Shortfall`]; [`TargetHealthGate`]; and [`gate_fn`] for a closure of yours. [`JudgeExt`] and
//! [`GateExt`] put them together.

mod adapt;
mod backoff;
mod combine;
mod counts;
mod gate;
mod limits;
mod martingale;
mod metrics_gate;
mod observation;
mod rate;
pub mod sequential;
mod settle;
mod source;
mod span;
mod targets;
#[cfg(test)]
mod testing;
mod timeline;
mod tripwires;
mod verdict;

pub use self::{
    adapt::{GateExt, GateFn, JudgedBy, MapJudge, gate_fn},
    backoff::Backoff,
    combine::{AllOf, AnyOf, JudgeExt, JudgeFactory, JudgeFn, Needs, Sustained, judge_fn},
    counts::{Bucket, Counts, LatencySum, Percentiles, SettledBuckets, Tally},
    gate::{HealthGate, Judge, Look, Phase, Progress},
    limits::{Limits, LimitsJudge},
    metrics_gate::MetricsGate,
    observation::Observation,
    settle::{Settler, Window},
    source::MetricSource,
    targets::TargetHealthGate,
    tripwires::{ConnectionErrors, RateJudge, Shortfall, ShortfallJudge, UnhealthyRouting},
    verdict::{Evidence, Figure, Part, SeenSide, SeenTraffic, Unit, Verdict},
};
