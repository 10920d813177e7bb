//! The segmentation panel: tools, their settings, the editing mask, and the sections below them.

use super::tool_input::radius_text;
use super::{Tool, classes, label_list, label_operations, operators, threshold};
use crate::window::app::Viewer;
use crate::window::theme::ACCENT;
use crate::window::widgets::{WIDE, choice, sized, slider};
use egui::{CollapsingHeader, DragValue, ProgressBar, RichText, Ui};
use voxelry_core::labels::{Editable, Over};

/// The panel.
pub fn panel(viewer: &mut Viewer, ui: &mut Ui) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 10.0);
        contents(viewer, ui);
    });
}

fn contents(viewer: &mut Viewer, ui: &mut Ui) {
    ui.add_space(4.0);
    if viewer.layer_to_work_on().is_none() && viewer.tools.editing.is_none() {
        ui.weak("Open an image to segment");
        return;
    }
    header(viewer, ui);
    ui.separator();
    let wide = ((ui.available_width() - 8.0) / 3.0).clamp(60.0, 140.0);
    egui::Grid::new("tools").num_columns(3).spacing([4.0, 4.0]).show(ui, |ui| {
        for (i, (tool, name, hint)) in Tool::ALL.into_iter().enumerate() {
            let button = egui::Button::selectable(viewer.tools.tool == tool, name).frame_when_inactive(true);
            if sized(ui, wide, button).on_hover_text(hint).clicked() {
                viewer.select_tool(tool);
            }
            if i % 3 == 2 {
                ui.end_row();
            }
        }
    });
    ui.add_space(4.0);
    options(viewer, ui);
    said(viewer, ui);
    ui.separator();
    if viewer.tools.editing.is_none() {
        ui.weak("Pick a tool; a label layer is created on first use.");
        return;
    }
    CollapsingHeader::new(RichText::new("Editing mask").strong()).show_unindented(ui, |ui| mask(viewer, ui));
    CollapsingHeader::new(RichText::new(format!("Object {}", viewer.tools.label)).strong())
        .id_salt("object")
        .default_open(true)
        .show_unindented(ui, |ui| label_operations::show(viewer, ui));
    CollapsingHeader::new(RichText::new("Operators on labels").strong())
        .show_unindented(ui, |ui| operators::show(viewer, ui));
    CollapsingHeader::new(RichText::new("Pixel classification (from strokes)").strong())
        .show_unindented(ui, |ui| classes::show(viewer, ui));
    ui.separator();
    label_list::show(viewer, ui);
}

/// Status or progress of the tool, in one line that is always there.
fn said(viewer: &mut Viewer, ui: &mut Ui) {
    let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
        ui.set_min_size(size);
        if let Some(running) = viewer.recipe_editor.running() {
            crate::window::recipe::progress(running, ui, ui.available_width());
            return;
        }
        let progress = viewer.tools.progress();
        if progress.is_none() && !viewer.tools.threshold.is_finding() {
            let says = &viewer.tools.status;
            let leaks = says.starts_with("Leaks");
            let colour = if leaks { ui.visuals().warn_fg_color } else { ui.visuals().weak_text_color() };
            ui.add(egui::Label::new(RichText::new(says).color(colour).small()).truncate());
            return;
        }
        let part = progress.as_ref().map_or(0.0, |p| p.done as f32 / p.total.max(1) as f32);
        let name = progress.map_or_else(|| "Finding threshold".to_owned(), |p| p.name);
        let bar = ProgressBar::new(part).desired_width(ui.available_width() - 70.0);
        ui.add(bar.text(RichText::new(name).small()).fill(ACCENT));
        if ui.button("Cancel").clicked() {
            viewer.tools.stop();
        }
    });
}

fn header(viewer: &mut Viewer, ui: &mut Ui) {
    let editing = viewer.tools.editing.as_ref().map(|d| d.layer);
    let name = editing
        .and_then(|id| viewer.place_of(id))
        .map(|(s, l)| viewer.document.scenes[s].layers[l].name.clone());
    let title = name.unwrap_or_else(|| "No labels yet".to_owned());
    ui.add(egui::Label::new(RichText::new(title).heading()).truncate());
    ui.horizontal(|ui| {
        if ui.button("New").on_hover_text("Creates a label layer over the active image").clicked() {
            viewer.new_labels();
        }
        let some = !viewer.tools.rows.is_empty() && viewer.recipe_editor.running().is_none();
        let measure = ui.add_enabled(some, egui::Button::new("Measure"));
        if measure.on_hover_text("Measures volume, shape and intensities of every label").clicked() {
            viewer.measure_labels(&ui.ctx().clone());
        }
        let save = ui.add_enabled(editing.is_some(), egui::Button::new("Save"));
        if save.on_hover_text("Save the labels into their file").clicked() {
            viewer.ask_to_save_labels(&ui.ctx().clone());
        }
        let save = ui.add_enabled(editing.is_some(), egui::Button::new("Save as…"));
        if save.on_hover_text("Save the labels as NIfTI, TIFF, NRRD or OME-Zarr").clicked() {
            viewer.ask_where_to_save_labels(&ui.ctx().clone());
        }
    });
}

fn rows(ui: &mut Ui, id: &str, contents: impl FnOnce(&mut Ui)) {
    egui::Grid::new(id).num_columns(2).min_col_width(76.0).spacing([8.0, 6.0]).show(ui, contents);
}

/// Settings of the active tool.
fn options(viewer: &mut Viewer, ui: &mut Ui) {
    if viewer.tools.tool == Tool::Threshold {
        let apply = threshold::options(viewer, ui);
        viewer.preview_threshold();
        if apply {
            viewer.apply_threshold();
        }
        return;
    }
    let stats = viewer.edited_image().or_else(|| viewer.layer_to_work_on()).and_then(|l| l.stats.clone());
    let tools = &mut viewer.tools;
    rows(ui, "tool", |ui| match tools.tool {
        Tool::Paint | Tool::Erase => {
            ui.label("Radius");
            ui.horizontal(|ui| {
                slider(ui, "Radius", &mut tools.settings.radius, 0.0..=60.0, Some(1));
                let labels = tools.editing.as_ref().map(|d| &*d.editor.labels);
                ui.label(RichText::new(radius_text(tools.settings.radius, labels)).weak().small());
            });
            ui.end_row();
            ui.label("Shape");
            ui.horizontal(|ui| {
                ui.selectable_value(&mut tools.settings.in_3d, false, "Disc")
                    .on_hover_text("A disc in this slice");
                ui.selectable_value(&mut tools.settings.in_3d, true, "Ball");
            });
            ui.end_row();
        }
        Tool::Wand | Tool::Fill => {
            if tools.tool == Tool::Wand {
                ui.label("Tolerance");
                let most = stats.as_ref().map_or(100.0, |s| (s.window[1] - s.window[0]).abs());
                ui.horizontal(|ui| slider(ui, "Tolerance", &mut tools.settings.tolerance, 0.0..=most, None));
                ui.end_row();
            }
            ui.label("Extent");
            ui.horizontal(|ui| {
                ui.selectable_value(&mut tools.settings.in_3d, false, "This slice");
                ui.selectable_value(&mut tools.settings.in_3d, true, "3D");
            });
            ui.end_row();
        }
        Tool::Split => {
            ui.label("Neck depth");
            ui.add(
                DragValue::new(&mut tools.settings.distance).range(0.0..=50.0).speed(0.1).suffix(" voxels"),
            )
            .accessible_name("Neck depth")
            .on_hover_text("Objects are split at necks at least this much narrower than the parts");
            ui.end_row();
        }
        Tool::Look | Tool::Lasso | Tool::Merge | Tool::Threshold => {}
    });
}

/// Editing mask.
fn mask(viewer: &mut Viewer, ui: &mut Ui) {
    let stats = viewer.edited_image().and_then(|l| l.stats.clone());
    let crop = viewer.chosen_box();
    let tools = &mut viewer.tools;
    let label = tools.label;
    rows(ui, "mask", |ui| {
        ui.label("Where");
        let extents = [
            (Editable::Everywhere, "Everywhere".to_owned()),
            (Editable::Inside(0), "In the background".to_owned()),
            (Editable::Inside(label), format!("Inside label {label}")),
            (Editable::Outside(label), format!("Outside label {label}")),
        ];
        let now = match tools.mask.editable {
            Editable::Everywhere => "Everywhere".to_owned(),
            Editable::Inside(0) => "In the background".to_owned(),
            Editable::Inside(l) => format!("Inside label {l}"),
            Editable::Outside(l) => format!("Outside label {l}"),
        };
        choice(ui, "Where", &now, WIDE, |ui| {
            for (value, name) in extents {
                ui.selectable_value(&mut tools.mask.editable, value, name);
            }
        });
        ui.end_row();
        ui.label("Overwrite");
        let overs = [
            (Over::Labels, "All labels"),
            (Over::Shown, "Shown labels"),
            (Over::Background, "Only background"),
        ];
        let now = overs.iter().find(|o| o.0 == tools.mask.over).map_or("", |o| o.1);
        choice(ui, "Overwrite", now, WIDE, |ui| {
            for (value, name) in overs {
                ui.selectable_value(&mut tools.mask.over, value, name);
            }
        });
        ui.end_row();
        ui.label("Crop box");
        let mut inside = tools.mask.inside.is_some();
        ui.checkbox(&mut inside, "Only inside")
            .on_hover_text("Limits edits to the crop box, which can be dragged (K)");
        tools.mask.inside = if inside { crop } else { None };
        ui.end_row();
        ui.label("Intensity");
        let mut some = tools.mask.intensities.is_some();
        ui.checkbox(&mut some, "Only within").on_hover_text("Limits edits to a range of intensities");
        ui.end_row();
        let bounds = stats.map_or([0.0, 1.0], |s| s.range);
        tools.mask.intensities = some.then(|| tools.mask.intensities.unwrap_or(bounds));
        if let Some([low, high]) = &mut tools.mask.intensities {
            ui.label("");
            ui.horizontal(|ui| {
                let speed = (bounds[1] - bounds[0]).abs() / 300.0;
                for (name, value) in [("Lowest intensity", &mut *low), ("Highest intensity", &mut *high)] {
                    ui.add(DragValue::new(value).speed(speed).max_decimals(3)).accessible_name(name);
                }
            });
            ui.end_row();
        }
    });
}
