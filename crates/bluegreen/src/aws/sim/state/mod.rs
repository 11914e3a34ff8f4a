//! The state of the simulated world and its progress. It knows nothing of its callers.

pub(super) mod alarm;
pub(super) mod blue;
pub(super) mod calls;
pub(super) mod change;
mod cloudwatch;
pub(super) mod count;
pub(super) mod fleet;
pub(super) mod groups;
pub(super) mod metrics;
pub(super) mod native;
mod native_service;
pub(super) mod past;
pub(super) mod programs;
pub(super) mod registry;
pub(super) mod roles;
pub(super) mod rollout;
pub(super) mod rules;
pub(super) mod scaling;
pub(super) mod schedules;
pub(super) mod series;
pub(super) mod service;
mod shifts;
pub(super) mod world;
pub(super) mod writes;
