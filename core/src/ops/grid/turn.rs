//! Mirroring and turning by quarters: voxels keep their values and, in the world, their places.

use super::IMAGE;
use crate::ops::Operator;
use crate::program::{Block, Call, Default, Grid, Group, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::volume::Turn;
use crate::{Job, Region, Result, Volume, with_volume};
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
        let mut turn = Turn::NONE;
        for word in call.args.words("axes").unwrap_or_default() {
            let Some(axis) = ["z", "y", "x"].iter().position(|a| a == word) else {
                return Err(call.error(format!("\"{word}\" is not an axis: use z, y or x")));
            };
            turn.reversed[axis] = true;
        }
        Ok(prepared(turn, call))
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
        let mut turn = Turn::NONE;
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
        Ok(prepared(turn, call))
    }
}

/// Runs a [`Turn`].
struct Turned(Turn);

fn prepared(turn: Turn, call: &Call) -> Prepared {
    let grid = call.grid();
    let geometry = turn.geometry(&grid.geometry, grid.shape);
    Prepared::local(Grid { shape: turn.shape(grid.shape), geometry, ..grid }, Turned(turn))
}

impl Local for Turned {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        self.0.source(out, shape)
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let need = self.source(block.out, 0, block.image()).relative_to(block.sources[0].start);
        let [z, y, x] = need.ranges();
        with_volume!(&**input, |a| self.0.apply_to(a.slice(ndarray::s![z, y, x]), job))
    }
}
