//! Total-variation denoising.

use super::Operator;
use super::filter::{Border, Frame, GREY, OUTPUT, by_tiles, output_type};
use crate::program::{Block, Call, Default, Group, Kind, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::{Job, Region, Result, Volume, VoxelType};
use multiversion::multiversion;
use rayon::prelude::*;
use std::sync::Arc;

/// Total-variation denoising.
pub struct TotalVariation;

static SPEC: Spec = Spec {
    id: "total-variation",
    group: Group::Filter,
    summary: "Flattens noise into regions of even intensity with sharp edges.",
    details: "Minimises Σ|∇u| + Σ(u − v)²∕2·weight by the dual projection of Chambolle (2004, \
        doi:10.1023/B:JMIV.0000011325.36760.1e) with a step of 1∕6 and a fixed number of iterations, the same as \
        scikit-image's denoise_tv_chambolle with eps = 0 — but weight is in the image's own intensity, which is not \
        rescaled. Differences are between voxels, whatever the spacing. Computed in f32. NaN spreads by one voxel an \
        iteration. Exact block by block, with a halo of one voxel an iteration.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "weight",
            ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
            default: Default::Required,
            help: "Strength, in intensity: of the order of the noise.",
        },
        Param {
            name: "iterations",
            ty: ParamType::Int { min: 1, max: 10_000 },
            default: Default::Value("50"),
            help: "Number of iterations; the result settles within about a hundred.",
        },
        OUTPUT,
    ],
};

impl Operator for TotalVariation {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let output = output_type(call.args.text("output"), call.grid().voxel);
        let kernel = Chambolle {
            iterations: call.args.int("iterations") as usize,
            factor: (TAU / call.args.float("weight")) as f32,
            output,
        };
        Ok(Prepared::local(call.grid().with(output, Kind::Grey), kernel).scratch(13.0))
    }
}

/// Step of the dual: 1 ∕ 2·dimensions.
const TAU: f64 = 1.0 / 6.0;

struct Chambolle {
    iterations: usize,
    /// Step ∕ weight.
    factor: f32,
    output: VoxelType,
}

/// What the iterations run on: the voxels that are held, whose ends count as the image's. What is
/// wrong there reaches one voxel further with each iteration, and the halo is as wide. Rows of the dual
/// have a voxel more before them, where it is 0.
struct DualField<'a> {
    frame: Frame<'a>,
    /// Rows of a plane, voxels of a row.
    rows: [usize; 2],
}

impl DualField<'_> {
    fn stride(&self) -> usize {
        self.rows[1] + 1
    }

    fn plane(&self) -> usize {
        self.rows[0] * self.stride()
    }

    /// Where row `y` lies in a plane of the dual.
    fn row(&self, y: usize) -> std::ops::Range<usize> {
        y * self.stride() + 1..(y + 1) * self.stride()
    }

    /// The image plus the divergence of the dual, for row `y` of plane `z`. `before` is the dual along z
    /// of the plane before, if there is one.
    fn primal_row(&self, [z, y]: [usize; 2], p: [&[f32]; 3], before: Option<&[f32]>, out: &mut [f32]) {
        let own = self.row(y);
        let before_z = before.map_or(&[][..], |b| &b[own.clone()]);
        let before_y = if y > 0 { &p[1][self.row(y - 1)] } else { &[][..] };
        self.frame.fill([z as isize, y as isize, 0], [1, 1, self.rows[1]], self.rows[1], out);
        let along_x = &p[2][own.start - 1..own.end];
        primal(out, [&p[0][own.clone()], &p[1][own], along_x], [before_z, before_y]);
    }

    fn primal_plane(&self, z: usize, p: [&[f32]; 3], before: Option<&[f32]>, out: &mut [f32]) {
        for (y, row) in out.chunks_exact_mut(self.rows[1]).enumerate() {
            self.primal_row([z, y], p, before, row);
        }
    }
}

impl Chambolle {
    /// One step of the dual, in place, in slabs of `thick` planes side by side. `firsts` has room for the
    /// primal of the first plane of each slab, which the slab before needs too.
    fn step(
        &self,
        field: &DualField,
        dual: &mut [Vec<f32>; 3],
        firsts: &mut [Vec<f32>],
        thick: usize,
        job: &Job,
    ) -> Result<()> {
        let plane = field.plane();
        let nx = field.rows[1];
        let planes = dual[0].len() / plane;
        firsts.par_iter_mut().enumerate().for_each(|(slab, first)| {
            let z = slab * thick;
            let at = |z: usize| z * plane..(z + 1) * plane;
            let before = z.checked_sub(1).map(|z| &dual[0][at(z)]);
            field.primal_plane(z, dual.each_ref().map(|p| &p[at(z)]), before, first);
        });
        let firsts = &*firsts;
        let [pz, py, px] = dual.each_mut().map(|p| p.par_chunks_mut(thick * plane));
        pz.zip(py).zip(px).enumerate().try_for_each(|(slab, ((pz, py), px))| {
            let count = pz.len() / plane;
            let mut here = firsts[slab].clone();
            let mut next = vec![0f32; here.len()];
            for k in 0..count {
                job.check()?;
                let z = slab * thick + k;
                let own = k * plane..(k + 1) * plane;
                if k + 1 < count {
                    let after = own.end..own.end + plane;
                    let p = [&pz[after.clone()], &py[after.clone()], &px[after]];
                    field.primal_plane(z + 1, p, Some(&pz[own.clone()]), &mut next);
                } else if z + 1 < planes {
                    next.copy_from_slice(&firsts[slab + 1]);
                } else {
                    next.copy_from_slice(&here);
                }
                let (pz, py, px) = (&mut pz[own.clone()], &mut py[own.clone()], &mut px[own]);
                for y in 0..field.rows[0] {
                    let row = field.row(y);
                    let own_u = &here[y * nx..(y + 1) * nx];
                    let next_y =
                        if y + 1 < field.rows[0] { &here[(y + 1) * nx..(y + 2) * nx] } else { own_u };
                    let next_z = &next[y * nx..(y + 1) * nx];
                    let p = [&mut pz[row.clone()], &mut py[row.clone()], &mut px[row]];
                    dual_row(p, [own_u, next_z, next_y], self.factor);
                }
                std::mem::swap(&mut here, &mut next);
                job.advance((field.rows[0] * nx) as u64);
            }
            Ok(())
        })
    }
}

/// Adds the divergence of the dual to a row of the image. `p` has the row of the dual along z and y, and along x with the voxel before it.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn primal(out: &mut [f32], p: [&[f32]; 3], before: [&[f32]; 2]) {
    let n = out.len();
    let (pz, py, px, left) = (&p[0][..n], &p[1][..n], &p[2][1..=n], &p[2][..n]);
    match before.map(|b| b.len() >= n) {
        [true, true] => {
            let (bz, by) = (&before[0][..n], &before[1][..n]);
            for i in 0..n {
                out[i] += (bz[i] - pz[i]) + (by[i] - py[i]) + (left[i] - px[i]);
            }
        }
        [have_z, have_y] => {
            for i in 0..n {
                let bz = if have_z { before[0][i] } else { 0.0 };
                let by = if have_y { before[1][i] } else { 0.0 };
                out[i] += (bz - pz[i]) + (by - py[i]) + (left[i] - px[i]);
            }
        }
    }
}

/// One step of the dual in a row. `u` has the row of the primal, the next row along z and along y (itself at the end).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn dual_row(p: [&mut [f32]; 3], u: [&[f32]; 3], factor: f32) {
    let [pz, py, px] = p;
    let n = pz.len();
    let (py, px) = (&mut py[..n], &mut px[..n]);
    let [own, next_z, next_y] = u.map(|u| &u[..n]);
    let right = &own[1..];
    for i in 0..n - 1 {
        let v = own[i];
        let p = projected([pz[i], py[i], px[i]], [next_z[i] - v, next_y[i] - v, right[i] - v], factor);
        (pz[i], py[i], px[i]) = (p[0], p[1], p[2]);
    }
    let (i, v) = (n - 1, own[n - 1]);
    let p = projected([pz[i], py[i], px[i]], [next_z[i] - v, next_y[i] - v, 0.0], factor);
    (pz[i], py[i], px[i]) = (p[0], p[1], p[2]);
}

/// One step of the dual against the gradient, projected back.
#[inline(always)]
fn projected(p: [f32; 3], [gz, gy, gx]: [f32; 3], factor: f32) -> [f32; 3] {
    const STEP: f32 = TAU as f32;
    let shrink = 1.0 / ((gz * gz + gy * gy + gx * gx).sqrt() * factor + 1.0);
    [(p[0] - STEP * gz) * shrink, (p[1] - STEP * gy) * shrink, (p[2] - STEP * gx) * shrink]
}

impl Local for Chambolle {
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
        let frame = Frame { input, source: Region::whole(shape), image: shape, border: Border::Nearest };
        let field = DualField { frame, rows: [shape[1], shape[2]] };
        // The result is the image plus the divergence of the dual of one iteration before.
        let steps = self.iterations - 1;
        job.stage("total variation", (steps as u64 + 1) * input.len() as u64);
        let mut dual: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; shape[0] * field.plane()]);
        let thick = shape[0].div_ceil(4 * rayon::current_num_threads()).max(4);
        let mut firsts = vec![vec![0.0; shape[1] * shape[2]]; shape[0].div_ceil(thick)];
        for _ in 0..steps {
            self.step(&field, &mut dual, &mut firsts, thick, job)?;
        }
        let size = [1, 16, out.shape[2]];
        by_tiles(
            self.output,
            out,
            size,
            job,
            || vec![0.0; shape[2]],
            |row, tile| {
                let region = tile.region();
                let z = region.start[0];
                let at = |z: usize| z * field.plane()..(z + 1) * field.plane();
                let before = z.checked_sub(1).map(|z| &dual[0][at(z)]);
                for y in 0..region.shape[1] {
                    field.primal_row(
                        [z, region.start[1] + y],
                        dual.each_ref().map(|p| &p[at(z)]),
                        before,
                        row,
                    );
                    tile.put(0, y, &row[region.start[2]..]);
                }
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::filter::testing::{check_blocks, check_peers};

    #[test]
    fn equal_to_peers() {
        check_peers("total-variation");
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("total-variation", &[("weight", "0.3"), ("iterations", "3")], 1, 10);
        check_blocks("total-variation", &[("weight", "30"), ("iterations", "17"), ("output", "same")], 2, 8);
    }
}
