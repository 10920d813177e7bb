//! An operator as phases over blocks, with merges in between.

use super::call::{Grid, Output};
use super::encoding::{decode, encode};
use super::field::Field;
use super::kernel::Block;
use crate::{Job, Region, Result, Volume, VoxelType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How a phase cuts the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// Blocks of the engine's choice.
    Blocks,
    /// Blocks that span the whole of these axes (`z, y, x`): lines or slabs.
    Spanning([bool; 3]),
    /// Not the image but what earlier phases found in it, in as many parts as [`Program::parts`] says: merges that are
    /// too large for one process, or are worth sharing out. Part `i` is the tile of one voxel at `[i, 0, 0]`; it
    /// finds what it needs in [`TileContext`], and writes no images.
    Reduce,
    /// Parts as well, each of which takes much, as of the operator's inputs: one after another in a process, and on a
    /// pool always by a worker.
    SerialReduce,
}

impl Tiling {
    /// Whether there are parts instead of blocks.
    pub fn is_reduce(self) -> bool {
        matches!(self, Self::Reduce | Self::SerialReduce)
    }
}

/// What there is beside the block that a program works on.
pub trait TileContext: Sync {
    /// The partial result of a tile, by its number, of a round of a phase; those that run once have round 0. Empty if
    /// the tile was passed over.
    ///
    /// # Errors
    /// If it can't be read.
    fn partial(&self, phase: usize, round: usize, tile: usize) -> Result<Vec<u8>>;

    /// Some bytes of it, as many of the range as there are.
    ///
    /// # Errors
    /// If they can't be read.
    fn partial_range(&self, phase: usize, round: usize, tile: usize, bytes: Range<u64>) -> Result<Vec<u8>>;

    /// What a part of a phase of rows is told: [`Program::payload`].
    ///
    /// # Errors
    /// If it can't be read.
    fn payload(&self, part: usize) -> Result<Vec<u8>>;

    /// The operator's inputs.
    fn inputs(&self) -> &[Option<Arc<dyn Field>>];

    /// A folder for temporary files.
    fn scratch(&self) -> &Path;

    /// Runs another program on the same inputs, block by block, in this process; it hands its result out itself.
    ///
    /// # Errors
    /// If something can't be read, a full disk, or [`crate::Error::Cancelled`].
    fn run_program(&self, block: [usize; 3], grid: Grid, program: &dyn AnyProgram, job: &Job) -> Result<()>;
}

/// An empty context: for programs whose phases are run by hand.
impl TileContext for () {
    fn partial(&self, _: usize, _: usize, _: usize) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn partial_range(&self, _: usize, _: usize, _: usize, _: Range<u64>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn payload(&self, _: usize) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn inputs(&self) -> &[Option<Arc<dyn Field>>] {
        &[]
    }

    fn scratch(&self) -> &Path {
        Path::new(".")
    }

    fn run_program(&self, _: [usize; 3], _: Grid, _: &dyn AnyProgram, _: &Job) -> Result<()> {
        Ok(())
    }
}

/// What a phase reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An input of the operator, with a halo.
    Input(usize, [usize; 3]),
    /// A scratch field, with a halo.
    Field(usize, [usize; 3]),
}

/// A scratch image on the output grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its type.
    pub voxel: VoxelType,
}

/// Declaration of a phase: one pass over the blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// What it does, for progress.
    pub name: &'static str,
    /// How it cuts the image.
    pub tiling: Tiling,
    /// What it reads. An absent optional input arrives as `None`.
    pub reads: Vec<Source>,
    /// The fields that it writes, one volume each. A phase may write a field that it reads: other
    /// blocks may then see either state in their halo, so this is for relaxations to a unique end.
    pub writes: Vec<usize>,
}

impl Phase {
    /// A phase over blocks of the engine's choice.
    pub fn blocks(name: &'static str, reads: Vec<Source>, writes: Vec<usize>) -> Self {
        Self { name, tiling: Tiling::Blocks, reads, writes }
    }

    /// A phase over what earlier ones found, in parts: [`Tiling::Reduce`].
    pub fn reduce(name: &'static str) -> Self {
        Self { name, tiling: Tiling::Reduce, reads: Vec::new(), writes: Vec::new() }
    }

    /// The same, one part after another: [`Tiling::SerialReduce`].
    pub fn serial_reduce(name: &'static str) -> Self {
        Self { tiling: Tiling::SerialReduce, ..Self::reduce(name) }
    }

    /// A phase over slices: blocks that span y and x.
    pub fn slices(name: &'static str, reads: Vec<Source>, writes: Vec<usize>) -> Self {
        Self { name, tiling: Tiling::Spanning([false, true, true]), reads, writes }
    }

    /// A phase over lines along z.
    pub fn lines(name: &'static str, reads: Vec<Source>, writes: Vec<usize>) -> Self {
        Self { name, tiling: Tiling::Spanning([true, false, false]), reads, writes }
    }
}

/// What comes after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next phase, or the end.
    Continue,
    /// The same phase again.
    Repeat,
}

/// Partial results of a phase in block order, with the blocks' output regions: one is in memory at a time.
pub struct Partials<'a> {
    each: &'a mut dyn Iterator<Item = Result<(Region, Vec<u8>)>>,
    cut: [usize; 3],
    scratch: &'a Path,
}

impl<'a> Partials<'a> {
    /// `cut` is the shape of the phase's tiles, `scratch` a folder for temporary files.
    pub fn new(
        each: &'a mut dyn Iterator<Item = Result<(Region, Vec<u8>)>>,
        cut: [usize; 3],
        scratch: &'a Path,
    ) -> Self {
        Self { each, cut, scratch }
    }

    /// The shape of the phase's tiles; those at the ends of the image may be smaller.
    pub fn cut(&self) -> [usize; 3] {
        self.cut
    }

    /// A folder for temporary files of what doesn't fit into memory.
    pub fn scratch(&self) -> &'a Path {
        self.scratch
    }
}

impl Iterator for Partials<'_> {
    type Item = Result<(Region, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.each.next()
    }
}

/// Makes one partial result of several of a phase, which are in the order of their tiles.
pub type Fold = fn(&mut dyn Iterator<Item = Result<Vec<u8>>>) -> Result<Vec<u8>>;

/// A [`Fold`] of partial results that add up two by two.
///
/// # Errors
/// What is said in place of a partial result, or if one is none.
pub fn folded<T: Serialize + DeserializeOwned>(
    parts: &mut dyn Iterator<Item = Result<Vec<u8>>>,
    add: impl Fn(T, T) -> T,
) -> Result<Vec<u8>> {
    let mut all = None;
    for part in parts {
        let part = decode(&part?)?;
        all = Some(match all {
            Some(all) => add(all, part),
            None => part,
        });
    }
    Ok(all.as_ref().map_or_else(Vec::new, encode))
}

/// A [`Fold`] of partial results that are lists of rows.
///
/// # Errors
/// As [`folded`].
pub fn chained<T: Serialize + DeserializeOwned>(
    parts: &mut dyn Iterator<Item = Result<Vec<u8>>>,
) -> Result<Vec<u8>> {
    folded(parts, |mut all: Vec<T>, mut more| {
        all.append(&mut more);
        all
    })
}

/// An operator as phases over blocks. Partial results are bytes, so that they can cross processes; so can states.
///
/// Architecture invariant: partials are merged in block order, whatever order they were made in.
pub trait Program: Send + Sync {
    /// What is known between phases. All blocks of a phase share one.
    type State: Default + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Its phases by name: an enum. Their numbers, which storage and other processes know, are their places in
    /// [`Program::phases`].
    type Phase: Copy + PartialEq + std::fmt::Debug + Send + Sync + 'static;

    /// Scratch fields, all on the grid of the output.
    fn fields(&self) -> Vec<FieldSpec>;

    /// The phases in the order in which they run.
    fn phases(&self) -> Vec<Self::Phase>;

    /// Declaration of a phase: what it reads and writes, and how it cuts the image.
    fn declare(&self, phase: Self::Phase) -> Phase;

    /// The number of a phase, for what looks back at it through [`TileContext`].
    ///
    /// # Panics
    /// If it is none of [`Program::phases`].
    fn number(&self, phase: Self::Phase) -> usize {
        self.phases().iter().position(|other| *other == phase).expect("a phase of this program")
    }

    /// The field that is the result, if the result is an image.
    fn result(&self) -> Option<usize>;

    /// The region that a phase sees for the block `out`, before halos, where that follows from the
    /// state: the boxes of objects, say, that begin in the block.
    fn region(&self, phase: Self::Phase, state: &Self::State, out: Region) -> Region {
        let _ = (phase, state);
        out
    }

    /// Whether a phase runs on the block `out` at all. What it writes is 0 elsewhere, and where it runs again what it
    /// was before.
    fn visits(&self, phase: Self::Phase, state: &Self::State, out: Region) -> bool {
        let _ = (phase, state, out);
        true
    }

    /// What is known before the first phase.
    fn begin(&self) -> Self::State {
        Self::State::default()
    }

    /// How many parts a phase of [`Tiling::Reduce`] or [`Tiling::SerialReduce`] has.
    fn parts(&self, phase: Self::Phase, state: &Self::State) -> usize {
        let _ = (phase, state);
        0
    }

    /// What a part of such a phase is told that only whoever merges knows, and that is too much to tell
    /// all of them.
    fn payload(&self, phase: Self::Phase, state: &Self::State, part: usize) -> Vec<u8> {
        let _ = (phase, state, part);
        Vec::new()
    }

    /// Runs one phase on one block. Returns a volume of the shape of `block.out` for each of the
    /// phase's `writes`, and a partial result for `merge` (may be empty). `inputs[i]` covers
    /// `block.sources[i]`, for each of the phase's `reads`. It takes time for the block and what
    /// of the state concerns it, not for all of the state: there may be very many blocks. What
    /// earlier phases found is there if the program has phases of [`Tiling::Reduce`].
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`], or what the operator cannot do.
    fn run(
        &self,
        phase: Self::Phase,
        state: &Self::State,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)>;

    /// How partial results of a phase become one, if `merge` takes that in their place: a pool of workers then folds
    /// those of very many blocks in groups, so that whoever merges reads few. The region that `merge` is told is that
    /// of the first block of a group.
    fn fold(&self, phase: Self::Phase) -> Option<Fold> {
        let _ = phase;
        None
    }

    /// Merges the partial results of a phase into the state that the next phases get.
    ///
    /// # Errors
    /// What the operator cannot do, or what is said in place of a partial result.
    fn merge(&self, phase: Self::Phase, state: &mut Self::State, partials: Partials) -> Result<Next>;

    /// What the run found out that the user should know and the record of the result keeps, such
    /// as an automatic threshold: names and values, from the final state. A runner reports each
    /// with [`Job::fact`] after the last merge, as `whole` does itself.
    fn facts(&self, state: &Self::State) -> Vec<(String, f64)> {
        let _ = state;
        Vec::new()
    }

    /// Makes the result of an operator that makes no image.
    ///
    /// # Errors
    /// What the operator cannot do.
    fn finish(&self, state: Self::State) -> Result<Output> {
        let _ = state;
        unreachable!("an operator without a result field makes its output here")
    }
}

/// The state of some program.
pub type AnyState = Box<dyn Any + Send + Sync>;

/// A [`Program`] whatever its state is. What it gets as a state it made itself.
pub trait AnyProgram: Send + Sync {
    /// [`Program::fields`].
    fn fields(&self) -> Vec<FieldSpec>;
    /// [`Program::declare`] of each phase, in order.
    fn phases(&self) -> Vec<Phase>;
    /// [`Program::result`].
    fn result(&self) -> Option<usize>;
    /// The state before the first phase.
    fn begin(&self) -> AnyState;
    /// A state as bytes.
    fn write(&self, state: &AnyState) -> Vec<u8>;
    /// A state that [`AnyProgram::write`] wrote.
    ///
    /// # Errors
    /// If the bytes are none.
    fn read(&self, bytes: &[u8]) -> Result<AnyState>;
    /// [`Program::region`].
    fn region(&self, phase: usize, state: &AnyState, out: Region) -> Region;
    /// [`Program::visits`].
    fn visits(&self, phase: usize, state: &AnyState, out: Region) -> bool;
    /// [`Program::parts`].
    fn parts(&self, phase: usize, state: &AnyState) -> usize;
    /// [`Program::payload`].
    fn payload(&self, phase: usize, state: &AnyState, part: usize) -> Vec<u8>;
    /// [`Program::run`].
    ///
    /// # Errors
    /// As there.
    fn run(
        &self,
        phase: usize,
        state: &AnyState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)>;
    /// [`Program::fold`].
    fn fold(&self, phase: usize) -> Option<Fold>;
    /// [`Program::merge`].
    ///
    /// # Errors
    /// As there.
    fn merge(&self, phase: usize, state: &mut AnyState, partials: Partials) -> Result<Next>;
    /// [`Program::facts`].
    fn facts(&self, state: &AnyState) -> Vec<(String, f64)>;
    /// [`Program::finish`].
    ///
    /// # Errors
    /// As there.
    fn finish(&self, state: AnyState) -> Result<Output>;
}

fn known<S: 'static>(state: &AnyState) -> &S {
    state.downcast_ref().expect("programs get their own states")
}

/// The phase with a number.
fn key<P: Program>(program: &P, number: usize) -> P::Phase {
    program.phases()[number]
}

impl<P: Program> AnyProgram for P {
    fn fields(&self) -> Vec<FieldSpec> {
        Program::fields(self)
    }

    fn phases(&self) -> Vec<Phase> {
        Program::phases(self).into_iter().map(|phase| self.declare(phase)).collect()
    }

    fn result(&self) -> Option<usize> {
        Program::result(self)
    }

    fn begin(&self) -> AnyState {
        Box::new(Program::begin(self))
    }

    fn write(&self, state: &AnyState) -> Vec<u8> {
        encode(known::<P::State>(state))
    }

    fn read(&self, bytes: &[u8]) -> Result<AnyState> {
        Ok(Box::new(decode::<P::State>(bytes)?))
    }

    fn region(&self, phase: usize, state: &AnyState, out: Region) -> Region {
        Program::region(self, key(self, phase), known(state), out)
    }

    fn visits(&self, phase: usize, state: &AnyState, out: Region) -> bool {
        Program::visits(self, key(self, phase), known(state), out)
    }

    fn parts(&self, phase: usize, state: &AnyState) -> usize {
        Program::parts(self, key(self, phase), known(state))
    }

    fn payload(&self, phase: usize, state: &AnyState, part: usize) -> Vec<u8> {
        Program::payload(self, key(self, phase), known(state), part)
    }

    fn run(
        &self,
        phase: usize,
        state: &AnyState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        Program::run(self, key(self, phase), known(state), block, inputs, context, job)
    }

    fn fold(&self, phase: usize) -> Option<Fold> {
        Program::fold(self, key(self, phase))
    }

    fn merge(&self, phase: usize, state: &mut AnyState, partials: Partials) -> Result<Next> {
        let state = state.downcast_mut().expect("programs get their own states");
        Program::merge(self, key(self, phase), state, partials)
    }

    fn facts(&self, state: &AnyState) -> Vec<(String, f64)> {
        Program::facts(self, known(state))
    }

    fn finish(&self, state: AnyState) -> Result<Output> {
        Program::finish(self, *state.downcast().expect("programs get their own states"))
    }
}

/// All rows of partial results that are lists of rows.
///
/// # Errors
/// What is said in place of a partial result, or if one is no such list.
pub fn rows<T: DeserializeOwned>(partials: Partials) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    for partial in partials {
        rows.append(&mut decode(&partial?.1)?);
    }
    Ok(rows)
}
