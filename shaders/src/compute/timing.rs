//! How fast the kernels are, for `cargo xtask bench gpu`.

use super::bricks::{self, Image};
use super::device::Failure;
use super::graph::Graph;
use super::{Computer, find_kernel, no_kernel};
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::blocks::RegionVoxels;
use voxelry_core::ops::{Args, Grid};
use voxelry_core::{Job, Region, Volume, VoxelType};

/// What a step takes on the device, with its image there already.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Seconds of its passes.
    pub seconds: f64,
    /// Bytes that the passes read and write at least: each image that they read once, and what they make.
    pub bytes: u64,
    /// Passes, if it runs brick by brick.
    pub passes: usize,
}

/// How often to run what took so many seconds: for half a second, and 20 times at most.
fn runs(seconds: f64) -> u32 {
    ((0.5 / seconds) as u32).clamp(1, 20)
}

impl Computer {
    /// Times the passes of a step on an image in memory, which must fit as one brick.
    ///
    /// # Errors
    /// What the device did not do.
    pub fn time(&self, op: &str, args: &Args, input: &Arc<Volume>, grid: Grid) -> Result<Timing, Failure> {
        let step = super::plan(&[(op, args)], grid).and_then(|mut p| p.pop()).ok_or_else(no_kernel)?;
        let kernel = find_kernel(op).ok_or_else(no_kernel)?;
        let part = RegionVoxels { region: Region::whole(grid.shape), voxels: input.clone() };
        let image = Image::Device(bricks::upload(&self.device, &Image::Host(part))?);
        let mut graph = Graph::default();
        let slot = graph.input(0, grid.voxel);
        let others = vec![None; step.inputs.len() - 1];
        if let Some(local) = kernel.local
            && local(&mut graph, slot, &step, &others).is_some()
        {
            return self.time_graph(&graph, &image, grid.shape);
        }
        let global = kernel.global.as_ref().ok_or_else(no_kernel)?;
        let others = vec![None; step.inputs.len() - 1];
        let run = || -> Result<(), Failure> {
            (global.run)(&self.device, &step, &image, &others, &self.limits, &Job::silent())?;
            self.device.finish(self.device.encoder())
        };
        run()?;
        let begun = Instant::now();
        run()?;
        let runs = runs(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        for _ in 0..runs {
            run()?;
        }
        let seconds = begun.elapsed().as_secs_f64() / f64::from(runs);
        let bytes = bricks::bytes(grid.shape, grid.voxel) + bricks::bytes(grid.shape, step.output.voxel);
        Ok(Timing { seconds, bytes, passes: 0 })
    }

    /// Times a kernel that copies voxels of a type.
    ///
    /// # Errors
    /// What the device did not do.
    pub fn time_copy(&self, input: &Arc<Volume>) -> Result<Timing, Failure> {
        let part = RegionVoxels { region: Region::whole(input.shape()), voxels: input.clone() };
        let image = Image::Device(bricks::upload(&self.device, &Image::Host(part))?);
        let mut graph = Graph::default();
        let slot = graph.input(0, input.voxel_type());
        graph.copied(slot);
        self.time_graph(&graph, &image, input.shape())
    }

    fn time_graph(&self, graph: &Graph, image: &Image, shape: [usize; 3]) -> Result<Timing, Failure> {
        let images = [image.clone()];
        let run = || bricks::run_resident(&self.device, graph, &images, shape);
        let timed = |runs: u32| -> Result<f64, Failure> {
            let begun = Instant::now();
            for _ in 0..runs {
                run()?;
            }
            self.device.finish(self.device.encoder())?;
            Ok(begun.elapsed().as_secs_f64() / f64::from(runs))
        };
        // The first run makes the pipelines.
        timed(1)?;
        let seconds = timed(runs(timed(1)?))?;
        let size = |voxel: VoxelType| bricks::bytes(shape, voxel);
        let passes: Vec<_> = graph.passes().collect();
        let bytes = passes
            .iter()
            .map(|(slot, pass)| {
                size(graph.voxel(*slot)) + pass.inputs.iter().map(|i| size(graph.voxel(*i))).sum::<u64>()
            })
            .sum();
        Ok(Timing { seconds, bytes, passes: passes.len() })
    }
}
