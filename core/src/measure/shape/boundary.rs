//! Figures of the voxels on an object's boundary: those with a face towards something else, the
//! outside of the image included.

use crate::algorithms::exact_sum::ExactSum;
use crate::measure::shape::balls::ids;
use crate::measure::sums::Objects;
use crate::measure::sums::index::Index;
use crate::measure::sums::scan::RegionView;
use crate::{Geometry, Job, Region, Result, Voxel, parallel, with_volume};
use glam::DVec3;
use serde::{Deserialize, Serialize};

/// Sums over the boundary voxels of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundarySums {
    /// The object's row.
    pub row: u32,
    /// Boundary voxels.
    pub count: u64,
    /// By channel: voxels with a finite gradient, and the sum of its magnitude.
    pub gradients: Vec<(u64, ExactSum)>,
}

impl BoundarySums {
    /// Mean gradient magnitude by channel; NaN without a finite one.
    pub fn means(&self) -> Vec<f64> {
        self.gradients.iter().map(|(n, sum)| if *n == 0 { f64::NAN } else { sum.over(*n) }).collect()
    }
}

/// Sums of a region. Labels and channels must reach one voxel around it where the image does.
/// Gradients are central differences, one-sided on the faces of the image. Along an axis of one voxel
/// the image has no faces.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn boundary(
    objects: &Objects,
    image: [usize; 3],
    geometry: &Geometry,
    labels: &RegionView,
    channels: &[RegionView],
    out: Region,
    job: &Job,
) -> Result<Vec<BoundarySums>> {
    let ids = ids(labels);
    // Slopes along the axes make a covector.
    let world = geometry.world_from_index.matrix3.inverse().transpose();
    let planes = parallel::map(out.shape[0], job, &|z| {
        let mut plane = Plane { index: Index::default(), found: Vec::new() };
        let mut exposed = Vec::new();
        for y in out.start[1]..out.end()[1] {
            let at = [out.start[0] + z, y, out.start[2]];
            exposed_in_row(&ids, labels, image, at, out.shape[2], &mut exposed);
            for &(x, label) in &exposed {
                if let Some(sums) = plane.sums(objects, label, channels.len()) {
                    sums.count += 1;
                    for (part, (n, sum)) in channels.iter().zip(&mut sums.gradients) {
                        let gradient = length(world * slopes(part, image, [at[0], y, x]));
                        if gradient.is_finite() {
                            *n += 1;
                            sum.add_all([gradient]);
                        }
                    }
                }
            }
        }
        job.advance((out.shape[1] * out.shape[2]) as u64);
        Ok(plane.found)
    })?;
    Ok(added(planes.concat()))
}

/// The sums of a plane, in the order in which its labels appear.
struct Plane {
    index: Index,
    found: Vec<BoundarySums>,
}

impl Plane {
    fn sums(&mut self, objects: &Objects, label: u32, channels: usize) -> Option<&mut BoundarySums> {
        let at = match self.index.find(u64::from(label)) {
            Some(at) => at,
            None => {
                let row = objects.labels.find(u64::from(label))? as u32;
                let gradients = vec![(0, ExactSum::default()); channels];
                self.found.push(BoundarySums { row, count: 0, gradients });
                self.index.number(u64::from(label))
            }
        };
        Some(&mut self.found[at])
    }
}

/// Finds the voxels of a row that have a face towards another label or the outside of the image: their
/// positions along x and their labels.
fn exposed_in_row(
    ids: &[u32],
    labels: &RegionView,
    image: [usize; 3],
    [z, y, x]: [usize; 3],
    width: usize,
    exposed: &mut Vec<(usize, u32)>,
) {
    exposed.clear();
    let row = |z: usize, y: usize| &ids[labels.offset([z, y, x])..][..width];
    let here = row(z, y);
    let ends = |a: usize, at: usize| image[a] > 1 && (at == 0 || at + 1 == image[a]);
    let outside = ends(0, z) || ends(1, y);
    let beside = |a: usize, [z, y]: [usize; 2], [dz, dy]: [usize; 2]| {
        if image[a] > 1 && !ends(a, [z, y][a]) {
            [row(z - dz, y - dy), row(z + dz, y + dy)]
        } else {
            [here; 2]
        }
    };
    let [[below, above], [before, behind]] = [beside(0, [z, y], [1, 0]), beside(1, [z, y], [0, 1])];
    // What lies left and right of a voxel; at the ends of the image's rows an id that is no label.
    let from = labels.offset([z, y, x]);
    let left = |i: usize| if x + i == 0 { 0 } else { ids[from + i - 1] };
    let right = |i: usize| if x + i + 1 == image[2] { 0 } else { ids[from + i + 1] };
    for (i, &label) in here.iter().enumerate() {
        let differ = |other: u32| other != label;
        if label != 0
            && (outside
                || differ(below[i]) | differ(above[i]) | differ(before[i]) | differ(behind[i])
                || image[2] > 1 && (differ(left(i)) || differ(right(i))))
        {
            exposed.push((x + i, label));
        }
    }
}

/// One entry for each object.
pub fn added(mut sums: Vec<BoundarySums>) -> Vec<BoundarySums> {
    sums.sort_by_key(|s| s.row);
    let mut added: Vec<BoundarySums> = Vec::new();
    for sum in sums {
        match added.last_mut() {
            Some(last) if last.row == sum.row => {
                last.count += sum.count;
                for (mine, theirs) in last.gradients.iter_mut().zip(sum.gradients) {
                    mine.0 += theirs.0;
                    mine.1.merge(&theirs.1);
                }
            }
            _ => added.push(sum),
        }
    }
    added
}

/// Slopes per voxel along `(x, y, z)`.
fn slopes(part: &RegionView, image: [usize; 3], at: [usize; 3]) -> DVec3 {
    let value = |at: [usize; 3]| {
        let offset = part.offset(at);
        with_volume!(part.volume, |a| a.as_slice().expect("volumes are in C order")[offset].to_f64())
    };
    let slope = |axis: usize| {
        let (mut before, mut after) = (at, at);
        before[axis] = at[axis].saturating_sub(1);
        after[axis] = (at[axis] + 1).min(image[axis] - 1);
        let steps = after[axis] - before[axis];
        if steps == 0 { 0.0 } else { (value(after) - value(before)) / steps as f64 }
    };
    DVec3::new(slope(2), slope(1), slope(0))
}

/// The length of a vector, whose squares may be beyond the range of `f64`.
fn length(v: DVec3) -> f64 {
    let greatest = v.abs().max_element();
    if greatest > 0.0 && !(1e-150..1e150).contains(&greatest) {
        greatest * (v / greatest).length()
    } else {
        v.length()
    }
}
