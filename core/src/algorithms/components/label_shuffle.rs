//! Objects in any number of pieces, which blocks know by labels, numbered in the order of their first voxels by phases of
//! rows, none of which sees all objects at once.
//!
//! Slabs put what their blocks have found together and sort it into buckets of labels ([`ShufflePhase::Slabs`]). A bucket has all slabs'
//! rows of its labels, so that it knows their first voxels in the image, and sorts them by the slabs that they are in
//! ([`ShufflePhase::Firsts`]). Then slabs count the objects that begin in them ([`ShufflePhase::Counts`]), and find the numbers of those that their
//! blocks have ([`ShufflePhase::Numbers`]).

use crate::Result;
use crate::algorithms::components::slabs::{Slabs, lost};
use crate::algorithms::relabel::Numbers;
use crate::program::{Next, Partials, Phase, TileContext, decode, encode, indexed_blob};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Labels, ascending, each with the name of its first voxel.
pub type Firsts = Vec<(u32, u64)>;

/// The phases, which follow each other in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShufflePhase {
    /// Slabs sort what their blocks have found: an indexed blob by bucket.
    Slabs,
    /// Buckets find first voxels: an indexed blob by slab of all its labels, each with its first voxel in the image.
    Firsts,
    /// Slabs count the objects that begin in them: the number, and the first voxels.
    Counts,
    /// Slabs number the objects of their blocks: an indexed blob by block.
    Numbers,
}

impl ShufflePhase {
    /// All of them in order.
    pub const ALL: [Self; 4] = [Self::Slabs, Self::Firsts, Self::Counts, Self::Numbers];

    /// Declaration of a phase.
    pub fn declare(self) -> Phase {
        Phase::reduce(match self {
            Self::Slabs => "labels of slabs",
            Self::Firsts => "first voxels",
            Self::Counts => "counting",
            Self::Numbers => "numbers",
        })
    }
}

/// Voxels for each bucket of labels, so that a bucket fits into memory however many objects there are; few in the tests of
/// this crate, so that there are several.
const BUCKET: usize = if cfg!(test) { 1 << 7 } else { 1 << 26 };

/// These phases, as some of a program's.
pub struct LabelShuffle {
    /// The number of the first one.
    pub first: usize,
}

impl LabelShuffle {
    fn number(&self, phase: ShufflePhase) -> usize {
        self.first + phase as usize
    }

    /// [`crate::program::Program::parts`] of a phase.
    pub fn parts(&self, phase: ShufflePhase, slabs: &Slabs) -> usize {
        if phase == ShufflePhase::Firsts { buckets(slabs) } else { slabs.count() }
    }

    /// Makes a part of a phase. `found` says what a block has found.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn run(
        &self,
        phase: ShufflePhase,
        part: usize,
        slabs: &Slabs,
        found: impl Fn(usize, &dyn TileContext) -> Result<Firsts>,
        context: &dyn TileContext,
    ) -> Result<Vec<u8>> {
        match phase {
            ShufflePhase::Slabs => gathered(slabs, part, |block| found(block, context), earlier),
            ShufflePhase::Firsts => {
                let rows =
                    spread(slabs, self.number(ShufflePhase::Slabs), part, context, earlier, |_, first| {
                        first
                    })?;
                Ok(indexed_blob::join(&rows.iter().map(encode).collect::<Vec<_>>()))
            }
            ShufflePhase::Counts => {
                let names = self.firsts(part, slabs, context)?.into_iter().map(|first| first.1);
                let mut names: Vec<u64> = names.filter(|name| slabs.slab_of(*name) == part).collect();
                names.sort_unstable();
                Ok(indexed_blob::join(&[encode(&(names.len() as u64)), encode(&names)]))
            }
            ShufflePhase::Numbers => {
                let firsts = self.firsts(part, slabs, context)?;
                let first = |(label, name): (u32, u64)| {
                    let at = firsts.binary_search_by_key(&label, |first| first.0);
                    at.map(|at| firsts[at].1).map_err(|_| lost(name))
                };
                let of_block = |block| found(block, context)?.into_iter().map(first).collect();
                let blocks = slabs.blocks(part).map(of_block).collect::<Result<Vec<Vec<u64>>>>()?;
                let begin = |slab| {
                    decode::<Vec<u64>>(&indexed_blob::read(
                        context,
                        self.number(ShufflePhase::Counts),
                        slab,
                        1,
                    )?)
                };
                slabs.numbers(&blocks, begin, |names, name| slabs.number(names, name))
            }
        }
    }

    /// The labels that a slab has, with their first voxels in the image.
    fn firsts(&self, slab: usize, slabs: &Slabs, context: &dyn TileContext) -> Result<Firsts> {
        of_slab(slabs, self.number(ShufflePhase::Firsts), slab, context)
    }

    /// Merges a phase.
    ///
    /// # Errors
    /// More objects than labels, or what is said in place of a partial result.
    pub fn merge(&self, phase: ShufflePhase, slabs: &mut Slabs, partials: Partials) -> Result<Next> {
        if phase == ShufflePhase::Counts {
            slabs.begin_with(partials.map(|found| decode(&indexed_blob::of(&found?.1, 0)?)))?;
        }
        Ok(Next::Continue)
    }

    /// The numbers of the labels that a block has found.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn numbers(
        &self,
        found: &Firsts,
        block: usize,
        slabs: &Slabs,
        context: &dyn TileContext,
    ) -> Result<Numbers> {
        let numbers = slabs.numbers_of(self.number(ShufflePhase::Numbers), block, context)?;
        if found.len() != numbers.len() {
            return Err(lost(0));
        }
        Ok(found.iter().map(|first| first.0).zip(numbers).collect())
    }
}

fn earlier(first: &mut u64, other: u64) {
    *first = other.min(*first);
}

/// What the blocks of a slab have found of each label, added up, in pieces by bucket.
///
/// # Errors
/// What `found` says.
pub fn gathered<T: Serialize + Copy>(
    slabs: &Slabs,
    slab: usize,
    found: impl Fn(usize) -> Result<Vec<(u32, T)>>,
    add: impl Fn(&mut T, T),
) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for block in slabs.blocks(slab) {
        all.append(&mut found(block)?);
    }
    all.sort_unstable_by_key(|row| row.0);
    let mut sorted = vec![Vec::new(); buckets(slabs)];
    for of_label in all.chunk_by(|a, b| a.0 == b.0) {
        let (label, mut sum) = of_label[0];
        of_label[1..].iter().for_each(|row| add(&mut sum, row.1));
        sorted[bucket(label, buckets(slabs))].push((label, sum));
    }
    Ok(indexed_blob::join(&sorted.iter().map(encode).collect::<Vec<_>>()))
}

/// What slabs have [`gathered`] in a phase of the labels of a bucket, added up: by the slabs that have them, each label
/// with what `value` makes of it.
///
/// # Errors
/// If rows can't be read.
pub fn spread<T: DeserializeOwned + Copy, U: Clone>(
    slabs: &Slabs,
    phase: usize,
    bucket: usize,
    context: &dyn TileContext,
    add: impl Fn(&mut T, T),
    mut value: impl FnMut(u32, T) -> U,
) -> Result<Vec<Vec<(u32, U)>>> {
    let mut all: Vec<(u32, usize, T)> = Vec::new();
    for slab in 0..slabs.count() {
        let found: Vec<(u32, T)> = decode(&indexed_blob::read(context, phase, slab, bucket)?)?;
        all.extend(found.into_iter().map(|(label, row)| (label, slab, row)));
    }
    all.sort_unstable_by_key(|row| (row.0, row.1));
    let mut sorted = vec![Vec::new(); slabs.count()];
    for of_label in all.chunk_by(|a, b| a.0 == b.0) {
        let (label, _, mut sum) = of_label[0];
        of_label[1..].iter().for_each(|row| add(&mut sum, row.2));
        let value = value(label, sum);
        of_label.iter().for_each(|(_, slab, _)| sorted[*slab].push((label, value.clone())));
    }
    Ok(sorted)
}

/// The labels that a slab has, ascending, each with what buckets have found in a phase, in pieces by slab.
///
/// # Errors
/// If rows can't be read.
pub fn of_slab<U: DeserializeOwned>(
    slabs: &Slabs,
    phase: usize,
    slab: usize,
    context: &dyn TileContext,
) -> Result<Vec<(u32, U)>> {
    let mut all = Vec::new();
    for bucket in 0..buckets(slabs) {
        all.append(&mut decode(&indexed_blob::read(context, phase, bucket, slab)?)?);
    }
    all.sort_unstable_by_key(|row: &(u32, U)| row.0);
    Ok(all)
}

/// How many buckets labels are sorted into.
pub fn buckets(slabs: &Slabs) -> usize {
    (slabs.voxels() / BUCKET).max(1)
}

/// The bucket of a label: labels that follow each other are spread evenly.
fn bucket(label: u32, buckets: usize) -> usize {
    ((u64::from(label.wrapping_mul(0x9e37_79b1)) * buckets as u64) >> 32) as usize
}
