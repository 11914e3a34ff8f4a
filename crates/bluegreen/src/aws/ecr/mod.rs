//! Elastic Container Registry: where images are pushed to, and whom their digests are confirmed
//! with.

mod registry;
mod token;

pub use self::registry::EcrRegistry;

#[cfg(test)]
mod tests;
