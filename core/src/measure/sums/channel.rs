//! Sums over the intensities of objects in one channel.

use crate::VoxelType;
use crate::algorithms::exact_sum::ExactSum;
use crate::measure::sums::exact::{Pieces, Wide};
use crate::measure::sums::{PRODUCTS, VoxelSums, intensity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sums over the intensities of an object in one channel: of types of up to 16 bits those of the
/// integers `q = v − offset` (see [`crate::measure::sums::intensity::offset`]), of wider ones the exact sum alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelSums {
    /// Voxels with a finite intensity.
    pub valid: u64,
    /// Σ q, q², q³, q⁴.
    pub powers: [i128; 4],
    /// Σ q·index, `[z, y, x]`.
    pub first: [i128; 3],
    /// Σ q·product of indices, as [`PRODUCTS`].
    pub second: [i128; 6],
    /// Σ v of types of more than 16 bits.
    pub exact: ExactSum,
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
            powers: [0; 4],
            first: [0; 3],
            second: [0; 6],
            exact: ExactSum::default(),
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
        moved.first = std::array::from_fn(|a| self.first[a] + self.powers[0] * o[a]);
        moved.second = std::array::from_fn(|k| {
            let (a, b) = PRODUCTS[k];
            self.second[k] + o[a] * self.first[b] + o[b] * self.first[a] + self.powers[0] * o[a] * o[b]
        });
        moved
    }
}

/// The least or the greatest intensity of an object and the first voxel that has it.
type Extreme = (f64, [u32; 3]);

/// Powers and moments of many objects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Narrow {
    powers: [Wide; 4],
    first: [Wide; 3],
    second: [Wide; 6],
}

impl Narrow {
    fn all(&mut self) -> impl Iterator<Item = &mut Wide> {
        self.powers.iter_mut().chain(&mut self.first).chain(&mut self.second)
    }
}

/// The sums of many objects in one channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelTable {
    voxel: VoxelType,
    valid: Pieces<u64>,
    /// Of types of up to 16 bits.
    narrow: Option<Narrow>,
    /// Of wider types.
    exact: Pieces<ExactSum>,
    min: Pieces<Extreme>,
    max: Pieces<Extreme>,
    /// By row; most objects have none.
    missing: BTreeMap<usize, VoxelSums>,
}

impl ChannelTable {
    /// No objects, of a channel of this type.
    pub fn new(voxel: VoxelType) -> Self {
        Self {
            voxel,
            valid: Pieces::default(),
            narrow: intensity::offset(voxel).map(|_| Narrow::default()),
            exact: Pieces::default(),
            min: Pieces::default(),
            max: Pieces::default(),
            missing: BTreeMap::new(),
        }
    }

    /// Type of the intensities.
    pub fn voxel(&self) -> VoxelType {
        self.voxel
    }

    /// Adds an object without voxels.
    pub fn push(&mut self) {
        let none = ChannelSums::default();
        self.valid.push(0);
        match &mut self.narrow {
            Some(narrow) => narrow.all().for_each(Wide::push),
            None => self.exact.push(none.exact),
        }
        self.min.push((none.min, none.min_at));
        self.max.push((none.max, none.max_at));
    }

    /// Adds the sums of other voxels to an object.
    pub fn merge(&mut self, row: usize, o: &ChannelSums) {
        self.valid[row] += o.valid;
        match &mut self.narrow {
            Some(narrow) => {
                let added = o.powers.into_iter().chain(o.first).chain(o.second);
                narrow.all().zip(added).for_each(|(sum, add)| sum.add(row, add));
            }
            None => self.exact[row].merge(&o.exact),
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
        let missing = self.missing.get(&row).cloned().map(Box::new);
        let mut sums = ChannelSums {
            valid: self.valid[row],
            min,
            min_at,
            max,
            max_at,
            missing,
            ..ChannelSums::default()
        };
        match &self.narrow {
            Some(narrow) => {
                sums.powers = std::array::from_fn(|k| narrow.powers[k].get(row));
                sums.first = std::array::from_fn(|k| narrow.first[k].get(row));
                sums.second = std::array::from_fn(|k| narrow.second[k].get(row));
            }
            None => sums.exact = self.exact[row].clone(),
        }
        sums
    }

    /// The exact sum of an object's intensities, of types of more than 16 bits.
    pub fn exact(&self, row: usize) -> &ExactSum {
        &self.exact[row]
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
