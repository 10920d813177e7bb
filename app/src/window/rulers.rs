//! Rulers: what the mouse does to them in planes, and how they are drawn.

use super::app::Viewer;
use super::handles::PaneArea;
use super::overlay::{self, text};
use super::theme::OVER;
use crate::view::plane::{length, short};
use crate::view::projection::Plane;
use crate::view::ruler::{Reading, Ruler, RulerKind, Task};
use crate::view::{Pane, Scene};
use egui::{Align2, Color32, Key, Painter, Pos2, Rect, Response, Shape, Stroke, Ui, pos2, vec2};
use glam::{DQuat, DVec2, DVec3};
use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use voxelry_core::Unit;

/// Rulers with their names and what they measure.
const KINDS: [(RulerKind, &str, &str); 5] = [
    (RulerKind::Length, "Length", "Drag: the distance between two places"),
    (RulerKind::Angle, "Angle", "Drag from an end to the corner, then click: the angle there"),
    (RulerKind::Profile, "Profile", "Drag: the intensities along a line"),
    (RulerKind::Rectangle, "Rectangle", "Drag: the intensities in a rectangle"),
    (RulerKind::Ellipse, "Ellipse", "Drag: the intensities in an ellipse"),
];

/// Distance at which the pointer reaches a point of a ruler, in points.
const REACH: f32 = 8.0;
/// The colour of rulers.
const INK: Color32 = Color32::from_rgb(255, 220, 90);

/// Rulers: the active kind, and readings in progress.
pub struct Rulers {
    /// True if rulers are shown.
    pub shown: bool,
    /// The kind that is drawn next.
    pub tool: Option<RulerKind>,
    /// The ruler that is being drawn or changed, which of its places moves, and whether it does without a button.
    held: Option<(u64, usize, bool)>,
    reading: HashSet<u64>,
    read: (mpsc::Sender<(u64, Reading)>, mpsc::Receiver<(u64, Reading)>),
}

impl Default for Rulers {
    fn default() -> Self {
        Self { shown: true, tool: None, held: None, reading: HashSet::new(), read: mpsc::channel() }
    }
}

impl Rulers {
    /// Activates a kind of ruler, or deactivates it.
    pub fn activate(&mut self, kind: RulerKind) {
        self.tool = if self.tool == Some(kind) { None } else { Some(kind) };
        self.shown = true;
        self.held = None;
    }

    /// Puts the tool away; whether there was one.
    pub fn deactivate(&mut self) -> bool {
        self.held = None;
        self.tool.take().is_some()
    }

    /// The list of rulers of an image: what each says, where it is, and how it is removed.
    pub(super) fn list(&mut self, ui: &mut Ui, scene: &mut Scene) {
        ui.horizontal(|ui| {
            ui.checkbox(&mut self.shown, "Show rulers");
            ui.menu_button("Add", |ui| {
                for (kind, name, hint) in KINDS {
                    if ui.button(name).on_hover_text(hint).clicked() {
                        self.tool = None;
                        self.activate(kind);
                        ui.close();
                    }
                }
            });
        });
        let unit = scene.geometry().unit;
        let (mut removed, mut jump) = (None, None);
        for ruler in &scene.rulers {
            let name = KINDS.iter().find(|k| k.0 == ruler.kind).map_or("", |k| k.1);
            let place = scene.index(ruler.places[0]).round()[2 - ruler.axis];
            ui.horizontal(|ui| {
                if ui.small_button("×").on_hover_text("Remove").clicked() {
                    removed = Some(ruler.id);
                }
                let said = words(ruler, scene, unit).join(", ");
                let text = format!("{name}, {} {place}: {said}", ["z", "y", "x"][ruler.axis]);
                let label = egui::Label::new(&text).truncate().selectable(false).sense(egui::Sense::click());
                if ui.add(label).on_hover_text(format!("{text}\nClick: go to its slice")).clicked() {
                    jump = ruler.places.first().copied();
                }
            });
        }
        if let Some(id) = removed {
            scene.rulers.retain(|r| r.id != id);
        }
        if let Some(place) = jump {
            scene.look_at(place);
        }
    }

    /// Hint for the mouse with the active ruler.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.tool? {
            RulerKind::Length => "Drag: a length · Delete over its end: remove it · Esc: stop measuring",
            RulerKind::Angle => {
                "Drag from an end to the corner, then click: an angle · Delete: remove · Esc: stop measuring"
            }
            RulerKind::Profile => {
                "Drag: intensities along a line · Delete over its end: remove it · Esc: stop measuring"
            }
            RulerKind::Rectangle | RulerKind::Ellipse => {
                "Drag: intensities in a region · Delete over its corner: remove it · Esc: stop measuring"
            }
        })
    }

    /// Handles the mouse in a plane; true if rulers use it.
    pub fn use_mouse(&mut self, ui: &Ui, response: &Response, scene: &mut Scene, place: &PaneArea) -> bool {
        let Pane::Plane(axis) = place.pane else { return false };
        let plane = Plane::new(scene, axis, place.size.map(f64::from));
        let straight = scene.view.turns[axis] == DQuat::IDENTITY;
        let part = |scene: &Scene, pos: Pos2| {
            let pixel = (pos - place.rect.min) * place.per_point;
            scene.part(plane.index(DVec2::new(f64::from(pixel.x), f64::from(pixel.y))))
        };
        if !self.shown {
            return false;
        }
        let over = response.hover_pos().and_then(|pos| near(scene, axis, &plane, place, pos));
        if let (Some((id, _)), true) = (over, ui.input(|i| i.key_pressed(Key::Delete))) {
            scene.rulers.retain(|r| r.id != id);
            self.held = None;
            return true;
        }
        if over.is_some() || self.tool.is_some() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::Crosshair);
        }
        let pressed = response.is_pointer_button_down_on() && ui.input(|i| i.pointer.primary_pressed());
        let pos = response.interact_pointer_pos().or(response.hover_pos());
        if let (true, Some(pos)) = (pressed, pos) {
            if self.held.is_some_and(|(id, _, free)| {
                free && scene.rulers.iter().any(|r| r.id == id && r.axis == axis)
            }) {
                // The third place of an angle is there.
                self.held = None;
                return true;
            }
            if let Some((id, at)) = near(scene, axis, &plane, place, pos) {
                self.held = Some((id, at, false));
            } else if let Some(kind) = self.tool.filter(|kind| straight || !kind.is_region()) {
                let mut ruler = Ruler::new(kind, axis, part(scene, pos));
                ruler.places.push(ruler.places[0]);
                self.held = Some((ruler.id, 1, false));
                scene.rulers.push(ruler);
            }
        }
        let Some((id, at, free)) = self.held else { return self.tool.is_some() && pressed };
        let down = ui.input(|i| i.pointer.primary_down());
        let here = part(scene, pos.unwrap_or(place.rect.center()));
        let Some(ruler) = scene.rulers.iter_mut().find(|r| r.id == id && r.axis == axis) else {
            return false;
        };
        if (down || free) && pos.is_some() {
            if at < ruler.places.len() {
                ruler.places[at] = here;
            }
            return true;
        }
        if !down {
            let short = ruler.places.len() > 1 && ruler.places[0].distance(ruler.places[1]) < 1e-4;
            let waits = ruler.kind.places() > ruler.places.len();
            if short {
                scene.rulers.retain(|r| r.id != id);
                self.held = None;
            } else if waits {
                ruler.places.push(here);
                self.held = Some((id, 2, true));
            } else {
                self.held = None;
            }
        }
        true
    }
}

/// The place of a ruler that a pane's position is near.
fn near(scene: &Scene, axis: usize, plane: &Plane, place: &PaneArea, pos: Pos2) -> Option<(u64, usize)> {
    let rulers = scene.rulers.iter().filter(|r| r.axis == axis && lies_in(r, scene, plane));
    let places = rulers.flat_map(|r| r.places.iter().enumerate().map(|(i, p)| (r.id, i, *p)));
    places
        .map(|(id, i, p)| (id, i, on_screen(scene, plane, place.rect, place.per_point, p).distance(pos)))
        .filter(|(_, _, away)| *away < REACH)
        .min_by(|a, b| a.2.total_cmp(&b.2))
        .map(|(id, i, _)| (id, i))
}

fn on_screen(scene: &Scene, plane: &Plane, rect: Rect, per_point: f32, part: DVec3) -> Pos2 {
    let pixel = plane.pixel_of(scene.index(part));
    rect.min + vec2(pixel.x as f32, pixel.y as f32) / per_point
}

/// Returns whether a ruler lies in the slice that is shown.
fn lies_in(ruler: &Ruler, scene: &Scene, plane: &Plane) -> bool {
    let gap = scene.gap(ruler.axis);
    let ways = glam::DMat3::from_cols(plane.right, plane.down, plane.across).inverse();
    let away = |p: &DVec3| (ways * (scene.index(*p) - plane.origin)).z.abs();
    ruler.places.iter().all(|p| away(p) <= gap * 0.501)
}

/// Draws the rulers of a plane with what they say.
pub fn paint(painter: &Painter, scene: &Scene, plane: &Plane, rect: Rect, per_point: f32) {
    let unit = scene.geometry().unit;
    let axis = plane.facing.axis;
    for ruler in scene.rulers.iter().filter(|r| r.axis == axis && lies_in(r, scene, plane)) {
        let points: Vec<Pos2> =
            ruler.places.iter().map(|p| on_screen(scene, plane, rect, per_point, *p)).collect();
        let outline: Vec<Pos2> =
            ruler.outline(scene).filter(|_| ruler.kind.is_region()).map_or_else(Vec::new, |o| {
                o.into_iter().map(|p| on_screen(scene, plane, rect, per_point, p)).collect()
            });
        let shade = Stroke::new(3.5, Color32::from_black_alpha(150));
        let ink = Stroke::new(1.5, INK);
        for stroke in [shade, ink] {
            if ruler.kind.is_region() {
                painter.add(Shape::closed_line(outline.clone(), stroke));
            } else {
                points.windows(2).for_each(|w| {
                    painter.line_segment([w[0], w[1]], stroke);
                });
            }
        }
        for point in &points {
            painter.circle(*point, 3.0, INK, Stroke::new(1.0, Color32::from_black_alpha(180)));
        }
        let said = words(ruler, scene, unit);
        let Some(last) = points.iter().copied().max_by(|a, b| a.x.total_cmp(&b.x)) else { continue };
        let mut at = last + vec2(9.0, -6.0);
        // What would be cut off stands on the other side.
        let wide = said.iter().map(|line| line.chars().count()).max().unwrap_or(0) as f32 * 6.5;
        if at.x + wide > rect.right() {
            at.x = (rect.right() - wide - 4.0).max(rect.left() + 4.0);
            at.y += 16.0;
        }
        at.y = overlay::plated(painter, at, &said, 12.0, OVER).bottom();
        if let Some(reading) = ruler.current().filter(|r| r.along.len() > 1) {
            curve(painter, rect, at + vec2(0.0, 4.0), reading, &length(ruler.length(scene), unit));
        }
    }
}

/// Text of a ruler's reading.
fn words(ruler: &Ruler, scene: &Scene, unit: Unit) -> Vec<String> {
    let mut said = Vec::new();
    match ruler.kind {
        RulerKind::Length | RulerKind::Profile => said.push(length(ruler.length(scene), unit)),
        RulerKind::Angle => match ruler.angle(scene) {
            Some(angle) => said.push(format!("{angle:.1}°")),
            None => said.push(length(ruler.length(scene), unit)),
        },
        RulerKind::Rectangle | RulerKind::Ellipse => {
            if let (Some([a, b]), Some(area)) = (ruler.sides(scene), ruler.area(scene)) {
                let square = if unit.metres().is_some() { format!("{unit}²") } else { "voxel²".to_owned() };
                said.push(format!("{} × {}", length(a, unit), length(b, unit)));
                said.push(format!("area {} {square}", short(area)));
            }
        }
    }
    if let Some(reading) = ruler.current() {
        if let Some((count, [mean, deviation, least, most])) = reading.region {
            said.push(format!("mean {} ± {} (sd)", short(mean), short(deviation)));
            said.push(format!("{} to {}, {count} voxels", short(least), short(most)));
        }
        if reading.coarse > 1.01 {
            said.push(format!("preview, 1:{:.0}", reading.coarse));
        }
    }
    said
}

/// The intensities along a line as a small plot.
fn curve(painter: &Painter, pane: Rect, at: Pos2, reading: &Reading, end: &str) {
    let size = vec2(170.0, 74.0);
    if pane.width() < size.x + 20.0 || pane.height() < size.y * 2.0 {
        return;
    }
    let at = pos2(
        at.x.clamp(pane.left() + 4.0, pane.right() - size.x - 4.0),
        at.y.clamp(pane.top() + 4.0, pane.bottom() - size.y - 4.0),
    );
    let plate = Rect::from_min_size(at, size);
    painter.rect_filled(plate, 3.0, Color32::from_black_alpha(190));
    let plot = Rect::from_min_max(plate.min + vec2(6.0, 16.0), plate.max - vec2(6.0, 16.0));
    let finite = || reading.along.iter().copied().filter(|v| v.is_finite());
    let [low, high] = finite().fold([f32::INFINITY, f32::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)]);
    if low > high {
        return;
    }
    let range = (high - low).max(f32::MIN_POSITIVE);
    let last = (reading.along.len() - 1) as f32;
    let point = |(i, v): (usize, &f32)| {
        let y = plot.bottom() - (v - low) / range * plot.height();
        pos2(plot.left() + i as f32 / last * plot.width(), y)
    };
    let points: Vec<Pos2> =
        reading.along.iter().enumerate().filter(|(_, v)| v.is_finite()).map(point).collect();
    painter.add(Shape::line(points, Stroke::new(1.3, INK)));
    text(painter, plate.min + vec2(5.0, 1.0), Align2::LEFT_TOP, &short(f64::from(high)), 10.5, OVER);
    text(
        painter,
        pos2(plate.left() + 5.0, plate.bottom() - 1.0),
        Align2::LEFT_BOTTOM,
        &short(f64::from(low)),
        10.5,
        OVER,
    );
    text(painter, plate.max - vec2(5.0, 1.0), Align2::RIGHT_BOTTOM, end, 10.5, OVER);
}

impl Viewer {
    /// Reads what rulers lie over, on threads, and takes in what was read.
    pub(super) fn read_rulers(&mut self) {
        let read: Vec<(u64, Reading)> = self.rulers.read.1.try_iter().collect();
        for (id, reading) in read {
            self.rulers.reading.remove(&id);
            let mut all = self.document.scenes.iter_mut().flat_map(|s| &mut s.rulers);
            if let Some(ruler) = all.find(|r| r.id == id) {
                ruler.reading = Some(Arc::new(reading));
            }
        }
        let tasks: Vec<Task> = self
            .document
            .scenes
            .iter()
            .flat_map(|scene| scene.rulers.iter().filter_map(|ruler| ruler.to_read(scene)))
            .collect();
        for task in tasks {
            if !self.rulers.reading.insert(task.id) {
                continue;
            }
            let (send, wake) = (self.rulers.read.0.clone(), self.jobs.wake.clone());
            std::thread::spawn(move || {
                let (id, nothing) = (task.id, task.nothing());
                // Nobody listens when the window has closed.
                let _ = send.send((id, task.read().unwrap_or(nothing)));
                wake();
            });
        }
    }

    /// The bar over the panes that shows the active ruler.
    pub(super) fn ruler_bar(&mut self, ctx: &egui::Context, panes: Rect) {
        if self.rulers.tool.is_none() {
            return;
        }
        let area = egui::Area::new(egui::Id::unique("rulers")).order(egui::Order::Middle);
        let at = pos2(panes.center().x, panes.top() + 6.0);
        area.pivot(Align2::CENTER_TOP).fixed_pos(at).show(ctx, |ui| {
            egui::Frame::popup(ui.style()).inner_margin(4).show(ui, |ui| {
                ui.horizontal(|ui| {
                    for (kind, name, hint) in KINDS {
                        let on = self.rulers.tool == Some(kind);
                        if ui.selectable_label(on, name).on_hover_text(hint).clicked() && !on {
                            self.rulers.activate(kind);
                        }
                    }
                    ui.separator();
                    if ui.button("Done").on_hover_text("Stop measuring (Esc)").clicked() {
                        self.rulers.deactivate();
                    }
                });
            });
        });
    }

    /// Returns whether there are rulers in the image that has the keys.
    pub fn has_rulers(&self) -> bool {
        self.document.scenes.iter().any(|s| !s.rulers.is_empty())
    }

    /// Removes all rulers of the image that has the keys.
    pub fn remove_rulers(&mut self) {
        self.in_chosen_scene(|scene| scene.rulers.clear());
        self.rulers.held = None;
    }
}
