//! Operators that change the grid: which voxels there are and where they lie. World positions of
//! what the image shows stay what they were.

mod bin;
mod crop;
mod onto;
mod pad;
mod resample;
mod sampler;
mod straight;
#[cfg(test)]
mod tests;
mod turn;

pub use bin::Bin;
pub use crop::Crop;
pub use pad::Pad;
pub use resample::Resample;
pub use turn::{Flip, Rotate};

use crate::program::{Call, Input, Kind};
use crate::{Region, Result, Volume};
use std::sync::Arc;

const IMAGE: Input = Input {
    name: "input",
    kinds: &[Kind::Grey, Kind::Mask, Kind::Labels],
    optional: false,
    help: "The image.",
};

/// One whole number for all axes, or three for `z, y, x`; `None` if the parameter is absent.
fn triple(call: &Call, name: &str, least: f64) -> Result<Option<[usize; 3]>> {
    let Some(numbers) = call.args.numbers(name) else { return Ok(None) };
    let three = match *numbers {
        [n] => [n; 3],
        [z, y, x] => [z, y, x],
        _ => return Err(call.error(format!("{name} takes one number, or three for z, y, x"))),
    };
    if three.iter().any(|n| n.fract() != 0.0 || !(least..1e15).contains(n)) {
        return Err(call.error(format!("{name} takes whole numbers ≥ {least}, not {numbers:?}")));
    }
    Ok(Some(three.map(|n| n as usize)))
}

/// The part of a block's input that is needed, which may be all of it.
fn part(input: Arc<Volume>, need: Region) -> Volume {
    if need == Region::whole(input.shape()) {
        return Arc::try_unwrap(input).unwrap_or_else(|shared| (*shared).clone());
    }
    input.crop(need)
}
