//! The window of the settings, and what is kept for the case of a crash.

use super::app::Viewer;
use super::events::AppEvent;
use super::session::{self, Session};
use super::session_files::{self, SessionFiles};
use super::settings::Autosave;
use super::widgets::{WIDE, ask, choice};
use egui::Context;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use voxelry_core::Job;

impl Viewer {
    pub(super) fn settings_window(&mut self, ctx: &Context) {
        if !self.dialogs.settings {
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
                let now = format!("{:.0} %", settings.scale * 100.0);
                choice(ui, "Size of text and buttons", &now, WIDE, |ui| {
                    for percent in [75, 90, 100, 110, 125, 150, 175, 200] {
                        let scale = f32::from(percent as i16) / 100.0;
                        ui.selectable_value(&mut settings.scale, scale, format!("{percent} %"));
                    }
                });
                ui.end_row();
                ui.label("Image cache (RAM)");
                let memory = egui::DragValue::new(&mut settings.memory).range(64..=4_000_000);
                ui.add(memory.speed(16).suffix(" MB")).accessible_name("Image cache");
                ui.end_row();
                ui.label("GPU memory");
                let device = egui::DragValue::new(&mut settings.device).range(16..=65_536);
                ui.add(device.speed(16).suffix(" MB"))
                    .accessible_name("GPU memory")
                    .on_hover_text("Takes effect after a restart");
                ui.end_row();
            });
        });
        self.dialogs.settings = shown;
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
        self.jobs.opener.cache().set_budget(self.settings.memory << 20);
        self.settings.save();
    }

    /// Offers what a crash left.
    pub(super) fn offer(&mut self, ctx: &Context) {
        let Some(left) = self.dialogs.lost_sessions.first().cloned() else { return };
        let path = left.path.clone();
        let title =
            if left.ended { "Unsaved work of the last session" } else { "Voxelry closed unexpectedly" };
        let mut lines = vec!["These files were open:".to_owned()];
        lines.extend(left.what.iter().take(8).map(|name| format!("  • {name}")));
        if left.what.len() > 8 {
            lines.push(format!("  and {} more", left.what.len() - 8));
        }
        let answer = ask(ctx, title, &lines, &["Open again", "Discard"]).map(|at| at == 0);
        let Some(again) = answer else { return };
        self.dialogs.lost_sessions.remove(0);
        if !again {
            let _ = std::fs::remove_dir_all(path.with_extension("labels"));
            Autosave::forget(&path);
            return;
        }
        self.reopen(path);
    }

    /// Opens a session that was left behind, and forgets it when it is open.
    pub(super) fn reopen(&mut self, path: PathBuf) {
        self.jobs.opening += 1;
        self.dialogs.lost_sessions.retain(|left| left.path != path);
        // Results that it brings stay where they are until the program ends.
        self.lifecycle.borrowed.push(session_files::folder(&path));
        let (send, cache, wake) =
            (self.jobs.events.0.clone(), self.jobs.opener.cache().clone(), self.jobs.wake.clone());
        std::thread::spawn(move || {
            let restored = session::restore(&path, &cache);
            if restored.is_ok() {
                Autosave::forget(&path);
            }
            // Nobody listens when the window has closed.
            let _ = send.send(AppEvent::Restored(Box::new(restored)));
            wake();
        });
    }

    /// Returns whether a file is only there until the program ends.
    pub(super) fn is_borrowed(&self, path: &Path) -> bool {
        self.lifecycle.borrowed.iter().any(|folder| path.starts_with(folder))
    }

    /// Notices when the device is lost.
    pub(super) fn watch_device(device: &wgpu::Device, wake: Arc<dyn Fn() + Send + Sync>) -> Arc<AtomicBool> {
        let lost = Arc::<AtomicBool>::default();
        let flag = lost.clone();
        let again = wake.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let text = error.to_string();
            // The window was resized while a thread drew: its surface is set up again with the next frame.
            let resized = ["before reconfiguring the Surface", "is not contained in the render target"];
            if resized.iter().any(|part| text.contains(part)) {
                return again();
            }
            #[cfg(test)]
            panic!("{text}");
            // A picture that can't be drawn is better than a window that is gone.
            #[cfg(not(test))]
            crate::progress::tell(&format!("voxelry: the graphics device: {text}"));
        }));
        device.set_device_lost_callback(move |_, _| {
            flag.store(true, Ordering::Relaxed);
            wake();
        });
        lost
    }

    /// Handover to a new process when the graphics device is lost: this one can't draw any more.
    pub(super) fn hand_over_if_lost(&mut self) {
        if self.lifecycle.device_lost.load(Ordering::Relaxed) {
            // Nothing is tidied up: what was kept is the successor's.
            std::process::exit(i32::from(!self.hand_over()));
        }
    }

    /// Starts a process that opens all that is open here, results too; whether that could be.
    fn hand_over(&self) -> bool {
        let successor = self.keep_everything().and_then(|session| {
            let program = std::env::current_exe().map_err(|e| e.to_string())?;
            let mut command = Command::new(program);
            command.arg("--after-device-loss").arg(session);
            command.spawn().map_err(|e| e.to_string())
        });
        let failed = successor.err();
        if let Some(error) = &failed {
            crate::progress::tell(&format!("voxelry: the graphics device was lost, and {error}"));
        }
        failed.is_none()
    }

    /// Keeps what is open together with results that are in no file.
    ///
    /// # Errors
    /// Why it can't be kept.
    pub(super) fn keep_everything(&self) -> Result<PathBuf, String> {
        let autosave = self.lifecycle.autosave.as_ref().ok_or("there is no folder to keep the session in")?;
        SessionFiles::of(self, autosave.path()).write(&Job::silent()).map_err(|e| e.to_string())?;
        Ok(autosave.path().to_owned())
    }

    /// Keeps what is open for the case of a crash.
    pub(super) fn keep(&mut self, ctx: &Context) {
        ctx.request_repaint_after(Duration::from_secs(10));
        if self.lifecycle.autosave.as_ref().is_some_and(Autosave::is_due) {
            self.keep_now();
        }
    }

    /// Keeps what is open at once.
    pub(super) fn keep_now(&mut self) {
        let Some(mut autosave) = self.lifecycle.autosave.take() else { return };
        if !self.document.scenes.is_empty()
            && let Ok(text) = Session::of(self, autosave.path(), &[]).text()
        {
            autosave.keep(text);
        }
        self.lifecycle.autosave = Some(autosave);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The library that draws the window panics when the device is lost, before there is another frame.
            // Any other panic is a crash: what was kept is offered at the next start.
            let moment =
                wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(1)) };
            let lost = self.caches.render_state.device.poll(moment).is_err();
            if lost || self.lifecycle.device_lost.load(Ordering::Relaxed) {
                self.hand_over();
            }
            return;
        }
        if self.lifecycle.autosave.as_ref().is_some_and(Autosave::stays) {
            // The next start offers it.
            return;
        }
        for folder in self.lifecycle.borrowed.iter().chain(&self.lifecycle.logs) {
            // It may never have been there.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
