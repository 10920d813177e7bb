//! Operators on the device: WGSL kernels of those of the core, with the same result.
//!
//! A chain of steps becomes passes ([`graph`]); the image goes up in bricks with the halo that all passes need
//! together, stays in storage buffers in its own width while they run, and comes down once ([`bricks`]). Steps
//! from voxel to voxel ride on the pass before them; of images of up to 16 bits they are one table, however many
//! there are. Which operators have GPU kernels is the table [`GPU_KERNELS`]; [`Computer`] runs chains of them; what it cannot
//! do it leaves to the operators.
//!
//! The limits of the WebGPU baseline suffice: storage bindings of 128 MiB, workgroups of 64, no numbers of 64
//! bits. Operators that calculate in `f64` have GPU kernels that do so in pairs of words, bit by bit (`double.wgsl`).
//!
//! ```no_run
//! use voxelry_core::ops::{Args, Grid};
//! # fn f(args: Args, volume: std::sync::Arc<voxelry_core::Volume>, grid: Grid, job: &voxelry_core::Job) {
//! use voxelry_shaders::{compute::Computer, gpu::Gpu};
//! let Ok(gpu) = Gpu::headless() else { return };
//! let computer = Computer::new(gpu);
//! // `None` if a step has no GPU kernel or the device fails: run it on the processor then.
//! let made = computer.run(&[("gaussian", &args)], volume, grid, job);
//! # }
//! ```

mod bricks;
mod choose;
mod device;
mod graph;
mod kernels;
mod model;
mod pyramid;
mod sums;
mod timing;

pub use bricks::Limits;
pub use choose::{Choice, Chosen, adapters};
pub use device::Failure;
pub use kernels::{Bound, GPU_KERNELS, GpuKernel, find as find_kernel, whole_shaders};
pub use model::Estimate;
pub use pyramid::shader as pyramid_shader;
pub use sums::{by_processor as sums_by_processor, channel_shader, rows as sums_rows, shader as sums_shader};
pub use timing::Timing;

use crate::gpu::Gpu;
use bricks::Image;
use graph::{Graph, Node};
use std::sync::{Arc, Mutex, PoisonError};
use voxelry_core::blocks::{Chain, RegionVoxels, Step};
use voxelry_core::ops::{Args, Call, Grid, find as find_operator};
use voxelry_core::{Error, Job, Region, Result, Volume};

/// Bytes of all buffers of a brick, unless said otherwise.
const TOTAL: u64 = 512 << 20;

/// A device that runs chains of steps. It may be shared by threads; one chain runs at a time.
pub struct Computer {
    device: Arc<device::Device>,
    limits: Limits,
    model: model::Model,
    turn: Mutex<()>,
}

impl Computer {
    /// A computer on a device.
    pub fn new(gpu: Gpu) -> Self {
        let device = device::Device::new(gpu);
        let limits = Limits { buffer: device.largest(), total: TOTAL, brick: None };
        Self { device, limits, model: model::Model::default(), turn: Mutex::new(()) }
    }

    /// The same with other limits: bytes of all buffers, and the largest brick.
    pub fn limited(mut self, total: u64, brick: Option<[usize; 3]>) -> Self {
        self.limits = Limits { total, brick, ..self.limits };
        self
    }

    /// The same with buffers of at most `total` bytes, and no more than is good for a device.
    pub fn within(self, total: u64) -> Self {
        let total = total.min(self.limits.total);
        self.limited(total, None)
    }

    /// What the device is called, and whether it is software.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.device.gpu.info
    }

    /// Whether the device is gone for good.
    pub fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    /// How many of the steps, from the first on, have GPU kernels that can make the region `out`.
    pub fn takes(&self, steps: &[&Step], out: Region) -> usize {
        if self.is_lost() || steps.first().is_none_or(|s| s.inputs[0].is_none_or(|g| g.shape.contains(&0))) {
            return 0;
        }
        steps.iter().take_while(|step| self.has_kernel(step, out)).count()
    }

    fn has_kernel(&self, step: &Step, out: Region) -> bool {
        let Some(kernel) = find_kernel(step.op) else { return false };
        let types = step.inputs.iter().flatten().map(|g| g.voxel).chain([step.output.voxel]);
        if !step.keeps_shape() || !types.into_iter().all(kernels::holds) {
            return false;
        }
        let mut graph = Graph::default();
        let slots: Vec<_> =
            step.inputs.iter().enumerate().map(|(i, grid)| grid.map(|g| graph.input(i, g.voxel))).collect();
        let Some(of) = slots[0] else { return false };
        let local = kernel.local.and_then(|build| build(&mut graph, of, step, &slots[1..]));
        let whole = out == Region::whole(step.output.shape);
        local.is_some() || whole && kernel.global.as_ref().is_some_and(|g| (g.takes)(step, &self.limits))
    }

    /// Runs a chain. `None` if a step has no GPU kernel, or the device failed; the operators must do it then.
    pub fn run_chain(&self, chain: &Chain, job: &Job) -> Option<Result<Volume>> {
        if self.takes(chain.steps, chain.out) < chain.steps.len() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.execute(chain, job) {
            Ok(volume) => Some(Ok(volume)),
            Err(Failure::Cancelled) => Some(Err(Error::Cancelled)),
            Err(failure) => {
                job.note(format!("{}: {failure}; the processor goes on", self.info().name));
                None
            }
        }
    }

    /// Runs steps, each with its complete arguments, on a whole image. `None` as for [`Computer::run_chain`], or
    /// if an operator refuses its arguments.
    pub fn run(
        &self,
        steps: &[(&str, &Args)],
        input: Arc<Volume>,
        grid: Grid,
        job: &Job,
    ) -> Option<Result<Volume>> {
        let planned = plan(steps, grid)?;
        let steps: Vec<&Step> = planned.iter().collect();
        let out = Region::whole(grid.shape);
        let others = steps.iter().map(|s| vec![None; s.inputs.len() - 1]).collect();
        let input = RegionVoxels { region: out, voxels: input };
        self.run_chain(&Chain { steps: &steps, input, others, out }, job)
    }

    fn execute(&self, chain: &Chain, job: &Job) -> Result<Volume, Failure> {
        let shape = chain.steps[0].inputs[0].map_or([0; 3], |g| g.shape);
        let mut building = Building::on(Image::Host(chain.input.clone()));
        for (step, others) in chain.steps.iter().zip(&chain.others) {
            let kernel = find_kernel(step.op).ok_or_else(no_kernel)?;
            let slots: Vec<_> =
                others.iter().map(|o| o.clone().map(|part| building.add(Image::Host(part)))).collect();
            let of = building.graph.top;
            if let Some(local) = kernel.local
                && local(&mut building.graph, of, step, &slots).is_some()
            {
                continue;
            }
            let global = kernel.global.as_ref().ok_or_else(no_kernel)?;
            let image = building.finish(self, shape, job)?;
            let others: Vec<_> = others.iter().map(|o| o.clone().map(Image::Host)).collect();
            let made = (global.run)(&self.device, step, &image, &others, &self.limits, job)?;
            building = Building::on(made);
        }
        let Building { graph, images } = building;
        match (&graph.nodes[graph.top], &images[0]) {
            (Node::Input(..), Image::Device(resident)) => bricks::download(&self.device, resident),
            (Node::Input(..), Image::Host(part)) => Ok((*part.voxels).clone()),
            _ => bricks::run(&self.device, &graph, &images, shape, chain.out, &self.limits, job),
        }
    }
}

fn no_kernel() -> Failure {
    Failure::Refused("no GPU kernel".into())
}

/// A graph that grows, and the images that it reads.
struct Building {
    graph: Graph,
    images: Vec<Image>,
}

impl Building {
    fn on(image: Image) -> Self {
        let mut building = Self { graph: Graph::default(), images: Vec::new() };
        building.graph.top = building.add(image);
        building
    }

    fn add(&mut self, image: Image) -> usize {
        let voxel = match &image {
            Image::Host(part) => part.voxels.voxel_type(),
            Image::Device(resident) => resident.voxel,
        };
        self.images.push(image);
        self.graph.input(self.images.len() - 1, voxel)
    }

    /// The whole image that the graph makes: on the device if it fits.
    fn finish(self, computer: &Computer, shape: [usize; 3], job: &Job) -> Result<Image, Failure> {
        let (device, limits) = (&computer.device, &computer.limits);
        if matches!(self.graph.nodes[self.graph.top], Node::Input(..)) {
            return Ok(self.images[0].clone());
        }
        if bricks::fits_whole(&self.graph, shape, limits) {
            let made = bricks::run_resident(device, &self.graph, &self.images, shape)?;
            return Ok(Image::Device(Arc::new(made)));
        }
        let region = Region::whole(shape);
        let volume = bricks::run(device, &self.graph, &self.images, shape, region, limits, &job.part())?;
        Ok(Image::Host(RegionVoxels { region, voxels: Arc::new(volume) }))
    }
}

/// Steps of one image as an accelerator sees them; `None` if an operator is not known or refuses.
pub fn plan(steps: &[(&str, &Args)], grid: Grid) -> Option<Vec<Step>> {
    let mut at = grid;
    let mut planned = Vec::new();
    for (id, args) in steps {
        let operator = find_operator(id)?;
        let spec = operator.spec();
        let mut inputs = vec![None; spec.inputs.len()];
        inputs[0] = Some(at);
        let prepared = operator.prepare(&Call { op: spec.id, args, inputs: &inputs }).ok()?;
        let step = Step { op: spec.id, args: (*args).clone(), inputs, output: prepared.output };
        at = step.output;
        planned.push(step);
    }
    Some(planned)
}

/// The shader of every pass that a step makes, for tests; `None` if it makes none.
pub fn shaders_of(step: &Step) -> Option<Vec<(String, String)>> {
    let mut graph = Graph::default();
    let slots: Vec<_> =
        step.inputs.iter().enumerate().map(|(i, g)| g.map(|g| graph.input(i, g.voxel))).collect();
    match find_kernel(step.op)?.local {
        Some(local) => local(&mut graph, slots[0]?, step, &slots[1..])?,
        None => kernels::passes_of_whole(&mut graph, slots[0]?, step)?,
    };
    let pass = |node: &Node| match node {
        Node::Pass(pass) => Some((pass.name.to_owned(), graph.shader(pass).0)),
        Node::Input(..) => None,
    };
    Some(graph.nodes.iter().filter_map(pass).collect())
}
