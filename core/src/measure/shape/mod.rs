//! Passes over the shapes of objects and of the structure that they make up together.

pub mod balls;
pub mod bits;
pub mod boundary;
pub mod boxes;
pub mod extras;
pub mod geodesic;
pub mod regions;
pub mod skeleton;
pub mod structure;
pub mod thickness;
pub mod voronoi;
