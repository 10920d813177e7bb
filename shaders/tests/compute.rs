//! Every GPU kernel against its operator: from the table of GPU kernels and a list of arguments alone. A new GPU kernel is held to it
//! by its entry.

use ndarray::Array3;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use voxelry_core::blocks::{Accelerator, Chain, Engine, Field, MemoryField, RegionVoxels, Step};
use voxelry_core::jobs::Event;
use voxelry_core::ops::{Args, Call, Grid, Kind, Operator, Output, Value, find};
use voxelry_core::program::DeviceSums;
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe};
use voxelry_core::{Geometry, Job, Region, Unit, Volume, VoxelType};
use voxelry_shaders::compute::{
    Bound, Computer, GPU_KERNELS, channel_shader, pyramid_shader, shaders_of, sums_by_processor, sums_rows,
    sums_shader, whole_shaders,
};
use voxelry_shaders::gpu::Gpu;

/// `id: name=value …`, a run each.
const CASES: &str = include_str!("compute.txt");

/// Types of voxels that go to the device.
const TYPES: [VoxelType; 7] = [
    VoxelType::U8,
    VoxelType::I8,
    VoxelType::U16,
    VoxelType::I16,
    VoxelType::U32,
    VoxelType::I32,
    VoxelType::F32,
];

/// The device, or a printed reason why the test is skipped.
fn gpu() -> Option<Gpu> {
    Gpu::headless().map_err(|e| println!("skipped: {e}")).ok()
}

/// `SplitMix64` (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// What an image is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Filling {
    /// Blobs and noise.
    Blobs,
    /// One value.
    Constant,
    /// Blobs with NaN, infinities, both zeros and the ends of the type.
    Poisoned,
    /// Any bits.
    Wild,
}

fn volume(kind: Kind, voxel: VoxelType, shape: [usize; 3], filling: Filling, random: &mut Random) -> Volume {
    let cell = 1 + random.below(4);
    let salt = random.next();
    let hash =
        |z: usize, y: usize, x: usize| Random(salt ^ (z as u64) << 40 ^ (y as u64) << 20 ^ x as u64).next();
    let coarse = |z: usize, y: usize, x: usize| hash(z / cell, y / cell, x / cell);
    match kind {
        Kind::Mask => Volume::U8(Array3::from_shape_fn(shape, |(z, y, x)| u8::from(coarse(z, y, x) % 5 < 2))),
        Kind::Labels => Volume::U32(Array3::from_shape_fn(shape, |(z, y, x)| match coarse(z, y, x) % 7 {
            0..4 => 0,
            n => n as u32 - 3,
        })),
        Kind::Grey => {
            let signed = matches!(voxel, VoxelType::I8 | VoxelType::I16 | VoxelType::I32 | VoxelType::F32);
            let mut grey = Array3::from_shape_fn(shape, |(z, y, x)| {
                let v = (coarse(z, y, x) % 4 * 50 + hash(z, y, x) % 23) as f64;
                let v = if signed { v - 80.0 } else { v };
                if voxel.is_float() { v / 7.0 } else { v }
            });
            match filling {
                Filling::Constant => grey.fill(77.0),
                Filling::Poisoned => {
                    let poison = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1e30, -1e30];
                    grey.iter_mut().for_each(|v| {
                        if random.below(29) == 0 {
                            *v = poison[random.below(poison.len())];
                        }
                    });
                }
                Filling::Wild | Filling::Blobs => {}
            }
            let mut volume = Volume::F64(grey).cast(voxel);
            if filling == Filling::Wild {
                volume.as_bytes_mut().iter_mut().for_each(|b| *b = random.next() as u8);
                if let Volume::F32(a) = &mut volume {
                    // Devices may take the smallest numbers for 0.
                    a.iter_mut().filter(|v| v.is_subnormal()).for_each(|v| *v = 1.5);
                }
            }
            volume
        }
    }
}

fn grid(volume: &Volume, kind: Kind) -> Grid {
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.5], Unit::Micrometre);
    Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry }
}

fn arguments(op: &dyn Operator, text: &str) -> Args {
    let spec = op.spec();
    let mut given = BTreeMap::new();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("compute.txt: {text}"));
        let param = spec.param(name).unwrap_or_else(|| panic!("{} has no parameter {name}", spec.id));
        given.insert(
            param.name,
            Value::parse(&param.ty, value).unwrap_or_else(|e| panic!("{}: {e}", spec.id)),
        );
    }
    Args::complete(spec, given).unwrap_or_else(|e| panic!("{}: {e}", spec.id))
}

/// Arguments that are tried with an operator.
fn cases(op: &str) -> Vec<&'static str> {
    let cases: Vec<_> = CASES
        .lines()
        .filter_map(|l| l.split_once(':'))
        .filter(|(id, _)| *id == op)
        .map(|c| c.1.trim())
        .collect();
    assert!(!cases.is_empty(), "add {op} to compute.txt");
    cases
}

/// Where two volumes differ, if they do.
fn difference(expected: &Volume, seen: &Volume, bound: Bound) -> Option<String> {
    if (expected.shape(), expected.voxel_type()) != (seen.shape(), seen.voxel_type()) {
        let of = |v: &Volume| format!("{:?} {}", v.shape(), v.voxel_type());
        return Some(format!("{} and not {}", of(seen), of(expected)));
    }
    let (Volume::F32(e), Volume::F32(s)) = (expected, seen) else {
        let size = expected.voxel_type().size();
        let mut pairs = expected.as_bytes().chunks(size).zip(seen.as_bytes().chunks(size));
        let at = pairs.position(|(e, s)| e != s)?;
        let index = place(at, expected.shape());
        return Some(format!("{index:?}: {:?} and not {:?}", seen.get(index), expected.get(index)));
    };
    let greatest = e.iter().filter(|v| v.is_finite()).fold(0f32, |m, v| m.max(v.abs()));
    let near = |e: f32, s: f32| match bound {
        _ if e.is_nan() || s.is_nan() => e.is_nan() && s.is_nan(),
        _ if e.to_bits() == s.to_bits() => true,
        Bound::Exact => false,
        Bound::Within(bound) => f64::from((e - s).abs()) <= bound * f64::from(greatest),
    };
    let at = e.iter().zip(s).position(|(e, s)| !near(*e, *s))?;
    let index = place(at, expected.shape());
    let (e, s) = (e[index], s[index]);
    Some(format!("{index:?}: {s} ({:#x}) and not {e} ({:#x})", s.to_bits(), e.to_bits()))
}

fn place(at: usize, [_, ny, nx]: [usize; 3]) -> [usize; 3] {
    [at / (ny * nx), at / nx % ny, at % nx]
}

/// The operator's result and what it found out, or that it refuses.
fn by_operator(step: &Step, volumes: &[Option<Arc<Volume>>]) -> Option<(Volume, Vec<f64>)> {
    let operator = find(step.op).unwrap();
    let call = Call { op: step.op, args: &step.args, inputs: &step.inputs };
    let prepared = operator.prepare(&call).ok()?;
    let (job, facts) = heard();
    let made = match prepared.kernel.whole(volumes.to_vec(), &job).ok()? {
        Output::Volume(volume) => volume,
        other => panic!("{}: {other:?}", step.op),
    };
    let facts = facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Some((made, facts))
}

/// A job whose facts are kept.
fn heard() -> (Job, Arc<Mutex<Vec<f64>>>) {
    let facts = Arc::new(Mutex::new(Vec::new()));
    let kept = facts.clone();
    let job = Job::new(move |event| {
        if let Event::Fact { value, .. } = event {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(value);
        }
    });
    (job, facts)
}

fn chain_of<'a>(steps: &'a [&'a Step], volumes: &[Option<Arc<Volume>>]) -> Chain<'a> {
    let region = Region::whole(volumes[0].as_ref().unwrap().shape());
    let part = |v: &Option<Arc<Volume>>| v.clone().map(|voxels| RegionVoxels { region, voxels });
    Chain {
        steps,
        input: part(&volumes[0]).unwrap(),
        others: vec![volumes[1..].iter().map(part).collect()],
        out: region,
    }
}

/// Holds one call to its operator; whether there was a GPU kernel for it.
fn hold(
    computer: &Computer,
    op: &str,
    text: &str,
    bound: Bound,
    voxel: VoxelType,
    filling: Filling,
    seed: u64,
) -> bool {
    let operator = find(op).unwrap();
    let mut random = Random(seed);
    let shapes = [[9, 11, 13], [1, 14, 17], [16, 1, 9], [7, 12, 1], [1, 1, 1], [5, 5, 37], [14, 13, 12]];
    let shape = shapes[random.below(shapes.len())];
    let spec = operator.spec();
    let args = arguments(operator, text);
    // An optional second operand is given unless there is a number.
    let given = |i: usize| i == 0 || !spec.inputs[i].optional || args.get("value").is_none();
    let volumes: Vec<Option<(Arc<Volume>, Kind)>> = spec
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            let kind = input.kinds[random.below(input.kinds.len())];
            let voxel = if i == 0 { voxel } else { TYPES[random.below(TYPES.len())] };
            given(i).then(|| (Arc::new(volume(kind, voxel, shape, filling, &mut random)), kind))
        })
        .collect();
    let inputs: Vec<_> = volumes.iter().map(|v| v.as_ref().map(|(v, kind)| grid(v, *kind))).collect();
    let Ok(prepared) = operator.prepare(&Call { op: spec.id, args: &args, inputs: &inputs }) else {
        return false;
    };
    let step = Step { op: spec.id, args, inputs, output: prepared.output };
    let volumes: Vec<_> = volumes.into_iter().map(|v| v.map(|v| v.0)).collect();
    let steps = [&step];
    if computer.takes(&steps, Region::whole(shape)) == 0 {
        return false;
    }
    let (job, facts) = heard();
    let made = computer.run_chain(&chain_of(&steps, &volumes), &job);
    let what = format!("{op}: {text} on {shape:?} {voxel} {filling:?}, seed {seed}");
    let Some((expected, found)) = by_operator(&step, &volumes) else {
        assert!(made.is_none(), "{what}: the operator refuses");
        return true;
    };
    if made.is_none() && filling == Filling::Wild {
        // What ranges over all numbers may be refused.
        return false;
    }
    let made = made.unwrap_or_else(|| panic!("{what}: nothing was made")).unwrap();
    if let Some(difference) = difference(&expected, &made, bound) {
        panic!("{what}: {difference}");
    }
    assert_eq!(*facts.lock().unwrap(), found, "{what}: facts");
    true
}

fn hold_all(ops: &[&str]) {
    let Some(gpu) = gpu() else { return };
    let computer = Computer::new(gpu.clone());
    let small = Computer::new(gpu).limited(1 << 30, Some([5, 6, 7]));
    for kernel in GPU_KERNELS.iter().filter(|t| ops.contains(&t.op)) {
        for text in cases(kernel.op) {
            let mut held = 0;
            for voxel in TYPES {
                for (i, filling) in [Filling::Blobs, Filling::Poisoned, Filling::Wild, Filling::Constant]
                    .into_iter()
                    .enumerate()
                {
                    for round in 0..2 {
                        let seed = (i * 2 + round) as u64;
                        let computer = if round == 1 { &computer } else { &small };
                        // Wild numbers overflow, and then no bound on the greatest value says anything.
                        if filling == Filling::Wild && voxel == VoxelType::F32 && kernel.bound != Bound::Exact
                        {
                            continue;
                        }
                        held +=
                            usize::from(hold(computer, kernel.op, text, kernel.bound, voxel, filling, seed));
                    }
                }
            }
            assert!(held >= 6, "{}: {text}: only {held} calls had a GPU kernel", kernel.op);
        }
    }
}

const FILTERS: &[&str] = &["gaussian", "mean", "gradient-magnitude", "bilateral"];
const RANKS: &[&str] = &["median", "percentile"];
const SHAPES: &[&str] = &["erode", "dilate", "open", "close", "boundaries"];
const WHOLE: &[&str] = &[
    "otsu",
    "li",
    "yen",
    "triangle",
    "isodata",
    "label",
    "distance",
    "grow",
    "normalise",
    "rescale",
    "invert",
];

#[test]
fn filters_are_their_operators() {
    hold_all(FILTERS);
}

#[test]
fn ranks_are_their_operators() {
    hold_all(RANKS);
}

#[test]
fn shapes_are_their_operators() {
    hold_all(SHAPES);
}

#[test]
fn what_needs_the_whole_image_is_its_operator() {
    hold_all(WHOLE);
}

#[test]
fn all_others_are_their_operators() {
    let named = [FILTERS, RANKS, SHAPES, WHOLE].concat();
    let others: Vec<_> = GPU_KERNELS.iter().map(|t| t.op).filter(|op| !named.contains(op)).collect();
    hold_all(&others);
}

#[test]
fn one_broken_voxel_is_seen() {
    let mut random = Random(5);
    for voxel in TYPES {
        for (bound, filling) in [(Bound::Exact, Filling::Poisoned), (Bound::Within(1e-5), Filling::Blobs)] {
            let volume = volume(Kind::Grey, voxel, [3, 4, 5], filling, &mut random);
            assert_eq!(difference(&volume, &volume, bound), None);
            for at in 0..60 {
                let mut broken = volume.clone();
                let bytes = broken.as_bytes_mut();
                // The lowest bit, or for a bound one that counts.
                let bit = if bound == Bound::Exact { 0 } else { voxel.size() - 1 };
                bytes[at * voxel.size() + bit] ^= 1;
                // Of NaN nothing is compared but that it is NaN, and next to 0 everything is small.
                let was = volume.get(place(at, [3, 4, 5])).unwrap();
                let blind = was.is_nan() || was == 0.0 && bound != Bound::Exact;
                assert!(difference(&volume, &broken, bound).is_some() || blind, "{voxel} {at} {bound:?}");
            }
        }
    }
}

/// A recipe on an image, with and without the device.
fn hold_recipe(text: &str, volume: &Volume, block: Option<[usize; 3]>) {
    let Some(gpu) = gpu() else { return };
    let recipe: Recipe = Recipe::parse(text).unwrap();
    let grid = grid(volume, Kind::Grey);
    let plan = Plan::new(&recipe, &[(IMAGE.to_owned(), grid)]).unwrap();
    let source: Arc<dyn Field> = Arc::new(MemoryField::new(Arc::new(volume.clone()), grid));
    let keep = [plan.last_image()];
    let how = match block {
        None => ExecutionMode::Memory,
        Some(block) => ExecutionMode::Blocks(Engine::in_scratch(block, std::env::temp_dir())),
    };
    let run = |accelerator: Option<&Arc<dyn Accelerator>>| {
        let ran =
            recipe::run_on(&plan, std::slice::from_ref(&source), &keep, &how, accelerator, &Job::silent())
                .unwrap();
        ran.images[0].read_all(&Job::silent()).unwrap()
    };
    let expected = run(None);
    let counting = Arc::new(Counting { computer: Computer::new(gpu), steps: Mutex::new(Vec::new()) });
    let accelerator: Arc<dyn Accelerator> = counting.clone();
    let made = run(Some(&accelerator));
    assert_eq!(difference(&expected, &made, Bound::Exact), None, "{text}");
    let steps = counting.steps.lock().unwrap();
    assert!(steps.iter().any(|n| *n > 1), "nothing was fused: {steps:?}");
}

/// A computer that takes all that it can, and counts.
struct Counting {
    computer: Computer,
    steps: Mutex<Vec<usize>>,
}

impl Accelerator for Counting {
    fn takes(&self, steps: &[&Step], out: Region) -> usize {
        self.computer.takes(steps, out)
    }

    fn run(&self, chain: &Chain, job: &Job) -> Option<voxelry_core::Result<Volume>> {
        self.steps.lock().unwrap().push(chain.steps.len());
        self.computer.run_chain(chain, job)
    }
}

const CHAIN: &str = "
[[step]]
op = \"clip\"
max = 150
[[step]]
op = \"rescale\"
from = 0
to = 160
type = \"f32\"
[[step]]
op = \"gaussian\"
sigma = 0.8
[[step]]
op = \"median\"
[[step]]
op = \"threshold\"
min = 0.4
[[step]]
op = \"open\"
";

#[test]
fn a_chain_is_that_of_the_operators_whole_and_in_blocks() {
    let mut random = Random(9);
    for voxel in [VoxelType::U8, VoxelType::U16, VoxelType::F32] {
        let volume = volume(Kind::Grey, voxel, [21, 22, 23], Filling::Blobs, &mut random);
        hold_recipe(CHAIN, &volume, None);
        hold_recipe(CHAIN, &volume, Some([16, 16, 16]));
        let labels = "[[step]]\nop = \"median\"\n[[step]]\nop = \"otsu\"\n[[step]]\nop = \"erode\"\n[[step]]\nop = \"label\"\n";
        hold_recipe(labels, &volume, None);
    }
}

#[test]
fn coarser_levels_are_those_of_the_core() {
    let Some(gpu) = gpu() else { return };
    let small = Computer::new(gpu).limited(1 << 30, Some([3, 2, 4]));
    let mut random = Random(31);
    let mut held = 0;
    for voxel in TYPES {
        for labels in [false, true] {
            for factor in [[2, 2, 2], [1, 2, 2], [2, 1, 1], [1, 1, 2]] {
                let shape = [[7, 6, 9], [1, 5, 8], [6, 1, 1]][random.below(3)];
                let filling = [Filling::Blobs, Filling::Poisoned, Filling::Wild][random.below(3)];
                let fine = volume(Kind::Grey, voxel, shape, filling, &mut random);
                let Some(made) = small.downsample(&fine, factor, labels, &Job::silent()) else { continue };
                let expected = voxelry_core::io::pyramid::downsample(&fine, factor, labels);
                let differs = difference(&expected, &made.unwrap(), Bound::Exact);
                assert_eq!(differs, None, "{voxel} {shape:?} {factor:?} {labels} {filling:?}");
                held += 1;
            }
        }
    }
    assert!(held > 40, "only {held}");
}

#[test]
fn sums_of_objects_are_those_of_the_core() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(77);
    let whole = Computer::new(gpu.clone());
    let small = Computer::new(gpu).limited(1 << 30, Some([3, 5, 40]));
    let mut held = 0;
    for shape in [[9, 8, 7], [1, 1, 200], [1, 70, 1], [130, 1, 1], [5, 6, 131], [2, 3, 64], [12, 11, 65]] {
        for kind in 0..6 {
            let labels = Array3::from_shape_fn(shape, |(z, y, x)| match kind {
                // Nothing, one object, noise, many, large numbers, and objects that reach over many tiles.
                0 => 0,
                1 => 5,
                2 => random.below(3) as u32,
                3 => (z * 1000 + y * 100 + x) as u32,
                4 => u32::MAX - random.below(9) as u32,
                _ => ((z / 4 + y / 5 + x / 50) % 4) as u32,
            });
            let mask = Volume::U8(labels.mapv(|v| (v % 7) as u8));
            let mut noise = |n: u64| Array3::from_shape_simple_fn(shape, || random.below(n as usize) as u64);
            let channels = [
                Volume::U8(noise(256).mapv(|v| v as u8)),
                Volume::I8(noise(256).mapv(|v| v as u8 as i8)),
                Volume::U16(noise(65536).mapv(|v| v as u16)),
                Volume::I16(noise(65536).mapv(|v| v as u16 as i16)),
                Volume::U16(Array3::from_elem(shape, u16::MAX)),
                Volume::I16(Array3::from_elem(shape, i16::MIN)),
            ];
            for volume in [Volume::U32(labels), mask] {
                for moments in [false, true] {
                    // With second moments also those of channels, with the extremes of their types.
                    let channels: Vec<&Volume> = channels.iter().filter(|_| moments).collect();
                    let expected =
                        sums_rows(&sums_by_processor(&volume, &channels, moments, &Job::silent()).unwrap());
                    for computer in [&whole, &small] {
                        let made = computer.sums(&volume, &channels, moments, &Job::silent());
                        assert_eq!(
                            sums_rows(&made.unwrap().unwrap()),
                            expected,
                            "{shape:?} {kind} {moments}"
                        );
                        held += 1;
                    }
                }
            }
        }
    }
    assert_eq!(held, 7 * 6 * 2 * 2 * 2);
    // One voxel more is seen; other types and cancelled jobs are left alone.
    let mut labels = Array3::from_elem([4, 4, 4], 2u32);
    let sums = |labels: &Array3<u32>, channel: &Volume| {
        let made = whole.sums(&Volume::U32(labels.clone()), &[channel], true, &Job::silent());
        sums_rows(&made.unwrap().unwrap())
    };
    let mut channel = Array3::from_elem([4, 4, 4], 7u16);
    let before = sums(&labels, &Volume::U16(channel.clone()));
    channel[[3, 3, 3]] = 8;
    assert_ne!(before, sums(&labels, &Volume::U16(channel.clone())));
    labels[[1, 2, 3]] = 3;
    let after = sums(&labels, &Volume::U16(channel));
    assert_ne!(before, after);
    assert_eq!(after.iter().map(|s| s.1.count).collect::<Vec<_>>(), [63, 1]);
    let wide = Volume::F32(labels.mapv(|v| v as f32));
    assert!(whole.sums(&wide, &[], true, &Job::silent()).is_none());
    assert!(whole.sums(&Volume::U32(labels.clone()), &[&wide], true, &Job::silent()).is_none());
    let job = Job::silent();
    job.cancel();
    assert!(matches!(
        whole.sums(&Volume::U32(labels), &[], true, &job),
        Some(Err(voxelry_core::Error::Cancelled))
    ));
    // Labels that are too far apart for the buffers are left to the processor.
    let far = Array3::from_shape_vec([1, 1, 2], vec![1, u32::MAX]).unwrap();
    assert!(whole.sums(&Volume::U32(far), &[], false, &Job::silent()).is_none());
}

/// An accelerator that makes sums alone, and counts them.
struct Summing(Computer, Mutex<usize>);

impl Accelerator for Summing {
    fn takes(&self, _: &[&Step], _: Region) -> usize {
        0
    }

    fn run(&self, _: &Chain, _: &Job) -> Option<voxelry_core::Result<Volume>> {
        None
    }

    fn sums(
        &self,
        labels: &Volume,
        channels: &[&Volume],
        moments: bool,
        job: &Job,
    ) -> Option<voxelry_core::Result<DeviceSums>> {
        *self.1.lock().unwrap() += 1;
        self.0.sums(labels, channels, moments, job).map(|sums| sums.map(|sums| Box::new(sums) as DeviceSums))
    }
}

#[test]
fn a_table_is_the_same_with_sums_from_the_device() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(5);
    let labels = Array3::from_shape_simple_fn([20, 21, 70], || random.below(40) as u32);
    let volume = Arc::new(Volume::U32(labels));
    let grey =
        Arc::new(Volume::U16(Array3::from_shape_simple_fn([20, 21, 70], || random.below(60000) as u16)));
    let (grid, grey_grid) = (grid(&volume, Kind::Labels), grid(&grey, Kind::Grey));
    let summing = Arc::new(Summing(Computer::new(gpu), Mutex::new(0)));
    let accelerator: Arc<dyn Accelerator> = summing.clone();
    // The last asks for what only the processor finds.
    let intensity = "intensity = \"grey\"\n";
    for (columns, channel, on_device) in [
        ("centroid_x", "", 1),
        ("axis_1_x", "", 1),
        ("intensity_skewness", intensity, 1),
        ("intensity_max_x", intensity, 1),
        ("surface_area", "", 0),
    ] {
        let text = format!(
            "[[step]]\nop = \"measure\"\nlabels = \"image\"\n{channel}columns = [\"volume\", \"{columns}\"]\ncontacts = false\nimage = false\n"
        );
        let images = [(IMAGE.to_owned(), grid), ("grey".to_owned(), grey_grid)];
        let plan = Plan::new(&Recipe::parse(&text).unwrap(), &images);
        let Ok(plan) = plan else { panic!("{columns}: {}", plan.err().unwrap()) };
        let sources: [Arc<dyn Field>; 2] = [
            Arc::new(MemoryField::new(volume.clone(), grid)),
            Arc::new(MemoryField::new(grey.clone(), grey_grid)),
        ];
        let run = |accelerator: Option<&Arc<dyn Accelerator>>| {
            recipe::run_on(&plan, &sources, &[], &ExecutionMode::Memory, accelerator, &Job::silent())
                .unwrap()
                .tables
        };
        let expected = run(None);
        *summing.1.lock().unwrap() = 0;
        assert_eq!(run(Some(&accelerator)), expected, "{columns}");
        assert_eq!(*summing.1.lock().unwrap(), on_device, "{columns}");
        assert!(expected[0].1.rows() > 30);
    }
}

#[test]
fn a_lost_device_leaves_the_same_result() {
    if gpu().is_none() {
        return;
    }
    let mut random = Random(3);
    let image = volume(Kind::Grey, VoxelType::U16, [24, 25, 26], Filling::Blobs, &mut random);
    let grid = grid(&image, Kind::Grey);
    let plan = Plan::new(&Recipe::parse(CHAIN).unwrap(), &[(IMAGE.to_owned(), grid)]).unwrap();
    let source: Arc<dyn Field> = Arc::new(MemoryField::new(Arc::new(image), grid));
    let keep = [plan.last_image()];
    let expected =
        recipe::run(&plan, std::slice::from_ref(&source), &keep, &ExecutionMode::Memory, &Job::silent())
            .unwrap();
    let expected = expected.images[0].read_all(&Job::silent()).unwrap();
    for how in
        [ExecutionMode::Memory, ExecutionMode::Blocks(Engine::in_scratch([8; 3], std::env::temp_dir()))]
    {
        let gpu = Gpu::headless().unwrap();
        let lost = Arc::new(Losing { computer: Computer::new(gpu.clone()), gpu, runs: Mutex::new(0) });
        let accelerator: Arc<dyn Accelerator> = lost.clone();
        let ran = recipe::run_on(
            &plan,
            std::slice::from_ref(&source),
            &keep,
            &how,
            Some(&accelerator),
            &Job::silent(),
        )
        .unwrap();
        let made = ran.images[0].read_all(&Job::silent()).unwrap();
        assert_eq!(difference(&expected, &made, Bound::Exact), None);
        assert!(*lost.runs.lock().unwrap() > 0);
    }
}

/// A computer whose device goes after its first run, or before it where there is but one.
struct Losing {
    computer: Computer,
    gpu: Gpu,
    runs: Mutex<usize>,
}

impl Accelerator for Losing {
    fn takes(&self, steps: &[&Step], out: Region) -> usize {
        self.computer.takes(steps, out)
    }

    fn run(&self, chain: &Chain, job: &Job) -> Option<voxelry_core::Result<Volume>> {
        let mut runs = self.runs.lock().unwrap();
        *runs += 1;
        let whole = chain.out == Region::whole([24, 25, 26]);
        if *runs == 2 || whole {
            self.gpu.device.destroy();
        }
        self.computer.run_chain(chain, job)
    }
}

#[test]
fn all_shaders_are_valid_within_the_webgpu_baseline() {
    let mut count = 0;
    for kernel in GPU_KERNELS {
        let operator = find(kernel.op).unwrap();
        for text in cases(kernel.op) {
            for voxel in [VoxelType::U8, VoxelType::I16, VoxelType::F32] {
                let kinds: Vec<_> = operator.spec().inputs.iter().map(|i| i.kinds[0]).collect();
                let inputs: Vec<_> = kinds
                    .iter()
                    .enumerate()
                    .map(|(i, kind)| {
                        let voxel = match kind {
                            Kind::Grey => voxel,
                            Kind::Mask => VoxelType::U8,
                            Kind::Labels => VoxelType::U32,
                        };
                        let given = !operator.spec().inputs[i].optional || !text.contains("value=");
                        let volume = Volume::zeros(voxel, [64, 64, 64]);
                        given.then(|| grid(&volume, *kind))
                    })
                    .collect();
                let args = arguments(operator, text);
                let call = Call { op: kernel.op, args: &args, inputs: &inputs };
                let Ok(prepared) = operator.prepare(&call) else { continue };
                let output = prepared.output;
                let step = Step { op: kernel.op, args: args.clone(), inputs: inputs.clone(), output };
                for (name, shader) in shaders_of(&step).unwrap_or_default() {
                    validate(&name, &shader);
                    count += 1;
                }
            }
        }
    }
    for voxel in TYPES {
        for shader in [false, true].into_iter().filter_map(|labels| pyramid_shader(voxel, labels)) {
            validate("pyramid", &shader);
        }
        if let Some(shader) = sums_shader(voxel) {
            validate("sums", &shader);
            count += 1;
            for shader in TYPES.into_iter().filter_map(|channel| channel_shader(voxel, channel)) {
                validate("sums of intensities", &shader);
                count += 1;
            }
        }
        for (name, shader) in whole_shaders(voxel) {
            validate(name, &shader);
            count += 1;
        }
    }
    assert!(count > 100, "only {count} shaders were made");
}

fn validate(name: &str, shader: &str) {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let module = naga::front::wgsl::parse_str(shader)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(shader)));
    let valid = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    valid.unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(shader)));
    for entry in &module.entry_points {
        assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{name}");
    }
}
