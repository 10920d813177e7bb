//! The additive part of the measurements: integer sums per object and per pair of touching objects.
//!
//! Architecture invariant: every sum here is of integers, so partial results merge exactly and in
//! any order; the table that follows is the same for any block size and any number of threads.

use super::crofton::Weights;
use super::index::Index;
use serde::{Deserialize, Serialize};

/// Sums over the voxels of an object in index space; vectors are `[z, y, x]`, second moments
/// `[zz, yy, xx, zy, zx, yx]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoxelSums {
    /// Number of voxels.
    pub count: u64,
    /// Sum of the indices.
    pub first: [u128; 3],
    /// Sum of their products.
    pub second: [u128; 6],
    /// Least index.
    pub low: [u64; 3],
    /// One past the greatest index.
    pub high: [u64; 3],
}

impl Default for VoxelSums {
    fn default() -> Self {
        Self { count: 0, first: [0; 3], second: [0; 6], low: [u64::MAX; 3], high: [0; 3] }
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
            self.first[a] += at[a] as u128;
            self.low[a] = self.low[a].min(at[a] as u64);
            self.high[a] = self.high[a].max(at[a] as u64 + 1);
        }
        for (k, (a, b)) in PRODUCTS.into_iter().enumerate() {
            self.second[k] += at[a] as u128 * at[b] as u128;
        }
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
    /// Sum of their products.
    pub second: [u64; 6],
    /// Least index.
    pub low: [u32; 3],
    /// One past the greatest index.
    pub high: [u32; 3],
}

impl Default for LocalSums {
    fn default() -> Self {
        Self { count: 0, first: [0; 3], second: [0; 6], low: [u32::MAX; 3], high: [0; 3] }
    }
}

impl LocalSums {
    /// Adds `length` voxels along x from `(z, y, x)`.
    #[inline(always)]
    pub fn add_run(&mut self, z: usize, y: usize, x: usize, length: usize) {
        let (z, y, x, n) = (z as u64, y as u64, x as u64, length as u64);
        let steps = n * (n - 1) / 2;
        let squares = steps * (2 * n - 1) / 3;
        let sum_x = n * x + steps;
        self.count += n;
        self.first[0] += n * z;
        self.first[1] += n * y;
        self.first[2] += sum_x;
        self.second[0] += n * z * z;
        self.second[1] += n * y * y;
        self.second[2] += n * x * x + 2 * x * steps + squares;
        self.second[3] += n * z * y;
        self.second[4] += z * sum_x;
        self.second[5] += y * sum_x;
        self.low[0] = self.low[0].min(z as u32);
        self.low[1] = self.low[1].min(y as u32);
        self.low[2] = self.low[2].min(x as u32);
        self.high[0] = self.high[0].max(z as u32 + 1);
        self.high[1] = self.high[1].max(y as u32 + 1);
        self.high[2] = self.high[2].max((x + n) as u32);
    }

    /// The sums about the image's origin, for a slab that begins at `origin`.
    pub fn at(&self, origin: [usize; 3]) -> VoxelSums {
        if self.count == 0 {
            return VoxelSums::default();
        }
        let o = origin.map(|v| v as u128);
        let (n, f) = (u128::from(self.count), self.first.map(u128::from));
        VoxelSums {
            count: self.count,
            first: std::array::from_fn(|a| f[a] + n * o[a]),
            second: std::array::from_fn(|k| {
                let (a, b) = PRODUCTS[k];
                u128::from(self.second[k]) + o[a] * f[b] + o[b] * f[a] + n * o[a] * o[b]
            }),
            low: std::array::from_fn(|a| u64::from(self.low[a]) + origin[a] as u64),
            high: std::array::from_fn(|a| u64::from(self.high[a]) + origin[a] as u64),
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

/// Sums over the intensities of an object in one channel, of the fixed-point value `q` (see
/// [`super::intensity::Scale`]) and, for third and fourth powers, of its coarser twin `p`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelSums {
    /// Voxels with a finite intensity.
    pub valid: u64,
    /// Σ q.
    pub q: i128,
    /// Σ q².
    pub q2: i128,
    /// Σ p, p², p³, p⁴.
    pub p: [i128; 4],
    /// Σ q·index, `[z, y, x]`.
    pub first: [i128; 3],
    /// Σ q·product of indices, as [`PRODUCTS`].
    pub second: [i128; 6],
    /// Least finite intensity.
    pub min: f64,
    /// The first voxel in memory order that has it, `[z, y, x]`.
    pub min_at: [u64; 3],
    /// Greatest finite intensity.
    pub max: f64,
    /// The first voxel that has it.
    pub max_at: [u64; 3],
    /// Sums over the voxels without a finite intensity, which are in none of the above.
    pub missing: Option<Box<VoxelSums>>,
}

impl Default for ChannelSums {
    fn default() -> Self {
        Self {
            valid: 0,
            q: 0,
            q2: 0,
            p: [0; 4],
            first: [0; 3],
            second: [0; 6],
            min: f64::INFINITY,
            min_at: [u64::MAX; 3],
            max: f64::NEG_INFINITY,
            max_at: [u64::MAX; 3],
            missing: None,
        }
    }
}

impl ChannelSums {
    /// Adds the sums of other voxels.
    pub fn merge(&mut self, o: &Self) {
        self.valid += o.valid;
        self.q += o.q;
        self.q2 += o.q2;
        for (a, b) in self.p.iter_mut().zip(o.p) {
            *a += b;
        }
        for (a, b) in self.first.iter_mut().zip(o.first) {
            *a += b;
        }
        for (a, b) in self.second.iter_mut().zip(o.second) {
            *a += b;
        }
        if o.min < self.min || o.min == self.min && o.min_at < self.min_at {
            (self.min, self.min_at) = (o.min, o.min_at);
        }
        if o.max > self.max || o.max == self.max && o.max_at < self.max_at {
            (self.max, self.max_at) = (o.max, o.max_at);
        }
        if let Some(missing) = &o.missing {
            self.missing.get_or_insert_default().merge(missing);
        }
    }

    /// The sums about the image's origin, for a slab that begins at `origin`.
    pub fn at(&self, origin: [usize; 3]) -> Self {
        let o = origin.map(|v| v as i128);
        let mut moved = self.clone();
        moved.first = std::array::from_fn(|a| self.first[a] + self.q * o[a]);
        moved.second = std::array::from_fn(|k| {
            let (a, b) = PRODUCTS[k];
            self.second[k] + o[a] * self.first[b] + o[b] * self.first[a] + self.q * o[a] * o[b]
        });
        moved
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
    pub voxels: Vec<VoxelSums>,
    /// Sums over neighbourhoods.
    pub cells: Vec<CellSums>,
    /// Sums over intensities, by channel.
    pub channels: Vec<Vec<ChannelSums>>,
    /// Pairs of touching labels, the lesser in the high half of the key.
    pub pairs: Index,
    /// What they share.
    pub contacts: Vec<PairSums>,
    /// All objects as one.
    pub union: UnionSums,
}

impl Objects {
    /// No objects, with so many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Vec::new(); channels], ..Self::default() }
    }

    /// The row of a label, which is added if it is new.
    pub fn row(&mut self, label: u64) -> usize {
        let row = self.labels.number(label);
        if row == self.voxels.len() {
            self.voxels.push(VoxelSums::default());
            self.cells.push(CellSums::default());
            for channel in &mut self.channels {
                channel.push(ChannelSums::default());
            }
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

    /// Adds the sums of another part.
    pub fn merge(&mut self, other: &Self) {
        self.union.merge(&other.union);
        for (i, &label) in other.labels.keys().iter().enumerate() {
            let row = self.row(label);
            self.voxels[row].merge(&other.voxels[i]);
            self.cells[row].merge(&other.cells[i]);
            for (mine, theirs) in self.channels.iter_mut().zip(&other.channels) {
                mine[row].merge(&theirs[i]);
            }
        }
        for (&key, sums) in other.pairs.keys().iter().zip(&other.contacts) {
            self.pair(key >> 32, key & 0xffff_ffff).merge(sums);
        }
    }
}
