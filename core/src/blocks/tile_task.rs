//! One tile of a phase, and its context: what earlier phases found, the operator's inputs, a folder.

use super::engine::{Engine, Storage};
use super::phase_store::PhaseStore;
use crate::program::{
    AnyProgram, AnyState, Block, Field, FieldSpec, Grid, Next, Partials, Phase, Program, Source, TileContext,
};
use crate::{Job, Region, Result, Volume, VoxelType};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Context of a tile that the process which drives the phases makes itself.
pub(super) struct LocalContext<'a> {
    pub store: &'a dyn PhaseStore,
    pub program: &'a dyn AnyProgram,
    pub phase: usize,
    pub state: &'a AnyState,
    pub inputs: &'a [Option<Arc<dyn Field>>],
}

impl TileContext for LocalContext<'_> {
    fn partial(&self, phase: usize, iteration: usize, tile: usize) -> Result<Vec<u8>> {
        self.store.partial(phase, iteration, tile)
    }

    fn partial_range(
        &self,
        phase: usize,
        iteration: usize,
        tile: usize,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>> {
        self.store.partial_range(phase, iteration, tile, bytes)
    }

    fn payload(&self, part: usize) -> Result<Vec<u8>> {
        Ok(self.program.payload(self.phase, self.state, part))
    }

    fn inputs(&self) -> &[Option<Arc<dyn Field>>] {
        self.inputs
    }

    fn scratch(&self) -> &Path {
        self.store.folder()
    }

    fn run_program(&self, block: [usize; 3], grid: Grid, program: &dyn AnyProgram, job: &Job) -> Result<()> {
        run_nested(self, block, grid, program, job)
    }
}

/// Runs a program on the inputs of a tile's context, block by block, in this process.
pub(super) fn run_nested(
    context: &dyn TileContext,
    block: [usize; 3],
    grid: Grid,
    program: &dyn AnyProgram,
    job: &Job,
) -> Result<()> {
    let storage = Storage::Scratch(context.scratch().to_owned());
    let engine = Engine { block, storage, within: None };
    engine.run_program((0, "measure"), false, grid, program, context.inputs(), &job.part()).map(drop)
}

/// A phase of a program with what it works on.
pub struct TileTask<'a> {
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
    pub context: &'a dyn TileContext,
}

impl TileTask<'_> {
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
        self.program.run(self.phase, self.state, &block, volumes, self.context, job)
    }
}

/// Keeps an image as it is.
pub struct CopyProgram(pub VoxelType);

impl Program for CopyProgram {
    type Phase = ();
    type State = ();

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: self.0 }]
    }

    fn phases(&self) -> Vec<()> {
        vec![()]
    }

    fn declare(&self, (): ()) -> Phase {
        Phase::blocks("", vec![Source::Input(0, [0; 3])], vec![0])
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        (): (),
        (): &(),
        _: &Block,
        mut inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        _: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let volume = inputs.remove(0).expect("it is given");
        Ok((vec![Arc::unwrap_or_clone(volume)], Vec::new()))
    }

    fn merge(&self, (): (), (): &mut (), _: Partials) -> Result<Next> {
        Ok(Next::Continue)
    }
}
