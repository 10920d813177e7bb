//! Linking from frame to frame, the first of the two assignments.

use super::assign::{Pair, assign};
use super::detections::Detections;
use super::drift;
use super::grid::{Grid, squared};
use super::segments;
use rayon::prelude::*;

/// Expected motion of positions between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Motion {
    /// They stay where they are.
    #[default]
    None,
    /// Each goes on with the velocity of its last link.
    Velocity,
    /// All move by what most of them moved between two frames.
    Drift,
}

impl Motion {
    /// Names, as on the command line.
    pub const NAMES: [&'static str; 3] = ["none", "velocity", "drift"];
}

impl std::str::FromStr for Motion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "velocity" => Ok(Self::Velocity),
            "drift" => Ok(Self::Drift),
            _ => Err(format!("\"{name}\" is not one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// Meaning of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// From a frame to the next.
    Link,
    /// Over frames in which the object was not found.
    Gap,
    /// From an object to a further one that comes of it.
    Split,
    /// From an object that ends to one that it becomes a part of.
    Merge,
}

impl Kind {
    /// Name, as in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Gap => "gap",
            Self::Split => "split",
            Self::Merge => "merge",
        }
    }
}

/// A link between two detections, by their numbers; the source is earlier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// The earlier detection.
    pub source: u32,
    /// The later detection.
    pub target: u32,
    /// Its meaning.
    pub kind: Kind,
    /// Its cost: squared distance times the square of the penalty, or 1 − overlap.
    pub cost: f64,
}

/// Two detections of successive frames that share voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// The earlier detection.
    pub source: u32,
    /// The later detection.
    pub target: u32,
    /// Shared voxels ÷ voxels of either, above 0.
    pub iou: f64,
}

/// Parameters of the tracker. Distances are in the unit of the positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Greatest distance of a link between frames.
    pub link_distance: f64,
    /// Greatest difference of frames over which gaps are closed; 2 is one frame without the object.
    pub gap_frames: u32,
    /// Greatest distance over a gap; `None` closes none.
    pub gap_distance: Option<f64>,
    /// Greatest distance of an object to the one that it splits from; `None` makes no splits.
    pub split_distance: Option<f64>,
    /// Greatest distance of an object to the one that it merges with; `None` makes no merges.
    pub merge_distance: Option<f64>,
    /// Which percentile of the candidates' costs, from 0 to 1, times [`Self::cost_factor`] is what it costs to leave a gap
    /// open, and so on. Between two costs, the lower one is taken, or the higher where both splits and merges are made.
    pub cost_percentile: f64,
    /// Factor of the costs of staying alone, in both steps.
    pub cost_factor: f64,
    /// Weight of each feature that the detections have: squared distances are multiplied by
    /// `(1 + Σ 3·weight·|a − b| / (|a| + |b|))²`.
    pub penalties: Vec<f64>,
    /// Expected motion of positions.
    pub motion: Motion,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            link_distance: 15.0,
            gap_frames: 2,
            gap_distance: None,
            split_distance: None,
            merge_distance: None,
            cost_percentile: 0.9,
            cost_factor: 1.05,
            penalties: Vec::new(),
            motion: Motion::None,
        }
    }
}

/// The median distance of a detection to its nearest neighbour in its frame, over 16 frames at most; none if no frame has
/// two. Beyond it a link would sooner lead to another object than to the same one.
pub fn typical_distance(detections: &Detections) -> Option<f64> {
    let frames = detections.frames();
    let mut nearest: Vec<f64> = Vec::new();
    for frame in (0..frames).step_by(frames.div_ceil(16).max(1)) {
        let positions = &detections.positions[detections.frame(frame)];
        nearest.extend(super::grid::nearest_distances(positions));
    }
    nearest.retain(|d| *d > 0.0);
    nearest.sort_unstable_by(f64::total_cmp);
    nearest.get(nearest.len() / 2).copied()
}

/// Least cost of staying alone, so that candidates of no cost are linked.
pub(super) const LEAST: f64 = 1e-6;

/// Positions of detections and costs of distances, for both steps.
pub(super) struct Costs<'a> {
    pub detections: &'a Detections,
    /// Positions less the drift of their frames.
    pub positions: Vec<[f64; 3]>,
    pub settings: &'a Settings,
}

impl Costs<'_> {
    /// Squared distance between an expected position of `a` and `b`, with the penalties of both.
    pub fn between(&self, expected: [f64; 3], a: usize, b: usize) -> f64 {
        let penalty =
            self.settings.penalties.iter().zip(&self.detections.features).map(|(weight, (_, values))| {
                let (p, q) = (values[a], values[b]);
                let sum = p.abs() + q.abs();
                // Where a value is missing it says nothing.
                if sum > 0.0 { 3.0 * weight * (p - q).abs() / sum } else { 0.0 }
            });
        let penalty: f64 = penalty.sum();
        squared(expected, self.positions[b]) * (1.0 + penalty).powi(2)
    }
}

/// Links detections into tracks. Where overlaps are given, links between frames cost 1 − overlap instead of a distance,
/// and nothing is linked that doesn't overlap. Links are in the order of their sources, and of their targets.
pub fn link(detections: &Detections, settings: &Settings, overlaps: Option<&[Overlap]>) -> Vec<Link> {
    let positions = match settings.motion {
        Motion::Drift => drift::corrected(detections, settings.link_distance),
        Motion::None | Motion::Velocity => detections.positions.clone(),
    };
    let costs = Costs { detections, positions, settings };
    let steps = detections.frames().saturating_sub(1);
    let mut links: Vec<Link> = match (overlaps, settings.motion) {
        (Some(overlaps), _) => {
            let frame_of = detections.frame_of();
            let by_frame =
                overlaps.chunk_by(|a, b| frame_of[a.source as usize] == frame_of[b.source as usize]);
            by_frame
                .flat_map(|pairs| of_overlaps(detections, frame_of[pairs[0].source as usize], pairs))
                .collect()
        }
        (None, Motion::Velocity) => with_velocity(&costs, steps),
        (None, _) => {
            let still = |i: usize| costs.positions[i];
            let frames = (0..steps).into_par_iter().map(|frame| between_frames(&costs, frame, still));
            frames.collect::<Vec<_>>().into_iter().flatten().collect()
        }
    };
    segments::close(&costs, &mut links);
    links.sort_by_key(|l| (l.source, l.target));
    links
}

fn with_velocity(costs: &Costs, steps: usize) -> Vec<Link> {
    let mut source_of: Vec<Option<u32>> = vec![None; costs.detections.len()];
    let mut links = Vec::new();
    for frame in 0..steps {
        let found = between_frames(costs, frame, |i| ahead(costs, &source_of, i, 1.0));
        for link in &found {
            source_of[link.target as usize] = Some(link.source);
        }
        links.extend(found);
    }
    links
}

/// The position of a detection some frames later, with the velocity of the link that it is the target of.
pub(super) fn ahead(costs: &Costs, source_of: &[Option<u32>], i: usize, frames: f64) -> [f64; 3] {
    let here = costs.positions[i];
    let before = source_of[i].map_or(here, |s| costs.positions[s as usize]);
    std::array::from_fn(|a| here[a] + (here[a] - before[a]) * frames)
}

/// Links between a frame and the next.
fn between_frames(costs: &Costs, frame: usize, expected: impl Fn(usize) -> [f64; 3]) -> Vec<Link> {
    let (from, to) = (costs.detections.frame(frame), costs.detections.frame(frame + 1));
    if from.is_empty() || to.is_empty() {
        return Vec::new();
    }
    let radius = costs.settings.link_distance;
    let grid = Grid::new(to.clone().map(|i| costs.positions[i]), radius);
    let mut pairs = Vec::new();
    for (row, i) in from.clone().enumerate() {
        let place = expected(i);
        grid.around(place, |column| {
            let cost = costs.between(place, i, to.start + column);
            if cost < radius * radius {
                pairs.push(Pair { row: row as u32, column: column as u32, cost });
            }
        });
    }
    chosen(pairs, [&from, &to], costs.settings.cost_factor)
}

fn of_overlaps(detections: &Detections, frame: u32, overlaps: &[Overlap]) -> Vec<Link> {
    let (from, to) = (detections.frame(frame as usize), detections.frame(frame as usize + 1));
    let pair = |o: &Overlap| Pair {
        row: o.source - from.start as u32,
        column: o.target - to.start as u32,
        cost: 1.0 - o.iou,
    };
    chosen(overlaps.iter().map(pair).collect(), [&from, &to], 1.05)
}

/// The best links of some candidates. To stay alone costs `factor` times the greatest cost of all candidates of the frame;
/// a link and the pair of its ends in the lower right of the matrix cost as much as it and the least of all costs.
fn chosen(mut pairs: Vec<Pair>, [from, to]: [&std::ops::Range<usize>; 2], factor: f64) -> Vec<Link> {
    let greatest = pairs.iter().map(|p| p.cost).fold(0.0, f64::max);
    let least = pairs.iter().map(|p| p.cost).fold(f64::INFINITY, f64::min);
    let alone = (greatest * factor).max(LEAST);
    for pair in &mut pairs {
        pair.cost += least - 2.0 * alone;
    }
    let links = assign(from.len(), to.len(), &pairs).into_iter().map(|e| Link {
        source: pairs[e].row + from.start as u32,
        target: pairs[e].column + to.start as u32,
        kind: Kind::Link,
        cost: pairs[e].cost - least + 2.0 * alone,
    });
    links.collect()
}
