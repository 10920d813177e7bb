//! Files of `TrackMate` (J.-Y. Tinevez et al. 2017, doi:10.1016/j.ymeth.2016.09.016): spots by frame, and edges between
//! them by track.

use super::detections::Detections;
use super::lineage::Lineage;
use super::link::{Kind, Link};
use super::{Result, Scale};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Detections and links of a `TrackMate` file, and the unit of its lengths and its seconds between frames where it gives
/// them.
///
/// # Errors
/// If it is no such file, or an edge goes from a spot that isn't there.
pub fn read(text: &str) -> Result<(Detections, Vec<Link>, Scale)> {
    let document = roxmltree::Document::parse(text).map_err(|e| format!("is no XML: {e}"))?;
    let model = document.descendants().find(|n| n.has_tag_name("Model"));
    let model = model.ok_or("is no file of TrackMate: it has no element Model")?;
    let mut spots: BTreeMap<(i64, i64), [f64; 3]> = BTreeMap::new();
    let mut steps: Vec<f64> = Vec::new();
    for spot in model.descendants().filter(|n| n.has_tag_name("Spot")) {
        let number = |name: &str| {
            let value = spot.attribute(name).and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite());
            value.ok_or_else(|| format!("a spot has no number {name}"))
        };
        let (id, frame) = (number("ID")? as i64, number("FRAME")? as i64);
        if let (true, Ok(time)) = (frame > 0, number("POSITION_T")) {
            steps.push(time / frame as f64);
        }
        let at = [number("POSITION_Z")?, number("POSITION_Y")?, number("POSITION_X")?];
        if spots.insert((frame, id), at).is_some() {
            return Err(format!("spot {id} is there twice"));
        }
    }
    let mut detections = Detections::default();
    let (first, last) =
        (spots.keys().next().map_or(0, |k| k.0.min(0)), spots.keys().next_back().map_or(-1, |k| k.0));
    if last - first > 10_000_000 {
        return Err(format!("frames from {first} to {last} can't be"));
    }
    detections.first = first;
    for frame in first..=last {
        let there = spots.range((frame, i64::MIN)..=(frame, i64::MAX));
        detections.push_frame(there.map(|(&(_, id), &at)| (id, at, Vec::new())));
    }
    let numbers: BTreeMap<i64, u32> = detections.ids.iter().zip(0..).map(|(&id, i)| (id, i)).collect();
    let frame_of = detections.frame_of();
    let mut links = Vec::new();
    for edge in model.descendants().filter(|n| n.has_tag_name("Edge")) {
        let end = |name: &str| {
            let id = edge
                .attribute(name)
                .and_then(|v| v.parse::<i64>().ok())
                .ok_or(format!("an edge has no {name}"))?;
            numbers.get(&id).copied().ok_or_else(|| format!("an edge goes to spot {id}, which is not there"))
        };
        // Edges may be written in either direction.
        let (a, b) = (end("SPOT_SOURCE_ID")?, end("SPOT_TARGET_ID")?);
        let (source, target) = (a.min(b), a.max(b));
        let apart = frame_of[target as usize] - frame_of[source as usize];
        if apart == 0 {
            return Err(format!("an edge lies within frame {}", frame_of[source as usize]));
        }
        let cost = edge.attribute("LINK_COST").and_then(|v| v.parse().ok()).unwrap_or(f64::NAN);
        let kind = if apart > 1 { Kind::Gap } else { Kind::Link };
        links.push(Link { source, target, kind, cost });
    }
    links.sort_by_key(|l| (l.source, l.target));
    name_branches(&mut links);
    steps.sort_unstable_by(f64::total_cmp);
    let seconds =
        model.attribute("timeunits").is_some_and(|u| ["s", "sec", "second", "seconds"].contains(&u));
    let time_step = steps.get(steps.len() / 2).copied().filter(|step| seconds && *step > 0.0);
    let unit =
        model.attribute("spatialunits").unwrap_or_default().replace("pixel", "voxel").replace("micron", "µm");
    Ok((detections, links, Scale { unit, time_step }))
}

/// Further links of a source are splits, those of a target merges.
fn name_branches(links: &mut [Link]) {
    let (mut sources, mut targets) = (BTreeMap::new(), BTreeMap::new());
    for link in links {
        let (split, merge) =
            (sources.entry(link.source).or_insert(0), targets.entry(link.target).or_insert(0));
        if *split > 0 {
            link.kind = Kind::Split;
        } else if *merge > 0 {
            link.kind = Kind::Merge;
        }
        (*split, *merge) = (*split + 1, *merge + 1);
    }
}

/// A file that `TrackMate` opens. `radii` are those of the detections.
///
/// # Panics
/// If there is not a radius for each.
pub fn write(
    detections: &Detections,
    links: &[Link],
    lineage: &Lineage,
    scale: &Scale,
    radii: &[f64],
) -> String {
    assert_eq!(radii.len(), detections.len(), "a radius for each detection");
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let unit = if scale.unit.is_empty() || scale.unit == "voxel" { "pixel" } else { &scale.unit };
    let time_unit = if scale.time_step.is_some() { "sec" } else { "frame" };
    let step = scale.time_step.unwrap_or(1.0);
    let mut x = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TrackMate version=\"7.11.1\">\n");
    let _ = writeln!(x, "  <Model spatialunits=\"{}\" timeunits=\"{time_unit}\">", escaped(unit));
    x.push_str(FEATURES);
    let _ = writeln!(x, "    <AllSpots nspots=\"{}\">", detections.len());
    // TrackMate names spots by one number in the whole movie.
    let id = |i: usize| if detections.labelled { i as i64 } else { detections.ids[i] };
    for frame in 0..detections.frames() {
        let time = detections.time(frame as u32);
        let _ = writeln!(x, "      <SpotsInFrame frame=\"{time}\">");
        for i in detections.frame(frame) {
            let ([pz, py, px], r) = (detections.positions[i], radii[i]);
            let (id, name, t) = (id(i), detections.name(i), time as f64 * step);
            let _ = writeln!(
                x,
                "        <Spot ID=\"{id}\" name=\"{name}\" QUALITY=\"1.0\" POSITION_X=\"{px:?}\" POSITION_Y=\"{py:?}\" \
                 POSITION_Z=\"{pz:?}\" POSITION_T=\"{t:?}\" FRAME=\"{time}\" RADIUS=\"{r:?}\" VISIBILITY=\"1\" />"
            );
        }
        x.push_str("      </SpotsInFrame>\n");
    }
    x.push_str("    </AllSpots>\n    <AllTracks>\n");
    let families = families(lineage);
    let mut by_family: BTreeMap<u32, Vec<&Link>> = BTreeMap::new();
    for link in links {
        let track = lineage.track_of[link.target as usize];
        by_family.entry(families[track as usize - 1]).or_default().push(link);
    }
    for (number, links) in by_family.values().enumerate() {
        let _ = writeln!(
            x,
            "      <Track name=\"Track_{number}\" TRACK_ID=\"{number}\" TRACK_INDEX=\"{number}\">"
        );
        for link in links {
            let (source, target, cost) = (id(link.source as usize), id(link.target as usize), link.cost);
            let _ = writeln!(
                x,
                "        <Edge SPOT_SOURCE_ID=\"{source}\" SPOT_TARGET_ID=\"{target}\" LINK_COST=\"{cost:?}\" />"
            );
        }
        x.push_str("      </Track>\n");
    }
    x.push_str("    </AllTracks>\n    <FilteredTracks>\n");
    for number in 0..by_family.len() {
        let _ = writeln!(x, "      <TrackID TRACK_ID=\"{number}\" />");
    }
    x.push_str("    </FilteredTracks>\n  </Model>\n</TrackMate>\n");
    x
}

/// For each track the first of those that it is related to by splits and merges, as far as parents say.
fn families(lineage: &Lineage) -> Vec<u32> {
    let mut first: Vec<u32> = Vec::with_capacity(lineage.tracks.len());
    for (k, track) in lineage.tracks.iter().enumerate() {
        let family = if track.parent == 0 { k as u32 } else { first[track.parent as usize - 1] };
        first.push(family);
    }
    first
}

/// Declarations of the file's columns.
const FEATURES: &str = r#"    <FeatureDeclarations>
      <SpotFeatures>
        <Feature feature="QUALITY" name="Quality" shortname="Quality" dimension="QUALITY" isint="false" />
        <Feature feature="POSITION_X" name="X" shortname="X" dimension="POSITION" isint="false" />
        <Feature feature="POSITION_Y" name="Y" shortname="Y" dimension="POSITION" isint="false" />
        <Feature feature="POSITION_Z" name="Z" shortname="Z" dimension="POSITION" isint="false" />
        <Feature feature="POSITION_T" name="T" shortname="T" dimension="TIME" isint="false" />
        <Feature feature="FRAME" name="Frame" shortname="Frame" dimension="NONE" isint="true" />
        <Feature feature="RADIUS" name="Radius" shortname="R" dimension="LENGTH" isint="false" />
        <Feature feature="VISIBILITY" name="Visibility" shortname="Visibility" dimension="NONE" isint="true" />
      </SpotFeatures>
      <EdgeFeatures>
        <Feature feature="SPOT_SOURCE_ID" name="Source spot ID" shortname="Source" dimension="NONE" isint="true" />
        <Feature feature="SPOT_TARGET_ID" name="Target spot ID" shortname="Target" dimension="NONE" isint="true" />
        <Feature feature="LINK_COST" name="Edge cost" shortname="Cost" dimension="COST" isint="false" />
      </EdgeFeatures>
      <TrackFeatures>
        <Feature feature="TRACK_INDEX" name="Track index" shortname="Index" dimension="NONE" isint="true" />
        <Feature feature="TRACK_ID" name="Track ID" shortname="ID" dimension="NONE" isint="true" />
      </TrackFeatures>
    </FeatureDeclarations>
"#;
