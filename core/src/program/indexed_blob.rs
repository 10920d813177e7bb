//! Partial results in pieces: what a part of rows leaves for many others, each of whom reads its own piece alone.

use crate::program::TileContext;
use crate::{Error, Result};

/// Bytes that say where a piece is: its begin and its length as `u64`, and its checksum as `u32`, little-endian. Those of
/// all pieces come first.
const ENTRY: usize = 20;

/// One partial result of pieces.
pub fn join(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut begin = pieces.len() * ENTRY;
    let mut bytes = Vec::with_capacity(begin + pieces.iter().map(Vec::len).sum::<usize>());
    for piece in pieces {
        bytes.extend((begin as u64).to_le_bytes());
        bytes.extend((piece.len() as u64).to_le_bytes());
        bytes.extend(crc32fast::hash(piece).to_le_bytes());
        begin += piece.len();
    }
    pieces.iter().for_each(|piece| bytes.extend(piece));
    bytes
}

/// A piece of what a tile found in a phase that runs once; empty if the tile was passed over.
///
/// # Errors
/// If it can't be read.
pub fn read(context: &dyn TileContext, phase: usize, tile: usize, piece: usize) -> Result<Vec<u8>> {
    piece_of(piece, |bytes| context.partial_range(phase, 0, tile, bytes))
}

/// A piece of a partial result that is in memory.
///
/// # Errors
/// If it is damaged.
pub fn of(partial: &[u8], piece: usize) -> Result<Vec<u8>> {
    piece_of(piece, |bytes| Ok(within(partial, bytes)))
}

/// What there is of a range of bytes.
pub fn within(partial: &[u8], bytes: std::ops::Range<u64>) -> Vec<u8> {
    let place = |at: u64| usize::try_from(at).map_or(partial.len(), |at| at.min(partial.len()));
    partial[place(bytes.start)..place(bytes.end).max(place(bytes.start))].to_vec()
}

fn piece_of(piece: usize, read: impl Fn(std::ops::Range<u64>) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let at = (piece * ENTRY) as u64;
    let entry = read(at..at + ENTRY as u64)?;
    if entry.is_empty() {
        return Ok(entry);
    }
    let damaged =
        || Error::Operator { op: "merge", reason: "a piece of a partial result can't be read".to_owned() };
    let entry: [u8; ENTRY] = entry.try_into().map_err(|_| damaged())?;
    let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
    let (begin, length) = (word(0), word(8));
    let bytes = read(begin..begin.checked_add(length).ok_or_else(damaged)?)?;
    let sum = u32::from_le_bytes(entry[16..].try_into().expect("four bytes"));
    if bytes.len() as u64 != length || crc32fast::hash(&bytes) != sum {
        return Err(damaged());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_they_were_joined_and_no_wrong_byte_is_taken() {
        let pieces = [b"one".to_vec(), Vec::new(), vec![7; 300]];
        let joined = join(&pieces);
        for (i, piece) in pieces.iter().enumerate() {
            assert_eq!(of(&joined, i).unwrap(), *piece);
        }
        assert!(of(&[], 0).unwrap().is_empty());
        for at in 0..joined.len() {
            let mut wrong = joined.clone();
            wrong[at] ^= 0x40;
            // Where nothing begins doesn't matter.
            let matters = !(ENTRY..ENTRY + 8).contains(&at);
            assert_eq!((0..3).any(|i| of(&wrong, i).is_err()), matters, "{at}");
            assert!((0..3).all(|i| of(&wrong, i).map_or(true, |p| p == pieces[i])), "{at}");
            assert!((0..3).any(|i| of(&joined[..at], i).map_or(true, |p| p != pieces[i])), "{at}");
        }
    }
}
