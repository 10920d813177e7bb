//! The value of a given rank in the window around each voxel.

use super::key::{Key, Ranked};
use super::network::{Lanes, Network};
use super::{Border, Frame, Tile, before, by_tiles, sized};
use crate::ops::{Block, Local};
use crate::{Job, Result, Volume, with_volume};
use std::sync::Arc;

/// The voxels that are ranked.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// All within these radii, `[z, y, x]`.
    Box([usize; 3]),
    /// All with `Σ (distance ∕ radius)² ≤ 1`, in voxels along `z, y, x`.
    Ball([f64; 3]),
}

impl Window {
    /// How far it reaches, `[z, y, x]`.
    pub fn reach(&self) -> [usize; 3] {
        match self {
            Self::Box(radius) => *radius,
            // A little more, for radii that come from a division by the spacing.
            Self::Ball(radius) => radius.map(|r| (r + 1e-9) as usize),
        }
    }

    /// Half-widths along x of the rows `z, y` of the window, rows outer to inner in C order.
    pub fn rows(&self) -> Vec<(isize, isize, usize)> {
        let [rz, ry, rx] = self.reach().map(|r| r as isize);
        let mut rows = Vec::new();
        for z in -rz..=rz {
            for y in -ry..=ry {
                let half = match self {
                    Self::Box(_) => Some(rx as usize),
                    Self::Ball(radius) => {
                        let part = |d: isize, r: f64| if d == 0 { 0.0 } else { (d as f64 / r).powi(2) };
                        let rest = part(z, radius[0]) + part(y, radius[1]);
                        (0..=rx).rev().find(|&x| rest + part(x, radius[2]) <= 1.0 + 1e-9).map(|x| x as usize)
                    }
                };
                rows.extend(half.map(|half| (z, y, half)));
            }
        }
        rows
    }

    /// Number of voxels in it.
    pub fn len(&self) -> usize {
        match self {
            Self::Box(radius) => radius.iter().map(|r| 2 * r + 1).product(),
            Self::Ball(_) => self.rows().iter().map(|r| 2 * r.2 + 1).sum(),
        }
    }
}

/// The operator: the value of rank `rank`, from 0 for the least.
pub struct Rank {
    /// The window.
    pub window: Window,
    /// The rank.
    pub rank: usize,
    /// How the image goes on.
    pub border: Border,
}

impl Local for Rank {
    fn halo(&self) -> [usize; 3] {
        self.window.reach()
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let frame = Frame { input, source: block.sources[0], image: block.image(), border: self.border };
        with_volume!(&**input, |a| self.typed(a, &frame, block, job))
    }
}

impl Rank {
    fn typed<T: Ranked>(
        &self,
        input: &ndarray::Array3<T>,
        frame: &Frame,
        block: &Block,
        job: &Job,
    ) -> Result<Volume>
    where
        T::Key: Lanes,
    {
        let task = Task { input, frame, reach: self.window.reach() };
        let out = block.out;
        let cost = (self.window.len() * size_of::<T>()) as f64;
        let made = match &self.window {
            Window::Box(radius) if cost <= 1500.0 => {
                let plan = BoxPlan::new(*radius, self.rank);
                by_tiles::<T, _>(out, [16, 16, 256], job, Buffers::default, |b, t| {
                    task.network_box(&plan, b, t);
                    Ok(())
                })
            }
            Window::Ball(_) if cost <= 500.0 => {
                let network =
                    Network::selecting((0..self.window.len() as u16).map(|i| vec![i]).collect(), self.rank);
                let rows = self.window.rows();
                by_tiles::<T, _>(out, [16, 16, 256], job, Buffers::default, |b, t| {
                    task.network_ball(&rows, &network, b, t);
                    Ok(())
                })
            }
            _ => {
                let rows = self.window.rows();
                by_tiles::<T, _>(out, [8, 8, 256], job, Buffers::default, |b, t| {
                    task.select(&rows, self.rank, b, t, job)
                })
            }
        };
        made.map(Volume::from)
    }
}

/// Networks for a box: along z shared by all rows and columns, then along y shared by all columns.
struct BoxPlan {
    radius: [usize; 3],
    along_z: Network,
    along_y: Network,
    along_x: Network,
}

impl BoxPlan {
    fn new(radius: [usize; 3], rank: usize) -> Self {
        let [nz, ny, nx] = radius.map(|r| 2 * r + 1);
        let lists = |count: usize, length: usize| {
            (0..count).map(|i| (0..length).map(|k| (i * length + k) as u16).collect()).collect()
        };
        Self {
            radius,
            along_z: Network::sorting(lists(nz, 1)),
            along_y: Network::sorting(lists(ny, nz)),
            along_x: Network::selecting(lists(nx, ny * nz), rank),
        }
    }
}

struct Buffers<K: Lanes> {
    padded: Vec<K>,
    sorted_z: Vec<K>,
    sorted_y: Vec<K>,
    slots: Vec<K::Slot>,
    values: Vec<K>,
}

impl<K: Lanes> Default for Buffers<K> {
    fn default() -> Self {
        Self {
            padded: Vec::new(),
            sorted_z: Vec::new(),
            sorted_y: Vec::new(),
            slots: Vec::new(),
            values: Vec::new(),
        }
    }
}

struct Task<'a, T> {
    input: &'a ndarray::Array3<T>,
    frame: &'a Frame<'a>,
    reach: [usize; 3],
}

impl<T: Ranked> Task<'_, T>
where
    T::Key: Lanes,
{
    /// Fills the buffer with the keys of the tile and its surroundings; returns the shape of it and
    /// the distance of rows, with room for a slot after the last.
    fn pad(&self, padded: &mut Vec<T::Key>, tile: &Tile<T>) -> ([usize; 3], usize) {
        let shape: [usize; 3] = std::array::from_fn(|a| tile.region.shape[a] + 2 * self.reach[a]);
        let stride = tile.region.shape[2].next_multiple_of(T::Key::WIDTH) + 2 * self.reach[2] + T::Key::WIDTH;
        let buffer = sized(padded, shape[0] * shape[1] * stride);
        self.frame.fill_typed(
            self.input,
            before(tile.region.start, self.reach),
            shape,
            stride,
            buffer,
            T::key,
        );
        (shape, stride)
    }

    fn network_box(&self, plan: &BoxPlan, b: &mut Buffers<T::Key>, tile: &mut Tile<T>) {
        let width = T::Key::WIDTH;
        let [nz, ny, nx] = plan.radius.map(|r| 2 * r + 1);
        let (shape, stride) = self.pad(&mut b.padded, tile);
        let columns = nz * ny;
        let sorted_z = sized(&mut b.sorted_z, shape[1] * nz * stride);
        let sorted_y = sized(&mut b.sorted_y, columns * stride);
        b.slots.resize(nx * columns, T::Key::EMPTY);
        let slots = &mut b.slots[..];
        for z in 0..tile.region.shape[0] {
            for y in 0..shape[1] {
                for x in (0..shape[2]).step_by(width) {
                    for k in 0..nz {
                        copy_in(&mut slots[k], &b.padded[((z + k) * shape[1] + y) * stride + x..]);
                    }
                    T::Key::run(&plan.along_z.steps, slots);
                    for (k, result) in plan.along_z.results.iter().enumerate() {
                        copy_out(&mut sorted_z[(y * nz + k) * stride + x..], &slots[usize::from(*result)]);
                    }
                }
            }
            for y in 0..tile.region.shape[1] {
                for x in (0..shape[2]).step_by(width) {
                    for k in 0..columns {
                        copy_in(&mut slots[k], &sorted_z[(y * nz + k) * stride + x..]);
                    }
                    T::Key::run(&plan.along_y.steps, slots);
                    for (k, result) in plan.along_y.results.iter().enumerate() {
                        copy_out(&mut sorted_y[k * stride + x..], &slots[usize::from(*result)]);
                    }
                }
                let row = tile.row(z, y);
                for (c, chunk) in row.chunks_mut(width).enumerate() {
                    for i in 0..nx {
                        for k in 0..columns {
                            copy_in(&mut slots[i * columns + k], &sorted_y[k * stride + c * width + i..]);
                        }
                    }
                    T::Key::run(&plan.along_x.steps, slots);
                    give(chunk, &slots[usize::from(plan.along_x.results[0])]);
                }
            }
        }
    }

    fn network_ball(
        &self,
        rows: &[(isize, isize, usize)],
        network: &Network,
        b: &mut Buffers<T::Key>,
        tile: &mut Tile<T>,
    ) {
        let width = T::Key::WIDTH;
        let (shape, stride) = self.pad(&mut b.padded, tile);
        let count: usize = rows.iter().map(|r| 2 * r.2 + 1).sum();
        b.slots.resize(count, T::Key::EMPTY);
        let slots = &mut b.slots[..];
        for z in 0..tile.region.shape[0] {
            for y in 0..tile.region.shape[1] {
                for (c, chunk) in tile.row(z, y).chunks_mut(width).enumerate() {
                    let mut slot = slots.iter_mut();
                    for &(dz, dy, half) in rows {
                        let row = self.row_of(shape, z, y, dz, dy) * stride + self.reach[2] - half;
                        for (i, s) in slot.by_ref().take(2 * half + 1).enumerate() {
                            copy_in(s, &b.padded[row + c * width + i..]);
                        }
                    }
                    T::Key::run(&network.steps, slots);
                    give(chunk, &slots[usize::from(network.results[0])]);
                }
            }
        }
    }

    fn row_of(&self, shape: [usize; 3], z: usize, y: usize, dz: isize, dy: isize) -> usize {
        let z = (z + self.reach[0]) as isize + dz;
        let y = (y + self.reach[1]) as isize + dy;
        z as usize * shape[1] + y as usize
    }

    /// Any window, by partial sorting of each.
    fn select(
        &self,
        rows: &[(isize, isize, usize)],
        rank: usize,
        b: &mut Buffers<T::Key>,
        tile: &mut Tile<T>,
        job: &Job,
    ) -> Result<()> {
        let (shape, stride) = self.pad(&mut b.padded, tile);
        for z in 0..tile.region.shape[0] {
            for y in 0..tile.region.shape[1] {
                job.check()?;
                for (x, out) in tile.row(z, y).iter_mut().enumerate() {
                    b.values.clear();
                    for &(dz, dy, half) in rows {
                        let first = self.row_of(shape, z, y, dz, dy) * stride + x + self.reach[2] - half;
                        b.values.extend_from_slice(&b.padded[first..=first + 2 * half]);
                    }
                    *out = T::of_key(*b.values.select_nth_unstable(rank).1);
                }
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn copy_in<S: AsMut<[K]>, K: Key>(slot: &mut S, from: &[K]) {
    let slot = slot.as_mut();
    slot.copy_from_slice(&from[..slot.len()]);
}

#[inline(always)]
fn copy_out<S: AsRef<[K]>, K: Key>(to: &mut [K], slot: &S) {
    let slot = slot.as_ref();
    to[..slot.len()].copy_from_slice(slot);
}

fn give<T: Ranked>(out: &mut [T], slot: &impl AsRef<[T::Key]>) {
    for (o, k) in out.iter_mut().zip(slot.as_ref()) {
        *o = T::of_key(*k);
    }
}
