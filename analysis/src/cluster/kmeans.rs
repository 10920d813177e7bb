//! k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489) from seeds by k-means++ (Arthur & Vassilvitskii 2007).

use crate::matrix::{Matrix, Random, squared_distance};
use rayon::prelude::*;

/// Beginnings, of which the best end is taken.
const STARTS: u64 = 10;
/// Most iterations.
const ITERATIONS: usize = 300;
/// Rows whose sums are taken together.
const PART: usize = 1 << 14;

/// Groups of rows around their means.
#[derive(Debug, Clone)]
pub struct KMeans {
    /// Centre of each group, one after the other.
    pub centres: Vec<f64>,
    /// Group of each row.
    pub labels: Vec<usize>,
    /// Sum of squared distances from the centres.
    pub inertia: f64,
}

/// Finds k groups.
pub fn kmeans(points: &Matrix, k: usize, seed: u64) -> KMeans {
    let run = |start: u64| {
        let mut random = Random::new(seed, start);
        lloyd(points, seeds(points, k, &mut random))
    };
    let mut best = run(0);
    for start in 1..STARTS {
        let found = run(start);
        if found.inertia < best.inertia {
            best = found;
        }
    }
    best
}

/// Rows far from each other: each is drawn with a probability that grows with the square of its distance from those
/// before; of a few candidates the best is taken.
fn seeds(points: &Matrix, k: usize, random: &mut Random) -> Vec<f64> {
    let candidates = 2 + (k as f64).ln() as usize;
    let first = random.below(points.rows);
    let mut centres = points.row(first).to_vec();
    let to = |row: usize| squared_distance(points.row(row), points.row(first));
    let mut nearest: Vec<f64> = (0..points.rows).into_par_iter().map(to).collect();
    for _ in 1..k {
        let total: f64 = part_sums(&nearest).iter().sum();
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..candidates {
            let row = drawn(&nearest, random.unit() * total);
            let closer = |at: usize| nearest[at].min(squared_distance(points.row(at), points.row(row)));
            let distances: Vec<f64> = (0..points.rows).into_par_iter().map(closer).collect();
            let sum: f64 = part_sums(&distances).iter().sum();
            if best.as_ref().is_none_or(|b| sum < b.0) {
                best = Some((sum, row, distances));
            }
        }
        let (_, row, distances) = best.expect("there is a candidate");
        centres.extend_from_slice(points.row(row));
        nearest = distances;
    }
    centres
}

fn part_sums(values: &[f64]) -> Vec<f64> {
    values.par_chunks(PART).map(|part| part.iter().sum()).collect()
}

/// The row at which the sum of values passes a number.
fn drawn(values: &[f64], mut target: f64) -> usize {
    let mut last = 0;
    for (number, sum) in part_sums(values).into_iter().enumerate() {
        let from = number * PART;
        if target >= sum {
            target -= sum;
            continue;
        }
        for (row, value) in values[from..].iter().take(PART).enumerate() {
            if *value > 0.0 {
                last = from + row;
            }
            if target < *value {
                return last;
            }
            target -= value;
        }
    }
    last
}

/// Sums of a part of the rows, by group.
struct Part {
    sums: Vec<f64>,
    counts: Vec<usize>,
    inertia: f64,
    farthest: (f64, usize),
}

fn lloyd(points: &Matrix, mut centres: Vec<f64>) -> KMeans {
    let width = points.width();
    let k = centres.len() / width;
    let mut labels = vec![usize::MAX; points.rows];
    let mut inertia = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let before = labels.clone();
        let parts: Vec<Part> = labels
            .par_chunks_mut(PART)
            .zip(points.values.par_chunks(PART * width))
            .enumerate()
            .map(|(number, (labels, rows))| assign(number * PART, labels, rows, &centres, width))
            .collect();
        inertia = parts.iter().map(|p| p.inertia).sum();
        if before == labels {
            break;
        }
        let mut counts = vec![0; k];
        let mut sums = vec![0.0; k * width];
        let mut farthest = (-1.0, 0);
        for part in parts {
            counts.iter_mut().zip(part.counts).for_each(|(a, b)| *a += b);
            sums.iter_mut().zip(part.sums).for_each(|(a, b)| *a += b);
            if part.farthest.0 > farthest.0 {
                farthest = part.farthest;
            }
        }
        for group in 0..k {
            let centre = &mut centres[group * width..(group + 1) * width];
            if counts[group] == 0 {
                // A group that nobody is in begins anew where the fit is worst.
                centre.copy_from_slice(points.row(farthest.1));
            } else {
                let sum = &sums[group * width..(group + 1) * width];
                centre.iter_mut().zip(sum).for_each(|(c, s)| *c = s / counts[group] as f64);
            }
        }
    }
    KMeans { centres, labels, inertia }
}

fn assign(from: usize, labels: &mut [usize], rows: &[f64], centres: &[f64], width: usize) -> Part {
    let k = centres.len() / width;
    let mut part = Part { sums: vec![0.0; k * width], counts: vec![0; k], inertia: 0.0, farthest: (-1.0, 0) };
    for (at, (label, row)) in labels.iter_mut().zip(rows.chunks(width)).enumerate() {
        let mut best = (f64::INFINITY, 0);
        for (group, centre) in centres.chunks(width).enumerate() {
            let distance = squared_distance(row, centre);
            if distance < best.0 {
                best = (distance, group);
            }
        }
        *label = best.1;
        part.inertia += best.0;
        part.counts[best.1] += 1;
        part.sums[best.1 * width..(best.1 + 1) * width].iter_mut().zip(row).for_each(|(s, x)| *s += x);
        if best.0 > part.farthest.0 {
            part.farthest = (best.0, from + at);
        }
    }
    part
}
