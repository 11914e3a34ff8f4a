//! What is compared, and what may differ.

use super::kind::Kind;
use crate::check::JsonPath;

/// The differences that do not count.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rules {
    pub(crate) ignore: Vec<JsonPath>,
    pub(crate) ignore_headers: Vec<String>,
    pub(crate) tolerances: Vec<Tolerance>,
    /// Kinds that are told, and do not fail the test.
    pub(crate) accept: Vec<Kind>,
}

/// How far numbers at a place may differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) path: JsonPath,
    pub(crate) within: f64,
}
