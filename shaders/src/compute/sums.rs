//! The twin of the additive sums of objects (`measure::sums`): voxels, sums of their indices and of products of those,
//! and boxes.

use super::Computer;
use super::bricks::{bytes, take};
use super::device::Failure;
use super::graph::whole;
use super::model::{Estimate, Line, TRIED, noise, sample_grid};
use super::twins::uniforms_of_whole;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;
use voxelry_core::measure::scan::{self, Part, Plan};
use voxelry_core::measure::sums::{LocalSums, VoxelSums};
use voxelry_core::ops::Kind;
use voxelry_core::{Error, Job, Region, Result, Volume, VoxelType};

const SUMS: &str = include_str!("../../wgsl/compute/sums.wgsl");

/// Voxels of a run that an invocation walks along: as in the shader.
const RUN: usize = 64;
/// Sides of tiles: a run's sums of products fit into one word.
const SIDE: usize = 4096;

/// Sums of objects by their labels.
pub type Sums = Vec<(u32, VoxelSums)>;

/// The shader for labels or a mask; `None` for other types.
pub fn shader(voxel: VoxelType) -> Option<String> {
    let label = match voxel {
        VoxelType::U32 => "v",
        // Whatever is not 0 is one object.
        VoxelType::U8 => "u32(v != 0u)",
        _ => return None,
    };
    Some(whole(&format!("{SUMS}\nfn label_of(v: u32) -> u32 {{\n    return {label};\n}}\n"), voxel))
}

/// Words of an object in the table.
fn words(moments: bool) -> usize {
    if moments { 25 } else { 13 }
}

impl Computer {
    /// Sums over the voxels of each object, by label, the same numbers as [`scan::scan`] finds; `moments` tells whether
    /// second moments are found. `None` for other types than labels (`u32`) and masks (`u8`), for labels that are too
    /// many for the device's buffers, or if the device failed.
    pub fn sums(&self, labels: &Volume, moments: bool, job: &Job) -> Option<Result<Sums>> {
        let shader = shader(labels.voxel_type())?;
        if self.is_lost() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.summed(labels, moments, &shader, job) {
            Ok(sums) => Some(Ok(sums)),
            Err(Failure::Cancelled) => Some(Err(Error::Cancelled)),
            Err(failure) => {
                job.note(format!("{}: {failure}; the processor goes on", self.info().name));
                None
            }
        }
    }

    fn summed(&self, labels: &Volume, moments: bool, shader: &str, job: &Job) -> Result<Sums, Failure> {
        let (shape, voxel) = (labels.shape(), labels.voxel_type());
        let mut tile = self.limits.brick.unwrap_or(shape).map(|n| n.min(SIDE));
        while bytes(tile, voxel) > self.limits.buffer.min(self.limits.total / 2)
            && tile.iter().any(|n| *n > 1)
        {
            // Along z first, so that rows stay whole.
            let longest = if tile[0] > 1 { 0 } else { usize::from(tile[1] <= 1) + 1 };
            tile[longest] = tile[longest].div_ceil(2);
        }
        let mut all = BTreeMap::<u32, VoxelSums>::new();
        for tile in Region::whole(shape).tiles(tile.map(|n| n.max(1))) {
            if job.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let taken = take(labels, tile);
            if let Some((least, most)) = ends(&taken, voxel) {
                let table = self.table(&taken, tile, voxel, (least, most), (moments, shader))?;
                for (i, object) in table.chunks_exact(words(moments)).enumerate().filter(|(_, o)| o[0] > 0) {
                    let sums = of_words(object, moments, tile.start);
                    all.entry(least + i as u32).or_default().merge(&sums);
                }
            }
            job.advance(tile.len() as u64);
        }
        Ok(all.into_iter().collect())
    }

    /// The table of a tile's objects.
    fn table(
        &self,
        taken: &[u8],
        tile: Region,
        voxel: VoxelType,
        (least, most): (u32, u32),
        (moments, shader): (bool, &str),
    ) -> Result<Vec<u32>, Failure> {
        let (count, words) = ((most - least) as usize + 1, words(moments));
        let size = 4 * (count * words) as u64;
        if size > self.limits.buffer.min(self.limits.total / 2) {
            return Err(Failure::Refused(format!("{count} labels are too many for its buffers")));
        }
        let mut start = vec![0u32; count * words];
        start.chunks_exact_mut(words).for_each(|object| object[7..10].fill(u32::MAX));
        let runs = tile.shape[2].div_ceil(RUN);
        let coming = self.device.guarded(|| {
            let from = self.device.buffer(bytes(tile.shape, voxel));
            self.device.gpu.queue.write_buffer(&from, 0, taken);
            let (made, table) = (self.device.words(&start), self.device.words(&[]));
            let pipeline = self.device.pipeline("sums", shader);
            let mut encoder = self.device.encoder();
            let uniforms = uniforms_of_whole(tile.shape, [runs as u32, words as u32, least]);
            let threads = (tile.shape[0] * tile.shape[1] * runs) as u64;
            self.device.record(&mut encoder, &pipeline, uniforms, &[&made, &table, &from], threads);
            Ok(self.device.fetch(encoder, &made, size))
        })?;
        coming.wait(&self.device, |bytes| bytemuck::pod_collect_to_vec(&bytes[..size as usize]))
    }

    /// How long the sums would take; `None` where they are not the same as the processor's.
    pub fn estimate_sums(&self, labels: &Volume, moments: bool) -> Option<Estimate> {
        let voxel = labels.voxel_type();
        let [processor, device] =
            self.model.known(format!("sums {moments} {voxel:?}"), || self.try_sums(voxel, moments))?;
        Some(Estimate { processor: processor.at(labels.len()), device: device.at(labels.len()) })
    }

    fn try_sums(&self, voxel: VoxelType, moments: bool) -> Option<[Line; 2]> {
        let kind = if voxel == VoxelType::U8 { Kind::Mask } else { Kind::Labels };
        let mut times = [[0.0; 2]; 2];
        for (i, edge) in TRIED.into_iter().enumerate() {
            let volume = noise(&sample_grid(edge, voxel, kind));
            let timed = |run: &dyn Fn() -> Option<Sums>| {
                // The first makes the pipeline.
                let expected = run()?;
                let begun = Instant::now();
                run()?;
                Some((begun.elapsed().as_secs_f64(), expected))
            };
            let job = Job::silent();
            let (processor, expected) = timed(&|| by_processor(&volume, moments, &job))?;
            let (device, made) = timed(&|| self.sums(&volume, moments, &job)?.ok())?;
            if expected != made {
                return None;
            }
            (times[0][i], times[1][i]) = (processor, device);
        }
        Some(times.map(Line::through))
    }
}

/// The same sums as the processor finds them.
pub fn by_processor(labels: &Volume, moments: bool, job: &Job) -> Option<Sums> {
    let region = Region::whole(labels.shape());
    let plan = Plan { image: labels.shape(), table: None, scales: Vec::new(), moments, pairs: false };
    let objects = scan::scan(&plan, region, Part { volume: labels, region }, &[], job).ok()?;
    let sums = objects.labels.keys().iter().enumerate();
    let mut sums: Sums = sums.map(|(row, label)| (*label as u32, objects.voxels.get(row))).collect();
    sums.sort_unstable_by_key(|s| s.0);
    Some(sums)
}

/// The least and the greatest label of a tile; none if it has none.
fn ends(taken: &[u8], voxel: VoxelType) -> Option<(u32, u32)> {
    if voxel == VoxelType::U8 {
        return taken.iter().any(|v| *v != 0).then_some((1, 1));
    }
    let labels = taken.as_chunks::<4>().0.iter().map(|bytes| u32::from_ne_bytes(*bytes));
    let (least, most) = labels.fold((u32::MAX, 0), |(least, most), label| {
        // 0 is no label, and becomes the greatest number here.
        (least.min(label.wrapping_sub(1)), most.max(label))
    });
    (most > 0).then(|| (least + 1, most))
}

/// The sums about the image's origin of an object in a tile.
fn of_words(object: &[u32], moments: bool, origin: [usize; 3]) -> VoxelSums {
    let long = |at: usize| u64::from(object[at]) | u64::from(object[at + 1]) << 32;
    let local = LocalSums {
        count: u64::from(object[0]),
        first: [long(1), long(3), long(5)],
        low: std::array::from_fn(|a| object[7 + a]),
        high: std::array::from_fn(|a| object[10 + a]),
    };
    let second = moments.then(|| std::array::from_fn(|k| long(13 + 2 * k)));
    local.at(second.as_ref(), origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_labels_leave_background_out() {
        let of = |labels: &[u32]| ends(bytemuck::cast_slice(labels), VoxelType::U32);
        assert_eq!(of(&[0, 0]), None);
        assert_eq!(of(&[0, 7, 3, 0]), Some((3, 7)));
        assert_eq!(of(&[u32::MAX]), Some((u32::MAX, u32::MAX)));
        assert_eq!(ends(&[0, 9], VoxelType::U8), Some((1, 1)));
    }
}
