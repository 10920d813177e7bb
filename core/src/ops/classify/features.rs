//! What is known of a voxel: its intensity, and its surroundings at several scales.

use crate::ops::on_volumes;
use crate::program::Kind;
use crate::{Geometry, Job, Region, Result, Volume, VoxelType};
use ndarray::{Array3, s};

/// Scales in voxels.
const SCALES: [&str; 3] = ["1", "2", "4"];
const FILTERS: [&str; 3] = ["gaussian", "gradient-magnitude", "laplacian-of-gaussian"];
/// How many features there are.
pub const COUNT: usize = 1 + SCALES.len() * FILTERS.len();

/// How far around a voxel the features look: four times the largest scale, and one voxel for derivatives.
pub fn halo() -> usize {
    17
}

/// The features of the voxels of a part of a volume, which must have all that lies within [`halo`] of them as far as
/// the image reaches. Lengths are in voxels, whatever their size.
///
/// # Errors
/// That the job was cancelled.
pub fn features(image: &Volume, part: Region, job: &Job) -> Result<Vec<Array3<f32>>> {
    let grey = image.clone().cast(VoxelType::F32);
    let [z, y, x] = part.ranges();
    let cut = |volume: &Volume| {
        volume.view::<f32>().expect("floats were made").slice(s![z.clone(), y.clone(), x.clone()]).to_owned()
    };
    let mut all = vec![cut(&grey)];
    for filter in FILTERS {
        for scale in SCALES {
            let made = on_volumes(
                filter,
                &[("sigma", scale)],
                vec![(Kind::Grey, grey.clone())],
                Geometry::default(),
                job,
            )?;
            all.push(cut(&made.cast(VoxelType::F32)));
        }
    }
    Ok(all)
}
