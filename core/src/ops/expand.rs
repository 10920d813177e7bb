//! Labels grown outwards by a distance.

use super::Operator;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Result, Unit, Volume};
use ndarray::{Array3, ArrayViewMut2, Axis};
use rayon::prelude::*;
use std::sync::Arc;

/// Labels grown outwards by a distance.
pub struct Expand;

static SPEC: Spec = Spec {
    id: "expand",
    group: Group::Objects,
    summary: "Grows labels outwards by a distance, without merging them.",
    details: "Background voxels within the Euclidean distance of a label take the nearest label; of labels \
        at equal distances, the smallest. Distances are between voxel centres, in the image's unit if the \
        distance is physical and in voxels otherwise. As scikit-image's expand_labels but for its ties. \
        Exact block by block.",
    inputs: &[Input { name: "input", kinds: &[Kind::Labels], optional: false, help: "The labels." }],
    output: Produces::Image(Kind::Labels),
    params: &[Param {
        name: "distance",
        ty: ParamType::Length { min: 0.0 },
        default: Default::Value("1"),
        help: "How far labels grow; three lengths make an ellipsoid.",
    }],
};

impl Operator for Expand {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let length = call.args.length("distance");
        let reach = call.voxels("distance")?;
        // Distances are measured in units of the first axis' length, so that one axis is whole.
        let even = length.value[0] == length.value[1] && length.value[1] == length.value[2];
        let (weights, limit) = if even && length.unit == Unit::Voxel {
            ([1.0; 3], length.value[0].powi(2))
        } else if even {
            let s = call.grid().geometry.spacing();
            let physical = length.physical(&call.grid().geometry).map_err(|e| call.error(e))?;
            (s.map(|s| s * s), physical[0].powi(2))
        } else {
            // An ellipsoid: scaled to a ball of radius 1. An axis of no length has no steps.
            (reach.map(|r| if r > 0.0 { 1.0 / (r * r) } else { f64::INFINITY }), 1.0)
        };
        // Lengths such as 0.3 are not exact in binary: what is meant to touch does.
        let limit = (limit * (1.0 + 1e-6)) as f32;
        let halo = std::array::from_fn(|a| ((reach[a] * (1.0 + 1e-6)) as usize).min(call.grid().shape[a]));
        Ok(Prepared::local(call.grid().labels(), Nearest { weights, limit, halo }).scratch(12.0))
    }
}

struct Nearest {
    weights: [f64; 3],
    limit: f32,
    halo: [usize; 3],
}

/// Far from any label.
const NONE: u64 = u64::MAX;

impl Local for Nearest {
    fn halo(&self) -> [usize; 3] {
        self.halo
    }

    /// Squared distance and label in one number, so that the lesser of two is the nearer one and of
    /// equally near ones the smaller; floats that are not negative order like their bits.
    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let Some(Volume::U32(labels)) = inputs[0].as_deref() else { unreachable!("labels are u32") };
        let mut near = labels.mapv(|l| if l == 0 { NONE } else { u64::from(l) });
        for axis in [2, 1, 0] {
            if self.halo[axis] == 0 {
                continue;
            }
            let squares: Vec<f32> =
                (0..=self.halo[axis]).map(|d| (self.weights[axis] * (d * d) as f64) as f32).collect();
            let planes = usize::from(axis == 0);
            near.axis_iter_mut(Axis(planes)).into_par_iter().try_for_each(|mut plane| {
                job.check()?;
                if axis == 2 {
                    plane.swap_axes(0, 1);
                }
                self.along(&mut plane, &squares);
                Result::Ok(())
            })?;
        }
        let [z, y, x] = block.inner().ranges();
        let near = near.slice(ndarray::s![z, y, x]);
        let out = near.map(|n| if *n == NONE { 0 } else { *n as u32 });
        job.advance(out.len() as u64);
        Ok(Volume::U32(
            Array3::from_shape_vec(block.out.shape, out.into_iter().collect()).expect("the block"),
        ))
    }
}

impl Nearest {
    /// Along the first axis of a plane, one column after the other.
    fn along(&self, plane: &mut ArrayViewMut2<u64>, squares: &[f32]) {
        let n = plane.dim().0;
        let mut column = vec![NONE; n];
        for mut target in plane.columns_mut() {
            column.iter_mut().zip(&target).for_each(|(c, t)| *c = *t);
            if column.iter().all(|v| *v == NONE) {
                continue;
            }
            for i in 0..n {
                // A labelled voxel stops at its first step, which is longer than 0.
                let mut best = column[i];
                for (d, square) in squares.iter().enumerate().skip(1) {
                    if *square > self.limit || u64::from(square.to_bits()) << 32 > best {
                        break;
                    }
                    let sides = [i.checked_sub(d), Some(i + d).filter(|j| *j < n)];
                    for other in sides.into_iter().flatten().map(|j| column[j]).filter(|o| *o != NONE) {
                        let sum = f32::from_bits((other >> 32) as u32) + square;
                        if sum <= self.limit {
                            best = best.min(u64::from(sum.to_bits()) << 32 | other & u64::from(u32::MAX));
                        }
                    }
                }
                target[i] = best;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::algorithms::components::tests::{Random, hold_blocked, labels, spaced};

    #[test]
    fn the_nearest_label_wins_and_the_smaller_of_equals() {
        let mut random = Random(23);
        for i in 0..40 {
            let shape = random.shape(9);
            let n: usize = shape.iter().product();
            let l: Vec<u32> =
                (0..n).map(|_| if random.below(12) == 0 { 1 + random.below(5) as u32 } else { 0 }).collect();
            let (text, reach, spacing) = [
                ("2", 2.0, [1.0; 3]),
                ("3.5", 3.5, [1.0; 3]),
                ("3 um", 3.0, [2.0, 1.0, 0.5]),
                ("0", 0.0, [1.0; 3]),
            ][i % 4];
            let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
            let expected: Vec<u32> = (0..n)
                .map(|i| {
                    let p = at(i);
                    let near = (0..n).filter(|&j| l[j] != 0).map(|j| {
                        let q = at(j);
                        let d: f64 = (0..3).map(|a| ((p[a] as f64 - q[a] as f64) * spacing[a]).powi(2)).sum();
                        (d, l[j])
                    });
                    let best = near.filter(|(d, _)| *d <= reach * reach);
                    best.min_by(|a, b| a.partial_cmp(b).unwrap()).map_or(0, |(_, l)| l)
                })
                .collect();
            let image = spaced(labels(shape, l), spacing);
            let seen = hold_blocked("expand", &[("distance", text)], &[Some(image)], &mut random);
            assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), expected, "{shape:?} {text}");
        }
    }
}
