//! Runs a plan, whole in memory or block by block.

use super::Plan;
use crate::blocks::{Engine, StepOutput, Storage};
use crate::program::{
    Accelerator, Chain, Field, LocalField, MemoryField, Mode, Output, RegionVoxels, Source, Step,
};
use crate::table::{Mesh, Table};
use crate::{Job, Region, Result, Volume};
use std::sync::Arc;

/// How to run.
#[derive(Debug, Clone)]
pub enum ExecutionMode {
    /// All in memory.
    Memory,
    /// Block by block.
    Blocks(Engine),
}

/// What a run made.
#[derive(Default)]
pub struct Results {
    /// The values that were to be kept, in the order asked for.
    pub images: Vec<Arc<dyn Field>>,
    /// Tables, each with the title of its step.
    pub tables: Vec<(String, Table)>,
    /// Meshes, each with the title of its step.
    pub meshes: Vec<(String, Mesh)>,
}

impl Results {
    fn add(&mut self, title: &str, output: Output) {
        match output {
            Output::Tables(tables) => self.tables.extend(tables.into_iter().map(|t| (title.to_owned(), t))),
            Output::Mesh(mesh) => self.meshes.push((title.to_owned(), mesh)),
            Output::Volume(_) => unreachable!("images are values of the plan"),
        }
    }
}

/// Runs a plan on its sources and returns the values in `keep`, and all tables and meshes.
///
/// # Errors
/// What an operator cannot do, an unreadable source, a full disk, or [`crate::Error::Cancelled`].
pub fn run(
    plan: &Plan,
    sources: &[Arc<dyn Field>],
    keep: &[usize],
    execution: &ExecutionMode,
    job: &Job,
) -> Result<Results> {
    run_on(plan, sources, keep, execution, None, job)
}

/// The same, where an accelerator may run steps.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    plan: &Plan,
    sources: &[Arc<dyn Field>],
    keep: &[usize],
    execution: &ExecutionMode,
    accelerator: Option<&Arc<dyn Accelerator>>,
    job: &Job,
) -> Result<Results> {
    assert_eq!(sources.len(), plan.sources, "the plan was made for these sources");
    match execution {
        ExecutionMode::Memory => run_whole(plan, sources, keep, accelerator.map(|a| &**a), job),
        ExecutionMode::Blocks(engine) => run_blocks(plan, sources, keep, engine, accelerator, job),
    }
}

/// The steps from `number` on of which each but the first is alone in reading the one before, as its first input.
fn chain_from(plan: &Plan, number: usize, last: &[usize]) -> Vec<Step> {
    let mut chain = Vec::new();
    for next in number..plan.steps.len() {
        let inputs = &plan.steps[next].inputs;
        let before = plan.sources + next - 1;
        let follows = next == number
            || inputs[0] == Some(before)
                && last[before] == next
                && inputs[1..].iter().flatten().all(|v| *v < plan.sources + number);
        let step = plan.step(next);
        if !follows || !plan.makes_image(next) || !step.keeps_shape() {
            break;
        }
        chain.push(step);
    }
    chain
}

fn run_whole(
    plan: &Plan,
    sources: &[Arc<dyn Field>],
    keep: &[usize],
    accelerator: Option<&dyn Accelerator>,
    job: &Job,
) -> Result<Results> {
    let mut results = Results::default();
    let last = plan.last_use(keep);
    let mut values: Vec<Option<Arc<Volume>>> = vec![None; plan.grids.len()];
    // The first step that an accelerator has not been asked for, or has not made.
    let (mut asked, mut made) = (0, 0);
    for (number, step) in plan.steps.iter().enumerate() {
        job.check()?;
        if number < made {
            continue;
        }
        let mut taken = Vec::new();
        if let Some(accelerator) = accelerator.filter(|_| number >= asked) {
            taken = chain_from(plan, number, &last);
            let steps: Vec<&Step> = taken.iter().collect();
            let whole = Region::whole(plan.grids[plan.sources + number].shape);
            let count = if steps.is_empty() { 0 } else { accelerator.takes(&steps, whole) };
            taken.truncate(count);
        }
        let end = number + taken.len().max(1);
        for &value in plan.steps[number..end].iter().flat_map(|s| s.inputs.iter().flatten()) {
            if values[value].is_none() && value < plan.sources {
                job.stage("read", plan.grids[value].shape.iter().map(|&n| n as u64).product());
                values[value] = Some(sources[value].read_all(job)?);
            }
        }
        if let Some(accelerator) = accelerator.filter(|_| !taken.is_empty()) {
            asked = end;
            if let Some(volume) = accelerate(plan, number, &taken, &values, accelerator, job) {
                values[plan.sources + end - 1] = Some(Arc::new(volume?));
                for value in 0..plan.sources + end - 1 {
                    if last[value] < end {
                        values[value] = None;
                    }
                }
                made = end;
                continue;
            }
        }
        // An input that is read here for the last time is handed over, to be worked on in place.
        let mut inputs: Vec<_> = step.inputs.iter().map(|v| v.and_then(|v| values[v].clone())).collect();
        for value in 0..values.len() {
            if last[value] == number {
                values[value] = None;
            }
        }
        let voxels = plan.grids[plan.sources + number].shape.iter().map(|&n| n as u64).product();
        job.stage(step.title.clone(), voxels);
        let output = step.prepared.kernel.whole_on(std::mem::take(&mut inputs), accelerator, job)?;
        if plan.makes_image(number) {
            values[plan.sources + number] = Some(Arc::new(output.into_volume()));
        } else {
            results.add(&step.title, output);
        }
    }
    for &value in keep {
        results.images.push(match values[value].take() {
            Some(volume) => {
                let field = Arc::new(MemoryField::new(volume.clone(), plan.grids[value]));
                values[value] = Some(volume);
                field
            }
            None => sources[value].clone(),
        });
    }
    Ok(results)
}

/// What an accelerator makes of whole volumes; `None` if it can't after all.
fn accelerate(
    plan: &Plan,
    number: usize,
    taken: &[Step],
    values: &[Option<Arc<Volume>>],
    accelerator: &dyn Accelerator,
    job: &Job,
) -> Option<Result<Volume>> {
    let planned = &plan.steps[number..number + taken.len()];
    let part = |value: usize| {
        let voxels = values[value].clone()?;
        Some(RegionVoxels { region: Region::whole(voxels.shape()), voxels })
    };
    let input = planned[0].inputs[0].and_then(part)?;
    let others = planned.iter().map(|s| s.inputs[1..].iter().map(|v| v.and_then(part)).collect()).collect();
    let out = input.region;
    let titles: Vec<&str> = planned.iter().map(|s| s.title.as_str()).collect();
    job.stage(titles.join(" + "), out.len() as u64);
    let steps: Vec<&Step> = taken.iter().collect();
    accelerator.run(&Chain { steps: &steps, input, others, out }, job)
}

fn run_blocks(
    plan: &Plan,
    sources: &[Arc<dyn Field>],
    keep: &[usize],
    engine: &Engine,
    accelerator: Option<&Arc<dyn Accelerator>>,
    job: &Job,
) -> Result<Results> {
    let mut results = Results::default();
    let last = plan.last_need(keep);
    let mut values: Vec<Option<Arc<dyn Field>>> = sources.iter().cloned().map(Some).collect();
    values.resize(plan.grids.len(), None);
    // Halo that has been fused into each value that is still to be computed.
    let mut fused = vec![[0usize; 3]; plan.grids.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        let value = plan.sources + number;
        let inputs: Vec<_> = step.inputs.iter().map(|v| v.and_then(|v| values[v].clone())).collect();
        let mode = step.prepared.kernel.mode();
        let ran = match (&mode, accelerator) {
            (Mode::Local(_), Some(accelerator)) => {
                let field = LocalField::new(step.prepared.clone(), inputs);
                StepOutput::Field(Arc::new(field.accelerated(plan.step(number), accelerator.clone())))
            }
            _ => engine.run((number, &step.title), step.prepared.clone(), inputs, job)?,
        };
        match ran {
            StepOutput::Field(field) => {
                let mut field = field;
                if let Mode::Local(local) = mode {
                    let below = step.inputs.iter().flatten().map(|&v| fused[v]);
                    let below = below.fold([0; 3], |a, b| std::array::from_fn(|i| a[i].max(b[i])));
                    let halo: [usize; 3] = std::array::from_fn(|a| below[a] + local.halo()[a]);
                    // Computed where it is read, unless that would be done over and over.
                    let deep = (0..3).any(|a| halo[a] * 8 > engine.block[a]);
                    if reads(plan, value) > 1 || keep.contains(&value) || deep {
                        field = engine.materialise((number, &step.title), field, job)?;
                    } else {
                        fused[value] = halo;
                    }
                }
                values[value] = Some(field);
            }
            StepOutput::Output(output) => results.add(&step.title, output),
        }
        for v in 0..values.len() {
            if last[v] == number {
                values[v] = None;
                if let (Storage::Checkpoint(checkpoint), Some(step)) =
                    (&engine.storage, v.checked_sub(plan.sources))
                {
                    checkpoint.forget(step)?;
                }
            }
        }
    }
    for &value in keep {
        results.images.push(values[value].clone().expect("kept values live to the end"));
    }
    Ok(results)
}

/// How often the blocks of a value are read by later steps.
fn reads(plan: &Plan, value: usize) -> usize {
    plan.steps
        .iter()
        .map(|step| {
            step.inputs
                .iter()
                .enumerate()
                .filter(|(_, v)| **v == Some(value))
                .map(|(input, _)| match step.prepared.kernel.mode() {
                    Mode::Local(_) => 1,
                    Mode::Program(program) => program
                        .phases()
                        .iter()
                        .flat_map(|p| p.reads.clone())
                        .filter(|r| matches!(r, Source::Input(i, _) if *i == input))
                        .count(),
                })
                .sum::<usize>()
        })
        .sum()
}
