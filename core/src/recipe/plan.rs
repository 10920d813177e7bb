//! A recipe resolved against images: every parameter complete, every input found, every grid known.

use super::{IMAGE, Recipe, Step};
use crate::error::suggestion;
use crate::ops::Operator;
use crate::program::{Args, Call, Grid, Kind, Mode, Prepared, Produces};
use crate::volume::{Turn, apart, covers, turn_onto};
use crate::{Error, Result, blocks};
use std::sync::Arc;

/// A recipe ready to run. Values are numbered: first the sources, then one for each step.
pub struct Plan {
    /// Number of sources.
    pub sources: usize,
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// Grids of all values; for steps that make tables or meshes, that of their first input.
    pub grids: Vec<Grid>,
    /// The recipe with every parameter as resolved.
    pub resolved: Recipe,
}

/// One step ready to run.
pub struct PlannedStep {
    /// The operator's id.
    pub op: &'static str,
    /// The name of its result, or the operator's id.
    pub title: String,
    /// What it makes.
    pub produces: Produces,
    /// Numbers of the values it reads, in the operator's order.
    pub inputs: Vec<Option<usize>>,
    /// What runs.
    pub prepared: Arc<Prepared>,
}

impl Plan {
    /// A step as an accelerator sees it.
    pub fn step(&self, number: usize) -> blocks::Step {
        let (step, resolved) = (&self.steps[number], &self.resolved.steps[number]);
        let args = Args::complete(resolved.op.spec(), resolved.given.clone());
        blocks::Step {
            op: step.op,
            args: args.expect("it was resolved with these"),
            inputs: step.inputs.iter().map(|v| v.map(|v| self.grids[v])).collect(),
            output: self.grids[self.sources + number],
        }
    }

    /// Resolves a recipe against named images. The first is the one that the recipe is run on.
    ///
    /// # Errors
    /// [`Error::Recipe`] if an input isn't known or of the wrong kind; what the operators say.
    pub fn new(recipe: &Recipe, sources: &[(String, Grid)]) -> Result<Self> {
        let mut names: Vec<(String, usize)> =
            sources.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
        let mut grids: Vec<Grid> = sources.iter().map(|(_, grid)| *grid).collect();
        let mut steps = Vec::new();
        let mut resolved = Recipe { title: recipe.title.clone(), steps: Vec::new() };
        let mut previous = 0;
        for step in &recipe.steps {
            let spec = step.op.spec();
            let wrong = |reason: String| Error::recipe(step.line, reason);
            let inputs = inputs_of(step, &names, previous)?;
            for (input, value) in spec.inputs.iter().zip(&inputs) {
                if let Some(value) = value {
                    fits(input.kinds, grids[*value].kind).map_err(|reason| {
                        step.wrong(input.name, format!("{} takes as {} {reason}", spec.id, input.name))
                    })?;
                }
            }
            let args = Args::complete(spec, step.given.clone()).map_err(wrong)?;
            let call_inputs: Vec<_> = inputs.iter().map(|i| i.map(|i| grids[i])).collect();
            on_one_grid(step.op, &call_inputs).map_err(|e| located(step, e))?;
            let alone = |i: &usize| step.op.takes_grid_alone(*i);
            let inputs: Vec<_> = (0..inputs.len()).map(|i| inputs[i].filter(|_| !alone(&i))).collect();
            let prepared = step.op.prepare(&Call { op: spec.id, args: &args, inputs: &call_inputs });
            let prepared = prepared.map_err(|e| located(step, e))?;
            let value = grids.len();
            grids.push(prepared.output);
            if matches!(spec.output, Produces::Same | Produces::Image(_)) {
                previous = value;
            }
            if let Some(name) = &step.name {
                if names.iter().any(|(n, _)| n == name) {
                    return Err(wrong(format!("there already is a \"{name}\"")));
                }
                names.push((name.clone(), value));
            }
            let given = args.iter().map(|(name, value)| (name, value.clone())).collect();
            resolved.steps.push(Step { given, ..step.clone() });
            steps.push(PlannedStep {
                op: spec.id,
                title: step.name.clone().unwrap_or_else(|| spec.id.to_owned()),
                produces: spec.output,
                inputs,
                prepared: Arc::new(prepared),
            });
        }
        Ok(Self { sources: sources.len(), steps, grids, resolved })
    }

    /// A sentence for each part of the work that may dominate a run, to be said before it.
    pub fn costs(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| &step.prepared.costs).map(String::as_str)
    }

    /// Number of the last image that is made; the first source if none is.
    pub fn last_image(&self) -> usize {
        (0..self.steps.len()).rev().find(|&i| self.makes_image(i)).map_or(0, |i| self.sources + i)
    }

    /// Whether a step makes an image.
    pub fn makes_image(&self, step: usize) -> bool {
        matches!(self.steps[step].produces, Produces::Same | Produces::Image(_))
    }

    /// The step after which each value is no longer read; `keep` are kept to the end.
    pub fn last_use(&self, keep: &[usize]) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.grids.len()).map(|v| v.saturating_sub(self.sources)).collect();
        for (number, step) in self.steps.iter().enumerate() {
            for value in step.inputs.iter().flatten() {
                last[*value] = last[*value].max(number);
            }
        }
        for value in keep {
            last[*value] = usize::MAX;
        }
        last
    }

    /// The same where a local step may be computed where it is read, so that its inputs are needed as long as it is.
    pub fn last_need(&self, keep: &[usize]) -> Vec<usize> {
        let mut last = self.last_use(keep);
        for (number, step) in self.steps.iter().enumerate().rev() {
            if matches!(step.prepared.kernel.mode(), Mode::Local(_)) {
                for value in step.inputs.iter().flatten() {
                    last[*value] = last[*value].max(last[self.sources + number]);
                }
            }
        }
        last
    }

    /// Bytes that a run in memory needs at its peak.
    pub fn memory(&self, keep: &[usize]) -> u64 {
        let bytes = |value: usize| {
            let grid = &self.grids[value];
            grid.shape.iter().map(|&n| n as u64).product::<u64>() * grid.voxel.size() as u64
        };
        let last = self.last_use(keep);
        let mut first_use = vec![usize::MAX; self.grids.len()];
        for (number, step) in self.steps.iter().enumerate().rev() {
            for value in step.inputs.iter().flatten() {
                if *value < self.sources {
                    first_use[*value] = number;
                }
            }
            if self.makes_image(number) {
                first_use[self.sources + number] = number;
            }
        }
        (0..self.steps.len())
            .map(|step| {
                let live: u64 = (0..self.grids.len())
                    .filter(|&v| first_use[v] <= step && step <= last[v])
                    .map(bytes)
                    .sum();
                let voxels: u64 = self.steps[step].inputs[0]
                    .map_or(0, |v| self.grids[v].shape.iter().map(|&n| n as u64).product());
                live + (self.steps[step].prepared.scratch * voxels as f64) as u64
            })
            .max()
            .unwrap_or(0)
    }
}

/// Whether an operator's further images lie on the grid of the first, where their voxels are of use.
fn on_one_grid(op: &dyn Operator, inputs: &[Option<Grid>]) -> Result<()> {
    let spec = op.spec();
    let Some(first) = inputs[0] else { return Ok(()) };
    for (i, input) in inputs.iter().enumerate().skip(1).filter(|(i, _)| !op.takes_grid_alone(*i)) {
        let Some(input) = input else { continue };
        let by_index = first.geometry.is_unstated() || input.geometry.is_unstated();
        let place = |g: &Grid| (g.shape, g.geometry);
        let fits = if by_index {
            covers(input.shape, first.shape)
        } else {
            let ((shape, geometry), (own, at)) = (place(&first), place(input));
            turn_onto((shape, &geometry), (own, &at)) == Some(Turn::NONE)
        };
        if !fits {
            let names = (spec.inputs[i].name, spec.inputs[0].name);
            let reason = apart(names.1, (input.shape, &input.geometry), (first.shape, &first.geometry));
            let reason = format!("{} {reason}", names.0);
            return Err(Error::Operator { op: spec.id, reason });
        }
    }
    Ok(())
}

/// What an operator says of its parameters, with the line of the parameter that it names, in a
/// step that has lines.
fn located(step: &Step, error: Error) -> Error {
    let reason = match &error {
        _ if step.line.is_none() => return error,
        Error::Usage(reason) => reason.clone(),
        Error::Operator { .. } => error.to_string(),
        _ => return error,
    };
    let names_it =
        |key: &&str| reason.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *key);
    // A message about a column is about columns.
    let plural = |key: &&str| key.strip_suffix('s').is_some_and(|key| names_it(&key));
    let key = step.lines.keys().find(|key| names_it(key) || plural(key)).copied().unwrap_or_default();
    step.wrong(key, reason)
}

fn inputs_of(step: &Step, names: &[(String, usize)], previous: usize) -> Result<Vec<Option<usize>>> {
    let spec = step.op.spec();
    let wrong = |reason: String| Error::recipe(step.line, reason);
    let look_up = |input: &str, name: &str| {
        names.iter().find(|(n, _)| n == name).map(|(_, value)| *value).ok_or_else(|| {
            let known = suggestion(name, names.iter().map(|(n, _)| n.as_str()));
            let all = names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ");
            step.wrong(input, format!("there is no image \"{name}\" at this step{known} (there are: {all})"))
        })
    };
    let first = step
        .inputs
        .get(spec.inputs[0].name)
        .map_or(Ok(previous), |name| look_up(spec.inputs[0].name, name))?;
    // What is measured on the image itself, which is then no intensity.
    let of_image = first == 0;
    spec.inputs
        .iter()
        .enumerate()
        .map(|(i, input)| match step.inputs.get(input.name) {
            _ if i == 0 => Ok(Some(first)),
            Some(name) => look_up(input.name, name).map(Some),
            None if input.name == "intensity" && of_image => Ok(look_up(input.name, input.name).ok()),
            None if input.name.starts_with("intensity") && of_image => Ok(None),
            None if input.name == "intensity" => Ok(Some(0)),
            // Further channels of the image are measured by themselves.
            None if input.name.starts_with("intensity_") => {
                let channel = input.name.trim_start_matches("intensity_");
                Ok(look_up(input.name, &format!("{IMAGE}:{channel}")).ok())
            }
            None if input.optional => Ok(None),
            None => {
                Err(wrong(format!("{} needs {} = \"name of an image\": {}", spec.id, input.name, input.help)))
            }
        })
        .collect()
}

fn fits(kinds: &[Kind], kind: Kind) -> Result<(), String> {
    if kinds.contains(&kind) || kinds.contains(&Kind::Grey) {
        return Ok(());
    }
    let wanted = kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
    let hint = match (kinds[0], kind) {
        (Kind::Mask, Kind::Grey) => "; put a threshold before it",
        (Kind::Labels, Kind::Mask) => "; put a label step before it",
        (Kind::Labels, Kind::Grey) => {
            "; put a threshold and a label step before it, or say --as labels if it holds labels"
        }
        _ => "",
    };
    Err(format!("{wanted}, not {}{hint}", kind.name()))
}
