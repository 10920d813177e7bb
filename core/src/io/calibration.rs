//! What stored numbers mean. All formats that have such a thing read it into a [`Calibration`].

use crate::{Volume, Voxel, VoxelType, with_volume};
use ndarray::Array3;
use serde::Serialize;
use std::fmt;

/// Value = slope × stored + intercept. Images are read as values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Value of one step of the stored numbers.
    pub slope: f64,
    /// Value of a stored 0.
    pub intercept: f64,
    /// Unit of the values as the file names it, or empty.
    pub unit: String,
}

impl Calibration {
    /// A calibration, if it changes anything and can be applied.
    pub fn new(slope: f64, intercept: f64) -> Option<Self> {
        let applies = slope != 0.0 && slope.is_finite() && intercept.is_finite();
        let changes = (slope, intercept) != (1.0, 0.0);
        (applies && changes).then(|| Self { slope, intercept, unit: String::new() })
    }

    /// The type of the values: where only whole numbers are added and fit, an integer of the same size; else `f32`
    /// where that holds every stored number exactly, and `f64` otherwise.
    pub fn voxel(&self, stored: VoxelType) -> VoxelType {
        match self.shifted(stored) {
            Some((voxel, _)) => voxel,
            None if stored == VoxelType::F32 || stored.size() <= 2 => VoxelType::F32,
            None => VoxelType::F64,
        }
    }

    /// Type and summand, where values are stored integers plus a whole number that fits an integer of the same size.
    pub(crate) fn shifted(&self, stored: VoxelType) -> Option<(VoxelType, i64)> {
        use VoxelType::{I8, I16, I32, U8, U16, U32};
        let pair = match stored {
            U8 | I8 => [U8, I8],
            U16 | I16 => [U16, I16],
            U32 | I32 => [U32, I32],
            _ => return None,
        };
        if self.slope != 1.0 || self.intercept.fract() != 0.0 {
            return None;
        }
        let half = 1i64 << (8 * stored.size() - 1);
        let least = |voxel: VoxelType| if [I8, I16, I32].contains(&voxel) { -half } else { 0 };
        let by = self.intercept as i64;
        // Types of one size have ranges of one length, so that where one end fits both do.
        let voxel = pair.into_iter().find(|voxel| least(stored).checked_add(by) == Some(least(*voxel)))?;
        Some((voxel, by))
    }

    /// The value of a stored number.
    pub fn value(&self, stored: f64) -> f64 {
        // Multiplied, rounded, added, rounded: as numpy does, and the same on every machine.
        stored * self.slope + self.intercept
    }

    /// Stored numbers as values.
    pub(crate) fn apply(&self, stored: &Volume) -> Volume {
        if let Some((voxel, by)) = self.shifted(stored.voxel_type()) {
            let mut values = Volume::zeros(voxel, stored.shape());
            values.as_bytes_mut().copy_from_slice(stored.as_bytes());
            shift(values.as_bytes_mut(), voxel.size(), by);
            return values;
        }
        with_volume!(stored, |a| match self.voxel(stored.voxel_type()) {
            VoxelType::F32 => self.typed::<f32, _>(a),
            _ => self.typed::<f64, _>(a),
        })
    }

    fn typed<T: Voxel, S: Voxel>(&self, stored: &Array3<S>) -> Volume {
        T::into_volume(stored.mapv(|v| T::from_f64(self.value(v.to_f64()))))
    }
}

/// Adds a number to integers of `size` bytes, signed or not, in the machine's byte order.
pub(crate) fn shift(bytes: &mut [u8], size: usize, by: i64) {
    macro_rules! each {
        ($t:ty) => {
            for word in bytes.as_chunks_mut::<{ size_of::<$t>() }>().0 {
                *word = <$t>::from_ne_bytes(*word).wrapping_add(by as $t).to_ne_bytes();
            }
        };
    }
    match size {
        1 => each!(u8),
        2 => each!(u16),
        _ => each!(u32),
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.intercept < 0.0 { '−' } else { '+' };
        write!(f, "{} × stored {sign} {}", self.slope, self.intercept.abs())?;
        if self.unit.is_empty() { Ok(()) } else { write!(f, ", in {}", self.unit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_from_stored_numbers() {
        let stored = Volume::from(ndarray::arr3(&[[[0u16, 31768, 65535]]]));
        let values = Calibration::new(1.0, -32768.0).unwrap().apply(&stored);
        assert_eq!(values, Volume::from(ndarray::arr3(&[[[-32768i16, -1000, 32767]]])));
        let values = Calibration::new(0.5, 1.0).unwrap().apply(&stored);
        assert_eq!(values, Volume::from(ndarray::arr3(&[[[1f32, 15885.0, 32768.5]]])));
        // What fits no integer of the same size is a float, and so exact.
        let values = Calibration::new(1.0, -1024.0).unwrap().apply(&stored);
        assert_eq!(values, Volume::from(ndarray::arr3(&[[[-1024f32, 30744.0, 64511.0]]])));
        let back = Volume::from(ndarray::arr3(&[[[-128i8, 0, 127]]]));
        let values = Calibration::new(1.0, 128.0).unwrap().apply(&back);
        assert_eq!(values, Volume::from(ndarray::arr3(&[[[0u8, 128, 255]]])));
        let wide = Calibration::new(2.0, 0.0).unwrap();
        assert_eq!(wide.voxel(VoxelType::I32), VoxelType::F64);
    }

    #[test]
    fn what_changes_nothing_or_everything_is_no_calibration() {
        for (slope, intercept) in [(1.0, 0.0), (0.0, 5.0), (f64::NAN, 0.0), (1.0, f64::INFINITY)] {
            assert_eq!(Calibration::new(slope, intercept), None);
        }
    }
}
