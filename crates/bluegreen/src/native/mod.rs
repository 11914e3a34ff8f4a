//! The judge of a deployment that its platform moves: the platform shifts the traffic and pauses, and the
//! gates answer each pause.

mod observation;
mod role;
mod survey;

pub use self::{
    observation::{
        NativeObservation, NativeStatus, OnTimeout, Pause, PauseId, PauseStatus, RevisionShare,
        RollBackBy,
    },
    role::PausedDeployment,
    survey::{ConfiguredHook, HookTarget, NativeStrategy, NativeSurvey, RevisionGroup},
};
