//! Handles that are dragged in a pane: they turn planes, move the faces of the crop box, and move and tilt
//! cuts.

use super::overlay::{on_screen, screen};
use super::theme::{ACCENT, AXES};
use crate::view::projection::{Plane, clip_from_world};
use crate::view::{Pane, Scene};
use egui::{Color32, Painter, Pos2, Rect, Response, Stroke, Ui, Vec2};
use glam::{DMat4, DQuat, DVec2, DVec3};

/// Distance at which the pointer reaches a handle, in points.
const REACH: f32 = 9.0;
/// The colour of cuts.
const CUT: Color32 = Color32::from_rgb(255, 170, 60);

/// Effect of dragging a handle.
#[derive(Debug, Clone, Copy, PartialEq)]
enum HandleKind {
    /// Turns the other planes about the crosshair.
    Turn,
    /// Moves a face of the crop box: the axis (x, y, z), and whether it is the upper one.
    Face(usize, bool),
    /// Moves a cut along its normal.
    Cut(usize),
    /// Tilts a cut.
    Tilt(usize),
}

/// A handle.
#[derive(Debug, Clone, Copy)]
struct Handle {
    kind: HandleKind,
    at: Pos2,
    /// Points of the screen by which it moves as its value goes up by one.
    along: Vec2,
    colour: Color32,
}

/// A pane on the screen.
#[derive(Clone, Copy)]
pub struct PaneArea {
    /// View in the pane.
    pub pane: Pane,
    /// Position.
    pub rect: Rect,
    /// Its pixels.
    pub size: [u32; 2],
    /// Pixels of a point.
    pub per_point: f32,
    /// True if crosshairs are shown.
    pub crosshair: bool,
}

impl PaneArea {
    fn plane(&self, scene: &Scene) -> Option<Plane> {
        let Pane::Plane(axis) = self.pane else { return None };
        Some(Plane::new(scene, axis, self.size.map(f64::from)))
    }

    /// The place on the screen of a part of the image; none if it is behind the eye.
    fn part(&self, scene: &Scene, part: DVec3) -> Option<Pos2> {
        let index = scene.index(part);
        if let Some(plane) = self.plane(scene) {
            let pixel = plane.pixel_of(index);
            return Some(self.rect.min + Vec2::new(pixel.x as f32, pixel.y as f32) / self.per_point);
        }
        let world = scene.geometry().world_from_index.transform_point3(index);
        project(self.rect, clip_from_world(scene, self.size), world)
    }

    fn handles(&self, scene: &Scene) -> Vec<Handle> {
        let mut handles = Vec::new();
        if let (Pane::Plane(axis), Some(plane), true) = (self.pane, self.plane(scene), self.crosshair) {
            let at = on_screen(self.rect, &plane, scene, self.per_point);
            let far = self.rect.width().min(self.rect.height()) * 0.38;
            for (other, way) in scene.cuts(axis) {
                let way = Vec2::new(way.x as f32, way.y as f32) * far;
                let turn = |at| Handle { kind: HandleKind::Turn, at, along: Vec2::ZERO, colour: AXES[other] };
                handles.extend([turn(at + way), turn(at - way)]);
            }
        }
        if scene.view.boxed && !(scene.is_turned() && matches!(self.pane, Pane::Plane(_))) {
            for axis in 0..3 {
                if self.pane == Pane::Plane(2 - axis) || self.pane == Pane::Montage {
                    continue;
                }
                handles.extend([false, true].into_iter().filter_map(|high| self.face(scene, axis, high)));
            }
        }
        if self.pane == Pane::Volume {
            for i in 0..scene.view.cuts.len() {
                handles.extend(self.cut(scene, i));
            }
        }
        handles.retain(|handle| self.rect.shrink(4.0).contains(handle.at));
        handles
    }

    /// The handle amid a face of the crop box.
    /// Position and radius on the screen of a ball about an index of the scene's grid in three dimensions; `radius`
    /// is in the world's unit.
    pub fn ball(&self, scene: &Scene, index: DVec3, radius: f64) -> Option<(Pos2, f32)> {
        let clip = clip_from_world(scene, self.size);
        let world = scene.geometry().world_from_index.transform_point3(index);
        let aside = world + scene.view.camera.turn * DVec3::X * radius;
        let [at, edge] = [world, aside].map(|w| project(self.rect, clip, w));
        Some((at?, at?.distance(edge?)))
    }

    fn face(&self, scene: &Scene, axis: usize, high: bool) -> Option<Handle> {
        let [low, up] = scene.view.crop;
        let mut part = (low + up) / 2.0;
        if let Pane::Plane(across) = self.pane {
            part[2 - across] = scene.view.at[2 - across];
        }
        part[axis] = scene.view.crop[usize::from(high)][axis];
        let at = self.part(scene, part)?;
        let mut next = part;
        next[axis] += 0.02;
        let along = (self.part(scene, next)? - at) * 50.0;
        Some(Handle { kind: HandleKind::Face(axis, high), at, along, colour: AXES[2 - axis] })
    }

    /// The handles of a cut: one that moves it, and one that tilts it.
    fn cut(&self, scene: &Scene, i: usize) -> Vec<Handle> {
        let cut = scene.view.cuts[i];
        if !cut.on {
            return Vec::new();
        }
        let clip = clip_from_world(scene, self.size);
        let (middle, diagonal) = (scene.cut_middle(i), scene.diagonal());
        let place = |far: DVec3| project(self.rect, clip, middle + far * diagonal);
        let up = scene.view.camera.turn * DVec3::Y;
        let aside = up.reject_from_normalized(cut.normal).try_normalize();
        let aside = aside.unwrap_or_else(|| cut.normal.any_orthonormal_vector());
        let (Some(at), Some(next), Some(edge)) =
            (place(DVec3::ZERO), place(cut.normal * 0.1), place(aside * 0.18))
        else {
            return Vec::new();
        };
        let mut along = (next - at) * 10.0;
        if along.length() < 80.0 {
            // Seen from its front it goes away from the eye as the pointer goes up.
            let away = cut.normal.dot(scene.view.camera.turn * DVec3::Z) < 0.0;
            along = Vec2::new(0.0, if away { -self.rect.height() } else { self.rect.height() });
        }
        let moved = Handle { kind: HandleKind::Cut(i), at, along, colour: CUT };
        vec![moved, Handle { kind: HandleKind::Tilt(i), at: edge, ..moved }]
    }
}

/// Projects a place in the world onto the screen.
fn project(rect: Rect, clip_from_world: DMat4, world: DVec3) -> Option<Pos2> {
    let clip = clip_from_world * world.extend(1.0);
    (clip.w > 0.0).then(|| screen(rect, DVec2::new(clip.x, clip.y) / clip.w))
}

/// Lets handles be dragged; whether the pointer has one, so that it does nothing else.
pub fn drag(ui: &Ui, response: &Response, scene: &mut Scene, place: &PaneArea) -> bool {
    let id = response.id.with("grip");
    let pressed = ui.input(|i| i.pointer.primary_pressed());
    let down = ui.input(|i| i.pointer.primary_down()) && response.is_pointer_button_down_on();
    let Some(pointer) = response.interact_pointer_pos().or(response.hover_pos()) else { return false };
    let held: Option<HandleKind> = ui.data(|d| d.get_temp::<Held>(id)).and_then(|held| held.0);
    let handles = place.handles(scene);
    if !down {
        ui.data_mut(|d| d.remove_temp::<Held>(id));
        let near = handles.iter().any(|handle| handle.at.distance(pointer) < REACH);
        if near {
            ui.ctx().set_cursor_icon(egui::CursorIcon::Grab);
        }
        // The click that let go of one is none on the picture.
        return held.is_some();
    }
    // Where it was pressed: by the end of a slow frame it may be far from there.
    let pressed_at = ui.input(|i| i.pointer.press_origin()).unwrap_or(pointer);
    let nearest = || {
        let far = |handle: &&Handle| handle.at.distance(pressed_at);
        let near = handles.iter().filter(|handle| far(handle) < REACH);
        near.min_by(|a, b| far(a).total_cmp(&far(b))).map(|handle| handle.kind)
    };
    let Some(kind) = held.or_else(|| if pressed { nearest() } else { None }) else { return false };
    ui.data_mut(|d| d.insert_temp(id, Held(Some(kind))));
    ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
    let by = ui.input(|i| i.pointer.delta());
    if by == Vec2::ZERO {
        return true;
    }
    match kind {
        HandleKind::Turn => {
            if let (Pane::Plane(axis), Some(plane)) = (place.pane, place.plane(scene)) {
                let at = on_screen(place.rect, &plane, scene, place.per_point);
                let (before, now) = (pointer - by - at, pointer - at);
                let angle = (before.x * now.y - before.y * now.x).atan2(before.dot(now));
                scene.turn(axis, f64::from(angle));
            }
        }
        HandleKind::Face(axis, high) => {
            if let Some(value) = moved(&handles, kind, by) {
                let [low, up] = scene.view.crop.map(|c| c[axis]);
                let least = 1.0 / scene.extent()[axis];
                scene.view.crop[usize::from(high)][axis] = if high {
                    (up + value).clamp((low + least).min(1.0), 1.0)
                } else {
                    (low + value).clamp(0.0, (up - least).max(0.0))
                };
            }
        }
        HandleKind::Cut(i) => {
            if let Some(value) = moved(&handles, kind, by) {
                scene.view.cuts[i].at = (scene.view.cuts[i].at + value).clamp(-0.5, 0.5);
            }
        }
        HandleKind::Tilt(i) => {
            let turn = scene.view.camera.turn;
            // The side that is seen follows the pointer as a ball's surface would.
            let about = turn * DVec3::new(f64::from(by.y), f64::from(by.x), 0.0);
            let angle = f64::from(by.length()) * 0.01;
            let cut = &mut scene.view.cuts[i];
            let towards = if (turn * DVec3::Z).dot(cut.normal) > 0.0 { -angle } else { angle };
            if let Some(about) = about.try_normalize() {
                cut.normal = (DQuat::from_axis_angle(about, towards) * cut.normal).normalize();
            }
        }
    }
    true
}

/// Handle that is being dragged.
#[derive(Clone, Copy, Default)]
struct Held(Option<HandleKind>);

/// By how much a value changes as its handle moves over the screen.
fn moved(handles: &[Handle], kind: HandleKind, by: Vec2) -> Option<f64> {
    let along = handles.iter().find(|handle| handle.kind == kind)?.along;
    // What is seen from its end would run away.
    (along.length_sq() > 100.0).then(|| f64::from(by.dot(along) / along.length_sq()))
}

/// Draws the crop box and the cuts, and the handles where the pointer is over the pane.
pub fn paint(painter: &Painter, scene: &Scene, place: &PaneArea) {
    let painter = painter.with_clip_rect(place.rect);
    if place.pane == Pane::Volume {
        for i in 0..scene.view.cuts.len() {
            outline(&painter, scene, place, i);
        }
    }
    if scene.view.boxed || (place.pane == Pane::Volume && scene.is_cropped()) {
        frame(&painter, scene, place);
    }
    let over = painter.ctx().pointer_latest_pos().is_some_and(|p| place.rect.contains(p));
    if over {
        for handle in place.handles(scene) {
            if let HandleKind::Tilt(i) = handle.kind
                && let Some(foot) = place.cut(scene, i).first()
            {
                painter.line_segment([foot.at, handle.at], Stroke::new(1.5, handle.colour));
            }
            let fill = if let HandleKind::Cut(_) = handle.kind {
                handle.colour
            } else {
                Color32::from_black_alpha(160)
            };
            painter.circle(handle.at, 4.5, fill, Stroke::new(1.5, handle.colour));
        }
    }
}

/// The edges of the crop box, or where it cuts a plane.
fn frame(painter: &Painter, scene: &Scene, place: &PaneArea) {
    let stroke = Stroke::new(1.0, ACCENT);
    let [low, high] = scene.view.crop;
    let corner = |i: usize| {
        let pick = |bit: usize| if i >> bit & 1 == 0 { low[bit] } else { high[bit] };
        DVec3::new(pick(0), pick(1), pick(2))
    };
    match place.pane {
        Pane::Plane(across) if !scene.is_turned() => {
            let [a, b] = [[1, 0], [2, 0], [2, 1]][across];
            let at = |i: usize, j: usize| {
                let mut part = scene.view.at;
                (part[a], part[b]) = ([low[a], high[a]][i], [low[b], high[b]][j]);
                place.part(scene, part)
            };
            let corners: Option<Vec<Pos2>> =
                [(0, 0), (0, 1), (1, 1), (1, 0)].map(|(i, j)| at(i, j)).into_iter().collect();
            if let Some(corners) = corners {
                painter.add(egui::Shape::closed_line(corners, stroke));
            }
        }
        Pane::Volume => {
            for (from, bit) in (0..8usize).flat_map(|from| (0..3).map(move |bit| (from, bit))) {
                let to = from | 1 << bit;
                if let (true, Some(a), Some(b)) =
                    (to != from, place.part(scene, corner(from)), place.part(scene, corner(to)))
                {
                    painter.line_segment([a, b], stroke);
                }
            }
        }
        _ => {}
    }
}

/// Draws the line in which a clipping plane meets the image's box.
fn outline(painter: &Painter, scene: &Scene, place: &PaneArea, i: usize) {
    let cut = scene.view.cuts[i];
    if !cut.on {
        return;
    }
    let (corners, middle) = (scene.corners(), scene.cut_middle(i));
    let away = |p: DVec3| (p - middle).dot(cut.normal);
    let mut places: Vec<DVec3> = Vec::new();
    for (from, bit) in (0..8usize).flat_map(|from| (0..3).map(move |bit| (from, bit))) {
        let to = from | 1 << bit;
        let (a, b) = (away(corners[from]), away(corners[to]));
        if to != from && a * b < 0.0 {
            places.push(corners[from].lerp(corners[to], a / (a - b)));
        }
    }
    let (right, up) = cut.normal.any_orthonormal_pair();
    let centre = places.iter().sum::<DVec3>() / places.len().max(1) as f64;
    let angle = |p: &DVec3| (*p - centre).dot(up).atan2((*p - centre).dot(right));
    places.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
    let clip = clip_from_world(scene, place.size);
    let line: Option<Vec<Pos2>> = places.into_iter().map(|p| project(place.rect, clip, p)).collect();
    if let Some(line) = line.filter(|line| line.len() > 2) {
        painter.add(egui::Shape::closed_line(line, Stroke::new(1.0, CUT.gamma_multiply(0.8))));
    }
}
