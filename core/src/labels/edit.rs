//! One edit: what it changes is seen at once, and kept or forgotten as a whole.

use super::EDGE;
use super::document::{Changed, Labels, Moved, OpenChunk, Step, Sum, Voxels, add_up, encoded};
use super::info::Info;
use super::log::RecordLocation;
use crate::{Region, Result};
use ndarray::{Array3, ArrayView3, Zip};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// An edit that is under way. Dropped before [`Edit::commit`], it leaves the labels as they were.
pub struct Edit {
    labels: Arc<Labels>,
    /// Where the chunks that it changes lay before.
    before: BTreeMap<u32, Option<RecordLocation>>,
    infos: BTreeMap<u32, Option<Info>>,
    /// How long the log was.
    begun: u64,
    done: bool,
}

impl Edit {
    pub(super) fn new(labels: Arc<Labels>, begun: u64) -> Self {
        Self { labels, before: BTreeMap::new(), infos: BTreeMap::new(), begun, done: false }
    }

    /// The labels, as they are with what was changed until now.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Puts voxels in a part of the image; the chunks in which something is another now.
    ///
    /// # Errors
    /// If the labels can't be read, or the log not be written.
    pub fn put(&mut self, start: [usize; 3], new: ArrayView3<u32>) -> Result<Vec<Region>> {
        let shape = [new.dim().0, new.dim().1, new.dim().2];
        let region = Region { start, shape };
        let mut changed = Vec::new();
        for index in self.labels.touched(region) {
            let (mut voxels, own) = (self.labels.chunk(index)?, self.labels.region(index));
            let part = own.intersection(&region);
            let (from, to) = (part.relative_to(start), part.relative_to(own.start));
            let mut differs = false;
            for z in 0..part.shape[0] {
                for y in 0..part.shape[1] {
                    let row = new.slice(ndarray::s![
                        from.start[0] + z,
                        from.start[1] + y,
                        from.start[2]..from.start[2] + part.shape[2]
                    ]);
                    let at = ((to.start[0] + z) * EDGE + to.start[1] + y) * EDGE + to.start[2];
                    let here = &voxels[at..at + part.shape[2]];
                    if row.iter().ne(here.iter()) {
                        differs = true;
                        let here = &mut Arc::make_mut(&mut voxels)[at..at + part.shape[2]];
                        here.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
                    }
                }
            }
            if differs {
                changed.push(own);
                let mut state = self.labels.lock();
                let place = state.places.get(&index).copied();
                self.before.entry(index).or_insert(place);
                state.open.insert(index, OpenChunk::Memory(voxels));
            }
        }
        self.write_some()?;
        Ok(changed)
    }

    /// Where there are many chunks in memory, writes them to the log.
    fn write_some(&self) -> Result<()> {
        let mut state = self.labels.lock();
        let here = state.open.values().filter(|open| matches!(open, OpenChunk::Memory(_))).count();
        if here <= self.labels.chunks_in_memory() {
            return Ok(());
        }
        let open: Vec<(u32, Voxels)> = in_memory_of(&state.open);
        drop(state);
        for (index, bytes) in encoded(&open) {
            let place = self.labels.write_early(index, &bytes)?;
            state = self.labels.lock();
            state.open.insert(index, OpenChunk::Logged(place));
            drop(state);
        }
        Ok(())
    }

    /// Says what is known of a label, or that nothing is.
    pub fn set_info(&mut self, label: u32, info: Option<Info>) {
        self.infos.insert(label, info);
    }

    /// Keeps it under a name.
    ///
    /// # Errors
    /// If it can't be written; the labels are then as they were.
    pub fn commit(mut self, name: &str) -> Result<Changed> {
        let mut sums: HashMap<u32, Sum> = HashMap::new();
        let mut chunks = Vec::new();
        for (index, before) in &self.before {
            let (old, new) = (self.labels.chunk_at(*index, *before)?, self.labels.chunk(*index)?);
            if old == new {
                // What was changed and changed back.
                self.labels.lock().open.remove(index);
                continue;
            }
            let region = self.labels.region(*index);
            add_up(&old, region, -1, &mut sums);
            add_up(&new, region, 1, &mut sums);
            let written = match self.labels.lock().open.get(index) {
                Some(OpenChunk::Logged(place)) => Some(*place),
                _ => None,
            };
            chunks.push(Moved { index: *index, before: *before, after: written });
        }
        let before = self.labels.infos();
        let infos = std::mem::take(&mut self.infos).into_iter();
        let infos = infos.map(|(label, after)| (label, before.get(&label).cloned(), after));
        let infos: Vec<_> = infos.filter(|(_, before, after)| before != after).collect();
        if chunks.is_empty() && infos.is_empty() {
            return Ok(Changed::default());
        }
        let mut sums: Vec<(u32, Sum)> = sums.into_iter().filter(|(_, s)| *s != Sum::default()).collect();
        sums.sort_unstable_by_key(|s| s.0);
        let fresh = encoded(&in_memory_of(&self.labels.lock().open));
        let changed = self.labels.commit(Step { name: name.to_owned(), chunks, infos, sums }, fresh)?;
        self.done = true;
        self.labels.lock().editing = false;
        Ok(changed)
    }

    /// The chunks that it changes.
    pub fn touched(&self) -> Vec<Region> {
        self.before.keys().map(|index| self.labels.region(*index)).collect()
    }

    /// Forgets it; the chunks that are as they were again.
    pub fn cancel(self) -> Vec<Region> {
        self.touched()
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.labels.lock();
            state.open.clear();
            state.log.cut(self.begun);
            state.editing = false;
        }
    }
}

fn in_memory_of(open: &HashMap<u32, OpenChunk>) -> Vec<(u32, Voxels)> {
    let mut here: Vec<(u32, Voxels)> = open
        .iter()
        .filter_map(|(index, open)| match open {
            OpenChunk::Memory(voxels) => Some((*index, voxels.clone())),
            OpenChunk::Logged(_) => None,
        })
        .collect();
    here.sort_unstable_by_key(|c| c.0);
    here
}

/// Where voxels may be changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Editable {
    /// Everywhere.
    #[default]
    Everywhere,
    /// Where there is this label; 0 is the background.
    Inside(u32),
    /// Where there is another one.
    Outside(u32),
}

/// What may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// All labels that aren't locked.
    #[default]
    Labels,
    /// Labels that are shown.
    Shown,
    /// Only the background.
    Background,
}

/// What tools may change. Labels that are locked stay whatever else is said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mask {
    /// Where.
    pub editable: Editable,
    /// Only in this box.
    pub inside: Option<Region>,
    /// Only where the image has an intensity between these, both included.
    pub intensities: Option<[f64; 2]>,
    /// What may be overwritten.
    pub over: Over,
}

impl Mask {
    /// Puts what may not be changed back to what it was. `start` is where the arrays lie; the image's intensities are
    /// looked at only if there is a range of them.
    pub fn keep(
        &self,
        start: [usize; 3],
        old: ArrayView3<u32>,
        new: &mut Array3<u32>,
        image: Option<ArrayView3<f32>>,
        infos: &BTreeMap<u32, Info>,
    ) {
        let with = |what: fn(&Info) -> bool| -> HashSet<u32> {
            infos.iter().filter(|(_, info)| what(info)).map(|(label, _)| *label).collect()
        };
        let (locked, hidden) = (with(|i| i.locked), with(|i| !i.shown));
        let may = |label: u32| {
            let there = match self.editable {
                Editable::Everywhere => true,
                Editable::Inside(inside) => label == inside,
                Editable::Outside(outside) => label != outside,
            };
            let over = match self.over {
                Over::Labels => true,
                Over::Shown => !hidden.contains(&label),
                Over::Background => label == 0,
            };
            there && over && !locked.contains(&label)
        };
        // Neighbours mostly have one label.
        let mut last = (0, may(0));
        Zip::from(&mut *new).and(&old).for_each(|new, old| {
            if last.0 != *old {
                last = (*old, may(*old));
            }
            if !last.1 {
                *new = *old;
            }
        });
        if let Some(inside) = self.inside {
            let (low, high) = (inside.start, inside.end());
            Zip::indexed(&mut *new).and(&old).for_each(|(z, y, x), new, old| {
                let at = [z + start[0], y + start[1], x + start[2]];
                if (0..3).any(|a| at[a] < low[a] || at[a] >= high[a]) {
                    *new = *old;
                }
            });
        }
        if let (Some([low, high]), Some(image)) = (self.intensities, image) {
            Zip::from(new).and(&old).and(&image).for_each(|new, old, v| {
                if !(f64::from(*v) >= low && f64::from(*v) <= high) {
                    *new = *old;
                }
            });
        }
    }
}
