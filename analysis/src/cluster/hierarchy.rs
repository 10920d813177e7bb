//! Ward's hierarchy by chains of nearest neighbours (Ward 1963, doi:10.1080/01621459.1963.10500845; Murtagh 1983,
//! doi:10.1093/comjnl/26.4.354): O(n²) time, O(n) memory.

use crate::matrix::{Matrix, squared_distance};
use crate::{Error, Result};
use rayon::prelude::*;

/// Rows of which all pairs are still compared in minutes.
const ROWS: usize = 50_000;

/// Two groups that become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// Groups: rows are 0 .. n, those made by merges n, n + 1, …; a < b.
    pub a: usize,
    /// The other group.
    pub b: usize,
    /// Distance: √(2 · increase of the sum of squares), as in SciPy.
    pub height: f64,
    /// Rows of the new group.
    pub rows: usize,
}

/// All merges, the lowest first.
///
/// # Errors
/// If there are too many rows to compare all pairs.
pub fn ward(points: &Matrix) -> Result<Vec<Merge>> {
    let (n, width) = (points.rows, points.width());
    if n > ROWS {
        return Err(Error::Usage(format!(
            "hierarchical compares all pairs of {n} rows; take at most {ROWS}, or --method kmeans"
        )));
    }
    let mut centres = points.values.clone();
    let mut sizes = vec![1_usize; n];
    let mut active: Vec<usize> = (0..n).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut raw = Vec::with_capacity(n.saturating_sub(1));
    while active.len() > 1 {
        if chain.is_empty() {
            chain.push(active[0]);
        }
        loop {
            let top = chain[chain.len() - 1];
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            let (distance, next) = nearest(top, before, &active, &centres, &sizes, width);
            if Some(next) == before {
                chain.truncate(chain.len() - 2);
                let (a, b) = (top.min(next), top.max(next));
                let (na, nb) = (sizes[a] as f64, sizes[b] as f64);
                for axis in 0..width {
                    let centre =
                        (na * centres[a * width + axis] + nb * centres[b * width + axis]) / (na + nb);
                    centres[a * width + axis] = centre;
                }
                sizes[a] += sizes[b];
                let gone = active.binary_search(&b).expect("it is there");
                active.remove(gone);
                raw.push((a, b, (2.0 * distance).sqrt()));
                break;
            }
            chain.push(next);
        }
    }
    Ok(named(raw, n))
}

/// The group nearest to another: by the increase of the sum of squares; among equals the one before in the chain, then the
/// first.
fn nearest(
    of: usize,
    before: Option<usize>,
    active: &[usize],
    centres: &[f64],
    sizes: &[usize],
    width: usize,
) -> (f64, usize) {
    let own = &centres[of * width..(of + 1) * width];
    let increase = |other: usize| {
        let (a, b) = (sizes[of] as f64, sizes[other] as f64);
        squared_distance(own, &centres[other * width..(other + 1) * width]) * a * b / (a + b)
    };
    let least = active
        .par_chunks(4096)
        .map(|part| {
            let others = part.iter().filter(|o| **o != of).map(|o| (increase(*o), *o));
            others.fold((f64::INFINITY, usize::MAX), |b, o| if o.0 < b.0 { o } else { b })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .fold((f64::INFINITY, usize::MAX), |b, o| if o.0 < b.0 { o } else { b });
    match before {
        Some(before) if increase(before) <= least.0 => (increase(before), before),
        _ => least,
    }
}

/// Merges by height, with the names of the groups that they join.
fn named(mut raw: Vec<(usize, usize, f64)>, n: usize) -> Vec<Merge> {
    raw.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut parent: Vec<usize> = (0..n).collect();
    let mut name: Vec<usize> = (0..n).collect();
    let mut sizes = vec![1; n];
    let mut merges = Vec::with_capacity(raw.len());
    for (number, (a, b, height)) in raw.into_iter().enumerate() {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        let rows = sizes[a] + sizes[b];
        merges.push(Merge { a: name[a].min(name[b]), b: name[a].max(name[b]), height, rows });
        parent[b] = a;
        (sizes[a], name[a]) = (rows, n + number);
    }
    merges
}

fn root(parent: &mut [usize], mut of: usize) -> usize {
    while parent[of] != of {
        parent[of] = parent[parent[of]];
        of = parent[of];
    }
    of
}

/// The group of each row when the last merges are undone so that there are k.
pub fn cut(merges: &[Merge], rows: usize, k: usize) -> Vec<usize> {
    let kept = rows.saturating_sub(k).min(merges.len());
    let mut parent: Vec<usize> = (0..rows + kept).collect();
    for (number, merge) in merges[..kept].iter().enumerate() {
        parent[merge.a] = rows + number;
        parent[merge.b] = rows + number;
    }
    let mut names = std::collections::HashMap::new();
    (0..rows)
        .map(|row| {
            let root = root(&mut parent, row);
            let next = names.len();
            *names.entry(root).or_insert(next)
        })
        .collect()
}
