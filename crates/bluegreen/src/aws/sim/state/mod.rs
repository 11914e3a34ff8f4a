//! The state of the simulated world and how it goes on. It knows nothing of who asks.

pub(super) mod fleet;
pub(super) mod groups;
pub(super) mod metrics;
pub(super) mod past;
pub(super) mod rules;
pub(super) mod service;
pub(super) mod world;
