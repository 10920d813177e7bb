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
    let bar = Slider::new(value, range.clone()).show_value(false);
    let bar = ui.add(if let Some(d) = decimals { bar.fixed_decimals(d) } else { bar }).accessible_name(name);
    let (low, high) = (range.start().to_f64(), range.end().to_f64());
    let mut field = DragValue::new(value).range(range).speed((high - low) / 300.0);
    if let Some(d) = decimals {
        field = field.fixed_decimals(d);
    }
    let field = ui.add(field).accessible_name(name);
    let mut both = bar.union(field);
    if value.to_f64() != before {
        both.mark_changed();
    }
    both
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
