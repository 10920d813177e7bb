//! Manual segmentation: the tools, their settings, and the sessions in which labels are edited. Voxels are changed by
//! `view::label_editor` alone.

mod classes;
mod edit_session;
mod label_commands;
mod label_edits;
pub mod label_files;
mod label_list;
mod label_operations;
pub mod object_actions;
mod operators;
mod panel;
mod threshold;
mod tool_input;
mod volume_lasso;

pub use classes::Classes;
pub use edit_session::{BUDGET, NEW};
pub use label_commands::CloseTarget;
pub use label_edits::Seeds;
pub use label_files::SavedFile;
use label_list::LabelListState;
pub use operators::fits;
pub use panel::panel;
#[cfg(test)]
pub use threshold::Band;
pub use threshold::Threshold;
pub use tool_input::{PointerPhase, ToolInput};
pub use volume_lasso::VolumeLasso;

use crate::view::label_editor::{LabelEditor, Progress};
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
        (Self::Look, "Navigate", "Navigate: the mouse and keys move through the image (N)"),
        (
            Self::Paint,
            "Paint",
            "Paint: drag to paint (P); Shift+wheel or [ ] changes the radius, Shift+click picks a label",
        ),
        (Self::Erase, "Erase", "Erase: drag to remove voxels (E)"),
        (
            Self::Wand,
            "Wand",
            "Wand: previews the region a click would label (W); the wheel changes the tolerance",
        ),
        (Self::Lasso, "Lasso", "Lasso: drag around the area to label, or click its corners (G)"),
        (Self::Fill, "Fill", "Fill: click an area of one label to fill it (H)"),
        (Self::Threshold, "Threshold", "Threshold: labels intensities below, between or above values (T)"),
        (Self::Split, "Split", "Split: click an object to split it at its necks (S)"),
        (Self::Merge, "Merge", "Merge: drag across objects to merge them into the first (J)"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|t| t.0 == self).map_or("", |t| t.1)
    }

    /// Hint for the mouse, for the status bar.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Look => "",
            Self::Paint | Self::Erase => {
                "Drag: paint · Shift+wheel, [ ]: radius · Shift+click: pick label · wheel: slices · middle drag: move"
            }
            Self::Wand => "Click: label the preview · wheel: tolerance · , .: slices · Esc: discard preview",
            Self::Lasso => {
                "Drag: outline · clicks: corners, double click to close · Esc: discard · wheel: slices"
            }
            Self::Fill => "Click: fill the area of one label · wheel: slices",
            Self::Threshold => "Drag the handles on the histogram, then apply · wheel: slices",
            Self::Split => "Click: split the object at its necks · wheel: slices",
            Self::Merge => "Drag across objects to merge them into the first · wheel: slices",
        }
    }
}

/// Segmentation tools, their settings, and the labels that they edit.
pub struct ToolState {
    /// The active tool.
    pub tool: Tool,
    /// The active label, which tools draw with.
    pub label: u32,
    /// The active label before, for swapping.
    pub other: u32,
    /// Editing mask.
    pub mask: Mask,
    /// Settings of the tools.
    pub settings: ToolSettings,
    /// Settings of the threshold tool.
    pub threshold: Threshold,
    /// The operator that is chosen, with its parameters.
    pub operator: Option<Draft>,
    /// State of pixel classification.
    pub classes: Classes,
    /// Status message of the active tool.
    pub status: String,
    /// The active session: the labels that are edited.
    pub editing: Option<EditSession>,
    /// Sessions of other labels.
    inactive: Vec<EditSession>,
    /// The edited labels with their voxels.
    pub rows: Arc<Vec<(u32, Sum)>>,
    /// The gesture or preview of the active tool.
    pub gesture: Gesture,
    /// State of the list of labels.
    list: LabelListState,
    logs_created: u32,
}

impl Default for ToolState {
    fn default() -> Self {
        Self {
            tool: Tool::Look,
            label: 1,
            other: 0,
            mask: Mask::default(),
            settings: ToolSettings::default(),
            threshold: Threshold::default(),
            operator: None,
            classes: Classes::default(),
            status: String::new(),
            editing: None,
            inactive: Vec::new(),
            rows: Arc::default(),
            gesture: Gesture::default(),
            list: LabelListState::default(),
            logs_created: 0,
        }
    }
}

/// Settings of the tools.
pub struct ToolSettings {
    /// Radius of brushes, in voxels of the smallest spacing.
    pub radius: f64,
    /// True if brushes are balls, and wand and fill go beyond the slice.
    pub in_3d: bool,
    /// Tolerance of the wand: largest difference from the intensity that was clicked.
    pub tolerance: f64,
    /// Distance by which objects grow, shrink and are smoothed, and depth of necks that are split, in voxels.
    pub distance: f64,
    /// Size below which connected parts are removed, in voxels.
    pub small: u64,
    /// True if the growth of seeds is previewed as they are painted.
    pub live_growth: bool,
    /// The label layer that boolean operations combine with.
    pub with: Option<u64>,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            radius: 5.0,
            in_3d: false,
            tolerance: 0.0,
            distance: 1.0,
            small: 100,
            live_growth: false,
            with: None,
        }
    }
}

/// The gesture or preview of the active tool.
#[derive(Default)]
pub struct Gesture {
    /// Points `(x, y, z)` of the gesture, in indices of the labels.
    path: Vec<DVec3>,
    /// The axis of the plane it is drawn in; none in 3D and in rotated planes.
    axis: Option<usize>,
    /// True if its points are corners that are clicked.
    corners: bool,
    /// The pane in which the pointer is pressed.
    pub pressed_pane: Option<egui::Id>,
    /// Parameters of the last preview requested.
    shown: Option<String>,
    /// True while a preview is shown that isn't part of the labels.
    pub preview: bool,
}

/// Labels that are edited, and the layers that they belong to.
pub struct EditSession {
    /// The layer of the labels.
    pub layer: u64,
    /// The layer of intensities that tools look at; none: there is none.
    pub image: Option<u64>,
    pub editor: LabelEditor,
    /// File, channel and time frame that the labels were read from, if any.
    pub base: Option<(PathBuf, usize, usize)>,
    /// Names and colours of labels, and their lookup table if any is set.
    look: (Arc<Infos>, Option<Arc<Lookup>>),
    /// Number of edits when they were last saved.
    pub saved: u64,
    /// The file that they were last saved in.
    saved_file: Option<SavedFile>,
}

impl EditSession {
    /// Returns whether there are edits that are in no file but the log.
    pub fn is_unsaved(&self) -> bool {
        self.editor.edits() != self.saved
    }
}

impl ToolState {
    /// Progress of a long edit.
    pub fn progress(&self) -> Option<Progress> {
        let editing = self.editing.as_ref()?;
        editing.editor.is_busy().then(|| editing.editor.progress()).filter(|p| !p.name.is_empty())
    }

    /// Returns whether there is an edit to take back.
    pub fn can_undo(&self) -> bool {
        self.editing.as_ref().is_some_and(|d| d.editor.labels.next()[0].is_some())
    }

    /// Returns whether there is an edit to make again.
    pub fn can_redo(&self) -> bool {
        self.editing.as_ref().is_some_and(|d| d.editor.labels.next()[1].is_some())
    }

    /// Names and colours of the edited labels of a layer, and their lookup table if any is set.
    pub fn look_of(&mut self, layer: u64) -> Option<(Arc<Infos>, Option<Arc<Lookup>>)> {
        let here = self.editing.as_ref().is_some_and(|d| d.layer == layer);
        let editing = self.editing.iter_mut().chain(&mut self.inactive).find(|d| d.layer == layer)?;
        let mut infos = editing.editor.labels.infos();
        if let Some((label, opacity)) = self.list.opacity_edit.filter(|_| here) {
            infos.entry(label).or_default().opacity = opacity;
        }
        if *editing.look.0 != infos {
            let look = Lookup::chosen(&infos).map(Arc::new);
            editing.look = (Arc::new(infos), look);
        }
        Some(editing.look.clone())
    }

    /// Line that is being drawn: the labels' layer, the axis of the plane, and points
    /// `(x, y, z)` in it.
    pub fn drawn(&self) -> Option<(u64, usize, &[DVec3])> {
        let shown = matches!(self.tool, Tool::Lasso | Tool::Merge) && !self.gesture.path.is_empty();
        self.editing
            .as_ref()
            .filter(|_| shown)
            .and_then(|d| Some((d.layer, self.gesture.axis?, &self.gesture.path[..])))
    }

    /// All edit sessions, the active one first.
    pub fn edit_sessions(&self) -> impl Iterator<Item = &EditSession> {
        self.editing.iter().chain(&self.inactive)
    }

    /// Discards the preview; a running edit continues.
    pub fn discard_preview(&mut self) {
        (self.gesture.shown, self.gesture.corners) = (None, false);
        self.gesture.path.clear();
        if std::mem::take(&mut self.gesture.preview)
            && let Some(editing) = &self.editing
        {
            editing.editor.discard();
        }
    }

    /// Stops what is being done; whether there was something to stop or to forget.
    pub fn stop(&mut self) -> bool {
        if self.stop_finding() {
            return true;
        }
        let Some(editing) = &self.editing else { return false };
        let drawn = !std::mem::take(&mut self.gesture.path).is_empty();
        self.gesture.corners = false;
        let had = editing.editor.stop() | self.gesture.preview | drawn;
        if had {
            editing.editor.discard();
        }
        (self.gesture.preview, self.gesture.shown) = (false, None);
        had
    }
}
