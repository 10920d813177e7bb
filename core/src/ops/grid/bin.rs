//! Merging boxes of voxels into one.

use super::{IMAGE, triple};
use crate::ops::Operator;
use crate::program::{
    Block, Call, Default, Grid, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Region, Result, Volume, Voxel, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// Merges boxes of voxels into one.
pub struct Bin;

static BIN: Spec = Spec {
    id: "bin",
    group: Group::Grid,
    summary: "Merges boxes of voxels into one: a smaller image of the same thing.",
    details: "Boxes begin at the first voxel; voxels at the end that fill no whole box are left out, and an axis \
        shorter than the factor becomes one voxel. `mean` adds in f64 in a fixed order and rounds half to even; it, \
        `min` and `max` are NaN where a voxel is NaN. `mode` is the most frequent value, the least of equals. \
        Without a method, grey images take the mean, masks and labels the mode. World positions stay. Exact block \
        by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[
        Param {
            name: "factor",
            ty: ParamType::Numbers,
            default: Default::Value("2"),
            help: "Voxels that become one: one number, or z, y, x.",
        },
        Param {
            name: "method",
            ty: ParamType::Choice(&["auto", "mean", "min", "max", "mode"]),
            default: Default::Value("auto"),
            help: "What the voxel becomes.",
        },
    ],
};

impl Operator for Bin {
    fn spec(&self) -> &'static Spec {
        &BIN
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let wanted = triple(call, "factor", 1.0)?.unwrap_or([1; 3]);
        let factor: [usize; 3] = std::array::from_fn(|a| wanted[a].min(grid.shape[a].max(1)));
        let method = match (call.args.text("method"), grid.kind) {
            ("mean", Kind::Labels) => return Err(call.error("the mean of labels means nothing: use mode")),
            ("auto", Kind::Grey) | ("mean", _) => Method::Mean,
            ("min", _) => Method::Min,
            ("max", _) => Method::Max,
            _ => Method::Mode,
        };
        let out = Grid {
            shape: std::array::from_fn(|a| grid.shape[a] / factor[a]),
            geometry: grid.geometry.binned(factor.map(|f| f as f64)),
            ..grid
        };
        Ok(Prepared::local(out, Binned { factor, method }))
    }
}

#[derive(Clone, Copy)]
enum Method {
    Mean,
    Min,
    Max,
    Mode,
}

struct Binned {
    factor: [usize; 3],
    method: Method,
}

impl Local for Binned {
    fn source(&self, out: Region, _: usize, _: [usize; 3]) -> Region {
        Region::new(
            std::array::from_fn(|a| out.start[a] * self.factor[a]),
            std::array::from_fn(|a| out.shape[a] * self.factor[a]),
        )
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let origin = self.source(block.out, 0, block.image()).relative_to(block.sources[0].start).start;
        with_volume!(&**input, |a| match self.method {
            Method::Mean => self.fold(a, origin, block.out.shape, job, mean_line),
            Method::Min => self.fold(a, origin, block.out.shape, job, |lines, f, out| {
                extreme_line(lines, f, out, |v, best| v < best);
            }),
            Method::Max => self.fold(a, origin, block.out.shape, job, |lines, f, out| {
                extreme_line(lines, f, out, |v, best| v > best);
            }),
            Method::Mode => self.fold(a, origin, block.out.shape, job, mode_line),
        })
    }
}

impl Binned {
    /// Makes each output line from the source lines that it merges.
    fn fold<T: Voxel>(
        &self,
        input: &Array3<T>,
        origin: [usize; 3],
        shape: [usize; 3],
        job: &Job,
        line: impl Fn(&[&[T]], usize, &mut [T]) + Sync,
    ) -> Result<Volume> {
        let [fz, fy, fx] = self.factor;
        let mut out = Array3::<T>::from_elem(shape, T::default());
        let source = input.as_slice().expect("volumes are in C order");
        let (_, ny, nx) = input.dim();
        let target = out.as_slice_mut().expect("just made");
        parallel::chunks(target, (shape[1] * shape[2]).max(1), job, &|z, plane| {
            let mut lines: Vec<&[T]> = Vec::with_capacity(fz * fy);
            for (y, target) in plane.chunks_exact_mut(shape[2]).enumerate() {
                lines.clear();
                for dz in 0..fz {
                    for dy in 0..fy {
                        let at = (origin[0] + z * fz + dz) * ny + origin[1] + y * fy + dy;
                        lines.push(&source[at * nx + origin[2]..][..shape[2] * fx]);
                    }
                }
                line(&lines, fx, target);
            }
            job.advance((plane.len() * fz * fy * fx) as u64);
            Ok(())
        })?;
        Ok(out.into())
    }
}

fn mean_line<T: Voxel>(lines: &[&[T]], fx: usize, out: &mut [T]) {
    let count = (lines.len() * fx) as f64;
    let mut sums = vec![0.0f64; out.len()];
    for line in lines {
        for (sum, voxels) in sums.iter_mut().zip(line.chunks_exact(fx)) {
            for v in voxels {
                *sum += v.to_f64();
            }
        }
    }
    for (o, sum) in out.iter_mut().zip(sums) {
        *o = T::from_f64(sum / count);
    }
}

fn extreme_line<T: Voxel>(lines: &[&[T]], fx: usize, out: &mut [T], better: impl Fn(T, T) -> bool) {
    for (x, o) in out.iter_mut().enumerate() {
        let mut best = lines[0][x * fx];
        for line in lines {
            for &v in &line[x * fx..][..fx] {
                best = if v.is_nan() || better(v, best) { v } else { best };
                if best.is_nan() {
                    break;
                }
            }
            if best.is_nan() {
                break;
            }
        }
        *o = best;
    }
}

fn mode_line<T: Voxel>(lines: &[&[T]], fx: usize, out: &mut [T]) {
    let mut all: Vec<T> = Vec::with_capacity(lines.len() * fx);
    for (x, o) in out.iter_mut().enumerate() {
        all.clear();
        for line in lines {
            all.extend_from_slice(&line[x * fx..][..fx]);
        }
        // Mostly, one object fills the box.
        if all.iter().all(|v| *v == all[0]) {
            *o = all[0];
            continue;
        }
        all.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())));
        let (mut best, mut most) = (all[0], 0);
        for run in all.chunk_by(|a, b| a == b || a.is_nan() && b.is_nan()) {
            if run.len() > most {
                (best, most) = (run[0], run.len());
            }
        }
        *o = best;
    }
}
