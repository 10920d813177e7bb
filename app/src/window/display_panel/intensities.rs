//! Histogram, window and display settings of a layer of intensities or labels.

use super::{HistogramSource, rows};
use crate::view::colours::Map;
use crate::view::plane::short;
use crate::view::region_stats::RegionStats;
use crate::view::stats::Stats;
use crate::view::{Layer, Show};
use crate::window::histogram;
use crate::window::theme::WRONG;
use crate::window::widgets::{PAIR, WIDE, choice, sized, slider};
use egui::{RichText, Ui};
use voxelry_core::Region;
use voxelry_core::io::ImageSource;

/// Histogram and window of intensities, and their display settings.
pub(super) fn intensities(
    ui: &mut Ui,
    layer: &mut Layer,
    log: &mut bool,
    (source, part): (&mut HistogramSource, Option<Region>),
    region_stats: &mut RegionStats,
) {
    let Some(stats) = layer.stats.clone() else {
        if let Some(reason) = &layer.broken {
            ui.label(RichText::new(&**reason).color(WRONG));
            return;
        }
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label("Computing histogram…");
        });
        return;
    };
    let found = part.and_then(|part| region_stats.of(layer, part));
    let (shown, current) = match (part, found) {
        (None, _) => (Some(stats.clone()), true),
        (_, Some((Ok(part), own))) => (Some(part), own),
        (_, Some((Err(error), _))) => {
            ui.label(RichText::new(error).weak());
            (None, true)
        }
        (_, None) => (None, false),
    };
    let shown = shown.unwrap_or_else(|| stats.clone());
    heading(ui, layer, log, &shown, current);
    ui.horizontal(|ui| {
        for (value, name, hint) in HistogramSource::ALL {
            ui.selectable_value(source, value, name).on_hover_text(hint);
        }
    });
    let curve = layer.display.style.show == Show::Composite;
    histogram::show(ui, &stats, &shown, &mut layer.display, *log, curve);
    let count = shown.counts.iter().sum::<u64>();
    let [mean, sd] = [0, 1].map(|i| short(shown.moments[i]));
    let text = format!("mean {mean}   sd {sd}   of {count} voxels");
    ui.add(egui::Label::new(RichText::new(text).small().weak()).truncate());
    display_settings(ui, layer, &stats);
    if stats.missing > 0 {
        ui.label(RichText::new(format!("{} NaN voxels", stats.missing)).weak());
    }
}

/// Title of the histogram, with the buttons beside it.
fn heading(ui: &mut Ui, layer: &mut Layer, log: &mut bool, shown: &Stats, current: bool) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Histogram").strong());
        let (text, hint) = if shown.level == 0 {
            ("exact", "Counts every voxel")
        } else {
            ("preview", "Counts a part or a coarser level of the image")
        };
        ui.label(RichText::new(text).small().weak()).on_hover_text(hint);
        if !current {
            ui.spinner();
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.toggle_value(log, "log").on_hover_text("Logarithmic counts");
            if ui.button("Auto").on_hover_text("Window from the 0.5 to the 99.5 percentile (R)").clicked() {
                layer.display.window = Some(layer.window_of(shown));
            }
        });
    });
}

/// Window, colours, opacity and blending.
fn display_settings(ui: &mut Ui, layer: &mut Layer, stats: &Stats) {
    let mut window = layer.display.window.unwrap_or(stats.window);
    let whole = !layer.source.info().voxel.is_float();
    let speed = (stats.window[1] - stats.window[0]).abs() / 300.0;
    rows(ui, "intensities", |ui| {
        ui.label("Window");
        ui.horizontal(|ui| {
            let mut changed = false;
            for (i, hint) in ["Lower window limit", "Upper window limit"].into_iter().enumerate() {
                let decimals = if whole { 0 } else { 4 };
                let field = egui::DragValue::new(&mut window[i]).speed(speed).max_decimals(decimals);
                changed |= sized(ui, PAIR, field).on_hover_text(hint).accessible_name(hint).changed();
            }
            if changed && window[0] != window[1] {
                layer.display.window = Some(window);
            }
        });
        ui.end_row();
        ui.label("Colours");
        choice(ui, "Colours", layer.display.map.name(), WIDE, |ui| {
            for (map, name) in Map::NAMED {
                ui.selectable_value(&mut layer.display.map, map, name);
            }
        });
        ui.end_row();
        if let Map::Tint(colour) = &mut layer.display.map {
            ui.label("Tint");
            ui.color_edit_button_srgb(colour).accessible_name("Tint");
            ui.end_row();
        }
        ui.label("Opacity");
        ui.horizontal(|ui| slider(ui, "Opacity", &mut layer.display.opacity, 0.0..=1.0, Some(2)));
        ui.end_row();
        ui.label("Blend");
        ui.horizontal(|ui| {
            ui.checkbox(&mut layer.display.add, "Additive").on_hover_text("Additive blending");
            ui.checkbox(&mut layer.display.checker, "Checkerboard")
                .on_hover_text("Checkerboard with the layer below, in planes");
        });
        ui.end_row();
    });
}

/// Display settings of a label layer.
pub(super) fn labels(ui: &mut Ui, layer: &mut Layer) {
    rows(ui, "labels", |ui| {
        ui.label("Opacity");
        ui.horizontal(|ui| slider(ui, "Opacity", &mut layer.display.opacity, 0.0..=1.0, Some(2)));
        ui.end_row();
        ui.label("In planes");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut layer.display.outline, true, "Outlines");
            ui.selectable_value(&mut layer.display.outline, false, "Filled");
        });
        ui.end_row();
    });
}
