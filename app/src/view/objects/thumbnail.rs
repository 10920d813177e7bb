//! Small pictures of single objects, drawn from the images' files.

use crate::view::colours::Map;
use crate::view::{Content, Layer, Scene};
use std::sync::Arc;
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::picture::label_color;
use voxelry_core::{Region, Result};

/// Edge of a picture in pixels.
pub const EDGE: usize = 96;
/// Margin around an object, as a fraction of its larger side.
const MARGIN: f64 = 0.2;
/// Voxels that are shown at least.
const LEAST: f64 = 8.0;

/// Images that pictures of objects are drawn from.
#[derive(Clone)]
pub struct Sources {
    labels: Channel,
    /// Intensities on the same grid.
    grey: Option<(Channel, [f64; 2], Map)>,
}

/// A channel of an image at a time.
#[derive(Clone)]
struct Channel {
    source: Arc<Browsed>,
    channel: usize,
    time: usize,
}

impl Channel {
    fn of(layer: &Layer) -> Self {
        Self { source: layer.source.clone(), channel: layer.channel, time: layer.time }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && (self.channel, self.time) == (other.channel, other.time)
    }
}

/// View of an object in its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// In the plane through the middle of its box across an axis: 0, 1, 2 for z, y, x.
    Plane(usize),
    /// The greatest of its intensities along z.
    Projection,
}

impl Sight {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Plane(0), "Across z"),
        (Self::Plane(1), "Across y"),
        (Self::Plane(2), "Across x"),
        (Self::Projection, "Projection along z"),
    ];
}

impl Sources {
    /// A layer of labels with the uppermost intensities on its grid.
    pub fn of(scene: &Scene, labels: &Layer) -> Self {
        let grid = labels.source.info();
        let fits = |l: &&Layer| {
            l.content == Content::Grey
                && l.display.window.is_some()
                && l.source.info().shape() == grid.shape()
        };
        let shown = scene.layers.iter().rev().filter(fits).max_by_key(|l| l.display.visible);
        let grey = shown.and_then(|l| Some((Channel::of(l), l.display.window?, l.display.map)));
        Self { labels: Channel::of(labels), grey }
    }

    /// Returns whether pictures from both are the same.
    pub fn same(&self, other: &Self) -> bool {
        let grey = match (&self.grey, &other.grey) {
            (None, None) => true,
            (Some(a), Some(b)) => a.0.is(&b.0) && (a.1, a.2) == (b.1, b.2),
            _ => false,
        };
        grey && self.labels.is(&other.labels)
    }

    /// Draws the object of a label whose box is known: red, green, blue of each pixel.
    ///
    /// # Errors
    /// If the images can't be read.
    pub fn draw(&self, label: u32, [low, high]: [[usize; 3]; 2], sight: Sight) -> Result<Vec<[u8; 3]>> {
        let info = self.labels.source.info();
        let spacing = info.geometry().spacing().map(|s| if s > 0.0 { s } else { 1.0 });
        let across = if let Sight::Plane(axis) = sight { axis } else { 0 };
        let [down, right] = [[1, 2], [0, 2], [0, 1]][across];
        let middle: [f64; 3] = std::array::from_fn(|a| (low[a] + high[a]) as f64 / 2.0);
        let side = |a: usize| (high[a].saturating_sub(low[a])) as f64 * spacing[a];
        let least = LEAST * spacing[down].min(spacing[right]);
        let half = (side(down).max(side(right)) * (0.5 + MARGIN)).max(least / 2.0);
        // The coarsest level that has a voxel for every pixel.
        let scale =
            |level: usize, a: usize| info.levels[0].shape[a] as f64 / info.levels[level].shape[a] as f64;
        let fine = |level: usize| {
            [down, right].into_iter().all(|a| 2.0 * half / spacing[a] / scale(level, a) >= EDGE as f64)
        };
        let level = (1..info.levels.len()).rev().find(|level| fine(*level)).unwrap_or(0);
        let shape = info.levels[level].shape;
        let bound =
            |v: f64, a: usize| (v / scale(level, a)).floor().clamp(0.0, (shape[a] - 1) as f64) as usize;
        let (mut start, mut size) = ([0; 3], [1; 3]);
        for a in [down, right] {
            start[a] = bound(middle[a] - half / spacing[a], a);
            size[a] = bound(middle[a] + half / spacing[a], a) + 1 - start[a];
        }
        if sight == Sight::Projection {
            start[0] = bound(low[0] as f64, 0);
            size[0] = bound(high[0].saturating_sub(1).max(low[0]) as f64, 0) + 1 - start[0];
        } else {
            start[across] = bound(middle[across], across);
        }
        let region = Region::new(start, size);
        let frame = |c: &Channel| Frame { level, channel: c.channel, time: c.time };
        let labels = self.labels.source.read(frame(&self.labels), region)?;
        let grey = match &self.grey {
            Some((channel, window, map)) => {
                Some((channel.source.read(frame(channel), region)?, *window, *map))
            }
            None => None,
        };
        // The voxel of the region at a pixel, along an axis.
        let voxel = |pixel: usize, a: usize| {
            let place = middle[a] + (2.0 * (pixel as f64 + 0.5) / EDGE as f64 - 1.0) * half / spacing[a];
            let at = (place / scale(level, a)).floor();
            let inside = at >= start[a] as f64 && at < (start[a] + size[a]) as f64;
            inside.then(|| at as usize - start[a])
        };
        let index = |x: usize, y: usize, depth: usize| {
            let mut index = [0; 3];
            (index[right], index[down]) = (voxel(x, right)?, voxel(y, down)?);
            index[across] = depth;
            Some(index)
        };
        let depths = size[across];
        let is_it = |x: usize, y: usize| {
            (0..depths).any(|d| index(x, y, d).and_then(|i| labels.get(i)) == Some(f64::from(label)))
        };
        let inside: Vec<bool> = (0..EDGE * EDGE).map(|i| is_it(i % EDGE, i / EDGE)).collect();
        let colour = label_color(label);
        let pixel = |i: usize| {
            let (x, y) = (i % EDGE, i / EDGE);
            let at = |x: usize, y: usize| inside[y * EDGE + x];
            let edge = inside[i]
                && (x == 0 || y == 0 || x + 1 == EDGE || y + 1 == EDGE || {
                    !(at(x - 1, y) && at(x + 1, y) && at(x, y - 1) && at(x, y + 1))
                });
            if edge {
                return colour;
            }
            let Some((grey, [black, white], map)) = &grey else {
                return if inside[i] { colour.map(|c| c / 2) } else { [14, 16, 20] };
            };
            // Of a projection only what belongs to the object counts.
            let own = |d: usize| {
                sight != Sight::Projection
                    || index(x, y, d).and_then(|i| labels.get(i)) == Some(f64::from(label))
            };
            let values = (0..depths).filter(|d| own(*d)).filter_map(|d| grey.get(index(x, y, d)?));
            let value = values.fold(f64::NEG_INFINITY, f64::max);
            if value == f64::NEG_INFINITY {
                return [14, 16, 20];
            }
            map.at(((value - black) / (white - black)) as f32)
        };
        Ok((0..EDGE * EDGE).map(pixel).collect())
    }
}
