//! The surface of a window of an image.
//!
//! Where a value changes along an edge of the grid there is a vertex. The changes are kept as bits,
//! so the number of a vertex is the number of set bits before it, and nothing is stored for a voxel
//! that the surface does not pass (after flying edges, Schroeder, Maynard & Geveci 2015,
//! doi:10.1109/LDAV.2015.7348069).

use super::cases::cases;
use crate::algorithms::components::rows::pack;
use crate::{Job, Result, parallel};
use multiversion::multiversion;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A window onto an image, seen as a grid of points `[z, y, x]`.
pub trait Points: Sync {
    /// Points of the grid.
    fn shape(&self) -> [usize; 3];
    /// Whether every label has a surface of its own.
    fn labelled(&self) -> bool;
    /// Whether the world sees the grid mirrored, so that triangles are turned over.
    fn mirrored(&self) -> bool;
    /// Writes the labels of a row.
    fn labels(&self, z: usize, y: usize, labels: &mut Vec<u32>);
    /// Sets the bits of the points of a row that are inside, where there are no labels; `bits` are 0.
    fn inside(&self, z: usize, y: usize, bits: &mut [u64]);
    /// Gives the positions of the vertices on the edges along an axis (0 is x) from the points of a
    /// row whose bits are set.
    fn vertices(&self, row: [usize; 2], axis: usize, points: &[u64], put: impl FnMut(usize, [f32; 3]));
}

/// What was found in a window.
#[derive(Default)]
pub struct Surface {
    /// Positions.
    pub vertices: Vec<[f32; 3]>,
    /// Vertex numbers.
    pub triangles: Vec<[u32; 3]>,
    /// The label of each triangle.
    pub labels: Vec<u32>,
    /// Where each vertex lies: point and axis, in the order of vertices.
    pub edges: Vec<Edge>,
    /// The cell of each triangle.
    pub cells: Vec<[u32; 3]>,
}

/// A point and an axis.
type Edge = ([u32; 3], u8);

/// Parts of these lengths; empty ones where there is nothing to divide.
fn divided<'a, T>(mut all: &'a mut [T], lengths: &[usize]) -> Vec<&'a mut [T]> {
    lengths
        .iter()
        .map(|&n| {
            let n = n.min(all.len());
            let (part, rest) = std::mem::take(&mut all).split_at_mut(n);
            all = rest;
            part
        })
        .collect()
}

/// `count` values; `write` must set every one of them, unless it fails.
fn written<T: Copy>(count: usize, write: impl FnOnce(&mut [MaybeUninit<T>]) -> Result<()>) -> Result<Vec<T>> {
    let mut values = Vec::with_capacity(count);
    write(&mut values.spare_capacity_mut()[..count])?;
    // SAFETY: both uses below divide the values among slices, and each slice asserts that it wrote as
    // many as it was given, one after the other.
    unsafe { values.set_len(count) };
    Ok(values)
}

/// Bits of a slab of rows: changes along x, y and z, and whether the point is inside.
struct CrossingBits {
    words: usize,
    /// `[row][axis][word]`.
    changes: Vec<u64>,
    values: Vec<u64>,
}

/// Extracts the surface; `keyed` also tells where things lie, for merging windows.
///
/// # Errors
/// [`crate::Error::Cancelled`]; more vertices than 32-bit numbers can name.
pub fn extract(points: &impl Points, keyed: bool, job: &Job) -> Result<Surface> {
    let [nz, ny, nx] = points.shape();
    if nz == 0 || ny == 0 || nx == 0 {
        return Ok(Surface::default());
    }
    let words = nx.div_ceil(64);
    let mut bits =
        CrossingBits { words, changes: vec![0; nz * ny * 3 * words], values: vec![0; nz * ny * words] };
    let plane = ny * words;
    if !points.labelled() {
        parallel::chunks(&mut bits.values, plane, job, &|z, values| {
            values.chunks_exact_mut(words).enumerate().for_each(|(y, row)| points.inside(z, y, row));
            Ok(())
        })?;
    }
    parallel::chunks(&mut bits.changes, 3 * plane, job, &|z, changes| {
        if points.labelled() {
            scan_labels(points, z, words, changes);
        } else {
            let here = &bits.values[z * plane..(z + 1) * plane];
            let below = bits.values.get((z + 1) * plane..(z + 2) * plane).unwrap_or(here);
            scan_inside(here, below, words, nx, changes);
        }
        Ok(())
    })?;
    // Numbers of the first vertex of each row.
    let mut first: Vec<usize> = bits
        .changes
        .par_chunks(3 * words)
        .map(|row| row.iter().map(|w| w.count_ones() as usize).sum())
        .collect();
    let mut total = 0;
    for n in &mut first {
        total += std::mem::replace(n, total);
    }
    if u32::try_from(total).is_err() {
        return Err(crate::Error::Operator {
            op: "mesh",
            reason: format!("{total} vertices are more than a mesh can number; crop or bin the image"),
        });
    }
    let mut surface = Surface::default();
    let end = |z: usize| if z + 1 < nz { first[(z + 1) * ny] } else { total };
    let counts: Vec<usize> = (0..nz).map(|z| end(z) - first[z * ny]).collect();
    let mut edges: Vec<Vec<Edge>> = vec![Vec::new(); nz];
    surface.vertices = written(total, |vertices| {
        let slices = divided(vertices, &counts).into_iter().zip(&mut edges);
        parallel::items(slices, job, &|z, (vertices, edges)| {
            assert_eq!(place(points, &bits, z, ny, vertices, keyed.then_some(edges)), counts[z]);
            Ok(())
        })
    })?;
    surface.edges = edges.concat();

    let cases = cases(points.mirrored());
    // Triangles are counted first, then written where they belong.
    let counts = parallel::map(nz - 1, job, &|z| {
        let mut count = 0;
        slice(points, &bits, &first, z, |case, _, _, _| count += cases.of(case).len());
        Ok(count)
    })?;
    let total = counts.iter().sum();
    surface.labels = vec![0; if points.labelled() { total } else { 0 }];
    surface.cells = vec![[0; 3]; if keyed { total } else { 0 }];
    let labels = divided(&mut surface.labels, &counts);
    let keys = divided(&mut surface.cells, &counts);
    surface.triangles = written(total, |triangles| {
        let parts = divided(triangles, &counts).into_iter().zip(labels).zip(keys);
        parallel::items(parts, job, &|z, ((part, labels), keys)| {
            let mut at = 0;
            slice(points, &bits, &first, z, |case, edge, label, cell| {
                let triangles = cases.of(case);
                let end = at + triangles.len();
                for (to, t) in part[at..end].iter_mut().zip(triangles) {
                    to.write(t.map(|e| edge[usize::from(e) % 12]));
                }
                if !labels.is_empty() {
                    labels[at..end].fill(label);
                }
                if !keys.is_empty() {
                    keys[at..end].fill(cell);
                }
                at = end;
            });
            assert_eq!(at, part.len());
            job.advance((ny * nx) as u64);
            Ok(())
        })
    })?;
    Ok(surface)
}

/// Finds the changes from each point of a slice of labels to the next along x, y and z.
fn scan_labels(points: &impl Points, z: usize, words: usize, changes: &mut [u64]) {
    let [nz, ny, nx] = points.shape();
    let (mut here, mut below, mut next) = (Vec::new(), Vec::new(), Vec::new());
    points.labels(z, 0, &mut here);
    for (y, row) in changes.chunks_exact_mut(3 * words).enumerate() {
        let (x_bits, rest) = row.split_at_mut(words);
        let (y_bits, z_bits) = rest.split_at_mut(words);
        differ(&here[..nx - 1], &here[1..], x_bits);
        if y + 1 < ny {
            points.labels(z, y + 1, &mut next);
            differ(&here, &next, y_bits);
        }
        if z + 1 < nz {
            points.labels(z + 1, y, &mut below);
            differ(&here, &below, z_bits);
        }
        std::mem::swap(&mut here, &mut next);
    }
}

/// Which of a cell's corners have this value, as bits.
#[inline(always)]
fn equal(corners: &[u32; 8], value: u32) -> usize {
    corners.iter().enumerate().fold(0, |s, (c, v)| s | usize::from(*v == value) << c)
}

/// Sets the bits at which two rows differ.
#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn differ(a: &[u32], b: &[u32], bits: &mut [u64]) {
    let mut differ = [0u8; 64];
    for ((word, a), b) in bits.iter_mut().zip(a.chunks(64)).zip(b.chunks(64)) {
        if a.len() < 64 {
            differ = [0; 64];
        }
        for ((d, a), b) in differ.iter_mut().zip(a).zip(b) {
            *d = u8::from(a != b);
        }
        *word = pack(&differ);
    }
}

/// The same where a point is inside or not; `below` is the next slice, or the last one itself.
fn scan_inside(here: &[u64], below: &[u64], words: usize, nx: usize, changes: &mut [u64]) {
    let last = (1u64 << ((nx - 1) % 64)) - 1;
    for (y, row) in changes.chunks_exact_mut(3 * words).enumerate() {
        let below = &below[y * words..(y + 1) * words];
        let next = here.get((y + 1) * words..(y + 2) * words);
        let here = &here[y * words..(y + 1) * words];
        let next = next.unwrap_or(here);
        for w in 0..words {
            let ahead = here.get(w + 1).map_or(0, |n| n << 63);
            let inner = if w + 1 == words { last } else { u64::MAX };
            row[w] = (here[w] ^ (here[w] >> 1 | ahead)) & inner;
            row[words + w] = here[w] ^ next[w];
            row[2 * words + w] = here[w] ^ below[w];
        }
    }
}

/// Positions of the vertices of a slice; returns how many it wrote.
#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn place<P: Points>(
    points: &P,
    bits: &CrossingBits,
    z: usize,
    ny: usize,
    vertices: &mut [MaybeUninit<[f32; 3]>],
    mut edges: Option<&mut Vec<Edge>>,
) -> usize {
    let words = bits.words;
    let mut vertices = vertices.iter_mut();
    let all = vertices.len();
    for y in 0..ny {
        let row = &bits.changes[(z * ny + y) * 3 * words..][..3 * words];
        for axis in 0..3 {
            points.vertices([z, y], axis, &row[axis * words..(axis + 1) * words], |x, at| {
                vertices.next().expect("as many as there are set bits").write(at);
                if let Some(edges) = &mut edges {
                    edges.push(([z as u32, y as u32, x as u32], axis as u8));
                }
            });
        }
    }
    all - vertices.len()
}

/// Gives the sink each cell of a slice that the surface passes: the case of its corners, the numbers
/// of the vertices on its edges (those without a vertex mean nothing), its label and its place.
fn slice<P: Points>(
    points: &P,
    bits: &CrossingBits,
    first: &[usize],
    z: usize,
    mut sink: impl FnMut(usize, &[u32; 12], u32, [u32; 3]),
) {
    let [_, ny, _] = points.shape();
    for y in 0..ny - 1 {
        cells(points, bits, first, [z, y], &mut sink);
    }
}

/// The same for a row of cells.
#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn cells<P: Points, S: FnMut(usize, &[u32; 12], u32, [u32; 3])>(
    points: &P,
    bits: &CrossingBits,
    first: &[usize],
    [z, y]: [usize; 2],
    sink: &mut S,
) {
    let [_, ny, nx] = points.shape();
    let words = bits.words;
    let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dz, dy)| (z + dz) * ny + y + dy);
    // Along x from the four rows, along y from two, along z from two.
    let rows = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (2, 1), (0, 2), (1, 2)].map(|(corner, axis)| {
        let all = &bits.changes[corners[corner] * 3 * words..][..3 * words];
        &all[axis * words..(axis + 1) * words]
    });
    if rows.iter().all(|row| row.iter().all(|w| *w == 0)) {
        return;
    }
    // The number of set bits before the current word.
    let mut before =
        [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (2, 1), (0, 2), (1, 2)].map(|(corner, axis)| {
            let row = corners[corner];
            let all = &bits.changes[row * 3 * words..][..axis * words];
            first[row] as u32 + all.iter().map(|w| w.count_ones()).sum::<u32>()
        });
    let labelled = points.labelled();
    let values = corners.map(|row| if labelled { &[] } else { &bits.values[row * words..(row + 1) * words] });
    let mut labels: [Vec<u32>; 4] = Default::default();
    for w in 0..words {
        let here = rows.map(|row| row[w]);
        let after = |row: &[u64]| row.get(w + 1).map_or(0, |n| n << 63);
        let across = here[4] | here[5] | here[6] | here[7];
        let ahead = after(rows[4]) | after(rows[5]) | after(rows[6]) | after(rows[7]);
        let mut active = here[0] | here[1] | here[2] | here[3] | across | across >> 1 | ahead;
        // The last point of a row begins no cell.
        if w == words - 1 {
            active &= (1u64 << ((nx - 1) % 64)) - 1;
        }
        if active != 0 && labelled && labels[0].is_empty() {
            for (row, labels) in corners.iter().zip(&mut labels) {
                points.labels(row / ny, row % ny, labels);
            }
        }
        let near = values.map(|row| row.get(w).copied().unwrap_or(0));
        let far: [u64; 4] = std::array::from_fn(|i| near[i] >> 1 | after(values[i]));
        while active != 0 {
            let bit = active.trailing_zeros();
            let below = (1u64 << bit) - 1;
            active &= active - 1;
            let x = w * 64 + bit as usize;
            let mut edge = [0; 12];
            for i in 0..8 {
                let number = before[i] + (here[i] & below).count_ones();
                if i < 4 {
                    edge[i] = number;
                } else {
                    // The edge from the cell's first corners, and the one beside it.
                    edge[2 * i - 4] = number;
                    edge[2 * i - 3] = number + (here[i] >> bit & 1) as u32;
                }
            }
            let cell = [z as u32, y as u32, x as u32];
            if labelled {
                let eight: [u32; 8] = std::array::from_fn(|c| labels[c >> 1][x + (c & 1)]);
                let mut left: usize = 255 & !equal(&eight, 0);
                while left != 0 {
                    let label = eight[left.trailing_zeros() as usize];
                    let case = equal(&eight, label);
                    left &= !case;
                    sink(case, &edge, label, cell);
                }
            } else {
                let mut case = 0;
                for i in 0..4 {
                    case |= ((near[i] >> bit & 1) | (far[i] >> bit & 1) << 1) << (2 * i);
                }
                sink(case as usize, &edge, 0, cell);
            }
        }
        for (before, here) in before.iter_mut().zip(here) {
            *before += here.count_ones();
        }
    }
}
