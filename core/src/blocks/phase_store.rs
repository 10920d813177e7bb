//! Storage of what the phases of a program make: scratch images, and the partial results of tiles until they are merged.

use super::ScratchField;
use super::checkpoint::Iteration;
use super::partial_store::PartialStore;
use crate::program::{AnyProgram, AnyState, Field, Grid, Phase, Tiling};
use crate::{Job, Region, Result, Volume};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of partial results that wait in memory to be merged; or a share of the memory to work within, where that is less.
const PARTIALS: usize = 64 << 20;
const PARTIALS_SHARE: usize = 8;

/// An iteration of a phase with its tiles.
pub(super) struct PhaseRun<'a> {
    pub iteration: Iteration,
    /// `true` if it stores the result of a local step, rather than run a phase.
    pub keeps: bool,
    /// The declaration of the phase.
    pub spec: &'a Phase,
    /// Name for progress.
    pub stage: &'a str,
    /// Shape of the tiles.
    pub tile: [usize; 3],
    pub tiles: &'a [Region],
    /// Numbers of the tiles that are visited.
    pub todo: &'a [usize],
}

/// Storage of one run of a program. The engine calls `begin`, then `put` for each tile unless `delegate` had them made,
/// then `end`, then `merged` for each of the partial results that `end` names.
pub(super) trait PhaseStore: Sync {
    /// The scratch images as the phases so far left them.
    fn fields(&self) -> &[Arc<dyn Field>];

    /// A folder for temporary files.
    fn folder(&self) -> &Path;

    /// Begins a phase; returns the tiles that are still to be made.
    fn begin(&mut self, run: &PhaseRun, job: &Job) -> Result<Vec<usize>>;

    /// Has the tiles that are `left` made by other processes; `false` if they are left to the caller.
    fn delegate(
        &self,
        run: &PhaseRun,
        left: &[usize],
        program: &dyn AnyProgram,
        state: &AnyState,
        job: &Job,
    ) -> Result<bool>;

    /// Stores the volumes that a tile wrote and its partial result.
    fn put(&self, run: &PhaseRun, tile: usize, outputs: &[Volume], partial: Vec<u8>) -> Result<()>;

    /// Ends a phase of which all tiles are made: its fields are read from now on. Returns the numbers of the partial
    /// results to merge, each with that of the first tile that it is of; `folds` if the program can fold them in groups.
    fn end(&mut self, run: &PhaseRun, folds: bool, job: &Job) -> Result<Vec<(usize, usize)>>;

    /// A partial result that [`PhaseStore::end`] named.
    fn merged(&self, number: usize) -> Result<Vec<u8>>;

    /// The partial result of a tile of an earlier phase; empty if the tile was passed over.
    fn partial(&self, phase: usize, iteration: usize, tile: usize) -> Result<Vec<u8>>;

    /// Some bytes of it, as many of the range as there are.
    fn partial_range(
        &self,
        phase: usize,
        iteration: usize,
        tile: usize,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>>;

    /// Ends the run of step `step`, of which the field `result` stays.
    fn finish(&mut self, step: usize, result: Option<usize>) -> Result<()>;
}

/// Temporary files that are gone with the run.
pub(super) struct ScratchStore {
    fields: Vec<Arc<dyn Field>>,
    files: Vec<Arc<ScratchField>>,
    folder: PathBuf,
    /// `true` if phases read what earlier ones found.
    looks_back: bool,
    /// Partial results of the phase that runs.
    current: Option<((usize, usize), PartialStore)>,
    /// Those of earlier ones, by phase and iteration.
    earlier: BTreeMap<(usize, usize), PartialStore>,
}

impl ScratchStore {
    /// Images of zeros on `grids`.
    pub fn new(grids: &[Grid], folder: &Path, phases: &[Phase]) -> Result<Self> {
        let new = |grid: &Grid| ScratchField::new(*grid, folder).map(Arc::new);
        let files = grids.iter().map(new).collect::<Result<Vec<_>>>()?;
        let fields = files.iter().map(|file| file.clone() as Arc<dyn Field>).collect();
        let looks_back = phases.iter().any(|phase| phase.tiling == Tiling::Reduce);
        Ok(Self {
            fields,
            files,
            folder: folder.to_owned(),
            looks_back,
            current: None,
            earlier: BTreeMap::new(),
        })
    }
}

impl PhaseStore for ScratchStore {
    fn fields(&self) -> &[Arc<dyn Field>] {
        &self.fields
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn begin(&mut self, run: &PhaseRun, _: &Job) -> Result<Vec<usize>> {
        let before = self.current.take();
        if self.looks_back {
            self.earlier.extend(before);
        }
        let most = PARTIALS.min(crate::memory::share(PARTIALS_SHARE));
        let most = if self.looks_back { most / 4 } else { most };
        let store = PartialStore::new(run.tiles.len(), &self.folder, most);
        self.current = Some(((run.iteration.phase, run.iteration.iteration), store));
        Ok(run.todo.to_vec())
    }

    fn delegate(&self, _: &PhaseRun, _: &[usize], _: &dyn AnyProgram, _: &AnyState, _: &Job) -> Result<bool> {
        Ok(false)
    }

    fn put(&self, run: &PhaseRun, tile: usize, outputs: &[Volume], partial: Vec<u8>) -> Result<()> {
        for (field, volume) in run.spec.writes.iter().zip(outputs) {
            self.files[*field].write(run.tiles[tile].start, volume)?;
        }
        self.current.as_ref().map_or(Ok(()), |(_, store)| store.put(tile, partial))
    }

    fn end(&mut self, run: &PhaseRun, _: bool, _: &Job) -> Result<Vec<(usize, usize)>> {
        Ok(run.todo.iter().map(|&tile| (tile, tile)).collect())
    }

    fn merged(&self, number: usize) -> Result<Vec<u8>> {
        self.current.as_ref().map_or(Ok(Vec::new()), |(_, store)| store.get(number))
    }

    fn partial(&self, phase: usize, iteration: usize, tile: usize) -> Result<Vec<u8>> {
        self.earlier.get(&(phase, iteration)).map_or(Ok(Vec::new()), |store| store.get(tile))
    }

    fn partial_range(
        &self,
        phase: usize,
        iteration: usize,
        tile: usize,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>> {
        self.earlier.get(&(phase, iteration)).map_or(Ok(Vec::new()), |store| store.partial_range(tile, bytes))
    }

    fn finish(&mut self, _: usize, _: Option<usize>) -> Result<()> {
        self.current = None;
        Ok(())
    }
}
