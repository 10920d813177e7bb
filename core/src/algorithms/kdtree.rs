//! Nearest neighbours among points (J. Bentley 1975, doi:10.1145/361002.361007).

use rayon::prelude::*;

/// Points to be searched: an implicit balanced tree over their numbers.
pub struct KdTree<'a> {
    points: &'a [[f64; 3]],
    order: Vec<u32>,
}

impl<'a> KdTree<'a> {
    /// Builds the tree. Points must be finite.
    pub fn new(points: &'a [[f64; 3]]) -> Self {
        let mut order: Vec<u32> = (0..points.len() as u32).collect();
        build(points, &mut order, 0);
        Self { points, order }
    }

    /// The nearest other point to each point and its distance; the lesser number where two are
    /// equally near. None for a single point.
    pub fn nearest_others(&self) -> Vec<Option<(usize, f64)>> {
        (0..self.points.len())
            .into_par_iter()
            .map(|i| {
                let mut best = (f64::INFINITY, u32::MAX);
                self.search(&self.order, 0, i as u32, &mut best);
                (best.1 != u32::MAX).then(|| (best.1 as usize, best.0.sqrt()))
            })
            .collect()
    }

    fn search(&self, order: &[u32], axis: usize, from: u32, best: &mut (f64, u32)) {
        let Some(&middle) = order.get(order.len() / 2) else { return };
        let (p, q) = (self.points[from as usize], self.points[middle as usize]);
        if middle != from {
            let squared = (0..3).map(|a| (p[a] - q[a]) * (p[a] - q[a])).sum::<f64>();
            if (squared, middle) < *best {
                *best = (squared, middle);
            }
        }
        let (left, right) = (&order[..order.len() / 2], &order[order.len() / 2 + 1..]);
        let gap = p[axis] - q[axis];
        let (near, far) = if gap < 0.0 { (left, right) } else { (right, left) };
        let next = (axis + 1) % 3;
        self.search(near, next, from, best);
        if gap * gap <= best.0 {
            self.search(far, next, from, best);
        }
    }
}

fn build(points: &[[f64; 3]], order: &mut [u32], axis: usize) {
    if order.len() < 2 {
        return;
    }
    let middle = order.len() / 2;
    order.select_nth_unstable_by(middle, |&a, &b| {
        points[a as usize][axis].total_cmp(&points[b as usize][axis]).then(a.cmp(&b))
    });
    let (left, right) = order.split_at_mut(middle);
    let next = (axis + 1) % 3;
    rayon::join(|| build(points, left, next), || build(points, &mut right[1..], next));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_found_by_trying_all() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few values an axis, so that there are ties.
            (state >> 33) as f64 % 16.0
        };
        let points: Vec<[f64; 3]> = (0..500).map(|_| [next(), next(), next()]).collect();
        let found = KdTree::new(&points).nearest_others();
        for (i, p) in points.iter().enumerate() {
            let expected = points
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != i)
                .map(|(j, q)| ((0..3).map(|a| (p[a] - q[a]) * (p[a] - q[a])).sum::<f64>(), j))
                .min_by(|a, b| a.partial_cmp(b).unwrap())
                .unwrap();
            assert_eq!(found[i], Some((expected.1, expected.0.sqrt())));
        }
        assert_eq!(KdTree::new(&[[0.0; 3]]).nearest_others(), [None]);
    }
}
