//! Ordered flooding block by block.
//!
//! Every voxel has a key: the level that the flood has risen to when it gets there, then steps since.
//! A voxel's key follows from the least key among its neighbours and is always greater than that, so
//! there is one assignment that agrees with itself everywhere. Each round, a block is flooded anew
//! from its markers and from what its neighbours hold; keys only ever fall, and the rounds end when
//! nothing has changed anywhere.

use super::Levels;
use crate::algorithms::components::Connectivity;
use crate::program::{Block, FieldSpec, Next, Partials, Phase, Source};
use crate::{Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

/// The key of a voxel that no flood has reached.
const UNREACHED: u64 = u64::MAX;

/// Phases of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloodPhase {
    /// Keys and labels of the markers.
    Markers,
    /// Each block is flooded, until nothing changes.
    Flooding,
}

/// Floods relaxed over blocks.
pub struct Relax {
    /// Shape of the image.
    pub shape: [usize; 3],
    /// Which voxels a flood passes between.
    pub connectivity: Connectivity,
    /// Most steps on one level.
    pub steps: u64,
}

impl Relax {
    /// The fields: keys and labels.
    pub fn fields() -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U64 }, FieldSpec { voxel: VoxelType::U32 }]
    }

    /// Declaration of a phase, for the sources of levels, markers and mask, and the numbers of the fields.
    pub fn declare(phase: FloodPhase, inputs: [Source; 3], [keys, labels]: [usize; 2]) -> Phase {
        let mut reads = inputs.to_vec();
        match phase {
            FloodPhase::Markers => Phase::blocks("markers", reads, vec![keys, labels]),
            FloodPhase::Flooding => {
                reads.extend([Source::Field(keys, [1; 3]), Source::Field(labels, [1; 3])]);
                Phase::blocks("flooding", reads, vec![keys, labels])
            }
        }
    }

    /// Keys and labels of the markers of a block.
    pub fn begin(
        levels: &impl Levels,
        markers: &[u32],
        mask: Option<&[u8]>,
        shape: [usize; 3],
    ) -> Vec<Volume> {
        let mut keys = Array3::from_elem(shape, UNREACHED);
        let mut labels = Array3::zeros(shape);
        let (k, l) = (keys.as_slice_mut().expect("just made"), labels.as_slice_mut().expect("just made"));
        for (i, &marker) in markers.iter().enumerate() {
            if marker != 0 && mask.is_none_or(|m| m[i] != 0) {
                k[i] = u64::from(levels.at(i)) << 32;
                l[i] = marker;
            }
        }
        vec![Volume::U64(keys), Volume::U32(labels)]
    }

    /// One round on one block. `levels`, `markers` and `mask` cover the block, `fields` (keys, labels) also one voxel
    /// around. The partial result says whether anything has changed.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn step(
        &self,
        levels: &impl Levels,
        markers: &[u32],
        mask: Option<&[u8]>,
        block: &Block,
        fields: &[Option<Arc<Volume>>],
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let (Some(Volume::U64(keys)), Some(Volume::U32(labels))) =
            (fields[0].as_deref(), fields[1].as_deref())
        else {
            unreachable!("keys are u64, labels u32")
        };
        let source = Region::whole(self.shape).intersection(&block.out.grown([1; 3], self.shape));
        let inner = block.out.relative_to(source.start);
        let (new_keys, new_labels) = self.flood(levels, markers, mask, keys, labels, source, inner, job)?;
        let (k, l) = (crop(&new_keys, inner), crop(&new_labels, inner));
        let same = k == crop(keys, inner) && l == crop(labels, inner);
        Ok((vec![Volume::U64(k), Volume::U32(l)], vec![u8::from(!same)]))
    }

    fn flood(
        &self,
        levels: &impl Levels,
        markers: &[u32],
        mask: Option<&[u8]>,
        keys: &Array3<u64>,
        labels: &Array3<u32>,
        source: Region,
        inner: Region,
        job: &Job,
    ) -> Result<(Array3<u64>, Array3<u32>)> {
        let steps = self.connectivity.neighbours();
        let (mut keys, mut labels) = (keys.clone(), labels.clone());
        let [_, sy, sx] = source.shape;
        let (start, end) = (inner.start, inner.end());
        let k = keys.as_slice_mut().expect("volumes are in C order");
        let l = labels.as_slice_mut().expect("volumes are in C order");
        let in_block = |p: [usize; 3]| -> Option<usize> {
            (0..3).all(|a| (start[a]..end[a]).contains(&p[a])).then(|| {
                ((p[0] - start[0]) * inner.shape[1] + p[1] - start[1]) * inner.shape[2] + p[2] - start[2]
            })
        };
        // Within a box, indices order as they do in the image.
        let mut heap = BinaryHeap::new();
        for i in 0..k.len() {
            if let Some(own) = in_block([i / (sy * sx), i / sx % sy, i % sx])
                && (markers[own] == 0 || mask.is_some_and(|m| m[own] == 0))
            {
                (k[i], l[i]) = (UNREACHED, 0);
            }
            if k[i] != UNREACHED {
                heap.push(Reverse((k[i], i)));
            }
        }
        let mut count = 0u32;
        while let Some(Reverse((key, at))) = heap.pop() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(4096) {
                job.check()?;
            }
            if self.steps < u64::MAX && (key & u64::from(u32::MAX)) >= self.steps {
                continue;
            }
            let p = [at / (sy * sx), at / sx % sy, at % sx];
            for step in &steps {
                let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(step[a]));
                let Some(own) = in_block(q) else { continue };
                let to = (q[0] * sy + q[1]) * sx + q[2];
                if k[to] != UNREACHED || mask.is_some_and(|m| m[own] == 0) {
                    continue;
                }
                let level = u64::from(levels.at(own)) << 32;
                // Risen to a level of its own, or one step on at the level of the neighbour.
                k[to] = if level > key { level } else { key + 1 };
                l[to] = l[at];
                heap.push(Reverse((k[to], to)));
            }
        }
        Ok((keys, labels))
    }

    /// After a round: which blocks changed, and whether there is another one.
    ///
    /// # Errors
    /// What is said in place of a partial result.
    pub fn merge(changed: &mut Changed, partials: Partials) -> Result<Next> {
        let (cut, mut blocks) = (partials.cut(), BTreeSet::new());
        for partial in partials {
            let (region, partial) = partial?;
            if partial == [1] {
                blocks.insert(std::array::from_fn(|a| region.start[a] / cut[a]));
            }
        }
        let next = if blocks.is_empty() { Next::Continue } else { Next::Repeat };
        changed.0 = Some((cut, blocks));
        Ok(next)
    }
}

/// The blocks that changed in the round before, if there was one, by their places among the blocks, and the shape of a
/// block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Changed(Option<([usize; 3], BTreeSet<[usize; 3]>)>);

impl Changed {
    /// Whether a round can change a block: it or one beside it changed in the round before.
    pub fn concerns(&self, block: Region) -> bool {
        let Some((cut, blocks)) = &self.0 else { return true };
        let place: [usize; 3] = std::array::from_fn(|a| block.start[a] / cut[a]);
        (0..27).any(|k| {
            let step = [k / 9, k / 3 % 3, k % 3];
            let beside = std::array::from_fn(|a| (place[a] + step[a]).wrapping_sub(1));
            blocks.contains(&beside)
        })
    }
}

fn crop<T: Clone>(array: &Array3<T>, region: Region) -> Array3<T> {
    let [z, y, x] = region.ranges();
    array.slice(ndarray::s![z, y, x]).to_owned()
}
