//! Median and percentile over a box or a ball.

use super::Operator;
use super::filter::rank::{Rank, Window};
use super::filter::{BORDER, Border, GREY, box_radius};
use crate::Result;
use crate::program::{Call, Default, Group, Kind, Param, ParamType, Prepared, Produces, Spec};

/// Median.
pub struct Median;

/// Percentile.
pub struct Percentile;

const RADIUS: Param = Param {
    name: "radius",
    ty: ParamType::Length { min: 0.0 },
    default: Default::Value("1"),
    help: "Voxels on each side; 1 makes a window of 3.",
};

const SHAPE: Param = Param {
    name: "shape",
    ty: ParamType::Choice(&["box", "ball"]),
    default: Default::Value("box"),
    help: "Window: a box, or a ball (an ellipsoid where radii differ).",
};

/// Beyond this, binning first gives the same picture in a thousandth of the time.
const GREATEST_RADIUS: usize = 100;

static MEDIAN: Spec = Spec {
    id: "median",
    group: Group::Filter,
    summary: "Replaces each voxel by the median of the window around it: removes specks and keeps edges.",
    details: "A box is 2·radius + 1 voxels an axis, its radii rounded to whole voxels; a ball is every voxel with \
        Σ(distance∕radius)² ≤ 1. Windows have an odd number of voxels. NaN counts as greater than any number, and \
        −0 as less than +0; otherwise the same values and borders as scipy.ndimage.median_filter. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[RADIUS, SHAPE, BORDER],
};

static PERCENTILE: Spec = Spec {
    id: "percentile",
    group: Group::Filter,
    summary: "Replaces each voxel by a percentile of the window around it.",
    details: "The value of rank ⌊n·percentile∕100⌋ of the n in the window, counted from 0, and the greatest for 100, \
        as scipy.ndimage.percentile_filter: 0 is the minimum, 50 the median. Windows, NaN and borders are those of \
        median. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "percentile",
            ty: ParamType::Float { min: 0.0, max: 100.0 },
            default: Default::Value("50"),
            help: "Share of the window that lies below, in per cent.",
        },
        RADIUS,
        SHAPE,
        BORDER,
    ],
};

impl Operator for Median {
    fn spec(&self) -> &'static Spec {
        &MEDIAN
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        prepare(call, |count| count / 2)
    }
}

impl Operator for Percentile {
    fn spec(&self) -> &'static Spec {
        &PERCENTILE
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let percentile = call.args.float("percentile");
        prepare(call, |count| ((count as f64 * percentile / 100.0) as usize).min(count - 1))
    }
}

fn prepare(call: &Call, rank: impl Fn(usize) -> usize) -> Result<Prepared> {
    let rounded = box_radius(call, "radius")?;
    let window = match call.args.text("shape") {
        "ball" => Window::Ball(call.voxels("radius")?),
        _ => Window::Box(rounded),
    };
    if rounded.iter().any(|r| *r > GREATEST_RADIUS) {
        return Err(call.error(format!(
            "a radius of {} voxels is too large; the most is {GREATEST_RADIUS}",
            rounded.into_iter().max().unwrap_or(0)
        )));
    }
    let rank = rank(window.len());
    let border = Border::named(call.args.text("border"));
    let grid = call.grid();
    Ok(Prepared::local(grid.with(grid.voxel, Kind::Grey), Rank::new(&window, rank, border, grid.voxel)))
}

#[cfg(test)]
mod tests {
    use crate::Volume;
    use crate::ops::filter::testing::{check_blocks, check_peers, run, values};
    use ndarray::Array3;

    #[test]
    fn equal_to_peers() {
        check_peers("median");
        check_peers("percentile");
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("median", &[], 1, 12);
        check_blocks("median", &[("radius", "2")], 2, 10);
        check_blocks("median", &[("radius", "4"), ("border", "mirror")], 3, 10);
        check_blocks("median", &[("radius", "2"), ("shape", "ball"), ("border", "reflect")], 4, 10);
        check_blocks("percentile", &[("percentile", "20"), ("radius", "1,0,3")], 5, 10);
        check_blocks("percentile", &[("percentile", "90"), ("radius", "5"), ("shape", "ball")], 6, 6);
    }

    #[test]
    fn nan_is_the_greatest() {
        let check = |nans: usize, nan: bool| {
            let mut a = Array3::from_elem((3, 3, 3), -1.0f32);
            a.iter_mut().take(nans).for_each(|v| *v = -f32::NAN);
            let seen = values(&run("median", &[], &Volume::from(a), [1.0; 3]))[13];
            assert_eq!(seen.is_nan(), nan, "{nans} of 27");
        };
        check(13, false);
        check(14, true);
    }
}
