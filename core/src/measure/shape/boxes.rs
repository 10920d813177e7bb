//! Figures that need an object's voxels together: the skeleton and the longest path inside. Each
//! object is worked on in its own box with a frame of background around it.

use crate::measure::columns::object::Frame;
use crate::measure::columns::objects::rows_by_label;
use crate::measure::shape::geodesic::{self, Geodesic};
use crate::measure::shape::skeleton::{self, Skeleton};
use crate::measure::shape::thickness::Moments;
use crate::measure::sums::Objects;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Voxel, VoxelType, with_volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What an object's voxels tell together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxFigures {
    /// Distance of the innermost voxel to the nearest voxel outside the object.
    pub inscribed_radius: f64,
    /// That voxel, `[z, y, x]`.
    pub centre: [u64; 3],
    /// 26-connected parts.
    pub components: u64,
    /// 6-connected parts of what is not the object, less the outside.
    pub cavities: u64,
    /// Local thickness.
    pub thickness: Moments,
    /// The skeleton and the longest path.
    pub paths: Paths,
}

/// What is found in an object's box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// The skeleton.
    pub skeleton: Skeleton,
    /// The longest path inside.
    pub geodesic: Geodesic,
}

impl BoxFigures {
    /// Before anything was found.
    pub const NONE: Self = Self {
        inscribed_radius: f64::NAN,
        centre: [0; 3],
        components: 0,
        cavities: 0,
        thickness: Moments::NONE,
        paths: Paths { skeleton: Skeleton::NONE, geodesic: Geodesic::NONE },
    };
}

/// Which of the figures are to be found; the others stay NaN and 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The skeleton.
    pub skeleton: bool,
    /// The longest path inside.
    pub geodesic: bool,
}

/// Where objects are, so that those of a block are found without looking at all of them.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Where their boxes begin, ascending, and their rows.
    beginnings: Vec<([u32; 3], u32)>,
    /// Rows of those that reach farther along an axis than [`NEAR`], by label.
    far: Vec<usize>,
    /// How many boxes meet each cell of [`CELL`] voxels along each axis, and how many cells there are; the array has one
    /// more along each axis.
    cells: (Vec<i32>, [usize; 3]),
}

/// Voxels of a cell along each axis.
const CELL: usize = 32;

/// How many boxes meet each cell: each box is a step up at its beginning and one down at its end along each axis, whose
/// sums that is.
fn cells_of(boxes: &[Region]) -> (Vec<i32>, [usize; 3]) {
    let last = |region: &Region| region.end().map(|n| (n - 1) / CELL);
    let mut shape = [0; 3];
    for region in boxes {
        let last = last(region);
        shape = std::array::from_fn(|a| shape[a].max(last[a] + 1));
    }
    let [_, ny, nx] = shape.map(|n| n + 1);
    let at = |z: usize, y: usize, x: usize| (z * ny + y) * nx + x;
    let mut steps = vec![0i32; shape.map(|n| n + 1).iter().product()];
    for region in boxes {
        let (first, last) = (region.start.map(|n| n / CELL), last(region));
        for corner in 0..8 {
            let end = [corner & 1, corner >> 1 & 1, corner >> 2];
            let [z, y, x] = std::array::from_fn(|a| if end[a] == 1 { last[a] + 1 } else { first[a] });
            steps[at(z, y, x)] += if end.iter().sum::<i32>() % 2 == 0 { 1 } else { -1 };
        }
    }
    let [cz, cy, cx] = shape;
    for (dz, dy, dx) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        for z in dz..cz {
            for y in dy..cy {
                for x in dx..cx {
                    steps[at(z, y, x)] += steps[at(z - dz, y - dy, x - dx)];
                }
            }
        }
    }
    (steps, shape)
}

/// Objects that reach no farther than this along any axis are seen as a whole where the distribution
/// of their intensities is found.
const NEAR: usize = 64;

/// Whether an object with such a box is one that does not reach far.
pub fn is_near(region: Region) -> bool {
    region.shape.iter().all(|n| *n <= NEAR)
}

impl Places {
    /// Of all objects.
    pub fn of(objects: &Objects) -> Self {
        let rows = rows_by_label(objects);
        let begins = |row: &usize| (objects.voxels.region(*row).start.map(|n| n as u32), *row as u32);
        let mut beginnings: Vec<_> = rows.par_iter().map(begins).collect();
        beginnings.par_sort_unstable();
        let boxes: Vec<Region> = rows.par_iter().map(|row| objects.voxels.region(*row)).collect();
        let far = rows.into_iter().zip(&boxes).filter(|(_, region)| !is_near(**region));
        Self { beginnings, far: far.map(|(row, _)| row).collect(), cells: cells_of(&boxes) }
    }

    /// Whether boxes meet a block, or come so near to it that they might.
    pub fn has_box_in(&self, block: Region) -> bool {
        let (cells, shape) = &self.cells;
        let (first, end) = (block.start.map(|n| n / CELL), block.end().map(|n| n.div_ceil(CELL)));
        let range = |a: usize| first[a]..end[a].min(shape[a]);
        let count = |z: usize, y: usize, x: usize| cells[(z * (shape[1] + 1) + y) * (shape[2] + 1) + x];
        range(0).any(|z| range(1).any(|y| range(2).any(|x| count(z, y, x) > 0)))
    }

    /// Rows of the objects whose boxes begin in a block, by label: each object begins in one.
    pub fn beginning(&self, objects: &Objects, block: Region) -> Vec<usize> {
        let ([z0, y0, x0], [z1, y1, x1]) = (block.start.map(|n| n as u32), block.end().map(|n| n as u32));
        let mut rows = Vec::new();
        for z in z0..z1 {
            let from = self.beginnings.partition_point(|(at, _)| *at < [z, y0, 0]);
            let of_lines = self.beginnings[from..].iter().take_while(|(at, _)| *at < [z, y1, 0]);
            rows.extend(of_lines.filter(|(at, _)| (x0..x1).contains(&at[2])).map(|(_, row)| *row as usize));
        }
        let labels = objects.labels.keys();
        rows.sort_unstable_by_key(|row| labels[*row]);
        rows
    }

    /// Rows of the objects that reach far, by label.
    pub fn far(&self) -> &[usize] {
        &self.far
    }
}

/// The region that holds the boxes of these objects; the first voxel of `block` if there are none.
pub fn around(objects: &Objects, rows: &[usize], block: Region) -> Region {
    let both = |a: Region, b: Region| {
        let start: [usize; 3] = std::array::from_fn(|k| a.start[k].min(b.start[k]));
        Region::new(start, std::array::from_fn(|k| a.end()[k].max(b.end()[k]) - start[k]))
    };
    let boxes = rows.iter().map(|row| objects.voxels.region(*row));
    boxes.reduce(both).unwrap_or(Region::new(block.start, block.shape.map(|n| n.min(1))))
}

/// The figures of the objects of these rows.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn figures(
    frame: &Frame,
    objects: &Objects,
    mut rows: Vec<usize>,
    labels: &RegionView,
    wanted: Wanted,
    job: &Job,
) -> Result<Vec<(u32, Paths)>> {
    // Greatest boxes first, so that no thread is left with one at the end.
    rows.sort_by_key(|&row| std::cmp::Reverse(objects.voxels.region(row).len()));
    let geometry = &frame.geometry;
    rows.into_par_iter()
        .with_max_len(1)
        .map(|row| {
            job.check()?;
            let (v, label) = (objects.voxels.region(row), objects.labels.keys()[row]);
            let mut paths = BoxFigures::NONE.paths;
            if wanted.skeleton {
                let shape = v.shape.map(|n| n + 2);
                paths.skeleton = skeleton::skeleton(&boxed(labels, label, v, 1), shape, geometry);
            }
            if wanted.geodesic {
                let shape = v.shape.map(|n| n + 4);
                paths.geodesic = geodesic::geodesic(&boxed(labels, label, v, 2), shape, geometry);
            }
            job.advance(objects.voxels.count(row));
            Ok((row as u32, paths))
        })
        .collect()
}

/// The object in its box: 1 inside, with a frame of so many voxels of 0.
fn boxed(labels: &RegionView, label: u64, region: Region, frame: usize) -> Vec<u8> {
    let [d, h, w] = region.shape;
    let mut mask = vec![0u8; region.shape.iter().map(|n| n + 2 * frame).product()];
    let is_mask = labels.volume.voxel_type() == VoxelType::U8;
    with_volume!(labels.volume, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        for z in 0..d {
            for y in 0..h {
                let from = labels.offset([z + region.start[0], y + region.start[1], region.start[2]]);
                let to = ((z + frame) * (h + 2 * frame) + y + frame) * (w + 2 * frame) + frame;
                for (m, v) in mask[to..to + w].iter_mut().zip(&all[from..]) {
                    let v = v.to_f64();
                    *m = u8::from(if is_mask { v != 0.0 } else { v == label as f64 });
                }
            }
        }
    });
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::Random;

    #[test]
    fn cells_meet_the_boxes_that_they_meet() {
        let mut random = Random(9);
        for _ in 0..50 {
            let boxes: Vec<Region> = (0..1 + random.below(6))
                .map(|_| {
                    let start = std::array::from_fn(|_| random.below(150));
                    Region::new(start, std::array::from_fn(|_| 1 + random.below(90)))
                })
                .collect();
            let places = Places { cells: cells_of(&boxes), ..Places::default() };
            for cell in Region::whole([320; 3]).tiles([CELL; 3]) {
                let meets = boxes.iter().any(|b| !b.intersection(&cell).is_empty());
                assert_eq!(places.has_box_in(cell), meets);
            }
            let all = boxes.iter().all(|b| places.has_box_in(*b));
            assert!(all && !places.has_box_in(Region::new([300; 3], [20; 3])));
        }
        assert!(!Places::default().has_box_in(Region::whole([9; 3])));
    }
}
