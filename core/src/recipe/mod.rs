//! Recipes: an ordered list of operator calls, as TOML. A recipe is parsed against the operators'
//! declarations, planned against the images it is given, and run whole or block by block with the
//! same result. The resolved recipe is saved with every result as its provenance.

mod parse;
mod plan;
mod run;

pub use plan::{Plan, PlannedStep};
pub use run::{ExecutionMode, Results, run, run_on};

use crate::Error;
use crate::ops::Operator;
use crate::program::Value;
use std::collections::BTreeMap;

/// The name by which a recipe refers to the image it is run on.
pub const IMAGE: &str = "image";

/// A recipe.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// What it is for.
    pub title: Option<String>,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// One step: a call of an operator.
#[derive(Clone)]
pub struct Step {
    /// The operator.
    pub op: &'static dyn Operator,
    /// The name of its result, by which later steps can refer to it.
    pub name: Option<String>,
    /// Inputs given by name, by the operator's name for them.
    pub inputs: BTreeMap<&'static str, String>,
    /// Parameters as given, without defaults.
    pub given: BTreeMap<&'static str, Value>,
    /// Line in the recipe's file, from 1.
    pub line: Option<usize>,
    /// Lines of its keys, by the names of inputs and parameters.
    pub lines: BTreeMap<&'static str, usize>,
}

impl Step {
    /// A step with parameters only.
    pub fn new(op: &'static dyn Operator, given: BTreeMap<&'static str, Value>) -> Self {
        Self { op, name: None, inputs: BTreeMap::new(), given, line: None, lines: BTreeMap::new() }
    }
}

impl Step {
    /// Whether it takes the grid of the image of this name, and not its voxels.
    pub fn takes_grid_of(&self, name: &str) -> bool {
        let inputs = self.op.spec().inputs.iter().enumerate();
        inputs
            .filter(|(i, _)| self.op.takes_grid_alone(*i))
            .any(|(_, input)| self.inputs.get(input.name).is_some_and(|from| from == name))
    }

    /// The error of a key, or of the step if the key isn't given.
    fn wrong(&self, key: &str, reason: String) -> Error {
        Error::recipe(self.lines.get(key).copied().or(self.line), reason)
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("op", &self.op.spec().id)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Recipe {
    /// The recipe as TOML; parsing it gives the same recipe.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut parts = Vec::new();
        if let Some(title) = &self.title {
            parts.push(format!("title = {}\n", quoted(title)));
        }
        for step in &self.steps {
            let mut lines = vec!["[[step]]".to_owned(), format!("op = {}", quoted(step.op.spec().id))];
            lines.extend(step.name.iter().map(|name| format!("name = {}", quoted(name))));
            lines.extend(step.inputs.iter().map(|(input, from)| format!("{input} = {}", quoted(from))));
            for param in step.op.spec().params {
                if let Some(value) = step.given.get(param.name) {
                    lines.push(format!("{} = {}", param.name, value.to_toml()));
                }
            }
            parts.push(lines.join("\n") + "\n");
        }
        parts.join("\n")
    }
}
