//! Panes: what mouse and keys do in them, and what they show.

mod frame;
mod volume;

use super::annotations::{Annotations, SMALL, annotate, name_of};
use super::canvas::{Canvas, CanvasContext, PaneImage};
use super::handles::{self, PaneArea};
use super::overlay;
use super::pointer::PointerTracker;
use super::rulers::Rulers;
use super::slice_profile;
use super::theme::ACCENT;
use super::theme::GROUND;
use super::tools::{PointerPhase, Tool, ToolInput, ToolState, VolumeLasso};
use crate::view::plane::{coordinate, short};
use crate::view::profile::Profile;
use crate::view::projection::{Plane, Tiles};
use crate::view::{Content, Document, Pane, Scene};
use egui::{Color32, Key, MouseWheelUnit, Painter, PointerButton, Pos2, Rect, Response, Sense, Ui};
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
    /// Current view.
    pub pane: Pane,
}

/// Action on a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PaneAction {
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

/// Place under the pointer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hover {
    /// Scene index.
    pub scene: usize,
    /// Indices `(x, y, z)` of the grid of the planes.
    pub index: DVec3,
}

/// The active tool, as panes need to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointerState {
    /// The tool.
    pub tool: Tool,
    /// Radius of brushes in voxels of the smallest spacing; 0: it has none.
    pub radius: f64,
    /// Steps of the wheel over an image that are for the tool.
    pub turned: f32,
    /// The pane in which it is held down.
    pub pressed_pane: Option<egui::Id>,
}

impl PointerState {
    /// The pointer's state for the active tool.
    pub fn of(tools: &ToolState) -> Self {
        let brush = matches!(tools.tool, Tool::Paint | Tool::Erase);
        Self {
            tool: tools.tool,
            radius: if brush { tools.settings.radius } else { 0.0 },
            turned: 0.0,
            pressed_pane: tools.gesture.pressed_pane,
        }
    }

    /// Returns whether the wheel is for the tool.
    fn takes_wheel(self, held: egui::Modifiers) -> bool {
        (self.tool == Tool::Wand && !held.any()) || (self.radius > 0.0 && held.shift_only())
    }

    fn draws(self) -> bool {
        !matches!(self.tool, Tool::Look | Tool::Threshold)
    }
}

/// Line that a tool is drawing.
pub struct DrawnLine {
    /// Scene index, and the axis of the plane.
    pub scene: usize,
    /// See `scene`.
    pub axis: usize,
    /// Points `(x, y, z)` in indices of the scene's grid.
    pub points: Vec<DVec3>,
    /// True if its ends are not joined.
    pub open: bool,
}

/// Actions of the panes, applied by the window when all have been shown.
#[derive(Default)]
pub struct PaneActions {
    /// A lasso that was closed in three dimensions.
    pub lasso: Option<VolumeLasso>,
    /// Input for the active tool.
    pub tool_inputs: Vec<ToolInput>,
    /// Place that was clicked in a plane; true to extend the selection.
    pub clicked: Option<(Hover, bool)>,
    /// Actions on the panes themselves.
    pub panes: Vec<(TileId, Tile, PaneAction)>,
}

/// Everything that panes need while they are shown.
pub struct Panes<'a> {
    /// Line that a tool is drawing.
    pub drawn: Option<DrawnLine>,
    /// The open images.
    pub document: &'a mut Document,
    /// Pictures, by their tiles.
    pub canvases: &'a mut HashMap<TileId, Canvas>,
    /// Everything that canvases need to draw.
    pub context: CanvasContext<'a>,
    /// True if crosshairs are shown.
    pub crosshair: bool,
    /// The intensities of the slices of the montage.
    pub profile: &'a mut Option<Profile>,
    /// Calls for a frame.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// True if the preview of a recipe is shown.
    pub preview: bool,
    /// The pane that has the keys.
    pub active: &'a mut Option<Tile>,
    /// The pane that fills the window.
    pub maximised: &'a mut Option<TileId>,
    /// The pointer over the panes.
    pub pointer: &'a mut PointerTracker,
    /// The active tool.
    pub active_tool: PointerState,
    /// Rulers, and the active kind.
    pub rulers: &'a mut Rulers,
    /// Actions so far.
    pub actions: PaneActions,
    /// True if a picture will get better by itself.
    #[cfg(test)]
    pub unfinished: bool,
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
    /// Shows a pane in all of the space there is; returns true while it is dragged to another place.
    pub fn show(&mut self, ui: &mut Ui, id: TileId, tile: Tile) -> bool {
        let mut rect = ui.available_rect_before_wrap();
        let open = tile.scene < self.document.scenes.len();
        if tile.pane == Pane::Montage && rect.height() > 3.0 * slice_profile::HEIGHT && open {
            let below = rect.split_top_bottom_at_y(rect.bottom() - slice_profile::HEIGHT);
            rect = below.0;
            slice_profile::show(ui, below.1, &mut self.document.scenes[tile.scene], self.profile, &self.wake);
        }
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 0.0, Color32::from_rgb(GROUND[0], GROUND[1], GROUND[2]));
        if !open || rect.width() < 4.0 || rect.height() < 4.0 {
            return false;
        }
        let per_point = ui.ctx().pixels_per_point();
        let size = [rect.width(), rect.height()].map(|n| (n * per_point).round() as u32);
        let area = PaneArea { pane: tile.pane, rect, size, per_point, crosshair: self.crosshair };
        self.input(ui, &response, (id, tile), &area);
        let scene = &self.document.scenes[tile.scene];
        let canvas = self.canvases.entry(id).or_default();
        let Some(image) = canvas.show(&mut self.context, scene, tile.pane, size) else { return false };
        #[cfg(test)]
        {
            self.unfinished |= image.unfinished;
        }
        if let Some(rest) = image.again {
            ui.ctx().request_repaint_after(rest);
        }
        let whole = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
        painter.image(image.texture, rect, whole, Color32::WHITE);
        let Some(title) = self.annotations(&painter, &response, tile, &area, &image) else { return false };
        let title = ui.interact(title, response.id.with("title"), Sense::drag());
        title.on_hover_cursor(egui::CursorIcon::Grab).drag_started()
    }

    /// Handles mouse and keys in a pane.
    fn input(&mut self, ui: &Ui, response: &Response, (id, tile): (TileId, Tile), area: &PaneArea) {
        if response.clicked() || response.drag_started() || response.secondary_clicked() {
            *self.active = Some(tile);
        }
        let scene = &mut self.document.scenes[tile.scene];
        let held =
            self.rulers.use_mouse(ui, response, scene, area) || handles::drag(ui, response, scene, area);
        let (size, per_point) = (area.size, area.per_point);
        match tile.pane {
            _ if held => {}
            Pane::Plane(axis) => self.use_plane(ui, response, tile.scene, axis, size, per_point),
            Pane::Montage => self.use_montage(ui, response, tile.scene, size, per_point),
            Pane::Volume => self.use_volume(ui, response, id, tile.scene, size, per_point),
        }
        self.menu(response, id, tile);
        // A drawing tool takes a double click as two clicks.
        if response.double_clicked() && !self.active_tool.draws() {
            *self.maximised = if self.maximised.is_some() { None } else { Some(id) };
        }
    }

    /// Draws everything over the picture of a pane; the rectangle of its title, by which it can be dragged.
    fn annotations(
        &self,
        painter: &Painter,
        response: &Response,
        tile: Tile,
        area: &PaneArea,
        image: &PaneImage,
    ) -> Option<Rect> {
        let (scene, several) = (&self.document.scenes[tile.scene], self.document.scenes.len() > 1);
        let annotations = Annotations {
            crosshair: self.crosshair,
            scale_bar: true,
            legend: false,
            objects: true,
            name: several,
            time: false,
            rulers: self.rulers.shown,
        };
        let title = annotate(painter, scene, tile.pane, area.rect, area.size, area.per_point, annotations);
        handles::paint(painter, scene, area);
        self.tool_outline(painter, response, tile, area);
        if let Some(reason) =
            scene.layers.iter().filter(|l| l.display.visible).find_map(|l| l.broken.as_deref())
        {
            overlay::broken(painter, area.rect, reason);
        }
        let loading = image.unfinished && self.context.painter.is_busy();
        if area.rect.width() >= SMALL || self.preview {
            overlay::badge(painter, area.rect, image.level, [self.preview, image.sampled, loading]);
        }
        let axis = if let Pane::Plane(axis) = tile.pane { Some(axis) } else { None };
        overlay::frame(painter, area.rect, axis, *self.active == Some(tile) && several);
        title.filter(|_| self.maximised.is_none())
    }

    /// Draws the outline of the brush, and the line of the active tool.
    fn tool_outline(&self, painter: &Painter, response: &Response, tile: Tile, area: &PaneArea) {
        let scene = &self.document.scenes[tile.scene];
        let radius = self.active_tool.radius;
        if let Pane::Plane(axis) = tile.pane {
            let plane = Plane::new(scene, axis, area.size.map(f64::from));
            if let Some(pos) = response.hover_pos().filter(|_| radius > 0.0) {
                let least = scene.geometry().spacing().into_iter().fold(f64::INFINITY, f64::min);
                ring(painter, pos, (radius * least / plane.pixel) as f32 / area.per_point);
            }
            if let Some(drawn) = self.drawn.as_ref().filter(|d| (d.scene, d.axis) == (tile.scene, axis)) {
                let on_screen = |p: &DVec3| {
                    let pixel = plane.pixel_of(*p);
                    area.rect.min + egui::vec2(pixel.x as f32, pixel.y as f32) / area.per_point
                };
                let mut points: Vec<Pos2> = drawn.points.iter().map(on_screen).collect();
                points.extend(response.hover_pos().filter(|_| !drawn.open));
                tool_line(painter, &points, drawn.open || points.len() < 3);
            }
        } else if tile.pane == Pane::Volume && radius > 0.0 {
            self.show_ball(painter, response, area, tile.scene);
        }
        if let Some((_, line)) = self.pointer.outline.as_ref().filter(|(pane, _)| *pane == response.id) {
            tool_line(painter, line, false);
        }
    }

    /// Context menu of a pane.
    fn menu(&mut self, response: &Response, id: TileId, tile: Tile) {
        let document = &*self.document;
        let Some(scene) = document.scenes.get(tile.scene) else { return };
        let (mut asked, maximised) = (None, self.maximised.is_some());
        response.context_menu(|ui| {
            ui.set_min_width(150.0);
            let panes = [Pane::Plane(0), Pane::Plane(1), Pane::Plane(2), Pane::Montage, Pane::Volume];
            for pane in panes {
                if ui.selectable_label(tile.pane == pane, name_of(scene, pane)).clicked() {
                    asked = Some(PaneAction::Show(Tile { pane, ..tile }));
                }
            }
            if document.scenes.len() > 1 {
                ui.menu_button("Image", |ui| {
                    for (i, other) in document.scenes.iter().enumerate() {
                        if ui.selectable_label(tile.scene == i, other.name()).clicked() {
                            asked = Some(PaneAction::Show(Tile { scene: i, ..tile }));
                        }
                    }
                });
            }
            ui.separator();
            for (action, name) in [
                (PaneAction::Beside, "Split to the right"),
                (PaneAction::Below, "Split below"),
                (PaneAction::Maximise, if maximised { "Restore" } else { "Maximise" }),
                (PaneAction::Fit, "Fit"),
                (PaneAction::Export, "Export…"),
                (PaneAction::Close, "Close pane"),
            ] {
                if ui.button(name).clicked() {
                    asked = Some(action);
                }
            }
            if asked.is_some() {
                ui.close();
            }
        });
        if let Some(action) = asked {
            self.actions.panes.push((id, tile, action));
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
            self.pointer.hover = Some(hover);
            if response.clicked() && !self.active_tool.draws() {
                self.actions.clicked = Some((hover, ui.input(|i| i.modifiers.command)));
            }
        }
        if lines != 0.0 && self.active_tool.takes_wheel(held) {
            self.active_tool.turned += lines;
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
                self.pointer.wheel += lines * if held.shift { 10.0 } else { 1.0 };
                let whole = self.pointer.wheel.trunc();
                self.pointer.wheel -= whole;
                scene.step(axis, -(whole as i64));
            }
        }
        if pan {
            let by = response.drag_delta() * per_point;
            let moved = plane.right * f64::from(by.x) + plane.down * f64::from(by.y);
            scene.view.middle -= moved / scene.extent();
        } else if response.dragged_by(PointerButton::Secondary) {
            turn_window(scene, response.drag_delta());
        } else if self.active_tool.draws() {
            let axis = (!scene.is_turned()).then_some(axis);
            let touch = |pos: Pos2, phase| ToolInput {
                scene: at,
                axis,
                at: plane.index(pixel(pos)),
                phase,
                shift: held.shift || ui.input(|i| i.modifiers.shift),
            };
            self.use_tool_in_plane(ui, response, touch);
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

    /// Passes all pointer events since the last frame to the active tool, in their order, so that strokes do
    /// not depend on how often there is a frame.
    fn use_tool_in_plane(
        &mut self,
        ui: &Ui,
        response: &Response,
        touch: impl Fn(Pos2, PointerPhase) -> ToolInput,
    ) {
        let (id, over) = (response.id, response.contains_pointer() || response.is_pointer_button_down_on());
        let holding = &mut self.active_tool.pressed_pane;
        for event in ui.input(|i| i.events.clone()) {
            match event {
                egui::Event::PointerButton { pos, button: PointerButton::Primary, pressed, .. } => {
                    if pressed && over && response.rect.contains(pos) {
                        *holding = Some(id);
                        self.actions.tool_inputs.push(touch(pos, PointerPhase::Press));
                    } else if !pressed && *holding == Some(id) {
                        *holding = None;
                        self.actions.tool_inputs.push(touch(pos, PointerPhase::Release));
                    }
                }
                egui::Event::PointerMoved(pos) if *holding == Some(id) => {
                    self.actions.tool_inputs.push(touch(pos, PointerPhase::Drag));
                }
                _ => {}
            }
        }
        if let (None, true, Some(pos)) = (*holding, over, response.hover_pos()) {
            self.actions.tool_inputs.push(touch(pos, PointerPhase::Hover));
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
            self.pointer.hover = Some(hover);
            if response.clicked() {
                self.actions.clicked = Some((hover, ui.input(|i| i.modifiers.command)));
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

/// The line of a tool.
fn tool_line(painter: &Painter, points: &[Pos2], open: bool) {
    for (width, colour) in [(3.0, Color32::from_black_alpha(140)), (1.5, ACCENT)] {
        let stroke = egui::Stroke::new(width, colour);
        painter.add(if open {
            egui::Shape::line(points.to_vec(), stroke)
        } else {
            egui::Shape::closed_line(points.to_vec(), stroke)
        });
    }
}

/// The outline of a brush.
fn ring(painter: &Painter, at: Pos2, radius: f32) {
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
        let [dz, dy, dx] = geometry.spacing();
        let step = dx.min(dy).min(dz);
        let parts = [world.x, world.y, world.z].map(|v| coordinate(v, step));
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
