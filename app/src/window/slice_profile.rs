//! The intensities of every slice below the montage; a click on the plot chooses the slice.

use super::theme::ACCENT;
use crate::view::plane::short;
use crate::view::profile::{Profile, Subject};
use crate::view::{Content, Scene};
use egui::{Align2, Color32, FontId, Rect, Sense, Stroke, Ui, pos2};
use std::sync::Arc;

/// Height of the plot.
pub const HEIGHT: f32 = 96.0;

/// Shows the plot of the lowest grey layer that is shown; the crosshair follows a click.
pub fn show(
    ui: &mut Ui,
    rect: Rect,
    scene: &mut Scene,
    profile: &mut Option<Profile>,
    wake: &Arc<dyn Fn() + Send + Sync>,
) {
    let axis = scene.view.montage.axis;
    let Some(layer) = scene.layers.iter().find(|l| l.content == Content::Grey && l.display.visible) else {
        return;
    };
    let Some(window) = layer.display.window else { return };
    let threshold = window[0] + f64::from(layer.display.style.level) * (window[1] - window[0]);
    let mut subject = Subject { layer: layer.id, time: layer.time, axis, threshold };
    if let Some(profile) = profile
        && (Subject { threshold, ..profile.subject }) == subject
    {
        // The threshold is that of the moment when it began.
        subject.threshold = profile.subject.threshold;
    }
    if profile.as_ref().is_none_or(|p| p.subject != subject) {
        *profile = Some(Profile::new(layer, subject, wake.clone()));
    }
    let Some(profile) = profile else { return };
    let count = scene.shape()[axis];
    let response = ui.interact(rect, ui.scope_id().with("slices"), Sense::click_and_drag());
    let visuals = ui.visuals();
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 0.0, visuals.panel_fill);
    let plot = Rect::from_min_max(rect.min + egui::vec2(44.0, 8.0), rect.max - egui::vec2(12.0, 18.0));
    painter.rect_filled(plot, 3.0, visuals.extreme_bg_color);
    let (mut low, mut high) = (window[0].min(window[1]), window[0].max(window[1]));
    profile.with(|figures| {
        for slice in &figures.slices {
            low = low.min(slice.percentiles[0]);
            high = high.max(slice.percentiles[4]);
        }
    });
    let x = |slice: f64| plot.left() + (slice / count as f64) as f32 * plot.width();
    let y = |v: f64| plot.bottom() - ((v - low) / (high - low).max(f64::MIN_POSITIVE)) as f32 * plot.height();
    let text = visuals.text_color();
    let grey = text.gamma_multiply(0.25);
    let mut legend = String::new();
    profile.with(|figures| {
        let at = |i: usize| x((i as f64 + 0.5) * figures.each);
        let mut mean = Vec::new();
        let mut above = Vec::new();
        let wide = (x(figures.each) - x(0.0)).max(1.0);
        for (i, slice) in figures.slices.iter().enumerate() {
            let [least, .., most] = slice.percentiles;
            if slice.count == 0 {
                continue;
            }
            let band = Rect::from_x_y_ranges(at(i) - wide / 2.0..=at(i) + wide / 2.0, y(most)..=y(least));
            painter.rect_filled(band.intersect(plot), 0.0, grey);
            mean.push(pos2(at(i), y(slice.moments[0]).clamp(plot.top(), plot.bottom())));
            above.push(pos2(at(i), plot.bottom() - slice.fraction as f32 * plot.height()));
        }
        painter.line(above, Stroke::new(1.0, Color32::from_rgb(255, 170, 60)));
        painter.line(mean, Stroke::new(1.5, visuals.strong_text_color()));
        let here = (scene.voxel()[axis] as f64 / figures.each.max(1e-9)) as usize;
        if let Some(slice) = figures.slices.get(here) {
            let [mean, sd, ..] = slice.moments;
            legend = format!(
                "slice {}   mean {}   sd {}   5–95 % {} – {}   above {}: {:.1} %{}",
                scene.voxel()[axis],
                short(mean),
                short(sd),
                short(slice.percentiles[0]),
                short(slice.percentiles[4]),
                short(profile.subject.threshold),
                slice.fraction * 100.0,
                if figures.exact { "" } else { "   (preview)" }
            );
        }
        if let Some(error) = &figures.error {
            legend.clone_from(error);
        }
    });
    let here = x(scene.voxel()[axis] as f64 + 0.5);
    painter.vline(here, plot.y_range(), Stroke::new(1.5, ACCENT));
    let font = FontId::proportional(11.0);
    let left = plot.left() - 5.0;
    painter.text(pos2(left, plot.top()), Align2::RIGHT_TOP, short(high), font.clone(), text);
    painter.text(pos2(left, plot.bottom()), Align2::RIGHT_BOTTOM, short(low), font.clone(), text);
    painter.text(pos2(plot.left(), rect.bottom() - 2.0), Align2::LEFT_BOTTOM, legend, font, text);
    let pressed = response.is_pointer_button_down_on() || response.clicked();
    if let Some(at) = response.interact_pointer_pos().filter(|_| pressed) {
        let part = f64::from((at.x - plot.left()) / plot.width()).clamp(0.0, 1.0);
        let mut view = scene.view.at;
        view[2 - axis] = part;
        scene.view.at = scene.snapped(view);
    }
    response.on_hover_text(
        "Mean (white), 5 to 95 % (grey) and fraction above the threshold (orange) of every slice",
    );
}
