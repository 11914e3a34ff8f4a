//! Code that several verbs share.

pub(crate) mod accept;
pub(crate) mod aws;
pub(crate) mod credentials;
pub(crate) mod data;
pub(crate) mod errors;
pub(crate) mod journal;
pub(crate) mod result;
pub(crate) mod rule;
pub(crate) mod runtime;
pub(crate) mod say;
pub(crate) mod signals;
