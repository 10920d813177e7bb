//! Effects of commands.

use super::Command;
use crate::view::ruler::RulerKind;
use crate::view::{Pane, Scene};
use crate::window::app::Viewer;
use crate::window::layout::Layout;
use crate::window::tools::Tool;
use crate::window::view_state::Side;
use egui::{Context, ViewportCommand};

impl Command {
    /// Runs the command.
    pub fn run(self, viewer: &mut Viewer, ctx: &Context) {
        match self {
            Self::OpenImages => viewer.ask_for_images(ctx),
            Self::OpenAddress => viewer.dialogs.address = Some(String::new()),
            Self::OpenFolder => viewer.ask_for_folder(ctx),
            Self::SaveSession => viewer.ask_where_to_save(ctx),
            Self::Export => viewer.show_export(),
            Self::CloseImage => viewer.close_scene(),
            Self::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            Self::Undo => viewer.undo(),
            Self::Redo => viewer.redo(),
            Self::Cancel => viewer.cancel(),
            Self::Navigate => viewer.segment(Tool::Look),
            Self::Paint => viewer.segment(Tool::Paint),
            Self::Erase => viewer.segment(Tool::Erase),
            Self::Wand => viewer.segment(Tool::Wand),
            Self::Lasso => viewer.segment(Tool::Lasso),
            Self::Fill => viewer.segment(Tool::Fill),
            Self::Threshold => viewer.segment(Tool::Threshold),
            Self::SplitObjects => viewer.segment(Tool::Split),
            Self::MergeObjects => viewer.segment(Tool::Merge),
            Self::NewLabel => viewer.new_label(),
            Self::ToggleBackground => viewer.tools.swap_labels(),
            Self::SeparateObjects => viewer.separate(),
            Self::NewLabelLayer => _ = viewer.new_labels(),
            Self::SaveLabels => viewer.ask_to_save_labels(ctx),
            Self::SaveLabelsAs => viewer.ask_where_to_save_labels(ctx),
            Self::ExportSurfaces => viewer.ask_where_to_save_surfaces(ctx),
            Self::ImportLabelNames => viewer.ask_for_names(ctx),
            Self::ExportLabelNames => viewer.ask_where_to_save_names(ctx),
            Self::SmallerBrush => viewer.tools.turn_wheel(-1.0),
            Self::LargerBrush => viewer.tools.turn_wheel(1.0),
            Self::Fit => viewer.fit(),
            Self::ResetRotation => viewer.straighten(),
            Self::ResetWindow => viewer.reset_window(),
            Self::ToggleLabels => viewer.toggle_labels(),
            Self::ToggleCrosshair => viewer.view.crosshair = !viewer.view.crosshair,
            Self::LinkViews => viewer.link_all(),
            Self::CropBox => viewer.in_chosen_scene(|scene| scene.view.boxed = !scene.view.boxed),
            Self::AddClippingPlane => viewer.in_chosen_scene(Scene::cut_open),
            Self::RemoveCuts => viewer.in_chosen_scene(Scene::uncut),
            Self::ToggleImageList => viewer.settings.left = !viewer.settings.left,
            Self::ToggleSidePanel => viewer.settings.right = !viewer.settings.right,
            Self::ToggleAllPanels => viewer.fold_all(),
            Self::RecipePanel => viewer.toggle_recipe_panel(),
            Self::BlinkTopLayer => viewer.toggle_blinking(),
            Self::Settings => viewer.dialogs.settings = !viewer.dialogs.settings,
            Self::SwitchTheme => viewer.switch_theme(ctx),
            Self::ToggleResults => viewer.view.show_results = !viewer.view.show_results,
            Self::MeasureLabels => viewer.ask_to_measure(ctx),
            Self::MeasureLength => viewer.rulers.activate(RulerKind::Length),
            Self::MeasureAngle => viewer.rulers.activate(RulerKind::Angle),
            Self::MeasureProfile => viewer.rulers.activate(RulerKind::Profile),
            Self::MeasureRectangle => viewer.rulers.activate(RulerKind::Rectangle),
            Self::MeasureEllipse => viewer.rulers.activate(RulerKind::Ellipse),
            Self::ToggleRulers => viewer.rulers.shown = !viewer.rulers.shown,
            Self::RemoveRulers => viewer.remove_rulers(),
            Self::PoolJobs => viewer.pool.shown = !viewer.pool.shown,
            Self::LayoutMontage => viewer.lay_out(Layout::Montage),
            Self::LayoutPlanes => viewer.lay_out(Layout::Planes),
            Self::LayoutVolume => viewer.lay_out(Layout::Volume),
            Self::ComparePlanes => viewer.lay_out(Layout::Compare(Pane::Plane(0))),
            Self::CompareVolumes => viewer.lay_out(Layout::Compare(Pane::Volume)),
            Self::CompareMontages => viewer.lay_out(Layout::Compare(Pane::Montage)),
            Self::StudyWall => viewer.study.shown = true,
            Self::MaximisePane => viewer.toggle_maximised(),
            Self::PreviousSlice => viewer.step(-1),
            Self::NextSlice => viewer.step(1),
            Self::TenSlicesBack => viewer.step(-10),
            Self::TenSlicesForward => viewer.step(10),
            Self::PreviousFrame => viewer.step_time(-1),
            Self::NextFrame => viewer.step_time(1),
            Self::PlayTime => viewer.view.playback.playing = !viewer.view.playback.playing,
            Self::Palette => viewer.dialogs.palette.open(),
            #[cfg(debug_assertions)]
            Self::LoseDevice => viewer.gpu().device.destroy(),
            Self::Shortcuts => viewer.dialogs.help = !viewer.dialogs.help,
        }
    }
}

impl Viewer {
    /// Closes the uppermost dialog, or else cancels what the user is doing: an export, a ruler, a preview, a run.
    fn cancel(&mut self) {
        let closed = self.dialogs.closing.take().is_some()
            || self.dialogs.datasets.take().is_some()
            || self.dialogs.address.take().is_some()
            || std::mem::take(&mut self.dialogs.settings)
            || std::mem::take(&mut self.pool.shown)
            || std::mem::take(&mut self.dialogs.help);
        if !closed && !self.escape_export() && !self.rulers.deactivate() && !self.tools.stop() {
            self.recipe_editor.stop();
        }
    }

    /// Shows the recipe panel, or the display panel if it is shown already.
    fn toggle_recipe_panel(&mut self) {
        let shown = self.settings.right && self.view.side == Side::Recipe;
        self.settings.right = true;
        self.view.side = if shown { Side::Display } else { Side::Recipe };
    }
}
