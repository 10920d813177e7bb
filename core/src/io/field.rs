//! A frame of an image file as a field of a recipe.

use super::{Frame, ImageSource, remote};
use crate::program::{Field, Grid, Kind};
use crate::{Job, Region, Result, Volume, VoxelType};
use std::sync::Arc;

/// One frame of an image file, read as grey, as a mask (neither 0 nor NaN) or as labels.
pub struct FileField {
    source: Arc<dyn ImageSource>,
    frame: Frame,
    grid: Grid,
}

impl FileField {
    /// A frame of an image, taken as `kind`.
    pub fn new(source: Arc<dyn ImageSource>, frame: Frame, kind: Kind) -> Self {
        let info = source.info();
        let level = &info.levels[frame.level];
        let voxel = match kind {
            Kind::Grey => info.voxel,
            Kind::Mask => VoxelType::U8,
            Kind::Labels => VoxelType::U32,
        };
        let grid = Grid { shape: level.shape, voxel, kind, geometry: level.geometry };
        Self { source, frame, grid }
    }

    fn convert(&self, volume: Volume) -> Result<Volume> {
        Ok(match self.grid.kind {
            Kind::Grey => volume,
            Kind::Mask => {
                crate::with_volume!(&volume, |a| Volume::U8(a.mapv(|v| u8::from(crate::Voxel::is_set(v)))))
            }
            Kind::Labels => return volume.into_labels(),
        })
    }
}

impl Field for FileField {
    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        let (frame, whole) = (self.frame, region == Region::whole(self.grid.shape));
        let volume = remote::cancellable(&self.source, job, move |source| {
            if whole { source.read_all(frame) } else { source.read(frame, region) }
        })?;
        self.convert(volume).map(Arc::new)
    }
}
