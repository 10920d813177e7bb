//! The image that a kept run is making, as far as it is there.

use super::OpenedJob;
use crate::blocks::checkpoint::{self, Iteration};
use crate::blocks::tiles;
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::program::{Field, Grid, Kind, Mode};
use crate::{Error, Job, Region, Result, Volume};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An image whose tiles come one after the other; what isn't there yet is 0.
pub struct PartialResult {
    info: ImageInfo,
    field: tiles::TileField,
    folders: Vec<PathBuf>,
    parts: Vec<Region>,
}

impl PartialResult {
    /// The result of the run of an order in a folder; none if nothing of it is there yet.
    pub fn new(opened: &OpenedJob, run: &Path) -> Option<Self> {
        let plan = &opened.plan;
        let value = *opened.keep().last()?;
        let (grid, step) = (plan.grids[value], value - plan.sources);
        let (slots, voxel): (Vec<Option<usize>>, _) = match plan.steps[step].prepared.kernel.mode() {
            // Kept as it is.
            Mode::Local(_) => (vec![Some(0)], grid.voxel),
            Mode::Program(program) => {
                let result = program.result()?;
                let slot =
                    |phase: crate::program::Phase| phase.writes.iter().position(|field| *field == result);
                (program.phases().into_iter().map(slot).collect(), program.fields()[result].voxel)
            }
        };
        // The rounds of the last phase that has begun to write it, the last first.
        let of_phase = |(phase, slot): (usize, &Option<usize>)| {
            let folder = |iteration| run.join(Iteration { step, phase, iteration }.name());
            let mut folders: Vec<PathBuf> = Vec::new();
            while folder(folders.len()).is_dir() {
                folders.push(folder(folders.len()));
            }
            folders.reverse();
            slot.filter(|_| !folders.is_empty()).map(|slot| (folders, slot))
        };
        let (folders, slot) = slots.iter().enumerate().rev().find_map(of_phase)?;
        let tile = checkpoint::tile_of(&folders[0])?;
        let grid = Grid { voxel, ..grid };
        let mut info = ImageInfo::simple("run", grid.shape, [64; 3], voxel, grid.geometry);
        info.labels = grid.kind != Kind::Grey;
        let field = tiles::TileField::new(grid, folders.clone(), tile, slot, true);
        Some(Self { info, field, folders, parts: Region::whole(grid.shape).tiles(tile) })
    }

    /// Numbers of the parts that are there.
    ///
    /// # Errors
    /// If the folder can't be read, which is so when the run is over.
    pub fn there(&self) -> Result<BTreeSet<usize>> {
        let number = |name: &str| name.strip_suffix(".tile")?.parse::<usize>().ok();
        let mut there = BTreeSet::new();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
            there.extend(entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)));
        }
        Ok(there)
    }

    /// All parts of the image.
    pub fn parts(&self) -> &[Region] {
        &self.parts
    }
}

impl ImageSource for PartialResult {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame != Frame::default() || !Region::whole(self.info.shape()).contains(&region) {
            return Err(Error::Usage("a run makes one frame, and this lies beyond it".into()));
        }
        let read = self.field.read(region, &Job::silent()).map(std::sync::Arc::unwrap_or_clone);
        // What isn't there any more is not 0.
        if self.folders[0].is_dir() {
            read
        } else {
            Err(Error::file(&self.folders[0], "is gone: the run that made it is over"))
        }
    }
}
