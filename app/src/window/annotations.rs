//! Annotations over the picture of a pane, in the window and in figures alike.

use super::theme::{ACCENT, OVER};
use super::{overlay, rulers};
use crate::view::plane::position;
use crate::view::projection::{Plane, Tiles, clip_from_world, pixel_at_target};
use crate::view::{Content, Pane, Scene, Show};
use egui::{Align2, Painter, Rect, Stroke, StrokeKind, vec2};
use glam::{DQuat, DVec2};
use voxelry_core::io::ImageSource;

/// Annotations wanted over a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annotations {
    /// The lines in which the other planes cut this one.
    pub crosshair: bool,
    /// A bar of a round length.
    pub scale_bar: bool,
    /// Legend of colours, those of intensities too.
    pub legend: bool,
    /// Legend of objects that are coloured by a column.
    pub objects: bool,
    /// The image's name, for there are others.
    pub name: bool,
    /// Time frame, where there are several.
    pub time: bool,
    /// Rulers.
    pub rulers: bool,
}

/// Panes that are narrower have their name over them and nothing else.
pub const SMALL: f32 = 150.0;

/// Name of a pane.
pub fn name_of(scene: &Scene, pane: Pane) -> &'static str {
    match pane {
        Pane::Plane(axis) => scene.facing(axis).name,
        Pane::Montage => "Montage",
        Pane::Volume => "3D",
    }
}

/// Draws what lies over a picture of so many pixels in a rectangle; where its title is.
pub fn annotate(
    painter: &Painter,
    scene: &Scene,
    pane: Pane,
    rect: Rect,
    size: [u32; 2],
    per_point: f32,
    annotations: Annotations,
) -> Option<Rect> {
    let name = |what: &str| if annotations.name { scene.name().to_owned() } else { what.to_owned() };
    // One of very many has room for its name.
    let small = rect.width() < SMALL;
    let (title, pixel) = match pane {
        Pane::Plane(axis) => {
            let plane = Plane::new(scene, axis, size.map(f64::from));
            if annotations.crosshair {
                overlay::crosshair(painter, rect, &plane, scene, per_point);
            }
            if annotations.rulers {
                rulers::paint(painter, scene, &plane, rect, per_point);
            }
            if let Some(letters) = scene.letters(axis).filter(|_| !small) {
                overlay::letters(painter, rect, &letters);
            }
            let mut place = place(scene, axis);
            if annotations.name {
                place = format!("{} {place}", plane.facing.name);
            }
            (Some((name(plane.facing.name), place)), plane.pixel)
        }
        Pane::Montage => {
            let pixel = number_tiles(painter, rect, scene, size, per_point, annotations);
            let place = if annotations.name { "montage" } else { "" };
            let named = annotations.name || (annotations.time && time(scene).is_some());
            (named.then(|| (name("Montage"), place.to_owned())), pixel)
        }
        Pane::Volume => {
            overlay::cage(painter, rect, scene, clip_from_world(scene, size));
            (Some((name("3D"), what_is_shown(scene).to_lowercase())), pixel_at_target(scene, size))
        }
    };
    if annotations.scale_bar && !small {
        overlay::scale_bar(painter, rect, pixel * f64::from(per_point), scene.geometry().unit);
    }
    if annotations.legend || annotations.objects {
        overlay::legend(painter, rect, &overlay::ramps(scene, annotations.legend));
    }
    let (name, mut place) = title?;
    if small {
        return Some(overlay::title(painter, rect, &name, ""));
    }
    if let Some(time) = time(scene).filter(|_| annotations.time) {
        place = if place.is_empty() { time } else { format!("{place} · {time}") };
    }
    Some(overlay::title(painter, rect, &name, &place))
}

/// Describes the position of the plane across an axis.
fn place(scene: &Scene, axis: usize) -> String {
    let geometry = scene.geometry();
    let [count, here] = [scene.shape()[axis], scene.voxel()[axis]];
    if scene.view.turns[axis] != DQuat::IDENTITY {
        let angle = scene.view.turns[axis].angle_between(DQuat::IDENTITY).to_degrees();
        return format!("turned by {angle:.0}°");
    }
    // Slices count from 0, as in tables.
    let range = if count > 1 { format!(" of 0–{}", count - 1) } else { String::new() };
    let mut place = format!("{} {here}{range}", ["z", "y", "x"][axis]);
    if geometry.unit.metres().is_some() {
        place +=
            &format!(" · {}", position(scene.position(axis, here), geometry.spacing()[axis], geometry.unit));
    }
    if let Some(angle) = scene.obliqueness(axis) {
        place += &format!(" · {angle:.0}° oblique");
    }
    place
}

/// Rendering mode of the uppermost intensities visible in three dimensions.
fn what_is_shown(scene: &Scene) -> &'static str {
    let layer = scene.layers.iter().find(|l| l.display.visible && l.content == Content::Grey);
    layer.map_or("labels", |layer| {
        Show::ALL.iter().find(|s| s.0 == layer.display.style.show).map_or("", |s| s.1)
    })
}

/// The time frame that is shown, where there are several.
fn time(scene: &Scene) -> Option<String> {
    let layer = scene.layers.iter().max_by_key(|l| l.source.info().times)?;
    let times = layer.source.info().times;
    (times > 1).then(|| format!("time {} of {times}", layer.time + 1))
}

/// Numbers the slices of a montage; the length of a pixel in the world.
fn number_tiles(
    painter: &Painter,
    rect: Rect,
    scene: &Scene,
    size: [u32; 2],
    per_point: f32,
    annotations: Annotations,
) -> f64 {
    let tiles = Tiles::new(scene, size.map(f64::from));
    let points = |v: DVec2| vec2(v.x as f32, v.y as f32) / per_point;
    let wide = points(tiles.size / tiles.zoom);
    let current = scene.voxel()[tiles.facing.axis];
    let geometry = scene.geometry();
    let rows = tiles.count.div_ceil(tiles.columns);
    let first = ((tiles.scroll.y / tiles.pitch.y).floor().max(0.0) as usize).min(rows);
    let end = tiles.scroll.y + f64::from(size[1]) * tiles.zoom;
    let last = ((end / tiles.pitch.y).floor().max(0.0) as usize + 1).min(rows);
    for tile in first * tiles.columns..(last * tiles.columns).min(tiles.count) {
        let corner = rect.min + points(tiles.corner(tile));
        let place = Rect::from_min_size(corner, wide);
        if !place.intersects(rect) {
            continue;
        }
        let slice = tiles.slice(tile);
        if annotations.crosshair && (slice..slice + tiles.every).contains(&current) {
            let stroke = Stroke::new(1.5, ACCENT);
            painter.rect_stroke(place.expand(1.0), 0.0, stroke, StrokeKind::Outside);
        }
        if wide.x >= 34.0 {
            let mut name = slice.to_string();
            if wide.x > 120.0 && geometry.unit.metres().is_some() {
                let axis = tiles.facing.axis;
                let at = position(scene.position(axis, slice), geometry.spacing()[axis], geometry.unit);
                name += &format!(" · {at}");
            }
            let colour = OVER.gamma_multiply(0.9);
            overlay::text(painter, corner + vec2(3.0, 2.0), Align2::LEFT_TOP, &name, 11.0, colour);
        }
    }
    tiles.pixel * tiles.zoom
}
