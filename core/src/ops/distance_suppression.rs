//! Points that keep a distance.

use std::collections::HashMap;

/// Which points are taken, if each in its turn is taken that is at least `least` away from all that were taken before.
pub fn accepted(points: impl Iterator<Item = [f64; 3]>, least: f64) -> Vec<bool> {
    let mut cells: HashMap<[i64; 3], Vec<[f64; 3]>> = HashMap::new();
    let mut take = |p: [f64; 3]| {
        let cell = p.map(|c| (c / least) as i64);
        let near = (0..27).any(|k| {
            let other = [cell[0] + k / 9 - 1, cell[1] + k / 3 % 3 - 1, cell[2] + k % 3 - 1];
            cells.get(&other).is_some_and(|points| {
                points.iter().any(|q| (0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>() < least.powi(2))
            })
        });
        if !near {
            cells.entry(cell).or_default().push(p);
        }
        !near
    };
    points.map(&mut take).collect()
}
