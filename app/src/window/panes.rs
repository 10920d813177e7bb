//! Panes: what mouse and keys do in them, and what they show.

mod volume;

use super::canvas::{Canvas, Studio};
use super::cover::{Over, SMALL, cover, name_of};
use super::grips::{self, Place};
use super::overlay;
use super::rulers::Rulers;
use super::strip;
use super::surface::{Probe, Surface};
use super::theme::ACCENT;
use super::theme::GROUND;
use super::tools::{Cut, Kit, Phase, Tool, Touch};
use crate::view::plane::short;
use crate::view::profile::Profile;
use crate::view::shot::{Plane, Tiles};
use crate::view::{Content, Document, Pane, Scene};
use egui::{Color32, Key, MouseWheelUnit, PointerButton, Pos2, Rect, Response, Sense, Ui};
use egui_tiles::{Behavior, SimplificationOptions, TileId, Tiles as Tree, UiResponse};
use glam::{DVec2, DVec3};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use voxelry_core::io::ImageSource;

/// A pane of the window: what it shows of which scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tile {
    /// The scene's place in the document.
    pub scene: usize,
    /// What is shown of it.
    pub pane: Pane,
}

/// What is to become of a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask {
    /// It shows something else.
    Show(Tile),
    /// There is a second one beside it.
    Beside,
    /// There is a second one below it.
    Below,
    /// It fills the window, or no longer does.
    Maximise,
    /// All of the image is seen.
    Fit,
    /// Its picture is exported.
    Export,
    /// It is closed.
    Close,
}

/// Places that were clicked in three dimensions, found by the device.
pub type Picked = Arc<Mutex<Vec<(u64, glam::Vec3)>>>;

/// What the pointer is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hover {
    /// Which scene.
    pub scene: usize,
    /// Indices `(x, y, z)` of the grid of the planes.
    pub index: DVec3,
}

/// The tool in hand, as panes need to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hand {
    /// The tool.
    pub tool: Tool,
    /// Radius of brushes in voxels of the smallest spacing; 0: it has none.
    pub radius: f64,
    /// How far the wheel was turned over an image for the tool, in steps.
    pub turned: f32,
    /// The pane in which it is held down.
    pub holding: Option<egui::Id>,
}

impl Hand {
    /// The one that holds a kit's tool.
    pub fn of(kit: &Kit) -> Self {
        let brush = matches!(kit.tool, Tool::Paint | Tool::Erase);
        Self {
            tool: kit.tool,
            radius: if brush { kit.radius } else { 0.0 },
            turned: 0.0,
            holding: kit.holding,
        }
    }

    /// Whether the wheel is for the tool.
    fn takes_wheel(self, held: egui::Modifiers) -> bool {
        (self.tool == Tool::Wand && !held.any()) || (self.radius > 0.0 && held.shift_only())
    }

    fn draws(self) -> bool {
        !matches!(self.tool, Tool::Look | Tool::Threshold)
    }
}

/// What a tool is drawing around or across.
pub struct Drawn {
    /// In which scene, and across which axis.
    pub scene: usize,
    /// See `scene`.
    pub axis: usize,
    /// Points `(x, y, z)` in indices of the scene's grid.
    pub way: Vec<DVec3>,
    /// Whether its ends are not joined.
    pub open: bool,
}

/// Everything that panes need while they are shown.
pub struct Panes<'a> {
    /// What a tool is drawing around or across.
    pub drawn: Option<Drawn>,
    /// What is open.
    pub document: &'a mut Document,
    /// Pictures, by their tiles.
    pub canvases: &'a mut HashMap<TileId, Canvas>,
    /// What draws.
    pub studio: Studio<'a>,
    /// Whether crosshairs are shown.
    pub crosshair: bool,
    /// The intensities of the slices of the montage.
    pub profile: &'a mut Option<Profile>,
    /// Calls for a frame.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Whether what a recipe would make is shown.
    pub preview: bool,
    /// The pane that has the keys.
    pub active: &'a mut Option<Tile>,
    /// The pane that fills the window.
    pub maximised: &'a mut Option<TileId>,
    /// What the pointer is over.
    pub hover: &'a mut Option<Hover>,
    /// Places that were clicked in three dimensions.
    pub picked: &'a Picked,
    /// Rulers, and the one in hand.
    pub rulers: &'a mut Rulers,
    /// Wheel movement that is not yet a whole slice.
    pub wheel: &'a mut f32,
    /// The tool in hand.
    pub hand: Hand,
    /// A stroke in three dimensions.
    pub surface: &'a mut Option<Surface>,
    /// What a tool is over in three dimensions.
    pub probe: &'a mut Option<Probe>,
    /// A line that is drawn around something in a pane in three dimensions, and one that was.
    pub outline: &'a mut Option<(egui::Id, Vec<Pos2>)>,
    /// See `outline`.
    pub cut: Option<Cut>,
    /// What it touches.
    pub touches: Vec<Touch>,
    /// Whether a picture will get better by itself.
    #[cfg(test)]
    pub unfinished: bool,
    /// What was clicked in a plane, and whether beside what is selected.
    pub clicked: Option<(Hover, bool)>,
    /// What is to become of panes, when all have been shown.
    pub asked: Vec<(TileId, Tile, Ask)>,
}

impl Behavior<Tile> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, id: TileId, tile: &mut Tile) -> UiResponse {
        if self.show(ui, id, *tile) { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, tile: &Tile) -> egui::WidgetText {
        let Some(scene) = self.document.scenes.get(tile.scene) else { return "closed".into() };
        let what = name_of(scene, tile.pane);
        if self.document.scenes.len() > 1 {
            format!("{what} · {}", scene.name()).into()
        } else {
            what.into()
        }
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: false, ..SimplificationOptions::default() }
    }

    fn gap_width(&self, _: &egui::Style) -> f32 {
        2.0
    }

    fn is_tab_closable(&self, _: &Tree<Tile>, _: TileId) -> bool {
        true
    }
}

impl Panes<'_> {
    /// Shows a pane in all of the space there is; whether it is being dragged to another place.
    pub fn show(&mut self, ui: &mut Ui, id: TileId, tile: Tile) -> bool {
        let mut rect = ui.available_rect_before_wrap();
        if tile.pane == Pane::Montage
            && rect.height() > 3.0 * strip::HEIGHT
            && tile.scene < self.document.scenes.len()
        {
            let below = rect.split_top_bottom_at_y(rect.bottom() - strip::HEIGHT);
            rect = below.0;
            strip::show(ui, below.1, &mut self.document.scenes[tile.scene], self.profile, &self.wake);
        }
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 0.0, Color32::from_rgb(GROUND[0], GROUND[1], GROUND[2]));
        if tile.scene >= self.document.scenes.len() || rect.width() < 4.0 || rect.height() < 4.0 {
            return false;
        }
        let per_point = ui.ctx().pixels_per_point();
        let size = [rect.width(), rect.height()].map(|n| (n * per_point).round() as u32);
        if response.clicked() || response.drag_started() || response.secondary_clicked() {
            *self.active = Some(tile);
        }
        let place = Place { pane: tile.pane, rect, size, per_point, crosshair: self.crosshair };
        let scene = &mut self.document.scenes[tile.scene];
        let held =
            self.rulers.use_mouse(ui, &response, scene, &place) || grips::drag(ui, &response, scene, &place);
        match tile.pane {
            _ if held => {}
            Pane::Plane(axis) => self.use_plane(ui, &response, tile.scene, axis, size, per_point),
            Pane::Montage => self.use_montage(ui, &response, tile.scene, size, per_point),
            Pane::Volume => self.use_volume(ui, &response, id, tile.scene, size, per_point),
        }
        self.menu(&response, id, tile);
        // With a tool in hand quick clicks are two of its.
        if response.double_clicked() && !self.hand.draws() {
            *self.maximised = if self.maximised.is_some() { None } else { Some(id) };
        }

        let scene = &self.document.scenes[tile.scene];
        let canvas = self.canvases.entry(id).or_default();
        let Some(seen) = canvas.show(&mut self.studio, scene, tile.pane, size) else { return false };
        #[cfg(test)]
        {
            self.unfinished |= seen.unfinished;
        }
        if let Some(rest) = seen.again {
            ui.ctx().request_repaint_after(rest);
        }
        let broken = scene.layers.iter().filter(|l| l.display.visible).find_map(|l| l.broken.clone());
        let whole = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
        painter.image(seen.texture, rect, whole, Color32::WHITE);
        let over = Over {
            crosshair: self.crosshair,
            scale_bar: true,
            legend: false,
            objects: true,
            name: self.document.scenes.len() > 1,
            time: false,
            rulers: self.rulers.shown,
        };
        let title = cover(&painter, scene, tile.pane, rect, size, per_point, over);
        grips::paint(&painter, &self.document.scenes[tile.scene], &place);
        if let (Pane::Plane(axis), Some(pos), true) =
            (tile.pane, response.hover_pos(), self.hand.radius > 0.0)
        {
            let scene = &self.document.scenes[tile.scene];
            let plane = Plane::new(scene, axis, size.map(f64::from));
            let least = scene.geometry().spacing().into_iter().fold(f64::INFINITY, f64::min);
            let radius = (self.hand.radius * least / plane.pixel) as f32 / per_point;
            ring(&painter, pos, radius);
        }
        if let (Pane::Volume, true) = (tile.pane, self.hand.radius > 0.0) {
            self.show_ball(&painter, &response, &place, tile.scene);
        }
        if let (Pane::Plane(axis), Some(drawn)) = (tile.pane, &self.drawn)
            && (drawn.scene, drawn.axis) == (tile.scene, axis)
        {
            let plane = Plane::new(&self.document.scenes[tile.scene], axis, size.map(f64::from));
            let on_screen = |p: &DVec3| {
                let pixel = plane.pixel_of(*p);
                rect.min + egui::vec2(pixel.x as f32, pixel.y as f32) / per_point
            };
            let mut points: Vec<Pos2> = drawn.way.iter().map(on_screen).collect();
            points.extend(response.hover_pos().filter(|_| !drawn.open));
            for (width, colour) in [(3.0, Color32::from_black_alpha(140)), (1.5, ACCENT)] {
                let stroke = egui::Stroke::new(width, colour);
                let line = if drawn.open || points.len() < 3 {
                    egui::Shape::line(points.clone(), stroke)
                } else {
                    egui::Shape::closed_line(points.clone(), stroke)
                };
                painter.add(line);
            }
        }
        if let Some((_, line)) = self.outline.as_ref().filter(|(of, _)| *of == response.id) {
            for (width, colour) in [(3.0, Color32::from_black_alpha(140)), (1.5, ACCENT)] {
                painter.add(egui::Shape::closed_line(line.clone(), egui::Stroke::new(width, colour)));
            }
        }
        if let Some(reason) = broken {
            overlay::broken(&painter, rect, &reason);
        }
        let loading = seen.unfinished && self.studio.painter.is_busy();
        if rect.width() >= SMALL || self.preview {
            overlay::badge(&painter, rect, seen.level, [self.preview, seen.sampled, loading]);
        }
        let axis = if let Pane::Plane(axis) = tile.pane { Some(axis) } else { None };
        overlay::frame(&painter, rect, axis, *self.active == Some(tile) && self.document.scenes.len() > 1);
        let Some(title) = title.filter(|_| self.maximised.is_none()) else { return false };
        let title = ui.interact(title, response.id.with("title"), Sense::drag());
        title.on_hover_cursor(egui::CursorIcon::Grab).drag_started()
    }

    /// What a right click offers.
    fn menu(&mut self, response: &Response, id: TileId, tile: Tile) {
        let document = &*self.document;
        let Some(scene) = document.scenes.get(tile.scene) else { return };
        let (mut asked, maximised) = (None, self.maximised.is_some());
        response.context_menu(|ui| {
            ui.set_min_width(150.0);
            let panes = [Pane::Plane(0), Pane::Plane(1), Pane::Plane(2), Pane::Montage, Pane::Volume];
            for pane in panes {
                if ui.selectable_label(tile.pane == pane, name_of(scene, pane)).clicked() {
                    asked = Some(Ask::Show(Tile { pane, ..tile }));
                }
            }
            if document.scenes.len() > 1 {
                ui.menu_button("Image", |ui| {
                    for (i, other) in document.scenes.iter().enumerate() {
                        if ui.selectable_label(tile.scene == i, other.name()).clicked() {
                            asked = Some(Ask::Show(Tile { scene: i, ..tile }));
                        }
                    }
                });
            }
            ui.separator();
            for (ask, name) in [
                (Ask::Beside, "Split to the right"),
                (Ask::Below, "Split below"),
                (Ask::Maximise, if maximised { "Restore" } else { "Maximise" }),
                (Ask::Fit, "Fit"),
                (Ask::Export, "Export…"),
                (Ask::Close, "Close pane"),
            ] {
                if ui.button(name).clicked() {
                    asked = Some(ask);
                }
            }
            if asked.is_some() {
                ui.close();
            }
        });
        if let Some(ask) = asked {
            self.asked.push((id, tile, ask));
        }
    }

    /// Steps of the wheel since the last frame, with the keys that are held; only over this pane.
    fn wheel(&mut self, ui: &Ui, response: &Response) -> (f32, egui::Modifiers) {
        if !response.contains_pointer() {
            return (0.0, egui::Modifiers::NONE);
        }
        ui.input(|input| {
            let mut lines = 0.0;
            let mut modifiers = input.modifiers;
            for event in &input.events {
                if let egui::Event::MouseWheel { unit, delta, modifiers: held, .. } = event {
                    let turned = delta.y + delta.x;
                    lines += match unit {
                        MouseWheelUnit::Line => turned,
                        MouseWheelUnit::Point => turned / 40.0,
                        MouseWheelUnit::Page => turned * 10.0,
                    };
                    modifiers = *held;
                }
            }
            (lines, modifiers)
        })
    }

    fn use_plane(
        &mut self,
        ui: &Ui,
        response: &Response,
        at: usize,
        axis: usize,
        size: [u32; 2],
        per_point: f32,
    ) {
        let (lines, held) = self.wheel(ui, response);
        let pan = response.dragged_by(PointerButton::Middle)
            || (response.dragged_by(PointerButton::Primary) && ui.input(|i| i.key_down(Key::Space)));
        let scene = &mut self.document.scenes[at];
        let plane = Plane::new(scene, axis, size.map(f64::from));
        let pixel = |pos: Pos2| {
            let p = (pos - response.rect.min) * per_point;
            DVec2::new(f64::from(p.x), f64::from(p.y))
        };
        if let Some(pos) = response.hover_pos() {
            let hover = Hover { scene: at, index: plane.index(pixel(pos)) };
            *self.hover = Some(hover);
            if response.clicked() && !self.hand.draws() {
                self.clicked = Some((hover, ui.input(|i| i.modifiers.command)));
            }
        }
        if lines != 0.0 && self.hand.takes_wheel(held) {
            self.hand.turned += lines;
        } else if lines != 0.0 {
            if held.command || held.ctrl {
                let by = 1.2f64.powf(f64::from(lines));
                let zoom = (scene.view.zoom * by).clamp(0.05, 500.0);
                // What is under the pointer stays there.
                if let Some(pos) = response.hover_pos() {
                    let under = plane.index(pixel(pos));
                    let middle = scene.index(scene.view.middle);
                    let moved = under + (middle - under) * (scene.view.zoom / zoom);
                    let mut part = scene.part(moved);
                    if !scene.is_turned() {
                        part[2 - axis] = scene.view.middle[2 - axis];
                    }
                    scene.view.middle = part;
                }
                scene.view.zoom = zoom;
            } else {
                *self.wheel += lines * if held.shift { 10.0 } else { 1.0 };
                let whole = self.wheel.trunc();
                *self.wheel -= whole;
                scene.step(axis, -(whole as i64));
            }
        }
        if pan {
            let by = response.drag_delta() * per_point;
            let moved = plane.right * f64::from(by.x) + plane.down * f64::from(by.y);
            scene.view.middle -= moved / scene.extent();
        } else if response.dragged_by(PointerButton::Secondary) {
            turn_window(scene, response.drag_delta());
        } else if self.hand.draws() {
            let axis = (!scene.is_turned()).then_some(axis);
            let touch = |pos: Pos2, phase| Touch {
                scene: at,
                axis,
                at: plane.index(pixel(pos)),
                phase,
                shift: held.shift || ui.input(|i| i.modifiers.shift),
            };
            self.touch_plane(ui, response, touch);
        } else {
            let follow = ui.input(|i| i.modifiers.shift) && response.contains_pointer();
            let pressed = response.is_pointer_button_down_on() && ui.input(|i| i.pointer.primary_down());
            let pos = response.interact_pointer_pos().or(response.hover_pos());
            if let Some(pos) = pos.filter(|_| pressed || (follow && lines == 0.0)) {
                let mut part = scene.part(plane.index(pixel(pos)));
                if !scene.is_turned() {
                    part[2 - axis] = scene.view.at[2 - axis];
                }
                scene.look_at(part);
            }
        }
    }

    /// What the pointer does with a tool in hand: everything since the last frame in its order, so that strokes do
    /// not depend on how often there is a frame.
    fn touch_plane(&mut self, ui: &Ui, response: &Response, touch: impl Fn(Pos2, Phase) -> Touch) {
        let (id, over) = (response.id, response.contains_pointer() || response.is_pointer_button_down_on());
        let holding = &mut self.hand.holding;
        for event in ui.input(|i| i.events.clone()) {
            match event {
                egui::Event::PointerButton { pos, button: PointerButton::Primary, pressed, .. } => {
                    if pressed && over && response.rect.contains(pos) {
                        *holding = Some(id);
                        self.touches.push(touch(pos, Phase::Press));
                    } else if !pressed && *holding == Some(id) {
                        *holding = None;
                        self.touches.push(touch(pos, Phase::Release));
                    }
                }
                egui::Event::PointerMoved(pos) if *holding == Some(id) => {
                    self.touches.push(touch(pos, Phase::Drag));
                }
                _ => {}
            }
        }
        if let (None, true, Some(pos)) = (*holding, over, response.hover_pos()) {
            self.touches.push(touch(pos, Phase::Hover));
        }
    }

    fn use_montage(&mut self, ui: &Ui, response: &Response, at: usize, size: [u32; 2], per_point: f32) {
        let (lines, held) = self.wheel(ui, response);
        let scene = &mut self.document.scenes[at];
        let tiles = Tiles::new(scene, size.map(f64::from));
        let pixel = |pos: Pos2| {
            let p = (pos - response.rect.min) * per_point;
            DVec2::new(f64::from(p.x), f64::from(p.y))
        };
        let index = response.hover_pos().and_then(|pos| tiles.index(pixel(pos), scene));
        if let Some(index) = index {
            let hover = Hover { scene: at, index };
            *self.hover = Some(hover);
            if response.clicked() {
                self.clicked = Some((hover, ui.input(|i| i.modifiers.command)));
            }
        }
        let sheet = tiles.sheet();
        if lines != 0.0 && (held.ctrl || held.command) {
            let zoom = (scene.view.montage.zoom * 1.2f64.powf(f64::from(lines))).clamp(0.2, 1e5);
            if let Some(pos) = response.hover_pos() {
                let under =
                    (tiles.scroll + pixel(pos) * tiles.zoom + (tiles.pitch - tiles.size) / 2.0) / sheet;
                let middle = DVec2::from(scene.view.montage.middle);
                let moved = under + (middle - under) * (scene.view.montage.zoom / zoom);
                scene.view.montage.middle = moved.to_array();
            }
            scene.view.montage.zoom = zoom;
        } else if lines != 0.0 {
            // The wheel moves the sheet, as it does a page.
            let by = -f64::from(lines) * f64::from(size[1]) * 0.12 * tiles.zoom / sheet.y;
            scene.view.montage.middle[1] = (scene.view.montage.middle[1] + by).clamp(0.0, 1.0);
        }
        if response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Primary) {
            let by = response.drag_delta() * per_point;
            let moved = DVec2::new(f64::from(by.x), f64::from(by.y)) * tiles.zoom / sheet;
            let middle = DVec2::from(scene.view.montage.middle) - moved;
            scene.view.montage.middle = middle.clamp(DVec2::ZERO, DVec2::ONE).to_array();
        } else if response.dragged_by(PointerButton::Secondary) {
            turn_window(scene, response.drag_delta());
        } else if let (true, Some(index)) = (response.clicked(), index) {
            scene.view.at = scene.snapped(scene.part(index));
        }
    }
}

/// The outline of a brush.
fn ring(painter: &egui::Painter, at: Pos2, radius: f32) {
    for (width, colour) in [(2.5, Color32::from_black_alpha(120)), (1.0, Color32::WHITE)] {
        painter.circle_stroke(at, radius.max(1.0), egui::Stroke::new(width, colour));
    }
}

/// Changes the window of the uppermost grey layer that is shown: to the right is wider, down is brighter.
fn turn_window(scene: &mut Scene, by: egui::Vec2) {
    let Some(layer) = scene.layers.iter_mut().rev().find(|l| l.content == Content::Grey && l.display.visible)
    else {
        return;
    };
    let (Some([low, high]), Some(stats)) = (layer.display.window, &layer.stats) else { return };
    let range = (stats.window[1] - stats.window[0]).abs().max(f64::MIN_POSITIVE);
    let width = ((high - low) + f64::from(by.x) * range / 300.0).max(range * 1e-3);
    let level = f64::midpoint(low, high) - -(f64::from(by.y) * range / 300.0);
    layer.display.window = Some([level - width / 2.0, level + width / 2.0]);
}

/// The readout of a voxel: index, place, and what is there.
pub fn readout(document: &Document, hover: Hover) -> Option<String> {
    let scene = document.scenes.get(hover.scene)?;
    let index = hover.index.round();
    let inside = index.cmpge(DVec3::ZERO).all() && index.cmplt(scene.extent()).all();
    if !inside {
        return None;
    }
    let geometry = scene.geometry();
    let mut text = format!("x {}  y {}  z {}", index.x, index.y, index.z);
    if geometry.unit.metres().is_some() {
        let world = geometry.world_from_index.transform_point3(index);
        let parts = [world.x, world.y, world.z].map(short);
        text += &format!("   ({}, {}, {}) {}", parts[0], parts[1], parts[2], geometry.unit);
    }
    for layer in scene.layers.iter().filter(|l| l.display.visible) {
        let own = layer.source.info().geometry().world_from_index.inverse();
        let at = own.transform_point3(geometry.world_from_index.transform_point3(index)).round();
        let voxel = [at.z, at.y, at.x].map(|v| v as i64);
        let value = layer.source.peek(voxel, layer.channel, layer.time);
        let value = value.map_or("…".to_owned(), |v| short_value(v, layer.source.info().voxel.is_float()));
        match (layer.content, scene.layers.len()) {
            (Content::Labels, _) => text += &format!("   label {value}"),
            (Content::Grey, 1) => text += &format!("   intensity {value}"),
            (Content::Grey, _) => text += &format!("   {} {value}", layer.name),
        }
    }
    Some(text)
}

fn short_value(value: f64, float: bool) -> String {
    if float { short(value) } else { format!("{value}") }
}
