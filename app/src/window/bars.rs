//! The menu bar, the status bar, and the window that has nothing to show.

use super::app::Viewer;
use super::commands::{self, Menu};
use super::layout::Layout;
use super::panes::{Tile, readout};
use super::tools::Tool;
use super::view_state::Side;
use crate::view::Pane;
use egui::{RichText, Ui};
use std::path::PathBuf;
use voxelry_core::io::OpenOptions;

impl Viewer {
    pub(super) fn menu_bar(&mut self, ui: &mut Ui) {
        egui::MenuBar::new().ui(ui, |ui| {
            for (menu, title) in Menu::ALL {
                ui.menu_button(title, |ui| {
                    ui.set_min_width(230.0);
                    if menu == Menu::File {
                        self.recent(ui);
                    }
                    commands::menu(self, ui, menu);
                });
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if self.document.scenes.is_empty() {
                    return;
                }
                self.folds(ui);
                ui.separator();
                let layouts = [
                    ("3D", Layout::Volume, "3D alone (3)"),
                    ("Planes", Layout::Planes, "Three planes and 3D (2)"),
                    ("Montage", Layout::Montage, "All slices (1)"),
                ];
                if self.document.scenes.len() > 1 {
                    let compares = matches!(self.view.layout, Layout::Compare(_));
                    if ui
                        .selectable_label(compares, "Compare")
                        .on_hover_text("All images (4, 5, 6)")
                        .clicked()
                    {
                        self.lay_out(Layout::Compare(Pane::Plane(0)));
                    }
                }
                for (name, layout, hint) in layouts {
                    if ui.selectable_label(self.view.layout == layout, name).on_hover_text(hint).clicked() {
                        self.lay_out(layout);
                    }
                }
            });
        });
    }

    pub(super) fn recent(&mut self, ui: &mut Ui) {
        let there: Vec<PathBuf> = self.settings.recent.clone();
        ui.add_enabled_ui(!there.is_empty(), |ui| {
            ui.menu_button("Open recent", |ui| {
                for path in there {
                    let name =
                        path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                    if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                        self.open(path, OpenOptions::default());
                        ui.close();
                    }
                }
            });
        });
    }

    pub(super) fn status_bar(&mut self, ui: &mut Ui) {
        let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            self.dialogs.messages.button(ui);
            let [gpu, most] = self.caches.painter.memory();
            let (ram, full) = (self.jobs.opener.cache().bytes(), self.jobs.opener.cache().budget());
            let text = format!("RAM {} / {}   GPU {} / {}", bytes(ram), bytes(full), bytes(gpu), bytes(most));
            let adapter = &self.caches.painter.gpu().info;
            let (name, backend) = (&adapter.name, adapter.backend);
            let hint = format!("Image blocks in memory, and bricks on the GPU\n{name} ({backend:?})");
            ui.label(RichText::new(text).small().weak()).on_hover_text(hint);
            if self.jobs.opening > 0 || self.caches.painter.is_busy() {
                ui.spinner();
            }
            if self.jobs.saving_labels > 0 {
                ui.label("Saving labels");
                ui.spinner();
            }
            if let Some(saving) = &self.jobs.saving_session {
                if ui.button("Cancel").clicked() {
                    saving.cancel();
                }
                ui.label("Saving the session and its results");
                ui.spinner();
            }
            if let Some(running) = self
                .recipe_editor
                .running()
                .filter(|_| self.view.side != Side::Recipe || !self.settings.right)
            {
                super::recipe::progress(running, ui, 320.0);
            }
            // What is left of the bar is for what the pointer is over, or for what the buttons do.
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let tool = self.tools.tool;
                let says = Some(&self.tools.status).filter(|s| tool != Tool::Look && !s.is_empty());
                let text = match self.pointer.hover.and_then(|hover| readout(&self.document, hover)) {
                    Some(text) => {
                        let more = match says {
                            Some(says) => Some(format!("   {says}")),
                            None => self
                                .pointer
                                .hover
                                .and_then(|hover| self.results.readout(&self.document, hover)),
                        };
                        RichText::new(text + more.as_deref().unwrap_or("")).monospace()
                    }
                    None if tool != Tool::Look => RichText::new(tool.hint()).weak(),
                    None => {
                        RichText::new(self.rulers.hint().unwrap_or(hint_for(self.view.active, ui))).weak()
                    }
                };
                ui.add(egui::Label::new(text).truncate());
            });
        });
    }

    pub(super) fn empty(&mut self, ui: &mut Ui) {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.32).max(20.0));
            if self.jobs.opening > 0 {
                ui.spinner();
                ui.label("Opening");
                return;
            }
            ui.label(RichText::new("Drop images here").size(24.0).strong());
            ui.add_space(6.0);
            ui.label(
                RichText::new("NIfTI, TIFF, OME-TIFF, OME-Zarr, NRRD, MetaImage, NPY, or a folder of slices")
                    .weak(),
            );
            ui.add_space(18.0);
            ui.horizontal(|ui| {
                let wide = 2.0 * 130.0 + ui.spacing().item_spacing.x;
                ui.add_space((ui.available_width() - wide) / 2.0);
                let size = egui::vec2(130.0, 32.0);
                if ui.add_sized(size, egui::Button::new("Open images…")).clicked() {
                    self.ask_for_images(&ui.ctx().clone());
                }
                if ui.add_sized(size, egui::Button::new("Open folder…")).clicked() {
                    self.ask_for_folder(&ui.ctx().clone());
                }
            });
            if let Some(sample) = super::sample() {
                ui.add_space(8.0);
                let name = "Open the sample: a brain in MRI";
                if ui.link(name).clicked() {
                    self.open(sample, OpenOptions::default());
                }
            }
        });
    }
}

/// Hint for the mouse buttons.
fn hint_for(active: Option<Tile>, ui: &Ui) -> &'static str {
    let held = ui.input(|i| i.modifiers);
    match active.map(|t| t.pane) {
        None => "",
        Some(Pane::Volume) if held.shift => "Drag: move",
        Some(Pane::Volume) => {
            "Drag: turn · wheel: zoom · middle drag: move · click: object, and crosshair to what is seen"
        }
        Some(_) if held.ctrl => "Wheel: zoom at the pointer",
        Some(Pane::Plane(_)) if held.shift => "Move: crosshair follows · wheel: ten slices",
        Some(Pane::Plane(_)) => {
            "Drag: crosshair · click: object · wheel: slices · Ctrl+wheel: zoom · middle drag: move · right drag: window"
        }
        Some(Pane::Montage) => {
            "Click: crosshair · drag: move · wheel: scroll · Ctrl+wheel: zoom · right drag: window"
        }
    }
}

/// Bytes, short.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    if n >= 1e9 { format!("{:.1} GB", n / 1e9) } else { format!("{:.0} MB", n / 1e6) }
}
