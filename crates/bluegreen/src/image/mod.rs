//! Images: the programs that run, by digest, and the role that builds them.

mod builder;
#[cfg(feature = "docker")]
mod command;
#[cfg(feature = "docker")]
mod docker;
#[cfg(feature = "docker")]
mod process;
mod reference;
mod registry;
#[cfg(feature = "spec")]
mod source;
#[cfg(test)]
mod testing;

#[cfg(feature = "aws")]
pub(crate) use self::reference::same_repository;
#[cfg(feature = "spec")]
pub(crate) use self::source::git_tag;
pub use self::{
    builder::{BuildRequest, ImageBuilder, Tagging},
    reference::{ImageDigest, ImageError, ImageRef, ImageTag},
    registry::{ImageRegistry, RegistryCredentials},
};
#[cfg(feature = "docker")]
pub use self::{
    command::{Command, CommandRunner, Finished, LineSink, Stream},
    docker::{BuildSecret, DockerImageBuilder},
    process::SystemCommands,
};
