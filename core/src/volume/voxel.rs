//! The ten voxel types.

use super::Volume;
use ndarray::Array3;
use std::fmt;
use std::str::FromStr;

/// The type of a voxel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum VoxelType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl VoxelType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// Bytes per voxel.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The name used in recipes, tables and on the command line: `u8` … `f64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl fmt::Display for VoxelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for VoxelType {
    type Err = String;

    /// Reads `u8` … `f64`, and `NumPy`'s names (`uint8`, `float32` …).
    fn from_str(s: &str) -> Result<Self, String> {
        let short = s.replace("uint", "u").replace("int", "i").replace("float", "f");
        Self::ALL.into_iter().find(|t| t.name() == short).ok_or_else(|| {
            format!("unknown voxel type \"{s}\": use one of u8 i8 u16 i16 u32 i32 u64 i64 f32 f64")
        })
    }
}

/// A type that a voxel can have. Implemented for the ten types of [`VoxelType`] and no others.
pub trait Voxel:
    bytemuck::Pod + PartialOrd + Default + fmt::Debug + fmt::Display + Send + Sync + num::Sealed
{
    /// The type as a value.
    const TYPE: VoxelType;
    /// The smallest finite value.
    const LOWEST: Self;
    /// The largest finite value.
    const HIGHEST: Self;

    /// As `f64`; integers beyond 2⁵³ are rounded.
    fn to_f64(self) -> f64;
    /// From `f64`: rounded half to even and clamped for integers; NaN becomes 0 for integers.
    fn from_f64(value: f64) -> Self;
    /// Whether it is NaN (never, for integers).
    fn is_nan(self) -> bool;
    /// Whether a mask of such values holds the voxel: neither 0 nor NaN.
    #[inline(always)]
    fn is_set(self) -> bool {
        self != Self::default() && !self.is_nan()
    }
    /// The byte order turned round.
    fn swap_bytes(self) -> Self;
    /// The typed array as a volume.
    fn into_volume(array: Array3<Self>) -> Volume;
    /// The typed array of a volume, if it is of this type.
    fn of(volume: &Volume) -> Option<&Array3<Self>>;
    /// The typed array of a volume to change, if it is of this type.
    fn of_mut(volume: &mut Volume) -> Option<&mut Array3<Self>>;
    /// The typed array out of a volume, or the volume back if it is of another type.
    ///
    /// # Errors
    /// The volume as it was.
    fn take(volume: Volume) -> Result<Array3<Self>, Volume>;
}

mod num {
    /// Closes [`super::Voxel`] to other types.
    pub trait Sealed {}
}

macro_rules! common {
    ($t:ident, $variant:ident) => {
        const TYPE: VoxelType = VoxelType::$variant;
        const LOWEST: Self = $t::MIN;
        const HIGHEST: Self = $t::MAX;
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
        #[inline(always)]
        fn swap_bytes(self) -> Self {
            let mut bytes = self.to_ne_bytes();
            bytes.reverse();
            Self::from_ne_bytes(bytes)
        }
        fn into_volume(array: Array3<Self>) -> Volume {
            if array.is_standard_layout() {
                Volume::$variant(array)
            } else {
                Volume::$variant(array.as_standard_layout().into_owned())
            }
        }
        fn of(volume: &Volume) -> Option<&Array3<Self>> {
            if let Volume::$variant(a) = volume { Some(a) } else { None }
        }
        fn of_mut(volume: &mut Volume) -> Option<&mut Array3<Self>> {
            if let Volume::$variant(a) = volume { Some(a) } else { None }
        }
        fn take(volume: Volume) -> Result<Array3<Self>, Volume> {
            if let Volume::$variant(a) = volume { Ok(a) } else { Err(volume) }
        }
    };
}

macro_rules! integer {
    ($($t:ident $variant:ident),*) => { $(
        impl num::Sealed for $t {}
        impl Voxel for $t {
            common!($t, $variant);
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                // `as` saturates and turns NaN into 0.
                value.round_ties_even() as $t
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
        }
    )* };
}

macro_rules! float {
    ($($t:ident $variant:ident),*) => { $(
        impl num::Sealed for $t {}
        impl Voxel for $t {
            common!($t, $variant);
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
        }
    )* };
}

integer!(u8 U8, i8 I8, u16 U16, i16 I16, u32 U32, i32 I32, u64 U64, i64 I64);
float!(f32 F32, f64 F64);

/// Range of the values of two parts of an image; `None` for a part without finite values.
pub fn merge_ranges(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}
