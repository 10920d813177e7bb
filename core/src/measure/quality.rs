//! Figures of the intensities of a whole image: histogram, entropy and noise.

use super::bits::Bits;
use super::intensity::Scale;
use super::scan::Part;
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quality {
    histogram: Histogram,
    /// Finite voxels and their sum `q`, in the background and in the structure.
    sums: [(u64, i128); 2],
    /// Neighbourhoods without missing voxels and the sum of their magnitudes of differences, in `q`.
    differences: (u64, u128),
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
        for (mine, theirs) in self.sums.iter_mut().zip(other.sums) {
            *mine = (mine.0 + theirs.0, mine.1 + theirs.1);
        }
        self.differences.0 += other.differences.0;
        self.differences.1 += other.differences.1;
    }

    /// The figures; NaN without voxels. `shape` is that of the image.
    pub fn figures(&self, scale: &Scale, shape: [usize; 3]) -> QualityFigures {
        let means = self.sums.map(|(n, sum)| {
            // The whole part apart, so that nothing is lost.
            let n = i128::from(n);
            if n == 0 {
                return f64::NAN;
            }
            let whole = sum.div_euclid(n);
            scale.value(whole as f64 + (sum - whole * n) as f64 / n as f64)
        });
        // Each axis with three voxels multiplies the noise by √6.
        let gain = shape.iter().filter(|n| **n > 2).map(|_| 6f64.sqrt()).product::<f64>();
        let (count, sum) = self.differences;
        let mean = sum as f64 / count as f64 / scale.scale;
        let noise = if gain > 1.0 { (std::f64::consts::PI / 2.0).sqrt() * mean / gain } else { f64::NAN };
        QualityFigures { entropy: entropy(&self.histogram), noise, means }
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
    labels: &Bits,
    values: &Part,
    scale: &Scale,
    range: (f64, f64),
    out: Region,
    shape: [usize; 3],
    job: &Job,
) -> Result<Quality> {
    with_volume!(values.volume, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        let found = Mutex::new((Quality::default(), vec![0u64; bins(values.volume.voxel_type())]));
        parallel::each(out.shape[0], job, &|z| {
            let plane = plane(labels, values, all, scale, range, (out, out.start[0] + z), shape);
            // The counts are integers, so the order of the planes changes nothing.
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            plane.histogram.iter().for_each(|&(bin, n)| found.1[bin as usize] += n);
            found.0.merge(&Quality { histogram: Vec::new(), ..plane });
            job.advance((out.shape[1] * out.shape[2]) as u64);
            Ok(())
        })?;
        let (sums, dense) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Quality { histogram: filled(dense), ..sums })
    })
}

fn plane<T: Voxel>(
    labels: &Bits,
    values: &Part,
    all: &[T],
    scale: &Scale,
    range: (f64, f64),
    (out, z): (Region, usize),
    shape: [usize; 3],
) -> Quality {
    let mut sums = Quality::default();
    // A small plane fills few bins: they are listed. Those of a large one are counted.
    let large = out.shape[1] * out.shape[2] >= bins(T::TYPE);
    let mut dense = vec![0u64; if large { bins(T::TYPE) } else { 0 }];
    let mut listed = Vec::new();
    let [_, h, w] = values.region.shape;
    let strides = [h * w, w, 1];
    let q = |at: usize| {
        let v = all[at].to_f64();
        if v.is_finite() { Some(((v - scale.offset) * scale.scale).round_ties_even() as i64) } else { None }
    };
    // Voxels of the 3×3×3 neighbourhood (along axes with three voxels) and their weights.
    let used: Vec<usize> = (0..3).filter(|&a| shape[a] > 2).collect();
    let mut kernel = vec![(0isize, 1i64)];
    for &a in &used {
        kernel = kernel
            .iter()
            .flat_map(|&(o, k)| {
                [-1isize, 0, 1].map(|s| (o + s * strides[a] as isize, if s == 0 { -2 * k } else { k }))
            })
            .collect();
    }
    for y in out.start[1]..out.end()[1] {
        for x in out.start[2]..out.end()[2] {
            let p = [z, y, x];
            let at = values.offset(p);
            let Some(own) = q(at) else { continue };
            let bin = bin(T::TYPE, all[at].to_f64(), range);
            if large {
                dense[bin] += 1;
            } else {
                listed.push(bin as u32);
            }
            let sum = &mut sums.sums[usize::from(labels.at(p))];
            *sum = (sum.0 + 1, sum.1 + i128::from(own));
            if used.iter().any(|&a| p[a] == 0 || p[a] + 1 == shape[a]) {
                continue;
            }
            let mut total = 0i64;
            let complete = kernel.iter().all(|&(o, k)| {
                let v = q(at.wrapping_add_signed(o));
                total += k * v.unwrap_or(0);
                v.is_some()
            });
            if complete {
                sums.differences.0 += 1;
                sums.differences.1 += u128::from(total.unsigned_abs());
            }
        }
    }
    listed.sort_unstable();
    sums.histogram = if large {
        filled(dense)
    } else {
        listed.chunk_by(|a, b| a == b).map(|c| (c[0], c.len() as u64)).collect()
    };
    sums
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
            let (low, high) = super::super::intensity::range(a.as_slice().unwrap());
            let scale = Scale::of_range(VoxelType::F32, low, high);
            let region = Region::whole(shape);
            let (volume, mask) = (Volume::from(a), Volume::zeros(VoxelType::U8, shape));
            let labels = Bits::of(&Part { volume: &mask, region });
            let values = Part { volume: &volume, region };
            let found =
                quality(&labels, &values, &scale, (low, high), region, shape, &Job::silent()).unwrap();
            let figures = found.figures(&scale, shape);
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
