//! What an operator is, for whoever declares one and whoever runs it: its declaration, the arguments and grids of a call,
//! fields (images of which regions can be had), kernels, and phases over blocks. No operator is here, and nothing that
//! runs one.

pub mod accelerator;
pub mod args;
pub mod call;
mod encoding;
mod field;
pub mod indexed_blob;
pub mod kernel;
pub mod phases;
pub mod spec;

pub use accelerator::{Accelerator, Chain, DeviceSums, RegionVoxels, Step};
pub use args::{Args, Length, Value};
pub use call::{Call, Grid, Output, Prepared};
pub use encoding::{decode, encode};
pub use field::{Field, LocalField, MemoryField};
pub use kernel::{Block, Kernel, Local, LocalKernel, Mode};
pub use phases::{
    AnyProgram, AnyState, FieldSpec, Fold, Next, Partials, Phase, Program, Source, TileContext, Tiling,
    chained, folded, rows,
};
pub use spec::{Default, Group, Input, KIND_WORDS, Kind, Param, ParamType, Produces, Spec};
