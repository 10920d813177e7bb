//! What takes how long, and whether it is the same: each step is run on two small images on the processor and on
//! the device, once a start. Lines are drawn through the times, and a GPU kernel that is not equal to its operator to
//! the last bit on this device is not used where that is promised. Nothing is kept on disk.

use super::Computer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use voxelry_core::blocks::{Chain, RegionVoxels, Step};
use voxelry_core::ops::{Call, Grid, Kind, Output, find};
use voxelry_core::{Job, Region, Volume, VoxelType};

/// Edges of the images that are tried.
pub(super) const TRIED: [usize; 2] = [24, 64];

/// Seconds for a number of voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// For none.
    pub start: f64,
    /// For each.
    pub voxel: f64,
}

impl Line {
    pub(super) fn through(times: [f64; 2]) -> Self {
        let [a, b] = TRIED.map(|n| (n * n * n) as f64);
        let voxel = ((times[1] - times[0]) / (b - a)).max(times[1] / b / 4.0);
        Self { start: (times[0] - voxel * a).max(0.0), voxel }
    }

    /// Seconds for a number of voxels.
    pub fn at(self, voxels: usize) -> f64 {
        self.start + self.voxel * voxels as f64
    }
}

/// How long steps take on either side, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// On the processor.
    pub processor: f64,
    /// On the device, with the image going up and the result coming down.
    pub device: f64,
}

/// Times of steps, by operator, arguments and type of voxels.
#[derive(Default)]
pub struct Model {
    times: Mutex<HashMap<String, Option<[Line; 2]>>>,
    copy: Mutex<Option<Line>>,
}

impl Model {
    /// The lines of something, which is tried if it wasn't yet.
    pub(super) fn known(&self, key: String, tried: impl FnOnce() -> Option<[Line; 2]>) -> Option<[Line; 2]> {
        let times = || self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let known = times().get(&key).copied();
        known.unwrap_or_else(|| {
            let lines = tried();
            times().insert(key, lines);
            lines
        })
    }
}

impl Computer {
    /// Whether the GPU kernel of a step has been seen to make the same bits as its operator on this device.
    pub fn is_proven(&self, step: &Step) -> bool {
        self.lines(step).is_some()
    }

    /// How long the steps would take to make a region; `None` where it can't be tried, or is not the same.
    pub fn estimate(&self, steps: &[&Step], out: Region) -> Option<Estimate> {
        let mut sum = Estimate { processor: 0.0, device: 0.0 };
        for step in steps {
            let [processor, device] = self.lines(step)?;
            sum.processor += processor.at(out.len());
            sum.device += device.at(out.len());
        }
        // Between steps nothing goes down and up.
        let between = (steps.len() - 1) as f64 * self.copying()?.at(out.len());
        sum.device = (sum.device - between).max(sum.device / (2 * steps.len()) as f64);
        Some(sum)
    }

    /// How long smoothing takes on an image of a million voxels.
    pub fn try_out(&self) -> Option<Estimate> {
        let grid = sample_grid(TRIED[0], VoxelType::F32, Kind::Grey);
        let args = complete("gaussian", &voxelry_core::ops::Args::default())?;
        let step = super::plan(&[("gaussian", &args)], grid)?.pop()?;
        self.estimate(&[&step], Region::whole([100; 3]))
    }

    /// Seconds to bring an image up, copy it there and bring it down.
    pub fn copying(&self) -> Option<Line> {
        let mut copy = self.model.copy.lock().unwrap_or_else(PoisonError::into_inner);
        if copy.is_none() {
            let args = voxelry_core::ops::Args::default();
            let grid = sample_grid(TRIED[0], VoxelType::F32, Kind::Grey);
            let step = super::plan(&[("clip", &complete("clip", &args)?)], grid)?.pop()?;
            let [small, large] = TRIED.map(|edge| self.device_time(&step, edge).map(|t| t.0));
            *copy = Some(Line::through([small?, large?]));
        }
        *copy
    }

    fn lines(&self, step: &Step) -> Option<[Line; 2]> {
        let grid = step.inputs[0]?;
        let key = format!("{} {:?} {:?} {:?}", step.op, step.args, grid.voxel, grid.kind);
        self.model.known(key, || self.tried(step))
    }

    fn tried(&self, step: &Step) -> Option<[Line; 2]> {
        let mut times = [[0.0; 2]; 2];
        for (i, edge) in TRIED.into_iter().enumerate() {
            let (processor, expected) = processor_time(step, edge)?;
            let (device, made) = self.device_time(step, edge)?;
            if !same(&expected, &made) {
                return None;
            }
            times[0][i] = processor;
            times[1][i] = device;
        }
        Some(times.map(Line::through))
    }

    fn device_time(&self, step: &Step, edge: usize) -> Option<(f64, Volume)> {
        let (step, volumes) = sample(step, edge);
        let out = Region::whole([edge; 3]);
        let part = |v: &Option<Arc<Volume>>| v.clone().map(|voxels| RegionVoxels { region: out, voxels });
        let steps = [&step];
        let mut best = f64::INFINITY;
        let mut made = None;
        // The first makes the pipelines.
        for round in 0..3 {
            let others = vec![volumes[1..].iter().map(part).collect()];
            let chain = Chain { steps: &steps, input: part(&volumes[0])?, others, out };
            let begun = Instant::now();
            made = self.run_chain(&chain, &Job::silent())?.ok();
            let time = begun.elapsed().as_secs_f64();
            if round > 0 {
                best = best.min(time);
            }
        }
        Some((best, made?))
    }
}

/// Whether two volumes have the same bits; any NaN is as good as another.
fn same(a: &Volume, b: &Volume) -> bool {
    match (a.view::<f32>(), b.view::<f32>()) {
        (Some(a), Some(b)) => {
            a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        }
        _ => a.as_bytes() == b.as_bytes(),
    }
}

fn complete(op: &str, given: &voxelry_core::ops::Args) -> Option<voxelry_core::ops::Args> {
    let given = given.iter().map(|(k, v)| (k, v.clone())).collect();
    voxelry_core::ops::Args::complete(find(op)?.spec(), given).ok()
}

pub(super) fn sample_grid(edge: usize, voxel: VoxelType, kind: Kind) -> Grid {
    Grid { shape: [edge; 3], voxel, kind, geometry: voxelry_core::Geometry::default() }
}

/// The step on small images of the same kinds.
fn sample(step: &Step, edge: usize) -> (Step, Vec<Option<Arc<Volume>>>) {
    let mut step = step.clone();
    step.inputs.iter_mut().flatten().for_each(|g| g.shape = [edge; 3]);
    step.output.shape = [edge; 3];
    let volumes = step.inputs.iter().map(|g| g.map(|g| Arc::new(noise(&g)))).collect();
    (step, volumes)
}

/// Blobs with noise, of any kind.
pub(super) fn noise(grid: &Grid) -> Volume {
    let mut state = 1u64;
    let values = ndarray::Array3::from_shape_fn(grid.shape, |(z, y, x)| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let blob = (z / 6 + y / 5 + x / 7) % 3;
        match grid.kind {
            Kind::Grey => (blob * 30) as f64 + (state >> 59) as f64,
            Kind::Mask => f64::from(u8::from(blob == 0)),
            Kind::Labels => blob as f64,
        }
    });
    Volume::F64(values).cast(grid.voxel)
}

fn processor_time(step: &Step, edge: usize) -> Option<(f64, Volume)> {
    let (step, volumes) = sample(step, edge);
    let operator = find(step.op)?;
    let prepared =
        operator.prepare(&Call { op: operator.spec().id, args: &step.args, inputs: &step.inputs }).ok()?;
    let mut best = f64::INFINITY;
    let mut made = None;
    for _ in 0..2 {
        let begun = Instant::now();
        let Output::Volume(volume) = prepared.kernel.whole(volumes.clone(), &Job::silent()).ok()? else {
            return None;
        };
        best = best.min(begun.elapsed().as_secs_f64());
        made = Some(volume);
    }
    Some((best, made?))
}
