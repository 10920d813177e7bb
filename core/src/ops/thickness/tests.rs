use super::Metric;
use crate::algorithms::components::tests::{Random, hold_blocked, mask, prepare, spaced, whole};
use crate::algorithms::thickness::LocalThickness;
use crate::blocks::run_prepared;
use crate::{Job, Region};

/// The largest of all inscribed balls that contain each voxel.
fn brute(m: &[u8], shape: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
    let n = m.len();
    let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
    let distance = |i: usize, j: usize| {
        let (p, q) = (at(i), at(j));
        (0..3).map(|a| ((p[a] as f64 - q[a] as f64) * spacing[a]).powi(2)).sum::<f64>()
    };
    let mut out = vec![0.0f64; n];
    for i in (0..n).filter(|&i| m[i] != 0) {
        let radius = (0..n).filter(|&j| m[j] == 0).map(|j| distance(i, j)).fold(f64::INFINITY, f64::min);
        for j in (0..n).filter(|&j| m[j] != 0) {
            if distance(i, j) < radius * (1.0 - 1e-9) {
                out[j] = out[j].max(2.0 * radius.sqrt());
            }
        }
    }
    out
}

#[test]
fn thickness_is_the_largest_inscribed_ball() {
    let mut random = Random(31);
    for i in 0..40 {
        let shape = random.shape(11);
        let n: usize = shape.iter().product();
        let rare = 2 + random.below(60);
        let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(rare) != 0)).collect();
        let spacing = [[1.0; 3], [0.5; 3], [2.0, 1.0, 0.7]][i % 3];
        let expected = brute(&m, shape, spacing);
        let image = spaced(mask(shape, m), spacing);
        let seen = hold_blocked("thickness", &[], &[Some(image)], &mut random);
        for (s, e) in seen.view::<f32>().unwrap().iter().zip(&expected) {
            assert!(
                f64::from(*s) == *e || (f64::from(*s) - e).abs() < 1e-6 * e,
                "{s} for {e}: {shape:?} {spacing:?}"
            );
        }
    }
}

#[test]
fn slabs_measure_their_width_by_parity() {
    let mut random = Random(32);
    for width in 1..8usize {
        let shape = [width + 2, 20, 20];
        let m = (0..shape.iter().product()).map(|i| u8::from((1..=width).contains(&(i / 400)))).collect();
        let seen = hold_blocked("thickness", &[], &[Some(mask(shape, m))], &mut random);
        let expected = if width % 2 == 0 { width } else { width + 1 } as f32;
        let seen = seen.view::<f32>().unwrap().to_owned();
        assert!(seen.iter().all(|v| *v == 0.0 || *v == expected), "{width}");
        assert_eq!(seen[[1, 0, 0]], expected);
    }
}

#[test]
fn without_background_all_is_infinitely_thick() {
    let seen = hold_blocked("thickness", &[], &[Some(mask([3, 4, 5], vec![1; 60]))], &mut Random(33));
    assert!(seen.view::<f32>().unwrap().iter().all(|v| *v == f32::INFINITY));
    let seen = hold_blocked("thickness", &[], &[Some(mask([3, 4, 5], vec![0; 60]))], &mut Random(34));
    assert!(seen.view::<f32>().unwrap().iter().all(|v| *v == 0.0));
}

#[test]
fn balls_that_cross_cells_are_painted_as_all_of_them_would_be() {
    let mut random = Random(35);
    let shape = [70, 24, 135];
    for spacing in [[1.0; 3], [1.5, 1.0, 0.8]] {
        let balls: Vec<([usize; 3], usize)> =
            (0..14).map(|_| (shape.map(|n| random.below(n)), 3 + random.below(14))).collect();
        let inside = |p: [usize; 3]| {
            balls.iter().any(|(c, r)| (0..3).map(|a| p[a].abs_diff(c[a]).pow(2)).sum::<usize>() < r * r)
        };
        let places: Vec<[usize; 3]> =
            (0..shape.iter().product()).map(|i| [i / (24 * 135), i / 135 % 24, i % 135]).collect();
        let m: Vec<u8> = places.iter().map(|p| u8::from(inside(*p))).collect();
        let image = spaced(mask(shape, m.clone()), spacing);
        let local = LocalThickness::new(shape, Metric::new(shape, &image.1.geometry));
        let squared = local.squared(&m, &Job::silent()).unwrap();
        let mut expected = vec![0.0f64; m.len()];
        for (p, bits) in places.iter().zip(&squared).filter(|(_, bits)| **bits != 0) {
            let radius = local.diameter(*bits) / 2.0;
            let reach: [usize; 3] = std::array::from_fn(|a| (radius / spacing[a]) as usize + 1);
            let [zs, ys, xs] = Region::new(*p, [1; 3]).grown(reach, shape).ranges();
            for (z, y) in zs.flat_map(|z| ys.clone().map(move |y| (z, y))) {
                for x in xs.clone() {
                    let q = [z, y, x];
                    let far = (0..3).map(|a| (q[a].abs_diff(p[a]) as f64 * spacing[a]).powi(2)).sum::<f64>();
                    if far < radius * radius * (1.0 - 1e-6) {
                        let at = (z * shape[1] + y) * shape[2] + x;
                        expected[at] = expected[at].max(2.0 * radius);
                    }
                }
            }
        }
        let inputs = [Some(image)];
        let seen = whole("thickness", &[], &inputs, 2).into_volume();
        let prepared = prepare("thickness", &[], &inputs);
        let blocks = run_prepared(prepared, &inputs, [50, 24, 80], &Job::silent()).unwrap().into_volume();
        assert!(seen.as_bytes() == blocks.as_bytes(), "{spacing:?}");
        for (s, e) in seen.view::<f32>().unwrap().iter().zip(&expected) {
            assert!((f64::from(*s) - e).abs() <= 1e-6 * e, "{s} for {e}: {spacing:?}");
        }
    }
}
