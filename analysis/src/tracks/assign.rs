//! The assignment problem on a sparse bipartite graph: pairs of rows and columns of least total cost, where every row
//! and every column may stay alone for nothing.
//!
//! Rows are added one by one along a shortest augmenting path (R. Jonker and A. Volgenant 1987,
//! doi:10.1007/BF02278710), found by Dijkstra's method on reduced costs, so that a row looks no further than its own
//! connected component, and there only as far as the path reaches. The result is exact.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row and a column that may be paired, at a cost below 0: at 0 they might as well stay alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Number of the row.
    pub row: u32,
    /// Number of the column.
    pub column: u32,
    /// Cost of the pair, less what it costs to leave both alone.
    pub cost: f64,
}

/// Indices of the pairs whose costs have the least sum, each row and column at most once, by row. Of several solutions
/// that are equally good it depends on the order of rows and columns which is found, and on nothing else.
pub fn assign(rows: usize, columns: usize, pairs: &[Pair]) -> Vec<usize> {
    let mut edges: Vec<u32> = (0..pairs.len() as u32).filter(|&e| pairs[e as usize].cost < 0.0).collect();
    edges.sort_unstable_by_key(|&e| (pairs[e as usize].row, pairs[e as usize].column));
    let mut solver = Solver::new(rows, columns, pairs, edges);
    for row in solver.bid(rows) {
        solver.add(row as usize);
    }
    let mut chosen: Vec<usize> = solver.pair_of.iter().flatten().map(|&e| e as usize).collect();
    chosen.sort_unstable_by_key(|&e| pairs[e].row);
    chosen
}

/// A column that a path has reached, at its distance; the nearest is the greatest.
#[derive(Debug, PartialEq)]
struct Reached(f64, u32);

impl Eq for Reached {}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

/// End of an augmenting path.
#[derive(Clone, Copy)]
enum End {
    /// A column that is free.
    Column(u32),
    /// A row that stays alone from now on.
    Alone(u32),
}

/// Rounds of bidding, and bids in a round for each row that waits, at most.
const ROUNDS: usize = 2;
const BIDS: usize = 50;

/// No column.
const NONE: u32 = u32::MAX;

struct Solver<'a> {
    pairs: &'a [Pair],
    /// Pairs by row, and where each row's begin.
    edges: Vec<u32>,
    starts: Vec<u32>,
    /// Dual variables.
    row_price: Vec<f64>,
    column_price: Vec<f64>,
    /// The pair that holds a column.
    pair_of: Vec<Option<u32>>,
    /// The column that a row holds, or [`NONE`].
    column_of: Vec<u32>,
    /// Distance of a column on the present search, and the pair by which it was reached.
    distance: Vec<f64>,
    reached_by: Vec<u32>,
    touched: Vec<u32>,
    scanned: Vec<u32>,
    is_scanned: Vec<bool>,
    /// The row that is being added.
    adding: usize,
    heap: BinaryHeap<Reached>,
}

impl<'a> Solver<'a> {
    fn new(rows: usize, columns: usize, pairs: &'a [Pair], edges: Vec<u32>) -> Self {
        let mut starts = vec![0u32; rows + 1];
        for &e in &edges {
            starts[pairs[e as usize].row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        Self {
            pairs,
            edges,
            starts,
            row_price: vec![0.0; rows],
            column_price: vec![0.0; columns],
            pair_of: vec![None; columns],
            column_of: vec![NONE; rows],
            distance: vec![f64::INFINITY; columns],
            reached_by: vec![0; columns],
            touched: Vec::new(),
            scanned: Vec::new(),
            is_scanned: vec![false; columns],
            adding: 0,
            heap: BinaryHeap::new(),
        }
    }

    /// Gives each row the column that is cheapest for it, and makes that column as expensive as its second choice
    /// (augmenting row reduction), so that paths have little left to do. Returns the rows whose column was taken from
    /// them last.
    fn bid(&mut self, rows: usize) -> Vec<u32> {
        let mut waiting: Vec<u32> =
            (0..rows as u32).filter(|&r| self.starts[r as usize] < self.starts[r as usize + 1]).collect();
        for _ in 0..ROUNDS {
            let mut left = Vec::new();
            let mut steps = BIDS * waiting.len();
            for &row in &waiting {
                let mut bidder = row;
                while let Some(loser) = self.bid_of(bidder) {
                    // Of equal choices none becomes more expensive, and rows could take them from each other forever.
                    if steps == 0 || !loser.1 {
                        left.push(loser.0);
                        break;
                    }
                    steps -= 1;
                    bidder = loser.0;
                }
            }
            if left.is_empty() {
                return left;
            }
            left.sort_unstable();
            waiting = left;
        }
        waiting
    }

    /// Gives a row its cheapest column, unless it is best alone; returns the row that had it, and whether it has become
    /// more expensive.
    fn bid_of(&mut self, row: u32) -> Option<(u32, bool)> {
        let (mut first, mut second, mut taken) = (f64::INFINITY, 0.0, NONE);
        for k in self.starts[row as usize]..self.starts[row as usize + 1] {
            let pair = self.pairs[self.edges[k as usize] as usize];
            let cost = pair.cost - self.column_price[pair.column as usize];
            if cost < first {
                (second, first, taken) = (first.min(second), cost, self.edges[k as usize]);
            } else {
                second = second.min(cost);
            }
        }
        if first >= 0.0 {
            self.row_price[row as usize] = 0.0;
            return None;
        }
        let column = self.pairs[taken as usize].column;
        self.column_price[column as usize] -= second - first;
        self.row_price[row as usize] = second;
        self.column_of[row as usize] = column;
        let before = self.pair_of[column as usize].replace(taken)?;
        let loser = self.pairs[before as usize].row;
        (self.column_of[loser as usize], self.row_price[loser as usize]) = (NONE, 0.0);
        Some((loser, second > first))
    }

    /// Finds the shortest path from a row to a free column or to a row that can stay alone, and moves pairs along it.
    fn add(&mut self, row: usize) {
        self.adding = row;
        let mut best = (0.0, End::Alone(row as u32));
        self.reach_from(row, 0.0, &mut best);
        while let Some(Reached(distance, column)) = self.heap.pop() {
            if distance >= best.0 {
                break;
            }
            if distance > self.distance[column as usize] || self.is_scanned[column as usize] {
                continue;
            }
            let held = self.pair_of[column as usize].expect("free columns end the search");
            self.scanned.push(column);
            self.is_scanned[column as usize] = true;
            let next = self.pairs[held as usize].row as usize;
            let alone = distance - self.row_price[next].min(0.0);
            if alone < best.0 {
                best = (alone, End::Alone(next as u32));
            }
            self.reach_from(next, distance, &mut best);
        }
        let (length, end) = best;
        self.row_price[row] += length;
        for &column in &self.scanned {
            let back = length - self.distance[column as usize];
            self.column_price[column as usize] -= back;
            let held = self.pair_of[column as usize].expect("scanned columns are held");
            self.row_price[self.pairs[held as usize].row as usize] += back;
        }
        self.augment(row, end);
        for column in self.touched.drain(..) {
            self.distance[column as usize] = f64::INFINITY;
            self.is_scanned[column as usize] = false;
        }
        self.scanned.clear();
        self.heap.clear();
    }

    /// Reaches the columns of a row at a distance.
    fn reach_from(&mut self, row: usize, at: f64, best: &mut (f64, End)) {
        for k in self.starts[row]..self.starts[row + 1] {
            let edge = self.edges[k as usize];
            let pair = self.pairs[edge as usize];
            let column = pair.column as usize;
            // Reduced costs are not below 0, but for rounding; those of the row that is added are costs, as it has no price.
            let reduced = pair.cost - self.row_price[row] - self.column_price[column];
            let distance = if row == self.adding { reduced } else { at + reduced.max(0.0) };
            if self.is_scanned[column] || distance >= self.distance[column] || distance >= best.0 {
                continue;
            }
            if self.distance[column].is_infinite() {
                self.touched.push(column as u32);
            }
            self.distance[column] = distance;
            self.reached_by[column] = edge;
            if self.pair_of[column].is_some() {
                self.heap.push(Reached(distance, column as u32));
            } else {
                *best = (distance, End::Column(column as u32));
            }
        }
    }

    fn augment(&mut self, from: usize, end: End) {
        let mut column = match end {
            End::Column(column) => column,
            End::Alone(row) if row as usize == from => return,
            End::Alone(row) => std::mem::replace(&mut self.column_of[row as usize], NONE),
        };
        loop {
            let edge = self.reached_by[column as usize];
            self.pair_of[column as usize] = Some(edge);
            let row = self.pairs[edge as usize].row as usize;
            // The row held another column before, which goes to the row before it on the path.
            let before = std::mem::replace(&mut self.column_of[row], column);
            if row == from {
                return;
            }
            column = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(pairs: &[Pair], chosen: &[usize]) -> f64 {
        chosen.iter().map(|&e| pairs[e].cost).sum()
    }

    /// The best sum by trying everything.
    fn exhaustive(pairs: &[Pair], from: usize, rows: u64, columns: u64) -> f64 {
        let Some(pair) = pairs.get(from) else { return 0.0 };
        let without = exhaustive(pairs, from + 1, rows, columns);
        if rows >> pair.row & 1 == 1 || columns >> pair.column & 1 == 1 {
            return without;
        }
        without.min(pair.cost + exhaustive(pairs, from + 1, rows | 1 << pair.row, columns | 1 << pair.column))
    }

    #[test]
    fn assignments_are_as_good_as_the_best_of_all() {
        let mut state = 1u64;
        let mut random = move |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        for _ in 0..400 {
            let (rows, columns) = (1 + random(6), 1 + random(6));
            let mut pairs = Vec::new();
            for row in 0..rows {
                for column in 0..columns {
                    if random(3) > 0 {
                        let cost = 2.0 - random(20) as f64;
                        pairs.push(Pair { row: row as u32, column: column as u32, cost });
                    }
                }
            }
            let chosen = assign(rows as usize, columns as usize, &pairs);
            let (mut r, mut c) = (0u64, 0u64);
            for &e in &chosen {
                assert!(r >> pairs[e].row & 1 == 0 && c >> pairs[e].column & 1 == 0);
                (r, c) = (r | 1 << pairs[e].row, c | 1 << pairs[e].column);
            }
            assert_eq!(cost(&pairs, &chosen), exhaustive(&pairs, 0, 0, 0));
        }
    }
}
