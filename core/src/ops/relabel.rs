//! Consecutive label numbers.

use super::Operator;
use crate::algorithms::components::label_shuffle::ShufflePhase;
use crate::algorithms::components::label_shuffle::{Firsts, LabelShuffle};
use crate::algorithms::components::slabs::Slabs;
use crate::algorithms::relabel::{CHUNK, firsts, global, map, map_all};
use crate::program::{
    Block, Call, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Partials, Phase, Prepared,
    Produces, Program, Source, Spec, TileContext, decode, encode,
};
use crate::{Job, Result, Volume, VoxelType};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Consecutive label numbers.
pub struct Relabel;

static SPEC: Spec = Spec {
    id: "relabel",
    group: Group::Objects,
    summary: "Renumbers labels from 1 without gaps, in the order of their first voxels.",
    details: "The order is z, then y, then x. A label that is in several pieces stays one object; to number \
        pieces, use label. Exact block by block.",
    inputs: &[Input { name: "input", kinds: &[Kind::Labels], optional: false, help: "The labels." }],
    output: Produces::Image(Kind::Labels),
    params: &[],
};

impl Operator for Relabel {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let shape = call.grid().shape;
        Ok(Prepared::new(call.grid().labels(), RelabelKernel { shape }))
    }
}

struct RelabelKernel {
    shape: [usize; 3],
}

impl Kernel for RelabelKernel {
    fn whole(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].take().expect("the first input is required");
        let volume = Arc::try_unwrap(input).unwrap_or_else(|shared| (*shared).clone());
        let Volume::U32(mut labels) = volume else { unreachable!("labels are u32") };
        let slice = labels.as_slice_mut().expect("volumes are in C order");
        let orders: Vec<Vec<(u32, usize)>> = slice.par_chunks(CHUNK).map(firsts).collect();
        job.check()?;
        let mut numbers = HashMap::new();
        for (label, _) in orders.into_iter().flatten() {
            let next = numbers.len() as u32 + 1;
            numbers.entry(label).or_insert(next);
        }
        map_all(slice, &numbers, job)?;
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// What a block has found.
fn found_in(block: usize, context: &dyn TileContext) -> Result<Firsts> {
    decode(&context.partial(number_of(RelabelPhase::Firsts), 0, block)?)
}

/// Phases of [`Relabel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelabelPhase {
    /// The labels of blocks, each with its first voxel.
    Firsts,
    /// Their numbers.
    Shuffle(ShufflePhase),
    /// The result.
    Renumber,
}

static PHASES: [RelabelPhase; 6] = [
    RelabelPhase::Firsts,
    RelabelPhase::Shuffle(ShufflePhase::Slabs),
    RelabelPhase::Shuffle(ShufflePhase::Firsts),
    RelabelPhase::Shuffle(ShufflePhase::Counts),
    RelabelPhase::Shuffle(ShufflePhase::Numbers),
    RelabelPhase::Renumber,
];

fn number_of(phase: RelabelPhase) -> usize {
    PHASES.iter().position(|other| *other == phase).expect("all are there")
}

impl RelabelKernel {
    fn shuffle(&self) -> LabelShuffle {
        LabelShuffle { first: number_of(RelabelPhase::Shuffle(ShufflePhase::Slabs)) }
    }
}

impl Program for RelabelKernel {
    type Phase = RelabelPhase;
    type State = Slabs;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U32 }]
    }

    fn phases(&self) -> Vec<RelabelPhase> {
        PHASES.to_vec()
    }

    fn declare(&self, phase: RelabelPhase) -> Phase {
        let input = vec![Source::Input(0, [0; 3])];
        match phase {
            RelabelPhase::Firsts => Phase::blocks("finding labels", input, vec![]),
            RelabelPhase::Shuffle(phase) => phase.declare(),
            RelabelPhase::Renumber => Phase::blocks("renumbering", input, vec![0]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn parts(&self, phase: RelabelPhase, state: &Slabs) -> usize {
        let RelabelPhase::Shuffle(phase) = phase else { return 0 };
        self.shuffle().parts(phase, state)
    }

    fn run(
        &self,
        phase: RelabelPhase,
        state: &Slabs,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        _: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        if let RelabelPhase::Shuffle(phase) = phase {
            return Ok((vec![], self.shuffle().run(phase, block.out.start[0], state, found_in, context)?));
        }
        let Some(Volume::U32(labels)) = inputs[0].as_deref() else { unreachable!("labels are u32") };
        if phase == RelabelPhase::Firsts {
            let found = firsts(labels.as_slice().expect("volumes are in C order")).into_iter();
            let mut found: Firsts =
                found.map(|(label, at)| (label, global(at, block.out, self.shape) + 1)).collect();
            found.sort_unstable();
            return Ok((vec![], encode(&found)));
        }
        let number = state.block(block.out);
        let numbers = self.shuffle().numbers(&found_in(number, context)?, number, state, context)?;
        let mut labels = labels.clone();
        map(labels.as_slice_mut().expect("volumes are in C order"), &numbers);
        Ok((vec![Volume::U32(labels)], vec![]))
    }

    fn merge(&self, phase: RelabelPhase, state: &mut Slabs, partials: Partials) -> Result<Next> {
        match phase {
            RelabelPhase::Firsts => *state = Slabs::new(self.shape, partials.cut()),
            RelabelPhase::Shuffle(phase) => return self.shuffle().merge(phase, state, partials),
            RelabelPhase::Renumber => {}
        }
        Ok(Next::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::algorithms::components::tests::{Random, hold_blocked, labels};

    #[test]
    fn numbers_follow_first_voxels() {
        let mut random = Random(21);
        for _ in 0..40 {
            let shape = random.shape(9);
            let l: Vec<u32> = (0..shape.iter().product()).map(|_| random.below(6) as u32 * 1000).collect();
            let mut order: Vec<u32> = Vec::new();
            l.iter().filter(|l| **l != 0).for_each(|v| {
                if !order.contains(v) {
                    order.push(*v);
                }
            });
            let expected: Vec<u32> =
                l.iter().map(|v| order.iter().position(|o| o == v).map_or(0, |i| i as u32 + 1)).collect();
            let seen = hold_blocked("relabel", &[], &[Some(labels(shape, l))], &mut random);
            assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), expected);
        }
    }
}
