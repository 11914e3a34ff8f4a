//! Health: who looks at green, what was seen, and what it means.

mod combine;
mod counts;
mod gate;
mod limits;
mod martingale;
mod metrics_gate;
mod observation;
mod settle;
mod source;
mod step;
mod targets;
mod tripwires;
mod verdict;

pub use self::{
    combine::{AllOf, AnyOf, GateExt, GateFn, JudgeExt, MapJudge, Sustained, gate_fn},
    counts::{Bucket, COUNTS_SCHEMA, Counts, CountsSeen, LatencySum, Tally},
    gate::{HealthGate, Judge, Look, Phase, Progress},
    limits::Limits,
    metrics_gate::MetricsGate,
    observation::Observation,
    source::MetricSource,
    targets::TargetHealthGate,
    tripwires::{ConnectionErrors, Shortfall},
    verdict::{Evidence, Figure, Part, SeenSide, SeenTraffic, Unit, Verdict},
};
