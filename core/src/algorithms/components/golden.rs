//! Results of cc3d, scikit-image and scipy, made by `tests/golden/objects.py`.

use crate::algorithms::components::tests::{Image, Random, grey, hold_blocked, labels, mask, spaced};
use crate::ops::find;

const GOLDEN: &str = include_str!("../../../../tests/golden/objects.txt");
const SHAPE: [usize; 3] = [7, 8, 11];

fn golden(name: &str) -> Vec<u32> {
    let line = GOLDEN.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
    let line = line.unwrap_or_else(|| panic!("no golden result {name}"));
    line.split(' ').map(|v| v.parse().unwrap()).collect()
}

fn hashes() -> Vec<u64> {
    let n: usize = SHAPE.iter().product();
    (0..n as u64).map(|i| (i * 2_654_435_761 + 12345) % (1 << 32)).collect()
}

fn hold(op: &str, args: &[(&str, &str)], inputs: &[Option<Image>], name: &str) {
    if find(op).is_none() {
        return;
    }
    let seen = hold_blocked(op, args, inputs, &mut Random(71));
    let expected = golden(name);
    let n: usize = SHAPE.iter().product();
    assert_eq!(expected.len(), n);
    for i in 0..n {
        let at = [i / (SHAPE[1] * SHAPE[2]), i / SHAPE[2] % SHAPE[1], i % SHAPE[2]];
        assert_eq!(seen.get(at), Some(f64::from(expected[i])), "{name} at {at:?}");
    }
}

#[test]
fn results_are_those_of_the_peers() {
    let h = hashes();
    let set: Vec<u8> = h.iter().map(|h| u8::from((h >> 9) % 10 < 3)).collect();
    let kinds: Vec<u32> = h.iter().map(|h| ((h >> 7) % 3) as u32).collect();
    let values: Vec<u32> = h.iter().map(|h| *h as u32).collect();
    let mut markers = vec![0; h.len()];
    (1..).zip([5, 77, 301, 402, 600]).for_each(|(k, p)| markers[p] = k);
    let region: Vec<u8> = h.iter().map(|h| u8::from((h >> 13) % 9 != 0)).collect();
    for c in ["6", "18", "26"] {
        let args = [("connectivity", c)];
        hold("label", &args, &[Some(mask(SHAPE, set.clone()))], &format!("label {c}"));
        hold("label", &args, &[Some(labels(SHAPE, kinds.clone()))], &format!("parts {c}"));
        let flooded = [Some(grey(SHAPE, values.clone())), Some(labels(SHAPE, markers.clone())), None];
        hold("watershed", &args, &flooded, &format!("watershed {c}"));
        let masked = [flooded[0].clone(), flooded[1].clone(), Some(mask(SHAPE, region.clone()))];
        hold("watershed", &args, &masked, &format!("watershed masked {c}"));
        for mode in ["inner", "thick"] {
            let args = [("connectivity", c), ("mode", mode)];
            hold(
                "boundaries",
                &args,
                &[Some(labels(SHAPE, kinds.clone()))],
                &format!("boundaries {mode} {c}"),
            );
        }
    }
    // Quarter units: (2, 1, ½) squared is (16, 4, 1) quarters.
    let empty: Vec<u8> = set.iter().map(|v| 1 - v).collect();
    let image = spaced(mask(SHAPE, empty), [4.0, 2.0, 1.0]);
    hold("distance", &[("squared", "true")], &[Some(image)], "distance");
}
