//! The list of labels: colour, name, whether they are shown and locked, voxels and volume.

use super::ToolState;
use crate::view::plane::short;
use crate::window::app::Viewer;
use crate::window::widgets::{eye, lock};
use egui::{Align, Layout, RichText, ScrollArea, Sense, TextEdit, Ui};
use std::collections::BTreeMap;
use voxelry_core::labels::{Info, Sum};
use voxelry_core::picture::label_color;

/// Height of the list where there is no room for more.
const LEAST: f32 = 180.0;

/// State of the list of labels.
#[derive(Default)]
pub(super) struct LabelListState {
    /// The label that is being renamed, and its text.
    pub renaming: Option<(u32, String)>,
    /// The label whose opacity is being changed, and its opacity.
    pub opacity_edit: Option<(u32, u8)>,
}

/// Action on a label of the list.
enum LabelAction {
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
    let Some(editing) = &viewer.tools.editing else { return };
    let labels = editing.editor.labels.clone();
    let infos = labels.infos();
    let rows = viewer.tools.rows.clone();
    let unit = labels.geometry().unit;
    let each = labels.geometry().voxel_volume();
    // Labels that have a name but no voxels yet, and the active one.
    let is_there = |label: u32| rows.binary_search_by_key(&label, |r| r.0).is_ok();
    let mut extra: Vec<u32> = infos.keys().copied().filter(|l| !is_there(*l)).collect();
    if viewer.tools.label != 0 && !is_there(viewer.tools.label) && !extra.contains(&viewer.tools.label) {
        extra.push(viewer.tools.label);
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("Labels").strong());
        ui.label(RichText::new(format!("{}", rows.len())).weak());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("+").on_hover_text("A new label (M)").clicked() {
                viewer.tools.set_label(labels.unused());
            }
            ui.label(RichText::new(format!("volume in {unit}³")).weak().small());
        });
    });
    let mut action = None;
    let height = ui.spacing().interact_size.y + 2.0;
    let ToolState { list: state, label: active, .. } = &mut viewer.tools;
    let list = ScrollArea::vertical().id_salt("labels").max_height(ui.available_height().max(LEAST));
    list.auto_shrink(false).show_rows(ui, height, extra.len() + rows.len(), |ui, range| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 10.0);
        for i in range {
            let (label, sum) = match extra.get(i) {
                Some(label) => (*label, None),
                None => rows.get(i - extra.len()).map_or((0, None), |(l, s)| (*l, Some(*s))),
            };
            let row = Row { label, sum, infos: &infos, is_active: label == *active, each };
            if let Some(new) = row.show(ui, state) {
                action = Some(new);
            }
        }
    });
    match action {
        None => {}
        Some(LabelAction::Take(label)) => viewer.tools.set_label(label),
        Some(LabelAction::Jump(at)) => viewer.center_crosshair_on(at),
        Some(LabelAction::Rename(label)) => {
            let name = infos.get(&label).map_or_else(String::new, |i| i.name.clone());
            viewer.tools.list.renaming = Some((label, name));
        }
        Some(LabelAction::Named(label, name)) => {
            viewer.tools.list.renaming = None;
            viewer.set_info(label, "Name", |info| info.name = name);
        }
        Some(LabelAction::Show(label)) => viewer.set_info(label, "Show or hide", |i| i.shown = !i.shown),
        Some(LabelAction::Lock(label)) => viewer.set_info(label, "Lock or unlock", |i| i.locked = !i.locked),
        Some(LabelAction::Opacity(label, opacity)) => {
            viewer.set_info(label, "Opacity", |i| i.opacity = opacity);
        }
        Some(LabelAction::Colour(label, colour)) => viewer.set_info(label, "Colour", |i| i.color = colour),
    }
}

struct Row<'a> {
    label: u32,
    sum: Option<Sum>,
    infos: &'a BTreeMap<u32, Info>,
    is_active: bool,
    /// Volume of a voxel.
    each: f64,
}

impl Row<'_> {
    /// Shows the row; the action that the user asks for.
    fn show(&self, ui: &mut Ui, state: &mut LabelListState) -> Option<LabelAction> {
        let info = self.infos.get(&self.label).cloned().unwrap_or_default();
        let mut action = None;
        let builder = egui::UiBuilder::new().id_salt(self.label).sense(Sense::click());
        let row = ui.scope_builder(builder, |ui| {
            let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
            if self.is_active {
                let rect = egui::Rect::from_min_size(ui.cursor().min, size);
                ui.painter().rect_filled(rect, 3.0, ui.visuals().selection.bg_fill.gamma_multiply(0.5));
            }
            ui.horizontal(|ui| action = self.contents(ui, &info, state));
        });
        let row = row.response;
        if row.double_clicked() {
            action = self.sum.map(|s| LabelAction::Jump(s.centroid())).or(action);
        } else if row.clicked() {
            action = Some(LabelAction::Take(self.label));
        }
        row.context_menu(|ui| action = self.menu(ui, &info, state).or(action.take()));
        action
    }

    /// Colour, visibility, lock, name, size.
    fn contents(&self, ui: &mut Ui, info: &Info, state: &mut LabelListState) -> Option<LabelAction> {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.spacing_mut().interact_size.x = 22.0;
        let mut action = None;
        let mut colour = info.color.unwrap_or_else(|| label_color(self.label));
        if ui.color_edit_button_srgb(&mut colour).accessible_name("Colour").changed() {
            action = Some(LabelAction::Colour(self.label, Some(colour)));
        }
        if eye(ui, info.shown).on_hover_text("Show or hide").clicked() {
            action = Some(LabelAction::Show(self.label));
        }
        if lock(ui, info.locked).on_hover_text("Lock against editing").clicked() {
            action = Some(LabelAction::Lock(self.label));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (count, volume) = self.sum.map_or((0, 0.0), |s| (s.count, s.count as f64 * self.each));
            ui.label(RichText::new(short(volume)).small());
            ui.label(RichText::new(format!("{count}")).weak().small());
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                action = self.name(ui, info, state).or(action.take());
            });
        });
        action
    }

    /// The name, or a field in which it is edited.
    fn name(&self, ui: &mut Ui, info: &Info, state: &mut LabelListState) -> Option<LabelAction> {
        let Some((_, name)) = state.renaming.as_mut().filter(|(label, _)| *label == self.label) else {
            let text = if info.name.is_empty() { format!("{}", self.label) } else { info.name.clone() };
            ui.add(egui::Label::new(text).truncate().selectable(false));
            return None;
        };
        let field = ui.add(TextEdit::singleline(name).desired_width(f32::INFINITY));
        if !field.has_focus() && !field.lost_focus() {
            field.request_focus();
        }
        field.lost_focus().then(|| LabelAction::Named(self.label, name.trim().to_owned()))
    }

    /// Context menu.
    fn menu(&self, ui: &mut Ui, info: &Info, state: &mut LabelListState) -> Option<LabelAction> {
        let mut action = None;
        if ui.button("Rename").clicked() {
            action = Some(LabelAction::Rename(self.label));
        }
        if let Some(sum) = self.sum
            && ui.button("Go to this label").clicked()
        {
            action = Some(LabelAction::Jump(sum.centroid()));
        }
        if ui.add_enabled(info.color.is_some(), egui::Button::new("Default colour")).clicked() {
            action = Some(LabelAction::Colour(self.label, None));
        }
        if action.is_some() {
            ui.close();
        }
        // Shown while it is dragged, and one edit when it is released.
        let opacity_edit = &mut state.opacity_edit;
        let now = opacity_edit.filter(|(label, _)| *label == self.label).map_or(info.opacity, |f| f.1);
        let mut percent = f64::from(now) / 2.55;
        let slider = egui::Slider::new(&mut percent, 0.0..=100.0).integer().suffix(" %");
        let slider = ui.horizontal(|ui| {
            ui.label("Opacity");
            ui.add(slider).accessible_name("Opacity")
        });
        let slider = slider.inner;
        if slider.changed() {
            *opacity_edit = Some((self.label, (percent * 2.55).round() as u8));
        }
        let held = slider.dragged() || slider.has_focus();
        if let Some((label, opacity)) = opacity_edit.filter(|(label, _)| *label == self.label && !held) {
            action = Some(LabelAction::Opacity(label, opacity));
            *opacity_edit = None;
        }
        action
    }
}
