//! Local maxima.

use super::{Operator, distance_suppression};
use crate::algorithms::components::equivalences::EquivalencePhase;
use crate::algorithms::components::equivalences::LabelEquivalences;
use crate::algorithms::components::slabs::Slabs;
use crate::algorithms::components::{Components, Connectivity, MaskSide, blocked};
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode, indexed_blob,
};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Local maxima.
pub struct LocalMaxima;

static SPEC: Spec = Spec {
    id: "local-maxima",
    group: Group::Objects,
    summary: "Numbers the regional maxima of an image: pieces of one intensity with nothing brighter around.",
    details: "A maximum is a connected piece of equal intensity none of whose neighbours is brighter \
        (scikit-image's local_maxima with the border allowed); a constant image is one. With min_distance, \
        maxima are taken from the brightest on (equal ones by their first voxel), and those whose first \
        voxel is nearer than that to the first voxel of one taken before are left out. NaN is never a \
        maximum, and its neighbours are compared with the rest. Numbered by first voxels. Exact block by \
        block.",
    inputs: &[Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." }],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "above",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("-inf"),
            help: "Only maxima brighter than this.",
        },
        Param {
            name: "min_distance",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("0"),
            help: "Least distance between two maxima.",
        },
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("26"),
            help: "Which voxels are neighbours: over faces (6), edges too (18), or corners too (26).",
        },
    ],
};

impl Operator for LocalMaxima {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let kernel = MaximaKernel {
            shape: grid.shape,
            connectivity: Connectivity::of(call.args, "connectivity"),
            above: call.args.float("above"),
            min_distance: call.voxels("min_distance")?,
        };
        Ok(Prepared::new(grid.labels(), kernel).scratch(2.5))
    }
}

struct MaximaKernel {
    shape: [usize; 3],
    connectivity: Connectivity,
    above: f64,
    min_distance: [f64; 3],
}

/// No neighbour is brighter.
const CANDIDATE: u8 = 1;
/// A candidate with a neighbour of the same intensity that is none: its piece is no maximum.
const REJECTED: u8 = 2;

/// A piece of candidates: its intensity, and whether it is no maximum.
type Plateau = (f64, bool);

/// A maximum: the name of its first voxel, and its intensity.
type Maximum = (u64, f64);

impl MaximaKernel {
    /// Marks the candidates of `out`; `voxels` covers `source`, which is `out` grown by two voxels.
    fn candidates<T: Voxel>(&self, voxels: &Array3<T>, source: Region, out: Region) -> Vec<u8> {
        let voxels = voxels.as_slice().expect("volumes are in C order");
        let steps = self.connectivity.neighbours();
        // One voxel around the block is judged too, for its neighbours within.
        let wide = out.grown([1; 3], self.shape);
        let judged = self.sweep(wide, |p| {
            let own = voxels[index(p, source)];
            let above = own.to_f64() > self.above || self.above == f64::NEG_INFINITY && !own.is_nan();
            let mut brighter = around(p, &steps, self.shape).map(|q| voxels[index(q, source)] > own);
            u8::from(above && !own.is_nan() && !brighter.any(|b| b))
        });
        self.sweep(out, |p| {
            if judged[index(p, wide)] == 0 {
                return 0;
            }
            let own = voxels[index(p, source)];
            let rejected = around(p, &steps, self.shape)
                .any(|q| voxels[index(q, source)] == own && judged[index(q, wide)] == 0);
            if rejected { CANDIDATE | REJECTED } else { CANDIDATE }
        })
    }

    fn sweep(&self, region: Region, f: impl Fn([usize; 3]) -> u8 + Sync) -> Vec<u8> {
        let mut out = vec![0; region.len()];
        let plane = (region.shape[1] * region.shape[2]).max(1);
        out.par_chunks_mut(plane).enumerate().for_each(|(z, slice)| {
            for (i, v) in slice.iter_mut().enumerate() {
                let (y, x) = (i / region.shape[2], i % region.shape[2]);
                *v = f([z + region.start[0], y + region.start[1], x + region.start[2]]);
            }
        });
        out
    }

    /// Whether maxima are left out because they are near to others.
    fn keeps_apart(&self) -> bool {
        self.min_distance.iter().any(|d| *d > 0.0)
    }

    /// Which maxima are taken, the brightest first.
    fn taken(&self, maxima: &[Maximum]) -> Vec<bool> {
        let mut taken = vec![true; maxima.len()];
        if self.keeps_apart() {
            let scale = self.min_distance.map(|d| 1.0 / d.max(1e-9));
            let place = |name: u64| {
                let (i, [_, ny, nx]) = (name as usize - 1, self.shape);
                let p = [i / (ny * nx), i / nx % ny, i % nx];
                std::array::from_fn::<f64, 3, _>(|a| p[a] as f64 * scale[a])
            };
            let mut order: Vec<usize> = (0..maxima.len()).collect();
            order.sort_by(|&a, &b| maxima[b].1.total_cmp(&maxima[a].1).then(maxima[a].0.cmp(&maxima[b].0)));
            let found = distance_suppression::accepted(order.iter().map(|i| place(maxima[*i].0)), 1.0);
            order.into_iter().zip(found).for_each(|(i, found)| taken[i] = found);
        }
        taken
    }

    /// Components that are no maxima: their names, by the slabs that these lie in.
    fn rejected(&self, of: &LabelEquivalences, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let mut rejected = Vec::new();
        let blocks = of.slabs.blocks(slab);
        for (block, components) in blocks.zip(of.components(slab, context)?) {
            let (_, pieces) = found_in(block, context)?;
            rejected.extend(
                components.into_iter().zip(pieces).filter(|(_, piece)| piece.1).map(|(root, _)| root),
            );
        }
        rejected.sort_unstable();
        rejected.dedup();
        let mut by_slab = vec![Vec::new(); of.slabs.count()];
        rejected.into_iter().for_each(|root| by_slab[of.slabs.slab_of(root)].push(root));
        Ok(indexed_blob::join(&by_slab.iter().map(encode).collect::<Vec<_>>()))
    }

    /// The maxima that begin in a slab: their number, and they.
    fn maxima(&self, of: &LabelEquivalences, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let mut rejected: HashSet<u64> = HashSet::new();
        for later in slab..of.slabs.count() {
            rejected.extend(decode::<Vec<u64>>(&indexed_blob::read(
                context,
                number_of(MaximaPhase::Rejected),
                later,
                slab,
            )?)?);
        }
        let roots = of.begin_in(slab, context)?;
        let mut maxima: Vec<Maximum> = Vec::new();
        for block in of.slabs.blocks(slab) {
            let (names, pieces) = found_in(block, context)?;
            let begin = names.into_iter().zip(pieces).map(|(name, piece)| (name, piece.0));
            maxima.extend(begin.filter(|m| roots.binary_search(&m.0).is_ok() && !rejected.contains(&m.0)));
        }
        maxima.sort_unstable_by_key(|maximum| maximum.0);
        Ok(indexed_blob::join(&[encode(&(maxima.len() as u64)), encode(&maxima)]))
    }

    /// The maxima that keep their distance, by the slabs that they begin in, and how many these are in each. This is done
    /// by one, with all maxima.
    fn far_apart(&self, of: &LabelEquivalences, context: &dyn TileContext) -> Result<Vec<u8>> {
        let mut maxima: Vec<Maximum> = Vec::new();
        for slab in 0..of.slabs.count() {
            maxima.append(&mut decode(&indexed_blob::read(
                context,
                number_of(MaximaPhase::Maxima),
                slab,
                1,
            )?)?);
        }
        let mut by_slab: Vec<Vec<u64>> = vec![Vec::new(); of.slabs.count()];
        for ((name, _), taken) in maxima.iter().zip(self.taken(&maxima)) {
            if taken {
                by_slab[of.slabs.slab_of(*name)].push(*name);
            }
        }
        let counts: Vec<u64> = by_slab.iter().map(|names| names.len() as u64).collect();
        let mut found: Vec<Vec<u8>> = by_slab.iter().map(encode).collect();
        found.push(encode(&counts));
        Ok(indexed_blob::join(&found))
    }

    /// Numbers for the names of a slab.
    fn numbers(&self, state: &MaximaState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let taken = |slab| -> Result<Vec<u64>> {
            if self.keeps_apart() {
                return decode(&indexed_blob::read(context, number_of(MaximaPhase::Distances), 0, slab)?);
            }
            let maxima: Vec<Maximum> =
                decode(&indexed_blob::read(context, number_of(MaximaPhase::Maxima), slab, 1)?)?;
            Ok(maxima.into_iter().map(|maximum| maximum.0).collect())
        };
        state.equivalences.numbers(slab, context, taken, |taken, root| match taken.binary_search(&root) {
            Ok(_) => state.maxima.number(taken, root),
            Err(_) => Ok(0),
        })
    }
}

/// The pieces that a block has found, with their names.
fn found_in(block: usize, context: &dyn TileContext) -> Result<(Vec<u64>, Vec<Plateau>)> {
    decode(&context.partial(EquivalencePhase::Components as usize, 0, block)?)
}

#[inline(always)]
fn index(p: [usize; 3], region: Region) -> usize {
    ((p[0] - region.start[0]) * region.shape[1] + p[1] - region.start[1]) * region.shape[2] + p[2]
        - region.start[2]
}

/// The neighbours of a voxel within an image.
#[inline(always)]
fn around(p: [usize; 3], steps: &[[isize; 3]], shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    steps
        .iter()
        .map(move |s| std::array::from_fn(|a| p[a].wrapping_add_signed(s[a])))
        .filter(move |q: &[usize; 3]| q[0] < shape[0] && q[1] < shape[1] && q[2] < shape[2])
}

impl Kernel for MaximaKernel {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].as_deref().expect("the first input is required");
        let whole = Region::whole(self.shape);
        let marks = with_volume!(input, |a| self.candidates(a, whole, whole));
        job.check()?;
        let part = job.part();
        let c = Components::of_mask(&marks, self.shape, self.connectivity, MaskSide::Inside, &part)?;
        let mut rejected = vec![false; c.count() as usize];
        let [_, ny, nx] = self.shape;
        c.for_each_run(|id, z, y, x| {
            let row = (z * ny + y) * nx;
            if marks[row + x.start..row + x.end].iter().any(|m| m & REJECTED != 0) {
                rejected[id as usize - 1] = true;
            }
        });
        let value = |i: u64| {
            let i = i as usize;
            input.get([i / (ny * nx), i / nx % ny, i % nx]).expect("a voxel of the image")
        };
        let maxima: Vec<Maximum> = (c.first_voxels().into_iter().zip(&rejected))
            .filter(|(_, rejected)| !**rejected)
            .map(|(i, _)| (i + 1, value(i)))
            .collect();
        let mut taken = self.taken(&maxima).into_iter();
        let mut count = 0;
        let numbers: Vec<u32> = rejected
            .iter()
            .map(|rejected| {
                let taken = !rejected && taken.next().expect("each maximum is taken or not");
                count += u32::from(taken);
                if taken { count } else { 0 }
            })
            .collect();
        let mut labels = Array3::zeros(self.shape);
        let target = labels.as_slice_mut().expect("just made");
        c.paint(target, job, |id| Some(numbers[id as usize - 1]))?;
        Ok(Output::Volume(Volume::U32(labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Phases of [`LocalMaxima`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MaximaPhase {
    /// Plateaus of candidates are united.
    Equivalences(EquivalencePhase),
    /// Slabs find which components are no maxima.
    Rejected,
    /// Slabs find the maxima that begin in them.
    Maxima,
    /// Maxima near to brighter ones are left out, if that is asked for.
    Distances,
    /// Provisional labels get their numbers.
    Numbers,
    /// The result.
    Numbering,
}

static PHASES: [MaximaPhase; 10] = [
    MaximaPhase::Equivalences(EquivalencePhase::Components),
    MaximaPhase::Equivalences(EquivalencePhase::Touching),
    MaximaPhase::Equivalences(EquivalencePhase::WithinSlabs),
    MaximaPhase::Equivalences(EquivalencePhase::AcrossSlabs),
    MaximaPhase::Equivalences(EquivalencePhase::Roots),
    MaximaPhase::Rejected,
    MaximaPhase::Maxima,
    MaximaPhase::Distances,
    MaximaPhase::Numbers,
    MaximaPhase::Numbering,
];

/// The number of a phase, for what looks back at it.
fn number_of(phase: MaximaPhase) -> usize {
    PHASES.iter().position(|other| *other == phase).expect("all are there")
}

/// What is known between phases.
#[derive(std::default::Default, Serialize, Deserialize)]
struct MaximaState {
    equivalences: LabelEquivalences,
    maxima: Slabs,
}

/// Field 0: names of pieces within blocks; field 1: the result.
impl Program for MaximaKernel {
    type Phase = MaximaPhase;
    type State = MaximaState;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U64 }, FieldSpec { voxel: VoxelType::U32 }]
    }

    fn phases(&self) -> Vec<MaximaPhase> {
        PHASES.to_vec()
    }

    fn declare(&self, phase: MaximaPhase) -> Phase {
        match phase {
            MaximaPhase::Equivalences(EquivalencePhase::Components) => {
                Phase::blocks("candidates", vec![Source::Input(0, [2; 3])], vec![0])
            }
            MaximaPhase::Equivalences(phase) => phase.declare().unwrap_or_else(|| {
                Phase::blocks("pieces across blocks", vec![Source::Field(0, [1; 3])], vec![])
            }),
            MaximaPhase::Rejected => Phase::reduce("no maxima"),
            MaximaPhase::Maxima => Phase::reduce("maxima"),
            // Much to hold: a worker of a pool does it, not the coordinator.
            MaximaPhase::Distances => Phase::serial_reduce("distances"),
            MaximaPhase::Numbers => Phase::reduce("numbers"),
            MaximaPhase::Numbering => Phase::blocks("numbering", vec![Source::Field(0, [0; 3])], vec![1]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(1)
    }

    fn run(
        &self,
        phase: MaximaPhase,
        state: &MaximaState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let (part, of) = (block.out.start[0], &state.equivalences);
        let rows = match phase {
            MaximaPhase::Equivalences(EquivalencePhase::Components | EquivalencePhase::Touching)
            | MaximaPhase::Numbering => None,
            MaximaPhase::Rejected => Some(self.rejected(of, part, context)),
            MaximaPhase::Maxima => Some(self.maxima(of, part, context)),
            MaximaPhase::Distances => Some(self.far_apart(of, context)),
            MaximaPhase::Numbers => Some(self.numbers(state, part, context)),
            MaximaPhase::Equivalences(phase) => Some(of.run(phase, part, context)),
        };
        if let Some(rows) = rows {
            return Ok((vec![], rows?));
        }
        let input = inputs[0].as_deref().expect("every phase of blocks reads something that is there");
        let out = block.out;
        if phase == MaximaPhase::Equivalences(EquivalencePhase::Components) {
            let marks = with_volume!(input, |a| self.candidates(a, block.sources[0], out));
            let c = Components::of_mask(&marks, out.shape, self.connectivity, MaskSide::Inside, &job.part())?;
            let (field, names) = blocked::name(&c, out, self.shape, job)?;
            let mut found: Vec<Plateau> = names
                .iter()
                .map(|name| {
                    let (i, [_, ny, nx]) = (*name as usize - 1, self.shape);
                    let p = Region::new([i / (ny * nx), i / nx % ny, i % nx], [1; 3]);
                    let at = p.relative_to(block.sources[0].start).start;
                    (input.get(at).expect("a voxel of the block"), false)
                })
                .collect();
            let [_, ny, nx] = out.shape;
            c.for_each_run(|id, z, y, x| {
                let row = (z * ny + y) * nx;
                if marks[row + x.start..row + x.end].iter().any(|m| m & REJECTED != 0) {
                    found[id as usize - 1].1 = true;
                }
            });
            return Ok((vec![Volume::U64(field)], encode(&(names, found))));
        }
        let Volume::U64(names) = input else { unreachable!("field 0 is u64") };
        if phase == MaximaPhase::Equivalences(EquivalencePhase::Touching) {
            let pairs = blocked::touching(names, block.sources[0], out, self.connectivity, |_, _| true);
            return Ok((vec![], encode(&pairs)));
        }
        Ok((vec![Volume::U32(of.relabel(number_of(MaximaPhase::Numbers), out, names, context)?)], vec![]))
    }

    fn parts(&self, phase: MaximaPhase, state: &MaximaState) -> usize {
        match phase {
            MaximaPhase::Distances => usize::from(self.keeps_apart()),
            MaximaPhase::Equivalences(phase) => state.equivalences.parts(phase),
            _ => state.equivalences.slabs.count(),
        }
    }

    fn merge(&self, phase: MaximaPhase, state: &mut MaximaState, mut partials: Partials) -> Result<Next> {
        match phase {
            MaximaPhase::Equivalences(phase) => {
                if phase == EquivalencePhase::Components {
                    state.equivalences = LabelEquivalences::new(self.shape, partials.cut());
                    state.maxima = Slabs::new(self.shape, partials.cut());
                }
                return state.equivalences.merge(phase, partials);
            }
            MaximaPhase::Maxima if !self.keeps_apart() => {
                state.maxima.begin_with(partials.map(|found| decode(&indexed_blob::of(&found?.1, 0)?)))?;
            }
            MaximaPhase::Distances => {
                if let Some(found) = partials.next() {
                    let counts: Vec<u64> =
                        decode(&indexed_blob::of(&found?.1, state.equivalences.slabs.count())?)?;
                    state.maxima.begin_with(counts.into_iter().map(Ok))?;
                }
            }
            _ => {}
        }
        Ok(Next::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::{Random, flood, grey, hold_blocked};

    #[test]
    fn plateaus_agree_with_the_definition() {
        let mut random = Random(61);
        for i in 0..50 {
            let shape = random.shape(8);
            let n: usize = shape.iter().product();
            let v: Vec<u8> = (0..n).map(|_| 1 + random.below(3 + i) as u8).collect();
            let (name, c) =
                [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)]
                    [i % 3];
            let pieces = flood(&v.iter().map(|v| u32::from(*v)).collect::<Vec<_>>(), shape, c);
            let steps = c.neighbours();
            let mut bright = vec![true; n + 1];
            for at in 0..n {
                let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
                for q in around(p, &steps, shape) {
                    if v[index(q, Region::whole(shape))] > v[at] {
                        bright[pieces[at] as usize] = false;
                    }
                }
            }
            let kept: Vec<u32> = pieces.iter().map(|p| if bright[*p as usize] { *p } else { 0 }).collect();
            let seen = hold_blocked(
                "local-maxima",
                &[("connectivity", name)],
                &[Some(grey(shape, v.clone()))],
                &mut random,
            );
            assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), flood(&kept, shape, c));
            let f: Vec<f32> = v.iter().map(|v| if *v == 2 { f32::NAN } else { f32::from(*v) }).collect();
            let args = [("min_distance", "2.5"), ("above", "1"), ("connectivity", name)];
            hold_blocked("local-maxima", &args, &[Some(grey(shape, f))], &mut random);
        }
    }

    #[test]
    fn the_brighter_of_two_near_maxima_is_taken() {
        let image = grey([1, 1, 9], vec![0.0f32, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 1.0, f32::NAN]);
        let seen = hold_blocked("local-maxima", &[("min_distance", "3")], &[Some(image)], &mut Random(62));
        assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), [0, 0, 0, 1, 0, 0, 0, 2, 0]);
    }
}
