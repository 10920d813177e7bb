//! Further images of a recipe that is built in the window: which layers its steps take, beside the one that it runs on.

use crate::view::Layer;
use crate::window::app::Viewer;
use crate::window::widgets::{WIDE, choice};
use egui::Ui;
use std::collections::{BTreeMap, BTreeSet};
use voxelry_core::ops::Spec;
use voxelry_core::recipe::{IMAGE, Recipe};

/// All layers but the one that a recipe runs on and the preview, by the names that recipes have for them.
pub(super) fn others(viewer: &Viewer) -> Vec<(String, &Layer)> {
    let own = viewer.layer_to_run_on().map(|l| l.id);
    let mut taken = BTreeSet::from([IMAGE.to_owned()]);
    let layers = viewer.document.scenes.iter().flat_map(|s| &s.layers);
    let others = layers.filter(|l| Some(l.id) != own && Some(l.id) != viewer.recipe_editor.shown());
    others
        .map(|layer| {
            let mut names =
                std::iter::once(layer.name.clone()).chain((2..).map(|n| format!("{} ({n})", layer.name)));
            let name = names.find(|name| taken.insert(name.clone())).expect("numbers don't end");
            (name, layer)
        })
        .collect()
}

/// Those that a recipe takes.
pub fn taken<'a>(viewer: &'a Viewer, recipe: &Recipe) -> Vec<(String, &'a Layer)> {
    let mut all = others(viewer);
    all.retain(|(name, _)| recipe.steps.iter().any(|step| step.inputs.values().any(|from| from == name)));
    all
}

/// Rows in which the further inputs of a step are chosen. `names`: of layers, and of the results of steps before.
pub(super) fn rows(
    ui: &mut Ui,
    spec: &'static Spec,
    inputs: &mut BTreeMap<&'static str, String>,
    names: &[String],
    salt: usize,
) {
    // Further channels of an image are measured by themselves.
    let by_itself = |name: &str| name.starts_with("intensity_");
    for input in spec.inputs.iter().skip(1) {
        if by_itself(input.name) && !inputs.contains_key(input.name) {
            continue;
        }
        ui.label(input.name.replace('_', " ")).on_hover_text(input.help);
        let none = match (input.optional, input.name) {
            (_, "intensity") => "the image",
            (true, _) => "none",
            (false, _) => "required",
        };
        let shown = inputs.get(input.name).cloned().unwrap_or_else(|| none.to_owned());
        ui.push_id((salt, input.name), |ui| {
            choice(ui, input.name, &shown, WIDE, |ui| {
                if ui.selectable_label(!inputs.contains_key(input.name), none).clicked() {
                    inputs.remove(input.name);
                }
                for name in names {
                    if ui.selectable_label(inputs.get(input.name) == Some(name), name).clicked() {
                        inputs.insert(input.name, name.clone());
                    }
                }
            });
        });
        ui.end_row();
    }
}
