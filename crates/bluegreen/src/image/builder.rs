//! The role that makes images.

use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use auto_impl::auto_impl;
use serde::{Deserialize, Serialize};

use super::{ImageRef, ImageTag};
use crate::{error::Result, preflight::Finding};

/// Turns a source into an image in a registry.
///
/// The image comes back by digest, so that the image that was built is the one that is deployed,
/// even if tags move later.
///
/// # Mocking
///
/// Feature `mock` exports `MockImageBuilder`. To write one of your own:
///
/// ```
/// # mod embedder {
/// use async_trait::async_trait;
/// use bluegreen::{ImageBuilder, Result, preflight::Finding};
/// use bluegreen::image::{BuildRequest, ImageRef, ImageTag, Tagging};
///
/// mockall::mock! {
///     #[derive(Debug)]
///     pub Builder {}
///     #[async_trait]
///     impl ImageBuilder for Builder {
///         async fn preflight(&self) -> Result<Vec<Finding>>;
///         async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>>;
///         async fn build(&self, request: &BuildRequest) -> Result<ImageRef>;
///         async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging>;
///     }
/// }
/// # }
/// # fn main() {}
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ImageBuilder: fmt::Debug + Send + Sync {
    /// Looks, before anything starts, for what would make a build or a push fail: a missing tool,
    /// an engine that does not run, credentials that are absent or expired. Reads only.
    ///
    /// # Errors
    ///
    /// If the preflight could not look. A problem that it found is not an error but a [`Finding`].
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn preflight(&self) -> Result<Vec<Finding>>;

    /// The image that the registry holds under `tag`, if there is one: such a build need not be
    /// done again.
    ///
    /// # Errors
    ///
    /// If the registry could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>>;

    /// Builds the source, pushes the image under the requested tag, and returns the image by the
    /// digest that the registry confirms.
    ///
    /// # Errors
    ///
    /// If building or pushing failed, or the registry holds another digest than was pushed.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the build; layers that were pushed already may stay in the registry without
    /// a tag.
    async fn build(&self, request: &BuildRequest) -> Result<ImageRef>;

    /// Gives an image in the registry a further tag, such as `latest`, once the image has proved
    /// itself. A registry that does not let the tag move is not an error.
    ///
    /// # Errors
    ///
    /// If the registry could not be asked, or the answer was lost.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have moved the tag. Doing it again is harmless.
    async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging>;
}

/// The source and tag of a build. How it is built (platform, arguments, secrets, cache) is set in
/// the builder: a request is journalled, and an argument may hold what a journal must not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildRequest {
    /// The folder of the source.
    pub context: PathBuf,
    /// The tag, best a commit: it says which source was built.
    pub tag: ImageTag,
}

impl BuildRequest {
    /// A build of `context` under `tag`.
    pub fn new(context: impl Into<PathBuf>, tag: ImageTag) -> Self {
        Self {
            context: context.into(),
            tag,
        }
    }
}

/// The result of giving an image a further tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tagging", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tagging {
    /// The tag names this image now.
    Moved,
    /// The tag named this image before.
    AlreadyThere,
    /// The registry does not let this tag move.
    Refused {
        /// Why.
        reason: String,
    },
}
