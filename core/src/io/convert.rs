//! From one file to another, in bounded memory.

use super::format::by_extension;
use super::{Frame, ImageInfo, ImageSink, ImageSource, ImageSpec, Seal, WriteOptions};
use crate::{Error, Job, Region, Result, Volume, Voxel, VoxelType, with_volume, with_voxel};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// About this many bytes are read at once; twice that is in memory.
const PIECE_BYTES: usize = 64 << 20;

/// How to convert.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConvertOptions {
    /// The resolution level to read, 0 the finest.
    pub level: usize,
    /// The part to keep, in voxels of that level; everything if none.
    pub crop: Option<Region>,
    /// The voxel type to write; rounded half to even and clamped for integers.
    pub voxel: Option<VoxelType>,
    /// Whether the voxels are labels, where the file does not say so or says it wrongly.
    pub labels: Option<bool>,
    /// How to write.
    pub write: WriteOptions,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The image as written.
    pub spec: ImageSpec,
    /// What reading changed, what the cast changes, and what the target cannot express, one
    /// sentence each.
    pub losses: Vec<String>,
}

/// What a file or folder is, in words that change when it is written to: its full name, lengths and times of change.
/// None for an address, or where that is not known.
pub fn identity(path: &Path) -> Option<String> {
    fn add(path: &Path, sum: &mut blake3::Hasher) -> std::io::Result<()> {
        let about = std::fs::metadata(path)?;
        if about.is_dir() {
            let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<std::io::Result<_>>()?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            entries.iter().try_for_each(|entry| add(&entry.path(), sum))
        } else {
            let since = about.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            sum.update(format!("{} {} {}\n", path.display(), about.len(), since.as_nanos()).as_bytes());
            Ok(())
        }
    }
    let path = path.canonicalize().ok()?;
    let mut sum = blake3::Hasher::new();
    add(&path, &mut sum).ok()?;
    Some(format!("{} {}", path.display(), sum.finalize()))
}

/// Writes every channel and time of `source` to `target`, in the format that its ending names.
/// Memory stays within a few hundred megabytes whatever the size of the image. Losses are also
/// told to the job as warnings.
///
/// # Errors
/// If the source is damaged, the target cannot be written or cannot hold such an image, the crop
/// lies outside, or the job was cancelled; then the target is as it was.
pub fn convert(
    source: &dyn ImageSource,
    target: impl AsRef<Path>,
    options: &ConvertOptions,
    job: &Job,
) -> Result<Converted> {
    write_beside(source, target.as_ref(), options, job)?.commit(job)
}

/// An image all voxels of which are written, but that does not have its name yet.
pub struct Pending {
    sink: Box<dyn ImageSink>,
    made: Converted,
    /// What it is made of.
    seal: Seal,
}

impl Pending {
    /// Gives the image its name, in place of what had it.
    ///
    /// # Errors
    /// As [`convert`].
    pub fn commit(self, job: &Job) -> Result<Converted> {
        job.check()?;
        self.seal.check()?;
        self.sink.finish(job)?;
        Ok(self.made)
    }
}

/// As [`convert`], but the image does not take the place of the target yet.
///
/// # Errors
/// As [`convert`].
pub fn write_beside(
    source: &dyn ImageSource,
    target: &Path,
    options: &ConvertOptions,
    job: &Job,
) -> Result<Pending> {
    let info = source.info();
    let spec = spec_of(info, options)?;
    let format = by_extension(target)?;
    let mut losses = info.notes.clone();
    losses.extend(cast_loss(info.voxel, spec.voxel));
    losses.extend(format.losses(&spec));
    for loss in &losses {
        job.warn(loss.clone());
    }
    let seal = source.seal()?;
    let sink = format.create(target, &spec, &options.write)?;
    let origin = options.crop.map_or([0; 3], |crop| crop.start);
    let frames = spec.channels.len() as u64 * spec.times as u64;
    job.stage("convert", Region::whole(spec.shape).len() as u64 * frames);
    copy(source, &*sink, &spec, options.level, origin, job)?;
    Ok(Pending { sink, made: Converted { spec, losses }, seal })
}

/// As [`write_beside`] with default options, for an image of which only the parts `changed` may differ from what lies at
/// the target: nothing else is written. None if what lies there is no such image of Voxelry's; it then has to be
/// written whole.
///
/// # Errors
/// As [`convert`].
pub fn update_beside(
    source: &dyn ImageSource,
    target: &Path,
    labels: bool,
    changed: &[Region],
    job: &Job,
) -> Result<Option<Pending>> {
    let options = ConvertOptions { labels: Some(labels), ..ConvertOptions::default() };
    let spec = spec_of(source.info(), &options)?;
    let seal = source.seal()?;
    let Some(sink) = by_extension(target)?.update(target, &spec, &options.write)? else { return Ok(None) };
    let (block, whole) = (sink.block(), Region::whole(spec.shape));
    let mut blocks = BTreeSet::new();
    for region in changed.iter().map(|r| r.intersection(&whole)).filter(|r| !r.is_empty()) {
        let first: [usize; 3] = std::array::from_fn(|a| region.start[a] / block[a]);
        let count = std::array::from_fn(|a| region.end()[a].div_ceil(block[a]) - first[a]);
        blocks.extend(Region::new(first, count).tiles([1; 3]).into_iter().map(|tile| tile.start));
    }
    let blocks: Vec<Region> = (blocks.into_iter())
        .map(|at| Region::new(std::array::from_fn(|a| at[a] * block[a]), block).intersection(&whole))
        .collect();
    let frames = (0..spec.times).flat_map(|t| (0..spec.channels.len()).map(move |c| Frame::new(c, t)));
    job.stage("convert", blocks.iter().map(|b| b.len() as u64).sum());
    for frame in frames {
        blocks.par_iter().try_for_each(|region| {
            job.check()?;
            sink.write(frame, region.start, &source.read(frame, *region)?.cast(spec.voxel))?;
            job.advance(region.len() as u64);
            Result::Ok(())
        })?;
    }
    Ok(Some(Pending { sink, made: Converted { spec, losses: Vec::new() }, seal }))
}

fn spec_of(info: &ImageInfo, options: &ConvertOptions) -> Result<ImageSpec> {
    let Some(level) = info.levels.get(options.level) else {
        let count = info.levels.len();
        return Err(Error::Usage(format!("level {} of an image that has {count} levels", options.level)));
    };
    let mut spec = ImageSpec::from(info);
    let whole = Region::whole(level.shape);
    let crop = options.crop.unwrap_or(whole);
    let fits = (0..3).all(|a| crop.start[a].checked_add(crop.shape[a]).is_some_and(|e| e <= level.shape[a]));
    if !fits || crop.is_empty() {
        return Err(Error::Usage(format!(
            "a crop of shape {:?} at {:?} does not lie inside an image of shape {:?} (z, y, x)",
            crop.shape, crop.start, level.shape
        )));
    }
    spec.shape = crop.shape;
    spec.geometry = level.geometry;
    if crop.start != [0; 3] {
        spec.geometry = level.geometry.cropped(crop.start.map(|s| s as f64));
    }
    spec.voxel = options.voxel.unwrap_or(info.voxel);
    spec.labels = options.labels.unwrap_or(info.labels) && !spec.voxel.is_float();
    Ok(spec)
}

/// What a cast does to values that the new type does not have.
fn cast_loss(from: VoxelType, to: VoxelType) -> Option<String> {
    if from == to {
        return None;
    }
    // Bits of magnitude, and whether there is a sign.
    let integer = |t: VoxelType| {
        use VoxelType::{I8, I16, I32, I64, U8, U16, U32, U64};
        match t {
            U8 => Some((8, false)),
            U16 => Some((16, false)),
            U32 => Some((32, false)),
            U64 => Some((64, false)),
            I8 => Some((7, true)),
            I16 => Some((15, true)),
            I32 => Some((31, true)),
            I64 => Some((63, true)),
            _ => None,
        }
    };
    match (integer(from), integer(to)) {
        (None, Some(_)) => Some(format!("values were rounded and clamped to the range of {to}")),
        (Some((bits, sign)), Some((room, signed))) if bits > room || (sign && !signed) => {
            Some(format!("values beyond the range of {to} were clamped"))
        }
        (Some((bits, _)), None) if bits > if to == VoxelType::F32 { 24 } else { 53 } => {
            Some(format!("large integers were rounded to the precision of {to}"))
        }
        (None, None) if to == VoxelType::F32 => {
            Some("values were rounded to the precision of f32".to_owned())
        }
        _ => None,
    }
}

/// A piece of work: some whole tiles of the sink, read at once.
#[derive(Clone, Copy)]
struct ReadTask {
    frame: Frame,
    region: Region,
}

/// Whole tiles read together: rows of tiles, then layers of them, in the order of delivery.
fn pieces(spec: &ImageSpec, block: [usize; 3], voxel: VoxelType) -> Vec<Region> {
    let mut shape: [usize; 3] = std::array::from_fn(|a| block[a].clamp(1, spec.shape[a]));
    for axis in [2, 1, 0] {
        let layer = shape.iter().product::<usize>() / shape[axis];
        let room = (PIECE_BYTES / voxel.size().max(spec.voxel.size()) / layer.max(1)).max(shape[axis]);
        shape[axis] =
            if room >= spec.shape[axis] { spec.shape[axis] } else { room / shape[axis] * shape[axis] };
        if shape[axis] < spec.shape[axis] {
            break;
        }
    }
    Region::whole(spec.shape).tiles(shape)
}

fn copy(
    source: &dyn ImageSource,
    sink: &dyn ImageSink,
    spec: &ImageSpec,
    level: usize,
    origin: [usize; 3],
    job: &Job,
) -> Result<()> {
    let block = sink.block();
    let regions = pieces(spec, block, source.info().voxel);
    let channels = spec.channels.len();
    let frames =
        (0..spec.times).flat_map(|t| (0..channels).map(move |c| Frame { level, channel: c, time: t }));
    // What a call before has written is not read again.
    let is_there = |piece: &ReadTask| {
        let frame = Frame::new(piece.frame.channel, piece.frame.time);
        let there = piece.region.tiles(block).iter().all(|tile| sink.is_written(frame, tile.start));
        if there {
            job.advance(piece.region.len() as u64);
        }
        there
    };
    let mut work = frames
        .flat_map(|frame| regions.iter().map(move |r| ReadTask { frame, region: *r }))
        .filter(|piece| !is_there(piece));
    let read = |piece: ReadTask, volume: &mut Volume| -> Result<()> {
        job.check()?;
        let start = std::array::from_fn(|a| origin[a] + piece.region.start[a]);
        source.read_into(piece.frame, Region::new(start, piece.region.shape), volume)
    };
    let mut piece = work.next();
    let [mut here, mut after] = [(); 2].map(|()| Volume::zeros(source.info().voxel, [0; 3]));
    piece.map_or(Ok(()), |piece| read(piece, &mut here))?;
    while let Some(current) = piece {
        // The next piece is read while this one is written.
        let next = work.next();
        let (written, is_read) = rayon::join(
            || write(sink, spec, block, &current, &here, job),
            || next.map_or(Ok(()), |next| read(next, &mut after)),
        );
        written?;
        is_read?;
        std::mem::swap(&mut here, &mut after);
        piece = next;
    }
    Ok(())
}

fn write(
    sink: &dyn ImageSink,
    spec: &ImageSpec,
    block: [usize; 3],
    piece: &ReadTask,
    volume: &Volume,
    job: &Job,
) -> Result<()> {
    let frame = Frame::new(piece.frame.channel, piece.frame.time);
    let tiles = piece.region.tiles(block);
    let one = |tile: &Region| -> Result<()> {
        job.check()?;
        if sink.is_written(frame, tile.start) {
            job.advance(tile.len() as u64);
            return Ok(());
        }
        let part = tile.relative_to(piece.region.start);
        if volume.voxel_type() == spec.voxel {
            sink.write_part(frame, tile.start, volume, part)?;
        } else {
            let part = volume.crop(part);
            if spec.labels {
                check_labels(&part, spec.voxel)?;
            }
            sink.write(frame, tile.start, &part.cast(spec.voxel))?;
        }
        job.advance(tile.len() as u64);
        Ok(())
    };
    if sink.any_order() { tiles.par_iter().try_for_each(one) } else { tiles.iter().try_for_each(one) }
}

/// Labels that are clamped or rounded are other labels.
fn check_labels(labels: &Volume, to: VoxelType) -> Result<()> {
    let kept = |label: f64| with_voxel!(to, |T| T::from_f64(label).to_f64()) == label;
    let lost = with_volume!(labels, |a| a.iter().map(|v| v.to_f64()).find(|label| !kept(*label)));
    match lost {
        Some(label) => {
            Err(Error::Usage(format!("label {label} can't be kept in {to}; choose another --type")))
        }
        None => Ok(()),
    }
}
