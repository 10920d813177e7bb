//! What operators say that they need of memory, against what they allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use voxelry_core::ops::{Args, Call, Default, Grid, Kind, OPERATORS, Output, Value};
use voxelry_core::{Geometry, Job, Volume, VoxelType, sample};

/// The system's allocator, which counts.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller guarantees.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static MEMORY: Counting = Counting;

/// A foam, its mask and its labels.
struct Images {
    grey: Volume,
    labels: Volume,
}

fn images(edge: usize) -> Images {
    let options = sample::Options { size: [edge; 3], seed: 3, ..sample::Options::default() };
    let made = sample::generate(sample::find("granules").unwrap(), &options, &Job::silent()).unwrap();
    Images { grey: made.image, labels: made.truth }
}

impl Images {
    fn of(&self, kind: Kind, voxel: VoxelType) -> Volume {
        match kind {
            Kind::Grey if voxel == VoxelType::U8 => {
                let Volume::U16(grey) = &self.grey else { panic!("samples are u16") };
                Volume::U8(grey.mapv(|v| (v >> 8) as u8))
            }
            Kind::Grey => self.grey.clone().cast(voxel),
            Kind::Mask => {
                let Volume::U32(labels) = self.labels.clone().cast(VoxelType::U32) else { panic!("cast") };
                Volume::U8(labels.mapv(|v| u8::from(v > 0)))
            }
            Kind::Labels => self.labels.clone().cast(VoxelType::U32),
        }
    }
}

/// Bytes of an output on the grid of an image.
fn bytes_of(output: &Output) -> usize {
    match output {
        Output::Volume(volume) => volume.byte_len(),
        _ => 0,
    }
}

/// What a whole run allocates beyond its inputs and output, and what is said of that; in bytes of a voxel.
fn measured(images: &Images, op: usize, text: &str, voxel: VoxelType) -> Option<(f64, f64)> {
    let op = OPERATORS[op];
    let spec = op.spec();
    let mut given = BTreeMap::new();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        let param = spec.param(name).unwrap();
        given.insert(param.name, Value::parse(&param.ty, &value.replace('_', " ")).unwrap());
    }
    let args = Args::complete(spec, given).ok()?;
    let (mut volumes, mut grids) = (Vec::new(), Vec::new());
    for (number, input) in spec.inputs.iter().enumerate() {
        if number > 0 && input.optional && input.name != "intensity" {
            volumes.push(None);
            grids.push(None);
            continue;
        }
        let kind = input.kinds[0];
        let volume = images.of(kind, voxel);
        let grid =
            Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry: Geometry::default() };
        volumes.push(Some(Arc::new(volume)));
        grids.push(Some(grid));
    }
    let prepared = op.prepare(&Call { op: spec.id, args: &args, inputs: &grids }).ok()?;
    let voxels = images.grey.len() as f64;
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let output = prepared.kernel.whole(volumes, &Job::silent()).ok()?;
    let peak = PEAK.load(Ordering::Relaxed) - before;
    Some(((peak.saturating_sub(bytes_of(&output))) as f64 / voxels, prepared.scratch))
}

#[test]
fn operators_need_what_they_say() {
    let images = images(128);
    let mut wrong = Vec::new();
    for number in 0..OPERATORS.len() {
        let id = OPERATORS[number].spec().id;
        // Theirs depends on the objects; runs of recipes hold them to what they say.
        if ["measure", "split", "thickness"].contains(&id) {
            continue;
        }
        let cases = include_str!("operators.txt");
        let own = cases.lines().filter_map(|l| l.split_once(':')).filter(|(name, _)| *name == id);
        let mut cases: Vec<&str> = own.map(|(_, text)| text.trim()).collect();
        if OPERATORS[number].spec().params.iter().all(|p| p.default != Default::Required) {
            cases.push("");
        }
        for text in cases {
            for voxel in [VoxelType::U8, VoxelType::U16, VoxelType::F32] {
                let Some((used, said)) = measured(&images, number, text, voxel) else { continue };
                println!("{id} {text} of {voxel}: {used:.2} bytes a voxel, {said} said");
                // Tables and tiles of some hundred kilobytes count much in so small an image.
                if used > said * 1.05 + 0.9 {
                    wrong.push(format!("{id} {text} of {voxel}: {used:.2} bytes a voxel, not {said}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
