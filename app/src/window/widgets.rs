//! Fields with names, so that screen readers and tests find them.

use egui::emath::Numeric;
use egui::{ComboBox, DragValue, Response, Role, Slider, Ui, WidgetInfo};
use std::ops::RangeInclusive;

/// A slider with a field for the value beside it.
pub fn slider<N: Numeric>(
    ui: &mut Ui,
    name: &str,
    value: &mut N,
    range: RangeInclusive<N>,
    decimals: Option<usize>,
) -> Response {
    let before = value.to_f64();
    // Both fit beside each other, whatever the number: a long one is cut off, and moves nothing.
    let room = ui.available_width() - FIELD - ui.spacing().item_spacing.x;
    ui.spacing_mut().slider_width = room.clamp(40.0, 160.0);
    let bar = Slider::new(value, range.clone()).show_value(false);
    let bar = ui.add(if let Some(d) = decimals { bar.fixed_decimals(d) } else { bar }).accessible_name(name);
    let (low, high) = (range.start().to_f64(), range.end().to_f64());
    let mut field = DragValue::new(value).range(range).speed((high - low) / 300.0);
    if let Some(d) = decimals {
        field = field.fixed_decimals(d);
    }
    let field = sized(ui, FIELD, field).accessible_name(name);
    let mut both = bar.union(field);
    if value.to_f64() != before {
        both.mark_changed();
    }
    both
}

/// Width of a field for a number beside a slider.
const FIELD: f32 = 64.0;

/// Width of each of two fields beside each other.
pub const PAIR: f32 = 76.0;

/// A widget that takes so much room, whatever it shows: what doesn't fit is cut off.
pub fn sized(ui: &mut Ui, width: f32, widget: impl egui::Widget) -> Response {
    let size = egui::vec2(width, ui.spacing().interact_size.y);
    let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    let layout = egui::Layout::left_to_right(egui::Align::Center).with_main_justify(true);
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(layout));
    inner.set_clip_rect(rect.expand(2.0).intersect(ui.clip_rect()));
    inner.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
    inner.add(widget)
}

/// Shows contents in all of the room there is and no more: a panel is as wide as the user made it, whatever it shows.
pub fn fixed<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let rect = ui.available_rect_before_wrap();
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    // Frames of what has the focus reach beyond the contents a little.
    inner.set_clip_rect(rect.expand(3.0).intersect(ui.clip_rect()));
    let result = contents(&mut inner);
    ui.allocate_rect(rect, egui::Sense::hover());
    result
}

/// A button that folds a panel: a window with that part of it filled where it is open.
pub fn fold(ui: &mut Ui, open: bool, name: &str, part: egui::Rect) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(22.0, 18.0), egui::Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, open, name));
    let colour = ui.style().interact(&response).fg_stroke.color;
    let frame = egui::Rect::from_center_size(rect.center(), egui::vec2(16.0, 12.0));
    ui.painter().rect_stroke(frame, 2.0, egui::Stroke::new(1.2, colour), egui::StrokeKind::Inside);
    let at = |p: egui::Pos2| frame.min + egui::vec2(p.x * frame.width(), p.y * frame.height());
    let part = egui::Rect::from_min_max(at(part.min), at(part.max)).shrink(1.0);
    if open {
        ui.painter().rect_filled(part, 0.0, colour.gamma_multiply(0.75));
    } else {
        ui.painter().rect_stroke(
            part,
            0.0,
            egui::Stroke::new(0.8, colour.gamma_multiply(0.6)),
            egui::StrokeKind::Inside,
        );
    }
    response.on_hover_text(name)
}

/// Asks a question over everything else: nothing behind it can be clicked. The button that was chosen; Esc chooses none,
/// and is a command.
pub fn ask(ctx: &egui::Context, title: &str, lines: &[String], buttons: &[&str]) -> Option<usize> {
    let mut answer = None;
    egui::Modal::new(egui::Id::unique(title)).show(ctx, |ui| {
        ui.set_width(380.0);
        ui.heading(title);
        ui.add_space(4.0);
        for line in lines {
            ui.add(egui::Label::new(line).wrap());
        }
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            for (i, text) in buttons.iter().enumerate() {
                if ui.button(*text).clicked() {
                    answer = Some(i);
                }
            }
        });
    });
    answer
}

/// A choice.
pub fn choice(ui: &mut Ui, name: &str, shown: &str, width: f32, contents: impl FnOnce(&mut Ui)) -> Response {
    let made = ComboBox::from_id_salt(name).selected_text(shown).width(width).show_ui(ui, contents);
    made.response.accessible_name(name)
}

/// The usual width of choices.
pub const WIDE: f32 = 120.0;

/// An eye, open where something is shown.
pub fn eye(ui: &mut Ui, open: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(20.0, 18.0), egui::Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, open, "Shown"));
    let visuals = ui.style().interact(&response);
    let colour = if open { visuals.fg_stroke.color } else { visuals.fg_stroke.color.gamma_multiply(0.4) };
    let (c, stroke) = (rect.center(), egui::Stroke::new(1.3, colour));
    let lid = |up: f32| -> Vec<egui::Pos2> {
        (0..=12u8)
            .map(|i| {
                let t = f32::from(i) / 12.0;
                c + egui::vec2((t - 0.5) * 15.0, -up * 5.0 * (t * std::f32::consts::PI).sin())
            })
            .collect()
    };
    ui.painter().line(lid(1.0), stroke);
    if open {
        ui.painter().line(lid(-1.0), stroke);
        ui.painter().circle_filled(c, 2.4, colour);
    }
    response
}

/// A lock, shut where something may not be changed.
pub fn lock(ui: &mut Ui, shut: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(16.0, 18.0), egui::Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, shut, "Locked"));
    let visuals = ui.style().interact(&response);
    let colour = if shut { visuals.fg_stroke.color } else { visuals.fg_stroke.color.gamma_multiply(0.3) };
    let stroke = egui::Stroke::new(1.3, colour);
    let body = egui::Rect::from_center_size(rect.center() + egui::vec2(0.0, 2.5), egui::vec2(9.0, 6.5));
    ui.painter().rect_filled(body, 1.5, colour);
    // The bow stands open beside the body.
    let left = body.center().x - 3.0 + if shut { 0.0 } else { 4.0 };
    let bow: Vec<egui::Pos2> = (0..=8u8)
        .map(|i| {
            let t = f32::from(i) / 8.0 * std::f32::consts::PI;
            egui::pos2(left + 3.0 - 3.0 * t.cos(), body.top() - 1.0 - 4.0 * t.sin())
        })
        .collect();
    ui.painter().line(bow, stroke);
    response
}
