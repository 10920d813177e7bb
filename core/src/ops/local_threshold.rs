//! Thresholds that follow the mean of a window around each voxel.

use super::Operator;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

const IMAGE: Input = Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." };

const RADIUS: Param = Param {
    name: "radius",
    ty: ParamType::Length { min: 0.0 },
    default: Default::Value("7"),
    help: "Half the width of the window; it is 2·radius + 1 voxels wide, the radius rounded.",
};

const ANY: ParamType = ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY };

/// Above the mean of the surroundings.
pub struct LocalMean;

static LOCAL_MEAN: Spec = Spec {
    id: "local-mean",
    group: Group::Threshold,
    summary: "Marks the voxels brighter than the mean of a window around them.",
    details: "v > mean − offset, the mean being that of a box (scikit-image's `threshold_local`, method mean). At the \
        border the image is mirrored about its outermost voxels. Sums are in f64 in an order that depends on the \
        position within the window alone; exact block by block. A voxel with NaN in its window is not marked.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Mask),
    params: &[
        RADIUS,
        Param {
            name: "offset",
            ty: ANY,
            default: Default::Value("0"),
            help: "How far below the mean still counts.",
        },
    ],
};

impl Operator for LocalMean {
    fn spec(&self) -> &'static Spec {
        &LOCAL_MEAN
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        window(call, Rule::Mean { offset: call.args.float("offset") })
    }
}

/// Sauvola's threshold.
pub struct Sauvola;

static SAUVOLA: Spec = Spec {
    id: "sauvola",
    group: Group::Threshold,
    summary: "Marks the voxels above a threshold from mean and contrast of a window: for uneven background.",
    details: "Sauvola & Pietikäinen 2000 (doi:10.1016/S0031-3203(99)00055-2): v > m·(1 + k·(s/r − 1)) with mean m and \
        standard deviation s of a box (scikit-image's `threshold_sauvola`). It expects intensities ≥ 0. At the \
        border the image is mirrored about its outermost voxels. Sums are in f64 in an order that depends on the \
        position within the window alone; exact block by block. A voxel with NaN in its window is not marked.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Mask),
    params: &[
        RADIUS,
        Param { name: "k", ty: ANY, default: Default::Value("0.2"), help: "How much contrast counts." },
        Param {
            name: "r",
            ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Absent,
            help: "The greatest standard deviation; half the range of the type (1 for floats) if it is absent.",
        },
    ],
};

impl Operator for Sauvola {
    fn spec(&self) -> &'static Spec {
        &SAUVOLA
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let voxel = call.grid().voxel;
        let half = |voxel: VoxelType| {
            crate::with_voxel!(voxel, |T| 0.5 * (T::HIGHEST.to_f64() - T::LOWEST.to_f64()))
        };
        let r = call.args.maybe_float("r").unwrap_or(if voxel.is_float() { 1.0 } else { half(voxel) });
        window(call, Rule::Sauvola { k: call.args.float("k"), r })
    }
}

fn window(call: &Call, rule: Rule) -> Result<Prepared> {
    let radius = call.voxels("radius")?;
    if radius.iter().any(|r| *r > 1e6) {
        return Err(call.error(format!("a radius of {radius:?} voxels is too large")));
    }
    let radius = radius.map(|r| r.round() as usize);
    Ok(Prepared::local(call.grid().mask(), LocalThreshold { radius, rule }).scratch(15.0))
}

#[derive(Clone, Copy)]
enum Rule {
    Mean { offset: f64 },
    Sauvola { k: f64, r: f64 },
}

struct LocalThreshold {
    radius: [usize; 3],
    rule: Rule,
}

/// The index that an index beyond the ends mirrors, about the centres of the end voxels.
fn mirror(i: i64, n: usize) -> usize {
    let period = (2 * (n as i64 - 1)).max(1);
    let i = i.rem_euclid(period);
    (if i < n as i64 { i } else { period - i }) as usize
}

impl Local for LocalThreshold {
    fn source(&self, out: Region, _: usize, shape: [usize; 3]) -> Region {
        let mut source = Region::new([0; 3], [0; 3]);
        for a in 0..3 {
            let r = self.radius[a] as i64;
            let (first, last) = (out.start[a] as i64 - r, out.end()[a] as i64 - 1 + r);
            // Beyond the ends, the mirror image may lie farther inside than the block itself.
            let (mut low, mut high) = (first.max(0), last.min(shape[a] as i64 - 1));
            for i in (first..0).chain(shape[a] as i64..=last) {
                let m = mirror(i, shape[a]) as i64;
                (low, high) = (low.min(m), high.max(m));
            }
            (source.start[a], source.shape[a]) = (low as usize, (high - low + 1) as usize);
        }
        source
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| self.mark(a, block, job))
    }
}

/// Output planes and lines that are made at once.
const TILE: [usize; 2] = [16, 64];

impl LocalThreshold {
    fn mark<T: Voxel>(&self, input: &Array3<T>, block: &Block, job: &Job) -> Result<Volume> {
        let mut out = Array3::<u8>::zeros(block.out.shape);
        let nx = block.out.shape[2];
        let slabs = out.axis_chunks_iter_mut(ndarray::Axis(0), TILE[0]);
        parallel::items(slabs, job, &|i, mut slab| {
            let tiles = slab.axis_chunks_iter_mut(ndarray::Axis(1), TILE[1]);
            parallel::items(tiles, job, &|j, mut tile| {
                let (nz, ny, _) = tile.dim();
                let start =
                    [block.out.start[0] + i * TILE[0], block.out.start[1] + j * TILE[1], block.out.start[2]];
                let region = Region::new(start, [nz, ny, nx]);
                let values = self.gather(input, block, region);
                let shape: [usize; 3] = std::array::from_fn(|a| region.shape[a] + 2 * self.radius[a]);
                let count = self.radius.iter().map(|r| (2 * r + 1) as f64).product::<f64>();
                let centre = |z: usize, y: usize| {
                    ((z + self.radius[0]) * shape[1] + y + self.radius[1]) * shape[2] + self.radius[2]
                };
                let thresholds = match self.rule {
                    Rule::Mean { offset } => {
                        let mut sums = box_sums(values.clone(), shape, self.radius);
                        sums.iter_mut().for_each(|s| *s = *s / count - offset);
                        sums
                    }
                    Rule::Sauvola { k, r } => {
                        let squares = values.iter().map(|v| v * v).collect();
                        let squares = box_sums(squares, shape, self.radius);
                        let mut sums = box_sums(values.clone(), shape, self.radius);
                        for (s, q) in sums.iter_mut().zip(squares) {
                            let m = *s / count;
                            let variance = q / count - m * m;
                            // Not `max`, which would turn NaN into 0.
                            let variance = if variance < 0.0 { 0.0 } else { variance };
                            *s = m * (1.0 + k * (variance.sqrt() / r - 1.0));
                        }
                        sums
                    }
                };
                for z in 0..nz {
                    for y in 0..ny {
                        let line = &values[centre(z, y)..][..nx];
                        let thresholds = &thresholds[(z * ny + y) * nx..][..nx];
                        for (x, (v, t)) in line.iter().zip(thresholds).enumerate() {
                            tile[[z, y, x]] = u8::from(v > t);
                        }
                    }
                }
                job.advance((nz * ny * nx) as u64);
                Result::Ok(())
            })
        })?;
        Ok(out.into())
    }

    /// The voxels of a region and a radius around it, mirrored beyond the ends of the image.
    fn gather<T: Voxel>(&self, input: &Array3<T>, block: &Block, region: Region) -> Vec<f64> {
        let (image, origin) = (block.image(), block.sources[0].start);
        let of = |a: usize| -> Vec<usize> {
            let r = self.radius[a] as i64;
            let (first, end) = (region.start[a] as i64 - r, region.end()[a] as i64 + r);
            (first..end).map(|i| mirror(i, image[a]) - origin[a]).collect()
        };
        let (zs, ys, xs) = (of(0), of(1), of(2));
        let source = input.as_slice().expect("volumes are in C order");
        let (_, ny, nx) = input.dim();
        let mut values = Vec::with_capacity(zs.len() * ys.len() * xs.len());
        for &z in &zs {
            for &y in &ys {
                let line = &source[(z * ny + y) * nx..][..nx];
                values.extend(xs.iter().map(|&x| line[x].to_f64()));
            }
        }
        values
    }
}

/// Sums over boxes of `2·radius + 1`, of the shape that is left when the radius is taken off all
/// ends. Each is built from sums of 1, 2, 4 … values, so its order of addition is always the same.
fn box_sums(mut values: Vec<f64>, mut shape: [usize; 3], radius: [usize; 3]) -> Vec<f64> {
    for axis in [2, 1, 0] {
        let width = 2 * radius[axis] + 1;
        if width == 1 {
            continue;
        }
        // Along an axis, neighbours are `step` apart within rows of `row` values.
        let step: usize = shape[axis + 1..].iter().product();
        let row = shape[axis] * step;
        let kept = (shape[axis] - width + 1) * step;
        let rows = values.len() / row;
        let mut out = Vec::with_capacity(rows * kept);
        let mut sum = vec![0.0f64; kept];
        for r in 0..rows {
            let line = &mut values[r * row..][..row];
            sum.fill(0.0);
            let (mut done, mut power) = (0, 1);
            loop {
                // `line` holds sums of `power` values; the binary digits of the width say which count.
                if width & power != 0 {
                    let from = &line[done * step..][..kept];
                    sum.iter_mut().zip(from).for_each(|(s, v)| *s += v);
                    done += power;
                }
                power *= 2;
                if power > width {
                    break;
                }
                let half = power / 2 * step;
                for i in 0..row - half {
                    line[i] += line[i + half];
                }
            }
            out.extend_from_slice(&sum);
        }
        values = out;
        shape[axis] -= width - 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Geometry;
    use crate::program::{Args, Grid, Value};

    fn run(op: &dyn Operator, image: &Volume, radius: f64, block: Option<[usize; 3]>) -> Volume {
        let grid = Grid {
            shape: image.shape(),
            voxel: image.voxel_type(),
            kind: Kind::Grey,
            geometry: Geometry::default(),
        };
        let length = crate::program::Length { value: [radius; 3], unit: crate::Unit::Voxel };
        let args = Args::complete(op.spec(), [("radius", Value::Length(length))].into()).unwrap();
        let prepared = op.prepare(&Call { op: op.spec().id, args: &args, inputs: &[Some(grid)] }).unwrap();
        let input = Arc::new(image.clone());
        match block {
            None => prepared.kernel.whole(vec![Some(input)], &Job::silent()).unwrap(),
            Some(block) => {
                crate::blocks::run_prepared(prepared, &[Some((input, grid))], block, &Job::silent()).unwrap()
            }
        }
        .into_volume()
    }

    fn texture(shape: [usize; 3], voxel: VoxelType) -> Volume {
        let value = |z: usize, y: usize, x: usize| ((z * 37 + y * y * 11 + x * 23 + x * y) % 97) as f64 + 1.0;
        Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| value(z, y, x))).cast(voxel)
    }

    /// The definition, voxel by voxel.
    fn slow(image: &Volume, radius: i64, rule: Rule) -> Vec<u8> {
        let [nz, ny, nx] = image.shape();
        let mut out = Vec::new();
        for (z, y, x) in ndarray::indices([nz, ny, nx]) {
            let mut window = Vec::new();
            for dz in -radius..=radius {
                for dy in -radius..=radius {
                    for dx in -radius..=radius {
                        let at =
                            [mirror(z as i64 + dz, nz), mirror(y as i64 + dy, ny), mirror(x as i64 + dx, nx)];
                        window.push(image.get(at).unwrap());
                    }
                }
            }
            let n = window.len() as f64;
            let m = window.iter().sum::<f64>() / n;
            let t = match rule {
                Rule::Mean { offset } => m - offset,
                Rule::Sauvola { k, r } => {
                    let variance = (window.iter().map(|v| v * v).sum::<f64>() / n - m * m).max(0.0);
                    m * (1.0 + k * (variance.sqrt() / r - 1.0))
                }
            };
            out.push(u8::from(image.get([z, y, x]).unwrap() > t));
        }
        out
    }

    #[test]
    fn both_follow_their_definitions_whole_and_in_blocks() {
        for voxel in VoxelType::ALL {
            for shape in [[6, 7, 9], [1, 1, 1], [1, 5, 8], [9, 1, 2]] {
                for radius in [0, 1, 2, 4] {
                    let image = texture(shape, voxel);
                    let half = |v: VoxelType| {
                        crate::with_voxel!(v, |T| 0.5 * (T::HIGHEST.to_f64() - T::LOWEST.to_f64()))
                    };
                    let r = if voxel.is_float() { 1.0 } else { half(voxel) };
                    let cases: [(&dyn Operator, Rule); 2] =
                        [(&LocalMean, Rule::Mean { offset: 0.0 }), (&Sauvola, Rule::Sauvola { k: 0.2, r })];
                    for (op, rule) in cases {
                        let whole = run(op, &image, radius as f64, None);
                        assert_eq!(
                            whole.as_bytes(),
                            slow(&image, radius, rule),
                            "{voxel} {shape:?} {radius}"
                        );
                        for block in [[2, 3, 4], [1, 50, 50]] {
                            assert_eq!(run(op, &image, radius as f64, Some(block)), whole, "{block:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nan_spoils_its_windows_alone() {
        let mut a = Array3::from_elem((1, 1, 12), 1.0f32);
        a[[0, 0, 3]] = 9.0;
        a[[0, 0, 9]] = f32::NAN;
        let out = run(&LocalMean, &Volume::from(a), 1.0, None);
        assert_eq!(out.as_bytes(), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn masks_are_those_of_scikit_image() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/golden/grid.json")).unwrap();
        let image = texture([9, 10, 11], VoxelType::U8);
        for (op, name) in [(&LocalMean as &dyn Operator, "local mean"), (&Sauvola, "sauvola")] {
            let ones = run(op, &image, 2.0, None).as_bytes().iter().filter(|v| **v == 1).count();
            assert_eq!(golden[format!("{name} count")].as_u64().unwrap(), ones as u64);
            let sum: u64 = run(op, &image, 2.0, None)
                .as_bytes()
                .iter()
                .enumerate()
                .map(|(i, v)| i as u64 * u64::from(*v))
                .sum();
            assert_eq!(golden[format!("{name} sum of indices")].as_u64().unwrap(), sum);
        }
    }
}
