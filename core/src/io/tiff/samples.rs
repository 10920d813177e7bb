//! From decoded bytes to voxels in the machine's byte order: bit packing, predictors, halves,
//! magnitudes.

use super::page::{Page, SampleFormat};
use bytemuck::{Pod, cast_slice};

const NATIVE_BIG: bool = cfg!(target_endian = "big");

/// Turns the decoded bytes of a chunk of `rows` rows into voxels as bytes, interleaved as they are.
pub(super) fn to_voxels(page: &Page, bytes: Vec<u8>, rows: usize, big_endian: bool) -> Vec<u8> {
    let samples = page.samples_in_chunk();
    let values = page.chunk[0] * samples;
    let mut bytes = bytes;
    let file_endian = if page.predictor == 3 {
        undo_float_predictor(&mut bytes, page, values, samples);
        true
    } else {
        big_endian
    };
    let magnitude = matches!(page.format, SampleFormat::ComplexFloat | SampleFormat::ComplexInt);
    let container = match page.bits {
        8 | 16 | 32 | 64 | 128 if magnitude => usize::from(page.bits) / 16,
        8 | 16 | 32 | 64 => usize::from(page.bits) / 8,
        _ => {
            let mut unpacked = unpack(page, &bytes, rows, values);
            if page.predictor == 2 {
                sum(page, &mut unpacked, values, samples);
            }
            return if page.format == SampleFormat::Float { widen_24(&unpacked) } else { unpacked };
        }
    };
    if file_endian != NATIVE_BIG {
        swap(&mut bytes, container);
    }
    if page.predictor == 2 {
        sum(page, &mut bytes, values, samples);
    }
    match (page.format, page.bits) {
        (SampleFormat::Float, 16) => {
            let wide: Vec<f32> = read::<u16>(&bytes).map(|b| half::f16::from_bits(b).to_f32()).collect();
            cast_slice(&wide).to_vec()
        }
        (SampleFormat::ComplexFloat, 64) => magnitudes32(read::<f32>(&bytes).map(f64::from)),
        (SampleFormat::ComplexFloat, _) => magnitudes64(read::<f64>(&bytes)),
        (SampleFormat::ComplexInt, 32) => magnitudes32(read::<i16>(&bytes).map(f64::from)),
        (SampleFormat::ComplexInt, _) => magnitudes64(read::<i32>(&bytes).map(f64::from)),
        _ => bytes,
    }
}

fn read<T: Pod>(bytes: &[u8]) -> impl Iterator<Item = T> + '_ {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned)
}

fn pairs(mut values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    std::iter::from_fn(move || Some((values.next()?, values.next()?))).map(|(re, im)| re.hypot(im))
}

fn magnitudes32(values: impl Iterator<Item = f64>) -> Vec<u8> {
    pairs(values).flat_map(|v| (v as f32).to_ne_bytes()).collect()
}

fn magnitudes64(values: impl Iterator<Item = f64>) -> Vec<u8> {
    pairs(values).flat_map(f64::to_ne_bytes).collect()
}

/// Turns the byte order of values of `size` bytes round.
pub(crate) fn swap(bytes: &mut [u8], size: usize) {
    fn each<const N: usize>(bytes: &mut [u8]) {
        for value in bytes.as_chunks_mut::<N>().0 {
            value.reverse();
        }
    }
    match size {
        2 => each::<2>(bytes),
        4 => each::<4>(bytes),
        8 => each::<8>(bytes),
        _ => {}
    }
}

/// Reads samples of any number of bits, packed from the high bit, rows padded to bytes.
fn unpack(page: &Page, bytes: &[u8], rows: usize, values: usize) -> Vec<u8> {
    let bits = usize::from(page.bits);
    let stride = (values * bits).div_ceil(8);
    let size = match page.bits {
        1..=8 => 1,
        9..=16 => 2,
        _ => 4,
    };
    let mut out = Vec::with_capacity(rows * values * size);
    for row in bytes.chunks_exact(stride).take(rows) {
        if bits == 24 {
            for v in row.chunks_exact(3) {
                out.extend_from_slice(&u32::from_be_bytes([0, v[0], v[1], v[2]]).to_ne_bytes());
            }
            continue;
        }
        let (mut held, mut count) = (0u64, 0);
        let mut next = row.iter();
        for _ in 0..values {
            while count < bits {
                held = held << 8 | u64::from(*next.next().unwrap_or(&0));
                count += 8;
            }
            count -= bits;
            let value = held >> count & ((1 << bits) - 1);
            match size {
                1 => out.push(value as u8),
                2 => out.extend_from_slice(&(value as u16).to_ne_bytes()),
                _ => out.extend_from_slice(&(value as u32).to_ne_bytes()),
            }
        }
    }
    out
}

/// 24-bit floats (1 sign, 7 exponent, 16 mantissa bits) as `f32`.
fn widen_24(bytes: &[u8]) -> Vec<u8> {
    read::<u32>(bytes)
        .flat_map(|b| {
            let (sign, exponent, mantissa) = ((b >> 23 & 1) << 31, b >> 16 & 0x7f, b & 0xffff);
            let bits = match (exponent, mantissa) {
                (0, 0) => sign,
                (0, m) => {
                    let value = m as f32 * 2f32.powi(-62 - 16);
                    sign | value.to_bits()
                }
                (0x7f, m) => sign | 0x7f80_0000 | m << 7,
                (e, m) => sign | (e + 64) << 23 | m << 7,
            };
            bits.to_ne_bytes()
        })
        .collect()
}

/// Undoes horizontal differencing (predictor 2) along each row.
fn sum(page: &Page, bytes: &mut [u8], values: usize, samples: usize) {
    macro_rules! rows {
        ($t:ty, $bits:expr) => {{
            let mask = if $bits >= <$t>::BITS as u16 { <$t>::MAX } else { (1 << $bits) - 1 };
            let size = size_of::<$t>();
            for row in bytes.chunks_exact_mut(values * size) {
                if let Ok(row) = bytemuck::try_cast_slice_mut::<u8, $t>(row) {
                    for i in samples..row.len() {
                        row[i] = row[i].wrapping_add(row[i - samples]) & mask;
                    }
                    continue;
                }
                // Not aligned for the type; rare.
                let mut copy: Vec<$t> = read(row).collect();
                for i in samples..copy.len() {
                    copy[i] = copy[i].wrapping_add(copy[i - samples]) & mask;
                }
                row.copy_from_slice(cast_slice(&copy));
            }
        }};
    }
    match page.bits {
        0..=8 => rows!(u8, page.bits),
        9..=16 => rows!(u16, page.bits),
        17..=32 => rows!(u32, page.bits),
        _ => rows!(u64, page.bits),
    }
}

/// Undoes the floating-point predictor (3): each row holds all first bytes, then all second
/// bytes, …, most significant first, differenced byte by byte. The result is big-endian.
///
/// Source: Adobe Photoshop TIFF Technical Note 3 (2005).
fn undo_float_predictor(bytes: &mut [u8], page: &Page, values: usize, samples: usize) {
    let size = usize::from(page.bits) / 8;
    let mut row_values = vec![0; values * size];
    for row in bytes.chunks_exact_mut(values * size) {
        for i in samples..row.len() {
            row[i] = row[i].wrapping_add(row[i - samples]);
        }
        for byte in 0..size {
            for (i, v) in row[byte * values..(byte + 1) * values].iter().enumerate() {
                row_values[i * size + byte] = *v;
            }
        }
        row.copy_from_slice(&row_values);
    }
}

/// Copies one of `samples` interleaved samples of voxels of `size` bytes.
pub(super) fn pick(source: &[u8], samples: usize, sample: usize, size: usize, out: &mut [u8]) {
    fn each<const N: usize>(source: &[u8], samples: usize, sample: usize, out: &mut [u8]) {
        let source = source.as_chunks::<N>().0;
        for (o, pixel) in out.as_chunks_mut::<N>().0.iter_mut().zip(source.chunks_exact(samples)) {
            *o = pixel[sample];
        }
    }
    match (samples, size) {
        (1, _) => out.copy_from_slice(&source[..out.len()]),
        (_, 1) => each::<1>(source, samples, sample, out),
        (_, 2) => each::<2>(source, samples, sample, out),
        (_, 4) => each::<4>(source, samples, sample, out),
        _ => each::<8>(source, samples, sample, out),
    }
}
