//! Points in cells as wide as the search radius, so that neighbours within it are found in the cells around.

/// Points sorted by the cell they lie in.
#[derive(Debug, Clone)]
pub struct Grid {
    radius: f64,
    low: [f64; 3],
    /// Cell `[z, y, x]` and number of each point, in order.
    points: Vec<([i64; 3], u32)>,
}

impl Grid {
    /// Sorts points `[z, y, x]` for searches within a radius above 0.
    pub fn new(positions: impl Iterator<Item = [f64; 3]> + Clone, radius: f64) -> Self {
        let mut low = [f64::INFINITY; 3];
        for p in positions.clone() {
            for a in 0..3 {
                low[a] = low[a].min(p[a]);
            }
        }
        let mut grid = Self { radius, low, points: Vec::new() };
        grid.points = positions.enumerate().map(|(i, p)| (grid.cell(p), i as u32)).collect();
        grid.points.sort_unstable();
        grid
    }

    fn cell(&self, p: [f64; 3]) -> [i64; 3] {
        std::array::from_fn(|a| ((p[a] - self.low[a]) / self.radius).floor() as i64)
    }

    /// Calls `found` with the number of every point in the cells around a position: all within the radius, and others.
    pub fn around(&self, position: [f64; 3], mut found: impl FnMut(usize)) {
        let [z, y, x] = self.cell(position);
        for dz in -1..=1 {
            for dy in -1..=1 {
                // Without points, or far from them, cells are the last that there are.
                let (z, y) = (i64::saturating_add(z, dz), i64::saturating_add(y, dy));
                let (row, last) = ([z, y, x.saturating_sub(1)], [z, y, x.saturating_add(1)]);
                let from = self.points.partition_point(|(cell, _)| *cell < row);
                let run = self.points[from..].iter().take_while(|(cell, _)| *cell <= last);
                run.for_each(|(_, point)| found(*point as usize));
            }
        }
    }
}

/// Squared distance of two points.
pub fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum()
}

/// For each of several points, in no order, the distance to the nearest other one.
pub fn nearest_distances(points: &[[f64; 3]]) -> Vec<f64> {
    let extent = |a: usize| {
        let (low, high) =
            points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[a]), h.max(p[a])));
        high - low
    };
    let sides: Vec<f64> = (0..3).map(extent).filter(|e| *e > 0.0).collect();
    if points.len() < 2 || sides.is_empty() {
        return Vec::new();
    }
    // The radius in which a few others lie, doubled for those that have none there.
    let volume: f64 = sides.iter().product();
    let mut radius = 2.0 * (volume / points.len() as f64).powf(1.0 / sides.len() as f64);
    let mut left: Vec<usize> = (0..points.len()).collect();
    let mut found = Vec::with_capacity(points.len());
    while !left.is_empty() {
        let grid = Grid::new(points.iter().copied(), radius);
        left.retain(|&i| {
            let mut least = f64::INFINITY;
            grid.around(points[i], |j| {
                if j != i {
                    least = least.min(squared(points[i], points[j]));
                }
            });
            let there = least.sqrt() <= radius;
            if there {
                found.push(least.sqrt());
            }
            !there
        });
        radius *= 2.0;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_points_are_found_wherever_they_lie() {
        let points = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1e4, 0.0], [0.0, 1e4, 3.0], [0.0, -5e5, 7.0]];
        let mut found = nearest_distances(&points);
        found.sort_unstable_by(f64::total_cmp);
        assert_eq!(found[..4], [1.0, 1.0, 3.0, 3.0]);
        assert!((found[4] - 5e5).abs() < 1.0);
        let grid = Grid::new(points.iter().copied(), 1.5);
        let mut near = Vec::new();
        grid.around([0.0, 0.0, 0.9], |i| near.push(i));
        assert_eq!(near, [0, 1]);
    }
}
