//! Images of which regions can be had: in memory, in a file, or made by a local operator on demand.

use crate::program::accelerator::{Accelerator, Chain, RegionVoxels, Step};
use crate::program::{Block, Grid, Mode, Prepared};
use crate::{Job, Region, Result, Volume};
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

    /// The local operator that makes it where it is read, if one does.
    fn local(&self) -> Option<&LocalField> {
        None
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

/// What a local operator makes of other fields, computed where it is read. A chain of these is how
/// local steps are fused, and how a recipe is previewed on the part that is visible.
pub struct LocalField {
    prepared: Arc<Prepared>,
    inputs: Vec<Option<Arc<dyn Field>>>,
    accelerated: Option<(Step, Arc<dyn Accelerator>)>,
}

impl LocalField {
    /// `prepared` must be local.
    pub fn new(prepared: Arc<Prepared>, inputs: Vec<Option<Arc<dyn Field>>>) -> Self {
        Self { prepared, inputs, accelerated: None }
    }

    /// The same, where an accelerator may run the step, together with those before it.
    pub fn accelerated(self, step: Step, accelerator: Arc<dyn Accelerator>) -> Self {
        Self { accelerated: Some((step, accelerator)), ..self }
    }

    fn sources(&self, region: Region) -> Vec<Region> {
        let Mode::Local(local) = self.prepared.kernel.mode() else {
            unreachable!("only local operators are made into local fields")
        };
        let out = self.prepared.output.shape;
        let shape = |f: &Option<Arc<dyn Field>>| f.as_ref().map_or(out, |f| f.grid().shape);
        self.inputs.iter().enumerate().map(|(i, f)| local.source(region, i, shape(f))).collect()
    }

    /// The region made by the accelerator, if it takes this step and all before it that it could.
    fn by_accelerator(&self, region: Region, job: &Job) -> Result<Option<Volume>> {
        let Some((_, accelerator)) = &self.accelerated else { return Ok(None) };
        // From the last step to the first, with the region of each result that is needed.
        let mut fields: Vec<(&Self, &Step, Region)> = Vec::new();
        let mut needed = region;
        let mut next = Some(self);
        while let Some(field) = next {
            let Some((step, _)) = field.accelerated.as_ref().filter(|(step, _)| step.keeps_shape()) else {
                break;
            };
            fields.push((field, step, needed));
            needed = field.sources(needed)[0];
            next = field.inputs[0].as_ref().and_then(|f| f.local());
        }
        fields.reverse();
        let steps: Vec<&Step> = fields.iter().map(|f| f.1).collect();
        let Some((first, ..)) = fields.first() else { return Ok(None) };
        if accelerator.takes(&steps, region) < steps.len() {
            return Ok(None);
        }
        let part = |field: &Option<Arc<dyn Field>>, region: Region| {
            field.as_ref().map(|f| Ok(RegionVoxels { region, voxels: f.read(region, job)? })).transpose()
        };
        let input = part(&first.inputs[0], needed)?.expect("the first input is required");
        let others = fields
            .iter()
            .map(|(field, _, out)| {
                let sources = field.sources(*out);
                field.inputs.iter().zip(sources).skip(1).map(|(f, r)| part(f, r)).collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        accelerator.run(&Chain { steps: &steps, input, others, out: region }, job).transpose()
    }
}

impl Field for LocalField {
    fn grid(&self) -> Grid {
        self.prepared.output
    }

    fn local(&self) -> Option<&LocalField> {
        Some(self)
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        job.check()?;
        if let Some(volume) = self.by_accelerator(region, job)? {
            return Ok(Arc::new(volume));
        }
        let Mode::Local(local) = self.prepared.kernel.mode() else {
            unreachable!("only local operators are made into local fields")
        };
        let out = self.prepared.output.shape;
        let shapes: Vec<_> = self.inputs.iter().map(|f| f.as_ref().map_or(out, |f| f.grid().shape)).collect();
        let sources = self.sources(region);
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
