//! Touching objects parted by the distance from their surface.

use super::components::scattered::{self, Firsts, Scattered};
use super::components::slabs::{self, Slabs};
use super::components::{Connectivity, Forest};
use super::distance::{Metric, lines};
use super::kernel::{Partials, decode, encode};
use super::relabel::{self, Numbers};
use super::spec::{Default, Group, Input, Kind, Param, ParamType, Produces, Spec};
use super::watershed::{Changed, Peak, Relax, ascent};
use super::{
    Around, Block, Call, FieldSpec, Kernel, Mode, Next, Operator, Output, Phase, Prepared, Program, Source,
    Tiling, apart, pieces,
};
use crate::{Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Touching objects parted by the distance from their surface.
pub struct Split;

static SPEC: Spec = Spec {
    id: "split",
    group: Group::Objects,
    summary: "Parts touching objects of a mask at their necks, and labels them.",
    details: "The basins of the watershed of the negative exact distance to the background, flooded from \
        every maximum in the total order of watershed. Then basins are joined at their widest necks first, as \
        long as the smaller of two maxima is less than min_depth above the neck between them (its dynamics, \
        Grimaud 1992; the same as suppressing maxima by height before the watershed), or less than \
        min_distance from a greater maximum. Objects are numbered by their first voxels. The border of the \
        image is not background. Exact block by block: distances in slabs and lines, floods relaxed until \
        nothing changes, necks merged.",
    inputs: &[Input { name: "input", kinds: &[Kind::Mask], optional: false, help: "The mask." }],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "min_depth",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("1"),
            help: "Least depth of a neck: how much smaller its radius is than that of the smaller object.",
        },
        Param {
            name: "min_distance",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("0"),
            help: "Least distance between the centres of two objects.",
        },
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("26"),
            help: "Whether voxels are connected over faces (6), edges too (18), or corners too (26).",
        },
    ],
};

impl Operator for Split {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        call.at_right_angles("distances")?;
        let grid = call.grid();
        let one = |name: &str| -> Result<f64> {
            let l = call.args.length(name);
            let physical = l.physical(&grid.geometry).map_err(|e| call.error(e))?;
            // A number of voxels is taken along x, which matters only if the spacing differs.
            Ok(physical[2])
        };
        let kernel = SplitKernel {
            shape: grid.shape,
            metric: Metric::new(grid.shape, &grid.geometry),
            spacing: grid.geometry.spacing(),
            connectivity: Connectivity::of(call.args, "connectivity"),
            min_depth: one("min_depth")?,
            min_distance: one("min_distance")?,
        };
        Ok(Prepared::new(grid.labels(), kernel).scratch(5.0))
    }
}

struct SplitKernel {
    shape: [usize; 3],
    metric: Metric,
    spacing: [f64; 3],
    connectivity: Connectivity,
    min_depth: f64,
    min_distance: f64,
}

/// The widest neck between two basins, `(a, b)` with `a < b`: the bits of its squared distance.
type Necks = HashMap<(u32, u32), u32>;

impl SplitKernel {
    fn within(&self, mask: &[u8], squared: &mut [u32], shape: [usize; 3], job: &Job) -> Result<()> {
        match self.metric {
            Metric::Isotropic(_) => lines::within_slices(mask, squared, shape, true, self.metric, job),
            Metric::Anisotropic(_) => {
                let floats: &mut [f32] = bytemuck::cast_slice_mut(squared);
                lines::within_slices(mask, floats, shape, true, self.metric, job)
            }
        }
    }

    fn across(&self, squared: &mut [u32], shape: [usize; 3], job: &Job) -> Result<()> {
        match self.metric {
            Metric::Isotropic(_) => lines::across_slices(squared, shape, self.metric, job, |v| v),
            Metric::Anisotropic(_) => {
                let floats: &mut [f32] = bytemuck::cast_slice_mut(squared);
                lines::across_slices(floats, shape, self.metric, job, |v| v)
            }
        }
    }

    fn distance(&self, bits: u32) -> f64 {
        match self.metric {
            Metric::Isotropic(_) => self.metric.distance(bits),
            Metric::Anisotropic(_) => self.metric.distance(f32::from_bits(bits)),
        }
    }

    /// Voxels that no neighbour exceeds; of equal ones the last counts as the greatest.
    fn peaks(&self, squared: &[u32], block: Region, source: Region) -> Vec<Peak> {
        let steps = self.connectivity.neighbours();
        let inner = block.relative_to(source.start);
        let [sz, sy, sx] = source.shape;
        let exceeds = |p: [usize; 3], at: usize| {
            steps.iter().any(|s| {
                let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
                let inside = q[0] < sz && q[1] < sy && q[2] < sx;
                inside
                    .then(|| (q[0] * sy + q[1]) * sx + q[2])
                    .is_some_and(|to| (squared[to], to) > (squared[at], at))
            })
        };
        let of_slice = |z: usize| {
            let mut peaks = Vec::new();
            for y in inner.start[1]..inner.end()[1] {
                for x in inner.start[2]..inner.end()[2] {
                    let (p, at) = ([z, y, x], (z * sy + y) * sx + x);
                    if squared[at] != 0 && !exceeds(p, at) {
                        let [z, y, x]: [usize; 3] = std::array::from_fn(|a| p[a] + source.start[a]);
                        peaks.push((((z * self.shape[1] + y) * self.shape[2] + x) as u64, squared[at]));
                    }
                }
            }
            peaks
        };
        let slices: Vec<Vec<Peak>> = (inner.start[0]..inner.end()[0]).into_par_iter().map(of_slice).collect();
        slices.concat()
    }

    /// The widest necks between the basins of a block and their neighbours.
    fn necks(&self, squared: &[u32], labels: &[u32], block: Region, source: Region) -> Necks {
        let steps = self.connectivity.preceding();
        let inner = block.relative_to(source.start);
        let [sz, sy, sx] = source.shape;
        let (first, last) = (inner.start[2], inner.end()[2]);
        let of_slice = |mut widest: Widest, z: usize| {
            for y in inner.start[1]..inner.end()[1] {
                for [dz, dy, dx] in &steps {
                    let (qz, qy) = (z.wrapping_add_signed(*dz), y.wrapping_add_signed(*dy));
                    if qz >= sz || qy >= sy {
                        continue;
                    }
                    let begin = first.max((-dx).max(0) as usize);
                    let end = last.min(sx - (*dx).max(0) as usize);
                    let own = (z * sy + y) * sx + begin;
                    let other = ((qz * sy + qy) * sx + begin).wrapping_add_signed(*dx);
                    let n = end.saturating_sub(begin);
                    widest.between([own, other].map(|at| (&labels[at..at + n], &squared[at..at + n])));
                }
            }
            widest
        };
        (inner.start[0]..inner.end()[0])
            .into_par_iter()
            .fold(Widest::default, of_slice)
            .map(Widest::found)
            .reduce(Necks::new, |a, b| {
                let (mut all, other) = if a.len() < b.len() { (b, a) } else { (a, b) };
                other.into_iter().for_each(|(pair, neck)| widen(&mut all, pair, neck));
                all
            })
    }

    /// Which basins are one object: for each label, the index of the maximum that stands for its object. `necks` are in
    /// order; only those matter that [`spanning`] keeps.
    fn join(&self, peaks: &[Peak], necks: &[Neck]) -> Vec<u32> {
        let counts = self.accepted(peaks);
        let rank = |b: u32| (counts[b as usize], peaks[b as usize].1, Reverse(peaks[b as usize].0));
        let n = peaks.len() as u32;
        let (mut regions, mut objects): (Vec<u32>, Vec<u32>) = ((0..n).collect(), (0..n).collect());
        // The greatest maximum of each region, by the region's root.
        let mut top: Vec<u32> = (0..n).collect();
        for &(Reverse(neck), a, b) in necks {
            let (a, b) = (a - 1, b - 1);
            let mut forest = Forest::new(0, &mut regions);
            let (ra, rb) = (forest.root(a), forest.root(b));
            if ra == rb {
                continue;
            }
            let (ta, tb) = (top[ra as usize], top[rb as usize]);
            let (high, low) = if rank(ta) > rank(tb) { (ta, tb) } else { (tb, ta) };
            forest.unite(a, b);
            top[ra.min(rb) as usize] = high;
            let peak = peaks[low as usize].1;
            let depth = self.distance(peak) - self.distance(neck);
            if peak == neck || depth < self.min_depth || !counts[low as usize] {
                Forest::new(0, &mut objects).unite(a, b);
            }
        }
        for i in 0..objects.len() {
            objects[i] = objects[objects[i] as usize];
        }
        objects
    }

    /// Which maxima are far enough from all greater ones that count.
    fn accepted(&self, peaks: &[Peak]) -> Vec<bool> {
        let mut counts = vec![true; peaks.len()];
        if self.min_distance <= 0.0 {
            return counts;
        }
        let place = |i: u64| {
            let (i, [_, ny, nx]) = (i as usize, self.shape);
            let p = [i / (ny * nx), i / nx % ny, i % nx];
            std::array::from_fn::<f64, 3, _>(|a| p[a] as f64 * self.spacing[a])
        };
        let mut order: Vec<usize> = (0..peaks.len()).collect();
        order.sort_unstable_by_key(|&i| (Reverse(peaks[i].1), peaks[i].0));
        let taken = apart::taken(order.iter().map(|i| place(peaks[*i].0)), self.min_distance);
        order.into_iter().zip(taken).for_each(|(i, taken)| counts[i] = taken);
        counts
    }

    /// Final numbers of basins that are named by their maxima, from where each is first seen.
    fn numbers(peaks: &[Peak], objects: &[u32], firsts: &HashMap<u32, u64>) -> HashMap<u32, u32> {
        let object = |name: u32| objects[place(peaks, name)];
        let mut of_object: HashMap<u32, u64> = HashMap::new();
        for (name, at) in firsts {
            of_object.entry(object(*name)).and_modify(|f| *f = (*f).min(*at)).or_insert(*at);
        }
        let mut order: Vec<(u64, u32)> = of_object.into_iter().map(|(object, at)| (at, object)).collect();
        order.sort_unstable();
        let numbers: Numbers = order.iter().zip(1..).map(|((_, object), number)| (*object, number)).collect();
        firsts.keys().map(|name| (*name, numbers[&object(*name)])).collect()
    }
}

/// Which of the maxima gives a basin of a run in memory its name: its index in the image, plus 1.
fn place(peaks: &[Peak], name: u32) -> usize {
    let found = peaks.binary_search_by_key(&(u64::from(name) - 1), |peak| peak.0);
    found.expect("basins are named by maxima")
}

/// A neck, in the order in which basins are joined: the widest first.
type Neck = (Reverse<u32>, u32, u32);

/// Necks in order.
fn in_order(necks: Necks) -> Vec<Neck> {
    let mut order: Vec<Neck> = necks.into_iter().map(|((a, b), neck)| (Reverse(neck), a, b)).collect();
    order.sort_unstable();
    order
}

/// Of necks of a part of the image, in order, those that may join two basins that no wider ones have joined: a neck that
/// closes a ring of wider ones there closes it in the whole image, too.
fn spanning(mut necks: Vec<Neck>) -> Vec<Neck> {
    let mut labels: Vec<u32> = necks.iter().flat_map(|(_, a, b)| [*a, *b]).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut parent: Vec<u32> = (0..labels.len() as u32).collect();
    let mut forest = Forest::new(0, &mut parent);
    let index = |label: u32| labels.binary_search(&label).expect("it is one of them") as u32;
    necks.retain(|&(_, a, b)| {
        let (a, b) = (index(a), index(b));
        let joins = forest.root(a) != forest.root(b);
        if joins {
            forest.unite(a, b);
        }
        joins
    });
    necks
}

/// Necks while they are looked for: those of neighbouring rows are mostly the same few.
struct Widest {
    recent: Vec<((u32, u32), u32)>,
    necks: Necks,
}

impl std::default::Default for Widest {
    fn default() -> Self {
        Self { recent: vec![((0, 0), 0); 1 << 10], necks: Necks::new() }
    }
}

impl Widest {
    /// The necks between two rows of labels and squared distances, voxel by voxel.
    fn between(&mut self, rows: [(&[u32], &[u32]); 2]) {
        const PIECE: usize = 16;
        let [(labels, squared), (others, across)] = rows;
        for from in (0..labels.len()).step_by(PIECE) {
            let piece = from..labels.len().min(from + PIECE);
            let (a, b) = (&labels[piece.clone()], &others[piece.clone()]);
            if a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0 {
                continue;
            }
            for i in piece {
                let (a, b) = (labels[i], others[i]);
                if a != b && a != 0 && b != 0 {
                    self.widen((a.min(b), a.max(b)), squared[i].min(across[i]));
                }
            }
        }
    }

    fn widen(&mut self, pair: (u32, u32), neck: u32) {
        let mixed = (pair.0.wrapping_mul(0x9e37_79b9) ^ pair.1).wrapping_mul(0x85eb_ca6b);
        let slot = &mut self.recent[(mixed >> 22) as usize];
        if slot.0 == pair {
            slot.1 = slot.1.max(neck);
        } else {
            let (pair, neck) = std::mem::replace(slot, (pair, neck));
            widen(&mut self.necks, pair, neck);
        }
    }

    fn found(mut self) -> Necks {
        for (pair, neck) in self.recent {
            widen(&mut self.necks, pair, neck);
        }
        self.necks.remove(&(0, 0));
        self.necks
    }
}

fn widen(necks: &mut Necks, pair: (u32, u32), neck: u32) {
    necks.entry(pair).and_modify(|n| *n = neck.max(*n)).or_insert(neck);
}

/// The far end of the distance is flooded first.
fn depth(bits: u32) -> u32 {
    u32::MAX - bits
}

impl Kernel for SplitKernel {
    fn whole(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let mask = inputs[0].take().expect("the first input is required");
        let part = job.part();
        let mut squared = vec![0u32; mask.len()];
        self.within(mask.as_bytes(), &mut squared, self.shape, &part)?;
        self.across(&mut squared, self.shape, &part)?;
        drop(mask);
        let (peaks, mut labels) = ascent::basins(&squared, self.shape, self.connectivity, &part)?;
        let whole = Region::whole(self.shape);
        let necks = self.necks(&squared, &labels, whole, whole);
        drop(squared);
        let label = |name: u32| place(&peaks, name) as u32 + 1;
        let necks = necks.into_iter().map(|((a, b), neck)| ((label(a), label(b)), neck)).collect();
        let objects = self.join(&peaks, &in_order(necks));
        job.check()?;
        let firsts = relabel::first_voxels(&labels, whole, self.shape);
        let numbers = Self::numbers(&peaks, &objects, &firsts);
        relabel::map_all(&mut labels, &numbers, job)?;
        let labels = Array3::from_shape_vec(self.shape, labels).expect("of the shape of the mask");
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl SplitKernel {
    fn relax(&self) -> Relax {
        Relax { shape: self.shape, connectivity: self.connectivity, steps: u64::MAX }
    }

    /// The labels of the maxima in a block.
    fn markers(&self, state: &Known, block: Region, around: &dyn Around) -> Result<Vec<u32>> {
        let (mut markers, number) = (vec![0; block.len()], state.maxima.block(block));
        let peaks: Vec<Peak> = decode(&around.partial(MAXIMA, 0, number)?)?;
        let labels = state.maxima.numbers_of(MARKS, number, around)?;
        let [_, ny, nx] = self.shape;
        for ((at, _), label) in peaks.into_iter().zip(labels) {
            let at = at as usize;
            let place = Region::new([at / (ny * nx), at / nx % ny, at % nx], [1; 3]);
            let [z, y, x] = place.relative_to(block.start).start;
            markers[(z * block.shape[1] + y) * block.shape[2] + x] = label;
        }
        Ok(markers)
    }

    /// The maxima of a slab, in the order of the image.
    fn of_slab(state: &Known, slab: usize, around: &dyn Around) -> Result<Vec<u8>> {
        let mut peaks = Vec::new();
        for block in state.maxima.blocks(slab) {
            peaks.append(&mut decode::<Vec<Peak>>(&around.partial(MAXIMA, 0, block)?)?);
        }
        peaks.sort_unstable();
        Ok(pieces::join(&[encode(&(peaks.len() as u64)), encode(&peaks)]))
    }

    /// The labels of the maxima of a slab, block by block.
    fn marks(state: &Known, slab: usize, around: &dyn Around) -> Result<Vec<u8>> {
        let names = |peaks: Vec<Peak>| peaks.into_iter().map(|peak| peak.0 + 1).collect::<Vec<u64>>();
        let of_block = |block| decode(&around.partial(MAXIMA, 0, block)?).map(names);
        let blocks = state.maxima.blocks(slab).map(of_block).collect::<Result<Vec<_>>>()?;
        let known = |slab| peaks_of(slab, around).map(names);
        state.maxima.numbers(&blocks, known, |names, name| state.maxima.number(names, name))
    }

    /// The necks of a slab that matter.
    fn necks_of_slab(state: &Known, slab: usize, around: &dyn Around) -> Result<Vec<u8>> {
        let mut necks: Vec<Neck> = Vec::new();
        for block in state.maxima.blocks(slab) {
            necks.append(&mut decode(&pieces::read(around, NECKS, block, 0)?)?);
        }
        necks.sort_unstable();
        Ok(encode(&spanning(necks)))
    }

    /// Which maximum stands for the object of each label, in pieces by the slab of the label's maximum. This is done by
    /// one, with all maxima and the necks that matter.
    fn objects(&self, state: &Known, around: &dyn Around) -> Result<Vec<u8>> {
        let (mut peaks, mut necks, mut ends) = (Vec::new(), Vec::<Neck>::new(), Vec::new());
        for slab in 0..state.maxima.count() {
            peaks.append(&mut peaks_of(slab, around)?);
            ends.push(peaks.len());
            necks.append(&mut decode(&around.partial(SPANNING, 0, slab)?)?);
        }
        necks.sort_unstable();
        let objects = self.join(&peaks, &necks);
        let begins = [0].into_iter().chain(ends.iter().copied());
        let of_slab = begins
            .zip(&ends)
            .map(|(begin, end)| objects[begin..*end].iter().flat_map(|o| o.to_le_bytes()).collect());
        Ok(pieces::join(&of_slab.collect::<Vec<_>>()))
    }

    /// The objects of the labels of each block of a slab.
    fn objects_of_slab(state: &Known, slab: usize, around: &dyn Around) -> Result<Vec<u8>> {
        let blocks = state.maxima.blocks(slab).map(|block| basins_of(block, around));
        let blocks = blocks.collect::<Result<Vec<Firsts>>>()?;
        let mut labels: Vec<u32> = blocks.iter().flatten().map(|basin| basin.0).collect();
        labels.sort_unstable();
        labels.dedup();
        let mut objects = Vec::with_capacity(labels.len());
        for of_one in labels.chunk_by(|a, b| state.maxima.home_of(*a).0 == state.maxima.home_of(*b).0) {
            let piece = pieces::read(around, OBJECTS, 0, state.maxima.home_of(of_one[0]).0)?;
            let known = piece.as_chunks::<4>().0;
            for label in of_one {
                let at = state.maxima.home_of(*label).1;
                let object = known.get(at).ok_or_else(|| slabs::lost(u64::from(*label)))?;
                objects.push(u32::from_le_bytes(*object));
            }
        }
        let object = |label: u32| objects[labels.binary_search(&label).expect("it is one of them")];
        let of_block = |basins: &Firsts| encode(&basins.iter().map(|b| object(b.0)).collect::<Vec<u32>>());
        Ok(pieces::join(&blocks.iter().map(of_block).collect::<Vec<_>>()))
    }
}

/// The maxima of a slab, in the order of the image.
fn peaks_of(slab: usize, around: &dyn Around) -> Result<Vec<Peak>> {
    decode(&pieces::read(around, PEAKS, slab, 1)?)
}

/// The basins that a block has, ascending, with their first voxels there.
fn basins_of(block: usize, around: &dyn Around) -> Result<Firsts> {
    decode(&pieces::read(around, NECKS, block, 1)?)
}

/// The objects of the basins that a block has.
fn objects_of(block: usize, slabs: &Slabs, around: &dyn Around) -> Result<Vec<u32>> {
    let of_slab = slabs.blocks(0).len();
    decode(&pieces::read(around, OF_BLOCKS, block / of_slab, block % of_slab)?)
}

/// The objects that a block has, ascending, with their first voxels there.
fn found_in(block: usize, slabs: &Slabs, around: &dyn Around) -> Result<Firsts> {
    let (basins, objects) = (basins_of(block, around)?, objects_of(block, slabs, around)?);
    let mut found: Firsts =
        objects.into_iter().zip(basins).map(|(object, (_, name))| (object, name)).collect();
    found.sort_unstable();
    found.dedup_by_key(|first| first.0);
    Ok(found)
}

/// Blocks find maxima.
const MAXIMA: usize = 2;
/// Slabs put theirs in the order of the image: their number, and the maxima.
const PEAKS: usize = 3;
/// Slabs find the labels of the maxima of their blocks.
const MARKS: usize = 4;
/// Maxima are marked.
const MARKERS: usize = 5;
/// Basins are flooded.
const FLOODING: usize = 6;
/// Blocks find the necks to their neighbours, in order, and the first voxels of basins.
const NECKS: usize = 7;
/// Slabs leave out necks that don't matter.
const SPANNING: usize = 8;
/// Basins are joined.
const OBJECTS: usize = 9;
/// Slabs find the objects of the basins of their blocks.
const OF_BLOCKS: usize = 10;
/// Objects are numbered.
const SCATTERED: Scattered = Scattered { first: 11 };

/// What is known between phases.
#[derive(std::default::Default, Serialize, Deserialize)]
struct Known {
    maxima: Slabs,
    changed: Changed,
    objects: Slabs,
}

/// Field 0: squared distances; 1 and 2: keys and labels of the floods; 3: the result.
impl Program for SplitKernel {
    type State = Known;

    fn fields(&self) -> Vec<FieldSpec> {
        [VoxelType::U32, VoxelType::U64, VoxelType::U32, VoxelType::U32]
            .map(|voxel| FieldSpec { voxel })
            .to_vec()
    }

    fn phases(&self) -> Vec<Phase> {
        let field = |f, halo| Source::Field(f, [halo; 3]);
        let phase = |name, tiling, reads, writes| Phase { name, tiling, reads, writes };
        let slices = Tiling::Spanning([false, true, true]);
        let lines = Tiling::Spanning([true, false, false]);
        let rows = |name| phase(name, Tiling::Rows, vec![], vec![]);
        let mut phases = vec![
            phase("distances within slices", slices, vec![Source::Input(0, [0; 3])], vec![0]),
            phase("distances across slices", lines, vec![field(0, 0)], vec![0]),
            phase("maxima", Tiling::Blocks, vec![field(0, 1)], vec![]),
            rows("maxima of slabs"),
            rows("labels of maxima"),
            phase("markers", Tiling::Blocks, vec![field(0, 0)], vec![1, 2]),
            phase("flooding", Tiling::Blocks, vec![field(0, 0), field(1, 1), field(2, 1)], vec![1, 2]),
            phase("necks", Tiling::Blocks, vec![field(0, 1), field(2, 1)], vec![]),
            rows("widest necks"),
            // Much to hold: a worker of a pool does it, not the coordinator.
            phase("joining basins", Tiling::Shares, vec![], vec![]),
            rows("objects of slabs"),
        ];
        phases.extend(scattered::phases());
        phases.push(phase("numbering", Tiling::Blocks, vec![field(2, 0)], vec![3]));
        phases
    }

    fn result(&self) -> Option<usize> {
        Some(3)
    }

    fn visits(&self, phase: usize, state: &Known, out: Region) -> bool {
        phase != FLOODING || state.changed.concerns(out)
    }

    fn run(
        &self,
        phase: usize,
        state: &Known,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        around: &dyn Around,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let part = block.out.start[0];
        let rows = match phase {
            PEAKS => Some(Self::of_slab(state, part, around)),
            MARKS => Some(Self::marks(state, part, around)),
            SPANNING => Some(Self::necks_of_slab(state, part, around)),
            OBJECTS => Some(self.objects(state, around)),
            OF_BLOCKS => Some(Self::objects_of_slab(state, part, around)),
            phase if SCATTERED.has(phase) => {
                let found = |block, around: &dyn Around| found_in(block, &state.objects, around);
                Some(SCATTERED.run(phase, part, &state.objects, found, around))
            }
            _ => None,
        };
        if let Some(rows) = rows {
            return Ok((vec![], rows?));
        }
        let (shape, part) = (block.out.shape, job.part());
        let input = inputs[0].as_deref().expect("every phase of blocks reads something that is there");
        let volume = |v| Volume::U32(Array3::from_shape_vec(shape, v).expect("the shape of the block"));
        if phase == 0 {
            let mut squared = vec![0; input.len()];
            self.within(input.as_bytes(), &mut squared, shape, &part)?;
            return Ok((vec![volume(squared)], vec![]));
        }
        let Volume::U32(first) = input else { unreachable!("the fields read first are u32") };
        let first = first.as_slice().expect("volumes are in C order");
        let inside = |squared: &[u32]| squared.iter().map(|s| u8::from(*s != 0)).collect::<Vec<u8>>();
        match phase {
            1 => {
                let mut squared = first.to_vec();
                self.across(&mut squared, shape, &part)?;
                Ok((vec![volume(squared)], vec![]))
            }
            MAXIMA => Ok((vec![], encode(&self.peaks(first, block.out, block.sources[0])))),
            MARKERS => {
                let markers = self.markers(state, block.out, around)?;
                Ok((Relax::begin(&|i: usize| depth(first[i]), &markers, Some(&inside(first)), shape), vec![]))
            }
            FLOODING => {
                let markers = self.markers(state, block.out, around)?;
                let levels = |i: usize| depth(first[i]);
                let mask = inside(first);
                self.relax().step(&levels, &markers, Some(&mask), block, &inputs[1..3], job)
            }
            NECKS => {
                let Some(Volume::U32(labels)) = inputs[1].as_deref() else { unreachable!("field 2 is u32") };
                let slice = labels.as_slice().expect("volumes are in C order");
                let necks = self.necks(first, slice, block.out, block.sources[0]);
                let [z, y, x] = block.inner().ranges();
                let own = labels.slice(ndarray::s![z, y, x]).to_owned();
                let own = own.as_slice().expect("just made");
                let firsts = relabel::first_voxels(own, block.out, self.shape).into_iter();
                let mut firsts: Firsts = firsts.map(|(label, at)| (label, at + 1)).collect();
                firsts.sort_unstable();
                Ok((vec![], pieces::join(&[encode(&in_order(necks)), encode(&firsts)])))
            }
            _ => {
                let number = state.objects.block(block.out);
                let found = found_in(number, &state.objects, around)?;
                let of_objects = SCATTERED.numbers(&found, number, &state.objects, around)?;
                let basins = basins_of(number, around)?.into_iter().map(|basin| basin.0);
                let objects = objects_of(number, &state.objects, around)?;
                let numbers = basins.zip(objects.iter().map(|object| of_objects[object])).collect();
                let mut labels = first.to_vec();
                relabel::map(&mut labels, &numbers);
                Ok((vec![volume(labels)], vec![]))
            }
        }
    }

    fn parts(&self, phase: usize, state: &Known) -> usize {
        match phase {
            OBJECTS => 1,
            phase if SCATTERED.has(phase) => SCATTERED.parts(phase, &state.objects),
            _ => state.maxima.count(),
        }
    }

    fn merge(&self, phase: usize, state: &mut Known, partials: Partials) -> Result<Next> {
        match phase {
            MAXIMA => {
                state.maxima = Slabs::new(self.shape, partials.cut());
                state.objects = Slabs::new(self.shape, partials.cut());
            }
            PEAKS => {
                let counts = partials.map(|found| decode(&pieces::of(&found?.1, 0)?));
                state.maxima.begin_with(counts)?;
            }
            FLOODING => return Relax::merge(&mut state.changed, partials),
            _ => return SCATTERED.merge(phase, &mut state.objects, partials),
        }
        Ok(Next::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::super::components::tests::{Random, hold_blocked, mask, spaced};

    fn balls(shape: [usize; 3], centres: &[([f64; 3], f64)]) -> Vec<u8> {
        (0..shape.iter().product::<usize>())
            .map(|i| {
                let p = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
                let inside = |c: &([f64; 3], f64)| {
                    (0..3).map(|a| (p[a] as f64 - c.0[a]).powi(2)).sum::<f64>() <= c.1 * c.1
                };
                u8::from(centres.iter().any(inside))
            })
            .collect()
    }

    #[test]
    fn touching_balls_are_parted_and_bumps_are_not() {
        let shape = [19, 19, 40];
        let m = balls(shape, &[([9.0, 9.0, 9.0], 7.3), ([9.0, 9.0, 20.0], 6.2), ([9.0, 9.0, 32.0], 5.4)]);
        let mut random = Random(41);
        let image = mask(shape, m.clone());
        let count = |v: &crate::Volume| *v.view::<u32>().unwrap().iter().max().unwrap();
        let seen = hold_blocked("split", &[], &[Some(image.clone())], &mut random);
        assert_eq!(count(&seen), 3);
        for (label, voxel) in seen.view::<u32>().unwrap().iter().zip(&m) {
            assert_eq!(*label != 0, *voxel != 0);
        }
        let seen = hold_blocked("split", &[("min_depth", "6")], &[Some(image.clone())], &mut random);
        assert_eq!(count(&seen), 1);
        let seen = hold_blocked("split", &[("min_distance", "11.5")], &[Some(image)], &mut random);
        assert_eq!(count(&seen), 2);
    }

    #[test]
    fn whole_is_blocked_on_noise() {
        let mut random = Random(42);
        for i in 0..25 {
            let shape = random.shape(12);
            let m = (0..shape.iter().product()).map(|_| u8::from(random.below(30) != 0)).collect();
            let image = spaced(mask(shape, m), [[1.0; 3], [1.5, 1.0, 0.8]][i % 2]);
            let depth = ["0", "0.3", "1"][i % 3];
            hold_blocked("split", &[("min_depth", depth)], &[Some(image)], &mut random);
        }
        hold_blocked("split", &[], &[Some(mask([3, 4, 5], vec![1; 60]))], &mut random);
        hold_blocked("split", &[], &[Some(mask([3, 4, 5], vec![0; 60]))], &mut random);
    }
}
