//! The list of images and their layers, on the left: what is shown, what moves together, what is laid over or
//! subtracted.

use super::app::Viewer;
use super::links::GROUPS;
use super::widgets::eye;
use crate::view::plane::short;
use crate::view::{Content, Layer};
use egui::{RichText, ScrollArea, Ui};
use voxelry_core::io::ImageSource;

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
    let (mut chosen, mut closed, mut over, mut minus) = (viewer.chosen, None, None, None);
    let grids = Grid::all(viewer);
    let names: Vec<String> = viewer.document.scenes.iter().map(|s| s.name().to_owned()).collect();
    if names.len() > 1 {
        linking(ui, viewer);
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for (s, scene) in viewer.document.scenes.iter_mut().enumerate() {
            let several = scene.layers.len();
            for (l, layer) in scene.layers.iter_mut().enumerate().rev() {
                let current = chosen == (s, l);
                let frame = egui::Frame::new().inner_margin(egui::Margin::symmetric(6, 4)).corner_radius(4);
                let fill = if current {
                    ui.visuals().selection.bg_fill.gamma_multiply(0.5)
                } else {
                    egui::Color32::TRANSPARENT
                };
                // The row lies below what is in it.
                let whole = egui::UiBuilder::new().id_salt((s, l)).sense(egui::Sense::click());
                let shown = ui.scope_builder(whole, |ui| {
                    frame.fill(fill).show(ui, |ui| {
                        ui.set_min_width(ui.available_width());
                        ui.horizontal(|ui| {
                            if eye(ui, layer.display.visible).on_hover_text("Show or hide").clicked() {
                                layer.display.visible = !layer.display.visible;
                            }
                            swatch(ui, layer);
                            if names.len() > 1 && l == 0 {
                                chip(ui, &mut scene.group);
                            }
                            let name = egui::Label::new(RichText::new(&layer.name).strong()).truncate();
                            ui.add(name.sense(egui::Sense::click()))
                        })
                        .inner
                        .on_hover_text(describe(layer))
                    })
                });
                let row = shown.response;
                if shown.inner.inner.clicked() || row.clicked() {
                    chosen = (s, l);
                }
                row.context_menu(|ui| {
                    for (other, name) in names.iter().enumerate().filter(|(other, _)| *other != s) {
                        if ui.button(format!("Lay over {name}")).clicked() {
                            over = Some((s, other));
                            ui.close();
                        }
                    }
                    let like = grids.iter().filter(|g| g.shape == layer.source.info().shape());
                    for other in like.filter(|g| layer.content == Content::Grey && g.at != (s, l)) {
                        if ui.button(format!("Subtract {}", other.name)).clicked() {
                            minus = Some(((s, l), other.at));
                            ui.close();
                        }
                    }
                    if ui.button(if several > 1 { "Close layer" } else { "Close image" }).clicked() {
                        closed = Some((s, l));
                        ui.close();
                    }
                });
            }
            ui.add_space(2.0);
        }
    });
    if chosen != viewer.chosen {
        viewer.chosen = chosen;
        viewer.active_scene(chosen.0);
    }
    if let Some((s, l)) = closed {
        viewer.close_layer(s, l);
    }
    if let Some((s, other)) = over {
        viewer.lay_over(s, other);
    }
    if let Some((from, other)) = minus {
        viewer.subtract(from, other);
    }
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

/// What images that move together share.
fn linking(ui: &mut Ui, viewer: &mut Viewer) {
    ui.horizontal(|ui| {
        ui.menu_button("Together…", |ui| {
            ui.set_min_width(210.0);
            ui.label(RichText::new("Images of one group share").weak());
            ui.checkbox(&mut viewer.links.place, "Crosshair, planes, montage");
            ui.checkbox(&mut viewer.links.camera, "Camera, crop box, cuts");
            ui.checkbox(&mut viewer.links.window, "Window of intensities");
            ui.separator();
            for (group, text) in [(1, "All in group A"), (0, "Each by itself")] {
                if ui.button(text).clicked() {
                    viewer.document.scenes.iter_mut().for_each(|s| s.group = group);
                    ui.close();
                }
            }
        })
        .response
        .on_hover_text("Which images move together, and in what (L)");
    });
}

/// The group of an image, to be chosen from.
fn chip(ui: &mut Ui, group: &mut usize) {
    let name = GROUPS.get(*group).copied().unwrap_or("free");
    let short = if *group == 0 { "–" } else { name };
    let text = RichText::new(short).small().strong();
    ui.menu_button(text, |ui| {
        for (i, name) in GROUPS.iter().enumerate() {
            let text = if i == 0 { "By itself".to_owned() } else { format!("Group {name}") };
            if ui.selectable_label(*group == i, text).clicked() {
                *group = i;
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("The group that it moves together with");
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
    let mut text = format!("{x} × {y} × {z} voxels, {}", info.voxel);
    if unit.metres().is_some() {
        text += &format!("\n{} × {} × {} {unit}", short(dx), short(dy), short(dz));
    }
    if let Some(path) = &layer.path {
        text += &format!("\n{}", path.display());
    }
    text
}
