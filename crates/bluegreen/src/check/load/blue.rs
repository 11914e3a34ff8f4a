//! The role that looks at blue during a test of green.

use std::fmt;

use async_trait::async_trait;

/// Looks at blue while green is tested.
#[async_trait]
pub(crate) trait BlueWatch: fmt::Debug + Send + Sync {
    /// Looks once. Only reads.
    async fn look(&self) -> BlueLook;
}

/// What a look at blue found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "spec"),
    expect(dead_code, reason = "only a specification looks at blue's metrics")
)]
pub(crate) enum BlueLook {
    /// Blue serves as before, as far as this sentence says.
    Well(String),
    /// Blue serves worse than before the test: the test must stop.
    Worse(String),
}
