//! Verbs about a specification's file: making one, checking it, and its schema.

pub(crate) mod init;
pub(crate) mod lint;
pub(crate) mod schema;

/// The file that is meant if none is named.
const USUAL: &str = "bluegreen.toml";
/// Bad arguments, or a file that is not valid.
const BAD: u8 = 2;
/// Something could not be read or written.
const FAILED: u8 = 3;
