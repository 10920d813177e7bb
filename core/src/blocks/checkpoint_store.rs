//! The folder of a run that can be resumed, as the storage of the phases of one of its steps.

use super::checkpoint::{self, Checkpoint, FieldProvenance, Iteration, PhaseManifest};
use super::phase_store::{PhaseRun, PhaseStore};
use super::tiles::{self, ZeroField};
use crate::program::{AnyProgram, AnyState, Field, Grid, Tiling};
use crate::{Error, Job, Result, Volume};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of tiles in the folders of iterations.
pub(super) struct CheckpointStore {
    checkpoint: Checkpoint,
    grids: Vec<Grid>,
    fields: Vec<Arc<dyn Field>>,
    /// The iteration that wrote each field last.
    provenance: Vec<Option<FieldProvenance>>,
    /// The step, once a phase has begun.
    step: usize,
    /// Folder of the iteration that runs, and of what is merged of it.
    folder: PathBuf,
    merged: PathBuf,
}

impl CheckpointStore {
    /// Images of zeros on `grids`.
    pub fn new(grids: &[Grid], checkpoint: Checkpoint) -> Self {
        let fields = grids.iter().map(|&grid| Arc::new(ZeroField(grid)) as Arc<dyn Field>).collect();
        let (folder, provenance) = (checkpoint.folder.clone(), vec![None; grids.len()]);
        Self {
            grids: grids.to_vec(),
            fields,
            provenance,
            step: 0,
            merged: folder.clone(),
            folder,
            checkpoint,
        }
    }

    /// Notes that an iteration wrote fields. Tiles that it passed over are those of the iterations before.
    fn record(&mut self, run: &PhaseRun) {
        let partly = run.todo.len() < run.tiles.len();
        let by = run.iteration;
        for (slot, &field) in run.spec.writes.iter().enumerate() {
            let now = FieldProvenance { by, since: by.iteration, tile: run.tile, slot, partly };
            let before = self.provenance[field].filter(|w| partly && w.by.phase == by.phase);
            let now = match before {
                Some(before) => FieldProvenance { since: before.since, partly: before.partly, ..now },
                None => now,
            };
            self.provenance[field] = Some(now);
            self.fields[field] = checkpoint::field(&self.checkpoint.folder, self.grids[field], Some(now));
        }
    }
}

impl PhaseStore for CheckpointStore {
    fn fields(&self) -> &[Arc<dyn Field>] {
        &self.fields
    }

    fn folder(&self) -> &Path {
        &self.checkpoint.folder
    }

    fn begin(&mut self, run: &PhaseRun, job: &Job) -> Result<Vec<usize>> {
        self.step = run.iteration.step;
        self.folder = self.checkpoint.folder_of(&run.iteration.name(), run.tile)?;
        let (mut done, mut left) = (0, Vec::new());
        for &i in run.todo {
            if tiles::is_there(&tiles::path_of(&self.folder, i))? {
                done += run.tiles[i].len() as u64;
            } else {
                left.push(i);
            }
        }
        job.advance(done);
        Ok(left)
    }

    fn delegate(
        &self,
        run: &PhaseRun,
        left: &[usize],
        program: &dyn AnyProgram,
        state: &AnyState,
        job: &Job,
    ) -> Result<bool> {
        let Some(runner) = &self.checkpoint.runner else { return Ok(false) };
        // One part of a reduction is done sooner than it is given to anybody.
        if left.is_empty() || run.spec.tiling == Tiling::Reduce && left.len() == 1 {
            return Ok(false);
        }
        let manifest = PhaseManifest {
            iteration: run.iteration,
            keeps: run.keeps,
            folds: None,
            tile: run.tile,
            state: program.write(state),
            fields: self.provenance.clone(),
            results: BTreeMap::default(),
        };
        let parts = left.iter().filter(|_| run.spec.tiling.is_reduce());
        let payloads = parts.map(|&i| (i, program.payload(run.iteration.phase, state, i)));
        let todo: Vec<_> = left.iter().map(|&i| (i, run.tiles[i])).collect();
        self.checkpoint.have_made(manifest, payloads, &todo, &**runner, job)?;
        Ok(true)
    }

    fn put(&self, _: &PhaseRun, tile: usize, outputs: &[Volume], partial: Vec<u8>) -> Result<()> {
        tiles::write(&tiles::path_of(&self.folder, tile), &partial, outputs)
    }

    fn end(&mut self, run: &PhaseRun, folds: bool, job: &Job) -> Result<Vec<(usize, usize)>> {
        self.record(run);
        self.checkpoint.wrote(run.iteration, &self.provenance)?;
        let folded = if folds {
            self.checkpoint.fold(run.iteration, run.tiles.len(), run.todo, run.stage, job)?
        } else {
            None
        };
        Ok(if let Some(folded) = folded {
            self.merged = folded.folder;
            folded.groups
        } else {
            self.merged.clone_from(&self.folder);
            run.todo.iter().map(|&tile| (tile, tile)).collect()
        })
    }

    fn merged(&self, number: usize) -> Result<Vec<u8>> {
        let path = tiles::path_of(&self.merged, number);
        tiles::partial(&path)?.ok_or_else(|| Error::file(&path, "was not made"))
    }

    fn partial(&self, phase: usize, iteration: usize, tile: usize) -> Result<Vec<u8>> {
        checkpoint::partial(&self.checkpoint.folder, Iteration { step: self.step, phase, iteration }, tile)
    }

    fn partial_range(
        &self,
        phase: usize,
        iteration: usize,
        tile: usize,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>> {
        let iteration = Iteration { step: self.step, phase, iteration };
        checkpoint::partial_range(&self.checkpoint.folder, iteration, tile, bytes)
    }

    fn finish(&mut self, step: usize, result: Option<usize>) -> Result<()> {
        self.checkpoint.finished(step, result.and_then(|field| self.provenance[field]))
    }
}
