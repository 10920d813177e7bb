//! Tracks and their parents, from links.

use super::detections::Detections;
use super::link::Link;
use super::table::Builder;
use arrow::record_batch::RecordBatch;

/// A track: detections of which each is followed by one other and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its detections, in time.
    pub detections: Vec<u32>,
    /// Number of the track that it comes of, from 1; 0 if there is none. Of tracks that merge, that of the first.
    pub parent: u32,
}

/// The tracks of a movie. A track ends where it splits, and where others merge with it; what follows are tracks of their
/// own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// Tracks 1, 2, …, in the order of their first detections.
    pub tracks: Vec<Track>,
    /// Number of the track of each detection.
    pub track_of: Vec<u32>,
}

impl Lineage {
    /// The tracks that links make of so many detections.
    pub fn new(detections: usize, links: &[Link]) -> Self {
        let mut targets = vec![0u32; detections];
        let mut sources: Vec<(u32, u32)> = vec![(0, u32::MAX); detections];
        for link in links {
            targets[link.source as usize] += 1;
            let (count, first) = &mut sources[link.target as usize];
            *count += 1;
            *first = link.source.min(*first);
        }
        let mut tracks: Vec<Track> = Vec::new();
        let mut track_of = vec![0u32; detections];
        // Sources come before their targets.
        for i in 0..detections {
            let (count, source) = sources[i];
            let before = if count > 0 { track_of[source as usize] } else { 0 };
            if count == 1 && targets[source as usize] == 1 {
                track_of[i] = before;
                tracks[before as usize - 1].detections.push(i as u32);
            } else {
                tracks.push(Track { detections: vec![i as u32], parent: before });
                track_of[i] = tracks.len() as u32;
            }
        }
        Self { tracks, track_of }
    }
}

/// A row for each link: `source`, `target` (ids, or `frame:label`), `kind`, `cost` and the `track` of the target.
pub fn links_table(detections: &Detections, links: &[Link], lineage: &Lineage) -> RecordBatch {
    let mut table = Builder::default();
    let names = |of: fn(&Link) -> u32| links.iter().map(move |l| of(l) as usize);
    let id = "Detection, by its id or as frame:label.";
    if detections.labelled {
        table.text("source", id, names(|l| l.source).map(|i| detections.name(i)));
        table.text("target", id, names(|l| l.target).map(|i| detections.name(i)));
    } else {
        table.int("source", id, names(|l| l.source).map(|i| detections.ids[i]));
        table.int("target", id, names(|l| l.target).map(|i| detections.ids[i]));
    }
    table
        .text("kind", "link, gap, split or merge.", links.iter().map(|l| l.kind.name()))
        .real("cost", "", "Squared distance with penalties, or 1 − overlap.", links.iter().map(|l| l.cost))
        .int(
            "track",
            "Track of the target.",
            links.iter().map(|l| i64::from(lineage.track_of[l.target as usize])),
        )
        .finish()
}

/// A row for each detection: its name, time and track.
pub fn objects_table(detections: &Detections, lineage: &Lineage) -> RecordBatch {
    let mut table = Builder::default();
    let frames = detections.frame_of();
    let name = if detections.labelled { "label" } else { "id" };
    table
        .int("track", "Number of the track.", lineage.track_of.iter().map(|&t| i64::from(t)))
        .int("time", "Frame.", frames.iter().map(|&f| detections.time(f)))
        .int(name, "Number of the detection.", detections.ids.iter().copied());
    for (a, name) in ["z", "y", "x"].into_iter().enumerate() {
        table.real(name, "", "Position.", detections.positions.iter().map(|p| p[a]));
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::super::link::Kind;
    use super::*;

    #[test]
    fn tracks_end_where_they_split_and_merge() {
        let link = |source, target, kind| Link { source, target, kind, cost: 0.0 };
        // 0 → 1, which splits into 2 and 3; both merge into 4 → 5.
        let links = [
            link(0, 1, Kind::Link),
            link(1, 2, Kind::Link),
            link(1, 3, Kind::Split),
            link(2, 4, Kind::Link),
            link(3, 4, Kind::Merge),
            link(4, 5, Kind::Gap),
        ];
        let lineage = Lineage::new(7, &links);
        assert_eq!(lineage.track_of, [1, 1, 2, 3, 4, 4, 5]);
        let parents: Vec<u32> = lineage.tracks.iter().map(|t| t.parent).collect();
        assert_eq!(parents, [0, 1, 1, 2, 0]);
    }
}
