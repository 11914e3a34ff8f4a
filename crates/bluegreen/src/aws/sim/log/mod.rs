//! The events of a kept world, in a file that several processes share.

pub(super) mod event;
pub(super) mod file;
