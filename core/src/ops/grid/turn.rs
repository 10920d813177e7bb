//! Mirroring and turning by quarters: voxels keep their values and, in the world, their places.

use super::IMAGE;
use crate::ops::spec::{Default, Group, Param, ParamType, Produces, Spec};
use crate::ops::{Block, Call, Grid, Local, Operator, Prepared};
use crate::{Geometry, Job, Region, Result, Volume, Voxel, parallel, with_volume};
use glam::{DAffine3, DMat3, DVec3};
use ndarray::{ArrayView3, Axis};
use std::sync::Arc;

/// Mirrors along axes.
pub struct Flip;

static FLIP: Spec = Spec {
    id: "flip",
    group: Group::Grid,
    summary: "Reverses the order of voxels along axes.",
    details: "The image is seen mirrored. Its geometry is changed with it, so that every voxel keeps its place in \
        the world, and anatomical orientation stays right. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[Param {
        name: "axes",
        ty: ParamType::Words,
        default: Default::Required,
        help: "Axes along which it is reversed: z, y, x.",
    }],
};

impl Operator for Flip {
    fn spec(&self) -> &'static Spec {
        &FLIP
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let mut turn = Turn::none(call.grid().shape);
        for word in call.args.words("axes").unwrap_or_default() {
            let Some(axis) = ["z", "y", "x"].iter().position(|a| a == word) else {
                return Err(call.error(format!("\"{word}\" is not an axis: use z, y or x")));
            };
            turn.reversed[axis] = true;
        }
        Ok(turn.prepared(call))
    }
}

/// Turns by quarters.
pub struct Rotate;

static ROTATE: Spec = Spec {
    id: "rotate",
    group: Group::Grid,
    summary: "Turns the image by quarter turns about an axis.",
    details: "A quarter turn takes the first of the other two axes (in the order z, y, x) to the second, as NumPy's \
        `rot90` does. The geometry is changed with it, so that every voxel keeps its place in the world. Exact \
        block by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[
        Param {
            name: "axis",
            ty: ParamType::Choice(&["z", "y", "x"]),
            default: Default::Value("z"),
            help: "The axis that stays.",
        },
        Param {
            name: "turns",
            ty: ParamType::Int { min: -3, max: 3 },
            default: Default::Value("1"),
            help: "Number of quarter turns; negative ones turn the other way.",
        },
    ],
};

impl Operator for Rotate {
    fn spec(&self) -> &'static Spec {
        &ROTATE
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (a, b) = match call.args.text("axis") {
            "z" => (1, 2),
            "y" => (0, 2),
            _ => (0, 1),
        };
        let mut turn = Turn::none(call.grid().shape);
        match call.args.int("turns").rem_euclid(4) {
            0 => {}
            2 => {
                turn.reversed[a] = true;
                turn.reversed[b] = true;
            }
            quarter => {
                turn.axes.swap(a, b);
                // out[i, j] = in[j, n − 1 − i] for one turn, in[n − 1 − j, i] for three.
                turn.reversed[if quarter == 1 { a } else { b }] = true;
            }
        }
        Ok(turn.prepared(call))
    }
}

/// Output axis `a` runs along input axis `axes[a]`, backwards where `reversed[a]`.
#[derive(Debug, Clone, Copy)]
struct Turn {
    axes: [usize; 3],
    reversed: [bool; 3],
    shape: [usize; 3],
}

impl Turn {
    fn none(shape: [usize; 3]) -> Self {
        Self { axes: [0, 1, 2], reversed: [false; 3], shape }
    }

    fn prepared(self, call: &Call) -> Prepared {
        let grid = call.grid();
        let out =
            Grid { shape: self.axes.map(|a| grid.shape[a]), geometry: self.geometry(&grid.geometry), ..grid };
        Prepared::local(out, self)
    }

    fn geometry(&self, old: &Geometry) -> Geometry {
        // The old index, as (x, y, z), of a new one.
        let (mut matrix, mut origin) = (DMat3::ZERO, DVec3::ZERO);
        for (new, &axis) in self.axes.iter().enumerate() {
            let sign = if self.reversed[new] { -1.0 } else { 1.0 };
            matrix.col_mut(2 - new)[2 - axis] = sign;
            if self.reversed[new] {
                origin[2 - axis] = self.shape[axis] as f64 - 1.0;
            }
        }
        let old_from_new = DAffine3::from_mat3_translation(matrix, origin);
        Geometry { world_from_index: old.world_from_index * old_from_new, ..*old }
    }

    fn turned<T: Voxel>(&self, mut input: ArrayView3<T>, job: &Job) -> Result<Volume> {
        for a in 0..3 {
            if self.reversed[a] {
                input.invert_axis(Axis(self.axes[a]));
            }
        }
        let input = input.permuted_axes(self.axes);
        let mut out = ndarray::Array3::from_elem(input.dim(), T::default());
        let slabs = out.axis_chunks_iter_mut(Axis(0), 8).zip(input.axis_chunks_iter(Axis(0), 8));
        parallel::items(slabs, job, &|_, (mut target, source)| {
            // In tiles, so that lines that are turned stay in the cache.
            let targets = target.axis_chunks_iter_mut(Axis(1), 64);
            for (mut target, source) in targets.zip(source.axis_chunks_iter(Axis(1), 64)) {
                target.assign(&source);
            }
            job.advance(target.len() as u64);
            Ok(())
        })?;
        Ok(T::into_volume(out))
    }
}

impl Local for Turn {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        let mut source = Region::whole(shape);
        for (new, &axis) in self.axes.iter().enumerate() {
            source.shape[axis] = out.shape[new];
            source.start[axis] = if self.reversed[new] {
                shape[axis] - out.start[new] - out.shape[new]
            } else {
                out.start[new]
            };
        }
        source
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let need = self.source(block.out, 0, block.image()).relative_to(block.sources[0].start);
        let [z, y, x] = need.ranges();
        with_volume!(&**input, |a| self.turned(a.slice(ndarray::s![z, y, x]), job))
    }
}
