//! What tools do to labels.

mod between;
mod flood;
mod grow_cut;
mod objects;

pub use between::fill_between;
pub use flood::{Flood, TILE, flood};
pub use grow_cut::grow_cut;
pub use objects::{Change, change, operate, separate, split};

use crate::ops::on_volumes;
use crate::program::Kind;
use crate::{Geometry, Job, Result, Volume};

/// The basins of the edges of an image around markers, by the operators gradient-magnitude and watershed.
///
/// # Errors
/// That the job was cancelled.
pub fn watershed(
    image: ndarray::Array3<f32>,
    markers: &ndarray::Array3<u32>,
    geometry: Geometry,
    job: &Job,
) -> Result<ndarray::Array3<u32>> {
    let edges = on_volumes("gradient-magnitude", &[], vec![(Kind::Grey, Volume::F32(image))], geometry, job)?;
    let inputs = vec![(Kind::Grey, edges), (Kind::Labels, Volume::U32(markers.clone()))];
    let basins = on_volumes("watershed", &[], inputs, geometry, job)?;
    Ok(basins.cast(crate::VoxelType::U32).view::<u32>().expect("just cast").to_owned())
}
