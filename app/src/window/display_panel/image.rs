//! Facts of the image: grid, file, header, provenance.

use super::rows;
use crate::view::plane::{coordinate, length, short};
use crate::view::{Content, Layer, Scene};
use crate::window::datasets::dataset_row;
use crate::window::widgets::{WIDE, choice, slider};
use egui::{CollapsingHeader, RichText, Ui};
use voxelry_core::Geometry;
use voxelry_core::io::ImageSource;

/// A row of a name and a value that can be selected.
fn row(ui: &mut Ui, name: &str, value: String) {
    ui.label(name);
    ui.add(egui::Label::new(value).wrap().selectable(true));
    ui.end_row();
}

/// Facts of the image; the name of another dataset of its file, if the user chooses one.
pub(super) fn image(ui: &mut Ui, layer: &mut Layer) -> Option<String> {
    let info = layer.source.info();
    let geometry = info.geometry();
    let times = info.times;
    let mut dataset = None;
    rows(ui, "image", |ui| {
        let [z, y, x] = info.shape();
        row(ui, "Voxels", format!("{x} × {y} × {z}, {}", info.voxel));
        let [dz, dy, dx] = geometry.spacing();
        row(ui, "Voxel size", format!("{} × {} × {} {}", short(dx), short(dy), short(dz), geometry.unit));
        if geometry.unit.metres().is_some() {
            let size = [x as f64 * dx, y as f64 * dy, z as f64 * dz].map(|l| length(l, geometry.unit));
            row(ui, "Extent", size.join(" × "));
        }
        if geometry.oriented {
            let [x, y, z] =
                [0, 1, 2].map(|axis| Geometry::letters(geometry.world_from_index.matrix3.col(axis)));
            row(ui, "Axis directions", format!("x {x}, y {y}, z {z}"));
        }
        if let Some(angle) = geometry.shear(info.shape()) {
            row(ui, "Sheared", format!("axes meet at {angle:.2}°"));
        }
        row(
            ui,
            "Resolution levels",
            format!("{} in the file, {} in all", layer.source.given(), info.levels.len()),
        );
        if info.channels.len() > 1 {
            row(ui, "Channel", format!("{} of {}", layer.channel + 1, info.channels.len()));
        }
        row(ui, "Format", info.format.to_owned());
        if let Some(path) = &layer.path {
            row(ui, "File", path.display().to_string());
        }
        dataset = dataset_row(ui, layer);
        if let Some(stats) = &layer.stats {
            row(ui, "Intensities", format!("{} to {}", short(stats.range[0]), short(stats.range[1])));
        }
    });
    for note in &info.notes {
        ui.label(RichText::new(note).weak());
    }
    if times > 1 {
        let mut time = layer.time + 1;
        ui.horizontal(|ui| {
            ui.label("Time frame");
            if slider(ui, "Time frame", &mut time, 1..=times, None).changed() {
                layer.time = time - 1;
            }
        });
    }
    affine(ui, &geometry);
    if let Some(text) = &layer.provenance {
        CollapsingHeader::new("Provenance").show(ui, |ui| {
            ui.label(RichText::new("Recipe that made this layer").small().weak());
            ui.add(egui::Label::new(RichText::new(&**text).monospace()).selectable(true).wrap());
        });
    }
    let info = layer.source.info();
    if !info.metadata.is_empty() {
        CollapsingHeader::new("Header").show(ui, |ui| {
            rows(ui, "header", |ui| {
                for (name, value) in &info.metadata {
                    row(ui, name, value.clone());
                }
            });
        });
    }
    dataset
}

/// The affine that maps indices to the world.
fn affine(ui: &mut Ui, geometry: &Geometry) {
    let (affine, unit) = (geometry.world_from_index, geometry.unit);
    let step = geometry.spacing().into_iter().fold(f64::INFINITY, f64::min);
    CollapsingHeader::new("Affine").show(ui, |ui| {
        ui.label(RichText::new(format!("World ({unit}) from index (x, y, z)")).small().weak());
        egui::Grid::new("affine").num_columns(4).spacing([12.0, 2.0]).show(ui, |ui| {
            for row in 0..3 {
                let linear = (0..3).map(|column| short(affine.matrix3.col(column)[row]));
                for text in linear.chain([coordinate(affine.translation[row], step)]) {
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.monospace(text);
                    });
                }
                ui.end_row();
            }
        });
    });
}

/// Choice of the meaning of a layer's values; the new one if the user changes it.
pub(super) fn values(ui: &mut Ui, content: Content) -> Option<Content> {
    let mut meant = content;
    ui.horizontal(|ui| {
        ui.label("Values are");
        ui.selectable_value(&mut meant, Content::Grey, "Intensities").on_hover_text("Treat as intensities");
        ui.selectable_value(&mut meant, Content::Labels, "Labels")
            .on_hover_text("Treat as labels: values are object numbers, each in its own colour");
    });
    (meant != content).then_some(meant)
}

/// Settings of the montage.
pub(super) fn montage(ui: &mut Ui, scene: &mut Scene) {
    let names: [String; 3] =
        std::array::from_fn(|a| format!("{} ({})", scene.facing(a).name, ["z", "y", "x"][a]));
    let montage = &mut scene.view.montage;
    rows(ui, "montage", |ui| {
        ui.label("Across");
        choice(ui, "Across", &names[montage.axis], WIDE, |ui| {
            for (axis, name) in names.iter().enumerate() {
                ui.selectable_value(&mut montage.axis, axis, name);
            }
        });
        ui.end_row();
        ui.label("Step");
        let unit = if montage.every == 1 { " slice" } else { " slices" };
        let field = egui::DragValue::new(&mut montage.every).range(1..=10_000).suffix(unit).speed(0.2);
        ui.add(field).accessible_name("Step").on_hover_text("Step between the slices of the montage");
        ui.end_row();
    });
}
