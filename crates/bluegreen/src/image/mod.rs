//! Images: the programs that run, by digest, and the role that builds them.

mod builder;
#[cfg(feature = "run")]
mod command;
#[cfg(feature = "docker")]
mod docker;
#[cfg(feature = "run")]
mod process;
mod reference;
mod registry;
#[cfg(feature = "spec")]
mod source;
#[cfg(test)]
mod testing;

#[cfg(feature = "run")]
pub(crate) use self::command::{Command, CommandRunner, Finished, LineSink, Stream};
#[cfg(feature = "docker")]
pub use self::docker::{BuildSecret, DockerImageBuilder};
#[cfg(feature = "run")]
pub use self::process::SystemCommands;
#[cfg(feature = "aws")]
pub(crate) use self::reference::same_repository;
#[cfg(feature = "spec")]
pub(crate) use self::source::git_tag;
pub use self::{
    builder::{BuildRequest, ImageBuilder, Tagging},
    reference::{ImageDigest, ImageRef, ImageTag},
    registry::{ImageRegistry, RegistryCredentials},
};
