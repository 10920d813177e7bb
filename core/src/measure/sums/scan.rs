//! The one pass over the voxels and their 2×2×2 neighbourhoods that fills the sums.

use crate::measure::sums::channel::ChannelSums;
use crate::measure::sums::crofton::{Table, outside_index};
use crate::measure::sums::index::Index;
use crate::measure::sums::{
    CellSums, LocalMoments, LocalSums, Objects, PairSums, UnionSums, add_moments, intensity,
};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// What the pass is to find, apart from the voxels.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Shape of the whole image, `[z, y, x]`.
    pub image: [usize; 3],
    /// Weights of neighbourhoods, if surfaces, Euler numbers or contacts are asked for.
    pub table: Option<Table>,
    /// Whether second moments are asked for.
    pub moments: bool,
    /// Whether contacts are asked for, which need the weights.
    pub pairs: bool,
}

/// A volume that covers a region of the image.
#[derive(Debug, Clone, Copy)]
pub struct RegionView<'a> {
    /// The voxels.
    pub volume: &'a Volume,
    /// Which part of the image they are.
    pub region: Region,
}

impl RegionView<'_> {
    /// Offset of an image position in the voxels' memory order.
    #[inline(always)]
    pub fn offset(&self, [z, y, x]: [usize; 3]) -> usize {
        let [_, h, w] = self.region.shape;
        let [oz, oy, ox] = self.region.start;
        ((z - oz) * h + (y - oy)) * w + (x - ox)
    }
}

/// Sums over the voxels of `out` and over the neighbourhoods whose last voxel (the one with the
/// greatest indices) lies in it; at the far faces of the image also those beyond them. `labels`
/// must reach one voxel before `out` where the image does; outside the image is background.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn scan(
    plan: &Plan,
    out: Region,
    labels: RegionView,
    channels: &[RegionView],
    job: &Job,
) -> Result<Objects> {
    let all = Mutex::new(Objects::new(
        channels.iter().map(|c| c.volume.voxel_type()),
        plan.moments,
        plan.table.is_some(),
    ));
    // What a slab was summed in serves the next one: there are no more than threads.
    let idle: Mutex<Vec<Scanner>> = Mutex::default();
    let thickness = slab_thickness(out.shape);
    let slabs = out.tiles([thickness, out.shape[1].max(1), out.shape[2].max(1)]);
    slabs.into_par_iter().try_for_each(|slab| {
        let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scanner = waiting.unwrap_or_else(|| Scanner::new(plan, slab, channels.len()));
        scanner.begin(slab);
        match labels.volume.voxel_type() {
            VoxelType::U32 => scanner.run::<u32>(labels, channels, job)?,
            VoxelType::U8 => scanner.run::<u8>(labels, channels, job)?,
            _ => with_volume!(labels.volume, |a| scanner.run_any(a, labels, channels, job))?,
        }
        // The sums are integers, so the order in which slabs arrive here changes nothing.
        scanner.add_to(&mut all.lock().unwrap_or_else(PoisonError::into_inner));
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(scanner);
        Result::Ok(())
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Thin enough to keep all threads busy and to hold few objects, thick enough that not every object lies
/// in several slabs, and with fewer than 2²⁸ voxels.
fn slab_thickness([d, h, w]: [usize; 3]) -> usize {
    let share = d.div_ceil(rayon::current_num_threads() * 4);
    share.clamp(8, 16).min((1 << 28) / (h * w).max(1)).max(1)
}

/// Objects of a slab that there is room for at first. What is not used of it takes no memory; a list
/// that grows holds what it held before as well.
const ROWS: usize = 4096;

/// A label: its own type for masks (all of which are object 1) and label images.
trait Label: Voxel {
    fn id(self) -> u32;
}

impl Label for u32 {
    #[inline(always)]
    fn id(self) -> u32 {
        self
    }
}

impl Label for u8 {
    #[inline(always)]
    fn id(self) -> u32 {
        u32::from(self != 0)
    }
}

/// A run of one object along x within the slab: start, length, number of the object.
type Run = (usize, usize, usize);

struct Scanner<'a> {
    plan: &'a Plan,
    slab: Region,
    labels: Index,
    voxels: Vec<LocalSums>,
    /// Empty unless asked for, as the cells.
    moments: Vec<LocalMoments>,
    cells: Vec<CellSums>,
    channels: Vec<Vec<ChannelSums>>,
    pairs: Index,
    contacts: Vec<PairSums>,
    last_pair: (u64, usize),
    union: UnionSums,
    /// Object numbers + 1 of the previous and the current plane, with one row and one column before
    /// and after the slab; 0 is background. Where no neighbourhoods are asked for, one row that is
    /// written again and again.
    planes: [Vec<u32>; 2],
    width: usize,
    runs: Vec<Run>,
    mixed: Vec<u8>,
}

impl<'a> Scanner<'a> {
    /// For slabs like this one.
    fn new(plan: &'a Plan, slab: Region, channels: usize) -> Self {
        let width = slab.shape[2] + 2;
        let plane = || vec![0; width * (slab.shape[1] + 2)];
        Self {
            plan,
            slab,
            labels: Index::default(),
            voxels: Vec::with_capacity(ROWS),
            moments: Vec::with_capacity(if plan.moments { ROWS } else { 0 }),
            cells: Vec::with_capacity(if plan.table.is_some() { ROWS } else { 0 }),
            channels: (0..channels).map(|_| Vec::with_capacity(ROWS)).collect(),
            pairs: Index::default(),
            contacts: Vec::new(),
            last_pair: (0, 0),
            union: UnionSums::default(),
            planes: if plan.table.is_some() { [plane(), plane()] } else { [Vec::new(), vec![0; width]] },
            width,
            runs: Vec::new(),
            mixed: vec![0; width.div_ceil(8) * 8],
        }
    }

    /// Forgets the sums of the slab before.
    fn begin(&mut self, slab: Region) {
        self.slab = slab;
        self.labels.clear();
        self.voxels.clear();
        self.moments.clear();
        self.cells.clear();
        self.channels.iter_mut().for_each(Vec::clear);
        self.pairs.clear();
        self.contacts.clear();
        self.last_pair = (0, 0);
        self.union = UnionSums::default();
        self.planes.iter_mut().for_each(|plane| plane.fill(0));
    }

    /// Labels of another type, as `u32`.
    fn run_any<T: Voxel>(
        &mut self,
        a: &ndarray::Array3<T>,
        labels: RegionView,
        channels: &[RegionView],
        job: &Job,
    ) -> Result<()> {
        let cast = Volume::from(a.mapv(|v| u32::from_f64(v.to_f64())));
        self.run::<u32>(RegionView { volume: &cast, region: labels.region }, channels, job)
    }

    fn run<L: Label>(&mut self, labels: RegionView, channels: &[RegionView], job: &Job) -> Result<()> {
        let ids =
            L::of(labels.volume).expect("the type was matched").as_slice().expect("volumes are in C order");
        let [oz, oy, ox] = self.slab.start;
        let [d, h, w] = self.slab.shape;
        let halo = self.plan.table.is_some();
        for z in (if halo && oz > 0 { oz - 1 } else { oz })..oz + d {
            job.check()?;
            if halo {
                self.planes.swap(0, 1);
            }
            for y in (if halo && oy > 0 { oy - 1 } else { oy })..oy + h {
                let inside = z >= oz && y >= oy;
                let from = labels.offset([z, y, ox]);
                let before = if halo && ox > 0 { Some(ids[from - 1].id()) } else { None };
                self.row(&ids[from..from + w], before, y + 1 - oy);
                if inside {
                    self.sum_row([z, y], channels);
                }
            }
            if halo && z >= oz {
                self.cell_plane(usize::from(z == 0));
            }
            if z >= oz {
                job.advance((h * w) as u64);
            }
        }
        if halo && oz + d == self.plan.image[0] {
            self.planes.swap(0, 1);
            self.planes[1].fill(0);
            self.cell_plane(2);
        }
        Ok(())
    }

    /// Numbers the objects of one row of labels, writes them to row `y` of the current plane, and
    /// notes the runs.
    fn row<L: Label>(&mut self, ids: &[L], before: Option<u32>, y: usize) {
        self.runs.clear();
        let halo = self.plan.table.is_some();
        let at = if halo { y * self.width } else { 0 };
        let above = if halo { at.saturating_sub(self.width) } else { 0 };
        if let Some(id) = before {
            self.planes[1][at] = self.number(id);
        }
        let mut x = 0;
        while x < ids.len() {
            let id = ids[x].id();
            let start = x;
            x += 1;
            while x < ids.len() && ids[x].id() == id {
                x += 1;
            }
            // Most runs lie below a run of the same object.
            let guess = self.planes[1][above + start + 1];
            let number = if id != 0 && guess != 0 && self.labels.keys()[guess as usize - 1] == u64::from(id) {
                guess
            } else {
                self.number(id)
            };
            self.planes[1][at..][start + 1..x + 1].fill(number);
            if number != 0 {
                self.runs.push((start, x - start, number as usize - 1));
            }
        }
    }

    /// The number of an object + 1, which is added if it is new; 0 for background.
    #[inline]
    fn number(&mut self, id: u32) -> u32 {
        if id == 0 {
            return 0;
        }
        let number = self.labels.number(u64::from(id));
        if number == self.voxels.len() {
            self.voxels.push(LocalSums::default());
            if self.plan.moments {
                self.moments.push([0; 6]);
            }
            if self.plan.table.is_some() {
                self.cells.push(CellSums::default());
            }
            for channel in &mut self.channels {
                channel.push(ChannelSums::default());
            }
        }
        number as u32 + 1
    }

    fn sum_row(&mut self, [z, y]: [usize; 2], channels: &[RegionView]) {
        let [oz, oy, ox] = self.slab.start;
        let (lz, ly) = (z - oz, y - oy);
        for &(x, length, object) in &self.runs {
            self.voxels[object].add_run(lz, ly, x, length);
            if let Some(moments) = self.moments.get_mut(object) {
                add_moments(moments, lz, ly, x, length);
            }
        }
        for (c, part) in channels.iter().enumerate() {
            let from = part.offset([z, y, ox]);
            let (sums, origin) = (&mut self.channels[c], self.slab.start);
            with_volume!(part.volume, |a| {
                let row = &a.as_slice().expect("volumes are in C order")[from..];
                for &(x, length, object) in &self.runs {
                    intensity::add_run(&mut sums[object], &row[x..x + length], [lz, ly, x], origin);
                }
            });
        }
    }

    /// The neighbourhoods between the previous and the current plane; `side` tells whether they
    /// reach out of the image along z.
    fn cell_plane(&mut self, side: usize) {
        let [_, oy, ox] = self.slab.start;
        let [_, h, w] = self.slab.shape;
        let rows = h + usize::from(oy + h == self.plan.image[1]);
        let columns = w + usize::from(ox + w == self.plan.image[2]);
        for y in 0..rows {
            let sides = [
                side,
                if y + oy == 0 {
                    1
                } else if y == h {
                    2
                } else {
                    0
                },
            ];
            self.cell_row(y, columns, sides);
        }
    }

    fn cell_row(&mut self, y: usize, columns: usize, sides: [usize; 2]) {
        let first = if self.slab.start[2] == 0 { 0 } else { usize::MAX };
        let last = self.slab.shape[2];
        let at = y * self.width;
        let next = at + self.width;
        let planes = std::mem::take(&mut self.planes);
        let rows = [
            &planes[0][at..next],
            &planes[0][next..next + self.width],
            &planes[1][at..next],
            &planes[1][next..next + self.width],
        ];
        let mut mixed = std::mem::take(&mut self.mixed);
        mark_mixed(rows, &mut mixed[..columns]);
        mixed[columns..].fill(0);
        let table = self.plan.table.as_ref().expect("neighbourhoods are asked for");
        let (table, outside) = (&table.weights, &table.outside);
        let mut union = std::mem::take(&mut self.union);
        for (k, word) in mixed.chunks_exact(8).enumerate() {
            let mut bits = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            while bits != 0 {
                let x = k * 8 + bits.trailing_zeros() as usize / 8;
                bits &= bits - 1;
                let v = [
                    rows[0][x],
                    rows[0][x + 1],
                    rows[1][x],
                    rows[1][x + 1],
                    rows[2][x],
                    rows[2][x + 1],
                    rows[3][x],
                    rows[3][x + 1],
                ];
                let mut left = !equal(&v, 0);
                union.all.add(&table[usize::from(left)]);
                let side = if x == first {
                    1
                } else if x == last {
                    2
                } else {
                    0
                };
                let sides = [sides[0], sides[1], side];
                // Along an axis of one voxel the image has no faces that parts of it would share.
                if (0..3).all(|a| sides[a] == 0 || self.plan.image[a] == 1) {
                    union.inner.add(&table[usize::from(left)]);
                }
                let sides = outside_index(sides);
                if sides != 0 {
                    union.cut += outside[sides][usize::from(left)];
                }
                let mut found = [(0u32, 0u8); 8];
                let mut count = 0;
                while left != 0 {
                    let number = v[left.trailing_zeros() as usize];
                    let config = equal(&v, number);
                    left &= !config;
                    self.cells[number as usize - 1].add(&table[usize::from(config)]);
                    found[count] = (number, config);
                    count += 1;
                }
                let touching = if self.plan.pairs { count } else { 1 };
                for i in 1..touching {
                    for j in 0..i {
                        let ((a, ca), (b, cb)) = (found[i], found[j]);
                        let (wa, wb, both) =
                            (&table[usize::from(ca)], &table[usize::from(cb)], &table[usize::from(ca | cb)]);
                        // What each has to all others, less what both together have, is twice
                        // what they have to each other.
                        let area = wa.surface + wb.surface - both.surface;
                        let faces = wa.faces + wb.faces - both.faces;
                        let key = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
                        if self.last_pair.0 != key {
                            let row = self.pairs.number(key);
                            if row == self.contacts.len() {
                                self.contacts.push(PairSums::default());
                            }
                            self.last_pair = (key, row);
                        }
                        let pair = &mut self.contacts[self.last_pair.1];
                        pair.area += area;
                        pair.faces += faces;
                    }
                }
            }
        }
        self.union = union;
        self.mixed = mixed;
        self.planes = planes;
    }

    /// Adds everything to the sums of the image.
    fn add_to(&self, all: &mut Objects) {
        all.union.merge(&self.union);
        let keys = self.labels.keys();
        for (i, &label) in keys.iter().enumerate() {
            let row = all.row(label);
            all.voxels.merge(row, &self.voxels[i].at(self.moments.get(i), self.slab.start));
            if let Some(cells) = &mut all.cells {
                cells[row].merge(&self.cells[i]);
            }
            for (to, from) in all.channels.iter_mut().zip(&self.channels) {
                to.merge(row, &from[i].at(self.slab.start));
            }
        }
        for (&key, sums) in self.pairs.keys().iter().zip(&self.contacts) {
            let (a, b) = (keys[(key >> 32) as usize - 1], keys[(key & 0xffff_ffff) as usize - 1]);
            all.pair(a, b).merge(sums);
        }
    }
}

/// Which of the eight voxels are this object, as bits.
#[inline(always)]
fn equal(v: &[u32; 8], number: u32) -> u8 {
    let mut mask = 0u8;
    for (i, &n) in v.iter().enumerate() {
        mask |= u8::from(n == number) << i;
    }
    mask
}

/// Marks the neighbourhoods of a row that are not all of one object.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn mark_mixed(rows: [&[u32]; 4], mixed: &mut [u8]) {
    let n = mixed.len();
    let [a, b, c, d] = rows.map(|r| &r[..n + 1]);
    let (a1, b1, c1, d1) = (&a[1..], &b[1..], &c[1..], &d[1..]);
    for x in 0..n {
        let here = (a[x] ^ b[x]) | (a[x] ^ c[x]) | (a[x] ^ d[x]);
        let next = (a[x] ^ a1[x]) | (a[x] ^ b1[x]) | (a[x] ^ c1[x]) | (a[x] ^ d1[x]);
        mixed[x] = u8::from(here | next != 0);
    }
}
