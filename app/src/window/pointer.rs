//! State of the pointer over the panes, between frames.

use super::panes::{Hover, Picked};
use super::surface_stroke::{SurfaceProbe, SurfaceStroke};
use egui::{Id, Pos2};

/// The pointer over the panes.
#[derive(Default)]
pub struct PointerTracker {
    /// Place under the pointer.
    pub hover: Option<Hover>,
    /// Places that were clicked in three dimensions, found by the device.
    pub picked: Picked,
    /// A stroke in three dimensions.
    pub stroke: Option<SurfaceStroke>,
    /// Place under the active tool in three dimensions.
    pub probe: Option<SurfaceProbe>,
    /// A line that is drawn with the lasso in three dimensions, and its pane.
    pub outline: Option<(Id, Vec<Pos2>)>,
    /// Wheel movement that is not yet a whole slice.
    pub wheel: f32,
}
