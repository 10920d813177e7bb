//! Balls of a distance map: which of them matter.

use crate::Region;
use crate::algorithms::components::Connectivity;
use crate::algorithms::distance::Metric;
use multiversion::multiversion;
use rayon::prelude::*;

/// A voxel whose ball no neighbour's ball contains: its linear index in the image, and its squared
/// distance as bits, which order like it.
pub type Centre = (u64, u32);

/// Squared distances beyond this are compared by an inequality, not by table.
const TABLE: u32 = 1 << 16;

/// Tells which balls lie in a neighbour's ball.
pub struct Ridge {
    metric: Metric,
    /// For steps over a face, an edge and a corner, and for each squared radius: the least squared
    /// radius around the neighbour that covers all voxels of the ball (Remy & Thiel 2002).
    covers: [Vec<u32>; 3],
}

impl Ridge {
    /// For squared distances up to `greatest` (as bits).
    pub fn new(metric: Metric, greatest: u32) -> Self {
        let mut covers = [vec![], vec![], vec![]];
        if matches!(metric, Metric::Isotropic(_)) {
            let n = greatest.min(TABLE) as usize + 2;
            for table in &mut covers {
                table.resize(n, 0u32);
            }
            // The farthest voxel at squared distance s, seen from one step away.
            for x in 0..n {
                let xx = x * x;
                if xx >= n {
                    break;
                }
                for y in (0..=x).take_while(|y| xx + y * y < n) {
                    for z in (0..=y).take_while(|z| xx + y * y + z * z < n) {
                        let s = xx + y * y + z * z;
                        for (k, along) in [x, x + y, x + y + z].into_iter().enumerate() {
                            let far = (s + 2 * along + k + 1) as u32;
                            covers[k][s] = covers[k][s].max(far + 1);
                        }
                    }
                }
            }
            for table in &mut covers {
                // What covers all voxels nearer than d: the greatest of the entries before d.
                let mut most = 0;
                for entry in table.iter_mut() {
                    let here = *entry;
                    *entry = most;
                    most = most.max(here);
                }
            }
        }
        Self { metric, covers }
    }

    /// Whether one of its neighbours' balls covers that of a voxel, given the greatest distances over faces, edges and
    /// corners.
    #[inline(always)]
    fn covered(&self, own: u32, others: [u32; 3]) -> bool {
        (0..3).any(|k| {
            if let Some(least) = self.covers[k].get(own as usize) {
                return others[k] >= *least;
            }
            let rest = i64::from(others[k]) - i64::from(own) - k as i64;
            rest > 0 && (rest as u128).pow(2) > 4 * u128::from(own - 1) * (k as u128 + 1)
        })
    }

    /// Whether the ball of a neighbour covers that of a voxel, a length away, where spacings differ.
    #[inline(always)]
    fn covers(own: u32, other: u32, length: f64) -> bool {
        let root = |bits: u32| f64::from(f32::from_bits(bits)).sqrt();
        // Kept in doubt: a ball too many does no harm.
        other > own && root(other) * (1.0 - 1e-6) >= root(own) + length
    }

    /// The centres in a block. `squared` covers `source`, which is `out` grown by one voxel.
    pub fn centres(&self, squared: &[u32], source: Region, out: Region, shape: [usize; 3]) -> Vec<Centre> {
        let [sz, sy, sx] = source.shape;
        let inner = out.relative_to(source.start);
        let steps = Connectivity::TwentySix.neighbours();
        let of_slice = |z: usize| {
            let mut found = Vec::new();
            let mut row = NeighbourRow::new(sx);
            for y in inner.start[1]..inner.end()[1] {
                let own = &squared[(z * sy + y) * sx..][..sx];
                row.clear();
                for step in &steps {
                    let (z, y) = (z.wrapping_add_signed(step[0]), y.wrapping_add_signed(step[1]));
                    if z < sz && y < sy {
                        self.look(own, &squared[(z * sy + y) * sx..][..sx], *step, &mut row);
                    }
                }
                let from =
                    ((z + source.start[0]) * shape[1] + y + source.start[1]) * shape[2] + source.start[2];
                for x in inner.start[2]..inner.end()[2] {
                    if own[x] != 0
                        && !row.covered[x]
                        && !self.covered(own[x], row.most.each_ref().map(|m| m[x]))
                    {
                        found.push(((from + x) as u64, own[x]));
                    }
                }
            }
            found
        };
        let slices: Vec<Vec<Centre>> =
            (inner.start[0]..inner.end()[0]).into_par_iter().map(of_slice).collect();
        slices.concat()
    }

    /// Looks at the neighbours of a row that lie one step away, in the row `others`.
    fn look(&self, own: &[u32], others: &[u32], step: [isize; 3], row: &mut NeighbourRow) {
        let n = own.len() - step[2].unsigned_abs();
        let (from, to) = (step[2].max(0) as usize, (-step[2]).max(0) as usize);
        let (own, others) = (&own[to..to + n], &others[from..from + n]);
        match self.metric {
            Metric::Isotropic(_) => {
                let axes = step.iter().filter(|s| **s != 0).count();
                greatest(others, &mut row.most[axes - 1][to..to + n]);
            }
            Metric::Anisotropic(spacing) => {
                let length = (0..3).map(|a| (step[a] as f64 * spacing[a]).powi(2)).sum::<f64>().sqrt();
                for (covered, (own, other)) in row.covered[to..to + n].iter_mut().zip(own.iter().zip(others))
                {
                    *covered |= Self::covers(*own, *other, length);
                }
            }
        }
    }
}

/// What is known of the voxels of a row: the greatest squared distances of their neighbours over faces, edges and corners
/// where spacings are equal, else whether a neighbour's ball covers theirs.
struct NeighbourRow {
    most: [Vec<u32>; 3],
    covered: Vec<bool>,
}

impl NeighbourRow {
    fn new(n: usize) -> Self {
        Self { most: [(); 3].map(|()| vec![0; n]), covered: vec![false; n] }
    }

    fn clear(&mut self) {
        self.most.iter_mut().for_each(|most| most.fill(0));
        self.covered.fill(false);
    }
}

#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn greatest(values: &[u32], most: &mut [u32]) {
    most.iter_mut().zip(values).for_each(|(most, value)| *most = (*most).max(*value));
}

/// Largest ball first; equal ones by index.
pub fn sort(centres: &mut [Centre]) {
    centres.par_sort_unstable_by_key(|(at, bits)| (std::cmp::Reverse(*bits), *at));
}
