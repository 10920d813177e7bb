//! The rows of an image as runs.

use crate::algorithms::components::MaskSide;
use crate::{Job, Result};
use rayon::prelude::*;

/// An image whose rows are read as runs.
pub trait Rows: Sync {
    /// Whether runs have values, of which only equal ones are connected.
    const VALUED: bool;

    /// Number of runs in row number `row` (`z · ny + y`).
    fn count(&self, row: usize) -> u32;

    /// Appends the runs `[start, end)` of a row, and their values if they have any.
    fn read(&self, row: usize, runs: &mut Vec<[u32; 2]>, values: &mut Vec<u32>);
}

/// A mask, one bit a voxel, rows padded to whole words.
pub struct BitRows {
    words: usize,
    bits: Vec<u64>,
}

impl BitRows {
    /// Packs a mask `[z, y, x]`, or its complement.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn pack(mask: &[u8], [nz, ny, nx]: [usize; 3], part: MaskSide, job: &Job) -> Result<Self> {
        assert!(u32::try_from(nx).is_ok(), "a row of 2^32 voxels");
        let words = nx.div_ceil(64);
        let mut bits = vec![0u64; nz * ny * words];
        if bits.is_empty() {
            return Ok(Self { words, bits });
        }
        let flip = if part == MaskSide::Outside { u64::MAX } else { 0 };
        bits.par_chunks_mut(ny * words).zip(mask.par_chunks(ny * nx)).try_for_each(|(bits, mask)| {
            job.check()?;
            for (bits, row) in bits.chunks_exact_mut(words).zip(mask.chunks_exact(nx)) {
                pack_row(bits, row, flip);
            }
            Result::Ok(())
        })?;
        Ok(Self { words, bits })
    }

    fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }
}

fn pack_row(bits: &mut [u64], row: &[u8], flip: u64) {
    let mut chunks = row.chunks_exact(64);
    let mut words = bits.iter_mut();
    for (chunk, word) in chunks.by_ref().zip(words.by_ref()) {
        *word = pack(chunk.try_into().expect("64 bytes")) ^ flip;
    }
    let rest = chunks.remainder();
    if let Some(word) = words.next() {
        let set = rest.iter().enumerate().fold(0u64, |w, (i, v)| w | u64::from(*v != 0) << i);
        *word = (set ^ flip) & ((1 << rest.len()) - 1);
    }
}

/// Which of 64 bytes are not 0, the first in the lowest bit.
#[inline(always)]
pub fn pack(bytes: &[u8; 64]) -> u64 {
    let mut w = 0;
    for (i, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        w |= pack_eight(u64::from_le_bytes(*eight)) << (8 * i);
    }
    w
}

/// Which of eight bytes are not 0, the first in the lowest bit.
#[inline(always)]
fn pack_eight(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let ones = ((((bytes & LOW) + LOW) | bytes) & !LOW) >> 7;
    // The product brings bit 8i to bit 56 + i.
    ones.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl Rows for BitRows {
    const VALUED: bool = false;

    fn count(&self, row: usize) -> u32 {
        // A run ends where a bit is set and the next is not.
        let mut carry = 0;
        let mut starts = 0;
        for &w in self.row(row) {
            starts += (w & !(w << 1 | carry)).count_ones();
            carry = w >> 63;
        }
        starts
    }

    #[inline]
    fn read(&self, row: usize, runs: &mut Vec<[u32; 2]>, _: &mut Vec<u32>) {
        let row = self.row(row);
        let mut carry = 0;
        let mut start = 0;
        let mut open = false;
        for (i, &w) in row.iter().enumerate() {
            let mut changes = w ^ (w << 1 | carry);
            carry = w >> 63;
            while changes != 0 {
                let at = i as u32 * 64 + changes.trailing_zeros();
                changes &= changes - 1;
                if open {
                    runs.push([start, at]);
                } else {
                    start = at;
                }
                open = !open;
            }
        }
        if open {
            runs.push([start, row.len() as u32 * 64]);
        }
    }
}

/// Labels, of which 0 is background.
pub struct Values<'a> {
    nx: usize,
    labels: &'a [u32],
}

impl<'a> Values<'a> {
    /// Labels `[z, y, x]`.
    pub fn new(labels: &'a [u32], [_, _, nx]: [usize; 3]) -> Self {
        assert!(u32::try_from(nx).is_ok(), "a row of 2^32 voxels");
        Self { nx, labels }
    }

    fn row(&self, row: usize) -> &[u32] {
        &self.labels[row * self.nx..(row + 1) * self.nx]
    }
}

impl Rows for Values<'_> {
    const VALUED: bool = true;

    fn count(&self, row: usize) -> u32 {
        let row = self.row(row);
        let starts = row.windows(2).filter(|w| (w[1] != w[0]) & (w[1] != 0)).count();
        starts as u32 + u32::from(row.first().is_some_and(|v| *v != 0))
    }

    fn read(&self, row: usize, runs: &mut Vec<[u32; 2]>, values: &mut Vec<u32>) {
        let row = self.row(row);
        let mut at = 0;
        while at < row.len() {
            let value = row[at];
            let start = at;
            while at < row.len() && row[at] == value {
                at += 1;
            }
            if value != 0 {
                runs.push([start as u32, at as u32]);
                values.push(value);
            }
        }
    }
}

/// The runs of one slice.
#[derive(Default)]
pub(crate) struct Slice {
    runs: Vec<[u32; 2]>,
    values: Vec<u32>,
    ends: Vec<usize>,
}

impl Slice {
    pub(crate) fn read<R: Rows>(&mut self, rows: &R, z: usize, ny: usize) {
        self.runs.clear();
        self.values.clear();
        self.ends.clear();
        for y in 0..ny {
            rows.read(z * ny + y, &mut self.runs, &mut self.values);
            self.ends.push(self.runs.len());
        }
    }

    #[inline(always)]
    pub(crate) fn row(&self, y: usize) -> (&[[u32; 2]], &[u32]) {
        let start = if y == 0 { 0 } else { self.ends[y - 1] };
        let end = self.ends[y];
        (&self.runs[start..end], self.values.get(start..end).unwrap_or_default())
    }
}
