//! Components of an image that is seen block by block. A component within a block is named by the
//! linear index of its first voxel in the whole image, plus one, so that blocks agree on names
//! without knowing of each other; names that touch across blocks are united afterwards.

use crate::algorithms::components::{Components, Connectivity, Forest, Rows};
use crate::{Error, Job, Region, Result};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// Names the components of a block of an image of `shape`: the field of names, and the names in
/// ascending order.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn name<R: Rows>(
    components: &Components<R>,
    block: Region,
    shape: [usize; 3],
    job: &Job,
) -> Result<(Array3<u64>, Vec<u64>)> {
    let [_, ny, nx] = block.shape;
    let names: Vec<u64> = components
        .first_voxels()
        .into_iter()
        .map(|i| {
            let i = i as usize;
            let [z, y, x] = [i / (ny * nx), i / nx % ny, i % nx];
            let [z, y, x] = [z + block.start[0], y + block.start[1], x + block.start[2]];
            ((z * shape[1] + y) * shape[2] + x) as u64 + 1
        })
        .collect();
    let mut field = Array3::zeros(block.shape);
    let target = field.as_slice_mut().expect("just made");
    components.paint(target, &job.part(), |id| Some(names[id as usize - 1]))?;
    Ok((field, names))
}

/// Pairs of names that touch across the faces of a block, each once. `names` (0 for background)
/// covers `source`, the block `out` grown by one voxel; `same(a, b)` says whether the voxels with
/// these indices into `names` are connected. Of two touching voxels, the one that comes later in the
/// image reports, so that every pair of blocks is heard once.
pub fn touching(
    names: &Array3<u64>,
    source: Region,
    out: Region,
    connectivity: Connectivity,
    same: impl Fn(usize, usize) -> bool,
) -> Vec<(u64, u64)> {
    let names = names.as_slice().expect("volumes are in C order");
    let inner = out.relative_to(source.start);
    let (start, end) = (inner.start, inner.end());
    let [sz, sy, sx] = source.shape.map(|n| n as isize);
    let steps = connectivity.preceding();
    let mut pairs = Vec::new();
    let mut last = (0, 0);
    let mut visit = |z: usize, y: usize, x: usize| {
        let at = (z * source.shape[1] + y) * source.shape[2] + x;
        let name = names[at];
        if name == 0 {
            return;
        }
        for step in &steps {
            let [qz, qy, qx] = [z as isize + step[0], y as isize + step[1], x as isize + step[2]];
            if qz < 0 || qy < 0 || qx < 0 || qz >= sz || qy >= sy || qx >= sx {
                continue;
            }
            let q = [qz as usize, qy as usize, qx as usize];
            if (0..3).all(|a| (start[a]..end[a]).contains(&q[a])) {
                continue;
            }
            let to = (q[0] * source.shape[1] + q[1]) * source.shape[2] + q[2];
            let other = names[to];
            if other != 0 && (name, other) != last && same(at, to) {
                last = (name, other);
                pairs.push(last);
            }
        }
    };
    for z in start[0]..end[0] {
        for y in start[1]..end[1] {
            if z == start[0] || z + 1 == end[0] || y == start[1] || y + 1 == end[1] {
                (start[2]..end[2]).for_each(|x| visit(z, y, x));
            } else {
                visit(z, y, start[2]);
                if end[2] - start[2] > 1 {
                    visit(z, y, end[2] - 1);
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Ascending names with a number each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// The names.
    pub names: Vec<u64>,
    /// As many numbers.
    pub numbers: Vec<u32>,
}

impl Numbers {
    /// The number of a name.
    pub fn number(&self, name: u64) -> Option<u32> {
        self.names.binary_search(&name).ok().map(|i| self.numbers[i])
    }

    /// Numbers for a field of names; runs of one name are looked up once. Unknown names become 0.
    pub fn relabel(&self, names: &Array3<u64>) -> Array3<u32> {
        let mut last = (0, 0);
        names.mapv(|name| {
            if name != last.0 {
                last = (name, if name == 0 { 0 } else { self.number(name).unwrap_or(0) });
            }
            last.1
        })
    }
}

/// Unites names that touch. `names` are ascending; the result says for each the index of
/// the first name of its component.
///
/// # Errors
/// More than 2³² − 1 names, or what is said in place of a pair.
pub fn unite(names: &[u64], pairs: impl Iterator<Item = Result<(u64, u64)>>) -> Result<Vec<u32>> {
    let count = u32::try_from(names.len()).map_err(|_| too_many(names.len() as u64))?;
    let mut parent: Vec<u32> = (0..count).collect();
    let mut forest = Forest::new(0, &mut parent);
    let index = |name: &u64| {
        names.binary_search(name).map(|i| i as u32).map_err(|_| Error::Operator {
            op: "label",
            reason: format!("a block names component {name}, which no block has found"),
        })
    };
    for pair in pairs {
        let (a, b) = pair?;
        forest.unite(index(&a)?, index(&b)?);
    }
    // Parents never exceed their children, so one ascending pass finds all roots.
    for i in 0..parent.len() {
        parent[i] = parent[parent[i] as usize];
    }
    Ok(parent)
}

/// The error of an image with more objects than labels.
pub fn too_many(found: u64) -> Error {
    Error::Operator {
        op: "label",
        reason: format!("{found} components are more than the 4294967295 that u32 labels can number"),
    }
}
