//! Seeds grown over a mask or within a range of intensity.

use super::Operator;
use super::watershed::{Changed, Flood, FloodPhase, Relax, same_shapes};
use crate::algorithms::components::Connectivity;
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext,
};
use crate::{Job, Region, Result, Volume, Voxel, with_volume};
use std::sync::Arc;

/// Seeds grown over a mask or within a range of intensity.
pub struct Grow;

static SPEC: Spec = Spec {
    id: "grow",
    group: Group::Objects,
    summary: "Grows labelled seeds step by step over a mask and within a range of intensity.",
    details: "Each voxel takes the seed that reaches it in the fewest steps within the region (geodesic \
        distance), in the declared order of watershed for ties. The region is where the image lies within \
        min…max (both included) and the mask, if one is given, is not 0; seeds outside it are left out. NaN \
        is outside. Exact block by block.",
    inputs: &[
        Input { name: "input", kinds: &[Kind::Labels], optional: false, help: "The seeds." },
        Input {
            name: "image",
            kinds: &[Kind::Grey],
            optional: true,
            help: "Intensities that bound the growth.",
        },
        Input { name: "mask", kinds: &[Kind::Mask], optional: true, help: "Where seeds may grow." },
    ],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "min",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("-inf"),
            help: "Least intensity that seeds grow over.",
        },
        Param {
            name: "max",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("inf"),
            help: "Greatest intensity that seeds grow over.",
        },
        Param {
            name: "steps",
            ty: ParamType::Int { min: 0, max: i64::MAX },
            default: Default::Absent,
            help: "Most steps from voxel to voxel; as many as it takes if absent.",
        },
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("6"),
            help: "Whether a step passes a face (6), an edge too (18), or a corner too (26).",
        },
    ],
};

impl Operator for Grow {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (min, max) = (call.args.float("min"), call.args.float("max"));
        if min > max {
            return Err(call.error(format!("min = {min} is greater than max = {max}")));
        }
        same_shapes(call)?;
        let kernel = GrowKernel {
            relax: Relax {
                shape: call.grid().shape,
                connectivity: Connectivity::of(call.args, "connectivity"),
                steps: call.args.maybe_int("steps").map_or(u64::MAX, |s| s as u64),
            },
            min,
            max,
        };
        Ok(Prepared::new(call.grid().labels(), kernel).scratch(3.0))
    }
}

struct GrowKernel {
    relax: Relax,
    min: f64,
    max: f64,
}

impl GrowKernel {
    /// Where seeds may grow; `None` for everywhere.
    fn region(&self, image: Option<&Volume>, mask: Option<&Volume>) -> Option<Vec<u8>> {
        let mask = mask.map(Volume::as_bytes);
        let Some(image) = image else { return mask.map(<[u8]>::to_vec) };
        Some(with_volume!(image, |a| {
            let within = a.iter().map(|v| v.to_f64()).map(|v| u8::from(v >= self.min && v <= self.max));
            match mask {
                None => within.collect(),
                Some(mask) => within.zip(mask).map(|(w, m)| w & u8::from(*m != 0)).collect(),
            }
        }))
    }
}

impl Kernel for GrowKernel {
    fn whole(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let seeds = inputs[0].take().expect("the first input is required");
        let seeds = Arc::try_unwrap(seeds).unwrap_or_else(|shared| (*shared).clone());
        let Volume::U32(mut labels) = seeds else { unreachable!("labels are u32") };
        let input = |i: usize| inputs.get(i).and_then(|v| v.as_deref());
        let region = self.region(input(1), input(2));
        let slice = labels.as_slice_mut().expect("volumes are in C order");
        let mut flood = Flood::new(slice, region.as_deref(), self.relax.shape, self.relax.connectivity)?;
        flood.grow(self.relax.steps, job)?;
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for GrowKernel {
    type Phase = FloodPhase;
    type State = Changed;

    fn fields(&self) -> Vec<FieldSpec> {
        Relax::fields()
    }

    fn phases(&self) -> Vec<FloodPhase> {
        vec![FloodPhase::Markers, FloodPhase::Flooding]
    }

    fn declare(&self, phase: FloodPhase) -> Phase {
        Relax::declare(phase, [0, 1, 2].map(|i| Source::Input(i, [0; 3])), [0, 1])
    }

    fn result(&self) -> Option<usize> {
        Some(1)
    }

    fn visits(&self, phase: FloodPhase, state: &Changed, out: Region) -> bool {
        phase != FloodPhase::Flooding || state.concerns(out)
    }

    fn run(
        &self,
        phase: FloodPhase,
        _: &Changed,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = |i: usize| inputs.get(i).and_then(|v| v.as_deref());
        let Some(Volume::U32(seeds)) = input(0) else { unreachable!("labels are u32") };
        let seeds = seeds.as_slice().expect("volumes are in C order");
        let region = self.region(input(1), input(2));
        let flat = |_: usize| 0;
        if phase == FloodPhase::Markers {
            return Ok((Relax::begin(&flat, seeds, region.as_deref(), block.out.shape), vec![]));
        }
        self.relax.step(&flat, seeds, region.as_deref(), block, &inputs[3..5], job)
    }

    fn merge(&self, phase: FloodPhase, state: &mut Changed, partials: Partials) -> Result<Next> {
        if phase == FloodPhase::Flooding { Relax::merge(state, partials) } else { Ok(Next::Continue) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::watershed::brute;
    use super::*;
    use crate::algorithms::components::tests::{Random, grey, hold_blocked, labels, mask};

    #[test]
    fn seeds_grow_by_steps_in_blocks_too() {
        let mut random = Random(24);
        for i in 0..30 {
            let shape = random.shape(9);
            let n: usize = shape.iter().product();
            let mut seeds = vec![0; n];
            (0..4).for_each(|l| seeds[random.below(n)] = l + 1);
            let image: Vec<u8> = (0..n).map(|_| random.below(10) as u8).collect();
            let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(6) != 0)).collect();
            let (name, c) =
                [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)]
                    [i % 3];
            let inputs = [
                Some(labels(shape, seeds.clone())),
                Some(grey(shape, image.clone())),
                Some(mask(shape, m.clone())),
            ];
            let args = [("min", "2"), ("max", "8.5"), ("connectivity", name)];
            let seen = hold_blocked("grow", &args, &inputs, &mut random);
            let region: Vec<u8> =
                image.iter().zip(&m).map(|(v, m)| u8::from((2..=8).contains(v)) & m).collect();
            let expected = brute(&vec![0.0; n], &seeds, Some(&region), shape, c);
            assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), expected);
            let args = [("steps", "2"), ("connectivity", name)];
            let near = hold_blocked("grow", &args, &[inputs[0].clone(), None, None], &mut random);
            let all = brute(&vec![0.0; n], &seeds, None, shape, c);
            for (s, e) in near.view::<u32>().unwrap().iter().zip(&all) {
                assert!(*s == 0 || s == e);
            }
        }
    }
}
