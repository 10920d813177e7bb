//! Masks packed 64 voxels to a word, rows padded to whole words with zeros.

use super::dilate::dilate;
use super::element::Element;
use super::lane::{BitLanes, Packed};
use crate::{Job, Result};
use multiversion::multiversion;
use ndarray::Array3;
use rayon::prelude::*;

/// A packed mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitMask {
    /// Shape in voxels.
    shape: [usize; 3],
    /// Rows of `words` words.
    bits: Vec<BitLanes>,
}

const LOW: u64 = 0x0101_0101_0101_0101;
const SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// Rows that a task takes at a time, about a quarter of a million voxels.
fn rows_at_once(nx: usize) -> usize {
    ((1 << 18) / nx.max(1)).max(1)
}

impl BitMask {
    /// Packs a mask; voxels other than 0 are inside.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn pack(mask: &Array3<u8>, job: &Job) -> Result<Self> {
        let shape = <[usize; 3]>::from(mask.dim());
        let [nz, ny, nx] = shape;
        let words = nx.div_ceil(64);
        let mut bits = vec![BitLanes(0); nz * ny * words];
        if !mask.is_empty() {
            let rows = rows_at_once(nx);
            let source = mask.as_slice().expect("volumes are in C order");
            bits.par_chunks_mut(rows * words).zip(source.par_chunks(rows * nx)).try_for_each(|(b, s)| {
                job.check()?;
                pack_rows(s, b, nx);
                Result::Ok(())
            })?;
        }
        Ok(Self { shape, bits })
    }

    /// Unpacks into a mask of the same shape.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn unpack_into(&self, mask: &mut Array3<u8>, job: &Job) -> Result<()> {
        assert_eq!(self.shape, <[usize; 3]>::from(mask.dim()), "the shape of the mask");
        let nx = self.shape[2];
        let words = nx.div_ceil(64);
        if !mask.is_empty() {
            let rows = rows_at_once(nx);
            let target = mask.as_slice_mut().expect("volumes are in C order");
            self.bits.par_chunks(rows * words).zip(target.par_chunks_mut(rows * nx)).try_for_each(
                |(b, t)| {
                    job.check()?;
                    unpack_rows(b, t, nx);
                    Result::Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// Turns every voxel round.
    pub fn complement(&mut self) {
        let nx = self.shape[2];
        let words = nx.div_ceil(64);
        if words == 0 {
            return;
        }
        let tail = if nx.is_multiple_of(64) { u64::MAX } else { (1 << (nx % 64)) - 1 };
        self.bits.par_chunks_mut(words * rows_at_once(nx)).for_each(|rows| {
            for row in rows.chunks_exact_mut(words) {
                for word in row.iter_mut() {
                    word.0 = !word.0;
                }
                row[words - 1].0 &= tail;
            }
        });
    }

    /// Dilation; the complement's is erosion.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn dilated(&self, element: &Element, job: &Job) -> Result<Self> {
        let [nz, ny, nx] = self.shape;
        let mut bits = vec![BitLanes(0); self.bits.len()];
        dilate(Packed, &self.bits, &mut bits, [nz, ny, nx.div_ceil(64)], element, job)?;
        let mut out = Self { shape: self.shape, bits };
        out.clear_tails();
        Ok(out)
    }

    /// What is in this mask and not in `other`, of the same shape.
    pub fn without(mut self, other: &Self) -> Self {
        for (a, b) in self.bits.iter_mut().zip(&other.bits) {
            a.0 &= !b.0;
        }
        self
    }

    fn clear_tails(&mut self) {
        let nx = self.shape[2];
        if !nx.is_multiple_of(64) {
            for row in self.bits.chunks_exact_mut(nx.div_ceil(64)) {
                row[nx / 64].0 &= (1 << (nx % 64)) - 1;
            }
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn pack_rows(mask: &[u8], bits: &mut [BitLanes], nx: usize) {
    for (row, bits) in mask.chunks_exact(nx).zip(bits.chunks_exact_mut(nx.div_ceil(64))) {
        let (whole, rest) = row.as_chunks::<64>();
        for (bits, voxels) in bits.iter_mut().zip(whole) {
            bits.0 = pack_word(voxels);
        }
        if !rest.is_empty() {
            let mut voxels = [0; 64];
            voxels[..rest.len()].copy_from_slice(rest);
            bits[whole.len()].0 = pack_word(&voxels);
        }
    }
}

#[inline(always)]
fn pack_word(voxels: &[u8; 64]) -> u64 {
    let mut word = 0;
    for (i, bytes) in voxels.as_chunks::<8>().0.iter().enumerate() {
        let v = u64::from_le_bytes(*bytes);
        // 1 in each byte that is not 0; then the product gathers them in its highest byte.
        let ones = (((v & SEVEN) + SEVEN) | v) >> 7 & LOW;
        word |= (ones.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    word
}

#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn unpack_rows(bits: &[BitLanes], mask: &mut [u8], nx: usize) {
    for (row, bits) in mask.chunks_exact_mut(nx).zip(bits.chunks_exact(nx.div_ceil(64))) {
        let (whole, rest) = row.as_chunks_mut::<64>();
        for (bits, voxels) in bits.iter().zip(&mut *whole) {
            unpack_word(bits.0, voxels);
        }
        if !rest.is_empty() {
            let mut voxels = [0; 64];
            unpack_word(bits[whole.len()].0, &mut voxels);
            rest.copy_from_slice(&voxels[..rest.len()]);
        }
    }
}

#[inline(always)]
fn unpack_word(word: u64, voxels: &mut [u8; 64]) {
    for (i, bytes) in voxels.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let byte = word >> (8 * i) & 0xff;
        // Bit j of the byte alone in byte j, made 1 if it is not 0.
        let spread = byte.wrapping_mul(LOW) & 0x8040_2010_0804_0201;
        *bytes = ((spread + SEVEN) >> 7 & LOW).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_are_inverse_and_complements_leave_the_padding_empty() {
        let job = Job::silent();
        for shape in [[1, 1, 1], [2, 3, 63], [1, 2, 64], [3, 1, 65], [2, 2, 200], [0, 3, 3], [2, 2, 0]] {
            let mask =
                Array3::from_shape_fn(shape, |(z, y, x)| ((z * 7 + y * 3 + x * x) % 5 / 3 * 255) as u8);
            let ones = mask.mapv(|v| u8::from(v != 0));
            let mut packed = BitMask::pack(&mask, &job).unwrap();
            let mut back = Array3::zeros(shape);
            packed.unpack_into(&mut back, &job).unwrap();
            assert_eq!(back, ones);
            packed.complement();
            let count: u32 = packed.bits.iter().map(|b| b.0.count_ones()).sum();
            assert_eq!(count as usize, ones.iter().filter(|v| **v == 0).count());
        }
    }
}
