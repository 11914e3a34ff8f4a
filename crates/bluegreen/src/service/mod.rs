//! Services: the role that runs an image.
