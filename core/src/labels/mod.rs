//! Labels that are edited: an image of object numbers of any size, every change of which can be taken back.
//!
//! The image is cut into chunks of [`EDGE`]³ voxels. A chunk that was never touched is that of the base, an image in
//! a file or nothing; all others lie in a log on disk, to which every edit appends the chunks that it changed
//! (run lengths, compressed). Memory holds where each chunk lies and those that were used last. To take an edit back
//! is to point at the chunks before it: nothing is written twice, and undo reaches back to the beginning. A program
//! that is killed leaves a log that ends with its last whole edit ([`Labels::reopen`]).

mod code;
mod document;
mod edit;
mod info;
mod log;
pub mod shapes;
#[cfg(test)]
mod tests;
pub mod tools;
mod version;

pub use document::{Base, Changed, Labels, Sum};
pub use edit::{Edit, Editable, Mask, Over};
pub use info::Info;
pub use version::Version;

/// Voxels of a chunk along each axis.
pub const EDGE: usize = 32;
/// Voxels of a chunk.
pub const VOXELS: usize = EDGE * EDGE * EDGE;
