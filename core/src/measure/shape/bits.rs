//! A mask packed 64 voxels to the word, for counting pairs of voxels a step apart.

use crate::measure::sums::scan::RegionView;
use crate::{Region, Voxel, with_volume};
use rayon::prelude::*;

/// Rows of a region of a mask; a row begins at a word.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct BitVolume {
    region: Region,
    words: usize,
    rows: Vec<u64>,
}

impl BitVolume {
    /// What is not 0 in a part of an image.
    pub fn of(part: &RegionView) -> Self {
        let region = part.region;
        let [d, h, w] = region.shape;
        let words = w.div_ceil(64);
        let mut rows = vec![0u64; d * h * words];
        with_volume!(part.volume, |a| {
            let all = a.as_slice().expect("volumes are in C order");
            rows.par_chunks_mut(words.max(1)).zip(all.par_chunks(w.max(1))).for_each(|(row, voxels)| {
                for (word, voxels) in row.iter_mut().zip(voxels.chunks(64)) {
                    for (i, v) in voxels.iter().enumerate() {
                        *word |= u64::from(v.to_f64() != 0.0) << i;
                    }
                }
            });
        });
        Self { region, words, rows }
    }

    /// A region of which nothing is set.
    pub fn none(region: Region) -> Self {
        let [d, h, w] = region.shape;
        let words = w.div_ceil(64);
        Self { region, words, rows: vec![0; d * h * words] }
    }

    /// Sets what is set in a region that lies inside.
    pub fn add(&mut self, part: &Self) {
        let [d, h, _] = part.region.shape;
        let [z0, y0, x0] = part.region.relative_to(self.region.start).start;
        let (first, shift) = (x0 / 64, x0 % 64);
        for (z, y) in (0..d).flat_map(|z| (0..h).map(move |y| (z, y))) {
            let from = &part.rows[(z * h + y) * part.words..][..part.words];
            let at = ((z + z0) * self.region.shape[1] + y + y0) * self.words;
            let to = &mut self.rows[at..at + self.words];
            for (i, word) in from.iter().enumerate() {
                to[first + i] |= word << shift;
                if shift > 0 && first + i + 1 < to.len() {
                    to[first + i + 1] |= word >> (64 - shift);
                }
            }
        }
    }

    fn row(&self, z: usize, y: usize) -> &[u64] {
        let [oz, oy, _] = self.region.start;
        let at = ((z - oz) * self.region.shape[1] + (y - oy)) * self.words;
        &self.rows[at..at + self.words]
    }

    /// Whether the voxel at an image position is set.
    #[inline(always)]
    pub fn at(&self, [z, y, x]: [usize; 3]) -> bool {
        let x = x - self.region.start[2];
        self.row(z, y)[x / 64] >> (x % 64) & 1 != 0
    }

    /// Over the voxels of `out` from which a step `[z, y, x]` stays in an image of `shape`: their
    /// number, how many are set together with the voxel a step away, and how many differ from it.
    /// The packed region must reach as far as the step does.
    pub fn pairs(&self, out: Region, step: [i32; 3], shape: [usize; 3]) -> Pairs {
        let range = |a: usize| {
            let (d, n) = (step[a] as isize, shape[a] as isize);
            let low = (out.start[a] as isize).max(-d);
            let high = (out.end()[a] as isize).min(n - d);
            low.max(0) as usize..high.max(low).max(0) as usize
        };
        let (zs, ys, xs) = (range(0), range(1), range(2));
        let ox = self.region.start[2];
        let mut found = Pairs::default();
        for z in zs {
            for y in ys.clone() {
                let here = self.row(z, y);
                let there = self
                    .row(z.wrapping_add_signed(step[0] as isize), y.wrapping_add_signed(step[1] as isize));
                let mut x = xs.start;
                while x < xs.end {
                    let n = (xs.end - x).min(64);
                    let mask = u64::MAX >> (64 - n);
                    let a = window(here, x - ox) & mask;
                    let b = window(there, (x - ox).wrapping_add_signed(step[2] as isize)) & mask;
                    found.both += u64::from((a & b).count_ones());
                    found.differ += u64::from((a ^ b).count_ones());
                    x += n;
                }
                found.count += xs.len() as u64;
            }
        }
        found
    }
}

/// The 64 bits from `start` on; 0 beyond the end.
#[inline(always)]
fn window(row: &[u64], start: usize) -> u64 {
    let (k, shift) = (start / 64, start % 64);
    let word = |k: usize| row.get(k).copied().unwrap_or(0);
    if shift == 0 { word(k) } else { word(k) >> shift | word(k + 1) << (64 - shift) }
}

/// Pairs of voxels a step apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Pairs {
    /// How many there are.
    pub count: u64,
    /// Both are set.
    pub both: u64,
    /// One is set.
    pub differ: u64,
}

impl Pairs {
    /// Adds the pairs of another region.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.both += other.both;
        self.differ += other.differ;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Volume;
    use ndarray::Array3;

    #[test]
    fn pairs_are_those_that_one_by_one_are_counted() {
        let mut state = 5u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 60 < 6
        };
        for shape in [[3, 4, 150], [1, 5, 64], [4, 1, 63], [2, 2, 1]] {
            let a = Array3::from_shape_fn(shape, |_| u8::from(next()));
            let volume = Volume::from(a.clone());
            let bits = BitVolume::of(&RegionView { volume: &volume, region: Region::whole(shape) });
            let mut put = BitVolume::none(Region::whole(shape));
            for region in Region::whole(shape).tiles([2, 1, 37]) {
                put.add(&BitVolume::of(&RegionView { volume: &volume.crop(region), region }));
            }
            assert_eq!(put.rows, bits.rows);
            for step in [[0, 0, 1], [1, -2, -70], [0, 1, -1], [2, 2, 3], [0, 0, 64], [9, 0, 0]] {
                for out in [Region::whole(shape), Region::new([0, 0, shape[2] / 3], [1, 1, shape[2] / 2])] {
                    let mut expected = Pairs::default();
                    for ((z, y, x), v) in a.indexed_iter() {
                        let p = [z, y, x];
                        if (0..3).any(|k| p[k] < out.start[k] || p[k] >= out.end()[k]) {
                            continue;
                        }
                        let q = [0, 1, 2].map(|k| (p[k] as i32 + step[k]) as usize);
                        let Some(w) = a.get(q) else { continue };
                        expected.count += 1;
                        expected.both += u64::from(v & w);
                        expected.differ += u64::from(v ^ w);
                    }
                    assert_eq!(bits.pairs(out, step, shape), expected, "{shape:?} {step:?} {out:?}");
                }
            }
        }
    }
}
