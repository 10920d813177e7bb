//! Turned planes, cuts, differences and parts against what must hold of them.

use super::super::difference::difference;
use super::super::document::{Layer, Pane, Scene};
use super::super::open::{layers_of, survey, survey_part};
use super::super::shot::{Look, Plane, Quality, look};
use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3};
use ndarray::Array3;
use std::sync::Arc;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{Frame, ImageInfo, ImageSource};
use voxelry_core::{Geometry, Region, Result, Unit, Volume};

/// An image in memory.
struct Held(ImageInfo, Volume);

impl ImageSource for Held {
    fn info(&self) -> &ImageInfo {
        &self.0
    }

    fn read(&self, _: Frame, region: Region) -> Result<Volume> {
        Ok(self.1.crop(region))
    }
}

fn layer(name: &str, voxels: Volume, geometry: Geometry, cache: &Arc<Cache>) -> Layer {
    let info = ImageInfo::simple("held", voxels.shape(), [16; 3], voxels.voxel_type(), geometry);
    let mut layer = layers_of(Arc::new(Held(info, voxels)), name, None, cache).pop().unwrap();
    layer.display.window = Some([0.0, 255.0]);
    layer
}

/// A scene on an oblique, anisotropic grid.
fn scene() -> Scene {
    let turn = DMat3::from_quat(DQuat::from_rotation_z(0.3) * DQuat::from_rotation_x(-0.4));
    let world_from_index = DAffine3 {
        matrix3: turn * DMat3::from_diagonal(DVec3::new(0.5, 0.7, 2.0)),
        translation: DVec3::new(10.0, -20.0, 5.0),
    };
    let geometry = Geometry { world_from_index, oriented: true, unit: Unit::Millimetre };
    let voxels = Volume::from(Array3::from_elem((20, 60, 50), 7u8));
    Scene::new(vec![layer("grid", voxels, geometry, &Cache::new(1 << 24))])
}

#[test]
fn turned_planes_stay_square_to_each_other_and_keep_lengths_and_the_crosshair() {
    let mut scene = scene();
    let size = [300.0, 200.0];
    let world = scene.geometry().world_from_index;
    let straight: Vec<Plane> = (0..3).map(|axis| Plane::new(&scene, axis, size)).collect();
    for (axis, angle) in [(0, 0.4), (1, -0.9), (2, 0.2), (0, 1.7)] {
        scene.turn(axis, angle);
    }
    let normals: Vec<DVec3> = (0..3).map(|axis| scene.ways(axis)[2]).collect();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert!(normals[a].dot(normals[b]).abs() < 1e-9);
    }
    let at = world.transform_point3(scene.index(scene.view.at));
    for (axis, straight) in straight.iter().enumerate() {
        let plane = Plane::new(&scene, axis, size);
        // Pixels have the same length in every plane, and places go to pixels and back.
        assert!((plane.pixel - straight.pixel).abs() < 1e-12);
        for way in [plane.right, plane.down] {
            assert!((world.transform_vector3(way).length() - plane.pixel).abs() < 1e-9);
        }
        let pixel = DVec2::new(37.0, 121.0);
        assert!((plane.pixel_of(plane.index(pixel)) - pixel).length() < 1e-9);
        // The crosshair lies in the plane.
        let corner = world.transform_point3(plane.index(DVec2::ZERO));
        assert!((corner - at).dot(normals[axis]).abs() < 1e-9);
        // The other planes are seen as two lines at right angles.
        let [(_, a), (_, b)] = scene.cuts(axis);
        assert!(a.dot(b).abs() < 1e-9 && (a.length() - 1.0).abs() < 1e-9);
        let before = scene.view.at;
        scene.step(axis, 1);
        let moved = world.transform_point3(scene.index(scene.view.at)) - at;
        let step = scene.geometry().spacing()[axis];
        assert!((moved - normals[axis] * step).length() < 1e-9, "{moved}");
        scene.view.at = before;
    }
}

#[test]
fn a_plane_that_is_turned_by_a_right_angle_is_the_other_plane() {
    let mut scene = scene();
    let size = [240.0, 240.0];
    let coronal = Plane::new(&scene, 1, size);
    let sagittal = Plane::new(&scene, 2, size);
    scene.turn(0, std::f64::consts::FRAC_PI_2);
    let world = scene.geometry().world_from_index;
    let normal = |plane: &Plane| {
        let way = |v| world.transform_vector3(v).normalize();
        way(plane.right).cross(way(plane.down))
    };
    for (axis, other) in [(1, &sagittal), (2, &coronal)] {
        let plane = Plane::new(&scene, axis, size);
        assert!(normal(&plane).dot(normal(other)).abs() > 1.0 - 1e-9);
        // Up stays up.
        let down = |plane: &Plane| world.transform_vector3(plane.down).normalize();
        assert!(down(&plane).dot(down(other)) > 1.0 - 1e-9);
    }
    scene.view.turns = [DQuat::IDENTITY; 3];
    assert_eq!(Plane::new(&scene, 1, size), coronal);
}

#[test]
fn slabs_are_as_thick_in_the_world_across_every_plane() {
    let mut scene = scene();
    scene.view.slab = 0.25;
    for axis in 0..3 {
        let shown = look(&scene, &scene.layers[0], Pane::Plane(axis), [200, 200], Quality::SHARP);
        let Some(Look::Sheet(sheet)) = shown else { panic!("a plane is a sheet") };
        let half = sheet.slab.unwrap().1.as_dvec3();
        let thick = scene.geometry().world_from_index.transform_vector3(half).length() * 2.0;
        assert!((thick - 0.25 * 60.0 * 0.5).abs() < 1e-5, "{thick}");
    }
}

#[test]
fn a_cut_takes_away_the_half_that_is_nearer_and_a_crop_box_what_lies_outside() {
    let mut scene = scene();
    scene.cut_open();
    scene.view.crop = [DVec3::new(0.2, 0.0, 0.0), DVec3::new(1.0, 0.5, 1.0)];
    let shown = look(&scene, &scene.layers[0], Pane::Volume, [200, 200], Quality::SHARP);
    let Some(Look::Rays(rays)) = shown else { panic!("a volume is rays") };
    let [(normal, distance)] = rays.planes[..] else { panic!("one cut") };
    let middle = scene.geometry().world_from_index.transform_point3(scene.index(DVec3::splat(0.5)));
    let towards = scene.view.camera.turn * DVec3::Z;
    assert!(normal.dot(middle) + distance < 1e-9);
    assert!(normal.dot(middle + towards) + distance < 0.0);
    assert!(normal.dot(middle - towards) + distance > 0.0);
    assert_eq!((rays.low.x, rays.high.y, rays.high.z), (9.5, 29.5, 19.5));
    assert_eq!(scene.boxed(), Region::new([0, 0, 10], [20, 30, 40]));
    scene.uncut();
    assert!(!scene.is_cropped());
}

#[test]
fn a_difference_is_that_of_the_voxels_at_every_level() {
    let (cache, geometry) = (Cache::new(1 << 24), Geometry::default());
    let a = Array3::from_shape_fn((40, 50, 70), |(z, y, x)| (z * 3 + y * x % 17) as u16);
    let b = Array3::from_shape_fn((40, 50, 70), |(z, y, x)| (x * 2 + (y + z) % 5) as i16);
    let from = layer("a", Volume::from(a.clone()), geometry, &cache);
    let minus = layer("b", Volume::from(b.clone()), geometry, &cache);
    let made = difference(&from, &minus, &cache).unwrap();
    let Volume::F32(found) = made.source.read_all(Frame::default()).unwrap() else { panic!("floats") };
    for (at, v) in found.indexed_iter() {
        assert_eq!(*v, f32::from(a[at]) - f32::from(b[at]), "{at:?}");
    }
    assert!(made.source.info().levels.len() > 1);
    let stats = survey(&made.source, 0, 0).unwrap();
    let [low, high] = made.window_of(&stats);
    assert_eq!(low, -high);
    let other = layer("c", Volume::from(Array3::from_elem((40, 50, 71), 1u8)), geometry, &cache);
    let error = difference(&from, &other, &cache).err().unwrap().to_string();
    assert!(error.contains("70 × 50 × 40") && error.contains("71 × 50 × 40"), "{error}");
}

#[test]
fn a_part_has_the_intensities_of_its_voxels() {
    let cache = Cache::new(1 << 24);
    let voxels = Array3::from_shape_fn((30, 40, 50), |(z, y, x)| (z * 2000 + y * 50 + x) as u16);
    let image = layer("a", Volume::from(voxels.clone()), Geometry::default(), &cache);
    let part = Region::new([3, 10, 20], [5, 7, 9]);
    let stats = survey_part(&image.source, 0, 0, part).unwrap();
    let inside = voxels.slice(ndarray::s![3..8, 10..17, 20..29]);
    let mean = inside.iter().map(|v| f64::from(*v)).sum::<f64>() / inside.len() as f64;
    assert_eq!(stats.counts.iter().sum::<u64>(), inside.len() as u64);
    assert_eq!(stats.range, [6520.0, 14828.0]);
    assert!((stats.moments[0] - mean).abs() < 1e-6);
    assert_eq!(stats.level, 0);
}
