//! What several examples share.

pub(crate) mod say;
pub(crate) mod signals;
