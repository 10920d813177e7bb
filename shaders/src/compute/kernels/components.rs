//! GPU kernels of connected components and of seeds that grow.

use super::statistics::{of, uniforms};
use super::{Global, packed};
use crate::compute::bricks::{Image, Limits, Resident, bytes, stride, upload};
use crate::compute::device::{Device, Failure, Held};
use crate::compute::graph::whole;
use std::sync::Arc;
use voxelry_core::algorithms::components::Connectivity;
use voxelry_core::blocks::Step;
use voxelry_core::{Job, VoxelType};

const UNITE: &str = include_str!("../../../wgsl/compute/unite.wgsl");
const ROOTS: &str = include_str!("../../../wgsl/compute/roots.wgsl");
const STEP: &str = include_str!("../../../wgsl/compute/grow.wgsl");

pub const LABEL: Global = Global { takes: fits, run: label };
pub const GROW: Global = Global { takes: grows, run: grow };

/// Voxels of which one invocation counts and numbers the roots.
const BLOCK: usize = 1024;

/// Steps of growth between two looks at whether anything grows still.
const STEPS: u32 = 16;

fn fits(step: &Step, limits: &Limits) -> bool {
    step.inputs[0].is_some_and(|g| {
        let labels = bytes(g.shape, VoxelType::U32);
        labels <= limits.buffer && 3 * labels <= limits.total
    })
}

fn grows(step: &Step, limits: &Limits) -> bool {
    step.inputs[0].is_some_and(|g| 2 * bytes(g.shape, VoxelType::U32) + 4 <= limits.buffer)
}

/// Neighbours as the kernels read them.
fn neighbours(steps: Vec<[isize; 3]>) -> Vec<u32> {
    let mut table = vec![steps.len() as u32];
    table.extend(steps.into_iter().map(packed));
    table
}

/// Which voxels are connected to a neighbour: those of a mask that are not 0, or of the same label.
fn same(voxel: VoxelType) -> &'static str {
    if voxel == VoxelType::U8 { "a_at(j) != 0u" } else { "a_at(j) == own" }
}

/// The shaders, for tests.
pub fn shaders(voxel: VoxelType) -> Vec<(&'static str, String)> {
    let mut all: Vec<_> = ["begin", "flatten", "count", "number", "spread"]
        .map(|step| (step, whole(&ROOTS.replace("STEP", step), &[voxel], false)))
        .into();
    all.push(("unite", whole(&UNITE.replace("SAME", same(voxel)), &[voxel], false)));
    all.push(("grow", whole(STEP, &[voxel], false)));
    all
}

fn label(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    _: &[Option<Image>],
    _: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let (shape, voxel) = (on.shape, on.voxel);
    let voxels = shape[0] * shape[1] * stride(shape[2]);
    let blocks = voxels.div_ceil(BLOCK);
    let preceding = neighbours(Connectivity::of(&step.args, "connectivity").preceding());
    let roots = |name: &str| whole(&ROOTS.replace("STEP", name), &[voxel], false);
    let (forest, coming) = device.guarded(|| {
        let forest = device.buffer(4 * voxels as u64);
        let table = device.words(&preceding);
        let counts = device.buffer(4 * blocks as u64);
        let mut encoder = device.encoder();
        let all = voxels as u64;
        let mut on_forest = |name: &'static str, shader: &str| {
            let pipeline = device.pipeline(name, shader);
            let bound = [&*forest, &table, &on.buffer];
            device.record(&mut encoder, &pipeline, uniforms(shape, [0; 3]), &bound, all);
        };
        on_forest("components: begin", &roots("begin"));
        on_forest("components: unite", &whole(&UNITE.replace("SAME", same(voxel)), &[voxel], false));
        on_forest("components: flatten", &roots("flatten"));
        let pipeline = device.pipeline("components: count", &roots("count"));
        let bound = [&*counts, &table, &on.buffer, &forest];
        device.record(&mut encoder, &pipeline, uniforms(shape, [0; 3]), &bound, blocks as u64);
        let coming = device.fetch(encoder, &counts, 4 * blocks as u64);
        Ok((forest, coming))
    })?;
    let counts: Vec<u32> = coming.wait(device, bytemuck::pod_collect_to_vec)?;
    // The number of the last root before each block.
    let mut next = 0;
    let bases: Vec<u32> = counts
        .iter()
        .map(|n| {
            let base = next;
            next += n;
            base
        })
        .collect();
    let buffer = device.guarded(|| {
        let labels = device.buffer(4 * voxels as u64);
        let bases = device.words(&bases);
        let mut encoder = device.encoder();
        let bound = [&*labels, &bases, &on.buffer, &forest];
        for (name, threads) in [("number", blocks), ("spread", voxels)] {
            let pipeline = device.pipeline("components: number", &roots(name));
            device.record(&mut encoder, &pipeline, uniforms(shape, [0; 3]), &bound, threads as u64);
        }
        device.gpu.queue.submit([encoder.finish()]);
        Ok(labels)
    })?;
    job.advance(shape.iter().product::<usize>() as u64);
    Ok(Image::Device(Arc::new(Resident { buffer, shape, voxel: VoxelType::U32 })))
}

/// Where seeds may grow, as a mask on the device.
fn region(
    device: &Arc<Device>,
    step: &Step,
    others: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Option<Image>, Failure> {
    let (min, max) = (step.args.float("min"), step.args.float("max"));
    let within = match &others[0] {
        None => None,
        Some(image) => Some(super::statistics::finished(device, image, limits, job, |graph, of| {
            super::intensity::within(graph, of, min, max)
        })?),
    };
    let (Some(within), Some(mask)) = (&within, &others[1]) else {
        return Ok(within.or_else(|| others[1].clone()));
    };
    // Both: the one where the other is not 0.
    let mut graph = crate::compute::graph::Graph::default();
    let (a, b) = (graph.input(0, VoxelType::U8), graph.input(1, of(mask).1));
    let code = "    return select(0u, v, OTHER_bits(at) != 0u);\n";
    let mut point = super::number::bitwise(VoxelType::U8, vec![], code);
    point.other = Some(b);
    graph.point(a, point);
    let images = [within.clone(), mask.clone()];
    let shape = of(within).0;
    Ok(Some(Image::Device(Arc::new(crate::compute::bricks::run_resident(device, &graph, &images, shape)?))))
}

fn grow(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    others: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let seeds = match image {
        Image::Host(part) => part.voxels.clone(),
        Image::Device(resident) => Arc::new(crate::compute::bricks::download(device, resident)?),
    };
    let shape = seeds.shape();
    let pitch = stride(shape[2]);
    let voxels = shape[0] * shape[1] * pitch;
    let region = match region(device, step, others, limits, job)? {
        Some(image) => upload(device, &image)?,
        None => {
            let ones = voxelry_core::Volume::U8(ndarray::Array3::from_elem(shape, 1));
            let part = voxelry_core::blocks::RegionVoxels {
                region: voxelry_core::Region::whole(shape),
                voxels: Arc::new(ones),
            };
            upload(device, &Image::Host(part))?
        }
    };
    // Seeds outside the region are left out.
    let inside = crate::compute::bricks::download(device, &region)?;
    let mut start = vec![0u32; 2 * voxels + 1];
    let values = super::number::bits(&seeds);
    for (i, (seed, inside)) in values.iter().zip(super::number::bits(&inside)).enumerate() {
        if *seed != 0 && inside != 0 {
            let at = i / shape[2] * pitch + i % shape[2];
            start[at] = *seed;
            start[voxels + at] = 1;
        }
    }
    let table = neighbours(Connectivity::of(&step.args, "connectivity").neighbours());
    let most =
        step.args.maybe_int("steps").map_or(u32::MAX - 1, |s| u32::try_from(s).unwrap_or(u32::MAX - 1));
    let shader = whole(STEP, &[region.voxel], false);
    let (made, table): (Held, Held) = device.guarded(|| Ok((device.words(&start), device.words(&table))))?;
    let mut done = 0u32;
    while done < most {
        if job.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let steps = STEPS.min(most - done);
        let coming = device.guarded(|| {
            let flag = 8 * voxels as u64;
            device.gpu.queue.write_buffer(&made, flag, &[0; 4]);
            let pipeline = device.pipeline("grow", &shader);
            let mut encoder = device.encoder();
            for i in 0..steps {
                let uniforms = uniforms(shape, [done + i + 2, 0, 0]);
                device.record(
                    &mut encoder,
                    &pipeline,
                    uniforms,
                    &[&made, &table, &region.buffer],
                    voxels as u64,
                );
            }
            let told = device.buffer(4);
            encoder.copy_buffer_to_buffer(&made, flag, &told, 0, 4);
            Ok(device.fetch(encoder, &told, 4))
        })?;
        done += steps;
        if coming.wait(device, |bytes| bytes[..4] == [0; 4])? {
            break;
        }
    }
    job.advance(values.len() as u64);
    Ok(Image::Device(Arc::new(Resident { buffer: made, shape, voxel: VoxelType::U32 })))
}
