//! Ordered flooding of an image in memory.
//!
//! Voxels are sorted by intensity once, equal ones by index, so the queue of a level is a stretch of
//! that list, of which those reached so far are taken in order. What is reached at a level without
//! rising above it is flooded front by front, each front sorted by index.

use crate::algorithms::components::Connectivity;
use crate::{Job, Result};
use rayon::prelude::*;
use std::ops::Range;

/// An image of which the flooding needs no more than the order.
pub trait Levels: Sync {
    /// A number that orders like the intensity of a voxel.
    fn at(&self, voxel: usize) -> u32;
}

impl<F: Fn(usize) -> u32 + Sync> Levels for F {
    #[inline(always)]
    fn at(&self, voxel: usize) -> u32 {
        self(voxel)
    }
}

/// Voxels between two looks at whether the job is cancelled.
const STRETCH: usize = 1 << 14;
/// The voxel has a label or lies outside the mask.
const CLOSED: u8 = 1;
/// The voxel lies in the mask and has a label.
const REACHED: u8 = 2;
/// The voxel lies on a face of the image.
const BORDER: u8 = 4;

/// What the flooding has reached.
pub struct Flood<'a> {
    shape: [usize; 3],
    /// For each of the nine rows around a voxel: where the voxel before it lies, and which of three
    /// bytes from there on are neighbours.
    rows: Vec<(isize, u32)>,
    steps: Vec<[isize; 3]>,
    state: Vec<u8>,
    labels: &'a mut [u32],
}

impl<'a> Flood<'a> {
    /// `labels` holds the markers; those outside `mask` are removed.
    ///
    /// # Errors
    /// More voxels than 32-bit numbers can name.
    pub fn new(
        labels: &'a mut [u32],
        mask: Option<&[u8]>,
        shape: [usize; 3],
        connectivity: Connectivity,
    ) -> Result<Self> {
        if u32::try_from(labels.len()).is_err() {
            return Err(super::too_many("watershed", labels.len()));
        }
        let [nz, ny, nx] = shape;
        let mut state = vec![0u8; labels.len() + 4];
        if !labels.is_empty() {
            let (state, plane) = (&mut state[..labels.len()], ny * nx);
            state.par_chunks_mut(plane).zip(labels.par_chunks_mut(plane)).enumerate().for_each(
                |(z, (state, labels))| {
                    let mask = mask.map(|m| &m[z * plane..(z + 1) * plane]);
                    for (i, (s, l)) in state.iter_mut().zip(labels).enumerate() {
                        if mask.is_some_and(|m| m[i] == 0) {
                            *l = 0;
                            *s = CLOSED;
                        } else if *l != 0 {
                            *s = CLOSED | REACHED;
                        }
                    }
                    let face = z == 0 || z + 1 == nz;
                    for (y, row) in state.chunks_exact_mut(nx).enumerate() {
                        if face || y == 0 || y + 1 == ny {
                            row.iter_mut().for_each(|s| *s |= BORDER);
                        } else {
                            row[0] |= BORDER;
                            row[nx - 1] |= BORDER;
                        }
                    }
                },
            );
        }
        let steps = connectivity.neighbours();
        let mut rows = Vec::new();
        for dz in -1..=1isize {
            for dy in -1..=1isize {
                let mut bytes = 0;
                for step in steps.iter().filter(|s| s[0] == dz && s[1] == dy) {
                    bytes |= u32::from(CLOSED) << (8 * (step[2] + 1));
                }
                if bytes != 0 {
                    rows.push(((dz * ny as isize + dy) * nx as isize - 1, bytes));
                }
            }
        }
        Ok(Self { shape, rows, steps, state, labels })
    }

    /// Floods all that can be reached, from the lowest level up.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn run(&mut self, levels: &impl Levels, job: &Job) -> Result<()> {
        let order = sorted(levels, &self.state[..self.labels.len()], job)?;
        let (mut front, mut next) = (Vec::new(), Vec::new());
        let (mut at, mut told) = (0, 0);
        while at < order.len() {
            let level = levels.at(order[at] as usize);
            front.clear();
            while at < order.len() && levels.at(order[at] as usize) == level {
                if self.state[order[at] as usize] & REACHED != 0 {
                    front.push(order[at]);
                }
                at += 1;
            }
            while !front.is_empty() {
                next.clear();
                for part in front.chunks(STRETCH) {
                    job.check()?;
                    for &voxel in part {
                        self.spread(voxel, |v| {
                            if levels.at(v as usize) <= level {
                                next.push(v);
                            }
                        });
                    }
                }
                next.sort_unstable();
                std::mem::swap(&mut front, &mut next);
            }
            if at - told > STRETCH {
                job.advance((at - told) as u64);
                told = at;
            }
        }
        job.advance((self.labels.len() - told) as u64);
        Ok(())
    }

    /// Floods the mask step by step, as if it were of one intensity, at most `steps` far.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn grow(&mut self, steps: u64, job: &Job) -> Result<()> {
        let reached = |i: &usize| self.state[*i] & REACHED != 0;
        let mut front: Vec<u32> = (0..self.labels.len()).filter(reached).map(|i| i as u32).collect();
        let mut next = Vec::new();
        for _ in 0..steps {
            if front.is_empty() {
                break;
            }
            next.clear();
            for part in front.chunks(STRETCH) {
                job.check()?;
                part.iter().for_each(|&voxel| self.spread(voxel, |v| next.push(v)));
            }
            next.sort_unstable();
            std::mem::swap(&mut front, &mut next);
        }
        job.advance(self.labels.len() as u64);
        Ok(())
    }

    /// Gives the label of a voxel to its open neighbours.
    #[inline(always)]
    fn spread(&mut self, voxel: u32, mut reached: impl FnMut(u32)) {
        let at = voxel as usize;
        let label = self.labels[at];
        if self.state[at] & BORDER != 0 {
            return self.spread_at_border(at, label, &mut reached);
        }
        for &(offset, bytes) in &self.rows {
            let start = at.wrapping_add_signed(offset);
            let row = u32::from_le_bytes(self.state[start..start + 4].try_into().expect("four bytes"));
            let mut open = !row & bytes;
            while open != 0 {
                let to = start + open.trailing_zeros() as usize / 8;
                open &= open - 1;
                self.state[to] |= CLOSED | REACHED;
                self.labels[to] = label;
                reached(to as u32);
            }
        }
    }

    #[cold]
    fn spread_at_border(&mut self, at: usize, label: u32, reached: &mut impl FnMut(u32)) {
        let [nz, ny, nx] = self.shape;
        let p = [at / (ny * nx), at / nx % ny, at % nx];
        debug_assert!(p[0] < nz);
        for step in &self.steps {
            let inside = (0..3).all(|a| p[a].checked_add_signed(step[a]).is_some_and(|q| q < self.shape[a]));
            if !inside {
                continue;
            }
            let to = at.wrapping_add_signed((step[0] * ny as isize + step[1]) * nx as isize + step[2]);
            if self.state[to] & CLOSED == 0 {
                self.state[to] |= CLOSED | REACHED;
                self.labels[to] = label;
                reached(to as u32);
            }
        }
    }
}

/// The voxels of the mask by level, those of a level by index.
fn sorted(levels: &impl Levels, state: &[u8], job: &Job) -> Result<Vec<u32>> {
    const BUCKETS: usize = 1 << 16;
    let inside = |i: usize| state[i] & (CLOSED | REACHED) != CLOSED;
    let within = |range: &Range<usize>, each: &mut dyn FnMut(usize)| {
        for from in range.clone().step_by(STRETCH) {
            job.check()?;
            (from..range.end.min(from + STRETCH)).filter(|i| inside(*i)).for_each(&mut *each);
        }
        Result::Ok(())
    };
    let share = state.len().div_ceil(rayon::current_num_threads()).max(1 << 16);
    let shares: Vec<_> = (0..state.len()).step_by(share).map(|s| s..(s + share).min(state.len())).collect();
    let (least, most) = shares
        .par_iter()
        .map(|range| {
            let mut found = (u32::MAX, 0);
            within(range, &mut |i| {
                let level = levels.at(i);
                found = (found.0.min(level), found.1.max(level));
            })?;
            Result::Ok(found)
        })
        .try_reduce(|| (u32::MAX, 0), |a, b| Ok((a.0.min(b.0), a.1.max(b.1))))?;
    if least > most {
        return Ok(Vec::new());
    }
    // As many leading bits as there are buckets.
    let shift = (32 - (most - least).leading_zeros()).saturating_sub(16);
    let bucket = |i: usize| ((levels.at(i) - least) >> shift) as usize;
    let mut counts: Vec<Vec<u32>> = shares
        .par_iter()
        .map(|range| {
            let mut counts = vec![0u32; BUCKETS];
            within(range, &mut |i| counts[bucket(i)] += 1)?;
            Ok(counts)
        })
        .collect::<Result<_>>()?;
    let mut total = 0u32;
    let mut ends = Vec::with_capacity(BUCKETS);
    for b in 0..BUCKETS {
        for counts in &mut counts {
            let n = counts[b];
            counts[b] = total;
            total += n;
        }
        ends.push(total as usize);
    }
    let mut order = vec![0u32; total as usize];
    let target = Scatter(order.as_mut_ptr());
    shares.par_iter().zip(&mut counts).try_for_each(|(range, next)| {
        let target = &target;
        within(range, &mut |i| {
            let place = &mut next[bucket(i)];
            // SAFETY: the prefix sums give each share its own stretch of each bucket, as long as it
            // has voxels for it, so every place is written once and lies within `order`.
            unsafe { target.0.add(*place as usize).write(i as u32) };
            *place += 1;
        })
    })?;
    if shift > 0 {
        let mut buckets = Vec::new();
        let (mut rest, mut start) = (order.as_mut_slice(), 0);
        for end in ends {
            let (own, others) = rest.split_at_mut(end - start);
            (rest, start) = (others, end);
            if own.len() > 1 {
                buckets.push(own);
            }
        }
        buckets.into_par_iter().try_for_each_init(Vec::new, |pairs, own| {
            job.check()?;
            pairs.clear();
            pairs.extend(own.iter().map(|i| (u64::from(levels.at(*i as usize)) << 32) | u64::from(*i)));
            if pairs.iter().any(|p| p >> 32 != pairs[0] >> 32) {
                pairs.sort_unstable();
                own.iter_mut().zip(pairs.iter()).for_each(|(o, p)| *o = *p as u32);
            }
            Result::Ok(())
        })?;
    }
    Ok(order)
}

/// Where several threads write to places of their own.
struct Scatter(*mut u32);

// SAFETY: see the only use.
unsafe impl Sync for Scatter {}
