//! The verbs of the command, one file each.

pub(crate) mod abort;
mod ask;
pub(crate) mod cleanup;
pub(crate) mod completions;
pub(crate) mod continue_run;
pub(crate) mod diff;
pub(crate) mod init;
pub(crate) mod judge;
pub(crate) mod leave;
pub(crate) mod lint;
pub(crate) mod migrate;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod test;
