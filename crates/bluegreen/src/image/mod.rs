//! Images: what runs, by digest, and the role that makes it.

mod builder;
mod command;
mod reference;
mod registry;

pub use self::{
    builder::{BuildRequest, ImageBuilder, Tagging},
    command::{Command, CommandRunner, Finished, LineSink, Stream},
    reference::{ImageDigest, ImageError, ImageRef, ImageTag},
    registry::{ImageRegistry, RegistryCredentials},
};
