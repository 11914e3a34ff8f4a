//! The judges, and how several of them are combined.

mod combine;
pub(super) mod limits;
mod martingale;
mod rate;
pub mod sequential;
mod tripwires;

pub(crate) use self::combine::AllOf;
#[cfg(feature = "check")]
pub(crate) use self::martingale::RateAbove;
pub use self::{
    combine::{JudgeExt, JudgeFactory, Needs, judge_fn},
    limits::Limits,
    tripwires::{ConnectionErrors, Shortfall, UnhealthyRouting},
};
