//! Local thickness.

#[cfg(test)]
mod tests;

use super::Operator;
use crate::algorithms::distance::{Metric, lines};
use crate::algorithms::thickness::{Centre, LocalThickness, Ridge};
use crate::program::{
    Block, Call, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Partials, Phase, Prepared,
    Produces, Program, Source, Spec, TileContext, encode, rows,
};
use crate::{Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;
use rayon::prelude::*;
use std::sync::Arc;

/// Local thickness.
pub struct Thickness;

static SPEC: Spec = Spec {
    id: "thickness",
    group: Group::Objects,
    summary: "Gives each voxel of a mask the diameter of the largest ball that fits into the mask and contains it.",
    details: "Hildebrand & Rüegsegger 1997 (doi:10.1046/j.1365-2818.1997.1340694.x), exact. A ball has its \
        centre on a voxel and its radius r is the distance to the nearest background voxel; it contains the \
        voxels nearer than r, and the thickness is 2r, in the image's unit. So a slab of w voxels measures w \
        if w is even and w + 1 if it is odd. Balls that a neighbour's ball contains are left out (Remy & Thiel \
        2002, doi:10.1016/S0167-8655(01)00138-5), the others are painted from large to small. The border of the image is not \
        background; a mask without background is infinitely thick. Exact block by block; the centres that \
        remain (12 bytes each) are held in memory.",
    inputs: &[Input { name: "input", kinds: &[Kind::Mask], optional: false, help: "The mask." }],
    output: Produces::Image(Kind::Grey),
    params: &[],
};

impl Operator for Thickness {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        call.at_right_angles("thickness")?;
        let grid = call.grid();
        let local = LocalThickness::new(grid.shape, Metric::new(grid.shape, &grid.geometry));
        let kernel = ThicknessKernel { local, shape: grid.shape };
        Ok(Prepared::new(grid.with(VoxelType::F32, Kind::Grey), kernel).scratch(5.0))
    }
}

struct ThicknessKernel {
    local: LocalThickness,
    shape: [usize; 3],
}

impl ThicknessKernel {
    /// Thickness in a region from squared distances and the balls that matter, largest first.
    fn thickness(&self, centres: &[Centre], squared: Vec<u32>, region: Region, job: &Job) -> Result<Volume> {
        let volume = |values| {
            Ok(Volume::F32(Array3::from_shape_vec(region.shape, values).expect("of the shape of the region")))
        };
        if self.local.unbounded(&squared) {
            // A mask without background: every ball is infinite.
            return volume(vec![f32::INFINITY; squared.len()]);
        }
        let mut radii = self.local.largest(centres, squared, region, job)?;
        radii.par_iter_mut().for_each(|bits| *bits = (self.local.diameter(*bits) as f32).to_bits());
        volume(bytemuck::cast_vec(radii))
    }
}

impl Kernel for ThicknessKernel {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let mask = inputs[0].as_deref().expect("the first input is required").as_bytes();
        let part = job.part();
        let squared = self.local.squared(mask, &part)?;
        let centres = if self.local.unbounded(&squared) { Vec::new() } else { self.local.centres(&squared) };
        Ok(Output::Volume(self.thickness(&centres, squared, Region::whole(self.shape), job)?))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Field 0: squared distances; field 1: the result.
/// Phases of [`Thickness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThicknessPhase {
    /// Squared distances within slices.
    WithinSlices,
    /// Squared distances across slices.
    AcrossSlices,
    /// The balls that no other ball contains; all of them are the state.
    Centres,
    /// The result.
    Balls,
}

/// Field 0: squared distances; 1: the result.
impl Program for ThicknessKernel {
    type Phase = ThicknessPhase;
    type State = Vec<Centre>;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U32 }, FieldSpec { voxel: VoxelType::F32 }]
    }

    fn phases(&self) -> Vec<ThicknessPhase> {
        use ThicknessPhase::{AcrossSlices, Balls, Centres, WithinSlices};
        vec![WithinSlices, AcrossSlices, Centres, Balls]
    }

    fn declare(&self, phase: ThicknessPhase) -> Phase {
        let field = |halo| vec![Source::Field(0, [halo; 3])];
        match phase {
            ThicknessPhase::WithinSlices => {
                Phase::slices("distances within slices", vec![Source::Input(0, [0; 3])], vec![0])
            }
            ThicknessPhase::AcrossSlices => Phase::lines("distances across slices", field(0), vec![0]),
            ThicknessPhase::Centres => Phase::blocks("centres of balls", field(1), vec![]),
            ThicknessPhase::Balls => Phase::blocks("balls", field(0), vec![1]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(1)
    }

    fn run(
        &self,
        phase: ThicknessPhase,
        state: &Vec<Centre>,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = inputs[0].as_deref().expect("every phase reads something that is there");
        let (shape, part) = (block.out.shape, job.part());
        let field = |squared| vec![Volume::U32(Array3::from_shape_vec(shape, squared).expect("the block"))];
        if phase == ThicknessPhase::WithinSlices {
            let mask = input.as_bytes();
            let mut squared = vec![0u32; mask.len()];
            match self.local.metric {
                Metric::Isotropic(_) => {
                    lines::within_slices(mask, &mut squared, shape, true, self.local.metric, &part)?;
                }
                Metric::Anisotropic(_) => {
                    let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut squared);
                    lines::within_slices(mask, floats, shape, true, self.local.metric, &part)?;
                }
            }
            return Ok((field(squared), vec![]));
        }
        let Volume::U32(squared) = input else { unreachable!("field 0 is u32") };
        let squared = squared.as_slice().expect("volumes are in C order");
        match phase {
            ThicknessPhase::WithinSlices => unreachable!("done above"),
            ThicknessPhase::AcrossSlices => {
                let mut squared = squared.to_vec();
                match self.local.metric {
                    Metric::Isotropic(_) => {
                        lines::across_slices(&mut squared, shape, self.local.metric, &part, |v| v)?;
                    }
                    Metric::Anisotropic(_) => {
                        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut squared);
                        lines::across_slices(floats, shape, self.local.metric, &part, |v| v)?;
                    }
                }
                Ok((field(squared), vec![]))
            }
            ThicknessPhase::Centres => {
                if self.local.unbounded(squared) {
                    return Ok((vec![], encode(&Vec::<Centre>::new())));
                }
                let greatest = squared.iter().copied().max().unwrap_or(0);
                let ridge = Ridge::new(self.local.metric, greatest);
                let centres = ridge.centres(squared, block.sources[0], block.out, self.shape);
                Ok((vec![], encode(&centres)))
            }
            ThicknessPhase::Balls => {
                Ok((vec![self.thickness(state, squared.to_vec(), block.out, &part)?], vec![]))
            }
        }
    }

    fn merge(&self, phase: ThicknessPhase, state: &mut Vec<Centre>, partials: Partials) -> Result<Next> {
        if phase == ThicknessPhase::Centres {
            *state = rows(partials)?;
            crate::algorithms::thickness::balls::sort(state);
        }
        Ok(Next::Continue)
    }
}
