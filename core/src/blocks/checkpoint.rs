//! Phases that leave what they make in a folder, so that a run that was given up goes on where it was, and so that tiles
//! can be made by any process that sees the folder: a tile is its number in the folder of its phase's round, which holds
//! a note of everything else.

use super::tiles::{self, TileField, ZeroField};
use crate::error::PathContext;
use crate::program::{AnyProgram, Field, Fold, Grid, TileContext, decode, encode};
use crate::{Error, Job, Region, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A round of a phase of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Iteration {
    /// Number of the step.
    pub step: usize,
    /// Number of its phase.
    pub phase: usize,
    /// How often the phase was run before.
    pub iteration: usize,
}

impl Iteration {
    /// The name of its folder.
    pub fn name(self) -> String {
        let Self { step, phase, iteration } = self;
        format!("{step}-{phase}-{iteration}")
    }
}

/// Where an image between phases is: what the tiles of the rounds of a phase wrote. Those that a round passed over are as
/// the rounds before left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProvenance {
    /// By which round at last.
    pub by: Iteration,
    /// The first of the phase's rounds that tiles may still be of.
    pub since: usize,
    /// Shape of its tiles.
    pub tile: [usize; 3],
    /// Which of the volumes of each tile.
    pub slot: usize,
    /// Whether there are tiles that none of them made, which are 0.
    pub partly: bool,
}

impl FieldProvenance {
    /// The rounds that tiles may be of, the last first.
    fn iterations(self) -> impl Iterator<Item = Iteration> {
        (self.since..=self.by.iteration).rev().map(move |iteration| Iteration { iteration, ..self.by })
    }
}

/// All that is needed to make a tile of a round but the recipe and its images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhaseManifest {
    /// Which round it is.
    pub iteration: Iteration,
    /// Whether it keeps the result of a local step, rather than run a phase.
    pub keeps: bool,
    /// How many tiles there are whose partial results it folds, rather than make them; its own tiles are then groups of
    /// their numbers.
    pub folds: Option<usize>,
    /// Shape of the tiles.
    pub tile: [usize; 3],
    /// The state of the program.
    pub state: Vec<u8>,
    /// Scratch images of the step, as far as they were written to.
    pub fields: Vec<Option<FieldProvenance>>,
    /// Results of steps that are kept.
    pub results: BTreeMap<usize, FieldProvenance>,
}

/// So many partial results are folded to one; fewer are read by whoever merges them.
const FOLDED: usize = if cfg!(test) { 3 } else { 64 };
const MANIFEST: &str = "note";
const SHAPE: &str = "shape";
const SWEPT: &str = "swept";
const ABOUT: &str = "about";

impl PhaseManifest {
    /// The name of its folder.
    pub fn name(&self) -> String {
        let name = self.iteration.name();
        if self.folds.is_some() { format!("{name}-folded") } else { name }
    }

    /// Reads the note of a round's folder.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = std::fs::read(&path).at(&path)?;
        decode(&bytes).map_err(|_| Error::file(&path, "is not a phase manifest of this version"))
    }
}

/// Who makes tiles.
pub trait Runner: Send + Sync {
    /// Makes tiles of the round in `folder`, by their numbers and with their regions: each leaves its file there. Advances
    /// the job by their voxels.
    ///
    /// # Errors
    /// What the operator cannot do, a full disk, or [`Error::Cancelled`]. Tiles that were made stay.
    fn run(&self, folder: &Path, todo: &[(usize, Region)], job: &Job) -> Result<()>;
}

/// The folder of a run that can be resumed.
#[derive(Clone)]
pub struct Checkpoint {
    /// Where it is.
    pub folder: PathBuf,
    /// Who makes the tiles; this process if nobody is named.
    pub runner: Option<Arc<dyn Runner>>,
    live_volumes: Arc<Mutex<LiveVolumes>>,
}

/// What tiles found, folded in groups.
pub(super) struct Folded {
    /// The folder of the groups.
    pub folder: PathBuf,
    /// Their numbers, each with that of the first tile in it.
    pub groups: Vec<(usize, usize)>,
}

#[derive(Debug, Default)]
struct LiveVolumes {
    results: BTreeMap<usize, FieldProvenance>,
    /// Rounds that wrote volumes which are still there.
    iterations: BTreeSet<Iteration>,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// A run in a folder, new or resumed. `about` says what it is a run of: what another left there is removed.
    ///
    /// # Errors
    /// If the folder can't be made, or what was there can't be removed.
    pub fn new(folder: impl Into<PathBuf>, about: &str, runner: Option<Arc<dyn Runner>>) -> Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).at(&folder)?;
        let path = folder.join(ABOUT);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(about) {
            clear(&folder)?;
            std::fs::write(&path, about).at(&path)?;
        }
        Ok(Self { folder, runner, live_volumes: Arc::default() })
    }

    fn live_volumes(&self) -> std::sync::MutexGuard<'_, LiveVolumes> {
        self.live_volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of a round, which is made; it says of which shape its tiles are.
    pub(super) fn folder_of(&self, iteration: &str, tile: [usize; 3]) -> Result<PathBuf> {
        let folder = self.folder.join(iteration);
        std::fs::create_dir_all(&folder).at(&folder)?;
        let path = folder.join(SHAPE);
        if !path.exists() {
            std::fs::write(&path, tile.map(|n| n.to_string()).join(" ")).at(&path)?;
        }
        Ok(folder)
    }

    /// Leaves the note of a round for those who make its tiles, and what parts are told.
    fn begin(
        &self,
        mut manifest: PhaseManifest,
        payloads: impl Iterator<Item = (usize, Vec<u8>)>,
    ) -> Result<()> {
        let folder = self.folder.join(manifest.name());
        for (part, order) in payloads.filter(|(_, order)| !order.is_empty()) {
            let path = payload_path(&folder, part);
            std::fs::write(&path, order).at(&path)?;
        }
        manifest.results.clone_from(&self.live_volumes().results);
        let (begun, path) = (folder.join("note.part"), folder.join(MANIFEST));
        std::fs::write(&begun, encode(&manifest)).at(&begun)?;
        std::fs::rename(&begun, &path).at(&path)
    }

    /// All tiles of a round are there: nobody needs its note, which may be large, nor what its parts were told.
    fn end(&self, folder: &Path, todo: &[(usize, Region)]) -> Result<()> {
        for path in todo.iter().map(|(part, _)| payload_path(folder, *part)).filter(|path| path.exists()) {
            std::fs::remove_file(&path).at(&path)?;
        }
        let path = folder.join(MANIFEST);
        std::fs::remove_file(&path).at(&path)
    }

    /// Has tiles of a round made by whoever makes them: those of `todo`, with what parts are told.
    ///
    /// # Errors
    /// What [`Runner::run`] says, or if files can't be written.
    pub(super) fn have_made(
        &self,
        manifest: PhaseManifest,
        payloads: impl Iterator<Item = (usize, Vec<u8>)>,
        todo: &[(usize, Region)],
        runner: &dyn Runner,
        job: &Job,
    ) -> Result<()> {
        let folder = self.folder.join(manifest.name());
        self.begin(manifest, payloads)?;
        runner.run(&folder, todo, job)?;
        self.end(&folder, todo)
    }

    /// Has what the tiles `todo` of a round found folded in groups, where there is somebody for that: the folder of the
    /// groups, and their numbers with that of the first tile of each. `count` is the number of all tiles, `stage` what
    /// they were made in.
    ///
    /// # Errors
    /// As [`Checkpoint::have_made`].
    pub(super) fn fold(
        &self,
        iteration: Iteration,
        count: usize,
        todo: &[usize],
        stage: &str,
        job: &Job,
    ) -> Result<Option<Folded>> {
        let Some(runner) = self.runner.as_ref().filter(|_| todo.len() > FOLDED) else { return Ok(None) };
        let tile = [FOLDED, 1, 1];
        let (fields, results) = (Vec::new(), BTreeMap::default());
        let manifest = PhaseManifest {
            iteration,
            keeps: false,
            folds: Some(count),
            tile,
            state: Vec::new(),
            fields,
            results,
        };
        let folder = self.folder_of(&manifest.name(), tile)?;
        let groups = Region::whole([count, 1, 1]).tiles(tile);
        let mut folded = Folded { folder, groups: Vec::new() };
        let mut left = Vec::new();
        for tiles in todo.chunk_by(|a, b| a / FOLDED == b / FOLDED) {
            let group = tiles[0] / FOLDED;
            folded.groups.push((group, tiles[0]));
            if !tiles::is_there(&tiles::path_of(&folded.folder, group))? {
                left.push((group, groups[group]));
            }
        }
        job.stage(format!("{stage}, gathered"), left.iter().map(|(_, group)| group.len() as u64).sum());
        if !left.is_empty() {
            self.have_made(manifest, std::iter::empty(), &left, &**runner, job)?;
        }
        Ok(Some(folded))
    }

    /// What a round wrote is there now; what nobody needs any more is removed.
    pub(super) fn wrote(&self, iteration: Iteration, live: &[Option<FieldProvenance>]) -> Result<()> {
        self.live_volumes().iterations.insert(iteration);
        self.sweep(live)
    }

    /// A step is done; its result is where this says.
    pub(super) fn finished(&self, step: usize, result: Option<FieldProvenance>) -> Result<()> {
        if let Some(written) = result {
            self.live_volumes().results.insert(step, written);
        }
        self.sweep(&[])
    }

    /// The result of a step is not needed any more.
    ///
    /// # Errors
    /// If files can't be removed.
    pub fn forget(&self, step: usize) -> Result<()> {
        match self.live_volumes().results.remove(&step) {
            Some(_) => {}
            None => return Ok(()),
        }
        self.sweep(&[])
    }

    /// Removes the volumes of rounds that are neither live nor results. That their tiles are done stays known.
    fn sweep(&self, live: &[Option<FieldProvenance>]) -> Result<()> {
        let mut live_volumes = self.live_volumes();
        let needed: BTreeSet<Iteration> = live
            .iter()
            .flatten()
            .chain(live_volumes.results.values())
            .flat_map(|written| written.iterations())
            .collect();
        let gone: Vec<Iteration> = live_volumes.iterations.difference(&needed).copied().collect();
        for iteration in gone {
            live_volumes.iterations.remove(&iteration);
            let folder = self.folder.join(iteration.name());
            let swept = folder.join(SWEPT);
            if swept.exists() {
                continue;
            }
            for entry in std::fs::read_dir(&folder).at(&folder)? {
                let path = entry.at(&folder)?.path();
                if path.extension().is_some_and(|e| e == "tile") {
                    tiles::drop_volumes(&path)?;
                }
            }
            std::fs::write(&swept, []).at(&swept)?;
        }
        Ok(())
    }
}

/// Removes what the rounds of a run left in its folder.
///
/// # Errors
/// If something can't be removed.
pub fn clear(folder: &Path) -> Result<()> {
    // First, so that a run of which only a part is left, should this be cut short, is not resumed.
    let path = folder.join(ABOUT);
    if path.exists() {
        std::fs::remove_file(&path).at(&path)?;
    }
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(&path).at(&path)?;
        }
    }
    Ok(())
}

/// The shape of the tiles of a round, in whose folder it is.
pub fn tile_of(iteration: &Path) -> Option<[usize; 3]> {
    let text = std::fs::read_to_string(iteration.join(SHAPE)).ok()?;
    let shape: Vec<usize> =
        text.split(' ').map(|n| n.parse().ok().filter(|n| *n > 0)).collect::<Option<_>>()?;
    shape.try_into().ok()
}

/// What a tile found in a round of a run in a folder; nothing if it was passed over.
///
/// # Errors
/// If it can't be read.
pub fn partial(folder: &Path, iteration: Iteration, tile: usize) -> Result<Vec<u8>> {
    Ok(tiles::partial(&tiles::path_of(&folder.join(iteration.name()), tile))?.unwrap_or_default())
}

/// Some bytes of it, as many of the range as there are.
///
/// # Errors
/// If they can't be read.
pub fn partial_range(folder: &Path, iteration: Iteration, tile: usize, bytes: Range<u64>) -> Result<Vec<u8>> {
    tiles::partial_range(&tiles::path_of(&folder.join(iteration.name()), tile), bytes)
}

/// Folds what the tiles `group` of a round found.
///
/// # Errors
/// What the fold says, or if something can't be read.
pub fn fold(folder: &Path, iteration: Iteration, group: Region, fold: Fold, job: &Job) -> Result<Vec<u8>> {
    let found = group.ranges()[0].clone().map(|tile| {
        job.check()?;
        partial(folder, iteration, tile)
    });
    // Tiles that were passed over found nothing.
    fold(&mut found.filter(|found| !found.as_ref().is_ok_and(Vec::is_empty)))
}

/// What there is beside a tile for those who make it from the folder of its run.
pub struct RemoteContext<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The round.
    pub iteration: Iteration,
    /// The operator's inputs.
    pub inputs: &'a [Option<Arc<dyn Field>>],
    /// A folder for temporary files.
    pub scratch: PathBuf,
}

impl TileContext for RemoteContext<'_> {
    fn partial(&self, phase: usize, iteration: usize, tile: usize) -> Result<Vec<u8>> {
        partial(self.folder, Iteration { phase, iteration, ..self.iteration }, tile)
    }

    fn partial_range(
        &self,
        phase: usize,
        iteration: usize,
        tile: usize,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>> {
        partial_range(self.folder, Iteration { phase, iteration, ..self.iteration }, tile, bytes)
    }

    fn payload(&self, part: usize) -> Result<Vec<u8>> {
        let path = payload_path(&self.folder.join(self.iteration.name()), part);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.at(&path),
        }
    }

    fn inputs(&self) -> &[Option<Arc<dyn Field>>] {
        self.inputs
    }

    fn scratch(&self) -> &Path {
        &self.scratch
    }

    fn run_program(&self, block: [usize; 3], grid: Grid, program: &dyn AnyProgram, job: &Job) -> Result<()> {
        super::tile_task::run_nested(self, block, grid, program, job)
    }
}

/// Where a part of a round is told what [`crate::program::Program::payload`] says.
fn payload_path(folder: &Path, part: usize) -> PathBuf {
    folder.join(format!("{part}.order"))
}

/// An image that was written by rounds in `folder`, or not yet.
pub fn field(folder: &Path, grid: Grid, written: Option<FieldProvenance>) -> Arc<dyn Field> {
    match written {
        Some(written @ FieldProvenance { tile, slot, partly, .. }) => {
            let folders = written.iterations().map(|iteration| folder.join(iteration.name())).collect();
            Arc::new(TileField::new(grid, folders, tile, slot, partly))
        }
        None => Arc::new(ZeroField(grid)),
    }
}
