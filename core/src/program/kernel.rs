//! How a prepared operator runs: on a whole volume in memory, and block by block.

use super::accelerator::Accelerator;
use super::call::Output;
use super::phases::AnyProgram;
use crate::{Job, Region, Result, Volume};
use std::sync::Arc;

/// What a prepared operator does.
pub trait Kernel: Send + Sync {
    /// Runs on whole volumes in memory, in the order of the declared inputs. An input whose `Arc`
    /// is the last may be unwrapped and worked on in place.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`], or what the operator cannot do.
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output>;

    /// The same, where a device may do a part of it.
    ///
    /// # Errors
    /// As [`Kernel::whole`].
    fn whole_on(
        &self,
        inputs: Vec<Option<Arc<Volume>>>,
        accelerator: Option<&dyn Accelerator>,
        job: &Job,
    ) -> Result<Output> {
        let _ = accelerator;
        self.whole(inputs, job)
    }

    /// How it runs block by block.
    fn mode(&self) -> Mode<'_>;
}

/// How an operator runs block by block.
pub enum Mode<'a> {
    /// Each output block needs only a region of the inputs. Consecutive local steps are fused.
    Local(&'a dyn Local),
    /// Phases over blocks with merges in between.
    Program(&'a dyn AnyProgram),
}

/// An operator whose output block depends on a region of its inputs alone.
pub trait Local: Send + Sync {
    /// How far around an output voxel it looks, `[z, y, x]`. Used by the default `source`.
    fn halo(&self) -> [usize; 3] {
        [0; 3]
    }

    /// The region of input number `input`, of `shape`, that output region `out` needs; it must lie
    /// inside. The default is `out` grown by the halo, for operators that keep the grid.
    fn source(&self, out: Region, input: usize, shape: [usize; 3]) -> Region {
        let _ = input;
        out.grown(self.halo(), shape)
    }

    /// Makes one output block. `inputs[i]` covers exactly `block.sources[i]`.
    ///
    /// Where a source reaches the end of the image, the operator applies its border rule there;
    /// elsewhere there are real voxels. The volume has the shape of `block.out`.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`], or what the operator cannot do.
    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume>;
}

/// Which part of the image a kernel is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The output region to make.
    pub out: Region,
    /// The region that each input covers, in the inputs' own indices.
    pub sources: Vec<Region>,
    /// Shape of each whole input (of the output, for absent inputs).
    pub shapes: Vec<[usize; 3]>,
}

impl Block {
    /// The block that is a whole image.
    pub fn whole(out: [usize; 3], inputs: &[Option<Arc<Volume>>]) -> Self {
        let shapes: Vec<_> = inputs.iter().map(|v| v.as_ref().map_or(out, |v| v.shape())).collect();
        Self { out: Region::whole(out), sources: shapes.iter().map(|&s| Region::whole(s)).collect(), shapes }
    }

    /// Shape of the whole first input.
    pub fn image(&self) -> [usize; 3] {
        self.shapes[0]
    }

    /// The output region as indices into the first input's block.
    pub fn inner(&self) -> Region {
        self.out.relative_to(self.sources[0].start)
    }
}

/// Runs a [`Local`] operator whole: as one block.
pub struct LocalKernel<L> {
    /// The operator.
    pub local: L,
    /// Shape of the output.
    pub out: [usize; 3],
}

impl<L: Local> Kernel for LocalKernel<L> {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let block = Block::whole(self.out, &inputs);
        self.local.block(&block, inputs, job).map(Output::Volume)
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Local(&self.local)
    }
}
