//! Results of SciPy, scikit-image and cc3d on small images, made by `tests/golden/morphology.py`.

use super::check::{Random, run};
use crate::ops::find;
use crate::program::Kind;
use crate::{Geometry, Volume};
use ndarray::Array3;

const SHAPE: [usize; 3] = [5, 6, 7];

fn noise(seed: u64) -> Array3<u8> {
    let mut x = seed;
    Array3::from_shape_simple_fn(SHAPE, || {
        x = (1_103_515_245 * x + 12345) % (1 << 31);
        (x >> 16) as u8
    })
}

#[test]
fn equal_to_scipy_and_scikit_image() {
    let mut random = Random::new(11);
    let (grey, other) = (noise(1), noise(2));
    let mask = grey.mapv(|v| u8::from(v < 150));
    let golden = include_str!("../../../../tests/golden/morphology.txt");
    let mut lines = 0;
    for line in golden.lines().filter(|l| !l.starts_with('#')) {
        let [op, kind, args, result]: [&str; 4] =
            line.split('|').collect::<Vec<_>>().try_into().expect("four fields");
        let args: Vec<(&str, String)> = args
            .split(',')
            .map(|a| a.split_once('=').expect("name=value"))
            .map(|(name, value)| (name, value.replace(':', ",")))
            .collect();
        let args: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let bytes: Vec<u8> = (0..result.len() / 2)
            .map(|i| u8::from_str_radix(&result[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let op = find(op).unwrap();
        let image = |a: &Array3<u8>, kind| Some((Volume::from(a.clone()), kind));
        let (inputs, expected) = if kind == "mask" {
            let bits = (0..grey.len()).map(|i| bytes[i / 8] >> (7 - i % 8) & 1).collect::<Vec<_>>();
            (vec![image(&mask, Kind::Mask)], bits)
        } else {
            let both = [image(&grey, Kind::Grey), image(&other, Kind::Grey)];
            (both.into_iter().take(op.spec().inputs.len()).collect(), bytes)
        };
        let made = run(op, &args, &inputs, Geometry::default(), &mut random);
        assert_eq!(made.as_bytes(), expected, "{} {kind} {args:?}", op.spec().id);
        lines += 1;
    }
    assert_eq!(lines, 68);
}
