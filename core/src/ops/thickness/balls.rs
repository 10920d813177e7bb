//! Balls of a distance map: which of them matter, and painting them.

use super::super::distance::Metric;
use crate::{Job, Region, Result};
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

    /// Whether the ball of a voxel is covered by that of its neighbour at `step`.
    #[inline(always)]
    fn covered(&self, own: u32, other: u32, step: [isize; 3]) -> bool {
        match self.metric {
            Metric::Isotropic(_) => {
                let k = step.iter().filter(|s| **s != 0).count() - 1;
                if let Some(least) = self.covers[k].get(own as usize) {
                    return other >= *least;
                }
                let rest = i64::from(other) - i64::from(own) - k as i64;
                rest > 0 && (rest as u128).pow(2) > 4 * u128::from(own - 1) * (k as u128 + 1)
            }
            Metric::Anisotropic(spacing) => {
                let length = (0..3).map(|a| (step[a] as f64 * spacing[a]).powi(2)).sum::<f64>().sqrt();
                let root = |bits: u32| f64::from(f32::from_bits(bits)).sqrt();
                // Kept in doubt: a ball too many does no harm.
                root(other) * (1.0 - 1e-6) >= root(own) + length
            }
        }
    }

    /// The centres in a block. `squared` covers `source`, which is `out` grown by one voxel.
    pub fn centres(&self, squared: &[u32], source: Region, out: Region, shape: [usize; 3]) -> Vec<Centre> {
        let [sz, sy, sx] = source.shape;
        let inner = out.relative_to(source.start);
        let mut steps = super::super::components::Connectivity::TwentySix.neighbours();
        // Faces first: they decide most often.
        steps.sort_by_key(|s| s.iter().filter(|d| **d != 0).count());
        let slices: Vec<Vec<Centre>> = (0..out.shape[0])
            .into_par_iter()
            .map(|z| {
                let mut found = Vec::new();
                let pz = z + inner.start[0];
                for y in 0..out.shape[1] {
                    let py = y + inner.start[1];
                    for x in 0..out.shape[2] {
                        let px = x + inner.start[2];
                        let at = (pz * sy + py) * sx + px;
                        let own = squared[at];
                        if own == 0 {
                            continue;
                        }
                        let covered = steps.iter().any(|s| {
                            let (qz, qy, qx) = (
                                pz.wrapping_add_signed(s[0]),
                                py.wrapping_add_signed(s[1]),
                                px.wrapping_add_signed(s[2]),
                            );
                            if qz >= sz || qy >= sy || qx >= sx {
                                return false;
                            }
                            let other = squared[(qz * sy + qy) * sx + qx];
                            other > own && self.covered(own, other, *s)
                        });
                        if !covered {
                            let [gz, gy, gx] = [z + out.start[0], y + out.start[1], x + out.start[2]];
                            found.push((((gz * shape[1] + gy) * shape[2] + gx) as u64, own));
                        }
                    }
                }
                found
            })
            .collect();
        slices.concat()
    }
}

/// Largest ball first; equal ones by index.
pub fn sort(centres: &mut [Centre]) {
    centres.par_sort_unstable_by_key(|(at, bits)| (std::cmp::Reverse(*bits), *at));
}

/// Paints each voxel of a region with the value of the first ball that covers it. `centres` are
/// sorted; `value` maps the bits of a squared radius.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn paint<T: Copy + Send>(
    target: &mut [T],
    region: Region,
    shape: [usize; 3],
    centres: &[Centre],
    metric: Metric,
    value: impl Fn(u32) -> T + Sync,
    job: &Job,
) -> Result<()> {
    let [nz, ny, nx] = region.shape;
    if target.is_empty() {
        return Ok(());
    }
    let greatest = centres.first().map_or(0, |c| c.1);
    let widths = Widths::new(metric, greatest);
    let thick = nz.div_ceil(2 * rayon::current_num_threads()).max(1);
    target.par_chunks_mut(thick * ny * nx).enumerate().try_for_each(|(i, target)| {
        let start = region.start[0] + i * thick;
        let slab = Region::new([start, region.start[1], region.start[2]], [target.len() / (ny * nx), ny, nx]);
        let mut slab = Slab { region: slab, words: nx.div_ceil(64), painted: vec![], target };
        slab.painted.resize(slab.region.shape[0] * ny * slab.words, 0);
        for (n, (at, bits)) in centres.iter().enumerate() {
            if n % 1024 == 0 {
                job.check()?;
            }
            let at = *at as usize;
            let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
            slab.ball(p, *bits, &widths, value(*bits));
        }
        job.advance(slab.target.len() as u64);
        Ok(())
    })
}

struct Slab<'a, T> {
    region: Region,
    words: usize,
    painted: Vec<u64>,
    target: &'a mut [T],
}

impl<T: Copy> Slab<'_, T> {
    #[inline]
    fn ball(&mut self, p: [usize; 3], bits: u32, widths: &Widths, value: T) {
        let (start, end) = (self.region.start, self.region.end());
        let [reach_z, reach_y, reach_x] = widths.reach(bits);
        if p[2] + reach_x < start[2] || p[2] >= end[2] + reach_x {
            return;
        }
        let [_, ny, nx] = self.region.shape;
        for z in p[0].saturating_sub(reach_z).max(start[0])..(p[0] + reach_z + 1).min(end[0]) {
            let dz = z.abs_diff(p[0]);
            for y in p[1].saturating_sub(reach_y).max(start[1])..(p[1] + reach_y + 1).min(end[1]) {
                let Some(half) = widths.half(bits, dz, y.abs_diff(p[1])) else { continue };
                let first = p[2].saturating_sub(half).max(start[2]) - start[2];
                let last = (p[2] + half + 1).min(end[2]);
                if last <= start[2] + first {
                    continue;
                }
                let last = last - 1 - start[2];
                let row = (z - start[0]) * ny + y - start[1];
                let painted = &mut self.painted[row * self.words..(row + 1) * self.words];
                for w in first / 64..=last / 64 {
                    let mut open = !painted[w];
                    if w == first / 64 {
                        open &= u64::MAX << (first % 64);
                    }
                    if w == last / 64 {
                        open &= u64::MAX >> (63 - last % 64);
                    }
                    if open == 0 {
                        continue;
                    }
                    painted[w] |= open;
                    let target = &mut self.target[row * nx + w * 64..];
                    while open != 0 {
                        target[open.trailing_zeros() as usize] = value;
                        open &= open - 1;
                    }
                }
            }
        }
    }
}

/// How far along x a ball reaches in each of its rows: voxels nearer to its centre than its radius.
struct Widths {
    metric: Metric,
    /// The greatest whole number whose square is less than the index.
    roots: Vec<u16>,
}

impl Widths {
    fn new(metric: Metric, greatest: u32) -> Self {
        let mut roots = Vec::new();
        if matches!(metric, Metric::Isotropic(_)) && greatest < 1 << 22 {
            let mut root = 0usize;
            roots = (0..=greatest as usize)
                .map(|v| {
                    while (root + 1) * (root + 1) < v {
                        root += 1;
                    }
                    root as u16
                })
                .collect();
        }
        Self { metric, roots }
    }

    /// The greatest whole number whose square is less than `v`, which is not 0.
    #[inline(always)]
    fn root(&self, v: u32) -> usize {
        match self.roots.get(v as usize) {
            Some(root) => usize::from(*root),
            None => (v - 1).isqrt() as usize,
        }
    }

    #[inline(always)]
    fn reach(&self, bits: u32) -> [usize; 3] {
        match self.metric {
            Metric::Isotropic(_) => [self.root(bits); 3],
            Metric::Anisotropic(spacing) => {
                let radius = f64::from(f32::from_bits(bits)).sqrt();
                spacing.map(|s| (radius / s) as usize)
            }
        }
    }

    #[inline(always)]
    fn half(&self, bits: u32, dz: usize, dy: usize) -> Option<usize> {
        match self.metric {
            Metric::Isotropic(_) => {
                let rest = bits.checked_sub((dz * dz + dy * dy) as u32).filter(|r| *r > 0)?;
                Some(self.root(rest))
            }
            Metric::Anisotropic([z, y, x]) => {
                // The nearest background voxel lies at the radius and is not covered, whichever way
                // its distance was rounded.
                let squared = f64::from(f32::from_bits(bits)) * (1.0 - 1e-6);
                let rest = squared - (dz as f64 * z).powi(2) - (dy as f64 * y).powi(2);
                (rest > 0.0).then(|| (rest.sqrt() / x) as usize)
            }
        }
    }
}
