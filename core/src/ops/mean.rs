//! Mean over a box.

use super::Operator;
use super::filter::{BORDER, Border, Finish, GREY, OUTPUT, Separable, Taps, output_type};
use crate::Result;
use crate::program::{Call, Default, Group, Kind, Param, ParamType, Prepared, Produces, Spec};

/// Mean over a box.
pub struct Mean;

static SPEC: Spec = Spec {
    id: "mean",
    group: Group::Filter,
    summary: "Replaces each voxel by the mean of the box around it.",
    details: "The box is 2·radius + 1 voxels an axis; a radius that is no whole number of voxels is rounded to the \
        nearest. Sums of integers are exact (beyond 2⁵³ they are rounded); f32 is summed in f32 in a fixed order. \
        The same borders as scipy.ndimage.uniform_filter. NaN spreads as far as the box reaches. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "radius",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("1"),
            help: "Voxels on each side; 1 makes a box of 3.",
        },
        BORDER,
        OUTPUT,
    ],
};

impl Operator for Mean {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let radius = super::filter::box_radius(call, "radius")?;
        let count: usize = radius.iter().map(|r| 2 * r + 1).product();
        let output = output_type(call.args.text("output"), call.grid().voxel);
        let filter = Separable {
            exact: true,
            ..Separable::single(
                radius.map(Taps::sum),
                Finish::Scaled(1.0 / count as f64),
                Border::named(call.args.text("border")),
                output,
            )
        };
        Ok(Prepared::local(call.grid().with(output, Kind::Grey), filter))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::filter::testing::{check_blocks, check_peers};

    #[test]
    fn equal_to_peers() {
        check_peers("mean");
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("mean", &[("radius", "1")], 1, 12);
        check_blocks("mean", &[("radius", "3,0,5"), ("border", "reflect"), ("output", "same")], 2, 10);
    }
}
