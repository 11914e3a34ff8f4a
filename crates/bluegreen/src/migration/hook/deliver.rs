//! A service that carries messages, such as a topic.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

/// A message for such a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// One line for people.
    pub(crate) title: String,
    /// The JSON of the message.
    pub(crate) json: String,
}

/// Carries messages. Shown as its name for people.
#[async_trait]
pub(crate) trait Deliver: fmt::Debug + fmt::Display + Send + Sync {
    /// Hands a message over. The caller limits the time; an implementation may try again within.
    async fn deliver(&self, letter: Letter) -> Result<()>;
}
