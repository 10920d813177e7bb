//! The text files of the Cell Tracking Challenge (M. Maška et al. 2023, doi:10.1038/s41592-023-01879-y): a line
//! `L B E P` for each track with its label, first and last frame, and the label of its parent or 0.

use super::Result;
use super::detections::Detections;
use super::lineage::Lineage;
use std::collections::BTreeMap;

/// A line of `man_track.txt` or `res_track.txt`. A track has its label in all frames from `begin` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Label in the masks.
    pub label: u32,
    /// First frame, from 0.
    pub begin: u32,
    /// Last frame.
    pub end: u32,
    /// Label of the track that it comes of; 0 if there is none.
    pub parent: u32,
}

/// Reads the lines of a file.
///
/// # Errors
/// A line that isn't four whole numbers, a label twice or 0, an end before the beginning, a parent that isn't there.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (n, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let numbers: Option<Vec<u32>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let Some(&[label, begin, end, parent]) = numbers.as_deref() else {
            return Err(format!("line {}: \"{}\" is not four whole numbers", n + 1, text.trim()));
        };
        if label == 0 || end < begin {
            return Err(format!("line {}: track {label} from frame {begin} to {end} can't be", n + 1));
        }
        lines.push(Line { label, begin, end, parent });
    }
    lines.sort_unstable();
    if let Some(twice) = lines.windows(2).find(|w| w[0].label == w[1].label) {
        return Err(format!("track {} is there twice", twice[0].label));
    }
    let there = |label: u32| lines.binary_search_by_key(&label, |line| line.label).is_ok();
    if let Some(line) = lines.iter().find(|line| line.parent != 0 && !there(line.parent)) {
        return Err(format!("track {} has the parent {}, which is not there", line.label, line.parent));
    }
    Ok(lines)
}

/// Writes the lines of a file.
pub fn text(lines: &[Line]) -> String {
    lines.iter().map(|l| format!("{} {} {} {}\n", l.label, l.begin, l.end, l.parent)).collect()
}

/// Tracks as the challenge has them, and the label of each detection. What follows a gap is a track of its own, whose
/// parent is what came before.
pub fn of_lineage(detections: &Detections, lineage: &Lineage) -> (Vec<Line>, Vec<u32>) {
    let frame_of = detections.frame_of();
    let mut labels = vec![0; detections.len()];
    let mut lines: Vec<Line> = Vec::new();
    // Label of the last part of each track.
    let mut last = BTreeMap::from([(0, 0)]);
    let mut next = lineage.tracks.len() as u32;
    for (k, track) in lineage.tracks.iter().enumerate() {
        let parts = track.detections.chunk_by(|a, b| frame_of[*a as usize] + 1 == frame_of[*b as usize]);
        let mut parent = last[&track.parent];
        for (n, part) in parts.enumerate() {
            let label = if n == 0 {
                k as u32 + 1
            } else {
                next += 1;
                next
            };
            part.iter().for_each(|&i| labels[i as usize] = label);
            let [begin, end] = [part[0], part[part.len() - 1]].map(|i| frame_of[i as usize]);
            lines.push(Line { label, begin, end, parent });
            parent = label;
        }
        last.insert(k as u32 + 1, parent);
    }
    lines.sort_unstable();
    (lines, labels)
}

#[cfg(test)]
mod tests {
    use super::super::link::{Kind, Link};
    use super::*;

    #[test]
    fn files_read_back_and_bad_lines_are_named() {
        let lines = parse("2 3 5 1\n1 0 2 0\n\n").unwrap();
        assert_eq!(text(&lines), "1 0 2 0\n2 3 5 1\n");
        for (bad, said) in
            [("1 0 2", "line 1"), ("1 0 2 7", "parent 7"), ("1 3 2 0", "can't be"), ("a b c d", "four")]
        {
            assert!(parse(bad).unwrap_err().contains(said), "{bad}");
        }
    }

    #[test]
    fn what_follows_a_gap_is_a_track_of_its_own() {
        let mut detections = Detections::default();
        for frame in 0..5i64 {
            let there = frame != 2;
            detections.push_frame(there.then_some((frame, [0.0; 3], Vec::new())));
        }
        let link = |source, target, kind| Link { source, target, kind, cost: 0.0 };
        let links = [link(0, 1, Kind::Link), link(1, 2, Kind::Gap), link(2, 3, Kind::Link)];
        let (lines, labels) = of_lineage(&detections, &Lineage::new(4, &links));
        assert_eq!(text(&lines), "1 0 1 0\n2 3 4 1\n");
        assert_eq!(labels, [1, 1, 2, 2]);
    }
}
