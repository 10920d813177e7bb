//! Slabs, which are planes of blocks: phases of rows go through them, and objects are numbered by the slab that they begin
//! in. A name is the linear index of a voxel in the whole image, plus one; the first name of an object stands for it.

use crate::algorithms::components::blocked::too_many;
use crate::program::{TileContext, indexed_blob};
use crate::{Error, Region, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The slabs of an image, and how many objects begin before each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Slabs {
    shape: [usize; 3],
    /// Shape of a block.
    cut: [usize; 3],
    before: Vec<u64>,
}

impl Slabs {
    /// Of an image of `shape` in blocks of the shape `cut`.
    pub fn new(shape: [usize; 3], cut: [usize; 3]) -> Self {
        Self { shape, cut, before: Vec::new() }
    }

    /// Voxels of the image.
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many slabs there are.
    pub fn count(&self) -> usize {
        self.shape[0].div_ceil(self.cut[0])
    }

    /// Numbers of the blocks of a slab.
    pub fn blocks(&self, slab: usize) -> Range<usize> {
        let across: usize = (1..3).map(|a| self.shape[a].div_ceil(self.cut[a])).product();
        slab * across..(slab + 1) * across
    }

    /// The number of a block.
    pub fn block(&self, region: Region) -> usize {
        let count = self.shape[2].div_ceil(self.cut[2]);
        let [z, y, x] = std::array::from_fn(|a| region.start[a] / self.cut[a]);
        self.blocks(z).start + y * count + x
    }

    /// The slab that a name lies in.
    pub fn slab_of(&self, name: u64) -> usize {
        let voxels = (self.cut[0] * self.shape[1] * self.shape[2]) as u64;
        (name.saturating_sub(1) / voxels) as usize
    }

    /// Takes how many objects begin in each slab.
    ///
    /// # Errors
    /// More objects than labels, or what is said in place of a count.
    pub fn begin_with(&mut self, counts: impl Iterator<Item = Result<u64>>) -> Result<()> {
        let mut all = 0;
        for count in counts {
            self.before.push(all);
            all += count?;
        }
        if all > u64::from(u32::MAX) { Err(too_many(all)) } else { Ok(()) }
    }

    /// The number of an object, if `roots`, ascending, are the first names of those that begin in its slab.
    ///
    /// # Errors
    /// If it is not among them.
    pub fn number(&self, roots: &[u64], root: u64) -> Result<u32> {
        let at = roots.binary_search(&root).map_err(|_| lost(root))?;
        Ok((self.before[self.slab_of(root)] + at as u64 + 1) as u32)
    }

    /// The slab that the object with a number begins in, and how many begin there before it.
    pub fn home_of(&self, number: u32) -> (usize, usize) {
        let before = u64::from(number.saturating_sub(1));
        let slab = self.before.partition_point(|first| *first <= before).saturating_sub(1);
        (slab, (before - self.before[slab]) as usize)
    }

    /// Numbers for the objects of each block of a slab, which are given by their first names, in pieces: `known` reads
    /// what is known of the objects that begin in a slab, `number` takes that of one from it.
    ///
    /// # Errors
    /// What these say.
    pub fn numbers<T>(
        &self,
        blocks: &[Vec<u64>],
        known: impl Fn(usize) -> Result<T>,
        number: impl Fn(&T, u64) -> Result<u32>,
    ) -> Result<Vec<u8>> {
        // Objects begin here or in slabs before, which are read one after another.
        let mut roots: Vec<u64> = blocks.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        let mut numbers = Vec::with_capacity(roots.len());
        for of_one in roots.chunk_by(|a, b| self.slab_of(*a) == self.slab_of(*b)) {
            let known = known(self.slab_of(of_one[0]))?;
            for root in of_one {
                numbers.push(number(&known, *root)?);
            }
        }
        let number = |root: &u64| numbers[roots.binary_search(root).expect("it is one of them")];
        let piece = |block: &Vec<u64>| block.iter().flat_map(|root| number(root).to_le_bytes()).collect();
        Ok(indexed_blob::join(&blocks.iter().map(piece).collect::<Vec<_>>()))
    }

    /// What [`Slabs::numbers`] made in a phase for the objects of a block.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn numbers_of(&self, phase: usize, block: usize, context: &dyn TileContext) -> Result<Vec<u32>> {
        let of_slab = self.blocks(0).len();
        let numbers = indexed_blob::read(context, phase, block / of_slab, block % of_slab)?;
        Ok(numbers.as_chunks::<4>().0.iter().map(|n| u32::from_le_bytes(*n)).collect())
    }
}

/// The error of an object of which nothing is found where it was put.
pub fn lost(name: u64) -> Error {
    Error::Operator {
        op: "label",
        reason: format!("what was found of component {name} is not there any more"),
    }
}
