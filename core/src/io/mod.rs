//! Image files. One trait to read a region of a level ([`ImageSource`]), one to write
//! ([`ImageSink`]), and one slice, [`FORMATS`], that lists what is understood; `info`, `convert`,
//! file dialogs and the engine follow from it. Nothing here knows operators.
//!
//! Architecture invariant: a header is never trusted for an allocation. A reader checks what a
//! header promises against the length of the file before it allocates, and a sink never leaves a
//! file that looks complete and is not: it writes beside the target and renames in `finish`.

pub mod atomic;
pub mod browse;
mod calibration;
pub mod convert;
mod field;
mod folder;
mod format;
mod hdf5;
pub mod mesh;
mod metaimage;
mod nifti;
mod npy;
mod nrrd;
mod onto;
pub mod options;
mod planar;
pub mod pyramid;
mod raw;
pub mod remote;
#[cfg(test)]
mod roundtrip;
pub mod sample;
mod steady;
pub mod target;
mod tiff;
pub mod verify;
mod zarr;

pub use calibration::Calibration;
pub use field::FileField;
pub use format::{FORMATS, Format, OpenOptions, WriteOptions, by_extension, create, open};
pub use onto::{OnGrid, in_unit, on_grid};
pub use steady::Seal;

use crate::{Geometry, Job, Region, Result, Volume, VoxelType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One resolution level of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Shape `[z, y, x]`.
    pub shape: [usize; 3],
    /// Where its voxels lie.
    pub geometry: Geometry,
    /// The box of voxels that is cheapest to read at once, `[z, y, x]`.
    pub chunk: [usize; 3],
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Channel {
    /// Name, or empty.
    pub name: String,
    /// Display colour, if the file gives one.
    pub color: Option<[u8; 3]>,
}

/// One of several images of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// Its name, by which [`OpenOptions::dataset`] chooses it.
    pub name: String,
    /// What the file says of it besides: a title, a position; or nothing.
    pub title: String,
    /// Shape `[z, y, x]`.
    pub shape: [usize; 3],
    /// Number of channels.
    pub channels: usize,
    /// Number of time frames.
    pub times: usize,
    /// Type of its voxels.
    pub voxel: VoxelType,
    /// Whether it is the one that is open.
    pub open: bool,
}

/// What an image is, without its voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInfo {
    /// Id of the format it was read with.
    pub format: &'static str,
    /// Resolution levels, finest first; at least one.
    pub levels: Vec<Level>,
    /// Type of every voxel as [`ImageSource::read`] returns it.
    pub voxel: VoxelType,
    /// Channels; at least one.
    pub channels: Vec<Channel>,
    /// Number of time frames; at least one.
    pub times: usize,
    /// Time between frames in seconds, if the file says.
    pub time_step: Option<f64>,
    /// Whether the file says that it holds labels.
    pub labels: bool,
    /// What the stored numbers mean, if they are not the values themselves. Voxels are read as values.
    pub calibration: Option<Calibration>,
    /// What of the image is missing because its file is damaged or cut short, one sentence each; also among the notes.
    pub damage: Vec<String>,
    /// All images of the file, if it has several.
    pub datasets: Vec<DatasetInfo>,
    /// What reading changed or could not express, one sentence each.
    pub notes: Vec<String>,
    /// Further fields of the header, for the inspector.
    pub metadata: BTreeMap<String, String>,
}

impl ImageInfo {
    /// A single-level, single-channel image.
    pub fn simple(
        format: &'static str,
        shape: [usize; 3],
        chunk: [usize; 3],
        voxel: VoxelType,
        geometry: Geometry,
    ) -> Self {
        Self {
            format,
            levels: vec![Level { shape, geometry, chunk }],
            voxel,
            channels: vec![Channel::default()],
            times: 1,
            time_step: None,
            labels: false,
            calibration: None,
            damage: Vec::new(),
            datasets: Vec::new(),
            notes: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// Whether all of the image is there, or its damage is accepted.
    ///
    /// # Errors
    /// If not, in the words of the command line.
    pub fn check_whole(&self, path: &std::path::Path, options: &OpenOptions) -> Result<()> {
        match &self.damage[..] {
            [first, rest @ ..] if !options.accept_damaged => {
                let more =
                    if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                let reason = format!("is damaged: {first}{more}; --accept-damaged reads what is there");
                Err(crate::Error::file(path, reason))
            }
            _ => Ok(()),
        }
    }

    /// Marks which of [`ImageInfo::datasets`] is open, and says so in a note.
    pub(crate) fn choose(&mut self, at: usize) {
        self.datasets[at].open = true;
        let others = self.datasets.iter().filter(|d| !d.open).map(|d| format!("\"{}\"", d.name));
        let mut others: Vec<String> = others.take(9).collect();
        if others.len() > 8 {
            "…".clone_into(&mut others[8]);
        }
        self.notes.push(format!(
            "of {} images \"{}\" is read (--dataset); the others: {}",
            self.datasets.len(),
            self.datasets[at].name,
            others.join(", ")
        ));
    }

    /// Shape `[z, y, x]` of the finest level.
    pub fn shape(&self) -> [usize; 3] {
        self.levels[0].shape
    }

    /// Geometry of the finest level.
    pub fn geometry(&self) -> Geometry {
        self.levels[0].geometry
    }

    /// Voxels of all channels and times at the finest level.
    pub fn voxel_count(&self) -> u64 {
        self.shape().iter().map(|&n| n as u64).product::<u64>()
            * self.channels.len() as u64
            * self.times as u64
    }
}

/// Which volume of an image: level, channel, time, each from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Frame {
    /// Resolution level, 0 the finest.
    pub level: usize,
    /// Channel.
    pub channel: usize,
    /// Time frame.
    pub time: usize,
}

impl Frame {
    /// Level 0 of a channel and time.
    pub fn new(channel: usize, time: usize) -> Self {
        Self { level: 0, channel, time }
    }

    /// The same frame of a further image: where it has one channel or one time frame, that one.
    pub fn of_further(self, info: &ImageInfo) -> Self {
        Self {
            level: self.level.min(info.levels.len() - 1),
            channel: if info.channels.len() > 1 { self.channel } else { 0 },
            time: if info.times > 1 { self.time } else { 0 },
        }
    }

    /// Which channel and time frame of several are used, in the words of the command line: what a user who has not
    /// chosen them should know.
    pub fn choices(self, info: &ImageInfo) -> Vec<(&'static str, String)> {
        [("channel", self.channel, info.channels.len()), ("time", self.time, info.times)]
            .into_iter()
            .filter(|(.., count)| *count > 1)
            .map(|(name, at, count)| {
                let frame = if name == "time" { "time frame" } else { name };
                (name, format!("{frame} {} of {count} is used (--{name})", at + 1))
            })
            .collect()
    }

    /// Whether an image has it.
    ///
    /// # Errors
    /// If not, in the words of the command line.
    pub fn check(self, info: &ImageInfo) -> Result<()> {
        for (name, asked, there) in [
            ("channel", self.channel + 1, info.channels.len()),
            ("time", self.time + 1, info.times),
            ("level", self.level, info.levels.len() - 1),
        ] {
            if asked > there {
                return Err(crate::Error::Usage(format!("--{name} {asked}: the last one is {there}")));
            }
        }
        Ok(())
    }
}

/// An open image. Reading is thread-safe: the engine and the viewer read from many threads.
pub trait ImageSource: Send + Sync {
    /// What it is.
    fn info(&self) -> &ImageInfo;

    /// Reads a region of one frame. The volume has the region's shape and `info().voxel` as type.
    ///
    /// # Errors
    /// If the file is truncated or damaged, or the frame or region lies outside.
    fn read(&self, frame: Frame, region: Region) -> Result<Volume>;

    /// Reads a region as [`ImageSource::read`] does, into a volume that is not needed any more: readers that can take its
    /// memory for the new one override it. After an error the volume holds anything.
    ///
    /// # Errors
    /// As [`ImageSource::read`].
    fn read_into(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        *volume = self.read(frame, region)?;
        Ok(())
    }

    /// Reads all of one frame. Readers that can do this faster than region by region override it.
    ///
    /// # Errors
    /// As [`ImageSource::read`].
    fn read_all(&self, frame: Frame) -> Result<Volume> {
        self.read(frame, Region::whole(self.info().levels[frame.level].shape))
    }

    /// Whether there is a chunk with the first voxel of a region, rather than none, for which a fill value stands.
    ///
    /// # Errors
    /// If that can't be found out.
    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        let _ = (frame, region);
        Ok(true)
    }

    /// Number of chunks that were read so far and aren't there, so that a fill value stands for them.
    fn absent(&self) -> u64 {
        0
    }

    /// Whether a region costs about what its own voxels do, as in files that are not compressed, and not what lies
    /// around it.
    fn is_direct(&self) -> bool {
        false
    }

    /// Whether reading may wait for a network, so that whoever may be told to stop had better not wait along
    /// ([`remote::cancellable`]).
    fn waits(&self) -> bool {
        false
    }

    /// Files and folders that voxels are read from, if they are others than the one that was opened.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// All that the image is read from as it is now, to be checked before what was made of the image gets its name.
    ///
    /// # Errors
    /// If it isn't what it was when the image was opened.
    fn seal(&self) -> Result<Seal> {
        Ok(Seal::default())
    }
}

/// What is to be written, known before the first voxel.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSpec {
    /// Shape `[z, y, x]`.
    pub shape: [usize; 3],
    /// Voxel type.
    pub voxel: VoxelType,
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// Channels; at least one.
    pub channels: Vec<Channel>,
    /// Number of time frames; at least one.
    pub times: usize,
    /// Seconds between frames.
    pub time_step: Option<f64>,
    /// Whether the voxels are labels (which pyramids must not average).
    pub labels: bool,
}

impl ImageSpec {
    /// One volume.
    pub fn volume(shape: [usize; 3], voxel: VoxelType, geometry: Geometry, labels: bool) -> Self {
        Self { shape, voxel, geometry, channels: vec![Channel::default()], times: 1, time_step: None, labels }
    }
}

impl From<&ImageInfo> for ImageSpec {
    fn from(info: &ImageInfo) -> Self {
        Self {
            shape: info.shape(),
            voxel: info.voxel,
            geometry: info.geometry(),
            channels: info.channels.clone(),
            times: info.times,
            time_step: info.time_step,
            labels: info.labels,
        }
    }
}

/// Where an image is being written to.
///
/// The caller delivers, for each time, for each channel, the tiles of
/// `Region::whole(shape).tiles(block())`. Where `any_order()` is false, it delivers them in exactly
/// that order (time slowest, then channel, then tiles), from one thread at a time.
pub trait ImageSink: Send + Sync {
    /// Shape of the tiles to deliver.
    fn block(&self) -> [usize; 3];

    /// Whether tiles may come in any order and from many threads.
    fn any_order(&self) -> bool {
        false
    }

    /// Whether a tile is there already, from a call before ([`WriteOptions::resume`]).
    fn is_written(&self, frame: Frame, start: [usize; 3]) -> bool {
        let _ = (frame, start);
        false
    }

    /// Writes one tile of level 0.
    ///
    /// # Errors
    /// If the disk is full or the target cannot be written.
    fn write(&self, frame: Frame, start: [usize; 3], block: &Volume) -> Result<()>;

    /// Writes one tile of level 0 that is a part of a larger volume.
    ///
    /// # Errors
    /// As [`ImageSink::write`].
    fn write_part(&self, frame: Frame, start: [usize; 3], of: &Volume, part: Region) -> Result<()> {
        if part == Region::whole(of.shape()) {
            self.write(frame, start, of)
        } else {
            self.write(frame, start, &of.crop(part))
        }
    }

    /// Completes the file, builds its pyramid if it has one, and gives it its final name.
    ///
    /// # Errors
    /// As [`ImageSink::write`], and [`crate::Error::Cancelled`]. Without `finish`, or if it fails, nothing is left
    /// behind.
    fn finish(self: Box<Self>, job: &Job) -> Result<()>;
}

/// Writes one whole volume.
///
/// # Errors
/// If the format cannot hold it, or the disk cannot.
pub fn write_volume(
    path: &std::path::Path,
    volume: &Volume,
    geometry: Geometry,
    labels: bool,
    options: &WriteOptions,
) -> Result<()> {
    let spec = ImageSpec::volume(volume.shape(), volume.voxel_type(), geometry, labels);
    let sink = create(path, &spec, options)?;
    let whole = Region::whole(volume.shape());
    for tile in whole.tiles(sink.block()) {
        let frame = Frame::default();
        if tile == whole {
            sink.write(frame, tile.start, volume)?;
        } else {
            sink.write(frame, tile.start, &volume.crop(tile))?;
        }
    }
    sink.finish(&Job::silent())
}
