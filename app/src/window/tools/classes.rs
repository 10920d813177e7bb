//! Pixel classification from strokes: a forest learns from the edited labels, and a recipe applies it everywhere.

use super::tool_input::IntensityImage;
use crate::window::app::Viewer;
use crate::window::events::AppEvent;
use egui::{RichText, Ui};
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::labels::Labels;
use voxelry_core::ops::classify::{Forest, Sample, halo, samples};
use voxelry_core::ops::{self, Value};
use voxelry_core::recipe::{Recipe, Step};
use voxelry_core::{Error, Job, Region, Result, Volume};

/// Samples of all strokes together, at most; more are thinned out evenly.
const MOST: usize = 400_000;

/// State of pixel classification.
#[derive(Default)]
pub struct Classes {
    /// True if the forest is trained again after each stroke.
    pub live: bool,
    /// The model that was learned last.
    pub model: Option<PathBuf>,
    /// Edits of the labels that it was learned from.
    of: Option<u64>,
    running: Option<Job>,
    made: u32,
}

/// Panel of pixel classification.
pub fn show(viewer: &mut Viewer, ui: &mut Ui) {
    let classes = viewer.tools.rows.len();
    let busy = viewer.tools.classes.running.is_some();
    let hint = "Use one label per class, and paint a few strokes of each class in different regions";
    ui.add(egui::Label::new(RichText::new(hint).weak().small()).wrap());
    ui.horizontal(|ui| {
        let learn = ui.add_enabled(classes > 1 && !busy, egui::Button::new("Learn"));
        if learn
            .on_hover_text("Trains on the labels and previews the classes in the visible region")
            .clicked()
        {
            viewer.learn();
        }
        ui.checkbox(&mut viewer.tools.classes.live, "Live").on_hover_text("Trains again after each stroke");
        if busy {
            ui.spinner();
            ui.label("Learning");
        }
    });
    let there = viewer.tools.classes.model.is_some();
    ui.horizontal(|ui| {
        let ready = there && viewer.recipe_editor.is_ready() && viewer.recipe_editor.running().is_none();
        let apply = ui.add_enabled(ready, egui::Button::new("Apply to whole image"));
        if apply.on_hover_text("Classifies the whole image with the recipe in the Recipe panel").clicked() {
            viewer.tools.classes.live = false;
            crate::window::recipe::start(viewer);
        }
        let save = ui.add_enabled(there, egui::Button::new("Save model…"));
        if save.on_hover_text("Save the trained model for the \"classify\" recipe step").clicked() {
            viewer.ask_where_to_save_model(&ui.ctx().clone());
        }
        let mut shown = viewer.recipe_editor.preview.enabled;
        if there && ui.checkbox(&mut shown, "Show").on_hover_text("Preview in the visible region").changed() {
            viewer.recipe_editor.preview.enabled = shown;
        }
    });
}

impl Viewer {
    /// Trains on the edited labels, on a thread.
    pub fn learn(&mut self) {
        let Some(image) = self.edited_image().map(IntensityImage::of) else { return };
        let Some(editing) = &self.tools.editing else { return };
        let labels = editing.editor.labels.clone();
        let Some(folder) = labels.log().parent().map(PathBuf::from) else { return };
        let classes = &mut self.tools.classes;
        classes.made += 1;
        classes.of = Some(editing.editor.edits());
        let path = folder.join(format!("classes-{}.json", classes.made));
        let job = Job::silent();
        if let Some(old) = classes.running.replace(job.clone()) {
            old.cancel();
        }
        let (send, wake) = (self.jobs.events.0.clone(), self.jobs.wake.clone());
        std::thread::spawn(move || {
            let learned = learn(&labels, &image, &job).and_then(|forest| forest.write(&path));
            // Nobody listens when the window has closed.
            let _ = send.send(AppEvent::Learned(learned.map(|()| path)));
            wake();
        });
    }

    /// Takes the model in that was learned: the recipe applies it to what is visible.
    pub(in crate::window) fn learned(&mut self, learned: Result<PathBuf>) {
        let path = match learned {
            Ok(path) => path,
            // A newer one is being learned.
            Err(Error::Cancelled) => return,
            Err(error) => {
                self.tools.classes.running = None;
                return self.tell(error.to_string());
            }
        };
        self.tools.classes.running = None;
        let op = ops::find("classify").expect("it is in the list");
        let model = Value::Text(path.display().to_string());
        let step = Step::new(op, [("model", model)].into());
        self.recipe_editor.load(&Recipe { title: Some("Classes".to_owned()), steps: vec![step] });
        self.recipe_editor.preview.enabled = true;
        self.tools.classes.model = Some(path);
    }

    /// Learns again where that is wanted and strokes have come.
    pub(in crate::window) fn learn_again(&mut self) {
        let Some(editing) = &self.tools.editing else { return };
        let classes = &self.tools.classes;
        let new = classes.of != Some(editing.editor.edits());
        if classes.live
            && new
            && !editing.editor.is_busy()
            && classes.running.is_none()
            && self.tools.rows.len() > 1
        {
            self.learn();
        }
    }

    /// Asks where the model goes, and copies it there.
    fn ask_where_to_save_model(&mut self, ctx: &egui::Context) {
        let Some(model) = self.tools.classes.model.clone() else { return };
        self.ask(ctx, move |d| {
            let path = d.add_filter("Trained forest", &["json"]).set_file_name("classes.json").save_file()?;
            let written = Forest::read(&model).and_then(|forest| forest.write(&path));
            Some(crate::window::dialogs::told(&path, written))
        });
    }
}

/// Learns from all labels that are there.
fn learn(labels: &Arc<Labels>, image: &IntensityImage, job: &Job) -> Result<Forest> {
    let shape = labels.shape();
    let boxes = labels.sums().unwrap_or_default();
    let mut all: Vec<Sample> = Vec::new();
    let total: i64 = boxes.values().map(|s| s.count).sum();
    let every = (total as usize).div_ceil(MOST).max(1);
    let mut tiles: Vec<Region> =
        boxes.keys().filter_map(|label| labels.within(*label)).flat_map(|b| touched(b, shape)).collect();
    tiles.sort_unstable();
    tiles.dedup();
    for tile in tiles {
        job.check()?;
        let strokes = labels.get(tile)?;
        if strokes.iter().all(|v| *v == 0) {
            continue;
        }
        let around = tile.grown([halo(); 3], shape);
        let grey = Volume::F32(image.read(around)?);
        let found = samples(&grey, tile.relative_to(around.start), &strokes, job)?;
        all.extend(found.into_iter().step_by(every));
    }
    Forest::train(&all, job)
}

/// The tiles of an image of `shape` that a box touches.
fn touched(part: Region, shape: [usize; 3]) -> Vec<Region> {
    const TILE: [usize; 3] = [16, 64, 64];
    let start: [usize; 3] = std::array::from_fn(|a| part.start[a] / TILE[a] * TILE[a]);
    let around = Region { start, shape: std::array::from_fn(|a| part.end()[a] - start[a]) };
    let whole = |t: Region| Region {
        start: t.start,
        shape: std::array::from_fn(|a| TILE[a].min(shape[a] - t.start[a])),
    };
    around.tiles(TILE).into_iter().map(whole).collect()
}
