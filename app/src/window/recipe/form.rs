//! Forms of steps, which follow from the declarations of their operators.

use super::Draft;
use crate::window::theme::WRONG;
use crate::window::widgets::{WIDE, choice};
use egui::Ui;
use voxelry_core::ops::{Default as Given, Param, ParamType, Value};

/// The parameters of a step.
pub fn form(ui: &mut Ui, draft: &mut Draft, image: Option<([f64; 2], bool)>, salt: &str) {
    egui::Grid::new(salt).num_columns(2).min_col_width(90.0).spacing([8.0, 4.0]).show(ui, |ui| {
        for param in draft.op.spec().params {
            ui.label(param.name.replace('_', " ")).on_hover_text(param.help);
            let text = draft.values.entry(param.name).or_default();
            field(ui, param, text, image, (salt, param.name));
            ui.end_row();
        }
    });
}

/// A small button with an arrow on it.
pub(super) fn arrow(ui: &mut Ui, up: bool, enabled: bool) -> egui::Response {
    let response = ui.add_enabled(enabled, egui::Button::new("  ").small());
    let (c, colour) = (response.rect.center(), ui.style().interact(&response).fg_stroke.color);
    let way = if up { -3.0 } else { 3.0 };
    let tip =
        [egui::vec2(-4.0, -way / 2.0), egui::vec2(4.0, -way / 2.0), egui::vec2(0.0, way)].map(|v| c + v);
    let colour = if enabled { colour } else { colour.gamma_multiply(0.35) };
    ui.painter().add(egui::Shape::convex_polygon(tip.to_vec(), colour, egui::Stroke::NONE));
    let name = if up { "Move up" } else { "Move down" };
    response.on_hover_text(name).accessible_name(name)
}

/// The field of a parameter; empty means its default.
fn field(ui: &mut Ui, param: &Param, text: &mut String, image: Option<([f64; 2], bool)>, salt: (&str, &str)) {
    let default = match param.default {
        Given::Required => "required",
        Given::Absent => "",
        Given::Value(value) => value,
    };
    match param.ty {
        ParamType::Bool => {
            let mut on = if text.is_empty() { default == "true" } else { text == "true" };
            if ui.checkbox(&mut on, "").on_hover_text(param.help).accessible_name(param.name).changed() {
                *text = on.to_string();
            }
        }
        ParamType::Choice(words) => {
            let shown = if text.is_empty() { default } else { text.as_str() }.to_owned();
            ui.push_id(salt, |ui| {
                choice(ui, param.name, &shown, WIDE, |ui| {
                    for word in words {
                        ui.selectable_value(text, (*word).to_owned(), *word);
                    }
                });
            });
        }
        _ => {
            let wrong = !text.trim().is_empty() && Value::parse(&param.ty, text).is_err();
            let slider = Slide::of(param, text, default, image);
            let wide = if slider.is_some() { 62.0 } else { 120.0 };
            let place = ui.horizontal(|ui| {
                let mut edit = egui::TextEdit::singleline(text).hint_text(default).desired_width(wide);
                if wrong {
                    edit = edit.text_color(WRONG);
                }
                let response = ui.add(edit);
                if let Some(slide) = slider {
                    slide.show(ui, param, text);
                }
                response
            });
            place.inner.accessible_name(param.name).on_hover_text(format!(
                "{}\n{}",
                param.help,
                param.ty.describe()
            ));
        }
    }
}

/// A slider beside a number that is typed.
struct Slide {
    value: f64,
    range: [f64; 2],
    whole: bool,
    /// Unit after the number.
    unit: String,
}

impl Slide {
    /// One for a parameter that is one number, if it is clear between which it moves. `image`: the range of the
    /// image's intensities, and whether they have fractions.
    fn of(param: &Param, text: &str, default: &str, image: Option<([f64; 2], bool)>) -> Option<Self> {
        let shown = if text.trim().is_empty() { default } else { text }.trim();
        let end = shown.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(shown.len());
        let (number, unit) = shown.split_at(end);
        if unit.contains(',') {
            return None;
        }
        let given: Option<f64> = number.parse().ok();
        let usual: Option<f64> = default.parse().ok();
        let far = |least: f64| (4.0 * usual.or(given).unwrap_or(0.0).abs()).max(least);
        let (range, whole) = match param.ty {
            ParamType::Int { min, max } => {
                let min = if min == i64::MIN { 0 } else { min };
                ([min as f64, (max as f64).min(min as f64 + far(10.0))], true)
            }
            ParamType::Float { min, max } if min.is_finite() && max.is_finite() && max - min <= 1e3 => {
                ([min, max], false)
            }
            ParamType::Float { min, .. } if min.is_finite() => {
                // What is no multiple of something is most often an intensity.
                let wide = image.filter(|_| usual.is_none()).map(|([low, high], _)| high - low);
                {
                    let high = wide.unwrap_or(far(1.0));
                    ([if min > 0.0 { min.max(high / 100.0) } else { min }, high], false)
                }
            }
            ParamType::Float { .. } => {
                let (range, fractions) = image?;
                (range, !fractions)
            }
            ParamType::Length { min } if unit.is_empty() => ([min, far(10.0)], false),
            ParamType::Length { .. } => ([0.0, 4.0 * given?], false),
            _ => return None,
        };
        let [low, high] = range;
        let at_end = ["upper", "high", "max"].iter().any(|word| param.name.starts_with(word));
        let value = given.unwrap_or(if at_end { high } else { low });
        (high > low).then(|| Self {
            value,
            range: [low.min(value), high.max(value)],
            whole,
            unit: unit.to_owned(),
        })
    }

    fn show(mut self, ui: &mut Ui, param: &Param, text: &mut String) {
        ui.spacing_mut().slider_width = (ui.available_width() - 4.0).clamp(40.0, 110.0);
        let [low, high] = self.range;
        let mut slider = egui::Slider::new(&mut self.value, low..=high).show_value(false);
        if self.whole {
            slider = slider.step_by(1.0);
        }
        let name = format!("{} slider", param.name);
        if ui.add(slider).on_hover_text(param.help).accessible_name(&name).changed() {
            let digits =
                if self.whole { 0 } else { (2.5 - (high - low).log10()).ceil().clamp(0.0, 6.0) as i32 };
            let scale = 10f64.powi(digits);
            *text = format!("{}{}", (self.value * scale).round() / scale, self.unit);
        }
    }
}
