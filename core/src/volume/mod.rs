//! A volume in memory, its voxel types, its geometry, and regions of it. No files, no operators.

mod fit;
mod geometry;
mod region;
mod turn;
pub mod unit;
mod voxel;

pub use fit::{apart, covers, describe_grid, same_spacing, turn_onto};
pub use geometry::Geometry;
pub use region::Region;
pub use turn::Turn;
pub use unit::Unit;
pub use voxel::{Voxel, VoxelType, merge_ranges};

use crate::{Error, Result};
use ndarray::{Array3, ArrayView3, ArrayViewMut3};

/// A dense 3D array `[z, y, x]` in C order, of any of the ten voxel types.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Volume {
    U8(Array3<u8>),
    I8(Array3<i8>),
    U16(Array3<u16>),
    I16(Array3<i16>),
    U32(Array3<u32>),
    I32(Array3<i32>),
    U64(Array3<u64>),
    I64(Array3<i64>),
    F32(Array3<f32>),
    F64(Array3<f64>),
}

/// Runs an expression with the typed array of a [`Volume`]: `with_volume!(volume, |a| a.len())`.
/// Works on `&Volume`, `&mut Volume` and `Volume` alike.
#[macro_export]
macro_rules! with_volume {
    ($volume:expr, |$array:ident| $body:expr) => {
        match $volume {
            $crate::Volume::U8($array) => $body,
            $crate::Volume::I8($array) => $body,
            $crate::Volume::U16($array) => $body,
            $crate::Volume::I16($array) => $body,
            $crate::Volume::U32($array) => $body,
            $crate::Volume::I32($array) => $body,
            $crate::Volume::U64($array) => $body,
            $crate::Volume::I64($array) => $body,
            $crate::Volume::F32($array) => $body,
            $crate::Volume::F64($array) => $body,
        }
    };
}

/// Runs an expression with a [`VoxelType`] as a Rust type: `with_voxel!(ty, |T| size_of::<T>())`.
#[macro_export]
macro_rules! with_voxel {
    ($voxel_type:expr, |$T:ident| $body:expr) => {
        match $voxel_type {
            $crate::VoxelType::U8 => {
                type $T = u8;
                $body
            }
            $crate::VoxelType::I8 => {
                type $T = i8;
                $body
            }
            $crate::VoxelType::U16 => {
                type $T = u16;
                $body
            }
            $crate::VoxelType::I16 => {
                type $T = i16;
                $body
            }
            $crate::VoxelType::U32 => {
                type $T = u32;
                $body
            }
            $crate::VoxelType::I32 => {
                type $T = i32;
                $body
            }
            $crate::VoxelType::U64 => {
                type $T = u64;
                $body
            }
            $crate::VoxelType::I64 => {
                type $T = i64;
                $body
            }
            $crate::VoxelType::F32 => {
                type $T = f32;
                $body
            }
            $crate::VoxelType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

impl Volume {
    /// A volume of zeros.
    pub fn zeros(voxel: VoxelType, shape: [usize; 3]) -> Self {
        with_voxel!(voxel, |T| T::into_volume(Array3::zeros(shape)))
    }

    /// Shape `[z, y, x]` in voxels.
    pub fn shape(&self) -> [usize; 3] {
        with_volume!(self, |a| <[usize; 3]>::from(a.dim()))
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        with_volume!(self, |a| a.len())
    }

    /// Whether there are no voxels at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of each voxel.
    pub fn voxel_type(&self) -> VoxelType {
        with_volume!(self, |a| voxel_type_of(a))
    }

    /// The typed array, if it is of type `T`.
    pub fn view<T: Voxel>(&self) -> Option<ArrayView3<'_, T>> {
        T::of(self).map(|a| a.view())
    }

    /// The typed array to write to, if it is of type `T`.
    pub fn view_mut<T: Voxel>(&mut self) -> Option<ArrayViewMut3<'_, T>> {
        T::of_mut(self).map(|a| a.view_mut())
    }

    /// One voxel as `f64`.
    pub fn get(&self, index: [usize; 3]) -> Option<f64> {
        with_volume!(self, |a| a.get(index).map(|v| v.to_f64()))
    }

    /// A copy of a region, which must lie inside.
    pub fn crop(&self, region: Region) -> Self {
        with_volume!(self, |a| {
            let source = a.as_slice().expect("volumes are in C order");
            let mut voxels = Vec::with_capacity(region.len());
            rows(self.shape(), region).for_each(|row| voxels.extend_from_slice(&source[row]));
            let made =
                Array3::from_shape_vec(region.shape, voxels).expect("as many voxels as the region has");
            Voxel::into_volume(made)
        })
    }

    /// Copies `block` to `start`; it must fit and be of the same type.
    pub fn paste(&mut self, start: [usize; 3], block: &Self) {
        let (shape, region) = (self.shape(), Region::new(start, block.shape()));
        with_volume!(self, |a| {
            let source = same_type(a, block).as_slice().expect("volumes are in C order");
            let target = a.as_slice_mut().expect("volumes are in C order");
            for (row, source) in rows(shape, region).zip(source.chunks_exact(region.shape[2].max(1))) {
                target[row].copy_from_slice(source);
            }
        });
    }

    /// Every voxel converted: rounded half to even and clamped to the range of an integer target
    /// (NaN becomes 0). A volume that already is of that type is returned as it is.
    pub fn cast(self, voxel: VoxelType) -> Self {
        if self.voxel_type() == voxel {
            return self;
        }
        with_volume!(&self, |a| with_voxel!(voxel, |T| T::into_volume(a.mapv(|v| T::from_f64(v.to_f64())))))
    }

    /// The voxels as labels, which are `u32`.
    ///
    /// # Errors
    /// A value that is no label: negative, with a fraction, NaN, or beyond 2³² − 1.
    pub fn into_labels(self) -> Result<Self> {
        if self.voxel_type() == VoxelType::U32 {
            return Ok(self);
        }
        let fits = |v: f64| v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v);
        with_volume!(&self, |a| {
            if let Some(bad) = a.iter().find(|v| !fits(v.to_f64())) {
                return Err(Error::Usage(format!(
                    "an image with the value {bad} can't be taken as labels: they are whole numbers from 0 to {}",
                    u32::MAX
                )));
            }
        });
        Ok(self.cast(VoxelType::U32))
    }

    /// The voxels as bytes in memory order, native endian.
    pub fn as_bytes(&self) -> &[u8] {
        with_volume!(self, |a| bytemuck::cast_slice(a.as_slice().expect("volumes are in C order")))
    }

    /// The voxels as bytes to write to, in memory order, native endian.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        with_volume!(self, |a| bytemuck::cast_slice_mut(a.as_slice_mut().expect("volumes are in C order")))
    }

    /// Bytes of memory.
    pub fn byte_len(&self) -> usize {
        self.len() * self.voxel_type().size()
    }
}

/// Where the rows of a region lie among the voxels of an image of `shape`.
fn rows(shape: [usize; 3], region: Region) -> impl Iterator<Item = std::ops::Range<usize>> {
    assert!((0..3).all(|a| region.end()[a] <= shape[a]), "{region:?} lies within {shape:?}");
    let ([_, ny, nx], [z, y, x]) = (shape, region.ranges());
    z.flat_map(move |z| y.clone().map(move |y| (z * ny + y) * nx)).map(move |at| at + x.start..at + x.end)
}

fn voxel_type_of<T: Voxel>(_: &Array3<T>) -> VoxelType {
    T::TYPE
}

fn same_type<'a, T: Voxel>(_: &Array3<T>, other: &'a Volume) -> &'a Array3<T> {
    T::of(other).unwrap_or_else(|| panic!("a block of {} in a volume of {}", other.voxel_type(), T::TYPE))
}

impl<T: Voxel> From<Array3<T>> for Volume {
    fn from(array: Array3<T>) -> Self {
        T::into_volume(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_and_paste_are_inverse() {
        let a = Array3::from_shape_fn((4, 5, 6), |(z, y, x)| (z * 30 + y * 6 + x) as u16);
        let volume = Volume::from(a);
        let region = Region::new([1, 2, 3], [2, 3, 2]);
        let block = volume.crop(region);
        assert_eq!(block.shape(), [2, 3, 2]);
        assert_eq!(block.get([0, 0, 0]), volume.get([1, 2, 3]));
        let mut copy = volume.clone();
        copy.paste(region.start, &block);
        assert_eq!(copy, volume);
        let mut other = Volume::zeros(VoxelType::U16, [4, 5, 6]);
        other.paste(region.start, &block);
        assert_ne!(other, volume);
    }

    #[test]
    fn labels_are_whole_numbers_of_32_bits_and_masks_hold_no_nan() {
        let one = |v: f64, voxel| Volume::from(Array3::from_elem((1, 1, 1), v)).cast(voxel).into_labels();
        for (value, voxel, label) in
            [(7.0, VoxelType::F32, 7.0), (4_294_967_295.0, VoxelType::I64, 4_294_967_295.0)]
        {
            assert_eq!(one(value, voxel).unwrap().get([0; 3]), Some(label));
        }
        for (value, voxel) in [(-1.0, VoxelType::I8), (0.5, VoxelType::F64), (f64::NAN, VoxelType::F32)] {
            assert!(one(value, voxel).is_err(), "{value} {voxel}");
        }
        // In full, beyond what f64 holds.
        let volume = Volume::from(Array3::from_elem((1, 1, 1), (1u64 << 53) + 1));
        assert!(volume.into_labels().unwrap_err().to_string().contains("9007199254740993"));
        assert!(1e-40f32.is_set() && f32::INFINITY.is_set() && 2u8.is_set());
        assert!(!f32::NAN.is_set() && !(-0.0f64).is_set() && !0u64.is_set());
    }

    #[test]
    fn casts_round_and_clamp() {
        let v = Volume::from(
            Array3::from_shape_vec((1, 1, 5), vec![-1.0f32, 0.5, 1.5, 300.0, f32::NAN]).unwrap(),
        );
        assert_eq!(
            v.cast(VoxelType::U8),
            Volume::from(Array3::from_shape_vec((1, 1, 5), vec![0u8, 0, 2, 255, 0]).unwrap())
        );
    }
}
