//! Intensities of objects are summed exactly, whatever lies elsewhere in the image.

use super::*;
use ndarray::Array3;

/// Eight voxels of an object with the intensities 1 to 8, beside one voxel of background.
fn beside<T: voxelry_core::Voxel>(outlier: T, value: impl Fn(u8) -> T) -> [Option<Image>; 2] {
    let labels = Array3::from_shape_fn([1, 1, 9], |(_, _, x)| u32::from(x > 0));
    let values = Array3::from_shape_fn([1, 1, 9], |(_, _, x)| if x == 0 { outlier } else { value(x as u8) });
    [Some(image(labels, Kind::Labels, [1.0; 3])), Some(image(Volume::from(values), Kind::Grey, [1.0; 3]))]
}

fn with_all(inputs: &[Option<Image>]) -> Table {
    let mut inputs = inputs.to_vec();
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    let columns = ["intensities", "distribution", "boundary"].map(str::to_owned).to_vec();
    let given =
        [("columns", Value::Words(columns)), ("contacts", Value::Bool(false)), ("image", Value::Bool(false))];
    let found = whole("measure", &inputs, &given);
    for block in [[1, 1, 1], [1, 1, 4]] {
        let prepared = prepare("measure", &inputs, &given);
        let made = voxelry_core::blocks::run_prepared(prepared, &inputs, block, &Job::silent()).unwrap();
        let Output::Tables(blocked) = made else { panic!() };
        same(&found, &blocked, &format!("{block:?}"));
    }
    found.into_iter().next().unwrap()
}

#[test]
fn what_lies_elsewhere_changes_nothing() {
    let check = |inputs: [Option<Image>; 2], what: &str| {
        let t = &with_all(&inputs);
        for (name, expected) in [
            ("intensity_sum", 36.0),
            ("intensity_mean", 4.5),
            ("intensity_sd", 5.25f64.sqrt()),
            ("intensity_min", 1.0),
            ("intensity_max", 8.0),
            ("intensity_median", 4.5),
            ("intensity_p95", 7.65),
            ("intensity_skewness", 0.0),
            ("intensity_kurtosis", -1.238_095_238_095_238_1),
            // Σ i·x / Σ i with x = i.
            ("weighted_centroid_x", 204.0 / 36.0),
            ("weighted_sd_1", (1296.0 / 36.0 - (204.0f64 / 36.0).powi(2)).sqrt()),
        ] {
            let found = one(t, name);
            assert!((found - expected).abs() < 1e-12, "{what}: {name} is {found}, not {expected}");
        }
    };
    for outlier in [0.0, 1e12, f32::MAX, -f32::MAX, f32::INFINITY, f32::NAN] {
        check(beside(outlier, f32::from), &format!("f32 {outlier}"));
    }
    for outlier in [1e300, -f64::MAX, f64::NEG_INFINITY] {
        check(beside(outlier, f64::from), &format!("f64 {outlier}"));
    }
    check(beside(u32::MAX, u32::from), "u32");
    check(beside(i32::MIN, i32::from), "i32");
    check(beside(u64::MAX, u64::from), "u64");
    check(beside(i64::MIN, i64::from), "i64");
    check(beside(u16::MAX, u16::from), "u16");
    check(beside(i16::MIN, i16::from), "i16");
    check(beside(255u8, |v| v), "u8");
    check(beside(-128i8, |v| v as i8), "i8");
}

#[test]
fn only_the_boundary_gradient_sees_the_neighbours() {
    // Central differences inside, of the ramp 1 … 8; one-sided at the end of the image.
    let t = with_all(&beside(1e12f32, f32::from));
    let first = (1e12f32 as f64 - 2.0) / 2.0;
    assert_eq!(one(&t, "boundary_gradient_mean"), f64::midpoint(first, 1.0));
}

fn sums_of<T: voxelry_core::Voxel>(values: Vec<T>) -> Table {
    let n = values.len();
    let labels = Array3::from_elem([1, 1, n], 1u32);
    let values = Array3::from_shape_vec([1, 1, n], values).unwrap();
    let inputs = [
        Some(image(labels, Kind::Labels, [1.0; 3])),
        Some(image(Volume::from(values), Kind::Grey, [1.0; 3])),
    ];
    with_all(&inputs)
}

#[test]
fn values_far_apart_in_one_object_are_summed_without_rounding() {
    let t = sums_of(vec![1e30f32, 1.0, -1e30]);
    assert_eq!((one(&t, "intensity_sum"), one(&t, "intensity_mean")), (1.0, 1.0 / 3.0));
    let t = sums_of(vec![f64::MAX, f64::MAX, -f64::MAX, -f64::MAX, 3e-300]);
    assert_eq!((one(&t, "intensity_sum"), one(&t, "intensity_mean")), (3e-300, 3e-300 / 5.0));
    assert!((one(&t, "intensity_sd") / f64::MAX - 0.8f64.sqrt()).abs() < 1e-12);
    let t = sums_of(vec![f64::MAX, f64::MAX]);
    assert_eq!((one(&t, "intensity_sum"), one(&t, "intensity_mean")), (f64::INFINITY, f64::MAX));
    assert_eq!(one(&t, "intensity_sd"), 0.0);
    // Far from 0, beside which the deviations are small.
    for offset in [1e9, 1e15, -1e15] {
        let t = sums_of([1.0, 2.0, 4.0, 9.0].map(|v| v + offset).to_vec());
        assert_eq!(one(&t, "intensity_mean"), offset + 4.0);
        assert!((one(&t, "intensity_sd") - 9.5f64.sqrt()).abs() < 1e-12);
        assert!((one(&t, "intensity_skewness") - 22.5 / 9.5f64.powf(1.5)).abs() < 1e-12);
    }
    let least = f64::from_bits(1);
    let t = sums_of(vec![least, 3.0 * least, 5.0 * least]);
    assert_eq!(one(&t, "intensity_mean"), 3.0 * least);
    assert_eq!(one(&t, "intensity_skewness"), 0.0);
    assert_eq!(one(&t, "intensity_kurtosis"), -1.5);
}

#[test]
fn integers_beyond_53_bits_keep_their_deviations() {
    let t = sums_of([1u64, 2, 4, 9].map(|v| v + (1 << 63)).to_vec());
    assert!((one(&t, "intensity_sd") - 9.5f64.sqrt()).abs() < 1e-12);
    assert_eq!(one(&t, "intensity_sum"), 2f64.powi(65));
    let t = sums_of([1i64, 2, 4, 9].map(|v| v - i64::MAX).to_vec());
    assert!((one(&t, "intensity_sd") - 9.5f64.sqrt()).abs() < 1e-12);
    let t = sums_of(vec![i64::MIN, i64::MAX, 0, 1]);
    assert_eq!((one(&t, "intensity_sum"), one(&t, "intensity_mean")), (0.0, 0.0));
}

#[test]
fn infinities_and_nan_are_counted_apart() {
    let nan = f64::NAN;
    let t = sums_of(vec![f64::INFINITY, 1.0, nan, 2.0, f64::NEG_INFINITY, 6.0]);
    assert_eq!((one(&t, "intensity_missing"), one(&t, "intensity_sum")), (3.0, 9.0));
    assert_eq!((one(&t, "intensity_mean"), one(&t, "intensity_max")), (3.0, 6.0));
    // Of the positions 1, 3 and 5.
    assert_eq!(one(&t, "weighted_centroid_x"), (1.0 + 6.0 + 30.0) / 9.0);
    let t = sums_of(vec![f32::NAN, f32::INFINITY]);
    assert_eq!((one(&t, "intensity_missing"), one(&t, "intensity_sum")), (2.0, 0.0));
    assert!(one(&t, "intensity_mean").is_nan() && one(&t, "intensity_sd").is_nan());
    assert!(one(&t, "intensity_median").is_nan() && one(&t, "intensity_mode").is_nan());
}

#[test]
fn a_structure_has_its_mean_beside_sentinels() {
    let labels = Array3::from_shape_fn([6, 7, 8], |(z, _, _)| u32::from(z > 2));
    let values = labels.mapv(|l| if l == 0 { f32::MAX } else { 2.5 });
    let tables = measure(&[
        Some(image(labels, Kind::Labels, [1.0; 3])),
        Some(image(Volume::from(values), Kind::Grey, [1.0; 3])),
    ]);
    let t = named(&tables, "image");
    assert_eq!(one(t, "intensity_mean"), 2.5);
    assert_eq!(one(t, "intensity_background_mean"), f64::from(f32::MAX));
}

#[test]
fn conditions_see_exact_sums() {
    let mut inputs = beside(f32::MAX, f32::from).to_vec();
    inputs.truncate(2);
    for (condition, kept) in
        [("intensity_mean == 4.5", 8), ("intensity_sum > 36.0", 0), ("intensity_sd > 2", 8)]
    {
        let prepared = prepare("filter-objects", &inputs, &[("condition", Value::Text(condition.into()))]);
        let volumes = inputs.iter().map(|i| i.as_ref().map(|(v, _)| v.clone())).collect();
        let Output::Volume(Volume::U32(labels)) = prepared.kernel.whole(volumes, &Job::silent()).unwrap()
        else {
            panic!()
        };
        assert_eq!(labels.iter().filter(|l| **l > 0).count(), kept, "{condition}");
    }
}

/// A slice: along z there is no border.
#[test]
fn a_slice_is_a_plane() {
    let mask =
        Array3::from_shape_fn([1, 12, 12], |(_, y, x)| u8::from((4..7).contains(&y) && (4..7).contains(&x)));
    let mut inputs = vec![Some(image(mask, Kind::Mask, [1.0; 3]))];
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    let given = [("columns", Value::Words(vec!["all".into()]))];
    let tables = whole("measure", &inputs, &given);
    let t = named(&tables, "objects");
    assert_eq!((one(t, "touches_border"), one(t, "border_voxels")), (0.0, 8.0));
    // Two steps from the middle to the nearest voxel outside.
    assert_eq!((one(t, "inscribed_radius"), one(t, "thickness_max")), (2.0, 4.0));
    assert_eq!(one(t, "voronoi_volume"), 144.0);
    let t = named(&tables, "image");
    assert_eq!((one(t, "euler_number"), one(t, "connectivity")), (1.0, 0.0));
    assert!(one(t, "structure_model_index").is_nan());
    for block in [[1, 5, 4], [1, 12, 1]] {
        let prepared = prepare("measure", &inputs, &given);
        let made = voxelry_core::blocks::run_prepared(prepared, &inputs, block, &Job::silent()).unwrap();
        let Output::Tables(blocked) = made else { panic!() };
        same(&tables, &blocked, &format!("{block:?}"));
    }
    let ring = Array3::from_shape_fn([12, 1, 12], |(z, _, x)| {
        let inside = |n: usize, w: usize| (6 - w..6 + w).contains(&n);
        u8::from(inside(z, 4) && inside(x, 4) && !(inside(z, 2) && inside(x, 2)))
    });
    let tables = measure(&[Some(image(ring, Kind::Mask, [1.0; 3]))]);
    assert_eq!(one(named(&tables, "image"), "connectivity"), 1.0);
    assert_eq!(one(named(&tables, "objects"), "touches_border"), 0.0);
}
