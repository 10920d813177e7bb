//! The block engine: runs a planned recipe over an image of any size within a memory budget, block
//! by block, and merges what is global. `engine.rs` drives the phases, a `PhaseStore` holds what they
//! make (`phase_store.rs` in temporary files, `checkpoint_store.rs` in a folder from which a run is
//! resumed), `tile_task.rs` makes one tile. No operator is declared here.
//!
//! Architecture invariant: whole = blocked, bit for bit, for every operator; a property test holds it.

pub mod checkpoint;
mod checkpoint_store;
mod engine;
mod memory;
mod partial_store;
mod phase_store;
mod scratch;
mod tile_task;
pub mod tiles;

pub use crate::io::FileField;
pub use crate::program::{Accelerator, Chain, Field, LocalField, MemoryField, RegionVoxels, Step};
pub use checkpoint::{Checkpoint, Runner};
pub use engine::{Engine, StepOutput, Storage, run_prepared};
pub use memory::{block_for, overhead, physical_memory};
pub use scratch::ScratchField;
pub use tile_task::{CopyProgram, TileTask};
