//! Non-local means.

use super::Operator;
use super::filter::exp::exp_neg;
use super::filter::{
    BORDER, Border, Frame, GREY, OUTPUT, Sink, before, box_radius, by_tiles, output_type, sized,
};
use crate::program::{Block, Call, Default, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::{Job, Result, Volume, VoxelType};
use multiversion::multiversion;
use std::sync::Arc;

/// Non-local means.
pub struct NonLocalMeans;

static SPEC: Spec = Spec {
    id: "non-local-means",
    group: Group::Filter,
    summary: "Removes noise by a mean over the voxels nearby whose surroundings look alike.",
    details: "Σ w·v ∕ Σ w over the box of the search radius, with w = exp(−max(D − 2·noise², 0) ∕ h²), where D is the \
        mean squared difference of the two boxes of the patch radius (Buades, Coll & Morel 2005, \
        doi:10.1109/CVPR.2005.38; scikit-image's fast mode weighs the same way). The voxel itself has weight 1. \
        Computed in f32; the exponential is exact to 3·10⁻⁷. NaN spreads as far as the search reaches; a patch that \
        holds one is like no other. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "h",
            ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Required,
            help: "Strength, in intensity: about the standard deviation of the noise.",
        },
        Param {
            name: "noise",
            ty: ParamType::Float { min: 0.0, max: f64::INFINITY },
            default: Default::Value("0"),
            help: "Standard deviation of the noise, which is taken off the differences; 0 if it is not known.",
        },
        Param {
            name: "search",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("3"),
            help: "Radius of the box that is searched; 3 makes a box of 7.",
        },
        Param {
            name: "patch",
            ty: ParamType::Length { min: 0.0 },
            default: Default::Value("1"),
            help: "Radius of the boxes that are compared; 1 makes a box of 3.",
        },
        BORDER,
        OUTPUT,
    ],
};

impl Operator for NonLocalMeans {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (search, patch) = (box_radius(call, "search")?, box_radius(call, "patch")?);
        if search.iter().any(|r| *r > 32) || patch.iter().any(|r| *r > 16) {
            return Err(call
                .error(format!("search = {search:?} and patch = {patch:?} voxels; the most are 32 and 16")));
        }
        let count: usize = patch.iter().map(|r| 2 * r + 1).product();
        let h2 = call.args.float("h").powi(2);
        let output = output_type(call.args.text("output"), call.grid().voxel);
        let kernel = Kernel {
            search,
            patch,
            factor: (1.0 / (h2 * count as f64)) as f32,
            offset: (2.0 * call.args.float("noise").powi(2) / h2) as f32,
            border: Border::named(call.args.text("border")),
            output,
        };
        Ok(Prepared::local(call.grid().with(output, Kind::Grey), kernel).scratch(2.3))
    }
}

struct Kernel {
    search: [usize; 3],
    patch: [usize; 3],
    /// `1 ∕ (h² · voxels of a patch)`.
    factor: f32,
    /// `2·noise² ∕ h²`.
    offset: f32,
    border: Border,
    output: VoxelType,
}

#[derive(Default)]
struct Buffers {
    padded: Vec<f32>,
    squares: Vec<f32>,
    along_x: Vec<f32>,
    along_y: Vec<f32>,
    weights: Vec<f32>,
    sum: Vec<f32>,
    total: Vec<f32>,
}

const LANES: usize = 16;

impl Kernel {
    fn reach(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.search[a] + self.patch[a])
    }

    /// Each pair of voxels a shift apart is weighed once and counts for both. For one voxel the
    /// shifts follow in a fixed order, and so do the voxels of a patch, along x, then y, then z.
    fn tile(&self, frame: &Frame, b: &mut Buffers, tile: &mut dyn Sink, job: &Job) -> Result<()> {
        let reach = self.reach();
        let region = tile.region();
        let size = region.shape;
        let shape: [usize; 3] = std::array::from_fn(|a| size[a] + 2 * reach[a]);
        // Weights are needed of the tile and of the voxels up to a shift before it.
        let grown: [usize; 3] = std::array::from_fn(|a| size[a] + self.search[a]);
        let stride = (shape[2] + self.search[2]).next_multiple_of(LANES) + LANES;
        let wide = grown[2].next_multiple_of(LANES) + self.search[2];
        let line = size[2].next_multiple_of(LANES);
        let padded = sized(&mut b.padded, (shape[0] * shape[1]) * stride + stride);
        frame.fill(before(region.start, reach), shape, stride, padded);
        let sum = sized(&mut b.sum, size[0] * size[1] * line);
        let total = sized(&mut b.total, size[0] * size[1] * line);
        let row_in = |z: usize, y: usize, x: usize| (z * shape[1] + y) * stride + x;
        for z in 0..size[0] {
            for y in 0..size[1] {
                let to = (z * size[1] + y) * line;
                let from = row_in(z + reach[0], y + reach[1], reach[2]);
                sum[to..to + line].copy_from_slice(&padded[from..from + line]);
                total[to..to + line].fill(1.0);
            }
        }
        let [sz, sy, sx] = self.search.map(|s| s as isize);
        let [pz, py, px] = self.patch;
        for dz in 0..=sz {
            for dy in if dz == 0 { 0 } else { -sy }..=sy {
                for dx in if (dz, dy) == (0, 0) { 1 } else { -sx }..=sx {
                    job.check()?;
                    let d = [dz, dy, dx];
                    // Weights w(p, p + d) for p from `size` grown towards −d.
                    let before: [usize; 3] = std::array::from_fn(|a| d[a].max(0) as usize);
                    let after: [usize; 3] = std::array::from_fn(|a| (-d[a]).max(0) as usize);
                    let span: [usize; 3] = std::array::from_fn(|a| size[a] + before[a] + after[a]);
                    let offset = (dz * shape[1] as isize + dy) * stride as isize + dx;
                    let n = span[2].next_multiple_of(LANES);
                    let rows = span[1] + 2 * py;
                    let planes = span[0] + 2 * pz;
                    let squares = sized(&mut b.squares, n + 2 * px + LANES);
                    let along_x = sized(&mut b.along_x, rows * n);
                    let along_y = sized(&mut b.along_y, planes * span[1] * n);
                    for z in 0..planes {
                        for y in 0..rows {
                            let from = row_in(
                                reach[0] - before[0] - pz + z,
                                reach[1] - before[1] - py + y,
                                reach[2] - before[2] - px,
                            );
                            let shifted = (from as isize + offset) as usize;
                            let n_in = (n + 2 * px).next_multiple_of(LANES).min(squares.len());
                            differences(&padded[from..], &padded[shifted..], &mut squares[..n_in]);
                            box_sums(squares, 1, 2 * px + 1, &mut along_x[y * n..][..n]);
                        }
                        for y in 0..span[1] {
                            box_sums(
                                &along_x[y * n..],
                                n,
                                2 * py + 1,
                                &mut along_y[(z * span[1] + y) * n..][..n],
                            );
                        }
                    }
                    let weights = sized(&mut b.weights, span[0] * span[1] * n + wide);
                    for z in 0..span[0] {
                        for y in 0..span[1] {
                            let to = &mut weights[(z * span[1] + y) * n..][..n];
                            box_sums(&along_y[(z * span[1] + y) * n..], span[1] * n, 2 * pz + 1, to);
                            weigh(to, self.factor, self.offset);
                        }
                    }
                    for z in 0..size[0] {
                        for y in 0..size[1] {
                            let to = (z * size[1] + y) * line;
                            let own = row_in(z + reach[0], y + reach[1], reach[2]);
                            let ahead = &padded[(own as isize + offset) as usize..][..line];
                            let behind = &padded[(own as isize - offset) as usize..][..line];
                            // w(p, p + d) and w(p − d, p).
                            let w = |z: usize, y: usize, x: usize| (z * span[1] + y) * n + x;
                            let here = w(z + before[0], y + before[1], before[2]);
                            let there = w(z + after[0], y + after[1], after[2]);
                            accumulate(
                                &mut sum[to..to + line],
                                &mut total[to..to + line],
                                [&weights[here..here + line], &weights[there..there + line]],
                                [ahead, behind],
                            );
                        }
                    }
                }
            }
        }
        for z in 0..size[0] {
            for y in 0..size[1] {
                let from = (z * size[1] + y) * line;
                let means = &mut sum[from..from + line];
                means.iter_mut().zip(&total[from..]).for_each(|(s, t)| *s /= t);
                tile.put(z, y, means);
            }
        }
        Ok(())
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn differences(a: &[f32], b: &[f32], out: &mut [f32]) {
    let (a, b) = (&a[..out.len()], &b[..out.len()]);
    for i in 0..out.len() {
        let d = b[i] - a[i];
        out[i] = d * d;
    }
}

/// `out[i] = Σ values[i + k·step]` for `k < count`, in order.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn box_sums(values: &[f32], step: usize, count: usize, out: &mut [f32]) {
    let n = out.len();
    if count == 3 {
        let (a, b, c) = (&values[..n], &values[step..step + n], &values[2 * step..2 * step + n]);
        for i in 0..n {
            out[i] = a[i] + b[i] + c[i];
        }
        return;
    }
    out.copy_from_slice(&values[..n]);
    for k in 1..count {
        let v = &values[k * step..k * step + n];
        for i in 0..n {
            out[i] += v[i];
        }
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn weigh(sums: &mut [f32], factor: f32, offset: f32) {
    for s in sums {
        let t = *s * factor - offset;
        // NaN is passed on and weighs next to nothing.
        *s = exp_neg(if t < 0.0 { 0.0 } else { t });
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn accumulate(sum: &mut [f32], total: &mut [f32], weights: [&[f32]; 2], values: [&[f32]; 2]) {
    let n = sum.len();
    let total = &mut total[..n];
    let ([w, u], [a, b]) = (weights.map(|w| &w[..n]), values.map(|v| &v[..n]));
    for i in 0..n {
        total[i] += w[i] + u[i];
        sum[i] += w[i] * a[i] + u[i] * b[i];
    }
}

impl Local for Kernel {
    fn halo(&self) -> [usize; 3] {
        self.reach()
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let frame = Frame { input, source: block.sources[0], image: block.image(), border: self.border };
        by_tiles(self.output, block.out, [16, 16, 64], job, Buffers::default, |b, t| {
            self.tile(&frame, b, t, job)
        })
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
        for (voxel, h, noise, search, patch) in [
            (VoxelType::F32, 0.4, 0.1, [2isize, 2, 2], [1isize, 1, 1]),
            (VoxelType::U8, 60.0, 10.0, [1, 3, 2], [0, 2, 1]),
        ] {
            let shape = [5, 6, 7];
            let v = random.volume(voxel, shape);
            let text = |r: [isize; 3]| format!("{},{},{}", r[0], r[1], r[2]);
            let (s, p, h_text, n) = (text(search), text(patch), h.to_string(), noise.to_string());
            let args =
                [("h", &*h_text), ("noise", &*n), ("search", &*s), ("patch", &*p), ("border", "reflect")];
            let seen = values(&run("non-local-means", &args, &v, [1.0; 3]));
            let at = |i: [isize; 3]| {
                v.get(std::array::from_fn(|a| Border::Reflect.index(i[a], shape[a]))).unwrap()
            };
            let window = |r: [isize; 3]| {
                (-r[0]..=r[0])
                    .flat_map(move |z| {
                        (-r[1]..=r[1]).flat_map(move |y| (-r[2]..=r[2]).map(move |x| [z, y, x]))
                    })
                    .collect::<Vec<_>>()
            };
            let add = |a: [isize; 3], b: [isize; 3]| std::array::from_fn::<_, 3, _>(|i| a[i] + b[i]);
            for (i, seen) in seen.iter().enumerate() {
                let p = [i / 42, i / 7 % 6, i % 7].map(|c| c as isize);
                let (mut sum, mut total) = (0.0, 0.0);
                for d in window(search) {
                    let squares: Vec<f64> = window(patch)
                        .into_iter()
                        .map(|q| (at(add(add(p, d), q)) - at(add(p, q))).powi(2))
                        .collect();
                    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
                    let w = (-(mean - 2.0 * noise * noise).max(0.0) / (h * h)).exp();
                    sum += w * at(add(p, d));
                    total += w;
                }
                let expected = sum / total;
                assert!(
                    (seen - expected).abs() < 2e-5 * expected.abs().max(h),
                    "{voxel} {i}: {seen} {expected}"
                );
            }
        }
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("non-local-means", &[("h", "0.3"), ("noise", "0.1")], 1, 8);
        check_blocks("non-local-means", &[("h", "30"), ("search", "0,2,3"), ("patch", "0,1,2")], 2, 8);
    }

    #[test]
    fn nan_reaches_as_far_as_the_search() {
        let mut a = ndarray::Array3::<f32>::ones((11, 11, 11));
        a[[5, 5, 5]] = f32::NAN;
        let args = [("h", "0.1"), ("search", "2")];
        let seen = values(&run("non-local-means", &args, &crate::Volume::from(a), [1.0; 3]));
        assert_eq!(seen.iter().filter(|v| v.is_nan()).count(), 125);
        assert!(seen.iter().all(|v| v.is_nan() || *v == 1.0));
    }
}
