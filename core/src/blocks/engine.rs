//! Runs one prepared operator over blocks.

use super::kept::{self, Kept, Note, Round, Written};
use super::memory::memory_for;
use super::tiles::{self, ZeroField};
use super::{Field, LocalField, ScratchField};
use crate::ops::{Block, FieldSpec, Grid, Mode, Next, Output, Phase, Prepared, Program, Source, Tiling};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a voxel of a region that is seen at once: labels, intensities, a mask and what is found.
const REGION_BYTES: u64 = 24;

/// How blocks are cut and where what doesn't fit into memory goes.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Voxels of a block along `z, y, x`.
    pub block: [usize; 3],
    /// Where images between phases are.
    pub place: Place,
    /// Parts of the image to which a run keeps, for results that hang on nothing else; all of it if none. Blocks that
    /// touch none of them are passed over. Not for runs that are kept.
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

    fn run_program(
        &self,
        (number, name): (usize, &str),
        keeps: bool,
        grid: Grid,
        program: &dyn Program,
        inputs: &[Option<Arc<dyn Field>>],
        job: &Job,
    ) -> Result<Ran> {
        let grids: Vec<Grid> = program.fields().iter().map(|f| Grid { voxel: f.voxel, ..grid }).collect();
        let mut fields: Vec<Arc<dyn Field>> = Vec::new();
        let mut scratch = Vec::new();
        let mut written: Vec<Option<Written>> = vec![None; grids.len()];
        for &grid in &grids {
            match &self.place {
                Place::Scratch(folder) => {
                    let field = Arc::new(ScratchField::new(grid, folder)?);
                    fields.push(field.clone());
                    scratch.push(field);
                }
                Place::Kept(_) => fields.push(Arc::new(ZeroField(grid))),
            }
        }
        let mut state = Vec::new();
        for (phase, of) in program.phases().iter().enumerate() {
            let cut = self.tile(of.tiling, grid.shape);
            let tiles = self.tiles(cut, grid.shape);
            let stage = if keeps { name.to_owned() } else { format!("{name}: {}", of.name) };
            for round in 0.. {
                job.stage(&stage, tiles.iter().map(|t| t.len() as u64).sum());
                let part = job.part();
                let make = |i: usize| {
                    job.check()?;
                    let work = Work { program, phase, state: &state, inputs, fields: &fields };
                    work.make(grid.shape, tiles[i], &part)
                };
                let partials = match &self.place {
                    Place::Scratch(_) => {
                        let seen = |i: usize| program.region(phase, &state, tiles[i]);
                        self.each((0..tiles.len()).collect(), &tiles, seen, &stage, job, |i| {
                            let (outputs, partial) = make(i)?;
                            debug_assert_eq!(outputs.len(), of.writes.len());
                            for (field, volume) in of.writes.iter().zip(&outputs) {
                                scratch[*field].write(tiles[i].start, volume)?;
                            }
                            Ok(partial)
                        })?
                    }
                    Place::Kept(kept) => {
                        let round = Round { step: number, phase, round };
                        let note = Note {
                            round,
                            keeps,
                            tile: cut,
                            state: state.clone(),
                            fields: written.clone(),
                            results: BTreeMap::default(),
                        };
                        let folder = kept.begin(note)?;
                        let todo: Vec<usize> =
                            (0..tiles.len()).filter(|i| !tiles::path_of(&folder, *i).exists()).collect();
                        let voxels = |i: &usize| tiles[*i].len() as u64;
                        let all: u64 = tiles.iter().map(|t| t.len() as u64).sum();
                        job.advance(all - todo.iter().map(voxels).sum::<u64>());
                        if let Some(runner) = &kept.runner {
                            let todo: Vec<_> = todo.iter().map(|&i| (i, tiles[i])).collect();
                            runner.run(&folder, &todo, job)?;
                        } else {
                            let seen = |i: usize| program.region(phase, &state, tiles[i]);
                            self.each(todo, &tiles, seen, &stage, job, |i| {
                                let (outputs, partial) = make(i)?;
                                tiles::write(&tiles::path_of(&folder, i), &partial, &outputs)
                            })?;
                        }
                        for (slot, field) in of.writes.iter().enumerate() {
                            let now = Written { by: round, tile: cut, slot };
                            written[*field] = Some(now);
                            fields[*field] = kept::field(&kept.folder, grids[*field], Some(now));
                        }
                        kept.wrote(round, &written)?;
                        let partial = |i: usize| {
                            let path = tiles::path_of(&folder, i);
                            tiles::partial(&path)?.ok_or_else(|| Error::file(&path, "was not made"))
                        };
                        (0..tiles.len()).map(partial).collect::<Result<_>>()?
                    }
                };
                let partials = tiles.iter().copied().zip(partials).collect();
                if program.merge(phase, &mut state, partials)? == Next::Continue {
                    break;
                }
            }
        }
        for (name, value) in program.facts(&state) {
            job.fact(name, value);
        }
        if let Place::Kept(kept) = &self.place {
            kept.finished(number, program.result().and_then(|field| written[field]))?;
        }
        Ok(match program.result() {
            Some(field) => Ran::Field(fields[field].clone()),
            None => Ran::Output(program.finish(state)?),
        })
    }

    /// Works on tiles by their numbers, on all threads; what comes of each, in their order. Regions that are seen and much
    /// larger than their tiles are seen one after another.
    fn each<T: Send>(
        &self,
        todo: Vec<usize>,
        tiles: &[Region],
        seen: impl Fn(usize) -> Result<Region> + Sync,
        stage: &str,
        job: &Job,
        one: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let seen = todo.par_iter().map(|&i| seen(i)).collect::<Result<Vec<_>>>()?;
        let share = memory_for(self.block) / rayon::current_num_threads() as u64;
        let large = |k: &usize| seen[*k] != tiles[todo[*k]] && seen[*k].len() as u64 * REGION_BYTES > share;
        let (alone, together): (Vec<usize>, Vec<usize>) = (0..todo.len()).partition(large);
        if let Some(greatest) = alone.iter().map(|&k| seen[k]).max_by_key(Region::len) {
            self.warn_of(stage, greatest, job);
        }
        let one = |k: usize| {
            let made = one(todo[k])?;
            job.advance(tiles[todo[k]].len() as u64);
            Ok((k, made))
        };
        let mut made = together.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
        for k in alone {
            made.push(one(k)?);
        }
        made.sort_unstable_by_key(|m| m.0);
        Ok(made.into_iter().map(|m| m.1).collect())
    }

    /// The blocks of an image that a run goes through.
    fn tiles(&self, tile: [usize; 3], shape: [usize; 3]) -> Vec<Region> {
        let mut tiles = Region::whole(shape).tiles(tile);
        if let Some(within) = &self.within {
            tiles.retain(|tile| within.iter().any(|part| !tile.intersection(part).is_empty()));
        }
        tiles
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
        let Tiling::Spanning(spans) = tiling else { return self.block };
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
    pub program: &'a dyn Program,
    /// Number of the phase.
    pub phase: usize,
    /// What the phases before found.
    pub state: &'a [u8],
    /// The operator's inputs.
    pub inputs: &'a [Option<Arc<dyn Field>>],
    /// The program's scratch images.
    pub fields: &'a [Arc<dyn Field>],
}

impl Work<'_> {
    /// Makes a tile of an image of `shape`: volumes of what the phase writes, and its partial result.
    ///
    /// # Errors
    /// What the operator cannot do, what can't be read, or [`crate::Error::Cancelled`].
    pub fn make(&self, shape: [usize; 3], tile: Region, job: &Job) -> Result<(Vec<Volume>, Vec<u8>)> {
        let seen = self.program.region(self.phase, self.state, tile)?;
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
        self.program.run(self.phase, self.state, &block, volumes, job)
    }
}

/// Keeps an image as it is.
pub struct Keep(pub VoxelType);

impl Program for Keep {
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
        _: &[u8],
        _: &Block,
        mut inputs: Vec<Option<Arc<Volume>>>,
        _: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let volume = inputs.remove(0).expect("it is given");
        Ok((vec![Arc::unwrap_or_clone(volume)], Vec::new()))
    }

    fn merge(&self, _: usize, _: &mut Vec<u8>, _: Vec<(Region, Vec<u8>)>) -> Result<Next> {
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
