//! Tables that follow edits, and files that labels are saved into again and again.

use super::super::tools::Tool;
use super::objects::selected;
use super::segmenting::{segmentation_window, settle, touch, voxels};
use super::*;
use crate::view::objects::Verdict;
use crate::window::panes::Tile;
use std::collections::BTreeMap;
use voxelry_core::io::{Frame, open};
use voxelry_core::{Region, VoxelType};

/// Labels and how many voxels the table says they have.
fn counted(viewer: &Viewer) -> BTreeMap<u32, u64> {
    let table = viewer.results.sheets[0].objects.table();
    let of = |name| table.numbers(name).expect("the column is there");
    of("label").into_iter().zip(of("voxel_count")).map(|(l, n)| (l as u32, n as u64)).collect()
}

/// The same of the labels themselves.
fn there(viewer: &Viewer) -> BTreeMap<u32, u64> {
    let mut there = BTreeMap::new();
    voxels(viewer).iter().filter(|v| **v != 0).for_each(|v| *there.entry(*v).or_default() += 1);
    there
}

#[test]
fn the_table_follows_edits_and_keeps_what_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    for (label, at) in [(1, [40.0, 30.0, 26.0]), (2, [14.0, 12.0, 12.0]), (3, [12.0, 36.0, 20.0])] {
        harness.state_mut().tools.set_label(label);
        touch(&mut harness, Tool::Wand, &[at]);
    }
    let ctx = harness.ctx.clone();
    harness.state_mut().measure_labels(&ctx);
    until(&mut harness, "the table", |v| !v.results.sheets.is_empty() && v.recipe_editor.running().is_none());
    assert_eq!(counted(harness.state()), there(harness.state()));
    let objects = &mut harness.state_mut().results.sheets[0].objects;
    objects.sort_by("volume");
    objects.select([2]);
    objects.judge(Verdict::Accepted);
    let intensities = |v: &Viewer| v.results.sheets[0].objects.table().numbers("intensity_mean").unwrap();
    assert_eq!(intensities(harness.state()), [200.0; 3]);
    let follows = |v: &Viewer| !v.results.remeasurement.is_busy() && counted(v) == there(v);
    // An object becomes larger, one is gone, one is new, and all is taken back.
    harness.state_mut().tools.set_label(1);
    touch(&mut harness, Tool::Paint, &[[52.0, 30.0, 26.0]]);
    until(&mut harness, "the larger object", follows);
    assert!(intensities(harness.state())[0] < 199.0);
    assert_eq!(intensities(harness.state())[1..], [200.0; 2]);
    harness.state_mut().tools.set_label(2);
    harness.state_mut().delete_label();
    settle(&mut harness);
    until(&mut harness, "two objects", follows);
    harness.state_mut().tools.set_label(9);
    touch(&mut harness, Tool::Paint, &[[40.0, 8.0, 8.0]]);
    until(&mut harness, "a new object", follows);
    assert_eq!(counted(harness.state()).keys().copied().collect::<Vec<_>>(), [1, 3, 9]);
    // What was chosen and decided is still about the same object.
    assert_eq!(selected(harness.state()), [3]);
    let objects = &harness.state().results.sheets[0].objects;
    let verdicts: Vec<_> = [1, 3, 9].map(|label| objects.verdict(objects.row(label).unwrap())).into();
    assert_eq!(verdicts, [Verdict::None, Verdict::Accepted, Verdict::None]);
    assert_eq!(objects.sort(), Some(&("volume".to_owned(), true)));
    for _ in 0..3 {
        press(&mut harness, Modifiers::COMMAND, Key::Z);
        settle(&mut harness);
    }
    until(&mut harness, "the first objects", |v| follows(v) && counted(v).len() == 3);
    assert_eq!(counted(harness.state()).keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(intensities(harness.state()), [200.0; 3]);
    // The figures of the whole image are not found in a part of it, and say so.
    let stale: Vec<bool> = harness.state().results.sheets.iter().map(|s| s.stale).collect();
    assert_eq!(stale, [false, false, true]);
    harness.get_by_label_contains("image (1)").click();
    harness.step();
    harness.step();
    harness.get_by_label("Measure again").click();
    harness.step();
    until(&mut harness, "all of it", |v| {
        v.recipe_editor.running().is_none() && v.results.sheets.iter().all(|s| !s.stale)
    });
}

#[test]
fn labels_are_saved_over_the_file_that_they_were_read_from() {
    for name in ["labels.ome.zarr", "labels.nii.gz"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let balls = open(balls(folder.path(), "balls.nii.gz"), &OpenOptions::default()).unwrap();
        let labels = balls.read_all(Frame::default()).unwrap().cast(VoxelType::U32);
        let labels = labels.view::<u32>().unwrap().mapv(|v| if v == 200 { 5 } else { 0 });
        let geometry = voxelry_core::Geometry::from_spacing([2.0, 1.0, 1.0], voxelry_core::Unit::Micrometre);
        let volume = Volume::U32(labels.clone());
        voxelry_core::io::write_volume(&path, &volume, geometry, true, &WriteOptions::default()).unwrap();
        let read = || {
            let image = open(&path, &OpenOptions::default()).unwrap();
            let voxels = image.read_all(Frame::default()).unwrap().cast(VoxelType::U32);
            voxels.view::<u32>().unwrap().to_owned()
        };
        let Some(mut harness) = window(vec![path.clone()]) else { return };
        until(&mut harness, "the labels", |v| is_shown(v, 1));
        let layer = harness.state().document.scenes[0].layers[0].id;
        assert!(harness.state_mut().edit_layer(layer));
        settle(&mut harness);
        assert_eq!(voxels(harness.state()), labels);
        let mut states = vec![labels.clone()];
        for (label, at) in [(7, [40.0, 30.0, 26.0]), (8, [5.0, 5.0, 5.0]), (9, [50.0, 40.0, 35.0])] {
            harness.state_mut().tools.set_label(label);
            touch(&mut harness, Tool::Paint, &[at]);
            harness.state_mut().clear_messages();
            // Into the file that they were read from, without asking.
            press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
            until(&mut harness, "the file", |v| v.messages().iter().any(|m| m.starts_with("Saved")));
            assert!(!harness.state().tools.edit_sessions().any(|d| d.is_unsaved()));
            assert_eq!(read(), voxels(harness.state()));
            states.push(read());
            harness.state_mut().clear_messages();
        }
        // All of it can be taken back, though the file is another one now.
        for state in states.iter().rev().skip(1) {
            press(&mut harness, Modifiers::COMMAND, Key::Z);
            settle(&mut harness);
            assert_eq!(voxels(harness.state()), *state, "{name}");
        }
        let whole = Region::whole(volume.shape());
        let shown = &harness.state().document.scenes[0].layers[0].source;
        let seen = voxelry_core::io::ImageSource::read(&**shown, Frame::default(), whole).unwrap();
        assert_eq!(seen.cast(VoxelType::U32).view::<u32>().unwrap(), labels);
    }
}

/// An OME-Zarr is a folder, which dialogs for files enter: what is named within it is the image itself, if the labels
/// are in it, and nothing is ever put into another one.
#[test]
fn labels_are_saved_again_into_the_zarr_that_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    let ctx = harness.ctx.clone();
    let saved = |harness: &mut Harness<'static, Viewer>, path: PathBuf| {
        harness.state_mut().save_labels(&ctx, path);
        until(harness, "the word", |v| !v.messages().is_empty());
        let said = harness.state().messages()[0].to_owned();
        harness.state_mut().clear_messages();
        said
    };
    let read = |path: &Path| {
        let image = open(path, &OpenOptions::default()).unwrap();
        let voxels = image.read_all(Frame::default()).unwrap().cast(VoxelType::U32);
        voxels.view::<u32>().unwrap().to_owned()
    };
    let (path, other) = (folder.path().join("a.ome.zarr"), folder.path().join("b.ome.zarr"));
    for path in [&other, &path] {
        touch(&mut harness, Tool::Paint, &[[20.0, 20.0, 10.0]]);
        assert!(saved(&mut harness, path.clone()).starts_with("Saved"));
    }
    touch(&mut harness, Tool::Paint, &[[9.0, 9.0, 9.0]]);
    let there = voxels(harness.state());
    assert_ne!(read(&path), there);
    assert!(saved(&mut harness, other.join("labels.nii.gz")).contains("choose a name beside it"));
    assert!(
        !other.join("labels.nii.gz").exists()
            && harness.state().tools.edit_sessions().any(|d| d.is_unsaved())
    );
    assert!(saved(&mut harness, path.join("0").join("labels.nii.gz")).starts_with("Saved"));
    assert_eq!(read(&path), there);
    // What another program has written is not replaced without asking.
    touch(&mut harness, Tool::Paint, &[[30.0, 9.0, 9.0]]);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let theirs = read(&path);
    press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
    until(&mut harness, "the word", |v| v.messages().iter().any(|m| m.contains("another program")));
    assert_eq!(read(&path), theirs);
}

#[test]
fn a_file_that_holds_more_than_is_edited_is_not_saved_over() {
    use voxelry_core::io::{Channel, ImageSpec, create};
    use voxelry_core::{Geometry, Job};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.ome.zarr");
    let mut spec = ImageSpec::volume([8; 3], VoxelType::U8, Geometry::default(), true);
    spec.channels = vec![Channel::default(); 2];
    let sink = create(&path, &spec, &WriteOptions::default()).unwrap();
    let volume = Volume::U8(ndarray::Array3::from_elem([8, 8, 8], 3));
    (0..2).for_each(|c| sink.write(Frame::new(c, 0), [0; 3], &volume).unwrap());
    sink.finish(&Job::silent()).unwrap();
    let Some(mut harness) = window(vec![path.clone()]) else { return };
    until(&mut harness, "the labels", |v| is_shown(v, 2));
    let layer = harness.state().document.scenes[0].layers[0].id;
    assert!(harness.state_mut().edit_layer(layer));
    settle(&mut harness);
    let ctx = harness.ctx.clone();
    harness.state_mut().save_labels(&ctx, path.clone());
    until(&mut harness, "the word", |v| {
        v.messages().iter().any(|m| m.contains("more channels or time frames"))
    });
    assert_eq!(open(&path, &OpenOptions::default()).unwrap().info().channels.len(), 2);
}

/// Rectangle of the three-dimensional pane.
fn volume_pane(v: &Viewer) -> egui::Rect {
    let mut tiles = v.tree().tiles.iter();
    let is = |p: &Tile| p.pane == Pane::Volume;
    let found = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if is(p)));
    let (id, _) = found.expect("there is one");
    v.tree().tiles.rect(*id).unwrap()
}

/// Over what is seen in three dimensions the wand shows what it would take, and takes it away beside everything; a brush
/// shows how far it reaches.
#[test]
fn tools_show_what_they_would_do_in_three_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    let rect = volume_pane(harness.state());
    until(&mut harness, "the picture", |v| !v.caches.unfinished);
    harness.state_mut().select_tool(Tool::Wand);
    let kept = there(harness.state());
    let hover = |harness: &mut Harness<'static, Viewer>, at: egui::Pos2| {
        harness.event(egui::Event::PointerMoved(at));
        harness.step();
        harness.step();
        until(harness, "the probe", |v| v.probed().is_some_and(|(_, known)| known));
        settle(harness);
    };
    let places = (-3..=3).flat_map(|j| (-3..=3).map(move |i| egui::vec2(i as f32, j as f32)));
    let places = places.map(|part| rect.center() + part * rect.size() / 9.0);
    let met = places.into_iter().find(|at| {
        hover(&mut harness, *at);
        there(harness.state()) != kept
    });
    let at = met.expect("a ball is seen somewhere");
    assert!(harness.state().tools.gesture.preview);
    let tolerance = harness.state().tools.settings.tolerance;
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: egui::vec2(0.0, 1.0),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
    });
    harness.step();
    assert!(harness.state().tools.settings.tolerance > tolerance, "the wheel is the wand's");
    hover(&mut harness, rect.max - egui::vec2(12.0, 12.0));
    assert_eq!(harness.state().probed(), Some((None, true)));
    assert_eq!(there(harness.state()), kept, "beside everything nothing is taken");
    harness.state_mut().select_tool(Tool::Paint);
    hover(&mut harness, at);
    assert!(harness.state().probed().unwrap().0.is_some());
    assert_eq!(there(harness.state()), kept);
    harness.state_mut().select_tool(Tool::Look);
    harness.step();
    harness.step();
    assert!(harness.state().probed().is_none());
}

/// Strokes of the mouse over what is seen in three dimensions paint, erase and merge there; beside it they turn.
#[test]
fn strokes_go_over_surfaces_in_three_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    for (label, at) in [(1, [40.0, 30.0, 26.0]), (2, [14.0, 12.0, 12.0])] {
        harness.state_mut().tools.set_label(label);
        touch(&mut harness, Tool::Wand, &[at]);
    }
    // Only the labels are looked at.
    harness.state_mut().document.scenes[0].layers[0].display.visible = false;
    until(&mut harness, "the picture", |v| !v.caches.unfinished);
    let rect = volume_pane(harness.state());
    let before = there(harness.state());
    let turn = |v: &Viewer| v.document.scenes[0].view.camera.turn;
    let turned = turn(harness.state());
    // Where the second ball is seen: it is searched for, as a user would look for it.
    let stroke = |harness: &mut Harness<'static, Viewer>, way: &[egui::Pos2]| {
        let button = |pos, pressed| egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        harness.event(egui::Event::PointerMoved(way[0]));
        harness.step();
        harness.event(button(way[0], true));
        harness.step();
        for at in way {
            harness.event(egui::Event::PointerMoved(*at));
            harness.step();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        harness.event(button(way[way.len() - 1], false));
        until(harness, "the stroke", |v| v.surface_is_idle());
        settle(harness);
    };
    let viewer = harness.state_mut();
    viewer.select_tool(Tool::Paint);
    (viewer.tools.settings.radius, viewer.tools.label) = (2.0, 7);
    let middle = rect.center();
    let grid = (-6..=6).flat_map(|j| (-6..=6).map(move |i| (i, j)));
    let step = rect.size() / 14.0;
    let mut painted = None;
    for (i, j) in grid {
        let at = middle + egui::vec2(i as f32 * step.x, j as f32 * step.y);
        stroke(&mut harness, &[at, at + egui::vec2(2.0, 0.0)]);
        if there(harness.state()).contains_key(&7) {
            painted = Some(at);
            break;
        }
        harness.state_mut().document.scenes[0].view.camera.turn = turned;
    }
    let at = painted.expect("a ball is seen somewhere");
    assert_eq!(turn(harness.state()), turned, "the camera stays where a surface is drawn on");
    let after = there(harness.state());
    let (old, new): (u64, u64) = (before.values().sum(), after.values().sum());
    assert!(new >= old && after[&7] > 10, "{before:?} {after:?}");
    // One stroke is one edit.
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert_eq!(there(harness.state()), before);
    harness.state_mut().select_tool(Tool::Erase);
    until(&mut harness, "the picture", |v| !v.caches.unfinished);
    stroke(&mut harness, &[at]);
    let erased: u64 = there(harness.state()).values().sum();
    assert!(erased < old, "{erased} {old}");
    // The lasso goes through the whole depth: around all of it, and where nothing is.
    harness.state_mut().select_tool(Tool::Lasso);
    harness.state_mut().tools.set_label(9);
    // Below the title, which would drag the pane.
    let (low, high) = (rect.min + egui::vec2(20.0, 60.0), rect.max - egui::vec2(20.0, 20.0));
    let around = [low, egui::pos2(high.x, low.y), high, egui::pos2(low.x, high.y)];
    let all: u64 = there(harness.state()).values().sum();
    let empty = [high - egui::vec2(9.0, 9.0), high - egui::vec2(1.0, 9.0), high];
    stroke(&mut harness, &empty);
    assert!(!there(harness.state()).contains_key(&9));
    stroke(&mut harness, &around);
    assert_eq!(there(harness.state()), BTreeMap::from([(9, all)]));
    // What lies to the left of the middle of the place that was painted, and what lies to its right, is all of it.
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    let halves = [[low.x, at.x], [at.x, high.x]].map(|[left, right]| {
        let around = [[left, low.y], [right, low.y], [right, high.y], [left, high.y]];
        stroke(&mut harness, &around.map(|[x, y]| egui::pos2(x, y)));
        let part = there(harness.state()).get(&9).copied().unwrap_or(0);
        press(&mut harness, Modifiers::COMMAND, Key::Z);
        settle(&mut harness);
        part
    });
    // Those on the line between them may be in both.
    assert!(halves.iter().sum::<u64>().abs_diff(all) <= all / 100, "{halves:?} {all}");
    assert!(halves.iter().all(|n| *n > 0), "{halves:?}");
    assert_eq!(turn(harness.state()), turned);
    harness.state_mut().select_tool(Tool::Erase);
    // Beside everything the camera turns, and nothing is drawn.
    let corner = rect.max - egui::vec2(12.0, 12.0);
    let before = there(harness.state());
    // It takes a moment until it is known that nothing is there.
    let way: Vec<_> = (0..60).map(|i| corner - egui::vec2(i as f32, 4.0)).collect();
    stroke(&mut harness, &way);
    assert_eq!(there(harness.state()), before);
    assert_ne!(turn(harness.state()), turned);
}

#[test]
fn plots_are_written_as_drawings() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    harness.state_mut().results.sheets[0].tab = crate::window::table::Tab::Plot;
    harness.state_mut().results.sheets[0].plots.scatter("volume", "sphericity");
    until(&mut harness, "the plot", |v| {
        let sheet = &v.results.sheets[0];
        sheet.plots.figure(&sheet.objects).is_some_and(|text| text.contains(">sphericity<"))
    });
    let figure = |v: &Viewer| v.results.sheets[0].plots.figure(&v.results.sheets[0].objects).unwrap();
    let points = figure(harness.state());
    assert!(points.contains(">volume [µm³]<") && points.contains("3 objects"), "{points}");
    // Three squares, the paper and the frame.
    assert_eq!(points.matches("<rect").count(), 5, "{points}");
    harness.state_mut().results.sheets[0].plots.histogram("volume");
    until(&mut harness, "the bars", |v| figure(v).contains(">objects<"));
    let path = folder.path().join("plot.svg");
    let export = harness.state().table_to_save(super::super::table::RowSelection::Shown).unwrap();
    export.write_plot(&figure(harness.state()), &path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n") && !text.contains("NaN"));
    let recipe = std::fs::read_to_string(crate::view::open::recipe_beside(&path)).unwrap();
    assert!(recipe.contains("op = \"measure\""), "{recipe}");
}

/// Clicks make the corners of a polygon, and a second click on one closes it.
#[test]
fn a_polygon_is_clicked_corner_by_corner() {
    use super::super::tools::{PointerPhase, ToolInput};
    use glam::DVec3;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().select_tool(Tool::Lasso);
    let click = |harness: &mut Harness<'static, Viewer>, at: [f64; 3]| {
        for phase in [PointerPhase::Press, PointerPhase::Release] {
            let at = DVec3::from(at);
            harness.state_mut().use_tool(ToolInput { scene: 0, axis: Some(0), at, phase, shift: false });
        }
    };
    let corners = [[10.2, 10.2, 5.0], [20.8, 10.2, 5.0], [20.8, 20.8, 5.0], [10.2, 20.8, 5.0]];
    for at in corners {
        click(&mut harness, at);
        harness.step();
    }
    // It is shown, and not yet done.
    assert_eq!(harness.state().tools.drawn().map(|d| (d.1, d.2.len())), Some((0, 4)));
    assert!(there(harness.state()).is_empty());
    click(&mut harness, corners[3]);
    settle(&mut harness);
    assert_eq!(there(harness.state()), BTreeMap::from([(1, 100)]));
    // Forgotten by Esc.
    click(&mut harness, [30.0, 30.0, 5.0]);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.state().tools.drawn().is_none());
    settle(&mut harness);
    assert_eq!(there(harness.state()), BTreeMap::from([(1, 100)]));
}

#[test]
fn an_object_is_combined_with_another_layer_and_seeds_grow_as_they_are_painted() {
    use super::super::tools::object_actions::Boolean;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let others: Vec<u64> = harness.state().document.scenes[0].layers.iter().map(|l| l.id).collect();
    harness.state_mut().view.chosen = (0, 0);
    assert!(harness.state_mut().new_labels());
    settle(&mut harness);
    harness.state_mut().view.side = crate::window::view_state::Side::Segment;
    harness.state_mut().tools.settings.in_3d = true;
    harness.state_mut().tools.settings.radius = 12.0;
    touch(&mut harness, Tool::Paint, &[[40.0, 30.0, 26.0]]);
    let brush = there(harness.state())[&1];
    let with = others[1];
    assert_eq!(harness.state().other_labels().iter().map(|o| o.0).collect::<Vec<_>>(), [with]);
    let mut combined = |what| {
        harness.state_mut().combine(what, with);
        settle(&mut harness);
        let made = there(harness.state())[&1];
        press(&mut harness, Modifiers::COMMAND, Key::Z);
        settle(&mut harness);
        made
    };
    // What is painted and one of the balls have a part in common.
    let (ball, all) = (combined(Boolean::Intersect), combined(Boolean::Add));
    assert_eq!(combined(Boolean::Subtract), brush - ball);
    assert_eq!(all, brush + 3 * 2109 - ball);
    assert_eq!(there(harness.state())[&1], brush);
    // Seeds: one in a ball, one beside; what they would grow into is shown, and kept only by Grow.
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    harness.state_mut().tools.settings.radius = 2.0;
    touch(&mut harness, Tool::Paint, &[[40.0, 30.0, 26.0]]);
    harness.state_mut().tools.set_label(2);
    touch(&mut harness, Tool::Paint, &[[28.0, 20.0, 20.0]]);
    let seeds = there(harness.state());
    harness.state_mut().tools.settings.live_growth = true;
    until(&mut harness, "the preview", |v| v.tools.gesture.preview && there(v)[&1] > 4 * seeds[&1]);
    assert!(harness.state().tools.can_undo());
    // A stroke puts the preview away first: only seeds are kept.
    harness.state_mut().tools.settings.live_growth = false;
    touch(&mut harness, Tool::Paint, &[[28.0, 18.0, 20.0]]);
    let after = there(harness.state());
    assert_eq!(after[&1], seeds[&1]);
    assert!(after[&2] > seeds[&2]);
}

#[test]
fn surfaces_of_objects_are_written_as_a_mesh() {
    use super::super::tools::label_files::write_surfaces;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = segmentation_window(folder.path()) else { return };
    harness.state_mut().tools.settings.in_3d = true;
    for (label, at) in [(1, [40.0, 30.0, 26.0]), (2, [14.0, 12.0, 12.0])] {
        harness.state_mut().tools.set_label(label);
        touch(&mut harness, Tool::Wand, &[at]);
    }
    let version =
        || std::sync::Arc::new(harness.state().tools.editing.as_ref().unwrap().editor.labels.version());
    let triangles = |wanted: &dyn Fn(u32) -> bool| {
        let path = folder.path().join("a.stl");
        write_surfaces(version(), wanted, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let count = u32::from_le_bytes(bytes[80..84].try_into().unwrap());
        assert_eq!(bytes.len(), 84 + 50 * count as usize);
        count
    };
    let (all, one) = (triangles(&|_| true), triangles(&|label| label == 2));
    assert!(one > 500 && all == 2 * one, "{all} {one}");
    let recipe = crate::view::open::recipe_beside(&folder.path().join("a.stl"));
    assert!(std::fs::read_to_string(recipe).unwrap().contains("op = \"mesh\""));
    assert!(write_surfaces(version(), &|_| true, &folder.path().join("a.xyz")).is_err());
}
