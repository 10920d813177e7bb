//! The surface of a window of an image.
//!
//! Where a value changes along an edge of the grid there is a vertex. The changes are kept as bits,
//! so the number of a vertex is the number of set bits before it, and nothing is stored for a voxel
//! that the surface does not pass (after flying edges, Schroeder, Maynard & Geveci 2015,
//! doi:10.1109/LDAV.2015.7348069).

use super::cases::cases;
use crate::{Job, Result};
use rayon::prelude::*;

/// A window onto an image, seen as a grid of points `[z, y, x]`.
pub trait Points: Sync {
    /// Points of the grid.
    fn shape(&self) -> [usize; 3];
    /// Writes the values of a row.
    fn row(&self, z: usize, y: usize, values: &mut Vec<u32>);
    /// Whether every label has a surface of its own. Otherwise values are 0 and 1.
    fn labelled(&self) -> bool;
    /// The position of the vertex on the edge from a point along an axis (0 is x).
    fn vertex(&self, point: [usize; 3], axis: usize) -> [f32; 3];
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
    pub edges: Vec<([u32; 3], u8)>,
    /// The cell of each triangle.
    pub cells: Vec<[u32; 3]>,
}

/// Bits of a slab of rows: changes along x, y and z, and whether the point is inside.
struct Bits {
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
    let mut bits = Bits { words, changes: vec![0; nz * ny * 3 * words], values: vec![0; nz * ny * words] };
    let plane = ny * words;
    bits.changes.par_chunks_mut(3 * plane).zip(bits.values.par_chunks_mut(plane)).enumerate().try_for_each(
        |(z, (changes, values))| {
            job.check()?;
            scan(points, z, words, changes, values);
            Result::Ok(())
        },
    )?;
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
    let mut surface = Surface { vertices: vec![[0.0; 3]; total], ..Surface::default() };
    let mut slices = Vec::with_capacity(nz);
    let mut rest = surface.vertices.as_mut_slice();
    for z in 0..nz {
        let end = if z + 1 < nz { first[(z + 1) * ny] } else { total };
        let (own, others) = rest.split_at_mut(end - first[z * ny]);
        rest = others;
        slices.push(own);
    }
    let parts: Vec<(Surface, u64)> = slices
        .into_par_iter()
        .enumerate()
        .map(|(z, vertices)| {
            job.check()?;
            let mut part = Surface::default();
            place(points, &bits, z, ny, vertices, keyed.then_some(&mut part.edges));
            if z + 1 < nz {
                for y in 0..ny - 1 {
                    cells(points, &bits, &first, [z, y], ny, keyed, &mut part);
                }
            }
            job.advance((ny * nx) as u64);
            Ok((part, 0))
        })
        .collect::<Result<_>>()?;
    surface.triangles.reserve_exact(parts.iter().map(|(p, _)| p.triangles.len()).sum());
    for (part, _) in parts {
        surface.triangles.extend(part.triangles);
        surface.labels.extend(part.labels);
        surface.edges.extend(part.edges);
        surface.cells.extend(part.cells);
    }
    Ok(surface)
}

/// Finds the changes from each point of a slice to the next along x, y and z.
fn scan(points: &impl Points, z: usize, words: usize, changes: &mut [u64], values: &mut [u64]) {
    let [nz, ny, nx] = points.shape();
    let (mut here, mut below, mut next) = (Vec::new(), Vec::new(), Vec::new());
    points.row(z, 0, &mut here);
    for y in 0..ny {
        let row = &mut changes[y * 3 * words..(y + 1) * 3 * words];
        let (x_bits, rest) = row.split_at_mut(words);
        let (y_bits, z_bits) = rest.split_at_mut(words);
        differ(&here[..nx - 1], &here[1..], x_bits);
        if y + 1 < ny {
            points.row(z, y + 1, &mut next);
            differ(&here, &next, y_bits);
        }
        if z + 1 < nz {
            points.row(z + 1, y, &mut below);
            differ(&here, &below, z_bits);
        }
        if !points.labelled() {
            for (word, chunk) in values[y * words..].iter_mut().zip(here.chunks(64)) {
                *word = chunk.iter().enumerate().fold(0, |w, (i, v)| w | u64::from(*v != 0) << i);
            }
        }
        std::mem::swap(&mut here, &mut next);
    }
}

#[inline]
fn differ(a: &[u32], b: &[u32], bits: &mut [u64]) {
    for ((word, a), b) in bits.iter_mut().zip(a.chunks(64)).zip(b.chunks(64)) {
        if a == b {
            continue;
        }
        *word = a.iter().zip(b).enumerate().fold(0, |w, (i, (a, b))| w | u64::from(a != b) << i);
    }
}

/// Positions of the vertices of a slice.
fn place(
    points: &impl Points,
    bits: &Bits,
    z: usize,
    ny: usize,
    vertices: &mut [[f32; 3]],
    mut edges: Option<&mut Vec<([u32; 3], u8)>>,
) {
    let words = bits.words;
    let mut vertices = vertices.iter_mut();
    for y in 0..ny {
        let row = &bits.changes[(z * ny + y) * 3 * words..][..3 * words];
        for axis in 0..3 {
            for (w, word) in row[axis * words..(axis + 1) * words].iter().enumerate() {
                let mut set = *word;
                while set != 0 {
                    let x = w * 64 + set.trailing_zeros() as usize;
                    set &= set - 1;
                    let vertex = vertices.next().expect("as many as there are set bits");
                    *vertex = points.vertex([z, y, x], axis);
                    if let Some(edges) = &mut edges {
                        edges.push(([z as u32, y as u32, x as u32], axis as u8));
                    }
                }
            }
        }
    }
}

/// One row of bits with the number of set bits before the current word.
struct Counted<'a> {
    bits: &'a [u64],
    before: u32,
}

impl Counted<'_> {
    /// The number of the vertex at bit `x` of word `w`, and the bit itself.
    #[inline(always)]
    fn rank(&self, w: usize, x: u32) -> (u32, u64) {
        let word = self.bits[w];
        (self.before + (word & ((1 << x) - 1)).count_ones(), word >> x & 1)
    }
}

/// The triangles of a row of cells.
fn cells(
    points: &impl Points,
    bits: &Bits,
    first: &[usize],
    [z, y]: [usize; 2],
    ny: usize,
    keyed: bool,
    out: &mut Surface,
) {
    let [_, _, nx] = points.shape();
    let words = bits.words;
    let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dz, dy)| (z + dz) * ny + y + dy);
    // Along x from the four rows, along y from two, along z from two.
    let plan = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (2, 1), (0, 2), (1, 2)];
    let mut rows = plan.map(|(corner, axis)| {
        let row = corners[corner];
        let all = &bits.changes[row * 3 * words..][..3 * words];
        let before: u32 = all[..axis * words].iter().map(|w| w.count_ones()).sum();
        Counted { bits: &all[axis * words..(axis + 1) * words], before: first[row] as u32 + before }
    });
    let labelled = points.labelled();
    let mut values: [Vec<u32>; 4] = Default::default();
    for w in 0..words {
        let get = |row: usize| rows[row].bits[w];
        let across = get(4) | get(5) | get(6) | get(7);
        let ahead = if w + 1 < words {
            (rows[4].bits[w + 1] | rows[5].bits[w + 1] | rows[6].bits[w + 1] | rows[7].bits[w + 1]) << 63
        } else {
            0
        };
        let mut active = get(0) | get(1) | get(2) | get(3) | across | across >> 1 | ahead;
        // The last point of a row begins no cell.
        if w == words - 1 {
            active &= (1u64 << ((nx - 1) % 64)) - 1;
        }
        if active != 0 && labelled && values[0].is_empty() {
            for (corner, values) in values.iter_mut().enumerate() {
                points.row(corners[corner] / ny, corners[corner] % ny, values);
            }
        }
        while active != 0 {
            let bit = active.trailing_zeros();
            active &= active - 1;
            let x = w * 64 + bit as usize;
            // Vertex numbers on the twelve edges; those without a vertex are not asked for.
            let mut edge = [0u32; 12];
            for i in 0..4 {
                edge[i] = rows[i].rank(w, bit).0;
            }
            for (i, row) in [(4, 4), (6, 5), (8, 6), (10, 7)] {
                let (number, set) = rows[row].rank(w, bit);
                edge[i] = number;
                edge[i + 1] = number + set as u32;
            }
            // The rows of `plan` are ordered (dz, dy); the table's edges along x as dy + 2·dz agree.
            let mut emit = |case: usize, label: u32| {
                for t in &cases()[case] {
                    out.triangles.push(t.map(|e| edge[usize::from(e)]));
                    if labelled {
                        out.labels.push(label);
                    }
                    if keyed {
                        out.cells.push([z as u32, y as u32, x as u32]);
                    }
                }
            };
            if labelled {
                let eight: [u32; 8] = std::array::from_fn(|c| values[c >> 1][x + (c & 1)]);
                for (i, label) in eight.iter().enumerate() {
                    if *label != 0 && !eight[..i].contains(label) {
                        let case =
                            eight.iter().enumerate().fold(0, |s, (c, v)| s | usize::from(v == label) << c);
                        emit(case, *label);
                    }
                }
            } else {
                let mut case = 0;
                for (i, row) in corners.iter().enumerate() {
                    let row = &bits.values[row * words..(row + 1) * words];
                    let mut two = row[w] >> bit;
                    if bit == 63 {
                        two |= row[w + 1] << 1;
                    }
                    case |= (two as usize & 3) << (2 * i);
                }
                emit(case, 0);
            }
        }
        for row in &mut rows {
            row.before += row.bits[w].count_ones();
        }
    }
}
