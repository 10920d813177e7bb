//! Flat-field correction.

use super::Operator;
use super::filter::{OUTPUT, by_tiles, output_type};
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use std::sync::Arc;

/// Flat-field correction.
pub struct FlatField;

static SPEC: Spec = Spec {
    id: "flat-field",
    group: Group::Filter,
    summary: "Corrects uneven illumination and detector gain with an image of nothing (flat) and one without light (dark).",
    details: "scale · (v − dark) ∕ (flat − dark), without a dark image scale · v ∕ flat: with scale 1 it is the \
        transmission. Flat and dark are as large as the image, or of one voxel along an axis (one frame for all \
        planes). Where flat − dark is not positive or not a number (dead pixels) the result is fill; a NaN of the \
        image or the dark stays NaN (0 in an integer result). Pointwise, computed in f64; exact block by block.",
    inputs: &[
        Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." },
        Input { name: "flat", kinds: &[Kind::Grey], optional: false, help: "The same without a sample." },
        Input {
            name: "dark",
            kinds: &[Kind::Grey],
            optional: true,
            help: "The same without light; 0 if not given.",
        },
    ],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "scale",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("1"),
            help: "What full transmission becomes; the mean of flat − dark keeps the image's own range.",
        },
        Param {
            name: "fill",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("0"),
            help: "Result where the flat image says nothing.",
        },
        OUTPUT,
    ],
};

impl Operator for FlatField {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        for (input, name) in call.inputs.iter().zip(["", "flat", "dark"]).skip(1) {
            let Some(other) = input else { continue };
            if (0..3).any(|a| other.shape[a] != grid.shape[a] && other.shape[a] != 1) {
                return Err(call.error(format!(
                    "{name} is {:?} voxels, the image {:?}; each axis must be as long, or 1",
                    other.shape, grid.shape
                )));
            }
        }
        let output = output_type(call.args.text("output"), grid.voxel);
        let kernel = Correct { scale: call.args.float("scale"), fill: call.args.float("fill"), output };
        Ok(Prepared::local(grid.with(output, Kind::Grey), kernel))
    }
}

struct Correct {
    scale: f64,
    fill: f64,
    output: VoxelType,
}

impl Local for Correct {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        // An axis of one voxel stands for all indices.
        let one = |a: usize| shape[a] == 1;
        Region::new(
            std::array::from_fn(|a| if one(a) { 0 } else { out.start[a] }),
            std::array::from_fn(|a| if one(a) { out.shape[a].min(1) } else { out.shape[a] }),
        )
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let image = inputs[0].as_deref().expect("the first input is required");
        let flat = inputs[1].as_deref().expect("the second input is required");
        let dark = inputs[2].as_deref();
        let nx = block.out.shape[2];
        let size = [1, 16, nx];
        by_tiles(
            self.output,
            block.out,
            size,
            job,
            || [const { Vec::new() }; 3],
            |rows, tile| {
                let [values, bright, black] = rows;
                let region = tile.region().relative_to(block.out.start);
                for (i, y) in (region.start[1]..region.end()[1]).enumerate() {
                    let z = region.start[0];
                    read_row(image, z, y, nx, values);
                    read_row(flat, z, y, nx, bright);
                    black.clear();
                    black.resize(nx, 0.0);
                    if let Some(dark) = dark {
                        read_row(dark, z, y, nx, black);
                    }
                    for ((v, flat), dark) in values.iter_mut().zip(&*bright).zip(&*black) {
                        let light = flat - dark;
                        // A dark of NaN makes the light NaN, but the result is to stay NaN.
                        let known = light > 0.0 || dark.is_nan();
                        *v = if known { self.scale * (*v - dark) / light } else { self.fill };
                    }
                    tile.put_wide(0, i, values);
                }
                Ok(())
            },
        )
    }
}

/// Row `z, y` of a volume as `f64`, of `nx` voxels; axes of one voxel are repeated.
fn read_row(volume: &Volume, z: usize, y: usize, nx: usize, row: &mut Vec<f64>) {
    row.clear();
    let [vz, vy, vx] = volume.shape();
    let first = ((if vz == 1 { 0 } else { z }) * vy + if vy == 1 { 0 } else { y }) * vx;
    with_volume!(volume, |a| {
        let data = &a.as_slice().expect("volumes are in C order")[first..first + vx];
        if vx == nx {
            row.extend(data.iter().map(|v| v.to_f64()));
        } else {
            row.resize(nx, data[0].to_f64());
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::blocks::run_prepared;
    use crate::ops::filter::testing::{Random, grid, prepare, values};
    use crate::{Job, Volume, VoxelType};
    use ndarray::Array3;
    use std::sync::Arc;

    fn run(args: &[(&str, &str)], volumes: &[Option<Volume>], block: Option<[usize; 3]>) -> Volume {
        let inputs: Vec<_> =
            volumes.iter().map(|v| v.clone().map(|v| (Arc::new(v.clone()), grid(&v, [1.0; 3])))).collect();
        let grids: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|i| i.1)).collect();
        let prepared = prepare("flat-field", args, &grids).unwrap();
        match block {
            Some(block) => run_prepared(prepared, &inputs, block, &Job::silent()).unwrap(),
            None => {
                let volumes = inputs.into_iter().map(|i| i.map(|i| i.0)).collect();
                prepared.kernel.whole(volumes, &Job::silent()).unwrap()
            }
        }
        .into_volume()
    }

    fn line<T: crate::Voxel>(values: &[T]) -> Volume {
        Volume::from(Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap())
    }

    #[test]
    fn dead_pixels_are_filled_and_nan_stays() {
        let image = line(&[30.0f32, 30.0, 30.0, f32::NAN, 30.0]);
        let flat = line(&[50.0f32, 10.0, f32::NAN, 50.0, 5.0]);
        let dark = line(&[10u8; 5]);
        let seen =
            run(&[("scale", "2"), ("fill", "-1")], &[Some(image.clone()), Some(flat), Some(dark)], None);
        let seen = values(&seen);
        assert_eq!(seen[..3], [1.0, -1.0, -1.0]);
        assert!(seen[3].is_nan());
        assert_eq!(seen[4], -1.0);
        let seen = values(&run(&[], &[Some(line(&[8u16, 7])), Some(line(&[4u16, 0])), None], None));
        assert_eq!(seen, [2.0, 0.0]);
    }

    #[test]
    fn one_frame_serves_all_planes_and_blocks_do_not_show() {
        let mut random = Random(4);
        let image = random.volume(VoxelType::U16, [7, 9, 11]);
        let flat = random.volume(VoxelType::U16, [1, 9, 11]);
        let dark = random.volume(VoxelType::U8, [1, 1, 11]);
        let inputs = [Some(image), Some(flat), Some(dark)];
        for args in [&[][..], &[("output", "same"), ("scale", "100")]] {
            let whole = run(args, &inputs, None);
            assert_eq!(whole, run(args, &inputs, Some([3, 4, 5])));
        }
    }

    #[test]
    fn shapes_must_fit() {
        let v = |n: usize| Some(grid(&Volume::zeros(VoxelType::U8, [4, 4, n]), [1.0; 3]));
        assert!(prepare("flat-field", &[], &[v(4), v(3), None]).is_err());
        assert!(prepare("flat-field", &[], &[v(4), v(4), v(1)]).is_ok());
    }
}
