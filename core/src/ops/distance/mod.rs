//! Exact Euclidean distance.

#[cfg(test)]
mod tests;

use super::Operator;
use crate::algorithms::distance::{Metric, Squared, lines, transform};
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext,
};
use crate::{Job, Result, Volume, VoxelType, parallel};
use ndarray::Array3;
use std::sync::Arc;

/// Exact Euclidean distance to the other side of a mask.
pub struct Distance;

static SPEC: Spec = Spec {
    id: "distance",
    group: Group::Objects,
    summary: "Measures the exact Euclidean distance of each voxel to the nearest voxel on the other side of a mask.",
    details: "Distance between voxel centres, in the image's unit, with anisotropic spacing; f32. Squared \
        distances are exact integers while the spacing is isotropic, otherwise f32, and are found separately \
        along x, y and z, as lower envelopes of parabolas (Saito & Toriwaki 1994, \
        doi:10.1016/0031-3203(94)90133-3; Meijster, Roerdink & Hesselink 2000; Felzenszwalb & Huttenlocher \
        2012, doi:10.4086/toc.2012.v008a019). The border of the image is not background, so distances at it \
        are those of an object that goes on. Where nothing lies on the other side, the distance is infinite. \
        A sheared grid is refused. Exact block by block, in slabs and then lines.",
    inputs: &[Input { name: "input", kinds: &[Kind::Mask], optional: false, help: "The mask." }],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "side",
            ty: ParamType::Choice(&["inside", "outside", "signed"]),
            default: Default::Value("inside"),
            help: "Which voxels get a distance: those of the mask, the others, or both, the others' negative.",
        },
        Param {
            name: "squared",
            ty: ParamType::Bool,
            default: Default::Value("false"),
            help: "Whether to give the square of the distance (with its sign).",
        },
        Param {
            name: "unit",
            ty: ParamType::Choice(&["image", "voxel"]),
            default: Default::Value("image"),
            help: "Unit of the distance: the image's, or voxels whatever their size.",
        },
    ],
};

impl Operator for Distance {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let in_voxels = call.args.text("unit") == "voxel";
        if !in_voxels {
            call.at_right_angles("distances")?;
        }
        let metric =
            if in_voxels { Metric::voxels(grid.shape) } else { Metric::new(grid.shape, &grid.geometry) };
        let kernel = DistanceKernel {
            side: match call.args.text("side") {
                "inside" => Side::Inside,
                "outside" => Side::Outside,
                _ => Side::Signed,
            },
            squared: call.args.bool("squared"),
            metric,
        };
        let scratch = if kernel.side == Side::Signed { 8.0 } else { 0.0 };
        Ok(Prepared::new(grid.with(VoxelType::F32, Kind::Grey), kernel).scratch(scratch))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Inside,
    Outside,
    Signed,
}

struct DistanceKernel {
    side: Side,
    squared: bool,
    metric: Metric,
}

impl DistanceKernel {
    fn convert<T: Squared>(&self, squared: T, sign: f64) -> f32 {
        let value = if self.squared { self.metric.square(squared) } else { self.metric.distance(squared) };
        (value * sign) as f32
    }

    /// The f32 image from squared distances inside and, for both signs, outside.
    fn finish<T: Squared>(
        &self,
        inside: &[T],
        outside: Option<&[T]>,
        target: &mut [f32],
        job: &Job,
    ) -> Result<()> {
        const CHUNK: usize = 1 << 16;
        parallel::chunks(target, CHUNK, job, &|i, target| {
            let range = i * CHUNK..i * CHUNK + target.len();
            let inside = &inside[range.clone()];
            match outside {
                None => target.iter_mut().zip(inside).for_each(|(t, s)| *t = self.convert(*s, 1.0)),
                Some(outside) => {
                    for ((t, i), o) in target.iter_mut().zip(inside).zip(&outside[range]) {
                        // One of the two is 0.
                        *t = if *o == T::ZERO { self.convert(*i, 1.0) } else { self.convert(*o, -1.0) };
                    }
                }
            }
            job.advance(target.len() as u64);
            Ok(())
        })
    }

    fn whole_as<T: Squared>(&self, mask: &[u8], shape: [usize; 3], job: &Job) -> Result<Volume> {
        let mut target = Array3::<f32>::zeros(shape);
        let slice = target.as_slice_mut().expect("just made");
        if self.side == Side::Signed {
            let part = job.part();
            let inside = transform::<T>(mask, shape, true, self.metric, &part)?;
            let outside = transform::<T>(mask, shape, false, self.metric, &part)?;
            self.finish(&inside, Some(&outside), slice, job)?;
        } else {
            // Squared distances are of the size of the result, so they are counted where it will be.
            let squared: &mut [T] = bytemuck::cast_slice_mut(slice);
            lines::within_slices(mask, squared, shape, self.side == Side::Inside, self.metric, &job.part())?;
            lines::across_slices(squared, shape, self.metric, job, |v| T::hold(self.convert(v, 1.0)))?;
        }
        Ok(Volume::F32(target))
    }

    fn sides(&self) -> &'static [bool] {
        match self.side {
            Side::Inside => &[true],
            Side::Outside => &[false],
            Side::Signed => &[true, false],
        }
    }

    fn run_as<T: Squared>(
        &self,
        phase: DistancePhase,
        block: &Block,
        inputs: &[Option<Arc<Volume>>],
        job: &Job,
    ) -> Result<Vec<Volume>> {
        let shape = block.out.shape;
        let part = job.part();
        let input = |i: usize| inputs[i].as_deref().expect("every phase reads something that is there");
        if phase == DistancePhase::WithinSlices {
            let mask = input(0).as_bytes();
            return self
                .sides()
                .iter()
                .map(|&side| {
                    let mut squared = vec![T::ZERO; mask.len()];
                    lines::within_slices(mask, &mut squared, shape, side, self.metric, &part)?;
                    Ok(T::into_volume(
                        Array3::from_shape_vec(shape, squared).expect("the shape of the block"),
                    ))
                })
                .collect();
        }
        let columns: Vec<Vec<T>> = (0..self.sides().len())
            .map(|i| {
                let field = T::of(input(i)).expect("fields are of the metric's type");
                let mut squared = field.as_slice().expect("volumes are in C order").to_vec();
                lines::across_slices(&mut squared, shape, self.metric, &part, |v| v)?;
                Ok(squared)
            })
            .collect::<Result<_>>()?;
        let mut target = Array3::zeros(shape);
        let slice = target.as_slice_mut().expect("just made");
        self.finish(&columns[0], columns.get(1).map(Vec::as_slice), slice, job)?;
        Ok(vec![Volume::F32(target)])
    }
}

impl Kernel for DistanceKernel {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let mask = inputs[0].as_deref().expect("the first input is required");
        let (shape, mask) = (mask.shape(), mask.as_bytes());
        Ok(Output::Volume(match self.metric {
            Metric::Isotropic(_) => self.whole_as::<u32>(mask, shape, job)?,
            Metric::Anisotropic(_) => self.whole_as::<f32>(mask, shape, job)?,
        }))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Phases of [`Distance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DistancePhase {
    /// Squared distances within slices, a field for each side.
    WithinSlices,
    /// Squared distances across slices, and the result.
    AcrossSlices,
}

/// Field 0: the result; from 1 on: squared distances within slices, for each side.
impl Program for DistanceKernel {
    type Phase = DistancePhase;
    type State = ();

    fn fields(&self) -> Vec<FieldSpec> {
        let mut fields = vec![FieldSpec { voxel: VoxelType::F32 }];
        fields.extend(self.sides().iter().map(|_| FieldSpec { voxel: self.metric.field() }));
        fields
    }

    fn phases(&self) -> Vec<DistancePhase> {
        vec![DistancePhase::WithinSlices, DistancePhase::AcrossSlices]
    }

    fn declare(&self, phase: DistancePhase) -> Phase {
        let squared = 1..=self.sides().len();
        match phase {
            DistancePhase::WithinSlices => {
                Phase::slices("distances within slices", vec![Source::Input(0, [0; 3])], squared.collect())
            }
            DistancePhase::AcrossSlices => {
                let reads = squared.map(|f| Source::Field(f, [0; 3])).collect();
                Phase::lines("distances across slices", reads, vec![0])
            }
        }
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        phase: DistancePhase,
        (): &(),
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let volumes = match self.metric {
            Metric::Isotropic(_) => self.run_as::<u32>(phase, block, &inputs, job)?,
            Metric::Anisotropic(_) => self.run_as::<f32>(phase, block, &inputs, job)?,
        };
        Ok((volumes, vec![]))
    }

    fn merge(&self, _: DistancePhase, (): &mut (), _: Partials) -> Result<Next> {
        Ok(Next::Continue)
    }
}
