//! Anisotropic diffusion of Perona and Malik.

use super::Operator;
use super::filter::{Border, Frame, GREY, OUTPUT, by_tiles, output_type, sized};
use crate::program::{Block, Call, Default, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::{Job, Region, Result, Volume, VoxelType};
use multiversion::multiversion;
use std::sync::Arc;

/// Anisotropic diffusion.
pub struct AnisotropicDiffusion;

static SPEC: Spec = Spec {
    id: "anisotropic-diffusion",
    group: Group::Filter,
    summary: "Lets intensities flow together within regions, but hardly across edges.",
    details: "Explicit steps v += step · Σ g(|∇|)·∇ over the six neighbours (Perona & Malik 1990, \
        doi:10.1109/34.56205), ∇ the difference to a neighbour, g = exp(−(∇∕edge)²) or 1∕(1 + (∇∕edge)²). Distances \
        are relative to the smallest spacing, so that flow is physical in anisotropic images. Nothing flows across \
        the border. Computed in f32; the exponential is exact to 3·10⁻⁷. NaN spreads by one voxel a step. Exact block \
        by block, with a halo of one voxel a step.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "edge",
            ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Required,
            help: "Difference in intensity between neighbours that counts as an edge.",
        },
        Param {
            name: "iterations",
            ty: ParamType::Int { min: 1, max: 1000 },
            default: Default::Value("5"),
            help: "Number of steps.",
        },
        Param {
            name: "step",
            ty: ParamType::Float { min: 1e-6, max: 1.0 / 6.0 },
            default: Default::Value("0.0625"),
            help: "Length of a step; up to 1/6 is stable.",
        },
        Param {
            name: "conductance",
            ty: ParamType::Choice(&["exponential", "rational"]),
            default: Default::Value("exponential"),
            help: "g: exponential favours high-contrast edges, rational wide regions.",
        },
        OUTPUT,
    ],
};

impl Operator for AnisotropicDiffusion {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        call.at_right_angles("diffusion along the axes")?;
        let grid = call.grid();
        let spacing = grid.geometry.spacing();
        let least = spacing.iter().copied().fold(f64::INFINITY, f64::min);
        let edge = call.args.float("edge");
        let step = call.args.float("step");
        let output = output_type(call.args.text("output"), grid.voxel);
        let kernel = Diffusion {
            iterations: call.args.int("iterations") as usize,
            flow: Flow {
                sharpness: spacing.map(|s| ((least / s) / edge).powi(2) as f32),
                weight: spacing.map(|s| (step * (least / s).powi(2)) as f32),
                exponential: call.args.text("conductance") == "exponential",
            },
            output,
        };
        Ok(Prepared::local(grid.with(output, Kind::Grey), kernel).scratch(5.3))
    }
}

struct Diffusion {
    iterations: usize,
    flow: Flow,
    output: VoxelType,
}

/// What a step does, along `z, y, x`.
#[derive(Clone, Copy)]
struct Flow {
    /// What a squared difference is multiplied by.
    sharpness: [f32; 3],
    /// What a flow is multiplied by.
    weight: [f32; 3],
    exponential: bool,
}

/// Steps that are made while a tile is in the cache.
const STEPS: usize = 5;

impl Diffusion {
    /// Makes `steps` steps on all of `frame` (whose ends count as the image's: what is wrong there
    /// reaches one voxel further with each step, and the halo is as wide as that), and writes the part
    /// that `out` is.
    fn sweep(
        &self,
        frame: &Frame,
        steps: usize,
        out: Region,
        output: VoxelType,
        job: &Job,
    ) -> Result<Volume> {
        let [nz, ny, nx] = frame.image;
        let edge = tile_edge(nx);
        let size = [edge, edge, out.shape[2].max(1)];
        by_tiles(output, out, size, job, <(Vec<f32>, Vec<f32>)>::default, |(a, b), tile| {
            let region = tile.region();
            let grown = region.grown([steps, steps, 0], [nz, ny, nx]);
            let rows = [grown.shape[0], grown.shape[1]];
            // A voxel on either side of a row repeats its end: nothing flows there.
            let stride = nx + 2;
            let n = rows[0] * rows[1] * stride;
            let (mut from, mut to) = (sized(a, n), sized(b, n));
            let start = [grown.start[0] as isize, grown.start[1] as isize, 0];
            frame.fill(start, [rows[0], rows[1], nx], stride, &mut from[1..]);
            for k in 0..steps {
                // The rows that are still right after this step.
                let range = |a: usize| {
                    let low = if grown.start[a] == 0 { 0 } else { k + 1 };
                    let end = grown.start[a] + grown.shape[a];
                    low..grown.shape[a] - if end == frame.image[a] { 0 } else { k + 1 }
                };
                step(from, to, rows, stride, range(0), range(1), &self.flow);
                std::mem::swap(&mut from, &mut to);
            }
            let [z0, y0, _]: [usize; 3] = std::array::from_fn(|a| region.start[a] - grown.start[a]);
            for z in 0..region.shape[0] {
                for y in 0..region.shape[1] {
                    let row = &from[((z + z0) * rows[1] + y + y0) * stride + 1 + region.start[2]..];
                    tile.put(z, y, row);
                }
            }
            Ok(())
        })
    }
}

/// Rows along z and y of a tile that fits into a core's cache.
fn tile_edge(nx: usize) -> usize {
    let rows = (1 << 17) / (nx + 2);
    ((rows as f64).sqrt() as usize).clamp(8, 48)
}

fn step(
    from: &mut [f32],
    to: &mut [f32],
    [nz, ny]: [usize; 2],
    stride: usize,
    zs: std::ops::Range<usize>,
    ys: std::ops::Range<usize>,
    flow: &Flow,
) {
    for row in from.chunks_exact_mut(stride) {
        row[0] = row[1];
        row[stride - 1] = row[stride - 2];
    }
    let from = &*from;
    let row = |z: usize, y: usize| &from[(z * ny + y) * stride..][..stride];
    for z in zs {
        let (below, above) = (z.saturating_sub(1), (z + 1).min(nz - 1));
        for y in ys.clone() {
            let (before, after) = (y.saturating_sub(1), (y + 1).min(ny - 1));
            let out = &mut to[(z * ny + y) * stride + 1..][..stride - 2];
            let neighbours = [row(below, y), row(above, y), row(z, before), row(z, after)].map(|r| &r[1..]);
            if flow.exponential {
                exponential(out, row(z, y), neighbours, flow);
            } else {
                rational(out, row(z, y), neighbours, flow);
            }
        }
    }
}

macro_rules! flowing {
    ($name:ident, $g:expr) => {
        /// One row of a step. `own` has a voxel more on either side.
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "aarch64+neon"
        ))]
        fn $name(out: &mut [f32], own: &[f32], neighbours: [&[f32]; 4], flow: &Flow) {
            let n = out.len();
            let [below, above, before, after] = neighbours.map(|r| &r[..n]);
            let (left, own, right) = (&own[..n], &own[1..=n], &own[2..n + 2]);
            let ([sz, sy, sx], [wz, wy, wx]) = (flow.sharpness, flow.weight);
            for i in 0..n {
                let v = own[i];
                let flow = |neighbour: f32, sharpness: f32| {
                    let d = neighbour - v;
                    ($g)(d * d * sharpness) * d
                };
                let along_z = flow(below[i], sz) + flow(above[i], sz);
                let along_y = flow(before[i], sy) + flow(after[i], sy);
                let along_x = flow(left[i], sx) + flow(right[i], sx);
                out[i] = v + (wz * along_z + wy * along_y + wx * along_x);
            }
        }
    };
}

flowing!(exponential, super::filter::exp::exp_neg);
flowing!(rational, |t: f32| 1.0 / (1.0 + t));

impl Local for Diffusion {
    fn halo(&self) -> [usize; 3] {
        [self.iterations; 3]
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let shape = input.shape();
        let out = block.inner();
        if out.is_empty() {
            return Ok(Volume::zeros(self.output, out.shape));
        }
        let whole = Region::whole(shape);
        fn frame(input: &Volume) -> Frame<'_> {
            let shape = input.shape();
            Frame { input, source: Region::whole(shape), image: shape, border: Border::Nearest }
        }
        let mut left = self.iterations;
        let mut state: Option<Volume> = None;
        while left > STEPS {
            let source = state.as_ref().unwrap_or(input);
            state = Some(self.sweep(&frame(source), STEPS, whole, VoxelType::F32, job)?);
            left -= STEPS;
        }
        self.sweep(&frame(state.as_ref().unwrap_or(input)), left, out, self.output, job)
    }
}

#[cfg(test)]
mod tests {
    use crate::VoxelType;
    use crate::ops::filter::testing::{Random, check_blocks, run, values};

    /// The formula of the declaration in `f64`.
    #[test]
    fn equal_to_the_stated_formula() {
        let mut random = Random(9);
        for (conductance, iterations) in [("exponential", 1), ("exponential", 7), ("rational", 12)] {
            let shape = [6, 5, 9];
            let v = random.volume(VoxelType::F32, shape);
            let n = iterations.to_string();
            let args = [("edge", "0.5"), ("conductance", conductance), ("iterations", &*n), ("step", "0.1")];
            let spacing = [2.0, 1.0, 1.0];
            let seen = values(&run("anisotropic-diffusion", &args, &v, spacing));
            let mut a = values(&v);
            for _ in 0..iterations {
                let at = |z: usize, y: usize, x: usize| a[(z * shape[1] + y) * shape[2] + x];
                let mut next = a.clone();
                for z in 0..shape[0] {
                    for y in 0..shape[1] {
                        for x in 0..shape[2] {
                            let v = at(z, y, x);
                            let mut change = 0.0;
                            let mut flow = |u: f64, spacing: f64| {
                                let d = (u - v) / spacing;
                                let t = (d / 0.5) * (d / 0.5);
                                let g = if conductance == "rational" { 1.0 / (1.0 + t) } else { (-t).exp() };
                                change += 0.1 * g * d / spacing;
                            };
                            flow(at(z.saturating_sub(1), y, x), 2.0);
                            flow(at((z + 1).min(shape[0] - 1), y, x), 2.0);
                            flow(at(z, y.saturating_sub(1), x), 1.0);
                            flow(at(z, (y + 1).min(shape[1] - 1), x), 1.0);
                            flow(at(z, y, x.saturating_sub(1)), 1.0);
                            flow(at(z, y, (x + 1).min(shape[2] - 1)), 1.0);
                            next[(z * shape[1] + y) * shape[2] + x] = v + change;
                        }
                    }
                }
                a = next;
            }
            for (s, e) in seen.iter().zip(&a) {
                assert!((s - e).abs() < 1e-5, "{conductance} {iterations}: {s} {e}");
            }
        }
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("anisotropic-diffusion", &[("edge", "0.3")], 1, 10);
        check_blocks(
            "anisotropic-diffusion",
            &[("edge", "40"), ("iterations", "13"), ("output", "same")],
            2,
            8,
        );
        check_blocks("anisotropic-diffusion", &[("edge", "0.2"), ("conductance", "rational")], 3, 6);
    }
}
