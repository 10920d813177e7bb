//! Answers about more than one object. Tables in, tables out: this crate knows Arrow's tables and nothing of voxels,
//! windows or graphics devices. Results are the same for any number of threads.

pub mod cluster;
mod error;
pub mod matrix;
pub mod outliers;
pub mod sql;
pub mod study;
pub mod table;

pub use error::{Error, Result, suggestion};
pub mod foam;
pub mod tracks;
