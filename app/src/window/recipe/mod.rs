//! The recipe editor: a recipe that is built from forms, its preview, and the results of its runs.

mod command;
mod form;
mod inputs;
mod panel;
mod preview;
mod run;

pub use form::form;
pub use inputs::taken;
pub use panel::{panel, progress};
pub use run::{receive, start};

use crate::view::live::{self, Live};
use crate::view::recipe_run::{self, RunningRecipe};
use egui::util::undoer::Undoer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::labels::Version;
use voxelry_core::measure::Table;
use voxelry_core::ops::{Operator, Value};
use voxelry_core::recipe::{Plan, Recipe, Step};
use voxelry_core::{Error, Result};

/// A recipe that is being built, its preview and its results.
#[derive(Default)]
pub struct RecipeEditor {
    title: Option<String>,
    steps: Vec<Draft>,
    undoer: Undoer<Vec<Draft>>,
    /// Layer and recipe that were planned, and their plan or its error.
    planned: (String, Option<Result<Planned, String>>),
    /// The preview in the visible region.
    pub preview: Preview,
    running: Option<RunningRecipe>,
    /// Results of the last run.
    pub results: RunResults,
}

/// The preview of a recipe in the visible region.
#[derive(Default)]
pub struct Preview {
    /// True if the recipe is previewed while it is built.
    pub enabled: bool,
    /// The run of steps that need the whole image, and its recipe.
    running: Option<(String, RunningRecipe)>,
    /// Recipe and frame of the last preview.
    requested: String,
    /// The level that the preview of steps that need the whole image is of.
    level: usize,
    /// The layer that shows the preview.
    layer: Option<u64>,
    /// Live source of the preview of local steps.
    live: Option<Arc<Live>>,
    /// Time at which its recipe changed last.
    changed: Option<Instant>,
    /// The layer whose window was fitted to its intensities, and the level that they were found at.
    fitted: Option<(u64, usize)>,
}

/// Results of the last run.
#[derive(Default)]
pub struct RunResults {
    /// Tables with their titles.
    pub tables: Vec<(String, Table)>,
    /// The label layer that the tables are about.
    pub about: Option<u64>,
    /// The label layer that is being measured, and its version if it is edited.
    measured: Option<(u64, Option<(u64, Arc<Version>)>)>,
    /// The layer of intensities that was measured in it, if any.
    pub intensities: Option<u64>,
    /// Values found on the way, such as thresholds.
    facts: Vec<(String, f64)>,
}

/// Plan of a recipe before it runs.
struct Planned {
    /// Bytes that it needs in memory.
    memory: u64,
    /// Its steps up to the last that makes an image, complete; none if there is no such.
    shown: Option<Recipe>,
    /// True if it takes further images: it is not previewed then.
    several: bool,
    /// Those of them that would see the whole image, and see only what is visible in the preview.
    whole: Vec<String>,
}

impl Planned {
    fn of(plan: &Plan) -> Self {
        let end = (0..plan.steps.len()).rev().find(|i| plan.makes_image(*i)).map_or(0, |i| i + 1);
        let mut shown = plan.resolved.clone();
        shown.steps.truncate(end);
        let whole = live::whole_steps(plan, end).into_iter().map(str::to_owned).collect();
        Self { memory: plan.memory(&[]), shown: (end > 0).then_some(shown), several: false, whole }
    }
}

/// A step as it is typed.
#[derive(Clone)]
pub struct Draft {
    /// The operator.
    pub op: &'static dyn Operator,
    values: BTreeMap<&'static str, String>,
    /// Inputs and names, as a recipe that was opened gives them.
    step: Step,
}

impl Draft {
    /// A step with the operator's own parameters.
    pub fn new(op: &'static dyn Operator) -> Self {
        Self { op, values: BTreeMap::new(), step: Step::new(op, BTreeMap::new()) }
    }

    /// Parameters that were given, as on the command line.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let said = self.values.iter().filter(|(_, value)| !value.trim().is_empty());
        said.map(|(name, value)| (*name, value.trim().to_owned())).collect()
    }

    fn of(step: &Step) -> Self {
        let values = step.given.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Self { op: step.op, values, step: step.clone() }
    }

    fn step(&self) -> Result<Step> {
        let mut given = BTreeMap::new();
        for param in self.op.spec().params {
            let Some(text) = self.values.get(param.name).filter(|t| !t.trim().is_empty()) else { continue };
            let value = Value::parse(&param.ty, text);
            let value = value
                .map_err(|e| Error::recipe(None, format!("{}, {}: {e}", self.op.spec().id, param.name)))?;
            given.insert(param.name, value);
        }
        Ok(Step { given, line: None, lines: BTreeMap::new(), ..self.step.clone() })
    }
}

/// Drafts are the same if they say the same.
impl PartialEq for Draft {
    fn eq(&self, other: &Self) -> bool {
        let said = |d: &Self| -> Vec<(&'static str, String)> {
            d.values.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (*k, v.clone())).collect()
        };
        self.op.spec().id == other.op.spec().id
            && said(self) == said(other)
            && self.step.inputs == other.step.inputs
            && self.step.name == other.step.name
    }
}

impl RecipeEditor {
    /// Returns whether there is a change of the steps to take back.
    pub fn can_undo(&self) -> bool {
        self.undoer.has_undo(&self.steps)
    }

    /// Returns whether there is a change to make again.
    pub fn can_redo(&self) -> bool {
        self.undoer.has_redo(&self.steps)
    }

    /// Takes the last change of the steps back.
    pub fn undo(&mut self) {
        if let Some(steps) = self.undoer.undo(&self.steps) {
            self.steps.clone_from(steps);
        }
    }

    /// Makes the change again that was taken back last.
    pub fn redo(&mut self) {
        if let Some(steps) = self.undoer.redo(&self.steps) {
            self.steps.clone_from(steps);
        }
    }

    /// Remembers the steps as they are now, once they rest.
    pub fn remember(&mut self, now: f64) {
        self.undoer.feed_state(now, &self.steps);
    }

    /// The layer that shows the preview.
    pub fn shown(&self) -> Option<u64> {
        self.preview.layer
    }

    /// The recipe that labels from a file were measured by.
    pub fn measured_by(&self) -> Option<std::sync::Arc<str>> {
        Some(recipe_run::measuring(self.results.intensities.is_some()).ok()?.to_toml().into())
    }

    /// The recipe that runs, if any.
    pub fn running(&self) -> Option<&RunningRecipe> {
        self.running.as_ref()
    }

    /// The recipe as it is.
    ///
    /// # Errors
    /// If a value can't be read.
    pub fn recipe(&self) -> Result<Recipe> {
        let steps: Result<Vec<Step>> = self.steps.iter().map(Draft::step).collect();
        Ok(Recipe { title: self.title.clone(), steps: steps? })
    }

    /// Takes a recipe over.
    pub fn load(&mut self, recipe: &Recipe) {
        self.title.clone_from(&recipe.title);
        self.steps = recipe.steps.iter().map(Draft::of).collect();
    }

    /// Adds a step.
    pub fn add(&mut self, op: &'static dyn Operator) {
        self.steps.push(Draft::new(op));
    }

    /// Returns whether it can be run.
    pub fn is_ready(&self) -> bool {
        matches!(self.planned.1, Some(Ok(_))) && !self.steps.is_empty()
    }

    /// Returns whether a preview is shown.
    pub fn is_previewing(&self) -> bool {
        self.preview.layer.is_some()
    }

    /// Returns whether a job runs that Esc would stop; if so it is stopped.
    pub fn stop(&mut self) -> bool {
        self.running.as_ref().inspect(|r| r.cancel()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::recipes::BUILT_IN;

    #[test]
    fn a_recipe_goes_through_the_forms_unchanged() {
        for (name, text) in BUILT_IN {
            let recipe = Recipe::parse(text).unwrap();
            let mut recipe_editor = RecipeEditor::default();
            recipe_editor.load(&recipe);
            assert_eq!(recipe_editor.recipe().unwrap().to_toml(), recipe.to_toml(), "{name}");
        }
    }
}
