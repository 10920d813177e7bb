//! Appearance of the window: every panel as a picture, and every widget with a name.
//!
//! The pictures are those of a software adapter (llvmpipe); `UPDATE_SNAPSHOTS=1 cargo test -p voxelry looks` makes
//! them anew.

use super::super::layout::Layout;
use super::super::view_state::Side;
use super::*;
use egui_kittest::SnapshotOptions;

/// A window of software, in which pictures are always the same, or a printed reason why there is none.
fn software(paths: Vec<PathBuf>) -> Option<Harness<'static, Viewer>> {
    let gpu = voxelry_shaders::gpu::Gpu::headless().map_err(|e| eprintln!("skipped: {e}")).ok()?;
    if gpu.info.device_type != wgpu::DeviceType::Cpu {
        eprintln!("skipped: the pictures are those of a software adapter");
        return None;
    }
    window(paths)
}

/// Goes on until nothing changes any more.
fn settle(harness: &mut Harness<'static, Viewer>) {
    let begun = Instant::now();
    let mut before = Vec::new();
    loop {
        for _ in 0..12 {
            harness.step();
            std::thread::sleep(Duration::from_millis(25));
        }
        let picture = harness.render().expect("it is drawn").into_raw();
        if picture == before
            && !harness.state().caches.painter.is_busy()
            && !harness.state().caches.unfinished
        {
            return;
        }
        before = picture;
        assert!(begun.elapsed() < Duration::from_mins(2), "it never rests");
    }
}

/// Holds the window to a picture, and its widgets to having names.
fn looks(harness: &mut Harness<'static, Viewer>, name: &str) {
    settle(harness);
    let unnamed = harness.unnamed_widgets();
    assert!(unnamed.is_empty(), "{name}: without a name: {unnamed:#?}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");
    // Versions of the adapter round differently here and there.
    let options = SnapshotOptions::new().output_path(folder).threshold(2.0).max_failed_pixels(2500);
    harness.snapshot_options(name, &options);
}

#[test]
fn an_empty_window() {
    let Some(mut harness) = software(vec![]) else { return };
    looks(&mut harness, "empty");
    press(&mut harness, Modifiers::COMMAND, Key::Comma);
    looks(&mut harness, "settings");
}

#[test]
fn an_image_in_all_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = software(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    looks(&mut harness, "planes");
    let viewer = harness.state_mut();
    viewer.document.scenes[0].turn(0, 0.5);
    viewer.document.scenes[0].view.boxed = true;
    viewer.document.scenes[0].view.crop[0].x = 0.25;
    viewer.document.scenes[0].cut_open();
    looks(&mut harness, "turned-and-cut");
    harness.state_mut().document.scenes[0].uncut();
    harness.state_mut().lay_out(Layout::Montage);
    looks(&mut harness, "montage");
}

#[test]
fn windows_over_the_panes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = software(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    harness.state_mut().lay_out(Layout::Montage);
    press(&mut harness, Modifiers::COMMAND, Key::P);
    looks(&mut harness, "palette");
    press(&mut harness, Modifiers::NONE, Key::Escape);
    press(&mut harness, Modifiers::NONE, Key::F1);
    looks(&mut harness, "help");
    press(&mut harness, Modifiers::NONE, Key::F1);
    press(&mut harness, Modifiers::COMMAND, Key::E);
    looks(&mut harness, "export");
}

#[test]
fn results_of_a_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_) = software(vec![]) else { return };
    let Some(mut harness) = with_results(folder.path()) else { return };
    looks(&mut harness, "recipe");
    harness.state_mut().view.side = Side::Display;
    harness.state_mut().view.chosen = (0, 1);
    looks(&mut harness, "labels");
}

#[test]
fn images_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.nii.gz", "b.nii.gz", "c.nii.gz"].map(|name| balls(folder.path(), name));
    let Some(mut harness) = software(paths.to_vec()) else { return };
    until(&mut harness, "the images", |v| is_shown(v, 3));
    harness.state_mut().document.scenes[2].group = 0;
    harness.state_mut().subtract((0, 0), (1, 0));
    until(&mut harness, "the difference", |v| is_shown(v, 4));
    looks(&mut harness, "compare");
}

#[test]
fn the_study_looks() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = software(vec![super::study::study(folder.path())]) else { return };
    until(&mut harness, "the wall", |v| v.study.drawn() > 6);
    harness.get_by_label("Compare").click();
    until(&mut harness, "the answer", |v| v.study.results.sheets.len() == 2);
    looks(&mut harness, "study");
}
