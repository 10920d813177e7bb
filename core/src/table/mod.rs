//! Tables of figures and surfaces of triangles, as data: how a table is built, filtered, spilled to disk, and written as
//! CSV or Parquet. Nothing here knows an image.

pub mod builder;
pub mod csv;
pub mod expression;
mod mesh;
pub mod parquet;
pub mod spill;

pub use mesh::Mesh;

/// A named table of measurements; units are in the metadata of its columns (key `unit`).
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `objects`, `contacts`, `image`, …
    pub name: String,
    /// The rows.
    pub batch: arrow::record_batch::RecordBatch,
}
