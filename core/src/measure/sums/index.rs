//! Numbers for keys in the order of their first appearance: a hash table that neither allocates by
//! the greatest key nor depends on how keys are spread.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Keys (never 0) and their numbers `0, 1, 2, …`.
#[derive(Debug, Clone, Default)]
pub struct Index {
    keys: Vec<u64>,
    /// Number + 1 of the key at each slot; 0 is an empty slot. The length is a power of two.
    slots: Vec<u32>,
}

impl Index {
    /// The keys by number.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Forgets all keys, but keeps their memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.slots.fill(0);
    }

    /// The number of a key, if it is there.
    pub fn find(&self, key: u64) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.slot(key);
        loop {
            match self.slots[at] {
                0 => return None,
                n if self.keys[n as usize - 1] == key => return Some(n as usize - 1),
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// The number of a key, which is added if it is new.
    #[inline]
    pub fn number(&mut self, key: u64) -> usize {
        if (self.keys.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mut at = self.slot(key);
        loop {
            match self.slots[at] {
                0 => {
                    self.keys.push(key);
                    self.slots[at] = self.keys.len() as u32;
                    return self.keys.len() - 1;
                }
                n if self.keys[n as usize - 1] == key => return n as usize - 1,
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    #[inline]
    fn slot(&self, key: u64) -> usize {
        // Multiplicative hashing: the high bits of the product are spread even for 1, 2, 3, ….
        let shift = 64 - self.slots.len().trailing_zeros();
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
    }

    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(64)];
        for n in 0..self.keys.len() {
            let mut at = self.slot(self.keys[n]);
            while self.slots[at] != 0 {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = n as u32 + 1;
        }
    }
}

impl FromIterator<u64> for Index {
    fn from_iter<I: IntoIterator<Item = u64>>(keys: I) -> Self {
        let mut index = Self::default();
        for key in keys {
            index.number(key);
        }
        index
    }
}

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.keys.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Vec::<u64>::deserialize(d)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come() {
        let mut index = Index::default();
        let keys: Vec<u64> = (0..5000u64).map(|i| (i * 48_271) % 65_537 * 1_000_003 + 1).collect();
        for (n, &key) in keys.iter().enumerate() {
            assert_eq!(index.number(key), n);
        }
        assert!(
            keys.iter().enumerate().all(|(n, &key)| index.number(key) == n && index.find(key) == Some(n))
        );
        assert_eq!(index.find(7), None);
        assert_eq!(Index::default().find(7), None);
        index.clear();
        assert_eq!((index.len(), index.find(keys[0]), index.number(keys[1])), (0, None, 0));
    }
}
