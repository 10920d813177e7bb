//! The value of a given rank in the window around each voxel.

use super::histogram::Sliding;
use super::key::{Key, Ranked};
use super::network::{Lanes, Network};
use super::tile::{Tile, carve, each_tile};
use super::{Border, Frame, before, sized};
use crate::program::{Block, Local};
use crate::{Job, Region, Result, Volume, VoxelType, with_volume};
use ndarray::Array3;
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

    /// Whether there is none, which can't be: the voxel itself is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The operator: the value of a rank.
pub struct Rank {
    reach: [usize; 3],
    way: Way,
    border: Border,
}

impl Local for Rank {
    fn halo(&self) -> [usize; 3] {
        self.reach
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let frame = Frame { input, source: block.sources[0], image: block.image(), border: self.border };
        with_volume!(&**input, |a| self.typed(a, &frame, block.out, job))
    }
}

impl Rank {
    /// Plans the search for rank `rank`, from 0 for the least, in images of this type.
    pub fn new(window: &Window, rank: usize, border: Border, voxel: VoxelType) -> Self {
        Self { reach: window.reach(), way: Way::new(window, rank, voxel.size()), border }
    }

    fn typed<T: Ranked>(&self, input: &Array3<T>, frame: &Frame, out: Region, job: &Job) -> Result<Volume>
    where
        T::Key: Lanes,
    {
        let mut array = T::take(Volume::zeros(T::TYPE, out.shape)).expect("made of this type");
        let fill = |start, shape, stride, keys: &mut [T::Key]| {
            frame.fill_typed(input, start, shape, stride, keys, T::key);
        };
        let tiles = carve(array.as_slice_mut().expect("just made"), out, self.way.tile());
        let tiles = tiles.into_iter().map(|t| Box::new(t) as Box<dyn Keys<T::Key> + '_>).collect();
        ranked(&self.way, self.reach, &fill, tiles, job)?;
        Ok(array.into())
    }
}

/// A part of the output that takes keys, so that the work is compiled for the four types of key.
trait Keys<K>: Send {
    fn region(&self) -> Region;
    /// Writes keys from `x` on of row `z, y`; what goes beyond the row's end is left.
    fn put(&mut self, at: [usize; 3], keys: &[K]);
}

impl<T: Ranked> Keys<T::Key> for Tile<'_, T> {
    fn region(&self) -> Region {
        self.region
    }

    fn put(&mut self, [z, y, x]: [usize; 3], keys: &[T::Key]) {
        for (o, k) in self.row(z, y)[x..].iter_mut().zip(keys) {
            *o = T::of_key(*k);
        }
    }
}

/// How ranks are found; all ways give the same.
enum Way {
    /// By networks for a box.
    Box(BoxPlan),
    /// By one network for all voxels of the window, whose rows these are.
    Whole(Vec<(isize, isize, usize)>, Network),
    /// By a histogram that slides along x, for windows of these rows.
    Sliding(Vec<(isize, isize, usize)>, usize),
}

impl Way {
    /// A network's work grows a little faster than the window and with the bytes of a voxel, the
    /// histogram's with the window's surface; these are about where they meet.
    fn new(window: &Window, rank: usize, size: usize) -> Self {
        let count = window.len();
        match window {
            Window::Box(radius) if count <= 343 && count * size <= 1400 => {
                Self::Box(BoxPlan::new(*radius, rank))
            }
            Window::Ball(_) if count * size <= 500 => {
                let lists = (0..count as u16).map(|i| vec![i]).collect();
                Self::Whole(window.rows(), Network::selecting(lists, rank))
            }
            _ => Self::Sliding(window.rows(), rank),
        }
    }

    fn tile(&self) -> [usize; 3] {
        match self {
            Self::Box(_) | Self::Whole(..) => [16, 16, 256],
            Self::Sliding(..) => [8, 16, 256],
        }
    }
}

/// Fills a buffer with keys: start, shape, distance of rows.
type Fill<'a, K> = dyn Fn([isize; 3], [usize; 3], usize, &mut [K]) + Sync + 'a;

fn ranked<K: Lanes>(
    way: &Way,
    reach: [usize; 3],
    fill: &Fill<K>,
    tiles: Vec<Box<dyn Keys<K> + '_>>,
    job: &Job,
) -> Result<()> {
    each_tile(tiles, job, Buffers::default, |b, tile| {
        let region = tile.region();
        // Room for a slot after the last voxel of a row.
        let shape: [usize; 3] = std::array::from_fn(|a| region.shape[a] + 2 * reach[a]);
        let stride = region.shape[2].next_multiple_of(K::WIDTH) + 2 * reach[2] + K::WIDTH;
        let mut padded = std::mem::take(&mut b.padded);
        let keys = sized(&mut padded, shape[0] * shape[1] * stride);
        fill(before(region.start, reach), shape, stride, keys);
        let piece = KeyTile { keys, shape, stride, reach, size: region.shape };
        match way {
            Way::Box(plan) => piece.network_box(plan, b, &mut **tile, job)?,
            Way::Whole(rows, network) => piece.network(rows, network, b, &mut **tile, job)?,
            Way::Sliding(rows, rank) => piece.slide(rows, *rank, b, &mut **tile, job)?,
        }
        b.padded = padded;
        job.advance(region.len() as u64);
        Ok(())
    })
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
    sliding: Sliding<K>,
    row: Vec<K>,
}

impl<K: Lanes> Default for Buffers<K> {
    fn default() -> Self {
        Self {
            padded: Vec::new(),
            sorted_z: Vec::new(),
            sorted_y: Vec::new(),
            slots: Vec::new(),
            sliding: Sliding::default(),
            row: Vec::new(),
        }
    }
}

/// The keys of a tile and its surroundings.
struct KeyTile<'a, K> {
    keys: &'a [K],
    shape: [usize; 3],
    stride: usize,
    reach: [usize; 3],
    size: [usize; 3],
}

impl<K: Lanes> KeyTile<'_, K> {
    fn network_box(
        &self,
        plan: &BoxPlan,
        b: &mut Buffers<K>,
        tile: &mut dyn Keys<K>,
        job: &Job,
    ) -> Result<()> {
        let width = K::WIDTH;
        let [nz, ny, nx] = plan.radius.map(|r| 2 * r + 1);
        let (shape, stride) = (self.shape, self.stride);
        let columns = nz * ny;
        let sorted_z = sized(&mut b.sorted_z, shape[1] * nz * stride);
        let sorted_y = sized(&mut b.sorted_y, columns * stride);
        b.slots.resize(nx * columns, K::EMPTY);
        let slots = &mut b.slots[..];
        for z in 0..self.size[0] {
            job.check()?;
            for y in 0..shape[1] {
                for x in (0..shape[2]).step_by(width) {
                    for k in 0..nz {
                        copy_in(&mut slots[k], &self.keys[((z + k) * shape[1] + y) * stride + x..]);
                    }
                    K::run(&plan.along_z.steps, slots);
                    for (k, result) in plan.along_z.results.iter().enumerate() {
                        copy_out(&mut sorted_z[(y * nz + k) * stride + x..], &slots[usize::from(*result)]);
                    }
                }
            }
            for y in 0..self.size[1] {
                for x in (0..shape[2]).step_by(width) {
                    for k in 0..columns {
                        copy_in(&mut slots[k], &sorted_z[(y * nz + k) * stride + x..]);
                    }
                    K::run(&plan.along_y.steps, slots);
                    for (k, result) in plan.along_y.results.iter().enumerate() {
                        copy_out(&mut sorted_y[k * stride + x..], &slots[usize::from(*result)]);
                    }
                }
                for x in (0..self.size[2]).step_by(width) {
                    for i in 0..nx {
                        for k in 0..columns {
                            copy_in(&mut slots[i * columns + k], &sorted_y[k * stride + x + i..]);
                        }
                    }
                    K::run(&plan.along_x.steps, slots);
                    tile.put([z, y, x], slots[usize::from(plan.along_x.results[0])].as_ref());
                }
            }
        }
        Ok(())
    }

    /// Where the window's rows begin for the voxel at x = 0 of row `z, y`.
    fn row_starts(&self, rows: &[(isize, isize, usize)], z: usize, y: usize) -> Vec<(usize, usize)> {
        rows.iter()
            .map(|&(dz, dy, half)| {
                let z = (z + self.reach[0]) as isize + dz;
                let y = (y + self.reach[1]) as isize + dy;
                let row = (z as usize * self.shape[1] + y as usize) * self.stride;
                (row + self.reach[2] - half, 2 * half + 1)
            })
            .collect()
    }

    fn network(
        &self,
        rows: &[(isize, isize, usize)],
        network: &Network,
        b: &mut Buffers<K>,
        tile: &mut dyn Keys<K>,
        job: &Job,
    ) -> Result<()> {
        let count: usize = rows.iter().map(|r| 2 * r.2 + 1).sum();
        b.slots.resize(count, K::EMPTY);
        let slots = &mut b.slots[..];
        for z in 0..self.size[0] {
            job.check()?;
            for y in 0..self.size[1] {
                let starts = self.row_starts(rows, z, y);
                for x in (0..self.size[2]).step_by(K::WIDTH) {
                    let mut slot = slots.iter_mut();
                    for &(start, length) in &starts {
                        for (i, s) in slot.by_ref().take(length).enumerate() {
                            copy_in(s, &self.keys[start + x + i..]);
                        }
                    }
                    K::run(&network.steps, slots);
                    tile.put([z, y, x], slots[usize::from(network.results[0])].as_ref());
                }
            }
        }
        Ok(())
    }

    fn slide(
        &self,
        rows: &[(isize, isize, usize)],
        rank: usize,
        b: &mut Buffers<K>,
        tile: &mut dyn Keys<K>,
        job: &Job,
    ) -> Result<()> {
        let lines = self.shape[0] * self.shape[1];
        b.sliding.prepare((0..lines).map(|l| l * self.stride..l * self.stride + self.shape[2]), self.keys);
        b.row.clear();
        b.row.resize(self.size[2], K::default());
        for z in 0..self.size[0] {
            for y in 0..self.size[1] {
                job.check()?;
                b.sliding.row(&self.row_starts(rows, z, y), rank, &mut b.row);
                tile.put([z, y, 0], &b.row);
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
