//! Times the kernels on the device beside a copy on the same device, and beside the operators on the processor:
//! `cargo xtask bench gpu` runs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::ops::{Args, Call, Grid, Kind, Value, find};
use voxelry_core::{Geometry, Job, Volume, VoxelType};
use voxelry_shaders::compute::{Choice, Computer, adapters, sums_by_processor, sums_rows};
use voxelry_shaders::gpu::Gpu;

/// What is timed: operator, its arguments, kind and type of the image.
const CASES: &[(&str, &str, Kind, VoxelType)] = &[
    ("threshold", "min=20000", Kind::Grey, VoxelType::U16),
    ("threshold", "min=20000", Kind::Grey, VoxelType::F32),
    ("clip", "min=1000 max=40000", Kind::Grey, VoxelType::F32),
    ("rescale", "from=0 to=50000 type=f32", Kind::Grey, VoxelType::U16),
    ("rescale", "from=0 to=50000", Kind::Grey, VoxelType::F32),
    ("gaussian", "sigma=1", Kind::Grey, VoxelType::U16),
    ("gaussian", "sigma=2", Kind::Grey, VoxelType::F32),
    ("mean", "radius=2", Kind::Grey, VoxelType::U16),
    ("median", "radius=1", Kind::Grey, VoxelType::U16),
    ("median", "radius=2", Kind::Grey, VoxelType::U8),
    ("gradient-magnitude", "sigma=1", Kind::Grey, VoxelType::F32),
    ("bilateral", "sigma=1 range=3000", Kind::Grey, VoxelType::F32),
    ("erode", "radius=2", Kind::Grey, VoxelType::U16),
    ("dilate", "radius=2", Kind::Mask, VoxelType::U8),
    ("open", "shape=box radius=2", Kind::Mask, VoxelType::U8),
    ("boundaries", "", Kind::Mask, VoxelType::U8),
    ("otsu", "", Kind::Grey, VoxelType::U16),
    ("label", "", Kind::Mask, VoxelType::U8),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1));
    let edge: usize = after("--size").map_or(Ok(192), |n| n.parse())?;
    let only = after("--only").map_or("", String::as_str);
    let gpu = match after("--device").map(|d| d.parse::<Choice>()).transpose()? {
        Some(Choice::Gpu(Some(n))) => Gpu::of(adapters().get(n).ok_or("there is no such device")?)?,
        _ => Gpu::headless()?,
    };
    let computer = Computer::new(gpu);
    let info = computer.info();
    println!("{} ({:?}, {}), {edge}³ voxels\n", info.name, info.device_type, info.driver_info);
    println!(
        "| kernel | voxels | passes | device ms | GB/s | of a copy | with transfers ms | processor ms |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    for voxel in [VoxelType::U8, VoxelType::U16, VoxelType::F32] {
        let copy = computer.time_copy(&image(edge, Kind::Grey, voxel))?;
        let rate = copy.bytes as f64 / copy.seconds / 1e9;
        println!("| copy | {voxel} | 1 | {:.2} | {rate:.2} | 100 % | | |", 1e3 * copy.seconds);
    }
    for (op, text, kind, voxel) in CASES.iter().filter(|c| c.0.contains(only)) {
        let volume = image(edge, *kind, *voxel);
        let grid = Grid { shape: [edge; 3], voxel: *voxel, kind: *kind, geometry: Geometry::default() };
        let args = arguments_of(op, text)?;
        let copy = computer.time_copy(&volume)?;
        let timing = computer.time(op, &args, &volume, grid)?;
        let job = Job::silent();
        let run = || computer.run(&[(op, &args)], volume.clone(), grid, &job);
        run().ok_or("nothing was made")??;
        let begun = Instant::now();
        run().ok_or("nothing was made")??;
        let whole = begun.elapsed().as_secs_f64();
        let processor = processor(op, &args, &volume, grid)?;
        let rate = |t: voxelry_shaders::compute::Timing| t.bytes as f64 / t.seconds / 1e9;
        println!(
            "| {op} {text} | {kind} {voxel} | {} | {:.2} | {:.2} | {:.0} % | {:.1} | {:.1} |",
            timing.passes,
            1e3 * timing.seconds,
            rate(timing),
            100.0 * rate(timing) / rate(copy),
            1e3 * whole,
            1e3 * processor,
            kind = kind.name(),
        );
    }
    // Sums of objects come down as a table: what is timed has the image going up in it.
    let grey = image(edge, Kind::Grey, VoxelType::U16);
    for (kind, moments, channels) in
        [("mask", true, 0), ("labels", false, 0), ("labels", true, 0), ("labels", true, 1)]
    {
        if !"sums".contains(only) {
            continue;
        }
        let volume = match kind {
            "mask" => image(edge, Kind::Mask, VoxelType::U8),
            _ => Arc::new(Volume::U32(ndarray::Array3::from_shape_fn([edge; 3], |(z, y, x)| {
                ((z / 12 * 100 + y / 12) * 100 + x / 12) as u32 % 5000
            }))),
        };
        let channels = vec![&*grey; channels];
        let (job, mut times) = (Job::silent(), [f64::INFINITY; 2]);
        for _ in 0..3 {
            let begun = Instant::now();
            let made = computer.sums(&volume, &channels, moments, &job).ok_or("nothing was made")??;
            times[0] = times[0].min(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            let expected = sums_by_processor(&volume, &channels, moments, &job);
            times[1] = times[1].min(begun.elapsed().as_secs_f64());
            if expected.map(|e| sums_rows(&e)) != Some(sums_rows(&made)) {
                return Err("the sums are others".into());
            }
        }
        let what = match (moments, channels.is_empty()) {
            (false, _) => "sums",
            (true, true) => "sums with second moments",
            (true, false) => "the same and those of u16 intensities",
        };
        let [whole, processor] = times.map(|t| 1e3 * t);
        println!("| {what} | {kind} {} | 1 | | | | {whole:.1} | {processor:.1} |", volume.voxel_type());
    }
    Ok(())
}

fn arguments_of(op: &str, text: &str) -> Result<Args, String> {
    let spec = find(op).ok_or("no such operator")?.spec();
    let mut given = BTreeMap::new();
    for (name, value) in text.split_whitespace().filter_map(|p| p.split_once('=')) {
        let param = spec.param(name).ok_or("no such parameter")?;
        given.insert(param.name, Value::parse(&param.ty, value)?);
    }
    Args::complete(spec, given)
}

/// Blobs with noise.
fn image(edge: usize, kind: Kind, voxel: VoxelType) -> Arc<Volume> {
    let mut state = 1u64;
    let values = ndarray::Array3::from_shape_fn([edge; 3], |(z, y, x)| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let wave = |i: usize, n: f64| (i as f64 / n).sin();
        let blob = wave(z, 7.0) + wave(y, 9.0) + wave(x, 8.0);
        match kind {
            Kind::Grey => (blob + 3.0) * 8000.0 + (state >> 52) as f64,
            _ => f64::from(u8::from(blob > 0.5)),
        }
    });
    let scale = if voxel == VoxelType::U8 && kind == Kind::Grey { 1.0 / 256.0 } else { 1.0 };
    Arc::new(Volume::F64(values * scale).cast(voxel))
}

fn processor(
    op: &str,
    args: &Args,
    volume: &Arc<Volume>,
    grid: Grid,
) -> Result<f64, Box<dyn std::error::Error>> {
    let operator = find(op).ok_or("no such operator")?;
    let mut inputs = vec![None; operator.spec().inputs.len()];
    inputs[0] = Some(grid);
    let prepared = operator.prepare(&Call { op: operator.spec().id, args, inputs: &inputs })?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let mut volumes = vec![None; inputs.len()];
        volumes[0] = Some(volume.clone());
        let begun = Instant::now();
        prepared.kernel.whole(volumes, &Job::silent())?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(best)
}
