//! Nearest neighbours in any number of dimensions (Bentley 1975, doi:10.1145/361002.361007).

use crate::matrix::{Matrix, squared_distance};

/// Points of a leaf.
const LEAF: usize = 16;

/// A tree over the rows of a matrix.
pub struct KdTree<'a> {
    points: &'a Matrix,
    /// Rows, in the order of the leaves.
    order: Vec<u32>,
    nodes: Vec<Node>,
}

enum Node {
    /// A part of the order.
    Leaf { from: u32, to: u32 },
    /// A cut: what is below lies in the next node, the rest in `right`.
    Cut { axis: u32, at: f64, right: u32 },
}

impl<'a> KdTree<'a> {
    /// Builds the tree, in O(n log n).
    pub fn new(points: &'a Matrix) -> Self {
        let mut tree = Self { points, order: (0..points.rows as u32).collect(), nodes: Vec::new() };
        let mut order = std::mem::take(&mut tree.order);
        tree.build(&mut order, 0);
        tree.order = order;
        tree
    }

    fn build(&mut self, rows: &mut [u32], from: u32) {
        let to = from + rows.len() as u32;
        let axis = self.widest(rows);
        let Some(axis) = axis.filter(|_| rows.len() > LEAF) else {
            self.nodes.push(Node::Leaf { from, to });
            return;
        };
        let middle = rows.len() / 2;
        let points = self.points;
        let value = |row: u32| points.row(row as usize)[axis];
        rows.select_nth_unstable_by(middle, |a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
        let at = value(rows[middle]);
        let node = self.nodes.len();
        self.nodes.push(Node::Cut { axis: axis as u32, at, right: 0 });
        let (left, right) = rows.split_at_mut(middle);
        self.build(left, from);
        let next = self.nodes.len() as u32;
        if let Node::Cut { right, .. } = &mut self.nodes[node] {
            *right = next;
        }
        self.build(right, from + middle as u32);
    }

    /// The axis along which points lie furthest apart; none if all are at one place.
    fn widest(&self, rows: &[u32]) -> Option<usize> {
        let mut widest = (0.0, None);
        for axis in 0..self.points.width() {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for row in rows {
                let value = self.points.row(*row as usize)[axis];
                low = low.min(value);
                high = high.max(value);
            }
            if high - low > widest.0 {
                widest = (high - low, Some(axis));
            }
        }
        widest.1
    }

    /// The `k` nearest other rows of a row, nearest first, with their squared distances; of equals those of lower numbers.
    pub fn nearest(&self, row: usize, k: usize) -> Vec<(f64, u32)> {
        let mut found = Vec::with_capacity(k + 1);
        if k > 0 {
            self.search(0, row, k, &mut found);
        }
        found
    }

    fn search(&self, node: usize, row: usize, k: usize, found: &mut Vec<(f64, u32)>) {
        let point = self.points.row(row);
        match &self.nodes[node] {
            Node::Leaf { from, to } => {
                for other in &self.order[*from as usize..*to as usize] {
                    if *other as usize == row {
                        continue;
                    }
                    let candidate = (squared_distance(point, self.points.row(*other as usize)), *other);
                    let is_before =
                        |a: &(f64, u32)| a.0.total_cmp(&candidate.0).then(a.1.cmp(&candidate.1)).is_lt();
                    if found.len() == k && found.last().is_some_and(is_before) {
                        continue;
                    }
                    found.insert(found.partition_point(is_before), candidate);
                    found.truncate(k);
                }
            }
            Node::Cut { axis, at, right } => {
                let beyond = point[*axis as usize] - at;
                let (near, far) =
                    if beyond < 0.0 { (node + 1, *right as usize) } else { (*right as usize, node + 1) };
                self.search(near, row, k, found);
                // Equal distances count: the lower number may lie there.
                if found.len() < k || beyond * beyond <= found[found.len() - 1].0 {
                    self.search(far, row, k, found);
                }
            }
        }
    }
}
