//! Rays on whatever adapter there is, against what is known of phantoms.

mod scene;

use glam::{DAffine3, DMat4, DQuat, DVec3, Vec3};
use ndarray::Array3;
use scene::{Scene, gpu, noise};
use voxelry_core::Volume;
use voxelry_shaders::bricks::Key;
use voxelry_shaders::picture::{FORMAT, picture};
use voxelry_shaders::volume::{Mode, Part, View, VolumeRenderer};
use voxelry_shaders::{Blend, Depth, Drawing};

/// Looks along z, a pixel a voxel; x is to the right, y down, and z 0 the nearest.
fn along_z([nz, ny, nx]: [usize; 3]) -> (DMat4, [u32; 2]) {
    let [x, y, z] = [nx, ny, nz].map(|n| n as f64);
    let clip = DMat4::from_scale(DVec3::new(2.0 / x, -2.0 / y, 1.0 / z))
        * DMat4::from_translation(DVec3::new(0.5 - x / 2.0, 0.5 - y / 2.0, 0.5));
    (clip, [nx as u32, ny as u32])
}

fn draw(
    scene: &Scene,
    view: &View,
    part: (Part, Option<&Depth>),
    level: u32,
    size: [u32; 2],
) -> voxelry_shaders::Draw {
    let renderer = VolumeRenderer::new(&scene.gpu, scene.image.texels(), FORMAT, Blend::Over);
    let world = DAffine3::IDENTITY;
    renderer.prepare(&scene.gpu, &scene.image, view, part, level, size, world, &scene.grey)
}

/// Colour and opacity of every pixel, with all bricks of a level there.
fn cast(scene: &mut Scene, view: &View, level: u32, size: [u32; 2]) -> Vec<[u8; 4]> {
    let keys: Vec<Key> = view.wanted(scene.image.layout(), level, DAffine3::IDENTITY);
    scene.load(&keys, 1);
    let drawing = draw(scene, view, (Part::Whole, None), level, size).into();
    let pixels = picture(&scene.gpu, size, wgpu::Color::TRANSPARENT, &drawing).unwrap();
    pixels.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect()
}

#[test]
fn projections_are_those_of_the_array() {
    let Some(gpu) = gpu() else { return };
    let shape = [40, 35, 70];
    let voxels = noise(shape);
    let mut scene = Scene::new(gpu, Volume::from(voxels.clone()));
    let (clip, size) = along_z(shape);
    for mode in [Mode::Maximum, Mode::Mean, Mode::Minimum] {
        let mut view = View::whole(scene.image.layout(), clip);
        (view.mode, view.window) = (mode, [0.0, 65535.0]);
        // Samples lie at whole voxels from the near plane, half a voxel before the first one: shift it.
        view.low.z = 0.0;
        view.clip_from_world = DMat4::from_translation(DVec3::new(0.0, 0.0, -0.5 / 40.0)) * clip;
        let seen = cast(&mut scene, &view, 0, size);
        for (i, seen) in seen.iter().enumerate() {
            let column: Vec<f64> =
                (0..shape[0]).map(|z| f64::from(voxels[[z, i / shape[2], i % shape[2]]]) / 257.0).collect();
            let expected = match mode {
                Mode::Maximum => column.iter().copied().fold(0.0, f64::max),
                Mode::Mean => column.iter().sum::<f64>() / column.len() as f64,
                _ => column.iter().copied().fold(f64::MAX, f64::min),
            };
            assert!((f64::from(seen[0]) - expected).abs() <= 1.0, "{mode:?} {i}: {} {expected}", seen[0]);
        }
    }
}

/// A ball whose intensity falls by 1000 a voxel and is 30,000 at its surface.
fn ball(shape: [usize; 3], centre: [f64; 3], radius: f64) -> Volume {
    Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| {
        let at = [z as f64 - centre[0], y as f64 - centre[1], x as f64 - centre[2]];
        let away = at.iter().map(|d| d * d).sum::<f64>().sqrt();
        (30_000.0 + 1000.0 * (radius - away)).clamp(0.0, 65535.0) as u16
    }))
}

#[test]
fn a_ball_covers_its_projected_area() {
    let Some(gpu) = gpu() else { return };
    let (shape, radius) = ([64; 3], 20.3);
    let mut scene = Scene::new(gpu, ball(shape, [31.5; 3], radius));
    // Also from aside: the bricks' borders then lie across the rays.
    for turn in [DQuat::IDENTITY, DQuat::from_rotation_y(0.7) * DQuat::from_rotation_x(0.4)] {
        let size = [256, 256];
        let clip = DMat4::from_scale(DVec3::new(2.0 / 64.0, -2.0 / 64.0, 1.0 / 200.0))
            * DMat4::from_translation(DVec3::new(0.0, 0.0, 100.0))
            * DMat4::from_quat(turn)
            * DMat4::from_translation(DVec3::splat(-31.5));
        let mut view = View::whole(scene.image.layout(), clip);
        (view.mode, view.window) = (Mode::Isosurface(30_000.0), [0.0, 65535.0]);
        let seen = cast(&mut scene, &view, 0, size);
        let covered = seen.iter().filter(|p| p[3] > 0).count() as f64 / 16.0;
        let area = std::f64::consts::PI * radius * radius;
        assert!((covered / area - 1.0).abs() < 0.01, "{covered} {area}");
    }
}

#[test]
fn a_surface_lies_where_the_intensity_reaches_the_level() {
    let Some(gpu) = gpu() else { return };
    let (shape, radius) = ([70; 3], 24.0);
    let mut scene = Scene::new(gpu, ball(shape, [34.0; 3], radius));
    let (clip, size) = along_z(shape);
    let mut view = View::whole(scene.image.layout(), clip);
    (view.mode, view.window) = (Mode::Isosurface(30_000.0), [0.0, 65535.0]);
    cast(&mut scene, &view, 0, size);
    let renderer = VolumeRenderer::new(&scene.gpu, scene.image.texels(), FORMAT, Blend::Over);
    for pixel in [[34, 34], [20, 34], [34, 50], [45, 25], [2, 2]] {
        let (image, at) = (scene.image.group(), (size, pixel));
        let place = renderer.pick(&scene.gpu, image, &view, 0, at, DAffine3::IDENTITY, &scene.grey);
        let (dx, dy) = (f64::from(pixel[0]) - 34.0, f64::from(pixel[1]) - 34.0);
        let inside = radius * radius - dx * dx - dy * dy;
        match place {
            None => assert!(inside < 0.0, "{pixel:?}"),
            Some((place, far)) => {
                let expected = 34.0 - inside.sqrt();
                // The near plane lies half a voxel before the first voxel, the far one behind the last.
                assert!((f64::from(far) - (expected + 0.5) / 70.0).abs() < 0.1 / 70.0, "{pixel:?}: {far}");
                assert!((f64::from(place.z) - expected).abs() < 0.1, "{pixel:?}: {} {expected}", place.z);
                assert!((f64::from(place.x) - 34.0 - dx).abs() < 1e-3);
                assert!((f64::from(place.y) - 34.0 - dy).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn intensities_are_drawn_before_and_behind_labels() {
    let Some(gpu) = gpu() else { return };
    let shape = [48; 3];
    // A mist that is the same everywhere, and a plate of label 200 across z.
    let mut mist = Scene::new(gpu.clone(), Volume::from(Array3::from_elem(shape, 30_000u16)));
    let plate = Array3::from_shape_fn(shape, |(z, _, x)| if z >= 20 && x >= 24 { 200u32 } else { 0 });
    let mut labels = Scene::labels(gpu.clone(), Volume::from(plate));
    let (clip, size) = along_z(shape);
    let mut view = View::whole(mist.image.layout(), clip);
    (view.window, view.shading, view.path) = ([0.0, 65535.0], 0.0, 48.0);
    let half: Vec<[u8; 4]> = (0..=255).map(|i| [i, i, i, 128]).collect();
    mist.grey = voxelry_shaders::picture::colours(&gpu, &half);
    for scene in [&mut mist, &mut labels] {
        let keys = view.wanted(scene.image.layout(), 0, DAffine3::IDENTITY);
        scene.load(&keys, 1);
    }
    let depth = Depth::new(&gpu, size);
    let surface = View { mode: Mode::Isosurface(0.0), ..view.clone() };
    let solid = draw(&labels, &surface, (Part::Depth, None), 0, size);
    let seen = |part: Part| -> Vec<u8> {
        let draws = vec![draw(&mist, &view, (part, Some(&depth)), 0, size)];
        let drawing = Drawing { draws, solids: Some((depth.clone(), vec![solid.clone()])) };
        let pixels = picture(&gpu, size, wgpu::Color::TRANSPARENT, &drawing).unwrap();
        pixels.chunks_exact(4).map(|p| p[3]).collect()
    };
    let opacity = |voxels: f64| 255.0 * (1.0 - (1.0 - 128.0 / 255.0f64).powf(voxels / 48.0));
    let (before, behind) = (seen(Part::Before), seen(Part::Behind));
    for (i, (before, behind)) in before.iter().zip(&behind).enumerate() {
        let plated = i % 48 >= 24;
        // The plate begins half a voxel before its first one.
        let expected = if plated { [opacity(20.0), opacity(28.0)] } else { [opacity(48.0), 0.0] };
        assert!((f64::from(*before) - expected[0]).abs() < 6.0, "before, {i}: {before} {expected:?}");
        assert!((f64::from(*behind) - expected[1]).abs() < 6.0, "behind, {i}: {behind} {expected:?}");
    }
}

#[test]
fn what_is_cropped_or_cut_away_is_not_seen() {
    let Some(gpu) = gpu() else { return };
    let shape = [40; 3];
    let mut scene = Scene::new(gpu, Volume::from(Array3::from_elem(shape, 200u8)));
    let (clip, size) = along_z(shape);
    let count =
        |scene: &mut Scene, view: &View| cast(scene, view, 0, size).iter().filter(|p| p[3] > 0).count();
    let mut view = View::whole(scene.image.layout(), clip);
    (view.mode, view.window) = (Mode::Maximum, [0.0, 255.0]);
    assert_eq!(count(&mut scene, &view), 1600);
    view.high = Vec3::new(9.5, 39.5, 39.5);
    assert_eq!(count(&mut scene, &view), 400);
    view.planes = vec![(DVec3::Y, -19.5)];
    assert_eq!(count(&mut scene, &view), 200);
}

#[test]
fn labels_are_seen_in_their_colours_with_the_nearest_in_front() {
    let Some(gpu) = gpu() else { return };
    let shape = [40, 40, 80];
    // Two boxes, the second behind the first where they overlap.
    let labels = Array3::from_shape_fn(shape, |(z, y, x)| match (z, y, x) {
        (5..=15, 5..35, 5..45) => 1u32,
        (20..=35, 5..35, 35..75) => 5_000_000,
        _ => 0,
    });
    let mut scene = Scene::labels(gpu, Volume::from(labels));
    let (clip, size) = along_z(shape);
    let mut view = View::whole(scene.image.layout(), clip);
    (view.shading, view.mode) = (0.0, Mode::Isosurface(0.0));
    let seen = cast(&mut scene, &view, 0, size);
    // The colour of a label is that many texels along the ramp of 256; large labels share these by all of their bits.
    let [first, second] = [0u8, (voxelry_core::picture::label_index(5_000_000) % 256) as u8];
    let at = |y: usize, x: usize| seen[y * 80 + x];
    assert_eq!(at(2, 2)[3], 0);
    assert_eq!(at(20, 20), [first, first, first, 255]);
    assert_eq!(at(20, 40), [first, first, first, 255]);
    assert_eq!(at(20, 60), [second, second, second, 255]);
    let covered = seen.iter().filter(|p| p[3] > 0).count();
    assert_eq!(covered, 30 * 70);
    // As mist the thicker box is denser, and where there are two they add up.
    (view.mode, view.path) = (Mode::Composite, 1.0);
    let mist = cast(&mut scene, &view, 0, size);
    let clear = |voxels: f64| 0.02f64.powf(4.0 * voxels / 128.0);
    for (x, voxels) in [(20, 11.0), (60, 16.0), (40, 27.0)] {
        let expected = 255.0 * (1.0 - clear(voxels));
        assert!(
            (f64::from(mist[20 * 80 + x][3]) - expected).abs() < 10.0,
            "{x}: {:?} {expected}",
            mist[20 * 80 + x]
        );
    }
}
