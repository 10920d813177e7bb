//! Closing gaps, splitting and merging, the second of the two assignments: of all tracks of the movie at once.

use super::assign::{Pair, assign};
use super::grid::Grid;
use super::link::{Costs, Kind, LEAST, Link, Motion, Settings, ahead};

/// Adds the links between the ends, the beginnings and the other detections of tracks.
pub(super) fn close(costs: &Costs, links: &mut Vec<Link>) {
    let settings = costs.settings;
    if settings.gap_distance.is_none()
        && settings.split_distance.is_none()
        && settings.merge_distance.is_none()
    {
        return;
    }
    let n = costs.detections.len();
    let (mut source_of, mut has_target) = (vec![None; n], vec![false; n]);
    for link in links.iter() {
        source_of[link.target as usize] = Some(link.source);
        has_target[link.source as usize] = true;
    }
    let ends = Ends { costs, source_of: &source_of, has_target: &has_target };
    let candidates = ends.candidates();
    if candidates.is_empty() {
        return;
    }
    let alone = alone(&candidates, settings);
    // Rows are ends of tracks, and detections that may split; columns beginnings, and detections that may be merged with.
    let pairs: Vec<Pair> = candidates
        .iter()
        .map(|c| Pair {
            row: if c.kind == Kind::Split { n as u32 + c.source } else { c.source },
            column: if c.kind == Kind::Merge { n as u32 + c.target } else { c.target },
            cost: c.cost - alone,
        })
        .collect();
    links.extend(assign(2 * n, 2 * n, &pairs).into_iter().map(|e| candidates[e]));
}

/// Cost to leave a beginning or an end as it is: a percentile of all costs times a factor. Of the two costs that
/// it lies between it is the lower, or the higher where tracks may both split and merge: that gives the links of
/// `TrackMate`, as laptrack's authors found.
fn alone(candidates: &[Link], settings: &Settings) -> f64 {
    let mut costs: Vec<f64> = candidates.iter().map(|c| c.cost).collect();
    costs.sort_unstable_by(f64::total_cmp);
    let at = settings.cost_percentile * (costs.len() - 1) as f64;
    let both = settings.split_distance.is_some() && settings.merge_distance.is_some();
    let at = if both { at.ceil() } else { at.floor() } as usize;
    (costs[at.min(costs.len() - 1)] * settings.cost_factor).max(LEAST)
}

struct Ends<'a> {
    costs: &'a Costs<'a>,
    source_of: &'a [Option<u32>],
    has_target: &'a [bool],
}

impl Ends<'_> {
    /// All links that may be made, at their costs.
    fn candidates(&self) -> Vec<Link> {
        let (settings, detections) = (self.costs.settings, self.costs.detections);
        let frames = detections.frames();
        let begins = |i: &usize| self.source_of[*i].is_none();
        let ends = |i: &usize| !self.has_target[*i];
        let mut found = Vec::new();
        for frame in 0..frames {
            if let Some(radius) = settings.gap_distance {
                let targets: Vec<usize> = detections.frame(frame).filter(begins).collect();
                let grid = self.grid(&targets, radius);
                for gap in 1..=(settings.gap_frames as usize).min(frame) {
                    for source in detections.frame(frame - gap).filter(ends) {
                        let place = self.expected(source, gap);
                        self.near(&grid, &targets, radius, place, source, Kind::Gap, &mut found);
                    }
                }
            }
            if let (Some(radius), true) = (settings.split_distance, frame > 0) {
                let targets: Vec<usize> = detections.frame(frame).filter(begins).collect();
                let grid = self.grid(&targets, radius);
                for source in detections.frame(frame - 1) {
                    let place = self.costs.positions[source];
                    self.near(&grid, &targets, radius, place, source, Kind::Split, &mut found);
                }
            }
            if let (Some(radius), true) = (settings.merge_distance, frame + 1 < frames) {
                let targets: Vec<usize> = detections.frame(frame + 1).collect();
                let grid = self.grid(&targets, radius);
                for source in detections.frame(frame).filter(ends) {
                    let place = self.costs.positions[source];
                    self.near(&grid, &targets, radius, place, source, Kind::Merge, &mut found);
                }
            }
        }
        found
    }

    fn grid(&self, targets: &[usize], radius: f64) -> Grid {
        Grid::new(targets.iter().map(|&i| self.costs.positions[i]), radius)
    }

    fn expected(&self, source: usize, frames: usize) -> [f64; 3] {
        if self.costs.settings.motion == Motion::Velocity {
            ahead(self.costs, self.source_of, source, frames as f64)
        } else {
            self.costs.positions[source]
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn near(
        &self,
        grid: &Grid,
        targets: &[usize],
        radius: f64,
        place: [f64; 3],
        source: usize,
        kind: Kind,
        found: &mut Vec<Link>,
    ) {
        grid.around(place, |k| {
            let target = targets[k];
            let cost = self.costs.between(place, source, target);
            if cost < radius * radius {
                found.push(Link { source: source as u32, target: target as u32, kind, cost });
            }
        });
    }
}
