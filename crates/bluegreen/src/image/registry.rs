//! The seam between a builder and the registry that it pushes to.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{ImageDigest, ImageTag, Tagging};
use crate::{error::Result, preflight::Finding};

/// The registry that images are pushed to, and that confirms digests.
///
/// On AWS this is `EcrRegistry`; for a registry of your own, implement these few methods.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ImageRegistry: fmt::Debug + Send + Sync {
    /// Finds what would make a push fail, and what is worth knowing. Reads only.
    ///
    /// # Errors
    ///
    /// If the preflight could not look.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// The repository's name as an image reference spells it, registry included:
    /// `123456789012.dkr.ecr.us-east-1.amazonaws.com/chatbot-fastapi`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such repository.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn repository(&self) -> Result<String>;

    /// Makes the repository if it is absent and may be made, and returns its name as
    /// [`repository`](Self::repository) does. Called right before a push.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no repository and none may be made.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have made the repository. Doing it again is harmless.
    async fn ensure_repository(&self) -> Result<String>;

    /// The credentials that a push logs in with; `None` if the registry needs none. Valid for a
    /// push that starts now.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or they have expired.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn credentials(&self) -> Result<Option<RegistryCredentials>>;

    /// The digest that `tag` names now; `None` if the tag or the repository is absent.
    ///
    /// # Errors
    ///
    /// If the registry could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn digest(&self, tag: &ImageTag) -> Result<Option<ImageDigest>>;

    /// Lets `tag` name an image that the registry already holds, without a transfer.
    ///
    /// # Errors
    ///
    /// If the registry could not be asked, or the answer was lost.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have moved the tag. Doing it again is harmless.
    async fn tag(&self, digest: &ImageDigest, tag: &ImageTag) -> Result<Tagging>;
}

/// User and password of a registry. The password shows in no `Debug`, and is no serde value.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// The host to log in at, port included, without a scheme.
    pub host: String,
    /// The user; on ECR `AWS`.
    pub user: String,
    password: String,
}

impl RegistryCredentials {
    /// Credentials for `host`.
    pub fn new(
        host: impl Into<String>,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self {
            host: host.into(),
            user: user.into(),
            password: password.into(),
        }
    }

    /// The password, for the login.
    #[must_use]
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials")
            .field("host", &self.host)
            .field("user", &self.user)
            .field("password", &"[redacted]")
            .finish()
    }
}
