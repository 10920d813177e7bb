//! The negative logarithm, which turns transmission into attenuation.

use super::Operator;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// Transmission to attenuation.
pub struct Logarithm;

static SPEC: Spec = Spec {
    id: "logarithm",
    group: Group::Grid,
    summary: "Turns transmitted into absorbed radiation: minus the logarithm of intensity ÷ incident intensity.",
    details: "−ln(v ∕ white), the attenuation along the beam (Beer–Lambert). Computed in f64, given as f32. \
        Intensities of 0 or less have no logarithm: they are NaN. Pointwise; exact block by block.",
    inputs: &[Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." }],
    output: Produces::Image(Kind::Grey),
    params: &[Param {
        name: "white",
        ty: ParamType::Float { min: f64::MIN_POSITIVE, max: f64::MAX },
        default: Default::Value("1"),
        help: "Intensity of the unobstructed beam.",
    }],
};

impl Operator for Logarithm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let white = call.args.float("white").ln();
        Ok(Prepared::local(call.grid().with(VoxelType::F32, Kind::Grey), Attenuation { white }))
    }
}

struct Attenuation {
    /// Logarithm of the incident intensity.
    white: f64,
}

impl Local for Attenuation {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        with_volume!(&**input, |a| attenuation(a, self.white, job))
    }
}

fn attenuation<T: Voxel>(input: &Array3<T>, white: f64, job: &Job) -> Result<Volume> {
    let mut out = Array3::<f32>::zeros(input.dim());
    let source = input.as_slice().expect("volumes are in C order");
    let target = out.as_slice_mut().expect("just made");
    parallel::zip(target, source, job, &|t, s| {
        for (t, s) in t.iter_mut().zip(s) {
            let v = s.to_f64();
            *t = if v > 0.0 { (white - v.ln()) as f32 } else { f32::NAN };
        }
    })?;
    Ok(Volume::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_beam_is_the_logarithm_of_two() {
        let a = Array3::from_shape_vec((1, 1, 4), vec![1000u16, 500, 1, 0]).unwrap();
        let out = attenuation(&a, 1000f64.ln(), &Job::silent()).unwrap();
        let Volume::F32(out) = out else { panic!("attenuation is f32") };
        let expected = [0.0, std::f32::consts::LN_2, 1000f32.ln()];
        assert!(out.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-6), "{out}");
        assert!(out[[0, 0, 3]].is_nan());
    }
}
