use super::*;
use crate::algorithms::components::tests::{Image, Random, blocked, grey, hold_blocked, labels, mask};

/// The declared order, voxel by voxel: of all voxels that have a key, the least that was not taken
/// yet is taken, and gives its open neighbours theirs.
pub(crate) fn brute(
    values: &[f64],
    markers: &[u32],
    m: Option<&[u8]>,
    shape: [usize; 3],
    connectivity: Connectivity,
) -> Vec<u32> {
    let n = values.len();
    let mut key: Vec<Option<(f64, u64)>> = vec![None; n];
    let mut out = vec![0; n];
    let mut taken = vec![false; n];
    let inside = |i: usize| m.is_none_or(|m| m[i] != 0);
    for i in 0..n {
        if markers[i] != 0 && inside(i) {
            (key[i], out[i]) = (Some((values[i], 0)), markers[i]);
        }
    }
    loop {
        let open = (0..n).filter(|&i| key[i].is_some() && !taken[i]);
        let Some(at) = open.min_by(|&a, &b| key[a].partial_cmp(&key[b]).unwrap().then(a.cmp(&b))) else {
            return out;
        };
        taken[at] = true;
        let (c, d) = key[at].unwrap();
        let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
        for s in connectivity.neighbours() {
            let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
            if (0..3).any(|a| q[a] >= shape[a]) {
                continue;
            }
            let to = (q[0] * shape[1] + q[1]) * shape[2] + q[2];
            if key[to].is_none() && inside(to) {
                key[to] = Some(if values[to] > c { (values[to], 0) } else { (c, d + 1) });
                out[to] = out[at];
            }
        }
    }
}

fn case(random: &mut Random, kinds: usize) -> ([usize; 3], Vec<u16>, Vec<u32>, Vec<u8>) {
    let shape = random.shape(9);
    let n: usize = shape.iter().product();
    let values = (0..n).map(|_| random.below(kinds) as u16).collect();
    let mut markers = vec![0; n];
    for l in 1..=1 + random.below(5) {
        markers[random.below(n)] = l as u32 * 3;
    }
    let m = (0..n).map(|_| u8::from(random.below(5) != 0)).collect();
    (shape, values, markers, m)
}

#[test]
fn floods_keep_the_declared_order_with_ties_and_blocks() {
    let mut random = Random(11);
    for i in 0..60 {
        let kinds = [1, 2, 5, 300, 60000][i % 5];
        let (shape, values, markers, m) = case(&mut random, kinds);
        let (name, c) =
            [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)]
                [i % 3];
        let exact: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        for masked in [false, true] {
            let expected = brute(&exact, &markers, masked.then_some(&m[..]), shape, c);
            let third: Option<Image> = masked.then(|| mask(shape, m.clone()));
            let f: Vec<f32> = values.iter().map(|v| f32::from(*v) * 0.37 - 1000.0).collect();
            let i16s: Vec<i16> = values.iter().map(|v| (i32::from(*v) - 30000) as i16).collect();
            for image in [grey(shape, values.clone()), grey(shape, f), grey(shape, i16s)] {
                let inputs = [Some(image), Some(labels(shape, markers.clone())), third.clone()];
                let seen = hold_blocked("watershed", &[("connectivity", name)], &inputs, &mut random);
                assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), expected, "{shape:?}");
                let line = [("connectivity", name), ("line", "true")];
                let parted = hold_blocked("watershed", &line, &inputs, &mut random);
                let parted = parted.view::<u32>().unwrap().to_owned();
                let parted = parted.as_slice().unwrap();
                for (p, e) in parted.iter().zip(&expected) {
                    assert!(*p == 0 || p == e);
                }
                for (at, label) in parted.iter().enumerate().filter(|(_, l)| **l != 0) {
                    let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
                    for s in c.neighbours() {
                        let q: [usize; 3] = std::array::from_fn(|a| p[a].wrapping_add_signed(s[a]));
                        if (0..3).all(|a| q[a] < shape[a]) {
                            let other = parted[(q[0] * shape[1] + q[1]) * shape[2] + q[2]];
                            assert!(other == 0 || other == *label);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn nan_is_flooded_last_and_zeros_are_equal() {
    assert!(ordered(f32::NAN) > ordered(f32::INFINITY));
    assert!(ordered(-f32::NAN) > ordered(f32::INFINITY));
    assert_eq!(ordered(-0.0), ordered(0.0));
    let ascending = [f32::NEG_INFINITY, -1e30, -1.0, -1e-40, 0.0, 1e-40, 1.0, f32::INFINITY];
    assert!(ascending.windows(2).all(|w| ordered(w[0]) < ordered(w[1])));
    let image = grey([1, 1, 5], vec![0.0f32, f32::NAN, 1.0, 2.0, 0.0]);
    let inputs = [Some(image), Some(labels([1, 1, 5], vec![1, 0, 0, 0, 2])), None];
    let seen = blocked("watershed", &[], &inputs, &mut Random(1)).into_volume();
    assert_eq!(seen.view::<u32>().unwrap().as_slice().unwrap(), [1, 1, 2, 2, 2]);
}
