//! Connected components by runs: what `label`, fill holes, remove small, keep largest and clear
//! border share. No operator is declared here.
//!
//! ```ignore
//! let c = Components::of_mask(mask.as_slice()?, shape, Connectivity::Six, Part::Outside, job)?;
//! c.count();                 // components, numbered 1..=count by their first voxel in C order
//! c.sizes();                 // voxels of each; index 0 is component 1
//! c.touching_border();       // whether each reaches a face of the image
//! c.first_voxels();          // linear index of the first voxel of each, ascending
//! c.labels(job)?;            // u32 volume, 0 elsewhere
//! c.paint(&mut out, job, |id| sizes[id as usize - 1] < least)?; // writes where it says Some(v)
//! c.for_each_run(|id, z, y, x_range| …);
//! ```
//!
//! Method: the mask is packed to bits; each row is a list of runs (found by counting trailing zeros
//! of the transitions); runs that touch in the preceding rows are united in one forest, slab by slab
//! in parallel and then across slabs (Rem's union with splicing: Dijkstra 1976; Patwary, Blair &
//! Manne 2010, doi:10.1007/978-3-642-13193-6_35). The root of a tree is always its first run, so
//! numbering roots in order numbers components by their first voxel, whatever the slabs were.
//! Working memory: one bit a voxel and four bytes a run.

pub mod blocked;
pub mod equivalences;
mod forest;
pub mod label_shuffle;
pub(crate) mod rows;
pub mod slabs;

pub use forest::Forest;
pub use rows::{BitRows, Rows, Values};

use crate::program::{Args, ParamType};
use crate::{Error, Job, Result};
use ndarray::Array3;
use rayon::prelude::*;
use rows::Slice;
use std::ops::Range;

/// Which voxels are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Connectivity {
    /// Those that share a face.
    Six,
    /// Those that share a face or an edge.
    Eighteen,
    /// Those that share a face, an edge or a corner.
    TwentySix,
}

impl Connectivity {
    /// How a parameter of this kind is declared.
    pub const PARAM: ParamType = ParamType::Choice(&["6", "18", "26"]);

    /// The value of a parameter declared with [`Connectivity::PARAM`].
    pub fn of(args: &Args, name: &str) -> Self {
        match args.text(name) {
            "6" => Self::Six,
            "18" => Self::Eighteen,
            _ => Self::TwentySix,
        }
    }

    /// How many coordinates of a neighbour may differ.
    pub fn rank(self) -> usize {
        match self {
            Self::Six => 1,
            Self::Eighteen => 2,
            Self::TwentySix => 3,
        }
    }

    /// Steps `[dz, dy, dx]` to all neighbours, in C order.
    pub fn neighbours(self) -> Vec<[isize; 3]> {
        let mut steps = Vec::with_capacity(26);
        for dz in -1..=1isize {
            for dy in -1..=1isize {
                for dx in -1..=1isize {
                    let differ = dz.unsigned_abs() + dy.unsigned_abs() + dx.unsigned_abs();
                    if differ > 0 && differ <= self.rank() {
                        steps.push([dz, dy, dx]);
                    }
                }
            }
        }
        steps
    }

    /// Steps to the neighbours that come before a voxel in C order.
    pub fn preceding(self) -> Vec<[isize; 3]> {
        let mut steps = self.neighbours();
        steps.truncate(steps.len() / 2);
        steps
    }

    /// Preceding rows `(dz, dy)` with how far apart along x two runs may still touch.
    fn rows(self) -> &'static [(isize, isize, u32)] {
        match self {
            Self::Six => &[(0, -1, 0), (-1, 0, 0)],
            Self::Eighteen => &[(0, -1, 1), (-1, 0, 1), (-1, -1, 0), (-1, 1, 0)],
            Self::TwentySix => &[(0, -1, 1), (-1, 0, 1), (-1, -1, 1), (-1, 1, 1)],
        }
    }
}

/// Which voxels of a mask form the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskSide {
    /// Those that are not 0.
    Inside,
    /// Those that are 0.
    Outside,
}

/// The connected components of an image, as runs.
pub struct Components<R = BitRows> {
    shape: [usize; 3],
    rows: R,
    /// Index of the first run of each row, and the number of runs at the end.
    first: Vec<u32>,
    /// Component of each run, from 1.
    ids: Vec<u32>,
    count: u32,
}

impl Components<BitRows> {
    /// The components of a mask `[z, y, x]` in C order.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; more than 2³² − 1 runs.
    pub fn of_mask(
        mask: &[u8],
        shape: [usize; 3],
        connectivity: Connectivity,
        part: MaskSide,
        job: &Job,
    ) -> Result<Self> {
        Self::new(BitRows::pack(mask, shape, part, job)?, shape, connectivity, job)
    }
}

impl<'a> Components<Values<'a>> {
    /// The components of equal labels other than 0, `[z, y, x]` in C order.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; more than 2³² − 1 runs.
    pub fn of_labels(
        labels: &'a [u32],
        shape: [usize; 3],
        connectivity: Connectivity,
        job: &Job,
    ) -> Result<Self> {
        Self::new(Values::new(labels, shape), shape, connectivity, job)
    }
}

impl<R: Rows> Components<R> {
    fn new(rows: R, shape: [usize; 3], connectivity: Connectivity, job: &Job) -> Result<Self> {
        let [nz, ny, _] = shape;
        let mut first = vec![0u32; nz * ny + 1];
        first[1..].par_chunks_mut(ny.max(1)).enumerate().try_for_each(|(z, counts)| {
            job.check()?;
            for (y, count) in counts.iter_mut().enumerate() {
                *count = rows.count(z * ny + y);
            }
            Result::Ok(())
        })?;
        let mut runs = 0u64;
        for n in &mut first {
            runs += u64::from(*n);
            *n = u32::try_from(runs).map_err(|_| too_many())?;
        }
        let mut ids: Vec<u32> = Vec::new();
        ids.try_reserve_exact(runs as usize).map_err(|e| Error::Memory(e.to_string()))?;
        ids.extend(0..runs as u32);

        // Slabs of slices with a share of the forest each.
        let thick = nz.div_ceil(4 * rayon::current_num_threads()).max(1);
        let mut slabs = Vec::new();
        let mut rest = ids.as_mut_slice();
        for start in (0..nz).step_by(thick) {
            let end = (start + thick).min(nz);
            let base = first[start * ny];
            let (own, others) = rest.split_at_mut((first[end * ny] - base) as usize);
            rest = others;
            slabs.push((start..end, Forest::new(base, own)));
        }
        slabs
            .into_par_iter()
            .try_for_each(|(z, mut forest)| unite(&rows, &first, ny, connectivity, z, &mut forest, job))?;
        let mut forest = Forest::new(0, &mut ids);
        let (mut above, mut here) = (Slice::default(), Slice::default());
        for z in (thick..nz).step_by(thick) {
            above.read(&rows, z - 1, ny);
            here.read(&rows, z, ny);
            unite_slices::<R>(&first, ny, connectivity, z, &here, &above, &mut forest);
        }

        // A root is the first run of its tree, so its number is known before any other run's.
        let mut count = 0u32;
        for i in 0..ids.len() {
            let parent = ids[i] as usize;
            if parent == i {
                count += 1;
                ids[i] = count;
            } else {
                ids[i] = ids[parent];
            }
        }
        Ok(Self { shape, rows, first, ids, count })
    }

    /// How many there are. They are numbered from 1 in the order of their first voxels.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Calls `f` with the component, z, y and x range of each run, in C order.
    pub fn for_each_run(&self, mut f: impl FnMut(u32, usize, usize, Range<usize>)) {
        let [nz, ny, _] = self.shape;
        let mut slice = Slice::default();
        for z in 0..nz {
            slice.read(&self.rows, z, ny);
            for y in 0..ny {
                let ids = &self.ids[self.first[z * ny + y] as usize..];
                for (run, id) in slice.row(y).0.iter().zip(ids) {
                    f(*id, z, y, run[0] as usize..run[1] as usize);
                }
            }
        }
    }

    /// Voxels of each component; index 0 is component 1.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0u64; self.count as usize];
        self.for_each_run(|id, _, _, x| sizes[id as usize - 1] += x.len() as u64);
        sizes
    }

    /// Whether each component has a voxel on a face of the image; index 0 is component 1.
    pub fn touching_border(&self) -> Vec<bool> {
        let [nz, ny, nx] = self.shape;
        let mut touching = vec![false; self.count as usize];
        self.for_each_run(|id, z, y, x| {
            if z == 0 || z + 1 == nz || y == 0 || y + 1 == ny || x.start == 0 || x.end == nx {
                touching[id as usize - 1] = true;
            }
        });
        touching
    }

    /// Linear index of the first voxel of each component, ascending; index 0 is component 1.
    pub fn first_voxels(&self) -> Vec<u64> {
        let [_, ny, nx] = self.shape;
        let mut firsts = Vec::with_capacity(self.count as usize);
        self.for_each_run(|id, z, y, x| {
            if id as usize > firsts.len() {
                firsts.push(((z * ny + y) * nx + x.start) as u64);
            }
        });
        firsts
    }

    /// Sets the voxels of each component for which `value` gives one; leaves the rest of `target`
    /// (`[z, y, x]` in C order) as it is.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn paint<T: Copy + Send>(
        &self,
        target: &mut [T],
        job: &Job,
        value: impl Fn(u32) -> Option<T> + Sync,
    ) -> Result<()> {
        let [_, ny, nx] = self.shape;
        if target.is_empty() {
            return Ok(());
        }
        target.par_chunks_mut(ny * nx).enumerate().try_for_each_init(Slice::default, |slice, (z, plane)| {
            job.check()?;
            slice.read(&self.rows, z, ny);
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                let ids = &self.ids[self.first[z * ny + y] as usize..];
                for (run, id) in slice.row(y).0.iter().zip(ids) {
                    if let Some(v) = value(*id) {
                        row[run[0] as usize..run[1] as usize].fill(v);
                    }
                }
            }
            job.advance(plane.len() as u64);
            Ok(())
        })
    }

    /// The label image.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn labels(&self, job: &Job) -> Result<Array3<u32>> {
        let mut labels = Array3::zeros(self.shape);
        self.paint(labels.as_slice_mut().expect("just made"), job, Some)?;
        Ok(labels)
    }
}

fn too_many() -> Error {
    Error::Operator {
        op: "label",
        reason: "the image has more than 4294967295 runs of voxels; work block by block".into(),
    }
}

/// Unites touching runs of a slab of slices.
fn unite<R: Rows>(
    rows: &R,
    first: &[u32],
    ny: usize,
    connectivity: Connectivity,
    slab: Range<usize>,
    forest: &mut Forest,
    job: &Job,
) -> Result<()> {
    let (mut here, mut above) = (Slice::default(), Slice::default());
    for z in slab.clone() {
        job.check()?;
        std::mem::swap(&mut here, &mut above);
        here.read(rows, z, ny);
        for y in 1..ny {
            let reach = connectivity.rows()[0].2;
            let r = z * ny + y;
            unite_rows::<R>(here.row(y), first[r], here.row(y - 1), first[r - 1], reach, forest);
        }
        if z > slab.start {
            unite_slices::<R>(first, ny, connectivity, z, &here, &above, forest);
        }
    }
    Ok(())
}

/// Unites runs of slice `z` with runs of the slice before it.
fn unite_slices<R: Rows>(
    first: &[u32],
    ny: usize,
    connectivity: Connectivity,
    z: usize,
    here: &Slice,
    above: &Slice,
    forest: &mut Forest,
) {
    for y in 0..ny {
        for &(_, dy, reach) in &connectivity.rows()[1..] {
            let Some(other) = y.checked_add_signed(dy).filter(|&o| o < ny) else { continue };
            let (a, b) = (first[z * ny + y], first[(z - 1) * ny + other]);
            unite_rows::<R>(here.row(y), a, above.row(other), b, reach, forest);
        }
    }
}

/// The runs of a row, `[start, end)`, and their values where they have any.
type Row<'a> = (&'a [[u32; 2]], &'a [u32]);

#[inline]
fn unite_rows<R: Rows>(a: Row, a_first: u32, b: Row, b_first: u32, reach: u32, forest: &mut Forest) {
    let ((a, a_values), (b, b_values)) = (a, b);
    let mut j = 0;
    for (i, run) in a.iter().enumerate() {
        while j < b.len() && b[j][1] + reach <= run[0] {
            j += 1;
        }
        let mut k = j;
        while k < b.len() && b[k][0] < run[1] + reach {
            if !R::VALUED || a_values[i] == b_values[k] {
                forest.unite(a_first + i as u32, b_first + k as u32);
            }
            k += 1;
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
pub(crate) mod tests;
