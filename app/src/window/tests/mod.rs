//! The window, driven without one, on whatever adapter there is.

mod input;
mod looks;
mod objects;
mod opening;
mod remeasuring;
mod segmenting;
mod study;
mod truth;
mod viewing;

use super::app::Viewer;
use super::settings::Settings;
use crate::view::{Content, Pane};
use egui::{Key, Modifiers, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxelry_core::io::{OpenOptions, WriteOptions};
use voxelry_core::{Geometry, Unit, Volume};

/// An image of bright balls on a dark ground.
pub(super) fn balls(folder: &Path, name: &str) -> PathBuf {
    let volume = Volume::from(ndarray::Array3::from_shape_fn((40, 48, 56), |(z, y, x)| {
        let near = |c: [usize; 3]| {
            let d = |a: usize, b: usize| (a as f64 - b as f64).powi(2);
            (d(z, c[0]) + d(y, c[1]) + d(x, c[2])).sqrt()
        };
        let away = [[12, 12, 14], [26, 30, 40], [20, 36, 12]].map(near).into_iter().fold(f64::MAX, f64::min);
        if away <= 8.0 { 200u8 } else { 20 }
    }));
    let path = folder.join(name);
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Micrometre);
    voxelry_core::io::write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
    path
}

/// Settings that do not depend on the machine.
fn settings() -> Settings {
    let mut settings = Settings::default();
    (settings.memory, settings.device) = (1024, 256);
    settings
}

/// A window on images, or a printed reason why the test is skipped.
pub(super) fn window(paths: Vec<PathBuf>) -> Option<Harness<'static, Viewer>> {
    if let Err(error) = voxelry_shaders::gpu::Gpu::headless() {
        eprintln!("skipped: {error}");
        return None;
    }
    let mut setup = eframe::egui_wgpu::WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = std::sync::Arc::new(voxelry_shaders::gpu::Gpu::wanted);
    setup.instance_descriptor.backends = voxelry_shaders::gpu::BACKENDS;
    let builder = Harness::builder()
        .with_size(Vec2::new(1280.0, 800.0))
        .with_max_steps(8)
        .with_accessibility_check(false);
    let builder = builder.wgpu_setup(eframe::egui_wgpu::WgpuSetup::CreateNew(setup));
    Some(builder.build_eframe(move |context| {
        let state = context.wgpu_render_state.clone().expect("the harness draws");
        Viewer::new(&context.egui_ctx, state, settings(), None, paths, &OpenOptions::default())
    }))
}

/// Goes on until something holds.
pub(super) fn until(harness: &mut Harness<'static, Viewer>, what: &str, holds: impl Fn(&Viewer) -> bool) {
    let begun = Instant::now();
    while !holds(harness.state()) {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what} does not come");
        harness.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    harness.step();
    harness.step();
}

pub(super) fn is_shown(viewer: &Viewer, count: usize) -> bool {
    let layers = || viewer.document.scenes.iter().flat_map(|s| &s.layers);
    layers().count() == count && layers().all(|l| l.content == Content::Labels || l.display.window.is_some())
}

pub(super) fn press(harness: &mut Harness<'static, Viewer>, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.step();
    harness.step();
}

fn panes(viewer: &Viewer) -> Vec<Pane> {
    let tiles = viewer.tree().tiles.iter();
    tiles.filter_map(|(_, t)| if let egui_tiles::Tile::Pane(p) = t { Some(p.pane) } else { None }).collect()
}

/// A window in which a recipe has made labels and a table.
fn with_results(folder: &Path) -> Option<Harness<'static, Viewer>> {
    let mut harness = window(vec![balls(folder, "balls.nii.gz")])?;
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::COMMAND, Key::R);
    let text = "[[step]]\nop = \"otsu\"\n[[step]]\nop = \"label\"\n[[step]]\nop = \"measure\"\n";
    harness.state_mut().recipe_editor.load(&voxelry_core::recipe::Recipe::parse(text).unwrap());
    harness.step();
    harness.get_by_label("Run on the whole image").click();
    harness.step();
    until(&mut harness, "the result", |v| is_shown(v, 2));
    Some(harness)
}
