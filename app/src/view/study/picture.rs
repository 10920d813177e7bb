//! Pictures of whole samples: a slice or a projection, read at the resolution of the picture, all at one scale.

use super::SampleImages;
use std::sync::Arc;
use voxelry_core::io::browse::{Browsed, Cache};
use voxelry_core::io::{Frame, ImageSource, OpenOptions, open};
use voxelry_core::{Region, Result, Volume};

/// Voxels that a projection reads at most.
const PROJECTED: usize = 1 << 24;

/// View of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleView {
    /// Axis that is looked along: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// Place of the slice along it, from 0 to 1; none for the greatest intensities along the axis.
    pub slice: Option<f32>,
    /// Pixels of the longer side of the picture.
    pub edge: usize,
    /// True if the outlines of labels are shown.
    pub outlines: bool,
}

/// Picture of a sample before it is given colours.
pub struct SamplePicture {
    /// Pixels across and down.
    pub size: [usize; 2],
    /// Size of the shown area, across and down, in metres; in voxels where the image has no unit.
    pub extent: [f64; 2],
    /// Intensities, row by row; NaN outside of the image.
    pub values: Vec<f32>,
    /// True for pixels on the outline of an object; empty if none are shown.
    pub outlines: Vec<bool>,
    /// The 0.5 and 99.5 percentiles of the intensities.
    pub range: [f32; 2],
}

impl SamplePicture {
    /// Reads what a view of a sample shows.
    ///
    /// # Errors
    /// If the images can't be read.
    pub fn read(images: &SampleImages, view: SampleView, cache: &Arc<Cache>) -> Result<Self> {
        let image = Plane::read(&images.image, (images.channel, images.time), view, cache)?;
        let labels = images.labels.as_ref().filter(|_| view.outlines && view.slice.is_some());
        // Labels are on the grid of the image, whose levels can have other sizes.
        let outlines = match labels.map(|labels| Plane::read(labels, (0, 0), view, cache)) {
            Some(Ok(labels)) => outlines(&labels, image.size),
            Some(Err(error)) => return Err(error),
            None => Vec::new(),
        };
        let range = percentiles(&image.values);
        Ok(Self { size: image.size, extent: image.extent, values: image.values, outlines, range })
    }

    /// Colours of the pixels within a window of intensities: greys, and outlines in a colour.
    pub fn colours(&self, [black, white]: [f32; 2], outline: [u8; 3]) -> Vec<[u8; 3]> {
        let scale = 255.0 / (white - black).max(f32::MIN_POSITIVE);
        let grey = |v: f32| [((v - black) * scale).clamp(0.0, 255.0).round() as u8; 3];
        let at = |(i, v): (usize, &f32)| if self.outlines.get(i) == Some(&true) { outline } else { grey(*v) };
        self.values.iter().enumerate().map(at).collect()
    }
}

/// A plane of an image, or the greatest values along an axis.
struct Plane {
    size: [usize; 2],
    extent: [f64; 2],
    values: Vec<f32>,
}

impl Plane {
    fn read(
        path: &std::path::Path,
        (channel, time): (usize, usize),
        view: SampleView,
        cache: &Arc<Cache>,
    ) -> Result<Self> {
        let source: Arc<dyn ImageSource> = Arc::from(open(path, &OpenOptions::default())?);
        let source = Browsed::new(source, cache);
        let info = source.info();
        let [down, across] = [[1, 2], [0, 2], [0, 1]][view.axis];
        // The coarsest level that has a voxel for every pixel; for a projection, one that is read quickly.
        let fine = |level: usize| {
            let shape = info.levels[level].shape;
            shape[down].max(shape[across]) >= view.edge
        };
        let small = |level: usize| info.levels[level].shape.iter().product::<usize>() <= PROJECTED;
        let levels = info.levels.len();
        let mut level = (1..levels).rev().find(|level| fine(*level)).unwrap_or(0);
        if view.slice.is_none() {
            level = (level..levels).find(|level| small(*level)).unwrap_or(levels - 1);
        }
        let shape = info.levels[level].shape;
        let mut region = Region::whole(shape);
        if let Some(slice) = view.slice {
            let n = shape[view.axis];
            region.start[view.axis] = ((f64::from(slice) * n as f64) as usize).min(n - 1);
            region.shape[view.axis] = 1;
        }
        let frame =
            Frame { level, channel: channel.min(info.channels.len() - 1), time: time.min(info.times - 1) };
        let voxels = source.read(frame, region)?;
        let spacing = info.geometry().spacing();
        let metres = info.geometry().unit.metres().unwrap_or(1.0);
        let extent = [across, down].map(|a| info.levels[0].shape[a] as f64 * spacing[a] * metres);
        let size = fitted(extent, view.edge);
        Ok(Self { size, extent, values: sampled(&voxels, view.axis, size) })
    }
}

/// Pixels across and down of an area whose longer side has `edge` of them.
fn fitted(extent: [f64; 2], edge: usize) -> [usize; 2] {
    let longer = extent[0].max(extent[1]);
    extent.map(|side| ((side / longer * edge as f64).round() as usize).clamp(1, edge))
}

/// The greatest value along an axis at each pixel, by the nearest voxel.
fn sampled(voxels: &Volume, axis: usize, [width, height]: [usize; 2]) -> Vec<f32> {
    let shape = voxels.shape();
    let [down, across] = [[1, 2], [0, 2], [0, 1]][axis];
    let voxel = |pixel: usize, pixels: usize, a: usize| (pixel * shape[a] + shape[a] / 2) / pixels.max(1);
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut index = [0; 3];
            index[down] = voxel(y, height, down).min(shape[down] - 1);
            index[across] = voxel(x, width, across).min(shape[across] - 1);
            let along = (0..shape[axis]).filter_map(|depth| {
                index[axis] = depth;
                voxels.get(index)
            });
            values.push(along.fold(f64::NAN, f64::max) as f32);
        }
    }
    values
}

/// Pixels of a picture of `size` whose label differs from that of the pixel to the right or below.
fn outlines(labels: &Plane, [width, height]: [usize; 2]) -> Vec<bool> {
    let [w, h] = labels.size;
    let at = |x: usize, y: usize| labels.values[(y * h / height).min(h - 1) * w + (x * w / width).min(w - 1)];
    let differs = |x: usize, y: usize| {
        let own = at(x, y);
        let beside = if x + 1 < width { at(x + 1, y) } else { own };
        let below = if y + 1 < height { at(x, y + 1) } else { own };
        own != beside || own != below
    };
    (0..width * height).map(|i| differs(i % width, i / width)).collect()
}

/// The 0.5 and 99.5 percentiles of the finite values; 0 and 1 without any.
fn percentiles(values: &[f32]) -> [f32; 2] {
    let mut finite: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return [0.0, 1.0];
    }
    let last = finite.len() - 1;
    let mut at = |part: f64| {
        let n = (part * last as f64).round() as usize;
        *finite.select_nth_unstable_by(n, f32::total_cmp).1
    };
    [at(0.005), at(0.995)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn a_plane_is_sampled_and_a_projection_takes_the_greatest() {
        let volume = Volume::U8(Array3::from_shape_fn((2, 2, 4), |(z, y, x)| (z * 100 + y * 10 + x) as u8));
        assert_eq!(sampled(&volume, 0, [4, 2]), [100., 101., 102., 103., 110., 111., 112., 113.]);
        assert_eq!(sampled(&volume, 1, [2, 2]), [11., 13., 111., 113.]);
        assert_eq!(fitted([2.0, 1.0], 96), [96, 48]);
        assert_eq!(fitted([0.001, 1.0], 96), [1, 96]);
    }

    #[test]
    fn colours_are_those_of_the_window() {
        let picture = SamplePicture {
            size: [3, 1],
            extent: [3.0, 1.0],
            values: vec![10.0, 20.0, 30.0],
            outlines: vec![false, false, true],
            range: percentiles(&[10.0, 20.0, 30.0, f32::NAN]),
        };
        assert_eq!(picture.range, [10.0, 30.0]);
        assert_eq!(picture.colours([10.0, 30.0], [1, 2, 3]), [[0; 3], [128; 3], [1, 2, 3]]);
        assert_eq!(percentiles(&[f32::NAN]), [0.0, 1.0]);
    }

    #[test]
    fn outlines_lie_between_labels() {
        let labels = Plane { size: [4, 1], extent: [4.0, 1.0], values: vec![0.0, 1.0, 1.0, 0.0] };
        assert_eq!(outlines(&labels, [4, 1]), [true, false, true, false]);
    }
}
