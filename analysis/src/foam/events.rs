//! Rearrangements (T1), and bubbles that vanish (T2) or burst into another.

use super::super::tracks::table::Builder;
use super::Change;
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};

/// A rearrangement: two bubbles lose their contact, two of their common neighbours gain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct T1 {
    /// First frame without the film that is lost.
    pub time: u32,
    /// Bubbles that touched.
    pub lost: (u32, u32),
    /// First frame with the film that is gained.
    pub gained_time: u32,
    /// Bubbles that touch now.
    pub gained: (u32, u32),
}

/// Volume of each bubble of a frame, by label.
pub type Bubbles = BTreeMap<u32, f64>;

/// The end of a bubble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// First frame without it.
    pub time: u32,
    /// Its label.
    pub bubble: u32,
    /// The neighbour that took most of its volume (coalescence), or 0 if it shrank away (T2).
    pub into: u32,
}

/// Pairs each contact lost with one that is gained, at most `window` frames before or after, between two bubbles that both
/// touched both bubbles of the one lost when it was last there (D. Weaire and N. Rivier 1984,
/// doi:10.1080/00107518408210979). A change is of one pair at most: those nearest in time go first.
pub fn rearrangements(contacts: &[BTreeSet<(u32, u32)>], changes: &[Change], window: u32) -> Vec<T1> {
    let mut gains: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for change in changes.iter().filter(|c| c.gained) {
        gains.entry(change.pair).or_default().push(change.time);
    }
    let mut candidates = Vec::new();
    let (mut neighbours, mut at) = (BTreeMap::new(), None);
    for change in changes.iter().filter(|c| !c.gained) {
        if at != Some(change.time) {
            neighbours = touching(&contacts[change.time as usize - 1]);
            at = Some(change.time);
        }
        let (a, b) = change.pair;
        let common: Vec<u32> = neighbours[&a].intersection(&neighbours[&b]).copied().collect();
        for (i, &c) in common.iter().enumerate() {
            for &d in &common[i + 1..] {
                for &time in gains.get(&(c, d)).into_iter().flatten() {
                    let apart = time.abs_diff(change.time);
                    if apart <= window {
                        let t1 =
                            T1 { time: change.time, lost: change.pair, gained_time: time, gained: (c, d) };
                        candidates.push((apart, t1));
                    }
                }
            }
        }
    }
    candidates.sort_unstable();
    let (mut lost, mut gained) = (BTreeSet::new(), BTreeSet::new());
    let mut found: Vec<T1> = Vec::new();
    for (_, t1) in candidates {
        let (l, g) = ((t1.time, t1.lost), (t1.gained_time, t1.gained));
        if !lost.contains(&l) && !gained.contains(&g) {
            lost.insert(l);
            gained.insert(g);
            found.push(t1);
        }
    }
    found.sort_unstable();
    found
}

fn touching(contacts: &BTreeSet<(u32, u32)>) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut neighbours: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for &(a, b) in contacts {
        neighbours.entry(a).or_default().insert(b);
        neighbours.entry(b).or_default().insert(a);
    }
    neighbours
}

/// Bubbles that are in a frame and not in the next. One whose neighbour grows by more than half of its volume at the same
/// time has become a part of that neighbour.
pub fn events(bubbles: &[Bubbles], contacts: &[BTreeSet<(u32, u32)>]) -> Vec<Event> {
    let mut found = Vec::new();
    for (before, frames) in bubbles.windows(2).enumerate() {
        let gone: Vec<u32> = frames[0].keys().filter(|b| !frames[1].contains_key(b)).copied().collect();
        if gone.is_empty() {
            continue;
        }
        let neighbours = touching(&contacts[before]);
        for bubble in gone {
            let grown = |b: &u32| Some((frames[1].get(b)? - frames[0].get(b)?, *b));
            let near = neighbours.get(&bubble).into_iter().flatten().filter_map(grown);
            let most = near.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            let into = most.filter(|(growth, _)| *growth > frames[0][&bubble] / 2.0).map_or(0, |(_, b)| b);
            found.push(Event { time: before as u32 + 1, bubble, into });
        }
    }
    found
}

/// A row for each rearrangement: `time, lost_a, lost_b, gained_a, gained_b, gained_time`.
pub fn t1_table(events: &[T1]) -> RecordBatch {
    let column = |of: fn(&T1) -> u32| events.iter().map(move |e| i64::from(of(e)));
    Builder::default()
        .int("time", "First frame without the film lost.", column(|e| e.time))
        .int("lost_a", "Bubble of the film lost.", column(|e| e.lost.0))
        .int("lost_b", "Bubble of the film lost.", column(|e| e.lost.1))
        .int("gained_a", "Bubble of the film gained.", column(|e| e.gained.0))
        .int("gained_b", "Bubble of the film gained.", column(|e| e.gained.1))
        .int("gained_time", "First frame with the film gained.", column(|e| e.gained_time))
        .finish()
}

/// A row for each bubble that ends: `time, kind, bubble, into`.
pub fn events_table(events: &[Event]) -> RecordBatch {
    Builder::default()
        .int("time", "First frame without the bubble.", events.iter().map(|e| i64::from(e.time)))
        .text(
            "kind",
            "vanished (T2) or coalesced.",
            events.iter().map(|e| if e.into == 0 { "vanished" } else { "coalesced" }),
        )
        .int("bubble", "Label of the bubble.", events.iter().map(|e| i64::from(e.bubble)))
        .int(
            "into",
            "The bubble that it became a part of; 0 if none.",
            events.iter().map(|e| i64::from(e.into)),
        )
        .finish()
}

#[cfg(test)]
mod tests {
    use super::super::{Film, Rules, changes};
    use super::*;

    fn films(frames: &[&[(u32, u32)]]) -> (Vec<BTreeSet<(u32, u32)>>, Vec<Change>) {
        let film = |time: usize| move |pair: &(u32, u32)| Film { time: time as u32, pair: *pair, area: 1.0 };
        let films: Vec<Film> =
            frames.iter().enumerate().flat_map(|(t, pairs)| pairs.iter().map(film(t))).collect();
        changes(&films, frames.len() as u32, &Rules { least_area: 0.5, hysteresis: 1.5, window: 1 })
    }

    #[test]
    fn four_bubbles_swap_neighbours_within_the_window() {
        let around = [(1, 3), (1, 4), (2, 3), (2, 4)];
        let (before, between, after) =
            ([&around[..], &[(1, 2)]].concat(), around.to_vec(), [&around[..], &[(3, 4)]].concat());
        let t1 = |frames: &[&[(u32, u32)]], window| {
            let (contacts, changes) = films(frames);
            rearrangements(&contacts, &changes, window)
        };
        let found = T1 { time: 1, lost: (1, 2), gained_time: 1, gained: (3, 4) };
        assert_eq!(t1(&[&before, &after], 0), [found]);
        assert_eq!(t1(&[&after, &before], 0), [T1 { lost: (3, 4), gained: (1, 2), ..found }]);
        assert_eq!(t1(&[&before, &between, &after], 0), []);
        assert_eq!(t1(&[&before, &between, &after], 1), [T1 { gained_time: 2, ..found }]);
        // Bubbles that are no neighbours of both swap nothing.
        assert_eq!(t1(&[&[(1, 2), (1, 3), (2, 3)], &[(1, 3), (2, 3), (3, 4)]], 1), []);
    }

    #[test]
    fn bubbles_vanish_or_coalesce() {
        let (contacts, _) = films(&[&[(1, 2), (1, 3)], &[(1, 3)]]);
        let bubbles = [Bubbles::from([(1, 10.0), (2, 4.0), (3, 8.0)]), Bubbles::from([(1, 13.0), (3, 8.5)])];
        assert_eq!(events(&bubbles, &contacts), [Event { time: 1, bubble: 2, into: 1 }]);
        let shrunk = [bubbles[0].clone(), Bubbles::from([(1, 11.0), (3, 8.5)])];
        assert_eq!(events(&shrunk, &contacts), [Event { time: 1, bubble: 2, into: 0 }]);
    }
}
