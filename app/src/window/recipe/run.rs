//! Runs of recipes and of measurements.

use super::preview::{drop_preview, fit, preview, receive_preview};
use super::{Planned, inputs};
use crate::view::recipe_run::{self, RunResult, RunningRecipe};
use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use std::sync::Arc;
use voxelry_core::Error;
use voxelry_core::ops::Kind;
use voxelry_core::recipe::Recipe;

/// Runs the recipe on the whole image.
pub fn start(viewer: &mut Viewer) {
    let wake = viewer.waker();
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let result = viewer.recipe_editor.recipe().map(|recipe| {
        let others = inputs::taken(viewer, &recipe);
        recipe_run::run(&recipe, layer, &others, None, wake)
    });
    match result {
        Ok(running) => {
            (viewer.recipe_editor.running, viewer.recipe_editor.results.measured) = (Some(running), None);
        }
        Err(error) => viewer.tell(error.to_string()),
    }
}

impl Viewer {
    /// The layer that the recipe runs on: labels where its first step takes nothing else, and there are some; otherwise
    /// intensities.
    pub fn layer_to_run_on(&self) -> Option<&Layer> {
        let of_labels = self.recipe_editor.steps.first().is_some_and(|step| {
            let inputs = step.op.spec().inputs.first();
            inputs.is_some_and(|input| {
                !input.kinds.contains(&Kind::Grey) && input.kinds.contains(&Kind::Labels)
            })
        });
        let labels = if of_labels { self.layer_to_measure() } else { None };
        labels.or_else(|| self.layer_to_work_on())
    }

    /// The layer whose objects would be measured: the one that is chosen, or else the uppermost of labels.
    pub fn layer_to_measure(&self) -> Option<&Layer> {
        let scene = self.document.scenes.get(self.view.chosen.0)?;
        let labels = |l: &&Layer| l.content == Content::Labels && Some(l.id) != self.recipe_editor.shown();
        let chosen = scene.layers.get(self.view.chosen.1).filter(labels);
        chosen.or_else(|| scene.layers.iter().rfind(labels))
    }

    /// Measures its objects, with the intensities on its grid that are worked on.
    pub fn measure_objects(&mut self) {
        if self.recipe_editor.running.is_some() {
            return;
        }
        let Some(layer) = self.layer_to_measure() else { return };
        let mut grey = self.layer_to_work_on().filter(|l| l.id != layer.id);
        let mut left_out = None;
        if let Some(Err(error)) = grey.map(|grey| recipe_run::fits(grey, layer)) {
            left_out = Some(format!("Without intensities: {error}"));
            grey = None;
        }
        let (id, with) = (layer.id, grey.map(|l| l.id));
        let editing = self.tools.edit_sessions().find(|d| d.layer == id);
        let version = editing.map(|d| (d.editor.edits(), Arc::new(d.editor.labels.version())));
        match recipe_run::measure(layer, version.as_ref().map(|v| v.1.clone()), grey, self.waker()) {
            Ok(running) => {
                (self.recipe_editor.running, self.recipe_editor.results.measured) =
                    (Some(running), Some((id, version)));
                self.recipe_editor.results.intensities = with;
            }
            Err(error) => self.tell(error.to_string()),
        }
        if let Some(text) = left_out {
            self.tell(text);
        }
    }
}

/// Plans the recipe where it or its image is another one.
fn plan(viewer: &mut Viewer) {
    let recipe = viewer.recipe_editor.recipe();
    let text = recipe.as_ref().map_or_else(ToString::to_string, Recipe::to_toml);
    let layer = viewer.layer_to_run_on();
    let others: Vec<u64> = inputs::others(viewer).iter().map(|(_, l)| l.id).collect();
    let wanted = format!("{:?} {others:?} {text}", layer.map(|l| (l.id, l.content)));
    if viewer.recipe_editor.planned.0 == wanted {
        return;
    }
    let planned = layer.map(|layer| {
        let plan = recipe.and_then(|recipe| {
            let others = inputs::taken(viewer, &recipe);
            let plan = recipe_run::plan(&recipe, layer, &others)?;
            Ok(Planned { several: !others.is_empty(), ..Planned::of(&plan) })
        });
        plan.map_err(|e| plain(&e))
    });
    viewer.recipe_editor.planned = (wanted, planned);
}

/// The message of an error without the place in a file that a recipe being built has not.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix("recipe: ").map_or(text.clone(), str::to_owned)
}

/// Plans and previews the recipe, and takes in what has ended, once a frame.
pub fn receive(viewer: &mut Viewer) {
    plan(viewer);
    preview(viewer, viewer.recipe_editor.is_ready());
    fit(viewer);
    receive_preview(viewer);
    let Some(result) = viewer.recipe_editor.running.as_ref().and_then(RunningRecipe::ended) else { return };
    viewer.recipe_editor.running = None;
    match result {
        Ok(result) => show_results(viewer, result),
        Err(Error::Cancelled) => viewer.note("The run was cancelled; nothing was changed".to_owned(), None),
        Err(error) => viewer.tell(error.to_string()),
    }
}

/// Shows the image that a run made as a layer, and its tables below.
fn show_results(viewer: &mut Viewer, result: RunResult) {
    viewer.recipe_editor.preview.enabled = false;
    drop_preview(viewer);
    let editor = &viewer.recipe_editor;
    let name = editor.title.clone().or_else(|| editor.steps.last().map(|step| step.op.spec().id.to_owned()));
    let name = name.unwrap_or_else(|| "result".to_owned());
    let layer = result.image.and_then(|image| viewer.add_result(image, &name, false));
    result.warnings.into_iter().for_each(|warning| viewer.warn(warning));
    let results = &mut viewer.recipe_editor.results;
    (results.facts, results.tables) = (result.facts, result.tables);
    let measured = results.measured.take();
    results.intensities = results.intensities.filter(|_| measured.is_some());
    results.about = measured.as_ref().map(|m| m.0).or(layer);
    viewer.view.show_results = !results.tables.is_empty();
    let version = measured.and_then(|(id, version)| version.map(|(edits, v)| (id, edits, v)));
    viewer.results.remeasurement.measured(version);
}
