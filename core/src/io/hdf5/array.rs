//! One dataset as an image: which of its axes is which, and reading regions of it.

use super::container::{Container, sentence};
use crate::{Error, Region, Result, Volume, Voxel, VoxelType, with_voxel};
use hdf5_reader::error::Error as Damage;
use hdf5_reader::{ByteOrder, Dataset, Datatype, H5Type, Hdf5File, SliceInfo, SliceInfoElem};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

/// What the elements of a dataset are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// A number of a voxel's type.
    Plain,
    /// Signed numbers that stand for unsigned ones of the same bits.
    Unsigned,
    /// The bits of a number under another name: an enumeration (h5py's `bool`), a bit field.
    Bits(ByteOrder),
    /// A float of 16 bits.
    Half(ByteOrder),
}

/// Which axes of a dataset are which of the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Axes {
    /// Those of z, y, x.
    pub space: [Option<usize>; 3],
    /// Those that count channels, slowest first.
    pub channels: Vec<usize>,
    /// Those that count time, slowest first.
    pub times: Vec<usize>,
}

impl Axes {
    /// The last three as z, y, x, and those before as channels.
    pub fn trailing(count: usize) -> Self {
        let space = [3, 2, 1].map(|back| count.checked_sub(back));
        Self { space, channels: (0..count.saturating_sub(3)).collect(), times: Vec::new() }
    }
}

/// A dataset that is read as (a part of) an image.
#[derive(Clone)]
pub(super) struct Array {
    dataset: Dataset,
    axes: Axes,
    voxel: VoxelType,
    kind: Encoding,
    /// The file, and where the elements lie in it, if they aren't read by the crate.
    at: Option<(Hdf5File, u64)>,
}

/// The type of voxels that elements are read as.
pub(super) fn voxel_type(datatype: &Datatype) -> Option<VoxelType> {
    kind_of(datatype).map(|(voxel, _)| voxel)
}

fn kind_of(datatype: &Datatype) -> Option<(VoxelType, Encoding)> {
    Some(match datatype {
        Datatype::FixedPoint { size, signed, .. } => (integer(*size, *signed)?, Encoding::Plain),
        Datatype::FloatingPoint { size: 2, byte_order } => (VoxelType::F32, Encoding::Half(*byte_order)),
        Datatype::FloatingPoint { size: 4, .. } => (VoxelType::F32, Encoding::Plain),
        Datatype::FloatingPoint { size: 8, .. } => (VoxelType::F64, Encoding::Plain),
        Datatype::Bitfield { size, byte_order } => (integer(*size, false)?, Encoding::Bits(*byte_order)),
        Datatype::Enum { base, members } => match **base {
            // False and true, as h5py and NumPy have them.
            Datatype::FixedPoint { size: 1, byte_order, .. } if members.len() == 2 => {
                (VoxelType::U8, Encoding::Bits(byte_order))
            }
            Datatype::FixedPoint { size, signed, byte_order } => {
                (integer(size, signed)?, Encoding::Bits(byte_order))
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn order_of(datatype: &Datatype) -> ByteOrder {
    match datatype {
        Datatype::FixedPoint { byte_order, .. } | Datatype::FloatingPoint { byte_order, .. } => *byte_order,
        _ => ByteOrder::LittleEndian,
    }
}

fn integer(size: u8, signed: bool) -> Option<VoxelType> {
    Some(match (size, signed) {
        (1, false) => VoxelType::U8,
        (1, true) => VoxelType::I8,
        (2, false) => VoxelType::U16,
        (2, true) => VoxelType::I16,
        (4, false) => VoxelType::U32,
        (4, true) => VoxelType::I32,
        (8, false) => VoxelType::U64,
        (8, true) => VoxelType::I64,
        _ => return None,
    })
}

impl Array {
    /// A dataset whose shape can be addressed and has voxels.
    ///
    /// # Errors
    /// If it has not, or its elements are no numbers.
    pub fn new(container: &Container, name: &str, dataset: Dataset, axes: Axes) -> Result<Self> {
        let path = &container.path;
        let dims = dataset.shape();
        let Some((voxel, kind)) = kind_of(dataset.dtype()) else {
            return Err(Error::file(
                path,
                format!("the elements of {name} are no numbers that voxels can have"),
            ));
        };
        crate::io::planar::byte_count(path, &format!("the shape of {name}"), dims, voxel.size())?;
        if dims.contains(&0) {
            return Err(Error::file(path, format!("the shape of {name} is {dims:?}: there are no voxels")));
        }
        let at = container.misread_address(&dataset).map(|address| (container.file.clone(), address));
        let kind = if at.is_some() && kind == Encoding::Plain {
            Encoding::Bits(order_of(dataset.dtype()))
        } else {
            kind
        };
        let array = Self { dataset, axes, voxel, kind, at };
        if array.channels() > 1 << 20 || array.times() > 1 << 31 {
            let dims = array.dataset.shape();
            return Err(Error::file(path, format!("the shape of {name} is {dims:?}: too many channels")));
        }
        Ok(array)
    }

    /// The same voxels, with signed numbers as the unsigned ones of the same bits.
    pub fn into_unsigned(mut self) -> Self {
        if self.voxel == VoxelType::I16 && self.kind == Encoding::Plain {
            (self.voxel, self.kind) = (VoxelType::U16, Encoding::Unsigned);
        }
        self
    }

    /// Shape `[z, y, x]`.
    pub fn shape(&self) -> [usize; 3] {
        self.axes.space.map(|axis| axis.map_or(1, |a| self.dataset.shape()[a] as usize))
    }

    /// The box that is cheapest to read at once, `[z, y, x]`.
    pub fn chunk(&self) -> [usize; 3] {
        let shape = self.shape();
        match self.dataset.chunks() {
            Some(chunk) if chunk.len() == self.dataset.ndim() => std::array::from_fn(|i| {
                self.axes.space[i].map_or(1, |a| (chunk[a] as usize).clamp(1, shape[i]))
            }),
            _ => crate::io::planar::slab(shape, self.voxel.size(), 1 << 20),
        }
    }

    /// Type of the voxels.
    pub fn voxel(&self) -> VoxelType {
        self.voxel
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.extent(&self.axes.channels)
    }

    /// Number of times.
    pub fn times(&self) -> usize {
        self.extent(&self.axes.times)
    }

    fn extent(&self, axes: &[usize]) -> usize {
        axes.iter().fold(1usize, |n, &a| n.saturating_mul(self.dataset.shape()[a] as usize))
    }

    /// Reads a region that lies inside.
    ///
    /// # Errors
    /// If the file is damaged, or there is no memory.
    pub fn read(&self, path: &Path, channel: usize, time: usize, region: Region) -> Result<Volume> {
        let zeros = crate::io::planar::allocate(path, self.voxel, region.shape)?;
        if region.is_empty() {
            return Ok(zeros);
        }
        let selection = self.selection(channel, time, region);
        let damaged = |e: Damage| Error::file(path, sentence(&e));
        if self.kind == Encoding::Plain {
            drop(zeros);
            return with_voxel!(self.voxel, |T| {
                let array = self.dataset.read_slice_parallel::<T>(&selection).map_err(damaged)?;
                Ok(T::into_volume(self.arranged(path, array, region)?))
            });
        }
        let mut volume = zeros;
        match self.dataset.raw_element_size().map_err(damaged)? {
            1 => self.bits::<1>(path, &selection, region, &mut volume),
            2 => self.bits::<2>(path, &selection, region, &mut volume),
            4 => self.bits::<4>(path, &selection, region, &mut volume),
            _ => self.bits::<8>(path, &selection, region, &mut volume),
        }?;
        Ok(volume)
    }

    fn bits<const N: usize>(
        &self,
        path: &Path,
        selection: &SliceInfo,
        region: Region,
        volume: &mut Volume,
    ) -> Result<()> {
        let array = match &self.at {
            None => self.dataset.read_slice_parallel::<Raw<N>>(selection),
            Some((file, address)) => self.read_at(file, *address, selection),
        };
        let array = array.map_err(|e| Error::file(path, sentence(&e)))?;
        let array = self.arranged(path, array, region)?;
        let order = match self.kind {
            Encoding::Bits(order) | Encoding::Half(order) => order,
            Encoding::Plain | Encoding::Unsigned => order_of(self.dataset.dtype()),
        };
        let swaps = (order == ByteOrder::BigEndian) != cfg!(target_endian = "big");
        let size = self.voxel.size();
        for (out, Raw(mut bytes)) in volume.as_bytes_mut().chunks_exact_mut(size).zip(array) {
            if swaps {
                bytes.reverse();
            }
            match (self.kind, &bytes[..]) {
                (Encoding::Half(_), &[a, b]) => {
                    out.copy_from_slice(&half::f16::from_ne_bytes([a, b]).to_f32().to_ne_bytes());
                }
                (_, bytes) => out.copy_from_slice(bytes),
            }
        }
        Ok(())
    }

    /// Reads a selection of elements that lie one after the other.
    fn read_at<const N: usize>(
        &self,
        file: &Hdf5File,
        address: u64,
        selection: &SliceInfo,
    ) -> Result<ArrayD<Raw<N>>, Damage> {
        let ranges: Vec<(u64, u64)> = selection
            .selections
            .iter()
            .map(|s| match *s {
                SliceInfoElem::Index(at) => (at, at + 1),
                SliceInfoElem::Slice { start, end, .. } => (start, end),
            })
            .collect();
        let Some((&(first, last), outer)) = ranges.split_last() else {
            return Ok(ArrayD::from_elem(IxDyn(&[]), Raw([0; N])));
        };
        let runs: usize = outer.iter().map(|(a, b)| (b - a) as usize).product();
        let mut elements = Vec::with_capacity(runs * (last - first) as usize);
        for run in 0..runs {
            let (mut rest, mut offset, mut stride) = (run as u64, first, self.dataset.shape()[outer.len()]);
            for (axis, (start, end)) in outer.iter().enumerate().rev() {
                offset += (start + rest % (end - start)) * stride;
                rest /= end - start;
                stride *= self.dataset.shape()[axis];
            }
            let bytes =
                file.storage().read_range(address + offset * N as u64, (last - first) as usize * N)?;
            elements.extend(bytes.as_ref().as_chunks().0.iter().map(|bytes| Raw(*bytes)));
        }
        let shape: Vec<usize> = selection
            .selections
            .iter()
            .zip(&ranges)
            .filter(|(s, _)| matches!(s, SliceInfoElem::Slice { .. }))
            .map(|(_, (start, end))| (end - start) as usize)
            .collect();
        ArrayD::from_shape_vec(IxDyn(&shape), elements).map_err(|e| Damage::InvalidData(e.to_string()))
    }

    fn selection(&self, channel: usize, time: usize, region: Region) -> SliceInfo {
        let mut selections = vec![SliceInfoElem::Index(0); self.dataset.ndim()];
        for (axes, mut index) in [(&self.axes.channels, channel), (&self.axes.times, time)] {
            for &axis in axes.iter().rev() {
                let n = self.dataset.shape()[axis] as usize;
                selections[axis] = SliceInfoElem::Index((index % n) as u64);
                index /= n;
            }
        }
        for (i, axis) in self.axes.space.iter().enumerate() {
            if let Some(axis) = *axis {
                let start = region.start[i] as u64;
                selections[axis] =
                    SliceInfoElem::Slice { start, end: start + region.shape[i] as u64, step: 1 };
            }
        }
        SliceInfo { selections }
    }

    /// What was read of a selection, with its axes in the order z, y, x.
    fn arranged<T: Clone>(
        &self,
        path: &Path,
        array: ArrayD<T>,
        region: Region,
    ) -> Result<ndarray::Array3<T>> {
        let mut order: Vec<usize> = self.axes.space.iter().flatten().copied().collect();
        let mut stored = order.clone();
        stored.sort_unstable();
        order.iter_mut().for_each(|axis| *axis = stored.iter().position(|s| s == axis).unwrap_or(0));
        let wrong = || Error::file(path, "HDF5: the dataset is not of the size that it says");
        if array.ndim() != order.len() {
            return Err(wrong());
        }
        let array = array.permuted_axes(IxDyn(&order));
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        array.into_shape_with_order(region.shape).map_err(|_| wrong())
    }
}

/// An element as its bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Raw<const N: usize>([u8; N]);

impl<const N: usize> H5Type for Raw<N> {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque { size: N as u32, tag: String::new() }
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> Result<Self, Damage> {
        let bytes = bytes.get(..N).and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| Damage::InvalidData(format!("an element has not {N} bytes")))
    }

    fn element_size(_: &Datatype) -> usize {
        N
    }

    fn decode_vec(raw: &[u8], _: &Datatype, count: usize) -> Option<Result<Vec<Self>, Damage>> {
        let raw = raw.get(..count.checked_mul(N)?)?;
        Some(Ok(raw.as_chunks().0.iter().map(|bytes| Self(*bytes)).collect()))
    }
}
