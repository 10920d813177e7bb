//! Slices on whatever adapter there is, against the voxels themselves.

mod scene;

use glam::Vec3;
use ndarray::Array3;
use scene::{Scene, gpu, noise};
use voxelry_core::Volume;
use voxelry_shaders::Blend;
use voxelry_shaders::atlas::Atlas;
use voxelry_shaders::bricks::Key;
use voxelry_shaders::picture::{FORMAT, picture};
use voxelry_shaders::slice::{Sheet, SheetRenderer, Slab};

/// Loads what a sheet wants and draws it; the red of each pixel.
fn draw(scene: &mut Scene, sheet: &Sheet, level: u32, view: [u32; 2], now: u64) -> Vec<u8> {
    let wanted: Vec<Key> = sheet.wanted(scene.image.layout(), level, view);
    scene.load(&wanted, now);
    show(scene, sheet, level, view)
}

/// Draws a sheet of what is there.
fn show(scene: &Scene, sheet: &Sheet, level: u32, view: [u32; 2]) -> Vec<u8> {
    let renderer = SheetRenderer::new(&scene.gpu, scene.image.texels(), FORMAT, Blend::Over);
    let draw = renderer.prepare(&scene.gpu, &scene.image, sheet, level, &scene.grey);
    let pixels = picture(&scene.gpu, view, wgpu::Color::BLACK, &draw.into());
    pixels.unwrap().chunks_exact(4).map(|p| p[0]).collect()
}

/// The plane at slice `z`, a pixel a voxel.
fn axial(shape: [usize; 3], z: usize) -> (Sheet, [u32; 2]) {
    let view = [shape[2] as u32, shape[1] as u32];
    let mut sheet = Sheet::plane(Vec3::new(-0.5, -0.5, z as f32), Vec3::X, Vec3::Y, view);
    sheet.window = [0.0, 65535.0];
    sheet.interpolate = false;
    (sheet, view)
}

#[test]
fn a_plane_shows_its_voxels_through_many_bricks() {
    let Some(gpu) = gpu() else { return };
    let shape = [40, 70, 100];
    let voxels = noise(shape);
    let mut scene = Scene::new(gpu, Volume::from(voxels.clone()));
    for (now, z) in [(1, 0), (2, 31), (3, 32), (4, 39)] {
        let (mut sheet, view) = axial(shape, z);
        for interpolate in [false, true] {
            // At the voxels' centres both are the voxels.
            sheet.interpolate = interpolate;
            let seen = draw(&mut scene, &sheet, 0, view, now);
            for (i, seen) in seen.iter().enumerate() {
                let v = voxels[[z, i / shape[2], i % shape[2]]];
                let expected = f64::from(v) / 257.0;
                assert!((f64::from(*seen) - expected).abs() <= 0.75, "{z} {i}: {seen} {expected}");
            }
        }
    }
}

#[test]
fn slabs_take_the_greatest_mean_and_least() {
    let Some(gpu) = gpu() else { return };
    let shape = [40, 33, 35];
    let voxels = noise(shape);
    let mut scene = Scene::new(gpu, Volume::from(voxels.clone()));
    for (now, slab) in [(1, Slab::Maximum), (2, Slab::Mean), (3, Slab::Minimum)] {
        let (mut sheet, view) = axial(shape, 32);
        // Steps of half a voxel, rounded up to the next voxel: 31, 31.5 → 32, 32, 32.5 → 33, 33.
        sheet.slab = Some((slab, Vec3::Z));
        let seen = draw(&mut scene, &sheet, 0, view, now);
        for (i, seen) in seen.iter().enumerate() {
            let at = |z: usize| f64::from(voxels[[z, i / shape[2], i % shape[2]]]) / 257.0;
            let five = [at(31), at(32), at(32), at(33), at(33)];
            let expected = match slab {
                Slab::Maximum => five.into_iter().fold(0.0, f64::max),
                Slab::Mean => five.iter().sum::<f64>() / 5.0,
                Slab::Minimum => five.into_iter().fold(f64::MAX, f64::min),
            };
            assert!((f64::from(*seen) - expected).abs() <= 0.75, "{slab:?} {i}: {seen} {expected}");
        }
    }
}

#[test]
fn a_sheet_is_its_planes_beside_each_other() {
    let Some(gpu) = gpu() else { return };
    let shape = [35, 20, 30];
    let voxels = noise(shape);
    let mut scene = Scene::new(gpu, Volume::from(voxels.clone()));
    let (mut sheet, _) = axial(shape, 0);
    sheet.next = Vec3::Z * 2.0;
    (sheet.tiles, sheet.columns) = (18, 5);
    sheet.pitch = sheet.size + 2.0;
    let view = [5 * 32, 4 * 22];
    let seen = draw(&mut scene, &sheet, 0, view, 1);
    for (i, seen) in seen.iter().enumerate() {
        let (x, y) = (i % view[0] as usize, i / view[0] as usize);
        let (tile, x, y) = (y / 22 * 5 + x / 32, x % 32, y % 22);
        let expected =
            if tile < 18 && x < 30 && y < 20 { f64::from(voxels[[2 * tile, y, x]]) / 257.0 } else { 0.0 };
        assert!((f64::from(*seen) - expected).abs() <= 0.75, "{i}: {seen} {expected}");
    }
}

#[test]
fn coarse_levels_stand_in_and_stand_at_the_same_place() {
    let Some(gpu) = gpu() else { return };
    // A ramp along x looks the same in every level.
    let shape = [64, 64, 128];
    let volume = Volume::from(Array3::from_shape_fn(shape, |(_, _, x)| (x * 512) as u16));
    let mut scene = Scene::new(gpu, volume);
    let (sheet, view) = axial(shape, 20);
    let sheet = Sheet { interpolate: true, ..sheet };
    let coarse = draw(&mut scene, &sheet, 1, view, 1);
    // Level 0 is asked for, but only level 1 is there.
    let stand_in = show(&scene, &sheet, 0, view);
    assert_eq!(coarse, stand_in);
    let fine = draw(&mut scene, &sheet, 0, view, 2);
    for (i, (f, c)) in fine.iter().zip(&coarse).enumerate() {
        let x = i % shape[2];
        if x > 0 && x < shape[2] - 1 {
            assert!(f.abs_diff(*c) <= 1, "{i}: {f} {c}");
        }
    }
    assert_eq!(sheet.level(scene.image.layout()), 0);
    assert_eq!(Sheet { zoom: 2.0, ..sheet }.level(scene.image.layout()), 1);
}

#[test]
fn an_atlas_gives_away_what_was_longest_unused() {
    let Some(gpu) = gpu() else { return };
    let mut atlas = Atlas::new(&gpu, wgpu::TextureFormat::R8Unorm, 2, 2);
    assert_eq!(atlas.capacity(), 2);
    let key = |x| (1, Key { level: 0, at: [0, 0, x] });
    let texels = vec![0; 34 * 34 * 34];
    let whole = [[0; 3], [34; 3]];
    let (a, none) = atlas.put(&gpu, key(0), &texels, whole, 1).unwrap();
    assert_eq!(none, None);
    let (b, none) = atlas.put(&gpu, key(1), &texels, whole, 2).unwrap();
    assert!(none.is_none() && a != b);
    atlas.touch(a, 3);
    assert_eq!(atlas.put(&gpu, key(2), &texels, whole, 3), Some((b, Some(key(1)))));
    // Both are in use now.
    assert_eq!(atlas.put(&gpu, key(3), &texels, whole, 3), None);
    atlas.release(1);
    assert!(atlas.put(&gpu, key(3), &texels, whole, 3).is_some());
}

#[test]
fn a_checkerboard_shows_every_other_square() {
    let Some(gpu) = gpu() else { return };
    let shape = [2, 24, 32];
    let mut scene = Scene::new(gpu, Volume::from(Array3::from_elem(shape, 65535u16)));
    let (mut sheet, view) = axial(shape, 1);
    sheet.checker = 8.0;
    let seen = draw(&mut scene, &sheet, 0, view, 1);
    for (i, seen) in seen.iter().enumerate() {
        let square = (i % 32) / 8 + (i / 32) / 8;
        assert_eq!(*seen, if square % 2 == 0 { 255 } else { 0 }, "{i}");
    }
}
