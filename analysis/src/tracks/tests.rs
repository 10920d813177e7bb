//! The tracker against small movies whose tracks are known, and against what `TrackMate` made of its example.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

fn movie(frames: &[&[[f64; 2]]]) -> Detections {
    let mut detections = Detections::default();
    let mut id = 0;
    for frame in frames {
        detections.push_frame(frame.iter().map(|[y, x]| {
            id += 1;
            (id - 1, [0.0, *y, *x], Vec::new())
        }));
    }
    detections
}

fn pairs(links: &[Link]) -> Vec<(u32, u32, Kind)> {
    links.iter().map(|l| (l.source, l.target, l.kind)).collect()
}

#[test]
fn the_sum_of_all_costs_decides_and_not_the_nearest_pair() {
    // 0 is nearest to 2, but then 1 would go far.
    let detections = movie(&[&[[0.0, 0.0], [0.0, 3.0]], &[[0.0, 2.0], [0.0, -2.1]]]);
    let links = link(&detections, &Settings { link_distance: 6.0, ..Settings::default() }, None);
    assert_eq!(pairs(&links), [(0, 3, Kind::Link), (1, 2, Kind::Link)]);
}

#[test]
fn gaps_are_closed_and_tracks_split_and_merge_where_that_is_asked_for() {
    // One object divides after frame 1; another is missing in frame 2.
    let detections = movie(&[
        &[[0.0, 0.0], [50.0, 0.0]],
        &[[0.0, 1.0], [50.0, 1.0]],
        &[[-3.0, 1.0], [3.0, 1.5]],
        &[[-4.0, 1.0], [4.0, 1.0], [50.0, 2.0]],
    ]);
    let near = Settings { link_distance: 8.0, ..Settings::default() };
    let plain = link(&detections, &near, None);
    assert!(plain.iter().all(|l| l.kind == Kind::Link));
    let gaps = link(&detections, &Settings { gap_distance: Some(8.0), ..near.clone() }, None);
    assert_eq!(gaps.len(), plain.len() + 1);
    assert!(gaps.iter().any(|l| (l.source, l.target, l.kind) == (3, 8, Kind::Gap)));
    let short = link(&detections, &Settings { gap_distance: Some(8.0), gap_frames: 1, ..near.clone() }, None);
    assert_eq!(short, plain);
    let split = Settings { split_distance: Some(8.0), ..near.clone() };
    let split = link(&detections, &split, None);
    let children: Vec<u32> = split.iter().filter(|l| l.source == 2).map(|l| l.target).collect();
    assert_eq!(children, [4, 5]);
    assert_eq!(Lineage::new(detections.len(), &split).tracks.iter().filter(|t| t.parent == 1).count(), 2);
    // Backwards in time a division is a merger.
    let mut backwards: Vec<&[[f64; 2]]> =
        vec![&[[-4.0, 1.0], [4.0, 1.0]], &[[-3.0, 1.0], [3.0, 1.5]], &[[0.0, 1.0]], &[[0.0, 0.0]]];
    backwards.truncate(4);
    let detections = movie(&backwards);
    let merged = link(&detections, &Settings { merge_distance: Some(8.0), ..near }, None);
    assert_eq!(merged.iter().filter(|l| l.target == 4).count(), 2);
}

#[test]
fn penalties_velocity_drift_and_overlaps_tell_objects_apart() {
    let near = Settings { link_distance: 6.0, ..Settings::default() };
    let targets = |links: &[Link]| pairs(links).iter().map(|p| (p.0, p.1)).collect::<Vec<_>>();
    // Two objects swap their places: only their sizes tell.
    let mut swapped = movie(&[&[[0.0, 0.0], [0.0, 4.0]], &[[0.0, 0.5], [0.0, 3.5]]]);
    swapped.features = vec![("volume".into(), vec![10.0, 30.0, 30.0, 10.0])];
    assert_eq!(targets(&link(&swapped, &near, None)), [(0, 2), (1, 3)]);
    let volume = Settings { penalties: vec![5.0], ..near.clone() };
    assert_eq!(targets(&link(&swapped, &volume, None)), [(0, 3), (1, 2)]);
    let overlaps = [Overlap { source: 0, target: 3, iou: 0.5 }, Overlap { source: 1, target: 2, iou: 0.4 }];
    assert_eq!(targets(&link(&swapped, &near, Some(&overlaps))), [(0, 3), (1, 2)]);
    // Two objects pass each other.
    let passing = movie(&[&[[0.0, 0.0], [0.0, 9.0]], &[[0.0, 4.0], [0.0, 5.0]], &[[0.0, 8.0], [0.0, 1.0]]]);
    let velocity = Settings { motion: Motion::Velocity, ..near.clone() };
    assert_eq!(targets(&link(&passing, &velocity, None)), [(0, 2), (1, 3), (2, 4), (3, 5)]);
    assert_ne!(targets(&link(&passing, &near, None)), targets(&link(&passing, &velocity, None)));
    // All move by 7, further than objects are apart.
    let row = |x: f64| -> Vec<[f64; 2]> {
        (0..6).map(|k| [f64::from(k * k) * 2.0, x + f64::from(k) * 5.0]).collect()
    };
    let rows = [row(0.0), row(3.0), row(6.0)];
    let drifting = movie(&[&rows[0], &rows[1], &rows[2]]);
    let drift = Settings { motion: Motion::Drift, link_distance: 4.0, ..near };
    let expected: Vec<(u32, u32)> = (0..12).map(|i| (i, i + 6)).collect();
    assert_eq!(targets(&link(&drifting, &drift, None)), expected);
    assert!(link(&drifting, &drift, None).iter().all(|l| l.cost < 1e-20));
}

#[test]
fn files_of_trackmate_read_back() {
    let detections = movie(&[&[[0.5, 1.25]], &[[0.0, 1.0], [2.0, 2.0]], &[[1.0, 2.0]]]);
    let link = |source, target, kind, cost| Link { source, target, kind, cost };
    let links = [link(0, 1, Kind::Link, 0.5), link(0, 2, Kind::Split, 4.0), link(2, 3, Kind::Link, 1.0)];
    let scale = Scale { unit: "µm".into(), time_step: Some(30.0) };
    let lineage = Lineage::new(4, &links);
    let text = trackmate::write(&detections, &links, &lineage, &scale, &[1.0; 4]);
    let (again, links_again, scale_again) = trackmate::read(&text).unwrap();
    assert_eq!((again, links_again, scale_again), (detections, links.to_vec(), scale));
    for (bad, said) in [
        ("<a/>", "no element Model"),
        ("<a", "no XML"),
        ("<Model><Spot ID=\"1\" FRAME=\"0\"/></Model>", "POSITION_"),
        ("<Model><Edge SPOT_SOURCE_ID=\"1\" SPOT_TARGET_ID=\"2\"/></Model>", "spot 1"),
    ] {
        assert!(trackmate::read(bad).unwrap_err().contains(said), "{bad}");
    }
}

/// Columns of a file of comma-separated numbers, by name.
fn columns<const N: usize>(path: &Path, names: [&str; N]) -> Vec<[f64; N]> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = names.map(|name| header.iter().position(|h| *h == name).unwrap());
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        at.map(|k| fields[k].parse().unwrap())
    };
    lines.map(row).collect()
}

#[test]
fn links_are_those_of_trackmate() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/laptrack");
    if !data.is_dir() {
        return;
    }
    let reach = Some(15.0);
    let plain = Settings { link_distance: 15.0, ..Settings::default() };
    let gaps = Settings { gap_distance: reach, ..plain.clone() };
    for (name, settings) in [
        ("without_gap_closing", plain),
        ("with_gap_closing", gaps.clone()),
        ("with_splitting", Settings { split_distance: reach, ..gaps.clone() }),
        ("with_merging", Settings { merge_distance: reach, ..gaps }),
    ] {
        let file = |what: &str| data.join(format!("trackmate_tracks_{name}_{what}.csv"));
        let mut spots = columns(&file("spots"), ["frame", "id", "position_y", "position_x"]);
        spots.sort_by(|a, b| a[..2].partial_cmp(&b[..2]).unwrap());
        let mut detections = Detections::default();
        for frame in 0..=spots[spots.len() - 1][0] as i64 {
            let there = spots.iter().filter(|s| s[0] as i64 == frame);
            detections.push_frame(there.map(|s| (s[1] as i64, [0.0, s[2], s[3]], Vec::new())));
        }
        let id = |i: u32| detections.ids[i as usize];
        let found: BTreeSet<(i64, i64)> =
            link(&detections, &settings, None).iter().map(|l| (id(l.source), id(l.target))).collect();
        let edges = columns(&file("edges"), ["spot_source_id", "spot_target_id"]);
        let frame: std::collections::BTreeMap<i64, f64> = spots.iter().map(|s| (s[1] as i64, s[0])).collect();
        let forward = |[a, b]: [f64; 2]| {
            let (a, b) = (a as i64, b as i64);
            if frame[&a] < frame[&b] { (a, b) } else { (b, a) }
        };
        let theirs: BTreeSet<(i64, i64)> = edges.into_iter().map(forward).collect();
        assert!(theirs.len() > 100);
        assert_eq!(found, theirs, "{name}");
        // The same from TrackMate's own file.
        let text = std::fs::read_to_string(data.join(format!("trackmate_tracks_{name}.xml"))).unwrap();
        let (detections, links, _) = trackmate::read(&text).unwrap();
        let id = |i: u32| detections.ids[i as usize];
        let read: BTreeSet<(i64, i64)> = links.iter().map(|l| (id(l.source), id(l.target))).collect();
        assert_eq!(read, theirs, "{name}.xml");
    }
}
