//! The motion that all objects of a frame share.

use super::detections::Detections;
use super::grid::{Grid, squared};
use rayon::prelude::*;

/// Positions less the drift of their frames. The drift between two frames is the median, by coordinate, of the steps
/// between detections that are each other's nearest within `radius`, found again with what is known of it until it
/// stays, ten times at most.
pub(super) fn corrected(detections: &Detections, radius: f64) -> Vec<[f64; 3]> {
    let steps: Vec<[f64; 3]> = (1..detections.frames())
        .into_par_iter()
        .map(|frame| {
            let before = &detections.positions[detections.frame(frame - 1)];
            let after = &detections.positions[detections.frame(frame)];
            between(before, after, radius)
        })
        .collect();
    let mut positions = detections.positions.clone();
    let mut sum = [0.0; 3];
    for (k, step) in steps.iter().enumerate() {
        for a in 0..3 {
            sum[a] += step[a];
        }
        for position in &mut positions[detections.frame(k + 1)] {
            for a in 0..3 {
                position[a] -= sum[a];
            }
        }
    }
    positions
}

fn between(before: &[[f64; 3]], after: &[[f64; 3]], radius: f64) -> [f64; 3] {
    let mut drift = [0.0; 3];
    for _ in 0..10 {
        let moved: Vec<[f64; 3]> = before.iter().map(|p| std::array::from_fn(|a| p[a] + drift[a])).collect();
        let there = nearest(&moved, after, radius);
        let back = nearest(after, &moved, radius);
        let pairs = there.iter().enumerate().filter_map(|(i, &j)| Some((i, j?)));
        let mutual: Vec<(usize, usize)> = pairs.filter(|&(i, j)| back[j] == Some(i)).collect();
        if mutual.is_empty() {
            return drift;
        }
        let next = std::array::from_fn(|a| {
            let mut steps: Vec<f64> = mutual.iter().map(|&(i, j)| after[j][a] - before[i][a]).collect();
            steps.sort_unstable_by(f64::total_cmp);
            f64::midpoint(steps[(steps.len() - 1) / 2], steps[steps.len() / 2])
        });
        if next == drift {
            return drift;
        }
        drift = next;
    }
    drift
}

/// For each point the nearest of the others, if one is within the radius.
fn nearest(of: &[[f64; 3]], others: &[[f64; 3]], radius: f64) -> Vec<Option<usize>> {
    if others.is_empty() {
        return vec![None; of.len()];
    }
    let grid = Grid::new(others.iter().copied(), radius);
    let near = |p: &[f64; 3]| {
        let mut best: Option<(f64, usize)> = None;
        grid.around(*p, |j| {
            let d = squared(*p, others[j]);
            if d < radius * radius && best.is_none_or(|b| (d, j) < b) {
                best = Some((d, j));
            }
        });
        best.map(|b| b.1)
    };
    of.iter().map(near).collect()
}
