//! Consecutive label numbers.

use super::components::label_shuffle::{self, Firsts, LabelShuffle};
use super::components::slabs::Slabs;
use super::kernel::{Partials, decode, encode};
use super::spec::{Group, Input, Kind, Produces, Spec};
use super::{
    Block, Call, FieldSpec, Kernel, Mode, Next, Operator, Output, Phase, Prepared, Program, Source,
    TileContext, Tiling,
};
use crate::{Job, Region, Result, Volume, VoxelType};
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

/// New labels by old ones.
pub(super) type Numbers = HashMap<u32, u32>;

struct RelabelKernel {
    shape: [usize; 3],
}

/// Calls `f` with each run of equal labels other than 0: its start and its label.
#[inline(always)]
pub(crate) fn runs(labels: &[u32], mut f: impl FnMut(usize, u32)) {
    let mut last = 0;
    for (i, &label) in labels.iter().enumerate() {
        if label != last {
            last = label;
            if label != 0 {
                f(i, label);
            }
        }
    }
}

/// The labels of a stretch of voxels in the order in which they appear, with where that is.
fn firsts(labels: &[u32]) -> Vec<(u32, usize)> {
    let (mut seen, mut order) = (HashMap::new(), Vec::new());
    runs(labels, |i, label| {
        seen.entry(label).or_insert_with(|| order.push((label, i)));
    });
    order
}

/// Where each label of a block is first seen: linear indices in the image of `shape`.
pub(super) fn first_voxels(labels: &[u32], block: Region, shape: [usize; 3]) -> HashMap<u32, u64> {
    let chunks: Vec<Vec<(u32, usize)>> = labels.par_chunks(CHUNK).map(firsts).collect();
    let mut all = HashMap::new();
    for (chunk, found) in chunks.into_iter().enumerate() {
        for (label, i) in found {
            all.entry(label).or_insert_with(|| global(chunk * CHUNK + i, block, shape));
        }
    }
    all
}

/// [`map`] on several threads.
pub(super) fn map_all(labels: &mut [u32], numbers: &Numbers, job: &Job) -> Result<()> {
    labels.par_chunks_mut(CHUNK).try_for_each(|chunk| {
        job.check()?;
        map(chunk, numbers);
        job.advance(chunk.len() as u64);
        Ok(())
    })
}

/// New labels for old, both as written and as found: 0 stays 0.
pub(super) fn map(labels: &mut [u32], numbers: &Numbers) {
    let mut last = (0, 0);
    for label in labels {
        if *label != last.0 {
            last = (*label, numbers.get(label).copied().unwrap_or(0));
        }
        *label = last.1;
    }
}

const CHUNK: usize = 1 << 18;

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

/// Blocks find their labels, ascending, each with the name of its first voxel.
const FOUND: usize = 0;
/// Then they are numbered.
const SHUFFLE: LabelShuffle = LabelShuffle { first: FOUND + 1 };

/// What a block has found.
fn found_in(block: usize, context: &dyn TileContext) -> Result<Firsts> {
    decode(&context.partial(FOUND, 0, block)?)
}

impl Program for RelabelKernel {
    type State = Slabs;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U32 }]
    }

    fn phases(&self) -> Vec<Phase> {
        let blocks = |name, writes| {
            let reads = vec![Source::Input(0, [0; 3])];
            Phase { name, tiling: Tiling::Blocks, reads, writes }
        };
        let mut phases = vec![blocks("finding labels", vec![])];
        phases.extend(label_shuffle::phases());
        phases.push(blocks("renumbering", vec![0]));
        phases
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn parts(&self, phase: usize, state: &Slabs) -> usize {
        SHUFFLE.parts(phase, state)
    }

    fn run(
        &self,
        phase: usize,
        state: &Slabs,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        _: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        if SHUFFLE.has(phase) {
            return Ok((vec![], SHUFFLE.run(phase, block.out.start[0], state, found_in, context)?));
        }
        let Some(Volume::U32(labels)) = inputs[0].as_deref() else { unreachable!("labels are u32") };
        if phase == FOUND {
            let found = firsts(labels.as_slice().expect("volumes are in C order")).into_iter();
            let mut found: Firsts =
                found.map(|(label, at)| (label, global(at, block.out, self.shape) + 1)).collect();
            found.sort_unstable();
            return Ok((vec![], encode(&found)));
        }
        let number = state.block(block.out);
        let numbers = SHUFFLE.numbers(&found_in(number, context)?, number, state, context)?;
        let mut labels = labels.clone();
        map(labels.as_slice_mut().expect("volumes are in C order"), &numbers);
        Ok((vec![Volume::U32(labels)], vec![]))
    }

    fn merge(&self, phase: usize, state: &mut Slabs, partials: Partials) -> Result<Next> {
        if phase == FOUND {
            *state = Slabs::new(self.shape, partials.cut());
        }
        SHUFFLE.merge(phase, state, partials)
    }
}

/// Linear index in an image of `shape` of a linear index in a block of it.
pub(super) fn global(i: usize, block: Region, shape: [usize; 3]) -> u64 {
    let [_, ny, nx] = block.shape;
    let [z, y, x] = [i / (ny * nx) + block.start[0], i / nx % ny + block.start[1], i % nx + block.start[2]];
    ((z * shape[1] + y) * shape[2] + x) as u64
}

#[cfg(test)]
mod tests {
    use super::super::components::tests::{Random, hold_blocked, labels};

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
