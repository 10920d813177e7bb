//! Isolation forests (Liu, Ting & Zhou 2008, doi:10.1109/ICDM.2008.17), of as many trees as it takes until ranks are
//! stable.

use crate::matrix::{Matrix, Random};
use rayon::prelude::*;

/// Rows that a tree is grown on.
const SAMPLE: usize = 256;
/// Trees that are added at a time.
const TREES: u64 = 100;
/// Most trees.
const MOST: u64 = 3000;
/// Rank correlation between one average and the next from which on ranks are stable.
const STABLE: f64 = 0.9995;

/// The score of each row, in 0 .. 1: near 1 where few random cuts isolate it, 0.5 in the bulk.
pub fn forest(points: &Matrix, seed: u64) -> Vec<f64> {
    let sample = SAMPLE.min(points.rows);
    let mut depths = vec![0.0; points.rows];
    let mut before: Option<Vec<f64>> = None;
    let mut grown = 0;
    while grown < MOST {
        let trees: Vec<Tree> = (grown..grown + TREES)
            .into_par_iter()
            .map(|n| Tree::grow(points, sample, Random::new(seed, n)))
            .collect();
        depths.par_iter_mut().enumerate().for_each(|(row, depth)| {
            for tree in &trees {
                *depth += tree.depth(points.row(row));
            }
        });
        grown += TREES;
        let ranks = ranks(&depths);
        let is_stable =
            before.as_ref().is_some_and(|b| correlation(b, &ranks) >= STABLE && top(b) == top(&ranks));
        before = Some(ranks);
        if is_stable {
            break;
        }
    }
    let usual = usual_depth(sample) * grown as f64;
    depths.into_iter().map(|depth| (-depth / usual).exp2()).collect()
}

/// The row of the lowest rank.
fn top(ranks: &[f64]) -> Option<usize> {
    (0..ranks.len()).min_by(|a, b| ranks[*a].total_cmp(&ranks[*b]))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, row)| ranks[row] = rank as f64);
    ranks
}

/// Spearman's correlation of two sets of ranks without ties.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

/// Mean depth of an unsuccessful search among n rows.
fn usual_depth(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n
        }
    }
}

struct Tree {
    nodes: Vec<Node>,
}

enum Node {
    /// Depth of what ends here.
    Leaf(f64),
    /// Cut of a column: values below it lie in the next node, the rest in `right`.
    Cut { axis: u32, at: f64, right: u32 },
}

impl Tree {
    fn grow(points: &Matrix, sample: usize, mut random: Random) -> Self {
        let mut rows = random.sample(points.rows, sample);
        let mut tree = Self { nodes: Vec::new() };
        let deepest = (sample.max(2) as f64).log2().ceil() as u32;
        tree.split(points, &mut rows, 0, deepest, &mut random);
        tree
    }

    fn split(&mut self, points: &Matrix, rows: &mut [usize], depth: u32, deepest: u32, random: &mut Random) {
        let cut = if depth < deepest && rows.len() > 1 { cut(points, rows, random) } else { None };
        let Some((axis, at)) = cut else {
            self.nodes.push(Node::Leaf(f64::from(depth) + usual_depth(rows.len())));
            return;
        };
        let mut below = 0;
        for i in 0..rows.len() {
            if points.row(rows[i])[axis] < at {
                rows.swap(i, below);
                below += 1;
            }
        }
        let node = self.nodes.len();
        self.nodes.push(Node::Cut { axis: axis as u32, at, right: 0 });
        let (left, rest) = rows.split_at_mut(below);
        self.split(points, left, depth + 1, deepest, random);
        let next = self.nodes.len() as u32;
        if let Node::Cut { right, .. } = &mut self.nodes[node] {
            *right = next;
        }
        self.split(points, rest, depth + 1, deepest, random);
    }

    fn depth(&self, point: &[f64]) -> f64 {
        let mut node = 0;
        loop {
            match &self.nodes[node] {
                Node::Leaf(depth) => return *depth,
                Node::Cut { axis, at, right } => {
                    node = if point[*axis as usize] < *at { node + 1 } else { *right as usize };
                }
            }
        }
    }
}

/// A random cut through rows along a random column in which they differ; none if they are all the same.
fn cut(points: &Matrix, rows: &[usize], random: &mut Random) -> Option<(usize, f64)> {
    let width = points.width();
    let first = random.below(width);
    for offset in 0..width {
        let axis = (first + offset) % width;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for row in rows {
            let value = points.row(*row)[axis];
            low = low.min(value);
            high = high.max(value);
        }
        if high > low {
            // Above the least, so that neither side is empty.
            let at = low + (high - low) * (1.0 - random.unit());
            return Some((axis, at.min(high)));
        }
    }
    None
}
