//! Local thickness: the diameter of the largest ball that fits into a mask and contains a voxel.

pub mod balls;
mod local;
mod paint;

pub use balls::{Centre, Ridge};
pub use local::LocalThickness;
