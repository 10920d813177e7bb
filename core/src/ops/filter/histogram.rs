//! Ranks in large windows by a histogram that slides along a row: only the voxels that enter and
//! leave are counted (Huang, Yang & Tang 1979, doi:10.1109/TASSP.1979.1163188).

use super::key::Key;

/// The histogram of a window over a tile whose keys are numbered in order, so that any type of
/// voxel has as few bins as the tile has values.
#[derive(Debug)]
pub struct Sliding<K> {
    /// The keys that occur, ascending.
    values: Vec<K>,
    /// The number of the key of each voxel of the tile.
    numbers: Vec<u32>,
    order: Vec<(K, u32)>,
    bins: Vec<u32>,
    /// Sums over [`GROUP`] bins.
    groups: Vec<u32>,
}

const GROUP: usize = 64;

impl<K> Default for Sliding<K> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: Vec::new(),
            order: Vec::new(),
            bins: Vec::new(),
            groups: Vec::new(),
        }
    }
}

impl<K: Key> Sliding<K> {
    /// Numbers the keys of a tile, whose rows lie at `rows` in `keys`.
    pub fn prepare(&mut self, rows: impl Iterator<Item = std::ops::Range<usize>>, keys: &[K]) {
        self.order.clear();
        for row in rows {
            let start = row.start as u32;
            self.order.extend(keys[row].iter().zip(start..).map(|(k, i)| (*k, i)));
        }
        self.order.sort_unstable();
        self.values.clear();
        self.numbers.resize(keys.len().max(self.numbers.len()), 0);
        for (key, i) in &self.order {
            if self.values.last() != Some(key) {
                self.values.push(*key);
            }
            self.numbers[*i as usize] = (self.values.len() - 1) as u32;
        }
        self.bins.clear();
        self.bins.resize(self.values.len().next_multiple_of(GROUP), 0);
        self.groups.clear();
        self.groups.resize(self.bins.len() / GROUP, 0);
    }

    /// Writes the key of rank `rank` in the window for each voxel of a row. The window's rows for the
    /// first voxel begin at `starts` and are so many voxels long.
    pub fn row(&mut self, starts: &[(usize, usize)], rank: usize, out: &mut [K]) {
        let rank = rank as u32;
        for &(start, length) in starts {
            for n in &self.numbers[start..start + length] {
                self.bins[*n as usize] += 1;
                self.groups[*n as usize / GROUP] += 1;
            }
        }
        // `below` voxels of the window are in groups before `group`.
        let (mut group, mut below) = (0, 0u32);
        let last = out.len() - 1;
        for (x, value) in out.iter_mut().enumerate() {
            while below > rank {
                group -= 1;
                below -= self.groups[group];
            }
            while below + self.groups[group] <= rank {
                below += self.groups[group];
                group += 1;
            }
            let (mut bin, mut sum) = (group * GROUP, below);
            while sum + self.bins[bin] <= rank {
                sum += self.bins[bin];
                bin += 1;
            }
            *value = self.values[bin];
            if x == last {
                break;
            }
            for &(start, length) in starts {
                let (gone, come) =
                    (self.numbers[start + x] as usize, self.numbers[start + x + length] as usize);
                self.bins[gone] -= 1;
                self.bins[come] += 1;
                let (from, to) = (gone / GROUP, come / GROUP);
                self.groups[from] -= 1;
                self.groups[to] += 1;
                below += u32::from(to < group);
                below -= u32::from(from < group);
            }
        }
        for &(start, length) in starts {
            for n in &self.numbers[start + last..start + last + length] {
                self.bins[*n as usize] = 0;
                self.groups[*n as usize / GROUP] = 0;
            }
        }
    }
}
