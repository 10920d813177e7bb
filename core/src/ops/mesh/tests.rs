use super::super::find;
use super::*;
use crate::algorithms::components::tests::{Image, Random, blocked, grey, labels, mask, spaced, whole};
use crate::program::Args;
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

/// A ball in voxels of a grid whose edges are the columns of `world`, as the distance inside, and its volume.
fn ball(shape: [usize; 3], world: glam::DAffine3) -> (Vec<f32>, Geometry, f64) {
    let geometry = Geometry { world_from_index: world, unit: crate::Unit::Nanometre, oriented: true };
    let centre = geometry.world(shape.map(|n| (n as f64 - 1.0) / 2.0));
    let radius = 9.0 * geometry.voxel_volume().cbrt();
    let value = |i: usize| {
        let p = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]].map(|v| v as f64);
        ((radius - geometry.world(p).distance(centre)) / radius) as f32
    };
    let values = (0..shape.iter().product()).map(value).collect();
    (values, geometry, 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3))
}

#[test]
fn surfaces_face_outwards_and_are_fine_wherever_the_image_lies() {
    use glam::{DAffine3, DMat3, DVec3};
    let shape = [38, 32, 34];
    let mut random = Random(54);
    let shear = DMat3::from_cols(DVec3::X, DVec3::new(0.1, 1.1, 0.0), DVec3::new(-0.3, 0.4, 0.9));
    for (matrix, from) in [
        (DMat3::from_diagonal(DVec3::new(-1.0, 1.0, 1.0)), DVec3::new(40.0, -3.0, 2.0)),
        (DMat3::from_diagonal(DVec3::new(1.0, -0.9, 1.0)), DVec3::ZERO),
        (DMat3::from_diagonal(DVec3::new(1.0, 1.0, -1.2)), DVec3::ZERO),
        (DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 1.0)), DVec3::ZERO),
        (DMat3::from_diagonal(DVec3::NEG_ONE), DVec3::ZERO),
        (DMat3::from_cols(DVec3::Y, DVec3::X, DVec3::Z), DVec3::ZERO),
        (shear, DVec3::ZERO),
        (shear * DMat3::from_diagonal(DVec3::new(1.0, -1.0, 1.0)), DVec3::ZERO),
        (DMat3::from_diagonal(DVec3::splat(4.0)), DVec3::new(1e8, -1e8, 3e7)),
        (DMat3::from_diagonal(DVec3::new(-4.0, 4.0, 4.0)), DVec3::splat(1e8)),
        (DMat3::from_diagonal(DVec3::splat(1e-9)), DVec3::new(0.25, 0.1, -0.3)),
    ] {
        let (values, geometry, truth) = ball(shape, DAffine3::from_mat3_translation(matrix, from));
        let inside: Vec<u8> = values.iter().map(|v| u8::from(*v >= 0.0)).collect();
        let object: Vec<u32> = inside.iter().map(|v| 7 * u32::from(*v)).collect();
        for (args, image, error) in [
            (&[][..], mask(shape, inside), 0.02),
            (&[], labels(shape, object), 0.02),
            (&[("level", "0")], grey(shape, values), 0.01),
        ] {
            let (volume, grid) = image;
            let mesh = mesh_of(args, (volume, Grid { geometry, ..grid }), &mut random);
            watertight(&mesh);
            let found = volume_and_area(&mesh).0;
            assert!((found / truth - 1.0).abs() < error, "{matrix} {from}: {found} {truth}");
            // Vertices lie where the image does, to a thousandth of a voxel.
            let centre = geometry.world(shape.map(|n| (n as f64 - 1.0) / 2.0));
            let mean: DVec3 = mesh.vertices.iter().map(|v| glam::Vec3::from(*v).as_dvec3()).sum::<DVec3>()
                / mesh.vertices.len() as f64;
            let off = (DVec3::from_array(mesh.origin) + mean).distance(centre);
            assert!(off < 0.1 * geometry.voxel_volume().cbrt(), "{matrix} {from}: {off}");
        }
    }
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

#[test]
fn one_label_of_several_keeps_its_own_vertices() {
    let mut random = Random(55);
    let l: Vec<u32> = (0..6 * 7 * 8).map(|_| random.below(4) as u32).collect();
    let alone = l.iter().map(|v| if *v == 2 { 2 } else { 0 }).collect();
    let mut mesh = mesh_of(&[], labels([6, 7, 8], l), &mut random);
    mesh.keep(|label| label == 2);
    let alone = mesh_of(&[], labels([6, 7, 8], alone), &mut random);
    watertight(&mesh);
    assert_eq!(mesh.labels, alone.labels);
    let corners = |mesh: &Mesh| -> Vec<[[f32; 3]; 3]> {
        mesh.triangles.iter().map(|t| t.map(|v| mesh.vertices[v as usize])).collect()
    };
    assert_eq!(corners(&mesh), corners(&alone));
    assert_eq!(mesh.vertices.len(), alone.vertices.len());
}
