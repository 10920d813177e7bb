//! A call of an operator: the grids of its inputs, its arguments, and the operator set up for them.

use super::args::{Args, Length};
use super::kernel::{Kernel, Local, LocalKernel};
use super::spec::Kind;
use crate::table::{Mesh, Table};
use crate::{Error, Geometry, Result, Volume, VoxelType};

/// What is known of an image before its voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Shape `[z, y, x]`.
    pub shape: [usize; 3],
    /// Type of the voxels.
    pub voxel: VoxelType,
    /// What they mean.
    pub kind: Kind,
    /// Where they lie.
    pub geometry: Geometry,
}

impl Grid {
    /// The same grid with another voxel type and meaning.
    pub fn with(&self, voxel: VoxelType, kind: Kind) -> Self {
        Self { voxel, kind, ..*self }
    }

    /// The grid of a mask of the same shape.
    pub fn mask(&self) -> Self {
        self.with(VoxelType::U8, Kind::Mask)
    }

    /// The grid of labels of the same shape.
    pub fn labels(&self) -> Self {
        self.with(VoxelType::U32, Kind::Labels)
    }
}

/// A call to be prepared: parameters, and the grids of the inputs in the declared order.
pub struct Call<'a> {
    /// The operator's id, for messages.
    pub op: &'static str,
    /// Checked parameters.
    pub args: &'a Args,
    /// Grids in the order of the declaration; `None` for an optional input that is not given.
    /// Required inputs are always present.
    pub inputs: &'a [Option<Grid>],
}

impl Call<'_> {
    /// The grid of the first input.
    pub fn grid(&self) -> Grid {
        self.inputs[0].expect("the first input is required")
    }

    /// A length parameter in voxels of the first input, `[z, y, x]`.
    ///
    /// # Errors
    /// If it is physical and the image's spacing is not known.
    pub fn voxels(&self, name: &str) -> Result<[f64; 3]> {
        self.in_voxels(self.args.length(name))
    }

    /// A length in voxels of the first input, `[z, y, x]`.
    ///
    /// # Errors
    /// If it is physical and the image's spacing is not known, or its axes are not at right angles.
    pub fn in_voxels(&self, length: Length) -> Result<[f64; 3]> {
        if length.unit != crate::Unit::Voxel {
            self.at_right_angles(&format!("\"{length}\" along each axis"))?;
        }
        length.voxels(&self.grid().geometry).map_err(|reason| self.error(reason))
    }

    /// Refuses a first input whose axes are not at right angles, for what is found axis by axis: `what` in a sentence,
    /// such as "distances".
    ///
    /// # Errors
    /// If the grid is sheared.
    pub fn at_right_angles(&self, what: &str) -> Result<()> {
        let grid = self.grid();
        let Some(angle) = grid.geometry.shear(grid.shape) else { return Ok(()) };
        Err(self.error(format!(
            "{what} would be wrong on this image's sheared grid, whose axes meet at {angle:.2}°; straighten it first: \
             voxelry op resample IN OUT --straighten true"
        )))
    }

    /// An error of this operator.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        Error::Operator { op: self.op, reason: reason.into() }
    }
}

/// An operator set up for its inputs.
pub struct Prepared {
    /// Grid of the result; for operators that make tables or meshes, that of the first input.
    pub output: Grid,
    /// What runs.
    pub kernel: Box<dyn Kernel>,
    /// Working memory of a whole run beyond inputs and output, in bytes per voxel of the input.
    pub scratch: f64,
    /// A sentence for each part of the work that may dominate a run.
    pub costs: Vec<String>,
}

impl Prepared {
    /// A local operator.
    pub fn local(output: Grid, kernel: impl Local + 'static) -> Self {
        Self {
            output,
            kernel: Box::new(LocalKernel { local: kernel, out: output.shape }),
            scratch: 0.0,
            costs: Vec::new(),
        }
    }

    /// Any operator.
    pub fn new(output: Grid, kernel: impl Kernel + 'static) -> Self {
        Self { output, kernel: Box::new(kernel), scratch: 0.0, costs: Vec::new() }
    }

    /// States what may dominate a run.
    pub fn costs(mut self, costs: Vec<String>) -> Self {
        self.costs = costs;
        self
    }

    /// States the working memory of a whole run beyond inputs and output, in bytes per voxel.
    pub fn scratch(mut self, bytes_per_voxel: f64) -> Self {
        self.scratch = bytes_per_voxel;
        self
    }
}

/// What a run makes.
#[derive(Debug, Clone)]
pub enum Output {
    /// An image on the prepared output grid.
    Volume(Volume),
    /// Tables of measurements.
    Tables(Vec<Table>),
    /// A surface.
    Mesh(Mesh),
}

impl Output {
    /// The volume; a kernel that declares an image makes one.
    ///
    /// # Panics
    /// If it is something else, which is a defect in the operator.
    pub fn into_volume(self) -> Volume {
        match self {
            Self::Volume(v) => v,
            other => panic!("an image was declared, but {other:?} was made"),
        }
    }
}
