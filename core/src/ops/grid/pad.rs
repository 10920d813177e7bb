//! Adding voxels around an image.

use super::{IMAGE, triple};
use crate::ops::Operator;
use crate::program::{
    Block, Call, Default, Grid, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Region, Result, Volume, Voxel, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// Adds voxels around an image.
pub struct Pad;

static PAD: Spec = Spec {
    id: "pad",
    group: Group::Grid,
    summary: "Adds voxels around the image.",
    details: "`constant` fills with `value`, `nearest` repeats the voxel at the face, `reflect` mirrors about the \
        centre of that voxel (which is not repeated; NumPy's `reflect`). World positions stay. Exact block by \
        block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[
        Param {
            name: "before",
            ty: ParamType::Numbers,
            default: Default::Value("1"),
            help: "Voxels that are added before the first: one number, or z, y, x.",
        },
        Param {
            name: "after",
            ty: ParamType::Numbers,
            default: Default::Absent,
            help: "Voxels that are added after the last; as many as before if it is absent.",
        },
        Param {
            name: "mode",
            ty: ParamType::Choice(&["constant", "nearest", "reflect"]),
            default: Default::Value("constant"),
            help: "What they become.",
        },
        Param {
            name: "value",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("0"),
            help: "Their value in mode constant.",
        },
    ],
};

impl Operator for Pad {
    fn spec(&self) -> &'static Spec {
        &PAD
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let before = triple(call, "before", 0.0)?.unwrap_or([0; 3]);
        let after = triple(call, "after", 0.0)?.unwrap_or(before);
        let value = call.args.float("value");
        if grid.kind == Kind::Mask && value != 0.0 && value != 1.0 {
            return Err(call.error(format!("a mask can't be filled with {value}, only with 0 or 1")));
        }
        let mode = match call.args.text("mode") {
            "constant" => Mode::Constant(value),
            "nearest" => Mode::Nearest,
            _ => Mode::Reflect,
        };
        let out = Grid {
            shape: std::array::from_fn(|a| before[a] + grid.shape[a] + after[a]),
            geometry: grid.geometry.cropped(before.map(|n| -(n as f64))),
            ..grid
        };
        Ok(Prepared::local(out, Padded { before, mode }))
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Constant(f64),
    Nearest,
    Reflect,
}

struct Padded {
    before: [usize; 3],
    mode: Mode,
}

impl Padded {
    /// The source of an output index along one axis of `n` voxels.
    fn index(&self, axis: usize, out: usize, n: usize) -> Option<usize> {
        let (i, n) = (out as i64 - self.before[axis] as i64, n as i64);
        let i = match self.mode {
            _ if (0..n).contains(&i) => i,
            Mode::Constant(_) => return None,
            Mode::Nearest => i.clamp(0, n - 1),
            Mode::Reflect => reflect(i, n),
        };
        Some(i as usize)
    }
}

/// The index that an index beyond the ends mirrors, about the centres of the end voxels.
fn reflect(i: i64, n: i64) -> i64 {
    let period = (2 * (n - 1)).max(1);
    let i = i.rem_euclid(period);
    if i < n { i } else { period - i }
}

impl Local for Padded {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        let mut source = Region::new([0; 3], [0; 3]);
        for a in 0..3 {
            let range = out.start[a]..out.start[a] + out.shape[a];
            let indices = range.filter_map(|o| self.index(a, o, shape[a]));
            let (low, high) = indices.fold((usize::MAX, 0), |(l, h), i| (l.min(i), h.max(i)));
            // A block of nothing but the constant still reads a voxel.
            (source.start[a], source.shape[a]) = if low > high { (0, 1) } else { (low, high - low + 1) };
        }
        source
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| self.gather(a, block, job))
    }
}

impl Padded {
    fn gather<T: Voxel>(&self, input: &Array3<T>, block: &Block, job: &Job) -> Result<Volume> {
        let fill = if let Mode::Constant(v) = self.mode { T::from_f64(v) } else { T::default() };
        let (shape, origin) = (block.image(), block.sources[0].start);
        let of = |a: usize| -> Vec<Option<usize>> {
            (block.out.start[a]..block.out.end()[a])
                .map(|o| self.index(a, o, shape[a]).map(|i| i - origin[a]))
                .collect()
        };
        let (zs, ys, xs) = (of(0), of(1), of(2));
        let mut out = Array3::from_elem(block.out.shape, fill);
        let plane = block.out.shape[1] * block.out.shape[2];
        let nx = block.out.shape[2];
        // Where the line is the source's own, in order.
        let first = xs.iter().position(Option::is_some);
        let straight = first.map(|f| {
            let start = xs[f].unwrap_or(0);
            let run = xs[f..].iter().enumerate().take_while(|(k, i)| **i == Some(start + k)).count();
            (f, start, run)
        });
        let target = out.as_slice_mut().expect("just made");
        parallel::chunks(target, plane.max(1), job, &|z, plane| {
            let Some(sz) = zs[z] else { return Ok(()) };
            for (y, line) in plane.chunks_exact_mut(nx).enumerate() {
                let Some(sy) = ys[y] else { continue };
                let source = input.slice(ndarray::s![sz, sy, ..]);
                let source = source.as_slice().expect("volumes are in C order");
                for (v, i) in line.iter_mut().zip(&xs) {
                    if let Some(i) = i {
                        *v = source[*i];
                    }
                }
                if let Some((f, start, run)) = straight {
                    line[f..f + run].copy_from_slice(&source[start..start + run]);
                }
            }
            job.advance(plane.len() as u64);
            Result::Ok(())
        })?;
        Ok(out.into())
    }
}
