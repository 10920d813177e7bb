//! Sums over the intensities of objects in one channel.

use super::exact::{Pieces, Wide};
use super::sums::{PRODUCTS, VoxelSums};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    pub min_at: [u32; 3],
    /// Greatest finite intensity.
    pub max: f64,
    /// The first voxel that has it.
    pub max_at: [u32; 3],
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
            min_at: [u32::MAX; 3],
            max: f64::NEG_INFINITY,
            max_at: [u32::MAX; 3],
            missing: None,
        }
    }
}

impl ChannelSums {
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

/// The least or the greatest intensity of an object and the first voxel that has it.
type Extreme = (f64, [u32; 3]);

/// The sums of many objects in one channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ChannelTable {
    valid: Pieces<u64>,
    /// Σ q and Σ q², Σ p to Σ p⁴, first and second moments.
    q: [Wide; 2],
    p: [Wide; 4],
    first: [Wide; 3],
    second: [Wide; 6],
    min: Pieces<Extreme>,
    max: Pieces<Extreme>,
    /// By row; most objects have none.
    missing: BTreeMap<usize, VoxelSums>,
}

impl ChannelTable {
    fn sums(&mut self) -> impl Iterator<Item = &mut Wide> {
        self.q.iter_mut().chain(&mut self.p).chain(&mut self.first).chain(&mut self.second)
    }

    /// Adds an object without voxels.
    pub fn push(&mut self) {
        let none = ChannelSums::default();
        self.valid.push(0);
        self.sums().for_each(Wide::push);
        self.min.push((none.min, none.min_at));
        self.max.push((none.max, none.max_at));
    }

    /// Adds the sums of other voxels to an object.
    pub fn merge(&mut self, row: usize, o: &ChannelSums) {
        self.valid[row] += o.valid;
        let added = [o.q, o.q2].into_iter().chain(o.p).chain(o.first).chain(o.second);
        for (sum, add) in self.sums().zip(added) {
            sum.add(row, add);
        }
        let (min, max) = (&mut self.min[row], &mut self.max[row]);
        if o.min < min.0 || o.min == min.0 && o.min_at < min.1 {
            *min = (o.min, o.min_at);
        }
        if o.max > max.0 || o.max == max.0 && o.max_at < max.1 {
            *max = (o.max, o.max_at);
        }
        if let Some(missing) = &o.missing {
            self.missing.entry(row).or_default().merge(missing);
        }
    }

    /// The sums of an object.
    pub fn get(&self, row: usize) -> ChannelSums {
        let ((min, min_at), (max, max_at)) = (self.min[row], self.max[row]);
        ChannelSums {
            valid: self.valid[row],
            q: self.q[0].get(row),
            q2: self.q[1].get(row),
            p: std::array::from_fn(|k| self.p[k].get(row)),
            first: std::array::from_fn(|k| self.first[k].get(row)),
            second: std::array::from_fn(|k| self.second[k].get(row)),
            min,
            min_at,
            max,
            max_at,
            missing: self.missing.get(&row).cloned().map(Box::new),
        }
    }

    /// Voxels of an object with a finite intensity.
    pub fn valid(&self, row: usize) -> u64 {
        self.valid[row]
    }

    /// Least and greatest finite intensity of an object.
    pub fn range(&self, row: usize) -> (f64, f64) {
        (self.min[row].0, self.max[row].0)
    }
}
