//! Stored samples to voxels: byte order, scale, half precision, booleans, magnitudes.

use super::Layout;
use crate::io::calibration::{self, Calibration};
use crate::{Voxel, VoxelType, with_voxel};

/// What one stored sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    /// One of the ten voxel types.
    Plain(VoxelType),
    /// A byte that is 0 or not; read as `u8` 0 or 1.
    Bool,
    /// IEEE half precision; read as `f32`.
    F16,
    /// Two `f32`; read as the magnitude in `f32`.
    Complex32,
    /// Two `f64`; read as the magnitude in `f64`.
    Complex64,
}

impl Sample {
    /// Bytes of one sample.
    pub fn size(self) -> usize {
        match self {
            Self::Plain(t) => t.size(),
            Self::Bool => 1,
            Self::F16 => 2,
            Self::Complex32 => 8,
            Self::Complex64 => 16,
        }
    }

    /// The type that a sample is read as, calibrated or not.
    pub fn voxel(self, calibration: Option<&Calibration>) -> VoxelType {
        match (self, calibration) {
            (Self::Plain(stored), None) => stored,
            (Self::Plain(stored), Some(calibration)) => calibration.voxel(stored),
            (Self::Bool, None) => VoxelType::U8,
            (Self::Bool | Self::F16 | Self::Complex32, _) => VoxelType::F32,
            (Self::Complex64, _) => VoxelType::F64,
        }
    }

    /// What reading changes, as a sentence.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Bool => Some("booleans are read as 0 and 1"),
            Self::F16 => Some("half-precision values are read as f32"),
            Self::Complex32 | Self::Complex64 => Some("complex values are read as their magnitude"),
        }
    }

    /// Bytes of the parts that a byte order applies to.
    fn word(self) -> usize {
        match self {
            Self::Complex32 => 4,
            Self::Complex64 => 8,
            other => other.size(),
        }
    }
}

impl Layout {
    /// Whether stored samples are voxels but for their byte order.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.sample, Sample::Plain(_)) && self.calibration.is_none()
    }

    /// Turns words round where the file's byte order is not this machine's.
    pub(super) fn to_native(&self, bytes: &mut [u8]) {
        if self.big_endian == cfg!(target_endian = "big") {
            return;
        }
        match self.sample.word() {
            2 => swap::<2>(bytes),
            4 => swap::<4>(bytes),
            8 => swap::<8>(bytes),
            _ => {}
        }
    }

    /// Converts stored samples, native-endian, to voxels of [`Layout::voxel`], also as bytes.
    pub(super) fn convert(&self, stored: &[u8], voxels: &mut [u8]) {
        if let (Sample::Plain(voxel), Some(calibration)) = (self.sample, &self.calibration)
            && let Some((_, by)) = calibration.shifted(voxel)
        {
            voxels.copy_from_slice(stored);
            calibration::shift(voxels, voxel.size(), by);
            return;
        }
        match self.voxel() {
            VoxelType::U8 => self.convert_to::<u8>(stored, bytemuck::cast_slice_mut(voxels)),
            VoxelType::F32 => self.convert_to::<f32>(stored, bytemuck::cast_slice_mut(voxels)),
            VoxelType::F64 => self.convert_to::<f64>(stored, bytemuck::cast_slice_mut(voxels)),
            _ => voxels.copy_from_slice(stored),
        }
    }

    fn convert_to<T: Voxel>(&self, stored: &[u8], voxels: &mut [T]) {
        let slope = self.calibration.as_ref().map_or(1.0, |c| c.slope);
        let scaled = |v: f64| self.calibration.as_ref().map_or(v, |c| c.value(v));
        match self.sample {
            Sample::Plain(voxel) => with_voxel!(voxel, |S| {
                for (out, bytes) in voxels.iter_mut().zip(stored.chunks_exact(size_of::<S>())) {
                    *out = T::from_f64(scaled(bytemuck::pod_read_unaligned::<S>(bytes).to_f64()));
                }
            }),
            Sample::Bool => {
                for (out, &byte) in voxels.iter_mut().zip(stored) {
                    *out = T::from_f64(scaled(f64::from(byte != 0)));
                }
            }
            Sample::F16 => {
                for (out, bytes) in voxels.iter_mut().zip(stored.chunks_exact(2)) {
                    let half = half::f16::from_bits(bytemuck::pod_read_unaligned(bytes));
                    *out = T::from_f64(scaled(half.to_f64()));
                }
            }
            Sample::Complex32 => {
                for (out, bytes) in voxels.iter_mut().zip(stored.chunks_exact(8)) {
                    let [re, im] = bytemuck::pod_read_unaligned::<[f32; 2]>(bytes);
                    *out = T::from_f64(magnitude(scaled(re.into()), im as f64 * slope));
                }
            }
            Sample::Complex64 => {
                for (out, bytes) in voxels.iter_mut().zip(stored.chunks_exact(16)) {
                    let [re, im] = bytemuck::pod_read_unaligned::<[f64; 2]>(bytes);
                    *out = T::from_f64(magnitude(scaled(re), im * slope));
                }
            }
        }
    }
}

fn swap<const N: usize>(bytes: &mut [u8]) {
    for word in bytes.as_chunks_mut::<N>().0 {
        word.reverse();
    }
}

/// √(re² + im²) without `hypot`, whose last bit differs between systems.
fn magnitude(re: f64, im: f64) -> f64 {
    // Squares of these would overflow or vanish; a power of two takes no bit away.
    const LARGE: f64 = 1e150;
    let larger = re.abs().max(im.abs());
    let scale = if larger > LARGE {
        2f64.powi(-600)
    } else if larger < 1.0 / LARGE {
        2f64.powi(600)
    } else {
        1.0
    };
    let (re, im) = (re * scale, im * scale);
    (re * re + im * im).sqrt() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(sample: Sample, scale: Option<(f64, f64)>) -> Layout {
        let calibration = scale.and_then(|(slope, intercept)| Calibration::new(slope, intercept));
        Layout { calibration, ..Layout::c_order(sample, false, [1, 1, 2]) }
    }

    #[test]
    fn scaled_samples_take_a_type_that_holds_them() {
        use VoxelType::{F32, F64, I16, I32, U8};
        let half = Calibration::new(0.5, 1.0);
        for (stored, voxel) in [(U8, F32), (I16, F32), (F32, F32), (I32, F64), (F64, F64)] {
            assert_eq!(Sample::Plain(stored).voxel(half.as_ref()), voxel);
            assert_eq!(Sample::Plain(stored).voxel(None), stored);
        }
    }

    #[test]
    fn samples_become_voxels() {
        let mut out = [0f32; 2];
        let l = layout(Sample::Plain(VoxelType::I16), Some((0.5, 10.0)));
        l.convert(bytemuck::cast_slice(&[-3i16, 400]), bytemuck::cast_slice_mut(&mut out));
        assert_eq!(out, [8.5, 210.0]);
        let mut signed = [0i16; 2];
        let l = layout(Sample::Plain(VoxelType::U16), Some((1.0, -32768.0)));
        assert_eq!(l.voxel(), VoxelType::I16);
        l.convert(bytemuck::cast_slice(&[31768u16, 0]), bytemuck::cast_slice_mut(&mut signed));
        assert_eq!(signed, [-1000, -32768]);
        let l = layout(Sample::Complex32, None);
        l.convert(bytemuck::cast_slice(&[3f32, -4.0, 0.0, 2.0]), bytemuck::cast_slice_mut(&mut out));
        assert_eq!(out, [5.0, 2.0]);
        let l = layout(Sample::F16, None);
        l.convert(bytemuck::cast_slice(&[0x3c00u16, 0xc000]), bytemuck::cast_slice_mut(&mut out));
        assert_eq!(out, [1.0, -2.0]);
        let mut flags = [9u8; 2];
        layout(Sample::Bool, None).convert(&[0, 7], &mut flags);
        assert_eq!(flags, [0, 1]);
        assert_eq!(magnitude(3.0 * 2f64.powi(900), 4.0 * 2f64.powi(900)), 5.0 * 2f64.powi(900));
        assert_eq!(magnitude(0.0, f64::NEG_INFINITY), f64::INFINITY);
    }
}
