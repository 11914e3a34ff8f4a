#![doc = include_str!("../../docs/native.md")]

mod action;
mod entry;
mod error;
mod event;
#[cfg(feature = "run")]
mod host;
mod machine;
#[cfg(feature = "run")]
mod notice;
mod observation;
mod outcome;
mod plan;
mod replay;
mod retelling;
mod role;
mod rules;
#[cfg(feature = "run")]
mod run;
mod snapshot;
mod survey;

#[cfg(feature = "run")]
pub use self::run::NativeJudge;
pub use self::{
    action::{Action, Input, LookReport},
    error::NativeError,
    event::NativeEvent,
    machine::NativeMachine,
    observation::{
        NativeObservation, NativeStatus, OnTimeout, Pause, PauseId, PauseStatus, RevisionShare,
        RollBackBy,
    },
    outcome::{Cause, HoldReason, NativeOutcome, Report, Unchanged, Unresolved},
    plan::{NativePlan, NativePlanBuilder},
    replay::{Replay, ReplayError, is_of_judge, origin_of, replay},
    retelling::Retelling,
    role::PausedDeployment,
    survey::{ConfiguredHook, HookTarget, NativeStrategy, NativeSurvey, RevisionGroup},
};
