//! Measurements of objects and of the image as a whole. `columns` names the figures and computes them from sums, `sums`
//! are what adds up over voxels, `shape`, `intensities` and `image` hold the passes that need more than sums, and
//! `passes` runs them all in memory, block by block, or partition by partition of the labels. [`crate::ops`] has the
//! operators that call them; files and operators are unknown here.

pub mod columns;
pub mod films;
pub mod image;
pub mod intensities;
pub mod overlap;
pub mod passes;
pub mod shape;
pub mod sums;

pub use crate::table::{Mesh, Table, builder as table, csv, expression, parquet};
