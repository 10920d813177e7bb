//! Where the sums of many objects are kept: lists that grow without moving what they hold, and whole
//! numbers of any size in as few bytes as they need.

use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut};

/// Values in a piece.
const PIECE: usize = 1024;

/// A list in pieces of one length, the last of which may be shorter. It takes what its values take:
/// a `Vec` that doubles holds up to three times as much while it grows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pieces<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Pieces<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(value),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(value);
                self.pieces.push(piece);
            }
        }
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }
}

impl<T> Index<usize> for Pieces<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE]
    }
}

impl<T> IndexMut<usize> for Pieces<T> {
    #[inline(always)]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at / PIECE][at % PIECE]
    }
}

/// Whole numbers of 128 bits, which take 64 as long as none of them needs more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Wide {
    low: Pieces<i64>,
    /// The high halves; if empty, all numbers are those of `low`.
    high: Pieces<i64>,
}

impl Wide {
    /// Adds a 0 at the end.
    pub fn push(&mut self) {
        self.low.push(0);
        if !self.high.is_empty() {
            self.high.push(0);
        }
    }

    /// The number at a place.
    #[inline(always)]
    pub fn get(&self, at: usize) -> i128 {
        let low = self.low[at];
        if self.high.is_empty() {
            return i128::from(low);
        }
        i128::from(self.high[at]) << 64 | i128::from(low.cast_unsigned())
    }

    /// Adds to the number at a place.
    #[inline(always)]
    pub fn add(&mut self, at: usize, add: i128) {
        let sum = self.get(at) + add;
        if self.high.is_empty() && i64::try_from(sum).is_err() {
            self.widen();
        }
        self.low[at] = sum as i64;
        if !self.high.is_empty() {
            self.high[at] = (sum >> 64) as i64;
        }
    }

    #[cold]
    fn widen(&mut self) {
        let mut high = Pieces::default();
        self.low.iter().for_each(|low| high.push(low >> 63));
        self.high = high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_what_was_put_in() {
        let mut pieces = Pieces::default();
        assert!(pieces.is_empty());
        for i in 0..PIECE * 2 + 3 {
            assert_eq!(pieces.len(), i);
            pieces.push(i);
        }
        pieces[PIECE] = 7;
        assert_eq!(pieces[PIECE], 7);
        assert!(pieces.iter().enumerate().all(|(i, &v)| v == if i == PIECE { 7 } else { i }));
    }

    #[test]
    fn numbers_stay_exact_when_one_outgrows_64_bits() {
        let mut wide = Wide::default();
        let mut plain = vec![0i128; 1500];
        plain.iter().for_each(|_| wide.push());
        let limits = [i64::MAX, i64::MIN, -1, 1, 0].map(i128::from);
        let mut check = |at: usize, add: i128| {
            wide.add(at, add);
            plain[at] += add;
            assert!(plain.iter().enumerate().all(|(i, &v)| wide.get(i) == v), "{add} at {at}");
            wide.high.is_empty()
        };
        for (i, limit) in limits.into_iter().enumerate() {
            assert!(check(i * 300, limit), "{limit} fits 64 bits");
        }
        assert!(!check(0, 1));
        for (i, limit) in limits.into_iter().enumerate() {
            check(i * 300, limit << 40);
            check(i * 300 + 1, -(limit << 62) - 1);
        }
        wide.push();
        assert_eq!(wide.get(1500), 0);
    }
}
