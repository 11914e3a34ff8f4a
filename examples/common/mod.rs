//! What several examples share.

pub(crate) mod signals;
