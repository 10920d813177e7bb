//! The panel in which a recipe is built: forms follow from the operators' declarations.

use super::app::Viewer;
use super::further;
use super::theme::{ACCENT, WRONG};
use super::widgets::{WIDE, choice};
use crate::cli::recipes::BUILT_IN;
use crate::view::live::{self, Live};
use crate::view::plane::short;
use crate::view::work::{self, Part, Running};
use crate::view::{Content, Layer};
use egui::util::undoer::Undoer;
use egui::{RichText, ScrollArea, Ui};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::Version;
use voxelry_core::measure::Table;
use voxelry_core::ops::{Default as Given, Group, Kind, OPERATORS, Operator, Param, ParamType, Value};
use voxelry_core::recipe::{IMAGE, Plan, Recipe, Step};
use voxelry_core::{Error, Region, Result};

/// How long a preview may take before the next one takes its place unfinished.
const PATIENCE: Duration = Duration::from_millis(600);

/// A recipe that is being built, and what becomes of it.
#[derive(Default)]
pub struct Bench {
    title: Option<String>,
    steps: Vec<Draft>,
    undoer: Undoer<Vec<Draft>>,
    /// Whether it is shown on what is visible as it is built.
    pub preview: bool,
    /// Layer and recipe, and what is known of its run or wrong with it.
    planned: (String, Option<Result<Planned, String>>),
    previewing: Option<(String, Running)>,
    /// What the last preview was of.
    previewed: String,
    /// The level that the preview of steps that need the whole image is of.
    level: usize,
    /// The layer that shows the preview.
    shown: Option<u64>,
    /// What makes it, where it is made as it is looked at; when its recipe changed last.
    live: Option<Arc<Live>>,
    changed: Option<Instant>,
    /// The layer whose window was fitted to its intensities, and the level that they were found at.
    fitted: Option<(u64, usize)>,
    running: Option<Running>,
    /// What runs found.
    pub tables: Vec<(String, Table)>,
    /// The layer of labels that the tables are about.
    pub about: Option<u64>,
    /// The layer of labels that is being measured, and which version of it if it is edited.
    measured: Option<(u64, Option<(u64, Arc<Version>)>)>,
    /// The layer of intensities that was measured in it, if any were.
    pub intensities: Option<u64>,
    facts: Vec<(String, f64)>,
}

/// What is known of a recipe before it runs.
struct Planned {
    /// Bytes that it needs in memory.
    memory: u64,
    /// Its steps up to the last that makes an image, complete; none if there is no such.
    shown: Option<Recipe>,
    /// Whether it takes further images: it is not previewed then.
    several: bool,
    /// Those of them that would see the whole image, and see only what is visible in the preview.
    whole: Vec<String>,
}

impl Planned {
    fn of(plan: &Plan) -> Self {
        let end = (0..plan.steps.len()).rev().find(|i| plan.makes_image(*i)).map_or(0, |i| i + 1);
        let mut shown = plan.resolved.clone();
        shown.steps.truncate(end);
        let whole = live::whole_steps(plan, end).into_iter().map(str::to_owned).collect();
        Self { memory: plan.memory(&[]), shown: (end > 0).then_some(shown), several: false, whole }
    }
}

/// A step as it is typed.
#[derive(Clone)]
pub struct Draft {
    /// What it does.
    pub op: &'static dyn Operator,
    values: BTreeMap<&'static str, String>,
    /// Inputs and names, as a recipe that was opened gives them.
    step: Step,
}

impl Draft {
    /// A step with the operator's own parameters.
    pub fn new(op: &'static dyn Operator) -> Self {
        Self { op, values: BTreeMap::new(), step: Step::new(op, BTreeMap::new()) }
    }

    /// Parameters that were given, as on the command line.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let said = self.values.iter().filter(|(_, value)| !value.trim().is_empty());
        said.map(|(name, value)| (*name, value.trim().to_owned())).collect()
    }

    fn of(step: &Step) -> Self {
        let values = step.given.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Self { op: step.op, values, step: step.clone() }
    }

    fn step(&self) -> Result<Step> {
        let mut given = BTreeMap::new();
        for param in self.op.spec().params {
            let Some(text) = self.values.get(param.name).filter(|t| !t.trim().is_empty()) else { continue };
            let value = Value::parse(&param.ty, text);
            let value = value
                .map_err(|e| Error::recipe(None, format!("{}, {}: {e}", self.op.spec().id, param.name)))?;
            given.insert(param.name, value);
        }
        Ok(Step { given, line: None, lines: BTreeMap::new(), ..self.step.clone() })
    }
}

/// Drafts are the same if they say the same.
impl PartialEq for Draft {
    fn eq(&self, other: &Self) -> bool {
        let said = |d: &Self| -> Vec<(&'static str, String)> {
            d.values.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (*k, v.clone())).collect()
        };
        self.op.spec().id == other.op.spec().id
            && said(self) == said(other)
            && self.step.inputs == other.step.inputs
            && self.step.name == other.step.name
    }
}

impl Bench {
    /// Whether there is a change of the steps to take back.
    pub fn can_undo(&self) -> bool {
        self.undoer.has_undo(&self.steps)
    }

    /// Whether there is a change to make again.
    pub fn can_redo(&self) -> bool {
        self.undoer.has_redo(&self.steps)
    }

    /// Takes the last change of the steps back.
    pub fn undo(&mut self) {
        if let Some(steps) = self.undoer.undo(&self.steps) {
            self.steps.clone_from(steps);
        }
    }

    /// Makes the change again that was taken back last.
    pub fn redo(&mut self) {
        if let Some(steps) = self.undoer.redo(&self.steps) {
            self.steps.clone_from(steps);
        }
    }

    /// Remembers the steps as they are now, once they rest.
    pub fn remember(&mut self, now: f64) {
        self.undoer.feed_state(now, &self.steps);
    }

    /// The layer that shows the preview.
    pub fn shown(&self) -> Option<u64> {
        self.shown
    }

    /// The recipe that labels from a file were measured by.
    pub fn measured_by(&self) -> Option<std::sync::Arc<str>> {
        Some(work::measuring(self.intensities.is_some()).ok()?.to_toml().into())
    }

    /// How far the recipe is that runs.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The recipe as it is.
    ///
    /// # Errors
    /// If a value can't be read.
    pub fn recipe(&self) -> Result<Recipe> {
        let steps: Result<Vec<Step>> = self.steps.iter().map(Draft::step).collect();
        Ok(Recipe { title: self.title.clone(), steps: steps? })
    }

    /// Takes a recipe over.
    pub fn load(&mut self, recipe: &Recipe) {
        self.title.clone_from(&recipe.title);
        self.steps = recipe.steps.iter().map(Draft::of).collect();
    }

    /// Adds a step.
    pub fn add(&mut self, op: &'static dyn Operator) {
        self.steps.push(Draft::new(op));
    }

    /// Whether it can be run.
    pub fn is_ready(&self) -> bool {
        matches!(self.planned.1, Some(Ok(_))) && !self.steps.is_empty()
    }

    /// Whether a preview is shown.
    pub fn is_previewing(&self) -> bool {
        self.shown.is_some()
    }

    /// Whether a job runs that Esc would stop; if so it is stopped.
    pub fn stop(&mut self) -> bool {
        self.running.as_ref().inspect(|r| r.cancel()).is_some()
    }
}

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
                    viewer.bench.load(&recipe);
                    ui.close();
                }
            }
            ui.separator();
            if ui.button("From a file…").clicked() {
                viewer.ask_for_recipe(&ui.ctx().clone());
                ui.close();
            }
        });
        let some = !viewer.bench.steps.is_empty();
        if ui.add_enabled(some, egui::Button::new("Save…")).on_hover_text("Save the recipe as TOML").clicked()
        {
            viewer.ask_where_to_save_recipe(&ui.ctx().clone());
        }
        let hint = "Copy the command line that does the same";
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
            let names: Vec<String> = further::others(viewer).into_iter().map(|(name, _)| name).collect();
            steps(&mut viewer.bench, stats, &names, ui);
            add_menu(&mut viewer.bench, ui);
        });
    ui.separator();
    let ok = viewer.bench.is_ready();
    ui.horizontal(|ui| {
        let idle = viewer.bench.running.is_none();
        if ui.add_enabled(ok && idle, egui::Button::new("Run on the whole image")).clicked() {
            start(viewer);
        }
        let hint = "Give it to a pool of workers, and see what its jobs do (Ctrl+J)";
        if ui.add_enabled(ok, egui::Button::new("Pool…")).on_hover_text(hint).clicked() {
            viewer.jobs.shown = true;
        }
    });
    let hint = "Show the result on what is visible, as the recipe is built";
    ui.checkbox(&mut viewer.bench.preview, "Preview").on_hover_text(hint);
    ScrollArea::vertical().id_salt("said").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        needs(viewer, ui);
        if let Some(running) = &viewer.bench.running {
            progress(running, ui, ui.available_width());
        }
        previewed(&viewer.bench, ui);
        facts(&viewer.bench, ui);
    });
}

/// Height of what is below the steps.
const BELOW: f32 = 168.0;

/// What the recipe needs, or what is wrong with it.
fn needs(viewer: &Viewer, ui: &mut Ui) {
    let some = !viewer.bench.steps.is_empty();
    match &viewer.bench.planned.1 {
        None if viewer.layer_to_run_on().is_none() => {
            ui.weak("Open an image to run a recipe on");
        }
        Some(Err(error)) if some => {
            ui.label(RichText::new(error).color(WRONG).small());
        }
        Some(Ok(Planned { memory, .. })) if some => {
            let text = format!("needs about {} in memory", super::bars::bytes(*memory));
            ui.label(RichText::new(text).weak().small());
        }
        _ => {
            ui.weak("Add steps, or open a recipe");
        }
    }
}

/// The message of an error without the place in a file that a recipe being built has not.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix("recipe: ").map_or(text.clone(), str::to_owned)
}

fn steps(bench: &mut Bench, image: Option<([f64; 2], bool)>, layers: &[String], ui: &mut Ui) {
    enum Change {
        Up(usize),
        Down(usize),
        Remove(usize),
    }
    let mut change = None;
    let count = bench.steps.len();
    let mut names = [&[IMAGE.to_owned()], layers].concat();
    for (i, draft) in bench.steps.iter_mut().enumerate() {
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
                    .show(ui, |ui| further::rows(ui, spec, &mut draft.step.inputs, &names, i));
            }
            form(ui, draft, image, &format!("step {i}"));
        });
        names.extend(draft.step.name.clone());
    }
    match change {
        Some(Change::Up(i)) => bench.steps.swap(i, i - 1),
        Some(Change::Down(i)) => bench.steps.swap(i, i + 1),
        Some(Change::Remove(i)) => {
            bench.steps.remove(i);
        }
        None => {}
    }
}

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
fn arrow(ui: &mut Ui, up: bool, enabled: bool) -> egui::Response {
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
    /// What follows the number: a unit.
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

fn add_menu(bench: &mut Bench, ui: &mut Ui) {
    ui.add_space(4.0);
    ui.menu_button("Add step", |ui| {
        for group in Group::ALL {
            ui.menu_button(group.title(), |ui| {
                ui.set_min_width(180.0);
                for op in OPERATORS.iter().filter(|op| op.spec().group == group) {
                    if ui.button(op.spec().id).on_hover_text(op.spec().summary).clicked() {
                        bench.add(*op);
                        ui.close();
                    }
                }
            });
        }
    });
}

/// Runs the recipe on the whole image.
pub fn start(viewer: &mut Viewer) {
    let wake = viewer.waker();
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let result = viewer.bench.recipe().map(|recipe| {
        let others = further::taken(viewer, &recipe);
        work::run(&recipe, layer, &others, None, wake)
    });
    match result {
        Ok(running) => (viewer.bench.running, viewer.bench.measured) = (Some(running), None),
        Err(error) => viewer.tell(error.to_string()),
    }
}

impl Viewer {
    /// The layer that the recipe runs on: labels where its first step takes nothing else, and there are some; otherwise
    /// intensities.
    pub fn layer_to_run_on(&self) -> Option<&Layer> {
        let of_labels = self.bench.steps.first().is_some_and(|step| {
            let inputs = step.op.spec().inputs.first();
            inputs.is_some_and(|input| {
                !input.kinds.contains(&Kind::Grey) && input.kinds.contains(&Kind::Labels)
            })
        });
        let labels = if of_labels { self.layer_to_measure() } else { None };
        labels.or_else(|| self.layer_to_work_on())
    }

    /// The layer whose objects would be measured: the one that is chosen, or else the uppermost of labels.
    pub fn layer_to_measure(&self) -> Option<&Layer> {
        let scene = self.document.scenes.get(self.chosen.0)?;
        let labels = |l: &&Layer| l.content == Content::Labels && Some(l.id) != self.bench.shown();
        let chosen = scene.layers.get(self.chosen.1).filter(labels);
        chosen.or_else(|| scene.layers.iter().rfind(labels))
    }

    /// Measures its objects, with the intensities on its grid that are worked on.
    pub fn measure_objects(&mut self) {
        if self.bench.running.is_some() {
            return;
        }
        let Some(layer) = self.layer_to_measure() else { return };
        let mut grey = self.layer_to_work_on().filter(|l| l.id != layer.id);
        let mut left_out = None;
        if let Some(Err(error)) = grey.map(|grey| work::fits(grey, layer)) {
            left_out = Some(format!("Without intensities: {error}"));
            grey = None;
        }
        let (id, with) = (layer.id, grey.map(|l| l.id));
        let desk = self.kit.desks().find(|d| d.layer == id);
        let version = desk.map(|d| (d.board.edits(), Arc::new(d.board.labels.version())));
        match work::measure(layer, version.as_ref().map(|v| v.1.clone()), grey, self.waker()) {
            Ok(running) => {
                (self.bench.running, self.bench.measured) = (Some(running), Some((id, version)));
                self.bench.intensities = with;
            }
            Err(error) => self.tell(error.to_string()),
        }
        if let Some(text) = left_out {
            self.tell(text);
        }
    }
}

/// What the last run found on the way, such as thresholds.
fn facts(bench: &Bench, ui: &mut Ui) {
    if bench.running.is_none() && !bench.facts.is_empty() {
        let facts: Vec<String> =
            bench.facts.iter().map(|(name, v)| format!("{name} {}", short(*v))).collect();
        let text = facts.join(" · ");
        ui.add(egui::Label::new(RichText::new(&text).small().weak()).truncate()).on_hover_text(text);
    }
}

/// How far a run is, with a button that stops it.
pub fn progress(running: &Running, ui: &mut Ui, wide: f32) {
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

/// Keeps the preview up with the recipe and with what is visible.
fn preview(viewer: &mut Viewer, ok: bool) {
    if !viewer.bench.preview || !ok {
        if !viewer.bench.preview && viewer.bench.shown.is_some() {
            drop_preview(viewer);
        }
        return;
    }
    let Some(Ok(Planned { shown: Some(recipe), several, whole, .. })) = &viewer.bench.planned.1 else {
        return;
    };
    if *several {
        return drop_preview(viewer);
    }
    let (recipe, local) = (recipe.clone(), whole.is_empty());
    if local { preview_live(viewer, &recipe) } else { preview_part(viewer, &recipe) }
}

/// Local steps are calculated where they are looked at.
fn preview_live(viewer: &mut Viewer, recipe: &Recipe) {
    let fast = viewer.gpu().info.device_type != eframe::wgpu::DeviceType::Cpu;
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let (source, kind) = (layer.source.clone(), work::kind(layer));
    let frame = Frame::new(layer.channel, layer.time);
    let wanted = format!("{} {frame:?}\n{}", layer.id, recipe.to_toml());
    if viewer.bench.previewed == wanted {
        return;
    }
    if let (Some(live), Some(shown)) = (viewer.bench.live.clone(), viewer.bench.shown)
        && live.is_of(&source, frame)
    {
        // What is being made is shown before the next is begun, so that a slider shows something while it moves.
        if !viewer.painter.is_settled(shown) && viewer.bench.changed.is_some_and(|t| t.elapsed() < PATIENCE) {
            (viewer.waker())();
            return;
        }
        match live.change(recipe) {
            Ok(true) => {
                let whole = Region::whole(source.info().shape());
                viewer.painter.changed(shown, &[whole]);
                let layers = viewer.document.scenes.iter().flat_map(|s| &s.layers);
                layers.filter(|l| l.id == shown).for_each(|l| l.source.changed(&[whole]));
                (viewer.bench.previewed, viewer.bench.changed) = (wanted, Some(Instant::now()));
                return;
            }
            Ok(false) => {}
            Err(error) => {
                viewer.bench.previewed = wanted;
                return viewer.tell(format!("Preview: {error}"));
            }
        }
    }
    drop_preview(viewer);
    match Live::new(recipe, source, frame, kind, fast) {
        Ok(live) => {
            let live = Arc::new(live);
            viewer.bench.shown = viewer.add_result(live.clone(), "preview", true);
            let shown = viewer.bench.shown;
            let mut layers = viewer.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
            if let Some(layer) = layers.find(|l| Some(l.id) == shown) {
                layer.live = Some(live.clone());
                viewer.opener.survey(layer);
            }
            viewer.bench.live = Some(live);
        }
        Err(error) => viewer.tell(format!("Preview: {error}")),
    }
    (viewer.bench.previewed, viewer.bench.changed) = (wanted, Some(Instant::now()));
}

/// Steps that need more are run on what is visible.
fn preview_part(viewer: &mut Viewer, recipe: &Recipe) {
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let part = previewed_part(layer);
    let wanted = format!("{} {part:?}\n{}", layer.id, recipe.to_toml());
    let current = viewer.bench.previewing.as_ref().map_or(&viewer.bench.previewed, |p| &p.0);
    if *current == wanted
        || viewer.bench.previewing.is_some() && viewer.bench.changed.is_some_and(|t| t.elapsed() < PATIENCE)
    {
        return;
    }
    let running = work::run(recipe, layer, &[], Some(part), viewer.waker());
    viewer.bench.level = part.level;
    viewer.bench.previewing = Some((wanted, running));
    viewer.bench.changed = Some(Instant::now());
}

fn drop_preview(viewer: &mut Viewer) {
    viewer.bench.previewing = None;
    viewer.bench.live = None;
    viewer.bench.previewed.clear();
    if let Some(id) = viewer.bench.shown.take() {
        viewer.remove_layer(id);
    }
}

/// What a preview shows, in words.
fn previewed(bench: &Bench, ui: &mut Ui) {
    let Some(Ok(Planned { whole, several, .. })) = &bench.planned.1 else { return };
    if !bench.preview || bench.shown.is_none() && !several {
        return;
    }
    if *several {
        ui.weak("No preview: the recipe takes several images");
        return;
    }
    let text = match (whole.is_empty(), bench.level) {
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

/// Plans the recipe where it or its image is another one.
fn plan(viewer: &mut Viewer) {
    let recipe = viewer.bench.recipe();
    let text = recipe.as_ref().map_or_else(ToString::to_string, Recipe::to_toml);
    let layer = viewer.layer_to_run_on();
    let others: Vec<u64> = further::others(viewer).iter().map(|(_, l)| l.id).collect();
    let wanted = format!("{:?} {others:?} {text}", layer.map(|l| (l.id, l.content)));
    if viewer.bench.planned.0 == wanted {
        return;
    }
    let planned = layer.map(|layer| {
        let plan = recipe.and_then(|recipe| {
            let others = further::taken(viewer, &recipe);
            let plan = work::plan(&recipe, layer, &others)?;
            Ok(Planned { several: !others.is_empty(), ..Planned::of(&plan) })
        });
        plan.map_err(|e| plain(&e))
    });
    viewer.bench.planned = (wanted, planned);
}

/// Takes in what has ended, once a frame.
pub fn receive(viewer: &mut Viewer) {
    plan(viewer);
    preview(viewer, viewer.bench.is_ready());
    fit(viewer);
    if let Some((wanted, result)) =
        viewer.bench.previewing.as_ref().and_then(|(w, r)| Some((w.clone(), r.ended()?)))
    {
        viewer.bench.previewing = None;
        viewer.bench.live = None;
        viewer.bench.previewed = wanted;
        if let Some(id) = viewer.bench.shown.take() {
            viewer.remove_layer(id);
        }
        match result {
            Ok(made) => {
                if let Some(image) = made.image {
                    viewer.bench.shown = viewer.add_result(image, "preview", true);
                }
            }
            Err(Error::Cancelled) => {}
            Err(error) => viewer.tell(format!("Preview: {error}")),
        }
    }
    let Some(result) = viewer.bench.running.as_ref().and_then(Running::ended) else { return };
    viewer.bench.running = None;
    match result {
        Ok(made) => {
            viewer.bench.preview = false;
            drop_preview(viewer);
            let name = viewer
                .bench
                .title
                .clone()
                .or_else(|| viewer.bench.steps.last().map(|s| s.op.spec().id.to_owned()));
            let made_of =
                made.image.and_then(|i| viewer.add_result(i, name.as_deref().unwrap_or("result"), false));
            made.warnings.into_iter().for_each(|w| viewer.warn(w));
            viewer.bench.facts = made.facts;
            viewer.bench.tables = made.tables;
            let measured = viewer.bench.measured.take();
            viewer.bench.intensities = viewer.bench.intensities.filter(|_| measured.is_some());
            viewer.bench.about = measured.as_ref().map(|m| m.0).or(made_of);
            let version = measured.and_then(|(id, version)| version.map(|(edits, v)| (id, edits, v)));
            viewer.table.anew.measured(version);
            viewer.tables = !viewer.bench.tables.is_empty();
        }
        Err(Error::Cancelled) => viewer.note("The run was cancelled; nothing was changed".to_owned(), None),
        Err(error) => viewer.tell(error.to_string()),
    }
}

/// A preview has the window of its image, unless its intensities are others.
fn fit(viewer: &mut Viewer) {
    let shown = viewer.bench.shown;
    let mut layers = viewer.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
    let Some(layer) = layers.find(|l| Some(l.id) == shown && l.content == Content::Grey) else { return };
    let Some(stats) = layer.stats.clone().filter(|s| viewer.bench.fitted != Some((layer.id, s.level))) else {
        return;
    };
    viewer.bench.fitted = Some((layer.id, stats.level));
    let own = layer.window_of(&stats);
    let [low, high] = layer.display.window.unwrap_or(own);
    let shared = (own[1].min(high) - own[0].max(low)).max(0.0);
    if shared < 0.5 * (own[1] - own[0]).max(high - low) {
        layer.display.window = Some(own);
    }
}

/// Voxels of the level that a preview is of, at most.
const PREVIEWED: usize = 8 << 20;

/// What a preview of steps that need the whole image is of: all of the finest level that is small enough, so that every
/// pane shows it.
pub fn previewed_part(layer: &Layer) -> Part {
    let levels = &layer.source.info().levels;
    let small = |l: &voxelry_core::io::Level| l.shape.iter().product::<usize>() <= PREVIEWED;
    let level = levels.iter().position(small).unwrap_or(levels.len() - 1);
    Part { level, region: Region::whole(levels[level].shape) }
}

fn copy_command(viewer: &mut Viewer, ui: &Ui) {
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let recipe = viewer.bench.recipe();
    let others = recipe.as_ref().map_or_else(|_| Vec::new(), |recipe| further::taken(viewer, recipe));
    match command(layer, &others, recipe) {
        Ok(command) => {
            ui.ctx().copy_text(command);
            viewer.say("Copied command to clipboard".to_owned());
        }
        Err(error) => viewer.tell(error.to_string()),
    }
}

/// The commands that write a recipe and run it on a layer's file, wherever they are pasted.
fn command(layer: &Layer, others: &[(String, &Layer)], recipe: Result<Recipe>) -> Result<String> {
    let recipe = recipe?;
    let Some(path) = &layer.path else {
        return Err(Error::Usage(format!(
            "{} is in no file that a command could read: save it first",
            layer.name
        )));
    };
    let anywhere = |path: &Path| {
        let path = voxelry_core::io::remote::address(path)
            .map_or_else(|| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), Into::into);
        path.to_string_lossy().into_owned()
    };
    let mut command = format!("voxelry run --recipe recipe.toml {} --out results", quoted(&anywhere(path)));
    if layer.channel > 0 {
        command += &format!(" --channel {}", layer.channel + 1);
    }
    if layer.time > 0 {
        command += &format!(" --time {}", layer.time + 1);
    }
    if layer.content == Content::Labels {
        command += " --as labels";
    }
    for (name, other) in others {
        let file = other.path.as_ref().map_or("FILE".to_owned(), |path| anywhere(path));
        command += &format!(" --with {}", quoted(&format!("{name}={file}")));
    }
    Ok(format!("cat > recipe.toml <<'END'\n{}END\n{command}", recipe.to_toml()))
}

/// Text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+=:@%".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_goes_through_the_forms_unchanged() {
        for (name, text) in BUILT_IN {
            let recipe = Recipe::parse(text).unwrap();
            let mut bench = Bench::default();
            bench.load(&recipe);
            assert_eq!(bench.recipe().unwrap().to_toml(), recipe.to_toml(), "{name}");
        }
    }

    #[test]
    fn copied_commands_work_wherever_they_are_pasted() {
        use voxelry_core::io::{OpenOptions, WriteOptions, browse::Cache, write_volume};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.nii");
        let volume = voxelry_core::Volume::from(ndarray::Array3::<u8>::zeros((2, 3, 4)));
        write_volume(&path, &volume, voxelry_core::Geometry::default(), false, &WriteOptions::default())
            .unwrap();
        let cache = Cache::new(1 << 20);
        let mut layer = crate::view::open::layers(&path, &OpenOptions::default(), &cache).unwrap().remove(0);
        let recipe = || Recipe::parse("[[step]]\nop = \"otsu\"\n");
        layer.path = Some("scans/scan.nii".into());
        let here = std::env::current_dir().unwrap().join("scans/scan.nii");
        let text = command(&layer, &[], recipe()).unwrap();
        assert!(text.contains(&quoted(&here.to_string_lossy())), "{text}");
        layer.path = Some("https://host/scan.ome.zarr".into());
        assert!(command(&layer, &[], recipe()).unwrap().contains(" https://host/scan.ome.zarr "));
        layer.path = None;
        assert!(command(&layer, &[], recipe()).unwrap_err().to_string().contains("save it first"));
    }

    #[test]
    fn words_are_quoted_for_shells() {
        assert_eq!(quoted("/a/b-c.tif"), "/a/b-c.tif");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }
}
