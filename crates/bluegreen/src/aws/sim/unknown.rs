//! The error for a name that no scenario has.

use crate::error::ParseError;

/// Says that no scenario has this name, and which names there are.
pub(super) fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> ParseError {
    let known = known.collect::<Vec<_>>().join(", ");
    ParseError::new(format!("`{name}` is none of {known}")).with_hint(format!("one of {known}"))
}
