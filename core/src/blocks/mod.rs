//! The block engine: runs a planned recipe over an image of any size within a memory budget, block
//! by block, and merges what is global. Also the [`Field`]s that it reads and writes: an image of
//! which regions can be had, wherever its voxels are.
//!
//! Architecture invariant: whole = blocked, bit for bit, for every operator; a property test holds it.

mod accelerator;
mod engine;
mod field;
pub mod kept;
mod memory;
mod scratch;
mod shelf;
pub mod tiles;

pub use accelerator::{Accelerator, Chain, Part, Step};
pub use engine::{Engine, Keep, Place, Ran, Work, run_prepared};
pub use field::{Field, FileField, LocalField, MemoryField};
pub use kept::{Kept, Runner};
pub use memory::{block_for, overhead, physical_memory};
pub use scratch::ScratchField;
