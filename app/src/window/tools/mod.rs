//! Segmentation by hand: what the tools are, what they are set to, and the labels that they change.

mod board;
mod classes;
mod cut;
pub mod deeds;
mod doing;
pub mod filing;
mod list;
mod operators;
mod panel;
mod threshold;
mod touch;

pub use board::{BUDGET, NEW};
pub use classes::Classes;
pub use cut::Cut;
pub use doing::Closing;
pub use filing::Filed;
pub use operators::fits;
#[cfg(test)]
pub use panel::Seeds;
pub use panel::panel;
#[cfg(test)]
pub use threshold::Band;
pub use threshold::Threshold;
pub use touch::{Phase, Touch};

use crate::view::board::{Board, Progress};
use crate::view::objects::{Infos, Lookup};
use crate::window::recipe::Draft;
use glam::DVec3;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::labels::{Mask, Sum};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// None: mouse and keys move through the image.
    Look,
    /// Paints with a disc or a ball.
    Paint,
    /// Takes voxels away.
    Erase,
    /// Takes what is connected and alike.
    Wand,
    /// Draws around.
    Lasso,
    /// Fills an area of one label.
    Fill,
    /// Everything within a range of intensities.
    Threshold,
    /// Parts an object.
    Split,
    /// Makes objects one.
    Merge,
}

impl Tool {
    /// All of them with names and what they do.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (Self::Look, "Navigate", "Mouse and keys move through the image (N)"),
        (
            Self::Paint,
            "Paint",
            "Drag to paint (P); Shift+wheel or [ ] changes the radius, Shift+click picks a label",
        ),
        (Self::Erase, "Erase", "Erase: drag to remove voxels (E)"),
        (Self::Wand, "Wand", "Shows what a click would take (W); the wheel changes the tolerance"),
        (Self::Lasso, "Lasso", "Drag around what is to be filled, or click on its corners (G)"),
        (Self::Fill, "Fill", "Click on an area of one label to fill it (H)"),
        (Self::Threshold, "Threshold", "Labels intensities below, between or above values (T)"),
        (Self::Split, "Split", "Click on an object to part it at its necks (S)"),
        (Self::Merge, "Merge", "Drag from one object over others to make them one (J)"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|t| t.0 == self).map_or("", |t| t.1)
    }

    /// What the mouse does with it, for the status bar.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Look => "",
            Self::Paint | Self::Erase => {
                "Drag: paint · Shift+wheel, [ ]: radius · Shift+click: pick label · wheel: slices · middle drag: move"
            }
            Self::Wand => "Click: take what is shown · wheel: tolerance · , .: slices · Esc: discard preview",
            Self::Lasso => {
                "Drag: draw around · clicks: corners, twice on one to close · Esc: discard · wheel: slices"
            }
            Self::Fill => "Click: fill the area of one label · wheel: slices",
            Self::Threshold => "Drag the handles on the histogram, then apply · wheel: slices",
            Self::Split => "Click: part the object at its necks · wheel: slices",
            Self::Merge => "Drag across objects to merge them into the first · wheel: slices",
        }
    }
}

/// The tools, what they are set to, and the labels that they change.
pub struct Kit {
    /// What is in hand.
    pub tool: Tool,
    /// Radius of brushes, in voxels of the smallest spacing.
    pub radius: f64,
    /// Whether brushes are balls, and wand and fill go beyond the slice.
    pub deep: bool,
    /// How far from the intensity that was clicked the wand goes.
    pub tolerance: f64,
    /// What the threshold is set to.
    pub threshold: Threshold,
    /// The operator that is chosen, with its parameters.
    pub operator: Option<Draft>,
    /// The label that tools draw with.
    pub label: u32,
    /// The one before, for swapping.
    pub other: u32,
    /// What tools may change.
    pub mask: Mask,
    /// How far objects grow, shrink and are smoothed, in voxels.
    pub reach: f64,
    /// Parts of fewer voxels are small.
    pub small: u64,
    /// What the tool says.
    pub says: String,
    /// Labels with their voxels.
    pub rows: Arc<Vec<(u32, Sum)>>,
    /// The labels that are edited.
    pub desk: Option<Desk>,
    /// Desks that are put aside: labels of other images.
    aside: Vec<Desk>,
    /// The way of the tool, in indices of the labels.
    way: Vec<DVec3>,
    /// The axis across which it goes, and whether it is of corners that are clicked.
    axis: Option<usize>,
    corners: bool,
    /// The pane in which the tool is held down.
    pub holding: Option<egui::Id>,
    /// What a preview was last asked for.
    shown: Option<String>,
    /// Whether something can be kept that is only shown.
    pub preview: bool,
    /// The text of the label that is being renamed.
    pub(super) naming: Option<(u32, String)>,
    /// The label whose opacity is being changed.
    pub(super) fading: Option<(u32, u8)>,
    /// Whether what seeds would grow into is shown as they are painted.
    pub growing: bool,
    /// The layer of labels that an object is added to or cut with.
    pub with: Option<u64>,
    /// Classes that are learned from the labels.
    pub classes: Classes,
    made: u32,
}

impl Default for Kit {
    fn default() -> Self {
        Self {
            tool: Tool::Look,
            radius: 5.0,
            deep: false,
            tolerance: 0.0,
            threshold: Threshold::default(),
            operator: None,
            label: 1,
            other: 0,
            mask: Mask::default(),
            reach: 1.0,
            small: 100,
            says: String::new(),
            rows: Arc::default(),
            desk: None,
            aside: Vec::new(),
            way: Vec::new(),
            axis: None,
            corners: false,
            holding: None,
            shown: None,
            preview: false,
            naming: None,
            fading: None,
            growing: false,
            with: None,
            classes: Classes::default(),
            made: 0,
        }
    }
}

/// Labels that are edited, and the layers that they belong to.
pub struct Desk {
    /// The layer of the labels.
    pub layer: u64,
    /// The layer of intensities that tools look at; none: there is none.
    pub image: Option<u64>,
    pub board: Board,
    /// What the labels were read from, if it is a file, and which channel and time frame.
    pub base: Option<(PathBuf, usize, usize)>,
    /// What was known of labels, and the colours that follow if any do.
    look: (Arc<Infos>, Option<Arc<Lookup>>),
    /// How many edits there were when they were saved.
    pub saved: u64,
    /// What a file holds of them.
    filed: Option<Filed>,
}

impl Desk {
    /// Whether there are edits that are in no file but the log.
    pub fn is_unsaved(&self) -> bool {
        self.board.edits() != self.saved
    }
}

impl Kit {
    /// What is being done that takes long.
    pub fn progress(&self) -> Option<Progress> {
        let desk = self.desk.as_ref()?;
        desk.board.is_busy().then(|| desk.board.progress()).filter(|p| !p.name.is_empty())
    }

    /// Whether there is an edit to take back.
    pub fn can_undo(&self) -> bool {
        self.desk.as_ref().is_some_and(|d| d.board.labels.next()[0].is_some())
    }

    /// Whether there is an edit to make again.
    pub fn can_redo(&self) -> bool {
        self.desk.as_ref().is_some_and(|d| d.board.labels.next()[1].is_some())
    }

    /// What is known of the labels of a layer that are edited, and the colours that follow if any do.
    pub fn look_of(&mut self, layer: u64) -> Option<(Arc<Infos>, Option<Arc<Lookup>>)> {
        let here = self.desk.as_ref().is_some_and(|d| d.layer == layer);
        let desk = self.desk.iter_mut().chain(&mut self.aside).find(|d| d.layer == layer)?;
        let mut infos = desk.board.labels.infos();
        if let Some((label, opacity)) = self.fading.filter(|_| here) {
            infos.entry(label).or_default().opacity = opacity;
        }
        if *desk.look.0 != infos {
            let look = Lookup::chosen(&infos).map(Arc::new);
            desk.look = (Arc::new(infos), look);
        }
        Some(desk.look.clone())
    }

    /// What is being drawn around or across, to be shown: the labels' layer, the axis across which it goes, and points
    /// `(x, y, z)` in it.
    pub fn drawn(&self) -> Option<(u64, usize, &[DVec3])> {
        let shown = matches!(self.tool, Tool::Lasso | Tool::Merge) && !self.way.is_empty();
        self.desk.as_ref().filter(|_| shown).and_then(|d| Some((d.layer, self.axis?, &self.way[..])))
    }

    /// All desks.
    pub fn desks(&self) -> impl Iterator<Item = &Desk> {
        self.desk.iter().chain(&self.aside)
    }

    /// Forgets what is only shown; what is being done goes on.
    pub fn put_away(&mut self) {
        (self.shown, self.corners) = (None, false);
        self.way.clear();
        if std::mem::take(&mut self.preview)
            && let Some(desk) = &self.desk
        {
            desk.board.forget();
        }
    }

    /// Stops what is being done; whether there was something to stop or to forget.
    pub fn stop(&mut self) -> bool {
        if self.stop_finding() {
            return true;
        }
        let Some(desk) = &self.desk else { return false };
        let drawn = !std::mem::take(&mut self.way).is_empty();
        self.corners = false;
        let had = desk.board.stop() | self.preview | drawn;
        if had {
            desk.board.forget();
        }
        (self.preview, self.shown) = (false, None);
        had
    }
}
