use super::*;
use crate::program::{Args, Grid};
use crate::{Geometry, VoxelType};
use ndarray::Array3;
use std::collections::BTreeMap;

/// The finaliser of Murmur 3, as in `tests/golden/grid.py`.
fn hashed(n: usize) -> u32 {
    let mut h = n as u32;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

fn peaks(shape: [usize; 3], voxel: VoxelType) -> Volume {
    let value = |i: usize| {
        let h = hashed(i);
        f64::from((h & 255) + (h >> 8 & 255) + if (h >> 16 & 255) < 90 { 700 } else { 100 })
    };
    let all: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    let adapted = all.into_iter().map(|v| match voxel {
        VoxelType::U8 => (v / 5.0).floor(),
        VoxelType::I16 => v - 500.0,
        VoxelType::I32 => v * 3.0 - 1000.0,
        VoxelType::F32 => f64::from(v as f32 / 7.0),
        VoxelType::F64 => v / 7.0,
        _ => v,
    });
    Volume::from(Array3::from_shape_vec(shape, adapted.collect()).unwrap()).cast(voxel)
}

fn prepare(op: &dyn Operator, volume: &Volume, args: &[(&'static str, crate::program::Value)]) -> Prepared {
    let grid = Grid {
        shape: volume.shape(),
        voxel: volume.voxel_type(),
        kind: Kind::Grey,
        geometry: Geometry::default(),
    };
    let args = Args::complete(op.spec(), args.iter().cloned().collect::<BTreeMap<_, _>>()).unwrap();
    op.prepare(&Call { op: op.spec().id, args: &args, inputs: &[Some(grid)] }).unwrap()
}

/// The facts that a whole run reports.
fn facts(op: &dyn Operator, volume: &Volume) -> Result<Vec<f64>> {
    facts_with(op, volume, &[])
}

fn facts_with(
    op: &dyn Operator,
    volume: &Volume,
    args: &[(&'static str, crate::program::Value)],
) -> Result<Vec<f64>> {
    let found = Arc::new(std::sync::Mutex::new(vec![]));
    let sink = found.clone();
    let job = Job::new(move |e| {
        if let crate::jobs::Event::Fact { value, .. } = e {
            sink.lock().unwrap().push(value);
        }
    });
    prepare(op, volume, args).kernel.whole(vec![Some(Arc::new(volume.clone()))], &job)?;
    let found = found.lock().unwrap().clone();
    Ok(found)
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../../tests/golden/grid.json")).unwrap()
}

const TYPES: [VoxelType; 6] =
    [VoxelType::U8, VoxelType::U16, VoxelType::I16, VoxelType::I32, VoxelType::F32, VoxelType::F64];

#[test]
fn thresholds_are_those_of_scikit_image() {
    let golden = golden();
    let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance;
    for op in [&OTSU, &LI, &YEN, &TRIANGLE, &ISODATA] {
        for voxel in TYPES {
            let name = format!("{} {voxel}", op.spec.id);
            let expected = golden[&name].as_f64().unwrap();
            let volume = peaks([9, 11, 13], voxel);
            let found = facts(op, &volume).unwrap()[0];
            // Li's is not a bin; for floats ours is within half of one.
            let (min, max) = bins::range(&volume, &Job::silent()).unwrap().unwrap();
            let tolerance = match (op.spec.id, voxel.is_float()) {
                ("li", true) => (max - min) / 512.0,
                ("li", false) => 1e-9,
                _ => 0.0,
            };
            assert!(close(found, expected, tolerance), "{name}: {found} for {expected}");
        }
    }
    for voxel in [VoxelType::U8, VoxelType::F32] {
        for classes in [3, 4] {
            let volume = peaks([9, 11, 13], voxel);
            let expected: Vec<f64> = golden[format!("multi-otsu {classes} {voxel}")]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect();
            let args = [("classes", crate::program::Value::Int(classes))];
            let found = facts_with(&MultiOtsu, &volume, &args).unwrap();
            assert_eq!(found, expected, "{classes} {voxel}");
        }
    }
}

#[test]
fn constant_images_have_nothing_above_and_nan_is_left_out() {
    for voxel in VoxelType::ALL {
        let constant = Volume::zeros(voxel, [1, 3, 2]);
        assert_eq!(facts(&OTSU, &constant).unwrap().len(), 1);
        let out = prepare(&OTSU, &constant, &[]).kernel.whole(vec![Some(Arc::new(constant))], &Job::silent());
        assert_eq!(out.unwrap().into_volume(), Volume::zeros(VoxelType::U8, [1, 3, 2]), "{voxel}");
    }
    let nan = Volume::from(
        Array3::from_shape_vec((1, 1, 6), vec![f32::NAN, 0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, 1.0])
            .unwrap(),
    );
    let out = prepare(&OTSU, &nan, &[]).kernel.whole(vec![Some(Arc::new(nan))], &Job::silent()).unwrap();
    assert_eq!(out.into_volume().as_bytes(), [0, 0, 1, 1, 0, 1]);
    let none = Volume::from(Array3::from_elem((1, 2, 1), f64::NAN));
    assert!(facts(&OTSU, &none).unwrap_err().to_string().contains("no finite voxel"));
    assert!(facts(&OTSU, &Volume::zeros(VoxelType::U16, [0, 2, 2])).is_err());
}

#[test]
fn blocks_give_the_same_bits() {
    let operators: [&dyn Operator; 6] = [&OTSU, &MultiOtsu, &LI, &YEN, &TRIANGLE, &ISODATA];
    for voxel in VoxelType::ALL {
        let volume = Arc::new(peaks([7, 9, 10], voxel));
        for op in operators {
            let run = |block| {
                let grid =
                    Grid { shape: volume.shape(), voxel, kind: Kind::Grey, geometry: Geometry::default() };
                let input = [Some((volume.clone(), grid))];
                let made =
                    crate::blocks::run_prepared(prepare(op, &volume, &[]), &input, block, &Job::silent());
                made.unwrap().into_volume()
            };
            let whole = prepare(op, &volume, &[]).kernel.whole(vec![Some(volume.clone())], &Job::silent());
            let whole = whole.unwrap().into_volume();
            assert!(whole.as_bytes().contains(&1) && whole.as_bytes().contains(&0));
            for block in [[3, 4, 5], [1, 9, 10], [7, 1, 1]] {
                assert_eq!(run(block), whole, "{} {voxel} {block:?}", op.spec().id);
            }
        }
    }
}

#[test]
fn classes_are_numbered_from_the_darkest() {
    let image =
        Volume::from(Array3::from_shape_vec((1, 2, 4), vec![5u8, 5, 90, 91, 200, 201, 6, 89]).unwrap());
    let out = prepare(&MultiOtsu, &image, &[]).kernel.whole(vec![Some(Arc::new(image))], &Job::silent());
    let expected = Array3::from_shape_vec((1, 2, 4), vec![0u32, 0, 1, 1, 2, 2, 0, 1]).unwrap();
    assert_eq!(out.unwrap().into_volume(), Volume::U32(expected));
    let flat = Volume::zeros(VoxelType::U8, [2, 2, 2]);
    assert!(facts(&MultiOtsu, &flat).unwrap_err().to_string().contains("too few for 3 classes"));
}

#[test]
fn thresholds_are_numbers_beside_outliers() {
    let ops = [&OTSU, &LI, &YEN, &TRIANGLE, &ISODATA];
    let half = |values: [f64; 3], voxel: VoxelType| {
        let a = Array3::from_shape_fn([4, 4, 4], |(z, y, x)| match (z, y, x) {
            (0, 0, 0) => values[2],
            (0 | 1, ..) => values[0],
            _ => values[1],
        });
        Volume::from(a).cast(voxel)
    };
    for (values, voxel) in [
        ([10.0, 50.0, 3e38], VoxelType::F32),
        ([10.0, 50.0, f64::from(f32::MAX)], VoxelType::F32),
        ([-3.0, 3e38, -3e38], VoxelType::F32),
        ([10.0, 50.0, f64::MAX], VoxelType::F64),
        ([f64::MIN, 1.0, f64::MAX], VoxelType::F64),
        ([1e-320, 3e-320, 9e-320], VoxelType::F64),
        ([10.0, 50.0, 4e9], VoxelType::U32),
        ([10.0, 50.0, -9e18], VoxelType::I64),
        ([10.0, 50.0, f64::INFINITY], VoxelType::F32),
        ([10.0, 50.0, f64::NAN], VoxelType::F64),
    ] {
        let volume = half(values, voxel);
        for op in ops {
            let found = facts(op, &volume).unwrap();
            assert!(found[0].is_finite(), "{} of {values:?} {voxel}: {found:?}", op.spec.id);
            let (least, most) = bins::range(&volume, &Job::silent()).unwrap().unwrap();
            assert!((least..=most).contains(&found[0]), "{} of {values:?} {voxel}: {found:?}", op.spec.id);
        }
        // Two values are too few for three classes.
        let found = facts(&MultiOtsu, &volume);
        assert!(found.is_err() || found.is_ok_and(|t| t.iter().all(|t| t.is_finite())), "{values:?}");
    }
    // A constant image has its value as threshold, in every type.
    for voxel in VoxelType::ALL {
        let volume = Volume::from(Array3::from_elem([2, 2, 2], 5.0f64)).cast(voxel);
        for op in ops {
            assert_eq!(facts(op, &volume).unwrap(), [5.0], "{} {voxel}", op.spec.id);
        }
    }
    let huge = Volume::from(Array3::from_elem([2, 2, 2], f64::MAX));
    assert_eq!(facts(&LI, &huge).unwrap(), [f64::MAX]);
}
