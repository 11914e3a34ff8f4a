//! The role that makes images.

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ImageRef;
use crate::error::Result;

/// Turns a source into an image in a registry.
///
/// The image comes back by digest, so that what was built is what is deployed, whatever happens
/// to tags later.
///
/// # Mocking
///
/// Feature `mock` exports `MockImageBuilder`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{ImageBuilder, Result, image::{BuildRequest, ImageRef}};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Builder {}
///     #[async_trait]
///     impl ImageBuilder for Builder {
///         async fn find(&self, tag: &str) -> Result<Option<ImageRef>>;
///         async fn build(&self, request: &BuildRequest) -> Result<ImageRef>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
pub trait ImageBuilder: fmt::Debug + Send + Sync {
    /// The image that the registry holds under `tag`, if there is one: a build that was already
    /// done need not be done again.
    ///
    /// # Errors
    ///
    /// Where the registry could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn find(&self, tag: &str) -> Result<Option<ImageRef>>;

    /// Builds the source, pushes the image under the tag that is asked for, and returns it by
    /// the digest that the registry confirms.
    ///
    /// # Errors
    ///
    /// Where building or pushing failed, or the registry holds another digest than was pushed.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the build; layers that were pushed already may stay in the registry,
    /// where no tag names them.
    async fn build(&self, request: &BuildRequest) -> Result<ImageRef>;
}

#[async_trait]
impl<T: ImageBuilder + ?Sized> ImageBuilder for Arc<T> {
    async fn find(&self, tag: &str) -> Result<Option<ImageRef>> {
        (**self).find(tag).await
    }

    async fn build(&self, request: &BuildRequest) -> Result<ImageRef> {
        (**self).build(request).await
    }
}

/// What is to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildRequest {
    /// The folder of the source.
    pub context: PathBuf,
    /// The tag, best a commit: it says what was built.
    pub tag: String,
    /// The platform, such as `linux/amd64`; `None` is the builder's own.
    pub platform: Option<String>,
}

impl BuildRequest {
    /// A build of `context` under `tag` for the builder's own platform.
    pub fn new(context: impl Into<PathBuf>, tag: impl Into<String>) -> Self {
        Self {
            context: context.into(),
            tag: tag.into(),
            platform: None,
        }
    }

    /// Builds for a platform such as `linux/amd64`.
    #[must_use]
    pub fn with_platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }
}
