//! Fields with names, so that screen readers and tests find them.

use egui::emath::Numeric;
use egui::{ComboBox, DragValue, Response, Slider, Ui};
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
