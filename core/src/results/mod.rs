//! What a run leaves behind: a folder with the label image, tables, a montage, a summary and the
//! provenance from which the same bytes can be made again. Nothing in it depends on the time, the
//! machine or the number of threads.

mod files;
mod folder;
mod identity;
mod maker;
mod order;
mod provenance;
mod summary;
mod watched;

pub use folder::{LabelsAs, Study, named, save, write};
pub use identity::{Identity, path_bytes};
pub use maker::Maker;
pub use order::{Order, Ready};
pub use provenance::{Provenance, Record};
pub use summary::{ColumnSummary, summarise};
pub use watched::Watched;

/// The order of a job, in its folder.
pub const ORDER: &str = "order.toml";
