//! Operators on intensities, voxel by voxel: some after statistics of the whole image.

mod convert;
mod exact;
mod pointwise;
mod stretch;
#[cfg(test)]
mod tests;

pub use pointwise::{Arithmetic, Cast, Clip, Mask};
pub use stretch::{Invert, Normalise, Rescale};

use crate::program::{Call, Input, Kind, ParamType};
use crate::{Result, VoxelType};

const IMAGE: Input = Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." };

/// The voxel types by name, and `same`.
const TYPES: ParamType =
    ParamType::Choice(&["same", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]);

const ANY: ParamType = ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY };

/// The type that a parameter declared with [`TYPES`] names.
fn voxel_type(call: &Call, name: &str) -> VoxelType {
    call.args.text(name).parse().unwrap_or(call.grid().voxel)
}

/// The whole range of an integer type; 0…1 for floats.
fn type_range(voxel: VoxelType) -> (f64, f64) {
    use crate::Voxel;
    if voxel.is_float() {
        return (0.0, 1.0);
    }
    crate::with_voxel!(voxel, |T| (T::LOWEST.to_f64(), T::HIGHEST.to_f64()))
}

/// Checks that a second image lies on the grid of the first.
fn same_shape(call: &Call, other: usize) -> Result<()> {
    let (a, b) = (call.grid().shape, call.inputs[other].map(|g| g.shape));
    match b {
        Some(b) if a != b => Err(call.error(format!("the images differ in shape: {a:?} and {b:?}"))),
        _ => Ok(()),
    }
}
