//! Bilateral filter with its full kernel.

use super::filter::exp::exp2;
use super::filter::{BORDER, Border, Frame, GREY, OUTPUT, Sink, before, by_tiles, output_type, sized};
use super::spec::{Default, Group, Kind, Param, ParamType, Produces, Spec};
use super::{Block, Call, Local, Operator, Prepared};
use crate::{Job, Result, Volume, VoxelType};
use multiversion::multiversion;
use std::f64::consts::LOG2_E;
use std::sync::Arc;

/// Bilateral filter.
pub struct Bilateral;

static SPEC: Spec = Spec {
    id: "bilateral",
    group: Group::Filter,
    summary: "Smooths within regions and keeps edges: a mean of the neighbours that are near in place and intensity.",
    details: "Σ w·v ∕ Σ w over the whole box of radius ⌈truncate·σ⌉ voxels an axis, with \
        w = exp(−|d|²∕2σ²) · exp(−(v − v₀)²∕2·range²), d in units of length (Tomasi & Manduchi 1998, \
        doi:10.1109/ICCV.1998.710815). No separable or piecewise approximation. Computed in f32; the exponential is \
        exact to 3·10⁻⁷. NaN spreads as far as the window reaches. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "sigma",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("1.5"),
            help: "Standard deviation in space.",
        },
        Param {
            name: "range",
            ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Required,
            help: "Standard deviation in intensity: about the noise, and well below the height of edges.",
        },
        Param {
            name: "truncate",
            ty: ParamType::Float { min: 0.5, max: 6.0 },
            default: Default::Value("2.5"),
            help: "Where the window ends, in standard deviations.",
        },
        BORDER,
        OUTPUT,
    ],
};

impl Operator for Bilateral {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (sigma, truncate) = (call.voxels("sigma")?, call.args.float("truncate"));
        let reach = sigma.map(|s| (truncate * s).ceil() as usize);
        if reach.iter().any(|r| *r > 64) {
            return Err(call.error(format!("the window would reach {reach:?} voxels; the most is 64")));
        }
        let output = output_type(call.args.text("output"), call.grid().voxel);
        let kernel = Kernel {
            reach,
            weights: Kernel::weights(sigma, reach),
            factor: (-0.5 * LOG2_E / call.args.float("range").powi(2)) as f32,
            border: Border::named(call.args.text("border")),
            output,
        };
        Ok(Prepared::local(call.grid().with(output, Kind::Grey), kernel))
    }
}

struct Kernel {
    reach: [usize; 3],
    /// Binary logarithms of the weights in space, in C order of the window.
    weights: Vec<f32>,
    /// `−log₂e ∕ 2·range²`.
    factor: f32,
    border: Border,
    output: VoxelType,
}

impl Kernel {
    fn weights(sigma: [f64; 3], reach: [usize; 3]) -> Vec<f32> {
        let part = |a: usize| {
            let r = reach[a] as isize;
            (-r..=r).map(move |d| if d == 0 { 0.0 } else { (d as f64 / sigma[a]).powi(2) })
        };
        let mut weights = Vec::new();
        for z in part(0) {
            for y in part(1) {
                weights.extend(part(2).map(|x| (-0.5 * LOG2_E * (z + y + x)) as f32));
            }
        }
        weights
    }

    fn tile(&self, frame: &Frame, padded: &mut Vec<f32>, tile: &mut dyn Sink, job: &Job) -> Result<()> {
        let region = tile.region();
        let shape: [usize; 3] = std::array::from_fn(|a| region.shape[a] + 2 * self.reach[a]);
        let stride = region.shape[2].next_multiple_of(LANES) + 2 * self.reach[2];
        let padded = sized(padded, shape[0] * shape[1] * stride);
        frame.fill(before(region.start, self.reach), shape, stride, padded);
        let [rz, ry, rx] = self.reach;
        let mut row = vec![0f32; region.shape[2].next_multiple_of(LANES)];
        let rows: Vec<usize> =
            (0..=2 * rz).flat_map(|z| (0..=2 * ry).map(move |y| (z * shape[1] + y) * stride)).collect();
        for z in 0..region.shape[0] {
            job.check()?;
            for y in 0..region.shape[1] {
                let origin = (z * shape[1] + y) * stride;
                for (c, chunk) in row.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                    let first = origin + c * LANES;
                    let centre = first + (rz * shape[1] + ry) * stride + rx;
                    *chunk = means(&padded[first..], &rows, &self.weights, centre - first, self.factor);
                }
                tile.put(z, y, &row);
            }
        }
        Ok(())
    }
}

/// Voxels that are computed at once.
const LANES: usize = 16;

/// The filter for [`LANES`] voxels in a row. `rows` are the beginnings of the window's rows in
/// `voxels`, `centre` is the first of the voxels.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn means(voxels: &[f32], rows: &[usize], weights: &[f32], centre: usize, factor: f32) -> [f32; LANES] {
    let own: [f32; LANES] = *voxels[centre..].first_chunk().expect("rows end with room for the lanes");
    let (mut sum, mut total) = ([0f32; LANES], [0f32; LANES]);
    let across = weights.len() / rows.len();
    for (row, weights) in rows.iter().zip(weights.chunks_exact(across)) {
        for (x, weight) in weights.iter().enumerate() {
            let v: &[f32; LANES] = voxels[row + x..].first_chunk().expect("as above");
            for l in 0..LANES {
                let d = v[l] - own[l];
                let w = exp2((d * d).mul_add(factor, *weight));
                total[l] += w;
                sum[l] = w.mul_add(v[l], sum[l]);
            }
        }
    }
    std::array::from_fn(|l| sum[l] / total[l])
}

impl Local for Kernel {
    fn halo(&self) -> [usize; 3] {
        self.reach
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let frame = Frame { input, source: block.sources[0], image: block.image(), border: self.border };
        by_tiles(self.output, block.out, [16, 16, 256], job, Vec::new, |b, t| self.tile(&frame, b, t, job))
    }
}

#[cfg(test)]
mod tests {
    use crate::VoxelType;
    use crate::ops::filter::Border;
    use crate::ops::filter::testing::{Random, check_blocks, run, values};

    /// The formula of the declaration, voxel by voxel in `f64`.
    #[test]
    fn equal_to_the_stated_formula() {
        let mut random = Random(3);
        for (voxel, range) in [(VoxelType::F32, 0.4), (VoxelType::U16, 9000.0), (VoxelType::I8, 40.0)] {
            let shape = [6, 7, 5];
            let v = random.volume(voxel, shape);
            let args = [("sigma", "1.5 mm"), ("range", &*range.to_string()), ("border", "mirror")];
            let spacing = [2.0, 1.0, 1.0];
            let seen = values(&run("bilateral", &args, &v, spacing));
            let (reach, sigma) = ([2isize, 4, 4], [0.75, 1.5, 1.5]);
            let at =
                |i: [isize; 3]| v.get(std::array::from_fn(|a| Border::Mirror.index(i[a], shape[a]))).unwrap();
            for (i, seen) in seen.iter().enumerate() {
                let p = [i / 35, i / 5 % 7, i % 5].map(|c| c as isize);
                let (mut sum, mut total) = (0.0, 0.0);
                for z in -reach[0]..=reach[0] {
                    for y in -reach[1]..=reach[1] {
                        for x in -reach[2]..=reach[2] {
                            let u = at([p[0] + z, p[1] + y, p[2] + x]);
                            let d: f64 =
                                [z, y, x].iter().zip(sigma).map(|(d, s)| (*d as f64 / s).powi(2)).sum();
                            let w = (-0.5 * d - 0.5 * ((u - at(p)) / range).powi(2)).exp();
                            sum += w * u;
                            total += w;
                        }
                    }
                }
                let expected = sum / total;
                assert!(
                    (seen - expected).abs() < 1e-5 * range.max(expected.abs()),
                    "{voxel} {i}: {seen} {expected}"
                );
            }
        }
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("bilateral", &[("sigma", "1"), ("range", "0.2")], 1, 10);
        check_blocks("bilateral", &[("sigma", "0,1.2,0.5"), ("range", "50"), ("border", "reflect")], 2, 8);
    }
}
