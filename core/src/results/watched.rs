//! The image that a kept run is making, as far as it is there.

use super::Ready;
use crate::blocks::kept::{self, Round};
use crate::blocks::{Field, tiles};
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::ops::{Grid, Kind, Mode};
use crate::{Error, Job, Region, Result, Volume};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An image whose tiles come one after the other; what isn't there yet is 0.
pub struct Watched {
    info: ImageInfo,
    field: tiles::TileField,
    folder: PathBuf,
    parts: Vec<Region>,
}

impl Watched {
    /// The result of the run of an order in a folder; none if nothing of it is there yet.
    pub fn new(ready: &Ready, run: &Path) -> Option<Self> {
        let plan = &ready.plan;
        let value = *ready.keep().last()?;
        let (grid, step) = (plan.grids[value], value - plan.sources);
        let (slots, voxel): (Vec<Option<usize>>, _) = match plan.steps[step].prepared.kernel.mode() {
            // Kept as it is.
            Mode::Local(_) => (vec![Some(0)], grid.voxel),
            Mode::Program(program) => {
                let result = program.result()?;
                let slot = |phase: crate::ops::Phase| phase.writes.iter().position(|field| *field == result);
                (program.phases().into_iter().map(slot).collect(), program.fields()[result].voxel)
            }
        };
        let newest = slots.iter().enumerate().rev().find_map(|(phase, slot)| {
            let slot = (*slot)?;
            let folder = |round| run.join(Round { step, phase, round }.name());
            let mut newest = None;
            while folder(newest.map_or(0, |n| n + 1)).is_dir() {
                newest = Some(newest.map_or(0, |n| n + 1));
            }
            Some((folder(newest?), slot))
        });
        let (folder, slot) = newest?;
        let tile = kept::tile_of(&folder)?;
        let grid = Grid { voxel, ..grid };
        let mut info = ImageInfo::simple("run", grid.shape, [64; 3], voxel, grid.geometry);
        info.labels = grid.kind != Kind::Grey;
        let field = tiles::TileField::new(grid, folder.clone(), tile, slot, true);
        Some(Self { info, field, folder, parts: Region::whole(grid.shape).tiles(tile) })
    }

    /// Numbers of the parts that are there.
    ///
    /// # Errors
    /// If the folder can't be read, which is so when the run is over.
    pub fn there(&self) -> Result<BTreeSet<usize>> {
        let entries = std::fs::read_dir(&self.folder).map_err(|e| Error::io(&self.folder, e))?;
        let number = |name: &str| name.strip_suffix(".tile")?.parse().ok();
        Ok(entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect())
    }

    /// All parts of the image.
    pub fn parts(&self) -> &[Region] {
        &self.parts
    }
}

impl ImageSource for Watched {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame != Frame::default() || !Region::whole(self.info.shape()).contains(&region) {
            return Err(Error::Usage("a run makes one frame, and this lies beyond it".into()));
        }
        let read = self.field.read(region, &Job::silent()).map(std::sync::Arc::unwrap_or_clone);
        // What isn't there any more is not 0.
        if self.folder.is_dir() {
            read
        } else {
            Err(Error::file(&self.folder, "is gone: the run that made it is over"))
        }
    }
}
