//! Availability of commands.

use super::Command;
use crate::view::Scene;
use crate::window::app::Viewer;

impl Command {
    /// Returns whether the command is available now.
    pub fn is_ready(self, viewer: &Viewer) -> bool {
        let scenes = &viewer.document.scenes;
        match self {
            Self::OpenImages
            | Self::OpenAddress
            | Self::OpenFolder
            | Self::Quit
            | Self::Cancel
            | Self::ToggleImageList
            | Self::ToggleSidePanel
            | Self::ToggleAllPanels
            | Self::Settings
            | Self::SwitchTheme
            | Self::PoolJobs
            | Self::Palette
            | Self::Shortcuts => true,
            #[cfg(debug_assertions)]
            Self::LoseDevice => true,
            Self::Undo if viewer.edits_labels() => viewer.tools.can_undo(),
            Self::Undo => viewer.recipe_editor.can_undo(),
            Self::Redo if viewer.edits_labels() => viewer.tools.can_redo(),
            Self::Redo => viewer.recipe_editor.can_redo(),
            Self::SeparateObjects
            | Self::SaveLabels
            | Self::SaveLabelsAs
            | Self::ExportSurfaces
            | Self::ImportLabelNames
            | Self::ExportLabelNames => viewer.tools.editing.is_some(),
            Self::SmallerBrush | Self::LargerBrush => viewer.tools.has_brush(),
            Self::ResetRotation => scenes.iter().any(Scene::is_turned),
            Self::StudyWall => viewer.study.study.is_some(),
            Self::LinkViews => scenes.len() > 1,
            Self::RemoveCuts => {
                scenes.iter().any(|scene| scene.is_cropped() || scene.view.cuts.iter().any(|cut| cut.on))
            }
            Self::BlinkTopLayer => viewer.has_layers(),
            Self::ToggleResults => !viewer.recipe_editor.results.tables.is_empty(),
            Self::MeasureLabels => viewer.layer_to_measure().is_some(),
            Self::ToggleRulers | Self::RemoveRulers => viewer.has_rulers(),
            Self::PreviousFrame | Self::NextFrame | Self::PlayTime => viewer.has_times(),
            // All others need an image.
            _ => !scenes.is_empty(),
        }
    }
}
