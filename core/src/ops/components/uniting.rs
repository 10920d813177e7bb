//! Components of blocks, united and numbered by phases over slabs of blocks, none of which sees all components at once:
//! any number of them fit, and the work is shared among threads or the workers of a pool.
//!
//! A slab is a plane of blocks. First the components of each slab are united on its own ([`WITHIN`]); then neighbouring
//! slabs are united two by two, those pairs two by two, and so on ([`ACROSS`], a round each). Only what touches the plane
//! between two halves is looked at there, so that a round needs the components at one plane of the image. What became one
//! is kept as rows of a name and the first name of its component, and names follow those rows from round to round. Then
//! the components that begin in each slab are found and counted ([`ROOTS`]). What comes of it is a number for each name,
//! slab by slab ([`Uniting::numbers`]), which blocks take from there ([`Uniting::relabel`]).

use super::blocked::{Numbers, too_many, unite};
use crate::ops::kernel::{Partials, decode, encode};
use crate::ops::{Around, Next, Phase, Tiling};
use crate::{Error, Region, Result};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// The phase whose blocks find the names of their components, ascending; what else they find comes after these.
const NAMES: usize = 0;
/// The phase whose blocks find which names touch across their faces.
const PAIRS: usize = 1;
/// Slabs are united, each on its own.
const WITHIN: usize = 2;
/// Halves are united.
const ACROSS: usize = 3;
/// Components are counted by the slab that they begin in.
const ROOTS: usize = 4;
/// The first phase that comes after.
pub const AFTER: usize = 5;

/// Names, each with another of the same component that comes before it; ascending.
type Joined = Vec<(u64, u64)>;

/// Components that are being united. It is what is known between the phases [`phases`], which come after two that find
/// names and pairs of blocks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Uniting {
    shape: [usize; 3],
    /// Shape of a block.
    cut: [usize; 3],
    /// Rounds of [`ACROSS`] that are done.
    rounds: u32,
    /// How many components begin before each slab.
    before: Vec<u64>,
}

/// The phases of rows.
pub fn phases() -> [Phase; AFTER - WITHIN] {
    let phase = |name| Phase { name, tiling: Tiling::Rows, reads: vec![], writes: vec![] };
    [phase("uniting within slabs"), phase("uniting slabs"), phase("counting")]
}

impl Uniting {
    /// For an image of `shape` in blocks of the shape `cut`.
    pub fn new(shape: [usize; 3], cut: [usize; 3]) -> Self {
        Self { shape, cut, ..Self::default() }
    }

    /// How many slabs there are.
    pub fn slabs(&self) -> usize {
        self.shape[0].div_ceil(self.cut[0])
    }

    /// Blocks of a slab along y and x.
    fn across(&self) -> [usize; 2] {
        [1, 2].map(|a| self.shape[a].div_ceil(self.cut[a]))
    }

    /// The number of the first block of a slab.
    pub fn block_of(&self, slab: usize) -> usize {
        self.blocks(slab).start
    }

    /// Numbers of the blocks of a slab.
    fn blocks(&self, slab: usize) -> std::ops::Range<usize> {
        let [ny, nx] = self.across();
        slab * ny * nx..(slab + 1) * ny * nx
    }

    fn number_of(&self, block: Region) -> usize {
        let [ny, nx] = self.across();
        let [z, y, x] = std::array::from_fn(|a| block.start[a] / self.cut[a]);
        (z * ny + y) * nx + x
    }

    /// The slab that a name lies in.
    pub fn slab_of(&self, name: u64) -> usize {
        let voxels = (self.cut[0] * self.shape[1] * self.shape[2]) as u64;
        (name.saturating_sub(1) / voxels) as usize
    }

    /// Rounds that it takes until all slabs are united.
    fn depth(&self) -> usize {
        self.slabs().next_power_of_two().trailing_zeros() as usize
    }

    /// [`crate::ops::Program::parts`] of a phase.
    pub fn parts(&self, phase: usize) -> usize {
        match phase {
            ACROSS if self.rounds as usize >= self.depth() => 0,
            ACROSS => self.slabs().div_ceil(2 << self.rounds),
            _ => self.slabs(),
        }
    }

    /// Makes a part of a phase.
    ///
    /// # Errors
    /// If rows can't be read, or more components than labels.
    pub fn run(&self, phase: usize, part: usize, around: &dyn Around) -> Result<Vec<u8>> {
        match phase {
            WITHIN => self.within(part, around).map(|found| encode(&found)),
            ACROSS => self.halves(part, around).map(|found| encode(&found)),
            _ => self.roots(part, around).map(|(roots, others)| encode(&(roots.len() as u64, roots, others))),
        }
    }

    /// Merges a phase of rows.
    ///
    /// # Errors
    /// More components than labels, or what is said in place of a partial result.
    pub fn merge(&mut self, phase: usize, partials: Partials) -> Result<Next> {
        match phase {
            ACROSS => {
                self.rounds += 1;
                return Ok(if self.parts(ACROSS) > 0 { Next::Repeat } else { Next::Continue });
            }
            ROOTS => {
                let mut count = 0;
                for partial in partials {
                    self.before.push(count);
                    count += postcard::take_from_bytes::<u64>(&partial?.1).map_err(|_| lost(0))?.0;
                }
                if count > u64::from(u32::MAX) {
                    return Err(too_many(count));
                }
            }
            _ => {}
        }
        Ok(Next::Continue)
    }

    /// The numbers of the components that a field of names has in a block, from what [`Uniting::numbers`] made in a phase.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn relabel(
        &self,
        phase: usize,
        block: Region,
        field: &Array3<u64>,
        around: &dyn Around,
    ) -> Result<Array3<u32>> {
        let number = self.number_of(block);
        let names = names_of(around, number)?;
        let blocks = self.blocks(number / self.blocks(0).len());
        let numbers = around.partial(phase, 0, number / blocks.len())?;
        match numbers_of(&numbers, number - blocks.start, blocks.len()) {
            Some(numbers) if numbers.len() == names.len() => Ok(Numbers { names, numbers }.relabel(field)),
            _ => Err(lost(0)),
        }
    }

    /// The names of a slab that are the first of their components, ascending.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn begin_in(&self, slab: usize, around: &dyn Around) -> Result<Vec<u64>> {
        row_of::<(u64, Vec<u64>, Joined)>(around, ROOTS, 0, slab).map(|found| found.1)
    }

    /// The number of a component as an object of the image, if `roots` begin in its slab.
    ///
    /// # Errors
    /// If it is not among them.
    pub fn number(&self, roots: &[u64], root: u64) -> Result<u32> {
        let at = roots.binary_search(&root).map_err(|_| lost(root))?;
        Ok((self.before[self.slab_of(root)] + at as u64 + 1) as u32)
    }

    /// The names of each block of a slab, each with the first name of its component.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn components(&self, slab: usize, around: &dyn Around) -> Result<Vec<Vec<u64>>> {
        let (_, _, others): (u64, Vec<u64>, Joined) = row_of(around, ROOTS, 0, slab)?;
        let of_block = |block| {
            let names = names_of(around, block)?;
            Ok(names.into_iter().map(|name| first(&others, name)).collect())
        };
        self.blocks(slab).map(of_block).collect()
    }

    /// Numbers for the names of a slab: `known` reads what is known of the components that begin in a slab, `number` takes
    /// that of a component from it.
    ///
    /// # Errors
    /// What these say, or if rows can't be read.
    pub fn numbers<T>(
        &self,
        slab: usize,
        around: &dyn Around,
        known: impl Fn(usize) -> Result<T>,
        number: impl Fn(&T, u64) -> Result<u32>,
    ) -> Result<Vec<u8>> {
        let blocks = self.components(slab, around)?;
        // Components begin here or in slabs before, which are read one after another.
        let mut roots: Vec<u64> = blocks.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        let mut numbers = Vec::with_capacity(roots.len());
        for of_one in roots.chunk_by(|a, b| self.slab_of(*a) == self.slab_of(*b)) {
            let known = known(self.slab_of(of_one[0]))?;
            for root in of_one {
                numbers.push(number(&known, *root)?);
            }
        }
        let mut end = 0u64;
        let ends = blocks.iter().flat_map(|names| {
            end += names.len() as u64;
            end.to_le_bytes()
        });
        let number = |root: &u64| numbers[roots.binary_search(root).expect("it is one of them")];
        let numbers = blocks.iter().flatten().flat_map(|root| number(root).to_le_bytes());
        Ok(ends.collect::<Vec<u8>>().into_iter().chain(numbers).collect())
    }

    /// Names of a slab, ascending.
    fn names(&self, slab: usize, around: &dyn Around) -> Result<Vec<u64>> {
        let mut names = Vec::new();
        for block in self.blocks(slab) {
            names.append(&mut names_of(around, block)?);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What becomes one within a slab; and of what touches the slab before, the first names here and the names there.
    fn within(&self, slab: usize, around: &dyn Around) -> Result<(Joined, Vec<(u64, u64)>)> {
        let names = self.names(slab, around)?;
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        for block in self.blocks(slab) {
            let pairs: Vec<(u64, u64)> = row_of(around, PAIRS, 0, block)?;
            for pair in pairs {
                if self.slab_of(pair.1) == slab { &mut inner } else { &mut outer }.push(pair);
            }
        }
        let joined = joined(&names, inner.into_iter())?;
        for (name, _) in &mut outer {
            *name = first(&joined, *name);
        }
        outer.sort_unstable();
        outer.dedup();
        Ok((joined, outer))
    }

    /// What becomes one when the two halves of a part of a round are united.
    fn halves(&self, part: usize, around: &dyn Around) -> Result<Joined> {
        let half = 1 << self.rounds;
        let middle = part * 2 * half + half;
        if middle >= self.slabs() {
            return Ok(Vec::new());
        }
        let (_, outer): (Joined, Vec<(u64, u64)>) = row_of(around, WITHIN, 0, middle)?;
        if outer.is_empty() {
            return Ok(Vec::new());
        }
        let here = self.chain(middle, self.rounds as usize, around)?;
        let (before, _): (Joined, Vec<(u64, u64)>) = row_of(around, WITHIN, 0, middle - 1)?;
        let there = self.chain(middle - 1, self.rounds as usize, around)?;
        let mut pairs: Vec<(u64, u64)> =
            outer.into_iter().map(|(a, b)| (follow(&here, a), follow(&there, first(&before, b)))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut names: Vec<u64> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        names.sort_unstable();
        names.dedup();
        joined(&names, pairs.into_iter())
    }

    /// What became of a slab's names in so many rounds.
    fn chain(&self, slab: usize, rounds: usize, around: &dyn Around) -> Result<Vec<Joined>> {
        (0..rounds).map(|round| row_of(around, ACROSS, round, slab >> (round + 1))).collect()
    }

    /// The names of a slab that are the first of their components; and the others, with the first.
    fn roots(&self, slab: usize, around: &dyn Around) -> Result<(Vec<u64>, Joined)> {
        let (joined, _): (Joined, Vec<(u64, u64)>) = row_of(around, WITHIN, 0, slab)?;
        let chain = self.chain(slab, self.depth(), around)?;
        let (mut roots, mut others) = (Vec::new(), Vec::new());
        for name in self.names(slab, around)? {
            match follow(&chain, first(&joined, name)) {
                root if root == name => roots.push(name),
                root => others.push((name, root)),
            }
        }
        Ok((roots, others))
    }
}

/// The numbers of the names of block `index` of the `count` of a slab.
fn numbers_of(bytes: &[u8], index: usize, count: usize) -> Option<Vec<u32>> {
    let (ends, _) = bytes.split_at_checked(count * 8)?.0.as_chunks::<8>();
    let end = |i: usize| usize::try_from(u64::from_le_bytes(ends[i])).ok();
    let begin = if index == 0 { 0 } else { end(index - 1)? };
    let (numbers, _) = bytes[count * 8..].as_chunks::<4>();
    Some(numbers.get(begin..end(index)?)?.iter().map(|n| u32::from_le_bytes(*n)).collect())
}

/// What one block or part has found.
fn row_of<T: for<'a> Deserialize<'a>>(
    around: &dyn Around,
    phase: usize,
    round: usize,
    tile: usize,
) -> Result<T> {
    decode(&around.partial(phase, round, tile)?)
}

/// The names that a block has found.
fn names_of(around: &dyn Around, block: usize) -> Result<Vec<u64>> {
    let found = around.partial(NAMES, 0, block)?;
    postcard::take_from_bytes(&found).map(|(names, _)| names).map_err(|_| lost(0))
}

/// What becomes one among ascending names.
fn joined(names: &[u64], pairs: impl Iterator<Item = (u64, u64)>) -> Result<Joined> {
    let roots = unite(names, pairs.map(Ok))?;
    let one = |(i, root): (usize, u32)| (root as usize != i).then(|| (names[i], names[root as usize]));
    Ok(roots.into_iter().enumerate().filter_map(one).collect())
}

/// The first name of the component that a name belongs to.
fn first(joined: &Joined, name: u64) -> u64 {
    joined.binary_search_by_key(&name, |j| j.0).map_or(name, |at| joined[at].1)
}

/// The same after several rounds.
fn follow(chain: &[Joined], name: u64) -> u64 {
    chain.iter().fold(name, |name, joined| first(joined, name))
}

fn lost(name: u64) -> Error {
    Error::Operator {
        op: "label",
        reason: format!("what was found of component {name} is not there any more"),
    }
}
