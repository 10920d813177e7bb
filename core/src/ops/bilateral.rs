//! Bilateral filter with its full kernel.

use super::Operator;
use super::filter::exp::exp2;
use super::filter::{BORDER, Border, Frame, GREY, OUTPUT, Sink, before, by_tiles, output_type, sized};
use crate::program::{Block, Call, Default, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec};
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
        Ok(Prepared::local(call.grid().with(output, Kind::Grey), kernel).scratch(4.3))
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

    /// Each pair of voxels is weighed once and counts for both. For one voxel the pairs follow in a
    /// fixed order: by the row of the first voxel, then by shift.
    fn tile(&self, frame: &Frame, b: &mut Buffers, tile: &mut dyn Sink, job: &Job) -> Result<()> {
        let region = tile.region();
        let [nz, ny, nx] = region.shape;
        let [rz, ry, rx] = self.reach;
        let shape: [usize; 3] = std::array::from_fn(|a| region.shape[a] + 2 * self.reach[a]);
        let stride = (nx + 2 * rx + LANES).next_multiple_of(LANES);
        let voxels = sized(&mut b.padded, shape[0] * shape[1] * stride);
        frame.fill(before(region.start, self.reach), shape, stride, voxels);
        let voxels: &[f32] = voxels;
        let row = |z: usize, y: usize| &voxels[(z * shape[1] + y) * stride..][..stride];
        // A row of sums, then one of weights, for each row of the tile.
        let sums = sized(&mut b.sums, 2 * stride * nz * ny);
        for (i, sums) in sums.chunks_exact_mut(2 * stride).enumerate() {
            sums[..stride].copy_from_slice(row(i / ny + rz, i % ny + ry));
            sums[stride..].fill(1.0);
        }
        let own = |z: usize, y: usize| {
            ((rz..rz + nz).contains(&z) && (ry..ry + ny).contains(&y)).then(|| (z - rz) * ny + y - ry)
        };
        let across = 2 * rx + 1;
        for z in 0..rz + nz {
            job.check()?;
            for y in 0..shape[1] {
                let first = own(z, y);
                if let Some(first) = first {
                    let weights = &self.weights[(rz * (2 * ry + 1) + ry) * across + rx..][..=rx];
                    within(
                        row(z, y),
                        weights,
                        &mut sums[2 * stride * first..][..2 * stride],
                        nx,
                        self.factor,
                    );
                }
                for dz in 0..=rz.min(shape[0] - 1 - z) {
                    let (from, to) = (if dz == 0 { y + 1 } else { y.saturating_sub(ry) }, y + ry);
                    for other in from..=to.min(shape[1] - 1) {
                        let second = own(z + dz, other);
                        let weights = &self.weights[((rz + dz) * (2 * ry + 1) + ry + other - y) * across..];
                        let (rows, weights) = ([row(z, y), row(z + dz, other)], &weights[..across]);
                        match (first, second) {
                            (None, None) => {}
                            (Some(f), Some(s)) => {
                                let (a, b) = sums.split_at_mut(2 * stride * s);
                                let mine = &mut a[2 * stride * f..][..2 * stride];
                                between(rows, weights, [mine, &mut b[..2 * stride]], nx, self.factor);
                            }
                            // Only one of the two rows is in the tile.
                            (Some(f), None) => {
                                let mine = &mut sums[2 * stride * f..][..2 * stride];
                                beside::<true>(rows, weights, mine, nx, self.factor);
                            }
                            (None, Some(s)) => {
                                let theirs = &mut sums[2 * stride * s..][..2 * stride];
                                beside::<false>([rows[1], rows[0]], weights, theirs, nx, self.factor);
                            }
                        }
                    }
                }
            }
        }
        for (i, sums) in sums.chunks_exact_mut(2 * stride).enumerate() {
            let (sum, total) = sums.split_at_mut(stride);
            sum.iter_mut().zip(total).for_each(|(s, t)| *s /= *t);
            tile.put(i / ny, i % ny, &sum[rx..rx + nx]);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Buffers {
    padded: Vec<f32>,
    sums: Vec<f32>,
}

/// Voxels that are computed at once.
const LANES: usize = 16;

/// Adds the pairs of voxels of two rows, `nx` long with a margin before and behind, to the sums and
/// weights of both. `weights` are those of all shifts along x.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn between(rows: [&[f32]; 2], weights: &[f32], sums: [&mut [f32]; 2], nx: usize, factor: f32) {
    let margin = weights.len() / 2;
    let stride = rows[0].len();
    let [mine, theirs] = sums;
    let ((my_sum, my_total), (their_sum, their_total)) =
        (mine.split_at_mut(stride), theirs.split_at_mut(stride));
    for (k, weight) in weights.iter().enumerate() {
        // Pairs of which one voxel at least is in the row proper.
        let (a, b) = (margin - k.saturating_sub(margin), k.min(margin));
        let n = (nx + k.abs_diff(margin)).next_multiple_of(LANES);
        let u = rows[0][a..a + n].as_chunks::<LANES>().0;
        let v = rows[1][b..b + n].as_chunks::<LANES>().0;
        let my_sum = my_sum[a..a + n].as_chunks_mut::<LANES>().0;
        let my_total = my_total[a..a + n].as_chunks_mut::<LANES>().0;
        let their_sum = their_sum[b..b + n].as_chunks_mut::<LANES>().0;
        let their_total = their_total[b..b + n].as_chunks_mut::<LANES>().0;
        for c in 0..n / LANES {
            for l in 0..LANES {
                let (u, v) = (u[c][l], v[c][l]);
                let d = v - u;
                let w = exp2((d * d).mul_add(factor, *weight));
                my_sum[c][l] = w.mul_add(v, my_sum[c][l]);
                my_total[c][l] += w;
                their_sum[c][l] = w.mul_add(u, their_sum[c][l]);
                their_total[c][l] += w;
            }
        }
    }
}

/// The same for the first row alone. Its voxels are `AHEAD` in the pairs that [`between`] makes of the two, or behind.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn beside<const AHEAD: bool>(rows: [&[f32]; 2], weights: &[f32], sums: &mut [f32], nx: usize, factor: f32) {
    let margin = weights.len() / 2;
    let (sum, total) = sums.split_at_mut(rows[0].len());
    for x in (margin..margin + nx).step_by(LANES) {
        let u: [f32; LANES] = *rows[0][x..].first_chunk().expect("rows end with room for the lanes");
        let others = &rows[1][x - margin..][..2 * margin + LANES];
        let own_sum: &mut [f32; LANES] = sum[x..].first_chunk_mut().expect("as above");
        let own_total: &mut [f32; LANES] = total[x..].first_chunk_mut().expect("as above");
        let (mut s, mut t) = (*own_sum, *own_total);
        for (k, weight) in weights.iter().enumerate() {
            let at = if AHEAD { k } else { 2 * margin - k };
            let v: [f32; LANES] = *others[at..].first_chunk().expect("as above");
            for l in 0..LANES {
                let d = v[l] - u[l];
                let w = exp2((d * d).mul_add(factor, *weight));
                s[l] = w.mul_add(v[l], s[l]);
                t[l] += w;
            }
        }
        (*own_sum, *own_total) = (s, t);
    }
}

/// The same for the pairs within a row; `weights` are those of the shifts from 0 on.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn within(row: &[f32], weights: &[f32], sums: &mut [f32], nx: usize, factor: f32) {
    let margin = weights.len() - 1;
    let (sum, total) = sums.split_at_mut(row.len());
    for (shift, weight) in weights.iter().enumerate().skip(1) {
        for a in (margin - shift..margin + nx).step_by(LANES) {
            let b = a + shift;
            let u: [f32; LANES] = *row[a..].first_chunk().expect("rows end with room for the lanes");
            let v: [f32; LANES] = *row[b..].first_chunk().expect("as above");
            let w: [f32; LANES] = std::array::from_fn(|l| {
                let d = v[l] - u[l];
                exp2((d * d).mul_add(factor, *weight))
            });
            // A voxel takes what is before it first, wherever the lanes begin.
            for (at, other) in [(b, u), (a, v)] {
                let sum: &mut [f32; LANES] = sum[at..].first_chunk_mut().expect("as above");
                let total: &mut [f32; LANES] = total[at..].first_chunk_mut().expect("as above");
                for l in 0..LANES {
                    sum[l] = w[l].mul_add(other[l], sum[l]);
                    total[l] += w[l];
                }
            }
        }
    }
}

impl Local for Kernel {
    fn halo(&self) -> [usize; 3] {
        self.reach
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let frame = Frame { input, source: block.sources[0], image: block.image(), border: self.border };
        by_tiles(self.output, block.out, [32, 32, 256], job, Buffers::default, |b, t| {
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
