//! Turned planes, cuts, differences and parts against what must hold of them.

use super::super::difference::difference;
use super::super::document::{Layer, Pane, Scene};
use super::super::open::{layers_of, survey, survey_part};
use super::super::projection::{Look, Plane, Quality, Tiles, look};
use super::super::ruler::{Ruler, RulerKind};
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

/// A scene on a sheared grid, whose three axes meet at three angles.
fn sheared() -> Scene {
    let shear = DMat3::from_cols(DVec3::X, DVec3::new(0.3, 0.9, 0.0), DVec3::new(-0.2, 0.6, 1.5));
    let turn = DMat3::from_quat(DQuat::from_rotation_z(0.3) * DQuat::from_rotation_x(-0.4));
    let world_from_index = DAffine3 { matrix3: turn * shear, translation: DVec3::new(10.0, -20.0, 5.0) };
    let geometry = Geometry { world_from_index, oriented: true, unit: Unit::Millimetre };
    let voxels = Volume::from(Array3::from_elem((20, 60, 50), 7u8));
    Scene::new(vec![layer("sheared", voxels, geometry, &Cache::new(1 << 24))])
}

#[test]
fn planes_and_tiles_of_a_sheared_grid_are_as_in_the_world() {
    let mut scene = sheared();
    let world = scene.geometry().world_from_index;
    let long = |way: DVec3| world.transform_vector3(way).length();
    let size = [300.0, 200.0];
    for axis in 0..3 {
        let plane = Plane::new(&scene, axis, size);
        let [right, down] = [plane.right, plane.down].map(|way| world.transform_vector3(way));
        assert!((right.length() - plane.pixel).abs() < 1e-9 && (down.length() - plane.pixel).abs() < 1e-9);
        assert!(right.dot(down).abs() < 1e-9, "axis {axis}");
        let across = world.transform_vector3(plane.across);
        assert!((across.length() - 1.0).abs() < 1e-9);
        assert!(across.dot(right).abs() < 1e-9 && across.dot(down).abs() < 1e-9);
        // It is the slice of the crosshair, and leafing goes to the next.
        let place = scene.index(scene.view.at)[2 - axis];
        let corners = [DVec2::ZERO, DVec2::new(300.0, 200.0)].map(|p| plane.index(p)[2 - axis]);
        assert_eq!(corners, [place; 2]);
        let pixel = DVec2::new(37.0, 121.0);
        assert!((plane.pixel_of(plane.index(pixel)) - pixel).length() < 1e-9);
        scene.step(axis, 1);
        assert!((scene.index(scene.view.at)[2 - axis] - place - 1.0).abs() < 1e-9);
        scene.step(axis, -1);
        // All of the slice fits into the pane.
        let extent = scene.extent();
        for i in 0..4 {
            let mut corner = plane.index(DVec2::ZERO);
            for (bit, a) in [(0, (axis + 1) % 3), (1, (axis + 2) % 3)] {
                corner[2 - a] = if i >> bit & 1 == 0 { -0.5 } else { extent[2 - a] - 0.5 };
            }
            let seen = plane.pixel_of(corner);
            assert!(seen.cmpge(DVec2::ZERO).all() && seen.cmple(DVec2::from(size)).all(), "{axis}: {seen}");
        }
        scene.view.montage.axis = axis;
        let tiles = Tiles::new(&scene, size);
        assert!(
            (long(tiles.right) - tiles.pixel).abs() < 1e-9 && (long(tiles.down) - tiles.pixel).abs() < 1e-9
        );
        let [right, down] = [tiles.right, tiles.down].map(|way| world.transform_vector3(way));
        assert!(right.dot(down).abs() < 1e-9);
        let first = tiles.first(&scene, 0);
        assert_eq!(first[2 - axis], 0.0);
        let middle = first + tiles.right * tiles.size.x / 2.0 + tiles.down * tiles.size.y / 2.0;
        let mut expected = (extent - 1.0) / 2.0;
        expected[2 - axis] = 0.0;
        assert!((middle - expected).length() < 1e-9);
    }
    // Distance of slices, not of their first voxels.
    let [x, y, z] = [world.matrix3.x_axis, world.matrix3.y_axis, world.matrix3.z_axis];
    assert!((scene.gap(0) - x.cross(y).normalize().dot(z).abs()).abs() < 1e-12);
    assert!((scene.gap(0) - 1.5).abs() < 1e-12);
}

#[test]
fn rulers_of_a_sheared_grid_measure_the_world() {
    let scene = sheared();
    let world = scene.geometry().world_from_index;
    let at = |x: f64, y: f64| scene.part(DVec3::new(x, y, 7.0));
    let mut ruler = Ruler::new(RulerKind::Angle, 0, at(10.0, 10.0));
    ruler.places.extend([at(20.0, 10.0), at(20.0, 30.0)]);
    let (x, y) = (world.matrix3.x_axis, world.matrix3.y_axis);
    assert!((ruler.length(&scene) - 10.0).abs() < 1e-9);
    let angle = (-x).angle_between(y).to_degrees();
    assert!((ruler.angle(&scene).unwrap() - angle).abs() < 1e-9 && (angle - 90.0).abs() > 15.0);
    let mut region = Ruler::new(RulerKind::Rectangle, 0, at(10.0, 10.0));
    region.places.push(at(20.0, 30.0));
    // Base times height: 10 · 1 by 20 · 0.9.
    assert!((region.area(&scene).unwrap() - 180.0).abs() < 1e-9);
    assert_eq!(region.outline(&scene).unwrap().len(), 4);
    region.kind = RulerKind::Ellipse;
    assert!((region.area(&scene).unwrap() - 180.0 * std::f64::consts::FRAC_PI_4).abs() < 1e-9);
    let polygon = region.outline(&scene).unwrap();
    let inside = polygon.iter().all(|p| {
        let away = (scene.index(*p) - DVec3::new(15.0, 20.0, 7.0)) / DVec3::new(5.0, 10.0, 1.0);
        (away.length() - 1.0).abs() < 1e-9
    });
    assert!(inside);
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
fn images_are_subtracted_and_measured_where_they_lie() {
    let cache = Cache::new(1 << 24);
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Millimetre);
    let voxels = Array3::from_shape_fn((10, 20, 30), |(z, y, x)| (z * 600 + y * 30 + x) as u16);
    let from = layer("a", Volume::from(voxels.clone()), geometry, &cache);
    let turn = voxelry_core::volume::Turn { axes: [1, 0, 2], reversed: [false, true, false] };
    let turned = turn.apply(&Volume::from(voxels.clone()), &voxelry_core::Job::silent()).unwrap();
    let there = turn.geometry(&geometry, [10, 20, 30]).in_unit(Unit::Micrometre);
    let minus = layer("b", turned, there, &cache);
    let made = difference(&from, &minus, &cache).unwrap();
    let Volume::F32(found) = made.source.read_all(Frame::default()).unwrap() else { panic!("floats") };
    assert!(found.dim() == (10, 20, 30) && found.iter().all(|v| *v == 0.0));
    // Of the same shape, elsewhere.
    let shifted = geometry.cropped([0.5, 0.0, 0.0]);
    let elsewhere = layer("c", Volume::from(voxels.clone()), shifted, &cache);
    let error = difference(&from, &elsewhere, &cache).err().unwrap().to_string();
    assert!(error.contains("another grid") && error.contains("resample --like"), "{error}");
    assert!(crate::view::recipe_run::fits(&elsewhere, &from).is_err());
    assert!(crate::view::recipe_run::fits(&minus, &from).is_ok());
    // In one scene: in the unit of the first, and by index where a file says nothing.
    let over = crate::view::open::over(minus, from.source.info(), &cache);
    assert_eq!(over.source.info().geometry().unit, Unit::Millimetre);
    let plain = layer("d", Volume::from(voxels), Geometry::default(), &cache);
    let over = crate::view::open::over(plain, from.source.info(), &cache);
    assert_eq!(over.source.info().geometry(), geometry);
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
