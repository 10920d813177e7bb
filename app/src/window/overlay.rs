//! Drawing of annotations: names, letters, scale bars, crosshairs.

use super::theme::{ACCENT, AXES, OVER, WRONG};
use crate::view::colours::Map;
use crate::view::plane::{length, round_length, short};
use crate::view::projection::Plane;
use crate::view::{Content, Layer, Scene};
use egui::{Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Stroke, Vec2, pos2, vec2};
use glam::{DMat4, DVec2};
use voxelry_core::{Geometry, Unit};

const MARGIN: f32 = 8.0;

/// Text that can be read over dark and bright pictures.
pub fn text(painter: &Painter, at: Pos2, align: Align2, text: &str, size: f32, colour: Color32) -> Rect {
    let font = FontId::proportional(size);
    let galley = painter.layout_no_wrap(text.to_owned(), font, colour);
    let rect = align.anchor_size(at, galley.size());
    let shade = Color32::from_black_alpha(200);
    for way in [vec2(1.0, 0.0), vec2(-1.0, 0.0), vec2(0.0, 1.0), vec2(0.0, -1.0)] {
        painter.galley_with_override_text_color(rect.min + way, galley.clone(), shade);
    }
    painter.galley(rect.min, galley, colour);
    rect
}

/// Lines of text on a plate of their own, readable over white and busy pictures; `at` is the upper left corner.
pub fn plated(painter: &Painter, at: Pos2, lines: &[String], size: f32, colour: Color32) -> Rect {
    let galley = painter.layout_no_wrap(lines.join("\n"), FontId::proportional(size), colour);
    let plate = Rect::from_min_size(at, galley.size()).expand2(vec2(5.0, 3.0));
    painter.rect_filled(plate, 4.0, Color32::from_black_alpha(185));
    painter.galley(at, galley, colour);
    plate
}

/// Draws the name and position of a pane; returns the rectangle of the text.
pub fn title(painter: &Painter, rect: Rect, name: &str, place: &str) -> Rect {
    let name = painter.layout_no_wrap(name.to_owned(), FontId::proportional(13.0), OVER);
    let place = painter.layout_no_wrap(
        place.to_owned(),
        FontId::proportional(12.0),
        Color32::from_rgb(190, 198, 208),
    );
    let size = vec2(name.size().x + place.size().x + 20.0, name.size().y + 4.0);
    let plate = Rect::from_min_size(rect.min + vec2(4.0, 6.0), size);
    painter.rect_filled(plate, 4.0, Color32::from_black_alpha(150));
    let at = plate.min + vec2(6.0, 2.0);
    let beside = at + vec2(name.size().x + 8.0, (name.size().y - place.size().y) / 2.0);
    painter.galley(at, name, OVER);
    painter.galley(beside, place, OVER);
    plate
}

/// Badge with the level on the screen, where it isn't the finest.
pub fn badge(painter: &Painter, rect: Rect, level: u32, [preview, sampled, loading]: [bool; 3]) {
    let mut words = Vec::new();
    if preview {
        words.push("preview".to_owned());
    }
    if level > 0 {
        words.push(format!("1:{}", 1u64 << level.min(40)));
    }
    if sampled {
        words.push("sampled".to_owned());
    }
    if loading {
        words.push("loading".to_owned());
    }
    if words.is_empty() {
        return;
    }
    let words = words.join(" · ");
    let galley = painter.layout_no_wrap(words, FontId::proportional(11.0), OVER);
    let size = galley.size() + vec2(10.0, 4.0);
    let place = Rect::from_min_size(pos2(rect.right() - MARGIN - size.x, rect.top() + MARGIN), size);
    painter.rect_filled(place, 3.0, Color32::from_black_alpha(150));
    painter.galley(place.min + vec2(5.0, 2.0), galley, OVER);
}

/// Why an image can't be shown, in its pane.
pub fn broken(painter: &Painter, rect: Rect, reason: &str) {
    let font = FontId::proportional(13.0);
    let galley = painter.layout(reason.to_owned(), font, WRONG, (rect.width() - 48.0).max(60.0));
    let plate = Align2::CENTER_CENTER.anchor_size(rect.center(), galley.size()).expand(10.0);
    painter.with_clip_rect(rect).rect_filled(plate, 4.0, Color32::from_black_alpha(200));
    painter.with_clip_rect(rect).galley(plate.min + Vec2::splat(10.0), galley, WRONG);
}

/// Letters of the directions towards the edges.
pub fn letters(painter: &Painter, rect: Rect, letters: &[String; 4]) {
    let [left, right, top, bottom] = letters;
    let c = rect.center();
    // In narrow panes the title reaches below the middle.
    let below_title = if rect.width() < 440.0 { 26.0 } else { 0.0 };
    for (letter, at, align) in [
        (left, pos2(rect.left() + MARGIN, c.y), Align2::LEFT_CENTER),
        (right, pos2(rect.right() - MARGIN, c.y), Align2::RIGHT_CENTER),
        (top, pos2(c.x, rect.top() + MARGIN + below_title), Align2::CENTER_TOP),
        (bottom, pos2(c.x, rect.bottom() - MARGIN), Align2::CENTER_BOTTOM),
    ] {
        text(painter, at, align, letter, 14.0, Color32::from_rgb(255, 214, 102));
    }
}

/// A bar of a round length; `point` is the length of a point of the screen in the world.
pub fn scale_bar(painter: &Painter, rect: Rect, point: f64, unit: Unit) {
    let most = f64::from((rect.width() * 0.25).min(160.0)) * point;
    if !(most > 0.0 && most.is_finite()) {
        return;
    }
    let round = round_length(most);
    let wide = (round / point) as f32;
    let y = rect.bottom() - MARGIN - 2.0;
    let (left, right) = (rect.left() + MARGIN, rect.left() + MARGIN + wide);
    let plate = Rect::from_min_max(pos2(left - 5.0, y - 23.0), pos2(right + 5.0, y + 4.0));
    painter.rect_filled(plate, 4.0, Color32::from_black_alpha(120));
    for (thick, colour) in [(4.0, Color32::from_black_alpha(180)), (2.0, OVER)] {
        let more = if thick > 3.0 { 1.0 } else { 0.0 };
        painter.line_segment([pos2(left - more, y), pos2(right + more, y)], Stroke::new(thick, colour));
        for x in [left, right] {
            painter.line_segment([pos2(x, y - 4.0 - more), pos2(x, y + more)], Stroke::new(thick, colour));
        }
    }
    text(painter, pos2(left, y - 6.0), Align2::LEFT_BOTTOM, &length(round, unit), 12.0, OVER);
}

/// Legend of a colour map: a bar with the values at its ends.
pub struct Ramp {
    /// The colours.
    pub map: Map,
    /// Values of the first and the last.
    pub range: [f64; 2],
    /// Name of the values, where it must be shown.
    pub name: Option<String>,
}

/// The bars of the layers that are shown, the uppermost layer's at the top: of intensities, and of objects that
/// are coloured by a column.
pub fn ramps(scene: &Scene, intensities: bool) -> Vec<Ramp> {
    let shown = || scene.layers.iter().filter(|l| l.display.visible);
    let several = shown().filter(|l| l.content == Content::Grey).count() > 1;
    let ramp = |layer: &Layer| match layer.content {
        Content::Grey => {
            let name = several.then(|| layer.name.clone());
            Some(Ramp { map: layer.display.map, range: layer.display.window?, name }).filter(|_| intensities)
        }
        Content::Labels => {
            let legend = layer.marks.lookup.as_ref()?.legend.as_ref()?;
            Some(Ramp { map: legend.map, range: legend.range, name: Some(legend.title.clone()) })
        }
    };
    shown().filter_map(ramp).collect()
}

/// Draws such bars in the lower right corner.
pub fn legend(painter: &Painter, rect: Rect, ramps: &[Ramp]) {
    const HIGH: f32 = 8.0;
    const STEPS: usize = 64;
    let wide = (rect.width() * 0.25).min(140.0);
    let named = ramps.iter().any(|ramp| ramp.name.is_some());
    let each = HIGH + 16.0 + if named { 16.0 } else { 0.0 };
    let high = each * ramps.len() as f32;
    if ramps.is_empty() || wide < 50.0 || high > rect.height() * 0.45 {
        return;
    }
    let corner = rect.max - Vec2::splat(MARGIN);
    let plate =
        Rect::from_min_max(pos2(corner.x - wide - 5.0, corner.y - high - 3.0), corner + vec2(5.0, 4.0));
    painter.rect_filled(plate, 4.0, Color32::from_black_alpha(180));
    for (i, ramp) in ramps.iter().enumerate() {
        let bottom = corner.y - each * i as f32;
        let bar =
            Rect::from_min_max(pos2(corner.x - wide, bottom - 16.0 - HIGH), pos2(corner.x, bottom - 16.0));
        let mut mesh = Mesh::default();
        for step in 0..=STEPS {
            let part = step as f32 / STEPS as f32;
            let [r, g, b] = ramp.map.at(part);
            let (x, colour) = (bar.left() + part * wide, Color32::from_rgb(r, g, b));
            mesh.colored_vertex(pos2(x, bar.top()), colour);
            mesh.colored_vertex(pos2(x, bar.bottom()), colour);
            if step > 0 {
                let last = 2 * step as u32;
                mesh.add_triangle(last - 2, last - 1, last);
                mesh.add_triangle(last - 1, last, last + 1);
            }
        }
        painter.add(mesh);
        painter.rect_stroke(bar, 0.0, Stroke::new(1.0, OVER.gamma_multiply(0.6)), egui::StrokeKind::Outside);
        let [low, high] = ramp.range.map(short);
        text(painter, pos2(bar.left(), bottom), Align2::LEFT_BOTTOM, &low, 11.0, OVER);
        text(painter, pos2(bar.right(), bottom), Align2::RIGHT_BOTTOM, &high, 11.0, OVER);
        if let Some(name) = &ramp.name {
            let mut job =
                egui::text::LayoutJob::simple_singleline(name.clone(), FontId::proportional(11.0), OVER);
            job.wrap = egui::text::TextWrapping::truncate_at_width(wide);
            let galley = painter.layout_job(job);
            painter.galley(pos2(bar.left(), bar.top() - 2.0 - galley.size().y), galley, OVER);
        }
    }
}

/// Position of the crosshair on the screen.
pub fn on_screen(rect: Rect, plane: &Plane, scene: &Scene, per_point: f32) -> Pos2 {
    let pixel = plane.pixel_of(scene.index(scene.view.at));
    rect.min + Vec2::new(pixel.x as f32, pixel.y as f32) / per_point
}

/// The lines in which the other planes cut this one, with a gap where they meet.
pub fn crosshair(painter: &Painter, rect: Rect, plane: &Plane, scene: &Scene, per_point: f32) {
    let at = on_screen(rect, plane, scene, per_point);
    let gap = 9.0;
    let far = rect.width() + rect.height() + at.distance(rect.center());
    let painter = painter.with_clip_rect(rect);
    for (other, way) in scene.cuts(plane.facing.axis) {
        let way = Vec2::new(way.x as f32, way.y as f32);
        for way in [way, -way] {
            let stroke = Stroke::new(1.0, AXES[other].gamma_multiply(0.75));
            painter.line_segment([at + way * gap, at + way * far], stroke);
        }
    }
}

/// A frame in the colour of the axis that a plane is across, or that shows which pane has the keys.
pub fn frame(painter: &Painter, rect: Rect, axis: Option<usize>, active: bool) {
    if let Some(axis) = axis {
        let strip = Rect::from_min_size(rect.min, vec2(rect.width(), 2.0));
        painter.rect_filled(strip, 0.0, AXES[axis].gamma_multiply(0.9));
    }
    if active {
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, ACCENT), egui::StrokeKind::Inside);
    }
}

/// The box of an image in three dimensions, its axes in their colours, and the letters of its sides.
pub fn cage(painter: &Painter, rect: Rect, scene: &Scene, clip_from_world: DMat4) {
    let corners = scene.corners().map(|c| {
        let clip = clip_from_world * c.extend(1.0);
        (clip.w > 0.0).then(|| screen(rect, DVec2::new(clip.x, clip.y) / clip.w))
    });
    let painter = painter.with_clip_rect(rect);
    for from in 0..8usize {
        for bit in 0..3 {
            let to = from | 1 << bit;
            if let (true, Some(a), Some(b)) = (to != from, corners[from], corners[to]) {
                let axis = from & !(1 << bit) == 0;
                let colour = if axis { AXES[2 - bit] } else { Color32::from_gray(150) };
                painter.line_segment(
                    [a, b],
                    Stroke::new(1.0, colour.gamma_multiply(if axis { 0.9 } else { 0.35 })),
                );
            }
        }
    }
    let geometry = scene.geometry();
    for (bit, name) in ["x", "y", "z"].into_iter().enumerate() {
        if let (Some(origin), Some(end)) = (corners[0], corners[1 << bit]) {
            let out = (end - origin).normalized() * 12.0;
            let name = if geometry.oriented {
                Geometry::letters(geometry.world_from_index.matrix3.col(bit))
            } else {
                name.to_owned()
            };
            text(&painter, end + out, Align2::CENTER_CENTER, &name, 13.0, AXES[2 - bit]);
        }
    }
}

/// The place on the screen of clip coordinates.
pub fn screen(rect: Rect, clip: DVec2) -> Pos2 {
    pos2(
        rect.left() + rect.width() * (clip.x as f32 + 1.0) / 2.0,
        rect.top() + rect.height() * (1.0 - clip.y as f32) / 2.0,
    )
}
