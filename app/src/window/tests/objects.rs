//! The table and the picture are one thing.

use super::*;
use crate::view::objects::{Verdict, WIDTH};
use crate::view::projection::Plane;
use crate::window::panes::Tile;
use glam::DVec3;
use voxelry_core::measure::Table;

/// A click of the mouse with keys held.
pub(super) fn click(harness: &mut Harness<'static, Viewer>, at: egui::Pos2, modifiers: Modifiers) {
    for pressed in [true, false] {
        let button = egui::PointerButton::Primary;
        harness.event(egui::Event::ModifiersChanged(modifiers));
        harness.event(egui::Event::PointerMoved(at));
        harness.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        harness.step();
    }
    harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    harness.step();
    harness.step();
}

/// Position of a named thing.
pub(super) fn middle_of(harness: &Harness<'static, Viewer>, label: &str) -> egui::Pos2 {
    harness.query_all_by_label(label).next().unwrap_or_else(|| panic!("{label} is not there")).rect().center()
}

pub(super) fn selected(viewer: &Viewer) -> Vec<u32> {
    let objects = &viewer.results.sheet().expect("there is a table").objects;
    objects.selected().iter().map(|row| objects.label(row as u32).unwrap()).collect()
}

/// Positions of indices of the first scene's grid in the pane across z.
fn place_in_plane(viewer: &Viewer, index: DVec3) -> egui::Pos2 {
    let tile = Tile { scene: 0, pane: Pane::Plane(0) };
    let mut tiles = viewer.tree().tiles.iter();
    let (id, _) = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == tile)).unwrap();
    let rect = viewer.tree().tiles.rect(*id).unwrap();
    let size = viewer.size_of(tile).unwrap();
    let pixel = Plane::new(&viewer.document.scenes[0], 0, size.map(f64::from)).pixel_of(index);
    rect.min + egui::vec2(pixel.x as f32, pixel.y as f32)
}

/// The row of the table in which a column is the greatest.
fn numbers(viewer: &Viewer, column: &str) -> Vec<f64> {
    viewer.results.sheet().unwrap().objects.table().numbers(column).unwrap()
}

#[test]
fn a_row_is_its_object_and_an_object_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let row = |h: &Harness<'static, Viewer>, n: usize| middle_of(h, &format!("Object {n}"));
    let at = row(&harness, 2);
    click(&mut harness, at, Modifiers::NONE);
    assert_eq!(selected(harness.state()), [2]);
    let at = row(&harness, 1);
    click(&mut harness, at, Modifiers::COMMAND);
    assert_eq!(selected(harness.state()), [1, 2]);
    // The picture shows it.
    let layer = harness.state().document.scenes[0].layers[1].clone();
    let lookup = layer.marks.lookup.expect("something is selected");
    assert_eq!([1, 2, 3].map(|label: usize| lookup.texels[WIDTH + label - 1][3]), [254, 254, 255]);
    // The pointer is over the row of label 1.
    assert_eq!(layer.marks.pointed, 1);
    // Keys go on from there.
    press(&mut harness, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(selected(harness.state()), [2]);
    press(&mut harness, Modifiers::SHIFT, Key::ArrowDown);
    assert_eq!(selected(harness.state()), [2, 3]);
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let middle = ["centroid_z", "centroid_y", "centroid_x"].map(|c| numbers(harness.state(), c)[2].round());
    assert_eq!(harness.state().document.scenes[0].voxel().map(|v| v as f64), middle);
    assert_eq!(panes(harness.state()).len(), 4, "Enter did not maximise");
    // What is clicked in a plane is selected; the crosshair is in its slice now.
    for label in [3u32, 1] {
        let centre = ["centroid_x", "centroid_y", "centroid_z"]
            .map(|c| numbers(harness.state(), c)[label as usize - 1]);
        let centre = DVec3::from(centre).round();
        let scene = &mut harness.state_mut().document.scenes[0];
        scene.view.at = scene.snapped(scene.part(centre));
        harness.step();
        harness.step();
        let at = place_in_plane(harness.state(), centre);
        click(&mut harness, at, Modifiers::NONE);
        until(&mut harness, "the object", |v| selected(v) == [label]);
    }
    // In three dimensions, too.
    harness.state_mut().results.sheets[0].objects.select([]);
    let id = harness.state().document.scenes[0].layers[1].id;
    harness.state_mut().choose_in_layer(id, DVec3::new(12.0, 36.0, 20.0), false);
    until(&mut harness, "the object", |v| !selected(v).is_empty());
    let x = numbers(harness.state(), "centroid_x")[selected(harness.state())[0] as usize - 1];
    assert!((x - 12.0).abs() < 1.0, "{x}");
}

#[test]
fn a_filter_leaves_rows_out_and_hides_their_objects() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    harness.get_by_role_and_label(egui::Role::TextInput, "Filter").click();
    harness.step();
    let x = numbers(harness.state(), "centroid_x");
    harness.event(egui::Event::Text("centroid_x > 20".to_owned()));
    harness.step();
    harness.step();
    let shown = |h: &Harness<'static, Viewer>| h.state().results.sheet().unwrap().objects.shown().to_vec();
    let far: Vec<u32> = (0..3).filter(|row| x[*row as usize] > 20.0).collect();
    assert_eq!(shown(&harness), far);
    assert_eq!(far.len(), 1);
    harness.get_by_label("1 of 3 shown");
    harness.get_by_label("Objects").click();
    harness.step();
    harness.step();
    harness.get_by_label("Hide filtered-out objects in the image").click();
    harness.step();
    press(&mut harness, Modifiers::NONE, Key::Escape);
    let alphas = |h: &Harness<'static, Viewer>| {
        let lookup = h.state().document.scenes[0].layers[1].marks.lookup.clone().expect("some are hidden");
        [1, 2, 3].map(|label: usize| lookup.texels[WIDTH + label - 1][3])
    };
    let expected = [0u32, 1, 2].map(|row| if far.contains(&row) { 255 } else { 0 });
    assert_eq!(alphas(&harness), expected);
    // A mistake is told and what was shown stays.
    harness.get_by_role_and_label(egui::Role::TextInput, "Filter").click();
    harness.step();
    harness.event(egui::Event::Text(" and volum > 3".to_owned()));
    harness.step();
    harness.step();
    assert!(harness.query_by_label_contains("there is no column").is_some());
    assert_eq!(shown(&harness), far);
}

#[test]
fn a_header_sorts_and_colours_and_the_legend_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let shown = |h: &Harness<'static, Viewer>| h.state().results.sheet().unwrap().objects.shown().to_vec();
    let labels = numbers(harness.state(), "label");
    harness.get_by_role_and_label(egui::Role::ColumnHeader, "label").click();
    harness.step();
    harness.step();
    let first = shown(&harness)[0];
    assert_eq!(labels[first as usize], 3.0);
    harness.get_by_role_and_label(egui::Role::ColumnHeader, "label").click();
    harness.step();
    harness.step();
    assert_eq!(shown(&harness), [0, 1, 2]);
    let at = harness.get_by_role_and_label(egui::Role::ColumnHeader, "label").rect().center();
    for pressed in [true, false] {
        let (button, modifiers) = (egui::PointerButton::Secondary, Modifiers::NONE);
        harness.event(egui::Event::PointerMoved(at));
        harness.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        harness.step();
    }
    harness.step();
    harness.get_by_label("Colour by this column").click();
    harness.step();
    harness.step();
    let layer = &harness.state().document.scenes[0].layers[1];
    let lookup = layer.marks.lookup.as_ref().expect("there are colours");
    assert_eq!(lookup.legend.as_ref().map(|l| l.range), Some([1.0, 3.0]));
    assert_eq!(lookup.texels[WIDTH..WIDTH + 3].len(), 3);
    assert_ne!(lookup.texels[WIDTH], lookup.texels[WIDTH + 2]);
    let ramps = crate::window::overlay::ramps(&harness.state().document.scenes[0], false);
    assert_eq!(ramps[0].name.as_deref(), Some("label"));
}

#[test]
fn rows_go_into_files_with_their_recipe_and_verdicts_into_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let at = middle_of(&harness, "Object 2");
    click(&mut harness, at, Modifiers::NONE);
    harness.get_by_label("Reject").click();
    harness.step();
    harness.step();
    let objects = &harness.state().results.sheet().unwrap().objects;
    assert_eq!([0, 1, 2].map(|row| objects.verdict(row)), [Verdict::None, Verdict::Rejected, Verdict::None]);
    harness.state_mut().results.sheets[0].objects.set_filter("verdict == 0");
    harness.step();
    let path = folder.path().join("kept.csv");
    let export = harness.state().table_to_save(crate::window::table::RowSelection::Shown).unwrap();
    export.write(&path).unwrap();
    let back = voxelry_core::measure::csv::read(&std::fs::read_to_string(&path).unwrap(), "kept").unwrap();
    assert_eq!(back.numbers("label"), Some(vec![1.0, 3.0]));
    assert_eq!(back.numbers("verdict"), Some(vec![0.0, 0.0]));
    let recipe = std::fs::read_to_string(folder.path().join("kept.csv.recipe.toml")).unwrap();
    assert!(recipe.contains("# rows: verdict == 0"), "{recipe}");
    assert_eq!(voxelry_core::recipe::Recipe::parse(&recipe).unwrap().steps.len(), 3);
    let session = folder.path().join("mine.voxelry");
    harness.state_mut().save(session.clone());
    until(&mut harness, "the session", |v| v.jobs.saving_session.is_none());
    drop(harness);
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 2));
    let viewer = harness.state_mut();
    let layer = viewer.document.scenes[0].layers[1].id;
    let (_, sheet) = viewer.results.of_layer(layer).expect("the table is about the labels again");
    assert_eq!(sheet.objects.verdict(1), Verdict::Rejected);
}

#[test]
fn a_long_table_is_scrolled_to_the_row_of_an_object() {
    use voxelry_core::measure::table::{Builder, Values};
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let rows = 1_000_000i64;
    let mut b = Builder::default();
    b.column("label", "", "", Values::Int((1..=rows).collect()));
    for i in 0..60 {
        let value = |row: i64| ((row * 7919 + i * 31) % 10_007) as f64;
        b.column(format!("column_{i}"), "µm", "", Values::Real((0..rows).map(value).collect()));
    }
    let table: Table = b.finish("objects");
    harness.state_mut().recipe_editor.results.tables = vec![("measure".to_owned(), table)];
    harness.step();
    harness.step();
    assert!(harness.query_by_label("Object 1").is_some());
    let rows_in_view = harness.query_all_by_label_contains("Object ").count();
    assert!(rows_in_view < 60, "{rows_in_view}");
    // Columns that are not in view are not there either.
    assert!(harness.query_all_by_label_contains("column ").count() < 30);
    harness.state_mut().results.sheets[0].objects.select([700_000]);
    harness.state_mut().results.sheets[0].go_to(700_000);
    until(&mut harness, "the row", |v| !v.results.sheets[0].objects.is_busy());
    harness.step();
    harness.step();
    harness.get_by_label("Object 700001");
    harness.state_mut().results.sheets[0].objects.sort_by("column_3");
    until(&mut harness, "the order", |v| v.results.sheets[0].objects.shown()[0] != 0);
    assert!(harness.query_by_label("Object 1").is_none());
}

#[test]
fn what_is_brushed_in_a_plot_is_selected() {
    use crate::window::table::Tab;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    let sheet = &mut harness.state_mut().results.sheets[0];
    sheet.tab = Tab::Plot;
    sheet.plots.scatter("centroid_x", "centroid_y");
    harness.step();
    harness.step();
    let x = numbers(harness.state(), "centroid_x");
    let area = harness.get_by_label("Plot").rect();
    let drag = |harness: &mut Harness<'static, Viewer>, from: egui::Vec2, to: egui::Vec2| {
        let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
        let at = |part: egui::Vec2| area.min + part * area.size();
        harness.event(egui::Event::PointerMoved(at(from)));
        harness.step();
        harness.event(egui::Event::PointerButton { pos: at(from), button, pressed: true, modifiers });
        harness.step();
        for part in [0.3, 0.6, 1.0] {
            harness.event(egui::Event::PointerMoved(at(from + (to - from) * part)));
            harness.step();
        }
        harness.event(egui::Event::PointerButton { pos: at(to), button, pressed: false, modifiers });
        harness.step();
        harness.step();
    };
    // The left half: objects with the lesser x.
    drag(&mut harness, egui::vec2(0.05, 0.02), egui::vec2(0.5, 0.98));
    let least: Vec<u32> = (1..=3u32).filter(|l| x[*l as usize - 1] < 25.0).collect();
    assert_eq!(selected(harness.state()), least);
    assert_eq!(least.len(), 2);
    let layer = harness.state().document.scenes[0].layers[1].clone();
    assert!(layer.marks.lookup.is_some());
    // In a histogram, all that is brushed along x.
    harness.state_mut().results.sheets[0].plots.histogram("centroid_x");
    harness.step();
    drag(&mut harness, egui::vec2(0.6, 0.5), egui::vec2(0.999, 0.5));
    assert_eq!(selected(harness.state()).len(), 1);
    // The header's menu leads there.
    harness.state_mut().results.sheets[0].tab = Tab::Rows;
    harness.step();
    let at = harness.get_by_role_and_label(egui::Role::ColumnHeader, "volume").rect().center();
    for pressed in [true, false] {
        let (button, modifiers) = (egui::PointerButton::Secondary, Modifiers::NONE);
        harness.event(egui::Event::PointerMoved(at));
        harness.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        harness.step();
    }
    harness.step();
    harness.get_by_label("Histogram").click();
    harness.step();
    harness.step();
    assert_eq!(harness.state().results.sheets[0].tab, Tab::Plot);
}

#[test]
fn objects_are_looked_through_and_judged_in_the_lightbox() {
    use crate::window::table::Tab;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    harness.get_by_label("Pictures").click();
    until(&mut harness, "the pictures", |v| v.results.sheets[0].gallery.pictures() == 3);
    let at = middle_of(&harness, "Picture of 1");
    click(&mut harness, at, Modifiers::NONE);
    assert_eq!(selected(harness.state()), [1]);
    press(&mut harness, Modifiers::NONE, Key::A);
    assert_eq!(selected(harness.state()), [2], "on to the next");
    press(&mut harness, Modifiers::NONE, Key::D);
    let objects = &harness.state().results.sheets[0].objects;
    let verdicts = [0, 1, 2].map(|row| objects.verdict(row));
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Rejected, Verdict::None]);
    assert_eq!(
        harness.state().recipe_editor.results.tables[0].1.numbers("verdict"),
        Some(vec![1.0, -1.0, 0.0])
    );
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let z = numbers(harness.state(), "centroid_z")[2].round() as usize;
    assert_eq!(harness.state().document.scenes[0].voxel()[0], z);
    assert_eq!(harness.state().results.sheets[0].tab, Tab::Pictures);
}

#[test]
fn objects_are_merged_and_relabelled_where_they_are_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_results(folder.path()) else { return };
    harness.get_by_label("Pictures").click();
    until(&mut harness, "the pictures", |v| v.results.sheets[0].gallery.pictures() == 3);
    let settled = |v: &Viewer| v.tools.editing.as_ref().is_some_and(|d| !d.editor.is_busy());
    let labels = |v: &Viewer| v.tools.rows.iter().map(|r| (r.0, r.1.count)).collect::<Vec<_>>();
    let at = middle_of(&harness, "Picture of 2");
    click(&mut harness, at, Modifiers::NONE);
    press(&mut harness, Modifiers::SHIFT, Key::ArrowRight);
    assert_eq!(selected(harness.state()), [2, 3]);
    press(&mut harness, Modifiers::NONE, Key::M);
    until(&mut harness, "the merge", |v| settled(v) && labels(v).len() == 2);
    assert_eq!(labels(harness.state()).iter().map(|l| l.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(labels(harness.state())[1].1, 2 * labels(harness.state())[0].1);
    // The table is still about these labels, though they are edited now.
    let viewer = harness.state();
    let edited = viewer.document.scenes[0].layers[1].id;
    assert_eq!(viewer.results.sheets[0].objects.layer, Some(edited));
    until(&mut harness, "the pictures", |v| v.results.sheets[0].gallery.pictures() == 3);
    assert!(
        harness.state_mut().tools.editing.as_ref().is_some_and(|d| d.editor.labels.undo().unwrap().is_some())
    );
    harness.state_mut().tools.set_label(9);
    let at = middle_of(&harness, "Picture of 1");
    click(&mut harness, at, Modifiers::NONE);
    press(&mut harness, Modifiers::NONE, Key::L);
    until(&mut harness, "the label", |v| settled(v) && labels(v).iter().any(|l| l.0 == 9));
    assert!(!labels(harness.state()).iter().any(|l| l.0 == 1));
}

#[test]
fn labels_from_a_file_are_measured_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let image = balls(folder.path(), "balls.nii.gz");
    let labels = folder.path().join("labels.nii.gz");
    let volume = Volume::from(ndarray::Array3::from_shape_fn((40, 48, 56), |(z, y, x)| {
        if (10..14).contains(&z) && (10..14).contains(&y) {
            u16::from(x < 20) * 3 + u16::from(x > 30) * 7
        } else {
            0
        }
    }));
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Micrometre);
    voxelry_core::io::write_volume(&labels, &volume, geometry, true, &WriteOptions::default()).unwrap();
    let Some(mut harness) = window(vec![image, labels]) else { return };
    until(&mut harness, "the images", |v| {
        v.document.scenes.len() == 1 && is_shown(v, 2) || v.document.scenes.len() == 2
    });
    if harness.state().document.scenes.len() == 2 {
        // A file that does not say that it is of labels.
        harness.state_mut().take_as((1, 0), Content::Labels);
        harness.state_mut().lay_over(1, 0);
    }
    press(&mut harness, Modifiers::COMMAND, Key::M);
    until(&mut harness, "the table", |v| !v.results.sheets.is_empty());
    let layer = harness.state().document.scenes[0].layers[1].id;
    let (_, sheet) = harness.state_mut().results.of_layer(layer).expect("it is about the labels");
    assert_eq!(sheet.objects.rows(), 2);
    assert_eq!(sheet.objects.row(7), Some(1));
    assert_eq!(numbers(harness.state(), "intensity_mean").len(), 2);
}

#[test]
fn rulers_measure_in_the_image_s_unit_and_are_kept() {
    use crate::view::ruler::RulerKind;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let drag = |harness: &mut Harness<'static, Viewer>, from: DVec3, to: DVec3| {
        let [from, to] = [from, to].map(|index| place_in_plane(harness.state(), index));
        let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
        harness.event(egui::Event::PointerMoved(from));
        harness.step();
        harness.event(egui::Event::PointerButton { pos: from, button, pressed: true, modifiers });
        harness.step();
        for part in [0.4, 1.0] {
            harness.event(egui::Event::PointerMoved(from + (to - from) * part));
            harness.step();
        }
        harness.event(egui::Event::PointerButton { pos: to, button, pressed: false, modifiers });
        harness.step();
        harness.step();
    };
    let at = harness.state().document.scenes[0].voxel();
    // Slice 20 cuts the ball about (12, 36, 20), whose radius is 8.
    let z = at[0] as f64;
    assert_eq!(z, 20.0);
    let p = |x: f64, y: f64| DVec3::new(x, y, z);
    harness.state_mut().rulers.activate(RulerKind::Length);
    drag(&mut harness, p(5.0, 10.0), p(45.0, 40.0));
    assert_eq!(harness.state().document.scenes[0].voxel(), at, "the crosshair stays");
    harness.state_mut().rulers.activate(RulerKind::Profile);
    drag(&mut harness, p(2.0, 36.0), p(30.0, 36.0));
    harness.state_mut().rulers.activate(RulerKind::Rectangle);
    drag(&mut harness, p(9.5, 33.5), p(14.5, 38.5));
    harness.state_mut().rulers.activate(RulerKind::Angle);
    drag(&mut harness, p(40.0, 6.0), p(30.0, 6.0));
    let end = place_in_plane(harness.state(), p(30.0, 20.0));
    click(&mut harness, end, Modifiers::NONE);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.state().rulers.tool.is_none());
    until(&mut harness, "what lies under the rulers", |v| {
        v.document.scenes[0].rulers.iter().filter(|r| r.reading.is_some()).count() == 2
    });
    let scene = &harness.state().document.scenes[0];
    let [length, profile, rectangle, angle] = &scene.rulers[..] else { panic!("{:?}", scene.rulers) };
    // Pixels of the screen are finer than a voxel, but not infinitely so.
    assert!((length.length(scene) - 50.0).abs() < 0.6, "{}", length.length(scene));
    let along = &profile.reading.as_ref().unwrap().along;
    assert!(along[0] < 30.0 && along[along.len() / 3] > 190.0 && along[along.len() - 1] < 30.0, "{along:?}");
    let (count, [mean, deviation, least, most]) = rectangle.reading.as_ref().unwrap().region.unwrap();
    assert_eq!((mean, deviation, least, most), (200.0, 0.0, 200.0, 200.0));
    assert!((16..=36).contains(&count), "{count}");
    assert!((rectangle.area(scene).unwrap() - 25.0).abs() < 2.0);
    assert!((angle.angle(scene).unwrap() - 90.0).abs() < 2.0, "{:?}", angle.angle(scene));
    let session = folder.path().join("mine.voxelry");
    harness.state_mut().save(session.clone());
    until(&mut harness, "the session", |v| v.jobs.saving_session.is_none());
    drop(harness);
    let Some(mut harness) = window(vec![session]) else { return };
    until(&mut harness, "the session", |v| is_shown(v, 1));
    assert_eq!(harness.state().document.scenes[0].rulers.len(), 4);
    // Delete over an end removes one.
    let end = place_in_plane(harness.state(), p(45.0, 40.0));
    harness.event(egui::Event::PointerMoved(end));
    harness.step();
    press(&mut harness, Modifiers::NONE, Key::Delete);
    assert_eq!(harness.state().document.scenes[0].rulers.len(), 3);
}
