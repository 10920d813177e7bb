//! What the filters share: borders, tiles, sums of separable kernels, ranks. No operator is
//! declared here.

mod border;
pub mod exp;
mod histogram;
mod key;
mod network;
pub mod rank;
pub mod separable;
#[cfg(test)]
pub mod testing;
pub mod tile;

pub use border::{BORDER, Border};
pub use separable::{Finish, Separable, Taps};
pub use tile::{Frame, Sink, before, by_tiles, sized};

use crate::program::{Call, Default, Input, Kind, Param, ParamType};
use crate::{Result, VoxelType};

/// The one grey input of most filters.
pub static GREY: &[Input] =
    &[Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." }];

/// The parameter that chooses the type of the result.
pub const OUTPUT: Param = Param {
    name: "output",
    ty: ParamType::Choice(&["float", "same"]),
    default: Default::Value("float"),
    help: "Type of the result: float keeps the fractions for the steps that follow (f32; f64 for f64), same rounds half to even into the input's type.",
};

/// What [`OUTPUT`] means for an input type.
pub fn output_type(choice: &str, input: VoxelType) -> VoxelType {
    match (choice, input) {
        ("same", input) => input,
        (_, VoxelType::F64) => VoxelType::F64,
        _ => VoxelType::F32,
    }
}

/// Whether values of this type need `f64` to be exact.
pub fn is_wide(input: VoxelType) -> bool {
    input.size() > 2 && input != VoxelType::F32
}

/// The radius of a box in whole voxels, rounded to the nearest.
///
/// # Errors
/// If it is a physical length on an image whose spacing is not known, or beyond 4096 voxels.
pub fn box_radius(call: &Call, name: &str) -> Result<[usize; 3]> {
    let radius = call.voxels(name)?.map(f64::round);
    if radius.iter().any(|r| *r > 4096.0) {
        return Err(call.error(format!("{name} is {radius:?} voxels; the most is 4096")));
    }
    Ok(radius.map(|r| r as usize))
}
