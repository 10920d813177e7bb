//! Answers about more than one object. Tables in, tables out: this crate knows Arrow's tables and nothing of voxels,
//! windows or graphics devices. Results are the same for any number of threads.

pub mod cluster;
pub mod compare;
pub mod matrix;
pub mod outliers;
pub mod plot;
pub mod scan;
pub mod sql;
pub mod stats;
pub mod study;
pub mod table;

mod columns;
mod error;

pub use error::{Error, Result, suggestion};
pub mod foam;
pub mod tracks;
