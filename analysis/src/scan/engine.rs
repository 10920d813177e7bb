//! Tests of many values at many markers, and their permutations: all values that have the same rows are tested at once,
//! as columns beside each other, against orthonormal bases that are made once.

use crate::matrix::Random;
use crate::stats::distributions::ln_f_sf;
use crate::stats::linear::Basis;
use rayon::prelude::*;

/// Values with the same rows, as residuals of the covariates.
pub struct Block {
    /// Numbers of the values.
    pub values: Vec<usize>,
    /// Rows of the table.
    pub rows: Vec<usize>,
    /// Values by row: `y[row * values.len() + value]`, rows counted within the block.
    y: Vec<f64>,
    markers: Vec<Prepared>,
}

/// Marker in a block: its rows, and a basis of covariates first, then of genotypes.
struct Prepared {
    marker: usize,
    rows: Vec<u32>,
    /// Coordinates of each row in the basis: `q[row * rank + column]`.
    q: Vec<f64>,
    base: usize,
    rank: usize,
    groups: usize,
}

/// Genotypes of a marker: the columns of its coding, over all rows (NaN where there is none), and the group of every row.
pub struct Marker {
    /// Columns: of indicators of genotypes but the first, or of the number of alleles.
    pub columns: Vec<Vec<f64>>,
    /// Number of the genotype of every row, [`crate::columns::NONE`] where there is none.
    pub group: Vec<usize>,
    /// Number of genotypes.
    pub groups: usize,
}

/// F-test of a value at a marker.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Number of the value.
    pub value: usize,
    /// Number of the marker.
    pub marker: usize,
    /// Individuals.
    pub n: usize,
    /// Genotypes among them.
    pub groups: usize,
    /// F; NaN where nothing is left to explain.
    pub f: f64,
    /// Degrees of freedom.
    pub df: [f64; 2],
    /// LOD score.
    pub lod: f64,
    /// Natural logarithm of p.
    pub ln_p: f64,
}

/// Reasons for leaving a value at a marker out.
pub const ONE_GENOTYPE: &str = "one genotype only";
/// See [`ONE_GENOTYPE`].
pub const TOO_FEW: &str = "too few individuals";
/// See [`ONE_GENOTYPE`].
pub const CONFOUNDED: &str = "genotypes cannot be told from the covariates";

impl Block {
    /// Block of values over `rows`; `columns` are the values' columns, `covariates` those of the model (without intercept).
    /// Pairs that cannot be tested are given to `left_out` with their reason and number.
    pub fn new(
        values: Vec<usize>,
        rows: Vec<usize>,
        columns: &[Vec<f64>],
        covariates: &[Vec<f64>],
        markers: &[Marker],
        left_out: &mut Vec<(&'static str, usize)>,
    ) -> Self {
        let at = |c: &[f64]| rows.iter().map(|&r| c[r]).collect::<Vec<f64>>();
        let ones = vec![1.0; rows.len()];
        let mut base = Basis::of([&ones[..]]);
        covariates.iter().for_each(|c| {
            base.add(&at(c));
        });
        let k = values.len();
        let mut y = vec![0.0; rows.len() * k];
        for (j, &v) in values.iter().enumerate() {
            let residual = base.residual(&at(&columns[v]));
            residual.iter().enumerate().for_each(|(i, r)| y[i * k + j] = *r);
        }
        let prepared: Vec<Result<Prepared, &'static str>> =
            markers.par_iter().enumerate().map(|(m, g)| Prepared::new(m, g, &rows, covariates)).collect();
        let mut markers = vec![];
        for p in prepared {
            match p {
                Ok(p) => markers.push(p),
                Err(why) => left_out.push((why, k)),
            }
        }
        Self { values, rows, y, markers }
    }

    /// Tests of all values at all markers, of the rows in `order` (a permutation of the block's rows).
    fn scan(&self, order: &[u32], mut each: impl FnMut(&Prepared, usize, [f64; 2])) {
        let k = self.values.len();
        let mut y = vec![0.0; self.y.len()];
        for (i, &from) in order.iter().enumerate() {
            y[i * k..(i + 1) * k].copy_from_slice(&self.y[from as usize * k..(from as usize + 1) * k]);
        }
        let mut sums = vec![];
        let mut squares = vec![0.0; k];
        for m in &self.markers {
            sums.clear();
            sums.resize(m.rank * k, 0.0);
            squares.fill(0.0);
            for (i, &row) in m.rows.iter().enumerate() {
                let values = &y[row as usize * k..(row as usize + 1) * k];
                squares.iter_mut().zip(values).for_each(|(s, v)| *s += v * v);
                for (c, q) in m.q[i * m.rank..(i + 1) * m.rank].iter().enumerate() {
                    sums[c * k..(c + 1) * k].iter_mut().zip(values).for_each(|(s, v)| *s += q * v);
                }
            }
            for j in 0..k {
                let part = |from: usize, to: usize| {
                    (from..to).map(|c| sums[c * k + j] * sums[c * k + j]).sum::<f64>()
                };
                let rss0 = squares[j] - part(0, m.base);
                each(m, j, [rss0, rss0 - part(m.base, m.rank)]);
            }
        }
    }

    /// Tests of the table as it is.
    pub fn observed(&self) -> Vec<Hit> {
        let order: Vec<u32> = (0..self.rows.len() as u32).collect();
        let mut out = vec![];
        self.scan(&order, |m, j, [rss0, rss1]| {
            let df = m.df();
            let total: f64 = m.rows.iter().map(|&r| self.y[r as usize * self.values.len() + j].powi(2)).sum();
            let mut hit = Hit {
                value: self.values[j],
                marker: m.marker,
                n: m.rows.len(),
                groups: m.groups,
                f: f64::NAN,
                df,
                lod: f64::NAN,
                ln_p: f64::NAN,
            };
            if rss1 > 1e-13 * total && rss0 > 0.0 {
                hit.f = ((rss0 - rss1).max(0.0) / df[0]) / (rss1 / df[1]);
                hit.lod = 0.5 * hit.n as f64 * (rss0 / rss1).log10();
                hit.ln_p = ln_f_sf(hit.f, df[0], df[1]);
            }
            out.push(hit);
        });
        out
    }

    /// Smallest ln p and, by value of the block, the largest LOD, of one permutation. `rank` orders all rows of the table:
    /// the same order for all blocks keeps what values have in common.
    fn extreme(&self, rank: &[u32]) -> (f64, Vec<f64>) {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        order.sort_unstable_by_key(|&i| rank[self.rows[i as usize]]);
        let mut lowest = 0.0f64;
        let mut lods = vec![0.0f64; self.values.len()];
        // F below one that is already known, with no more degrees of freedom, cannot have a smaller p.
        let mut bar = (0.0, [0.0, f64::INFINITY]);
        self.scan(&order, |m, j, [rss0, rss1]| {
            if rss1 <= 0.0 || rss0 <= 0.0 {
                return;
            }
            let df = m.df();
            let f = ((rss0 - rss1).max(0.0) / df[0]) / (rss1 / df[1]);
            let ratio = rss0 / rss1;
            let lod = 0.5 * m.rows.len() as f64 * ratio.log10();
            lods[j] = lods[j].max(lod);
            if f <= bar.0 && df[0] <= bar.1[0] && df[1] <= bar.1[1] {
                return;
            }
            let ln_p = ln_f_sf(f, df[0], df[1]);
            if ln_p < lowest {
                lowest = ln_p;
                bar = (f, df);
            }
        });
        (lowest, lods)
    }
}

impl Prepared {
    fn new(marker: usize, g: &Marker, rows: &[usize], covariates: &[Vec<f64>]) -> Result<Self, &'static str> {
        let mine: Vec<u32> =
            (0..rows.len() as u32).filter(|&i| g.group[rows[i as usize]] != crate::columns::NONE).collect();
        let mut seen = vec![false; g.groups];
        mine.iter().for_each(|&i| seen[g.group[rows[i as usize]]] = true);
        let groups = seen.iter().filter(|s| **s).count();
        if mine.is_empty() {
            return Err(TOO_FEW);
        }
        if groups < 2 {
            return Err(ONE_GENOTYPE);
        }
        let at = |c: &[f64]| mine.iter().map(|&i| c[rows[i as usize]]).collect::<Vec<f64>>();
        let mut basis = Basis::of([&vec![1.0; mine.len()][..]]);
        covariates.iter().for_each(|c| {
            basis.add(&at(c));
        });
        let base = basis.rank();
        g.columns.iter().for_each(|c| {
            basis.add(&at(c));
        });
        let rank = basis.rank();
        if rank == base {
            return Err(CONFOUNDED);
        }
        if mine.len() <= rank {
            return Err(TOO_FEW);
        }
        let mut q = vec![0.0; mine.len() * rank];
        for (c, column) in basis.columns.iter().enumerate() {
            column.iter().enumerate().for_each(|(i, v)| q[i * rank + c] = *v);
        }
        Ok(Self { marker, rows: mine, q, base, rank, groups })
    }

    fn df(&self) -> [f64; 2] {
        [(self.rank - self.base) as f64, (self.rows.len() - self.rank) as f64]
    }
}

/// Of every permutation of the rows: the smallest ln p of all tests, and the largest LOD of every value. Residuals of the
/// covariates are permuted (Freedman and Lane 1983, doi:10.2307/1391660).
pub fn permutations(
    blocks: &[Block],
    rows: usize,
    values: usize,
    count: usize,
    seed: u64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    (0..count)
        .into_par_iter()
        .map(|r| {
            let mut rank: Vec<u32> = (0..rows as u32).collect();
            Random::new(seed, r as u64).shuffle(&mut rank);
            let mut lowest = 0.0f64;
            let mut lods = vec![0.0; values];
            for block in blocks {
                let (ln_p, of) = block.extreme(&rank);
                lowest = lowest.min(ln_p);
                block.values.iter().zip(of).for_each(|(&v, l)| lods[v] = l);
            }
            (lowest, lods)
        })
        .unzip()
}
