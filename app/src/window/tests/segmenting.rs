//! Segmentation with mouse and keys, against what is known of the images.

use super::super::tools::{PointerPhase, Tool, ToolInput};
use super::*;
use glam::DVec3;
use voxelry_core::Region;
use voxelry_core::labels::Editable;

/// A window on balls, with a new label layer that is edited.
pub(super) fn segmentation_window(folder: &Path) -> Option<Harness<'static, Viewer>> {
    let mut harness = window(vec![balls(folder, "balls.nii.gz")])?;
    until(&mut harness, "the image", |v| is_shown(v, 1));
    assert!(harness.state_mut().new_labels());
    settle(&mut harness);
    Some(harness)
}

/// Waits until nothing is being done to labels.
pub(super) fn settle(harness: &mut Harness<'static, Viewer>) {
    until(harness, "the edit", |v| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy()));
    assert_eq!(harness.state().messages(), [""; 0]);
}

pub(super) fn voxels(viewer: &Viewer) -> ndarray::Array3<u32> {
    let labels = &viewer.tools.editing.as_ref().expect("there is one").editor.labels;
    labels.get(Region::whole(labels.shape())).unwrap()
}

fn count(viewer: &Viewer, label: u32) -> usize {
    voxels(viewer).iter().filter(|v| **v == label).count()
}

/// Touches the plane across z at places `(x, y, z)`.
pub(super) fn touch(harness: &mut Harness<'static, Viewer>, tool: Tool, way: &[[f64; 3]]) {
    let viewer = harness.state_mut();
    viewer.select_tool(tool);
    let touch =
        |at: [f64; 3], phase| ToolInput { scene: 0, axis: Some(0), at: DVec3::from(at), phase, shift: false };
    viewer.use_tool(touch(way[0], PointerPhase::Press));
    way[1..].iter().for_each(|at| viewer.use_tool(touch(*at, PointerPhase::Drag)));
    viewer.use_tool(touch(way[way.len() - 1], PointerPhase::Release));
    settle(harness);
}

/// Voxels of the three balls, by what they were made of.
const BALL: usize = 2109;

#[test]
fn the_wand_takes_a_ball_with_one_click_and_undo_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    touch(&mut harness, Tool::Wand, &[[40.0, 30.0, 26.0]]);
    assert_eq!(count(harness.state(), 1), BALL);
    // Every voxel of it and no other: Dice is 1.
    let truth =
        |z: f64, y: f64, x: f64| ((z - 26.0).powi(2) + (y - 30.0).powi(2) + (x - 40.0).powi(2)).sqrt() <= 8.0;
    for ((z, y, x), v) in voxels(harness.state()).indexed_iter() {
        assert_eq!(*v == 1, truth(z as f64, y as f64, x as f64));
    }
    press(&mut harness, Modifiers::NONE, Key::M);
    touch(&mut harness, Tool::Wand, &[[14.0, 12.0, 12.0]]);
    assert_eq!((count(harness.state(), 1), count(harness.state(), 2)), (BALL, BALL));
    assert_eq!(harness.state().tools.rows.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 2]);
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert_eq!(count(harness.state(), 2), 0);
    press(&mut harness, Modifiers::COMMAND, Key::Y);
    settle(&mut harness);
    assert_eq!(count(harness.state(), 2), BALL);
}

#[test]
fn the_wand_shows_what_a_click_would_take_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().select_tool(Tool::Wand);
    let hover = |harness: &mut Harness<'static, Viewer>, at: [f64; 3]| {
        let at = DVec3::from(at);
        harness.state_mut().use_tool(ToolInput {
            scene: 0,
            axis: Some(0),
            at,
            phase: PointerPhase::Hover,
            shift: false,
        });
        settle(harness);
    };
    hover(&mut harness, [40.0, 30.0, 26.0]);
    assert_eq!(count(harness.state(), 1), 197);
    assert!(
        harness.state().tools.status.starts_with("197 voxels · 394 µm³"),
        "{}",
        harness.state().tools.status
    );
    hover(&mut harness, [2.0, 2.0, 26.0]);
    assert_eq!(count(harness.state(), 1), 48 * 56 - 197 - 89);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    settle(&mut harness);
    assert_eq!(voxels(harness.state()).iter().max(), Some(&0));
    assert!(!harness.state().tools.can_undo());
}

#[test]
fn brush_eraser_lasso_and_fill_draw_in_the_slice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.radius = 5.0;
    touch(&mut harness, Tool::Paint, &[[20.0, 20.0, 10.0]]);
    assert_eq!(count(harness.state(), 1), 81);
    touch(&mut harness, Tool::Erase, &[[20.0, 20.0, 10.0], [30.0, 20.0, 10.0]]);
    assert_eq!(count(harness.state(), 1), 0);
    let square = [[10.2, 10.2, 5.0], [20.8, 10.2, 5.0], [20.8, 20.8, 5.0], [10.2, 20.8, 5.0]];
    touch(&mut harness, Tool::Lasso, &square);
    assert_eq!(count(harness.state(), 1), 100);
    // Only the background around it in that slice.
    harness.state_mut().tools.set_label(7);
    touch(&mut harness, Tool::Fill, &[[0.0, 0.0, 5.0]]);
    assert_eq!((count(harness.state(), 1), count(harness.state(), 7)), (100, 48 * 56 - 100));
    // Where the mask does not allow it, nothing changes.
    harness.state_mut().tools.mask.editable = Editable::Inside(1);
    harness.state_mut().tools.settings.in_3d = true;
    touch(&mut harness, Tool::Paint, &[[11.0, 15.0, 5.0]]);
    let found = count(harness.state(), 1);
    assert!(found < 100 && found > 20, "{found}");
    assert_eq!(found + count(harness.state(), 7), 48 * 56);
}

#[test]
fn threshold_split_and_merge_make_and_join_objects() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().segment(Tool::Threshold);
    harness.step();
    assert_eq!(harness.state().tools.threshold.range.map(|r| r[1]), Some(200.0));
    settle(&mut harness);
    // Shown in the three planes of the crosshair, and not yet done.
    let shown = count(harness.state(), 1);
    assert!(shown > 0 && shown < 1000, "{shown}");
    assert!(!harness.state().tools.can_undo());
    harness.get_by_label("Apply threshold to whole image").click();
    harness.step();
    settle(&mut harness);
    assert_eq!(count(harness.state(), 1), 3 * BALL);
    let z = |z: f64| [40.0, 30.0, z];
    touch(&mut harness, Tool::Merge, &[z(26.0), [12.0, 36.0, 20.0]]);
    assert_eq!(count(harness.state(), 1), 3 * BALL);
    touch(&mut harness, Tool::Split, &[z(26.0)]);
    let sizes: Vec<i64> = harness.state().tools.rows.iter().map(|r| r.1.count).collect();
    assert_eq!(sizes, [BALL as i64; 3]);
    touch(&mut harness, Tool::Merge, &[[14.0, 12.0, 12.0], z(26.0)]);
    assert_eq!(harness.state().tools.rows.len(), 2);
}

#[test]
fn what_is_only_shown_is_neither_saved_nor_measured() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.radius = 5.0;
    touch(&mut harness, Tool::Paint, &[[20.0, 20.0, 10.0]]);
    harness.state_mut().segment(Tool::Threshold);
    harness.step();
    settle(&mut harness);
    assert!(harness.state().tools.gesture.preview && count(harness.state(), 1) > 200);
    let path = folder.path().join("labels.nii.gz");
    let answer = super::super::events::AppEvent::SaveLabels(Some(path.clone()));
    harness.state().jobs.events.0.send(answer).unwrap();
    until(&mut harness, "the file", |v| v.messages().iter().any(|m| m.starts_with("Saved")));
    let saved = voxelry_core::io::open(&path, &OpenOptions::default()).unwrap();
    let saved =
        saved.read_all(voxelry_core::io::Frame::default()).unwrap().cast(voxelry_core::VoxelType::U32);
    assert_eq!(saved.view::<u32>().unwrap().iter().filter(|v| **v != 0).count(), 81);
}

#[test]
fn labels_of_a_recipe_can_be_edited_saved_and_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let id = harness.state().document.scenes[0].layers[1].id;
    assert!(harness.state_mut().edit_layer(id));
    settle(&mut harness);
    // What was there is the beginning, to which undo reaches back.
    assert_eq!((harness.state().tools.rows.len(), harness.state().tools.can_undo()), (3, false));
    harness.state_mut().tools.set_label(2);
    harness.state_mut().delete_label();
    settle(&mut harness);
    assert_eq!(harness.state().tools.rows.len(), 2);
    let path = folder.path().join("labels.nii.gz");
    let ctx = harness.ctx.clone();
    assert!(harness.state().tools.edit_sessions().all(|d| d.is_unsaved()));
    harness.state_mut().save_labels(&ctx, path.clone());
    until(&mut harness, "the file", |v| v.messages().iter().any(|m| m.starts_with("Saved")));
    assert!(!harness.state().tools.edit_sessions().any(|d| d.is_unsaved()));
    let saved = voxelry_core::io::open(&path, &OpenOptions::default()).unwrap();
    let saved =
        saved.read_all(voxelry_core::io::Frame::default()).unwrap().cast(voxelry_core::VoxelType::U32);
    assert_eq!(saved.view::<u32>().unwrap(), voxels(harness.state()));
    // A crash: the session that is kept names the log.
    let kept = folder.path().join("kept.voxelry");
    super::super::session::Session::of(harness.state(), &kept, &[]).write(&kept).unwrap();
    let before = voxels(harness.state());
    let log = harness.state().tools.editing.as_ref().unwrap().editor.labels.log();
    let left = folder.path().join("left.log");
    std::fs::copy(&log, &left).unwrap();
    drop(harness);
    assert!(!log.exists(), "a window that was closed leaves nothing");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::copy(&left, &log).unwrap();
    let Some(mut harness) = window(vec![kept]) else { return };
    until(&mut harness, "the session", |v| v.tools.editing.is_some());
    settle(&mut harness);
    assert_eq!(voxels(harness.state()), before);
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert_eq!(harness.state().tools.rows.len(), 3);
}

#[test]
fn classes_are_learned_from_strokes_shown_and_applied_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.radius = 2.0;
    touch(&mut harness, Tool::Paint, &[[36.0, 30.0, 26.0], [44.0, 30.0, 26.0]]);
    harness.state_mut().tools.set_label(2);
    touch(&mut harness, Tool::Paint, &[[5.0, 5.0, 26.0], [50.0, 8.0, 26.0]]);
    touch(&mut harness, Tool::Paint, &[[40.0, 19.0, 26.0], [50.0, 21.0, 26.0]]);
    harness.state_mut().learn();
    until(&mut harness, "the preview", |v| v.recipe_editor.is_previewing());
    assert!(harness.state().tools.classes.model.as_ref().is_some_and(|m| m.is_file()));
    super::super::recipe::start(harness.state_mut());
    until(&mut harness, "the classes", |v| v.recipe_editor.running().is_none() && is_shown(v, 3));
    let made = harness.state().document.scenes[0].layers[2].source.clone();
    let classes =
        voxelry_core::io::ImageSource::read_all(&*made, voxelry_core::io::Frame::default()).unwrap();
    let classes = classes.cast(voxelry_core::VoxelType::U32);
    let ball = |z: f64, y: f64, x: f64| {
        let near = |c: [f64; 3]| ((z - c[0]).powi(2) + (y - c[1]).powi(2) + (x - c[2]).powi(2)).sqrt() <= 8.0;
        near([12.0, 12.0, 14.0]) || near([26.0, 30.0, 40.0]) || near([20.0, 36.0, 12.0])
    };
    let (mut both, mut sum) = (0, 0);
    for ((z, y, x), class) in classes.view::<u32>().unwrap().indexed_iter() {
        let (found, there) = (*class == 1, ball(z as f64, y as f64, x as f64));
        both += 2 * usize::from(found && there);
        sum += usize::from(found) + usize::from(there);
    }
    let dice = both as f64 / sum as f64;
    assert!(dice > 0.95, "Dice {dice}");
}

#[test]
fn strokes_of_the_mouse_do_not_depend_on_how_often_there_is_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let strokes = |each: bool| {
        let mut harness = segmentation_window(folder.path())?;
        harness.state_mut().tools.settings.radius = 2.0;
        harness.state_mut().segment(Tool::Paint);
        harness.step();
        harness.step();
        for way in [
            [(300.0, 120.0), (330.0, 150.0), (345.0, 160.0)],
            [(480.0, 200.0), (470.0, 230.0), (460.0, 240.0)],
        ] {
            let at = way.map(|(x, y)| egui::pos2(x, y));
            let button = |pos, pressed| egui::Event::PointerButton {
                pos,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            };
            let moved = egui::Event::PointerMoved;
            let events =
                [moved(at[0]), button(at[0], true), moved(at[1]), moved(at[2]), button(at[2], false)];
            harness.event(moved(at[0]));
            harness.step();
            for event in events {
                harness.event(event);
                if each {
                    harness.step();
                }
            }
            if each {
                harness.step();
            }
        }
        harness.step();
        settle(&mut harness);
        Some((voxels(harness.state()), harness.state().tools.rows.len()))
    };
    let (Some(slow), Some(quick)) = (strokes(false), strokes(true)) else { return };
    assert!(slow.1 == 1 && slow.0.iter().filter(|v| **v == 1).count() > 50);
    assert!(slow.0 == quick.0);
}

#[test]
fn names_from_a_file_are_one_edit() {
    use crate::view::label_names;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    touch(&mut harness, Tool::Wand, &[[40.0, 30.0, 26.0]]);
    let path = folder.path().join("names.ctbl");
    std::fs::write(&path, "# names\n1 big_ball 10 20 30 255\n9 nothing_yet 1 2 3 0\n").unwrap();
    harness.state_mut().name_labels(label_names::load(&path));
    until(&mut harness, "the names", |v| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy()));
    let infos = |v: &Viewer| v.tools.editing.as_ref().unwrap().editor.labels.infos();
    assert_eq!(infos(harness.state()).len(), 2);
    assert_eq!(infos(harness.state())[&1].name, "big ball");
    assert_eq!(infos(harness.state())[&1].color, Some([10, 20, 30]));
    harness.state_mut().view.side = crate::window::view_state::Side::Segment;
    harness.step();
    harness.step();
    harness.get_by_label_contains("big ball");
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    until(&mut harness, "undo", |v| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy()));
    assert_eq!(infos(harness.state()).len(), 0);
    assert_eq!(count(harness.state(), 1), BALL);
    // A lock stays: the file knows of none; and a locked object is not parted.
    harness.state_mut().set_info(1, "Lock", |info| info.locked = true);
    until(&mut harness, "the lock", |v| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy()));
    harness.state_mut().name_labels(label_names::load(&path));
    until(&mut harness, "the names", |v| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy()));
    assert!(infos(harness.state())[&1].locked && infos(harness.state())[&1].name == "big ball");
    harness.state_mut().select_tool(Tool::Split);
    let at = DVec3::from([40.0, 30.0, 26.0]);
    harness.state_mut().use_tool(ToolInput {
        scene: 0,
        axis: Some(0),
        at,
        phase: PointerPhase::Press,
        shift: false,
    });
    until(&mut harness, "the word", |v| v.tools.status.contains("is locked"));
    std::fs::write(&path, "1 big_ball 10 20\n").unwrap();
    harness.state_mut().name_labels(label_names::load(&path));
    assert!(harness.state().messages().iter().any(|m| m.contains("line 1: blue is missing")));
}

#[test]
fn edits_that_are_in_no_file_are_asked_about_before_their_layer_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().close_layer(0, 1);
    harness.step();
    assert_eq!(harness.state().document.scenes[0].layers.len(), 1, "nothing was drawn");
    assert!(harness.state_mut().new_labels());
    touch(&mut harness, Tool::Paint, &[[20.0, 20.0, 10.0]]);
    harness.state_mut().close_layer(0, 1);
    harness.step();
    harness.step();
    assert_eq!(harness.state().document.scenes[0].layers.len(), 2);
    harness.get_by_label("Cancel").click();
    harness.step();
    harness.step();
    assert!(harness.query_by_label("Cancel").is_none());
    assert_eq!(harness.state().document.scenes[0].layers.len(), 2);
    harness.state_mut().close_scene();
    harness.step();
    harness.step();
    assert_eq!(harness.state().document.scenes.len(), 1);
    harness.get_by_label("Close without saving").click();
    harness.step();
    harness.step();
    assert_eq!(harness.state().document.scenes.len(), 0);
    assert!(!harness.state().lifecycle.may_lose, "once only");
    assert_eq!(harness.state().tools.edit_sessions().count(), 0, "what is closed is not asked about again");
}
