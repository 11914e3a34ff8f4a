//! Elastic Container Registry: takes the images that are pushed, and confirms their digests.

mod platform;
mod registry;
mod token;

pub(in crate::aws) use self::platform::platforms;
pub use self::registry::EcrRegistry;

#[cfg(test)]
mod tests;
