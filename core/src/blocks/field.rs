//! Images of which regions can be had: in memory, in a file, or made by a local operator on demand.

use crate::io::{Frame, ImageSource};
use crate::ops::{Block, Grid, Kind, Mode, Prepared};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use std::sync::Arc;

/// An image of which regions can be had.
pub trait Field: Send + Sync {
    /// What it is.
    fn grid(&self) -> Grid;

    /// The voxels of a region, which must lie inside.
    ///
    /// # Errors
    /// If a file can't be read or the job is cancelled.
    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>>;

    /// All voxels.
    ///
    /// # Errors
    /// As [`Field::read`].
    fn read_all(&self, job: &Job) -> Result<Arc<Volume>> {
        self.read(Region::whole(self.grid().shape), job)
    }
}

/// A volume in memory.
pub struct MemoryField {
    volume: Arc<Volume>,
    grid: Grid,
}

impl MemoryField {
    /// The volume must have the grid's shape and type.
    pub fn new(volume: Arc<Volume>, grid: Grid) -> Self {
        debug_assert_eq!((volume.shape(), volume.voxel_type()), (grid.shape, grid.voxel));
        Self { volume, grid }
    }
}

impl Field for MemoryField {
    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, region: Region, _: &Job) -> Result<Arc<Volume>> {
        if region == Region::whole(self.grid.shape) {
            return Ok(self.volume.clone());
        }
        Ok(Arc::new(self.volume.crop(region)))
    }
}

/// One frame of an image file, read as grey, as a mask (not 0) or as labels.
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
                crate::with_volume!(&volume, |a| Volume::U8(
                    a.mapv(|v| u8::from(crate::Voxel::to_f64(v) != 0.0))
                ))
            }
            Kind::Labels if volume.voxel_type() == VoxelType::U32 => volume,
            Kind::Labels => crate::with_volume!(&volume, |a| {
                use crate::Voxel;
                let fits = |v: f64| v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v);
                if let Some(bad) = a.iter().map(|v| v.to_f64()).find(|v| !fits(*v)) {
                    return Err(Error::Usage(format!(
                        "an image with the value {bad} can't be taken as labels"
                    )));
                }
                volume.cast(VoxelType::U32)
            }),
        })
    }
}

impl Field for FileField {
    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        job.check()?;
        let whole = region == Region::whole(self.grid.shape);
        let volume =
            if whole { self.source.read_all(self.frame) } else { self.source.read(self.frame, region) }?;
        self.convert(volume).map(Arc::new)
    }
}

/// What a local operator makes of other fields, computed where it is read. A chain of these is how
/// local steps are fused, and how a recipe is previewed on the part that is visible.
pub struct LocalField {
    prepared: Arc<Prepared>,
    inputs: Vec<Option<Arc<dyn Field>>>,
}

impl LocalField {
    /// `prepared` must be local.
    pub fn new(prepared: Arc<Prepared>, inputs: Vec<Option<Arc<dyn Field>>>) -> Self {
        Self { prepared, inputs }
    }
}

impl Field for LocalField {
    fn grid(&self) -> Grid {
        self.prepared.output
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        job.check()?;
        let Mode::Local(local) = self.prepared.kernel.mode() else {
            unreachable!("only local operators are made into local fields")
        };
        let out = self.prepared.output.shape;
        let shapes: Vec<_> = self.inputs.iter().map(|f| f.as_ref().map_or(out, |f| f.grid().shape)).collect();
        let sources: Vec<_> = shapes.iter().enumerate().map(|(i, &s)| local.source(region, i, s)).collect();
        let inputs = self
            .inputs
            .iter()
            .zip(&sources)
            .map(|(f, &r)| f.as_ref().map(|f| f.read(r, job)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let block = Block { out: region, sources, shapes };
        let volume = local.block(&block, inputs, job)?;
        debug_assert_eq!((volume.shape(), volume.voxel_type()), (region.shape, self.prepared.output.voxel));
        Ok(Arc::new(volume))
    }
}
