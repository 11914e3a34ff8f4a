//! The judges, and how several of them are combined.

mod combine;
pub(super) mod limits;
mod martingale;
mod rate;
pub mod sequential;
mod tripwires;

pub use self::{
    combine::{AllOf, AnyOf, JudgeExt, JudgeFactory, JudgeFn, Needs, Sustained, judge_fn},
    limits::{Limits, LimitsJudge},
    tripwires::{ConnectionErrors, RateJudge, Shortfall, ShortfallJudge, UnhealthyRouting},
};
