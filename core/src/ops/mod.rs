//! Operators. One file an operator (or a family that shares one kernel), and one slice,
//! [`OPERATORS`], that lists them: from that entry follow the command, the recipe step, the form in
//! the viewer, the execution in memory, block by block and on the pool, the docs and the tests.
//!
//! Architecture invariant: an operator's result is the same bits for any number of threads, any
//! block size and any executor. Float sums run in a fixed order per output voxel; sums across
//! voxels are integers or are merged in block order.

pub mod morphology;

mod anisotropic_diffusion;
mod bilateral;
mod boundaries;
pub mod classify;
pub mod distance;
mod distance_suppression;
mod expand;
mod filter;
mod filter_objects;
mod flat_field;
mod gaussian;
mod grid;
mod grow;
pub mod histogram;
mod hysteresis;
mod intensity;
mod label;
mod local_maxima;
mod local_threshold;
mod logarithm;
mod mean;
mod measure;
mod median;
mod mesh;
mod non_local_means;
pub(crate) mod relabel;
mod slice_stats;
mod split;
pub(crate) mod thickness;
mod threshold;
mod total_variation;
mod watershed;

pub use crate::program::{
    AnyProgram, AnyState, Block, Call, FieldSpec, Fold, Grid, Kernel, Local, LocalKernel, Mode, Next, Output,
    Partials, Phase, Prepared, Program, Source, TileContext, Tiling,
};
pub use crate::program::{Args, Length, Value};
pub use crate::program::{Default, Group, Input, KIND_WORDS, Kind, Param, ParamType, Produces, Spec};
pub use filter::rank::Window;
pub use filter::{Border, Taps};

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

    /// Whether of an input, by its number, the grid alone is of use: such an image may lie anywhere, and its voxels are
    /// not read. All others lie on the grid of the first, or have one voxel along an axis.
    fn takes_grid_alone(&self, input: usize) -> bool {
        let _ = input;
        false
    }
}

/// All operators, grouped, in the order in which they are listed to people.
pub static OPERATORS: &[&dyn Operator] = &[
    // Filters
    &gaussian::Gaussian,
    &mean::Mean,
    &median::Median,
    &median::Percentile,
    &bilateral::Bilateral,
    &non_local_means::NonLocalMeans,
    &total_variation::TotalVariation,
    &anisotropic_diffusion::AnisotropicDiffusion,
    &gaussian::Unsharp,
    &flat_field::FlatField,
    &gaussian::BackgroundSubtraction,
    &gaussian::GradientMagnitude,
    &gaussian::LaplacianOfGaussian,
    &morphology::WhiteTopHat,
    &morphology::BlackTopHat,
    // Grid and intensity
    &grid::Crop,
    &grid::Pad,
    &grid::Flip,
    &grid::Rotate,
    &grid::Bin,
    &grid::Resample,
    &intensity::Rescale,
    &intensity::Normalise,
    &intensity::Clip,
    &intensity::Invert,
    &logarithm::Logarithm,
    &intensity::Arithmetic,
    &intensity::Mask,
    &intensity::Cast,
    // Thresholds
    &threshold::Threshold,
    &histogram::OTSU,
    &histogram::MultiOtsu,
    &histogram::LI,
    &histogram::YEN,
    &histogram::TRIANGLE,
    &histogram::ISODATA,
    &hysteresis::Hysteresis,
    &local_threshold::LocalMean,
    &local_threshold::Sauvola,
    &classify::Classify,
    // Morphology
    &morphology::Erode,
    &morphology::Dilate,
    &morphology::Open,
    &morphology::Close,
    &morphology::Gradient,
    &morphology::Reconstruct,
    &morphology::HMaxima,
    &morphology::HMinima,
    &morphology::FillHoles,
    &morphology::RemoveSmall,
    &morphology::KeepLargest,
    &morphology::ClearBorder,
    // Objects
    &filter_objects::FilterObjects,
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
    &measure::MeasureObjects,
    &slice_stats::SliceStats,
    &slice_stats::Histogram,
];

/// The operator with this id.
pub fn find(id: &str) -> Option<&'static dyn Operator> {
    OPERATORS.iter().copied().find(|op| op.spec().id == id)
}

/// Runs an operator on volumes in memory; parameters are as on the command line, inputs in the declared order.
///
/// # Errors
/// If there is no such operator or parameter, or what the operator says.
pub(crate) fn on_volumes(
    id: &'static str,
    given: &[(&str, &str)],
    inputs: Vec<(Kind, crate::Volume)>,
    geometry: crate::Geometry,
    job: &crate::Job,
) -> Result<crate::Volume> {
    let op = find(id).ok_or_else(|| crate::Error::Usage(format!("there is no operator {id}")))?;
    let spec = op.spec();
    let wrong = |reason: String| crate::Error::Operator { op: id, reason };
    let mut values = std::collections::BTreeMap::new();
    for (name, text) in given {
        let param = spec.param(name).ok_or_else(|| wrong(format!("has no parameter {name}")))?;
        values.insert(param.name, Value::parse(&param.ty, text).map_err(wrong)?);
    }
    let args = Args::complete(spec, values).map_err(wrong)?;
    let grid = |(kind, volume): &(Kind, crate::Volume)| {
        Some(Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind: *kind, geometry })
    };
    let mut grids: Vec<Option<Grid>> = inputs.iter().map(grid).collect();
    grids.resize(spec.inputs.len(), None);
    let prepared = op.prepare(&Call { op: id, args: &args, inputs: &grids })?;
    let mut volumes: Vec<Option<std::sync::Arc<crate::Volume>>> =
        inputs.into_iter().map(|(_, v)| Some(std::sync::Arc::new(v))).collect();
    volumes.resize(spec.inputs.len(), None);
    Ok(prepared.kernel.whole(volumes, job)?.into_volume())
}

/// The operator set up with its defaults for a large image with cubic voxels of 1 µm, to tell how
/// it would run; none if it needs parameters or can't say without an image.
pub fn prepare_default(op: &dyn Operator) -> Option<Prepared> {
    let spec = op.spec();
    let args = Args::complete(spec, std::collections::BTreeMap::new()).ok()?;
    let geometry = crate::Geometry::from_spacing([1.0; 3], crate::Unit::Micrometre);
    let inputs: Vec<_> = spec
        .inputs
        .iter()
        .map(|input| {
            let kind = input.kinds[0];
            let voxel = match kind {
                Kind::Grey => crate::VoxelType::U16,
                Kind::Mask => crate::VoxelType::U8,
                Kind::Labels => crate::VoxelType::U32,
            };
            (!input.optional).then_some(Grid { shape: [1024; 3], voxel, kind, geometry })
        })
        .collect();
    op.prepare(&Call { op: spec.id, args: &args, inputs: &inputs }).ok()
}
