//! Opening: what holds labels is known or offered as such, what can't be read is said where it would be seen, and the
//! list of images has all of it.

use super::super::view_state::Side;
use super::*;
use egui::{Event, PointerButton, Pos2, Rect};
use voxelry_core::io::ImageSource;

/// The same balls as labels, as numbers of a type.
fn mask(folder: &Path, name: &str, voxel: voxelry_core::VoxelType) -> PathBuf {
    let volume = Volume::from(ndarray::Array3::from_shape_fn((40, 48, 56), |(z, y, x)| {
        let near = |c: [usize; 3]| {
            (z.abs_diff(c[0]).pow(2) + y.abs_diff(c[1]).pow(2) + x.abs_diff(c[2]).pow(2)) <= 64
        };
        [[12, 12, 14], [26, 30, 40], [20, 36, 12]].iter().position(|c| near(*c)).map_or(0, |i| i as u8 + 1)
    }));
    let path = folder.join(name);
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Micrometre);
    voxelry_core::io::write_volume(&path, &volume.cast(voxel), geometry, false, &WriteOptions::default())
        .unwrap();
    path
}

fn contents(viewer: &Viewer) -> Vec<Vec<Content>> {
    viewer.document.scenes.iter().map(|s| s.layers.iter().map(|l| l.content).collect()).collect()
}

fn more(harness: &Harness<'static, Viewer>) -> Vec<Rect> {
    harness.query_all_by_label("More").map(|n| n.rect()).collect()
}

fn press_button(harness: &mut Harness<'static, Viewer>, at: Pos2, button: PointerButton) {
    for pressed in [true, false] {
        harness.event(Event::PointerMoved(at));
        harness.event(Event::PointerButton { pos: at, button, pressed, modifiers: Modifiers::NONE });
        harness.step();
    }
    (0..4).for_each(|_| harness.step());
}

#[test]
fn a_mask_beside_its_image_lies_over_it() {
    use voxelry_core::VoxelType;
    for voxel in [VoxelType::U8, VoxelType::I16, VoxelType::F32] {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![balls(folder.path(), "scan.nii.gz"), mask(folder.path(), "other.nii.gz", voxel)];
        let Some(mut harness) = window(files) else { return };
        until(&mut harness, "the overlay", |v| contents(v) == [[Content::Grey, Content::Labels]]);
        assert!(harness.state().messages()[0].contains("is shown as labels, over scan.nii.gz"));
        (0..4).for_each(|_| harness.step());
        harness.get_by_label("Show as intensities").click();
        until(&mut harness, "intensities", |v| contents(v) == [[Content::Grey, Content::Grey]]);
    }
}

#[test]
fn numbers_that_may_be_labels_are_offered_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = mask(folder.path(), "alone.nii.gz", voxelry_core::VoxelType::U16);
    let Some(mut harness) = window(vec![file]) else { return };
    until(&mut harness, "the offer", |v| v.messages().iter().any(|m| m.contains("looks like labels")));
    assert_eq!(contents(harness.state()), [[Content::Grey]]);
    harness.get_by_label("Show as labels").click();
    until(&mut harness, "labels", |v| contents(v) == [[Content::Labels]]);
    // An image of intensities is not.
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    (0..40).for_each(|_| {
        harness.step();
        std::thread::sleep(Duration::from_millis(5));
    });
    assert_eq!(harness.state().messages(), [""; 0]);
}

#[test]
fn a_row_of_the_list_has_its_menu_everywhere_and_a_button_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}.nii.gz", "a_very_long_name_of_a_scan_".repeat(6));
    let Some(mut harness) = window(vec![balls(folder.path(), &long)]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    (0..4).for_each(|_| harness.step());
    let wide = harness.state().settings.left_width;
    let dots = more(&harness)[0];
    assert!(dots.right() < wide, "{dots:?} is in the panel, {wide} wide");
    // On the name.
    press_button(&mut harness, egui::pos2(90.0, dots.center().y), PointerButton::Secondary);
    harness.get_by_label("Treat as labels");
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.query_by_label("Treat as labels").is_none());
    // By the button, in which the image becomes labels whatever is shown in 3D.
    harness.state_mut().document.scenes[0].layers[0].display.style.show = crate::view::Show::Maximum;
    press_button(&mut harness, dots.center(), PointerButton::Primary);
    harness.get_by_label("Treat as labels").click();
    until(&mut harness, "labels", |v| contents(v) == [[Content::Labels]]);
}

#[test]
fn a_row_that_is_dragged_onto_another_image_lies_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let images = ["a.nii.gz", "b.nii.gz"].map(|name| balls(folder.path(), name));
    let Some(mut harness) = window(images.to_vec()) else { return };
    until(&mut harness, "the images", |v| is_shown(v, 2));
    (0..4).for_each(|_| harness.step());
    let rows = more(&harness);
    let (from, to) = (egui::pos2(100.0, rows[1].center().y), egui::pos2(100.0, rows[0].center().y));
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    for event in [
        Event::PointerMoved(from),
        button(from, true),
        Event::PointerMoved(from.lerp(to, 0.5)),
        Event::PointerMoved(to),
        button(to, false),
    ] {
        harness.event(event);
        harness.step();
    }
    (0..4).for_each(|_| harness.step());
    assert_eq!(contents(harness.state()), [[Content::Grey, Content::Grey]]);
}

#[test]
fn a_file_that_is_cut_short_is_said_in_its_pane() {
    let folder = tempfile::tempdir().unwrap();
    let path = balls(folder.path(), "balls.nii.gz");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let Some(mut harness) = window(vec![path]) else { return };
    until(&mut harness, "the error", |v| !v.messages().is_empty());
    if let Some(scene) = harness.state().document.scenes.first() {
        assert!(scene.layers[0].broken.as_ref().is_some_and(|reason| reason.contains("balls.nii.gz")));
        harness.state_mut().view.side = Side::Display;
        (0..4).for_each(|_| harness.step());
        assert!(harness.query_by_label("Computing histogram…").is_none(), "nothing spins for ever");
    }
}

#[test]
fn images_of_a_file_are_chosen_when_it_is_opened_and_in_the_panel() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiff_sets/images.ome.tif");
    let Some(mut harness) = window(vec![file.clone()]) else { return };
    until(&mut harness, "the image", |v| !v.document.scenes.is_empty());
    let open = |v: &Viewer| -> Vec<String> {
        let all = v.document.scenes.iter().map(|s| s.layers[0].source.info().datasets.clone());
        all.map(|d| d.into_iter().find(|d| d.open).expect("one is open").name).collect()
    };
    let names: Vec<String> = harness.state().document.scenes[0].layers[0]
        .source
        .info()
        .datasets
        .iter()
        .map(|d| d.name.clone())
        .collect();
    assert!(names.len() > 1);
    let at_first = open(harness.state());
    let other = names.iter().find(|name| **name != at_first[0]).expect("there are several").clone();
    assert_eq!(harness.state().dialog(), Some(super::super::dialog::Dialog::Datasets));

    // Another one in place of the first.
    harness.get_by_label(&at_first[0]).click();
    harness.step();
    harness.get_by_label(&other).click();
    harness.step();
    harness.get_by_label("Open").click();
    until(&mut harness, "the other image", |v| open(v) == [other.clone()]);
    assert_eq!(harness.state().dialog(), None, "what was chosen is not asked again");

    // Back, as from the panel.
    let layer = harness.state().document.scenes[0].layers[0].id;
    harness.state_mut().open_dataset(layer, at_first[0].clone());
    until(&mut harness, "the first image", |v| open(v) == at_first);

    // A name that was asked for isn't asked about.
    let options = OpenOptions { dataset: Some(other.clone()), ..OpenOptions::default() };
    harness.state_mut().open(file, options);
    until(&mut harness, "both images", |v| v.document.scenes.len() == 2);
    assert_eq!(open(harness.state()), [at_first[0].clone(), other]);
    assert_eq!(harness.state().dialog(), None);
}
