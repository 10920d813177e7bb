//! The histogram with the window's handles, and the opacities that lie over it.

use super::theme::ACCENT;
use crate::view::plane::short;
use crate::view::stats::Stats;
use crate::view::{Display, Show};
use egui::{
    Align2, Color32, CursorIcon, FontId, Painter, PointerButton, Pos2, Rect, Response, Sense, Stroke,
    StrokeKind, Ui, pos2, vec2,
};

const HEIGHT: f32 = 110.0;
const RAMP: f32 = 10.0;
const REACH: f32 = 8.0;

/// Something that is dragged in a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Dragged {
    /// A limit of the window: 0 for the lower one, 1 for the upper one.
    Limit(usize),
    /// A point of the opacity curve.
    Point(usize),
    /// The window as a whole.
    #[default]
    Window,
}

/// Axes of a histogram on the screen.
struct Axes {
    plot: Rect,
    /// Values at the left and the right edge.
    range: [f64; 2],
    /// Positions of the window's limits.
    limits: [f32; 2],
}

impl Axes {
    /// Axes that show the image's percentiles with room on both sides, and the window wherever it is.
    fn new(plot: Rect, stats: &Stats, window: [f64; 2]) -> Self {
        let room = (stats.window[1] - stats.window[0]).abs() * 0.35;
        let low = (stats.window[0] - room).max(stats.range[0]).min(window[0]).min(window[1]);
        let high = (stats.window[1] + room).min(stats.range[1]).max(window[0]).max(window[1]);
        let range = [low, if high <= low { low + 1.0 } else { high }];
        let mut axes = Self { plot, range, limits: [0.0; 2] };
        axes.limits = window.map(|v| axes.x(v));
        axes
    }

    fn x(&self, value: f64) -> f32 {
        let [low, high] = self.range;
        self.plot.left() + ((value - low) / (high - low)) as f32 * self.plot.width()
    }

    fn value(&self, x: f32) -> f64 {
        let [low, high] = self.range;
        low + f64::from((x - self.plot.left()) / self.plot.width()) * (high - low)
    }

    /// Screen position of a point of the opacity curve: fraction of the window, opacity.
    fn point(&self, p: [f32; 2]) -> Pos2 {
        let [left, right] = self.limits;
        pos2(left + p[0] * (right - left), self.plot.bottom() - p[1] * (HEIGHT - 8.0))
    }

    /// Fraction of the window and opacity at a screen position.
    fn place(&self, at: Pos2) -> [f32; 2] {
        let [left, right] = self.limits;
        [(at.x - left) / (right - left), ((self.plot.bottom() - at.y) / (HEIGHT - 8.0)).clamp(0.0, 1.0)]
    }
}

/// Shows the histogram of `part` on the scale of the image's `stats`. Window and opacities follow what is dragged; the
/// opacity `curve` is shown on request.
pub fn show(ui: &mut Ui, stats: &Stats, part: &Stats, display: &mut Display, log: bool, curve: bool) {
    let size = vec2(ui.available_width(), HEIGHT + RAMP + 18.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let plot = Rect::from_min_size(rect.min, vec2(rect.width(), HEIGHT));
    let painter = ui.painter().with_clip_rect(rect.expand(1.0));
    let window = display.window.unwrap_or(stats.window);
    let axes = Axes::new(plot, stats, window);
    let points: Vec<Pos2> =
        if curve { display.style.opacity.iter().map(|p| axes.point(*p)).collect() } else { Vec::new() };
    painter.rect_filled(plot, 3.0, ui.visuals().extreme_bg_color);
    bars(ui, &painter, &axes, part, log);
    drag(ui, &response, &axes, &points, (display, window, curve));
    curve_and_limits(ui, &painter, &axes, &points, display);
    ramp(ui, &painter, &axes, display);
    let font = FontId::proportional(11.0);
    let (y, colour) = (rect.bottom() - 1.0, ui.visuals().text_color());
    let [low, high] = display.window.unwrap_or(window).map(short);
    painter.text(pos2(rect.left(), y), Align2::LEFT_BOTTOM, low, font.clone(), colour);
    painter.text(pos2(rect.right(), y), Align2::RIGHT_BOTTOM, high, font, colour);
}

/// Draws the counts, a bar for each column of points.
fn bars(ui: &Ui, painter: &Painter, axes: &Axes, part: &Stats, log: bool) {
    let plot = axes.plot;
    let mut heights = vec![0f64; (plot.width() as usize).max(1)];
    let bin = |v: f64| (v - part.range[0]) / part.width;
    for (i, height) in heights.iter_mut().enumerate() {
        let left = plot.left() + i as f32;
        let (from, to) = (bin(axes.value(left)).floor(), bin(axes.value(left + 1.0)).ceil());
        if to > 0.0 && from < part.counts.len() as f64 {
            let from = from.max(0.0) as usize;
            let bins = from..(to as usize).clamp(from + 1, part.counts.len());
            let count = part.counts[bins].iter().copied().max().unwrap_or(0) as f64;
            *height = if log { count.ln_1p() } else { count };
        }
    }
    let mut sorted = heights.clone();
    sorted.sort_by(f64::total_cmp);
    // One tall column, such as the background's, does not flatten the others.
    let most = if log { sorted[sorted.len() - 1] } else { sorted[sorted.len() * 98 / 100] * 1.15 }.max(1e-9);
    let colour = ui.visuals().text_color().gamma_multiply(0.45);
    for (i, height) in heights.iter().enumerate() {
        let left = plot.left() + i as f32;
        let tall = ((height / most).min(1.0) as f32) * (HEIGHT - 4.0);
        if tall > 0.0 {
            let corner = pos2(left, plot.bottom() - tall);
            painter.rect_filled(Rect::from_min_max(corner, pos2(left + 1.0, plot.bottom())), 0.0, colour);
        }
    }
}

/// Lets the window's limits, the points of the opacity curve and the window as a whole be dragged.
fn drag(
    ui: &Ui,
    response: &Response,
    axes: &Axes,
    points: &[Pos2],
    (display, window, curve): (&mut Display, [f64; 2], bool),
) {
    let id = response.id.with("dragged");
    let mut dragged: Option<Dragged> = ui.data(|d| d.get_temp(id));
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    let near = pointer.and_then(|at| {
        let point = points.iter().position(|p| p.distance(at) < REACH).map(Dragged::Point);
        let limit = || (0..2).find(|i| (axes.limits[*i] - at.x).abs() < REACH).map(Dragged::Limit);
        point.or_else(limit)
    });
    if response.drag_started_by(PointerButton::Primary) {
        dragged = Some(near.unwrap_or(Dragged::Window));
    }
    if let (Some(what), Some(at), true) = (dragged, pointer, response.dragged_by(PointerButton::Primary)) {
        follow(what, at, response, axes, (display, window));
    }
    let opacity = &mut display.style.opacity;
    match (pointer, near) {
        (Some(at), _) if curve && response.double_clicked() => {
            let [place, alpha] = axes.place(at);
            let next = opacity.iter().position(|p| p[0] > place);
            opacity.insert(next.unwrap_or(opacity.len()), [place.clamp(0.0, 1.0), alpha]);
        }
        (_, Some(Dragged::Point(i))) if curve && response.secondary_clicked() && opacity.len() > 2 => {
            opacity.remove(i);
        }
        _ => {}
    }
    ui.data_mut(|d| match dragged.filter(|_| !response.drag_stopped()) {
        Some(what) => _ = d.insert_temp(id, what),
        None => _ = d.remove_temp::<Dragged>(id),
    });
    if matches!(near, Some(Dragged::Limit(_))) {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
}

/// Moves what is dragged to the pointer.
fn follow(
    dragged: Dragged,
    at: Pos2,
    response: &Response,
    axes: &Axes,
    (display, mut window): (&mut Display, [f64; 2]),
) {
    match dragged {
        Dragged::Limit(i) => {
            window[i] = axes.value(at.x.clamp(axes.plot.left(), axes.plot.right()));
            if window[0] != window[1] {
                display.window = Some(window);
            }
        }
        Dragged::Window => {
            let by = f64::from(response.drag_delta().x / axes.plot.width()) * (axes.range[1] - axes.range[0]);
            display.window = Some(window.map(|w| w + by));
        }
        Dragged::Point(i) => {
            let opacity = &mut display.style.opacity;
            let before = if i == 0 { 0.0 } else { opacity[i - 1][0] };
            let after = opacity.get(i + 1).map_or(1.0, |p| p[0]);
            let [place, alpha] = axes.place(at);
            opacity[i] = [place.clamp(before, after), alpha];
        }
    }
}

/// Dims the outside of the window, and draws the opacity curve, the level of the surface and the window's limits.
fn curve_and_limits(ui: &Ui, painter: &Painter, axes: &Axes, points: &[Pos2], display: &Display) {
    let (plot, [a, b], visuals) = (axes.plot, axes.limits, ui.visuals());
    for side in [plot.left()..=a.min(b), a.max(b)..=plot.right()] {
        let side = Rect::from_x_y_ranges(side, plot.y_range()).intersect(plot);
        painter.rect_filled(side, 0.0, visuals.extreme_bg_color.gamma_multiply(0.6));
    }
    if points.len() > 1 {
        painter.line(points.to_vec(), Stroke::new(1.5, ACCENT));
        for p in points {
            painter.circle(*p, 4.0, visuals.extreme_bg_color, Stroke::new(1.5, ACCENT));
        }
    }
    if display.style.show == Show::Surface {
        let at = a + display.style.level * (b - a);
        painter.vline(at, plot.y_range(), Stroke::new(1.5, ACCENT));
    }
    for limit in [a, b] {
        painter.vline(limit, plot.y_range(), Stroke::new(1.0, visuals.strong_text_color()));
    }
}

/// Draws the colours below the plot, also those beyond the window, and the handles of its limits.
fn ramp(ui: &Ui, painter: &Painter, axes: &Axes, display: &Display) {
    let (plot, [a, b], visuals) = (axes.plot, axes.limits, ui.visuals());
    let ramp = Rect::from_min_size(pos2(plot.left(), plot.bottom()), vec2(plot.width(), RAMP));
    for i in 0..plot.width() as usize {
        let left = ramp.left() + i as f32;
        let [red, green, blue] = display.map.at((left + 0.5 - a) / (b - a));
        let column = Rect::from_min_max(pos2(left, ramp.top()), pos2(left + 1.0, ramp.bottom()));
        painter.rect_filled(column, 0.0, Color32::from_rgb(red, green, blue));
    }
    for limit in [a, b] {
        let handle = Rect::from_center_size(pos2(limit, ramp.center().y), vec2(5.0, RAMP + 4.0));
        let edge = Stroke::new(1.0, visuals.extreme_bg_color);
        painter.rect(handle, 2.0, visuals.strong_text_color(), edge, StrokeKind::Outside);
    }
}
