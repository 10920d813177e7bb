//! Runs one prepared operator over blocks.

use super::checkpoint::{Checkpoint, Iteration};
use super::checkpoint_store::CheckpointStore;
use super::memory::memory_for;
use super::phase_store::{PhaseRun, PhaseStore, ScratchStore};
use super::tile_task::{CopyProgram, LocalContext, TileTask};
use crate::program::{
    AnyProgram, AnyState, Field, Grid, LocalField, Mode, Next, Output, Partials, Prepared, Tiling,
};
use crate::{Job, Region, Result, Volume};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a voxel of a region that is seen at once: labels, intensities, a mask and the result.
const REGION_BYTES: u64 = 24;

/// Shape of blocks, and storage for what doesn't fit into memory.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Voxels of a block along `z, y, x`.
    pub block: [usize; 3],
    /// Storage of the images between phases.
    pub storage: Storage,
    /// Regions of the image to which a run is restricted; all of it if `None`. Blocks that touch none of them are passed
    /// over. It is for results that depend on nothing else.
    pub within: Option<Vec<Region>>,
}

/// Storage of the images between phases.
#[derive(Debug, Clone)]
pub enum Storage {
    /// Temporary files in a folder.
    Scratch(PathBuf),
    /// A folder from which a run can be resumed.
    Checkpoint(Checkpoint),
}

/// An output of [`Engine::run`].
pub enum StepOutput {
    /// An image.
    Field(Arc<dyn Field>),
    /// Tables or a mesh.
    Output(Output),
}

impl Engine {
    /// With blocks of a shape, and temporary files in a folder.
    pub fn in_scratch(block: [usize; 3], folder: impl Into<PathBuf>) -> Self {
        Self { block, storage: Storage::Scratch(folder.into()), within: None }
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
    ) -> Result<StepOutput> {
        match prepared.kernel.mode() {
            Mode::Local(_) => Ok(StepOutput::Field(Arc::new(LocalField::new(prepared, inputs)))),
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
        let (grid, keep) = (field.grid(), CopyProgram(field.grid().voxel));
        match self.run_program((number, name), true, grid, &keep, &[Some(field)], job)? {
            StepOutput::Field(field) => Ok(field),
            StepOutput::Output(_) => unreachable!("it makes an image"),
        }
    }

    /// Runs a program whose result has this grid.
    pub(super) fn run_program(
        &self,
        (number, name): (usize, &str),
        keeps: bool,
        grid: Grid,
        program: &dyn AnyProgram,
        inputs: &[Option<Arc<dyn Field>>],
        job: &Job,
    ) -> Result<StepOutput> {
        let grids: Vec<Grid> = program.fields().iter().map(|f| Grid { voxel: f.voxel, ..grid }).collect();
        let phases = program.phases();
        let mut store: Box<dyn PhaseStore> = match &self.storage {
            Storage::Scratch(folder) => Box::new(ScratchStore::new(&grids, folder, &phases)?),
            Storage::Checkpoint(checkpoint) => Box::new(CheckpointStore::new(&grids, checkpoint.clone())),
        };
        let mut state = program.begin();
        let (mut phase, mut iterations) = (0, vec![0; phases.len()]);
        while let Some(spec) = phases.get(phase) {
            let tile = self.tile(spec.tiling, grid.shape);
            let is_reduce = spec.tiling.is_reduce();
            let whole = if is_reduce { [program.parts(phase, &state), 1, 1] } else { grid.shape };
            let tiles = Region::whole(whole).tiles(tile);
            let visited =
                |tile: Region| (is_reduce || self.sees(tile)) && program.visits(phase, &state, tile);
            let todo: Vec<usize> = (0..tiles.len()).filter(|i| visited(tiles[*i])).collect();
            let stage = if keeps { name.to_owned() } else { format!("{name}: {}", spec.name) };
            job.stage(&stage, todo.iter().map(|i| tiles[*i].len() as u64).sum());
            let iteration = Iteration { step: number, phase, iteration: iterations[phase] };
            let run = PhaseRun { iteration, keeps, spec, stage: &stage, tile, tiles: &tiles, todo: &todo };
            let left = store.begin(&run, job)?;
            if !store.delegate(&run, &left, program, &state, job)? {
                self.run_tiles((&run, &left), grid.shape, (program, &state), inputs, &*store, job)?;
            }
            let merged = store.end(&run, program.fold(phase).is_some(), job)?;
            let mut partials = merged.iter().map(|&(number, first)| {
                job.check()?;
                Ok((tiles[first], store.merged(number)?))
            });
            let next =
                program.merge(phase, &mut state, Partials::new(&mut partials, tile, store.folder()))?;
            iterations[phase] += 1;
            match next {
                Next::Continue => phase += 1,
                Next::Repeat => {}
            }
        }
        for (name, value) in program.facts(&state) {
            job.fact(name, value);
        }
        store.finish(number, program.result())?;
        Ok(match program.result() {
            Some(field) => StepOutput::Field(store.fields()[field].clone()),
            None => StepOutput::Output(program.finish(state)?),
        })
    }

    /// Makes the tiles of a phase that are `left`, on the threads of this process.
    fn run_tiles(
        &self,
        (run, left): (&PhaseRun, &[usize]),
        shape: [usize; 3],
        (program, state): (&dyn AnyProgram, &AnyState),
        inputs: &[Option<Arc<dyn Field>>],
        store: &dyn PhaseStore,
        job: &Job,
    ) -> Result<()> {
        let phase = run.iteration.phase;
        let context = &LocalContext { store, program, phase, state, inputs };
        let task = TileTask { program, phase, state, inputs, fields: store.fields(), context };
        let (inner, alone) = (job.part(), run.spec.tiling == Tiling::SerialReduce);
        let seen = |i: usize| program.region(phase, state, run.tiles[i]);
        self.each(left, run.tiles, alone, seen, run.stage, job, |i| {
            job.check()?;
            let (outputs, partial) = task.make(shape, run.tiles[i], &inner)?;
            debug_assert_eq!(outputs.len(), run.spec.writes.len());
            store.put(run, i, &outputs, partial)
        })
    }

    /// Works on tiles by their numbers, on all threads. Regions that are seen and much larger than their tiles are seen
    /// one after another, as are all tiles if each is to be made `alone`.
    fn each(
        &self,
        todo: &[usize],
        tiles: &[Region],
        alone: bool,
        seen: impl Fn(usize) -> Region + Sync,
        stage: &str,
        job: &Job,
        one: impl Fn(usize) -> Result<()> + Sync,
    ) -> Result<()> {
        let seen: Vec<Region> = todo.par_iter().map(|&i| seen(i)).collect();
        let share = memory_for(self.block) / rayon::current_num_threads() as u64;
        let large = |k: &usize| seen[*k] != tiles[todo[*k]] && seen[*k].len() as u64 * REGION_BYTES > share;
        let (large, together): (Vec<usize>, Vec<usize>) = (0..todo.len()).partition(|k| alone || large(k));
        if let Some(greatest) = large.iter().map(|&k| seen[k]).max_by_key(Region::len) {
            self.warn_of(stage, greatest, job);
        }
        let one = |k: usize| {
            one(todo[k])?;
            job.advance(tiles[todo[k]].len() as u64);
            Ok(())
        };
        together.into_par_iter().try_for_each(one)?;
        large.into_iter().try_for_each(one)
    }

    /// `true` for blocks that the run is not restricted from.
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
            Tiling::Reduce | Tiling::SerialReduce => return [1; 3],
            Tiling::Spanning(spans) => spans,
        };
        let budget = self.voxels();
        let spanned: usize = (0..3).filter(|&a| spans[a]).map(|a| shape[a]).product();
        let free = spans.iter().filter(|s| !**s).count().max(1);
        let edge = ((budget as f64 / spanned.max(1) as f64).powf(1.0 / free as f64) as usize).max(1);
        std::array::from_fn(|a| if spans[a] { shape[a].max(1) } else { edge })
    }
}

/// Runs a prepared operator block by block on volumes in memory and returns the whole result: for
/// tests that hold it equal to [`crate::program::Kernel::whole`].
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
                Arc::new(crate::program::MemoryField::new(volume.clone(), *grid)) as Arc<dyn Field>
            })
        })
        .collect();
    match engine.run((0, "test"), Arc::new(prepared), fields, job)? {
        StepOutput::Field(field) => {
            let kept = engine.materialise((0, "test"), field, job)?;
            let volume = kept.read_all(job)?;
            Ok(Output::Volume(Arc::try_unwrap(volume).unwrap_or_else(|shared| (*shared).clone())))
        }
        StepOutput::Output(output) => Ok(output),
    }
}
