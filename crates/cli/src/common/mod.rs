//! What several verbs share.

pub(crate) mod data;
pub(crate) mod journal;
pub(crate) mod rule;
pub(crate) mod say;
pub(crate) mod signals;
