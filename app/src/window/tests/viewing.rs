//! Tests of mouse, keys and commands.

use super::super::layout::Layout;
use super::super::links::LinkState;
use super::super::panes::{PaneAction, Tile};
use super::*;
use voxelry_core::io::ImageSource;
use voxelry_core::recipe::Recipe;

#[test]
fn an_empty_window_says_what_to_do() {
    let Some(mut harness) = window(vec![]) else { return };
    harness.step();
    harness.get_by_label("Drop images here");
    harness.get_by_label("Open images…");
}

#[test]
fn keys_change_layout_slices_and_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    assert_eq!(panes(harness.state()).len(), 4);
    assert!(harness.query_all_by_label("balls.nii.gz").count() >= 1);
    let slice = |h: &Harness<'static, Viewer>| h.state().document.scenes[0].voxel()[0];
    assert_eq!(slice(&harness), 20);
    press(&mut harness, Modifiers::NONE, Key::Period);
    assert_eq!(slice(&harness), 21);
    press(&mut harness, Modifiers::SHIFT, Key::PageUp);
    assert_eq!(slice(&harness), 11);
    press(&mut harness, Modifiers::NONE, Key::PageDown);
    assert_eq!(slice(&harness), 12);
    press(&mut harness, Modifiers::NONE, Key::Num1);
    assert_eq!(panes(harness.state()), [Pane::Montage]);
    press(&mut harness, Modifiers::NONE, Key::Num3);
    assert_eq!(panes(harness.state()), [Pane::Volume]);
    press(&mut harness, Modifiers::NONE, Key::Num2);
    assert_eq!(panes(harness.state()).len(), 4);
    harness.state_mut().document.scenes[0].layers[0].display.window = Some([0.0, 1.0]);
    press(&mut harness, Modifiers::NONE, Key::R);
    assert_ne!(harness.state().document.scenes[0].layers[0].display.window, Some([0.0, 1.0]));
    press(&mut harness, Modifiers::COMMAND, Key::W);
    harness.get_by_label("Drop images here");
}

#[test]
fn what_is_in_a_row_of_the_list_can_be_clicked() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["a.nii.gz", "b.nii.gz"].map(|name| balls(folder.path(), name));
    let Some(mut harness) = window(images.to_vec()) else { return };
    until(&mut harness, "the images", |v| v.document.scenes.len() == 2);
    // A click of the mouse, which the row beneath might take: not one of a screen reader.
    let click = |harness: &mut Harness<'static, Viewer>, label: &str| {
        let at = harness.query_all_by_label(label).next().expect("it is there").rect().center();
        for pressed in [true, false] {
            let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
            harness.event(egui::Event::PointerMoved(at));
            harness.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
            harness.step();
        }
        harness.step();
    };
    click(&mut harness, "Shown");
    assert!(!harness.state().document.scenes[0].layers[0].display.visible);
    click(&mut harness, "A");
    click(&mut harness, "Group B");
    let groups: Vec<usize> = harness.state().document.scenes.iter().map(|s| s.group).collect();
    assert_eq!(groups, [2, 1]);
}

#[test]
fn a_grey_image_can_be_taken_as_labels_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    harness.state_mut().take_as((0, 0), Content::Labels);
    until(&mut harness, "labels", |v| is_shown(v, 1));
    let layer = harness.state().document.scenes[0].layers[0].clone();
    assert_eq!(layer.content, Content::Labels);
    assert!(layer.source.info().labels);
    let session = folder.path().join("mine.voxelry");
    harness.state_mut().save(session.clone());
    until(&mut harness, "the session", |v| v.jobs.saving_session.is_none());
    harness.state_mut().take_as((0, 0), Content::Grey);
    assert!(!harness.state().document.scenes[0].layers[0].source.info().labels);
    drop(harness);
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 1));
    // Coarser levels are made as those of labels again.
    assert!(harness.state().document.scenes[0].layers[0].source.info().labels);
}

#[test]
fn a_recipe_runs_and_leaves_labels_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::COMMAND, Key::R);
    let recipe = voxelry_core::recipe::Recipe::parse(
        "[[step]]\nop = \"otsu\"\n[[step]]\nop = \"label\"\n[[step]]\nop = \"measure\"\ncolumns = [\"volume\"]\n",
    );
    harness.state_mut().recipe_editor.load(&recipe.unwrap());
    harness.step();
    harness.get_by_label("Run on the whole image").click();
    harness.step();
    until(&mut harness, "the result", |v| is_shown(v, 2));
    let viewer = harness.state();
    assert_eq!(viewer.document.scenes[0].layers[1].content, Content::Labels);
    let objects = viewer
        .recipe_editor
        .results
        .tables
        .iter()
        .find(|(_, t)| t.name == "objects")
        .expect("there are objects");
    assert_eq!(objects.1.rows(), 3);
    harness.get_by_label("Results");
    press(&mut harness, Modifiers::NONE, Key::V);
    assert!(!harness.state().document.scenes[0].layers[1].display.visible);
}

#[test]
fn the_palette_finds_commands_by_their_names_and_escape_shuts_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::COMMAND, Key::P);
    harness.event(egui::Event::Text("mont".to_owned()));
    harness.step();
    harness.step();
    press(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(panes(harness.state()), [Pane::Montage]);
    press(&mut harness, Modifiers::COMMAND, Key::P);
    assert!(harness.query_all_by_label_contains("Quit").count() > 0);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(harness.query_all_by_label_contains("Quit").count(), 0);
}

#[test]
fn several_images_are_compared_and_move_together() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.nii.gz", "b.nii.gz", "c.nii.gz"].map(|name| balls(folder.path(), name));
    let Some(mut harness) = window(paths.to_vec()) else { return };
    until(&mut harness, "the images", |v| is_shown(v, 3));
    assert_eq!(panes(harness.state()), [Pane::Plane(0); 3]);
    press(&mut harness, Modifiers::NONE, Key::Period);
    let slices: Vec<usize> = harness.state().document.scenes.iter().map(|s| s.voxel()[0]).collect();
    assert_eq!(slices, [21; 3]);
    harness.state_mut().lay_out(Layout::Compare(Pane::Volume));
    harness.step();
    assert_eq!(panes(harness.state()), [Pane::Volume; 3]);
}

#[test]
fn a_session_comes_back_and_a_missing_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.nii.gz", "b.nii.gz"].map(|name| balls(folder.path(), name));
    let session = folder.path().join("mine.voxelry");
    {
        let Some(mut harness) = window(paths.to_vec()) else { return };
        until(&mut harness, "the images", |v| is_shown(v, 2));
        press(&mut harness, Modifiers::NONE, Key::Period);
        let layer = &mut harness.state_mut().document.scenes[1].layers[0];
        layer.display.opacity = 0.25;
        layer.display.window = Some([1.0, 150.0]);
        crate::window::session::Session::of(harness.state(), &session, &[]).write(&session).unwrap();
    }
    let Some(mut harness) = window(vec![session.clone()]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 2));
    let viewer = harness.state();
    assert_eq!(panes(viewer).len(), 2);
    let names: Vec<&str> = viewer.document.scenes.iter().map(|s| s.name()).collect();
    let changed =
        viewer.document.scenes.iter().find(|s| s.layers[0].display.opacity == 0.25).expect("it is kept");
    assert_eq!(changed.layers[0].display.window, Some([1.0, 150.0]));
    assert_eq!(changed.voxel()[0], 21);
    assert_eq!(names, ["a.nii.gz", "b.nii.gz"]);
    drop(harness);
    std::fs::remove_file(&paths[0]).unwrap();
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "what is left of the session", |v| is_shown(v, 1));
    assert!(
        harness.state().messages().iter().any(|m| m.contains("a.nii.gz")),
        "{:?}",
        harness.state().messages()
    );
}

#[test]
fn how_a_raw_file_is_opened_goes_into_sessions_and_to_pools() {
    let folder = tempfile::tempdir().unwrap();
    let (path, session) = (folder.path().join("scan.raw"), folder.path().join("mine.voxelry"));
    let voxels: Vec<u8> = (0..12 * 20 * 30).flat_map(|i: u16| (i % 997).to_be_bytes()).collect();
    std::fs::write(&path, [vec![9; 5], voxels].concat()).unwrap();
    let options = OpenOptions {
        shape: Some([12, 20, 30]),
        voxel: Some(voxelry_core::VoxelType::U16),
        big_endian: true,
        offset: 5,
        ..OpenOptions::default()
    };
    {
        let Some(mut harness) = window(vec![]) else { return };
        harness.state_mut().open(path, options.clone());
        until(&mut harness, "the image", |v| is_shown(v, 1));
        harness.state_mut().recipe_editor.load(&Recipe::parse("[[step]]\nop = \"otsu\"\n").unwrap());
        harness.step();
        assert_eq!(crate::window::pool::spec(harness.state()).unwrap().options, options);
        harness.state_mut().subtract((0, 0), (0, 0));
        crate::window::session::Session::of(harness.state(), &session, &[]).write(&session).unwrap();
    }
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 2));
    let layers = &harness.state().document.scenes[0].layers;
    assert_eq!(layers[0].options, options);
    let difference = layers[1].minus.as_ref().map(|minus| minus.open.clone());
    assert_eq!(difference, Some(options.to_record()), "the other image of a difference, too");
}

#[test]
fn panes_split_change_and_close() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let find = |v: &Viewer, pane: Pane| {
        let mut tiles = v.tree().tiles.iter();
        let found = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if p.pane == pane));
        found.map(|(id, _)| *id).unwrap()
    };
    let ask = |harness: &mut Harness<'static, Viewer>, pane: Pane, ask: PaneAction| {
        let id = find(harness.state(), pane);
        harness.state_mut().rearrange(id, Tile { scene: 0, pane }, ask);
        harness.step();
        harness.step();
    };
    ask(&mut harness, Pane::Volume, PaneAction::Beside);
    assert_eq!(panes(harness.state()).len(), 5);
    ask(&mut harness, Pane::Volume, PaneAction::Show(Tile { scene: 0, pane: Pane::Montage }));
    let shown = panes(harness.state());
    assert!(shown.contains(&Pane::Montage) && shown.contains(&Pane::Volume), "{shown:?}");
    ask(&mut harness, Pane::Montage, PaneAction::Close);
    ask(&mut harness, Pane::Plane(0), PaneAction::Below);
    ask(&mut harness, Pane::Plane(0), PaneAction::Maximise);
    assert!(harness.query_by_label("Drop images here").is_none());
    ask(&mut harness, Pane::Plane(0), PaneAction::Maximise);
    assert_eq!(panes(harness.state()).len(), 5);
}

#[test]
fn groups_move_by_themselves_and_share_what_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.nii.gz", "b.nii.gz", "c.nii.gz"].map(|name| balls(folder.path(), name));
    let Some(mut harness) = window(paths.to_vec()) else { return };
    until(&mut harness, "the images", |v| is_shown(v, 3));
    harness.state_mut().document.scenes[2].group = 0;
    let slices = |h: &Harness<'static, Viewer>| -> Vec<usize> {
        h.state().document.scenes.iter().map(|s| s.voxel()[0]).collect()
    };
    press(&mut harness, Modifiers::NONE, Key::Period);
    assert_eq!(slices(&harness), [21, 21, 20]);
    harness.state_mut().view.links.place = false;
    press(&mut harness, Modifiers::NONE, Key::Period);
    assert_eq!(slices(&harness), [22, 21, 20]);
    let windows = |h: &Harness<'static, Viewer>| -> Vec<Option<[f64; 2]>> {
        h.state().document.scenes.iter().map(|s| s.layers[0].display.window).collect()
    };
    let before = windows(&harness);
    let follow = |harness: &mut Harness<'static, Viewer>| {
        let viewer = harness.state_mut();
        let before = LinkState::of(&viewer.document);
        viewer.document.scenes[0].layers[0].display.window = Some([5.0, 50.0]);
        before.follow(&mut viewer.document, viewer.view.links);
    };
    follow(&mut harness);
    assert_eq!(windows(&harness)[1], before[1]);
    harness.state_mut().document.scenes[0].layers[0].display.window = before[0];
    harness.state_mut().view.links.window = true;
    follow(&mut harness);
    assert_eq!(windows(&harness), [Some([5.0, 50.0]), Some([5.0, 50.0]), before[2]]);
    press(&mut harness, Modifiers::NONE, Key::L);
    assert!(harness.state().document.scenes.iter().all(|s| s.group == 1));
}

#[test]
fn changes_of_a_recipe_are_taken_back() {
    let recipe = |text: &str| voxelry_core::recipe::Recipe::parse(text).unwrap();
    let mut recipe_editor = crate::window::recipe::RecipeEditor::default();
    let states = [
        "[[step]]\nop = \"invert\"\n",
        "[[step]]\nop = \"otsu\"\n",
        "[[step]]\nop = \"median\"\nradius = 2\n",
    ];
    for (i, text) in states.iter().enumerate() {
        recipe_editor.load(&recipe(text));
        for moment in 0..4 {
            recipe_editor.remember(i as f64 * 10.0 + f64::from(moment));
        }
    }
    let said =
        |recipe_editor: &crate::window::recipe::RecipeEditor| recipe_editor.recipe().unwrap().to_toml();
    for expected in states.iter().rev().skip(1) {
        assert!(recipe_editor.can_undo());
        recipe_editor.undo();
        assert_eq!(said(&recipe_editor), recipe(expected).to_toml());
    }
    assert!(!recipe_editor.can_undo());
    recipe_editor.redo();
    recipe_editor.redo();
    assert_eq!(said(&recipe_editor), recipe(states[2]).to_toml());
    assert!(!recipe_editor.can_redo());
}

#[test]
fn a_session_keeps_results_tables_and_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let session = folder.path().join("mine.voxelry");
    harness.state_mut().save(session.clone());
    until(&mut harness, "the session", |v| v.jobs.saving_session.is_none());
    let told: Vec<String> = harness.state().messages().iter().map(|m| (*m).to_owned()).collect();
    assert!(told.iter().any(|m| m.starts_with("Saved")), "{told:?}");
    let rows = harness.state().recipe_editor.results.tables[0].1.rows();
    let recipe = harness.state().recipe_editor.recipe().unwrap().to_toml();
    // The result lies in a file now, and is not written a second time.
    assert!(harness.state().document.scenes[0].layers[1].path.is_some());
    drop(harness);
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 2));
    let viewer = harness.state();
    assert_eq!(viewer.messages(), [""; 0]);
    assert_eq!(viewer.document.scenes[0].layers[1].content, Content::Labels);
    assert_eq!(viewer.recipe_editor.results.tables[0].1.rows(), rows);
    assert_eq!(viewer.recipe_editor.recipe().unwrap().to_toml(), recipe);
}

#[test]
fn what_a_lost_device_leaves_is_opened_again_with_results() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let kept = folder.path().join("kept");
    harness.state_mut().lifecycle.autosave =
        Some(crate::window::settings::Autosave::in_folder(&kept).unwrap());
    let session = harness.state().keep_everything().unwrap();
    // The autosave is not dropped: a process that hands over does not tidy up.
    std::mem::forget(harness.state_mut().lifecycle.autosave.take());
    assert!(!harness.state().lifecycle.device_lost.load(std::sync::atomic::Ordering::Relaxed));
    let device = harness.state().gpu().device.clone();
    device.destroy();
    // Whichever thread asks the device for something hears that it is lost.
    let begun = Instant::now();
    while !harness.state().lifecycle.device_lost.load(std::sync::atomic::Ordering::Relaxed) {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody hears that the device is lost");
        let _ = device.poll(wgpu::PollType::wait_indefinitely());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::mem::forget(harness);
    let Some(mut harness) = window(vec![]) else { return };
    harness.state_mut().reopen(session.clone());
    until(&mut harness, "what was kept", |v| is_shown(v, 2));
    assert!(!session.exists());
    let files = crate::window::session_files::folder(&session);
    assert!(files.exists());
    drop(harness);
    assert!(!files.exists());
}

#[test]
fn a_preview_follows_a_slider_and_says_what_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::COMMAND, Key::R);
    let recipe = |text: &str| voxelry_core::recipe::Recipe::parse(text).unwrap();
    let local = "[[step]]\nop = \"gaussian\"\nsigma = 1\n[[step]]\nop = \"threshold\"\nmin = 400\n";
    harness.state_mut().recipe_editor.load(&recipe(local));
    harness.state_mut().recipe_editor.preview.enabled = true;
    let shown = |v: &Viewer| v.recipe_editor.shown().filter(|id| v.caches.painter.is_settled(*id));
    until(&mut harness, "the preview", |v| shown(v).is_some() && !v.caches.unfinished);
    harness.get_by_label("Preview (exact at the displayed resolution)");
    let first = shown(harness.state()).unwrap();
    let picture = |harness: &mut Harness<'static, Viewer>| harness.render().unwrap();
    let before = picture(&mut harness);
    // The slider of the threshold, by its keys.
    let slider = harness.get_by_label("min slider");
    slider.focus();
    harness.step();
    for _ in 0..12 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    let typed = harness.state().recipe_editor.recipe().unwrap().to_toml();
    assert!(!typed.contains("min = 400\n"), "{typed}");
    until(&mut harness, "the next preview", |v| {
        shown(v).is_some() && !v.caches.unfinished && !v.caches.painter.is_busy()
    });
    let viewer = harness.state();
    assert_eq!(shown(viewer), Some(first), "the layer is the same");
    assert!(viewer.document.scenes[0].layers[1].live.is_some());
    assert_ne!(picture(&mut harness), before);
    harness.state_mut().recipe_editor.load(&recipe(&format!("{local}[[step]]\nop = \"label\"\n")));
    until(&mut harness, "the part", |v| v.recipe_editor.shown().is_some_and(|id| id != first));
    harness.get_by_label_contains("Preview of the whole image");
    assert!(harness.state().document.scenes[0].layers[1].live.is_none());
    harness.state_mut().recipe_editor.preview.enabled = false;
    until(&mut harness, "the end", |v| v.document.scenes[0].layers.len() == 1);
}

#[test]
fn an_address_is_typed_and_what_cannot_be_had_is_said() {
    let Some(mut harness) = window(Vec::new()) else { return };
    harness.state_mut().dialogs.address = Some(String::new());
    harness.step();
    harness.step();
    harness.get_by_label("Address").focus();
    harness.step();
    harness.event(egui::Event::Text("ftp://host/image.zarr".to_owned()));
    harness.step();
    harness.step();
    harness.get_by_label("Open").click();
    // This program has no network installed: it says so instead of looking for a file.
    until(&mut harness, "the answer", |v| v.messages().iter().any(|m| m.contains("ftp://host/image.zarr")));
    assert!(harness.state().dialogs.address.is_none());
    harness.state_mut().dialogs.address = Some("not an address".to_owned());
    harness.step();
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.state().dialogs.address.is_none());
}
