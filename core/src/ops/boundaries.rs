//! Boundaries of labels.

use super::Operator;
use crate::algorithms::components::Connectivity;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Result, Volume, parallel};
use ndarray::Array3;
use std::sync::Arc;

/// Boundaries of labels.
pub struct Boundaries;

static SPEC: Spec = Spec {
    id: "boundaries",
    group: Group::Objects,
    summary: "Marks the voxels at which labels, or a mask and its background, meet.",
    details: "inner: object voxels with a neighbour of another value; outer: background voxels with a \
        neighbour in an object; thick: both (scikit-image's modes inner and thick). The border of the image \
        is no boundary. Exact block by block.",
    inputs: &[Input {
        name: "input",
        kinds: &[Kind::Labels, Kind::Mask],
        optional: false,
        help: "Labels, or a mask.",
    }],
    output: Produces::Image(Kind::Mask),
    params: &[
        Param {
            name: "mode",
            ty: ParamType::Choice(&["inner", "outer", "thick"]),
            default: Default::Value("inner"),
            help: "Which voxels on the two sides of a boundary are marked.",
        },
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("6"),
            help: "Which voxels are neighbours: over faces (6), edges too (18), or corners too (26).",
        },
    ],
};

impl Operator for Boundaries {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let mode = call.args.text("mode");
        Ok(Prepared::local(
            call.grid().mask(),
            Edges {
                inner: mode != "outer",
                outer: mode != "inner",
                steps: Connectivity::of(call.args, "connectivity").neighbours(),
            },
        ))
    }
}

struct Edges {
    inner: bool,
    outer: bool,
    steps: Vec<[isize; 3]>,
}

impl Local for Edges {
    fn halo(&self) -> [usize; 3] {
        [1; 3]
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        match inputs[0].as_deref().expect("the first input is required") {
            Volume::U32(a) => self.mark(block, a, job),
            Volume::U8(a) => self.mark(block, a, job),
            other => unreachable!("labels are u32 and masks u8, not {}", other.voxel_type()),
        }
    }
}

impl Edges {
    /// Row by row: each neighbouring row is compared as a whole, shifted along x.
    fn mark<T: Copy + PartialEq + std::default::Default + Sync>(
        &self,
        block: &Block,
        input: &Array3<T>,
        job: &Job,
    ) -> Result<Volume> {
        let source = input.as_slice().expect("volumes are in C order");
        let [sz, sy, sx] = block.sources[0].shape;
        let inner = block.inner();
        let [_, ny, nx] = block.out.shape;
        let none = T::default();
        let mut out = Array3::<u8>::zeros(block.out.shape);
        if out.is_empty() {
            return Ok(Volume::U8(out));
        }
        let target = out.as_slice_mut().expect("just made");
        parallel::chunks(target, ny * nx, job, &|z, plane| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                let (z, y, x) = (z + inner.start[0], y + inner.start[1], inner.start[2]);
                let own = &source[(z * sy + y) * sx + x..][..nx];
                for step in &self.steps {
                    let (qz, qy) = (z.wrapping_add_signed(step[0]), y.wrapping_add_signed(step[1]));
                    if qz >= sz || qy >= sy {
                        continue;
                    }
                    let line = &source[(qz * sy + qy) * sx..][..sx];
                    // The part of the row whose neighbour lies in the image.
                    let first = usize::from(x == 0 && step[2] < 0);
                    let last = nx - usize::from(x + nx == sx && step[2] > 0);
                    if first >= last {
                        continue;
                    }
                    let other = &line[(x + first).wrapping_add_signed(step[2])..][..last - first];
                    for ((t, v), o) in row[first..last].iter_mut().zip(&own[first..last]).zip(other) {
                        let side = if *v == none { self.outer } else { self.inner };
                        *t |= u8::from((v != o) & side);
                    }
                }
            }
            job.advance(plane.len() as u64);
            Result::Ok(())
        })?;
        Ok(Volume::U8(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::{Random, hold_blocked, labels};

    #[test]
    fn boundaries_agree_with_the_definition() {
        let mut random = Random(22);
        for i in 0..60 {
            let shape = random.shape(8);
            let n: usize = shape.iter().product();
            let l: Vec<u32> = (0..n).map(|_| random.below(3) as u32).collect();
            let (name, c) =
                [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)]
                    [i % 3];
            let mode = ["inner", "outer", "thick"][i / 3 % 3];
            let expected: Vec<u8> = (0..n)
                .map(|at| {
                    let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
                    let differs = c.neighbours().iter().any(|s| {
                        let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
                        (0..3).all(|a| q[a] < shape[a])
                            && l[(q[0] * shape[1] + q[1]) * shape[2] + q[2]] != l[at]
                    });
                    let side = if l[at] == 0 { mode != "inner" } else { mode != "outer" };
                    u8::from(differs && side)
                })
                .collect();
            let args = [("mode", mode), ("connectivity", name)];
            let seen = hold_blocked("boundaries", &args, &[Some(labels(shape, l))], &mut random);
            assert_eq!(seen.as_bytes(), expected, "{shape:?} {args:?}");
        }
    }
}
