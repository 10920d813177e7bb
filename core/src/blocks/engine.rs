//! Runs one prepared operator over blocks.

use super::memory::memory_for;
use super::{Field, LocalField, ScratchField};
use crate::ops::{Block, Grid, Mode, Next, Output, Phase, Prepared, Source, Tiling};
use crate::{Job, Region, Result, Volume};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a voxel of a region that is seen at once: labels, intensities, a mask and what is found.
const REGION_BYTES: u64 = 24;

/// How blocks are cut and where what doesn't fit into memory goes.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Voxels of a block along `z, y, x`.
    pub block: [usize; 3],
    /// Folder for temporary files.
    pub scratch: PathBuf,
    /// Parts of the image to which a run keeps, for results that hang on nothing else; all of it if none. Blocks that
    /// touch none of them are passed over.
    pub within: Option<Vec<Region>>,
}

/// An output of [`Engine::run`].
pub enum Ran {
    /// An image.
    Field(Arc<dyn Field>),
    /// Tables or a mesh.
    Output(Output),
}

impl Engine {
    /// Runs a prepared operator. A local one is not run but put before its inputs, to be computed
    /// where it is read.
    ///
    /// # Errors
    /// What the operator cannot do, a full disk, or [`crate::Error::Cancelled`].
    pub fn run(
        &self,
        name: &str,
        prepared: Arc<Prepared>,
        inputs: Vec<Option<Arc<dyn Field>>>,
        job: &Job,
    ) -> Result<Ran> {
        if matches!(prepared.kernel.mode(), Mode::Local(_)) {
            return Ok(Ran::Field(Arc::new(LocalField::new(prepared, inputs))));
        }
        self.run_program(name, &prepared, &inputs, job)
    }

    /// Computes a field and keeps it in a temporary file.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn materialise(&self, name: &str, field: &dyn Field, job: &Job) -> Result<Arc<dyn Field>> {
        let grid = field.grid();
        let scratch = ScratchField::new(grid, &self.scratch)?;
        let tiles = self.tiles(self.block, grid.shape);
        job.stage(name, tiles.iter().map(|t| t.len() as u64).sum());
        let part = job.part();
        tiles.into_par_iter().try_for_each(|tile| {
            job.check()?;
            scratch.write(tile.start, &*field.read(tile, &part)?)?;
            job.advance(tile.len() as u64);
            Result::Ok(())
        })?;
        Ok(Arc::new(scratch))
    }

    fn run_program(
        &self,
        name: &str,
        prepared: &Prepared,
        inputs: &[Option<Arc<dyn Field>>],
        job: &Job,
    ) -> Result<Ran> {
        let Mode::Program(program) = prepared.kernel.mode() else { unreachable!("checked by the caller") };
        let grid = prepared.output;
        let fields = program
            .fields()
            .iter()
            .map(|f| ScratchField::new(Grid { voxel: f.voxel, ..grid }, &self.scratch).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        let mut state = Vec::new();
        for (number, phase) in program.phases().iter().enumerate() {
            let tiles = self.tiles(self.tile(phase.tiling, grid.shape), grid.shape);
            let voxels: usize = tiles.iter().map(Region::len).sum();
            loop {
                job.stage(format!("{name}: {}", phase.name), voxels as u64);
                let part = job.part();
                let seen = tiles
                    .par_iter()
                    .map(|&tile| program.region(number, &state, tile))
                    .collect::<Result<Vec<_>>>()?;
                let run = |i: usize| {
                    job.check()?;
                    let (tile, seen) = (tiles[i], seen[i]);
                    let (block, volumes) = gather(phase, [tile, seen], grid.shape, inputs, &fields, &part)?;
                    let (outputs, partial) = program.run(number, &state, &block, volumes, &part)?;
                    debug_assert_eq!(outputs.len(), phase.writes.len());
                    for (field, volume) in phase.writes.iter().zip(&outputs) {
                        fields[*field].write(tile.start, volume)?;
                    }
                    job.advance(tile.len() as u64);
                    Ok((i, (tile, partial)))
                };
                // Regions much larger than their blocks are seen one after another.
                let large = |i: &usize| {
                    let share = memory_for(self.block) / rayon::current_num_threads() as u64;
                    seen[*i] != tiles[*i] && seen[*i].len() as u64 * REGION_BYTES > share
                };
                let (alone, together): (Vec<usize>, Vec<usize>) = (0..tiles.len()).partition(large);
                if let Some(greatest) = alone.iter().map(|&i| seen[i]).max_by_key(Region::len) {
                    self.warn_of(&format!("{name}: {}", phase.name), greatest, job);
                }
                let mut partials = together.into_par_iter().map(run).collect::<Result<Vec<_>>>()?;
                for i in alone {
                    partials.push(run(i)?);
                }
                partials.sort_unstable_by_key(|p| p.0);
                let partials = partials.into_iter().map(|p| p.1).collect();
                if program.merge(number, &mut state, partials)? == Next::Continue {
                    break;
                }
            }
        }
        for (name, value) in program.facts(&state) {
            job.fact(name, value);
        }
        Ok(match program.result() {
            Some(field) => Ran::Field(fields[field].clone()),
            None => Ran::Output(program.finish(state)?),
        })
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
            job.warn(format!(
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

fn gather(
    phase: &Phase,
    [out, seen]: [Region; 2],
    shape: [usize; 3],
    inputs: &[Option<Arc<dyn Field>>],
    fields: &[Arc<ScratchField>],
    job: &Job,
) -> Result<(Block, Vec<Option<Arc<Volume>>>)> {
    let mut block = Block { out, sources: Vec::new(), shapes: Vec::new() };
    let mut volumes = Vec::new();
    for read in &phase.reads {
        let (field, halo): (Option<&dyn Field>, _) = match *read {
            Source::Input(i, halo) => (inputs[i].as_deref(), halo),
            Source::Field(i, halo) => (Some(&*fields[i]), halo),
        };
        let shape = field.map_or(shape, |f| f.grid().shape);
        let region = seen.grown(halo, shape);
        block.sources.push(region);
        block.shapes.push(shape);
        volumes.push(field.map(|f| f.read(region, job)).transpose()?);
    }
    Ok((block, volumes))
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
    let engine = Engine { block, scratch: std::env::temp_dir(), within: None };
    let fields = inputs
        .iter()
        .map(|input| {
            input.as_ref().map(|(volume, grid)| {
                Arc::new(super::MemoryField::new(volume.clone(), *grid)) as Arc<dyn Field>
            })
        })
        .collect();
    match engine.run("test", Arc::new(prepared), fields, job)? {
        Ran::Field(field) => {
            let kept = engine.materialise("test", &*field, job)?;
            let volume = kept.read_all(job)?;
            Ok(Output::Volume(Arc::try_unwrap(volume).unwrap_or_else(|shared| (*shared).clone())))
        }
        Ran::Output(output) => Ok(output),
    }
}
