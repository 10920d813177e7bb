use super::*;
use crate::ops::Operator;
use crate::program::{Args, Grid, Prepared, Value};
use crate::{Geometry, Job, Volume, Voxel};
use ndarray::Array3;
use std::sync::Arc;

type Given = [(&'static str, Value)];

fn grid(volume: &Volume, kind: Kind) -> Grid {
    Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry: Geometry::default() }
}

fn prepare(op: &dyn Operator, inputs: &[(&Volume, Kind)], given: &Given) -> Result<Prepared> {
    let args = Args::complete(op.spec(), given.iter().cloned().collect()).unwrap();
    let mut grids: Vec<_> = inputs.iter().map(|(v, k)| Some(grid(v, *k))).collect();
    grids.resize(op.spec().inputs.len(), None);
    op.prepare(&Call { op: op.spec().id, args: &args, inputs: &grids })
}

/// Runs whole, and in blocks, which must agree.
fn run(op: &dyn Operator, inputs: &[(&Volume, Kind)], given: &Given) -> Volume {
    let volumes: Vec<_> = inputs.iter().map(|(v, _)| Some(Arc::new((*v).clone()))).collect();
    let mut padded = volumes.clone();
    padded.resize(op.spec().inputs.len(), None);
    let prepared = prepare(op, inputs, given).unwrap();
    let out = prepared.output;
    let whole = prepared.kernel.whole(padded, &Job::silent()).unwrap().into_volume();
    assert_eq!((out.shape, out.voxel), (whole.shape(), whole.voxel_type()));
    for block in [[2, 3, 4], [1, 50, 50]] {
        let mut fields: Vec<_> = volumes
            .iter()
            .zip(inputs)
            .map(|(v, (_, k))| v.clone().map(|v| (v.clone(), grid(&v, *k))))
            .collect();
        fields.resize(op.spec().inputs.len(), None);
        let again = prepare(op, inputs, given).unwrap();
        let blocked =
            crate::blocks::run_prepared(again, &fields, block, &Job::silent()).unwrap().into_volume();
        assert_eq!(blocked.as_bytes(), whole.as_bytes(), "{} {block:?}", op.spec().id);
    }
    whole
}

fn line<T: Voxel>(values: &[T]) -> Volume {
    Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap().into()
}

fn values(volume: &Volume) -> Vec<f64> {
    crate::with_volume!(volume, |a| a.iter().map(|v| v.to_f64()).collect())
}

/// Values between −60 and 60, or 0 and 120 for unsigned types.
fn ramp(shape: [usize; 3], voxel: VoxelType) -> Volume {
    let a = Array3::from_shape_fn(shape, |(z, y, x)| ((z * 31 + y * 17 + x * 7) % 121) as f64);
    let signed = !matches!(voxel, VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64);
    Volume::from(if signed { a - 60.0 } else { a }).cast(voxel)
}

fn word(s: &str) -> Value {
    Value::Text(s.into())
}

const GREY: Kind = Kind::Grey;

#[test]
fn every_type_and_thin_volumes_run_whole_as_in_blocks() {
    for voxel in VoxelType::ALL {
        for shape in [[3, 5, 7], [1, 1, 1], [1, 6, 5], [4, 1, 9]] {
            let v = ramp(shape, voxel);
            let m = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| u8::from((z + y + x) % 2 == 0)));
            run(&Clip, &[(&v, GREY)], &[("min", Value::Float(-5.5)), ("max", Value::Float(50.0))]);
            run(&Invert, &[(&v, GREY)], &[]);
            run(&Rescale, &[(&v, GREY)], &[]);
            run(&Rescale, &[(&v, GREY)], &[("percent", Value::Float(5.0)), ("type", word("u16"))]);
            run(&Normalise, &[(&v, GREY)], &[]);
            run(&Normalise, &[(&v, GREY)], &[("method", word("percentile"))]);
            run(&Mask, &[(&v, GREY), (&m, Kind::Mask)], &[("value", Value::Float(3.0))]);
            run(&Arithmetic, &[(&v, GREY), (&m, Kind::Mask)], &[("operation", word("subtract"))]);
            for to in ["u8", "i16", "u64", "f32"] {
                run(&Cast, &[(&v, GREY)], &[("type", word(to))]);
                run(&Cast, &[(&v, GREY)], &[("type", word(to)), ("scale", Value::Bool(true))]);
            }
        }
    }
}

#[test]
fn arithmetic_is_that_of_the_numbers_then_of_the_type() {
    let a = line(&[10u8, 200, 0, 255]);
    let b = line(&[3.0f32, 100.0, f32::NAN, -1.0]);
    let check = |operation: &str, expected: &[f64]| {
        let out = run(&Arithmetic, &[(&a, GREY), (&b, GREY)], &[("operation", word(operation))]);
        assert_eq!(values(&out), expected, "{operation}");
    };
    check("add", &[13.0, 255.0, 0.0, 254.0]);
    check("subtract", &[7.0, 100.0, 0.0, 255.0]);
    check("multiply", &[30.0, 255.0, 0.0, 0.0]);
    check("divide", &[3.0, 2.0, 0.0, 0.0]);
    check("min", &[3.0, 100.0, 0.0, 0.0]);
    check("max", &[10.0, 200.0, 0.0, 255.0]);
    check("difference", &[7.0, 100.0, 0.0, 255.0]);
    let given = [("operation", word("divide")), ("value", Value::Float(0.0)), ("type", word("f32"))];
    let out = values(&run(&Arithmetic, &[(&a, GREY)], &given));
    assert!(out[0] == f64::INFINITY && out[2].is_nan());
    for op in ["min", "max"] {
        let out = run(&Arithmetic, &[(&b, GREY)], &[("operation", word(op)), ("value", Value::Float(2.0))]);
        assert!(values(&out)[2].is_nan(), "{op}");
    }
    assert!(prepare(&Arithmetic, &[(&a, GREY)], &[("operation", word("add"))]).is_err());
    let short = line(&[1u8]);
    assert!(prepare(&Arithmetic, &[(&a, GREY), (&short, GREY)], &[("operation", word("add"))]).is_err());
}

#[test]
fn rescaling_reaches_both_ends_and_keeps_nan() {
    let v = line(&[f32::NAN, -2.0, 0.0, 2.0, f32::INFINITY, f32::NEG_INFINITY]);
    let out = values(&run(&Rescale, &[(&v, GREY)], &[]));
    assert!(out[0].is_nan());
    assert_eq!(out[1..], [0.0, 0.5, 1.0, 1.0, 0.0]);
    let out = run(&Rescale, &[(&v, GREY)], &[("type", word("u8"))]);
    assert_eq!(values(&out), [0.0, 0.0, 128.0, 255.0, 255.0, 0.0]);
    let out = run(&Rescale, &[(&line(&[7u16; 5]), GREY)], &[("low", Value::Float(9.0))]);
    assert_eq!(values(&out), [9.0; 5]);
    let fixed = [
        ("from", Value::Float(0.0)),
        ("to", Value::Float(1.0)),
        ("low", Value::Float(100.0)),
        ("high", Value::Float(0.0)),
    ];
    assert_eq!(values(&run(&Rescale, &[(&v, GREY)], &fixed))[1..4], [100.0, 100.0, 0.0]);
    let all_nan = line(&[f64::NAN; 3]);
    assert!(values(&run(&Rescale, &[(&all_nan, GREY)], &[])).iter().all(|v| v.is_nan()));
}

#[test]
fn normalised_images_have_mean_0_and_sd_1() {
    for voxel in VoxelType::ALL {
        let out = values(&run(&Normalise, &[(&ramp([6, 7, 8], voxel), GREY)], &[]));
        let n = out.len() as f64;
        let mean = out.iter().sum::<f64>() / n;
        let sd = (out.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 1e-6 && (sd - 1.0).abs() < 1e-6, "{voxel}: {mean} {sd}");
    }
    let constant = line(&[5i32; 4]);
    assert_eq!(values(&run(&Normalise, &[(&constant, GREY)], &[])), [0.0; 4]);
}

#[test]
fn inversion_twice_changes_nothing() {
    for voxel in VoxelType::ALL {
        let v = ramp([2, 5, 9], voxel);
        let twice = run(&Invert, &[(&run(&Invert, &[(&v, GREY)], &[]), GREY)], &[]);
        assert_eq!(twice, v, "{voxel}");
    }
    let m = line(&[0u8, 1, 1]);
    assert_eq!(values(&run(&Invert, &[(&m, Kind::Mask)], &[])), [1.0, 0.0, 0.0]);
    assert_eq!(values(&run(&Invert, &[(&line(&[-3i8, 7]), GREY)], &[])), [2.0, -8.0]);
    let labels = line(&[0u32, 4]);
    assert!(prepare(&Invert, &[(&labels, Kind::Labels)], &[]).is_err());
}

#[test]
fn casts_state_their_rounding() {
    let v = line(&[-0.5f64, 0.5, 1.5, 2.5, 1e9, f64::NAN]);
    assert_eq!(values(&run(&Cast, &[(&v, GREY)], &[("type", word("u8"))])), [0.0, 0.0, 2.0, 2.0, 255.0, 0.0]);
    let bytes = line(&[0u8, 128, 255]);
    let scaled = [("type", word("u16")), ("scale", Value::Bool(true))];
    assert_eq!(values(&run(&Cast, &[(&bytes, GREY)], &scaled)), [0.0, 32896.0, 65535.0]);
    let big = line(&[u64::MAX, 1 << 60 | 1]);
    let out = run(&Cast, &[(&big, GREY)], &[("type", word("i64"))]);
    assert_eq!(out, line(&[i64::MAX, 1 << 60 | 1]));
}

#[test]
fn masks_keep_one_side_of_any_kind() {
    let v = line(&[1.5f32, f32::NAN, 3.0, 4.0]);
    let m = line(&[1u8, 0, 0, 1]);
    let given = [("value", Value::Float(f64::NAN))];
    let out = values(&run(&Mask, &[(&v, GREY), (&m, Kind::Mask)], &given));
    assert!(out[0] == 1.5 && out[1].is_nan() && out[2].is_nan() && out[3] == 4.0);
    let labels = line(&[5u32, 6, 7, 8]);
    let out = run(&Mask, &[(&labels, Kind::Labels), (&m, Kind::Mask)], &[("keep", word("outside"))]);
    assert_eq!(out, line(&[0u32, 6, 7, 0]));
}
