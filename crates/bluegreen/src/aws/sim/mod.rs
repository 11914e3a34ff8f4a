//! A simulated AWS behind the same seam.
