//! The grid of another image, by its place in the world.

use crate::program::{Call, Grid};
use crate::volume::describe_grid;
use crate::{Geometry, Result};
use glam::DAffine3;

/// The index in the image, as `(x, y, z)`, of an index in another one.
///
/// # Errors
/// If the two images have no world in common.
pub(super) fn onto(call: &Call, like: &Grid) -> Result<DAffine3> {
    let grid = call.grid();
    let (own, other) = (grid.geometry, like.geometry.in_unit(grid.geometry.unit));
    let known = |g: &Geometry| g.unit.metres().is_some();
    if known(&own) != known(&other) {
        let [own, other] = [&grid, like].map(|g| describe_grid(g.shape, &g.geometry));
        return Err(call.error(format!(
            "one of the images has no unit of length, so that their places can't be compared: the image has {own}, like \
             {other}"
        )));
    }
    let usable =
        |g: &Geometry| g.world_from_index.is_finite() && g.world_from_index.matrix3.determinant() != 0.0;
    if !usable(&own) || !usable(&other) {
        return Err(call.error("the map from voxels to the world can't be inverted"));
    }
    Ok(own.world_from_index.inverse() * other.world_from_index)
}
