//! Commands that move through the image: slices, time, fitting, blinking.

use super::app::Viewer;
use super::widgets::slider;
use crate::view::{Content, Pane, Scene};
use egui::{Context, Panel, RichText, Ui};
use std::time::{Duration, Instant};
use voxelry_core::io::ImageSource;

impl Viewer {
    pub(super) fn scene(&mut self) -> Option<&mut Scene> {
        let at = self.view.active.map_or(self.view.chosen.0, |t| t.scene);
        self.document.scenes.get_mut(at)
    }

    /// Changes the scene that has the keys.
    pub fn in_chosen_scene(&mut self, change: impl FnOnce(&mut Scene)) {
        if let Some(scene) = self.scene() {
            change(scene);
        }
    }

    /// Shows all of the image again.
    pub fn fit(&mut self) {
        self.in_chosen_scene(|scene| {
            let fresh = crate::view::View::default();
            let view = &mut scene.view;
            (view.middle, view.zoom) = (fresh.middle, fresh.zoom);
            (view.montage.zoom, view.montage.middle) = (fresh.montage.zoom, fresh.montage.middle);
            (view.camera.target, view.camera.distance) = (fresh.camera.target, fresh.camera.distance);
        });
    }

    /// Puts all images into one group, or, where they are in one, each by itself.
    pub fn link_all(&mut self) {
        let together = self.document.scenes.iter().all(|scene| scene.group == 1);
        for scene in &mut self.document.scenes {
            scene.group = usize::from(!together);
        }
    }

    /// Puts turned planes straight.
    pub fn straighten(&mut self) {
        for scene in &mut self.document.scenes {
            scene.view.turns = [glam::DQuat::IDENTITY; 3];
            scene.look_at(scene.view.at);
        }
    }

    /// Takes the window from the percentiles again.
    pub fn reset_window(&mut self) {
        if let Some(scene) = self.scene() {
            for layer in &mut scene.layers {
                layer.display.window = layer.stats.as_ref().map(|s| layer.window_of(s));
            }
        }
    }

    /// Shows or hides all labels.
    pub fn toggle_labels(&mut self) {
        let layers = || self.document.scenes.iter().flat_map(|s| &s.layers);
        let shown = layers().any(|l| l.content == Content::Labels && l.display.visible);
        for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
            if layer.content == Content::Labels {
                layer.display.visible = !shown;
            }
        }
    }

    /// Moves through the slices of the pane that has the keys.
    pub fn step(&mut self, by: i64) {
        let Some(tile) = self.view.active else { return };
        let Some(scene) = self.document.scenes.get_mut(tile.scene) else { return };
        let axis = match tile.pane {
            Pane::Plane(axis) => axis,
            _ => scene.view.montage.axis,
        };
        scene.step(axis, by);
    }

    /// Returns whether images lie over each other.
    pub fn has_layers(&self) -> bool {
        self.document.scenes.iter().any(|s| s.layers.len() > 1)
    }

    /// Shows and hides the uppermost layer in turns.
    pub(super) fn blink(&mut self, ctx: &Context) {
        let Some(hidden) = &mut self.view.playback.blinking else { return };
        const EACH: Duration = Duration::from_millis(600);
        if self.view.playback.last_blink.elapsed() >= EACH {
            self.view.playback.last_blink = Instant::now();
            *hidden = !*hidden;
        }
        let hidden = *hidden;
        for scene in self.document.scenes.iter_mut().filter(|s| s.layers.len() > 1) {
            if let Some(layer) = scene.layers.last_mut() {
                layer.display.visible = !hidden;
            }
        }
        ctx.request_repaint_after(EACH);
    }

    /// Begins or ends blinking; in the end everything is shown.
    pub fn toggle_blinking(&mut self) {
        self.view.playback.blinking = if self.view.playback.blinking.is_some() { None } else { Some(false) };
        for scene in self.document.scenes.iter_mut().filter(|s| s.layers.len() > 1) {
            if let Some(layer) = scene.layers.last_mut() {
                layer.display.visible = true;
            }
        }
    }

    /// Returns whether an image has several time frames.
    pub fn has_times(&self) -> bool {
        self.document.scenes.iter().flat_map(|s| &s.layers).any(|l| l.source.info().times > 1)
    }

    /// Moves through time.
    pub fn step_time(&mut self, by: i64) {
        for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
            let last = layer.source.info().times as i64 - 1;
            layer.time = (layer.time as i64 + by).clamp(0, last) as usize;
        }
    }

    /// Lets time go on, if it is to.
    pub(super) fn play(&mut self, ctx: &Context) {
        if !self.view.playback.playing || !self.has_times() {
            return;
        }
        const EACH: Duration = Duration::from_millis(125);
        let late = self.view.playback.last_step.elapsed() >= 8 * EACH;
        if self.view.playback.last_step.elapsed() >= EACH && (late || !self.caches.painter.is_busy()) {
            self.view.playback.last_step = Instant::now();
            for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
                layer.time = (layer.time + 1) % layer.source.info().times;
            }
        }
        ctx.request_repaint_after(EACH);
    }

    /// Time, where there is any.
    pub(super) fn time_bar(&mut self, ui: &mut Ui) {
        let layers = || self.document.scenes.iter().flat_map(|s| &s.layers);
        let Some(longest) =
            layers().max_by_key(|l| l.source.info().times).filter(|l| l.source.info().times > 1)
        else {
            return;
        };
        let (times, each) = (longest.source.info().times, longest.source.info().time_step);
        let mut time = longest.time + 1;
        Panel::bottom("time").show(ui, |ui| {
            ui.horizontal(|ui| {
                let name = if self.view.playback.playing { "Pause" } else { "Play" };
                if ui.button(name).clicked() {
                    self.view.playback.playing = !self.view.playback.playing;
                }
                ui.label("Time frame");
                ui.spacing_mut().slider_width = (ui.available_width() - 190.0).max(80.0);
                let moved = slider(ui, "Time frame", &mut time, 1..=times, None).changed();
                let seconds =
                    each.map(|e| format!(" · {} s", crate::view::plane::short((time - 1) as f64 * e)));
                ui.label(RichText::new(format!("of {times}{}", seconds.unwrap_or_default())).weak());
                if moved {
                    for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
                        layer.time = (time - 1).min(layer.source.info().times - 1);
                    }
                }
            });
        });
    }
}
