//! Images: what runs, by digest, and the role that makes it.

mod builder;
mod reference;

pub use self::{
    builder::{BuildRequest, ImageBuilder},
    reference::{ImageDigest, ImageError, ImageRef},
};
