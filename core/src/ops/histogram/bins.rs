//! Counting voxels in bins: integers, so that partial histograms merge exactly in any order.

use crate::{Job, Result, Volume, Voxel, parallel, with_volume};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Integer images whose values span more than this many are binned as floats are.
const MOST_VALUES: f64 = 65536.0;

/// How values are assigned to bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Bins {
    /// One bin for each whole number from `least` on.
    Values {
        /// The value of bin 0.
        least: f64,
        /// Number of bins.
        count: usize,
    },
    /// Half-open intervals, the last one closed. Bin `i` is `edges[i] ≤ v < edges[i + 1]`.
    Edges {
        /// One more than there are bins, ascending.
        edges: Vec<f64>,
        /// Centres as the voxel type represents them.
        centres: Vec<f64>,
    },
}

impl Bins {
    /// Bins that are known before the image is: one a value for types of up to 16 bits.
    pub fn of_type(voxel: crate::VoxelType) -> Option<Self> {
        use crate::VoxelType as T;
        Some(match voxel {
            T::U8 => Self::Values { least: 0.0, count: 1 << 8 },
            T::I8 => Self::Values { least: -128.0, count: 1 << 8 },
            T::U16 => Self::Values { least: 0.0, count: 1 << 16 },
            T::I16 => Self::Values { least: -32768.0, count: 1 << 16 },
            _ => return None,
        })
    }

    /// Bins for values from `min` to `max`: for integers one a value if that is at most 65536
    /// bins; otherwise `count` equal ones, with edges and centres rounded as `f32` for `f32`
    /// images, as `NumPy` and scikit-image do.
    pub fn between(min: f64, max: f64, count: usize, voxel: crate::VoxelType) -> Self {
        if min == max || !voxel.is_float() && max - min < MOST_VALUES {
            return Self::Values { least: min, count: (max - min) as usize + 1 };
        }
        // Rounding the f64 result of one operation on two f32 values gives the f32 result.
        let round = |v: f64| if voxel == crate::VoxelType::F32 { f64::from(v as f32) } else { v };
        // What goes beyond the type's range on the way is calculated of halves.
        let delta = round(max - min);
        let step = if delta.is_finite() {
            round(delta / count as f64)
        } else {
            round((max / 2.0 - min / 2.0) / count as f64 * 2.0)
        };
        let edge = |i: usize| {
            let reach = round(i as f64 * step);
            if reach.is_finite() {
                round(reach + min)
            } else {
                round((i as f64 * (step / 2.0) + min / 2.0) * 2.0)
            }
        };
        let mut edges: Vec<f64> = (0..=count).map(edge).collect();
        edges[count] = max;
        let centre = |e: &[f64]| {
            let sum = round(e[0] + e[1]);
            if sum.is_finite() { round(sum / 2.0) } else { round(e[0] / 2.0 + e[1] / 2.0) }
        };
        let centres = edges.windows(2).map(centre).collect();
        Self::Edges { edges, centres }
    }

    /// Number of bins.
    pub fn len(&self) -> usize {
        match self {
            Self::Values { count, .. } => *count,
            Self::Edges { centres, .. } => centres.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value that stands for a bin.
    pub fn centre(&self, bin: usize) -> f64 {
        match self {
            Self::Values { least, .. } => least + bin as f64,
            Self::Edges { centres, .. } => centres[bin],
        }
    }

    /// The bin of a finite value within the range.
    #[inline(always)]
    fn index(&self, v: f64) -> usize {
        match self {
            Self::Values { least, .. } => (v - least) as usize,
            Self::Edges { edges, .. } => {
                let bins = edges.len() - 1;
                // The estimate may be off by a rounding; the edges decide.
                let (low, high) = (edges[0] / 2.0, edges[bins] / 2.0);
                let guess = (v / 2.0 - low) / (high - low) * bins as f64;
                let mut i = (guess as usize).min(bins - 1);
                while i > 0 && v < edges[i] {
                    i -= 1;
                }
                while i + 1 < bins && v >= edges[i + 1] {
                    i += 1;
                }
                i
            }
        }
    }
}

/// Counts of voxels in bins, without the empty bins at both ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Voxels in each bin; the first and the last are not 0.
    pub counts: Vec<u64>,
    /// The value that stands for each bin, ascending.
    pub centres: Vec<f64>,
}

impl Histogram {
    /// Trims empty bins at both ends; `None` if all are empty.
    pub fn new(bins: &Bins, counts: &[u64]) -> Option<Self> {
        let first = counts.iter().position(|&n| n > 0)?;
        let last = counts.iter().rposition(|&n| n > 0)?;
        Some(Self {
            counts: counts[first..=last].to_vec(),
            centres: (first..=last).map(|i| bins.centre(i)).collect(),
        })
    }
}

impl Histogram {
    /// The same with centres whose squares stay far within the range of `f64`, and the power of two by
    /// which they were multiplied: 1 for all but extreme intensities.
    pub fn scaled(mut self) -> (Self, f64) {
        let greatest = self.centres.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
        let scale = if greatest > 1e100 {
            2f64.powi(-800)
        } else if greatest < 1e-100 {
            2f64.powi(800)
        } else {
            1.0
        };
        self.centres.iter_mut().for_each(|c| *c *= scale);
        (self, scale)
    }

    /// Number of voxels.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of the voxels' values, each taken as its bin's centre.
    pub fn sum(&self) -> f64 {
        self.counts.iter().zip(&self.centres).map(|(&n, &c)| n as f64 * c).sum()
    }

    /// Width of a bin; 0 if there is only one.
    pub fn width(&self) -> f64 {
        if self.centres.len() < 2 { 0.0 } else { self.centres[1] - self.centres[0] }
    }
}

/// Least and greatest finite value; `None` if there is none.
///
/// # Errors
/// That the job was cancelled.
pub fn range(volume: &Volume, job: &Job) -> Result<Option<(f64, f64)>> {
    with_volume!(volume, |a| typed_range(slice(a), job))
}

fn typed_range<T: Voxel>(voxels: &[T], job: &Job) -> Result<Option<(f64, f64)>> {
    const PIECE: usize = 1 << 18;
    let parts = parallel::map(voxels.len().div_ceil(PIECE), job, &|i| {
        let chunk = &voxels[i * PIECE..voxels.len().min((i + 1) * PIECE)];
        let (mut min, mut max) = (T::HIGHEST, T::LOWEST);
        for &v in chunk {
            // Comparisons with NaN are false; infinities lie beyond the greatest finite values.
            min = if (v < min) & (v >= T::LOWEST) { v } else { min };
            max = if (v > max) & (v <= T::HIGHEST) { v } else { max };
        }
        // A chunk without finite values keeps min > max.
        job.advance(chunk.len() as u64);
        Ok((min, max))
    })?;
    let mut all: Option<(f64, f64)> = None;
    for (min, max) in parts.into_iter().filter(|(min, max)| min <= max) {
        all = crate::volume::merge_ranges(all, Some((min.to_f64(), max.to_f64())));
    }
    Ok(all)
}

/// Counts the finite voxels in bins that cover them all.
///
/// # Errors
/// That the job was cancelled.
pub fn count(volume: &Volume, bins: &Bins, job: &Job) -> Result<Vec<u64>> {
    match volume {
        Volume::U8(a) => direct::<u8, 256>(slice(a), usize::from, job),
        Volume::I8(a) => direct::<i8, 256>(slice(a), |v| usize::from(v as u8 ^ 0x80), job),
        Volume::U16(a) => direct::<u16, 65536>(slice(a), usize::from, job),
        Volume::I16(a) => direct::<i16, 65536>(slice(a), |v| usize::from(v as u16 ^ 0x8000), job),
        other => with_volume!(other, |a| general(slice(a), bins, job)),
    }
}

fn slice<T>(a: &ndarray::Array3<T>) -> &[T] {
    a.as_slice().expect("volumes are in C order")
}

/// Voxels that one table counts; fewer than 2³², so that a bin fits `u32`.
const SHARE: usize = 1 << 22;

/// The counts of all shares of the voxels together.
fn shares<T: Sync>(
    voxels: &[T],
    bins: usize,
    job: &Job,
    count: &(dyn Fn(&[T], &mut [u64]) -> Result<()> + Sync),
) -> Result<Vec<u64>> {
    let all = Mutex::new(vec![0; bins]);
    parallel::items(voxels.chunks(SHARE), job, &|_, share| {
        let mut counts = vec![0; bins];
        count(share, &mut counts)?;
        add(&mut all.lock().unwrap_or_else(PoisonError::into_inner), &counts);
        Ok(())
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One bin a value of the type. A table for every share of the voxels, two in turns within it, so
/// that runs of equal values don't wait for one another's increments.
fn direct<T: Voxel, const N: usize>(
    voxels: &[T],
    bin: impl Fn(T) -> usize + Sync,
    job: &Job,
) -> Result<Vec<u64>> {
    let zero = || vec![0u32; N].into_boxed_slice().try_into().expect("N bins");
    shares(voxels, N, job, &|share, counts| {
        let (mut even, mut odd): (Box<[u32; N]>, Box<[u32; N]>) = (zero(), zero());
        for chunk in share.chunks(1 << 18) {
            job.check()?;
            let mut pairs = chunk.chunks_exact(2);
            for pair in &mut pairs {
                // N is the number of values of T: the remainder only tells the compiler.
                even[bin(pair[0]) % N] += 1;
                odd[bin(pair[1]) % N] += 1;
            }
            for &v in pairs.remainder() {
                even[bin(v) % N] += 1;
            }
            job.advance(chunk.len() as u64);
        }
        for (count, (a, b)) in counts.iter_mut().zip(even.iter().zip(odd.iter())) {
            *count += u64::from(*a) + u64::from(*b);
        }
        Ok(())
    })
}

fn general<T: Voxel>(voxels: &[T], bins: &Bins, job: &Job) -> Result<Vec<u64>> {
    shares(voxels, bins.len(), job, &|share, counts| {
        for chunk in share.chunks(1 << 16) {
            job.check()?;
            for &v in chunk {
                if v >= T::LOWEST && v <= T::HIGHEST {
                    counts[bins.index(v.to_f64())] += 1;
                }
            }
            job.advance(chunk.len() as u64);
        }
        Ok(())
    })
}

/// Adds a partial histogram of the same bins.
pub fn add(sum: &mut [u64], part: &[u64]) {
    for (a, b) in sum.iter_mut().zip(part) {
        *a += b;
    }
}
