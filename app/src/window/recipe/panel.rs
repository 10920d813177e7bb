//! The recipe panel: steps, preview, run.

use super::command::copy_command;
use super::form::{arrow, form};
use super::run::start;
use super::{Planned, RecipeEditor, inputs};
use crate::cli::recipes::BUILT_IN;
use crate::view::plane::short;
use crate::view::recipe_run::RunningRecipe;
use crate::window::app::Viewer;
use crate::window::bars;
use crate::window::theme::{ACCENT, WRONG};
use egui::{RichText, ScrollArea, Ui};
use std::time::Duration;
use voxelry_core::io::ImageSource;
use voxelry_core::ops::{Group, OPERATORS};
use voxelry_core::recipe::{IMAGE, Recipe};

/// Height of what is below the steps.
const BELOW: f32 = 168.0;

/// The panel.
pub fn panel(viewer: &mut Viewer, ui: &mut Ui) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.menu_button("Open", |ui| {
            ui.set_min_width(200.0);
            for (name, text) in BUILT_IN {
                let recipe = Recipe::parse(text).expect("built-in recipes are tested");
                let hint = recipe.title.clone().unwrap_or_default();
                if ui.button(*name).on_hover_text(hint).clicked() {
                    viewer.recipe_editor.load(&recipe);
                    ui.close();
                }
            }
            ui.separator();
            if ui.button("From a file…").clicked() {
                viewer.ask_for_recipe(&ui.ctx().clone());
                ui.close();
            }
        });
        let some = !viewer.recipe_editor.steps.is_empty();
        if ui.add_enabled(some, egui::Button::new("Save…")).on_hover_text("Save the recipe as TOML").clicked()
        {
            viewer.ask_where_to_save_recipe(&ui.ctx().clone());
        }
        let hint = "Copies the command line that runs this recipe";
        if ui.add_enabled(some, egui::Button::new("Copy as command")).on_hover_text(hint).clicked() {
            copy_command(viewer, ui);
        }
    });
    ui.separator();
    // What is below the steps has a place of its own, so that nothing moves when something is said there.
    ScrollArea::vertical()
        .id_salt("steps")
        .auto_shrink(false)
        .max_height((ui.available_height() - BELOW).max(60.0))
        .show(ui, |ui| {
            // The scroll bar has a place of its own.
            ui.set_max_width(ui.available_width() - 8.0);
            let layer = viewer.layer_to_run_on();
            let stats = layer.and_then(|l| Some((l.stats.as_ref()?.range, l.source.info().voxel.is_float())));
            let names: Vec<String> = inputs::others(viewer).into_iter().map(|(name, _)| name).collect();
            steps(&mut viewer.recipe_editor, stats, &names, ui);
            add_menu(&mut viewer.recipe_editor, ui);
        });
    ui.separator();
    let ok = viewer.recipe_editor.is_ready();
    ui.horizontal(|ui| {
        let idle = viewer.recipe_editor.running.is_none();
        if ui.add_enabled(ok && idle, egui::Button::new("Run on the whole image")).clicked() {
            start(viewer);
        }
        let hint = "Run it on a worker pool, and follow its jobs (Ctrl+J)";
        if ui.add_enabled(ok, egui::Button::new("Pool…")).on_hover_text(hint).clicked() {
            viewer.pool.shown = true;
        }
    });
    let hint = "Shows the result in the visible region while the recipe is built";
    ui.checkbox(&mut viewer.recipe_editor.preview.enabled, "Preview").on_hover_text(hint);
    ScrollArea::vertical().id_salt("said").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        needs(viewer, ui);
        if let Some(running) = &viewer.recipe_editor.running {
            progress(running, ui, ui.available_width());
        }
        previewed(&viewer.recipe_editor, ui);
        facts(&viewer.recipe_editor, ui);
    });
}

/// Memory that the recipe needs, or its error.
fn needs(viewer: &Viewer, ui: &mut Ui) {
    let some = !viewer.recipe_editor.steps.is_empty();
    match &viewer.recipe_editor.planned.1 {
        None if viewer.layer_to_run_on().is_none() => {
            ui.weak("Open an image to run a recipe on");
        }
        Some(Err(error)) if some => {
            ui.label(RichText::new(error).color(WRONG).small());
        }
        Some(Ok(Planned { memory, .. })) if some => {
            let text = format!("needs about {} in memory", bars::bytes(*memory));
            ui.label(RichText::new(text).weak().small());
        }
        _ => {
            ui.weak("Add steps, or open a recipe");
        }
    }
}

fn steps(recipe_editor: &mut RecipeEditor, image: Option<([f64; 2], bool)>, layers: &[String], ui: &mut Ui) {
    enum Change {
        Up(usize),
        Down(usize),
        Remove(usize),
    }
    let mut change = None;
    let count = recipe_editor.steps.len();
    let mut names = [&[IMAGE.to_owned()], layers].concat();
    for (i, draft) in recipe_editor.steps.iter_mut().enumerate() {
        let spec = draft.op.spec();
        egui::Frame::group(ui.style()).inner_margin(6).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("{}", i + 1)).weak());
                ui.label(RichText::new(spec.id).strong())
                    .on_hover_text(format!("{}\n\n{}", spec.summary, spec.details));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if ui.small_button("×").on_hover_text("Remove").clicked() {
                        change = Some(Change::Remove(i));
                    }
                    if arrow(ui, false, i + 1 < count).clicked() {
                        change = Some(Change::Down(i));
                    }
                    if arrow(ui, true, i > 0).clicked() {
                        change = Some(Change::Up(i));
                    }
                });
            });
            if spec.inputs.len() > 1 {
                egui::Grid::new(("inputs", i))
                    .num_columns(2)
                    .min_col_width(90.0)
                    .spacing([8.0, 4.0])
                    .show(ui, |ui| inputs::rows(ui, spec, &mut draft.step.inputs, &names, i));
            }
            form(ui, draft, image, &format!("step {i}"));
        });
        names.extend(draft.step.name.clone());
    }
    match change {
        Some(Change::Up(i)) => recipe_editor.steps.swap(i, i - 1),
        Some(Change::Down(i)) => recipe_editor.steps.swap(i, i + 1),
        Some(Change::Remove(i)) => {
            recipe_editor.steps.remove(i);
        }
        None => {}
    }
}

fn add_menu(recipe_editor: &mut RecipeEditor, ui: &mut Ui) {
    ui.add_space(4.0);
    ui.menu_button("Add step", |ui| {
        for group in Group::ALL {
            ui.menu_button(group.title(), |ui| {
                ui.set_min_width(180.0);
                for op in OPERATORS.iter().filter(|op| op.spec().group == group) {
                    if ui.button(op.spec().id).on_hover_text(op.spec().summary).clicked() {
                        recipe_editor.add(*op);
                        ui.close();
                    }
                }
            });
        }
    });
}

/// Values found by the last run, such as thresholds.
fn facts(recipe_editor: &RecipeEditor, ui: &mut Ui) {
    if recipe_editor.running.is_none() && !recipe_editor.results.facts.is_empty() {
        let facts: Vec<String> =
            recipe_editor.results.facts.iter().map(|(name, v)| format!("{name} {}", short(*v))).collect();
        let text = facts.join(" · ");
        ui.add(egui::Label::new(RichText::new(&text).small().weak()).truncate()).on_hover_text(text);
    }
}

/// Progress bar of a run, with a button that cancels it.
pub fn progress(running: &RunningRecipe, ui: &mut Ui, wide: f32) {
    let status = running.status();
    let part = if status.total > 0 { status.done as f32 / status.total as f32 } else { 0.0 };
    let took = status.stage_begun.elapsed();
    let mut text = format!("{} {:.0} %", status.stage, part * 100.0);
    if part > 0.02 && part < 1.0 && took > Duration::from_secs(2) {
        text += &format!(", {:.0} s left in this step", took.as_secs_f32() * (1.0 - part) / part);
    }
    ui.horizontal(|ui| {
        ui.add(
            egui::ProgressBar::new(part)
                .desired_width(wide - 64.0)
                .text(text)
                .fill(ACCENT.gamma_multiply(0.7)),
        );
        if ui.button("Cancel").clicked() {
            running.cancel();
        }
    });
    ui.ctx().request_repaint_after(Duration::from_millis(100));
}

/// Describes the level and extent of the preview.
fn previewed(recipe_editor: &RecipeEditor, ui: &mut Ui) {
    let Some(Ok(Planned { whole, several, .. })) = &recipe_editor.planned.1 else { return };
    if !recipe_editor.preview.enabled || recipe_editor.preview.layer.is_none() && !several {
        return;
    }
    if *several {
        ui.weak("No preview: the recipe takes several images");
        return;
    }
    let text = match (whole.is_empty(), recipe_editor.preview.level) {
        (true, _) => "Preview (exact at the displayed resolution)".to_owned(),
        (false, 0) => "Preview of the whole image (exact)".to_owned(),
        (false, level) => format!(
            "Preview of the whole image at 1:{}; {} may differ at full resolution",
            1u64 << level.min(40),
            whole.join(", ")
        ),
    };
    ui.add(egui::Label::new(RichText::new(&text).small().weak()).wrap());
}
