//! Bitshuffle (Masui et al. 2015, doi:10.1016/j.ascom.2015.07.002), with LZ4, zstd or by itself.
//!
//! Elements are taken in blocks of a multiple of eight; of each block, bit 0 of byte 0 of all elements comes first, then
//! bit 1, and so on. What is left after the last eight is stored as it is. With a compression, a head says how many bytes
//! there are (8 bytes) and how many are in a block (4), and each block has its compressed length before it (4), all
//! with the most significant byte first.

use std::borrow::Cow;

/// Decodes a chunk. `parameters` are the filter's: version (2), size of an element, elements of a block (0: as many as
/// make 8 KiB), compression (0 none, 2 LZ4, 3 zstd).
pub(super) fn decompress(parameters: &[u32], chunk: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let parameter = |i: usize| parameters.get(i).copied().unwrap_or(0) as usize;
    let size = parameter(2);
    if !(1..=1 << 16).contains(&size) {
        return Err(format!("elements of {size} bytes"));
    }
    let compression = match parameter(4) {
        0 => None,
        2 => Some(Compression::Lz4),
        3 => Some(Compression::Zstd),
        other => return Err(format!("compression {other} is unknown")),
    };
    let mut input = chunk;
    let (length, mut block) = match compression {
        None => (chunk.len(), parameter(3)),
        Some(_) => {
            let (length, block) = (number(take(&mut input, 8)?), number(take(&mut input, 4)?));
            (usize::try_from(length).unwrap_or(usize::MAX), block as usize / size)
        }
    };
    if length > most {
        return Err(format!("promises {length} bytes, more than a chunk may have"));
    }
    if block == 0 {
        block = (8192 / size / 8 * 8).max(128);
    }
    if block % 8 != 0 || block.saturating_mul(size) > 1 << 30 {
        return Err(format!("blocks of {block} elements"));
    }
    let mut out = Vec::new();
    let (elements, mut left) = (length / size, length / size / 8 * 8);
    while left > 0 {
        let count = block.min(left);
        let bytes = count * size;
        let shuffled = match compression {
            None => Cow::Borrowed(take(&mut input, bytes)?),
            Some(compression) => {
                let stored = number(take(&mut input, 4)?) as usize;
                Cow::Owned(compression.decode(take(&mut input, stored)?, bytes)?)
            }
        };
        unshuffle(&shuffled, size, count, &mut out);
        left -= count;
    }
    let rest = length - elements / 8 * 8 * size;
    out.extend_from_slice(take(&mut input, rest)?);
    Ok(out)
}

#[derive(Clone, Copy)]
enum Compression {
    Lz4,
    Zstd,
}

impl Compression {
    /// Exactly `bytes` bytes.
    fn decode(self, stored: &[u8], bytes: usize) -> Result<Vec<u8>, String> {
        let damaged = || "a block is damaged".to_owned();
        // Neither makes more of a byte: LZ4 255 bytes, zstd a block of 128 KiB of three.
        if bytes / (1 << 17) > stored.len() {
            return Err(damaged());
        }
        let mut out = vec![0; bytes];
        let got = match self {
            Self::Lz4 => lz4_flex::block::decompress_into(stored, &mut out).map_err(|_| damaged())?,
            Self::Zstd => zstd::bulk::decompress_to_buffer(stored, &mut out).map_err(|_| damaged())?,
        };
        if got == bytes { Ok(out) } else { Err(damaged()) }
    }
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = input.split_at_checked(count).ok_or("the chunk ends early")?;
    *input = rest;
    Ok(taken)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))
}

/// Appends `count` elements of `size` bytes, `count` a multiple of 8.
fn unshuffle(shuffled: &[u8], size: usize, count: usize, out: &mut Vec<u8>) {
    let row = count / 8;
    let start = out.len();
    out.resize(start + count * size, 0);
    let out = &mut out[start..];
    for byte in 0..size {
        let rows = &shuffled[byte * 8 * row..][..8 * row];
        for eight in 0..row {
            // Byte i of the word holds bit i of eight elements; after the transposition, byte i is element i.
            let word = transpose(u64::from_le_bytes(std::array::from_fn(|bit| rows[bit * row + eight])));
            for (i, value) in word.to_le_bytes().into_iter().enumerate() {
                out[(eight * 8 + i) * size + byte] = value;
            }
        }
    }
}

/// A matrix of 8 × 8 bits, transposed by swapping halves, quarters and eighths (Warren, Hacker's Delight, 7-3).
fn transpose(mut word: u64) -> u64 {
    for (shift, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let swap = (word ^ word >> shift) & mask;
        word ^= swap ^ swap << shift;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shuffled bit by bit, as the definition has it.
    fn shuffle(elements: &[u8], size: usize) -> Vec<u8> {
        let count = elements.len() / size;
        let mut out = vec![0; elements.len()];
        for (element, bytes) in elements.chunks(size).enumerate() {
            for (byte, value) in bytes.iter().enumerate() {
                for bit in 0..8 {
                    out[(byte * 8 + bit) * (count / 8) + element / 8] |= (value >> bit & 1) << (element % 8);
                }
            }
        }
        out
    }

    fn bytes(n: usize) -> Vec<u8> {
        (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn blocks_and_what_is_left_of_them() {
        for (size, count, block) in [(1, 8, 8), (2, 40, 16), (3, 24, 8), (8, 16, 128)] {
            let plain = bytes(size * count);
            let mut chunk: Vec<u8> =
                plain.chunks(block * size).flat_map(|block| shuffle(block, size)).collect();
            let rest = bytes(8 * size - 1);
            chunk.extend(&rest);
            // Seven elements, and bytes of none.
            let got = decompress(&[0, 2, size as u32, block as u32, 0], &chunk, 1 << 20).unwrap();
            assert_eq!(got, [plain, rest].concat(), "{size} {count} {block}");
        }
    }

    #[test]
    fn compressed_blocks() {
        let plain = bytes(2 * 40);
        for compression in [2u32, 3] {
            let mut chunk = [&80u64.to_be_bytes()[..], &64u32.to_be_bytes()].concat();
            for block in plain.chunks(64) {
                let shuffled = shuffle(block, 2);
                let stored = match compression {
                    2 => lz4_flex::block::compress(&shuffled),
                    _ => zstd::bulk::compress(&shuffled, 3).unwrap(),
                };
                chunk.extend((stored.len() as u32).to_be_bytes());
                chunk.extend(stored);
            }
            let parameters = [0, 2, 2, 32, compression];
            assert_eq!(decompress(&parameters, &chunk, 80), Ok(plain.clone()));
            assert!(decompress(&parameters, &chunk, 79).is_err());
            for cut in 0..chunk.len() {
                assert!(decompress(&parameters, &chunk[..cut], 80).is_err());
            }
        }
        assert!(decompress(&[0, 2, 2, 0, 9], &[0; 20], 80).unwrap_err().contains("compression 9"));
        assert!(decompress(&[0, 2, 0], &[0; 20], 80).is_err());
    }
}
