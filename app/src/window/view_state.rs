//! State of the view: everything that is shown besides the images themselves. Sessions save it; undo doesn't concern it.

use super::display_panel::HistogramSource;
use super::layout::Layout;
use super::links::Links;
use super::panes::Tile;
use egui_tiles::{TileId, Tree};
use std::time::Instant;

/// The panels on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Display settings of the active layer.
    Display,
    /// Manual segmentation.
    Segment,
    /// The recipe.
    Recipe,
}

/// State of the view.
pub struct ViewState {
    /// Indices of the active scene and of its active layer, which the panels are about.
    pub chosen: (usize, usize),
    /// The pane that has the keys.
    pub active: Option<Tile>,
    /// True if crosshairs are shown.
    pub crosshair: bool,
    /// Properties that linked images share.
    pub links: Links,
    /// Panel on the right.
    pub side: Side,
    /// True if the results table is shown.
    pub show_results: bool,
    /// True if histograms show logarithmic counts.
    pub log_counts: bool,
    /// Voxels that histograms count.
    pub histogram_source: HistogramSource,
    /// The panes.
    pub tree: Tree<Tile>,
    /// Arrangement that the panes were last laid out in.
    pub layout: Layout,
    /// The pane that fills the window, if any.
    pub maximised: Option<TileId>,
    /// Time frames that play, and the layer that blinks.
    pub playback: Playback,
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            chosen: (0, 0),
            active: None,
            crosshair: true,
            links: Links::default(),
            side: Side::Display,
            show_results: false,
            log_counts: true,
            histogram_source: HistogramSource::Whole,
            tree: Tree::empty(egui::Id::unique("panes")),
            layout: Layout::Planes,
            maximised: None,
            playback: Playback::default(),
        }
    }
}

/// Changes of the view with time.
pub struct Playback {
    /// True while time frames play.
    pub playing: bool,
    /// Time of the last step while playing.
    pub last_step: Instant,
    /// Set while the top layer blinks; true while it is hidden.
    pub blinking: Option<bool>,
    /// Time of the last blink.
    pub last_blink: Instant,
}

impl Default for Playback {
    fn default() -> Self {
        let now = Instant::now();
        Self { playing: false, last_step: now, blinking: None, last_blink: now }
    }
}
