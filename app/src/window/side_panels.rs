//! The panels beside the panes: each as wide as the user made it, folded by itself.

use super::app::Viewer;
use super::settings::Settings;
use super::view_state::Side;
use super::widgets::{fixed, fold};
use super::{layers, recipe, tools};
use egui::{Panel, Rect, Ui, pos2};

impl Viewer {
    /// The list of images on the left, and the panel on the right.
    pub(super) fn sides(&mut self, ui: &mut Ui) {
        // A study without open images has no list of them.
        let listed = !self.document.scenes.is_empty();
        let mut open = self.settings.left && listed;
        let panel = Panel::left("layers").default_size(self.settings.left_width).size_range(150.0..=480.0);
        let shown = panel.show_collapsible(ui, &mut open, |ui| fixed(ui, |ui| layers::layers(self, ui)));
        if listed {
            self.settings.left = open;
        }
        if let Some(shown) = shown.filter(|_| open) {
            self.keep_width(|s| &mut s.left_width, shown.response.rect.width(), ui);
        }
        let mut open = self.settings.right;
        let panel =
            Panel::right("inspector").default_size(self.settings.right_width).size_range(260.0..=560.0);
        let shown = panel.show_collapsible(ui, &mut open, |ui| fixed(ui, |ui| self.side(ui)));
        self.settings.right = open;
        if let Some(shown) = shown.filter(|_| open) {
            self.keep_width(|s| &mut s.right_width, shown.response.rect.width(), ui);
        }
    }

    fn side(&mut self, ui: &mut Ui) {
        ui.add_space(4.0);
        if self.study.shown {
            return self.questions_ui(ui);
        }
        ui.horizontal(|ui| {
            ui.selectable_value(&mut self.view.side, Side::Display, "Display");
            ui.selectable_value(&mut self.view.side, Side::Segment, "Segment");
            ui.selectable_value(&mut self.view.side, Side::Recipe, "Recipe");
        });
        ui.separator();
        match self.view.side {
            Side::Display => self.display_panel_ui(ui),
            Side::Segment => tools::panel(self, ui),
            Side::Recipe => recipe::panel(self, ui),
        }
    }

    /// Remembers how large a panel is, once it is no longer dragged.
    pub(super) fn keep_width(&mut self, of: impl Fn(&mut Settings) -> &mut f32, now: f32, ui: &Ui) {
        let kept = of(&mut self.settings);
        if (*kept - now).abs() > 0.5 && !ui.input(|i| i.pointer.any_down()) {
            *kept = now;
            self.settings.save();
        }
    }

    /// Buttons that fold the panels, from right to left.
    pub(super) fn folds(&mut self, ui: &mut Ui) {
        let part = |l: f32, t: f32, r: f32, b: f32| Rect::from_min_max(pos2(l, t), pos2(r, b));
        let before = (self.settings.left, self.settings.right);
        if fold(ui, self.settings.right, "Side panel (Ctrl+Shift+B)", part(0.62, 0.0, 1.0, 1.0)).clicked() {
            self.settings.right = !self.settings.right;
        }
        if !self.recipe_editor.results.tables.is_empty()
            && fold(ui, self.view.show_results, "Results table (Ctrl+T)", part(0.0, 0.55, 1.0, 1.0)).clicked()
        {
            self.view.show_results = !self.view.show_results;
        }
        if fold(ui, self.settings.left, "Image list (Ctrl+B)", part(0.0, 0.0, 0.38, 1.0)).clicked() {
            self.settings.left = !self.settings.left;
        }
        if before != (self.settings.left, self.settings.right) {
            self.settings.save();
        }
    }

    /// Folds all panels, or shows them again if all are folded.
    pub fn fold_all(&mut self) {
        let any = self.settings.left || self.settings.right || self.view.show_results;
        (self.settings.left, self.settings.right) = (!any, !any);
        self.view.show_results = !any && !self.recipe_editor.results.tables.is_empty();
        self.settings.save();
    }
}
