//! Figures of the intensities of a whole image: histogram, entropy and noise.

use crate::algorithms::exact_sum::ExactSum;
use crate::measure::shape::bits::BitVolume;
use crate::measure::sums::intensity;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, parallel, with_volume};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Most bins of a histogram of intensities that are wider than 16 bits.
const BINS: usize = 1 << 16;
/// Bins of the histogram whose entropy is given.
const COARSE: usize = 256;

/// Voxels by bin of intensity, ascending; bins without voxels are left out.
type Histogram = Vec<(u32, u64)>;

/// What was counted of one channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    histogram: Histogram,
    /// Finite voxels and their sum, in the background and in the structure.
    sums: [(u64, ExactSum); 2],
    /// Neighbourhoods without missing voxels and the sum of their magnitudes of differences.
    differences: (u64, ExactSum),
}

/// The figures of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityFigures {
    /// Shannon's entropy in bits.
    pub entropy: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
    /// Mean intensities of background and structure.
    pub means: [f64; 2],
}

impl Quality {
    /// Adds the counts of another region.
    pub fn merge(&mut self, other: &Self) {
        if !other.histogram.is_empty() {
            self.histogram = added(&self.histogram, &other.histogram);
        }
        self.merge_sums(other);
    }

    fn merge_sums(&mut self, other: &Self) {
        let mine = self.sums.iter_mut().chain([&mut self.differences]);
        for (mine, theirs) in mine.zip(other.sums.iter().chain([&other.differences])) {
            mine.0 += theirs.0;
            mine.1.merge(&theirs.1);
        }
    }

    /// The figures; NaN without voxels. `shape` is that of the image.
    pub fn figures(&self, shape: [usize; 3]) -> QualityFigures {
        let mean = |(n, sum): &(u64, ExactSum)| if *n == 0 { f64::NAN } else { sum.over(*n) };
        // Each axis with three voxels multiplies the noise by √6.
        let gain = shape.iter().filter(|n| **n > 2).map(|_| 6f64.sqrt()).product::<f64>();
        let differences = mean(&self.differences);
        let noise =
            if gain > 1.0 { (std::f64::consts::PI / 2.0).sqrt() * differences / gain } else { f64::NAN };
        QualityFigures { entropy: entropy(&self.histogram), noise, means: self.sums.each_ref().map(mean) }
    }
}

/// One histogram of two.
fn added(a: &Histogram, b: &Histogram) -> Histogram {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    std::iter::from_fn(|| match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if x.0 == y.0 => {
            let sum = (x.0, x.1 + y.1);
            a.next();
            b.next();
            Some(sum)
        }
        (Some(x), Some(y)) if x.0 < y.0 => a.next().copied(),
        (Some(_), None) => a.next().copied(),
        _ => b.next().copied(),
    })
    .collect()
}

/// The bins that are filled.
fn filled(dense: Vec<u64>) -> Histogram {
    dense.into_iter().enumerate().filter(|(_, n)| *n > 0).map(|(bin, n)| (bin as u32, n)).collect()
}

/// Shannon's entropy of a histogram, in bits; more than 256 bins are taken together to 256 of one
/// width from the first to the last.
fn entropy(histogram: &Histogram) -> f64 {
    let (Some(&(first, _)), Some(&(last, _))) = (histogram.first(), histogram.last()) else {
        return f64::NAN;
    };
    let used = (last - first) as usize + 1;
    let mut coarse = vec![0u64; used.min(COARSE)];
    let bins = coarse.len();
    for &(bin, n) in histogram {
        coarse[(bin - first) as usize * bins / used] += n;
    }
    let total = coarse.iter().sum::<u64>() as f64;
    -coarse.iter().filter(|n| **n > 0).map(|n| *n as f64 / total).map(|p| p * p.log2()).sum::<f64>() + 0.0
}

/// The bin of a finite intensity: its own for up to 16 bits, else one of [`BINS`] over the range.
fn bin(voxel: VoxelType, value: f64, (low, high): (f64, f64)) -> usize {
    match voxel {
        VoxelType::U8 | VoxelType::U16 => value as usize,
        VoxelType::I8 => (value + 128.0) as usize,
        VoxelType::I16 => (value + 32768.0) as usize,
        // Halves, so that no range overflows; a range of nothing has one bin.
        _ if high > low => {
            let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
            ((share * BINS as f64) as usize).min(BINS - 1)
        }
        _ => 0,
    }
}

fn bins(voxel: VoxelType) -> usize {
    match voxel {
        VoxelType::U8 | VoxelType::I8 => 256,
        _ => BINS,
    }
}

/// Counts a region of an image of `shape`. `values` must reach one voxel around it where the image does.
///
/// The noise is that of J. Immerkær, "Fast noise variance estimation" (1996,
/// doi:10.1006/cviu.1996.0060), in three dimensions: second differences along all axes leave neither
/// planes nor edges along an axis; what remains is noise.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn quality(
    labels: &BitVolume,
    values: &RegionView,
    range: (f64, f64),
    out: Region,
    shape: [usize; 3],
    job: &Job,
) -> Result<Quality> {
    /// Planes that share a histogram.
    const SLAB: usize = 8;
    with_volume!(values.volume, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        let found = Mutex::new((Quality::default(), vec![0u64; bins(values.volume.voxel_type())]));
        parallel::each(out.shape[0].div_ceil(SLAB), job, &|slab| {
            let mut sums = Quality::default();
            let mut dense = vec![0u64; bins(values.volume.voxel_type())];
            let image = Image { labels, values, all, range, out, shape };
            for z in out.start[0] + slab * SLAB..out.end()[0].min(out.start[0] + (slab + 1) * SLAB) {
                job.check()?;
                image.count_plane(z, &mut sums, &mut dense);
                image.add_differences(z, &mut sums.differences);
                job.advance((out.shape[1] * out.shape[2]) as u64);
            }
            // All sums are exact, so the order of the slabs changes nothing.
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.1.iter_mut().zip(&dense).for_each(|(sum, n)| *sum += n);
            found.0.merge_sums(&sums);
            Ok(())
        })?;
        let (sums, dense) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Quality { histogram: filled(dense), ..sums })
    })
}

/// What is counted, and where.
struct Image<'a, T> {
    labels: &'a BitVolume,
    values: &'a RegionView<'a>,
    all: &'a [T],
    range: (f64, f64),
    out: Region,
    shape: [usize; 3],
}

impl<T: Voxel> Image<'_, T> {
    /// Adds the intensities of a plane.
    fn count_plane(&self, z: usize, sums: &mut Quality, dense: &mut [u64]) {
        let [_, oy, ox] = self.out.start;
        let [_, h, w] = self.out.shape;
        for y in oy..oy + h {
            let row = &self.all[self.values.offset([z, y, ox])..][..w];
            let inside = |x: usize| self.labels.at([z, y, ox + x]);
            if intensity::offset(T::TYPE).is_some() {
                let mut found = [(0u64, 0i64); 2];
                for (x, v) in row.iter().enumerate() {
                    let v = v.to_f64();
                    dense[bin(T::TYPE, v, self.range)] += 1;
                    let sum = &mut found[usize::from(inside(x))];
                    *sum = (sum.0 + 1, sum.1 + v as i64);
                }
                for (sum, (n, total)) in sums.sums.iter_mut().zip(found) {
                    sum.0 += n;
                    sum.1.add_integer(total.into());
                }
                continue;
            }
            for v in row.iter().map(|v| v.to_f64()).filter(|v| v.is_finite()) {
                dense[bin(T::TYPE, v, self.range)] += 1;
            }
            for (phase, sum) in sums.sums.iter_mut().enumerate() {
                let of_phase = (row.iter().enumerate())
                    .map(|(x, v)| (x, v.to_f64()))
                    .filter(|(x, v)| v.is_finite() && usize::from(inside(*x)) == phase);
                let mut n = 0;
                sum.1.add_all(of_phase.map(|(_, v)| v).inspect(|_| n += 1));
                sum.0 += n;
            }
        }
    }

    /// Adds the second differences along all axes with three voxels, in a plane.
    fn add_differences(&self, z: usize, differences: &mut (u64, ExactSum)) {
        let used = self.shape.map(|n| n > 2);
        let inner = |a: usize| {
            let (start, end) = (self.out.start[a], self.out.end()[a]);
            if used[a] { start.max(1)..end.min(self.shape[a] - 1) } else { start..end }
        };
        let (rows, columns) = (inner(1), inner(2));
        if !inner(0).contains(&z) || rows.is_empty() || columns.is_empty() {
            return;
        }
        // What a row reads: one voxel to either side where the axis is used.
        let (side, width) = (usize::from(used[2]), columns.len() + 2 * usize::from(used[2]));
        let row = |z: usize, y: usize| &self.all[self.values.offset([z, y, columns.start - side])..][..width];
        let along_z = |y: usize, to: &mut Vec<f64>| {
            to.clear();
            if used[0] {
                let sides = row(z - 1, y).iter().zip(row(z + 1, y));
                let differences =
                    sides.zip(row(z, y)).map(|((a, b), m)| a.to_f64() - 2.0 * m.to_f64() + b.to_f64());
                to.extend(differences);
            } else {
                to.extend(row(z, y).iter().map(|v| v.to_f64()));
            }
        };
        let mut lines = [const { Vec::new() }; 3];
        if used[1] {
            along_z(rows.start - 1, &mut lines[1]);
            along_z(rows.start, &mut lines[2]);
        }
        let mut plane = vec![0.0; width];
        for y in rows {
            if used[1] {
                lines.rotate_left(1);
                along_z(y + 1, &mut lines[2]);
                let [a, m, b] = &lines;
                for (p, ((a, b), m)) in plane.iter_mut().zip(a.iter().zip(b).zip(m)) {
                    *p = a - 2.0 * m + b;
                }
            } else {
                along_z(y, &mut plane);
            }
            let totals = (0..columns.len())
                .map(|x| if used[2] { plane[x] - 2.0 * plane[x + 1] + plane[x + 2] } else { plane[x] }.abs());
            if intensity::offset(T::TYPE).is_some() {
                // Integers below 2²³: their sum is exact.
                differences.0 += columns.len() as u64;
                differences.1.add_all([totals.sum::<f64>()]);
            } else {
                let mut n = 0;
                differences.1.add_all(totals.filter(|t| t.is_finite()).inspect(|_| n += 1));
                differences.0 += n;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Volume;
    use ndarray::Array3;

    #[test]
    fn noise_is_found_on_a_slope() {
        let mut state = 3u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 24) as f64
        };
        for shape in [[40, 40, 40], [1, 200, 200]] {
            let a = Array3::from_shape_fn(shape, |(z, y, x)| {
                let noise = (0..12).map(|_| next()).sum::<f64>() - 6.0;
                (3 * x + y + 2 * z) as f32 + 5.0 * noise as f32
            });
            let (low, high) = crate::measure::sums::intensity::range(a.as_slice().unwrap());
            let region = Region::whole(shape);
            let (volume, mask) = (Volume::from(a), Volume::zeros(VoxelType::U8, shape));
            let labels = BitVolume::of(&RegionView { volume: &mask, region });
            let values = RegionView { volume: &volume, region };
            let found = quality(&labels, &values, (low, high), region, shape, &Job::silent()).unwrap();
            let figures = found.figures(shape);
            assert!((figures.noise / 5.0 - 1.0).abs() < 0.03, "{shape:?}: {}", figures.noise);
            assert!(figures.means[1].is_nan() && figures.means[0] > 0.0);
        }
    }

    #[test]
    fn histograms_add_up_in_any_cut() {
        let values: Vec<u32> = (0..500u32).map(|i| i * i % 97).collect();
        let of = |values: &[u32]| {
            let mut dense = vec![0u64; 97];
            values.iter().for_each(|v| dense[*v as usize] += 1);
            filled(dense)
        };
        for cut in [0, 1, 250, 499, 500] {
            let (a, b) = values.split_at(cut);
            assert_eq!(added(&of(a), &of(b)), of(&values), "{cut}");
        }
    }

    #[test]
    fn entropy_is_the_logarithm_of_equal_shares() {
        for n in [1usize, 2, 4, 256] {
            assert!(
                (entropy(&(5..5 + n as u32).map(|bin| (bin, 7)).collect()) - (n as f64).log2()).abs() < 1e-12
            );
        }
        assert!((entropy(&(0..4096).map(|bin| (bin, 3)).collect()) - 8.0).abs() < 1e-12);
        assert!(entropy(&Vec::new()).is_nan());
    }
}
