//! Touching objects parted by the distance from their surface.

use super::watershed::{Changed, Maximum, Relax, ascent};
use super::{Operator, distance_suppression};
use crate::algorithms::components::label_shuffle::ShufflePhase;
use crate::algorithms::components::label_shuffle::{Firsts, LabelShuffle};
use crate::algorithms::components::slabs::{self, Slabs};
use crate::algorithms::components::{Connectivity, Forest};
use crate::algorithms::distance::{Metric, lines};
use crate::algorithms::relabel::{self, Numbers};
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode, indexed_blob,
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
        every maximum in the total order of watershed. Then basins are joined at their highest saddles first, as \
        long as the smaller of two maxima is less than min_depth above the saddle between them (its dynamics, \
        Grimaud 1992; the same as suppressing maxima by height before the watershed), or less than \
        min_distance from a greater maximum. Objects are numbered by their first voxels. The border of the \
        image is not background. Exact block by block: distances in slabs and lines, floods relaxed until \
        nothing changes, saddles merged.",
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
type Saddles = HashMap<(u32, u32), u32>;

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
    fn maxima(&self, squared: &[u32], block: Region, source: Region) -> Vec<Maximum> {
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
            let mut maxima = Vec::new();
            for y in inner.start[1]..inner.end()[1] {
                for x in inner.start[2]..inner.end()[2] {
                    let (p, at) = ([z, y, x], (z * sy + y) * sx + x);
                    if squared[at] != 0 && !exceeds(p, at) {
                        let [z, y, x]: [usize; 3] = std::array::from_fn(|a| p[a] + source.start[a]);
                        maxima.push((((z * self.shape[1] + y) * self.shape[2] + x) as u64, squared[at]));
                    }
                }
            }
            maxima
        };
        let slices: Vec<Vec<Maximum>> =
            (inner.start[0]..inner.end()[0]).into_par_iter().map(of_slice).collect();
        slices.concat()
    }

    /// The widest necks between the basins of a block and their neighbours.
    fn saddles(&self, squared: &[u32], labels: &[u32], block: Region, source: Region) -> Saddles {
        let steps = self.connectivity.preceding();
        let inner = block.relative_to(source.start);
        let [sz, sy, sx] = source.shape;
        let (first, last) = (inner.start[2], inner.end()[2]);
        let of_slice = |mut highest: HighestSaddles, z: usize| {
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
                    highest.between([own, other].map(|at| (&labels[at..at + n], &squared[at..at + n])));
                }
            }
            highest
        };
        (inner.start[0]..inner.end()[0])
            .into_par_iter()
            .fold(HighestSaddles::default, of_slice)
            .map(HighestSaddles::found)
            .reduce(Saddles::new, |a, b| {
                let (mut all, other) = if a.len() < b.len() { (b, a) } else { (a, b) };
                other.into_iter().for_each(|(pair, saddle)| keep_highest(&mut all, pair, saddle));
                all
            })
    }

    /// Which basins are one object: for each label, the index of the maximum that stands for its object. `saddles` are in
    /// order; only those matter that [`spanning`] keeps.
    fn join(&self, maxima: &[Maximum], saddles: &[Saddle]) -> Vec<u32> {
        let counts = self.accepted(maxima);
        let rank = |b: u32| (counts[b as usize], maxima[b as usize].1, Reverse(maxima[b as usize].0));
        let n = maxima.len() as u32;
        let (mut regions, mut objects): (Vec<u32>, Vec<u32>) = ((0..n).collect(), (0..n).collect());
        // The greatest maximum of each region, by the region's root.
        let mut top: Vec<u32> = (0..n).collect();
        for &(Reverse(saddle), a, b) in saddles {
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
            let maximum = maxima[low as usize].1;
            let depth = self.distance(maximum) - self.distance(saddle);
            if maximum == saddle || depth < self.min_depth || !counts[low as usize] {
                Forest::new(0, &mut objects).unite(a, b);
            }
        }
        for i in 0..objects.len() {
            objects[i] = objects[objects[i] as usize];
        }
        objects
    }

    /// Which maxima are far enough from all greater ones that count.
    fn accepted(&self, maxima: &[Maximum]) -> Vec<bool> {
        let mut counts = vec![true; maxima.len()];
        if self.min_distance <= 0.0 {
            return counts;
        }
        let place = |i: u64| {
            let (i, [_, ny, nx]) = (i as usize, self.shape);
            let p = [i / (ny * nx), i / nx % ny, i % nx];
            std::array::from_fn::<f64, 3, _>(|a| p[a] as f64 * self.spacing[a])
        };
        let mut order: Vec<usize> = (0..maxima.len()).collect();
        order.sort_unstable_by_key(|&i| (Reverse(maxima[i].1), maxima[i].0));
        let taken =
            distance_suppression::accepted(order.iter().map(|i| place(maxima[*i].0)), self.min_distance);
        order.into_iter().zip(taken).for_each(|(i, taken)| counts[i] = taken);
        counts
    }

    /// Final numbers of basins that are named by their maxima, from where each is first seen.
    fn numbers(maxima: &[Maximum], objects: &[u32], firsts: &HashMap<u32, u64>) -> HashMap<u32, u32> {
        let object = |name: u32| objects[place(maxima, name)];
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
fn place(maxima: &[Maximum], name: u32) -> usize {
    let found = maxima.binary_search_by_key(&(u64::from(name) - 1), |maximum| maximum.0);
    found.expect("basins are named by maxima")
}

/// A neck, in the order in which basins are joined: the widest first.
type Saddle = (Reverse<u32>, u32, u32);

/// Necks in order.
fn in_order(saddles: Saddles) -> Vec<Saddle> {
    let mut order: Vec<Saddle> =
        saddles.into_iter().map(|((a, b), saddle)| (Reverse(saddle), a, b)).collect();
    order.sort_unstable();
    order
}

/// Of necks of a part of the image, in order, those that may join two basins that no wider ones have joined: a neck that
/// closes a ring of wider ones there closes it in the whole image, too.
fn spanning(mut saddles: Vec<Saddle>) -> Vec<Saddle> {
    let mut labels: Vec<u32> = saddles.iter().flat_map(|(_, a, b)| [*a, *b]).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut parent: Vec<u32> = (0..labels.len() as u32).collect();
    let mut forest = Forest::new(0, &mut parent);
    let index = |label: u32| labels.binary_search(&label).expect("it is one of them") as u32;
    saddles.retain(|&(_, a, b)| {
        let (a, b) = (index(a), index(b));
        let joins = forest.root(a) != forest.root(b);
        if joins {
            forest.unite(a, b);
        }
        joins
    });
    saddles
}

/// Necks while they are looked for: those of neighbouring rows are mostly the same few.
struct HighestSaddles {
    recent: Vec<((u32, u32), u32)>,
    saddles: Saddles,
}

impl std::default::Default for HighestSaddles {
    fn default() -> Self {
        Self { recent: vec![((0, 0), 0); 1 << 10], saddles: Saddles::new() }
    }
}

impl HighestSaddles {
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
                    self.keep_highest((a.min(b), a.max(b)), squared[i].min(across[i]));
                }
            }
        }
    }

    fn keep_highest(&mut self, pair: (u32, u32), saddle: u32) {
        let mixed = (pair.0.wrapping_mul(0x9e37_79b9) ^ pair.1).wrapping_mul(0x85eb_ca6b);
        let slot = &mut self.recent[(mixed >> 22) as usize];
        if slot.0 == pair {
            slot.1 = slot.1.max(saddle);
        } else {
            let (pair, saddle) = std::mem::replace(slot, (pair, saddle));
            keep_highest(&mut self.saddles, pair, saddle);
        }
    }

    fn found(mut self) -> Saddles {
        for (pair, saddle) in self.recent {
            keep_highest(&mut self.saddles, pair, saddle);
        }
        self.saddles.remove(&(0, 0));
        self.saddles
    }
}

fn keep_highest(saddles: &mut Saddles, pair: (u32, u32), saddle: u32) {
    saddles.entry(pair).and_modify(|n| *n = saddle.max(*n)).or_insert(saddle);
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
        let (maxima, mut labels) = ascent::basins(&squared, self.shape, self.connectivity, &part)?;
        let whole = Region::whole(self.shape);
        let saddles = self.saddles(&squared, &labels, whole, whole);
        drop(squared);
        let label = |name: u32| place(&maxima, name) as u32 + 1;
        let saddles = saddles.into_iter().map(|((a, b), saddle)| ((label(a), label(b)), saddle)).collect();
        let objects = self.join(&maxima, &in_order(saddles));
        job.check()?;
        let firsts = relabel::first_voxels(&labels, whole, self.shape);
        let numbers = Self::numbers(&maxima, &objects, &firsts);
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
    fn markers(&self, state: &SplitState, block: Region, context: &dyn TileContext) -> Result<Vec<u32>> {
        let (mut markers, number) = (vec![0; block.len()], state.maxima.block(block));
        let maxima: Vec<Maximum> = decode(&context.partial(number_of(SplitPhase::Maxima), 0, number)?)?;
        let labels = state.maxima.numbers_of(number_of(SplitPhase::MaximaLabels), number, context)?;
        let [_, ny, nx] = self.shape;
        for ((at, _), label) in maxima.into_iter().zip(labels) {
            let at = at as usize;
            let place = Region::new([at / (ny * nx), at / nx % ny, at % nx], [1; 3]);
            let [z, y, x] = place.relative_to(block.start).start;
            markers[(z * block.shape[1] + y) * block.shape[2] + x] = label;
        }
        Ok(markers)
    }

    /// The maxima of a slab, in the order of the image.
    fn of_slab(state: &SplitState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let mut maxima = Vec::new();
        for block in state.maxima.blocks(slab) {
            maxima.append(&mut decode::<Vec<Maximum>>(&context.partial(
                number_of(SplitPhase::Maxima),
                0,
                block,
            )?)?);
        }
        maxima.sort_unstable();
        Ok(indexed_blob::join(&[encode(&(maxima.len() as u64)), encode(&maxima)]))
    }

    /// The labels of the maxima of a slab, block by block.
    fn marks(state: &SplitState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let names =
            |maxima: Vec<Maximum>| maxima.into_iter().map(|maximum| maximum.0 + 1).collect::<Vec<u64>>();
        let of_block = |block| decode(&context.partial(number_of(SplitPhase::Maxima), 0, block)?).map(names);
        let blocks = state.maxima.blocks(slab).map(of_block).collect::<Result<Vec<_>>>()?;
        let known = |slab| maxima_of(slab, context).map(names);
        state.maxima.numbers(&blocks, known, |names, name| state.maxima.number(names, name))
    }

    /// The necks of a slab that matter.
    fn saddles_of_slab(state: &SplitState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let mut saddles: Vec<Saddle> = Vec::new();
        for block in state.maxima.blocks(slab) {
            saddles.append(&mut decode(&indexed_blob::read(
                context,
                number_of(SplitPhase::Saddles),
                block,
                0,
            )?)?);
        }
        saddles.sort_unstable();
        Ok(encode(&spanning(saddles)))
    }

    /// Which maximum stands for the object of each label, in pieces by the slab of the label's maximum. This is done by
    /// one, with all maxima and the necks that matter.
    fn objects(&self, state: &SplitState, context: &dyn TileContext) -> Result<Vec<u8>> {
        let (mut maxima, mut saddles, mut ends) = (Vec::new(), Vec::<Saddle>::new(), Vec::new());
        for slab in 0..state.maxima.count() {
            maxima.append(&mut maxima_of(slab, context)?);
            ends.push(maxima.len());
            saddles.append(&mut decode(&context.partial(number_of(SplitPhase::Spanning), 0, slab)?)?);
        }
        saddles.sort_unstable();
        let objects = self.join(&maxima, &saddles);
        let begins = [0].into_iter().chain(ends.iter().copied());
        let of_slab = begins
            .zip(&ends)
            .map(|(begin, end)| objects[begin..*end].iter().flat_map(|o| o.to_le_bytes()).collect());
        Ok(indexed_blob::join(&of_slab.collect::<Vec<_>>()))
    }

    /// The objects of the labels of each block of a slab.
    fn objects_of_slab(state: &SplitState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let blocks = state.maxima.blocks(slab).map(|block| basins_of(block, context));
        let blocks = blocks.collect::<Result<Vec<Firsts>>>()?;
        let mut labels: Vec<u32> = blocks.iter().flatten().map(|basin| basin.0).collect();
        labels.sort_unstable();
        labels.dedup();
        let mut objects = Vec::with_capacity(labels.len());
        for of_one in labels.chunk_by(|a, b| state.maxima.home_of(*a).0 == state.maxima.home_of(*b).0) {
            let piece = indexed_blob::read(
                context,
                number_of(SplitPhase::Objects),
                0,
                state.maxima.home_of(of_one[0]).0,
            )?;
            let known = piece.as_chunks::<4>().0;
            for label in of_one {
                let at = state.maxima.home_of(*label).1;
                let object = known.get(at).ok_or_else(|| slabs::lost(u64::from(*label)))?;
                objects.push(u32::from_le_bytes(*object));
            }
        }
        let object = |label: u32| objects[labels.binary_search(&label).expect("it is one of them")];
        let of_block = |basins: &Firsts| encode(&basins.iter().map(|b| object(b.0)).collect::<Vec<u32>>());
        Ok(indexed_blob::join(&blocks.iter().map(of_block).collect::<Vec<_>>()))
    }
}

/// The maxima of a slab, in the order of the image.
fn maxima_of(slab: usize, context: &dyn TileContext) -> Result<Vec<Maximum>> {
    decode(&indexed_blob::read(context, number_of(SplitPhase::SlabMaxima), slab, 1)?)
}

/// The basins that a block has, ascending, with their first voxels there.
fn basins_of(block: usize, context: &dyn TileContext) -> Result<Firsts> {
    decode(&indexed_blob::read(context, number_of(SplitPhase::Saddles), block, 1)?)
}

/// The objects of the basins that a block has.
fn objects_of(block: usize, slabs: &Slabs, context: &dyn TileContext) -> Result<Vec<u32>> {
    let of_slab = slabs.blocks(0).len();
    decode(&indexed_blob::read(
        context,
        number_of(SplitPhase::BlockObjects),
        block / of_slab,
        block % of_slab,
    )?)
}

/// The objects that a block has, ascending, with their first voxels there.
fn found_in(block: usize, slabs: &Slabs, context: &dyn TileContext) -> Result<Firsts> {
    let (basins, objects) = (basins_of(block, context)?, objects_of(block, slabs, context)?);
    let mut found: Firsts =
        objects.into_iter().zip(basins).map(|(object, (_, name))| (object, name)).collect();
    found.sort_unstable();
    found.dedup_by_key(|first| first.0);
    Ok(found)
}

/// Phases of [`Split`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SplitPhase {
    /// Squared distances within slices.
    WithinSlices,
    /// Squared distances across slices.
    AcrossSlices,
    /// Blocks find maxima.
    Maxima,
    /// Slabs put theirs in the order of the image: their number, and the maxima.
    SlabMaxima,
    /// Slabs find the labels of the maxima of their blocks.
    MaximaLabels,
    /// Maxima become the markers of the flood.
    Markers,
    /// Basins are flooded, until nothing changes.
    Flooding,
    /// Blocks find the saddles to their neighbours, in order, and the first voxels of basins.
    Saddles,
    /// Slabs leave out saddles that can't join basins.
    Spanning,
    /// Basins are joined: the maximum that stands for the object of each.
    Objects,
    /// Slabs find the objects of the basins of their blocks.
    BlockObjects,
    /// Objects are numbered.
    Shuffle(ShufflePhase),
    /// The result.
    Numbering,
}

static PHASES: [SplitPhase; 16] = [
    SplitPhase::WithinSlices,
    SplitPhase::AcrossSlices,
    SplitPhase::Maxima,
    SplitPhase::SlabMaxima,
    SplitPhase::MaximaLabels,
    SplitPhase::Markers,
    SplitPhase::Flooding,
    SplitPhase::Saddles,
    SplitPhase::Spanning,
    SplitPhase::Objects,
    SplitPhase::BlockObjects,
    SplitPhase::Shuffle(ShufflePhase::Slabs),
    SplitPhase::Shuffle(ShufflePhase::Firsts),
    SplitPhase::Shuffle(ShufflePhase::Counts),
    SplitPhase::Shuffle(ShufflePhase::Numbers),
    SplitPhase::Numbering,
];

/// The number of a phase, for what looks back at it.
fn number_of(phase: SplitPhase) -> usize {
    PHASES.iter().position(|other| *other == phase).expect("all are there")
}

fn shuffle() -> LabelShuffle {
    LabelShuffle { first: number_of(SplitPhase::Shuffle(ShufflePhase::Slabs)) }
}

/// What is known between phases.
#[derive(std::default::Default, Serialize, Deserialize)]
struct SplitState {
    maxima: Slabs,
    changed: Changed,
    objects: Slabs,
}

/// Field 0: squared distances; 1 and 2: keys and labels of the floods; 3: the result.
impl Program for SplitKernel {
    type Phase = SplitPhase;
    type State = SplitState;

    fn fields(&self) -> Vec<FieldSpec> {
        [VoxelType::U32, VoxelType::U64, VoxelType::U32, VoxelType::U32]
            .map(|voxel| FieldSpec { voxel })
            .to_vec()
    }

    fn phases(&self) -> Vec<SplitPhase> {
        PHASES.to_vec()
    }

    fn declare(&self, phase: SplitPhase) -> Phase {
        let field = |f, halo| Source::Field(f, [halo; 3]);
        match phase {
            SplitPhase::WithinSlices => {
                Phase::slices("distances within slices", vec![Source::Input(0, [0; 3])], vec![0])
            }
            SplitPhase::AcrossSlices => Phase::lines("distances across slices", vec![field(0, 0)], vec![0]),
            SplitPhase::Maxima => Phase::blocks("maxima", vec![field(0, 1)], vec![]),
            SplitPhase::SlabMaxima => Phase::reduce("maxima of slabs"),
            SplitPhase::MaximaLabels => Phase::reduce("labels of maxima"),
            SplitPhase::Markers => Phase::blocks("markers", vec![field(0, 0)], vec![1, 2]),
            SplitPhase::Flooding => {
                Phase::blocks("flooding", vec![field(0, 0), field(1, 1), field(2, 1)], vec![1, 2])
            }
            SplitPhase::Saddles => Phase::blocks("necks", vec![field(0, 1), field(2, 1)], vec![]),
            SplitPhase::Spanning => Phase::reduce("widest necks"),
            // Much to hold: a worker of a pool does it, not the coordinator.
            SplitPhase::Objects => Phase::serial_reduce("joining basins"),
            SplitPhase::BlockObjects => Phase::reduce("objects of slabs"),
            SplitPhase::Shuffle(phase) => phase.declare(),
            SplitPhase::Numbering => Phase::blocks("numbering", vec![field(2, 0)], vec![3]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(3)
    }

    fn visits(&self, phase: SplitPhase, state: &SplitState, out: Region) -> bool {
        phase != SplitPhase::Flooding || state.changed.concerns(out)
    }

    fn run(
        &self,
        phase: SplitPhase,
        state: &SplitState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let part = block.out.start[0];
        let rows = match phase {
            SplitPhase::SlabMaxima => Some(Self::of_slab(state, part, context)),
            SplitPhase::MaximaLabels => Some(Self::marks(state, part, context)),
            SplitPhase::Spanning => Some(Self::saddles_of_slab(state, part, context)),
            SplitPhase::Objects => Some(self.objects(state, context)),
            SplitPhase::BlockObjects => Some(Self::objects_of_slab(state, part, context)),
            SplitPhase::Shuffle(phase) => {
                let found = |block, context: &dyn TileContext| found_in(block, &state.objects, context);
                Some(shuffle().run(phase, part, &state.objects, found, context))
            }
            _ => None,
        };
        if let Some(rows) = rows {
            return Ok((vec![], rows?));
        }
        let (shape, part) = (block.out.shape, job.part());
        let input = inputs[0].as_deref().expect("every phase of blocks reads something that is there");
        let volume = |v| Volume::U32(Array3::from_shape_vec(shape, v).expect("the shape of the block"));
        if phase == SplitPhase::WithinSlices {
            let mut squared = vec![0; input.len()];
            self.within(input.as_bytes(), &mut squared, shape, &part)?;
            return Ok((vec![volume(squared)], vec![]));
        }
        let Volume::U32(first) = input else { unreachable!("the fields read first are u32") };
        let first = first.as_slice().expect("volumes are in C order");
        let inside = |squared: &[u32]| squared.iter().map(|s| u8::from(*s != 0)).collect::<Vec<u8>>();
        match phase {
            SplitPhase::AcrossSlices => {
                let mut squared = first.to_vec();
                self.across(&mut squared, shape, &part)?;
                Ok((vec![volume(squared)], vec![]))
            }
            SplitPhase::Maxima => Ok((vec![], encode(&self.maxima(first, block.out, block.sources[0])))),
            SplitPhase::Markers => {
                let markers = self.markers(state, block.out, context)?;
                Ok((Relax::begin(&|i: usize| depth(first[i]), &markers, Some(&inside(first)), shape), vec![]))
            }
            SplitPhase::Flooding => {
                let markers = self.markers(state, block.out, context)?;
                let levels = |i: usize| depth(first[i]);
                let mask = inside(first);
                self.relax().step(&levels, &markers, Some(&mask), block, &inputs[1..3], job)
            }
            SplitPhase::Saddles => {
                let Some(Volume::U32(labels)) = inputs[1].as_deref() else { unreachable!("field 2 is u32") };
                let slice = labels.as_slice().expect("volumes are in C order");
                let saddles = self.saddles(first, slice, block.out, block.sources[0]);
                let [z, y, x] = block.inner().ranges();
                let own = labels.slice(ndarray::s![z, y, x]).to_owned();
                let own = own.as_slice().expect("just made");
                let firsts = relabel::first_voxels(own, block.out, self.shape).into_iter();
                let mut firsts: Firsts = firsts.map(|(label, at)| (label, at + 1)).collect();
                firsts.sort_unstable();
                Ok((vec![], indexed_blob::join(&[encode(&in_order(saddles)), encode(&firsts)])))
            }
            _ => {
                let number = state.objects.block(block.out);
                let found = found_in(number, &state.objects, context)?;
                let of_objects = shuffle().numbers(&found, number, &state.objects, context)?;
                let basins = basins_of(number, context)?.into_iter().map(|basin| basin.0);
                let objects = objects_of(number, &state.objects, context)?;
                let numbers = basins.zip(objects.iter().map(|object| of_objects[object])).collect();
                let mut labels = first.to_vec();
                relabel::map(&mut labels, &numbers);
                Ok((vec![volume(labels)], vec![]))
            }
        }
    }

    fn parts(&self, phase: SplitPhase, state: &SplitState) -> usize {
        match phase {
            SplitPhase::Objects => 1,
            SplitPhase::Shuffle(phase) => shuffle().parts(phase, &state.objects),
            _ => state.maxima.count(),
        }
    }

    fn merge(&self, phase: SplitPhase, state: &mut SplitState, partials: Partials) -> Result<Next> {
        match phase {
            SplitPhase::Maxima => {
                state.maxima = Slabs::new(self.shape, partials.cut());
                state.objects = Slabs::new(self.shape, partials.cut());
            }
            SplitPhase::SlabMaxima => {
                let counts = partials.map(|found| decode(&indexed_blob::of(&found?.1, 0)?));
                state.maxima.begin_with(counts)?;
            }
            SplitPhase::Flooding => return Relax::merge(&mut state.changed, partials),
            SplitPhase::Shuffle(phase) => return shuffle().merge(phase, &mut state.objects, partials),
            _ => {}
        }
        Ok(Next::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::algorithms::components::tests::{Random, hold_blocked, mask, spaced};

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
