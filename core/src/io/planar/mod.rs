//! Images whose voxels are one run of samples, in a file or inside a compressed stream: NIfTI,
//! NRRD, MetaImage, NPY and raw differ only in their headers. A reader of such a format fills in an
//! [`ImageInfo`], a [`Layout`] and a [`Store`] and gets the rest from [`Planar`]; a writer gets it
//! from [`sink`]. No header is parsed here.

mod codec;
mod convert;
mod gather;
pub(crate) mod sink;
mod store;
pub(crate) mod text;

pub(crate) use codec::Codec;
pub(crate) use convert::Sample;
pub(crate) use store::{FileExtent, Store, file_len};

use super::{Calibration, Frame, ImageInfo, ImageSource};
use crate::{Error, Region, Result, Volume, VoxelType};
use std::path::{Path, PathBuf};

/// How the samples of an image lie in its run of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// What one sample is.
    pub sample: Sample,
    /// Whether samples of several bytes have the most significant first.
    pub big_endian: bool,
    /// What stored samples mean, if they aren't the values themselves.
    pub calibration: Option<Calibration>,
    /// Bytes from one voxel to the next along `[z, y, x]`.
    pub strides: [u64; 3],
    /// Lengths and strides of the axes that count as channels, slowest first.
    pub channels: Vec<(usize, u64)>,
    /// Lengths and strides of the axes that count as time, slowest first.
    pub times: Vec<(usize, u64)>,
}

impl Layout {
    /// One volume in C order: x fastest, then y, then z.
    pub fn c_order(sample: Sample, big_endian: bool, shape: [usize; 3]) -> Self {
        let x = sample.size() as u64;
        let y = x * shape[2] as u64;
        let strides = [y * shape[1] as u64, y, x];
        Self { sample, big_endian, calibration: None, strides, channels: Vec::new(), times: Vec::new() }
    }

    /// The type of the voxels that are read.
    pub fn voxel(&self) -> VoxelType {
        self.sample.voxel(self.calibration.as_ref())
    }

    /// Number of channels.
    pub fn channel_count(&self) -> usize {
        self.channels.iter().map(|a| a.0).product()
    }

    /// Number of time frames.
    pub fn time_count(&self) -> usize {
        self.times.iter().map(|a| a.0).product()
    }

    fn frame_offset(&self, frame: Frame) -> u64 {
        axes_offset(&self.channels, frame.channel) + axes_offset(&self.times, frame.time)
    }

    fn is_c_order(&self, shape: [usize; 3]) -> bool {
        self.strides == Self::c_order(self.sample, false, shape).strides
    }
}

fn axes_offset(axes: &[(usize, u64)], mut index: usize) -> u64 {
    let mut offset = 0;
    for &(len, stride) in axes.iter().rev() {
        offset += (index % len) as u64 * stride;
        index /= len;
    }
    offset
}

/// Bytes of `sizes` samples, or the sentence that says why there cannot be so many.
pub(crate) fn byte_count(path: &Path, field: &str, sizes: &[u64], sample: usize) -> Result<u64> {
    sizes
        .iter()
        .try_fold(sample as u64, |product, &n| product.checked_mul(n))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| Error::file(path, format!("{field} is {sizes:?}, more voxels than can be addressed")))
}

/// The tile that is cheapest to read: whole slices of about a mebibyte, or rows of a large one.
pub(crate) fn slab(shape: [usize; 3], sample: usize, target: usize) -> [usize; 3] {
    let row = (shape[2] * sample).max(1);
    let plane = row * shape[1].max(1);
    if plane <= 4 * target {
        [(target / plane).clamp(1, shape[0].max(1)), shape[1], shape[2]]
    } else {
        [1, (target / row).clamp(1, shape[1].max(1)), shape[2]]
    }
}

/// An open image of this kind.
#[derive(Debug)]
pub(crate) struct Planar {
    path: PathBuf,
    info: ImageInfo,
    layout: Layout,
    store: Store,
}

impl Planar {
    /// An image whose `info` and `layout` speak of the same sizes. `info.voxel`, the number of
    /// channels, of times and the notes on samples are completed from the layout.
    ///
    /// # Errors
    /// If the store is shorter than the layout reaches.
    pub fn new(path: &Path, mut info: ImageInfo, layout: Layout, store: Store) -> Result<Self> {
        info.voxel = layout.voxel();
        info.calibration.clone_from(&layout.calibration);
        info.channels.resize(layout.channel_count(), super::Channel::default());
        info.times = layout.time_count();
        info.notes.extend(layout.sample.note().map(str::to_owned));
        let shape = info.shape();
        let last = |n: usize, stride: u64| (n as u64 - 1) * stride;
        let reach = shape.iter().zip(layout.strides).map(|(&n, s)| last(n, s)).sum::<u64>()
            + layout.channels.iter().chain(&layout.times).map(|&(n, s)| last(n, s)).sum::<u64>()
            + layout.sample.size() as u64;
        store.promise(reach)?;
        Ok(Self { path: path.to_owned(), info, layout, store })
    }

    fn check(&self, frame: Frame, region: Region) -> Result<()> {
        let whole = Region::whole(self.info.shape());
        if frame.level != 0 || frame.channel >= self.info.channels.len() || frame.time >= self.info.times {
            return Err(Error::file(&self.path, format!("{frame:?} is not in this image")));
        }
        let fits = (0..3)
            .all(|a| region.start[a].checked_add(region.shape[a]).is_some_and(|end| end <= whole.shape[a]));
        if fits {
            Ok(())
        } else {
            Err(Error::file(&self.path, format!("{region:?} is not inside the shape {:?}", whole.shape)))
        }
    }
}

impl ImageSource for Planar {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.check(frame, region)?;
        let mut volume = allocate(&self.path, self.info.voxel, region.shape)?;
        self.fill(frame, region, &mut volume)?;
        Ok(volume)
    }

    fn read_into(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        self.check(frame, region)?;
        if (volume.shape(), volume.voxel_type()) != (region.shape, self.info.voxel) {
            // What is there is given back first.
            *volume = Volume::zeros(self.info.voxel, [0; 3]);
            *volume = allocate(&self.path, self.info.voxel, region.shape)?;
        }
        self.fill(frame, region, volume)
    }

    fn is_direct(&self) -> bool {
        // A row that is scattered over the file costs as much as what lies between its voxels.
        self.store.is_seekable() && self.layout.strides[2] == self.layout.sample.size() as u64
    }

    fn files(&self) -> Vec<PathBuf> {
        self.store.files()
    }
}

impl Planar {
    /// Reads a region that was checked; every voxel is written.
    fn fill(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        if region.is_empty() {
            return Ok(());
        }
        let shape = self.info.shape();
        // One pass over a compressed stream needs no copy of what it inflates to.
        let one_pass = region == Region::whole(shape)
            && self.info.channels.len() * self.info.times == 1
            && self.layout.is_c_order(shape);
        if one_pass && let Some(mut stream) = self.store.unread_stream()? {
            gather::read_stream(&mut stream, &self.layout, shape, volume)?;
            return stream.finish();
        }
        let offset = self.layout.frame_offset(frame)
            + (0..3).map(|a| region.start[a] as u64 * self.layout.strides[a]).sum::<u64>();
        gather::read_region(&self.store.bytes()?, &self.layout, offset, region.shape, volume)
    }
}

/// Zeros, or an error where the system would not give so much. Pages are touched only as they fill.
pub(crate) fn allocate(path: &Path, voxel: VoxelType, shape: [usize; 3]) -> Result<Volume> {
    let sizes = shape.map(|n| n as u64);
    let bytes = byte_count(path, "the region", &sizes, voxel.size())?;
    if !crate::memory::is_to_be_had(bytes as usize) {
        return Err(Error::Memory(format!("{} needs {bytes} bytes for {shape:?} {voxel}", path.display())));
    }
    Ok(Volume::zeros(voxel, shape))
}
