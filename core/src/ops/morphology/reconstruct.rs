//! Reconstruction: a marker grows (by dilation) under a mask image until nothing changes any more.
//!
//! The end is unique, whatever the order of the steps (Vincent 1993, *Morphological grayscale
//! reconstruction in image analysis*, doi:10.1109/83.217222), so that slabs can be relaxed in
//! parallel and blocks one after the other. His scans and queue are here scans over the rows that
//! have a neighbour that grew: a row takes the maximum of its neighbours' rows as a vector, and what
//! grew then runs along the row.

use super::lane::{Lane, Ordered};
use crate::algorithms::components::Connectivity;
use crate::{Job, Result, parallel};
use multiversion::multiversion;

/// An image of keys that is relaxed under another, with a border of one row and one plane on all
/// sides whose values are given and stay.
pub struct Relaxation<K> {
    /// Planes and rows, borders included, and voxels a row.
    dims: [usize; 3],
    marker: Vec<K>,
    mask: Vec<K>,
    /// Rows that have to be looked at, one bit each.
    active: Vec<u64>,
    /// Whether rows have been closed along x before.
    closed: bool,
    connectivity: Connectivity,
}

impl<K: Lane + Ord> Relaxation<K> {
    /// An image of `shape`, with a border of the lowest key. `fill(z, y, marker, mask)` writes the
    /// row `(z, y)` of both; a marker above the mask is lowered to it.
    pub fn new(
        shape: [usize; 3],
        connectivity: Connectivity,
        fill: impl Fn(usize, usize, &mut [K], &mut [K]),
    ) -> Self {
        let [nz, ny, nx] = shape;
        let dims = [nz + 2, ny + 2, nx];
        let mut marker = vec![K::BOTTOM; dims.iter().product()];
        let mut mask = marker.clone();
        let mut active = vec![0; (dims[0] * dims[1]).div_ceil(64)];
        for z in 0..nz {
            for y in 0..ny {
                let row = (z + 1) * dims[1] + y + 1;
                let (m, limit) = (&mut marker[row * nx..][..nx], &mut mask[row * nx..][..nx]);
                fill(z, y, m, limit);
                for (m, limit) in m.iter_mut().zip(limit) {
                    *m = (*m).min(*limit);
                }
                active[row / 64] |= 1 << (row % 64);
            }
        }
        Self { dims, marker, mask, active, closed: false, connectivity }
    }

    fn index(&self, z: usize, y: usize) -> usize {
        (z * self.dims[1] + y) * self.dims[2]
    }

    /// The row `(z, y)`.
    pub fn row(&self, z: usize, y: usize) -> &[K] {
        &self.marker[self.index(z + 1, y + 1)..][..self.dims[2]]
    }

    /// The plane `z`, with its border rows; −1 and one past the last are the border.
    fn plane(&self, z: isize) -> &[K] {
        let start = self.index((z + 1) as usize, 0);
        &self.marker[start..start + self.dims[1] * self.dims[2]]
    }

    /// Sets a border plane and wakes the rows beside it where it changed.
    fn set_border(&mut self, first: bool, values: &[K]) -> bool {
        let [nz, ny, nx] = self.dims;
        let (border, beside) = if first { (0, 1) } else { (nz - 1, nz - 2) };
        let mut woken = false;
        for y in 1..ny - 1 {
            let at = self.index(border, y);
            let new = &values[y * nx..][..nx];
            if self.marker[at..at + nx] == *new {
                continue;
            }
            self.marker[at..at + nx].copy_from_slice(new);
            woken = true;
            for y in y - 1..=y + 1 {
                if (1..ny - 1).contains(&y) {
                    let row = beside * ny + y;
                    self.active[row / 64] |= 1 << (row % 64);
                }
            }
        }
        woken
    }

    /// Relaxes to the end.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn relax(&mut self, job: &Job) -> Result<()> {
        let mut buffers = vec![K::BOTTOM; 3 * self.dims[2] + 4];
        let words = self.active.len();
        loop {
            for pass in 0..2 {
                for i in 0..words {
                    let word = if pass == 0 { i } else { words - 1 - i };
                    if self.active[word] != 0 {
                        job.check()?;
                        relax_rows(self, word, pass == 0, &mut buffers);
                    }
                }
                self.closed = true;
            }
            if self.active.iter().all(|w| *w == 0) {
                return Ok(());
            }
        }
    }
}

/// Relaxes the active ones of 64 rows, forwards or backwards.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn relax_rows<K: Lane + Ord>(r: &mut Relaxation<K>, word: usize, forward: bool, buffers: &mut [K]) {
    let mut visited = 0u64;
    loop {
        // Rows that wake during the pass are still taken if they lie ahead.
        let waiting = r.active[word] & !visited;
        if waiting == 0 {
            return;
        }
        let bit = if forward { waiting.trailing_zeros() } else { waiting.ilog2() };
        visited |= if forward { u64::MAX >> (63 - bit) } else { u64::MAX << bit };
        r.active[word] &= !(1 << bit);
        let row = word * 64 + bit as usize;
        if relax_row(r, row, buffers) {
            wake(r, row);
        }
    }
}

/// Wakes the rows around a row that grew.
#[inline(always)]
fn wake<K: Lane + Ord>(r: &mut Relaxation<K>, row: usize) {
    let [nz, ny, _] = r.dims;
    let (z, y) = (row / ny, row % ny);
    let corners = r.connectivity != Connectivity::Six;
    for dz in [-1isize, 0, 1] {
        for dy in [-1isize, 0, 1] {
            if (dz == 0 && dy == 0) || (dz != 0 && dy != 0 && !corners) {
                continue;
            }
            let (z, y) = (z.wrapping_add_signed(dz), y.wrapping_add_signed(dy));
            if (1..nz - 1).contains(&z) && (1..ny - 1).contains(&y) {
                let row = z * ny + y;
                r.active[row / 64] |= 1 << (row % 64);
            }
        }
    }
}

/// Lets a row grow by its neighbours; whether it did.
#[inline(always)]
fn relax_row<K: Lane + Ord>(r: &mut Relaxation<K>, row: usize, buffers: &mut [K]) -> bool {
    let [_, ny, n] = r.dims;
    // Neighbouring rows: those from which voxels one to the side reach, and those from which only
    // the voxel beside does. `wide` has a neutral voxel at either end.
    let (wide, rest) = buffers.split_at_mut(n + 2);
    let (grown, old) = rest.split_at_mut(n);
    let old = &mut old[..n];
    let (before, from) = r.marker.split_at_mut(row * n);
    let (current, after) = from.split_at_mut(n);
    let limit = &r.mask[row * n..][..n];
    let back = |rows: usize| &before[(row - rows) * n..][..n];
    let ahead = |rows: usize| &after[(rows - 1) * n..][..n];
    let faces = [back(ny), back(1), ahead(1), ahead(ny)];
    let edges = [back(ny + 1), back(ny - 1), ahead(ny - 1), ahead(ny + 1)];
    old.copy_from_slice(current);
    if r.connectivity == Connectivity::Six {
        join_4(grown, faces);
    } else {
        {
            let wide = &mut wide[1..=n];
            join_4(wide, faces);
            if r.connectivity == Connectivity::TwentySix {
                grown.copy_from_slice(wide);
                join_4(wide, edges);
                for (w, g) in wide.iter_mut().zip(&*grown) {
                    *w = (*w).max(*g);
                }
            }
        }
        let (left, middle, right) = (&wide[..n], &wide[1..=n], &wide[2..n + 2]);
        if r.connectivity == Connectivity::Eighteen {
            join_4(grown, edges);
        } else {
            grown.fill(K::BOTTOM);
        }
        for i in 0..n {
            grown[i] = grown[i].join(left[i].join(middle[i]).join(right[i]));
        }
    }
    for i in 0..n {
        current[i] = current[i].join(grown[i]).min(limit[i]);
    }

    // What grew runs along the row, both ways.
    let (first, last) = if r.closed {
        let Some(first) = first_difference(old, current) else { return false };
        let last = n - 1 - first_difference_from_end(old, current);
        (first, last)
    } else {
        (0, n - 1)
    };
    let mut value = current[first];
    for x in first + 1..n {
        let next = current[x].join(value).min(limit[x]);
        if x > last && next == current[x] {
            break;
        }
        current[x] = next;
        value = next;
    }
    let mut value = current[last];
    for x in (0..last).rev() {
        let next = current[x].join(value).min(limit[x]);
        if x < first && next == current[x] {
            break;
        }
        current[x] = next;
        value = next;
    }
    r.closed || *old != *current
}

#[inline(always)]
fn join_4<K: Lane>(to: &mut [K], s: [&[K]; 4]) {
    let n = to.len();
    let [a, b, c, d] = s.map(|s| &s[..n]);
    for i in 0..n {
        to[i] = a[i].join(b[i]).join(c[i].join(d[i]));
    }
}

/// Chunks are compared as a whole, which vectorises, and then looked into.
const CHUNK: usize = 32;

#[inline(always)]
fn first_difference<K: Lane>(a: &[K], b: &[K]) -> Option<usize> {
    let differ = |(a, b): (&[K], &[K])| a.iter().zip(b).fold(false, |d, (a, b)| d | (a != b));
    let chunk = a.chunks(CHUNK).zip(b.chunks(CHUNK)).position(differ)?;
    let start = chunk * CHUNK;
    a[start..].iter().zip(&b[start..]).position(|(a, b)| a != b).map(|i| start + i)
}

/// How many voxels at the end agree.
#[inline(always)]
fn first_difference_from_end<K: Lane>(a: &[K], b: &[K]) -> usize {
    let differ = |(a, b): (&[K], &[K])| a.iter().zip(b).fold(false, |d, (a, b)| d | (a != b));
    let n = a.len();
    let chunk = a.rchunks(CHUNK).zip(b.rchunks(CHUNK)).position(differ).unwrap_or(0);
    let end = n - chunk * CHUNK;
    let within = a[..end].iter().rev().zip(b[..end].iter().rev()).position(|(a, b)| a != b);
    chunk * CHUNK + within.unwrap_or(0)
}

/// A whole image as slabs that are relaxed in parallel and exchange their faces until none changes.
pub struct Slabs<K> {
    shape: [usize; 3],
    thick: usize,
    slabs: Vec<Relaxation<K>>,
}

impl<K: Lane + Ord> Slabs<K> {
    /// Arguments as for [`Relaxation::new`].
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn new(
        shape: [usize; 3],
        connectivity: Connectivity,
        fill: impl Fn(usize, usize, &mut [K], &mut [K]) + Sync,
        job: &Job,
    ) -> Result<Self> {
        let [nz, ny, nx] = shape;
        let thick = nz.div_ceil(2 * rayon::current_num_threads()).max(8);
        let slabs = parallel::map(nz.div_ceil(thick), job, &|i| {
            let start = i * thick;
            let shape = [thick.min(nz - start), ny, nx];
            Ok(Relaxation::new(shape, connectivity, |z, y, a, b| fill(start + z, y, a, b)))
        })?;
        Ok(Self { shape, thick, slabs })
    }

    /// Relaxes to the end. The memory of the mask is free then, before that of a result is needed.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn relaxed(mut self, job: &Job) -> Result<Self> {
        loop {
            parallel::items(self.slabs.iter_mut(), job, &|_, slab| slab.relax(job))?;
            let mut woken = false;
            for i in 1..self.slabs.len() {
                let (before, after) = self.slabs.split_at_mut(i);
                let (low, high) = (&mut before[i - 1], &mut after[0]);
                let face = low.plane(low.dims[0] as isize - 3).to_vec();
                woken |= high.set_border(true, &face);
                woken |= low.set_border(false, high.plane(0));
            }
            if !woken {
                self.slabs.iter_mut().for_each(|slab| slab.mask = Vec::new());
                return Ok(self);
            }
        }
    }

    /// Writes the values of the keys, made with `flip`, to `out` in C order.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn write<T: Ordered<Key = K>>(&self, flip: K, out: &mut [T], job: &Job) -> Result<()> {
        let [_, ny, nx] = self.shape;
        if out.is_empty() {
            return Ok(());
        }
        parallel::chunks(out, self.thick * ny * nx, job, &|i, out| {
            let slab = &self.slabs[i];
            for (row, out) in out.chunks_exact_mut(nx).enumerate() {
                for (v, key) in out.iter_mut().zip(slab.row(row / ny, row % ny)) {
                    *v = T::from_key(*key, flip);
                }
            }
            Ok(())
        })
    }
}
