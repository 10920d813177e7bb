//! The basins of all maxima of an image, without a flood.
//!
//! Where every maximum is a marker, a flood from high to low rises to no voxel but by its own value. So the neighbour
//! that is flooded first is the greatest one, of equal ones that with the fewest steps on its plateau, and then the
//! first in C order: each voxel knows its own, and the maximum at the end of the path is its basin. All but the
//! plateaus is found by all threads at once.

use super::{Maximum, too_many};
use crate::algorithms::components::Connectivity;
use crate::{Job, Result, parallel};
use multiversion::multiversion;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// A voxel of a plateau whose next voxel is not known yet.
const FLAT: u32 = u32::MAX;
/// Another voxel, all of whose greatest neighbours are such.
const WAITS: u32 = u32::MAX - 1;

/// The maxima of an image `[z, y, x]`, ascending (voxels that no neighbour exceeds; of equal ones the last counts as the
/// greatest), and for each voxel the index of the maximum whose basin it is in, plus 1. Voxels that are 0 are in none.
///
/// # Errors
/// [`crate::Error::Cancelled`]; more voxels than 32-bit numbers can name.
pub fn basins(
    values: &[u32],
    shape: [usize; 3],
    connectivity: Connectivity,
    job: &Job,
) -> Result<(Vec<Maximum>, Vec<u32>)> {
    if values.len() >= WAITS as usize {
        return Err(too_many("split", values.len()));
    }
    let grid = Grid { values, shape, steps: connectivity.neighbours() };
    let mut next: Vec<AtomicU32> = Vec::new();
    next.resize_with(values.len(), AtomicU32::default);
    let [nz, ny, nx] = shape;
    let found = std::sync::Mutex::new(vec![PlaneMaxima::default(); nz]);
    if !values.is_empty() {
        parallel::chunks(&mut next, ny * nx, job, &|z, next| {
            let of_plane = grid.plane(z, next);
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[z] = of_plane;
            Ok(())
        })?;
    }
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut maxima = Vec::new();
    let mut flat = Vec::new();
    for mut of_plane in found {
        maxima.append(&mut of_plane.maxima);
        flat.append(&mut of_plane.flat);
    }
    grid.plateaus(&flat, &mut next, job)?;
    const PIECE: usize = 1 << 16;
    parallel::each(next.len().div_ceil(PIECE), job, &|piece| {
        let end = next.len().min((piece + 1) * PIECE);
        (piece * PIECE..end).for_each(|at| climb(&next, at as u32));
        Ok(())
    })?;
    Ok((maxima, next.into_iter().map(AtomicU32::into_inner).collect()))
}

/// Follows a path to its maximum, which all voxels on it then know.
#[inline(always)]
fn climb(next: &[AtomicU32], at: u32) {
    let get = |name: u32| next[name as usize - 1].load(Relaxed);
    let mut name = at + 1;
    let mut to = get(name);
    if to == 0 {
        return;
    }
    while to != name {
        (name, to) = (to, get(to));
    }
    let top = name;
    let mut name = at + 1;
    while name != top {
        let to = get(name);
        next[name as usize - 1].store(top, Relaxed);
        name = to;
    }
}

/// What is found in a plane, in C order.
#[derive(Clone, Default)]
struct PlaneMaxima {
    maxima: Vec<Maximum>,
    flat: Vec<u32>,
}

struct Grid<'a> {
    values: &'a [u32],
    shape: [usize; 3],
    /// In C order.
    steps: Vec<[isize; 3]>,
}

impl Grid<'_> {
    /// Gives the voxels of a plane their greatest neighbours, the first of equal ones.
    fn plane(&self, z: usize, next: &mut [AtomicU32]) -> PlaneMaxima {
        let [nz, ny, nx] = self.shape;
        let mut found = PlaneMaxima::default();
        let (mut most, mut step) = (vec![0u32; nx], vec![0u32; nx]);
        let offsets: Vec<isize> =
            self.steps.iter().map(|[dz, dy, dx]| (dz * ny as isize + dy) * nx as isize + dx).collect();
        for (y, next) in next.chunks_exact_mut(nx).enumerate() {
            let of_row = |z: usize, y: usize| &self.values[(z * ny + y) * nx..][..nx];
            most.fill(0);
            step.fill(0);
            for (k, [dz, dy, dx]) in self.steps.iter().enumerate() {
                let (z, y) = (z.wrapping_add_signed(*dz), y.wrapping_add_signed(*dy));
                if z < nz && y < ny {
                    greater(of_row(z, y), *dx, k as u32, &mut most, &mut step);
                }
            }
            let own = of_row(z, y);
            for (x, next) in next.iter_mut().enumerate() {
                let at = (z * ny + y) * nx + x;
                *next.get_mut() = match own[x] {
                    0 => 0,
                    own if most[x] > own => at.wrapping_add_signed(offsets[step[x] as usize]) as u32 + 1,
                    own if most[x] == own && self.around(at).any(|q| q > at && self.values[q] == own) => {
                        found.flat.push(at as u32);
                        FLAT
                    }
                    own => {
                        found.maxima.push((at as u64, own));
                        at as u32 + 1
                    }
                };
            }
        }
        found
    }

    /// The neighbours of a voxel, in C order.
    fn around(&self, at: usize) -> impl Iterator<Item = usize> + use<'_> {
        let [_, ny, nx] = self.shape;
        let p = [at / (ny * nx), at / nx % ny, at % nx];
        self.steps.iter().filter_map(move |step| {
            let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(step[a]));
            (0..3).all(|a| q[a] < self.shape[a]).then(|| (q[0] * ny + q[1]) * nx + q[2])
        })
    }

    /// The greatest value around a voxel.
    fn most(&self, at: usize) -> u32 {
        self.around(at).map(|q| self.values[q]).max().unwrap_or(0)
    }

    /// Finds ways over plateaus, front by front from where they are left.
    fn plateaus(&self, flat: &[u32], next: &mut [AtomicU32], job: &Job) -> Result<()> {
        let mut front = Vec::new();
        for (i, &at) in flat.iter().enumerate() {
            if i % 4096 == 0 {
                job.check()?;
            }
            let (at, value) = (at as usize, self.values[at as usize]);
            for q in self.around(at).filter(|q| self.values[*q] != 0 && self.values[*q] <= value) {
                let to = *next[q].get_mut();
                if self.values[q] == value {
                    if to != FLAT {
                        front.push(q as u32);
                    }
                } else if to == at as u32 + 1 {
                    // It prefers a neighbour that is left at once.
                    let found =
                        self.around(q).find(|r| self.values[*r] == value && *next[*r].get_mut() != FLAT);
                    *next[q].get_mut() = found.map_or(WAITS, |r| r as u32 + 1);
                }
            }
        }
        front.sort_unstable();
        front.dedup();
        let mut reached = Vec::new();
        while !front.is_empty() {
            for (i, &at) in front.iter().enumerate() {
                if i % 4096 == 0 {
                    job.check()?;
                }
                let (at, value) = (at as usize, self.values[at as usize]);
                for q in self.around(at) {
                    let to = *next[q].get_mut();
                    if to == FLAT && self.values[q] == value {
                        *next[q].get_mut() = at as u32 + 1;
                        reached.push(q as u32);
                    } else if to == WAITS && self.values[q] < value && self.most(q) == value {
                        *next[q].get_mut() = at as u32 + 1;
                    }
                }
            }
            reached.sort_unstable();
            std::mem::swap(&mut front, &mut reached);
            reached.clear();
        }
        Ok(())
    }
}

/// Puts neighbours in a row, `dx` away, in the place of lesser ones.
#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn greater(row: &[u32], dx: isize, k: u32, most: &mut [u32], step: &mut [u32]) {
    let n = row.len() - dx.unsigned_abs();
    let (from, to) = (dx.max(0) as usize, (-dx).max(0) as usize);
    let (row, most, step) = (&row[from..from + n], &mut most[to..to + n], &mut step[to..to + n]);
    for i in 0..n {
        let greater = row[i] > most[i];
        most[i] = if greater { row[i] } else { most[i] };
        step[i] = if greater { k } else { step[i] };
    }
}

#[cfg(test)]
mod tests {
    use super::super::brute;
    use super::*;
    use crate::algorithms::components::tests::Random;

    #[test]
    fn basins_are_those_of_a_flood_from_every_maximum() {
        let mut random = Random(51);
        for i in 0..150 {
            let shape = random.shape(9);
            let (kinds, n) = ([2, 3, 6, 40, 5000][i % 5], shape.iter().product::<usize>());
            let values: Vec<u32> = (0..n).map(|_| random.below(kinds) as u32).collect();
            for connectivity in [Connectivity::Six, Connectivity::Eighteen, Connectivity::TwentySix] {
                let grid = Grid { values: &values, shape, steps: connectivity.neighbours() };
                let is_peak = |at: &usize| {
                    let own = (values[*at], *at);
                    own.0 != 0 && grid.around(*at).all(|q| (values[q], q) < own)
                };
                let expected: Vec<Maximum> =
                    (0..n).filter(is_peak).map(|at| (at as u64, values[at])).collect();
                let mut markers = vec![0; n];
                expected.iter().for_each(|peak| markers[peak.0 as usize] = peak.0 as u32 + 1);
                let (maxima, labels) = basins(&values, shape, connectivity, &Job::silent()).unwrap();
                assert_eq!(maxima, expected);
                let heights: Vec<f64> = values.iter().map(|v| -f64::from(*v)).collect();
                let mask: Vec<u8> = values.iter().map(|v| u8::from(*v != 0)).collect();
                assert_eq!(labels, brute(&heights, &markers, Some(&mask), shape, connectivity), "{shape:?}");
            }
        }
    }

    #[test]
    fn a_plateau_as_large_as_the_image_is_one_basin() {
        let (maxima, labels) = basins(&[7; 120], [4, 5, 6], Connectivity::Six, &Job::silent()).unwrap();
        assert_eq!(maxima, [(119, 7)]);
        assert_eq!(labels, [120; 120]);
        assert_eq!(basins(&[], [0, 5, 6], Connectivity::Six, &Job::silent()).unwrap(), (vec![], vec![]));
    }
}
