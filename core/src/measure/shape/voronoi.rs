//! Voronoi cells of objects: the voxels of the image that are nearer to an object than to any other.

use crate::measure::shape::balls::ids;
use crate::measure::sums::index::Index;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Result, Volume};
use ndarray::{Array3, ArrayView3, ArrayViewMut1, Axis, Zip};
use rayon::prelude::*;

/// Squared distance to an object, and the object's label; infinite and 0 before any is found.
type Near = (f32, u32);

fn lines(near: &mut Array3<Near>, axis: usize, spacing: [f64; 3], job: &Job) -> Result<()> {
    // In units of the last axis, so that squares of equal sides are whole numbers.
    let weight = (spacing[axis] / spacing[2]).powi(2);
    let planes = usize::from(axis == 0);
    near.axis_iter_mut(Axis(planes)).into_par_iter().try_for_each(|mut plane| {
        job.check()?;
        // Lines along the axis are the columns of the plane, or its rows for x.
        let mut envelope = Envelope::default();
        for line in plane.lanes_mut(Axis(usize::from(axis == 2))) {
            envelope.along(line, weight);
        }
        Ok(())
    })
}

/// The nearest object within each slice: squared distances, as the bits of floats, and labels. The
/// distances are exact, between voxel centres, found along x, y and z as lower envelopes of parabolas
/// (Felzenszwalb & Huttenlocher 2012, doi:10.4086/toc.2012.v008a019). A voxel equally near to several
/// objects goes to one of them, always the same.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn within(labels: &RegionView, spacing: [f64; 3], job: &Job) -> Result<[Volume; 2]> {
    let mut near = ArrayView3::from_shape(labels.region.shape, &ids(labels))
        .expect("of the shape of the block")
        .mapv(|label| (if label == 0 { f32::INFINITY } else { 0.0 }, label));
    lines(&mut near, 2, spacing, job)?;
    lines(&mut near, 1, spacing, job)?;
    Ok([Volume::U32(near.mapv(|n| n.0.to_bits())), Volume::U32(near.mapv(|n| n.1))])
}

/// How many voxels are nearest to each label, in whole columns of what [`within`] gave.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn cells(squared: &Volume, labels: &Volume, spacing: [f64; 3], job: &Job) -> Result<Vec<(u64, u64)>> {
    let (Volume::U32(squared), Volume::U32(labels)) = (squared, labels) else {
        unreachable!("both fields are u32")
    };
    let mut near = Zip::from(squared).and(labels).map_collect(|s, l| (f32::from_bits(*s), *l));
    lines(&mut near, 0, spacing, job)?;
    let planes: Vec<(Index, Vec<u64>)> = near
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|plane| {
            let (mut index, mut counts) = (Index::default(), Vec::new());
            for &(_, label) in plane.iter().filter(|n| n.1 != 0) {
                add(&mut index, &mut counts, u64::from(label), 1);
            }
            (index, counts)
        })
        .collect();
    job.advance(near.len() as u64);
    let planes =
        planes.iter().flat_map(|(labels, plane)| labels.keys().iter().copied().zip(plane.iter().copied()));
    Ok(added(planes.collect()))
}

/// One number for each label.
pub fn added(mut cells: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    cells.sort_unstable();
    cells.chunk_by(|a, b| a.0 == b.0).map(|c| (c[0].0, c.iter().map(|n| n.1).sum())).collect()
}

fn add(index: &mut Index, counts: &mut Vec<u64>, label: u64, n: u64) {
    let at = index.number(label);
    if at == counts.len() {
        counts.push(0);
    }
    counts[at] += n;
}

/// The lower envelope of the parabolas of one line.
#[derive(Default)]
struct Envelope {
    line: Vec<Near>,
    /// Positions of the parabolas that are part of it, and where each begins to be the lowest.
    parts: Vec<(usize, f64)>,
}

impl Envelope {
    fn along(&mut self, mut target: ArrayViewMut1<Near>, weight: f64) {
        self.line.clear();
        self.line.extend(target.iter());
        self.parts.clear();
        let height = |line: &[Near], q: usize| f64::from(line[q].0) + weight * (q * q) as f64;
        for q in (0..self.line.len()).filter(|&q| self.line[q].1 != 0) {
            let mut begin = f64::NEG_INFINITY;
            while let Some(&(p, from)) = self.parts.last() {
                begin = (height(&self.line, q) - height(&self.line, p)) / (2.0 * weight * (q - p) as f64);
                if begin > from {
                    break;
                }
                self.parts.pop();
                begin = f64::NEG_INFINITY;
            }
            self.parts.push((q, begin));
        }
        if self.parts.is_empty() {
            return;
        }
        let mut k = 0;
        for (x, near) in target.iter_mut().enumerate() {
            while self.parts.get(k + 1).is_some_and(|next| next.1 < x as f64) {
                k += 1;
            }
            let p = self.parts[k].0;
            let (squared, label) = self.line[p];
            *near = ((f64::from(squared) + weight * x.abs_diff(p).pow(2) as f64) as f32, label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Region;

    #[test]
    fn every_voxel_is_nearest_to_its_cell() {
        let mut state = 9u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for (shape, spacing) in
            [([7, 9, 11], [1.0; 3]), ([1, 12, 9], [1.0; 3]), ([8, 6, 10], [2.0, 1.0, 0.6])]
        {
            // Seeds far apart in value, one voxel each; ties are left to either side.
            let mut a = Array3::<u32>::zeros(shape);
            for label in 1..6 {
                let at: [usize; 3] = shape.map(|n| next(n as u64) as usize);
                a[at] = label * 1000;
            }
            let seeds: Vec<([usize; 3], u32)> =
                a.indexed_iter().filter(|(_, l)| **l != 0).map(|((z, y, x), l)| ([z, y, x], *l)).collect();
            let volume = Volume::from(a.clone());
            let part = RegionView { volume: &volume, region: Region::whole(shape) };
            let [near, nearest] = within(&part, spacing, &Job::silent()).unwrap();
            let found = cells(&near, &nearest, spacing, &Job::silent()).unwrap();
            assert_eq!(found.iter().map(|c| c.1).sum::<u64>(), a.len() as u64);
            let mut bounds = std::collections::BTreeMap::<u32, (u64, u64)>::new();
            for ((z, y, x), _) in a.indexed_iter() {
                let p = [z, y, x];
                let squared = |s: &[usize; 3]| {
                    (0..3).map(|k| ((p[k] as f64 - s[k] as f64) * spacing[k]).powi(2)).sum::<f64>()
                };
                let least = seeds.iter().map(|s| squared(&s.0)).fold(f64::INFINITY, f64::min);
                let nearest: Vec<u32> =
                    seeds.iter().filter(|s| squared(&s.0) <= least * (1.0 + 1e-6)).map(|s| s.1).collect();
                for label in &nearest {
                    let b = bounds.entry(*label).or_default();
                    b.0 += u64::from(nearest.len() == 1);
                    b.1 += 1;
                }
            }
            for (label, n) in found {
                let (low, high) = bounds[&(label as u32)];
                assert!((low..=high).contains(&n), "{label}: {n} not in {low}..={high}");
            }
        }
    }
}
