//! Who touches whom in a foam, through time: films between bubbles, contacts lost and gained, rearrangements (T1), and
//! bubbles that vanish or burst into another. Images are read elsewhere.

mod changes;
mod events;

pub use changes::{Change, Rules, changes, changes_table, films_table, mean_film};
pub use events::{Bubbles, Event, T1, events, events_table, rearrangements, t1_table};

/// A film between two bubbles at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Film {
    /// Frame.
    pub time: u32,
    /// The bubbles' labels, the lesser first.
    pub pair: (u32, u32),
    /// Area.
    pub area: f64,
}
