//! Touching objects parted by the distance from their surface.

use super::components::{Connectivity, Forest};
use super::distance::{Metric, lines};
use super::kernel::{Partials, chained, decode, encode, rows};
use super::relabel::{self, Numbers};
use super::spec::{Default, Group, Input, Kind, Param, ParamType, Produces, Spec};
use super::watershed::{Changed, Flood, Relax};
use super::{
    Around, Block, Call, FieldSpec, Fold, Kernel, Mode, Next, Operator, Output, Phase, Prepared, Program,
    Source, Tiling,
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
        Ok(Prepared::new(grid.labels(), kernel).scratch(9.0))
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

/// A maximum: linear index and the bits of its squared distance. Label `i + 1` floods from maximum `i`.
type Peak = (u64, u32);

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

    /// Calls `f` with each voxel of the block and its neighbours `(own, other)` as indices into the
    /// source, in C order; `preceding` for half of them.
    fn pairs(
        &self,
        block: Region,
        source: Region,
        steps: &[[isize; 3]],
        z: usize,
        mut f: impl FnMut(usize, &mut dyn Iterator<Item = usize>),
    ) {
        let inner = block.relative_to(source.start);
        let [sz, sy, sx] = source.shape;
        for y in 0..block.shape[1] {
            for x in 0..block.shape[2] {
                let p = [z + inner.start[0], y + inner.start[1], x + inner.start[2]];
                let mut around = steps.iter().filter_map(|s| {
                    let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
                    (q[0] < sz && q[1] < sy && q[2] < sx).then(|| (q[0] * sy + q[1]) * sx + q[2])
                });
                f((p[0] * sy + p[1]) * sx + p[2], &mut around);
            }
        }
    }

    /// Voxels that no neighbour exceeds; of equal ones the last counts as the greatest.
    fn peaks(&self, squared: &[u32], block: Region, source: Region) -> Vec<Peak> {
        let steps = self.connectivity.neighbours();
        let inner = block.relative_to(source.start);
        let [_, sy, sx] = source.shape;
        let slices: Vec<Vec<Peak>> = (0..block.shape[0])
            .into_par_iter()
            .map(|z| {
                let mut peaks = Vec::new();
                self.pairs(block, source, &steps, z, |at, mut around| {
                    let own = squared[at];
                    if own != 0 && Iterator::all(&mut around, |q| (squared[q], q) < (own, at)) {
                        let p = [at / (sy * sx), at / sx % sy, at % sx];
                        let [gz, gy, gx]: [usize; 3] =
                            std::array::from_fn(|a| p[a] - inner.start[a] + block.start[a]);
                        peaks.push((((gz * self.shape[1] + gy) * self.shape[2] + gx) as u64, own));
                    }
                });
                peaks
            })
            .collect();
        slices.concat()
    }

    /// The widest necks between the basins of a block and their neighbours.
    fn necks(&self, squared: &[u32], labels: &[u32], block: Region, source: Region) -> Necks {
        let steps = self.connectivity.preceding();
        (0..block.shape[0])
            .into_par_iter()
            .fold(Necks::new, |mut necks, z| {
                self.pairs(block, source, &steps, z, |at, around| {
                    let own = labels[at];
                    if own == 0 {
                        return;
                    }
                    for q in around {
                        let other = labels[q];
                        if other != own && other != 0 {
                            widen(&mut necks, (own.min(other), own.max(other)), squared[at].min(squared[q]));
                        }
                    }
                });
                necks
            })
            .reduce(Necks::new, |a, b| {
                let (mut all, other) = if a.len() < b.len() { (b, a) } else { (a, b) };
                other.into_iter().for_each(|(pair, neck)| widen(&mut all, pair, neck));
                all
            })
    }

    /// Which basins are one object: for each label, the label that stands for its object.
    fn join(&self, peaks: &[Peak], necks: &Necks) -> Vec<u32> {
        let counts = self.accepted(peaks);
        let rank = |b: u32| (counts[b as usize], peaks[b as usize].1, Reverse(peaks[b as usize].0));
        let mut order: Vec<(Reverse<u32>, u32, u32)> =
            necks.iter().map(|((a, b), neck)| (Reverse(*neck), *a - 1, *b - 1)).collect();
        order.sort_unstable();
        let n = peaks.len() as u32;
        let (mut regions, mut objects): (Vec<u32>, Vec<u32>) = ((0..n).collect(), (0..n).collect());
        // The greatest maximum of each region, by the region's root.
        let mut top: Vec<u32> = (0..n).collect();
        for (Reverse(neck), a, b) in order {
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
        let mut cells: HashMap<[i64; 3], Vec<[f64; 3]>> = HashMap::new();
        for i in order {
            let p = place(peaks[i].0);
            let cell = p.map(|c| (c / self.min_distance) as i64);
            let near = (0..27).any(|k| {
                let other = [cell[0] + k / 9 - 1, cell[1] + k / 3 % 3 - 1, cell[2] + k % 3 - 1];
                cells.get(&other).is_some_and(|points| {
                    points.iter().any(|q| {
                        (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>() < self.min_distance.powi(2)
                    })
                })
            });
            if near {
                counts[i] = false;
            } else {
                cells.entry(cell).or_default().push(p);
            }
        }
        counts
    }

    /// Final numbers of the labels, from where each label is first seen.
    fn numbers(objects: &[u32], firsts: &HashMap<u32, u64>) -> HashMap<u32, u32> {
        let mut of_object: HashMap<u32, u64> = HashMap::new();
        for (label, at) in firsts {
            let object = objects[*label as usize - 1];
            of_object.entry(object).and_modify(|f| *f = (*f).min(*at)).or_insert(*at);
        }
        let numbers = relabel::in_order(&of_object);
        firsts.keys().map(|label| (*label, numbers[&objects[*label as usize - 1]])).collect()
    }
}

/// Where basins meet, and where each has its first voxel.
#[derive(std::default::Default)]
struct Parted {
    necks: Necks,
    firsts: HashMap<u32, u64>,
}

impl Parted {
    fn encode(self) -> Vec<u8> {
        let (mut necks, mut firsts) = (Vec::from_iter(self.necks), Vec::from_iter(self.firsts));
        necks.sort_unstable();
        firsts.sort_unstable();
        encode(&(necks, firsts))
    }

    /// Adds what was encoded of another part of the image.
    fn add(&mut self, other: &[u8]) -> Result<()> {
        let (necks, firsts): (Vec<((u32, u32), u32)>, Vec<(u32, u64)>) = decode(other)?;
        necks.into_iter().for_each(|(pair, neck)| widen(&mut self.necks, pair, neck));
        for (label, at) in firsts {
            self.firsts.entry(label).and_modify(|f| *f = at.min(*f)).or_insert(at);
        }
        Ok(())
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
        let whole = Region::whole(self.shape);
        let peaks = self.peaks(&squared, whole, whole);
        let mut labels = Array3::<u32>::zeros(self.shape);
        let slice = labels.as_slice_mut().expect("just made");
        for (number, (at, _)) in (1..).zip(&peaks) {
            slice[*at as usize] = number;
        }
        job.check()?;
        let mut flood = Flood::new(slice, Some(mask.as_bytes()), self.shape, self.connectivity)?;
        flood.run(&|i: usize| depth(squared[i]), &part)?;
        drop(flood);
        let necks = self.necks(&squared, slice, whole, whole);
        drop(squared);
        let objects = self.join(&peaks, &necks);
        job.check()?;
        let firsts = relabel::first_voxels(slice, whole, self.shape);
        let numbers = Self::numbers(&objects, &firsts);
        relabel::map_all(slice, &numbers, job)?;
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
    fn markers(&self, peaks: &[Peak], block: Region) -> Vec<u32> {
        let mut markers = vec![0; block.len()];
        // Peaks are in the order of the image: those of a slice's lines lie side by side.
        let ([_, ny, nx], [z0, y0, x0], [z1, y1, x1]) = (self.shape, block.start, block.end());
        for z in z0..z1 {
            let from = peaks.partition_point(|p| (p.0 as usize) < (z * ny + y0) * nx);
            let of_lines = peaks[from..].iter().take_while(|p| (p.0 as usize) < (z * ny + y1) * nx);
            for (number, (at, _)) in (from..).zip(of_lines) {
                let (y, x) = (*at as usize / nx % ny, *at as usize % nx);
                if (x0..x1).contains(&x) {
                    markers[((z - z0) * block.shape[1] + y - y0) * block.shape[2] + x - x0] =
                        number as u32 + 1;
                }
            }
        }
        markers
    }
}

/// What is known between phases.
#[derive(std::default::Default, Serialize, Deserialize)]
struct Known {
    /// In the order of the image, until the objects have numbers.
    peaks: Vec<Peak>,
    changed: Changed,
    numbers: Numbers,
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
        vec![
            phase("distances within slices", slices, vec![Source::Input(0, [0; 3])], vec![0]),
            phase("distances across slices", lines, vec![field(0, 0)], vec![0]),
            phase("maxima", Tiling::Blocks, vec![field(0, 1)], vec![]),
            phase("markers", Tiling::Blocks, vec![field(0, 0)], vec![1, 2]),
            phase("flooding", Tiling::Blocks, vec![field(0, 0), field(1, 1), field(2, 1)], vec![1, 2]),
            phase("necks", Tiling::Blocks, vec![field(0, 1), field(2, 1)], vec![]),
            phase("numbering", Tiling::Blocks, vec![field(2, 0)], vec![3]),
        ]
    }

    fn result(&self) -> Option<usize> {
        Some(3)
    }

    fn run(
        &self,
        phase: usize,
        state: &Known,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn Around,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let (shape, part) = (block.out.shape, job.part());
        let input = inputs[0].as_deref().expect("every phase reads something that is there");
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
            2 => Ok((vec![], encode(&self.peaks(first, block.out, block.sources[0])))),
            3 => {
                let markers = self.markers(&state.peaks, block.out);
                Ok((Relax::begin(&|i: usize| depth(first[i]), &markers, Some(&inside(first)), shape), vec![]))
            }
            4 => {
                let markers = self.markers(&state.peaks, block.out);
                let levels = |i: usize| depth(first[i]);
                let mask = inside(first);
                self.relax().step(&levels, &markers, Some(&mask), &state.changed, block, &inputs[1..3], job)
            }
            5 => {
                let Some(Volume::U32(labels)) = inputs[1].as_deref() else { unreachable!("field 2 is u32") };
                let slice = labels.as_slice().expect("volumes are in C order");
                let necks = self.necks(first, slice, block.out, block.sources[0]);
                let [z, y, x] = block.inner().ranges();
                let own = labels.slice(ndarray::s![z, y, x]).to_owned();
                let own = own.as_slice().expect("just made");
                let firsts = relabel::first_voxels(own, block.out, self.shape);
                Ok((vec![], Parted { necks, firsts }.encode()))
            }
            _ => {
                let mut labels = first.to_vec();
                relabel::map(&mut labels, &state.numbers);
                Ok((vec![volume(labels)], vec![]))
            }
        }
    }

    fn fold(&self, phase: usize) -> Option<Fold> {
        match phase {
            2 => Some(chained::<Peak>),
            5 => Some(|parts| {
                let mut parted = Parted::default();
                for part in parts {
                    parted.add(&part?)?;
                }
                Ok(parted.encode())
            }),
            _ => None,
        }
    }

    fn merge(&self, phase: usize, state: &mut Known, partials: Partials) -> Result<Next> {
        match phase {
            2 => {
                state.peaks = rows(partials)?;
                state.peaks.sort_unstable();
            }
            4 => return Relax::merge(&mut state.changed, partials),
            5 => {
                let mut parted = Parted::default();
                for partial in partials {
                    parted.add(&partial?.1)?;
                }
                let peaks = std::mem::take(&mut state.peaks);
                state.numbers = Self::numbers(&self.join(&peaks, &parted.necks), &parted.firsts);
            }
            _ => {}
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
