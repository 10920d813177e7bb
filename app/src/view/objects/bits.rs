//! A set of rows, a bit each.

/// A set of numbers below a length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// The empty set of numbers below `len`.
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// The set of those that are true.
    pub fn of(flags: &[bool]) -> Self {
        let mut bits = Self::none(flags.len());
        for (word, flags) in bits.words.iter_mut().zip(flags.chunks(64)) {
            *word = flags.iter().enumerate().fold(0, |word, (i, flag)| word | u64::from(*flag) << i);
        }
        bits
    }

    /// Returns whether a number is in it; those beyond its length are not.
    pub fn has(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Puts a number below its length in, or takes it out.
    pub fn set(&mut self, at: usize, on: bool) {
        let bit = 1 << (at % 64);
        if on {
            self.words[at / 64] |= bit;
        } else {
            self.words[at / 64] &= !bit;
        }
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Those that are in it, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(i * 64 + bit)
            })
        })
    }

    /// Combines it with another set of the same length, 64 numbers at a time.
    pub fn merge(&mut self, other: &Self, of: impl Fn(u64, u64) -> u64) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = of(*word, *other);
        }
        self.trim();
    }

    /// All below its length that are not in it.
    pub fn inverse(&self) -> Self {
        let mut bits = Self { words: self.words.iter().map(|word| !word).collect(), len: self.len };
        bits.trim();
        bits
    }

    /// Bits beyond the length stay 0.
    fn trim(&mut self) {
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << rest) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_was_put_in() {
        for len in [0, 1, 63, 64, 65, 200] {
            let flags: Vec<bool> = (0..len).map(|i| i % 3 == 1 || i == 63).collect();
            let bits = Bits::of(&flags);
            let there: Vec<usize> = (0..len).filter(|i| flags[*i]).collect();
            assert_eq!(bits.iter().collect::<Vec<_>>(), there);
            assert_eq!((bits.count(), bits.is_empty()), (there.len(), there.is_empty()));
            let others = bits.inverse();
            assert_eq!(others.count(), len - there.len());
            assert!((0..len + 100).all(|i| !(bits.has(i) && others.has(i))));
            let mut all = others.clone();
            all.merge(&bits, |a, b| a | b);
            assert_eq!(all.count(), len);
        }
    }
}
