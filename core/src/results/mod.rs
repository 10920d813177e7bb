//! What a run leaves behind: a folder with the label image, tables, a montage, a summary and the
//! provenance from which the same bytes can be made again. Nothing in it depends on the time, the
//! machine or the number of threads.

mod files;
mod folder;
mod identity;
mod job_spec;
mod partial_result;
mod provenance;
mod summary;
mod tile_executor;

pub use folder::{LabelsAs, Study, named, save, write};
pub use identity::{Identity, path_bytes};
pub use job_spec::{JobSpec, OpenedJob};
pub use partial_result::PartialResult;
pub use provenance::{Provenance, Record};
pub use summary::{ColumnSummary, summarise};
pub use tile_executor::TileExecutor;

/// The order of a job, in its folder.
pub const JOB_SPEC_FILE: &str = "order.toml";
