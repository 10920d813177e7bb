//! The labels, where their chunks lie, and how edits are taken back.

use super::code::{decode, encode};
use super::edit::Edit;
use super::info::Info;
use super::log::{Log, RecordLocation};
use super::{EDGE, VOXELS};
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::{Error, Geometry, Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Kinds of records in the log.
const HEAD: u8 = 0;
const CHUNK: u8 = 1;
const COMMIT: u8 = 2;
const UNDO: u8 = 3;
const REDO: u8 = 4;
const RESET_UNDO_BASE: u8 = 5;

/// The voxels of a chunk, x fastest; beyond the image they are 0.
pub(super) type Voxels = Arc<Vec<u32>>;

/// How many voxels a label has, the sums of their indices `[z, y, x]`, and a box that holds them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Voxels.
    pub count: i64,
    /// Sums of their indices.
    pub at: [i64; 3],
    /// The first corner of the box; it does not shrink when voxels are taken away.
    low: [u32; 3],
    /// The corner beyond it.
    end: [u32; 3],
}

impl Default for Sum {
    fn default() -> Self {
        Self { count: 0, at: [0; 3], low: [u32::MAX; 3], end: [0; 3] }
    }
}

impl Sum {
    /// Adds the voxels of another, or takes them away.
    fn add(&mut self, other: Self, sign: i64) {
        self.count += sign * other.count;
        for a in 0..3 {
            self.at[a] += sign * other.at[a];
            self.low[a] = self.low[a].min(other.low[a]);
            self.end[a] = self.end[a].max(other.end[a]);
        }
    }

    /// A box that holds all voxels.
    pub fn within(&self) -> Region {
        let start = self.low.map(|n| n as usize);
        Region { start, shape: std::array::from_fn(|a| (self.end[a] as usize).saturating_sub(start[a])) }
    }

    /// The mean index `[z, y, x]`.
    pub fn centroid(&self) -> [f64; 3] {
        self.at.map(|sum| sum as f64 / self.count as f64)
    }
}

/// What an edit changed, or what taking it back did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// What the edit is called.
    pub name: String,
    /// The chunks in which voxels are others than before.
    pub regions: Vec<Region>,
    /// The labels of which there are more or less voxels than before.
    pub labels: Vec<u32>,
}

/// A chunk before and after an edit; none: that of the base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub index: u32,
    pub before: Option<RecordLocation>,
    pub after: Option<RecordLocation>,
}

/// An edit that can be taken back.
#[derive(Debug)]
pub(super) struct Step {
    pub name: String,
    pub chunks: Vec<Moved>,
    /// What was known of labels before and after.
    pub infos: Vec<(u32, Option<Info>, Option<Info>)>,
    pub sums: Vec<(u32, Sum)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    shape: [u64; 3],
}

#[derive(Serialize, Deserialize)]
struct Commit {
    name: String,
    infos: Vec<(u32, Option<Info>)>,
    sums: Vec<(u32, Sum)>,
}

/// A chunk that is being edited.
#[derive(Debug, Clone)]
pub(super) enum OpenChunk {
    /// In memory.
    Memory(Voxels),
    /// In the log already, as there are many.
    Logged(RecordLocation),
}

#[derive(Debug)]
pub(super) struct State {
    pub log: Log,
    /// Where chunks lie; those that aren't here are the base's.
    pub places: HashMap<u32, RecordLocation>,
    /// The edit that is under way.
    pub open: HashMap<u32, OpenChunk>,
    pub editing: bool,
    recent: HashMap<(u32, Option<RecordLocation>), (Voxels, u64)>,
    clock: u64,
    past: Vec<Step>,
    /// How many of them are in force.
    at: usize,
    infos: BTreeMap<u32, Info>,
    /// What edits added to the sums of the base.
    sums: HashMap<u32, Sum>,
    /// Sums of the base, once it was looked through.
    base: Option<HashMap<u32, Sum>>,
    /// Chunks of the base that lie in a log of their own, as those in its file are others now.
    kept: Option<(Log, HashMap<u32, RecordLocation>)>,
}

/// An image that labels were read from, and its frame.
pub type Base = (Arc<dyn ImageSource>, Frame);

/// Labels that can be edited. All threads may read while one edits.
pub struct Labels {
    info: ImageInfo,
    chunks: [usize; 3],
    base: RwLock<Option<Base>>,
    /// Chunks that stay in memory.
    keep: usize,
    zeros: Voxels,
    state: Mutex<State>,
}

impl Labels {
    /// Labels of an image of this grid, over a base (labels in a file) or none. Edits go to a new file at `log`;
    /// about `budget` bytes of chunks stay in memory.
    ///
    /// # Errors
    /// If the base is of another shape, or the file can't be made.
    pub fn create(
        log: &Path,
        shape: [usize; 3],
        geometry: Geometry,
        base: Option<Base>,
        budget: u64,
    ) -> Result<Arc<Self>> {
        let head = Head { shape: shape.map(|n| n as u64) };
        let mut file = Log::create(log)?;
        file.append(HEAD, &packed(&head))?;
        Self::new(file, shape, geometry, base, budget)
    }

    fn new(
        log: Log,
        shape: [usize; 3],
        geometry: Geometry,
        base: Option<Base>,
        budget: u64,
    ) -> Result<Arc<Self>> {
        if let Some((source, frame)) = &base
            && source.info().levels[frame.level].shape != shape
        {
            return Err(Error::Usage("labels and what they were read from differ in shape".into()));
        }
        let chunks = shape.map(|n| n.div_ceil(EDGE));
        if chunks.iter().map(|n| *n as u64).product::<u64>() > u64::from(u32::MAX) {
            return Err(Error::Usage(format!("an image of {shape:?} voxels is too large to be edited")));
        }
        let mut info = ImageInfo::simple("labels", shape, [EDGE; 3], VoxelType::U32, geometry);
        info.labels = true;
        let state = State {
            log,
            places: HashMap::new(),
            open: HashMap::new(),
            editing: false,
            recent: HashMap::new(),
            clock: 0,
            past: Vec::new(),
            at: 0,
            infos: BTreeMap::new(),
            sums: HashMap::new(),
            base: base.is_none().then(HashMap::new),
            kept: None,
        };
        let keep = (budget as usize / (4 * VOXELS)).max(16);
        let zeros = Arc::new(vec![0; VOXELS]);
        let base = RwLock::new(base);
        Ok(Arc::new(Self { info, chunks, base, keep, zeros, state: Mutex::new(state) }))
    }

    /// Opens what a program left behind that was killed, with all edits and what was taken back of them.
    ///
    /// # Errors
    /// If the file is none of labels, or is one of labels of another shape.
    pub fn reopen(
        log: &Path,
        shape: [usize; 3],
        geometry: Geometry,
        base: Option<Base>,
        budget: u64,
    ) -> Result<Arc<Self>> {
        let wrong = |what: &str| Error::file(log, format!("a record of the log is {what}"));
        let (mut steps, mut at) = (Vec::<Step>::new(), 0);
        let (mut places, mut infos) = (HashMap::<u32, RecordLocation>::new(), BTreeMap::<u32, Info>::new());
        let mut sums = HashMap::<u32, Sum>::new();
        let (mut pending, mut begun, mut whole) = (BTreeMap::new(), false, 0);
        let count = shape.map(|n| n.div_ceil(EDGE) as u64).iter().product::<u64>();
        let index_of = |bytes: &[u8]| {
            let index = bytes.first_chunk().map(|i| u32::from_le_bytes(*i));
            index.filter(|i| u64::from(*i) < count)
        };
        let mut length = 0;
        let mut file = Log::reopen(log, |kind, place, bytes| {
            length += 9 + bytes.len() as u64;
            match kind {
                HEAD => {
                    let head: Head = postcard::from_bytes(bytes).map_err(|_| wrong("no head"))?;
                    if head.shape != shape.map(|n| n as u64) {
                        let had = head.shape;
                        return Err(Error::file(
                            log,
                            format!("is of labels of {had:?} voxels, not {shape:?}"),
                        ));
                    }
                    begun = true;
                }
                CHUNK => {
                    pending.insert(index_of(bytes).ok_or_else(|| wrong("no chunk"))?, place);
                    return Ok(());
                }
                COMMIT => {
                    let commit: Commit = postcard::from_bytes(bytes).map_err(|_| wrong("no edit"))?;
                    let mut step =
                        Step { name: commit.name, chunks: Vec::new(), infos: Vec::new(), sums: commit.sums };
                    for (index, after) in std::mem::take(&mut pending) {
                        let before = places.insert(index, after);
                        step.chunks.push(Moved { index, before, after: Some(after) });
                    }
                    for (label, after) in commit.infos {
                        let before = set(&mut infos, label, after.clone());
                        step.infos.push((label, before, after));
                    }
                    add(&mut sums, &step.sums, 1);
                    steps.truncate(at);
                    steps.push(step);
                    at += 1;
                }
                UNDO | REDO => {
                    let back = kind == UNDO;
                    let step = if back { at.checked_sub(1) } else { Some(at) };
                    let step = step.and_then(|i| steps.get(i)).ok_or_else(|| wrong("out of place"))?;
                    turn(step, back, &mut places, &mut infos);
                    add(&mut sums, &step.sums, if back { -1 } else { 1 });
                    at = if back { at - 1 } else { at + 1 };
                    pending.clear();
                }
                RESET_UNDO_BASE => {
                    steps.clear();
                    at = 0;
                }
                _ => return Err(wrong("of an unknown kind")),
            }
            whole = length;
            Ok(())
        })?;
        if !begun {
            return Err(wrong("missing: the head"));
        }
        // Chunks of an edit that was not finished.
        if whole < length {
            file.cut(8 + whole);
        }
        let labels = Self::new(file, shape, geometry, base, budget)?;
        let mut state = labels.lock();
        state.sums = sums;
        let path = kept_at(log);
        if path.exists() {
            let mut places = HashMap::new();
            let kept = Log::reopen(&path, |_, place, bytes| {
                places.insert(
                    index_of(bytes).ok_or_else(|| Error::file(&path, "a record is no chunk"))?,
                    place,
                );
                Ok(())
            })?;
            state.kept = Some((kept, places));
        }
        (state.places, state.infos, state.past, state.at) = (places, infos, steps, at);
        drop(state);
        Ok(labels)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Voxels `[z, y, x]`.
    pub fn shape(&self) -> [usize; 3] {
        self.info.shape()
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> Geometry {
        self.info.geometry()
    }

    /// Voxel size `[z, y, x]`.
    pub fn spacing(&self) -> [f64; 3] {
        self.geometry().spacing()
    }

    /// Where the log lies.
    pub fn log(&self) -> PathBuf {
        self.lock().log.path().to_owned()
    }

    /// The part of the image that a chunk is.
    pub(super) fn region(&self, index: u32) -> Region {
        let index = index as usize;
        let [_, ny, nx] = self.chunks;
        let start = [index / (ny * nx), index / nx % ny, index % nx].map(|i| i * EDGE);
        Region { start, shape: std::array::from_fn(|a| EDGE.min(self.shape()[a] - start[a])) }
    }

    /// The chunks that a part of the image touches.
    pub(super) fn touched(&self, region: Region) -> Vec<u32> {
        let (end, [_, ny, nx]) = (region.end(), self.chunks);
        let range = |a: usize| region.start[a] / EDGE..end[a].div_ceil(EDGE).min(self.chunks[a]);
        let mut found = Vec::new();
        for z in range(0) {
            for y in range(1) {
                found.extend(range(2).map(|x| ((z * ny + y) * nx + x) as u32));
            }
        }
        if region.is_empty() { Vec::new() } else { found }
    }

    /// The voxels of a chunk as they are now.
    pub(super) fn chunk(&self, index: u32) -> Result<Voxels> {
        let mut state = self.lock();
        let place = match state.open.get(&index) {
            Some(OpenChunk::Memory(voxels)) => return Ok(voxels.clone()),
            Some(OpenChunk::Logged(place)) => Some(*place),
            None => state.places.get(&index).copied(),
        };
        if let Some(voxels) = state.recall(index, place) {
            return Ok(voxels);
        }
        let bytes = place.map(|place| state.log.read(place)).transpose()?;
        let path = state.log.path().to_owned();
        drop(state);
        let voxels = self.unpacked(index, bytes, &path)?;
        self.lock().remember((index, place), &voxels, self.keep);
        Ok(voxels)
    }

    /// The voxels of a chunk at a place.
    pub(super) fn chunk_at(&self, index: u32, place: Option<RecordLocation>) -> Result<Voxels> {
        let mut state = self.lock();
        if let Some(voxels) = state.recall(index, place) {
            return Ok(voxels);
        }
        let bytes = place.map(|place| state.log.read(place)).transpose()?;
        let path = state.log.path().to_owned();
        drop(state);
        self.unpacked(index, bytes, &path)
    }

    fn unpacked(&self, index: u32, bytes: Option<Vec<u8>>, log: &Path) -> Result<Voxels> {
        let Some(bytes) = bytes else { return self.of_base(index) };
        let voxels = bytes.get(4..).and_then(decode);
        Ok(Arc::new(voxels.ok_or_else(|| Error::file(log, format!("chunk {index} is damaged")))?))
    }

    fn of_base(&self, index: u32) -> Result<Voxels> {
        // As long as this is read the base is not exchanged.
        let base = self.base.read().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        if let Some((log, place)) = state.kept.as_mut().and_then(|(log, p)| Some((log, *p.get(&index)?))) {
            let (bytes, path) = (log.read(place)?, log.path().to_owned());
            drop(state);
            return self.unpacked(index, Some(bytes), &path);
        }
        drop(state);
        let Some((source, frame)) = &*base else { return Ok(self.zeros.clone()) };
        let region = self.region(index);
        let volume = source.read(*frame, region)?.into_labels()?;
        let view = volume.view::<u32>().expect("just cast");
        let mut voxels = vec![0; VOXELS];
        for ((z, y, x), v) in view.indexed_iter() {
            voxels[(z * EDGE + y) * EDGE + x] = *v;
        }
        Ok(Arc::new(voxels))
    }

    /// A part of the labels, `[z, y, x]`.
    ///
    /// # Errors
    /// If the log or the base can't be read.
    pub fn get(&self, region: Region) -> Result<Array3<u32>> {
        self.assembled(region, |index| self.chunk(index))
    }

    /// A part of the image, of chunks.
    pub(super) fn assembled(
        &self,
        region: Region,
        chunk: impl Fn(u32) -> Result<Voxels>,
    ) -> Result<Array3<u32>> {
        let mut all = Array3::zeros(region.shape);
        for index in self.touched(region) {
            let (voxels, own) = (chunk(index)?, self.region(index));
            let part = own.intersection(&region);
            let (to, from) = (part.relative_to(region.start), part.relative_to(own.start));
            for z in 0..part.shape[0] {
                for y in 0..part.shape[1] {
                    let at = ((from.start[0] + z) * EDGE + from.start[1] + y) * EDGE + from.start[2];
                    let mut row = all.slice_mut(ndarray::s![
                        to.start[0] + z,
                        to.start[1] + y,
                        to.start[2]..to.start[2] + part.shape[2]
                    ]);
                    let row = row.as_slice_mut().expect("rows are contiguous");
                    row.copy_from_slice(&voxels[at..at + part.shape[2]]);
                }
            }
        }
        Ok(all)
    }

    /// Begins an edit; there is one at a time.
    ///
    /// # Errors
    /// If another one is under way.
    pub fn edit(self: &Arc<Self>) -> Result<Edit> {
        let mut state = self.lock();
        if state.editing {
            return Err(Error::Usage("another edit of these labels is under way".into()));
        }
        state.editing = true;
        let begun = state.log.len();
        drop(state);
        Ok(Edit::new(self.clone(), begun))
    }

    /// How many chunks an edit keeps in memory before it writes them.
    pub(super) fn chunks_in_memory(&self) -> usize {
        self.keep
    }

    /// Takes the last edit back.
    ///
    /// # Errors
    /// If that can't be written, or an edit is under way.
    pub fn undo(&self) -> Result<Option<Changed>> {
        self.turn(true)
    }

    /// Makes the edit again that was taken back last.
    ///
    /// # Errors
    /// As [`Labels::undo`].
    pub fn redo(&self) -> Result<Option<Changed>> {
        self.turn(false)
    }

    fn turn(&self, back: bool) -> Result<Option<Changed>> {
        let mut state = self.lock();
        if state.editing {
            return Err(Error::Usage("an edit of these labels is under way".into()));
        }
        let step = if back { state.at.checked_sub(1) } else { Some(state.at) };
        let Some(at) = step.filter(|at| *at < state.past.len()) else { return Ok(None) };
        state.log.append(if back { UNDO } else { REDO }, &[])?;
        let state = &mut *state;
        let step = &state.past[at];
        turn(step, back, &mut state.places, &mut state.infos);
        add(&mut state.sums, &step.sums, if back { -1 } else { 1 });
        let changed = self.changed(step);
        state.at = if back { at } else { at + 1 };
        Ok(Some(changed))
    }

    fn changed(&self, step: &Step) -> Changed {
        Changed {
            name: step.name.clone(),
            regions: step.chunks.iter().map(|c| self.region(c.index)).collect(),
            labels: step.sums.iter().map(|s| s.0).collect(),
        }
    }

    /// Writes a finished edit to the log and puts it in force.
    pub(super) fn commit(&self, mut step: Step, fresh: Vec<(u32, Vec<u8>)>) -> Result<Changed> {
        let mut state = self.lock();
        let state = &mut *state;
        for (index, bytes) in fresh {
            let place = state.log.append(CHUNK, &record(index, &bytes))?;
            for moved in step.chunks.iter_mut().filter(|c| c.index == index) {
                moved.after = Some(place);
            }
        }
        let infos = step.infos.iter().map(|(label, _, after)| (*label, after.clone())).collect();
        let commit = Commit { name: step.name.clone(), infos, sums: step.sums.clone() };
        state.log.append(COMMIT, &packed(&commit))?;
        turn(&step, false, &mut state.places, &mut state.infos);
        // What was open is what was used last.
        for (index, open) in std::mem::take(&mut state.open) {
            if let (OpenChunk::Memory(voxels), Some(place)) = (open, state.places.get(&index).copied()) {
                state.remember((index, Some(place)), &voxels, self.keep);
            }
        }
        add(&mut state.sums, &step.sums, 1);
        state.past.truncate(state.at);
        let changed = self.changed(&step);
        state.past.push(step);
        state.at += 1;
        Ok(changed)
    }

    /// Writes a chunk of an edit that isn't finished.
    pub(super) fn write_early(&self, index: u32, bytes: &[u8]) -> Result<RecordLocation> {
        self.lock().log.append(CHUNK, &record(index, bytes))
    }

    /// Makes the labels as they are now those to which undo reaches back.
    ///
    /// # Errors
    /// If that can't be written, or an edit is under way.
    pub fn reset_undo_base(&self) -> Result<()> {
        let mut state = self.lock();
        if state.editing {
            return Err(Error::Usage("an edit of these labels is under way".into()));
        }
        state.log.append(RESET_UNDO_BASE, &[])?;
        state.past.clear();
        state.at = 0;
        Ok(())
    }

    /// Names of the edits that can be taken back and made again, the next one each.
    pub fn next(&self) -> [Option<String>; 2] {
        let state = self.lock();
        let name = |at: Option<usize>| at.and_then(|i| state.past.get(i)).map(|s| s.name.clone());
        [name(state.at.checked_sub(1)), name(Some(state.at))]
    }

    /// What is known of a label, if anything is.
    pub fn info_of(&self, label: u32) -> Option<Info> {
        self.lock().infos.get(&label).cloned()
    }

    /// What is known of labels.
    pub fn infos(&self) -> BTreeMap<u32, Info> {
        self.lock().infos.clone()
    }

    /// How many voxels labels have, and where their middles are; none as long as the base was not looked through.
    pub fn sums(&self) -> Option<BTreeMap<u32, Sum>> {
        let state = self.lock();
        let base = state.base.as_ref()?;
        let mut all: BTreeMap<u32, Sum> = base.iter().map(|(l, s)| (*l, *s)).collect();
        for (label, sum) in &state.sums {
            all.entry(*label).or_default().add(*sum, 1);
        }
        all.retain(|_, sum| sum.count > 0);
        Some(all)
    }

    /// A box that holds all voxels of a label; none if it has none, or the base was not looked through.
    pub fn within(&self, label: u32) -> Option<Region> {
        let state = self.lock();
        let mut sum = state.base.as_ref()?.get(&label).copied().unwrap_or_default();
        if let Some(edits) = state.sums.get(&label) {
            sum.add(*edits, 1);
        }
        let all = sum.within().intersection(&Region::whole(self.shape()));
        (sum.count > 0 && !all.is_empty()).then_some(all)
    }

    /// A number that no label has.
    pub fn unused(&self) -> u32 {
        let state = self.lock();
        let used = |sums: &HashMap<u32, Sum>| sums.keys().copied().max().unwrap_or(0);
        let most = state.base.as_ref().map_or(0, used).max(used(&state.sums));
        most.max(state.infos.keys().copied().max().unwrap_or(0)) + 1
    }

    /// Looks through the base, so that sums are known.
    ///
    /// # Errors
    /// If it can't be read, or the job was cancelled.
    pub fn survey(&self, job: &Job) -> Result<()> {
        if self.lock().base.is_some() {
            return Ok(());
        }
        let count = self.chunks.iter().product::<usize>() as u32;
        let parts: Result<Vec<HashMap<u32, Sum>>> = (0..count.div_ceil(64))
            .into_par_iter()
            .map(|part| {
                let mut sums = HashMap::new();
                for index in part * 64..count.min(part * 64 + 64) {
                    job.check()?;
                    add_up(&self.of_base(index)?, self.region(index), 1, &mut sums);
                }
                Ok(sums)
            })
            .collect();
        let mut all: HashMap<u32, Sum> = HashMap::new();
        for (label, sum) in parts?.into_iter().flatten() {
            all.entry(label).or_default().add(sum, 1);
        }
        self.lock().base = Some(all);
        Ok(())
    }

    /// Lets the file of the base be written anew with a [`Version`](super::Version) of the labels that was taken
    /// before. What edits began with is first kept beside the log, so that they can still be taken back. `write` gives
    /// the file its new voxels and returns the image that it is then; nobody reads the base meanwhile.
    ///
    /// # Errors
    /// If what is to be kept can't be read or written, or what `write` says.
    pub fn replace_base(&self, write: impl FnOnce() -> Result<Base>) -> Result<()> {
        let edited: BTreeSet<u32> = {
            let state = self.lock();
            let steps = state.past.iter().flat_map(|step| &step.chunks).map(|moved| moved.index);
            steps.chain(state.places.keys().copied()).collect()
        };
        for index in edited {
            if self.lock().kept.as_ref().is_some_and(|(_, places)| places.contains_key(&index)) {
                continue;
            }
            let bytes = record(index, &encode(&self.of_base(index)?));
            let mut state = self.lock();
            if state.kept.is_none() {
                let log = Log::create(&kept_at(state.log.path()))?;
                state.kept = Some((log, HashMap::new()));
            }
            let (log, places) = state.kept.as_mut().expect("made just now");
            places.insert(index, log.append(CHUNK, &bytes)?);
        }
        let mut base = self.base.write().unwrap_or_else(PoisonError::into_inner);
        let (source, frame) = write()?;
        if source.info().levels[frame.level].shape != self.shape() {
            return Err(Error::Usage("labels and what they were written to differ in shape".into()));
        }
        *base = Some((source, frame));
        Ok(())
    }

    /// Waits until all edits are on the disk, whatever befalls the machine.
    ///
    /// # Errors
    /// If the disk says so.
    pub fn sync(&self) -> Result<()> {
        let (file, path) = {
            let state = self.lock();
            (state.log.handle()?, state.log.path().to_owned())
        };
        file.sync_data().map_err(|e| Error::io(path, e))
    }
}

impl ImageSource for Labels {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame != Frame::default() || !Region::whole(self.shape()).contains(&region) {
            return Err(Error::Usage("labels have one frame, and this lies beyond it".into()));
        }
        Ok(Volume::U32(self.get(region)?))
    }
}

impl State {
    fn recall(&mut self, index: u32, place: Option<RecordLocation>) -> Option<Voxels> {
        self.clock += 1;
        let (voxels, used) = self.recent.get_mut(&(index, place))?;
        *used = self.clock;
        Some(voxels.clone())
    }

    fn remember(&mut self, key: (u32, Option<RecordLocation>), voxels: &Voxels, keep: usize) {
        self.clock += 1;
        self.recent.insert(key, (voxels.clone(), self.clock));
        if self.recent.len() > keep {
            // Half goes at a time, so that this is rare.
            let mut times: Vec<u64> = self.recent.values().map(|v| v.1).collect();
            let middle = times.len() / 2;
            let (_, oldest, _) = times.select_nth_unstable(middle);
            let oldest = *oldest;
            self.recent.retain(|_, v| v.1 >= oldest);
        }
    }
}

/// Where chunks of the base are kept.
fn kept_at(log: &Path) -> PathBuf {
    log.with_extension("base")
}

fn add(all: &mut HashMap<u32, Sum>, sums: &[(u32, Sum)], sign: i64) {
    for (label, sum) in sums {
        all.entry(*label).or_default().add(*sum, sign);
    }
}

/// Puts a step in force, or takes it back.
fn turn(step: &Step, back: bool, places: &mut HashMap<u32, RecordLocation>, infos: &mut BTreeMap<u32, Info>) {
    for Moved { index, before, after } in &step.chunks {
        match if back { before } else { after } {
            Some(place) => places.insert(*index, *place),
            None => places.remove(index),
        };
    }
    for (label, before, after) in &step.infos {
        set(infos, *label, if back { before.clone() } else { after.clone() });
    }
}

fn set(infos: &mut BTreeMap<u32, Info>, label: u32, info: Option<Info>) -> Option<Info> {
    match info {
        Some(info) => infos.insert(label, info),
        None => infos.remove(&label),
    }
}

/// Adds the voxels of a chunk to the sums of their labels, or takes them away.
pub(super) fn add_up(voxels: &[u32], region: Region, sign: i64, sums: &mut HashMap<u32, Sum>) {
    let [depth, height, width] = region.shape;
    for z in 0..depth {
        for y in 0..height {
            let row = &voxels[(z * EDGE + y) * EDGE..][..width];
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let n = run.len() as i64;
                if run[0] != 0 {
                    let first = (region.start[2] + x) as i64;
                    let [slice, line] = [region.start[0] + z, region.start[1] + y];
                    let at = [slice as i64 * n, line as i64 * n, first * n + n * (n - 1) / 2];
                    let mut sum = Sum { count: n, at, ..Sum::default() };
                    if sign > 0 {
                        sum.low = [slice as u32, line as u32, first as u32];
                        sum.end = [slice as u32 + 1, line as u32 + 1, (first + n) as u32];
                    }
                    sums.entry(run[0]).or_default().add(sum, sign);
                }
                x += run.len();
            }
        }
    }
}

fn packed<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data can be written to memory")
}

fn record(index: u32, bytes: &[u8]) -> Vec<u8> {
    [&index.to_le_bytes(), bytes].concat()
}

/// The bytes of many chunks, made by all threads.
pub(super) fn encoded(chunks: &[(u32, Voxels)]) -> Vec<(u32, Vec<u8>)> {
    chunks.par_iter().map(|(index, voxels)| (*index, encode(voxels))).collect()
}
