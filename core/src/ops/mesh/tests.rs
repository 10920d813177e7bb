use super::super::components::tests::{Image, Random, blocked, grey, labels, mask, spaced, whole};
use super::super::{Args, find};
use super::*;
use std::collections::{BTreeMap, HashMap};

fn mesh_of(args: &[(&str, &str)], image: Image, random: &mut Random) -> Mesh {
    let Output::Mesh(expected) = whole("mesh", args, &[Some(image.clone())], 1) else { panic!("a mesh") };
    let Output::Mesh(threads) = whole("mesh", args, &[Some(image.clone())], 3) else { panic!("a mesh") };
    assert_eq!(threads, expected);
    let Output::Mesh(blocks) = blocked("mesh", args, &[Some(image)], random) else { panic!("a mesh") };
    assert_eq!(blocks, expected);
    expected
}

/// Every directed edge has its reverse exactly once, label by label.
fn watertight(mesh: &Mesh) {
    let mut sides: HashMap<(u32, u32, u32), i32> = HashMap::new();
    for (i, t) in mesh.triangles.iter().enumerate() {
        let label = mesh.labels.get(i).copied().unwrap_or(0);
        for k in 0..3 {
            *sides.entry((label, t[k], t[(k + 1) % 3])).or_default() += 1;
        }
    }
    for ((label, a, b), n) in &sides {
        assert_eq!(*n, 1);
        assert_eq!(sides.get(&(*label, *b, *a)), Some(&1));
    }
    assert!(mesh.triangles.iter().flatten().all(|v| (*v as usize) < mesh.vertices.len()));
}

fn volume_and_area(mesh: &Mesh) -> (f64, f64) {
    let (mut volume, mut area) = (0.0, 0.0);
    for t in &mesh.triangles {
        let [a, b, c] = t.map(|v| glam::Vec3::from(mesh.vertices[v as usize]).as_dvec3());
        volume += a.dot(b.cross(c)) / 6.0;
        area += (b - a).cross(c - a).length() / 2.0;
    }
    (volume, area)
}

#[test]
fn surfaces_of_noise_are_closed_and_the_same_in_blocks() {
    let mut random = Random(51);
    for i in 0..40 {
        let mut shape = random.shape(7);
        if i % 8 == 0 {
            shape[2] = 60 + random.below(10);
        }
        let n: usize = shape.iter().product();
        let m: Vec<u8> = (0..n).map(|_| u8::from(random.below(2) == 0)).collect();
        let voxels = m.iter().filter(|v| **v != 0).count();
        let mesh = mesh_of(&[], mask(shape, m.clone()), &mut random);
        watertight(&mesh);
        assert!(volume_and_area(&mesh).0 > 0.0 || voxels == 0);
        mesh_of(&[("closed", "false")], mask(shape, m), &mut random);
        let l = (0..n).map(|_| random.below(4) as u32).collect();
        watertight(&mesh_of(&[], labels(shape, l), &mut random));
        let f = (0..n).map(|_| random.below(1000) as f32 / 999.0).collect();
        let args = [("level", "0.4")];
        watertight(&mesh_of(&args, spaced(grey(shape, f), [2.0, 1.0, 0.5]), &mut random));
    }
}

#[test]
fn a_ball_has_its_volume_and_area() {
    let spacing = [0.5, 1.0, 0.8];
    let shape = [60, 32, 40];
    let (radius, centre) = (11.0, [14.6, 15.3, 15.1]);
    let value = |i: usize| {
        let p = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        let d = (0..3).map(|a| (p[a] as f64 * spacing[a] - centre[a]).powi(2)).sum::<f64>().sqrt();
        (radius - d) as f32
    };
    let image = spaced(grey(shape, (0..shape.iter().product()).map(value).collect()), spacing);
    let mesh = mesh_of(&[("level", "0")], image, &mut Random(52));
    watertight(&mesh);
    let (volume, area) = volume_and_area(&mesh);
    let pi = std::f64::consts::PI;
    let (true_volume, true_area) = (4.0 / 3.0 * pi * radius.powi(3), 4.0 * pi * radius * radius);
    assert!((volume / true_volume - 1.0).abs() < 0.005, "{volume} {true_volume}");
    assert!((area / true_area - 1.0).abs() < 0.005, "{area} {true_area}");
}

#[test]
fn grey_images_need_a_level_and_nan_is_outside() {
    let op = find("mesh").unwrap();
    let args = Args::complete(op.spec(), BTreeMap::new()).unwrap();
    let image = grey([1, 1, 3], vec![f32::NAN, 1.0, f32::NAN]);
    let inputs = [Some(image.1)];
    assert!(op.prepare(&Call { op: "mesh", args: &args, inputs: &inputs }).is_err());
    let mesh = mesh_of(&[("level", "0.5")], image, &mut Random(53));
    watertight(&mesh);
    assert_eq!(mesh.triangles.len(), 8);
    assert!(mesh.vertices.iter().flatten().all(|v| v.is_finite()));
}
