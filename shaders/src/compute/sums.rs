//! The GPU kernel of the additive sums of objects (`measure::sums`): voxels, sums of their indices and of products of those,
//! boxes, and the same of intensities of 8 and 16 bits.

use super::Computer;
use super::bricks::{bytes, take};
use super::device::{Coming, Failure, Held};
use super::graph::whole;
use super::kernels::uniforms_of_whole;
use super::model::{Estimate, Line, TRIED, noise, sample_grid};
use std::sync::PoisonError;
use std::time::Instant;
use voxelry_core::measure::sums::channel::ChannelSums;
use voxelry_core::measure::sums::scan::{self, Plan, RegionView};
use voxelry_core::measure::sums::{LocalSums, Objects, VoxelSums, intensity};
use voxelry_core::ops::Kind;
use voxelry_core::{Error, Job, Region, Result, Volume, VoxelType};

const RUNS: &str = include_str!("../../wgsl/compute/runs.wgsl");
const SUMS: &str = include_str!("../../wgsl/compute/sums.wgsl");
const CHANNEL: &str = include_str!("../../wgsl/compute/channel.wgsl");

/// Voxels of a run that an invocation walks along: as in the shader.
const RUN: usize = 64;
/// Sides of tiles: a run's sums of products fit into one word.
const SIDE: usize = 4096;
/// Words of an object in a channel's table.
const CHANNEL_WORDS: usize = 38;

/// An object's label and sums.
pub type Row = (u64, VoxelSums, Vec<ChannelSums>);

/// All objects by their labels, to hold one way of finding them to another.
pub fn rows(objects: &Objects) -> Vec<Row> {
    let keys = objects.labels.keys().iter().enumerate();
    let channels = |row| objects.channels.iter().map(|c| c.get(row)).collect();
    let mut rows: Vec<Row> =
        keys.map(|(row, label)| (*label, objects.voxels.get(row), channels(row))).collect();
    rows.sort_unstable_by_key(|row| row.0);
    rows
}

/// How labels or a mask are read; `None` for other types.
fn label_of(voxel: VoxelType) -> Option<String> {
    let label = match voxel {
        VoxelType::U32 => "v",
        // Whatever is not 0 is one object.
        VoxelType::U8 => "u32(v != 0u)",
        _ => return None,
    };
    Some(format!("{RUNS}\nfn label_of(v: u32) -> u32 {{\n    return {label};\n}}\n"))
}

/// The shader for labels or a mask; `None` for other types.
pub fn shader(voxel: VoxelType) -> Option<String> {
    Some(whole(&format!("{SUMS}\n{}", label_of(voxel)?), &[voxel], false))
}

/// The shader for the intensities of a channel below labels or a mask; `None` for other types.
pub fn channel_shader(labels: VoxelType, channel: VoxelType) -> Option<String> {
    let intensity = format!(
        "fn intensity_of(v: u32) -> u32 {{\n    return bitcast<u32>(bitcast<i32>(v) - {});\n}}\n",
        least_of(channel)?
    );
    Some(whole(&format!("{CHANNEL}\n{}\n{intensity}", label_of(labels)?), &[labels, channel], true))
}

/// The least intensity of a type of 8 or 16 bits.
fn least_of(channel: VoxelType) -> Option<i32> {
    match channel {
        VoxelType::U8 | VoxelType::U16 => Some(0),
        VoxelType::I8 => Some(i8::MIN.into()),
        VoxelType::I16 => Some(i16::MIN.into()),
        _ => None,
    }
}

/// Words of an object in the table.
fn words(moments: bool) -> usize {
    if moments { 25 } else { 13 }
}

/// The shaders of a run.
struct Shaders {
    voxels: String,
    channels: Vec<String>,
}

impl Shaders {
    fn new(labels: &Volume, channels: &[&Volume]) -> Option<Self> {
        let ty = labels.voxel_type();
        let channels = channels.iter().map(|c| channel_shader(ty, c.voxel_type()));
        Some(Self { voxels: shader(ty)?, channels: channels.collect::<Option<_>>()? })
    }
}

/// Labels of a tile on the device.
struct Tile<'a> {
    region: Region,
    labels: &'a Held,
    /// The least label and how many there may be.
    least: u32,
    count: usize,
}

impl Computer {
    /// Sums over the voxels of each object, and over their intensities in channels, the same numbers as [`scan::scan`]
    /// finds; `moments` tells whether second moments are found, as they always are with channels. `None` for other
    /// labels than `u32` and masks (`u8`), for other channels than of 8 and 16 bits, for labels that are too many for
    /// the device's buffers, or if the device failed.
    pub fn sums(
        &self,
        labels: &Volume,
        channels: &[&Volume],
        moments: bool,
        job: &Job,
    ) -> Option<Result<Objects>> {
        let shaders = Shaders::new(labels, channels)?;
        if self.is_lost() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.summed(labels, channels, moments || !channels.is_empty(), &shaders, job) {
            Ok(sums) => Some(Ok(sums)),
            Err(Failure::Cancelled) => Some(Err(Error::Cancelled)),
            Err(failure) => {
                job.note(format!("{}: {failure}; the processor goes on", self.info().name));
                None
            }
        }
    }

    fn summed(
        &self,
        labels: &Volume,
        channels: &[&Volume],
        moments: bool,
        shaders: &Shaders,
        job: &Job,
    ) -> Result<Objects, Failure> {
        let (shape, voxel) = (labels.shape(), labels.voxel_type());
        let mut tile = self.limits.brick.unwrap_or(shape).map(|n| n.min(SIDE));
        let widest = channels.iter().map(|c| c.voxel_type()).chain([voxel]).max_by_key(|ty| ty.size());
        let size = |tile: [usize; 3]| bytes(tile, widest.expect("labels are one of them"));
        // The places of voxels in a tile are words.
        let limit = self.limits.buffer.min(self.limits.total / 4).min(u64::from(u32::MAX) / 2);
        while size(tile) > limit && tile.iter().any(|n| *n > 1) {
            // Along z first, so that rows stay whole.
            let longest = if tile[0] > 1 { 0 } else { usize::from(tile[1] <= 1) + 1 };
            tile[longest] = tile[longest].div_ceil(2);
        }
        let mut all = Objects::new(channels.iter().map(|c| c.voxel_type()), moments, false);
        for region in Region::whole(shape).tiles(tile.map(|n| n.max(1))) {
            if job.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let taken = take(labels, region);
            if let Some((least, most)) = ends(&taken, voxel) {
                let held = self.device.buffer(bytes(region.shape, voxel));
                self.device.gpu.queue.write_buffer(&held, 0, &taken);
                let tile = Tile { region, labels: &held, least, count: (most - least) as usize + 1 };
                self.add_tile(&mut all, &tile, channels, moments, shaders)?;
            }
            job.advance(region.len() as u64);
        }
        Ok(all)
    }

    fn add_tile(
        &self,
        all: &mut Objects,
        tile: &Tile,
        channels: &[&Volume],
        moments: bool,
        shaders: &Shaders,
    ) -> Result<(), Failure> {
        let voxels = self.voxels(tile, moments, &shaders.voxels)?;
        // Rows of the objects that there are, with what converts their intensities.
        let mut found = Vec::new();
        for (i, object) in voxels.chunks_exact(words(moments)).enumerate().filter(|(_, o)| o[0] > 0) {
            let row = all.row(u64::from(tile.least) + i as u64);
            all.voxels.merge(row, &of_words(object, moments, tile.region.start));
            found.push((i, row));
        }
        for ((channel, shader), number) in channels.iter().zip(&shaders.channels).zip(0..) {
            let table = self.channel(tile, channel, shader)?;
            for &(i, row) in &found {
                let object = &voxels[i * words(moments)..][..words(moments)];
                let sums = &table[i * CHANNEL_WORDS..][..CHANNEL_WORDS];
                let sums = of_channel(sums, object, channel.voxel_type(), tile.region);
                all.channels[number].merge(row, &sums);
            }
        }
        Ok(())
    }

    /// The table of a tile's objects.
    fn voxels(&self, tile: &Tile, moments: bool, shader: &str) -> Result<Vec<u32>, Failure> {
        let words = words(moments);
        self.check_table(tile, words)?;
        let mut start = vec![0u32; tile.count * words];
        start.chunks_exact_mut(words).for_each(|object| object[7..10].fill(u32::MAX));
        let coming = self.device.guarded(|| {
            let made = self.device.words(&start);
            let mut encoder = self.device.encoder();
            self.record_runs(&mut encoder, ("sums", shader), tile, words as u32, (&made, None));
            Ok(self.device.fetch(encoder, &made, 4 * start.len() as u64))
        })?;
        self.words_of(coming, start.len())
    }

    /// The table of the intensities of a tile's objects.
    fn channel(&self, tile: &Tile, channel: &Volume, shader: &str) -> Result<Vec<u32>, Failure> {
        self.check_table(tile, CHANNEL_WORDS)?;
        let length = tile.count * CHANNEL_WORDS;
        let coming = self.device.guarded(|| {
            let made = self.device.words(&vec![0; length]);
            let intensities = self.device.buffer(bytes(tile.region.shape, channel.voxel_type()));
            self.device.gpu.queue.write_buffer(&intensities, 0, &take(channel, tile.region));
            let mut encoder = self.device.encoder();
            for step in [0, 1] {
                let buffers = (&made, Some(&intensities));
                self.record_runs(&mut encoder, ("sums of intensities", shader), tile, step, buffers);
            }
            Ok(self.device.fetch(encoder, &made, 4 * length as u64))
        })?;
        self.words_of(coming, length)
    }

    fn check_table(&self, tile: &Tile, words: usize) -> Result<(), Failure> {
        let size = 4 * (tile.count * words) as u64;
        if size > self.limits.buffer.min(self.limits.total / 4) {
            return Err(Failure::Refused(format!("{} labels are too many for its buffers", tile.count)));
        }
        Ok(())
    }

    fn record_runs(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        (name, shader): (&str, &str),
        tile: &Tile,
        second: u32,
        (made, intensities): (&Held, Option<&Held>),
    ) {
        let [z, y, x] = tile.region.shape;
        let runs = x.div_ceil(RUN);
        let uniforms = uniforms_of_whole(tile.region.shape, [runs as u32, second, tile.least]);
        let pipeline = self.device.pipeline(name, shader);
        let table = self.device.words(&[]);
        let mut bound: Vec<&wgpu::Buffer> = vec![made, &table, tile.labels];
        bound.extend(intensities.map(|held| &**held));
        self.device.record(encoder, &pipeline, uniforms, &bound, (z * y * runs) as u64);
    }

    fn words_of(&self, coming: Coming, length: usize) -> Result<Vec<u32>, Failure> {
        coming.wait(&self.device, |bytes| bytemuck::pod_collect_to_vec(&bytes[..4 * length]))
    }

    /// How long the sums would take; `None` where they are not the same as the processor's.
    pub fn estimate_sums(&self, labels: &Volume, channels: &[&Volume], moments: bool) -> Option<Estimate> {
        let voxel = labels.voxel_type();
        let types: Vec<_> = channels.iter().map(|c| c.voxel_type()).collect();
        let name = format!("sums {moments} {voxel:?} {types:?}");
        let [processor, device] = self.model.known(name, || self.try_sums(voxel, &types, moments))?;
        Some(Estimate { processor: processor.at(labels.len()), device: device.at(labels.len()) })
    }

    fn try_sums(&self, voxel: VoxelType, channels: &[VoxelType], moments: bool) -> Option<[Line; 2]> {
        let kind = if voxel == VoxelType::U8 { Kind::Mask } else { Kind::Labels };
        let mut times = [[0.0; 2]; 2];
        for (i, edge) in TRIED.into_iter().enumerate() {
            let volume = noise(&sample_grid(edge, voxel, kind));
            let channels: Vec<_> =
                channels.iter().map(|ty| noise(&sample_grid(edge, *ty, Kind::Grey))).collect();
            let channels: Vec<&Volume> = channels.iter().collect();
            let timed = |run: &dyn Fn() -> Option<Objects>| {
                // The first makes the pipeline.
                let expected = rows(&run()?);
                let begun = Instant::now();
                run()?;
                Some((begun.elapsed().as_secs_f64(), expected))
            };
            let job = Job::silent();
            let (processor, expected) = timed(&|| by_processor(&volume, &channels, moments, &job))?;
            let (device, made) = timed(&|| self.sums(&volume, &channels, moments, &job)?.ok())?;
            if expected != made {
                return None;
            }
            (times[0][i], times[1][i]) = (processor, device);
        }
        Some(times.map(Line::through))
    }
}

/// The same sums as the processor finds them.
pub fn by_processor(labels: &Volume, channels: &[&Volume], moments: bool, job: &Job) -> Option<Objects> {
    let region = Region::whole(labels.shape());
    if channels.iter().any(|c| intensity::offset(c.voxel_type()).is_none()) {
        return None;
    }
    let plan =
        Plan { image: labels.shape(), table: None, moments: moments || !channels.is_empty(), pairs: false };
    let parts: Vec<_> = channels.iter().map(|volume| RegionView { volume, region }).collect();
    scan::scan(&plan, region, RegionView { volume: labels, region }, &parts, job).ok()
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

/// The sums of an object's intensities in a tile, of its words and those of its voxels: what the shader sums is the
/// intensity less the least of its type, `u`, and what is kept is that of `q = u − bias`.
fn of_channel(sums: &[u32], voxels: &[u32], channel: VoxelType, tile: Region) -> ChannelSums {
    let number = |words: &[u32], at: usize, count: usize| {
        words[at..at + count].iter().rev().fold(0i128, |sum, word| sum << 32 | i128::from(*word))
    };
    let least = f64::from(least_of(channel).expect("there is a shader for the type"));
    let offset = intensity::offset(channel).expect("types of 8 and 16 bits have one");
    let bias = i128::from(offset) - least as i128;
    let n = i128::from(voxels[0]);
    let [s1, s2, s3, s4] = [(4, 2), (6, 2), (8, 3), (11, 3)].map(|(at, count)| number(sums, at, count));
    let (b2, b3, b4) = (bias.pow(2), bias.pow(3), bias.pow(4));
    let powers = [
        s1 - bias * n,
        s2 - 2 * bias * s1 + b2 * n,
        s3 - 3 * bias * s2 + 3 * b2 * s1 - b3 * n,
        s4 - 4 * bias * s3 + 6 * b2 * s2 - 4 * b3 * s1 + b4 * n,
    ];
    let place = |word: u32| {
        let place = (u32::MAX - word) as usize;
        let [_, h, w] = tile.shape;
        let [z, y, x] = tile.start;
        [z + place / w / h, y + place / w % h, x + place % w].map(|v| v as u32)
    };
    ChannelSums {
        valid: u64::from(voxels[0]),
        powers,
        first: std::array::from_fn(|a| number(sums, 14 + 2 * a, 2) - bias * number(voxels, 1 + 2 * a, 2)),
        second: std::array::from_fn(|k| number(sums, 20 + 3 * k, 3) - bias * number(voxels, 13 + 2 * k, 2)),
        min: least + f64::from(65536 - sums[0]),
        min_at: place(sums[2]),
        max: least + f64::from(sums[1] - 1),
        max_at: place(sums[3]),
        ..ChannelSums::default()
    }
    .at(tile.start)
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
