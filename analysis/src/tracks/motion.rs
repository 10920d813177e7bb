//! Figures of each track.

use super::detections::Detections;
use super::grid::squared;
use super::lineage::{Lineage, Track};
use super::table::Builder;
use arrow::record_batch::RecordBatch;
use rayon::prelude::*;

/// Durations of frames and units of lengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Unit of positions; empty if unknown.
    pub unit: String,
    /// Seconds between frames; times are in frames without.
    pub time_step: Option<f64>,
}

/// Lags over which mean squared displacements are fitted, at most, and as a part of the track's frames: beyond that few
/// independent steps are left (X. Michalet 2010, doi:10.1103/PhysRevE.82.041914).
const LAGS: usize = 10;
const PART: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Figures {
    gaps: i64,
    path: f64,
    displacement: f64,
    speed: f64,
    fastest: f64,
    straightness: f64,
    msd: f64,
    exponent: f64,
    confinement: f64,
    gyration: f64,
    turning: f64,
}

/// A row for each track: where and when it begins and ends, its parent, and figures of its motion. What needs more
/// detections than a track has is NaN.
pub fn tracks_table(detections: &Detections, lineage: &Lineage, scale: &Scale) -> RecordBatch {
    let frame_of = detections.frame_of();
    let step = scale.time_step.unwrap_or(1.0);
    let figures: Vec<Figures> =
        lineage.tracks.par_iter().map(|track| figures(detections, &frame_of, track, step)).collect();
    let frame = |i: u32| detections.time(frame_of[i as usize]);
    let first = |t: &Track| t.detections[0];
    let last = |t: &Track| t.detections[t.detections.len() - 1];
    let tracks = &lineage.tracks;
    let time = if scale.time_step.is_some() { "s" } else { "frame" };
    let (length, speed) = (&scale.unit[..], format!("{}/{time}", scale.unit));
    let area = if length.is_empty() { String::new() } else { format!("{length}²") };
    let mut table = Builder::default();
    table
        .int("track", "Number of the track.", 1..=tracks.len() as i64)
        .int("parent", "The track that it comes of; 0 if none.", tracks.iter().map(|t| i64::from(t.parent)))
        .int("start", "First frame.", tracks.iter().map(|t| frame(first(t))))
        .int("end", "Last frame.", tracks.iter().map(|t| frame(last(t))))
        .int("detections", "Number of detections.", tracks.iter().map(|t| t.detections.len() as i64))
        .int("gaps", "Frames between start and end without a detection.", figures.iter().map(|f| f.gaps));
    let places = [("start", first as fn(&Track) -> u32), ("end", last)];
    for (name, of) in places {
        for (a, axis) in ["z", "y", "x"].into_iter().enumerate() {
            let at = tracks.iter().map(|t| detections.positions[of(t) as usize][a]);
            table.real(&format!("{name}_{axis}"), length, &format!("Position at the {name}."), at);
        }
    }
    let all: [(&str, &str, &str, fn(&Figures) -> f64); 10] = [
        ("path_length", length, "Sum of the distances between successive positions.", |f| f.path),
        ("displacement", length, "Distance from the first to the last position.", |f| f.displacement),
        ("speed", &speed, "Path length ÷ duration.", |f| f.speed),
        ("speed_max", &speed, "Greatest distance between successive positions ÷ time between them.", |f| {
            f.fastest
        }),
        (
            "straightness",
            "",
            "Displacement ÷ path length (confinement ratio; J. B. Beltman et al. 2009, doi:10.1038/nri2638).",
            |f| f.straightness,
        ),
        ("msd", &area, "Mean squared displacement over one frame.", |f| f.msd),
        (
            "msd_exponent",
            "",
            "Slope of the logarithm of the mean squared displacement over that of the time, from one frame to a quarter of \
             the track, at most 10 frames: 1 diffusion, 2 straight motion, below 1 confined (H. Qian et al. 1991, \
             doi:10.1016/S0006-3495(91)82125-7).",
            |f| f.exponent,
        ),
        (
            "confinement",
            "",
            "Mean squared displacement over the longest time that is fitted ÷ what diffusion makes of that over one frame; \
             below 1 where motion is confined.",
            |f| f.confinement,
        ),
        ("gyration_radius", length, "Root mean squared distance of the positions from their mean.", |f| {
            f.gyration
        }),
        ("turning_angle", "°", "Mean angle between successive steps: 0 straight on, 90 at random.", |f| {
            f.turning
        }),
    ];
    for (name, unit, doc, of) in all {
        table.real(name, unit, doc, figures.iter().map(of));
    }
    table.finish()
}

fn figures(detections: &Detections, frame_of: &[u32], track: &Track, step: f64) -> Figures {
    let at: Vec<[f64; 3]> = track.detections.iter().map(|&i| detections.positions[i as usize]).collect();
    let when: Vec<usize> = track.detections.iter().map(|&i| frame_of[i as usize] as usize).collect();
    let n = at.len();
    let frames = when[n - 1] - when[0];
    let lengths: Vec<f64> = at.windows(2).map(|w| squared(w[0], w[1]).sqrt()).collect();
    let path: f64 = lengths.iter().sum();
    let displacement = squared(at[0], at[n - 1]).sqrt();
    let speeds = lengths.iter().zip(when.windows(2)).map(|(l, w)| l / ((w[1] - w[0]) as f64 * step));
    let msd = msd(&at, &when);
    let fitted: Vec<(f64, f64)> =
        msd.iter().enumerate().filter(|(_, m)| **m > 0.0).map(|(lag, m)| ((lag + 1) as f64, *m)).collect();
    let one = msd.first().copied().unwrap_or(f64::NAN);
    let confinement = if msd.len() > 1 { msd[msd.len() - 1] / (msd.len() as f64 * one) } else { f64::NAN };
    Figures {
        gaps: (frames + 1 - n) as i64,
        path,
        displacement,
        speed: path / (frames as f64 * step),
        fastest: speeds.fold(f64::NAN, f64::max),
        straightness: displacement / path,
        msd: one,
        exponent: slope(fitted.iter().map(|(x, y)| (x.ln(), y.ln()))),
        confinement,
        gyration: gyration(&at),
        turning: turning(&at),
    }
}

/// Mean squared displacement over 1, 2, … frames, over all pairs of detections so far apart.
fn msd(at: &[[f64; 3]], when: &[usize]) -> Vec<f64> {
    let frames = when[when.len() - 1] - when[0];
    let longest = (frames / PART).clamp(1, LAGS).min(frames);
    let mut sums = vec![(0u64, 0.0); longest];
    for i in 0..at.len() {
        for j in i + 1..at.len() {
            let lag = when[j] - when[i];
            if lag > longest {
                break;
            }
            sums[lag - 1].0 += 1;
            sums[lag - 1].1 += squared(at[i], at[j]);
        }
    }
    sums.iter().map(|(n, sum)| sum / *n as f64).collect()
}

/// Slope of the line through points by least squares; NaN of fewer than two.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = points.clone().count() as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (xx, xy) =
        points.fold((0.0, 0.0), |(xx, xy), p| (xx + (p.0 - x).powi(2), xy + (p.0 - x) * (p.1 - y)));
    if n < 2.0 { f64::NAN } else { xy / xx }
}

fn gyration(at: &[[f64; 3]]) -> f64 {
    let n = at.len() as f64;
    let mean: [f64; 3] = std::array::from_fn(|a| at.iter().map(|p| p[a]).sum::<f64>() / n);
    (at.iter().map(|p| squared(*p, mean)).sum::<f64>() / n).sqrt()
}

/// Mean angle between successive steps, in degrees; steps of no length are left out.
fn turning(at: &[[f64; 3]]) -> f64 {
    let steps: Vec<[f64; 3]> = at.windows(2).map(|w| std::array::from_fn(|a| w[1][a] - w[0][a])).collect();
    let length = |v: &[f64; 3]| v.iter().map(|c| c * c).sum::<f64>().sqrt();
    let angles: Vec<f64> = steps
        .windows(2)
        .filter(|w| length(&w[0]) > 0.0 && length(&w[1]) > 0.0)
        .map(|w| {
            let dot: f64 = (0..3).map(|a| w[0][a] * w[1][a]).sum();
            (dot / (length(&w[0]) * length(&w[1]))).clamp(-1.0, 1.0).acos().to_degrees()
        })
        .collect();
    angles.iter().sum::<f64>() / angles.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_track_has_exponent_2_and_a_circle_turns() {
        let line: Vec<[f64; 3]> = (0..20).map(|t| [0.0, 2.0 * f64::from(t), 0.0]).collect();
        let when: Vec<usize> = (0..20).collect();
        let m = msd(&line, &when);
        assert_eq!(m, [4.0, 16.0, 36.0, 64.0]);
        let points = m.iter().enumerate().map(|(k, m)| (((k + 1) as f64).ln(), m.ln()));
        assert!((slope(points) - 2.0).abs() < 1e-12);
        assert_eq!(turning(&line), 0.0);
        let square = [[0.0; 3], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0; 3]];
        assert!((turning(&square) - 90.0).abs() < 1e-9);
        // A detection that is missing is none of the pairs.
        assert_eq!(msd(&[[0.0; 3], [0.0, 0.0, 2.0], [0.0, 0.0, 3.0]], &[0, 2, 3]), [1.0]);
    }
}
