use crate::algorithms::components::tests::{Random, hold_blocked, mask, spaced};

/// Distances by trying all pairs.
fn brute(m: &[u8], shape: [usize; 3], inside: bool, spacing: [f64; 3]) -> Vec<f64> {
    let at = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
    (0..m.len())
        .map(|i| {
            if (m[i] != 0) != inside {
                return 0.0;
            }
            let p = at(i);
            (0..m.len())
                .filter(|&j| (m[j] != 0) != inside)
                .map(|j| {
                    let q = at(j);
                    (0..3).map(|a| ((p[a] as f64 - q[a] as f64) * spacing[a]).powi(2)).sum::<f64>()
                })
                .fold(f64::INFINITY, f64::min)
                .sqrt()
        })
        .collect()
}

fn close(seen: &[f32], expected: &[f64]) {
    for (s, e) in seen.iter().zip(expected) {
        assert!(f64::from(*s) == *e || (f64::from(*s) - e).abs() <= 2e-7 * e.abs(), "{s} for {e}");
    }
}

#[test]
fn distances_agree_with_all_pairs_and_blocks() {
    let mut random = Random(5);
    for case in 0..60 {
        let mut shape = random.shape(11);
        if case % 7 == 0 {
            shape = [1, 1 + random.below(3), 100 + random.below(60)];
            if random.below(2) == 0 {
                shape.reverse();
            }
        }
        let n: usize = shape.iter().product();
        let rare = 1 + random.below(40);
        let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(rare) != 0)).collect();
        let spacing = [[1.0; 3], [2.5, 1.0, 0.3], [0.5; 3]][case % 3];
        let image = spaced(mask(shape, m.clone()), spacing);
        for (side, inside) in [("inside", true), ("outside", false)] {
            let seen = hold_blocked("distance", &[("side", side)], &[Some(image.clone())], &mut random);
            close(seen.view::<f32>().unwrap().as_slice().unwrap(), &brute(&m, shape, inside, spacing));
        }
        let seen = hold_blocked("distance", &[("side", "signed")], &[Some(image.clone())], &mut random);
        let (i, o) = (brute(&m, shape, true, spacing), brute(&m, shape, false, spacing));
        let signed: Vec<f64> = i.iter().zip(&o).map(|(i, o)| if *o == 0.0 { *i } else { -o }).collect();
        close(seen.view::<f32>().unwrap().as_slice().unwrap(), &signed);
        let args = [("squared", "true"), ("unit", "voxel")];
        let seen = hold_blocked("distance", &args, &[Some(image)], &mut random);
        let squares: Vec<f64> = brute(&m, shape, true, [1.0; 3]).iter().map(|v| (v * v).round()).collect();
        close(seen.view::<f32>().unwrap().as_slice().unwrap(), &squares);
    }
}

#[test]
fn far_columns_agree_with_near_ones() {
    // Long lines with few seeds take the envelope; the same lines cut out of context must agree.
    let mut random = Random(6);
    for spacing in [[1.0; 3], [0.7, 1.3, 1.0]] {
        for _ in 0..6 {
            let shape = [1 + random.below(2), 300, 20];
            let n: usize = shape.iter().product();
            let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(2000) != 0)).collect();
            let image = spaced(mask(shape, m.clone()), spacing);
            let seen = hold_blocked("distance", &[], &[Some(image)], &mut random);
            close(seen.view::<f32>().unwrap().as_slice().unwrap(), &brute(&m, shape, true, spacing));
        }
    }
}

#[test]
fn without_background_all_is_infinite() {
    let mut random = Random(7);
    let seen = hold_blocked("distance", &[], &[Some(mask([3, 4, 5], vec![1; 60]))], &mut random);
    assert!(seen.view::<f32>().unwrap().iter().all(|v| *v == f32::INFINITY));
    let seen = hold_blocked("distance", &[], &[Some(mask([3, 4, 5], vec![0; 60]))], &mut random);
    assert!(seen.view::<f32>().unwrap().iter().all(|v| *v == 0.0));
}
