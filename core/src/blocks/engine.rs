//! Runs one prepared operator over blocks.

use super::kept::{self, Kept, Note, Round, Written};
use super::memory::memory_for;
use super::shelf::Shelf;
use super::tiles::{self, ZeroField};
use super::{Field, LocalField, ScratchField};
use crate::ops::{
    AnyProgram, AnyState, Around, Block, FieldSpec, Grid, Mode, Next, Output, Partials, Phase, Prepared,
    Program, Source, Tiling,
};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a voxel of a region that is seen at once: labels, intensities, a mask and what is found.
const REGION_BYTES: u64 = 24;
/// Bytes of partial results that wait in memory to be merged, unless the run is kept; or a share of the memory to work
/// within, where that is less.
const PARTIALS: usize = 64 << 20;
const PARTIALS_SHARE: usize = 8;

/// How blocks are cut and where what doesn't fit into memory goes.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Voxels of a block along `z, y, x`.
    pub block: [usize; 3],
    /// Where images between phases are.
    pub place: Place,
    /// Parts of the image to which a run keeps, for results that hang on nothing else; all of it if none. Blocks that
    /// touch none of them are passed over.
    pub within: Option<Vec<Region>>,
}

/// Where images between phases are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In temporary files in a folder.
    Scratch(PathBuf),
    /// In a folder from which a run can be gone on with.
    Kept(Kept),
}

impl Place {
    fn folder(&self) -> &Path {
        match self {
            Self::Scratch(folder) => folder,
            Self::Kept(kept) => &kept.folder,
        }
    }
}

/// The images between phases.
struct Between {
    fields: Vec<Arc<dyn Field>>,
    /// The same, where they are in temporary files.
    scratch: Vec<Arc<ScratchField>>,
    /// What has written them, where runs are kept.
    written: Vec<Option<Written>>,
}

impl Between {
    /// Images of zeros.
    fn new(grids: &[Grid], place: &Place) -> Result<Self> {
        let mut new = Self { fields: Vec::new(), scratch: Vec::new(), written: vec![None; grids.len()] };
        for &grid in grids {
            match place {
                Place::Scratch(folder) => {
                    let field = Arc::new(ScratchField::new(grid, folder)?);
                    new.fields.push(field.clone());
                    new.scratch.push(field);
                }
                Place::Kept(_) => new.fields.push(Arc::new(ZeroField(grid))),
            }
        }
        Ok(new)
    }
}

/// What phases that are looked back at have found, by phase and round.
#[derive(Default)]
struct Shelves(BTreeMap<(usize, usize), Arc<Shelf>>);

/// What there is beside a tile that this process makes.
struct Here<'a> {
    place: &'a Place,
    step: usize,
    shelves: &'a Shelves,
    program: &'a dyn AnyProgram,
    phase: usize,
    state: &'a AnyState,
    inputs: &'a [Option<Arc<dyn Field>>],
}

impl Around for Here<'_> {
    fn partial(&self, phase: usize, round: usize, tile: usize) -> Result<Vec<u8>> {
        match self.place {
            Place::Scratch(_) => self.shelves.0.get(&(phase, round)).map_or(Ok(Vec::new()), |s| s.get(tile)),
            Place::Kept(kept) => kept::partial(&kept.folder, Round { step: self.step, phase, round }, tile),
        }
    }

    fn part_of(&self, phase: usize, round: usize, tile: usize, bytes: Range<u64>) -> Result<Vec<u8>> {
        match self.place {
            Place::Scratch(_) => {
                self.shelves.0.get(&(phase, round)).map_or(Ok(Vec::new()), |s| s.part_of(tile, bytes))
            }
            Place::Kept(kept) => {
                kept::part_of(&kept.folder, Round { step: self.step, phase, round }, tile, bytes)
            }
        }
    }

    fn order(&self, part: usize) -> Result<Vec<u8>> {
        Ok(self.program.order(self.phase, self.state, part))
    }

    fn inputs(&self) -> &[Option<Arc<dyn Field>>] {
        self.inputs
    }

    fn scratch(&self) -> &Path {
        self.place.folder()
    }
}

/// An output of [`Engine::run`].
pub enum Ran {
    /// An image.
    Field(Arc<dyn Field>),
    /// Tables or a mesh.
    Output(Output),
}

impl Engine {
    /// With blocks of a shape, and temporary files in a folder.
    pub fn in_scratch(block: [usize; 3], folder: impl Into<PathBuf>) -> Self {
        Self { block, place: Place::Scratch(folder.into()), within: None }
    }

    /// Runs a prepared operator, step `number` of its recipe. A local one is not run but put before its inputs, to be
    /// computed where it is read.
    ///
    /// # Errors
    /// What the operator cannot do, a full disk, or [`crate::Error::Cancelled`].
    pub fn run(
        &self,
        (number, name): (usize, &str),
        prepared: Arc<Prepared>,
        inputs: Vec<Option<Arc<dyn Field>>>,
        job: &Job,
    ) -> Result<Ran> {
        match prepared.kernel.mode() {
            Mode::Local(_) => Ok(Ran::Field(Arc::new(LocalField::new(prepared, inputs)))),
            Mode::Program(program) => {
                self.run_program((number, name), false, prepared.output, program, &inputs, job)
            }
        }
    }

    /// Computes a field, the result of step `number` of its recipe, and keeps it.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn materialise(
        &self,
        (number, name): (usize, &str),
        field: Arc<dyn Field>,
        job: &Job,
    ) -> Result<Arc<dyn Field>> {
        let (grid, keep) = (field.grid(), Keep(field.grid().voxel));
        match self.run_program((number, name), true, grid, &keep, &[Some(field)], job)? {
            Ran::Field(field) => Ok(field),
            Ran::Output(_) => unreachable!("it makes an image"),
        }
    }

    /// Runs a program; what it makes has this grid.
    pub(crate) fn run_program(
        &self,
        (number, name): (usize, &str),
        keeps: bool,
        grid: Grid,
        program: &dyn AnyProgram,
        inputs: &[Option<Arc<dyn Field>>],
        job: &Job,
    ) -> Result<Ran> {
        let grids: Vec<Grid> = program.fields().iter().map(|f| Grid { voxel: f.voxel, ..grid }).collect();
        let phases = program.phases();
        let mut between = Between::new(&grids, &self.place)?;
        let mut state = program.begin();
        let (mut phase, mut rounds) = (0, vec![0; phases.len()]);
        let looks_back = phases.iter().any(|of| of.tiling == Tiling::Rows);
        let mut shelves = Shelves::default();
        while let Some(of) = phases.get(phase) {
            let cut = self.tile(of.tiling, grid.shape);
            let (in_parts, alone) = (of.tiling.in_parts(), of.tiling == Tiling::Shares);
            let whole = if in_parts { [program.parts(phase, &state), 1, 1] } else { grid.shape };
            let all = Region::whole(whole).tiles(cut);
            let visited = |tile: Region| (in_parts || self.sees(tile)) && program.visits(phase, &state, tile);
            let todo: Vec<usize> = (0..all.len()).filter(|i| visited(all[*i])).collect();
            let stage = if keeps { name.to_owned() } else { format!("{name}: {}", of.name) };
            job.stage(&stage, todo.iter().map(|i| all[*i].len() as u64).sum());
            let inner = job.part();
            let around = &Here {
                place: &self.place,
                step: number,
                shelves: &shelves,
                program,
                phase,
                state: &state,
                inputs,
            };
            let make = |i: usize| {
                job.check()?;
                let fields = &between.fields;
                let work = Work { program, phase, state: &state, inputs, fields, around };
                work.make(grid.shape, all[i], &inner)
            };
            let seen = |i: usize| program.region(phase, &state, all[i]);
            // What is merged: numbers of partial results, each with that of the first tile that it is of.
            let mut found: Vec<(usize, usize)> = todo.iter().map(|&i| (i, i)).collect();
            let mut kept_shelf = None;
            let partial: Box<dyn Fn(usize) -> Result<Vec<u8>>> = match &self.place {
                Place::Scratch(folder) => {
                    let most = PARTIALS.min(crate::memory::share(PARTIALS_SHARE));
                    let most = if looks_back { most / 4 } else { most };
                    let shelf = Arc::new(Shelf::new(all.len(), folder, most));
                    self.each(&todo, &all, alone, seen, &stage, job, |i| {
                        let (outputs, partial) = make(i)?;
                        debug_assert_eq!(outputs.len(), of.writes.len());
                        for (field, volume) in of.writes.iter().zip(&outputs) {
                            between.scratch[*field].write(all[i].start, volume)?;
                        }
                        shelf.put(i, partial)
                    })?;
                    kept_shelf = looks_back.then(|| shelf.clone());
                    Box::new(move |i| shelf.get(i))
                }
                Place::Kept(kept) => {
                    let round = Round { step: number, phase, round: rounds[phase] };
                    let folder = kept.folder_of(&round.name(), cut)?;
                    let (mut done, mut left) = (Vec::new(), Vec::new());
                    for &i in &todo {
                        if tiles::is_there(&tiles::path_of(&folder, i))? { &mut done } else { &mut left }
                            .push(i);
                    }
                    job.advance(done.iter().map(|i| all[*i].len() as u64).sum());
                    // One part of rows is done sooner than it is given to anybody.
                    let here = of.tiling == Tiling::Rows && left.len() == 1;
                    match &kept.runner {
                        _ if left.is_empty() => {}
                        Some(runner) if !here => {
                            let note = Note {
                                round,
                                keeps,
                                folds: None,
                                tile: cut,
                                state: program.write(&state),
                                fields: between.written.clone(),
                                results: BTreeMap::default(),
                            };
                            let parts = left.iter().filter(|_| in_parts);
                            let orders = parts.map(|&i| (i, program.order(phase, &state, i)));
                            let todo: Vec<_> = left.iter().map(|&i| (i, all[i])).collect();
                            kept.have_made(note, orders, &todo, &**runner, job)?;
                        }
                        _ => {
                            self.each(&left, &all, alone, seen, &stage, job, |i| {
                                let (outputs, partial) = make(i)?;
                                tiles::write(&tiles::path_of(&folder, i), &partial, &outputs)
                            })?;
                        }
                    }
                    let partly = todo.len() < all.len();
                    for (slot, &field) in of.writes.iter().enumerate() {
                        let now = Written { by: round, since: round.round, tile: cut, slot, partly };
                        let before = between.written[field].filter(|w| partly && w.by.phase == phase);
                        let now = match before {
                            Some(before) => Written { since: before.since, partly: before.partly, ..now },
                            None => now,
                        };
                        between.written[field] = Some(now);
                        between.fields[field] = kept::field(&kept.folder, grids[field], Some(now));
                    }
                    kept.wrote(round, &between.written)?;
                    let folded = match program.fold(phase) {
                        Some(_) => kept.fold(round, all.len(), &todo, &stage, job)?,
                        None => None,
                    };
                    let (folder, groups) = folded.map_or((folder, None), |f| (f.folder, Some(f.groups)));
                    found = groups.unwrap_or(found);
                    Box::new(move |i| {
                        let path = tiles::path_of(&folder, i);
                        tiles::partial(&path)?.ok_or_else(|| Error::file(&path, "was not made"))
                    })
                }
            };
            let mut partials = found.iter().map(|&(number, first)| {
                job.check()?;
                Ok((all[first], partial(number)?))
            });
            let next =
                program.merge(phase, &mut state, Partials::new(&mut partials, cut, self.place.folder()))?;
            shelves.0.extend(kept_shelf.map(|shelf| ((phase, rounds[phase]), shelf)));
            rounds[phase] += 1;
            match next {
                Next::Continue => phase += 1,
                Next::Repeat => {}
            }
        }
        for (name, value) in program.facts(&state) {
            job.fact(name, value);
        }
        if let Place::Kept(kept) = &self.place {
            kept.finished(number, program.result().and_then(|field| between.written[field]))?;
        }
        Ok(match program.result() {
            Some(field) => Ran::Field(between.fields[field].clone()),
            None => Ran::Output(program.finish(state)?),
        })
    }

    /// Works on tiles by their numbers, on all threads; what comes of each, in their order. Regions that are seen and much
    /// larger than their tiles are seen one after another, as are all tiles if each is to be made `alone`.
    fn each<T: Send>(
        &self,
        todo: &[usize],
        tiles: &[Region],
        alone: bool,
        seen: impl Fn(usize) -> Region + Sync,
        stage: &str,
        job: &Job,
        one: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let seen: Vec<Region> = todo.par_iter().map(|&i| seen(i)).collect();
        let share = memory_for(self.block) / rayon::current_num_threads() as u64;
        let large = |k: &usize| seen[*k] != tiles[todo[*k]] && seen[*k].len() as u64 * REGION_BYTES > share;
        let (large, together): (Vec<usize>, Vec<usize>) = (0..todo.len()).partition(|k| alone || large(k));
        if let Some(greatest) = large.iter().map(|&k| seen[k]).max_by_key(Region::len) {
            self.warn_of(stage, greatest, job);
        }
        let one = |k: usize| {
            let made = one(todo[k])?;
            job.advance(tiles[todo[k]].len() as u64);
            Ok((k, made))
        };
        let mut made = together.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
        for k in large {
            made.push(one(k)?);
        }
        made.sort_unstable_by_key(|m| m.0);
        Ok(made.into_iter().map(|m| m.1).collect())
    }

    /// Whether a run goes through a block.
    fn sees(&self, tile: Region) -> bool {
        let meets = |part: &Region| !tile.intersection(part).is_empty();
        self.within.as_ref().is_none_or(|within| within.iter().any(meets))
    }

    fn voxels(&self) -> usize {
        self.block.iter().product()
    }

    /// Says if a region that has to be seen at once is more than the memory to work within.
    fn warn_of(&self, what: &str, region: Region, job: &Job) {
        let bytes = region.len() as u64 * REGION_BYTES;
        if bytes > memory_for(self.block) {
            let [z, y, x] = region.shape;
            job.caution(format!(
                "{what}: a region of {z} × {y} × {x} voxels has to be seen at once, which takes about {} MB, \
                 more than the memory to work within",
                bytes.div_ceil(1_000_000)
            ));
        }
    }

    fn tile(&self, tiling: Tiling, shape: [usize; 3]) -> [usize; 3] {
        let spans = match tiling {
            Tiling::Blocks => return self.block,
            Tiling::Rows | Tiling::Shares => return [1; 3],
            Tiling::Spanning(spans) => spans,
        };
        let budget = self.voxels();
        let spanned: usize = (0..3).filter(|&a| spans[a]).map(|a| shape[a]).product();
        let free = spans.iter().filter(|s| !**s).count().max(1);
        let edge = ((budget as f64 / spanned.max(1) as f64).powf(1.0 / free as f64) as usize).max(1);
        std::array::from_fn(|a| if spans[a] { shape[a].max(1) } else { edge })
    }
}

/// A phase of a program with what it works on.
pub struct Work<'a> {
    /// The program.
    pub program: &'a dyn AnyProgram,
    /// Number of the phase.
    pub phase: usize,
    /// What the phases before found.
    pub state: &'a AnyState,
    /// The operator's inputs.
    pub inputs: &'a [Option<Arc<dyn Field>>],
    /// The program's scratch images.
    pub fields: &'a [Arc<dyn Field>],
    /// What its phases have found.
    pub around: &'a dyn Around,
}

impl Work<'_> {
    /// Makes a tile of an image of `shape`: volumes of what the phase writes, and its partial result.
    ///
    /// # Errors
    /// What the operator cannot do, what can't be read, or [`crate::Error::Cancelled`].
    pub fn make(&self, shape: [usize; 3], tile: Region, job: &Job) -> Result<(Vec<Volume>, Vec<u8>)> {
        let seen = self.program.region(self.phase, self.state, tile);
        let mut block = Block { out: tile, sources: Vec::new(), shapes: Vec::new() };
        let mut volumes = Vec::new();
        for read in &self.program.phases()[self.phase].reads {
            let (field, halo): (Option<&dyn Field>, _) = match *read {
                Source::Input(i, halo) => (self.inputs[i].as_deref(), halo),
                Source::Field(i, halo) => (Some(&*self.fields[i]), halo),
            };
            let shape = field.map_or(shape, |f| f.grid().shape);
            let region = seen.grown(halo, shape);
            block.sources.push(region);
            block.shapes.push(shape);
            volumes.push(field.map(|f| f.read(region, job)).transpose()?);
        }
        self.program.run(self.phase, self.state, &block, volumes, self.around, job)
    }
}

/// Keeps an image as it is.
pub struct Keep(pub VoxelType);

impl Program for Keep {
    type State = ();

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: self.0 }]
    }

    fn phases(&self) -> Vec<Phase> {
        let reads = vec![Source::Input(0, [0; 3])];
        vec![Phase { name: "", tiling: Tiling::Blocks, reads, writes: vec![0] }]
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        _: usize,
        (): &(),
        _: &Block,
        mut inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn Around,
        _: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let volume = inputs.remove(0).expect("it is given");
        Ok((vec![Arc::unwrap_or_clone(volume)], Vec::new()))
    }

    fn merge(&self, _: usize, (): &mut (), _: Partials) -> Result<Next> {
        Ok(Next::Continue)
    }
}

/// Runs a prepared operator block by block on volumes in memory and returns the whole result: for
/// tests that hold it equal to [`crate::ops::Kernel::whole`].
///
/// # Errors
/// As [`Engine::run`].
pub fn run_prepared(
    prepared: Prepared,
    inputs: &[Option<(Arc<Volume>, Grid)>],
    block: [usize; 3],
    job: &Job,
) -> Result<Output> {
    let engine = Engine::in_scratch(block, std::env::temp_dir());
    let fields = inputs
        .iter()
        .map(|input| {
            input.as_ref().map(|(volume, grid)| {
                Arc::new(super::MemoryField::new(volume.clone(), *grid)) as Arc<dyn Field>
            })
        })
        .collect();
    match engine.run((0, "test"), Arc::new(prepared), fields, job)? {
        Ran::Field(field) => {
            let kept = engine.materialise((0, "test"), field, job)?;
            let volume = kept.read_all(job)?;
            Ok(Output::Volume(Arc::try_unwrap(volume).unwrap_or_else(|shared| (*shared).clone())))
        }
        Ran::Output(output) => Ok(output),
    }
}
