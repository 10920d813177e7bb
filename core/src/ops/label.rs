//! Connected components.

use super::Operator;
use crate::algorithms::components::equivalences::EquivalencePhase;
use crate::algorithms::components::equivalences::LabelEquivalences;
use crate::algorithms::components::{Components, Connectivity, MaskSide, blocked};
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, Partials, Phase,
    Prepared, Produces, Program, Source, Spec, TileContext, encode,
};
use crate::{Job, Result, Volume, VoxelType};
use std::sync::Arc;

/// Connected components.
pub struct Label;

static SPEC: Spec = Spec {
    id: "label",
    group: Group::Objects,
    summary: "Numbers the connected components of a mask, or the connected parts of labels.",
    details: "Components are numbered from 1 in the order of their first voxels (z, then y, then x). Of \
        labels, neighbours with equal values are connected, and values need not be in one piece. The image \
        ends at its border. Runs and union–find (Rem; Patwary, Blair & Manne 2010, \
        doi:10.1007/978-3-642-13193-6_35), united across blocks over faces, edges and corners: exact block \
        by block. More than 4294967295 components are an error.",
    inputs: &[Input {
        name: "input",
        kinds: &[Kind::Mask, Kind::Labels],
        optional: false,
        help: "The mask, or labels.",
    }],
    output: Produces::Image(Kind::Labels),
    params: &[Param {
        name: "connectivity",
        ty: Connectivity::PARAM,
        default: Default::Value("26"),
        help: "Whether voxels are connected over faces (6), edges too (18), or corners too (26).",
    }],
};

impl Operator for Label {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let kernel = LabelKernel {
            connectivity: Connectivity::of(call.args, "connectivity"),
            labels: call.grid().voxel == VoxelType::U32,
            shape: call.grid().shape,
        };
        Ok(Prepared::new(call.grid().labels(), kernel).scratch(1.0))
    }
}

struct LabelKernel {
    connectivity: Connectivity,
    labels: bool,
    shape: [usize; 3],
}

impl Kernel for LabelKernel {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].as_deref().expect("the first input is required");
        let labels = match input {
            Volume::U32(a) => {
                let a = a.as_slice().expect("volumes are in C order");
                Components::of_labels(a, self.shape, self.connectivity, job)?.labels(job)?
            }
            mask => {
                Components::of_mask(mask.as_bytes(), self.shape, self.connectivity, MaskSide::Inside, job)?
                    .labels(job)?
            }
        };
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Phases of [`Label`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelPhase {
    /// Components of blocks are united.
    Equivalences(EquivalencePhase),
    /// Slabs number the components of their blocks.
    Numbers,
    /// The result.
    Numbering,
}

/// Field 0: names of components within blocks; field 1: the result.
impl Program for LabelKernel {
    type Phase = LabelPhase;
    type State = LabelEquivalences;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U64 }, FieldSpec { voxel: VoxelType::U32 }]
    }

    fn phases(&self) -> Vec<LabelPhase> {
        let mut phases = EquivalencePhase::ALL.map(LabelPhase::Equivalences).to_vec();
        phases.extend([LabelPhase::Numbers, LabelPhase::Numbering]);
        phases
    }

    fn declare(&self, phase: LabelPhase) -> Phase {
        match phase {
            LabelPhase::Equivalences(EquivalencePhase::Components) => {
                Phase::blocks("components of blocks", vec![Source::Input(0, [0; 3])], vec![0])
            }
            LabelPhase::Equivalences(phase) => phase.declare().unwrap_or_else(|| {
                let mut touching = vec![Source::Field(0, [1; 3])];
                if self.labels {
                    touching.push(Source::Input(0, [1; 3]));
                }
                Phase::blocks("components across blocks", touching, vec![])
            }),
            LabelPhase::Numbers => Phase::reduce("numbers"),
            LabelPhase::Numbering => Phase::blocks("numbering", vec![Source::Field(0, [0; 3])], vec![1]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(1)
    }

    fn run(
        &self,
        phase: LabelPhase,
        state: &LabelEquivalences,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let part = block.out.start[0];
        match phase {
            LabelPhase::Equivalences(EquivalencePhase::Components | EquivalencePhase::Touching)
            | LabelPhase::Numbering => {}
            LabelPhase::Numbers => {
                let begin = |slab| state.begin_in(slab, context);
                let numbers =
                    state.numbers(part, context, begin, |roots, root| state.slabs.number(roots, root))?;
                return Ok((vec![], numbers));
            }
            LabelPhase::Equivalences(phase) => return Ok((vec![], state.run(phase, part, context)?)),
        }
        let input = inputs[0].as_deref().expect("every phase reads something that is there");
        let part = job.part();
        match (phase, input) {
            (LabelPhase::Equivalences(EquivalencePhase::Components), input) => {
                let shape = block.out.shape;
                let (field, names) = match input {
                    Volume::U32(a) => {
                        let a = a.as_slice().expect("volumes are in C order");
                        let c = Components::of_labels(a, shape, self.connectivity, &part)?;
                        blocked::name(&c, block.out, self.shape, job)?
                    }
                    mask => {
                        let mask = mask.as_bytes();
                        let c = Components::of_mask(mask, shape, self.connectivity, MaskSide::Inside, &part)?;
                        blocked::name(&c, block.out, self.shape, job)?
                    }
                };
                Ok((vec![Volume::U64(field)], encode(&names)))
            }
            (LabelPhase::Equivalences(_), Volume::U64(names)) => {
                let labels = inputs.get(1).and_then(|v| v.as_ref()).and_then(|v| v.view::<u32>());
                let labels = labels.as_ref().and_then(|v| v.as_slice());
                let same = |a: usize, b: usize| labels.is_none_or(|l| l[a] == l[b]);
                let pairs = blocked::touching(names, block.sources[0], block.out, self.connectivity, same);
                Ok((vec![], encode(&pairs)))
            }
            (_, Volume::U64(names)) => Ok((
                vec![Volume::U32(state.relabel(
                    self.number(LabelPhase::Numbers),
                    block.out,
                    names,
                    context,
                )?)],
                vec![],
            )),
            _ => unreachable!("field 0 is u64"),
        }
    }

    fn parts(&self, phase: LabelPhase, state: &LabelEquivalences) -> usize {
        match phase {
            LabelPhase::Equivalences(phase) => state.parts(phase),
            LabelPhase::Numbers | LabelPhase::Numbering => state.slabs.count(),
        }
    }

    fn merge(&self, phase: LabelPhase, state: &mut LabelEquivalences, partials: Partials) -> Result<Next> {
        let LabelPhase::Equivalences(phase) = phase else { return Ok(Next::Continue) };
        if phase == EquivalencePhase::Components {
            *state = LabelEquivalences::new(self.shape, partials.cut());
        }
        state.merge(phase, partials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::{Random, flood, hold_blocked, labels, mask};

    #[test]
    fn whole_is_blocked_for_masks_and_labels() {
        let mut random = Random(3);
        for case in 0..40 {
            let shape = random.shape(12);
            let n: usize = shape.iter().product();
            let connectivity = ["6", "18", "26"][case % 3];
            let density = 2 + random.below(7);
            let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(10) < density)).collect();
            let out = hold_blocked(
                "label",
                &[("connectivity", connectivity)],
                &[Some(mask(shape, m.clone()))],
                &mut random,
            );
            let expected: Vec<u32> = m.iter().map(|v| u32::from(*v)).collect();
            let c = [Connectivity::Six, Connectivity::Eighteen, Connectivity::TwentySix][case % 3];
            assert_eq!(out.view::<u32>().unwrap().as_slice().unwrap(), flood(&expected, shape, c));
            let l: Vec<u32> = (0..n).map(|_| random.below(3) as u32 * 5).collect();
            let out = hold_blocked(
                "label",
                &[("connectivity", connectivity)],
                &[Some(labels(shape, l.clone()))],
                &mut random,
            );
            assert_eq!(out.view::<u32>().unwrap().as_slice().unwrap(), flood(&l, shape, c));
        }
    }
}
