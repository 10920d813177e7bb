//! Threshold by a fixed range.

use super::Operator;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Result, Volume, Voxel, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// Voxels within a range.
pub struct Threshold;

static SPEC: Spec = Spec {
    id: "threshold",
    group: Group::Threshold,
    summary: "Marks the voxels whose intensity lies within a range, both ends included.",
    details: "Pointwise; exact block by block. NaN is never marked.",
    inputs: &[Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." }],
    output: Produces::Image(Kind::Mask),
    params: &[
        Param {
            name: "min",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("-inf"),
            help: "Least intensity that is marked.",
        },
        Param {
            name: "max",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Value("inf"),
            help: "Greatest intensity that is marked.",
        },
    ],
};

impl Operator for Threshold {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (min, max) = (call.args.float("min"), call.args.float("max"));
        if min > max {
            return Err(call.error(format!("min = {min} is greater than max = {max}")));
        }
        Ok(Prepared::local(call.grid().mask(), InRange { min, max }))
    }
}

/// Marks voxels with `min ≤ v ≤ max`; shared by all thresholds once they know their range.
pub struct InRange {
    /// Least intensity that is marked.
    pub min: f64,
    /// Greatest intensity that is marked.
    pub max: f64,
}

impl Local for InRange {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| mark(a, self.min, self.max, job))
    }
}

fn mark<T: Voxel>(input: &Array3<T>, min: f64, max: f64, job: &Job) -> Result<Volume> {
    let mut mask = Array3::<u8>::zeros(input.dim());
    let source = input.as_slice().expect("volumes are in C order");
    let target = mask.as_slice_mut().expect("just made");
    // The comparison runs in the voxels' own type: the bounds are moved inwards to values of it.
    let (low, high) = (at_least::<T>(min), at_most::<T>(max));
    if let (Some(low), Some(high)) = (low, high) {
        parallel::zip(target, source, job, &|t, s| {
            for (t, s) in t.iter_mut().zip(s) {
                *t = u8::from((*s >= low) & (*s <= high));
            }
        })?;
    }
    Ok(Volume::U8(mask))
}

/// The least value of `T` that is not below `bound`; none if there is none.
fn at_least<T: Voxel>(bound: f64) -> Option<T> {
    if T::TYPE.is_float() {
        return Some(next_not_below(bound));
    }
    if bound > T::HIGHEST.to_f64() { None } else { Some(T::from_f64(bound.ceil())) }
}

/// The greatest value of `T` that is not above `bound`; none if there is none.
fn at_most<T: Voxel>(bound: f64) -> Option<T> {
    if T::TYPE.is_float() {
        return Some(T::from_f64(-next_not_below::<T>(-bound).to_f64()));
    }
    if bound < T::LOWEST.to_f64() { None } else { Some(T::from_f64(bound.floor())) }
}

fn next_not_below<T: Voxel>(bound: f64) -> T {
    let nearest = T::from_f64(bound);
    if nearest.to_f64() >= bound || T::TYPE != crate::VoxelType::F32 {
        return nearest;
    }
    T::from_f64(f64::from((nearest.to_f64() as f32).next_up()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Voxel>(values: Vec<T>, min: f64, max: f64, expected: &[u8]) {
        let a = Array3::from_shape_vec((1, 1, values.len()), values).unwrap();
        let mask = mark(&a, min, max, &Job::silent()).unwrap();
        assert_eq!(mask.as_bytes(), expected);
    }

    #[test]
    fn both_ends_are_included_in_any_type() {
        check(vec![0u8, 63, 64, 255], 64.0, 255.0, &[0, 0, 1, 1]);
        check(vec![0u8, 63, 64, 255], 63.5, 1e9, &[0, 0, 1, 1]);
        check(vec![0u8, 255], 300.0, 400.0, &[0, 0]);
        check(vec![0u8, 255], -5.0, -1.0, &[0, 0]);
        check(vec![-1i16, 0, 1], f64::NEG_INFINITY, 0.0, &[1, 1, 0]);
        check(vec![0.1f32, 0.2, f32::NAN], 0.1, f64::INFINITY, &[1, 1, 0]);
        // 0.1f32 is a little more than 0.1.
        check(vec![0.1f32], f64::NEG_INFINITY, 0.1, &[0]);
        check(vec![f64::NAN, f64::INFINITY], f64::NEG_INFINITY, f64::INFINITY, &[0, 1]);
    }
}
