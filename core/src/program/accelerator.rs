//! The seam at which a device may run steps instead of the processor. Nothing here knows of devices:
//! steps are ids and arguments, images are volumes.

use crate::program::{Args, Grid};
use crate::{Job, Region, Result, Volume};
use std::any::Any;
use std::sync::Arc;

/// A planned step as plain data.
#[derive(Debug, Clone)]
pub struct Step {
    /// The operator's id.
    pub op: &'static str,
    /// Its arguments, complete.
    pub args: Args,
    /// Grids of its inputs, in the operator's order.
    pub inputs: Vec<Option<Grid>>,
    /// Grid of its result.
    pub output: Grid,
}

impl Step {
    /// Whether the result lies voxel by voxel on the first input.
    pub fn keeps_shape(&self) -> bool {
        self.inputs.first().copied().flatten().is_some_and(|input| input.shape == self.output.shape)
    }
}

/// Voxels of a region of an image.
#[derive(Debug, Clone)]
pub struct RegionVoxels {
    /// Where they lie.
    pub region: Region,
    /// The voxels.
    pub voxels: Arc<Volume>,
}

/// Steps of which each takes the result of the one before as its first input, all on one shape.
pub struct Chain<'a> {
    /// The steps in order.
    pub steps: &'a [&'a Step],
    /// The first input of the first step: the region that [`Chain::out`] needs, or more.
    pub input: RegionVoxels,
    /// Further inputs of each step, in the operator's order from the second on.
    pub others: Vec<Vec<Option<RegionVoxels>>>,
    /// The region of the last step's result that is to be made.
    pub out: Region,
}

/// Sums of objects that a device made: a `measure::sums::Objects`, which this floor doesn't name.
pub type DeviceSums = Box<dyn Any + Send>;

/// A device that may run steps. It gives the same voxels as the operators, or leaves the steps to them.
pub trait Accelerator: Send + Sync {
    /// How many of the steps, from the first on, it takes together to make the region `out`; 0 if it
    /// has no way to, or the operators are faster.
    fn takes(&self, steps: &[&Step], out: Region) -> usize;

    /// Runs a chain that it takes. `None` if it can't after all (a lost device, no memory): the
    /// operators then make the region.
    fn run(&self, chain: &Chain, job: &Job) -> Option<Result<Volume>>;

    /// Sums over the voxels of each object of an image of labels, or of a mask as one object, and over their intensities
    /// in channels; `moments` tells whether second moments are asked for. `None` if it has no way to, or it can't: they
    /// are then found without it.
    fn sums(
        &self,
        labels: &Volume,
        channels: &[&Volume],
        moments: bool,
        job: &Job,
    ) -> Option<Result<DeviceSums>> {
        let _ = (labels, channels, moments, job);
        None
    }
}
