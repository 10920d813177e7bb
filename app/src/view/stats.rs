//! Statistics of an image's intensities: range, histogram, and a window that shows them well.

use voxelry_core::{Volume, Voxel, with_volume};

/// Bins of a histogram.
pub const BINS: usize = 256;

/// Intensities of the voxels that were looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Least and greatest.
    pub range: [f64; 2],
    /// Voxels by intensity, in equal bins from the least on.
    pub counts: Vec<u64>,
    /// Width of a bin.
    pub width: f64,
    /// The 0.5 and 99.5 percentiles, or the range where these are equal.
    pub window: [f64; 2],
    /// Mean and standard deviation.
    pub moments: [f64; 2],
    /// Voxels that are no numbers.
    pub missing: u64,
    /// The level that was looked at; 0 is all of the image.
    pub level: usize,
}

impl Stats {
    /// Statistics of the voxels of a level.
    pub fn of(volume: &Volume, level: usize) -> Self {
        let mut values: Vec<f32> = with_volume!(volume, |a| a.iter().map(|v| v.to_f64() as f32).collect());
        let all = values.len();
        values.retain(|v| v.is_finite());
        let missing = (all - values.len()) as u64;
        if values.is_empty() {
            return Self {
                range: [0.0, 1.0],
                counts: vec![0; BINS],
                width: 1.0 / BINS as f64,
                window: [0.0, 1.0],
                moments: [f64::NAN; 2],
                missing,
                level,
            };
        }
        let range =
            values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |r, v| [r[0].min(*v), r[1].max(*v)]);
        let range = range.map(f64::from);
        // Whole numbers have bins of whole widths, so that none has more of them than another.
        let mut bins = BINS;
        let mut width = (range[1] - range[0]).max(f64::MIN_POSITIVE) / BINS as f64;
        if !volume.voxel_type().is_float() {
            width = ((range[1] - range[0] + 1.0) / BINS as f64).ceil();
            bins = ((range[1] - range[0] + 1.0) / width).ceil() as usize;
        }
        let mut counts = vec![0; bins];
        for v in &values {
            let bin = ((f64::from(*v) - range[0]) / width) as usize;
            counts[bin.min(bins - 1)] += 1;
        }
        let count = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let square = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
        let moments = [mean, square.sqrt()];
        let mut percentile = |part: f64| {
            let at = ((values.len() - 1) as f64 * part).round() as usize;
            f64::from(*values.select_nth_unstable_by(at, f32::total_cmp).1)
        };
        let mut window = [percentile(0.005), percentile(0.995)];
        if window[0] >= window[1] {
            window = range;
        }
        if window[0] >= window[1] {
            window[1] = window[0] + 1.0;
        }
        Self { range, counts, width, window, moments, missing, level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn windows_leave_outliers_out_and_are_never_empty() {
        let mut values = Array3::from_shape_fn((10, 10, 10), |(z, y, x)| (z * 100 + y * 10 + x) as f32);
        values[[0, 0, 0]] = -1e6;
        values[[0, 0, 1]] = f32::NAN;
        let stats = Stats::of(&Volume::from(values), 0);
        assert_eq!((stats.range, stats.missing), ([-1e6, 999.0], 1));
        assert_eq!(stats.window, [6.0, 994.0]);
        assert_eq!(stats.counts.iter().sum::<u64>(), 999);
        let even = Stats::of(&Volume::from(Array3::from_shape_fn((1, 1, 4), |(_, _, x)| 2 * x as u8)), 0);
        assert_eq!(even.moments, [3.0, 5f64.sqrt()]);
        let flat = Stats::of(&Volume::from(Array3::from_elem((2, 2, 2), 7u8)), 0);
        assert_eq!(flat.window, [7.0, 8.0]);
        let none = Stats::of(&Volume::from(Array3::from_elem((1, 1, 2), f64::NAN)), 0);
        assert_eq!((none.missing, none.window), (2, [0.0, 1.0]));
    }
}
