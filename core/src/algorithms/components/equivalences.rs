//! Components of blocks, united and numbered by phases over slabs of blocks, none of which sees all components at once:
//! any number of them fit, and the work is shared among threads or the workers of a pool.
//!
//! A slab is a plane of blocks. First the components of each slab are united on its own ([`EquivalencePhase::WithinSlabs`]); then neighbouring
//! slabs are united two by two, those pairs two by two, and so on ([`EquivalencePhase::AcrossSlabs`], a round each). Only what touches the plane
//! between two halves is looked at there, so that a round needs the components at one plane of the image. What became one
//! is kept as rows of a name and the first name of its component, and names follow those rows from round to round. Then
//! the components that begin in each slab are found and counted ([`EquivalencePhase::Roots`]). What comes of it is a number for each name,
//! slab by slab ([`LabelEquivalences::numbers`]), which blocks take from there ([`LabelEquivalences::relabel`]).

use crate::algorithms::components::blocked::{Numbers, unite};
use crate::algorithms::components::slabs::{Slabs, lost};
use crate::program::{Next, Partials, Phase, TileContext, decode, encode};
use crate::{Region, Result};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// The phases, which are the first ones of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EquivalencePhase {
    /// Blocks find the provisional labels of their components, ascending; what else they find comes after these.
    Components,
    /// Blocks find which provisional labels touch across their faces.
    Touching,
    /// Slabs are united, each on its own.
    WithinSlabs,
    /// Halves are united, in an iteration for each power of two.
    AcrossSlabs,
    /// Components are counted by the slab that they begin in.
    Roots,
}

impl EquivalencePhase {
    /// All of them in order.
    pub const ALL: [Self; 5] =
        [Self::Components, Self::Touching, Self::WithinSlabs, Self::AcrossSlabs, Self::Roots];

    /// Declaration of a phase that is a reduction; `None` for the phases over blocks, which the program declares.
    pub fn declare(self) -> Option<Phase> {
        match self {
            Self::Components | Self::Touching => None,
            Self::WithinSlabs => Some(Phase::reduce("uniting within slabs")),
            Self::AcrossSlabs => Some(Phase::reduce("uniting slabs")),
            Self::Roots => Some(Phase::reduce("counting")),
        }
    }
}

/// Names, each with another of the same component that comes before it; ascending.
type Equivalences = Vec<(u64, u64)>;

/// Components that are being united. It is the state between the phases of [`EquivalencePhase`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LabelEquivalences {
    /// The slabs.
    pub slabs: Slabs,
    /// Rounds of [`EquivalencePhase::AcrossSlabs`] that are done.
    rounds: u32,
}

impl LabelEquivalences {
    /// For an image of `shape` in blocks of the shape `cut`.
    pub fn new(shape: [usize; 3], cut: [usize; 3]) -> Self {
        Self { slabs: Slabs::new(shape, cut), rounds: 0 }
    }

    /// Rounds that it takes until all slabs are united.
    fn depth(&self) -> usize {
        self.slabs.count().next_power_of_two().trailing_zeros() as usize
    }

    /// [`crate::program::Program::parts`] of a phase.
    pub fn parts(&self, phase: EquivalencePhase) -> usize {
        match phase {
            EquivalencePhase::AcrossSlabs if self.rounds as usize >= self.depth() => 0,
            EquivalencePhase::AcrossSlabs => self.slabs.count().div_ceil(2 << self.rounds),
            _ => self.slabs.count(),
        }
    }

    /// Makes a part of a phase.
    ///
    /// # Errors
    /// If rows can't be read, or more components than labels.
    pub fn run(&self, phase: EquivalencePhase, part: usize, context: &dyn TileContext) -> Result<Vec<u8>> {
        match phase {
            EquivalencePhase::WithinSlabs => self.within(part, context).map(|found| encode(&found)),
            EquivalencePhase::AcrossSlabs => self.halves(part, context).map(|found| encode(&found)),
            _ => {
                self.roots(part, context).map(|(roots, others)| encode(&(roots.len() as u64, roots, others)))
            }
        }
    }

    /// Merges a phase of rows.
    ///
    /// # Errors
    /// More components than labels, or what is said in place of a partial result.
    pub fn merge(&mut self, phase: EquivalencePhase, partials: Partials) -> Result<Next> {
        match phase {
            EquivalencePhase::AcrossSlabs => {
                self.rounds += 1;
                return Ok(if self.parts(phase) > 0 { Next::Repeat } else { Next::Continue });
            }
            EquivalencePhase::Roots => {
                let count = |bytes: Vec<u8>| {
                    postcard::take_from_bytes::<u64>(&bytes).map_err(|_| lost(0)).map(|c| c.0)
                };
                self.slabs.begin_with(partials.map(|partial| count(partial?.1)))?;
            }
            _ => {}
        }
        Ok(Next::Continue)
    }

    /// The numbers of the components that a field of names has in a block, from what [`LabelEquivalences::numbers`] made in a phase.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn relabel(
        &self,
        phase: usize,
        block: Region,
        field: &Array3<u64>,
        context: &dyn TileContext,
    ) -> Result<Array3<u32>> {
        let block = self.slabs.block(block);
        let (names, numbers) = (names_of(context, block)?, self.slabs.numbers_of(phase, block, context)?);
        if names.len() != numbers.len() {
            return Err(lost(0));
        }
        Ok(Numbers { names, numbers }.relabel(field))
    }

    /// The names of a slab that are the first of their components, ascending.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn begin_in(&self, slab: usize, context: &dyn TileContext) -> Result<Vec<u64>> {
        row_of::<(u64, Vec<u64>, Equivalences)>(context, EquivalencePhase::Roots, 0, slab)
            .map(|found| found.1)
    }

    /// The names of each block of a slab, each with the first name of its component.
    ///
    /// # Errors
    /// If rows can't be read.
    pub fn components(&self, slab: usize, context: &dyn TileContext) -> Result<Vec<Vec<u64>>> {
        let (_, _, others): (u64, Vec<u64>, Equivalences) =
            row_of(context, EquivalencePhase::Roots, 0, slab)?;
        let of_block = |block| {
            let names = names_of(context, block)?;
            Ok(names.into_iter().map(|name| first(&others, name)).collect())
        };
        self.slabs.blocks(slab).map(of_block).collect()
    }

    /// Numbers for the names of a slab: `known` reads what is known of the components that begin in a slab, `number` takes
    /// that of a component from it.
    ///
    /// # Errors
    /// What these say, or if rows can't be read.
    pub fn numbers<T>(
        &self,
        slab: usize,
        context: &dyn TileContext,
        known: impl Fn(usize) -> Result<T>,
        number: impl Fn(&T, u64) -> Result<u32>,
    ) -> Result<Vec<u8>> {
        self.slabs.numbers(&self.components(slab, context)?, known, number)
    }

    /// Names of a slab, ascending.
    fn names(&self, slab: usize, context: &dyn TileContext) -> Result<Vec<u64>> {
        let mut names = Vec::new();
        for block in self.slabs.blocks(slab) {
            names.append(&mut names_of(context, block)?);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What becomes one within a slab; and of what touches the slab before, the first names here and the names there.
    fn within(&self, slab: usize, context: &dyn TileContext) -> Result<(Equivalences, Vec<(u64, u64)>)> {
        let names = self.names(slab, context)?;
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        for block in self.slabs.blocks(slab) {
            let pairs: Vec<(u64, u64)> = row_of(context, EquivalencePhase::Touching, 0, block)?;
            for pair in pairs {
                if self.slabs.slab_of(pair.1) == slab { &mut inner } else { &mut outer }.push(pair);
            }
        }
        let joined = equivalences_of(&names, inner.into_iter())?;
        for (name, _) in &mut outer {
            *name = first(&joined, *name);
        }
        outer.sort_unstable();
        outer.dedup();
        Ok((joined, outer))
    }

    /// What becomes one when the two halves of a part of a round are united.
    fn halves(&self, part: usize, context: &dyn TileContext) -> Result<Equivalences> {
        let half = 1 << self.rounds;
        let middle = part * 2 * half + half;
        if middle >= self.slabs.count() {
            return Ok(Vec::new());
        }
        let (_, outer): (Equivalences, Vec<(u64, u64)>) =
            row_of(context, EquivalencePhase::WithinSlabs, 0, middle)?;
        if outer.is_empty() {
            return Ok(Vec::new());
        }
        let here = self.chain(middle, self.rounds as usize, context)?;
        let (before, _): (Equivalences, Vec<(u64, u64)>) =
            row_of(context, EquivalencePhase::WithinSlabs, 0, middle - 1)?;
        let there = self.chain(middle - 1, self.rounds as usize, context)?;
        let mut pairs: Vec<(u64, u64)> =
            outer.into_iter().map(|(a, b)| (follow(&here, a), follow(&there, first(&before, b)))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut names: Vec<u64> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        names.sort_unstable();
        names.dedup();
        equivalences_of(&names, pairs.into_iter())
    }

    /// What became of a slab's names in so many rounds.
    fn chain(&self, slab: usize, rounds: usize, context: &dyn TileContext) -> Result<Vec<Equivalences>> {
        (0..rounds)
            .map(|round| row_of(context, EquivalencePhase::AcrossSlabs, round, slab >> (round + 1)))
            .collect()
    }

    /// The names of a slab that are the first of their components; and the others, with the first.
    fn roots(&self, slab: usize, context: &dyn TileContext) -> Result<(Vec<u64>, Equivalences)> {
        let (joined, _): (Equivalences, Vec<(u64, u64)>) =
            row_of(context, EquivalencePhase::WithinSlabs, 0, slab)?;
        let chain = self.chain(slab, self.depth(), context)?;
        let (mut roots, mut others) = (Vec::new(), Vec::new());
        for name in self.names(slab, context)? {
            match follow(&chain, first(&joined, name)) {
                root if root == name => roots.push(name),
                root => others.push((name, root)),
            }
        }
        Ok((roots, others))
    }
}

/// What one block or part has found.
fn row_of<T: for<'a> Deserialize<'a>>(
    context: &dyn TileContext,
    phase: EquivalencePhase,
    round: usize,
    tile: usize,
) -> Result<T> {
    decode(&context.partial(phase as usize, round, tile)?)
}

/// The names that a block has found.
fn names_of(context: &dyn TileContext, block: usize) -> Result<Vec<u64>> {
    let found = context.partial(EquivalencePhase::Components as usize, 0, block)?;
    postcard::take_from_bytes(&found).map(|(names, _)| names).map_err(|_| lost(0))
}

/// What becomes one among ascending names.
fn equivalences_of(names: &[u64], pairs: impl Iterator<Item = (u64, u64)>) -> Result<Equivalences> {
    let roots = unite(names, pairs.map(Ok))?;
    let one = |(i, root): (usize, u32)| (root as usize != i).then(|| (names[i], names[root as usize]));
    Ok(roots.into_iter().enumerate().filter_map(one).collect())
}

/// The first name of the component that a name belongs to.
fn first(joined: &Equivalences, name: u64) -> u64 {
    joined.binary_search_by_key(&name, |j| j.0).map_or(name, |at| joined[at].1)
}

/// The same after several rounds.
fn follow(chain: &[Equivalences], name: u64) -> u64 {
    chain.iter().fold(name, |name, joined| first(joined, name))
}
