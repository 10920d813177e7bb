//! The additive part of the measurements: integer sums per object and per pair of touching objects.
//!
//! Architecture invariant: every sum here is of integers, so partial results merge exactly and in
//! any order; the table that follows is the same for any block size and any number of threads.

pub mod channel;
pub mod crofton;
pub mod exact;
pub mod index;
pub mod intensity;
pub mod local_area;
pub mod moments;
pub mod rows;
pub mod scan;

use crate::measure::sums::channel::ChannelTable;
use crate::measure::sums::crofton::Weights;
use crate::measure::sums::exact::{Pieces, Wide};
use crate::measure::sums::index::Index;
use crate::program::DeviceSums;
use crate::{Region, VoxelType};
use serde::{Deserialize, Serialize};

/// Sums over the voxels of an object in index space; vectors are `[z, y, x]`, second moments
/// `[zz, yy, xx, zy, zx, yx]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoxelSums {
    /// Number of voxels.
    pub count: u64,
    /// Sum of the indices.
    pub first: [i128; 3],
    /// Sum of their products.
    pub second: [i128; 6],
    /// Least index.
    pub low: [u32; 3],
    /// One past the greatest index.
    pub high: [u32; 3],
}

impl Default for VoxelSums {
    fn default() -> Self {
        Self { count: 0, first: [0; 3], second: [0; 6], low: [u32::MAX; 3], high: [0; 3] }
    }
}

/// Which two axes each second moment multiplies.
pub const PRODUCTS: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];

impl VoxelSums {
    /// Adds the sums of other voxels.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (a, b) in self.first.iter_mut().zip(other.first) {
            *a += b;
        }
        for (a, b) in self.second.iter_mut().zip(other.second) {
            *a += b;
        }
        for a in 0..3 {
            self.low[a] = self.low[a].min(other.low[a]);
            self.high[a] = self.high[a].max(other.high[a]);
        }
    }

    /// Adds one voxel.
    pub fn add(&mut self, at: [usize; 3]) {
        self.count += 1;
        for a in 0..3 {
            self.first[a] += at[a] as i128;
            self.low[a] = self.low[a].min(at[a] as u32);
            self.high[a] = self.high[a].max(at[a] as u32 + 1);
        }
        for (k, (a, b)) in PRODUCTS.into_iter().enumerate() {
            self.second[k] += at[a] as i128 * at[b] as i128;
        }
    }
}

/// The voxel sums of many objects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VoxelTable {
    counts: Pieces<u64>,
    first: [Wide; 3],
    /// Kept only where they are asked for.
    second: Option<[Wide; 6]>,
    boxes: Pieces<[[u32; 3]; 2]>,
}

impl VoxelTable {
    /// No objects; `moments` tells whether second moments are kept.
    pub fn new(moments: bool) -> Self {
        Self { second: moments.then(Default::default), ..Self::default() }
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether second moments are kept.
    pub fn has_moments(&self) -> bool {
        self.second.is_some()
    }

    /// Adds an object without voxels.
    pub fn push(&mut self) {
        let none = VoxelSums::default();
        self.counts.push(0);
        self.first.iter_mut().chain(self.second.iter_mut().flatten()).for_each(Wide::push);
        self.boxes.push([none.low, none.high]);
    }

    /// Adds the sums of other voxels to an object.
    pub fn merge(&mut self, row: usize, sums: &VoxelSums) {
        self.counts[row] += sums.count;
        for (to, &from) in self.first.iter_mut().zip(&sums.first) {
            to.add(row, from);
        }
        for (to, &from) in self.second.iter_mut().flatten().zip(&sums.second) {
            to.add(row, from);
        }
        let [low, high] = &mut self.boxes[row];
        for a in 0..3 {
            low[a] = low[a].min(sums.low[a]);
            high[a] = high[a].max(sums.high[a]);
        }
    }

    /// The sums of an object; second moments that are not kept are 0.
    pub fn get(&self, row: usize) -> VoxelSums {
        let [low, high] = self.boxes[row];
        VoxelSums {
            count: self.counts[row],
            first: std::array::from_fn(|a| self.first[a].get(row)),
            second: self.second.as_ref().map_or([0; 6], |s| std::array::from_fn(|k| s[k].get(row))),
            low,
            high,
        }
    }

    /// Number of voxels of an object.
    pub fn count(&self, row: usize) -> u64 {
        self.counts[row]
    }

    /// The box of an object that has voxels.
    pub fn region(&self, row: usize) -> Region {
        let [low, high] = self.boxes[row].map(|corner| corner.map(|n| n as usize));
        Region::new(low, std::array::from_fn(|a| high[a] - low[a]))
    }
}

/// The same sums within one slab, about the slab's corner, in numbers that are quick to add to.
/// A slab has fewer than 2²⁸ voxels and sides below 2¹⁷, so that nothing overflows.
#[derive(Debug, Clone, Copy)]
pub struct LocalSums {
    /// Number of voxels.
    pub count: u64,
    /// Sum of the indices.
    pub first: [u64; 3],
    /// Least index.
    pub low: [u32; 3],
    /// One past the greatest index.
    pub high: [u32; 3],
}

/// Sums of products of indices, where they are asked for.
pub type LocalMoments = [u64; 6];

impl Default for LocalSums {
    fn default() -> Self {
        Self { count: 0, first: [0; 3], low: [u32::MAX; 3], high: [0; 3] }
    }
}

/// Sums of the numbers below `n` and of their squares.
#[inline(always)]
fn powers(n: u64) -> (u64, u64) {
    let steps = n * (n - 1) / 2;
    (steps, steps * (2 * n - 1) / 3)
}

/// Adds `length` voxels along x from `(z, y, x)`.
#[inline(always)]
pub fn add_moments(second: &mut LocalMoments, z: usize, y: usize, x: usize, length: usize) {
    let (z, y, x, n) = (z as u64, y as u64, x as u64, length as u64);
    let (steps, squares) = powers(n);
    let sum_x = n * x + steps;
    second[0] += n * z * z;
    second[1] += n * y * y;
    second[2] += n * x * x + 2 * x * steps + squares;
    second[3] += n * z * y;
    second[4] += z * sum_x;
    second[5] += y * sum_x;
}

impl LocalSums {
    /// Adds `length` voxels along x from `(z, y, x)`.
    #[inline(always)]
    pub fn add_run(&mut self, z: usize, y: usize, x: usize, length: usize) {
        let (z, y, x, n) = (z as u64, y as u64, x as u64, length as u64);
        self.count += n;
        self.first[0] += n * z;
        self.first[1] += n * y;
        self.first[2] += n * x + powers(n).0;
        self.low[0] = self.low[0].min(z as u32);
        self.low[1] = self.low[1].min(y as u32);
        self.low[2] = self.low[2].min(x as u32);
        self.high[0] = self.high[0].max(z as u32 + 1);
        self.high[1] = self.high[1].max(y as u32 + 1);
        self.high[2] = self.high[2].max((x + n) as u32);
    }

    /// The sums about the image's origin, for a slab that begins at `origin`.
    pub fn at(&self, second: Option<&LocalMoments>, origin: [usize; 3]) -> VoxelSums {
        if self.count == 0 {
            return VoxelSums::default();
        }
        let o = origin.map(|v| v as i128);
        let (n, f) = (i128::from(self.count), self.first.map(i128::from));
        let moved = |second: &LocalMoments| {
            std::array::from_fn(|k| {
                let (a, b) = PRODUCTS[k];
                i128::from(second[k]) + o[a] * f[b] + o[b] * f[a] + n * o[a] * o[b]
            })
        };
        VoxelSums {
            count: self.count,
            first: std::array::from_fn(|a| f[a] + n * o[a]),
            second: second.map_or([0; 6], moved),
            low: std::array::from_fn(|a| self.low[a] + origin[a] as u32),
            high: std::array::from_fn(|a| self.high[a] + origin[a] as u32),
        }
    }
}

/// Sums over the 2×2×2 neighbourhoods of an object, in the fixed point of [`Weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CellSums {
    /// Surface area, Crofton.
    pub surface: i64,
    /// Surface area, local weights.
    pub local: i64,
    /// Mean breadth.
    pub breadth: i64,
    /// Eight times the Euler number, 6-connected.
    pub euler_6: i64,
    /// Eight times the Euler number, 26-connected.
    pub euler_26: i64,
    /// Four times the number of exposed voxel faces.
    pub faces: i64,
}

impl CellSums {
    /// Adds one neighbourhood.
    #[inline(always)]
    pub fn add(&mut self, w: &Weights) {
        self.surface += w.surface;
        self.local += w.local;
        self.breadth += w.breadth;
        self.euler_6 += w.euler_6;
        self.euler_26 += w.euler_26;
        self.faces += w.faces;
    }

    /// Adds the sums of other neighbourhoods.
    pub fn merge(&mut self, o: &Self) {
        self.surface += o.surface;
        self.local += o.local;
        self.breadth += o.breadth;
        self.euler_6 += o.euler_6;
        self.euler_26 += o.euler_26;
        self.faces += o.faces;
    }
}

/// What two touching objects share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PairSums {
    /// Twice the area of the interface, in units of [`Weights::surface`].
    pub area: i64,
    /// Eight times the number of shared voxel faces.
    pub faces: i64,
}

impl PairSums {
    /// Adds the sums of other neighbourhoods.
    pub fn merge(&mut self, o: &Self) {
        self.area += o.area;
        self.faces += o.faces;
    }
}

/// Sums over the neighbourhoods of everything that is not background, taken as one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnionSums {
    /// Over all neighbourhoods; outside the image is background.
    pub all: CellSums,
    /// Over the neighbourhoods that lie inside the image: what is additive over parts of an image.
    pub inner: CellSums,
    /// What of `all.surface` lies on the faces of the image.
    pub cut: i64,
}

impl UnionSums {
    /// Adds the sums of other neighbourhoods.
    pub fn merge(&mut self, o: &Self) {
        self.all.merge(&o.all);
        self.inner.merge(&o.inner);
        self.cut += o.cut;
    }
}

/// All sums of a part of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Objects {
    /// Labels; everything below is in the order of their numbers.
    pub labels: Index,
    /// Sums over voxels.
    pub voxels: VoxelTable,
    /// Sums over neighbourhoods, where they are asked for.
    pub cells: Option<Pieces<CellSums>>,
    /// Sums over intensities, by channel.
    pub channels: Vec<ChannelTable>,
    /// Pairs of touching labels, the lesser in the high half of the key.
    pub pairs: Index,
    /// What they share.
    pub contacts: Pieces<PairSums>,
    /// All objects as one.
    pub union: UnionSums,
}

impl Objects {
    /// No objects, with channels of these types; `moments` and `cells` tell whether second moments and
    /// sums over neighbourhoods are kept.
    pub fn new(channels: impl IntoIterator<Item = VoxelType>, moments: bool, cells: bool) -> Self {
        Self {
            voxels: VoxelTable::new(moments),
            cells: cells.then(Pieces::default),
            channels: channels.into_iter().map(ChannelTable::new).collect(),
            ..Self::default()
        }
    }

    /// The sums that [`crate::program::Accelerator::sums`] made.
    ///
    /// # Panics
    /// If they are of another type, which is a defect of the device's code.
    pub fn of_device(sums: DeviceSums) -> Box<Self> {
        sums.downcast().expect("devices make sums of this type")
    }

    /// The row of a label, which is added if it is new.
    pub fn row(&mut self, label: u64) -> usize {
        let row = self.labels.number(label);
        if row == self.voxels.len() {
            self.voxels.push();
            if let Some(cells) = &mut self.cells {
                cells.push(CellSums::default());
            }
            self.channels.iter_mut().for_each(ChannelTable::push);
        }
        row
    }

    /// The sums of a pair of labels, added if new.
    pub fn pair(&mut self, a: u64, b: u64) -> &mut PairSums {
        let row = self.pairs.number(a.min(b) << 32 | a.max(b));
        if row == self.contacts.len() {
            self.contacts.push(PairSums::default());
        }
        &mut self.contacts[row]
    }

    /// The sums of some of the objects and of the pairs that they are in; all objects as one stay that.
    pub fn only(&self, wanted: impl Fn(u64) -> bool) -> Self {
        let moments = self.voxels.has_moments();
        let mut some =
            Self::new(self.channels.iter().map(ChannelTable::voxel), moments, self.cells.is_some());
        some.merge_some(self, wanted);
        some
    }

    /// Adds the sums of another part, which keeps the same sums.
    pub fn merge(&mut self, other: &Self) {
        self.merge_some(other, |_| true);
    }

    fn merge_some(&mut self, other: &Self, wanted: impl Fn(u64) -> bool) {
        self.union.merge(&other.union);
        for (i, &label) in other.labels.keys().iter().enumerate().filter(|(_, label)| wanted(**label)) {
            let row = self.row(label);
            self.voxels.merge(row, &other.voxels.get(i));
            if let (Some(mine), Some(theirs)) = (&mut self.cells, &other.cells) {
                mine[row].merge(&theirs[i]);
            }
            for (mine, theirs) in self.channels.iter_mut().zip(&other.channels) {
                mine.merge(row, &theirs.get(i));
            }
        }
        for (&key, sums) in other.pairs.keys().iter().zip(other.contacts.iter()) {
            let (a, b) = (key >> 32, key & 0xffff_ffff);
            if wanted(a) || wanted(b) {
                self.pair(a, b).merge(sums);
            }
        }
    }
}
