//! Following objects through time: detections by frame are linked into tracks by two linear assignments (K. Jaqaman et
//! al. 2008, doi:10.1038/nmeth.1237), as `TrackMate` (J.-Y. Tinevez et al. 2017, doi:10.1016/j.ymeth.2016.09.016) and
//! laptrack (Y. T. Fukai and K. Kawaguchi 2023, doi:10.1093/bioinformatics/btac799) have them. Also what follows from
//! tracks: their figures, files of other programs, scores against a truth. Images are read elsewhere.

pub mod agreement;
pub mod assign;
pub mod ctc;
mod detections;
mod drift;
mod grid;
mod lineage;
mod link;
mod motion;
pub mod score;
mod segments;
pub(crate) mod table;
pub mod trackmate;

/// A result whose error is a sentence, without the path of the file that it is about.
pub type Result<T, E = String> = std::result::Result<T, E>;

pub use detections::{Columns, Detections};
pub use lineage::{Lineage, Track, links_table, objects_table};
pub use link::{Kind, Link, Motion, Overlap, Settings, link, typical_distance};
pub use motion::{Scale, tracks_table};

#[cfg(test)]
mod tests;
