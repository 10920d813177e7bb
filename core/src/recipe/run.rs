//! Runs a plan, whole in memory or block by block.

use super::Plan;
use crate::blocks::{Engine, Field, MemoryField, Ran};
use crate::measure::{Mesh, Table};
use crate::ops::{Mode, Output, Source};
use crate::{Job, Result, Volume};
use std::sync::Arc;

/// How to run.
#[derive(Debug, Clone)]
pub enum How {
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
pub fn run(plan: &Plan, sources: &[Arc<dyn Field>], keep: &[usize], how: &How, job: &Job) -> Result<Results> {
    assert_eq!(sources.len(), plan.sources, "the plan was made for these sources");
    match how {
        How::Memory => run_whole(plan, sources, keep, job),
        How::Blocks(engine) => run_blocks(plan, sources, keep, engine, job),
    }
}

fn run_whole(plan: &Plan, sources: &[Arc<dyn Field>], keep: &[usize], job: &Job) -> Result<Results> {
    let mut results = Results::default();
    let last = plan.last_use(keep);
    let mut values: Vec<Option<Arc<Volume>>> = vec![None; plan.grids.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        job.check()?;
        for &value in step.inputs.iter().flatten() {
            if values[value].is_none() && value < plan.sources {
                job.stage("read", plan.grids[value].shape.iter().map(|&n| n as u64).product());
                values[value] = Some(sources[value].read_all(job)?);
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
        let output = step.prepared.kernel.whole(std::mem::take(&mut inputs), job)?;
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

fn run_blocks(
    plan: &Plan,
    sources: &[Arc<dyn Field>],
    keep: &[usize],
    engine: &Engine,
    job: &Job,
) -> Result<Results> {
    let mut results = Results::default();
    let last = plan.last_use(keep);
    let mut values: Vec<Option<Arc<dyn Field>>> = sources.iter().cloned().map(Some).collect();
    values.resize(plan.grids.len(), None);
    // Halo that has been fused into each value that is still to be computed.
    let mut fused = vec![[0usize; 3]; plan.grids.len()];
    for (number, step) in plan.steps.iter().enumerate() {
        let value = plan.sources + number;
        let inputs: Vec<_> = step.inputs.iter().map(|v| v.and_then(|v| values[v].clone())).collect();
        let mode = step.prepared.kernel.mode();
        match engine.run(&step.title, step.prepared.clone(), inputs, job)? {
            Ran::Field(field) => {
                let mut field = field;
                if let Mode::Local(local) = mode {
                    let below = step.inputs.iter().flatten().map(|&v| fused[v]);
                    let below = below.fold([0; 3], |a, b| std::array::from_fn(|i| a[i].max(b[i])));
                    let halo: [usize; 3] = std::array::from_fn(|a| below[a] + local.halo()[a]);
                    // Computed where it is read, unless that would be done over and over.
                    let deep = (0..3).any(|a| halo[a] * 8 > engine.block[a]);
                    if reads(plan, value) > 1 || keep.contains(&value) || deep {
                        field = engine.materialise(&step.title, &*field, job)?;
                    } else {
                        fused[value] = halo;
                    }
                }
                values[value] = Some(field);
            }
            Ran::Output(output) => results.add(&step.title, output),
        }
        for v in 0..values.len() {
            if last[v] == number {
                values[v] = None;
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
