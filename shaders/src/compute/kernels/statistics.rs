//! GPU kernels of steps that first need the counts or the range of the whole image: automatic thresholds, and linear
//! maps whose ends come from the image. Counts and ranges are found on the device; what follows from them is
//! found by the operators' own functions.

use super::number::table_of;
use super::{Global, intensity};
use crate::compute::bricks::{
    Image, Limits, Resident, bytes, described, fits_whole, run, run_resident, upload,
};
use crate::compute::device::{Device, Failure};
use crate::compute::graph::{Graph, Slot, whole};
use std::sync::Arc;
use voxelry_core::blocks::{RegionVoxels, Step};
use voxelry_core::ops::histogram::bins::Bins;
use voxelry_core::ops::{Call, Mode, Partials, find};
use voxelry_core::program::encode;
use voxelry_core::{Job, Region, Volume, VoxelType};

const RANGE: &str = include_str!("../../../wgsl/compute/range.wgsl");
const HISTOGRAM: &str = include_str!("../../../wgsl/compute/histogram.wgsl");

/// Invocations that share the voxels of an image among them.
const THREADS: u32 = 1 << 15;

pub const AUTOMATIC: Global = Global { takes: fits, run: automatic };
pub const RESCALE: Global = Global { takes: rescales, run: rescale };
pub const INVERT: Global = Global { takes: inverts, run: invert };
pub const NORMALISE: Global = Global { takes: normalises, run: normalise };

fn fits(step: &Step, limits: &Limits) -> bool {
    step.inputs[0].is_some_and(|g| bytes(g.shape, g.voxel) <= limits.buffer)
}

fn rescales(step: &Step, limits: &Limits) -> bool {
    let narrow = step.inputs[0].is_some_and(|g| g.voxel.size() <= 2);
    fits(step, limits) && (narrow || step.args.float("percent") == 0.0)
}

fn inverts(step: &Step, limits: &Limits) -> bool {
    fits(step, limits) && step.inputs[0].is_some_and(|g| g.voxel == VoxelType::F32)
}

fn normalises(step: &Step, limits: &Limits) -> bool {
    let narrow = step.inputs[0].is_some_and(|g| g.voxel.size() <= 2);
    fits(step, limits) && narrow && step.args.text("method") == "percentile"
}

/// Keys in the order of the values, without −0; and whether a voxel is finite.
fn keys(voxel: VoxelType) -> &'static str {
    match voxel {
        VoxelType::F32 => {
            "\nfn key(v: u32) -> u32 {\n    if (v & 0x7fffffffu) == 0u {\n        return 0x80000000u;\n    }\n    \
             return select(v | 0x80000000u, ~v, (v & 0x80000000u) != 0u);\n}\n\
             \nfn is_finite(v: u32) -> bool {\n    return (v & 0x7f800000u) != 0x7f800000u;\n}\n"
        }
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => {
            "\nfn key(v: u32) -> u32 {\n    return v ^ 0x80000000u;\n}\n\
             \nfn is_finite(v: u32) -> bool {\n    return true;\n}\n"
        }
        _ => {
            "\nfn key(v: u32) -> u32 {\n    return v;\n}\n\
             \nfn is_finite(v: u32) -> bool {\n    return true;\n}\n"
        }
    }
}

/// The key of the least value that is not below a number.
fn key(value: f64, voxel: VoxelType) -> u32 {
    match voxel {
        VoxelType::F32 => {
            let v = value as f32;
            let bits = if v == 0.0 { 0 } else { v.to_bits() };
            if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
        }
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => (value.ceil() as i64 + (1 << 31)) as u32,
        _ => value.ceil() as u32,
    }
}

fn of_key(key: u32, voxel: VoxelType) -> f64 {
    match voxel {
        VoxelType::F32 => f64::from(f32::from_bits(if key >> 31 == 0 { !key } else { key ^ 1 << 31 })),
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => f64::from((key ^ 1 << 31) as i32),
        _ => f64::from(key),
    }
}

/// The shaders, for tests.
pub fn shaders(voxel: VoxelType) -> Vec<(&'static str, String)> {
    let shader = |code: &str| whole(&(code.to_owned() + keys(voxel)), &[voxel], false);
    let histogram = |edges| shader(&HISTOGRAM.replace("EDGES", edges));
    vec![("range", shader(RANGE)), ("values", histogram("false")), ("edges", histogram("true"))]
}

/// Runs a kernel on a whole image into words, and brings them down.
fn gather(
    device: &Arc<Device>,
    image: &Resident,
    name: &'static str,
    code: &str,
    start: &[u32],
    table: &[u32],
    numbers: [u32; 3],
) -> Result<Vec<u32>, Failure> {
    let shader = whole(&(code.to_owned() + keys(image.voxel)), &[image.voxel], false);
    let coming = device.guarded(|| {
        let pipeline = device.pipeline(name, &shader);
        let made = device.words(start);
        let table = device.words(table);
        let mut encoder = device.encoder();
        let uniforms = uniforms(image.shape, numbers);
        device.record(
            &mut encoder,
            &pipeline,
            uniforms,
            &[&made, &table, &image.buffer],
            u64::from(numbers[0]),
        );
        Ok(device.fetch(encoder, &made, 4 * start.len() as u64))
    })?;
    coming.wait(device, bytemuck::pod_collect_to_vec)
}

/// The uniforms of a kernel on a whole image.
pub fn uniforms(shape: [usize; 3], [first, second, third]: [u32; 3]) -> impl FnOnce(u32) -> Vec<u32> {
    move |groups| {
        let brick = described(Region::whole(shape));
        vec![brick[4], brick[5], brick[6], brick[3], groups, first, second, third]
    }
}

/// Least and greatest finite value; `None` if there is none.
fn ends(device: &Arc<Device>, image: &Resident) -> Result<Option<(f64, f64)>, Failure> {
    let found = gather(device, image, "range", RANGE, &[u32::MAX, 0], &[], [THREADS, 0, 0])?;
    let (least, most) = (found[0], found[1]);
    Ok((least <= most).then(|| (of_key(least, image.voxel), of_key(most, image.voxel))))
}

/// Voxels in each bin.
fn counts(device: &Arc<Device>, image: &Resident, bins: &Bins) -> Result<Vec<u64>, Failure> {
    let n = bins.len();
    let (edges, table, least) = match bins {
        Bins::Values { least, .. } => ("false", vec![], key(*least, image.voxel)),
        Bins::Edges { edges, .. } => {
            ("true", edges[..n].iter().map(|e| key(*e, image.voxel)).collect::<Vec<_>>(), 0)
        }
    };
    let code = HISTOGRAM.replace("EDGES", edges);
    let found = gather(device, image, "histogram", &code, &vec![0; n], &table, [THREADS, n as u32, least])?;
    Ok(found.into_iter().map(u64::from).collect())
}

/// Runs point steps on an image: on the device where it fits, else in bricks.
pub fn finished(
    device: &Arc<Device>,
    image: &Image,
    limits: &Limits,
    job: &Job,
    build: impl FnOnce(&mut Graph, Slot) -> Option<Slot>,
) -> Result<Image, Failure> {
    let (shape, voxel) = of(image);
    let mut graph = Graph::default();
    let slot = graph.input(0, voxel);
    build(&mut graph, slot).ok_or_else(|| Failure::Refused("no GPU kernel".into()))?;
    let images = [image.clone()];
    if fits_whole(&graph, shape, limits) {
        return Ok(Image::Device(Arc::new(run_resident(device, &graph, &images, shape)?)));
    }
    let all = Region::whole(shape);
    let volume = run(device, &graph, &images, shape, all, limits, job)?;
    Ok(Image::Host(RegionVoxels { region: all, voxels: Arc::new(volume) }))
}

/// Shape and type of a whole image.
pub fn of(image: &Image) -> ([usize; 3], VoxelType) {
    match image {
        Image::Host(part) => (part.voxels.shape(), part.voxels.voxel_type()),
        Image::Device(resident) => (resident.shape, resident.voxel),
    }
}

fn automatic(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    _: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let (bins, range) = match Bins::of_type(on.voxel) {
        Some(bins) => (bins, None),
        None => {
            let range = ends(device, &on)?.ok_or_else(|| Failure::Refused("no finite voxel".into()))?;
            (Bins::between(range.0, range.1, step.args.int("bins") as usize, on.voxel), Some(range))
        }
    };
    let counts = counts(device, &on, &bins)?;
    let threshold =
        threshold(step, on.shape, range, &counts).ok_or_else(|| Failure::Refused("no threshold".into()))?;
    job.fact("threshold", threshold);
    let (min, max) = match step.args.text("mark") {
        "below" => (f64::NEG_INFINITY, threshold),
        _ => (threshold.next_up(), f64::INFINITY),
    };
    finished(device, &Image::Device(on), limits, job, |graph, of| intensity::within(graph, of, min, max))
}

/// The threshold that the operator finds from counts, and from the range where it asks for one.
fn threshold(step: &Step, shape: [usize; 3], range: Option<(f64, f64)>, counts: &[u64]) -> Option<f64> {
    let operator = find(step.op)?;
    let call = Call { op: operator.spec().id, args: &step.args, inputs: &step.inputs };
    let prepared = operator.prepare(&call).ok()?;
    let Mode::Program(program) = prepared.kernel.mode() else { return None };
    let mut state = program.begin();
    let mut partials = vec![encode(&(0usize, counts))];
    if range.is_some() {
        partials.insert(0, encode(&range));
    }
    for (phase, partial) in partials.into_iter().enumerate() {
        let mut partials = std::iter::once(Ok((Region::whole(shape), partial)));
        program.merge(phase, &mut state, Partials::new(&mut partials, shape, &std::env::temp_dir())).ok()?;
    }
    program.facts(&state).first().map(|f| f.1)
}

fn rescale(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    _: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let fixed = (step.args.maybe_float("from"), step.args.maybe_float("to"));
    let found = match step.args.float("percent") {
        0.0 => ends(device, &on)?,
        percent => ranks(device, &on, [percent / 100.0, 1.0 - percent / 100.0])?,
    };
    let ends = told(found.map(|(a, b)| (fixed.0.unwrap_or(a), fixed.1.unwrap_or(b))), job);
    let ends = (fixed.0.unwrap_or(ends.0), fixed.1.unwrap_or(ends.1));
    finished(device, &Image::Device(on), limits, job, |graph, of| intensity::stretched(graph, of, step, ends))
}

fn invert(
    device: &Arc<Device>,
    _: &Step,
    image: &Image,
    _: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let ends = told(ends(device, &on)?, job);
    finished(device, &Image::Device(on), limits, job, |graph, of| Some(intensity::mirrored(graph, of, ends)))
}

fn normalise(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    _: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let fractions = [step.args.float("low") / 100.0, step.args.float("high") / 100.0];
    let (a, b) = told(ranks(device, &on, fractions)?, job);
    let width = b - a;
    finished(device, &Image::Device(on), limits, job, |graph, of| {
        table_of(graph, of, VoxelType::F32, |values| {
            let values = values.clone().cast(VoxelType::F64);
            let values = values.view::<f64>()?;
            Some(Volume::F32(values.mapv(|v| (if width > 0.0 { (v - a) / width } else { v - a }) as f32)))
        })
    })
}

/// Ends that were found, reported as the operators do; those of an image without finite voxels are 0.
fn told(ends: Option<(f64, f64)>, job: &Job) -> (f64, f64) {
    if let Some((a, b)) = ends {
        job.fact("from", a);
        job.fact("to", b);
    }
    ends.unwrap_or((0.0, 0.0))
}

/// The values at two fractions of the order, of ranks ⌊fraction·(n − 1)⌋; types of up to 16 bits.
fn ranks(device: &Arc<Device>, image: &Resident, fractions: [f64; 2]) -> Result<Option<(f64, f64)>, Failure> {
    let Some(bins) = Bins::of_type(image.voxel) else { return Err(Failure::Refused("no ranks".into())) };
    let counts = counts(device, image, &bins)?;
    let Some(last) = counts.iter().sum::<u64>().checked_sub(1) else { return Ok(None) };
    let value = |fraction: f64| {
        let mut rank = (fraction * last as f64).floor() as u64;
        let bin = counts.iter().position(|&n| {
            let found = rank < n;
            if !found {
                rank -= n;
            }
            found
        });
        bins.centre(bin.unwrap_or(0))
    };
    Ok(Some((value(fractions[0]), value(fractions[1]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_there_and_back() {
        for v in [-3.5f64, -0.0, 0.0, 1e-40, 7.25] {
            assert_eq!(of_key(key(v, VoxelType::F32), VoxelType::F32), f64::from(v as f32));
        }
        assert_eq!(of_key(key(-7.0, VoxelType::I16), VoxelType::I16), -7.0);
    }
}
