//! The list of labels: colour, name, whether they are shown and locked, voxels and volume.

use super::Kit;
use crate::view::plane::short;
use crate::window::app::Viewer;
use crate::window::widgets::{eye, lock};
use egui::{Align, Color32, Layout, RichText, ScrollArea, Sense, TextEdit, Ui};
use std::collections::BTreeMap;
use voxelry_core::labels::{Info, Sum};
use voxelry_core::picture::label_color;

/// Height of the list where there is no room for more.
const LEAST: f32 = 180.0;

/// What was asked of a label.
enum Asked {
    Take(u32),
    Jump([f64; 3]),
    Rename(u32),
    Named(u32, String),
    Show(u32),
    Lock(u32),
    Opacity(u32, u8),
    Colour(u32, Option<[u8; 3]>),
}

/// The list.
pub fn show(viewer: &mut Viewer, ui: &mut Ui) {
    let Some(desk) = &viewer.kit.desk else { return };
    let labels = desk.board.labels.clone();
    let infos = labels.infos();
    let rows = viewer.kit.rows.clone();
    let unit = labels.geometry().unit;
    let each = labels.geometry().voxel_volume();
    // Labels that have a name but no voxels yet, and the one in hand.
    let is_there = |label: u32| rows.binary_search_by_key(&label, |r| r.0).is_ok();
    let mut extra: Vec<u32> = infos.keys().copied().filter(|l| !is_there(*l)).collect();
    if viewer.kit.label != 0 && !is_there(viewer.kit.label) && !extra.contains(&viewer.kit.label) {
        extra.push(viewer.kit.label);
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("Labels").strong());
        ui.label(RichText::new(format!("{}", rows.len())).weak());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("+").on_hover_text("A new label (M)").clicked() {
                viewer.kit.take(labels.unused());
            }
            ui.label(RichText::new(format!("volume in {unit}³")).weak().small());
        });
    });
    let mut asked = None;
    let height = ui.spacing().interact_size.y + 2.0;
    let Kit { naming, fading, label: in_hand, .. } = &mut viewer.kit;
    let list = ScrollArea::vertical().id_salt("labels").max_height(ui.available_height().max(LEAST));
    list.auto_shrink(false).show_rows(ui, height, extra.len() + rows.len(), |ui, range| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 10.0);
        for i in range {
            let (label, sum) = match extra.get(i) {
                Some(label) => (*label, None),
                None => rows.get(i - extra.len()).map_or((0, None), |(l, s)| (*l, Some(*s))),
            };
            let mut row = Row { label, sum, infos: &infos, in_hand: label == *in_hand, each };
            if let Some(new) = row.show(ui, naming, fading) {
                asked = Some(new);
            }
        }
    });
    match asked {
        None => {}
        Some(Asked::Take(label)) => viewer.kit.take(label),
        Some(Asked::Jump(at)) => viewer.jump_on_desk(at),
        Some(Asked::Rename(label)) => {
            let name = infos.get(&label).map_or_else(String::new, |i| i.name.clone());
            viewer.kit.naming = Some((label, name));
        }
        Some(Asked::Named(label, name)) => {
            viewer.kit.naming = None;
            viewer.set_info(label, "Name", |info| info.name = name);
        }
        Some(Asked::Show(label)) => viewer.set_info(label, "Show or hide", |i| i.shown = !i.shown),
        Some(Asked::Lock(label)) => viewer.set_info(label, "Lock or unlock", |i| i.locked = !i.locked),
        Some(Asked::Opacity(label, opacity)) => viewer.set_info(label, "Opacity", |i| i.opacity = opacity),
        Some(Asked::Colour(label, colour)) => viewer.set_info(label, "Colour", |i| i.color = colour),
    }
}

struct Row<'a> {
    label: u32,
    sum: Option<Sum>,
    infos: &'a BTreeMap<u32, Info>,
    in_hand: bool,
    /// Volume of a voxel.
    each: f64,
}

impl Row<'_> {
    fn show(
        &mut self,
        ui: &mut Ui,
        naming: &mut Option<(u32, String)>,
        fading: &mut Option<(u32, u8)>,
    ) -> Option<Asked> {
        let info = self.infos.get(&self.label).cloned().unwrap_or_default();
        let mut asked = None;
        let fill = if self.in_hand {
            ui.visuals().selection.bg_fill.gamma_multiply(0.5)
        } else {
            Color32::TRANSPARENT
        };
        let builder = egui::UiBuilder::new().id_salt(self.label).sense(Sense::click());
        let row = ui.scope_builder(builder, |ui| {
            let rect = egui::Rect::from_min_size(
                ui.cursor().min,
                egui::vec2(ui.available_width(), ui.spacing().interact_size.y),
            );
            ui.painter().rect_filled(rect, 3.0, fill);
            ui.horizontal(|ui| {
                ui.set_min_width(ui.available_width());
                ui.spacing_mut().item_spacing.x = 5.0;
                ui.spacing_mut().interact_size.x = 22.0;
                let mut colour = info.color.unwrap_or_else(|| label_color(self.label));
                let changed = ui.color_edit_button_srgb(&mut colour);
                if changed.accessible_name("Colour").changed() {
                    asked = Some(Asked::Colour(self.label, Some(colour)));
                }
                if eye(ui, info.shown).on_hover_text("Show or hide").clicked() {
                    asked = Some(Asked::Show(self.label));
                }
                if lock(ui, info.locked).on_hover_text("Lock: tools leave it as it is").clicked() {
                    asked = Some(Asked::Lock(self.label));
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let (count, volume) =
                        self.sum.map_or((0, 0.0), |s| (s.count, s.count as f64 * self.each));
                    ui.label(RichText::new(short(volume)).small());
                    ui.label(RichText::new(format!("{count}")).weak().small());
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| match naming {
                        Some((label, name)) if *label == self.label => {
                            let field = ui.add(TextEdit::singleline(name).desired_width(f32::INFINITY));
                            if !field.has_focus() && !field.lost_focus() {
                                field.request_focus();
                            }
                            if field.lost_focus() {
                                asked = Some(Asked::Named(*label, name.trim().to_owned()));
                            }
                        }
                        _ => {
                            let text = if info.name.is_empty() {
                                format!("{}", self.label)
                            } else {
                                info.name.clone()
                            };
                            ui.add(egui::Label::new(text).truncate().selectable(false));
                        }
                    });
                });
            });
        });
        let row = row.response;
        if row.double_clicked() {
            asked = self.sum.map(|s| Asked::Jump(s.centroid())).or(asked);
        } else if row.clicked() {
            asked = Some(Asked::Take(self.label));
        }
        row.context_menu(|ui| {
            if ui.button("Rename").clicked() {
                asked = Some(Asked::Rename(self.label));
                ui.close();
            }
            if let Some(sum) = self.sum
                && ui.button("Jump to it").clicked()
            {
                asked = Some(Asked::Jump(sum.centroid()));
                ui.close();
            }
            if ui.add_enabled(info.color.is_some(), egui::Button::new("Its own colour")).clicked() {
                asked = Some(Asked::Colour(self.label, None));
                ui.close();
            }
            // Seen as it is dragged, and one edit when it is let go.
            let now = fading.filter(|(label, _)| *label == self.label).map_or(info.opacity, |f| f.1);
            let mut percent = f64::from(now) / 2.55;
            let slider = egui::Slider::new(&mut percent, 0.0..=100.0).integer().suffix(" %");
            let slider = ui.horizontal(|ui| {
                ui.label("Opacity");
                ui.add(slider).accessible_name("Opacity")
            });
            let slider = slider.inner;
            if slider.changed() {
                *fading = Some((self.label, (percent * 2.55).round() as u8));
            }
            let held = slider.dragged() || slider.has_focus();
            if let Some((label, opacity)) = fading.filter(|(label, _)| *label == self.label && !held) {
                asked = Some(Asked::Opacity(label, opacity));
                *fading = None;
            }
        });
        asked
    }
}
