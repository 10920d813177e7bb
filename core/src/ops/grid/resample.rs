//! Another number of voxels for the same box, along its axes; or the grid of another image.

use super::onto::onto;
use super::sampler::{Interpolation, Sampler, Taps};
use super::straight::Straight;
use super::{IMAGE, triple};
use crate::ops::Operator;
use crate::program::{
    Block, Call, Default, Grid, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Geometry, Job, Region, Result, Volume, Voxel, parallel, with_volume, with_voxel};
use ndarray::Array3;
use std::sync::Arc;

/// Samples an image on another grid.
pub struct Resample;

static RESAMPLE: Spec = Spec {
    id: "resample",
    group: Group::Grid,
    summary: "Samples the image with another spacing or shape over the same box, on the grid of another image, or on a grid \
        without shear.",
    details: "The outer faces of the first voxels stay where they are: sample i lies at (i + ½)·s − ½ voxels, s being \
        the ratio of spacings. With like, samples lie where that image has its voxels in the world, whatever affine \
        map is between the two, with units converted; beyond the outer faces of the image they are fill. `linear` and \
        `cubic` (Keys 1981, doi:10.1109/TASSP.1981.1163711, a = −½) run along x, y and z of the image in turn in f64 \
        and round half to even; between the centres of the last voxels and the faces the last voxel is repeated. \
        `nearest` takes the upper of two equally near. Masks and labels are always sampled `nearest`. Nothing is \
        smoothed before an image is made smaller: filter or `bin` it first. A NaN spreads to the samples that it has \
        a weight in. With `straighten`, x and the slices stay where they are and y and z are at right angles to \
        them, with voxels of the same volume unless a spacing is given, over the box around the image; samples \
        outside the image are fill. Exact block by block.",
    inputs: &[
        IMAGE,
        Input {
            name: "like",
            kinds: &[Kind::Grey, Kind::Mask, Kind::Labels],
            optional: true,
            help: "An image on whose grid to sample; its voxels are not read.",
        },
    ],
    output: Produces::Same,
    params: &[
        Param {
            name: "spacing",
            ty: ParamType::Length { min: 1e-6 },
            default: Default::Absent,
            help: "The new spacing, such as \"2 um\"; in voxels, how many become one.",
        },
        Param {
            name: "shape",
            ty: ParamType::Numbers,
            default: Default::Absent,
            help: "The new number of voxels, z, y, x, instead of a spacing.",
        },
        Param {
            name: "interpolation",
            ty: ParamType::Choice(&["nearest", "linear", "cubic"]),
            default: Default::Value("linear"),
            help: "How values between voxels are found.",
        },
        Param {
            name: "straighten",
            ty: ParamType::Bool,
            default: Default::Value("false"),
            help: "Whether the new grid's axes are at right angles where the image's are not (a sheared grid).",
        },
        Param {
            name: "fill",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("0"),
            help: "Value beyond the image, with like or straighten.",
        },
    ],
};

impl Operator for Resample {
    fn spec(&self) -> &'static Spec {
        &RESAMPLE
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let kernel = match (grid.kind, call.args.text("interpolation")) {
            (Kind::Mask | Kind::Labels, _) | (_, "nearest") => Interpolation::Nearest,
            (_, "linear") => Interpolation::Linear,
            _ => Interpolation::Cubic,
        };
        let fill = fill(call)?;
        if let Some(like) = call.inputs[1] {
            if call.args.get("spacing").or(call.args.get("shape")).is_some() || call.args.bool("straighten") {
                let reason =
                    "give the grid of another image (like), a spacing, a shape or straighten, not several";
                return Err(call.error(reason));
            }
            let index_from_sample = onto(call, &like)?;
            let out = Grid { shape: like.shape, geometry: like.geometry, ..grid };
            return Ok(Prepared::local(out, Sampler { index_from_sample, kernel, fill }));
        }
        if call.args.bool("straighten") {
            return straightened(call, kernel, fill);
        }
        let (shape, step) = match (call.args.maybe_length("spacing"), triple(call, "shape", 1.0)?) {
            (Some(_), Some(_)) => return Err(call.error("give either spacing or shape, not both")),
            (None, None) => {
                return Err(
                    call.error("give the new spacing, the new shape, or an image (like) whose grid to take")
                );
            }
            (None, Some(shape)) => (shape, std::array::from_fn(|a| grid.shape[a] as f64 / shape[a] as f64)),
            (Some(spacing), None) => {
                // Along each axis, at whatever angles they are.
                let step = spacing.voxels(&grid.geometry).map_err(|reason| call.error(reason))?;
                let count = |a: usize| (grid.shape[a] as f64 / step[a]).round().max(1.0);
                if (0..3).map(count).product::<f64>() > 1e15 {
                    return Err(call.error(format!("a spacing of {spacing} makes too many voxels")));
                }
                (std::array::from_fn(|a| count(a) as usize), step)
            }
        };
        let out = Grid { shape, geometry: grid.geometry.binned(step), ..grid };
        Ok(Prepared::local(out, Resampled { step, kernel }))
    }

    fn takes_grid_alone(&self, input: usize) -> bool {
        input == 1
    }
}

/// The value beyond the image.
fn fill(call: &Call) -> Result<f64> {
    let (grid, fill) = (call.grid(), call.args.float("fill"));
    let held = with_voxel!(grid.voxel, |T| T::from_f64(fill).to_f64());
    let in_mask = fill == 0.0 || fill == 1.0;
    if held != fill && !grid.voxel.is_float() || grid.kind == Kind::Mask && !in_mask {
        let (kind, voxel) = (grid.kind.name(), grid.voxel);
        return Err(call.error(format!("fill is {fill}, which is no value of this {kind} ({voxel})")));
    }
    Ok(fill)
}

fn straightened(call: &Call, kernel: Interpolation, fill: f64) -> Result<Prepared> {
    let grid = call.grid();
    if call.args.get("shape").is_some() {
        return Err(call.error("straighten takes a spacing, not a shape"));
    }
    let straight = Straight::of(&grid);
    let spacing = call.args.maybe_length("spacing");
    let step = spacing.map_or(Ok([1.0; 3]), |spacing| spacing.voxels(&straight.geometry));
    let (shape, index_from_sample) = straight.sampled(step.map_err(|reason| call.error(reason))?);
    if shape.iter().map(|n| *n as f64).product::<f64>() > 1e15 {
        return Err(call.error("a straight grid of this spacing has too many voxels"));
    }
    let world_from_index = grid.geometry.world_from_index * index_from_sample;
    let out = Grid { shape, geometry: Geometry { world_from_index, ..grid.geometry }, ..grid };
    Ok(Prepared::local(out, Sampler { index_from_sample, kernel, fill }))
}

struct Resampled {
    /// Source voxels from one sample to the next.
    step: [f64; 3],
    kernel: Interpolation,
}

impl Resampled {
    /// The taps of one sample along an axis of `n` voxels.
    fn taps(&self, axis: usize, sample: usize, n: usize) -> Taps {
        self.kernel.taps((sample as f64 + 0.5) * self.step[axis] - 0.5, n)
    }
}

impl Local for Resampled {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        let mut source = Region::new([0; 3], [0; 3]);
        for a in 0..3 {
            let (mut low, mut high) = (usize::MAX, 0);
            // Taps move along with the samples, so the ends of the range decide.
            for sample in [out.start[a], out.end()[a] - 1] {
                for neighbour in
                    sample.saturating_sub(1).max(out.start[a])..=(sample + 1).min(out.end()[a] - 1)
                {
                    let (l, h) = self.taps(a, neighbour, shape[a]).ends();
                    (low, high) = (low.min(l), high.max(h));
                }
            }
            (source.start[a], source.shape[a]) = (low, high - low + 1);
        }
        source
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| self.sample(a, block, job))
    }
}

/// Output planes that share the source planes interpolated within the plane.
const SLAB: usize = 8;

impl Resampled {
    fn sample<T: Voxel>(&self, input: &Array3<T>, block: &Block, job: &Job) -> Result<Volume> {
        let (shape, origin, [oz, oy, ox]) = (block.image(), block.sources[0].start, block.out.shape);
        let along = |a: usize| -> Vec<Taps> {
            (block.out.start[a]..block.out.end()[a])
                .map(|o| {
                    let mut taps = self.taps(a, o, shape[a]);
                    // A tap without a weight may lie outside the block: it is read nowhere.
                    taps.index = taps.index.map(|i| i.wrapping_sub(origin[a]));
                    taps
                })
                .collect()
        };
        let (zs, ys, xs) = (along(0), along(1), along(2));
        let (_, ny, nx) = input.dim();
        let source = input.as_slice().expect("volumes are in C order");
        let mut out = Array3::<T>::from_elem([oz, oy, ox], T::default());
        let target = out.as_slice_mut().expect("just made");
        let plane = oy * ox;
        if self.kernel == Interpolation::Nearest {
            parallel::chunks(target, plane.max(1), job, &|z, target| {
                let tz = &zs[z];
                for (line, ty) in target.chunks_exact_mut(ox).zip(&ys) {
                    let from = &source[(tz.index[0] * ny + ty.index[0]) * nx..][..nx];
                    for (v, tx) in line.iter_mut().zip(&xs) {
                        *v = from[tx.index[0]];
                    }
                }
                job.advance(target.len() as u64);
                Result::Ok(())
            })?;
            return Ok(out.into());
        }
        let used = self.kernel.taps_used();
        parallel::chunks(target, (plane * SLAB).max(1), job, &|slab, target| {
            let zs = &zs[slab * SLAB..zs.len().min((slab + 1) * SLAB)];
            let ends = zs.iter().map(Taps::ends);
            let (low, high) = ends.fold((usize::MAX, 0), |(l, h), (a, b)| (l.min(a), h.max(b)));
            let mut planes = vec![0.0f64; (high - low + 1) * plane];
            let mut lines = vec![0.0f64; ny * ox];
            for (i, flat) in planes.chunks_exact_mut(plane).enumerate() {
                job.check()?;
                for (y, line) in lines.chunks_exact_mut(ox).enumerate() {
                    let from = &source[((low + i) * ny + y) * nx..][..nx];
                    for (v, tx) in line.iter_mut().zip(&xs) {
                        *v = tx.apply(used, |i| from[i].to_f64());
                    }
                }
                for (line, ty) in flat.chunks_exact_mut(ox).zip(&ys) {
                    combine(line, ty, used, |i| &lines[i * ox..][..ox]);
                }
            }
            let mut line = vec![0.0f64; ox];
            for (target, tz) in target.chunks_exact_mut(plane).zip(zs) {
                for (y, target) in target.chunks_exact_mut(ox).enumerate() {
                    combine(&mut line, tz, used, |i| &planes[(i - low) * plane + y * ox..][..ox]);
                    for (t, v) in target.iter_mut().zip(&line) {
                        *t = T::from_f64(*v);
                    }
                }
                job.advance(plane as u64);
            }
            Ok(())
        })?;
        Ok(out.into())
    }
}

/// A weighted sum of lines, in order.
fn combine<'a>(line: &mut [f64], taps: &Taps, used: usize, from: impl Fn(usize) -> &'a [f64]) {
    if taps.weight[0] == 0.0 {
        line.fill(0.0);
    } else {
        for (v, s) in line.iter_mut().zip(from(taps.index[0])) {
            *v = taps.weight[0] * s;
        }
    }
    for i in 1..used {
        if taps.weight[i] != 0.0 {
            for (v, s) in line.iter_mut().zip(from(taps.index[i])) {
                *v += taps.weight[i] * s;
            }
        }
    }
}
