//! Parts and cavities of objects, from the graph of regions: a region is a 6-connected set of voxels
//! of one label, or of background; two regions touch where they share a voxel face.
//!
//! A part of an object is a set of its regions that hang together by faces, edges or corners. What is
//! not the object falls apart into as many pieces as the graph does without the object's regions; all
//! of them but the one with the outside of the image are cavities.

use crate::algorithms::components::{Components, Connectivity, Forest, blocked};
use crate::measure::shape::balls::ids;
use crate::measure::sums::Objects;
use crate::measure::sums::index::Index;
use crate::measure::sums::scan::RegionView;
use crate::{Job, Region, Result, Volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A region within a block: its name, its label, and whether it reaches a face of the image.
pub type Piece = (u64, u32, bool);

/// How two pieces touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Touch {
    /// They are of one label and share a face.
    Same,
    /// They are of one label other than background and share an edge or a corner.
    Corner,
    /// They are of two labels and share a face.
    Other,
}

/// Regions and how they touch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Graph {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Pairs of their names.
    pub touches: Vec<(u64, u64, Touch)>,
}

/// Names the regions of a block of an image of `shape`.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn name(labels: &RegionView, shape: [usize; 3], job: &Job) -> Result<(Volume, Vec<Piece>)> {
    let block = labels.region;
    let labels = ids(labels);
    // Background has a number too; numbers are those of the labels as they come.
    let mut index = Index::default();
    let mut last = (u64::MAX, 0);
    let numbers: Vec<u32> = labels
        .iter()
        .map(|&label| {
            let key = u64::from(label) + 1;
            if key != last.0 {
                last = (key, index.number(key) as u32 + 1);
            }
            last.1
        })
        .collect();
    let components = Components::of_labels(&numbers, block.shape, Connectivity::Six, job)?;
    let (names, named) = blocked::name(&components, block, shape, job)?;
    let mut outside = vec![false; named.len()];
    let end = block.end();
    let face = |a: usize, from: usize, to: usize| from == 0 || to == shape[a];
    components.for_each_run(|id, z, y, x| {
        let [z, y] = [z + block.start[0], y + block.start[1]];
        let along = x.start == 0 && block.start[2] == 0 || x.end == block.shape[2] && end[2] == shape[2];
        outside[id as usize - 1] |= face(0, z, z + 1) || face(1, y, y + 1) || along;
    });
    let firsts = components.first_voxels();
    let pieces = (named.iter().zip(firsts).zip(outside))
        .map(|((&name, first), outside)| (name, labels[first as usize], outside))
        .collect();
    Ok((Volume::U64(names), pieces))
}

/// How the regions of a block touch each other and those of the blocks around it. `labels` and
/// `names` reach one voxel around `out` where the image does; of two voxels the later one reports.
pub fn touching(labels: &RegionView, names: &RegionView, out: Region) -> Vec<(u64, u64, Touch)> {
    let source = labels.region;
    let labels = ids(labels);
    let Volume::U64(names) = names.volume else { unreachable!("names are u64") };
    let names = names.as_slice().expect("volumes are in C order");
    let steps: Vec<([isize; 3], bool)> = (Connectivity::TwentySix.preceding().into_iter())
        .map(|s| (s, s.iter().filter(|d| **d != 0).count() == 1))
        .collect();
    let [sz, sy, sx] = source.shape;
    let inner = out.relative_to(source.start);
    let (start, end) = (inner.start, inner.end());
    let planes: Vec<Vec<(u64, u64, Touch)>> = (start[0]..end[0])
        .into_par_iter()
        .map(|z| {
            let mut found = HashSet::new();
            let mut last = (0, 0, Touch::Same);
            for y in start[1]..end[1] {
                for &(step, face) in &steps {
                    let [qz, qy] = [z.wrapping_add_signed(step[0]), y.wrapping_add_signed(step[1])];
                    if qz >= sz || qy >= sy {
                        continue;
                    }
                    let first = if step[2] < 0 { start[2].max(1) } else { start[2] };
                    let stop = if step[2] > 0 { end[2].min(sx - 1) } else { end[2] };
                    let (here, there) = ((z * sy + y) * sx, (qz * sy + qy) * sx);
                    for x in first..stop {
                        let (a, b) = (here + x, there + x.wrapping_add_signed(step[2]));
                        let pair = (names[a], names[b]);
                        if pair.0 == pair.1 || pair.0.min(pair.1) == NOT_SEEN {
                            continue;
                        }
                        let touch = match (labels[a] == labels[b], face) {
                            (true, true) => Touch::Same,
                            (true, false) if labels[a] != 0 => Touch::Corner,
                            (false, true) => Touch::Other,
                            _ => continue,
                        };
                        let touching = (pair.0.min(pair.1), pair.0.max(pair.1), touch);
                        if touching != last {
                            last = touching;
                            found.insert(touching);
                        }
                    }
                }
            }
            found.into_iter().collect()
        })
        .collect();
    let mut all = planes.concat();
    // Where a run goes through a part of the image, what lies beyond hangs together with the outside.
    for axis in 0..3 {
        for (beyond, at) in
            [(inner.start[axis].checked_sub(1), start[axis]), (Some(end[axis]), end[axis] - 1)]
        {
            let Some(beyond) = beyond.filter(|n| *n < source.shape[axis]) else { continue };
            let mut face = inner;
            (face.start[axis], face.shape[axis]) = (at, 1);
            let offset = |[z, y, x]: [usize; 3]| (z * sy + y) * sx + x;
            for here in face.tiles([1; 3]).into_iter().map(|voxel| voxel.start) {
                let mut there = here;
                there[axis] = beyond;
                if names[offset(there)] == NOT_SEEN {
                    all.push((NOT_SEEN, names[offset(here)], Touch::Other));
                }
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The name of what lies in blocks that a run passes over.
const NOT_SEEN: u64 = 0;

/// Parts and cavities of each object, by row.
///
/// # Errors
/// More than 2³² − 1 regions.
pub fn figures(objects: &Objects, graph: &Graph) -> Result<Vec<(u32, u64, u64)>> {
    let mut pieces = graph.pieces.clone();
    pieces.sort_unstable();
    let names: Vec<u64> = pieces.iter().map(|p| p.0).collect();
    let united = |hangs: &dyn Fn(Touch) -> bool| {
        blocked::unite(&names, graph.touches.iter().filter(|t| hangs(t.2)).map(|t| Ok((t.0, t.1))))
    };
    let regions = united(&|t| t == Touch::Same)?;
    let parts = united(&|t| t != Touch::Other)?;
    let rows: Vec<Option<usize>> =
        pieces.iter().map(|p| if p.1 == 0 { None } else { objects.labels.find(u64::from(p.1)) }).collect();
    let mut counts = vec![0u64; objects.labels.len()];
    for (i, row) in rows.iter().enumerate() {
        if let Some(row) = row
            && parts[i] as usize == i
        {
            counts[*row] += 1;
        }
    }
    drop(parts);
    // The outside of the image comes last.
    let outside = names.len() as u32;
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let region = |name: u64| match name {
        NOT_SEEN => outside,
        _ => regions[names.binary_search(&name).expect("pieces have the names of touches")],
    };
    for &(a, b, touch) in &graph.touches {
        if touch == Touch::Other {
            let (a, b) = (region(a), region(b));
            edges.extend([(a, b), (b, a)]);
        }
    }
    for (i, piece) in pieces.iter().enumerate() {
        if piece.2 {
            edges.extend([(regions[i], outside), (outside, regions[i])]);
        }
    }
    edges.sort_unstable();
    edges.dedup();
    let mut own: Vec<Vec<u32>> = vec![Vec::new(); objects.labels.len()];
    for (i, row) in rows.iter().enumerate() {
        if let Some(row) = row
            && regions[i] as usize == i
        {
            own[*row].push(i as u32);
        }
    }
    let neighbours = Neighbours::new(outside as usize + 1, &edges);
    Ok((own.par_iter().enumerate())
        .filter(|(_, own)| !own.is_empty())
        .map(|(row, own)| (row as u32, counts[row], neighbours.pieces_without(own) - 1))
        .collect())
}

/// For each region, those that touch it, ascending.
struct Neighbours<'a> {
    first: Vec<usize>,
    edges: &'a [(u32, u32)],
}

impl<'a> Neighbours<'a> {
    fn new(count: usize, edges: &'a [(u32, u32)]) -> Self {
        let mut first = vec![0; count + 1];
        edges.iter().for_each(|e| first[e.0 as usize + 1] += 1);
        for i in 0..count {
            first[i + 1] += first[i];
        }
        Self { first, edges }
    }

    fn of(&self, region: u32) -> &[(u32, u32)] {
        &self.edges[self.first[region as usize]..self.first[region as usize + 1]]
    }

    /// Into how many pieces the graph falls without these regions.
    fn pieces_without(&self, own: &[u32]) -> u64 {
        let taken: HashSet<u32> = own.iter().copied().collect();
        let mut around: Vec<u32> =
            own.iter().flat_map(|r| self.of(*r)).map(|e| e.1).filter(|r| !taken.contains(r)).collect();
        // Those with few neighbours first: they are looked through, and found in the lists of the others.
        around.sort_unstable_by_key(|r| (self.of(*r).len(), *r));
        around.dedup();
        let mut parent: Vec<u32> = (0..around.len() as u32).collect();
        let mut forest = Forest::new(0, &mut parent);
        let mut left = around.len() as u64;
        let mut unite = |a: usize, b: usize| {
            let (a, b) = (a as u32, b as u32);
            if forest.root(a) != forest.root(b) {
                forest.unite(a, b);
                left -= 1;
            }
            left
        };
        let place = |r: u32| around.binary_search_by_key(&(self.of(r).len(), r), |r| (self.of(*r).len(), *r));
        'direct: for (i, region) in around.iter().enumerate() {
            let few = around.len() - i < self.of(*region).len();
            if few {
                for (j, other) in around.iter().enumerate().skip(i + 1) {
                    let touch = self.of(*region).binary_search(&(*region, *other)).is_ok();
                    if touch && unite(i, j) == 1 {
                        break 'direct;
                    }
                }
            } else {
                for &(_, other) in self.of(*region) {
                    if let Ok(j) = place(other)
                        && unite(i, j) == 1
                    {
                        break 'direct;
                    }
                }
            }
        }
        if left <= 1 {
            return left;
        }
        // They may still hang together by regions farther away: each is followed to the outside.
        let outside = self.first.len() as u32 - 2;
        let mut out = HashSet::from([outside]);
        let mut enclosed: HashSet<u32> = HashSet::new();
        let mut pieces = 1;
        for &start in &around {
            if out.contains(&start) || enclosed.contains(&start) {
                continue;
            }
            let mut seen = HashSet::from([start]);
            let mut stack = vec![start];
            let mut open = false;
            while let Some(region) = stack.pop() {
                let all = self.of(region);
                if all.last().is_some_and(|e| e.1 == outside) || all.iter().any(|e| out.contains(&e.1)) {
                    open = true;
                    break;
                }
                let next = all.iter().map(|e| e.1).filter(|r| !taken.contains(r));
                stack.extend(next.filter(|r| seen.insert(*r)));
            }
            if open {
                out.extend(seen);
            } else {
                pieces += 1;
                enclosed.extend(seen);
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sums::scan::{Plan, scan};
    use ndarray::Array3;

    #[test]
    fn parts_and_cavities_are_counted() {
        let check = |a: &Array3<u32>, expected: (u64, u64)| {
            let volume = Volume::from(a.clone());
            let region = Region::whole(volume.shape());
            let part = RegionView { volume: &volume, region };
            let plan = Plan { image: region.shape, table: None, moments: false, pairs: false };
            let objects = scan(&plan, region, part, &[], &Job::silent()).unwrap();
            let (names, pieces) = name(&part, region.shape, &Job::silent()).unwrap();
            let touches = touching(&part, &RegionView { volume: &names, region }, region);
            let found = figures(&objects, &Graph { pieces, touches }).unwrap();
            let row = objects.labels.find(5).unwrap() as u32;
            let found = found.iter().find(|f| f.0 == row).unwrap();
            assert_eq!((found.1, found.2), expected);
        };
        let cube = |p: [usize; 3]| p.iter().all(|v| (1..6).contains(v));
        let mut a = Array3::from_shape_fn([7; 3], |(z, y, x)| u32::from(cube([z, y, x])) * 5);
        check(&a, (1, 0));
        a[[2, 2, 2]] = 0;
        // Cavities that touch by a corner are two.
        a[[3, 3, 3]] = 0;
        check(&a, (1, 2));
        // Two regions in one cavity are one, and a voxel across a corner is of the same part.
        a[[3, 3, 4]] = 9;
        a[[6, 6, 6]] = 5;
        check(&a, (1, 2));
        // A passage through another object opens a cavity.
        for x in 5..7 {
            a[[3, 3, x]] = 9;
        }
        check(&a, (1, 1));
    }
}
