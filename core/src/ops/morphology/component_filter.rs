//! Operators that change whole components: fill holes, remove small ones, keep the largest, clear
//! those at the border. Each looks at the components' sizes and the faces that they touch, chooses
//! some, and paints those.

use crate::algorithms::components::equivalences::EquivalencePhase;
use crate::algorithms::components::equivalences::LabelEquivalences;
use crate::algorithms::components::slabs::Slabs;
use crate::algorithms::components::{Components, Connectivity, MaskSide, Rows, blocked, label_shuffle};
use crate::program::{
    Block, Call, FieldSpec, Kernel, Kind, Mode, Next, Output, Partials, Phase, Prepared, Program, Source,
    TileContext, decode, encode, indexed_blob,
};
use crate::{Error, Job, Result, Volume, VoxelType};
use ndarray::Array3;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which components are painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Those that touch no face of the image and have at most so many voxels.
    Enclosed(u64),
    /// Those with fewer voxels.
    Below(u64),
    /// All but so many, the largest; of equal ones, those that begin first are kept.
    AllButLargest(usize),
    /// Those that touch one of these faces.
    Touching(u8),
}

/// What is known of a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Voxels.
    pub size: u64,
    /// Faces of the image that it touches, one bit each: low z, high z, low y, high y, low x, high x.
    /// An axis of one voxel has no faces, so that a plane is treated as a plane.
    pub faces: u8,
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.size += other.size;
        self.faces |= other.faces;
    }
}

impl Rule {
    /// Whether each component, in the order of their first voxels, is painted.
    fn choose(self, components: &[Summary]) -> Vec<bool> {
        match self {
            Self::Enclosed(most) => components.iter().map(|c| c.faces == 0 && c.size <= most).collect(),
            Self::Below(least) => components.iter().map(|c| c.size < least).collect(),
            Self::Touching(faces) => components.iter().map(|c| c.faces & faces != 0).collect(),
            Self::AllButLargest(keep) => {
                let mut order: Vec<usize> = (0..components.len()).collect();
                order.sort_by_key(|&i| (std::cmp::Reverse(components[i].size), i));
                let mut chosen = vec![true; components.len()];
                order.iter().take(keep).for_each(|&i| chosen[i] = false);
                chosen
            }
        }
    }
}

/// Faces of an image of `shape` that the run `x` of row `(z, y)` touches.
#[inline]
fn faces(shape: [usize; 3], z: usize, y: usize, x: &std::ops::Range<usize>) -> u8 {
    let [nz, ny, nx] = shape;
    let axis = |n: usize, low: bool, high: bool| if n > 1 { u8::from(low) | u8::from(high) << 1 } else { 0 };
    axis(nz, z == 0, z + 1 == nz)
        | axis(ny, y == 0, y + 1 == ny) << 2
        | axis(nx, x.start == 0, x.end == nx) << 4
}

/// Summaries of the components of the part of an image at `start`.
fn summaries<R: Rows>(components: &Components<R>, start: [usize; 3], shape: [usize; 3]) -> Vec<Summary> {
    let mut all = vec![Summary::default(); components.count() as usize];
    components.for_each_run(|id, z, y, x| {
        let x = x.start + start[2]..x.end + start[2];
        let faces = faces(shape, z + start[0], y + start[1], &x);
        all[id as usize - 1].add(Summary { size: x.len() as u64, faces });
    });
    all
}

/// What is known of a label: its first voxel, and a summary.
type LabelFound = (u64, Summary);

fn add_found(found: &mut LabelFound, other: LabelFound) {
    found.0 = found.0.min(other.0);
    found.1.add(other.1);
}

/// Summaries of the labels of the part of an image at `start`, with the first voxel of each.
fn label_summaries(labels: &Array3<u32>, start: [usize; 3], shape: [usize; 3]) -> Vec<(u32, LabelFound)> {
    let mut all: BTreeMap<u32, LabelFound> = BTreeMap::new();
    let [_, ny, nx] = <[usize; 3]>::from(labels.dim());
    let source = labels.as_slice().expect("volumes are in C order");
    for (row, line) in source.chunks_exact(nx.max(1)).enumerate() {
        let (z, y) = (row / ny + start[0], row % ny + start[1]);
        let mut x = 0;
        for run in line.chunk_by(|a, b| a == b) {
            let range = x + start[2]..x + run.len() + start[2];
            x += run.len();
            if run[0] != 0 {
                let first = ((z * shape[1] + y) * shape[2] + range.start) as u64;
                let summary = Summary { size: run.len() as u64, faces: faces(shape, z, y, &range) };
                all.entry(run[0]).or_insert((first, Summary::default())).1.add(summary);
            }
        }
    }
    all.into_iter().collect()
}

/// Labels that a rule chooses, ascending.
fn chosen_labels(rule: Rule, mut labels: Vec<(u32, LabelFound)>) -> Vec<u32> {
    labels.sort_unstable_by_key(|(_, (first, _))| *first);
    let summaries: Vec<Summary> = labels.iter().map(|(_, (_, summary))| *summary).collect();
    let chosen = rule.choose(&summaries);
    let mut names: Vec<u32> = labels.iter().zip(chosen).filter(|(_, c)| *c).map(|(l, _)| l.0).collect();
    names.sort_unstable();
    names
}

/// Sets the voxels of the labels `chosen` (ascending) to 0.
fn remove_labels(labels: &mut [u32], chosen: &[u32]) {
    let mut last = (0, false);
    for v in labels.iter_mut().filter(|v| **v != 0) {
        if *v != last.0 {
            last = (*v, chosen.binary_search(v).is_ok());
        }
        if last.1 {
            *v = 0;
        }
    }
}

/// Paints the components that a rule chooses.
pub struct ComponentFilter {
    /// Which are painted.
    pub rule: Rule,
    /// Of the mask or of what is around it. Labels have no other part than themselves.
    pub part: MaskSide,
    /// Of masks.
    pub connectivity: Connectivity,
    /// Whether the input has labels, each of which is a component, in one piece or not.
    pub labels: bool,
    /// Shape of the image.
    pub shape: [usize; 3],
}

impl ComponentFilter {
    /// The operator on its first input.
    pub fn prepare(call: &Call, rule: Rule, part: MaskSide, connectivity: Connectivity) -> Prepared {
        let grid = call.grid();
        let labels = grid.kind == Kind::Labels;
        Prepared::new(grid, Self { rule, part, connectivity, labels, shape: grid.shape }).scratch(1.0)
    }

    /// What is painted: holes become inside, the rest outside.
    fn paint(&self) -> u8 {
        u8::from(self.part == MaskSide::Outside)
    }

    fn components(&self, mask: &[u8], shape: [usize; 3], job: &Job) -> Result<Components> {
        Components::of_mask(mask, shape, self.connectivity, self.part, job)
    }
}

/// The volume itself where nobody else needs it, else a copy.
fn own(input: Option<Arc<Volume>>) -> Volume {
    Arc::unwrap_or_clone(input.expect("the first input is required"))
}

impl Kernel for ComponentFilter {
    fn whole(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs.swap_remove(0);
        let shared = input.as_deref().expect("the first input is required");
        if let Volume::U32(a) = shared {
            let chosen = chosen_labels(self.rule, label_summaries(a, [0; 3], self.shape));
            job.check()?;
            let mut volume = own(input);
            let labels = bytemuck::cast_slice_mut(volume.as_bytes_mut());
            remove_labels(labels, &chosen);
            job.advance(labels.len() as u64);
            return Ok(Output::Volume(volume));
        }
        let components = self.components(shared.as_bytes(), self.shape, job)?;
        let chosen = self.rule.choose(&summaries(&components, [0; 3], self.shape));
        let mut volume = own(input);
        components.paint(volume.as_bytes_mut(), job, |id| chosen[id as usize - 1].then_some(self.paint()))?;
        Ok(Output::Volume(volume))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// What is known between phases.
#[derive(Default, Serialize, Deserialize)]
pub struct FilterState {
    /// Blocks of labels.
    slabs: Slabs,
    /// Components of masks.
    equivalences: LabelEquivalences,
    /// Which slabs have something of components that begin in each slab before.
    later: Vec<Vec<usize>>,
    /// The first names of the largest ones, or their labels, where a rule keeps those; ascending.
    largest: Vec<u64>,
}

/// Phases of the filter: of labels those with `Label` in their names, of masks the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterPhase {
    /// Blocks find the sizes of labels.
    LabelSizes,
    /// Slabs gather what blocks have found.
    SlabLabels,
    /// Buckets choose: an indexed blob by slab of the labels, each with whether it is chosen; in one more part, the largest
    /// ones with their sizes and first voxels.
    ChosenLabels,
    /// Slabs find the labels of their blocks that are removed, ascending.
    RemovedLabels,
    /// The result, of labels.
    RemoveLabels,
    /// Components of blocks are united.
    Equivalences(EquivalencePhase),
    /// Sizes are summed up by the slab that components begin in, as far as one slab has them.
    Totals,
    /// The rule is asked, where components begin.
    Choice,
    /// Provisional labels are marked that are painted.
    Marks,
    /// The result, of masks.
    Paint,
}

static LABEL_PHASES: [FilterPhase; 5] = [
    FilterPhase::LabelSizes,
    FilterPhase::SlabLabels,
    FilterPhase::ChosenLabels,
    FilterPhase::RemovedLabels,
    FilterPhase::RemoveLabels,
];

static MASK_PHASES: [FilterPhase; 9] = [
    FilterPhase::Equivalences(EquivalencePhase::Components),
    FilterPhase::Equivalences(EquivalencePhase::Touching),
    FilterPhase::Equivalences(EquivalencePhase::WithinSlabs),
    FilterPhase::Equivalences(EquivalencePhase::AcrossSlabs),
    FilterPhase::Equivalences(EquivalencePhase::Roots),
    FilterPhase::Totals,
    FilterPhase::Choice,
    FilterPhase::Marks,
    FilterPhase::Paint,
];

/// The number of a phase, for what looks back at it.
fn number_of(phase: FilterPhase) -> usize {
    let place = |phases: &[FilterPhase]| phases.iter().position(|other| *other == phase);
    place(&LABEL_PHASES).or_else(|| place(&MASK_PHASES)).expect("all are there")
}

/// The size of a component, its first voxel, and its name or label.
type Large = (std::cmp::Reverse<u64>, u64, u64);

/// What a slab has of components: those that begin before it with their first names, and those that begin in it.
type Totals = (Vec<(u64, Summary)>, Vec<Summary>);
/// The first names of components that begin in a slab: those chosen, and the largest with their sizes.
type Choice = (Vec<u64>, Vec<(u64, u64)>);

impl ComponentFilter {
    fn totals(&self, of: &LabelEquivalences, slab: usize, context: &dyn TileContext) -> Result<Totals> {
        let roots = of.begin_in(slab, context)?;
        let (mut before, mut here) = (BTreeMap::new(), vec![Summary::default(); roots.len()]);
        let first = of.slabs.blocks(slab).start;
        for (block, components) in of.components(slab, context)?.into_iter().enumerate() {
            let (_, summaries): (Vec<u64>, Vec<Summary>) = decode(&context.partial(0, 0, first + block)?)?;
            for (root, summary) in components.into_iter().zip(summaries) {
                match roots.binary_search(&root) {
                    Ok(at) => here[at].add(summary),
                    Err(_) => before.entry(root).or_insert_with(Summary::default).add(summary),
                }
            }
        }
        Ok((before.into_iter().collect(), here))
    }

    fn choice(&self, state: &FilterState, slab: usize, context: &dyn TileContext) -> Result<Choice> {
        let roots = state.equivalences.begin_in(slab, context)?;
        let (_, mut totals): Totals = decode(&context.partial(number_of(FilterPhase::Totals), 0, slab)?)?;
        for &later in &state.later[slab] {
            let found = context.partial(number_of(FilterPhase::Totals), 0, later)?;
            let (before, _) =
                postcard::take_from_bytes::<Vec<(u64, Summary)>>(&found).map_err(|_| damaged())?;
            for (root, summary) in
                before.into_iter().filter(|(root, _)| state.equivalences.slabs.slab_of(*root) == slab)
            {
                let at = roots.binary_search(&root).map_err(|_| damaged())?;
                totals[at].add(summary);
            }
        }
        let chosen = self.rule.choose(&totals);
        if let Rule::AllButLargest(_) = self.rule {
            let kept = (0..roots.len()).filter(|&i| !chosen[i]);
            return Ok((Vec::new(), kept.map(|i| (roots[i], totals[i].size)).collect()));
        }
        Ok(((0..roots.len()).filter(|&i| chosen[i]).map(|i| roots[i]).collect(), Vec::new()))
    }

    /// Which names of a slab are painted.
    fn marks(&self, state: &FilterState, slab: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        let of = &state.equivalences;
        if let Rule::AllButLargest(_) = self.rule {
            let kept = |root| state.largest.binary_search(&root).is_ok();
            return of.numbers(slab, context, |_| Ok(()), |(), root| Ok(u32::from(!kept(root))));
        }
        let chosen = |slab| {
            decode::<Choice>(&context.partial(number_of(FilterPhase::Choice), 0, slab)?).map(|found| found.0)
        };
        of.numbers(slab, context, chosen, |chosen, root| Ok(u32::from(chosen.binary_search(&root).is_ok())))
    }
}

impl ComponentFilter {
    /// A part of a phase of rows of labels.
    fn of_labels(
        &self,
        phase: FilterPhase,
        part: usize,
        state: &FilterState,
        context: &dyn TileContext,
    ) -> Result<Vec<u8>> {
        let slabs = &state.slabs;
        match phase {
            FilterPhase::SlabLabels => {
                let found = |block| decode(&context.partial(0, 0, block)?);
                label_shuffle::gathered(slabs, part, found, add_found)
            }
            FilterPhase::ChosenLabels => {
                let mut largest: Vec<Large> = Vec::new();
                let rows = label_shuffle::spread(
                    slabs,
                    number_of(FilterPhase::SlabLabels),
                    part,
                    context,
                    add_found,
                    |label, found| {
                        if let Rule::AllButLargest(keep) = self.rule {
                            largest.push((std::cmp::Reverse(found.1.size), found.0, u64::from(label)));
                            if largest.len() > keep.saturating_mul(2).saturating_add(1024) {
                                keep_first(&mut largest, keep);
                            }
                            return true;
                        }
                        self.rule.choose(&[found.1])[0]
                    },
                )?;
                if let Rule::AllButLargest(keep) = self.rule {
                    keep_first(&mut largest, keep);
                }
                let rows = rows.iter().map(encode).chain([encode(&largest)]);
                Ok(indexed_blob::join(&rows.collect::<Vec<_>>()))
            }
            _ => {
                let rows: Vec<(u32, bool)> =
                    label_shuffle::of_slab(slabs, number_of(FilterPhase::ChosenLabels), part, context)?;
                let chosen = |label: u32| {
                    let at = rows.binary_search_by_key(&label, |row| row.0);
                    at.is_ok_and(|at| rows[at].1) && state.largest.binary_search(&u64::from(label)).is_err()
                };
                let of_block = |block| -> Result<Vec<u8>> {
                    let found: Vec<(u32, LabelFound)> = decode(&context.partial(0, 0, block)?)?;
                    let labels = found.into_iter().map(|(label, _)| label);
                    Ok(encode(&labels.filter(|label| chosen(*label)).collect::<Vec<u32>>()))
                };
                Ok(indexed_blob::join(&slabs.blocks(part).map(of_block).collect::<Result<Vec<_>>>()?))
            }
        }
    }
}

/// Keeps the largest ones.
fn keep_first(largest: &mut Vec<Large>, keep: usize) {
    largest.sort_unstable();
    largest.truncate(keep);
}

fn damaged() -> Error {
    Error::Operator { op: "label", reason: "what was found of components can't be read".into() }
}

/// Of masks, field 0 has the names of components within blocks and field 1 the result; of labels,
/// field 0 is the result.
impl Program for ComponentFilter {
    type Phase = FilterPhase;
    type State = FilterState;

    fn fields(&self) -> Vec<FieldSpec> {
        let field = |voxel| FieldSpec { voxel };
        if self.labels {
            vec![field(VoxelType::U32)]
        } else {
            vec![field(VoxelType::U64), field(VoxelType::U8)]
        }
    }

    fn phases(&self) -> Vec<FilterPhase> {
        if self.labels { LABEL_PHASES.to_vec() } else { MASK_PHASES.to_vec() }
    }

    fn declare(&self, phase: FilterPhase) -> Phase {
        let input = Source::Input(0, [0; 3]);
        match phase {
            FilterPhase::LabelSizes => Phase::blocks("sizes", vec![input], vec![]),
            FilterPhase::SlabLabels => Phase::reduce("sizes of slabs"),
            FilterPhase::ChosenLabels | FilterPhase::Choice => Phase::reduce("choice"),
            FilterPhase::RemovedLabels => Phase::reduce("labels to remove"),
            FilterPhase::RemoveLabels => Phase::blocks("removing", vec![input], vec![0]),
            FilterPhase::Equivalences(EquivalencePhase::Components) => {
                Phase::blocks("components of blocks", vec![input], vec![0])
            }
            FilterPhase::Equivalences(phase) => phase.declare().unwrap_or_else(|| {
                Phase::blocks("components across blocks", vec![Source::Field(0, [1; 3])], vec![])
            }),
            FilterPhase::Totals => Phase::reduce("sizes"),
            FilterPhase::Marks => Phase::reduce("marks"),
            FilterPhase::Paint => Phase::blocks("painting", vec![Source::Field(0, [0; 3]), input], vec![1]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(usize::from(!self.labels))
    }

    fn run(
        &self,
        phase: FilterPhase,
        state: &FilterState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let part = block.out.start[0];
        let found = match phase {
            FilterPhase::SlabLabels | FilterPhase::ChosenLabels | FilterPhase::RemovedLabels => {
                Some(self.of_labels(phase, part, state, context)?)
            }
            FilterPhase::Totals => Some(encode(&self.totals(&state.equivalences, part, context)?)),
            FilterPhase::Choice => Some(encode(&self.choice(state, part, context)?)),
            FilterPhase::Marks => Some(self.marks(state, part, context)?),
            FilterPhase::Equivalences(EquivalencePhase::Components | EquivalencePhase::Touching)
            | FilterPhase::LabelSizes
            | FilterPhase::RemoveLabels
            | FilterPhase::Paint => None,
            FilterPhase::Equivalences(phase) => Some(state.equivalences.run(phase, part, context)?),
        };
        if let Some(found) = found {
            return Ok((vec![], found));
        }
        let input = inputs[0].as_deref().expect("every phase reads something that is there");
        match (phase, input) {
            (FilterPhase::LabelSizes, Volume::U32(a)) => {
                Ok((vec![], encode(&label_summaries(a, block.out.start, self.shape))))
            }
            (_, Volume::U32(a)) => {
                let (number, of_slab) = (state.slabs.block(block.out), state.slabs.blocks(0).len());
                let removed = indexed_blob::read(
                    context,
                    number_of(FilterPhase::RemovedLabels),
                    number / of_slab,
                    number % of_slab,
                )?;
                let mut a = a.clone();
                remove_labels(
                    a.as_slice_mut().expect("volumes are in C order"),
                    &decode::<Vec<u32>>(&removed)?,
                );
                Ok((vec![Volume::U32(a)], vec![]))
            }
            (FilterPhase::Equivalences(_), Volume::U64(names)) => {
                let (source, out) = (block.sources[0], block.out);
                let pairs = blocked::touching(names, source, out, self.connectivity, |_, _| true);
                Ok((vec![], encode(&pairs)))
            }
            (_, Volume::U64(names)) => {
                let chosen =
                    state.equivalences.relabel(number_of(FilterPhase::Marks), block.out, names, context)?;
                let mut volume = own(inputs.into_iter().nth(1).flatten());
                for (v, chosen) in volume.as_bytes_mut().iter_mut().zip(&chosen) {
                    if *chosen != 0 {
                        *v = self.paint();
                    }
                }
                Ok((vec![volume], vec![]))
            }
            (_, mask) => {
                let components = self.components(mask.as_bytes(), block.out.shape, &job.part())?;
                let (field, names) = blocked::name(&components, block.out, self.shape, job)?;
                let summaries = summaries(&components, block.out.start, self.shape);
                Ok((vec![Volume::U64(field)], encode(&(names, summaries))))
            }
        }
    }

    fn parts(&self, phase: FilterPhase, state: &FilterState) -> usize {
        match phase {
            FilterPhase::ChosenLabels => label_shuffle::buckets(&state.slabs),
            FilterPhase::Equivalences(phase) => state.equivalences.parts(phase),
            _ if self.labels => state.slabs.count(),
            _ => state.equivalences.slabs.count(),
        }
    }

    fn merge(&self, phase: FilterPhase, state: &mut FilterState, partials: Partials) -> Result<Next> {
        match phase {
            FilterPhase::LabelSizes => state.slabs = Slabs::new(self.shape, partials.cut()),
            FilterPhase::ChosenLabels => {
                if let Rule::AllButLargest(keep) = self.rule {
                    let mut largest: Vec<Large> = Vec::new();
                    for partial in partials {
                        let found = indexed_blob::of(&partial?.1, state.slabs.count())?;
                        largest.append(&mut decode(&found)?);
                        keep_first(&mut largest, keep);
                    }
                    state.largest = largest.into_iter().map(|large| large.2).collect();
                    state.largest.sort_unstable();
                }
            }
            FilterPhase::Totals => {
                state.later = vec![Vec::new(); state.equivalences.slabs.count()];
                for (slab, partial) in partials.enumerate() {
                    let found = partial?.1;
                    let before = postcard::take_from_bytes::<Vec<(u64, Summary)>>(&found);
                    let mut of: Vec<usize> = before
                        .map_err(|_| damaged())?
                        .0
                        .iter()
                        .map(|b| state.equivalences.slabs.slab_of(b.0))
                        .collect();
                    of.dedup();
                    of.into_iter().for_each(|of| state.later[of].push(slab));
                }
            }
            FilterPhase::Choice => {
                if let Rule::AllButLargest(keep) = self.rule {
                    let mut largest: Vec<(u64, u64)> = Vec::new();
                    for partial in partials {
                        largest.extend(decode::<Choice>(&partial?.1)?.1);
                        largest.sort_unstable_by_key(|&(root, size)| (std::cmp::Reverse(size), root));
                        largest.truncate(keep);
                    }
                    state.largest = largest.into_iter().map(|(root, _)| root).collect();
                    state.largest.sort_unstable();
                }
            }
            FilterPhase::Equivalences(phase) => {
                if phase == EquivalencePhase::Components {
                    state.equivalences = LabelEquivalences::new(self.shape, partials.cut());
                }
                return state.equivalences.merge(phase, partials);
            }
            _ => {}
        }
        Ok(Next::Continue)
    }
}

/// The faces that words name: `all`, an axis (`z`), or one end of it (`z-`, `z+`).
///
/// # Errors
/// Another word.
pub fn faces_of(call: &Call, words: &[String]) -> Result<u8, Error> {
    words.iter().try_fold(0, |faces, word| {
        let more = match word.as_str() {
            "all" => 0b11_1111,
            "z" => 0b11,
            "y" => 0b1100,
            "x" => 0b11_0000,
            "z-" => 1,
            "z+" => 2,
            "y-" => 4,
            "y+" => 8,
            "x-" => 16,
            "x+" => 32,
            other => {
                return Err(
                    call.error(format!("\"{other}\" is no face: use all, z, y, x, or one end, as z- or z+"))
                );
            }
        };
        Ok(faces | more)
    })
}
