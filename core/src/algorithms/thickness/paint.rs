//! Painting balls from large to small: each voxel takes the first one that covers it.
//!
//! Voxels that are still open are the leaves of a tree: 4³ voxels are the bits of a word (a brick), 4³ bricks those of
//! another one (a group), and 4³ groups those of a third one (a cell, worked on by one thread). A ball descends only
//! to where something is open, so most balls, which add next to nothing to those before, cost next to nothing,
//! however large they are.

use crate::algorithms::distance::Metric;
use crate::algorithms::thickness::balls::Centre;
use crate::{Job, Region, Result, parallel};
use std::ops::Add;

/// Edge of a cell, in voxels.
const CELL: usize = 64;
/// A squared radius, in voxels, below which squares within a cell and their differences fit their integers.
const LARGE: u32 = 1 << 24;
/// Balls between two looks at whether the job is cancelled.
const STRETCH: usize = 1 << 14;

/// Gives each voxel of a region that is not 0 the squared radius of the first ball that covers it. `centres` are sorted,
/// largest first.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn paint(
    target: &mut [u32],
    region: Region,
    shape: [usize; 3],
    centres: &[Centre],
    metric: Metric,
    job: &Job,
) -> Result<()> {
    let greatest = centres.first().map_or(0, |c| c.1);
    match metric {
        Metric::Isotropic(_) if greatest < LARGE => {
            paint_as(target, region, shape, centres, [1.0; 3], |bits| bits as i32, job)
        }
        Metric::Isotropic(_) => paint_as(target, region, shape, centres, [1.0; 3], f64::from, job),
        // The nearest background voxel lies at the radius and is not covered, whichever way its distance was rounded.
        Metric::Anisotropic(spacing) => {
            let squared = |bits| f64::from(f32::from_bits(bits)) * (1.0 - 1e-6);
            paint_as(target, region, shape, centres, spacing, squared, job)
        }
    }
}

/// A squared length: in voxels, or in the unit of the spacing.
trait Square: Copy + PartialOrd + Add<Output = Self> + Send + Sync {
    /// That of a number of steps along an axis.
    fn of(steps: i32, spacing: f64) -> Self;

    /// The length.
    fn root(self) -> f64;

    /// Which of 4³ voxels are nearer than a length, given what their rows and their columns add to the square.
    #[inline(always)]
    fn inside(self, rows: [Self; 16], columns: [Self; 4]) -> u64 {
        (0..64).fold(0, |bits, i| bits | u64::from(rows[i % 16] + columns[i / 16] < self) << i)
    }
}

impl Square for i32 {
    #[inline(always)]
    fn of(steps: i32, _: f64) -> Self {
        steps * steps
    }

    #[inline(always)]
    fn root(self) -> f64 {
        f64::from(self).sqrt()
    }

    #[inline(always)]
    fn inside(self, rows: [Self; 16], columns: [Self; 4]) -> u64 {
        /// The greatest bit of each of four numbers of 16 bits.
        const TOP: u64 = 0x8000_8000_8000_8000;
        let least = columns.into_iter().fold(i32::MAX, i32::min);
        debug_assert!(columns.iter().all(|c| c - least < 1 << 15), "no ball has a radius of 5000 voxels");
        let lanes = (0..4).fold(TOP, |all, i| all | ((columns[i] - least) as u64) << (16 * i));
        (0..16).fold(0, |bits, i| {
            let rest = (self - least - rows[i]).clamp(0, 1 << 15) as u64;
            // A number keeps its greatest bit unless it is less than the rest.
            bits | (!(lanes - rest * 0x0001_0001_0001_0001) & TOP) >> (15 - i)
        })
    }
}

impl Square for f64 {
    #[inline(always)]
    fn of(steps: i32, spacing: f64) -> Self {
        (f64::from(steps) * spacing).powi(2)
    }

    #[inline(always)]
    fn root(self) -> f64 {
        self.sqrt()
    }
}

/// A ball: its centre in the image, its squared radius, and the same as bits.
#[derive(Clone, Copy)]
struct Ball<N> {
    centre: [i32; 3],
    squared: N,
    bits: u32,
}

fn paint_as<N: Square>(
    target: &mut [u32],
    region: Region,
    [_, ny, nx]: [usize; 3],
    centres: &[Centre],
    spacing: [f64; 3],
    squared: impl Fn(u32) -> N + Sync,
    job: &Job,
) -> Result<()> {
    let [_, height, width] = region.shape;
    if target.is_empty() {
        return Ok(());
    }
    for (slab, target) in target.chunks_mut(CELL * height * width).enumerate() {
        let start = [region.start[0] + slab * CELL, region.start[1], region.start[2]];
        let slab = Region::new(start, [target.len() / (height * width), height, width]);
        let pieces = parallel::map(centres.len().div_ceil(STRETCH), job, &|i| {
            let piece = centres[i * STRETCH..].iter().take(STRETCH);
            let balls = piece.filter_map(|&(at, bits)| {
                let (at, squared) = (at as usize, squared(bits));
                let z = (at / (ny * nx)) as i32;
                let reaches =
                    N::of(outside(z, slab.start[0] as i32, slab.end()[0] as i32), spacing[0]) < squared;
                reaches.then(|| Ball { centre: [z, (at / nx % ny) as i32, (at % nx) as i32], squared, bits })
            });
            Ok(by_cell(balls, slab, spacing))
        })?;
        let [rows, columns] = [height, width].map(|n| n.div_ceil(CELL));
        let mut cells: Vec<Vec<&mut [u32]>> = (0..rows * columns).map(|_| Vec::new()).collect();
        for (row, target) in target.chunks_mut(width).enumerate() {
            for (column, piece) in target.chunks_mut(CELL).enumerate() {
                cells[row % height / CELL * columns + column].push(piece);
            }
        }
        parallel::items(cells.into_iter(), job, &|i, rows| {
            let [y, x] = [i / columns, i % columns].map(|n| n * CELL);
            let start = [start[0], start[1] + y, start[2] + x].map(|p| p as i32);
            let mut cell = Cell::new(start, (height - y).min(CELL), rows);
            for balls in &pieces {
                job.check()?;
                cell.paint(&balls[i], spacing);
            }
            Ok(())
        })?;
        job.advance(target.len() as u64);
    }
    Ok(())
}

/// The balls that may reach each of the cells of a slab.
fn by_cell<N: Square>(
    balls: impl Iterator<Item = Ball<N>>,
    slab: Region,
    spacing: [f64; 3],
) -> Vec<Vec<Ball<N>>> {
    let [rows, columns] = [1, 2].map(|a| slab.shape[a].div_ceil(CELL));
    let mut cells: Vec<Vec<Ball<N>>> = (0..rows * columns).map(|_| Vec::new()).collect();
    for ball in balls {
        let [(y, last_y), (x, last_x)] = [1, 2].map(|a| {
            let cells = |place: i32| {
                (place - slab.start[a] as i32).clamp(0, slab.shape[a] as i32 - 1) as usize / CELL
            };
            let reach = (ball.squared.root() / spacing[a]) as i32 + 1;
            (cells(ball.centre[a] - reach), cells(ball.centre[a] + reach))
        });
        for y in y..=last_y {
            for x in x..=last_x {
                cells[y * columns + x].push(ball);
            }
        }
    }
    cells
}

/// How far a place lies outside of a range.
#[inline(always)]
fn outside(place: i32, start: i32, end: i32) -> i32 {
    (start - place).max(place - (end - 1)).max(0)
}

/// Bits of a word of 4³ whose coordinate along an axis is one of four that are given as bits.
const fn spread(axis: usize) -> [u64; 16] {
    let of_one = [0xffff, 0x000f_000f_000f_000f, 0x1111_1111_1111_1111][axis];
    let mut words = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        let mut i = 0;
        while i < 4 {
            if bits >> i & 1 == 1 {
                words[bits] |= of_one << (i * [16, 4, 1][axis]);
            }
            i += 1;
        }
        bits += 1;
    }
    words
}

const SPREAD: [[u64; 16]; 3] = [spread(0), spread(1), spread(2)];

/// The coordinates of a bit of a word of 4³.
#[inline(always)]
fn place(bit: usize) -> [usize; 3] {
    [bit >> 4, bit >> 2 & 3, bit & 3]
}

/// The coordinates of a bit of a brick: its rows lie across the word.
#[inline(always)]
fn voxel(bit: usize) -> [usize; 3] {
    [bit >> 2 & 3, bit & 3, bit >> 4]
}

/// Calls `f` with each bit of a word.
#[inline(always)]
fn each(mut word: u64, mut f: impl FnMut(usize)) {
    while word != 0 {
        f(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

/// 64³ voxels, of which those are open that no ball has covered.
struct Cell<'a> {
    start: [i32; 3],
    shape: [usize; 3],
    /// Which groups have open voxels.
    groups: u64,
    /// Which bricks of each group have.
    bricks: [u64; 64],
    /// Which voxels of each brick are open.
    open: Vec<u64>,
    rows: Vec<&'a mut [u32]>,
}

impl<'a> Cell<'a> {
    fn new(start: [i32; 3], height: usize, rows: Vec<&'a mut [u32]>) -> Self {
        let shape = [rows.len() / height, height, rows[0].len()];
        let mut open = vec![0u64; 64 * 64];
        for (i, row) in rows.iter().enumerate() {
            let [z, y] = [i / height, i % height];
            let at = ((z / 16 * 16 + y / 16 * 4) << 6) + (z / 4 % 4 * 16 + y / 4 % 4 * 4);
            let bit = z % 4 * 4 + y % 4;
            for (x, voxel) in row.iter().enumerate() {
                open[at + ((x / 16) << 6) + x / 4 % 4] |= u64::from(*voxel != 0) << (bit + x % 4 * 16);
            }
        }
        let mut cell = Self { start, shape, groups: 0, bricks: [0; 64], open, rows };
        for group in 0..64 {
            let open = cell.open[group * 64..][..64].iter().enumerate();
            cell.bricks[group] = open.fold(0, |all, (i, word)| all | u64::from(*word != 0) << i);
            cell.groups |= u64::from(cell.bricks[group] != 0) << group;
        }
        cell
    }

    fn paint<N: Square>(&mut self, balls: &[Ball<N>], spacing: [f64; 3]) {
        for ball in balls {
            if self.groups == 0 {
                return;
            }
            self.ball(std::array::from_fn(|a| ball.centre[a] - self.start[a]), ball, spacing);
        }
    }

    /// Paints what is open in a ball, whose centre is seen from the cell's first voxel.
    #[inline]
    fn ball<N: Square>(&mut self, centre: [i32; 3], ball: &Ball<N>, spacing: [f64; 3]) {
        let groups = Boxes::<N, 16>::new(centre, spacing);
        each(self.groups & groups.near(ball.squared), |g| {
            let Some(inside) = groups.meets(g, ball.squared) else { return };
            let group = place(g).map(|p| p as i32 * 16);
            let centre = std::array::from_fn(|a| centre[a] - group[a]);
            let bricks = Boxes::<N, 4>::new(centre, spacing);
            let near = if inside { u64::MAX } else { bricks.near(ball.squared) };
            each(self.bricks[g] & near, |b| {
                let covered = if inside {
                    self.open[g * 64 + b]
                } else {
                    match bricks.meets(b, ball.squared) {
                        None => return,
                        Some(true) => self.open[g * 64 + b],
                        Some(false) => {
                            let brick = place(b).map(|p| p as i32 * 4);
                            let centre = std::array::from_fn(|a| centre[a] - brick[a]);
                            self.open[g * 64 + b] & covered(centre, ball.squared, spacing)
                        }
                    }
                };
                self.open[g * 64 + b] &= !covered;
                if self.open[g * 64 + b] == 0 {
                    self.bricks[g] &= !(1 << b);
                }
                let (group, brick) = (place(g), place(b));
                each(covered, |v| {
                    let voxel = voxel(v);
                    let [z, y, x] = std::array::from_fn(|a| group[a] * 16 + brick[a] * 4 + voxel[a]);
                    self.rows[z * self.shape[1] + y][x] = ball.bits;
                });
            });
            if self.bricks[g] == 0 {
                self.groups &= !(1 << g);
            }
        });
    }
}

/// Which voxels of a brick lie in a ball.
#[inline(always)]
fn covered<N: Square>(centre: [i32; 3], squared: N, spacing: [f64; 3]) -> u64 {
    let [z, y, x]: [[N; 4]; 3] =
        std::array::from_fn(|a| std::array::from_fn(|i| N::of(centre[a] - i as i32, spacing[a])));
    squared.inside(std::array::from_fn(|i| z[i / 4] + y[i % 4]), x)
}

/// Squared distances along each axis from a centre to the nearest and to the farthest voxel of four boxes of `EDGE` voxels.
struct Boxes<N, const EDGE: i32> {
    near: [[N; 4]; 3],
    far: [[N; 4]; 3],
}

impl<N: Square, const EDGE: i32> Boxes<N, EDGE> {
    #[inline(always)]
    fn new(centre: [i32; 3], spacing: [f64; 3]) -> Self {
        let of = |steps: &dyn Fn(i32, i32) -> i32| {
            std::array::from_fn(|a| {
                std::array::from_fn(|i| N::of(steps(centre[a], i as i32 * EDGE), spacing[a]))
            })
        };
        Self {
            near: of(&|centre, first| outside(centre, first, first + EDGE)),
            far: of(&|centre, first| (centre - first).max(first + EDGE - 1 - centre)),
        }
    }

    /// The boxes that a ball may reach, as bits.
    #[inline(always)]
    fn near(&self, squared: N) -> u64 {
        (0..3).fold(u64::MAX, |all, a| {
            let reached = (0..4).fold(0, |bits, i| bits | usize::from(self.near[a][i] < squared) << i);
            all & SPREAD[a][reached]
        })
    }

    /// Whether a ball covers all of a box; nothing if it doesn't reach it.
    #[inline(always)]
    fn meets(&self, bit: usize, squared: N) -> Option<bool> {
        let [z, y, x] = place(bit);
        let of = |[az, ay, ax]: &[[N; 4]; 3]| az[z] + ay[y] + ax[x];
        (of(&self.near) < squared).then(|| of(&self.far) < squared)
    }
}
