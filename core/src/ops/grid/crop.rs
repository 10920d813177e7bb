//! Cutting out a box.

use super::{IMAGE, part, triple};
use crate::ops::Operator;
use crate::program::{Block, Call, Default, Grid, Group, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::{Job, Region, Result, Volume};
use std::sync::Arc;

/// Cuts out a box.
pub struct Crop;

static CROP: Spec = Spec {
    id: "crop",
    group: Group::Grid,
    summary: "Cuts out a box of voxels.",
    details: "The box begins at `start` and has `size` voxels, or as many as there are; `margin` is taken off every \
        side before that. World positions stay. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[
        Param {
            name: "start",
            ty: ParamType::Numbers,
            default: Default::Value("0"),
            help: "First voxel that is kept: z, y, x.",
        },
        Param {
            name: "size",
            ty: ParamType::Numbers,
            default: Default::Absent,
            help: "Number of voxels that are kept: z, y, x; up to the end if it is absent.",
        },
        Param {
            name: "margin",
            ty: ParamType::Numbers,
            default: Default::Value("0"),
            help: "Voxels that are taken off both ends of each axis.",
        },
    ],
};

impl Operator for Crop {
    fn spec(&self) -> &'static Spec {
        &CROP
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let margin = triple(call, "margin", 0.0)?.unwrap_or([0; 3]);
        let start = triple(call, "start", 0.0)?.unwrap_or([0; 3]);
        let size = triple(call, "size", 1.0)?;
        let mut kept = Region::new([0; 3], [0; 3]);
        for a in 0..3 {
            let (first, end) = (margin[a].saturating_add(start[a]), grid.shape[a].saturating_sub(margin[a]));
            let count = end.saturating_sub(first);
            let wanted = size.map_or(count, |s| s[a]);
            if count == 0 || wanted > count {
                let axis = ["z", "y", "x"][a];
                return Err(call.error(format!(
                    "the box of {wanted} voxels from {first} doesn't fit into the {} along {axis}",
                    grid.shape[a]
                )));
            }
            (kept.start[a], kept.shape[a]) = (first, wanted);
        }
        let geometry = grid.geometry.cropped(kept.start.map(|s| s as f64));
        Ok(Prepared::local(Grid { shape: kept.shape, geometry, ..grid }, Cut { start: kept.start }))
    }
}

struct Cut {
    start: [usize; 3],
}

impl Local for Cut {
    fn source(&self, out: Region, _: usize, _: [usize; 3]) -> Region {
        Region::new(std::array::from_fn(|a| out.start[a] + self.start[a]), out.shape)
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        job.check()?;
        let input = inputs.into_iter().next().flatten().expect("the first input is required");
        let need = self.source(block.out, 0, block.image()).relative_to(block.sources[0].start);
        job.advance(need.len() as u64);
        Ok(part(input, need))
    }
}
