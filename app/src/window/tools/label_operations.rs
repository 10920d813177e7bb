//! The section *Object* of the segmentation panel: operations on the active label, and on all labels as seeds.

use super::object_actions::Boolean;
use super::{Seeds, ToolSettings};
use crate::window::app::Viewer;
use crate::window::widgets::choice;
use egui::{DragValue, Ui};
use voxelry_core::labels::tools::{self, Change};

/// An operation that the user has chosen.
enum Operation {
    Change(Change),
    Separate,
    FillBetween,
    Delete,
    Seeds(Seeds),
    /// With a label layer, by its number.
    Combine(Boolean, u64),
}

/// Shows the operations, and applies the one that is chosen.
pub(super) fn show(viewer: &mut Viewer, ui: &mut Ui) {
    let others = viewer.other_labels();
    let settings = &mut viewer.tools.settings;
    let mut chosen = None;
    surface(settings, ui, &mut chosen);
    parts(settings, ui, &mut chosen);
    ui.horizontal_wrapped(|ui| {
        let hint = "Interpolates the label between the slices you have drawn";
        button(ui, "Fill between slices", hint, Operation::FillBetween, &mut chosen);
        let hint = "Deletes all voxels and the name of this label";
        button(ui, "Delete label", hint, Operation::Delete, &mut chosen);
    });
    seeds(settings, ui, &mut chosen);
    if !others.is_empty() {
        boolean(settings, &others, ui, &mut chosen);
    }
    if let Some(operation) = chosen {
        apply(viewer, operation);
    }
}

fn button(ui: &mut Ui, name: &str, hint: &str, operation: Operation, chosen: &mut Option<Operation>) {
    if ui.button(name).on_hover_text(hint).clicked() {
        *chosen = Some(operation);
    }
}

/// Grow, shrink and smooth, by a distance.
fn surface(settings: &mut ToolSettings, ui: &mut Ui, chosen: &mut Option<Operation>) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Distance");
        let field = DragValue::new(&mut settings.distance).range(0.5..=50.0).speed(0.1).max_decimals(1);
        ui.add(field.suffix(" voxels"))
            .on_hover_text("Distance by which Grow, Shrink and Smooth move the surface")
            .accessible_name("Distance");
        let distance = settings.distance.to_string();
        for (change, hint) in [
            (Change::Grow(distance.clone()), "Adds a layer of this thickness to the object"),
            (Change::Shrink(distance.clone()), "Removes a layer of this thickness from the object"),
            (Change::Smooth(distance), "Removes bumps and dents smaller than this"),
        ] {
            let name = change.name();
            button(ui, name, hint, Operation::Change(change), chosen);
        }
    });
}

/// Operations on holes and connected parts.
fn parts(settings: &mut ToolSettings, ui: &mut Ui, chosen: &mut Option<Operation>) {
    ui.horizontal_wrapped(|ui| {
        let hint = "Fills holes that are enclosed by the object";
        button(ui, "Fill holes", hint, Operation::Change(Change::Fill), chosen);
        let hint = "Deletes all connected parts but the largest";
        button(ui, "Keep largest", hint, Operation::Change(Change::Largest), chosen);
        let hint = "Gives each connected part of this label a label of its own (26 neighbours)";
        button(ui, "Separate objects", hint, Operation::Separate, chosen);
    });
    ui.horizontal_wrapped(|ui| {
        let remove = Operation::Change(Change::Remove(settings.small));
        button(ui, "Remove small", "Deletes connected parts smaller than this", remove, chosen);
        ui.label("below");
        let field = DragValue::new(&mut settings.small).range(2..=100_000_000u64).speed(1.0);
        ui.add(field.suffix(" voxels")).accessible_name("Smallest size");
    });
}

/// Growth of all labels as seeds.
fn seeds(settings: &mut ToolSettings, ui: &mut Ui, chosen: &mut Option<Operation>) {
    ui.horizontal_wrapped(|ui| {
        ui.label("All labels as seeds");
        let hint = "Grow from seeds: labels expand until they meet at intensity edges";
        button(ui, "Grow", hint, Operation::Seeds(Seeds::Grow), chosen);
        ui.checkbox(&mut settings.live_growth, "Live")
            .on_hover_text("Previews the result of Grow while seeds are painted; Grow keeps it");
        let hint = "Watershed on the gradient image from the painted seeds";
        button(ui, "Watershed", hint, Operation::Seeds(Seeds::Watershed), chosen);
    });
}

/// Boolean operations with another label layer. `others`: layers with their names.
fn boolean(
    settings: &mut ToolSettings,
    others: &[(u64, String)],
    ui: &mut Ui,
    chosen: &mut Option<Operation>,
) {
    ui.horizontal_wrapped(|ui| {
        let (layer, name) = others.iter().find(|o| Some(o.0) == settings.with).unwrap_or(&others[0]).clone();
        ui.label("With");
        choice(ui, "Other labels", &name, 110.0, |ui| {
            for (id, name) in others {
                ui.selectable_value(&mut settings.with, Some(*id), name);
            }
        });
        for (boolean, name, hint) in [
            (Boolean::Add, "Add", "Union with the other label layer"),
            (Boolean::Subtract, "Subtract", "Removes voxels labelled in the other layer"),
            (Boolean::Intersect, "Intersect", "Keeps only voxels labelled in the other layer"),
        ] {
            button(ui, name, hint, Operation::Combine(boolean, layer), chosen);
        }
    });
}

fn apply(viewer: &mut Viewer, operation: Operation) {
    match operation {
        Operation::Change(change) => {
            let (label, mask, name) = (viewer.tools.label, viewer.tools.mask.clone(), change.name());
            viewer.edit_labels(
                name,
                Box::new(move |edit, job| Ok(tools::change(edit, label, &change, &mask, job)?.into())),
            );
        }
        Operation::Separate => viewer.separate(),
        Operation::FillBetween => viewer.fill_between(),
        Operation::Delete => viewer.delete_label(),
        Operation::Seeds(seeds) => viewer.use_seeds(seeds),
        Operation::Combine(boolean, layer) => viewer.combine(boolean, layer),
    }
}
