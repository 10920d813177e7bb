//! Watershed from markers.

pub(super) mod ascent;
mod flood;
mod relax;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use tests::brute;

pub use flood::{Flood, Levels};
pub use relax::{Changed, FloodPhase, Relax};

use super::Operator;
use crate::algorithms::components::Connectivity;
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext,
};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;
use rayon::prelude::*;
use std::sync::Arc;

/// A maximum: its linear index, and its value as bits that order like it.
pub(super) type Maximum = (u64, u32);

/// Watershed from markers.
pub struct Watershed;

static SPEC: Spec = Spec {
    id: "watershed",
    group: Group::Objects,
    summary: "Floods an image from markers, low to high, and gives each voxel the marker whose flood reaches it first.",
    details: "After Meyer 1991 and Beucher & Meyer 1993, with a total order, so that ties depend on neither \
        blocks nor threads: voxels are flooded by the level that the flood has had to rise to, then by steps \
        since it rose to it, then by index (z, y, x), and each takes the label of its neighbour that was \
        flooded first. Without equal intensities this is scikit-image's result. Only the order of \
        intensities matters; f64, i64 and u64 are rounded to f32, and NaN is flooded last. Voxels outside \
        the mask, and those that no marker reaches, are 0; markers outside the mask are left out. Block by \
        block, floods are relaxed until nothing changes: exact.",
    inputs: &[
        Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image to flood." },
        Input { name: "markers", kinds: &[Kind::Labels], optional: false, help: "Where floods begin." },
        Input {
            name: "mask",
            kinds: &[Kind::Mask],
            optional: true,
            help: "Where to flood; everywhere if absent.",
        },
    ],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("26"),
            help: "Whether floods pass over faces (6), edges too (18), or corners too (26).",
        },
        Param {
            name: "line",
            ty: ParamType::Bool,
            default: Default::Value("false"),
            help: "Whether to part basins: of two neighbours in different basins, the higher one (the later \
                one, if they are equal) becomes 0.",
        },
    ],
};

impl Operator for Watershed {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        same_shapes(call)?;
        let kernel = WatershedKernel {
            relax: Relax {
                shape: grid.shape,
                connectivity: Connectivity::of(call.args, "connectivity"),
                steps: u64::MAX,
            },
            line: call.args.bool("line"),
        };
        Ok(Prepared::new(grid.labels(), kernel).scratch(if call.args.bool("line") { 9.0 } else { 5.0 }))
    }
}

/// More voxels than 32-bit numbers can name.
fn too_many(op: &'static str, voxels: usize) -> Error {
    let reason = format!("{voxels} voxels are too many for a run in memory; work block by block");
    Error::Operator { op, reason }
}

/// Refuses inputs of different shapes.
///
/// # Errors
/// If they differ.
pub(crate) fn same_shapes(call: &Call) -> Result<()> {
    let shape = call.grid().shape;
    match call.inputs.iter().flatten().find(|g| g.shape != shape) {
        Some(other) => {
            Err(call.error(format!("the inputs differ in shape: {shape:?} and {:?}", other.shape)))
        }
        None => Ok(()),
    }
}

/// A number that orders like an intensity.
pub(crate) fn level(volume: &Volume) -> Box<dyn Fn(usize) -> u32 + Sync + '_> {
    macro_rules! levels {
        ($a:expr, $f:expr) => {{
            let a = $a.as_slice().expect("volumes are in C order");
            Box::new(move |i: usize| $f(a[i]))
        }};
    }
    match volume {
        Volume::U8(a) => levels!(a, u32::from),
        Volume::I8(a) => levels!(a, |v: i8| (i32::from(v) as u32) ^ (1 << 31)),
        Volume::U16(a) => levels!(a, u32::from),
        Volume::I16(a) => levels!(a, |v: i16| (i32::from(v) as u32) ^ (1 << 31)),
        Volume::U32(a) => levels!(a, |v: u32| v),
        Volume::I32(a) => levels!(a, |v: i32| (v as u32) ^ (1 << 31)),
        Volume::U64(a) => levels!(a, |v: u64| ordered(v as f32)),
        Volume::I64(a) => levels!(a, |v: i64| ordered(v as f32)),
        Volume::F32(a) => levels!(a, ordered),
        Volume::F64(a) => levels!(a, |v: f64| ordered(v as f32)),
    }
}

/// The bits of a float, turned so that they order like it; NaN last.
#[inline(always)]
pub(crate) fn ordered(v: f32) -> u32 {
    // Adding 0 turns −0 into 0.
    let bits = (v + 0.0).to_bits();
    let turned = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    if v.is_nan() { u32::MAX } else { turned }
}

struct WatershedKernel {
    relax: Relax,
    line: bool,
}

impl WatershedKernel {
    fn flood(&self, image: &Volume, flood: &mut Flood, job: &Job) -> Result<()> {
        macro_rules! run {
            ($a:expr, $f:expr) => {{
                let a = $a.as_slice().expect("volumes are in C order");
                flood.run(&|i: usize| $f(a[i]), job)
            }};
        }
        match image {
            Volume::U8(a) => run!(a, u32::from),
            Volume::U16(a) => run!(a, u32::from),
            Volume::U32(a) => run!(a, |v: u32| v),
            Volume::F32(a) => run!(a, ordered),
            other => flood.run(&level(other), job),
        }
    }
}

impl Kernel for WatershedKernel {
    fn whole(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let markers = inputs[1].take().expect("markers are required");
        let markers = Arc::try_unwrap(markers).unwrap_or_else(|shared| (*shared).clone());
        let Volume::U32(mut labels) = markers else { unreachable!("labels are u32") };
        let image = inputs[0].as_deref().expect("the first input is required");
        let mask = inputs.get(2).and_then(Option::as_deref).map(Volume::as_bytes);
        let slice = labels.as_slice_mut().expect("volumes are in C order");
        let mut flood = Flood::new(slice, mask, self.relax.shape, self.relax.connectivity)?;
        self.flood(image, &mut flood, job)?;
        drop(flood);
        if self.line {
            let whole = Region::whole(self.relax.shape);
            labels = part(&labels, image, whole, whole, self.relax.connectivity, self.relax.shape);
        }
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Sets to 0 the higher one of two neighbours in different basins. `labels` and `image` cover
/// `source`, which is `out` grown by one voxel.
fn part(
    labels: &Array3<u32>,
    image: &Volume,
    source: Region,
    out: Region,
    connectivity: Connectivity,
    shape: [usize; 3],
) -> Array3<u32> {
    let levels = level(image);
    let labels = labels.as_slice().expect("volumes are in C order");
    let inner = out.relative_to(source.start);
    let steps = connectivity.neighbours();
    let [_, sy, sx] = source.shape;
    debug_assert!(Region::whole(shape).contains(&source));
    let mut parted = Array3::zeros(out.shape);
    let plane = (out.shape[1] * out.shape[2]).max(1);
    let target = parted.as_slice_mut().expect("just made");
    target.par_chunks_mut(plane).enumerate().for_each(|(z, target)| {
        for (i, t) in target.iter_mut().enumerate() {
            let p =
                [z + inner.start[0], i / out.shape[2] + inner.start[1], i % out.shape[2] + inner.start[2]];
            let at = (p[0] * sy + p[1]) * sx + p[2];
            let label = labels[at];
            let lost = label != 0
                && steps.iter().any(|s| {
                    let q: [Option<usize>; 3] = std::array::from_fn(|a| {
                        p[a].checked_add_signed(s[a]).filter(|q| *q < source.shape[a])
                    });
                    let [Some(z), Some(y), Some(x)] = q else { return false };
                    let to = (z * sy + y) * sx + x;
                    labels[to] != 0 && labels[to] != label && (levels(to), to) < (levels(at), at)
                });
            *t = if lost { 0 } else { label };
        }
    });
    parted
}

/// Fields 0 and 1: keys and labels of the floods; field 2: parted labels.
/// Phases of [`Watershed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatershedPhase {
    /// Basins.
    Flood(FloodPhase),
    /// Lines between basins, where they are asked for.
    Lines,
}

/// Field 0: keys; 1: labels of the floods; 2: the labels that lines part.
impl Program for WatershedKernel {
    type Phase = WatershedPhase;
    type State = Changed;

    fn fields(&self) -> Vec<FieldSpec> {
        let mut fields = Relax::fields();
        if self.line {
            fields.push(FieldSpec { voxel: VoxelType::U32 });
        }
        fields
    }

    fn phases(&self) -> Vec<WatershedPhase> {
        let mut phases = [FloodPhase::Markers, FloodPhase::Flooding].map(WatershedPhase::Flood).to_vec();
        if self.line {
            phases.push(WatershedPhase::Lines);
        }
        phases
    }

    fn declare(&self, phase: WatershedPhase) -> Phase {
        match phase {
            WatershedPhase::Flood(phase) => {
                Relax::declare(phase, [0, 1, 2].map(|i| Source::Input(i, [0; 3])), [0, 1])
            }
            WatershedPhase::Lines => {
                let reads = vec![Source::Field(1, [1; 3]), Source::Input(0, [1; 3])];
                Phase::blocks("parting basins", reads, vec![2])
            }
        }
    }

    fn result(&self) -> Option<usize> {
        Some(if self.line { 2 } else { 1 })
    }

    fn visits(&self, phase: WatershedPhase, state: &Changed, out: Region) -> bool {
        phase != WatershedPhase::Flood(FloodPhase::Flooding) || state.concerns(out)
    }

    fn run(
        &self,
        phase: WatershedPhase,
        _: &Changed,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = |i: usize| inputs.get(i).and_then(|v| v.as_deref());
        if let WatershedPhase::Flood(phase) = phase {
            let image = input(0).expect("the first input is required");
            let markers = input(1).and_then(|v| v.view::<u32>()).expect("markers are u32");
            let markers = markers.as_slice().expect("volumes are in C order");
            let mask = input(2).map(Volume::as_bytes);
            let levels = level(image);
            return if phase == FloodPhase::Markers {
                Ok((Relax::begin(&levels, markers, mask, block.out.shape), vec![]))
            } else {
                self.relax.step(&levels, markers, mask, block, &inputs[3..5], job)
            };
        }
        let Some(Volume::U32(labels)) = input(0) else { unreachable!("field 1 is u32") };
        let image = input(1).expect("the first input is required");
        let parted =
            part(labels, image, block.sources[0], block.out, self.relax.connectivity, self.relax.shape);
        Ok((vec![Volume::U32(parted)], vec![]))
    }

    fn merge(&self, phase: WatershedPhase, state: &mut Changed, partials: Partials) -> Result<Next> {
        match phase {
            WatershedPhase::Flood(FloodPhase::Flooding) => Relax::merge(state, partials),
            _ => Ok(Next::Continue),
        }
    }
}
