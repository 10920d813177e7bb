//! Contacts, and when they are lost and gained.

use super::super::tracks::table::Builder;
use super::Film;
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};

/// When a film counts. Foams are never segmented so well that the smallest films are certain, and published numbers of
/// rearrangements differ by the least film that is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// A film is there when its area exceeds this; see [`mean_film`].
    pub least_area: f64,
    /// A film that is there goes when its area falls below the least area divided by this, which is at least 1.
    pub hysteresis: f64,
    /// Greatest number of frames between the film lost and the film gained of a rearrangement.
    pub window: u32,
}

/// A contact that is lost or gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// First frame in which it is so.
    pub time: u32,
    /// The bubbles' labels, the lesser first.
    pub pair: (u32, u32),
    /// Gained rather than lost.
    pub gained: bool,
}

/// The mean area of all films of all frames; NaN if there are none.
pub fn mean_film(films: &[Film]) -> f64 {
    films.iter().map(|f| f.area).sum::<f64>() / films.len() as f64
}

/// Which pairs are in contact in each of `frames`, and the changes, in time.
pub fn changes(films: &[Film], frames: u32, rules: &Rules) -> (Vec<BTreeSet<(u32, u32)>>, Vec<Change>) {
    let mut by_frame: Vec<BTreeMap<(u32, u32), f64>> = vec![BTreeMap::new(); frames as usize];
    for film in films {
        by_frame[film.time as usize].insert(film.pair, film.area);
    }
    let mut contacts: Vec<BTreeSet<(u32, u32)>> = Vec::with_capacity(by_frame.len());
    let mut found = Vec::new();
    for (time, films) in by_frame.iter().enumerate() {
        let before = contacts.last();
        let stays = |pair: &(u32, u32)| before.is_some_and(|b| b.contains(pair));
        let there = |(pair, area): (&(u32, u32), &f64)| {
            *area > rules.least_area || stays(pair) && *area >= rules.least_area / rules.hysteresis
        };
        let now: BTreeSet<(u32, u32)> = films.iter().filter(|f| there(*f)).map(|(pair, _)| *pair).collect();
        if let Some(before) = before {
            let change = |gained| move |pair: &(u32, u32)| Change { time: time as u32, pair: *pair, gained };
            let mut changes: Vec<Change> = before.difference(&now).map(change(false)).collect();
            changes.extend(now.difference(before).map(change(true)));
            changes.sort_unstable();
            found.extend(changes);
        }
        contacts.push(now);
    }
    (contacts, found)
}

/// A row for each film: `time, a, b, area`.
pub fn films_table(films: &[Film], unit: &str) -> RecordBatch {
    let area = if unit.is_empty() { String::new() } else { format!("{unit}²") };
    Builder::default()
        .int("time", "Frame.", films.iter().map(|f| i64::from(f.time)))
        .int("a", "The lesser label.", films.iter().map(|f| i64::from(f.pair.0)))
        .int("b", "The greater label.", films.iter().map(|f| i64::from(f.pair.1)))
        .real("area", &area, "Area of the film.", films.iter().map(|f| f.area))
        .finish()
}

/// A row for each change: `time, a, b, kind`.
pub fn changes_table(changes: &[Change]) -> RecordBatch {
    Builder::default()
        .int("time", "First frame in which it is so.", changes.iter().map(|c| i64::from(c.time)))
        .int("a", "The lesser label.", changes.iter().map(|c| i64::from(c.pair.0)))
        .int("b", "The greater label.", changes.iter().map(|c| i64::from(c.pair.1)))
        .text("kind", "lost or gained.", changes.iter().map(|c| if c.gained { "gained" } else { "lost" }))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_comes_above_the_least_area_and_goes_well_below_it() {
        let areas = [0.9, 1.1, 0.9, 0.7, 0.6, 0.9, 1.0];
        let film = |(time, &area): (usize, &f64)| Film { time: time as u32, pair: (3, 8), area };
        let films: Vec<Film> = areas.iter().enumerate().map(film).collect();
        let rules = Rules { least_area: 1.0, hysteresis: 1.5, window: 1 };
        let (contacts, found) = changes(&films, 8, &rules);
        let there: Vec<usize> = contacts.iter().map(BTreeSet::len).collect();
        assert_eq!(there, [0, 1, 1, 1, 0, 0, 0, 0]);
        let change = |time, gained| Change { time, pair: (3, 8), gained };
        assert_eq!(found, [change(1, true), change(4, false)]);
    }
}
