//! The list of images and their layers, on the left: what is shown, what moves together, what is laid over or
//! subtracted.

use super::app::Viewer;
use super::links::GROUPS;
use super::widgets::eye;
use crate::view::plane::short;
use crate::view::{Content, Layer};
use egui::{RichText, ScrollArea, Ui};
use voxelry_core::io::ImageSource;

/// Actions on the list of images, applied after it is drawn.
#[derive(Default)]
struct ListActions {
    chosen: Option<(usize, usize)>,
    closed: Option<(usize, usize)>,
    /// A scene, and the one that it is laid over.
    over: Option<(usize, usize)>,
    minus: Option<((usize, usize), (usize, usize))>,
    meant: Option<((usize, usize), Content)>,
}

/// An image that is dragged onto another one.
struct Dragged(usize);

/// The layers of every scene.
pub fn layers(viewer: &mut Viewer, ui: &mut Ui) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.heading("Images");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.button("+").on_hover_text("Open images (Ctrl+O)").clicked() {
                viewer.ask_for_images(&ui.ctx().clone());
            }
        });
    });
    ui.separator();
    let mut actions = ListActions::default();
    let list = List {
        chosen: viewer.view.chosen,
        grids: Grid::all(viewer),
        names: viewer.document.scenes.iter().map(|s| s.name().to_owned()).collect(),
    };
    if list.names.len() > 1 {
        linking(ui, viewer);
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 8.0);
        for (s, scene) in viewer.document.scenes.iter_mut().enumerate() {
            let several = scene.layers.len() > 1;
            for (l, layer) in scene.layers.iter_mut().enumerate().rev() {
                let group = (list.names.len() > 1 && l == 0).then_some(&mut scene.group);
                list.row(ui, (s, l), layer, group, several, &mut actions);
            }
            ui.add_space(2.0);
        }
    });
    if let Some(chosen) = actions.chosen {
        viewer.view.chosen = chosen;
        viewer.active_scene(chosen.0);
    }
    if let Some((s, l)) = actions.closed {
        viewer.close_layer(s, l);
    }
    if let Some((s, other)) = actions.over {
        viewer.lay_over(s, other);
    }
    if let Some((from, other)) = actions.minus {
        viewer.subtract(from, other);
    }
    if let Some((at, content)) = actions.meant {
        viewer.take_as(at, content);
    }
}

/// Data that all rows of the list share.
struct List {
    chosen: (usize, usize),
    grids: Vec<Grid>,
    names: Vec<String>,
}

impl List {
    /// A layer: all of the row chooses it, and has its menu.
    fn row(
        &self,
        ui: &mut Ui,
        at: (usize, usize),
        layer: &mut Layer,
        group: Option<&mut usize>,
        several: bool,
        actions: &mut ListActions,
    ) {
        let size = egui::vec2(ui.available_width(), 28.0);
        let (rect, row) = ui.allocate_exact_size(size, egui::Sense::click_and_drag());
        row.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::ListItem, true, self.chosen == at, &layer.name)
        });
        let visuals = ui.visuals();
        let fill = match (self.chosen == at, row.hovered()) {
            (true, _) => visuals.selection.bg_fill.gamma_multiply(0.5),
            (false, true) => visuals.widgets.hovered.bg_fill.gamma_multiply(0.4),
            _ => egui::Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, 4.0, fill);
        let inner = egui::UiBuilder::new().id_salt(("row", at)).max_rect(rect.shrink2(egui::vec2(6.0, 2.0)));
        ui.scope_builder(inner, |ui| {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let more = more(ui).on_hover_text("Menu (right click)");
                egui::Popup::menu(&more).show(|ui| self.menu(ui, at, layer, several, actions));
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    if eye(ui, layer.display.visible).on_hover_text("Show or hide").clicked() {
                        layer.display.visible = !layer.display.visible;
                    }
                    swatch(ui, layer);
                    if let Some(group) = group {
                        chip(ui, group);
                    }
                    // The row itself is what is clicked.
                    let name = egui::Label::new(RichText::new(&layer.name).strong());
                    ui.add(name.truncate().selectable(false).sense(egui::Sense::empty()));
                });
            });
        });
        if row.clicked() {
            actions.chosen = Some(at);
        }
        row.dnd_set_drag_payload(Dragged(at.0));
        let fits = |dragged: &Dragged| dragged.0 != at.0;
        if row.dnd_hover_payload::<Dragged>().is_some_and(|d| fits(&d)) {
            let line = ui.visuals().selection.stroke;
            ui.painter().rect_stroke(rect, 4.0, line, egui::StrokeKind::Inside);
        }
        if let Some(dragged) = row.dnd_release_payload::<Dragged>().filter(|d| fits(d)) {
            actions.over = Some((dragged.0, at.0));
        }
        row.context_menu(|ui| self.menu(ui, at, layer, several, actions));
        row.on_hover_text(describe(layer));
    }

    /// Menu of a layer.
    fn menu(&self, ui: &mut Ui, at: (usize, usize), layer: &Layer, several: bool, actions: &mut ListActions) {
        ui.set_min_width(190.0);
        let mut done = false;
        for (other, name) in self.names.iter().enumerate().filter(|(other, _)| *other != at.0) {
            if ui.button(format!("Overlay on {}", elided(name))).clicked() {
                (actions.over, done) = (Some((at.0, other)), true);
            }
        }
        let shape = layer.source.info().shape();
        let like = self.grids.iter().filter(|g| g.shape == shape);
        for other in like.filter(|g| layer.content == Content::Grey && g.at != at) {
            if ui.button(format!("Subtract {}", elided(&other.name))).clicked() {
                (actions.minus, done) = (Some((at, other.at)), true);
            }
        }
        let (content, name, hint) = match layer.content {
            Content::Grey => {
                (Content::Labels, "Treat as labels", "Values are object numbers; each gets its own colour")
            }
            Content::Labels => {
                (Content::Grey, "Treat as intensities", "Values are intensities, shown in grey")
            }
        };
        if ui.button(name).on_hover_text(hint).clicked() {
            (actions.meant, done) = (Some((at, content)), true);
        }
        ui.separator();
        if ui.button(if several { "Close layer" } else { "Close image" }).clicked() {
            (actions.closed, done) = (Some(at), true);
        }
        if done {
            ui.close();
        }
    }
}

/// A button of three dots.
fn more(ui: &mut Ui) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(16.0, 18.0), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "More"));
    let visuals = ui.style().interact(&response);
    if response.hovered() {
        ui.painter().rect_filled(rect, 4.0, visuals.bg_fill);
    }
    for y in [-5.0, 0.0, 5.0] {
        ui.painter().circle_filled(rect.center() + egui::vec2(0.0, y), 1.5, visuals.fg_stroke.color);
    }
    response
}

/// A name that fits into a menu.
fn elided(name: &str) -> String {
    if name.chars().count() <= 36 {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let part = |letters: &[char]| letters.iter().collect::<String>();
    format!("{}…{}", part(&letters[..20]), part(&letters[letters.len() - 15..]))
}

/// A layer of intensities that others can be compared with.
struct Grid {
    at: (usize, usize),
    shape: [usize; 3],
    name: String,
}

impl Grid {
    fn all(viewer: &Viewer) -> Vec<Self> {
        let scenes = viewer.document.scenes.iter().enumerate();
        let layers = scenes
            .flat_map(|(s, scene)| scene.layers.iter().enumerate().map(move |(l, layer)| ((s, l), layer)));
        layers
            .filter(|(_, layer)| layer.content == Content::Grey)
            .map(|(at, layer)| Self { at, shape: layer.source.info().shape(), name: layer.name.clone() })
            .collect()
    }
}

/// Properties that linked images share.
fn linking(ui: &mut Ui, viewer: &mut Viewer) {
    ui.horizontal(|ui| {
        ui.menu_button("Link views…", |ui| {
            ui.set_min_width(210.0);
            ui.label(RichText::new("Linked images share:").weak());
            ui.checkbox(&mut viewer.view.links.place, "Crosshair, planes, montage");
            ui.checkbox(&mut viewer.view.links.camera, "Camera, crop box, cuts");
            ui.checkbox(&mut viewer.view.links.window, "Window of intensities");
            ui.separator();
            for (group, text) in [(1, "Link all (group A)"), (0, "Unlinked")] {
                if ui.button(text).clicked() {
                    viewer.document.scenes.iter_mut().for_each(|s| s.group = group);
                    ui.close();
                }
            }
        })
        .response
        .on_hover_text("Choose which views move together and what they share (L)");
    });
}

/// The group of an image, to be chosen from.
fn chip(ui: &mut Ui, group: &mut usize) {
    let name = GROUPS.get(*group).copied().unwrap_or("none");
    let short = if *group == 0 { "–" } else { name };
    let text = RichText::new(short).small().strong();
    ui.menu_button(text, |ui| {
        for (i, name) in GROUPS.iter().enumerate() {
            let text = if i == 0 { "Unlinked".to_owned() } else { format!("Group {name}") };
            if ui.selectable_label(*group == i, text).clicked() {
                *group = i;
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("Link group");
}

fn swatch(ui: &mut Ui, layer: &Layer) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(14.0, 10.0), egui::Sense::hover());
    for i in 0..14u8 {
        let place = f32::from(i) / 13.0;
        let [r, g, b] = match layer.content {
            Content::Grey => layer.display.map.at(place),
            Content::Labels => voxelry_core::picture::label_color(u32::from(i / 3) + 1),
        };
        let left = rect.left() + f32::from(i);
        let column =
            egui::Rect::from_min_max(egui::pos2(left, rect.top()), egui::pos2(left + 1.0, rect.bottom()));
        ui.painter().rect_filled(column, 0.0, egui::Color32::from_rgb(r, g, b));
    }
}

/// Shape, type and size of voxels in one line each.
fn describe(layer: &Layer) -> String {
    let info = layer.source.info();
    let [z, y, x] = info.shape();
    let [dz, dy, dx] = info.geometry().spacing();
    let unit = info.geometry().unit;
    let mut text = format!("{}\n{x} × {y} × {z} voxels, {}", layer.name, info.voxel);
    if unit.metres().is_some() {
        text += &format!("\n{} × {} × {} {unit}", short(dx), short(dy), short(dz));
    }
    if let Some(path) = &layer.path {
        text += &format!("\n{}", path.display());
    }
    text
}
