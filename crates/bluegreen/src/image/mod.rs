//! Images: the role that turns sources into an image with a digest.
