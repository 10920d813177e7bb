//! The window of the settings, and what is kept for the case of a crash.

use super::app::Viewer;
use super::dialogs::Answer;
use super::session::{self, Session};
use super::settings::Keeper;
use egui::{Align2, Context};
use std::time::Duration;

impl Viewer {
    pub(super) fn settings_window(&mut self, ctx: &Context) {
        if !self.settings_shown {
            return;
        }
        let (mut shown, before) = (true, self.settings.clone());
        let settings = &mut self.settings;
        egui::Window::new("Settings").open(&mut shown).collapsible(false).resizable(false).show(ctx, |ui| {
            egui::Grid::new("settings").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
                ui.label("Theme");
                ui.horizontal(|ui| {
                    ui.selectable_value(&mut settings.light, false, "Dark");
                    ui.selectable_value(&mut settings.light, true, "Light");
                });
                ui.end_row();
                ui.label("Size of text and buttons");
                egui::ComboBox::from_id_salt("scale")
                    .selected_text(format!("{:.0} %", settings.scale * 100.0))
                    .show_ui(ui, |ui| {
                        for percent in [75, 90, 100, 110, 125, 150, 175, 200] {
                            let scale = f32::from(percent as i16) / 100.0;
                            ui.selectable_value(&mut settings.scale, scale, format!("{percent} %"));
                        }
                    });
                ui.end_row();
                ui.label("Images in memory, at most");
                ui.add(
                    egui::DragValue::new(&mut settings.memory).range(64..=4_000_000).speed(16).suffix(" MB"),
                );
                ui.end_row();
                ui.label("On the graphics device, at most");
                ui.add(egui::DragValue::new(&mut settings.device).range(16..=65_536).speed(16).suffix(" MB"))
                    .on_hover_text("For each kind of voxel; from the next start on");
                ui.end_row();
            });
        });
        self.settings_shown = shown;
        if self.settings != before {
            self.apply_settings(ctx);
        }
    }

    /// From dark to light or back.
    pub fn switch_theme(&mut self, ctx: &Context) {
        self.settings.light = !self.settings.light;
        self.apply_settings(ctx);
    }

    pub(super) fn apply_settings(&mut self, ctx: &Context) {
        ctx.set_theme(if self.settings.light { egui::Theme::Light } else { egui::Theme::Dark });
        ctx.set_zoom_factor(self.settings.scale);
        self.opener.cache().set_budget(self.settings.memory << 20);
        self.settings.save();
    }

    /// Offers what a crash left.
    pub(super) fn offer(&mut self, ctx: &Context) {
        let Some(path) = self.left.first().cloned() else { return };
        let mut answer = None;
        egui::Window::new("The last session did not end properly")
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .show(ctx, |ui| {
                ui.label("What was open then can be opened again.");
                ui.add_space(6.0);
                ui.horizontal(|ui| {
                    if ui.button("Open it again").clicked() {
                        answer = Some(true);
                    }
                    if ui.button("Forget it").clicked() {
                        answer = Some(false);
                    }
                });
            });
        let Some(again) = answer else { return };
        self.left.remove(0);
        if !again {
            Keeper::forget(&path);
            return;
        }
        self.opening += 1;
        let (send, cache, wake) = (self.answers.0.clone(), self.opener.cache().clone(), self.wake.clone());
        std::thread::spawn(move || {
            let restored = session::restore(&path, &cache);
            if restored.is_ok() {
                Keeper::forget(&path);
            }
            // Nobody listens when the window has closed.
            let _ = send.send(Answer::Restored(Box::new(restored)));
            wake();
        });
    }

    /// Keeps what is open for the case of a crash.
    pub(super) fn keep(&mut self, ctx: &Context) {
        ctx.request_repaint_after(Duration::from_secs(10));
        let Some(mut keeper) = self.keeper.take() else { return };
        if keeper.is_due()
            && !self.document.scenes.is_empty()
            && let Ok(text) = Session::of(self, keeper.path()).text()
        {
            keeper.keep(text);
        }
        self.keeper = Some(keeper);
    }
}
