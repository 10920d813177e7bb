//! Colours, sizes and fonts of the window.

use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Theme, Visuals,
    style::WidgetVisuals,
};

/// The colour of what is chosen and of what can be dragged.
pub const ACCENT: Color32 = Color32::from_rgb(74, 158, 255);
/// Confirmation of success.
pub const GOOD: Color32 = Color32::from_rgb(92, 200, 110);
/// If it is invalid.
pub const WRONG: Color32 = Color32::from_rgb(240, 110, 100);
/// Requests that wait for their turn.
pub const WARNING: Color32 = Color32::from_rgb(232, 178, 84);
/// Colours of the crosshair's lines across z, y and x.
pub const AXES: [Color32; 3] =
    [Color32::from_rgb(86, 156, 255), Color32::from_rgb(92, 200, 110), Color32::from_rgb(240, 98, 98)];
/// Text over pictures.
pub const OVER: Color32 = Color32::from_rgb(232, 236, 240);
/// Background of pictures, in both themes, so that intensities look the same.
pub const GROUND: [u8; 3] = [14, 16, 20];

/// Gives the window its looks, light and dark.
pub fn apply(ctx: &Context) {
    ctx.all_styles_mut(|style| {
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(8.0, 4.0);
        style.spacing.menu_margin = egui::Margin::same(6);
        style.spacing.slider_width = 108.0;
        style.spacing.combo_width = 120.0;
        style.interaction.tooltip_delay = 0.4;
        style.text_styles = [
            (TextStyle::Small, FontId::new(11.0, FontFamily::Proportional)),
            (TextStyle::Body, FontId::new(13.0, FontFamily::Proportional)),
            (TextStyle::Button, FontId::new(13.0, FontFamily::Proportional)),
            (TextStyle::Heading, FontId::new(15.0, FontFamily::Proportional)),
            (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
        ]
        .into();
    });
    ctx.set_visuals_of(Theme::Dark, visuals(Visuals::dark(), &DARK));
    ctx.set_visuals_of(Theme::Light, visuals(Visuals::light(), &LIGHT));
}

struct Tones {
    panel: Color32,
    field: Color32,
    button: Color32,
    hovered: Color32,
    line: Color32,
    text: Color32,
    strong: Color32,
}

const DARK: Tones = Tones {
    panel: Color32::from_rgb(27, 30, 36),
    field: Color32::from_rgb(18, 20, 25),
    button: Color32::from_rgb(45, 50, 60),
    hovered: Color32::from_rgb(58, 65, 78),
    line: Color32::from_rgb(52, 57, 68),
    text: Color32::from_rgb(198, 204, 214),
    strong: Color32::from_rgb(240, 243, 247),
};

const LIGHT: Tones = Tones {
    panel: Color32::from_rgb(246, 247, 249),
    field: Color32::from_rgb(255, 255, 255),
    button: Color32::from_rgb(228, 231, 236),
    hovered: Color32::from_rgb(214, 219, 227),
    line: Color32::from_rgb(206, 211, 219),
    text: Color32::from_rgb(52, 58, 68),
    strong: Color32::from_rgb(12, 16, 22),
};

fn visuals(mut v: Visuals, tones: &Tones) -> Visuals {
    v.panel_fill = tones.panel;
    v.window_fill = tones.panel;
    v.window_stroke = Stroke::new(1.0, tones.line);
    v.extreme_bg_color = tones.field;
    v.faint_bg_color = tones.button.gamma_multiply(0.35);
    v.selection.bg_fill = ACCENT.gamma_multiply(0.45);
    v.selection.stroke = Stroke::new(1.0, tones.strong);
    v.hyperlink_color = ACCENT;
    let radius = CornerRadius::same(4);
    v.window_corner_radius = CornerRadius::same(6);
    v.menu_corner_radius = CornerRadius::same(6);
    let widget = |w: &mut WidgetVisuals, fill: Color32, text: Color32, line: Stroke| {
        w.bg_fill = fill;
        w.weak_bg_fill = fill;
        w.fg_stroke = Stroke::new(1.0, text);
        w.bg_stroke = line;
        w.corner_radius = radius;
        w.expansion = 0.0;
    };
    widget(&mut v.widgets.noninteractive, tones.panel, tones.text, Stroke::new(1.0, tones.line));
    widget(&mut v.widgets.inactive, tones.button, tones.text, Stroke::NONE);
    widget(&mut v.widgets.hovered, tones.hovered, tones.strong, Stroke::NONE);
    widget(&mut v.widgets.active, ACCENT.gamma_multiply(0.6), tones.strong, Stroke::NONE);
    widget(&mut v.widgets.open, tones.hovered, tones.strong, Stroke::NONE);
    v
}
