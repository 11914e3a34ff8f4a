//! Elastic Container Registry: where images are pushed to, and whom their digests are confirmed
//! with.

mod platform;
mod registry;
mod token;

pub(in crate::aws) use self::platform::platforms;
pub use self::registry::EcrRegistry;

#[cfg(test)]
mod tests;
