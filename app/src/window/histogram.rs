//! The histogram with the window's handles, and the opacities that lie over it.

use super::theme::ACCENT;
use crate::view::plane::short;
use crate::view::stats::Stats;
use crate::view::{Display, Show};
use egui::{Align2, Color32, FontId, PointerButton, Pos2, Rect, Sense, Stroke, Ui, pos2, vec2};

const HEIGHT: f32 = 110.0;
const RAMP: f32 = 10.0;
const REACH: f32 = 8.0;

/// Shows the histogram of `part` on the scale of the image's `stats`; window and opacities follow what is
/// dragged.
pub fn show(ui: &mut Ui, stats: &Stats, part: &Stats, display: &mut Display, log: bool, curve: bool) {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT + RAMP + 18.0), Sense::click_and_drag());
    let plot = Rect::from_min_size(rect.min, vec2(rect.width(), HEIGHT));
    let painter = ui.painter().with_clip_rect(rect.expand(1.0));
    let visuals = ui.visuals().clone();
    painter.rect_filled(plot, 3.0, visuals.extreme_bg_color);
    // The picture's percentiles with room on both sides, and the window wherever it is.
    let window = display.window.unwrap_or(stats.window);
    let room = (stats.window[1] - stats.window[0]).abs() * 0.35;
    let (mut low, mut high) = (stats.window[0] - room, stats.window[1] + room);
    (low, high) = (low.max(stats.range[0]), high.min(stats.range[1]));
    (low, high) = (low.min(window[0]).min(window[1]), high.max(window[0]).max(window[1]));
    if high <= low {
        high = low + 1.0;
    }
    let x = |v: f64| plot.left() + ((v - low) / (high - low)) as f32 * plot.width();
    let value = |x: f32| low + f64::from((x - plot.left()) / plot.width()) * (high - low);

    let columns = plot.width() as usize;
    let mut heights = vec![0f64; columns.max(1)];
    let bin = |v: f64| (v - part.range[0]) / part.width;
    for (i, height) in heights.iter_mut().enumerate() {
        let left = plot.left() + i as f32;
        let (from, to) = (bin(value(left)).floor(), bin(value(left + 1.0)).ceil());
        if to > 0.0 && from < part.counts.len() as f64 {
            let bins =
                from.max(0.0) as usize..(to as usize).clamp(from.max(0.0) as usize + 1, part.counts.len());
            let count = part.counts[bins].iter().copied().max().unwrap_or(0) as f64;
            *height = if log { count.ln_1p() } else { count };
        }
    }
    let mut sorted = heights.clone();
    sorted.sort_by(f64::total_cmp);
    // One tall column, such as the background's, does not flatten the others.
    let most = if log { sorted[sorted.len() - 1] } else { sorted[sorted.len() * 98 / 100] * 1.15 }.max(1e-9);
    let bar = visuals.text_color().gamma_multiply(0.45);
    for (i, height) in heights.iter().enumerate() {
        let left = plot.left() + i as f32;
        let tall = ((height / most).min(1.0) as f32) * (HEIGHT - 4.0);
        if tall > 0.0 {
            let column =
                Rect::from_min_max(pos2(left, plot.bottom() - tall), pos2(left + 1.0, plot.bottom()));
            painter.rect_filled(column, 0.0, bar);
        }
    }

    // What is dragged: a handle, a point of the curve, or the window as a whole.
    let ends = window.map(x);
    let id = response.id.with("dragged");
    let mut dragged: Option<usize> = ui.data(|d| d.get_temp(id));
    let inner =
        |p: [f32; 2]| pos2(ends[0] + p[0] * (ends[1] - ends[0]), plot.bottom() - p[1] * (HEIGHT - 8.0));
    let points: Vec<Pos2> =
        if curve { display.style.opacity.iter().map(|p| inner(*p)).collect() } else { Vec::new() };
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    let near = pointer.and_then(|at| {
        let point = points.iter().position(|p| p.distance(at) < REACH).map(|i| 2 + i);
        point.or_else(|| (0..2).find(|i| (ends[*i] - at.x).abs() < REACH))
    });
    if response.drag_started_by(PointerButton::Primary) {
        dragged = Some(near.unwrap_or(usize::MAX));
    }
    if let (Some(what), Some(at)) = (dragged.filter(|_| response.dragged_by(PointerButton::Primary)), pointer)
    {
        match what {
            0 | 1 => {
                let mut window = window;
                window[what] = value(at.x.clamp(plot.left(), plot.right()));
                if window[0] != window[1] {
                    display.window = Some(window);
                }
            }
            usize::MAX => {
                let by = f64::from(response.drag_delta().x / plot.width()) * (high - low);
                display.window = Some(window.map(|w| w + by));
            }
            point => {
                let i = point - 2;
                let before = if i == 0 { 0.0 } else { display.style.opacity[i - 1][0] };
                let after = display.style.opacity.get(i + 1).map_or(1.0, |p| p[0]);
                let place = (at.x - ends[0]) / (ends[1] - ends[0]);
                let alpha = (plot.bottom() - at.y) / (HEIGHT - 8.0);
                display.style.opacity[i] = [place.clamp(before, after), alpha.clamp(0.0, 1.0)];
            }
        }
    }
    if curve && response.double_clicked() {
        if let Some(at) = pointer {
            let place = ((at.x - ends[0]) / (ends[1] - ends[0])).clamp(0.0, 1.0);
            let alpha = ((plot.bottom() - at.y) / (HEIGHT - 8.0)).clamp(0.0, 1.0);
            let next = display.style.opacity.iter().position(|p| p[0] > place);
            display.style.opacity.insert(next.unwrap_or(display.style.opacity.len()), [place, alpha]);
        }
    } else if let (true, Some(i)) = (curve && response.secondary_clicked(), near.filter(|i| *i >= 2))
        && display.style.opacity.len() > 2
    {
        display.style.opacity.remove(i - 2);
    }
    if response.drag_stopped() {
        dragged = None;
    }
    ui.data_mut(|d| match dragged {
        Some(what) => {
            d.insert_temp(id, what);
        }
        None => {
            d.remove_temp::<usize>(id);
        }
    });
    if near.is_some_and(|i| i < 2) {
        ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
    }

    // Outside of the window it is dim.
    for side in [
        Rect::from_x_y_ranges(plot.left()..=ends[0].min(ends[1]), plot.y_range()),
        Rect::from_x_y_ranges(ends[0].max(ends[1])..=plot.right(), plot.y_range()),
    ] {
        painter.rect_filled(side.intersect(plot), 0.0, visuals.extreme_bg_color.gamma_multiply(0.6));
    }
    if curve && points.len() > 1 {
        painter.line(points.clone(), Stroke::new(1.5, ACCENT));
        for p in &points {
            painter.circle(*p, 4.0, visuals.extreme_bg_color, Stroke::new(1.5, ACCENT));
        }
    }
    if display.style.show == Show::Surface {
        let at = ends[0] + display.style.level * (ends[1] - ends[0]);
        painter.vline(at, plot.y_range(), Stroke::new(1.5, ACCENT));
    }
    for end in ends {
        painter.vline(end, plot.y_range(), Stroke::new(1.0, visuals.strong_text_color()));
        let handle = Rect::from_center_size(pos2(end, plot.bottom() + RAMP / 2.0), vec2(5.0, RAMP + 4.0));
        painter.rect_filled(handle, 2.0, visuals.strong_text_color());
    }
    // The colours under it, with those beyond the window going on.
    let ramp = Rect::from_min_size(pos2(plot.left(), plot.bottom()), vec2(plot.width(), RAMP));
    for i in 0..columns {
        let left = ramp.left() + i as f32;
        let place = (left + 0.5 - ends[0]) / (ends[1] - ends[0]);
        let [r, g, b] = display.map.at(place);
        let column = Rect::from_min_max(pos2(left, ramp.top()), pos2(left + 1.0, ramp.bottom()));
        painter.rect_filled(column, 0.0, Color32::from_rgb(r, g, b));
    }
    for end in ends {
        let handle = Rect::from_center_size(pos2(end, ramp.center().y), vec2(5.0, RAMP + 4.0));
        painter.rect(
            handle,
            2.0,
            visuals.strong_text_color(),
            Stroke::new(1.0, visuals.extreme_bg_color),
            egui::StrokeKind::Outside,
        );
    }
    let font = FontId::proportional(11.0);
    let y = rect.bottom() - 1.0;
    let [low, high] = display.window.unwrap_or(window).map(short);
    painter.text(pos2(rect.left(), y), Align2::LEFT_BOTTOM, low, font.clone(), visuals.text_color());
    painter.text(pos2(rect.right(), y), Align2::RIGHT_BOTTOM, high, font, visuals.text_color());
}
