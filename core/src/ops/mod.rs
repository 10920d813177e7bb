//! Operators. One file an operator (or a family that shares one kernel), and one slice,
//! [`OPERATORS`], that lists them: from that entry follow the command, the recipe step, the form in
//! the viewer, the execution in memory, block by block and on the pool, the docs and the tests.
//!
//! Architecture invariant: an operator's result is the same bits for any number of threads, any
//! block size and any executor. Float sums run in a fixed order per output voxel; sums across
//! voxels are integers or are merged in block order.

pub mod args;
pub mod kernel;
pub mod spec;

mod boundaries;
pub mod components;
pub mod distance;
mod expand;
mod grow;
mod histogram;
mod label;
mod local_maxima;
mod mesh;
mod relabel;
mod split;
mod thickness;
mod threshold;
mod watershed;

pub use args::{Args, Length, Value};
pub use kernel::{
    Block, Call, FieldSpec, Grid, Kernel, Local, LocalKernel, Mode, Next, Output, Phase, Prepared, Program,
    Source, Tiling,
};
pub use spec::{Default, Group, Input, Kind, Param, ParamType, Produces, Spec};

use crate::Result;

/// An operator: what it is, and how it is set up for given parameters and inputs.
pub trait Operator: Sync {
    /// The declaration from which everything else follows.
    fn spec(&self) -> &'static Spec;

    /// Resolves the parameters against the inputs' grids.
    ///
    /// # Errors
    /// If a parameter does not suit the inputs.
    fn prepare(&self, call: &Call) -> Result<Prepared>;
}

/// All operators, grouped, in the order in which they are listed to people.
pub static OPERATORS: &[&dyn Operator] = &[
    // Filters
    // Grid and intensity
    // Thresholds
    &threshold::Threshold,
    &histogram::OTSU,
    &histogram::MultiOtsu,
    &histogram::LI,
    &histogram::YEN,
    &histogram::TRIANGLE,
    &histogram::ISODATA,
    // Morphology
    // Objects
    &label::Label,
    &distance::Distance,
    &watershed::Watershed,
    &split::Split,
    &local_maxima::LocalMaxima,
    &grow::Grow,
    &expand::Expand,
    &relabel::Relabel,
    &boundaries::Boundaries,
    &thickness::Thickness,
    &mesh::SurfaceMesh,
    // Measurements
];

/// The operator with this id.
pub fn find(id: &str) -> Option<&'static dyn Operator> {
    OPERATORS.iter().copied().find(|op| op.spec().id == id)
}
